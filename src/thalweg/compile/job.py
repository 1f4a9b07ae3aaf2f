"""How a kernel reads its job: a few lines of LLVM behind names that Numba's compiler understands.

A job is five 64-bit integers: the next row to take, the number of rows, and the addresses of the table (for every row
the addresses of its arrays), of the counts (elements in each row) and of the scalars.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

job_type = types.void(types.CPointer(types.int64))


@intrinsic
def take_row(typing_context: Any, job: Any) -> Any:
    """The next row that no thread has taken yet: an atomic increment of the job's first word."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", arguments[0], ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(job), generate


def open_job_of(real: Any) -> Any:
    """For arrays of type `real`, a function that gives a job's (rows, table, counts, scalars)."""
    array = types.CPointer(real)
    fields = (types.int64, types.CPointer(array), types.CPointer(types.int64), types.CPointer(types.float64))

    @intrinsic
    def open_job(typing_context: Any, job: Any) -> Any:
        """Pointers, not Numba arrays, whose reference counts would need Numba's runtime."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            words = []
            for position, field in enumerate(fields, start=1):
                address = builder.gep(arguments[0], [ir.Constant(ir.IntType(64), position)])
                word = builder.load(address)
                wanted = context.get_value_type(field)
                words.append(word if position == 1 else builder.inttoptr(word, wanted))
            return context.make_tuple(builder, signature.return_type, words)

        return types.Tuple(fields)(job), generate

    return open_job


def flush_of(real: Any) -> tuple[Any, Any]:
    """For arrays of type `real`: a function that turns subnormal numbers into zero, and one that makes its mask.

    A number is zero or subnormal exactly if its exponent bits are all zero, which a vector unit tests in one
    instruction; comparing its absolute value costs an Adam step about 2 %. Under a mask of all ones only zero itself
    becomes zero.
    """
    bits = ir.IntType(real.bitwidth)
    exponent = {32: 0x7F800000, 64: 0x7FF0000000000000}[real.bitwidth]

    @intrinsic
    def flush(typing_context: Any, value: Any, mask: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            number, wanted = arguments
            wanted = builder.trunc(wanted, bits) if real.bitwidth < 64 else wanted
            kept = builder.and_(builder.bitcast(number, bits), wanted)
            is_kept = builder.icmp_unsigned("!=", kept, ir.Constant(bits, 0))
            return builder.select(is_kept, number, ir.Constant(number.type, 0.0))

        return real(real, types.int64), generate

    @intrinsic
    def flush_mask(typing_context: Any, wanted: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            flushes = builder.fcmp_ordered("!=", arguments[0], ir.Constant(arguments[0].type, 0.0))
            word = ir.IntType(64)
            return builder.select(flushes, ir.Constant(word, exponent), ir.Constant(word, -1))

        return types.int64(types.float64), generate

    return flush, flush_mask

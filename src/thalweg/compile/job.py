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

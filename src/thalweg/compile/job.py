"""How a kernel reads its job and its arrays: a few lines of LLVM behind names that Numba's compiler understands.

A job is five 64-bit integers: the next chunk to take, the number of chunks, the address of the chunks' first rows (one
more than there are chunks), the address of the table, and where the rows' sums go, for a kernel that adds up. A row of
the table holds the addresses of its arrays and then the words named in `FIELDS`. Pointers, not Numba arrays, whose
reference counts would need Numba's runtime.
"""

import platform
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

WORD, SHORT, BYTES4, SINGLE, DOUBLE = ir.IntType(64), ir.IntType(16), ir.IntType(32), ir.FloatType(), ir.DoubleType()
address_of_words = types.CPointer(types.int64)
job_type = types.void(address_of_words)
NUMBER = {"float32": types.float32, "float64": types.float64, "bfloat16": types.uint16, "float16": types.uint16}


@intrinsic
def prefer_wide_vectors(typing_context: Any) -> Any:
    """Let LLVM use 512-bit vectors where there are some: numbers that are widened or narrowed gain most by them."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')  # llvmlite knows no such attribute
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def take_chunk(typing_context: Any, job: Any) -> Any:
    """The next chunk that no thread has taken yet: an atomic increment of the job's first word."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", arguments[0], ir.Constant(WORD, 1), "monotonic")

    return types.int64(job), generate


def pointer_to(name: str) -> Any:
    """A function from an address to a pointer to numbers of a type, or for "words" to 64-bit integers."""
    target = types.CPointer(types.int64 if name == "words" else NUMBER[name])

    @intrinsic
    def pointer(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(target))

        return target(types.int64), generate

    return pointer


@intrinsic
def bits_of(typing_context: Any, number: Any) -> Any:
    """A float64 as the integer with the same bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], WORD)

    return types.int64(types.float64), generate


def _element(builder: Any, pointer: Any, index: Any) -> Any:
    return builder.gep(pointer, [index])


def _widened(builder: Any, name: str, short: Any) -> Any:
    if name == "float16":
        return builder.fpext(builder.bitcast(short, ir.HalfType()), SINGLE)
    return builder.bitcast(builder.shl(builder.zext(short, BYTES4), ir.Constant(BYTES4, 16)), SINGLE)


def _nearest(builder: Any, name: str, number: Any) -> Any:
    """A float32 as the nearest 16-bit number, ties to even."""
    if name == "float16":
        return builder.bitcast(builder.fptrunc(number, ir.HalfType()), SHORT)
    bits = builder.bitcast(number, BYTES4)
    odd = builder.and_(builder.lshr(bits, ir.Constant(BYTES4, 16)), ir.Constant(BYTES4, 1))
    rounded = builder.add(builder.add(bits, ir.Constant(BYTES4, 0x7FFF)), odd)
    return _upper_half(builder, number, rounded)


def _stochastic(builder: Any, number: Any, noise: Any, computed: bool) -> Any:
    """A float32 as the bfloat16 below or above it; an infinity stays what it is."""
    bits = builder.bitcast(number, BYTES4)
    exponent = ir.Constant(BYTES4, 0x7F800000)
    finite = builder.icmp_unsigned("!=", builder.and_(bits, exponent), exponent)
    moved = builder.select(finite, builder.add(bits, noise), bits)
    if computed:  # then a NaN is a quiet one, which its upper half says too
        return builder.trunc(builder.lshr(moved, ir.Constant(BYTES4, 16)), SHORT)
    return _upper_half(builder, number, moved)


def _upper_half(builder: Any, number: Any, bits: Any) -> Any:
    """The upper 16 of 32 bits; a quiet NaN if the number is one, whose payload may stand in the lower half."""
    is_nan = builder.fcmp_unordered("uno", number, number)
    upper = builder.trunc(builder.lshr(bits, ir.Constant(BYTES4, 16)), SHORT)
    return builder.select(is_nan, ir.Constant(SHORT, 0x7FC0), upper)


def load_of(name: str) -> Any:
    """A function that reads element `index` behind a pointer to 16-bit numbers as a float32."""

    @intrinsic
    def load(typing_context: Any, pointer: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return _widened(builder, name, builder.load(_element(builder, *arguments)))

        return types.float32(pointer, types.int64), generate

    return load


def store_of(name: str) -> Any:
    """A function that writes a float32 as the nearest 16-bit number, and gives back what can be read there now."""

    @intrinsic
    def store(typing_context: Any, pointer: Any, index: Any, number: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            short = _nearest(builder, name, arguments[2])
            builder.store(short, _element(builder, *arguments[:2]))
            return _widened(builder, name, short)

        return types.float32(pointer, types.int64, types.float32), generate

    return store


def store_stochastic_of(name: str, computed: bool) -> Any:
    """A function that writes a float32 as one of the two bfloat16 around it, chosen by 16 random bits.

    Args:
        name: The type to write.
        computed: Whether the number comes out of arithmetic.
    """

    @intrinsic
    def store(typing_context: Any, pointer: Any, index: Any, number: Any, noise: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            short = _stochastic(builder, arguments[2], arguments[3], computed)
            builder.store(short, _element(builder, *arguments[:2]))
            return _widened(builder, name, short)

        return types.float32(pointer, types.int64, types.float32, types.uint32), generate

    return store


WEYL = ir.Constant(BYTES4, 0x9E3779B9)  # 2**32 over the golden ratio


@intrinsic
def weyl_at(typing_context: Any, index: Any) -> Any:
    """Where the Weyl sequence of an element's random bits stands: a loop then only adds."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.mul(builder.trunc(arguments[0], BYTES4), WEYL)

    return types.uint32(types.int64), generate


@intrinsic
def weyl_after(typing_context: Any, weyl: Any) -> Any:
    """Where it stands for the next element."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.add(arguments[0], WEYL)

    return types.uint32(types.uint32), generate


@intrinsic
def noise_of(typing_context: Any, weyl: Any, key: Any) -> Any:
    """16 random bits for an element, from its place in the Weyl sequence and a key.

    Mixed as MurmurHash3 ends (Appleby 2011), of which the upper half is taken. Each step is one to one, so for an
    element every value is equally likely under a random key.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mixed = builder.add(arguments[0], builder.trunc(arguments[1], BYTES4))
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
            mixed = builder.xor(mixed, builder.lshr(mixed, ir.Constant(BYTES4, shift)))
            mixed = builder.mul(mixed, ir.Constant(BYTES4, factor))
        return builder.lshr(mixed, ir.Constant(BYTES4, 16))

    return types.uint32(types.uint32, types.int64), generate


EXPONENT = {"float32": 0x7F800000, "float64": 0x7FF0000000000000}


def flush_of(name: str) -> Any:
    """A function that turns a subnormal number into the zero of its sign.

    A number is zero or subnormal exactly if its exponent bits are all zero, which a vector unit tests in one
    instruction; comparing its absolute value costs an Adam step about 2 %.
    """
    real = NUMBER[name]
    word = ir.IntType(real.bitwidth)
    sign = 1 << (real.bitwidth - 1)

    @intrinsic
    def flush(typing_context: Any, number: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            bits = builder.bitcast(arguments[0], word)
            exponent = builder.and_(bits, ir.Constant(word, EXPONENT[name]))
            is_kept = builder.icmp_unsigned("!=", exponent, ir.Constant(word, 0))
            zero = builder.bitcast(builder.and_(bits, ir.Constant(word, sign)), arguments[0].type)
            return builder.select(is_kept, arguments[0], zero)

        return real(real), generate

    return flush


def unfit_of(name: str) -> Any:
    """A function that gives 1 for an infinity or NaN, else 0."""
    real = NUMBER[name]
    word = ir.IntType(real.bitwidth)

    @intrinsic
    def unfit(typing_context: Any, number: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            exponent = ir.Constant(word, EXPONENT[name])
            bits = builder.and_(builder.bitcast(arguments[0], word), exponent)
            return builder.zext(builder.icmp_unsigned("==", bits, exponent), WORD)

        return types.int64(real), generate

    return unfit


def _x86_control(builder: Any, write: bool) -> tuple[Any, Any]:
    slot = builder.alloca(BYTES4)
    pointer = builder.bitcast(slot, ir.IntType(8).as_pointer())
    verb = "ldmxcsr" if write else "stmxcsr"
    signature = ir.FunctionType(ir.VoidType(), [pointer.type])
    function = builder.module.declare_intrinsic(f"llvm.x86.sse.{verb}", (), signature)
    return slot, lambda: builder.call(function, [pointer])


def _read_x86(builder: Any) -> Any:
    slot, call = _x86_control(builder, write=False)
    call()
    return builder.zext(builder.load(slot), WORD)


def _write_x86(builder: Any, value: Any) -> None:
    slot, call = _x86_control(builder, write=True)
    builder.store(builder.trunc(value, BYTES4), slot)
    call()


def _read_arm(builder: Any) -> Any:
    return builder.asm(ir.FunctionType(WORD, []), "mrs $0, fpcr", "=r,~{memory}", [], side_effect=True)


def _write_arm(builder: Any, value: Any) -> None:
    builder.asm(ir.FunctionType(ir.VoidType(), [WORD]), "msr fpcr, $0", "r,~{memory}", [value], side_effect=True)


# Per machine: how to read and write the register that says whether subnormal numbers are zero, and its bits for that.
CONTROL: dict[str, tuple[Callable, Callable, int]] = {
    **dict.fromkeys(("x86_64", "AMD64"), (_read_x86, _write_x86, 0x8040)),
    **dict.fromkeys(("aarch64", "arm64"), (_read_arm, _write_arm, 1 << 24)),
}


NO_CONTROL = (lambda builder: ir.Constant(WORD, 0), lambda builder, value: None, 0)  # elsewhere: IEEE arithmetic


@intrinsic
def begin_flushing(typing_context: Any) -> Any:
    """Let arithmetic of this thread read and give zero for subnormal numbers; gives what to restore."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        read, write, wanted = CONTROL.get(platform.machine(), NO_CONTROL)
        before = read(builder)
        write(builder, builder.or_(before, ir.Constant(WORD, wanted)))
        return before

    return types.int64(), generate


@intrinsic
def end_flushing(typing_context: Any, before: Any) -> Any:
    """Restore what `begin_flushing` found."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        CONTROL.get(platform.machine(), NO_CONTROL)[1](builder, arguments[0])
        return context.get_dummy_value()

    return types.void(types.int64), generate

"""What only some kernels need beyond `thalweg.compile.job`: a few lines of LLVM behind names that Numba knows."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

BYTES4, DOUBLE = ir.IntType(32), ir.DoubleType()


def plus_product_of(name: str) -> Any:
    """A function for a sum and a product more: LLVM may add up in any order, so in vectors, and round once for both.

    It may do so in this addition and this multiplication alone, so no other arithmetic around them changes.
    """
    real = types.float64 if name == "float64" else types.float32

    @intrinsic
    def plus_product(typing_context: Any, total: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            product = builder.fmul(*arguments[1:], flags=("contract",))
            return builder.fadd(arguments[0], product, flags=("contract", "reassoc"))

        return real(real, real, real), generate

    return plus_product


@intrinsic
def random_whole(typing_context: Any, run_key: Any, step_key: Any) -> Any:
    """The whole number below 2**32 of a run and a step, from their keys; all three as float64, which holds them."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mixed = builder.xor(*(builder.fptoui(key, BYTES4) for key in arguments))
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
            mixed = builder.xor(mixed, builder.lshr(mixed, ir.Constant(BYTES4, shift)))
            mixed = builder.mul(mixed, ir.Constant(BYTES4, factor))
        return builder.uitofp(builder.xor(mixed, builder.lshr(mixed, ir.Constant(BYTES4, 16))), DOUBLE)

    return types.float64(types.float64, types.float64), generate


@intrinsic
def power(typing_context: Any, base: Any, exponent: Any) -> Any:
    """The C library's pow, which is Python's too: LLVM would make a square root of the power 0.5, and the like."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(DOUBLE, (DOUBLE, DOUBLE))
        called = builder.call(cgutils.get_or_insert_function(builder.module, kind, "pow"), arguments)
        set.add(called.attributes, "nobuiltin")  # llvmlite knows no such attribute
        return called

    return types.float64(types.float64, types.float64), generate

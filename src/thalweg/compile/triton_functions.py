"""Functions that Triton kernels call, as text: flushing, 16-bit numbers, random bits, powers.

Flushing is the reference's, `thalweg.compile.numpy`: a product, or a number that becomes narrower, is judged by the
size that it has with an exponent of any size, for which it is lifted by 2**64. For a quotient comparing is enough: none
lies so close below the smallest normal number that it would be rounded up to it. Random bits are the CPU's, and powers
C's, but for the sign of a negative zero.
"""

from __future__ import annotations

FUNCTIONS = {
    "flushed_": """
@triton.jit
def flushed_(number):
    smallest: tl.constexpr = 2.0**-126 if number.dtype == tl.float32 else 2.0**-1022
    return tl.where(tl.abs(number) < smallest, number * 0.0, number)
""",
    "narrowed_": """
@triton.jit
def narrowed_(wide):
    number = wide.to(tl.float32)
    return tl.where(tl.abs((wide * 2.0**64).to(tl.float32)) < 2.0**-62, number * 0.0, number)
""",
    "product_": """
@triton.jit
def product_(a, b):
    number = a * b
    smallest: tl.constexpr = 2.0**-62 if number.dtype == tl.float32 else 2.0**-958
    return tl.where(tl.abs(a * 2.0**64 * b) < smallest, number * 0.0, number)
""",
    "quotient_": """
@triton.jit
def quotient_(a, b):
    number = tl.div_rn(a, b)
    return tl.where(tl.abs(a) * 2.0**64 < tl.abs(b) * 2.0**-62, number * 0.0, number)
""",
    "quotient64_": """
@triton.jit
def quotient64_(a, b):
    number = a / b
    return tl.where(tl.abs(a) * 2.0**64 < tl.abs(b) * 2.0**-958, number * 0.0, number)
""",
    "widened_": """
@triton.jit
def widened_(bits):
    return (bits.to(tl.uint32) << 16).to(tl.float32, bitcast=True)
""",
    "nearest_": """
@triton.jit
def nearest_(number):
    bits = number.to(tl.uint32, bitcast=True)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return tl.where(number == number, rounded, 0x7FC0).to(tl.uint16)
""",
    "scattered_": """
@triton.jit
def scattered_(number, noise):
    bits = number.to(tl.uint32, bitcast=True)
    rounded = tl.where((bits & 0x7F800000) == 0x7F800000, bits, bits + noise) >> 16
    return tl.where(number == number, rounded, 0x7FC0).to(tl.uint16)
""",
    "power_": """
@triton.jit
def power_(a, b):
    size = tl.where((tl.abs(a) == 1.0) | (b == 0.0), 1.0, tl.exp2(b * tl.log2(tl.abs(a))))
    is_odd = (tl.floor(b) == b) & (tl.floor(b * 0.5) * 2.0 != b)
    is_undefined = (a < 0.0) & (tl.abs(a) < float("inf")) & (tl.floor(b) != b)
    return tl.where(is_undefined, float("nan"), tl.where((a < 0.0) & is_odd, size * -1.0, size))
""",
    "mixed_": """
@triton.jit
def mixed_(mixed, part):
    mixed = (mixed + 0x9E3779B97F4A7C15) ^ part
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB
    return mixed ^ (mixed >> 31)
""",
    "noise_": """
@triton.jit
def noise_(index, key):
    mixed = index * 0x9E3779B9 + key
    mixed = (mixed ^ (mixed >> 16)) * 0x85EBCA6B
    mixed = (mixed ^ (mixed >> 13)) * 0xC2B2AE35
    return mixed >> 16
""",
}


def called_in(kernel: str) -> list[str]:
    """The functions that a kernel calls.

    Example:
        >>> print(*called_in("x = widened_(bits)"))
        @triton.jit
        def widened_(bits):
            return (bits.to(tl.uint32) << 16).to(tl.float32, bitcast=True)
    """
    return [text.strip() for name, text in FUNCTIONS.items() if f"{name}(" in kernel]

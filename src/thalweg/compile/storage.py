"""How the arrays of a program are stored: their types, how a result is rounded to them, and what else a sweep writes.

Arithmetic is done in float64 where the weights are float64, else in float32. Weights in a 16-bit type lose the updates
that are smaller than half their last bit; two roundings mend that:

- `stochastic`: up or down at random, with the probability that makes the mean right. The bits are drawn from the seed,
  the tensor's number, the step and the element's index, so threads, and how the work is cut, do not change the result.
- `kahan`: what rounding took away is kept in an array of its own, `kahan`, and added to the weight when it is read.
"""

from __future__ import annotations

from dataclasses import dataclass

from thalweg.compile.program import Program

ITEMSIZE = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
ROUNDINGS = ("nearest", "stochastic", "kahan")
KAHAN = "kahan"


@dataclass(frozen=True)
class Storage:
    """The frame around a program's arithmetic, as far as it decides a kernel's code.

    Attributes:
        types: The type of each of the program's inputs, out of `ITEMSIZE`.
        rounding: How results become 16-bit numbers, out of `ROUNDINGS`. Kahan's is for the weights; state in a 16-bit
            type is then rounded to the nearest.
        zero: Whether the gradients become zero once they have been read.
        flush: Whether arithmetic reads subnormal numbers as zero and gives zero for subnormal results.
        tally: Whether to count, per row, how many weights should have moved and how many of them did not.
        sums: Whether to add up, per row, what `thalweg.compile.measured` names; no stored bit changes by that.

    Example:
        >>> Storage(("bfloat16", "bfloat16", "float32")).real
        'float32'
    """

    types: tuple[str, ...]
    rounding: str = "nearest"
    zero: bool = False
    flush: bool = True
    tally: bool = False
    sums: bool = False

    @property
    def real(self) -> str:
        """The type in which arithmetic is done."""
        return "float64" if self.types[0] == "float64" else "float32"

    @property
    def itemsizes(self) -> tuple[int, ...]:
        """Bytes of an element of each array that a kernel walks, the compensation's last."""
        kahan = self.types[:1] if self.rounding == "kahan" else ()
        return tuple(ITEMSIZE[name] for name in (*self.types, *kahan))

    def arrays(self, program: Program) -> tuple[str, ...]:
        """The names of the arrays that a kernel walks, the compensation last."""
        return (*program.inputs, *((KAHAN,) if self.rounding == "kahan" else ()))


def uniform(program: Program, dtype: str, flush: bool = True) -> Storage:
    """The storage in which every array has one type.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> uniform(trace(RULES["momentum"]), "float32").types
        ('float32', 'float32', 'float32')
    """
    return Storage((dtype,) * len(program.inputs), flush=flush)

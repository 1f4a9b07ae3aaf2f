"""What the kernel of a whole descent holds and reads: what differs between runs, and what all runs share in a step."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from thalweg.compile.program import Line, Program

BLOCK = 128  # runs; with 15 rows that is 15 kB
NOISE = ("key1_n_", "key2_n_", "noise_n_")  # columns of the table
RUN_KEY = "run_n_"  # a row

# The words of a job: the next block to take, their number, the addresses of blocks, table and points recorded, how
# many steps to take and how many were taken before, every how many a point is recorded (0: none), how many runs.
WORDS = ("next", "blocks", "memory_at", "table_at", "path_at", "steps", "taken", "every", "runs")


@dataclass(frozen=True, eq=False)
class Part:
    """A rule's program, or that of its point, and what differs between runs in it.

    Attributes:
        program: The program.
        suffix: Of what it reads once per step.
        given: The hyperparameters and scalar states that differ between runs.
        differing: The lines once per step that do.
        shared: Those that do not.
    """

    program: Program
    suffix: str
    given: frozenset[str]
    differing: tuple[Line, ...]
    shared: tuple[Line, ...]

    @property
    def differ(self) -> frozenset[str]:
        """The names of everything once per step that differs between runs."""
        return self.given | {line.name for line in self.differing}

    @property
    def columns(self) -> tuple[str, ...]:
        """What the kernel reads once per step, without suffix."""
        program, differ = self.program, self.differ
        states = [output for target, output in program.scalar_stores if target in self.given]
        read = {*program.used_scalars, *states, *(a for line in self.differing for a in line.args)}
        every = ("t", *program.hyper, *program.scalar_state, *(line.name for line in self.shared))
        return tuple(name for name in every if name in read and name not in differ)

    @property
    def rows(self) -> tuple[str, ...]:
        """What the lines that differ between runs leave for the body, without suffix."""
        return tuple(name for name in self.program.used_scalars if name in self.differ - {*self.program.hyper})

    def name(self, argument: str) -> str:
        """What the body calls something that it reads once per step."""
        return argument + ("_h_" if argument in self.given & {*self.program.hyper} else self.suffix)

    def name_apart(self, argument: str) -> str:
        """What the lines that differ between runs call what they read."""
        return argument + ("_h_" if argument in self.given else self.suffix)


@dataclass(frozen=True, eq=False)
class Descent:
    """What a kernel does, and where it finds what it reads.

    Attributes:
        name: Of the kernel.
        parts: The rule, and its point if that is not x.
        gradient: The surface's program.
        noisy: Whether the gradient gets noise.
        rows: What a block holds, by name: `x_1_`, `x_2_`, and so on.
        columns: What a row of the table holds, by name.
    """

    name: str
    parts: tuple[Part, ...]
    gradient: Program
    noisy: bool
    rows: tuple[str, ...]
    columns: tuple[str, ...]


@functools.lru_cache(maxsize=512)
def planned(
    rule: Program, point: Program | None, gradient: Program, differ: frozenset[str], noisy: bool = False
) -> Descent:
    """The descent of a surface by a rule.

    Args:
        rule: A traced rule.
        point: The program of its point, if it has one.
        gradient: A traced gradient.
        differ: The hyperparameters, and the scalar states that start at one of these, that differ between runs.
        noisy: Whether the gradient gets noise.
    """
    given = _spread(rule, differ)
    parts = tuple(_part(program, suffix, given) for program, suffix in ((rule, "_r_"), (point, "_p_")) if program)
    arrays = [f"{name}_{c}_" for name in rule.inputs if name != "g" for c in (1, 2)]
    own = [f"{name}_h_" for name in (*rule.hyper, *rule.scalar_state) if name in given]
    left = [name + part.suffix for part in parts for name in part.rows]
    columns = [name + part.suffix for part in parts for name in part.columns]
    return Descent(
        f"{rule.identifier}_on_{gradient.identifier}",
        parts,
        gradient,
        noisy,
        (*arrays, *own, *left, *([RUN_KEY] if noisy else [])),
        (*columns, *(NOISE if noisy else ())),
    )


def _spread(program: Program, differ: frozenset[str]) -> frozenset[str]:
    """These hyperparameters and scalar states, and the scalar states that come to depend on them."""
    while True:
        lines = {line.name for line in _part(program, "", differ).differing}
        new = differ | {state for state, output in program.scalar_stores if output in lines | differ}
        if new == differ:
            return differ
        differ = new


def _part(program: Program, suffix: str, given: frozenset[str]) -> Part:
    known, differing, shared = set(given), [], []
    for line in program.scalars:
        depends = not known.isdisjoint(line.args)
        (differing if depends else shared).append(line)
        known |= {line.name} if depends else set()
    return Part(program, suffix, given, tuple(differing), tuple(shared))

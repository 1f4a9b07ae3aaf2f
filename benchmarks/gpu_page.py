"""Fill `docs/gpu.md` with the bounds on a GPU's fast arithmetic, rule by rule.

python benchmarks/gpu_page.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from choose import filled

from thalweg.compile.deviation import bounds
from thalweg.compile.trace import trace
from thalweg.formula import Rule
from thalweg.rules import RULES
from thalweg.rules.hyper import starts

PAGE = Path(__file__).parents[1] / "docs" / "gpu.md"


def main() -> None:
    """Fill the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), parts()), encoding="utf-8")


def parts() -> dict[str, str]:
    """What stands on the page, by its name there."""
    return {"bounds": "\n".join(["| rule | step | states |", "| --- | ---: | --- |", *map(line, RULES.values())])}


def line(rule: Rule) -> str:
    """A rule's line of the table."""
    numbers = {state: start for state, start in rule.every_start.items() if _is_number(start, rule)}
    found = bounds(trace(rule), rule.hyper, starts(numbers, rule.hyper))
    states = ", ".join(f"`{name}` {bound:.1f}" for name, bound in _states(found))
    return f"| `{rule.name}` | {found['x']:.1f} | {states} |"


def _states(found: dict[str, float]) -> Iterator[tuple[str, float]]:
    return ((name, bound) for name, bound in found.items() if name != "x")


def _is_number(start: float | str, rule: Rule) -> bool:
    """Whether a state starts at a number, given or a hyperparameter, and not at the weights."""
    return not isinstance(start, str) or start in rule.hyper


if __name__ == "__main__":
    main()

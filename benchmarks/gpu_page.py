"""Fill `docs/gpu.md` with the bounds on a GPU's fast arithmetic, rule by rule.

python benchmarks/gpu_page.py
"""

from __future__ import annotations

from pathlib import Path

from choose import filled

from thalweg.compile.deviation import bounds
from thalweg.compile.trace import trace
from thalweg.formula import AT_THE_WEIGHTS, Rule
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
    numbers = {state: start for state, start in rule.every_start.items() if start != AT_THE_WEIGHTS}
    found = bounds(trace(rule), rule.hyper, starts(numbers, rule.hyper))
    states = ", ".join(f"`{name}` {bound:.1f}" for name, bound in found.items() if name != "x")
    return f"| `{rule.name}` | {found['x']:.1f} | {states} |"


if __name__ == "__main__":
    main()

"""What was found as tables of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from gpu_parts.items import Check, Errors, Item, Peak, Section, Swept, Tuned
from thalweg.bench.table import Row
from thalweg.report.bench import figure, target, times

WIDTH = 80
VERDICT = {True: "pass", False: "MISS", None: ""}
CHECKED = {True: "pass", False: "FAIL"}
KINDS = ("f32", "f64", "bf16")  # those that every rule has a column for


def head(facts: dict[str, str]) -> Iterator[str]:
    """What it was measured on."""
    yield f"{facts['device']}, driver {facts['driver']}"
    yield ", ".join(f"{name} {facts[name]}" for name in ("torch", "triton", "Thalweg")) + f", {facts['date']}"


def lines(section: Section) -> Iterator[str]:
    """A section's tables; sentences stand where they were said."""
    yield ""
    yield from textwrap.wrap(f"{section.name}: {section.title} ({section.seconds:.0f} s)", WIDTH)
    for kind, items in groupby(section.items, key=type):
        if kind is str:
            yield from (line for said in items for line in _wrapped(said))
        else:
            first, line, last = TABLES[kind]
            yield from first
            found = list(items)
            yield from (each for item in found for each in line(item))
            yield from last(found)
    if section.error:
        yield from _wrapped(f"ended early: {section.error}")


def _wrapped(said: str) -> list[str]:
    return textwrap.wrap(said, WIDTH, initial_indent="  ", subsequent_indent="  ")


def verdict(sections: Sequence[Section]) -> Iterator[str]:
    """How much is as it should be."""
    items = [item for section in sections for item in section.items if not isinstance(item, str)]
    checks = [item.passed for item in items if isinstance(item, Errors | Check)]
    goals = [item.met for item in items if isinstance(item, Row | Swept | Peak) and item.met is not None]
    early = [section.name for section in sections if section.error]
    yield ""
    yield f"{sum(checks)} of {len(checks)} checks pass; {sum(goals)} of {len(goals)} goals are reached"
    if early:
        yield f"ended early: {', '.join(early)}"


def _row(row: Row) -> Iterator[str]:
    yield (
        f"{row.work:32}{row.against:13}{figure(row.ours_ms):>7}{figure(row.peer_ms):>7}{times(row.ratio):>8}"
        f"{target(row):>8}{VERDICT[row.met]:>5}"
    )


def _swept(found: Swept) -> Iterator[str]:
    goal = "" if found.target is None else f"≥ {found.target:g}"
    yield (
        f"{found.rule:33}{found.moved:>6}{figure(found.ms):>7}{figure(found.gigabytes):>7}{figure(found.copied):>7}"
        f"{found.share:>7.3f}{goal:>7}{VERDICT[found.met]:>5}"
    )


def _errors(found: Errors) -> Iterator[str]:
    exact = [found.exact.get(kind) for kind in KINDS]
    fast = [found.fast.get(kind) for kind in KINDS]
    share = max(found.share.values(), default=0.0)
    yield (
        f"{found.rule:33}{''.join(f'{_count(each):>5}' for each in exact)}"
        f"{''.join(f'{_short(each):>5}' for each in fast)}{share:>6.2f}{_tiny(found.values):>6}"
        f"{CHECKED[found.passed]:>5}"
    )


def _count(number: int | None) -> str:
    return "" if number is None else str(number) if number < 1000 else f"{number:.0e}"


def _short(number: float | None) -> str:
    return "" if number is None else f"{number:.1f}" if number < 100 else f"{number:.0e}"


def _tiny(number: float) -> str:
    return f"{number:.0e}" if number else "0"


def _more_kinds(found: Sequence[Errors]) -> Iterator[str]:
    """What some rules were checked in besides, and the bounds."""
    for each in found:
        kinds = [kind for kind in each.exact if kind not in KINDS]
        if kinds:
            said = "; ".join(f"{k}: exact {_count(each.exact[k])}, fast {_short(each.fast[k])}" for k in kinds)
            yield f"  {each.rule} in {said}"
    bounds = found[0].bounds
    yield f"  Bounds: of the exact form {bounds['exact']} roundings; of the fast one {bounds['share']:g} times (share)"
    yield f"  what its operations may be off, element by element; once per step {bounds['values']:g}."


def _check(check: Check) -> Iterator[str]:
    bound = f"≤ {check.bound:g}"
    yield f"{check.what:46}{check.found:>7g} {check.unit:15}{bound:>6}{CHECKED[check.passed]:>5}"
    if check.said:
        yield from _wrapped(check.said)


def _peak(peak: Peak) -> Iterator[str]:
    bound = "" if peak.bound is None else f"≤ {_mebi(peak.bound)}"
    sizes = "".join(f"{_mebi(size):>9}" for size in (peak.step, peak.first, peak.kept, peak.state))
    yield f"{peak.optimizer:29}{sizes}{bound:>10}{VERDICT[peak.met]:>5}"


def _mebi(size: int) -> str:
    return f"{size / 2**20:.3f}"


def _tuned(choice: Tuned) -> Iterator[str]:
    yield f"{choice.rule:8}{choice.row:>8}{choice.block:>8}{choice.warps:>7}{figure(choice.ms):>9}{choice.share:>8.3f}"


def _nothing(_: Sequence[Item]) -> Iterator[str]:
    yield from ()


# For each kind of item the head of its table, the lines of one, and what stands under it.
TABLES: dict[type, tuple[tuple[str, ...], Callable, Callable]] = {
    Row: ((f"{'':32}{'against':13}{'ours':>7}{'ms':>7}{'ratio':>8}{'goal':>8}",), _row, _nothing),
    Swept: (
        (f"{'':33}{'bytes':>6}{'ms':>7}{'GB/s':>7}{'copy':>7}{'share':>7}{'goal':>7}",),
        _swept,
        _nothing,
    ),
    Errors: (
        (
            f"{'':33}{'exact, bits':>15}{'fast, ulps':>15}{'share':>6}{'once':>6}",
            f"{'':33}{''.join(f'{kind:>5}' for kind in KINDS * 2)}",
        ),
        _errors,
        _more_kinds,
    ),
    Check: ((f"{'':46}{'found':>7} {'':15}{'bound':>6}",), _check, _nothing),
    Peak: (
        (f"{'MiB':29}{'a step':>9}{'first':>9}{'kept':>9}{'state':>9}{'goal':>10}",),
        _peak,
        _nothing,
    ),
    Tuned: ((f"{'':8}{'ROW':>8}{'BLOCK':>8}{'WARPS':>7}{'ms':>9}{'share':>8}",), _tuned, _nothing),
}

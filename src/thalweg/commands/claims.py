"""`thalweg claims`: the folklore about optimizers, measured: from the declarations to the table and the page."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from thalweg.claims.claim import Claim
    from thalweg.claims.table import ClaimResult


def claims(
    numbers: Annotated[list[int] | None, typer.Argument(help="Which claims, by number; default: all.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would be run, and for how long.")] = False,
    pilot: Annotated[
        bool, typer.Option("--pilot", help="Try a declaration on seeds from 1000; its verdicts do not count.")
    ] = False,
    jobs: Annotated[int | None, typer.Option(help="Runs at a time; default: one per processor.")] = None,
    store: Annotated[Path | None, typer.Option(help="Where evidence is kept; default: OUT/store.db.")] = None,
    out: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("thalweg-out"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as one JSON document.")] = False,
) -> None:
    """Measure what is told about optimizers: each claim a declared study, with a verdict and a page."""
    from thalweg.claims.catalogue import catalogue, chosen

    asked = chosen(numbers)
    if plan:
        _print_plan(asked, jobs, as_json)
        return
    place = store or out / "store.db"
    with redirect_stdout(sys.stderr):
        found, failures = _made(asked, place, out, jobs, pilot)
        page = None if pilot else _write(catalogue(), place, out)
    if as_json:
        from thalweg.report.claims_document import document

        print(json.dumps(document(found), indent=2, allow_nan=False))
    else:
        _print(found, page, pilot)
    for label, message in failures:
        print(f"thalweg: a run of {label} failed: {message}", file=sys.stderr)
    if failures:
        raise typer.Exit(1)


def _made(
    asked: Sequence[Claim], place: Path, out: Path, jobs: int | None, pilot: bool
) -> tuple[list[ClaimResult], list[tuple[str, str]]]:
    """The result of every claim whose evidence is whole, and what failed."""
    from thalweg.claims.gather import gather, gathering
    from thalweg.claims.result import result, save
    from thalweg.lab.make import Means, check_means, prepare
    from thalweg.report.claims_progress import claims_progress

    means = Means(place, out, jobs=jobs)
    check_means(means)
    prepare(means)
    found: list[ClaimResult] = []
    work = sum(claim.work for claim in asked)
    with claims_progress(len(asked), work) as watcher, gathering(place, jobs, pilot, watcher) as state:
        for claim in asked:
            before = len(state.failures)
            evidence, seconds = gather(state, claim)
            if len(state.failures) > before:
                continue
            found.append(result(claim, evidence, seconds))
            if not pilot:
                save(place, found[-1])
    return found, state.failures


def _write(every: Sequence[Claim], place: Path, out: Path) -> Path:
    """The page of all claims, with what the store has of them."""
    from thalweg.claims.result import outdated, saved
    from thalweg.report.claims import Unmeasured, page

    shown: list[ClaimResult | Unmeasured] = []
    for claim in every:
        known = saved(place, claim)
        shown.append(known or Unmeasured(claim.number, claim.name, claim.text, outdated(place, claim)))
    path = out / "claims.html"
    unfinished = path.with_suffix(".html.part")
    unfinished.write_text(page(shown), encoding="utf-8")
    unfinished.replace(path)
    return path


def _print(found: Sequence[ClaimResult], page: Path | None, pilot: bool) -> None:
    from rich.console import Console

    from thalweg.report.claims_terminal import render

    console = Console()
    console.print(render(found, width=min(console.width, 100)))
    if pilot:
        print("\nA pilot: seeds from 1000, nothing of it is kept as a result.")
    else:
        print(f"\nEvery number, picture and rule:\n  {page}")


def _print_plan(asked: Sequence[Claim], jobs: int | None, as_json: bool) -> None:
    from rich.console import Console

    from thalweg.claims.evidence import shared
    from thalweg.claims.table import Planned
    from thalweg.lab.request import positive
    from thalweg.report.claims_document import planned
    from thalweg.report.claims_terminal import render_plan
    from thalweg.sweep.threads import available_processors

    at_a_time = positive("jobs", jobs, available_processors())
    rows = [Planned(one.number, one.short, len(one.evidence), one.runs, one.work) for one in asked]
    runs, seconds = shared(part for one in asked for part in one.evidence)
    if as_json:
        print(json.dumps(planned(rows, runs, seconds), indent=2, allow_nan=False))
        return
    console = Console()
    console.print(render_plan(rows, runs, seconds, at_a_time, width=min(console.width, 100)))

"""`thalweg bench`: the optimizers' speed on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def bench(
    only: Annotated[str | None, typer.Option(help="GROUP,... ; default: all groups of measurements.")] = None,
    pairs: Annotated[int, typer.Option(help="Alternating pairs per figure; the median counts.")] = 15,
    elements: Annotated[int, typer.Option(help="Parameters of the large model.")] = 25_000_000,
    out: Annotated[Path, typer.Option(help="Where the chart goes, as bench.png and bench.svg.")] = Path("thalweg-out"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as one JSON document.")] = False,
    tensors: Annotated[int, typer.Option(hidden=True)] = 1000,
    digits: Annotated[int, typer.Option(hidden=True)] = 4000,
) -> None:
    """Measure the optimizers' speed on this machine, each figure in alternation with what it is compared to."""
    from thalweg.bench import groups
    from thalweg.bench.job import Sizes, run
    from thalweg.bench.table import as_document
    from thalweg.lab.files import prepare_folder
    from thalweg.report.bench import measuring

    sizes = Sizes(elements, tensors, digits)
    chosen = groups.chosen(only)
    groups.check(sizes, pairs)
    prepare_folder(out)
    jobs = [job for group in chosen for job in group.jobs(sizes)]
    rows = []
    with measuring(len(jobs)) as begin:
        for job in jobs:
            begin(job.label)
            rows += run(job, pairs)
    table = groups.table(chosen, sizes, rows)
    written = _write_chart(table, out)
    if as_json:
        print(json.dumps(as_document(table), indent=2, allow_nan=False))
    else:
        _print_bench(table, written)


def _write_chart(table: Any, out: Path) -> list[Path]:
    from thalweg.report.bench import chart
    from thalweg.report.charts import save_png, to_svg

    drawn, png, svg = chart(table), out / "bench.png", out / "bench.svg"
    save_png(drawn, png)
    svg.write_text(to_svg(drawn), encoding="utf-8")
    return [png, svg]


def _print_bench(table: Any, written: list[Path]) -> None:
    from rich.console import Console

    from thalweg.report.bench import render

    Console().print(render(table))
    print("\nChart:", *written, sep="\n  ")

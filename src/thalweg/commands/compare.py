"""`thalweg compare`: optimizers on a problem, from the question to the table, the pictures and the page."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thalweg.errors import InputError

if TYPE_CHECKING:
    from thalweg.lab.make import Means
    from thalweg.lab.request import Request
    from thalweg.lab.table import Comparison, Ranking


def compare(  # noqa: PLR0913  (a command's options are its parameters)
    problems: Annotated[
        list[str] | None, typer.Argument(help="Problems of the lab, or Python files; default: mnist-cnn.")
    ] = None,
    optimizers: Annotated[str | None, typer.Option(help="NAME[:hyper=value,...],... ; default: the problem's.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training data.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples per step.")] = None,
    seeds: Annotated[int, typer.Option(help="Runs per row of the table.")] = 3,
    tune: Annotated[int, typer.Option(help="Whole trials that each optimizer may spend on tuning.")] = 0,
    sampler: Annotated[str, typer.Option(help="How trials are drawn: qmc, tpe or grid.")] = "qmc",
    hyper: Annotated[str, typer.Option(help="What is tuned: lr,beta1,...")] = "lr",
    ranges: Annotated[str | None, typer.Option(help="Where other ranges are wanted: lr=1e-5:10,...")] = None,
    lr: Annotated[str | None, typer.Option(help="'auto': the finder chooses each learning rate.")] = None,
    target: Annotated[float | None, typer.Option(help="The metric that counts as reached.")] = None,
    order: Annotated[str, typer.Option(help="Data order: reshuffled every epoch, or repeated.")] = "reshuffled",
    data: Annotated[str | None, typer.Option(help="A folder of IDX files, or 'openml' to download.")] = None,
    engine: Annotated[str, typer.Option(help="Where to train: local or ray.")] = "local",
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster; default: one of this machine.")] = None,
    device: Annotated[str, typer.Option(help="What to train on: cpu, cuda, or cuda:1 for the second GPU.")] = "cpu",
    gpus: Annotated[float, typer.Option(help="GPUs that each run takes on Ray; a fraction shares one.")] = 0.0,
    jobs: Annotated[
        int | None, typer.Option(help="Runs at a time; default: one per processor, on a GPU at most 4.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads of every run.")] = 1,
    watch: Annotated[int, typer.Option(help="Watch the optimizers every so many steps; 0 for never.")] = 16,
    log: Annotated[str | None, typer.Option(help="Also tell jsonl,tensorboard,trackio,wandb.")] = None,
    store: Annotated[Path | None, typer.Option(help="Where runs are kept; default: OUT/store.db.")] = None,
    out: Annotated[Path, typer.Option(help="Where pictures and pages go.")] = Path("thalweg-out"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as one JSON document.")] = False,
) -> None:
    """Train optimizers on a problem and show which one does what: a table, pictures and a page."""
    from thalweg.lab.make import Means, check_means
    from thalweg.lab.request import Request

    names = list(dict.fromkeys(problems or ["mnist-cnn"]))
    asked = [
        Request(
            name,
            optimizers,
            epochs,
            batch_size,
            seeds,
            data,
            order,
            target,
            tune,
            sampler,
            hyper,
            ranges,
            lr,
            threads,
            device,
            watch,
        )
        for name in names
    ]
    means = Means(store or out / "store.db", out, engine, address, jobs, gpus, log)
    check_means(means, device)
    with redirect_stdout(sys.stderr):  # what a problem's file prints belongs to no table
        results, failures = _made(asked, means)
    show(results, out, as_json)
    for label, message in failures:
        print(f"thalweg: a run of {label} failed: {message}", file=sys.stderr)
    if failures:
        raise typer.Exit(1)


def _made(asked: Sequence[Request], means: Means) -> tuple[list[Comparison], list[tuple[str, str]]]:
    """Every comparison that is asked for, and what failed; all of them are checked before the first is begun."""
    from thalweg.lab.make import gpu_elsewhere, make, prepare
    from thalweg.lab.rates import rated
    from thalweg.lab.request import check_request
    from thalweg.lab.study import plan
    from thalweg.report.progress import training_progress

    for request in asked:
        check_request(request)
    gpu = gpu_elsewhere(means, asked[0].device, asked[0].threads)
    studies = [plan(request, gpu=gpu) for request in asked]
    _check_names([study.problem.name for study in studies])
    prepare(means)
    results, failures = [], []
    for request, study in zip(asked, studies, strict=True):
        chosen = rated(study, means.store, _tell) if request.lr else study
        result, failed = make(chosen, means, training_progress)
        results.append(result)
        failures += failed
    return results, failures


def _check_names(names: Sequence[str]) -> None:
    """Tables, pages and rankings know problems by their names."""
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"expected problems with names of their own, got two called '{name}': rename a file")


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def show(results: Sequence[Comparison], out: Path, as_json: bool) -> None:
    """Write the pages and pictures of comparisons, and print their tables."""
    from thalweg.lab.ranking import ranked
    from thalweg.report.document import document

    ranking = None
    if len(results) > 1:
        try:
            ranking = ranked(results)
        except InputError as error:  # the tables are there, and are shown; only what they say together is not known
            print(f"thalweg: no ranking over the problems: {error}", file=sys.stderr)
    written = _write(results, ranking, out)
    if as_json:
        print(json.dumps(document(results, ranking), indent=2, allow_nan=False))
    else:
        _print(results, ranking, written)


def _write(results: Sequence[Comparison], ranking: Ranking | None, out: Path) -> list[Path]:
    """One comparison's files in the folder itself, those of several in a folder each."""
    from thalweg.lab.files import prepare_folder
    from thalweg.report.written import ranking_of, report_of

    if len(results) == 1:
        return report_of(results[0], out)
    written = []
    for result in results:
        prepare_folder(out / result.problem)
        written += report_of(result, out / result.problem)
    return [*(ranking_of(ranking, out) if ranking else ()), *written]


def _print(results: Sequence[Comparison], ranking: Ranking | None, written: Sequence[Path]) -> None:
    from rich.console import Console

    from thalweg.report.standing import render_ranking
    from thalweg.report.terminal import render

    console = Console()
    width = min(console.width, 100)
    for result in results:
        console.print(render(result, width=width))
        console.print()
    if ranking is not None:
        console.print(render_ranking(ranking, width=width))
        console.print()
    print("Pictures and pages:", *written, sep="\n  ")

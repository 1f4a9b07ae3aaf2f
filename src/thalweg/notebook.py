"""`thalweg.compare`: a comparison from Python, for a model that lives in a notebook or a script."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from thalweg.errors import InputError
from thalweg.lab.grammar import parse_optimizers
from thalweg.lab.identity import changeable, untouched
from thalweg.lab.make import Means, Watching, check_means, gpu_elsewhere, make, prepare
from thalweg.lab.own import check_arguments, check_constants, described
from thalweg.lab.problem import Data, Problem
from thalweg.lab.rates import rated
from thalweg.lab.request import Request, check_request
from thalweg.lab.study import plan
from thalweg.report.display import Shown


def compare(  # noqa: PLR0913  (a comparison's options are its parameters)
    model: Callable[..., Any],
    loss: Callable[[Any, Any], Any],
    train: Any,
    validation: Any,
    test: Any = None,
    *,
    optimizers: str | Sequence[str] | None = None,
    name: str = "notebook",
    metric: Callable[[Any, Any], Any] | None = None,
    maximize: bool = False,
    epochs: int = 10,
    batch_size: int | None = 64,
    seeds: int = 3,
    tune: int = 0,
    sampler: str = "qmc",
    hyper: str = "lr",
    ranges: str | None = None,
    lr: str | None = None,
    target: float | None = None,
    order: str = "reshuffled",
    threads: int = 1,
    engine: str = "local",
    address: str | None = None,
    jobs: int | None = None,
    gpus: float = 0.0,
    device: Any = "cpu",
    log: str | None = None,
    watch: int = 16,
    out: str | Path = "thalweg-out",
    store: str | Path | None = None,
    progress: bool = True,
) -> Shown:
    """Train optimizers against each other on a model of one's own; the table and charts that come back show themselves.

    Finished runs are kept in the store: the same call again trains nothing, an interrupted one goes on.

    Args:
        model: From a seed, or from nothing, to a torch module; torch's own seed was set before.
        loss: From the network and a batch to the mean loss, a scalar tensor.
        train: A loader, a data set, a tuple of arrays or tensors with the samples first, or a function of a seed that
            gives one of these.
        validation: The same. The table reports on it, unless there is a test part.
        test: The same; with it, tuning looks at `validation` only, and the table reports on `test`.
        optimizers: As on the command line, in one text or a list; None for six classics at Keras' defaults. A rule of
            one's own is named by the file that defines it, as in `"my_rule.py:lr=0.1"`; one that is defined in the
            notebook has no name that a run could find it by.
        name: How tables call the problem; part of nothing that decides a run.
        metric: From the network and a batch to a number; None to rank by the loss.
        maximize: Whether more of the metric is better.
        epochs: Passes over the training data.
        batch_size: Samples per step, None for all; a loader brings its own.
        seeds: Runs per row of the table.
        tune: Whole trials that each optimizer may spend on tuning.
        sampler: `"qmc"`, `"tpe"` or `"grid"`.
        hyper: What is tuned, as `"lr,beta1"`.
        ranges: Other ranges than the usual ones, as `"lr=1e-5:10"`.
        lr: `"auto"` to let the finder choose every learning rate.
        target: The metric that counts as reached.
        order: `"reshuffled"` for another data order every epoch, `"repeated"` for the same in all.
        threads: Of every run.
        engine: `"local"` or `"ray"`.
        address: Of a Ray cluster.
        jobs: Runs at a time; None for one per processor, on a GPU at most 4.
        gpus: How many GPUs each run takes on Ray; a fraction shares one.
        device: What to train on, as torch names it: `"cpu"`, `"cuda"`, or `"cuda:1"` for the second GPU.
        log: Who else is told: some of `"jsonl,tensorboard,trackio,wandb"`.
        watch: Every how many steps the optimizers are watched, 0 for never: this changes no number. Runs that are in
            the store already are not trained again for it.
        out: A folder for the store and for what `save` writes.
        store: The store; None for `store.db` in `out`.
        progress: Whether to show bars on standard error.

    Returns:
        A table with its charts: a notebook shows it, `print` writes it, `.save()` keeps it as a page.

    Raises:
        InputError: If anything is unknown or out of range, or the functions fail on one batch.

    Example:
        >>> import torch, tempfile
        >>> x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
        >>> y = x.sum(dim=1, keepdim=True)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     shown = compare(
        ...         lambda: torch.nn.Linear(3, 1), lambda model, batch: ((model(batch[0]) - batch[1]) ** 2).mean(),
        ...         (x[:40], y[:40]), (x[40:], y[40:]), optimizers="sgd:lr=0.1,adam:lr=1e-4", epochs=2, out=folder,
        ...         progress=False,
        ...     )
        >>> [row.optimizer for row in shown.comparison.rows]
        ['sgd:lr=0.1', 'adam:lr=1e-4']
    """
    own = {"MAXIMIZE": maximize, "EPOCHS": epochs, "BATCH_SIZE": batch_size}
    own |= {} if target is None else {"TARGET": target}
    folder, name, device = _path("out", out), str(name), str(device)
    if not isinstance(seeds, int) or not isinstance(tune, int):
        raise InputError(f"expected seeds and tune as whole numbers, got {seeds!r} and {tune!r}: write for instance 3")
    if not isinstance(watch, int):
        raise InputError(f"expected watch as a whole number of steps, got {watch!r}: write for instance 16, or 0")
    means = Means(_path("store", store or folder / "store.db"), folder, engine, address, jobs, gpus, log)
    check_means(means, device)
    parts = (train, validation) if test is None else (train, validation, test)
    problem = _problem(name, model, loss, metric, parts, own)
    packed = _packed(problem)
    asked = Request(
        problem=name,
        optimizers=_text(optimizers),
        seeds=seeds,
        tune=tune,
        sampler=sampler,
        hyper=hyper,
        ranges=ranges,
        lr=lr,
        order=order,
        threads=threads,
        device=device,
        watch=watch,
    )
    check_request(asked)
    gpu = gpu_elsewhere(means, device, threads)
    found = changeable(model, loss, metric, parts)
    with untouched(found):
        study = plan(asked, _untouching(problem, found), gpu=gpu)
        prepare(means)
        study = rated(study, means.store, print if progress else lambda sentence: None) if lr else study
    comparison, failures = make(study, means, _watching(progress), packed)
    return Shown(comparison, tuple(f"{label} failed: {message}" for label, message in failures))


def _problem(
    name: str, model: Any, loss: Any, metric: Any, parts: tuple[Any, ...], constants: Mapping[str, Any]
) -> Problem:
    check_constants(constants, name)
    given = {"model": model, "loss": loss, **({} if metric is None else {"metric": metric})}
    for what, function in given.items():
        if not callable(function):
            usage = "a function of a seed" if what == "model" else "a function of the network and a batch"
            raise InputError(f"expected {what} to be {usage}, got {type(function).__name__}: write one")
        if what != "model":
            check_arguments(function, what, 2)
    functions = {
        **given,
        "model": _of_seed(model),
        "data": partial(_given, parts if parts[-1] is not None else parts[:2]),
    }
    return described(name, "", functions, constants)


def _packed(problem: Problem) -> bytes:
    """The problem as its runs will unpack it: with its generators as they are now, before a batch was tried."""
    import cloudpickle

    try:
        return cloudpickle.dumps(problem)
    except Exception as error:
        raise InputError(
            f"the functions and data of '{problem.name}' cannot be handed to other processes ({type(error).__name__}: "
            f"{error}): leave out what they hold of this process, such as open files, locks and iterators"
        ) from error


def _untouching(problem: Problem, found: list[Any]) -> Problem:
    """The problem for planning here, where the caller's own generators, lists and networks must stay as they are."""

    def load(source: str | None, seed: int) -> Data:
        with untouched(found):
            return problem.load(source, seed)

    return replace(problem, load=load, model=partial(_copied, problem.model))


def _copied(model: Callable[[int], Any], seed: int) -> Any:
    return copy.deepcopy(model(seed))


def _path(what: str, given: Any) -> Path:
    if not isinstance(given, str | Path):
        raise InputError(f"expected {what} as a path, got {type(given).__name__}: write for instance 'thalweg-out'")
    return Path(given)


def _of_seed(function: Callable[..., Any]) -> Callable[[int], Any]:
    """The function itself, or one that leaves the seed out where it takes none, or could do without and calls it else.

    A class `Net(width=64)` is no function of a seed: its width would become 0.
    """
    try:
        signature = inspect.signature(function)
        signature.bind()
    except (TypeError, ValueError):  # it wants something, or is a function of C that tells nothing about its arguments
        return function
    return function if "seed" in signature.parameters else partial(_without_seed, function)


def _without_seed(function: Callable[[], Any], seed: int) -> Any:
    return function()


def _given(parts: Sequence[Any], seed: int) -> tuple[Any, ...]:
    from torch.utils.data import DataLoader, Dataset

    return tuple(
        _of_seed(part)(seed) if callable(part) and not isinstance(part, Dataset | DataLoader) else part
        for part in parts
    )


def _text(optimizers: str | Sequence[str] | None) -> str | None:
    if optimizers is None or isinstance(optimizers, str):
        return optimizers
    if not isinstance(optimizers, Sequence) or not optimizers or not all(isinstance(one, str) for one in optimizers):
        raise InputError(
            f"expected optimizers as texts, got {optimizers!r}: write for instance ['adam', 'sgd:lr=0.1'], and a rule "
            "of your own as the file that defines it"
        )
    for one in optimizers:
        if len(parse_optimizers(one)) != 1:
            raise InputError(f"expected one optimizer in each text of the list, got '{one}': write a text for each")
    return ",".join(optimizers)


def _watching(progress: bool) -> Watching | None:
    from thalweg.report.progress import training_progress

    return training_progress if progress else None

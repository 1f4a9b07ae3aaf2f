"""`thalweg.compare`: a comparison from Python, for a model that lives in a notebook or a script."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from thalweg.errors import InputError
from thalweg.lab.make import Means, Watching, make
from thalweg.lab.own import check_constants, described
from thalweg.lab.rates import rated
from thalweg.lab.study import Request, plan, prepare_output
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
    engine: str = "local",
    address: str | None = None,
    jobs: int | None = None,
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
        optimizers: As on the command line, in one text or a list; None for six classics at Keras' defaults.
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
        engine: `"local"` or `"ray"`.
        address: Of a Ray cluster.
        jobs: Runs at a time; None for one per processor.
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
    import cloudpickle

    folder = Path(out)
    own = {"MAXIMIZE": maximize, "EPOCHS": epochs, "BATCH_SIZE": batch_size}
    own |= {} if target is None else {"TARGET": target}
    check_constants(own, name)
    parts = (train, validation) if test is None else (train, validation, test)
    functions = {"model": _of_seed(model), "data": partial(_given, parts), "loss": loss}
    problem = described(name, "", functions | ({"metric": metric} if metric else {}), own)
    asked = Request(
        problem=name,
        optimizers=_text(optimizers),
        seeds=seeds,
        tune=tune,
        sampler=sampler,
        hyper=hyper,
        ranges=ranges,
        lr=lr,
    )
    study = plan(asked, problem)
    means = Means(Path(store) if store else folder / "store.db", folder, engine, address, jobs)
    prepare_output(folder, means.store)
    chosen = rated(study, means.store, print if progress else lambda sentence: None) if lr else study
    comparison, failures = make(chosen, means, _watching(progress), cloudpickle.dumps(problem))
    return Shown(comparison, tuple(f"{label} failed: {message}" for label, message in failures))


def _of_seed(model: Callable[..., Any]) -> Callable[[int], Any]:
    try:
        inspect.signature(model).bind(0)
    except TypeError:
        return lambda seed: model()
    except ValueError:
        pass  # a function of C tells nothing about its arguments
    return model


def _given(parts: Sequence[Any], seed: int) -> tuple[Any, ...]:
    from torch.utils.data import DataLoader, Dataset

    return tuple(
        part(seed) if callable(part) and not isinstance(part, Dataset | DataLoader) else part for part in parts
    )


def _text(optimizers: str | Sequence[str] | None) -> str | None:
    if optimizers is None or isinstance(optimizers, str):
        return optimizers
    if not optimizers or not all(isinstance(one, str) for one in optimizers):
        raise InputError(f"expected optimizers as texts, got {optimizers!r}: write for instance ['adam', 'sgd:lr=0.1']")
    return ",".join(optimizers)


def _watching(progress: bool) -> Watching | None:
    from thalweg.report.progress import training_progress

    return training_progress if progress else None

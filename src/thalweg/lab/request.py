"""`Request`: what the command line or a call asks of a study, and what of it can be refused at once."""

from __future__ import annotations

import re
from dataclasses import dataclass

from thalweg.errors import InputError, did_you_mean

ORDERS = ("reshuffled", "repeated")
_DEVICES = re.compile(r"cpu(:0)?|cuda(:\d{1,3})?")


@dataclass(frozen=True)
class Request:
    """What the command line, or a call from Python, asks for; None where the problem decides.

    Attributes:
        problem: A problem's name, or a Python file.
        optimizers: In the command line's grammar. Schedules count the optimizer's steps.
        epochs: Passes over the training data.
        batch_size: Samples per step.
        seeds: How many runs a row of the table has.
        source: Where the data is.
        order: `"reshuffled"` for another data order every epoch, `"repeated"` for the same in all.
        target: The metric that counts as reached.
        tune: The tuning budget of every optimizer, in whole trials; 0 for no tuning.
        sampler: How trials are drawn.
        hyper: The hyperparameters that are tuned.
        ranges: Their ranges where other ones are wanted, as `lr=1e-5:10,eps=1e-9:1`.
        lr: `"auto"` to let the learning-rate finder choose the rate of every optimizer.
        threads: Of every run.
        device: Where runs are trained: `"cpu"`, `"cuda"`, or `"cuda:1"` for the second GPU.
        watch: Every how many steps the runs of the table are watched, 0 for never; trials are not.
    """

    problem: str = "mnist-cnn"
    optimizers: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    seeds: int = 3
    source: str | None = None
    order: str = "reshuffled"
    target: float | None = None
    tune: int = 0
    sampler: str = "qmc"
    hyper: str = "lr"
    ranges: str | None = None
    lr: str | None = None
    threads: int = 1
    device: str = "cpu"
    watch: int = 16


def positive(name: str, value: int | None, usual: int) -> int:
    """A count from the command line, or what is usual where none was given.

    Raises:
        InputError: If it is below 1.
    """
    if value is not None and value < 1:
        raise InputError(f"--{name} must be a whole number above 0, got {value}: choose at least 1")
    return usual if value is None else value


def check_request(request: Request) -> None:
    """Refuse what is wrong whatever the problem.

    Raises:
        InputError: If a number is out of range, or a name unknown.
    """
    positive("seeds", request.seeds, 1)
    positive("threads", request.threads, 1)
    if request.tune < 0:
        raise InputError(f"--tune must be a whole number of trials, got {request.tune}: choose 0 for none, or 10, say")
    if request.watch < 0:
        raise InputError(f"--watch must be a whole number of steps, got {request.watch}: choose 0 for none, or 16, say")
    if request.order not in ORDERS:
        raise InputError(f"there is no order '{request.order}': {did_you_mean(request.order, list(ORDERS))}")
    if request.lr not in (None, "auto"):
        raise InputError(
            f"expected --lr auto, got '{request.lr}': write a learning rate at its optimizer, as in adam:lr=1e-3"
        )
    if not _DEVICES.fullmatch(request.device):
        raise InputError(f"expected --device cpu, cuda or cuda:NUMBER, got '{request.device}': choose one of these")

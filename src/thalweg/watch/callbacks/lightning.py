"""`Watch`, a callback for PyTorch Lightning's Trainer, of the package `lightning` or `pytorch_lightning`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from thalweg.errors import InputError
from thalweg.watch.alarm import Finding, Raised
from thalweg.watch.attach import attach
from thalweg.watch.callbacks.loggers import Loggers
from thalweg.watch.outputs import Output, listed
from thalweg.watch.outputs.chosen import choice
from thalweg.watch.outputs.guarded import Guarded
from thalweg.watch.watcher import Watcher


def _callback() -> Any:
    """The class to derive from: that of the package that is in use, if both are installed."""
    names = ("lightning.pytorch", "pytorch_lightning")
    for name in sorted(names, key=lambda name: name not in sys.modules):
        try:
            return importlib.import_module(name).Callback
        except ImportError:
            continue
    raise InputError("the callback needs the package lightning, which cannot be imported: 'pip install -U lightning'")


Callback: Any = _callback()


class Watch(Callback):
    """Watches every optimizer of a Trainer while it fits.

    A layer's name is its parameter's in the module. With one optimizer the loss is what `training_step` returns, with
    several there is none unless it is told: `watch.watchers[0].loss(loss)`. Figures of the groups, and alarms, go to
    the trainer's loggers too, at the steps of Lightning's own metrics. Alarms are kept in checkpoints. With several
    processes the first one watches.

    Attributes:
        watchers: One for each optimizer, in the order of `configure_optimizers`; empty before the first fit.

    Args:
        every: Every how many steps of an optimizer there is a measurement.
        to: Outputs, as for `thalweg.watch.attach`. With several optimizers names only; each optimizer has a file or
            folder of its own, `"jsonl:watch.jsonl"` becomes `watch-0.jsonl` and so on.
        loggers: Whether the trainer's loggers are told.
        figures: Which figures they are told; all if not given.
        layers: Whether they are told of layers, or patterns of their names (`"encoder.*"`); of groups they always are.

    Raises:
        InputError: If there is no such figure.

    Example:
        >>> Watch(every=16, layers=["decoder.*"]).alarms
        ()
    """

    def __init__(
        self,
        every: int = 16,
        to: Sequence[str | Output] = ("terminal",),
        loggers: bool = True,
        figures: Sequence[str] | None = None,
        layers: bool | Sequence[str] = False,
    ) -> None:
        super().__init__()
        self.every, self.to, self.loggers = every, to, loggers
        self.watchers: list[Watcher] = []
        self._choice = choice(figures, layers)
        self._told: list[tuple[Guarded, Loggers]] = []
        self._losses: list[Tensor] = []
        self._stepped = False
        self._earlier: tuple[Raised, ...] = ()

    @property
    def alarms(self) -> tuple[Raised, ...]:
        """What was raised, also before the checkpoint with which the fit goes on."""
        return (*self._earlier, *(each for watcher in self.watchers for each in watcher.alarms))

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Attach; a checkpoint has been loaded by now."""
        self._close()
        if not trainer.is_global_zero:
            return
        count = len(trainer.optimizers)
        outputs = [_outputs(self.to, number, count) for number in range(count)]
        self.watchers = []
        for number, optimizer in enumerate(trainer.optimizers):
            prefix = "watch" if count == 1 else f"watch/optimizer {number}"
            to = outputs[number] + (self._tell_of(trainer, prefix) if self.loggers else [])
            self.watchers.append(attach(optimizer, every=self.every, model=pl_module, to=to))

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Know that this batch ends with a step."""
        self._stepped = True

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Tell the loss and the loggers."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if len(self.watchers) == 1 and isinstance(loss, Tensor) and loss.numel() == 1:
            # Lightning divides by the number of batches that it accumulates.
            parts = trainer.accumulate_grad_batches if pl_module.automatic_optimization else 1
            self._losses.append(loss.detach().reshape(()) * parts)
        if self._stepped and self._losses:
            self.watchers[0].loss(torch.stack(self._losses).mean())
            self._losses = []
        if self._stepped:
            for watcher, (guarded, loggers) in zip(self.watchers, self._told, strict=False):
                guarded.call(partial(loggers.tell, watcher.step))
        self._stepped = False

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Detach."""
        self._close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Detach."""
        self._close()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Detach."""
        self._close()

    def state_dict(self) -> dict[str, Any]:
        """The alarms."""
        return {"alarms": [_plain(each) for each in self.alarms]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the alarms."""
        self.watchers = []
        self._earlier = tuple(
            Raised(each["step"], each["alarm"], Finding(**each["finding"])) for each in state_dict["alarms"]
        )

    def _tell_of(self, trainer: Any, prefix: str) -> list[Guarded]:
        loggers = Loggers(trainer, self._choice, prefix)
        guarded = Guarded("the trainer's loggers", loggers)
        self._told.append((guarded, loggers))
        return [guarded]

    def _close(self) -> None:
        for watcher in self.watchers:
            watcher.close()
        self._told, self._losses = [], []


def _plain(raised: Raised) -> dict[str, Any]:
    """An alarm as a checkpoint holds it: nothing but Python's own numbers and texts."""
    finding = asdict(raised.finding)
    return {"step": int(raised.step), "alarm": raised.alarm, "finding": {**finding, "number": float(finding["number"])}}


def _outputs(to: Any, number: int, count: int) -> list[Any]:
    """The outputs of one of several optimizers.

    Example:
        >>> _outputs(["terminal", "jsonl:watch.jsonl", "tensorboard:logs"], 1, 2)
        ['terminal', 'jsonl:watch-1.jsonl', 'tensorboard:logs-1']
    """
    given = listed(to)
    if count == 1:
        return given
    if objects := [each for each in given if not isinstance(each, str)]:
        raise InputError(
            f"expected names of outputs for a module with {count} optimizers, which need an output each, got "
            f"{objects[0]!r}: write it by name, or watch each optimizer with thalweg.watch.attach"
        )
    kinds = [each.partition(":") for each in given]
    return [f"{kind}:{_apart(Path(place), number)}" if place else kind for kind, _, place in kinds]


def _apart(place: Path, number: int) -> Path:
    return place.with_name(f"{place.stem}-{number}{place.suffix}")

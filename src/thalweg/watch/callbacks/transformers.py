"""`Watch`, a callback for Hugging Face's Trainer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer, TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from thalweg.watch.alarm import Raised
from thalweg.watch.attach import attach
from thalweg.watch.blocks import ALONE
from thalweg.watch.history import Measured
from thalweg.watch.outputs import Output, listed
from thalweg.watch.outputs.chosen import Choice, choice
from thalweg.watch.subject import Subject
from thalweg.watch.watcher import Watcher

LOGGED = ("gradient_norm", "update_norm", "update_ratio", "effective_lr", "epsilon_share", "oscillation")


class Watch(TrainerCallback):
    """Watches the optimizer of a `Trainer` while it trains.

    The loss of each step is what the model gives; where it gives none (label smoothing, `compute_loss_func`) or that
    cannot be seen (`torch_compile`, several GPUs in one process), it is the mean that the Trainer logs. The last
    figures stand in the Trainer's own log, as `watch/FIGURE/GROUP`, with the number of alarms so far: in
    `trainer.state.log_history`, which checkpoints keep, and after `report_with(trainer)` also in what `report_to`
    names. With several processes the first one watches.

    Attributes:
        watcher: The watcher of the last `train()`; None before the first.

    Args:
        every: Every how many steps there is a measurement.
        to: Outputs, as for `thalweg.watch.attach`.
        figures: The figures in the Trainer's log.
        layers: Whether layers are in it, or patterns of their names (`"encoder.*"`); groups always are.

    Raises:
        InputError: If there is no such figure.
    """

    def __init__(
        self,
        every: int = 16,
        to: Sequence[str | Output] = ("terminal",),
        figures: Sequence[str] | None = LOGGED,
        layers: bool | Sequence[str] = False,
    ) -> None:
        self.every, self.to = every, to
        self.watcher: Watcher | None = None
        self._choice = choice(figures, layers)
        self._last = _Last()
        self._losses: list[tuple[Tensor, bool]] = []
        self._hook: Any = None
        self._has_loss = self._reports = False

    @property
    def alarms(self) -> tuple[Raised, ...]:
        """What was raised in the last `train()`."""
        return self.watcher.alarms if self.watcher else ()

    def report_with(self, trainer: Trainer) -> Watch:
        """Stand before the callbacks that report, so that TensorBoard, W&B and the like are told the figures too.

        Args:
            trainer: The trainer, with or without this callback.

        Returns:
            This callback.
        """
        callbacks = trainer.callback_handler.callbacks
        others = [each for each in callbacks if each is not self]
        printing = [each for each in others if isinstance(each, (PrinterCallback, ProgressCallback))]
        callbacks[:] = [*printing, self, *(each for each in others if each not in printing)]
        self._reports = True
        return self

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Attach."""
        self._close()
        if not state.is_world_process_zero:
            return
        model, optimizer = given["model"], given.get("optimizer")
        self._last = _Last()
        self.watcher = attach(optimizer, every=self.every, model=model, to=[*listed(self.to), self._last])
        if not args.torch_compile and args.n_gpu <= 1:
            self._hook = model.register_forward_hook(self._keep_loss, with_kwargs=True)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Tell the loss."""
        losses, self._losses = self._losses, []
        if self.watcher and losses:
            self._has_loss = True
            values = torch.stack([loss for loss, _ in losses])
            self.watcher.loss(values.sum() if losses[0][1] else values.mean())

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **given: Any) -> None:
        """Add the last figures to the log, and to what callbacks that come after this one are told."""
        if self.watcher is None or not logs or "loss" not in logs:
            return
        if not self._has_loss:
            self.watcher.loss(logs["loss"])
        if self.every >= ALONE:  # below, a block is a window, which must not be cut
            self.watcher.flush()
        figures = self._logged()
        if self._reports:
            logs.update(figures)
        if state.log_history and state.log_history[-1].get("step") == state.global_step:
            state.log_history[-1].update(figures)

    def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Detach."""
        self._close()

    def _keep_loss(self, model: Any, args: Any, kwargs: Any, output: Any) -> None:
        """Keep the loss of a batch, and whether it is a share of the step's loss or a mean of its own."""
        loss = output.get("loss") if hasattr(output, "get") else None
        if model.training and isinstance(loss, Tensor) and loss.numel() == 1 and torch.is_grad_enabled():
            self._losses.append((loss.detach().reshape(()), kwargs.get("num_items_in_batch") is not None))

    def _logged(self) -> dict[str, float]:
        numbers = self._last.figures(self._choice)
        finite = {f"watch/{name}": number for name, number in numbers.items() if math.isfinite(number)}
        return {**finite, "watch/alarms": len(self.alarms)}

    def _close(self) -> None:
        if self._hook is not None:
            self._hook.remove()
        if self.watcher is not None:
            self.watcher.close()
        self._hook, self._losses, self._has_loss = None, [], False


class _Last(Output):
    """Keeps the last measurement."""

    def __init__(self) -> None:
        self._subject, self._measured = Subject((), ()), None

    def begin(self, subject: Subject) -> None:
        self._subject = subject

    def measured(self, measured: Measured) -> None:
        self._measured = measured

    def raised(self, raised: Raised) -> None:
        pass

    def close(self) -> None:
        pass

    def figures(self, chosen: Choice) -> dict[str, float]:
        return chosen.scalars(self._subject, self._measured) if self._measured else {}

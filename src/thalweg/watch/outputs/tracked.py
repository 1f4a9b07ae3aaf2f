"""W&B and trackio: a run is an object with `log(numbers, step=)`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from thalweg.errors import InputError
from thalweg.watch.alarm import Raised
from thalweg.watch.history import Measured
from thalweg.watch.outputs.chosen import choice
from thalweg.watch.outputs.tensorboard import loss_of
from thalweg.watch.outputs.words import words_of
from thalweg.watch.subject import Subject

LONGEST_TITLE = 63  # of an alert of W&B's


class Tracked:
    """An output that logs into a run of W&B's or trackio's, in which the training may log too.

    `watch/FIGURE/PART` is a figure, `watch/alarms/NAME` how often that alarm was raised so far.

    W&B wants the steps of a run's rows to grow, and drops what comes later. So the figures have an axis of their own,
    a number that is logged with them: `watch/step`, or another that is named by `step`. Rows: as long as nobody
    else logs into the run, every measurement is a row. Once somebody does, a measurement joins the row that is open,
    so that no step is taken away from those who log with `step=`; of several measurements between two rows of theirs
    the last one is kept. Who logs without `step=` says `rows=True`: every measurement is a row, and nothing is lost.
    Trackio takes steps in any order, and needs none of this.

    Args:
        run: What `wandb.init()` or `trackio.init()` gave; it stays open.
        figures: Some of the figures' names; all if not given.
        layers: Whether layers are logged, or patterns of their names (`"encoder.*"`); groups always are.
        step: The name of the number that is the axis in W&B, for instance the one that the training logs.
        rows: Whether a measurement is always a row of its own in W&B, or never is; see above if not given.
        alert: Whether alarms are alerts too: W&B sends these by mail or to a chat, trackio shows them.
        prefix: The first part of all names.

    Raises:
        InputError: If it is no run, alerts are asked for and it has none, or there is no such figure.
    """

    def __init__(
        self,
        run: Any,
        figures: Sequence[str] | None = None,
        layers: bool | Sequence[str] = False,
        step: str | None = None,
        rows: bool | None = None,
        alert: bool = False,
        prefix: str = "watch",
    ) -> None:
        for needed in ("log", "alert") if alert else ("log",):
            if not callable(getattr(run, needed, None)):
                raise InputError(f"expected a run with a method '{needed}', got {run!r}: give what wandb.init() gives")
        self._run, self._choice, self._prefix = run, choice(figures, layers), prefix
        self._axis = step or f"{prefix}/step"
        self._rows, self._alert = rows, alert
        self._has_axes = callable(getattr(run, "define_metric", None))
        self._subject = Subject((), ())
        self._alarms: Counter[str] = Counter()
        self._left: Any = None  # at which step of W&B's own the run was left

    def begin(self, subject: Subject) -> None:
        """Define the axis."""
        self._subject = subject
        if self._has_axes:
            self._run.define_metric(self._axis, hidden=True)
            self._run.define_metric(f"{self._prefix}/*", step_metric=self._axis, step_sync=False)

    def measured(self, measured: Measured) -> None:
        """Log the figures."""
        self._log({**self._choice.scalars(self._subject, measured), **loss_of(measured)}, measured.step)

    def raised(self, raised: Raised) -> None:
        """Log an alarm."""
        self._alarms[raised.alarm] += 1
        self._log({f"alarms/{raised.alarm}": self._alarms[raised.alarm]}, raised.step)
        if self._alert:
            words = words_of(raised)
            text = " ".join(filter(None, (f"Step {raised.step}.", words.found, words.meaning, words.advice)))
            self._run.alert(title=words.title[:LONGEST_TITLE], text=text)

    def close(self) -> None:
        """Nothing: the run is the user's."""

    def _log(self, numbers: Mapping[str, float], step: int) -> None:
        named = {f"{self._prefix}/{name}": number for name, number in numbers.items()}
        if self._has_axes:
            self._run.log({**named, self._axis: step}, commit=self._is_row())
        else:
            self._run.log(named, step=step)

    def _is_row(self) -> bool:
        if self._rows is not None:
            return self._rows
        now, left = self._run.step, self._run.starting_step if self._left is None else self._left
        if now != left:  # somebody else logged: from here on steps are theirs
            self._rows = False
        self._left = now + 1
        return now == left

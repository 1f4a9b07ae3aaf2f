"""`Loggers`, an output that tells Lightning's loggers."""

from __future__ import annotations

from collections import Counter
from typing import Any

from thalweg.watch.alarm import Raised
from thalweg.watch.history import Measured
from thalweg.watch.outputs.chosen import Choice
from thalweg.watch.outputs.tensorboard import markdown
from thalweg.watch.subject import Subject


class Loggers:
    """An output that keeps what it is told until the batch is over, and then logs it at Lightning's steps.

    Lightning counts batches after which an optimizer stepped; an optimizer that is resumed has other numbers.

    Args:
        trainer: Whose loggers.
        chosen: What they are told.
        prefix: With which all names begin.
    """

    def __init__(self, trainer: Any, chosen: Choice, prefix: str) -> None:
        self._trainer, self._choice, self._prefix = trainer, chosen, prefix
        self._subject = Subject((), ())
        self._kept: list[tuple[int, dict[str, float], Raised | None]] = []
        self._alarms: Counter[str] = Counter()
        self._ahead = -1  # how far Lightning's steps are ahead of the optimizer's

    def begin(self, subject: Subject) -> None:
        """Keep who is watched."""
        self._subject = subject

    def measured(self, measured: Measured) -> None:
        """Keep the figures."""
        self._kept.append((measured.step, self._choice.scalars(self._subject, measured), None))

    def raised(self, raised: Raised) -> None:
        """Keep the alarm."""
        self._alarms[raised.alarm] += 1
        self._kept.append((raised.step, {f"alarms/{raised.alarm}": float(self._alarms[raised.alarm])}, raised))

    def close(self) -> None:
        """Log what is left."""
        self._log()

    def tell(self, steps: int) -> None:
        """Log what was kept.

        Args:
            steps: How many steps the optimizer has taken by now.
        """
        # By this number Lightning's own metrics are logged.
        self._ahead = self._trainer.fit_loop.epoch_loop._batches_that_stepped - steps
        self._log()

    def _log(self) -> None:
        kept, self._kept = self._kept, []
        for step, numbers, raised in kept:
            named = {f"{self._prefix}/{name}": number for name, number in numbers.items()}
            for logger in self._trainer.loggers:
                logger.log_metrics(named, step=max(step + self._ahead, 0))
                write = getattr(logger.experiment, "add_text", None)
                if raised is not None and callable(write):
                    write(f"{self._prefix}/alarms/{raised.alarm}", markdown(raised), max(step + self._ahead, 0))

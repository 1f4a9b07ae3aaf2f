"""TensorBoard: a curve per figure and part, alarms as text and as steps of a curve."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from thalweg.errors import InputError
from thalweg.watch.alarm import Raised
from thalweg.watch.history import Measured
from thalweg.watch.outputs.chosen import choice
from thalweg.watch.outputs.words import words_of
from thalweg.watch.subject import Subject


class TensorBoard:
    """An output that writes TensorBoard's events.

    The scalar `watch/FIGURE/PART` is a figure, `watch/alarms/NAME` how often that alarm was raised so far, the text
    `watch/alarms/NAME` what it said.

    Args:
        to: A `SummaryWriter`, which stays open, or a folder.
        figures: Some of the figures' names; all if not given.
        layers: Whether layers have curves, or patterns of their names (`"encoder.*"`); groups always have.
        prefix: The first part of all names.

    Raises:
        InputError: If the folder cannot be written, TensorBoard is not installed, or there is no such figure.
    """

    def __init__(
        self,
        to: Any,
        figures: Sequence[str] | None = None,
        layers: bool | Sequence[str] = False,
        prefix: str = "watch",
    ) -> None:
        self._choice, self._prefix = choice(figures, layers), prefix
        self._is_ours = isinstance(to, (str, Path))
        self._writer = _opened(Path(to)) if isinstance(to, (str, Path)) else _checked(to)
        self._subject = Subject((), ())
        self._alarms: Counter[str] = Counter()

    def begin(self, subject: Subject) -> None:
        """Keep who is watched."""
        self._subject = subject

    def measured(self, measured: Measured) -> None:
        """Write the figures."""
        scalars = {**self._choice.scalars(self._subject, measured), **loss_of(measured)}
        for name, number in scalars.items():
            self._writer.add_scalar(_tag(f"{self._prefix}/{name}"), number, measured.step)

    def raised(self, raised: Raised) -> None:
        """Write an alarm."""
        tag = _tag(f"{self._prefix}/alarms/{raised.alarm}")
        self._alarms[raised.alarm] += 1
        self._writer.add_text(tag, markdown(raised), raised.step)
        self._writer.add_scalar(tag, self._alarms[raised.alarm], raised.step)
        self._writer.flush()

    def close(self) -> None:
        """Write what is left; a writer of our own is closed."""
        if self._is_ours:
            self._writer.close()
        else:
            self._writer.flush()


def loss_of(measured: Measured) -> dict[str, float]:
    """The loss under its name, where it is known."""
    return {} if measured.loss != measured.loss else {"loss": measured.loss}


def _opened(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(folder))
    except ImportError as error:
        raise InputError(
            f"the output 'tensorboard' needs the package tensorboard, which cannot be imported ('{error}'): install it "
            "with 'pip install -U tensorboard', or leave the output out"
        ) from error
    except OSError as error:
        raise InputError(f"expected a folder that can be written, got '{folder}' ({error}): name another") from error


def _checked(writer: Any) -> Any:
    if not all(callable(getattr(writer, name, None)) for name in ("add_scalar", "add_text", "flush")):
        raise InputError(f"expected a SummaryWriter or a folder, got {writer!r}: give one of these")
    return writer


def _tag(name: str) -> str:
    """A name with what TensorBoard allows in names.

    Example:
        >>> _tag("watch/lr/group 0")
        'watch/lr/group_0'
    """
    return re.sub(r"[^-/\w.]", "_", name)


def markdown(raised: Raised) -> str:
    """An alarm in Markdown."""
    words = words_of(raised)
    told = {"": f"**{words.title}**", "Found": words.found, "Means": words.meaning, "Try": words.advice}
    return "\n\n".join(f"{label}: {text}" if label else text for label, text in told.items() if text)

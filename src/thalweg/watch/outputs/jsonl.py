"""JSON lines: one object per line, written out at once, for `tail -f` and every language.

The file is only ever appended to; a line that a crash has cut is removed on opening. A line's `event` is one of:

- `begin`: `every`; `parts`, the layers and then the groups, each with `name`, `group`, `is_group`, `elements`,
  `sampled`, `dtype`, `state_dtype`; `groups`, each with `number`, `optimizer`, `rule`, `hyper`, `given`.
- `measured`: `step`; `loss`; `figures`, for every figure that means something at that step a list with a number per
  part, in the order of `parts`, of seven digits.
- `raised`: `step`; `alarm`; `title`; `part`, empty for the whole optimizer; `number`; `words`; `meaning`; `advice`.
- `end`: `step`, the last one measured.

What is no finite number is null.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from thalweg.errors import InputError
from thalweg.watch.alarm import Raised
from thalweg.watch.history import Measured
from thalweg.watch.outputs.chosen import choice
from thalweg.watch.outputs.words import words_of
from thalweg.watch.subject import Subject

_BEGINNING = b'{"event": "'


class JsonLines:
    """An output that appends to a file.

    Attributes:
        path: The file; its folder is made if it is not there.

    Args:
        path: The file.
        figures: Some of the figures' names; all if not given.
        layers: Whether layers are written, or patterns of their names (`"encoder.*"`); groups always are.

    Raises:
        InputError: If the file cannot be written, holds something else, or there is no such figure.
    """

    def __init__(
        self, path: str | Path, figures: Sequence[str] | None = None, layers: bool | Sequence[str] = True
    ) -> None:
        self.path = Path(path)
        self._choice = choice(figures, layers)
        self._places: list[int] = []
        self._last, self._has_begun = 0, False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _mend(self.path)
            self._stream = self.path.open("ab", buffering=0)
        except OSError as error:
            raise InputError(f"expected a file that can be written, got '{path}' ({error}): name another") from error

    def begin(self, subject: Subject) -> None:
        """Write who is watched."""
        self._has_begun = True
        self._places = [place for place, part in enumerate(subject.parts) if self._choice.has(part)]
        parts = [vars(subject.parts[place]) for place in self._places]
        self._write("begin", {"every": subject.every, "parts": parts, "groups": [vars(g) for g in subject.groups]})

    def measured(self, measured: Measured) -> None:
        """Write the figures."""
        self._last = measured.step
        chosen = {name: measured.values[name] for name in self._choice.figures if name in measured.values}
        figures = {name: np.asarray(numbers, np.float64)[self._places] for name, numbers in chosen.items()}
        known = {name: _short(numbers) for name, numbers in figures.items() if not np.isnan(numbers).all()}
        self._write("measured", {"step": measured.step, "loss": measured.loss, "figures": known})

    def raised(self, raised: Raised) -> None:
        """Write an alarm."""
        words, finding = words_of(raised), raised.finding
        found = {"part": finding.part, "layers": finding.layers, "number": finding.number, "words": words.found}
        declared = {"meaning": words.meaning, "advice": words.advice}
        self._write("raised", {"step": raised.step, "alarm": raised.alarm, "title": words.title, **found, **declared})

    def close(self) -> None:
        """Write the end and close the file."""
        if self._has_begun:
            self._write("end", {"step": self._last})
        self._stream.close()

    def _write(self, event: str, values: dict[str, Any]) -> None:
        line = json.dumps({"event": event, **_finite(values)}, allow_nan=False).encode() + b"\n"
        if self._stream.write(line) != len(line):  # one call per line: two writers do not mix theirs
            raise OSError(f"no room for a line of {self.path}")


def _short(numbers: np.ndarray) -> list[float]:
    """Numbers of seven digits: float32 has no more."""
    return [float(f"{number:.7g}") for number in numbers.tolist()]


def _finite(value: Any) -> Any:
    """Null for all that JSON has no number for."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _mend(path: Path) -> None:
    """Remove the line that a crash has cut; a file that holds something else is left as it is."""
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("rb") as stream:
        head = stream.read(len(_BEGINNING))
        if not _BEGINNING.startswith(head):
            raise InputError(f"expected a file of JSON lines of thalweg's watch, got '{path}': name another file")
        whole = _end_of_lines(stream, path.stat().st_size)
    os.truncate(path, whole)


def _end_of_lines(stream: Any, size: int, block: int = 65536) -> int:
    """Where the last whole line ends, looked for from the back."""
    for start in range(max(size - block, 0), -block, -block):
        stream.seek(max(start, 0))
        at = stream.read(block).rfind(b"\n")
        if at >= 0:
            return max(start, 0) + at + 1
    return 0

"""JSON lines: one object per line, written out at once, for `tail -f` and every language.

The file is only ever appended to. A line's `event` is `started`, `epoch`, `alarm` or `ended`. A run that was cut begins
again with another `started`: what counts is what follows the last `started` of its key. A run that has ended for good
is not written a second time, even if the store was lost and it is trained again. A line that a crash has cut is removed
on opening.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thalweg.lab.claims import FINAL
from thalweg.lab.sinks.sink import alarms, file_name, settings
from thalweg.lab.store import EPOCH

if TYPE_CHECKING:
    from thalweg.lab.run import Epoch, Run
    from thalweg.lab.spec import RunSpec


def opened(folder: Path, study: str) -> JsonLines:
    """The file of a study, named after it."""
    return JsonLines(folder / f"{file_name(study)}.jsonl")


class JsonLines:
    """A sink that appends to a file.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known = _mend(path)
        self._stream = path.open("ab", buffering=0)

    def started(self, spec: RunSpec, label: str) -> None:
        """Write what the run is."""
        self._write("started", spec.key, label, settings(spec))

    def epoch(self, spec: RunSpec, label: str, epoch: Epoch) -> None:
        """Write what the epoch gave."""
        self._write("epoch", spec.key, label, {name: getattr(epoch, name) for name in EPOCH})

    def ended(self, run: Run, label: str) -> None:
        """Write the alarms of the run, and how it ended."""
        for alarm in alarms(run):
            self._write("alarm", run.spec.key, label, vars(alarm))
        kept = {name: getattr(run, name) for name in ("status", "message", "weights_digest", "state_bytes")}
        self._write("ended", run.spec.key, label, kept)
        if run.status in FINAL:
            self._known.add(run.spec.key)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _write(self, event: str, key: str, label: str, values: dict[str, Any]) -> None:
        if key in self._known:
            return
        finite = {k: None if v in (float("inf"), -float("inf")) or v != v else v for k, v in values.items()}
        line = json.dumps({"event": event, "key": key, "label": label, **finite}, allow_nan=False).encode() + b"\n"
        if self._stream.write(line) != len(line):  # one call per line: two writers do not mix theirs
            raise OSError(f"no room for a line of {self.path}")


def _mend(path: Path) -> set[str]:
    """Remove the line that a crash has cut, and tell the keys of the runs that have ended for good."""
    known, whole = set(), 0
    if path.exists():
        with path.open("rb") as stream:
            for line in stream:
                if not line.endswith(b"\n"):
                    os.truncate(path, whole)
                    break
                whole += len(line)
                known |= _ended(line)
    return known


def _ended(line: bytes) -> set[str]:
    try:
        entry = json.loads(line)
    except ValueError:
        return set()
    final = isinstance(entry, dict) and entry.get("event") == "ended" and entry.get("status") in FINAL
    return {entry["key"]} if final and "key" in entry else set()

"""Where a study's runs are told to while they run: the store is what counts, a sink is for watching.

`jsonl` appends to a file, `tensorboard`, `trackio` and `wandb` feed those programs. A sink that fails while a study
runs is left out from there on, with one warning; it never ends the study.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from thalweg.errors import InputError, did_you_mean, in_short
from thalweg.lab.sinks.sink import Sink

if TYPE_CHECKING:
    from thalweg.lab.run import Epoch, Run
    from thalweg.lab.spec import RunSpec

NAMES = ("jsonl", "tensorboard", "trackio", "wandb")


def open(names: Iterable[str], folder: Path, study: str) -> list[Sink]:
    """Open sinks, each guarded: none of them raises while a study runs.

    Args:
        names: Some of `NAMES`; one that is named twice is opened once.
        folder: Where those that write files put them; made if it is not there.
        study: The study's name, by which the runs are grouped.

    Raises:
        InputError: If a name is unknown, a package cannot be imported, or the folder not be written.
    """
    chosen = list(dict.fromkeys(names))
    for name in chosen:
        if name not in NAMES:
            raise InputError(f"unknown sink '{name}': {did_you_mean(name, list(NAMES))}")
    return [_Guarded(name, _opened(name, folder, study)) for name in chosen]


def _opened(name: str, folder: Path, study: str) -> Sink:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return importlib.import_module(f"thalweg.lab.sinks.{name}").opened(folder, study)
    except ImportError as error:
        raise InputError(
            f"the sink '{name}' needs the package {name}, which cannot be imported ('{error}'): install it with "
            f"'pip install -U {name}', or leave the sink out"
        ) from error
    except OSError as error:
        raise InputError(f"the sink '{name}' cannot write into '{folder}' ('{error}'): name another folder") from error


class _Guarded(Sink):
    """A sink that is left out as soon as it raises."""

    def __init__(self, name: str, sink: Sink) -> None:
        self._name, self._sink = name, sink
        self._works = True

    def started(self, spec: RunSpec, label: str) -> None:
        self._call(lambda: self._sink.started(spec, label))

    def epoch(self, spec: RunSpec, label: str, epoch: Epoch) -> None:
        self._call(lambda: self._sink.epoch(spec, label, epoch))

    def ended(self, run: Run, label: str) -> None:
        self._call(lambda: self._sink.ended(run, label))

    def close(self) -> None:
        self._call(self._sink.close)

    def _call(self, tell: Callable[[], None]) -> None:
        if not self._works:
            return
        try:
            tell()
        except Exception as error:
            self._works = False
            print(
                f"thalweg: the sink '{self._name}' failed ({in_short(error)}) and is told no more; the "
                "study goes on, and the store has everything",
                file=sys.stderr,
            )
            with suppress(Exception):
                self._sink.close()

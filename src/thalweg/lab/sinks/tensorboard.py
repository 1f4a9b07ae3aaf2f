"""TensorBoard: one folder of events per run, in `tensorboard/STUDY/`. One that was cut begins with an empty folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thalweg.lab.sinks.sink import alarms, file_name, numbers, run_name, sentence, settings

if TYPE_CHECKING:
    from thalweg.lab.run import Epoch, Run
    from thalweg.lab.spec import RunSpec


def opened(folder: Path, study: str) -> TensorBoard:
    """The folder of a study.

    Raises:
        ImportError: If TensorBoard is not installed.
    """
    from torch.utils.tensorboard import SummaryWriter

    return TensorBoard(folder / "tensorboard" / file_name(study), SummaryWriter)


class TensorBoard:
    """A sink that writes TensorBoard's event files.

    Attributes:
        folder: Give it to `tensorboard --logdir`.
        make: Makes a writer of events in a folder: torch's `SummaryWriter`.
    """

    def __init__(self, folder: Path, make: type[Any]) -> None:
        self.folder, self.make = folder, make
        self._writers: dict[str, Any] = {}

    def started(self, spec: RunSpec, label: str) -> None:
        """Empty the run's folder of an attempt that was cut, and write the settings."""
        folder = self.folder / file_name(run_name(spec, label))
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        writer = self._writers[spec.key] = self.make(str(folder))
        writer.add_text("settings", f"    {json.dumps(settings(spec))}", 0)  # Markdown's form for code
        writer.flush()

    def epoch(self, spec: RunSpec, label: str, epoch: Epoch) -> None:
        """Write the epoch's numbers, at the epoch as TensorBoard's step."""
        writer = self._writers[spec.key]
        for name, value in numbers(epoch).items():
            writer.add_scalar(name, value, epoch.epoch)
        writer.flush()

    def ended(self, run: Run, label: str) -> None:
        """Write the alarms at their epochs and the status, and close the run's file."""
        writer = self._writers.pop(run.spec.key, None)
        if writer is not None:
            for alarm in alarms(run):
                writer.add_text(f"alarm/{alarm.alarm}", f"    {sentence(alarm)}", alarm.epoch)
            writer.add_text("status", f"{run.status} {run.message}".strip(), len(run.epochs))
            writer.close()

    def close(self) -> None:
        """Close the files of the runs that were cut."""
        while self._writers:
            self._writers.popitem()[1].close()

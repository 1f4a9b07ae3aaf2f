"""Every kind of measurement, in the order in which they are made, and the table of a whole call."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

from thalweg.bench import bandwidth, epoch, large, small, start, storage, whole_step
from thalweg.bench.job import Group, Sizes
from thalweg.bench.table import Row, Table
from thalweg.bench.tensors import LARGE
from thalweg.errors import InputError, did_you_mean
from thalweg.sweep.threads import available_processors
from thalweg.version import __version__

GROUPS = {module.GROUP.name: module.GROUP for module in (bandwidth, large, small, whole_step, storage, start, epoch)}


def chosen(only: str | None) -> list[Group]:
    """The groups that `--only` names, in their own order; all of them without it.

    Raises:
        InputError: If there is no such group.

    Example:
        >>> [group.name for group in chosen("small,large")]
        ['large', 'small']
    """
    if only is None:
        return list(GROUPS.values())
    names = [name.strip() for name in only.split(",")]
    for name in names:
        if name not in GROUPS:
            raise InputError(f"there is no group '{name}' of measurements: {did_you_mean(name, list(GROUPS))}")
    return [group for name, group in GROUPS.items() if name in names]


def check(sizes: Sizes, pairs: int) -> None:
    """Refuse sizes that leave nothing to measure.

    Raises:
        InputError: If a number is too small.
    """
    smallest = {"pairs": (pairs, 1), "elements": (sizes.elements, LARGE), "tensors": (sizes.tensors, 2)}
    smallest["digits"] = (sizes.digits, 1)
    for name, (value, least) in smallest.items():
        if value < least:
            raise InputError(f"--{name} must be a whole number, at least {least}, got {value}: choose a larger one")


def table(groups: Sequence[Group], sizes: Sizes, rows: Sequence[Row]) -> Table:
    """Everything that was measured, with what it was measured on."""
    titles = {group.name: group.title(sizes) for group in groups}
    return Table(titles, tuple(rows), machine(), datetime.now(UTC).date().isoformat())


def machine() -> dict[str, str]:
    """What decides how fast anything is here.

    Example:
        >>> int(machine()["threads"]) >= 1
        True
    """
    return {
        "processor": _processor(),
        "cores": str(available_processors()),
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "Thalweg": __version__,
        "Python": platform.python_version(),
    }


def _processor() -> str:
    """The processor's name as its maker gives it, where the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(errors="replace").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()

"""Weights & Biases: one of its runs per run, grouped by study.

Nothing leaves the machine unless the environment says `WANDB_MODE=online`; `wandb sync` sends what lies in `wandb/`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thalweg.lab.sinks.sink import run_name, settings
from thalweg.lab.sinks.tracked import Tracked

if TYPE_CHECKING:
    from thalweg.lab.spec import RunSpec


def opened(folder: Path, study: str) -> Tracked:
    """A sink whose runs are in the project "thalweg" and the group of their study.

    Raises:
        ImportError: If W&B is not installed.
    """
    import wandb

    def begin(spec: RunSpec, label: str) -> Any:
        init: Any = wandb.init
        return init(
            project="thalweg",
            group=study,
            name=run_name(spec, label),
            config=settings(spec),
            dir=str(folder),
            mode=os.environ.get("WANDB_MODE", "offline"),
            reinit="create_new",  # several at a time
            settings=wandb.Settings(silent=True, console="off"),
        )

    return Tracked(begin, end)


def end(run: Any, status: str) -> None:
    """End a run of W&B's; one that failed or was cut is shown as failed."""
    run.summary["status"] = status
    run.finish(exit_code=1 if status in ("failed", "cut") else 0)

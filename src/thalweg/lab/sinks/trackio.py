"""Trackio: one of its runs per run, grouped by study, kept where `trackio show --project thalweg` looks for them."""

from __future__ import annotations

import importlib
from contextlib import redirect_stdout
from contextvars import Context
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thalweg.lab.sinks.sink import run_name, settings
from thalweg.lab.sinks.tracked import Tracked

if TYPE_CHECKING:
    from thalweg.lab.spec import RunSpec


def opened(folder: Path, study: str) -> Tracked:
    """A sink whose runs are in the project "thalweg" and the group of their study.

    Raises:
        ImportError: If trackio is not installed.
    """
    init: Any = importlib.import_module("trackio").init

    def begin(spec: RunSpec, label: str) -> Any:
        own = {"embed": False, "auto_log_gpu": False, "auto_log_cpu": False}
        with redirect_stdout(StringIO()):  # it prints how to look at it, once per run
            # In a context of its own: there it finds no run before this one, which it would end.
            return Context().run(
                init, project="thalweg", group=study, name=run_name(spec, label), config=settings(spec), **own
            )

    return Tracked(begin, end)


def end(run: Any, status: str) -> None:
    """End a run of trackio's, its status logged last."""
    run.log({"ended": status})
    with redirect_stdout(StringIO()):
        run.finish()

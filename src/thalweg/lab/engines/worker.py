"""What every worker does: find problem and rules, see that they are the ones that were meant, train, tell.

Whatever goes wrong in a user's code becomes a failed run. A run leaves nothing behind that the next one of the same
worker could notice: files are executed again, problems of memory unpickled again, random generators set again.
"""

from __future__ import annotations

import os
import pickle
import queue
import random
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from thalweg.errors import InputError
from thalweg.lab.engines import channel

if TYPE_CHECKING:  # what imports torch or NumPy is imported when the threads of both are decided
    from thalweg.formula import Rule
    from thalweg.lab.engines.engine import Event
    from thalweg.lab.problem import Data
    from thalweg.lab.run import Epoch, Run
    from thalweg.lab.spec import RunSpec

MESSAGE_LENGTH = 300
PACKAGE = str(Path(__file__).parents[2])
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def environment(threads: int) -> dict[str, str]:
    """What a worker's environment must say before torch is imported; Ray and torch have other ideas of the default.

    Example:
        >>> environment(1)["OMP_NUM_THREADS"]
        '1'
    """
    # The last is `thalweg.lab.device.WORKSPACE`, whose file imports torch.
    return {**dict.fromkeys(THREAD_VARIABLES, str(threads)), "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def perform(spec: RunSpec, packed: bytes | None, files: Mapping[str, bytes], tell: Callable[[Event], None]) -> None:
    """Train one spec here and tell everything that happens; the last thing told is its `Run`.

    Args:
        spec: What to train.
        packed: The problem as cloudpickle's bytes, straight from the memory of who asks; None to find it by its name.
        files: What is in the files that the spec names, for a machine that may lack them; may be empty.
        tell: Called with every event.
    """
    from thalweg.lab.engines.engine import Progress, Started
    from thalweg.lab.run import Run

    tell(Started(spec))
    try:
        missing = lacking(files)
        with tempfile.TemporaryDirectory(prefix="thalweg-") if missing else nullcontext("") as folder:
            here = placed(spec, missing, Path(folder))
            ended = _trained(here, packed, lambda epoch: tell(Progress(spec, epoch)))
    except (Exception, SystemExit) as error:
        ended = Run(spec, "failed", _sentence(error), (), "")
    tell(replace(ended, spec=spec))


def _trained(spec: RunSpec, packed: bytes | None, report: Callable[[Epoch], None]) -> Run:
    from thalweg.lab.files import find_problem, find_rule_or_file, forget_files
    from thalweg.lab.run import run

    forget_files()
    _check_machine(spec)
    with settled(spec.seed, spec.threads):
        problem = find_problem(spec.problem) if packed is None else pickle.loads(packed)
        rules = {phase.rule: find_rule_or_file(phase.rule) for phase in spec.phases}
    with settled(spec.seed, spec.threads):
        data = problem.load(spec.source, spec.seed)
    _check_unchanged(spec, rules, data, packed is None)
    with settled(spec.seed, spec.threads):
        return run(spec, problem, rules, data, report)


@contextmanager
def settled(seed: int, threads: int) -> Iterator[None]:
    """Every random generator of the process at a seed, every thread pool at so many threads; put back afterwards.

    Data that is loaded so has the same bytes wherever it is loaded: a split drawn without a seed of its own, a product
    of matrices that BLAS divides among its threads.

    Args:
        seed: Of Python's, NumPy's and torch's generators, those of GPUs among them.
        threads: Of BLAS, OpenMP and torch.

    Example:
        >>> with settled(0, 1):
        ...     first = random.random()
        >>> with settled(0, 1):
        ...     random.random() == first
        True
    """
    import numpy as np
    import torch
    from threadpoolctl import threadpool_limits

    from thalweg.lab.generators import generators_kept

    states, before = (random.getstate(), np.random.get_state()), torch.get_num_threads()
    with threadpool_limits(threads), generators_kept():
        torch.set_num_threads(threads)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.set_num_threads(before)


def lacking(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those of some files that are not on this machine, or have other bytes here."""
    return {path: content for path, content in files.items() if not _is_here(Path(path), content)}


def _is_here(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def placed(spec: RunSpec, files: Mapping[str, bytes], folder: Path) -> RunSpec:
    """The spec with the places of some of its files in a folder, where they are written.

    Args:
        spec: What names them.
        files: What is in them.
        folder: Where to write.
    """
    for number, (path, content) in enumerate(files.items()):
        written = folder / str(number) / Path(path).name
        written.parent.mkdir(parents=True)
        written.write_bytes(content)
        phases = tuple(replace(phase, rule=phase.rule.replace(path, str(written))) for phase in spec.phases)
        spec = replace(spec, problem=str(written) if spec.problem == path else spec.problem, phases=phases)
    return spec


def _check_machine(spec: RunSpec) -> None:
    """Refuse a machine that gives other numbers than the run's key says."""
    from importlib.metadata import version

    from thalweg.lab.device import accelerator
    from thalweg.lab.spec import code_digest, processor

    for name, found, wanted in (
        ("Thalweg's code", code_digest(), spec.code_digest),
        ("torch", version("torch"), spec.torch),
        ("the processor", processor(), spec.processor),
        ("the GPU", accelerator(spec.device), spec.accelerator),
    ):
        if found != wanted:
            raise InputError(
                f"expected {name} of the worker to be that of who asks, '{wanted}', got '{found}': numbers would "
                "differ, so install the same versions, and start the study on a machine of the workers' kind"
            )


def _check_unchanged(spec: RunSpec, rules: Mapping[str, Rule], data: Data, problem_has_file: bool) -> None:
    """Refuse to train something under the key of something else: files may have been edited since the study began."""
    from thalweg.lab.files import problem_digest
    from thalweg.lab.spec import rule_digest

    now = [("data", data.digest, spec.data_digest)]
    now += [("rule", rule_digest(rules[phase.rule]), phase.rule_digest) for phase in spec.phases]
    if problem_has_file:
        now = [("problem", problem_digest(spec.problem), spec.problem_digest), *now]
    for name, found, wanted in now:
        if found != wanted:
            raise InputError(f"the {name} has changed since the comparison began: call it again")


def _sentence(error: BaseException) -> str:
    """One line about an error, with the place in the user's own code where it has one there."""
    text = " ".join(str(error).split())[:MESSAGE_LENGTH]
    if isinstance(error, InputError):
        return text
    if _is_full(error):
        return f"the GPU's memory is full ({text}): train fewer runs at a time with --jobs, or take a smaller batch"
    frames = traceback.extract_tb(error.__traceback__)
    libraries = (PACKAGE, sys.prefix, sys.base_prefix, "<frozen")
    own = [frame for frame in frames if not frame.filename.startswith(libraries)]
    last = (own or frames)[-1]
    return f"{type(error).__name__}: {text} ({Path(last.filename).name}:{last.lineno})"


def _is_full(error: BaseException) -> bool:
    if "torch" not in sys.modules:
        return False
    from thalweg.lab.device import is_full

    return is_full(error)


def stream(
    spec: RunSpec, packed: bytes | None, files: Mapping[str, bytes], folder: str, paths: list[str]
) -> Iterator[Event]:
    """The same as a generator, for Ray: the run is trained in a thread, so that events leave while it goes on.

    Args:
        spec: What to train.
        packed: As for `perform`.
        files: As for `perform`.
        folder: Where who asks stands; relative paths are meant from there, where it exists.
        paths: Where who asks imports modules from.
    """
    from thalweg.lab.run import Run

    if Path(folder).is_dir():
        os.chdir(folder)
    sys.path += [path for path in paths if path not in sys.path]
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    threading.Thread(target=perform, args=(spec, packed, files, events.put), daemon=True).start()
    event = events.get()
    while not isinstance(event, Run):
        yield event
        event = events.get()
    yield event


def main() -> None:
    """A worker's life on this machine: take specs, train, tell; end when nobody is there to be told."""
    tell, orders = channel.parent(ended=lambda: os._exit(0))
    with suppress(OSError):
        packed = orders.get()
        while _after(orders.get(), packed, tell):
            pass


def _after(spec: RunSpec, packed: bytes | None, tell: Callable[[Event], None]) -> bool:
    """Train a spec; whether the process can train another afterwards. If not, its end makes place for one that can."""
    perform(spec, packed, {}, tell)
    from thalweg.lab.device import let_go  # which imports torch

    return let_go(spec.device)

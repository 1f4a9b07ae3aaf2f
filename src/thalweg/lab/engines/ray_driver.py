"""Ray's driver, a program that `ray.py` starts: it turns specs into plain tasks, and tells what they tell."""

from __future__ import annotations

import logging
import os
import queue
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from thalweg.errors import InputError
from thalweg.lab.device import accelerator
from thalweg.lab.engines import channel
from thalweg.lab.engines.engine import ATTEMPTS, Event, lost
from thalweg.lab.engines.worker import environment, stream
from thalweg.lab.run import Run
from thalweg.lab.spec import RunSpec
from thalweg.sweep.threads import available_processors

ANSWER = 120.0  # seconds that a worker gets to begin and to say which GPU it has
TURN = 0.05  # seconds between two looks at what is asked
OBJECT_STORE = 200_000_000  # bytes besides the problem: specs and epochs are small
LONGEST_REASON = 300  # characters of what Ray says
LONGEST_FOLDER = 40  # characters: Ray puts sockets into it, whose paths may have 107
Order = tuple[RunSpec, dict[str, bytes]]  # a run, and what is in the files that it names


@dataclass(frozen=True)
class Request:
    """What the driver is asked for; see `cluster`. With `asks` only of which kind the GPUs of the workers are."""

    address: str | None
    jobs: int | None
    gpus: float
    packed: bytes | None
    threads: int
    asks: bool = False


def main() -> None:
    """The driver's life: start Ray or connect, tell how many runs it takes, turn specs into tasks and tell events."""
    tell, orders = channel.parent()
    request = orders.get()
    if request is None:
        return
    try:
        with _connected(request), suppress(OSError):
            slots = _slots(request)
            if request.asks:
                tell(_gpu_of_a_worker(request))
            else:
                tell(slots)
                Driver(request, tell).serve(orders)
    except InputError as error:
        tell(error)


@contextmanager
def _connected(request: Request) -> Iterator[None]:
    import ray

    with tempfile.TemporaryDirectory(prefix="thalweg-", dir=_short_folder(), ignore_cleanup_errors=True) as folder:
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **_own_ray(request, folder))
        except Exception as error:
            what = "a Ray to start" if request.address is None else f"a Ray cluster at '{request.address}'"
            # Ray's commands start a cluster with a token where the home folder has one, but connect without one.
            hint = "" if request.address is None else ", or set RAY_AUTH_MODE=token where the cluster has a token"
            reason = " ".join(str(error).split())[:LONGEST_REASON]
            raise InputError(f"expected {what}, got '{reason}': see what `ray status` says there{hint}") from error
        try:
            yield
        finally:
            ray.shutdown()


def _short_folder() -> str | None:
    return "/tmp" if os.name == "posix" and len(tempfile.gettempdir()) > LONGEST_FOLDER else None


def _own_ray(request: Request, folder: str) -> dict[str, Any]:
    """How to connect; without an address, what a Ray of our own is like."""
    if request.address is not None:
        return {"address": request.address}
    return {
        "address": "local",  # and not one that RAY_ADDRESS or a file names
        "num_cpus": max(available_processors(), request.threads * (request.jobs or 1)),
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE + 2 * len(request.packed or b""),
        "_temp_dir": folder,
    }


def _slots(request: Request) -> int:
    """How many runs go on at a time.

    Raises:
        InputError: If not one fits on any machine, for which Ray would wait for ever.
    """
    import ray

    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for name, needed in (("CPU", request.threads), ("GPU", request.gpus)):
        largest = max((machine.get(name, 0) for machine in machines), default=0)
        if largest < needed:
            raise InputError(
                f"expected a machine with {needed:g} {name}s in the Ray cluster, got {largest:g}: ask for less"
            )
    fitting = sum(int(machine.get("CPU", 0) // request.threads) for machine in machines)
    if request.gpus:
        fitting = min(fitting, sum(int(machine.get("GPU", 0) / request.gpus) for machine in machines))
    return request.jobs or max(1, fitting)


def _gpu_of_a_worker(request: Request) -> str:
    """The kind of GPU that a worker finds it has.

    Raises:
        InputError: If it has none that torch can use, or no worker becomes free.
    """
    import ray
    from ray.exceptions import GetTimeoutError, RayError, RayTaskError

    asked = ray.remote(max_calls=1)(accelerator).options(**_options(request, request.threads)).remote("cuda")
    try:
        return ray.get(asked, timeout=ANSWER)
    except RayTaskError as error:
        raise InputError(f"expected Ray's workers to train on a GPU, but one says: {_last_line(error)}") from error
    except GetTimeoutError as error:
        raise InputError(
            f"expected a worker of Ray with {request.gpus:g} free GPUs, got none within {ANSWER:g} s: ask for less, or "
            "wait for whoever has them"
        ) from error
    except RayError as error:
        raise InputError(f"expected an answer of Ray's workers, got '{_last_line(error)}': see `ray status`") from error


def _options(request: Request, threads: int) -> dict[str, Any]:
    """What a task takes, and what its worker is like. Ray tells a worker by a variable which GPUs are its own."""
    return {
        "num_cpus": threads,
        "num_gpus": request.gpus,
        "max_retries": 0,  # Ray's own retry would tell some epochs twice
        "runtime_env": {"env_vars": environment(threads)},
    }


@dataclass
class Driver:
    """What turns specs into tasks and listens to them.

    Attributes:
        request: What was asked for.
        tell: Called with every event.
        tasks: The streams of the tasks that run, with what each is at and which attempt it is.
    """

    request: Request
    tell: Callable[[Event], None]
    tasks: dict[Any, tuple[Order, int]] = field(default_factory=dict)

    def serve(self, orders: queue.SimpleQueue[Order | None]) -> None:
        """Until there is nobody who asks."""
        import ray

        packed = None if self.request.packed is None else ray.put(self.request.packed)
        while True:
            with suppress(queue.Empty):
                while True:
                    order = orders.get(block=not self.tasks)
                    if order is None:
                        return
                    self._begin(order, 1, packed)
            if self.tasks:
                ready, _ = ray.wait([*self.tasks], timeout=TURN)
                for task in ready:
                    self._listen(task, packed)

    def _begin(self, order: Order, attempt: int, packed: Any) -> None:
        import ray

        spec, files = order
        options = {**_options(self.request, spec.threads), "num_returns": "streaming"}
        # A process that has begun with one GPU keeps it, whichever Ray gives to its next task: there must be none.
        remote = ray.remote(max_calls=1)(stream) if self.request.gpus else ray.remote(stream)
        task = remote.options(**options).remote(spec, packed, files, str(Path.cwd()), sys.path)
        self.tasks[task] = order, attempt

    def _listen(self, task: Any, packed: Any) -> None:
        """Tell the next event of a task; begin its run anew where its worker died."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        order, attempt = self.tasks[task]
        event: Any
        try:
            event = ray.get(next(task))
        except RayTaskError as error:
            event = Run(order[0], "failed", f"Ray's worker cannot run Thalweg: {_last_line(error)}", (), "")
        except (RayError, StopIteration) as error:
            if attempt < ATTEMPTS:
                del self.tasks[task]
                return self._begin(order, attempt + 1, packed)
            event = lost(order[0], f"Ray reported '{type(error).__name__}'")
        if isinstance(event, Run):
            del self.tasks[task]
        self.tell(event)


def _last_line(error: Exception) -> str:
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)

"""Runs on this machine: processes that train one run at a time each."""

from __future__ import annotations

import queue
import time
from contextlib import suppress
from dataclasses import dataclass

from thalweg.lab.engines import channel
from thalweg.lab.engines.engine import ATTEMPTS, Engine, Event, lost
from thalweg.lab.engines.worker import environment
from thalweg.lab.run import Run
from thalweg.lab.spec import RunSpec

WORKER = "thalweg.lab.engines.worker"


@dataclass
class Worker:
    """A process, the number of threads that it was started for, and what it is at: a run, and which attempt."""

    program: channel.Program
    threads: int
    spec: RunSpec | None = None
    attempt: int = 1


def processes(jobs: int, packed: bytes | None = None) -> Engine:
    """An engine of processes of this machine, each started when it is first needed.

    Args:
        jobs: How many at a time.
        packed: A `Problem` that lives in memory, as cloudpickle's bytes; None to find problems by their names.

    Example:
        >>> engine = processes(2)
        >>> engine.slots, engine.wait(0)
        (2, [])
        >>> engine.close()
    """
    return Processes(jobs, packed)


class Processes:
    """See `Engine`."""

    def __init__(self, jobs: int, packed: bytes | None) -> None:
        self.slots = jobs
        self.packed = packed
        self.workers: list[Worker] = []
        self.inbox: queue.SimpleQueue[tuple[channel.Program, Event | None]] = queue.SimpleQueue()

    def submit(self, spec: RunSpec) -> None:
        """Begin a run."""
        self._give(spec, 1)

    def wait(self, seconds: float) -> list[Event]:
        """What has happened since the last call."""
        end, events = time.monotonic() + seconds, []
        with suppress(queue.Empty):
            while not events:
                events += self._understood(*self.inbox.get(timeout=max(0.0, end - time.monotonic())))
            while True:
                events += self._understood(*self.inbox.get_nowait())
        return events

    def close(self) -> None:
        """Stop every process."""
        while self.workers:
            channel.stop(self.workers.pop().program)

    def _give(self, spec: RunSpec, attempt: int) -> None:
        for worker in [worker for worker in self.workers if worker.spec is None]:
            if worker.threads != spec.threads or worker.program.poll() is not None:
                self._drop(worker)
        worker = next((worker for worker in self.workers if worker.spec is None), None) or self._start(spec.threads)
        worker.spec, worker.attempt = spec, attempt
        channel.send(worker.program, spec)

    def _start(self, threads: int) -> Worker:
        program = channel.begin(WORKER, environment(threads), lambda *message: self.inbox.put(message))
        self.workers.append(Worker(program, threads))
        channel.send(program, self.packed)
        return self.workers[-1]

    def _drop(self, worker: Worker) -> None:
        channel.stop(worker.program)
        self.workers.remove(worker)

    def _understood(self, program: channel.Program, event: Event | None) -> list[Event]:
        """What a message means; None is the end of a worker, whose run then begins anew in another."""
        worker = next((worker for worker in self.workers if worker.program is program), None)
        if worker is None:
            return []
        if event is not None:
            worker.spec = None if isinstance(event, Run) else worker.spec
            return [event]
        self._drop(worker)
        if worker.spec is None:
            return []
        if worker.attempt == ATTEMPTS:
            return [lost(worker.spec, f"its process ended with exit code {program.returncode}")]
        self._give(worker.spec, worker.attempt + 1)
        return []

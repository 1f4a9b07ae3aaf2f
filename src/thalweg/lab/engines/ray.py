"""Runs on Ray, as plain tasks.

Ray's driver is a process of its own: what Ray prints and the variables and signal handlers that it sets stay out of the
caller's process, and whatever ends the caller, the driver is left to end Ray and to remove its files.
"""

from __future__ import annotations

import queue
import re
import secrets
import socket
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from thalweg.errors import InputError
from thalweg.lab.engines import channel
from thalweg.lab.engines.engine import Engine, Event
from thalweg.lab.engines.ray_driver import Request
from thalweg.lab.engines.worker import environment
from thalweg.lab.run import Run
from thalweg.lab.spec import RunSpec

DRIVER = "thalweg.lab.engines.ray_driver"
KNOCK = 5.0  # seconds that a cluster's address gets to answer
PATIENCE = 20.0  # seconds that Ray gets to end
# Unless told not to, Ray tells its makers how it is used, writes of dead workers on standard output, and warns of what
# it means to do with GPUs.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": "^",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def cluster(
    address: str | None, jobs: int | None, gpus: float = 0.0, packed: bytes | None = None, threads: int = 1
) -> Engine:
    """An engine on a Ray cluster.

    Args:
        address: As `ray.init` takes it, `"auto"` for the one of this machine; None to start one until it is closed.
        jobs: How many runs at a time; None for as many as the cluster has processors for when it is opened.
        gpus: How many GPUs each run takes; a fraction shares one.
        packed: A `Problem` that lives in memory, as cloudpickle's bytes; None to find problems by their names.
        threads: How many threads each run has, for the default of `jobs`.

    Raises:
        InputError: If Ray is not installed, cannot be reached, or has no machine for such runs.
    """
    _check_address(address)
    return Cluster(Request(address, jobs, gpus, packed, threads))


def gpu_of_a_worker(address: str, gpus: float, threads: int = 1) -> str:
    """The kind of GPU that the workers of a Ray cluster have: one of them is asked.

    Args:
        address: As for `cluster`.
        gpus: How many GPUs each run takes.
        threads: How many threads each run has.

    Raises:
        InputError: If Ray is not installed, cannot be reached, or no worker has a GPU that torch can use.
    """
    _check_address(address)
    request = Request(address, None, gpus, None, threads, asks=True)
    inbox: queue.SimpleQueue[tuple[channel.Program, Any]] = queue.SimpleQueue()
    driver = channel.begin(DRIVER, _variables(request), lambda *message: inbox.put(message))
    try:
        channel.send(driver, request)
        _, answer = inbox.get()
    finally:
        channel.stop(driver, PATIENCE)
    if not isinstance(answer, str):
        raise answer or InputError("expected Ray to answer, but its driver ended: its messages above may say why")
    return answer


def _check_address(address: str | None) -> None:
    if find_spec("ray") is None:
        raise InputError("the engine 'ray' needs the package 'ray', which is not installed: pip install 'thalweg[ray]'")
    if address is not None and address.startswith("ray://"):
        raise InputError(
            f"expected the address of a Ray cluster as host:port, got '{address}', which is Ray Client's and cannot "
            "stream epochs: start the study on a machine of the cluster, with the address 'auto'"
        )
    if address not in (None, "auto"):
        _check_reachable(address)


def _check_reachable(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK).close()
    except (OSError, ValueError) as error:  # Ray itself would try for many minutes
        raise InputError(
            f"expected the address of a Ray cluster as host:port, got '{address}' ({error}): see what `ray status` says"
        ) from error


class Cluster:
    """See `Engine`: this process's side, which knows Ray's driver only."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.running: list[RunSpec] = []
        self.inbox: queue.SimpleQueue[tuple[channel.Program, Any]] = queue.SimpleQueue()
        self.driver: channel.Program | None = None
        self.slots = self._open()

    def submit(self, spec: RunSpec) -> None:
        """Begin a run."""
        if self.driver is None:
            self._open()
        assert self.driver is not None
        self.running.append(spec)
        channel.send(self.driver, (spec, _files(spec) if self.request.packed is None else {}))

    def wait(self, seconds: float) -> list[Event]:
        """What has happened since the last call."""
        events: list[Event] = []
        with suppress(queue.Empty):
            events += self._understood(*self.inbox.get(timeout=seconds))
            while True:
                events += self._understood(*self.inbox.get_nowait())
        return events

    def close(self) -> None:
        """Stop every run, and the Ray that was started for them."""
        if self.driver is not None:
            channel.stop(self.driver, PATIENCE)
        self.driver, self.running = None, []

    def _open(self) -> int:
        """Start the driver; how many runs go on at a time there."""
        self.driver = channel.begin(DRIVER, _variables(self.request), lambda *message: self.inbox.put(message))
        channel.send(self.driver, self.request)
        program, answer = None, None
        while program is not self.driver:
            program, answer = self.inbox.get()
        if not isinstance(answer, int):
            self.close()
            raise answer or InputError("expected Ray to start, but its driver ended: its messages above may say why")
        return answer

    def _understood(self, program: channel.Program, event: Event | None) -> list[Event]:
        if program is not self.driver:
            return []
        if event is None:
            ended = [Run(spec, "failed", "Ray's driver ended: start the study again", (), "") for spec in self.running]
            self.close()
            return [*ended]
        if isinstance(event, Run):
            self.running.remove(event.spec)
        return [event]


def _variables(request: Request) -> dict[str, str]:
    """What Ray reads when it is imported; a Ray of our own has a token of its own, and not that of the home folder."""
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return {**environment(1), **QUIET, **(own if request.address is None else {})}


def _files(spec: RunSpec) -> dict[str, bytes]:
    """What is in a spec's own files, for machines that lack them."""
    names = {spec.problem, *(re.sub(r"^(\w+\()*|\)*$", "", phase.rule) for phase in spec.phases)}
    return {name: Path(name).read_bytes() for name in sorted(names) if name.endswith(".py") and Path(name).is_file()}

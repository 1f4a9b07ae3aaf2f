"""Where runs are trained: processes of this machine, or Ray."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thalweg.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from thalweg.lab.engines.engine import Engine

NAMES = ("local", "ray")


def open(
    name: str,
    jobs: int | None = None,
    address: str | None = None,
    *,
    gpus: float = 0.0,
    threads: int = 1,
    packed: bytes | None = None,
    device: str = "cpu",
    memory: int = 0,
) -> Engine:
    """An engine by its name; close it when done.

    Args:
        name: One of `NAMES`.
        jobs: How many runs at a time; by default as many as there are processors for them, and on a GPU of this
            machine no more than fit there, and than four.
        address: Of a Ray cluster; None to start a Ray of one's own on this machine.
        gpus: How many GPUs each run takes, on Ray; a fraction shares one.
        threads: How many threads each run has, for the default of `jobs`.
        packed: A `Problem` that lives in memory, as cloudpickle's bytes; never bytes out of a file.
        device: What they are trained on, for the default of `jobs`.
        memory: About how many bytes of a GPU each run takes, for the same.

    Raises:
        InputError: If there is no such engine, its package is missing, or what is asked for does not fit it.
    """
    if name not in NAMES:
        raise InputError(f"there is no engine '{name}': {did_you_mean(name, list(NAMES))}")
    if jobs is not None and jobs < 1:
        raise InputError(f"expected at least 1 job at a time, got {jobs}: leave it out for one per processor")
    if name == "ray":
        from thalweg.lab.engines.ray import cluster

        return cluster(address, jobs, gpus, packed, threads)
    if address is not None or gpus:
        what = f"the address '{address}'" if address is not None else f"{gpus:g} GPUs"
        raise InputError(f"expected {what} only with the engine 'ray', got the engine 'local': add --engine ray")
    from thalweg.lab.engines.local import processes

    return processes(jobs or _slots(threads, device, memory), packed)


def _slots(threads: int, device: str, memory: int) -> int:
    from thalweg.lab.device import free_memory, kind_of
    from thalweg.lab.engines.engine import default_slots, device_slots
    from thalweg.sweep.threads import available_processors

    slots = default_slots(threads, available_processors())
    return slots if kind_of(device) != "cuda" else device_slots(slots, memory, free_memory(device))

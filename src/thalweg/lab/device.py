"""Where runs are trained: whether the device is there, of what kind it is, and torch's settings while it is used.

Only `"cpu"` is the plain way. Every other name takes the way of a device that does its work later, `"cpu:0"` too,
which gives the same numbers: so that way is tested on machines without a GPU.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from thalweg.errors import InputError
from thalweg.sweep.gpu import has_triton

PLAIN = "cpu"
# cuBLAS is deterministic only with a workspace of its own; torch refuses to train without. Read when CUDA begins.
WORKSPACE = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
# Of a process that uses CUDA at all: its context, its kernels and the workspaces of the libraries.
OF_A_PROCESS = 2**30
STATES, SLACK = 5, 1.5  # an optimizer's state in sizes of the weights; how much more than its first batch a run takes


def kind_of(device: str) -> str:
    """What sort of device it is, which decides numbers; its place does not.

    Example:
        >>> kind_of("cuda:1"), kind_of("cpu")
        ('cuda', 'cpu')
    """
    return device.partition(":")[0]


def is_here(device: str) -> bool:
    """Whether this process can use a device.

    Example:
        >>> is_here("cpu"), is_here("cuda:1000")
        (True, False)
    """
    return kind_of(device) != "cuda" or _place(device) < torch.cuda.device_count()


def _place(device: str) -> int:
    return int(device.partition(":")[2] or 0)


def check_here(device: str) -> None:
    """Refuse a device that this process cannot use.

    Raises:
        InputError: If it is not there.
    """
    if is_here(device):
        return
    asked = f"a CUDA device for --device {device}"
    if torch.version.cuda is None and torch.version.hip is None:
        got = f"torch {torch.__version__}, which is built without"
        raise InputError(f"expected {asked}, got {got}: install a torch with CUDA, or train with --device cpu")
    if count := torch.cuda.device_count():
        there = " and ".join(dict.fromkeys(("cuda:0", f"cuda:{count - 1}")))
        raise InputError(f"expected {asked}, got a machine with {there} only: choose one of these")
    raise InputError(
        f"expected {asked}, got none that torch can see: look at nvidia-smi and CUDA_VISIBLE_DEVICES, or train with "
        "--device cpu"
    )


def accelerator(device: str) -> str:
    """The kind of GPU that a device is, with the libraries that compute on it; nothing for the CPU.

    Raises:
        InputError: If the device is not there.

    Example:
        >>> accelerator("cpu")
        ''
    """
    check_here(device)
    if kind_of(device) != "cuda":
        return ""
    try:
        found = torch.cuda.get_device_properties(device)
    except RuntimeError as error:  # it can be counted, but not used: another process may have it for itself alone
        reason = str(error).splitlines()[0]
        raise InputError(f"expected a CUDA device that can be used, got '{reason}': look at nvidia-smi") from error
    libraries = f"CUDA {torch.version.cuda}" if torch.version.cuda else f"ROCm {torch.version.hip}"
    libraries += f", cuDNN {torch.backends.cudnn.version() or 'none'}, {_triton()}"
    return f"{found.name}, compute capability {found.major}.{found.minor}, {libraries}"


def _triton() -> str:
    if not has_triton():
        return "no Triton"
    try:
        return f"Triton {version('triton')}"
    except PackageNotFoundError:  # it has come under another name
        return "Triton"


def backend(gpu: str) -> str:
    """What computes the steps of an optimizer.

    Args:
        gpu: The kind of GPU, as `accelerator` tells it.

    Example:
        >>> backend(""), backend("A GPU, Triton 3.7.0"), backend("A GPU, no Triton")
        ('numba', 'triton', 'torch')
    """
    if not gpu:
        return "numba"
    return "torch" if gpu.endswith("no Triton") else "triton"


@contextmanager
def chosen(device: str) -> Iterator[None]:
    """A CUDA device is the one that is meant where a user's code says only "cuda"."""
    if kind_of(device) == "cuda":
        with torch.cuda.device(device):
            yield
    else:
        yield


@contextmanager
def repeatable(device: str, strict: bool = True) -> Iterator[None]:
    """Torch computes the same every time, as far as it can; its settings are put back afterwards.

    Args:
        device: Where it computes; on another than `"cpu"` also in whole float32, without TF32.
        strict: Whether operations that cannot are refused; else torch only warns of them.

    Example:
        >>> with repeatable("cpu"):
        ...     torch.are_deterministic_algorithms_enabled()
        True
        >>> torch.are_deterministic_algorithms_enabled()
        False
    """
    with ExitStack() as stack:
        before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
        stack.callback(torch.use_deterministic_algorithms, before[0], warn_only=before[1])
        if device != PLAIN:
            for put_back in _settings_of_cuda():
                stack.callback(put_back)
            stack.enter_context(chosen(device))
        torch.use_deterministic_algorithms(True, warn_only=not strict)
        yield


def _settings_of_cuda() -> Iterator[Callable[[], None]]:
    """Change what makes CUDA repeat itself, and give for each change what undoes it."""
    for name, value in WORKSPACE.items():
        if name not in os.environ:
            os.environ[name] = value
            yield lambda name=name: os.environ.__delitem__(name)
    for place, name in _precisions():
        yield _setter(place, name, getattr(place, name))
    # The older names of these settings: the newer ones beside them make torch refuse to read the older ones, which is
    # what code of users and of torch itself does.
    for place, name, value in (
        (torch.backends.cuda.matmul, "allow_tf32", False),
        (torch.backends.cudnn, "allow_tf32", False),
        (torch.backends.cudnn, "deterministic", True),
        (torch.backends.cudnn, "benchmark", False),
    ):
        with suppress(RuntimeError):  # which is what reading raises where the user has set the newer ones
            yield _setter(place, name, getattr(place, name))
        setattr(place, name, value)


def _precisions() -> Iterator[tuple[Any, str]]:
    """The newer names of the precisions, which torch has had since 2.9: to be put back last."""
    cudnn = torch.backends.cudnn
    for place in (torch.backends.cuda.matmul, getattr(cudnn, "conv", None), getattr(cudnn, "rnn", None)):
        if hasattr(place, "fp32_precision"):
            yield place, "fp32_precision"


def _setter(place: Any, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(place, name, value)


def cannot_repeat(error: Exception) -> bool:
    """Whether an error is torch's, of an operation that does not compute the same every time."""
    return isinstance(error, RuntimeError) and "use_deterministic_algorithms" in str(error)


def is_full(error: BaseException) -> bool:
    """Whether an error says that a GPU's memory is full."""
    return isinstance(error, torch.OutOfMemoryError)


def seed_accelerators(device: str, seed: int) -> None:
    """Set the generators of GPUs, and no other, to a seed."""
    if kind_of(device) == "cuda":
        torch.cuda.manual_seed_all(seed)


def wait(device: str) -> None:
    """Return when everything that a device was told to do is done."""
    if kind_of(device) == "cuda":
        torch.cuda.synchronize(device)


def let_go(device: str) -> bool:
    """Give a GPU's memory back after a run, for other processes.

    Returns:
        Whether this process can go on: after an error in a kernel CUDA does nothing more for it.
    """
    if kind_of(device) != "cuda" or not torch.cuda.is_initialized():
        return True
    gc.collect()
    try:
        wait(device)
        torch.cuda.empty_cache()
    except RuntimeError:
        return False
    return True


def most_memory(device: str, train: Callable[[], int]) -> int:
    """How many bytes of a GPU a process that trains takes, told by a part of a training; 0 for the CPU.

    Args:
        device: Where it trains.
        train: Does the part, and returns how many bytes the weights have.
    """
    if kind_of(device) != "cuda":
        train()
        return 0
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    weights = train()
    peak = torch.cuda.max_memory_allocated(device) - before
    let_go(device)
    return OF_A_PROCESS + int(SLACK * peak) + STATES * weights


def free_memory(device: str) -> int:
    """How many bytes of a GPU nobody has taken."""
    return torch.cuda.mem_get_info(device)[0]

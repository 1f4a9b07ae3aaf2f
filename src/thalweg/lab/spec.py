"""`RunSpec`: everything that decides a run, and the key under which its result is kept."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from thalweg.compile.trace import trace, trace_evaluation
from thalweg.formula import Rule
from thalweg.rules.hyper import Value
from thalweg.schedules import parse

PACKAGE = Path(__file__).parents[1]
# What turns a spec into numbers, besides the problem, the data and the rule's program.
DECIDING = ("formula", "schedules", "compile", "sweep", "frameworks/torch")
DECIDING += ("lab/run.py", "lab/batches.py", "lab/losses.py", "lab/device.py")


@dataclass(frozen=True)
class Phase:
    """One optimizer of a run, from one of its epochs on: most runs have one phase, a switch has several.

    At a switch the next optimizer starts with a state of its own, at its first step: nothing of the old state stays.

    Attributes:
        first: The epoch that it begins with, counted from 1.
        rule: The rule's name, or the path of its file.
        rule_digest: A hash of the rule's programs, that of its evaluation weights included.
        hyper: Every hyperparameter and its number, or the text of the schedule that it follows, sorted by name. A
            schedule counts the optimizer's steps: 1 in its first batch, and on through all its epochs.
        initial: States and the number that each starts at, sorted by name; not those that start at the weights.
    """

    first: int
    rule: str
    rule_digest: str
    hyper: tuple[tuple[str, float | str], ...]
    initial: tuple[tuple[str, float], ...]

    @property
    def arguments(self) -> dict[str, Any]:
        """The hyperparameters as an optimizer takes them."""
        return {name: parse(value) if isinstance(value, str) else value for name, value in self.hyper}


@dataclass(frozen=True)
class RunSpec:
    """One run, before it is run. Two specs with one key give the same numbers, to the bit.

    Attributes:
        problem: The problem's name, or the path of its file.
        problem_digest: A hash of what defines the problem.
        source: The `--data` argument, or None for the problem's own data.
        data_digest: A hash of the data.
        part: `"final"` to train on all training data and report on test data, `"tuning"` for a trial on its own split.
        phases: The optimizers, by the epoch that each begins with.
        seed: Decides the initial weights, the data orders and the noise of dropout.
        epochs: Passes over the training data.
        batch_size: Samples per step; None for all of them.
        order: `"reshuffled"` for another data order every epoch, `"repeated"` for the first epoch's in all of them.
        stop: For every epoch the metric that a trial must reach at its end to go on; None where it always may.
        dtype: Of the parameters.
        backend: What computes the steps.
        device: Where: `"cpu"`, or torch's name of another, of which the number is only a place.
        threads: Of torch and of the kernel.
        torch: Torch's version.
        processor: The kind of CPU.
        code_digest: A hash of Thalweg's own files that train: the loop, the kernels, the torch face.
        watch: Every how many steps the optimizer is watched, 0 for never: this changes no number, nor the key.
        accelerator: The kind of GPU and of its libraries; nothing where the device is the CPU.
    """

    problem: str
    problem_digest: str
    source: str | None
    data_digest: str
    part: str
    phases: tuple[Phase, ...]
    seed: int
    epochs: int
    batch_size: int | None
    order: str
    stop: tuple[float | None, ...]
    dtype: str
    backend: str
    device: str
    threads: int
    torch: str
    processor: str
    code_digest: str
    watch: int = 0
    accelerator: str = ""

    @property
    def key(self) -> str:
        """A hash of what decides the run; where a file lies does not, what is in it does; nor which of two GPUs."""
        deciding = {k: v for k, v in asdict(self).items() if k not in ("problem", "source", "watch")}
        phases = [{k: v for k, v in phase.items() if k != "rule"} for phase in deciding.pop("phases")]
        deciding["device"] = self.device.partition(":")[0]
        return digest_of(json.dumps({**deciding, "phases": phases}, sort_keys=True))


def written(hyper: Mapping[str, Value]) -> dict[str, float | str]:
    """Hyperparameters as specs and tables hold them: a schedule by the text that it prints, which `parse` reads.

    Example:
        >>> written({"lr": parse("cosine( peak=1e-3, steps=10 )"), "eps": 1e-8})
        {'lr': 'cosine(0.001, 10)', 'eps': 1e-08}
    """
    return {name: repr(value) if callable(value) else value for name, value in hyper.items()}


def digest_of(text: str) -> str:
    """A hash of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def rule_digest(rule: Rule) -> str:
    """A hash of what a rule does: of its program, and of that of the weights it is evaluated at.

    Example:
        >>> from thalweg.rules import RULES
        >>> rule_digest(RULES["adam"]) == trace(RULES["adam"]).digest
        True
    """
    return digest_of("\n".join(program.text for program in (trace(rule), trace_evaluation(rule)) if program))


def file_digest(path: Path) -> str:
    """A hash of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.cache
def code_digest() -> str:
    """A hash of the files named in `DECIDING`."""
    places = [PACKAGE / name for name in DECIDING]
    files = sorted(f for place in places for f in ([place] if place.is_file() else place.rglob("*.py")))
    return digest_of("".join(f"{file.relative_to(PACKAGE).as_posix()} {file_digest(file)}\n" for file in files))


@functools.cache
def processor() -> str:
    """The kind of CPU, as exactly as the system tells: its vector units decide how torch rounds.

    Example:
        >>> len(processor()) > 0
        True
    """
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return f"{platform.machine()} {platform.processor()}".strip()
    lines = (line.partition(":") for line in info.read_text(errors="replace").splitlines())
    facts = {name.strip(): value.strip() for name, _, value in lines}
    wanted = ("vendor_id", "model name", "cpu family", "model", "CPU implementer", "CPU part")
    return " ".join([platform.machine(), *(facts[w] for w in wanted if w in facts)])


def environment(device: str = "cpu", accelerator: str = "") -> dict[str, str]:
    """Versions and machine, for the report.

    Args:
        device: Where runs are trained, which is told where it is not the CPU.
        accelerator: The kind of GPU that it is.

    Example:
        >>> environment("cuda", "A GPU")["device"], "device" in environment()
        ('cuda: A GPU', False)
    """
    told = {"device": f"{device}: {accelerator}"} if accelerator else {}
    packages = ("thalweg", "torch", "numpy", "numba")
    return {
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        **told,
        **{package: version(package) for package in packages},
    }

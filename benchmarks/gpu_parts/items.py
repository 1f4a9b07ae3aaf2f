"""What a section finds: plain data, a class for each kind of line. Times against a peer are `thalweg.bench`'s `Row`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from thalweg.bench.table import Row


@dataclass(frozen=True)
class Errors:
    """How far one rule's steps on the device lie from the reference's, which begin at the same numbers.

    Attributes:
        rule: Its name.
        exact: For each kind of storage the largest distance in roundings, of the exact form.
        fast: For each kind of storage the largest distance in ulps, of the fast form.
        share: The largest distance of the fast form as a share of what its operations may be off.
        values: The largest relative distance of a per-step value.
        bounds: Of `exact`, `share` and `values`.
    """

    rule: str
    exact: Mapping[str, int]
    fast: Mapping[str, float]
    share: Mapping[str, float]
    values: float
    bounds: Mapping[str, float]

    @property
    def passed(self) -> bool:
        """Whether all is within its bound; a NaN is not."""
        exact = all(found <= self.bounds["exact"] for found in self.exact.values())
        fast = all(found <= self.bounds["share"] for found in self.share.values())
        return exact and fast and self.values <= self.bounds["values"]


@dataclass(frozen=True)
class Check:
    """A number that must not be above a bound.

    Attributes:
        what: In words.
        found: The number.
        bound: The bound.
        unit: What it counts.
        said: What went wrong, where somebody said it.
    """

    what: str
    found: float
    bound: float
    unit: str
    said: str = ""

    @property
    def passed(self) -> bool:
        """Whether it is within the bound; a NaN is not."""
        return self.found <= self.bound


@dataclass(frozen=True)
class Swept:
    """How fast a rule goes through memory.

    Attributes:
        rule: Its name.
        moved: Bytes for each parameter.
        ms: The median time of a step.
        gigabytes: Per second.
        copied: What the device's own copy moves per second, measured in the same rounds.
        share: Of that.
        target: What the share should reach; None where nothing is asked.
    """

    rule: str
    moved: int
    ms: float
    gigabytes: float
    copied: float
    share: float
    target: float | None

    @property
    def met(self) -> bool | None:
        """Whether the share reaches its target."""
        return None if self.target is None else self.share >= self.target


@dataclass(frozen=True)
class Peak:
    """How much memory an optimizer takes, in bytes.

    Attributes:
        optimizer: Whose.
        step: What a step takes and gives back.
        first: What the first step takes and gives back, beyond what it keeps.
        kept: What is kept between steps beside parameters, gradients and state.
        state: What the state takes.
        bound: What `step` must not be above; None where nothing is asked.
    """

    optimizer: str
    step: int
    first: int
    kept: int
    state: int
    bound: int | None = None

    @property
    def met(self) -> bool | None:
        """Whether it is within the bound."""
        return None if self.bound is None else self.step <= self.bound


@dataclass(frozen=True)
class Tuned:
    """One choice of the constants.

    Attributes:
        rule: What was stepped.
        row: ROW.
        block: BLOCK.
        warps: WARPS.
        ms: The median time of a step.
        share: Of the device's copy bandwidth.
    """

    rule: str
    row: int
    block: int
    warps: int
    ms: float
    share: float


Item = Row | Errors | Check | Swept | Peak | Tuned | str


@dataclass
class Section:
    """What one section found.

    Attributes:
        name: As the command line calls it.
        title: What its figures mean.
        items: They, and sentences.
        error: Why it ended early, in one sentence; empty if it did not.
        seconds: How long it took.
    """

    name: str
    title: str
    items: list[Item] = field(default_factory=list)
    error: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether a check failed, or could not be made."""
        checks = [item for item in self.items if isinstance(item, Errors | Check)]
        return not all(check.passed for check in checks) or (bool(self.error) and self.name == "correctness")


def as_document(section: Section) -> dict[str, Any]:
    """What `--json` writes of a section; keys that depend on the clock start with `time_`."""
    return {
        "title": section.title,
        "error": section.error,
        "time_seconds": round(section.seconds, 2),
        "notes": [item for item in section.items if isinstance(item, str)],
        "items": [plain(item) for item in section.items if not isinstance(item, str)],
    }


def unjudged(item: Item) -> Item:
    """A line without a target: of a time that says nothing about a device."""
    return replace(item, target=None) if isinstance(item, Row | Swept) else item


def plain(item: Row | Errors | Check | Swept | Peak | Tuned) -> dict[str, Any]:
    """A line as JSON has it."""
    verdict = {name: getattr(item, name) for name in ("passed", "met") if hasattr(item, name)}
    numbers = {name: _number(value) for name, value in asdict(item).items()}
    return {"kind": type(item).__name__.lower(), **numbers, **verdict}


def _number(value: Any) -> Any:
    """A number that JSON cannot write as text."""
    if isinstance(value, dict):
        return {name: _number(each) for name, each in value.items()}
    if isinstance(value, float) and not abs(value) < float("inf"):
        return str(value)
    return value

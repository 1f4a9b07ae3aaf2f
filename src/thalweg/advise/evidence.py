"""What advice rests on: the verdicts of the claims and the comparisons of `docs/choose.md`, as shipped data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from thalweg.claims.table import DECIDED, NO_VERDICT, UNDECIDED
from thalweg.errors import InputError

MEASURED, CHOSEN = "measured.json", "chosen.json"
VERDICTS = (*DECIDED, UNDECIDED, NO_VERDICT)
CLAIMS_PAGE, CHOOSE_PAGE = "claims.html", "choose.html"  # of the documentation


@dataclass(frozen=True)
class Contrast:
    """What one arm was against another in one setting; `thalweg.claims.table.Contrast` has all of it.

    Attributes:
        setting: The value of what the verdict may depend on: a problem's name, mostly.
        outcome: `"supports"`, `"opposes"`, `"none"` or `"unclear"`.
    """

    setting: str
    outcome: str


@dataclass(frozen=True)
class Part:
    """One sentence of a claim.

    Attributes:
        text: The sentence.
        verdict: What came out.
        variable: What it depends on, if it does.
        contrasts: One per setting.
    """

    text: str
    verdict: str
    variable: str = ""
    contrasts: tuple[Contrast, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A claim and what came out.

    Attributes:
        number: Its number.
        short: It in a few words.
        verdict: `"holds"`, `"does not hold"`, `"depends"`, `"holds in part"`, `"undecided"` or `"no verdict"`.
        variable: What it depends on, if it does.
        said: The verdict in a sentence.
        parts: Its sentences.
    """

    number: int
    short: str
    verdict: str
    variable: str = ""
    said: str = ""
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Row:
    """Where one optimizer ended on one problem.

    Attributes:
        rule: The optimizer.
        kind: `"default"` or `"tuned"`.
        lr: Its learning rate.
        mean: Of the metric, over the seeds; None where a seed diverged.
        interval: Its 95 % interval.
        behind: The 95 % interval of how far the best row of the problem is ahead; None of the best itself.
        reached: How many seeds reached the problem's target.
    """

    rule: str
    kind: str
    lr: float
    mean: float | None
    interval: tuple[float, float]
    behind: tuple[float, float] | None
    reached: int

    @property
    def among_the_best(self) -> bool:
        """Whether it is the best of its problem, or its seeds cannot tell it from the best."""
        return self.mean is not None and (self.behind is None or self.behind[0] <= 0 <= self.behind[1])


@dataclass(frozen=True)
class Compared:
    """What came out on one problem.

    Attributes:
        metric: What its rows are about.
        maximize: Whether more of it is better.
        seeds: Runs per row.
        rows: Every optimizer, at its default and tuned.
    """

    metric: str
    maximize: bool
    seeds: int
    rows: tuple[Row, ...]

    def row(self, rule: str, kind: str) -> Row | None:
        """The row of a rule."""
        return next((row for row in self.rows if (row.rule, row.kind) == (rule, kind)), None)

    @property
    def best(self) -> Row:
        """The best of all rows."""
        return next(row for row in self.rows if row.behind is None and row.mean is not None)


@dataclass(frozen=True)
class Evidence:
    """All that is known.

    Attributes:
        claims: By number.
        problems: By name.
    """

    claims: Mapping[int, Claim] = field(default_factory=dict)
    problems: Mapping[str, Compared] = field(default_factory=dict)

    def rates(self, rule: str, problems: Sequence[str]) -> list[float]:
        """The learning rates that tuning found for a rule."""
        rows = (self.problems[name].row(rule, "tuned") for name in problems if name in self.problems)
        return [row.lr for row in rows if row and row.mean is not None]


def evidence(claims: Path | None = None) -> Evidence:
    """What this version of Thalweg was shipped with.

    Args:
        claims: Other verdicts than the shipped ones, as `thalweg claims --json` prints them.

    Raises:
        InputError: If that file cannot be read.

    Example:
        >>> evidence().problems["sparse-logistic"].best.rule
        'adam'
    """
    return Evidence(dict(_claims(claims)), dict(_problems()))


def _claims(path: Path | None) -> Iterator[tuple[int, Claim]]:
    shipped = files("thalweg") / "claims" / MEASURED
    if path is None and not shipped.is_file():
        return
    try:
        document = json.loads((path or shipped).read_text(encoding="utf-8"))
        for found in document["claims"] if isinstance(document, dict) else document:
            claim = _claim(found)
            yield claim.number, claim
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"expected verdicts as 'thalweg claims --json' prints them in '{path or MEASURED}', got a file that cannot "
            f"be read so ({type(error).__name__}: {error}): make it again"
        ) from error


def _claim(found: Mapping[str, Any]) -> Claim:
    if found["verdict"] not in VERDICTS:
        raise ValueError(f"{found['verdict']!r} is no verdict")
    return Claim(
        number=int(found["number"]),
        short=str(found.get("short", found.get("text", ""))),
        verdict=str(found["verdict"]),
        variable=str(found.get("variable") or ""),
        said=str(found.get("said", "")),
        parts=tuple(_part(part) for part in found.get("parts", ())),
    )


def _part(found: Mapping[str, Any]) -> Part:
    contrasts = tuple(
        Contrast(str(c["setting"]), str(c["outcome"])) for c in found.get("contrasts", found.get("time_contrasts", ()))
    )
    return Part(str(found["text"]), str(found["verdict"]), str(found.get("variable") or ""), contrasts)


def _problems() -> Iterator[tuple[str, Compared]]:
    document = json.loads((files("thalweg") / "advise" / CHOSEN).read_text(encoding="utf-8"))
    for name, found in document.items():
        rows = tuple(
            Row(rule, kind, lr, mean, (low, high), behind and (behind[0], behind[1]), reached)
            for rule, kind, lr, mean, low, high, behind, reached in found["rows"]
        )
        yield name, Compared(found["metric"], found["maximize"], found["seeds"], rows)

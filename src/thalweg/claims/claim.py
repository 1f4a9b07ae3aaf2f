"""`Claim`: a sentence of the folklore, declared whole before anything is run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from thalweg.claims.evidence import Computed, Evidence, Trained
from thalweg.claims.table import Contrast, Picture
from thalweg.claims.verdict import STRICT, Decision

FOLDER = Path(__file__).parent
# Files beside this one that decide no result: how evidence is fetched, and how results are worded and kept.
NOT_DECIDING = {"__init__.py", "catalogue.py", "claim.py", "gather.py", "result.py", "said.py", "table.py"}


@dataclass(frozen=True)
class Part:
    """One sentence that can be true or false.

    Attributes:
        text: The sentence.
        contrasts: From the evidence to one contrast per setting; pure.
        rule: Which outcomes decide it.
        variable: What differs between the settings, as the verdict "depends on ..." names it: "the problem".
        clock: Whether its numbers come from a clock.
    """

    text: str
    contrasts: Callable[[Evidence], Sequence[Contrast]]
    rule: Decision = STRICT
    variable: str = ""
    clock: bool = False


@dataclass(frozen=True)
class Claim:
    """A claim with its study, its measures and the rules of its verdict.

    Attributes:
        number: Of the list of claims.
        file: The file that declares it: `__file__` there.
        short: The claim in at most 46 letters, for a table.
        text: The claim as it circulates, in our words.
        source: Where it circulates.
        method: How it is put to the test, and why that is fair, in a few sentences.
        parts: Its sentences; none where it cannot be decided here.
        evidence: What must be run.
        picture: What shows the answer, from the evidence; pure. None for none.
        needs: What a decision would need where this machine cannot give one.
        remarks: What must be known to read the result.
    """

    number: int
    file: str
    short: str
    text: str
    source: str
    method: str
    parts: tuple[Part, ...]
    evidence: tuple[Trained | Computed, ...]
    picture: Callable[[Evidence], Picture] | None = None
    needs: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """In file names and links."""
        return Path(self.file).stem.replace("_", "-")

    @property
    def runs(self) -> int:
        """Runs and trials."""
        return sum(one.runs for one in self.evidence)

    @property
    def work(self) -> float:
        """Seconds on one core."""
        return sum(one.work for one in self.evidence)


def digest_of(claim: Claim) -> str:
    """A hash of the claim's file and of the files by which contrasts and verdicts are made."""
    files = [Path(claim.file), *(file for file in sorted(FOLDER.glob("*.py")) if file.name not in NOT_DECIDING)]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()

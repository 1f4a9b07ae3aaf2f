"""What `thalweg claims --json` prints; what depends on the clock has a key that starts with `time_`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from thalweg.claims.table import ClaimResult, PartResult, Planned
from thalweg.lab.document import to_plain


def document(found: Sequence[ClaimResult]) -> dict[str, Any]:
    """All results, with everything that the page shows.

    Args:
        found: The results.
    """
    return {"claims": [_claim(one) for one in found]}


def planned(rows: Sequence[Planned], runs: int, seconds: float) -> dict[str, Any]:
    """What `thalweg claims --plan --json` prints; its seconds are declared, and no clock's.

    Args:
        rows: One per claim, as if it were the only one.
        runs: Of all of them, each once.
        seconds: Of one core, likewise.
    """
    return {"claims": [to_plain(row) for row in rows], "runs": runs, "seconds": seconds}


def _claim(one: ClaimResult) -> dict[str, Any]:
    plain = to_plain(one)
    clock = any(part.clock for part in one.parts)
    picture = plain.pop("picture")
    return {
        **{name: value for name, value in plain.items() if name != "environment"},
        "parts": [_part(part) for part in one.parts],
        "time_picture" if clock else "picture": picture,
    }


def _part(part: PartResult) -> dict[str, Any]:
    plain = to_plain(part)
    contrasts = plain.pop("contrasts")
    return {**plain, "time_contrasts" if part.clock else "contrasts": contrasts}


def from_document(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The results of a document with the keys of `ClaimResult` again.

    Args:
        document: As `document` made it.
    """
    found = []
    for claim in document["claims"]:
        plain = {name.removeprefix("time_") if name == "time_picture" else name: v for name, v in claim.items()}
        parts = [
            {"contrasts" if name == "time_contrasts" else name: value for name, value in part.items()}
            for part in plain["parts"]
        ]
        found.append({"environment": {}, **plain, "parts": parts})
    return found

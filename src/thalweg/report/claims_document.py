"""What `thalweg claims --json` prints; what depends on the clock has a key that starts with `time_`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thalweg.claims.table import ClaimResult, PartResult
from thalweg.lab.document import to_plain


def document(found: Sequence[ClaimResult]) -> dict[str, Any]:
    """All results, with everything that the page shows.

    Args:
        found: The results.
    """
    return {"claims": [_claim(one) for one in found]}


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

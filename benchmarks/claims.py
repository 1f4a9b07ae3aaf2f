"""Writes docs/claims.md's measured parts: docs/data/claims.json, the table, the claims, and a picture of each.

And `src/thalweg/claims/measured.json`, the verdicts and contrasts that `thalweg advise` reads, without what was drawn.

    python benchmarks/claims.py [ANSWER.json]

The answer is what `thalweg claims --json` printed. It is kept as the data; the page's parts and the pictures are then
made from the data. Without an answer the data stays as it is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from choose import filled

from thalweg.claims.table import DECIDED, ClaimResult
from thalweg.lab.document import from_plain
from thalweg.report.claims import cost
from thalweg.report.claims_charts import panels, whole
from thalweg.report.claims_document import from_document
from thalweg.report.claims_words import OUTCOMES, counted_verdicts, headline, key_number, measured, verdict
from thalweg.report.style import save_png

DOCS = Path(__file__).parents[1] / "docs"
COLOURS = 160  # of a picture
SHIPPED = DOCS.parent / "src" / "thalweg" / "claims" / "measured.json"
KEPT = ("number", "short", "verdict", "variable", "said", "digest")  # of a claim, for advice
KEPT_OF_PARTS = ("text", "verdict", "variable")
DATA, PAGE, IMAGES = DOCS / "data" / "claims.json", DOCS / "claims.md", DOCS / "images"


def main(arguments: Sequence[str]) -> None:
    """Data from the answer, if there is one; page and pictures from the data."""
    if arguments:
        document = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
        DATA.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        SHIPPED.write_text(json.dumps(shipped(document), indent=1) + "\n", encoding="utf-8")
    found = results(json.loads(DATA.read_text(encoding="utf-8")))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), parts(found)), encoding="utf-8")
    for one in found:
        if panels(one):
            draw(one, IMAGES / picture_name(one))


def shipped(document: Mapping[str, Any]) -> dict[str, Any]:
    """What advice needs of a document."""
    return {"claims": [_shipped(claim) for claim in document["claims"]]}


def _shipped(claim: Mapping[str, Any]) -> dict[str, Any]:
    contrasts = ("setting", "outcome")
    parts = [
        {name: part[name] for name in KEPT_OF_PARTS}
        | {"contrasts": [{name: one[name] for name in contrasts} for one in _contrasts(part)]}
        for part in claim["parts"]
    ]
    return {name: claim[name] for name in KEPT} | {"parts": parts}


def _contrasts(part: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A part's contrasts; those of a clock stand under another name."""
    return part.get("contrasts") or part.get("time_contrasts") or []


def results(document: Mapping[str, object]) -> list[ClaimResult]:
    """The results that a document holds."""
    return [from_plain(ClaimResult, plain) for plain in from_document(document)]


def picture_name(one: ClaimResult) -> str:
    """Of a claim's picture, without the folder."""
    return f"claims-{one.number:02d}.png"


def draw(one: ClaimResult, path: Path) -> None:
    """Write a claim's picture in few colours, at a quarter of the bytes."""
    from PIL import Image

    save_png(whole(one), path)
    with Image.open(path) as drawn:
        few = drawn.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def parts(found: Sequence[ClaimResult]) -> dict[str, str]:
    """Each measured part of the page by the name of its place."""
    decided = sum(one.verdict in DECIDED for one in found)
    rows = [
        f"| [{one.number}](#claim-{one.number}) | {one.text} | **{verdict(one)}** | {key_number(one)} |"
        for one in found
    ]
    table = ["|  | claim | verdict | key number [95 % interval] |", "|---:|---|---|---|", *rows]
    return {
        "counts": f"{headline(len(found), decided)} {counted_verdicts(found)}".strip(),
        "table": "\n".join(table),
        "claims": "\n\n".join(map(section, found)),
    }


def section(one: ClaimResult) -> str:
    """A claim with its picture, its numbers, and how it was measured."""
    begun = verdict(one)
    lines = [
        f"### {one.number}. {one.text} {{ #claim-{one.number} }}",
        f"**{begun[:1].upper()}{begun[1:]}.** {one.said}",
    ]
    if panels(one):
        lines.append(f"![{one.short}: numbers and intervals](images/{picture_name(one)})")
    lines += [one.picture.note] if one.picture else []
    for part in one.parts:
        rows = (
            f"| {c.setting} | {c.claimed} | {c.other} | {c.measure} | {measured(c)} | {OUTCOMES[c.outcome]} |"
            for c in part.contrasts
        )
        heading = (
            "| setting | claimed | against | measure | contrast [95 % interval] | says |\n|---|---|---|---|---|---|"
        )
        lines += [f"{part.text} *{part.rule}*", "\n".join([heading, *rows])]
    facts = [one.method, *one.remarks, *([f"{cost(one)}."] if one.cost else [])]
    return "\n\n".join([*lines, " ".join(facts), f"    {one.command}"])


if __name__ == "__main__":
    main(sys.argv[1:])

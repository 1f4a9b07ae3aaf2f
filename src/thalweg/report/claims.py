"""All claims as one HTML document that loads nothing: text, picture, numbers with intervals, verdict, rule, command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from thalweg.claims.table import DECIDED, ClaimResult, Contrast, PartResult
from thalweg.report import words
from thalweg.report.claims_charts import panels
from thalweg.report.claims_document import document
from thalweg.report.claims_words import OUTCOMES, counted_verdicts, headline, key_number, measured, short, verdict
from thalweg.report.data import as_json
from thalweg.report.html import accessible, details, head, note, section, table, text, two
from thalweg.report.script import DIGEST, SCRIPT
from thalweg.report.style import styled, to_svg
from thalweg.report.template import DOCUMENT, IN_THE_DARK

TITLE = "What is told about optimizers, measured"
SUMMARY = (
    "Sentences that articles and courses repeat, each as a declared study: problem, contrast, measure, seeds and "
    "the rule "
    "of the verdict were fixed before anything was run."
)
READING = (
    "A setting supports a claim where the 95 % interval of its contrast lies beyond the threshold, and opposes "
    "it where "
    "the interval lies on the other side. “Depends” needs both, with a named variable. Contrasts are paired by seed or "
    "start. About one interval in twenty misses the truth: that is what 95 % means."
)


@dataclass(frozen=True)
class Unmeasured:
    """A claim of which there is no result.

    Attributes:
        number: Its number.
        name: Its name in links.
        text: The claim.
        outdated: Whether there is a result of another declaration, which is not shown.
    """

    number: int
    name: str
    text: str
    outdated: bool = False


def page(shown: Sequence[ClaimResult | Unmeasured]) -> str:
    """Writes all claims as one HTML document, readable on a phone and in dark mode.

    Args:
        shown: In the order of their numbers; every text in them is escaped, for none is trusted.

    Returns:
        The document.
    """
    found = [one for one in shown if isinstance(one, ClaimResult)]
    decided = sum(one.verdict in DECIDED for one in found)
    said = (headline(len(shown), decided), *([counted_verdicts(found)] if found else []))
    content = (_overview(shown), *(_claim(one) for one in shown), _environment(found))
    return DOCUMENT.substitute(
        title=text(TITLE),
        summary=text(SUMMARY),
        amount=text(READING),
        verdict="".join(f"<p>{text(sentence)}</p>" for sentence in said),
        content="\n".join(filter(None, content)),
        data=as_json(document(found)),
        links="",
        name="claims",
        colours=IN_THE_DARK,
        digest=DIGEST,
        script=SCRIPT,
    )


def _overview(shown: Sequence[ClaimResult | Unmeasured]) -> str:
    rows = (
        [
            _link(one),
            text(verdict(one) if isinstance(one, ClaimResult) else _absent(one)),
            text(key_number(one) if isinstance(one, ClaimResult) else ""),
        ]
        for one in shown
    )
    return table("Every claim", head("claim", "verdict", "key number, with its 95 % interval"), rows, "words")


def _link(one: ClaimResult | Unmeasured) -> str:
    name = one.short if isinstance(one, ClaimResult) else one.text
    return f'<a href="#claim-{one.number}">{one.number}. {text(name)}</a>'


def _absent(one: Unmeasured) -> str:
    return "declared anew since it was measured" if one.outdated else "not measured yet"


def _claim(one: ClaimResult | Unmeasured) -> str:
    title = f'<h2 id="claim-{one.number}">{one.number}. {text(one.text)}</h2>'
    if isinstance(one, Unmeasured):
        return f"<section>{title}{note(f'{_absent(one).capitalize()}: thalweg claims {one.number}')}</section>"
    begun = verdict(one)
    said = f'<div class="verdict"><p>{text(begun[:1].upper() + begun[1:])}</p><p>{text(one.said)}</p></div>'
    return f"<section>{title}{said}{_charts(one)}{_numbers(one)}{_declared(one)}</section>"


def _charts(one: ClaimResult) -> str:
    drawn = "".join(f"<figure>{accessible(to_svg(styled(chart)), title)}</figure>" for title, chart in panels(one))
    reading = note(one.picture.note) if one.picture else ""
    return f'{reading}<div class="figures small">{drawn}</div>' if drawn else reading


def _numbers(one: ClaimResult) -> str:
    return "".join(_part(part, several=len(one.parts) > 1) for part in one.parts)


def _part(part: PartResult, several: bool) -> str:
    depends = f" on {part.variable}" if part.verdict == "depends" else ""
    begun = f"{part.text} — {part.verdict}{depends}" if several else part.text
    heading = head("setting", "claimed, and against", "of each", "contrast [95 % interval]", "says")
    below = "".join(note(sentence) for sentence in (_measures(part.contrasts), f"Rule: {part.rule}"))
    return table(begun, heading, map(_cells, part.contrasts), "numbers") + below


def _cells(one: Contrast) -> list[str]:
    each = [short(mean, "amount") for mean in one.means]
    lost = f"{one.lost[0]} and {one.lost[1]} lost" if any(one.lost) else ""
    amount = one.scale.startswith("amount")
    return [
        text(one.setting),
        two(words.plain(one.claimed), words.plain(one.other)),
        (text(each[0]) if amount else two(*each)) + (f' <small class="trouble">{text(lost)}</small>' if lost else ""),
        two(measured(one), words.counted(one.estimate.seeds, one.unit)),
        text(OUTCOMES[one.outcome]),
    ]


def _measures(contrasts: Sequence[Contrast]) -> str:
    """What was measured, and beyond what a contrast says something: once for all that have the same."""
    return " ".join(dict.fromkeys(f"{_needed(one)}." for one in contrasts))


def _needed(one: Contrast) -> str:
    kind = {"factor": "Factor", "difference": "Difference", "amount": "Amount", "amount below": "Amount"}[one.scale]
    side = "below" if one.scale == "amount below" else "above"
    none = f" (within {words.plain(f'{one.none:g}')} of it: no difference)" if one.none > 0 else ""
    if one.scale == "factor":
        none = f" (within a factor {one.none:g} of it: no difference)" if one.none > 1 else ""
    return f"{kind}: {words.plain(one.measure)}; as claimed {side} {one.threshold:g}{none}"


def _declared(one: ClaimResult) -> str:
    facts = [
        ("told in", text(one.source)),
        ("measured how", text(one.method)),
        *([("cost", text(cost(one)))] if one.cost else []),
        ("again with", f"<code>{text(one.command)}</code>"),
        ("declaration", f"<code>{text(one.digest[:12])}</code>"),
        *(("note", text(remark)) for remark in one.remarks),
    ]
    rows = "".join(f"<dt>{text(name)}</dt><dd>{value}</dd>" for name, value in facts)
    return details("How it was measured, and what makes it again", f"<dl>{rows}</dl>")


def cost(one: ClaimResult) -> str:
    """What a claim's evidence took, in words."""
    if one.cost is None:
        return ""
    runs = f"{words.counted(one.cost.runs, 'run')}, trials included" if one.cost.runs else ""
    taken = f"{words.duration(one.cost.time_seconds)} minutes of one core"
    return "; ".join(part for part in (one.cost.units, runs, f"{one.cost.steps:,} steps", taken) if part)


def _environment(found: Sequence[ClaimResult]) -> str:
    facts = found[0].environment if found else {}
    rows = "".join(f"<dt>{text(key)}</dt><dd>{text(value)}</dd>" for key, value in facts.items())
    return section("Environment", f"<dl>{rows}</dl>") if rows else ""

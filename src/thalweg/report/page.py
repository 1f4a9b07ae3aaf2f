"""The comparison as one HTML document that loads nothing and reads the same without its one small script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thalweg.lab.table import Comparison, Ranking
from thalweg.report import sections, standing, words
from thalweg.report.charts import Figure, figures
from thalweg.report.data import as_csv, as_json
from thalweg.report.html import accessible, details, download, head, note, section, table, text, valued
from thalweg.report.rows import footnotes, has_answer, is_tuned
from thalweg.report.script import DIGEST, SCRIPT
from thalweg.report.style import to_svg
from thalweg.report.template import DOCUMENT, IN_THE_DARK
from thalweg.report.verdict import verdict
from thalweg.report.watched import watched


def page(comparison: Comparison) -> str:
    """Writes the whole comparison as one HTML document, readable on a phone and in dark mode.

    Args:
        comparison: The comparison; every text in it is escaped, for none is trusted.

    Returns:
        The document.
    """
    content = (
        _caveats(comparison.caveats),
        sections.answer(comparison) if has_answer(comparison) else "",
        *map(note, footnotes(comparison)),
        sections.headline(comparison) if not is_tuned(comparison) else "",
        section("Charts", *(_figure(comparison, figure) for figure in figures(comparison))),
        section("Tuning", sections.tuning(comparison)) if is_tuned(comparison) else "",
        watched(comparison),
        section("Runs", details("Every run", sections.runs(comparison))),
        section("Settings", details("Every setting", sections.settings(comparison))),
        section("Environment", sections.environment(comparison.environment)),
    )
    links = download("answer.csv", "text/csv", as_csv(comparison), "Save the answer as a table (CSV)")
    amount = words.trained(comparison) if is_tuned(comparison) else words.amount(comparison)
    return _document(
        words.title(comparison), comparison.summary, amount, verdict(comparison), content, comparison, links
    )


def ranking_page(ranking: Ranking) -> str:
    """Writes several problems in one order as one HTML document.

    Args:
        ranking: The ranking.

    Returns:
        The document.
    """
    title = f"{words.counted(len(ranking.problems), 'problem')} in one order"
    named = ", ".join(map(words.plain, ranking.problems))
    return _document(title, named, ranking.cost, standing.stability(ranking), (ranking_section(ranking),), ranking, "")


def ranking_section(ranking: Ranking) -> str:
    """The table of scores and the chart of profiles, with the numbers of the chart below."""
    from thalweg.report.profiles import profiles

    rows = (
        [
            text(profile.optimizer),
            valued(profile.score, words.number(profile.score)),
            text(standing.score_interval(profile)),
            text(standing.best_on(profile)),
        ]
        for profile in ranking.profiles
    )
    scores = table("Score", head("optimizer", "score", "95 % interval", "best on"), rows, "numbers sortable") + note(
        standing.note(ranking)
    )
    title = "Share of problems within a factor of the best"
    drawn = accessible(to_svg(profiles(ranking)), title)
    return scores + section(
        "Profiles",
        f'<div class="figures"><figure>{drawn}</figure></div>',
        details("The numbers of this chart", _shares(ranking)),
    )


def _shares(ranking: Ranking) -> str:
    factors = sorted({factor for profile in ranking.profiles for factor in profile.factors})
    rows = []
    for profile in ranking.profiles:
        known = dict(zip(profile.factors, profile.shares, strict=True))
        rows.append([text(profile.optimizer), *(words.percent(known[f]) if f in known else "" for f in factors)])
    caption = "Share of problems on which the cost is within a factor of the best"
    return table(caption, head("optimizer", *(f"{factor:.3g}" for factor in factors)), rows)


def _document(
    title: str, summary: str, amount: str, said: Sequence[str], content: Sequence[str], data: Any, links: str
) -> str:
    return DOCUMENT.substitute(
        title=text(title),
        summary=text(summary),
        amount=text(amount),
        verdict="".join(f"<p>{text(sentence)}</p>" for sentence in said),
        content="\n".join(filter(None, content)),
        data=as_json(data),
        links=links,
        name=text(getattr(data, "problem", "ranking")),
        colours=IN_THE_DARK,
        digest=DIGEST,
        script=SCRIPT,
    )


def _caveats(caveats: Sequence[str]) -> str:
    said = "".join(f"<p>{text(sentence)}</p>" for sentence in caveats)
    return f'<section class="caveats" aria-label="Caveats">{said}</section>' if said else ""


def _figure(comparison: Comparison, figure: Figure) -> str:
    several = len(figure.panels) > 2
    drawn = "".join(
        f"<figure>{accessible(to_svg(panel), _panel_title(figure, k))}</figure>"
        for k, panel in enumerate(figure.panels)
    )
    return (
        f"<h3>{text(figure.title)}</h3>{note(figure.note)}"
        f'<div class="figures{" small" if several else ""}">{drawn}</div>'
        f"{details('The numbers of this chart', _numbers(comparison, figure))}"
    )


def _panel_title(figure: Figure, place: int) -> str:
    return figure.title if len(figure.panels) == 1 else f"{figure.title}, panel {place + 1} of {len(figure.panels)}"


def _numbers(comparison: Comparison, figure: Figure) -> str:
    if figure.name == "curves":
        return sections.epochs(comparison)
    if figure.name == "learning-rates":
        return sections.trials(comparison)
    return sections.ends(comparison, figure.title, differences=figure.name == "differences")

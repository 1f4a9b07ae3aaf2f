"""A report as files: the page and its pictures."""

from __future__ import annotations

from pathlib import Path

from thalweg.lab.table import Comparison, Ranking
from thalweg.report.charts import figures
from thalweg.report.page import page, ranking_page
from thalweg.report.style import save_png


def report_of(comparison: Comparison, out: Path) -> list[Path]:
    """Writes the page, as `compare.html`, and every chart as a picture.

    Args:
        comparison: The comparison.
        out: A folder that exists.

    Returns:
        The files, the pictures first.
    """
    written = []
    for figure in figures(comparison):
        written.append(out / f"{figure.name}.png")
        save_png(figure.whole, written[-1])
    document = out / "compare.html"
    document.write_text(page(comparison), encoding="utf-8")
    return [*written, document]


def ranking_of(ranking: Ranking, out: Path) -> list[Path]:
    """Writes the page of a ranking, as `ranking.html`, and its profiles as a picture.

    Args:
        ranking: The ranking.
        out: A folder that exists.

    Returns:
        The files, the picture first.
    """
    from thalweg.report.profiles import profiles

    picture, document = out / "profiles.png", out / "ranking.html"
    save_png(profiles(ranking), picture)
    document.write_text(ranking_page(ranking), encoding="utf-8")
    return [picture, document]

"""A comparison that shows itself: in a notebook as tables and charts, in a terminal as its table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thalweg.lab.table import Comparison
from thalweg.report import sections, words
from thalweg.report.charts import figures
from thalweg.report.data import records
from thalweg.report.html import accessible, details, note, text
from thalweg.report.rows import footnotes, has_answer, is_tuned
from thalweg.report.style import to_svg
from thalweg.report.terminal import render
from thalweg.report.verdict import verdict
from thalweg.report.written import report_of

if TYPE_CHECKING:
    import altair

# Dark ink on a white card whatever the notebook's theme, which a page inside of it cannot know.
_STYLE = """
.thalweg { font: 14px/1.45 system-ui, sans-serif; color: #1b1f24; background: #ffffff; padding: .75rem;
  max-width: 64rem; border: 1px solid #dfe3e8; border-radius: .5rem; color-scheme: light; overflow-wrap: anywhere; }
.thalweg h3 { font-size: 1.1rem; margin: 0 0 .25rem; color: inherit; }
.thalweg p { margin: .35rem 0; }
.thalweg .note, .thalweg small, .thalweg caption, .thalweg thead th { color: #5c6570; }
.thalweg .trouble, .thalweg .caveat { color: #b3261e; }
.thalweg .scroll { overflow-x: auto; margin: .5rem 0; }
.thalweg table { border-collapse: collapse; font-variant-numeric: tabular-nums; color: inherit; background: none; }
.thalweg caption { text-align: left; padding: .25rem .5rem; }
.thalweg tr { background: none; }
.thalweg th, .thalweg td { padding: .3rem .6rem; border-top: 1px solid #dfe3e8; text-align: right; vertical-align: top;
  white-space: nowrap; background: none; }
.thalweg tbody th { min-width: 9rem; }
.thalweg tbody th, .thalweg thead th:first-child, .thalweg .words td { text-align: left; white-space: normal; }
.thalweg small { display: block; font-weight: 400; }
.thalweg .figures { display: flex; flex-wrap: wrap; gap: .75rem; }
.thalweg figure { flex: 1 1 16rem; max-width: 30rem; min-width: 0; margin: 0; }
.thalweg svg { display: block; width: 100%; height: auto; }
.thalweg summary { cursor: pointer; }
"""


@dataclass(frozen=True)
class Shown:
    """What `thalweg.compare` returns: a comparison that a notebook shows and `print` writes.

    Attributes:
        comparison: The comparison itself.
        failures: Sentences about runs that failed.
    """

    comparison: Comparison
    failures: tuple[str, ...] = ()

    @property
    def table(self) -> list[dict[str, Any]]:
        """The answer as plain values, one dictionary per row, the best first: ready for a data frame."""
        return records(self.comparison)

    @property
    def charts(self) -> dict[str, altair.ConcatChart]:
        """Every chart by name, for instance `"curves"` and `"finals"`."""
        return {figure.name: figure.whole for figure in figures(self.comparison)}

    def save(self, folder: str | Path = "thalweg-out") -> list[Path]:
        """Writes the page and the pictures into a folder, which is made where it is missing.

        Args:
            folder: The folder.

        Returns:
            The files.
        """
        Path(folder).mkdir(parents=True, exist_ok=True)
        return report_of(self.comparison, Path(folder))

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=80, force_terminal=False, color_system=None, force_jupyter=False)
        with console.capture() as capture:
            console.print(render(self.comparison, 80))
        lines = [line.rstrip() for line in capture.get().splitlines()]
        return "\n".join([*lines, *map(words.plain, self.failures)])

    def __repr__(self) -> str:
        rows = words.counted(len(self.comparison.rows), "row")
        return f"<Shown: {words.plain(self.comparison.problem)}, {rows}; print it, or .save() it as a page>"

    def _repr_html_(self) -> str:
        """What a notebook shows: nothing is loaded and nothing runs, and the style stays inside."""
        comparison = self.comparison
        said = "".join(f"<p>{text(sentence)}</p>" for sentence in verdict(comparison))
        warned = (*comparison.caveats, *self.failures)
        caveats = "".join(f'<p class="caveat">{text(sentence)}</p>' for sentence in warned)
        drawn = "".join(
            details(
                figure.title,
                note(figure.note),
                '<div class="figures">',
                *(f"<figure>{accessible(to_svg(panel), figure.title)}</figure>" for panel in figure.panels),
                "</div>",
            ).replace("<details>", "<details open>" if place == 0 else "<details>", 1)
            for place, figure in enumerate(figures(comparison))
        )
        parts = [
            f"<h3>{text(words.title(comparison))}</h3>{note(words.trained(comparison))}{said}{caveats}",
            sections.answer(comparison) if has_answer(comparison) else sections.headline(comparison),
            *map(note, footnotes(comparison)),
            drawn,
            details("Tuning", sections.tuning(comparison)) if is_tuned(comparison) else "",
        ]
        return f'<style>{_STYLE}</style><div class="thalweg">{"".join(parts)}</div>'

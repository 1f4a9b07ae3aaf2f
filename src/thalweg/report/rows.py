"""A comparison's rows as every report shows them: told apart by name, kept with their optimizer, in order of result."""

from __future__ import annotations

from dataclasses import dataclass

from thalweg.colours import colour_of, turns_of
from thalweg.lab.table import Comparison, Row
from thalweg.report import words

LONGEST = 30  # letters of a label in a chart


@dataclass(frozen=True)
class Shown:
    """A row and its place among the others.

    Attributes:
        row: The row.
        name: Told apart from every other row's, for instance "Adam, tuned".
        optimizer: What a default row and its tuned row share, told apart from every other optimizer's.
        place: The optimizer's number, from 0.
        turn: How many optimizers before it have its colour, which decides its dash.
        short_name: The name for a chart, which has little room.
        short_optimizer: The optimizer for a chart.
    """

    row: Row
    name: str
    optimizer: str
    place: int
    turn: int
    short_name: str
    short_optimizer: str

    @property
    def colour(self) -> str:
        """The colour of its rule, the same in every chart."""
        return colour_of(self.row.rule).light

    @property
    def tuned(self) -> bool:
        """Whether its settings were searched for."""
        return self.row.kind == "tuned"


def shown(comparison: Comparison) -> tuple[Shown, ...]:
    """Every row in the table's order; a tuned row belongs to the default row before it."""
    rows = comparison.rows
    first = [k for k, row in enumerate(rows) if k == 0 or row.kind != "tuned" or rows[k - 1].kind == "tuned"]
    places = [sum(k >= start for start in first) - 1 for k in range(len(rows))]
    labels = [words.plain(rows[k].optimizer) for k in first]
    turns = turns_of([rows[k].rule for k in first])
    full, short = words.told_apart(labels), words.told_apart([_shortened(label) for label in labels])
    endings = [", tuned" if row.kind == "tuned" else "" for row in rows]
    names = words.unique_labels(rows)
    short_names = words.told_apart([short[place] + ending for place, ending in zip(places, endings, strict=True)])
    return tuple(
        Shown(row, names[k], full[place], place, turns[place], short_names[k], short[place])
        for k, (row, place) in enumerate(zip(rows, places, strict=True))
    )


def _shortened(label: str) -> str:
    """A label without its middle: its beginning names the rule, its end is where settings differ."""
    half = LONGEST // 2
    return label if len(label) <= LONGEST else f"{label[:half]}…{label[-half + 1 :]}"


def by_result(comparison: Comparison) -> tuple[Shown, ...]:
    """The ranked rows, the best first; then those that cannot be ranked; then those without a result."""

    def key(one: Shown) -> tuple[bool, bool, float]:
        mean = one.row.final.mean
        return mean is None, not ranked(comparison, one), (-mean if comparison.maximize else mean) if mean else 0.0

    return tuple(sorted(shown(comparison), key=key))


def ranked(comparison: Comparison, one: Shown) -> bool:
    """Whether a row has a place in the order: a result from each of its seeds, and as many seeds as any other."""
    return one.row.final.mean is not None and not words.trouble(one.row) and not missing(comparison, one.row)


def missing(comparison: Comparison, row: Row) -> str:
    """How many seeds a row has where others have more, for the table of a study that is under way."""
    most = max(len(other.seeds) for other in comparison.rows)
    return f"{len(row.seeds)} of {most} seeds so far" if len(row.seeds) < most else ""


def warning(comparison: Comparison, row: Row) -> str:
    """Why a row must be read with care; nothing where there is no reason."""
    return ", ".join(part for part in (words.trouble(row), missing(comparison, row)) if part)


def footnotes(comparison: Comparison) -> list[str]:
    """What rows want to be known of themselves, each with the row's name."""
    return [f"{one.name}: {words.plain(note)}" for one in shown(comparison) for note in one.row.notes]


def is_tuned(comparison: Comparison) -> bool:
    """Whether any row was tuned."""
    return any(row.kind == "tuned" for row in comparison.rows)


def has_answer(comparison: Comparison) -> bool:
    """Whether any row has a final metric."""
    return any(row.final.mean is not None for row in comparison.rows)


def metric_is_loss(comparison: Comparison) -> bool:
    """Whether the metric only repeats the loss, so that one of them is enough."""
    epochs = [summary for row in comparison.rows for summary in row.epochs]
    known = any(summary.loss_mean is not None for summary in epochs)
    return known and all(summary.metric_mean == summary.loss_mean for summary in epochs)

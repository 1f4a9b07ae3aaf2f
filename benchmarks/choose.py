"""Writes what docs/choose.md shows: docs/data/choose.json, the page's tables, and docs/images/choose.png.

    python benchmarks/choose.py [ANSWER.json | PROBLEM=ANSWER.json ...]

An answer is what `thalweg compare --json` printed: of several problems, or of the one that is named. Answers are
summarised into the data; tables and picture are then made from the data. Without an answer the data stays as it is. The
commands that were run stand on the page.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
DATA, PAGE, PICTURE = DOCS / "data" / "choose.json", DOCS / "choose.md", DOCS / "images" / "choose.png"
KINDS = {"tuned": "Tuned", "default": "Default"}
COLUMNS = 4  # of the picture


def main(arguments: Iterable[str]) -> None:
    """Data from the answers, if there are any; tables and picture from the data."""
    answers = [problems(argument) for argument in arguments]
    if answers:
        data = summary(answers)
        DATA.parent.mkdir(exist_ok=True)
        DATA.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    data = json.loads(DATA.read_text(encoding="utf-8"))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), tables(data)), encoding="utf-8")
    picture(data).savefig(PICTURE, dpi=130, facecolor="white", metadata={"Software": None})


# --- from answers to data ---


def problems(argument: str) -> dict[str, Any]:
    """An answer with the shape of one about several problems."""
    name, named, path = argument.rpartition("=")
    document = json.loads(Path(path).read_text(encoding="utf-8"))
    return {"problems": {name: document}, "ranking": None} if named else document


def summary(answers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the page needs of them."""
    from thalweg.lab.files import find_problem

    data: dict[str, Any] = {"problems": {}, "ranking": None}
    for answer in answers:
        data["ranking"] = _profiles(answer["ranking"]) or data["ranking"]
        for name, rows in answer["problems"].items():
            problem = find_problem(name)
            data["problems"][name] = {
                "metric": problem.metric_name,
                "maximize": problem.maximize,
                "epochs": len(rows[0]["epochs"]),
                "seeds": len(rows[0]["seeds"]),
                "rows": [_row(row) for row in rows],
            }
    return data


def _profiles(ranking: Mapping[str, Any] | None) -> list[dict[str, Any]] | None:
    named = ("optimizer", "score", "low", "high")
    return ranking and [{name: _short(profile[name]) for name in named} for profile in ranking["profiles"]]


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    gap, final = row["difference"], row["final"]
    return {
        "optimizer": row["optimizer"],
        "kind": row["kind"],
        "lr": row["settings"]["lr"],
        "mean": _short(final["mean"]) if set(row["status"]) == {"finished"} else None,
        "interval": [_short(final["low"]), _short(final["high"])],
        "difference": gap and [_short(gap["low"]), _short(gap["high"])],
        "reached": row["reached"] and row["reached"]["seeds"],
    }


def _short(value: Any) -> Any:
    """Six digits are enough to read; texts, and what is missing, stay as they are."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


# --- from data to tables ---


def tables(data: Mapping[str, Any]) -> dict[str, str]:
    """Each table of the page by the name of its place."""
    names = list(dict.fromkeys(row["optimizer"] for row in rows_of(data)))
    return {
        **{kind: _finals(data, kind, names) for kind in KINDS},
        "counts": _counts(data, names),
        "rates": _rates(data, names),
        "ranking": _ranking(data["ranking"] or ()),
    }


def rows_of(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every row of every problem."""
    for problem in data["problems"].values():
        yield from problem["rows"]


def _finals(data: Mapping[str, Any], kind: str, names: list[str]) -> str:
    lines = [_line(["", *names]), _line(["---", *["---:"] * len(names)])]
    for name, problem in data["problems"].items():
        found = {row["optimizer"]: row for row in problem["rows"] if row["kind"] == kind}
        metric = f"{problem['metric']} {'↑' if problem['maximize'] else '↓'}"
        lines.append(_line([f"**{name}**<br>{metric}", *(_final(found[each]) for each in names)]))
    return "\n".join(lines)


def _final(row: Mapping[str, Any]) -> str:
    if row["mean"] is None:
        return "diverged"
    low, high = row["interval"]
    mean, half = number(row["mean"]), (high - low) / 2
    digits = len(mean.partition(".")[2])
    return f"{f'**{mean}**' if best(row) else mean}<br>± {half:.{digits}f}"


def best(row: Mapping[str, Any]) -> bool:
    """Whether a row is the best of its problem, or its seeds cannot tell it from the best."""
    return row["mean"] is not None and (row["difference"] is None or row["difference"][0] <= 0 <= row["difference"][1])


def _counts(data: Mapping[str, Any], names: list[str]) -> str:
    from thalweg.rules import RULES

    lines = [_line(["", *names]), _line(["---", *["---:"] * len(names)])]
    for kind, title in KINDS.items():
        lines.append(_line([title, *(f"{among_the_best(data, name, kind)}" for name in names)]))
    reached = (f"{reached_by_default(data, name)}" for name in names)
    lines.append(_line(["Default, target reached", *reached]))
    lines.append(_line(["State per weight", *(str(len(RULES[name].state)) for name in names)]))
    return "\n".join(lines)


def among_the_best(data: Mapping[str, Any], optimizer: str, kind: str) -> int:
    """On how many problems a row is the best, or cannot be told from it."""
    return sum(best(row) for row in rows_of(data) if (row["optimizer"], row["kind"]) == (optimizer, kind))


def reached_by_default(data: Mapping[str, Any], optimizer: str) -> int:
    """On how many problems every seed of an optimizer's default row reached the problem's target."""
    return sum(
        row["reached"] == problem["seeds"]
        for problem in data["problems"].values()
        for row in problem["rows"]
        if (row["optimizer"], row["kind"]) == (optimizer, "default")
    )


def rate_spans(data: Mapping[str, Any], names: Iterable[str]) -> list[float]:
    """For each optimizer its highest tuned learning rate over its lowest."""
    tuned = [row for row in rows_of(data) if row["kind"] == "tuned"]
    rates = [[row["lr"] for row in tuned if row["optimizer"] == name] for name in names]
    return [max(found) / min(found) for found in rates]


def _rates(data: Mapping[str, Any], names: list[str]) -> str:
    lines = [_line(["", *names]), _line(["---", *["---:"] * len(names)])]
    for name, problem in data["problems"].items():
        found = {row["optimizer"]: row["lr"] for row in problem["rows"] if row["kind"] == "tuned"}
        lines.append(_line([f"**{name}**", *(f"{found[each]:.2g}" for each in names)]))
    default = {row["optimizer"]: row["lr"] for row in rows_of(data) if row["kind"] == "default"}
    lines.append(_line(["default", *(f"{default[each]:.2g}" for each in names)]))
    lines.append(_line(["highest / lowest", *(f"{span:,.0f}" for span in rate_spans(data, names))]))
    return "\n".join(lines)


def _ranking(profiles: Iterable[Mapping[str, Any]]) -> str:
    lines = ["| optimizer | score | 95 % interval |", "|---|---:|---:|"]
    for profile in profiles:
        ends = f"{profile['low']:.2f} to {profile['high']:.2f}" if profile["low"] is not None else ""
        lines.append(_line([profile["optimizer"], f"{profile['score']:.2f}", ends]))
    return "\n".join(lines)


def number(value: float) -> str:
    """Four digits, without a power of ten where it can be done.

    Example:
        >>> number(0.95), number(87.2233), number(12345.6), number(-0.00012345)
        ('0.9500', '87.22', '12346', '-0.0001234')
    """
    digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 1
    return f"{value:.{min(digits, 7)}f}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def filled(page: str, parts: Mapping[str, str]) -> str:
    """The page with each part between its two comments, `<!-- measured: NAME -->` and `<!-- end -->`."""
    for name, part in parts.items():
        before, opening, rest = page.partition(f"<!-- measured: {name} -->\n")
        _, closing, after = rest.partition("<!-- end -->")
        if not closing:
            raise ValueError(f"expected the comments around '{name}' in {PAGE.name}, found none: put them back")
        page = f"{before}{opening}\n{part}\n\n{closing}{after}"
    return page


# --- from data to the picture ---


def picture(data: Mapping[str, Any]) -> Any:
    """A panel per problem: where every optimizer ended, at its default and tuned, with intervals."""
    from matplotlib.figure import Figure

    rows = -(-len(data["problems"]) // COLUMNS)
    figure = Figure(figsize=(12, 2.75 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, sharey=True).ravel()
    for panel, (name, problem) in zip(panels, data["problems"].items(), strict=False):
        _panel(panel, name, problem)
    for panel in panels[len(data["problems"]) :]:
        panel.set_axis_off()
    figure.supxlabel(
        "where each optimizer ended: mean and 95 % interval over seeds; hollow: default learning rate, filled: tuned",
        fontsize=11,
    )
    return figure


def _panel(panel: Any, name: str, problem: Mapping[str, Any]) -> None:
    from thalweg.colours import colour_of

    names = list(dict.fromkeys(row["optimizer"] for row in problem["rows"]))[::-1]
    for row in problem["rows"]:
        if row["mean"] is None:
            continue
        colour, tuned = colour_of(row["optimizer"]).light, row["kind"] == "tuned"
        place = names.index(row["optimizer"]) + (0.17 if tuned else -0.17)
        panel.plot(row["interval"], [place, place], color=colour, lw=1.6, solid_capstyle="butt")
        panel.plot(row["mean"], place, "o", color=colour, mfc=colour if tuned else "white", ms=5.5, mew=1.4)
    panel.set_yticks(range(len(names)), names)
    direction = "more" if problem["maximize"] else "less"
    panel.set_title(name, fontsize=10, loc="left", fontweight="bold")
    panel.set_xlabel(f"{problem['metric']}, {direction} is better", fontsize=9)
    panel.tick_params(labelsize=8.5)
    if not problem["maximize"] and _spread(problem) > 8:
        panel.set_xscale("log")
    panel.grid(axis="x", color="0.9")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _spread(problem: Mapping[str, Any]) -> float:
    means = [row["mean"] for row in problem["rows"] if row["mean"] is not None]
    return max(means) / min(means)


if __name__ == "__main__":
    main(sys.argv[1:])

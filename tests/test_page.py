"""The page and the notebook's view of made-up comparisons: whole, safe, and with every number inside."""

import base64
import csv
import functools
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from comparisons import CASES, HOSTILE, comparison, ranking, study
from thalweg.report.data import as_csv, records
from thalweg.report.display import Shown
from thalweg.report.page import page, ranking_page
from thalweg.report.pairing import pairing
from thalweg.report.verdict import verdict
from thalweg.report.words import plain
from thalweg.report.written import ranking_of, report_of


class Reader(HTMLParser):
    """Collects what a browser would see: elements, attributes, text, and the text of the scripts apart."""

    VOID = frozenset({"meta", "br", "img", "link", "input", "hr"})

    def __init__(self, document: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif "style" not in self.open:
            self.text += data


# To draw a page takes a second: those that differ from another one only in the terminal are left out.
DRAWN = [case for case in CASES if case not in ("six", "one epoch", "empty label", "other metric", "tuned, no target")]


@functools.cache
def page_of(case: str) -> str:
    return page(CASES[case])


def without_downloads(document: str) -> str:
    """The page without the files that it carries in links."""
    return re.sub(r'href="data:text/csv;base64,[A-Za-z0-9+/=]*"', "", document)


@pytest.mark.parametrize("case", DRAWN)
def test_the_page_is_closed_and_safe(case: str):
    document = page_of(case)
    reader = Reader(document)
    assert reader.open == []
    tags = [tag for tag, _ in reader.elements]
    assert tags.count("script") == 2 and tags.count("svg") >= 2 and tags.count("h1") == 1
    assert not {"img", "link", "iframe", "object", "embed", "base", "form"} & set(tags)
    for _, attributes in Reader(without_downloads(document)).elements:
        assert not any(name.startswith("on") or name in ("src", "href", "xlink:href") for name in attributes)
    assert not re.search(r"https?://", re.sub(r'xmlns(:\w+)?="[^"]*"', "", document))
    assert "@import" not in document and "url(" not in document
    ids = re.findall(r'\sid="([^"]*)"', document)
    assert len(ids) == len(set(ids))
    for drawing in re.findall(r"<svg.*?</svg>", document, flags=re.DOTALL):
        assert "NaN" not in "".join(ElementTree.fromstring(drawing).itertext()) and not re.search(
            "NaN|Infinity|e[+]308", drawing
        )


def test_the_policy_allows_the_one_script_and_nothing_else():
    document = page_of("tuned")
    policy = re.search(r'Content-Security-Policy"\s+content="([^"]*)"', document).group(1)
    script = Reader(document).scripts[-1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.split("; ")[:3] == [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        f"script-src 'sha256-{digest}'",
    ]


@pytest.mark.parametrize("case", DRAWN)
def test_the_page_carries_the_raw_data(case: str):
    shown = CASES[case]

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    data = json.loads(Reader(page_of(case)).scripts[0], parse_constant=refuse)
    assert data["problem"] == shown.problem and data["environment"] == dict(shown.environment)
    assert [row["optimizer"] for row in data["rows"]] == [row.optimizer for row in shown.rows]
    assert len(data["runs"]) == len(shown.runs)
    for written, row in zip(data["rows"], shown.rows, strict=True):
        assert [epoch["loss_mean"] for epoch in written["epochs"]] == [epoch.loss_mean for epoch in row.epochs]
        assert len((written["tuning"] or {}).get("trials", ())) == len(row.tuning.trials if row.tuning else ())


@pytest.mark.parametrize("case", ["hostile", "tuned, hostile"])
def test_hostile_text_appears_only_escaped(case: str):
    shown = CASES[case]
    for document in (page_of(case), Shown(shown, (HOSTILE,))._repr_html_()):
        assert "<img" not in document and "<!--" not in document
        assert document.count("</script>") == document.count("<script")
        assert "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;" in document
        assert "\x1b" not in document


def test_a_hostile_ranking_is_escaped_too():
    bad = tuple(replace(profile, optimizer=HOSTILE) for profile in ranking().profiles)
    shown = replace(
        ranking(), profiles=bad, problems=(HOSTILE,), cost=HOSTILE, changes={("problem", HOSTILE): (HOSTILE,)}
    )
    document = ranking_page(shown)
    assert "<img" not in document and document.count("</script>") == 2 and Reader(document).open == []
    assert json.loads(Reader(document).scripts[0])["changes"] == {f"problem {HOSTILE}": [HOSTILE]}


def test_the_page_shows_settings_runs_and_troubles():
    document = page_of("diverged")
    assert "eps=1e-07" in document and "lr=0.001" in document
    assert "1 of 3 diverged" in document and "the loss was not finite" in document
    assert document.count("ab12ab12ab12</code>") == 18 and "0f9e8d7c0f9e</code>" in document
    assert "two cores" in document and all(
        plain(sentence) in Reader(document).text for sentence in verdict(CASES["diverged"])
    )
    assert 'role="img"' in document
    assert "prefers-color-scheme: dark" in document and "width=device-width" in document


def test_every_chart_has_its_table():
    tags = [tag for tag, _ in Reader(page_of("tuned")).elements]
    assert tags.count("h3") == 4 and tags.count("details") == 4 + 2  # and every run, and every setting
    assert tags.count("svg") == 2 + 2 + 6 + 2


def test_the_page_of_a_tuned_study_tells_its_answer_and_its_budget():
    text = " ".join(Reader(page_of("tuned")).text.split())
    assert "RMSprop tuned, lr 0.0012" in text and "0.9653 to 0.9693" in text
    assert "What tuning cost" in text and "at first 0.000949 to 9.48" in text and "at the edge" in text
    assert "Tuning chose among the samples" in text and "the state of the first optimizer was dropped" in text
    assert text.count("diverged") > 12 and "1.2 MB" in text


def test_runs_with_few_keys_are_shown():
    assert "bare" in page(replace(comparison(), runs=({"optimizer": "bare"},)))


# --- whether the runs are paired ---


def test_paired_runs_say_so():
    assert pairing(study().runs).startswith("Paired: ") and pairing(study().runs).endswith(
        "every epoch has another order."
    )


def test_one_other_order_is_found():
    runs = [dict(run) for run in comparison().runs]
    runs[4]["epochs"] = [*runs[4]["epochs"][:-1], {**runs[4]["epochs"][-1], "order_digest": "other"}]
    assert pairing(runs).startswith("Not paired: orders of the data differ within seed 1.")


def test_other_initial_weights_are_found():
    runs = [{**run, "weights_digest": run["weights_digest"] + run["optimizer"]} for run in comparison().runs]
    assert pairing(runs).startswith("Not paired: initial weights differ within seed 0, 1, 2.")


def test_repeated_orders_are_named_and_missing_digests_too():
    same = [{**run, "epochs": [{**e, "order_digest": str(run["seed"])} for e in run["epochs"]]} for run in study().runs]
    assert "that order is the same in all epochs" in pairing(same)
    assert "nothing is known" in pairing([{"seed": 0}]) and pairing([]) == ""


# --- files and notebooks ---


def test_a_report_is_a_page_and_its_pictures(tmp_path: Path):
    written = report_of(study(), tmp_path)
    names = ["finals.png", "differences.png", "learning-rates.png", "curves.png", "compare.html"]
    assert [path.name for path in written] == names
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written[:-1])
    assert "</html>" in written[-1].read_text(encoding="utf-8")
    assert [path.name for path in ranking_of(ranking(), tmp_path)] == ["profiles.png", "ranking.html"]


@pytest.mark.parametrize("case", ["six", "tuned", "no rows", "all diverged", "tuned, one seed", "tuned, hostile"])
def test_a_notebook_shows_it_without_script_or_network(case: str):
    document = Shown(CASES[case])._repr_html_()
    reader = Reader(document)
    assert reader.open == []
    assert not {"script", "img", "link", "iframe"} & {tag for tag, _ in reader.elements}
    assert not re.search(r"https?://", re.sub(r'xmlns(:\w+)?="[^"]*"', "", document))
    style = document[len("<style>") : document.index("</style>")]
    assert all(".thalweg" in rule for rule in re.findall(r"([^{}]+)\{", style))  # nothing else in the notebook changes


@pytest.mark.slow
def test_what_compare_returns_can_be_printed_and_read(tmp_path: Path):
    shown = Shown(study(), ("SGD, seed 0 failed: no memory",))
    assert "Which is best" in str(shown) and str(shown).endswith("SGD, seed 0 failed: no memory")
    assert max(map(len, str(shown).splitlines())) <= 80 and "12 rows" in repr(shown)
    assert shown.table[0]["optimizer"] == "RMSprop" and shown.table[0]["kind"] == "tuned"
    assert list(shown.charts) == ["finals", "differences", "learning-rates", "curves"]
    assert shown.save(tmp_path / "new" / "folder")[-1].name == "compare.html"


def test_the_answer_as_csv_has_every_row_and_no_formula():
    rows = list(csv.DictReader(io.StringIO(as_csv(study()))))
    assert [float(row["accuracy"]) for row in rows] == [row["accuracy"] for row in records(study())]
    assert rows[0]["difference"] == "" and float(rows[1]["difference"]) < 0
    formula = replace(comparison(), rows=(replace(comparison().rows[0], optimizer="=1+1"),))
    assert next(csv.DictReader(io.StringIO(as_csv(formula))))["optimizer"] == "'=1+1"

"""The claims: every one declared well, verdicts from outcomes by the rules, evidence kept and taken up again."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from thalweg.claims import gather as gathering_module
from thalweg.claims.catalogue import catalogue, chosen
from thalweg.claims.claim import Claim, Part, digest_of
from thalweg.claims.contrast import amount, difference, factor, outcome
from thalweg.claims.evidence import Computed, Evidence, Trained, shared
from thalweg.claims.gather import PILOT, gather, gathering
from thalweg.claims.result import outdated, result, save, saved
from thalweg.claims.table import ClaimResult, Line, Panel, Picture
from thalweg.claims.verdict import Decision, together
from thalweg.cli import app
from thalweg.errors import InputError
from thalweg.lab import store
from thalweg.lab.document import from_plain, to_plain
from thalweg.lab.grammar import parse_optimizers
from thalweg.lab.table import Estimate
from thalweg.report.claims import Unmeasured, page
from thalweg.report.claims_document import document, from_document

CLAIMS = catalogue()


def test_the_catalogue_has_every_claim_once() -> None:
    assert [claim.number for claim in CLAIMS] == list(range(1, 25))


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"{claim.number}")
def test_every_claim_is_declared_well(claim: Claim) -> None:
    assert len(claim.short) <= 46 and claim.text.endswith((".", ")", "?", "”"))
    assert bool(claim.parts) == bool(claim.evidence) != bool(claim.needs)
    assert len({one.name for one in claim.evidence}) == len(claim.evidence)
    for one in claim.evidence:
        assert one.seconds > 0
        if isinstance(one, Trained):
            assert one.seeds >= 3
            assert [len(parse_optimizers(text)) for text in one.optimizers] == [1] * len(one.optimizers)


def test_all_claims_together_fit_into_their_budget() -> None:
    _, seconds = shared(one for claim in CLAIMS for one in claim.evidence)
    assert seconds < 2 * 90 * 60, "more than 90 minutes on two cores"


def test_outcomes_are_what_intervals_say() -> None:
    def of(low: float, high: float, threshold: float = 0.0, none: float = 0.1) -> str:
        return outcome(Estimate((low + high) / 2, low, high, 5, "t"), threshold, none)

    assert [of(0.2, 0.4), of(-0.4, -0.2), of(-0.05, 0.08), of(-0.3, 0.2)] == ["supports", "opposes", "none", "unclear"]
    assert of(1.2, 1.4, threshold=2.0) == "opposes"
    assert outcome(Estimate(0.3, None, None, 1), 0.0, 0.0) == "unclear", "one seed says nothing"


def test_contrasts_are_turned_as_claimed() -> None:
    low, high = {0: 1.0, 1: 1.1, 2: 0.9}, {0: 4.0, 1: 4.4, 2: 3.6}
    fewer = factor("a", ("claimed", low), ("other", high), measure="steps", more_is_better=False)
    more = factor("a", ("claimed", high), ("other", low), measure="steps", more_is_better=True)
    for one in (fewer, more):
        assert one.outcome == "supports" and math.isclose(one.estimate.mean or 0, 4.0)
    assert fewer.means[0] is not None and fewer.means[0] < 1.1 < (fewer.means[1] or 0)
    less = difference("a", ("claimed", high), ("other", low), measure="loss", more_is_better=False, none=0.0)
    assert less.outcome == "opposes" and (less.estimate.mean or 0) < 0
    below = amount("a", "x", low, measure="m", threshold=2.0, more_is_claimed=False)
    assert below.outcome == "supports" and below.estimate.low is not None and below.estimate.low < 1.0
    with pytest.raises(InputError, match="above 0"):
        factor("a", ("claimed", {0: 0.0}), ("other", {0: 1.0}), measure="loss", more_is_better=True)


@pytest.mark.parametrize(
    ("outcomes", "spare", "verdict"),
    [
        ("sss", 0, "holds"),
        ("ssn", 0, "undecided"),
        ("ssn", 1, "holds"),
        ("suu", 1, "undecided"),
        ("oon", 0, "does not hold"),
        ("nnn", 0, "does not hold"),
        ("onu", 0, "undecided"),
        ("onu", 1, "does not hold"),
        ("uuu", 3, "undecided"),
        ("sou", 0, "depends"),
        ("snn", 1, "undecided"),
    ],
)
def test_verdicts_count_outcomes(outcomes: str, spare: int, verdict: str) -> None:
    named = {"s": "supports", "o": "opposes", "n": "none", "u": "unclear"}
    given = [named[letter] for letter in outcomes]
    assert Decision(spare).verdict(given, "the problem") == verdict
    if verdict == "depends":
        assert Decision(spare).verdict(given, "") == "undecided", "what it depends on must be named"


def test_several_sentences_make_one_verdict() -> None:
    assert together(["holds", "holds"]) == "holds" and together(["depends", "depends"]) == "depends"
    assert together(["holds", "depends"]) == "holds in part" and together(["does not hold", "undecided"]) == "undecided"


# --- a small claim of one's own ---

COMPUTED: list[int] = []


def _height(unit: int) -> Mapping[str, Any]:
    COMPUTED.append(unit)
    return {"a": {"low": 1.0 + unit % 3}, "b": {"low": 2.5 + unit % 3}, "steps": 10}


def _contrasts(evidence: Evidence) -> list[Any]:
    a, b = (evidence.values("heights", name, "low") for name in "ab")
    return [
        difference("<b>here</b>", ("a", a), ("b", b), measure="height", more_is_better=False, none=0.1, unit="start")
    ]


def _picture(evidence: Evidence) -> Picture:
    line = Line("<i>a</i>", (1.0, 10.0), (0.5, None), (0.4, None), (0.6, None), rule="adam")
    return Picture("<script>", (Panel("<u>", "x", "y", (line, replace(line, points=True, dashed=True)), True, True),))


def _claim(tmp_path: Path, text: str = "a is <lower> than b.") -> Claim:
    file = tmp_path / "a_is_lower.py"
    file.write_text(text)
    part = Part("a is lower.", _contrasts, Decision(), "the setting")
    computed = Computed("heights", _height, units=6, seconds=0.1, unit="start")
    return Claim(99, str(file), "a is lower", text, "nowhere", "by looking", (part,), (computed,), _picture)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    COMPUTED.clear()
    store.prepare(tmp_path / "store.db")
    return tmp_path / "store.db"


def _found(claim: Claim, place: Path, pilot: bool = False) -> ClaimResult:
    with gathering(place, 1, pilot) as state:
        return result(claim, *gather(state, claim))


def test_a_claim_goes_from_its_evidence_to_its_verdict(tmp_path: Path, place: Path) -> None:
    found = _found(_claim(tmp_path), place)
    assert (found.verdict, found.parts[0].contrasts[0].estimate.mean) == ("holds", 1.5)
    assert found.cost is not None and (found.cost.steps, found.cost.units, found.cost.runs) == (60, "6 starts", 0)


def test_what_was_computed_is_not_computed_again(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = _claim(tmp_path)
    kept = store.keep

    def interrupted(path: Path, key: str, given: Any) -> None:
        kept(path, key, given)
        if len(COMPUTED) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(store, "keep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _found(claim, place)
    monkeypatch.undo()
    whole = _found(claim, place)
    assert COMPUTED == [0, 1, 2, 3, 4, 5]
    again = _found(claim, place)
    assert COMPUTED == [0, 1, 2, 3, 4, 5] and again == whole


def test_units_that_are_computed_together_are_kept_one_by_one(tmp_path: Path, place: Path) -> None:
    asked: list[list[int]] = []

    def many(units: Sequence[int]) -> Mapping[int, Any]:
        asked.append([*units])
        return {unit: _height(unit) for unit in units}

    claim = _claim(tmp_path)
    alone = _found(claim, place)
    both = replace(claim, number=98, evidence=(Computed("heights", many, units=4, unit="start", together=True),))
    _found(both, place)
    more = replace(claim, number=98, evidence=(Computed("heights", many, units=6, unit="start", together=True),))
    assert _found(more, place).parts == alone.parts and asked == [[0, 1, 2, 3], [4, 5]]


def test_a_pilot_has_seeds_of_its_own(tmp_path: Path, place: Path) -> None:
    _found(_claim(tmp_path), place, pilot=True)
    assert [PILOT + k for k in range(6)] == COMPUTED


def test_a_result_of_another_declaration_is_not_shown_as_current(tmp_path: Path, place: Path) -> None:
    claim = _claim(tmp_path)
    save(place, _found(claim, place))
    assert saved(place, claim) == _found(claim, place) and not outdated(place, claim)
    edited = _claim(tmp_path, "a is lower than b, with another rule.")
    assert digest_of(edited) != saved(place, edited) and saved(place, edited) is None and outdated(place, edited)
    COMPUTED.clear()
    _found(edited, place)
    assert COMPUTED == [0, 1, 2, 3, 4, 5], "evidence of another declaration is none"


def test_a_result_survives_its_document(tmp_path: Path, place: Path) -> None:
    found = _found(_claim(tmp_path), place)
    assert from_plain(ClaimResult, json.loads(json.dumps(to_plain(found)))) == found
    plain = from_document(json.loads(json.dumps(document([found]))))
    assert from_plain(ClaimResult, plain[0]) == replace(found, environment={})


def test_what_a_clock_tells_has_its_own_key(tmp_path: Path, place: Path) -> None:
    claim = _claim(tmp_path)
    timed = replace(claim, parts=(replace(claim.parts[0], clock=True),))
    told = document([_found(timed, place)])["claims"][0]
    assert "contrasts" not in told["parts"][0] and told["parts"][0]["time_contrasts"]
    assert "picture" not in told and told["time_picture"]


def test_the_page_escapes_everything_and_loads_nothing(tmp_path: Path, place: Path) -> None:
    html = page([_found(_claim(tmp_path), place), Unmeasured(100, "other", "<em>told</em>", outdated=True)])
    body = html.split('<script type="application/json"')[0]
    for trick in ("<lower>", "<b>here", "<i>a", "<u>", "<em>told"):
        assert trick not in body
    assert "<script" not in body and "https:" not in body and "src=" not in body
    assert "declared anew" in body and "thalweg claims 99" in body and "does not hold if" in body


def test_the_command_plans_without_running_and_refuses_unknown_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering_module, "gather", None)
    planned = CliRunner().invoke(app, ["claims", "3", "18", "--plan"])
    assert planned.exit_code == 0 and "momentum damps" in planned.stdout
    assert max(map(len, planned.stdout.splitlines())) <= 80
    told = json.loads(CliRunner().invoke(app, ["claims", "3", "18", "--plan", "--json"]).stdout)
    assert [one["number"] for one in told["claims"]] == [3, 18] and told["seconds"] > 0
    refused = CliRunner().invoke(app, ["claims", "3", "--plan", "--jobs", "0"])
    assert isinstance(refused.exception, InputError) and "--jobs" in str(refused.exception)
    with pytest.raises(InputError, match="there is no claim 77"):
        chosen([77])

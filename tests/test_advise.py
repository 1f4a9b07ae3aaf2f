"""Advice follows the evidence: other verdicts, other candidates; and every situation gets a command that works."""

import importlib.util
import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from thalweg.advise.answers import read_answers
from thalweg.advise.candidates import BY_RULE, OPTIONS, storages
from thalweg.advise.choose import Asked, advise
from thalweg.advise.decide import FINDING, plan_of
from thalweg.advise.evidence import Claim, Contrast, Evidence, Part, evidence
from thalweg.advise.questions import QUESTIONS
from thalweg.advise.ranked import family_of
from thalweg.advise.situation import Situation, situation
from thalweg.advise.table import Advice
from thalweg.advise.told import HINTS, REASONS
from thalweg.claims.catalogue import catalogue
from thalweg.lab.problems import NAMES
from thalweg.lab.study import Request, plan
from thalweg.rules import RULES

ROOT = Path(__file__).parents[1]
SITUATIONS = sorted((ROOT / "docs" / "examples" / "advise").glob("*.toml"))
ROWS_ONLY = replace(evidence(), claims={})
NOTHING = Evidence()


def verdict(number: int, said: str, *settings_: tuple[str, str], variable: str = "", text: str = "It is so.") -> Claim:
    """A claim of one sentence with a verdict, and the outcome in each setting."""
    contrasts = tuple(Contrast(setting, outcome) for setting, outcome in settings_)
    return Claim(number, "short", said, variable, "Said.", (Part(text, said, variable, contrasts),))


def knowing(*claims: Claim, rows: bool = False) -> Evidence:
    return Evidence({claim.number: claim for claim in claims}, ROWS_ONLY.problems if rows else {})


def asked(found: Evidence, **answers: Any) -> Advice:
    return advise(Asked(situation(answers)), found)


def rules(advice: Advice) -> list[str]:
    return [candidate.rule for candidate in advice.candidates]


def test_rare_features_get_adagrad_only_where_that_was_measured() -> None:
    assert rules(asked(knowing(verdict(8, "holds")), sparse=True))[0] == "adagrad"
    refuted = asked(knowing(verdict(8, "does not hold", ("against adam", "none"))), sparse=True)
    assert "adagrad" not in rules(refuted)
    assert ["claim 8 was measured and does not hold" in point.words for point in refuted.refuted] == [True]
    contrary = asked(knowing(verdict(8, "does not hold", ("against adam", "opposes"))), sparse=True)
    assert contrary.passed[0].rule == "adagrad" and contrary.passed[0].score == -2
    assert "adagrad" not in rules(asked(knowing(verdict(8, "holds")), sparse=False))


def test_a_verdict_that_depends_counts_on_your_side_of_it() -> None:
    both = verdict(
        8,
        "depends",
        ("sparse-logistic", "supports"),
        ("matrix-factorisation", "opposes"),
        variable="the problem",
    )
    words = asked(knowing(both), sparse=True)
    assert rules(words)[0] == "adagrad" and "on your side (sparse-logistic)" in words.candidates[0].reasons[0].words
    items = asked(knowing(both), sparse=True, task="recommendation")
    assert "adagrad" not in rules(items)
    assert any("which side is yours is not known" in text for text in items.unknown)


def test_against_some_and_not_against_others_is_weighed() -> None:
    mixed = verdict(
        8, "depends", ("against sgd", "supports"), ("against adam", "opposes"), variable="what it is compared with"
    )
    [point] = asked(knowing(mixed), sparse=True).refuted
    assert "it holds against sgd; the contrary against adam" in point.words
    better = verdict(
        8, "depends", *(((f"against {r}", "supports")) for r in ("sgd", "momentum")), ("against adam", "opposes")
    )
    advice = asked(knowing(better), sparse=True)
    assert advice.candidates[0].rule == "adagrad" and advice.candidates[0].score == pytest.approx(2 / 3)


def test_a_side_that_nobody_knows_counts_nothing() -> None:
    claim = verdict(8, "depends", ("decay .1", "supports"), ("decay .9", "opposes"), variable="the moon")
    advice = asked(knowing(claim), sparse=True)
    assert "adagrad" not in rules(advice) and any("depends on the moon" in text for text in advice.unknown)


def test_without_a_verdict_the_paper_counts_and_says_so() -> None:
    for found in (NOTHING, knowing(verdict(8, "undecided"))):
        first = asked(found, sparse=True).candidates[0]
        assert first.rule == "adagrad" and first.score == 1
        assert (
            first.reasons[0].kind == "source" and "claim 8, which measures it, has no verdict" in first.reasons[0].words
        )


def test_the_measured_rows_outweigh_the_paper() -> None:
    advice = asked(ROWS_ONLY, sparse=True)
    assert set(rules(advice)) == {"rmsprop", "adam"}
    [passed] = advice.passed
    assert passed.rule == "adagrad" and "behind adam's 0.8863" in passed.against[0].words


def test_parts_of_a_claim_speak_for_themselves() -> None:
    parts = (Part("On an LSTM RMSProp is good.", "does not hold"), Part("Tuned Adam is good.", "holds"))
    claim = Claim(20, "short", "holds in part", parts=parts)
    advice = asked(knowing(claim), network="recurrent", pretrained=True)
    assert rules(advice)[0] == "adam" and advice.candidates[0].reasons[0].weight == 2
    assert [p.words for p in advice.refuted] == [
        "RMSProp suits recurrent networks: claim 20 was measured and does not hold"
    ]


@pytest.mark.parametrize(
    ("number", "answers", "rule"),
    [
        (7, {"trainings": 5}, "adagrad"),
        (13, {"trainings": 5}, "adam"),
        (15, {"task": "classification", "network": "convolutional"}, "momentum"),
        (16, {"decay": True}, "adamw"),
        (19, {"plateau": True}, "momentum"),
        (20, {"task": "reinforcement-learning"}, "adam"),
        (21, {"network": "transformer"}, "momentum"),
        (24, {"batch_size": "all"}, "irprop_minus"),
    ],
)
def test_each_verdict_moves_its_rule(number: int, answers: dict[str, Any], rule: str) -> None:
    def score(found: Evidence) -> float:
        advice = asked(found, **answers)
        every = {
            one.rule.removeprefix("decoupled(").rstrip(")"): one.score for one in (*advice.candidates, *advice.passed)
        }
        return every.get(rule, 0.0)

    holds, fails = (knowing(verdict(number, said, ("one", "none"))) for said in ("holds", "does not hold"))
    assert score(holds) - score(fails) == 2


def test_pairs_of_one_family_follow_the_verdict() -> None:
    def chosen(said: str, outcome: str) -> str:
        found = knowing(verdict(5, said, ("one", outcome)), verdict(21, "holds"))
        return rules(asked(found, network="transformer", trainings=100))[0]

    assert chosen("holds", "supports") == "nesterov" and chosen("does not hold", "opposes") == "momentum"


@pytest.mark.parametrize("path", SITUATIONS, ids=lambda path: path.stem)
def test_described_situations_have_a_command_that_is_afforded(path: Path) -> None:
    given_ = situation(read_answers(path))
    advice = advise(Asked(given_), ROWS_ONLY)
    assert advice.decision.trainings <= (given_.trainings or 0)
    holding = {n: verdict(n, "holds") for n in range(1, 25)}
    failing = {n: verdict(n, "does not hold", ("one", "opposes")) for n in range(1, 25)}
    orders = [rules(advise(Asked(given_), replace(ROWS_ONLY, claims=claims))) for claims in (holding, failing)]
    assert orders[0] != orders[1]


def test_what_the_situations_lead_to() -> None:
    leads = {
        p.stem: set(map(family_of, advise(Asked(situation(read_answers(p))), ROWS_ONLY).candidates)) for p in SITUATIONS
    }
    assert leads["rare-words"] == {"rmsprop", "adam"}
    assert "rprop" in leads["full-batch"] and "rprop" not in leads["digits"]
    assert leads["fine-tuning"] <= {"adam", "lion", "rmsprop", "momentum"} and "adam" in leads["fine-tuning"]
    assert "rmsprop" in leads["lstm"] and "adam" in leads["policy"]


def test_a_long_training_and_a_short_one() -> None:
    def score(steps: int) -> float:
        found = asked(knowing(verdict(8, "holds"), verdict(9, "holds")), sparse=True, steps=steps)
        return {one.rule: one.score for one in (*found.candidates, *found.passed)}["adagrad"]

    assert (score(500), score(1_000_000)) == (2, 0)


def test_memory_is_counted_from_the_formula() -> None:
    for option in OPTIONS:
        [float32] = storages(option, None)
        assert float32.bytes_of(option) == 4 * len(RULES[option.rule].arrays)
    assert rules(asked(ROWS_ONLY, memory=0)) == ["sgd", "sign_sgd"]
    advice = asked(ROWS_ONLY, memory=4)
    assert {c.state_bytes for c in advice.candidates} == {4} and "adam" in [one.rule for one in advice.left_out]
    assert "adam" in rules(asked(ROWS_ONLY, memory=4, dtype="bfloat16", pretrained=True))
    assert len(storages(BY_RULE["adagrad"], "bfloat16")) == 1  # its sum would stand still in 16 bits


def test_what_the_trainings_buy() -> None:
    for trainings in range(0, 400):
        for possible in (2, 3):
            found = plan_of(trainings, possible)
            assert found.trainings <= max(trainings, 2), (trainings, found)
    assert plan_of(35, 3).auto and plan_of(36, 3).tune == 6 and FINDING == 3


def test_advice_names_only_what_there_is() -> None:
    known = {option.rule for option in OPTIONS}
    for reason in (*REASONS, *HINTS):
        assert set(reason.favours) | set(reason.disfavours) <= known <= set(RULES)
        assert 0 <= reason.claim <= 24 and (reason.claim or reason.source)
    assert [question.name for question in QUESTIONS] == list(Situation.__dataclass_fields__)


def test_reasons_are_about_sentences_of_the_claims() -> None:
    declared = {claim.number: claim for claim in catalogue()}
    for reason in (*REASONS, *HINTS):
        if reason.claim in declared:
            texts = [part.text.lower() for part in declared[reason.claim].parts]
            assert all(any(words in text for text in texts) for words in reason.about), reason.told
        assert set(reason.on) <= set(NAMES)


def test_a_reason_about_one_problem_reads_that_problem() -> None:
    settings_ = (("cartpole-policy", "none"), ("fine-tune", "supports"), ("multi-task", "supports"))
    claim = verdict(20, "holds", *settings_, text="Tuned Adam ends no worse.")
    policy = asked(knowing(claim), task="reinforcement-learning", pretrained=True)
    assert policy.candidates[0].rule == "adam" and policy.candidates[0].score == 2
    assert [point.words for point in policy.refuted] == [
        "Adam suits reinforcement learning: claim 20 holds; on your side (cartpole-policy) no difference was measured"
    ]


def request(command: str) -> Request:
    """What a command asks of the lab."""
    words = shlex.split(command)[2:]
    options = dict(zip(words[1::2], words[2::2], strict=True))
    taken = {name.removeprefix("--").replace("-", "_"): value for name, value in options.items()}
    counts = {name: int(taken.pop(name)) for name in ("tune", "seeds") if name in taken}
    return Request(words[0], **taken, **counts)


@pytest.mark.parametrize(
    ("problem", "answers"),
    [
        ("linear-regression-full", {"batch_size": "all", "trainings": 200, "decay": True, "tiny": True}),
        ("binary-classifier", {"network": "transformer", "pretrained": True, "trainings": 40}),
        ("binary-classifier", {"network": "recurrent", "trainings": 20, "steps": 50_000}),
        ("linear-regression", {"memory": 0, "trainings": 0}),
    ],
)
def test_the_command_can_be_planned(problem: str, answers: dict[str, Any]) -> None:
    found = advise(Asked(situation(answers), problem=problem), ROWS_ONLY)
    study = plan(request(found.decision.command))
    assert len(study.contenders) == len(found.candidates)
    planned = sum(p.trials for p in study.plans) + len(study.seeds) * len(study.contenders) * (2 if study.plans else 1)
    finding = FINDING * len(study.contenders) if "--lr auto" in found.decision.command else 0
    assert planned + finding == found.decision.trainings


def test_page_and_data_are_those_of_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("advise_page", ROOT / "benchmarks" / "advise.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert made.CHOSEN.read_text(encoding="utf-8") == made.compact(json.loads(made.DATA.read_text(encoding="utf-8")))
    monkeypatch.chdir(ROOT)
    page = made.PAGE.read_text(encoding="utf-8")
    assert made.filled(page) == page, "run python benchmarks/advise.py"
    assert page.count("<!-- printed:") == len(SITUATIONS)

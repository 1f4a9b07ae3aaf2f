"""Whatever the answers and the verdicts: two or three candidates that exist, with a command that can be read."""

import json
import shlex
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg.schedules
import thalweg.torch
from thalweg.advise.choose import Asked, advise
from thalweg.advise.evidence import Claim, Contrast, Evidence, Part, evidence
from thalweg.advise.questions import QUESTIONS
from thalweg.advise.ranked import family_of
from thalweg.advise.situation import situation
from thalweg.errors import InputError
from thalweg.lab.grammar import parse_optimizers
from thalweg.lab.problems import NAMES
from thalweg.rules.setting import find_rule

PROBLEMS = evidence().problems


ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        question.name: st.sampled_from([name for name, _ in question.choices])
        if question.choices
        else st.booleans()
        if question.kind == "yes or no"
        else st.sampled_from([question.low, 4, 40, 400, 40_000, *([question.also] if question.also else [])])
        if question.name != "memory"
        else st.sampled_from([0, 1, 2, 3.5, 4, 8, 100])
        for question in QUESTIONS
    },
)
OUTCOMES = st.sampled_from(["supports", "opposes", "none", "unclear"])
PARTS = st.builds(
    Part,
    st.sampled_from(["on an LSTM", "the nine rates", "with full batches", "so it is"]),
    st.sampled_from(["holds", "does not hold", "depends", "undecided"]),
    st.sampled_from(["", "the problem"]),
    st.lists(
        st.builds(Contrast, st.sampled_from([*NAMES, "against adam", "tuned", "default", "full batch", "x"]), OUTCOMES),
        max_size=4,
    ).map(tuple),
)
CLAIMS = st.dictionaries(
    st.integers(1, 24),
    st.tuples(st.sampled_from(["holds", "depends", "holds in part", "no verdict"]), st.lists(PARTS, max_size=3)),
).map(lambda found: {n: Claim(n, "short", said, parts=tuple(parts)) for n, (said, parts) in found.items()})


@settings(max_examples=60, deadline=None)
@given(ANSWERS, CLAIMS, st.booleans())
def test_whatever_the_answers_and_the_verdicts(answers: dict[str, Any], claims: dict[int, Claim], rows: bool) -> None:
    try:
        found = situation(answers)
    except InputError as error:
        assert "samples in a batch" in str(error)
        return
    advice = advise(Asked(found), Evidence(claims, PROBLEMS if rows else {}))
    assert 2 <= len(advice.candidates) <= 3
    assert len(set(map(family_of, advice.candidates))) == len(advice.candidates)
    scores = [candidate.score for candidate in advice.candidates]
    assert scores == sorted(scores, reverse=True)
    for candidate in advice.candidates:
        assert find_rule(candidate.rule).name == candidate.rule
        assert candidate.rates[0] <= find_lr(candidate.settings["lr"]) <= candidate.rates[1]
        assert candidate.score == pytest.approx(
            sum(p.weight for p in (*candidate.reasons, *candidate.against)), abs=1e-5
        )
        assert found.memory is None or candidate.state_bytes <= found.memory
        model = torch.nn.Linear(2, 2, dtype=getattr(torch, found.dtype or "float32"))
        made = eval(candidate.torch, {"thalweg": thalweg, "model": model})
        assert made.rule.name == candidate.rule
    words = shlex.split(advice.decision.command)
    assert words[:3] == ["thalweg", "compare", "my_problem.py"]
    labels = [label for label, _ in parse_optimizers(words[words.index("--optimizers") + 1])]
    assert labels == [candidate.optimizer for candidate in advice.candidates]
    json.dumps([point.claims for candidate in advice.candidates for point in candidate.reasons])


def find_lr(text: str) -> float:
    """The learning rate in a text: the number inside of all parentheses."""
    return float(text.rpartition("(")[2].rstrip(")"))

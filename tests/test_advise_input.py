"""Ways into advice: a file, questions, a look at a problem; what is refused in a sentence; what is printed."""

import io
import json
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from thalweg.advise.answers import ask, read_answers, template
from thalweg.advise.choose import Asked, advise
from thalweg.advise.evidence import evidence
from thalweg.advise.graph import gradients_of_terms, kinds_of
from thalweg.advise.look import look
from thalweg.advise.questions import QUESTIONS
from thalweg.advise.situation import Situation, situation, with_answers
from thalweg.cli import main
from thalweg.errors import InputError
from thalweg.report.advice import command, sections

PROBLEM = """
import torch
from torch import nn
print("a problem may print")
def model(seed):
    return MODEL
def data(seed):
    x = DATA
    return (x[:60], x[:60]), (x[60:], x[60:])
def loss(model, batch):
    return LOSS
"""


def written(folder: Path, model: str, data: str, loss: str) -> str:
    text = PROBLEM.replace("MODEL", model).replace("DATA", data).replace("LOSS", loss)
    (folder / "mine.py").write_text(text, encoding="utf-8")
    return str(folder / "mine.py")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["advise", *arguments])
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.toml", None, "expected a file of answers at"),
        ("a.yaml", "task: x", "ends in .toml or .json"),
        ("a.toml", "task = ", "to be TOML"),
        ("a.json", "{", "to be JSON"),
        ("a.json", "[1]", "to hold one object"),
        ("a.json", "[" * 100_000, "to be JSON"),
        ("a.toml", "taks = 'regression'", "did you mean 'task'"),
        ("a.toml", "task = 'clasification'", "did you mean 'classification'"),
        ("a.toml", "task = ['regression']", "one of its choices"),
        ("a.toml", "sparse = 'perhaps'", "to be yes or no"),
        ("a.toml", "sparse = 1", "to be yes or no"),
        ("a.toml", "memory = -1", "from 0 to 1000"),
        ("a.toml", "samples = nan", "a whole number from 1"),
        ("a.toml", "samples = 2.5", "a whole number from 1"),
        ("a.toml", "batch_size = 0", "or 'all'"),
        ("a.toml", "trainings = true", "a whole number from 0"),
        ("a.toml", "batch_size = 64\nsamples = 32", "no more samples in a batch than there are, got 64 of 32"),
    ],
)
def test_bad_answers_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str | None, sentence: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    code, out, err = run(capsys, "--answers", str(tmp_path / name))
    assert (code, out, err.count("\n")) == (2, "", 1) and sentence in err


def test_a_file_says_what_toml_and_json_say(tmp_path: Path) -> None:
    answers = {"task": "regression", "batch_size": "all", "sparse": False, "memory": 4.5, "trainings": 0}
    (tmp_path / "a.json").write_text(json.dumps(answers), encoding="utf-8")
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in answers.items())
    (tmp_path / "a.toml").write_text("\ufeff" + lines, encoding="utf-8")
    assert read_answers(tmp_path / "a.json") == read_answers(tmp_path / "a.toml") == answers
    assert situation({"sparse": "don't know"}) == Situation() and situation({"sparse": "no"}).sparse is False


def test_the_template_can_be_read_as_it_is_and_filled_in() -> None:
    known = situation({"task": "regression", "batch_size": "all", "sparse": True, "memory": 2.5})
    assert tomllib.loads(template()) == {} and situation(tomllib.loads(template(known))) == known
    bare = "\n".join(re.sub(r"^# (\w+ = )", r"\1", line) for line in template().splitlines())
    assert set(tomllib.loads(bare)) == {question.name for question in QUESTIONS}
    assert situation(tomllib.loads(bare)).task == "classification"


def test_questions_one_by_one() -> None:
    typed = iter(["?", "nonsense", "regression", "", "", "", "64", "32", "64", *[""] * 20])
    told: list[str] = []
    answers = ask(lambda prompt: next(typed), told.append)
    assert answers == {"task": "regression", "batch_size": 64, "samples": 64}
    assert any("Why:" in line for line in told) and any("one of its choices" in line for line in told)
    assert any("no more samples" in line for line in told)


def test_the_end_of_input_leaves_the_rest_open() -> None:
    typed = iter(["regression"])

    def read(prompt: str) -> str:
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    assert ask(read, lambda line: None) == {"task": "regression"}


def test_on_a_terminal_questions_are_asked_beside_the_advice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("\n\n\nyes\n"))
    code, out, err = run(capsys, "--json")
    assert code == 0 and json.loads(out)["understood"][0]["name"] == "sparse" and "rare words" in err


def test_without_a_terminal_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("regression\n"))
    code, out, err = run(capsys)
    assert (code, out, err.count("\n")) == (2, "", 1) and "no terminal to ask on" in err


def test_other_verdicts_and_broken_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, answers = tmp_path / "verdicts.json", tmp_path / "a.toml"
    answers.write_text("batch_size = 'all'", encoding="utf-8")
    claim = {"number": 24, "verdict": "does not hold", "parts": [], "short": "Rprop", "said": "No."}
    path.write_text(json.dumps({"claims": [claim]}), encoding="utf-8")
    code, out, _ = run(capsys, "--answers", str(answers), "--verdicts", str(path))
    assert code == 0 and "claim 24 was measured and does not hold" in " ".join(out.split())
    assert "1. irprop_minus" not in out
    for broken in (
        "{}",
        "[]]",
        '{"claims": [{"number": "x"}]}',
        '{"claims": 3}',
        '[{"number": 1}]',
        '[{"number": 1, "verdict": "x"}]',
    ):
        path.write_text(broken, encoding="utf-8")
        code, out, err = run(capsys, "--answers", str(answers), "--verdicts", str(path))
        assert (code, out, err.count("\n")) == (2, "", 1) and "expected verdicts" in err


def test_what_is_seen_of_a_problem_of_the_lab() -> None:
    seen = look("multi-task")
    assert seen.facts.scales and any("norms as 1 :" in text for text in seen.sentences)
    facts = look("sparse-logistic-single").facts
    assert (facts.sparse, facts.network, facts.task, facts.batch_size) == (True, "linear", "classification", 1)
    facts = look("linear-regression-full").facts
    assert facts.full_batch and facts.task == "regression" and facts.parameters == 11 and facts.steps == 100


SEEN = [
    (
        "nn.Sequential(nn.EmbeddingBag(500, 8, sparse=True), nn.Linear(8, 1))",
        "torch.arange(240).view(80, 3)",
        "model(batch[0]).square().mean()",
        {"sparse": True, "samples": 60, "batch_size": 60, "parameters": 4009},
    ),
    (
        "nn.Sequential(nn.Linear(2, 8), nn.Linear(8, 1)).bfloat16()",
        "torch.randn(80, 2)",
        "1e-9 * model(batch[0].bfloat16()).float().square().mean()",
        {"dtype": "bfloat16", "tiny": True, "network": "dense"},
    ),
    (
        "nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.Flatten(), nn.Linear(16, 1))",
        "torch.randn(80, 1, 10)",
        "nn.functional.mse_loss(model(batch[0]), batch[1][:, :, 0]) + 1e-4 * model[0].weight.abs().sum()",
        {"network": "convolutional", "scales": True, "tiny": False},
    ),
    (
        "nn.TransformerEncoderLayer(8, 2, 8, batch_first=True)",
        "torch.randn(80, 4, 8)",
        "nn.functional.mse_loss(model(batch[0]), batch[1])",
        {"network": "transformer", "task": "regression"},
    ),
]


@pytest.mark.parametrize(("model", "data", "loss", "expected"), SEEN, ids=["sparse", "bf16", "penalty", "attention"])
def test_what_is_seen_of_a_problem_of_ones_own(
    tmp_path: Path, model: str, data: str, loss: str, expected: dict[str, Any]
) -> None:
    facts = look(written(tmp_path, model, data, loss)).facts
    assert {name: getattr(facts, name) for name in expected} == expected


def test_answers_override_what_was_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem = written(
        tmp_path, "nn.Linear(2, 2)", "torch.randn(80, 2)", "nn.functional.mse_loss(model(batch[0]), batch[1])"
    )
    (tmp_path / "a.toml").write_text("network = 'recurrent'\ntrainings = 20", encoding="utf-8")
    code, out, err = run(capsys, "--look", problem, "--answers", str(tmp_path / "a.toml"), "--json")
    found = json.loads(out)
    origins = {one["name"]: one["origin"] for one in found["understood"]}
    assert code == 0 and origins["network"] == "answered" and origins["samples"] == "seen" and "may print" in err
    assert found["decision"]["command"].startswith(f"thalweg compare {problem} ")
    code, out, _ = run(capsys, "--look", problem, "--questions")
    assert code == 0 and tomllib.loads(out)["samples"] == 60
    with pytest.raises(InputError, match="no more samples in a batch"):
        with_answers(Situation(samples=60), {"batch_size": 100})


@pytest.mark.parametrize(
    ("model", "loss", "sentence"),
    [
        ("1 / 0", "0", "model(seed) fails (ZeroDivisionError"),
        ("nn.Linear(2, 2)", "model(batch[0][:, :1]).mean()", "fails (RuntimeError"),
        ("nn.Linear(2, 2)", "torch.tensor(float('nan'), requires_grad=True)", "a finite loss"),
        ("nn.Flatten()", "batch[0].mean()", "a loss that depends on the model's weights"),
        ("nn.Flatten()", "(batch[0] * torch.ones(2, requires_grad=True)).mean()", "a model with weights to train"),
    ],
)
def test_a_problem_that_fails_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, loss: str, sentence: str
) -> None:
    code, out, err = run(capsys, "--look", written(tmp_path, model, "torch.randn(80, 2)", loss))
    assert (code, out) == (2, "") and sentence in err.splitlines()[-1]


def test_no_such_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--look", "mnist-mpl")[0] == 2
    assert run(capsys, "--look", "nowhere.py")[0] == 2


def test_terms_keep_their_weights_and_what_was_learned_stays() -> None:
    w = torch.tensor([2.0], requires_grad=True)
    assert gradients_of_terms((w**2).mean() - 3 * w.sum() / 2, [w]) == pytest.approx([4.0, 1.5])
    assert w.grad is not None and w.grad.item() == pytest.approx(2.5)
    assert gradients_of_terms((w**2).mean() * 5, [w]) == []
    both = (w**2).mean()
    assert len(gradients_of_terms(both * w.sum(), [w])) == 0  # a product of two is one term


def test_attention_written_by_hand_is_seen() -> None:
    x = torch.randn(2, 3, 4, requires_grad=True)
    assert kinds_of((nn.functional.dropout((x @ x.mT).softmax(-1), 0.1) @ x).sum()) == {"transformer"}
    assert kinds_of(x.softmax(-1).log().sum()) == set()


def test_what_is_printed_fits_and_is_whole() -> None:
    from rich.console import Console

    from thalweg.report.advice import render

    for answers in ({}, {"sparse": True, "memory": 3}, {"network": "transformer", "dtype": "float16", "steps": 20_000}):
        advice = advise(Asked(situation(answers)), evidence())
        text = io.StringIO()
        Console(width=80, file=text).print(render(advice, width=80))
        assert max(map(len, text.getvalue().splitlines())) <= 80
        words = " ".join(text.getvalue().split())
        for candidate in advice.candidates:
            assert candidate.optimizer in words.replace(" ", "") or candidate.optimizer in words
            assert all(point.words in words for point in (*candidate.reasons, *candidate.against))
        assert " ".join(command(advice).replace("\\\n", "").split()) == advice.decision.command
        assert next(title for title, _ in sections(advice)) == "What was understood"


def test_the_command_stays_whole_whatever_the_file_is_called() -> None:
    said = advise(Asked(Situation(trainings=20), problem="my --own problem.py"), evidence())
    shown = command(said)
    assert "'my --own problem.py' \\\n    --optimizers " in shown
    assert shlex.split(shown.replace("\\\n", "")) == shlex.split(said.decision.command)

"""Where figures and alarms go, read back from the files of the programs that they are written for."""

import io
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thalweg.errors import InputError
from thalweg.watch.alarm import SEVERAL, Alarm, Finding, Raised
from thalweg.watch.history import Measured
from thalweg.watch.outputs import JsonLines, Output, TensorBoard, Terminal, Tracked, opened
from thalweg.watch.subject import Group, Part, Subject

EPSILON = Alarm("epsilon", "epsilon rules", "It is plain descent.", "Lower eps to 1e-10.", "a paper", {}, lambda *_: ())
LAYERS = ("encoder.weight", "encoder.bias", "decoder.weight")
PARTS = (*(Part(name, 0, False, 12, 12, "float32", "float32") for name in LAYERS),)
SUBJECT = Subject((*PARTS, Part("group 0", 0, True, 36, 36, "float32")), (Group(0, "AdamW", "adamw", {"lr": 0.1}),), 4)
NORMS = np.array([1.0, 0.1, math.nan, math.inf], np.float32)


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """One alarm, whose words do not change."""
    monkeypatch.setattr("thalweg.watch.alarms.BY_NAME", {"epsilon": EPSILON})


def measured(step: int, loss: float = 0.5) -> Measured:
    nothing = np.full(4, math.nan)
    return Measured(step, loss, {"lr": np.full(4, 0.01), "gradient_norm": NORMS * step, "fall": nothing})


def alarm(step: int, part: str = LAYERS[0], name: str = "epsilon", advice: str = "") -> Raised:
    return Raised(step, name, Finding(part, 0.9, f"In {part} epsilon rules 90 % of the coordinates.", advice))


def tell(output: Output) -> None:
    """A run of eight steps with two alarms."""
    output.begin(SUBJECT)
    output.measured(measured(4))
    output.raised(alarm(4))
    output.raised(alarm(6, "decoder.weight", advice="Lower eps to 1e-12."))
    output.measured(measured(8, math.nan))
    output.close()


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line, parse_constant=pytest.fail) for line in file.read_text(encoding="utf-8").splitlines()]


def test_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "new" / "watch.jsonl"
    (output,) = opened([f"jsonl:{file}"])
    tell(output)
    begin, first, *raised, second, end = lines(file)
    assert [part["name"] for part in begin["parts"]] == [*LAYERS, "group 0"]
    assert begin["parts"][0] == {
        "name": LAYERS[0], "group": 0, "is_group": False, "elements": 12, "sampled": 12,
        "dtype": "float32", "state_dtype": "float32", "learns": True,
    }  # fmt: skip
    assert (begin["every"], begin["groups"][0]["rule"], begin["groups"][0]["hyper"]) == (4, "adamw", {"lr": 0.1})
    norms = [4, 0.4, None, None]
    assert first == {
        "event": "measured", "step": 4, "loss": 0.5, "figures": {"lr": [0.01] * 4, "gradient_norm": norms}
    }  # fmt: skip
    assert (second["step"], second["loss"]) == (8, None)
    assert [(each["step"], each["part"], each["advice"]) for each in raised] == [
        (4, LAYERS[0], EPSILON.advice),
        (6, LAYERS[2], "Lower eps to 1e-12."),
    ]
    assert (raised[0]["alarm"], raised[0]["title"], raised[0]["number"]) == ("epsilon", "epsilon rules", 0.9)
    assert raised[0]["meaning"] == EPSILON.meaning and raised[0]["words"] == alarm(4).finding.words
    assert end == {"event": "end", "step": 8}
    with closing(JsonLines(tmp_path / "several")) as output:
        output.begin(SUBJECT)
        output.raised(Raised(4, "epsilon", Finding(SEVERAL, 2.0, "Two of them.", layers=LAYERS[:2])))
    assert lines(tmp_path / "several")[1]["layers"] == list(LAYERS[:2]) and raised[0]["layers"] == []


def test_json_lines_are_there_at_once(tmp_path: Path) -> None:
    output = JsonLines(tmp_path / "a", figures=["lr"], layers=["encoder.*"])
    output.begin(SUBJECT)
    output.measured(measured(1))
    begin, only = lines(tmp_path / "a")
    assert [part["name"] for part in begin["parts"]] == ["encoder.weight", "encoder.bias", "group 0"]
    assert only["figures"] == {"lr": [0.01] * 3}
    output.close()


@pytest.mark.parametrize("cut", ['{"event": "raised", "step"', '{"ev', "x" * 200_000])
def test_json_lines_after_a_crash(tmp_path: Path, cut: str) -> None:
    file = tmp_path / "a"
    tell(JsonLines(file))
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole + cut, encoding="utf-8")
    tell(JsonLines(file))
    assert file.read_text(encoding="utf-8") == whole * 2


def test_json_lines_after_a_crash_in_the_first(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('{"event": "begin", "every', encoding="utf-8")
    tell(JsonLines(tmp_path / "a"))
    assert len(lines(tmp_path / "a")) == 6


def test_a_file_with_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text("print(1)", encoding="utf-8")
    with pytest.raises(InputError, match=r"expected a file of JSON lines .* got '.*train.py': name another"):
        opened([f"jsonl:{file}"])
    assert file.read_text(encoding="utf-8") == "print(1)"


def test_what_is_no_output_is_refused(tmp_path: Path) -> None:
    for to, sentence in (
        (["termnal"], r"unknown output 'termnal': did you mean 'terminal'\? known: terminal, jsonl:PATH"),
        (["jsonl"], "expected the output 'jsonl:PATH', got 'jsonl'"),
        (["terminal:a"], "expected the output 'terminal', got 'terminal:a'"),
        ([Terminal], "expected an output, got <class"),
        (7, "expected an output, got 7: give one of terminal"),
        ([f"jsonl:{tmp_path}"], "expected a file that can be written"),
    ):
        with pytest.raises(InputError, match=sentence):
            opened(to)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="unknown figure 'gradient': did you mean 'gradient_norm'"):
        JsonLines(tmp_path / "a", figures=["gradient"])
    with pytest.raises(InputError, match="a method 'log'"):
        Tracked(object())
    with pytest.raises(InputError, match="a SummaryWriter or a folder"):
        TensorBoard(7)
    assert not list(tmp_path.iterdir())


def test_one_that_is_refused_opens_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown output"):
        opened([f"jsonl:{tmp_path / 'a'}", "nothing"])
    with pytest.raises(InputError, match="can be written"):
        opened([f"jsonl:{tmp_path / 'b'}", f"jsonl:{tmp_path}"])
    assert [file.read_text() for file in tmp_path.iterdir()] == [""]


class Failing(Terminal):
    """Fails at the second measurement."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.calls: list[str] = []

    def measured(self, measured: Measured) -> None:
        self.calls.append("measured")
        if measured.step == 8:
            raise OSError("no room")

    def close(self) -> None:
        self.calls.append("close")


def test_an_output_that_fails_is_left_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    failing = Failing()
    outputs = opened([failing, f"jsonl:{tmp_path / 'a'}", failing])
    assert len(outputs) == 2
    for output in outputs:
        tell(output)
        output.measured(measured(9))
        output.close()
    assert failing.calls == ["measured", "measured", "close"]
    said = capsys.readouterr().err
    assert (
        said
        == "thalweg.watch: the output 'Failing' failed (OSError: no room) and is told no more; the training goes on\n"
    )
    assert lines(tmp_path / "a")[-1]["event"] == "end"


def told(width: int = 80, events: Iterator[Any] | None = None) -> str:
    stream = io.StringIO()
    output = Terminal(stream, width)
    if events is None:
        tell(output)
    for event in events or ():
        (output.raised if isinstance(event, Raised) else output.measured)(event)
    if events is not None:
        output.close()
    return stream.getvalue()


def test_the_terminal() -> None:
    assert (
        told()
        == """
thalweg, step 4: epsilon rules
  In encoder.weight epsilon rules 90 % of the coordinates.
  means  It is plain descent.
  try    Lower eps to 1e-10.

thalweg, step 6: epsilon rules
  In decoder.weight epsilon rules 90 % of the coordinates.
  try    Lower eps to 1e-12.

thalweg watched 8 steps: 2 alarms
  epsilon rules: 2 times from step 4 on, in encoder.weight and decoder.weight
"""
    )
    assert told(events=iter([measured(4), measured(8)])) == ""


def test_the_terminal_counts_what_is_much() -> None:
    """A hundred layers with one fault are no five hundred lines, and an alarm that is not in the catalogue is told."""
    events = [alarm(4, f"layers.{k}.weight") for k in range(100)]
    own = Raised(5, "mine", Finding("", 1.0, "Enough.", "Rest."))
    said = told(events=iter([*events, measured(4), own]))
    assert said.count("epsilon rules 90 %") == 3 and "  also   97 more at this step.\n" in said
    assert "\nthalweg, step 5: mine\n  Enough.\n  try    Rest.\n" in said
    names = ", ".join(f"layers.{k}.weight" for k in range(3))
    assert f"100 times from step 4 on, in {names} and 97 others" in " ".join(said.split())
    assert said.endswith("  mine: at step 5\n")


def test_the_terminal_wraps_and_keeps_names_whole() -> None:
    said = told(44, iter([alarm(1000, "a" * 50), alarm(1000, "name\x1b[2J\n")]))
    assert all(len(line) <= 43 or "a" * 50 in line for line in said.splitlines())
    assert "a" * 50 in said and "step 1,000" in said and "\x1b" not in said
    assert all("90" not in line or "90 %" in line for line in said.splitlines())


PTY = """
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
seen = b""
try:
    while part := os.read(terminal, 65536):
        seen += part
except OSError:
    pass
os.waitpid(pid, 0)
sys.stdout.buffer.write(seen)
"""
BESIDE_A_BAR = """
import sys
from test_watch_outputs import EPSILON, alarm
from thalweg.watch.alarms import BY_NAME
from thalweg.watch.outputs import opened
BY_NAME["epsilon"] = EPSILON
(output,) = opened("terminal")
sys.stderr.write("50%|#####     |")
output.raised(alarm(3))
output.close()
"""


@pytest.mark.parametrize("colours", [True, False])
def test_the_terminal_beside_a_bar(colours: bool) -> None:
    """In a pseudo terminal: the bar's line is cleared, whole lines follow, in colour unless `NO_COLOR` is set."""
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "" if colours else "1"}
    command = [sys.executable, "-c", PTY, BESIDE_A_BAR]
    done = subprocess.run(command, env=environment, cwd=Path(__file__).parent, capture_output=True, check=True)
    said = done.stdout.decode().replace("\r\n", "\n")
    head, label = ("\x1b[2mthalweg, step 3: \x1b[0m\x1b[1;33mepsilon rules\x1b[0m", "\x1b[2mmeans  \x1b[0m")
    if not colours:
        head, label = "thalweg, step 3: epsilon rules", "means  "
        assert "\x1b[2m" not in said
    assert said.startswith(f"50%|#####     |\r\x1b[J\n{head}\n  In encoder.weight")
    assert f"  {label}It is plain descent.\n" in said

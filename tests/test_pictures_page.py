"""docs/pictures.md: its Python and its comparisons print what it shows, and its commands draw."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command as commands

from thalweg.cli import app

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "pictures.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"\d*\.\d+(?:e-?\d+)?")
BLOCKS = re.findall(r"^```(\w+).*?\n(.*?)^```$", TEXT, re.M | re.S)
SHOWN = [(kind, text, shown) for (kind, text), (after, shown) in pairwise(BLOCKS) if after == "text"]
COMPARED = [(text, shown) for kind, text, shown in SHOWN if kind == "console"]
TRAINED = 0.01  # training goes other ways on other processors, whose vector units round otherwise


# Every command that draws, by the file that it writes.
COMMANDS = {
    words[words.index("-o") + 1]: words[1:]
    for words in (shlex.split(text.replace("\\\n", " ")) for kind, text in BLOCKS if kind == "draw")
}
QUICK = "waves.png"


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def test_the_python_prints_what_the_page_shows() -> None:
    names: dict[str, Any] = {"__name__": "page"}
    found = [(text, shown) for kind, text, shown in SHOWN if kind == "python"]
    for text, shown in found:
        with contextlib.redirect_stdout(io.StringIO()) as stream:
            exec(compile(text, "pictures.md", "exec"), names)
        assert lines(stream.getvalue()) == lines(shown)
    assert len(found) == sum(kind == "python" for kind, _ in BLOCKS) == 3


def test_what_the_words_say_of_the_python() -> None:
    table = next(shown for kind, text, shown in SHOWN if kind == "python" and "saddle" in text)
    rows = {name: steps for name, *steps in (line.split() for line in lines(table))}
    rates = rows.pop("lr")
    first = [min((int(s[place]), name) for name, s in rows.items() if s[place] != "-")[1] for place in range(3)]
    assert dict(zip(rates, first, strict=True)) == {"0.001": "nesterov", "0.01": "nesterov", "0.1": "rmsprop"}


@pytest.mark.slow
@pytest.mark.parametrize("block", COMPARED, ids=lambda block: block[0].split()[3])
def test_the_comparisons_print_what_the_page_shows(block: tuple[str, str], tmp_path: Path) -> None:
    command, shown = block
    prompt, program, *arguments = shlex.split(command)
    assert (prompt, program) == ("$", "thalweg")
    call = [sys.executable, "-W", "error", "-m", "thalweg.cli", *arguments]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=True)
    answer = lines(done.stdout[done.stdout.index("Which is best") :])[1 : len(lines(shown)) + 1]
    for one, other in zip(answer, lines(shown), strict=True):
        numbers = list(zip(NUMBER.findall(one), NUMBER.findall(other), strict=True))
        assert len(numbers) == len(NUMBER.findall(other))
        for a, b in numbers:
            assert float(a) == pytest.approx(float(b), abs=TRAINED), (one, other)
    assert [line.split()[0] for line in answer if ":lr=" in line] == re.findall(r"^\w+:lr=\S+", shown, re.M)


def test_every_picture_has_a_command_a_title_and_a_name() -> None:
    found = re.findall(r'^```draw title="[^"\n]{20,}"\n(thalweg draw .+?)\n```$', TEXT, re.M | re.S)
    assert len(found) == sum(kind == "draw" for kind, _ in BLOCKS) == len(COMMANDS) >= 7
    assert len(set(COMMANDS)) == len(COMMANDS)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == QUICK else pytest.mark.slow) for name in COMMANDS]
)
def test_a_command_draws(name: str, tmp_path: Path) -> None:
    words = [str(tmp_path / name) if word == name else word for word in COMMANDS[name]]
    assert commands(app).main(words, standalone_mode=False) in (0, None)
    start = {".png": b"\x89PNG", ".gif": b"GIF89a"}[Path(name).suffix]
    assert (tmp_path / name).read_bytes().startswith(start)

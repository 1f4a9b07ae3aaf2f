"""The three tutorials: committed without outputs, and running from the first cell to the last without a warning."""

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

DOCS = Path(__file__).parents[1] / "docs"
FOLDER = DOCS / "tutorials"
NAMES = ("train", "learn", "invent")
PLACES = re.compile(r"/(home|root|Users|tmp|private|work)/|[A-Z]:\\")
# A command that fails says so and lets its notebook go on.
FAILED = re.compile(r"^(thalweg: |Traceback|Usage: |\w*Error: |.*command not found)", re.M)
CLOCK = re.compile(r"\b\d+:\d\d\b|\bseconds\b|\b\d+(\.\d+)? m?s\b")


def read(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def texts(cell: Any) -> str:
    """All that a cell printed or showed as text."""
    return "\n".join(
        output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")
        for output in cell.get("outputs", ())
    )


def test_there_is_one_for_each_reader() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_committed_clean(name: str) -> None:
    text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    notebook = read(name)
    nbformat.validate(notebook)
    assert not PLACES.search(text) and text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"
    assert set(notebook.metadata) == {"kernelspec", "language_info"} and notebook.metadata.kernelspec.name == "python3"
    assert 15 <= len(notebook.cells) <= 45 and len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    for cell in notebook.cells:
        assert cell.source.strip() and not cell.metadata
        assert cell.cell_type == "markdown" or (cell.outputs == [] and cell.execution_count is None)


@pytest.mark.parametrize(
    "name", ["learn", pytest.param("train", marks=pytest.mark.slow), pytest.param("invent", marks=pytest.mark.slow)]
)
def test_it_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """As the documentation's build runs it: in a kernel of this very interpreter, whatever kernels there are."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.syspath_prepend(str(DOCS / "hooks"))
    notebook = read(name)
    manager = importlib.import_module("notebooks").execute(notebook, tmp_path)
    assert Path(manager.kernel_spec.argv[0]) == Path(sys.executable)
    assert "encryption" not in capfd.readouterr().err
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        shown = texts(cell)
        assert not [output for output in cell.outputs if output.get("name") == "stderr"], (cell.source, shown)
        for wrong in (FAILED, CLOCK, PLACES):
            assert not wrong.search(shown), (cell.source, shown)

"""The three tutorials: committed without outputs, and running from the first cell to the last without a warning."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "docs" / "tutorials"
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
def test_it_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a kernel of this very interpreter, whatever kernels the user has installed."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    (tmp_path / "here").mkdir()
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    notebook = read(name)
    client = NotebookClient(notebook, km=manager, timeout=300, resources={"metadata": {"path": str(tmp_path / "here")}})
    client.execute(cleanup_kc=True)  # the client did not make the manager, so it would leave the kernel running
    assert manager.kernel_spec is not None and Path(manager.kernel_spec.argv[0]) == Path(sys.executable)
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        shown = texts(cell)
        assert not [output for output in cell.outputs if output.get("name") == "stderr"], (cell.source, shown)
        for wrong in (FAILED, CLOCK, PLACES):
            assert not wrong.search(shown), (cell.source, shown)

"""Notebooks as pages: executed by the build, their cells and what these show as Markdown.

`THALWEG_SITE_NOTEBOOKS=off` shows them without executing them.
"""

from __future__ import annotations

import base64
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kept import digest, kept, sources

NETWORK = re.compile(r"""(?:src|href)=["']?https?:|@import|\bimport\(""")
LONGEST = 900  # seconds for a cell


def pages(path: Path, uri: str) -> dict[str, str | bytes]:
    """A notebook's page and the pictures on it, by their paths in the documentation.

    Args:
        path: The notebook.
        uri: Its own path in the documentation, `tutorials/train.ipynb`.

    Raises:
        ValueError: If nothing says what a picture shows.
    """
    notebook = read(path)
    stem, found = uri.removesuffix(".ipynb"), {}
    lines: list[str] = []
    for place, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "markdown":
            lines += [_text(cell["source"]), ""]
        elif cell["cell_type"] == "code" and _text(cell["source"]).strip():
            lines += ["```python", _text(cell["source"]).rstrip(), "```", ""]
            for number, output in enumerate(_joined(cell["outputs"])):
                shown, pictures = _output(output, f"{stem}-{place}-{number}", _words(cell))
                lines += [*shown, ""]
                found |= pictures
    name = uri.rpartition("/")[2]
    lines += [f'<p><a href="{name}" download>Download this page as a notebook</a></p>']
    return {f"{stem}.md": "\n".join(lines), **found}


def read(path: Path) -> dict[str, Any]:
    """A notebook with the outputs of its cells: executed, or as it was when the library and it were the same."""
    text = path.read_text(encoding="utf-8")
    if os.environ.get("THALWEG_SITE_NOTEBOOKS") == "off":
        return json.loads(text)
    key = f"{path.stem}-{digest(text, sources())}.ipynb"
    return json.loads(kept(key, lambda: _executed(text)))


def _executed(text: str) -> bytes:
    """The notebook, run from its first cell to its last in an empty folder; a cell that fails ends the build."""
    import nbformat
    from nbclient.exceptions import CellExecutionError

    notebook = nbformat.reads(text, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        try:
            execute(notebook, Path(folder))
        except CellExecutionError as error:
            raise ValueError(f"a cell of a notebook failed: {error}") from error
    return nbformat.writes(notebook).encode()


def execute(notebook: Any, folder: Path) -> Any:
    """Run a notebook in a folder, in a kernel of this very interpreter; what runs it is returned.

    The kernels and the IPython profile that the user may have are left alone, and what goes to and from the kernel is
    encrypted, as it goes through a port of this machine.
    """
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    specs = KernelSpecManager(kernel_dirs=[])
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs, transport_encryption="auto")
    client = NotebookClient(notebook, km=manager, timeout=LONGEST, resources={"metadata": {"path": str(folder)}})
    with tempfile.TemporaryDirectory() as profile:
        # The client did not make the manager, so without being told it would leave the kernel running.
        client.execute(cleanup_kc=True, env={**os.environ, "IPYTHONDIR": profile})
    return manager


def _joined(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Outputs in which what was printed piece by piece is one: where it was cut depends on the clock."""
    found: list[dict[str, Any]] = []
    for output in outputs:
        last = found[-1] if found else {}
        if output["output_type"] == "stream" and output["name"] == last.get("name"):
            found[-1] = {**last, "text": _text(last["text"]) + _text(output["text"])}
        else:
            found.append(output)
    return found


def _words(cell: dict[str, Any]) -> str:
    """What a cell says of its picture to who cannot see it: the comment in its first line."""
    first, _, _ = _text(cell["source"]).partition("\n")
    return first.removeprefix("# ") if first.startswith("# ") else ""


def _output(output: dict[str, Any], name: str, words: str) -> tuple[list[str], dict[str, bytes]]:
    """An output as Markdown, and the picture that it is, if it is one; what is told of progress is left out."""
    if output["output_type"] == "stream":
        return (list(_block(_text(output["text"]))) if output["name"] == "stdout" else []), {}
    given = output.get("data", {}).items()
    data = {kind: _text(content) for kind, content in given if isinstance(content, (str, list))}
    if "text/html" in data and not NETWORK.search(data["text/html"]):
        return ['<div class="output" markdown="0">', data["text/html"], "</div>"], {}
    for kind, ending in (("image/svg+xml", "svg"), ("image/png", "png")):
        if kind in data:
            if not words:
                raise ValueError(f"nothing says what {name}.{ending} shows: begin its cell with '# what one sees'")
            content = base64.b64decode(data[kind]) if ending == "png" else data[kind].encode()
            return [f"![{words}]({name.rpartition('/')[2]}.{ending})"], {f"{name}.{ending}": content}
    return list(_block(data.get("text/plain", ""))), {}


def _block(text: str) -> Iterator[str]:
    if text.strip():
        yield from ("```text", text.rstrip(), "```")


def _text(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)

"""Files to start from: what `thalweg new` writes."""

from __future__ import annotations

from pathlib import Path

from thalweg.errors import InputError, did_you_mean

TEMPLATES = {"problem": "template_problem.py"}


def write_template(kind: str, path: Path) -> None:
    """Write a file to start from; one that exists is never overwritten.

    Raises:
        InputError: If the kind is unknown, or the file exists or cannot be written.
    """
    if kind not in TEMPLATES:
        raise InputError(f"there is no template '{kind}': {did_you_mean(kind, list(TEMPLATES))}")
    text = Path(__file__).with_name(TEMPLATES[kind]).read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"expected a new file, got '{path}', which exists: name another with --out") from None
    except OSError as error:
        raise InputError(
            f"expected a file that can be written at '{path}', got '{error.strerror}': name another with --out"
        ) from error

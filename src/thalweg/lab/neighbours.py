"""The modules beside a user's file that it imports: part of what it does, and of what tells two of its states apart."""

from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_INSTALLED = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def digest(file: Path, content: bytes) -> str:
    """A hash of a file and of the modules beside it that it imports, and that those import.

    Args:
        file: Where it is.
        content: What is in it.
    """
    others = neighbours(file, content)
    if not others:
        return hashlib.sha256(content).hexdigest()
    hashes = (f"{path.relative_to(file.parent).as_posix()} {hashlib.sha256(text).hexdigest()}" for path, text in others)
    return hashlib.sha256("\n".join([hashlib.sha256(content).hexdigest(), *hashes]).encode()).hexdigest()


def neighbours(file: Path, content: bytes) -> list[tuple[Path, bytes]]:
    """Every module in the file's folder that it imports, and that those import, with what is in it, by their paths.

    Of a package all modules count. What is imported by a name that is only known at run time is not seen.
    """
    folder, found, left = file.parent, {}, [content]
    while left:
        for path in [path for name in _imported(left.pop()) for path in _files(folder, name)]:
            if path not in found and path != file:
                found[path] = path.read_bytes()
                left.append(found[path])
    return sorted(found.items())


def _imported(content: bytes) -> set[str]:
    """The first parts of the names of the modules that a text imports; none where it is no Python."""
    try:
        nodes = [*ast.walk(ast.parse(content))]
    except (SyntaxError, ValueError):
        return set()
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in names} - {""}


def _files(folder: Path, name: str) -> list[Path]:
    module, package = folder / f"{name}.py", folder / name
    if (package / "__init__.py").is_file():
        return sorted(package.rglob("*.py"))
    return [module] if module.is_file() else []


@contextmanager
def importing(file: Path, content: bytes) -> Iterator[None]:
    """Let a file import what is beside it while it is executed, as a script may, and not what is beside another file.

    The folder stays the last place where modules are looked for, for functions that import when they are called.

    Args:
        file: Where it is.
        content: What is in it.
    """
    folder = str(file.parent.resolve())
    names = {path.relative_to(file.parent).parts[0].removesuffix(".py") for path, _ in neighbours(file, content)}
    for module in [module for module in sys.modules if module.partition(".")[0] in names and not _is_installed(module)]:
        del sys.modules[module]  # of another folder, or as it was before it was edited
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)


def _is_installed(module: str) -> bool:
    """Whether it came with Python or a package: such a one is in use all over the process."""
    file = getattr(sys.modules[module], "__file__", None)
    return file is None or file.startswith(_INSTALLED)

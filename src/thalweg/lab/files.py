"""Problems and rules by name, or out of a user's own Python file."""

from __future__ import annotations

import functools
import hashlib
import importlib
import sys
from pathlib import Path
from types import ModuleType

from thalweg.errors import InputError, did_you_mean, in_short
from thalweg.formula import Rule
from thalweg.lab import neighbours
from thalweg.lab.own import from_module
from thalweg.lab.problem import Problem
from thalweg.lab.problems import NAMES
from thalweg.rules.setting import find_rule, find_wrapped

PACKAGE = Path(__file__).parent
USER_MODULES = "thalweg_user_"  # how the modules are called that are executed here
# What decides the problems of the lab, besides their data, whose hash is known.
_DECIDING = ("problems", "data", "digits.py", "initial.py", "measures.py")


def find_problem(reference: str) -> Problem:
    """A problem of the lab by its name, or that of a Python file: its `PROBLEM`, or the one its functions describe.

    Raises:
        InputError: If there is no such problem or file, or the file describes none.
    """
    if reference.endswith(".py"):
        module = load_module(reference)
        found = getattr(module, "PROBLEM", None)
        if found is None:
            return from_module(module, reference)
        if not isinstance(found, Problem):
            raise InputError(f"expected PROBLEM of '{reference}' to be a thalweg.lab.problem.Problem, got {found!r}")
        return found
    if reference not in NAMES:
        raise InputError(f"there is no problem '{reference}': {did_you_mean(reference, list(NAMES))}")
    return _own_module(reference).PROBLEM


def find_anew(reference: str) -> Problem:
    """The same, a file executed anew: one that drew random numbers or kept something must not go on from there."""
    forget_files()
    return find_problem(reference)


def forget_files() -> None:
    """Have every user's file executed anew when it is next asked for."""
    for name in [name for name in sys.modules if name.startswith(USER_MODULES)]:
        del sys.modules[name]


def problem_digest(reference: str) -> str:
    """A hash of what defines a problem, which is part of every run's key.

    That is its file with the modules beside it that it imports, or all files of the lab's own problems.
    """
    if reference.endswith(".py"):
        return neighbours.digest(Path(reference), Path(reference).read_bytes())
    return hashlib.sha256(f"{reference} {_own_digest()}".encode()).hexdigest()


@functools.cache
def _own_digest() -> str:
    places = [PACKAGE / name for name in _DECIDING]
    files = sorted(f for place in places for f in ([place] if place.is_file() else place.rglob("*.py")))
    return hashlib.sha256(b"".join(file.name.encode() + file.read_bytes() for file in files)).hexdigest()


def _own_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(f"thalweg.lab.problems.{name.replace('-', '_')}")
    except ModuleNotFoundError as error:
        raise InputError(
            f"the problem '{name}' needs the package '{error.name}', which is not installed: pip install 'thalweg[lab]'"
        ) from error


def find_rule_or_file(reference: str) -> Rule:
    """A rule by its name, or the one rule that a Python file defines; either in wrappers, as in `l2(my_rule.py)`.

    Raises:
        InputError: If there is no such rule or file, or the file defines none or several.
    """
    return find_wrapped(reference, lambda inner: _rule_in(inner) if inner.endswith(".py") else find_rule(inner))


def names_file(reference: str) -> bool:
    """Whether a rule is asked for by its file.

    Example:
        >>> names_file("my_rule.py"), names_file("l2(my_rule.py)"), names_file("l2(adam)")
        (True, True, False)
    """
    return reference.rstrip(")").endswith(".py")


def _rule_in(reference: str) -> Rule:
    """The one rule that a file defines."""
    module = load_module(reference)
    rules = [v for v in vars(module).values() if isinstance(v, Rule) and v.formula.__module__ == module.__name__]
    if len(rules) != 1:
        names = ", ".join(r.name for r in rules) or "none"
        raise InputError(f"expected one rule in '{reference}', got {names}: define one with @rule")
    return rules[0]


def load_module(path: str) -> ModuleType:
    """Execute a user's own Python file, once per content, as a module; it may import the modules beside it.

    What is hashed is what is executed: the file is read once, and no compiled file beside it is looked at.

    Raises:
        InputError: If the file is missing or fails.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"there is no file '{path}': give the path of a Python file")
    content = file.read_bytes()
    name = f"{USER_MODULES}{file.stem}_{neighbours.digest(file, content)[:16]}"
    if name not in sys.modules:
        sys.modules[name] = _executed(name, file, content)
    return sys.modules[name]


def _executed(name: str, file: Path, content: bytes) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = str(file)
    sys.modules[name] = module  # so that what the file defines finds its own module
    try:
        with neighbours.importing(file, content):
            exec(compile(content, str(file), "exec"), module.__dict__)
    except InputError:
        del sys.modules[name]
        raise
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InputError(f"'{file}' cannot be loaded ({in_short(error)}): mend the file") from error
    return module


def prepare_folder(folder: Path) -> None:
    """Make the output folder, and make sure that it can be written before any work starts.

    Raises:
        InputError: If it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".thalweg-write-test"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"expected a folder that can be written at '{folder}', got '{error.strerror}': name another with --out"
        ) from error

"""A hash of what functions do: of their code, and of all that they find outside of it.

It tells two notebooks' functions apart where no file does. The text of a function would not: a helper that it calls, a
value that it captured or a class's method may have changed while its text did not, and the text of a lambda is that of
the whole statement around it.
"""

from __future__ import annotations

import copyreg
import dis
import hashlib
import random
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), torch.dtype, torch.device)
# What a class has without anybody's doing, or what says where it stands and not what it does.
_UNTOLD = {"__dict__", "__weakref__", "__module__", "__doc__", "__firstlineno__", "__static_attributes__"}
_SHARED = (tuple, frozenset, CodeType)  # whether equal ones are one object is up to the compiler
_INSTALLED = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_PACKAGE = str(Path(__file__).parents[1])


def identity(*values: Any) -> str:
    """A hash of functions, classes and values: the same in every process, another one where one of them does other.

    Libraries count by their names, a module of one's own by its file, tensors and arrays by their bytes; of objects
    that are none of these their attributes.

    Example:
        >>> def times(scale):
        ...     return lambda model, batch: scale * model(batch)
        >>> identity(times(2.0)) == identity(times(2.0)), identity(times(2.0)) == identity(times(3.0))
        (True, False)
    """
    found = hashlib.sha256()
    for piece in _told(values, {}):
        found.update(f"{len(piece)}:{piece}".encode("utf-8", "backslashreplace"))
    return found.hexdigest()


def changeable(*values: Any) -> list[Any]:
    """Every generator, list, dictionary and set that functions and values hold."""
    seen: dict[int, tuple[int, Any]] = {}
    for _ in _told(values, seen):
        pass
    return [value for _, value in seen.values() if any(isinstance(value, kind) for kind, _, _ in _KEPT)]


@contextmanager
def untouched(held: Iterable[Any]) -> Iterator[None]:
    """Put what functions hold back to what it was before they were tried.

    Example:
        >>> calls = []
        >>> with untouched(changeable(partial(calls.append, 1))):
        ...     calls.append(1)
        >>> calls
        []
    """
    kept = [(value, *next((get, put) for kind, get, put in _KEPT if isinstance(value, kind))) for value in held]
    before = [(value, get(value), put) for value, get, put in kept]
    try:
        yield
    finally:
        for value, state, put in before:
            put(value, state)


def _told(value: Any, seen: dict[int, tuple[int, Any]]) -> Iterator[str]:
    if isinstance(value, _PLAIN):
        yield repr(value)
        return
    if id(value) in seen:  # a function that calls itself, an object that knows its parent
        yield f"as {seen[id(value)][0]}"
        return
    if not isinstance(value, _SHARED):
        seen[id(value)] = len(seen), value  # kept alive, so that nothing else gets its id
    parts = [*_parts(value)]
    yield f"{type(value).__name__} of {len(parts)}"
    for part in parts:
        if isinstance(part, _Bytes):
            yield part
        else:
            yield from _told(part, seen)


class _Bytes(str):
    """A piece of the answer, where other texts are values to tell of."""


def _parts(value: Any) -> Iterable[Any]:
    """What decides what a value is."""
    for kinds, parts in _PARTS:
        if isinstance(value, kinds):
            return parts(value)
    return _object(value)


def _tensor(tensor: torch.Tensor) -> Iterable[Any]:
    dense = tensor.to_dense() if tensor.layout != torch.strided else tensor
    real = torch.view_as_real(dense.resolve_conj()) if dense.is_complex() else dense
    flat = real.contiguous().flatten().view(torch.uint8)  # NumPy does not know all types
    return [tensor.dtype, str(tensor.layout), tuple(tensor.shape), flat.numpy()]


def _array(array: np.ndarray) -> Iterable[Any]:
    if array.dtype == object:
        return array.tolist()
    return [_Bytes(f"{array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}")]


def _named(value: Any) -> Iterable[Any]:
    """What has a name by which a library's is known, and something inside where it is one's own."""
    name = f"{getattr(value, '__module__', '')} {getattr(value, '__qualname__', value.__name__)}"
    closure = getattr(value, "__closure__", None)  # of a class made in Cython it is a descriptor
    cells = [cell.cell_contents for cell in closure if _is_filled(cell)] if isinstance(closure, tuple) else []
    if _of_a_library(value):
        return [name, *cells]  # what a library made around a function of one's own holds that one
    if isinstance(value, ModuleType):
        file = Path(getattr(value, "__file__", None) or "")
        return [value.__name__, hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""]
    if isinstance(value, FunctionType):
        globals_ = {name: value.__globals__[name] for name in _names(value.__code__) if name in value.__globals__}
        return [value.__code__, value.__defaults__, value.__kwdefaults__, cells, globals_]
    own = {name: part for name, part in sorted(vars(value).items()) if name not in _UNTOLD}
    return [value.__qualname__, *value.__bases__, own]


def _names(code: CodeType) -> list[str]:
    """The global names that a function's code looks up, those of functions within it included."""
    inner = [name for part in code.co_consts if isinstance(part, CodeType) for name in _names(part)]
    own = [i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    return sorted({*own, *inner})


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _object(value: Any) -> Iterable[Any]:
    """As pickle would keep it where its class says how: a logger is its name. Else its attributes."""
    how = copyreg.dispatch_table.get(type(value))
    if how is None and type(value).__reduce__ is not object.__reduce__:
        how = _reduced
    if how is not None:
        with suppress(Exception):
            return [type(value), list(how(value))[:3]]
    slots = [name for kind in type(value).__mro__ for name in _listed(vars(kind).get("__slots__", ()))]
    held = {name: getattr(value, name) for name in slots if hasattr(value, name) and name != "__weakref__"}
    return [type(value), {**held, **getattr(value, "__dict__", {})}]


def _reduced(value: Any) -> Any:
    return value.__reduce_ex__(4)


def _listed(slots: Any) -> Iterable[str]:
    return (slots,) if isinstance(slots, str) else slots


def _of_a_library(value: Any) -> bool:
    """Whether it came with Python or an installed package, whose versions decide what it does."""
    module = value if isinstance(value, ModuleType) else sys.modules.get(value.__module__ or "")
    if module is None or module.__name__ == "__main__":
        return False
    file = getattr(module, "__file__", None)
    return file is None or file.startswith((*_INSTALLED, _PACKAGE))


# The first kind that fits counts; what is none of them is an object with attributes.
_PARTS: tuple[tuple[Any, Callable[[Any], Iterable[Any]]], ...] = (
    (np.ndarray | np.generic, lambda array: _array(np.asarray(array))),
    (torch.Tensor, lambda tensor: _tensor(tensor.detach().cpu())),
    (CodeType, lambda code: [code.co_code.hex(), *code.co_names, *code.co_consts]),
    (Mapping, lambda mapping: [part for pair in mapping.items() for part in pair]),
    (set | frozenset, lambda several: sorted(map(identity, several))),
    (list | tuple, lambda several: several),
    (partial, lambda function: [function.func, function.args, function.keywords]),
    (MethodType, lambda method: [method.__func__, method.__self__]),
    (ModuleType | FunctionType | type, _named),
)


def _refill(held: Any, before: Any) -> None:
    held.clear()
    (held.extend if isinstance(held, list) else held.update)(before)


def _wind(generator: np.random.Generator, state: Any) -> None:
    generator.bit_generator.state = state


# What changes when functions are tried, how its state is read, and how it is put back.
_KEPT: tuple[tuple[Any, Callable[[Any], Any], Callable[[Any, Any], Any]], ...] = (
    (torch.Generator, torch.Generator.get_state, torch.Generator.set_state),
    (np.random.Generator, lambda generator: generator.bit_generator.state, _wind),
    (np.random.RandomState, np.random.RandomState.get_state, np.random.RandomState.set_state),
    (random.Random, random.Random.getstate, random.Random.setstate),
    ((list, dict, set), lambda held: held.copy(), _refill),
)

"""Tables as JSON and back: what the store keeps of a comparison, so that a report needs neither models nor torch."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from numbers import Integral, Real
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from thalweg.errors import InputError

Table = TypeVar("Table")


def to_plain(value: Any) -> Any:
    """A table of `thalweg.lab.table`, or a part of one, as what JSON can hold; numbers that are not finite become None.

    Args:
        value: A dataclass, a mapping, a sequence, or what JSON knows. A mapping whose keys are no texts becomes a list
            of pairs.

    Raises:
        TypeError: If it holds anything else.

    Example:
        >>> from thalweg.lab.table import Estimate
        >>> to_plain(Estimate(0.5, seeds=1))
        {'mean': 0.5, 'low': None, 'high': None, 'seeds': 1, 'method': ''}
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        pairs = [[to_plain(key), to_plain(held)] for key, held in value.items()]
        return dict(pairs) if all(isinstance(key, str) for key in value) else pairs
    if isinstance(value, list | tuple):
        return [to_plain(held) for held in value]
    raise TypeError(f"expected what JSON can hold, got a {type(value).__name__}")


def from_plain(kind: type[Table], data: Any) -> Table:
    """The table that `to_plain` made plain: equal to it, but for numbers that were not finite.

    Args:
        kind: The dataclass to make.
        data: As `to_plain` or JSON gives it. What was added to the dataclass since, with a default, may be absent.

    Raises:
        InputError: If the data does not fit, for instance since another version made it.

    Example:
        >>> from thalweg.lab.table import Estimate
        >>> from_plain(Estimate, to_plain(Estimate(0.5, 0.4, 0.6, 3, "t")))
        Estimate(mean=0.5, low=0.4, high=0.6, seeds=3, method='t')
    """
    try:
        return _read(kind, data)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InputError(
            f"expected a {kind.__name__} as this version of Thalweg keeps it, got one that differs ({error}): make it "
            "again with 'thalweg compare', which trains only what is missing"
        ) from error


def _read(kind: Any, data: Any) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if data is None or kind is Any:
        return data
    if is_dataclass(kind):
        return _read_fields(kind, data)
    if origin in (Union, types.UnionType):
        other = [part for part in inner if part is not type(None)]
        return _read(other[0], data) if len(other) == 1 else data
    if origin is tuple:
        kinds = (inner[0],) * len(data) if inner[-1] is Ellipsis else inner
        return tuple(_read(part, held) for part, held in zip(kinds, data, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        pairs = data.items() if isinstance(data, Mapping) else data
        return {_read(inner[0], key): _read(inner[1], held) for key, held in pairs}
    return data


def _read_fields(kind: Any, data: Mapping[str, Any]) -> Any:
    hints = get_type_hints(kind)
    if unknown := set(data) - set(hints):
        raise KeyError(f"unknown {', '.join(sorted(unknown))}")
    required = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
    if absent := required - set(data):
        raise KeyError(f"no {', '.join(sorted(absent))}")
    return kind(**{name: _read(hints[name], held) for name, held in data.items()})

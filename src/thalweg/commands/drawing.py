"""From what `thalweg draw` is asked for to the descents that it draws; whatever is wrong is refused here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from thalweg.draw import rates
from thalweg.draw.labels import NAMES
from thalweg.draw.scene import Contender, check_start, check_steps, scene
from thalweg.draw.steps import Column
from thalweg.draw.views import View
from thalweg.errors import InputError, did_you_mean
from thalweg.formula.surface import Point, Surface, check_window
from thalweg.lab.files import find_rule_or_file, load_module, names_file
from thalweg.lab.grammar import Piece, parse_arguments, parse_optimizers
from thalweg.rules import RULES
from thalweg.rules.peers import classes, defaults, match
from thalweg.rules.setting import Setting, resolve, setting
from thalweg.surfaces import SURFACES
from thalweg.surfaces.parsed import surface_of

MOST_COLUMNS = 6
FACTORS = {1 / 3: "a third of each lr", 1.0: "each lr as below", 3.0: "three times each lr"}
Window = tuple[Point, Point]
DEFAULT_WINDOW: Window = ((-5.0, 5.0), (-5.0, 5.0))  # of a function that was typed


@dataclass(frozen=True)
class Asked:
    """The command's options, as given.

    Attributes:
        surface: A name of the catalogue.
        function: A formula of one's own instead.
        file: A Python file with a surface instead.
        start: Where to begin.
        window: What is shown.
        steps: How many.
        noise: In gradients.
        seed: Of the noise.
        rules: Who descends.
        lr: How the learning rates are chosen.
        view: What the picture shows.
    """

    surface: str | None
    function: str | None
    file: Path | None
    start: str | None
    window: str | None
    steps: int | None
    noise: float
    seed: int
    rules: str | None
    lr: str | None
    view: View

    @property
    def name(self) -> str:
        """What the picture's file is called where nothing is said."""
        return self.surface or (self.file.stem if self.file else "function")


def columns(asked: Asked) -> list[Column]:
    """The descents to draw: one column, or for the view `steps` one for each learning rate.

    Raises:
        InputError: If anything that was asked for cannot be drawn.
    """
    chosen = rates_of(asked.lr, asked.view)
    window, start = _window(asked.window), _point(asked.start)
    surface = _surface(asked, window, start)
    steps = surface.steps if asked.steps is None else asked.steps
    shown, begin = window or surface.window, start or _start(surface, window)
    check_steps(steps)
    check_window(shown, (begin,))
    check_start(surface, begin)
    contenders = _contenders(asked.rules, steps)
    remark = rates.GRID_TEXT if chosen == "best" else ""

    def column(title: str, runs: Sequence[Contender], told: bool = True) -> Column:
        entries = tuple(c.settings if told else c.settings_without_rate for c in runs)
        return Column(title, scene(surface, _labelled(runs), begin, steps, shown, remark), entries)

    if isinstance(chosen, tuple) and asked.view == "steps":
        rate, *others = chosen
        several = chosen if others else [float(f"{factor * rate:.12g}") for factor in (0.1, 1.0, 10.0)]
        return [column(f"lr {rate:g}", _at(contenders, rate), told=False) for rate in several]
    rated = _rated(contenders, surface, chosen, begin, steps, shown)
    if asked.view != "steps":
        return [column("", rated)]
    labelled = _labelled(rated)
    return [column(title, _times(labelled, factor)) for factor, title in FACTORS.items()]


def rates_of(text: str | None, view: View) -> str | tuple[float, ...]:
    """How learning rates are chosen: `""` as the surface declares, `"best"`, or numbers.

    Raises:
        InputError: If the text is neither, a number is not above 0 or comes twice, or there are several and the view
            shows one.

    Example:
        >>> rates_of("0.1", "path"), rates_of("best", "path"), rates_of("0.001,0.01", "steps")
        ((0.1,), 'best', (0.001, 0.01))
    """
    if text is None or text.strip() == "best":
        return (text or "").strip()
    numbers = _numbers(text)
    if not numbers or not all(rate > 0 for rate in numbers):
        raise InputError(f"expected a learning rate above 0 or 'best' for --lr, got '{text}': write for instance 0.01")
    if len(numbers) > 1 and view != "steps":
        raise InputError(f"expected one learning rate for --view {view}, got '{text}': use --view steps for several")
    if len(numbers) > MOST_COLUMNS:
        raise InputError(
            f"expected at most {MOST_COLUMNS} learning rates, got {len(numbers)}: a picture has no more room"
        )
    if len(set(numbers)) < len(numbers):
        raise InputError(f"expected every learning rate once, got '{text}': remove one")
    return numbers


def _numbers(text: str) -> tuple[float, ...]:
    """The finite numbers between commas; nothing where something else stands there."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        return ()
    return numbers if all(map(math.isfinite, numbers)) else ()


def _window(text: str | None) -> Window | None:
    if text is None:
        return None
    numbers = _numbers(text)
    if len(numbers) != 4:
        raise InputError(f"expected --window x0,x1,y0,y1, got '{text}': write for instance --window -2,2,-1,3")
    window = numbers[:2], numbers[2:]
    check_window(window, ())
    return window


def _point(text: str | None) -> Point | None:
    if text is None:
        return None
    numbers = _numbers(text)
    if len(numbers) != 2:
        raise InputError(f"expected --start x,y, got '{text}': write for instance --start -1.5,0.5")
    return numbers


def _surface(asked: Asked, window: Window | None, start: Point | None) -> Surface:
    given = [
        name
        for name, value in (("SURFACE", asked.surface), ("--function", asked.function), ("--file", asked.file))
        if value is not None
    ]
    if len(given) != 1:
        raise InputError(
            f"expected one of SURFACE, --function and --file, got {' and '.join(given) or 'none'}: "
            f"write for instance thalweg draw saddle"
        )
    if asked.function is not None:
        found = surface_of(asked.function, window or DEFAULT_WINDOW, start)
    else:
        found = _named(asked.surface) if asked.surface is not None else _in_file(str(asked.file))
    return found.noisy(asked.noise, asked.seed)


def _named(name: str) -> Surface:
    if name.endswith(".py"):
        raise InputError(f"expected the name of a surface, got the file '{name}': write --file {name}")
    if name not in SURFACES:
        raise InputError(f"there is no surface '{name}': {did_you_mean(name, list(SURFACES))}")
    return SURFACES[name]


def _in_file(path: str) -> Surface:
    """The one surface that a file defines."""
    module = load_module(path)
    found = {
        id(v): v for v in vars(module).values() if isinstance(v, Surface) and v.formula.__module__ == module.__name__
    }
    if len(found) != 1:
        names = ", ".join(s.name for s in found.values()) or "none"
        raise InputError(f"expected one surface in '{path}', got {names}: define one with @surface")
    return next(iter(found.values()))


def _start(surface: Surface, window: Window | None) -> Point:
    """The first declared start that the window shows, or else the first."""
    if not surface.starts:
        raise InputError(f"expected a start, but '{surface.name}' declares none: give --start x,y")
    (left, right), (low, high) = window or surface.window
    inside = (point for point in surface.starts if left <= point[0] <= right and low <= point[1] <= high)
    return next(inside, surface.starts[0])


def _contenders(text: str | None, steps: int) -> list[Contender]:
    """Who descends, at the learning rates of their own."""
    if text is None or text.strip() == "all":
        return [_contender(name, Piece(1, None, name, ()), steps) for name in (RULES if text else NAMES)]
    chosen = []
    for written, pieces in parse_optimizers(text):
        piece, *others = pieces
        if others:
            raise InputError(f"expected rules that do not change on the way, got '{written}': draw each of its rules")
        chosen.append(_contender(written, piece, steps))
    return chosen


def _contender(written: str, piece: Piece, steps: int) -> Contender:
    arguments = parse_arguments(piece.arguments, written, steps)
    by_file = names_file(piece.name)
    chosen = setting(find_rule_or_file(piece.name), arguments) if by_file else resolve(piece.name, arguments)
    if chosen.hyper.get("lr") == 0:
        raise InputError(f"lr of '{written}' must be above 0, got 0, which goes nowhere: choose a learning rate")
    given = arguments.keys() & chosen.rule.hyper.keys() if by_file else _given(piece.name, arguments, chosen)
    return Contender(NAMES.get(chosen.rule.name, chosen.rule.name), chosen, frozenset(given))


def _given(name: str, arguments: Mapping[str, Any], chosen: Setting) -> set[str]:
    """The hyperparameters that were asked for, in whatever framework's words."""
    own = set(arguments.keys() & chosen.rule.hyper.keys())
    dialect = str(arguments.get("dialect", "torch"))
    if name.lower() not in classes(dialect):
        return own
    cls = classes(dialect)[name.lower()]
    every = defaults(dialect, cls)
    spelled = {k: v for k, v in arguments.items() if k in every}
    letters = match(dialect, cls, every | spelled).letters
    return own | {letter for letter, (argument, _) in letters.items() if argument in spelled}


def _rated(
    contenders: Sequence[Contender],
    surface: Surface,
    chosen: str | tuple[float, ...],
    start: Point,
    steps: int,
    window: Window,
) -> list[Contender]:
    if chosen == "best":
        return rates.best(surface, contenders, start, steps, window)
    if isinstance(chosen, tuple):
        return _at(contenders, *chosen)
    return [c if "lr" in c.given else replace(c, setting=rates.declared(surface, c.setting)) for c in contenders]


def _at(contenders: Sequence[Contender], rate: float) -> list[Contender]:
    return [c if "lr" in c.given else replace(c, setting=rates.at_rate(c.setting, rate)) for c in contenders]


def _times(contenders: Sequence[Contender], factor: float) -> list[Contender]:
    return [replace(c, setting=rates.times(c.setting, factor)) for c in contenders]


def _labelled(contenders: Sequence[Contender]) -> list[Contender]:
    """The same, those of one name told apart by their settings."""
    labels = [c.label for c in contenders]
    full = [f"{c.label} {c.settings}" if labels.count(c.label) > 1 else c.label for c in contenders]
    if twice := [label for label in full if full.count(label) > 1]:
        raise InputError(f"expected every rule once, got '{twice[0]}' twice: remove one")
    return [replace(c, label=label) for c, label in zip(contenders, full, strict=True)]

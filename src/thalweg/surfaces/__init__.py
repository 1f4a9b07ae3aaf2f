"""The surfaces: functions of the plane to descend. A new one is its own file and one line of `NAMES`."""

from importlib import import_module

from thalweg.formula.surface import Surface

NAMES = (
    "saddle",
    "ravine",
    "rosenbrock",
    "beale",
    "branin",
    "himmelblau",
    "rastrigin",
    "two_minima",
    "plateau",
    "waves",
)

SURFACES: dict[str, Surface] = {name: getattr(import_module(f"thalweg.surfaces.{name}"), name) for name in NAMES}

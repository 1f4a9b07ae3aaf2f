"""The alarms: every known way in which training goes wrong. A new one is its own file and one line of `NAMES`."""

from importlib import import_module

from thalweg.watch.alarm import Alarm

# The first are the worst.
NAMES = (
    "nonfinite",
    "divergence",
    "lr_high",
    "spike",
    "oscillation",
    "update_growth",
    "lr_low",
    "plateau",
    "dead",
    "small",
    "rounding",
    "stale_moment",
    "epsilon",
    "adagrad",
    "first_gradients",
    "bias_correction",
    "l2",
    "known_default",
)
ALARMS: tuple[Alarm, ...] = tuple(import_module(f"thalweg.watch.alarms.{name}").ALARM for name in NAMES)
BY_NAME: dict[str, Alarm] = {alarm.name: alarm for alarm in ALARMS}

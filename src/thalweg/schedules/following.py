"""The kind of parameter that is a schedule with a step number of its own; a plain number there is `constant`."""

from thalweg.schedules.constant import constant
from thalweg.schedules.parameter import Kind

SCHEDULE = Kind("a schedule or a finite number", convert=constant, schedules="handed over")

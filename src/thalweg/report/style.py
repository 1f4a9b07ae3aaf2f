"""How every chart looks: colours, axes, and the way to SVG and PNG, which needs no browser and no network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from thalweg.colours import NESTEROV, RMSPROP

if TYPE_CHECKING:
    import altair

GOOD, BAD = RMSPROP.light, NESTEROV.light  # told apart by colour-blind readers too
# The page restyles these four by their values for dark mode: a chart uses no other grey and no other white.
INK, QUIET, GRID, PAPER = "#333333", "#999999", "#e4e4e4", "#ffffff"
PADDING = 10
WIDE = 30  # a metric to minimise that spans more than this factor is drawn on a logarithmic scale
DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2])  # for optimizers of one colour, in turn
_Chart = TypeVar("_Chart", "altair.HConcatChart", "altair.LayerChart", "altair.ConcatChart", "altair.VConcatChart")


def styled(chart: _Chart) -> _Chart:
    """A chart with fonts, greys and margins."""
    ink: dict[str, Any] = {"labelColor": INK, "titleColor": INK}
    return (
        chart.configure(background=PAPER, padding=12, font="sans-serif", aria=False)
        .configure_view(stroke=None)
        .configure_axis(
            gridColor=GRID,
            domainColor=QUIET,
            tickColor=QUIET,
            titleFontWeight="normal",
            titleFontSize=13,
            labelFontSize=12,
            **ink,
        )
        .configure_legend(labelColor=INK, labelFontSize=12)
        .configure_title(color=INK, subtitleColor=INK)
    )


def title_above() -> dict[str, Any]:
    """An axis's title above the axis: level in all panels, and readable without turning one's head."""
    return {"titleAngle": 0, "titleAlign": "left", "titleBaseline": "bottom", "titleX": 0, "titleY": -12}


def log_ticks(low: float, high: float, pixels: int = 240) -> list[float]:
    """Round numbers between two ends: powers of ten, and numbers between these until there are enough.

    Args:
        low: The lower end, above zero.
        high: The upper end.
        pixels: Length of the axis, which has a margin at both ends.

    Returns:
        The numbers, rising.
    """
    margin = (high / low) ** (PADDING / (pixels - 2 * PADDING))
    low, high = low / margin, high * margin
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for steps in ((1,), (1, 2, 5), range(1, 10)):
        candidates = (float(f"{step}e{decade}") for decade in decades[:: 1 + len(decades) // 12] for step in steps)
        ticks = [tick for tick in candidates if low <= tick <= high]
        if len(ticks) >= 3:
            break
    return ticks


def scale_of(values: Sequence[float], logarithmic: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """A value axis: what its scale and its ticks are, logarithmic only where every value is above zero.

    Args:
        values: Everything that is drawn on it.
        logarithmic: Whether a logarithmic scale is wanted.

    Returns:
        Arguments for `altair.Scale` and for `altair.Axis`.
    """
    if not logarithmic or not values or min(values) <= 0:
        return {"zero": False}, {"tickCount": 6}
    ticks = log_ticks(min(values), max(values))
    written = "~e" if max(values) >= 1e6 or min(values) < 1e-4 else "~g"
    return {"type": "log"}, {"format": written, **({"values": ticks} if len(ticks) > 1 else {"tickCount": 6})}


def save_png(chart: altair.TopLevelMixin, path: Path) -> None:
    """Writes a chart as a PNG file with two pixels per point.

    Args:
        chart: The chart.
        path: The file to write.
    """
    import vl_convert

    path.write_bytes(vl_convert.vegalite_to_png(chart.to_dict(validate=False), scale=2))


def to_svg(chart: altair.TopLevelMixin) -> str:
    """Draws a chart as an SVG document.

    Args:
        chart: The chart.

    Returns:
        The document's text.
    """
    import vl_convert

    return vl_convert.vegalite_to_svg(chart.to_dict(validate=False))

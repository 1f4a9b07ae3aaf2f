"""Pictures at the ends of what can be drawn, and what is said on pictures of other settings than a surface's own."""

import itertools

import numpy as np
import pytest

from thalweg.draw import rates, save
from thalweg.draw.contours import frame
from thalweg.draw.page import taught
from thalweg.draw.path import limits, path
from thalweg.draw.scene import Contender, Scene, scene
from thalweg.draw.steps import Column
from thalweg.draw.ticks import along_steps
from thalweg.draw.views import still
from thalweg.rules.setting import resolve
from thalweg.surfaces import SURFACES
from thalweg.surfaces.parsed import surface_of


def drawn(**more) -> Scene:
    saddle = SURFACES["saddle"]
    return scene(saddle, [Contender(r, rates.declared(saddle, resolve(r, {}))) for r in ("sgd", "adam")], **more)


def test_what_a_surface_teaches_is_said_of_its_own_settings() -> None:
    teaches = SURFACES["saddle"].teaches
    assert taught(drawn()) == teaches
    for other in (drawn(steps=9), drawn(start=(1.0, 1.0))):
        assert taught(other) == f"At the surface's own start, rates and steps: {teaches}"
    faster = scene(SURFACES["saddle"], [Contender("SGD", resolve("sgd", {"lr": 0.5}))])
    assert taught(faster) == taught(drawn(), elsewhere=True) != teaches
    assert taught(drawn(), elsewhere=True).endswith(teaches)
    assert taught(scene(surface_of("x"), ())) == ""


WINDOWS = [((-2.0, 2.0), (-1.0, 1.0)), ((-1e-6, 1e-6), (-1e30, 1e30)), ((1e6, 1e6 + 10), (0.0, 1.0))]


def painted():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((2.3, 2.0))
    FigureCanvasAgg(figure)
    return figure, figure.add_axes((0, 0.2, 1, 0.8))


@pytest.mark.parametrize("window", WINDOWS, ids=["usual", "tiny and huge", "far away"])
def test_numbers_along_axes_are_written_out_and_true(window) -> None:
    figure, axes = painted()
    frame(axes, window)
    figure.canvas.draw()
    for axis, (low, high) in zip((axes.xaxis, axes.yaxis), window, strict=True):
        assert axis.get_offset_text().get_text() == ""
        written = [float(text.get_text().replace("−", "-")) for text in axis.get_ticklabels()]
        assert len(written) > 2
        assert np.allclose(written, axis.get_ticklocs(), atol=1e-3 * (high - low), rtol=0)


@pytest.mark.parametrize("count", [1, 120, 9_999, 100_000])
def test_numbers_of_steps_do_not_collide(count: int) -> None:
    figure, axes = painted()
    along_steps(axes, count)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in axes.xaxis.get_ticklabels()]
    assert len(boxes) > 1
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))


@pytest.mark.parametrize("text", ["1e-300*x**2", "exp(x**4)", "where(x>0, 1e300, 0)+y", "where(x<4, 1e160*y, 1e308*x)"])
def test_tiny_and_huge_values_are_drawn(text: str) -> None:
    found = scene(surface_of(text), [Contender("SGD", resolve("sgd", {"lr": 0.1}))], steps=3)
    assert still("path", [Column("", found, ("",))], ".png")


def test_positive_values_that_are_very_uneven_have_a_logarithmic_scale() -> None:
    shown = scene(surface_of("exp(x**4)"), [Contender("RMSProp", resolve("rmsprop", {"lr": 0.1}))], steps=60)
    low, high = limits(shown, None)
    assert 0 < low < high / 1e20
    with save.style():
        assert path(shown).axes[1].get_yscale() == "log"

"""Animations: what stands still is the same in every frame, what moves moves, and files are whole or not there."""

import itertools
import sys

import numpy as np
import pytest

from thalweg.draw import animation
from thalweg.draw.animation import animate
from thalweg.draw.film import Film, spread_over
from thalweg.draw.relief import relief, staged
from thalweg.draw.save import style
from thalweg.draw.scene import Contender, scene
from thalweg.draw.terrain import hidden, terrain
from thalweg.draw.trail import trail
from thalweg.errors import InputError
from thalweg.formula.surface import surface
from thalweg.rules.setting import resolve
from thalweg.surfaces import SURFACES
from thalweg.surfaces.parsed import surface_of

Image = pytest.importorskip("PIL.Image")


def drawn(name="saddle", steps=12, **rules):
    rules = rules or {"sgd": {"lr": 0.05}, "adam": {"lr": 0.4}}
    return scene(SURFACES[name], [Contender(rule, resolve(rule, hyper)) for rule, hyper in rules.items()], steps=steps)


def frames_of(path):
    with Image.open(path) as image:
        found = []
        for number in range(image.n_frames):
            image.seek(number)
            found.append((np.array(image.convert("RGB")), image.info["duration"], image.info.get("loop")))
        return found


@pytest.fixture(scope="module", params=["path", "relief"])
def gif(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("gif") / "some.gif"
    shown = drawn()
    animate(shown, path, request.param, 5)
    return request.param, shown, path


def test_frames_and_their_times(gif):
    _, _, path = gif
    frames = frames_of(path)
    assert [time for _, time, _ in frames] == [200, 200, 200, 200, 2000]
    assert frames[0][2] == 0  # for ever
    assert frames[0][0].shape[1] == 960


def test_what_moves_moves_and_the_rest_stands_still(gif):
    view, shown, path = gif
    frames = [pixels for pixels, _, _ in frames_of(path)]
    figure, moving = animation.VIEWS[view](shown)
    live = Film(figure, moving, spread_over(shown.steps, 5)).frames()
    with style():
        still, last, *_ = [np.array(pixels)[..., :3] for pixels in live]
    never = (still == last).all(axis=-1)
    changed = [(a != b).any(axis=-1) for a, b in itertools.pairwise(frames)]
    assert all(where.any() for where in changed)
    untouched = ~np.any(changed, axis=0)
    assert untouched.mean() > 0.9
    assert (np.abs(frames[-1].astype(int) - frames[0])[untouched] == 0).all()
    assert never.mean() > 0.8


def test_lines_have_their_colours_to_the_bit_and_grow(gif):
    _, shown, path = gif
    frames = [pixels for pixels, _, _ in frames_of(path)]
    for descent in shown.descents:
        colour = np.array([int(descent.colour[place : place + 2], 16) for place in (1, 3, 5)])
        counts = [int((pixels == colour).all(axis=-1).sum()) for pixels in frames]
        assert counts[0] > 20  # its sample in the key
        assert counts[2] > counts[0] + 20


def test_the_same_bytes_each_time(gif, tmp_path):
    view, shown, path = gif
    animate(shown, tmp_path / "again.gif", view, 5)
    assert (tmp_path / "again.gif").read_bytes() == path.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["again.gif"]


def test_a_note_appears_when_it_happens():
    shown = drawn(steps=12, adam={"lr": 0.4})
    assert shown.descents[0].note == "left the window at step 6"
    figure, moving = staged(shown)
    seen = [
        [each.artist.get_visible() for each in moving if type(each).__name__ == "Remark"]
        for step in (0, 5, 6, 12)
        if [each.show(step) for each in moving]
    ]
    assert seen == [[False], [False], [True], [True]]
    assert any(text.get_text() == "step 12 of 12" for text in figure.texts)


def test_a_line_shows_no_step_that_is_still_to_come():
    _, moving = animation.from_above(drawn(steps=12, sgd={"lr": 0.05}))
    line, dots, tip, curve, *_ = moving
    for step in (0, 7, 12):
        for each in moving:
            each.show(step)
        assert curve.artist.get_xdata()[-1] == step
        assert len(curve.artist.get_xdata()) == step + 1
        assert tip.artist.get_xdata()[-1] == pytest.approx(-1.5 * 0.9**step)
        assert line.artist.get_xdata()[-1] == pytest.approx(-1.5 * 0.9**step)
        assert len(dots.artist.get_xdata()) == step + 1


def test_fewer_frames_than_asked_for_where_there_are_fewer_steps(tmp_path):
    animate(drawn(steps=2), tmp_path / "a.gif", "path", 50)
    assert len(frames_of(tmp_path / "a.gif")) == 3


def test_a_run_that_diverges_ends(tmp_path):
    shown = drawn("rosenbrock", 10, sgd={"lr": 1.0})
    assert "diverged" in shown.descents[0].note or "no value" in shown.descents[0].note
    animate(shown, tmp_path / "a.gif", "path", 4)
    animate(shown, tmp_path / "b.gif", "relief", 4)
    assert len(frames_of(tmp_path / "a.gif")) == len(frames_of(tmp_path / "b.gif")) == 4


def test_mp4(tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    animate(drawn(), tmp_path / "a.mp4", "path", 5)
    about = next(reader := ffmpeg.read_frames(str(tmp_path / "a.mp4")))
    reader.close()
    assert about["codec"] == "h264" and about["pix_fmt"].startswith("yuv420p")
    assert all(side % 2 == 0 for side in about["size"]) and about["size"][0] == 960
    assert about["duration"] == pytest.approx(5 * 0.2 + 2, abs=0.25)
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_a_missing_ffmpeg_is_named_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ModuleNotFoundError) as error:
        animate(drawn(), tmp_path / "a.mp4", "path", 5)
    assert error.value.name == "imageio_ffmpeg"
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_animation_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a.gif"
    path.write_bytes(b"before")

    def interrupted(self):
        yield np.zeros((4, 4, 4), np.uint8)
        yield np.zeros((4, 4, 4), np.uint8)
        raise KeyboardInterrupt

    monkeypatch.setattr(Film, "frames", interrupted)
    with pytest.raises(KeyboardInterrupt):
        animate(drawn(), path, "path", 5)
    assert [file.name for file in tmp_path.iterdir()] == ["a.gif"] and path.read_bytes() == b"before"


@pytest.mark.parametrize(
    ("name", "view", "frames", "said"),
    [
        ("a.png", "path", 5, r"\.gif or \.mp4"),
        ("a.gif", "basins", 5, "path, relief"),
        ("a.gif", "path", 0, "frames, got 0"),
        ("a.gif", "path", 10**6, "frames, got 1,000,000"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(tmp_path, name, view, frames, said):
    with pytest.raises(InputError, match=said):
        animate(drawn(), tmp_path / name, view, frames)
    assert list(tmp_path.iterdir()) == []


WINDOW = ((-1.0, 1.0), (-1.0, 1.0))


@pytest.mark.parametrize(
    "points",
    [
        [[0, 0], [3, 0], [3, 5], [0, 0.5]],  # beside the window along an axis
        [[0, 0], [0.5, 1e30], [0.5, -1e30], [0.6, 0.5]],  # through it at a step that rounds all away
        [[0, 0], [1e308, 0], [-1e308, 0]],  # at one that overflows
        [[0, 0]],
        [[0, 0], *[[0.5, 0.5]] * 9, [0.9, 0.9]],
    ],
)
def test_a_trail_stays_in_the_window_and_its_steps_rise(points):
    way = trail(np.array(points, float), WINDOW)
    there = way.points[np.isfinite(way.points).all(axis=1)]
    assert (np.abs(there) <= 1).all() and there[0].tolist() == [0, 0]
    assert np.isfinite(way.taken).all() and (np.diff(way.taken) >= 0).all()
    assert way.taken[-1] <= len(points) - 1


def test_a_long_stay_is_two_corners_and_the_move_after_it_comes_in_time():
    way = trail(np.array([[0.0, 0.0]] * 50_000 + [[0.5, 0.0]]), WINDOW)
    assert len(way.taken) < 100
    assert way.points[way.taken <= 49_999].max() == 0 and way.taken[-1] == 50_000


def test_a_run_that_is_infinite_after_a_step_is_drawn(tmp_path):
    shown = drawn("rosenbrock", 3, sgd={"lr": 1e308})
    assert shown.descents[0].note == "diverged at step 1"
    animate(shown, tmp_path / "a.gif", "path", 2)
    animate(shown, tmp_path / "b.gif", "relief", 2)
    assert len(frames_of(tmp_path / "b.gif")) == 2


@pytest.mark.parametrize("name", SURFACES)
def test_reliefs_lie_on_the_surface(name):
    shown = scene(SURFACES[name], [Contender("sgd", resolve("sgd", {"lr": SURFACES[name].rates[0]}))], steps=20)
    ground = terrain(shown.surface, shown.window)
    assert np.nanmin(ground.heights) >= 0 and np.nanmax(ground.heights) == pytest.approx(1)
    way = trail(shown.descents[0].points, shown.window)
    low, high = np.array(shown.window).T
    inside = way.points[np.isfinite(way.points).all(axis=1)]
    assert (inside >= low - 1e-9).all() and (inside <= high + 1e-9).all()
    assert (np.diff(way.taken) >= 0).all()
    figure = relief(shown)
    assert [axes.name for axes in figure.axes] == ["3d"]


@pytest.mark.parametrize("text", ["-7000*x**2", "x + 1e6", "1e7*y", "x**2 + y**2"])
def test_marks_of_heights_are_true(text):
    found = surface_of(text, WINDOW)
    ground = terrain(found, found.window)
    heights, texts = ground.ticks()
    told = [float(each.replace("−", "-")) for each in texts]
    assert not ground.logarithmic and len(set(texts)) == len(texts) > 2
    assert ground.low + heights * (ground.high - ground.low) == pytest.approx(told, abs=1e-6 * ground.high)


def test_hills_hide_what_lies_behind_them_and_the_ground_hides_the_floor():
    @surface("a wall", window=((-1, 1), (-1, 1)), starts=((0.5, 0.0),))
    def wall(x, y):
        return 1 / (1 + 400 * x**2) + 0 * y

    ground = terrain(wall, wall.window)
    points = np.array([[0.1, 0.0], [0.9, 0.0], [-0.9, 0.0], [-0.1, 0.0]])
    seen = ~hidden(ground, points, ground.height_at(points), azimuth=0.0, elevation=60.0)
    assert seen.tolist() == [True, True, True, False]  # the viewer looks along x from the right
    below = ~hidden(ground, points, np.full(4, -1.0), azimuth=0.0, elevation=85.0)
    assert below.tolist() == [False] * 4


def test_a_surface_without_a_finite_value_has_no_landscape():
    @surface("nothing", window=((-1, 1), (-1, 1)), starts=((0.0, 0.0),))
    def nothing(x, y):
        return (x - x) / (y - y)

    with pytest.raises(InputError, match="finite values in the window"):
        terrain(nothing, nothing.window)

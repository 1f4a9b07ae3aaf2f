"""`thalweg draw`: optimizers on a surface, as a picture or an animation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thalweg.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from thalweg.draw.steps import Column
    from thalweg.draw.views import View

FOLDER = Path("thalweg-out")
FRAMES = 100


def draw(  # noqa: PLR0913  (a command's options are its parameters)
    surface: Annotated[
        str | None, typer.Argument(help="saddle, ravine, rosenbrock ...; or --function, --file.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file: .png, .svg, .gif or .mp4.")] = None,
    rules: Annotated[str | None, typer.Option(help="NAME[:hyper=value,...],... ; or 'all'; default: seven.")] = None,
    steps: Annotated[int | None, typer.Option(help="How many; default: the surface's.")] = None,
    lr: Annotated[str | None, typer.Option(help="A rate for all; 'best'; or with --view steps several: a,b,c.")] = None,
    view: Annotated[str, typer.Option(help="path, steps, relief, basins or rates.")] = "path",
    start: Annotated[str | None, typer.Option(help="Where to begin: x,y.")] = None,
    window: Annotated[str | None, typer.Option(help="What is shown: x0,x1,y0,y1.")] = None,
    noise: Annotated[float, typer.Option(help="Standard deviation of noise in each gradient.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the noise.")] = 0,
    function: Annotated[str | None, typer.Option(help="A function of your own: 'x**2 + 10*sin(y)'.")] = None,
    file: Annotated[Path | None, typer.Option(help="A Python file with a @surface of your own.")] = None,
    frames: Annotated[int | None, typer.Option(help=f"Of .gif and .mp4; default: {FRAMES}.")] = None,
) -> None:
    """Draw how optimizers descend a surface, with the formulas that train."""
    from thalweg.commands.drawing import Asked, columns
    from thalweg.draw import save
    from thalweg.lab.files import prepare_folder

    asked = Asked(surface, function, file, start, window, steps, noise, seed, rules, lr, _view(view))
    _check_frames(frames, out, view)
    if out:
        save.check_output(out)
    drawn = columns(asked)
    save.check_packages(out.suffix.lower() if out else ".png")
    path = out or FOLDER / f"{asked.name}{'' if view == 'path' else f'-{view}'}.png"
    if not out:
        prepare_folder(FOLDER)
        save.check_output(path)
    _write(path, asked.view, drawn, frames or FRAMES)
    print(path)


def _view(name: str) -> View:
    from thalweg.draw.views import VIEWS

    if name not in VIEWS:
        raise InputError(f"there is no view '{name}': {did_you_mean(name, list(VIEWS))}")
    return name


def _check_frames(frames: int | None, out: Path | None, view: str) -> None:
    """Refuse frames of a still picture, no frames or too many, and the animation of a view that does not move."""
    from thalweg.draw import animation, save, views

    moves = out is not None and out.suffix.lower() in save.MOVING
    if frames is not None and not moves:
        raise InputError(f"expected --frames with .gif and .mp4 only, got {frames}: write to such a file with -o")
    if frames is not None:
        animation.check_frames(frames)
    if moves and view not in views.MOVING:
        raise InputError(
            f"expected .png or .svg for --view {view}, which does not move, got '{out}': write to such a file"
        )


def _write(path: Path, view: View, drawn: list[Column], frames: int) -> None:
    """Draw, and only then let the file take its place."""
    from thalweg.draw import animation, save, views

    if path.suffix.lower() in save.MOVING:
        animation.animate(drawn[0].scene, path, view, frames)
        return
    with save.being_written(path) as temporary:
        temporary.write_bytes(views.still(view, drawn, path.suffix.lower()))

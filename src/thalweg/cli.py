"""The command line: its commands, and the exit codes: 0; 1 a run failed; 2 bad input; 130 interrupted."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from thalweg.commands import advise, bench, catalogue, claims, compare, draw, playground, port, stores
from thalweg.errors import InputError
from thalweg.version import __version__

INTERRUPTED = 130
# The extra that a package comes with; all others come with the lab.
EXTRAS = {
    "matplotlib": "draw",
    "mpl_toolkits": "draw",
    "PIL": "draw",
    "latex2mathml": "draw",
    "imageio_ffmpeg": "video",
}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Optimizers written once, as fast as memory, and a lab that says which one to use."""


for command in (
    catalogue.rules,
    catalogue.show,
    catalogue.surfaces,
    catalogue.problems,
    compare.compare,
    advise.advise,
    claims.claims,
    stores.new,
    stores.report,
    stores.merge,
    stores.export,
    port.port,
    bench.bench,
    draw.draw,
    playground.playground,
):
    app.command()(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with the exit code that it means."""
    try:
        code = app(args=arguments, prog_name="thalweg")
    except InputError as error:
        print(f"thalweg: {error}", file=sys.stderr)
        code = 2
    except ModuleNotFoundError as error:
        package = (error.name or "thalweg").partition(".")[0]
        if package == "thalweg":
            raise
        extra = EXTRAS.get(package, "lab")
        needed = f"needs the package '{package}', which is not installed: pip install 'thalweg[{extra}]'"
        print(f"thalweg: this command {needed}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SystemExit as ending:  # typer ends the process itself, also when it is interrupted
        code = ending.code
    if code == INTERRUPTED:
        kept = "; finished runs are kept, and the same command goes on" if _goes_on(arguments) else ""
        print(f"thalweg: interrupted{kept}", file=sys.stderr)
    sys.exit(code)


def _goes_on(arguments: list[str] | None) -> bool:
    return (sys.argv[1:2] if arguments is None else arguments[:1]) in (["compare"], ["claims"])


if __name__ == "__main__":
    main()

"""The page: one HTML file of the template, its styles and its scripts, which asks nothing of the network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path
from string import Template

from thalweg.errors import InputError
from thalweg.formula import Rule
from thalweg.formula.surface import Surface
from thalweg.playground import catalogue
from thalweg.rules import RULES
from thalweg.surfaces import SURFACES

UNUSABLE = "__proto__"  # an object has no such key
FOLDER = Path(__file__).parent
PARSER = ("vendor/mathjs.min.js", "own_text.js", "own_formula.js", "own.js")  # reads functions that are typed in
# What is used stands before what uses it as soon as it is read; the last one starts the page.
SCRIPTS = (
    *("labels", "numbers", "state", "dom", "markup", "theme", "slider", "own_surface", "address", "runs", "measures"),
    *("contour", "lines", "ground", "plot", "curves", "observations", "words", "legend", "chooser", "settings"),
    *("rule_panel", "own_field", "playback", "pointer", "keyboard", "main"),
)


def page(rules: Iterable[Rule] = (), surfaces: Iterable[Surface] = ()) -> str:
    """The playground as one HTML document, the same bytes every time.

    Args:
        rules: Rules of one's own, behind those of the catalogue.
        surfaces: Surfaces of one's own, likewise.

    Raises:
        InputError: If a rule or a surface has a name that is taken, or cannot be printed as JavaScript.

    Example:
        >>> document = page()
        >>> document.startswith("<!doctype html>"), len(document.encode()) < 1_000_000
        (True, True)
    """
    every_rule, every_surface = _added("rule", RULES, rules), _added("surface", SURFACES, surfaces)
    printed = catalogue.script(every_rule.values(), every_surface.values())
    scripts = [*map(_read, PARSER), printed, *(_read(f"assets/{name}.js") for name in SCRIPTS)]
    style = _read("assets/style.css")
    template = Template(_read("assets/page.html"))
    return template.substitute(
        policy=policy([style], scripts),
        style=style,
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def policy(styles: Iterable[str], scripts: Iterable[str]) -> str:
    """What the browser may do for the page: run these very scripts and styles, and nothing else.

    Example:
        >>> policy(["p{}"], ["1"]).split("; ")[0]
        "default-src 'none'"
    """
    allowed = {"style-src": map(_digest, styles), "script-src": map(_digest, scripts)}
    hashes = [f"{kind} {' '.join(digests)}" for kind, digests in allowed.items()]
    return "; ".join(["default-src 'none'", *hashes, "img-src data:", "base-uri 'none'", "form-action 'none'"])


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _read(name: str) -> str:
    """A file of the page; one that held an end of its own element would break out of it."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    return text.replace("</script", r"<\/script")


def _added(kind: str, catalogue_of: dict, own: Iterable) -> dict:
    every = dict(catalogue_of)
    for each in own:
        if each.name in every:
            raise InputError(f"expected a name of its own for the {kind} '{each.name}', which is taken: rename it")
        if each.name == UNUSABLE:
            raise InputError(f"expected a name that JavaScript can use for the {kind}, got '{UNUSABLE}': rename it")
        every[each.name] = each
    return every

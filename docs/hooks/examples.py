"""For mkdocstrings: a docstring's `Example:` is read as its Google-style `Examples:`, whose lines are code."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Renames the heading in every docstring that is loaded."""

    def on_object(self, *, obj: griffe.Object, loader: griffe.GriffeLoader, **others: Any) -> None:
        """Called for each module, class, function and attribute inside a package."""
        _rename(obj)

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **others: Any) -> None:
        """Called for the package itself."""
        _rename(pkg)


def _rename(obj: griffe.Object) -> None:
    if obj.docstring:
        obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)

"""The terminal: every alarm as a few lines on standard error, and a summary at the end."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

from thalweg.watch.alarm import Raised
from thalweg.watch.history import Measured
from thalweg.watch.outputs.words import Words, words_of
from thalweg.watch.subject import Subject

USUAL_WIDTH, NARROWEST, WIDEST = 80, 40, 100
IN_FULL = 3  # of an alarm that is raised in many layers at one step so many are told, the others counted
NAMED = 4  # so many layers are named in the summary

INDENT, LABELS = "  ", 7  # the width of a label, `means` or `try`
BOLD, FAINT, ALARMING = "1", "2", "1;33"
# The line in which a progress bar stands, and the bars below it: they draw themselves again.
CLEAR = "\r\x1b[J"


@dataclass
class _Seen:
    """What was told of an alarm."""

    title: str
    first: int
    times: int = 0
    parts: dict[str, None] = field(default_factory=dict)


class Terminal:
    """An output for people.

    The first alarm of a kind comes with what it means and what to try, later ones with what was found. Lines are
    wrapped at the terminal's width, and written whole, above a progress bar where one stands. There are colours where
    the stream is a terminal and the environment has no `NO_COLOR`.

    Args:
        stream: A text stream; standard error, as it is at that time, if not given.
        width: In characters; the terminal's, but 100 at most, if not given, and 80 where that is unknown.
    """

    def __init__(self, stream: Any = None, width: int | None = None) -> None:
        self._stream, self._width = stream, width
        self._seen: dict[str, _Seen] = {}
        self._now: tuple[str, int] | None = None  # the alarm that was told last, and its step
        self._told = self._untold = 0
        self._last = 0

    def begin(self, subject: Subject) -> None:
        """Say nothing: there is nothing to say."""

    def measured(self, measured: Measured) -> None:
        """Keep the step."""
        self._last = max(self._last, measured.step)
        self._count_off()

    def raised(self, raised: Raised) -> None:
        """Tell of an alarm."""
        words, is_new = words_of(raised), raised.alarm not in self._seen
        seen = self._seen.setdefault(raised.alarm, _Seen(words.title, raised.step))
        seen.times += 1
        seen.parts[raised.finding.part] = None
        self._last = max(self._last, raised.step)
        if self._now != (raised.alarm, raised.step):
            self._count_off()
            self._now, self._told = (raised.alarm, raised.step), 1
            self._write("", *self._head(raised.step, words.title), *self._body(raised, words, is_new))
        elif self._told < IN_FULL:
            self._told += 1
            self._write(*self._labelled("also", words.found))
        else:
            self._untold += 1

    def close(self) -> None:
        """Tell how many alarms there were, and of which layers."""
        self._count_off()
        if not self._seen:
            return
        times = sum(seen.times for seen in self._seen.values())
        head = f"thalweg watched {_count(self._last, 'step')}: {_count(times, 'alarm')}"
        lines = [line for seen in self._seen.values() for line in self._wrapped(_summary(seen), hang="  ")]
        self._write("", self._styled(head, BOLD), *lines)
        self._seen = {}

    def _head(self, step: int, title: str) -> list[str]:
        label = f"thalweg, step {step:,}: "
        first, *rest = _wrapped(label + _line(title), self._columns(), INDENT)
        lines = [first.removeprefix(label), *rest]
        return [
            (self._styled(label, FAINT) if line is lines[0] else "") + self._styled(line, ALARMING) for line in lines
        ]

    def _body(self, raised: Raised, words: Words, is_new: bool) -> list[str]:
        lines = self._wrapped(words.found)
        if is_new and words.meaning:
            lines += self._labelled("means", words.meaning)
        if words.advice and (is_new or raised.finding.advice):
            lines += self._labelled("try", words.advice)
        return lines

    def _count_off(self) -> None:
        """Tell how many layers were left out."""
        if self._untold:
            self._write(*self._labelled("also", f"{self._untold:,} more at this step."))
        self._now, self._untold = None, 0

    def _labelled(self, label: str, text: str) -> list[str]:
        first, *rest = self._wrapped(f"{label:<{LABELS}}".replace(" ", "\xa0") + text, hang=" " * LABELS)
        end = len(INDENT) + LABELS
        return [INDENT + self._styled(first[len(INDENT) : end], FAINT) + first[end:], *rest]

    def _wrapped(self, text: str, hang: str = "") -> list[str]:
        """A text as indented lines; numbers stay whole, and with their percent signs."""
        kept = _line(text).replace(" %", "\xa0%")
        lines = _wrapped(kept, self._columns() - len(INDENT), hang)
        return [(INDENT + line).replace("\xa0", " ") for line in lines]

    def _columns(self) -> int:
        return (self._width or _width(self._out())) - 1  # some terminals begin a line when one is full

    def _styled(self, text: str, style: str) -> str:
        colours = _is_terminal(self._out()) and not os.environ.get("NO_COLOR")
        return f"\x1b[{style}m{text}\x1b[0m" if colours else text

    def _write(self, *lines: str) -> None:
        """Write at once, so that nothing comes between the lines."""
        out = self._out()
        text = (CLEAR if _is_terminal(out) else "") + "".join(f"{line}\n" for line in lines)
        encoding = getattr(out, "encoding", None) or "utf-8"
        out.write(text.encode(encoding, "replace").decode(encoding))
        out.flush()

    def _out(self) -> Any:
        return self._stream or sys.stderr


def _is_terminal(stream: Any) -> bool:
    """Whether it understands colours, and has a line that can be cleared."""
    old = os.environ.get("TERM") == "dumb" or (os.name == "nt" and "WT_SESSION" not in os.environ)
    return stream.isatty() and not old


def _width(stream: Any) -> int:
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (AttributeError, OSError, ValueError):
        columns = 0
    return min(max(columns, NARROWEST), WIDEST) if columns else USUAL_WIDTH


def _wrapped(text: str, width: int, hang: str) -> list[str]:
    """Lines in which names and numbers are whole."""
    return wrap(text, width, subsequent_indent=hang, break_on_hyphens=False, break_long_words=False)


def _line(text: str) -> str:
    """A text in one line, without what moves the cursor: names come from a user's model."""
    return "".join(letter if letter.isprintable() or letter == "\xa0" else " " for letter in text)


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"


def _summary(seen: _Seen) -> str:
    """An alarm in one sentence.

    Example:
        >>> _summary(_Seen("NaN", 7, 3, dict.fromkeys(["a", "b"])))
        'NaN: 3 times from step 7 on, in a and b'
    """
    when = f"at step {seen.first:,}" if seen.times == 1 else f"{seen.times:,} times from step {seen.first:,} on"
    names = [name for name in seen.parts if name]
    shown = names if len(names) <= NAMED else [*names[: NAMED - 1], f"{len(names) - NAMED + 1} others"]
    whose = " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
    return f"{seen.title}: {when}" + (f", in {whose}" if whose else "")

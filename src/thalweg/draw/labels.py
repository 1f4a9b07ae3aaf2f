"""Where labels stand and what they say."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from thalweg.draw.scene import Contender, Descent

NAMES = {  # as people know them; the others go by their names in the catalogue
    "sgd": "SGD",
    "momentum": "Momentum",
    "nesterov": "Nesterov",
    "adagrad": "AdaGrad",
    "rmsprop": "RMSProp",
    "adadelta": "AdaDelta",
    "adam": "Adam",
}


def spread(wanted: Sequence[float], sizes: Sequence[float], low: float, high: float) -> list[float] | None:
    """Where labels stand that each want to be somewhere: as near to it as they can without overlapping.

    Neighbours that would overlap form a block, which stands where its members want to be on average; this is the
    solution with the least squares of the distances.

    Args:
        wanted: Where the middle of each label wants to be.
        sizes: How much room each takes.
        low: Where the room begins.
        high: Where it ends.

    Returns:
        The middle of each label, all inside, in the order of what they want; None where there is not room for all.

    Example:
        >>> spread([1.0, 5.0, 5.0], [2.0, 2.0, 2.0], 0.0, 10.0)
        [1.0, 4.0, 6.0]
        >>> spread([0.0, 0.0], [2.0, 2.0], 0.0, 3.0) is None
        True
    """
    room = high - low - sum(sizes)
    if room < 0:
        return None
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    before, blocks = 0.0, []  # a block: the shift of its members, and who they are
    offsets = {}
    for i in order:
        offsets[i] = low + before + sizes[i] / 2  # where it stands when all are packed at the beginning
        blocks.append((wanted[i] - offsets[i], [i]))
        before += sizes[i]
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (upper, above), (lower, below) = blocks.pop(), blocks.pop()
            mean = (upper * len(above) + lower * len(below)) / (len(above) + len(below))
            blocks.append((mean, below + above))
    shifts = {i: min(max(shift, 0.0), room) for shift, members in blocks for i in members}
    return [offsets[i] + shifts[i] for i in range(len(wanted))]


def name_of(contender: Contender) -> str:
    """A contender's label without the settings by which it is told apart from others of its name."""
    return contender.label.removesuffix(contender.settings).rstrip()


def lines_of(descent: Descent, width: int = 33) -> list[str]:
    """What stands below a run's name: its settings, and its note if it has one, in lines of at most this width."""
    texts = (descent.contender.settings, descent.note)
    return [line for text in texts if text for line in textwrap.wrap(text, width)]


def entry_of(descent: Descent) -> str:
    """The same in one line, for a legend.

    Example:
        >>> from thalweg.draw.scene import scene
        >>> from thalweg.rules.setting import resolve
        >>> from thalweg.surfaces import SURFACES
        >>> drawn = scene(SURFACES["plateau"], [Contender("Adam", resolve("adam", {"lr": 9.0}))], steps=3)
        >>> entry_of(drawn.descents[0])
        'Adam  lr 9, left the window at step 1'
    """
    rest = ", ".join(text for text in (descent.contender.settings, descent.note) if text)
    return "  ".join(filter(None, (name_of(descent.contender), rest)))


def round_step(steps: int, about: int = 12) -> int:
    """A round number of which about so many fit into the steps.

    Example:
        >>> [round_step(steps) for steps in (1, 12, 30, 120, 150, 400)]
        [1, 1, 2, 10, 10, 20]
    """
    wanted = steps / about
    return min((m * 10**k for k in range(6) for m in (1, 2, 5)), key=lambda n: abs(n - wanted))

"""The index of the rules, and the families in which it and the navigation show them."""

from __future__ import annotations

from thalweg.compile.show import first_sentence
from thalweg.rules import NAMES, PEERS, RULES

# A family begins with this rule of the catalogue and goes on to the next one's.
BEGINNINGS = {
    "sgd": "Gradient descent",
    "momentum": "Momentum and Nesterov",
    "adagrad": "AdaGrad",
    "rprop_minus": "Rprop",
    "rmsprop": "RMSProp and AdaDelta",
    "adam": "Adam",
    "nadam": "After Adam",
    "schedule_free_sgd": "Schedule-Free",
}
FRAMEWORKS = {"torch": "torch", "keras": "Keras", "optax": "Optax", "mlx": "MLX", "tf1": "TensorFlow 1"}
HEAD = """# The rules

{count} update rules, each written once as a short function. A page has the formula as it was traced, why it works, when
to use it and when not, its numbers and their ranges, which class of which framework it is, trajectories, and the code
that is made of it. Forms that give other numbers are rules of their own: [who disagrees with whom](../peers.md)
measures by how much. Weight decay and ascent are [wrappers](../reference/formula.md#thalweg.rules.decay.l2) around any
of them.
"""


def families() -> dict[str, list[str]]:
    """The rules of every family, in the catalogue's order.

    Example:
        >>> families()["Rprop"]
        ['rprop_minus', 'rprop_plus', 'irprop_minus']
    """
    found: dict[str, list[str]] = {}
    family = ""
    for name in NAMES:
        family = BEGINNINGS.get(name, family)
        found.setdefault(family, []).append(name)
    return found


def page() -> str:
    """The index: every rule by family, with a line, and the frameworks that compute it."""
    lines = [HEAD.format(count=len(NAMES))]
    for family, names in families().items():
        lines += [f"## {family}", "", "| rule | what it does | computed by |", "|---|---|---|"]
        lines += [f"| [`{name}`]({name}.md) | {first_sentence(RULES[name])} | {computed_by(name)} |" for name in names]
        lines += [""]
    return "\n".join(lines)


def computed_by(name: str) -> str:
    """The frameworks of which a class is this rule.

    Example:
        >>> computed_by("irprop_minus")
        'torch, Optax'
    """
    found = {peer.framework for rule, peer in PEERS if rule == name}
    return ", ".join(title for framework, title in FRAMEWORKS.items() if framework in found)

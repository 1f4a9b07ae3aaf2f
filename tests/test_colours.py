"""One colour per optimizer: told apart by everybody, and the same for a rule however it is wrapped."""

import itertools

import numpy as np
import pytest

from thalweg.colours import COLOURS, colour_of
from thalweg.rules import RULES

# Linear RGB as it is seen with each of the three kinds of cones missing (Machado, Oliveira & Fernandes 2009, table 1).
SIGHT = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(light: np.ndarray) -> np.ndarray:
    """CIE L*a*b*, in which distances are about as large as they look; 2.3 is just noticed."""
    x, y, z = np.cbrt(np.maximum(TO_XYZ @ np.clip(light, 0, 1) / [0.95047, 1, 1.08883], 1e-9))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", list(SIGHT))
@pytest.mark.parametrize("paper", ["light", "dark"])
def test_colours_are_told_apart(sight: str, paper: str):
    seen = {c: lab(np.asarray(SIGHT[sight]) @ linear(getattr(c, paper))) for c in COLOURS}
    near = {(a, b): np.linalg.norm(seen[a] - seen[b]) for a, b in itertools.combinations(COLOURS, 2)}
    assert min(near.values()) > 9, min(near, key=near.get)


@pytest.mark.parametrize(("paper", "least"), [("light", 2.5), ("dark", 4.5)])
def test_colours_stand_out_from_the_paper(paper: str, least: float):
    ground = 1.0 if paper == "light" else 0.009
    for colour in COLOURS:
        ends = sorted((float(TO_XYZ[1] @ linear(getattr(colour, paper))), ground))
        assert (ends[1] + 0.05) / (ends[0] + 0.05) > least, colour


def test_a_rule_keeps_its_colour():
    assert colour_of("l2(adam)") == colour_of("decoupled(ascent(adam))") == colour_of("adam")
    assert colour_of("sgd/adam") == colour_of("adam")
    classics = ("sgd", "momentum", "nesterov", "irprop_minus", "adagrad", "rmsprop", "adadelta", "adam", "adamw")
    assert len({colour_of(name) for name in classics}) == len(classics)
    assert all(colour_of(name) in COLOURS for name in (*RULES, "mine", ""))

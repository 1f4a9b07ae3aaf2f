"""When sums that a sweep took are those that NumPy or torch take in another order."""

import math
from collections.abc import Sequence

import numpy as np


def assert_sums(found: np.ndarray, wanted: Sequence[float], what: str) -> None:
    room = 1e-12 * math.sqrt(wanted[0] * wanted[2])  # products cancel
    np.testing.assert_allclose(found[:3], wanted[:3], rtol=1e-12, err_msg=what)
    np.testing.assert_allclose(found[3], wanted[3], rtol=1e-12, atol=room, err_msg=what)

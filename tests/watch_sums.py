"""When sums that a sweep took are those that NumPy or torch take in another order."""

import math
from collections.abc import Sequence

import numpy as np


def assert_sums(found: np.ndarray, wanted: Sequence[float], what: str, exact: bool = False) -> None:
    bound = 1e-12 if exact else 4e-6  # stretches of a row are added up in the type that the rule is computed in
    room = bound * math.sqrt(wanted[0] * wanted[2])  # products cancel
    np.testing.assert_allclose(found[:3], wanted[:3], rtol=bound, err_msg=what)
    np.testing.assert_allclose(found[3], wanted[3], rtol=bound, atol=room, err_msg=what)

"""What each surface teaches, measured on its default picture: at its own start, rates and steps."""

import numpy as np
import pytest

from thalweg.draw import rates
from thalweg.draw.labels import NAMES
from thalweg.draw.scene import Contender, Scene, scene
from thalweg.rules.setting import resolve
from thalweg.surfaces import SURFACES


def drawn(name: str) -> Scene:
    chosen = SURFACES[name]
    return scene(chosen, [Contender(label, rates.declared(chosen, resolve(rule, {}))) for rule, label in NAMES.items()])


def ends(shown: Scene) -> dict[str, np.ndarray]:
    return {d.contender.label: d.points[-1] for d in shown.descents}


def values(shown: Scene) -> dict[str, float]:
    return {d.contender.label: float(d.values[-1]) for d in shown.descents}


def test_saddle_rules_that_divide_leave_first() -> None:
    when = {d.contender.label: int(np.argmax(np.abs(d.points[:, 1]) > 1)) or 999 for d in drawn("saddle").descents}
    assert max(when[r] for r in ("RMSProp", "Adam", "AdaDelta")) < min(when[r] for r in ("Momentum", "Nesterov", "SGD"))
    assert when["SGD"] == 999


def test_ravine_sgd_zigzags_and_momentum_arrives_sooner() -> None:
    shown = drawn("ravine")
    across = shown.descents[0].points[:5, 1]
    assert (across[:-1] * across[1:] < 0).all()
    assert values(shown)["Momentum"] < 0.1 * values(shown)["SGD"]
    assert all(not d.note for d in shown.descents)


def test_rosenbrock_all_find_the_valley_and_part_there() -> None:
    shown = drawn("rosenbrock")
    assert all(abs(d.points[-1][1] - d.points[-1][0] ** 2) < 0.1 for d in shown.descents)
    assert max(values(shown)[r] for r in ("Momentum", "Nesterov")) < 0.05 < 2 < values(shown)["SGD"]


def test_beale_sgd_and_adagrad_creep() -> None:
    found = values(drawn("beale"))
    assert (
        max(found[r] for r in ("Momentum", "RMSProp", "Adam")) < 1e-3 < 0.1 < min(found[r] for r in ("SGD", "AdaGrad"))
    )


@pytest.mark.parametrize(("name", "count"), [("branin", 3), ("himmelblau", 3)])
def test_rules_find_different_minima(name: str, count: int) -> None:
    minima = np.array(SURFACES[name].minima)
    gaps = [np.linalg.norm(minima - end, axis=1) for end in ends(drawn(name)).values()]
    assert len({int(np.argmin(g)) for g in gaps if g.min() < 0.6}) == count


def test_rastrigin_only_momentum_reaches_a_lower_dent() -> None:
    found = values(drawn("rastrigin"))
    assert found.pop("Momentum") < 6
    assert min(found.values()) > 16


def test_two_minima_only_momentum_finds_the_deep_one() -> None:
    found = ends(drawn("two_minima"))
    assert np.allclose(found.pop("Momentum"), SURFACES["two_minima"].minima[0], atol=1e-3)
    assert all(abs(end[0] - 1.44) < 0.05 for end in found.values())


def test_plateau_sgd_stands_still() -> None:
    found = values(drawn("plateau"))
    assert found["SGD"] > 0.95
    assert max(found[r] for r in ("Momentum", "AdaGrad", "RMSProp", "Adam")) < 0.02


def test_waves_momentum_overshoots_further_than_nesterov() -> None:
    shown = drawn("waves")
    least = {d.contender.label: d.points[:, 0].min() for d in shown.descents}
    assert least["Momentum"] < least["Nesterov"] - 0.2
    assert values(shown)["SGD"] > 0.4
    assert max(values(shown)[r] for r in ("Momentum", "Nesterov")) < -0.77

"""From a problem to a stored table: the loop, the key, the store, and the processes."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from lab_runs import TINY, planned, spec_of, specs_of, train_here, without_times
from thalweg.lab.batches import data_order
from thalweg.lab.files import find_problem, find_rule_or_file
from thalweg.lab.spec import Phase, RunSpec


def test_orders_differ_between_epochs_and_seeds_and_are_whole() -> None:
    orders = [data_order(seed, epoch, 4000) for seed in range(3) for epoch in range(1, 11)]
    assert len({order.tobytes() for order in orders}) == len(orders)
    for order in orders:
        assert np.array_equal(np.sort(order), np.arange(4000))


def test_a_run_logs_different_orders_per_epoch_and_the_same_for_every_optimizer() -> None:
    runs = [train_here(spec) for spec in specs_of(planned("adam:lr=0.01,sgd:lr=0.1"))]
    orders = [[e.order_digest for e in result.epochs] for result in runs]
    assert orders[0] == orders[1]
    assert len(set(orders[0])) == 2
    assert runs[0].weights_digest == runs[1].weights_digest


def test_the_loss_at_one_place_of_the_order_does_not_repeat() -> None:
    """With one order for every epoch, consecutive epochs' batches would be the same sets."""
    batches = [{frozenset(batch) for batch in np.split(data_order(0, epoch, 960), 60)} for epoch in (1, 2)]
    assert not batches[0] & batches[1]


def test_the_same_spec_gives_the_same_numbers() -> None:
    spec = spec_of("adam:lr=0.01")
    assert without_times(train_here(spec)) == without_times(train_here(spec))
    assert torch.get_num_threads() == spec.threads


def test_the_loop_trains_as_a_plain_torch_loop_does() -> None:
    """Against the few lines that a user would write, with torch's own optimizer in float64's place of rounding."""
    spec = spec_of("sgd:lr=0.1", epochs=3)
    problem = find_problem(TINY)
    data = problem.load(None, 0)
    torch.manual_seed(0)
    model = problem.model(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = (torch.from_numpy(a) for a in data.train)
    for epoch in (1, 2, 3):
        for batch in torch.from_numpy(data_order(0, epoch, 90)).split(16):
            optimizer.zero_grad()
            problem.loss(model, (x[batch], y[batch])).backward()
            optimizer.step()
    model.eval()
    expected = problem.loss(model, tuple(torch.from_numpy(array) for array in data.test)).item()
    assert train_here(spec).epochs[-1].loss == pytest.approx(expected, rel=1e-5)


def test_divergence_is_a_status() -> None:
    result = train_here(spec_of("sgd:lr=1e30"))
    assert result.status == "diverged"
    assert "training loss became" in result.message


PHASE = spec_of("adam:lr=0.01").phases[0]
CHANGES = [
    {"seed": 1},
    {"epochs": 7},
    {"batch_size": 8},
    {"part": "tuning"},
    {"order": "repeated"},
    {"stop": (0.5,)},
    {"device": "cuda"},
    {"accelerator": "another GPU"},
    {"problem_digest": "x"},
    {"data_digest": "x"},
    {"threads": 2},
    {"torch": "0"},
    {"processor": "x"},
    {"code_digest": "x"},
    {"dtype": "float64"},
    {"backend": "numpy"},
    {"phases": (PHASE, dataclasses.replace(PHASE, first=2))},
    {"phases": (dataclasses.replace(PHASE, hyper=(("lr", 0.02),)),)},
    {"phases": (dataclasses.replace(PHASE, initial=(("m", 1.0),)),)},
    {"phases": (dataclasses.replace(PHASE, rule_digest="x"),)},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: next(iter(c)))
def test_the_key_depends_on_everything_that_decides(change: dict) -> None:
    spec = spec_of("adam:lr=0.01")
    assert dataclasses.replace(spec, **change).key != spec.key


def test_every_field_of_a_spec_is_either_deciding_or_a_place() -> None:
    changed = {next(iter(change)) for change in CHANGES}
    assert {f.name for f in dataclasses.fields(RunSpec)} - changed == {"problem", "source", "watch"}
    assert {f.name for f in dataclasses.fields(Phase)} == {"first", "hyper", "initial", "rule", "rule_digest"}


def test_where_a_rule_lies_does_not_decide() -> None:
    spec = spec_of("adam:lr=0.01")
    elsewhere = dataclasses.replace(PHASE, rule="elsewhere.py")
    assert dataclasses.replace(spec, phases=(elsewhere,), problem="x.py", source=None).key == spec.key


def test_editing_a_problem_or_a_rule_changes_the_key(tmp_path: Path) -> None:
    problem, own_rule = tmp_path / "problem.py", tmp_path / "own.py"
    problem.write_text(Path(TINY).read_text())
    text = 'from thalweg import rule\n@rule("own")\ndef own(x, g, t, *, lr=0.1):\n    return x - lr * g\n'
    own_rule.write_text(text)

    def key() -> str:
        return spec_of(str(own_rule), problem=str(problem)).key

    first = key()
    problem.write_text(problem.read_text() + "\n# edited\n")
    second = key()
    own_rule.write_text(text.replace("lr * g", "lr * (g + g)"))
    third = key()
    own_rule.write_text(text + "# a comment is no mathematics\n")
    assert len({first, second, third}) == 3
    assert key() == second


def test_an_edit_of_the_same_size_in_the_same_second_is_seen(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    text = 'from thalweg import rule\n@rule("own")\ndef own(x, g, t, *, lr=0.1):\n    return x - lr * g\n'
    own.write_text(text)
    first = find_rule_or_file(str(own))
    own.write_text(text.replace("x - lr", "x + lr"))
    os.utime(own, (1, 1))
    assert (first(1.0, 1.0, 1), find_rule_or_file(str(own))(1.0, 1.0, 1)) == (0.9, 1.1)

"""The lab's first problems: what their data are, that good settings reach their targets, and that runs repeat."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from problem_runs import trained
from thalweg.errors import InputError
from thalweg.lab.data.words import following, neighbours, paragraphs
from thalweg.lab.files import find_problem
from thalweg.lab.problems import binary_classifier, linear_regression
from thalweg.lab.run import evaluate

# The problem, and epochs in which the optimizer, one of its own, comes to its target.
REACHED = {
    "linear-regression": ("SGD", 8),
    "linear-regression-full": ("SGD", 20),
    "linear-regression-single": ("SGD", 3),
    "sparse-logistic": ("Adam", 3),
    "sparse-logistic-full": ("RMSprop", 6),
    "sparse-logistic-single": ("AdaGrad", 1),
    "binary-classifier": ("AdaGrad", 2),
    "binary-classifier-full": ("RMSprop", 6),
    "binary-classifier-single": ("Adam", 2),
    "mnist-mlp": ("Adam", 4),
    "matrix-factorisation": ("Adam", 10),
    "multi-task": ("AdaGrad", 12),
    "noisy-quadratic": ("SGD", 60),
}
BASES = sorted({name.removesuffix("-full").removesuffix("-single") for name in REACHED})
WITH_SOURCES = {"mnist-mlp", "multi-task"}


def started(problem, seed=0):
    torch.manual_seed(seed)
    return problem.model(seed)


def rows_of(part):
    """Each sample's bytes."""
    return {b"".join(np.ascontiguousarray(array[place]).tobytes() for array in part) for place in range(len(part[0]))}


@pytest.mark.parametrize(("name", "optimizer", "epochs"), [(name, *how) for name, how in REACHED.items()])
def test_a_good_setting_goes_from_start_to_target(name, optimizer, epochs):
    problem = find_problem(name)
    start, _ = evaluate(started(problem), problem, problem.load(None, 0).test)
    found = trained(problem, dict(problem.optimizers)[optimizer], epochs=epochs)
    metrics = [epoch.metric for epoch in found.epochs]
    best = max(metrics) if problem.maximize else min(metrics)
    assert found.status == "finished"
    assert all(math.isfinite(epoch.loss) and math.isfinite(epoch.train_loss) for epoch in found.epochs)
    assert (start < problem.target <= best) if problem.maximize else (start > problem.target >= best)


@pytest.mark.parametrize("name", REACHED)
def test_every_optimizer_of_a_problem_trains_it(name):
    problem = find_problem(name)
    data = problem.load(None, 0)
    few = dataclasses.replace(data, train=tuple(array[:300] for array in data.train))
    short = dataclasses.replace(problem, load=lambda source, seed: few)
    for label, text in problem.optimizers:
        found = trained(short, text, epochs=1)
        assert (found.status, math.isfinite(found.epochs[0].loss)) == ("finished", True), label


@pytest.mark.parametrize("name", REACHED)
def test_a_problem_says_what_it_is(name):
    problem = find_problem(name)
    assert problem.name == name
    assert len(problem.summary) > 30
    assert "\n" not in problem.summary
    assert len(dict(problem.optimizers)) == len(problem.optimizers) >= 3
    assert (problem.batch_size is None, problem.batch_size == 1) == (name.endswith("-full"), name.endswith("-single"))


@pytest.mark.parametrize("name", BASES)
def test_the_parts_of_the_data_have_no_sample_in_common(name):
    data = find_problem(name).load(None, 0)
    train, test, less, validation = (rows_of(part) for part in (data.train, data.test, *data.tuning))
    assert data.held_out
    assert len(train) == len(data.train[0])
    assert not train & test
    assert not less & validation
    assert less <= train
    assert not validation & test


@pytest.mark.parametrize("name", [name for name in BASES if name != "noisy-quadratic"])
def test_every_seed_has_the_same_data(name):
    problem = find_problem(name)
    assert problem.load(None, 0).digest == problem.load(None, 7).digest


def test_a_seed_decides_which_minima_of_the_quadratic_are_trained_on():
    load = find_problem("noisy-quadratic").load
    first, second = load(None, 0), load(None, 1)
    assert load(None, 1).digest == second.digest != first.digest
    assert 750 < len(rows_of(first.train) & rows_of(second.train)) < 896
    assert np.array_equal(first.test[0], second.test[0])


@pytest.mark.parametrize("name", BASES)
def test_the_data_comes_out_the_same_again(name):
    load = find_problem(name).load
    before = load(None, 3)
    for remembered in (paragraphs, neighbours, linear_regression._drawn, binary_classifier._tumours):
        remembered.cache_clear()
    assert (load(None, 3).digest, load(None, 3).name) == (before.digest, before.name)


@pytest.mark.parametrize("name", BASES)
def test_a_seed_decides_the_weights(name):
    problem = find_problem(name)
    first, again, other = (dict(started(problem, seed).named_parameters()) for seed in (5, 5, 6))
    assert all(torch.equal(first[key], again[key]) for key in first)
    alike = all(torch.equal(first[key], other[key]) for key in first)
    assert alike == (name in ("sparse-logistic", "noisy-quadratic"))


@pytest.mark.parametrize("name", sorted(REACHED.keys() - WITH_SOURCES))
def test_a_problem_with_its_own_data_refuses_a_source(name):
    with pytest.raises(InputError, match=r"expected no source of data for the problem '.*', which has its own, got"):
        find_problem(name).load("openml", 0)


@pytest.mark.parametrize("name", sorted(WITH_SOURCES))
def test_a_problem_of_digits_reads_them_from_a_folder(name, tmp_path):
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte"):
        find_problem(name).load(str(tmp_path), 0)


def test_a_run_repeats_to_the_bit():
    problem = find_problem("matrix-factorisation")
    first, again = (trained(problem, "adam:lr=0.003", seed=4, epochs=1) for _ in range(2))
    assert first.weights_digest == again.weights_digest
    assert first.epochs[0].loss == again.epochs[0].loss


def test_words_are_rare_as_in_any_text():
    rows, labels = paragraphs().train
    frequency = np.sort(rows.sum(axis=0, dtype=int))[::-1]
    assert rows.shape[1] > 3000
    assert set(np.unique(rows)) == {0, 1}
    assert frequency[0] > len(rows) / 3
    assert np.median(frequency) <= 2
    assert 0.45 < labels.mean() < 0.55
    assert 10 < rows.sum(axis=1, dtype=int).mean() < 50


def test_neighbours_are_counted_in_order_and_within_their_distance():
    texts = [["x", "y", "z", "x"], ["z", "z"]]
    # By frequency and then by letter: z, x, y.
    assert following(texts, common=3, near=1).tolist() == [[1, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert following(texts, common=3, near=3).tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 0]]


def test_the_second_task_outweighs_the_first_a_hundred_times():
    problem = find_problem("multi-task")
    data = problem.load(None, 0)
    images, labels, ink = (torch.from_numpy(array[:500]) for array in data.train)
    logits, guess = started(problem)(images)
    digit = torch.nn.functional.cross_entropy(logits, labels)
    total = problem.loss(started(problem), (images, labels, ink))
    assert torch.equal(ink[:, 0], images.sum(dim=(1, 2, 3), dtype=torch.float64).float())
    assert total.item() == pytest.approx((digit + torch.nn.functional.mse_loss(guess, ink)).item(), rel=1e-5)
    assert total.item() - digit.item() > 100 * digit.item()


def test_adagrad_is_ahead_of_descent_on_rare_words():
    problem = find_problem("sparse-logistic")
    ahead, behind = (trained(problem, text, epochs=2).epochs[-1].loss for text in ("adagrad:lr=0.1", "sgd:lr=0.1"))
    assert ahead < behind

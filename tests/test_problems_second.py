"""Text, CartPole, fine-tuning and the autoencoder: their data, their determinism, and that a run of them learns."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch

from thalweg.errors import InputError
from thalweg.lab.files import find_problem
from thalweg.lab.problem import Data, Problem
from thalweg.lab.problems import digits_vae
from thalweg.lab.run import Run, digest_of_tensors, evaluate, run
from thalweg.lab.spec import Phase, RunSpec
from thalweg.rules import RULES
from thalweg.rules.hyper import checked

NAMES = ("text-lstm", "text-transformer", "cartpole-policy", "fine-tune", "digits-vae")


def spec_of(problem: Problem, data: Data, lr: float, seed: int = 0, epochs: int = 1, part: str = "final") -> RunSpec:
    hyper = tuple(sorted(checked(RULES["adam"], {"lr": lr}).items()))
    return RunSpec(
        problem=problem.name,
        problem_digest="",
        source=None,
        data_digest=data.digest,
        part=part,
        phases=(Phase(1, "adam", "", hyper, ()),),
        seed=seed,
        epochs=epochs,
        batch_size=problem.batch_size,
        order="reshuffled",
        stop=(),
        dtype="float32",
        backend="numba",
        device="cpu",
        threads=1,
        torch="",
        processor="",
        code_digest="",
    )


def small(data: Data, train: int, test: int) -> Data:
    """The first few batches of every part."""

    def first(part: tuple[np.ndarray, ...], count: int) -> tuple[np.ndarray, ...]:
        return tuple(array[:count] for array in part)

    tuning = (first(data.tuning[0], train), first(data.tuning[1], test))
    return dataclasses.replace(data, train=first(data.train, train), test=first(data.test, test), tuning=tuning)


def trained(problem: Problem, data: Data, lr: float, **chosen) -> Run:
    return run(spec_of(problem, data, lr, **chosen), problem, RULES, data, lambda epoch: None)


def numbers(result: Run) -> list[tuple]:
    return [(e.train_loss, e.metric, e.loss, e.order_digest, e.steps) for e in result.epochs]


def at_start(problem: Problem, data: Data, seed: int = 0) -> tuple[float, float]:
    torch.manual_seed(seed)
    return evaluate(problem.model(seed), problem, data.test)


def rows(part: tuple[np.ndarray, ...]) -> set[bytes]:
    return {row.tobytes() for row in part[0]}


@pytest.fixture(params=NAMES)
def problem(request: pytest.FixtureRequest) -> Problem:
    return find_problem(request.param)


def test_the_parts_of_the_data_share_no_sample(problem: Problem):
    data = problem.load(None, 0)
    train, test, kept, validation = (rows(part) for part in (data.train, data.test, *data.tuning))
    for one, other in ((train, test), (kept, validation), (kept, test), (validation, test)):
        assert not one & other
    assert data.held_out and all(len(part[0]) == len(part[-1]) > 0 for part in (data.train, data.test, *data.tuning))


def test_the_data_is_the_same_for_every_seed(problem: Problem):
    first, second = problem.load(None, 0), problem.load(None, 1)
    assert first.digest == second.digest and first.name == second.name
    parts, others = ((data.train, data.test, *data.tuning) for data in (first, second))
    for one, other in zip(parts, others, strict=True):
        for array, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(array, same)


def test_the_data_is_the_same_in_another_process():
    code = (
        f"from thalweg.lab.files import find_problem\nfor n in {NAMES!r}: print(find_problem(n).load(None, 0).digest)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == [find_problem(name).load(None, 0).digest for name in NAMES]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "digits-vae"])
def test_a_source_that_a_problem_does_not_have_is_refused(name: str):
    with pytest.raises(InputError, match=f"expected no source of data for the problem '{name}'.*'somewhere'"):
        find_problem(name).load("somewhere", 0)


def test_the_autoencoder_reads_what_the_digits_can_be_read_from():
    with pytest.raises(InputError, match=r"expected a folder with MNIST's four IDX files.*'somewhere'"):
        digits_vae.load("somewhere")


def test_a_seed_decides_the_model(problem: Problem):
    def digest(seed: int) -> str:
        torch.manual_seed(seed)
        return digest_of_tensors(problem.model(seed))

    assert digest(0) == digest(0) != digest(1)


def test_two_runs_of_one_spec_give_the_same_bits_and_learn(problem: Problem):
    data = small(problem.load(None, 0), train=320, test=100)
    chosen = {"cartpole-policy": (1e-2, 1), "fine-tune": (3e-3, 4), "digits-vae": (3e-3, 2)}
    lr, epochs = chosen.get(problem.name, (1e-2, 2))
    first, second = (trained(problem, data, lr, epochs=epochs) for _ in range(2))
    assert first.status == second.status == "finished"
    assert numbers(first) == numbers(second) and first.weights_digest == second.weights_digest
    start, end = at_start(problem, data)[0], first.epochs[-1].metric
    share = (end - start) / (problem.target - start)
    assert share > 0.2, f"{start} to {end}, target {problem.target}"


def test_a_trial_runs_on_its_own_split(problem: Problem):
    data = small(problem.load(None, 0), train=2 * problem.batch_size, test=20)
    trial = trained(problem, data, 1e-3, part="tuning")
    assert trial.status == "finished" and trial.epochs[0].steps == 2


def test_evaluating_twice_gives_the_same_and_draws_nothing(problem: Problem):
    data = small(problem.load(None, 0), train=8, test=20)
    torch.manual_seed(3)
    model = problem.model(3)
    before = torch.random.get_rng_state()
    assert evaluate(model, problem, data.test) == evaluate(model, problem, data.test)
    assert torch.equal(before, torch.random.get_rng_state())


def test_weights_that_are_no_numbers_end_a_run_as_diverged(problem: Problem):
    data = small(problem.load(None, 0), train=2 * problem.batch_size, test=20)
    torch.manual_seed(0)
    model = problem.model(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(torch.nan)
    broken = dataclasses.replace(problem, model=lambda seed: model)
    assert trained(broken, data, 1e-3).status == "diverged"

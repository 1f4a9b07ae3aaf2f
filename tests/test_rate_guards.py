"""The learning-rate finder: what it leaves alone, when it is not sure, what it refuses, and how the lab calls it."""

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, SubsetRandomSampler, TensorDataset

import thalweg
from test_rate import Weights, cross_entropy, found, network, plane
from thalweg.errors import InputError
from thalweg.lab.problem import Data, Problem
from thalweg.lab.rate import find_lr, find_rate

pytestmark = pytest.mark.usefixtures("one_thread")


def loader(**options: Any) -> DataLoader:
    return DataLoader(TensorDataset(*map(torch.from_numpy, plane())), batch_size=24, **options)


# what it leaves alone


def test_the_model_and_all_random_numbers_stay_as_they_are() -> None:
    model = network(0, nn.BatchNorm1d(16), nn.Dropout(0.2)).eval()
    cross_entropy(model, tuple(map(torch.from_numpy, plane()))).backward()
    before, gradients = copy.deepcopy(model.state_dict()), [p.grad.clone() for p in model.parameters()]
    generator = torch.Generator().manual_seed(3)
    given = loader(shuffle=True, generator=generator)
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate(), generator.get_state()
    with torch.no_grad():
        find_lr(model, cross_entropy, given, "adam", budget=100, validation=plane())
        assert not torch.is_grad_enabled()
    assert all(torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True))
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), gradients, strict=True))
    assert not any(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]
    assert random.getstate() == states[2]
    assert torch.equal(generator.get_state(), states[3])


@pytest.mark.parametrize("given", ["arrays", "loader", "loader and validation"])
def test_the_same_seed_gives_the_same_numbers_whatever_came_before(given: str) -> None:
    results = []
    for before in range(2):
        torch.manual_seed(before)
        options = {"validation": plane()} if "validation" in given else {}
        data = plane() if given == "arrays" else loader(shuffle=True)
        results.append(found(data=data, model=network(0, nn.Dropout(0.3)), budget=100, **options))
    assert results[0] == results[1]
    other = found(data=data, model=network(0, nn.Dropout(0.3)), budget=100, seed=1, **options)
    assert other != results[0]


def test_frozen_parameters_stay_frozen() -> None:
    seen = set()

    def watched(model: nn.Module, batch: Any) -> torch.Tensor:
        seen.add(float(model[0].weight.sum()))
        return cross_entropy(model, batch)

    model = network()
    model[0].requires_grad_(False)
    find_lr(model, watched, plane(), "sgd", budget=100)
    assert len(seen) == 1


# when it is not sure


def never_learned(model: nn.Module, batch: Any) -> torch.Tensor:
    return 0.0 * model[0].weight.sum() + 1.0


def broken_by_a_step(model: Weights, batch: Any) -> torch.Tensor:
    return (model.x - 1.0).abs().sqrt().sum()


def test_a_loss_that_no_training_lowers() -> None:
    result = find_lr(network(), never_learned, plane(), "sgd", budget=100)
    assert not result.sure
    assert "no training at all" in result.reason


def test_targets_that_are_noise() -> None:
    """From a start at chance nothing can be gained but by luck, which 48 samples to judge by allow once in a while."""
    (inputs, targets), sure = plane(), 0
    for seed, rule in enumerate(("adam", "sgd", "rmsprop", "adam", "sgd", "rmsprop")):
        shuffled, model = np.random.default_rng(seed).permutation(targets), network(seed)
        for tensor in model[2].parameters():
            nn.init.zeros_(tensor)
        sure += find_lr(model, cross_entropy, (inputs, shuffled), rule, epochs=60, seed=seed).sure
    assert sure <= 1


def test_divergence_at_every_rate() -> None:
    result = find_lr(Weights([1.0, 1.0]), broken_by_a_step, [None], "sgd")
    assert not result.sure
    assert "diverged" in result.reason
    assert str(result).count("diverged") == len(result.curve) + 1
    assert 0 < result.lr <= 1e-8


def test_a_loss_that_raises_at_weights_that_are_no_numbers() -> None:
    def strict(model: nn.Module, batch: Any) -> torch.Tensor:
        logits = model(batch[0])
        torch.distributions.Categorical(logits=logits, validate_args=True)
        return nn.functional.cross_entropy(logits * logits.abs(), batch[1])

    result = find_lr(network(), strict, plane(), "sgd", epochs=20)
    assert 1e-4 < result.lr < 10


def test_it_says_what_it_did() -> None:
    result = found("adam", budget=150)
    text = str(result)
    assert text.startswith(f"lr {result.lr:.2g}, {'sure' if result.sure else 'not sure'}: {result.reason}")
    assert len(text.splitlines()) == 2 + len(result.curve)
    assert "#" in text
    assert result.planned == 45
    assert result.steps == sum(max(tried.scores) for tried in result.curve if "inf" not in str(tried))
    assert [tried.lr for tried in result.curve] == sorted(tried.lr for tried in result.curve)


# what it refuses


class Endless(IterableDataset):
    def __iter__(self):
        yield from zip(*plane(), strict=True)


def constant(model: nn.Module, batch: Any) -> torch.Tensor:
    return torch.tensor(1.0)


def vector(model: nn.Module, batch: Any) -> torch.Tensor:
    return model(batch[0])[:, 0]


def not_a_number(model: nn.Module, batch: Any) -> torch.Tensor:
    return cross_entropy(model, batch) * float("nan")


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no samples": (lambda: found(data=(np.zeros((0, 2), np.float32), np.zeros(0, np.int64))), "at least one sample"),
    "no batches": (lambda: found(data=[]), "at least one sample"),
    "no length": (lambda: found(data=DataLoader(Endless())), "with a length"),
    "unequal": (lambda: found(data=(plane()[0], plane()[1][:5])), "equal length"),
    "no data": (lambda: found(data=3), "expected batches"),
    "own sampler": (lambda: found(data=loader(sampler=SubsetRandomSampler(range(9)))), "validation="),
    "a vector": (lambda: find_lr(network(), vector, plane()), "as a scalar"),
    "nan": (lambda: find_lr(network(), not_a_number, plane()), "finite loss before the first step"),
    "no gradient": (lambda: find_lr(network(), constant, plane()), "with a gradient"),
    "lr": (lambda: found("adam", lr=0.1), "leave it out"),
    "a schedule": (lambda: found("adam", lr=thalweg.schedules.cosine(0.1, 10)), "leave it out"),
    "no rule": (lambda: found("adm"), "did you mean 'adam'"),
    "unknown": (lambda: found("adam", beta=0.9), "beta"),
    "rule's type": (lambda: found(3), "a rule or its name"),
    "another point": (lambda: found("nesterov_lookahead"), "nesterov"),
    "model": (lambda: find_lr(3, cross_entropy, plane()), "a torch module"),
    "nothing to train": (lambda: find_lr(nn.ReLU(), cross_entropy, plane()), "parameters to train"),
    "loss": (lambda: find_lr(network(), 3, plane()), "to be a function"),
    "epochs": (lambda: find_lr(network(), cross_entropy, plane(), epochs=0), "epochs to be a whole number"),
    "budget": (lambda: found(budget=-1), "budget to be a whole number"),
    "batch size": (lambda: found(batch_size=0), "batch_size to be a whole number"),
    "seed": (lambda: found(seed=-1), "seed to be a whole number"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    call, said = REFUSED[case]
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        call()


def test_a_rule_without_a_learning_rate() -> None:
    @thalweg.rule("of this test")
    def by_halves(x, g, t, *, share=0.5):
        return x - share * g

    with pytest.raises(InputError, match="a rule with a learning rate"):
        found(by_halves)


def test_a_mistake_that_shows_only_in_training_is_no_divergence() -> None:
    """A batch of one sample, which batch norm refuses."""
    inputs, targets = plane()
    with pytest.raises(InputError, match="training fails at every rate"):
        found(data=(inputs[:61], targets[:61]), model=network(0, nn.BatchNorm1d(16)), batch_size=16)


# the lab's way


class Untouched(Dataset):
    def __len__(self) -> int:
        raise AssertionError("the test data was looked at")


def problem(**options: Any) -> Problem:
    return Problem("tiny", "", lambda source, seed: None, network, cross_entropy, **options)


def data() -> Data:
    inputs, targets = plane()
    return Data("", Untouched(), Untouched(), ((inputs[:180], targets[:180]), (inputs[180:], targets[180:])), "")


def test_find_rate_looks_at_tuning_data_only_and_leaves_random_numbers_alone() -> None:
    state = torch.get_rng_state()
    adam = thalweg.RULES["adam"]
    results = [find_rate(problem(), data(), adam, {"lr": lr, "beta1": 0.8}, {}, 0, 12, 10) for lr in (1.0, 1e-3)]
    assert results[0] == results[1]
    assert results[0].planned == 150
    assert torch.equal(torch.get_rng_state(), state)
    assert results[0] != find_rate(problem(), data(), adam, {"beta1": 0.9}, {}, 0, 12, 10)


def test_the_metric_judges_where_the_loss_leaves_a_doubt() -> None:
    """A loss that trains as it should, and whose value tells nothing."""

    def shifted(model: nn.Module, batch: Any) -> torch.Tensor:
        loss = cross_entropy(model, batch)
        return loss - loss.detach() + 1.0

    def score(model: nn.Module, batch: Any) -> torch.Tensor:
        return -cross_entropy(model, batch)

    odd = Problem("", "", lambda *_: None, network, shifted, score, metric_name="score", maximize=True)
    by_metric, by_loss = (
        find_rate(p, data(), thalweg.RULES["sgd"], {}, {}, 0, 12, 10) for p in (odd, problem(metric=score))
    )
    assert by_metric.sure and by_loss.sure
    assert (by_metric.judge, by_loss.judge) == ("score", "loss")
    assert by_metric.lr == by_loss.lr
    assert by_metric.start == -by_loss.start
    assert by_metric.steps > by_loss.steps

"""Schedules as arguments of torch optimizers: equal to setting the number by hand, and no second way to move it."""

import copy
import functools
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import lr_scheduler

import thalweg.torch
from thalweg.errors import InputError
from thalweg.frameworks.torch import book as book_module
from thalweg.frameworks.torch import on_host as host_module
from thalweg.frameworks.torch import step as step_module
from thalweg.rules import RULES
from thalweg.schedules import cosine, exponential, linear, momentum_annealing, warmup

TRAINABLE = [name for name, rule in RULES.items() if rule.point is None]
LETTERS = [(name, letter) for name in TRAINABLE for letter in RULES[name].hyper]
ARGUMENTS: list[tuple[str, dict, str]] = [
    ("SGD", {}, "lr"),
    ("SGD", {"momentum": 0.9}, "momentum"),
    ("SGD", {"momentum": 0.9, "dampening": 0.1}, "dampening"),
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, "weight_decay"),
    ("Adagrad", {"lr_decay": 0.1}, "lr_decay"),
    ("Adagrad", {}, "eps"),
    ("Rprop", {}, "etas"),
    ("Rprop", {}, "step_sizes"),
    ("RMSprop", {"momentum": 0.5}, "momentum"),
    ("RMSprop", {"centered": True}, "alpha"),
    ("Adadelta", {}, "rho"),
    ("Adam", {"amsgrad": True}, "betas"),
    ("Adam", {}, "eps"),
    ("AdamW", {}, "weight_decay"),
    ("AdamW", {}, "lr"),
    ("NAdam", {}, "momentum_decay"),
    ("NAdam", {}, "betas"),
]


def weights() -> list[Tensor]:
    torch.manual_seed(0)
    made = [torch.randn(7, 3), torch.randn(5), torch.randn(4, 6)[:, ::2]]
    return [x.double().requires_grad_() if k < 2 else x.requires_grad_() for k, x in enumerate(made)]


def feed(step: int, *models: list[Tensor]) -> None:
    torch.manual_seed(100 + step)
    for same in zip(*models, strict=True):
        g = torch.randn(same[0].shape)
        for x in same:
            x.grad = g.to(x.dtype)


def moving(value: Any, amount: float = 0.01) -> Any:
    """A schedule that starts near a value and comes nearer; of a pair for each part."""
    if isinstance(value, tuple):
        return tuple(moving(part, amount * (k + 1)) for k, part in enumerate(value))
    return lambda t: value * (1 - amount / t) if value <= 1 else value * (1 + amount / t)


def at(entry: Any, t: int) -> Any:
    return tuple(at(part, t) for part in entry) if isinstance(entry, tuple) else entry(t) if callable(entry) else entry


def assert_same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    assert all(torch.equal(x, y) for x, y in zip(ours, theirs, strict=True))


def by_hand(make: Callable, name: str, entry: Any, steps: int = 5) -> None:
    """The schedule's numbers in two groups, against the same numbers assigned before each step."""
    a, b = weights(), weights()
    ours = make([{"params": a[:1]}, {"params": a[1:], name: at(entry, 1)}], **{name: entry})
    theirs = make([{"params": b[:1]}, {"params": b[1:], name: at(entry, 1)}], **{name: at(entry, 1)})
    for t in range(1, steps + 1):
        feed(t, a, b)
        theirs.param_groups[0][name] = at(entry, t)
        ours.step()
        theirs.step()
        assert [g[name] for g in ours.param_groups] == [at(entry, t), at(entry, 1)]
    assert at(entry, 1) != at(entry, steps)
    assert_same(a, b)


@pytest.mark.parametrize(("rule", "letter"), LETTERS)
def test_every_hyperparameter_of_every_rule(rule: str, letter: str) -> None:
    value = RULES[rule].hyper[letter] or 0.1
    by_hand(functools.partial(thalweg.torch.Optimizer, rule=rule), letter, moving(value))


@pytest.mark.parametrize(("name", "options", "argument"), ARGUMENTS, ids=[f"{n}-{a}" for n, _, a in ARGUMENTS])
def test_every_argument_of_the_classes(name: str, options: dict, argument: str) -> None:
    make = functools.partial(getattr(thalweg.torch, name), **{k: v for k, v in options.items() if k != argument})
    value = options.get(argument, make(weights()).param_groups[0][argument])
    by_hand(make, argument, moving(value))


def test_one_part_of_a_pair() -> None:
    by_hand(thalweg.torch.Adam, "betas", (momentum_annealing(0.5, 0.9, 4), 0.999))


def test_weight_decay_and_momentum_that_start_at_zero() -> None:
    by_hand(thalweg.torch.AdamW, "weight_decay", lambda t: 0.1 if t > 2 else 0.0)
    by_hand(functools.partial(thalweg.torch.SGD, lr=0.1), "momentum", lambda t: 0.9 if t > 2 else 0.0)


def test_an_argument_in_torchs_words_schedules_the_rules_letter() -> None:
    a, b = weights(), weights()
    ours = thalweg.torch.Optimizer(a, rule="sgd", lr=0.1, momentum=moving(0.9))
    theirs = thalweg.torch.SGD(b, lr=0.1, momentum=moving(0.9))
    for t in range(3):
        feed(t, a, b)
        ours.step()
        theirs.step()
    assert_same(a, b)


def test_a_schedule_may_be_the_plain_number_of_a_group_and_the_other_way_round() -> None:
    a, b, c = weights()
    groups = [{"params": [a], "lr": 0.5}, {"params": [b], "lr": exponential(0.1, 0.5)}, {"params": [c]}]
    optimizer = thalweg.torch.Adam(groups, lr=linear(1.0, 0.0, 10))
    seen = []
    for t in range(3):
        feed(t, [a, b, c])
        optimizer.step()
        seen.append([group["lr"] for group in optimizer.param_groups])
    assert [row[0] for row in seen] == [0.5] * 3
    assert [row[1] for row in seen] == [exponential(0.1, 0.5)(t) for t in (1, 2, 3)]
    assert [row[2] for row in seen] == [linear(1.0, 0.0, 10)(t) for t in (1, 2, 3)]


def test_an_added_group_follows_the_schedule_from_its_own_first_step() -> None:
    a, b, c = weights()
    optimizer = thalweg.torch.SGD([a], lr=lambda t: 1.0 / t)
    feed(0, [a, b, c])
    optimizer.step()
    optimizer.step()
    optimizer.add_param_group({"params": [b]})
    optimizer.add_param_group({"params": [c], "lr": lambda t: 10.0 * t})
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 1.0, 10.0]
    optimizer.step()
    optimizer.step()
    assert [group["lr"] for group in optimizer.param_groups] == [1 / 4, 1 / 2, 20.0]


def test_groups_that_a_user_takes_away_or_appends_are_stepped_as_torch_does() -> None:
    a, b, c = weights()
    optimizer = thalweg.torch.SGD([{"params": [a]}, {"params": [b]}], lr=1.0)
    for moved in ([True, True, True], [False, True, True]):
        if all(moved):
            optimizer.param_groups.append({**optimizer.param_groups[0], "params": [c]})
        else:
            del optimizer.param_groups[0]
        before = [x.detach().clone() for x in (a, b, c)]
        feed(0, [a, b, c])
        optimizer.step()
        assert [not torch.equal(x, y) for x, y in zip((a, b, c), before, strict=True)] == moved


@pytest.mark.parametrize("how", ["file", "pickle", "deepcopy"])
def test_checkpoints_go_on_in_the_schedule(how: str) -> None:
    make = functools.partial(
        thalweg.torch.Adam, lr=warmup(3, cosine(0.1, 20)), betas=(momentum_annealing(0.5, 0.9, 9), 0.99)
    )
    a = weights()
    optimizer = make(a)
    for t in range(5):
        feed(t, a)
        optimizer.step()
    if how == "file":
        buffer = io.BytesIO()
        torch.save((a, optimizer.state_dict()), buffer)
        buffer.seek(0)
        b, saved = torch.load(buffer, weights_only=True)
        b = [x.requires_grad_() for x in b]
        resumed = make(b)
        resumed.load_state_dict(saved)
    else:
        b, resumed = (copy.deepcopy if how == "deepcopy" else lambda x: pickle.loads(pickle.dumps(x)))((a, optimizer))
    for t in range(5, 12):
        feed(t, a, b)
        optimizer.step()
        resumed.step()
        assert resumed.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"] == warmup(3, cosine(0.1, 20))(t + 1)
    assert_same(a, b)


SCHEDULERS: dict[str, Callable] = {
    "StepLR": lambda o: lr_scheduler.StepLR(o, 50),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 10),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=20, cycle_momentum=False),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 0.9**epoch),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.ConstantLR(o), lr_scheduler.ExponentialLR(o, 0.9)], [3]
    ),
}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_torchs_schedulers_move_another_value_and_are_refused_on_the_same(scheduler: str) -> None:
    a, b = weights(), weights()
    ours = thalweg.torch.SGD(a, lr=0.1, momentum=momentum_annealing(0.5, 0.9, 5))
    theirs = thalweg.torch.SGD(b, lr=0.1, momentum=0.5)
    pair = [SCHEDULERS[scheduler](o) for o in (ours, theirs)]
    for t in range(1, 8):
        feed(t, a, b)
        theirs.param_groups[0]["momentum"] = momentum_annealing(0.5, 0.9, 5)(t)
        for optimizer, schedule in zip((ours, theirs), pair, strict=True):
            optimizer.step()
            schedule.step()
    assert_same(a, b)
    x = weights()
    both = thalweg.torch.SGD(x, lr=lambda t: 0.1)
    SCHEDULERS[scheduler](both)
    with pytest.raises(InputError, match=r"^lr of group 0 follows a schedule, and a scheduler of torch too: give"):
        both.step()
    assert_same(x, weights())


def test_one_cycle_moves_lr_and_refuses_a_scheduled_momentum() -> None:
    for name, options in (("SGD", {"momentum": lambda t: 0.9}), ("Adam", {"betas": (lambda t: 0.8, 0.999)})):
        x = weights()
        optimizer = getattr(thalweg.torch, name)(x, lr=0.1, **options)
        schedule = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=20, base_momentum=0.5, max_momentum=0.7)
        feed(0, x)
        with pytest.raises(InputError, match="of group 0 follows a schedule, and something that set it to"):
            optimizer.step()
            schedule.step()
            optimizer.step()


@pytest.mark.parametrize("after", [0, 2])
def test_an_assignment_is_refused_and_the_step_changes_nothing(after: int) -> None:
    a = weights()
    optimizer = thalweg.torch.Adam([{"params": a[:1], "lr": 0.1}, {"params": a[1:]}], lr=lambda t: 1 / t)
    for t in range(after):
        feed(t, a)
        optimizer.step()
    before = copy.deepcopy((a, optimizer.state_dict()["state"]))
    optimizer.param_groups[1]["lr"] = 0.3
    feed(9, a)
    with pytest.raises(InputError, match=r"^lr of group 1 follows a schedule, and something that set it to 0\.3 too"):
        optimizer.step()
    assert_same(a, before[0])
    assert str(optimizer.state_dict()["state"]) == str(before[1])


def test_a_refused_or_skipped_step_does_not_move_the_schedule() -> None:
    for mode in ("skip", "raise"):
        (x, *_), lr = weights(), exponential(1.0, 0.5)
        optimizer = thalweg.torch.SGD([x], lr=lr, nonfinite=mode)
        for gradient, taken in ((1.0, 1), (torch.nan, 1), (1.0, 2), (torch.inf, 2), (1.0, 3)):
            x.grad = torch.full_like(x, gradient)
            try:
                optimizer.step()
            except RuntimeError:
                assert mode == "raise" and not torch.isfinite(x.grad).all()
            assert optimizer.param_groups[0]["lr"] == lr(taken)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="rule 'adam' has no hyperparameter 'beta': did you mean 'beta2'"):
        thalweg.torch.Optimizer(weights(), rule="adam", beta=lambda t: 0.9)
    with pytest.raises(InputError, match="lr of rule 'adam' must be a finite number not below 0"):
        thalweg.torch.Optimizer(weights(), rule="adam", lr=lambda t: -1.0)


def test_a_value_that_changes_makes_no_kernel_and_sorts_no_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(module: Any, name: str) -> None:
        plain = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, **k: (calls.append(name), plain(*a, **k))[1])

    counted(host_module, "compiled")
    counted(step_module, "sort_parameters")
    assert book_module.sort_parameters is not step_module.sort_parameters
    for make in (thalweg.torch.AdamW, functools.partial(thalweg.torch.Optimizer, rule="decoupled(nadam)")):
        calls.clear()
        xs = weights()[:2]
        optimizer = make(xs, lr=warmup(3, cosine(0.1, 20)), clip_norm=1.0)
        for t in range(6):
            feed(t, xs)
            optimizer.param_groups[0]["eps"] = 1e-8 * (t + 1)
            optimizer.step()
        assert calls == ["sort_parameters", "compiled"]

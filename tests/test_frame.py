"""The frame of every torch optimizer, against the separate calls that it stands for."""

import copy
import functools
import math
import pickle
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import thalweg.torch
from checkpoints import through_a_file
from thalweg.errors import InputError
from thalweg.rules import RULES

CLASSES: list[tuple[str, dict]] = [
    ("SGD", {"weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9, "dampening": 0.5}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adagrad", {"lr_decay": 0.1, "weight_decay": 0.1}),
    ("Rprop", {}),
    ("RMSprop", {"momentum": 0.9, "weight_decay": 0.1}),
    ("RMSprop", {"centered": True}),
    ("Adadelta", {"maximize": True}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
]
TRAINABLE = [name for name, rule in RULES.items() if rule.point is None]
MAKERS: dict[str, Callable] = {name: functools.partial(thalweg.torch.Optimizer, rule=name) for name in TRAINABLE}
MAKERS |= {f"{n}-{','.join(h)}": functools.partial(getattr(thalweg.torch, n), **h) for n, h in CLASSES}
EVERY = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
SHOWN = ("nadam", "SGD-momentum,dampening")
SOME = pytest.mark.parametrize("make", [MAKERS[n] for n in SHOWN], ids=SHOWN)


def model(dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Plain, scalar, empty, in another memory order, and one that no kernel walks."""
    torch.manual_seed(0)
    shapes: tuple[tuple[int, ...], ...] = ((30, 7), (5,), (), (0,))
    made = [torch.randn(shape, dtype=dtype) for shape in shapes]
    made.append(torch.randn(2, 3, 4, 5, dtype=dtype).to(memory_format=torch.channels_last))
    made.append(torch.randn(4, 6, dtype=dtype)[:, ::2])
    return [x.requires_grad_() for x in made]


def groups(xs: list[Tensor]) -> list[dict]:
    return [{"params": xs[:2]}, {"params": xs[2:], "lr": 0.003}]


def feed(step: int, *models: Sequence[Tensor], size: float = 1.0, missing: bool = True) -> None:
    """The same gradients for all, in each step another one missing; written into those that are there already."""
    torch.manual_seed(100 + step)
    for k, same in enumerate(zip(*models, strict=True)):
        g = torch.randn(same[0].shape, dtype=torch.float64) * size
        for x in same:
            if missing and step % 7 == k:
                x.grad = None
            elif x.grad is None:
                x.grad = torch.empty_like(x, requires_grad=False).copy_(g)
            else:
                x.grad.copy_(g)


def assert_close(ours: Sequence[Tensor], theirs: Sequence[Tensor], rtol: float = 1e-12) -> None:
    torch.testing.assert_close(list(ours), list(theirs), rtol=rtol, atol=rtol)


def assert_same(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> None:
    for k, (x, y) in enumerate(zip(ours, theirs, strict=True)):
        assert torch.equal(x, y), f"parameter {k}, {(x - y).abs().max()}"


@EVERY
def test_clip_norm_is_torchs_clip_grad_norm(make: Callable) -> None:
    a, b = model(), model()
    ours, plain = make(groups(a), clip_norm=1.0), make(groups(b))
    for step in range(10):
        feed(step, a, b, size=(0.01, 10.0)[step % 2])
        before = [None if x.grad is None else x.grad.clone() for x in a]
        clip_grad_norm_(b, 1.0)
        ours.step()
        plain.step()
        assert all(x.grad is None or torch.equal(x.grad, g) for x, g in zip(a, before, strict=True))
    assert_close(a, b)


@EVERY
def test_clip_value_is_torchs_clip_grad_value(make: Callable) -> None:
    a, b = model(), model()
    ours, plain = make(groups(a), clip_value=0.5), make(groups(b))
    for step in range(6):
        feed(step, a, b)
        clip_grad_value_(b, 0.5)
        ours.step()
        plain.step()
    assert_same(a, b)


@EVERY
def test_averages_follow_the_weights_and_swap_in_and_out(make: Callable) -> None:
    a, b = model(), model()
    ours, plain = make(groups(a), ema=0.9), make(groups(b))
    averages = [x.detach().clone() for x in b]
    for step in range(6):
        feed(step, a, b, missing=False)
        ours.step()
        plain.step()
        torch._foreach_lerp_(averages, [x.detach() for x in b], 0.1)
    assert_same(a, b)
    places = [x.data_ptr() for x in a]
    with ours.averaged():
        assert_close(a, averages)
        assert not torch.equal(a[0], b[0])
    with pytest.raises(KeyError), ours.averaged():
        raise KeyError
    assert_same(a, b)
    assert places == [x.data_ptr() for x in a]


def test_averages_are_those_of_torchs_averaged_model() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(4, 3)
    averaged = AveragedModel(layer, multi_avg_fn=get_ema_multi_avg_fn(0.8))
    averaged.update_parameters(layer)  # its first update copies the weights, at which our averages start
    optimizer = thalweg.torch.Adam(layer.parameters(), lr=0.1, ema=0.8)
    for step in range(5):
        feed(step, list(layer.parameters()), missing=False)
        optimizer.step()
        averaged.update_parameters(layer)
    with optimizer.averaged():
        torch.testing.assert_close(list(layer.parameters()), list(averaged.module.parameters()))


def test_averaged_needs_averages() -> None:
    with pytest.raises(InputError, match="make it with ema="), thalweg.torch.SGD(model()).averaged():
        pass


GRADIENTS: dict[str, Callable[[], Tensor]] = {
    "contiguous": lambda: torch.ones(4, 6),
    "misaligned": lambda: torch.ones(25)[1:].view(4, 6),
    "strided": lambda: torch.ones(4, 12)[:, ::2],
    "transposed": lambda: torch.ones(6, 4).t(),
    "expanded": lambda: torch.ones(4, 1).expand(4, 6),
}


@pytest.mark.parametrize("weight", ["contiguous", "strided"])
@pytest.mark.parametrize("gradient", GRADIENTS)
def test_zero_grad_zeroes_in_place(gradient: str, weight: str) -> None:
    x = (
        GRADIENTS[weight]().clone(memory_format=torch.preserve_format)
        if weight == "contiguous"
        else GRADIENTS[weight]()
    )
    x.requires_grad_()
    optimizer = thalweg.torch.SGD([x], lr=0.25, zero_grad=True)
    for step in (1, 2):
        x.grad = GRADIENTS[gradient]()
        place = x.grad.data_ptr()
        optimizer.step()
        assert x.grad.data_ptr() == place and (x.grad == 0).all()
        assert torch.equal(x, torch.full((4, 6), 1 - 0.25 * step))
    optimizer.step()
    assert (x == 0.5).all()


@pytest.mark.parametrize("how", ["one group", "two groups", "shared memory", "one is strided"])
def test_a_gradient_object_of_two_parameters_is_zeroed_once_both_have_used_it(how: str) -> None:
    a, g = torch.zeros(4, 3, requires_grad=True), torch.ones(4, 3)
    b = {"shared memory": a.detach(), "one is strided": torch.zeros(4, 6)[:, ::2]}.get(how, torch.zeros(4, 3))
    b.requires_grad_()
    second = {"weight_decay": 0.1} if how == "two groups" else {}
    optimizer = thalweg.torch.SGD([{"params": [a]}, {"params": [b], **second}], lr=1.0, zero_grad=True)
    a.grad = b.grad = g
    optimizer.step()
    assert (a == (-2 if how == "shared memory" else -1)).all()
    assert torch.equal(a, b) and (g == 0).all()


BAD: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
    "dense": lambda: (torch.ones(4, 3), torch.ones(4, 3)),
    "bfloat16": lambda: (torch.ones(4, 3, dtype=torch.bfloat16), torch.ones(4, 3, dtype=torch.bfloat16)),
    "float64": lambda: (torch.ones(4, 3, dtype=torch.float64), torch.ones(4, 3, dtype=torch.float64)),
    "complex": lambda: (torch.ones(4, 3, dtype=torch.complex64), torch.ones(4, 3, dtype=torch.complex64)),
    "other order": lambda: (torch.ones(4, 3), torch.ones(3, 4).t()),
    "strided": lambda: (torch.ones(4, 6)[:, ::2], torch.ones(4, 3)),
    "sparse": lambda: (torch.ones(4, 3), torch.ones(4, 3).to_sparse(1)),
}


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.filterwarnings("ignore:.*lost to rounding")
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", BAD)
@SOME
def test_a_step_with_infinite_gradients_changes_nothing(make: Callable, kind: str, bad: float) -> None:
    """Neither as the first step nor later: the same steps without the bad ones lead to the same bits."""
    runs = []
    for mode in ("ignore", "skip", "raise"):
        x, g = BAD[kind]()
        x, other = x.requires_grad_(), torch.ones(2, requires_grad=True)
        optimizer = make([other, x], nonfinite=mode)
        for step in range(6):
            other.grad, x.grad = torch.full((2,), step + 1.0), g * (step + 1)
            other.data = other.data.clone()  # so that parameters are sorted anew in each step
            if step % 2 == 0 and mode == "ignore":
                continue
            if step % 2 == 0:
                (x.grad.coalesce().values() if x.grad.is_sparse else x.grad)[1, 1] = bad
                x.grad = x.grad.coalesce() if x.grad.is_sparse else x.grad
            if step % 2 == 0 and mode == "raise":
                with pytest.raises(RuntimeError, match=r"got 1 infinite or NaN numbers, in parameter number 1:"):
                    optimizer.step()
            else:
                optimizer.step()
        assert optimizer.skipped == (3 if mode == "skip" else 0)
        assert pickle.loads(pickle.dumps(optimizer)).skipped == optimizer.skipped
        runs.append([other, x, *optimizer.state[x].values(), *optimizer.state[other].values()])
    assert_same(runs[1], runs[0])
    assert_same(runs[2], runs[0])


@EVERY
def test_all_options_together_are_the_separate_calls(make: Callable) -> None:
    a, b = model(), model()
    ours = make(groups(a), clip_norm=2.0, clip_value=0.1, ema=0.9, zero_grad=True, nonfinite="skip", threads=2)
    plain, averages = make(groups(b)), [x.detach().clone() for x in b]
    for step in range(8):
        feed(step, a, b, missing=False, size=(0.01, 10.0)[step % 2])
        if step == 3:
            a[-1].grad[1, 1] = math.nan
        else:
            clip_grad_norm_(b, 2.0)
            clip_grad_value_(b, 0.1)
            plain.step()
            torch._foreach_lerp_(averages, [x.detach() for x in b], 0.1)
        ours.step()
        assert all((x.grad == 0).all() for x in a)
    assert ours.skipped == 1
    assert_close(a, b)
    with ours.averaged():
        assert_close(a, averages)


@EVERY
def test_resumes_to_the_same_bits(make: Callable) -> None:
    frame = {"clip_norm": 1.0, "ema": 0.9, "zero_grad": True}
    xs = model(torch.float32)
    optimizer = make(groups(xs), **frame)
    for step in range(3):
        feed(step, xs)
        optimizer.step()
    loaded_model, state = through_a_file(xs, optimizer)
    resumed = make(groups(loaded_model), **frame)
    resumed.load_state_dict(state)
    copies = [(loaded_model, resumed), copy.deepcopy((xs, optimizer)), pickle.loads(pickle.dumps((xs, optimizer)))]
    for step in range(3, 6):
        feed(step, xs, *(other for other, _ in copies))
        for each in (optimizer, *(each for _, each in copies)):
            each.step()
    for other, each in copies:
        assert_same(other, xs)
        with each.averaged(), optimizer.averaged():
            assert_same(other, xs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clip_norm": 0.0}, "clip_norm must be a finite number above 0"),
        ({"clip_norm": math.nan}, "clip_norm must be"),
        ({"clip_value": -1.0}, "clip_value must be a finite number above 0"),
        ({"ema": 1.0}, "ema must be a number from 0 to below 1"),
        ({"ema": "0.9"}, "ema must be"),
        ({"zero_grad": 1}, "zero_grad must be True or False"),
        ({"nonfinite": "warn"}, "nonfinite must be one of ignore, skip, raise"),
        ({"state_dtype": torch.float16}, "state_dtype must be 'float32'"),
        ({"rounding": "up"}, "rounding must be one of nearest, stochastic, kahan"),
        ({"seed": 0.5}, "seed must be a whole number"),
        ({"threads": 0}, "threads must be a whole number above 0"),
    ],
)
@SOME
def test_bad_arguments_are_refused(make: Callable, arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make([torch.zeros(1, requires_grad=True)], **arguments)

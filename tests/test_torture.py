"""Everything that may happen to a model between two steps, at random and one by one, against torch."""

import copy
import gc
import pickle
import random
from pathlib import Path

import pytest
import torch
from torch import Tensor

import thalweg.torch
from thalweg.schedules import cosine

CLASSES: list[tuple[str, dict]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    ("Rprop", {}),
    ("RMSprop", {"momentum": 0.9}),
    ("Adam", {"amsgrad": True}),
    ("AdamW", {"weight_decay": 0.1}),
]
IDS = [f"{name}-{len(hyper)}" for name, hyper in CLASSES]
EVERY = pytest.mark.parametrize(("name", "hyper"), CLASSES, ids=IDS)
Twin = tuple[list[Tensor], torch.optim.Optimizer]


def twins(name: str, hyper: dict, shapes: list[tuple[int, ...]]) -> list[Twin]:
    torch.manual_seed(0)
    start = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    made = []
    for module in (thalweg.torch, torch.optim):
        xs = [x.clone().requires_grad_() for x in start]
        half = len(xs) // 2
        groups = [{"params": xs[:half]}, {"params": xs[half:], "lr": 0.02}]
        made.append((xs, getattr(module, name)(groups, **hyper)))
    return made


def assert_close(pair: list[Twin], bound: float = 1e-12) -> None:
    (ours, _), (theirs, _) = pair
    torch.testing.assert_close(ours, theirs, rtol=bound, atol=bound)


def refill(xs: list[Tensor], seed: int) -> None:
    torch.manual_seed(seed)
    for x in xs:
        x.grad = torch.randn(x.shape, dtype=x.dtype)


def state_of(optimizer: torch.optim.Optimizer, x: Tensor) -> dict[str, Tensor]:
    return {k: v for k, v in optimizer.state.get(x, {}).items() if isinstance(v, Tensor) and v.shape == x.shape}


# What may happen to parameter k, or to a whole twin; `fate` has the same random numbers for both.
def vanish(twin: Twin, k: int, fate: random.Random) -> None:
    twin[0][k].grad = None


def move(twin: Twin, k: int, fate: random.Random) -> None:
    twin[0][k].data = twin[0][k].data.clone()


def turn_to_channels_last(twin: Twin, k: int, fate: random.Random) -> None:
    order = fate.choice([torch.channels_last, torch.contiguous_format])
    if twin[0][k].dim() == 4:
        twin[0][k].data = twin[0][k].data.to(memory_format=order)


def transpose(twin: Twin, k: int, fate: random.Random) -> None:
    x = twin[0][k]
    if x.dim() == 2 and x.shape[0] == x.shape[1]:
        x.data = x.data.t()


def spread(twin: Twin, k: int, fate: random.Random) -> None:
    x = twin[0][k]
    x.data = torch.stack([x.data, x.data], dim=-1)[..., 0]


def other_gradient_order(twin: Twin, k: int, fate: random.Random) -> None:
    x = twin[0][k]
    if x.grad is not None and x.dim() > 1:
        x.grad = x.grad.transpose(0, -1).contiguous().transpose(0, -1)


def share_gradient(twin: Twin, k: int, fate: random.Random) -> None:
    for x in twin[0]:
        if x.shape == twin[0][k].shape:
            x.grad = twin[0][k].grad


def replace_state(twin: Twin, k: int, fate: random.Random) -> None:
    for key, value in state_of(twin[1], twin[0][k]).items():
        twin[1].state[twin[0][k]][key] = value * 0.5


def write_state(twin: Twin, k: int, fate: random.Random) -> None:
    for value in state_of(twin[1], twin[0][k]).values():
        value.data = value.data * 0.5


def forget_state(twin: Twin, k: int, fate: random.Random) -> None:
    twin[1].state.pop(twin[0][k], None)


def save_and_load(twin: Twin, k: int, fate: random.Random) -> None:
    twin[1].load_state_dict(copy.deepcopy(twin[1].state_dict()))


def change_lr(twin: Twin, k: int, fate: random.Random) -> None:
    twin[1].param_groups[k % 2]["lr"] *= fate.uniform(0.5, 1.5)


def freeze(twin: Twin, k: int, fate: random.Random) -> None:
    twin[0][k].requires_grad_(fate.random() < 0.5)


def add(twin: Twin, k: int, fate: random.Random) -> None:
    x = torch.full((3, fate.randint(0, 5)), 0.5, dtype=torch.float64, requires_grad=True)
    twin[0].append(x)
    twin[1].add_param_group({"params": [x], "lr": 0.05})


def drop(twin: Twin, k: int, fate: random.Random) -> None:
    for group in twin[1].param_groups:
        group["params"] = [x for x in group["params"] if x is not twin[0][k]]
    twin[1].state.pop(twin[0][k], None)


EVENTS = (
    *(vanish, move, turn_to_channels_last, transpose, spread, other_gradient_order, share_gradient, replace_state),
    *(write_state, forget_state, save_and_load, change_lr, freeze, add, drop),
)
SHAPES: list[tuple[int, ...]] = [(3, 4, 5, 6), (5, 5), (5, 5), (7,), (7,), (), (0,), (1, 1), (40, 3), (2, 2, 2, 2)]


@EVERY
@pytest.mark.parametrize("seed", range(6))
def test_anything_may_happen_between_two_steps(name: str, hyper: dict, seed: int) -> None:
    pair = twins(name, hyper, SHAPES)
    fate = random.Random(seed)
    for step in range(60):
        happens = [(fate.choice(EVENTS), fate.randrange(10), fate.random()) for _ in range(fate.randint(0, 3))]
        for k, twin in enumerate(pair):
            if step % 3:
                refill(twin[0], step)
            for event, target, luck in happens:
                event(twin, target, random.Random(luck))
            places = [x.data_ptr() for x in twin[0]]
            twin[1].step()
            assert places == [x.data_ptr() for x in twin[0]], "a parameter was copied"
            if step == 30:
                pair[k] = copy.deepcopy(twin)
            if step == 45:
                pair[k] = pickle.loads(pickle.dumps(twin))
        assert_close(pair)


@EVERY
def test_a_large_model_in_many_groups(name: str, hyper: dict) -> None:
    shapes: list[tuple[int, ...]] = [(1 + k % 7, 1 + k % 5) for k in range(3000)]
    pair = []
    for module in (thalweg.torch, torch.optim):
        torch.manual_seed(0)
        xs = [torch.randn(shape, dtype=torch.float64).requires_grad_() for shape in shapes]
        groups = [{"params": xs[k::60], "lr": 0.001 * (k + 1)} for k in range(60)]
        pair.append((xs, getattr(module, name)(groups, **hyper)))
    for step in range(3):
        for xs, optimizer in pair:
            refill(xs, step)
            optimizer.step()
    assert_close(pair)


@EVERY
@pytest.mark.parametrize("how", ["bigger", "smaller", "stale gradient", "state", "loaded"])
def test_shapes_that_do_not_fit_are_refused(name: str, hyper: dict, how: str) -> None:
    """Where torch raises too; a kernel that went on would write behind the end of an array."""
    x = torch.ones(10, requires_grad=True)
    optimizer = getattr(thalweg.torch, name)([x], **hyper)
    refill([x], 0)
    optimizer.step()
    has_state = bool(state_of(optimizer, x))
    if how == "state":
        for key in state_of(optimizer, x):
            optimizer.state[x][key] = torch.ones(7)
    elif how == "loaded":
        saved = copy.deepcopy(optimizer.state_dict())
        x = torch.ones(20, requires_grad=True)
        optimizer = getattr(thalweg.torch, name)([x], **hyper)
        optimizer.load_state_dict(saved)
        refill([x], 1)
    else:
        x.data = x.data[:5] if how == "smaller" else torch.ones(20)
        if how != "stale gradient":
            refill([x], 1)
    before = x.detach().clone()
    if not has_state and how != "stale gradient":
        optimizer.step()  # without state nothing is left of the old shape
        assert not (x == before).any()
        return
    with pytest.raises(RuntimeError, match="shape"):
        optimizer.step()
    assert torch.equal(x, before)


@pytest.mark.parametrize("other", ["channels_last", "contiguous again"])
def test_another_order_at_the_same_address_is_seen(other: str) -> None:
    """As when an allocator hands out the block that it just got back."""
    w = torch.randn(4, 3, 5, 6, requires_grad=True)
    strides = torch.empty(4, 3, 5, 6).to(memory_format=torch.channels_last).stride()
    optimizer = thalweg.torch.SGD([w], lr=1.0)
    for step in range(3):
        if step == 1:
            w.data = w.data.as_strided(w.shape, strides)
        if step == 2 and other == "contiguous again":
            w.data = w.data.as_strided(w.shape, torch.empty(w.shape).stride())
        before = w.detach().clone()
        w.grad = torch.randn(w.shape)
        optimizer.step()
        assert torch.equal(w, before - w.grad)


@EVERY
def test_parameters_that_share_memory_are_stepped_one_after_the_other(name: str, hyper: dict) -> None:
    pair = []
    for module in (thalweg.torch, torch.optim):
        torch.manual_seed(0)
        whole = torch.randn(6, 4, dtype=torch.float64)
        xs = [
            part.requires_grad_() for part in (whole.view(6, 4), whole[2:4], whole[3:], whole.view(24), whole[:, ::2])
        ]
        pair.append((xs, getattr(module, name)(xs, **hyper)))
    for step in range(4):
        for xs, optimizer in pair:
            refill(xs, step)
            optimizer.step()
    assert_close(pair)


@pytest.mark.filterwarnings("ignore:.*duplicate parameters")
def test_a_parameter_that_is_named_twice() -> None:
    pair = []
    for module in (thalweg.torch, torch.optim):
        x = torch.ones(5, dtype=torch.float64, requires_grad=True)
        pair.append(([x], module.Adam([x, x], lr=0.1)))
    for step in range(3):
        for xs, optimizer in pair:
            refill(xs, step)
            optimizer.step()
    assert_close(pair)


@pytest.mark.parametrize("share", [True, False])
def test_state_moved_to_shared_memory_is_written_there(share: bool) -> None:
    pair = twins("Adam", {}, [(30, 7), (5,)])
    for step in range(4):
        for xs, optimizer in pair:
            refill(xs, step)
            optimizer.step()
            for x in xs if share else []:
                x.share_memory_()
                for value in optimizer.state[x].values():
                    value.share_memory_()
            first = optimizer.state[xs[0]]["exp_avg"]
            assert first.is_shared() == share
    assert_close(pair)
    assert torch.equal(pair[0][1].state[pair[0][0][0]]["step"], torch.tensor(4.0))


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's statm")
@pytest.mark.parametrize(
    "how",
    ["kept", *(pytest.param(how, marks=pytest.mark.slow) for how in ("set to none", "sparse", "framed", "strided"))],
)
def test_ten_thousand_steps_need_no_more_memory(how: str) -> None:
    torch.manual_seed(0)
    layer = torch.nn.Embedding(50, 4, sparse=how == "sparse")
    frame = {"clip_norm": 1.0, "ema": 0.9, "zero_grad": True, "lr": cosine(0.1, 20_000)} if how == "framed" else {}
    if how == "strided":
        layer.weight.data = torch.randn(50, 8)[:, ::2]
    optimizer = thalweg.torch.Adam(layer.parameters(), **frame)
    words, after_warming_up = torch.arange(10), 0
    for step in range(10_000):
        if how != "framed":
            optimizer.zero_grad(set_to_none=how != "kept")
        layer(words).sum().backward()
        optimizer.step()
        if step == 1000:
            after_warming_up = resident()
    assert resident() - after_warming_up < 500_000  # 50 bytes a step

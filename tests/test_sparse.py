"""Sparse gradients: the rows that they name are stepped as the dense rule would, and no others are touched."""

import copy
import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import thalweg.torch
from thalweg.rules import RULES

TRAINABLE = [name for name, rule in RULES.items() if rule.point is None]
IDLE = [name for name in TRAINABLE if "idle_at_zero_gradient" in RULES[name].facts]
CLASSES: list[tuple[str, dict]] = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    ("Adagrad", {"lr_decay": 0.1}),
    ("RMSprop", {"centered": True, "weight_decay": 0.1}),
    ("Adam", {"amsgrad": True, "maximize": True}),
    ("AdamW", {}),
]
MAKERS: dict[str, Callable] = {name: functools.partial(thalweg.torch.Optimizer, rule=name) for name in TRAINABLE}
MAKERS |= {f"{n}-{','.join(h)}": functools.partial(getattr(thalweg.torch, n), **h) for n, h in CLASSES}
EVERY = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
SHOWN = ("sgd", "nadam", "rprop_plus", "SGD-lr,momentum,dampening,weight_decay")
SOME = pytest.mark.parametrize("make", [MAKERS[n] for n in SHOWN], ids=SHOWN)
ALWAYS, SOMETIMES, NEVER = [1, 4], [0, 6], [2, 3, 5, 7]


def gradient(rows: list[int], shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    """Random rows; one that is named twice has two parts."""
    values = torch.randn(len(rows), *shape[1:], dtype=dtype)
    return torch.sparse_coo_tensor(torch.tensor([rows]), values, shape, check_invariants=True)


def twins(dtype: torch.dtype = torch.float32, shape: tuple[int, ...] = (8, 5)) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=dtype).requires_grad_()
    return x, x.detach().clone().requires_grad_()


def arrays(optimizer: torch.optim.Optimizer, x: Tensor) -> dict[str, Tensor]:
    return {"x": x.detach(), **{k: v for k, v in optimizer.state.get(x, {}).items() if v.shape == x.shape}}


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor], at: list[int] | Tensor | None = None) -> None:
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        a, b = (value, theirs[key]) if at is None else (value[at], theirs[key][at])
        assert torch.equal(a, b), f"{key}: {(a - b).abs().max()}"


@EVERY
def test_rows_that_are_always_touched_step_as_in_a_dense_run(make: Callable) -> None:
    """And those that never are keep the bits of their weights and of their state's start."""
    x, y = twins()
    sparse, dense = make([x]), make([y])
    first = x.detach().clone()
    for step in range(6):
        x.grad = gradient([*ALWAYS, *SOMETIMES[: step % 3], 4], (8, 5))
        y.grad = x.grad.to_dense()
        sparse.step()
        dense.step()
        if step == 0:
            start = copy.deepcopy(arrays(sparse, x))
    assert_same(arrays(sparse, x), arrays(dense, y), ALWAYS)
    assert_same(arrays(sparse, x), start | {"x": first}, NEVER)
    numbers = [v for v in sparse.state.get(x, {}).values() if v.dim() == 0]
    assert numbers == [v for v in dense.state.get(y, {}).values() if v.dim() == 0]


@pytest.mark.parametrize("name", TRAINABLE)
def test_rules_that_declare_it_step_every_row_as_in_a_dense_run(name: str) -> None:
    """Those that declare that zero gradients leave weights and state as they are, and only those."""
    x, y = twins()
    sparse, dense = MAKERS[name]([x]), MAKERS[name]([y])
    for step in range(6):
        x.grad = gradient([*ALWAYS, *SOMETIMES[: step % 3]], (8, 5))
        y.grad = x.grad.to_dense()
        sparse.step()
        dense.step()
    ours, theirs = arrays(sparse, x), arrays(dense, y)
    assert all(torch.equal(ours[k], theirs[k]) for k in ours) == (name in IDLE)


FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "matrix": lambda x: x,
    "vector": lambda x: x[:, 0].clone(),
    "cube": lambda x: x.reshape(4, 5, 6).clone(),
    "transposed": lambda x: x.t(),
    "strided": lambda x: x[:, ::2],
    "part of a larger one": lambda x: x[3:],
}


@pytest.mark.parametrize("kind", ["coalesced", "uncoalesced", "one", "empty"])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("form", FORMS)
@SOME
def test_any_form_of_weight_and_gradient(make: Callable, form: str, depth: int, kind: str) -> None:
    torch.manual_seed(0)
    x = FORMS[form](torch.randn(20, 6)).requires_grad_()
    y = x.detach().clone().requires_grad_()
    place, depth = x.data_ptr(), min(depth, x.dim())
    sparse, dense = make([x]), make([y])
    number = {"coalesced": 4, "uncoalesced": 9, "one": 1, "empty": 0}[kind]
    places = torch.stack([torch.randint(0, size // 2, (number,)) for size in x.shape[:depth]])
    for _ in range(3):
        values = torch.randn(number, *x.shape[depth:])
        x.grad = torch.sparse_coo_tensor(places, values, x.shape, check_invariants=True)
        x.grad = x.grad.coalesce() if kind == "coalesced" else x.grad
        y.grad = x.grad.to_dense()
        sparse.step()
        dense.step()
    touched = torch.zeros(x.shape, dtype=torch.bool)
    touched[tuple(places)] = True
    torch.testing.assert_close(x[touched], y[touched], rtol=1e-6, atol=1e-7)
    torch.manual_seed(0)
    assert torch.equal(x[~touched], FORMS[form](torch.randn(20, 6))[~touched])
    assert x.data_ptr() == place
    assert sparse.state.get(x, {}).get("step") == dense.state.get(y, {}).get("step")


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16, torch.complex64], ids=str)
@pytest.mark.filterwarnings("ignore:.*lost to rounding")
@SOME
def test_any_type(make: Callable, dtype: torch.dtype) -> None:
    x, y = twins(dtype)
    sparse, dense = make([x]), make([y])
    for _ in range(4):
        x.grad = gradient(ALWAYS, (8, 5), dtype)
        y.grad = x.grad.to_dense()
        sparse.step()
        dense.step()
    torch.testing.assert_close(x[ALWAYS], y[ALWAYS], rtol=1e-6, atol=1e-6)
    assert torch.equal(x[NEVER], twins(dtype)[0][NEVER])


@pytest.mark.parametrize("rounding", ["stochastic", "kahan"])
@pytest.mark.parametrize("state_dtype", [None, "float32"])
def test_roundings_reach_only_the_touched_rows(rounding: str, state_dtype: str | None) -> None:
    shape = (200, 300)
    runs = []
    for threads, seed in ((1, 0), (2, 0), (1, 1)):
        x, _ = twins(torch.bfloat16, shape)
        first, rows = x.detach().clone(), list(range(0, 200, 2))
        frame = {"rounding": rounding, "state_dtype": state_dtype, "threads": threads, "seed": seed}
        optimizer = thalweg.torch.Adam([x], lr=1e-4, **frame)
        for _ in range(3):
            x.grad = gradient(rows, shape, torch.bfloat16)
            optimizer.step()
        assert torch.equal(x[1::2], first[1::2])
        assert not torch.equal(x[::2], first[::2])
        runs.append(arrays(optimizer, x))
    assert_same(runs[0], runs[1])
    assert torch.equal(runs[0]["x"], runs[2]["x"]) == (rounding == "kahan")


@EVERY
def test_dense_and_sparse_steps_may_alternate(make: Callable) -> None:
    x, y = twins()
    mixed, dense = make([x]), make([y])
    for step in range(6):
        x.grad = gradient(list(range(8)), (8, 5))
        y.grad = x.grad.to_dense()
        x.grad = x.grad.to_dense() if step in (0, 3, 4) else x.grad
        mixed.step()
        dense.step()
    assert_same(arrays(mixed, x), arrays(dense, y))


@SOME
def test_a_model_with_sparse_dense_and_missing_gradients(make: Callable) -> None:
    """An embedding that two uses share; every other parameter steps as always."""
    torch.manual_seed(0)
    layer, head = torch.nn.Embedding(8, 5, sparse=True), torch.nn.Linear(5, 2)
    peers = copy.deepcopy((layer, head))
    peers[0].sparse = False
    ours, theirs = (make([*a.parameters(), *b.parameters()]) for a, b in ((layer, head), peers))
    for step in range(4):
        for (words, out), optimizer in (((layer, head), ours), (peers, theirs)):
            optimizer.zero_grad()
            if step != 2:
                loss = out(words(torch.tensor([1, 4, 4]))).sum() + (words(torch.tensor([[1], [4]])) ** 2).sum()
                loss.backward()
            optimizer.step()
    torch.testing.assert_close(list(head.parameters()), list(peers[1].parameters()))
    torch.testing.assert_close(layer.weight[ALWAYS], peers[0].weight[ALWAYS])


def test_bags_of_embeddings() -> None:
    torch.manual_seed(0)
    bag = torch.nn.EmbeddingBag(8, 5, sparse=True, mode="mean")
    peer = copy.deepcopy(bag)
    peer.sparse = False
    for layer in (bag, peer):
        optimizer = thalweg.torch.Adagrad(layer.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            (layer(torch.tensor([1, 4, 4, 0]), torch.tensor([0, 2])) ** 2).sum().backward()
            optimizer.step()
    torch.testing.assert_close(bag.weight, peer.weight)


@SOME
def test_zero_grad_empties_the_gradient_and_the_next_backward_adds_to_it(make: Callable) -> None:
    torch.manual_seed(0)
    layer = torch.nn.Embedding(8, 5, sparse=True)
    peer = copy.deepcopy(layer)
    ours, theirs = make(layer.parameters(), zero_grad=True), make(peer.parameters())
    for _ in range(3):
        theirs.zero_grad()
        for each, optimizer in ((layer, ours), (peer, theirs)):
            (each(torch.tensor([1, 4, 4])) ** 2).sum().backward()
            optimizer.step()
        assert layer.weight.grad.is_sparse and (layer.weight.grad.to_dense() == 0).all()
    assert torch.equal(layer.weight, peer.weight)


@SOME
def test_clipping_and_averages(make: Callable) -> None:
    """The norm counts a row that is named twice as its sum; averages of rows that are not touched do not move."""
    x, y = twins()
    other, peer = twins(shape=(3,))
    frame = {"clip_norm": 0.5, "clip_value": 0.2, "ema": 0.9}
    ours, theirs = make([x, other], **frame), make([y, peer], **frame)
    first = x.detach().clone()
    for _ in range(5):
        x.grad, other.grad = gradient([1, 4, 1, 1], (8, 5)), torch.randn(3)
        y.grad, peer.grad = x.grad.to_dense(), other.grad.clone()
        ours.step()
        theirs.step()
    torch.testing.assert_close(x[ALWAYS], y[ALWAYS], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(other, peer, rtol=1e-6, atol=1e-6)
    with ours.averaged(), theirs.averaged():
        torch.testing.assert_close(x[ALWAYS], y[ALWAYS], rtol=1e-6, atol=1e-6)
        assert torch.equal(x[NEVER], first[NEVER])


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize(
    ("rule", "peer"),
    [("adam_eps_hat", torch.optim.SparseAdam), ("adagrad", torch.optim.Adagrad), ("sgd", torch.optim.SGD)],
)
def test_agrees_with_what_torch_has(rule: str, peer: type) -> None:
    """Torch's SparseAdam scales epsilon as the short form of the paper's section 2 does."""
    x, y = twins(torch.float64)
    options = {"lr": 0.1} if rule != "adam_eps_hat" else {"lr": 0.1, "eps": 1e-3}
    ours, theirs = thalweg.torch.Optimizer([x], rule=rule, **options), peer([y], **options)
    for step in range(6):
        x.grad = gradient([*ALWAYS, *SOMETIMES[: step % 3], 4], (8, 5), torch.float64)
        y.grad = x.grad.clone()
        ours.step()
        theirs.step()
    torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-12)


def test_a_row_that_does_not_exist_is_refused() -> None:
    x, y = twins()
    optimizer = thalweg.torch.SGD([x])
    x.grad = torch.sparse_coo_tensor(torch.tensor([[1, 8]]), torch.ones(2, 5), (8, 5), check_invariants=False)
    with pytest.raises(ValueError, match="invalid entry"):
        optimizer.step()
    assert torch.equal(x, y)

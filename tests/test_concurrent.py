"""Threads, forks, autograd's own threads, and what torch's autograd must be told of a step."""

import functools
import hashlib
import os
import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import thalweg.torch
from thalweg.frameworks.torch.memory import walkable

SIZE = 300_000  # enough for several threads
MAKERS: dict[str, Callable] = {
    "SGD": functools.partial(thalweg.torch.SGD, lr=0.1, momentum=0.9),
    "Adam": functools.partial(thalweg.torch.Adam, clip_norm=1.0, ema=0.9, zero_grad=True),
    "nadam": functools.partial(thalweg.torch.Optimizer, rule="nadam"),
}
EVERY = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def model(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)  # threads share torch's own
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in ((SIZE,), (30, 7), (5,))]


def feed(xs: list[Tensor], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for x in xs:
        x.grad = torch.randn(x.shape, generator=generator)


def train(make: Callable, seed: int, steps: int = 20) -> list[Tensor]:
    xs = model(seed)
    optimizer = make(xs)
    for step in range(steps):
        feed(xs, step)
        optimizer.step()
    return xs


def in_threads(*work: Callable[[], None]) -> None:
    failed: list[BaseException] = []

    def guarded(each: Callable[[], None]) -> None:
        try:
            each()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failed and not any(thread.is_alive() for thread in threads)


@EVERY
def test_two_optimizers_in_two_threads(make: Callable) -> None:
    alone = [train(make, seed) for seed in (1, 2)]
    found: dict[int, list[Tensor]] = {}
    in_threads(*(lambda seed=seed: found.update({seed: train(make, seed)}) for seed in (1, 2)))
    for seed, expected in zip((1, 2), alone, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(found[seed], expected, strict=True))


@pytest.mark.parametrize("many", [1, 400])
def test_one_optimizer_in_several_threads_takes_every_step(many: int) -> None:
    """From the very first step on, which makes the state."""
    for _ in range(5):
        xs = [torch.zeros(SIZE // many, requires_grad=True) for _ in range(many)]
        for x in xs:
            x.grad = torch.ones_like(x)
        optimizer = thalweg.torch.Adam(xs, lr=1.0, betas=(0.0, 0.0), eps=0.0)
        barrier = threading.Barrier(4)

        def work(optimizer: torch.optim.Optimizer = optimizer, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            for _ in range(10):
                optimizer.step()

        in_threads(work, work, work, work)
        assert {optimizer.state[x]["step"].item() for x in xs} == {40.0}
        assert all((x == -40).all() for x in xs)


@EVERY
def test_the_number_of_threads_does_not_change_a_bit(make: Callable) -> None:
    before = torch.get_num_threads()
    runs = []
    try:
        for change in (1, 2, 5):
            xs = model()
            optimizer = make(xs)
            for step in range(6):
                torch.set_num_threads(2 if step < 3 else change)
                feed(xs, step)
                optimizer.step()
            runs.append(xs)
    finally:
        torch.set_num_threads(before)
    runs.append(train(functools.partial(make, threads=3), 0, 6))
    for xs in runs[1:]:
        assert all(torch.equal(x, y) for x, y in zip(xs, runs[0], strict=True))


def fingerprint(xs: list[Tensor]) -> bytes:
    """Through NumPy: in a forked child torch's own operations would wait for threads that fork did not copy."""
    return hashlib.sha256(b"".join(x.detach().numpy().tobytes() for x in xs)).digest()


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@EVERY
def test_parent_and_child_step_on_after_a_fork(make: Callable) -> None:
    xs = model()
    feed(xs, 0)
    kept = [x.grad.numpy().copy() for x in xs]
    optimizer = make(xs, threads=2)
    optimizer.step()

    def on() -> bytes:
        for _ in range(3):
            for x, g in zip(xs, kept, strict=True):
                x.grad.numpy()[...] = g
            optimizer.step()
        return fingerprint(xs)

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, on())
        finally:
            os._exit(0)
    os.close(writing)
    mine = on()
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == mine
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_workers_of_a_data_loader_fork_between_steps() -> None:
    def run(workers: int) -> list[Tensor]:
        torch.manual_seed(0)
        layer = torch.nn.Linear(100, 3000)
        optimizer = thalweg.torch.Adam(layer.parameters())
        for _ in range(3):
            for (x,) in DataLoader(TensorDataset(torch.ones(8, 100)), batch_size=4, num_workers=workers):
                optimizer.zero_grad()
                layer(x).square().mean().backward()
                optimizer.step()
        return list(layer.parameters())

    assert all(torch.equal(x, y) for x, y in zip(run(2), run(0), strict=True))


def test_steps_taken_inside_backward_with_an_optimizer_for_each_parameter() -> None:
    """In autograd's thread; the gradients are gone before the next one is made."""

    def run(module: object, inside: bool) -> list[Tensor]:
        torch.manual_seed(0)
        layers = torch.nn.Sequential(torch.nn.Linear(9, 20), torch.nn.ReLU(), torch.nn.Linear(20, 4)).double()
        optimizers = {x: module.AdamW([x], lr=0.01) for x in layers.parameters()}

        def step(x: Tensor) -> None:
            optimizers[x].step()
            optimizers[x].zero_grad()

        for x in optimizers if inside else []:
            x.register_post_accumulate_grad_hook(step)
        for k in range(5):
            layers(torch.full((2, 9), 0.1 * k, dtype=torch.float64)).square().sum().backward()
            for x in optimizers if not inside else []:
                step(x)
        return list(layers.parameters())

    expected = run(torch.optim, False)
    for inside in (False, True):
        torch.testing.assert_close(run(thalweg.torch, inside), expected, rtol=1e-12, atol=1e-12)


WEIGHTS: dict[str, Callable[[], Tensor]] = {
    "plain": lambda: torch.ones(6, 4),
    "strided": lambda: torch.ones(6, 8)[:, ::2],
    "bfloat16": lambda: torch.ones(6, 4, dtype=torch.bfloat16),
    "complex": lambda: torch.ones(6, 4, dtype=torch.complex64),
}


@pytest.mark.parametrize("options", [{}, {"foreach": True}, {"foreach": False}, {"fused": True}], ids=str)
@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_step_between_forward_and_backward_raises_torchs_error(weight: str, number: int, options: dict) -> None:
    xs = [WEIGHTS[weight]().requires_grad_() for _ in range(number)]
    optimizer = thalweg.torch.SGD(xs, lr=0.5, **options)
    losses = [(x * x).abs().sum() for x in xs]
    for x in xs:
        x.grad = torch.ones_like(x)
    optimizer.step()
    for x, loss in zip(xs, losses, strict=True):
        assert walkable(x) == (weight != "strided")
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


def test_autograd_is_told_of_sparse_rows_of_zeroed_gradients_and_of_averages() -> None:
    layer = torch.nn.Embedding(5, 3, sparse=True)
    optimizer = thalweg.torch.SGD(layer.parameters(), lr=0.1, ema=0.5)
    layer(torch.tensor([1])).sum().backward()
    loss = (layer.weight**2).sum()
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    loss = (layer.weight**2).sum()
    with optimizer.averaged(), pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    w = torch.ones(4, requires_grad=True)
    w.grad = torch.ones(4, requires_grad=True)
    squared = (w.grad**2).sum()
    with torch.no_grad():
        thalweg.torch.SGD([w], zero_grad=True).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        squared.backward()


def test_a_parameter_without_gradient_is_not_marked_as_changed() -> None:
    a, b = (torch.ones(3, requires_grad=True) for _ in range(2))
    optimizer = thalweg.torch.Adam([a, b])
    for first in (True, False):
        a.grad, b.grad = torch.ones(3), torch.ones(3) if first else None
        loss = (b * b).sum()
        optimizer.step()
    loss.backward()
    assert torch.equal(b.grad, 2 * b)


@pytest.mark.parametrize("inside", [True, False])
def test_inference_tensors_are_stepped_where_torch_steps_them(inside: bool) -> None:
    with torch.inference_mode():
        w = torch.ones(3)
        w.grad = torch.ones(3)
    optimizer = thalweg.torch.SGD([w], lr=1.0)
    with torch.inference_mode(inside):
        if inside:
            optimizer.step()
        else:
            with pytest.raises(RuntimeError, match="inference mode"):
                optimizer.step()
    assert (w == (0.0 if inside else 1.0)).all()


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_lazy_modules_may_be_given_before_their_first_batch() -> None:
    layer = torch.nn.LazyLinear(3)
    optimizer = thalweg.torch.Adam(layer.parameters(), lr=0.1)
    layer(torch.ones(2, 4)).sum().backward()
    before = layer.weight.detach().clone()
    optimizer.step()
    torch.testing.assert_close(layer.weight, before - 0.1)


@pytest.mark.parametrize("weights", [torch.channels_last, torch.contiguous_format], ids=str)
@pytest.mark.parametrize("images", [torch.channels_last, torch.contiguous_format], ids=str)
def test_a_convolution_trained_in_either_memory_order(
    weights: torch.memory_format, images: torch.memory_format
) -> None:
    def run(module: object, weights: torch.memory_format) -> list[Tensor]:
        torch.manual_seed(0)
        layers = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3)).double()
        layers.to(memory_format=weights)
        optimizer = module.AdamW(layers.parameters(), lr=0.01)
        for _ in range(4):
            optimizer.zero_grad()
            batch = torch.randn(2, 3, 9, 9, dtype=torch.float64).to(memory_format=images)
            layers(batch).square().sum().backward()
            optimizer.step()
        return list(layers.parameters())

    torch.testing.assert_close(run(thalweg.torch, weights), run(torch.optim, weights), rtol=1e-9, atol=1e-9)

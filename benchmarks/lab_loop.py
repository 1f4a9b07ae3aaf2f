"""What the lab's training loop costs over a loop written by hand, with torch's own fused Adam in it.

    python benchmarks/lab_loop.py [--pairs 7] [--epochs 3]

Both train the same network from the same weights on the same batches for as many epochs, evaluate after each of them,
and run in alternation in one process with one thread; the medians of the ratios of neighbouring runs count. Printed
beside the ratio to torch's Adam is that to the same loop with our own Adam, which leaves only the loop.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

import thalweg.torch
from thalweg.lab.batches import data_order
from thalweg.lab.files import find_problem
from thalweg.lab.problem import Data, Problem
from thalweg.lab.run import run
from thalweg.lab.spec import RunSpec
from thalweg.lab.study import Request, final_specs, plan
from thalweg.rules import RULES

PROBLEMS = ("mnist-cnn", "mnist-mlp")
PEERS: dict[str, Callable[..., Any]] = {
    "torch's fused Adam": lambda parameters: torch.optim.Adam(parameters, lr=1e-3, fused=True),
    "our Adam": lambda parameters: thalweg.torch.Adam(parameters, lr=1e-3),
}


def by_hand(problem: Problem, data: Data, epochs: int, make: Callable[..., Any]) -> float:
    """The loop that everybody writes; the last test loss."""
    torch.manual_seed(0)
    model = problem.model(0)
    optimizer = make(model.parameters())
    x, y = (torch.from_numpy(array) for array in data.train)
    loss_of = torch.nn.functional.cross_entropy
    last = 0.0
    for epoch in range(1, epochs + 1):
        model.train()
        running = 0.0
        for chosen in torch.from_numpy(data_order(0, epoch, len(y))).split(problem.batch_size or len(y)):
            optimizer.zero_grad()
            loss = loss_of(model(x[chosen]), y[chosen])
            loss.backward()
            optimizer.step()
            running += loss.item() * len(chosen)
        model.eval()
        with torch.no_grad():
            inputs, targets = (torch.from_numpy(array) for array in data.test)
            output = model(inputs)
            last, _ = loss_of(output, targets).item(), (output.argmax(dim=1) == targets).double().mean().item()
    return last


def in_the_lab(problem: Problem, data: Data, spec: RunSpec) -> float:
    """The lab's loop; the last test loss."""
    return run(spec, problem, {"adam": RULES["adam"]}, data, lambda epoch: None).epochs[-1].loss


def timed(function: Callable[[], float]) -> tuple[float, float]:
    """Seconds and result of a call."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def measure(name: str, pairs: int, epochs: int) -> dict[str, list[float]]:
    """For each peer the ratios of neighbouring runs, the lab's over the one by hand."""
    problem = find_problem(name)
    data = problem.load(None, 0)
    study = plan(Request(name, "adam", epochs=epochs, seeds=1))
    [spec] = final_specs(study, study.contenders[0])
    torch.set_num_threads(1)
    ratios: dict[str, list[float]] = {peer: [] for peer in PEERS}
    for pair in range(pairs + 1):  # the first of each warms up
        for peer, make in PEERS.items():
            hand, loss = timed(lambda make=make: by_hand(problem, data, epochs, make))
            lab, own = timed(lambda: in_the_lab(problem, data, spec))
            assert abs(own - loss) <= 1e-3 * abs(loss), f"expected equal training, got {own} and {loss}"
            ratios[peer] += [lab / hand] if pair else []
    return ratios


def main() -> None:
    """Print one line per problem and peer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=3)
    given = parser.parse_args()
    print(f"{'problem':<12}{'lab over a loop by hand with':<32}{'median':>8}{'lowest':>8}{'highest':>8}")
    for name in PROBLEMS:
        for peer, ratios in measure(name, given.pairs, given.epochs).items():
            print(f"{name:<12}{peer:<32}{statistics.median(ratios):>8.3f}{min(ratios):>8.3f}{max(ratios):>8.3f}")


if __name__ == "__main__":
    main()

"""A policy learns to balance a pole on a cart by trying: REINFORCE on Gymnasium's CartPole-v1.

It stands for reinforcement learning: the data are what the network itself brings about, and the gradient is an estimate
with much noise. A sample is the seed of an episode, which decides how the pole stands at its start; a batch is played
anew every time, with actions drawn from the policy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from thalweg.errors import InputError
from thalweg.lab.batches import of_arrays
from thalweg.lab.data import only_own
from thalweg.lab.problem import Data, Problem
from thalweg.lab.spec import digest_of

_ENVIRONMENT = "CartPole-v1"
_DISCOUNT = 0.99
_TRAINED, _TESTED = 160, 50  # episodes per epoch, and per evaluation


@dataclass(frozen=True)
class Episode:
    """What was seen, done and earned, step by step."""

    observations: list[np.ndarray] = field(default_factory=list)
    actions: list[int] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)

    def append(self, observation: np.ndarray, action: int, reward: float) -> None:
        """Add a step: what was seen before it, what was done, and what that earned."""
        self.observations.append(observation)
        self.actions.append(action)
        self.rewards.append(reward)


def load(source: str | None, seed: int = 0) -> Data:
    """Seeds of episodes, all different: to train, to test, and others for both while tuning.

    Args:
        source: None: what happens in an episode is up to Gymnasium.
        seed: Of the run; the data is the same for all.

    Raises:
        InputError: If a source is named, or Gymnasium is missing.
    """
    only_own(source, "cartpole-policy")
    seeds = np.arange(2 * (_TRAINED + _TESTED))
    train, tuned, test, validation = np.split(seeds, np.cumsum([_TRAINED, _TRAINED, _TESTED]))
    name = f"{_TRAINED} episodes of {_ENVIRONMENT} per epoch to train, {_TESTED} others to test (Gymnasium)"
    data = of_arrays(name, (train,), (test,), ((tuned,), (validation,)))
    return replace(data, digest=digest_of(f"{data.digest} gymnasium {_version()}"))  # the physics belong to the data


def _version() -> str:
    try:
        return version("gymnasium")
    except PackageNotFoundError as error:
        raise _missing() from error


def _missing() -> InputError:
    return InputError(
        "the problem 'cartpole-policy' needs the package 'gymnasium', which is not installed: "
        "pip install 'thalweg[lab]'"
    )


def model(seed: int) -> nn.Sequential:
    """From the four numbers that describe cart and pole to the logits of pushing left and right.

    Args:
        seed: Of torch's generator, which was set to it before.

    Example:
        >>> model(0)(torch.zeros(2, 4)).shape
        torch.Size([2, 2])
    """
    return nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 2))


def loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    """REINFORCE: minus the mean logarithm of each action's probability times how much better it went than usual.

    The actions are drawn from torch's generator; in an evaluation from a generator of its own with a fixed seed, so
    that evaluating changes nothing. What is usual is the mean over the batch, and the unit the standard deviation.

    Args:
        model: From observations to logits of the two actions.
        batch: Seeds of episodes.

    Returns:
        A scalar.
    """
    generator = None if model.training else torch.Generator().manual_seed(0)
    episodes = played(model, batch[0], lambda logits: _drawn(logits, generator))
    observations = torch.from_numpy(np.stack([o for episode in episodes for o in episode.observations]))
    actions = torch.tensor([action for episode in episodes for action in episode.actions])
    device = batch[0].device
    surprise = nn.functional.cross_entropy(model(observations.to(device)), actions.to(device), reduction="none")
    return (advantages(episodes).to(device) * surprise).mean()


def _drawn(logits: Tensor, generator: torch.Generator | None) -> Tensor:
    # Weights that are no numbers any more give NaN here, and so action 0 and a loss of NaN, but no exception.
    return torch.rand(len(logits), generator=generator) < logits.softmax(dim=1)[:, 1].cpu()


def advantages(episodes: list[Episode]) -> Tensor:
    """For every step of every episode, how much more was earned from there on than in the mean of all of them.

    What comes later counts less, by a hundredth per step.

    Example:
        >>> advantages([Episode([], [], [1.0, 1.0]), Episode([], [], [1.0])])
        tensor([ 1.4142, -0.7071, -0.7071])
    """
    earned = torch.tensor([value for episode in episodes for value in discounted(episode.rewards)])
    return (earned - earned.mean()) / (earned.std(correction=0) + 1e-8)


def discounted(rewards: list[float]) -> list[float]:
    """What each step and those after it earned.

    Example:
        >>> discounted([1.0, 0.0, 1.0])
        [1.9801, 0.99, 1.0]
    """
    total, found = 0.0, []
    for reward in reversed(rewards):
        total = reward + _DISCOUNT * total
        found.append(total)
    return found[::-1]


def mean_return(model: nn.Module, batch: tuple[Tensor, ...]) -> float:
    """For how many steps the pole stays up in the mean, at most 500, the likelier action taken every time."""
    episodes = played(model, batch[0], lambda logits: logits[:, 1] > logits[:, 0])
    return sum(sum(episode.rewards) for episode in episodes) / len(episodes)


@torch.no_grad()
def played(policy: nn.Module, seeds: Tensor, choose: Callable[[Tensor], Tensor]) -> list[Episode]:
    """One episode per seed, all side by side, so that the policy is asked once per step.

    Args:
        policy: From observations to logits, on the device of the seeds.
        seeds: What decides how the episodes start.
        choose: From logits to actions, 0 or 1 each.

    Raises:
        InputError: If Gymnasium is missing.
    """
    episodes, environments = [Episode() for _ in seeds], [_environment() for _ in seeds]
    seen = [environment.reset(seed=seed)[0] for environment, seed in zip(environments, seeds.tolist(), strict=True)]
    running = list(range(len(seeds)))
    while running:
        observations = torch.from_numpy(np.stack([seen[place] for place in running]))
        actions = choose(policy(observations.to(seeds.device))).long().tolist()
        ended = set()
        for place, action in zip(running, actions, strict=True):
            following, reward, terminated, truncated, _ = environments[place].step(action)
            episodes[place].append(seen[place], action, float(reward))
            seen[place] = following
            if terminated or truncated:
                ended.add(place)
        running = [place for place in running if place not in ended]
    return episodes


def _environment() -> Any:
    try:
        from gymnasium import make
    except ModuleNotFoundError as error:
        raise _missing() from error
    return make(_ENVIRONMENT, disable_env_checker=True)  # its checker takes longer than the cart


PROBLEM = Problem(
    name="cartpole-policy",
    summary="a policy learns by trial to balance a pole on a cart",
    load=load,
    model=model,
    loss=loss,
    metric=mean_return,
    metric_name="mean return",
    maximize=True,
    epochs=10,
    batch_size=16,
    target=475.0,  # where Gymnasium calls it solved
)

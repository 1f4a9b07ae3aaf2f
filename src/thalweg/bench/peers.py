"""A rule's counterpart in torch: its class, the arguments that make it this rule, and the settings it can run in."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

import thalweg.torch
from thalweg.bench.pairs import Side, fastest, warmed
from thalweg.formula import Peer
from thalweg.rules import PEERS, RULES

SETTINGS = {"loop": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}
TRAINABLE = tuple(name for name, rule in RULES.items() if rule.point is None)
# Rules whose own defaults are those at which torch's class is a simpler rule.
AWAY_FROM_SIMPLER = {"momentum_dampened": {"dampening": 0.1}, "adagrad_lr_decay": {"lr_decay": 0.01}}


def peer_of(rule: str) -> Peer | None:
    """The first torch class that a rule of the catalogue is, if there is one."""
    return next((peer for name, peer in PEERS if name == rule and peer.framework == "torch"), None)


def arguments(rule: str, peer: Peer) -> dict[str, Any]:
    """What makes the peer's class this rule.

    Example:
        >>> arguments("nesterov", peer_of("nesterov"))
        {'nesterov': True, 'lr': 0.01, 'momentum': 0.9}
    """
    hyper = {**RULES[rule].hyper, **AWAY_FROM_SIMPLER.get(rule, {})}
    spelled = {
        argument: hyper[held] if isinstance(held, str) else tuple(hyper[letter] for letter in held)
        for argument, held in peer.spelling.items()
    }
    return {**peer.flags, **spelled}


def settings_of(name: str) -> dict[str, dict[str, bool]]:
    """The settings that a class of `torch.optim` can run in.

    Example:
        >>> list(settings_of("Adam")), list(settings_of("Rprop"))
        (['loop', 'foreach', 'fused'], ['loop', 'foreach'])
    """
    known = inspect.signature(getattr(torch.optim, name)).parameters
    return {setting: switch for setting, switch in SETTINGS.items() if switch.keys() <= known.keys()}


def torchs(rule: str, peer: Peer, setting: str, params: Sequence[Tensor]) -> Side:
    """A step of torch's class."""
    optimizer = getattr(torch.optim, peer.name)(params, **arguments(rule, peer), **SETTINGS[setting])
    return Side(optimizer.step)


def ours(rule: str, peer: Peer | None, params: Sequence[Tensor]) -> Side:
    """A step of Thalweg: by the class of torch's name where there is one, else by the rule's."""
    if peer is None:
        return Side(thalweg.torch.Optimizer(params, rule=rule).step)
    return Side(getattr(thalweg.torch, peer.name)(params, **arguments(rule, peer)).step)


def torchs_best(rule: str, peer: Peer, models: dict[str, Sequence[Tensor]]) -> tuple[str, Side]:
    """The setting of torch's class that is the fastest here, and its step.

    Args:
        rule: A rule of the catalogue.
        peer: Its torch class.
        models: Parameters of its own for each setting that may win.
    """
    sides = {setting: torchs(rule, peer, setting, params) for setting, params in models.items()}
    warmed(sides.values())
    best = fastest(sides)
    return best, sides[best]

"""The catalogue: every rule by its name. A new rule is its own file and one line of `NAMES`."""

from importlib import import_module

from thalweg.formula import Peer, Rule

NAMES = (
    "sgd",
    "momentum",
    "momentum_dampened",
    "momentum_velocity",
    "nesterov",
    "nesterov_velocity",
    "nesterov_lookahead",
    "adagrad",
    "adagrad_lr_decay",
    "adagrad_inside",
    "rprop_minus",
    "rprop_plus",
    "irprop_minus",
    "rmsprop",
    "rmsprop_inside",
    "rmsprop_momentum",
    "rmsprop_inside_momentum",
    "rmsprop_centered",
    "rmsprop_centered_momentum",
    "adadelta",
    "adam",
    "adam_uncorrected",
    "adam_eps_hat",
    "amsgrad",
    "amsgrad_corrected",
    "adamw",
    "nadam",
)

_MODULES = {name: import_module(f"thalweg.rules.{name}") for name in NAMES}

RULES: dict[str, Rule] = {name: getattr(module, name) for name, module in _MODULES.items()}
PEERS: tuple[tuple[str, Peer], ...] = tuple(
    (name, peer) for name in NAMES for peer in getattr(_MODULES[name], "PEERS", ())
)

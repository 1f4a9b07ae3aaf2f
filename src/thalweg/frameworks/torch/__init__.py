"""Thalweg's rules as torch optimizers: torch's own classes by name, and `Optimizer` for any rule."""

from thalweg.frameworks.torch.classes import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop, Rprop
from thalweg.frameworks.torch.optimizer import Optimizer

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "Rprop"]

"""Thalweg's rules as torch optimizers: torch's own classes by name, and `Optimizer` for any rule."""

from thalweg.frameworks.torch.amp import GradScaler
from thalweg.frameworks.torch.classes import SGD, Adadelta, Adagrad, Adam, AdamW, NAdam, RMSprop, Rprop
from thalweg.frameworks.torch.optimizer import Optimizer

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "GradScaler", "NAdam", "Optimizer", "RMSprop", "Rprop"]

"""Torch optimizers: torch's classes by torch's names, and `Optimizer` for any rule.

Example:
    >>> import torch
    >>> from thalweg.torch import AdamW
    >>> optimizer = AdamW(torch.nn.Linear(2, 1).parameters(), lr=1e-3)
"""

from thalweg.frameworks.torch import SGD, Adadelta, Adagrad, Adam, AdamW, GradScaler, NAdam, Optimizer, RMSprop, Rprop

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "GradScaler", "NAdam", "Optimizer", "RMSprop", "Rprop"]

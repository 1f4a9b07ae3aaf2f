"""Watch an optimizer while it trains: what it is doing in figures, and what goes wrong in words.

Example:
    >>> import torch, thalweg
    >>> w = torch.ones(3, requires_grad=True)
    >>> optimizer = torch.optim.SGD([w], lr=0.1)
    >>> watcher = thalweg.watch.attach(optimizer, to=())
    >>> w.sum().backward()
    >>> optimizer.step()
    >>> watcher.close()
    >>> round(float(watcher.history["update_norm"][0, 0]), 4)
    0.1732
"""

from thalweg.watch.attach import attach

__all__ = ["attach"]

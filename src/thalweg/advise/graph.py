"""What torch's graph of a loss tells: the operations of the model, and the terms of the loss with their gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# Operations on scalars that put terms together, or scale one.
_SUMS = ("AddBackward", "SubBackward")
_SCALED = ("MulBackward", "DivBackward", "NegBackward")
MOST = 16  # terms; a loss with more is one that was summed by hand


@dataclass(frozen=True)
class Term:
    """A term of a loss: an operation of the graph and which of its outputs."""

    node: Any
    output: int


def terms_of(loss: Tensor) -> list[Term]:
    """The terms that a loss is the sum of; itself where it is none.

    Example:
        >>> w = torch.ones(2, requires_grad=True)
        >>> [term.node.name() for term in terms_of((w**2).mean() + 0.1 * w.abs().sum())]
        ['MeanBackward0', 'SumBackward0']
    """
    found: list[Term] = []
    waiting = [Term(loss.grad_fn, loss.output_nr)] if loss.grad_fn is not None else []
    while waiting:
        term = waiting.pop(0)
        inner = [Term(node, number) for node, number in term.node.next_functions if node is not None]
        name = term.node.name()
        # A scalar times a number has one input in the graph; a product of two trained things is a term of its own.
        if name.startswith(_SUMS) or (name.startswith(_SCALED) and len(inner) == 1):
            waiting = [*inner, *waiting]
        else:
            found.append(term)
    return found if len(found) <= MOST else [Term(loss.grad_fn, loss.output_nr)]


def gradients_of_terms(loss: Tensor, parameters: Sequence[Tensor]) -> list[float]:
    """Go backward through a loss, and tell the norm of the gradient of each of its terms.

    Args:
        loss: A scalar; afterwards the parameters have its gradient.
        parameters: What is trained.

    Returns:
        The norms of those terms that have a gradient, weighted as they are in the loss.

    Example:
        >>> w = torch.ones(1, requires_grad=True)
        >>> gradients_of_terms((w**2).mean() + 100 * (3 * w).sum(), [w])
        [2.0, 300.0]
    """
    terms = terms_of(loss)
    if len(terms) < 2:
        loss.backward()
        return []
    weights: dict[int, tuple[Tensor, ...]] = {}
    hooks = [
        term.node.register_prehook(lambda given, place=place: weights.__setitem__(place, given))
        for place, term in enumerate(terms)
    ]
    try:
        loss.backward(retain_graph=True)
    finally:
        for hook in hooks:
            hook.remove()
    norms = [
        _norm(term, weights[place][term.output], parameters) for place, term in enumerate(terms) if place in weights
    ]
    return [norm for norm in norms if norm > 0]


def _norm(term: Term, weight: Tensor, parameters: Sequence[Tensor]) -> float:
    edge: Any = torch.autograd.graph.GradientEdge(term.node, term.output)
    found = torch.autograd.grad([edge], list(parameters), [weight], retain_graph=True, allow_unused=True)
    return sum(norm_of(each) ** 2 for each in found if each is not None) ** 0.5


def norm_of(gradient: Tensor) -> float:
    """The norm of a gradient, sparse and complex ones included, in float64.

    Example:
        >>> norm_of(torch.tensor([3.0, 4.0]))
        5.0
    """
    values = gradient.coalesce().values() if gradient.layout == torch.sparse_coo else gradient.to_dense()
    wide = torch.complex128 if values.is_complex() else torch.float64
    return torch.linalg.vector_norm(values.detach().to(wide)).item()


_BETWEEN = 6  # operations between a softmax and the product that makes it attention: dropout, views


def kinds_of(loss: Tensor) -> set[str]:
    """Which kinds of layers the graph shows, modules or functions.

    Example:
        >>> w = torch.ones(1, 1, 2, 2, requires_grad=True)
        >>> kinds_of(torch.nn.functional.conv2d(w, w).sum())
        {'convolutional'}
    """
    found: set[str] = set()
    nodes = list(_nodes(loss))
    for node in nodes:
        name = node.name()
        if "Attention" in name or ("Bmm" in name and _from_softmax(node)):
            found.add("transformer")
        found |= {"convolutional"} if "Convolution" in name else set()
        found |= {"embeddings"} if name.startswith("Embedding") else set()
        found |= {"recurrent"} if name.startswith(("Lstm", "Gru", "Rnn", "MkldnnRnn", "CudnnRnn")) else set()
    return found


def _nodes(loss: Tensor) -> Iterator[Any]:
    seen, waiting = set(), [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [following for following, _ in node.next_functions]
            yield node


def _from_softmax(node: Any) -> bool:
    """Whether one of the factors of a product of matrices is a softmax."""
    layer = [node]
    for _ in range(_BETWEEN):
        layer = [following for each in layer for following, _ in each.next_functions if following is not None]
        if any(each.name().startswith("SoftmaxBackward") for each in layer):
            return True
        layer = [each for each in layer if not each.name().startswith(("Bmm", "Addmm", "Mm"))]
    return False

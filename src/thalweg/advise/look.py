"""A look at a problem: its data, its model, one batch forward and backward; what of a situation can be seen there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from thalweg.advise.graph import gradients_of_terms, kinds_of, norm_of, terms_of
from thalweg.advise.questions import ALL
from thalweg.advise.situation import Situation
from thalweg.errors import InputError
from thalweg.lab.batches import length, size, steps
from thalweg.lab.check import first_batch, tried
from thalweg.lab.engines.worker import settled
from thalweg.lab.files import find_anew
from thalweg.lab.problem import Problem
from thalweg.lab.run import check_scalar

LEAST = 32  # samples in the batch that is looked at, so that a small batch does not make every feature look rare
RARE = 0.5  # share of rows or columns without a gradient from which on features count as rare
WIDE = 64  # a matrix with fewer rows and columns has no rare features
APART = 10.0  # the gradient of one loss is so many times another's: losses of different scale
TINY = 1e-6
SEED = 0


@dataclass(frozen=True)
class Layer:
    """One parameter and its gradient.

    Attributes:
        name: Its name in the model.
        elements: How many numbers it has.
        dtype: Their type.
        gradient: The root mean square of its gradient; None where it has none.
        sparse: Whether torch gave a sparse gradient.
        untouched: The share of rows or of columns, whichever is larger, in which all of the gradient is zero.
    """

    name: str
    elements: int
    dtype: str
    gradient: float | None
    sparse: bool
    untouched: float


@dataclass(frozen=True)
class Seen:
    """What was seen.

    Attributes:
        problem: The problem's name.
        facts: The part of the situation that can be seen.
        sentences: The same and more, for people.
    """

    problem: str
    facts: Situation
    sentences: tuple[str, ...]


def look(reference: str) -> Seen:
    """What can be seen of a problem of the lab, or of a file as `thalweg compare` takes it.

    Args:
        reference: Its name or path.

    Raises:
        InputError: If there is none, or it fails.

    Example:
        >>> look("binary-classifier").facts.network
        'dense'
    """
    with settled(SEED, 1):
        problem = find_anew(reference)
        data = problem.load(None, SEED)
        batch_size = None if isinstance(data.train, DataLoader) else problem.batch_size
        batch = first_batch(data.train, None if batch_size is None else max(batch_size, LEAST))
        torch.manual_seed(SEED)
        model = tried("model(seed)", lambda: problem.model(SEED))
        if not isinstance(model, nn.Module):
            raise InputError(f"expected model(seed) to give a torch module, got {type(model).__name__}: return one")
        loss = tried("loss(model, batch)", lambda: problem.loss(model, batch))
        _check_loss(loss)
        kinds = kinds_of(loss) | set(_kinds_of_modules(model))
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        scales = tried("the loss's backward pass", lambda: gradients_of_terms(loss, trained))
    layers = tuple(_layers(model))
    if not layers:
        raise InputError(f"expected a model with weights to train in '{reference}', got none: give it some")
    samples, used = _amounts(data.train, problem, batch)
    facts = Situation(
        task=_task(kinds, loss),
        network=_network(kinds, model),
        sparse=_is_sparse(layers),
        batch_size=used,
        samples=samples,
        parameters=sum(layer.elements for layer in layers),
        dtype=_dtype(layers),
        scales=_are_apart(scales) if len(scales) > 1 else None,
        tiny=_are_tiny(layers),
        steps=problem.epochs * steps(data.train, batch_size),
    )
    return Seen(problem.name, facts, tuple(_sentences(kinds, layers, scales, facts)))


def _check_loss(loss: Any) -> None:
    """Refuse what cannot be trained, in the words of `compare`."""
    check_scalar(loss, "loss")
    if not math.isfinite(loss.item()):
        raise InputError(
            f"expected a finite loss of the first batch, got {loss.item()}: look at the model's output and the data"
        )
    if not loss.requires_grad:
        raise InputError("expected a loss that depends on the model's weights, got one without gradient: use model")


def _layers(model: nn.Module) -> Iterator[Layer]:
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and parameter.numel():
            found = parameter.grad
            yield Layer(
                name=name,
                elements=parameter.numel(),
                dtype=str(parameter.dtype).removeprefix("torch."),
                gradient=None if found is None else norm_of(found) / parameter.numel() ** 0.5,
                sparse=found is not None and found.layout != torch.strided,
                untouched=0.0 if found is None else _untouched(found),
            )


def _untouched(gradient: Tensor) -> float:
    """The share of rows or columns of a matrix without any gradient; 0 of anything smaller or of other shape."""
    if gradient.ndim != 2 or max(gradient.shape) < WIDE:
        return 0.0
    if gradient.layout == torch.sparse_coo:
        return 1 - len(gradient.coalesce().indices()[0].unique()) / len(gradient)
    if not gradient.to_dense().any():
        return 0.0  # a dead layer, or one that begins with a zero: nothing about features
    shares = [
        (gradient == 0).all(dim=1 - axis).double().mean().item() for axis in (0, 1) if gradient.shape[axis] >= WIDE
    ]
    return max(shares)


def _amounts(part: object, problem: Problem, batch: object) -> tuple[int | None, int | str | None]:
    """Samples, and samples per step; a loader may hide the first."""
    if isinstance(part, DataLoader):
        try:
            samples = len(part.dataset)  # type: ignore[arg-type]
        except TypeError:
            samples = None
        used = part.batch_size or size(batch)
        return samples, used if samples is None else min(used, samples)
    samples = length(part)
    return samples, ALL if problem.batch_size is None else min(problem.batch_size, samples)


# The last operation of a loss, as torch's graph calls it, and what is learned by it.
_TASKS = (
    ("classification", ("NllLoss", "BinaryCrossEntropy", "SoftMarginLoss", "MultiMargin", "MultilabelMargin")),
    ("regression", ("MseLoss", "SmoothL1Loss", "HuberLoss", "L1Loss")),
)


def _task(kinds: set[str], loss: Tensor) -> str | None:
    """What is learned, where one loss tells it: a guess, which an answer overrides."""
    terms = [term.node.name() for term in terms_of(loss)]
    if len(terms) != 1:
        return None
    found = next((task for task, names in _TASKS if terms[0].startswith(names)), None)
    reads = "embeddings" in kinds and bool(kinds & {"recurrent", "transformer"})
    return "language-model" if found == "classification" and reads else found


_KINDS: tuple[tuple[str, tuple[type[nn.Module], ...]], ...] = (
    ("transformer", (nn.MultiheadAttention,)),
    ("recurrent", (nn.RNNBase, nn.RNNCellBase)),
    ("convolutional", (nn.modules.conv._ConvNd,)),
    ("embeddings", (nn.Embedding, nn.EmbeddingBag)),
    ("normalisation", (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)),
)


def _kinds_of_modules(model: nn.Module) -> Iterator[str]:
    yield from (name for name, kinds in _KINDS if any(isinstance(module, kinds) for module in model.modules()))
    if any("attention" in type(module).__name__.lower() for module in model.modules()):
        yield "transformer"


def _network(kinds: set[str], model: nn.Module) -> str | None:
    """Its kind by its layers: attention before recurrence before convolution; embeddings only where little else is."""
    found = next((name for name, _ in _KINDS if name in kinds and name != "normalisation"), None)
    linear = sum(isinstance(module, nn.Linear) for module in model.modules())
    if found in (None, "embeddings") and linear:
        return "linear" if linear == 1 and found is None else "dense"
    return found


def _is_sparse(layers: Sequence[Layer]) -> bool:
    """Whether torch gave a sparse gradient, or most weights lie where features are rare."""
    rare = sum(layer.elements for layer in layers if layer.untouched > RARE)
    return any(layer.sparse for layer in layers) or rare > sum(layer.elements for layer in layers) / 2


def _dtype(layers: Sequence[Layer]) -> str | None:
    """The type of most weights, if it is one that there is a question about."""
    amounts: dict[str, int] = {}
    for layer in layers:
        amounts[layer.dtype] = amounts.get(layer.dtype, 0) + layer.elements
    most = max(amounts, key=lambda name: amounts[name])
    return most if most in ("float64", "float32", "bfloat16", "float16") else None


def _are_apart(scales: Sequence[float]) -> bool:
    return max(scales) > APART * min(scales)


def _are_tiny(layers: Iterable[Layer]) -> bool:
    found = [layer.gradient for layer in layers if layer.gradient]
    return bool(found) and max(found) < TINY


def _sentences(kinds: set[str], layers: Sequence[Layer], scales: Sequence[float], facts: Situation) -> Iterator[str]:
    types: Mapping[str, int] = {name: sum(layer.dtype == name for layer in layers) for name in _types(layers)}
    held = ", ".join(f"{count} in {name}" for name, count in types.items())
    yield f"{facts.parameters:,} weights in {len(layers)} tensors ({held})"
    named = [{"transformer": "attention"}.get(name, name) for name, _ in _KINDS if name in kinds]
    yield f"layers: {', '.join(named) or 'linear ones and functions only'}"
    if facts.sparse or any(layer.untouched > RARE for layer in layers):
        most = max(layers, key=lambda layer: (layer.sparse, layer.untouched))
        kind = "a sparse gradient" if most.sparse else "a gradient"
        yield f"{most.name} has {kind} in which {most.untouched:.0%} of the rows or columns are zero in one batch"
    if len(scales) > 1:
        shown = " : ".join(f"{scale / min(scales):.3g}" for scale in scales)
        yield f"the loss is a sum of {len(scales)} terms, whose gradients have norms as {shown}"
    yield from _scale_of_layers(layers)


def _types(layers: Iterable[Layer]) -> list[str]:
    return list(dict.fromkeys(layer.dtype for layer in layers))


def _scale_of_layers(layers: Sequence[Layer]) -> Iterator[str]:
    found = [layer for layer in layers if layer.gradient]
    if without := [layer.name for layer in layers if not layer.gradient]:
        shown = ", ".join(without[:3]) + (" ..." if len(without) > 3 else "")
        yield f"no gradient at the start: {shown}"
    if len(found) > 1:
        least, most = (choose(found, key=lambda layer: layer.gradient or 0.0) for choose in (min, max))
        if least.gradient and most.gradient:
            factor = most.gradient / least.gradient
            yield f"gradients per weight differ by a factor of {factor:.2g}, from {least.name} to {most.name}"

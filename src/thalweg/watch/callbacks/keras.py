"""`Watch`, a callback for Keras' `fit`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
import torch
from torch import Tensor

from thalweg.errors import InputError
from thalweg.watch.alarm import Raised
from thalweg.watch.attach import attach
from thalweg.watch.callbacks.compiled import linear_state
from thalweg.watch.callbacks.mirror import Mirror, found_gradients, mirror_of, numbers_of
from thalweg.watch.outputs import Output
from thalweg.watch.watcher import Watcher


class Watch(keras.callbacks.Callback):
    """Watches the optimizer of a model, Thalweg's or Keras' own, while `fit` trains it.

    A layer's name is its variable's path. With Keras' gradient accumulation a step is what changes the weights.

    JAX and TensorFlow compile a training step as a whole. There the variables are copied after every batch, which costs
    time, and gradients are found from what the step did to the optimizer's average of them: they are those after any
    clipping, and an optimizer that keeps no such average, as RMSprop does not, is refused. The loss is found from the
    mean that Keras tells.

    Attributes:
        watcher: The watcher of the last `fit`; None before the first.

    Args:
        every: Every how many steps there is a measurement.
        to: Outputs, as for `thalweg.watch.attach`.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("adam", "mse")
        >>> watch, x = Watch(every=1, to=()), keras.ops.ones((4, 2))
        >>> history = model.fit(x, x[:, :1], batch_size=1, verbose=0, callbacks=[watch])
        >>> watch.watcher.history.steps.tolist(), watch.watcher.history.subject.groups[0].rule
        ([1, 2, 3, 4], 'adam_eps_hat')
    """

    def __init__(self, every: int = 16, to: Sequence[str | Output] = ("terminal",)) -> None:
        super().__init__()
        self.every, self.to = every, to
        self.watcher: Watcher | None = None
        self._mirror: Mirror | None = None
        self._wrapped: list[tuple[Any, str]] = []
        self._linear = ""  # the state from which gradients are found, where a step is compiled
        self._mean, self._batches = 0.0, 0
        self._reading = (0.0, 0.0)

    @property
    def alarms(self) -> tuple[Raised, ...]:
        """What was raised in the last `fit`."""
        return self.watcher.alarms if self.watcher else ()

    def on_train_begin(self, logs: Any = None) -> None:
        """Attach."""
        self._close()
        model: Any = self.model
        _check(model)
        shares = keras.config.backend() == "torch"
        outer = model.optimizer
        inner = getattr(outer, "inner_optimizer", outer)  # within loss scaling
        if not inner.built:
            inner.build(model.trainable_variables)
        mirror = self._mirror = mirror_of(inner, _shared if shares else _copied)
        self._linear = "" if shares else linear_state(mirror.rule, bool(inner.weight_decay))
        self.watcher = attach(mirror, every=self.every, to=self.to)
        if not shares:
            self._reading = mirror.reading()
            return
        self._wrap(outer, "scale_loss", partial(_scaled, self.watcher, outer.scale_loss))
        self._wrap(inner, "apply", partial(_applied, self._mirror, inner, inner.apply))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Keras' mean loss begins anew."""
        self._mean, self._batches = 0.0, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at what a compiled step did."""
        if not self._linear or self._mirror is None or self.watcher is None:
            return
        model: Any = self.model  # JAX puts the weights back where they can be read
        self._tell_loss((logs or {}).get("loss"))
        accumulated = model.optimizer.gradient_accumulation_steps
        if not accumulated or int(numbers_of(model.optimizer._iterations)) % accumulated == 0:
            self._mirror.count(*self._reading)
            found_gradients(self._mirror, self._linear)
            self._mirror.take(self._mirror.refresh)
            self._reading = self._mirror.reading()

    def _tell_loss(self, mean: Any) -> None:
        if mean is not None and self.watcher is not None:
            self._batches += 1
            self.watcher.loss(self._batches * float(mean) - (self._batches - 1) * self._mean)
            self._mean = float(mean)

    def on_train_end(self, logs: Any = None) -> None:
        """Detach."""
        self._close()

    def _wrap(self, owner: Any, name: str, method: Any) -> None:
        owner.__dict__[name] = method  # past Keras' tracking of attributes
        self._wrapped.append((owner, name))

    def _close(self) -> None:
        for owner, name in self._wrapped:
            owner.__dict__.pop(name, None)
        self._wrapped = []
        if self.watcher is not None:
            self.watcher.close()
        self._mirror = None


def _check(model: Any) -> None:
    if keras.config.backend() != "torch":
        if model.steps_per_execution != 1:
            raise InputError(
                f"expected a model whose steps can be seen one by one, got steps_per_execution="
                f"{model.steps_per_execution}: compile it with 1 to watch"
            )
        return
    if model.jit_compile is True:
        raise InputError("expected a model that is not compiled, got jit_compile=True: compile it with False to watch")


def _shared(variable: Any) -> Tensor:
    """A variable's own memory, without a gradient of its own."""
    return variable.value.detach()


def _copied(variable: Any) -> Tensor:
    """A variable's numbers in torch's memory."""
    numbers = numbers_of(variable)
    dtype = getattr(torch, keras.backend.standardize_dtype(variable.dtype))
    return torch.tensor(numbers.astype("float64") if dtype.is_floating_point else numbers).to(dtype)


def _scaled(watcher: Watcher, scale_loss: Any, loss: Any) -> Any:
    watcher.loss(loss)
    return scale_loss(loss)


def _applied(mirror: Mirror, optimizer: Any, apply: Any, grads: Any, trainable_variables: Any = None) -> Any:
    """`apply`, seen as a step of the mirror's."""
    grads = list(grads)
    variables = optimizer._trainable_variables if trainable_variables is None else list(trainable_variables)
    steps = optimizer.gradient_accumulation_steps
    if not grads or (steps and (int(numbers_of(optimizer._iterations)) + 1) % steps):
        return apply(grads, variables)
    given = {id(variable): gradient for variable, gradient in zip(variables, grads, strict=True)}
    with torch.no_grad():
        for place, (variable, x) in enumerate(zip(mirror.variables, mirror.tensors, strict=True)):
            gradient = given.get(id(variable))
            x.grad = None if gradient is None else _as_used(optimizer, gradient.detach(), place).to(x.dtype)
    mirror.count(*mirror.reading())
    mirror.take(lambda: apply(grads, variables))
    for x in mirror.tensors:
        x.grad = None


def _as_used(optimizer: Any, gradient: Tensor, place: int) -> Tensor:
    """A gradient without the loss' scale, and with those that were accumulated."""
    if optimizer.loss_scale_factor is not None:
        gradient = gradient / optimizer.loss_scale_factor
    if optimizer.gradient_accumulation_steps:
        before = optimizer._accumulated_gradients[place].value.detach()
        gradient = (gradient + before) / optimizer.gradient_accumulation_steps
    return gradient

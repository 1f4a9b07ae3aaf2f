"""The callback in the hands of Hugging Face's Trainer: what it sees, where that goes; the training is the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Trainer, TrainerCallback
from transformers.trainer_utils import IntervalStrategy

import thalweg.torch
from test_transformers import ADAMW, STEPS, alone, by_class, gpt2, llama, trainer, weights
from thalweg.errors import InputError
from thalweg.watch.callbacks.transformers import Watch

__all__ = ["alone"]  # a fixture
OURS, THEIRS = thalweg.torch.AdamW, torch.optim.AdamW


def logging(model: Any, folder: Path, way: dict[str, Any], callbacks: list[Any], **options: Any) -> Trainer:
    """A Trainer that logs every step."""
    made = trainer(model, folder, options, callbacks=callbacks, **way)
    made.args.logging_strategy, made.args.logging_steps = IntervalStrategy.STEPS, 1
    return made


class Losses(TrainerCallback):
    """Keeps what the Trainer reports."""

    def __init__(self) -> None:
        self.logs: list[dict[str, Any]] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **given: Any) -> None:
        if "loss" in logs:
            self.logs.append(dict(logs))


CLIENT: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "ours": (gpt2, OURS, {}),
    "torch's": (gpt2, THEIRS, {"gradient_accumulation_steps": 3}),
    "mixed": (llama, THEIRS, {"bf16": True}),
}


@pytest.mark.parametrize(("make", "kind", "options"), CLIENT.values(), ids=CLIENT)
def test_the_training_is_the_same_and_seen(tmp_path: Path, make: Any, kind: Any, options: dict[str, Any]) -> None:
    watch, told, ends = Watch(every=1, to=()), Losses(), []
    for callbacks in ([watch, told], []):
        model = make()
        logging(model, tmp_path, by_class(model, kind, **ADAMW), callbacks, **options).train()
        ends.append(weights(model))
    assert all(map(torch.equal, *ends))
    history = watch.watcher.history
    names = [part.name for part in history.subject.parts]
    assert {name for name, _ in make().named_parameters()} | {"group 0", "group 1"} == set(names)
    assert history.steps.tolist() == list(range(1, STEPS + 1))
    assert np.isfinite(history["gradient_norm"]).all()
    np.testing.assert_allclose([loss for _, loss in history.losses], [logs["loss"] for logs in told.logs], atol=2e-4)
    assert not any(name.startswith("watch/") for name in told.logs[-1])


def test_figures_stand_in_the_trainers_log(tmp_path: Path) -> None:
    """Those that report are told them once they are asked to; the history has them anyway."""
    told, watch = Losses(), Watch(every=16, to=(), figures=["gradient_norm", "lr"], layers=["*.ln_f.*"])
    model = gpt2()
    made = logging(model, tmp_path, by_class(model, OURS, **ADAMW), [told, watch])
    made.args.max_steps = 20
    assert watch.report_with(made) is watch
    made.train()
    last = [entry for entry in made.state.log_history if "loss" in entry][-1]
    parts = ("group 0", "group 1", "transformer.ln_f.weight", "transformer.ln_f.bias")
    wanted = {f"watch/{figure}/{part}" for figure in ("gradient_norm", "lr") for part in parts} | {"watch/alarms"}
    assert {name for name in last if name.startswith("watch/")} == wanted
    assert {name for name in told.logs[-1] if name.startswith("watch/")} == wanted


def test_a_loss_that_the_model_does_not_give(tmp_path: Path) -> None:
    """With label smoothing it is the Trainer's, known when it is logged."""
    model, watch, told = gpt2(), Watch(every=1, to=()), Losses()
    logging(model, tmp_path, by_class(model, OURS, **ADAMW), [watch, told], label_smoothing_factor=0.1).train()
    assert [loss for _, loss in watch.watcher.history.losses] == [logs["loss"] for logs in told.logs]


def test_alarms_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, watch = gpt2(), Watch(every=1)
    made = logging(model, tmp_path, by_class(model, OURS, lr=1e30), [watch])
    made.train()
    assert watch.alarms and watch.alarms == watch.watcher.alarms
    assert "thalweg, step " in capsys.readouterr().err
    first = watch.alarms[0]
    logged = {entry["step"]: entry["watch/alarms"] for entry in made.state.log_history if "loss" in entry}
    count = sum(each.step == first.step for each in watch.alarms)
    assert first.alarm == "nonfinite" and (logged[first.step - 1], logged[first.step]) == (0, count)
    with thalweg.watch.attach(made.optimizer, to=()):  # it is free again
        pass
    assert not model._forward_hooks


def test_a_resumed_run_goes_on_with_its_steps(tmp_path: Path) -> None:
    saving = {"save_strategy": "steps", "save_steps": STEPS // 2}
    for resume in (None, str(tmp_path / f"checkpoint-{STEPS // 2}")):
        model, watch = gpt2(), Watch(every=1, to=())
        made = trainer(model, tmp_path, saving, callbacks=[watch], **by_class(model, THEIRS, **ADAMW))
        made.train(resume_from_checkpoint=resume)
    assert watch.watcher.history.steps.tolist() == list(range(STEPS // 2 + 1, STEPS + 1))


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="unknown figure 'norm'"):
        Watch(figures=["norm"])

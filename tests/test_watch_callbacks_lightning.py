"""The callback in the hands of Lightning's Trainer: what it sees, where that goes; the training is the same."""

import csv
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.loggers.logger import DummyLogger
from torch import Tensor, nn

import thalweg.torch
from test_lightning import BATCHES, Regression, fitted, pytestmark, quiet, trainer
from thalweg.errors import InputError
from thalweg.watch.callbacks.lightning import Watch

__all__ = ["pytestmark", "quiet"]  # the marks, and a fixture
EPOCHS = 4
STEPS = BATCHES * EPOCHS
NAMES = ["net.0.weight", "net.2.weight", "net.0.bias", "net.2.bias", "group 0", "group 1"]
ADAMW = {"lr": 0.02, "weight_decay": 0.1}
OURS, THEIRS = partial(thalweg.torch.AdamW, **ADAMW), partial(torch.optim.AdamW, **ADAMW)


class Losses(pl.Callback):
    """Keeps the losses that Lightning tells of each batch, undivided."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.losses.append(float(outputs["loss"]) * trainer.accumulate_grad_batches)


CLIENT = {
    "plain": (OURS, {}),
    "torch's": (THEIRS, {"gradient_clip_val": 0.3}),
    "accumulated": (OURS, {"accumulate_grad_batches": 2}),
    "mixed": (THEIRS, {"precision": "bf16-mixed"}),
}


@pytest.mark.parametrize(("make", "options"), CLIENT.values(), ids=CLIENT)
def test_the_training_is_the_same_and_seen(tmp_path: Path, make: Any, options: dict[str, Any]) -> None:
    watch, told = Watch(every=1, to=()), Losses()
    ends = fitted(Regression(make), tmp_path, callbacks=[watch, told], **options)
    alone = fitted(Regression(make), tmp_path, **options)
    assert all(map(torch.equal, ends, alone))
    (watcher,) = watch.watchers
    history, parts = watcher.history, options.get("accumulate_grad_batches", 1)
    steps = STEPS // parts
    assert [part.name for part in history.subject.parts] == NAMES
    assert history.steps.tolist() == list(range(1, steps + 1))
    assert np.isfinite(history["gradient_norm"]).all() and (history["update_ratio"] > 0).all()
    means = np.reshape(told.losses, (steps, parts)).mean(axis=1)
    np.testing.assert_allclose([loss for _, loss in history.losses], means, rtol=1e-6)
    assert [step for step, _ in history.losses] == list(range(1, steps + 1))


def test_the_optimizer_is_free_afterwards(tmp_path: Path) -> None:
    class Failing(Regression):
        def training_step(self, batch: list[Tensor], number: int) -> Tensor:
            if self.global_step == 3:
                raise RuntimeError("a bug")
            return super().training_step(batch, number)

    watch = Watch(every=1, to=[f"jsonl:{tmp_path / 'a'}"])
    model = Failing(OURS)
    with pytest.raises(RuntimeError, match="a bug"):
        fitted(model, tmp_path, callbacks=[watch])
    assert watch.watchers[0].history.steps.tolist() == [1, 2, 3]
    assert '"event": "end"' in (tmp_path / "a").read_text(encoding="utf-8").splitlines()[-1]
    with thalweg.watch.attach(model.optimizers(use_pl_optimizer=False), to=()):
        pass


def rows(logger: CSVLogger) -> list[dict[str, str]]:
    with (Path(logger.log_dir) / "metrics.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


class Logging(Regression):
    """Logs its loss."""

    def training_step(self, batch: list[Tensor], number: int) -> Tensor:
        loss = super().training_step(batch, number)
        self.log("loss", loss)
        return loss


@pytest.mark.parametrize("every", [1, 5, 16])
def test_loggers_are_told_at_lightnings_steps(tmp_path: Path, every: int) -> None:
    """A norm stands at the step at which Lightning logs the loss of that batch: step numbers begin at 0 there."""
    logger = CSVLogger(tmp_path)
    watch = Watch(every=every, to=(), figures=["gradient_norm"], layers=["net.0.*"])
    fitted(Logging(OURS), tmp_path, callbacks=[watch], logger=logger)
    history = watch.watchers[0].history
    told = {int(row["step"]): row for row in rows(logger) if row["watch/gradient_norm/group 0"]}
    assert sorted(told) == [step - 1 for step in history.steps]
    assert {name for name in told[every - 1] if name.startswith("watch/")} == {
        f"watch/gradient_norm/{name}" for name in ("net.0.weight", "net.0.bias", "group 0", "group 1")
    }
    norms = [float(told[step]["watch/gradient_norm/net.0.weight"]) for step in sorted(told)]
    np.testing.assert_allclose(norms, history["gradient_norm"][:, 0], rtol=1e-6)


def test_alarms_reach_the_loggers_and_the_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """NaN in one batch: told at once, in TensorBoard too, and still known after a resumed fit."""

    class Broken(Regression):
        def on_after_backward(self) -> None:
            if self.global_step == 4:
                self.net[0].weight.grad[0, 0] = torch.nan

    logger = TensorBoardLogger(tmp_path)
    saving = ModelCheckpoint(tmp_path, filename="last", save_weights_only=False)
    watch = Watch(every=1)
    options: dict[str, Any] = {"enable_checkpointing": True, "logger": logger}
    trainer(tmp_path, epochs=1, callbacks=[watch, saving], **options).fit(Broken(OURS))
    assert watch.alarms[0].step == 5 and watch.alarms[0].alarm == "nonfinite"
    assert "thalweg, step 5: " in capsys.readouterr().err
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(logger.log_dir)
    events.Reload()
    assert next((e.step, e.value) for e in events.Scalars("watch/alarms/nonfinite")) == (4, 1.0)
    assert events.Tensors("watch/alarms/nonfinite/text_summary")[0].step == 4
    resumed = Watch(every=1, to=(), loggers=False)
    going_on = trainer(tmp_path, epochs=2, callbacks=[resumed, saving], enable_checkpointing=True)
    going_on.fit(Regression(OURS), ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert resumed.alarms[: len(watch.alarms)] == watch.alarms
    assert resumed.watchers[0].history.steps.tolist()[0] == BATCHES + 1


class Adversaries(pl.LightningModule):
    """Two nets with an optimizer each, stepped by hand, one of them twice as often."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.generator, self.discriminator = nn.Linear(2, 2), nn.Linear(2, 1)
        self.automatic_optimization = False

    def configure_optimizers(self) -> Any:
        return OURS(self.generator.parameters()), THEIRS(self.discriminator.parameters())

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.randn(12, 2, generator=torch.Generator().manual_seed(0)), batch_size=2)

    def training_step(self, batch: Tensor, number: int) -> None:
        for optimizer, sign in zip(self.optimizers(), (-1, 1), strict=True):
            if sign < 0 and number % 2:
                continue
            optimizer.zero_grad()
            self.manual_backward((sign * self.discriminator(self.generator(batch))).mean())
            optimizer.step()


def test_several_optimizers_stepped_by_hand(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path)
    watch = Watch(every=1, to=["terminal", f"jsonl:{tmp_path / 'watch.jsonl'}"])
    ends = fitted(Adversaries(), tmp_path, epochs=1, callbacks=[watch], logger=logger)
    alone = fitted(Adversaries(), tmp_path, epochs=1)
    assert all(map(torch.equal, ends, alone))
    assert [len(each.history) for each in watch.watchers] == [3, 6]
    first = [each.history.subject.parts[0].name for each in watch.watchers]
    assert first == ["generator.weight", "discriminator.weight"]
    assert {path.name for path in tmp_path.glob("*.jsonl")} == {"watch-0.jsonl", "watch-1.jsonl"}
    told = {name.split("/")[1] for name in rows(logger)[0] if name.startswith("watch/")}
    assert told == {"optimizer 0", "optimizer 1"}
    with pytest.raises(InputError, match="names of outputs for a module with 2 optimizers"):
        fitted(Adversaries(), tmp_path, callbacks=[Watch(to=[watch.watchers[0]._outputs[0]])])


def test_a_logger_that_fails_ends_no_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Failing(DummyLogger):
        def log_metrics(self, *_: Any, **__: Any) -> None:
            raise OSError("no network")

    watch = Watch(every=4, to=())
    fitted(Regression(OURS), tmp_path, callbacks=[watch], logger=Failing())
    assert len(watch.watchers[0].history) == STEPS // 4
    assert capsys.readouterr().err.count("the trainer's loggers' failed (OSError: no network)") == 1


def test_the_other_package(tmp_path: Path) -> None:
    """`pytorch_lightning` has classes of its own; its Trainer takes the callback too."""
    import pytorch_lightning

    names = ("loss", "training_step", "configure_optimizers", "train_dataloader")
    other = type("Other", (pytorch_lightning.LightningModule,), {name: getattr(Regression, name) for name in names})
    model, watch = other(), Watch(every=1, to=())
    model.__dict__.update(Regression(OURS).__dict__)
    options = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    pytorch_lightning.Trainer(max_epochs=1, accelerator="cpu", callbacks=[watch], **options).fit(model)
    assert len(watch.watchers[0].history) == BATCHES

"""Figures and alarms in TensorBoard, W&B and trackio, read back from their files; trackio is stood in for."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from test_sinks import wandb_records
from test_watch_outputs import EPSILON, declared, tell
from thalweg.watch.outputs import TensorBoard, Tracked, opened

__all__ = ["declared"]  # a fixture, for every test here too
RATE = np.float32(0.01)


def test_tensorboard(tmp_path: Path) -> None:
    """By name and with a writer of one's own; groups unless layers are chosen."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    (named,) = opened([f"tensorboard:{tmp_path / 'a'}"])
    tell(named)
    writer = SummaryWriter(str(tmp_path / "b"))
    tell(TensorBoard(writer, figures=("gradient_norm",), layers="encoder.*", prefix="generator"))
    writer.add_scalar("mine", 1.0, 1)  # it is still open
    writer.close()
    read = [EventAccumulator(str(tmp_path / name)) for name in "ab"]
    for events in read:
        events.Reload()
    alarms, loss = "watch/alarms/epsilon", "watch/loss"
    assert set(read[0].Tags()["scalars"]) == {"watch/lr/group_0", "watch/gradient_norm/group_0", alarms, loss}
    assert [(e.step, e.value) for e in read[0].Scalars("watch/lr/group_0")] == [
        (4, np.float32(0.01)),
        (8, np.float32(0.01)),
    ]
    assert [(e.step, e.value) for e in read[0].Scalars(alarms)] == [(4, 1.0), (6, 2.0)]
    assert [e.step for e in read[0].Scalars(loss)] == [4]
    text = read[0].Tensors(f"{alarms}/text_summary")[1].tensor_proto.string_val[0].decode()
    assert all(
        part in text for part in ("**epsilon rules**", "In decoder.weight", EPSILON.meaning, "Lower eps to 1e-12")
    )
    norms = {f"generator/gradient_norm/{part}" for part in ("encoder.weight", "encoder.bias", "group_0")}
    assert set(read[1].Tags()["scalars"]) == {*norms, "generator/loss", "generator/alarms/epsilon", "mine"}


class Recorder:
    """A run of trackio's, by its documented methods: `log(metrics, step=None)` and `alert(title, text=None, ...)`."""

    def __init__(self) -> None:
        self.logged: list[tuple[dict[str, float], int | None]] = []
        self.alerts: list[tuple[str, str | None]] = []

    def log(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.logged.append((metrics, step))

    def alert(self, title: str, text: str | None = None, level: Any = None, step: int | None = None) -> None:
        self.alerts.append((title, text))


def test_trackio() -> None:
    run, loud = Recorder(), Recorder()
    tell(Tracked(run))
    tell(Tracked(loud, layers=True, alert=True))
    figures = {"watch/lr/group 0": pytest.approx(0.01), "watch/gradient_norm/group 0": math.inf}
    assert run.logged == [
        ({**figures, "watch/loss": 0.5}, 4),
        ({"watch/alarms/epsilon": 1}, 4),
        ({"watch/alarms/epsilon": 2}, 6),
        (figures, 8),
    ]
    assert run.alerts == []
    text = "Step 4. In encoder.weight epsilon rules 90 % of the coordinates. It is plain descent. Lower eps to 1e-10."
    assert loud.alerts[0] == ("epsilon rules", text)
    assert {"watch/gradient_norm/encoder.weight", "watch/gradient_norm/encoder.bias"} <= loud.logged[0][0].keys()
    assert "watch/gradient_norm/decoder.weight" not in loud.logged[0][0]  # which is NaN


WANDB = """
import sys
import wandb
from test_watch_outputs import EPSILON, SUBJECT, alarm, measured
from thalweg.watch.alarms import BY_NAME
from thalweg.watch.outputs import Tracked
BY_NAME["epsilon"] = EPSILON
LOGS = {
    "alone": lambda run, step: None,
    "counted": lambda run, step: run.log({"mine": step}),
    "stepped": lambda run, step: run.log({"mine": step}, step=step),
}
for name, log in LOGS.items():
    run = wandb.init(mode="offline", dir=sys.argv[1], name=name, settings=wandb.Settings(silent=True, console="off"))
    output = Tracked(run, ["lr"], rows=True if name == "counted" else None, alert=name == "alone")
    output.begin(SUBJECT)
    for step in range(1, 9):
        log(run, step)
        if step % 4 == 0:  # in blocks, as a watcher does
            for late in range(step - 3, step + 1):
                output.measured(measured(late))
            output.raised(alarm(step))
        if name == "stepped":
            run.log({"second": step}, step=step)
    output.close()
    run.finish()
"""


def test_wandb(tmp_path: Path) -> None:
    """Offline, with the real package: what the training logs is all there, in each of the ways in which people log."""
    command = [sys.executable, "-c", WANDB, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found, alerts = {}, {}
    for file in (tmp_path / "wandb").glob("offline-run-*/run-*.wandb"):
        records = wandb_records(file)
        (name,) = (record.run.display_name for record in records if record.WhichOneof("record_type") == "run")
        items = [record.history.item for record in records if record.WhichOneof("record_type") == "history"]
        found[name] = [{i.key or i.nested_key[0]: json.loads(i.value_json) for i in row} for row in items]
        metrics = [record.metric for record in records if record.WhichOneof("record_type") == "metric"]
        assert [(m.name, m.glob_name, m.step_metric) for m in metrics] == [
            ("watch/step", "", ""),
            ("", "watch/*", "watch/step"),
        ]
        alerts[name] = [r.alert.title for r in records if r.WhichOneof("record_type") == "alert"]

    def column(name: str, key: str) -> list[float]:
        return [row[key] for row in found[name] if key in row]

    rate = "watch/lr/group 0"
    for name in ("counted", "stepped"):
        assert column(name, "mine") == list(range(1, 9))
    assert column("stepped", "second") == list(range(1, 9))
    assert [row["watch/step"] for row in found["alone"] if rate in row] == list(range(1, 9))
    assert [row["watch/step"] for row in found["counted"] if rate in row] == list(range(1, 9))
    assert [row["watch/step"] for row in found["stepped"] if rate in row] == [4, 8]
    assert [column(name, "watch/alarms/epsilon")[-1] for name in found] == [2, 2, 2]
    assert [alerts[name] for name in ("alone", "counted", "stepped")] == [["epsilon rules"] * 2, [], []]

"""What sinks are told, read back from the files of the programs that they feed; trackio is stood in for, see below."""

import json
import re
import resource
import struct
import subprocess
import sys
import types
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from store_runs import EPOCHS, Run, epoch, run, spec
from thalweg.errors import InputError
from thalweg.lab import sinks
from thalweg.lab.sinks.sink import Sink, numbers, run_name, settings

FIRST, SWITCH = run(spec(0)), run(spec(1, phases=2), "diverged", "at once", epochs=2)


def tell(sink: Sink, told: Run, label: str = "Adam", epochs: int | None = None) -> None:
    """Tell of a run; of its first epochs only, as if the study had been cut then."""
    sink.started(told.spec, label)
    for each in told.epochs[:epochs]:
        sink.epoch(told.spec, label, each)
    if epochs is None:
        sink.ended(told, label)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_settings_tell_runs_apart() -> None:
    hyper = {"eps": 1e-8, "lr": "cosine(0.001, 10)"}
    assert settings(FIRST.spec)["hyper"] == hyper
    assert settings(SWITCH.spec)["hyper"] == {f"{first}.{k}": v for first in (1, 2) for k, v in hyper.items()}
    assert settings(SWITCH.spec)["rule"] == "adam/adam"
    assert numbers(epoch(1, loss=float("nan"))).keys() == numbers(epoch(1)).keys() - {"loss"}


def test_json_lines_are_there_at_once(tmp_path: Path) -> None:
    (sink,) = sinks.open(["jsonl", "jsonl"], tmp_path / "out", "my study: 1/2")
    file = tmp_path / "out" / "my-study-1-2.jsonl"
    sink.started(FIRST.spec, "Adam")
    assert [entry["event"] for entry in lines(file)] == ["started"]
    sink.started(SWITCH.spec, "switch")
    sink.epoch(FIRST.spec, "Adam", epoch(1, loss=float("inf")))
    sink.ended(SWITCH, "switch")
    sink.close()
    told = lines(file)
    assert [(entry["event"], entry["label"]) for entry in told] == [
        ("started", "Adam"),
        ("started", "switch"),
        ("epoch", "Adam"),
        ("ended", "switch"),
    ]
    assert (told[0]["key"], told[0]["seed"], told[0]["rule"]) == (FIRST.spec.key, 0, "adam")
    assert (told[2]["epoch"], told[2]["loss"], told[2]["metric"]) == (1, None, epoch(1).metric)
    assert (told[3]["status"], told[3]["message"]) == ("diverged", "at once")


def test_json_lines_after_a_crash(tmp_path: Path) -> None:
    """The line that was cut is gone, the run that was cut begins again, and the one that was whole is not doubled."""
    file = tmp_path / "study.jsonl"
    with closing(sinks.open(["jsonl"], tmp_path, "study")[0]) as sink:
        tell(sink, FIRST)
        tell(sink, SWITCH._replace(status="failed"))
        tell(sink, SWITCH, epochs=1)
    whole = file.read_bytes()
    for cut in (b'{"event": "epoch", "key": "', b"no JSON", b"\n[1]\nnull\n"):
        file.write_bytes(whole + cut)
        with closing(sinks.open(["jsonl"], tmp_path, "study")[0]) as sink:
            tell(sink, FIRST)  # the store was lost
        assert file.read_bytes() == whole + (cut if cut.endswith(b"\n") else b"")
    file.write_bytes(whole)
    with closing(sinks.open(["jsonl"], tmp_path, "study")[0]) as sink:
        tell(sink, SWITCH)
    events = [(entry["key"] == FIRST.spec.key, entry["event"]) for entry in lines(file)]
    assert events[: EPOCHS + 2] == [(True, "started"), *[(True, "epoch")] * EPOCHS, (True, "ended")]
    assert events[-6:] == [(False, e) for e in ("started", "epoch", "started", "epoch", "epoch", "ended")]


def test_tensorboard_reads_what_it_was_told(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for epochs in (1, None):  # the second time after a crash
        (sink,) = sinks.open(["tensorboard"], tmp_path, "study")
        tell(sink, FIRST, epochs=epochs)
        sink.close()
    (folder,) = (tmp_path / "tensorboard" / "study").iterdir()
    assert folder.name == f"Adam-seed-0-{FIRST.spec.key[:8]}"
    events = EventAccumulator(str(folder))
    events.Reload()
    metrics = [(event.step, event.value) for event in events.Scalars("metric")]
    assert [step for step, _ in metrics] == [1, 2, 3]
    assert [value for _, value in metrics] == pytest.approx([each.metric for each in FIRST.epochs])
    assert set(events.Tags()["scalars"]) == set(numbers(epoch(1)))
    (text,) = events.Tensors("settings/text_summary")
    assert FIRST.spec.key in text.tensor_proto.string_val[0].decode()
    assert b"finished" in events.Tensors("status/text_summary")[0].tensor_proto.string_val[0]


WANDB = """
import sys
from pathlib import Path
import store_runs as s
from test_sinks import FIRST, SWITCH, tell
from thalweg.lab import sinks
(sink,) = sinks.open(["wandb"], Path(sys.argv[1]), "my study")
sink.started(FIRST.spec, "Adam")
tell(sink, SWITCH, "switch")
for each in FIRST.epochs[:2]:
    sink.epoch(FIRST.spec, "Adam", each)
sink.close()
"""


def wandb_records(file: Path) -> list[Any]:
    """The records of an offline run: chunks of blocks of 32 KB, as in a log of LevelDB."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole, found = file.read_bytes(), 7, b"", []
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            found.append(Record.FromString(whole))
            whole = b""
    return found


def test_wandb_reads_what_it_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline, with the real package, two runs at a time, one of them cut."""
    monkeypatch.delenv("WANDB_MODE", raising=False)
    command = [sys.executable, "-c", WANDB, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = {}
    for file in (tmp_path / "wandb").glob("offline-run-*/run-*.wandb"):
        records = wandb_records(file)
        (head,) = (record.run for record in records if record.WhichOneof("record_type") == "run")
        history = [
            {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
            for record in records
            if record.WhichOneof("record_type") == "history"
        ]
        ended = [record.exit.exit_code for record in records if record.WhichOneof("record_type") == "exit"]
        assert (head.project, head.run_group) == ("thalweg", "my study")
        found[head.display_name] = ([(row["_step"], row["metric"]) for row in history], ended)
    assert found == {
        run_name(FIRST.spec, "Adam"): ([(each.epoch, each.metric) for each in FIRST.epochs[:2]], [1]),
        run_name(SWITCH.spec, "switch"): ([(each.epoch, each.metric) for each in SWITCH.epochs], [0]),
    }


class Fake:
    """Stands in for trackio's run: keeps what it is given."""

    made: list["Fake"]

    def __init__(self, **arguments: Any) -> None:
        print("how to look at it")
        self.arguments, self.log_calls, self.finished = arguments, [], False
        Fake.made.append(self)

    def log(self, values: dict[str, Any], step: int | None = None) -> None:
        self.log_calls.append((step, values))

    def finish(self) -> None:
        self.finished = True


def test_trackio_is_told_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of trackio's versions only those from .20 on take a group, and not every environment can install one of them."""
    Fake.made = []
    monkeypatch.setitem(sys.modules, "trackio", types.SimpleNamespace(init=Fake))
    (sink,) = sinks.open(["trackio"], tmp_path, "study")
    tell(sink, SWITCH, "switch")
    tell(sink, FIRST, epochs=2)
    sink.close()
    whole, cut = Fake.made
    assert whole.arguments["group"] == "study" and whole.arguments["config"] == settings(SWITCH.spec)
    assert whole.log_calls == [*((e.epoch, numbers(e)) for e in SWITCH.epochs), (None, {"ended": "diverged"})]
    assert cut.log_calls[-1] == (None, {"ended": "cut"})
    assert whole.finished and cut.finished
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["tensorboard", "trackio", "wandb"])
def test_a_missing_package_is_a_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("torch.utils.tensorboard", "trackio", "wandb"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"the sink '{name}' needs the package {name}.*pip install -U {name}"):
        sinks.open([name], tmp_path, "study")


def test_an_unknown_sink_and_an_unwritable_folder_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown sink 'jsonlines': did you mean 'jsonl'"):
        sinks.open(["jsonl", "jsonlines"], tmp_path / "out", "study")
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write into"):
        sinks.open(["jsonl"], tmp_path / "file", "study")


def test_a_sink_that_fails_is_left_out_with_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "trackio", types.SimpleNamespace(init=lambda **_: 1 / 0))
    both = sinks.open(["trackio", "jsonl"], tmp_path, "study")
    for sink in both:
        tell(sink, FIRST)
        tell(sink, SWITCH)
        sink.close()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(r"thalweg: the sink 'trackio' failed \(ZeroDivisionError: .*\) .*\n", captured.err)
    assert len(lines(tmp_path / "study.jsonl")) == len(FIRST.epochs) + len(SWITCH.epochs) + 4


def test_a_disk_that_is_full_ends_the_json_lines_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    (sink,) = sinks.open(["jsonl"], tmp_path, "study")
    sink.started(FIRST.spec, "Adam")
    kept = (tmp_path / "study.jsonl").read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(kept) + 20, before[1]))
    try:
        tell(sink, FIRST)
        sink.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert capsys.readouterr().err.count("the sink 'jsonl' failed (OSError: no room") == 1
    sinks.open(["jsonl"], tmp_path, "study")[0].close()
    assert (tmp_path / "study.jsonl").read_bytes() == kept

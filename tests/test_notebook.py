"""`thalweg.compare`: from scripts, notebooks and closures; what is trained again, what shows, what is refused."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import thalweg
from lab_runs import Here
from thalweg.errors import InputError
from thalweg.lab import engines
from thalweg.lab.identity import identity
from thalweg.report.display import Shown

X = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
Y = X.sum(dim=1, keepdim=True)
TRAIN, VALIDATION = (X[:30], Y[:30]), (X[30:], Y[30:])


class Trained(list):
    """The keys of the runs that were trained, over all calls."""

    def of(self, call: Callable[[], Shown]) -> tuple[Shown, int]:
        before = len(self)
        shown = call()
        return shown, len(self) - before


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Trained:
    """Runs are trained in the test's own process, out of the bytes that a worker would get."""
    keys = Trained()

    def opened(*arguments: Any, packed: bytes | None = None, **options: Any) -> Here:
        engine = Here(packed)
        engine.trained = keys
        return engine

    monkeypatch.setattr(engines, "open", opened)
    return keys


def squared(model: nn.Module, batch: Any) -> torch.Tensor:
    return ((model(batch[0]) - batch[1]) ** 2).mean()


def compared(folder: Path, **changed: Any) -> Shown:
    given = {
        "model": lambda seed: nn.Linear(2, 1),
        "loss": squared,
        "train": TRAIN,
        "validation": VALIDATION,
        "optimizers": ["sgd:lr=0.1", "adam:lr=0.01"],
        "epochs": 2,
        "seeds": 1,
        "out": folder,
        "progress": False,
    }
    return thalweg.compare(**{**given, **changed})


def answer(shown: Shown) -> list[tuple[str, float | None]]:
    return [(row.optimizer, row.final.mean) for row in shown.comparison.rows]


# --- what it is given ---


class Normed(nn.Module):
    """Buffers that training changes, and one of our own."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.line = nn.BatchNorm1d(2), nn.Linear(2, 1)
        self.register_buffer("scale", torch.ones(1))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.line(self.norm(batch)) * self.scale


def as_dictionary(items: list) -> dict[str, torch.Tensor]:
    return {"x": torch.stack([x for x, _ in items]), "y": torch.stack([y for _, y in items])}


def of_dictionary(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return ((model(batch["x"]) - batch["y"]) ** 2).mean()


def loader(part: tuple, **options: Any) -> DataLoader:
    return DataLoader(TensorDataset(*part), 10, **options)


@pytest.mark.parametrize(
    "given",
    [
        {"model": Normed},
        {"model": lambda width=1: nn.Linear(2, width)},
        {"train": lambda: TRAIN, "validation": lambda seed: VALIDATION},
        {"train": TensorDataset(*TRAIN), "validation": TensorDataset(*VALIDATION)},
        {"train": loader(TRAIN, shuffle=True, num_workers=0), "validation": loader(VALIDATION)},
        {"train": loader(TRAIN, shuffle=True, generator=torch.Generator().manual_seed(3))},
        {"loss": lambda m, b: squared(m, b), "metric": lambda m, b: squared(m, b).sqrt(), "target": 1.0},
        {
            "loss": of_dictionary,
            "train": loader(TRAIN, shuffle=True, collate_fn=as_dictionary),
            "validation": loader(VALIDATION, collate_fn=as_dictionary),
        },
        {"test": VALIDATION, "optimizers": "sgd:lr=0.1,adam:lr=0.01", "batch_size": None},
        {"tune": 1, "hyper": ["lr"], "ranges": {"lr": (1e-3, 1.0)}},
    ],
    ids=[
        "buffers",
        "of no seed",
        "functions",
        "data sets",
        "loaders",
        "generator",
        "lambdas",
        "dicts",
        "test",
        "tuned",
    ],
)
def test_models_and_data_of_every_kind_train(given: dict, tmp_path: Path, trained: Trained) -> None:
    first, count = trained.of(lambda: compared(tmp_path, **given))
    rows = first.comparison.rows
    assert first.failures == () and [row.statuses for row in rows] == [("finished",)] * len(rows)
    assert {row.optimizer for row in rows} == {"sgd:lr=0.1", "adam:lr=0.01"} and count >= 2
    orders = {tuple(epoch["order_digest"] for epoch in run["epochs"]) for run in first.comparison.runs}
    assert len(orders) == 1  # the same batches for all
    again, count = trained.of(lambda: compared(tmp_path, **given))
    assert count == 0 and again.table == first.table


def test_the_numbers_are_those_of_the_same_problem_in_a_file(tmp_path: Path, trained: Trained) -> None:
    from lab_runs import made, planned

    text = """
        import torch
        from torch import nn

        def model(seed):
            return nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.1), nn.Linear(4, 1))

        def data(seed):
            x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
            y = x.sum(dim=1, keepdim=True)
            return (x[:30], y[:30]), (x[30:], y[30:])

        def loss(model, batch):
            return ((model(batch[0]) - batch[1]) ** 2).mean()
    """
    path = tmp_path / "mine.py"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    by_file, _ = made(planned("sgd:lr=0.1,adam:lr=0.01", str(path), tune=2, seeds=2), tmp_path / "file.db")
    shown = compared(
        tmp_path, model=lambda: nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.1), nn.Linear(4, 1)), tune=2, seeds=2
    )
    assert answer(shown) == [(row.optimizer, row.final.mean) for row in by_file.rows]
    assert shown.comparison.data == by_file.data == "30 to train, 10 to validate (samples)"


# --- what is trained again ---


def cell(text: str, names: dict[str, Any]) -> None:
    """A notebook's cell: its functions belong to __main__, and no file has their text."""
    exec(compile(textwrap.dedent(text), "<cell>", "exec"), names)


NOTEBOOK = """
    import torch
    from torch import nn

    WIDTH, SETTINGS, criterion = 4, {"scale": 1.0}, nn.MSELoss()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(2, WIDTH), nn.Linear(WIDTH, 1))

        def forward(self, x):
            return self.layers(x)

    def penalty(model):
        return sum((p - p.detach()).abs().sum() for p in model.parameters())

    def loss(model, batch):
        return criterion(model(batch[0]), batch[1]) * SETTINGS["scale"] + penalty(model)
"""
EDITS = {
    "a constant": "WIDTH = 5",
    "an entry": "SETTINGS['scale'] = 2.0",
    "an object": "criterion = nn.SmoothL1Loss()",
    # At first the penalty is 0 either way: only its code tells the two apart.
    "a helper": "def penalty(model):\n    return 2 * sum((p - p.detach()).abs().sum() for p in model.parameters())",
    "a method": "def half(self, x):\n    return self.layers(x / 2)\nNet.forward = half",
}


@pytest.mark.parametrize("edit", list(EDITS))
def test_an_edit_makes_new_runs_and_going_back_the_old_ones(edit: str, tmp_path: Path, trained: Trained) -> None:
    def call(*cells: str) -> int:
        names: dict[str, Any] = {"__name__": "__main__"}
        for text in cells:
            cell(text, names)
        found = trained.of(lambda: compared(tmp_path, model=names["Net"], loss=names["loss"], optimizers="sgd:lr=0.01"))
        return found[1]

    assert call(NOTEBOOK) == 1
    assert call(NOTEBOOK, "unrelated = 1") == 0
    assert call(NOTEBOOK, EDITS[edit]) == 1
    assert call("# the same cell, further down\n\n" + textwrap.dedent(NOTEBOOK)) == 0


def test_a_device_by_torchs_name_gives_the_numbers_of_the_cpu(tmp_path: Path, trained: Trained) -> None:
    plain = answer(compared(tmp_path / "plain"))
    assert answer(compared(tmp_path / "other", device=torch.device("cpu", 0))) == plain


def test_a_captured_value_makes_new_runs(tmp_path: Path, trained: Trained) -> None:
    def call(scale: float, extra: str = "") -> Shown:
        optimizers = ["sgd:lr=0.01", *([extra] if extra else [])]
        return compared(tmp_path, loss=lambda m, b: squared(m, b) * scale, optimizers=optimizers)

    assert trained.of(lambda: call(1.0))[1] == 1
    assert trained.of(lambda: call(2.0))[1] == 1
    shown, count = trained.of(lambda: call(1.0, "adam:lr=0.01"))
    assert count == 1 and len(shown.comparison.rows) == 2
    assert trained.of(lambda: compared(tmp_path, train=(X[:29], Y[:29]), optimizers="sgd:lr=0.01"))[1] == 1


def test_what_the_caller_holds_stays_as_it_is(tmp_path: Path, trained: Trained) -> None:
    """A network, a generator, a list that are captured: trying a batch must not change what later runs begin with."""
    network, generator, seen = Normed(), torch.Generator().manual_seed(0), []
    batches = loader(TRAIN, shuffle=True, generator=generator)

    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        seen.append(len(batch))
        return squared(model, batch)

    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    one = compared(tmp_path, model=lambda: network, loss=loss, train=batches, optimizers="sgd:lr=0.1")
    assert seen == [] and all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    two, count = trained.of(lambda: compared(tmp_path, model=lambda: network, loss=loss, train=batches))
    assert count == 1  # only what is new, and with the batches of what was there
    assert len({tuple(e["order_digest"] for e in run["epochs"]) for run in two.comparison.runs}) == 1
    assert answer(one)[0] in answer(two)


def test_identity_looks_at_what_functions_find() -> None:
    assert identity(squared) == identity(squared) != identity(of_dictionary)
    assert identity(lambda x: x + 1) == identity(lambda y: y + 1) != identity(lambda x: x + 2)
    tensors = [
        torch.zeros(2),
        torch.ones(2),
        torch.zeros(2, dtype=torch.bfloat16),
        torch.zeros(2, 1),
        torch.zeros(2).to_sparse(),
    ]
    assert len({identity(lambda held=tensor: held) for tensor in tensors}) == len(tensors)
    assert identity({"a", "b", "c"}) == identity({"c", "b", "a"}) and identity([[1], 2]) != identity([[1, 2]])
    around = [torch.no_grad()(function) for function in (squared, of_dictionary)]
    assert identity(around[0]) != identity(around[1])
    circle: list[Any] = []
    circle.append(circle)
    assert identity(circle) == identity(circle)


# --- what comes back ---


def test_it_shows_itself_and_can_be_saved(tmp_path: Path, trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    shown = compared(tmp_path / "runs", name="lines & <planes>", target=0.5)
    assert capsys.readouterr() == ("", "")  # progress=False
    html = shown._repr_html_()
    assert html.startswith("<style>") and "lines &amp; &lt;planes&gt;" in html and "<script" not in html
    assert html.count("<svg") >= 1 and "adam:lr=0.01" in html
    assert "sgd:lr=0.1" in str(shown) and all(len(line) <= 80 for line in str(shown).splitlines())
    assert repr(shown).startswith("<Shown: lines & <planes>, 2 rows")
    assert [row["optimizer"] for row in shown.table] and set(shown.charts) >= {"curves", "finals"}
    json.dumps(shown.table, allow_nan=False)
    saved = shown.save(tmp_path / "saved" / "deep")
    assert {path.suffix for path in saved} >= {".html", ".png"} and all(path.is_file() for path in saved)


def test_progress_goes_to_standard_error(tmp_path: Path, trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    compared(tmp_path, progress=True)
    captured = capsys.readouterr()
    assert captured.out == "" and "runs 2/2" in captured.err
    compared(tmp_path, progress=True)
    assert "2 of 2 runs are in the store already" in capsys.readouterr().err


def test_a_run_that_fails_is_said_and_the_others_are_there(tmp_path: Path, trained: Trained) -> None:
    def model(seed: int) -> nn.Module:
        if seed == 1:
            raise ValueError("no second seed")
        return nn.Linear(2, 1)

    shown = compared(tmp_path, model=model, seeds=2, optimizers="sgd:lr=0.1")
    assert shown.comparison.rows[0].statuses == ("finished", "failed")
    assert "no second seed" in str(shown) and "no second seed" in shown._repr_html_()


def test_a_store_may_be_named(tmp_path: Path, trained: Trained) -> None:
    compared(tmp_path, store=str(tmp_path / "other.db"))
    assert (tmp_path / "other.db").is_file() and not (tmp_path / "store.db").exists()


# --- what is refused ---


def raises(*_: Any) -> Any:
    raise RuntimeError("on purpose")


REFUSED = {
    "model": ({"model": 3}, "expected model to be a function of a seed, got int"),
    "model's arguments": ({"model": lambda seed, width: None}, "model"),
    "no module": ({"model": lambda: 3}, "to give a torch module, got int"),
    "loss": ({"loss": "mse"}, "expected loss to be a function of the network and a batch, got str"),
    "loss's arguments": ({"loss": lambda output: output}, r"expected loss\(model, batch\)"),
    "loss raises": ({"loss": raises}, r"fails \(RuntimeError: on purpose\)"),
    "loss of a vector": ({"loss": lambda m, b: m(b[0])}, "as a scalar tensor, got a tensor of shape"),
    "metric": ({"metric": 3}, "expected metric to be a function"),
    "data raises": ({"train": raises}, r"data\(0\) of 'notebook' fails \(RuntimeError: on purpose\)"),
    "data of text": ({"train": "mnist"}, "the train part of"),
    "data of nothing": ({"validation": None}, "the validation part of"),
    "empty data": ({"train": (X[:0], Y[:0])}, "got an empty data set or loader"),
    "shapes apart": ({"test": VALIDATION, "validation": (X, Y[:, 0])}, "alike in all but their length"),
    "optimizers": ({"optimizers": 3}, "expected optimizers as texts, got 3"),
    "no optimizers": ({"optimizers": []}, r"expected optimizers as texts, got \[\]"),
    "a rule": ({"optimizers": [thalweg.RULES["adam"]]}, "the file that defines it"),
    "two in one": ({"optimizers": ["adam,sgd"]}, "one optimizer in each text of the list, got 'adam,sgd'"),
    "an unknown one": ({"optimizers": ["adamm"]}, "did you mean 'adam'"),
    "epochs": ({"epochs": 0}, "EPOCHS of 'notebook' to be a whole number above 0, got 0"),
    "seeds": ({"seeds": 0}, "--seeds must be a whole number above 0"),
    "seeds of text": ({"seeds": "3"}, "expected seeds and tune as whole numbers, got '3'"),
    "a part of a trial": ({"tune": 1.5}, "expected seeds and tune as whole numbers"),
    "maximize": ({"maximize": "yes"}, "MAXIMIZE of 'notebook' to be True or False"),
    "target": ({"target": "x"}, "TARGET of 'notebook' to be a finite number"),
    "sampler": ({"tune": 2, "sampler": "magic"}, "sampler 'magic'"),
    "hyper": ({"tune": 2, "hyper": "beta9"}, "no optimizer has a hyperparameter 'beta9'"),
    "lr": ({"lr": 0.1}, "expected --lr auto"),
    "engine": ({"engine": "rey"}, "did you mean 'ray'"),
    "address": ({"address": "auto"}, "only with the engine 'ray'"),
    "jobs": ({"jobs": 0}, "must be a whole number above 0, got 0"),
    "device": ({"device": "tpu"}, "expected --device cpu, cuda or cuda:NUMBER, got 'tpu'"),
    "no such device": ({"device": torch.device("cuda:99")}, "expected a CUDA device for --device cuda:99, got"),
    "gpus": ({"gpus": 0.5, "engine": "ray"}, "expected --gpus only with --device cuda, got --device cpu"),
    "out": ({"out": 3}, "expected out as a path, got int"),
    "store": ({"store": 3}, "expected store as a path, got int"),
    "what cannot be pickled": ({"loss": lambda m, b, held=sys.stdout: squared(m, b)}, "handed to other processes"),
}


@pytest.mark.parametrize("fault", list(REFUSED))
def test_bad_arguments_are_refused_in_a_sentence(fault: str, tmp_path: Path) -> None:
    changed, message = REFUSED[fault]
    with pytest.raises(InputError, match=message) as error:
        compared(tmp_path / "out", **changed)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


# --- with real workers ---

SCRIPT = """
    import sys
    from pathlib import Path

    import thalweg
    import torch
    from torch import nn

    import beside  # a module of one's own, beside the script

    out = Path(sys.argv[1])
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    y = x.sum(dim=1, keepdim=True)
    scale = 3.0

    def loss(model, batch):
        print("a user's own words")
        return beside.squared(model, batch) * scale

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 1, bias=WITH_BIAS)

        def forward(self, x):
            return self.layer(x)

    for WITH_BIAS in (True, False):  # a class of one's own stays what it is: it sees the value of now
        shown = thalweg.compare(
            Net, loss, (x[:30], y[:30]), (x[30:], y[30:]), optimizers=["sgd:lr=0.1"],
            epochs=2, seeds=2, out=out, progress=False, name="script", jobs=1,
        )
        assert shown.failures == (), shown.failures
        print([row.final.mean for row in shown.comparison.rows])
"""


@pytest.mark.slow
def test_a_plain_script_without_a_main_guard(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text(
        "def squared(model, batch):\n    return ((model(batch[0]) - batch[1]) ** 2).mean()\n"
    )
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT), encoding="utf-8")
    command = [sys.executable, "-W", "error", "script.py", str(tmp_path / "out")]
    first, second = (
        subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=200) for _ in range(2)
    )
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    words = "a user's own words"
    answers = [[line for line in done.stdout.splitlines() if line != words] for done in (first, second)]
    assert answers[0] == answers[1] and len({*answers[0]}) == 2
    # The workers of the first call say it on standard error; the second has none.
    assert words in first.stderr and second.stderr == ""

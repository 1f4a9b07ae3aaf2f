"""A problem of one's own: what a file may say, what is refused in a sentence, and what becomes a status."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from lab_runs import made, planned, specs_of, train_here
from thalweg.advise.look import look
from thalweg.errors import InputError
from thalweg.lab.batches import bytes_of
from thalweg.lab.files import find_problem
from thalweg.lab.parts import parts_of
from thalweg.lab.study import Request, plan
from thalweg.lab.table import Comparison, Reached
from thalweg.lab.template import write_template
from thalweg.report.verdict import verdict

PARTS = {
    "imports": "import torch\nfrom torch import nn\nfrom torch.utils.data import DataLoader, TensorDataset\n",
    "constants": "EPOCHS = 2\nBATCH_SIZE = 8\nOPTIMIZERS = 'sgd:lr=0.1'\n",
    "model": "def model(seed):\n    return nn.Linear(2, 1)\n",
    "data": (
        "def data(seed):\n    g = torch.Generator().manual_seed(0)\n    x = torch.randn(40, 2, generator=g)\n"
        "    y = x.sum(dim=1, keepdim=True)\n    return (x[:30], y[:30]), (x[30:], y[30:])\n"
    ),
    "loss": "def loss(model, batch):\n    x, y = batch\n    return ((model(x) - y) ** 2).mean()\n",
}


def written(folder: Path, **changed: str) -> str:
    path = folder / "mine.py"
    path.write_text("\n".join({**PARTS, **changed}.values()), encoding="utf-8")
    return str(path)


def table_of(folder: Path, problem: str, optimizers: str | None = None, **options: Any) -> Comparison:
    study = plan(Request(problem, optimizers, **{"seeds": 2, **options}))
    result, failures = made(study, folder / "store.db")
    assert failures == []
    return result


def test_a_file_of_functions_is_a_problem(tmp_path: Path) -> None:
    problem = find_problem(written(tmp_path))
    assert (problem.name, problem.metric, problem.metric_name, problem.maximize) == ("mine", None, "loss", False)
    assert (problem.epochs, problem.batch_size, problem.optimizers) == (2, 8, (("sgd:lr=0.1", "sgd:lr=0.1"),))
    [spec] = specs_of(planned(None, written(tmp_path), epochs=None))
    run = train_here(spec)
    assert run.status == "finished" and [e.steps for e in run.epochs] == [4, 4]
    assert run.epochs[-1].metric == run.epochs[-1].loss < run.epochs[0].loss


def test_a_problem_in_bfloat16_is_trained_and_looked_at(tmp_path: Path) -> None:
    half = {
        "model": "def model(seed):\n    return nn.Linear(2, 1).bfloat16()\n",
        "data": PARTS["data"].replace("    return", "    x, y = x.bfloat16(), y.bfloat16()\n    return"),
    }
    path = written(tmp_path, **half)
    [spec] = specs_of(planned(None, path, epochs=None))
    run = train_here(spec)
    assert run.status == "finished" and [e.steps for e in run.epochs] == [4, 4]
    assert look(path).facts.dtype == "bfloat16"


def test_every_number_of_bfloat16_data_decides_what_data_it_is() -> None:
    def hashed(x: torch.Tensor) -> str:
        return parts_of(((x, np.zeros(1000)), (x[:10], np.zeros(10)))).digest

    x = torch.arange(1000, dtype=torch.float32).bfloat16()
    other = x.clone()
    other[5] += 1
    assert hashed(x) == hashed(x.clone()) != hashed(other)
    assert hashed(x) != hashed(x.view(torch.float16))
    assert bytes_of(torch.ones(2).bfloat16()) == torch.ones(2).bfloat16().view(torch.int16).numpy().tobytes()
    assert bytes_of(torch.eye(2)[:, 1]) == np.array([0, 1], dtype=np.float32).tobytes()


@pytest.mark.parametrize("part", ["model", "data", "loss"])
def test_a_problem_that_ends_python_is_refused(tmp_path: Path, part: str) -> None:
    head = PARTS[part].splitlines()[0]
    path = written(tmp_path, **{part: f"{head}\n    raise SystemExit(0)\n"})
    for tried in (look, lambda path: planned(None, path, epochs=None)):
        with pytest.raises(InputError, match=r"fails \(SystemExit: 0\)"):
            tried(path)


@pytest.mark.parametrize("part", ["model", "data", "loss"])
def test_an_error_of_several_lines_stays_one_sentence(tmp_path: Path, part: str) -> None:
    head = PARTS[part].splitlines()[0]
    path = written(tmp_path, **{part: f"{head}\n    raise ValueError('sizes differ\\n  3 and 4')\n"})
    with pytest.raises(InputError, match=r"fails \(ValueError: sizes differ\): mend [^\n]*$"):
        look(path)


@pytest.mark.parametrize(
    ("returned", "steps"),
    [
        ("TensorDataset(x[:30], y[:30]), TensorDataset(x[30:], y[30:])", 4),
        (
            "DataLoader(TensorDataset(x[:30], y[:30]), 10, shuffle=True), DataLoader(TensorDataset(x[30:], y[30:]), 5)",
            3,
        ),
        ("(x[:20], y[:20]), (x[20:30], y[20:30]), (x[30:], y[30:])", 4),
        ("(x[:30].numpy(), y[:30].numpy()), (x[30:].numpy(), y[30:].numpy())", 4),
    ],
)
def test_data_comes_as_loaders_data_sets_arrays_and_tensors(returned: str, steps: int, tmp_path: Path) -> None:
    data = PARTS["data"].replace("return (x[:30], y[:30]), (x[30:], y[30:])", f"return {returned}")
    runs = [train_here(s) for s in specs_of(planned("sgd:lr=0.1,adam:lr=0.01", written(tmp_path, data=data)))]
    assert [[e.steps for e in run.epochs] for run in runs] == [[steps, steps]] * 2
    orders = [[e.order_digest for e in run.epochs] for run in runs]
    assert orders[0] == orders[1] and len(set(orders[0])) == 2
    assert runs[0].weights_digest == runs[1].weights_digest


def test_with_a_test_part_tuning_never_sees_it() -> None:
    x = np.arange(10.0)
    with_test = parts_of(((x[:4],), (x[4:6],), (x[6:],)))
    assert [part[0].tolist() for part in with_test.tuning] == [[0, 1, 2, 3], [4, 5]]
    assert with_test.train[0].tolist() == [0, 1, 2, 3, 4, 5]
    assert with_test.test[0].tolist() == [6, 7, 8, 9]
    without = parts_of(((x[:5],), (x[5:],)))
    assert sorted(np.concatenate([part[0] for part in without.tuning]).tolist()) == [0, 1, 2, 3, 4]
    assert without.held_out and without.test[0].tolist() == [5, 6, 7, 8, 9]


def test_loaders_without_a_test_part_are_tuned_on_what_is_reported_and_that_is_said(tmp_path: Path) -> None:
    returned = "DataLoader(TensorDataset(x[:30], y[:30]), 10), DataLoader(TensorDataset(x[30:], y[30:]), 5)"
    data = PARTS["data"].replace("(x[:30], y[:30]), (x[30:], y[30:])", returned)
    [caveat] = table_of(tmp_path, written(tmp_path, data=data), tune=2).caveats
    assert "tuned rows are optimistic" in caveat


METRIC = "def error(model, batch):\n    x, y = batch\n    return (model(x) - y).abs().mean()\n\n\nmetric = error\n"


@pytest.mark.parametrize(("direction", "best"), [("MAXIMIZE = True\n", "sgd:lr=1e-9"), ("", "sgd:lr=0.1")])
def test_a_metric_ranks_in_its_direction(direction: str, best: str, tmp_path: Path) -> None:
    problem = written(tmp_path, metric=METRIC + direction)
    result = table_of(tmp_path, problem, "sgd:lr=0.1,sgd:lr=1e-9")
    assert [row.optimizer for row in result.rows if row.difference is None] == [best]
    assert result.metric == "error"


NAN = "def model(seed):\n    layer = nn.Linear(2, 1)\n    layer.weight.data.fill_(float('nan'))\n    return layer\n"
EMPTY = "def data(seed):\n    empty = DataLoader(TensorDataset(torch.zeros(0, 2)))\n    return empty, empty\n"
REFUSED = {
    "no loss": ({"loss": ""}, "got no loss"),
    "no model": ({"model": "model = 3\n"}, "got no model"),
    "a model that is none": ({"model": "def model(seed):\n    return 3\n"}, "to give a torch module, got int"),
    "a model of two seeds": ({"model": "def model(a, b):\n    return nn.Linear(2, 1)\n"}, r"expected model\(seed\)"),
    "a model of NaN": ({"model": NAN}, "a finite loss of the first train batch, got nan"),
    "nothing to train": ({"model": "def model(seed):\n    return nn.Identity()\n"}, "depends on the model's weights"),
    "a loss of a vector": (
        {"loss": "def loss(model, batch):\n    return model(batch[0])\n"},
        "as a scalar tensor, got a",
    ),
    "a loss of a number": ({"loss": "def loss(model, batch):\n    return 0.5\n"}, "as a scalar tensor, got float"),
    "a loss that raises": ({"loss": "def loss(model, batch):\n    return model(batch[2])\n"}, "IndexError"),
    "a loss of one argument": ({"loss": "def loss(batch):\n    return 0\n"}, r"expected loss\(model, batch\)"),
    "a metric of a vector": ({"metric": "def metric(model, batch):\n    return batch[0]\n"}, "the metric of a batch"),
    "one part": ({"data": "def data(seed):\n    return (torch.zeros(3),)\n"}, "got 1 parts"),
    "no parts": ({"data": "def data(seed):\n    return 3\n"}, "got int"),
    "a part of text": ({"data": "def data(seed):\n    return 'ab', 'cd'\n"}, "to be a loader, a data set or a tuple"),
    "unequal lengths": (
        {"data": "def data(seed):\n    x = torch.zeros(4, 2)\n    return (x, x[:3]), (x, x)\n"},
        "expected train arrays of equal length, got 4, 3",
    ),
    "an empty loader": ({"data": EMPTY}, "got an empty data set or loader"),
    "an empty array": (
        {"data": "def data(seed):\n    x = torch.zeros(0, 2)\n    return (x, x), (x, x)\n"},
        "got an empty",
    ),
    "epochs of a text": ({"constants": "EPOCHS = 'ten'\n"}, "EPOCHS of .* to be a whole number above 0, got 'ten'"),
    "batches of nothing": ({"constants": "BATCH_SIZE = 0\n"}, "BATCH_SIZE of .* got 0"),
    "a direction of text": ({"constants": "MAXIMIZE = 'yes'\n"}, "MAXIMIZE of .* to be True or False"),
    "optimizers of a list": ({"constants": "OPTIMIZERS = ['adam']\n"}, "OPTIMIZERS of"),
    "unknown optimizers": ({"constants": "OPTIMIZERS = 'adamm'\n"}, "did you mean 'adam'"),
    "a target of NaN": ({"constants": "TARGET = float('nan')\n"}, "TARGET of .* a finite number"),
}


@pytest.mark.parametrize("fault", list(REFUSED))
def test_what_cannot_be_trained_is_refused_in_a_sentence(fault: str, tmp_path: Path) -> None:
    changed, message = REFUSED[fault]
    with pytest.raises(InputError, match=message) as error:
        plan(Request(written(tmp_path, **changed)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "--epochs must be"),
        ({"seeds": 0}, "--seeds must be"),
        ({"batch_size": 0}, "--batch-size must be"),
        ({"threads": 0}, "--threads must be"),
        ({"tune": -1}, "--tune must be"),
        ({"tune": 4, "sampler": "magic"}, "sampler 'magic'"),
        ({"tune": 4, "hyper": "beta9"}, "no optimizer has a hyperparameter 'beta9'"),
        ({"tune": 4, "hyper": "beta1"}, "'sgd:lr=0.1' cannot be tuned"),
        ({"tune": 4, "ranges": "lr=1:0.1"}, "from a smaller to a larger"),
        ({"order": "backwards"}, "there is no order 'backwards'"),
        ({"lr": "0.1"}, "expected --lr auto"),
        ({"device": "tpu"}, "--device cpu, cuda or cuda:NUMBER"),
        ({"source": "somewhere"}, "expected no --data"),
        ({"optimizers": "sgd:lr=cosin(0.1)"}, "did you mean 'cosine'"),
        ({"optimizers": "adam@2/sgd"}, "to begin within 2 epochs, got epoch 3"),
        ({"optimizers": "adam@1"}, "expected what follows epoch 1"),
        ({"optimizers": "adam:lr=0.1@1/sgd"}, "behind an optimizer's name"),
    ],
)
def test_bad_requests_are_refused_in_a_sentence(options: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as error:
        plan(Request(written(tmp_path), **options))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_samples_train_and_tune(count: int, tmp_path: Path) -> None:
    data = (
        f"def data(seed):\n    x = torch.ones({count}, 2)\n    y = torch.ones({count}, 1)\n    return (x, y), (x, y)\n"
    )
    result = table_of(tmp_path, written(tmp_path, data=data), tune=1)
    assert [row.statuses for row in result.rows] == [("finished", "finished")] * 2


ONE_LABEL = {
    "constants": "MAXIMIZE = True\n",
    "model": "def model(seed):\n    return nn.Linear(2, 2)\n",
    "data": "def data(seed):\n    part = torch.ones(9, 2), torch.zeros(9, dtype=torch.long)\n    return part, part\n",
    "loss": "from thalweg.lab.measures import accuracy as metric, cross_entropy as loss\n",
}


def test_one_label_only_trains_and_ties(tmp_path: Path) -> None:
    result = table_of(tmp_path, written(tmp_path, **ONE_LABEL), "sgd:lr=0.5,adam:lr=0.5", epochs=5, seeds=3)
    assert [row.final.mean for row in result.rows] == [1.0, 1.0]
    assert "cannot tell" in " ".join(verdict(result))


def test_a_target_that_is_never_reached_is_said(tmp_path: Path) -> None:
    [row] = table_of(tmp_path, written(tmp_path), target=-1.0).rows
    assert row.reached == Reached(0, None, None, None)


def test_a_stream_without_a_length_is_refused() -> None:
    class Stream(IterableDataset):
        def __iter__(self):
            yield torch.zeros(2)

    with pytest.raises(InputError, match="with a length"):
        parts_of((DataLoader(Stream(), 2), DataLoader(TensorDataset(torch.zeros(3)))))


def test_the_template_is_a_problem_that_trains(tmp_path: Path) -> None:
    path = tmp_path / "my_problem.py"
    write_template("problem", path)
    [spec] = specs_of(planned("adam:lr=0.01", str(path), epochs=3))
    run = train_here(spec)
    assert run.status == "finished" and run.epochs[-1].metric > 0.9
    with pytest.raises(InputError, match="which exists"):
        write_template("problem", path)
    with pytest.raises(InputError, match="no template 'model'"):
        write_template("model", path)


def test_a_run_that_breaks_later_fails_alone(tmp_path: Path) -> None:
    model = "def model(seed):\n    if seed == 1:\n        raise ValueError('seed 1')\n    return nn.Linear(2, 1)\n"
    result, failures = made(plan(Request(written(tmp_path, model=model), seeds=3)), tmp_path / "store.db")
    assert [row.statuses for row in result.rows] == [("finished", "failed", "finished")]
    [(label, message)] = failures
    assert label == "sgd:lr=0.1, seed 1" and message.startswith("ValueError: seed 1")

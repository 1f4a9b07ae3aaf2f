"""`thalweg bench`: table, JSON, chart, and its arithmetic on a clock of our own; no test asks how fast anything is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import thalweg.torch
from thalweg.bench import epoch, groups, whole_step
from thalweg.bench.bandwidth import bytes_moved
from thalweg.bench.job import Sizes
from thalweg.bench.pairs import WARM_UP, Question, Side, alone, answered, compared, fastest, rounds
from thalweg.bench.peers import TRAINABLE, arguments, ours, peer_of, settings_of, torchs
from thalweg.bench.table import Row, Table, as_document
from thalweg.bench.tensors import parameters
from thalweg.compile.numba import compiled
from thalweg.compile.storage import Storage
from thalweg.compile.trace import trace
from thalweg.errors import InputError
from thalweg.lab.digits import load
from thalweg.report.bench import chart, render
from thalweg.rules import RULES
from thalweg.rules.peers import defaults, match

SMALL = ("--elements", "1000", "--pairs", "2", "--tensors", "4", "--digits", "64")


def bench(*options: str, out: Path, flags: tuple[str, ...] = ("-W", "error")) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *flags, "-m", "thalweg.cli", "bench", *SMALL, "--out", str(out), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


class Clock:
    """Stands still but for what is told to take time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def __call__(self) -> float:
        return self.now

    def side(self, name: str, *durations: float, preparing: float = 0.0) -> Side:
        """A side that takes these times in turn."""
        left = iter(durations)

        def call() -> None:
            self.calls.append(name)
            self.now += next(left)

        def prepare() -> None:
            self.now += preparing

        return Side(call, prepare)


def test_sides_take_turns_and_preparing_does_not_count() -> None:
    clock = Clock()
    measured = rounds([clock.side("ours", 1, 2, preparing=50), clock.side("peer", 3, 4, preparing=7)], 2, clock)
    assert measured == [(1, 3), (2, 4)]
    assert clock.calls == ["ours", "peer", "ours", "peer"]


def test_a_row_has_the_median_of_the_pairs_ratios() -> None:
    """Which is neither the ratio of the medians nor the mean."""
    row = answered(Question("large", "adam", "torch", target=4.0), [(1.0, 2.0), (2.0, 10.0), (4.0, 4.0)])
    assert (row.ours_ms, row.peer_ms, row.ratio, row.pairs) == (2000.0, 4000.0, 2.0, 3)
    assert row.met is False


def test_a_weight_makes_a_share_and_a_limit_turns_the_ratio_round() -> None:
    pairs = [(7.0, 2.0)] * 3
    assert answered(Question("bandwidth", "adam", "scale", 0.9, weight=3.5), pairs).ratio == 1.0
    limited = answered(Question("start", "Adam", "import", 4.0, at_most=True), pairs)
    assert (limited.ratio, limited.met) == (3.5, True)


def test_the_fastest_setting_is_the_one_with_the_lowest_median() -> None:
    clock = Clock()
    settings = {"loop": clock.side("loop", 1, 9, 9), "foreach": clock.side("foreach", 5, 5, 99)}
    assert fastest(settings, clock) == "foreach"


def test_measurements_are_warmed_up() -> None:
    clock = Clock()
    endless = clock.side("x", *[0.0] * 99), clock.side("y", *[0.0] * 99)
    compared(Question("small", "a", "b", None, 0.0), *(Side(s.call, s.prepare) for s in endless), 2)
    assert clock.calls == ["x"] * WARM_UP + ["y"] * WARM_UP + ["x", "y"] * 2
    row = alone("small", "a", endless[0], 2)
    assert (row.peer_ms, row.ratio, row.met) == (None, None, None)


@pytest.mark.parametrize("rule", TRAINABLE)
def test_the_bytes_of_a_rule_are_those_of_its_kernels_arrays(rule: str) -> None:
    """Every array is read, and all but the gradient are written; the kernel lists them."""
    program = trace(RULES[rule])
    kernel = compiled(program, Storage(("float32",) * len(program.inputs)))
    assert bytes_moved(RULES[rule]) == 4 * (2 * len(kernel.arrays) - 1)


@pytest.mark.parametrize("rule", [rule for rule in TRAINABLE if peer_of(rule)])
def test_both_sides_of_a_comparison_compute_the_same(rule: str) -> None:
    peer = peer_of(rule)
    given = arguments(rule, peer)
    assert match("torch", peer.name, defaults("torch", peer.name) | given).rule is RULES[rule]
    settings = settings_of(peer.name)
    models = [parameters(2, 50) for _ in range(1 + len(settings))]
    theirs = [torchs(rule, peer, setting, model) for setting, model in zip(settings, models[1:], strict=True)]
    for side, model in zip((ours(rule, peer, models[0]), *theirs), models, strict=True):
        gradients = [x.grad.clone() for x in model]
        for _ in range(3):
            side.call()
            for x, gradient in zip(model, gradients, strict=True):
                x.grad.copy_(gradient)  # torch's Nesterov, foreach, adds to the gradients themselves
    for model in models[1:]:
        torch.testing.assert_close(model, models[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("set_to_none", [False, True])
def test_both_whole_steps_compute_the_same(set_to_none: bool) -> None:
    models = [parameters(2, 50, gradient=whole_step.SCALE) for _ in range(2)]
    before = models[0][0].detach().clone()
    for make, model in zip((whole_step.our_step, whole_step.torchs_step), models, strict=True):
        side = make(model, set_to_none)
        for _ in range(3):
            side.prepare()
            assert all(x.grad.any() for x in model)
            side.call()
        assert all(x.grad is None if set_to_none else not x.grad.any() for x in model)
    torch.testing.assert_close(models[0], models[1])
    assert not torch.equal(models[0][0], before)


def test_an_epoch_without_steps_leaves_the_weights_and_one_with_steps_moves_them() -> None:
    kept = []

    def remember(make):
        def made(params):
            kept.append([(x, x.detach().clone()) for x in params])
            return make([x for x, _ in kept[-1]])

        return made

    data = load(None, 0)
    epoch.torch_epoch(remember(lambda params: epoch.LeftOut(params, lr=0.0)), data, 64).call()
    epoch.torch_epoch(remember(thalweg.torch.Adam), data, 64).call()
    assert [all(torch.equal(x, before) for x, before in pairs) for pairs in kept] == [True, False]


def test_keras_trains_the_same_network() -> None:
    side = epoch.keras_epoch(load(None, 0), 64)
    assert side is not None
    history = side.call()
    weights = sum(x.numel() for x in epoch.PROBLEM.model(0).parameters())
    assert history.model.count_params() == weights and len(history.epoch) == 1


def test_groups_are_chosen_by_name_in_their_own_order() -> None:
    assert [group.name for group in groups.chosen("start, large")] == ["large", "start"]
    assert len(groups.chosen(None)) == 7
    with pytest.raises(InputError, match="did you mean 'small'"):
        groups.chosen("smal")


@pytest.mark.parametrize(
    ("sizes", "pairs", "name"),
    [(Sizes(elements=9), 1, "elements"), (Sizes(), 0, "pairs"), (Sizes(digits=0), 1, "digits")],
)
def test_sizes_that_leave_nothing_are_refused(sizes: Sizes, pairs: int, name: str) -> None:
    with pytest.raises(InputError, match=f"--{name}.*got"):
        groups.check(sizes, pairs)


def a_table() -> Table:
    rows = (
        Row("large", "adam", "torch fused", 50.0, 51.0, 1.02, 0.97, 15),
        Row("large", "irprop_minus", "torch's best", 52.0, 400.0, 7.7, 10.0, 15, best="foreach"),
        Row("small", "adam_uncorrected", "", 1.5, None, None, None, 15),
        Row("start", "Adam", "import torch", 99.0, 900.0, 0.11, 0.15, 15, at_most=True),
    )
    machine = {"processor": "A processor", "cores": "2", "threads": "2", "torch": "2"}
    return Table({"large": "25 M", "small": "1000 tensors", "start": "new"}, rows, machine, "2025-12-31")


def printed(table: Table) -> list[str]:
    from rich.console import Console

    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(render(table))
    return capture.get().splitlines()


def test_the_table_says_without_colour_which_targets_are_met() -> None:
    lines = {line.split()[0]: line for line in printed(a_table()) if line}
    assert lines["adam"].split()[-1] == "yes" and "1.02x" in lines["adam"]
    assert lines["irprop_minus"].split()[-1] == "no" and "torch foreach" in lines["irprop_minus"]
    assert lines["Adam"].split()[-3:] == ["≤", "0.15x", "yes"]
    assert "2 of 3 targets" in " ".join(printed(a_table()))


def test_the_chart_has_a_panel_per_group_with_ratios_and_starts_its_bars_at_1() -> None:
    whole = chart(a_table()).to_dict()
    panels = whole["vconcat"]
    assert [panel["title"]["text"] for panel in panels] == ["25 M", "new"]
    bars = panels[0]["layer"][0]
    assert bars["encoding"]["x2"]["field"] == "one" and bars["encoding"]["x"]["scale"]["type"] == "log"
    points = whole["datasets"][bars["data"]["name"]]
    assert [(point["ratio"], point["target"], point["one"]) for point in points] == [(1.02, 0.97, 1), (7.7, 10.0, 1)]
    assert points[0]["verdict"] != points[1]["verdict"]


def test_json_keys_that_depend_on_the_clock_start_with_time() -> None:
    document = as_document(a_table())
    row = {key for key in document["rows"][0] if not key.startswith("time_")}
    assert row == {"group", "work", "against", "pairs", "target", "at_most"}


@pytest.mark.slow
def test_the_command_prints_a_table_and_draws_a_chart(tmp_path: Path) -> None:
    done = bench("--only", "large,whole_step,storage,start", out=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(len(line.rstrip()) <= 80 or str(tmp_path) in line for line in done.stdout.splitlines())
    assert all(f"\n{name}: " in done.stdout for name in ("large", "whole_step", "storage", "start"))
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in (tmp_path / "bench.svg").read_text(encoding="utf-8")


@pytest.mark.slow
def test_json_has_a_row_for_every_rule_and_no_paths(tmp_path: Path) -> None:
    first, second = (bench("--only", "bandwidth,small", "--json", out=tmp_path) for _ in range(2))
    assert first.returncode == 0, first.stderr
    document = json.loads(first.stdout)
    for group in ("bandwidth", "small"):
        assert {row["work"] for row in document["rows"] if row["group"] == group} >= set(TRAINABLE)
    assert all(row["time_ours_ms"] > 0 and row["pairs"] == 2 for row in document["rows"])
    assert str(tmp_path) not in first.stdout
    assert without_times(document) == without_times(json.loads(second.stdout))


def without_times(document: dict) -> dict:
    """What may not depend on the clock."""
    rows = [{k: v for k, v in row.items() if not k.startswith("time_")} for row in document["rows"]]
    return {k: v for k, v in document.items() if not k.startswith("time_")} | {"rows": rows}


@pytest.mark.slow
def test_an_epoch_is_measured_against_all_three(tmp_path: Path) -> None:
    """Keras warns of its own accord, so warnings are no errors here."""
    done = bench("--only", "epoch", "--json", out=tmp_path, flags=())
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [(row["against"], row["target"]) for row in rows] == [
        ("no step", 0.95),
        ("torch's default", None),
        ("Keras' fit", None),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--only", "speed"), "no group 'speed'"),
        (("--pairs", "0"), "--pairs must"),
        (("--elements", "3"), "--elements"),
    ],
)
def test_bad_arguments(options: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = bench(*options, out=tmp_path / "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs folders that even root cannot write to")
def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_measured() -> None:
    done = bench("--only", "small", out=Path("/proc/thalweg"))
    assert done.returncode == 2 and "expected a folder that can be written" in done.stderr

"""The benchmark of the GPU, run in Triton's interpreter: its numbers are checked here for real, its times are not."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalogue import first_state
from thalweg.compile.deviation import deviations
from thalweg.compile.evaluate import scalars
from thalweg.compile.numpy import FLUSHING
from thalweg.compile.trace import trace
from thalweg.rules import RULES

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "gpu.py"
SECTIONS = ["correctness", "rules", "peers", "small", "model", "whole", "graph", "memory", "sync"]
NEEDS_TRITON = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")


def run(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """The script, or some lines of Python beside it, in a process that may import Triton as an interpreter."""
    command = [sys.executable, "-W", "error", *(["-c", code] if code else [str(SCRIPT)]), *arguments]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(_path())}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=SCRIPT.parent, env=environment)


def _path() -> list[str]:
    return [part for part in (str(SCRIPT.parent), os.environ.get("PYTHONPATH", "")) if part]


def interpreted(tmp_path: Path, *options: str) -> tuple[str, dict[str, Any]]:
    """What a run prints, and what it writes."""
    written = tmp_path / "gpu.json"
    done = run("--interpret", "--json", str(written), *options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout, json.loads(written.read_text(encoding="utf-8"))["sections"]


def assert_sound(section: dict[str, Any]) -> None:
    assert not section["error"] and section["items"]
    for item in section["items"]:
        assert item.get("passed", True), item
        if item["kind"] == "errors":
            assert {"f32", "f64", "bf16"} <= item["exact"].keys() == item["share"].keys()
            assert max(item["exact"].values()) == 0 and max(item["share"].values()) <= 1 and item["values"] <= 1e-8


@NEEDS_TRITON
def test_some_rules_are_checked(tmp_path: Path) -> None:
    printed, sections = interpreted(tmp_path, "--only", "correctness", "--rules", "sgd,nadam")
    assert list(sections) == ["correctness"]
    assert_sound(sections["correctness"])
    items = sections["correctness"]["items"]
    assert [item["rule"] for item in items if item["kind"] == "errors"] == ["sgd", "nadam"]
    assert sum(item["kind"] == "check" for item in items) == 7
    assert "9 of 9 checks pass" in printed
    assert max(map(len, printed.splitlines())) <= 80


@NEEDS_TRITON
@pytest.mark.slow
def test_everything_runs_and_every_number_is_right(tmp_path: Path) -> None:
    printed, sections = interpreted(tmp_path)
    assert list(sections) == SECTIONS
    assert max(map(len, printed.splitlines())) <= 80
    for section in sections.values():
        assert_sound(section)
    trainable = [name for name, rule in RULES.items() if rule.point is None]
    for section in ("correctness", "rules"):
        assert [item["rule"] for item in sections[section]["items"] if "rule" in item] == trainable
    assert not any(item.get("met") for section in sections.values() for item in section["items"]), "of no device"
    for said in ("torch.compile is left out", "a graph needs a device", "peaks need a device"):
        assert said in printed


@NEEDS_TRITON
@pytest.mark.slow
def test_constants_are_tried_and_put_back(tmp_path: Path) -> None:
    printed, sections = interpreted(tmp_path, "--tune")
    tried = [(item["rule"], item["row"], item["block"]) for item in sections["tune"]["items"]]
    assert sorted(tried) == [(rule, 512, block) for rule in ("adam", "sgd") for block in (256, 512)]
    assert "BLOCK" in printed


@NEEDS_TRITON
def test_a_kernel_that_is_off_is_found() -> None:
    """By the bits of the exact form in float64, whose root is the plain one, and by the fast form's slack."""
    code = (
        "import sys, gpu, thalweg.compile.triton as t; t.SPELLING['sqrt'] = 'tl.sqrt({}) * 1.000002';"
        "sys.exit(gpu.main(['--interpret', '--only', 'correctness', '--rules', 'sgd,adamax,adagrad']))"
    )
    done = run(code=code)
    lines = [line.split() for line in done.stdout.splitlines() if line.endswith(("pass", "FAIL"))]
    verdicts = {words[0]: words[-1] for words in lines}
    assert done.returncode == 1, done.stderr
    assert [verdicts[rule] for rule in ("sgd", "adamax", "adagrad")] == ["pass", "pass", "FAIL"]


@NEEDS_TRITON
def test_a_rule_that_cannot_be_stepped_fails_and_the_others_go_on() -> None:
    code = (
        "import sys, gpu, thalweg.compile.triton as t; t.SPELLING['sqrt'] = 'tl.no_such_root({})';"
        "sys.exit(gpu.main(['--interpret', '--only', 'correctness,memory', '--rules', 'sgd,adagrad']))"
    )
    done = run(code=code)
    assert done.returncode == 1
    for said in ("no_such_root", "sgd  ", "8 of 9 checks pass", "ended early: memory"):
        assert said in done.stdout, done.stdout


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("--interpret", "--rules", "adm"), "there is no rule 'adm'"),
        (("--only", "everything"), "there is no section 'everything'"),
    ],
    ids=["rule", "section"],
)
@NEEDS_TRITON
def test_what_is_not_there_is_refused_in_a_sentence(arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2 and said in done.stderr and not done.stdout


def test_without_triton_it_says_so() -> None:
    done = run(code="import sys, gpu, thalweg.sweep.gpu as g; g.has_triton = lambda: False; sys.exit(gpu.main([]))")
    assert done.returncode == 2 and done.stderr.startswith("expected Triton") and done.stderr.count("\n") == 1


# -- what it measures with --

OPERATIONS = ("adam", "adagrad", "rmsprop_centered_momentum", "adadelta", "ftrl", "optimistic_adam_nesterov", "yogi")


def approximated(rule: Any, arrays: dict, values: dict, quotients: float, rng: np.random.Generator) -> dict:
    """A step in float32 in which quotients are some ulps off, roots one, and sums are merged with a product."""
    program, known, products = trace(rule), {**values, **arrays}, {}
    for line in program.body:
        given = [known[a] if isinstance(a, str) else np.float32(a) for a in line.args]
        exact = FLUSHING[line.op](*given)
        merged = [k for k, a in enumerate(line.args) if a in products]
        if line.op == "mul":
            products[line.name] = np.float64(given[0]) * np.float64(given[1])
        if line.op in ("add", "sub") and merged:
            wide = [np.asarray(each, np.float64) for each in given]
            wide[merged[0]] = products[line.args[merged[0]]]
            exact = np.float32(wide[0] + wide[1] if line.op == "add" else wide[0] - wide[1])
        off = {"div": quotients, "sqrt": 1.0}.get(line.op, 0.0)
        known[line.name] = (exact * (1 + rng.uniform(-off, off, np.shape(exact)) * 2.0**-23)).astype(exact.dtype)
    return {name: np.broadcast_to(known[o], arrays["x"].shape) for name, o in program.stores if isinstance(o, str)}


@pytest.mark.parametrize("quotients, most", [(2.0, 1.0), (100.0, np.inf)], ids=["as stated", "worse"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_slack_holds_for_a_device_that_approximates(name: str, quotients: float, most: float) -> None:
    rule, rng = RULES[name], np.random.default_rng(0)
    program, x = trace(rule), rng.standard_normal(5000).astype(np.float32)
    state, worst = first_state(rule, x), 0.0
    arrays = {"x": x, "g": x, **{s: state[s] for s in rule.arrays}}
    with np.errstate(all="ignore"):
        for t in (1, 2, 3, 1000):
            arrays["g"] = (rng.standard_normal(5000) * 10 ** rng.uniform(-3, 1, 5000)).astype(np.float32)
            made = scalars(program, t, rule.hyper, {s: state[s] for s in program.scalar_state})
            values = {used: np.float32(made[used]) for used in program.used_scalars}
            expected = approximated(rule, arrays, values, 0.0, np.random.default_rng(t))
            allowed = deviations(program, arrays, {used: float(value) for used, value in values.items()})
            found = approximated(rule, arrays, values, quotients, rng)
            for array, numbers in found.items():
                apart = np.abs(numbers.astype(np.float64) - expected[array])
                worst = max(worst, float(np.max(apart / allowed[array].apart)))
            arrays |= {array: numbers.copy() for array, numbers in expected.items()}
    assert worst <= most
    assert quotients < 10 or worst > 1, "a bound that this does not break is none"

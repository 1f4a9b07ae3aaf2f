"""How tests of the lab's problems train a run from a problem and an optimizer's text, without a study."""

from thalweg.lab.problem import Data, Problem
from thalweg.lab.run import Run, run
from thalweg.lab.spec import Phase, RunSpec, rule_digest, written
from thalweg.rules.hyper import starts
from thalweg.rules.setting import Setting, resolve


def spec(problem: Problem, setting: Setting, data: Data, **changes: object) -> RunSpec:
    """A run of a problem in its own sizes, but for the changes."""
    hyper = tuple(sorted(written(setting.hyper).items()))
    initial = tuple(sorted(starts(setting.initial, setting.hyper).items()))
    named = {
        "problem": problem.name,
        "problem_digest": "",
        "source": None,
        "data_digest": data.digest,
        "part": "final",
        "phases": (Phase(1, setting.rule.name, rule_digest(setting.rule), hyper, initial),),
        "seed": 0,
        "epochs": problem.epochs,
        "batch_size": problem.batch_size,
        "order": "reshuffled",
        "stop": (),
        "dtype": "float32",
        "backend": "numba",
        "device": "cpu",
        "threads": 1,
        "torch": "",
        "processor": "",
        "code_digest": "",
    }
    return RunSpec(**{**named, **changes})  # pyright: ignore[reportArgumentType]


def trained(problem: Problem, optimizer: str, seed: int = 0, **changes: object) -> Run:
    """A run of one optimizer, written `adam:lr=0.01,eps=1e-7`."""
    name, _, rest = optimizer.partition(":")
    given = dict(piece.split("=") for piece in rest.split(",")) if rest else {}
    setting = resolve(name, {key: value if key == "dialect" else float(value) for key, value in given.items()})
    data = problem.load(None, seed)
    asked = spec(problem, setting, data, seed=seed, **changes)
    return run(asked, problem, {setting.rule.name: setting.rule}, data, lambda epoch: None)

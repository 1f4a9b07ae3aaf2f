"""A candidate's settings: as the lab takes them, as a line of torch, and what each is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from thalweg.advise.candidates import HALF_ULP, SHORT_BETA2, Option, Rates, Storage
from thalweg.advise.situation import Situation
from thalweg.advise.table import Point

WARM_SHARE, LEAST_WARM, MOST_WARM = 0.05, 1, 2000  # steps of warm-up, as a share of the training, and their limits
CLIP = 1.0
UNTOLD_WARM = 100  # steps of warm-up where nobody said how many there are in all


@dataclass(frozen=True)
class Settings:
    """What a candidate is set to.

    Attributes:
        rule: The rule, in a wrapper where it decays its weights.
        hyper: The hyperparameters as text, in the rule's letters.
        around: Arguments of Thalweg's torch optimizers that the lab does not have.
        torch_lr: The learning rate as torch needs it: a schedule must say there how long it lasts.
        notes: What the settings are for.
    """

    rule: str
    hyper: dict[str, str]
    around: dict[str, str]
    torch_lr: str
    notes: tuple[Point, ...]

    @property
    def optimizer(self) -> str:
        """As `thalweg compare --optimizers` takes it."""
        return f"{self.rule}:{','.join(f'{name}={value}' for name, value in self.hyper.items())}"

    @property
    def torch(self) -> str:
        """As torch takes it."""
        hyper = {**self.hyper, "lr": self.torch_lr}
        arguments = [f'rule="{self.rule}"', *(f"{name}={value}" for name, value in {**hyper, **self.around}.items())]
        return f"thalweg.torch.Optimizer(model.parameters(), {', '.join(arguments)})"


def settings(option: Option, found: Rates, storage: Storage, given: Situation) -> Settings:
    """The settings of a rule in a situation.

    Args:
        option: The rule.
        found: Its learning rates.
        storage: In which types it keeps its state.
        given: The situation.
    """
    lr, torch_lr = _rate(option, f"{found.begin:g}", given)
    hyper, rule = {"lr": lr}, option.rule
    if "beta2" in option.formula.hyper and (storage.short_beta2 or _is_language_transformer(option, given)):
        hyper["beta2"] = f"{SHORT_BETA2:g}"
    if given.decay and option.decay is not None:
        rule = rule if "decay" in option.formula.hyper else f"decoupled({rule})"
        hyper["decay"] = f"{option.decay:g}"
    notes = tuple(_notes(option, storage, hyper, given))
    return Settings(rule, hyper, _around(storage, given), torch_lr, notes)


def _is_language_transformer(option: Option, given: Situation) -> bool:
    return given.network == "transformer" and given.task == "language-model" and option.family == "adam"


def _rate(option: Option, lr: str, given: Situation) -> tuple[str, str]:
    """The learning rate for the lab, whose schedules know how long a run is, and for torch, where it must be said."""
    falls = given.is_long or given.pretrained or given.network == "transformer"
    if not option.follows or not falls:
        return lr, lr
    warm = _warm(given.steps) if given.network == "transformer" else 0
    rest = None if given.steps is None else max(1, given.steps - warm)
    curve = f"cosine({lr})"
    timed = f"cosine({lr}, {rest})" if rest else ""
    if warm:
        curve = f"warmup({warm},{curve})"
        timed = f"warmup({warm}, {timed})" if timed else ""
    module = "thalweg.schedules."
    return curve, timed.replace("warmup", f"{module}warmup").replace("cosine", f"{module}cosine") or lr


def _warm(steps: int | None) -> int:
    if steps is None:
        return UNTOLD_WARM
    return min(max(round(WARM_SHARE * steps), LEAST_WARM), MOST_WARM)


def _around(storage: Storage, given: Situation) -> dict[str, str]:
    around = {}
    if given.network in ("recurrent", "transformer"):
        around["clip_norm"] = f"{CLIP:g}"
    if storage.rounding != "nearest":
        around["rounding"] = f'"{storage.rounding}"'
        if storage.state == "float32":
            around["state_dtype"] = '"float32"'
    return around


def _notes(option: Option, storage: Storage, hyper: dict[str, str], given: Situation) -> Iterator[Point]:
    if storage.rounding != "nearest":
        words = {
            "stochastic": "stochastic rounding: updates below half an ulp of a bfloat16 weight would be lost",
            "kahan": "Kahan summation: updates below half an ulp of a 16-bit weight would be lost (2 bytes per weight)",
        }
        yield Point(words[storage.rounding], "formula", 0.0, link="reference/torch.html")
    if storage.rounding == "nearest" and storage.weights in HALF_ULP:
        lost = "updates below half an ulp of a weight are lost: 2 bytes per weight would allow Kahan summation"
        yield Point(lost, "formula", 0.0, link="reference/torch.html")
    if storage.rounding != "nearest" and option.formula.arrays:
        where = "float32" if storage.state == "float32" else f"{storage.weights}, for want of memory"
        yield Point(f"state in {where}: {_why_state(storage)}", "formula", 0.0, link="reference/torch.html")
    if hyper.get("beta2") and not storage.short_beta2:
        link = "https://arxiv.org/abs/2005.14165"
        yield Point(
            "beta2 .95, as large language models have it (Brown et al. 2020, appendix B)", "source", 0.0, link=link
        )
    if "decay" in hyper:
        yield Point(f"decay {hyper['decay']}: the usual number, to be tuned", "source", 0.0)


def _why_state(storage: Storage) -> str:
    if storage.short_beta2:
        return "the second moment moves there only with a beta2 of .95 or less"
    if storage.state == "float32":
        return "slow averages, such as a second moment at beta2 .999, stand still in 16 bits"
    return "its averages are fast enough to move in 16 bits"

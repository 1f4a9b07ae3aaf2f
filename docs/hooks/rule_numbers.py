"""A rule's formula, hyperparameters, state and declared facts, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from rule_index import FRAMEWORKS

from thalweg.compile.latex import source, symbols
from thalweg.compile.storage import ITEMSIZE
from thalweg.compile.trace import trace, trace_evaluation, trace_point
from thalweg.formula import AT_THE_WEIGHTS, Rule
from thalweg.port.words import EVALUATED
from thalweg.rules import PEERS
from thalweg.rules.hyper import RANGES

# A declared fact in words; a test of the rules measures each of them.
FACTS = {
    "identity_at_zero_gradient": "As long as the gradient is zero, neither the weights nor the state arrays move.",
    "idle_at_zero_gradient": "A step without a gradient changes nothing, not even after steps with one.",
    "scale_invariant": "Gradients multiplied by a positive constant lead along the same way",
    "step_bounded_by_lr": "No weight moves by more than the learning rate in a step.",
}


def formula(rule: Rule) -> Iterator[str]:
    """The equations, as they were traced."""
    point, evaluation = trace_point(rule), trace_evaluation(rule)
    if point:
        yield from ("The gradient is taken at", *_block(source(point)), "and the step is")
    yield from _block(source(trace(rule)))
    if evaluation:
        yield from ("The weights to evaluate are", *_block(source(evaluation)))


def _block(latex: str) -> Iterator[str]:
    yield from ("", "$$", latex, "$$", "")


def hyperparameters(rule: Rule) -> Iterator[str]:
    """A table of the hyperparameters: symbol, default, range, and what frameworks call them."""
    letters = symbols(trace(rule))
    yield "| | symbol | default | may be | elsewhere |"
    yield "|---|---|---|---|---|"
    for name, default in rule.hyper.items():
        allowed = RANGES[name][0] if name in RANGES else "a finite number"
        yield f"| `{name}` | ${letters[name]}$ | {default:g} | {allowed} | {_elsewhere(rule, name)} |"
    yield from ("", "Each may also follow a [schedule](../reference/schedules.md).")


def _elsewhere(rule: Rule, letter: str) -> str:
    """What the classes that are this rule call a hyperparameter, where that is something else."""
    names: dict[str, list[str]] = {}
    for framework, argument in _spellings(rule, letter):
        if argument != letter and FRAMEWORKS[framework] not in names.setdefault(argument, []):
            names[argument].append(FRAMEWORKS[framework])
    return ", ".join(f"`{argument}` ({', '.join(by)})" for argument, by in names.items())


def _spellings(rule: Rule, letter: str) -> Iterator[tuple[str, str]]:
    for name, peer in PEERS:
        if name != rule.name or peer.framework not in FRAMEWORKS:
            continue
        for argument, held in peer.spelling.items():
            if held == letter:
                yield peer.framework, argument
            elif isinstance(held, tuple) and letter in held:
                yield peer.framework, f"{argument}[{held.index(letter)}]"


def state(rule: Rule) -> Iterator[str]:
    """A sentence on the memory, and a table of the states."""
    yield memory(rule)
    if not rule.state:
        return
    letters, starts = symbols(trace(rule)), rule.every_start
    yield from ("", "| | symbol | starts at | is |", "|---|---|---|---|")
    for name in rule.state:
        kind = "one number per tensor, in float64" if name in rule.scalars else "an array like the weights"
        yield f"| `{name}` | ${letters[name]}$ | {_start(starts[name])} | {kind} |"


def memory(rule: Rule) -> str:
    """What a rule keeps, in a sentence.

    Example:
        >>> from thalweg.rules import RULES
        >>> memory(RULES["adam"])
        '8 bytes a parameter where the state is float32, 4 where it is bfloat16.'
    """
    wide, narrow = (len(rule.arrays) * ITEMSIZE[name] for name in ("float32", "bfloat16"))
    return f"{wide} bytes a parameter where the state is float32, {narrow} where it is bfloat16." if wide else "None."


def _start(value: float | str) -> str:
    return "the weights" if value == AT_THE_WEIGHTS else f"`{value}`" if isinstance(value, str) else f"{value:g}"


def facts(rule: Rule) -> Iterator[str]:
    """The declared facts in words."""
    limits = {"scale_invariant": ", as far as epsilon lets them." if "eps" in rule.hyper else "."}
    yield from (f"- {sentence}{limits.get(fact, '')}" for fact, sentence in FACTS.items() if fact in rule.facts)
    if rule.evaluation:
        yield f"- {EVALUATED[:1].upper()}{EVALUATED[1:]}."

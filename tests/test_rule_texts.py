"""What stands beside the formulas: the texts have their parts and run, the peers say what is so."""

import doctest
import importlib
import inspect
import re

import pytest

from thalweg.formula import Rule
from thalweg.rules import NAMES, PEERS, RULES
from thalweg.rules.peers import defaults, match
from trajectories import EVERY_RULE

PARTS = ("Why it works: ", "Source: ", "Differs from: ", "Use it when: ", "Example:\n")
PITFALLS = "Pitfalls: "
# Nothing to add to when not to use them, or only what the rule says that they are a form of.
WITHOUT_PITFALLS = (
    *("rmsprop_inside_momentum", "rmsprop_inside_nesterov"),
    *("rmsprop_centered_momentum", "rmsprop_inside_centered_momentum"),
    *("amsgrad_eps_hat", "amsgrad_uncorrected", "adam_eps_root", "optimistic_adam", "optimistic_adam_nesterov"),
    *("adamax_eps_outside", "adamax_uncorrected", "radam_eps_after"),
    *("schedule_free_adamw", "schedule_free_adam_uniform"),
)


def module_of(rule: Rule):
    return importlib.import_module(f"thalweg.rules.{rule.name}")


@EVERY_RULE
def test_the_text_has_its_parts_in_order(rule):
    text = inspect.getdoc(module_of(rule)) or ""
    first, *_ = text.split("\n\n")
    assert re.fullmatch(r"[^\n]+\.", first), "the first paragraph is one line, one sentence"
    assert ". " not in first
    places = [text.find(f"\n\n{part}") for part in PARTS]
    assert -1 not in places
    assert places == sorted(places)
    assert re.search(r"\sNot\s", text[places[3] : places[4]].partition("\n\nPitfalls: ")[0]), "says when not to use it"


@EVERY_RULE
def test_the_pitfalls_stand_last_before_the_example(rule):
    """Some rules have none; the others say them in one paragraph of one to three sentences."""
    text = inspect.getdoc(module_of(rule)) or ""
    assert text.count(PITFALLS) == (rule.name not in WITHOUT_PITFALLS)
    if PITFALLS in text:
        found = text[text.index("\n\nUse it when: ") : text.index("\n\nExample:\n")].split("\n\n")
        assert [part.partition(": ")[0] for part in found] == ["", "Use it when", "Pitfalls"]
        assert 1 <= len(re.findall(r"\.(?=\s|$)", found[2])) <= 3
        assert found[2].endswith(".")


def test_no_two_rules_say_the_same_sentence_of_their_pitfalls():
    texts = (inspect.getdoc(module_of(rule)) or "" for rule in RULES.values())
    pitfalls = (" ".join(t.partition(f"\n\n{PITFALLS}")[2].partition("\n\n")[0].split()) for t in texts)
    sentences = [s for pitfall in pitfalls for s in re.split(r"(?<=\.)\s", pitfall) if s]
    assert len(sentences) == len(set(sentences)) > len(RULES) / 2


@EVERY_RULE
def test_the_source_is_cited_with_a_year_and_told_alike_in_the_text(rule):
    years = re.findall(r"\b(?:19|20)\d\d\b", rule.source)
    text = inspect.getdoc(module_of(rule)) or ""
    told = text[text.index("\n\nSource: ") : text.index("\n\nDiffers from: ")]
    assert years
    assert all(year in told for year in years)


@EVERY_RULE
def test_the_example_runs(rule):
    result = doctest.testmod(module_of(rule))
    assert result.attempted > 0
    assert result.failed == 0


@EVERY_RULE
def test_every_rule_that_a_text_names_exists(rule):
    text = inspect.getdoc(module_of(rule)) or ""
    arguments = {*rule.hyper, *rule.state, "dampening", "alpha"}
    named = {word for word in re.findall(r"`([a-z_]{2,})`", text)} - arguments
    assert named <= set(NAMES)


EVERY_PEER = pytest.mark.parametrize(("name", "peer"), PEERS, ids=[f"{p.framework}-{p.name}-{n}" for n, p in PEERS])


@EVERY_PEER
def test_a_peer_speaks_of_things_that_the_rule_has(name, peer):
    rule = RULES[name]
    letters = [letter for held in peer.spelling.values() for letter in ([held] if isinstance(held, str) else held)]
    assert sorted([*letters, *peer.fixed]) == sorted(rule.hyper)
    assert set(peer.initial) <= set(rule.state)
    if peer.state:
        assert sorted(state.removeprefix("-") for state in peer.state.values()) == sorted(rule.state)
    arguments = {*peer.spelling, *peer.flags, *(v for v in peer.initial.values() if isinstance(v, str))}
    assert arguments <= set(peer.defaults)


MODULES = {"torch": "torch.optim", "keras": "keras.optimizers", "optax": "optax"}
INSTALLED = [(name, peer) for name, peer in PEERS if peer.framework in MODULES]


@pytest.mark.parametrize(("name", "peer"), INSTALLED, ids=[f"{p.framework}-{p.name}-{n}" for n, p in INSTALLED])
def test_the_defaults_of_a_peer_are_those_of_its_class(name, peer):
    """An argument without a default, as Optax's learning rate, has the rule's there."""
    module = importlib.import_module(MODULES[peer.framework])
    found = getattr(module, peer.name, None) or getattr(module.contrib, peer.name)
    signature = inspect.signature(found).parameters
    required = {argument for argument in peer.defaults if signature[argument].default is inspect.Parameter.empty}
    assert required <= {"learning_rate"}
    given = {argument: value for argument, value in peer.defaults.items() if argument not in required}
    assert given == {argument: signature[argument].default for argument in given}
    decay = signature["weight_decay"].default if "weight_decay" in signature else None
    assert (peer.defaults.get("weight_decay") or 0) == (decay or 0)
    assert bool(peer.decay or "weight_decay" in peer.spelling) == ("weight_decay" in signature)


@pytest.mark.parametrize(
    ("framework", "cls", "arguments", "name"),
    [
        ("torch", "SGD", {}, "sgd"),
        ("torch", "SGD", {"dampening": 0.5}, "sgd"),
        ("torch", "SGD", {"momentum": 0.9}, "momentum"),
        ("torch", "SGD", {"momentum": 0.9, "dampening": 0.5}, "momentum_dampened"),
        ("torch", "SGD", {"momentum": 0.9, "nesterov": True}, "nesterov"),
        ("torch", "Adagrad", {}, "adagrad"),
        ("torch", "Adagrad", {"lr_decay": 0.1}, "adagrad_lr_decay"),
        ("torch", "Rprop", {}, "irprop_minus"),
        ("torch", "RMSprop", {}, "rmsprop"),
        ("torch", "RMSprop", {"momentum": 0.9}, "rmsprop_momentum"),
        ("torch", "RMSprop", {"centered": True}, "rmsprop_centered"),
        ("torch", "RMSprop", {"centered": True, "momentum": 0.9}, "rmsprop_centered_momentum"),
        ("torch", "Adadelta", {"weight_decay": 0.1}, "l2(adadelta)"),
        ("torch", "Adam", {"weight_decay": 0.1}, "l2(adam)"),
        ("torch", "Adam", {"weight_decay": 0.1, "decoupled_weight_decay": True}, "adamw"),
        ("torch", "Adam", {"amsgrad": True}, "amsgrad"),
        ("torch", "Adam", {"amsgrad": True, "weight_decay": 0.1, "decoupled_weight_decay": True}, "decoupled(amsgrad)"),
        ("torch", "NAdam", {}, "nadam"),
        ("torch", "NAdam", {"weight_decay": 0.1}, "l2(nadam)"),
        ("torch", "NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}, "decoupled(nadam)"),
        ("torch", "Adamax", {"weight_decay": 0.1}, "l2(adamax)"),
        ("torch", "RAdam", {}, "radam"),
        ("torch", "RAdam", {"weight_decay": 0.1}, "l2(radam)"),
        ("torch", "RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}, "decoupled(radam)"),
        ("keras", "Adamax", {}, "adamax_eps_outside"),
        ("keras", "Lion", {"weight_decay": 0.1}, "decoupled(lion)"),
        ("keras", "ScheduleFreeAdamW", {"weight_decay": 0.1}, "decoupled(schedule_free_adam_uniform)"),
        ("optax", "adamax", {}, "adamax"),
        ("optax", "adamaxw", {}, "decoupled(adamax)"),
        ("optax", "radam", {}, "radam_eps_after"),
        ("optax", "adabelief", {}, "adabelief"),
        ("optax", "lion", {}, "decoupled(lion)"),
        ("optax", "adan", {"weight_decay": 0.1}, "decoupled(adan)"),
        ("optax", "schedule_free_sgd", {"weight_decay": 0.1}, "l2(schedule_free_sgd)"),
        ("optax", "schedule_free_adamw", {"weight_decay": 0.1}, "schedule_free_adamw"),
        ("torch", "AdamW", {}, "adamw"),
        ("torch", "AdamW", {"amsgrad": True}, "decoupled(amsgrad)"),
        ("keras", "SGD", {}, "sgd"),
        ("keras", "SGD", {"momentum": 0.9}, "momentum_velocity"),
        ("keras", "SGD", {"momentum": 0.9, "nesterov": True}, "nesterov_velocity"),
        ("keras", "Adagrad", {}, "adagrad_inside"),
        ("keras", "RMSprop", {}, "rmsprop_inside"),
        ("keras", "RMSprop", {"momentum": 0.9}, "rmsprop_inside_momentum"),
        ("keras", "Adadelta", {}, "adadelta"),
        ("keras", "Adam", {}, "adam_eps_hat"),
        ("keras", "AdamW", {}, "decoupled(adam_eps_hat)"),
        ("torch", "ASGD", {"weight_decay": 0.1}, "l2(asgd)"),
        ("keras", "Adam", {"amsgrad": True}, "amsgrad_eps_hat"),
        ("keras", "AdamW", {"amsgrad": True}, "decoupled(amsgrad_eps_hat)"),
        ("keras", "RMSprop", {"centered": True}, "rmsprop_inside_centered"),
        ("keras", "RMSprop", {"centered": True, "momentum": 0.9}, "rmsprop_inside_centered_momentum"),
        ("keras", "Ftrl", {}, "ftrl"),
        ("optax", "adam", {}, "adam"),
        ("optax", "adam", {"eps_root": 1e-8}, "adam_eps_root"),
        ("optax", "adam", {"nesterov": True}, "adam_nesterov"),
        ("optax", "adamw", {}, "adamw"),
        ("optax", "adamw", {"eps_root": 1e-8}, "decoupled(adam_eps_root)"),
        ("optax", "nadam", {}, "adam_nesterov"),
        ("optax", "nadamw", {}, "decoupled(adam_nesterov)"),
        ("optax", "amsgrad", {}, "amsgrad_corrected"),
        ("optax", "amsgrad", {"bias_correction_mu": False, "bias_correction_nu": False}, "amsgrad_uncorrected"),
        ("optax", "rmsprop", {}, "rmsprop_inside"),
        ("optax", "rmsprop", {"bias_correction": True}, "rmsprop_inside_corrected"),
        ("optax", "rmsprop", {"bias_correction": True, "eps_in_sqrt": False}, "rmsprop_corrected"),
        ("optax", "rmsprop", {"centered": True}, "rmsprop_inside_centered"),
        ("optax", "rmsprop", {"centered": True, "momentum": 0.9}, "rmsprop_inside_centered_momentum"),
        ("optax", "rmsprop", {"momentum": 0.9, "nesterov": True}, "rmsprop_inside_nesterov"),
        ("optax", "optimistic_adam_v2", {}, "optimistic_adam_nesterov"),
        ("optax", "optimistic_adam_v2", {"nesterov": False}, "optimistic_adam"),
        ("optax", "optimistic_adam", {}, "optimistic_adam_nesterov"),
    ],
)
def test_the_order_of_the_catalogue_resolves_a_class_to_its_rule(framework, cls, arguments, name):
    assert match(framework, cls, defaults(framework, cls) | arguments).rule.name == name

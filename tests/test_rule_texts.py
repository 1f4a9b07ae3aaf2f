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
    assert re.search(r"\sNot\s", text[places[3] : places[4]]), "says when not to use it"


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
    assert sorted(letters) == sorted(rule.hyper)
    assert set(peer.initial) <= set(rule.state)
    if peer.state:
        assert sorted(peer.state.values()) == sorted(rule.state)
    arguments = {*peer.spelling, *peer.flags, *(v for v in peer.initial.values() if isinstance(v, str))}
    assert arguments <= set(peer.defaults)


@EVERY_PEER
def test_the_defaults_of_a_peer_are_those_of_its_class(name, peer):
    module = importlib.import_module({"torch": "torch.optim", "keras": "keras.optimizers"}[peer.framework])
    signature = inspect.signature(getattr(module, peer.name)).parameters
    assert dict(peer.defaults) == {argument: signature[argument].default for argument in peer.defaults}
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
    ],
)
def test_the_order_of_the_catalogue_resolves_a_class_to_its_rule(framework, cls, arguments, name):
    assert match(framework, cls, defaults(framework, cls) | arguments).rule.name == name

"""What a user writes, and the rule and numbers that it means."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import thalweg
from thalweg.errors import InputError
from thalweg.lab.grammar import parse_arguments, parse_optimizers
from thalweg.rules import RULES
from thalweg.rules.peers import classes, defaults
from thalweg.rules.setting import find_rule, resolve, setting
from thalweg.schedules import cosine


def test_commas_separate_optimizers_and_their_arguments() -> None:
    parsed = parse_optimizers("adam, sgd:momentum=0.9,nesterov=True,adam:lr=cosine(1e-3,10),betas=(0.9,0.99),l2(adam)")
    assert [(piece.name, parse_arguments(piece.arguments)) for _, (piece,) in parsed] == [
        ("adam", {}),
        ("sgd", {"momentum": 0.9, "nesterov": True}),
        ("adam", {"lr": cosine(1e-3, 10), "betas": (0.9, 0.99)}),
        ("l2(adam)", {}),
    ]


@pytest.mark.parametrize(
    "text", ["", "adam,,sgd", "adam:lr", "adam:=1", "adam:lr=", "adam:lr=1,lr=2", "adam:lr=1,", "adam:lr=cosine(1"]
)
def test_malformed_lists_are_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(InputError, match="expected"):
        parse_optimizers(text)


@given(st.text(alphabet="adms:=,()1.e-@/ ", max_size=30))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parsed = parse_optimizers(text)
    except InputError:
        return
    assert parsed


@pytest.mark.parametrize(
    ("name", "given", "rule"),
    [
        ("sgd", {}, "sgd"),
        ("sgd", {"momentum": 0.9}, "momentum"),
        ("sgd", {"momentum": 0.9, "nesterov": True}, "nesterov"),
        ("sgd", {"momentum": 0.9, "dampening": 0.5}, "momentum_dampened"),
        ("rmsprop", {"centered": True}, "rmsprop_centered"),
        ("rmsprop", {"beta": 0.9}, "rmsprop"),
        ("rmsprop", {"alpha": 0.9}, "rmsprop"),
        ("rmsprop", {"beta": 0.9, "momentum": 0.9}, "rmsprop_momentum"),
        ("rprop", {}, "irprop_minus"),
        ("adam", {"weight_decay": 0.1}, "l2(adam)"),
        ("adam", {"weight_decay": 0.1, "maximize": True}, "ascent(l2(adam))"),
        ("adam", {"amsgrad": True}, "amsgrad"),
        ("adamw", {"amsgrad": True, "weight_decay": 0.1}, "decoupled(amsgrad)"),
        ("adagrad", {"lr_decay": 0.1}, "adagrad_lr_decay"),
        ("adam", {"dialect": "keras"}, "adam_eps_hat"),
        ("adagrad", {"dialect": "keras"}, "adagrad_inside"),
        ("sgd", {"dialect": "keras", "momentum": 0.9}, "momentum_velocity"),
        ("sgd", {"dialect": "keras", "momentum": 0.9, "nesterov": True}, "nesterov_velocity"),
        ("decoupled(rmsprop)", {"decay": 0.1}, "decoupled(rmsprop)"),
    ],
)
def test_names_and_flags_choose_a_rule(name: str, given: dict, rule: str) -> None:
    assert resolve(name, given).rule.name == rule


def test_dialects_bring_their_defaults_and_accept_both_spellings() -> None:
    keras = resolve("adagrad", {"dialect": "keras"})
    assert (keras.hyper["lr"], keras.hyper["eps"], keras.initial["s"]) == (1e-3, 1e-7, 0.1)
    assert resolve("adam", {"dialect": "keras", "learning_rate": 0.5}).hyper["lr"] == 0.5
    assert resolve("adam", {"dialect": "keras", "lr": 0.5}).hyper["lr"] == 0.5
    assert resolve("sgd", {"momentum": 0.9}).hyper["lr"] == 1e-3, "torch's default, since torch's argument is used"


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("adamm", {}, "did you mean 'adam'"),
        ("adam", {"learning_rate": 0.1}, "no argument 'learning_rate'|no hyperparameter 'learning_rate'"),
        ("adam", {"lr": -1}, "lr of rule 'adam' must be a finite number not below 0"),
        ("adam", {"lr": float("nan")}, "lr of rule 'adam' must be"),
        ("adam", {"lr": "fast"}, "got 'fast'"),
        ("rprop", {"etas": (1.2, 0.5)}, "down of rule 'irprop_minus' must be a number below 1"),
        ("rprop", {"etas": (0.5, 0.9)}, "up of rule 'irprop_minus' must be a finite number not below 1"),
        ("adam", {"beta1": 1.0}, "beta1 of rule 'adam' must be a number below 1"),
        ("adam", {"dialect": "theano"}, "no dialect 'theano'"),
        ("rprop", {"dialect": "keras"}, "keras has no optimizer 'rprop'"),
        ("adam", {"dialect": "keras", "amsgrad": True, "nesterov": True}, "no argument 'nesterov'"),
        ("l3(adam)", {}, "'l3' does not wrap a rule"),
        ("l2(adamw)", {}, "has already"),
    ],
)
def test_bad_settings_are_refused_in_a_sentence(name: str, given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        resolve(name, given)
    assert "\n" not in str(error.value)


def test_unknown_start_of_a_state_is_refused() -> None:
    with pytest.raises(InputError, match="has no state 'q'"):
        setting(RULES["adam"], {}, {"q": 1.0})


@pytest.mark.parametrize("name", list(classes("torch").values()))
def test_declared_defaults_are_torchs(name: str) -> None:
    made = getattr(torch.optim, name)([torch.zeros(1, requires_grad=True)])
    for argument, value in defaults("torch", name).items():
        if argument in made.defaults:
            assert made.defaults[argument] == value, argument


def test_wrapped_rules_are_one_object() -> None:
    assert find_rule("l2(adam)") is find_rule("l2(adam)")
    assert thalweg.RULES["adam"] is find_rule("adam")

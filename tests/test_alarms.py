"""Each alarm on both sides of its thresholds: rates, momentum, denominators, rules."""

import numpy as np
import pytest

from alarm_histories import LAYERS, STILL, found, history, only, subject

# --- learning rates ---


def losses_that_fall(rows: int, to: float = 0.1) -> np.ndarray:
    return 2.3 * np.exp(np.log(to) * np.arange(rows) / rows)


def test_a_loss_that_rises_at_once_means_that_lr_is_too_high():
    losses = np.r_[2.3, np.full(31, 20.0)]
    seen = history(subject(), 32, losses, **{**STILL, "update_ratio": 0.4, "update_norm": 4.0, "lr": 0.1})
    (finding,) = found("lr_high", seen)
    assert "from 2.3 to 20" in finding.words and "lr 0.1 of Adam" in finding.words
    assert finding.number == pytest.approx(10)
    assert "10 times, to 0.01" in finding.advice
    assert found("lr_high", history(subject(), 32, losses_that_fall(32), **STILL)) == []


def test_how_far_a_loss_must_rise_depends_on_how_much_losses_vary():
    rng = np.random.default_rng(0)
    calm, wild = (2.0 * np.exp(spread * rng.normal(size=64)) for spread in (0.05, 1.5))
    calm[0], wild[0] = 2.0, 0.3
    assert found("lr_high", history(subject(), 64, calm, **STILL)) == []
    assert found("lr_high", history(subject(), 64, wild, **STILL)) == []
    calm[1:] *= 1.7
    assert len(found("lr_high", history(subject(), 64, calm, **STILL))) == 1


def test_steps_longer_than_the_weights_mean_that_lr_is_too_high_without_a_loss():
    far, near = (history(subject(), 16, None, **{**STILL, "update_norm": length}) for length in (26.0, 24.0))
    assert "20.8 times" in found("lr_high", far)[0].words
    assert found("lr_high", near) == []
    zero = history(subject(), 16, None, **{**STILL, "update_norm": 26.0, "weight_norm": np.r_[0.0, np.full(15, 50.0)]})
    assert found("lr_high", zero) == []  # weights that begin at zero are no measure


def test_weights_that_grow_at_once_or_a_loss_that_is_stuck_mean_that_lr_is_too_high():
    for grown, seen in ((6.2, True), (5.8, False)):
        norms = 10.0 * np.linspace(1, grown, 33)
        assert bool(found("lr_high", history(subject(), 33, None, **{**STILL, "weight_norm": norms}))) == seen
    stuck, falling = np.full(80, 2.2), losses_that_fall(80)
    for losses, seen in ((stuck, True), (falling, False)):
        assert bool(found("lr_high", history(subject(), 80, losses, **{**STILL, "update_norm": 7.0}))) == seen


def test_what_the_first_steps_did_is_not_told_for_ever():
    losses = np.r_[2.3, np.full(400, 20.0)]
    assert found("lr_high", history(subject(), 401, losses, **STILL)) == []
    assert found("lr_high", history(subject(), 64, losses[:64], first=500, **STILL)) == []


LOW = {**STILL, "update_ratio": 1e-5, "update_norm": 1e-4, "heading_cosine": 0.95, "update_cosine": 0.5, "lr": 1e-6}


def test_a_straight_course_that_leads_nowhere_means_that_lr_is_too_low():
    (finding,) = found("lr_low", history(subject(), 128, 2.3, **LOW))
    assert "cosine 0.95" in finding.words and "after 128 steps" in finding.words and "100 %" in finding.words
    assert finding.number == pytest.approx(1000)
    assert "1,000 times, to 0.001" in finding.advice


@pytest.mark.parametrize(
    "change",
    [
        {"heading_cosine": 0.3},
        {"heading_cosine": np.nan},
        {"update_cosine": -0.2},
        {"gradient_norm": np.r_[np.full(64, 1.0), np.full(64, 0.2)]},
        {"gradient_norm": np.r_[np.full(64, 1.0), np.full(64, 4.0)]},
        {"lr": np.linspace(1e-8, 1e-6, 128)},
        {"losses": losses_that_fall(128, 0.5)},
        {"losses": np.r_[np.full(64, 1.0), np.full(64, 1.2)]},
        {"update_norm": 0.1},
        {"losses": np.linspace(2.3, 2.0, 128), "update_norm": 0.02},
        {"losses": None, "heading_cosine": 0.8},
        {"losses": None, "update_norm": 0.02},
    ],
    ids=str,
)
def test_what_speaks_against_a_low_lr(change):
    settings = {"losses": 2.3, **LOW, **change}
    assert found("lr_low", history(subject(), 128, settings.pop("losses"), **settings)) == []


def test_a_run_that_is_measured_seldom_is_compared_with_its_start_too():
    about = subject(every=64)
    assert len(found("lr_low", history(about, 8, 2.3, first=64, **LOW))) == 1
    assert found("lr_low", history(about, 8, 2.3 * 0.7 ** np.arange(8), first=64, **LOW)) == []


def test_a_low_lr_is_seen_without_a_loss_and_not_too_early():
    assert len(found("lr_low", history(subject(), 128, None, **LOW))) == 1
    assert found("lr_low", history(subject(), 95, None, **LOW)) == []
    assert len(found("lr_low", history(subject(every=16), 8, 2.3, first=16, **LOW))) == 1


# --- momentum ---


def test_a_swing_on_which_gradients_agree_is_an_oscillation():
    about = subject("momentum", rho=0.99, optimizer="SGD")
    for swing, noise, seen in ((0.8, 0.5, True), (0.7, 0.5, False), (0.8, 0.8, False)):
        findings = found("oscillation", history(about, 64, **STILL, oscillation=swing, gradient_noise=noise))
        assert bool(findings) == seen
        if seen:
            assert "80 %" in findings[0].words and "0.99" in findings[0].words and "10 times" in findings[0].advice
    dies = {**STILL, "update_norm": np.exp(-np.arange(96.0) / 10)}
    assert found("oscillation", history(about, 96, **dies, oscillation=0.8, gradient_noise=0.5)) == []
    once = np.r_[np.zeros(32), np.full(32, 0.8)]
    assert found("oscillation", history(about, 64, **STILL, oscillation=once, gradient_noise=0.5)) == []


def test_momentum_that_goes_uphill_for_long():
    turns = np.where(np.arange(100) % 20 < 3, -0.2, 0.2)
    for rho, seen in ((0.99, True), (0.9, False)):
        about = subject("momentum", rho=rho, optimizer="SGD")
        findings = found("oscillation", history(about, 100, **STILL, momentum_cosine=turns))
        assert bool(findings) == seen
        if seen:
            assert "15 % of the last 100 steps" in findings[0].words
    few = np.where(np.arange(100) % 20 < 2, -0.2, 0.2)
    assert found("oscillation", history(subject("momentum", rho=0.99), 100, **STILL, momentum_cosine=few)) == []


def test_updates_that_alternate_are_at_the_limit_of_the_curvature():
    for cosine, seen in ((-0.9, True), (-0.8, False)):
        findings = found("oscillation", history(subject("momentum", rho=0.9), 64, **STILL, update_cosine=cosine))
        assert bool(findings) == seen
        if seen:
            assert "near 3.8" in findings[0].words


def test_updates_that_double_while_the_second_moment_is_stale():
    def grown(factor, second=1.0, length=0.03, rule="adam"):
        rise = np.r_[np.ones(112), np.full(8, factor)]
        figures = {**STILL, "update_norm": length * rise, "first_moment": 1e-3 * rise}
        return found(
            "update_growth",
            history(subject(rule), 120, **figures, second_moment=np.r_[np.ones(112), np.full(8, second)]),
        )

    findings = grown(2.2)
    assert [f.part for f in findings] == list(LAYERS)
    assert "2.2 times" in findings[0].words and findings[0].number == pytest.approx(2.2, rel=1e-5)
    assert grown(1.8) == grown(2.2, second=1.6) == grown(2.2, length=0.01) == grown(2.2, rule="momentum") == []


# --- denominators ---


def test_epsilon_that_rules_names_the_layer_and_what_to_set():
    about = subject(eps=1.0)
    figures = {**STILL, "second_moment": 1e-3}
    for share, seen in ((0.55, True), (0.45, False)):
        findings = found("epsilon", history(about, 20, **figures, epsilon_share=only(0, share, 0.0, 20)))
        assert [f.part for f in findings] == (["first.weight"] if seen else [])
        if seen:
            assert "55 %" in findings[0].words and "it is 1, and gradients about 0.001" in findings[0].words
            assert "1e-6" in findings[0].advice
    small = found("epsilon", history(subject(eps=1e-8), 20, **{**figures, "second_moment": 1e-9}, epsilon_share=0.9))
    assert "multiply the loss by 10,000" in small[0].advice


def test_epsilon_that_rules_at_the_end_of_training_or_in_adadelta_is_no_alarm():
    ended = {**STILL, "gradient_norm": np.r_[np.ones(20), np.full(20, 1e-4)]}
    assert found("epsilon", history(subject(), 40, **ended, epsilon_share=0.9)) == []
    assert found("epsilon", history(subject("adadelta"), 40, **STILL, epsilon_share=0.9)) == []


def test_epsilon_may_rule_a_bias_that_has_no_gradient_but_rounding():
    for layer, moment, seen in ((1, 1e-9, False), (1, 1e-6, True), (0, 1e-9, True)):
        figures = {**STILL, "second_moment": only(layer, moment, 1e-3, 20), "epsilon_share": only(layer, 0.9, 0.0, 20)}
        assert bool(found("epsilon", history(subject(eps=1e-8), 20, **figures))) == seen


def test_adagrad_over_a_long_run_with_a_forecast():
    steps = np.arange(1, 61) * 40.0
    falls = np.sqrt(10 / np.maximum(steps, 10))
    about = subject("adagrad", optimizer="Adagrad", every=40)
    (finding,) = found("adagrad", history(about, 60, first=40, **STILL, fall=falls))
    assert "like t^-0.5: by ten already, by a hundred about step 110,000." in finding.words
    assert finding.number == pytest.approx(falls[-8:].mean(), rel=0.1) and "6.7 %" in finding.words
    slower = found("adagrad", history(about, 60, first=40, **STILL, fall=2.5 * falls))[0]
    assert "by ten about step 6,600, by a hundred about step 660,000." in slower.words
    assert found("adagrad", history(about, 20, first=40, **STILL, fall=0.1)) == []  # a short run
    assert found("adagrad", history(about, 60, first=40, **STILL, fall=0.4)) == []
    vanished = {**STILL, "gradient_norm": np.r_[np.ones(28), np.full(32, 1e-3)]}
    assert found("adagrad", history(about, 60, first=40, **vanished, fall=0.1)) == []


def test_first_gradients_that_fill_the_sum():
    for first, seen in ((100.0, True), (5.0, False)):
        norms = np.r_[np.full(3, first), np.ones(97)]
        about = subject("adagrad", optimizer="Adagrad")
        findings = found("first_gradients", history(about, 100, **{**STILL, "gradient_norm": norms}, fall=0.5))
        assert bool(findings) == seen
        if seen:
            assert "100 %" in findings[0].words and "up to 100 times" in findings[0].words
            assert "warm-up does not help" in findings[0].advice
    norms = np.r_[np.full(3, 100.0), np.ones(97)]
    assert found("first_gradients", history(subject("adam"), 100, **{**STILL, "gradient_norm": norms})) == []


# --- rules ---


def test_missing_bias_correction_is_computed_from_the_betas():
    (finding,) = found("bias_correction", history(subject("adam_uncorrected"), 4, **STILL))
    assert "step 1 is 3.16 times" in finding.words and "step 12 6.57 times" in finding.words
    assert "step 1,751" in finding.words and finding.number == pytest.approx(6.57, abs=0.01)
    assert found("bias_correction", history(subject("adam"), 4, **STILL)) == []
    assert found("bias_correction", history(subject("adam_uncorrected", beta2=0.9), 4, **STILL)) == []
    assert found("bias_correction", history(subject("adam_uncorrected"), 4, first=1800, **STILL)) == []
    rising = {**STILL, "lr": np.linspace(1e-5, 1e-4, 4)}
    assert found("bias_correction", history(subject("adam_uncorrected"), 4, **rising)) == []
    own = subject(None, optimizer="AdamW", given={"correct_bias": 0.0})
    assert len(found("bias_correction", history(own, 4, **STILL))) == 1


@pytest.mark.parametrize(
    ("rule", "seen"),
    [
        ("l2(adam)", True),
        ("l2(rmsprop)", True),
        ("l2(radam)", True),
        ("ascent(l2(sgd))", False),
        ("l2(momentum)", False),
    ],
)
def test_l2_is_wrong_with_adaptive_rules_only(rule, seen):
    findings = found("l2", history(subject(rule, decay=0.01), 4, **STILL, second_moment=only(0, 0.1, 1e-3, 4)))
    assert bool(findings) == seen
    if seen:
        assert "0.01 times the weights" in findings[0].words and "100 times" in findings[0].words
    assert found("l2", history(subject(rule, decay=0.0), 4, **STILL)) == []


@pytest.mark.parametrize(
    ("rule", "lr", "noise", "seen"),
    [
        ("adadelta", 1e-3, np.nan, True),
        ("adadelta", 1.0, np.nan, False),
        ("irprop_minus", 0.01, 0.8, True),
        ("irprop_minus", 0.01, 0.1, False),
        ("lion", 1e-3, np.nan, True),
        ("lion", 1e-4, np.nan, False),
        ("adam", 1e-3, 0.9, False),
    ],
)
def test_settings_known_to_be_bad(rule, lr, noise, seen):
    figures = {**STILL, "lr": lr}
    findings = found("known_default", history(subject(rule), 40, **figures, gradient_noise=noise))
    assert bool(findings) == seen
    if seen:
        assert ("80 % is noise" if rule == "irprop_minus" else f"lr {lr:g}") in findings[0].words

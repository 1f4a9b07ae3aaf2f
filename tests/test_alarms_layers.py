"""Each alarm on both sides of its thresholds: what breaks, layers, 16 bits, flat regions."""

from dataclasses import replace

import numpy as np
import pytest

from alarm_histories import STILL, found, history, only, subject

# --- what breaks ---


def test_a_loss_that_leaves_what_it_reached_diverges():
    for back, seen in ((1.4, True), (1.1, False)):
        losses = np.r_[np.linspace(2.3, 0.3, 96), np.full(32, back)]
        findings = found("divergence", history(subject(), 128, losses, **STILL))
        assert bool(findings) == seen
    words = found("divergence", history(subject(), 128, np.r_[np.linspace(2.3, 0.3, 96), np.full(32, 2.0)]))[0].words
    assert "was 0.626 and is 2: 84 % of" in words


def test_a_negative_loss_diverges_too_and_one_that_never_fell_only_with_huge_steps():
    losses = np.r_[np.linspace(-1.0, -9.0, 96), np.full(32, -2.0)]
    assert len(found("divergence", history(subject(), 128, losses, **STILL))) == 1
    rising = np.linspace(1.0, 30.0, 128)
    assert found("divergence", history(subject(), 128, rising, **STILL)) == []
    assert len(found("divergence", history(subject(), 128, rising, **{**STILL, "update_ratio": 0.2}))) == 1


def test_a_loss_that_is_no_number_is_lost_but_one_that_was_is_not():
    losses = np.full(40, 1.0)
    losses[-3:] = np.nan
    (finding,) = found("divergence", history(subject(), 40, losses, **STILL))
    assert "NaN since step 38" in finding.words
    losses[-1] = 1.0
    assert found("divergence", history(subject(), 40, losses, **STILL)) == []


def test_nan_names_the_layer_the_number_and_the_step():
    counts = np.zeros((40, 4))
    counts[37, [0, 3]] = 640
    (finding,) = found("nonfinite", history(subject(), 40, **STILL, nonfinite=counts))
    assert finding.part == "first.weight" and finding.number == 640 and finding.since == 38
    assert finding.words == "In first.weight 640 of 1,000 values of the gradient are infinite or NaN in step 38."
    counts[37:, 0] = 640
    assert found("nonfinite", history(subject(), 40, **STILL, nonfinite=counts))[0].words.endswith("since step 38.")
    assert found("nonfinite", history(subject(), 40, **STILL, nonfinite=0.0)) == []
    old = np.roll(counts, -30, axis=0) * (np.arange(40) == 7)[:, None]
    assert found("nonfinite", history(subject(), 40, **STILL, nonfinite=old)) == []


def test_a_spike_is_measured_by_what_was_seen_before():
    norms = np.tile(1 + 0.2 * np.sin(np.arange(80.0))[:, None], 4)
    for factor, seen in ((5.2, True), (4.8, False)):
        spiked = norms.copy()
        spiked[70, [0, 3]] = factor * norms.max()
        findings = found("spike", history(subject(), 80, **{**STILL, "gradient_norm": spiked}))
        assert bool(findings) == seen
        if seen:
            assert findings[0].part == "first.weight" and "In step 71" in findings[0].words
            assert "5.2 times" in findings[0].words and findings[0].since == 71


def test_a_spike_must_be_farther_out_where_numbers_scatter_anyway():
    norms = np.ones(80)
    norms[::9] = 4.0  # usually 1, often 4
    for factor, seen in ((8.5, True), (7.5, False)):
        spiked = norms.copy()
        spiked[70] = factor * 4.0
        assert bool(found("spike", history(subject(), 80, **{**STILL, "gradient_norm": spiked}))) == seen


def test_a_spike_of_the_loss_alone():
    for factor, seen in ((1.6, True), (1.4, False)):
        losses = np.full(80, 2.0)
        losses[75] = factor * 2.0
        findings = found("spike", history(subject(), 80, losses, **STILL))
        assert bool(findings) == seen
    assert found("spike", history(subject(), 20, np.r_[np.ones(19), 9.0], **STILL)) == []  # too little is known


def test_a_hard_batch_among_samples_that_are_learned_by_heart_is_no_spike():
    learned = 0.03 * np.exp(np.sin(np.arange(200.0) * 1.7) * 1.2)
    for peak, seen in (
        (0.8, False),
        (2.6, True),
    ):  # times the first loss
        losses = np.r_[np.full(20, 2.0), learned]
        losses[-5] = peak * 2.0
        assert bool(found("spike", history(subject(), 220, losses, **STILL))) == seen
    calm = np.r_[np.full(20, 2.0), np.full(200, 0.5)]
    calm[-5] = 1.5  # far less than at first, but losses never did such a thing
    assert len(found("spike", history(subject(), 220, calm, **STILL))) == 1


# --- layers ---


def test_a_layer_whose_gradient_is_exactly_zero_is_dead():
    norms = only(1, 0.0, 1.0, 80)
    norms[:10] = 1.0
    (finding,) = found("dead", history(subject(), 80, **{**STILL, "gradient_norm": norms}))
    assert finding.part == "first.bias" and finding.number == 0 and finding.since == 11
    assert finding.words == "In first.bias the gradient is exactly 0 since step 11, for 70 steps."
    norms[79, 1] = 1e-12
    assert found("dead", history(subject(), 80, **{**STILL, "gradient_norm": norms})) == []
    assert found("dead", history(subject(), 60, **{**STILL, "gradient_norm": only(1, 0.0, 1.0, 60)})) == []


def test_a_layer_that_never_gets_a_gradient_is_dead_and_all_layers_only_after_longer():
    missing = {**STILL, "gradient_norm": only(2, np.nan, 1.0, 140)}
    (finding,) = found("dead", history(subject(), 140, **missing))
    assert finding.words == "In last.weight there is no gradient since step 1, for 140 steps."
    assert found("dead", history(subject(), 120, **{**STILL, "gradient_norm": only(2, np.nan, 1.0, 120)})) == []
    assert found("dead", history(subject(), 140, **missing, heading_cosine=only(2, 0.3, 0.3, 140))) == []  # it moves
    frozen = subject()
    frozen = replace(frozen, parts=tuple(replace(part, learns=part.name != "last.weight") for part in frozen.parts))
    assert found("dead", history(frozen, 140, **missing)) == []
    assert found("dead", history(subject(every=16), 31, **{**STILL, "gradient_norm": 0.0})) == []
    assert len(found("dead", history(subject(every=16), 33, **{**STILL, "gradient_norm": 0.0}))) == 3


def test_a_layer_with_tiny_gradients():
    for ratio, seen in ((2e-5, True), (4e-5, False)):
        norms = only(2, ratio, 1.0, 20)
        findings = found("small", history(subject(), 20, **{**STILL, "gradient_norm": norms}, zero_share=0.0))
        assert [f.part for f in findings] == (["last.weight"] if seen else [])
        if seen:
            assert "2e-5" in findings[0].words and findings[0].number == pytest.approx(2e-5)


def test_biases_and_sparse_layers_do_not_count_as_tiny():
    bias = {**STILL, "gradient_norm": only(1, 1e-9, 1.0, 20)}
    assert found("small", history(subject(), 20, **bias, zero_share=0.0)) == []
    sparse = {**STILL, "gradient_norm": only(2, 1e-6, 1.0, 20)}
    assert found("small", history(subject(), 20, **sparse, zero_share=only(2, 0.99, 0.0, 20))) == []
    few = {**STILL, "gradient_norm": only(2, 1e-6, 1.0, 15)}
    assert found("small", history(subject(), 15, **few, zero_share=0.0)) == []


@pytest.mark.parametrize(
    ("layers", "seen"),
    [
        (("factors", "column_bias", "last.weight"), True),
        (("in_proj_weight", "in_proj_bias", "last.weight"), False),
        (("dense/kernel", "dense/bias", "last/kernel"), False),
        (("parameter 0", "parameter 1", "parameter 2"), False),
    ],
)
def test_a_bias_is_what_has_weights_beside_it(layers, seen):
    about = subject(layers=layers)
    if layers[0] == "parameter 0":  # no names: by sizes
        about = replace(about, parts=(replace(about.parts[0], elements=8000), *about.parts[1:]))
    tiny = {**STILL, "gradient_norm": only(1, 1e-9, 1.0, 20)}
    assert [f.part for f in found("small", history(about, 20, **tiny, zero_share=0.0))] == [layers[1]] * seen


def test_a_layer_that_only_measured_steps_leave_out_is_not_dead():
    zero = {**STILL, "gradient_norm": only(1, 0.0, 1.0, 20)}
    assert len(found("dead", history(subject(every=16), 20, first=16, **zero))) == 1
    norms = np.full((20, 4), 10.0)
    norms[:, 1] += 0.01 * np.sin(np.arange(20.0))
    used = {**zero, "weight_norm": norms}
    assert found("dead", history(subject(every=16), 20, first=16, **used)) == []


def test_a_gradient_that_vanished_little_by_little_is_not_dead():
    norms = only(1, 0.0, 1.0, 200)
    norms[:100, 1] = 10.0 ** -np.arange(100.0)
    assert found("dead", history(subject(), 200, **{**STILL, "gradient_norm": norms})) == []
    norms[:100, 1] = 1.0
    assert len(found("dead", history(subject(), 200, **{**STILL, "gradient_norm": norms}))) == 1


def test_many_layers_are_told_together():
    layers = [f"block.{k}.weight" for k in range(6)]
    norms = np.ones((80, 7))
    norms[:, 1:6] = 0.0
    (finding,) = found("dead", history(subject(layers=layers), 80, **{**STILL, "gradient_norm": norms}))
    assert finding.part == "several layers" and list(finding.layers) == layers[1:]
    names = "block.1.weight, block.2.weight and block.3.weight"
    assert finding.words.startswith(f"In 5 of 6 layers, most of all {names}, the gradient is exactly 0 since")


# --- 16 bits ---


@pytest.mark.parametrize(
    ("name", "figure", "limit"), [("rounding", "lost_share", 0.25), ("stale_moment", "stale_share", 0.5)]
)
def test_rounding_counts_in_16_bits_only(name, figure, limit):
    for dtype, share, seen in (("bfloat16", limit, True), ("bfloat16", limit - 0.02, False), ("float32", 0.9, False)):
        about = subject(dtype=dtype, state_dtype=dtype)
        findings = found(name, history(about, 20, **STILL, **{figure: only(2, share, 0.0, 20)}))
        assert [f.part for f in findings] == (["last.weight"] if seen else [])
        if seen:
            assert f"{round(100 * limit)} %" in findings[0].words and "bfloat16" in findings[0].words
    both = subject(dtype="float16, float32", state_dtype="float16, float32")
    assert bool(found(name, history(both, 20, **STILL, **{figure: 0.9}))) == (name == "stale_moment")


# --- flat regions ---


def plateau(remains=0.95, tiny=0.01, agreed=0.95, slope=0.0):
    losses = np.r_[np.full(8, 2.0), np.full(292, 2.0 * remains) + slope * np.arange(292)]
    norms = np.r_[np.full(10, 1.0), np.full(290, tiny)]
    return found(
        "plateau", history(subject("sgd"), 300, losses, **{**STILL, "gradient_norm": norms}, gradient_cosine=agreed)
    )


def test_a_plateau_is_flat_high_and_no_noise():
    (finding,) = plateau()
    assert "95 % of its start" in finding.words and "0.01" in finding.words
    assert plateau(remains=0.6) == plateau(tiny=0.05) == plateau(agreed=0.3) == plateau(slope=-1e-3) == []


def test_a_saddle_is_left_while_gradients_grow_again():
    fall = np.exp(-np.arange(150) / 20)
    for rate, seen in ((40, True), (4000, False)):
        norms = np.r_[fall, fall[-1] * np.exp(np.arange(150) / rate)]
        losses = np.r_[np.linspace(1, 0.1, 100), np.full(200, 0.1)]
        figures = {**STILL, "gradient_norm": norms}
        findings = found("plateau", history(subject("sgd"), 300, losses, **figures, gradient_cosine=0.99))
        assert bool(findings) == seen

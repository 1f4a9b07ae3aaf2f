"""What is particular to the problems on text, CartPole, few samples and the autoencoder."""

import dataclasses
import sys

import numpy as np
import pytest
import torch

from thalweg.errors import InputError
from thalweg.lab import digits
from thalweg.lab.batches import Pass, data_order
from thalweg.lab.data import text
from thalweg.lab.files import find_problem
from thalweg.lab.measures import accuracy
from thalweg.lab.problems import cartpole_policy, digits_vae, fine_tune
from thalweg.lab.run import digest_of_tensors, evaluate

TEXTS = ("text-lstm", "text-transformer")


# Text


def test_no_paragraph_stands_in_the_text_twice_and_none_is_lost():
    topics = text.topics()
    paragraphs = text.unrepeated(topics).split("\n\n")
    words = [" ".join(paragraph.split()) for paragraph in paragraphs]
    assert len(set(words)) == len(words)
    assert set(words) == {" ".join(p.split()) for topic in topics for p in topic.split("\n\n")} - {""}
    assert len("\n\n".join(topics)) > 1.1 * len("\n\n".join(paragraphs)) > 200_000


def test_the_windows_spell_the_text():
    """Decoded, each window stands in the text, and its targets are the same one character on."""
    alphabet = "\n" + "".join(map(chr, range(32, 127))) + "?"
    whole = "".join(alphabet[code] for code in text.encoded(text.unrepeated(text.topics())))
    data = text.load()
    for inputs, targets in (data.train, data.test, *data.tuning):
        assert inputs.shape == targets.shape and inputs.shape[1] == text.WINDOW
        assert inputs.min() >= 0 and targets.max() < text.SYMBOLS
        for row in range(0, len(inputs), 97):
            window = "".join(alphabet[code] for code in [*inputs[row], targets[row][-1]])
            assert window in whole
        np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])


def test_no_test_window_stands_in_the_training_text():
    """At any offset, not only at the windows' own; and hardly any had to be left out for that."""
    data = text.load()
    for train, held in ((data.train, data.test), data.tuning):
        whole = train[0].astype(np.uint8).tobytes()
        assert not any(row.astype(np.uint8).tobytes() in whole for row in held[0])
        assert held[0].size > 0.09 * data.train[0].size


@pytest.mark.parametrize("name", TEXTS)
def test_no_place_sees_what_comes_after_it(name: str):
    torch.manual_seed(0)
    model = find_problem(name).model(0).eval()
    characters = torch.from_numpy(text.load().train[0][:3])
    changed = characters.clone()
    changed[:, 40:] = (changed[:, 40:] + 1) % text.SYMBOLS
    with torch.no_grad():
        one, other = model(characters), model(changed)
    assert torch.equal(one[:, :40], other[:, :40]) and not torch.equal(one[:, 40:], other[:, 40:])


@pytest.mark.parametrize("name", TEXTS)
def test_the_metric_is_the_loss_in_bits(name: str):
    torch.manual_seed(0)
    problem = find_problem(name)
    metric, loss = evaluate(problem.model(0), problem, tuple(array[:50] for array in text.load().test))
    assert metric == pytest.approx(loss / np.log(2))
    assert abs(metric - np.log2(text.SYMBOLS)) < 0.5  # an untrained network knows next to nothing


def test_a_python_without_the_text_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(InputError, match=r"pydoc_data.*install the whole of Python's standard library"):
        text.topics()


# CartPole


def constant(logits: tuple[float, float]) -> torch.nn.Module:
    policy = torch.nn.Linear(4, 2)
    with torch.no_grad():
        policy.weight.zero_()
        policy.bias.copy_(torch.tensor(logits))
    return policy


def test_the_greedy_policy_is_played_as_gymnasium_plays_it():
    """The mean of episodes played one by one through Gymnasium's own interface, its checker on."""
    import gymnasium

    torch.manual_seed(0)
    policy, seeds, returns = cartpole_policy.model(0), [3, 14, 15], []
    for seed in seeds:
        environment = gymnasium.make("CartPole-v1")
        (seen, _), total, over = environment.reset(seed=seed), 0.0, False
        while not over:
            with torch.no_grad():
                action = int(policy(torch.from_numpy(seen)[None]).argmax())
            seen, reward, terminated, truncated, _ = environment.step(action)
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    assert cartpole_policy.mean_return(policy, (torch.tensor(seeds),)) == np.mean(returns)


def test_always_pushing_one_way_lets_the_pole_fall_at_once():
    assert 8 <= cartpole_policy.mean_return(constant((0.0, 1.0)), (torch.arange(20),)) <= 11


def test_the_gradient_makes_the_better_action_likelier():
    """Two episodes, the first with twice the reward: its actions, all 1, gain by a step against the gradient."""
    episodes = [cartpole_policy.Episode(), cartpole_policy.Episode()]
    for episode, action, reward in ((episodes[0], 1, 2.0), (episodes[1], 0, 1.0)):
        episode.append(np.ones(4, np.float32), action, reward)
    assert cartpole_policy.advantages(episodes).tolist() == pytest.approx([1.0, -1.0])


def test_actions_come_from_the_policy_and_torchs_generator():
    seeds = torch.arange(40)

    def played(generator_seed: int) -> list[int]:
        torch.manual_seed(generator_seed)
        policy = constant((0.0, 1.0))
        episodes = cartpole_policy.played(policy, seeds, lambda logits: cartpole_policy._drawn(logits, None))
        return [action for episode in episodes for action in episode.actions]

    actions = played(0)
    assert actions == played(0) != played(1)
    assert abs(np.mean(actions) - 1 / (1 + np.exp(-1.0))) < 0.05


def test_an_episode_ends_after_500_steps():
    balancing = torch.nn.Linear(4, 2)
    with torch.no_grad():
        balancing.weight.copy_(torch.tensor([[0.0] * 4, [0.1, 0.5, 5.0, 1.5]]))
        balancing.bias.zero_()
    assert cartpole_policy.mean_return(balancing, (torch.arange(3),)) == 500


def test_without_gymnasium_the_package_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(InputError, match=r"needs the package 'gymnasium'.*pip install 'thalweg\[lab\]'"):
        cartpole_policy.mean_return(constant((0.0, 1.0)), (torch.arange(2),))


def test_without_gymnasium_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> str:
        raise cartpole_policy.PackageNotFoundError(name)

    monkeypatch.setattr(cartpole_policy, "version", missing)
    with pytest.raises(InputError, match="needs the package 'gymnasium'"):
        cartpole_policy.load(None)


def test_another_gymnasium_is_other_data(monkeypatch: pytest.MonkeyPatch):
    here = cartpole_policy.load(None).digest
    monkeypatch.setattr(cartpole_policy, "version", lambda name: "0.0")
    assert cartpole_policy.load(None).digest != here


# Fine-tuning


def model_of(seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return fine_tune.model(seed)


def test_pretraining_takes_nothing_from_torchs_generator():
    fine_tune.pretrained.cache_clear()
    torch.manual_seed(0)
    fine_tune.network()
    expected = torch.random.get_rng_state()
    first = digest_of_tensors(model_of(0))  # pretrained now
    assert torch.equal(torch.random.get_rng_state(), expected)
    again = digest_of_tensors(model_of(0))  # pretrained before
    assert torch.equal(torch.random.get_rng_state(), expected)
    assert first == again


def test_training_a_model_does_not_change_the_pretrained_weights():
    before = digest_of_tensors(model_of(0))
    with torch.no_grad():
        for parameter in model_of(0).parameters():
            parameter.add_(1.0)
    assert digest_of_tensors(model_of(0)) == before


def test_the_pretrained_network_reads_the_old_digits_and_not_yet_the_new():
    network = fine_tune.network()
    network.load_state_dict(fine_tune.pretrained(0))
    tested = digits.load(None).test
    old = tested[1] < 5
    problem = dataclasses.replace(fine_tune.PROBLEM, metric=accuracy)
    assert evaluate(network, problem, (tested[0][old], tested[1][old]))[0] > 0.95
    assert evaluate(model_of(0), problem, fine_tune.load(None).test)[0] < 0.5


@pytest.mark.slow
def test_what_was_learned_before_helps():
    """From ten samples of each class, with the same optimizer and the same order: more than without pretraining."""
    data = fine_tune.load(None)

    def tuned(model: torch.nn.Module, seed: int) -> float:
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
        for epoch in range(10):
            for batch in Pass(data.train, 10, data_order(seed, epoch, 50)):
                optimizer.zero_grad()
                fine_tune.cross_entropy(model, batch).backward()
                optimizer.step()
        return evaluate(model, fine_tune.PROBLEM, data.test)[0]

    for seed in (0, 1):
        assert tuned(model_of(seed), seed) > tuned(fine_tune.network(), seed) + 0.03


def test_no_old_digit_is_among_the_new():
    images, labels = digits.load(None).train
    new = {image.tobytes() for image in images[labels >= 5]}
    data = fine_tune.load(None)
    for part in (data.train, data.tuning[1]):
        assert {image.tobytes() for image in part[0]} <= new
        assert len(set(np.bincount(part[1]))) == 1 and part[1].max() == 4


# The autoencoder


def test_the_bound_is_the_sum_of_its_two_parts():
    """Against torch's own distributions, with the noise that an evaluation draws."""
    torch.manual_seed(0)
    model = digits_vae.model(0).eval()
    images = torch.from_numpy(digits_vae.load(None).test[0][:7])
    with torch.no_grad():
        logits, mean, log_variance = model(images)
        posterior = torch.distributions.Normal(mean, (log_variance / 2).exp())
        divergence = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum(1)
        pixels = torch.distributions.Bernoulli(logits=logits).log_prob(images).sum(1)
        bound = (pixels - divergence).mean()
        assert torch.allclose(digits_vae.negative_elbo(model, (images,)), -bound, rtol=1e-5)


def test_training_draws_new_noise_and_evaluation_the_same():
    torch.manual_seed(0)
    model = digits_vae.model(0)
    batch = (torch.from_numpy(digits_vae.load(None).test[0][:50]),)
    assert digits_vae.negative_elbo(model, batch) != digits_vae.negative_elbo(model, batch)
    model.eval()
    assert digits_vae.negative_elbo(model, batch) == digits_vae.negative_elbo(model, batch)


def test_the_pixels_are_black_or_white_and_those_of_the_digits():
    data, grey = digits_vae.load(None), digits.load(None)
    assert set(np.unique(data.train[0])) == {0.0, 1.0}
    np.testing.assert_array_equal(data.test[0], grey.test[0].reshape(1000, 784).round())
    assert data.digest != grey.digest

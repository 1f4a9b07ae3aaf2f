"""What is told of optimizers, as declared reasons: when it matters, of whom, and which claim or source says so."""

from __future__ import annotations

from thalweg.advise.reason import Reason, Source
from thalweg.advise.situation import Situation

ADAPTIVE = ("adagrad", "rmsprop", "adam", "adamw")
WITH_MOMENTUM = ("momentum", "nesterov")
ADAMS = ("adam", "adamw")
FEW = 36  # trainings in all, up to which there is no tuning worth the name: see `decide.plan_of`


def _few(given: Situation) -> bool:
    return given.trainings is not None and given.trainings < FEW


def _on_images(given: Situation) -> bool:
    return given.network == "convolutional" and given.task in (None, "classification") and not _few(given)


def _paper(words: str, arxiv: str) -> Source:
    return Source(words, f"https://arxiv.org/abs/{arxiv}")


REASONS = (
    Reason(
        "momentum needs fewer steps along a ravine than plain descent",
        lambda s: True,
        disfavours=("sgd",),
        claim=3,
        about=("fewer steps",),
    ),
    Reason(
        "Nesterov's look-ahead oscillates less than momentum",
        lambda s: True,
        disfavours=("momentum",),
        claim=5,
        about=("swings less",),
    ),
    Reason("AdaGrad needs no tuning of its learning rate", _few, favours=("adagrad",), claim=7),
    Reason(
        "AdaGrad is the right choice for rare features",
        lambda s: s.sparse,
        favours=("adagrad",),
        claim=8,
        source=Source("Duchi, Hazan & Singer 2011", "https://jmlr.org/papers/v12/duchi11a.html"),
    ),
    Reason(
        "AdaGrad's steps die in a long training",
        lambda s: s.is_long,
        disfavours=("adagrad",),
        claim=9,
        about=("in long training",),
        source=Source("its sum of squares only grows", "rules/adagrad.html", "formula"),
    ),
    Reason("RMSProp cures AdaGrad's decay", lambda s: s.is_long, favours=("rmsprop",), claim=10, about=("late steps",)),
    Reason(
        "RMSProp is robust to the first choice of its learning rate",
        _few,
        favours=("rmsprop",),
        claim=11,
        about=("nine rates",),
    ),
    Reason(
        "Adam at its default is no worse than others at theirs",
        _few,
        favours=ADAMS,
        claim=13,
        about=("every rule at its default",),
        source=_paper("Sivaprasad et al. 2020", "1910.11758"),
    ),
    Reason(
        "on images tuned momentum generalises better than Adam",
        _on_images,
        favours=WITH_MOMENTUM,
        claim=15,
        source=_paper("Wilson et al. 2017; Choi et al. 2019, arXiv 1910.05446, find otherwise", "1705.08292"),
    ),
    Reason(
        "decay that is decoupled works in Adam where L2 does not",
        lambda s: s.decay,
        favours=("adamw",),
        claim=16,
        about=("decoupled decay ends",),
        source=_paper("Loshchilov & Hutter 2019", "1711.05101"),
    ),
    Reason(
        "adaptive rules leave a saddle sooner",
        lambda s: s.plateau,
        favours=ADAPTIVE,
        claim=18,
        source=_paper("Staib et al. 2019", "1901.09149"),
    ),
    Reason(
        "momentum wins in a flat region before the minimum",
        lambda s: s.plateau,
        favours=WITH_MOMENTUM,
        claim=19,
        about=("momentum",),
    ),
    Reason(
        "RMSProp suits recurrent networks",
        lambda s: s.network == "recurrent",
        favours=("rmsprop",),
        claim=20,
        about=("lstm",),
        source=_paper("Graves 2013 trained LSTMs with it", "1308.0850"),
    ),
    Reason(
        "Adam suits reinforcement learning",
        lambda s: s.task == "reinforcement-learning",
        favours=ADAMS,
        claim=20,
        about=("tuned adam",),
        on=("cartpole-policy",),
        source=_paper("Andrychowicz et al. 2020", "2006.05990"),
    ),
    Reason(
        "Adam suits the factorisation of matrices",
        lambda s: s.task == "recommendation" or s.network == "embeddings",
        favours=ADAMS,
        claim=20,
        about=("tuned adam",),
        on=("matrix-factorisation",),
    ),
    Reason(
        "Adam suits fine-tuning",
        lambda s: s.pretrained,
        favours=ADAMS,
        claim=20,
        about=("tuned adam",),
        on=("fine-tune",),
        source=_paper("Devlin et al. 2019 fine-tune with it", "1810.04805"),
    ),
    Reason(
        "Adam suits several losses of different scale",
        lambda s: s.scales,
        favours=ADAMS,
        claim=20,
        about=("tuned adam",),
        on=("multi-task",),
    ),
    Reason(
        "SGD with momentum often works better than Adam on transformers",
        lambda s: s.network == "transformer",
        favours=WITH_MOMENTUM,
        claim=21,
    ),
    Reason(
        "adaptive rules do better with attention, whose gradients have heavy tails",
        lambda s: s.network == "transformer",
        favours=ADAMS,
        source=_paper("Zhang et al. 2020", "1912.03194"),
    ),
    Reason(
        "Lion does as well as AdamW on transformers with half of its state",
        lambda s: s.network == "transformer" and s.memory is not None,
        favours=("lion",),
        source=_paper("Chen et al. 2023", "2302.06675"),
    ),
    Reason(
        "Rprop works with full batches",
        lambda s: s.full_batch,
        favours=("irprop_minus",),
        claim=24,
        about=("with full batches",),
        source=Source("Igel & Hüsken 2003", "https://doi.org/10.1016/S0925-2312(01)00700-7"),
    ),
)

# Worth doing, or knowing, whichever of the optimizers it is.
HINTS = (
    Reason(
        "a stochastic descent reaches a given loss with less computation than a full batch, when there is much data",
        lambda s: s.full_batch and (s.samples or 0) >= 10_000,
        claim=1,
        about=("less computation",),
    ),
    Reason(
        "a batch of 32 is right in almost every case",
        lambda s: s.batch_size not in (None, 32),
        claim=2,
        about=("same passes",),
    ),
    Reason("more momentum wants a lower learning rate", lambda s: True, claim=4, about=("best rate is lower",)),
    Reason("momentum that rises from .5 to .99 beats a fixed one", lambda s: not _few(s), claim=6),
    Reason(
        "an epsilon of 1e-4 to 1e-3 is better where gradients are small: tune it too (--hyper lr,eps)",
        lambda s: s.tiny,
        claim=17,
        source=Source("where eps exceeds the gradients, steps shrink with them", "rules/adam.html", "formula"),
    ),
    Reason(
        "Adam first and then SGD with momentum generalises better than either: adam@K/sgd:momentum=0.9",
        _on_images,
        claim=22,
    ),
    Reason(
        "clip the norm of the gradient: through many steps of time it can explode",
        lambda s: s.network == "recurrent",
        source=_paper("Pascanu et al. 2013", "1211.5063"),
    ),
    Reason(
        "warm the learning rate up: attention is unstable in the first steps",
        lambda s: s.network == "transformer",
        source=_paper("Vaswani et al. 2017", "1706.03762"),
    ),
    Reason(
        "clip the norm of the gradient to 1, as large language models do",
        lambda s: s.network == "transformer",
        source=_paper("Brown et al. 2020, appendix B", "2005.14165"),
    ),
    Reason(
        "let the learning rate fall to the end of a long training",
        lambda s: s.is_long or s.pretrained,
        source=_paper("Loshchilov & Hutter 2017", "1608.03983"),
    ),
    Reason(
        "with all samples in a batch and so few weights, a method that models the curvature may need far fewer steps "
        "(L-BFGS, in torch and SciPy); it is not elementwise, so that the lab does not compare it",
        lambda s: s.full_batch and s.parameters is not None and s.parameters <= 100_000,
        source=Source("Liu & Nocedal 1989", "https://doi.org/10.1007/BF01589116"),
    ),
)

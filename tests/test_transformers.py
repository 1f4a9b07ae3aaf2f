"""Hugging Face's Trainer as a client: every run beside the same one with torch's own class, and resumed runs."""

import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging

import thalweg.torch
from thalweg.errors import InputError
from thalweg.schedules import cosine

STEPS, HALF = 10, 5
EXACT = 1e-12  # float64 from end to end: what is left is the order in which torch and we round
ADAMW = {"lr": 0.01, "betas": (0.9, 0.98), "weight_decay": 0.1}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No network, no progress bars, no advice; one thread; Accelerate's global state, which the Trainer fills, goes."""

    def refuse(*_: Any) -> None:
        raise AssertionError("expected a run without a network")

    monkeypatch.setattr(socket.socket, "connect", refuse, raising=False)
    told, threads = logging.get_verbosity(), torch.get_num_threads()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    yield
    logging.enable_progress_bar()
    logging.set_verbosity(told)
    torch.set_num_threads(threads)
    AcceleratorState._reset_state(reset_partial_state=True)


class Tokens(Dataset):
    """Random sentences in a language of 24 words."""

    rows = torch.randint(0, 24, (64, 12), generator=torch.Generator().manual_seed(1))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": self.rows[index], "labels": self.rows[index]}


def gpt2() -> GPT2LMHeadModel:
    """Two layers of width 16, with dropout; the words' vectors are its first layer and its last."""
    torch.manual_seed(0)
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    config = GPT2Config(vocab_size=24, n_positions=12, n_embd=16, n_layer=2, n_head=2, loss_type="ForCausalLM", **ends)
    return GPT2LMHeadModel(config)


def llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=24, max_position_embeddings=12, **sizes))


def trainer(model: nn.Module, folder: Path, options: dict[str, Any], **chosen: Any) -> Trainer:
    """A Trainer that is quiet; `chosen` says in either way with which optimizer."""
    arguments = TrainingArguments(
        output_dir=str(folder),
        use_cpu=True,
        max_steps=STEPS,
        per_device_train_batch_size=4,
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
        **({"save_strategy": "no", "warmup_steps": 2, "max_grad_norm": 0.5, "seed": 5} | options),
    )
    made = Trainer(model, arguments, train_dataset=Tokens(), **chosen)
    made.remove_callback(PrinterCallback)
    return made


def by_class(_: nn.Module, kind: type, **hyper: Any) -> dict[str, Any]:
    """The Trainer makes the optimizer, with a group that decays and one that does not, and its scheduler."""
    return {"optimizer_cls_and_kwargs": (kind, hyper)}


def by_hand(model: nn.Module, kind: Callable[..., torch.optim.Optimizer], **hyper: Any) -> dict[str, Any]:
    """An optimizer with two groups, and a scheduler, that we made."""
    matrices = [x for x in model.parameters() if x.ndim > 1]
    others = [x for x in model.parameters() if x.ndim <= 1]
    optimizer = kind([{"params": matrices}, {"params": others, "lr": 0.005}], **hyper)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, [0.02, 0.01], STEPS, cycle_momentum="betas" in hyper)
    return {"optimizers": (optimizer, scheduler)}


WAYS = pytest.mark.parametrize("way", [by_class, by_hand])


def weights(model: nn.Module) -> list[Tensor]:
    return [x.detach().clone() for x in model.parameters()]


def distance(ours: list[Tensor], theirs: list[Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True))


def both(model: Callable[[], nn.Module], folder: Path, way: Callable[..., dict[str, Any]], **options: Any) -> float:
    """How far apart the weights of a run with our AdamW and of one with torch's are, at most."""
    ends = []
    for library in (thalweg.torch, torch.optim):
        trained = model()
        start = weights(trained)
        trainer(trained, folder, options, **way(trained, library.AdamW, **ADAMW)).train()
        ends.append(weights(trained))
        assert distance(start, ends[-1]) > 0.03  # there is something to differ in
    return distance(*ends)


CLIENT = {
    "plain": {"max_grad_norm": 0.0},
    "clipped": {"max_grad_norm": 0.2},
    "accumulated": {"gradient_accumulation_steps": 3, "lr_scheduler_type": "cosine"},
}


@WAYS
@pytest.mark.parametrize("options", CLIENT.values(), ids=CLIENT)
def test_weights_are_torchs(tmp_path: Path, way: Callable, options: dict[str, Any]) -> None:
    assert both(lambda: gpt2().double(), tmp_path, way, **options) < EXACT


@WAYS
def test_weights_are_torchs_in_float32(tmp_path: Path, way: Callable) -> None:
    """Some ulps of weights of about 0.1 and steps of 0.01: 1e-7 as measured."""
    assert both(llama, tmp_path, way) < 2e-6


@WAYS
def test_weights_are_torchs_in_mixed_precision(tmp_path: Path, way: Callable) -> None:
    """float32 rounding, unless it turns a bfloat16 of the forward pass over, 2**-9 of it: 4e-5 as measured."""
    assert both(llama, tmp_path, way, bf16=True) < 2e-3


def test_clipping_by_the_optimizer_is_the_trainers(tmp_path: Path) -> None:
    ours, theirs = gpt2().double(), gpt2().double()
    clipping = by_class(ours, thalweg.torch.AdamW, clip_norm=0.2, **ADAMW)
    trainer(ours, tmp_path, {"max_grad_norm": 0.0}, **clipping).train()
    trainer(theirs, tmp_path, {"max_grad_norm": 0.2}, **by_class(theirs, torch.optim.AdamW, **ADAMW)).train()
    assert distance(weights(ours), weights(theirs)) < EXACT


AdamW, Rule = thalweg.torch.AdamW, thalweg.torch.Optimizer
SHORT = {"state_dtype": "float32", "rounding": "stochastic", "seed": 3}
RESUMED: dict[str, tuple[Callable, Callable, dict[str, Any], dict[str, Any]]] = {
    "AdamW": (gpt2, by_class, {"kind": AdamW, **ADAMW}, {}),
    "AdamW by hand": (gpt2, by_hand, {"kind": AdamW, **ADAMW}, {}),
    "AdamW accumulated": (gpt2, by_class, {"kind": AdamW, **ADAMW}, {"gradient_accumulation_steps": 3}),
    "AdamW, mixed": (llama, by_class, {"kind": AdamW, **ADAMW}, {"bf16": True}),
    "AdamW in bfloat16": (lambda: gpt2().bfloat16(), by_class, {"kind": AdamW, **ADAMW, **SHORT}, {}),
    "AdamW, averaged": (gpt2, by_class, {"kind": AdamW, **ADAMW, "ema": 0.9, "clip_norm": 0.2}, {"max_grad_norm": 0.0}),
    "AdamW, changing decay": (gpt2, by_class, {"kind": AdamW, **ADAMW, "weight_decay": cosine(0.5, STEPS)}, {}),
    "centered RMSprop": (gpt2, by_class, {"kind": thalweg.torch.RMSprop, "lr": 1e-3, "centered": True}, {}),
    "rule nadam": (gpt2, by_hand, {"kind": partial(Rule, rule="nadam")}, {}),
}


QUICK = ("AdamW", "AdamW, averaged")  # one of each kind; each case trains three times


@pytest.mark.parametrize(
    ("model", "way", "hyper", "options"),
    [pytest.param(*case, id=n, marks=() if n in QUICK else pytest.mark.slow) for n, case in RESUMED.items()],
)
def test_a_resumed_run_ends_on_the_same_bits(
    tmp_path: Path, model: Callable, way: Callable, hyper: dict[str, Any], options: dict[str, Any]
) -> None:
    whole, resumed = model(), model()
    saving = {"save_strategy": "steps", "save_steps": HALF, **options}
    first = trainer(whole, tmp_path, saving, **way(whole, **hyper))
    first.train()
    for x in resumed.parameters():
        nn.init.zeros_(x)
    second = trainer(resumed, tmp_path, saving, **way(resumed, **hyper))
    second.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{HALF}"))
    assert second.state.global_step == first.state.global_step == STEPS
    assert all(map(torch.equal, weights(resumed), weights(whole)))
    end, again = first.optimizer.state_dict(), second.optimizer.state_dict()
    torch.testing.assert_close(again["state"], end["state"], rtol=0, atol=0)
    assert again["param_groups"] == end["param_groups"]


def test_torchs_checkpoint_goes_on_with_ours(tmp_path: Path) -> None:
    theirs, ours = gpt2().double(), gpt2().double()
    saving = {"save_strategy": "steps", "save_steps": HALF}
    trainer(theirs, tmp_path, saving, **by_class(theirs, torch.optim.AdamW, **ADAMW)).train()
    going_on = trainer(ours, tmp_path, saving, **by_class(ours, thalweg.torch.AdamW, **ADAMW))
    going_on.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{HALF}"))
    assert distance(weights(ours), weights(theirs)) < EXACT


def test_a_schedule_of_the_learning_rate_is_refused_beside_the_trainers(tmp_path: Path) -> None:
    model = gpt2()
    chosen = by_class(model, thalweg.torch.AdamW, lr=cosine(0.01, STEPS))
    with pytest.raises(InputError, match="lr of group 0 follows a schedule"):
        trainer(model, tmp_path, {}, **chosen).train()

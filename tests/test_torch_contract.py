"""Corners of torch's contract that torch's own suite looks at, and what its users do beside stepping."""

import copy

import pytest
import torch

import thalweg.torch

NAMES = ["SGD", "Adagrad", "Rprop", "RMSprop", "Adadelta", "Adam", "AdamW"]
COUNTED = [name for name in NAMES if name != "SGD"]


def stepped(optimizer: torch.optim.Optimizer, gradients: list[torch.Tensor]) -> None:
    for gradient in gradients:
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = gradient.clone()
        optimizer.step()


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("wanted", ["lr", "weight_decay"])
def test_gradients_flow_through_two_differentiable_steps(name: str, wanted: str) -> None:
    gradients = [torch.randn(4, dtype=torch.float64) for _ in range(2)]

    def loss(value: torch.Tensor) -> torch.Tensor:
        w = torch.ones(4, dtype=torch.float64, requires_grad=True).clone()
        options = {"lr": 0.1, "weight_decay": 0.1, wanted: value}
        stepped(getattr(thalweg.torch, name)([w], **options, differentiable=True), gradients)
        return (w**2).sum()

    value = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (value,))


@pytest.mark.parametrize("name", COUNTED)
def test_step_counter_has_torchs_type(name: str) -> None:
    default = torch.get_default_dtype()
    try:
        for dtype in (torch.float32, torch.float64):
            torch.set_default_dtype(dtype)
            ours, theirs = (torch.ones(2, requires_grad=True) for _ in range(2))
            a, b = getattr(thalweg.torch, name)([ours]), getattr(torch.optim, name)([theirs])
            stepped(a, [torch.ones(2)])
            stepped(b, [torch.ones(2)])
            assert a.state[ours]["step"].dtype == b.state[theirs]["step"].dtype
    finally:
        torch.set_default_dtype(default)


@pytest.mark.parametrize("name", NAMES)
def test_whole_numbers_are_refused(name: str) -> None:
    w = torch.ones(2, dtype=torch.int64)
    w.grad = torch.ones(2, dtype=torch.int64)
    with pytest.raises(RuntimeError, match="floating point or complex"):
        getattr(thalweg.torch, name)([w]).step()


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_a_refused_step_changes_nothing() -> None:
    a, b = torch.ones(3, requires_grad=True), torch.ones(3, 1, requires_grad=True)
    optimizer = thalweg.torch.Adam([a, b], fused=True)
    a.grad = torch.ones(3)
    b.grad = torch.sparse_coo_tensor(torch.tensor([[0]]), torch.tensor([[1.0]]), (3, 1), check_invariants=True)
    with pytest.raises(RuntimeError, match="sparse"):
        optimizer.step()
    assert torch.equal(a, torch.ones(3))
    assert len(optimizer.state) == 0


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "Adam", "AdamW"])
def test_fused_on_an_odd_device_is_refused_as_torch_does(name: str) -> None:
    w = torch.ones(2, device="meta", requires_grad=True)
    w.grad = torch.ones(2, device="meta")
    optimizer = getattr(thalweg.torch, name)([w], fused=True)
    with pytest.raises(RuntimeError, match="`fused=True` requires all the params"):
        optimizer.step()


@pytest.mark.parametrize("name", NAMES)
def test_hooks_run_in_torchs_order(name: str) -> None:
    w = torch.ones(2, requires_grad=True)
    optimizer, calls = getattr(thalweg.torch, name)([w]), []
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    optimizer.register_state_dict_post_hook(lambda _, state: calls.append("saved"))
    optimizer.register_load_state_dict_pre_hook(lambda _, state: calls.append("loading"))
    stepped(optimizer, [torch.ones(2)])
    optimizer.load_state_dict(optimizer.state_dict())
    assert calls == ["before", "after", "saved", "loading"]


def test_centered_state_from_a_hook_is_converted() -> None:
    """A pre-hook that replaces the state dict by torch's own: the step that follows is torch's."""
    torch.manual_seed(0)
    theirs = torch.randn(5, dtype=torch.float64, requires_grad=True)
    peer = torch.optim.RMSprop([theirs], centered=True)
    gradients = [torch.randn(5, dtype=torch.float64) for _ in range(4)]
    stepped(peer, gradients)
    ours = theirs.detach().clone().requires_grad_()
    optimizer = thalweg.torch.RMSprop([ours], centered=True)
    saved = copy.deepcopy(peer.state_dict())
    optimizer.register_load_state_dict_pre_hook(lambda *_: saved)
    optimizer.load_state_dict(optimizer.state_dict())
    stepped(optimizer, gradients[:1])
    stepped(peer, gradients[:1])
    torch.testing.assert_close(ours, theirs)


def test_centered_checkpoint_of_our_own_is_exact_and_torchs_progress_is_not_lost() -> None:
    """Ours to torch, on in torch, and back: the variance that travelled along is stale and must not be believed."""
    torch.manual_seed(0)
    gradients = [torch.randn(5, dtype=torch.float64) + 3 for _ in range(30)]
    ours = torch.randn(5, dtype=torch.float64, requires_grad=True)
    a = thalweg.torch.RMSprop([ours], centered=True)
    stepped(a, gradients[:10])
    theirs = ours.detach().clone().requires_grad_()
    peer = torch.optim.RMSprop([theirs], centered=True)
    peer.load_state_dict(copy.deepcopy(a.state_dict()))
    stepped(peer, gradients[10:20])
    stepped(a, gradients[10:20])
    back = theirs.detach().clone().requires_grad_()
    b = thalweg.torch.RMSprop([back], centered=True)
    b.load_state_dict(copy.deepcopy(peer.state_dict()))
    stepped(b, gradients[20:])
    stepped(a, gradients[20:])
    torch.testing.assert_close(back, ours, rtol=1e-9, atol=0)


def test_something_of_the_users_own_in_the_state_survives() -> None:
    w = torch.ones(2, requires_grad=True)
    optimizer = thalweg.torch.RMSprop([w], centered=True)
    stepped(optimizer, [torch.ones(2)])
    optimizer.state["note"] = 1
    assert optimizer.state_dict()["state"]["note"] == 1


@pytest.mark.parametrize("centered", [False, True])
def test_nearly_constant_gradients_stay_finite_where_torch_does_not(centered: bool) -> None:
    torch.manual_seed(0)
    ours, theirs = (torch.zeros(200, requires_grad=True) for _ in range(2))
    a = thalweg.torch.RMSprop([ours], alpha=0.9, centered=centered)
    b = torch.optim.RMSprop([theirs], alpha=0.9, centered=centered)
    gradients = [1 + 1e-4 * torch.randn(200) for _ in range(400)]
    stepped(a, gradients)
    stepped(b, gradients)
    assert ours.isfinite().all()
    assert bool(theirs.isfinite().all()) is not centered, "torch's difference of two averages has been mended"


def test_named_parameters_and_added_groups() -> None:
    layer = torch.nn.Linear(2, 2)
    optimizer = thalweg.torch.Adam(layer.named_parameters())
    optimizer.add_param_group({"params": [("extra", torch.nn.Parameter(torch.zeros(1)))], "lr": 0.5})
    assert [group["param_names"] for group in optimizer.param_groups] == [["weight", "bias"], ["extra"]]
    stepped_model = layer(torch.ones(1, 2)).sum()
    stepped_model.backward()
    optimizer.step()


@pytest.mark.parametrize("name", NAMES)
def test_printing_and_public_attributes_survive_a_deepcopy(name: str) -> None:
    optimizer = getattr(thalweg.torch, name)([torch.zeros(1, requires_grad=True)])
    assert repr(optimizer).startswith(f"{name} (")
    public = {k for k in vars(optimizer) if not k.startswith("_")}
    assert public == {k for k in vars(copy.deepcopy(optimizer)) if not k.startswith("_")}

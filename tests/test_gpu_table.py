"""The table of a device: how tensors are cut, which rows are read in wide pieces, what is sent, and captures."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import thalweg.torch
from on_gpu import DEVICE, HAS_GPU, feed, furthest, stepping, weights
from thalweg.compile.numba import FIELDS
from thalweg.errors import InputError
from thalweg.sweep import gpu, mirror
from thalweg.sweep.gpu import EVEN, MOST_ROWS, ROW, TAIL, DeviceTable, cut_evenly, interpreting
from thalweg.sweep.mirror import Later, Mirror

CPU = torch.device("cpu")


@given(st.lists(st.one_of(st.integers(0, 100), st.integers(0, 5 * ROW)), max_size=20))
def test_rows_cover_every_element_once(counts: list[int]) -> None:
    tensor, start, size = cut_evenly(np.array(counts, np.int64))
    for k, count in enumerate(counts):
        mine = tensor == k
        ends = np.append(start[mine], count)
        assert (np.diff(ends) == size[mine]).all() and ends[0] == 0
    assert (size > 0).all() and (size <= ROW).all()
    assert (size[size > TAIL] % EVEN == 0).all()


def test_large_models_have_longer_rows() -> None:
    tensor, _, size = cut_evenly(np.array([10**9, 7], np.int64))
    assert len(tensor) <= MOST_ROWS + 2 and size.sum() == 10**9 + 7


def rows_of(table: DeviceTable) -> dict[tuple[int, int], tuple]:
    """For each tensor and start the count, the addresses and whether the row is read in wide pieces."""
    found = {}
    for part in table.parts():
        for row, tensor in zip(part.table.tolist(), table.tensor[part.rows], strict=True):
            count, _, start, *_ = row[-len(FIELDS) :]
            found[int(tensor), start] = (count, tuple(row[: -len(FIELDS)]), part.aligned)
    return found


def test_rows_are_read_in_wide_pieces_only_where_everything_lies_evenly() -> None:
    table = DeviceTable((4, 2), (ROW + 5, 48, 3), CPU)
    table.point(0, np.array([1600, 3200, 4800]))
    table.point(1, np.array([160, 322, 480]))
    assert rows_of(table) == {
        (0, 0): (ROW, (1600, 160), True),
        (0, ROW): (5, (1600 + 4 * ROW, 160 + 2 * ROW), False),
        (1, 0): (48, (3200, 322), False),
        (2, 0): (3, (4800, 480), False),
    }
    table.point(1, np.array([162, 320, 480]))
    assert {key: aligned for key, (_, _, aligned) in rows_of(table).items()} == {
        (0, 0): False,
        (0, ROW): False,
        (1, 0): True,
        (2, 0): False,
    }
    assert table.parts() is table.parts()
    before = table.parts()
    table.release()
    assert table.parts() is not before
    table.present(np.array([1, 0, 1]))
    assert [rows_of(table)[key][0] for key in ((0, 0), (0, ROW), (1, 0), (2, 0))] == [ROW, 5, 0, 3]
    assert table.point(0, np.array([1600, 3200, 4800])) is False


def test_sums_over_rows_are_those_of_tensors() -> None:
    table = DeviceTable((4,), (3 * ROW + 1, 0, 5), CPU)
    table.parts()
    numbers = np.arange(2.0 * len(table.tensor)).reshape(-1, 2)
    expected = [[numbers[table.tensor == k, j].sum() for j in range(2)] for k in range(3)]
    assert table.total(numbers).tolist() == expected


def test_only_what_has_changed_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    staged = Mirror._staged
    monkeypatch.setattr(Mirror, "_staged", lambda self, host: sent.append(host.shape) or staged(self, host))
    numbers = np.arange(12).reshape(3, 4)
    follower = Mirror((3, 4), torch.int64, CPU)
    for change in (None, None, (slice(None), 2), (1, slice(None))):
        if change is not None:
            numbers[change] += 100
        assert follower.holding(numbers).tolist() == numbers.tolist()
    assert sent == [(3, 4), (3,), (3, 4)]
    follower.forget()
    follower.numbers.zero_()
    assert follower.holding(numbers).tolist() == numbers.tolist()


def test_numbers_that_arrive_later() -> None:
    assert Later(torch.tensor([3, 4])).read() == [3, 4]


@pytest.fixture
def as_if_captured(monkeypatch: pytest.MonkeyPatch):
    """Says that everything goes into a graph, without which nothing can be told apart on the CPU."""

    def capture(is_on: bool) -> None:
        for module in ("sweep.mirror", "sweep.gpu", "frameworks.torch.on_device"):
            monkeypatch.setattr(f"thalweg.{module}.is_capturing", lambda device: is_on)

    monkeypatch.setattr(mirror, "_pinned", lambda like: torch.empty(like.shape, dtype=torch.as_tensor(like).dtype))
    return capture


@pytest.mark.skipif(HAS_GPU, reason="a GPU has captures of its own")
def test_what_a_graph_reads_is_its_own(as_if_captured) -> None:
    """Addresses of a graph's gradients are in its table only; hyperparameters that stand there already are shared."""
    follower, numbers = Mirror((2,), torch.float64, CPU), np.array([1.0, 2.0])
    eager = follower.holding(numbers)
    as_if_captured(True)
    assert follower.holding(numbers) is eager
    own = follower.holding(numbers, is_shared=False)
    other = follower.holding(np.array([3.0, 4.0]))
    as_if_captured(False)
    assert eager.tolist() == own.tolist() == [1.0, 2.0] and other.tolist() == [3.0, 4.0]
    assert follower.holding(np.array([1.0, 5.0])) is eager and own.tolist() == [1.0, 2.0]


@pytest.mark.skipif(HAS_GPU, reason="a GPU has captures of its own")
def test_a_graph_has_one_table_for_the_norm_and_the_step(as_if_captured) -> None:
    table = DeviceTable((4,), (100,), CPU)
    eager = table.parts()[1].table
    as_if_captured(True)
    own = table.parts()
    assert own[1].table.data_ptr() != eager.data_ptr() and table.parts() is own
    table.release()
    assert table.parts()[1].table.data_ptr() != own[1].table.data_ptr()
    as_if_captured(False)
    assert table.parts()[1].table.data_ptr() == eager.data_ptr()


@pytest.mark.skipif(HAS_GPU, reason="a GPU has captures of its own")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_a_capture_between_steps_changes_nothing_for_the_others(dtype: torch.dtype, as_if_captured) -> None:
    found = []
    for captured in (False, True):
        with stepping():
            xs = weights(dtype, device=DEVICE)
            rounding = "stochastic" if dtype == torch.bfloat16 else "nearest"
            optimizer = thalweg.torch.AdamW(xs, clip_norm=1.0, nonfinite="skip", rounding=rounding)
            for step in range(5):
                feed(xs, step)
                as_if_captured(captured and step in (2, 3))
                kept = [x.grad for x in xs]
                if step == 2:
                    for x in xs:
                        x.grad = x.grad.clone()
                before = len(mirror._captured)
                optimizer.step()
                for x, g in zip(xs, kept, strict=True):
                    x.grad = g
                for branch in (b for b in mirror._captured[before:] if isinstance(b, torch.Tensor)):
                    branch.zero_()  # until a graph is played nothing is there
        found.append((xs, optimizer))
    assert max(furthest(*found).values()) == 0


@pytest.mark.skipif(not HAS_GPU, reason="needs a GPU")
@pytest.mark.parametrize("frame", [{}, {"clip_norm": 1.0, "ema": 0.9, "nonfinite": "skip"}], ids=str)
def test_a_captured_step_is_played_again(frame: dict) -> None:
    lr = torch.tensor(0.1, device=DEVICE)
    xs, ys = weights(device=DEVICE), weights(device=DEVICE)
    a, b = thalweg.torch.Adam(xs, lr=lr, **frame), thalweg.torch.Adam(ys, lr=0.1, **frame)
    for step in range(3):
        for parameters, optimizer in ((xs, a), (ys, b)):
            feed(parameters, step)
            optimizer.step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        a.step()
    for step in range(3, 8):
        feed(xs, step)
        feed(ys, step)
        lr.mul_(0.9)
        b.param_groups[0]["lr"] *= 0.9
        graph.replay()
        b.step()
    feed(xs, 9)
    feed(ys, 9)
    a.step()
    b.step()
    assert max(furthest((xs, a), (ys, b)).values()) <= 2


def test_without_an_interpreter_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "has_triton", lambda: False)
    with pytest.raises(InputError, match="expected Triton's interpreter, got none: install triton"), interpreting():
        pass

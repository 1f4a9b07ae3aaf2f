"""IDX files: what is written is read, and every way a file can be wrong ends in one sentence that names it."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from thalweg.errors import InputError
from thalweg.lab.idx import read_idx, write_idx

HEADER = b"\x00\x00\x08\x03" + struct.pack(">3I", 2, 3, 4)
BODY = bytes(range(24))
IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("content", [HEADER + BODY, gzip.compress(HEADER + BODY)], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_reads_plain_and_packed_whatever_the_name(tmp_path: Path, content: bytes, name: str):
    (tmp_path / name).write_bytes(content)
    np.testing.assert_array_equal(read_idx(tmp_path / name), IMAGES)


@pytest.mark.parametrize("shape", [(5,), (0,), (2, 3), (2, 28, 28), (1, 2, 3, 4)])
def test_what_is_written_is_read(tmp_path: Path, shape: tuple[int, ...]):
    array = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    write_idx(tmp_path / "file.gz", array)
    read = read_idx(tmp_path / "file.gz")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array)


def test_writing_is_repeatable_and_leaves_nothing_else(tmp_path: Path):
    write_idx(tmp_path / "a", IMAGES)
    first = (tmp_path / "a").read_bytes()
    write_idx(tmp_path / "a", IMAGES)
    assert (tmp_path / "a").read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full_disk(*_: object, **__: object) -> bytes:
        raise OSError("no space left")

    write_idx(tmp_path / "a", IMAGES)
    before = (tmp_path / "a").read_bytes()
    monkeypatch.setattr(gzip, "compress", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_idx(tmp_path / "a", IMAGES + 1)
    assert (tmp_path / "a").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def flipped(content: bytes) -> bytes:
    """The same file with one bit of its check sum turned."""
    return content[:-6] + bytes([content[-6] ^ 1]) + content[-5:]


BROKEN = {
    "empty": (b"", "empty file"),
    "not IDX": (b"<html>not found</html>", "3c 68 74 6d"),
    "floats": (b"\x00\x00\x0d\x01" + struct.pack(">I", 1) + b"\x00" * 4, "unsigned bytes"),
    "no axes": (b"\x00\x00\x08\x00", "1 to 4 axes"),
    "too many axes": (b"\x00\x00\x08\x09", "1 to 4 axes"),
    "header cut": (HEADER[:9], "3 sizes"),
    "body cut": (HEADER + BODY[:-1], "only 23"),
    "too long": (HEADER + BODY + b"x", "got more"),
    "wrong sizes": (HEADER[:4] + struct.pack(">3I", 2, 3, 5) + BODY, r"30 bytes .*2 x 3 x 5.* only 24"),
    "absurd sizes": (HEADER[:4] + b"\xff" * 12 + BODY, "only 24"),
    "packed, not IDX": (gzip.compress(b"hello"), "68 65 6c 6c"),
    "packed, cut": (gzip.compress(HEADER + BODY)[:-10], "damage"),
    "packed, flipped": (flipped(gzip.compress(HEADER + BODY)), "damage"),
    "packed, garbage": (gzip.compress(HEADER + BODY)[:10] + b"\xff" * 20, "damage"),
    "packed, body cut": (gzip.compress(HEADER + BODY[:-1]), "only 23"),
    "packed, too long": (gzip.compress(HEADER + BODY + b"x"), "got more"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_one_sentence_with_its_name(tmp_path: Path, case: str):
    content, expected = BROKEN[case]
    (tmp_path / "train-images").write_bytes(content)
    with pytest.raises(InputError, match=expected) as caught:
        read_idx(tmp_path / "train-images")
    assert "'train-images'" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("fetch the file again")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path):
    with pytest.raises(InputError, match="'nowhere'"):
        read_idx(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="'folder'"):
        read_idx(tmp_path / "folder")

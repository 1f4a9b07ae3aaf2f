"""The kernel cache: whatever happens to its files, a kernel gives the right result, and only sound code is loaded."""

import ctypes
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest

from thalweg.compile import objects

Built = tuple[str, bytes]


@numba.cfunc("void(CPointer(float32), int64)")
def double_and_add_one(values: Any, count: int) -> None:
    for i in range(count):
        values[i] = values[i] * numba.float32(2) + numba.float32(1)


@pytest.fixture(scope="module")
def built() -> Built:
    return objects.object_of(double_and_add_one)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("THALWEG_CACHE", str(tmp_path))
    monkeypatch.setattr(objects, "_LOADED", {})
    place = objects.folder()
    assert place == tmp_path / "kernels"
    return place


class Builder:
    """A build function that counts its calls."""

    def __init__(self, built: Built) -> None:
        self.built, self.calls = built, 0

    def __call__(self) -> Built:
        self.calls += 1
        return self.built


def never() -> Built:
    raise AssertionError("built again")


def forget() -> None:
    """What a new process would know: nothing."""
    objects._LOADED.clear()


def assert_doubles(code: objects.Code) -> None:
    values = np.arange(1003, dtype="float32")
    expected = values * np.float32(2) + np.float32(1)
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address)
    call(values.ctypes.data, values.size)
    assert np.array_equal(values, expected)


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def run(script: str, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-W", "error", "-c", script, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def printed(process: subprocess.Popen) -> str:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output.strip()


def test_built_once_per_process_and_once_per_folder(built: Built, folder: Path) -> None:
    builder = Builder(built)
    first = objects.code("a", builder)
    assert objects.code("a", builder) is first
    assert builder.calls == 1
    forget()
    warm = objects.code("a", never)
    assert warm is not first
    assert_doubles(first)
    assert_doubles(warm)
    assert only_file(folder).stat().st_mode & 0o777 == 0o600


def test_another_key_is_another_object(built: Built, folder: Path) -> None:
    builder = Builder(built)
    assert objects.code("a", builder) is not objects.code("b", builder)
    assert builder.calls == 2
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("part", range(5))
def test_another_machine_or_version_is_another_object(part: int, built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    host = objects._host()
    assert all(host[:4])
    objects.code("a", lambda: built)
    other = (*host[:part], f"{host[part]}-other", *host[part + 1 :])
    monkeypatch.setattr(objects, "_target_machine", machine_of(host))
    monkeypatch.setattr(objects, "_host", lambda: other)
    forget()
    builder = Builder(built)
    objects.code("a", builder)
    assert builder.calls == 1


def machine_of(host: tuple[str, ...]) -> Callable[[], Any]:
    target = llvm.Target.from_triple(host[2])
    return lambda: target.create_target_machine(cpu=host[3], codemodel="jitdefault", jit=True)


def test_code_is_vectorised_and_what_numba_runs(built: Built) -> None:
    library = double_and_add_one._library
    assert re.search(r"fmul <\d+ x float>", library.get_llvm_str())
    numbas = library.codegen._tm.emit_object(library._final_module)
    assert text_of(built[1]) == text_of(numbas)


def text_of(data: bytes) -> list[bytes]:
    return [part.data() for part in llvm.ObjectFileRef.from_data(data).sections() if part.is_text() and part.size()]


@numba.cfunc("float64(CPointer(float64))")
def may_raise(values: Any) -> float:
    if values[0] < 0:
        raise ValueError("negative")
    return values[0]


@numba.cfunc("float64(float64)")
def cosine(x: float) -> float:
    return np.cos(x)


def test_code_that_needs_python_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"'may_raise', which needs .*PyErr_SetString.*numba_.*: read memory"):
        objects.object_of(may_raise)


def test_code_may_need_the_c_library() -> None:
    symbol, data = objects.object_of(cosine)
    module = llvm.parse_assembly(cosine._library.get_llvm_str())
    if data.startswith(b"\x7fELF"):
        assert objects._undefined(module, data) == {"cos"}
    call = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(objects.code("cosine", lambda: (symbol, data)).address)
    assert call(0.5) == cosine.ctypes(0.5)


def test_where_objects_are_not_elf_declarations_tell_what_is_needed() -> None:
    module = llvm.parse_assembly("declare double @numba_gamma(double)\ndeclare double @llvm.sqrt.f64(double)")
    assert objects._undefined(module, b"\xcf\xfa\xed\xfe") == {"numba_gamma"}


@pytest.mark.parametrize("data", [b"", b"no object file"])
def test_an_object_without_its_symbol_is_refused_and_not_kept(data: bytes, folder: Path) -> None:
    with pytest.raises(RuntimeError, match="defines 'absent'"):
        objects.code("a", lambda: ("absent", data))
    assert not list(folder.iterdir())


def test_a_wrong_symbol_is_refused(built: Built) -> None:
    with pytest.raises(RuntimeError, match="defines 'absent'"):
        objects.code("a", lambda: ("absent", built[1]))


def test_one_flipped_bit_anywhere_is_found(built: Built, folder: Path) -> None:
    objects.code("a", lambda: built)
    path = only_file(folder)
    sound = path.read_bytes()
    header = len(sound) - len(built[1])
    rng = random.Random(0)
    positions = [*range(header), *rng.sample(range(header, len(sound)), 200)]
    for position in positions:
        damaged = bytearray(sound)
        damaged[position] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        forget()
        builder = Builder(built)
        assert_doubles(objects.code("a", builder))
        assert builder.calls == 1, f"byte {position}"
        assert path.read_bytes() == sound


def link_to_itself(path: Path, sound: bytes) -> None:
    elsewhere = path.parent.parent / "elsewhere"
    elsewhere.write_bytes(sound)
    path.symlink_to(elsewhere)


DAMAGE: dict[str, Callable[[Path, bytes], object]] = {
    "missing": lambda path, sound: None,
    "empty": lambda path, sound: path.touch(),
    "truncated": lambda path, sound: path.write_bytes(sound[: len(sound) // 2]),
    "one byte less": lambda path, sound: path.write_bytes(sound[:-1]),
    "one byte more": lambda path, sound: path.write_bytes(sound + b"\0"),
    "header only": lambda path, sound: path.write_bytes(sound[: len(objects.FORMAT) + objects.DIGEST + 1]),
    "another format": lambda path, sound: path.write_bytes(sound.replace(b"kernel 1", b"kernel 2", 1)),
    "a folder": lambda path, sound: path.mkdir(),
    "a pipe": lambda path, sound: os.mkfifo(path),
    "a link to a sound file": link_to_itself,
    "a link to nothing": lambda path, sound: path.symlink_to("nothing"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_whatever_is_damaged_is_replaced(damage: Callable[[Path, bytes], object], built: Built, folder: Path) -> None:
    objects.code("a", lambda: built)
    path = only_file(folder)
    sound = path.read_bytes()
    path.unlink()
    damage(path, sound)
    forget()
    builder = Builder(built)
    assert_doubles(objects.code("a", builder))
    assert builder.calls == 1
    assert only_file(folder) == path
    assert path.is_file() and not path.is_symlink()
    forget()
    assert_doubles(objects.code("a", never))


def test_the_sound_file_of_another_key_is_not_taken(built: Built, folder: Path) -> None:
    objects.code("a", lambda: built)
    other = only_file(folder)
    objects.code("b", lambda: built)
    (path,) = set(folder.iterdir()) - {other}
    path.write_bytes(other.read_bytes())
    forget()
    builder = Builder(built)
    objects.code("b", builder)
    assert builder.calls == 1


def test_an_unreadable_file_is_replaced(built: Built, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An administrator may read everything, so the refusal is played."""
    objects.code("a", lambda: built)
    opened = os.open

    def refuse(path: Any, flags: int, *rest: Any) -> int:
        if not flags & os.O_CREAT:
            raise PermissionError(13, "played", path)
        return opened(path, flags, *rest)

    forget()
    builder = Builder(built)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        assert_doubles(objects.code("a", builder))
    assert builder.calls == 1
    forget()
    objects.code("a", never)


def test_a_file_of_somebody_else_is_not_read(built: Built, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects.code("a", lambda: built)
    assert objects._read(only_file(folder))
    monkeypatch.setattr(os, "getuid", lambda: only_file(folder).stat().st_uid + 1)
    assert objects._read(only_file(folder)) == b""


def test_a_file_too_large_is_neither_read_nor_written(
    built: Built, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects.code("a", lambda: built)
    monkeypatch.setattr(objects, "LARGEST_FILE", 1000)
    assert objects._read(only_file(folder)) == b""
    assert_doubles(objects.code("b", lambda: built))
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("failing", ["mkstemp", "fdopen", "replace"])
def test_a_write_that_fails_is_no_error(
    failing: str, built: Built, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any, **keywords: Any) -> None:
        raise OSError(28, "no space left")

    owner = {"mkstemp": objects.tempfile, "fdopen": os, "replace": Path}[failing]
    with monkeypatch.context() as patch:
        patch.setattr(owner, failing, full)
        assert_doubles(objects.code("a", lambda: built))
    assert not list(folder.iterdir())


def test_an_interrupted_write_leaves_nothing(built: Built, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        objects.code("a", lambda: built)
    assert not list(folder.iterdir())


def test_the_folder_keeps_what_was_used_last(built: Built, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "MOST_FILES", 3)
    for age, key in enumerate("dcba"):
        before = set(folder.iterdir())
        objects.code(key, lambda: built)
        (path,) = set(folder.iterdir()) - before
        os.utime(path, (time.time() - 100 + age,) * 2)
    forget()
    objects.code("c", never)  # used again, so "b" is now the oldest; "d" has already made way for "a"
    objects.code("e", lambda: built)
    forget()
    builder = Builder(built)
    for key in "aceb":
        objects.code(key, builder)
    assert builder.calls == 1
    assert len(list(folder.iterdir())) == 3


def test_the_folder_has_a_greatest_size(built: Built, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "MOST_BYTES", 2 * len(built[1]) + 1000)
    for key in "abcd":
        objects.code(key, lambda: built)
    assert len(list(folder.iterdir())) == 2


def test_trimming_takes_what_dead_processes_left_and_nothing_foreign(built: Built, folder: Path) -> None:
    name = "0" * objects.DIGEST
    foreign, abandoned, busy = folder / "notes.tmp", folder / f"{name}.dead_1.tmp", folder / f"{name}.busy_1.tmp"
    for path in (foreign, abandoned, busy):
        path.touch()
    for path in (foreign, abandoned):
        os.utime(path, (0, 0))
    objects.code("a", lambda: built)
    assert {foreign, busy} < set(folder.iterdir())
    assert not abandoned.exists()


@pytest.mark.parametrize("value", ["", "0", "off", "OFF"])
def test_the_cache_can_be_switched_off(
    value: str, built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THALWEG_CACHE", value)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert objects.folder() is None
    assert_doubles(objects.code("a", lambda: built))
    assert not (tmp_path / "home").exists() and not (tmp_path / "caches").exists()


def test_without_a_setting_it_lies_where_caches_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THALWEG_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert objects.folder() == tmp_path / "caches/thalweg/kernels"
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert objects.folder() == tmp_path / "home/.cache/thalweg/kernels"


def test_the_folder_is_private(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    for mode in (0o755, 0o770, 0o701):
        folder.chmod(mode)
        assert objects.folder() == folder
        assert folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    folder.chmod(0o755)
    assert objects.folder() is None
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_folder_that_cannot_be_is_no_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/kernels").symlink_to(folder)
    for name in ("file", "linked", "x" * 300):
        monkeypatch.setenv("THALWEG_CACHE", str(tmp_path / name))
        assert objects.folder() is None


def test_where_users_have_no_numbers_the_folder_is_taken_as_it_is(
    built: Built, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "getuid")
    assert objects.folder() == folder
    objects.code("a", lambda: built)
    forget()
    assert_doubles(objects.code("a", never))


def test_threads_share_one_build(built: Built) -> None:
    builder, gate, codes = Builder(built), threading.Barrier(8), []

    def ask() -> None:
        gate.wait()
        codes.append(objects.code("a", builder))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert builder.calls == 1
    assert len(codes) == 8 and len(set(codes)) == 1


IMPORTS = """
import sys
import thalweg.compile.objects
print([name for name in ("llvmlite", "numba", "numpy") if name in sys.modules])
"""


def test_importing_it_imports_no_compiler() -> None:
    assert printed(run(IMPORTS)) == "[]"


CALL = """
import ctypes, json, sys
from thalweg.compile import objects

def doubled(code):
    values = (ctypes.c_float * 5)(0, 1, 2, 3, 4)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address)(ctypes.addressof(values), 5)
    return list(values)
"""

WARM = (
    CALL
    + """
def never():
    raise AssertionError("built again")

values = doubled(objects.code("a", never))
print(json.dumps([values, [name for name in ("numba", "numpy") if name in sys.modules]]))
"""
)


def test_a_warm_process_calls_without_numba(built: Built) -> None:
    objects.code("a", lambda: built)
    assert json.loads(printed(run(WARM))) == [[1, 3, 5, 7, 9], []]


BUILD = (
    CALL
    + """
from pathlib import Path

symbol, path, start = sys.argv[1:]
builds = []

def build():
    builds.append(1)
    return symbol, Path(path).read_bytes()

while not Path(start).exists():
    pass
right = 0
for turn in range(25):
    objects._LOADED.clear()
    right += doubled(objects.code("shared " + str(turn), build)) == [1, 3, 5, 7, 9]
print(json.dumps([right, len(builds)]))
"""
)


def test_four_processes_build_the_same_keys_at_once(built: Built, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "object").write_bytes(built[1])
    processes = [run(BUILD, built[0], str(tmp_path / "object"), str(tmp_path / "start")) for _ in range(4)]
    (tmp_path / "start").touch()
    results = [json.loads(printed(process)) for process in processes]
    assert [right for right, _ in results] == [25] * 4
    assert 25 <= sum(builds for _, builds in results) <= 100
    assert len(list(folder.iterdir())) == 25
    for turn in range(25):
        assert_doubles(objects.code(f"shared {turn}", never))


REWRITE = (
    CALL
    + """
from pathlib import Path

path, stop = map(Path, sys.argv[1:])
content, turns = path.read_bytes(), 0
while not stop.exists():
    objects._write(path, content)
    turns += 1
print(turns)
"""
)


def test_a_reader_never_sees_half_a_file(built: Built, folder: Path, tmp_path: Path) -> None:
    objects.code("a", lambda: built)
    path, stop = only_file(folder), tmp_path / "stop"
    number = path.stat().st_ino
    writer = run(REWRITE, str(path), str(stop))
    try:
        while path.stat().st_ino == number:
            assert writer.poll() is None
        for _ in range(300):
            forget()
            assert_doubles(objects.code("a", never))
    finally:
        stop.touch()
    assert int(printed(writer)) > 1


FORK = (
    CALL
    + """
import os, signal, threading
from pathlib import Path

symbol, path = sys.argv[1:]
inside, forking = threading.Event(), threading.Event()

def build():
    inside.set()
    assert forking.wait(60)
    return symbol, Path(path).read_bytes()

os.register_at_fork(before=forking.set)  # the last one registered runs first
thread = threading.Thread(target=objects.code, args=("a", build))
thread.start()
assert inside.wait(60)
child = os.fork()
if child == 0:
    signal.alarm(60)
    again = doubled(objects.code("a", lambda: None))
    other = doubled(objects.code("b", lambda: (symbol, Path(path).read_bytes())))
    os._exit(again != [1, 3, 5, 7, 9] or other != again)
thread.join()
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), doubled(objects.code("b", lambda: None)))
"""
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_during_a_build_leaves_parent_and_child_working(built: Built, tmp_path: Path) -> None:
    (tmp_path / "object").write_bytes(built[1])
    process = run("import warnings; warnings.simplefilter('ignore')\n" + FORK, built[0], str(tmp_path / "object"))
    assert printed(process) == "0 [1.0, 3.0, 5.0, 7.0, 9.0]"

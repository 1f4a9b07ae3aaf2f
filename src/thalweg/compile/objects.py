"""The kernel cache: compiled objects on disk, loaded by llvmlite alone.

A file is named by a hash of everything that decides the code, the machine included, and holds a checksum of itself.
Nothing in it reaches LLVM before it is verified, nothing is unpickled, and whatever is damaged is built again. The
folder is the user's own and closed to others. Files appear at once under their final names, so that any number of
processes may read and write together.

LLVM is imported when the first kernel is asked for, never with this module. What was just built goes through the same
loader as what was found, so both run the same bytes.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import stat
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = b"thalweg kernel 1\n"
DIGEST = 64  # characters of a sha256
LARGEST_FILE = 16 * 2**20
MOST_FILES = 2_000
MOST_BYTES = 256 * 2**20
ABANDONED = 3600.0  # seconds after which a temporary file has lost its process

_OURS = re.compile(rf"[0-9a-f]{{{DIGEST}}}(\.\w+\.tmp)?")
# A pipe must not keep the reader waiting, a link must not lead it elsewhere; Windows has neither flag.
_OPEN_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

# What every C library offers; code that needs more (Python's C interface, Numba's runtime) cannot be loaded alone.
_MATHEMATICS = """
acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs floor fma fmax fmin
fmod hypot ldexp log log10 log1p log2 nearbyint pow rint round sin sinh sqrt tan tanh tgamma trunc
"""
# What LLVM makes of some of these where the C library has it: sine and cosine of one number, powers of ten.
_MERGED = {"sincos", "__sincos_stret", "exp10", "__exp10"}
C_LIBRARY = frozenset(
    {"memcpy", "memmove", "memset", "memset_pattern16", *_MERGED}.union(*({f, f"{f}f"} for f in _MATHEMATICS.split()))
)


@dataclass(frozen=True, eq=False)
class Code:
    """Machine code in this process.

    Attributes:
        address: Of the C function.
        owner: Keeps the machine code alive.
    """

    address: int
    owner: Any


_LOADED: dict[str, Code] = {}
_LOCK = threading.RLock()
if hasattr(os, "register_at_fork"):
    # A fork waits until no thread is inside LLVM: a child inherits its locks, but not the threads that free them.
    os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release)


def code(key: str, build: Callable[[], tuple[str, bytes]]) -> Code:
    """The code of a key: from this process's memory, else from the cache folder, else built and kept there.

    Args:
        key: Everything that decides the code apart from this machine and its LLVM, which are added here.
        build: Called if nothing sound is found; gives the function's symbol, one line of ASCII, and an object file.

    Returns:
        The loaded code, one and the same for a key as long as the process lives.

    Raises:
        RuntimeError: If the built object does not define its symbol.
    """
    with _LOCK:
        if key not in _LOADED:
            _LOADED[key] = _found_or_built(key, build)
        return _LOADED[key]


def _found_or_built(key: str, build: Callable[[], tuple[str, bytes]]) -> Code:
    digest = hashlib.sha256("\n".join((FORMAT.decode(), *_host(), key)).encode()).hexdigest()
    place = folder()
    found = _unpacked(_read(place / digest), digest) if place else None
    symbol, data = found or build()
    loaded = _load(symbol, data)
    if place and not found:
        _write(place / digest, _packed(digest, symbol, data))
    return loaded


# -- LLVM --


@functools.cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    with suppress(RuntimeError):  # llvmlite wants this call up to 0.44, and refuses it later
        llvm.initialize()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@functools.cache
def _host() -> tuple[str, ...]:
    """What decides the code on this machine: llvmlite, LLVM, the triple, the CPU and its features."""
    import llvmlite

    llvm = _llvm()
    version = ".".join(map(str, llvm.llvm_version_info))
    features = llvm.get_host_cpu_features().flatten()
    return llvmlite.__version__, version, llvm.get_process_triple(), llvm.get_host_cpu_name(), features


def _target_machine() -> Any:
    """A code generator for this CPU, with the settings that Numba uses for code in the same process."""
    _, _, triple, cpu, features = _host()
    position = "static" if triple.startswith(("x86", "i386", "i686")) else "default"
    target = _llvm().Target.from_triple(triple)
    return target.create_target_machine(
        cpu=cpu, features=features, opt=3, reloc=position, codemodel="jitdefault", jit=True
    )


def _load(symbol: str, data: bytes) -> Code:
    """An engine of its own for every object, so that equal names in two of them never meet."""
    llvm = _llvm()
    module = llvm.parse_assembly("")
    module.triple = _host()[2]
    engine = llvm.create_mcjit_compiler(module, _target_machine())
    held = llvm.ObjectFileRef.from_data(data)
    if held:  # LLVM would crash on a null pointer
        engine.add_object_file(held)
        engine.finalize_object()
    address = engine.get_function_address(symbol) if held else 0
    if not address:
        raise RuntimeError(f"expected an object file that defines '{symbol}', got {len(data)} bytes without it")
    return Code(address, (engine, held, data))


def object_of(function: Any) -> tuple[str, bytes]:
    """The symbol and the object file of a function that Numba compiled, in a form that loads without Numba.

    The optimised, vectorised LLVM code is taken as it is; only machine code is made from it again.

    Args:
        function: What `numba.cfunc` returned.

    Raises:
        RuntimeError: If the code needs Python or Numba when it runs, because it can raise, say, or holds an array.

    Example:
        >>> import numba
        >>> symbol, data = object_of(numba.cfunc("float64(float64)")(lambda x: 2 * x))
        >>> symbol.startswith("cfunc.")
        True
    """
    with _LOCK:
        module = _llvm().parse_assembly(function._library.get_llvm_str())
        data = _target_machine().emit_object(module)
        missing = sorted(_undefined(module, data) - C_LIBRARY)
    if missing:
        raise RuntimeError(
            f"expected code that runs without Python and Numba, got '{function.__name__}', which needs "
            f"{', '.join(missing)}: read memory by pointer, and raise nothing"
        )
    return function.native_name, data


def _undefined(module: Any, data: bytes) -> set[str]:
    """Names that the code needs from elsewhere: the table of an ELF object says it exactly, else what is declared."""
    if data[:6] != b"\x7fELF\x02\x01":  # of 64 bits, little-endian
        declared = (v.name for v in (*module.functions, *module.global_variables) if v.is_declaration)
        return {name for name in declared if not name.startswith("llvm.")}
    sections = _llvm().ObjectFileRef.from_data(data).sections()
    tables = {part.name(): part.data() for part in sections if part.name() in (b".symtab", b".strtab")}
    names = tables[b".strtab"]
    symbols = struct.iter_unpack("<IBBHQQ", tables[b".symtab"])
    starts = [name for name, _, _, section, _, _ in symbols if name and not section]
    return {names[start : names.index(b"\0", start)].decode() for start in starts}


# -- files --


def folder() -> Path | None:
    """The folder of compiled kernels, made if need be; none if it is switched off or cannot be private to this user.

    `THALWEG_CACHE` names the folder above it; empty, `0` or `off` switches the cache off.

    Example:
        >>> from unittest.mock import patch
        >>> with patch.dict("os.environ", THALWEG_CACHE="off"):
        ...     folder() is None
        True
    """
    with suppress(OSError, RuntimeError):  # no permission, no room, no home
        place = _chosen_folder()
        if place:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            return place if _made_private(place) else None
    return None


def _chosen_folder() -> Path | None:
    chosen = os.environ.get("THALWEG_CACHE")
    if chosen is not None:
        return None if chosen.lower() in ("", "0", "off") else Path(chosen).expanduser() / "kernels"
    caches = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (caches if caches.is_absolute() else Path.home() / ".cache") / "thalweg" / "kernels"


def _made_private(place: Path) -> bool:
    about = place.lstat()
    if not stat.S_ISDIR(about.st_mode) or not _is_mine(about):
        return False
    if hasattr(os, "getuid") and about.st_mode & 0o077:  # on Windows the mode says nothing
        place.chmod(0o700)
    return True


def _is_mine(about: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or about.st_uid == os.getuid()


def _packed(digest: str, symbol: str, data: bytes) -> bytes:
    body = b"\n".join((digest.encode(), symbol.encode(), data))
    return FORMAT + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _unpacked(content: bytes, digest: str) -> tuple[str, bytes] | None:
    """The symbol and the object in a file's content, if every byte of it is the one that was written for this key."""
    head, body = content[: len(FORMAT) + DIGEST + 1], content[len(FORMAT) + DIGEST + 1 :]
    if head != FORMAT + hashlib.sha256(body).hexdigest().encode() + b"\n" or body[:DIGEST] != digest.encode():
        return None
    _, symbol, data = body.split(b"\n", 2)
    return symbol.decode(), data


def _read(path: Path) -> bytes:
    """The file's content; nothing if it is missing, too large, no plain file or somebody else's."""
    with suppress(OSError), open(path, "rb", opener=lambda name, flags: os.open(name, flags | _OPEN_SAFELY)) as file:
        about = os.fstat(file.fileno())
        if stat.S_ISREG(about.st_mode) and _is_mine(about) and about.st_size <= LARGEST_FILE:
            content = file.read(LARGEST_FILE + 1)
            with suppress(OSError):
                os.utime(path)  # what is read stays longest
            return content
    return b""


def _write(path: Path, content: bytes) -> None:
    """Put a file in its place at once. That it fails (disk full, read-only) is no error: the code is in memory."""
    if len(content) > LARGEST_FILE:
        return
    with suppress(OSError):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=".tmp")  # mode 0600
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            with suppress(OSError):
                path.rmdir()  # an empty folder there would refuse to be replaced
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _trim(path.parent)


def _trim(place: Path) -> None:
    """Remove the files that were not used for longest, beyond a number and a size, and what dead processes left."""
    with os.scandir(place) as entries:
        ours = [e for e in entries if _OURS.fullmatch(e.name) and e.is_file(follow_symlinks=False)]
    files = sorted(((e.stat(follow_symlinks=False), Path(e.path)) for e in ours), key=lambda f: -f[0].st_mtime)
    size = 0
    for count, (about, path) in enumerate(files, start=1):
        size += about.st_size
        abandoned = path.suffix == ".tmp" and about.st_mtime < time.time() - ABANDONED
        if count > MOST_FILES or size > MOST_BYTES or abandoned:
            path.unlink(missing_ok=True)

"""Imports go one way: a floor may import what stands below it, never what stands above."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import thalweg
from thalweg.surfaces import SURFACES

SOURCE = Path(thalweg.__file__).parent
FLOORS = {
    "errors": 0,
    "version": 0,
    "colours": 0,
    "formula": 0,
    "rules": 1,
    "surfaces": 1,
    "schedules": 1,
    "compile": 2,
    "sweep": 3,
    "port": 3,
    "frameworks": 4,
    "torch": 5,
    "optax": 5,
    "keras": 5,
    "state": 5,
    "draw": 5,
    "watch": 5,
    "playground": 6,
    "lab": 6,
    "bench": 6,
    "claims": 7,
    "advise": 8,
    "report": 9,
    "commands": 10,
    "notebook": 10,
    "cli": 11,
    "__init__": 12,
}
# Which packages from outside a part may import; everything may import the standard library.
OUTSIDE = {
    "errors": set(),
    "version": set(),
    "colours": set(),
    "formula": set(),
    "rules": set(),
    "surfaces": set(),
    "schedules": set(),
    "compile": {"numpy", "numba", "llvmlite"},
    "sweep": {"numpy", "torch"},
    "port": set(),
    "frameworks": {"numpy", "torch", "jax", "optax", "keras", "safetensors", "ml_dtypes"},
    "torch": set(),
    "optax": set(),
    "keras": {"keras"},
    "state": {"numpy"},
    "draw": {"numpy", "matplotlib", "mpl_toolkits", "PIL", "imageio_ffmpeg"},
    "watch": {"numpy", "torch", "keras", "lightning", "transformers", "tensorboard"},
    "playground": {"latex2mathml"},
    "lab": {"numpy", "torch", "sklearn", "scipy", "optuna", "threadpoolctl", "gymnasium", "pyarrow"}
    | {"ray", "cloudpickle", "tensorboard", "trackio", "wandb"},
    "claims": {"numpy", "torch", "scipy", "sklearn"},
    "advise": {"torch"},
    "bench": {"numpy", "torch"},
    "report": {"rich", "altair", "vl_convert"},
    "commands": {"typer", "rich"},
    "notebook": {"torch", "cloudpickle"},
    "cli": {"typer"},
    "__init__": set(),
}
FILES = sorted(SOURCE.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_down(path: Path) -> None:
    part = part_of(path)
    for name in imports_of(path):
        top, _, rest = name.partition(".")
        if top == "thalweg":
            imported = rest.partition(".")[0]
            floor = FLOORS.get(imported, 12)
            assert floor <= FLOORS[part], f"{path}: {part} imports {name}, which stands above it"
        elif top not in sys.stdlib_module_names:
            assert top in OUTSIDE[part], f"{path}: {part} may not import {top}"


def test_the_catalogue_and_the_folder_agree() -> None:
    """One file and one line of the list per rule, nothing else."""
    files = {path.stem for path in (SOURCE / "rules").glob("*.py")}
    assert files - {"__init__", "around", "decay", "excluded", "hyper", "peers", "setting"} == set(thalweg.RULES)


def test_the_surfaces_and_their_folder_agree() -> None:
    files = {path.stem for path in (SOURCE / "surfaces").glob("*.py")}
    assert files - {"__init__", "parsed"} == set(SURFACES)


def test_report_reads_tables_only() -> None:
    for path in (SOURCE / "report").glob("*.py"):
        own = {name for name in imports_of(path) if name.startswith("thalweg.")}
        tables = ("thalweg.colours", "thalweg.lab.table", "thalweg.lab.document", "thalweg.bench.table")
        tables += ("thalweg.watch.figure", "thalweg.watch.alarms", "thalweg.claims.table", "thalweg.advise.table")
        assert all(name.startswith(("thalweg.report", *tables)) for name in own), path


def test_one_framework_and_one_backend_library_per_file() -> None:
    libraries = {"torch", "jax", "optax", "keras"}
    for file in (SOURCE / "frameworks").rglob("*.py"):
        used = {name.partition(".")[0] for name in imports_of(file)} & libraries
        used -= {"jax"} if "optax" in used else set()  # Optax is written in JAX: the two are one framework
        assert len(used) <= 1, file
    for file in (SOURCE / "compile").glob("*.py"):
        used = {name.partition(".")[0] for name in imports_of(file)} & {"numpy", "numba", "triton"}
        assert len(used) <= 1, file


def test_compile_names_no_rule() -> None:
    for file in (SOURCE / "compile").glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        docstrings = {
            id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                assert node.value not in thalweg.RULES, f"{file}: {node.value}"


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import thalweg", ("torch", "numba", "numpy", "rich", "altair")),
        ("import thalweg.report.page, thalweg.report.terminal, thalweg.report.bench", ("torch", "numba")),
        ("import thalweg.lab.store, thalweg.lab.table", ("torch",)),
        ("import thalweg.torch", ("numba", "llvmlite", "torch._dynamo")),
        ("import thalweg.optax", ("torch", "numba", "keras", "flax")),
        ("import thalweg.keras", ("thalweg.torch", "thalweg.optax", "optax", "numba", "llvmlite")),
        ("import thalweg.cli", ("torch", "numba", "altair")),
    ],
)
def test_importing_is_cheap(statement: str, absent: tuple[str, ...]) -> None:
    check = f"import sys; {statement}; print([n for n in {absent!r} if n in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"

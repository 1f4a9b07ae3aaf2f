"""`thalweg draw` as a user meets it: files, defaults, and bad input, refused in a sentence with nothing written."""

import builtins
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from thalweg import cli
from thalweg.commands.drawing import Asked, columns
from thalweg.draw import save
from thalweg.draw.rates import GRID_TEXT
from thalweg.errors import InputError
from thalweg.surfaces import SURFACES

ARTICLE = "sgd,momentum:rho=0.95,nesterov:mu=0.95,adagrad,rmsprop:beta=0.9,adadelta:rho=0.9,adam"
SURFACE = """
from thalweg.formula.surface import surface

@surface("mine", minima=((0.0, 0.0),), window=((-1, 1), (-1, 1)), starts=((0.5, 0.5),))
def bowl(x, y):
    return x**2 + 3 * y**2
"""
ANOTHER = SURFACE[SURFACE.index("@") :].replace("bowl", "cup")
ONE_DIMENSION = SURFACE.replace("(x, y)", "(x)").replace(" + 3 * y**2", "")
BRANCHES = SURFACE.replace("x**2 + 3 * y**2", "x if x > 0 else y")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ending:
        cli.main(["draw", *arguments])
    return int(ending.value.code or 0)


def asked(**options) -> Asked:
    usual = {"function": None, "file": None, "start": None, "window": None, "steps": 3, "noise": 0.0, "seed": 0}
    return Asked(**{"surface": "saddle", **usual, "rules": None, "lr": None, "view": "path", **options})


def settings(**options) -> dict[str, str]:
    return {d.contender.label: d.contender.settings for d in columns(asked(**options))[0].scene.descents}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


BAD = [
    ("sadle", "did you mean 'saddle'"),
    ("", "expected one of SURFACE, --function and --file, got none"),
    ("saddle --function x", "got SURFACE and --function"),
    ("--function x --file one.py", "got --function and --file"),
    ("--function x+", "at column 3, got the end"),
    ("--function 1e300*x", "expected a value of at most 1e+200 at the start"),
    ("--function x+z", "at column 3, got 'z'"),
    ("--function log(x) --start -1,0", "expected a finite value at the start"),
    ("--function sqrt(x) --start 0,0", "expected a derivative at the start"),
    ("--function sqrt(x*x+y*y) --start 0,0 --noise 1", "expected a derivative at the start"),
    ("--function abs(x)+y**2 --start 0,1", "expected a derivative at the start"),
    ("--function max(x,y) --start 1,1", "expected a derivative at the start"),
    ("--function sign(y) --start 1,0", "expected a derivative at the start"),
    ("saddle --window 1,1,0,2", "ends of x rise"),
    ("saddle --window 0,1,2,1", "ends of y rise"),
    ("saddle --window 1,2", "expected --window x0,x1,y0,y1"),
    ("saddle --window a,b,c,d", "expected --window x0,x1,y0,y1"),
    ("saddle --window -inf,1,0,1", "expected --window x0,x1,y0,y1"),
    ("saddle --window -1e308,1e308,0,1", "at most 1e+100 apart"),
    ("saddle --window 1,1.0000000000000002,0,1", "can be told apart"),
    ("saddle --start 7,0", "expected a start inside the window"),
    ("saddle --start 0.5", "expected --start x,y"),
    ("saddle --start nan,0", "expected --start x,y"),
    ("saddle --steps 0", "expected 1 to 100,000 steps, got 0"),
    ("saddle --steps -1", "expected 1 to 100,000 steps, got -1"),
    ("saddle --steps 100000000", "expected 1 to 100,000 steps"),
    ("saddle --rules nothing", "there is no optimizer 'nothing'"),
    ("saddle --rules ,", "got an empty one"),
    ("saddle --rules adam,adam", "expected every rule once, got 'Adam lr 0.05' twice"),
    ("saddle --rules adam:gamma=1", "has no hyperparameter 'gamma'"),
    ("saddle --rules adam:lr=0", "must be above 0"),
    ("saddle --rules adam:lr=linear(0.1,-0.1,50)", "in step 27 of its schedule"),
    ("saddle --rules adam@5/sgd", "expected rules that do not change on the way"),
    ("saddle --rules missing.py", "there is no file 'missing.py'"),
    ("saddle --lr 0", "expected a learning rate above 0"),
    ("saddle --lr fast", "expected a learning rate above 0"),
    ("saddle --lr inf", "expected a learning rate above 0"),
    ("saddle --lr 0.1,0.2", "expected one learning rate for --view path"),
    ("saddle --view steps --lr 1,2,1", "expected every learning rate once"),
    ("saddle --view steps --lr 1,2,3,4,5,6,7", "expected at most 6 learning rates"),
    ("saddle --lr best", "expected a surface with a minimum"),
    ("saddle --view above", "there is no view 'above'"),
    ("saddle --noise -1", "expected noise"),
    ("saddle --seed -1", "expected a seed"),
    ("saddle --frames 3", "expected --frames with .gif and .mp4 only"),
    ("saddle --frames 0 -o x.gif", "expected 1 to 2,000 frames, got 0"),
    ("saddle --frames 3000 -o x.gif", "expected 1 to 2,000 frames"),
    ("saddle --view steps -o x.mp4", "which does not move"),
    ("saddle -o x.jpg", "ends in .png, .svg, .gif or .mp4"),
    ("saddle -o none/x.png", "expected a folder at 'none'"),
    ("saddle -o folder.png", "expected a file to write, got the folder"),
    ("one.py", "write --file one.py"),
    ("--file missing.py", "there is no file 'missing.py'"),
    ("--file empty.py", "expected one surface in 'empty.py', got none"),
    ("--file two.py", "got bowl, cup"),
    ("--file ends.py", "cannot be loaded (SystemExit: 3)"),
    ("--file line.py", "must take (x, y), got (x): a picture has two dimensions"),
    ("--file branches.py", "cannot branch on a symbol"),
]


@pytest.mark.parametrize(("arguments", "sentence"), BAD, ids=[arguments or "nothing" for arguments, _ in BAD])
def test_bad_input_is_one_sentence(
    arguments: str, sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"one.py": SURFACE, "empty.py": "x = 1", "two.py": SURFACE + ANOTHER}
    files["ends.py"] = "raise SystemExit(3)"
    for name, text in {**files, "line.py": ONE_DIMENSION, "branches.py": BRANCHES}.items():
        (folder / name).write_text(text)
    (folder / "folder.png").mkdir()
    before = sorted(folder.rglob("*"))
    assert run(*arguments.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert sentence in said.err
    assert [path for path in sorted(folder.rglob("*")) if "__pycache__" not in path.parts] == before


def test_the_default_file_and_the_same_bytes_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plateau", "--steps", "5", "--rules", "sgd,adam") == 0
    assert capsys.readouterr().out.strip() == "thalweg-out/plateau.png"
    first = (folder / "thalweg-out/plateau.png").read_bytes()
    assert run("plateau", "--steps", "5", "--rules", "sgd,adam", "-o", "again.PNG") == 0
    assert (folder / "again.PNG").read_bytes() == first
    assert not [path for path in folder.rglob(".*") if path.is_file()]


def test_a_view_is_part_of_the_default_files_name(folder: Path) -> None:
    assert run("--function", "x^2 + 10*sin(y)", "--view", "steps", "--steps", "4", "--rules", "sgd") == 0
    assert (folder / "thalweg-out/function-steps.png").is_file()


def test_an_animation_is_written(folder: Path) -> None:
    assert run("saddle", "--steps", "4", "--rules", "sgd", "--frames", "2", "-o", "moving.gif") == 0
    assert (folder / "moving.gif").read_bytes().startswith(b"GIF")


def test_a_file_of_ones_own_and_its_best_rate(folder: Path) -> None:
    (folder / "mine.py").write_text(SURFACE)
    (column,) = columns(asked(surface=None, file=Path("mine.py"), lr="best", rules="sgd,adam:lr=0.3", steps=20))
    sgd, adam = column.scene.descents
    assert column.scene.surface.name == "bowl"
    assert adam.contender.settings == "lr 0.3"
    assert 0.1 < sgd.contender.setting.hyper["lr"] < 0.5
    assert sgd.values[-1] < 1e-4
    assert column.scene.remark == GRID_TEXT


def test_usual_rules_at_declared_rates() -> None:
    slow, fast = (f"lr {rate:g}" for rate in SURFACES["saddle"].rates)
    assert settings() == {
        **dict.fromkeys(("SGD", "Momentum", "Nesterov"), slow),
        **dict.fromkeys(("AdaGrad", "RMSProp", "Adam"), fast),
        "AdaDelta": "lr 1",
    }
    assert set(settings(lr="0.3").values()) == {"lr 0.3"}


def test_rates_and_settings_that_were_asked_for_win_and_are_told() -> None:
    found = settings(rules="adam:lr=0.3,beta1=0.9,sgd:momentum=0.5,l2(adam),adamw:lr=cosine(0.1)", lr="0.7", steps=40)
    assert found == {
        "Adam": "lr 0.3, beta1 0.9",
        "Momentum": "lr 0.7, rho 0.5",
        "l2(adam)": "lr 0.7",
        "adamw": "lr cosine(0.1, 40)",
    }
    keras = settings(rules="sgd:dialect=keras,learning_rate=0.25")
    assert keras == {"SGD": "lr 0.25"}


def test_rules_of_one_name_are_told_apart() -> None:
    assert list(settings(rules="adam,adam:lr=0.3,sgd")) == ["Adam lr 0.05", "Adam lr 0.3", "SGD"]


def test_steps_has_a_column_for_each_rate() -> None:
    three = columns(asked(view="steps"))
    assert [c.scene.descents[0].contender.setting.hyper["lr"] for c in three] == pytest.approx([0.01 / 3, 0.01, 0.03])
    article = columns(asked(view="steps", lr="0.001,0.01,0.1", rules=ARTICLE))
    assert [c.title for c in article] == ["lr 0.001", "lr 0.01", "lr 0.1"]
    assert article[0].entries == ("", "rho 0.95", "mu 0.95", "", "beta 0.9", "rho 0.9", "")
    assert {d.contender.setting.hyper["lr"] for d in article[2].scene.descents} == {0.1}
    assert [c.title for c in columns(asked(view="steps", lr="0.2"))] == ["lr 0.02", "lr 0.2", "lr 2"]


def test_columns_scale_every_rate_also_one_that_was_asked_for() -> None:
    given = columns(asked(view="steps", rules="adam:lr=0.12345,adam:lr=0.12346,sgd:lr=linear(0.1,0.2,3)"))
    rates = [[d.contender.setting.hyper["lr"] for d in c.scene.descents] for c in given]
    assert [row[0] for row in rates] == pytest.approx([0.04115, 0.12345, 0.37035])
    assert [row[2](2) for row in rates] == pytest.approx([rates[1][2](2) * factor for factor in (1 / 3, 1, 3)])
    assert given[1].entries == ("lr 0.12345", "lr 0.12346", "lr linear(0.1, 0.2, 3)")


def test_noise_start_and_window() -> None:
    (column,) = columns(asked(noise=0.5, seed=4, window="-1,2,-1,1", rules="sgd"))
    assert (column.scene.surface.noise, column.scene.surface.seed) == (0.5, 4)
    assert column.scene.start == (1.0, -0.2)  # the first of the surface's starts that the window shows
    quiet = columns(asked(window="-1,2,-1,1", rules="sgd"))[0].scene.descents[0]
    assert (column.scene.descents[0].points[1:] != quiet.points[1:]).all()


def test_a_missing_package_names_its_extra(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    really = builtins.__import__

    def missing(*hidden: str):
        def importing(name: str, *rest, **more):
            if name.partition(".")[0] in hidden:
                raise ModuleNotFoundError(f"No module named '{name}'", name=name)
            return really(name, *rest, **more)

        return importing

    for package, ending, extra in (("matplotlib", "png", "draw"), ("imageio_ffmpeg", "mp4", "video")):
        monkeypatch.setattr(builtins, "__import__", missing(package))
        assert run("saddle", "--rules", "sgd", "--steps", "2", "-o", f"x.{ending}") == 2
        assert f"pip install 'thalweg[{extra}]'" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_what_fails_leaves_nothing_behind(folder: Path) -> None:
    def fail() -> None:
        with save.being_written(folder / "x.png") as temporary:
            temporary.write_bytes(b"half")
            raise InputError("no")

    with pytest.raises(InputError):
        fail()
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_an_animation_that_is_interrupted_leaves_nothing(folder: Path) -> None:
    command = [sys.executable, "-m", "thalweg.cli", "draw", "rosenbrock", "--steps", "2000", "--frames", "2000"]
    process = subprocess.Popen([*command, "-o", "x.gif"], stderr=subprocess.PIPE, text=True, start_new_session=True)
    while process.poll() is None and not any(file.stat().st_size > 10_000 for file in folder.iterdir()):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=100)
    assert (process.returncode, said) == (cli.INTERRUPTED, "thalweg: interrupted\n")
    assert list(folder.iterdir()) == []


def test_a_backend_that_matplotlib_does_not_know_is_one_sentence(folder: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "thalweg.cli", "draw", "saddle", "--rules", "sgd", "-o", "x.png"]
    environment = {"MPLBACKEND": "nonsense", "PATH": "", "HOME": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100)
    assert done.returncode == 2
    assert "expected settings with which matplotlib starts" in done.stderr
    assert not (folder / "x.png").exists()

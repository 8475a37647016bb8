"""What set-up says when something is missing: one line that tells what to do, and status 1."""

import ast
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import setup_venv

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tools/setup_venv.py"


def run(*arguments: str, python: str = sys.executable, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run set-up as make does."""
    environment = {**os.environ, **variables}
    return subprocess.run([python, SCRIPT, *arguments], capture_output=True, text=True, env=environment, timeout=120)


def must_not_be_called(*_arguments: object) -> None:
    pytest.fail("nothing was to be installed")


@pytest.fixture
def venv(tmp_path: Path) -> str:
    return str(tmp_path / "venv")


@pytest.fixture
def quick_venv(venv: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place where an environment is made without its pip, which takes seconds, and where nothing is installed."""

    def make(venv: str) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        next(Path(venv).rglob("site-packages")).joinpath("pip.py").touch()

    monkeypatch.setattr(setup_venv, "make_venv", make)
    monkeypatch.setattr(setup_venv, "install", fake_install)
    return venv


def fake_install(venv: str, extras: list[str]) -> None:
    Path(venv, "installed").write_text(",".join(extras))


def test_an_old_python_can_read_the_script():
    ast.parse(SCRIPT.read_text(), feature_version=(3, 6))


def test_an_old_python_is_named():
    with pytest.raises(setup_venv.SetupError, match=r"Python 3\.9 .* is too old: install Python 3\.11 or newer"):
        setup_venv.check_python((3, 9, 18))
    setup_venv.check_python((3, 11, 0))
    setup_venv.check_python((3, 14, 0))


def test_an_old_python_gets_one_line_and_no_folder(tmp_path: Path):
    candidates = filter(None, (shutil.which(f"python3.{minor}") for minor in range(6, 11)))
    works = (path for path in candidates if subprocess.run([path, "-c", ""], capture_output=True).returncode == 0)
    old = next(works, None)
    if old is None:
        pytest.skip("no older Python is installed here")
    done = run("--venv", str(tmp_path / "venv"), python=old)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "is too old" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_python_without_ensurepip_is_told_which_package_has_it():
    with pytest.raises(setup_venv.SetupError, match=r"no module 'no_such_module'.*apt-get install python3\.\d+-venv"):
        setup_venv.check_modules(("venv", "no_such_module"))


def test_an_unreachable_index_is_one_line(venv: str):
    # port 9 discards; nothing listens there, so pip is refused at once, as on a machine without a network
    done = run(
        "--venv",
        venv,
        PIP_CONFIG_FILE=os.devnull,
        PIP_INDEX_URL="http://127.0.0.1:9/simple",
        PIP_EXTRA_INDEX_URL="",
        PIP_FIND_LINKS="",
        PIP_RETRIES="0",
        PIP_DEFAULT_TIMEOUT="2",
        PIP_NO_CACHE_DIR="1",
    )
    assert done.returncode == 1
    assert done.stderr == (
        "set-up: pip cannot reach its package index: check the network (and the proxy, if any) and try again.\n"
    )
    assert setup_venv.read_stamp(venv)["fingerprint"] is None


def test_a_full_disk_is_seen_before_anything_is_made(venv: str, monkeypatch: pytest.MonkeyPatch, capsys):
    usage = shutil.disk_usage(ROOT)._replace(free=500_000_000)
    monkeypatch.setattr(setup_venv.shutil, "disk_usage", lambda _: usage)
    assert setup_venv.main(["--venv", venv]) == 1
    error = capsys.readouterr().err
    assert error.startswith("set-up: 0.5 GB are free in ") and error.count("\n") == 1
    assert not os.path.exists(venv)


def test_a_disk_that_fills_up_while_pip_works_is_named():
    output = (
        "Installing collected packages: torch\nERROR: Could not install packages: [Errno 28] No space left on device"
    )
    assert setup_venv.explain(output, "log").startswith("the disk is full")


def test_another_failure_of_pip_shows_its_last_error_and_the_log():
    output = "Collecting torch\nERROR: No matching distribution found for torch==2.13.0\nmore"
    expected = "ERROR: No matching distribution found for torch==2.13.0 (all of it: setup.log)"
    assert setup_venv.explain(output, "setup.log") == expected


def test_a_folder_that_cannot_be_written_is_named(venv: str, monkeypatch: pytest.MonkeyPatch, capsys):
    def refuse(**_keywords: object) -> None:  # permissions do not bind root, who may be running the tests
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(setup_venv.tempfile, "mkstemp", refuse)
    assert setup_venv.main(["--venv", venv]) == 1
    error = capsys.readouterr().err
    assert "cannot write in" in error and "Permission denied" in error and error.count("\n") == 1


def test_a_folder_that_is_no_environment_is_left_alone(venv: str, capsys):
    Path(venv).mkdir()
    Path(venv, "thesis.txt").write_text("three years")
    assert setup_venv.main(["--venv", venv]) == 1
    assert "exists and is not a Python environment" in capsys.readouterr().err
    assert Path(venv, "thesis.txt").read_text() == "three years"


def test_the_second_time_nothing_is_done(quick_venv: str, monkeypatch: pytest.MonkeyPatch):
    assert setup_venv.main(["--venv", quick_venv, "--extra", "dev"]) == 0
    assert Path(quick_venv, "installed").read_text() == "dev"
    monkeypatch.setattr(setup_venv, "install", must_not_be_called)
    assert setup_venv.main(["--venv", quick_venv, "--extra", "dev"]) == 0
    assert setup_venv.main(["--venv", quick_venv]) == 0


def test_a_new_extra_is_installed(quick_venv: str):
    assert setup_venv.main(["--venv", quick_venv]) == 0
    assert Path(quick_venv, "installed").read_text() == ""
    assert setup_venv.main(["--venv", quick_venv, "--extra", "dev"]) == 0
    assert Path(quick_venv, "installed").read_text() == "dev"


def test_extras_stay_when_the_requirements_change(quick_venv: str, monkeypatch: pytest.MonkeyPatch):
    assert setup_venv.main(["--venv", quick_venv, "--extra", "dev"]) == 0
    monkeypatch.setattr(setup_venv, "fingerprint", lambda _: "another")
    Path(quick_venv, "installed").unlink()
    assert setup_venv.main(["--venv", quick_venv]) == 0
    assert Path(quick_venv, "installed").read_text() == "dev"


def test_a_failure_leaves_no_stamp(quick_venv: str, monkeypatch: pytest.MonkeyPatch, capsys):
    def fail(_venv: str, _extras: list[str]) -> None:
        raise setup_venv.SetupError("no network")

    monkeypatch.setattr(setup_venv, "install", fail)
    assert setup_venv.main(["--venv", quick_venv]) == 1
    assert capsys.readouterr().err == "set-up: no network\n"
    assert setup_venv.read_stamp(quick_venv) == {"fingerprint": None, "extras": []}
    assert setup_venv.is_usable(quick_venv)  # nothing was changed yet, so the next try need not begin anew


def test_a_set_up_that_broke_off_is_made_anew(venv: str, monkeypatch: pytest.MonkeyPatch):
    Path(venv).mkdir()
    for name in ("pyvenv.cfg", setup_venv.MARKER, "half"):
        Path(venv, name).touch()
    assert not setup_venv.is_usable(venv)
    monkeypatch.setattr(setup_venv, "install", fake_install)
    assert setup_venv.main(["--venv", venv]) == 0
    assert setup_venv.is_usable(venv) and not Path(venv, "half").exists()


def test_an_interruption_is_one_line(quick_venv: str, monkeypatch: pytest.MonkeyPatch, capsys):
    def interrupt(_venv: str, _extras: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(setup_venv, "install", interrupt)
    assert setup_venv.main(["--venv", quick_venv]) == 130
    assert "run the same command again" in capsys.readouterr().err


def test_pip_marks_when_it_begins_to_change_the_environment(tmp_path: Path):
    marker = tmp_path / "marker"
    with open(tmp_path / "log", "w") as log:
        setup_venv.follow(["Collecting torch\n", "Downloading torch\n"], log, str(marker))
        assert not marker.exists()
        tail = setup_venv.follow(["Installing collected packages: torch\n"], log, str(marker))
    assert marker.exists() and tail == "Installing collected packages: torch\n"


def test_two_set_ups_at_once_are_refused():
    fcntl = pytest.importorskip("fcntl")
    with open(SCRIPT, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pytest.skip("a set-up is at work just now")
        with pytest.raises(setup_venv.SetupError, match="another set-up is at work"), setup_venv.alone():
            pass
    with setup_venv.alone():
        pass


def test_the_torch_index_is_added(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TORCH_INDEX", "http://torch.invalid/cpu")
    assert setup_venv.pip_command("venv", ["dev"])[-4:] == [
        "-e",
        ".[dev]",
        "--extra-index-url",
        "http://torch.invalid/cpu",
    ]
    monkeypatch.delenv("TORCH_INDEX")
    assert setup_venv.pip_command("venv", [])[-4:] == ["-c", "requirements.lock", "-e", "."]

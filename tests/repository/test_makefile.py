"""What make would run; nothing is run."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, capture_output=True, text=True, env={**environment, **variables}
    )


def test_make_alone_lists_every_command():
    listed = re.findall(r"^(\S+)", make().stdout, flags=re.MULTILINE)
    assert listed == [
        "help",
        "lab",
        "test",
        "lint",
        "notebooks",
        "badges",
        "release",
        "course",
        "site",
        "picture",
        "bench",
        "tables",
        "pretrained",
        "lock",
        "clean",
    ]


def test_lab_sets_up_and_opens_the_first_page_on_this_machine_only():
    plan = make("-n", "lab", PYTHON="python3.11", LAB_ARGS="--no-browser").stdout
    assert "python3.11 tools/setup_venv.py\n" in plan
    lab = plan[plan.index("jupyter lab") :]
    assert "--ServerApp.ip=127.0.0.1" in lab
    assert "/lab/tree/00_start_here.ipynb" in lab
    assert lab.strip().endswith("--no-browser")
    assert "token" not in lab.lower()  # JupyterLab makes one; nothing here may switch it off
    assert ("--allow-root" in lab) == (os.getuid() == 0)


def test_test_sets_up_the_test_extras():
    plan = make("-n", "test", PYTHON="python3.11", TEST_ARGS="tests/repository").stdout
    assert "python3.11 tools/setup_venv.py --extra dev\n" in plan
    assert plan.strip().endswith("python -m pytest tests/repository")


def test_all_tests_run_two_at_a_time_but_for_those_in_the_browser():
    plan = make("-n", "test").stdout
    assert '-m pytest -n 2 --dist loadfile -m "not browser"\n' in plan
    assert "-m pytest -m browser" in plan.splitlines()[-1]


def test_every_benchmark_and_only_the_tables_asked_for_are_made():
    plan = make("-n", "bench").stdout
    names = re.search(r"for name in (.*?); do", plan).group(1).split()
    assert "matrix_game_costs" in names and "python benchmarks/$name.py" in plan
    assert all((ROOT / f"benchmarks/{name}.py").is_file() for name in names)
    assert make("-n", "tables", TABLES="one two").stdout.strip().endswith("python benchmarks/tables.py one two")


def test_a_python_that_is_not_there_is_one_line():
    done = make("lab", PYTHON="no-such-python")
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(lines) == 1 and lines[0].startswith("set-up: no 'no-such-python' found: install Python 3.11")


def test_continuous_integration_tests_with_a_browser():
    script = (ROOT / ".ci/run").read_text()
    assert "set -euo pipefail" in script and "export CI=true" in script and "make lint test" in script
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert subprocess.run(["bash", "-n", ROOT / ".ci/run"]).returncode == 0


def test_badges_takes_the_repository():
    plan = make("-n", "badges", "REPOSITORY=octocat/a-course").stdout
    assert plan.strip().endswith("python tools/badges.py octocat/a-course")

"""Importing SMAX prints nothing, and leaves a notebook's output where it was."""

import subprocess
import sys

PROGRAM = """
import io, sys
out, err = sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
{before}
import qmix_edu.envs.smax
print("seen")
sys.exit(0 if sys.stdout is out and sys.stderr is err and out.getvalue() == "seen\\n" else 3)
"""


def exit_status(before: str) -> int:
    return subprocess.run([sys.executable, "-c", PROGRAM.format(before=before)], capture_output=True).returncode


def test_the_import_leaves_stdout_and_stderr_alone():
    assert exit_status(before="") == 0


def test_sharing_memory_that_must_not_be_written_to_warns_nobody():
    program = "import qmix_edu; qmix_edu.make_env('smax/3m', 4).reset()"
    warning = "error:The given NumPy array is not writable"
    assert subprocess.run([sys.executable, "-W", warning, "-c", program], capture_output=True).returncode == 0


def test_jaxmarl_by_itself_does_not():
    assert exit_status(before="import jaxmarl.environments.smax") == 3

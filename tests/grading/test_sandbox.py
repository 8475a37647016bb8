"""What a process in the sandbox can do, tried from inside; no library is imported there, so it starts at once."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from qmix_edu.grading import sandbox
from qmix_edu.grading.sandbox import ANSWER_BYTES, Ended, Limits, run, without_sandbox


def execute(wall, code: str, task: bytes = b"", stop=None, **limits) -> Ended:
    return run(wall([sys.executable, "-S", "-c", code]), task, Limits(**limits), stop or threading.Event())


def test_the_task_goes_in_and_the_answer_comes_out(any_wall):
    code = "import os, sys; print('said'); os.write(int(sys.argv[1]), sys.stdin.buffer.read()[::-1])"
    assert execute(any_wall, code, b"abc") == Ended(0, "said\n", b"cba")


def test_much_output_neither_blocks_nor_fills_anything(any_wall):
    code = "import os, sys\nfor _ in range(1000): os.write(1, b'x' * 100_000)\nos.write(int(sys.argv[1]), b'done')"
    ended = execute(any_wall, code, printed_bytes=10)
    assert ended == Ended(0, "x" * 10, b"done")


def test_an_answer_is_read_no_further_than_its_limit(any_wall):
    ended = execute(any_wall, "import os, sys\nfor _ in range(20): os.write(int(sys.argv[1]), b'x' * 50_000)")
    assert len(ended.answer) == ANSWER_BYTES + 1


@pytest.mark.parametrize("code", ["while True: pass", "import os\nwhile True: os.write(1, b'x' * 9999)"])
def test_an_endless_loop_is_stopped(any_wall, code):
    began = time.monotonic()
    assert execute(any_wall, code, seconds=0.5).status is None
    assert time.monotonic() - began < 20


def test_stop_ends_what_runs(any_wall):
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    assert execute(any_wall, "import time; time.sleep(100)", stop=stop, seconds=100.0).status is None


def test_no_child_survives(any_wall, tmp_path):
    """The child's sleep has a length of its own, by which it would be found in the list of processes."""
    length = f"{10_000 + os.getpid() + int(tmp_path.stat().st_mtime * 1000) % 997}.5"
    code = f"import subprocess; subprocess.Popen(['sleep', '{length}']); print('started')"
    ended = execute(any_wall, code, seconds=20.0)
    assert ended.printed.startswith("started")
    time.sleep(0.2)
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [command for command in commands if command == f"sleep\0{length}\0".encode()]


@pytest.mark.parametrize(
    "place", ["/x", "/dev/x", "/dev/shm/x", "/usr/x", f"{sandbox.ROOT}/qmix_edu/x", f"{sys.prefix}/x"]
)
def test_nothing_can_be_written_but_tmp(walled, place):
    assert "OSError: [Errno 30]" in execute(walled, f"open({place!r}, 'w')").printed
    assert not Path(place).exists()


def test_tmp_is_small_and_gone_afterwards(walled):
    code = "with open('/tmp/qmix-edu-big', 'wb') as file:\n    while True: file.write(bytes(1_000_000))"
    assert "No space left" in execute(walled, code).printed
    assert not Path("/tmp/qmix-edu-big").exists()


def test_files_outside_cannot_be_seen_or_deleted(walled, tmp_path):
    kept = tmp_path / "kept.txt"
    kept.write_text("kept")
    code = f"""
import os, shutil
for folder in ("/home", "/root", "/tmp", {str(tmp_path)!r}, {str(sandbox.ROOT)!r}, os.path.expanduser("~"), "/etc"):
    shutil.rmtree(folder, ignore_errors=True)
secret = ({str(kept)!r}, "{sandbox.ROOT}/notebooks", "{sandbox.ROOT}/tests", "/etc/passwd")
print([path for path in secret if os.path.exists(path)])
"""
    assert execute(walled, code).printed == "[]\n"
    assert kept.read_text() == "kept" and (sandbox.ROOT / "qmix_edu/cli.py").exists()


def test_there_is_no_network(walled):
    code = "import socket\nprint(socket.if_nameindex())\nsocket.create_connection(('192.0.2.1', 80), timeout=5)"
    printed = execute(walled, code).printed
    assert "Network is unreachable" in printed and "[(1, 'lo')]\n" in printed


def test_other_processes_and_the_environment_are_hidden(walled, monkeypatch):
    monkeypatch.setenv("QMIX_EDU_SECRET", "a password")
    code = f"import os\nprint('QMIX_EDU_SECRET' in os.environ, os.getpid() < 10)\nos.kill({os.getpid()}, 0)"
    printed = execute(walled, code).printed
    assert "False True\n" in printed and "ProcessLookupError" in printed


def test_the_environment_is_hidden_without_a_sandbox_too(monkeypatch):
    monkeypatch.setenv("QMIX_EDU_SECRET", "a password")
    assert execute(without_sandbox, "import os; print('QMIX_EDU_SECRET' in os.environ)").printed == "False\n"


def test_a_missing_sandbox_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr(sandbox.shutil, "which", lambda _: None)
    with pytest.raises(
        ValueError, match=r"no sandbox: bubblewrap is not installed .*apt-get install bubblewrap"
    ) as error:
        sandbox.bubblewrap()
    assert "--without-sandbox" in str(error.value) and "\n" not in str(error.value)


def test_a_sandbox_that_does_not_work_is_refused(monkeypatch, tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sandbox, "ENVIRONMENT", {**sandbox.ENVIRONMENT, "PATH": str(tmp_path)})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="does not work here .bwrap: No permissions to create new namespace"):
        sandbox.bubblewrap()


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"seconds": 0.0}, "0 seconds; give more than 0"),
        ({"seconds": float("nan")}, "nan"),
        ({"seconds": float("inf")}, "at most 3600"),
        ({"memory_mb": 100}, "torch alone needs 500"),
        ({"memory_mb": 10**30}, "2000 is usual"),
    ],
)
def test_limits_that_nothing_can_keep_are_refused(limits, message):
    with pytest.raises(ValueError, match=message):
        Limits(**limits)

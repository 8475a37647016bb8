"""Runs one command on one input, with limits on time and output, and inside bubblewrap with nothing to reach."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

ANSWER_BYTES = 64_000
ROOT = Path(__file__).resolve().parents[2]
SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts")
SCRATCH_BYTES = 64_000_000
# Linux counts them for each user of a user namespace, so only inside the wall does this mean the student's alone
MOST_PROCESSES = "QMIX_EDU_MOST_PROCESSES"
HOMES = ("HOME", "TMPDIR", "MPLCONFIGDIR")
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "USER": "student",
    "PYTHONPATH": str(ROOT),
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MPLBACKEND": "agg",
    "QMIX_EDU_FAST": "1",
}


@dataclass(frozen=True)
class Limits:
    """What one exercise may use; ``memory_mb`` counts what it allocates, ``printed_bytes`` is how much is kept."""

    seconds: float = 60.0
    memory_mb: int = 2000
    printed_bytes: int = 4000

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= 3600:
            raise ValueError(f"An exercise may take {self.seconds:g} seconds; give more than 0, at most 3600.")
        if not 500 <= self.memory_mb <= 1_000_000:
            raise ValueError(f"An exercise may use {self.memory_mb} MB; torch alone needs 500, and 2000 is usual.")


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit status (None: stopped, its time was up), what it printed, what it answered."""

    status: int | None
    printed: str
    answer: bytes


def in_bubblewrap(command: Sequence[str]) -> list[str]:
    """Return the command walled in: the interpreter and the library to read, a small /tmp to write, no network.

    Every namespace is its own, so other processes cannot be seen; when the wrapper dies, all inside die.
    """
    packages = [ROOT / name for name in ("qmix_edu", "matrix_games")]
    installed = [Path(folder) for folder in sys.path if folder.endswith("-packages")]
    interpreter = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent]
    bound = {Path(path) for path in SYSTEM} | {*packages, *installed, *interpreter}
    outermost = sorted(path for path in bound if bound.isdisjoint(path.parents))
    wall = ["bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    wall += ["--proc", "/proc", "--dev", "/dev", "--size", str(SCRATCH_BYTES), "--tmpfs", "/tmp"]
    for path in outermost:
        wall += ["--ro-bind-try", str(path), str(path)]
    for name, value in {**dict.fromkeys(HOMES, "/tmp"), MOST_PROCESSES: "256"}.items():
        wall += ["--setenv", name, value]
    return [*wall, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp", "--", *command]


def without_sandbox(command: Sequence[str]) -> list[str]:
    """Return the command as it is: it may read and write what you may, and use the network."""
    return [*command]


def sandbox_problem() -> str | None:
    """Return why nothing can be walled in here, as one sentence; None if it can."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed (on Debian and Ubuntu: apt-get install bubblewrap)"
    probe = in_bubblewrap([sys.executable, "-S", "-c", "pass"])
    done = subprocess.run(probe, capture_output=True, text=True, env=ENVIRONMENT, timeout=60, check=False)
    if done.returncode == 0:
        return None
    last = (done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"])[-1]
    return f"bubblewrap is installed and does not work here ({last})"


def bubblewrap() -> Callable[[Sequence[str]], list[str]]:
    """Return ``in_bubblewrap`` where it works; raises ValueError, which says what to do, where it does not."""
    if problem := sandbox_problem():
        raise ValueError(
            f"There is no sandbox: {problem}. Without one a student's code can read, change and send what you can; "
            "if you trust it all, add --without-sandbox."
        )
    return in_bubblewrap


def run(command: Sequence[str], task: bytes, limits: Limits, stop: threading.Event) -> Ended:
    """Run a command: ``task`` on its standard input; its last argument is the number of the pipe for its answer.

    What it prints beyond the limit is read and thrown away, so that printing much neither blocks nor fills anything.
    When ``stop`` is set, it is killed as if its time were up.
    """
    with tempfile.TemporaryDirectory(prefix="qmix-edu-grade-") as folder, tempfile.TemporaryFile() as given:
        given.write(task)
        given.seek(0)
        readable, writable = os.pipe()
        with os.fdopen(readable, "rb", buffering=0) as answers:
            try:
                process = subprocess.Popen(
                    [*command, str(writable)],
                    stdin=given,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    bufsize=0,
                    pass_fds=(writable,),
                    start_new_session=True,
                    cwd=folder,
                    env={**ENVIRONMENT, **dict.fromkeys(HOMES, folder)},
                )
            finally:
                os.close(writable)
            return _watch(process, cast(BinaryIO, answers), limits, stop)


def _watch(process: subprocess.Popen[bytes], answers: BinaryIO, limits: Limits, stop: threading.Event) -> Ended:
    """Collect what comes out until the process ends or its time is up; leave nothing of it behind."""
    printed = cast(BinaryIO, process.stdout)
    kept = {printed: bytearray(), answers: bytearray()}
    most = {printed: limits.printed_bytes, answers: ANSWER_BYTES + 1}
    end = time.monotonic() + limits.seconds
    with printed, selectors.DefaultSelector() as selector:
        for pipe in kept:
            selector.register(pipe, selectors.EVENT_READ)
        while time.monotonic() < end and not stop.is_set():
            ready = selector.select(timeout=0.1)
            for key, _ in ready:
                pipe = cast(BinaryIO, key.fileobj)
                data = os.read(key.fd, 65536)
                kept[pipe] += data[: most[pipe] - len(kept[pipe])]
                if not data:
                    selector.unregister(pipe)
            if process.poll() is not None and not ready:
                break
        status = process.poll()
        _kill(process)
    text = kept[printed].decode("utf-8", errors="replace")
    return Ended(status, text, bytes(kept[answers]))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process with its whole group, also the children that it left behind."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()

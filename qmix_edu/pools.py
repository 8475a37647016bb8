"""Where the runs of a sweep are trained: in processes of this machine, or on a Ray cluster."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

import torch

from qmix_edu.runs import Run, RunBusyError

# A fork server has torch imported already, so that a process starts at once; Windows knows no such thing.
START_METHOD = "spawn" if sys.platform == "win32" else "forkserver"
PRELOADED = [__name__]
BUSY_SECONDS = 60.0  # how long the process of a sweep that was killed may take to notice and save
PATIENCE_SECONDS = 1800.0  # how long a process may log nothing before it is taken for hanging
_RETRIES_OF_RAY = 5


class Pool(Protocol):
    """Trains several runs at once."""

    def has_room(self) -> bool:
        """Whether one more run can be started now."""
        ...

    def start(self, folder: Path) -> None:
        """Begin to train and evaluate the run in a folder, from where it stands."""
        ...

    def ended(self, seconds: float) -> dict[Path, str | None]:
        """Wait up to some seconds; return the runs that have ended, each with what went wrong or None."""
        ...

    def stop(self) -> None:
        """Ask every run to save and stop."""
        ...

    def close(self) -> None:
        """End at once whatever still runs."""
        ...


def carry_out(run: Run) -> None:
    """Train a run to its end, or until it is asked to stop, and evaluate it once it is finished."""
    patience = time.monotonic() + BUSY_SECONDS
    while not (run.finished or run.stop_requested):
        try:
            for _ in run.train():
                pass
        except RunBusyError:
            if time.monotonic() > patience:
                raise
            time.sleep(0.2)
    if run.finished:
        run.result()


def _carried_out(folder: Path, stop_by: Callable[[Run], None]) -> str | None:
    """Carry out the run in a folder; return what went wrong, in one sentence."""
    try:
        torch.set_num_threads(1)
        run = Run.open(folder)
        stop_by(run)
        carry_out(run)
    except Exception as error:  # whatever it is, the other runs go on
        return " ".join(f"{type(error).__name__}: {error}".split())
    return None


@dataclass
class _Job:
    """One process, and when its run last logged something."""

    process: Any
    connection: Connection
    log: Path
    log_bytes: int = 0
    since: float = field(default_factory=time.monotonic)

    def hangs(self) -> bool:
        log_bytes = self.log.stat().st_size if self.log.exists() else 0
        if log_bytes != self.log_bytes:
            self.log_bytes, self.since = log_bytes, time.monotonic()
        return time.monotonic() - self.since > PATIENCE_SECONDS


class LocalPool:
    """Each run in a process of its own, with one thread; ``jobs`` of them at a time.

    A process that logs nothing for half an hour is killed, and has failed. So an environment that hangs inside C code
    is ended, too, which neither a plain training nor a task of Ray does; see :func:`qmix_edu.rollout.play`.
    """

    def __init__(self, jobs: int):
        if jobs < 1:
            raise ValueError(f"Asked for {jobs} jobs; 1 is the least.")
        self._jobs = jobs
        self._context: Any = multiprocessing.get_context(START_METHOD)
        if START_METHOD == "forkserver":
            self._context.set_forkserver_preload(PRELOADED)
        self._running: dict[Path, _Job] = {}

    def has_room(self) -> bool:
        """Whether fewer than ``jobs`` processes run."""
        return len(self._running) < self._jobs

    def start(self, folder: Path) -> None:
        """Start a process for one run."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_serve, args=(folder, theirs))
        process.start()
        theirs.close()
        self._running[folder] = _Job(process, ours, Run.open(folder).metrics_path)

    def ended(self, seconds: float) -> dict[Path, str | None]:
        """Wait for processes that end; one that was killed, or that hangs and is killed now, is a failure as well."""
        folders = {job.process.sentinel: folder for folder, job in self._running.items()}
        errors: dict[Path, str | None] = {}
        for sentinel in wait(list(folders), seconds):
            folder = folders[int(sentinel)]  # pyright: ignore[reportArgumentType]
            job = self._running.pop(folder)
            job.process.join()
            errors[folder] = f"its process ended with exit code {job.process.exitcode}; perhaps the memory was short"
            with suppress(EOFError, OSError), job.connection:
                errors[folder] = job.connection.recv()
        for folder in [folder for folder, job in self._running.items() if job.hangs()]:
            _kill(self._running.pop(folder).process)
            errors[folder] = (
                f"it logged nothing for {PATIENCE_SECONDS / 60:.0f} minutes and was ended; its environment may hang, "
                "or, if it is only slow, give a smaller --log-interval"
            )
        return errors

    def stop(self) -> None:
        """Send every process SIGTERM, upon which it saves and ends."""
        for job in self._running.values():
            job.process.terminate()

    def close(self) -> None:
        """Kill what still runs."""
        for job in self._running.values():
            _kill(job.process)
        self._running = {}


def _kill(process: Any) -> None:
    process.kill()
    process.join()


def _serve(folder: Path, connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the parent handles it

    def stop_by(run: Run) -> None:
        signal.signal(signal.SIGTERM, lambda *_: run.stop())
        threading.Thread(target=_stop_with_parent, args=(run,), daemon=True).start()

    error = _carried_out(folder, stop_by)
    with suppress(OSError):  # nobody may be left to listen
        connection.send(error)


def _stop_with_parent(run: Run) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    run.stop()


class RayPool:
    """Each run as a task of one CPU on a Ray cluster, all of which see the folder on a shared disk.

    A task whose node dies begins again on another one, from what its run has saved. A task that logs nothing is not
    killed: one whose environment hangs inside C code stays until somebody ends it.
    """

    def __init__(self, address: str):
        try:
            import ray
        except ImportError as error:
            raise ValueError("Ray is not installed; install it with `pip install qmix_edu[cluster]`.") from error
        self._ray: Any = ray
        try:
            _knock(address)
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"There is no Ray cluster at {address!r}; start one with `ray start --head`, or use `--ray local`."
            ) from error
        self._task: Any = ray.remote(num_cpus=1, max_retries=_RETRIES_OF_RAY)(_on_ray)
        self._running: dict[Any, Path] = {}

    def has_room(self) -> bool:
        """Always: Ray keeps its own queue."""
        return True

    def start(self, folder: Path) -> None:
        """Give Ray one more task."""
        self._running[self._task.remote(folder.resolve())] = folder

    def ended(self, seconds: float) -> dict[Path, str | None]:
        """Wait for tasks that end."""
        ready, _ = self._ray.wait(list(self._running), num_returns=len(self._running), timeout=seconds)
        return {self._running.pop(task): self._error(task) for task in ready}

    def _error(self, task: Any) -> str | None:
        try:
            return self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            return f"Ray lost it: {' '.join(str(error).split())}"

    def stop(self) -> None:
        """Interrupt every task, upon which it saves and ends."""
        for task in self._running:
            self._ray.cancel(task)

    def close(self) -> None:
        """Leave the cluster; a local one ends."""
        self._ray.shutdown()


def _knock(address: str) -> None:
    """Raise OSError where nobody listens: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in address:
        socket.create_connection((host, int(port)), timeout=10).close()


def _on_ray(folder: Path) -> str | None:
    """Run on a node, in the main thread of a worker; Ray cancels a task by SIGINT."""

    def stop_by(run: Run) -> None:
        signal.signal(signal.SIGINT, lambda *_: run.stop())

    before = signal.getsignal(signal.SIGINT)
    try:
        return _carried_out(folder, stop_by)
    finally:
        signal.signal(signal.SIGINT, before)

"""A run on disk: one folder with its settings, metrics and policy, and all it takes to go on after a stop.

``settings.json``  what was asked for, and the versions that did it
``metrics.jsonl``  one line of JSON per log point; the fields are those of :func:`qmix_edu.train`
``policy.pt``      the networks
``resume.pt``, ``replay-*.pt``  the rest of the training's state, while the run is unfinished
``result.json``    the final evaluation of a finished run, once it was asked for
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from qmix_edu import agents, checkpoint
from qmix_edu.algorithms import ALGORITHMS
from qmix_edu.checkpoint import CheckpointError
from qmix_edu.envs import UnknownNameError, make_env
from qmix_edu.evaluate import evaluate
from qmix_edu.files import not_written, write_text
from qmix_edu.learner import Learner, LearnerSettings
from qmix_edu.settings import TrainSettings
from qmix_edu.train import Metrics, Training
from qmix_edu.types import Environment

if sys.platform != "win32":
    import fcntl

AGENTS = {"mlp": agents.MLPAgent, "gru": agents.GRUAgent, "table": agents.TableAgent}
SAVE_EVERY_SECONDS = 30.0
EVALUATION_SEED = 1_000_000  # the battles of the final evaluation: none of a training's own
EVALUATION_EPISODES = 256


class RunBusyError(ValueError):
    """The run is being trained by another process."""


@dataclass(frozen=True)
class RunSettings:
    """What one run is: everything that decides its result."""

    env: str
    algorithm: str
    agent: str
    steps: int
    seed: int
    learner: LearnerSettings
    train: TrainSettings

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"Asked for {self.steps} environment steps; 1 is the least.")
        if self.algorithm not in ALGORITHMS:
            raise UnknownNameError("algorithm", self.algorithm, list(ALGORITHMS))
        if self.agent not in AGENTS:
            raise UnknownNameError("agent", self.agent, list(AGENTS))
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"The seed is {self.seed}; it must be between 0 and {2**32 - 1}.")

    def build(self, seed: int | None = None) -> tuple[Environment, Learner]:
        """Make the environment (with a seed of its own, if given) and the untrained learner."""
        env = make_env(self.env, self.train.n_envs, self.seed if seed is None else seed)
        learner = ALGORITHMS[self.algorithm](env.spec, seed=self.seed, agent=AGENTS[self.agent], settings=self.learner)
        return env, learner


class Run:
    """One folder of a run."""

    def __init__(self, folder: Path, settings: RunSettings):
        self.folder, self.settings = folder, settings
        self._training: Training | None = None
        self.stop_requested = False

    @classmethod
    def create(cls, folder: Path, settings: RunSettings) -> Run:
        """Begin a run in a folder that is new or empty.

        Raises:
            ValueError: the folder holds a run or anything else, or cannot be made.
            OSError: it cannot be written.

        """
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"{folder} is a file, so no run can be written there; choose another --out.")
        if (folder / "settings.json").exists():
            raise ValueError(
                f"{folder} already holds a run; go on with `qmix-edu train --resume {folder}`, or choose another --out."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"{folder} cannot be made ({error.strerror}); choose another --out.") from error
        if any(path.name != "settings.json.tmp" for path in folder.iterdir()):  # left where a kill cut in
            raise ValueError(f"{folder} is not empty and holds no run; choose another --out.")
        write_text(
            folder / "settings.json",
            json.dumps({**dataclasses.asdict(settings), "versions": _versions()}, indent=2) + "\n",
        )
        return cls(folder, settings)

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Open a run that exists.

        Raises:
            CheckpointError: the folder holds no run, or its settings cannot be read.

        """
        path = folder / "settings.json"
        if not path.is_file():
            raise CheckpointError(f"{folder} holds no run (no settings.json); train one with `qmix-edu train`.")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            content.pop("versions")
            content["learner"] = LearnerSettings(**content["learner"])
            content["train"] = TrainSettings(**content["train"])
            return cls(folder, RunSettings(**content))
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path} is damaged ({error}); restore a copy of it, or train again.") from error

    @property
    def finished(self) -> bool:
        """Whether the run has done all its steps."""
        if (self.folder / "resume.pt").exists() or not (self.folder / "policy.pt").exists():
            return False
        lines = self.logged()
        return bool(lines) and (lines[-1]["env_steps"] or 0) >= self.settings.steps

    def train(self) -> Iterator[Metrics]:
        """Train from where the run stands to its end, saving on the way; yield each line of metrics.jsonl.

        Raises:
            ValueError: the run is finished.
            RunBusyError: it is being trained already.
            CheckpointError: what it takes to go on is damaged.

        """
        if self.finished:
            raise ValueError(
                f"{self.folder} has done its {self.settings.steps} steps; "
                f"evaluate it with `qmix-edu evaluate {self.folder}`."
            )
        return self._train()

    def _train(self) -> Iterator[Metrics]:
        env, learner = self.settings.build()
        try:
            yield from self._train_in(env, learner)
        finally:
            env.close()

    def _train_in(self, env: Environment, learner: Learner) -> Iterator[Metrics]:
        training = self._training = Training(env, learner, self.settings.train, self.settings.seed)
        training.stop_requested = self.stop_requested  # perhaps while the environment was being made
        chunks = _Chunks(self.folder)
        with self.metrics_path.open("ab", buffering=0) as log:  # with a buffer, closing would fail once more
            _claim(log.fileno(), self.folder)
            self._load(training, chunks, log.fileno())
            saved = time.monotonic()
            for metrics in training.run(self.settings.steps):
                self._log(log, metrics)
                yield metrics
                if training.env_steps < self.settings.steps and time.monotonic() - saved > SAVE_EVERY_SECONDS:
                    self._save(training, chunks, os.fstat(log.fileno()).st_size)
                    saved = time.monotonic()
            if training.env_steps < self.settings.steps:
                self._save(training, chunks, os.fstat(log.fileno()).st_size)
                return
            checkpoint.save_policy(self.folder / "policy.pt", learner)
            (self.folder / "resume.pt").unlink(missing_ok=True)
            chunks.keep([])

    def _log(self, log: FileIO, metrics: Metrics) -> None:
        line = json.dumps(metrics).encode() + b"\n"
        try:
            while line:
                line = line[log.write(line) :]
        except OSError as error:
            raise not_written(self.metrics_path, error) from error

    @property
    def busy(self) -> bool:
        """Whether a process trains the run at this moment, as far as this disk knows."""
        if sys.platform == "win32" or not self.metrics_path.exists():
            return False
        with self.metrics_path.open("rb") as log:
            try:
                fcntl.flock(log, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            except OSError:
                return False
        return False

    def stop(self) -> None:
        """Ask the training to stop and save after the round at hand."""
        self.stop_requested = True
        if self._training is not None:
            self._training.stop_requested = True

    def load(self, seed: int | None = None) -> tuple[Environment, Learner]:
        """Return a fresh environment and the learner with the run's newest policy."""
        env, learner = self.settings.build(seed)
        checkpoint.load_policy(self.folder / "policy.pt", learner)
        return env, learner

    @property
    def evaluated(self) -> bool:
        """Whether the final evaluation is done, too."""
        return self.finished and (self.folder / "result.json").exists()

    def result(self) -> Metrics:
        """Return the final evaluation of a finished run, which is done once and kept in ``result.json``.

        Raises ValueError where the run is not finished.
        """
        if not self.finished:
            raise ValueError(
                f"{self.folder} has not done its {self.settings.steps} steps; "
                f"go on with `qmix-edu train --resume {self.folder}`."
            )
        path = self.folder / "result.json"
        if path.exists():
            with contextlib.suppress(json.JSONDecodeError, UnicodeDecodeError):  # damaged: evaluate again
                return json.loads(path.read_text(encoding="utf-8"))
        env, learner = self.load(EVALUATION_SEED)
        with contextlib.closing(env):
            metrics = dict(evaluate(env, learner, EVALUATION_EPISODES))
        write_text(path, json.dumps(metrics) + "\n")
        return metrics

    def logged(self) -> list[Metrics]:
        """Return the lines of metrics.jsonl; one that is being written at this moment is left out."""
        if not self.metrics_path.exists():
            return []
        lines = self.metrics_path.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines[:-1]]

    @property
    def metrics_path(self) -> Path:
        """The run's log."""
        return self.folder / "metrics.jsonl"

    def _save(self, training: Training, chunks: _Chunks, log_bytes: int) -> None:
        """Save so that a kill at any moment leaves either the old state or the new one."""
        chunks.append(training)
        state = {
            **training.state_dict(),
            "run": settings_line(self.settings),
            "chunks": chunks.names,
            "log_bytes": log_bytes,
        }
        checkpoint.save(self.folder / "resume.pt", state)
        chunks.keep(chunks.names)
        checkpoint.save_policy(self.folder / "policy.pt", training.learner)

    def _load(self, training: Training, chunks: _Chunks, log: int) -> None:
        """Put back the state of the last save, if there is one; what was logged after it will be done again."""
        path = self.folder / "resume.pt"
        if not path.exists():
            os.ftruncate(log, 0)
            return
        state = checkpoint.load(path)
        expected = settings_line(self.settings)
        if state.get("run") != expected:
            raise CheckpointError(
                f"{path} belongs to another run ({state.get('run')}) than this one ({expected}); "
                "restore the folder's own copy."
            )
        try:
            training.load_state_dict(state)
        except (RuntimeError, KeyError, ValueError) as error:
            raise CheckpointError(
                f"{path} does not fit settings.json beside it ({expected}); restore the folder's own copies."
            ) from error
        chunks.load(training, state["chunks"])
        os.ftruncate(log, state["log_bytes"])


class _Chunks:
    """The replay buffer on disk: each save appends the episodes that are new, in a file of their own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.names: list[str] = []
        self.saved = 0  # episodes ever added that are on disk

    def append(self, training: Training) -> None:
        replay = training.replay
        if replay.episodes_added > self.saved:
            name = f"replay-{replay.episodes_added:09d}.pt"
            checkpoint.save(self.folder / name, replay.chunk(self.saved))
            self.names.append(name)
            self.saved = replay.episodes_added
        oldest = replay.episodes_added - len(replay)
        self.names = [name for name in self.names if int(name[7:16]) > oldest]

    def load(self, training: Training, names: list[str]) -> None:
        for name in names:
            training.replay.load_chunk(checkpoint.load(self.folder / name))
            training.replay.episodes_added = int(name[7:16])
        self.names, self.saved = list(names), training.replay.episodes_added

    def keep(self, names: list[str]) -> None:
        for path in self.folder.glob("replay-*.pt"):
            if path.name not in names:
                path.unlink()


def settings_line(settings: RunSettings) -> str:
    """Name a run in a few words."""
    return f"{settings.algorithm} on {settings.env}, seed {settings.seed}, {settings.steps} steps"


def _claim(log: int, folder: Path) -> None:
    """Keep a second training out of the folder; the claim ends with the process, however it ends."""
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RunBusyError(
            f"{folder} is being trained already; wait until it is done, or choose another --out."
        ) from error
    except OSError:
        return  # a disk that knows no such claims


@contextlib.contextmanager
def stopping_on_interrupt(stop: Callable[[], None]) -> Generator[None]:
    """Let Ctrl-C (in a notebook: an interrupt of the kernel) ask for an orderly end; a second one stops at once."""

    def handle(*_: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _versions() -> dict[str, str]:
    packages = ("qmix_edu", "torch", "numpy", "jax", "jaxmarl")
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in packages}}

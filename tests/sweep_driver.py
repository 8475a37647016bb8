"""A sweep as the tests start it, in a process of its own."""

from __future__ import annotations

import os
from pathlib import Path

from qmix_edu.learner import LearnerSettings
from qmix_edu.pools import LocalPool
from qmix_edu.runs import RunSettings
from qmix_edu.settings import TrainSettings
from qmix_edu.sweep import Sweep

QUICK = RunSettings(
    env="two-step",
    algorithm="qmix",
    agent="mlp",
    steps=160,
    seed=0,
    learner=LearnerSettings(target_interval=7),
    train=TrainSettings(
        n_envs=4,
        updates_per_round=2,
        batch_size=8,
        buffer_episodes=24,
        log_interval=8,
        eval_interval=80,
        eval_episodes=4,
    ),
)


def complete(folder: Path, settings: list[RunSettings]) -> None:
    os.setsid()  # so that a test can kill it with all its processes
    sweep = Sweep(folder, settings)
    pool = LocalPool(2)
    for _ in sweep.complete(pool):
        pass
    pool.close()
    assert not sweep.failures, sweep.failures
    sweep.write(sweep.results())

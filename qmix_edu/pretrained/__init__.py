"""Trained teams that come with the package, and the curves of the runs they were taken from.

``make pretrained`` trains them all again. ``<map>.json`` holds the curves of every seed; ``<map>-<algorithm>`` is the
folder of one run, the one with the median final win rate, without its log. All of it together is below 1 MB.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from qmix_edu.envs import UnknownNameError
from qmix_edu.learner import Learner
from qmix_edu.runs import Run
from qmix_edu.types import Environment

FOLDER = Path(__file__).parent


def teams() -> list[tuple[str, str]]:
    """Return the (map, algorithm) of every team that can be loaded."""
    names = sorted(path.parent.name for path in FOLDER.glob("*/policy.pt"))
    return [(name.rpartition("-")[0], name.rpartition("-")[2]) for name in names]


def load(map_name: str, algorithm: str = "qmix", *, n_envs: int = 32, seed: int = 0) -> tuple[Environment, Learner]:
    """Return ``n_envs`` copies of ``smax/<map_name>``, seeded with ``seed``, and the trained team.

    Raises ValueError where no such team comes with the package.
    """
    folder = FOLDER / f"{map_name}-{algorithm}"
    if (map_name, algorithm) not in teams():
        raise UnknownNameError("trained team", folder.name, ["-".join(team) for team in teams()])
    run = Run.open(folder)
    training = dataclasses.replace(run.settings.train, n_envs=n_envs)
    return Run(folder, dataclasses.replace(run.settings, train=training)).load(seed)


def curves(map_name: str) -> dict[str, list[tuple[list[int], list[float]]]]:
    """Return, by algorithm, every seed's (steps, win rates of 128 greedy battles) on ``smax/<map_name>``."""
    return {name: [(run["env_steps"], run["win_rate"]) for run in runs] for name, runs in _shipped(map_name).items()}


def final_win_rates(map_name: str) -> dict[str, list[float]]:
    """Return, by algorithm, the win rate of every seed's last policy in 256 greedy battles on ``smax/<map_name>``."""
    return {name: [run["final_win_rate"] for run in runs] for name, runs in _shipped(map_name).items()}


def cpu_seconds(map_name: str) -> dict[str, list[float]]:
    """Return, by algorithm, the processor seconds that every seed's training took on ``smax/<map_name>``."""
    return {name: [run["cpu_seconds"] for run in runs] for name, runs in _shipped(map_name).items()}


def _shipped(map_name: str) -> dict[str, list[dict[str, Any]]]:
    path = FOLDER / f"{map_name}.json"
    if not path.is_file():
        raise UnknownNameError("map with shipped runs", map_name, sorted(p.stem for p in FOLDER.glob("*.json")))
    return json.loads(path.read_text(encoding="utf-8"))

"""Record battles of SMAX: where everybody stands, how they fare, and whom they shoot."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray

from qmix_edu.battle_plots import UNIT_TYPES, Battle
from qmix_edu.envs.smax import SmaxEnv
from qmix_edu.learner import Learner
from qmix_edu.rollout import play
from qmix_edu.scripted import ScriptedTeam
from qmix_edu.types import Environment

MOVES = 5  # actions that do not shoot: four directions and stop
_RECORDED = ("unit_positions", "unit_health", "unit_alive", "prev_attack_actions")


def record_battles(
    env: Environment, learner: Learner | ScriptedTeam, *, epsilon: float = 0.0, seed: int = 0
) -> list[Battle]:
    """Play one battle in every copy of ``env`` and return them all; greedy play unless ``epsilon`` is above 0.

    ``seed`` decides what is explored. The battles themselves follow the environment's own randomness: to let two
    teams begin from the same places, put back ``env.rng_state()`` in between.

    Raises:
        ValueError: if ``env`` is not SMAX, whose simulator can be looked into.
    """
    if not isinstance(env, SmaxEnv):
        raise ValueError(f"Battles can be recorded on smax/<map> only, and this is {env.spec.name}; use make_env.")
    seen: list[dict[str, NDArray[Any]]] = []

    def look(*_: Any) -> None:
        seen.append({name: np.array(getattr(env.battles, name)) for name in _RECORDED})

    batch, won = play(env, learner, epsilon, torch.Generator().manual_seed(seed), watch=look)
    look()  # the last moment; a battle that ended earlier stays as it was
    film = {name: np.stack([moment[name] for moment in seen], axis=1) for name in _RECORDED}  # [e, t+1, u, ...]
    teams, types = (np.array(getattr(env.battles, f"unit_{name}")).astype(int) for name in ("teams", "types"))
    return [
        _battle(
            env.spec.name,
            {name: frames[e, : length + 1] for name, frames in film.items()},
            batch.reward[e, :length, 0].numpy(),
            teams[e],
            types[e],
            bool(won[e]),
        )
        for e, length in enumerate(batch.lengths.tolist())
    ]


def _battle(
    name: str,
    film: dict[str, NDArray[Any]],
    reward: NDArray[Any],
    teams: Int[np.ndarray, " u"],
    types: Int[np.ndarray, " u"],
    won: bool,
) -> Battle:
    alive = film["unit_alive"]
    return Battle(
        map_name=name,
        targets=np.where(alive[:-1], _targets(film["prev_attack_actions"][1:], teams), -1),
        reward=reward,
        positions=film["unit_positions"],
        health=film["unit_health"] / film["unit_health"][0],
        alive=alive,
        teams=teams,
        types=tuple(UNIT_TYPES[t] for t in types),
        won=won,
    )


def _targets(actions: Int[np.ndarray, "t u"], teams: Int[np.ndarray, " u"]) -> Int[np.ndarray, "t u"]:
    """Return the unit that every action shoots, -1 for none; SMAX's enemies count their targets from the last ally."""
    n_allies = int((teams == 0).sum())
    target = np.where(teams == 0, n_allies + actions - MOVES, n_allies - 1 - (actions - MOVES))
    return np.where(actions >= MOVES, target, -1)

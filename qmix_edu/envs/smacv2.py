"""Battles of SMACv2 in the real StarCraft II: the teams and where they start are drawn anew for every battle.

Source: Ellis et al., SMACv2: An Improved Benchmark for Cooperative Multi-Agent Reinforcement Learning, 2023
(arXiv 2212.07489); the scenarios are those of its package's README, the settings those of its example configs.
"""

from __future__ import annotations

from typing import Any

from qmix_edu.envs.starcraft2 import Battle, Package, check_map, play
from qmix_edu.types import Environment

INSTALL_SMACV2 = 'pip install "git+https://github.com/oxwhirl/smacv2.git@9dabb9805a8e322e479d1876b59b5cbf528a87c5"'
SMACV2 = Package("smacv2", "StarCraftCapabilityEnvWrapper", INSTALL_SMACV2, "Maps/SMAC_Maps")

_SIZES = ((5, 5), (10, 10), (10, 11), (20, 20), (20, 23))
# of each race: the share of each type of unit, and the types of which alone no team consists
_RACES: dict[str, tuple[dict[str, float], list[str]]] = {
    "protoss": ({"stalker": 0.45, "zealot": 0.45, "colossus": 0.1}, []),
    "terran": ({"marine": 0.45, "marauder": 0.45, "medivac": 0.1}, ["medivac"]),
    "zerg": ({"zergling": 0.45, "baneling": 0.1, "hydralisk": 0.45}, ["baneling"]),
}
_SCENARIOS = {f"{race}_{n}_vs_{m}": (race, n, m) for race in _RACES for n, m in _SIZES}


def smacv2_maps() -> list[str]:
    """Return the names of SMACv2's scenarios; neither its package nor the game is needed."""
    return list(_SCENARIOS)


def make_smacv2(scenario: str, n_envs: int = 1, seed: int = 0) -> Environment:
    """Return ``n_envs`` games of a scenario, ``<race>_<allies>_vs_<enemies>``; game i is seeded with ``seed + i``.

    Before a battle each ally's type is drawn (two types with probability 0.45, one with 0.1); the enemies are the
    same team, and those that they have more are drawn alike. Half of the battles surround the allies, half mirror
    the two teams. Units see and shoot as far as their type does, and an agent also observes its own position.

    Differs from ``make_starcraft2``: ``seed`` is the game's alone, since the package draws teams and positions from
    generators that it seeds from the system; and each game scales its rewards for good by the enemies of its first
    battle, so that a later one can bring more than 20, or win with less.

    An agent observes what is within its sight: the package's default and its README's example. The paper's extended
    partial observability, for which some of its configs set ``prob_obs_enemy`` to 0, is off.

    Raises ValueError for an unknown scenario or ``n_envs`` below 1, and StarCraftUnavailable where SMACv2 cannot be
    imported.
    """
    check_map("SMACv2", scenario, smacv2_maps())
    return play(Battle(SMACV2, scenario, _arguments(*_SCENARIOS[scenario])), n_envs, seed)


def _arguments(race: str, n_units: int, n_enemies: int) -> dict[str, Any]:
    """Return what the package's ``sc2_gen_<race>.yaml`` changes of its defaults, but for ``prob_obs_enemy``."""
    weights, never_alone = _RACES[race]
    return {
        "map_name": f"10gen_{race}",
        "obs_own_pos": True,
        "use_unit_ranges": True,
        "capability_config": {
            "n_units": n_units,
            "n_enemies": n_enemies,
            "team_gen": {
                "dist_type": "weighted_teams",
                "unit_types": list(weights),
                "weights": list(weights.values()),
                "exception_unit_types": never_alone,
                "observe": True,
            },
            "start_positions": {"dist_type": "surrounded_and_reflect", "p": 0.5, "map_x": 32, "map_y": 32},
        },
    }

"""Records that the tests of the battle viewer share, of untrained teams or made up: a viewer shows what there is."""

import copy
from functools import cache

import numpy as np
from numpy.typing import NDArray

import qmix_edu
from qmix_edu import algorithms
from qmix_edu.battle_plots import Battle
from qmix_edu.battles import record_episodes
from qmix_edu.records import Record, RecordedEpisode, short

GONE = "(nothing)"


@cache
def untrained(env_name: str, algorithm: str = "qmix", episodes: int = 2, n_envs: int = 4) -> Record:
    env = qmix_edu.make_env(env_name, n_envs=n_envs, seed=0)
    return record_episodes(env, algorithms.ALGORITHMS[algorithm](env.spec, seed=1), episodes, epsilon=0.4)


def largest_battle(steps: int = 60) -> Record:
    """Return a record of random numbers: 27m_vs_30m, where all live and shoot to the end, the most there is to draw."""
    rng, n, units, n_actions, hidden = np.random.default_rng(0), 27, 57, 35, 32
    teams, everybody = (np.arange(units) >= n).astype(int), (steps + 1, units)

    def normal(*shape: int) -> NDArray[np.float64]:
        return short(rng.normal(size=(steps, *shape)))

    utilities, reward = normal(n, n_actions), normal()
    battle = Battle(
        map_name="smax/27m_vs_30m",
        targets=np.where(teams == 0, rng.integers(n, units, (steps, units)), rng.integers(n, size=(steps, units))),
        reward=reward,
        positions=short(16 + rng.normal(size=(*everybody, 2)).cumsum(axis=0)),
        health=short(rng.uniform(0.1, 1, everybody)),
        cooldown=short(rng.uniform(0, 0.6, everybody)),
        alive=np.ones(everybody, dtype=bool),
        teams=teams,
        types=("marine",) * units,
        won=False,
    )
    episode = RecordedEpisode(
        mixing="network",
        won=False,
        truncated=True,
        reward=reward,
        returns_to_come=normal(),
        utilities=utilities,
        avail_actions=np.ones(utilities.shape, dtype=bool),
        actions=rng.integers(n_actions, size=(steps, n)),
        greedy=utilities.argmax(axis=2),
        q_tot=normal(),
        weights=abs(normal(n)),
        mixer={"w1": abs(normal(n, hidden)), "b1": normal(hidden), "w2": abs(normal(hidden)), "v": normal()},
        battle=battle,
    )
    return Record("smax/27m_vs_30m", "qmix", 0.99, n, [f"action {a}" for a in range(n_actions)], [episode])


def damaged(content: dict, place: list, value) -> dict:
    """Return a copy with something else at one place, or with nothing there."""
    content = copy.deepcopy(content)
    part = content
    for key in place[:-1]:
        part = part[key]
    if value is GONE:
        del part[place[-1]]
    else:
        part[place[-1]] = value
    return content


# What no reader may accept: a place, what is there instead, and the sentence's part that must name it.
HOSTILE = [
    (["format"], "nbformat", "This is no record of episodes"),
    (["version"], 2, "has version 2, and this program reads version 1"),
    (["n_agents"], GONE, "has no n_agents"),
    (["n_agents"], 1e30, "n_agents holds a number that is none of the whole numbers from 1 to 1000"),
    (["gamma"], 1.5, "gamma holds a number that is none of the numbers from 0 to 1"),
    (["mixing"], "magic", "has mixing 'magic', expected one of network, linear"),
    (["mixing"], ["none"], "has mixing"),
    (["env"], "x" * 1000, "env is 'xxx.*expected text of 1 to 200 letters"),
    (["action_names"], [], "has no list action_names"),
    (["action_names", 0], 7, "An action's name is 7, expected text"),
    (["episodes"], [], "has no list episodes"),
    (["episodes", 0], None, "Episode 1 is missing"),
    (["episodes", 1, "utilities"], GONE, "Episode 2 has no utilities"),
    (["episodes", 0, "utilities", 1, 0, 0], "7", "utilities holds something else than numbers"),
    (["episodes", 0, "utilities", 1, 0, 0], float("nan"), "utilities holds a number that is not finite"),
    (
        ["episodes", 0, "utilities", 1, 0, 0],
        -1e39,
        "utilities holds a number that is none of the numbers from -1e",
    ),
    (["episodes", 0, "mixer", "v", 1], 1e308, "v holds a number that is none of the numbers from -1e"),
    (["episodes", 0, "q_tot", 1], float("inf"), "q_tot holds a number that is not finite"),
    (["episodes", 0, "q_tot"], None, "Episode 1 has no q_tot"),
    (["episodes", 0, "weights"], GONE, "Episode 1 has no weights"),
    (["episodes", 0, "reward"], [], "has no list reward"),
    (["episodes", 0, "actions", 0, 0], 8, "actions holds a number that is none of the whole numbers from 0 to 7"),
    (["episodes", 0, "actions", 0, 0], 0.5, "none of the whole numbers from 0 to 7"),
    (["episodes", 0, "actions", 0, 0], 5, "actions holds an action that is not available"),  # nobody is in range
    (["episodes", 0, "avail_actions", 0, 0, 0], 2, "none of the whole numbers from 0 to 1"),
    (["episodes", 0, "mixer"], None, "Episode 1: mixer is missing"),
    (["episodes", 0, "mixer", "w1"], GONE, "mixer has no w1"),
    (["episodes", 0, "mixer", "b1", 0], [], "mixer: w1 .*numbers of shape .*, 3, 0]"),
    (["episodes", 0, "units", "types", 0], "<script>alert(1)</script>", "has a type that is none of marine"),
    (["episodes", 0, "units", "teams"], [1, 1, 1, 0, 0, 0], "teams are not the 3 agents first"),
    (["episodes", 0, "units", "targets", 0, 0], 6, "targets holds a number that is none of the whole numbers"),
    (["episodes", 0, "units", "positions"], GONE, "Episode 1: units has no positions"),
    (["episodes", 0, "units"], 5, "Episode 1: units is missing or has no parts"),
]

"""Records that the tests of the battle viewer share, of untrained teams: a viewer shows whatever there is."""

import copy
from functools import cache

import qmix_edu
from qmix_edu import algorithms
from qmix_edu.battles import record_episodes
from qmix_edu.records import Record

GONE = object()


@cache
def untrained(env_name: str, algorithm: str = "qmix", episodes: int = 2, n_envs: int = 4) -> Record:
    env = qmix_edu.make_env(env_name, n_envs=n_envs, seed=0)
    return record_episodes(env, algorithms.ALGORITHMS[algorithm](env.spec, seed=1), episodes, epsilon=0.4)


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

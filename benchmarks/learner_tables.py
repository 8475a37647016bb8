"""How often tabular learners end in an optimum: 1000 runs of each learner in each game.

    python benchmarks/learner_tables.py

prints both tables of docs/results.md, in about four minutes of processor time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from matrix_games import (
    DistributedQ,
    EpisodeStudy,
    EpsilonGreedy,
    Exploration,
    FrequencyMaximumQ,
    HystereticQ,
    IndependentQ,
    JointQ,
    Learner,
    LenientQ,
    LockedDistributedQ,
    NegativeUpdateIntervals,
    OwnTemperature,
    Study,
    catalogue,
    play,
    play_episodes,
    ro3_like,
    two_step_game,
)

GAMES = {
    "climbing": "climbing",
    "partially stochastic": "climbing-partially-stochastic",
    "fully stochastic": "climbing-fully-stochastic",
    "penalty -10": "penalty-10",
    "penalty -100": "penalty-100",
    "qtran": "qtran",
}

FALLING, WIDE = EpsilonGreedy(start=1.0, end=0.0, over=0.8), OwnTemperature(omega=1.0)
LEARNERS: dict[str, tuple[Learner, Exploration]] = {
    "IQL": (IndependentQ(), FALLING),
    "distributed": (DistributedQ(), FALLING),
    "distributed, lock": (LockedDistributedQ(), FALLING),
    "hysteretic, beta .01": (HystereticQ(beta=0.01), FALLING),
    "hysteretic, beta .001": (HystereticQ(beta=0.001), FALLING),
    "FMQ": (FrequencyMaximumQ(), FALLING),
    "NUI": (NegativeUpdateIntervals(), FALLING),
    "LMRL2, theta 1, omega .1, delta .995": (LenientQ(theta=1.0, delta=0.995), OwnTemperature(omega=0.1)),
    "LMRL2, theta 10, omega 1, delta .998": (LenientQ(theta=1e1, delta=0.998), WIDE),
    "LMRL2, theta 1e3, omega 1, delta .998": (LenientQ(theta=1e3, delta=0.998), WIDE),
    "LMRL2, theta 1e7, omega 1, delta .998": (LenientQ(theta=1e7, delta=0.998), WIDE),
    "joint Q": (JointQ(), FALLING),
}


def per_cent(study: Study | EpisodeStudy) -> str:
    """Return the share of runs that end in an optimum, and its 95 % Wilson interval."""
    low, high = study.interval
    return f"{study.share:.1%} ({low:.1%}-{high:.1%})".replace("%", "")


def row(name: str, cells: list[str]) -> str:
    """Return one line of a Markdown table."""
    return f"| {name} | {' | '.join(cells)} |"


def one_shot() -> str:
    """Per cent of 1000 runs of 10,000 plays that end in an optimal joint action, with 95 % Wilson intervals."""
    lines = [row("learner", list(GAMES)), row("---", ["---"] * len(GAMES))]
    for name, (learner, exploration) in LEARNERS.items():
        rngs = [np.random.default_rng(0) for _ in GAMES]
        studies = [
            play(catalogue[game], learner, rng=rng, exploration=exploration)
            for game, rng in zip(GAMES.values(), rngs, strict=True)
        ]
        lines.append(row(name, [per_cent(study) for study in studies]))
    return "\n".join(lines)


def several_states() -> str:
    """Per cent of 1000 runs of 10,000 steps whose greedy policy has the best return, with 95 % Wilson intervals.

    For the game after RO 3 also the share that is optimal in every state, visited or not.
    """
    lines = [row("learner", ["two-step", "ro3-like", "ro3-like, every state"]), row("---", ["---"] * 3)]
    for name, (learner, exploration) in LEARNERS.items():
        two, three = (
            play_episodes(game, learner, rng=np.random.default_rng(0), exploration=exploration)
            for game in (two_step_game(), ro3_like())
        )
        lines.append(row(name, [per_cent(two), per_cent(three), f"{100 * three.complete / three.runs:.1f}"]))
    return "\n".join(lines)


TABLES: dict[str, Callable[[], str]] = {
    "learners-one-shot": one_shot,
    "learners-several-states": several_states,
}

if __name__ == "__main__":
    for name, table in TABLES.items():
        print(f"<!-- table: {name} -->\n{table()}\n<!-- /table -->\n", flush=True)

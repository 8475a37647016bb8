"""Who learns the best joint action of QTRAN's game: ten seeds of each algorithm, as the table of docs/results.md.

    python benchmarks/qtran_game.py          # ten seeds
    python benchmarks/qtran_game.py 3        # three

The ordinary path: play, replay, gradient steps. Exploration is uniform to the end, the actions are shuffled in every
seed, utilities are a table, and the team then plays greedily.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import torch

from matrix_games import MatrixGame, catalogue
from qmix_edu import train
from qmix_edu.agents import TableAgent
from qmix_edu.algorithms import ALGORITHMS
from qmix_edu.envs.small import MatrixGameEnv
from qmix_edu.learner import LearnerSettings
from qmix_edu.settings import train_settings

NAMES = ("vdn", "qmix", "ow_qmix", "cw_qmix", "qtran_base", "qtran_alt", "qplex", "qfix_sum", "qfix_mono", "joint_q")
QTRAN = catalogue["qtran"]
COPIES = 64
LEARNING_RATE = 1e-2
ROUNDS = 300  # of 64 plays and 8 gradient steps each
SETTINGS = replace(
    train_settings("matrix/qtran"),
    **{"n_envs": COPIES, "batch_size": COPIES, "updates_per_round": 8, "eval_interval": 10**9, "eval_episodes": 1},
)


def greedy_payoff(algorithm: str, seed: int, rounds: int, learning_rate: float = LEARNING_RATE) -> float:
    """Train on the game with its actions shuffled; return what the team then plays for."""
    rng = np.random.default_rng(seed)
    payoff = QTRAN.payoff[np.ix_(*(rng.permutation(3) for _ in range(2)))]
    env = MatrixGameEnv(MatrixGame("qtran", payoff, QTRAN.source), COPIES, seed)
    assert SETTINGS.epsilon(0) == SETTINGS.epsilon(10**6) == 1.0  # uniform to the end
    settings = LearnerSettings(td_lambda=0.0, learning_rate=learning_rate)
    learner = ALGORITHMS[algorithm](env.spec, seed=seed, agent=TableAgent, settings=settings)
    *_, last = train(env, learner, rounds * COPIES, settings=SETTINGS, seed=seed)
    return float(last["mean_return"] or 0.0)


def main(seeds: int) -> None:
    """Print one row per algorithm."""
    torch.set_num_threads(1)
    print("| algorithm | seeds that end at 8 | payoffs at the end (seeds) | CPU-s per seed |\n|---|---|---|---|")
    for name in NAMES:
        began = time.process_time()
        ends = [greedy_payoff(name, seed, ROUNDS) for seed in range(seeds)]
        spent = (time.process_time() - began) / seeds
        counts = ", ".join(f"{payoff:g} ({count})" for payoff, count in sorted(Counter(ends).items(), reverse=True))
        print(f"| {name} | {ends.count(8.0)} of {seeds} | {counts} | {spent:.1f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)

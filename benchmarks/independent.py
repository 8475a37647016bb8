"""Train the independent learners on the climbing games and the transport gridworlds; write how many seeds solve each.

    python benchmarks/independent.py matrix 10 runs/independent
    python benchmarks/independent.py gridworld 3 runs/independent

Every learner explores alike, epsilon falling from 1 to .05 (the actor-critics: a floor from .5 to .02), and has the
same network, optimiser and number of steps (distributed Q-learning has a lower learning rate in the games, and a second
row with a table for a network). A seed has solved a task when the greedy team plays the optimal joint action (in the
gridworlds: when the mean of 128 greedy episodes is within 1.5 of 11; the next best joint action earns 7). The games'
actions are shuffled with the seed, since of equal values the first is taken. A run that is in the folder's file already
is not repeated.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from matrix_games import MatrixGame, catalogue
from qmix_edu import evaluate, make_env, train
from qmix_edu.agents import MLPAgent, TableAgent
from qmix_edu.algorithms import ALGORITHMS
from qmix_edu.independent import Leniency
from qmix_edu.settings import learner_settings, train_settings

LEARNERS = (
    "iql",
    "fingerprint_iql",
    "importance_iql",
    "hysteretic",
    "distributed",
    "distributed, table",
    "lenient",
    "nui",
    "likelihood_quantile",
    "iac",
    "coma",
)
ON_POLICY = ("iac", "coma")
IN_GRIDWORLDS = (
    "iql",
    "fingerprint_iql",
    "importance_iql",
    "hysteretic",
    "distributed",
    "lenient",
    "nui",
    "likelihood_quantile",
    "coma",
)
# Nothing lowers the values of distributed Q-learning again, so at a high rate it keeps whatever it overshoots by. A
# table moves one entry at a time, and needs a higher one.
RATES = {"distributed": 1e-3, "distributed, table": 5e-2}
# The gridworld's runs have a third of the games' episodes: leniency has to end sooner.
OPTIONS_IN_GRIDWORLDS = {"lenient": {"leniency": Leniency(rho=-0.002, max_decay=0.9998)}}
GAMES = {
    "deterministic": "climbing",
    "partially-stochastic": "climbing-partially-stochastic",
    "fully-stochastic": "climbing-fully-stochastic",
}


def shuffled(game: MatrixGame, seed: int) -> MatrixGame:
    """Return the game with every agent's actions in another order."""
    return game.shuffled(np.random.default_rng(seed))


def run_matrix(name: str, variant: str, seed: int) -> dict[str, float]:
    """Train on a climbing game for 8,000 episodes; return the mean payoff of the greedy joint action."""
    game = shuffled(catalogue[GAMES[variant]], seed)
    base = train_settings("matrix/climbing", name)
    settings = replace(base, updates_per_round=4, epsilon_steps=6_000, eval_interval=10**9, eval_episodes=1)
    if name not in ON_POLICY:
        settings = replace(settings, epsilon_start=1.0, epsilon_finish=0.05)
    env = make_env(game, settings.n_envs, seed)
    values = replace(learner_settings("matrix/climbing", name), learning_rate=RATES.get(name, 5e-3))
    algorithm, _, table = name.partition(", ")
    agent = TableAgent if table else MLPAgent
    learner = ALGORITHMS[algorithm](env.spec, seed=seed, agent=agent, settings=values)
    for _ in train(env, learner, 8_000, settings=settings, seed=seed):
        pass
    seen = env.reset()
    no_actions = torch.full((settings.n_envs, 2), env.spec.n_actions)
    utilities, _ = learner.utilities(seen.obs, no_actions, None)
    a, b = learner.greedy(utilities, seen.avail_actions)[0].tolist()
    return {"payoff": float(game.payoff[a, b])}


def run_gridworld(name: str, variant: str, seed: int) -> dict[str, float]:
    """Train on a gridworld for 20,000 steps; return the mean of 128 greedy returns."""
    env_name = f"gridworld/{variant}"
    settings = replace(train_settings(env_name, name), updates_per_round=8, eval_interval=10**9, eval_episodes=1)
    settings = replace(settings, epsilon_steps=12_000)
    env = make_env(env_name, settings.n_envs, seed)
    learner = ALGORITHMS[name](env.spec, seed=seed, **OPTIONS_IN_GRIDWORLDS.get(name, {}))
    for _ in train(env, learner, 20_000, settings=settings, seed=seed):
        pass
    return {"payoff": float(evaluate(env, learner, 128)["mean_return"] or 0.0)}


RUNS = {"matrix": (run_matrix, LEARNERS, 0.1), "gridworld": (run_gridworld, IN_GRIDWORLDS, 1.5)}


def main(kind: str, seeds: int, folder: Path) -> None:
    """Run what is missing, then print the table."""
    run, learners, tolerance = RUNS[kind]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}.jsonl"
    results = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(r["learner"], r["variant"], r["seed"]) for r in results}
    for seed in range(seeds):
        for name in learners:
            for variant in GAMES:
                if (name, variant, seed) in done:
                    continue
                began = time.process_time()
                result = {"learner": name, "variant": variant, "seed": seed, **run(name, variant, seed)}
                result["cpu_seconds"] = round(time.process_time() - began, 1)
                results.append(result)
                with path.open("a") as file:
                    file.write(json.dumps(result) + "\n")
    print(table(results, learners, tolerance))


def table(results: list[dict[str, float]], learners: tuple[str, ...], tolerance: float) -> str:
    """Return a Markdown table: seeds that end within ``tolerance`` of 11, and the median payoff of all."""
    lines = [f"| learner | {' | '.join(GAMES)} | CPU-s a run |", "|---" * (len(GAMES) + 2) + "|"]
    for name in learners:
        cells = []
        for variant in GAMES:
            payoffs = [r["payoff"] for r in results if r["learner"] == name and r["variant"] == variant]
            solved = sum(payoff > 11 - tolerance for payoff in payoffs)
            cells.append(f"{solved}/{len(payoffs)} (median {np.median(payoffs):.1f})" if payoffs else "-")
        seconds = [r["cpu_seconds"] for r in results if r["learner"] == name]
        lines.append(f"| {name} | {' | '.join(cells)} | {np.median(seconds):.0f} |" if seconds else f"| {name} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in RUNS:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))

"""Train IQL, VDN and QMIX on the two-step game with its default settings, and print the values of state 1.

    python benchmarks/two_step.py 5

Exact, under uniform exploration and gamma .99: VDN 6.93 and 6.435, QMIX 6.93 and 7.92; agent 1 of IQL 6.93 and 4.455.
"""

from __future__ import annotations

import sys

import torch

from qmix_edu import algorithms, evaluate, make_env, train
from qmix_edu.settings import default_steps, train_settings


def values_of_state_1(learner: algorithms.Learner) -> list[float]:
    """Return the value of agent 1's actions A and B (agent 2 plays A); IQL's is agent 1's own."""
    env = make_env("two-step", n_envs=2)
    seen = env.reset()
    utilities, _ = learner.utilities(seen.obs, torch.full((2, 2), 2), None)
    values = learner.value(utilities, torch.tensor([[0, 0], [1, 0]]), seen.avail_actions, seen.state)
    return [round(value, 3) for value in values[:, 0].tolist()]


def main(seeds: int) -> None:
    """Print one row per run."""
    print("| algorithm | seed | A | B | greedy return |\n|---|---|---|---|---|")
    settings = train_settings("two-step")
    for name in ("iql", "vdn", "qmix"):
        for seed in range(seeds):
            env = make_env("two-step", settings.n_envs, seed)
            learner = algorithms.ALGORITHMS[name](env.spec, seed=seed)
            for _ in train(env, learner, default_steps("two-step"), seed=seed):
                pass
            a, b = values_of_state_1(learner)
            print(f"| {name} | {seed} | {a} | {b} | {evaluate(env, learner, 1)['mean_return']:.0f} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    main(int(sys.argv[1]))

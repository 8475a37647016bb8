"""Greedy evaluation."""

from __future__ import annotations

import torch

from qmix_edu.learner import Learner
from qmix_edu.rollout import play
from qmix_edu.scripted import ScriptedTeam
from qmix_edu.types import Environment, EnvironmentFailedError

MAX_ABORTED_ROUNDS = 5


def evaluate(env: Environment, learner: Learner | ScriptedTeam, episodes: int) -> dict[str, float | int | None]:
    """Play ``episodes`` greedy episodes; return ``win_rate``, ``mean_return`` and ``eval_episodes``.

    ``win_rate`` is None where nothing can be won. Aborted episodes are dropped and played again. The only chance in
    greedy play is the environment's: of equal actions an agent takes the first.
    """
    if episodes < 1:
        raise ValueError(f"Asked for {episodes} evaluation episodes; 1 is the least.")
    generator = torch.Generator()  # nothing is drawn from it
    returns, wins = torch.empty(0), torch.empty(0, dtype=torch.bool)
    empty_rounds = 0
    while len(returns) < episodes:
        batch, won = play(env, learner, None, generator)
        empty_rounds = empty_rounds + 1 if len(batch) == 0 else 0
        if empty_rounds == MAX_ABORTED_ROUNDS:
            raise EnvironmentFailedError(
                f"{env.spec.name} aborted every episode of {empty_rounds} rounds in a row; nothing to evaluate."
            )
        returns, wins = torch.cat([returns, batch.returns]), torch.cat([wins, won])
    return {
        "win_rate": wins[:episodes].float().mean().item() if env.spec.has_wins else None,
        "mean_return": returns[:episodes].mean().item(),
        "eval_episodes": episodes,
    }

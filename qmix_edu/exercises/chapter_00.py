"""The first picture and the warm-up exercise of chapter 00."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from matrix_games import catalogue
from qmix_edu.mixers import QMixer

from .framework import Misconception, check, diagnose, random_payoffs

CHAPTER = "00_start_here"


def watch_qmix_learn(steps: int, every: int = 10, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Fit one QMIX mixer to the two-step game's tables 2A and 2B, and yield what it has learnt on the way.

    Minimises the mean over both tables of ``(R - Q_tot)^2`` by Adam; the utilities ``[2 tables, 2 agents, 2 actions]``
    are free numbers. Yields ``w1``, ``b1``, ``w2``, ``v`` and ``utilities`` as ``LandscapeExplorer`` takes them: before
    the first step, after every ``every`` steps, and after the last. Sets torch to one thread: several are far slower
    for a network of this size.
    """
    torch.set_num_threads(1)
    targets = torch.stack([torch.from_numpy(catalogue[f"two-step-2{x}"].payoff.copy()).float() for x in "ab"])
    states = torch.eye(2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mixer, utilities = QMixer(2, 2, embed=8), torch.randn(2, 2, 2).requires_grad_()
    optimiser = torch.optim.Adam([*mixer.parameters(), utilities], lr=0.01)
    for step in range(steps + 1):
        if step % every == 0 or step == steps:
            with torch.no_grad():
                raw = {name: value.tolist() for name, value in mixer.raw_parameters(states).items()}
            yield {**raw, "utilities": utilities.tolist()}
        rows, columns = utilities[:, 0, :, None].expand(2, 2, 2), utilities[:, 1, None, :].expand(2, 2, 2)
        q = torch.stack([rows, columns], dim=-1)  # [table, row, column, agent]
        q_tot = mixer(q, states[:, None, None, :].expand(2, 2, 2, 2)).squeeze(-1)
        optimiser.zero_grad()
        ((targets - q_tot) ** 2).mean().backward()
        optimiser.step()


@check(
    CHAPTER,
    hints=(
        "A table is indexed by row and column: `payoff[..., ...]`.",
        "Agent 1 chooses the row, agent 2 the column, and both receive what stands there.",
        "In [[0, 1], [5, 8]] row 1 and column 0 pay 5.",
    ),
)
def check_team_reward(answer: Any) -> str:
    """What both agents receive."""
    diagnose(
        answer,
        [(payoff, i, j) for payoff in random_payoffs(4) for i in range(3) for j in range(3)],
        right=lambda payoff, row, column: payoff[row, column],
        misconceptions=[
            Misconception(
                "rows for columns",
                "agent 1 chooses the row, which is the *first* index.",
                lambda payoff, row, column: payoff[column, row],
                hint=2,
            ),
            Misconception(
                "the partner does what suits me",
                "you took the best that this row can give; the partner has chosen its column already.",
                lambda payoff, row, column: payoff[row].max(),
                hint=2,
            ),
            Misconception(
                "the partner plays at random",
                "you took the average of the row; the partner has chosen its column already.",
                lambda payoff, row, column: payoff[row].mean(),
                hint=2,
            ),
        ],
    )
    return "checks look like this in every chapter. You are ready."

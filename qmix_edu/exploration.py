"""Exploration: how epsilon falls, and how an action is drawn with it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from qmix_edu.td import greedy_actions


@dataclass(frozen=True)
class LinearEpsilon:
    """Falls from ``start`` to ``finish`` over the first ``steps`` environment steps, then stays.

    ``LinearEpsilon(1.0, 1.0, 1)`` explores uniformly for ever.
    """

    start: float = 1.0
    finish: float = 0.05
    steps: int = 50_000

    def __call__(self, env_steps: int) -> float:
        """Epsilon after ``env_steps`` environment steps."""
        fraction = min(1.0, env_steps / self.steps)
        return self.start + fraction * (self.finish - self.start)


def epsilon_greedy(
    utilities: Float[Tensor, "*b n a"],
    avail_actions: Bool[Tensor, "*b n a"],
    epsilon: float,
    generator: torch.Generator,
) -> Int[Tensor, "*b n"]:
    """Each agent takes a uniformly random available action with probability epsilon, its best one otherwise."""
    return explore(greedy_actions(utilities, avail_actions), avail_actions, epsilon, generator)


def explore(
    actions: Int[Tensor, "*b n"],
    avail_actions: Bool[Tensor, "*b n a"],
    epsilon: float,
    generator: torch.Generator,
) -> Int[Tensor, "*b n"]:
    """Each agent's action is replaced by a uniformly random available one with probability epsilon."""
    weights = avail_actions.reshape(-1, avail_actions.shape[-1]).float()
    random_actions = torch.multinomial(weights, 1, generator=generator).reshape(actions.shape)
    replaced = torch.rand(actions.shape, generator=generator) < epsilon
    return torch.where(replaced, random_actions, actions)

"""Temporal-difference targets and the masked loss, as pure functions."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def greedy_actions(utilities: Float[Tensor, "*b n a"], avail_actions: Bool[Tensor, "*b n a"]) -> Int[Tensor, "*b n"]:
    """Every agent's best available action, ``argmax_{u_a} Q_a(tau_a, u_a)``.

    Unavailable actions become -inf inside this max only, so no sentinel reaches a value.
    """
    return utilities.masked_fill(~avail_actions, -torch.inf).argmax(dim=-1)


def chosen_utilities(utilities: Float[Tensor, "*b n a"], actions: Int[Tensor, "*b n"]) -> Float[Tensor, "*b n"]:
    """``Q_a(tau_a, u_a)`` of the actions that were taken."""
    return utilities.gather(-1, actions.unsqueeze(-1)).squeeze(-1)


def td_lambda_targets(
    reward: Float[Tensor, "b t m"],
    terminated: Float[Tensor, "b t m"],
    mask: Float[Tensor, "b t m"],
    next_values: Float[Tensor, "b t m"],
    gamma: float,
    td_lambda: float,
) -> Float[Tensor, "b t m"]:
    """Targets ``y_t = r_t + gamma (1 - terminated_t) ((1 - lambda) V_{t+1} + lambda y_{t+1})``.

    ``next_values`` is ``V_{t+1}``, the bootstrap value of the observation after step t. At the last real step of an
    episode ``y_{t+1}`` does not exist and ``V_{t+1}`` takes its place; where the task terminated nothing follows,
    where a time limit cut the episode ``V_{t+1}`` counts. ``lambda = 0`` is one-step Q-learning. What stands in the
    padding or follows a termination is not looked at, be it NaN.

    Source: Peng and Williams (1996), Q(lambda), in its backward recursion. ``V`` is a greedy value and ``y`` is not cut
    where an agent explored, so for ``lambda > 0`` what is learnt depends on how much the data explore.
    Differs from: PyMARL, whose Q-learners use one step (lambda = 0).
    """
    continues = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
    weight = td_lambda * continues  # 0 at the last real step
    discount = gamma * (1 - terminated)
    next_values = next_values.where(mask > terminated, 0.0)  # 0 times NaN would be NaN
    targets = reward.where(mask > 0, 0.0) + discount * (1 - weight) * next_values  # what does not depend on y_{t+1}
    y, share = targets.unbind(1), (discount * weight).unbind(1)  # the steps of both, not copied
    for t in reversed(range(len(y) - 1)):
        y[t].addcmul_(share[t], y[t + 1])  # y_t += gamma (1 - terminated_t) lambda y_{t+1}
    return targets


def masked_td_loss(
    values: Float[Tensor, "b t m"], targets: Float[Tensor, "b t m"], mask: Float[Tensor, "b t m"]
) -> Float[Tensor, ""]:
    """``sum mask (y - Q)^2 / sum mask``: the mean over transitions that really happened.

    Raises ValueError unless the three have one shape, so that nothing broadcasts silently.
    """
    return weighted_td_loss(values, targets, mask, torch.ones_like(values))


def weighted_td_loss(
    values: Float[Tensor, "b t m"],
    targets: Float[Tensor, "b t m"],
    mask: Float[Tensor, "b t m"],
    weights: Float[Tensor, "b t m"],
) -> Float[Tensor, ""]:
    """``sum mask w (y - Q)^2 / sum mask``; the weights scale the errors, not the number of transitions.

    Raises ValueError unless the four have one shape, so that nothing broadcasts silently.
    """
    if not values.shape == targets.shape == mask.shape == weights.shape:
        raise ValueError(
            f"values {tuple(values.shape)}, targets {tuple(targets.shape)}, mask {tuple(mask.shape)} and weights "
            f"{tuple(weights.shape)} must have one shape [b, t, m]; expand the reward and the mask over m first."
        )
    return (weights * (targets - values) ** 2 * mask).sum() / mask.sum()

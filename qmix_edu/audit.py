"""Look into a trained factorisation: how Q_tot follows the utilities, and whether the agents' greed is the team's.

Both audits need a learner whose value is one number for the team; any :class:`~qmix_edu.types.Factorisation` will do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from qmix_edu.episodes import EpisodeBatch
from qmix_edu.learner import Learner
from qmix_edu.rollout import play
from qmix_edu.td import greedy_actions
from qmix_edu.types import Environment

EPSILON = 0.1  # of the play that the states are taken from: mostly what the team does, and a little beside it
NEAR_ZERO = 0.01  # of the median over all agents and states: the scale of utilities is the learner's own affair
MAX_JOINT_ACTIONS = 4096
_RELATIVE_TOLERANCE = 1e-5  # of Q_tot's range over the joint actions of a state, in single precision


@dataclass(frozen=True)
class Steps:
    """Single steps of real episodes, one after the other, with the learner's utilities."""

    utilities: Float[Tensor, "b n a"]
    actions: Int[Tensor, "b n"]
    avail_actions: Bool[Tensor, "b n a"]
    state: Float[Tensor, "b s"]

    def __len__(self) -> int:
        return len(self.state)


@dataclass(frozen=True)
class AgentGradient:
    """``dQ_tot/dQ_a`` of one agent over the states in which it has a choice (a dead unit has none).

    ``near_zero`` is the share of states where its size is at most ``NEAR_ZERO`` times the median size over all agents
    and states: there the team's value hardly feels this agent, and its utility hardly learns. ``negative`` is the share
    where the factorisation is not monotone.
    """

    states: int
    near_zero: float
    negative: float
    smallest: float
    median: float
    largest: float


@dataclass(frozen=True)
class IgmAudit:
    """In how many states the joint action of the agents' own best actions is worth less than the best joint action.

    ``too_large`` states were left out, having more than ``MAX_JOINT_ACTIONS`` available joint actions.
    """

    checked: int
    violations: int
    too_large: int


def real_steps(env: Environment, learner: Learner, episodes: int = 32, seed: int = 0) -> Steps:
    """Play at least this many episodes, greedy but for a share ``EPSILON`` of the actions, and return their steps."""
    if episodes < 1:
        raise ValueError(f"Asked for {episodes} episodes; 1 is the least.")
    generator = torch.Generator().manual_seed(seed)
    parts: list[Steps] = []
    played = 0
    while played < episodes:
        batch, _ = play(env, learner, EPSILON, generator)
        parts.append(steps_of(learner, batch))
        played += len(batch)
    return Steps(*(torch.cat([getattr(part, name) for part in parts]) for name in Steps.__dataclass_fields__))


@torch.no_grad()
def steps_of(learner: Learner, batch: EpisodeBatch) -> Steps:
    """Return the steps of a batch that really happened."""
    utilities, _ = learner.online["agent"](batch.obs, batch.last_actions)
    real = batch.mask.squeeze(-1) > 0  # [b, t]
    return Steps(
        utilities[:, :-1][real], batch.actions[real], batch.avail_actions[:, :-1][real], batch.state[:, :-1][real]
    )


def utility_gradients(learner: Learner, steps: Steps) -> Float[Tensor, "b n"]:
    """``dQ_tot/dQ_a`` with respect to the utility of the action that agent a took, by automatic differentiation.

    0 where Q_tot does not depend on the utilities at all.

    Raises ValueError where the learner values each agent by itself (IQL): there is nothing that joins the utilities.
    """
    utilities = steps.utilities.clone().requires_grad_()
    value = learner.online["factorisation"](utilities, steps.actions, steps.avail_actions, steps.state)
    _require_one_value(learner, value)
    (gradient,) = torch.autograd.grad(value.sum(), utilities, allow_unused=True, materialize_grads=True)
    return gradient.gather(-1, steps.actions.unsqueeze(-1)).squeeze(-1)


def audit_gradients(learner: Learner, steps: Steps) -> list[AgentGradient]:
    """Summarise ``dQ_tot/dQ_a`` for each agent; see :func:`utility_gradients`."""
    gradients = utility_gradients(learner, steps)
    has_choice = steps.avail_actions.sum(-1) > 1
    small = NEAR_ZERO * (gradients[has_choice].abs().median().item() if has_choice.any() else 0.0)
    return [_summary(gradients[has_choice[:, agent], agent], small) for agent in range(gradients.shape[1])]


def _summary(gradient: Float[Tensor, " b"], small: float) -> AgentGradient:
    if len(gradient) == 0:
        return AgentGradient(0, math.nan, math.nan, math.nan, math.nan, math.nan)
    return AgentGradient(
        states=len(gradient),
        near_zero=(gradient.abs() <= small).float().mean().item(),
        negative=(gradient < 0).float().mean().item(),
        smallest=gradient.min().item(),
        median=gradient.median().item(),
        largest=gradient.max().item(),
    )


@torch.no_grad()
def audit_igm(learner: Learner, steps: Steps, max_states: int = 200, seed: int = 0) -> IgmAudit:
    """Value every available joint action in some of the states, and compare the best with the agents' own choice.

    The states are drawn at random. The condition is ``Q_tot(argmax Q_1, ..., argmax Q_n) = max Q_tot``.

    Source: Son et al. (2019), "QTRAN", equation 1 (IGM).

    Raises ValueError where the learner values each agent by itself (IQL).
    """
    order = torch.randperm(len(steps), generator=torch.Generator().manual_seed(seed))
    chosen = greedy_actions(steps.utilities, steps.avail_actions)
    sizes = steps.avail_actions.sum(-1).double().prod(-1)
    checked = violations = too_large = 0
    for i in order[:max_states].tolist():
        if sizes[i] > MAX_JOINT_ACTIONS:
            too_large += 1
            continue
        available = [row.nonzero().squeeze(-1) for row in steps.avail_actions[i]]
        joint = torch.cat([torch.cartesian_prod(*available).reshape(-1, len(available)), chosen[i][None]])
        value = _values(learner, steps, i, joint)
        slack = _RELATIVE_TOLERANCE * (value.max() - value.min()) + 1e-6 * value.abs().max()
        checked += 1
        violations += bool(value[-1] < value.max() - slack)
    return IgmAudit(checked, violations, too_large)


def _values(learner: Learner, steps: Steps, i: int, joint: Int[Tensor, "j n"]) -> Float[Tensor, " j"]:
    def expand(row: Tensor) -> Tensor:
        return row.expand(len(joint), *row.shape)

    value = learner.value(expand(steps.utilities[i]), joint, expand(steps.avail_actions[i]), expand(steps.state[i]))
    _require_one_value(learner, value)
    return value.squeeze(-1)


def _require_one_value(learner: Learner, value: Float[Tensor, "*b m"]) -> None:
    if value.shape[-1] != 1:
        raise ValueError(
            f"{learner.algorithm} gives every agent a value of its own and mixes none of them, so there is no Q_tot to "
            "look into; inspect a run of vdn or qmix."
        )

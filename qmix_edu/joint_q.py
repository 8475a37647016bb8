"""Q-learning of the joint action: the whole team as one agent, for teams that are small enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from qmix_edu.learner import Learner, LearnerSettings
from qmix_edu.types import EnvSpec

MOST_JOINT_ACTIONS = 1024


class TeamAgent(nn.Module):
    """A utility network for the team: it reads all observations and values all ``A = a^n`` joint actions.

    ``agent`` makes the network, for one agent that sees the observations side by side.
    """

    def __init__(self, spec: EnvSpec, agent: Callable[[EnvSpec], nn.Module]):
        super().__init__()
        self.n_actions, self.n_joint = spec.n_actions, spec.n_actions**spec.n_agents
        self.body = agent(replace(spec, n_agents=1, n_actions=self.n_joint, obs_size=spec.n_agents * spec.obs_size))

    def forward(
        self,
        obs: Float[Tensor, "b t n o"],
        last_actions: Int[Tensor, "b t n"],
        hidden: Float[Tensor, "b 1 h"] | None = None,
    ) -> tuple[Float[Tensor, "b t 1 A"], Float[Tensor, "b 1 h"] | None]:
        """Return the value of every joint action at every step, and the hidden state after the last one."""
        none_yet = (last_actions == self.n_actions).any(dim=-1)
        joint = joint_index(last_actions, self.n_actions).masked_fill(none_yet, self.n_joint)
        return self.body(obs.flatten(start_dim=2).unsqueeze(2), joint.unsqueeze(-1), hidden)


class Joint(nn.Module):
    """No factorisation at all: the value of a joint action is looked up."""

    def forward(
        self,
        utilities: Float[Tensor, "*b 1 A"],
        actions: Int[Tensor, "*b n"],
        avail_actions: Bool[Tensor, "*b n a"],
        state: Float[Tensor, "*b s"],
    ) -> Float[Tensor, "*b 1"]:
        """Return the value of ``actions``."""
        index = joint_index(actions, avail_actions.shape[-1])
        return utilities.squeeze(-2).gather(-1, index.unsqueeze(-1))


class JointLearner(Learner):
    """Double Q-learning over joint actions; the team acts as one, by the best available joint action.

    Nothing here can be executed by agents that see only their own observation: it is the yardstick that factored values
    are held against, and its output grows as ``a^n``.

    Source: Claus and Boutilier (1998), joint action learners, with one learner for the team.

    Raises:
        ValueError: there are more than ``MOST_JOINT_ACTIONS`` joint actions.

    """

    def __init__(
        self,
        spec: EnvSpec,
        algorithm: str,
        agent: Callable[[EnvSpec], nn.Module],
        settings: LearnerSettings,
        seed: int,
    ):
        n_joint = spec.n_actions**spec.n_agents
        if n_joint > MOST_JOINT_ACTIONS:
            raise ValueError(
                f"{spec.name} has {spec.n_actions}^{spec.n_agents} = {n_joint} joint actions, but {algorithm} values "
                f"each of them and takes {MOST_JOINT_ACTIONS} at most; choose an algorithm that factors the value, "
                "for example qmix."
            )
        super().__init__(spec, algorithm, lambda: TeamAgent(spec, agent), Joint, settings, seed)

    def greedy(self, utilities: Float[Tensor, "*b 1 A"], avail_actions: Bool[Tensor, "*b n a"]) -> Int[Tensor, "*b n"]:
        """Return the joint action of the highest value among those in which every agent's action is available."""
        values = utilities.squeeze(-2).masked_fill(~joint_available(avail_actions), -torch.inf)
        n, a = avail_actions.shape[-2:]
        return joint_actions(values.argmax(dim=-1), n, a)


def joint_index(actions: Int[Tensor, "*b n"], n_actions: int) -> Int[Tensor, "*b"]:
    """Return the number of a joint action, the last agent's action running fastest."""
    places = n_actions ** torch.arange(actions.shape[-1] - 1, -1, -1)
    return (actions * places).sum(dim=-1)


def joint_actions(index: Int[Tensor, "*b"], n_agents: int, n_actions: int) -> Int[Tensor, "*b n"]:
    """Return the joint action of a number: the inverse of ``joint_index``."""
    places = n_actions ** torch.arange(n_agents - 1, -1, -1)
    return index.unsqueeze(-1) // places % n_actions


def joint_available(avail_actions: Bool[Tensor, "*b n a"]) -> Bool[Tensor, "*b A"]:
    """Return which joint actions are available: those in which every agent's action is."""
    *batch, n, _ = avail_actions.shape
    available = torch.ones(*batch, 1, dtype=torch.bool)
    for agent in range(n):
        available = (available.unsqueeze(-1) & avail_actions[..., agent, None, :]).flatten(start_dim=-2)
    return available

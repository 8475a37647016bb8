"""Utility networks: a table, a feed-forward and a recurrent network, their parameters shared by all agents.

The networks see the observation, the last action and the agent's identity. One linear layer reads the three as if
they were concatenated one-hot: ``W_o o + W_u[u] + W_id[a]``.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from qmix_edu.types import EnvSpec


class TableAgent(nn.Module):
    """One utility per agent, observation and action, for observations that are one-hot.

    Each agent has a table of its own; there is nothing to share. All utilities start at 0.
    """

    def __init__(self, spec: EnvSpec):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(spec.n_agents, spec.obs_size, spec.n_actions))

    def forward(
        self,
        obs: Float[Tensor, "b t n o"],
        last_actions: Int[Tensor, "b t n"],
        hidden: Float[Tensor, "b n h"] | None = None,
    ) -> tuple[Float[Tensor, "b t n a"], None]:
        """Return the row of the table that the observation names."""
        return torch.einsum("btno,noa->btna", obs, self.table), None


class _InputLayer(nn.Module):
    def __init__(self, spec: EnvSpec, hidden_size: int):
        super().__init__()
        one_hot_sizes = spec.n_actions + spec.n_agents
        layer = nn.Linear(spec.obs_size + one_hot_sizes, hidden_size)  # initialised as one layer
        w_obs, w_action, w_agent = layer.weight.detach().split([spec.obs_size, spec.n_actions, spec.n_agents], dim=1)
        self.w_obs = nn.Linear(spec.obs_size, hidden_size)
        self.w_obs.weight.data.copy_(w_obs)
        # One more row, held at zero, stands for "no action yet".
        no_action = torch.zeros(1, hidden_size)
        rows = torch.cat([w_action.T, no_action])
        self.w_action = nn.Embedding.from_pretrained(rows, freeze=False, padding_idx=spec.n_actions)
        self.w_agent = nn.Parameter(w_agent.T.clone())

    def forward(self, obs: Float[Tensor, "b t n o"], last_actions: Int[Tensor, "b t n"]) -> Float[Tensor, "b t n h"]:
        return torch.relu(self.w_obs(obs) + self.w_action(last_actions) + self.w_agent)


class MLPAgent(nn.Module):
    """Linear - ReLU - Linear - ReLU - Linear; it remembers nothing but its last action."""

    def __init__(self, spec: EnvSpec, hidden_size: int = 64):
        super().__init__()
        self.input = _InputLayer(spec, hidden_size)
        self.body = nn.Sequential(
            nn.Linear(hidden_size, hidden_size), nn.ReLU(), nn.Linear(hidden_size, spec.n_actions)
        )

    def forward(
        self,
        obs: Float[Tensor, "b t n o"],
        last_actions: Int[Tensor, "b t n"],
        hidden: Float[Tensor, "b n h"] | None = None,
    ) -> tuple[Float[Tensor, "b t n a"], None]:
        """Return the utilities of every step; there is no hidden state."""
        return self.body(self.input(obs, last_actions)), None


class GRUAgent(nn.Module):
    """Linear - ReLU - GRU - Linear: the agent of the QMIX paper, which remembers its history ``tau_a``.

    Source: Rashid et al. (2018), figure 2 (c). The GRU runs over all steps in one call.
    """

    def __init__(self, spec: EnvSpec, hidden_size: int = 64):
        super().__init__()
        self.input = _InputLayer(spec, hidden_size)
        self.gru = nn.GRU(hidden_size, hidden_size)
        self.output = nn.Linear(hidden_size, spec.n_actions)

    def forward(
        self,
        obs: Float[Tensor, "b t n o"],
        last_actions: Int[Tensor, "b t n"],
        hidden: Float[Tensor, "b n h"] | None = None,
    ) -> tuple[Float[Tensor, "b t n a"], Float[Tensor, "b n h"]]:
        """Return the utilities of every step, and the hidden state after the last one."""
        inputs = self.input(obs, last_actions)  # [b, t, n, h]
        b, t, n, h = inputs.shape
        sequence = inputs.transpose(0, 1).reshape(t, b * n, h)
        first = None if hidden is None else hidden.reshape(1, b * n, h)
        outputs, last = self.gru(sequence, first)
        utilities = self.output(outputs).reshape(t, b, n, -1).transpose(0, 1)
        return utilities, last.reshape(b, n, h)

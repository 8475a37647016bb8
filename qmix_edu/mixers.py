"""Mixers: how the agents' utilities become one Q_tot; and factorisations, which value a joint action."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from qmix_edu.td import chosen_utilities


class VDNMixer(nn.Module):
    """The sum, ``Q_tot = sum_a Q_a``; it does not see the state.

    Source: Sunehag et al. (2017), "Value-Decomposition Networks", equation 1.
    """

    def forward(self, q: Float[Tensor, "*b n"], state: Float[Tensor, "*b s"]) -> Float[Tensor, "*b 1"]:
        """Return Q_tot."""
        return q.sum(dim=-1, keepdim=True)


class QMixer(nn.Module):
    """The monotone mixing network, ``Q_tot = W2(s) ELU(W1(s) q + b1(s)) + V(s)`` with ``W1, W2 >= 0``.

    Hypernetworks produce the weights from the state and ``weight_constraint`` makes them non-negative, hence
    ``dQ_tot/dQ_a >= 0``. The biases ``b1`` and ``V`` are free: they move the surface and tilt nothing.
    ELU is convex, so for a fixed state Q_tot is convex and supermodular in the utilities: not every monotone
    function is within reach.

    Source: Rashid et al. (2018), section 4 and figure 2.
    Differs from: the paper's single-layer hypernetworks; as in PyMARL, those of W1 and W2 have a hidden layer.
    """

    def __init__(
        self,
        n_agents: int,
        state_size: int,
        embed: int = 32,
        hyper_hidden: int = 64,
        weight_constraint: Callable[[Tensor], Tensor] = torch.abs,
    ):
        super().__init__()
        self.n_agents, self.embed = n_agents, embed
        self.weight_constraint = weight_constraint
        self.hyper_w1 = _hypernetwork(state_size, hyper_hidden, n_agents * embed)
        self.hyper_b1 = nn.Linear(state_size, embed)
        self.hyper_w2 = _hypernetwork(state_size, hyper_hidden, embed)
        self.hyper_v = _hypernetwork(state_size, embed, 1)

    def raw_parameters(self, state: Float[Tensor, "*b s"]) -> dict[str, Tensor]:
        """Return what the hypernetworks say, before the constraint: w1 [*b n E], b1 [*b E], w2 [*b E], v [*b]."""
        return {
            "w1": self.hyper_w1(state).unflatten(-1, (self.n_agents, self.embed)),
            "b1": self.hyper_b1(state),
            "w2": self.hyper_w2(state),
            "v": self.hyper_v(state).squeeze(-1),
        }

    def forward(self, q: Float[Tensor, "*b n"], state: Float[Tensor, "*b s"]) -> Float[Tensor, "*b 1"]:
        """Return Q_tot."""
        raw = self.raw_parameters(state)
        w1, w2 = self.weight_constraint(raw["w1"]), self.weight_constraint(raw["w2"])
        hidden = F.elu((q.unsqueeze(-1) * w1).sum(dim=-2) + raw["b1"])  # [*b, E]
        return (hidden * w2).sum(dim=-1, keepdim=True) + raw["v"].unsqueeze(-1)


class UnconstrainedMixer(QMixer):
    """The same network with free weights: it represents more tables and loses the decentralised argmax."""

    def __init__(self, n_agents: int, state_size: int, embed: int = 32, hyper_hidden: int = 64):
        super().__init__(n_agents, state_size, embed, hyper_hidden, weight_constraint=_identity)


def _identity(weights: Tensor) -> Tensor:
    return weights


def _hypernetwork(state_size: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(state_size, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


class Independent(nn.Module):
    """No factorisation: every agent's utility of its own action is a value by itself (m = n)."""

    def forward(
        self,
        utilities: Float[Tensor, "*b n a"],
        actions: Int[Tensor, "*b n"],
        avail_actions: Bool[Tensor, "*b n a"],
        state: Float[Tensor, "*b s"],
    ) -> Float[Tensor, "*b n"]:
        """Return the utilities of ``actions``."""
        return chosen_utilities(utilities, actions)


class Mixed(nn.Module):
    """A mixer as a factorisation: mix the utilities of the chosen actions into one value (m = 1)."""

    def __init__(self, mixer: nn.Module):
        super().__init__()
        self.mixer = mixer

    def forward(
        self,
        utilities: Float[Tensor, "*b n a"],
        actions: Int[Tensor, "*b n"],
        avail_actions: Bool[Tensor, "*b n a"],
        state: Float[Tensor, "*b s"],
    ) -> Float[Tensor, "*b 1"]:
        """Return Q_tot of ``actions``."""
        return self.mixer(chosen_utilities(utilities, actions), state)

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


class VDNSMixer(nn.Module):
    """The sum and a bias of the state, ``Q_tot = sum_a Q_a + V(s)``: it moves the values and no greedy action.

    Source: Rashid et al. (2018), VDN-S. V is the network that is QMIX's last bias.
    """

    def __init__(self, state_size: int, embed: int = 32):
        super().__init__()
        self.hyper_v = two_layers(state_size, embed, 1)

    def forward(self, q: Float[Tensor, "*b n"], state: Float[Tensor, "*b s"]) -> Float[Tensor, "*b 1"]:
        """Return Q_tot."""
        return q.sum(dim=-1, keepdim=True) + self.hyper_v(state)


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
        self.hyper_w1 = two_layers(state_size, hyper_hidden, n_agents * embed)
        self.hyper_b1 = nn.Linear(state_size, embed)
        self.hyper_w2 = two_layers(state_size, hyper_hidden, embed)
        self.hyper_v = two_layers(state_size, embed, 1)

    def raw_parameters(self, state: Float[Tensor, "*b s"]) -> dict[str, Tensor]:
        """Return what the hypernetworks say, before the constraint: w1 [b n E], b1 [b E], w2 [b E], v [b]."""
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


class QMixerNS(nn.Module):
    """The mixing network without a state, ``Q_tot = |W2| ELU(|W1| q + b1) + b2``, its weights learnt directly.

    Source: Rashid et al. (2018), QMIX-NS.
    """

    def __init__(self, n_agents: int, embed: int = 32):
        super().__init__()
        self.first, self.last = nn.Linear(n_agents, embed), nn.Linear(embed, 1)

    def forward(self, q: Float[Tensor, "*b n"], state: Float[Tensor, "*b s"]) -> Float[Tensor, "*b 1"]:
        """Return Q_tot."""
        hidden = F.elu(F.linear(q, self.first.weight.abs(), self.first.bias))
        return F.linear(hidden, self.last.weight.abs(), self.last.bias)


class QMixerLin(nn.Module):
    """The mixing network without a hidden layer, ``Q_tot = sum_a |w_a(s)| Q_a + b(s)``: for each state a weighted sum.

    Source: Rashid et al. (2018), QMIX-Lin.
    """

    def __init__(self, n_agents: int, state_size: int, embed: int = 32, hyper_hidden: int = 64):
        super().__init__()
        self.hyper_w = two_layers(state_size, hyper_hidden, n_agents)
        self.hyper_b = two_layers(state_size, embed, 1)

    def forward(self, q: Float[Tensor, "*b n"], state: Float[Tensor, "*b s"]) -> Float[Tensor, "*b 1"]:
        """Return Q_tot."""
        return (self.hyper_w(state).abs() * q).sum(dim=-1, keepdim=True) + self.hyper_b(state)


class UniversalMixer(nn.Module):
    """The smooth min-max network: monotone like QMIX, and of every monotone table it comes as close as wished.

    ``Q_tot = -log sum_k exp(-M_k) + V(s)`` with ``M_k = log(exp b_k0(s) + sum_j exp(w_kj(s) q + b_kj(s)))`` and
    ``w_kj >= 0``: the soft minimum over groups k of the soft maximum over a constant and the units j of the group.

    Why nothing monotone is out of reach, given enough groups and units: ``exp(V - Q_tot)`` is a sum over groups. Where
    a unit is steep its exponential is as good as 0 or infinite, so that a group adds its constant on one lower set of
    joint actions and nothing elsewhere; sums of such are all the positive tables that fall with the utilities. A lower
    set's complement is a union of sets "every agent at least here", and each of those is one half space, hence one
    unit, once every step up an agent's utilities is smaller than the one before by a large enough factor.

    Source: Igel (2024), "Smooth Min-Max Monotonic Networks"; with hard minima and maxima: Sill (1997), "Monotonic
    Networks", where most units get no gradient.
    Differs from: both, in that hypernetworks make the weights from the state, by absolute values (there by
    exponentials), and V(s) takes the place of a learnt temperature. The constants and the steep start are ours: without
    them a quarter of the seeds miss the staircase [[0, 0, 1], [0, 1, 1], [1, 1, 1]], which has a floor and a ceiling.
    """

    STEEPNESS = 4.0

    def __init__(self, n_agents: int, state_size: int, groups: int = 6, units: int = 3, hyper_hidden: int = 64):
        super().__init__()
        self.shape = (groups, units, n_agents)
        self.hyper_w = two_layers(state_size, hyper_hidden, groups * units * n_agents)
        self.hyper_b = two_layers(state_size, hyper_hidden, groups * (1 + units))
        self.hyper_v = two_layers(state_size, hyper_hidden, 1)

    def forward(self, q: Float[Tensor, "*b n"], state: Float[Tensor, "*b s"]) -> Float[Tensor, "*b 1"]:
        """Return Q_tot."""
        groups, units, _ = self.shape
        w = self.STEEPNESS * self.hyper_w(state).abs().unflatten(-1, self.shape)  # [*b, k, j, n]
        b = self.hyper_b(state).unflatten(-1, (groups, 1 + units))  # [*b, k, 1+j]
        weighted = (w * q[..., None, None, :]).sum(dim=-1)  # [*b, k, j]
        soft_max = torch.logsumexp(F.pad(weighted, (1, 0)) + b, dim=-1)  # [*b, k]; unit 0 is the constant
        return -torch.logsumexp(-soft_max, dim=-1, keepdim=True) + self.hyper_v(state)


class CentralMixer(nn.Module):
    """A feed-forward network of utilities and state, ``Q* = f(Q_1, ..., Q_n, s) + V(s)``, with no constraint at all.

    Source: Rashid et al. (2020), the unrestricted joint value of Weighted QMIX: three hidden layers, ReLU.
    """

    def __init__(self, n_agents: int, state_size: int, hidden: int = 256):
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Linear(n_agents + state_size, hidden), nn.ReLU()),
            *(nn.Linear(hidden, hidden), nn.ReLU()),
            *(nn.Linear(hidden, hidden), nn.ReLU()),
            nn.Linear(hidden, 1),
        )
        self.v = two_layers(state_size, hidden, 1)

    def forward(self, q: Float[Tensor, "*b n"], state: Float[Tensor, "*b s"]) -> Float[Tensor, "*b 1"]:
        """Return Q*."""
        return self.body(torch.cat([state, q], dim=-1)) + self.v(state)


def _identity(weights: Tensor) -> Tensor:
    return weights


def two_layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Linear - ReLU - Linear: the shape of every hypernetwork with a hidden layer."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


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

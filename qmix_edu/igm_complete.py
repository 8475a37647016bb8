"""Factorisations that reach every table whose best joint action is the agents' own: QPLEX and QFIX.

Both take the agents' advantages ``A_a = Q_a(u_a) - max Q_a <= 0``, which vanish at the greedy joint action, and scale
them by positive numbers that may depend on the whole joint action: where the maximum is does not change, everything
below it does. With free utilities and scales any table with one best joint action is reached; ties need a limit.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from qmix_edu.mixers import two_layers
from qmix_edu.td import chosen_utilities, greedy_actions


def best_utilities(utilities: Float[Tensor, "*b n a"], avail_actions: Bool[Tensor, "*b n a"]) -> Float[Tensor, "*b n"]:
    """``V_a = max Q_a`` over the available actions."""
    return chosen_utilities(utilities, greedy_actions(utilities, avail_actions))


def _state_and_actions(
    state: Float[Tensor, "*b s"], actions: Int[Tensor, "*b n"], n_actions: int
) -> Float[Tensor, "*b f"]:
    return torch.cat([state, F.one_hot(actions, n_actions).flatten(-2)], dim=-1)


class QPLEX(nn.Module):
    """Duplex duelling: ``Q_tot = sum_a V_a + sum_a lambda_a(s, u) A_a`` with ``lambda_a > 0``.

    The utilities are first moved by the state, ``Q_a(tau_a, u_a) <- Q_a(tau_a, u_a) + b_a(s)``; ``V_a`` is their
    maximum over the available actions and ``A_a = Q_a - V_a``. The weights are a sum over attention heads,
    ``lambda_a = sum_k |key_k(s)| sigmoid(agent_ka(s)) sigmoid(action_ka(s, u))``. ``A_a`` has no gradient beside
    ``lambda_a``, so that the utilities learn as in VDN-S and the weights take up the rest:
    ``Q_tot = sum_a Q_a + sum_a (lambda_a - 1) sg(A_a)``.

    Source: Wang et al. (2021), "QPLEX: Duplex Dueling Multi-Agent Q-Learning"; where the gradient stops, and
    the heads: the authors' code.
    Differs from: the paper's transformation ``w_a Q_a + b_a`` by histories. As in the authors' code it sees the state
    alone; w_a, an option there, is left out: free utilities need none, and with it the QTRAN game is rarely solved.
    """

    SMALLEST = 1e-10  # as in the authors' code: keeps the weights above zero

    def __init__(self, n_agents: int, n_actions: int, state_size: int, heads: int = 10, hidden: int = 64):
        super().__init__()
        self.n_actions, self.per_head = n_actions, (heads, n_agents)
        self.hyper_b = two_layers(state_size, hidden, n_agents)
        self.key = two_layers(state_size, hidden, heads)
        self.agent = two_layers(state_size, hidden, heads * n_agents)
        self.action = two_layers(state_size + n_agents * n_actions, hidden, heads * n_agents)

    def forward(
        self,
        utilities: Float[Tensor, "*b n a"],
        actions: Int[Tensor, "*b n"],
        avail_actions: Bool[Tensor, "*b n a"],
        state: Float[Tensor, "*b s"],
    ) -> Float[Tensor, "*b 1"]:
        """Return Q_tot of ``actions``."""
        q = chosen_utilities(utilities, actions)
        advantages = (q - best_utilities(utilities, avail_actions)).detach()
        q_moved = q + self.hyper_b(state)
        return (q_moved + (self.weights(actions, state) - 1) * advantages).sum(dim=-1, keepdim=True)

    def weights(self, actions: Int[Tensor, "*b n"], state: Float[Tensor, "*b s"]) -> Float[Tensor, "*b n"]:
        """Return ``lambda_a(s, u) > 0``."""
        key = self.key(state).abs().unsqueeze(-1) + self.SMALLEST  # [*b, k, 1]
        agent = self.agent(state).unflatten(-1, self.per_head).sigmoid()
        action = self.action(_state_and_actions(state, actions, self.n_actions)).unflatten(-1, self.per_head).sigmoid()
        return (key * agent * action).sum(dim=-2)


class QFIX(nn.Module):
    """A correction on top of a mixer: ``Q_tot = f(Q; s) + w(s, u) A_f + b(s)`` with ``w > -1``.

    ``f`` is a monotone mixer, so that its maximum is at the agents' own best actions; its advantage is
    ``A_f = f(Q; s) - max f <= 0``. As ``Q_tot = max f + b + (1 + w) A_f``, the best joint action stays where f has it,
    and with free w and b everything else is free. ``A_f`` has no gradient beside w. A sum for f is QFIX-sum, QMIX's
    mixer QFIX-mono. ``w = exp(x) - 1`` of a free x, so that w starts near 0 and f starts as it is.

    Source: Baisero et al. (2025), "Fixing Incomplete Value Function Decomposition for Multi-Agent Reinforcement
    Learning", the additive form Q+FIX; where the gradient stops: code of the authors.
    Differs from: that code, where ``w = |x + 1| - 1``. Near a tie of two actions ``1 + w`` has to grow without bound
    for the fit to hold while the better action overtakes; a linear w is too slow, and the QTRAN game is rarely solved.
    As in that code, w and b see the state and not the agents' histories.
    """

    def __init__(self, mixer: nn.Module, n_agents: int, n_actions: int, state_size: int, hidden: int = 64):
        super().__init__()
        self.mixer, self.n_actions = mixer, n_actions
        self.w = two_layers(state_size + n_agents * n_actions, hidden, 1)
        self.b = two_layers(state_size, hidden, 1)

    def forward(
        self,
        utilities: Float[Tensor, "*b n a"],
        actions: Int[Tensor, "*b n"],
        avail_actions: Bool[Tensor, "*b n a"],
        state: Float[Tensor, "*b s"],
    ) -> Float[Tensor, "*b 1"]:
        """Return Q_tot of ``actions``."""
        f = self.mixer(chosen_utilities(utilities, actions), state)
        advantage = f - self.mixer(best_utilities(utilities, avail_actions), state)
        return f + self.weights(actions, state) * advantage.detach() + self.b(state)

    def weights(self, actions: Int[Tensor, "*b n"], state: Float[Tensor, "*b s"]) -> Float[Tensor, "*b 1"]:
        """Return ``w(s, u) > -1``."""
        return torch.expm1(self.w(_state_and_actions(state, actions, self.n_actions)))

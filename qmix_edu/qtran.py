"""QTRAN: learn the joint value freely, and bind the agents' utilities to it by two more losses."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from qmix_edu.episodes import EpisodeBatch
from qmix_edu.learner import Learner, LearnerSettings
from qmix_edu.td import chosen_utilities, masked_td_loss
from qmix_edu.types import EnvSpec


class JointValue(nn.Module):
    """``Q_jt(s, u)``: a network of the state and of the sum of one learnt encoding per agent and action.

    It is a factorisation that asks nothing of the utilities.

    Source: Son et al. (2019) (sums of encodings).
    Differs from: the paper, where the encodings are made from hidden features that the agents' networks share with
    Q_jt; here the state stands for what is to be known, as in PyMARL's architecture ``coma_critic``.
    """

    def __init__(self, n_agents: int, n_actions: int, state_size: int, hidden: int = 64):
        super().__init__()
        encoder = nn.Linear(n_agents * n_actions, hidden, bias=False)  # initialised as one layer
        self.encodings = nn.Parameter(encoder.weight.detach().T.unflatten(0, (n_agents, n_actions)).clone())
        self.state = nn.Linear(state_size, hidden)
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(
        self,
        utilities: Float[Tensor, "*b n a"],
        actions: Int[Tensor, "*b n"],
        avail_actions: Bool[Tensor, "*b n a"],
        state: Float[Tensor, "*b s"],
    ) -> Float[Tensor, "*b 1"]:
        """Return Q_jt of ``actions``."""
        return self.head(self.state(state) + self._encoded(actions).sum(dim=-2))

    def counterfactual(self, actions: Int[Tensor, "*b n"], state: Float[Tensor, "*b s"]) -> Float[Tensor, "*b n a"]:
        """Return ``Q_jt(s, (u_-a, .))``: what each action of each agent is worth beside the others' ``actions``."""
        encoded = self._encoded(actions)
        others = self.state(state).unsqueeze(-2) + encoded.sum(dim=-2, keepdim=True) - encoded  # [*b, n, h]
        return self.head(others.unsqueeze(-2) + self.encodings).squeeze(-1)

    def _encoded(self, actions: Int[Tensor, "*b n"]) -> Float[Tensor, "*b n h"]:
        return self.encodings[torch.arange(len(self.encodings)), actions]


class QTRAN(Learner):
    """QTRAN-base: ``loss = L_td + L_opt + w_nopt L_nopt``, all three over real transitions.

    ``Q'_jt(u) = sum_a Q_a(u_a)`` is what the agents decide by. With ``D(u) = Q'_jt(u) - sg(Q_jt(u)) + V_jt(s)`` and
    ``u*`` the agents' greedy actions:

    - ``L_td = (y - Q_jt(u))^2`` with ``y = r + gamma Q_jt^-(s', u*')``: the joint value learns as it likes;
    - ``L_opt = D(u*)^2``: at the greedy actions the sum is the joint value, up to V_jt;
    - ``L_nopt = min(D(u), 0)^2``: elsewhere it is no smaller.

    When both vanish, the greedy actions are Q_jt's best: ``Q_jt(u) - V_jt <= Q'_jt(u) <= Q'_jt(u*) = Q_jt(u*) - V_jt``.

    Source: Son et al. (2019), "QTRAN"; ``w_nopt = 0.1``: PyMARL's ``nopt_min_loss``.
    Differs from: PyMARL, which uses RMSprop and one-step targets; here Adam and TD(lambda).
    """

    def __init__(
        self,
        spec: EnvSpec,
        algorithm: str,
        agent: Callable[[], nn.Module],
        settings: LearnerSettings,
        seed: int,
        nopt_weight: float = 0.1,
    ):
        super().__init__(
            spec,
            algorithm,
            agent,
            lambda: JointValue(spec.n_agents, spec.n_actions, spec.state_size),
            settings,
            seed,
            networks={"v": lambda: nn.Sequential(nn.Linear(spec.state_size, 64), nn.ReLU(), nn.Linear(64, 1))},
        )
        self.nopt_weight = nopt_weight

    def loss(self, batch: EpisodeBatch) -> tuple[Float[Tensor, ""], dict[str, float]]:
        """Return the three losses' sum, and metrics: ``q_mean`` is the mean of Q_jt, the losses go by their names."""
        utilities, _ = self.online["agent"](batch.obs, batch.last_actions)
        joint = self.values(utilities, batch)  # [b, t, 1]
        targets = self.targets(batch, utilities.detach())
        utilities = utilities[:, :-1]
        v = self.online["v"](batch.state[:, :-1])
        td = masked_td_loss(joint, targets, batch.mask)
        opt = masked_td_loss(self.gap_at_the_greedy_actions(utilities, v, batch), torch.zeros_like(v), batch.mask)
        elsewhere = self.gaps_elsewhere(utilities, v, batch)
        nopt = masked_td_loss(elsewhere, torch.zeros_like(elsewhere), batch.mask.expand_as(elsewhere))
        metrics = {"td_loss": td.item(), "opt_loss": opt.item(), "nopt_loss": nopt.item()}
        return td + opt + self.nopt_weight * nopt, {"q_mean": self.mean(joint, batch.mask), **metrics}

    def gap_at_the_greedy_actions(
        self, utilities: Float[Tensor, "b t n a"], v: Float[Tensor, "b t 1"], batch: EpisodeBatch
    ) -> Float[Tensor, "b t 1"]:
        """Return ``D(u*)``."""
        greedy = self.greedy(utilities, batch.avail_actions[:, :-1])
        return self._gap(utilities, greedy, v, batch)

    def gaps_elsewhere(
        self, utilities: Float[Tensor, "b t n a"], v: Float[Tensor, "b t 1"], batch: EpisodeBatch
    ) -> Float[Tensor, "b t m"]:
        """Return ``min(D(u), 0)`` of the actions that were taken."""
        return self._gap(utilities, batch.actions, v, batch).clamp(max=0)

    def _gap(
        self,
        utilities: Float[Tensor, "b t n a"],
        actions: Int[Tensor, "b t n"],
        v: Float[Tensor, "b t 1"],
        batch: EpisodeBatch,
    ) -> Float[Tensor, "b t 1"]:
        avail, state = batch.avail_actions[:, :-1], batch.state[:, :-1]
        joint = self.online["factorisation"](utilities, actions, avail, state).detach()
        return chosen_utilities(utilities, actions).sum(dim=-1, keepdim=True) - joint + v


class QTRANAlt(QTRAN):
    """QTRAN-alt: the second condition made tight, ``L_nopt = mean_a (min_{u_a} D(u_a, u_-a))^2``.

    Whatever the others do, some action of each agent must bring the sum down to the joint value; that is more to learn
    from than an inequality that most actions meet anyway.

    Source: Son et al. (2019); the weight 1 and the mean over the agents: the authors' code.
    Differs from: the paper's counterfactual joint network; here Q_jt itself is evaluated at every action of each agent.
    """

    def gaps_elsewhere(
        self, utilities: Float[Tensor, "b t n a"], v: Float[Tensor, "b t 1"], batch: EpisodeBatch
    ) -> Float[Tensor, "b t n"]:
        """Return ``min_{u_a} D(u_a, u_-a)`` of every agent a, over its available actions."""
        chosen = chosen_utilities(utilities, batch.actions)
        others = chosen.sum(dim=-1, keepdim=True) - chosen  # [b, t, n]
        network = self.online["factorisation"]
        assert isinstance(network, JointValue)
        joint = network.counterfactual(batch.actions, batch.state[:, :-1]).detach()
        gaps = utilities + others.unsqueeze(-1) - joint + v.unsqueeze(-1)  # [b, t, n, a]
        least = gaps.masked_fill(~batch.avail_actions[:, :-1], torch.inf).argmin(dim=-1)
        return chosen_utilities(gaps, least)

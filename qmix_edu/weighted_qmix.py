"""Weighted QMIX: a monotone mixer learns beside an unrestricted joint value, and trusts its promising errors more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from qmix_edu.episodes import EpisodeBatch
from qmix_edu.learner import Learner, LearnerSettings
from qmix_edu.loss_weights import Errors
from qmix_edu.mixers import CentralMixer, Mixed, QMixer
from qmix_edu.td import greedy_actions, masked_td_loss, weighted_td_loss
from qmix_edu.types import EnvSpec


@dataclass(frozen=True)
class CentralErrors(Errors):
    """Errors of QMIX, and what the central value Q* says of the joint action that is greedy at the same step."""

    greedy_values: Float[Tensor, "b t 1"]


def central(alpha: float) -> Callable[[CentralErrors], Tensor]:
    """CW: ``w = 1`` where u is greedy or ``y > Q*(s, greedy)``, and alpha elsewhere.

    Source: Rashid et al. (2020), in its practical form: the maximum over u is taken at the greedy action.
    """

    def weights(errors: CentralErrors) -> Float[Tensor, "b t 1"]:
        batch = errors.batch
        greedy = greedy_actions(errors.utilities[:, :-1], batch.avail_actions[:, :-1])
        is_greedy = (batch.actions == greedy).all(dim=-1, keepdim=True)
        return torch.where(is_greedy | (errors.targets > errors.greedy_values), 1.0, alpha)

    return weights


class WeightedQMIX(Learner):
    """QMIX whose targets come from an unrestricted joint value Q*, learnt beside it.

    ``y_t = r_t + gamma Q*^-(s_{t+1}, u')``, with u' greedy by QMIX's online agents, is the target of both:
    ``loss = w (y - Q_tot)^2 + (y - Q*)^2``. Q* has agents of its own, of the same kind, and a mixer without constraint.
    Only QMIX's agents act.

    Source: Rashid et al. (2020), "Weighted QMIX".
    Differs from: the authors' code, which uses RMSprop and one-step targets; here Adam and TD(lambda).
    """

    def __init__(
        self,
        spec: EnvSpec,
        algorithm: str,
        agent: Callable[[], nn.Module],
        settings: LearnerSettings,
        seed: int,
        weight: Callable[[CentralErrors], Tensor],
    ):
        super().__init__(
            spec,
            algorithm,
            agent,
            lambda: Mixed(QMixer(spec.n_agents, spec.state_size)),
            settings,
            seed,
            networks={
                "central_agent": agent,
                "central_factorisation": lambda: Mixed(CentralMixer(spec.n_agents, spec.state_size)),
            },
        )
        self.central_weight = weight

    def loss(self, batch: EpisodeBatch) -> tuple[Float[Tensor, ""], dict[str, float]]:
        """Return the weighted loss of QMIX plus the loss of Q*, and metrics.

        ``q_mean`` and ``central_q_mean`` are means of Q_tot and Q*, ``central_loss`` is the loss of Q* by itself, and
        ``weight_mean`` the mean weight, between alpha and 1.
        """
        utilities, _ = self.online["agent"](batch.obs, batch.last_actions)
        values = self.values(utilities, batch)
        greedy_values = self.greedy_values(batch, utilities.detach())  # [b, t+1, 1]
        targets = self.td_targets(batch, greedy_values[:, 1:])
        errors = CentralErrors(values.detach(), targets, utilities.detach(), batch, greedy_values[:, :-1])
        weights = self.central_weight(errors)
        central_values = _central(self.online, batch, batch.actions, slice(None, -1))
        central_loss = masked_td_loss(central_values, targets, batch.mask)
        loss = weighted_td_loss(values, targets, batch.mask, weights) + central_loss
        return loss, {
            "q_mean": self.mean(values, batch.mask),
            "central_q_mean": self.mean(central_values, batch.mask),
            "central_loss": central_loss.item(),
            "weight_mean": ((weights * batch.mask).sum() / batch.mask.sum()).item(),
        }

    def targets(self, batch: EpisodeBatch, utilities: Float[Tensor, "b t1 n a"]) -> Float[Tensor, "b t 1"]:
        """Return the targets, which Q* sets; ``utilities`` are those of QMIX's online agents."""
        return self.td_targets(batch, self.greedy_values(batch, utilities)[:, 1:])

    @torch.no_grad()
    def greedy_values(self, batch: EpisodeBatch, utilities: Float[Tensor, "b t1 n a"]) -> Float[Tensor, "b t1 1"]:
        """Return what the target network's Q* says of the joint actions that QMIX's online agents would take."""
        return _central(self.target, batch, self.greedy(utilities, batch.avail_actions), slice(None))


def _central(
    network: nn.ModuleDict, batch: EpisodeBatch, actions: Int[Tensor, "b u n"], steps: slice
) -> Float[Tensor, "b u 1"]:
    utilities, _ = network["central_agent"](batch.obs, batch.last_actions)
    return network["central_factorisation"](
        utilities[:, steps], actions, batch.avail_actions[:, steps], batch.state[:, steps]
    )

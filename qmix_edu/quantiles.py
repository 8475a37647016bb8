"""A learner of whole return distributions, which tells its teammates' mistakes from the environment's chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from qmix_edu.episodes import EpisodeBatch
from qmix_edu.learner import Learner, LearnerSettings
from qmix_edu.mixers import Independent
from qmix_edu.types import EnvSpec


class QuantileAgent(nn.Module):
    """K quantiles of the return for every action, ``theta_1 .. theta_K`` at ``tau_i = (2 i - 1) / 2 K``; Q is the mean.

    Any utility network can be made into one: it is built with K times as many actions.

    Source: Dabney et al. (AAAI 2018), quantile regression DQN.
    """

    def __init__(self, spec: EnvSpec, agent: Callable[[EnvSpec], nn.Module], n_quantiles: int):
        super().__init__()
        self.n_quantiles = n_quantiles
        self.inner = agent(replace(spec, n_actions=spec.n_actions * n_quantiles))

    def quantiles(
        self,
        obs: Float[Tensor, "b t n o"],
        last_actions: Int[Tensor, "b t n"],
        hidden: Float[Tensor, "b n h"] | None = None,
    ) -> tuple[Float[Tensor, "b t n a k"], Float[Tensor, "b n h"] | None]:
        """Return the quantiles of every action, not sorted, and the hidden state after the last step."""
        outputs, hidden = self.inner(obs, last_actions, hidden)
        return outputs.unflatten(-1, (-1, self.n_quantiles)), hidden

    def forward(
        self,
        obs: Float[Tensor, "b t n o"],
        last_actions: Int[Tensor, "b t n"],
        hidden: Float[Tensor, "b n h"] | None = None,
    ) -> tuple[Float[Tensor, "b t n a"], Float[Tensor, "b n h"] | None]:
        """Return the mean of each action's quantiles, and the hidden state after the last step."""
        quantiles, hidden = self.quantiles(obs, last_actions, hidden)
        return quantiles.mean(dim=-1), hidden


def quantile_huber(
    quantiles: Float[Tensor, "*b k"], targets: Float[Tensor, "*b k"], kappa: float = 1.0
) -> Float[Tensor, "*b"]:
    """``sum_i mean_j |tau_i - [delta_ij < 0]| H(delta_ij) / kappa`` with ``delta_ij = y_j - theta_i``, H Huber's loss.

    Source: Dabney et al. (2018).
    """
    k = quantiles.shape[-1]
    tau = (torch.arange(k) + 0.5) / k
    y, theta = torch.broadcast_tensors(targets.unsqueeze(-2), quantiles.unsqueeze(-1))  # [*b, i, j]
    weight = (tau[:, None] - (y < theta).float()).abs()
    return (weight * F.huber_loss(theta, y, reduction="none", delta=kappa)).mean(dim=-1).sum(dim=-1) / kappa


def likelihood(
    quantiles: Float[Tensor, "*b k"], targets: Float[Tensor, "*b k"], tolerance: float
) -> Float[Tensor, "*b"]:
    """How likely the present distribution finds the target: ``l = mean_j F(y_j + tolerance) - F(y_j - tolerance)``.

    F is the distribution function that rises linearly from quantile to quantile, from 0 at the lowest to 1 at the
    highest. ``l`` lies in [0, 1].

    Source: Lyu and Amato (AAMAS 2020), time difference likelihood, in the form of the first author's code
    (github.com/lyu-xg/dec-hdrqn), a window about each target sample.
    Differs from: the paper's text as others report it, ``sum_j F(m_{j+1}) - F(m_j)`` over the midpoints m of
    neighbouring target samples, which is 0 wherever the target is a single number, hence at the end of every episode.
    """
    ordered = quantiles.sort(dim=-1).values
    lower, width = ordered[..., :-1].unsqueeze(-2), ordered.diff(dim=-1).clamp(min=1e-6).unsqueeze(-2)

    def mean_f(y: Float[Tensor, "*b k"]) -> Float[Tensor, "*b"]:
        return (y.unsqueeze(-1) - lower).div_(width).clamp_(0, 1).mean(dim=(-2, -1))

    return mean_f(targets + tolerance) - mean_f(targets - tolerance)


class QuantileLearner(Learner):
    """Likelihood hysteretic quantile learning: an unlikely disappointment is a teammate's mistake.

    Each agent's quantiles fit ``y_j = r + gamma theta_j^-(o', argmax Q)`` by quantile regression, weighted with
    ``w = 1`` where ``mean y >= Q`` and ``max(beta, l)`` elsewhere: a low target that the distribution already holds for
    likely (:func:`likelihood`) is the environment's own chance and is learnt from at full rate; one that it does not is
    put down to the others, who explore.

    ``tolerance`` is in units of the environment's rewards. For ``td_lambda > 0`` a target quantile is mixed with the
    next step's quantile of the same rank.

    Source: Lyu and Amato, Likelihood Quantile Networks for Coordinating Multi-Agent Reinforcement Learning (AAMAS
    2020), LH-IQN; their code: github.com/lyu-xg/dec-hdrqn.
    Differs from: the implicit quantile network of LH-IQN (tau is drawn and fed to the network); here K fixed quantiles,
    which their code also offers. No risk distortion, no schedule for beta.
    """

    def __init__(
        self,
        spec: EnvSpec,
        algorithm: str,
        agent: Callable[[EnvSpec], nn.Module],
        settings: LearnerSettings,
        seed: int,
        *,
        n_quantiles: int = 16,
        beta: float = 0.1,
        tolerance: float = 0.5,
    ):
        if n_quantiles < 2:
            raise ValueError(f"n_quantiles is {n_quantiles}; it must be 2 or more.")
        if not 0 <= beta <= 1:
            raise ValueError(f"beta is {beta}; it must be between 0 and 1.")
        if not tolerance > 0:
            raise ValueError(f"tolerance is {tolerance}; it must be above 0.")
        self.beta, self.tolerance = beta, tolerance
        super().__init__(spec, algorithm, lambda: QuantileAgent(spec, agent, n_quantiles), Independent, settings, seed)

    def loss(self, batch: EpisodeBatch) -> tuple[Float[Tensor, ""], dict[str, float]]:
        """Return the weighted quantile loss of a batch, and metrics in units of the environment's rewards."""
        agent: QuantileAgent = self.online["agent"]  # pyright: ignore[reportAssignmentType]
        every, _ = agent.quantiles(batch.obs, batch.last_actions)  # [b, t+1, n, a, k]
        quantiles = _of_actions(every[:, :-1], batch.actions)  # [b, t, n, k]
        targets = self.quantile_targets(batch, every.detach().mean(dim=-1))
        real = batch.mask.squeeze(-1).bool()  # [b, t]; of r real transitions
        quantiles, targets = quantiles[real], targets[real]  # [r, n, k]
        weights = self.weights(quantiles.detach(), targets)
        return (weights * quantile_huber(quantiles, targets)).mean(), {
            "q_mean": quantiles.mean().item() / self.settings.reward_scale,
            "weight_mean": weights.mean().item(),
        }

    def weights(self, quantiles: Float[Tensor, "*b k"], targets: Float[Tensor, "*b k"]) -> Float[Tensor, "*b"]:
        """``w = 1`` for a positive error of the means, ``max(beta, l)`` for a negative one."""
        tolerance = self.tolerance * self.settings.reward_scale
        doubted = likelihood(quantiles, targets, tolerance).clamp(min=self.beta)
        return torch.where(targets.mean(dim=-1) >= quantiles.mean(dim=-1), 1.0, doubted)

    @torch.no_grad()
    def quantile_targets(self, batch: EpisodeBatch, utilities: Float[Tensor, "b t1 n a"]) -> Float[Tensor, "b t n k"]:
        """Return the target samples; ``utilities`` are the online network's, which chooses the next action."""
        agent: QuantileAgent = self.target["agent"]  # pyright: ignore[reportAssignmentType]
        every, _ = agent.quantiles(batch.obs, batch.last_actions)
        next_actions = self.greedy(utilities[:, 1:], batch.avail_actions[:, 1:])
        following = _of_actions(every[:, 1:], next_actions)
        return self.td_targets(batch, following.flatten(2)).view_as(following)  # each of [b, t, n k] is a value


def _of_actions(quantiles: Float[Tensor, "b t n a k"], actions: Int[Tensor, "b t n"]) -> Float[Tensor, "b t n k"]:
    index = actions[..., None, None].expand(*actions.shape, 1, quantiles.shape[-1])
    return quantiles.gather(-2, index).squeeze(-2)

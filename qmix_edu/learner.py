"""The learner: online and target networks, the optimiser, and one gradient step on a batch of episodes."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from qmix_edu.episodes import EpisodeBatch
from qmix_edu.exploration import explore
from qmix_edu.loss_weights import Errors, LossWeight, equal
from qmix_edu.replay import ReplayRule, UniformReplay
from qmix_edu.td import greedy_actions, td_lambda_targets, weighted_td_loss
from qmix_edu.types import EnvSpec


@dataclass(frozen=True)
class LearnerSettings:
    """What one gradient step needs to know.

    ``reward_scale`` multiplies rewards inside the loss only: returns are reported as the environment pays them.
    ``target_interval`` counts gradient steps between two copies of the online network into the target network.
    """

    gamma: float = 0.99
    td_lambda: float = 0.6
    learning_rate: float = 5e-4
    max_gradient_norm: float = 10.0
    target_interval: int = 200
    reward_scale: float = 1.0

    def __post_init__(self) -> None:
        for name, holds, expected in (
            ("gamma", 0 <= self.gamma <= 1, "between 0 and 1"),
            ("td_lambda", 0 <= self.td_lambda <= 1, "between 0 and 1"),
            ("learning_rate", 0 < self.learning_rate < math.inf, "above 0 and finite"),
            ("max_gradient_norm", self.max_gradient_norm > 0, "above 0"),
            ("target_interval", self.target_interval >= 1, "1 or more"),
            ("reward_scale", 0 < self.reward_scale < math.inf, "above 0 and finite"),
        ):
            if not holds:  # NaN keeps no bound either
                raise ValueError(f"{name} is {getattr(self, name)}; it must be {expected}.")


class Learner:
    """Double Q-learning of a factored value.

    ``y_t = r_t + gamma Q_tot^-(s_{t+1}, u')`` with ``u'_a = argmax Q_a(tau_a, .)`` of the online agents, valued by the
    target agents and the target mixer at the next state; the loss is ``w (y - Q_tot)^2`` over real transitions, with
    the weight w that ``loss_weight`` gives each of them (1 by default).

    ``networks`` are further ones that a subclass trains beside the two, made after them, in order; all have a copy in
    the target network, and all are saved with the learner. ``replay`` is the rule by which played episodes are kept and
    drawn again.

    Source: Rashid et al. (2018), equation 6; double Q-learning: van Hasselt et al. (2016).
    Differs from: PyMARL, which uses RMSprop and one-step targets; here Adam and TD(lambda).
    """

    def __init__(
        self,
        spec: EnvSpec,
        algorithm: str,
        agent: Callable[[], nn.Module],
        factorisation: Callable[[], nn.Module],
        settings: LearnerSettings,
        seed: int,
        *,
        loss_weight: LossWeight = equal,
        networks: Mapping[str, Callable[[], nn.Module]] | None = None,
        replay: ReplayRule = UniformReplay,
    ):
        self.spec, self.algorithm, self.settings, self.loss_weight = spec, algorithm, settings, loss_weight
        self.replay = replay
        makers = {"agent": agent, "factorisation": factorisation, **(networks or {})}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.online = nn.ModuleDict({name: make() for name, make in makers.items()})
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.optimiser = torch.optim.Adam(self.online.parameters(), lr=settings.learning_rate, eps=1e-5, fused=True)
        self.updates = 0

    @property
    def extras(self) -> Mapping[str, int]:
        """What :meth:`remember` notes about each transition: names, and how many numbers each is."""
        return {}

    def begin_round(self, epsilon: float, env_steps: int) -> None:
        """Hear how the next round is explored, and how many environment steps were done before it."""

    def remember(self, batch: EpisodeBatch) -> EpisodeBatch:
        """Return episodes just played as they are to be kept, with the ``extras`` that the loss will need."""
        return batch

    @torch.no_grad()
    def utilities(
        self,
        obs: Float[Tensor, "e n o"],
        last_actions: Int[Tensor, "e n"],
        hidden: Float[Tensor, "e k h"] | None,
    ) -> tuple[Float[Tensor, "e k v"], Float[Tensor, "e k h"] | None]:
        """Return the utilities at one moment of play, and the hidden state to pass on."""
        utilities, hidden = self.online["agent"](obs.unsqueeze(1), last_actions.unsqueeze(1), hidden)
        return utilities.squeeze(1), hidden

    def greedy(self, utilities: Float[Tensor, "*b n a"], avail_actions: Bool[Tensor, "*b n a"]) -> Int[Tensor, "*b n"]:
        """Return the joint action that is best by the utilities: every agent's own best one."""
        return greedy_actions(utilities, avail_actions)

    def choose(
        self,
        utilities: Float[Tensor, "e k v"],
        avail_actions: Bool[Tensor, "e n a"],
        epsilon: float,
        generator: torch.Generator,
    ) -> Int[Tensor, "e n"]:
        """Draw the actions of one moment of play: the greedy ones, each replaced at random with probability epsilon."""
        return explore(self.greedy(utilities, avail_actions), avail_actions, epsilon, generator)

    @torch.no_grad()
    def value(
        self,
        utilities: Float[Tensor, "*b k v"],
        actions: Int[Tensor, "*b n"],
        avail_actions: Bool[Tensor, "*b n a"],
        state: Float[Tensor, "*b s"],
    ) -> Float[Tensor, "*b m"]:
        """Return the online value of a joint action, in units of the environment's rewards."""
        return self.online["factorisation"](utilities, actions, avail_actions, state) / self.settings.reward_scale

    def update(self, batch: EpisodeBatch) -> dict[str, float]:
        """Take one gradient step and return its metrics."""
        loss, metrics = self.loss(batch)
        self.optimiser.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.online.parameters(), self.settings.max_gradient_norm)
        self.optimiser.step()
        self.updates += 1
        if self.updates % self.settings.target_interval == 0:
            self.target.load_state_dict(self.online.state_dict())
        return {"loss": loss.item(), "gradient_norm": norm.item(), **metrics}

    def loss(self, batch: EpisodeBatch) -> tuple[Float[Tensor, ""], dict[str, float]]:
        """Return the masked TD loss of a batch, and metrics in units of the environment's rewards."""
        utilities, _ = self.online["agent"](batch.obs, batch.last_actions)  # [b, t+1, n, a]
        values = self.values(utilities, batch)
        targets = self.targets(batch, utilities.detach())
        mask = batch.mask.expand_as(values)
        weights = self.loss_weight(Errors(values.detach(), targets, utilities.detach(), batch))
        return weighted_td_loss(values, targets, mask, weights), {"q_mean": self.mean(values, mask)}

    def values(self, utilities: Float[Tensor, "b t1 n a"], batch: EpisodeBatch) -> Float[Tensor, "b t m"]:
        """Return the online value of every joint action that was taken."""
        state = batch.state[:, :-1].contiguous()  # one copy here, or every layer that reads it makes its own
        return self.online["factorisation"](utilities[:, :-1], batch.actions, batch.avail_actions[:, :-1], state)

    def mean(self, values: Float[Tensor, "b t m"], mask: Float[Tensor, "b t m"]) -> float:
        """Return the mean over real transitions, in units of the environment's rewards."""
        return ((values.detach() * mask).sum() / mask.sum() / self.settings.reward_scale).item()

    @torch.no_grad()
    def targets(self, batch: EpisodeBatch, utilities: Float[Tensor, "b t1 n a"]) -> Float[Tensor, "b t m"]:
        """Return the double-Q targets; ``utilities`` are the online network's."""
        avail_actions, state = batch.avail_actions[:, 1:], batch.state[:, 1:].contiguous()
        next_actions = self.greedy(utilities[:, 1:], avail_actions)
        target_utilities, _ = self.target["agent"](batch.obs, batch.last_actions)
        next_values = self.target["factorisation"](target_utilities[:, 1:], next_actions, avail_actions, state)
        return self.td_targets(batch, next_values)

    def td_targets(self, batch: EpisodeBatch, next_values: Float[Tensor, "b t m"]) -> Float[Tensor, "b t m"]:
        """Return the TD(lambda) targets, given what the observation after each step is worth."""
        return td_lambda_targets(
            self.settings.reward_scale * batch.reward.expand_as(next_values),
            batch.terminated.expand_as(next_values),
            batch.mask.expand_as(next_values),
            next_values,
            self.settings.gamma,
            self.settings.td_lambda,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return everything that training changes."""
        return {
            "online": self.online.state_dict(),
            "target": self.target.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "updates": self.updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what ``state_dict`` returned."""
        self.online.load_state_dict(state["online"])
        self.target.load_state_dict(state["target"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.updates = state["updates"]

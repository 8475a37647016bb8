"""Independent learners that allow for their teammates: optimistic, lenient, or told how old their data are.

Every agent has a Q of its own. What differs is how much an error counts (a loss weight), what is noted about an episode
when it is stored (the leniency, a probability, a fingerprint), and which episodes are kept (a replay rule).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from qmix_edu.episodes import EpisodeBatch
from qmix_edu.learner import Learner, LearnerSettings
from qmix_edu.loss_weights import Errors, LossWeight
from qmix_edu.mixers import Independent
from qmix_edu.td import greedy_actions
from qmix_edu.types import EnvSpec


def hysteretic(beta: float) -> LossWeight:
    """Negative errors count less: ``w = 1`` where ``y >= Q``, ``beta`` elsewhere.

    ``beta = 1`` is IQL, ``beta = 0`` distributed Q-learning, which never lowers a value on purpose.

    Raises:
        ValueError: beta is not between 0 and 1.

    Source: Matignon et al. (IROS 2007), the rates alpha and beta; on the TD error of a network: Omidshafiei et al.
    (ICML 2017). Distributed: Lauer and Riedmiller (ICML 2000).
    Differs from: a table with rates. A loss weight beta scales the gradient of squared error, and an optimiser such as
    Adam rescales it again; the fixed point (where weighted errors balance) is the same.
    """
    if not 0 <= beta <= 1:
        raise ValueError(f"beta is {beta}; it must be between 0 and 1.")

    def weight(errors: Errors) -> Float[Tensor, "b t m"]:
        return torch.where(errors.targets >= errors.values, 1.0, beta)

    return weight


def lenient(errors: Errors) -> Float[Tensor, "b t m"]:
    """Negative errors count by what is left of the leniency: ``w = 1`` where ``y >= Q``, ``1 - l`` elsewhere.

    ``l`` [b, t, n] is what :class:`LenientLearner` noted when the episode was stored.
    """
    return torch.where(errors.targets >= errors.values, 1.0, 1 - errors.batch.extras["leniency"])


def owned(errors: Errors) -> Float[Tensor, "b t m"]:
    """Each agent learns from the episodes that it drew itself: ``w = 1`` where it is the owner, 0 elsewhere."""
    return errors.batch.extras["owner"]


@dataclass(frozen=True)
class Leniency:
    """How lenient, and for how long.

    ``moderation`` is K of ``l = 1 - exp(-K T)``; ``max_decay`` is mu, by which the highest temperature falls with each
    episode; ``rho`` and ``d`` make the schedule ``beta_n = exp(rho d^n)``.

    Raises:
        ValueError: a number is out of its range.

    Source: the form is Palmer et al.'s (2018).
    Differs from: their code's K = 1, mu = .9998, rho = -.01, d = .9, which suit rewards of at most 1; these suit the
    penalties of the climbing game and runs of some 10,000 episodes.
    """

    moderation: float = 3.0
    max_decay: float = 0.9999
    rho: float = -0.0005
    d: float = 0.9

    def __post_init__(self) -> None:
        for name, holds, expected in (
            ("moderation", 0 < self.moderation < math.inf, "above 0 and finite"),
            ("max_decay", 0 < self.max_decay <= 1, "above 0 and at most 1"),
            ("rho", -math.inf < self.rho <= 0, "0 or below and finite"),
            ("d", 0 < self.d <= 1, "above 0 and at most 1"),
        ):
            if not holds:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be {expected}.")

    def of(self, temperature: float) -> float:
        """Leniency towards a state-action pair of this temperature, ``l = 1 - exp(-K T)``, in [0, 1)."""
        return 1 - math.exp(-self.moderation * temperature)

    def decay(self, steps_to_the_end: int) -> float:
        """By what a temperature is multiplied: ``beta_n = exp(rho d^n)``; n = 0 is the last transition."""
        return math.exp(self.rho * self.d**steps_to_the_end)


class Temperatures:
    """A temperature for every agent, observation and action: how young the agent's experience of the three is.

    All begin at 1. The key of an observation is the observation itself, each feature rounded to 1/1000: two of them
    share their temperatures if they agree to that precision, and never otherwise. Memory grows with the number of
    different observations that were seen, so this is for environments that have few.
    """

    def __init__(self, n_actions: int, leniency: Leniency):
        self.leniency, self.n_actions = leniency, n_actions
        self.highest = 1.0
        self._table: dict[tuple[int, bytes], list[float]] = {}

    def __len__(self) -> int:
        return len(self._table)

    def visit(self, agent: int, obs: Float[Tensor, "t o"], actions: Int[Tensor, " t"]) -> Float[Tensor, " t"]:
        """Return the leniency towards each transition of an episode, then let its temperatures fall.

        ``T <- min(beta_n T, T_max)``, from the last transition (n = 0) to the first, which cools least.

        Source: the temperature decay schedule of Palmer et al. (2018).
        """
        keys = [key.tobytes() for key in (obs * 1000).round().to(torch.int32).numpy()]
        rows = [self._table.setdefault((agent, key), [1.0] * self.n_actions) for key in keys]
        pairs = list(zip(rows, actions.tolist(), strict=True))
        noted = [self.leniency.of(min(row[action], self.highest)) for row, action in pairs]
        for n, (row, action) in enumerate(reversed(pairs)):
            row[action] = min(self.leniency.decay(n) * row[action], self.highest)
        return torch.tensor(noted)

    def end_episode(self) -> None:
        """Let the highest temperature fall, ``T_max <- mu T_max``."""
        self.highest *= self.leniency.max_decay

    def state_dict(self) -> dict[str, Any]:
        """Return every temperature."""
        keys = list(self._table)
        return {
            "highest": self.highest,
            "agents": [agent for agent, _ in keys],
            "keys": torch.tensor([list(key) for _, key in keys], dtype=torch.uint8),
            "temperatures": torch.tensor(list(self._table.values()), dtype=torch.float64),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what ``state_dict`` returned."""
        self.highest = state["highest"]
        keys = [bytes(key) for key in state["keys"].tolist()]
        self._table = dict(zip(zip(state["agents"], keys, strict=True), state["temperatures"].tolist(), strict=True))


class LenientLearner(Learner):
    """Lenient DQN: forgive what went wrong with an action for as long as it was tried seldom.

    ``w = 1`` for positive errors and ``1 - l`` for negative ones, with ``l = 1 - exp(-K T(o_a, u_a))`` noted when the
    transition was stored; see :class:`Temperatures` and :func:`lenient`.

    Source: Palmer, Tuyls, Bloembergen and Savani, Lenient Multi-Agent Deep Reinforcement Learning (AAMAS 2018).
    Differs from: the authors' code, which multiplies a negative error by 1 - l before its loss; here 1 - l weighs the
    squared error. Exploration is epsilon-greedy, where the paper also lets the temperatures decide. The key is the
    observation, where the paper hashes what an autoencoder makes of an image.
    """

    def __init__(
        self,
        spec: EnvSpec,
        algorithm: str,
        agent: Callable[[], nn.Module],
        settings: LearnerSettings,
        seed: int,
        leniency: Leniency,
    ):
        super().__init__(spec, algorithm, agent, Independent, settings, seed, loss_weight=lenient)
        self.temperatures = Temperatures(spec.n_actions, leniency)

    @property
    def extras(self) -> Mapping[str, int]:
        """The leniency towards each agent's action."""
        return {"leniency": self.spec.n_agents}

    def remember(self, batch: EpisodeBatch) -> EpisodeBatch:
        """Note the leniency towards every transition, and let the temperatures fall."""
        noted = torch.zeros(batch.actions.shape)
        for b, length in enumerate(batch.lengths.tolist()):
            for n in range(self.spec.n_agents):
                noted[b, :length, n] = self.temperatures.visit(
                    n, batch.obs[b, :length, n], batch.actions[b, :length, n]
                )
            self.temperatures.end_episode()
        return replace(batch, extras={**batch.extras, "leniency": noted})

    def state_dict(self) -> dict[str, Any]:
        """Return everything that training changes."""
        return {**super().state_dict(), "temperatures": self.temperatures.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what ``state_dict`` returned."""
        super().load_state_dict(state)
        self.temperatures.load_state_dict(state["temperatures"])


def epsilon_greedy_probability(
    utilities: Float[Tensor, "*b n a"],
    actions: Int[Tensor, "*b n"],
    avail_actions: Bool[Tensor, "*b n a"],
    epsilon: float,
) -> Float[Tensor, "*b n"]:
    """Probability of each agent's action: ``epsilon / |A_a| + (1 - epsilon) [u_a = argmax Q_a]``, A_a the available."""
    is_greedy = (greedy_actions(utilities, avail_actions) == actions).float()
    return epsilon / avail_actions.sum(dim=-1).clamp(min=1) + (1 - epsilon) * is_greedy


class ImportanceLearner(Learner):
    """IQL with importance-weighted replay: what the others would hardly do any more counts less.

    ``w_a = prod_{i != a} pi_i(u_i | tau_i) / mu_i(u_i | tau_i)``, with ``mu`` the others' policies when the episode was
    played (noted then) and ``pi`` those of now, both epsilon-greedy.

    Source: Foerster et al., Stabilising Experience Replay for Deep Multi-Agent Reinforcement Learning (ICML 2017).
    Differs from: the exact correction, which needs the ratios of all following steps as well where not everything is
    observed; only those of the transition itself are taken. Ratios are not cut off.
    """

    def __init__(
        self,
        spec: EnvSpec,
        algorithm: str,
        agent: Callable[[], nn.Module],
        settings: LearnerSettings,
        seed: int,
    ):
        super().__init__(spec, algorithm, agent, Independent, settings, seed, loss_weight=self.importance)
        self._epsilon = 1.0

    @property
    def extras(self) -> Mapping[str, int]:
        """The probability of each agent's action when it was taken."""
        return {"behaviour": self.spec.n_agents}

    def begin_round(self, epsilon: float, env_steps: int) -> None:
        """Hear epsilon: the policies of now explore with it."""
        self._epsilon = epsilon

    @torch.no_grad()
    def remember(self, batch: EpisodeBatch) -> EpisodeBatch:
        """Note the probability of every action; the networks are still those that chose it."""
        utilities, _ = self.online["agent"](batch.obs, batch.last_actions)
        return replace(batch, extras={**batch.extras, "behaviour": self._probability(utilities, batch)})

    def importance(self, errors: Errors) -> Float[Tensor, "b t m"]:
        """Return the product of the others' ratios of new to old probability."""
        ratios = self._probability(errors.utilities, errors.batch) / errors.batch.extras["behaviour"]
        ratios = torch.where(errors.batch.mask.bool(), ratios, 1.0)
        everyone = torch.eye(self.spec.n_agents, dtype=torch.bool)  # [n, n]
        return torch.where(everyone, 1.0, ratios.unsqueeze(-2)).prod(dim=-1)

    def _probability(self, utilities: Float[Tensor, "b t1 n a"], batch: EpisodeBatch) -> Float[Tensor, "b t n"]:
        return epsilon_greedy_probability(utilities[:, :-1], batch.actions, batch.avail_actions[:, :-1], self._epsilon)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that training changes."""
        return {**super().state_dict(), "epsilon": self._epsilon}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what ``state_dict`` returned."""
        super().load_state_dict(state)
        self._epsilon = state["epsilon"]


class _Now(nn.Module):
    """The fingerprint of the present, saved with the networks because they cannot act without it."""

    value: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("value", torch.zeros(2))


class FingerprintLearner(Learner):
    """IQL that sees how old its data are: epsilon and the training's progress are appended to every observation.

    ``Q_a(o_a, epsilon, e)`` with ``e = log(1 + k) / 10`` after k gradient steps, as they were when the episode was
    played: the two say what the teammates were like.

    Source: Foerster et al. (ICML 2017), fingerprints.
    Differs from: the paper's iteration number, of which e is the logarithm, so that it stays of the order of 1.
    """

    def __init__(
        self,
        spec: EnvSpec,
        algorithm: str,
        agent: Callable[[EnvSpec], nn.Module],
        settings: LearnerSettings,
        seed: int,
    ):
        wide = replace(spec, obs_size=spec.obs_size + 2)
        super().__init__(
            spec, algorithm, lambda: agent(wide), Independent, settings, seed, networks={"fingerprint": _Now}
        )

    @property
    def extras(self) -> Mapping[str, int]:
        """Epsilon, and the progress."""
        return {"fingerprint": 2}

    @property
    def _now(self) -> Tensor:
        return self.online["fingerprint"].get_buffer("value")

    def begin_round(self, epsilon: float, env_steps: int) -> None:
        """Take the fingerprint of the round."""
        self._now.copy_(torch.tensor([epsilon, math.log1p(self.updates) / 10]))

    def remember(self, batch: EpisodeBatch) -> EpisodeBatch:
        """Note the fingerprint."""
        fingerprint = self._now.expand(*batch.mask.shape[:2], 2).clone()
        return replace(batch, extras={**batch.extras, "fingerprint": fingerprint})

    def utilities(
        self,
        obs: Float[Tensor, "e n o"],
        last_actions: Int[Tensor, "e n"],
        hidden: Float[Tensor, "e n h"] | None,
    ) -> tuple[Float[Tensor, "e n a"], Float[Tensor, "e n h"] | None]:
        """Return the utilities at one moment of play, given the fingerprint of now."""
        seen = torch.cat([obs, self._now.expand(*obs.shape[:2], 2)], dim=-1)
        return super().utilities(seen, last_actions, hidden)

    def loss(self, batch: EpisodeBatch) -> tuple[Float[Tensor, ""], dict[str, float]]:
        """Return the masked TD loss, every observation with the fingerprint of its episode."""
        fingerprint = batch.extras["fingerprint"][:, :1, None].expand(-1, *batch.obs.shape[1:3], -1)
        return super().loss(replace(batch, obs=torch.cat([batch.obs, fingerprint], dim=-1)))

"""The axis legend, and the protocols that the rest of the library is written against.

Axes, by their letter in every shape comment:

====  =============================================================
b     batch of episodes
e     environments that run side by side
t     time; ``T`` transitions, hence ``t + 1`` observations (written ``t1`` where no t stands beside it)
n     agents
a     actions of one agent
o     features of one agent's observation
s     features of the state
m     values of one joint action: 1 for a team, n for independent learners
k, v  tables of utilities at one moment, and their entries: n and a, or 1 and ``a^n`` where the team acts as one agent
====  =============================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class EnvSpec:
    """The sizes that a learner has to know of an environment."""

    name: str
    n_envs: int
    n_agents: int
    n_actions: int
    obs_size: int
    state_size: int
    episode_limit: int
    has_wins: bool = False

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """What a learner's networks are built for: agents, actions, observation and state."""
        return self.n_agents, self.n_actions, self.obs_size, self.state_size


@dataclass(frozen=True)
class Observation:
    """What is seen at one moment, in every environment."""

    obs: Float[Tensor, "e n o"]
    state: Float[Tensor, "e s"]
    avail_actions: Bool[Tensor, "e n a"]


@dataclass(frozen=True)
class Transition:
    """What one step of every environment brought.

    ``terminated`` says that the task ended with this step: nothing follows, so its value is 0. ``truncated``
    says that a time limit cut the episode here: the value of what would have followed still counts.
    ``aborted`` says that the episode was lost to a crash; it must be dropped, and is neither won nor lost.
    An environment whose episode has ended ignores its actions: the observation stays, the reward is 0 and
    the flags are False.
    """

    observation: Observation
    reward: Float[Tensor, "e 1"]
    terminated: Bool[Tensor, "e 1"]
    truncated: Bool[Tensor, "e 1"]
    won: Bool[Tensor, "e 1"]
    aborted: Bool[Tensor, "e 1"]


class EnvironmentFailedError(RuntimeError):
    """An environment that could not be started or kept running; the message says what to do."""


class Environment(Protocol):
    """``n_envs`` copies of one cooperative task, stepped together.

    Episodes never restart by themselves: ``reset`` begins a new one in every copy.
    """

    spec: EnvSpec

    def reset(self) -> Observation:
        """Begin an episode in every copy."""
        ...

    def step(self, actions: Int[Tensor, "e n"]) -> Transition:
        """Let every agent act once; an unavailable action raises ValueError."""
        ...

    def rng_state(self) -> dict[str, Tensor]:
        """Return all randomness of the environment between episodes; empty if it cannot be known."""
        ...

    def set_rng_state(self, state: dict[str, Tensor]) -> None:
        """Put back what ``rng_state`` returned."""
        ...

    def close(self) -> None:
        """Free what the environment holds; closing twice is fine."""
        ...


class UtilityNetwork(Protocol):
    """Utilities ``Q_a(tau_a, .)`` of all agents, along whole episodes at once."""

    def __call__(
        self,
        obs: Float[Tensor, "b t n o"],
        last_actions: Int[Tensor, "b t n"],
        hidden: Float[Tensor, "b n h"] | None = None,
    ) -> tuple[Float[Tensor, "b t n a"], Float[Tensor, "b n h"] | None]:
        """Return the utilities of every action, and the hidden state after the last step.

        ``last_actions`` holds the action taken one step earlier, and ``n_actions`` where there was none.
        """
        ...


class Mixer(Protocol):
    """Joins the utilities of the chosen actions into the team's value, ``Q_tot = f(Q_1, ..., Q_n; s)``."""

    def __call__(self, q: Float[Tensor, "*b n"], state: Float[Tensor, "*b s"]) -> Float[Tensor, "*b 1"]:
        """Return Q_tot."""
        ...


class Factorisation(Protocol):
    """Values a joint action from the agents' utilities."""

    def __call__(
        self,
        utilities: Float[Tensor, "*b n a"],
        actions: Int[Tensor, "*b n"],
        avail_actions: Bool[Tensor, "*b n a"],
        state: Float[Tensor, "*b s"],
    ) -> Float[Tensor, "*b m"]:
        """Return the value of ``actions``; m is 1 for a team and n for independent learners."""
        ...

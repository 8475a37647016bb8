"""Small games with exact answers: any matrix game as one step, and the two-step game of the QMIX paper."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from matrix_games import MatrixGame, catalogue
from qmix_edu.types import EnvSpec, Observation, Transition


class MatrixGameEnv:
    """One joint action, one reward, the end. Observation and state are the constant 1.

    An agent with fewer actions than another has the missing ones unavailable.
    """

    def __init__(self, game: MatrixGame, n_envs: int = 1, seed: int = 0):
        self.game = game
        self._rng = np.random.default_rng(seed)
        n_agents, n_actions = game.payoff.ndim, max(game.payoff.shape)
        self.spec = EnvSpec(f"matrix/{game.name}", n_envs, n_agents, n_actions, 1, 1, episode_limit=1)
        avail = torch.arange(n_actions) < torch.tensor(game.payoff.shape)[:, None]  # [n, a]
        self._observation = Observation(
            torch.ones(n_envs, n_agents, 1), torch.ones(n_envs, 1), avail.expand(n_envs, -1, -1).clone()
        )
        self._ended = True

    def reset(self) -> Observation:
        """Begin an episode in every copy."""
        self._ended = False
        return self._observation

    def step(self, actions: Int[Tensor, "e n"]) -> Transition:
        """Pay every copy its payoff, drawn at random where the game is stochastic."""
        refuse_unavailable(actions, self._observation.avail_actions | self._ended)  # ignored after the end
        reward = np.zeros(len(actions)) if self._ended else self.game.sample(actions.numpy(), self._rng)
        ends = torch.full((len(actions), 1), not self._ended)
        self._ended = True
        return _transition(self._observation, torch.from_numpy(reward), ends)

    def rng_state(self) -> dict[str, Tensor]:
        """Return the state of the generator that draws stochastic payoffs."""
        return numpy_state(self._rng)

    def set_rng_state(self, state: dict[str, Tensor]) -> None:
        """Put it back."""
        set_numpy_state(self._rng, state)

    def close(self) -> None:
        """Nothing is held."""


class TwoStepGame:
    """Agent 1's first action chooses the payoff table of the second step: A the table 2A, B the table 2B.

    2A pays 7 whatever is done; 2B pays [[0, 1], [1, 8]]. The first step pays nothing. Both agents observe the state,
    one-hot: state 1, 2A or 2B. The optimal return is 8.

    Source: Rashid et al. (2018), section 5 and table 1.
    """

    def __init__(self, n_envs: int = 1):
        self.spec = EnvSpec("two-step", n_envs, 2, 2, 3, 3, episode_limit=2)
        self._tables = torch.from_numpy(
            np.stack([np.zeros((2, 2)), catalogue["two-step-2a"].payoff, catalogue["two-step-2b"].payoff])
        )
        self._place = torch.zeros(n_envs, dtype=torch.long)
        self._ended = True

    def reset(self) -> Observation:
        """Begin in state 1."""
        self._place = torch.zeros_like(self._place)
        self._ended = False
        return self._observe()

    def step(self, actions: Int[Tensor, "e n"]) -> Transition:
        """Move to 2A or 2B, or pay its table."""
        refuse_unavailable(actions, torch.ones(len(actions), 2, 2, dtype=torch.bool))
        if self._ended:
            return _transition(self._observe(), torch.zeros(len(actions)), torch.zeros(len(actions), 1).bool())
        reward = self._tables[self._place, actions[:, 0], actions[:, 1]]
        first_step = bool((self._place == 0).all())
        self._place = 1 + actions[:, 0] if first_step else self._place
        self._ended = not first_step
        return _transition(self._observe(), reward, torch.full((len(actions), 1), self._ended))

    def _observe(self) -> Observation:
        state = torch.nn.functional.one_hot(self._place, 3).float()
        obs = state.unsqueeze(1).expand(-1, 2, -1).clone()
        return Observation(obs, state, torch.ones(len(state), 2, 2, dtype=torch.bool))

    def rng_state(self) -> dict[str, Tensor]:
        """Nothing here is random."""
        return {}

    def set_rng_state(self, state: dict[str, Tensor]) -> None:
        """Nothing here is random."""

    def close(self) -> None:
        """Nothing is held."""


def refuse_unavailable(actions: Int[Tensor, "e n"], avail_actions: Bool[Tensor, "e n a"]) -> None:
    """Raise ValueError where an action is out of range or not available."""
    n_actions = avail_actions.shape[-1]
    in_range = (actions >= 0) & (actions < n_actions)
    allowed = in_range & avail_actions.gather(-1, actions.clamp(0, n_actions - 1).unsqueeze(-1)).squeeze(-1)
    if not allowed.all():
        env, agent = (~allowed).nonzero()[0].tolist()
        options: Sequence[int] = avail_actions[env, agent].nonzero().squeeze(-1).tolist()
        raise ValueError(
            f"Action {int(actions[env, agent])} of agent {agent} in environment {env} is not available; "
            f"it may take one of {options}."
        )


def _transition(observation: Observation, reward: Float[Tensor, " e"], terminated: Bool[Tensor, "e 1"]) -> Transition:
    never = torch.zeros_like(terminated)
    return Transition(observation, reward.float().unsqueeze(1), terminated, never, never, never)


def numpy_state(rng: np.random.Generator) -> dict[str, Tensor]:
    """Return the state of a generator as a tensor."""
    text = json.dumps(rng.bit_generator.state)
    return {"numpy": torch.tensor(list(text.encode()), dtype=torch.uint8)}


def set_numpy_state(rng: np.random.Generator, state: dict[str, Tensor]) -> None:
    """Put back what ``numpy_state`` returned."""
    rng.bit_generator.state = json.loads(bytes(state["numpy"].tolist()))

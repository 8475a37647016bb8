"""Any cooperative PettingZoo ``ParallelEnv``, and Gymnasium's for teams, as environments of this library.

Nothing of PettingZoo is imported here: what is asked of an environment is its interface alone.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from qmix_edu.envs.small import numpy_state, refuse_unavailable, set_numpy_state
from qmix_edu.types import EnvironmentFailedError, EnvSpec, Observation, Transition

TeamReward = Callable[[Mapping[str, float]], float]


def shared_reward(rewards: Mapping[str, float]) -> float:
    """Return the one reward that everybody was paid.

    Raises:
        ValueError: agents were paid differently.

    """
    values = [float(reward) for reward in rewards.values()]
    if values and not all(math.isclose(value, values[0], rel_tol=1e-6, abs_tol=1e-9) for value in values):
        raise ValueError(
            f"The agents are paid differently ({ {k: float(v) for k, v in rewards.items()} }), and a team has one "
            "reward; set the environment to a shared one, or pass team_reward=mean_reward to train on the mean."
        )
    return values[0] if values else 0.0


def mean_reward(rewards: Mapping[str, float]) -> float:
    """Return the mean over the agents that were paid: what a team earns per head."""
    return float(np.mean([float(reward) for reward in rewards.values()])) if rewards else 0.0


def make_pettingzoo(name: str, n_envs: int = 1, seed: int = 0) -> PettingZooEnv:
    """Make copies of ``parallel_env()`` of an installed module, e.g. ``mpe2.simple_spread_v3``, paid the mean reward.

    Raises:
        EnvironmentFailedError: there is no such module, or it has no ``parallel_env``.
        ValueError: its spaces are of a kind that cannot be used; see :class:`PettingZooEnv`.

    """
    try:
        make: Callable[[], Any] = importlib.import_module(name).parallel_env
    except ImportError as error:
        raise EnvironmentFailedError(
            f"pettingzoo/{name} needs the module {name} ({error}); install the package that has it, e.g. "
            "`pip install mpe2` for pettingzoo/mpe2.simple_spread_v3."
        ) from error
    except AttributeError as error:
        raise EnvironmentFailedError(
            f"The module {name} has no parallel_env; name a module of a PettingZoo environment, e.g. "
            "mpe2.simple_spread_v3."
        ) from error
    return PettingZooEnv(make, f"pettingzoo/{name}", n_envs, seed, team_reward=mean_reward)


def make_gymnasium(name: str, n_envs: int = 1, seed: int = 0) -> PettingZooEnv:
    """Make copies of a registered environment of tuples (:class:`TupleEnv`), paid the mean reward.

    ``name`` is the module that registers it and its id, e.g. ``lbforaging:Foraging-5x5-2p-1f-coop-v3``. Level-based
    foraging and the robot warehouse call their time limit an end; here it is a truncation.

    Raises:
        EnvironmentFailedError: there is no such module, or it registers no such id.
        ValueError: its spaces are of a kind that cannot be used, or nothing says how long an episode may be.

    """
    try:
        spec = gymnasium.make(name, disable_env_checker=True).spec
    except (ImportError, gymnasium.error.Error) as error:
        raise EnvironmentFailedError(
            f"gymnasium/{name} cannot be made ({error}); give an installed module and an id that it registers, e.g. "
            "gymnasium/lbforaging:Foraging-5x5-2p-1f-coop-v3 after `pip install lbforaging`."
        ) from error
    assert spec is not None
    limit = spec.max_episode_steps
    for argument in ("max_episode_steps", "max_steps"):
        if spec.kwargs.get(argument):
            limit = spec.kwargs[argument]
            spec.kwargs[argument] += 1  # its own limit comes too late to matter

    def make() -> TupleEnv:
        return TupleEnv(gymnasium.make(spec, disable_env_checker=True))

    return PettingZooEnv(make, f"gymnasium/{name}", n_envs, seed, team_reward=mean_reward, episode_limit=limit)


class PettingZooEnv:
    """Copies of a ``ParallelEnv``, stepped one after the other.

    *Spaces.* Actions are ``Discrete``; observations are boxes, flattened, or dictionaries of an ``observation`` and an
    ``action_mask``. Agents with fewer actions or features than others are padded: the missing actions are unavailable,
    the missing features 0. *State.* ``env.state()``, or all observations side by side where it has none. *Reward.*
    ``team_reward`` makes one number of what the agents are paid: :func:`shared_reward` or :func:`mean_reward`.
    *End.* An agent that leaves early sees zeros and can only take action 0, which nobody reads. The episode has
    terminated when every agent has; if any of the last ones was truncated, or ``episode_limit`` steps are over, it is
    truncated. *Seeds.* Every episode of every copy is reset with a seed drawn from ``seed``.

    Raises:
        ValueError: a space is of another kind, ``episode_limit`` is unknown or below 1, or (from ``step``) the
            rewards do not suit ``team_reward``.
        EnvironmentFailedError: (from ``step``) an agent is paid a number that is not finite.

    """

    def __init__(
        self,
        make: Callable[[], Any],
        name: str,
        n_envs: int = 1,
        seed: int = 0,
        *,
        team_reward: TeamReward = shared_reward,
        episode_limit: int | None = None,
    ):
        self._envs = [make() for _ in range(n_envs)]
        self._rng = np.random.default_rng(seed)
        self._team_reward = team_reward
        first = self._envs[0]
        self.agents: list[str] = list(first.possible_agents)
        self._n_actions = [_action_count(agent, first.action_space(agent)) for agent in self.agents]
        obs_size = max(_feature_count(agent, first.observation_space(agent)) for agent in self.agents)
        limit = episode_limit if episode_limit is not None else _limit_of(name, first)
        if limit < 1:
            raise ValueError(f"episode_limit is {limit}; it must be 1 or more.")
        self._seen: list[Mapping[str, Any]] = [env.reset(seed=0)[0] for env in self._envs]
        self._infos: list[Mapping[str, Any]] = [{} for _ in self._envs]
        self._has_state = _has_state(first)
        state_size = _flat(first.state()).numel() if self._has_state else obs_size * len(self.agents)
        self.spec = EnvSpec(
            name, n_envs, len(self.agents), max(self._n_actions), obs_size, state_size, episode_limit=limit
        )
        self._over = np.ones(n_envs, dtype=bool)
        self._time = 0
        self._last = self._observe([None] * n_envs)

    def reset(self) -> Observation:
        """Begin an episode in every copy."""
        for i, env in enumerate(self._envs):
            self._seen[i], self._infos[i] = env.reset(seed=int(self._rng.integers(2**31)))
        self._over[:] = False
        self._time = 0
        self._last = self._observe([None] * len(self._envs))
        return self._last

    def step(self, actions: Int[Tensor, "e n"]) -> Transition:
        """Let every agent act once in every copy whose episode goes on."""
        over = torch.from_numpy(self._over.copy())
        refuse_unavailable(actions, self._last.avail_actions | over[:, None, None])
        self._time += 1
        reward = torch.zeros(len(self._envs), 1)
        terminated, truncated = torch.zeros(2, len(self._envs), 1, dtype=torch.bool)
        stands: list[int | None] = [i if ended else None for i, ended in enumerate(self._over)]
        for i, env in enumerate(self._envs):
            if self._over[i]:
                continue
            reward[i], terminated[i], truncated[i] = self._step_one(i, env, actions[i].tolist())
            self._over[i] = bool(terminated[i] | truncated[i])
        self._last = self._observe(stands)
        never = torch.zeros_like(terminated)
        return Transition(self._last, reward, terminated, truncated, never, never)

    def _step_one(self, i: int, env: Any, actions: list[int]) -> tuple[float, bool, bool]:
        acting = set(env.agents)
        chosen = {agent: action for agent, action in zip(self.agents, actions, strict=True) if agent in acting}
        self._seen[i], rewards, ended, cut, self._infos[i] = env.step(chosen)
        leaves = [agent for agent in chosen if ended.get(agent, False) or cut.get(agent, False)]
        nobody_left = not set(env.agents) - set(leaves)
        was_cut = nobody_left and any(cut.get(agent, False) and not ended.get(agent, False) for agent in leaves)
        terminated = nobody_left and not was_cut
        truncated = was_cut or (not terminated and self._time >= self.spec.episode_limit)
        paid = {agent: float(rewards[agent]) for agent in chosen if agent in rewards}
        for agent, reward in paid.items():
            if not math.isfinite(reward):
                raise EnvironmentFailedError(
                    f"{self.spec.name} returned {reward} as the reward of agent {agent} after step {self._time} of "
                    f"environment {i}; mend the environment, then go on from what was saved."
                )
        return self._team_reward(paid), terminated, truncated

    def _observe(self, stands: list[int | None]) -> Observation:
        """Observe every copy; those that ended before this step keep what was last seen of them."""
        rows = [self._observe_one(i) if kept is None else self._kept(kept) for i, kept in enumerate(stands)]
        obs, state, avail = (torch.stack(parts) for parts in zip(*rows, strict=True))
        return Observation(obs, state, avail)

    def _kept(self, i: int) -> tuple[Tensor, Tensor, Tensor]:
        return self._last.obs[i], self._last.state[i], self._last.avail_actions[i]

    def _observe_one(self, i: int) -> tuple[Tensor, Tensor, Tensor]:
        obs = torch.zeros(self.spec.n_agents, self.spec.obs_size)
        avail = torch.zeros(self.spec.n_agents, self.spec.n_actions, dtype=torch.bool)
        acting = self._envs[i].agents or self.agents  # after the end all are gone; what they saw last still counts
        for n, agent in enumerate(self.agents):
            if agent not in self._seen[i] or agent not in acting:
                avail[n, 0] = True  # it has left; nobody reads its action
                continue
            features, mask = _parts(self._seen[i][agent], self._infos[i].get(agent, {}), self._n_actions[n])
            obs[n, : features.numel()], avail[n, : mask.numel()] = features, mask
        state = _flat(self._envs[i].state()) if self._has_state else obs.flatten()
        return obs, state, avail

    def rng_state(self) -> dict[str, Tensor]:
        """Return the state of the generator that seeds the episodes."""
        return numpy_state(self._rng)

    def set_rng_state(self, state: dict[str, Tensor]) -> None:
        """Put it back."""
        set_numpy_state(self._rng, state)

    def close(self) -> None:
        """Close every copy; closing twice is fine."""
        while self._envs:
            self._envs.pop().close()


class TupleEnv:
    """A Gymnasium environment whose spaces are tuples, one entry an agent, as a ``ParallelEnv``.

    Level-based foraging and the robot warehouse are such; ``TupleEnv(gymnasium.make("Foraging-5x5-2p-1f-v3"))``.
    The first entry of the tuple is ``agent_0``. Terminated and truncated are the whole environment's.

    Raises:
        ValueError: the action space has no entries.
    """

    def __init__(self, env: Any):
        if not hasattr(env.action_space, "__len__"):
            raise ValueError(
                f"The action space is {env.action_space}, one agent's; a team's is a tuple, an entry for each agent, "
                "so choose an environment that has one."
            )
        self._env = env
        self.possible_agents = [f"agent_{i}" for i in range(len(env.action_space))]
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> Any:
        """Return the agent's entry of the tuple."""
        return self._env.observation_space[self.possible_agents.index(agent)]

    def action_space(self, agent: str) -> Any:
        """Return the agent's entry of the tuple."""
        return self._env.action_space[self.possible_agents.index(agent)]

    def reset(self, seed: int | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode."""
        obs, _ = self._env.reset(seed=seed)
        self.agents = list(self.possible_agents)
        return self._named(obs), {}

    def step(self, actions: Mapping[str, int]) -> tuple[dict[str, Any], ...]:
        """Act once; everybody leaves when the environment ends."""
        obs, rewards, terminated, truncated, _ = self._env.step(tuple(actions[agent] for agent in self.possible_agents))
        flags = [self._named([bool(np.all(flag))] * len(actions)) for flag in (terminated, truncated)]
        if np.all(terminated) or np.all(truncated):
            self.agents = []
        return self._named(obs), self._named(rewards), *flags, {}

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    def _named(self, values: Any) -> dict[str, Any]:
        return dict(zip(self.possible_agents, values, strict=True))


def _action_count(agent: str, space: Any) -> int:
    if not hasattr(space, "n") or int(getattr(space, "start", 0)) != 0:
        raise ValueError(
            f"The actions of {agent} are {space}; only Discrete actions counted from 0 can be used, so choose a "
            "discrete version of the environment."
        )
    return int(space.n)


def _feature_count(agent: str, space: Any) -> int:
    parts = getattr(space, "spaces", None)
    if isinstance(parts, Mapping) and "action_mask" in parts and "observation" in parts:
        space = parts["observation"]
    if getattr(space, "shape", None) is None:
        raise ValueError(
            f"The observation of {agent} is {space}; only boxes, or a dictionary of an observation box and an "
            "action_mask, can be used, so flatten it first."
        )
    return math.prod(space.shape)


def _parts(seen: Any, info: Mapping[str, Any], n_actions: int) -> tuple[Tensor, Tensor]:
    """Split what one agent sees into features and its mask of available actions."""
    features, mask = (seen["observation"], seen["action_mask"]) if isinstance(seen, Mapping) else (seen, None)
    mask = info.get("action_mask", mask)
    available = torch.ones(n_actions, dtype=torch.bool) if mask is None else torch.as_tensor(np.asarray(mask)).bool()
    return _flat(features), available


def _flat(values: Any) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32).flatten().copy())


def _has_state(env: Any) -> bool:
    try:
        env.state()
    except (NotImplementedError, AttributeError):
        return False
    return True


def _limit_of(name: str, env: Any) -> int:
    limit = getattr(getattr(env, "unwrapped", env), "max_cycles", None)
    if limit is None:
        raise ValueError(f"{name} does not say how long an episode may be (max_cycles); pass episode_limit.")
    return int(limit)

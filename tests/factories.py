"""Random episodes and small environments that several tests share."""

from __future__ import annotations

from dataclasses import replace

import torch

from qmix_edu.episodes import EpisodeBatch
from qmix_edu.types import EnvSpec, Observation, Transition

SPEC = EnvSpec("random", n_envs=4, n_agents=3, n_actions=5, obs_size=6, state_size=7, episode_limit=8)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_episodes(lengths: list[int], spec: EnvSpec = SPEC, seed: int = 0) -> EpisodeBatch:
    """Return episodes of these lengths, padded with numbers that must not matter; every second one terminates."""
    g = generator(seed)
    b, t, n = len(lengths), max(lengths), spec.n_agents
    length = torch.tensor(lengths)
    steps = torch.arange(t)
    avail = torch.rand(b, t + 1, n, spec.n_actions, generator=g) < 0.6
    avail[..., 1] |= ~avail.any(-1)
    actions = torch.multinomial(avail[:, :-1].reshape(-1, spec.n_actions).float(), 1, generator=g).reshape(b, t, n)
    terminated = (steps == length[:, None] - 1) & (torch.arange(b) % 2 == 0)[:, None]
    return EpisodeBatch(
        actions=actions,
        reward=torch.randn(b, t, 1, generator=g),
        terminated=terminated.float().unsqueeze(-1),
        mask=(steps < length[:, None]).float().unsqueeze(-1),
        obs=torch.randn(b, t + 1, n, spec.obs_size, generator=g),
        state=torch.randn(b, t + 1, spec.state_size, generator=g),
        avail_actions=avail,
    )


def with_notes(batch: EpisodeBatch, seed: int = 0) -> EpisodeBatch:
    """Return the batch with everything that any algorithm notes about its transitions."""
    g = generator(seed)
    b, t, n = batch.actions.shape
    shares = {name: torch.rand(b, t, n, generator=g) for name in ("leniency", "behaviour")}
    owner = (torch.rand(b, t, n, generator=g) < 0.5).float()
    fingerprint = torch.rand(b, 1, 2, generator=g).expand(b, t, 2)
    return replace(batch, extras={**shares, "owner": owner, "fingerprint": fingerprint})


class Treadmill:
    """Pays 1 a step whatever is done, and is cut by a time limit; it looks the same for ever.

    Its value is ``1 / (1 - gamma)``, provided that the time limit bootstraps.
    """

    def __init__(self, n_envs: int = 4, limit: int = 3):
        self.spec = EnvSpec("treadmill", n_envs, 2, 2, obs_size=1, state_size=1, episode_limit=limit)
        self._time = limit

    def _observe(self) -> Observation:
        e = self.spec.n_envs
        return Observation(torch.ones(e, 2, 1), torch.ones(e, 1), torch.ones(e, 2, 2, dtype=torch.bool))

    def reset(self) -> Observation:
        self._time = 0
        return self._observe()

    def step(self, actions: torch.Tensor) -> Transition:
        playing = self._time < self.spec.episode_limit
        self._time += 1
        never = torch.zeros(self.spec.n_envs, 1, dtype=torch.bool)
        cut = torch.full_like(never, self._time == self.spec.episode_limit)
        return Transition(self._observe(), torch.full(never.shape, float(playing)), never, cut, never, never)

    def rng_state(self) -> dict[str, torch.Tensor]:
        return {}

    def set_rng_state(self, state: dict[str, torch.Tensor]) -> None:
        pass

    def close(self) -> None:
        pass

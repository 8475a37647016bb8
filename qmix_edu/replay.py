"""Replay rules: which episodes are kept, and which of them each gradient step sees.

A rule is a class; a learner names it, and the training makes one for its environment and settings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from qmix_edu.episodes import EpisodeBatch, ReplayBuffer
from qmix_edu.types import EnvSpec


class ReplaySizes(Protocol):
    """What a rule is told of the settings of a training."""

    @property
    def buffer_episodes(self) -> int:
        """How many episodes may be kept."""
        ...

    @property
    def buffer_bytes(self) -> int:
        """How many bytes they may take."""
        ...

    @property
    def batch_size(self) -> int:
        """Episodes of a gradient step."""
        ...

    @property
    def updates_per_round(self) -> int:
        """Gradient steps after each round of play."""
        ...


class Replay(Protocol):
    """The episodes that a training keeps."""

    episodes_added: int

    def __len__(self) -> int:
        """Return how many episodes are kept."""
        ...

    def add(self, batch: EpisodeBatch) -> None:
        """Take in the episodes of one round."""
        ...

    def batches(self, generator: torch.Generator) -> Iterator[EpisodeBatch]:
        """Draw what the gradient steps after this round see, one batch each."""
        ...

    def chunk(self, since: int) -> dict[str, Tensor]:
        """Return the kept episodes from number ``since`` on, for the disk."""
        ...

    def load_chunk(self, chunk: dict[str, Tensor]) -> None:
        """Put back what ``chunk`` returned."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return what the rule knows beside the episodes."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what ``state_dict`` returned."""
        ...


ReplayRule = Callable[[EnvSpec, ReplaySizes, Mapping[str, int]], Replay]


class UniformReplay(ReplayBuffer):
    """The newest ``buffer_episodes`` episodes; each step sees ``batch_size`` of them, drawn uniformly.

    Raises:
        ValueError: ``buffer_bytes`` might not hold a batch.

    """

    def __init__(self, spec: EnvSpec, sizes: ReplaySizes, extras: Mapping[str, int]):
        super().__init__(spec, sizes.buffer_episodes, sizes.buffer_bytes, extras)
        _refuse_too_few_bytes(self, spec, sizes, "batch_size", sizes.batch_size)
        self._sizes = sizes

    def batches(self, generator: torch.Generator) -> Iterator[EpisodeBatch]:
        """Draw ``updates_per_round`` batches, once there are episodes enough for one."""
        if len(self) >= self._sizes.batch_size:
            for _ in range(self._sizes.updates_per_round):
                yield self.sample(self._sizes.batch_size, generator)

    def state_dict(self) -> dict[str, Any]:
        """Nothing beside the episodes."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing beside the episodes."""


def _refuse_too_few_bytes(buffer: ReplayBuffer, spec: EnvSpec, sizes: ReplaySizes, setting: str, batch: int) -> None:
    """Refuse a buffer that might not hold a batch, whose size is a setting."""
    if buffer.least_capacity < batch:
        raise ValueError(
            f"buffer_bytes is {sizes.buffer_bytes}, room for {buffer.least_capacity} episodes of {spec.name} at the "
            f"least, but a batch takes {batch}; allow more bytes, or make {setting} smaller."
        )


class NewestEpisodes:
    """On-policy: the episodes of the round just played, seen once, all of them, and then forgotten.

    ``buffer_episodes``, ``batch_size`` and ``updates_per_round`` have no say: the batch is the round, one gradient step
    is taken on it, and so its size is ``n_envs``.

    Raises:
        ValueError: ``buffer_bytes`` might not hold a round.

    """

    def __init__(self, spec: EnvSpec, sizes: ReplaySizes, extras: Mapping[str, int]):
        room = ReplayBuffer(spec, spec.n_envs, sizes.buffer_bytes, extras)  # only asked how much would fit
        _refuse_too_few_bytes(room, spec, sizes, "n_envs", spec.n_envs)
        self.episodes_added = 0  # nothing ever has to be written to the disk
        self._newest: EpisodeBatch | None = None

    def __len__(self) -> int:
        return 0 if self._newest is None else len(self._newest)

    def add(self, batch: EpisodeBatch) -> None:
        """Keep these episodes, and no others."""
        self._newest = batch

    def batches(self, generator: torch.Generator) -> Iterator[EpisodeBatch]:
        """Return the newest episodes once; none if the round was lost."""
        if self._newest is not None:
            newest, self._newest = self._newest, None
            yield newest

    def chunk(self, since: int) -> dict[str, Tensor]:
        """Nothing outlives its round."""
        return {}

    def load_chunk(self, chunk: dict[str, Tensor]) -> None:
        """Nothing outlives its round."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing outlives its round."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing outlives its round."""


@dataclass
class _Interval:
    """What one agent knows of one of its meta-actions."""

    best: float = -torch.inf  # r_max
    lower: float = torch.inf  # l, the lower end of the interval of returns that are kept
    returns: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    episodes: deque[int] = field(default_factory=lambda: deque(maxlen=100))  # their numbers, oldest first


class NegativeUpdateIntervals(UniformReplay):
    """Each agent keeps, for each of its meta-actions, the episodes whose return the team can be blamed least for.

    With ``r_max`` the best return seen with a meta-action m and ``l`` the lower end of its interval, an episode of
    return R is kept by the agent unless ``R < r_max`` and ``R < l``. A new ``r_max`` throws out what paid less.
    ``l`` begins at ``r_max``, so at first only the best return counts; each time it is paid again, once
    ``quiet_episodes`` were played, ``l`` falls by ``decay`` times the spread of m's returns (best less worst), down to
    their mean less one standard deviation and ``margin`` times the spread. So what the environment's chance does comes
    back into the data, and what a teammate's mistake does stays out for as long as it is rare. An episode that no agent
    keeps is not stored.

    An agent's meta-action is the last action that it took. A batch has ``batch_size`` episodes for each agent, drawn
    uniformly with replacement from what *that* agent keeps (the newest 100 of each meta-action); ``extras["owner"]``
    [b, t, n] is 1 for it, and 0 for the others, who must not learn from it.

    Source: Palmer, Savani and Tuyls (AAMAS 2019), as in the authors' code (github.com/gjp1203/nui_in_madrl).
    Differs from: that code, where the environment names the meta-action, returns lie within [-1, 1], and l falls as
    ``l + 1 <- max(.995 (l + 1), mean - sd - .3 + 1)``; here l falls by a share of the spread of the returns, so that
    their scale is of no consequence, and episodes that leave the shared buffer leave every agent's memory.
    """

    quiet_episodes = 50
    decay = 0.001
    margin = 0.15  # of two equally likely returns the worse one lies just at mean - sd

    def __init__(self, spec: EnvSpec, sizes: ReplaySizes, extras: Mapping[str, int]):
        super().__init__(spec, sizes, extras)
        self._known = [[_Interval() for _ in range(spec.n_actions)] for _ in range(spec.n_agents)]
        self._played = 0

    def add(self, batch: EpisodeBatch) -> None:
        """Let every agent look at each episode, and store those that somebody keeps."""
        last = (batch.lengths - 1)[:, None, None].expand(-1, 1, batch.actions.shape[-1])
        meta_actions: list[list[int]] = batch.actions.gather(1, last).squeeze(1).tolist()
        kept = torch.zeros(len(batch), dtype=torch.bool)
        number = self.episodes_added
        for b, (episode_return, metas) in enumerate(zip(batch.returns.tolist(), meta_actions, strict=True)):
            self._played += 1
            keepers = [
                known[m] for known, m in zip(self._known, metas, strict=True) if self._keeps(known[m], episode_return)
            ]
            for interval in keepers:
                interval.episodes.append(number)
            kept[b] = bool(keepers)
            number += bool(keepers)
        if kept.any():
            # the numbers given out above are those that the buffer counts now
            super().add(batch.select(kept))
            self._forget_what_left()

    def _keeps(self, interval: _Interval, episode_return: float) -> bool:
        """Say whether an agent keeps an episode, and move the interval of its meta-action."""
        interval.returns.append(episode_return)
        if episode_return > interval.best:
            interval.best = interval.lower = episode_return
            interval.episodes.clear()  # all of them paid less, or as much as an older best
        if episode_return < interval.best and episode_return < interval.lower:
            return False
        if episode_return >= interval.best and self._played > self.quiet_episodes:
            returns = torch.tensor(interval.returns, dtype=torch.float64)
            spread = (returns.max() - returns.min()).item()
            floor = (returns.mean() - returns.std(correction=0)).item() - self.margin * spread
            interval.lower = min(interval.best, max(interval.lower - self.decay * spread, floor))
        return True

    def _forget_what_left(self) -> None:
        oldest = self.episodes_added - len(self)
        for known in self._known:
            for interval in known:
                while interval.episodes and interval.episodes[0] < oldest:
                    interval.episodes.popleft()

    def batches(self, generator: torch.Generator) -> Iterator[EpisodeBatch]:
        """Draw ``updates_per_round`` batches, once every agent keeps episodes enough for one."""
        oldest = self.episodes_added - len(self)
        memories = [torch.tensor([e for m in known for e in m.episodes], dtype=torch.long) for known in self._known]
        if min(map(len, memories)) < self._sizes.batch_size:
            return
        size = self._sizes.batch_size
        for _ in range(self._sizes.updates_per_round):
            drawn = [m[torch.randint(len(m), (size,), generator=generator)] - oldest for m in memories]
            batch = self.gather(torch.cat(drawn).tolist())
            owner = torch.eye(len(memories)).repeat_interleave(size, dim=0)  # [n * size, n]
            owner = owner.unsqueeze(1).expand(-1, batch.mask.shape[1], -1)
            yield replace(batch, extras={**batch.extras, "owner": owner})

    def state_dict(self) -> dict[str, Any]:
        """Return every interval, and which episodes each agent keeps."""
        intervals = [[[i.best, i.lower, list(i.returns), list(i.episodes)] for i in known] for known in self._known]
        return {"played": self._played, "intervals": intervals}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what ``state_dict`` returned."""
        self._played = state["played"]
        for known, saved in zip(self._known, state["intervals"], strict=True):
            for interval, (best, lower, returns, episodes) in zip(known, saved, strict=True):
                interval.best, interval.lower = best, lower
                interval.returns.extend(returns)
                interval.episodes.extend(episodes)

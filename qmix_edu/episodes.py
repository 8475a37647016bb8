"""Whole episodes: a padded batch of them, and the replay buffer that keeps them unpadded."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from qmix_edu.types import EnvSpec


@dataclass(frozen=True)
class EpisodeBatch:
    """Episodes, padded to the longest: T transitions and T + 1 observations.

    ``mask`` is 1 where a transition really happened. ``terminated`` is the flag of *this* transition and stays
    0 when a time limit cut the episode, so that its target bootstraps. ``extras`` is what an algorithm notes about each
    transition beside these, by name and each [b, t, k]: a leniency, a probability; most note nothing.
    """

    actions: Int[Tensor, "b t n"]
    reward: Float[Tensor, "b t 1"]
    terminated: Float[Tensor, "b t 1"]
    mask: Float[Tensor, "b t 1"]
    obs: Float[Tensor, "b t+1 n o"]
    state: Float[Tensor, "b t+1 s"]
    avail_actions: Bool[Tensor, "b t+1 n a"]
    extras: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])

    def __len__(self) -> int:
        return self.actions.shape[0]

    @property
    def lengths(self) -> Int[Tensor, " b"]:
        """Transitions of each episode."""
        return self.mask.sum(dim=(1, 2)).long()

    @property
    def returns(self) -> Float[Tensor, " b"]:
        """Undiscounted sum of rewards of each episode."""
        return (self.reward * self.mask).sum(dim=(1, 2))

    @property
    def last_actions(self) -> Int[Tensor, "b t1 n"]:
        """The action one step earlier; ``n_actions`` (one more than the largest) where there was none."""
        first = torch.full_like(self.actions[:, :1], self.avail_actions.shape[-1])
        return torch.cat([first, self.actions], dim=1)

    def select(self, episodes: Bool[Tensor, " b"]) -> Self:
        """Keep the episodes that are marked."""
        kept = {f.name: getattr(self, f.name)[episodes] for f in fields(self) if f.name != "extras"}
        return type(self)(**kept, extras={name: values[episodes] for name, values in self.extras.items()})


_EXTRA = "extra/"  # keeps the names of extras apart from those of the fields


def _field(batch: EpisodeBatch, name: str) -> Tensor:
    return batch.extras[name.removeprefix(_EXTRA)] if name.startswith(_EXTRA) else getattr(batch, name)


class ReplayBuffer:
    """The newest episodes, bounded in number and in bytes, sampled uniformly without replacement.

    One ring of rows per field: an episode of T transitions takes T + 1 rows (the last one holds only the final
    observation), so nothing is stored padded. When a new episode needs room, the oldest ones leave. ``extras`` names
    what else is kept of each transition, and how many numbers that is.
    """

    def __init__(
        self,
        spec: EnvSpec,
        capacity_episodes: int = 5000,
        capacity_bytes: int = 2**31,
        extras: Mapping[str, int] | None = None,
    ):
        n, a = spec.n_agents, spec.n_actions
        shapes = {
            "actions": ((n,), torch.int64),
            "reward": ((1,), torch.float32),
            "terminated": ((1,), torch.float32),
            "obs": ((n, spec.obs_size), torch.float32),
            "state": ((spec.state_size,), torch.float32),
            "avail_actions": ((n, a), torch.bool),
            **{_EXTRA + name: ((size,), torch.float32) for name, size in (extras or {}).items()},
        }
        row_bytes = sum(torch.empty(shape, dtype=dtype).nbytes for shape, dtype in shapes.values())
        self.n_rows = min(capacity_episodes * (spec.episode_limit + 1), capacity_bytes // row_bytes)
        if self.n_rows <= spec.episode_limit:
            raise ValueError(
                f"The replay buffer may hold {capacity_bytes} bytes, but one episode of {spec.name} takes up to "
                f"{(spec.episode_limit + 1) * row_bytes}; allow more bytes."
            )
        self.capacity_episodes, self._longest = capacity_episodes, spec.episode_limit + 1
        # torch.empty reserves addresses; the memory is taken only as rows are written.
        self._rows = {k: torch.empty((self.n_rows, *shape), dtype=dtype) for k, (shape, dtype) in shapes.items()}
        self._episodes: deque[tuple[int, int]] = deque()  # (first row, transitions), oldest first
        self._next_row = 0
        self._rows_used = 0
        self.episodes_added = 0

    def __len__(self) -> int:
        return len(self._episodes)

    @property
    def least_capacity(self) -> int:
        """How many episodes fit, if all are as long as can be."""
        return self.n_rows // self._longest

    def add(self, batch: EpisodeBatch) -> None:
        """Append the episodes of ``batch``."""
        lengths = batch.lengths
        kept = torch.arange(batch.obs.shape[1]) <= lengths[:, None]  # [b, t+1]
        self._append({name: self._with_last_row(_field(batch, name), kept) for name in self._rows}, lengths)

    @staticmethod
    def _with_last_row(values: Tensor, kept: Bool[Tensor, "b t1"]) -> Tensor:
        if values.shape[1] < kept.shape[1]:
            values = torch.cat([values, torch.zeros_like(values[:, :1])], dim=1)
        return values[kept]

    def _append(self, rows: dict[str, Tensor], lengths: Int[Tensor, " b"]) -> None:
        sizes = [int(length) + 1 for length in lengths]
        offset = 0
        for size in sizes:
            while self._rows_used + size > self.n_rows or len(self) == self.capacity_episodes:
                self._rows_used -= self._episodes.popleft()[1] + 1
            target = (self._next_row + torch.arange(size)) % self.n_rows
            for name, storage in self._rows.items():
                storage[target] = rows[name][offset : offset + size]
            self._episodes.append((self._next_row, size - 1))
            self._next_row = (self._next_row + size) % self.n_rows
            self._rows_used += size
            offset += size
        self.episodes_added += len(sizes)

    def sample(self, batch_size: int, generator: torch.Generator) -> EpisodeBatch:
        """Draw ``batch_size`` different episodes, padded to the longest of them."""
        if batch_size > len(self):
            raise ValueError(f"Asked for {batch_size} episodes of a buffer that holds {len(self)}.")
        return self.gather(torch.randperm(len(self), generator=generator)[:batch_size].tolist())

    def gather(self, chosen: Sequence[int]) -> EpisodeBatch:
        """Return these episodes (0 is the oldest one held), padded to the longest of them."""
        start, length = torch.tensor([self._episodes[i] for i in chosen]).unbind(dim=1)
        steps = torch.arange(int(length.max()) + 1)
        rows = (start[:, None] + torch.minimum(steps, length[:, None])) % self.n_rows  # [b, t+1]
        transitions = rows[:, :-1]
        return EpisodeBatch(
            **{name: self._rows[name][transitions] for name in ("actions", "reward", "terminated")},
            mask=(steps[:-1] < length[:, None]).float().unsqueeze(-1),
            **{name: self._rows[name][rows] for name in ("obs", "state", "avail_actions")},
            extras={
                name.removeprefix(_EXTRA): storage[transitions]
                for name, storage in self._rows.items()
                if name.startswith(_EXTRA)
            },
        )

    def chunk(self, since: int) -> dict[str, Tensor]:
        """Return the stored episodes from number ``since`` on (counting every episode ever added)."""
        first = max(0, since - (self.episodes_added - len(self)))
        episodes = list(self._episodes)[first:]
        rows = [(start + torch.arange(length + 1)) % self.n_rows for start, length in episodes]
        index = torch.cat(rows) if rows else torch.empty(0, dtype=torch.long)
        lengths = torch.tensor([length for _, length in episodes], dtype=torch.long)
        return {"lengths": lengths, **{name: storage[index] for name, storage in self._rows.items()}}

    def load_chunk(self, chunk: dict[str, Tensor]) -> None:
        """Append what ``chunk`` returned."""
        self._append({name: chunk[name] for name in self._rows}, chunk["lengths"])

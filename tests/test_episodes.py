"""The replay buffer gives back exactly what it was given, the newest first to stay, within its bounds."""

from dataclasses import fields

import pytest
import torch
from factories import SPEC, generator, random_episodes, with_notes
from hypothesis import given, settings
from hypothesis import strategies as st

from qmix_edu.episodes import EpisodeBatch, ReplayBuffer
from qmix_edu.types import EnvSpec

ROW_BYTES = 3 * 8 + 4 + 4 + 3 * 6 * 4 + 7 * 4 + 3 * 5  # actions, reward, terminated, obs, state, avail_actions
lengths = st.lists(st.integers(1, SPEC.episode_limit), min_size=1, max_size=30)
quick = settings(max_examples=40, deadline=None, derandomize=True)


def unpadded(batch: EpisodeBatch) -> list[tuple[bytes, ...]]:
    """Return every episode of a batch as the bytes of its real steps."""
    return [
        tuple(
            getattr(batch, field.name)[i, : length + (field.name in ("obs", "state", "avail_actions"))]
            .numpy()
            .tobytes()
            for field in fields(EpisodeBatch)
            if field.name != "extras"
        )
        + tuple(values[i, :length].numpy().tobytes() for values in batch.extras.values())
        for i, length in enumerate(batch.lengths.tolist())
    ]


def everything(replay: ReplayBuffer) -> list[tuple[bytes, ...]]:
    return sorted(unpadded(replay.sample(len(replay), generator())))


def filled(lengths: list[int], at_once: int = 4, **bounds: int) -> tuple[ReplayBuffer, list[tuple[bytes, ...]]]:
    """Return a buffer to which episodes of these lengths were added, and the episodes."""
    replay, episodes = ReplayBuffer(SPEC, **bounds), []
    for first in range(0, len(lengths), at_once):
        batch = random_episodes(lengths[first : first + at_once], seed=first)
        replay.add(batch)
        episodes += unpadded(batch)
    return replay, episodes


@quick
@given(lengths, st.integers(1, 5))
def test_episodes_come_back_exactly(lengths, at_once):
    replay, episodes = filled(lengths, at_once)
    assert len(replay) == replay.episodes_added == len(lengths)
    assert everything(replay) == sorted(episodes)


@quick
@given(lengths, st.integers(1, 8))
def test_the_oldest_episodes_leave_when_there_are_too_many(lengths, capacity):
    replay, episodes = filled(lengths, capacity_episodes=capacity)
    assert everything(replay) == sorted(episodes[-capacity:])


@quick
@given(lengths, st.integers(SPEC.episode_limit + 1, 40))
def test_the_oldest_episodes_leave_when_bytes_run_out(lengths, rows):
    """The newest episodes that fit are kept, and not one fewer, wherever the ring's seam lies."""
    replay, episodes = filled(lengths, capacity_bytes=rows * ROW_BYTES)
    kept = 0
    while kept < len(lengths) and sum(n + 1 for n in lengths[-kept - 1 :]) <= rows:
        kept += 1
    assert everything(replay) == sorted(episodes[-kept:])
    assert sum(storage.nbytes for storage in replay._rows.values()) <= rows * ROW_BYTES


def test_a_sampled_batch_is_padded_to_its_longest_episode():
    replay, _ = filled([2, 5, 3])
    batch = replay.sample(3, generator())
    assert batch.mask.shape == (3, 5, 1)
    assert batch.obs.shape[:2] == (3, 6)
    assert sorted(batch.mask.sum((1, 2)).tolist()) == [2, 3, 5]
    assert (batch.mask.diff(dim=1) <= 0).all()


def test_a_sampled_batch_is_a_copy():
    """A batch is a copy: what a learner does to it stays outside the buffer."""
    replay, episodes = filled([3, 4])
    replay.sample(2, generator()).obs.zero_()
    assert everything(replay) == sorted(episodes)


def test_sampling_is_uniform_and_without_replacement():
    replay, _ = filled([1] * 10)
    g = generator()
    counts = dict.fromkeys(everything(replay), 0)
    for _ in range(600):
        drawn = unpadded(replay.sample(5, g))
        assert len(set(drawn)) == 5
        for episode in drawn:
            counts[episode] += 1
    assert all(240 <= count <= 360 for count in counts.values())  # 300 expected, 5 standard deviations


def test_asking_for_too_many_episodes():
    replay, _ = filled([3, 4])
    with pytest.raises(ValueError, match="Asked for 3 episodes of a buffer that holds 2"):
        replay.sample(3, generator())


def test_a_buffer_that_cannot_hold_one_episode_is_refused():
    needed = (SPEC.episode_limit + 1) * ROW_BYTES
    with pytest.raises(ValueError, match=f"{needed - 1} bytes, but one episode of random takes up to {needed};"):
        ReplayBuffer(SPEC, capacity_bytes=needed - 1)
    ReplayBuffer(SPEC, capacity_bytes=needed)


def test_a_large_bound_costs_no_memory_before_it_is_used():
    huge = EnvSpec("huge", 1, 10, 20, obs_size=500, state_size=1000, episode_limit=400)
    assert ReplayBuffer(huge, capacity_episodes=100_000, capacity_bytes=2**33).n_rows > 300_000


@quick
@given(lengths, st.integers(0, 30), st.integers(1, 10), st.integers(SPEC.episode_limit + 1, 60))
def test_saved_in_pieces_and_loaded_a_buffer_samples_the_same(lengths, saved, capacity, rows):
    """Two pieces, the second with what came after the first, restore the buffer and all it will ever sample."""
    bounds = {"capacity_episodes": capacity, "capacity_bytes": rows * ROW_BYTES}
    replay, restored = ReplayBuffer(SPEC, **bounds), ReplayBuffer(SPEC, **bounds)
    pieces = []
    for i, length in enumerate(lengths):
        replay.add(random_episodes([length], seed=i))
        if i + 1 == saved:
            pieces.append(replay.chunk(0))
    pieces.append(replay.chunk(saved if saved <= len(lengths) else 0))
    for piece in pieces:
        restored.load_chunk(piece)
    for buffer in (replay, restored):
        buffer.add(random_episodes([3, 5], seed=99))
    one, other = generator(7), generator(7)
    for _ in range(5):
        size = min(len(replay), 3)
        assert unpadded(replay.sample(size, one)) == unpadded(restored.sample(size, other))


def test_last_actions_say_where_there_was_none():
    batch = random_episodes([2, 3])
    assert (batch.last_actions[:, 0] == SPEC.n_actions).all()
    assert torch.equal(batch.last_actions[:, 1:], batch.actions)


def test_returns_and_selection_leave_padding_out():
    batch = random_episodes([2, 4])
    assert batch.returns.tolist() == pytest.approx([batch.reward[0, :2].sum().item(), batch.reward[1].sum().item()])
    second = batch.select(torch.tensor([False, True]))
    assert len(second) == 1
    assert unpadded(second) == unpadded(batch)[1:]


def test_extras_come_back_with_their_episodes():
    """What is noted of a transition stays with it, through the ring's seam, the disk and a selection."""
    sizes = {"leniency": 3, "behaviour": 3, "owner": 3, "fingerprint": 2}
    replay, restored = (ReplayBuffer(SPEC, capacity_episodes=4, extras=sizes) for _ in range(2))
    batches = [with_notes(random_episodes([3, 8, 1], seed=seed), seed) for seed in range(3)]
    for batch in batches:
        replay.add(batch)
    restored.load_chunk(replay.chunk(0))
    newest = unpadded(batches[1])[-1:] + unpadded(batches[2])
    assert everything(replay) == everything(restored) == sorted(newest)
    second = batches[0].select(torch.tensor([False, True, False]))
    assert torch.equal(second.extras["leniency"], batches[0].extras["leniency"][1:2])


def test_extras_take_their_room():
    ReplayBuffer(SPEC, capacity_bytes=9 * (ROW_BYTES + 12), extras={"leniency": 3})
    with pytest.raises(ValueError, match="allow more bytes"):
        ReplayBuffer(SPEC, capacity_bytes=9 * (ROW_BYTES + 12) - 1, extras={"leniency": 3})

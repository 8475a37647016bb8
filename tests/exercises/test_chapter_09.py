"""Chapter 09: plausible wrong answers get their name, different right ones are accepted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qmix_edu.exercises import chapter_09 as chapter
from qmix_edu.exercises.chapter_09 import BUGS, failures, greedy, loss_with, mix, small_batch, take
from qmix_edu.td import greedy_actions, masked_td_loss, td_lambda_targets


def before(flag):
    """The flag of the step before."""
    return np.hstack([np.zeros_like(flag[:, :1]), flag[:, :-1]])


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda r, e, c, v, g: r + g * (1 - np.maximum(e, c)) * v[:, 1:], "truncation taken for termination"),
        (lambda r, e, c, v, g: r + g * (1 - c) * v[:, 1:], "only the time limit stops it"),
        (lambda r, e, c, v, g: r + g * (1 - e) * v[:, :-1], "this value instead of the next"),
        (lambda r, e, c, v, g: r + g * (1 - before(e)) * v[:, 1:], "the end is lost"),
        (lambda r, e, c, v, g: r + g * v[:, 1:], "the end is lost"),
        (lambda r, e, c, v, g: r + (1 - e) * v[:, 1:], "gamma is missing"),
        (lambda r, e, c, v, g: (r + g * v[:, 1:]) * (1 - e), "the last reward is lost"),
        (lambda r, e, c, v, g: g * (r + (1 - e) * v[:, 1:]), "gamma on the reward"),
        (lambda r, e, c, v, g: r - g * (1 - e) * v[:, 1:], "not yet"),
        (lambda r, e, c, v, g: (r + g * (1 - e) * v[:, 1:])[:, :-1], "not yet"),
        (lambda r, e, c, v, g: r + g * (1 - e) * v, "your function stopped with an error"),
        (lambda r, e, c, v, g: None, "nothing returned"),
        (lambda r, e, c, v, g: 0.0, "a constant"),
    ],
)
def test_td_target_wrong(answer, name):
    assert chapter.check_td_target(answer).misconception == name


def by_loops(reward, terminated, truncated, values, gamma):
    """Another way, with other numbers in the padding."""
    targets = np.zeros(reward.shape)
    for i, t in np.ndindex(*reward.shape):
        targets[i, t] = reward[i, t] + (0 if terminated[i, t] else gamma * values[i, t + 1])
    return np.where(np.cumsum(before(terminated + truncated), axis=1) > 0, -5, targets)


def by_the_library(reward, terminated, truncated, values, gamma):
    r, end, v = (torch.from_numpy(x)[..., None] for x in (reward, terminated, values[:, 1:].copy()))
    return td_lambda_targets(r, end, torch.ones_like(r), v, gamma, 0.0)[..., 0]


@pytest.mark.parametrize("answer", [chapter.td_target, by_loops, by_the_library])
def test_td_target_right(answer):
    assert chapter.check_td_target(answer).status == "correct"


@pytest.mark.parametrize(
    ("terminated", "truncated", "expected"),
    [([0, 1], [0, 0], [11, 2]), ([0, 0], [0, 1], [11, 17])],
)
def test_the_targets_of_the_hint(terminated, truncated, expected):
    one = [np.array([x], dtype=float) for x in ([1, 2], terminated, truncated, [10, 20, 30])]
    assert chapter.td_target(*one, 0.5).tolist() == [expected]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda o, t, a: take(t, o.argmax(-1)), "the mask is forgotten"),
        (lambda o, t, a: take(t, (o * a).argmax(-1)), "zero for unavailable actions"),
        (lambda o, t, a: take(o, greedy(t, a)), "the networks are swapped"),
        (lambda o, t, a: np.where(a, t, -np.inf).max(-1), "one network does both: the target"),
        (lambda o, t, a: np.where(a, o, -np.inf).max(-1), "one network does both: the online"),
        (lambda o, t, a: greedy(o, a), "the action, not its value"),
        (lambda o, t, a: take(np.where(a, t, -np.inf), greedy(o, a)), "the mask leaks into values"),
        (lambda o, t, a: t.max(-1), "not yet"),
        (lambda o, t, a: np.where(a, t, 0).sum(-1), "not yet"),
        (lambda o, t, a: 1.0, "a constant"),
    ],
)
def test_double_q_value_wrong(answer, name):
    assert chapter.check_double_q_value(answer).misconception == name


def in_torch(online, target, avail):
    chosen = greedy_actions(torch.from_numpy(online), torch.from_numpy(avail))
    return torch.from_numpy(target).gather(-1, chosen[..., None])[..., 0]


def by_one_hot(online, target, avail):
    """Another way; 0 where nothing is available."""
    best = np.where(avail, online, -1e9).argmax(-1)
    return (target * (np.arange(target.shape[-1]) == best[..., None])).sum(-1) * avail.any(-1)


@pytest.mark.parametrize("answer", [chapter.double_q_value, in_torch, by_one_hot])
def test_double_q_value_right(answer):
    assert chapter.check_double_q_value(answer).status == "correct"


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda y, q, m: (m * (y - q) ** 2).mean(), "averaged over the padding"),
        (lambda y, q, m: ((y - q) ** 2).mean(), "the mask is forgotten"),
        (lambda y, q, m: ((m * y - q) ** 2).sum() / m.sum(), "only the target is masked"),
        (
            lambda y, q, m: np.mean([np.average(e, weights=w) for e, w in zip((y - q) ** 2, m, strict=True)]),
            "a mean of means",
        ),
        (lambda y, q, m: (m * (y - q) ** 2).sum(), "a sum"),
        (lambda y, q, m: (m * (y - q)).sum() / m.sum(), "not squared"),
        (lambda y, q, m: (m * np.abs(y - q)).sum() / m.sum(), "not yet"),
        (lambda y, q, m: ((y - q) ** 2).sum() / m.sum(), "not yet"),
        (lambda y, q, m: 1.0, "a constant"),
    ],
)
def test_masked_loss_wrong(answer, name):
    assert chapter.check_masked_loss(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda y, q, m: ((y - q)[m > 0] ** 2).mean(),
        lambda y, q, m: np.average((y - q) ** 2, weights=m),
        lambda y, q, m: masked_td_loss(*(torch.from_numpy(x)[..., None] for x in (q, y, m))).item(),
    ],
)
def test_masked_loss_right(answer):
    assert chapter.check_masked_loss(answer).status == "correct"


def column(values, where):
    """Add a column of zeros."""
    zero = np.zeros((len(values), 1))
    return np.hstack([zero, values] if where == "front" else [values, zero])


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda m, e: column(m, "back") == 0, "the observation after a time limit"),
        (lambda m, e: np.hstack([np.ones((len(m), 1)), m]) == 0, "the observation after a termination"),
        (lambda m, e: column(m, "back") + column(m * (1 - e), "front") > 0, "the wrong way round"),
        (lambda m, e: m == 0, "steps, not observations"),
        (lambda m, e: column(e, "front") == 1, "only the end itself"),
        (lambda m, e: column(m, "back") * column(1 - e, "front") == 0, "not yet"),
        (lambda m, e: False, "a constant"),
    ],
)
def test_unread_wrong(answer, name):
    assert chapter.check_unread(answer).misconception == name


def by_the_length(mask, terminated):
    lengths = mask.sum(1) + 1 - terminated.sum(1)  # observations that are read
    return np.arange(mask.shape[1] + 1) >= lengths[:, None]


@pytest.mark.parametrize("answer", [chapter.unread, by_the_length, lambda m, e: by_the_length(m, e).astype(int)])
def test_unread_right(answer):
    assert chapter.check_unread(answer).status == "correct"


def repaired(
    batch,
    gamma,
    *,
    target=lambda b: b.target,
    state=lambda b: b.state[:, 1:],
    over=lambda b: b.terminated,
    choose=lambda b: greedy(b.online, b.avail),
    mean=lambda squares, b: (b.mask * squares).sum() / b.mask.sum(),
):
    """The loss, part by part, so that a test can put one mistake in."""
    values = mix(take(target(batch), choose(batch))[:, 1:], state(batch))
    targets = batch.reward + gamma * (1 - over(batch)) * values
    now = mix(take(batch.online[:, :-1], batch.actions), batch.state[:, :-1])
    return mean((targets - now) ** 2, batch)


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ({"over": lambda b: before(b.terminated)}, BUGS[0]),
        ({"target": lambda b: np.where(b.avail, b.target, -np.inf)}, BUGS[1]),
        ({"state": lambda b: b.state[:, :-1]}, BUGS[2]),
        ({"mean": lambda squares, b: (b.mask * squares).mean()}, BUGS[3]),
        ({"over": lambda b: b.terminated + b.truncated}, BUGS[4]),
        ({"mean": lambda squares, b: squares.mean()}, BUGS[3]),
        ({"mean": lambda squares, b: squares.sum() / b.mask.sum()}, BUGS[3]),
        ({"choose": lambda b: b.online.argmax(-1)}, "an unavailable action is chosen"),
        ({"target": lambda b: 2 * b.target}, "not yet"),
        ({"mean": lambda squares, b: (b.mask * squares).sum()}, "not yet"),
        ({"mean": lambda squares, b: (b.mask * squares).sum(1)}, "not a number"),
        ({"over": lambda b: b.terminated, "mean": lambda squares, b: 1.0}, BUGS[4]),
    ],
)
def test_repaired_loss_wrong(parts, name):
    assert chapter.check_repaired_loss(lambda b, g: repaired(b, g, **parts)).misconception == name


def test_a_loss_that_reads_the_padding_is_named():
    def loss(batch, gamma):
        return repaired(batch, gamma) + np.tanh(batch.reward[0, 4])  # a padded step; still there in a longer batch

    assert chapter.check_repaired_loss(loss).misconception == "the padding is read"


def the_suspect(batch, gamma):
    return repaired(
        batch,
        gamma,
        target=lambda b: np.where(b.avail, b.target, -np.inf),
        state=lambda b: b.state[:, :-1],
        over=lambda b: before(b.terminated + b.truncated),
        mean=lambda squares, b: (b.mask * squares).mean(),
    )


def test_the_suspect_of_the_notebook_is_refused():
    assert chapter.check_repaired_loss(the_suspect).misconception == BUGS[1]


def library_loss(batch, gamma):
    names = ("online", "target", "state", "reward", "terminated", "mask")
    online, target, state, reward, end, mask = (torch.from_numpy(getattr(batch, name)) for name in names)
    chosen = greedy_actions(online, torch.from_numpy(batch.avail))[:, 1:, :, None]
    following = (target[:, 1:].gather(-1, chosen)[..., 0] * state[:, 1:].abs()).sum(-1)
    now = (online[:, :-1].gather(-1, torch.from_numpy(batch.actions)[..., None])[..., 0] * state[:, :-1].abs()).sum(-1)
    y = td_lambda_targets(*(x[..., None] for x in (reward, end, mask, following)), gamma=gamma, td_lambda=0.0)
    return masked_td_loss(now[..., None], y, mask[..., None]).item()


@pytest.mark.parametrize("answer", [repaired, library_loss, loss_with(None)])
def test_repaired_loss_right(answer):
    assert chapter.check_repaired_loss(answer).status == "correct"


@pytest.mark.parametrize("seed", range(20))
def test_every_bug_fails_a_test_of_its_own_on_any_batch(seed):
    assert failures(loss_with(None), seed) == []
    found = [tuple(failures(loss_with(bug), seed)) for bug in BUGS]
    assert all(found) and len(set(found)) == len(BUGS)


@pytest.mark.parametrize("seed", range(5))
def test_a_small_batch_is_one(seed):
    batch = small_batch(seed)
    assert batch.mask.sum(axis=1).tolist() == [2, 3, 5, 5]
    assert batch.terminated.sum(axis=1).tolist() == [1, 0, 1, 0] and batch.truncated.sum(axis=1).tolist() == [
        0,
        1,
        0,
        1,
    ]
    assert (batch.avail.any(-1).all(-1) == ~chapter.unread(batch.mask, batch.terminated)).all()
    taken = np.take_along_axis(batch.avail[:, :-1], batch.actions[..., None], -1)[..., 0]
    assert taken[batch.mask > 0].all()


def test_an_unknown_bug_is_refused():
    with pytest.raises(ValueError, match="no bug is called 'a typo'"):
        loss_with("a typo")


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_every_check_has_its_hints(number):
    for name in ("td_target", "double_q_value", "masked_loss", "unread", "repaired_loss"):
        assert getattr(chapter, f"check_{name}").hint(number).text

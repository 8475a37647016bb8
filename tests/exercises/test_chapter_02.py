"""Chapter 02: plausible wrong answers get their name, different right ones are accepted."""

from __future__ import annotations

import numpy as np
import pytest

from matrix_games import DistributedQ, catalogue, play
from qmix_edu.exercises import chapter_02 as chapter


def towards(q, reward, rate):
    return q + rate * (reward - q)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda q, r, a, b: towards(q, r, b if r > q else a), "the rates are swapped"),
        (lambda q, r, a, b: q - (a if r > q else b) * (r - q), "the error's sign"),
        (lambda q, r, a, b: q + (a if q - r >= 0 else b) * (q - r), "the error's sign"),
        (lambda q, r, a, b: (1 - a) * q + a * r, "beta is ignored"),
        (lambda q, r, a, b: towards(q, r, b), "one rate for both"),
        (lambda q, r, a, b: towards(q, r, a * b), "one rate for both"),
        (lambda q, r, a, b: towards(q, r, a if r > 0 else b), "the reward's sign instead of the error's"),
        (lambda q, r, a, b: towards(q, r, a if r >= 0 else b), "the reward's sign instead of the error's"),
        (lambda q, r, a, b: towards(q, r, a) if r > q else q, "bad news never counts"),
        (lambda q, r, a, b: (a if r > q else b) * (r - q), "the change, not the new value"),
        (lambda q, r, a, b: max(q, r), "not yet"),
        (lambda q, r, a, b: 0.0, "a constant"),
        (lambda q, r, a, b: None, "nothing returned"),
    ],
)
def test_hysteretic_wrong(answer, name):
    assert chapter.check_hysteretic(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda q, r, a, b: towards(q, r, a) if r >= q else towards(q, r, b),
        lambda q, r, a, b: q + a * max(r - q, 0) + b * min(r - q, 0),
        lambda q, r, a, b: max(towards(q, r, a), towards(q, r, b)),  # the same, because alpha > beta
    ],
)
def test_hysteretic_right(answer):
    assert chapter.check_hysteretic(answer).status == "correct"


def after(q, action, reward):
    return [max(v, reward) if a == action else v for a, v in enumerate(q)]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda p, q, a, r: int(np.argmax(after(q, a, r))), "the argmax of the values"),
        (lambda p, q, a, r: a if r > q[a] else p, "a record of this action only"),
        (lambda p, q, a, r: a if r >= max(q) else p, "a tie moves the policy"),
        (lambda p, q, a, r: a, "the last action wins"),
        (lambda p, q, a, r: p, "the lock never opens"),
        (lambda p, q, a, r: 1, "a constant"),
        (lambda p, q, a, r: p if r > max(q) else a, "not yet"),
    ],
)
def test_lock_wrong(answer, name):
    assert chapter.check_lock(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda p, q, a, r: a if r > max(q) else p,
        lambda p, q, a, r: a if all(r > value for value in q) else p,
        lambda p, q, a, r: [p, a][int(max(after(q, a, r)) > q.max())],
    ],
)
def test_lock_right(answer):
    assert chapter.check_lock(answer).status == "correct"


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda o: o.mean(axis=0).max(axis=1), "the noise is averaged first"),
        (lambda o: o.max(axis=2).mean(axis=0), "the noise is averaged"),
        (lambda o: o.max(axis=0).mean(axis=1), "the partner is averaged"),
        (lambda o: o.mean(axis=(0, 2)), "the average of everything"),
        (lambda o: o.max(axis=(0, 1)), "columns for rows"),
        (lambda o: o[0].max(axis=1), "one outcome only"),
        (lambda o: o.max(), "not yet"),
        (lambda o: np.zeros(3), "a constant"),
    ],
)
def test_optimist_values_wrong(answer, name):
    assert chapter.check_optimist_values(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda o: o.max(axis=0).max(axis=1),
        lambda o: [max(table[row].max() for table in o) for row in range(o.shape[1])],
    ],
)
def test_optimist_values_right(answer):
    assert chapter.check_optimist_values(answer).status == "correct"


def test_distributed_learners_end_with_the_values_of_optimists():
    game = catalogue["climbing-fully-stochastic"]
    study = play(game, DistributedQ(), rng=np.random.default_rng(0), runs=4, plays=2_000)
    assert game.outcomes is not None
    expected = chapter.optimist_values(game.outcomes)
    assert expected.tolist() == [12, 14, 10]
    assert np.array_equal(study.values[:, 0], np.tile(expected, (4, 1)))


@pytest.mark.parametrize(
    ("theta", "name"),
    [
        (1, "too little forgiveness"),
        (1000.0, "too much forgiveness"),
        (0, "out of range"),
        (-3.0, "out of range"),
        (float("nan"), "out of range"),
        ("10", "not a number"),
        (True, "not a number"),
    ],
)
def test_choose_theta_wrong(theta, name):
    assert chapter.check_choose_theta(lambda: theta).misconception == name


@pytest.mark.parametrize("theta", [10, np.float64(20.0)])
def test_choose_theta_right(theta):
    assert chapter.check_choose_theta(lambda: theta).status == "correct"

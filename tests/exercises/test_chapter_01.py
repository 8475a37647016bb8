"""Chapter 01: plausible wrong answers get their name, different right ones are accepted."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from matrix_games import catalogue
from qmix_edu.exercises import chapter_01 as chapter


def best(values):
    return np.flatnonzero(np.asarray(values) == np.max(values))


def test_equilibria_of_known_games():
    assert chapter.equilibria(catalogue["climbing"].payoff) == {(0, 0), (1, 1)}
    assert chapter.equilibria(catalogue["penalty-10"].payoff) == {(0, 0), (1, 1), (2, 2)}


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda p, j: {int(p.mean(axis=1).argmax())}, "the best against a random partner"),
        (lambda p, j: set(best(p.mean(axis=1))), "the best against a random partner"),
        (lambda p, j: set(best(p[j])), "rows for columns"),
        (lambda p, j: {p[:, j].argmax()}, "ties do not matter"),
        (lambda p, j: p[:, j].argmax(), "ties do not matter"),
        (lambda p, j: {0}, "a constant"),
        (lambda p, j: {p[:, j].argmin()}, "not yet"),
        (lambda p, j: p[j, j, j], "your function stopped with an error"),
    ],
)
def test_best_responses_wrong(answer, name):
    assert chapter.check_best_responses(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda p, j: set(best(p[:, j])),
        lambda p, j: [i for i in range(len(p)) if all(p[i, j] >= p[k, j] for k in range(len(p)))],
    ],
)
def test_best_responses_right(answer):
    assert chapter.check_best_responses(answer).status == "correct"


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda us: {tuple(int(np.argmax(u)) for u in us)}, "ties do not matter"),
        (lambda us: set(zip(*(best(u) for u in us), strict=False)), "agents agree on ties"),
        (lambda us: {(0, 0)}, "a constant"),
        (lambda us: set(product(*(range(len(u)) for u in us))), "not yet"),
        (lambda us: set(product(*(set(range(len(u))) - set(best(u)) for u in us))), "not yet"),
        (lambda us: set(product(*(best(-np.asarray(u)) for u in us))), "not yet"),
    ],
)
def test_decentralised_greedy_wrong(answer, name):
    assert chapter.check_decentralised_greedy(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda us: set(product(*(best(u) for u in us))),
        lambda us: [
            joint
            for joint in np.ndindex(*(len(u) for u in us))
            if all(u[a] == max(u) for u, a in zip(us, joint, strict=True))
        ],
    ],
)
def test_decentralised_greedy_right(answer):
    assert chapter.check_decentralised_greedy(answer).status == "correct"


def others(payoff, agent):
    return tuple(i for i in range(payoff.ndim) if i != agent)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda p: [p.mean(axis=others(p, i)) for i in range(p.ndim)], "everybody's averages find the best cell"),
        (lambda p: [p.max(axis=others(p, i)) for i in range(p.ndim)], "ties do not matter"),
        (lambda p: [np.eye(m)[0] for m in p.shape], "not yet"),
        (lambda p: [p.max(axis=1)], "not one list per agent"),
        (lambda p: 3, "not one list per agent"),
        (lambda p: [np.ones(2)] * p.ndim, "another shape"),
    ],
)
def test_igm_utilities_wrong(answer, name):
    assert chapter.check_igm_utilities(answer).misconception == name


def test_utilities_that_tie_are_shown_the_worst_they_lead_to():
    said = chapter.check_igm_utilities(lambda p: [np.zeros(m) for m in p.shape]).message
    assert "can lead to (2, 1), which pays -9.7, and 7 is possible" in said


def spread(payoff):
    cell = np.unravel_index(payoff.argmax(), payoff.shape)
    return [[-abs(a - chosen) for a in range(m)] for m, chosen in zip(payoff.shape, cell, strict=True)]


def one_hot(payoff):
    cell = np.argwhere(payoff == payoff.max())[-1]
    return tuple(10 * np.eye(m)[a] - 3 for m, a in zip(payoff.shape, cell, strict=True))


@pytest.mark.parametrize("answer", [spread, one_hot])
def test_igm_utilities_right(answer):
    assert chapter.check_igm_utilities(answer).status == "correct"


def never_its_own(payoff, partner, epsilon):
    policy = np.full(payoff.shape[1], epsilon / (payoff.shape[1] - 1))
    policy[partner] = 1 - epsilon
    return payoff @ policy


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (never_its_own, "exploring means anything but the greedy action"),
        (lambda p, j, e: p[:, j], "the partner does not explore"),
        (lambda p, j, e: p.mean(axis=1), "the partner only explores"),
        (lambda p, j, e: e * p[:, j] + (1 - e) * p.mean(axis=1), "epsilon the wrong way round"),
        (
            lambda p, j, e: p @ np.where(np.arange(p.shape[1]) == j, 1 - e, e / p.shape[1]),
            "the probabilities do not sum to 1",
        ),
        (lambda p, j, e: p.mean(axis=0), "not yet"),
    ],
)
def test_expected_payoffs_wrong(answer, name):
    assert chapter.check_expected_payoffs(answer).misconception == name


def by_hand(payoff, partner, epsilon):
    size = payoff.shape[1]
    return [sum((epsilon / size + (1 - epsilon) * (j == partner)) * row[j] for j in range(size)) for row in payoff]


@pytest.mark.parametrize("answer", [by_hand, lambda p, j, e: (1 - e) * p[:, j] + e * p.mean(axis=1)])
def test_expected_payoffs_right(answer):
    assert chapter.check_expected_payoffs(answer).status == "correct"


def cross(size, corner, arm=10.0):
    payoff = np.zeros((size, size))
    payoff[0, :] = payoff[:, 0] = arm
    payoff[0, 0] = corner
    return payoff


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda size: cross(size, 20), "averaging picks the best cell"),
        (lambda size: cross(size, 0), "not the worst cell"),
        (lambda size: np.zeros((size, size)), "a tie"),
        (lambda size: catalogue["climbing"].payoff, "not the worst cell"),
        (lambda size: cross(3, -1), "another shape"),
    ],
)
def test_misleading_game_wrong(answer, name):
    assert chapter.check_misleading_game(answer).misconception == name


@pytest.mark.parametrize("answer", [lambda size: cross(size, -1), lambda size: cross(size, -0.5)[::-1, ::-1].tolist()])
def test_misleading_game_right(answer):
    assert chapter.check_misleading_game(answer).status == "correct"

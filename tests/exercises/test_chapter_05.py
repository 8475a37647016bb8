"""Chapter 05: plausible wrong answers get their name, different right ones are accepted."""

from __future__ import annotations

import numpy as np
import pytest

from matrix_games import Sampling, additive_fit, catalogue
from qmix_edu.exercises import chapter_05 as chapter


def policy(m, a, epsilon):
    p = np.full(m, epsilon / m)
    p[a] += 1 - epsilon
    return p


def weights(sizes, joint, epsilon):
    return np.outer(policy(sizes[0], joint[0], epsilon), policy(sizes[1], joint[1], epsilon))


def without_greedy(m, a, epsilon):
    p = np.full(m, epsilon / (m - 1))
    p[a] = 1 - epsilon
    return p


def together(sizes, joint, epsilon):
    w = np.full(sizes, epsilon / np.prod(sizes))
    w[joint] += 1 - epsilon
    return w


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (
            lambda s, j, e: np.outer(without_greedy(s[0], j[0], e), without_greedy(s[1], j[1], e)),
            "a random action is never the greedy one",
        ),
        (
            lambda s, j, e: np.outer(*(np.where(np.arange(m) == a, 1 - e, e / m) for m, a in zip(s, j, strict=True))),
            "the probabilities do not sum to 1",
        ),
        (together, "both explore at once"),
        (lambda s, j, e: weights(s, j, e).T, "the axes are swapped"),
        (lambda s, j, e: np.outer(policy(s[1], j[1], e), policy(s[0], j[0], e)), "the axes are swapped"),
        (lambda s, j, e: weights(s, j, 1 - e), "epsilon the wrong way round"),
        (lambda s, j, e: np.add.outer(policy(s[0], j[0], e), policy(s[1], j[1], e)), "no probabilities"),
        (lambda s, j, e: np.full(s, 1 / np.prod(s)), "not yet"),
        (lambda s, j, e: 0.25, "a constant"),
        (lambda s, j, e: None, "nothing returned"),
    ],
)
def test_data_weights_wrong(answer, name):
    assert chapter.check_data_weights(answer).misconception == name


def by_counting(sizes, joint, epsilon):
    w = np.zeros(sizes)
    for cell in np.ndindex(*sizes):
        w[cell] = np.prod([epsilon / m + (1 - epsilon) * (a == g) for m, a, g in zip(sizes, cell, joint, strict=True)])
    return w


@pytest.mark.parametrize("answer", [weights, by_counting])
def test_data_weights_right(answer):
    assert chapter.check_data_weights(answer).status == "correct"


def border(payoff):
    return np.array([payoff[0, 0], *payoff[0, 1:], *payoff[1:, 0]])


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda p, w: border(p).mean(), "every cell counts alike"),
        (
            lambda p, w: np.average([*p[0], *p[:, 0]], weights=[*w[0], *w[:, 0]]),
            "the corner counts twice",
        ),
        (lambda p, w: (border(p) * border(w)).sum(), "not divided by the weights of these cells"),
        (lambda p, w: np.average(border(p)[1:], weights=border(w)[1:]), "the corner left out"),
        (lambda p, w: np.average(p, weights=w), "the whole table"),
        (lambda p, w: -8, "a constant"),
        (lambda p, w: border(p).min(), "not yet"),
    ],
)
def test_border_value_wrong(answer, name):
    assert chapter.check_border_value(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda p, w: np.average(border(p), weights=border(w)),
        lambda p, w: ((w * p).sum() - (w * p)[1:, 1:].sum()) / (w.sum() - w[1:, 1:].sum()),
    ],
)
def test_border_value_right(answer):
    assert chapter.check_border_value(answer).status == "correct"


@pytest.mark.parametrize(("epsilon", "value"), [(1, -8), (0.5, -10.18), (0.1, -11.66), (0.05, -11.83)])
def test_the_border_of_the_qtran_game_by_exploration(epsilon, value):
    sampled = Sampling.epsilon_greedy((3, 3), (1, 1), epsilon).probabilities
    assert chapter.border_value(catalogue["qtran"].payoff, sampled) == pytest.approx(value, abs=0.005)


def keeps(payoff, joint, first, second):
    rows, columns = payoff @ second, first @ payoff
    return bool(rows[joint[0]] >= rows.max() - 1e-9), bool(columns[joint[1]] >= columns.max() - 1e-9)


def first_best(payoff, joint, epsilon):
    n, m = payoff.shape
    return (payoff @ policy(m, joint[1], epsilon)).argmax(), (policy(n, joint[0], epsilon) @ payoff).argmax()


def both(payoff, joint, epsilon):
    n, m = payoff.shape
    return keeps(payoff, joint, policy(n, joint[0], epsilon), policy(m, joint[1], epsilon))


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda p, j, e: bool(p[j] == p.max()), "the best cell of the table"),
        (lambda p, j, e: all(both(p, j, 0)), "a partner who does not explore"),
        (lambda p, j, e: all(both(p, j, 1)), "a partner at random"),
        (lambda p, j, e: first_best(p, j, e) == j, "ties do not matter"),
        (lambda p, j, e: both(p, j, e)[0], "one agent only"),
        (lambda p, j, e: any(both(p, j, e)), "one agent is enough"),
        (lambda p, j, e: True, "a constant"),
        (lambda p, j, e: False, "a constant"),
        (lambda p, j, e: not all(both(p, j, e)), "not yet"),
        (lambda p, j, e: int(all(both(p, j, e))), "not yet"),
    ],
)
def test_confirms_itself_wrong(answer, name):
    assert chapter.check_confirms_itself(answer).misconception == name


def by_the_fit(payoff, joint, epsilon):
    return joint in additive_fit(payoff, weights(payoff.shape, joint, epsilon)).greedy


@pytest.mark.parametrize("answer", [lambda p, j, e: all(both(p, j, e)), by_the_fit])
def test_confirms_itself_right(answer):
    assert chapter.check_confirms_itself(answer).status == "correct"


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda e: [[1, 0], [0, 2]], "the optimum is elsewhere"),
        (lambda e: np.eye(2), "the optimum is elsewhere"),
        (lambda e: [[1, 0], [0, 0]], "it never lets go"),
        (lambda e: [[1, -20], [0, 0]], "it lets go too early"),
        (lambda e: [[1, 1 - 1 / e], [0, 0]], "it never lets go"),
        (lambda e: np.zeros((3, 3)), "another shape"),
        (lambda e: [[1, np.nan], [0, 0]], "not finite"),
    ],
)
def test_game_that_lets_go_wrong(answer, name):
    assert chapter.check_game_that_lets_go(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda e: [[1, 1 - 2 / e], [0, 0]],
        lambda e: [[10, 0], [10 - 20 / e, 0]],  # agent 2 is tempted
    ],
)
def test_game_that_lets_go_right(answer):
    assert chapter.check_game_that_lets_go(answer).status == "correct"


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda p, g: np.mean([p[j] for j in g]), "the payoff, not the regret"),
        (lambda p, g: np.mean([p[j] for j in g]) - p.max(), "the sign"),
        (lambda p, g: p.max() - max(p[j] for j in g), "ties broken in the team's favour"),
        (lambda p, g: p.max() - p[g[0]], "the first greedy joint action"),
        (lambda p, g: p.mean() - np.mean([p[j] for j in g]), "measured from the average"),
        (lambda p, g: 0.0, "a constant"),
        (lambda p, g: p.max(), "not yet"),
    ],
)
def test_regret_wrong(answer, name):
    assert chapter.check_regret(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda p, g: p.max() - np.mean([p[j] for j in g]),
        lambda p, g: sum(p.max() - p[j] for j in g) / len(g),
    ],
)
def test_regret_right(answer):
    assert chapter.check_regret(answer).status == "correct"

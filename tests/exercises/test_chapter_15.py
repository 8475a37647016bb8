"""Chapter 15: plausible wrong answers get their name, different right ones are accepted; its facts are computed."""

from __future__ import annotations

from itertools import product
from math import exp, log1p

import numpy as np
import pytest
import torch

from matrix_games import catalogue
from qmix_edu.exercises import chapter_15 as chapter


def seen_share(m, n, plays):
    return 1 - (1 - 1 / m**n) ** plays


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda m, n, plays: (1 - 1 / m) ** plays, "each agent by itself"),
        (lambda m, n, plays: (1 - 1 / (n * m)) ** plays, "sum instead of product"),
        (lambda m, n, plays: (1 - 1 / n**m) ** plays, "base and exponent exchanged"),
        (lambda m, n, plays: max(0, m**n - plays) / m**n, "no play is repeated"),
        (seen_share, "what was played"),
        (lambda m, n, plays: 1 - m**-n, "the chance of a single play"),
        (lambda m, n, plays: m**n * (1 - m**-n) ** plays, "a number, not a share"),
        (lambda m, n, plays: exp(-plays / m**n), "the limit for large tables"),
        (lambda m, n, plays: 0.142, "a constant"),
        (lambda m, n, plays: 100 * (1 - m**-n) ** plays, "not yet"),
    ],
)
def test_never_played_wrong(answer, name):
    assert chapter.check_never_played(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda m, n, plays: (1 - m**-n) ** plays,
        lambda m, n, plays: exp(plays * log1p(-1 / m**n)),
        lambda m, n, plays: np.prod(np.full(plays, 1 - float(m) ** -n)),
    ],
)
def test_never_played_right(answer):
    assert chapter.check_never_played(answer).status == "correct"


def test_never_played_is_what_counting_gives():
    sequences = list(product(range(4), repeat=5))  # two agents with two actions, five plays: all 1024 of them
    counted = np.mean([1 - len(set(played)) / 4 for played in sequences])
    assert chapter.never_played(2, 2, 5) == pytest.approx(counted, abs=1e-12)


def test_the_hint_of_never_played_is_true():
    assert [round(chapter.never_played(4, n, 2000), 3) for n in (5, 6)] == [0.142, 0.614]


def left_out(q, policy, action):
    others = [u for u in range(len(q)) if u != action]
    return q[action] - policy[others] @ q[others] / policy[others].sum()


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda q, pi, u: q[u], "no baseline"),
        (lambda q, pi, u: q[u] - np.mean(q), "every action counts the same"),
        (lambda q, pi, u: q[u] - max(q), "compared with the best"),
        (left_out, "the own action left out"),
        (lambda q, pi, u: q[u] - sum(pi[v] * q[v] for v in range(len(q)) if v != u), "the own action left out"),
        (lambda q, pi, u: (pi * q).sum() - q[u], "the wrong way round"),
        (lambda q, pi, u: pi[u] * (q[u] - pi @ q), "weighted with its own probability"),
        (lambda q, pi, u: q - (pi * q).sum(), "all actions at once"),
        (lambda q, pi, u: 0.0, "a constant"),
        (lambda q, pi, u: q[pi.argmax()] - pi @ q, "not yet"),
    ],
)
def test_counterfactual_advantage_wrong(answer, name):
    assert chapter.check_counterfactual_advantage(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda q, pi, u: q[u] - np.average(q, weights=pi),
        lambda q, pi, u: sum(p * (q[u] - v) for p, v in zip(pi, q, strict=True)),
        lambda q, pi, u: (q - pi @ q)[u],
    ],
)
def test_counterfactual_advantage_right(answer):
    assert chapter.check_counterfactual_advantage(answer).status == "correct"


def test_the_hint_of_counterfactual_advantage_is_true():
    q, policy = np.array([4.0, 0.0]), np.array([0.25, 0.75])
    assert [chapter.counterfactual_advantage(q, policy, u) for u in (0, 1)] == [3.0, -1.0]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda pi, q, b: pi * (q - b), "the score is only half there"),
        (lambda pi, q, b: ((q - b)[:, None] * (np.eye(len(q)) - pi)).sum(0), "every action counts the same"),
        (lambda pi, q, b: ((q - b)[:, None] * (np.eye(len(q)) - pi)).mean(0), "every action counts the same"),
        (lambda pi, q, b: pi * (q - pi @ q), "the baseline is forgotten"),
        (lambda pi, q, b: pi * (q + b - pi @ (q + b)), "the baseline is added"),
        (lambda pi, q, b: pi * (pi @ (q - b) - (q - b)), "the wrong way round"),
        (lambda pi, q, b: (pi * (q - b - pi @ (q - b))).sum(), "summed up"),
        (lambda pi, q, b: q - b, "not yet"),
        (lambda pi, q, b: np.zeros(3), "a constant"),
    ],
)
def test_expected_gradient_wrong(answer, name):
    assert chapter.check_expected_gradient(answer).misconception == name


def by_torch(pi, q, b):
    """Differentiate the expectation itself, with the advantage held fixed."""
    logits = torch.tensor(np.log(pi), requires_grad=True)
    (logits.softmax(0) @ torch.tensor(q - b)).backward()
    return logits.grad.numpy()


@pytest.mark.parametrize(
    "answer",
    [
        by_torch,
        lambda pi, q, b: (np.diag(pi) - np.outer(pi, pi)) @ (q - b),
        lambda pi, q, b: sum(pi[u] * (q[u] - b[u]) * (np.eye(len(q))[u] - pi) for u in range(len(q))),
    ],
)
def test_expected_gradient_right(answer):
    assert chapter.check_expected_gradient(answer).status == "correct"


def test_a_constant_baseline_leaves_the_gradient_and_the_own_value_takes_it_away():
    policy, q = np.array([0.5, 0.3, 0.2]), np.array([4.0, 3.0, 0.0])
    plain = chapter.expected_gradient(policy, q, np.zeros(3))
    assert np.allclose(chapter.expected_gradient(policy, q, np.full(3, 9.0)), plain)
    assert np.allclose(chapter.expected_gradient(policy, q, q), 0)
    best_other = chapter.expected_gradient(policy, q, np.array([3.0, 4.0, 4.0]))
    assert plain[1] > 0 > best_other[1]  # what the chapter's figure shows at action b


@pytest.mark.parametrize(
    ("game", "name"),
    [
        (np.eye(3), "two best joint actions"),
        (np.zeros((3, 3)), "nothing to gain"),
        (2 * catalogue["climbing"].payoff - 5, "from the catalogue"),
        (catalogue["qtran"].payoff.tolist(), "from the catalogue"),
        (np.diag([8.0, 5.0, 5.0]), "the gradient finds it"),
        ([[0, 1, 0], [1, 8, 1], [0, 1, 0]], "the gradient finds it"),
        ([[0, 0, 1], [0, 0, 1], [-100, -100, 2]], "undecided"),  # agent 1 would turn back, after long
        ([[1, 1, 0], [1, 1.00001, 0], [0, 0, 0]], "undecided"),
        ([[10, -30], [0, 9]], "another shape"),
        ([[10, float("nan"), 0], [0, 5, 0], [0, 0, 0]], "not finite"),
        ("a game", "not a table"),
    ],
)
def test_stuck_game_wrong(game, name):
    assert chapter.check_stuck_game(lambda: game).misconception == name


@pytest.mark.parametrize(
    "game",
    [
        [[10, -20, -20], [-20, 0, 0], [-20, 0, 5]],
        np.array([[5, 0, 0], [0, 0, -50], [0, -50, 6]]),
        [[9, 0, -9], [0, 3, 0], [-9, 0, 8]],
    ],
)
def test_stuck_game_right(game):
    assert chapter.check_stuck_game(lambda: game).status == "correct"


def test_the_gradient_followed_is_that_of_the_expected_payoff():
    payoff = np.array([[10.0, -20, -20], [-20, 0, 0], [-20, 0, 5]])
    logits = [torch.zeros(3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    for _ in range(25):
        (logits[0].softmax(0) @ torch.tensor(payoff / 30) @ logits[1].softmax(0)).backward()
        with torch.no_grad():
            for x in logits:
                x += 0.5 * x.grad
                x.grad = None
    for found, x in zip(chapter.follow_gradient(payoff, rounds=25), logits, strict=True):
        assert found == pytest.approx(x.detach().softmax(0).numpy(), abs=1e-12)


@pytest.mark.parametrize("name", ["never_played", "counterfactual_advantage", "expected_gradient", "stuck_game"])
def test_hints_name_the_solution(name):
    check = getattr(chapter, f"check_{name}")
    assert check.exercise == name
    assert "solutions/15_joint_q_and_policy_gradients.ipynb" in check.hint(4).text

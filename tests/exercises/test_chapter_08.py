"""Chapter 08: plausible wrong answers get their name, different right ones are accepted."""

from __future__ import annotations

import numpy as np
import pytest

from matrix_games import additive_fit, catalogue, is_igm
from qmix_edu.exercises import chapter_08 as chapter

QTRAN = catalogue["qtran"].payoff


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda q, y, a: np.where(y < q, 1.0, a), "pessimistic"),
        (lambda q, y, a: np.where(y > q, 1.0, 0.0), "bad news thrown away"),
        (lambda q, y, a: np.where(y > q, 1.0, a) * (y - q) ** 2, "the weighted error"),
        (lambda q, y, a: np.where(y > 0, 1.0, a), "good rewards, not good surprises"),
        (lambda q, y, a: np.where(y > q, 1.0, 1 - a), "1 - alpha"),
        (lambda q, y, a: np.where(y == y.max(), 1.0, a), "the best target only"),
        (lambda q, y, a: np.ones(len(q)), "a constant"),
        (lambda q, y, a: 1 if y > q else a, "your function stopped with an error"),
        (lambda q, y, a: None, "nothing returned"),
    ],
)
def test_optimistic_weight_wrong(answer, name):
    assert chapter.check_optimistic_weight(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda q, y, a: np.where(q < y, 1.0, a),
        lambda q, y, a: [1 if target > value else a for value, target in zip(q, y, strict=True)],
        lambda q, y, a: a + (1 - a) * (y >= q),  # a tie has no error to weigh
    ],
)
def test_optimistic_weight_right(answer):
    assert chapter.check_optimistic_weight(answer).status == "correct"


def gaps(utilities, joint, v):
    return utilities[0][:, None] + utilities[1][None, :] - joint + v


def own(utilities):
    return utilities[0].argmax(), utilities[1].argmax()


def losses(d, cell):
    return d[cell] ** 2, np.mean(np.minimum(d, 0) ** 2)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda u, q, v: losses(gaps(u, q, 0), own(u)), "V left out"),
        (lambda u, q, v: losses(gaps(u, q, v), np.unravel_index(q.argmax(), q.shape)), "u* is the best cell of Q_jt"),
        (lambda u, q, v: (gaps(u, q, v)[own(u)] ** 2, np.mean(gaps(u, q, v) ** 2)), "equal everywhere"),
        (
            lambda u, q, v: (gaps(u, q, v)[own(u)] ** 2, np.mean(np.maximum(gaps(u, q, v), 0) ** 2)),
            "the inequality the wrong way round",
        ),
        (
            lambda u, q, v: (gaps(u, q, v)[own(u)] ** 2, np.sum(np.minimum(gaps(u, q, v), 0) ** 2)),
            "summed, not averaged",
        ),
        (lambda u, q, v: losses(gaps(u, q, v), own(u))[::-1], "the other order"),
        (lambda u, q, v: losses(gaps(u, q, -v), own(u)), "not yet"),
        (lambda u, q, v: (0, 0), "a constant"),
        (lambda u, q, v: sum(losses(gaps(u, q, v), own(u))), "not yet"),
    ],
)
def test_qtran_losses_wrong(answer, name):
    assert chapter.check_qtran_losses(answer).misconception == name


def by_loops(utilities, joint, v):
    d = {(i, j): utilities[0][i] + utilities[1][j] - joint[i, j] + v for i, j in np.ndindex(joint.shape)}
    best = max(d, key=lambda u: utilities[0][u[0]] + utilities[1][u[1]])
    return [d[best] ** 2, sum(min(x, 0) ** 2 for x in d.values()) / len(d)]


@pytest.mark.parametrize("answer", [lambda u, q, v: losses(gaps(u, q, v), own(u)), by_loops])
def test_qtran_losses_right(answer):
    assert chapter.check_qtran_losses(answer).status == "correct"


@pytest.mark.parametrize(
    ("utility", "v", "expected"),
    [
        ((0, -1, -1), 8, (0, 0)),
        ((0, -1, -1), 7, (1, 1 / 9)),
        ((0, -10, -10), 8, (0, 64)),
        ((-1, 0, 0), 0, (0, 100 / 9)),
    ],
)
def test_qtran_losses_by_hand(utility, v, expected):
    assert chapter.qtran_losses([utility, utility], QTRAN, v) == pytest.approx(expected)


def test_qtran_losses_of_zero_mean_the_right_choice():
    """The chapter's proof, on random utilities: whoever meets both conditions chooses the best."""
    rng = np.random.default_rng(0)
    met = 0
    for _ in range(3000):
        payoff, utilities = rng.normal(size=(2, 3)), [rng.normal(size=m) * rng.choice([0.1, 1]) for m in (2, 3)]
        v = float(payoff[own(utilities)] - sum(u.max() for u in utilities))
        if max(chapter.qtran_losses(utilities, payoff, v)) < 1e-12:
            met += 1
            assert is_igm(payoff, utilities)
    assert met > 50


def pointing(payoff, step=1.0, other=False):
    best = np.unravel_index((-payoff if other else payoff).argmax(), payoff.shape)
    return [np.where(np.arange(m) == action, 0.0, -step) for m, action in zip(payoff.shape, best, strict=True)]


def fixed(payoff, utilities=None, at_the_best=1.0):
    utilities = pointing(payoff) if utilities is None else utilities
    a = np.add.outer(*[u - u.max() for u in utilities])
    w = np.full(payoff.shape, at_the_best)
    w[a < 0] = ((payoff - payoff.max())[a < 0]) / a[a < 0]
    return utilities, w, payoff.max()


def with_nan(payoff):
    utilities, w, b = fixed(payoff)
    return utilities, np.where(payoff == payoff.max(), np.nan, w), b


def by_ranks(payoff):
    """Other utilities: each action's best payoff."""
    return fixed(payoff, [payoff.max(axis=1), payoff.max(axis=0)], at_the_best=7.0)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda p: fixed(p, at_the_best=0.0), "a weight that is not positive"),
        (lambda p: (pointing(p), -fixed(p)[1], p.max()), "a weight that is not positive"),
        (lambda p: fixed(p, pointing(p, other=True), 1.0)[:2] + (p.min(),), "the agents choose another cell"),
        (lambda p: ([np.zeros(m) for m in p.shape], np.ones(p.shape), p.max()), "a tie at the top"),
        (lambda p: fixed(p)[:2] + (p.mean(),), "b is not the best payoff"),
        (lambda p: (pointing(p), np.ones(p.shape), p.max()), "not the game's table"),
        (
            lambda p: (pointing(p), [[1, 20, 20], [20, 4, 4], [20, 4, 4]], p.max()) if p.shape == (3, 3) else fixed(p),
            "right for QTRAN's game only",
        ),
        (with_nan, "not finite"),
        (lambda p: fixed(p)[:2], "not three things"),
        (lambda p: (0, *fixed(p)[1:]), "not two utilities"),
        (lambda p: (pointing(p), 20, 8), "another shape"),
    ],
)
def test_fix_by_hand_wrong(answer, name):
    assert chapter.check_fix_by_hand(answer).misconception == name


@pytest.mark.parametrize("answer", [fixed, by_ranks, lambda p: fixed(p, pointing(p, step=0.01))])
def test_fix_by_hand_right(answer):
    assert chapter.check_fix_by_hand(answer).status == "correct"


@pytest.mark.parametrize(
    ("payoff", "name"),
    [
        ([[0, 1, 0], [0, 2, 0], [-9, -1, -9]], "private pay"),
        ([[0, 10, 0], [0, 2, 0], [0, 10, 0]], "nobody need die"),
        ([[0, 0, 0], [0, 0, 0], [10, 10, 10]], "the partner does not matter"),
        ([[2, 1, 2], [2, 1, 2], [1, 11, 1]], "a sacrifice in vain costs"),
        ([[0, 1, 0], [1, 0, 1], [1, 10, 1]], "other actions cross"),
        ([[0, 0, 1], [0, 1, 0], [0, 10, 1]], "other actions cross"),
        ([[0, 0], [0, 1]], "another shape"),
        ([[0, 1, 0], [0, 2, 0], [0, np.inf, 0]], "not finite"),
        ("block", "not a table"),
    ],
)
def test_sacrifice_game_wrong(payoff, name):
    assert chapter.check_sacrifice_game(lambda: payoff).misconception == name


@pytest.mark.parametrize(
    "payoff",
    [
        [[0, 1, 0], [0, 2, 0], [0, 10, 0]],
        np.outer([0, 1, 2], [1, 0, 3]),
        np.add.outer([0, 1, 5], [-2, 0, 1]),  # even a sum can ask for a sacrifice
    ],
)
def test_sacrifice_game_right(payoff):
    assert chapter.check_sacrifice_game(lambda: payoff).status == "correct"


RAMP = np.arange(6) / 2


@pytest.mark.parametrize(
    ("payoff", "name"),
    [
        (np.zeros((4, 4)), "every choice pays alike"),
        (100 * np.add.outer(RAMP, RAMP), "the noise does not matter"),
        (catalogue["climbing"].payoff / 10, "the sum is blind here"),
        (np.add.outer([0, 0.3], [0, 0.3]), "too little to gain"),
        (np.zeros(5), "another shape"),
        (np.zeros((9, 9)), "another shape"),
        ([[0, np.nan], [0, 1]], "not finite"),
    ],
)
def test_game_for_the_sum_wrong(payoff, name):
    assert chapter.check_game_for_the_sum(lambda: payoff).misconception == name


@pytest.mark.parametrize("payoff", [np.add.outer(RAMP, RAMP), np.add.outer([2, 0, 0, 0, 0], [0, 0, 1.5, 0, 0, 0])])
def test_game_for_the_sum_right(payoff):
    assert chapter.check_game_for_the_sum(lambda: payoff).status == "correct"


def test_without_noise_both_teams_play_their_exact_fits():
    payoff = np.random.default_rng(1).normal(size=(3, 4))
    by_sum, by_cell = chapter.noisy_play(payoff, 10**12, np.random.default_rng(2), draws=50)
    assert set(by_sum) == {payoff[u] for u in additive_fit(payoff).greedy}
    assert set(by_cell) == {payoff.max()}


def test_noise_falls_with_plays():
    """Two cells one apart: the better one is seen as the worse with probability Phi(-sqrt(plays / 2))."""
    payoff = np.array([[0.0, 1.0]])
    for plays, share in ((1, 0.2398), (4, 0.0786)):
        _, by_cell = chapter.noisy_play(payoff, plays, np.random.default_rng(3), draws=20_000)
        assert (by_cell == 0).mean() == pytest.approx(share, abs=0.012)

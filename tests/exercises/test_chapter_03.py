"""Chapter 03: plausible wrong answers get their name, different right ones are accepted."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from matrix_games import additive_fit, catalogue, is_monotone
from qmix_edu.exercises import chapter_03 as chapter


def rows(payoff):
    return payoff.mean(axis=1, keepdims=True)


def columns(payoff):
    return payoff.mean(axis=0, keepdims=True)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda p: rows(p) + columns(p), "the average counted twice"),
        (lambda p: (rows(p) + columns(p)) / 2, "halves of the averages"),
        (lambda p: rows(p) + 0 * p, "a team of one"),
        (lambda p: p, "not yet"),
        (lambda p: 0, "a constant"),
    ],
)
def test_additive_table_wrong(answer, name):
    assert chapter.check_additive_table(answer).misconception == name


def least_squares(payoff):
    m, k = payoff.shape
    design = np.hstack([np.repeat(np.eye(m), k, axis=0), np.tile(np.eye(k), (m, 1))])
    return (design @ np.linalg.lstsq(design, payoff.ravel(), rcond=None)[0]).reshape(m, k)


@pytest.mark.parametrize("answer", [lambda p: rows(p) + columns(p) - p.mean(), least_squares])
def test_additive_table_right(answer):
    assert chapter.check_additive_table(answer).status == "correct"


def mse(payoff, fitted):
    return ((payoff - fitted) ** 2).mean()


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda p, f: mse(p, f) / p.var(), "the share that is missed"),
        (lambda p, f: 1 - mse(p, f), "an error without a yardstick"),
        (lambda p, f: 1 - mse(p, f) / (p**2).mean(), "measured from zero"),
        (lambda p, f: np.corrcoef(p.ravel(), f.ravel())[0, 1], "a ratio of standard deviations"),
        (lambda p, f: 0.5, "a constant"),
    ],
)
def test_explained_variance_wrong(answer, name):
    assert chapter.check_explained_variance(answer).misconception == name


@pytest.mark.parametrize("answer", [lambda p, f: 1 - mse(p, f) / p.var(), lambda p, f: f.var() / p.var()])
def test_explained_variance_right(answer):
    assert chapter.check_explained_variance(answer).status == "correct"


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda r, p, q: ((r @ p).argmax(), (q @ r).argmax()), "averaged with one's own policy"),
        (lambda r, p, q: (rows(r).argmax(), columns(r).argmax()), "everybody plays at random"),
        (lambda r, p, q: (r[:, q.argmax()].argmax(), r[p.argmax()].argmax()), "the partner's likeliest action only"),
        (lambda r, p, q: np.unravel_index(r.argmax(), r.shape), "the team decides"),
        (lambda r, p, q: (0, 0), "a constant"),
        (lambda r, p, q: (r @ q).argmax(), "not yet"),
    ],
)
def test_iql_choice_wrong(answer, name):
    assert chapter.check_iql_choice(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda r, p, q: ((r @ q).argmax(), (p @ r).argmax()),
        lambda r, p, q: list(additive_fit(r, weights=np.outer(p, q)).greedy[0]),
    ],
)
def test_iql_choice_right(answer):
    assert chapter.check_iql_choice(answer).status == "correct"


def spike(size, value):
    payoff = np.zeros((size, size))
    payoff[0, 0] = value
    return payoff


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda size: np.ones((size, size)), "nothing to fit"),
        (lambda size: np.eye(size), "a tie"),
        (lambda size: spike(size, 8.0), "a good fit"),
        (lambda size: catalogue["climbing"].payoff, "badly fitted and badly played"),
        (lambda size: np.eye(3) + spike(3, 0.2), "another shape"),
        (lambda size: np.minimum(np.eye(size) + 0.1 * spike(size, 1)[::-1], 1), "several optima"),
    ],
)
def test_badly_fitted_game_wrong(answer, name):
    assert chapter.check_badly_fitted_game(answer).misconception == name


def last_corner(size):
    return (np.diag([1.0] * (size - 1) + [1.1]) * 7 - 3).tolist()


@pytest.mark.parametrize("answer", [lambda size: np.eye(size) + spike(size, 0.2), last_corner])
def test_badly_fitted_game_right(answer):
    assert chapter.check_badly_fitted_game(answer).status == "correct"


def no_determinant(payoff):
    pairs = [list(combinations(range(m), 2)) for m in payoff.shape]
    return all(abs(np.linalg.det(payoff[np.ix_(rows, columns)])) < 1e-9 for rows, columns in product(*pairs))


def left(payoff):
    return np.abs(payoff - payoff[:1] - payoff[:, :1] + payoff[0, 0])


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda p: bool(abs(p[0, 0] + p[-1, -1] - p[0, -1] - p[-1, 0]) < 1e-9), "the corners only"),
        (lambda p: bool(abs(p[0, 0] + p[1, 1] - p[0, 1] - p[1, 0]) < 1e-9), "the first minor only"),
        (no_determinant, "minors as determinants"),
        (lambda p: bool((left(p) == 0).all()), "exactly zero"),
        (lambda p: bool(is_monotone(p)), "monotone means additive"),
        (lambda p: bool(additive_fit(p).mse < 0.01 * p.var() + 1e-12), "a good fit is enough"),
        (lambda p: True, "a constant"),
        (lambda p: bool((left(p) > 1e-9).any()), "not yet"),
    ],
)
def test_is_sum_wrong(answer, name):
    assert chapter.check_is_sum(answer).misconception == name


def rows_differ_by_constants(payoff):
    return all(np.ptp(row - payoff[0]) < 1e-9 for row in payoff)


@pytest.mark.parametrize("answer", [rows_differ_by_constants, lambda p: additive_fit(p).mse < 1e-18])
def test_is_sum_right(answer):
    assert chapter.check_is_sum(lambda p: bool(answer(p))).status == "correct"

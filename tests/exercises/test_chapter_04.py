"""Chapter 04: plausible wrong answers get their name, different right ones are accepted."""

from __future__ import annotations

from itertools import permutations, product
from math import factorial, prod

import numpy as np
import pytest

from matrix_games import additive_fit, greedy_of, is_additive, is_monotone, monotone_fit
from qmix_edu.exercises import chapter_04 as chapter


def rises(payoff):
    return bool((np.diff(payoff, axis=0) >= 0).all() and (np.diff(payoff, axis=1) >= 0).all())


def comparable(rows):
    return all(bool((a >= b).all() or (b >= a).all()) for a in rows for b in rows)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (rises, "the order in which the actions are written"),
        (comparable, "rows only"),
        (lambda p: comparable(p.T), "columns only"),
        (lambda p: len(greedy_of(p)) > 0, "only the best action counts"),
        (lambda p: bool(is_additive(p)), "monotone means additive"),
        (lambda p: True, "a constant"),
        (lambda p: False, "a constant"),
        (lambda p: not is_monotone(p), "not yet"),
        (lambda p: int(bool(is_monotone(p))), "not yet"),
    ],
)
def test_is_monotone_table_wrong(answer, name):
    assert chapter.check_is_monotone_table(answer).misconception == name


def by_all_orders(payoff):
    rows, columns = (list(permutations(range(m))) for m in payoff.shape)
    return any(rises(payoff[np.ix_(r, c)]) for r in rows for c in columns)


@pytest.mark.parametrize("answer", [lambda p: comparable(p) and comparable(p.T), by_all_orders])
def test_is_monotone_table_right(answer):
    assert chapter.check_is_monotone_table(answer).status == "correct"


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (prod, "joint actions instead of orders"),
        (lambda sizes: factorial(max(sizes)), "one order for all"),
        (lambda sizes: factorial(prod(sizes)), "orders of the cells"),
        (lambda sizes: sum(factorial(m) for m in sizes), "added instead of multiplied"),
        (lambda sizes: 36, "a constant"),
    ],
)
def test_count_orders_wrong(answer, name):
    assert chapter.check_count_orders(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda sizes: prod(factorial(m) for m in sizes),
        lambda sizes: np.prod([len(list(permutations(range(m)))) for m in sizes]),
    ],
)
def test_count_orders_right(answer):
    assert chapter.check_count_orders(answer).status == "correct"


def dominant(fitted):
    return [i for i, row in enumerate(fitted) if (row >= fitted - 1e-9).all()]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda f: {tuple(c) for c in np.argwhere(np.isclose(f, f.max()))}, "every best cell"),
        (lambda f: {(dominant(f)[0], dominant(f.T)[0])}, "ties do not matter"),
        (lambda f: {np.unravel_index(f.argmax(), f.shape)}, "the first best cell"),
        (lambda f: {(0, 0)}, "a constant"),
        (lambda f: set(product(dominant(-f), dominant(-f.T))), "not yet"),
    ],
)
def test_greedy_corner_wrong(answer, name):
    assert chapter.check_greedy_corner(answer).misconception == name


def by_averages(fitted):
    """In a monotone table the dominant actions are those with the best average."""
    rows, columns = fitted.mean(axis=1), fitted.mean(axis=0)
    best = [np.flatnonzero(np.isclose(m, m.max(), rtol=0, atol=1e-9)).tolist() for m in (rows, columns)]
    return list(product(*best))


@pytest.mark.parametrize("answer", [lambda f: set(product(dominant(f), dominant(f.T))), by_averages])
def test_greedy_corner_right(answer):
    assert chapter.check_greedy_corner(answer).status == "correct"


def game(low, high):
    return np.array([[low, high], [high, low]])


def pooled(low, high, odd, others):
    fitted = np.full((2, 2), others)
    fitted[odd] = game(low, high)[odd]
    return fitted


def by_hand(low, high):
    third = (high - low) / 3
    a, b = low + 2 * third, low + third
    return [[[low, a], [a, a]], [[a, a], [a, low]], [[b, high], [b, b]], [[b, b], [high, b]]]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda low, high: [np.full((2, 2), (low + high) / 2)], "the average everywhere"),
        (lambda low, high: [additive_fit(game(low, high)).values], "the average everywhere"),
        (lambda low, high: [game(low, high)], "the game itself"),
        (lambda low, high: by_hand(low, high)[2:], "a best fit is unique"),
        (lambda low, high: [by_hand(low, high)[0]], "a best fit is unique"),
        (lambda low, high: [pooled(low, high, odd, high) for odd in ((0, 0), (1, 1))], "not the best"),
        (lambda low, high: [game(low, high) + 0.1], "not monotone"),
        (lambda low, high: by_hand(0, 1), "not the best"),
        (lambda low, high: 4, "not a list of tables"),
        (lambda low, high: [1, 2, 3, 4], "another shape"),
    ],
)
def test_xor_fits_wrong(answer, name):
    assert chapter.check_xor_fits(answer).misconception == name


@pytest.mark.parametrize("answer", [by_hand, lambda low, high: monotone_fit(game(low, high)).solutions])
def test_xor_fits_right(answer):
    assert chapter.check_xor_fits(answer).status == "correct"

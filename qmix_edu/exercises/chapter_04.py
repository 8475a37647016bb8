"""Checks of chapter 04: monotonic factorisation, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import factorial, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matrix_games import catalogue, greedy_of, is_additive, is_monotone, monotone_fit

from .framework import Misconception, check, diagnose, show, table, wrong

Array = NDArray[np.float64]
JointAction = tuple[int, ...]
CHAPTER = "04_monotonic_factorisation"


def _small_tables() -> list[Array]:
    """Games by name, and random tables of few values, so that many are monotone and many nearly so."""
    rng = np.random.default_rng(4)
    named = [catalogue[name].payoff for name in ("or", "and", "xor", "two-step-2b", "climbing", "qtran", "penalty-10")]
    drawn = [
        rng.integers(0, 3, size=shape).astype(float) for shape in [(2, 2), (2, 3), (3, 2), (3, 3)] for _ in "12345678"
    ]
    rising = [np.sort(np.sort(t, axis=0), axis=1) for t in drawn]
    shuffled = [t[rng.permutation(len(t))][:, rng.permutation(t.shape[1])] for t in rising]
    return [*named, *drawn, *shuffled]


def _rows_comparable(payoff: Array) -> bool:
    return all(bool((a >= b).all() or (b >= a).all()) for a in payoff for b in payoff)


@check(
    CHAPTER,
    hints=(
        "Take any two rows. When can *no* order of the rows be right for both?",
        "Two rows are comparable if one is at least as good in every column. All pairs of rows must be, and all pairs "
        "of columns (`payoff.T`). The names of the actions do not matter.",
        "OR, AND and 2B are monotone. XOR, climbing, penalty and QTRAN's game are not. [[1, 0], [3, 2]] is: its "
        "columns just stand in falling order.",
    ),
)
def check_is_monotone_table(answer: Any) -> str:
    """Whether a two-agent table is monotone under some order of each agent's actions."""
    diagnose(
        answer,
        [(payoff,) for payoff in _small_tables()],
        right=lambda payoff: bool(is_monotone(payoff)),
        misconceptions=[
            Misconception(
                "the order in which the actions are written",
                "actions may be sorted: a table is monotone if *some* order of rows and of columns makes it rise.",
                lambda payoff: bool((np.diff(payoff, axis=0) >= 0).all() and (np.diff(payoff, axis=1) >= 0).all()),
            ),
            Misconception(
                "rows only",
                "you compared the rows; the columns are the other agent's actions and must be comparable too.",
                _rows_comparable,
                hint=2,
            ),
            Misconception(
                "columns only",
                "you compared the columns; the rows are the other agent's actions and must be comparable too.",
                lambda payoff: _rows_comparable(payoff.T),
                hint=2,
            ),
            Misconception(
                "only the best action counts",
                "a dominant action for each agent is not enough: *every* pair of actions must be comparable.",
                lambda payoff: bool(greedy_of(payoff)),
                hint=2,
            ),
            Misconception(
                "monotone means additive",
                "a table may rise without being a sum: 0, 1, 1, 8 does.",
                lambda payoff: bool(is_additive(payoff)),
            ),
        ],
    )
    return "a table is monotone exactly when all rows are comparable, and all columns."


@check(
    CHAPTER,
    hints=(
        "Each agent has an order of its own, and any order of one can go with any order of another.",
        "m actions have m! orders (`math.factorial`). For several agents, multiply.",
        "(3, 3) gives 36, (4, 4) gives 576, (2, 2, 2) gives 8.",
    ),
)
def check_count_orders(answer: Any) -> str:
    """In how many ways the actions of all agents can be ordered."""
    cases = [(2, 2), (3, 3), (4, 3), (2, 2, 2), (5, 5), (4,), (4, 2, 3)]
    diagnose(
        answer,
        [(case,) for case in cases],
        right=lambda n_actions: prod(factorial(m) for m in n_actions),
        misconceptions=[
            Misconception(
                "joint actions instead of orders",
                "this is the number of cells; an order says which of an agent's actions is worst, next, ..., best.",
                lambda n_actions: prod(n_actions),
            ),
            Misconception(
                "one order for all",
                "agents need not agree on an order; their action a is not the other's action a.",
                lambda n_actions: factorial(max(n_actions)),
            ),
            Misconception(
                "orders of the cells",
                "you ordered the joint actions; a mixer knows only one order for each agent.",
                lambda n_actions: factorial(prod(n_actions)),
                hint=2,
            ),
            Misconception(
                "added instead of multiplied",
                "every order of one agent goes with *every* order of the others.",
                lambda n_actions: sum(factorial(m) for m in n_actions),
                hint=2,
            ),
        ],
    )
    return "the exact fit tries each of these; in each one the problem is convex, and easy."


@check(
    CHAPTER,
    hints=(
        "An agent sees its own actions only. Which of its rows can be called best without knowing the column?",
        "A row is *dominant* if it is at least as good as every other row, in every column. Combine all dominant "
        "rows with all dominant columns.",
        "[[2, 2, 2], [0, 2, 2], [-10, 0, 2]] has six cells worth 2, and one greedy corner: (0, 2).",
    ),
)
def check_greedy_corner(answer: Any) -> str:
    """The joint actions that agents with a monotone table choose: dominant rows with dominant columns."""
    rng = np.random.default_rng(5)
    games = [catalogue[name].payoff for name in ("penalty-10", "xor", "climbing", "qtran", "mg1", "mg3")]
    games += [rng.integers(0, 4, size=shape).astype(float) for shape in [(2, 2), (3, 3), (2, 3)] for _ in "1234"]
    games += [np.array(rows, dtype=float) for rows in ([[0, 1], [0, 1]], [[5, 2], [1, 0], [5, 2]], [[3, 3], [3, 3]])]
    diagnose(
        answer,
        [(fitted,) for payoff in games for fitted in monotone_fit(payoff).solutions],
        right=lambda fitted: set(greedy_of(fitted)),
        misconceptions=[
            Misconception(
                "every best cell",
                "several cells can share the top value, but agents who choose alone reach only dominant actions.",
                lambda fitted: {(int(i), int(j)) for i, j in np.argwhere(np.isclose(fitted, fitted.max()))},
            ),
            Misconception(
                "ties do not matter",
                "you return one joint action; where several actions are dominant, each can be chosen.",
                lambda fitted: {min(greedy_of(fitted))},
                hint=2,
            ),
            Misconception(
                "the first best cell",
                "`argmax` returns the first cell with the top value, which need not be a corner at all.",
                lambda fitted: {tuple(int(a) for a in np.unravel_index(fitted.argmax(), fitted.shape))},
                hint=2,
            ),
        ],
    )
    return "this is what a team does with a monotone table, however many cells share the top value."


def _xor_fits(low: float, high: float) -> list[Array]:
    """Return the best monotone fits of ``[[low, high], [high, low]]``, low < high."""
    payoff = np.array([[low, high], [high, low]])
    fits: list[Array] = []
    for odd in product((0, 1), repeat=2):
        pooled = np.full((2, 2), (payoff.sum() - payoff[odd]) / 3)
        pooled[odd] = payoff[odd]
        fits.append(pooled)
    return fits


def _same_tables(answers: Sequence[Array], wanted: Sequence[Array]) -> bool:
    return all(any(np.allclose(a, w, atol=1e-6) for a in answers) for w in wanted) and all(
        any(np.allclose(a, w, atol=1e-6) for w in wanted) for a in answers
    )


@check(
    CHAPTER,
    hints=(
        "Fix an order: say both agents have action 1 on top. Then (1, 1) should be highest and (0, 0) lowest, but "
        "the game says otherwise. Which cells must meet halfway?",
        "Three cells meet at their mean, and one keeps its own value. Which one is left alone depends on the order; "
        "there are four orders.",
        "For low 0 and high 1: one table with 0 at (0, 0) and 2/3 elsewhere, one with 1 at (0, 1) and 1/3 elsewhere, "
        "and one more of each kind.",
    ),
)
def check_xor_fits(answer: Any) -> str:
    """All four best monotone fits of a game that pays for being different."""
    for low, high in ((0.0, 1.0), (-3.0, 6.0), (1.5, 1.8)):
        payoff = np.array([[low, high], [high, low]])
        given = answer(low, high)
        count = len(given) if hasattr(given, "__len__") else 0
        if not count:
            wrong("not a list of tables", f"return a list of tables, not {show(given)}.")
        fits = [table(fit, (2, 2), f"each fit of ({low:g}, {high:g})") for fit in given]
        wanted = _xor_fits(low, high)
        if _same_tables(fits, wanted):
            continue
        if _same_tables(fits, [np.full((2, 2), payoff.mean())]):
            wrong("the average everywhere", "this is the best *sum*; a monotone table can keep one cell apart.")
        if _same_tables(fits, [payoff]):
            wrong("the game itself", "this game is not monotone, so it is not among its own monotone fits.")
        losses = [float(((fit - payoff) ** 2).mean()) for fit in fits]
        best = float(((wanted[0] - payoff) ** 2).mean())
        if any(not is_monotone(fit) for fit in fits):
            wrong("not monotone", f"one of your tables for low {low:g}, high {high:g} is not monotone.", hint=2)
        if max(losses) > best + 1e-6:
            wrong(
                "not the best",
                f"for low {low:g}, high {high:g} one of your tables has MSE {max(losses):.4g}; {best:.4g} is possible.",
                hint=2,
            )
        wrong(
            "a best fit is unique",
            f"your tables are best fits, and there are more: you have {_distinct(fits)} of 4.",
            hint=2,
        )
    return "four best fits with one loss; two of them play right and two wrong, and the loss cannot tell which."


def _distinct(fits: Sequence[Array]) -> int:
    return len({tuple(np.round(fit, 6).ravel().tolist()) for fit in fits})

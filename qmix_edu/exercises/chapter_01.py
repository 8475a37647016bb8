"""Checks of chapter 01: cooperative matrix games, and what it means to choose alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matrix_games import catalogue, is_igm
from qmix_edu.plots import greedy_actions

from .framework import Misconception, check, diagnose, random_payoffs, table, wrong

Array = NDArray[np.float64]
JointAction = tuple[int, ...]
CHAPTER = "01_matrix_games"

_TIED = [np.array(rows, dtype=float) for rows in ([[1, 0], [0, 1]], [[2, 5, 5], [5, 1, 5], [0, 5, 2]])]


def equilibria(payoff: ArrayLike) -> set[JointAction]:
    """Joint actions of a two-agent game from which no agent gains by changing alone (pure Nash equilibria).

    ``(i, j)`` with ``R[i, j] = max_k R[k, j] = max_k R[i, k]``; ``payoff`` is ``[m1, m2]``.
    """
    r = np.asarray(payoff, dtype=float)
    mutual = (r == r.max(axis=0, keepdims=True)) & (r == r.max(axis=1, keepdims=True))
    return {(int(i), int(j)) for i, j in np.argwhere(mutual)}


def _best_responses(payoff: Array, column: int) -> set[int]:
    against = payoff[:, column]
    return {int(i) for i in np.flatnonzero(against == against.max())}


def _best_of(values: Array) -> set[int]:
    return {int(i) for i in np.flatnonzero(values == values.max())}


@check(
    CHAPTER,
    hints=(
        "The partner's action is known, so only one column of the table matters.",
        "Take `payoff[:, column]`, find its highest value, and collect every row that reaches it.",
        "In the climbing game: {0} against column 0, {1} against column 1, {1} against column 2 (6 is more than 5).",
    ),
)
def check_best_responses(best_responses: Any) -> str:
    """All rows that are best against a known column."""
    cases = [(p, j) for p in random_payoffs(8) for j in range(3)]
    cases += [(p, j) for p in _TIED for j in range(len(p))]
    diagnose(
        best_responses,
        cases,
        right=_best_responses,
        misconceptions=[
            Misconception(
                "the best against a random partner",
                "you averaged over the partner's actions, but here the partner's action is known.",
                lambda payoff, column: _best_of(payoff.mean(axis=1)),
            ),
            Misconception(
                "the best against a random partner",
                "you averaged over the partner's actions, but here the partner's action is known.",
                lambda payoff, column: {int(payoff.mean(axis=1).argmax())},
            ),
            Misconception(
                "rows for columns",
                "you looked along a row; agent 1 chooses among the rows of the partner's column.",
                lambda payoff, column: _best_of(payoff[column]),
                hint=2,
            ),
            Misconception(
                "ties do not matter",
                "where several rows are equally good, all of them are best responses; you return one.",
                lambda payoff, column: {int(payoff[:, column].argmax())},
                hint=2,
            ),
            Misconception(
                "ties do not matter",
                "where several rows are equally good, all of them are best responses; return a set of them.",
                lambda payoff, column: int(payoff[:, column].argmax()),
                hint=2,
            ),
        ],
    )
    return "you return every best response, ties included."


def _decentralised_greedy(utilities: Sequence[Array]) -> set[JointAction]:
    return set(greedy_actions(utilities))


def _matching_only(utilities: Sequence[Array]) -> set[JointAction]:
    return set(zip(*(sorted(_best_of(np.asarray(u))) for u in utilities), strict=False))


@check(
    CHAPTER,
    hints=(
        "Nobody sees the other's choice. So whatever one may pick can meet whatever the other may pick.",
        "Find each agent's set of best actions, then every combination: `itertools.product(*sets)`.",
        "Utilities (1, 1) and (0, 5, 5) give four joint actions: (0, 1), (0, 2), (1, 1), (1, 2).",
    ),
)
def check_decentralised_greedy(decentralised_greedy: Any) -> str:
    """Every joint action that agents who choose alone can end in."""
    rng = np.random.default_rng(1)
    sizes = [(2, 2), (3, 3), (2, 4), (3, 2, 2), (3, 3), (2, 3, 3)]
    cases = [([rng.integers(0, 3, size=m).astype(float) for m in size],) for size in sizes * 3]
    diagnose(
        decentralised_greedy,
        cases,
        right=_decentralised_greedy,
        misconceptions=[
            Misconception(
                "ties do not matter",
                "`argmax` reports only the first of several best actions, but an agent may take any of them.",
                lambda utilities: {tuple(int(np.argmax(u)) for u in utilities)},
            ),
            Misconception(
                "agents agree on ties",
                "you paired first with first and second with second; without talking, any pair can meet.",
                _matching_only,
                hint=2,
            ),
        ],
    )
    return "you return every combination of individually best actions, and IGM is about exactly this set."


def _greedy_misses(payoff: Array, utilities: Sequence[Array]) -> bool:
    return not is_igm(payoff, utilities)


def _as_utilities(answer: Any, shape: tuple[int, ...]) -> list[Array]:
    try:
        count = len(answer)
    except TypeError:
        count = -1
    if count != len(shape):
        wrong("not one list per agent", f"return {len(shape)} lists of utilities, one for each agent.")
    return [
        table(u, (m,), f"the utilities of agent {i + 1}") for i, (u, m) in enumerate(zip(answer, shape, strict=True))
    ]


@check(
    CHAPTER,
    hints=(
        "Utilities need not be payoffs. What matters is only which action of each agent is on top.",
        "Find one best cell, say (i, j). Give action i of agent 1 utility 1 and its other actions 0; "
        "the same for agent 2 with j. Do not let a second action tie.",
        "For the climbing game ([1, 0, 0], [1, 0, 0]) will do; for coordination either ([1, 0], [1, 0]) or "
        "([0, 1], [0, 1]), but not both at once.",
    ),
)
def check_igm_utilities(igm_utilities: Any) -> str:
    """Utilities with which greedy agents find the best cell of any table."""
    cases = [*random_payoffs(12), *random_payoffs(4, (2, 4), seed=1), *random_payoffs(3, (2, 3, 2), seed=2)]
    cases += [catalogue[name].payoff for name in ("climbing", "qtran", "mg3")]
    answers = [_as_utilities(igm_utilities(payoff), payoff.shape) for payoff in cases]
    missed = [k for k, u in enumerate(answers) if _greedy_misses(cases[k], u)]
    if missed:
        payoff, utilities = cases[missed[0]], answers[missed[0]]
        if all(_picks_averages(cases[k], answers[k]) for k in range(len(cases))):
            wrong(
                "everybody's averages find the best cell",
                "your utilities put the best average on top, and the best cell may lie in a bad row.",
            )
        chosen = min(sorted(_decentralised_greedy(utilities)), key=lambda joint: payoff[joint])
        wrong(
            "not yet",
            f"in {payoff.tolist()} your utilities can lead to {chosen}, which pays {payoff[chosen]:g}, "
            f"and {payoff.max():g} is possible.",
        )
    for payoff in _TIED:
        if _greedy_misses(payoff, _as_utilities(igm_utilities(payoff), payoff.shape)):
            wrong(
                "ties do not matter",
                f"in {payoff.tolist()} your utilities tie, so the agents may pick halves of different optima.",
                hint=2,
            )
    return "any table has utilities with IGM: it relates a table to utilities and is no property of the table."


def _picks_averages(payoff: Array, utilities: Sequence[Array]) -> bool:
    axes = range(payoff.ndim)
    means = [payoff.mean(axis=tuple(other for other in axes if other != i)) for i in axes]
    return all(_best_of(u) == _best_of(m) for u, m in zip(utilities, means, strict=True))


def expected_payoffs(payoff: Array, partner: int, epsilon: float) -> Array:
    """What each row earns against a partner with the habit ``partner`` who explores at rate ``epsilon``.

    ``E[R(a, .)]`` with probability ``1 - epsilon + epsilon / m`` on the habit and ``epsilon / m`` on every other
    column; ``payoff`` is ``[m1, m]``, the result ``[m1]``.
    """
    policy = np.full(payoff.shape[1], epsilon / payoff.shape[1])
    policy[partner] += 1 - epsilon
    return payoff @ policy


def _never_its_own(payoff: Array, partner: int, epsilon: float) -> Array:
    policy = np.full(payoff.shape[1], epsilon / (payoff.shape[1] - 1))
    policy[partner] = 1 - epsilon
    return payoff @ policy


@check(
    CHAPTER,
    hints=(
        "First write how likely each of the partner's actions is; the probabilities must sum to 1.",
        "With probability epsilon the partner draws from *all* its m actions, the greedy one included. So "
        "each has epsilon / m, and the greedy one 1 - epsilon more. Then `payoff @ probabilities`.",
        "Climbing, partner 0, epsilon 0.3: the partner plays (0.8, 0.1, 0.1), and the rows are worth "
        "5.8, -22.7 and 0.5.",
    ),
)
def check_expected_payoffs(answer: Any) -> str:
    """What each row earns against a partner who explores."""
    rng = np.random.default_rng(2)
    shapes = [(3, 3), (2, 4), (4, 2), (3, 5)]
    cases = [
        (random_payoffs(1, shape, seed)[0], int(rng.integers(shape[1])), float(rng.integers(1, 10)) / 10)
        for seed, shape in enumerate(shapes * 3)
    ]
    diagnose(
        answer,
        cases,
        right=expected_payoffs,
        misconceptions=[
            Misconception(
                "exploring means anything but the greedy action",
                "an exploring partner draws from all its actions, so it can draw the greedy one too.",
                _never_its_own,
                hint=2,
            ),
            Misconception(
                "the probabilities do not sum to 1",
                "a random draw may be the greedy action: its probability is 1 - epsilon *plus* epsilon / m.",
                lambda payoff, partner, epsilon: (
                    expected_payoffs(payoff, partner, epsilon) - epsilon / payoff.shape[1] * payoff[:, partner]
                ),
                hint=2,
            ),
            Misconception(
                "epsilon the wrong way round",
                "epsilon is the chance of a *random* action: at epsilon = 0 the partner always plays its habit.",
                lambda payoff, partner, epsilon: expected_payoffs(payoff, partner, 1 - epsilon),
            ),
            Misconception(
                "the partner does not explore",
                "you took the partner's greedy column alone; with probability epsilon it plays something else.",
                lambda payoff, partner, epsilon: payoff[:, partner],
            ),
            Misconception(
                "the partner only explores",
                "you took the plain average; with probability 1 - epsilon the partner plays its greedy action.",
                lambda payoff, partner, epsilon: payoff.mean(axis=1),
            ),
        ],
    )
    return "these are the numbers that an agent who learns by averaging its rewards ends with."


@check(
    CHAPTER,
    hints=(
        "Fill one row and one column with good payoffs, and think about the cell where they cross.",
        "Row 0 and column 0 full of tens, the rest zeros: averaging picks (0, 0). Which number may stand "
        "there without changing that?",
        "A 3x3 game whose first row and column average 19/3, whose other rows average 10/3, and "
        "whose cell (0, 0) is the lowest of all.",
    ),
)
def check_misleading_game(misleading_game: Any) -> str:
    """A game of the size asked for, in which averaging picks the one worst cell."""
    for size in (3, 4, 6):
        payoff = table(misleading_game(size), (size, size), f"misleading_game({size})")
        rows, columns = _best_of(payoff.mean(axis=1)), _best_of(payoff.mean(axis=0))
        if len(rows) > 1 or len(columns) > 1:
            wrong("a tie", f"at size {size} several actions have the best average, so no cell is *picked*.")
        chosen = (rows.pop(), columns.pop())
        if np.count_nonzero(payoff <= payoff[chosen]) > 1:
            name = "averaging picks the best cell" if payoff[chosen] == payoff.max() else "not the worst cell"
            lower = int(np.count_nonzero(payoff <= payoff[chosen])) - 1
            wrong(
                name,
                f"at size {size} averaging picks {chosen}, which pays {payoff[chosen]:g}; "
                f"{lower} other cells pay no more.",
            )
    return "averages can lead to the one worst cell of all. With two actions each this cannot be done: try to prove it."

"""Checks of chapter 03: additive factorisation (VDN)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matrix_games import additive_fit, is_monotone

from .framework import Misconception, check, diagnose, random_payoffs, table, wrong

Array = NDArray[np.float64]
CHAPTER = "03_additive_factorisation"
BADLY = 0.25  # a fit that explains less of the variance is a bad one


def _averages(payoff: Array) -> tuple[Array, Array]:
    return payoff.mean(axis=1, keepdims=True), payoff.mean(axis=0, keepdims=True)


@check(
    CHAPTER,
    hints=(
        "Start from the average of the whole table. What does choosing row i add to it? And column j?",
        "Row i adds (row average - average), column j adds (column average - average). Sum the three parts.",
        "For [[0, 1], [1, 8]] the rows average 0.5 and 4.5, the table 2.5, and the fit is [[-1.5, 2.5], [2.5, 6.5]].",
    ),
)
def check_additive_table(answer: Any) -> str:
    """The best additive table, from row and column averages."""
    shapes = [(3, 3), (2, 4), (4, 2), (5, 5)]
    diagnose(
        answer,
        [(random_payoffs(1, shape, seed)[0],) for seed, shape in enumerate(shapes * 3)],
        right=lambda payoff: additive_fit(payoff).values,
        misconceptions=[
            Misconception(
                "the average counted twice",
                "row average + column average holds the average of the table two times; take one away.",
                lambda payoff: sum(_averages(payoff)),
                hint=2,
            ),
            Misconception(
                "halves of the averages",
                "the mean of row and column average is too flat: the agents' effects add up in full.",
                lambda payoff: sum(_averages(payoff)) / 2,
                hint=2,
            ),
            Misconception(
                "a team of one",
                "your table depends on one agent's action alone; the other's matters as much.",
                lambda payoff: np.broadcast_to(_averages(payoff)[0], payoff.shape),
            ),
        ],
    )
    return "row average + column average - average is the additive table nearest to any payoff table."


@check(
    CHAPTER,
    hints=(
        "Compare two mean squared errors: that of the fit, and that of the best constant table.",
        "The best constant is the average of the payoffs; its mean squared error is `payoff.var()`.",
        "For [[0, 1], [1, 8]] and its additive fit: 1 - 2.25 / 10.25 = 0.780.",
    ),
)
def check_explained_variance(answer: Any) -> str:
    """The share of a table's variance that a fit explains."""
    payoffs = [*random_payoffs(8), *random_payoffs(4, (2, 5), seed=1)]
    diagnose(
        answer,
        [(payoff, additive_fit(payoff).values) for payoff in payoffs],
        right=lambda payoff, fitted: 1 - ((payoff - fitted) ** 2).mean() / payoff.var(),
        misconceptions=[
            Misconception(
                "the share that is missed",
                "this is what the fit leaves *un*explained; take it away from 1.",
                lambda payoff, fitted: ((payoff - fitted) ** 2).mean() / payoff.var(),
            ),
            Misconception(
                "an error without a yardstick",
                "a squared error of 3 is large in one game and small in another: divide by the variance.",
                lambda payoff, fitted: 1 - ((payoff - fitted) ** 2).mean(),
            ),
            Misconception(
                "measured from zero",
                "compare with the best constant table, the average, and not with a table of zeros.",
                lambda payoff, fitted: 1 - ((payoff - fitted) ** 2).mean() / (payoff**2).mean(),
                hint=2,
            ),
            Misconception(
                "a ratio of standard deviations",
                "variances add up, standard deviations do not: square them.",
                lambda payoff, fitted: fitted.std() / payoff.std(),
                hint=2,
            ),
        ],
    )
    return "1 means a perfect fit, 0 no better than the average everywhere."


def _sum_like(payoff: Array) -> bool:
    return bool(np.abs(payoff - payoff[:1] - payoff[:, :1] + payoff[0, 0]).max() < 1e-9)


def _sums_and_others() -> list[Array]:
    """Return sums (some with rounding noise), sums with one cell changed, and sums where only distant minors object."""
    rng = np.random.default_rng(8)
    tables: list[Array] = []
    for shape in [(2, 2), (2, 3), (3, 3), (4, 2), (3, 4)] * 4:
        rows, columns = rng.integers(-9, 10, size=shape[0]) / 10, rng.integers(-9, 10, size=shape[1]) / 10
        total = rows[:, None] + columns[None, :]
        changed = total.copy()
        changed[tuple(int(rng.integers(m)) for m in shape)] += float(rng.choice([-0.5, 0.3, 1e-3]))
        tables += [total, changed, total + rng.normal(size=shape) * 1e-13]
    inner = np.zeros((3, 3))
    inner[1, 1] = 1.0
    return [*tables, inner, *random_payoffs(6), np.sort(np.sort(random_payoffs(1, seed=9)[0], axis=0), axis=1)]


@check(
    CHAPTER,
    hints=(
        "What does the difference between two rows look like in a sum? Try a small one by hand.",
        "Take row 0 away from every row: in a sum each row of the result is one number repeated. Or: subtract "
        "payoff[:1] and payoff[:, :1], add payoff[0, 0], and see whether anything is left.",
        "[[1, 2], [4, 5]] is a sum, [[0, 1], [1, 8]] is not, and neither is a table of zeros with a 1 in its middle.",
    ),
)
def check_is_sum(answer: Any) -> str:
    """Whether a table is a sum of a row utility and a column utility."""
    diagnose(
        answer,
        [(payoff,) for payoff in _sums_and_others()],
        right=_sum_like,
        misconceptions=[
            Misconception(
                "the corners only",
                "you looked at the minor of the four corners; every pair of rows and columns counts.",
                lambda payoff: bool(abs(payoff[0, 0] + payoff[-1, -1] - payoff[0, -1] - payoff[-1, 0]) < 1e-9),
                hint=2,
            ),
            Misconception(
                "the first minor only",
                "you looked at the first two rows and columns; every pair counts.",
                lambda payoff: bool(abs(payoff[0, 0] + payoff[1, 1] - payoff[0, 1] - payoff[1, 0]) < 1e-9),
                hint=2,
            ),
            Misconception(
                "minors as determinants",
                "a minor is here just four cells: compare their differences; no product comes in.",
                lambda payoff: bool(np.linalg.matrix_rank(payoff) < 2),
            ),
            Misconception(
                "exactly zero",
                "0.1 + 0.2 is not 0.3 in a computer: let differences below 1e-9 pass.",
                lambda payoff: bool((payoff - payoff[:1] - payoff[:, :1] + payoff[0, 0] == 0).all()),
            ),
            Misconception(
                "monotone means additive",
                "a table can rise everywhere without being a sum: 0, 1, 1, 8 does.",
                lambda payoff: bool(is_monotone(payoff)),
            ),
            Misconception(
                "a good fit is enough",
                "a table is a sum only if the best sum misses *nothing*.",
                lambda payoff: bool(additive_fit(payoff).mse < 0.01 * payoff.var() + 1e-12),
            ),
        ],
    )
    return "no 2×2 minor objects, so utilities exist; the best sum finds them without error."


def _iql_choice(payoff: Array, policy_1: Array, policy_2: Array) -> tuple[int, int]:
    return int((payoff @ policy_2).argmax()), int((policy_1 @ payoff).argmax())


@check(
    CHAPTER,
    hints=(
        "An independent learner sees its own action and the reward. The rest of the reward is luck to it.",
        "Row i is worth the sum over columns j of policy_2[j] * payoff[i, j]. Now the same for agent 2, with policy_1.",
        "Climbing with both policies (0.8, 0.1, 0.1): the rows are worth 5.8, -22.7, 0.5 and the columns 5.8, -23.3, "
        "1.1, so the choice is (0, 0).",
    ),
)
def check_iql_choice(answer: Any) -> str:
    """The joint action of independent learners, each of which averages over the other's policy."""
    rng = np.random.default_rng(3)
    cases = [(p, rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(3))) for p in random_payoffs(40)]
    diagnose(
        answer,
        cases,
        right=_iql_choice,
        misconceptions=[
            Misconception(
                "averaged with one's own policy",
                "agent 1 averages over what agent 2 does, so its rows are weighed by policy_2, and the reverse.",
                lambda payoff, policy_1, policy_2: _iql_choice(payoff, policy_2, policy_1),
                hint=2,
            ),
            Misconception(
                "everybody plays at random",
                "you took plain averages, but the partner prefers some actions: weigh by its policy.",
                lambda payoff, policy_1, policy_2: tuple(int(m.argmax()) for m in _averages(payoff)),
                hint=2,
            ),
            Misconception(
                "the partner's likeliest action only",
                "you looked at the other's most probable action alone; its other actions count too, by their chances.",
                lambda payoff, policy_1, policy_2: (
                    int(payoff[:, policy_2.argmax()].argmax()),
                    int(payoff[policy_1.argmax()].argmax()),
                ),
                hint=2,
            ),
            Misconception(
                "the team decides",
                "this is the best cell of the table; an independent learner sees averages only.",
                lambda payoff, policy_1, policy_2: np.unravel_index(payoff.argmax(), payoff.shape),
            ),
        ],
    )
    return "this is where independent learners end under these policies, and VDN with them, as you see next."


@check(
    CHAPTER,
    hints=(
        "The additive fit cannot see what two actions do only *together*. Put most of the table's variation there.",
        "Pay on the diagonal only: `np.eye(size)`. Its averages are all equal, so nothing is chosen yet; "
        "make one diagonal cell a little better.",
        "A table with diagonal (1.2, 1, 1), zeros elsewhere: the fit explains 1 % of the variance, and chooses (0, 0).",
    ),
)
def check_badly_fitted_game(answer: Any) -> str:
    """A game that the additive fit explains badly and still plays right."""
    for size in (3, 4, 6):
        payoff = table(answer(size), (size, size), f"badly_fitted_game({size})")
        if np.ptp(payoff) == 0:
            wrong("nothing to fit", f"at size {size} all payoffs are equal, so every choice is right.")
        fit = additive_fit(payoff)
        explained = 1 - fit.mse / payoff.var()
        best = {(int(i), int(j)) for i, j in np.argwhere(payoff == payoff.max())}
        if len(fit.greedy) > 1:
            wrong("a tie", f"at size {size} the fit has {len(fit.greedy)} greedy cells: it plays by chance.", hint=2)
        if len(best) > 1:
            wrong("several optima", f"at size {size} {len(best)} cells are best; leave one.", hint=2)
        if set(fit.greedy) != best:
            chosen = ", ".join(map(str, fit.greedy))
            wrong(
                "badly fitted and badly played",
                f"at size {size} the fit chooses {chosen} and the best cell is {best.pop()}.",
                hint=2,
            )
        if explained >= BADLY:
            wrong(
                "a good fit",
                f"at size {size} the fit explains {explained:.0%} of the variance; get below {BADLY:.0%}.",
            )
    return "a fit may miss nearly everything and still choose right: fit and choice are two things."

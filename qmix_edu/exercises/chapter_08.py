"""Checks of chapter 08: beyond monotonicity; sacrifice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from matrix_games import catalogue, is_monotone

from .framework import Misconception, check, diagnose, random_payoffs, show, table, wrong

Array = NDArray[np.float64]
CHAPTER = "08_beyond_monotonicity"
_BLOCK = 2  # the row of the sacrifice
_DRAWS = 4000


@check(
    CHAPTER,
    hints=(
        "Which error promises something: a target above Q_tot, or one below it?",
        "Where `target > q_tot` the team may have underrated a joint action: weight 1. Elsewhere alpha. `np.where`.",
        "q_tot = [0, 5], target = [8, -12], alpha = 0.1 gives [1, 0.1].",
    ),
)
def check_optimistic_weight(answer: Any) -> str:
    """OW: 1 where the target is above Q_tot, alpha elsewhere."""
    rng = np.random.default_rng(0)
    cases = [(rng.normal(0, 5, 6), rng.normal(0, 5, 6), alpha) for alpha in (0.1, 0.5, 0.75, 1.0) for _ in range(3)]

    diagnose(
        answer,
        cases,
        right=lambda q_tot, target, alpha: np.where(target > q_tot, 1.0, alpha),
        misconceptions=[
            Misconception(
                "pessimistic",
                "you give full weight to what Q_tot *over*rates; that makes the team more careful, not less.",
                lambda q_tot, target, alpha: np.where(target < q_tot, 1.0, alpha),
            ),
            Misconception(
                "bad news thrown away",
                "alpha is the weight of the other errors; with 0 nothing would ever pull Q_tot down.",
                lambda q_tot, target, alpha: np.where(target > q_tot, 1.0, 0.0),
            ),
            Misconception(
                "the weighted error",
                "return the weight alone; the loss multiplies it with the squared error.",
                lambda q_tot, target, alpha: np.where(target > q_tot, 1.0, alpha) * (target - q_tot) ** 2,
                hint=2,
            ),
            Misconception(
                "good rewards, not good surprises",
                "compare the target with what Q_tot expects at this joint action, not with 0.",
                lambda q_tot, target, alpha: np.where(target > 0, 1.0, alpha),
            ),
            Misconception(
                "1 - alpha",
                "the neglected errors have weight alpha itself: the smaller alpha, the more they are neglected.",
                lambda q_tot, target, alpha: np.where(target > q_tot, 1.0, 1 - alpha),
                hint=2,
            ),
            Misconception(
                "the best target only",
                "no joint action is singled out here; every error that promises something counts in full.",
                lambda q_tot, target, alpha: np.where(target == target.max(), 1.0, alpha),
            ),
        ],
    )
    return "it is the hysteretic rule of chapter 02, at the mixer: good surprises count in full, bad ones less."


def _gaps(utilities: Sequence[Array], joint: Array, v: float | int) -> Array:
    """``D(u) = sum_a Q_a(u_a) - Q_jt(u) + V``."""
    return np.add.outer(utilities[0], utilities[1]) - joint + v


def _best_cell(payoff: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(payoff.argmax(), payoff.shape))


def _greedy(utilities: Sequence[Array]) -> tuple[int, int]:
    return int(utilities[0].argmax()), int(utilities[1].argmax())


def qtran_losses(utilities: Sequence[Any], joint: Any, v: float | int) -> tuple[float, float]:
    """Return ``L_opt = D(u*)^2`` and ``L_nopt``, the mean of ``min(D(u), 0)^2`` over all joint actions.

    ``D(u) = Q_1(u_1) + Q_2(u_2) - Q_jt(u) + V``, and ``u*`` is the agents' greedy joint action.

    Args:
        utilities: one array for each of two agents, ``[m]`` and ``[k]``.
        joint: ``Q_jt [m, k]``.
        v: V, one number.

    Source: Son et al., QTRAN, ICML 2019, equations 4 to 8 (QTRAN-base), all joint actions equally often.
    """
    each = [np.asarray(utility, dtype=np.float64) for utility in utilities]
    gaps = _gaps(each, np.asarray(joint, dtype=np.float64), v)
    return float(gaps[_greedy(each)] ** 2), float((np.minimum(gaps, 0) ** 2).mean())


def _random_conditions() -> list[tuple[list[Array], Array, float]]:
    rng = np.random.default_rng(1)
    payoffs = [catalogue["qtran"].payoff, *random_payoffs(8, seed=2), *random_payoffs(4, (2, 4), seed=3)]
    return [([rng.normal(0, 3, size) for size in p.shape], p, float(rng.normal(2, 3))) for p in payoffs]


@check(
    CHAPTER,
    hints=(
        "Write the table D first: `np.add.outer(u_1, u_2) - joint + v`.",
        "The greedy joint action is each agent's own argmax, `utilities[a].argmax()`. L_opt is D there, squared. "
        "L_nopt squares what is left of D when everything above 0 is cut: `np.minimum(D, 0)`, and averages it.",
        "For QTRAN's game, utilities (0, -1, -1) for both and v = 8: both losses are 0. With v = 7: 1 and 1/9.",
    ),
)
def check_qtran_losses(answer: Any) -> str:
    """QTRAN's two conditions: equal at the greedy joint action, no smaller elsewhere."""

    def losses(gaps: Array, greedy: tuple[int, ...]) -> tuple[float, float]:
        return float(gaps[greedy] ** 2), float((np.minimum(gaps, 0) ** 2).mean())

    diagnose(
        answer,
        _random_conditions(),
        right=qtran_losses,
        misconceptions=[
            Misconception(
                "V left out",
                "the utilities' sum need not have Q_jt's level: V makes up for the difference.",
                lambda utilities, joint, v: losses(_gaps(utilities, joint, 0), _greedy(utilities)),
            ),
            Misconception(
                "u* is the best cell of Q_jt",
                "u* is what the *agents* choose; if it were Q_jt's best cell, somebody had to search the whole table.",
                lambda utilities, joint, v: losses(_gaps(utilities, joint, v), _best_cell(joint)),
                hint=2,
            ),
            Misconception(
                "equal everywhere",
                "you ask the sum to *be* Q_jt, which only additive tables allow; elsewhere it need only be no smaller.",
                lambda utilities, joint, v: (
                    _gaps(utilities, joint, v)[_greedy(utilities)] ** 2,
                    (_gaps(utilities, joint, v) ** 2).mean(),
                ),
                hint=2,
            ),
            Misconception(
                "the inequality the wrong way round",
                "the sum may lie *above* Q_jt; what counts is where it lies below: min(D, 0).",
                lambda utilities, joint, v: (
                    _gaps(utilities, joint, v)[_greedy(utilities)] ** 2,
                    (np.maximum(_gaps(utilities, joint, v), 0) ** 2).mean(),
                ),
                hint=2,
            ),
            Misconception(
                "summed, not averaged",
                "L_nopt is the mean over the joint actions, as in a batch.",
                lambda utilities, joint, v: (
                    _gaps(utilities, joint, v)[_greedy(utilities)] ** 2,
                    (np.minimum(_gaps(utilities, joint, v), 0) ** 2).sum(),
                ),
            ),
            Misconception(
                "the other order",
                "return L_opt first, then L_nopt.",
                lambda utilities, joint, v: qtran_losses(utilities, joint, v)[::-1],
            ),
        ],
    )
    return "when both are 0, the agents' own choice is the best cell of Q_jt."


def _one_optimum(payoffs: Sequence[Array]) -> list[Array]:
    return [p for p in payoffs if (p == p.max()).sum() == 1]


def _three(parts: Any, payoff: Array) -> tuple[list[Array], Array, float]:
    """Return utilities, w and b as arrays of the right shapes, or reject them by name."""
    if not isinstance(parts, (tuple, list)) or len(cast("Sequence[Any]", parts)) != 3:
        wrong("not three things", f"return utilities, w and b; you returned {show(parts)}.")
    utilities, w, b = cast("Sequence[Any]", parts)
    if not isinstance(utilities, (tuple, list, np.ndarray)) or len(cast("Sequence[Any]", utilities)) != 2:
        wrong("not two utilities", "utilities are two arrays, one for each agent.")
    each = [
        table(u, (m,), f"the utilities of agent {i + 1}")
        for i, (u, m) in enumerate(zip(utilities, payoff.shape, strict=True))
    ]
    return each, table(w, payoff.shape, "w"), float(table(b, (), "b"))


@check(
    CHAPTER,
    hints=(
        "Start with the utilities: which action of each agent has to be on top? How much lower the others are is free.",
        "A is 0 at the best cell, so b is the best payoff. Elsewhere solve b + w · A = R for w: both R - b and A are "
        "below 0 there. At the best cell w may be anything positive.",
        "QTRAN's game: utilities (0, -1, -1) twice, b = 8, w = 20 where one agent plays a, 4 in the block.",
    ),
)
def check_fix_by_hand(answer: Any) -> str:
    """Utilities, w > 0 and b whose table b + w A is the game's."""
    games = _one_optimum([catalogue["qtran"].payoff, *random_payoffs(15, seed=4), *random_payoffs(6, (2, 4), seed=5)])
    for number, payoff in enumerate(games):
        utilities, w, b = _three(answer(payoff), payoff)
        best = _best_cell(payoff)
        advantage = np.add.outer(*(u - u.max() for u in utilities))
        if advantage[best] < 0:
            wrong("the agents choose another cell", f"in {show(payoff)} {best} is best; the utilities miss it.")
        if (w <= 0).any():
            wrong(
                "a weight that is not positive",
                f"w has the entry {w.min():g} for {show(payoff)}; where w ≤ 0 a cell can rise above the agents' choice "
                "or tie with it, so the form promises nothing.",
            )
        if (advantage == 0).sum() > 1:
            wrong("a tie at the top", "several joint actions have A = 0, so all of them get the value b.")
        if abs(b - payoff.max()) > 1e-6:
            wrong("b is not the best payoff", f"at the agents' choice A is 0, so the table is {b:g} there.", hint=2)
        if not np.allclose(b + w * advantage, payoff, atol=1e-6):
            name = "not the game's table" if number == 0 else "right for QTRAN's game only"
            wrong(name, f"for {show(payoff)} your table b + w · A is {show(b + w * advantage)}.", hint=2)
    return "every table with one best cell has this form: the top rung is reached."


@check(
    CHAPTER,
    hints=(
        "The reward is the team's. What does the *team* get when the shield blocks and the gunner shoots? And when the "
        "shield blocks for nothing?",
        "Row `block` must hold the one best payoff, and be no lower than the other rows in any column. Then see that "
        "the other rows, and the columns, can be put into an order too.",
        "For example a table that pays only for the win: 0 everywhere but 10 at (block, shoot).",
    ),
)
def check_sacrifice_game(answer: Any) -> str:
    """A monotone table whose best joint action needs a unit to die."""
    payoff = table(answer(), (3, 3), "sacrifice_game()")
    best = payoff == payoff.max()
    if not best[_BLOCK].any():
        wrong(
            "private pay",
            "the best joint action lets the shield live. If you took something off for its death: there is one reward, "
            "the team's, and it is high when the team wins.",
        )
    if best[:_BLOCK].any():
        wrong("nobody need die", "the best payoff is reached without the sacrifice too; make it the only way.")
    if np.ptp(payoff[_BLOCK]) == 0:
        wrong("the partner does not matter", "block pays the same whatever the gunner does; a win takes both.")
    others = np.delete(payoff, _BLOCK, axis=0)
    if (payoff[_BLOCK] < others).any():
        wrong(
            "a sacrifice in vain costs",
            "in some column block pays less than staying alive: the rows cross. It is not the death that breaks "
            "monotonicity but the price of dying for nothing.",
            hint=2,
        )
    verdict = is_monotone(payoff)
    if not verdict:
        wrong("other actions cross", f"block is fine, the rest is not. {verdict.reason}", hint=2)
    return "one must die for the win, and the table is monotone: QMIX can hold it."


def noisy_play(payoff: Array, plays: int, rng: np.random.Generator, draws: int = _DRAWS) -> tuple[Array, Array]:
    """Return what two teams earn, ``[draws]`` each: one fits a sum to noisy means, one keeps every cell as it is.

    Every cell of ``payoff [m, k]`` is seen ``plays`` times, with noise of standard deviation 1. The best sum chooses by
    the row and column means (equal data); any class that holds every table fits the means exactly and chooses their
    highest cell.
    """
    table = np.asarray(payoff, dtype=np.float64)
    seen = table + rng.normal(size=(draws, *table.shape)) / np.sqrt(plays)
    by_sum = table[seen.mean(axis=2).argmax(axis=1), seen.mean(axis=1).argmax(axis=1)]
    return by_sum, table.ravel()[seen.reshape(draws, -1).argmax(axis=1)]


@check(
    CHAPTER,
    hints=(
        "What does the sum know that the free table has to find out? When is that knowledge right?",
        "Take a table that *is* a sum, with many actions, and differences of about the size of the noise, 1. A row's "
        "mean is less noisy than a cell.",
        "`np.add.outer(x, x)` with x = 0, 0.5, 1, ... of six actions: the sum earns about 0.4 more.",
    ),
)
def check_game_for_the_sum(answer: Any) -> str:
    """A game in which the less expressive class plays better, from one noisy play of each cell."""
    payoff = np.asarray(answer())
    if payoff.ndim != 2 or not all(2 <= m <= 8 for m in payoff.shape):
        wrong("another shape", f"the table should have 2 to 8 rows and columns; its shape is {payoff.shape}.")
    payoff = table(payoff, payoff.shape, "game_for_the_sum()")
    if np.ptp(payoff) == 0:
        wrong("every choice pays alike", "all cells are equal, so nobody can play better than anybody.")
    by_sum, by_cell = noisy_play(payoff, 1, np.random.default_rng(6))
    gain, missed = (by_sum - by_cell).mean(), payoff.max() - by_cell.mean()
    if missed < 0.1:
        wrong(
            "the noise does not matter",
            f"the free table misses only {missed:.2f}: your payoffs lie so far apart that the noise hides nothing.",
        )
    if gain < -0.05:
        wrong(
            "the sum is blind here",
            f"the sum earns {-gain:.2f} *less*: your table is no sum, and its row and column means mislead.",
            hint=2,
        )
    if gain < 0.1:
        wrong("too little to gain", f"the sum earns {gain:.2f} more; make it 0.1 or more.", hint=2)
    return f"the sum earns {gain:.2f} more: it is right about this game, so it need not learn every cell."

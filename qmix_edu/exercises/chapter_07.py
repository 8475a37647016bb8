"""Checks of chapter 07: the two-step game."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matrix_games import additive_fit, catalogue

from .framework import Misconception, check, diagnose, random_payoffs, show, table, wrong

Array = NDArray[np.float64]
CHAPTER = "07_two_step_game"


def vdn_branch_value(payoff: Array, gamma: float) -> float:
    """What a step that leads to the table ``payoff`` is worth to VDN on uniform data: ``gamma max_a F(a)``.

    ``F`` is the best additive fit of ``payoff``: the table that bootstrapping puts in the place of the truth.
    """
    return gamma * float(additive_fit(payoff).values.max())


def iql_branch_value(payoff: Array, gamma: float) -> float:
    """What it is worth to an independent learner, agent 1: ``gamma`` times the best row average."""
    return gamma * float(payoff.mean(axis=1).max())


def _greedy_payoff(payoff: Array) -> float:
    return float(payoff[additive_fit(payoff).greedy[0]])


@check(
    CHAPTER,
    hints=(
        "The target is `0 + gamma * (the highest value of the next table)`, and the next table is not the truth: it is "
        "what VDN has learnt.",
        "VDN's table is row average + column average - overall average (chapter 03). Take its largest entry, times "
        "gamma.",
        "The table 2B gives [[-1.5, 2.5], [2.5, 6.5]]; with gamma .99 its branch is worth 6.435.",
    ),
)
def check_branch_value(answer: Any) -> str:
    """What a step into a branch is worth to VDN."""
    shapes = [(2, 2), (3, 3), (2, 3), (4, 4)]
    tables = [payoff for seed, shape in enumerate(shapes) for payoff in random_payoffs(4, shape, seed)]
    cases = [(payoff, gamma) for payoff, gamma in zip(tables, [0.5, 0.9, 0.99, 0.8] * 4, strict=True)]
    diagnose(
        answer,
        cases,
        right=vdn_branch_value,
        misconceptions=[
            Misconception(
                "a wrong value is harmless if the choice is right",
                "you took what the greedy cell *pays*; the target never sees that, it sees the value that VDN has for "
                "it.",
                lambda payoff, gamma: gamma * _greedy_payoff(payoff),
            ),
            Misconception(
                "the truth for the fit",
                "you took the best payoff; VDN bootstraps from its own table, which does not hold it.",
                lambda payoff, gamma: gamma * payoff.max(),
            ),
            Misconception(
                "the discount forgotten",
                "the table is one step away, so its value counts gamma times.",
                lambda payoff, gamma: additive_fit(payoff).values.max(),
                hint=2,
            ),
            Misconception(
                "a team of one",
                "you took agent 1's own best average: that is what an *independent* learner bootstraps from.",
                iql_branch_value,
            ),
            Misconception(
                "the average instead of the best",
                "the data are random, but the target takes the *highest* next value.",
                lambda payoff, gamma: gamma * payoff.mean(),
            ),
            Misconception(
                "the discount taken twice",
                "the reward comes one step later, so gamma counts once.",
                lambda payoff, gamma: gamma**2 * additive_fit(payoff).values.max(),
                hint=2,
            ),
        ],
    )
    return "the target is made of the fit, not of the truth."


def _games() -> list[list[Array]]:
    """Lists of branches: the two-step game, and random ones of two or three branches."""
    two_step = [catalogue["two-step-2a"].payoff, catalogue["two-step-2b"].payoff]
    return [two_step, two_step[::-1], *(random_payoffs(2 + seed % 2, (3, 3), seed) for seed in range(14))]


def _taken(branches: Sequence[Array]) -> Array:
    return branches[int(np.argmax([vdn_branch_value(payoff, 1.0) for payoff in branches]))]


@check(
    CHAPTER,
    hints=(
        "Two choices, made with two different things: the branch by the value that VDN *expects*; and then what is "
        "played there *pays* what it pays.",
        "Fit each table (`additive_fit(payoff)`), take the branch whose `.values.max()` is largest, and return its "
        "payoff at `.greedy[0]`.",
        "[2A, 2B] gives 7: 2A promises 7 and 2B 6.5. With 6.4 everywhere in 2A it would be 8.",
    ),
)
def check_team_return(answer: Any) -> str:
    """What VDN's team earns when agent 1 chooses the branch."""
    diagnose(
        answer,
        [(branches,) for branches in _games()],
        right=lambda branches: _greedy_payoff(_taken(branches)),
        misconceptions=[
            Misconception(
                "a wrong value is harmless if the choice is right",
                "you took the branch in which VDN plays best; it takes the one that it *expects* most of.",
                lambda branches: max(_greedy_payoff(payoff) for payoff in branches),
            ),
            Misconception(
                "promised is paid",
                "this is the value that VDN expects; the team is paid the true payoff of what it plays.",
                lambda branches: additive_fit(_taken(branches)).values.max(),
                hint=2,
            ),
            Misconception(
                "the team plays as well as the truth allows",
                "the branch is right; in it the agents play VDN's greedy actions, not the best cell.",
                lambda branches: _taken(branches).max(),
                hint=2,
            ),
            Misconception(
                "the best of everything",
                "this is the optimal return; VDN sees neither the branches nor the cells as they are.",
                lambda branches: max(payoff.max() for payoff in branches),
            ),
            Misconception(
                "the branch by its true best cell",
                "the branch is chosen by what VDN expects of it, not by its best payoff.",
                lambda branches: _greedy_payoff(max(branches, key=lambda payoff: float(payoff.max()))),
            ),
            Misconception(
                "the branch by its average",
                "the branch is chosen by the highest value in VDN's table, not by the mean.",
                lambda branches: _greedy_payoff(max(branches, key=lambda payoff: float(payoff.mean()))),
            ),
        ],
    )
    return "the branch is chosen by what is expected, and paid by what is true."


@check(
    CHAPTER,
    hints=(
        "Start from the two-step game: one table flat, one with a high corner. What makes VDN expect less of the "
        "corner?",
        "VDN expects row average + column average - overall average of the corner. Low payoffs beside it, in its row "
        "and column, pull that down. Keep its row and column the best on average, and let the flat table pay less than "
        "half of the corner.",
        "For size 2: [[4, 4], [4, 4]] and [[10, -10], [-10, -5]]. VDN expects 3.75 of the second, in which it would "
        "earn 10.",
    ),
)
def check_trap(answer: Any) -> str:
    """Two tables in which VDN plays perfectly, and between which it chooses badly."""
    for size in (2, 3, 4):
        given = answer(size)
        if not hasattr(given, "__len__") or len(given) != 2:
            wrong("not two tables", f"return two tables, one for each branch, not {show(given)}.")
        branches = [table(t, (size, size), f"branch {k + 1} of size {size}") for k, t in enumerate(given)]
        best = [float(payoff.max()) for payoff in branches]
        for k, payoff in enumerate(branches):
            earned = min(float(payoff[cell]) for cell in additive_fit(payoff).greedy)
            if earned < best[k] - 1e-9:
                wrong(
                    "wrong inside a branch",
                    f"with size {size} VDN earns {earned:g} of {best[k]:g} in branch {k + 1}; the trap is that it "
                    "plays *both* branches perfectly.",
                )
        if abs(best[0] - best[1]) < 1e-9:
            wrong("nothing to lose", f"with size {size} the best cell of both branches pays {best[0]:g}.")
        rich = int(np.argmax(best))
        expected = [vdn_branch_value(payoff, 1.0) for payoff in branches]
        if abs(expected[0] - expected[1]) < 1e-9:
            wrong("a tie", f"with size {size} VDN expects {expected[0]:g} of both branches.", hint=2)
        if expected[rich] > expected[1 - rich]:
            wrong(
                "VDN chooses well",
                f"with size {size} VDN expects {expected[rich]:.4g} of the better branch and {expected[1 - rich]:.4g} "
                "of the other, so it takes the better one.",
                hint=2,
            )
        if best[rich] <= 0 or best[1 - rich] >= best[rich] / 2:
            wrong(
                "too small a loss",
                f"with size {size} the team earns {best[1 - rich]:g} of {best[rich]:g}; make it less than half of a "
                "positive best.",
                hint=2,
            )
    return "in each branch the choice is right, and the wrong value of one decides against it a step earlier."

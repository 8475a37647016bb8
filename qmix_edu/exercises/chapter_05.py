"""Checks of chapter 05: data matters; fit is not regret."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matrix_games import Sampling, additive_fit, catalogue

from .framework import Misconception, check, diagnose, random_payoffs, table, wrong

Array = NDArray[np.float64]
JointAction = tuple[int, ...]
CHAPTER = "05_data_matters"


def _policies(n_actions: tuple[int, ...], joint: JointAction, epsilon: float) -> list[Array]:
    return [np.where(np.arange(m) == a, 1 - epsilon, 0.0) + epsilon / m for m, a in zip(n_actions, joint, strict=True)]


def _others_only(n_actions: tuple[int, ...], joint: JointAction, epsilon: float) -> Array:
    policies = [
        np.where(np.arange(m) == a, 1 - epsilon, epsilon / (m - 1)) for m, a in zip(n_actions, joint, strict=True)
    ]
    return np.outer(*policies)


def _without_the_greedy_share(n_actions: tuple[int, ...], joint: JointAction, epsilon: float) -> Array:
    policies = [np.where(np.arange(m) == a, 1 - epsilon, epsilon / m) for m, a in zip(n_actions, joint, strict=True)]
    return np.outer(*policies)


def _together(n_actions: tuple[int, ...], joint: JointAction, epsilon: float) -> Array:
    """Both explore at the same moment, or neither."""
    both = np.full(n_actions, epsilon / np.prod(n_actions))
    both[joint] += 1 - epsilon
    return both


@check(
    CHAPTER,
    hints=(
        "First one agent alone: with which probability does it play its greedy action? With which each other one?",
        "Its greedy action has 1 - ε + ε/m, every other one ε/m. The agents draw independently, so the joint "
        "probabilities are products: `np.outer`.",
        "Two agents, three actions each, greedy (b, b), ε = 0.5: 44.4 % at (b, b), 11.1 % beside it in its row and "
        "column, 2.8 % in the four other cells.",
    ),
)
def check_data_weights(answer: Any) -> str:
    """How often each joint action is played by two agents that explore on their own."""
    rng = np.random.default_rng(0)
    shapes = [(3, 3), (2, 4), (3, 2), (2, 2)] * 4
    cases = [(s, tuple(int(rng.integers(m)) for m in s), int(rng.integers(1, 10)) / 10) for s in shapes]
    diagnose(
        answer,
        cases,
        right=lambda sizes, joint, epsilon: Sampling.epsilon_greedy(sizes, joint, epsilon).probabilities,
        misconceptions=[
            Misconception(
                "a random action is never the greedy one",
                "the explorer draws from *all* its actions, so the greedy one has 1 - ε + ε/m.",
                _others_only,
            ),
            Misconception(
                "the probabilities do not sum to 1",
                "a random draw may be the greedy action: it has 1 - ε *plus* ε/m.",
                _without_the_greedy_share,
            ),
            Misconception(
                "both explore at once",
                "you gave one chance ε to the pair; each agent explores on its own, so probabilities multiply.",
                _together,
                hint=2,
            ),
            Misconception(
                "the axes are swapped",
                "the first axis of the array belongs to the first agent.",
                lambda sizes, joint, epsilon: np.outer(*reversed(_policies(sizes, joint, epsilon))),
                hint=2,
            ),
            Misconception(
                "epsilon the wrong way round",
                "ε is the chance of a *random* action: at ε = 0 the greedy cell has everything.",
                lambda sizes, joint, epsilon: np.outer(*_policies(sizes, joint, 1 - epsilon)),
            ),
            Misconception(
                "no probabilities",
                "the weights of all cells together should be 1.",
                lambda sizes, joint, epsilon: np.add.outer(*_policies(sizes, joint, epsilon)),
                hint=2,
            ),
        ],
    )
    return "each cell's weight is the product of its agents' own probabilities."


def border_value(payoff: Array, weights: Array) -> float:
    """Return the weighted mean of the first row and the first column: what a single value for them becomes."""
    border = np.zeros(payoff.shape, dtype=bool)
    border[0, :] = border[:, 0] = True
    return float((weights * payoff)[border].sum() / weights[border].sum())


@check(
    CHAPTER,
    hints=(
        "Which single number has the least *weighted* squared error to five numbers?",
        "Their weighted mean: sum of weight times payoff over the five cells, divided by the sum of their weights. "
        "The corner is in the row and in the column; count it once.",
        "QTRAN's game with equal weights gives -8; with the weights of a team at (b, b), ε = 0.5, it gives -10.18.",
    ),
)
def check_border_value(answer: Any) -> str:
    """The value that the cells of the first row and column share."""
    rng = np.random.default_rng(1)
    payoffs = [catalogue["qtran"].payoff, *random_payoffs(10, seed=2), *random_payoffs(4, (2, 4), seed=3)]
    weights = [rng.dirichlet(np.ones(p.size)).reshape(p.shape) for p in payoffs]
    diagnose(
        answer,
        list(zip(payoffs, weights, strict=True)),
        right=border_value,
        misconceptions=[
            Misconception(
                "every cell counts alike",
                "the data show some of these cells more often than others: weigh them.",
                lambda payoff, weights: border_value(payoff, np.ones(payoff.shape)),
            ),
            Misconception(
                "the corner counts twice",
                "the corner lies in the first row *and* in the first column; count it once.",
                lambda payoff, weights: (
                    ((weights * payoff)[0].sum() + (weights * payoff)[:, 0].sum())
                    / (weights[0].sum() + weights[:, 0].sum())
                ),
                hint=2,
            ),
            Misconception(
                "not divided by the weights of these cells",
                "the weights of all nine cells sum to 1, those of these five do not: divide by their sum.",
                lambda payoff, weights: (weights * payoff)[0].sum() + (weights * payoff)[1:, 0].sum(),
                hint=2,
            ),
            Misconception(
                "the corner left out",
                "(a, a) is one of the five cells in which somebody plays a.",
                lambda payoff, weights: (
                    ((weights * payoff)[0, 1:].sum() + (weights * payoff)[1:, 0].sum())
                    / (weights[0, 1:].sum() + weights[1:, 0].sum())
                ),
            ),
            Misconception(
                "the whole table",
                "only the cells of the first row and the first column share this value.",
                lambda payoff, weights: (weights * payoff).sum() / weights.sum(),
            ),
        ],
    )
    return "the best shared value is the weighted mean, so it moves with the data."


def _own_values(payoff: Array, joint: JointAction, epsilon: float) -> tuple[Array, Array]:
    policy_1, policy_2 = _policies(payoff.shape, joint, epsilon)
    return payoff @ policy_2, policy_1 @ payoff


def _keeps(values: tuple[Array, Array], joint: JointAction) -> list[bool]:
    return [bool(v[a] >= v.max() - 1e-9) for v, a in zip(values, joint, strict=True)]


@check(
    CHAPTER,
    hints=(
        "Take agent 1. Its partner plays joint[1] most of the time. What is each row worth on average?",
        "`payoff @ policy_2`, where policy_2 has 1 - ε + ε/m at joint[1] and ε/m elsewhere. Row joint[0] must be "
        "among the best. Then the same for agent 2, with `policy_1 @ payoff`.",
        "Climbing's (0, 0) confirms itself at ε = 0.5 and not at ε = 0.55; its (2, 2) does at ε = 1 and not at 0.05.",
    ),
)
def check_confirms_itself(answer: Any) -> str:
    """Whether a joint action is each agent's best on average, while the partner explores around it."""
    rng = np.random.default_rng(3)
    games = [*(catalogue[name].payoff for name in ("climbing", "qtran", "penalty-10")), *random_payoffs(6, (2, 3))]
    cases = [
        (payoff, tuple(int(rng.integers(m)) for m in payoff.shape), epsilon)
        for payoff in games
        for epsilon in (0.05, 0.2, 0.5, 0.9)
        for _ in range(4)
    ]

    diagnose(
        answer,
        cases,
        right=lambda payoff, joint, epsilon: all(_keeps(_own_values(payoff, joint, epsilon), joint)),
        misconceptions=[
            Misconception(
                "the best cell of the table",
                "the team does not know the table; each agent compares averages of its own actions.",
                lambda payoff, joint, epsilon: bool(payoff[joint] == payoff.max()),
            ),
            Misconception(
                "a partner who does not explore",
                "this tests a Nash equilibrium, ε = 0; here the partner plays something random with probability ε.",
                lambda payoff, joint, epsilon: all(_keeps(_own_values(payoff, joint, 0.0), joint)),
            ),
            Misconception(
                "a partner at random",
                "you averaged over all columns alike; the partner plays joint[1] most of the time.",
                lambda payoff, joint, epsilon: all(_keeps(_own_values(payoff, joint, 1.0), joint)),
            ),
            Misconception(
                "ties do not matter",
                "`argmax` reports only the first of several best actions; an agent that ties gains nothing by leaving.",
                lambda payoff, joint, epsilon: (
                    tuple(int(v.argmax()) for v in _own_values(payoff, joint, epsilon)) == joint
                ),
            ),
            Misconception(
                "one agent only",
                "both agents must want to stay; you tested agent 1.",
                lambda payoff, joint, epsilon: _keeps(_own_values(payoff, joint, epsilon), joint)[0],
                hint=2,
            ),
            Misconception(
                "one agent is enough",
                "if one agent leaves, the joint action changes: *both* must want to stay.",
                lambda payoff, joint, epsilon: any(_keeps(_own_values(payoff, joint, epsilon), joint)),
                hint=2,
            ),
        ],
    )
    return "such a cell makes the data that choose it again."


@check(
    CHAPTER,
    hints=(
        "Let only agent 1 be tempted: give its row b something safe, say 0 and 0, and put a risk into row a.",
        "Row a is worth (1 - ε/2) · R(a, a) + ε/2 · R(a, b). Choose R(a, b) such that this equals the safe row at the "
        "given ε. See that agent 2 stays.",
        "With R(a, a) = 1 and a safe row of zeros, ε = 0.5 gives R(a, b) = -3.",
    ),
)
def check_game_that_lets_go(answer: Any) -> str:
    """A 2x2 game whose optimum confirms itself below a given exploration rate only."""
    for epsilon in (0.2, 0.5, 0.8):
        payoff = table(answer(epsilon), (2, 2), f"game_that_lets_go({epsilon})")
        if np.argwhere(payoff == payoff.max()).tolist() != [[0, 0]]:
            wrong("the optimum is elsewhere", f"at ε = {epsilon} the one best cell should be (a, a), row 0, column 0.")
        stays = {
            rate: (0, 0) in additive_fit(payoff, Sampling.epsilon_greedy((2, 2), (0, 0), rate)).greedy
            for rate in (0.9 * epsilon, 1.1 * epsilon)
        }
        if not any(stays.values()):
            wrong(
                "it lets go too early", f"for ε = {epsilon} the optimum is left at {0.9 * epsilon:.2f} already.", hint=2
            )
        if all(stays.values()):
            wrong(
                "it never lets go",
                f"for ε = {epsilon} the optimum still confirms itself at {1.1 * epsilon:.2f}.",
                hint=2,
            )
    return "you built a stable optimum that a team with more exploration than this cannot hold."


@check(
    CHAPTER,
    hints=(
        "What would the best team earn, and what does this one?",
        "`payoff[joint]` reads a cell by a tuple. Take the mean over all greedy joint actions.",
        "Penalty(-10) with greedy [(0, 2), (2, 0)] has regret 20; with [(0, 0), (1, 1)] it has 4.",
    ),
)
def check_regret(answer: Any) -> str:
    """What a team that acts greedily misses, on average over ties."""
    rng = np.random.default_rng(5)
    payoffs = [catalogue["penalty-10"].payoff, *random_payoffs(12, seed=6), *random_payoffs(4, (2, 4), seed=7)]
    cases = [
        (p, [tuple(int(rng.integers(m)) for m in p.shape) for _ in range(int(rng.integers(1, 4)))]) for p in payoffs
    ]

    diagnose(
        answer,
        cases,
        right=lambda payoff, greedy: payoff.max() - np.mean([payoff[joint] for joint in greedy]),
        misconceptions=[
            Misconception(
                "the payoff, not the regret",
                "this is what the team earns; the regret is what it *misses*.",
                lambda payoff, greedy: np.mean([payoff[joint] for joint in greedy]),
            ),
            Misconception(
                "the sign",
                "regret is the best payoff minus the earned one, so it is never negative.",
                lambda payoff, greedy: np.mean([payoff[joint] for joint in greedy]) - payoff.max(),
            ),
            Misconception(
                "ties broken in the team's favour",
                "the team may take any of the greedy joint actions, not only the best of them.",
                lambda payoff, greedy: payoff.max() - max(payoff[joint] for joint in greedy),
                hint=2,
            ),
            Misconception(
                "the first greedy joint action",
                "where several are greedy, count them all.",
                lambda payoff, greedy: payoff.max() - payoff[greedy[0]],
                hint=2,
            ),
            Misconception(
                "measured from the average",
                "compare with the *best* payoff.",
                lambda payoff, greedy: payoff.mean() - np.mean([payoff[joint] for joint in greedy]),
            ),
        ],
    )
    return "0 means that the team plays as well as anybody could."

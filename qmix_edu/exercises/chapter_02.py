"""Checks of chapter 02: independent learners, and what they do with low rewards."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matrix_games import LenientQ, OwnTemperature, Study, catalogue, play

from .framework import Misconception, check, diagnose, random_payoffs, show, wrong

Array = NDArray[np.float64]
CHAPTER = "02_independent_learners"


def _hysteretic(q: float, reward: float, alpha: float, beta: float) -> float:
    return _plain(q, reward, alpha if reward >= q else beta)


def _plain(q: float, reward: float, rate: float) -> float:
    return q + rate * (reward - q)


@check(
    CHAPTER,
    hints=(
        "First the error: how much more than its value did the action bring? Its sign chooses the rate.",
        "`error = reward - q`. Good news, `error >= 0`, counts with `alpha`; bad news with `beta`. Then "
        "`q + rate * error`.",
        "With alpha 0.5 and beta 0.1: from q = 2, a reward of 6 leads to 4, and a reward of -8 to 1.",
    ),
)
def check_hysteretic(hysteretic: Any) -> str:
    """The hysteretic update of one value."""
    rng = np.random.default_rng(3)
    pairs = [(q, r) for q in (-6.0, -1.0, 2.0, 7.0) for r in (-30.0, -3.0, 1.0, 5.0, 11.0)]
    rates = [(rng.integers(5, 10) / 10, rng.integers(1, 5) / 10) for _ in pairs]
    cases = [(*pair, float(alpha), float(beta)) for pair, (alpha, beta) in zip(pairs, rates, strict=True)]
    diagnose(
        hysteretic,
        cases,
        right=_hysteretic,
        misconceptions=[
            Misconception(
                "the rates are swapped",
                "you correct bad news at the high rate alpha and good news at the low rate beta.",
                lambda q, r, alpha, beta: _hysteretic(q, r, beta, alpha),
            ),
            Misconception(
                "the error's sign",
                "your value moves away from the reward; the error is the reward minus the value.",
                lambda q, r, alpha, beta: q - (alpha if r >= q else beta) * (r - q),
            ),
            Misconception(
                "the error's sign",
                "your value moves away from the reward; the error is the reward minus the value.",
                lambda q, r, alpha, beta: q + (alpha if q >= r else beta) * (q - r),
            ),
            Misconception(
                "beta is ignored",
                "you correct every error at the rate alpha: that is independent Q-learning.",
                lambda q, r, alpha, beta: _plain(q, r, alpha),
            ),
            Misconception(
                "one rate for both",
                "you correct every error at the rate beta: that is independent Q-learning, only slower.",
                lambda q, r, alpha, beta: _plain(q, r, beta),
            ),
            Misconception(
                "one rate for both",
                "you correct every error at the rate alpha * beta, whether the news is good or bad.",
                lambda q, r, alpha, beta: _plain(q, r, alpha * beta),
            ),
            Misconception(
                "the reward's sign instead of the error's",
                "5 is bad news for an action worth 7, and -3 is good news for one worth -6: look at the error.",
                lambda q, r, alpha, beta: _plain(q, r, alpha if r >= 0 else beta),
            ),
            Misconception(
                "bad news never counts",
                "you leave the value as it is when the error is negative; it should move at the rate beta.",
                lambda q, r, alpha, beta: max(q, _plain(q, r, alpha)),
            ),
            Misconception(
                "the change, not the new value",
                "you return by how much the value changes; return the value after the change.",
                lambda q, r, alpha, beta: _hysteretic(q, r, alpha, beta) - q,
            ),
        ],
    )
    return "good news counts at the rate alpha, bad news at the rate beta, and news is what differs from the value."


def _lock(policy: int, q: Array, action: int, reward: float) -> int:
    return action if reward > q.max() else policy


def _argmax_after(policy: int, q: Array, action: int, reward: float) -> int:
    after = q.copy()
    after[action] = max(q[action], reward)
    return int(after.argmax())


@check(
    CHAPTER,
    hints=(
        "The policy is a habit that only a *record* can change: compare the reward with all values, not with one.",
        "If `reward > q.max()`, the policy becomes `action`; otherwise it stays what it was.",
        "Values (10, 2, 0), policy 0: a reward of 10 for action 2 changes nothing, one of 11 makes the policy 2.",
    ),
)
def check_lock(lock: Any) -> str:
    """The policy after one play of distributed Q-learning."""
    cases = [
        (policy, np.array(q, dtype=float), action, float(reward))
        for q in ([10, 2, 10], [-100, 3, -7], [5, 5, 5], [0, -4, 6])
        for policy in np.flatnonzero(np.array(q) == max(q)).tolist()
        for action in range(3)
        for reward in (-8, -2, 4, 6, 10, 11)
    ]
    diagnose(
        lock,
        cases,
        right=_lock,
        misconceptions=[
            Misconception(
                "the argmax of the values",
                "you take the first of the highest values again, so the lock remembers nothing and a tie stays a tie.",
                _argmax_after,
                hint=2,
            ),
            Misconception(
                "a record of this action only",
                "you compare the reward with the action's own value; only a record of *all* actions moves the policy.",
                lambda policy, q, action, reward: action if reward > q[action] else policy,
            ),
            Misconception(
                "a tie moves the policy",
                "a reward that only *equals* the highest value moves your policy; the agents would then go on "
                "switching between equal optima.",
                lambda policy, q, action, reward: action if reward >= q.max() else policy,
            ),
            Misconception(
                "the last action wins",
                "your policy becomes whatever was played last, even an exploring action.",
                lambda policy, q, action, reward: action,
            ),
            Misconception(
                "the lock never opens",
                "your policy never changes; it must follow a reward above everything seen so far.",
                lambda policy, q, action, reward: policy,
            ),
        ],
    )
    return "the first joint action to set the record is kept by all agents, because all see the same record."


def optimist_values(outcomes: Array) -> Array:
    """What distributed Q-learning ends with: the highest reward that each action of agent 1 can ever bring.

    ``Q_1(a_1) = max_{k, a_2} R_k(a_1, a_2)``; ``outcomes`` is ``[k, m1, m2]``, one table for each equally
    likely outcome; the result is ``[m1]``.
    """
    return outcomes.max(axis=(0, 2))


@check(
    CHAPTER,
    hints=(
        "A value that never falls keeps the highest reward it has ever met. Over what does it vary?",
        "Over the partner's action (the last axis) *and* over the luck of the draw (the first axis).",
        "For the two tables [[1, 5], [0, 2]] and [[1, 3], [8, 2]] the values are 5 and 8.",
    ),
)
def check_optimist_values(answer: Any) -> str:
    """The values that distributed Q-learning ends with in a stochastic game."""
    shapes = [(2, 3, 3), (2, 3, 4), (3, 2, 5), (1, 3, 3), (2, 4, 3)]
    cases = [(payoffs,) for seed, shape in enumerate(shapes) for payoffs in random_payoffs(4, shape, seed)]
    diagnose(
        answer,
        cases,
        right=optimist_values,
        misconceptions=[
            Misconception(
                "the noise is averaged first",
                "you average over the outcomes before you take the maximum, but max(Q, r) meets one outcome at a "
                "time and keeps the luckiest.",
                lambda outcomes: outcomes.mean(axis=0).max(axis=1),
            ),
            Misconception(
                "the noise is averaged",
                "you average each outcome's best reward over the outcomes; max(Q, r) keeps the luckiest of them.",
                lambda outcomes: outcomes.max(axis=2).mean(axis=0),
            ),
            Misconception(
                "the partner is averaged",
                "you average over the partner's actions; max(Q, r) keeps the reward of the best partner.",
                lambda outcomes: outcomes.max(axis=0).mean(axis=1),
            ),
            Misconception(
                "the average of everything",
                "that is what independent Q-learning ends with against a random partner; an optimist never averages.",
                lambda outcomes: outcomes.mean(axis=(0, 2)),
            ),
            Misconception(
                "columns for rows",
                "these are agent 2's values; agent 1 chooses the row, axis 1 of [k, m1, m2].",
                lambda outcomes: outcomes.max(axis=(0, 1)),
                hint=2,
            ),
            Misconception(
                "one outcome only",
                "you look at the first outcome only; sooner or later every outcome is drawn.",
                lambda outcomes: outcomes[0].max(axis=1),
                hint=2,
            ),
        ],
    )
    return "an optimist takes the luckiest draw for the truth; where draws are lucky, that is another action's truth."


_LENIENT_RUNS, _LENIENT_PLAYS = 300, 5_000
_MIDDLE = 10.0  # measured with the settings below: 90 % at 10, less than 70 % at 1 and at 100


def play_lenient(game: str, theta: float, *, runs: int, plays: int = _LENIENT_PLAYS, seed: int = 0) -> Study:
    """Play a game of the catalogue with lenient learners who explore by their own temperatures (omega 1).

    Raises:
        ValueError: ``theta``, ``runs`` or ``plays`` is out of its range.
    """
    return play(
        catalogue[game],
        LenientQ(theta=theta),
        rng=np.random.default_rng(seed),
        runs=runs,
        plays=plays,
        exploration=OwnTemperature(omega=1.0),
    )


@check(
    CHAPTER,
    hints=(
        "Leniency is exp(-1 / (theta T)), and T falls from 50 towards 0. It should fade soon after exploration ends "
        "(at T = 2, some 640 plays of each action): not before, and not long after.",
        "Try powers of ten: 0.1, 1, 10, 100, 1000. Each trial takes about a second.",
        "The right order of magnitude ends in (a, a) in about nine runs of ten; both neighbours in less than seven.",
    ),
)
def check_choose_theta(choose_theta: Any) -> str:
    """A leniency with which at least 70 % of the runs find the optimum of fully stochastic climbing."""
    theta = choose_theta()
    if isinstance(theta, bool) or not isinstance(theta, (int, float, np.integer, np.floating)):
        wrong("not a number", f"choose_theta should return one number, and returns {show(theta)}.")
    if not 0 < theta < np.inf:
        wrong("out of range", f"theta is {theta:g}; it should be a finite number above 0.")
    study = play_lenient("climbing-fully-stochastic", float(theta), runs=_LENIENT_RUNS)
    found = f"with theta = {theta:g}, {study.share:.0%} of {_LENIENT_RUNS} runs end in (a, a)"
    if study.share < 0.7:
        if theta > _MIDDLE:
            wrong(
                "too much forgiveness",
                f"{found}: low rewards are forgiven for so long that luck passes for value.",
            )
        wrong(
            "too little forgiveness",
            f"{found}: low rewards count while the partner still explores, so the partner's errors pass for value.",
        )
    return f"{found}: forgiving while the partner explores, learning the averages afterwards."

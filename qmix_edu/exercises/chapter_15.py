"""Checks of chapter 15: the size of a joint table, counterfactual advantages, baselines, and hills that mislead."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from matrix_games import catalogue

from .framework import Misconception, check, diagnose, show, table, wrong

Array = NDArray[np.float64]
CHAPTER = "15_joint_q_and_policy_gradients"


def never_played(n_actions: int, n_agents: int, plays: int) -> float:
    """Return the expected share of joint actions without a play, ``(1 - m^-n)^plays``, if all are equally likely."""
    return (1 - 1 / n_actions**n_agents) ** plays


@check(
    CHAPTER,
    hints=(
        "Take one joint action. How likely is it that a single play is *another* one?",
        "There are m^n joint actions, so a play misses a given one with probability 1 - 1/m^n, and all plays miss it "
        "with that to the power of their number. By linearity this is the expected share as well.",
        "never_played(4, 5, 2000) is about .142, and with six agents about .614.",
    ),
)
def check_never_played(answer: Any) -> str:
    """The expected share of the joint table that no play has touched."""
    diagnose(
        answer,
        cases=[(4, 5, 2000), (2, 3, 10), (3, 2, 5), (8, 3, 300), (5, 1, 7), (2, 8, 400), (10, 4, 2000), (3, 4, 1)],
        right=never_played,
        misconceptions=[
            Misconception(
                "each agent by itself",
                "you ask whether an agent's own action was never played; a joint action is one of m^n.",
                lambda m, n, plays: (1 - 1 / m) ** plays,
            ),
            Misconception(
                "sum instead of product",
                "you count n m joint actions; every combination is one, and there are m^n.",
                lambda m, n, plays: (1 - 1 / (m * n)) ** plays,
            ),
            Misconception(
                "base and exponent exchanged",
                "you count n^m joint actions; each of the n agents has m choices, which makes m^n.",
                lambda m, n, plays: (1 - 1 / n**m) ** plays if n > 1 else 0.0,
            ),
            Misconception(
                "no play is repeated",
                "you let every play be a new joint action; random plays repeat themselves.",
                lambda m, n, plays: max(0.0, 1 - plays / m**n),
                hint=2,
            ),
            Misconception(
                "what was played",
                "that is the share that *was* played; you are asked for the rest.",
                lambda m, n, plays: 1 - never_played(m, n, plays),
            ),
            Misconception(
                "a number, not a share",
                "that is *how many* joint actions were never played; divide by how many there are.",
                lambda m, n, plays: m**n * never_played(m, n, plays),
            ),
            Misconception(
                "the chance of a single play",
                "that is the chance that one play misses it; all of them have to.",
                lambda m, n, plays: 1 - 1 / m**n,
                hint=2,
            ),
            Misconception(
                "the limit for large tables",
                "exp(-plays / m^n) is what it tends to for large tables; small ones differ, so write it exactly.",
                lambda m, n, plays: float(np.exp(-plays / m**n)),
                hint=2,
            ),
        ],
    )
    return "this is what no memory and no processor can help with."


def _rows(count: int, seed: int) -> list[tuple[Array, Array]]:
    """Return rows of values and of probabilities, none of which is uniform or near 0 or 1."""
    rng = np.random.default_rng(seed)
    sizes = [int(k) for k in rng.integers(3, 6, size=count)]
    return [(rng.normal(2, 5, k), softmax(rng.normal(0, 0.8, k))) for k in sizes]


def counterfactual_advantage(q: Array, policy: Array, action: int) -> float:
    """Return ``q(u) - sum_u' policy(u') q(u')``: the others' actions are fixed in the row q."""
    return float(q[action] - policy @ q)


@check(
    CHAPTER,
    hints=(
        "What would the team have got, had this agent alone acted as it *usually* does?",
        "The baseline is the mean of q under the agent's policy, `policy @ q`; subtract it from the value of what was "
        "done.",
        "q = [4, 0], policy = [.25, .75]: the baseline is 1, the advantages 3 and -1, and .25 times 3 less .75 is 0.",
    ),
)
def check_counterfactual_advantage(answer: Any) -> str:
    """How much better an action was than what the agent does on average."""
    cases = [(q, policy, u) for q, policy in _rows(8, seed=1) for u in range(len(q))]
    diagnose(
        answer,
        cases,
        right=counterfactual_advantage,
        misconceptions=[
            Misconception(
                "no baseline",
                "you return the value of the action; it still contains what all the others brought.",
                lambda q, policy, u: q[u],
            ),
            Misconception(
                "every action counts the same",
                "you average over the actions evenly; the baseline is what the agent *usually* does, by its policy.",
                lambda q, policy, u: q[u] - q.mean(),
            ),
            Misconception(
                "compared with the best",
                "you compare with the best action; then no advantage is above 0 and their mean is not 0.",
                lambda q, policy, u: q[u] - q.max(),
            ),
            Misconception(
                "the own action left out",
                "you average over the *other* actions, so the baseline depends on the own one, which biases the "
                "gradient.",
                lambda q, policy, u: q[u] - (policy @ q - policy[u] * q[u]) / (1 - policy[u]),
                hint=2,
            ),
            Misconception(
                "the own action left out",
                "your sum leaves the agent's own action out; the policy includes it, and so does its mean.",
                lambda q, policy, u: q[u] - (policy @ q - policy[u] * q[u]),
                hint=2,
            ),
            Misconception(
                "the wrong way round",
                "your sign is turned round: an action better than usual has a *positive* advantage.",
                lambda q, policy, u: policy @ q - q[u],
            ),
            Misconception(
                "weighted with its own probability",
                "do not multiply by the probability of the action: the gradient samples it with that already.",
                lambda q, policy, u: policy[u] * (q[u] - policy @ q),
                hint=2,
            ),
            Misconception(
                "all actions at once",
                "you return an advantage for every action; asked is the one of the action that was taken.",
                lambda q, policy, u: q - policy @ q,
            ),
        ],
    )
    return "averaged over the agent's policy it is zero, whatever q is: try it."


def expected_gradient(policy: Array, q: Array, baseline: Array) -> Array:
    """Return ``sum_u policy(u) (e_u - policy) (q(u) - b(u))``, the mean policy gradient in a softmax's logits."""
    weighted = policy * (q - baseline)
    return weighted - policy * weighted.sum()


@check(
    CHAPTER,
    hints=(
        "An expectation over the agent's own action: a sum over u, weighted by its probability.",
        "Write w(u) = policy(u) (q(u) - b(u)). The sum of w(u) (e_u - policy) is w - policy * w.sum().",
        "policy = [.5, .5], q = [2, 0], b = [0, 0] gives [.5, -.5]; with b = [7, 7] the same; with b = [2, 0] it is 0.",
    ),
)
def check_expected_gradient(answer: Any) -> str:
    """The mean gradient of one agent's logits, for a baseline that may look at the action."""
    rng = np.random.default_rng(2)
    cases = [(policy, q, rng.normal(0, 3, len(q))) for q, policy in _rows(8, seed=3)]
    cases += [(policy, q, np.full(len(q), 7.0)) for q, policy in _rows(3, seed=4)]
    diagnose(
        answer,
        cases,
        right=expected_gradient,
        misconceptions=[
            Misconception(
                "the score is only half there",
                "you forgot the -policy of the score e_u - policy: raising one logit lowers all other probabilities.",
                lambda policy, q, b: policy * (q - b),
                hint=2,
            ),
            Misconception(
                "every action counts the same",
                "you sum over the actions without their probabilities; it is an expectation over the policy.",
                lambda policy, q, b: (q - b) - policy * (q - b).sum(),
            ),
            Misconception(
                "every action counts the same",
                "you average over the actions evenly; it is an expectation over the policy.",
                lambda policy, q, b: ((q - b) - policy * (q - b).sum()) / len(q),
            ),
            Misconception(
                "the baseline is forgotten",
                "you leave the baseline out. Where it looks at the action, that makes a difference.",
                lambda policy, q, b: expected_gradient(policy, q, 0 * b),
            ),
            Misconception(
                "the baseline is added",
                "the baseline is subtracted from the value.",
                lambda policy, q, b: expected_gradient(policy, q, -b),
            ),
            Misconception(
                "the wrong way round",
                "that is the gradient of a loss; asked is the one that raises the payoff.",
                lambda policy, q, b: -expected_gradient(policy, q, b),
            ),
            Misconception(
                "summed up",
                "you summed over the logits as well (which always gives 0); return one number for each.",
                lambda policy, q, b: expected_gradient(policy, q, b).sum(),
            ),
            Misconception(
                "one baseline for all",
                "you use the baseline's mean under the policy; each action has its own entry.",
                lambda policy, q, b: expected_gradient(policy, q, np.full(len(q), policy @ b)),
            ),
        ],
    )
    return "now put in a baseline that is the same for every action, and compare."


def follow_gradient(payoff: Array, rate: float = 0.5, rounds: int = 20_000) -> tuple[Array, Array]:
    """Follow the exact gradient of the expected payoff from uniform policies; return both policies at the end.

    It is :func:`expected_gradient` with the true value of every own action. The payoff is scaled to a spread of 1, so
    that ``rate`` means the same in every game. Ends early when both are all but sure and neither gains by changing.
    """
    scaled = payoff / np.ptp(payoff)
    logits, policies = [np.zeros(k) for k in payoff.shape], [np.full(k, 1 / k) for k in payoff.shape]
    for _ in range(rounds):
        values = [scaled @ policies[1], policies[0] @ scaled]
        settled = [p.max() > 0.99 and v[p.argmax()] >= v.max() for p, v in zip(policies, values, strict=True)]
        if all(settled):
            break
        for i, (p, v) in enumerate(zip(policies, values, strict=True)):
            logits[i] += rate * p * (v - p @ v)
        policies = [np.exp(x - x.max()) / np.exp(x - x.max()).sum() for x in logits]
    return policies[0], policies[1]


def _of_the_catalogue(payoff: Array) -> str | None:
    """Return the name of the catalogue's game that this is, but for the units of its payoffs."""
    for name, game in catalogue.items():
        if game.payoff.shape == payoff.shape and any(
            np.allclose(_in_unit_range(payoff), _in_unit_range(other)) for other in (game.payoff, game.payoff.T)
        ):
            return name
    return None


def _in_unit_range(payoff: Array) -> Array:
    return (payoff - payoff.min()) / np.ptp(payoff)


@check(
    CHAPTER,
    hints=(
        "Against a uniform partner an action is worth the average of its row or column. Which row does agent 1 prefer "
        "at the start, and which column agent 2?",
        "Let the best joint action lie in a row and a column with a *low* average: missing it must be expensive. And "
        "where they end instead, neither may gain by changing alone.",
        "The best in one corner, large losses beside it in its row and column, something small but safe opposite.",
    ),
)
def check_stuck_game(answer: Any) -> str:
    """A table of three by three on which the exact policy gradient ends beside the optimum."""
    payoff = table(answer(), (3, 3), "your game")
    spread = float(np.ptp(payoff))
    if spread == 0:
        wrong("nothing to gain", "every joint action of your game pays the same.")
    if (name := _of_the_catalogue(payoff)) is not None:
        wrong("from the catalogue", f"that is {name!r}, but for its units; make one of your own.")
    if (payoff > payoff.max() - 1e-6 * spread).sum() > 1:
        wrong("two best joint actions", f"more than one joint action pays {show(payoff.max())}; let one be best.")
    p, q = follow_gradient(payoff)
    i, j = int(p.argmax()), int(q.argmax())
    ends = payoff[i, j]
    if min(p.max(), q.max()) < 0.9 or ends < max(payoff[:, j].max(), payoff[i].max()):
        wrong("undecided", "after 20,000 steps the policies are still on their way; make the differences larger.")
    if ends >= payoff.max() - 1e-6 * spread:
        wrong("the gradient finds it", f"from the uniform start the gradient ends at the best, {show(ends)}.", hint=2)
    return f"the gradient ends at {show(ends)}, and the best is {show(payoff.max())}. No critic was wrong."

"""Checks of chapter 10: deep independent learners."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .framework import Misconception, check, diagnose

Array = NDArray[np.float64]
CHAPTER = "10_deep_independent_learners"


def hysteretic_loss(errors: Array, mask: Array, beta: float) -> float:
    """Return ``sum w m d^2 / sum m`` with ``w = 1`` where ``d >= 0`` and ``beta`` elsewhere; all are [b, t]."""
    return float((np.where(errors >= 0, 1.0, beta) * mask * errors**2).sum() / mask.sum())


def _batches() -> list[tuple[Array, Array, float]]:
    rng = np.random.default_rng(0)
    cases: list[tuple[Array, Array, float]] = []
    for batch, steps in [(1, 4), (2, 3), (3, 5), (2, 6)] * 3:
        lengths = rng.integers(1, steps, size=batch)  # at least one padded step in every episode
        mask = (np.arange(steps) < lengths[:, None]).astype(np.float64)
        errors = rng.integers(-40, 41, size=(batch, steps)) / 10
        errors[0, 0], errors[-1, -1] = -1.5, 2.5
        cases.append((errors, mask, float(rng.integers(1, 9) / 10)))
    return cases


@check(
    CHAPTER,
    hints=(
        "First the weights, an array of the shape of the errors: `np.where(condition, 1, beta)`. Which errors are good "
        "news?",
        "Weight times mask times squared error, summed, divided by the number of real transitions, `mask.sum()`.",
        "Errors [[2, -2, 9]] with the mask [[1, 1, 0]] and β = .5 give (4 + .5 · 4) / 2 = 3.",
    ),
)
def check_hysteretic_loss(answer: Any) -> str:
    """The hysteretic loss of a batch: negative errors count beta, padded steps nothing."""
    diagnose(
        answer,
        _batches(),
        right=hysteretic_loss,
        misconceptions=[
            Misconception(
                "the good news is discounted",
                "an error is target minus value, so a *negative* one is bad news, and that one counts β.",
                lambda d, m, beta: hysteretic_loss(-d, m, beta),
            ),
            Misconception(
                "the weight inside the square",
                "you weighted the error and then squared it, so bad news counts β²; weight the squared error.",
                lambda d, m, beta: hysteretic_loss(d, m, beta**2),
                hint=2,
            ),
            Misconception(
                "padded steps count",
                "steps after the end of an episode are padding; multiply by the mask, and divide by its sum.",
                lambda d, m, beta: hysteretic_loss(d, np.ones_like(m), beta),
                hint=2,
            ),
            Misconception(
                "divided by all steps",
                "padded steps are no longer in the sum, and still in the number you divide by; divide by `mask.sum()`.",
                lambda d, m, beta: hysteretic_loss(d, m, beta) * m.mean(),
                hint=2,
            ),
            Misconception(
                "divided by the weights",
                "divided by the sum of the weights, a batch of bad news alone counts in full; divide by `mask.sum()`.",
                lambda d, m, beta: hysteretic_loss(d, m, beta) * m.sum() / (np.where(d >= 0, 1.0, beta) * m).sum(),
                hint=2,
            ),
            Misconception(
                "bad news is ignored",
                "you dropped the negative errors, as distributed Q-learning does; here they count β.",
                lambda d, m, beta: hysteretic_loss(d, m, 0.0),
            ),
            Misconception(
                "every error counts alike",
                "this is the loss of IQL; where does β come in?",
                lambda d, m, beta: hysteretic_loss(d, m, 1.0),
            ),
            Misconception(
                "the errors are not squared",
                "the loss is made of *squared* errors.",
                lambda d, m, beta: (np.where(d >= 0, 1.0, beta) * m * np.abs(d)).sum() / m.sum(),
            ),
        ],
    )
    return "one `where` makes IQL an optimist; the library's `hysteretic(beta)` is that line."


def cooled(temperatures: Array, highest: float, moderation: float, rho: float, d: float) -> tuple[Array, Array]:
    """Return the temperatures [t] of an episode after it, and the leniency that they give.

    ``T <- min(exp(rho d^n) T, T_max)``, n = 0 at the last step; ``l = 1 - exp(-K T)``.
    """
    to_the_end = np.arange(len(temperatures))[::-1]
    after = np.minimum(np.exp(rho * d**to_the_end) * temperatures, highest)
    return after, 1 - np.exp(-moderation * after)


def _with(factor: Any, leniency: Any = None, cap: bool = True) -> Any:
    """Return a model that cools by ``factor(steps since the start, episode length, rho, d)``."""

    def model(temperatures: Array, highest: float, moderation: float, rho: float, d: float) -> tuple[Array, Array]:
        t = len(temperatures)
        after = factor(np.arange(t, dtype=np.float64), t, rho, d) * temperatures
        after = np.minimum(after, highest) if cap else after
        return after, leniency(moderation, after) if leniency else 1 - np.exp(-moderation * after)

    return model


def _decay(t: Array, length: int, rho: float, d: float) -> Array:
    return np.exp(rho * d ** (length - 1 - t))


@check(
    CHAPTER,
    hints=(
        "How many steps before the end is each transition? The last one 0, the one before 1, and so on: "
        "`np.arange(len(temperatures))[::-1]`.",
        "Multiply each temperature by exp(ρ dⁿ), cap it with `np.minimum(..., highest)`, and put the *new* temperature "
        "into 1 - exp(-K T). Return both arrays.",
        "Temperatures [1, 1, 1], T_max = .9, K = 3, ρ = -.5, d = .5 become [.882, .779, .607]; the leniencies are "
        "[.929, .903, .838].",
    ),
)
def check_cooled(answer: Any) -> str:
    """The temperatures of an episode after it, and the leniency that they give."""
    rng = np.random.default_rng(1)
    cases = [
        (rng.uniform(0.1, 1, size=t), float(rng.uniform(0.4, 0.8)), k, rho, d)
        for t in (2, 3, 5, 8)
        for k, rho, d in ((3.0, -0.5, 0.5), (1.0, -0.2, 0.8), (2.0, -1.0, 0.9))
    ]
    diagnose(
        answer,
        cases,
        right=cooled,
        misconceptions=[
            Misconception(
                "from the start",
                "you counted n from the first step, so the first one cools fastest; n = 0 is the *last* transition.",
                _with(lambda t, length, rho, d: np.exp(rho * d**t)),
            ),
            Misconception(
                "one step off",
                "you gave the last transition n = 1; it has n = 0, so it cools by exp(ρ).",
                _with(lambda t, length, rho, d: np.exp(rho * d ** (length - t))),
            ),
            Misconception(
                "the cap is missing",
                "no temperature may be above T_max afterwards: take the minimum.",
                _with(_decay, cap=False),
                hint=2,
            ),
            Misconception(
                "the same decay everywhere",
                "you multiplied every step by exp(ρ); the exponent is ρ dⁿ, weaker the further from the end.",
                _with(lambda t, length, rho, d: np.exp(rho)),
            ),
            Misconception(
                "no exponential",
                "you multiplied by dⁿ; the factor is exp(ρ dⁿ), close to 1 far from the end.",
                _with(lambda t, length, rho, d: d ** (length - 1 - t)),
                hint=2,
            ),
            Misconception(
                "leniency upside down",
                "you returned exp(-K T), which is small while an action is young; leniency is 1 minus that.",
                _with(_decay, leniency=lambda k, temperature: np.exp(-k * temperature)),
                hint=2,
            ),
            Misconception(
                "the leniency of chapter 02",
                "exp(-1 / (θ T)) is the form for tables; here it is 1 - exp(-K T).",
                _with(_decay, leniency=lambda k, temperature: np.exp(-1 / (k * temperature))),
                hint=2,
            ),
            Misconception(
                "the leniency from before",
                "you put the old temperatures into the leniency; the question is what holds *after* the episode.",
                lambda temperatures, highest, k, rho, d: (
                    cooled(temperatures, highest, k, rho, d)[0],
                    1 - np.exp(-k * temperatures),
                ),
                hint=2,
            ),
        ],
    )
    return "the end of an episode grows strict first, its beginning last."


def belief(past: Array, target: float, tolerance: float, beta: float) -> float:
    """Return 1 if ``target >= mean(past)``, else ``max(beta, share of past within tolerance of target)``."""
    return 1.0 if target >= past.mean() else max(beta, float((np.abs(past - target) <= tolerance).mean()))


@check(
    CHAPTER,
    hints=(
        "Is it good news? Then the weight is 1. If not: which share of the past returns is as near to the target as "
        "`tolerance`?",
        "`(np.abs(past - target) <= tolerance).mean()` is the share; β is the least that the weight can be.",
        "For past [10, 10, 12, 12], tolerance .5 and β = .1: target 12 weighs 1, 10 weighs .5, and -65 weighs .1.",
    ),
)
def check_belief(answer: Any) -> str:
    """How much a return counts, given which returns the same action brought before."""
    rng = np.random.default_rng(2)
    cases: list[tuple[Array, float, float, float]] = []
    for _ in range(30):
        past = rng.choice([-65.0, -30.0, 0.0, 7.0, 10.0, 12.0], size=8)
        cases.append((past, float(rng.choice([-65.0, -30.2, 0.3, 10.0, 12.0])), 0.5, float(rng.choice([0.1, 0.2]))))
    odd = np.array([-65.0, 10.0, 10.0, 12.0, 12.0])  # the mean, -4.2, is far below the median
    cases += [(odd, 0.0, 0.5, 0.1), (odd, 9.9, 0.5, 0.1), (odd, -65.0, 0.5, 0.1)]

    def share(past: Array, target: float, tolerance: float) -> float:
        return float((np.abs(past - target) <= tolerance).mean())

    diagnose(
        answer,
        cases,
        right=belief,
        misconceptions=[
            Misconception(
                "good news is doubted too",
                "a target at or above the mean counts 1, however rare it is.",
                lambda past, target, tolerance, beta: max(beta, share(past, target, tolerance)),
            ),
            Misconception(
                "no floor",
                "the weight never falls below β: a distribution that is wrong could else never be mended.",
                lambda past, target, tolerance, beta: 1.0 if target >= past.mean() else share(past, target, tolerance),
                hint=2,
            ),
            Misconception(
                "hysteretic",
                "you gave all bad news β; bad news that is *common* counts more.",
                lambda past, target, tolerance, beta: 1.0 if target >= past.mean() else beta,
            ),
            Misconception(
                "all that is as bad or worse",
                "you counted everything below the target; count what lies *near* it.",
                lambda past, target, tolerance, beta: (
                    1.0 if target >= past.mean() else max(beta, float((past <= target + tolerance).mean()))
                ),
                hint=2,
            ),
            Misconception(
                "the common is doubted",
                "you took one minus the share: what the action often brings is to be *believed*.",
                lambda past, target, tolerance, beta: (
                    1.0 if target >= past.mean() else max(beta, 1 - share(past, target, tolerance))
                ),
            ),
            Misconception(
                "a number, not a share",
                "you counted the near returns; divide by how many there are.",
                lambda past, target, tolerance, beta: (
                    1.0 if target >= past.mean() else max(beta, len(past) * share(past, target, tolerance))
                ),
                hint=2,
            ),
            Misconception(
                "compared with the median",
                "good or bad news is measured from the mean, which is the value of the action.",
                lambda past, target, tolerance, beta: (
                    1.0 if target >= np.median(past) else max(beta, share(past, target, tolerance))
                ),
            ),
        ],
    )
    return "bad news counts as much as it is common."


def importance(now: Array, old: Array, agent: int) -> Array:
    """Return ``prod_{i != agent} now_i / old_i`` of every sample; both are [k, n]."""
    return np.delete(now / old, agent, axis=1).prod(axis=1)


@check(
    CHAPTER,
    hints=(
        "How much more likely is it now than then that the *others* act so? The ratio of one teammate is "
        "`now[:, i] / old[:, i]`.",
        "Take the ratios of all agents but `agent` (`np.delete(ratios, agent, axis=1)`), multiplied along axis 1.",
        "For now [[.9, .2, .5]] and old [[.3, .4, .5]]: agent 0 gets .5 · 1 = .5, agent 1 gets 3 · 1 = 3, agent 2 gets "
        "3 · .5 = 1.5.",
    ),
)
def check_importance(answer: Any) -> str:
    """The importance weight of replayed samples for one agent."""
    rng = np.random.default_rng(3)
    cases = [
        (rng.uniform(0.05, 1, size=(k, n)), rng.uniform(0.05, 1, size=(k, n)), int(rng.integers(n)))
        for k, n in [(4, 2), (3, 3), (5, 4), (2, 3)] * 3
    ]

    def others(now: Array, old: Array, agent: int) -> Array:
        return np.delete(now / old, agent, axis=1)

    diagnose(
        answer,
        cases,
        right=importance,
        misconceptions=[
            Misconception(
                "your own ratio is in it",
                "the agent's own action is what it learns about, so it is given; only the *others* have changed.",
                lambda now, old, agent: (now / old).prod(axis=1),
            ),
            Misconception(
                "upside down",
                "an action that the others would hardly take any more should count *less*: now over old.",
                lambda now, old, agent: 1 / importance(now, old, agent),
            ),
            Misconception(
                "your ratio alone",
                "you took the ratio of the agent itself; take those of its teammates.",
                lambda now, old, agent: (now / old)[:, agent],
            ),
            Misconception(
                "added up",
                "the teammates act independently, so their ratios are *multiplied*.",
                lambda now, old, agent: others(now, old, agent).sum(axis=1),
                hint=2,
            ),
            Misconception(
                "averaged",
                "the teammates act independently, so their ratios are *multiplied*.",
                lambda now, old, agent: others(now, old, agent).mean(axis=1),
                hint=2,
            ),
            Misconception(
                "the old policy left out",
                "the samples were drawn by the *old* policy: divide by its probability.",
                lambda now, old, agent: np.delete(now, agent, axis=1).prod(axis=1),
            ),
            Misconception(
                "one weight for the batch",
                "every sample has a weight of its own; multiply along axis 1, over the agents.",
                lambda now, old, agent: importance(now, old, agent).prod(),
                hint=2,
            ),
        ],
    )
    return "an old sample counts as much as it is likely today."

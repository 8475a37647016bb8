"""Checks of chapter 12: masked greedy actions, how sure one may be of a win rate, and of an order of algorithms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import combinations, combinations_with_replacement, product
from math import comb
from statistics import fmean, median, median_high, median_low
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .framework import Misconception, check, diagnose, same

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
CHAPTER = "12_qmix_on_smac"
Z = 1.96  # standard errors on either side that hold 95 % of a normal distribution


def _masked_greedy(utilities: Array, avail_actions: Mask) -> list[int]:
    return np.where(avail_actions, utilities, -np.inf).argmax(axis=1).tolist()


def _mended(utilities: Array, avail_actions: Mask, instead: Callable[[Mask], int]) -> list[int]:
    """Choose first, look at the mask afterwards."""
    chosen = utilities.argmax(axis=1).tolist()
    return [a if mask[a] else instead(mask) for a, mask in zip(chosen, avail_actions, strict=True)]


def _infinity_times_zero(utilities: Array, avail_actions: Mask) -> list[int]:
    with np.errstate(invalid="ignore"):
        return (utilities - np.inf * ~avail_actions).argmax(axis=1).tolist()


def _masks(rng: np.random.Generator, shape: tuple[int, int]) -> Mask:
    """Any mask, as long as stop (4) is available; the last agent is dead, so it can only stop."""
    avail = rng.random(shape) < 0.5
    avail[-1] = False
    avail[:, 4] = True
    return avail


@check(
    CHAPTER,
    hints=(
        "The best of the actions that are *available*: the mask has to act before the maximum is taken.",
        "Replace the utilities of unavailable actions by minus infinity, in a copy: "
        "`np.where(avail_actions, utilities, -np.inf)`. Then one argmax for each row.",
        "Utilities [[-3, -1, -2]] with the mask [[True, False, True]] give [2], although 0 would be more than all "
        "of them.",
    ),
)
def check_masked_greedy(masked_greedy: Any) -> str:
    """Each agent's best available action."""
    rng = np.random.default_rng(3)
    cases = [
        (rng.normal(shift, 1, size=shape), _masks(rng, shape))  # no ties: any of the tied would be right
        for shape in [(3, 8), (5, 10), (2, 7)]
        for shift in (-3.0, 0.0, 3.0, -1.0)
    ]
    late = "the mask comes too late"
    late_sentence = (
        "you take the best of *all* actions and mend it when it is unavailable; the best available one is lost."
    )
    diagnose(
        masked_greedy,
        cases,
        right=_masked_greedy,
        misconceptions=[
            Misconception(
                "the mask is forgotten",
                "you take the best of all actions; some are unavailable, and the environment refuses them.",
                lambda utilities, avail: utilities.argmax(axis=1),
            ),
            Misconception(late, late_sentence, lambda u, avail: _mended(u, avail, lambda _: 4), hint=2),
            Misconception(late, late_sentence, lambda u, avail: _mended(u, avail, lambda m: int(m.argmax())), hint=2),
            Misconception(
                "unavailable is worth zero",
                "you multiply by the mask, so an unavailable action counts 0, and 0 beats every negative utility.",
                lambda utilities, avail: (utilities * avail).argmax(axis=1),
                hint=2,
            ),
            Misconception(
                "infinity times zero",
                "minus infinity times 0 is not 0 but nan, which leaks into the available actions; use `np.where`.",
                _infinity_times_zero,
                hint=2,
            ),
            Misconception(
                "the mask upside down",
                "you choose among the unavailable actions; True in the mask means *available*.",
                lambda utilities, avail: np.where(avail, -np.inf, utilities).argmax(axis=1),
            ),
            Misconception(
                "the utility, not the action",
                "you return how *good* each agent's best action is; return its number, 0 for the first action.",
                lambda utilities, avail: np.where(avail, utilities, -np.inf).max(axis=1),
                hint=2,
            ),
            Misconception(
                "one answer for each action",
                "you search the agents for each action; search the actions (axis 1) for each agent.",
                lambda utilities, avail: np.where(avail, utilities, -np.inf).argmax(axis=0),
                hint=2,
            ),
        ],
    )
    return "this is how every agent of this course acts, in play and inside the maximum of the TD target."


def _variance(rate: float) -> float:
    """Variance of one battle that is won with probability ``rate``: ``p (1 - p)``."""
    return rate * (1 - rate)


def _wilson(wins: int, episodes: int, z: float = Z) -> tuple[float, float]:
    rate, extra = wins / episodes, z**2 / episodes
    centre = (rate + extra / 2) / (1 + extra)
    half = z / (1 + extra) * (_variance(rate) / episodes + extra / (4 * episodes)) ** 0.5
    return centre - half, centre + half


def _normal(z: float, spread: Callable[[float, int], float], clip: bool = False) -> Callable[[int, int], Any]:
    """Return the interval ``rate +- z spread(rate, episodes)``."""

    def interval(wins: int, episodes: int) -> Any:
        rate = wins / episodes
        ends = rate - z * spread(rate, episodes), rate + z * spread(rate, episodes)
        return np.clip(ends, 0, 1) if clip else ends

    return interval


def _standard_error(rate: float, episodes: int) -> float:
    return (_variance(rate) / episodes) ** 0.5


def _close(answer: Any, right: Any) -> bool:
    return same(answer, right, 2e-4)


@check(
    CHAPTER,
    hints=(
        "Write p for `wins / episodes`, n for `episodes`, z for 1.96, and copy the formula term by term.",
        "centre = (p + z²/2n) / (1 + z²/n); half = z / (1 + z²/n) · sqrt(p(1-p)/n + z²/4n²); return (centre - half, "
        "centre + half).",
        "wilson(26, 32) is about (.647, .911), and wilson(32, 32) about (.893, 1): 32 wins of 32 do not prove that "
        "the team cannot lose.",
    ),
)
def check_wilson(wilson: Any) -> str:
    """Wilson's interval of a win rate."""
    rng = np.random.default_rng(4)
    cases = [(int(rng.integers(1, n)), n) for n in (16, 32, 64, 128, 256) for _ in range(3)]
    cases += [(32, 32), (0, 32), (128, 128)]
    wrong_spreads: list[Callable[[float, int], float]] = [
        lambda p, n: _variance(p) ** 0.5 / n,
        lambda p, n: (_variance(p) / n) ** 0.5 / n,
        lambda p, n: _variance(p) / n,
    ]
    certain = (
        "you return p ± 1.96 standard errors. At 32 wins of 32 that is 1 ± 0: it says that the team can never lose."
    )
    one_battle = "you took sqrt(p(1-p)), the spread of *one* battle; the mean of n battles spreads sqrt(n) times less."
    wrong_n = "the variance p(1-p) is divided by n once, *under* the root: n battles are sqrt(n) times surer than one."
    narrow = "your interval is one standard error to each side: it holds 68 % of the cases. For 95 % take z = 1.96."
    models = [
        *[("no doubt at 0 and 1", certain, _normal(Z, _standard_error, clip)) for clip in (False, True)],
        *[
            ("the spread of one battle", one_battle, _normal(Z, lambda p, n: _variance(p) ** 0.5, clip))
            for clip in (False, True)
        ],
        *[("n in the wrong place", wrong_n, _normal(Z, f, clip)) for f in wrong_spreads for clip in (False, True)],
        *[("one standard error only", narrow, _normal(1.0, _standard_error, clip)) for clip in (False, True)],
        ("one standard error only", narrow, lambda wins, episodes: _wilson(wins, episodes, 1.0)),
    ]
    diagnose(
        wilson,
        cases,
        right=_wilson,
        misconceptions=[Misconception(name, sentence, model, hint=2) for name, sentence, model in models],
        agree=_close,
    )
    return "this interval stays inside [0, 1] and keeps some doubt even when every battle was won."


def battles_needed(rate: float, other_rate: float) -> int:
    """How many battles of each team put two win rates 1.96 standard errors of their difference apart.

    ``n = ceil(1.96^2 (p(1 - p) + q(1 - q)) / (p - q)^2)``: an experiment of this size sees the difference every second
    time.
    """
    return int(np.ceil(Z**2 * (_variance(rate) + _variance(other_rate)) / (rate - other_rate) ** 2))


def _sum_of_errors(p: float, q: float) -> float:
    return Z**2 * (_variance(p) ** 0.5 + _variance(q) ** 0.5) ** 2 / (p - q) ** 2


def _rate_pairs() -> list[tuple[float, float]]:
    """Return pairs of different rates for which 1.96 and the exact quantile give the same number of battles."""
    rng = np.random.default_rng(5)
    pairs = [tuple(float(r) for r in rng.choice(np.arange(5, 96), size=2, replace=False) / 100) for _ in range(40)]
    exact = 1.959963985
    return [
        (p, q)
        for p, q in [*pairs, (0.80, 0.88), (0.88, 0.80)]
        if battles_needed(p, q) == int(np.ceil((exact / Z) ** 2 * _raw(p, q))) and 0.05 < _raw(p, q) % 1 < 0.95
    ]


def _raw(p: float, q: float) -> float:
    return Z**2 * (_variance(p) + _variance(q)) / (p - q) ** 2


@check(
    CHAPTER,
    hints=(
        "With n battles each, how large is the standard error of the *difference* of the two rates?",
        "Variances add: the difference has variance (p(1-p) + q(1-q)) / n. Set 1.96 times its root equal to |p - q|, "
        "solve for n, and round up.",
        "battles_needed(.80, .88) is 160, and battles_needed(.80, .84) more than four times as many, 707.",
    ),
)
def check_battles_needed(answer: Any) -> str:
    """How many battles tell two win rates apart."""

    def up(n: Callable[[float, float], float]) -> Callable[[float, float], int]:
        return lambda p, q: int(np.ceil(n(p, q)))

    one_team = "you count the doubt about one team only; both rates are estimates, and their variances add."
    no_square = "the standard error falls with the *root* of n, so half the difference needs four times the battles."
    models: list[tuple[str, str, Callable[[float, float], Any]]] = [
        ("only one team is uncertain", one_team, up(lambda p, q: Z**2 * _variance(p) / (p - q) ** 2)),
        ("only one team is uncertain", one_team, up(lambda p, q: Z**2 * _variance(q) / (p - q) ** 2)),
        (
            "standard errors do not add",
            "you added the two standard errors; it is the variances that add, and the root comes afterwards.",
            up(_sum_of_errors),
        ),
        (
            "half the difference, twice the battles",
            no_square,
            up(lambda p, q: Z**2 * (_variance(p) + _variance(q)) / abs(p - q)),
        ),
        ("half the difference, twice the battles", no_square, up(lambda p, q: _raw(p, q) ** 0.5)),
        (
            "one standard error only",
            "you ask for one standard error; 95 % takes 1.96 of them.",
            up(lambda p, q: _raw(p, q) / Z**2),
        ),
        ("not rounded up", "there is no part of a battle, and fewer do not suffice: round up.", _raw),
        (
            "not rounded up",
            "there is no part of a battle, and fewer do not suffice: round up.",
            lambda p, q: _raw(p, q) // 1,
        ),
        ("not rounded up", "fewer battles than this do not suffice: round up.", lambda p, q: round(_raw(p, q))),
    ]
    diagnose(
        answer,
        _rate_pairs(),
        right=battles_needed,
        misconceptions=[Misconception(name, sentence, model, hint=2) for name, sentence, model in models],
    )
    return "small differences are dear: half the difference takes four times the battles."


def is_supported(wins: int, other_wins: int, episodes: int) -> bool:
    """Whether ``wins`` of ``episodes`` beat ``other_wins`` of as many by more than 1.96 standard errors.

    ``p - q > 1.96 sqrt((p(1 - p) + q(1 - q)) / n)``. It speaks of two teams of networks, not of the algorithms that
    trained them.
    """
    p, q = wins / episodes, other_wins / episodes
    return p - q > Z * ((_variance(p) + _variance(q)) / episodes) ** 0.5


def _score(wins: int, other_wins: int, episodes: int, pooled: bool = False) -> float:
    """Return the difference in standard errors."""
    p, q = wins / episodes, other_wins / episodes
    middle = (p + q) / 2
    variance = 2 * _variance(middle) if pooled else _variance(p) + _variance(q)
    return 0.0 if p == q else (p - q) / max(1e-9, (variance / episodes) ** 0.5)


def _clear(wins: int, other_wins: int, episodes: int) -> bool:
    """Whether every reasonable form of the comparison agrees: none is near its threshold."""
    scores = [_score(wins, other_wins, episodes, pooled) for pooled in (False, True)]
    return all(s < 1.5 for s in scores) or all(s > 2.1 for s in scores)


def _comparisons() -> list[tuple[int, int, int]]:
    """Return clear cases of every kind; (wins, other wins, episodes)."""
    rng = np.random.default_rng(6)
    pairs = [(int(n), rng.integers(0, n + 1), rng.integers(-n // 4, n // 4)) for n in [32, 128, 256, 1000] * 12]
    cases = [(int(w), int(np.clip(w + d, 0, n)), n) for n, w, d in pairs]
    # ahead by luck; ahead although the intervals overlap; equal; one that never loses
    cases += [
        (27, 25, 32),
        (26, 23, 32),
        (225, 203, 256),
        (880, 846, 1000),
        (100, 100, 128),
        (32, 30, 32),
        (256, 240, 256),
    ]
    return [case for case in cases if _clear(*case)]


@check(
    CHAPTER,
    hints=(
        "More wins are not enough, and overlapping intervals are not an answer either. Look at the difference itself.",
        "Compute the standard error of the difference, sqrt((p(1-p) + q(1-q)) / n), and ask whether p - q is more than "
        "1.96 times that.",
        "27 against 25 wins of 32: False. 225 against 203 of 256: True, although the two intervals overlap. 203 "
        "against 225: False, the claim is that the *first* is better.",
    ),
)
def check_supported(supported: Any) -> str:
    """Whether two win counts support that the first team is the better one."""
    names: list[tuple[str, str, Callable[[int, int, int], bool], int]] = [
        (
            "more wins is better",
            "you compare the counts alone: 27 against 25 wins of 32 is well within luck.",
            lambda w, o, n: w > o,
            1,
        ),
        (
            "intervals must not overlap",
            "you ask that the two intervals do not overlap. That is too strict: 225 against 203 of 256 is supported.",
            lambda w, o, n: _wilson(w, n)[0] > _wilson(o, n)[1],
            2,
        ),
        (
            "intervals must not overlap",
            "you added the two standard errors; it is the variances that add, and the root comes afterwards.",
            lambda w, o, n: (w - o) / n > Z * (_standard_error(w / n, n) + _standard_error(o / n, n)),
            2,
        ),
        (
            "a difference is not an order",
            "you say True whenever they differ; the claim is that the *first* team is better.",
            lambda w, o, n: abs(_score(w, o, n)) > Z,
            1,
        ),
        (
            "only one team is uncertain",
            "you measure the difference against one team's standard error; both rates are estimates.",
            lambda w, o, n: (w - o) / n > Z * _standard_error(w / n, n),
            2,
        ),
        (
            "only one team is uncertain",
            "you ask whether one rate lies outside the other's interval; both rates are estimates.",
            lambda w, o, n: w / n > _wilson(o, n)[1],
            2,
        ),
    ]
    diagnose(
        supported,
        _comparisons(),
        right=is_supported,
        misconceptions=[Misconception(name, sentence, model, hint) for name, sentence, model, hint in names],
    )
    return "now it is about these two teams. Whether the *algorithm* is better, only more seeds can say."


Statistic = Callable[[Sequence[float]], float]
Choices = Callable[[Sequence[float], int], Iterable[tuple[float, ...]]]
Wins = Callable[[float, float], bool]


def wrong_order(rates: Sequence[float], other_rates: Sequence[float], k: int) -> float:
    """Share of all experiments with ``k`` seeds of each algorithm in which the other's median is higher.

    ``rates`` and ``other_rates`` are the final win rates of all seeds; an experiment is one of the ways to choose ``k``
    of the first, together with one of the ways to choose ``k`` of the second.
    """
    return _share(rates, other_rates, k)


def _share(
    rates: Sequence[float],
    other_rates: Sequence[float],
    k: int,
    statistic: Statistic = median,
    choices: Choices = combinations,
    wins: Wins = lambda other, our: other > our,
) -> float:
    ours, others = ([statistic(chosen) for chosen in choices(values, k)] for values in (rates, other_rates))
    return float(np.mean([wins(other, our) for our, other in product(ours, others)]))


def _same_seeds(rates: Sequence[float], other_rates: Sequence[float], k: int) -> float:
    """Choose the same seeds of both."""
    pairs = zip(combinations(rates, k), combinations(other_rates, k), strict=True)
    return float(np.mean([median(other) > median(our) for our, other in pairs]))


def _experiments() -> list[tuple[list[float], list[float], int]]:
    """Return win rates of equally many seeds each, the first algorithm ahead; some rates occur in both."""
    rng = np.random.default_rng(7)
    cases = [
        ((rng.integers(40, 200, size=n) / 256).tolist(), (rng.integers(0, 160, size=n) / 256).tolist(), k)
        for n in (4, 5)
        for k in range(1, n)
    ]
    return [*cases, ([0.5, 0.75, 0.25], [0.5, 0.25, 0.75], 1), ([0.5, 0.75, 0.25, 0.5], [0.5, 0.25, 0.75, 0.5], 2)]


@check(
    CHAPTER,
    hints=(
        "First list the medians that k seeds of the one algorithm can give, then those of the other. Every median of "
        "the one may meet every median of the other.",
        "`[np.median(chosen) for chosen in combinations(rates, k)]` are the medians of the one; `product` of both "
        "lists gives the pairs; return the share of pairs in which the other's is higher.",
        "wrong_order([.5, .9], [.1, .6], 1) is 1/4: of the four pairs only (.5, .6) has the wrong order. With k = 2 it "
        "is 0: the medians are .7 and .35.",
    ),
)
def check_wrong_order(answer: Any) -> str:
    """How often few seeds give the wrong order."""
    paired = "you give both algorithms the same seeds; each choice of the one may meet *every* choice of the other."
    replacement = "you draw a seed more than once; an experiment has k *different* seeds: `combinations`."
    ties = "you count equal medians as a wrong order; the other's has to be *higher*."
    names: list[tuple[str, str, Callable[..., float]]] = [
        ("the same seeds for both", paired, _same_seeds),
        ("seeds drawn twice", replacement, partial(_share, choices=lambda values, k: product(values, repeat=k))),
        ("seeds drawn twice", replacement, partial(_share, choices=combinations_with_replacement)),
        (
            "mean for median",
            "you compare the means; the mean and the median of two agree, those of more do not.",
            partial(_share, statistic=fmean),
        ),
        (
            "the best seed",
            "you compare the best seeds. With more seeds the best one rises by luck alone.",
            partial(_share, statistic=max),
        ),
        (
            "half a median",
            "of an even number you take one of the two in the middle; the median is their mean.",
            partial(_share, statistic=median_high),
        ),
        (
            "half a median",
            "of an even number you take one of the two in the middle; the median is their mean.",
            partial(_share, statistic=median_low),
        ),
        ("ties count as wrong", ties, partial(_share, wins=lambda other, our: other >= our)),
        (
            "the right order",
            "you return how often the order is right; the question is how often it is wrong.",
            partial(_share, wins=lambda other, our: our > other),
        ),
        (
            "a number of pairs",
            "you return how many pairs have the wrong order; divide by the number of all pairs.",
            lambda rates, others, k: _share(rates, others, k) * comb(len(rates), k) * comb(len(others), k),
        ),
        (
            "one seed only",
            "your answer does not depend on k: you compare single seeds.",
            lambda rates, others, k: _share(rates, others, 1),
        ),
    ]
    diagnose(
        answer,
        _experiments(),
        right=wrong_order,
        misconceptions=[Misconception(name, sentence, model, hint=2) for name, sentence, model in names],
    )
    return "exact, but only for the seeds that there are: others would have given other win rates."

"""Chapter 12: plausible wrong answers get their name, different right ones are accepted."""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement, permutations, product
from math import ceil, floor, sqrt

import numpy as np
import pytest
import scipy.stats

from qmix_edu.exercises import chapter_12 as chapter


def mended(utilities, avail):
    chosen = utilities.argmax(axis=1)
    return np.where(avail[np.arange(len(chosen)), chosen], chosen, 4)


def in_place_zero(utilities, avail):
    utilities[~avail] = 0
    return utilities.argmax(axis=1)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda q, m: q.argmax(axis=1), "the mask is forgotten"),
        (lambda q, m: np.argmax(q, axis=-1).tolist(), "the mask is forgotten"),
        (mended, "the mask comes too late"),
        (
            lambda q, m: [int(a) if m[i, a] else int(m[i].argmax()) for i, a in enumerate(q.argmax(1))],
            "the mask comes too late",
        ),
        (lambda q, m: (q * m).argmax(axis=1), "unavailable is worth zero"),
        (in_place_zero, "unavailable is worth zero"),
        (lambda q, m: (q + np.where(m, 0, 1) * np.array(-np.inf)).argmax(axis=1), "infinity times zero"),
        (lambda q, m: np.where(m, -np.inf, q).argmax(axis=1), "the mask upside down"),
        (lambda q, m: [max(row[mask]) for row, mask in zip(q, m, strict=True)], "the utility, not the action"),
        (lambda q, m: np.where(m, q, -1e9).argmax(axis=0), "one answer for each action"),
        (lambda q, m: np.full(len(q), 4), "not yet"),
        (lambda q, m: int(np.where(m, q, -np.inf).argmax()), "not yet"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_masked_greedy_wrong(answer, name):
    assert chapter.check_masked_greedy(answer).misconception == name


def in_place(utilities, avail):
    utilities[~avail] = -np.inf
    return utilities.argmax(axis=1)


@pytest.mark.parametrize(
    "answer",
    [
        in_place,
        lambda q, m: [max(np.flatnonzero(mask), key=lambda a, row=row: row[a]) for row, mask in zip(q, m, strict=True)],
        lambda q, m: np.ma.masked_array(q, ~m).argmax(axis=1, fill_value=-1e9),
        lambda q, m: [sorted(np.flatnonzero(mask), key=row.item)[-1] for row, mask in zip(q, m, strict=True)],
    ],
)
def test_masked_greedy_right(answer):
    assert chapter.check_masked_greedy(answer).status == "correct"


def spread(p, n):
    return sqrt(p * (1 - p) / n)


def around(width):
    return lambda wins, n: (wins / n - width(wins / n, n), wins / n + width(wins / n, n))


def wilson(wins, n, z=1.96):
    p = wins / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return centre - half, centre + half


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (around(lambda p, n: 1.96 * spread(p, n)), "no doubt at 0 and 1"),
        (lambda w, n: np.clip(around(lambda p, n: 1.96 * spread(p, n))(w, n), 0, 1), "no doubt at 0 and 1"),
        (around(lambda p, n: 1.96 * sqrt(p * (1 - p))), "the spread of one battle"),
        (around(lambda p, n: 1.96 * sqrt(p * (1 - p)) / n), "n in the wrong place"),
        (around(lambda p, n: 1.96 * sqrt(p * (1 - p) / n) / n), "n in the wrong place"),
        (around(lambda p, n: 1.96 * p * (1 - p) / n), "n in the wrong place"),
        (around(spread), "one standard error only"),
        (lambda w, n: wilson(w, n, 1), "one standard error only"),
        (lambda w, n: (0.5, 0.9), "a constant"),
        (lambda w, n: wilson(w, n)[::-1], "not yet"),
        (lambda w, n: w / n, "not yet"),
    ],
)
def test_wilson_wrong(answer, name):
    assert chapter.check_wilson(answer).misconception == name


def by_root(wins, n):
    """Wilson's ends solve (p - x)^2 = z^2 x (1 - x) / n."""
    p, c = wins / n, 1.96**2 / n
    return sorted(np.roots([1 + c, -(2 * p + c), p * p]).real)


@pytest.mark.parametrize(
    "answer", [wilson, by_root, lambda w, n: scipy.stats.binomtest(w, n).proportion_ci(method="wilson")]
)
def test_wilson_right(answer):
    assert chapter.check_wilson(answer).status == "correct"


def var(p):
    return p * (1 - p)


def raw(p, q):
    return 1.96**2 * (var(p) + var(q)) / (p - q) ** 2


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda p, q: ceil(1.96**2 * var(p) / (p - q) ** 2), "only one team is uncertain"),
        (lambda p, q: ceil(1.96**2 * var(q) / (p - q) ** 2), "only one team is uncertain"),
        (lambda p, q: ceil((1.96 * (sqrt(var(p)) + sqrt(var(q))) / (p - q)) ** 2), "standard errors do not add"),
        (lambda p, q: ceil(1.96**2 * (var(p) + var(q)) / abs(p - q)), "half the difference, twice the battles"),
        (lambda p, q: ceil(1.96 * sqrt(var(p) + var(q)) / abs(p - q)), "half the difference, twice the battles"),
        (lambda p, q: ceil((var(p) + var(q)) / (p - q) ** 2), "one standard error only"),
        (raw, "not rounded up"),
        (lambda p, q: floor(raw(p, q)), "not rounded up"),
        (lambda p, q: round(raw(p, q)), "not rounded up"),
        (lambda p, q: 160, "a constant"),
        (lambda p, q: ceil(raw(p, q)) + 1, "not yet"),
    ],
)
def test_battles_needed_wrong(answer, name):
    assert chapter.check_battles_needed(answer).misconception == name


def by_search(p, q):
    n = 1
    while abs(p - q) < 1.96 * sqrt((var(p) + var(q)) / n):
        n += 1
    return n


@pytest.mark.parametrize(
    "answer",
    [by_search, lambda p, q: int(np.ceil(scipy.stats.norm.ppf(0.975) ** 2 * (var(p) + var(q)) / (p - q) ** 2))],
)
def test_battles_needed_right(answer):
    assert chapter.check_battles_needed(answer).status == "correct"


def test_the_hint_of_battles_needed_is_true():
    assert (chapter.battles_needed(0.80, 0.88), chapter.battles_needed(0.80, 0.84)) == (160, 707)


def score(w, o, n):
    p, q = w / n, o / n
    return 0 if p == q else (p - q) / max(1e-12, sqrt((var(p) + var(q)) / n))


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda w, o, n: w > o, "more wins is better"),
        (lambda w, o, n: wilson(w, n)[0] > wilson(o, n)[1], "intervals must not overlap"),
        (lambda w, o, n: (w - o) / n > 1.96 * (spread(w / n, n) + spread(o / n, n)), "intervals must not overlap"),
        (lambda w, o, n: abs(score(w, o, n)) > 1.96, "a difference is not an order"),
        (lambda w, o, n: (w - o) / n > 1.96 * spread(w / n, n), "only one team is uncertain"),
        (lambda w, o, n: w / n > wilson(o, n)[1], "only one team is uncertain"),
        (lambda w, o, n: False, "a constant"),
        (lambda w, o, n: w - o > 0.1 * n, "not yet"),
        (lambda w, o, n: score(o, w, n) > 1.96, "not yet"),
    ],
)
def test_supported_wrong(answer, name):
    assert chapter.check_supported(answer).misconception == name


def pooled(w, o, n):
    middle = (w + o) / (2 * n)
    return bool((w - o) / n > 1.96 * sqrt(2 * var(middle) / n))


@pytest.mark.parametrize(
    "answer", [lambda w, o, n: score(w, o, n) > 1.96, pooled, lambda w, o, n: score(w, o, n) > 1.645]
)
def test_supported_right(answer):
    assert chapter.check_supported(answer).status == "correct"


def test_the_hint_of_supported_is_true():
    claims = [chapter.is_supported(*counts) for counts in ((27, 25, 32), (225, 203, 256), (203, 225, 256))]
    assert claims == [False, True, False]
    assert wilson(225, 256)[0] < wilson(203, 256)[1]


def order(statistic=np.median, choose=combinations, wrong=lambda our, other: other > our, over=np.mean):
    """Return an answer with one part of it exchanged."""

    def answer(rates, other_rates, k):
        ours = [statistic(chosen) for chosen in choose(rates, k)]
        others = [statistic(chosen) for chosen in choose(other_rates, k)]
        return over([wrong(our, other) for our in ours for other in others])

    return answer


def same_seeds(rates, other_rates, k):
    chosen = list(combinations(range(len(rates)), k))
    return sum(np.median([rates[i] for i in c]) < np.median([other_rates[i] for i in c]) for c in chosen) / len(chosen)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (same_seeds, "the same seeds for both"),
        (order(choose=lambda values, k: product(values, repeat=k)), "seeds drawn twice"),
        (order(choose=combinations_with_replacement), "seeds drawn twice"),
        (order(statistic=np.mean), "mean for median"),
        (order(statistic=max), "the best seed"),
        (order(statistic=lambda c: sorted(c)[len(c) // 2]), "half a median"),
        (order(statistic=lambda c: sorted(c)[(len(c) - 1) // 2]), "half a median"),
        (order(wrong=lambda our, other: our <= other), "ties count as wrong"),
        (order(wrong=lambda our, other: our > other), "the right order"),
        (lambda r, o, k: np.mean([a > b for a, b in zip(r, o, strict=True)]), "not yet"),
        (order(over=sum), "a number of pairs"),
        (lambda r, o, k: np.mean(np.array(r)[:, None] < np.array(o)), "one seed only"),
        (lambda r, o, k: 0.05, "a constant"),
        (order(statistic=min), "not yet"),
        (lambda r, o, k: float(np.median(o) > np.median(r)), "not yet"),
    ],
)
def test_wrong_order_wrong(answer, name):
    assert chapter.check_wrong_order(answer).misconception == name


def by_loop(rates, other_rates, k):
    wrong = pairs = 0
    for ours in combinations(rates, k):
        for others in combinations(other_rates, k):
            pairs += 1
            wrong += np.median(others) > np.median(ours)
    return wrong / pairs


def by_sorting(rates, other_rates, k):
    """Count with a binary search among the sorted medians."""
    ours = np.sort([np.median(c) for c in combinations(rates, k)])
    return np.searchsorted(ours, [np.median(c) for c in combinations(other_rates, k)]).mean() / len(ours)


@pytest.mark.parametrize("answer", [by_loop, by_sorting, order(choose=permutations)])
def test_wrong_order_right(answer):
    assert chapter.check_wrong_order(answer).status == "correct"


def test_single_seeds_in_the_wrong_order_are_mann_whitneys_u():
    rng = np.random.default_rng(0)
    rates, other_rates = rng.normal(0.5, 1, size=5), rng.normal(0, 1, size=5)
    u = scipy.stats.mannwhitneyu(other_rates, rates).statistic  # pairs in which the first sample is higher
    assert chapter.wrong_order(rates.tolist(), other_rates.tolist(), 1) == pytest.approx(u / 25)


def test_the_hint_of_wrong_order_is_true():
    assert [chapter.wrong_order([0.5, 0.9], [0.1, 0.6], k) for k in (1, 2)] == [0.25, 0]


@pytest.mark.parametrize("name", ["masked_greedy", "wilson", "battles_needed", "supported", "wrong_order"])
def test_hints_name_the_solution(name):
    check = getattr(chapter, f"check_{name}")
    assert check.exercise == name
    assert "solutions/12_qmix_on_smac.ipynb" in check.hint(4).text

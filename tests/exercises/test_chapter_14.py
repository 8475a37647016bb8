"""Chapter 14: plausible wrong answers get their name, different right ones are accepted; its facts are computed."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from scipy.stats import permutation_test
from torch import nn

from matrix_games import is_additive
from qmix_edu.exercises import chapter_14 as chapter
from qmix_edu.mixers import QMixer, QMixerLin, QMixerNS, UnconstrainedMixer, VDNMixer, VDNSMixer


def leads(a, b):
    runs = [*a, *b]
    for first in combinations(range(len(runs)), len(a)):
        rest = [k for k in range(len(runs)) if k not in first]
        yield np.mean([runs[k] for k in first]) - np.mean([runs[k] for k in rest])


def share(holds):
    return lambda a, b: np.mean([holds(lead, np.mean(a) - np.mean(b)) for lead in leads(a, b)])


def signs(a, b):
    gaps = np.subtract(*zip(*zip(a, b, strict=False), strict=True))
    turned = np.array(np.meshgrid(*[[1, -1]] * len(gaps))).reshape(len(gaps), -1).T
    return np.mean((turned * gaps).mean(axis=1) >= gaps.mean() - 1e-9)


def different_values(a, b):
    runs, found = set(a) | set(b), np.mean(a) - np.mean(b)
    ways = [(first, runs - set(first)) for first in combinations(runs, len(a))]
    return np.mean([bool(rest) and np.mean(first) - np.mean(list(rest)) >= found - 1e-9 for first, rest in ways])


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (share(lambda lead, found: abs(lead) >= abs(found) - 1e-9), "both directions"),
        (share(lambda lead, found: lead > found + 1e-9), "the labels as they are do not count"),
        (share(lambda lead, found: lead <= found + 1e-9), "the wrong tail"),
        (lambda a, b: 1 - chapter.chance_of_lead(a, b), "the wrong tail"),
        (lambda a, b: np.mean(np.array(a)[:, None] <= np.array(b)), "pairs of runs"),
        (lambda a, b: np.mean(np.array(a)[:, None] > np.array(b)), "pairs of runs"),
        (signs, "paired by seed"),
        (different_values, "equal runs fall together"),
        (lambda a, b: 100 * chapter.chance_of_lead(a, b), "a share from 0 to 1"),
        (lambda a, b: sum(lead >= np.mean(a) - np.mean(b) - 1e-9 for lead in leads(a, b)), "a share from 0 to 1"),
        (lambda a, b: 0.05, "a constant"),
        (lambda a, b: float(np.mean(a) > np.mean(b)), "not yet"),
    ],
)
def test_chance_of_lead_wrong(answer, name):
    assert chapter.check_chance_of_lead(answer).misconception == name


def by_scipy(a, b):
    def statistic(x, y, axis):
        return np.mean(x, axis=axis) - np.mean(y, axis=axis)

    return permutation_test((a, b), statistic, alternative="greater", vectorized=True, n_resamples=np.inf).pvalue


def by_orders(a, b):
    """Deal out the runs in every order: each split comes equally often."""
    if len(a) + len(b) > 6:
        return chapter.chance_of_lead(a, b)
    found = [np.mean(runs[: len(a)]) - np.mean(runs[len(a) :]) for runs in permutations([*a, *b])]
    return np.mean(np.array(found) >= np.mean(a) - np.mean(b) - 1e-9)


@pytest.mark.parametrize("answer", [by_scipy, by_orders])
def test_chance_of_lead_right(answer):
    assert chapter.check_chance_of_lead(answer).status == "correct"


def test_the_hint_of_chance_of_lead_is_true():
    assert chapter.chance_of_lead([0.7, 0.8, 0.9], [0.4, 0.5, 0.6]) == pytest.approx(1 / 20)
    assert chapter.chance_of_lead([0.5, 0.7], [0.5, 0.7]) == pytest.approx(5 / 6)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda q, w, b: w @ q + b, "the weights may be negative"),
        (lambda q, w, b: abs(w * q).sum() + b, "utilities lose their sign"),
        (lambda q, w, b: abs(w @ q) + b, "utilities lose their sign"),
        (lambda q, w, b: abs(w) @ q + abs(b), "the bias is bounded too"),
        (lambda q, w, b: sum(q) + b, "that is VDN-S"),
        (lambda q, w, b: np.clip(w, 0, None) @ q + b, "weights cut off"),
        (lambda q, w, b: nn.functional.elu(torch.tensor(abs(w) * q)).sum().item() + b, "the bend is still there"),
        (lambda q, w, b: nn.functional.elu(torch.tensor(abs(w) @ q + b)).item(), "the bend is still there"),
        (lambda q, w, b: abs(w) @ q, "the bias is missing"),
        (lambda q, w, b: np.log1p(np.exp(w)) @ q + b, "not yet"),
        (lambda q, w, b: -5.0, "a constant"),
    ],
)
def test_qmix_lin_wrong(answer, name):
    assert chapter.check_qmix_lin(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda q, w, b: sum(max(x, -x) * y for x, y in zip(w, q, strict=True)) + b,
        lambda q, w, b: (np.sqrt(w**2) * q).sum() + b,
    ],
)
def test_qmix_lin_right(answer):
    assert chapter.check_qmix_lin(answer).status == "correct"


def test_qmix_lin_is_the_librarys_mixing():
    mixer, q, state = QMixerLin(3, 4).double(), torch.randn(1, 3).double(), torch.randn(1, 4).double()
    weights, bias = mixer.hyper_w(state)[0].detach().numpy(), mixer.hyper_b(state).item()
    assert chapter.qmix_lin(q[0].numpy(), weights, bias) == pytest.approx(mixer(q, state).item(), abs=1e-12)


def test_the_hint_of_qmix_lin_is_true():
    assert chapter.qmix_lin(np.array([2.0, -1]), np.array([-1.0, 3]), -4.0) == -5


def sums(tables):
    return all(bool(is_additive(table)) for table in tables)


def swap(**treated):
    return lambda mixer, tables: chapter.can_hold(treated.get(mixer, mixer), tables)


def forgetful(mixer, tables):
    plain = [t.mean(axis=1, keepdims=True) + t.mean(axis=0) - t.mean() for t in tables]
    return chapter.can_hold(mixer, plain)


def slopes(table, axis):
    return np.diff(table.mean(axis=axis))


def parallel(vectors):
    return np.linalg.matrix_rank(np.array(vectors), tol=1e-9) <= 1


def one_factor(tables):
    both = [np.concatenate([slopes(t, 0), slopes(t, 1)]) for t in tables]
    return parallel(both) and both[0] @ both[1] >= 0


def lin(test):
    return lambda mixer, tables: (
        sums(tables) and bool(test(tables)) if mixer == "qmix_lin" else chapter.can_hold(mixer, tables)
    )


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda mixer, tables: sums(tables), "each state by itself"),
        (forgetful, "a sum is not asked for"),
        (swap(vdn="vdn_s"), "VDN has no bias"),
        (lambda m, t: all(map(is_additive, t)) if m == "vdn" else chapter.can_hold(m, t), "VDN sees no state"),
        (
            lambda m, t: all(map(is_additive, t)) if m[0] == "q" else chapter.can_hold(m, t),
            "a sum for each state is not enough",
        ),
        (swap(vdn_s="qmix_lin"), "a bias does not scale"),
        (swap(vdn_s="vdn"), "the state does more than that"),
        (swap(qmix_lin="vdn_s"), "the state does more than that"),
        (
            lin(lambda ts: all(parallel([slopes(t, axis) for t in ts]) for axis in (0, 1))),
            "weights may not be negative",
        ),
        (lin(one_factor), "a weight for each agent"),
        (lambda mixer, tables: True, "a constant"),
        (lambda mixer, tables: mixer == "qmix_lin", "not yet"),
    ],
)
def test_can_hold_wrong(answer, name):
    assert chapter.check_can_hold(answer).misconception == name


def by_ranks(mixer, tables):
    """Differences of rows and columns in place of effects, and ranks in place of inner products."""
    if not sums(tables):
        return False
    steps = [[slopes(t, axis) for t in tables] for axis in (0, 1)]
    if mixer == "qmix_lin":
        return all(parallel(vs) and min(x @ y for x in vs for y in vs) >= -1e-9 for vs in steps)
    same = all(np.allclose(v, vs[0]) for vs in steps for v in vs)
    return same and (mixer == "vdn_s" or np.allclose(tables[0], tables[1]))


def by_least_squares(mixer, tables):
    """Fit the class itself; QMIX-Lin by the weights that fit best for the effects of the state with the longest."""
    if mixer != "qmix_lin":
        m = len(tables[0])
        cells = [(s, i, j) for s in range(len(tables)) for i in range(m) for j in range(m)]
        columns = [[i == k for _, i, _ in cells] for k in range(m)] + [[j == k for _, _, j in cells] for k in range(m)]
        columns += [[s == k for s, _, _ in cells] for k in range(len(tables))] if mixer == "vdn_s" else []
        features, wanted = np.array(columns, dtype=float).T, np.array([tables[s][i, j] for s, i, j in cells])
        return bool(np.allclose(features @ np.linalg.lstsq(features, wanted, rcond=None)[0], wanted))
    parts = [chapter._effects(t) for t in tables]
    longest = [max((p[k] for p in parts), key=np.linalg.norm) for k in (0, 1)]
    for t, p in zip(tables, parts, strict=True):
        w = [max(0.0, p[k] @ longest[k] / (longest[k] @ longest[k])) for k in (0, 1)]
        if not np.allclose(t, t.mean() + w[0] * longest[0][:, None] + w[1] * longest[1]):
            return False
    return True


@pytest.mark.parametrize("answer", [by_ranks, by_least_squares])
def test_can_hold_right(answer):
    assert chapter.check_can_hold(answer).status == "correct"


def test_the_hint_of_can_hold_is_true():
    table, turned = np.array([[0.0, 1], [2, 3]]), np.array([[1.0, 0], [3, 2]])
    held = {
        k: [m for m in ("vdn", "vdn_s", "qmix_lin") if chapter.can_hold(m, [table, other])]
        for k, other in (("scaled", 3 * table), ("moved", table + 6), ("turned", turned))
    }
    assert held == {"scaled": ["qmix_lin"], "moved": ["vdn_s", "qmix_lin"], "turned": []}


class Wrapped(nn.Module):
    """A mixer out of a function of utilities and state."""

    def __init__(self, function, inner=None):
        super().__init__()
        self.function, self.inner = function, inner

    def forward(self, q, state):
        return self.function(self.inner, q, state)


def wrapped(function, make=lambda n, s: None):
    return lambda n, s: Wrapped(function, make(n, s))


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (QMixer, "nothing taken away"),
        (UnconstrainedMixer, "not monotone"),
        (lambda n, s: VDNMixer(), "several parts at once"),
        (lambda n, s: VDNSMixer(s), "several parts at once"),
        (wrapped(lambda inner, q, s: inner(q, s)[:, 0], QMixer), "another shape"),
        (wrapped(lambda inner, q, s: None), "another shape"),
        (wrapped(lambda inner, q, s: inner(q * torch.tensor([1.0, 1, 0]), s), QMixer), "an agent is not heard"),
        (wrapped(lambda inner, q, s: torch.ones(len(q), 1)), "an agent is not heard"),
        (wrapped(lambda inner, q, s: inner(-q, s), QMixer), "not monotone"),
        (wrapped(lambda inner, q, s: inner(q), QMixer), "your mixer stopped with an error"),
        (lambda n, s: QMixer(s, n), "your mixer stopped with an error"),
        (lambda n, s: QMixer, "not a mixer"),
        (lambda n, s: lambda q, state: q.sum(), "not a mixer"),
    ],
)
def test_ablated_mixer_wrong(answer, name):
    assert chapter.check_ablated_mixer(answer).misconception == name


@pytest.mark.parametrize(
    ("answer", "gone"),
    [
        (chapter.EqualAgents, "own weights"),
        (QMixerLin, "bend"),
        (lambda n, s: QMixerNS(n), "state in slopes and state in value"),
        (
            wrapped(
                lambda inner, q, s: inner[0](q, s) + inner[1](q, s),
                lambda n, s: nn.ModuleList([QMixerNS(n), VDNSMixer(s)]),
            ),
            "state in slopes",
        ),
        (lambda n, s: QMixer(n, s, embed=2), "weights"),
    ],
)
def test_ablated_mixer_right(answer, gone):
    result = chapter.check_ablated_mixer(answer)
    assert result.status == "correct"
    assert gone in result.message


def test_parts_of_the_librarys_mixers():
    def shown(make):
        return [part for part, has in chapter.parts_of(make).items() if has]

    assert shown(lambda n, s: VDNMixer()) == []
    assert shown(lambda n, s: VDNSMixer(s)) == ["state in value"]
    assert shown(QMixerLin) == ["state in value", "state in slopes", "own weights"]
    assert shown(lambda n, s: QMixerNS(n)) == ["bend", "own weights"]
    assert shown(QMixer) == ["bend", "state in value", "state in slopes", "own weights"]


@pytest.mark.parametrize("name", ["chance_of_lead", "qmix_lin", "can_hold", "ablated_mixer"])
def test_hints_name_the_solution(name):
    check = getattr(chapter, f"check_{name}")
    assert check.exercise == name
    assert "solutions/14_ablations.ipynb" in check.hint(4).text

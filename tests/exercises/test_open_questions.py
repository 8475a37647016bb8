"""The teacher's guide says what open questions lead to: its numbers again, but those that take many trainings."""

import itertools
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import nnls

from matrix_games import MatrixGame, additive_fit, catalogue, monotone_fit
from qmix_edu.exercises import chapter_09
from qmix_edu.exercises.chapter_02 import play_lenient
from qmix_edu.gradient_fit import gradient_fit
from qmix_edu.mixers import QMixer, UniversalMixer

AND, OR = catalogue["and"], catalogue["or"]
STAIRCASE = MatrixGame("staircase", [[0, 0, 1], [0, 1, 1], [1, 1, 1]], "this test")
ON = np.array(list(itertools.product((0, 1), repeat=4)))  # [joint action, agent]
PAIRS = MatrixGame("pairs", (ON[:, :2].all(1) | ON[:, 2:].all(1)).astype(float).reshape(2, 2, 2, 2), "this test")


def test_02_a_theta_with_a_better_worst_game():
    games = ("climbing", "climbing-partially-stochastic", "climbing-fully-stochastic")
    worst = {theta: min(play_lenient(g, theta, runs=200).share for g in games) for theta in (1e4, 1e5)}
    assert {theta: round(share, 2) for theta, share in worst.items()} == {1e4: 0.74, 1e5: 0.53}


def test_04_the_better_fit_earns_nothing_and_the_sum_nine():
    payoff = np.array([[0.0, 3, 1], [0, 10, 4], [9, 0, 9]])
    monotone, additive = monotone_fit(payoff), additive_fit(payoff)
    assert monotone.mse < additive.mse
    assert [payoff[joint] for joint in monotone.greedy] == [0]
    assert [payoff[joint] for joint in additive.greedy] == [9]


class Bent(QMixer):
    """QMIX's mixer with another bend."""

    def __init__(self, n_agents, state_size, bend):
        super().__init__(n_agents, state_size)
        self.bend = bend

    def forward(self, q, state):
        raw = self.raw_parameters(state)
        hidden = self.bend((q.unsqueeze(-1) * raw["w1"].abs()).sum(dim=-2) + raw["b1"])
        return (hidden * raw["w2"].abs()).sum(dim=-1, keepdim=True) + raw["v"].unsqueeze(-1)


def mirrored(x):
    return -F.elu(-x)


def half_and_half(x):
    return torch.cat([F.elu(x[..., :16]), mirrored(x[..., 16:])], dim=-1)


def test_06_the_bend_decides():
    fit = partial(gradient_fit, seeds=2, steps=800)
    either_way = [fit(game, partial(Bent, bend=torch.tanh)).mse.min() for game in (AND, OR, STAIRCASE)]
    assert max(either_way) < 1e-3
    assert fit(OR, partial(Bent, bend=mirrored), seeds=5).mse.min() < 1e-3
    assert fit(STAIRCASE, partial(Bent, bend=half_and_half)).mse.min() > 0.023


def test_06_one_layer_of_thresholds_misses_two_pairs():
    thresholds = {tuple(ON @ w > c) for w in itertools.product(range(6), repeat=4) for c in range(sum(w) + 1)}
    assert len(thresholds) >= 149  # of four inputs, rising, not constant: few enough to list by small weights
    columns = np.column_stack([*np.array(sorted(thresholds), dtype=float), np.ones(16), -np.ones(16)])
    assert nnls(columns, PAIRS.payoff.ravel())[1] ** 2 / 16 == pytest.approx(0.0128, abs=5e-5)


def test_06_the_universal_mixer_fits_two_pairs():
    assert gradient_fit(PAIRS, UniversalMixer, seeds=1, steps=700).mse.max() < 1e-4
    assert gradient_fit(PAIRS, partial(Bent, bend=torch.tanh), seeds=1, steps=700).mse.min() > 0.0128


def sixth_bug(batch, gamma, choosing="online", power=2, exponent=1):
    """Return a loss with the named liberty taken."""
    chosen = chapter_09.greedy(getattr(batch, choosing), batch.avail)
    values = chapter_09.mix(chapter_09.take(batch.target, chosen)[:, 1:], batch.state[:, 1:])
    targets = batch.reward + gamma**exponent * (1 - batch.terminated) * values
    now = chapter_09.mix(chapter_09.take(batch.online[:, :-1], batch.actions), batch.state[:, :-1])
    return (batch.mask * np.abs(targets - now) ** power).sum() / batch.mask.sum()


@pytest.mark.parametrize("bug", [{"power": 1}, {"choosing": "target"}, {"exponent": 2}], ids=str)
def test_09_a_sixth_bug_passes_the_seven_tests(bug):
    small, right = chapter_09.small_batch(0), chapter_09.loss_with(None)
    assert sixth_bug(small, 0.9) == pytest.approx(right(small, 0.9))
    assert chapter_09.failures(partial(sixth_bug, **bug)) == []
    assert sixth_bug(small, 0.9, **bug) != pytest.approx(right(small, 0.9), rel=0.05)


def test_10_a_coin_of_four_is_the_most_that_optimism_bears_at_first():
    payoff = catalogue["climbing"].payoff

    def best_row(s):
        returns = np.stack([payoff - s, payoff + s], axis=-1).reshape(3, -1)
        values = returns.mean(axis=1)
        for _ in range(100):
            weights = np.where(returns >= values[:, None], 1, 0.1)
            values = (weights * returns).sum(axis=1) / weights.sum(axis=1)
        return int(values.argmax())

    assert [best_row(s) for s in (0, 2, 4, 5, 8, 20)] == [0, 0, 0, 1, 1, 1]

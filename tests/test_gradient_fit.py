"""What gradient descent finds, beside what there is: trained mixers against the exact fits."""

import functools
import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from matrix_games import MatrixGame, additive_fit, catalogue, monotone_fit, supermodular_fit
from qmix_edu import train
from qmix_edu.agents import TableAgent
from qmix_edu.algorithms import ALGORITHMS
from qmix_edu.envs.small import MatrixGameEnv
from qmix_edu.gradient_fit import gradient_fit, gradient_fits
from qmix_edu.learner import LearnerSettings
from qmix_edu.mixers import QMixer, UnconstrainedMixer, UniversalMixer, VDNMixer
from qmix_edu.settings import train_settings

qtran = catalogue["qtran"]


quick_fit = functools.partial(gradient_fit, steps=1000, learning_rate=2e-2)


def vdn_mixer(n_agents, state_size):
    return VDNMixer()


@functools.cache
def trained(name, mixer, seeds=6):
    return quick_fit(catalogue[name], mixer, seeds=seeds, learning_rate=5e-2 if mixer is vdn_mixer else 2e-2)


def test_on_the_qtran_game_descent_finds_the_other_order():
    """The exact monotone fit keeps the optimum at MSE 32; descent ends at 35.556 and plays for 0."""
    fit = quick_fit(qtran, seeds=20)
    wrong_basin = (np.abs(fit.mse - 35.5556) <= 0.01) & (fit.greedy_payoff == 0)
    assert wrong_basin.sum() >= 19
    exact = monotone_fit(qtran)
    assert exact.mse == pytest.approx(32)
    assert [qtran.payoff[u] for u in exact.greedy] == [8]
    table = fit.tables[wrong_basin].mean(axis=0)  # in the game's own labels, whatever the shuffle was
    np.testing.assert_allclose(table, [[-8, -8, -8], [-8, 0, 0], [-8, 0, 0]], atol=0.1)


@pytest.mark.parametrize("mixer", [QMixer, functools.partial(QMixer, weight_constraint=F.softplus)])
def test_the_or_game_is_out_of_reach(mixer):
    """Monotone, and yet not supermodular: no seed gets below what a sum reaches."""
    fit = trained("or", mixer, seeds=12)
    assert (fit.mse >= 0.0625 - 1e-6).all()
    assert np.median(fit.mse) == pytest.approx(0.0625, abs=1e-3)
    assert monotone_fit(catalogue["or"]).mse == pytest.approx(0)


STAIRCASE = MatrixGame("staircase", [[0, 0, 1], [0, 1, 1], [1, 1, 1]], "a monotone table that is not supermodular")


@pytest.mark.parametrize("game", [catalogue["or"], STAIRCASE], ids=lambda game: game.name)
def test_the_universal_mixer_fits_what_qmix_cannot(game):
    """Utilities and mixer learn together; all of ten seeds end below 1e-3, where QMIX stays at its class's bound."""
    assert (gradient_fit(game, UniversalMixer, seeds=10, steps=1000, learning_rate=1e-2).mse < 1e-3).all()
    bound = supermodular_fit(game).mse
    assert bound > 0.02
    assert (quick_fit(game, QMixer, seeds=4).mse >= bound - 1e-5).all()


@pytest.mark.parametrize("game", [catalogue["or"], STAIRCASE], ids=lambda game: game.name)
def test_training_finds_what_the_descents_find(game):
    """Play, replay and gradient steps, all actions uniform: the universal mixer fits the table, QMIX cannot.

    No QMIX is below its class's bound; batches drawn at random keep it above, by less than half as much again.
    """
    bound, mse = supermodular_fit(game).mse, {}
    settings = replace(train_settings("matrix/or"), n_envs=64, batch_size=64, eval_interval=10**9, eval_episodes=1)
    assert settings.epsilon(0) == settings.epsilon(10**6) == 1.0
    actions = torch.tensor(list(np.ndindex(game.payoff.shape)))
    for algorithm in ("universal", "qmix"):
        env = MatrixGameEnv(game, 64, 1)
        values = LearnerSettings(td_lambda=0.0, learning_rate=1e-2)
        learner = ALGORITHMS[algorithm](env.spec, seed=1, agent=TableAgent, settings=values)
        for _ in train(env, learner, 100 * 64, settings=settings, seed=1):
            pass
        seen = MatrixGameEnv(game, game.payoff.size).reset()
        utilities, _ = learner.utilities(seen.obs, torch.full_like(actions, env.spec.n_actions), None)
        table = learner.value(utilities, actions, seen.avail_actions, seen.state).numpy()
        mse[algorithm] = ((table.ravel() - game.payoff.ravel()) ** 2).mean()
    assert mse["universal"] < 1e-3
    assert bound - 1e-5 <= mse["qmix"] < 1.5 * bound


def test_the_second_state_of_the_two_step_game_is_within_reach():
    fit = trained("two-step-2b", QMixer)
    assert (fit.mse < 1e-2).all()
    assert (fit.greedy == 1).all()
    np.testing.assert_allclose(fit.tables, np.broadcast_to([[0, 1], [1, 8]], (6, 2, 2)), atol=0.2)


@pytest.mark.parametrize("name", ["qtran", "two-step-2b", "climbing", "platonia-like-3"])
def test_a_trained_sum_is_the_additive_fit(name):
    fit, exact = trained(name, vdn_mixer), additive_fit(catalogue[name])
    np.testing.assert_allclose(fit.tables, np.broadcast_to(exact.solutions[0], fit.tables.shape), atol=1e-2)
    np.testing.assert_allclose(fit.mse, exact.mse, atol=1e-3)


@pytest.mark.parametrize("name", ["qtran", "climbing", "penalty-10", "mg1", "xor", "or", "and", "two-step-2b"])
def test_losses_nest_as_the_classes_do(name):
    """The best seed of each: free weights no worse than QMIX, QMIX no worse than a sum and no better than its class."""
    free, qmix, vdn = (trained(name, m).mse.min() for m in (UnconstrainedMixer, QMixer, vdn_mixer))
    size = catalogue[name].payoff.var() + 1e-9
    assert free <= qmix + 1e-3 * size
    assert qmix <= vdn + 1e-3 * size
    assert qmix >= supermodular_fit(catalogue[name]).mse - 1e-5 * size
    assert vdn >= additive_fit(catalogue[name]).mse - 1e-5 * size


def test_weights_are_the_share_of_each_joint_action():
    """Data around the block of zeros push the border towards -12, as epsilon-greedy data do."""
    weights = np.ones((3, 3))
    weights[1:, 1:] = 20.0
    fit = quick_fit(qtran, vdn_mixer, weights=weights, seeds=3, learning_rate=0.1)
    exact = additive_fit(qtran, weights=weights)
    np.testing.assert_allclose(fit.mse, exact.mse, rtol=1e-3)
    np.testing.assert_allclose(fit.tables, np.broadcast_to(exact.solutions[0], fit.tables.shape), atol=2e-2)
    assert not np.allclose(exact.solutions[0], additive_fit(qtran).solutions[0], atol=1.0)


def test_everything_is_in_the_games_own_labels():
    """Tables, utilities and greedy actions agree with each other and with the payoff, in spite of the shuffles."""
    fit = trained("platonia-like-3", vdn_mixer)
    payoff = catalogue["platonia-like-3"].payoff
    for seed in range(6):
        total = sum(np.ix_(*(u[seed] for u in fit.utilities)))
        np.testing.assert_allclose(fit.tables[seed], total, atol=1e-5)
        assert [u[seed].argmax() for u in fit.utilities] == fit.greedy[seed].tolist()
        assert fit.greedy_payoff[seed] == payoff[tuple(fit.greedy[seed])]
        assert fit.mse[seed] == pytest.approx(((payoff - fit.tables[seed]) ** 2).mean(), rel=1e-5)


def test_the_same_seeds_give_the_same_numbers():
    one, same, other = (gradient_fit(qtran, seeds=2, steps=50, first_seed=s) for s in (0, 0, 1))
    assert np.array_equal(one.tables, same.tables)
    assert not np.allclose(one.tables, other.tables)
    assert not np.allclose(one.tables[0], one.tables[1])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"game": None}, "game is of type NoneType, expected a MatrixGame"),
        ({"game": "qtran"}, "game is of type str, expected a MatrixGame"),
        ({"weights": np.ones((2, 2))}, r"weights have shape \(2, 2\), expected \(3, 3\)"),
        ({"weights": np.eye(3)}, r"the weight at \(0, 1\) is 0, expected a number > 0"),
        ({"weights": np.full((3, 3), np.nan)}, "weights is nan"),
        ({"seeds": 0}, "Asked for 0 seeds of 2 steps"),
        ({"steps": -1}, "Asked for 1 seeds of -1 steps"),
        ({"learning_rate": -0.1}, "learning_rate is -0.1"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, message):
    as_outside_of_tests = inspect.unwrap(gradient_fit)  # where nothing checks types
    with pytest.raises(ValueError, match=message):
        as_outside_of_tests(**{"game": qtran, "seeds": 1, "steps": 2, **wrong})


def test_many_games_are_fitted_side_by_side_as_they_are_alone():
    """A sum ends at each game's additive fit, whatever its neighbours; the first game is shuffled as it is alone."""
    games = [catalogue[name] for name in ("qtran", "climbing", "mg1")]
    fits = gradient_fits(games, vdn_mixer, seeds=2, steps=1000, learning_rate=5e-2)
    assert len(fits) == 3
    for game, fit in zip(games, fits, strict=True):
        exact = additive_fit(game)
        np.testing.assert_allclose(fit.tables, np.broadcast_to(exact.values, (2, 3, 3)), atol=1e-2)
        np.testing.assert_allclose(fit.mse, exact.mse, atol=1e-3)
        assert fit.greedy_payoff.tolist() == [game.payoff[tuple(u)] for u in fit.greedy]
    alone = gradient_fit(games[0], vdn_mixer, seeds=2, steps=20)
    beside = gradient_fits(games, vdn_mixer, seeds=2, steps=20)[0]
    np.testing.assert_allclose(beside.tables, alone.tables, atol=1e-4)


@pytest.mark.parametrize(
    ("games", "message"),
    [
        ([], r"games is \[\], expected at least one MatrixGame"),
        (None, "games is None"),
        ([qtran, "xor"], "game is of type str"),
        ([qtran, catalogue["xor"]], r"games have the shapes \(2, 2\), \(3, 3\); fit each shape by itself"),
    ],
)
def test_games_that_cannot_be_fitted_together_are_refused(games, message):
    with pytest.raises(ValueError, match=message):
        inspect.unwrap(gradient_fits)(games, steps=1)

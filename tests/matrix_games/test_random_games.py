"""Random games: the study is the fits, game by game; what is drawn agrees with what is proved."""

import inspect
import warnings
from fractions import Fraction
from itertools import permutations
from math import factorial, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_games import (
    additive_fit,
    additive_optimal_share_2x2,
    additive_regret_2x2,
    explained_variance,
    gaussian_payoffs,
    integer_payoffs,
    is_additive,
    is_monotone,
    is_supermodular,
    monotone_fit,
    monotone_fraction,
    study_random_games,
    supermodular_fit,
    uniform_payoffs,
)

FITS = {"additive": additive_fit, "supermodular": supermodular_fit, "monotone": monotone_fit}
DECIDES = {"additive": is_additive, "supermodular": is_supermodular, "monotone": is_monotone}
LAWS = {
    "uniform": uniform_payoffs,
    "gaussian": gaussian_payoffs,
    "integers": integer_payoffs(3),
    "coins": integer_payoffs(2),
    "constant": integer_payoffs(1),
    "far from zero": lambda shape, rng: 1e6 + gaussian_payoffs(shape, rng),
}


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize(
    ("shape", "games"),
    [((2, 2), 40), ((3, 3), 30), ((4, 3), 8), ((2, 2, 2), 15), ((1, 3, 2), 10), ((3,), 5), ((1, 1), 3)],
)
def test_a_study_is_the_fits_game_by_game(law, shape, games):
    study = study_random_games(law, shape, games, rng(3))
    assert list(study) == list(FITS) and study.payoffs.shape == (games, *shape)
    for name, fit in FITS.items():
        for k, payoff in enumerate(study.payoffs):
            alone, one = fit(payoff), study[name]
            assert alone.exact
            paid = np.array([payoff[joint] for joint in alone.greedy])
            assert one.mse[k] == pytest.approx(alone.mse, abs=1e-9)
            assert one.representable[k] == bool(DECIDES[name](payoff))
            assert one.regret[k] == pytest.approx(payoff.max() - paid.mean(), abs=1e-9)
            assert one.optimal[k] == pytest.approx((paid == payoff.max()).mean())
            assert one.variance[k] == pytest.approx(payoff.var(), abs=1e-9)
            assert study.random_regret[k] == pytest.approx(payoff.max() - payoff.mean(), abs=1e-9)


def test_games_are_searched_together_as_they_are_alone(monkeypatch):
    """Other chunks, widths and batches, other work, same answer."""
    whole = study_random_games(integer_payoffs(4), (4, 4), 12, rng(1))
    monkeypatch.setattr("matrix_games.random_games._CHUNK", 1)
    monkeypatch.setattr("matrix_games.orders._ROWS", 7)
    monkeypatch.setattr("matrix_games.orders._WIDTHS", (1, 2) + (5,) * 1000)
    single = study_random_games(integer_payoffs(4), (4, 4), 12, rng(1))
    for name in FITS:
        np.testing.assert_allclose(single[name].mse, whole[name].mse, atol=1e-12)
        np.testing.assert_allclose(single[name].regret, whole[name].regret, atol=1e-12)


def test_summaries_are_what_they_say():
    study = study_random_games(gaussian_payoffs, (3, 2), 50, rng(2), ("monotone",))["monotone"]
    assert study.mean_regret == study.regret.mean() and study.optimal_share == study.optimal.mean()
    assert study.regret_error == pytest.approx(np.std(study.regret, ddof=1) / np.sqrt(50))
    assert study.optimal_error == pytest.approx(np.std(study.optimal, ddof=1) / np.sqrt(50))
    assert study.representable_share == study.representable.mean()
    assert study.explained_variance == pytest.approx(1 - study.mse.mean() / study.variance.mean())
    assert study_random_games(integer_payoffs(1), (2, 2), 3, rng())["additive"].explained_variance == 1


def test_the_same_seed_is_the_same_study():
    one, same, other = (study_random_games(uniform_payoffs, (2, 2), 5, rng(s)) for s in (0, 0, 1))
    assert np.array_equal(one.payoffs, same.payoffs) and not np.array_equal(one.payoffs, other.payoffs)


def test_drawn_games_agree_with_the_closed_forms():
    for law in (uniform_payoffs, gaussian_payoffs):
        study = study_random_games(law, (2, 2), 20_000, rng(5), ("additive", "monotone"))
        additive = study["additive"]
        assert abs(additive.optimal_share - additive_optimal_share_2x2()) < 4 * additive.optimal_error
        # in 2x2 games the monotone class fits better and chooses alike
        np.testing.assert_allclose(study["monotone"].regret, additive.regret, atol=1e-9)
        if law is uniform_payoffs:
            assert abs(additive.mean_regret - additive_regret_2x2()) < 4 * additive.regret_error
    for shape in [(2, 2), (2, 3), (3, 3), (2, 2, 2)]:
        study = study_random_games(gaussian_payoffs, shape, 5000, rng(6), ("additive", "monotone"))
        share = float(monotone_fraction(shape))
        assert abs(study["monotone"].representable_share - share) < 4 * np.sqrt(share * (1 - share) / 5000)
        assert abs(study["additive"].explained_variance - explained_variance(shape)) < 0.02


def test_better_fits_do_not_choose_better():
    """3x3, uniform payoffs: the monotone class explains more than the additive one and loses more."""
    study = study_random_games(uniform_payoffs, (3, 3), 4000, rng(8))
    additive, supermodular, monotone = (study[name] for name in FITS)
    assert monotone.explained_variance > supermodular.explained_variance > additive.explained_variance
    worse = monotone.regret - additive.regret
    assert worse.mean() > 3 * worse.std() / np.sqrt(4000)
    assert supermodular.mean_regret < additive.mean_regret / 2
    assert abs(additive.mean_regret - 0.1372) < 4 * additive.regret_error + 0.0024
    assert abs(monotone.mean_regret - 0.1550) < 4 * monotone.regret_error + 0.0024


# --- closed forms


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (3, 2), (2, 2, 2), (4, 2), (1, 2, 2), (5,)])
def test_monotone_rankings_can_be_counted_one_by_one(shape):
    """All rankings of up to eight payoffs: monotone if every two actions of an agent can be compared."""
    cells = prod(shape)
    rankings = np.array(list(permutations(range(cells)))).reshape(-1, *shape)
    monotone = np.ones(len(rankings), dtype=bool)
    for axis, size in enumerate(shape, start=1):
        others = tuple(other for other in range(1, len(shape) + 1) if other != axis)
        for a in range(size):
            for b in range(a):
                higher = np.take(rankings, [a], axis) > np.take(rankings, [b], axis)
                monotone &= (higher.all(axis=others) | ~higher.any(axis=others)).reshape(-1)
    assert monotone_fraction(shape) == Fraction(int(monotone.sum()), factorial(cells))


def test_known_fractions():
    assert monotone_fraction((3, 3)) == Fraction(1, 240)
    assert monotone_fraction((4, 4)) == Fraction(1, 1_512_000)
    assert monotone_fraction((2, 2, 2)) == Fraction(1, 105)
    assert float(monotone_fraction((5, 5))) == pytest.approx(6.51e-13, rel=1e-3)
    assert float(monotone_fraction((2, 2, 2, 2))) == pytest.approx(1.285e-6, rel=1e-3)
    assert explained_variance((4, 4)) == Fraction(2, 5) and explained_variance((2, 2, 2)) == Fraction(3, 7)


def test_counting_cell_by_cell_agrees_with_hook_lengths():
    from matrix_games.random_games import _linear_extensions

    for shape in [(2, 2), (3, 3), (4, 3), (5, 2)]:
        renamed = prod(map(factorial, shape))
        assert Fraction(renamed * _linear_extensions(shape), factorial(prod(shape))) == monotone_fraction(shape)


# --- bad input


def either_right_or_one_sentence(call):
    """Return what the call returns; None if it raises a ValueError of one sentence. Warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return call()
        except ValueError as error:
            assert str(error) and "\n" not in str(error)


sizes = st.one_of(
    st.lists(
        st.one_of(st.integers(-1, 4), st.sampled_from([0, 1, 7, 1000, 2**40, 1.5, np.nan, "x", None, True])), max_size=5
    ),
    st.sampled_from([None, 3, "33", [[2, 2]], (10**30, 2), (200, 200), (2,) * 9, (9, 9), np.array([2, 3])]),
)


@settings(max_examples=60, deadline=None)
@given(sizes)
def test_shapes_are_accepted_or_refused_in_a_sentence(n_actions):
    fraction = either_right_or_one_sentence(lambda: inspect.unwrap(monotone_fraction)(n_actions))
    assert fraction is None or 0 < fraction <= 1
    share = either_right_or_one_sentence(lambda: inspect.unwrap(explained_variance)(n_actions))
    assert share is None or 0 < share <= 1
    study = either_right_or_one_sentence(
        lambda: inspect.unwrap(study_random_games)(uniform_payoffs, n_actions, 2, rng(), ("additive",))
    )
    assert study is None or study["additive"].regret.min() >= 0


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from([0.0, 1.0, -1.0, np.nan, np.inf, 1e300, 1e150, 1e-200, 5e-324, 1e-149]),
    st.sampled_from([(2, 2), (3, 2), (1, 2), (1, 1), (2, 2, 2)]),
    st.data(),
)
def test_any_law_is_fitted_or_refused_in_a_sentence(extreme, shape, data):
    scale = data.draw(st.sampled_from([0.0, 1.0, 1e-160, 1e140, 1e160]))

    def law(size, generator):
        payoffs = scale * generator.standard_normal(size)
        payoffs.flat[0] = extreme
        return payoffs

    study = either_right_or_one_sentence(lambda: study_random_games(law, shape, 3, rng()))
    if study is not None:
        for one in study.values():
            for numbers in (one.mse, one.variance, one.regret, one.optimal):
                assert np.isfinite(numbers).all() and numbers.min() >= 0
            assert np.all(one.mse <= one.variance * (1 + 1e-9))
            assert np.isfinite([one.regret_error, one.optimal_error, one.explained_variance]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"law": "uniform"}, "law is 'uniform', expected a function"),
        ({"law": lambda shape, rng: np.zeros(3)}, r"shape \(3,\), expected \(4, 2, 2\)"),
        ({"law": lambda shape, rng: np.full(shape, "x")}, "what the law drew holds"),
        ({"games": 1}, "games is 1, expected an integer from 2"),
        ({"games": 2.5}, "games is 2.5"),
        ({"games": True}, "games is True"),
        ({"games": 9_999_999}, "more than 10,000,000 payoffs"),
        ({"rng": 7}, "rng is 7, expected a numpy Generator"),
        ({"n_actions": (0, 2)}, "expected one positive integer an agent"),
        ({"n_actions": (9, 9)}, r"too many orders to search; take classes=\('additive',\)"),
        ({"classes": ("qmix",)}, "classes is .'qmix',., expected some of additive, supermodular, monotone"),
        ({"classes": "monotone"}, "classes is 'monotone'"),
        ({"classes": ()}, r"classes is \(\)"),
        ({"classes": [["additive"]]}, "expected some of"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(change, message):
    arguments = {"law": uniform_payoffs, "n_actions": (2, 2), "games": 4, "rng": rng(), **change}
    with pytest.raises(ValueError, match=message):
        inspect.unwrap(study_random_games)(**arguments)


@pytest.mark.parametrize("levels", [0, -1, 1.5, "2", None, True, 2**60])
def test_levels_that_make_no_sense_are_refused(levels):
    with pytest.raises(ValueError, match="levels is"):
        inspect.unwrap(integer_payoffs)(levels)


@pytest.mark.parametrize("shape", [(4, 4, 4), (101, 100)])
def test_too_much_to_count_is_refused(shape):
    with pytest.raises(ValueError, match="more than"):
        monotone_fraction(shape)

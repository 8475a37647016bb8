import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from matrix_games import (
    MatrixGame,
    UnknownGameError,
    catalogue,
    gaussian_game,
    integer_game,
    penalty,
    platonia_like,
    uniform_game,
)


def game(payoff, **fields):
    return MatrixGame("test", payoff, "this test", **fields)


OPTIMA = {
    "qtran": ([(0, 0)], 8),
    "climbing": ([(0, 0)], 11),
    "climbing-partially-stochastic": ([(0, 0)], 11),
    "climbing-fully-stochastic": ([(0, 0)], 11),
    "penalty-10": ([(0, 0), (2, 2)], 10),
    "penalty-100": ([(0, 0), (2, 2)], 10),
    "two-step-2a": ([(0, 0), (0, 1), (1, 0), (1, 1)], 7),
    "two-step-2b": ([(1, 1)], 8),
    "mg1": ([(0, 0)], 10.4),
    "mg3": ([(0, 0)], 8),
    "xor": ([(0, 1), (1, 0)], 1),
    "or": ([(0, 1), (1, 0), (1, 1)], 1),
    "and": ([(1, 1)], 1),
    "coordination": ([(0, 0), (1, 1)], 1),
    "platonia-like-3": ([(0, 0, 1), (0, 1, 0), (1, 0, 0)], 3),
}


def test_the_catalogue_holds_these_games():
    assert list(catalogue) == list(OPTIMA)
    assert len(catalogue) == len(OPTIMA)


@pytest.mark.parametrize("name", OPTIMA)
def test_optimum_and_source_of_each_game(name):
    entry = catalogue[name]
    assert (entry.optimum, entry.best_payoff) == OPTIMA[name]
    assert entry.name == name and entry.source and entry.note
    assert entry.n_actions == entry.payoff.shape and entry.n_agents == entry.payoff.ndim


def test_payoffs_are_those_of_the_literature():
    assert catalogue["qtran"].payoff.tolist() == [[8, -12, -12], [-12, 0, 0], [-12, 0, 0]]
    assert catalogue["climbing"].payoff.tolist() == [[11, -30, 0], [-30, 7, 6], [0, 0, 5]]
    assert catalogue["mg1"].payoff.tolist() == [[10.4, 0, 10], [0, 10, 10], [10, 10, 10]]
    assert catalogue["mg3"].payoff.tolist() == [[8, -12, -12], [-12, 6, 0], [-12, 0, 6]]
    assert penalty(-3.5).payoff.tolist() == [[10, 0, -3.5], [0, 2, 0], [-3.5, 0, 10]]
    assert penalty(-3.5).name == "penalty-3.5"


@pytest.mark.parametrize("n", [2, 3, 5])
def test_platonia_pays_n_if_exactly_one_sends(n):
    for joint in product((0, 1), repeat=n):
        assert platonia_like(n).payoff[joint] == (n if sum(joint) == 1 else 0)


def test_an_unknown_game_is_answered_with_the_nearest_name():
    with pytest.raises(UnknownGameError) as caught:
        catalogue["climbimg"]
    assert isinstance(caught.value, KeyError)
    assert str(caught.value).startswith("unknown game 'climbimg': did you mean climbing")
    assert str(caught.value).endswith("?")
    with pytest.raises(UnknownGameError, match="choose one of qtran, climbing"):
        catalogue["chess"]
    assert "climbimg" not in catalogue and catalogue.get("climbimg") is None


BAD_PAYOFFS = [
    ([[1, 2], [3]], "ragged"),
    ([[1, np.nan]], r"nan at \(0, 1\), expected finite"),
    ([[1, 2], [-np.inf, 3]], r"-inf at \(1, 0\), expected finite"),
    ([], "agent 0 has 0 actions"),
    (np.zeros((2, 0)), "agent 1 has 0 actions"),
    ([["a", "b"]], "expected real numbers"),
    ([["1", "2"]], "expected real numbers"),
    ([[1, None]], "expected real numbers"),
    ([[1j, 2]], "expected real numbers"),
    (np.float64(3), "one axis per agent"),
]


@pytest.mark.parametrize(("payoff", "message"), BAD_PAYOFFS)
def test_a_bad_payoff_is_one_clear_sentence(payoff, message):
    with pytest.raises(ValueError, match=message) as caught:
        game(payoff)
    assert "\n" not in str(caught.value)


def test_the_payoff_is_a_frozen_copy():
    mine = np.array([[1, 2], [3, 4]])
    entry = game(mine)
    mine[0, 0] = 9
    assert entry.payoff.dtype == np.float64 and entry.payoff[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        entry.payoff[0, 0] = 0
    assert game([3, 5, 5]).optimum == [(1,), (2,)]


def test_optima_tie_despite_rounding():
    assert game([[0.1 + 0.2, 0], [0, 0.3]]).optimum == [(0, 0), (1, 1)]


@pytest.mark.parametrize("scale", [1e-300, 1e-6, 1, 1e6, 1e300])
def test_optima_do_not_depend_on_the_scale(scale):
    assert game(scale * np.array([[-10.0, 0], [7, 10]])).optimum == [(1, 1)]


# --- stochastic games


@pytest.mark.parametrize("name", ["climbing-partially-stochastic", "climbing-fully-stochastic"])
def test_stochastic_climbing_has_the_means_of_climbing(name):
    entry, rng = catalogue[name], np.random.default_rng(1)
    np.testing.assert_array_equal(entry.payoff, catalogue["climbing"].payoff)
    cells = np.array(list(np.ndindex(3, 3)))
    draws = entry.sample(np.repeat(cells, 4000, axis=0), rng).reshape(9, 4000)
    spread = np.abs(entry.outcomes[0] - entry.outcomes[1]).ravel() / 2
    assert (np.abs(draws.mean(axis=1) - entry.payoff.ravel()) <= 5 * spread / np.sqrt(4000)).all()
    for cell, drawn in zip(cells, draws, strict=True):
        assert set(drawn) == {outcome[tuple(cell)] for outcome in entry.outcomes}


def test_sampling_repeats_with_the_same_seed():
    entry = catalogue["climbing-fully-stochastic"]
    actions = np.random.default_rng(0).integers(3, size=(50, 2))
    first, again, other = (entry.sample(actions, np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_outcomes_come_with_their_probabilities():
    entry = game([[1.0, 2.0]], outcomes=[[[4, 8]], [[0, 0]]], probabilities=[0.25, 0.75])
    draws = entry.sample(np.tile([0, 1], (4000, 1)), np.random.default_rng(0))
    assert set(draws) == {0, 8}
    assert abs((draws == 8).mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 4000)


def test_a_deterministic_game_pays_its_payoff():
    rewards = catalogue["climbing"].sample([[0, 0], [1, 2]], np.random.default_rng(0))
    assert rewards.tolist() == [11, 6]


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ([0, 1], r"shape \(2,\)"),
        ([[0, 1, 2]], r"expected integers of shape \(k, 2\)"),
        ([[0.0, 1.0]], "float64, expected integers"),
        ([[0, 1], [2, 3]], "action 3 of agent 1 does not exist: expected 0 to 2"),
        ([[-1, 0]], "action -1 of agent 0 does not exist"),
    ],
)
def test_sampling_refuses_wrong_actions(actions, message):
    with pytest.raises(ValueError, match=message):
        catalogue["climbing"].sample(actions, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"outcomes": [[0, 1], [2, 3], [4, 5]]}, "payoff differs from the mean"),
        ({"outcomes": [[0, 1, 2]]}, r"outcomes have shape \(1, 3\), expected \(k, \*\(2,\)\)"),
        ({"outcomes": [[1, 2]], "probabilities": [0.5]}, "sum to 1"),
        ({"outcomes": [[1, 2], [1, 2]], "probabilities": [1.5, -0.5]}, "sum to 1"),
        ({"probabilities": [1.0]}, "without outcomes"),
    ],
)
def test_outcomes_must_fit_the_payoff(fields, message):
    with pytest.raises(ValueError, match=message):
        game([1, 2], **fields)


# --- relabelling


def test_relabelling_moves_actions_where_it_says():
    entry = game(np.arange(6.0).reshape(2, 3)).relabelled([[1, 0], [2, 0, 1]])
    assert entry.payoff.tolist() == [[5, 3, 4], [2, 0, 1]]


def test_relabelling_moves_outcomes_too():
    orders = [[2, 0, 1], [1, 2, 0]]
    entry = catalogue["climbing-fully-stochastic"]
    moved = entry.relabelled(orders)
    for k, (a, b) in product(range(2), product(range(3), repeat=2)):
        assert moved.outcomes[k, a, b] == entry.outcomes[k, orders[0][a], orders[1][b]]


def test_shuffling_keeps_the_game_and_moves_its_optimum():
    rng = np.random.default_rng(3)
    entry = catalogue["qtran"]
    optima = set()
    for _ in range(60):
        moved = entry.shuffled(rng)
        assert sorted(moved.payoff.ravel()) == sorted(entry.payoff.ravel())
        assert moved.best_payoff == 8
        optima.update(moved.optimum)
    assert optima == set(product(range(3), repeat=2))


@pytest.mark.parametrize(
    ("orders", "message"),
    [
        ([[0, 1]], "1 permutations were given, expected 2"),
        ([[0, 1], [0, 0]], "no permutation of the actions 0 to 1 of"),
    ],
)
def test_relabelling_refuses_what_is_no_permutation(orders, message):
    with pytest.raises(ValueError, match=message):
        catalogue["xor"].relabelled(orders)


# --- generators


@pytest.mark.parametrize(
    "draw", [uniform_game, gaussian_game, lambda shape, rng: integer_game(shape, 4, rng)], ids=["U", "N", "int"]
)
def test_random_games_follow_their_seed(draw):
    first, again, other = (draw((3, 2, 4), np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.n_actions == (3, 2, 4)
    np.testing.assert_array_equal(first.payoff, again.payoff)
    assert (first.payoff != other.payoff).any()


def test_random_games_have_the_distribution_that_they_say():
    rng, size = np.random.default_rng(0), (40, 50)
    uniform, normal = uniform_game(size, rng).payoff, gaussian_game(size, rng).payoff
    assert uniform.min() >= 0 and uniform.max() < 1
    assert abs(uniform.mean() - 1 / 2) < 0.03 and abs(uniform.var() - 1 / 12) < 0.01
    assert abs(normal.mean()) < 0.1 and abs(normal.var() - 1) < 0.15
    assert set(integer_game(size, 3, rng).payoff.ravel()) == {0, 1, 2}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: penalty(10), "the penalty k is 10, expected a finite number <= 0"),
        (lambda: penalty(np.nan), "penalty k is nan"),
        (lambda: platonia_like(1), "number of agents is 1, expected an integer of at least 2"),
        (lambda: uniform_game((3, 0), np.random.default_rng(0)), r"n_actions is \(3, 0\)"),
        (lambda: uniform_game((), np.random.default_rng(0)), "n_actions is"),
        (lambda: integer_game((3, 3), 0, np.random.default_rng(0)), "levels is 0"),
    ],
)
def test_makers_refuse_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_package_needs_neither_torch_nor_the_library():
    root = Path(__file__).parents[2]
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['qmix_edu'] = None; import matrix_games as g; "
        "assert abs(g.monotone_fit(g.catalogue['qtran']).mse - 32) < 1e-9"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

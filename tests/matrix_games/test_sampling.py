"""Sampling distributions against hand counts; fixed points against the definition, cell by cell."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from matrix_games import (
    Sampling,
    additive_fit,
    catalogue,
    fixed_points,
    gaussian_game,
    iql_fit,
    iql_values,
    largest_stable_epsilon,
    monotone_fit,
    stability,
    supermodular_fit,
)

BLOCK = [(1, 1), (1, 2), (2, 1), (2, 2)]
shapes = st.sampled_from([(3,), (1, 1), (2, 2), (2, 3), (3, 3), (2, 2, 2), (1, 3, 2)])
quick = settings(max_examples=60, deadline=None)


# --- distributions


def test_epsilon_greedy_is_what_two_agents_play():
    sampling = Sampling.epsilon_greedy((3, 2), (2, 0), 0.3)
    np.testing.assert_allclose(sampling.policies[0], [0.1, 0.1, 0.8])
    np.testing.assert_allclose(sampling.policies[1], [0.85, 0.15])
    np.testing.assert_allclose(sampling.probabilities, np.outer([0.1, 0.1, 0.8], [0.85, 0.15]))
    assert sampling.is_product
    np.testing.assert_allclose(Sampling.epsilon_greedy((3, 2), (2, 0), 1).probabilities, 1 / 6)
    assert Sampling.epsilon_greedy((3, 2), (2, 0), 0).probabilities[2, 0] == 1
    np.testing.assert_allclose(Sampling.uniform((2, 2, 2)).probabilities, 1 / 8)


def test_a_mixture_of_products_is_no_product():
    both = Sampling.mixture([Sampling.epsilon_greedy((2, 2), joint, 0.2) for joint in [(0, 0), (1, 1)]], [0.75, 0.25])
    np.testing.assert_allclose(both.probabilities, [[0.61, 0.09], [0.09, 0.21]])
    assert not both.is_product
    np.testing.assert_allclose(both.policies[0], [0.7, 0.3])
    assert Sampling.mixture([Sampling.uniform((2, 2))]).is_product


@quick
@given(shapes, st.integers(0, 9))
def test_products_are_recognised_and_correlated_data_are_not(shape, seed):
    rng = np.random.default_rng(seed)
    policies = [rng.dirichlet(np.ones(size)) for size in shape]
    sampling = Sampling.product(policies)
    assert sampling.is_product
    for found, policy in zip(sampling.policies, policies, strict=True):
        np.testing.assert_allclose(found, policy)
    for joint in np.ndindex(shape):
        assert sampling.probabilities[joint] == pytest.approx(
            np.prod([p[a] for p, a in zip(policies, joint, strict=True)])
        )
    if min(shape) > 1 and len(shape) > 1:
        assert not Sampling(rng.dirichlet(np.ones(np.prod(shape))).reshape(shape)).is_product


def test_draws_follow_the_probabilities():
    sampling = Sampling([[0.5, 0.2], [0.3, 0]])
    actions = sampling.draw(20_000, np.random.default_rng(0))
    assert actions.shape == (20_000, 2)
    share = np.zeros((2, 2))
    np.add.at(share, tuple(actions.T), 1 / 20_000)
    assert share[1, 1] == 0 and np.abs(share - sampling.probabilities).max() < 4 * np.sqrt(0.25 / 20_000)
    assert (sampling.draw(5, np.random.default_rng(1)) == sampling.draw(5, np.random.default_rng(1))).all()
    assert sampling.draw(0, np.random.default_rng(1)).shape == (0, 2)


def test_a_sampling_is_a_weight():
    payoff, sampling = catalogue["climbing"].payoff, Sampling.epsilon_greedy((3, 3), (1, 1), 0.3)
    for fit in (additive_fit, supermodular_fit, monotone_fit):
        assert fit(payoff, sampling).mse == fit(payoff, sampling.probabilities).mse
        with pytest.raises(ValueError, match=r"weight at \(0, 0\) is 0.*explore with an epsilon above 0"):
            fit(payoff, Sampling.epsilon_greedy((3, 3), (1, 1), 0))
    with pytest.raises(ValueError, match="read-only"):
        sampling.probabilities[0, 0] = 1
    np.asarray(sampling)[0, 0] = 1  # a copy
    assert sampling.probabilities[0, 0] == pytest.approx(0.01)


# --- independent learners


def test_iql_values_are_conditional_means():
    values = iql_values([[8, -12], [0, 4]], Sampling([[0.1, 0.3], [0.4, 0.2]]))
    np.testing.assert_allclose(values[0], [(0.8 - 3.6) / 0.4, 0.8 / 0.6])
    np.testing.assert_allclose(values[1], [0.8 / 0.5, (-3.6 + 0.8) / 0.5])
    assert iql_fit([[8, -12], [0, 4]], Sampling([[0.1, 0.3], [0.4, 0.2]])).greedy == ((1, 0),)
    assert iql_fit(catalogue["qtran"]).greedy == tuple(BLOCK)


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (2, 3, 2), (3, 3, 3)])
def test_under_independent_exploration_vdn_chooses_as_iql_does(shape):
    rng = np.random.default_rng(shape)
    for _ in range(250):
        payoff = gaussian_game(shape, rng).payoff
        sampling = Sampling.product([0.99 * rng.dirichlet(np.ones(size)) + 0.01 / size for size in shape])
        by_hand = tuple(
            int(np.argmax([
                sum(
                    payoff[joint] * np.prod([sampling.policies[j][joint[j]] for j in range(len(shape)) if j != i])
                    for joint in np.ndindex(shape)
                    if joint[i] == action
                )
                for action in range(shape[i])
            ]))
            for i in range(len(shape))
        )  # fmt: skip
        assert iql_fit(payoff, sampling).greedy == additive_fit(payoff, sampling).greedy == (by_hand,)


def test_correlated_data_part_vdn_from_iql():
    # A replay buffer, half of it play around (a, a) and half around (b, b). The payoff is a sum, so VDN is right: b is
    # better for agent 1 whatever the other does. IQL sees that a was mostly played beside the other's good action.
    payoff = [[2, 0], [3, 1]]
    replay = Sampling.mixture([Sampling.epsilon_greedy((2, 2), joint, 0.2) for joint in [(0, 0), (1, 1)]])
    assert not replay.is_product
    assert iql_fit(payoff, replay).greedy == ((0, 0),)
    assert additive_fit(payoff, replay).greedy == ((1, 0),)
    own = Sampling.product(replay.policies)
    assert iql_fit(payoff, own).greedy == additive_fit(payoff, own).greedy == ((1, 0),)


# --- fixed points


@pytest.mark.parametrize(
    ("name", "joint", "largest"),
    [
        ("qtran", (0, 0), 0.9375),
        *[("qtran", joint, 1) for joint in BLOCK],
        ("climbing", (0, 0), 11 / 21),
        ("climbing", (1, 1), 3 / 37),
        ("penalty-10", (0, 0), 0.9375),
        ("penalty-10", (1, 1), 1),
        ("penalty-100", (0, 0), 15 / 61),
        ("penalty-100", (1, 1), 1),
        ("mg1", (0, 0), 1 / 9),
        ("mg3", (0, 0), 6 / 7),
        ("qtran", (0, 1), None),
        ("xor", (0, 0), 1),
        ("two-step-2a", (0, 1), 1),
    ],
)
def test_largest_stable_epsilon(name, joint, largest):
    assert largest_stable_epsilon(catalogue[name], joint) == (None if largest is None else pytest.approx(largest))


def test_fixed_points_of_the_exact_projection():
    for epsilon in (0.05, 0.1, 0.3, 0.5, 0.7):
        assert fixed_points(catalogue["qtran"], epsilon, monotone_fit) == [(0, 0), *BLOCK]
    assert fixed_points(catalogue["qtran"], 1, monotone_fit) == [(0, 0)]
    a, b, c = (0, 0), (1, 1), (2, 2)
    for epsilon, points in [(1, [c]), (0.7, [c]), (0.3, [c]), (0.2, [a, c]), (0.1, [a, c]), (0.05, [a])]:
        assert fixed_points(catalogue["climbing"], epsilon, monotone_fit) == points
    for epsilon, points in [(1, [(0, 2), (2, 0)]), (0.7, [a, c]), (0.5, [a, b, c]), (0.1, [a, b, c])]:
        assert fixed_points(catalogue["penalty-10"], epsilon, monotone_fit) == points


def test_fixed_points_of_iql_and_vdn_follow_the_definition():
    rng = np.random.default_rng(3)
    games = [catalogue["climbing"].payoff, catalogue["mg1"].payoff, rng.normal(size=(2, 3, 2))]
    for payoff, epsilon in product(games, (0.05, 0.2, 0.6, 1.0)):
        points = []
        for joint in np.ndindex(payoff.shape):
            policies = [(1 - epsilon) * np.eye(m)[a] + epsilon / m for m, a in zip(payoff.shape, joint, strict=True)]
            stays = True
            for agent in range(payoff.ndim):
                means = np.moveaxis(payoff, agent, 0)
                for policy in [policies[j] for j in range(payoff.ndim) if j != agent][::-1]:
                    means = means @ policy
                stays &= bool(means[joint[agent]] >= means.max() - 1e-9)
            points += [joint] if stays else []
        assert fixed_points(payoff, epsilon) == fixed_points(payoff, epsilon, iql_fit) == points


def test_ties_are_told_apart():
    qtran = catalogue["qtran"]
    assert stability(qtran, (0, 0), 0.5) == "greedy"
    assert stability(qtran, (1, 2), 0.5) == "tied"
    assert stability(qtran, (0, 1), 0.5) == "lost"


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([(2, 2), (3, 3), (2, 2, 2), (3, 2, 2), (2, 2, 2, 2), (4,)]), st.integers(0, 10**6))
def test_the_largest_stable_epsilon_is_the_largest(shape, seed):
    rng = np.random.default_rng(seed)
    payoff, joint = rng.integers(-5, 6, shape).astype(float), tuple(int(rng.integers(size)) for size in shape)
    largest = largest_stable_epsilon(payoff, joint)
    grid = [e for e in np.linspace(0.04, 1, 25) if stability(payoff, joint, float(e), iql_fit) != "lost"]
    assert (largest or 0) >= max(grid, default=0) - 1e-9
    if largest:
        assert stability(payoff, joint, largest, iql_fit) != "lost"


def test_three_agents_can_have_a_fixed_point_at_middling_epsilons_only():
    # what agent 1 gains by a over b is -(1 - e)^2 + 10 e (1 - e) - e^2, above 0 from .092 to .908
    payoff = np.zeros((2, 2, 2))
    payoff[0] = [[-1, 11], [11, -25]]
    payoff -= 100 * np.indices((2, 2, 2))[1:].sum(axis=0)  # the partners always prefer a
    standings = [stability(payoff, (0, 0, 0), epsilon, iql_fit) for epsilon in (0.05, 0.5, 0.95)]
    assert standings == ["lost", "greedy", "lost"]
    assert largest_stable_epsilon(payoff, (0, 0, 0)) == pytest.approx(0.5 + np.sqrt(1 / 6))


# --- bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sampling([[0.5, 0.6]]), "sum to 1.1, expected numbers >= 0 that sum to 1"),
        (lambda: Sampling([[1.5, -0.5]]), "go from -0.5 to 1.5"),
        (lambda: Sampling([[np.nan, 1]]), r"probabilities is nan at \(0, 0\)"),
        (lambda: Sampling([[]]), "0 actions"),
        (lambda: Sampling.uniform((3, 0)), "expected one positive integer an agent"),
        (lambda: Sampling.uniform(()), "expected one positive integer an agent"),
        (lambda: Sampling.uniform((10**5, 10**5)), "at most 1e7 joint actions"),
        (
            lambda: Sampling.epsilon_greedy((3, 3), (0, 3), 0.1),
            r"joint action is \(0, 3\), expected one action an agent",
        ),
        (lambda: Sampling.epsilon_greedy((3, 3), (0,), 0.1), "expected one action an agent"),
        (lambda: Sampling.epsilon_greedy((3, 3), (0, -1), 0.1), "counted from 0"),
        (lambda: Sampling.epsilon_greedy((3, 3), (0, 0), 1.1), "epsilon is 1.1, expected a number from 0"),
        (lambda: Sampling.epsilon_greedy((3, 3), (0, 0), np.nan), "epsilon is nan"),
        (lambda: Sampling.product([]), "policies is empty"),
        (lambda: Sampling.product([[0.5, 0.5], [0.5, 0.6]]), "policy of agent 1 has shape .* sums to 1.1"),
        (lambda: Sampling.mixture([]), "samplings is empty"),
        (lambda: Sampling.mixture([Sampling.uniform((2,)), Sampling.uniform((3,))]), "expected one shape"),
        (lambda: Sampling.mixture([Sampling.uniform((2,))], [0.5]), "expected 1 numbers >= 0 that sum to 1"),
        (lambda: Sampling.uniform((2,)).draw(-1, np.random.default_rng(0)), "k is -1"),
        (lambda: iql_values([[1, 2]], Sampling.uniform((2, 1))), r"sampling has shape \(2, 1\), expected \(1, 2\)"),
        (lambda: iql_values([[1, 2]], Sampling([[1, 0]])), "action 1 of agent 1 is never played"),
        (lambda: iql_values([[1, 2]], [[0, 0]]), "not all 0"),
        (lambda: fixed_points([[1, 2]], 0), "epsilon is 0: without exploration"),
        (lambda: stability([[1, 2]], (0, 2), 0.1), "expected one action an agent"),
        (lambda: largest_stable_epsilon([[1, 2]], (0, 2)), "expected one action an agent"),
        (lambda: largest_stable_epsilon([[1, np.inf]], (0, 0)), "payoff is inf"),
    ],
)
def test_bad_input_is_one_clear_sentence(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


arrays = npst.arrays(
    np.float64, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), elements=st.floats()
)


@quick
@given(arrays, arrays, st.floats(), st.lists(st.integers(-1, 3), max_size=3))
def test_anything_gets_a_right_answer_or_one_sentence(payoff, weights, epsilon, joint):
    calls = [
        (lambda: Sampling(weights), lambda s: abs(s.probabilities.sum() - 1) <= 1e-9),
        (lambda: Sampling.product([weights, weights]), lambda s: s.is_product),
        (lambda: Sampling.mixture([Sampling.uniform((2,))], weights), lambda s: s.probabilities[0] == 0.5),
        (lambda: Sampling.epsilon_greedy(joint, joint, epsilon), lambda s: s.is_product),
        (lambda: iql_values(payoff, weights), lambda each: all(np.isfinite(value).all() for value in each)),
        (lambda: iql_fit(payoff), lambda fit: len(fit.greedy) > 0),
        (lambda: fixed_points(payoff, epsilon), lambda points: all(len(point) == payoff.ndim for point in points)),
        (lambda: largest_stable_epsilon(payoff, joint), lambda found: found is None or 0 <= found <= 1),
    ]
    for call, right in calls:
        try:
            answer = call()
        except ValueError as error:
            assert "\n" not in str(error) and str(error).endswith(".")
        else:
            assert right(answer)

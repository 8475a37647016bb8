import warnings
from itertools import combinations, permutations, product

import numpy as np
import pytest
import quadprog
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from matrix_games import (
    additive_fit,
    catalogue,
    cones,
    factorisation,
    gaussian_game,
    greedy_of,
    integer_game,
    is_additive,
    is_igm,
    is_monotone,
    is_supermodular,
    monotone_fit,
    orders,
    platonia_like,
    supermodular_fit,
    uniform_game,
)

FITS = {"additive": additive_fit, "supermodular": supermodular_fit, "monotone": monotone_fit}
DECIDES = {"additive": is_additive, "supermodular": is_supermodular, "monotone": is_monotone}
BLOCK = [(1, 1), (1, 2), (2, 1), (2, 2)]
ALL_2X2 = [(0, 0), (0, 1), (1, 0), (1, 1)]
CORNERLESS = [[0, 0, 1], [0, 1, 1], [1, 1, 1]]


def same_set(tables, others, atol=1e-6):
    """Whether two collections of tables are equal as sets."""
    return len(tables) == len(others) and all(
        any(np.allclose(table, other, rtol=0, atol=atol) for other in others) for table in tables
    )


def mse_of(payoff, table, weights):
    return float((weights * (payoff - table) ** 2).sum() / weights.sum())


# --- known results


GOLDENS = [  # game, additive mse and greedy, monotone mse and greedy, supermodular mse and greedy
    ("qtran", 50.568, BLOCK, 32, [(0, 0)], 32, [(0, 0)]),
    ("climbing", 175.086, [(2, 2)], 110.824, [(2, 2)], 151.556, [(2, 2)]),
    ("penalty-10", 44.642, [(1, 1)], 31.111, [(0, 2), (2, 0)], 31.407, [(0, 0), (2, 2)]),
    ("penalty-100", 1435.753, [(1, 1)], 896.296, [(1, 1)], 1278.111, [(1, 1)]),
    ("two-step-2b", 2.25, [(1, 1)], 0, [(1, 1)], 0, [(1, 1)]),
    ("xor", 0.25, ALL_2X2, 1 / 6, ALL_2X2, 1 / 6, [(0, 1), (1, 0)]),
    ("mg1", 12.749, [(2, 2)], 7.4207, [(2, 2)], 11.341, [(2, 2)]),
    ("mg3", 64.494, BLOCK, 38.222, BLOCK, 38.222, [(1, 1), (2, 2)]),
    ("or", 0.0625, [(1, 1)], 0, [(1, 1)], 0.0625, [(1, 1)]),
    ("and", 0.0625, [(1, 1)], 0, [(1, 1)], 0, [(1, 1)]),
]


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden[0])
def test_losses_and_greedy_actions_of_the_catalogue(golden):
    game = catalogue[golden[0]]
    for fit, mse, greedy in zip(
        (additive_fit, monotone_fit, supermodular_fit), golden[1::2], golden[2::2], strict=True
    ):
        found = fit(game)
        assert found.exact
        assert found.mse == pytest.approx(mse, abs=6e-4)
        assert list(found.greedy) == greedy


def test_additive_tables():
    qtran = additive_fit(catalogue["qtran"])
    low, middle, high = -56 / 9, -44 / 9, -32 / 9
    np.testing.assert_allclose(qtran.values, [[low, middle, middle], [middle, high, high], [middle, high, high]])
    assert qtran.mse == pytest.approx(50.567901, abs=1e-6)
    np.testing.assert_allclose(additive_fit(catalogue["two-step-2b"]).values, [[-1.5, 2.5], [2.5, 6.5]])
    np.testing.assert_allclose(additive_fit(catalogue["or"]).values, [[0.25, 0.75], [0.75, 1.25]])


def test_monotone_tables():
    assert same_set(monotone_fit(catalogue["qtran"]).solutions, [[[8, -6, -6], [-6, -6, -6], [-6, -6, -6]]])
    low = -53 / 3
    climbing = [[4.25, low, 4.25], [low, low, 4.25], [4.25, 0, 5]]
    assert same_set(monotone_fit(catalogue["climbing"]).solutions, [climbing])
    penalty10 = [[[2, 0, -10], [2, 2, 0], [2, 2, 2]], [[2, 2, 2], [0, 2, 2], [-10, 0, 2]]]
    assert same_set(monotone_fit(catalogue["penalty-10"]).solutions, penalty10)
    corner = -80 / 3
    one = np.array([[corner, 0, -100], [0, 2, 0], [corner, 0, corner]])
    assert same_set(monotone_fit(catalogue["penalty-100"]).solutions, [one, one.T])


def test_xor_has_four_monotone_fits_and_two_supermodular_ones():
    third = 1 / 3
    zero_kept = [[[0, 2 * third], [2 * third, 2 * third]], [[2 * third, 2 * third], [2 * third, 0]]]
    one_kept = [[[third, 1], [third, third]], [[third, third], [1, third]]]
    assert same_set(monotone_fit(catalogue["xor"]).solutions, zero_kept + one_kept)
    assert same_set(supermodular_fit(catalogue["xor"]).solutions, one_kept)


def test_supermodular_tables():
    climbing = [[-12, -12, -5], [-12, -1, 6], [-8, 3, 10]]
    assert same_set(supermodular_fit(catalogue["climbing"]).solutions, [climbing])
    assert same_set(supermodular_fit(catalogue["or"]).solutions, [[[0.25, 0.75], [0.75, 1.25]]])


def test_platonia_is_not_monotone_and_additive_agents_all_wait():
    assert additive_fit(platonia_like(3)).greedy == ((0, 0, 0),)
    assert len(additive_fit(platonia_like(2)).greedy) == 4
    for n in (2, 3, 4):
        assert not is_monotone(platonia_like(n))


def test_weights_decide_what_the_additive_table_looks_like():
    # Independent exploration at rate e around the zero block: the border of the qtran game moves from -8 to -12.
    game = catalogue["qtran"].payoff
    for rate, border in [(0.5, -10.18), (0.1, -11.66), (0.05, -11.83)]:
        p = np.full(3, rate / 3)
        p[1] += 1 - rate
        weights = np.outer(p, p)
        # the local optimum with a flat border, not the exact fit, is what the literature prints
        flat = np.array([[1, 1, 1], [1, 0, 0], [1, 0, 0]], dtype=bool)
        assert (weights * game)[flat].sum() / weights[flat].sum() == pytest.approx(border, abs=0.006)
        assert monotone_fit(game, weights).mse <= mse_of(game, np.where(flat, border, 0), weights) + 1e-9


def test_random_payoffs_are_monotone_as_often_as_theory_says():
    # 3! 3! 42 / 9! = 1/240 for iid continuous 3x3 games, by the hook length formula
    draws = np.random.default_rng(0).random((6000, 3, 3))
    share = np.mean([bool(is_monotone(table)) for table in draws])
    assert abs(share - 1 / 240) < 4 * np.sqrt(1 / 240 / 6000)


def test_explained_variance_of_additive_fits():
    # n (m - 1) / (m^n - 1) on average over iid payoffs; total variance around each game's own mean
    rng = np.random.default_rng(0)
    for shape, expected in [((2, 2), 2 / 3), ((3, 3), 1 / 2), ((2, 2, 2), 3 / 7)]:
        games = [gaussian_game(shape, rng) for _ in range(500)]
        left = sum(additive_fit(game).mse for game in games) / sum(game.payoff.var() for game in games)
        assert 1 - left == pytest.approx(expected, abs=0.03)


# --- deciding


@pytest.mark.parametrize(
    ("table", "additive", "supermodular", "monotone"),
    [
        ([[0, 1], [2, 3]], True, True, True),
        (catalogue["and"].payoff, False, True, True),
        (catalogue["two-step-2b"].payoff, False, True, True),
        (catalogue["or"].payoff, False, False, True),
        (CORNERLESS, False, False, True),
        (catalogue["xor"].payoff, False, False, False),
        (catalogue["qtran"].payoff, False, False, False),
        (catalogue["two-step-2a"].payoff, True, True, True),
        ([3, 1, 2], True, True, True),
        (np.arange(8.0).reshape(2, 2, 2), True, True, True),
    ],
)
def test_decisions(table, additive, supermodular, monotone):
    rng = np.random.default_rng(0)
    table = np.asarray(table, dtype=float)
    for scale, shift in [(1, 0), (1e6, 1e7), (1e-6, -3e-6), (1, 1e6)]:
        mixed = scale * table[np.ix_(*[rng.permutation(size) for size in table.shape])] + shift
        assert [bool(decide(mixed)) for decide in DECIDES.values()] == [additive, supermodular, monotone]


def test_three_agents_need_every_pair_to_be_supermodular():
    a, b, c = np.indices((2, 2, 2))
    assert is_supermodular(a * b * c) and is_supermodular(a * b + c)
    assert not is_supermodular(a * b + np.maximum(b, c)) and is_monotone(a * b + np.maximum(b, c))


def test_igm_relates_a_table_to_utilities():
    qtran = catalogue["qtran"]
    assert is_igm(qtran, [[0, -1, -1], [0, -1, -1]])
    assert not is_igm(qtran, [[0, 1, 1], [0, 1, 1]])
    # ties: greedy agents may break them as they like, so all combinations must be best
    assert not is_igm(catalogue["coordination"], [[1, 1], [1, 1]])
    assert is_igm(catalogue["coordination"], [[1, 0], [1, 0]])
    assert is_igm(catalogue["two-step-2a"], [[1, 0], [0, 0]])
    assert is_igm([3, 5, 5], [[0, 1, 1]])
    with pytest.raises(ValueError, match=r"shapes \[\(2,\), \(3,\)\], expected one a table axis, of lengths \(3, 3\)"):
        is_igm(qtran, [[0, 1], [0, 1, 2]])
    with pytest.raises(ValueError, match="utility of agent 1 is nan"):
        is_igm(qtran, [[0, 1, 2], [0, 1, np.nan]])


def test_greedy_is_the_product_of_weakly_dominant_actions():
    assert greedy_of([[0, 1], [1, 1]]) == [(1, 1)]  # while three joint actions reach the maximum
    assert greedy_of([[1, 1], [1, 1]]) == ALL_2X2
    assert greedy_of([[0, 1], [1, 0]]) == []
    assert greedy_of([[3, 3, 1], [0, 0, 0]]) == [(0, 0), (0, 1)]


# --- an independent solver: a quadratic programme for every tuple of orders, all constraints written out


def constraints(shape, increasing_differences):
    cells = list(np.ndindex(shape))
    basis = {cell: row for cell, row in zip(cells, np.eye(len(cells)), strict=True)}
    moved = lambda cell, axis, to: (*cell[:axis], to, *cell[axis + 1 :])  # noqa: E731
    rows = [
        basis[moved(cell, axis, high)] - basis[cell]
        for axis, size in enumerate(shape)
        for cell in cells
        for high in range(cell[axis] + 1, size)
    ]
    if increasing_differences:
        for i, j in combinations(range(len(shape)), 2):
            for cell in cells:
                for x, y in product(range(cell[i] + 1, shape[i]), range(cell[j] + 1, shape[j])):
                    up_i, up_j = moved(cell, i, x), moved(cell, j, y)
                    rows.append(basis[moved(up_i, j, y)] - basis[up_i] - basis[up_j] + basis[cell])
    return np.array(rows)


def best_by_quadprog(payoff, weights, increasing_differences):
    rows = constraints(payoff.shape, increasing_differences)
    solved = []
    for each in product(*[permutations(range(size)) for size in payoff.shape]):
        where = np.ix_(*each)
        target, w = payoff[where].ravel(), weights[where].ravel()
        answer = quadprog.solve_qp(np.diag(w), w * target, rows.T, np.zeros(len(rows)))[0]
        table = np.empty(payoff.shape)
        table[where] = answer.reshape(payoff.shape)
        solved.append((mse_of(payoff, table, weights), table))
    best = min(loss for loss, _ in solved)
    distinct = []
    for loss, table in solved:
        if loss <= best + 1e-9 and not any(np.abs(table - other).max() < 1e-4 for other in distinct):
            distinct.append(table)
    return best, distinct


SHAPES = [(2, 2), (2, 3), (4, 2), (3, 3), (3, 4), (2, 2, 2), (3, 2, 2), (2, 2, 2, 2), (5, 2), (3, 1, 3)]

QUICK_SHAPES = [(2, 2), (2, 3), (4, 2), (3, 3), (2, 2, 2), (3, 2, 2), (2, 2, 2, 2), (3, 1, 3), (1, 4), (2, 1, 2, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["monotone", "supermodular"])
def test_weighted_fits_agree_with_a_quadratic_programme(shape, kind, monkeypatch):
    monkeypatch.setattr("matrix_games.orders._WIDTHS", (1, 2) + (3,) * 1000)  # skips orders in small games
    if kind == "supermodular" and shape == (5, 2):
        shape = (4, 3)
    rng = np.random.default_rng([*shape, len(kind)])
    for draw in (gaussian_game, uniform_game, lambda shape, rng: integer_game(shape, 3, rng)):
        payoff = draw(shape, rng).payoff
        weights = rng.uniform(0.05, 1, size=shape) if draw is not uniform_game else 10 ** rng.uniform(-3, 0, size=shape)
        fit = FITS[kind](payoff, weights)
        best, tables = best_by_quadprog(payoff, weights, kind == "supermodular")
        assert fit.exact
        assert fit.mse == pytest.approx(best, abs=1e-9)
        assert fit.mse == pytest.approx(mse_of(payoff, fit.values, weights), abs=1e-9)
        assert same_set(fit.solutions, tables, atol=1e-6)


def test_monotone_fits_of_many_weighted_games_agree_with_a_quadratic_programme():
    rng = np.random.default_rng(2024)
    for case in range(200):
        shape = QUICK_SHAPES[case % len(QUICK_SHAPES)]
        payoff = (rng.normal(size=shape), rng.random(shape), rng.integers(4, size=shape).astype(float))[case % 3]
        weights = 10 ** rng.uniform(-(case % 4), 0, shape)
        fit = monotone_fit(payoff, weights)
        assert fit.exact and bool(is_monotone(fit.values))
        assert fit.mse == pytest.approx(mse_of(payoff, fit.values, weights), abs=1e-9)
        assert fit.mse == pytest.approx(best_by_quadprog(payoff, weights, False)[0], abs=1e-6)


def test_bounds_are_below_the_losses_that_they_bound():
    rng = np.random.default_rng(9)
    for shape in [(3, 3), (4, 3), (2, 3, 2), (7, 2)]:
        cells = int(np.prod(shape))
        for _ in range(5):
            values, weights = rng.normal(size=(6, cells)), rng.uniform(0.01, 1, (6, cells))
            weights /= weights.sum(axis=1, keepdims=True)
            fitted = cones.supermodular(values, weights, shape)
            losses, bounds = (
                (weights * (values - fitted) ** 2).sum(axis=1),
                cones.supermodular_bound(values, weights, shape),
            )
            assert (bounds <= losses + 1e-12).all() and np.median(bounds / losses) > 0.9
            table, mass = values[0].reshape(shape), weights[0].reshape(shape)
            assert 0 < orders.chain_bound(table, mass) <= monotone_fit(table, mass).mse + 1e-12


def test_a_search_that_is_cut_short_says_so(monkeypatch):
    monkeypatch.setattr("matrix_games.orders._WIDTHS", (1,))
    whole, cut = np.random.default_rng(4).random((4, 4)), 0
    for payoff in (whole, whole.T, 10 * np.eye(4)):
        fit = monotone_fit(payoff)
        cut += not fit.exact
        assert fit.lower_bound <= fit.mse and fit.exact == (fit.lower_bound == fit.mse)
    assert cut > 0


def test_equal_rows_may_be_told_apart_by_a_best_table():
    """With unlike weights a best table tells equal rows apart, so they must not be merged."""
    payoff, weights = np.array([[1.0, 0], [0, 1], [1, 0], [0, 9]]), np.array([[1.0, 9], [5, 5], [9, 1], [9, 9]])
    fit = monotone_fit(payoff, weights)
    merged = monotone_fit(payoff[[0, 1, 3]], np.stack([weights[0] + weights[2], weights[1], weights[3]]))
    assert fit.mse < merged.mse - 1e-3


def test_skipping_orders_loses_nothing():
    # 5 x 5: more orders than one batch; compare with the best over 400 random orders and demand feasibility
    rng = np.random.default_rng(4)
    rows = constraints((5, 5), False)
    payoff, weights = gaussian_game((5, 5), rng).payoff, rng.uniform(0.1, 1, (5, 5))
    fit = monotone_fit(payoff, weights)
    assert fit.exact and all(is_monotone(table) for table in fit.solutions)
    for _ in range(400):
        where = np.ix_(rng.permutation(5), rng.permutation(5))
        target, w = payoff[where].ravel(), weights[where].ravel()
        answer = quadprog.solve_qp(np.diag(w), w * target, rows.T, np.zeros(len(rows)))[0]
        assert mse_of(target, answer, w) >= fit.mse - 1e-9
    # and the fit is the projection within its own order
    where = np.ix_(*[np.argsort(fit.values.mean(axis=1 - axis)) for axis in range(2)])
    target, w = payoff[where].ravel(), weights[where].ravel()
    answer = quadprog.solve_qp(np.diag(w), w * target, rows.T, np.zeros(len(rows)))[0]
    np.testing.assert_allclose(answer, fit.values[where].ravel(), atol=1e-6)


def test_solutions_of_symmetric_games_come_in_transposed_pairs():
    # the mirror image is solved with other rounding errors, and must count as a tie all the same
    rng = np.random.default_rng(7)
    for _ in range(30):
        payoff, weights = rng.normal(size=(3, 3)), rng.random((3, 3)) + 0.1
        for fit in (monotone_fit, supermodular_fit):
            solutions = fit(payoff + payoff.T, weights + weights.T).solutions
            assert same_set(solutions, [table.T for table in solutions])


def test_ties_of_a_flat_fit_are_exact():
    for scale in (0.1, 1 / 3, 7):
        payoff, weights = scale * np.array([[1, -1, 0], [-1, 1, 0], [0, 0, 0]]), np.full((3, 3), 0.3)
        fit = additive_fit(payoff, weights)
        assert np.ptp(fit.values) == 0 and len(fit.greedy) == 9


def test_weighted_additive_fit_is_stationary():
    # the residual is weighted-orthogonal to every utility, which is what least squares means
    rng = np.random.default_rng(2)
    for shape in [(3, 4), (2, 3, 2), (5,), (2, 2, 2, 2)]:
        payoff, weights = rng.normal(size=shape), rng.uniform(0.01, 1, size=shape)
        fit = additive_fit(payoff, weights)
        residual = weights * (payoff - fit.values)
        for axis in range(len(shape)):
            others = tuple(other for other in range(len(shape)) if other != axis)
            np.testing.assert_allclose(residual.sum(axis=others), 0, atol=1e-12)
        assert is_additive(fit.values)
        np.testing.assert_allclose(sum(np.ix_(*fit.utilities)), fit.values)
        assert fit.mse == pytest.approx(mse_of(payoff, fit.values, weights))


def test_product_weights_make_additive_agents_choose_like_independent_ones():
    rng = np.random.default_rng(6)
    for _ in range(100):
        payoff, p, q = rng.normal(size=(3, 4)), rng.dirichlet(np.ones(3)) + 0.01, rng.dirichlet(np.ones(4)) + 0.01
        independent = (int(np.argmax(payoff @ q)), int(np.argmax(p @ payoff)))
        assert additive_fit(payoff, np.outer(p, q)).greedy == (independent,)


# --- theorems


shapes = st.sampled_from([(3,), (2, 2), (2, 3), (3, 3), (4, 2), (2, 2, 2), (1, 3, 2)])
small = st.integers(-4, 4).map(float)
games = shapes.flatmap(lambda shape: npst.arrays(np.float64, shape, elements=small))
quick = settings(max_examples=25, deadline=None)


@st.composite
def weighted(draw):
    payoff = draw(games)
    return payoff, draw(npst.arrays(np.float64, payoff.shape, elements=st.integers(1, 5).map(float)))


@pytest.mark.parametrize("kind", FITS)
@quick
@given(weighted())
def test_a_projection_is_idempotent(kind, game):
    payoff, weights = game
    fit = FITS[kind](payoff, weights)
    for table in fit.solutions:
        assert DECIDES[kind](table)
        assert mse_of(payoff, table, weights) == pytest.approx(fit.mse, abs=1e-9)
        again = FITS[kind](table, weights)
        assert again.mse == pytest.approx(0, abs=1e-12)
        assert same_set(again.solutions, [table])


@quick
@given(weighted())
def test_losses_nest_as_the_classes_do(game):
    additive, supermodular, monotone = (FITS[kind](*game).mse for kind in ("additive", "supermodular", "monotone"))
    assert additive >= supermodular - 1e-9
    assert supermodular >= monotone - 1e-9
    assert monotone >= 0


@pytest.mark.parametrize("kind", FITS)
@quick
@given(weighted(), st.data())
def test_solutions_follow_relabelled_actions_and_agents(kind, game, data):
    payoff, weights = game
    where = np.ix_(*[data.draw(st.permutations(range(size))) for size in payoff.shape])
    axes = data.draw(st.permutations(range(payoff.ndim)))
    fit = FITS[kind](payoff, weights)
    moved = FITS[kind](payoff[where].transpose(axes), weights[where].transpose(axes))
    assert moved.mse == pytest.approx(fit.mse, abs=1e-9)
    assert same_set(moved.solutions, [table[where].transpose(axes) for table in fit.solutions])
    back = [
        [int(where[agent].flat[joint[axes.index(agent)]]) for agent in range(payoff.ndim)] for joint in moved.greedy
    ]
    assert sorted(map(tuple, back)) == sorted(fit.greedy)


@pytest.mark.parametrize("kind", FITS)
@quick
@given(weighted(), st.floats(0.5, 3), st.floats(-5, 5))
def test_solutions_follow_affine_changes_of_the_payoff(kind, game, scale, shift):
    payoff, weights = game
    fit, changed = FITS[kind](payoff, weights), FITS[kind](scale * payoff + shift, weights)
    assert changed.mse == pytest.approx(scale**2 * fit.mse, abs=1e-8)
    assert same_set(changed.solutions, [scale * table + shift for table in fit.solutions])


@quick
@given(games)
def test_the_decision_agrees_with_the_loss(payoff):
    for kind, decide in DECIDES.items():
        assert bool(decide(payoff)) == (FITS[kind](payoff).mse < 1e-12)


@quick
@given(games)
def test_a_monotone_table_is_igm_with_utilities_that_follow_it(payoff):
    table = monotone_fit(payoff).values
    axes = range(table.ndim)
    utilities = [table.mean(axis=tuple(other for other in axes if other != axis)) for axis in axes]
    assert is_igm(table, utilities)
    assert all(table[joint] >= table.max() - 1e-9 for joint in greedy_of(table))
    assert greedy_of(table)


@pytest.mark.parametrize("kind", FITS)
def test_a_representable_table_is_its_own_fit(kind):
    rng = np.random.default_rng(8)
    for shape in [(3, 3), (2, 3, 2), (6, 6), (3, 3, 3, 3)]:
        rows = [rng.permutation(np.cumsum(rng.random(size))) for size in shape]
        total = sum(np.ix_(*rows))
        table = {"additive": total, "supermodular": np.exp(total / 4), "monotone": np.log(total)}[kind]
        fit = FITS[kind](table, rng.uniform(0.1, 1, shape))
        assert fit.exact and fit.mse == pytest.approx(0, abs=1e-20)
        np.testing.assert_allclose(fit.values, table)


# --- numbers: scale, range, labels of upper bounds


@pytest.mark.parametrize("scale", [1e-140, 1e-6, 1e6, 1e140])
@pytest.mark.parametrize("kind", FITS)
@pytest.mark.parametrize("name", ["penalty-10", "xor", "mg1", "platonia-like-3"])
def test_the_scale_of_payoffs_and_weights_does_not_matter(name, kind, scale):
    payoff = catalogue[name].payoff
    plain, scaled = FITS[kind](payoff), FITS[kind](payoff * scale, np.full(payoff.shape, scale))
    assert scaled.mse == pytest.approx(plain.mse * scale**2, rel=1e-9)
    assert scaled.greedy == plain.greedy
    assert same_set([table / scale for table in scaled.solutions], plain.solutions)


@pytest.mark.parametrize("kind", FITS)
def test_a_constant_offset_does_not_matter(kind):
    payoff = catalogue["penalty-100"].payoff
    plain, shifted = FITS[kind](payoff), FITS[kind](payoff + 2.0**30)
    assert shifted.mse == pytest.approx(plain.mse, rel=1e-6)
    assert shifted.greedy == plain.greedy and len(shifted.solutions) == len(plain.solutions)


def test_differences_far_below_the_range_survive():
    payoff = np.array([[0, 1e-7, 0.5], [2e-7, 3e-7, 0.4], [0.6, 0.7, 1]])
    expected = payoff.copy()
    expected[:2, :2] = [1e-7, 2e-7]  # the cheapest order puts row 0 over row 1 and pools their small entries
    fit = monotone_fit(payoff)
    assert same_set(fit.solutions, [expected], atol=1e-13)
    assert fit.mse == pytest.approx(4 * 1e-14 / 9, rel=1e-6)


def test_weights_nine_orders_apart_are_solved():
    payoff = catalogue["climbing"].payoff
    weights = np.full((3, 3), 1e-9)
    weights[0, 0] = 1
    for fit in (monotone_fit(payoff, weights), supermodular_fit(payoff, weights), additive_fit(payoff, weights)):
        assert fit.exact and fit.values[0, 0] == pytest.approx(11, abs=1e-5)


@pytest.mark.parametrize("kind", FITS)
def test_random_weights_far_apart_are_solved(kind):
    rng = np.random.default_rng(12)
    for exponent, tolerance in [(4, 1e-9), (6, 1e-7), (9, 1e-5)]:
        for shape in [(3, 3), (4, 2), (2, 2, 2), (4, 4)]:
            payoff, weights = rng.random(shape), 10 ** rng.uniform(-exponent, 0, shape)
            fit = FITS[kind](payoff, weights)
            assert DECIDES[kind](fit.values, tolerance)
            assert fit.mse == pytest.approx(mse_of(payoff, fit.values, weights), abs=1e-12)
            assert fit.greedy


def test_a_projection_that_scipy_gets_wrong_is_still_right():
    # Found by the idempotence test: here SciPy 1.17's nnls stops early and reports a wrong residual.
    table = np.array([[14, 14], [47, 14], [81, 48], [25 / 3, 25 / 3]]) / 25
    weights = np.array([[1.0, 2], [2, 1], [1, 3], [2, 1]])
    assert supermodular_fit(np.round(table, 14) + 1e-16, weights).mse == pytest.approx(0, abs=1e-20)
    fit = supermodular_fit([[0, 1], [2, 0], [3, 2], [0, 1]], weights)
    assert same_set(fit.solutions, [table])
    assert supermodular_fit(fit.values, weights).mse == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize("shape", [(7, 7), (9, 2), (9, 2, 2)])
def test_beyond_the_exact_range_the_fit_is_a_labelled_upper_bound(shape):
    rng = np.random.default_rng(1)
    payoff, weights = rng.normal(size=shape), rng.uniform(0.1, 1, size=shape)
    fits = {kind: FITS[kind](payoff, weights) for kind in FITS}
    assert [fit.exact for fit in fits.values()] == [True, False, False]
    for kind, fit in fits.items():
        for table in fit.solutions:
            assert DECIDES[kind](table)
            assert mse_of(payoff, table, weights) == pytest.approx(fit.mse)
        again = FITS[kind](payoff, weights)
        assert again.mse == fit.mse
        assert fit.lower_bound <= fit.mse and fit.exact == (fit.lower_bound == fit.mse)
    assert fits["additive"].mse >= fits["supermodular"].mse >= fits["monotone"].mse
    assert fits["monotone"].lower_bound > 0.3 * fits["monotone"].mse


def test_the_local_search_finds_the_optimum_where_it_can_be_checked():
    rng, weights = np.random.default_rng(3), np.full((4, 4), 1 / 16)
    for kind, fit in [(factorisation._MONOTONE, monotone_fit), (factorisation._SUPERMODULAR, supermodular_fit)]:
        gaps = []
        for _ in range(8):
            payoff = rng.random((4, 4))
            exact = fit(payoff)
            assert exact.exact
            gaps.append(factorisation._search_locally(payoff, weights, kind)[0] - exact.mse)
        assert min(gaps) >= -1e-9 and np.median(gaps) < 1e-9


def test_an_upper_bound_is_monotone_whatever_the_weights():
    rng = np.random.default_rng(0)
    payoff, weights = rng.random((9, 9)), 10 ** rng.uniform(-9, 0, (9, 9))
    where = [np.arange(9)[None], np.arange(9)[None]]
    fitted = orders.project(payoff, weights, where, cones.isotonic)[1][0]
    assert all((np.diff(fitted, axis=axis) >= 0).all() for axis in range(2))


def test_both_ways_of_finding_upper_sets_agree():
    rng = np.random.default_rng(5)
    for shape in [(4, 4), (3, 3, 2), (2, 2, 2, 2)]:
        cells = int(np.prod(shape))
        for _ in range(10):
            values, weights = rng.normal(size=cells), rng.uniform(0.1, 1, cells)
            listed = cones.isotonic(values[None], weights[None], shape)[0]
            np.testing.assert_allclose(cones.isotonic_large(values, weights, shape), listed, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "count"), [((2, 2), 6), ((5, 5), 252), ((2, 2, 2), 20), ((3, 3, 3), 980), ((2,) * 4, 168)]
)
def test_the_number_of_upper_sets_is_known(shape, count):
    assert len(np.unique(cones.upper_sets(shape), axis=0)) == count


def test_actions_of_single_choice_agents_do_not_count():
    payoff = np.random.default_rng(0).normal(size=(3, 3))
    for fit in FITS.values():
        padded = fit(payoff.reshape(1, 3, 1, 3, 1))
        assert padded.exact and padded.mse == pytest.approx(fit(payoff).mse)
        assert padded.values.shape == (1, 3, 1, 3, 1)


# --- bad input


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
@pytest.mark.parametrize(
    ("payoff", "weights", "message"),
    [
        ([[1, 2], [3]], None, "payoff is ragged"),
        ([[1, np.nan], [0, 0]], None, r"payoff is nan at \(0, 1\)"),
        ([[1, np.inf], [0, 0]], None, r"payoff is inf at \(0, 1\)"),
        ([[]], None, "agent 1 has 0 actions"),
        ([["x"]], None, "expected real numbers"),
        ([[1, 0], [0, 1]], [1, 1], r"weights have shape \(2,\), expected \(2, 2\)"),
        ([[1, 0], [0, 1]], [[1, 1], [0, 1]], r"weight at \(1, 0\) is 0, expected a number > 0"),
        ([[1, 0], [0, 1]], [[1, -1], [1, 1]], r"weight at \(0, 1\) is -1"),
        ([[1, 0], [0, 1]], [[1, np.nan], [1, 1]], r"weights is nan at \(0, 1\)"),
        ([[1, 0], [0, 1]], [[1, 1e-12], [1, 1]], "too far apart, expected a factor of at most 1e\\+09"),
        ([[1e300, -1e300], [0, 1]], None, "cannot be squared in double precision; rescale them"),
        ([[1e-200, 0], [0, 1e-200]], None, "cannot be squared in double precision; rescale them"),
    ],
)
def test_bad_input_is_one_clear_sentence(fit, payoff, weights, message):
    with pytest.raises(ValueError, match=message) as caught:
        fit(payoff, weights)
    assert "\n" not in str(caught.value)


edges = st.sampled_from(
    [0.0, 1.0, -1.0, 1e-300, 5e-324, 1e300, -1.7e308, 1e150, 1e-149, np.nan, np.inf, -np.inf, 1 / 3]
)
odd_shapes = st.sampled_from([(0,), (2, 0), (1,), (1, 1), (3,), (2, 2), (3, 2), (1, 3, 1), (2, 2, 2), ()])


@pytest.mark.parametrize("kind", FITS)
@settings(max_examples=60, deadline=None)
@given(data=st.data(), shape=odd_shapes)
def test_any_numbers_are_fitted_or_refused_in_one_sentence(kind, data, shape):
    payoff = data.draw(npst.arrays(np.float64, shape, elements=st.one_of(st.floats(-3, 3), edges)))
    other = data.draw(st.sampled_from([None, shape, shape, (2,), (*shape, 1)]))
    positive = st.one_of(st.floats(0.01, 10), st.sampled_from([0.0, -1.0, 1e-300, 1e-9, 1e300, np.nan, np.inf]))
    weights = None if other is None else data.draw(npst.arrays(np.float64, other, elements=positive))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            fit = FITS[kind](payoff, weights)
        except ValueError as error:
            assert str(error) and "\n" not in str(error)
            return
    relative = np.ones(shape) if weights is None else weights / weights.max()
    size = np.ptp(payoff) or 1.0
    assert fit.exact and np.isfinite(fit.mse) and fit.greedy
    for table in fit.solutions:
        assert np.isfinite(table).all() and bool(DECIDES[kind](table, 1e-5))
        loss = (relative * ((payoff - table) / size) ** 2).sum() / relative.sum()
        assert fit.mse / size / size == pytest.approx(loss, abs=1e-6)


@pytest.mark.parametrize("fit", [monotone_fit, supermodular_fit])
def test_a_table_too_large_to_search_is_refused(fit):
    with pytest.raises(ValueError, match="289 entries, expected at most 256"):
        fit(np.random.default_rng(0).random((17, 17)))


def test_solutions_cannot_be_changed_by_accident():
    fit = additive_fit(catalogue["climbing"])
    for array in (fit.values, *fit.utilities):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1

"""The projections of Weighted QMIX against a quadratic programme for every tuple of orders."""

from itertools import permutations, product

import numpy as np
import pytest
import quadprog
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from matrix_games import (
    Recovery,
    Sampling,
    alpha_of_recovery,
    catalogue,
    central_fit,
    is_monotone,
    monotone_fit,
    optimistic_fit,
    standing_of_optimum,
)

PROJECTIONS = {"central": central_fit, "optimistic": optimistic_fit}
quick = settings(max_examples=30, deadline=None)


def same_set(tables, others, atol=1e-6):
    return len(tables) == len(others) and all(
        any(np.allclose(table, other, rtol=0, atol=atol) for other in others) for table in tables
    )


# --- an independent solver: R - F = over - under with both >= 0, at a price of 1 and alpha


def neighbours(shape):
    cells = np.arange(np.prod(shape)).reshape(shape)
    for axis in range(len(shape)):
        yield from zip(np.delete(cells, -1, axis).ravel(), np.delete(cells, 0, axis).ravel(), strict=True)


def by_quadratic_programme(payoff, up, down):
    """Least sum of ``up over^2 + down under^2`` over all monotone F = R - over + under, and every table that has it."""
    cells, shape = payoff.size, payoff.shape
    rows = np.zeros((0, cells))
    for low, high in neighbours(shape):
        rows = np.vstack([rows, np.eye(cells)[high] - np.eye(cells)[low]])
    bounds = np.hstack([-rows, rows]).T, np.eye(2 * cells)
    solved = []
    for orders in product(*[permutations(range(size)) for size in shape]):
        where = np.ix_(*orders)
        target, price = payoff[where].ravel(), np.concatenate([up[where].ravel(), down[where].ravel()])
        limit = np.concatenate([-rows @ target, np.zeros(2 * cells)])
        answer = quadprog.solve_qp(np.diag(price), np.zeros(2 * cells), np.hstack(bounds), limit)[0]
        over, under = answer[:cells], answer[cells:]
        table = np.empty(shape)
        table[where] = (target - over + under).reshape(shape)
        solved.append((float(price @ answer**2), table))
    best = min(loss for loss, _ in solved)
    distinct = []
    for loss, table in solved:
        if loss <= best + 1e-9 and not any(np.abs(table - other).max() < 1e-4 for other in distinct):
            distinct.append(table)
    return best, distinct


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (3, 3), (4, 2), (2, 2, 2), (3, 2, 2), (2, 1, 3), (2, 2, 2, 2)])
@pytest.mark.parametrize("kind", PROJECTIONS)
def test_both_agree_with_a_quadratic_programme(kind, shape, monkeypatch):
    monkeypatch.setattr("matrix_games.weighted._BATCH", 3)  # so that orders are skipped in small games too
    rng = np.random.default_rng([*shape, len(kind)])
    for alpha, draw in product((0.05, 0.3, 0.8, 1.0), ("integers", "normal")):
        payoff = rng.integers(0, 4, shape).astype(float) if draw == "integers" else rng.normal(size=shape)
        p = (
            rng.dirichlet(np.full(payoff.size, 5)).reshape(shape)
            if draw == "normal"
            else np.full(shape, 1 / payoff.size)
        )
        central = np.where(payoff == payoff.max(), 1, alpha)
        prices = (p * central, p * central) if kind == "central" else (p, alpha * p)
        best, tables = by_quadratic_programme(payoff, *prices)
        fit = PROJECTIONS[kind](payoff, alpha, None if draw == "integers" else p)
        assert fit.exact
        assert fit.mse == pytest.approx(best, abs=1e-9)
        assert same_set(fit.solutions, tables, atol=1e-5)
        for table in fit.solutions:
            assert is_monotone(table)
            weight = central if kind == "central" else np.where(table < payoff, 1, alpha)
            assert (p * weight * (payoff - table) ** 2).sum() == pytest.approx(fit.mse, abs=1e-12)


# --- known tables


def test_central_tables():
    low = -53 / 3
    climbing = central_fit(catalogue["climbing"], 0.1)
    pooled = (11 + 0.1 * (0 + 0 + 5) - 0.1 * 0) / 1.3
    assert same_set(climbing.solutions, [[[pooled, low, pooled], [low, low, 6], [pooled, 0, pooled]]])
    assert pooled == pytest.approx(8.846, abs=5e-4)
    assert climbing.greedy == ((2, 2),)
    assert standing_of_optimum(catalogue["climbing"], climbing) == "tied"


def test_optimistic_tables():
    rest = -12 * 0.4 / 4.4
    qtran = np.full((3, 3), rest)
    qtran[0, 0] = 8
    assert same_set(optimistic_fit(catalogue["qtran"], 0.1).solutions, [qtran])
    for alpha, greedy in [(0.5, (1, 2)), (0.3, (1, 2)), (0.2, (1, 0)), (0.1, (1, 0))]:
        assert optimistic_fit(catalogue["climbing"], alpha).greedy == (greedy,)


def test_optimistic_tables_become_upper_envelopes():
    rng = np.random.default_rng(1)
    for shape in [(3, 3), (2, 2, 2), (4, 4)]:
        payoff = rng.normal(size=shape)
        table = optimistic_fit(payoff, 1e-6).values
        assert (table >= payoff - 1e-4).all() and (table <= payoff.max() + 1e-9).all()
        assert not (optimistic_fit(payoff, 1).values >= payoff - 1e-4).all()


@quick
@given(st.sampled_from([(3,), (1, 1), (2, 2), (3, 3), (2, 2, 2)]), st.sampled_from([0.01, 0.2, 1]), st.data())
def test_solutions_follow_relabelling_and_affine_changes(shape, alpha, data):
    payoff = data.draw(npst.arrays(np.float64, shape, elements=st.integers(-3, 3).map(float)))
    where = np.ix_(*[data.draw(st.permutations(range(size))) for size in shape])
    axes = data.draw(st.permutations(range(len(shape))))
    for projection in PROJECTIONS.values():
        fit = projection(payoff, alpha)
        moved = projection(5 + 1e3 * payoff[where].transpose(axes), alpha)
        assert moved.mse == pytest.approx(1e6 * fit.mse, abs=1e-6)
        assert same_set(moved.solutions, [5 + 1e3 * table[where].transpose(axes) for table in fit.solutions], 1e-3)
        assert len(moved.greedy) == len(fit.greedy)


@quick
@given(npst.arrays(np.float64, (3, 3), elements=st.integers(0, 4).map(float)))
def test_with_alpha_1_both_are_the_monotone_fit(payoff):
    plain = monotone_fit(payoff)
    for projection in PROJECTIONS.values():
        fit = projection(payoff, 1)
        assert fit.mse == pytest.approx(plain.mse, abs=1e-12) and fit.greedy == plain.greedy
        assert same_set(fit.solutions, plain.solutions)


# --- recovery


def near(value):
    return pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "kind", "greedy_up_to", "in_argmax_up_to"),
    [
        ("qtran", "central", 1, 1),
        ("qtran", "optimistic", 1, 1),
        ("mg3", "central", 0.498708, 0.68),
        ("climbing", "central", None, 2 / 3),
        ("climbing", "optimistic", None, 0.2747055),
    ],
)
def test_alphas_of_recovery(name, kind, greedy_up_to, in_argmax_up_to):
    found = alpha_of_recovery(catalogue[name], PROJECTIONS[kind])
    assert found.greedy_up_to == (None if greedy_up_to is None else pytest.approx(greedy_up_to, abs=1e-5))
    assert found.in_argmax_up_to == pytest.approx(in_argmax_up_to, abs=1e-5)
    assert found.is_monotone
    for alpha in (0.9, 0.5, 0.1):
        assert found.at(alpha) == standing_of_optimum(catalogue[name], PROJECTIONS[kind](catalogue[name], alpha))
        low, high, _ = next(piece for piece in found.pieces if piece[0] <= alpha <= piece[1])
        assert found.at((low + high) / 2) == found.at(alpha)


def test_central_recovery_of_penalty_with_a_tie_break():
    payoff = catalogue["penalty-10"].payoff.copy()
    payoff[0, 0] += 0.001
    assert alpha_of_recovery(payoff, central_fit).greedy_up_to == pytest.approx(0.96, abs=5e-4)


def test_a_smaller_alpha_can_undo_optimistic_recovery():
    # pooling 4 with the 0 beside it costs 16 alpha / (1 + alpha); pooling 3 with both zeros 18 alpha / (1 + 2 alpha)
    payoff = [[3, 0], [0, 4]]
    found = alpha_of_recovery(payoff, optimistic_fit)
    assert [standing for _, _, standing in found.pieces] == ["tied", "greedy"]
    assert found.pieces[0][1] == near(1 / 7) and not found.is_monotone
    high = 4 / 1.1
    assert same_set(optimistic_fit(payoff, 0.1).solutions, [[[3, 0], [high, high]], [[3, high], [0, high]]])
    assert optimistic_fit(payoff, 0.1).greedy == ((0, 1), (1, 0))
    assert optimistic_fit(payoff, 0.2).greedy == ((1, 1),)
    standings = [standing for _, _, standing in alpha_of_recovery(catalogue["mg1"], optimistic_fit).pieces]
    assert standings == ["tied", "lost", "tied"]


def test_a_small_alpha_puts_the_optimum_into_the_argmax():
    # the theorem of Weighted QMIX, ties included; central recovery was monotone in alpha in every game tried
    rng = np.random.default_rng(5)
    for shape in [(2, 2), (3, 3), (2, 3), (2, 2, 2)]:
        for _ in range(12):
            payoff = rng.normal(size=shape)
            for projection in PROJECTIONS.values():
                assert standing_of_optimum(payoff, projection(payoff, 1e-4)) != "lost"
            assert alpha_of_recovery(payoff, central_fit, alphas=[0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 1]).is_monotone


def test_sampling_moves_recovery():
    around_b = Sampling.epsilon_greedy((3, 3), (1, 1), 0.5)
    assert standing_of_optimum(catalogue["qtran"], central_fit(catalogue["qtran"], 1)) == "greedy"
    assert standing_of_optimum(catalogue["qtran"], central_fit(catalogue["qtran"], 1, around_b)) == "lost"
    found = alpha_of_recovery(catalogue["qtran"], central_fit, around_b)
    assert 0 < found.greedy_up_to < 1


# --- bad input


@pytest.mark.parametrize("projection", PROJECTIONS.values(), ids=PROJECTIONS)
@pytest.mark.parametrize(
    ("payoff", "alpha", "sampling", "message"),
    [
        ([[1, 0], [0, 1]], 0, None, "alpha is 0, expected a weight from 1e-06 to 1"),
        ([[1, 0], [0, 1]], 1.5, None, "alpha is 1.5"),
        ([[1, 0], [0, 1]], np.nan, None, "alpha is nan"),
        ([[1, np.nan]], 0.5, None, r"payoff is nan at \(0, 1\)"),
        ([[1, 0], [0, 1]], 0.5, [1, 1], r"weights have shape \(2,\), expected \(2, 2\)"),
        ([[1, 0], [0, 1]], 0.5, [[1, 0], [1, 1]], r"weight at \(0, 1\) is 0"),
        ([[1e300, 0], [0, 1]], 0.5, None, "cannot be squared in double precision; rescale them"),
        (np.random.default_rng(0).random((17, 17)), 0.5, None, "289 entries|shape \\(17, 17\\), expected 2 agents"),
    ],
)
def test_bad_input_is_one_clear_sentence(projection, payoff, alpha, sampling, message):
    with pytest.raises(ValueError, match=message) as caught:
        projection(payoff, alpha, sampling)
    assert "\n" not in str(caught.value)


def test_a_bad_grid_or_alpha_is_named():
    for grid in ([0.5, 0.1], [], [[0.1]], [np.nan, 1]):
        with pytest.raises(ValueError, match="ascending numbers"):
            alpha_of_recovery([[1, 0], [0, 1]], central_fit, alphas=grid)
    with pytest.raises(ValueError, match="alpha is 2.0, expected a weight"):
        alpha_of_recovery([[1, 0], [0, 1]], central_fit, alphas=[0.5, 2])
    with pytest.raises(ValueError, match="alpha is 0.01, expected 0.1 to 1"):
        Recovery(((0.1, 1.0, "greedy"),)).at(0.01)


sides = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
arrays = npst.arrays(np.float64, sides, elements=st.floats() | st.integers(-3, 3).map(float))


@quick
@given(arrays, st.floats() | st.sampled_from([0.1, 1.0, 1e-6]))
def test_anything_gets_a_right_answer_or_one_sentence(payoff, alpha):
    for projection in PROJECTIONS.values():
        try:
            fit = projection(payoff, alpha)
        except ValueError as error:
            assert "\n" not in str(error) and str(error).endswith(".")
        else:
            assert fit.greedy and fit.mse >= 0 and all(is_monotone(table) for table in fit.solutions)
            assert standing_of_optimum(payoff, fit) in ("greedy", "tied", "lost")

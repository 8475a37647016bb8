"""The exact best fit of a payoff table by each class of factorised value tables.

Three nested classes of joint value tables ``F [m_1, ..., m_n]``, each closed under relabelling of actions:

- additive (VDN): ``F(a) = u_1(a_1) + ... + u_n(a_n)``;
- supermodular: under some order of every agent's actions ``F`` is non-decreasing, and what one agent gains by
  a higher action never shrinks when another agent's action rises. A one-hidden-layer mixer with non-negative
  weights and a convex, increasing activation (QMIX with ELU) stays inside this class;
- monotone: under some order of every agent's actions ``F`` is non-decreasing.

A fit minimises ``sum_a w(a) (R(a) - F(a))^2 / sum_a w(a)`` over one class. The last two classes are unions of
convex cones, one for each tuple of action orders, so the minimum need not be unique: every optimal table is
returned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from matrix_games.deciding import dominant, is_monotone, is_supermodular, mean_utilities, means, sum_of
from matrix_games.games import Array, JointAction, MatrixGame, as_table, slack, table_of
from matrix_games.orders import (
    MONOTONE,
    SAME,
    SUPERMODULAR,
    TIE,
    Orders,
    UnionOfCones,
    chain_bound,
    project,
    search,
    searchable,
)

_RESTARTS = 6  # of the local search, fewer for large tables
_MAX_CELLS = 256
_WEIGHT_RANGE = 1e9


@dataclass(frozen=True, eq=False)
class Fit:
    """The best tables of a class.

    Attributes:
        mse: ``sum_a w(a) (R(a) - F(a))^2 / sum_a w(a)``, the same for every table in ``solutions``.
        lower_bound: a proved lower bound of the loss of every table of the class; equal to ``mse`` where that
            is the minimum.
        solutions: every optimal table ``[m_1, ..., m_n]``, without repetition; in games beyond the range
            in which every order is considered, the best ones found.
        utilities: for an additive fit the utilities ``[m_i]`` of each agent, whose sum is the table;
            otherwise None. They are determined only up to constants that sum to 0; here each agent carries an
            equal part of the mean.
        greedy: every joint action that decentralised greedy agents can choose, over all solutions
            (:func:`greedy_of`).
    """

    mse: float
    lower_bound: float
    solutions: tuple[Array, ...]
    greedy: tuple[JointAction, ...]
    utilities: tuple[Array, ...] | None = None

    @property
    def exact(self) -> bool:
        """Whether ``mse`` is the minimum over the class, because the lower bound meets it."""
        return self.mse == self.lower_bound

    @property
    def values(self) -> Array:
        """The first of ``solutions``."""
        return self.solutions[0]


# --- fitting --------------------------------------------------------------------------------------


def additive_fit(payoff: MatrixGame | ArrayLike, weights: ArrayLike | None = None) -> Fit:
    """Best additive table, ``F(a) = u_1(a_1) + ... + u_n(a_n)``: what VDN converges to in a one-shot game.

    With equal weights ``F(a) = sum_i mean_i(a_i) - (n - 1) mean`` with ``mean_i(a_i)`` the mean payoff of
    ``a_i``; otherwise weighted least squares. The table is unique.

    Args:
        payoff: a game or a table ``[m_1, ..., m_n]``.
        weights: positive, same shape: how often, relatively, each joint action is in the data. Equal by
            default.

    Returns:
        An exact :class:`Fit` with one solution and its ``utilities``.

    Raises:
        ValueError: bad payoff, weights of another shape or not positive, or numbers too large or small to
            square.
    """
    table, unit, centre, span, weight = _prepared(payoff, weights)
    utilities = mean_utilities(unit) if weights is None else _weighted_utilities(unit, weight)
    loss = float((weight * (unit - sum_of(utilities)) ** 2).sum())
    scaled = [span * _rounded(utility) + centre / table.ndim for utility in utilities]
    mse = loss * span * span
    return _fit(mse, mse, [sum_of(scaled)], span, scaled)


def monotone_fit(payoff: MatrixGame | ArrayLike, weights: ArrayLike | None = None) -> Fit:
    """Best monotone tables: the most that any monotone mixing can reach (Rashid et al., QMIX, ICML 2018).

    Minimum over all tuples of action orders of a weighted isotonic regression on the product order. Each
    regression is solved exactly by splitting: a block takes its mean; the upper set with the largest weighted
    excess over the mean is split off; when none has any, the block is final. Orders whose one-dimensional
    regressions already lose more than the best table are skipped.

    Every order is considered where there are at most 518,400 tuples of them (2 agents with 6 actions, 3 with 3,
    4 or 5 with 2, or 7 actions against 4, say) and at most 8,000 upper sets; then the fit is exact, unless more
    than 20,000 tuples have to be solved (2 agents with 6 actions whose payoffs are full of ties). Beyond, it is
    a seeded local search over orders, and ``lower_bound`` says how far off it can be. A table that is monotone
    already, of any size, is its own exact fit. Agents with a single action do not count.

    Args:
        payoff: a game or a table ``[m_1, ..., m_n]``.
        weights: positive, same shape. Equal by default.

    Returns:
        A :class:`Fit` with every optimal table.

    Raises:
        ValueError: as for :func:`additive_fit`, or the table has more than 256 entries.

    Source: isotonic regression by upper sets: Spouge, Wan and Wilbur, Least squares isotonic regression in two
        dimensions, Journal of Optimization Theory and Applications 117, 2003.
    """
    return _ordered_fit(payoff, weights, _MONOTONE)


def supermodular_fit(payoff: MatrixGame | ArrayLike, weights: ArrayLike | None = None) -> Fit:
    """Best supermodular tables, see :func:`is_supermodular`: a bound on what the usual QMIX mixer can reach.

    Minimum over all tuples of action orders of the projection on the cone of non-decreasing tables with
    increasing differences, by non-negative least squares on the dual (Lawson and Hanson).

    Orders are skipped, and exact is what it is, as for :func:`monotone_fit`; a few sweeps of dual coordinate
    ascent give sharper bounds here.

    Args:
        payoff: a game or a table ``[m_1, ..., m_n]``.
        weights: positive, same shape. Equal by default.

    Returns:
        A :class:`Fit` with every optimal table.

    Raises:
        ValueError: as for :func:`monotone_fit`.

    Source: with a convex increasing activation f and non-negative weights every mixed second difference of the
        mixer of Rashid et al. (QMIX, ICML 2018) is non-negative, ``sum_h w_h f''(z_h) w_hi w_hj >= 0``.
    """
    return _ordered_fit(payoff, weights, _SUPERMODULAR)


@dataclass(frozen=True)
class _Class:
    """A class of tables that is a union of cones."""

    belongs: Callable[[Array, float], object]  # truthy where the table is in the class
    union: UnionOfCones
    hints: Callable[[Array, Array], list[Array]]  # values, weights -> tables whose orders start the local search


def _ordered_fit(payoff: MatrixGame | ArrayLike, weights: ArrayLike | None, kind: _Class) -> Fit:
    """Minimise over the cones of a class."""
    table, unit, centre, span, weight = _prepared(payoff, weights)
    if kind.belongs(table, 0.0):
        return _fit(0.0, 0.0, [table], span)
    if table.size > _MAX_CELLS:
        raise ValueError(f"the table has {table.size} entries, expected at most {_MAX_CELLS}; use a smaller game.")
    flat, mass = unit.squeeze(), weight.squeeze()
    loss, bound, tables = np.inf, 0.0, list[Array]()
    if searchable(flat.shape):
        found = search(flat[None], mass[None], kind.union)
        loss, bound, tables = float(found.losses[0]), float(found.lower_bounds[0]), list(found.tables)
    else:
        bound = chain_bound(flat, mass)
    if bound < loss - TIE:  # orders are left
        loss, tables = _search_locally(flat, mass, kind, loss, tables)
    solutions = [centre + span * _rounded(fitted).reshape(table.shape) for fitted in distinct(tables)]
    return _fit(loss * span * span, (loss if bound >= loss - TIE else bound) * span * span, solutions, span)


def _prepared(payoff: MatrixGame | ArrayLike, weights: ArrayLike | None) -> tuple[Array, Array, float, float, Array]:
    """Return the table, the table scaled to [-1/2, 1/2], its centre and range, and weights that sum to 1."""
    table = table_of(payoff)
    largest = float(np.abs(table).max())
    low, high = float(table.min()), float(table.max())
    if largest > 1e150 or 0 < high - low < 1e-150:
        raise ValueError(
            f"payoffs from {low:g} to {high:g} cannot be squared in double precision; "
            "rescale them, for example to a range of 1."
        )
    centre, span = low + (high - low) / 2, high - low
    unit = (table - centre) / (span or 1.0)
    return table, unit, centre, span, checked_weights(weights, table.shape)


def checked_weights(weights: ArrayLike | None, shape: tuple[int, ...]) -> Array:
    """Return positive sampling weights of this shape, divided by their sum; equal ones for None.

    Raises:
        ValueError: they have another shape, are not positive, or are too far apart.
    """
    if weights is None:
        return np.full(shape, 1 / np.prod(shape))
    checked = as_table(weights, "weights")
    if checked.shape != shape:
        raise ValueError(f"weights have shape {checked.shape}, expected {shape}, the shape of the payoff.")
    if checked.min() <= 0:
        place = tuple(int(i) for i in np.argwhere(checked <= 0)[0])
        raise ValueError(
            f"the weight at {place} is {checked[place]:g}, expected a number > 0: data without a "
            "joint action say nothing about its value; use a small one, or explore with an epsilon above 0."
        )
    relative = checked / checked.max()
    if relative.min() * _WEIGHT_RANGE < 1:
        raise ValueError(
            f"weights from {checked.min():g} to {checked.max():g} are too far apart, "
            f"expected a factor of at most {_WEIGHT_RANGE:g}; raise the smallest."
        )
    return relative / relative.sum()


def _fit(mse: float, bound: float, tables: list[Array], span: float, utilities: Sequence[Array] = ()) -> Fit:
    """Collect the greedy joint actions, with ties up to 1e-7 of the payoffs' range, and freeze the arrays."""
    greedy = sorted({joint for table in tables for joint in dominant(table, max(SAME * span, slack(table, SAME)))})
    for array in (*tables, *utilities):
        array.setflags(write=False)
    return Fit(mse, bound, tuple(tables), tuple(greedy), tuple(utilities) or None)


def _rounded(unit: Array) -> Array:
    """Drop rounding noise from numbers on the unit scale, so that ties are ties."""
    return np.round(unit, 14) + 0.0


def _weighted_utilities(values: Array, weight: Array) -> list[Array]:
    """Weighted least squares on one indicator column per action; the constant is shared out equally."""
    shape, n = values.shape, values.ndim
    columns = [np.eye(size)[index.ravel()] for size, index in zip(shape, np.indices(shape), strict=True)]
    root = np.sqrt(weight.ravel())
    answer = np.linalg.lstsq(root[:, None] * np.hstack(columns), root * values.ravel(), rcond=None)[0]
    parts = np.split(answer, np.cumsum(shape)[:-1])
    total = sum(float(part.mean()) for part in parts)
    return [part - part.mean() + total / n for part in parts]


# --- searching the orders -------------------------------------------------------------------------


def _search_locally(
    values: Array, weight: Array, kind: _Class, best: float = np.inf, found: Sequence[Array] = ()
) -> tuple[float, list[Array]]:
    """Descend by swaps of neighbouring actions, from the orders of the hints and from random ones (fixed seed).

    Merge what is found with what was found before.
    """
    found = list(found)
    rng = np.random.default_rng(0)
    starts = [[np.argsort(mean)[None] for mean in means(table)] for table in kind.hints(values, weight)]
    for _ in range(min(_RESTARTS, 200 // values.size)):
        starts.append([rng.permutation(size)[None] for size in values.shape])
    for orders in starts:
        losses, tables = project(values, weight, orders, kind.union.project)
        while True:
            best, found = _keep_best(best, found, losses, tables)
            near = _neighbours(orders)
            near_losses, near_tables = project(values, weight, near, kind.union.project)
            winner = int(np.argmin(near_losses))
            if near_losses[winner] >= losses[0] - TIE:
                break
            orders = [order[winner][None] for order in near]
            losses, tables = near_losses[winner][None], near_tables[winner][None]
    return best, found


def _additive_hint(values: Array, weight: Array) -> list[Array]:
    return [sum_of(_weighted_utilities(values, weight))]


def _supermodular_hint(values: Array, weight: Array) -> list[Array]:
    return _additive_hint(values, weight) + _search_locally(values, weight, _SUPERMODULAR)[1][:1]


def _neighbours(orders: Orders) -> Orders:
    moves = [(agent, k) for agent, order in enumerate(orders) for k in range(order.shape[1] - 1)]
    near = [np.repeat(order, len(moves), axis=0) for order in orders]
    for row, (agent, k) in enumerate(moves):
        near[agent][row, [k, k + 1]] = near[agent][row, [k + 1, k]]
    return near


def _keep_best(best: float, found: list[Array], losses: Array, tables: Array) -> tuple[float, list[Array]]:
    """Merge new tables into those that are best so far."""
    lowest = float(losses.min())
    if lowest < best - TIE:
        found = []
    if lowest > best + TIE:
        return best, found
    best = min(best, lowest)
    return best, found + [table for loss, table in zip(losses, tables, strict=True) if loss <= best + TIE]


def distinct(tables: list[Array]) -> list[Array]:
    """Tables without repetition, in a fixed order."""
    kept: list[Array] = []
    for table in tables:
        if not any(np.abs(table - other).max() <= SAME for other in kept):
            kept.append(table)
    return sorted(kept, key=lambda table: tuple(np.round(table.ravel(), 6)), reverse=True)


_SUPERMODULAR = _Class(is_supermodular, SUPERMODULAR, _additive_hint)
_MONOTONE = _Class(is_monotone, MONOTONE, _supermodular_hint)

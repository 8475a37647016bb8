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
from functools import lru_cache
from itertools import permutations
from math import factorial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matrix_games import cones
from matrix_games.deciding import dominant, is_monotone, is_supermodular, mean_utilities, means, sum_of
from matrix_games.games import Array, JointAction, MatrixGame, as_table, slack, table_of

Orders = list[NDArray[np.intp]]
"""For each agent the permutations ``[b, m_i]`` of a batch: position, from worst to best, to action."""

Project = Callable[[Array, Array, tuple[int, ...]], Array]
"""Best fit in one cone: (values ``[b, cells]``, weights, shape of a table), sorted by order, to ``[b, cells]``."""

_TIE = 1e-11  # losses that differ by less, in units of the squared payoff range, are equal
_SAME = 1e-7  # tables that differ by less, in units of the payoff range, are one
_BATCH = 256  # orders solved together
_RESTARTS = 6  # of the local search, fewer for large tables
_MAX_CELLS = 256
_WEIGHT_RANGE = 1e9


@dataclass(frozen=True, eq=False)
class Fit:
    """The best tables of a class.

    Attributes:
        mse: ``sum_a w(a) (R(a) - F(a))^2 / sum_a w(a)``, the same for every table in ``solutions``.
        exact: True if ``mse`` is the minimum over the class; False if it is an upper bound found by local
            search.
        solutions: every optimal table ``[m_1, ..., m_n]``, without repetition; where ``exact`` is False, the
            best ones found.
        utilities: for an additive fit the utilities ``[m_i]`` of each agent, whose sum is the table;
            otherwise None. They are determined only up to constants that sum to 0; here each agent carries an
            equal part of the mean.
        greedy: every joint action that decentralised greedy agents can choose, over all solutions
            (:func:`greedy_of`).
    """

    mse: float
    exact: bool
    solutions: tuple[Array, ...]
    greedy: tuple[JointAction, ...]
    utilities: tuple[Array, ...] | None = None

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
    return _fit(loss * span * span, True, [sum_of(scaled)], span, scaled)


def monotone_fit(payoff: MatrixGame | ArrayLike, weights: ArrayLike | None = None) -> Fit:
    """Best monotone tables: the most that any monotone mixing can reach (Rashid et al., QMIX, ICML 2018).

    Minimum over all tuples of action orders of a weighted isotonic regression on the product order. Each
    regression is solved exactly by splitting: a block takes its mean; the upper set with the largest weighted
    excess over the mean is split off; when none has any, the block is final. Orders whose one-dimensional
    regressions already lose more than the best table are skipped.

    Exact for 2 agents with up to 5 actions, 3 with up to 3, 4 with 2, one agent, and tables that are monotone
    already (agents with a single action do not count); otherwise a seeded local search over orders, with
    ``exact=False``.

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

    Exact for 2 agents with up to 4 actions, 3 with up to 3, 4 with 2, one agent, and tables that are
    supermodular already; otherwise a seeded local search over orders, with ``exact=False``.

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
class _Union:
    """A class of tables that is a union of cones, one for each tuple of action orders."""

    belongs: Callable[[Array, float], object]  # truthy where the table is in the class
    project: Project
    exact_up_to: dict[int, int]  # number of agents -> largest number of actions for which every order is tried
    hints: Callable[[Array, Array], list[Array]]  # values, weights -> tables whose orders start the local search


def _ordered_fit(payoff: MatrixGame | ArrayLike, weights: ArrayLike | None, union: _Union) -> Fit:
    """Minimise over the cones of the union."""
    table, unit, centre, span, weight = _prepared(payoff, weights)
    if union.belongs(table, 0.0):
        return _fit(0.0, True, [table], span)
    if table.size > _MAX_CELLS:
        raise ValueError(f"the table has {table.size} entries, expected at most {_MAX_CELLS}; use a smaller game.")
    flat, mass = unit.squeeze(), weight.squeeze()
    exact = max(flat.shape) <= union.exact_up_to.get(flat.ndim, 0)
    loss, found = (_search_all if exact else _search_locally)(flat, mass, union)
    solutions = [centre + span * _rounded(fitted).reshape(table.shape) for fitted in _distinct(found)]
    return _fit(loss * span * span, exact, solutions, span)


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
        raise ValueError(f"the weight at {place} is {checked[place]:g}, expected a number > 0; use a small one.")
    relative = checked / checked.max()
    if relative.min() * _WEIGHT_RANGE < 1:
        raise ValueError(
            f"weights from {checked.min():g} to {checked.max():g} are too far apart, "
            f"expected a factor of at most {_WEIGHT_RANGE:g}; raise the smallest."
        )
    return relative / relative.sum()


def _fit(mse: float, exact: bool, tables: list[Array], span: float, utilities: Sequence[Array] = ()) -> Fit:
    """Collect the greedy joint actions, with ties up to 1e-7 of the payoffs' range, and freeze the arrays."""
    greedy = sorted({joint for table in tables for joint in dominant(table, max(_SAME * span, slack(table, _SAME)))})
    for array in (*tables, *utilities):
        array.setflags(write=False)
    return Fit(mse, exact, tuple(tables), tuple(greedy), tuple(utilities) or None)


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


def _search_all(values: Array, weight: Array, union: _Union) -> tuple[float, list[Array]]:
    """Minimum over every tuple of orders, most promising first, skipping those that cannot win or tie."""
    choices = [_permutations(size) for size in values.shape]
    bound = np.zeros(())
    for agent, orders in enumerate(choices):
        bound = np.maximum(bound[..., None], _chain_losses(values, weight, agent, orders))
    counts, bound = bound.shape, bound.ravel()
    queue = np.argsort(bound, kind="stable")
    best, found = np.inf, list[Array]()
    for start in range(0, len(queue), _BATCH):
        batch = queue[start : start + _BATCH]
        batch = batch[bound[batch] <= best + _TIE]
        if not len(batch):
            break
        picks = np.unravel_index(batch, counts)
        orders = [choice[pick] for choice, pick in zip(choices, picks, strict=True)]
        best, found = _keep_best(best, found, *_solve(values, weight, orders, union.project))
    return best, found


def _search_locally(values: Array, weight: Array, union: _Union) -> tuple[float, list[Array]]:
    """Descend by swaps of neighbouring actions, from the orders of the hints and from random ones (fixed seed)."""
    rng = np.random.default_rng(0)
    starts = [[np.argsort(mean)[None] for mean in means(table)] for table in union.hints(values, weight)]
    for _ in range(min(_RESTARTS, 200 // values.size)):
        starts.append([rng.permutation(size)[None] for size in values.shape])
    best, found = np.inf, list[Array]()
    for orders in starts:
        losses, tables = _solve(values, weight, orders, union.project)
        while True:
            best, found = _keep_best(best, found, losses, tables)
            near = _neighbours(orders)
            near_losses, near_tables = _solve(values, weight, near, union.project)
            winner = int(np.argmin(near_losses))
            if near_losses[winner] >= losses[0] - _TIE:
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
    if lowest < best - _TIE:
        found = []
    if lowest > best + _TIE:
        return best, found
    best = min(best, lowest)
    return best, found + [table for loss, table in zip(losses, tables, strict=True) if loss <= best + _TIE]


def _distinct(tables: list[Array]) -> list[Array]:
    kept: list[Array] = []
    for table in tables:
        if not any(np.abs(table - other).max() <= _SAME for other in kept):
            kept.append(table)
    return sorted(kept, key=lambda table: tuple(np.round(table.ravel(), 6)), reverse=True)


def _solve(values: Array, weight: Array, orders: Orders, project: Project) -> tuple[Array, Array]:
    """Losses ``[b]`` and best tables ``[b, *shape]``, in the game's own labels, for a batch of orders."""
    shape, batch = values.shape, len(orders[0])
    where = np.zeros((batch,) + (1,) * len(shape), dtype=np.intp)
    for axis, order in enumerate(orders):
        where = where * shape[axis] + order.reshape((batch,) + tuple(-1 if i == axis else 1 for i in range(len(shape))))
    where = where.reshape(batch, -1)
    sorted_values, sorted_weight = values.ravel()[where], weight.ravel()[where]
    fitted = project(sorted_values, sorted_weight, shape)
    losses = (sorted_weight * (sorted_values - fitted) ** 2).sum(axis=1)
    tables = np.empty_like(fitted)
    np.put_along_axis(tables, where, fitted, axis=1)
    return losses, tables.reshape(batch, *shape)


@lru_cache(maxsize=16)
def _permutations(size: int) -> NDArray[np.intp]:
    return np.array(list(permutations(range(size))), dtype=np.intp).reshape(factorial(size), size)


def _chain_losses(values: Array, weight: Array, agent: int, orders: NDArray[np.intp]) -> Array:
    """For each order of one agent the loss ``[len(orders)]`` of fitting every column alone: a lower bound.

    The isotonic fit of a chain is ``max_{i <= k} min_{j >= k} mean(i..j)``.
    """
    size = values.shape[agent]
    chains = np.moveaxis(values, agent, 0).reshape(size, -1)[orders]  # [orders, size, columns]
    mass = np.moveaxis(weight, agent, 0).reshape(size, -1)[orders]
    fitted = np.full(chains.shape, -np.inf)
    for i in range(size):
        means = np.cumsum((mass * chains)[:, i:], axis=1) / np.cumsum(mass[:, i:], axis=1)  # of i..j
        least = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]  # min over j >= k
        fitted[:, i:] = np.maximum(fitted[:, i:], least)
    return (mass * (chains - fitted) ** 2).sum(axis=(1, 2))


_SUPERMODULAR = _Union(is_supermodular, cones.supermodular, {2: 4, 3: 3, 4: 2}, _additive_hint)
_MONOTONE = _Union(is_monotone, cones.isotonic, {2: 5, 3: 3, 4: 2}, _supermodular_hint)

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
from itertools import combinations, permutations
from math import factorial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog, lsq_linear, nnls
from scipy.sparse import coo_array

from matrix_games.games import Array, JointAction, MatrixGame, as_table, joint_actions, slack

Orders = list[NDArray[np.intp]]
"""For each agent the permutations ``[b, m_i]`` of a batch: position, from worst to best, to action."""

Project = Callable[[Array, Array, tuple[int, ...]], Array]
"""Best fit in one cone: (values ``[b, cells]``, weights, shape of a table), sorted by order, to ``[b, cells]``."""

_TIE = 1e-11  # losses that differ by less, in units of the squared payoff range, are equal
_SAME = 1e-7  # tables that differ by less, in units of the payoff range, are one
_BATCH = 256  # orders solved together
_RESTARTS = 6  # of the local search, fewer for large tables
_MAX_UPSETS = 8000  # above, upper sets come from a linear programme instead of a list
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


# --- deciding -------------------------------------------------------------------------------------


def is_additive(table: MatrixGame | ArrayLike, tol: float = 1e-9) -> bool:
    """Whether ``F(a) = u_1(a_1) + ... + u_n(a_n)``: the table equals its own additive fit.

    ``tol`` is relative to the range of the table.
    """
    values = _table_of(table)
    return bool(np.abs(values - _sum_of(_mean_utilities(values))).max() <= slack(values, tol))


def is_monotone(table: MatrixGame | ArrayLike, tol: float = 1e-9) -> bool:
    """Whether some order of every agent's actions makes the table non-decreasing in each of them.

    Equivalently: any two actions of an agent are comparable, one being at least as good whatever the others do.
    Then the order is that of the actions' means. ``tol`` is relative to the range of the table.
    """
    values = _table_of(table)
    return _is_increasing(_sorted_by_means(values), slack(values, tol))


def is_supermodular(table: MatrixGame | ArrayLike, tol: float = 1e-9) -> bool:
    """Whether some order of actions makes the table non-decreasing *and* gives it increasing differences.

    Increasing differences: for any two agents ``i, j``, with everybody else's action held,
    ``F(a_i', a_j') - F(a_i, a_j') >= F(a_i', a_j) - F(a_i, a_j)`` whenever ``a_i' > a_i`` and ``a_j' > a_j``.
    ``tol`` is relative to the range of the table.
    """
    values = _table_of(table)
    ordered, allowed = _sorted_by_means(values), slack(values, tol)
    pairs = combinations(range(values.ndim), 2)
    mixed = (np.diff(np.diff(ordered, axis=i), axis=j) for i, j in pairs)
    return _is_increasing(ordered, allowed) and all(bool((step >= -2 * allowed).all()) for step in mixed)


def is_igm(table: MatrixGame | ArrayLike, utilities: Sequence[ArrayLike], tol: float = 1e-9) -> bool:
    """Whether individual greed is joint greed: every agent's argmax leads to the table's maximum.

    With ties argmax is a set. The condition checked is

        argmax u_1 x ... x argmax u_n  is a subset of  argmax F,

    so agents that choose on their own, however they break ties, choose a best joint action. Every monotone
    table has it with utilities that follow its order. ``tol`` is relative to the range of the table and of
    each utility.

    Source: the IGM (individual-global-max) condition of Son et al., QTRAN, ICML 2019.
    Differs from it: there the two sets are equal. Both say the same where the table's maximum is unique.

    Raises:
        ValueError: there is not one utility for each action of each agent.
    """
    values = _table_of(table, "table")
    each = [as_table(utility, f"the utility of agent {i}") for i, utility in enumerate(utilities)]
    if tuple(utility.shape for utility in each) != tuple((size,) for size in values.shape):
        shapes = [utility.shape for utility in each]
        raise ValueError(f"utilities have shapes {shapes}, expected one a table axis, of lengths {values.shape}.")
    best = [np.flatnonzero(utility >= utility.max() - slack(utility, tol)) for utility in each]
    return bool((values[np.ix_(*best)] >= values.max() - slack(values, tol)).all())


def greedy_of(table: MatrixGame | ArrayLike, tol: float = 1e-9) -> list[JointAction]:
    """Joint actions that decentralised greedy agents can choose: the product of the weakly dominant actions.

    Action ``a`` of an agent is weakly dominant if no other action of that agent is better, whatever the
    others do. In a monotone table these are the actions that an order can put on top. The product can be
    smaller than the argmax of the table, because a tie at the top need not be reachable by choosing alone; it
    is empty where some agent has no dominant action, which happens only if the table is not monotone. ``tol``
    is relative to the range of the table.
    """
    values = _table_of(table)
    return _greedy(values, slack(values, tol))


def _greedy(values: Array, allowed: float) -> list[JointAction]:
    chosen = np.ones(values.shape, dtype=np.bool_)
    for agent in range(values.ndim):
        others = tuple(axis for axis in range(values.ndim) if axis != agent)
        chosen &= (values >= values.max(axis=agent, keepdims=True) - allowed).all(axis=others, keepdims=True)
    return joint_actions(chosen)


def _is_increasing(ordered: Array, allowed: float) -> bool:
    return all(bool((np.diff(ordered, axis=axis) >= -allowed).all()) for axis in range(ordered.ndim))


def _sorted_by_means(values: Array) -> Array:
    return values[np.ix_(*[np.argsort(mean, kind="stable") for mean in _means(values)])]


def _means(values: Array) -> list[Array]:
    axes = range(values.ndim)
    return [values.mean(axis=tuple(other for other in axes if other != axis)) for axis in axes]


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
    utilities = _mean_utilities(unit) if weights is None else _weighted_utilities(unit, weight)
    loss = float((weight * (unit - _sum_of(utilities)) ** 2).sum())
    scaled = [span * _rounded(utility) + centre / table.ndim for utility in utilities]
    return _fit(loss * span * span, True, [_sum_of(scaled)], span, scaled)


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

    belongs: Callable[[Array, float], bool]
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
    table = _table_of(payoff)
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


def _table_of(payoff: MatrixGame | ArrayLike, what: str = "payoff") -> Array:
    return payoff.payoff if isinstance(payoff, MatrixGame) else as_table(payoff, what)


def _fit(mse: float, exact: bool, tables: list[Array], span: float, utilities: Sequence[Array] = ()) -> Fit:
    """Collect the greedy joint actions, with ties up to 1e-7 of the payoffs' range, and freeze the arrays."""
    greedy = sorted({joint for table in tables for joint in _greedy(table, max(_SAME * span, slack(table, _SAME)))})
    for array in (*tables, *utilities):
        array.setflags(write=False)
    return Fit(mse, exact, tuple(tables), tuple(greedy), tuple(utilities) or None)


def _rounded(unit: Array) -> Array:
    """Drop rounding noise from numbers on the unit scale, so that ties are ties."""
    return np.round(unit, 14) + 0.0


def _mean_utilities(values: Array) -> list[Array]:
    n, mean = values.ndim, values.mean()
    return [marginal - mean + mean / n for marginal in _means(values)]


def _weighted_utilities(values: Array, weight: Array) -> list[Array]:
    """Weighted least squares on one indicator column per action; the constant is shared out equally."""
    shape, n = values.shape, values.ndim
    columns = [np.eye(size)[index.ravel()] for size, index in zip(shape, np.indices(shape), strict=True)]
    root = np.sqrt(weight.ravel())
    answer = np.linalg.lstsq(root[:, None] * np.hstack(columns), root * values.ravel(), rcond=None)[0]
    parts = np.split(answer, np.cumsum(shape)[:-1])
    total = sum(float(part.mean()) for part in parts)
    return [part - part.mean() + total / n for part in parts]


def _sum_of(utilities: Sequence[Array]) -> Array:
    return sum(np.ix_(*utilities), start=np.zeros((1,) * len(utilities)))


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
    starts = [[np.argsort(mean)[None] for mean in _means(table)] for table in union.hints(values, weight)]
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
    return [_sum_of(_weighted_utilities(values, weight))]


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


# --- one cone -------------------------------------------------------------------------------------


def _isotonic(values: Array, weight: Array, shape: tuple[int, ...]) -> Array:
    """Weighted isotonic regression on the product order, for a batch ``[b, cells]``, by upper sets."""
    upsets = _upper_sets(shape)
    if upsets is None:
        return np.stack([_isotonic_large(v, w, shape) for v, w in zip(values, weight, strict=True)])
    fitted = np.empty_like(values)
    owner = np.arange(len(values))  # block -> row of the batch
    block = np.ones(values.shape, dtype=np.bool_)
    while len(owner):
        mass = weight[owner] * block
        total = mass.sum(axis=1, keepdims=True)
        mean = (mass * values[owner]).sum(axis=1, keepdims=True) / total
        gains = (mass * (values[owner] - mean)) @ upsets.T
        upper = block & (upsets[np.argmax(gains, axis=1)] > 0)
        proper = upper.any(axis=1) & (upper != block).any(axis=1)
        split = proper & (gains.max(axis=1) > 1e-15 * total[:, 0])
        row, cell = np.nonzero(block & ~split[:, None])
        fitted[owner[row], cell] = mean[row, 0]
        block = np.concatenate([upper[split], (block & ~upper)[split]])
        owner = np.concatenate([owner[split], owner[split]])
    return fitted


@lru_cache(maxsize=16)
def _upper_sets(shape: tuple[int, ...]) -> Array | None:
    """All upper sets of the product order as rows of 0 and 1 ``[sets, cells]``; None if there are too many.

    An upper set of ``m_1 x rest`` is a chain of ``m_1`` nested upper sets of ``rest``.
    """
    if not shape:
        return np.array([[0.0], [1.0]])
    rest = _upper_sets(shape[1:])
    if rest is None:
        return None
    nested = (rest @ (1 - rest).T) == 0  # nested[s, t]: s is part of t
    counts = np.ones(len(rest))
    for _ in range(shape[0] - 1):
        counts = nested @ counts
    if counts.sum() > _MAX_UPSETS:
        return None
    chains = np.arange(len(rest))[:, None]
    for _ in range(shape[0] - 1):
        chain, larger = np.nonzero(nested[chains[:, -1]])
        chains = np.column_stack([chains[chain], larger])
    return rest[chains].reshape(len(chains), -1)


def _isotonic_large(values: Array, weight: Array, shape: tuple[int, ...]) -> Array:
    """The same for one row ``[cells]``; one linear programme a level finds the upper sets of all blocks."""
    low, high = _covers(shape)
    block = np.zeros(len(values), dtype=np.intp)
    while True:
        total = np.bincount(block, weight)
        mean = np.bincount(block, weight * values) / total
        excess = weight * (values - mean[block]) / total[block]
        inside = block[low] == block[high]
        edges = np.arange(int(inside.sum()))
        rows, columns = np.concatenate([edges, edges]), np.concatenate([low[inside], high[inside]])
        signs = np.repeat([1.0, -1.0], len(edges))
        below = coo_array((signs, (rows, columns)), shape=(len(edges), len(values)))
        scale = float(np.abs(excess).max()) or 1.0
        answer = linprog(-excess / scale, A_ub=below, b_ub=np.zeros(len(edges)), bounds=(0, 1), method="highs-ds")
        upper = answer.x > 0.5
        gain = np.bincount(block, excess * upper)
        proper = np.bincount(block, upper) % np.bincount(block) > 0
        _, finer = np.unique(2 * block + (upper & (proper & (gain > 1e-9))[block]), return_inverse=True)
        if finer.max() == block.max():
            return _raised(mean[block].reshape(shape)).ravel()
        block = finer


def _raised(table: Array) -> Array:
    """Lowest non-decreasing table above this one: removes what the programme's tolerance left."""
    for axis in range(table.ndim):
        table = np.maximum.accumulate(table, axis=axis)
    return table


@lru_cache(maxsize=16)
def _covers(shape: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Neighbouring cells (lower, upper) along every axis, as flat numbers."""
    cells = np.arange(int(np.prod(shape))).reshape(shape)
    ends = [(np.delete(cells, -1, axis), np.delete(cells, 0, axis)) for axis in range(len(shape))]
    return np.concatenate([a.ravel() for a, _ in ends]), np.concatenate([b.ravel() for _, b in ends])


def _supermodular(values: Array, weight: Array, shape: tuple[int, ...]) -> Array:
    """Projection on non-decreasing tables with increasing differences, for a batch ``[b, cells]``."""
    constraints = _supermodular_constraints(shape)
    return np.stack([_cone_projection(v, w, constraints) for v, w in zip(values, weight, strict=True)])


def _cone_projection(value: Array, weight: Array, constraints: Array) -> Array:
    """Weighted projection ``F [cells]`` of ``R`` on ``A F >= 0``.

    ``F = R + W^-1 A' x`` where ``x >= 0`` minimises ``|W^1/2 R + W^-1/2 A' x|``. SciPy's quick solver can stop at
    a wrong point without a word (seen in 1.17), so its answer counts only if ``A F >= 0`` and ``x' A F = 0``.
    """
    root = np.sqrt(weight)
    generators = (constraints / root).T
    lengths = np.linalg.norm(generators, axis=0)
    columns, target = generators / lengths, -root * value
    allowed = 1e-10 + 1e-15 * float(weight.max() / weight.min())  # rounding grows with the range of the weights
    for solver in (_nnls, _bvls):
        dual = solver(columns, target) / lengths
        fitted = value + generators @ dual / root
        differences = constraints @ fitted
        if differences.min() >= -allowed and abs(dual @ differences) <= allowed:
            return fitted
    raise ArithmeticError("the supermodular projection did not converge; make the weights more alike.")


def _nnls(columns: Array, target: Array) -> Array:
    try:
        return nnls(columns, target, maxiter=50 * columns.shape[1])[0]
    except RuntimeError:  # too many iterations
        return np.zeros(columns.shape[1])


def _bvls(columns: Array, target: Array) -> Array:
    return lsq_linear(columns, target, (0, np.inf), method="bvls", tol=1e-15).x


@lru_cache(maxsize=16)
def _supermodular_constraints(shape: tuple[int, ...]) -> Array:
    """Rows of A: each agent's differences while the others play their lowest, and all mixed differences.

    The differences elsewhere follow from these.
    """
    cells, n = int(np.prod(shape)), len(shape)
    basis = np.eye(cells).reshape(*shape, cells)
    rows: list[Array] = []
    for agent in range(n):
        lowest = tuple(slice(None) if axis == agent else 0 for axis in range(n))
        rows.append(np.diff(basis[lowest], axis=0).reshape(-1, cells))
    for i, j in combinations(range(n), 2):
        rows.append(np.diff(np.diff(basis, axis=i), axis=j).reshape(-1, cells))
    return np.concatenate(rows)


_SUPERMODULAR = _Union(is_supermodular, _supermodular, {2: 4, 3: 3, 4: 2}, _additive_hint)
_MONOTONE = _Union(is_monotone, _isotonic, {2: 5, 3: 3, 4: 2}, _supermodular_hint)

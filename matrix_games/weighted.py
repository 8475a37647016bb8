"""The projections of Weighted QMIX in a one-shot game, exactly: what its weights do before any network is trained.

Both minimise ``sum_a p(a) w(a) (R(a) - F(a))^2`` over monotone tables ``F``, with ``p`` the sampling distribution:

- central (CW): ``w = 1`` at the optimal joint actions and ``alpha`` at all others;
- optimistic (OW): ``w = 1`` where ``F(a) < R(a)`` and ``alpha`` elsewhere. The weight depends on the answer, so each
  block of the fit takes an expectile of its payoffs instead of their mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matrix_games.cones import upper_sets
from matrix_games.deciding import dominant, is_monotone
from matrix_games.factorisation import Fit, checked_weights, distinct, monotone_fit
from matrix_games.games import Array, MatrixGame, slack, table_of
from matrix_games.orders import SAME, TIE, all_orders
from matrix_games.sampling import Sampling

Standing = Literal["greedy", "tied", "lost"]

_LEAST = 1e-6  # alpha
_BATCH = 256  # orders solved together
_EXACT_UP_TO = {2: 5, 3: 3, 4: 2}  # number of agents -> largest number of actions


def central_fit(
    payoff: MatrixGame | ArrayLike, alpha: float | int, sampling: Sampling | ArrayLike | None = None
) -> Fit:
    """Best monotone tables under central weights: 1 at every optimal joint action, ``alpha`` elsewhere.

    Args:
        payoff: a game or a table ``[m_1, ..., m_n]``.
        alpha: the weight of all that is not optimal, from 1e-6 to 1; 1 gives :func:`monotone_fit`.
        sampling: how often each joint action is in the data, positive; equally often by default.

    Returns:
        A :class:`Fit` with every optimal table; ``mse`` is ``sum_a p(a) w(a) (R(a) - F(a))^2``.

    Raises:
        ValueError: ``alpha`` out of range, or as for :func:`monotone_fit`.

    Source: Rashid et al., Weighted QMIX, NeurIPS 2020, idealised central weighting.
    Differs from it: every optimal joint action has weight 1, not one of them.
    """
    table, weight = _weights(payoff, alpha, sampling)
    central = weight * np.where(_optimal(table), 1.0, alpha)
    fit = monotone_fit(table, central)
    total = float(central.sum())
    return replace(fit, mse=fit.mse * total, lower_bound=fit.lower_bound * total)


def optimistic_fit(
    payoff: MatrixGame | ArrayLike, alpha: float | int, sampling: Sampling | ArrayLike | None = None
) -> Fit:
    """Best monotone tables under optimistic weights: 1 where ``F(a) < R(a)``, ``alpha`` elsewhere.

    For one tuple of action orders this is isotonic regression with the expectile loss, which is convex. A block takes
    its expectile ``e``, where ``sum_a p(a) w(a) (R(a) - e) = 0``; the upper set with the largest such sum is split off;
    when none has any, the block is final. The minimum over all tuples of orders is exact; orders that one agent's
    chains alone make worse than the best table are skipped.

    Args:
        payoff: a game or a table ``[m_1, ..., m_n]``: 2 agents with up to 5 actions, 3 with up to 3, 4 with 2 (agents
            with one action do not count).
        alpha: the weight of what the table overrates, from 1e-6 to 1; 1 gives :func:`monotone_fit`. As it goes to 0
            the table becomes an upper envelope of the payoff.
        sampling: how often each joint action is in the data, positive; equally often by default.

    Returns:
        A :class:`Fit` with every optimal table; ``mse`` is ``sum_a p(a) w(a) (R(a) - F(a))^2``.

    Raises:
        ValueError: ``alpha`` out of range, a larger game, or as for :func:`monotone_fit`.

    Source: Rashid et al., Weighted QMIX, NeurIPS 2020, idealised optimistic weighting.
    Differs from it: they prove that some alpha puts the optimum into the argmax. A smaller alpha can undo it for greedy
    agents: in ``[[3, 0], [0, 4]]`` below 1/7 the best table ties (b, b) with (b, a), which pays 0.
    """
    table, weight = _weights(payoff, alpha, sampling)
    if is_monotone(table, 0.0):
        return _fit(0.0, [table], table)
    flat = table.squeeze()
    if max(flat.shape) > _EXACT_UP_TO.get(flat.ndim, 0):
        raise ValueError(
            f"the table has shape {table.shape}, expected 2 agents with up to 5 actions, 3 with up to 3 or 4 with 2: "
            "every order of the actions is tried; use a smaller game."
        )
    low, span = float(table.min()), float(np.ptp(table))
    centre = low + span / 2
    loss, found = _search((flat - centre) / span, weight.reshape(flat.shape), float(alpha))
    solutions = [centre + span * (np.round(fitted, 14) + 0.0).reshape(table.shape) for fitted in found]
    return _fit(loss * span * span, solutions, table)


def _fit(mse: float, solutions: list[Array], payoff: Array) -> Fit:
    greedy = sorted({joint for table in solutions for joint in dominant(table, slack(payoff, SAME))})
    for table in solutions:
        table.setflags(write=False)
    return Fit(mse, mse, tuple(solutions), tuple(greedy))


def standing_of_optimum(payoff: MatrixGame | ArrayLike, fit: Fit) -> Standing:
    """Whether a fit leads agents to an optimal joint action ``u*``.

    Returns:
        "greedy": whatever greedy agents choose is optimal, in every solution; "tied": not so, but in every solution
        some optimal joint action is among the highest entries, up to 1e-7 of the payoffs' range; "lost": in some
        solution it is not. Weighted QMIX promises "tied": that ``u*`` is in the argmax.

    Raises:
        ValueError: bad payoff.
    """
    table = table_of(payoff)
    optimal, allowed = _optimal(table), slack(table, SAME)
    if all(optimal[joint] for joint in fit.greedy):
        return "greedy"
    reached = all(bool((solution[optimal] >= solution.max() - allowed).any()) for solution in fit.solutions)
    return "tied" if reached else "lost"


@dataclass(frozen=True)
class Recovery:
    """For which alphas a weighted projection finds the optimum.

    Attributes:
        pieces: ``(low, high, standing)`` from the smallest alpha to 1, without gaps. Found on a grid and by
            bisection, to 1e-9, between its points that differ: a piece narrower than the grid's step can be missed.
    """

    pieces: tuple[tuple[float, float, Standing], ...]

    @property
    def greedy_up_to(self) -> float | None:
        """The largest alpha at which the agents' greedy choice is optimal for certain; None if there is none."""
        return max((high for _, high, standing in self.pieces if standing == "greedy"), default=None)

    @property
    def in_argmax_up_to(self) -> float | None:
        """The largest alpha at which an optimal joint action is in the argmax, "greedy" or "tied"; None if none."""
        return max((high for _, high, standing in self.pieces if standing != "lost"), default=None)

    @property
    def is_monotone(self) -> bool:
        """Whether a smaller alpha never does worse: "lost", if at all, above "tied", and that above "greedy"."""
        ranks = [("greedy", "tied", "lost").index(standing) for _, _, standing in self.pieces]
        return ranks == sorted(ranks)

    def at(self, alpha: float | int) -> Standing:
        """How the optimum stands at an alpha of the range.

        Raises:
            ValueError: alpha is outside the range that was searched.
        """
        for low, high, standing in self.pieces:
            if low <= alpha <= high:
                return standing
        raise ValueError(f"alpha is {alpha}, expected {self.pieces[0][0]:g} to 1, the range that was searched.")


def alpha_of_recovery(
    payoff: MatrixGame | ArrayLike,
    projection: Callable[[Any, Any, Any], Fit],
    sampling: Sampling | ArrayLike | None = None,
    alphas: ArrayLike | None = None,
) -> Recovery:
    """Find how the optimum stands as ``alpha`` goes from small to 1.

    Smaller is not always better (:attr:`Recovery.is_monotone`), so the whole range is searched: every alpha of a grid
    is solved, and each change between neighbours is narrowed down to 1e-9.

    Args:
        payoff: a game or a table ``[m_1, ..., m_n]``.
        projection: :func:`central_fit` or :func:`optimistic_fit`.
        sampling: how often each joint action is in the data; equally often by default.
        alphas: the grid, ascending, from 1e-6 to 1; by default .001, .002, .005 and then .01 to 1 in steps of .01.

    Raises:
        ValueError: as for the projection, or the grid is not ascending.
    """
    table = table_of(payoff)
    grid = np.asarray([0.001, 0.002, 0.005, *np.arange(1, 101) / 100] if alphas is None else alphas, dtype=np.float64)
    if grid.ndim != 1 or len(grid) == 0 or not (np.diff(grid) > 0).all():
        raise ValueError(f"alphas have shape {grid.shape}, expected one list of ascending numbers.")

    def standing(alpha: float) -> Standing:
        return standing_of_optimum(table, projection(table, alpha, sampling))

    start, last, now = float(grid[0]), float(grid[0]), standing(float(grid[0]))
    pieces: list[tuple[float, float, Standing]] = []
    for alpha in grid[1:].tolist():
        following = standing(alpha)
        while following != now:  # more than one change may lie between two points of the grid
            low, high, other = last, alpha, following
            while high - low > 1e-9:
                middle = (low + high) / 2
                seen = standing(middle)
                low, high, other = (middle, high, other) if seen == now else (low, middle, seen)
            pieces.append((start, low, now))
            start, last, now = low, high, other
        last = alpha
    return Recovery((*pieces, (start, float(grid[-1]), now)))


# --- isotonic regression with the expectile loss --------------------------------------------------


def isotonic_expectile(values: Array, weight: Array, alpha: float, shape: tuple[int, ...]) -> Array:
    """Best non-decreasing tables under optimistic weights, for a batch ``[b, cells]``, by upper sets.

    As :func:`matrix_games.cones.isotonic`, with a block's expectile for its mean.
    """
    upsets = upper_sets(shape)
    assert upsets is not None, "the shapes of _EXACT_UP_TO have few upper sets"
    fitted = np.empty_like(values)
    owner = np.arange(len(values))  # block -> row of the batch
    block = np.ones(values.shape, dtype=np.bool_)
    while len(owner):
        mass, inside = weight[owner] * block, values[owner]
        level = _expectile(inside, mass, alpha)
        pull = mass * np.where(inside > level, 1.0, alpha) * (inside - level)
        gains = pull @ upsets.T
        upper = block & (upsets[np.argmax(gains, axis=1)] > 0)
        proper = upper.any(axis=1) & (upper != block).any(axis=1)
        split = proper & (gains.max(axis=1) > 1e-15 * alpha * mass.sum(axis=1))
        row, cell = np.nonzero(block & ~split[:, None])
        fitted[owner[row], cell] = level[row, 0]
        block = np.concatenate([upper[split], (block & ~upper)[split]])
        owner = np.concatenate([owner[split], owner[split]])
    return fitted


def _expectile(values: Array, mass: Array, alpha: float) -> Array:
    """The level ``e [b, 1]`` with ``sum_a mass(a) w(a) (values(a) - e) = 0``, by Newton's method, which ends here.

    The sum is convex, falling and piecewise linear in ``e``: from the left every step lands left of the root, on a
    later piece, or on the root.
    """
    level = np.full((len(values), 1), values.min())
    for _ in range(values.shape[1] + 1):  # as many pieces
        pulls = mass * np.where(values > level, 1.0, alpha)
        last, level = level, (pulls * values).sum(axis=1, keepdims=True) / pulls.sum(axis=1, keepdims=True)
        if (level == last).all():
            break
    return level


def _loss(values: Array, weight: Array, alpha: float, fitted: Array) -> Array:
    """``sum_a p(a) w(a) (R(a) - F(a))^2`` for each row."""
    return (weight * np.where(fitted < values, 1.0, alpha) * (values - fitted) ** 2).sum(axis=1)


# --- all orders -----------------------------------------------------------------------------------


def _search(values: Array, weight: Array, alpha: float) -> tuple[float, list[Array]]:
    """The least loss over every tuple of orders, and every table that has it."""
    shape, tie = values.shape, TIE * alpha
    choices = [all_orders(size) for size in shape]
    bounds = [_chain_losses(values, weight, alpha, agent, orders) for agent, orders in enumerate(choices)]
    bound = np.array([max(each, default=0.0) for each in product(*bounds)])
    queue = np.argsort(bound, kind="stable")
    best, losses, tables = np.inf, list[float](), list[Array]()
    cells = np.arange(values.size).reshape(shape)
    for start in range(0, len(queue), _BATCH):
        batch = [int(place) for place in queue[start : start + _BATCH] if bound[place] <= best + tie]
        if not batch:
            break
        picks = np.unravel_index(batch, tuple(len(orders) for orders in choices)) if shape else ()
        orders = [choice[pick] for choice, pick in zip(choices, picks, strict=True)]
        where = np.stack([cells[np.ix_(*[order[k] for order in orders])].ravel() for k in range(len(batch))])
        fitted = isotonic_expectile(values.ravel()[where], weight.ravel()[where], alpha, shape)
        losses += _loss(values.ravel()[where], weight.ravel()[where], alpha, fitted).tolist()
        tables += [_placed(row, place, shape) for row, place in zip(fitted, where, strict=True)]
        best = min(losses)
        kept = [k for k, loss in enumerate(losses) if loss <= best + tie]
        losses, tables = [losses[k] for k in kept], [tables[k] for k in kept]
    return best, distinct(tables)


def _placed(row: Array, place: NDArray[np.intp], shape: tuple[int, ...]) -> Array:
    table = np.empty_like(row)
    table[place] = row
    return table.reshape(shape)


def _chain_losses(values: Array, weight: Array, alpha: float, agent: int, orders: NDArray[np.intp]) -> Array:
    """For each order of one agent the loss of fitting every column alone: no table of that order has less."""
    size = values.shape[agent]
    chains = np.moveaxis(values, agent, -1).reshape(-1, size)[:, orders].reshape(-1, size)  # [columns * orders, size]
    mass = np.moveaxis(weight, agent, -1).reshape(-1, size)[:, orders].reshape(-1, size)
    fitted = isotonic_expectile(chains, mass, alpha, (size,))
    return _loss(chains, mass, alpha, fitted).reshape(-1, len(orders)).sum(axis=0)


# --- checks ---------------------------------------------------------------------------------------


def _optimal(table: Array) -> NDArray[np.bool_]:
    return table >= table.max() - slack(table, 1e-12)


def _weights(payoff: MatrixGame | ArrayLike, alpha: float | int, sampling: ArrayLike | None) -> tuple[Array, Array]:
    """Return the payoff table and sampling weights that sum to 1."""
    table = table_of(payoff)
    if not _LEAST <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}, expected a weight from {_LEAST:g} to 1.")
    largest, span = float(np.abs(table).max()), float(table.max() / 2 - table.min() / 2)
    if largest > 1e150 or 0 < span < 1e-150:
        raise ValueError(
            f"payoffs from {table.min():g} to {table.max():g} cannot be squared in double precision; rescale them."
        )
    return table, checked_weights(sampling, table.shape)

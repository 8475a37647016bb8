"""Best-first search over the orders of every agent's actions, for many tables at once.

A class of tables is a union of cones, one for each tuple of action orders; its best table is the best of the
cones' projections. Most orders are never projected on: a lower bound of their loss is above a loss that was
reached already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from itertools import permutations
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

from matrix_games import cones
from matrix_games.games import Array

Indices = NDArray[np.intp]

Orders = list[Indices]
"""For each agent the permutations ``[k, m_i]`` of a batch: position, from worst to best, to action."""

Project = Callable[[Array, Array, tuple[int, ...]], Array]
"""Best fit in one cone: (values ``[k, cells]``, weights, shape of a table), sorted by order, to ``[k, cells]``."""

Bound = Callable[[Array, Array, tuple[int, ...]], Array]
"""Lower bound of the loss in one cone, from the same arguments, to ``[k]``."""

TIE = 1e-11  # losses that differ by less, in units of the squared payoff range, are equal
SAME = 1e-7  # tables that differ by less, in units of the payoff range, are one
_MOST_ORDERS = factorial(6) ** 2
_ROWS = 4096  # orders projected together
_WIDTHS = (2, 6, 24, 96, *[256] * 78)  # orders of one game projected before the bounds of the rest are compared again
_GROUP = 6  # actions whose orders are all tried in a chain bound


@dataclass(frozen=True)
class UnionOfCones:
    """A class of tables, one cone for each tuple of orders: how to project on a cone, and a cheap lower bound."""

    project: Project
    bound: Bound | None


MONOTONE = UnionOfCones(cones.isotonic, None)
SUPERMODULAR = UnionOfCones(cones.supermodular, cones.supermodular_bound)


def searchable(shape: tuple[int, ...]) -> bool:
    """Whether :func:`search` can consider every order: at most 518,400 tuples, and upper sets that are listed."""
    few = max(shape, default=1) < 10 and prod(factorial(size) for size in shape) <= _MOST_ORDERS
    return few and cones.upper_sets(shape) is not None


@dataclass(frozen=True)
class Found:
    """Best tables of g games: losses ``[g]``, their proved lower bounds ``[g]``, and ``tables [k, *shape]``.

    ``tables[j]`` has the lowest loss of those found for game ``game[j]``; one table may come several times.
    """

    losses: Array
    lower_bounds: Array
    game: Indices
    tables: Array


@dataclass(frozen=True)
class _Queue:
    """Pairs of a game and an order (its flat number), each with a lower bound of its loss, ``[k]``."""

    game: Indices
    pick: Indices
    bound: Array

    def only(self, which: NDArray[np.bool_] | Indices) -> _Queue:
        """The pairs at these places."""
        return _Queue(self.game[which], self.pick[which], self.bound[which])


def search(values: Array, weight: Array, union: UnionOfCones) -> Found:
    """Minimum over all tuples of orders for each of the games ``[g, *shape]``, most promising orders first.

    Ends after about 20,000 projections of one game; what is left then decides its lower bound.
    """
    shape = values.shape[1:]
    games = np.arange(len(values))
    if not shape:
        return Found(np.zeros(len(values)), np.zeros(len(values)), games, values)
    chains = [chain_losses(values, weight, agent) for agent in range(len(shape))]
    counts = tuple(losses.shape[1] for losses in chains)
    likely = np.asarray(np.ravel_multi_index(tuple(losses.argmin(axis=1) for losses in chains), counts), dtype=np.intp)
    best, tables = _projected(values, weight, _Queue(games, likely, np.zeros(len(values))), union.project)
    kept = [(games, best.copy(), tables)]
    queue = _queue(chains, best, likely)
    if union.bound is not None:
        queue = replace(queue, bound=np.maximum(queue.bound, _bounds(values, weight, queue, union.bound)))
    queue = queue.only(np.lexsort((queue.bound, queue.game)))
    for width in _WIDTHS:
        queue = queue.only(queue.bound <= best[queue.game] + TIE)
        rank = np.arange(len(queue.game)) - np.searchsorted(queue.game, queue.game)  # within its game
        now, queue = queue.only(rank < width), queue.only(rank >= width)
        losses, tables = _projected(values, weight, now, union.project)
        np.minimum.at(best, now.game, losses)
        good = losses <= best[now.game] + TIE
        kept.append((now.game[good], losses[good], tables[good]))
        if not len(queue.game):
            break
    lower = best.copy()
    np.minimum.at(lower, queue.game, queue.bound)
    owner, losses, tables = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    good = losses <= best[owner] + TIE
    return Found(best, lower, owner[good], tables[good])


def _queue(chains: list[Array], best: Array, done: Indices) -> _Queue:
    """All orders that could win or tie by their chain losses, but for those done already."""
    n = len(chains)
    spread = [losses.reshape(len(best), *(-1 if i == agent else 1 for i in range(n)))
              for agent, losses in enumerate(chains)]  # fmt: skip
    bound = reduce(np.maximum, spread).reshape(len(best), -1)
    hopeful = bound <= best[:, None] + TIE
    hopeful[np.arange(len(best)), done] = False
    game, pick = np.nonzero(hopeful)
    return _Queue(game, pick, bound[game, pick])


def project(values: Array, weight: Array, orders: Orders, fit: Project) -> tuple[Array, Array]:
    """Losses ``[k]`` and best tables ``[k, *shape]`` of one game for a batch of orders."""
    game = np.zeros(len(orders[0]), dtype=np.intp)
    return _in_order(values[None], weight[None], game, orders, fit)


def _projected(values: Array, weight: Array, queue: _Queue, fit: Project) -> tuple[Array, Array]:
    """The same for pairs of a game and an order."""
    losses, tables = np.empty(len(queue.game)), np.empty((len(queue.game), *values.shape[1:]))
    for part in _parts(queue):
        orders = _picked(values.shape[1:], queue.pick[part])
        losses[part], tables[part] = _in_order(values, weight, queue.game[part], orders, fit)
    return losses, tables


def _bounds(values: Array, weight: Array, queue: _Queue, bound: Bound) -> Array:
    """Lower bounds ``[k]`` for pairs of a game and an order."""
    bounds, shape = np.empty(len(queue.game)), values.shape[1:]
    for part in _parts(queue):
        where = _cells(shape, _picked(shape, queue.pick[part]))
        bounds[part] = bound(*_sorted(values, weight, queue.game[part], where), shape)
    return bounds


def _parts(queue: _Queue) -> list[slice]:
    return [slice(start, start + _ROWS) for start in range(0, len(queue.game), _ROWS)]


def _in_order(values: Array, weight: Array, game: Indices, orders: Orders, fit: Project) -> tuple[Array, Array]:
    """Losses and tables, in the games' own labels, of one order for each entry of ``game``."""
    shape = values.shape[1:]
    where = _cells(shape, orders)
    own, mass = _sorted(values, weight, game, where)
    fitted = fit(own, mass, shape)
    tables = np.empty_like(fitted)
    np.put_along_axis(tables, where, fitted, axis=1)
    return (mass * (own - fitted) ** 2).sum(axis=1), tables.reshape(-1, *shape)


def _sorted(values: Array, weight: Array, game: Indices, where: Indices) -> tuple[Array, Array]:
    cells = where + game[:, None] * prod(values.shape[1:])
    return values.ravel()[cells], weight.ravel()[cells]


def _cells(shape: tuple[int, ...], orders: Orders) -> Indices:
    """Flat numbers ``[k, cells]`` of a table's cells, sorted by the orders."""
    batch, n = len(orders[0]), len(shape)
    where = np.zeros((batch,) + (1,) * n, dtype=np.intp)
    for axis, order in enumerate(orders):
        where = where * shape[axis] + order.reshape((batch,) + tuple(-1 if i == axis else 1 for i in range(n)))
    return where.reshape(batch, -1)


def _picked(shape: tuple[int, ...], pick: Indices) -> Orders:
    choices = [all_orders(size) for size in shape]
    picks = np.unravel_index(pick, [len(orders) for orders in choices])
    return [orders[one] for orders, one in zip(choices, picks, strict=True)]


@lru_cache(maxsize=16)
def all_orders(size: int) -> Indices:
    """All permutations of the actions 0 to size - 1, ``[size!, size]``."""
    return np.array(list(permutations(range(size))), dtype=np.intp).reshape(factorial(size), size)


# --- chain bounds ---------------------------------------------------------------------------------


def chain_losses(values: Array, weight: Array, agent: int) -> Array:
    """Loss ``[g, m!]`` of each order of one agent if every column is fitted alone: a lower bound of all classes.

    A column is the chain of the agent's m actions while the others stand still. The isotonic fit of a chain is
    ``max_{i <= k} min_{j >= k} mean(i..j)``.
    """
    count, size = len(values), values.shape[agent + 1]
    orders = all_orders(size)
    chains = np.moveaxis(values, agent + 1, 1).reshape(count, size, -1)[:, orders]  # [g, orders, size, columns]
    mass = np.moveaxis(weight, agent + 1, 1).reshape(count, size, -1)[:, orders]
    fitted = np.full(chains.shape, -np.inf)
    for i in range(size):
        means = np.cumsum((mass * chains)[:, :, i:], axis=2) / np.cumsum(mass[:, :, i:], axis=2)  # of i..j
        least = np.minimum.accumulate(means[:, :, ::-1], axis=2)[:, :, ::-1]  # min over j >= k
        fitted[:, :, i:] = np.maximum(fitted[:, :, i:], least)
    return (mass * (chains - fitted) ** 2).sum(axis=(2, 3))


def chain_bound(values: Array, weight: Array) -> float:
    """Lower bound of the loss of every monotone table for one game: the best chains of one agent, whatever the rest.

    An agent's actions, sorted by their means, are cut into groups of at most six. A group costs at least what
    its chains cost in the best order of the group, and groups share no cell, so their costs add up.
    """
    bounds = [0.0]
    for agent in range(values.ndim):
        table, mass = (np.moveaxis(array, agent, 0) for array in (values, weight))
        ranking = np.argsort(table.reshape(len(table), -1).mean(axis=1), kind="stable")
        groups = np.array_split(ranking, -(-len(ranking) // _GROUP))
        bounds.append(sum(float(chain_losses(table[group][None], mass[group][None], 0).min()) for group in groups))
    return max(bounds)

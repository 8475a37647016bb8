"""Decide whether a table is additive, supermodular or monotone, and whether utilities lead to its maximum."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from matrix_games.games import Array, JointAction, MatrixGame, as_table, joint_actions, slack, table_of


def is_additive(table: MatrixGame | ArrayLike, tol: float = 1e-9) -> bool:
    """Whether ``F(a) = u_1(a_1) + ... + u_n(a_n)``: the table equals its own additive fit.

    ``tol`` is relative to the range of the table.
    """
    values = table_of(table)
    return bool(np.abs(values - sum_of(mean_utilities(values))).max() <= slack(values, tol))


def is_monotone(table: MatrixGame | ArrayLike, tol: float = 1e-9) -> bool:
    """Whether some order of every agent's actions makes the table non-decreasing in each of them.

    Equivalently: any two actions of an agent are comparable, one being at least as good whatever the others do.
    Then the order is that of the actions' means. ``tol`` is relative to the range of the table.
    """
    values = table_of(table)
    return _is_increasing(_sorted_bymeans(values), slack(values, tol))


def is_supermodular(table: MatrixGame | ArrayLike, tol: float = 1e-9) -> bool:
    """Whether some order of actions makes the table non-decreasing *and* gives it increasing differences.

    Increasing differences: for any two agents ``i, j``, with everybody else's action held,
    ``F(a_i', a_j') - F(a_i, a_j') >= F(a_i', a_j) - F(a_i, a_j)`` whenever ``a_i' > a_i`` and ``a_j' > a_j``.
    ``tol`` is relative to the range of the table.
    """
    values = table_of(table)
    ordered, allowed = _sorted_bymeans(values), slack(values, tol)
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
    values = table_of(table, "table")
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
    values = table_of(table)
    return dominant(values, slack(values, tol))


def dominant(values: Array, allowed: float) -> list[JointAction]:
    """Joint actions of weakly dominant actions, see :func:`greedy_of`, with an absolute tolerance."""
    chosen = np.ones(values.shape, dtype=np.bool_)
    for agent in range(values.ndim):
        others = tuple(axis for axis in range(values.ndim) if axis != agent)
        chosen &= (values >= values.max(axis=agent, keepdims=True) - allowed).all(axis=others, keepdims=True)
    return joint_actions(chosen)


def _is_increasing(ordered: Array, allowed: float) -> bool:
    return all(bool((np.diff(ordered, axis=axis) >= -allowed).all()) for axis in range(ordered.ndim))


def _sorted_bymeans(values: Array) -> Array:
    return values[np.ix_(*[np.argsort(mean, kind="stable") for mean in means(values)])]


def means(values: Array) -> list[Array]:
    """Mean over everybody else's actions, ``[m_i]`` for each agent."""
    axes = range(values.ndim)
    return [values.mean(axis=tuple(other for other in axes if other != axis)) for axis in axes]


def mean_utilities(values: Array) -> list[Array]:
    """Utilities of the best additive table under equal weights; each agent carries an equal part of the mean."""
    n, mean = values.ndim, values.mean()
    return [marginal - mean + mean / n for marginal in means(values)]


def sum_of(utilities: Sequence[Array]) -> Array:
    """Return the table ``u_1(a_1) + ... + u_n(a_n)``."""
    return sum(np.ix_(*utilities), start=np.zeros((1,) * len(utilities)))

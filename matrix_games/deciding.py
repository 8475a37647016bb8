"""Decide, with a certificate, if a table is additive, supermodular or monotone, and if greed finds its maximum.

Every ``is_*`` returns a verdict that is true where the property holds. A verdict that holds carries what proves it
(utilities, or an order of every agent's actions); one that fails carries a counterexample small enough to check by
hand. Indices are 0-based, as in the table; ``reason`` says the same in words, with actions a, b, c, ... and agents
numbered from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Literal, cast

import numpy as np
from numpy.typing import ArrayLike

from matrix_games.games import Array, JointAction, MatrixGame, as_table, joint_actions, slack, table_of

ActionOrders = tuple[tuple[int, ...], ...]
"""For each agent its actions from worst to best."""

_LARGEST = 1e300  # larger entries overflow when they are added


# --- verdicts -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Minor:
    """Four entries of a table: two actions of each of two agents, everybody else's action held.

    Attributes:
        agents: the two agents ``(i, j)``.
        low: one action of each, ``(a_i, a_j)``.
        high: another action of each, ``(b_i, b_j)``; where the actions have an order, the higher ones.
        others: the actions of the remaining agents, in ascending order of agent.
        difference: ``F(b_i, b_j) - F(a_i, b_j) - F(b_i, a_j) + F(a_i, a_j)``.
    """

    agents: tuple[int, int]
    low: tuple[int, int]
    high: tuple[int, int]
    others: tuple[int, ...]
    difference: float

    @property
    def corners(self) -> tuple[JointAction, JointAction, JointAction, JointAction]:
        """The four joint actions: both high, only j high, only i high, both low."""
        (ai, aj), (bi, bj) = self.low, self.high
        return self._joint(bi, bj), self._joint(ai, bj), self._joint(bi, aj), self._joint(ai, aj)

    def _joint(self, i_plays: int, j_plays: int) -> JointAction:
        joint = list(self.others)
        i, j = self.agents
        joint.insert(i, i_plays)
        joint.insert(j, j_plays)
        return tuple(joint)


@dataclass(frozen=True, eq=False)
class AdditiveVerdict:
    """Whether a table is additive, and why.

    Attributes:
        holds: True if it is.
        utilities: ``[m_i]`` of each agent, whose sum is the table; None if it is not additive.
        minor: the 2x2 minor with the largest mixed difference; None if the table is additive.
        reason: the same in words.
    """

    holds: bool
    utilities: tuple[Array, ...] | None
    minor: Minor | None
    reason: str

    def __bool__(self) -> bool:
        return self.holds


@dataclass(frozen=True)
class MonotoneVerdict:
    """Whether a table is monotone, and why.

    Attributes:
        holds: True if it is.
        orders: each agent's actions from worst to best; None if the table is not monotone.
        agent: the agent that has two actions which cannot be compared; None if the table is monotone.
        actions: those two actions; None if the table is monotone.
        witnesses: two joint actions. In the first the agent plays the first of ``actions``, and loses by changing
            to the second; in the other it is the other way round. None if the table is monotone.
        reason: the same in words.
    """

    holds: bool
    orders: ActionOrders | None
    agent: int | None
    actions: tuple[int, int] | None
    witnesses: tuple[JointAction, JointAction] | None
    reason: str

    def __bool__(self) -> bool:
        return self.holds


@dataclass(frozen=True)
class SupermodularVerdict:
    """Whether a table is monotone and supermodular, and why.

    Attributes:
        holds: True if it is.
        orders: each agent's actions from worst to best; None if it is not supermodular.
        minor: in a monotone table, the 2x2 minor with the lowest mixed difference, low to high in that order;
            otherwise None.
        monotone: the verdict on monotonicity, if that is what fails; otherwise None.
        reason: the same in words.
    """

    holds: bool
    orders: ActionOrders | None
    minor: Minor | None
    monotone: MonotoneVerdict | None
    reason: str

    def __bool__(self) -> bool:
        return self.holds


@dataclass(frozen=True)
class IgmVerdict:
    """Whether individual greed is joint greed, and why.

    Attributes:
        holds: True if it is.
        greedy: every joint action that agents can choose who maximise their own utilities.
        breaks: of these the one with the lowest value, if that is not a maximum of the table; otherwise None.
        reason: the same in words.
    """

    holds: bool
    greedy: tuple[JointAction, ...]
    breaks: JointAction | None
    reason: str

    def __bool__(self) -> bool:
        return self.holds


@dataclass(frozen=True, eq=False)
class Rung:
    """The lowest class of the ladder additive, supermodular, monotone, any that holds a table.

    Attributes:
        name: that class.
        holds: the verdict that puts the table into it; None for "any".
        fails: the verdict that keeps it out of the class below; None for "additive".
        reason: the same in words.
    """

    name: Literal["additive", "supermodular", "monotone", "any"]
    holds: AdditiveVerdict | SupermodularVerdict | MonotoneVerdict | None
    fails: AdditiveVerdict | SupermodularVerdict | MonotoneVerdict | None
    reason: str


# --- decisions ------------------------------------------------------------------------------------


def is_additive(table: MatrixGame | ArrayLike, tol: float = 1e-9) -> AdditiveVerdict:
    """Whether ``F(a) = u_1(a_1) + ... + u_n(a_n)``: the table equals its own additive fit.

    Otherwise some mixed difference ``F(b_i, b_j) - F(a_i, b_j) - F(b_i, a_j) + F(a_i, a_j)`` is not 0. ``tol`` is
    relative to the range of the table.

    Raises:
        ValueError: bad table or ``tol``, or entries beyond 1e300.
    """
    values, allowed = _checked(table, tol)
    utilities = mean_utilities(values)
    within = bool(np.abs(values - sum_of(utilities)).max() <= allowed)
    minors = [] if within else [minor for minor in (_lowest_minor(values), _lowest_minor(-values, -1)) if minor]
    if not minors:
        return AdditiveVerdict(True, tuple(utilities), None, "The table is the sum of one utility for each agent.")
    minor = max(minors, key=lambda minor: abs(minor.difference))
    (i, _), (low, _), (high, _) = minor.agents, minor.low, minor.high
    gains = [values[minor.corners[2]] - values[minor.corners[3]], values[minor.corners[0]] - values[minor.corners[1]]]
    reason = (
        f"No sum of utilities is the table: {_agent(i)} changing from {action_name(low)} to {action_name(high)} "
        f"{_gains(gains[0])} {_beside(minor, minor.low)} but {_gains(gains[1])} {_beside(minor, minor.high)}; in a "
        "sum the two changes are equal."
    )
    return AdditiveVerdict(False, None, minor, reason)


def is_monotone(table: MatrixGame | ArrayLike, tol: float = 1e-9) -> MonotoneVerdict:
    """Whether some order of every agent's actions makes the table non-decreasing in each of them.

    Equivalently: any two actions of an agent are comparable, one being at least as good whatever the others do.
    Then the order is that of the actions' means. ``tol`` is relative to the range of the table.

    Raises:
        ValueError: bad table or ``tol``, or entries beyond 1e300.
    """
    values, allowed = _checked(table, tol)
    orders = _orders_by_means(values)
    ordered = values[np.ix_(*orders)]
    if all(bool((np.diff(ordered, axis=axis) >= -allowed).all()) for axis in range(values.ndim)):
        reason = f"Every agent has an order of its actions: {_orders_in_words(orders)}."
        return MonotoneVerdict(True, tuple(orders), None, None, None, reason)
    agent, actions = _incomparable(values)
    first, second = actions
    witnesses = _where_better(values, agent, first, second), _where_better(values, agent, second, first)
    losses = [
        values[joint] - values[(*joint[:agent], worse, *joint[agent + 1 :])]
        for joint, worse in zip(witnesses, (second, first), strict=True)
    ]
    reason = (
        f"No order suits actions {action_name(first)} and {action_name(second)} of {_agent(agent)}: "
        f"{action_name(first)} is better by {losses[0]:.6g} if {_playing(witnesses[0], agent)}, "
        f"{action_name(second)} is better by {losses[1]:.6g} if {_playing(witnesses[1], agent)}."
    )
    return MonotoneVerdict(False, None, agent, actions, witnesses, reason)


def is_supermodular(table: MatrixGame | ArrayLike, tol: float = 1e-9) -> SupermodularVerdict:
    """Whether some order of actions makes the table non-decreasing *and* gives it increasing differences.

    Increasing differences: for any two agents ``i, j``, with everybody else's action held,
    ``F(b_i, b_j) - F(a_i, b_j) >= F(b_i, a_j) - F(a_i, a_j)`` whenever ``b_i > a_i`` and ``b_j > a_j``.
    ``tol`` is relative to the range of the table.

    Raises:
        ValueError: bad table or ``tol``, or entries beyond 1e300.
    """
    values, allowed = _checked(table, tol)
    monotone = is_monotone(values, tol)
    if monotone.orders is None:
        return SupermodularVerdict(False, None, None, monotone, f"Not even monotone. {monotone.reason}")
    ordered = values[np.ix_(*monotone.orders)]
    mixed = [np.diff(np.diff(ordered, axis=i), axis=j) for i, j in combinations(range(values.ndim), 2)]
    if all(bool((step >= -2 * allowed).all()) for step in mixed):
        reason = (
            f"A higher action never lowers what another agent gains by rising: {_orders_in_words(monotone.orders)}."
        )
        return SupermodularVerdict(True, monotone.orders, None, None, reason)
    lowest = _lowest_minor(ordered)
    assert lowest is not None, "a neighbouring minor is negative"
    minor = _relabelled(lowest, monotone.orders)
    hh, lh, hl, ll = (values[corner] for corner in minor.corners)
    (i, _), (low, _), (high, _) = minor.agents, minor.low, minor.high
    reason = (
        f"{_agent(i).capitalize()} changing from {action_name(low)} to {action_name(high)} {_gains(hl - ll)} "
        f"{_beside(minor, minor.low)} but {_gains(hh - lh)} {_beside(minor, minor.high)}: the gain shrinks where "
        "it should grow."
    )
    return SupermodularVerdict(False, None, minor, None, reason)


def is_igm(table: MatrixGame | ArrayLike, utilities: Sequence[ArrayLike], tol: float = 1e-9) -> IgmVerdict:
    """Whether individual greed is joint greed: every agent's argmax leads to the table's maximum.

    With ties argmax is a set. The condition checked is

        argmax u_1 x ... x argmax u_n  is a subset of  argmax F,

    so agents that choose on their own, however they break ties, choose a best joint action. Every monotone
    table has it with utilities that follow its order. ``tol`` is relative to the range of the table and of
    each utility.

    Source: the IGM (individual-global-max) condition of Son et al., QTRAN, ICML 2019.
    Differs from it: there the two sets are equal. Both say the same where the table's maximum is unique.

    Raises:
        ValueError: bad table or ``tol``, or there is not one utility for each action of each agent.
    """
    values = table_of(table, "table")
    _check_tolerance(tol)
    each = [as_table(utility, f"the utility of agent {i}") for i, utility in enumerate(utilities)]
    if tuple(utility.shape for utility in each) != tuple((size,) for size in values.shape):
        shapes = [utility.shape for utility in each]
        raise ValueError(f"utilities have shapes {shapes}, expected one a table axis, of lengths {values.shape}.")
    best = [np.flatnonzero(utility >= utility.max() - slack(utility, tol)) for utility in each]
    greedy = [tuple(int(a) for a in joint) for joint in product(*best)]
    worst, top = min(greedy, key=lambda joint: values[joint]), float(values.max())
    count = "the greedy joint action" if len(greedy) == 1 else f"each of {len(greedy)} greedy joint actions"
    if values[worst] >= top - slack(values, tol):
        return IgmVerdict(True, tuple(greedy), None, f"{count.capitalize()} is worth the best, {top:.6g}.")
    reason = f"Greedy agents can choose {_joint_name(worst)}, worth {values[worst]:.6g}; the best is {top:.6g}."
    return IgmVerdict(False, tuple(greedy), worst, reason)


def lowest_rung(table: MatrixGame | ArrayLike, tol: float = 1e-9) -> Rung:
    """The lowest class that holds the table: "additive", "supermodular", "monotone" or "any".

    Raises:
        ValueError: bad table or ``tol``, or entries beyond 1e300.
    """
    additive = is_additive(table, tol)
    if additive:
        return Rung("additive", additive, None, f"Additive. {additive.reason}")
    supermodular = is_supermodular(table, tol)
    if supermodular:
        return Rung("supermodular", supermodular, additive, f"Supermodular. {supermodular.reason} {additive.reason}")
    monotone = is_monotone(table, tol)
    if monotone:
        reason = f"Monotone, not supermodular. {monotone.reason} {supermodular.reason}"
        return Rung("monotone", monotone, supermodular, reason)
    return Rung("any", None, monotone, f"Not monotone. {monotone.reason}")


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


# --- certificates ---------------------------------------------------------------------------------


def _checked(table: MatrixGame | ArrayLike, tol: float) -> tuple[Array, float]:
    """Return the table and the absolute tolerance for its entries."""
    values = table_of(table, "table")
    _check_tolerance(tol)
    if np.abs(values).max() > _LARGEST:
        place = tuple(int(i) for i in np.argwhere(np.abs(values) > _LARGEST)[0])
        raise ValueError(f"table is {values[place]:g} at {place}, expected at most {_LARGEST:g}; rescale the payoffs.")
    return values, slack(values, tol)


def _check_tolerance(tol: float) -> None:
    if not (isinstance(cast(object, tol), int | float | np.number) and 0 <= tol < 1):
        raise ValueError(f"tol is {tol!r}, expected a number from 0 to below 1: a share of the table's range.")


def _orders_by_means(values: Array) -> ActionOrders:
    """Each agent's actions by their means; equal means entry by entry, so that rounding cannot hide an order."""
    orders: list[tuple[int, ...]] = []
    for axis, mean in enumerate(means(values)):
        order = [int(a) for a in np.argsort(mean, kind="stable")]
        if len(np.unique(mean)) < len(mean):
            order = [int(a) for a in np.lexsort((*_rows(values, axis).T[::-1], mean))]
        orders.append(tuple(order))
    return tuple(orders)


def _rows(values: Array, axis: int) -> Array:
    """One row ``[m_i, cells of the others]`` for each action of an agent."""
    return np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)


def _incomparable(values: Array) -> tuple[int, tuple[int, int]]:
    """The agent and the two actions that are furthest from comparable: both are better somewhere, by the most."""
    found: list[tuple[float, int, tuple[int, int]]] = []
    for agent in range(values.ndim):
        rows = _rows(values, agent)
        gains = np.stack([(rows - row).max(axis=1) for row in rows])  # [a, b]: how much better b can be than a
        both = np.triu(np.minimum(gains, gains.T), k=1)
        first, second = np.unravel_index(int(both.argmax()), both.shape)
        found.append((float(both.max()), agent, (int(first), int(second))))
    _, agent, actions = max(found, key=lambda item: item[0])
    return agent, actions


def _where_better(values: Array, agent: int, better: int, worse: int) -> JointAction:
    """The joint action with ``better`` at which ``better`` leads ``worse`` by the most."""
    lead = values.take(better, agent) - values.take(worse, agent)
    others = [int(a) for a in np.unravel_index(int(lead.argmax()), lead.shape)]
    return (*others[:agent], better, *others[agent:])


def _lowest_minor(values: Array, sign: int = 1) -> Minor | None:
    """The minor, low before high, with the lowest difference, given times ``sign``; None if none is negative."""
    best, found = 0.0, None
    for i, j in combinations(range(values.ndim), 2):
        table = np.moveaxis(values, (i, j), (0, 1))  # [m_i, m_j, *others]
        for low_i in range(len(table) - 1):
            gain = table[low_i + 1 :] - table[low_i]
            fall = gain - np.maximum.accumulate(gain, axis=1)
            if fall.min() < best:
                best = float(fall.min())
                above, high_j, *others = (int(a) for a in np.unravel_index(int(fall.argmin()), fall.shape))
                low_j = int(gain[(above, slice(high_j + 1), *others)].argmax())
                found = Minor((i, j), (low_i, low_j), (low_i + 1 + above, high_j), tuple(others), sign * best)
    return found


def _relabelled(minor: Minor, orders: ActionOrders) -> Minor:
    """The same minor of a sorted table, in the labels of the table before it was sorted."""
    i, j = minor.agents
    rest = [order for agent, order in enumerate(orders) if agent not in minor.agents]
    low = orders[i][minor.low[0]], orders[j][minor.low[1]]
    high = orders[i][minor.high[0]], orders[j][minor.high[1]]
    others = tuple(order[a] for order, a in zip(rest, minor.others, strict=True))
    return Minor(minor.agents, low, high, others, minor.difference)


# --- words ----------------------------------------------------------------------------------------


def action_name(action: int) -> str:
    """The letter of an action: a, b, c, ..., z, aa, ab, ..."""
    letters = ""
    while action >= 0:
        letters = chr(ord("a") + action % 26) + letters
        action = action // 26 - 1
    return letters


def _agent(agent: int) -> str:
    return f"agent {agent + 1}"


def _joint_name(joint: JointAction) -> str:
    return f"({', '.join(action_name(a) for a in joint)})"


def _orders_in_words(orders: ActionOrders) -> str:
    each = (f"{_agent(agent)} {', '.join(map(action_name, order))}" for agent, order in enumerate(orders))
    return f"from worst to best {'; '.join(each)}"


def _playing(joint: JointAction, *without: int) -> str:
    """What everybody plays except those agents, as in "agent 2 plays b and agent 3 plays a"."""
    return " and ".join(f"{_agent(i)} plays {action_name(a)}" for i, a in enumerate(joint) if i not in without)


def _beside(minor: Minor, actions: tuple[int, int]) -> str:
    """When the second agent of the minor plays its low or high action."""
    joint = minor.corners[0] if actions == minor.high else minor.corners[3]
    return f"if {_playing(joint, minor.agents[0])}"


def _gains(amount: float) -> str:
    return f"gains {amount:.6g}" if amount > 0 else f"loses {-amount:.6g}" if amount < 0 else "changes nothing"

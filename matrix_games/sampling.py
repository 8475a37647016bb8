"""Which joint actions are in the data: sampling distributions, and the fixed points that they make.

A fit of a payoff table weights every joint action by how often it was played, and how often it is played depends on
what the fit made the agents prefer. A joint action ``u`` is a fixed point of a method at exploration rate epsilon if
the method, given the data that epsilon-greedy agents collect around ``u``, again prefers ``u``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matrix_games.factorisation import additive_fit
from matrix_games.games import Array, JointAction, MatrixGame, as_table, joint_actions, slack, table_of
from matrix_games.orders import SAME

_SUM = 1e-9  # probabilities may miss the sum of 1 by this much
_INDEPENDENT = 1e-12  # a distribution within this of the product of its marginals is a product


@dataclass(frozen=True, eq=False, init=False)
class Sampling:
    """How often each joint action is in the data.

    It can be given wherever a fit takes ``weights``. A fit needs every joint action, so epsilon must be above 0 there.

    Args:
        probabilities: ``[m_1, ..., m_n]``, numbers >= 0 that sum to 1.
        name: what to call it in a table or picture.

    Raises:
        ValueError: they are not such numbers.
    """

    probabilities: Array
    name: str

    def __init__(self, probabilities: ArrayLike, name: str = "own") -> None:
        checked = as_table(probabilities, "probabilities")
        if checked.min() < 0 or abs(float(checked.sum()) - 1) > _SUM:
            raise ValueError(
                f"probabilities go from {checked.min():g} to {checked.max():g} and sum to {checked.sum():.6g}, "
                "expected numbers >= 0 that sum to 1; divide them by their sum."
            )
        object.__setattr__(self, "probabilities", checked)
        object.__setattr__(self, "name", name)

    @staticmethod
    def uniform(n_actions: Sequence[int]) -> Sampling:
        """Every joint action equally often, as agents with epsilon 1 play.

        Raises:
            ValueError: ``n_actions`` is not one positive integer for each agent.
        """
        sizes = _checked_sizes(n_actions)
        return Sampling(np.full(sizes, 1 / np.prod(sizes)), "uniform")

    @staticmethod
    def epsilon_greedy(n_actions: Sequence[int], joint: Sequence[int], epsilon: float | int) -> Sampling:
        """Each agent on its own plays its action of ``joint``, but with probability epsilon any of its actions.

        Its action of ``joint`` has probability ``1 - epsilon + epsilon / m_i``, every other ``epsilon / m_i``.

        Raises:
            ValueError: bad ``n_actions``, ``joint`` is no joint action, or ``epsilon`` is not from 0 to 1.
        """
        sizes = _checked_sizes(n_actions)
        actions, rate = _checked_joint(joint, sizes), _checked_rate(epsilon)
        policies = [
            (1 - rate) * np.eye(size)[action] + rate / size for size, action in zip(sizes, actions, strict=True)
        ]
        return Sampling(_product(policies), f"epsilon {rate:g} around {actions}")

    @staticmethod
    def product(policies: Sequence[ArrayLike]) -> Sampling:
        """Each agent on its own plays its policy ``[m_i]``: ``p(a) = p_1(a_1) ... p_n(a_n)``.

        Raises:
            ValueError: a policy is no list of numbers >= 0 that sum to 1.
        """
        if len(policies) == 0:
            raise ValueError("policies is empty, expected one policy for each agent.")
        each = [as_table(policy, f"the policy of agent {i}") for i, policy in enumerate(policies)]
        for i, policy in enumerate(each):
            if policy.ndim != 1 or policy.min() < 0 or abs(float(policy.sum()) - 1) > _SUM:
                raise ValueError(
                    f"the policy of agent {i} has shape {policy.shape} and sums to {policy.sum():.6g}, "
                    "expected one number >= 0 for each action, with sum 1."
                )
        return Sampling(_product([policy / policy.sum() for policy in each]), "product")

    @staticmethod
    def mixture(samplings: Sequence[Sampling], shares: ArrayLike | None = None) -> Sampling:
        """Joint actions from several distributions, as in a replay buffer that agents filled while they changed.

        Args:
            samplings: distributions over the same joint actions.
            shares: the share of each; equal by default.

        Raises:
            ValueError: they differ in shape, or ``shares`` is not one number >= 0 for each, with sum 1.
        """
        if len(samplings) == 0:
            raise ValueError("samplings is empty, expected at least one distribution to mix.")
        shapes = [sampling.probabilities.shape for sampling in samplings]
        if len(set(shapes)) > 1:
            raise ValueError(f"the distributions have shapes {shapes}, expected one shape; mix data of one game only.")
        count = len(samplings)
        parts = as_table(np.full(count, 1 / count) if shares is None else shares, "shares")
        if parts.shape != (count,) or parts.min() < 0 or abs(float(parts.sum()) - 1) > _SUM:
            raise ValueError(
                f"shares are {parts.tolist()}, expected {count} numbers >= 0 that sum to 1, one a distribution."
            )
        mixed = np.tensordot(parts / parts.sum(), np.stack([one.probabilities for one in samplings]), axes=1)
        return Sampling(mixed, f"mixture of {', '.join(one.name for one in samplings)}")

    @property
    def policies(self) -> tuple[Array, ...]:
        """Each agent's marginal ``[m_i]``: how often it plays each action."""
        axes = range(self.probabilities.ndim)
        return tuple(self.probabilities.sum(axis=tuple(other for other in axes if other != axis)) for axis in axes)

    @property
    def is_product(self) -> bool:
        """Whether the agents play independently of each other: the distribution is the product of its marginals."""
        return bool(np.abs(self.probabilities - _product(self.policies)).max() <= _INDEPENDENT)

    def draw(self, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
        """Draw ``k`` joint actions, ``[k, n]``, one a row.

        Raises:
            ValueError: ``k`` is no integer >= 0, or ``rng`` is no numpy Generator.
        """
        if not isinstance(cast(object, k), int | np.integer) or k < 0:
            raise ValueError(f"k is {k!r}, expected the number of joint actions to draw, an integer >= 0.")
        if not isinstance(cast(object, rng), np.random.Generator):
            raise ValueError(f"rng is {rng!r}, expected a numpy Generator, as in np.random.default_rng(7).")
        flat = self.probabilities.ravel()
        cells = rng.choice(flat.size, size=k, p=flat / flat.sum())
        return np.stack(np.unravel_index(cells, self.probabilities.shape), axis=1)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Let the fits take it as ``weights``."""
        return np.array(self.probabilities, dtype=dtype)


# --- independent learners -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class IqlFit:
    """What independent Q-learners converge to in a one-shot game.

    Attributes:
        values: ``E[R | a_i]`` of each agent, ``[m_i]``.
        greedy: every joint action of agents that each maximise their own values, with ties.
    """

    values: tuple[Array, ...]
    greedy: tuple[JointAction, ...]


def iql_values(game: MatrixGame | ArrayLike, sampling: Sampling | ArrayLike) -> tuple[Array, ...]:
    """``Q_i(a_i) = E[R | a_i]``: what agent ``i`` of IQL converges to, the mean reward beside its own action.

    Args:
        game: a game or its payoff ``[m_1, ..., m_n]``.
        sampling: how often each joint action is in the data, or weights of that shape that are in proportion to it.

    Returns:
        One array ``[m_i]`` for each agent.

    Raises:
        ValueError: bad payoff, another shape, or an action that is never played: nothing is learnt about it.
    """
    payoff = table_of(game)
    weight = as_table(sampling, "sampling")
    if weight.shape != payoff.shape:
        raise ValueError(f"sampling has shape {weight.shape}, expected {payoff.shape}, the shape of the payoff.")
    if weight.min() < 0 or weight.max() == 0:
        raise ValueError(f"sampling goes from {weight.min():g} to {weight.max():g}, expected numbers >= 0, not all 0.")
    weight, largest = weight / weight.max(), float(np.abs(payoff).max()) or 1.0
    unit = payoff / largest
    values: list[Array] = []
    for agent in range(payoff.ndim):
        others = tuple(axis for axis in range(payoff.ndim) if axis != agent)
        mass = weight.sum(axis=others)
        if mass.min() <= 0:
            action = int(mass.argmin())
            raise ValueError(f"action {action} of agent {agent} is never played; explore with an epsilon above 0.")
        values.append(largest * np.clip((weight * unit).sum(axis=others) / mass, -1, 1))
    return tuple(values)


def iql_fit(payoff: MatrixGame | ArrayLike, weights: ArrayLike | None = None) -> IqlFit:
    """Values and greedy joint actions of independent learners, called as the other fits are.

    ``weights`` are equal by default. Ties count up to 1e-7 of the payoffs' range, as in the other fits.

    Raises:
        ValueError: as for :func:`iql_values`.
    """
    table = table_of(payoff)
    values = iql_values(table, np.full(table.shape, 1.0) if weights is None else weights)
    allowed = slack(table, SAME)
    chosen = np.ones(table.shape, dtype=np.bool_)
    for agent, value in enumerate(values):
        chosen &= (value >= value.max() - allowed).reshape([-1 if axis == agent else 1 for axis in range(table.ndim)])
    return IqlFit(values, tuple(joint_actions(chosen)))


# --- fixed points ---------------------------------------------------------------------------------


class HasGreedy(Protocol):
    """What a fit must tell: the joint actions that greedy agents can choose."""

    @property
    def greedy(self) -> tuple[JointAction, ...]:
        """All of them, with ties."""
        ...


FitRule = Callable[[Any, Any], HasGreedy]
"""A method: (payoff, weights) to its fit. additive_fit is VDN, iql_fit IQL, monotone_fit QMIX without its network."""


def stability(
    game: MatrixGame | ArrayLike, joint: Sequence[int], epsilon: float | int, fit: FitRule = additive_fit
) -> Literal["greedy", "tied", "lost"]:
    """Whether a joint action survives the data that epsilon-greedy agents collect around it.

    Returns:
        "greedy": the method prefers it to all others; "tied": it is one of several greedy joint actions, so whether
        the agents stay depends on how ties are broken; "lost": it is not greedy, and the agents move away.

    Raises:
        ValueError: bad payoff or joint action, ``epsilon`` is not above 0 and up to 1, or the fit refuses.
    """
    payoff = table_of(game)
    actions = _checked_joint(joint, payoff.shape)
    rate = _checked_rate(epsilon)
    if rate == 0:
        raise ValueError("epsilon is 0: without exploration the data hold one joint action only; use a small epsilon.")
    greedy = fit(payoff, Sampling.epsilon_greedy(payoff.shape, actions, rate)).greedy
    return "lost" if actions not in greedy else "greedy" if len(greedy) == 1 else "tied"


def fixed_points(game: MatrixGame | ArrayLike, epsilon: float | int, fit: FitRule = additive_fit) -> list[JointAction]:
    """Joint actions that are greedy again under the data of epsilon-greedy agents around them.

    Args:
        game: a game or its payoff ``[m_1, ..., m_n]``.
        epsilon: above 0, up to 1, the same for every agent.
        fit: the method: :func:`additive_fit` is VDN, :func:`iql_fit` IQL, :func:`monotone_fit` the exact projection
            of QMIX (training can stop at a worse table).

    Returns:
        Them in ascending order; those that tie with others are among them (:func:`stability` tells which). The list
        is as exact as the fit is.

    Raises:
        ValueError: as for :func:`stability`.
    """
    payoff = table_of(game)
    every = joint_actions(np.ones(payoff.shape, dtype=np.bool_))
    return [joint for joint in every if stability(payoff, joint, epsilon, fit) != "lost"]


def largest_stable_epsilon(game: MatrixGame | ArrayLike, joint: Sequence[int]) -> float | None:
    """The largest epsilon at which a joint action is a fixed point of IQL and VDN, which have the same ones.

    Agent ``i`` stays if ``E[R(u_i, a_-i)] >= E[R(b, a_-i)]`` for each of its other actions ``b``, where every other
    agent ``j`` plays ``u_j`` with probability ``1 - epsilon`` and anything otherwise. The difference is a polynomial in
    epsilon of degree ``n - 1``; the answer is one of its roots, or 1. For two agents the differences are linear: in
    climbing (a, a) is stable up to 11/21.

    Returns:
        That epsilon, reached with a tie unless it is 1; 0.0 if it is a fixed point only without exploration; None if
        it is one at no epsilon. With three agents or more a fixed point at some epsilon need not be one at all
        smaller ones, and with any number it may be one at large epsilons only.

    Raises:
        ValueError: bad payoff, or ``joint`` is no joint action.
    """
    payoff = table_of(game)
    actions = _checked_joint(joint, payoff.shape)
    leads = _leads(payoff / (float(np.abs(payoff).max()) or 1.0), actions)
    allowed = 1e-12
    cuts = sorted({0.0, 1.0, *(float(root) for lead in leads for root in _roots(lead))}, reverse=True)

    def stays(epsilon: float | int) -> bool:
        return all(np.polynomial.polynomial.polyval(epsilon, lead) >= -allowed for lead in leads)

    for high, low in zip(cuts, [*cuts[1:], 0.0], strict=True):
        if stays(high) or stays((low + high) / 2):
            return high
    return None


def _leads(payoff: Array, joint: JointAction) -> list[Array]:
    """Coefficients in epsilon of ``E[R(u_i, .) - R(b, .)]`` for every agent ``i`` and other action ``b``."""
    leads: list[Array] = []
    for agent, action in enumerate(joint):
        lead = np.moveaxis(payoff.take([action], agent) - payoff, agent, 0)[None]  # [power, b, *others]
        for partner in (*joint[:agent], *joint[agent + 1 :]):
            stays, explores = lead[:, :, partner], np.asarray(lead.mean(axis=2), dtype=np.float64)
            zero = np.zeros_like(stays[:1])
            lead = np.concatenate([stays, zero]) + np.concatenate([zero, explores - stays])
        leads += [lead[:, b] for b in range(payoff.shape[agent]) if b != action]
    return leads


def _roots(coefficients: Array) -> Array:
    """Real roots between 0 and 1."""
    kept = np.polynomial.polynomial.polytrim(coefficients, 1e-14)
    roots = np.polynomial.polynomial.polyroots(kept)
    real = roots.real[np.abs(roots.imag) <= 1e-7]
    return real[(real > 0) & (real < 1)]


# --- checks ---------------------------------------------------------------------------------------


def _product(policies: Sequence[Array]) -> Array:
    """``p_1(a_1) ... p_n(a_n)`` for every joint action."""
    table = np.ones(())
    for policy in policies:
        table = table[..., None] * policy
    return table


def _checked_sizes(n_actions: Sequence[int]) -> tuple[int, ...]:
    sizes = np.asarray(n_actions)
    if sizes.ndim != 1 or sizes.size == 0 or sizes.dtype.kind not in "iu" or sizes.min() < 1:
        raise ValueError(f"n_actions is {n_actions}, expected one positive integer an agent, as in (3, 3).")
    if np.prod(sizes.astype(np.float64)) > 1e7:
        raise ValueError(f"n_actions is {n_actions}, expected at most 1e7 joint actions; use a smaller game.")
    return tuple(int(size) for size in sizes)


def _checked_joint(joint: Sequence[int], shape: tuple[int, ...]) -> JointAction:
    actions = np.asarray(joint)
    whole = actions.shape == (len(shape),) and actions.dtype.kind in "iu"
    if not whole or (actions < 0).any() or (actions >= np.array(shape)).any():
        raise ValueError(f"the joint action is {joint}, expected one action an agent, of {shape}, counted from 0.")
    return tuple(int(action) for action in actions)


def _checked_rate(epsilon: float | int) -> float:
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon is {epsilon}, expected a number from 0 (always greedy) to 1 (always at random).")
    return float(epsilon)

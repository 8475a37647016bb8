"""Cooperative matrix games: one payoff for the whole team, from one action of each agent.

A game is a payoff tensor ``R`` with one axis per agent; ``R[a_1, ..., a_n]`` is the mean reward that every
agent receives when agent ``i`` plays ``a_i``. Action numbers are those of the literature, where action 0 is
often part of an optimum: use :meth:`MatrixGame.shuffled` before believing a learner that breaks ties towards
0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
JointAction = tuple[int, ...]


def as_table(values: object, what: str = "payoff") -> Array:
    """Return a read-only float64 copy of a table with one axis per agent, or say what is wrong with it.

    Raises:
        ValueError: the table is ragged, empty, not numeric, or holds a NaN or an infinity.
    """
    try:
        raw = np.asarray(values)
    except ValueError as error:
        raise ValueError(
            f"{what} is ragged: every row must have the same number of actions; make the rows equally long."
        ) from error
    if raw.dtype.kind not in "biuf":
        raise ValueError(f"{what} holds {raw.dtype} entries, expected real numbers; convert it to floats.")
    table = np.array(raw, dtype=np.float64)
    if table.ndim == 0:
        raise ValueError(f"{what} is the single number {table}, expected an array with one axis per agent.")
    if table.size == 0:
        agent = table.shape.index(0)
        raise ValueError(f"{what} has shape {table.shape}: agent {agent} has 0 actions, expected at least 1.")
    if not np.isfinite(table).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(table))[0])
        raise ValueError(f"{what} is {table[place]} at {place}, expected finite numbers; replace that entry.")
    table.setflags(write=False)
    return table


def slack(table: Array, tol: float) -> float:
    """Absolute tolerance for entries: ``tol`` times the range of the table, plus rounding."""
    largest = float(np.abs(table).max())
    if largest == 0.0:
        return 0.0
    unit = table / largest
    return largest * (tol * float(unit.max() - unit.min()) + 64 * float(np.finfo(np.float64).eps) * (tol > 0))


@dataclass(frozen=True, eq=False, init=False)
class MatrixGame:
    """A one-shot game in which all agents receive the same reward.

    Args:
        name: the name in the catalogue, or your own.
        payoff: mean reward ``R [m_1, ..., m_n]``, axis ``i`` for the ``m_i`` actions of agent ``i``; one
            agent is allowed.
        source: where the payoffs come from.
        note: what the game shows.
        outcomes: for a stochastic game the possible rewards ``[k, m_1, ..., m_n]``; ``payoff`` must be their
            mean.
        probabilities: ``[k]``, the chance of each outcome, the same for every joint action; equal by default.

    Raises:
        ValueError: the payoff is ragged, empty, not numeric or not finite, or the outcomes do not fit it.
    """

    name: str
    payoff: Array
    source: str
    note: str
    outcomes: Array | None
    probabilities: Array | None

    def __init__(
        self,
        name: str,
        payoff: ArrayLike,
        source: str,
        note: str = "",
        outcomes: ArrayLike | None = None,
        probabilities: ArrayLike | None = None,
    ) -> None:
        table = as_table(payoff)
        drawn, chances = checked_outcomes(table, outcomes, probabilities)
        fields = {"name": name, "payoff": table, "source": source, "note": note}
        for field, value in {**fields, "outcomes": drawn, "probabilities": chances}.items():
            object.__setattr__(self, field, value)

    @property
    def n_agents(self) -> int:
        """Number of agents, the axes of the payoff."""
        return self.payoff.ndim

    @property
    def n_actions(self) -> tuple[int, ...]:
        """Number of actions of each agent."""
        return self.payoff.shape

    @property
    def best_payoff(self) -> float:
        """The highest mean reward."""
        return float(self.payoff.max())

    @property
    def optimum(self) -> list[JointAction]:
        """Every joint action with the highest mean reward (ties up to 1e-12 of the payoffs' range)."""
        return joint_actions(self.payoff >= self.best_payoff - slack(self.payoff, 1e-12))

    def sample(self, actions: ArrayLike, rng: np.random.Generator) -> Array:
        """Draw one reward for each joint action.

        Args:
            actions: integers ``[k, n]``, one joint action a row.
            rng: used by stochastic games only.

        Returns:
            Rewards ``[k]``.

        Raises:
            ValueError: ``actions`` has another shape, or an action does not exist.
        """
        chosen = np.asarray(actions)
        if chosen.ndim != 2 or chosen.shape[1] != self.n_agents or chosen.dtype.kind not in "iu":
            raise ValueError(
                f"actions have shape {chosen.shape} and type {chosen.dtype}, "
                f"expected integers of shape (k, {self.n_agents}), one joint action a row."
            )
        wrong = np.argwhere((chosen < 0) | (chosen >= np.array(self.n_actions)))
        if len(wrong):
            row, agent = (int(i) for i in wrong[0])
            raise ValueError(
                f"action {chosen[row, agent]} of agent {agent} does not exist: "
                f"expected 0 to {self.n_actions[agent] - 1}."
            )
        where = tuple(chosen.T)
        if self.outcomes is None or self.probabilities is None:
            return self.payoff[where]
        drawn = rng.choice(len(self.outcomes), size=len(chosen), p=self.probabilities)
        return self.outcomes[(drawn, *where)]

    def relabelled(self, permutations: Sequence[Sequence[int] | NDArray[np.integer[Any]]]) -> MatrixGame:
        """Rename actions: new action ``b`` of agent ``i`` is what was action ``permutations[i][b]``.

        Raises:
            ValueError: there is not one permutation of ``0 .. m_i - 1`` for each agent ``i``.
        """
        if len(permutations) != self.n_agents:
            raise ValueError(f"{len(permutations)} permutations were given, expected {self.n_agents}, one an agent.")
        for agent, (order, size) in enumerate(zip(permutations, self.n_actions, strict=True)):
            if sorted(int(a) for a in order) != list(range(size)):
                raise ValueError(f"{list(order)} is no permutation of the actions 0 to {size - 1} of agent {agent}.")
        where = np.ix_(*[np.asarray(order, dtype=np.intp) for order in permutations])
        outcomes = None if self.outcomes is None else np.stack([table[where] for table in self.outcomes])
        return replace(self, payoff=self.payoff[where], outcomes=outcomes)

    def shuffled(self, rng: np.random.Generator) -> MatrixGame:
        """Rename every agent's actions at random, so that no action number is special."""
        return self.relabelled([rng.permutation(size) for size in self.n_actions])


def checked_outcomes(
    payoff: Array, outcomes: ArrayLike | None, probabilities: ArrayLike | None
) -> tuple[Array | None, Array | None]:
    """Check that the payoff is the mean of the outcomes; fill in equal probabilities."""
    if outcomes is None:
        if probabilities is not None:
            raise ValueError("probabilities were given without outcomes; give both or neither.")
        return None, None
    drawn = as_table(outcomes, "outcomes")
    if drawn.shape[1:] != payoff.shape:
        raise ValueError(f"outcomes have shape {drawn.shape}, expected (k, *{payoff.shape}).")
    count = len(drawn)
    chances = as_table(np.full(count, 1 / count) if probabilities is None else probabilities, "probabilities")
    if chances.shape != (count,) or chances.min() < 0 or not np.isclose(chances.sum(), 1):
        raise ValueError(f"probabilities are {chances}, expected {count} numbers >= 0 that sum to 1.")
    mean = np.tensordot(chances, drawn, axes=1)
    if not np.allclose(mean, payoff, rtol=1e-9, atol=1e-9 * float(np.abs(drawn).max())):
        raise ValueError("payoff differs from the mean of outcomes under probabilities; give that mean.")
    return drawn, chances


def table_of(payoff: MatrixGame | ArrayLike, what: str = "payoff") -> Array:
    """Return the payoff table of a game, or a checked copy of a table."""
    return payoff.payoff if isinstance(payoff, MatrixGame) else as_table(payoff, what)


def joint_actions(chosen: NDArray[np.bool_]) -> list[JointAction]:
    """The joint actions at which ``chosen [m_1, ..., m_n]`` is true, as tuples in ascending order."""
    return [tuple(int(a) for a in row) for row in np.argwhere(chosen)]


# --- the catalogue --------------------------------------------------------------------------------

_SON = "Son et al., QTRAN, ICML 2019, Table 1"
_CLAUS = "Claus and Boutilier, The dynamics of reinforcement learning in cooperative multiagent systems, AAAI 1998"
_KAPETANAKIS = "Kapetanakis and Kudenko, Reinforcement learning of coordination, AAAI 2002"
_RASHID = "Rashid et al., QMIX, ICML 2018, two-step game"
_WANG = "Wang et al., QPLEX, ICLR 2021, the authors' code"
_BOOLEAN = "Boolean function"

_CLIMBING = [[11, -30, 0], [-30, 7, 6], [0, 0, 5]]


def penalty(k: float | int) -> MatrixGame:
    """Penalty game: ``[[10, 0, k], [0, 2, 0], [k, 0, 10]]`` with ``k <= 0``.

    Source: Claus and Boutilier 1998. Two optima that must not be mixed, and a safe middle that pays 2.

    Raises:
        ValueError: ``k`` is positive or not finite.
    """
    if not (np.isfinite(k) and k <= 0):
        raise ValueError(f"the penalty k is {k}, expected a finite number <= 0, for example penalty(-10).")
    table = np.array([[10, 0, k], [0, 2, 0], [k, 0, 10]], dtype=np.float64)
    note = "Two optima; mixing them costs k, so a partner who explores makes the middle look best."
    return MatrixGame(f"penalty-{abs(k):g}", table, _CLAUS, note)


def platonia_like(n: int) -> MatrixGame:
    """``n`` agents wait (0) or send (1); the reward is ``n`` if exactly one sends and 0 otherwise.

    Source: after the Platonia dilemma in Castellini et al., The representational capacity of action-value
    networks for multi-agent reinforcement learning, AAMAS 2019.
    Differs from it: these payoffs are our own reading.

    Raises:
        ValueError: ``n`` is no integer of at least 2.
    """
    if not isinstance(cast(object, n), int | np.integer) or n < 2:
        raise ValueError(f"the number of agents is {n}, expected an integer of at least 2.")
    senders = np.indices((2,) * n).sum(axis=0)
    source = "After the Platonia dilemma of Castellini et al., AAMAS 2019; payoffs of this package"
    note = "Everybody should wait except one, and nobody can say who."
    return MatrixGame(f"platonia-like-{n}", np.where(senders == 1, float(n), 0.0), source, note)


def _climbing() -> MatrixGame:
    note = "The way from the safe (c, c) to the optimum (a, a) leads through -30."
    return MatrixGame("climbing", _CLIMBING, _CLAUS, note)


def _climbing_partially_stochastic() -> MatrixGame:
    high, low = np.array(_CLIMBING, dtype=np.float64), np.array(_CLIMBING, dtype=np.float64)
    high[1, 1], low[1, 1] = 14, 0
    note = "Climbing in which (b, b) pays 14 or 0, so optimists take it for the best."
    return MatrixGame("climbing-partially-stochastic", _CLIMBING, _KAPETANAKIS, note, np.stack([high, low]))


def _climbing_fully_stochastic() -> MatrixGame:
    first = [[10, 5, 8], [5, 14, 12], [5, 5, 10]]
    second = [[12, -65, -8], [-65, 0, 0], [-5, -5, 0]]
    note = "Climbing in which every joint action pays one of two rewards; the means are those of climbing."
    outcomes = np.array([first, second], dtype=np.float64)
    return MatrixGame("climbing-fully-stochastic", _CLIMBING, _KAPETANAKIS, note, outcomes)


_BUILDERS: dict[str, Callable[[], MatrixGame]] = {
    "qtran": lambda: MatrixGame(
        "qtran",
        [[8, -12, -12], [-12, 0, 0], [-12, 0, 0]],
        _SON,
        "Not monotone: a is right only if the other agent plays it too.",
    ),
    "climbing": _climbing,
    "climbing-partially-stochastic": _climbing_partially_stochastic,
    "climbing-fully-stochastic": _climbing_fully_stochastic,
    "penalty-10": lambda: penalty(-10),
    "penalty-100": lambda: penalty(-100),
    "two-step-2a": lambda: MatrixGame("two-step-2a", [[7, 7], [7, 7]], _RASHID, "The safe branch: always 7."),
    "two-step-2b": lambda: MatrixGame(
        "two-step-2b", [[0, 1], [1, 8]], _RASHID, "The branch worth 8, which no additive table can hold."
    ),
    "mg1": lambda: MatrixGame(
        "mg1",
        [[10.4, 0, 10], [0, 10, 10], [10, 10, 10]],
        f"{_WANG}, matrix_game_1 with x = 10.4",
        "The optimum leads by .4 only.",
    ),
    "mg3": lambda: MatrixGame(
        "mg3",
        [[8, -12, -12], [-12, 6, 0], [-12, 0, 6]],
        f"{_WANG}, matrix_game_3",
        "The qtran game with two local optima of 6.",
    ),
    "xor": lambda: MatrixGame("xor", [[0, 1], [1, 0]], _BOOLEAN, "Be different; the best monotone fit is not unique."),
    "or": lambda: MatrixGame(
        "or", [[0, 1], [1, 1]], _BOOLEAN, "Monotone but not supermodular: the second helper adds nothing."
    ),
    "and": lambda: MatrixGame("and", [[0, 0], [0, 1]], _BOOLEAN, "Monotone and supermodular: both are needed."),
    "coordination": lambda: MatrixGame("coordination", [[1, 0], [0, 1]], _BOOLEAN, "Be alike; two optima."),
    "platonia-like-3": lambda: platonia_like(3),
}


class UnknownGameError(KeyError):
    """The catalogue has no game of that name; the message lists the nearest names."""

    def __init__(self, name: object) -> None:
        near = get_close_matches(str(name), _BUILDERS, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(_BUILDERS)}."
        self.message = f"unknown game {str(name)!r}: {hint}"
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message


class Catalogue(Mapping[str, MatrixGame]):
    """Games by name; ``catalogue["climbing"]`` builds one.

    Raises:
        UnknownGameError: no game has that name.
    """

    def __getitem__(self, name: str) -> MatrixGame:
        if name not in _BUILDERS:
            raise UnknownGameError(name)
        return _BUILDERS[name]()

    def __contains__(self, name: object) -> bool:
        return name in _BUILDERS

    def __iter__(self) -> Iterator[str]:
        return iter(_BUILDERS)

    def __len__(self) -> int:
        return len(_BUILDERS)

    def __repr__(self) -> str:
        return f"catalogue of {len(self)} games: {', '.join(self)}"


catalogue = Catalogue()


# --- random games ---------------------------------------------------------------------------------


def uniform_game(n_actions: Sequence[int], rng: np.random.Generator) -> MatrixGame:
    """A game of shape ``n_actions`` with independent payoffs, uniform on [0, 1).

    Raises:
        ValueError: ``n_actions`` is not one positive integer for each agent, or ``rng`` is no numpy
            Generator.
    """
    shape = checked_shape(n_actions, rng)
    return MatrixGame("uniform", rng.random(shape), "Drawn independently, uniform on [0, 1)")


def gaussian_game(n_actions: Sequence[int], rng: np.random.Generator) -> MatrixGame:
    """A game of shape ``n_actions`` with independent standard normal payoffs.

    Raises:
        ValueError: as for :func:`uniform_game`.
    """
    shape = checked_shape(n_actions, rng)
    return MatrixGame("gaussian", rng.standard_normal(shape), "Drawn independently, standard normal")


def integer_game(n_actions: Sequence[int], levels: int, rng: np.random.Generator) -> MatrixGame:
    """A game of shape ``n_actions`` with independent payoffs, uniform on ``0 .. levels - 1``, so with ties.

    Raises:
        ValueError: as for :func:`uniform_game`, or ``levels`` is no positive integer.
    """
    shape = checked_shape(n_actions, rng)
    if not isinstance(cast(object, levels), int | np.integer) or levels < 1:
        raise ValueError(f"levels is {levels}, expected a positive integer.")
    payoff = rng.integers(levels, size=shape).astype(np.float64)
    return MatrixGame("integer", payoff, f"Drawn independently, uniform on 0 to {levels - 1}")


def checked_shape(n_actions: object, rng: object) -> tuple[int, ...]:
    """Return ``n_actions`` as a tuple, or say what is wrong with it or with ``rng``.

    Raises:
        ValueError: as for :func:`uniform_game`.
    """
    sizes = np.atleast_1d(np.asarray(n_actions))
    if sizes.ndim != 1 or sizes.size == 0 or sizes.dtype.kind not in "iu" or sizes.min() < 1:
        raise ValueError(f"n_actions is {n_actions}, expected one positive integer an agent, as in (3, 3).")
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {rng!r}, expected a numpy Generator, as in np.random.default_rng(7).")
    return tuple(int(size) for size in sizes)

"""Tabular learners in one-shot cooperative games, thousands of runs at once.

All agents receive the same reward ``r``; each keeps values of its own actions only (:class:`JointQ` is the
exception) and moves the value of the action it took. Arrays are ``[runs, heads, actions]``: a head is what
has one set of values, an agent, or for :class:`JointQ` the team with its joint actions. Heads with fewer
actions than others are padded with ``-inf``.

:func:`play` renames every head's actions at random in each run, so breaking greedy ties towards the first
action favours no action; :attr:`Study.tied` counts the runs that end in a tie.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import cast

import numpy as np
from numpy.typing import NDArray

from matrix_games.games import Array, MatrixGame

Actions = NDArray[np.intp]
Tables = tuple[Array, ...]


LARGEST = 1e100  # of rewards and parameters: their products and squares are finite


def need(holds: bool, message: str) -> None:
    """Raise ValueError with this message unless the condition holds."""
    if not holds:
        raise ValueError(message)


def need_number(name: str, value: object, holds: Callable[[float], bool], expected: str) -> None:
    """Raise ValueError unless the value is a real number (no boolean) for which the condition holds."""
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    need(real and holds(cast(float, value)), f"{name} is {value!r}, expected {expected}.")


def is_whole(value: object) -> bool:
    """Whether it is an integer, and no boolean."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_counts(**counts: object) -> None:
    """Raise ValueError unless each is a whole number from 1 to 1e9."""
    for name, value in counts.items():
        holds = is_whole(value) and 1 <= cast(int, value) <= 1e9
        need(holds, f"{name} is {value!r}, expected a whole number from 1 to 1e9.")


def check_game(game: object) -> None:
    """Raise ValueError unless it is a MatrixGame."""
    need(
        isinstance(game, MatrixGame),
        f"game is a {type(game).__name__}, expected a MatrixGame, as in catalogue['climbing'].",
    )


def _positive(value: float) -> bool:
    return 1 / LARGEST <= value <= LARGEST


_POSITIVE = f"a number above 0, from {1 / LARGEST:g} to {LARGEST:g}"


# --- the rules, entry by entry --------------------------------------------------------------------


def q_rule(q: Array, target: Array, alpha: float) -> Array:
    """Move towards the target: ``Q + alpha d`` with ``d = target - Q``.

    Source: Watkins 1989; for independent learners Tan, ICML 1993.
    """
    return q + alpha * (target - q)


def distributed_rule(q: Array, target: Array) -> Array:
    """Never decrease: ``max(Q, target)``. Source: Lauer and Riedmiller, ICML 2000."""
    return np.maximum(q, target)


def hysteretic_rule(q: Array, target: Array, alpha: float, beta: float) -> Array:
    """``Q + alpha d`` if ``d >= 0``, else ``Q + beta d``. Source: Matignon et al., IROS 2007."""
    error = target - q
    return q + np.where(error >= 0, alpha, beta) * error


def lenient_rule(q: Array, target: Array, alpha: float, leniency: Array, draw: Array) -> Array:
    """``Q + alpha d`` if ``d >= 0`` or ``draw >= leniency``, else ``Q``; ``draw`` is uniform on [0, 1).

    Source: Wei and Luke, JMLR 17(84), 2016.
    """
    error = target - q
    return q + alpha * error * ((error >= 0) | (draw >= leniency))


def nui_rule(q: Array, target: Array, alpha: float, highest: Array, bound: Array) -> Array:
    """A new record becomes the value; ``Q + alpha d`` if ``target >= bound`` or equals the record; else ``Q``.

    Source: Palmer, Savani and Tuyls, AAMAS 2019; see :class:`NegativeUpdateIntervals`.
    """
    believed = (target >= bound) | (target == highest)
    return np.where(target > highest, target, np.where(believed, q + alpha * (target - q), q))


# --- learners -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Learner(ABC):
    """A learning rule and its parameters; what it has learnt is a tuple of tables, the first of them Q.

    Args:
        initial: the value of every action before the first play.

    Raises:
        ValueError: a parameter is out of its range; so for every learner.
    """

    initial: float = 0.0

    def __post_init__(self) -> None:
        expected = f"a number of size at most {LARGEST:g}"
        need_number("initial", self.initial, lambda value: abs(value) <= LARGEST, expected)

    def heads(self, game: MatrixGame) -> tuple[int, ...]:
        """Number of actions of each head: here one head an agent."""
        return game.n_actions

    def start(self, game: MatrixGame, runs: int) -> Tables:
        """Tables before the first play, ``[runs, heads, actions]`` each."""
        check_game(game)
        check_counts(runs=runs)
        sizes = np.array(self.heads(game))
        exists = np.arange(sizes.max()) < sizes[:, None]  # [heads, actions]
        q = np.where(exists, self.initial, -np.inf)
        return (np.repeat(q[None], runs, axis=0),)

    @abstractmethod
    def update(self, tables: Tables, actions: Actions, target: Array, rng: np.random.Generator) -> Tables:
        """Return new tables after one play; the old ones are left as they are.

        Args:
            tables: what was learnt so far, ``[runs, heads, actions]`` each.
            actions: the action of each head, ``[runs, heads]``.
            target: what each head's value moves towards, ``[runs, 1]`` or ``[runs, heads]``; the reward in
                one-shot games, and ``r + gamma max Q_i(s', .)`` where another state follows.
            rng: used by lenient learners only.
        """

    def diffuse(self, tables: Tables, actions: Actions, following: Tables, ended: NDArray[np.bool_]) -> Tables:
        """Let what is known of the following state change what is known of the actions taken; nothing here.

        Args:
            tables: of the state that was left, after :meth:`update`.
            actions: the action of each head, ``[runs, heads]``.
            following: tables of the state that was reached, from before the update.
            ended: whether the episode ended instead, ``[runs]``.
        """
        return tables

    def preferences(self, tables: Tables) -> Array:
        """What the greedy choice maximises and Boltzmann exploration weighs, ``[runs, heads, actions]``."""
        return tables[0]

    def best(self, tables: Tables) -> NDArray[np.bool_]:
        """Which actions are greedy, ties included, ``[runs, heads, actions]``."""
        preferences = self.preferences(tables)
        return preferences == preferences.max(axis=-1, keepdims=True)

    def greedy(self, tables: Tables) -> Actions:
        """One greedy action of each head, the first if tied, ``[runs, heads]``."""
        return self.preferences(tables).argmax(axis=-1)


@dataclass(frozen=True, kw_only=True)
class _StepSize(Learner):
    """A learner with a step size ``alpha``, the share of an error that is corrected, in (0, 1]."""

    alpha: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        need_number("alpha", self.alpha, lambda value: 0 < value <= 1, "a step size above 0 and at most 1")


@dataclass(frozen=True, kw_only=True)
class IndependentQ(_StepSize):
    """Independent Q-learning (IQL): ``Q_i(a_i) += alpha (r - Q_i(a_i))``.

    Each value tracks the mean reward over what the *other* agents currently do: relative overgeneralisation.

    Source: Tan, Multi-agent reinforcement learning: independent vs. cooperative agents, ICML 1993.
    """

    def update(self, tables: Tables, actions: Actions, target: Array, rng: np.random.Generator) -> Tables:
        """Apply :func:`q_rule` to the actions taken."""
        (q,) = tables
        where = places(q, actions)
        return (_with(q, where, q_rule(q.take(where), target, self.alpha)),)


@dataclass(frozen=True, kw_only=True)
class JointQ(IndependentQ):
    """Q-learning of the whole team: one table over joint actions, ``Q(a_1, ..., a_n) += alpha (r - Q)``.

    Source: the joint action learner of Claus and Boutilier, AAAI 1998. Differs from it: one central table
    chooses for everybody, where theirs models what the others do.
    """

    def heads(self, game: MatrixGame) -> tuple[int, ...]:
        """One head, with every joint action."""
        return (prod(game.n_actions),)


@dataclass(frozen=True, kw_only=True)
class DistributedQ(Learner):
    """Distributed Q-learning without its policy lock: ``Q_i(a_i) = max(Q_i(a_i), r)``.

    Exact values in deterministic games; but where two optima tie, agents may each choose another one.

    Source: Lauer and Riedmiller, An algorithm for distributed reinforcement learning in cooperative
    multi-agent systems, ICML 2000, without their policy update (:class:`LockedDistributedQ` has it).
    Differs from it: ``initial`` is -1000 where they have 0 and rewards that are never negative.
    """

    initial: float = -1000.0

    def start(self, game: MatrixGame, runs: int) -> Tables:
        """Tables before the first play.

        Raises:
            ValueError: ``initial`` is not below every reward, so what an action pays might never be learnt.
        """
        check_game(game)
        lowest = float(outcomes_of(game).min())
        need(
            self.initial < lowest,
            f"initial is {self.initial:g}, but {game.name} can pay {lowest:g} and values never decrease: "
            f"choose an initial value below {lowest:g}.",
        )
        return super().start(game, runs)

    def update(self, tables: Tables, actions: Actions, target: Array, rng: np.random.Generator) -> Tables:
        """Apply :func:`distributed_rule` to the actions taken."""
        (q,) = tables
        where = places(q, actions)
        return (_with(q, where, distributed_rule(q.take(where), target)),)


@dataclass(frozen=True, kw_only=True)
class LockedDistributedQ(DistributedQ):
    """Distributed Q-learning: the policy moves to the action taken only when the highest value rises.

    ``Q_i(a_i) = max(Q_i(a_i), r)``; if ``max Q_i`` has risen, the policy of ``i`` becomes ``a_i``. All agents
    see the same reward, so all settle on the joint action that first paid the most.

    The second table marks the policy by 1. Source: Lauer and Riedmiller, ICML 2000.
    """

    def start(self, game: MatrixGame, runs: int) -> Tables:
        """Tables before the first play; the policy is the first action."""
        (q,) = super().start(game, runs)
        lock = np.zeros_like(q)
        lock[:, :, 0] = 1
        return q, lock

    def update(self, tables: Tables, actions: Actions, target: Array, rng: np.random.Generator) -> Tables:
        """Apply :func:`distributed_rule`, and move the lock of those whose highest value rose."""
        q, lock = tables
        (new,) = super().update((q,), actions, target, rng)
        rose = np.broadcast_to(target, actions.shape) > q.max(axis=-1)  # [runs, heads]
        lock = np.where(rose[..., None], 0.0, lock)
        where = places(q, actions)
        return new, _with(lock, where, np.where(rose, 1.0, lock.take(where)))

    def best(self, tables: Tables) -> NDArray[np.bool_]:
        """The locked action, never a tie."""
        return tables[1] == 1

    def greedy(self, tables: Tables) -> Actions:
        """The locked action."""
        return tables[1].argmax(axis=-1)


@dataclass(frozen=True, kw_only=True)
class HystereticQ(_StepSize):
    """Hysteretic Q-learning: ``Q_i(a_i) += alpha d`` if ``d >= 0``, else ``beta d``, with ``d = r - Q_i(a_i)``.

    ``beta = alpha`` is IQL; ``beta = 0`` only rises.

    Source: Matignon, Laurent and Le Fort-Piat, Hysteretic Q-learning, IROS 2007.
    """

    beta: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        expected = f"a number from 0 to alpha = {self.alpha}"
        need_number("beta", self.beta, lambda value: 0 <= value <= self.alpha, expected)

    def update(self, tables: Tables, actions: Actions, target: Array, rng: np.random.Generator) -> Tables:
        """Apply :func:`hysteretic_rule` to the actions taken."""
        (q,) = tables
        where = places(q, actions)
        return (_with(q, where, hysteretic_rule(q.take(where), target, self.alpha, self.beta)),)


@dataclass(frozen=True, kw_only=True)
class LenientQ(_StepSize):
    """Lenient learning (LMRL2): forgive low rewards while an action is young.

    With ``d = r - Q_i(a_i)`` and leniency ``l = exp(-1 / (theta T_i(a_i)))``: ``Q_i(a_i) += alpha d`` if
    ``d >= 0``, otherwise with probability ``1 - l`` only; then ``T_i(a_i) *= delta``. A higher ``theta`` is
    more lenient. The second table holds the temperatures; :class:`OwnTemperature` explores by them.

    In games of several states, heat comes back from the state ``s'`` that follows, so that an action stays
    young as long as what it leads to is (at the end of an episode, ``T`` cools as above):

        T_i(s, a_i) = delta ((1 - nu) T_i(s, a_i) + nu mean_a' T_i(s', a'))

    Source: Wei and Luke, Lenient learning in independent-learner stochastic cooperative games, JMLR 17(84),
    2016. Differs from it: values start at ``initial``, not at infinity.
    """

    theta: float = 1.0
    delta: float = 0.995
    max_temperature: float = 50.0
    nu: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        need_number("theta", self.theta, _positive, _POSITIVE)
        need_number("delta", self.delta, lambda value: 0 < value <= 1, "a factor above 0 and at most 1")
        need_number("max_temperature", self.max_temperature, _positive, _POSITIVE)
        need_number("nu", self.nu, lambda value: 0 <= value <= 1, "a share from 0 to 1")

    def start(self, game: MatrixGame, runs: int) -> Tables:
        """Tables before the first play; every temperature is the highest, and 0 where there is no action."""
        (q,) = super().start(game, runs)
        return q, np.where(np.isfinite(q), self.max_temperature, 0.0)

    def leniency(self, temperature: Array) -> Array:
        """The chance that a low reward is forgiven, ``exp(-1 / (theta T))``; any shape."""
        return np.exp(-1 / np.maximum(self.theta * temperature, 1e-300))

    def update(self, tables: Tables, actions: Actions, target: Array, rng: np.random.Generator) -> Tables:
        """Apply :func:`lenient_rule` to the actions taken, then cool them."""
        q, temperature = tables
        where = places(q, actions)
        hot = temperature.take(where)
        new = lenient_rule(q.take(where), target, self.alpha, self.leniency(hot), rng.random(actions.shape))
        return _with(q, where, new), _with(temperature, where, self.delta * hot)

    def diffuse(self, tables: Tables, actions: Actions, following: Tables, ended: NDArray[np.bool_]) -> Tables:
        """Mix ``nu`` of the following state's mean temperature, cooled, into those of the actions taken."""
        q, temperature = tables
        where = places(q, actions)
        cooled = temperature.take(where)  # delta T(s, a)
        mixed = (1 - self.nu) * cooled + self.nu * self.delta * _mean_temperature(following)
        return q, _with(temperature, where, np.where(ended[:, None], cooled, mixed))


@dataclass(frozen=True, kw_only=True)
class FrequencyMaximumQ(_StepSize):
    """FMQ: IQL that chooses by ``E_i(a) = Q_i(a) + c f_i(a) m_i(a)``.

    ``m_i(a)`` is the highest reward that action ``a`` has brought and ``f_i(a)`` the share of its plays that
    brought it. The other tables hold ``m`` (0 before the first play), the plays that brought it, and the plays.

    Source: Kapetanakis and Kudenko, Reinforcement learning of coordination in cooperative multi-agent
    systems, AAAI 2002.
    """

    c: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        need_number("c", self.c, lambda value: 0 <= value <= LARGEST, f"a weight from 0 to {LARGEST:g}")

    def start(self, game: MatrixGame, runs: int) -> Tables:
        """Tables before the first play."""
        (q,) = super().start(game, runs)
        return q, np.zeros_like(q), np.zeros_like(q), np.zeros_like(q)

    def update(self, tables: Tables, actions: Actions, target: Array, rng: np.random.Generator) -> Tables:
        """Apply :func:`q_rule` to the actions taken, and count how often each met its highest reward."""
        q, highest, met, plays = tables
        where = places(q, actions)
        old, top, count = q.take(where), highest.take(where), plays.take(where)
        higher = (target > top) | (count == 0)
        times = np.where(higher, 1.0, met.take(where) + (target == top))
        return (
            _with(q, where, q_rule(old, target, self.alpha)),
            _with(highest, where, np.where(higher, target, top)),
            _with(met, where, times),
            _with(plays, where, count + 1),
        )

    def preferences(self, tables: Tables) -> Array:
        """``E_i(a)``; ``Q_i(a)`` for an action that was never played."""
        q, highest, met, plays = tables
        return q + self.c * highest * met / np.maximum(plays, 1)


@dataclass(frozen=True, kw_only=True)
class NegativeUpdateIntervals(_StepSize):
    """NUI: believe a low reward only if it lies in the action's interval, which widens with its successes.

    For each action: the highest and lowest reward ``h, l`` that it has brought, the mean and standard deviation
    ``m, s`` of its latest rewards, and the lower bound ``b`` of its interval. A reward ``r`` acts on them so:

        r > h:            h = Q = r          a new record
        b <= r or r = h:  Q += alpha (r - Q)
        otherwise:        nothing            a partner's slip

    In the action's first ``patience`` plays ``b = h``. After them, each play that brings ``h`` widens the interval:
    ``b = max(f + decay (b - f), m - s - margin)`` with ``f = l - margin``; ``margin`` is in units of reward.

    The other tables hold ``h, l, b``, the plays, ``m`` and the variance.

    Source: Palmer, Savani and Tuyls, Negative update intervals in deep multi-agent reinforcement learning, AAMAS
    2019 (NUI-DDQN), after the authors' code (gjp1203/nui_in_madrl). Differs from it:

    - The code keeps 100 episodes of each action in a replay memory, trains on them and discards those outside the
      interval. Here each reward is used once, when it comes. Where the code deletes all episodes below a new
      record from the memory, here the value becomes the record.
    - ``m`` and ``s`` forget exponentially, with the mean age of the code's 200 latest returns.
    - The code's bound starts at the highest reward of its environment, 1, falls towards the lowest, -1, and
      begins to after 50 plays of any action. Here an agent need not know rewards it has not seen, and ``b`` falls
      towards a little less than the lowest, so that in the end even that may be believed.
    - In games of several states the target ``r + gamma max Q_i(s', .)`` stands for the return of the episode.
    """

    decay: float = 0.995
    margin: float = 0.3
    patience: int = 50
    window: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        need_number("decay", self.decay, lambda value: 0 <= value <= 1, "a factor from 0 to 1")
        need_number("margin", self.margin, lambda value: 0 <= value <= LARGEST, f"a number from 0 to {LARGEST:g}")
        check_counts(patience=self.patience, window=self.window)

    def start(self, game: MatrixGame, runs: int) -> Tables:
        """Tables before the first play: no reward seen yet."""
        (q,) = super().start(game, runs)
        zero = np.zeros_like(q)
        return q, zero - np.inf, zero + np.inf, zero + np.inf, zero, zero, zero

    def update(self, tables: Tables, actions: Actions, target: Array, rng: np.random.Generator) -> Tables:
        """Apply :func:`nui_rule` to the actions taken, then move their intervals."""
        where = places(tables[0], actions)
        q, highest, lowest, bound, plays, mean, variance = (table.take(where) for table in tables)
        q = nui_rule(q, target, self.alpha, highest, bound)

        plays = plays + 1
        step, error = np.maximum(1 / plays, 2 / (self.window + 1)), target - mean
        mean, variance = mean + step * error, (1 - step) * (variance + step * error**2)

        young = plays <= self.patience
        bound = np.where(young, np.maximum(highest, target), bound)
        highest, lowest = np.maximum(highest, target), np.minimum(lowest, target)
        floor = lowest - self.margin
        wider = np.maximum(floor + self.decay * (bound - floor), mean - np.sqrt(variance) - self.margin)
        bound = np.where(~young & (target == highest), wider, bound)

        entries = (q, highest, lowest, bound, plays, mean, variance)
        return tuple(_with(table, where, new) for table, new in zip(tables, entries, strict=True))


def _mean_temperature(tables: Tables) -> Array:
    """Mean over the actions that each head has, ``[runs, heads]``."""
    q, temperature = tables
    return temperature.sum(axis=-1) / np.isfinite(q[0]).sum(axis=-1)


def places(table: Array | Actions, actions: Actions) -> Actions:
    """Where the chosen entries are in the flattened table, ``[runs, heads]``."""
    return actions + np.arange(0, table.size, table.shape[-1]).reshape(actions.shape)


def _with(table: Array, where: Actions, entries: Array) -> Array:
    """Return a copy of the table with other entries at some places."""
    new = table.copy()
    new.reshape(-1)[where] = entries
    return new


# --- exploration ----------------------------------------------------------------------------------


class Exploration(ABC):
    """How heads choose while they learn."""

    @abstractmethod
    def choose(self, learner: Learner, tables: Tables, done: float, rng: np.random.Generator) -> Actions:
        """Return the action of each head, ``[runs, heads]``, when the share ``done`` of all plays is over."""


@dataclass(frozen=True, kw_only=True)
class EpsilonGreedy(Exploration):
    """Play at random with probability epsilon, which falls on a straight line; otherwise greedily.

    Args:
        start: epsilon at the first play.
        end: epsilon from the share ``over`` of all plays on.
        over: that share; the default 0.8 means over the first 8,000 of 10,000 plays.

    Raises:
        ValueError: one of them is not from 0 to 1.
    """

    start: float = 1.0
    end: float = 0.0
    over: float = 0.8

    def __post_init__(self) -> None:
        for name, value in (("start", self.start), ("end", self.end), ("over", self.over)):
            need_number(name, value, lambda value: 0 <= value <= 1, "a number from 0 to 1")

    def epsilon(self, done: float) -> float:
        """Epsilon when the share ``done`` of all plays is over."""
        if done >= self.over:
            return self.end
        return self.start + (self.end - self.start) * done / self.over

    def choose(self, learner: Learner, tables: Tables, done: float, rng: np.random.Generator) -> Actions:
        """Choose greedily or, with probability epsilon, uniformly among all actions, head by head."""
        epsilon, greedy = self.epsilon(done), learner.greedy(tables)
        if epsilon == 0:
            return greedy
        # below 1 with probability epsilon, and then uniform again
        draw = rng.random(greedy.shape) / max(epsilon, 1e-300)
        sizes = np.isfinite(tables[0][0]).sum(axis=-1)  # [heads]
        anything = np.minimum((np.minimum(draw, 1.0) * sizes).astype(np.intp), sizes - 1)
        return np.where(draw < 1, anything, greedy)


@dataclass(frozen=True, kw_only=True)
class Boltzmann(Exploration):
    """Choose ``a`` with probability proportional to ``exp(E_i(a) / T)``, where ``T`` falls geometrically.

    ``T = start (end / start)^done`` where ``done`` is the share of all plays that is over, and ``E`` are the
    learner's preferences.

    Differs from Kapetanakis and Kudenko, AAAI 2002: they use ``T = 1 + start exp(-s k)`` at play ``k``.

    Raises:
        ValueError: a temperature is not from 1e-100 to 1e100.
    """

    start: float = 500.0
    end: float = 0.1

    def __post_init__(self) -> None:
        for name, value in (("start", self.start), ("end", self.end)):
            need_number(name, value, _positive, _POSITIVE)

    def choose(self, learner: Learner, tables: Tables, done: float, rng: np.random.Generator) -> Actions:
        """Choose by the probabilities above, head by head."""
        temperature = self.start * (self.end / self.start) ** done
        return _boltzmann(learner.preferences(tables), np.full((1, 1), temperature), rng)


@dataclass(frozen=True, kw_only=True)
class OwnTemperature(Exploration):
    """Boltzmann exploration by the temperatures of :class:`LenientQ`.

    ``a`` has probability proportional to ``exp(Q_i(a) / (omega mean T_i))`` while ``mean T_i`` is at least
    ``min_temperature``; then the choice is greedy.

    Source: Wei and Luke, JMLR 17(84), 2016.

    Raises:
        ValueError: a number is not from 1e-100 to 1e100, or the learner has no temperatures.
    """

    omega: float = 0.1
    min_temperature: float = 2.0

    def __post_init__(self) -> None:
        for name, value in (("omega", self.omega), ("min_temperature", self.min_temperature)):
            need_number(name, value, _positive, _POSITIVE)

    def choose(self, learner: Learner, tables: Tables, done: float, rng: np.random.Generator) -> Actions:
        """Choose by the probabilities above, head by head."""
        need(
            isinstance(learner, LenientQ),
            f"{type(learner).__name__} has no temperatures to explore by: use LenientQ, or explore with Boltzmann.",
        )
        q, _ = tables
        mean = _mean_temperature(tables)
        hot = mean >= self.min_temperature
        if not hot.any():
            return learner.greedy(tables)
        drawn = _boltzmann(q, self.omega * np.maximum(mean, self.min_temperature), rng)
        return np.where(hot, drawn, learner.greedy(tables))


def _boltzmann(preferences: Array, temperature: Array, rng: np.random.Generator) -> Actions:
    """Draw one action of each head; preferences ``[runs, heads, actions]``, temperature ``[runs, heads]``."""
    weights = np.exp((preferences - preferences.max(axis=-1, keepdims=True)) / temperature[..., None])
    up_to = weights.cumsum(axis=-1)
    draw = rng.random(preferences.shape[:2]) * up_to[..., -1]
    return (draw[..., None] >= up_to[..., :-1]).sum(axis=-1)


# --- a study --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Study:
    """Where many runs of one learner end, and how they got there.

    Args:
        game: the game that was played.
        runs: number of independent runs.
        greedy: the joint action at the end of each run, ``[runs, agents]``.
        tied: the number of runs in which some head ends with more than one greedy action; ``greedy`` holds
            one of them, at random.
        snapshots: the numbers of plays after which the history was kept, ``[k]``; the last is the end.
        history: values at the snapshots, ``[k, runs, heads, actions]``.
        greedy_history: greedy joint actions at the snapshots, ``[k, runs, agents]``.
    """

    game: MatrixGame
    runs: int
    greedy: Actions
    tied: int
    snapshots: NDArray[np.int64]
    history: Array
    greedy_history: Actions

    @property
    def values(self) -> Array:
        """Values at the end, ``[runs, heads, actions]``; for :class:`JointQ` in the order of ``payoff.ravel()``."""
        return self.history[-1]

    @property
    def optimal(self) -> int:
        """The number of runs that end in an optimal joint action."""
        ends = self.game.payoff[tuple(self.greedy.T)]
        best = min(self.game.payoff[joint] for joint in self.game.optimum)
        return int((ends >= best).sum())

    @property
    def share(self) -> float:
        """The share of runs that end in an optimal joint action."""
        return self.optimal / self.runs

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of :attr:`share`."""
        return wilson_interval(self.optimal, self.runs)

    @property
    def joint_shares(self) -> Array:
        """The share of runs that end in each joint action, ``[m_1, ..., m_n]``."""
        return _shares(self.greedy, self.game)

    @property
    def joint_shares_history(self) -> Array:
        """The same at every snapshot, ``[k, m_1, ..., m_n]``."""
        return np.stack([_shares(greedy, self.game) for greedy in self.greedy_history])


def _shares(greedy: Actions, game: MatrixGame) -> Array:
    joint = np.ravel_multi_index(tuple(greedy.T), game.n_actions)
    return np.bincount(joint, minlength=game.payoff.size).reshape(game.n_actions) / len(greedy)


FALLING_EPSILON = EpsilonGreedy()


def play(
    game: MatrixGame,
    learner: Learner,
    *,
    rng: np.random.Generator,
    runs: int = 1000,
    plays: int = 10_000,
    exploration: Exploration = FALLING_EPSILON,
    snapshots: int = 1,
) -> Study:
    """Let a learner play a game many times, in many independent runs at once.

    Args:
        game: any number of agents; a stochastic game draws one of its outcomes at each play.
        learner: for example ``HystereticQ(beta=0.01)``.
        rng: the same seed gives the same study.
        runs: independent runs.
        plays: plays of the game in each run.
        exploration: for example ``EpsilonGreedy(start=1, end=0, over=0.8)``, the default.
        snapshots: how often values are kept, spread evenly over the plays; 1 keeps the end only.

    Raises:
        ValueError: an argument is of another kind, a number is out of its range, or the learner does not suit
            the game or the exploration.
    """
    check_game(game)
    check_kinds(learner, exploration, rng)
    check_counts(runs=runs, plays=plays, snapshots=snapshots)
    need(snapshots <= plays, f"snapshots is {snapshots}, expected at most one for each of the {plays} plays.")
    check_size(game.name, outcomes_of(game))
    tables = learner.start(game, runs)
    labels = random_labels(tables[0], rng)
    joint = JointActions(labels, game.n_actions)
    rewards = Rewards(outcomes_of(game), game.probabilities)
    kept = snapshot_times(plays, snapshots)
    due, history, greedy = set(kept.tolist()), list[Array](), list[Actions]()
    for k in range(plays):
        actions = exploration.choose(learner, tables, k / plays, rng)
        target = rewards.draw(joint.flat(actions), rng)[:, None]
        tables = learner.update(tables, actions, target, rng)
        if k + 1 in due:
            history.append(unlabelled(tables[0], labels))
            greedy.append(joint.of_agents(learner.greedy(tables)))
    tied = int((learner.best(tables).sum(axis=-1) > 1).any(axis=-1).sum())
    return Study(game, runs, greedy[-1], tied, kept, np.stack(history), np.stack(greedy))


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval in which the true rate of successes lies with the given confidence.

    Source: Wilson (1927), as computed by scipy.

    Raises:
        ValueError: there are not from 0 to ``trials`` successes, no trial, or ``confidence`` is not between 0 and 1.
    """
    need_number("confidence", confidence, lambda value: 0 < value < 1, "a number between 0 and 1")
    check_counts(trials=trials)
    need(
        is_whole(successes) and 0 <= successes <= trials,
        f"successes is {successes!r}, expected a whole number from 0 to the {trials} trials.",
    )
    from scipy.stats import binomtest  # here, because it takes half a second to import

    interval = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def check_kinds(learner: object, exploration: object, rng: object) -> None:
    """Raise ValueError where one of them is something else."""
    need(isinstance(learner, Learner), f"learner is {learner!r}, expected a Learner, as in IndependentQ().")
    need(
        isinstance(exploration, Exploration),
        f"exploration is {exploration!r}, expected an Exploration, as in EpsilonGreedy().",
    )
    need(
        isinstance(rng, np.random.Generator),
        f"rng is {rng!r}, expected a numpy Generator, as in np.random.default_rng(7).",
    )


def check_size(name: str, rewards: Array) -> None:
    """Raise ValueError where a reward is so large that learning from it could overflow."""
    largest = float(np.abs(rewards).max())
    need(
        largest <= LARGEST,
        f"{name} can pay {largest:g} in size, expected at most {LARGEST:g}: count rewards in larger units.",
    )


def outcomes_of(game: MatrixGame) -> Array:
    """Possible rewards ``[k, m_1, ..., m_n]``; one outcome, the payoff, in a deterministic game."""
    return game.payoff[None] if game.outcomes is None else game.outcomes


def snapshot_times(plays: int, snapshots: int) -> NDArray[np.int64]:
    """The numbers of plays after which to look, evenly spread; the last is the end."""
    return np.linspace(0, plays, snapshots + 1).round().astype(np.int64)[1:]


def random_labels(q: Array, rng: np.random.Generator) -> Actions:
    """Random names of the actions of each head: label ``b`` stands for action ``labels[..., b]``."""
    return np.argsort(np.where(np.isfinite(q), rng.random(q.shape), np.inf), axis=-1)


def unlabelled(table: Array, labels: Actions) -> Array:
    """The table in the order of the game's own actions."""
    named = np.empty_like(table)
    np.put_along_axis(named, labels, table, axis=-1)
    return named


class JointActions:
    """The joint actions that labelled actions of heads, ``labels [..., heads, actions]``, stand for."""

    def __init__(self, labels: Actions, n_actions: tuple[int, ...]) -> None:
        sizes = n_actions if labels.shape[-2] == len(n_actions) else (prod(n_actions),)
        strides = np.cumprod((1, *sizes[:0:-1]))[::-1]  # of each head in the flattened payoff
        self._steps = (labels * strides[:, None]).astype(np.intp)
        self._n_actions = n_actions

    def flat(self, actions: Actions) -> Actions:
        """Index in the flattened payoff, ``[...]``, of the actions ``[..., heads]``."""
        return self._steps.take(places(self._steps, actions)).sum(axis=-1)

    def flat_in(self, states: Actions, actions: Actions) -> Actions:
        """The same where labels are ``[runs, states, heads, actions]`` and each run is in one state, ``[runs]``."""
        here = self._steps[np.arange(len(states)), states]
        return here.take(places(here, actions)).sum(axis=-1)

    def of_agents(self, actions: Actions) -> Actions:
        """The agents' actions as the game names them, ``[..., agents]``."""
        return np.stack(np.unravel_index(self.flat(actions), self._n_actions), axis=-1)


class Rewards:
    """Draws rewards; ``outcomes [k, ...]`` come with ``probabilities [k]``."""

    def __init__(self, outcomes: Array, probabilities: Array | None) -> None:
        self._flat = outcomes.reshape(-1)
        self._size = outcomes[0].size
        self._up_to = (np.ones(1) if probabilities is None else probabilities).cumsum()[:-1]

    def draw(self, where: Actions, rng: np.random.Generator) -> Array:
        """A reward for each place of the flattened payoff."""
        if len(self._up_to):
            where = where + self._size * np.searchsorted(self._up_to, rng.random(len(where)), side="right")
        return self._flat.take(where)

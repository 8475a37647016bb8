"""Cooperative games of several states, their exact solution, and tabular learners in them.

A state is a matrix game: a joint action pays the team a reward and leads to another state, or ends the episode.
Agents see the state. Every learner of :mod:`matrix_games.learners` keeps its tables for each state,
``[runs, states, heads, actions]``, and its rule is applied to the state each run is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matrix_games.games import (
    Array,
    JointAction,
    MatrixGame,
    as_table,
    catalogue,
    checked_outcomes,
    joint_actions,
    slack,
)
from matrix_games.learners import (
    FALLING_EPSILON,
    Actions,
    Exploration,
    JointActions,
    Learner,
    Rewards,
    check_counts,
    check_kinds,
    check_size,
    is_whole,
    need,
    need_number,
    random_labels,
    snapshot_times,
    unlabelled,
    wilson_interval,
)

_SMALL = 1e-6  # of chances to end an episode and of 1 - gamma: below it solving would lose too many digits


@dataclass(frozen=True, eq=False, init=False)
class StochasticGame:
    """A game of several states in which all agents receive the same reward and see the state.

    Args:
        name: what to call it.
        payoff: mean rewards ``R [S, m_1, ..., m_n]``: one table for each state, all of the same shape.
        transitions: ``P [S, m_1, ..., m_n, S + 1]``: the chance of each following state and, last, that the
            episode ends.
        source: where the game comes from.
        note: what the game shows.
        gamma: discount of the rewards of later steps, from 0 to 1; 1 only if every policy ends the episode.
        initial: the state in which an episode begins.
        outcomes: for random rewards the possible ones ``[k, S, m_1, ..., m_n]``, drawn independently of where
            the step leads; ``payoff`` must be their mean.
        probabilities: ``[k]``, the chance of each outcome; equal by default.

    Raises:
        ValueError: a table is ragged, empty, not numeric or not finite or has another shape; chances are negative
            or do not sum to 1; a state or gamma does not exist; with ``gamma = 1`` some policy never ends.
    """

    name: str
    payoff: Array
    transitions: Array
    source: str
    note: str
    gamma: float
    initial: int
    outcomes: Array | None
    probabilities: Array | None

    def __init__(
        self,
        name: str,
        payoff: Sequence[ArrayLike] | Array,
        transitions: ArrayLike,
        source: str,
        note: str = "",
        gamma: float = 0.99,
        initial: int = 0,
        outcomes: ArrayLike | None = None,
        probabilities: ArrayLike | None = None,
    ) -> None:
        table = _checked_payoff(payoff)
        leads = _checked_transitions(transitions, table)
        need_number("gamma", gamma, lambda value: 0 <= value <= 1, "a discount from 0 to 1")
        inside = is_whole(initial) and 0 <= initial < len(table)
        need(inside, f"initial is {initial!r}, expected one of the states 0 to {len(table) - 1}.")
        endless = _endless(leads)
        need(
            gamma <= 1 - _SMALL or not endless.any(),
            f"some policy never ends an episode that reaches state {endless.argmax()}, so returns with gamma = {gamma} "
            f"can grow without bound: give gamma of at most 1 - {_SMALL:g}, or chances to end.",
        )
        drawn, chances = checked_outcomes(table, outcomes, probabilities)
        check_size(name, table if drawn is None else drawn)
        fields = {"name": name, "payoff": table, "transitions": leads, "source": source, "note": note}
        fields |= {"gamma": float(gamma), "initial": int(initial), "outcomes": drawn, "probabilities": chances}
        for field, value in fields.items():
            object.__setattr__(self, field, value)

    @property
    def n_states(self) -> int:
        """Number of states; the end is not counted."""
        return len(self.payoff)

    @property
    def n_agents(self) -> int:
        """Number of agents."""
        return self.payoff.ndim - 1

    @property
    def n_actions(self) -> tuple[int, ...]:
        """Number of actions of each agent, the same in every state."""
        return self.payoff.shape[1:]

    @cached_property
    def optimal_q(self) -> Array:
        """The values of joint actions under optimal play, exactly, ``Q* [S, m_1, ..., m_n]``.

        ``Q*(s, a) = R(s, a) + gamma sum_s' P(s' | s, a) max_a' Q*(s', a')``, by policy iteration with a linear
        solve for each policy, so up to rounding.

        Source: Howard, Dynamic programming and Markov processes, 1960.
        """
        q = _optimal_q(self.payoff, self.transitions, self.gamma)
        q.setflags(write=False)
        return q

    @property
    def optimal_return(self) -> float:
        """The highest mean discounted return of an episode."""
        return float(self.optimal_q[self.initial].max())

    @property
    def optimum(self) -> list[list[JointAction]]:
        """For each state every optimal joint action (ties up to 1e-9 of the range of values there)."""
        return [joint_actions(best) for best in _optimal(self)]

    def policy_values(self, policies: ArrayLike) -> Array:
        """The mean discounted return from each state under joint policies.

        Args:
            policies: integers ``[k, S, n]``, the action of each agent in each state.

        Returns:
            Values ``[k, S]``.

        Raises:
            ValueError: the policies have another shape, or an action does not exist.
        """
        chosen = np.asarray(policies)
        shape = (self.n_states, self.n_agents)
        need(
            chosen.ndim == 3 and chosen.shape[1:] == shape and chosen.dtype.kind in "iu",
            f"policies have shape {chosen.shape} and type {chosen.dtype}, expected integers of shape (k, {shape[0]}, "
            f"{shape[1]}), one action for each state and agent.",
        )
        inside = bool(((chosen >= 0) & (chosen < np.array(self.n_actions))).all())
        need(inside, f"policies hold an action that does not exist: agents have {self.n_actions} actions, from 0.")
        flat = np.asarray(np.ravel_multi_index(tuple(np.moveaxis(chosen, -1, 0)), self.n_actions))
        return _policy_values(self.payoff, self.transitions, self.gamma, flat)


def _checked_payoff(payoff: object) -> Array:
    """Stack the tables of the states."""
    several = isinstance(payoff, list | tuple) or (isinstance(payoff, np.ndarray) and payoff.ndim > 0)
    states = cast(Sequence[object], payoff) if several else ()
    need(len(states) > 0, f"payoff is {payoff!r}, expected a list of tables, one for each state.")
    tables = [as_table(table, f"payoff of state {state}") for state, table in enumerate(states)]
    for state, table in enumerate(tables):
        need(
            table.shape == tables[0].shape,
            f"payoff of state {state} has shape {table.shape}, expected {tables[0].shape} as in state 0.",
        )
    stacked = np.stack(tables)
    stacked.setflags(write=False)
    return stacked


def _checked_transitions(transitions: object, payoff: Array) -> Array:
    leads = as_table(transitions, "transitions")
    expected = (*payoff.shape, len(payoff) + 1)
    need(
        leads.shape == expected,
        f"transitions have shape {leads.shape}, expected {expected}: for each state and joint action the chances of "
        f"the {len(payoff)} states and, last, of the end.",
    )
    wrong = (leads < 0).any(axis=-1) | ~np.isclose(leads.sum(axis=-1), 1, rtol=0, atol=1e-9)
    if wrong.any():
        state, *joint = (int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"transitions of state {state} at joint action {tuple(joint)} are {leads[state, *joint]}, expected "
            "chances >= 0 that sum to 1."
        )
    return leads


def _endless(transitions: Array) -> NDArray[np.bool_]:
    """States from which some policy never ends the episode; smaller chances than ``_SMALL`` count as none."""
    states = len(transitions)
    leads = transitions.reshape(states, -1, states + 1) > _SMALL
    inside = np.ones(states, dtype=np.bool_)
    for _ in range(states):  # keep the states that have a joint action which surely stays among those kept
        leaves = leads[..., np.append(~inside, True)].any(axis=-1)  # [states, joint actions]
        inside = ~leaves.all(axis=-1)
    return np.asarray(inside)


def _policy_values(payoff: Array, transitions: Array, gamma: float, policies: Actions) -> Array:
    """Solve ``V = R_pi + gamma P_pi V`` for flat joint policies ``[k, S]``."""
    states = np.arange(len(payoff))
    rewards = payoff.reshape(len(states), -1)[states, policies]  # [k, S]
    leads = transitions.reshape(len(states), -1, len(states) + 1)[states, policies, :-1]  # [k, S, S]
    values = np.linalg.solve(np.eye(len(states)) - gamma * leads, rewards[..., None])[..., 0]
    return np.asarray(values, dtype=np.float64)


def _optimal_q(payoff: Array, transitions: Array, gamma: float) -> Array:
    """Policy iteration; it ends when no state can do better, or does in rounding only."""
    states, before = np.arange(len(payoff)), -np.inf
    policy = payoff.reshape(len(states), -1).argmax(axis=-1)
    while True:
        values = _policy_values(payoff, transitions, gamma, policy[None])[0]
        q = payoff + gamma * (transitions[..., :-1] @ values)
        flat = q.reshape(len(states), -1)
        better = flat.max(axis=-1) > flat[states, policy] + 1e-12 * np.abs(flat).max(axis=-1)
        if not better.any() or values.sum() <= before:
            return q
        before = values.sum()
        policy = np.where(better, flat.argmax(axis=-1), policy)


def _optimal(game: StochasticGame) -> NDArray[np.bool_]:
    """Which joint actions are optimal, ``[S, m_1, ..., m_n]``."""
    return np.stack([q >= q.max() - slack(q, 1e-9) for q in game.optimal_q])


# --- games ----------------------------------------------------------------------------------------


def two_step_game(gamma: float = 0.99) -> StochasticGame:
    """The two-step game: agent 1's first action chooses the payoff table of the second step.

    State 0 pays nothing; A leads to state 1, where every joint action pays 7, and B to state 2, which pays
    ``[[0, 1], [1, 8]]``. The best is B, then B and B: 8 after one step, worth ``8 gamma`` at the start.

    Source: Rashid et al., QMIX, ICML 2018, section 5 and table 1.
    """
    tables = [np.zeros((2, 2)), catalogue["two-step-2a"].payoff, catalogue["two-step-2b"].payoff]
    transitions = np.zeros((3, 2, 2, 4))
    transitions[0, 0, :, 1] = transitions[0, 1, :, 2] = 1
    transitions[1:, :, :, 3] = 1
    note = "The way to 8 leads through a state in which careless partners earn 2.5 on average, not 7."
    source = "Rashid et al., QMIX, ICML 2018, section 5"
    return StochasticGame("two-step", tables, transitions, source, note, gamma)


def ro3_like() -> StochasticGame:
    """Relative overgeneralisation in the transitions: a good chance, if the partner plays along.

    State 0 pays nothing and leads to state 1 with the chances ``[[.5, 0, 0], [0, .3, .3], [0, .3, .4]]``, otherwise to
    state 2. State 1 pays 10 if the actions are equal, else 0; state 2 pays 0. Both end the episode; ``gamma`` is 1.
    Joint action (0, 0) is best, worth 5, but action 2 is better on average over the partner's.

    Source: after the game RO 3 of Wei and Luke, JMLR 17(84), 2016, as others have programmed it.
    Differs from it: not compared with the article; agents have three actions in every state.
    """
    chance = np.array([[0.5, 0, 0], [0, 0.3, 0.3], [0, 0.3, 0.4]])
    tables = [np.zeros((3, 3)), 10 * np.eye(3), np.zeros((3, 3))]
    transitions = np.zeros((3, 3, 3, 4))
    transitions[0, ..., 1], transitions[0, ..., 2] = chance, 1 - chance
    transitions[1:, ..., 3] = 1
    note = "The best chance of the good state needs both agents; rewards come a step later and seem random."
    source = "After RO 3 of Wei and Luke, JMLR 17(84), 2016; details of this package"
    return StochasticGame("ro3-like", tables, transitions, source, note, gamma=1.0)


# --- a study --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class EpisodeStudy:
    """Where many runs of one learner end in a game of several states, and how they got there.

    Args:
        game: the game that was played.
        runs: number of independent runs.
        greedy: the joint action in each state at the end of each run, ``[runs, states, agents]``.
        tied: for each state the number of runs in which some head ends with more than one greedy action there,
            ``[states]``; ``greedy`` holds one of them, at random.
        snapshots: the numbers of steps after which the history was kept, ``[k]``; the last is the end.
        history: values at the snapshots, ``[k, runs, states, heads, actions]``.
        greedy_history: greedy joint actions at the snapshots, ``[k, runs, states, agents]``.
    """

    game: StochasticGame
    runs: int
    greedy: Actions
    tied: NDArray[np.int64]
    snapshots: NDArray[np.int64]
    history: Array
    greedy_history: Actions

    @property
    def values(self) -> Array:
        """Values at the end, ``[runs, states, heads, actions]``."""
        return self.history[-1]

    @property
    def returns(self) -> Array:
        """The mean discounted return of each run's greedy policy, computed exactly, ``[runs]``."""
        policies, which = np.unique(self.greedy, axis=0, return_inverse=True)
        return self.game.policy_values(policies)[which.reshape(-1), self.game.initial]

    @property
    def correct(self) -> int:
        """The number of runs whose greedy policy is optimal in every state that it visits: its return is the best."""
        return int((self.returns >= self.game.optimal_return - slack(self.game.optimal_q, 1e-9)).sum())

    @property
    def complete(self) -> int:
        """The number of runs whose greedy policy is optimal in every state, visited or not."""
        best = _optimal(self.game)
        each = best[(np.arange(self.game.n_states), *np.moveaxis(self.greedy, -1, 0))]  # [runs, states]
        return int(each.all(axis=-1).sum())

    @property
    def share(self) -> float:
        """The share of runs whose greedy policy is :attr:`correct`."""
        return self.correct / self.runs

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of :attr:`share`."""
        return wilson_interval(self.correct, self.runs)


def play_episodes(
    game: StochasticGame,
    learner: Learner,
    *,
    rng: np.random.Generator,
    runs: int = 1000,
    steps: int = 10_000,
    exploration: Exploration = FALLING_EPSILON,
    snapshots: int = 1,
) -> EpisodeStudy:
    """Let a learner take many steps in a game of several states, in many independent runs at once.

    Each step moves the values of the state ``s`` that a run is in towards

        r + gamma max_a' Q_i(s', a')        or r, where the episode ends.

    When an episode ends, the next one begins with the next step. In a game of one state that ends at once this is
    :func:`play`, number for number.

    Args:
        game: any number of agents and states.
        learner: as for :func:`play`.
        rng: the same seed gives the same study.
        runs: independent runs.
        steps: joint actions in each run, over all its episodes.
        exploration: as for :func:`play`; a share of the steps is over.
        snapshots: how often values are kept, spread evenly over the steps; 1 keeps the end only.

    Raises:
        ValueError: as for :func:`play`.
    """
    right = isinstance(cast(object, game), StochasticGame)
    need(right, f"game is a {type(game).__name__}, expected a StochasticGame, as in two_step_game().")
    check_kinds(learner, exploration, rng)
    check_counts(runs=runs, steps=steps, snapshots=snapshots)
    need(snapshots <= steps, f"snapshots is {snapshots}, expected at most one for each of the {steps} steps.")
    tables = [np.repeat(table[:, None], game.n_states, axis=1) for table in learner.start(_stage(game), runs)]
    labels = random_labels(tables[0], rng)
    joint = JointActions(labels, game.n_actions)
    world = _World(game, joint)
    everyone, state = np.arange(runs), np.full(runs, game.initial)
    kept = snapshot_times(steps, snapshots)
    due, history, greedy = set(kept.tolist()), list[Array](), list[Actions]()
    for k in range(steps):
        here = tuple(table[everyone, state] for table in tables)
        actions = exploration.choose(learner, here, k / steps, rng)
        reward, following, ended = world.step(state, actions, rng)
        there = tuple(table[everyone, following] for table in tables)
        target = reward[:, None] + game.gamma * np.where(ended[:, None], 0.0, there[0].max(axis=-1))
        new = learner.diffuse(learner.update(here, actions, target, rng), actions, there, ended)
        for table, rows in zip(tables, new, strict=True):
            table[everyone, state] = rows
        state = following
        if k + 1 in due:
            history.append(unlabelled(tables[0], labels))
            greedy.append(joint.of_agents(learner.greedy(tuple(tables))))
    tied = (learner.best(tuple(tables)).sum(axis=-1) > 1).any(axis=-1).sum(axis=0)
    return EpisodeStudy(game, runs, greedy[-1], tied, kept, np.stack(history), np.stack(greedy))


def _stage(game: StochasticGame) -> MatrixGame:
    """A matrix game that pays the least that a joint action can bring in return, in any state."""
    lowest = game.payoff if game.outcomes is None else game.outcomes.min(axis=0)
    returns = 0.0 - _optimal_q(-lowest, game.transitions, game.gamma)
    return MatrixGame(game.name, returns.min(axis=0), game.source)


class _World:
    """Rewards and following states of labelled actions."""

    def __init__(self, game: StochasticGame, joint: JointActions) -> None:
        self._joint, self._size, self._initial, self._end = joint, game.payoff[0].size, game.initial, game.n_states
        outcomes = game.payoff[None] if game.outcomes is None else game.outcomes
        self._rewards = Rewards(outcomes, game.probabilities)
        leads = game.transitions.reshape(-1, game.n_states + 1)
        self._next = leads.argmax(axis=-1)
        up_to = leads.cumsum(axis=-1)
        self._up_to = (up_to / up_to[:, -1:])[:, :-1]
        self._random = bool((leads.max(axis=-1) < leads.sum(axis=-1)).any())

    def step(
        self, state: Actions, actions: Actions, rng: np.random.Generator
    ) -> tuple[Array, Actions, NDArray[np.bool_]]:
        """Reward, following state and whether the episode ended, ``[runs]`` each; after an end comes the start."""
        where = state * self._size + self._joint.flat_in(state, actions)
        reward = self._rewards.draw(where, rng)
        reached = self._next[where]
        if self._random:
            reached = (rng.random((len(where), 1)) >= self._up_to[where]).sum(axis=-1)
        ended = reached == self._end
        return reward, np.where(ended, self._initial, reached), ended

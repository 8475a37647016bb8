"""The payoff table inside a battle: what every joint action of two units is worth at one moment, by playing it out.

A moment of SMAX is cloned, two agents try every pair of available actions while the others act greedily, and from
the next step on everybody does. The mean discounted return of each pair is a matrix game ``[m1, m2]``; on which rung of
the ladder of value classes it stands is decided against the noise of the simulator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from matrix_games import additive_fit, monotone_fit, supermodular_fit
from matrix_games.cones import isotonic, supermodular
from matrix_games.deciding import mean_utilities, means, sum_of
from qmix_edu.envs.smax import SmaxEnv
from qmix_edu.learner import Learner
from qmix_edu.rollout import refuse_not_finite
from qmix_edu.types import Environment, Observation

RUNGS = ("additive", "supermodular", "monotone")
_FITS = (additive_fit, supermodular_fit, monotone_fit)
_CONFIDENCE = 95.0  # percent
_RESAMPLES = 200


@dataclass(frozen=True)
class BattleTable:
    """Discounted returns ``[k, m1, m2]`` of k games for each joint action of two agents at one moment of a battle.

    ``actions`` are the environment's numbers of the m1 and m2 available actions, ``greedy`` the places in the table of
    what the two agents would do, and ``q_tot`` [m1, m2] the learner's own value of each pair, None for IQL.
    """

    step: int
    agents: tuple[int, int]
    actions: tuple[list[int], list[int]]
    greedy: tuple[int, int]
    returns: Float[np.ndarray, "k m1 m2"]
    q_tot: Float[np.ndarray, "m1 m2"] | None

    @property
    def mean(self) -> Float[np.ndarray, "m1 m2"]:
        """The payoff table: the mean over the k games."""
        return self.returns.mean(axis=0)

    @property
    def standard_error(self) -> Float[np.ndarray, "m1 m2"]:
        """The standard error of each mean."""
        return self.returns.std(axis=0, ddof=1) / np.sqrt(len(self.returns))

    @property
    def regret(self) -> float:
        """What the best pair pays more than the greedy pair, in the table of means (so noise makes it too large)."""
        return float(self.mean.max() - self.mean[self.greedy])


@dataclass(frozen=True)
class Rung:
    """How well the best table of a class fits: ``loss`` and ``noise`` are shares of the table's variance.

    ``noise`` is what the loss of a table *in* the class stays below with 95 % confidence. ``holds`` says that the loss
    does not exceed it. Where ``exact`` is False not every order of actions was tried, and the loss may be too large.
    """

    name: str
    loss: float
    noise: float
    holds: bool
    exact: bool


@dataclass(frozen=True)
class _Moment:
    """A battle just before a step, and what the agents know."""

    env: SmaxEnv
    seen: Observation
    step: int
    agents: tuple[int, int]
    last_actions: Int[Tensor, " n"]
    hidden: Float[Tensor, "n h"] | None


def battle_tables(
    env: Environment, learner: Learner, battles: int, *, copies: int = 4096, epsilon: float = 0.1, seed: int = 0
) -> list[BattleTable]:
    """Play battles and tabulate one random moment of each, at which two random agents have a choice of actions.

    The ``copies`` clones of a moment are stepped by one compiled call; they are shared out evenly among the joint
    actions. Returns are discounted by the learner's gamma, as Q_tot is.

    Raises:
        ValueError: ``env`` is not SMAX, it has fewer battles than asked for, or ``copies`` is too small for two games
            of each joint action.
        EnvironmentFailedError: a battle showed or paid a number that is not finite.

    """
    if not isinstance(env, SmaxEnv):
        raise ValueError(f"Battles can be cloned on smax/<map> only, and this is {env.spec.name}; inspect a run on it.")
    if not 1 <= battles <= env.spec.n_envs:
        raise ValueError(f"Asked for {battles} battles; the run plays 1 to {env.spec.n_envs} side by side.")
    if copies < 2 * env.spec.n_actions**2:
        raise ValueError(f"copies is {copies}; two games of each joint action take {2 * env.spec.n_actions**2}.")
    moments = _moments(env, learner, battles, copies, epsilon, seed)
    return [_tabulate(moment, learner) for moment in moments]


def _moments(env: SmaxEnv, learner: Learner, battles: int, copies: int, epsilon: float, seed: int) -> list[_Moment]:
    """Keep one moment of each battle, every one with equal chance, though their number is not known in advance."""
    dice, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    seen, hidden = env.reset(), None
    last_actions = torch.full((env.spec.n_envs, env.spec.n_agents), env.spec.n_actions)
    ended = torch.zeros(env.spec.n_envs, 1, dtype=torch.bool)
    refuse_not_finite(env.spec.name, 0, seen, torch.zeros(env.spec.n_envs, 1), ended)
    kept: dict[int, _Moment] = {}
    possible = np.zeros(battles, dtype=int)
    step = 0
    while not ended.all():
        for e in range(battles):
            able = (seen.avail_actions[e].sum(-1) > 1).nonzero().squeeze(-1).numpy()
            if ended[e] or len(able) < 2:
                continue
            possible[e] += 1
            if dice.random() < 1 / possible[e]:
                first, second = (int(agent) for agent in sorted(dice.choice(able, 2, replace=False)))
                clones, clones_see = env.clone(e, copies, int(dice.integers(2**31)))
                agent_hidden = None if hidden is None else hidden[e]
                kept[e] = _Moment(clones, clones_see, step, (first, second), last_actions[e], agent_hidden)
        utilities, hidden = learner.utilities(seen.obs, last_actions, hidden)
        last_actions = learner.choose(utilities, seen.avail_actions, epsilon, generator)
        transition = env.step(last_actions)
        step += 1
        seen, ended = transition.observation, ended | transition.terminated | transition.truncated
        refuse_not_finite(env.spec.name, step, seen, transition.reward, transition.aborted)
    return [kept[e] for e in sorted(kept)]


def _tabulate(moment: _Moment, learner: Learner) -> BattleTable:
    copies = moment.env.spec.n_envs
    last_actions = moment.last_actions.expand(copies, -1)
    hidden = None if moment.hidden is None else moment.hidden.expand(copies, *moment.hidden.shape)
    utilities, hidden = learner.utilities(moment.seen.obs, last_actions, hidden)
    avail = moment.seen.avail_actions[0]
    greedy = learner.greedy(utilities, moment.seen.avail_actions)
    one, two = (avail[agent].nonzero().squeeze(-1) for agent in moment.agents)
    pairs = torch.cartesian_prod(one, two)  # [j, 2], the second agent's action running fastest
    k = copies // len(pairs)
    joint = greedy.clone()  # the copies that are left over act greedily and are not looked at
    joint[: k * len(pairs), moment.agents] = pairs.repeat(k, 1)
    returns = _play_out(moment, learner, joint, hidden)[: k * len(pairs)]
    j = len(pairs)
    values = learner.value(utilities[:j], joint[:j], moment.seen.avail_actions[:j], moment.seen.state[:j])
    return BattleTable(
        step=moment.step,
        agents=moment.agents,
        actions=(one.tolist(), two.tolist()),
        greedy=tuple(  # pyright: ignore[reportArgumentType]
            rows.tolist().index(int(greedy[0, agent])) for agent, rows in zip(moment.agents, (one, two), strict=True)
        ),
        returns=returns.reshape(k, len(one), len(two)).double().numpy(),
        q_tot=values.reshape(len(one), len(two)).double().numpy() if values.shape[-1] == 1 else None,
    )


def _play_out(
    moment: _Moment, learner: Learner, actions: Int[Tensor, "e n"], hidden: Float[Tensor, "e n h"] | None
) -> Float[Tensor, " e"]:
    """Take these actions, then play greedily to the end; return ``sum_t gamma^t r_t`` of every copy."""
    env, step = moment.env, moment.step
    returns = torch.zeros(env.spec.n_envs)
    playing: Bool[Tensor, "e 1"] = torch.ones(env.spec.n_envs, 1, dtype=torch.bool)
    discount = 1.0
    while playing.any():
        transition = env.step(actions)
        step += 1
        seen = transition.observation
        refuse_not_finite(env.spec.name, step, seen, transition.reward, transition.aborted)
        returns += discount * transition.reward.squeeze(1)
        discount *= learner.settings.gamma
        playing = playing & ~(transition.terminated | transition.truncated)
        utilities, hidden = learner.utilities(seen.obs, actions, hidden)
        actions = learner.greedy(utilities, seen.avail_actions)
    return returns


def rungs(returns: Float[np.ndarray, "k m1 m2"], seed: int = 0) -> list[Rung]:
    """Decide for each value class whether a table that is known only through k noisy games can belong to it.

    The statistic is the exact fit's loss ``min_F |T - F|^2`` of the mean table T. If the true table is in the class, in
    the cone C of one order of actions, then ``min_F |T - F|^2 <= |e - C|^2`` for the noise e of the means, whatever
    the true table is: adding it to the point of C nearest to e gives another point of C. How ``|e - C|^2`` is
    distributed is estimated by resampling the k games, for the order of T's means. So a class is refused wrongly in at
    most 5 % of the cases, as far as the resampled noise and this order are the true ones.

    Raises ValueError for fewer than two games.
    """
    if len(returns) < 2:
        raise ValueError(f"Got {len(returns)} games of each joint action; the noise can be seen from 2 on.")
    table = returns.mean(axis=0)
    variance = float(table.var())
    if variance == 0.0:
        return [Rung(name, 0.0, 0.0, True, True) for name in RUNGS]
    noise = _noise(returns, seed)
    verdicts: list[Rung] = []
    for name, fit, projections in zip(RUNGS, _FITS, _projections(noise), strict=True):
        best = fit(table)
        allowed = float(np.percentile(((noise - projections) ** 2).mean(axis=(1, 2)), _CONFIDENCE))
        holds = best.mse <= allowed + 1e-12 * variance
        verdicts.append(Rung(name, best.mse / variance, allowed / variance, holds, best.exact))
    return verdicts


def _noise(returns: Float[np.ndarray, "k m1 m2"], seed: int) -> Float[np.ndarray, "r m1 m2"]:
    """Draw errors of the mean table by resampling its games, with the actions in the order of their means."""
    k, table = len(returns), returns.mean(axis=0)
    ordered = returns[np.ix_(np.arange(k), *(np.argsort(mean, kind="stable") for mean in means(table)))]
    weights = np.random.default_rng(seed).multinomial(k, np.full(k, 1 / k), size=_RESAMPLES) / k  # [r, k]
    return np.tensordot(weights, ordered, axes=1) - ordered.mean(axis=0)


def _projections(noise: Float[np.ndarray, "r m1 m2"]) -> list[Float[np.ndarray, "r m1 m2"]]:
    """Project every table on the additive ones, and on the two cones with the actions in the order they are in."""
    shape = noise.shape[1:]
    flat = noise.reshape(len(noise), -1)
    equal = np.ones_like(flat)
    additive = np.stack([sum_of(mean_utilities(table)) for table in noise])
    return [additive, *(cone(flat, equal, shape).reshape(noise.shape) for cone in (supermodular, isotonic))]

"""Checks whether an environment keeps the contract of :class:`qmix_edu.types.Environment`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields

import torch
from torch import Tensor

from qmix_edu.types import Environment, Observation, Transition

_FLAGS = ("terminated", "truncated", "won", "aborted")


def check_conformance(env: Environment, episodes: int = 3, seed: int = 0) -> list[str]:
    """Play random episodes, close ``env``, and return every breach of the contract; an empty list means none.

    Checked are sizes, types and finite values, the masks of available actions and the refusal of others, the
    flags and when they may be raised, that an ended episode stands still, that observations already handed out
    do not change, that ``reset`` begins afresh also midway, that ``set_rng_state`` repeats an episode, and that
    closing twice is fine.
    """
    found = _Findings()
    with suppress(_Unusable):
        _check_all(env, episodes, seed, found)
    _check_close(env, found)
    return found.lines


def _check_all(env: Environment, episodes: int, seed: int, found: _Findings) -> None:
    try:
        for episode in range(episodes):
            _play(env, torch.Generator().manual_seed(seed + episode), found)
        _check_reset_midway(env, seed, found)
        _check_rng_state(env, seed, found)
    except _Unusable:
        raise
    except Exception as error:  # a breach as well, and often the most telling one
        found.add(f"a legal call raised {type(error).__name__}: {error}")


class _Unusable(Exception):
    """What came back has a wrong shape or type, so that nothing more can be checked."""


class _Findings:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, line: str) -> None:
        if line not in self.lines:
            self.lines.append(line)

    def require_tensor(self, name: str, value: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.require(value.shape == shape, f"{name} has shape {tuple(value.shape)}, not {shape}")
        self.require(value.dtype == dtype, f"{name} is {value.dtype}, not {dtype}")
        if value.shape != shape or value.dtype != dtype:
            raise _Unusable
        self.require(bool(value.isfinite().all()), f"{name} is not finite")

    def require(self, holds: bool, line: str) -> None:
        if not holds:
            self.add(line)


def _play(env: Environment, random: torch.Generator, found: _Findings) -> list[Transition]:
    """Play one random episode in every copy, checking every step; return its transitions."""
    observation = env.reset()
    _check_observation(env, observation, "reset", found)
    ended = torch.zeros(env.spec.n_envs, 1, dtype=torch.bool)
    transitions: list[Transition] = []
    for _ in range(env.spec.episode_limit):
        _check_refusal(env, observation, ended, found)
        before, kept = observation, _copy(observation)
        transition = env.step(_random_actions(observation, random))
        _check_transition(env, transition, ended, before, found)
        found.require(_equal(before, kept), "a step changes an observation that was handed out before")
        transitions.append(transition)
        observation = transition.observation
        ended = ended | transition.terminated | transition.truncated | transition.aborted
        if ended.all():
            break
    found.require(bool(ended.all()), f"an episode has not ended after episode_limit = {env.spec.episode_limit} steps")
    _check_ended(env, observation, found)
    return transitions


def _random_actions(observation: Observation, random: torch.Generator) -> Tensor:
    available = observation.avail_actions.float()
    flat = torch.multinomial(available.flatten(0, 1), 1, generator=random)
    return flat.view(available.shape[:2])


def _check_observation(env: Environment, observation: Observation, where: str, found: _Findings) -> None:
    spec = env.spec
    wanted = {
        "obs": ((spec.n_envs, spec.n_agents, spec.obs_size), torch.float32),
        "state": ((spec.n_envs, spec.state_size), torch.float32),
        "avail_actions": ((spec.n_envs, spec.n_agents, spec.n_actions), torch.bool),
    }
    for name, (shape, dtype) in wanted.items():
        found.require_tensor(f"{where}: {name}", getattr(observation, name), shape, dtype)
    found.require(bool(observation.avail_actions.any(-1).all()), f"{where}: an agent has no available action")


def _check_transition(
    env: Environment, transition: Transition, ended: Tensor, before: Observation, found: _Findings
) -> None:
    _check_observation(env, transition.observation, "step", found)
    shape = (env.spec.n_envs, 1)
    for name in ("reward", *_FLAGS):
        value: Tensor = getattr(transition, name)
        dtype = torch.float32 if name == "reward" else torch.bool
        found.require_tensor(name, value, shape, dtype)
        found.require(not value[ended].any(), f"{name} is not 0 after the end of an episode")
    one, two, won, aborted = (getattr(transition, flag) for flag in _FLAGS)
    found.require(not (one & two).any(), "terminated and truncated are raised together")
    found.require(not (aborted & (one | two | won)).any(), "aborted is raised together with another flag")
    found.require(not (won & ~(one | two)).any(), "won is raised before the end of an episode")
    found.require(env.spec.has_wins or not won.any(), "won is raised although spec.has_wins is False")
    found.require(not transition.reward[aborted].any(), "an aborted step has a reward")
    stands = ended.squeeze(1)
    found.require(_equal(before, transition.observation, stands), "the observation changes after the end of an episode")


def _check_refusal(env: Environment, observation: Observation, ended: Tensor, found: _Findings) -> None:
    """Offer an unavailable action to the first agent that has one."""
    for e, n in torch.nonzero(~observation.avail_actions.all(-1) & ~ended).tolist()[:1]:
        actions = observation.avail_actions.int().argmax(-1)
        actions[e, n] = observation.avail_actions[e, n].int().argmin()
        try:
            env.step(actions)
        except ValueError:
            continue
        found.add("an unavailable action does not raise ValueError")


def _check_ended(env: Environment, observation: Observation, found: _Findings) -> None:
    """Step on after the end, with actions that would be refused before it."""
    over = torch.ones(env.spec.n_envs, 1, dtype=torch.bool)
    for actions in (observation.avail_actions.int().argmax(-1), observation.avail_actions.int().argmin(-1)):
        _check_transition(env, env.step(actions), over, observation, found)


def _check_reset_midway(env: Environment, seed: int, found: _Findings) -> None:
    """Leave an episode after a step; the next one must again be playable to its own end."""
    random = torch.Generator().manual_seed(seed)
    env.step(_random_actions(env.reset(), random))
    steps = len(_play(env, random, found))
    found.require(steps > 0, "reset midway leaves an episode without a step")


def _check_rng_state(env: Environment, seed: int, found: _Findings) -> None:
    state = env.rng_state()
    kept = {name: value.clone() for name, value in state.items()}
    first = _play(env, torch.Generator().manual_seed(seed), found)
    env.set_rng_state(kept)
    if not kept:
        return  # an environment whose randomness cannot be known
    again = _play(env, torch.Generator().manual_seed(seed), found)
    same = len(first) == len(again) and all(
        torch.equal(a.reward, b.reward) and _equal(a.observation, b.observation)
        for a, b in zip(first, again, strict=False)
    )
    found.require(same, "an episode is not repeated after set_rng_state")


def _check_close(env: Environment, found: _Findings) -> None:
    try:
        env.close()
        env.close()
    except Exception as error:
        found.add(f"closing twice raised {type(error).__name__}: {error}")


def _copy(observation: Observation) -> Observation:
    return Observation(*(getattr(observation, field.name).clone() for field in fields(observation)))


def _equal(one: Observation, other: Observation, rows: Tensor | None = None) -> bool:
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(one)]
    if rows is not None:
        pairs = [(a[rows], b[rows]) for a, b in pairs]
    return all(torch.equal(a, b) for a, b in pairs)

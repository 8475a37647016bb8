"""The conformance check finds every breach that it claims to look for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from matrix_games import catalogue
from qmix_edu.envs.conformance import check_conformance
from qmix_edu.envs.small import MatrixGameEnv, TwoStepGame
from qmix_edu.types import EnvSpec, Observation, Transition


class Walk:
    """Two agents walk right along a line, by 1 or 2 cells; 1 is not available on odd steps. It ends at cell 4."""

    def __init__(self):
        self.spec = EnvSpec("walk", 2, 2, 3, obs_size=1, state_size=1, episode_limit=6)
        self.generator = torch.Generator().manual_seed(0)
        self.closed = 0

    def reset(self):
        self.time, self.over = 0, torch.zeros(2, 1, dtype=torch.bool)
        self.place = torch.rand(2, 1, generator=self.generator)
        return self.observe()

    def observe(self):
        available = torch.tensor([True, self.time % 2 == 0, True]).expand(2, 2, 3).clone()
        if self.time:
            available = torch.where(self.over[..., None], self.kept, available)
        self.kept = available
        return Observation(self.place[:, None].expand(2, 2, 1).clone(), self.place.clone(), available)

    def step(self, actions):
        legal = self.kept.gather(-1, actions[..., None]).squeeze(-1).all(-1, keepdim=True)
        if not (legal | self.over).all():
            raise ValueError("not available")
        self.time += 1
        moved = actions.float().sum(-1, keepdim=True) + 1
        playing = ~self.over
        self.place = self.place + moved * playing
        one = playing & (self.place >= 4)
        two = playing & ~one & (self.time >= 6)
        none = torch.zeros_like(one)
        self.over = self.over | one | two
        return Transition(self.observe(), moved * playing, one, two, none, none)

    def rng_state(self):
        return {"torch": self.generator.get_state()}

    def set_rng_state(self, state):
        self.generator.set_state(state["torch"])

    def close(self):
        self.closed += 1


def changed(**flags):
    """Return a walk whose transitions are changed after the fact."""

    class Changed(Walk):
        def step(self, actions):
            transition = super().step(actions)
            wrong = object.__new__(Transition)  # the tests' shape checks sit in __init__
            wrong.__dict__.update(vars(transition), **{k: f(transition) for k, f in flags.items()})
            return wrong

    return Changed


class NeverEnds(Walk):
    def step(self, actions):
        self.time, self.place = self.time % 2, self.place * 0 - 9
        return super().step(actions)


class ForgetsToReset(Walk):
    def reset(self):
        if hasattr(self, "place"):
            return self.observe()
        return super().reset()


class AcceptsAll(Walk):
    def step(self, actions):
        self.kept = torch.ones_like(self.kept)
        return super().step(actions)


class Aliases(Walk):
    def observe(self):
        seen = super().observe()
        self.buffer = getattr(self, "buffer", torch.zeros(2, 1))
        self.buffer.copy_(self.place)
        return replace(seen, state=self.buffer)


class MovesAfterTheEnd(Walk):
    def observe(self):
        seen = super().observe()
        return replace(seen, state=seen.state + self.time)


class PaysAfterTheEnd(Walk):
    def step(self, actions):
        return replace(super().step(actions), reward=torch.ones(2, 1))


class RefusesAfterTheEnd(Walk):
    def step(self, actions):
        if not self.kept.gather(-1, actions[..., None]).all():
            raise ValueError("not available")
        return super().step(actions)


class NoActions(Walk):
    def observe(self):
        seen = super().observe()
        seen.avail_actions[0, 1] = False
        return seen


class ForgetsItsGenerator(Walk):
    def set_rng_state(self, state):
        pass


class ClosesOnce(Walk):
    def close(self):
        if self.closed:
            raise OSError("closed")
        self.closed = 1


def wrong_spec(**sizes):
    class WrongSpec(Walk):
        def __init__(self):
            super().__init__()
            self.spec = replace(self.spec, **sizes)

    return WrongSpec


def always(t):
    return torch.ones_like(t.terminated)


BREACHES = [
    (wrong_spec(obs_size=2), "obs has shape"),
    (wrong_spec(state_size=2), "state has shape"),
    (wrong_spec(n_actions=4), "avail_actions has shape"),
    (wrong_spec(episode_limit=1), "has not ended after episode_limit = 1"),
    (changed(observation=lambda t: replace(t.observation, obs=t.observation.obs.double())), "obs is torch.float64"),
    (changed(observation=lambda t: replace(t.observation, state=t.observation.state / 0)), "state is not finite"),
    (changed(reward=lambda t: t.reward.squeeze(1)), "reward has shape"),
    (changed(reward=lambda t: t.reward * torch.nan), "reward is not finite"),
    (changed(terminated=lambda t: t.terminated.float()), "terminated is torch.float32"),
    (changed(truncated=lambda t: t.terminated), "terminated and truncated are raised together"),
    (changed(aborted=lambda t: t.terminated), "aborted is raised together"),
    (changed(won=always), "won is raised before the end"),
    (changed(won=lambda t: t.terminated), "spec.has_wins is False"),
    (changed(aborted=always), "an aborted step has a reward"),
    (changed(terminated=always), "terminated is not 0 after the end"),
    (NeverEnds, "has not ended after episode_limit"),
    (ForgetsToReset, "has not ended after episode_limit"),
    (AcceptsAll, "an unavailable action does not raise ValueError"),
    (Aliases, "a step changes an observation"),
    (MovesAfterTheEnd, "the observation changes after the end"),
    (PaysAfterTheEnd, "reward is not 0 after the end"),
    (RefusesAfterTheEnd, "a legal call raised ValueError: not available"),
    (NoActions, "an agent has no available action"),
    (ForgetsItsGenerator, "not repeated after set_rng_state"),
    (ClosesOnce, "closing twice raised OSError"),
]


def test_a_sound_environment_has_no_findings_and_is_closed():
    walk = Walk()
    assert check_conformance(walk) == []
    assert walk.closed == 2


@pytest.mark.parametrize(("broken", "finding"), BREACHES, ids=[finding for _, finding in BREACHES])
def test_a_breach_is_found(broken, finding):
    findings = check_conformance(broken())
    assert any(finding in line for line in findings), findings


@pytest.mark.parametrize("name", ["qtran", "climbing-fully-stochastic", "platonia-like-3"])
def test_matrix_games_conform(name):
    assert check_conformance(MatrixGameEnv(catalogue[name], n_envs=3)) == []


def test_the_two_step_game_conforms():
    assert check_conformance(TwoStepGame(n_envs=3)) == []

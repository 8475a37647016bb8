"""The PettingZoo adapter, on small environments of our own, and on real ones where their packages are installed."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from qmix_edu import algorithms, make_env, train
from qmix_edu.envs.conformance import check_conformance
from qmix_edu.envs.pettingzoo import PettingZooEnv, TupleEnv, make_pettingzoo, mean_reward, shared_reward
from qmix_edu.learner import LearnerSettings
from qmix_edu.settings import TrainSettings
from qmix_edu.types import EnvironmentFailedError


def box(*shape):
    return SimpleNamespace(shape=shape)


def discrete(n):
    return SimpleNamespace(n=n, start=0)


class Sum:
    """Two agents with 2 and 3 actions, 1 and 2 features. Pays the sum of the actions; cut after 4 steps."""

    possible_agents = ["one", "two"]
    max_cycles = 4

    def __init__(self):
        self.agents, self.closed = [], False

    def observation_space(self, agent):
        return box(1) if agent == "one" else box(2)

    def action_space(self, agent):
        return discrete(2 if agent == "one" else 3)

    def seen(self):
        return {"one": np.array([self.start]), "two": np.array([self.start, self.time], dtype=np.float64)}

    def reset(self, seed=None):
        self.start = np.random.default_rng(seed).random()
        self.time, self.agents = 0, list(self.possible_agents)
        return self.seen(), {}

    def rewards(self, actions):
        return dict.fromkeys(actions, float(sum(actions.values())))

    def step(self, actions):
        assert set(actions) == set(self.agents)
        self.time += 1
        cut = self.time == 4
        flags = dict.fromkeys(self.agents, False), dict.fromkeys(self.agents, cut)
        if cut:
            self.agents = []
        return self.seen(), self.rewards(actions), *flags, {}

    def state(self):
        raise NotImplementedError

    def close(self):
        self.closed = True


class PaysApart(Sum):
    def rewards(self, actions):
        return {agent: float(a) for agent, a in actions.items()}


class OneLeaves(Sum):
    """Agent one is out after the first step; agent two ends it, properly, in the third."""

    def step(self, actions):
        assert set(actions) == set(self.agents)
        self.time += 1
        ended = {agent: self.time == (1 if agent == "one" else 3) for agent in self.agents}
        self.agents = [agent for agent in self.agents if not ended[agent]]
        seen = {agent: values for agent, values in self.seen().items() if agent in ended}
        return seen, self.rewards(actions), ended, dict.fromkeys(ended, False), {}


class Masked(Sum):
    """Agent two may not take action 0, which its observation says; the state is its time."""

    def observation_space(self, agent):
        return SimpleNamespace(spaces={"observation": box(2, 2), "action_mask": box(3)})

    def action_space(self, agent):
        return discrete(3)

    def seen(self):
        mask = {"one": [1, 1, 1], "two": [0, 1, 1]}
        return {k: {"observation": np.full((2, 2), self.time), "action_mask": np.array(m)} for k, m in mask.items()}

    def state(self):
        return np.array([[self.time, 7]])


def made(make=Sum, n_envs=2, **options):
    return PettingZooEnv(make, "a test", n_envs, seed=1, **options)


@pytest.mark.parametrize("make", [Sum, OneLeaves, Masked])
def test_they_keep_the_contract(make):
    assert check_conformance(made(make, 3)) == []


def test_different_spaces_are_padded():
    env = made()
    assert (env.spec.n_agents, env.spec.n_actions, env.spec.obs_size, env.spec.state_size) == (2, 3, 2, 4)
    seen = env.reset()
    assert seen.avail_actions[0].tolist() == [[True, True, False], [True, True, True]]
    assert seen.obs[0, 0, 1] == 0
    assert torch.equal(seen.state[0], seen.obs[0].flatten())  # there is no state(): the observations side by side
    with pytest.raises(ValueError, match="Action 2 of agent 0 in environment 0 is not available"):
        env.step(torch.tensor([[2, 0], [0, 0]]))


def test_a_time_limit_of_the_environment_truncates_and_its_own_end_terminates():
    for make, terminated, steps in ((Sum, False, 4), (OneLeaves, True, 3)):
        env = made(make)
        env.reset()
        flags = [env.step(torch.ones(2, 2, dtype=torch.long) * (t == 0)) for t in range(steps)]
        assert [bool((f.terminated | f.truncated).all()) for f in flags] == [False] * (steps - 1) + [True]
        assert bool(flags[-1].terminated.all()) == terminated


def test_a_limit_of_ours_truncates_too():
    env = made(episode_limit=2)
    env.reset()
    actions = torch.zeros(2, 2, dtype=torch.long)
    assert not env.step(actions).truncated.any()
    last = env.step(actions)
    assert last.truncated.all() and not last.terminated.any()


def test_an_agent_that_has_left_sees_zeros_and_can_only_do_nothing():
    env = made(OneLeaves)
    env.reset()
    seen = env.step(torch.ones(2, 2, dtype=torch.long)).observation
    assert not seen.obs[:, 0].any()
    assert seen.avail_actions[0].tolist() == [[True, False, False], [True, True, True]]
    second = env.step(torch.tensor([[0, 2], [0, 2]]))
    assert second.reward.flatten().tolist() == [2.0, 2.0]  # what the one that is left is paid


def test_masks_and_state_are_taken_from_the_environment():
    env = made(Masked)
    seen = env.reset()
    assert seen.avail_actions[0].tolist() == [[True, True, True], [False, True, True]]
    after = env.step(torch.tensor([[0, 1], [2, 2]]))
    assert after.observation.state.tolist() == [[1, 7], [1, 7]]
    assert after.observation.obs[0, 0].tolist() == [1.0] * 4
    assert after.reward.flatten().tolist() == [1.0, 4.0]


def test_a_team_has_one_reward():
    env = made(PaysApart)
    env.reset()
    assert env.step(torch.tensor([[1, 1], [0, 0]])).reward.flatten().tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="paid differently .*pass team_reward=mean_reward"):
        env.step(torch.tensor([[1, 2], [0, 0]]))
    mean = made(PaysApart, team_reward=mean_reward)
    mean.reset()
    assert mean.step(torch.tensor([[1, 2], [0, 0]])).reward.flatten().tolist() == [1.5, 0.0]
    assert shared_reward({}) == mean_reward({}) == 0.0


@pytest.mark.parametrize("team_reward", [shared_reward, mean_reward])
@pytest.mark.parametrize("value", [np.float32("nan"), -float("inf")])
def test_a_reward_that_is_not_finite_is_told_with_the_agent_who_was_paid_it(team_reward, value):
    """The team's one number would not say whose it is."""

    class Spoilt(Sum):
        def rewards(self, actions):
            return {**super().rewards(actions), **({"two": value} if self.time == 3 and actions["two"] == 2 else {})}

    env = made(Spoilt, n_envs=3, team_reward=team_reward)
    env.reset()
    for _ in range(2):
        env.step(torch.full((3, 2), 1))
    message = f"^a test returned {value} as the reward of agent two after step 3 of environment 1; mend"
    with pytest.raises(EnvironmentFailedError, match=message):
        env.step(torch.tensor([[1, 1], [1, 2], [1, 1]]))


def test_seeds_repeat_and_differ():
    one, same = made(n_envs=3), made(n_envs=3)
    first, second = one.reset().obs[:, 0, 0].tolist(), one.reset().obs[:, 0, 0].tolist()
    assert first == same.reset().obs[:, 0, 0].tolist()
    assert len(set(first + second)) == 6


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"action_space": lambda self, agent: box(2)}, "only Discrete actions counted from 0"),
        ({"action_space": lambda self, agent: SimpleNamespace(n=3, start=1)}, "only Discrete actions counted from 0"),
        ({"observation_space": lambda self, agent: SimpleNamespace()}, "only boxes, or a dictionary"),
        ({"max_cycles": None}, "does not say how long an episode may be"),
    ],
)
def test_what_cannot_be_used_is_refused(space, message):
    with pytest.raises(ValueError, match=message):
        made(type("Wrong", (Sum,), space))


def test_a_limit_that_makes_no_sense():
    with pytest.raises(ValueError, match="episode_limit is 0; it must be 1 or more"):
        made(episode_limit=0)


def test_modules_that_are_not_there():
    with pytest.raises(EnvironmentFailedError, match="needs the module no_such_package.spread"):
        make_env("pettingzoo/no_such_package.spread")
    with pytest.raises(EnvironmentFailedError, match="The module json has no parallel_env"):
        make_pettingzoo("json")


def test_closing_closes_every_copy():
    copies = []
    env = made(lambda: copies.append(Sum()) or copies[-1])
    env.close()
    env.close()
    assert [copy.closed for copy in copies] == [True, True]


def test_a_team_learns_through_the_adapter():
    """The sum is highest with both agents' last actions: 1 + 2 a step, 12 in four."""
    settings = TrainSettings(n_envs=4, updates_per_round=4, batch_size=8, epsilon_steps=400, eval_episodes=4)
    env = made(n_envs=4)
    learner = algorithms.vdn(env.spec, settings=LearnerSettings(learning_rate=1e-2, target_interval=20))
    *_, last = train(env, learner, 800, settings=settings)
    assert last["mean_return"] == 12.0


class Tuples:
    """A Gymnasium environment for two, as level-based foraging is one."""

    action_space = (discrete(2), discrete(2))
    observation_space = (box(1), box(1))

    def reset(self, seed=None):
        self.time = 0
        return ([0.0], [0.0]), {}

    def step(self, actions):
        self.time += 1
        return ([self.time], [self.time]), [actions[0], actions[1]], self.time == 2, False, {}

    def close(self):
        pass


def test_gymnasium_environments_of_tuples():
    env = PettingZooEnv(lambda: TupleEnv(Tuples()), "tuples", 2, team_reward=mean_reward, episode_limit=5)
    env.reset()
    first = env.step(torch.tensor([[1, 0], [1, 1]]))
    assert first.reward.flatten().tolist() == [0.5, 1.0]
    assert env.step(torch.zeros(2, 2, dtype=torch.long)).terminated.all()
    assert check_conformance(env) == []


def is_installed(*names):
    return all(importlib.util.find_spec(name) for name in names)


@pytest.mark.skipif(not is_installed("mpe2"), reason="mpe2 is not installed: pip install mpe2 pettingzoo")
def test_simple_spread():
    env = make_env("pettingzoo/mpe2.simple_spread_v3", 2, seed=3)
    assert env.spec.sizes == (3, 5, 18, 54)
    assert env.spec.episode_limit == 25
    assert check_conformance(env) == []


FORAGING = "gymnasium/lbforaging:Foraging-5x5-2p-1f-coop-v3"


@pytest.mark.skipif(not is_installed("lbforaging"), reason="lbforaging is not installed: pip install lbforaging")
def test_level_based_foraging():
    """It places its players with regard to where they stood before, so a seed alone does not repeat an episode."""
    for _ in range(2):  # what is registered is not changed
        env = make_env(FORAGING, 2)
        assert env.spec.sizes == (2, 6, 9, 18)
        assert env.spec.episode_limit == 50
    assert set(check_conformance(env)) <= {"an episode is not repeated after set_rng_state"}


@pytest.mark.skipif(not is_installed("lbforaging"), reason="lbforaging is not installed: pip install lbforaging")
def test_its_time_limit_truncates_though_it_calls_it_an_end():
    env = make_env(FORAGING, 2)
    env.reset()
    flags = [env.step(torch.zeros(2, 2, dtype=torch.long)) for _ in range(50)]
    assert [bool(f.truncated.all()) for f in flags] == [False] * 49 + [True]
    assert not any(f.terminated.any() for f in flags)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("no_such_package:Team-v0", EnvironmentFailedError, "give an installed module and an id that it registers"),
        ("NoSuchTeam-v0", EnvironmentFailedError, "`NoSuchTeam` doesn't exist"),
        ("CartPole-v1", ValueError, r"is Discrete\(2\), one agent's; a team's is a tuple"),
    ],
)
def test_what_gymnasium_cannot_make_or_is_no_team(name, error, message):
    with pytest.raises(error, match=message):
        make_env(f"gymnasium/{name}")

"""The team as one agent: numbering of joint actions, availability, and when it is refused."""

import itertools
from dataclasses import replace

import pytest
import torch
from factories import SPEC, generator

from qmix_edu.agents import GRUAgent, MLPAgent, TableAgent
from qmix_edu.algorithms import joint_q
from qmix_edu.envs import make_env
from qmix_edu.joint_q import MOST_JOINT_ACTIONS, Joint, joint_actions, joint_available, joint_index
from qmix_edu.rollout import play


@pytest.mark.parametrize(("n", "a"), [(1, 4), (2, 3), (3, 5)])
def test_joint_actions_are_numbered_in_order(n, a):
    joint = torch.tensor(list(itertools.product(range(a), repeat=n)))
    assert joint_index(joint, a).tolist() == list(range(a**n))
    assert torch.equal(joint_actions(torch.arange(a**n), n, a), joint)


def test_a_joint_action_is_available_if_every_part_is():
    avail = torch.rand(7, 3, 4, generator=generator()) < 0.6
    for row in range(7):
        expected = [all(avail[row, i, u[i]] for i in range(3)) for u in itertools.product(range(4), repeat=3)]
        assert joint_available(avail)[row].tolist() == expected


def test_the_team_takes_the_best_available_joint_action():
    learner = joint_q(replace(SPEC, n_agents=2, n_actions=3))
    values = torch.arange(9.0).reshape(1, 1, 9)
    everything = torch.ones(1, 2, 3, dtype=torch.bool)
    assert learner.greedy(values, everything).tolist() == [[2, 2]]
    assert learner.greedy(values, everything.index_fill(-1, torch.tensor(2), False)).tolist() == [[1, 1]]
    assert Joint()(values, torch.tensor([[1, 2]]), everything, torch.zeros(1, 1)).tolist() == [[5.0]]
    drawn = torch.cat([learner.choose(values, everything, 1.0, generator(i)) for i in range(200)])
    assert len({tuple(u) for u in drawn.tolist()}) == 9  # exploring, every joint action is met


@pytest.mark.parametrize("agent", [MLPAgent, GRUAgent, TableAgent])
def test_it_plays_with_every_kind_of_agent(agent):
    env = make_env("two-step", 4, 0)
    batch, _ = play(env, joint_q(env.spec, agent=agent), 0.5, generator())
    assert batch.actions.shape == (4, 2, 2)


def test_too_many_joint_actions_are_refused_beforehand():
    spec = replace(SPEC, name="smax/2s3z", n_agents=5, n_actions=10)
    with pytest.raises(ValueError, match=r"smax/2s3z has 10\^5 = 100000 joint actions, but joint_q .* 1024 at most"):
        joint_q(spec)
    assert joint_q(replace(SPEC, n_agents=2, n_actions=32)).online["agent"].n_joint == MOST_JOINT_ACTIONS

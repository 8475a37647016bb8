"""Utility networks: the same in play and in training, apart for every agent, and blind to nothing they should see."""

import pytest
import torch
from factories import SPEC, generator, random_episodes

from qmix_edu.agents import GRUAgent, MLPAgent, TableAgent
from qmix_edu.types import EnvSpec

networks = pytest.mark.parametrize("network", [MLPAgent, GRUAgent, TableAgent])


def made(network, spec=SPEC):
    torch.manual_seed(0)
    agent = network(spec)
    for parameter in agent.parameters():  # tables start at 0
        parameter.data += 0.1 * torch.randn(parameter.shape)
    return agent


@networks
def test_step_by_step_equals_the_whole_episode(network):
    """What a team plays by is what the learner trains."""
    agent, batch = made(network), random_episodes([8, 8])
    at_once, last = agent(batch.obs, batch.last_actions)
    hidden, steps = None, []
    for t in range(9):
        utilities, hidden = agent(batch.obs[:, t : t + 1], batch.last_actions[:, t : t + 1], hidden)
        steps.append(utilities)
    torch.testing.assert_close(torch.cat(steps, dim=1), at_once, rtol=1e-5, atol=1e-6)
    assert (last is None) == (hidden is None)
    if last is not None:
        torch.testing.assert_close(hidden, last, rtol=1e-5, atol=1e-6)


@networks
def test_an_agent_sees_nothing_of_the_others(network):
    agent, batch = made(network), random_episodes([4])
    before, _ = agent(batch.obs, batch.last_actions)
    obs, last_actions = batch.obs.clone(), batch.last_actions.clone()
    obs[:, :, 1] += 1.0
    last_actions[:, :, 1] = (last_actions[:, :, 1] + 1) % 5
    after, _ = agent(obs, last_actions)
    assert torch.equal(after[:, :, [0, 2]], before[:, :, [0, 2]])
    assert not torch.equal(after[:, :, 1], before[:, :, 1])


@networks
def test_two_agents_differ_where_they_see_the_same(network):
    """Without an identity, symmetric agents could never learn different roles."""
    agent = made(network)
    obs = torch.ones(1, 1, 3, SPEC.obs_size)
    utilities, _ = agent(obs, torch.full((1, 1, 3), SPEC.n_actions))
    assert not torch.allclose(utilities[0, 0, 0], utilities[0, 0, 1], atol=1e-4)


@networks
def test_the_past_never_depends_on_the_future(network):
    agent, batch = made(network), random_episodes([8])
    before, _ = agent(batch.obs, batch.last_actions)
    obs = batch.obs.clone()
    obs[:, 5:] += 1.0
    after, _ = agent(obs, batch.last_actions)
    assert torch.equal(after[:, :5], before[:, :5])


def test_only_the_recurrent_agent_remembers_observations():
    batch = random_episodes([8])
    obs = batch.obs.clone()
    obs[:, 0] += 1.0
    for network, remembers in ((GRUAgent, True), (MLPAgent, False)):
        agent = made(network)
        before, _ = agent(batch.obs, batch.last_actions)
        after, _ = agent(obs, batch.last_actions)
        assert torch.equal(before[:, 7], after[:, 7]) != remembers


@pytest.mark.parametrize("network", [MLPAgent, GRUAgent])
def test_the_last_action_is_seen_and_no_action_is_none_of_them(network):
    agent = made(network)
    obs = torch.randn(1, 1, 3, SPEC.obs_size, generator=generator())
    seen = [agent(obs, torch.full((1, 1, 3), action))[0] for action in range(SPEC.n_actions + 1)]
    assert all(not torch.equal(a, b) for i, a in enumerate(seen) for b in seen[:i])


@pytest.mark.parametrize("network", [MLPAgent, GRUAgent])
def test_no_last_action_counts_as_an_empty_one_hot(network):
    """The first layer is that of the concatenated inputs: no action adds nothing, and learns nothing."""
    agent = made(network)
    row = agent.input.w_action.weight
    row.data[-1] = 0.0
    obs = torch.zeros(1, 1, 3, SPEC.obs_size)
    expected = torch.relu(agent.input.w_obs.bias + agent.input.w_agent)
    inputs = agent.input(obs, torch.full((1, 1, 3), SPEC.n_actions))
    torch.testing.assert_close(inputs[0, 0], expected)
    inputs.sum().backward()
    assert not row.grad[-1].any()


def test_a_table_reads_the_row_that_the_observation_names():
    spec = EnvSpec("rows", 1, 2, 3, obs_size=4, state_size=1, episode_limit=1)
    agent = made(TableAgent, spec)
    obs = torch.eye(4)[torch.tensor([[[2, 0]]])]
    utilities, hidden = agent(obs, torch.zeros(1, 1, 2, dtype=torch.long))
    assert hidden is None
    assert torch.equal(utilities[0, 0], torch.stack([agent.table[0, 2], agent.table[1, 0]]))
    assert not TableAgent(spec).table.any()

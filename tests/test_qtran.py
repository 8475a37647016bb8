"""QTRAN's losses against brute force, and what they imply when they vanish."""

import itertools

import pytest
import torch
from factories import SPEC, random_episodes

from qmix_edu.algorithms import qtran_alt, qtran_base
from qmix_edu.learner import LearnerSettings
from qmix_edu.qtran import JointValue

BATCH = random_episodes([4, 1, 3])
SETTINGS = LearnerSettings(td_lambda=0.0)


def by_hand(learner):
    """Return the gaps D [b, t, j] of all joint actions, which of them are available, and the greedy one's index."""
    n, a = SPEC.n_agents, SPEC.n_actions
    utilities = learner.online["agent"](BATCH.obs, BATCH.last_actions)[0].detach()[:, :-1]
    avail, state = BATCH.avail_actions[:, :-1], BATCH.state[:, :-1]
    v = learner.online["v"](state).detach()
    gaps, allowed, joint = [], [], list(itertools.product(range(a), repeat=n))
    for u in joint:
        q = sum(utilities[..., i, u[i]] for i in range(n)).unsqueeze(-1)
        actions = torch.tensor(u).expand(*state.shape[:2], n)
        gaps.append(q - learner.online["factorisation"](utilities, actions, avail, state).detach() + v)
        allowed.append(torch.stack([avail[..., i, u[i]] for i in range(n)], -1).all(-1, keepdim=True))
    greedy = utilities.masked_fill(~avail, -torch.inf).argmax(-1)
    places = torch.tensor([a**2, a, 1])
    return torch.cat(gaps, -1), torch.cat(allowed, -1), (greedy * places).sum(-1), (BATCH.actions * places).sum(-1)


def mean(values):
    return ((values * BATCH.mask).sum() / BATCH.mask.expand_as(values).sum()).item()


def test_counterfactual_values_are_those_of_the_changed_joint_actions():
    torch.manual_seed(0)
    network, n, a = JointValue(3, 4, 5), 3, 4
    actions, state = torch.randint(a, (6, n)), torch.randn(6, 5)
    values = network.counterfactual(actions, state)
    unused = torch.zeros(6, n, a)
    for agent, action in itertools.product(range(n), range(a)):
        changed = actions.clone()
        changed[:, agent] = action
        expected = network(unused, changed, unused.bool(), state).squeeze(-1)
        torch.testing.assert_close(values[:, agent, action], expected)


def test_the_three_losses_of_base():
    learner = qtran_base(SPEC, settings=SETTINGS)
    gaps, _, greedy, taken = by_hand(learner)
    opt = mean(gaps.gather(-1, greedy.unsqueeze(-1)) ** 2)
    nopt = mean(gaps.gather(-1, taken.unsqueeze(-1)).clamp(max=0) ** 2)
    loss, metrics = learner.loss(BATCH)
    assert metrics["opt_loss"] == pytest.approx(opt, rel=1e-4)
    assert metrics["nopt_loss"] == pytest.approx(nopt, rel=1e-4)
    assert loss.item() == pytest.approx(metrics["td_loss"] + opt + 0.1 * nopt, rel=1e-4)


def test_the_last_loss_of_alt_is_the_least_gap_over_one_agents_available_actions():
    learner = qtran_alt(SPEC, settings=SETTINGS)
    gaps, _, _, _ = by_hand(learner)
    n, a = SPEC.n_agents, SPEC.n_actions
    gaps = gaps.unflatten(-1, (a,) * n)
    least = torch.zeros(*BATCH.actions.shape)
    for b, t, agent in itertools.product(*map(range, BATCH.actions.shape)):
        others = BATCH.actions[b, t].tolist()
        line = gaps[b, t][tuple(slice(None) if i == agent else u for i, u in enumerate(others))]
        least[b, t, agent] = line[BATCH.avail_actions[b, t, agent]].min() if BATCH.mask[b, t] else 0.0
    loss, metrics = learner.loss(BATCH)
    assert metrics["nopt_loss"] == pytest.approx(mean(least**2), rel=1e-4)
    assert loss.item() == pytest.approx(metrics["td_loss"] + metrics["opt_loss"] + metrics["nopt_loss"], rel=1e-4)


@pytest.mark.parametrize("make", [qtran_base, qtran_alt])
def test_the_joint_value_learns_from_the_td_loss_alone(make):
    """The gaps stop its gradient: the utilities move towards Q_jt, never Q_jt towards them."""
    learner = make(SPEC, settings=SETTINGS)
    joint = list(learner.online["factorisation"].parameters())
    loss, _ = learner.loss(BATCH)
    together = torch.autograd.grad(loss, joint, retain_graph=True)
    values = learner.values(learner.online["agent"](BATCH.obs, BATCH.last_actions)[0], BATCH)
    targets = learner.targets(BATCH, learner.online["agent"](BATCH.obs, BATCH.last_actions)[0].detach())
    alone = torch.autograd.grad(((values - targets) ** 2 * BATCH.mask).sum() / BATCH.mask.sum(), joint)
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other)
    agent = torch.autograd.grad(loss, list(learner.online["agent"].parameters()), allow_unused=True)
    assert any(g is not None and bool(g.abs().sum() > 0) for g in agent)

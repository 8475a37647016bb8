"""Weighted QMIX: its weights and targets against numbers worked out by hand."""

from dataclasses import replace

import pytest
import torch
from factories import SPEC, generator, random_episodes

from qmix_edu.algorithms import cw_qmix, ow_qmix
from qmix_edu.learner import LearnerSettings
from qmix_edu.loss_weights import Errors, equal, optimistic
from qmix_edu.td import masked_td_loss, weighted_td_loss
from qmix_edu.weighted_qmix import CentralErrors, central

BATCH = random_episodes([4, 1, 3])
VALUES = torch.tensor([1.0, 1.0, 1.0, 5.0]).reshape(1, 4, 1)
TARGETS = torch.tensor([2.0, 1.0, 0.5, 3.0]).reshape(1, 4, 1)


def errors(taken, greedy_values):
    """Return four errors of one agent with two actions; action 1 is greedy."""
    one = replace(
        random_episodes([4], replace(SPEC, n_agents=1, n_actions=2)),
        actions=torch.tensor(taken).reshape(1, 4, 1),
        avail_actions=torch.ones(1, 5, 1, 2, dtype=torch.bool),
    )
    utilities = torch.tensor([0.0, 1.0]).expand(1, 5, 1, 2)
    return CentralErrors(VALUES, TARGETS, utilities, one, torch.tensor(greedy_values).reshape(1, 4, 1))


def test_optimistic_weights_are_one_below_the_target():
    plain = Errors(VALUES, TARGETS, torch.zeros(1, 5, 1, 2), BATCH)
    assert optimistic(0.25)(plain).flatten().tolist() == [1.0, 0.25, 0.25, 0.25]
    assert equal(plain).flatten().tolist() == [1.0] * 4


def test_central_weights_are_one_where_u_is_or_may_be_better_than_the_greedy_action():
    # not greedy: y = 2 above 1.5, 1 not above 1.5; greedy: .5; not greedy: y = 3 equals what greedy is worth
    weights = central(0.25)(errors([0, 0, 1, 0], [1.5, 1.5, 1.5, 3.0]))
    assert weights.flatten().tolist() == [1.0, 0.25, 1.0, 0.25]


def test_one_agent_off_the_greedy_action_is_enough():
    agreed = torch.zeros(1, 2, dtype=torch.long)
    batch = replace(
        random_episodes([2], replace(SPEC, n_agents=2, n_actions=2)),
        actions=torch.stack([agreed[0], torch.tensor([0, 1])]).unsqueeze(0),
        avail_actions=torch.ones(1, 3, 2, 2, dtype=torch.bool),
    )
    utilities = torch.tensor([1.0, 0.0]).expand(1, 3, 2, 2)
    zeros = torch.zeros(1, 2, 1)
    assert central(0.5)(CentralErrors(zeros, zeros, utilities, batch, zeros + 9)).flatten().tolist() == [1.0, 0.5]


@pytest.mark.parametrize("make", [ow_qmix, cw_qmix])
def test_both_values_learn_from_one_target_that_the_central_value_sets(make):
    learner = make(SPEC, settings=LearnerSettings(td_lambda=0.0), alpha=0.3)
    g = generator(1)
    for parameter in learner.target.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=g)
    utilities = learner.online["agent"](BATCH.obs, BATCH.last_actions)[0].detach()
    # y = r + gamma (1 - terminated) Q*^-(s', u'), u' greedy by QMIX's online agents, step by step
    masked = utilities.masked_fill(~BATCH.avail_actions, -torch.inf)
    central_utilities, _ = learner.target["central_agent"](BATCH.obs, BATCH.last_actions)
    star = central_utilities.gather(-1, masked.argmax(-1, keepdim=True)).squeeze(-1)
    star = learner.target["central_factorisation"].mixer(star, BATCH.state)  # [b, t+1, 1]
    y = BATCH.reward + 0.99 * (1 - BATCH.terminated) * star[:, 1:]
    # a target in the padding is 0
    torch.testing.assert_close(learner.targets(BATCH, utilities), (BATCH.mask * y).detach())

    q_tot = learner.values(utilities, BATCH).detach()
    own, _ = learner.online["central_agent"](BATCH.obs, BATCH.last_actions)
    own = own[:, :-1].gather(-1, BATCH.actions.unsqueeze(-1)).squeeze(-1)
    own = learner.online["central_factorisation"].mixer(own, BATCH.state[:, :-1])
    is_greedy = (BATCH.actions == masked[:, :-1].argmax(-1)).all(-1, keepdim=True)
    first = (y > q_tot) if make is ow_qmix else is_greedy | (y > star[:, :-1])
    by_hand = weighted_td_loss(q_tot, y, BATCH.mask, torch.where(first, 1.0, 0.3)) + masked_td_loss(own, y, BATCH.mask)
    loss, metrics = learner.loss(BATCH)
    torch.testing.assert_close(loss, by_hand)
    assert 0.3 < metrics["weight_mean"] < 1.0 and metrics["central_loss"] < loss

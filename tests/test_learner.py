"""One gradient step: what it depends on, what it must not depend on, and that a seed repeats it exactly."""

import copy
from dataclasses import fields, replace

import pytest
import torch
from factories import SPEC, generator, random_episodes, with_notes
from torch import nn

from qmix_edu.agents import GRUAgent, MLPAgent, TableAgent
from qmix_edu.algorithms import ALGORITHMS
from qmix_edu.learner import Learner, LearnerSettings
from qmix_edu.mixers import Independent
from qmix_edu.types import EnvSpec

SETTINGS = LearnerSettings(target_interval=3, learning_rate=1e-2)
BATCH = with_notes(random_episodes([8, 2, 5, 1, 8, 3]))
every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)
# The others have outputs or targets of another kind; test_independent.py has these two tests for them.
OTHER_OUTPUTS = {"likelihood_quantile", "fingerprint_iql", "coma", "iac"}
every_plain_q_learner = pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if name not in OTHER_OUTPUTS])
every_agent = pytest.mark.parametrize("agent", [MLPAgent, GRUAgent])


def made(algorithm, agent=MLPAgent, seed=0, settings=SETTINGS):
    """Return a learner whose target network differs from the online one."""
    learner = ALGORITHMS[algorithm](SPEC, seed=seed, agent=agent, settings=settings)
    g = generator(seed + 1)
    for parameter in learner.target.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=g)
    return learner


def loss_and_gradients(learner, batch=BATCH):
    loss, metrics = learner.loss(batch)
    gradients = torch.autograd.grad(loss, list(learner.online.parameters()), allow_unused=True)
    return [loss.detach(), torch.tensor(metrics["q_mean"]), *(g for g in gradients if g is not None)]


def assert_same(one, other):
    assert len(one) == len(other)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def parameters(learner):
    return [p.detach().clone() for network in (learner.online, learner.target) for p in network.parameters()]


# What must not matter


@every_algorithm
@every_agent
def test_padding_and_what_follows_the_end_do_not_matter(algorithm, agent):
    """Loss and gradients are the same, bit for bit, whatever stands after an episode's end."""
    b, t = BATCH.mask.shape[:2]
    length = BATCH.lengths[:, None]
    padded_step = torch.arange(t) >= length  # [b, t]
    ended = BATCH.terminated.sum((1, 2)).bool()[:, None]
    after = torch.arange(t + 1) >= length + (~ended).long()  # where a time limit cut, the last observation counts
    g = generator(5)
    changed = replace(
        BATCH,
        reward=torch.where(padded_step[..., None], 100 * torch.randn(b, t, 1, generator=g), BATCH.reward),
        terminated=torch.where(padded_step[..., None], 1.0, BATCH.terminated),
        actions=torch.where(padded_step[..., None], 4, BATCH.actions),
        obs=torch.where(after[..., None, None], 9 * torch.randn(BATCH.obs.shape, generator=g), BATCH.obs),
        state=torch.where(after[..., None], 9 * torch.randn(BATCH.state.shape, generator=g), BATCH.state),
        avail_actions=torch.where(after[..., None, None], ~BATCH.avail_actions, BATCH.avail_actions),
        extras={name: torch.where(padded_step[..., None], 7.0, values) for name, values in BATCH.extras.items()},
    )
    assert all(
        not torch.equal(getattr(changed, f.name), getattr(BATCH, f.name))
        for f in fields(BATCH)
        if f.name not in ("mask", "extras")
    )
    learner = made(algorithm, agent)
    assert_same(loss_and_gradients(learner), loss_and_gradients(learner, changed))


@every_algorithm
def test_what_a_time_limit_cut_off_does_matter(algorithm):
    """The observation after the last step of a truncated episode is bootstrapped from: the negative control."""
    truncated = ~BATCH.terminated.sum((1, 2)).bool()
    obs = BATCH.obs.clone()
    rows = truncated.nonzero().squeeze(1)
    obs[rows, BATCH.lengths[rows]] += 1.0
    learner = made(algorithm)
    assert not torch.equal(loss_and_gradients(learner)[0], loss_and_gradients(learner, replace(BATCH, obs=obs))[0])


@every_plain_q_learner
@every_agent
def test_utilities_of_unavailable_actions_do_not_matter(algorithm, agent):
    """Action 2 is never available and worth a fortune; nobody takes notice, in the targets or elsewhere."""
    avail = BATCH.avail_actions.clone()
    avail[..., 2] = False
    avail[..., 1] |= ~avail.any(-1)
    batch = replace(BATCH, avail_actions=avail, actions=torch.where(BATCH.actions == 2, 1, BATCH.actions))
    learner = made(algorithm, agent)
    before = loss_and_gradients(learner, batch)
    for network in (learner.online, learner.target):
        for agent_network in [network[name] for name in ("agent", "central_agent") if name in network]:
            last = [layer for layer in agent_network.modules() if isinstance(layer, nn.Linear)][-1]
            joint = torch.cartesian_prod(*[torch.arange(SPEC.n_actions)] * SPEC.n_agents)  # for the team as one agent
            means_action_2 = (joint == 2).any(1) if algorithm == "joint_q" else torch.arange(SPEC.n_actions) == 2
            assert last.bias.shape == means_action_2.shape
            last.bias.data[means_action_2] = 1e9
    assert_same(before, loss_and_gradients(learner, batch))
    freed = replace(batch, avail_actions=torch.ones_like(avail))
    assert loss_and_gradients(learner, freed)[0] > 1e12  # the negative control


@every_plain_q_learner
def test_the_rest_of_the_batch_does_not_change_an_episodes_targets(algorithm):
    learner = made(algorithm)
    utilities, _ = learner.online["agent"](BATCH.obs, BATCH.last_actions)
    together = learner.targets(BATCH, utilities.detach())
    alone = BATCH.select(torch.arange(6) == 2)
    torch.testing.assert_close(learner.targets(alone, utilities[2:3].detach()), together[2:3])


# What must matter


class FixedUtilities(nn.Module):
    """The same utilities [a] at every step; one parameter, so that an optimiser has something to hold."""

    def __init__(self, *values):
        super().__init__()
        self.values = nn.Parameter(torch.tensor(values))

    def forward(self, obs, last_actions, hidden=None):
        return self.values.expand(*obs.shape[:3], -1), None


def test_double_q_takes_the_online_argmax_and_the_target_value():
    spec = EnvSpec("one", 1, 1, 3, obs_size=1, state_size=1, episode_limit=1)
    batch = random_episodes([1, 1], spec)
    avail = torch.tensor([True, True, False]).expand(2, 2, 1, 3)
    batch = replace(batch, reward=torch.full((2, 1, 1), 2.0), avail_actions=avail)
    settings = LearnerSettings(gamma=0.5, reward_scale=10.0)
    learner = Learner(spec, "double", lambda: FixedUtilities(1.0, 4.0, 9.0), Independent, settings, seed=0)
    learner.target["agent"].values.data = torch.tensor([7.0, 3.0, 99.0])
    online, _ = learner.online["agent"](batch.obs, batch.last_actions)
    # Episode 0 terminated: 10 2 = 20. Episode 1 was cut: 20 + .5 3, the target's value of the online choice, 1.
    assert learner.targets(batch, online.detach()).flatten().tolist() == [20.0, 21.5]


def test_targets_use_the_next_state_and_the_target_mixer():
    learner = made("qmix")
    utilities = learner.online["agent"](BATCH.obs, BATCH.last_actions)[0].detach()
    before = learner.targets(BATCH, utilities)
    state = BATCH.state.clone()
    state[:, 0] += 1.0  # s_0 follows no step
    assert torch.equal(learner.targets(replace(BATCH, state=state), utilities), before)
    state[:, 1] += 1.0
    assert not torch.equal(learner.targets(replace(BATCH, state=state), utilities), before)
    learner.online["factorisation"].mixer.hyper_v[-1].bias.data += 1.0
    assert torch.equal(learner.targets(BATCH, utilities), before)
    learner.target["factorisation"].mixer.hyper_v[-1].bias.data += 1.0
    assert not torch.equal(learner.targets(BATCH, utilities), before)


def test_every_independent_learner_is_paid_the_whole_team_reward():
    """Not the reward divided by n, and not n losses summed: each agent's own value is fitted to r."""
    spec = EnvSpec("one", 1, 3, 2, obs_size=1, state_size=1, episode_limit=1)
    batch = replace(random_episodes([1, 1], spec), reward=torch.full((2, 1, 1), 6.0), terminated=torch.ones(2, 1, 1))
    settings = LearnerSettings(learning_rate=0.1)
    learner = ALGORITHMS["iql"](spec, agent=TableAgent, settings=settings)
    batch = replace(batch, actions=torch.zeros_like(batch.actions), obs=torch.ones_like(batch.obs))
    loss, _ = learner.loss(batch)
    assert loss.item() == pytest.approx(36.0)  # the mean over agents of (6 - 0)^2
    for _ in range(300):
        learner.update(batch)
    assert learner.online["agent"].table[:, 0, 0].tolist() == pytest.approx([6.0] * 3, abs=0.01)
    assert not learner.online["agent"].table[:, 0, 1].any()


@pytest.mark.parametrize("algorithm", ["vdn", "qmix"])
def test_every_factor_learns_from_the_team(algorithm):
    """The gradient reaches the agents through the mixer, and every parameter of the mixer."""
    learner = made(algorithm)
    before = parameters(learner)[: len(list(learner.online.parameters()))]
    learner.update(BATCH)
    assert all(not torch.equal(a, b) for a, b in zip(before, learner.online.parameters(), strict=True))


def test_values_are_in_units_of_the_environments_rewards():
    plain, scaled = (made("qmix", settings=replace(SETTINGS, reward_scale=scale)) for scale in (1.0, 10.0))
    utilities, _ = plain.utilities(BATCH.obs[:, 0], BATCH.last_actions[:, 0], None)
    inputs = (utilities, BATCH.actions[:, 0], BATCH.avail_actions[:, 0], BATCH.state[:, 0])
    torch.testing.assert_close(plain.value(*inputs), 10 * scaled.value(*inputs))


def test_a_loss_weight_sees_the_errors_and_scales_them():
    """A hysteretic weight, 1 where the error is positive and beta elsewhere, against the same loss by hand."""
    seen = []

    def hysteretic(errors):
        seen.append(errors)
        return torch.where(errors.targets >= errors.values, 1.0, 0.25)

    plain = made("iql")
    learner = Learner(SPEC, "hysteretic", lambda: MLPAgent(SPEC), Independent, SETTINGS, 0, loss_weight=hysteretic)
    for network in ("online", "target"):
        getattr(learner, network).load_state_dict(getattr(plain, network).state_dict())
    loss, _ = learner.loss(BATCH)
    (errors,) = seen
    assert not any(x.requires_grad for x in (errors.values, errors.targets, errors.utilities))
    assert errors.values.shape == (6, 8, 3) and errors.batch is BATCH
    delta, mask = errors.targets - errors.values, BATCH.mask.expand(-1, -1, 3)
    by_hand = (mask * delta**2 * torch.where(delta >= 0, 1.0, 0.25)).sum() / mask.sum()
    torch.testing.assert_close(loss, by_hand)
    assert loss < 0.9 * plain.loss(BATCH)[0]  # the negative control: some errors are negative


# Bookkeeping


@every_algorithm
@every_agent
def test_a_seed_repeats_learning_bit_for_bit(algorithm, agent):
    one, same, other = (made(algorithm, agent, seed) for seed in (3, 3, 4))
    for _ in range(4):
        for learner in (one, same, other):
            learner.update(BATCH)
    assert_same(parameters(one), parameters(same))
    assert not torch.equal(parameters(one)[0], parameters(other)[0])


def test_making_a_learner_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    made("qmix", seed=8)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_target_is_copied_at_its_interval_and_at_no_other_time():
    learner = ALGORITHMS["qmix"](SPEC, settings=SETTINGS)
    copies = [[p.clone() for p in learner.target.parameters()]]
    for update in range(1, 8):
        learner.update(BATCH)
        target = [p.clone() for p in learner.target.parameters()]
        if update % SETTINGS.target_interval == 0:
            assert_same(target, [p.detach() for p in learner.online.parameters()])
        else:
            assert_same(target, copies[-1])
        copies.append(target)
    assert learner.updates == 7
    assert not any(p.requires_grad for p in learner.target.parameters())


def test_a_long_gradient_is_cut():
    learner = made("vdn", settings=replace(SETTINGS, max_gradient_norm=1e-3))
    metrics = learner.update(replace(BATCH, reward=1e3 * BATCH.reward))
    norm = torch.cat([p.grad.flatten() for p in learner.online.parameters()]).norm().item()
    assert norm == pytest.approx(1e-3, rel=1e-3)
    assert metrics["gradient_norm"] > 1.0  # reported as it was before the cut


@every_algorithm
def test_a_restored_learner_goes_on_as_if_it_had_never_stopped(algorithm):
    one = made(algorithm)
    for _ in range(2):
        one.update(BATCH)
    other = made(algorithm, seed=9)
    other.load_state_dict(copy.deepcopy(one.state_dict()))  # a state on disk is a copy as well
    for learner in (one, other):
        for _ in range(3):
            learner.update(BATCH)
    assert_same(parameters(one), parameters(other))


@pytest.mark.parametrize(
    "wrong",
    [
        {"gamma": 1.5},
        {"gamma": -0.1},
        {"gamma": float("nan")},
        {"td_lambda": 2.0},
        {"learning_rate": 0.0},
        {"learning_rate": float("inf")},
        {"learning_rate": float("nan")},
        {"max_gradient_norm": 0.0},
        {"max_gradient_norm": -1.0},
        {"target_interval": 0},
        {"reward_scale": 0.0},
        {"reward_scale": float("nan")},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    (name, value) = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=f"{name} is {value}; it must be"):
        LearnerSettings(**wrong)

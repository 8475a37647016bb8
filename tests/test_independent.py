"""Independent learners and actor-critics: each rule against a computation by hand, and what must not matter to them."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import SPEC, generator, random_episodes, with_notes
from torch import nn

from matrix_games import MatrixGame, catalogue
from qmix_edu import checkpoint, make_env, runs, train
from qmix_edu.actor_critic import CounterfactualCritic, counterfactual_advantage, policy
from qmix_edu.agents import GRUAgent, MLPAgent, TableAgent
from qmix_edu.algorithms import ALGORITHMS
from qmix_edu.independent import Leniency, Temperatures, epsilon_greedy_probability, hysteretic
from qmix_edu.learner import LearnerSettings
from qmix_edu.loss_weights import Errors
from qmix_edu.quantiles import QuantileAgent, likelihood, quantile_huber
from qmix_edu.replay import NegativeUpdateIntervals, NewestEpisodes, UniformReplay
from qmix_edu.rollout import play
from qmix_edu.runs import Run, RunSettings
from qmix_edu.settings import TrainSettings, learner_settings, train_settings
from qmix_edu.train import Training
from qmix_edu.types import EnvSpec

OURS = (
    *("hysteretic", "distributed", "lenient", "nui", "likelihood_quantile"),
    *("fingerprint_iql", "importance_iql", "coma", "iac"),
)
BATCH = with_notes(random_episodes([8, 2, 5, 1, 8, 3]))
SETTINGS = LearnerSettings(target_interval=3, learning_rate=1e-2)
QUICK = TrainSettings(n_envs=4, updates_per_round=2, batch_size=4, buffer_episodes=12, epsilon_steps=100)
every_one_of_ours = pytest.mark.parametrize("algorithm", OURS)


def made(algorithm, agent=MLPAgent, seed=0, settings=SETTINGS, spec=SPEC, **options):
    return ALGORITHMS[algorithm](spec, seed=seed, agent=agent, settings=settings, **options)


def one_step(reward, actions, n_actions=3):
    """Return one-step episodes of two agents."""
    spec = EnvSpec("one", len(reward), 2, n_actions, obs_size=1, state_size=1, episode_limit=1)
    b = len(reward)
    batch = random_episodes([1] * b, spec)
    return spec, replace(
        batch,
        reward=torch.tensor(reward).view(b, 1, 1),
        actions=torch.tensor(actions).view(b, 1, 2),
        terminated=torch.ones(b, 1, 1),
        obs=torch.ones_like(batch.obs),
        avail_actions=torch.ones_like(batch.avail_actions),
    )


def errors(values, targets, **extras):
    shape = (1, len(values), 1)
    batch = replace(random_episodes([len(values)]), extras={k: torch.tensor(v).view(shape) for k, v in extras.items()})
    utilities = torch.zeros(1, len(values) + 1, 1, 2)
    return Errors(torch.tensor(values).view(shape), torch.tensor(targets).view(shape), utilities, batch)


# Loss weights


def test_a_hysteretic_weight_looks_at_the_sign_of_the_error():
    """Negative: beta; positive, and exactly 0: one."""
    weight = hysteretic(0.1)(errors([1.0, 1.0, 1.0], [2.0, 0.0, 1.0]))
    assert weight.flatten().tolist() == pytest.approx([1.0, 0.1, 1.0])


@pytest.mark.parametrize("beta", [-0.1, 1.1, math.nan])
def test_a_beta_that_makes_no_sense(beta):
    with pytest.raises(ValueError, match=f"beta is {beta}; it must be between 0 and 1"):
        hysteretic(beta)


def fixed_point(outcomes, beta):
    """Return where ``sum_+ (r - q) = beta sum_- (q - r)``, by bisection."""
    low, high = min(outcomes), max(outcomes)
    for _ in range(80):
        q = (low + high) / 2
        pull = sum((r - q) * (1 if r >= q else beta) for r in outcomes)
        low, high = (q, high) if pull > 0 else (low, q)
    return low


@pytest.mark.parametrize(("algorithm", "beta"), [("iql", 1.0), ("hysteretic", 0.1), ("distributed", 0.0)])
def test_optimists_learn_the_expectile_of_a_uniform_team(algorithm, beta):
    """On all joint actions of climbing at once, each agent's values are the beta-expectiles of its rows."""
    payoff = [[11.0, -30.0, 0.0], [-30.0, 7.0, 6.0], [0.0, 0.0, 5.0]]
    joint = [(i, j) for i in range(3) for j in range(3)]
    spec, batch = one_step([payoff[i][j] for i, j in joint], joint)
    learner = made(algorithm, TableAgent, spec=spec, settings=LearnerSettings(learning_rate=0.05))
    learner.online["agent"].table.data -= 40.0  # distributed: below everything that is paid
    for _ in range(2500):
        learner.update(batch)
    rows = [fixed_point(row, beta) for row in payoff]
    assert learner.online["agent"].table[0, 0].tolist() == pytest.approx(rows, abs=0.3)


# Leniency


def test_leniency_and_its_schedule():
    leniency = Leniency(moderation=2.0, max_decay=0.5, rho=-0.1, d=0.5)
    assert leniency.of(0.0) == 0.0
    assert leniency.of(1.0) == pytest.approx(1 - math.exp(-2))
    assert [leniency.decay(n) for n in range(3)] == pytest.approx([math.exp(-0.1 * 0.5**n) for n in range(3)])


def test_temperatures_cool_with_use_the_end_of_an_episode_first():
    leniency = Leniency(moderation=2.0, max_decay=0.9, rho=-0.1, d=0.5)
    temperatures = Temperatures(3, leniency)
    obs, actions = torch.eye(2), torch.tensor([0, 1])
    first = temperatures.visit(0, obs, actions)
    temperatures.end_episode()
    assert first.tolist() == pytest.approx([leniency.of(1.0)] * 2)  # what is noted is from before the cooling
    second = temperatures.visit(0, obs, actions)
    cooled = [min(math.exp(-0.1 * 0.5), 0.9), min(math.exp(-0.1), 0.9)]  # T_max has fallen to .9 and caps both
    assert second.tolist() == pytest.approx([leniency.of(t) for t in cooled])
    assert temperatures.visit(1, obs, actions).tolist() == pytest.approx([leniency.of(0.9)] * 2)  # another agent
    assert temperatures.visit(0, obs, torch.tensor([2, 2])).tolist() == pytest.approx([leniency.of(0.9)] * 2)


def test_an_action_cools_by_the_product_of_its_visits():
    temperatures = Temperatures(2, Leniency(moderation=1.0, max_decay=1.0, rho=-0.5, d=0.9))
    obs, actions = torch.ones(1, 1), torch.tensor([1])
    noted = [temperatures.visit(0, obs, actions).item() for _ in range(4)]
    assert noted == pytest.approx([1 - math.exp(-math.exp(-0.5 * k)) for k in range(4)])


def test_observations_share_a_temperature_only_if_they_agree_to_a_thousandth():
    temperatures = Temperatures(1, Leniency())
    for x in (0.5, 0.5004, 0.502, -0.5):
        temperatures.visit(0, torch.tensor([[x]]), torch.tensor([0]))
    assert len(temperatures) == 3


def test_a_lenient_weight_forgives_negative_errors_alone():
    learner = made("lenient")
    weight = learner.loss_weight(errors([1.0, 1.0, 1.0], [2.0, 0.0, 0.0], leniency=[0.9, 0.9, 0.25]))
    assert weight.flatten().tolist() == pytest.approx([1.0, 0.1, 0.75])


def test_padding_does_not_cool_anything():
    one, other = made("lenient"), made("lenient")
    plain = random_episodes([2, 8])
    padded = torch.arange(9) > 2
    changed = replace(
        plain, obs=torch.where(padded[None, :, None, None] & (plain.lengths == 2)[:, None, None, None], 3.0, plain.obs)
    )
    notes = [learner.remember(batch) for learner, batch in ((one, plain), (other, changed))]
    assert torch.equal(notes[0].extras["leniency"], notes[1].extras["leniency"])
    assert len(one.temperatures) == len(other.temperatures) == 3 * (2 + 8)
    assert not notes[0].extras["leniency"][0, 2:].any()


@pytest.mark.parametrize(
    "wrong", [{"moderation": 0.0}, {"max_decay": 1.5}, {"rho": 0.1}, {"d": 0.0}, {"rho": math.nan}]
)
def test_a_leniency_that_makes_no_sense(wrong):
    (name, value) = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=f"{name} is {value}; it must be"):
        Leniency(**wrong)


# Importance weights


def test_probabilities_of_an_epsilon_greedy_team():
    utilities = torch.tensor([[[1.0, 3.0, 2.0], [5.0, 4.0, 9.0]]])
    avail = torch.tensor([[[True, True, True], [True, True, False]]])
    probability = epsilon_greedy_probability(utilities, torch.tensor([[1, 1]]), avail, 0.3)
    assert probability.tolist() == [pytest.approx([0.7 + 0.1, 0.15])]


def test_importance_is_the_product_of_the_others_ratios():
    learner = made("importance_iql")
    batch = random_episodes([2, 3])
    learner.begin_round(0.8, 0)
    stored = learner.remember(batch)
    learner.begin_round(0.2, 100)
    utilities, _ = learner.online["agent"](batch.obs, batch.last_actions)
    new = epsilon_greedy_probability(utilities[:, :-1], batch.actions, batch.avail_actions[:, :-1], 0.2)
    ratio = new / stored.extras["behaviour"]
    weight = learner.importance(Errors(new, new, utilities.detach(), stored))
    assert weight[1, 2].tolist() == pytest.approx(
        [
            (ratio[1, 2, 1] * ratio[1, 2, 2]).item(),
            (ratio[1, 2, 0] * ratio[1, 2, 2]).item(),
            (ratio[1, 2, 0] * ratio[1, 2, 1]).item(),
        ]
    )
    assert not torch.allclose(weight[1], torch.ones_like(weight[1]))


def test_fresh_data_of_an_unchanged_team_count_once():
    learner = made("importance_iql")
    learner.begin_round(0.4, 0)
    stored = learner.remember(BATCH)
    utilities, _ = learner.online["agent"](BATCH.obs, BATCH.last_actions)
    weight = learner.importance(Errors(utilities[:, :-1, :, 0], utilities[:, :-1, :, 0], utilities.detach(), stored))
    torch.testing.assert_close(weight * BATCH.mask, BATCH.mask.expand_as(weight))


# Fingerprints


def test_the_fingerprint_is_part_of_what_an_agent_sees():
    learner = made("fingerprint_iql")
    assert learner.online["agent"].input.w_obs.in_features == SPEC.obs_size + 2
    seen = (BATCH.obs[:4, 0], BATCH.last_actions[:4, 0], None)
    learner.begin_round(1.0, 0)
    early = learner.utilities(*seen)[0]
    stored = learner.remember(BATCH).extras["fingerprint"]
    assert stored[0, 0].tolist() == [1.0, 0.0]
    for _ in range(3):
        learner.update(BATCH)
    learner.begin_round(0.5, 0)
    assert learner.remember(BATCH).extras["fingerprint"][0, 0].tolist() == pytest.approx([0.5, math.log(4) / 10])
    assert stored[0, 0].tolist() == [1.0, 0.0]  # what was noted stays
    assert not torch.equal(early, learner.utilities(*seen)[0])


def test_the_loss_uses_each_episodes_own_fingerprint():
    learner = made("fingerprint_iql")
    before = learner.loss(BATCH)[0]
    changed = {**BATCH.extras, "fingerprint": BATCH.extras["fingerprint"] + 1.0}
    assert not torch.equal(before, learner.loss(replace(BATCH, extras=changed))[0])
    learner.begin_round(0.123, 0)  # the fingerprint of now does not matter to stored data
    assert torch.equal(before, learner.loss(BATCH)[0])


# Quantiles


def test_quantile_huber_of_one_pair_by_hand():
    """theta = (0, 2), y = (1, 5), tau = (1/4, 3/4): mean over y, sum over theta."""
    loss = quantile_huber(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 5.0]))
    first = (0.25 * 0.5 + 0.25 * 4.5) / 2
    second = (0.25 * 0.5 + 0.75 * 2.5) / 2
    assert loss.item() == pytest.approx(first + second)


def test_quantile_regression_finds_the_quantiles():
    """Of 0, 1, ..., 99 the quartile midpoints, tau = 1/8, 3/8, 5/8, 7/8."""
    sample = torch.arange(100.0)
    theta = nn.Parameter(torch.zeros(4))
    optimiser = torch.optim.Adam([theta], lr=0.5)
    for _ in range(600):
        tau = (torch.arange(4) + 0.5) / 4
        delta = sample - theta[:, None]
        loss = ((tau[:, None] - (delta.detach() < 0).float()).abs() * delta.abs()).mean()
        mine = quantile_huber(theta.expand(25, 4), sample.view(25, 4), kappa=0.01).mean()
        optimiser.zero_grad()
        mine.backward()
        optimiser.step()
    assert theta.tolist() == pytest.approx([12.5, 37.5, 62.5, 87.5], abs=2.0)
    assert loss.item() < 12


def test_likelihood_by_hand():
    """Quantiles 0, 1, 2, 10: F rises by 1/3 from each to the next."""
    quantiles = torch.tensor([2.0, 0.0, 10.0, 1.0])
    for target, expected in ((1.0, 1 / 3), (6.0, 1 / 3 / 8), (-5.0, 0.0), (10.0, 1 / 3 / 16), (0.0, 1 / 6)):
        found = likelihood(quantiles, torch.full((4,), target), 0.5)
        assert found.item() == pytest.approx(expected, abs=1e-6)
    assert likelihood(torch.full((4,), 3.0), torch.full((4,), 3.0), 0.5).item() == pytest.approx(1.0)


def test_likely_disappointments_count_and_unlikely_ones_do_not():
    """An action that pays 14 or 0 at random has learnt both: 0 counts. To one that always paid 11, -30 does not."""
    learner = made("likelihood_quantile", beta=0.05)
    chance = torch.tensor([0.0] * 8 + [14.0] * 8)
    certain = torch.full((16,), 11.0)
    weights = learner.weights(
        torch.stack([chance, certain, certain]).view(1, 3, 1, 16),
        torch.tensor([0.0, -30.0, 12.0]).view(1, 3, 1, 1).expand(1, 3, 1, 16).clone(),
    )
    # 7 of 15 steps of F lie at 0
    assert weights.flatten().tolist() == pytest.approx([7 / 15, 0.05, 1.0], abs=0.04)


@pytest.mark.parametrize("agent", [MLPAgent, GRUAgent, TableAgent])
def test_q_is_the_mean_of_the_quantiles(agent):
    network = QuantileAgent(SPEC, agent, 5)
    quantiles, _ = network.quantiles(BATCH.obs, BATCH.last_actions)
    assert quantiles.shape == (*BATCH.obs.shape[:3], SPEC.n_actions, 5)
    torch.testing.assert_close(network(BATCH.obs, BATCH.last_actions)[0], quantiles.mean(-1))


@pytest.mark.parametrize("wrong", [{"n_quantiles": 1}, {"beta": 2.0}, {"tolerance": 0.0}])
def test_quantile_options_that_make_no_sense(wrong):
    (name, value) = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=f"{name} is {value}; it must be"):
        made("likelihood_quantile", **wrong)


# Actor-critics


def logits_and_policy(epsilon=0.1):
    logits = torch.randn(6, 9, 3, 5, generator=generator(4))
    return logits, policy(logits, BATCH.avail_actions, epsilon)


def test_a_policy_has_its_floor_and_no_unavailable_action():
    _, pi = logits_and_policy(0.2)
    count = BATCH.avail_actions.sum(-1, keepdim=True)
    torch.testing.assert_close(pi.sum(-1), torch.ones(6, 9, 3))
    assert not pi[~BATCH.avail_actions].any()
    assert (pi >= 0.2 / count - 1e-7)[BATCH.avail_actions].all()


@pytest.mark.parametrize(("dtype", "size", "atol"), [(torch.float32, 1, 1e-6), (torch.float64, 10, 1e-12)])
def test_the_counterfactual_advantage_has_mean_zero_under_the_policy(dtype, size, atol):
    logits, _ = logits_and_policy()
    pi = policy(logits.to(dtype), BATCH.avail_actions, 0.1)
    q = size * torch.randn(pi.shape, generator=generator(5)).to(dtype)
    mean = (pi * counterfactual_advantage(q, pi)).sum(-1)
    torch.testing.assert_close(mean, torch.zeros(6, 9, 3, dtype=dtype), atol=atol, rtol=0)
    assert (pi * q).sum(-1).abs().max() > size  # of the values themselves the mean is far from zero


def test_the_critic_does_not_see_the_agents_own_action():
    """Agent 1's row of values stays when its own action changes; every other agent's row moves."""
    torch.manual_seed(0)
    critic = CounterfactualCritic(SPEC)
    args = (BATCH.state[:, :-1], BATCH.obs[:, :-1], BATCH.last_actions[:, :-1])
    before = critic(*args, BATCH.actions)
    changed = BATCH.actions.clone()
    changed[..., 1] = (changed[..., 1] + 1) % SPEC.n_actions
    after = critic(*args, changed)
    assert torch.equal(before[:, :, 1], after[:, :, 1])
    assert (before != after)[:, :, [0, 2]].any(-1).all()


def test_the_critic_is_one_network_of_all_that_it_reads():
    """Its first layer adds up parts; one row of all inputs, with zeros for the agent's own action, gives the same."""
    torch.manual_seed(0)
    critic, last_actions = CounterfactualCritic(SPEC), BATCH.last_actions[:, :-1]
    q = critic(BATCH.state[:, :-1], BATCH.obs[:, :-1], last_actions, BATCH.actions)
    assert (last_actions == SPEC.n_actions).any()
    for b, t, agent in [(b, t, agent) for b in range(6) for t in range(8) for agent in range(3)]:
        last, now = torch.zeros(2, 3, SPEC.n_actions)
        for n in range(3):
            if last_actions[b, t, n] < SPEC.n_actions:
                last[n, last_actions[b, t, n]] = 1
            if n != agent:
                now[n, BATCH.actions[b, t, n]] = 1
        who = torch.eye(3)[agent]
        row = torch.cat([BATCH.state[b, t], BATCH.obs[b, t, agent], who, last.flatten(), now.flatten()])
        torch.testing.assert_close(q[b, t, agent], critic.body(critic.first(row)))


def test_coma_bootstraps_along_the_actions_taken_and_at_a_time_limit_from_the_likeliest_ones():
    """Against a recursion written out by hand, for the one truncated and the one terminated episode."""
    learner = made("coma", settings=replace(SETTINGS, gamma=0.9, td_lambda=0.8))
    batch = random_episodes([3, 2])  # the first terminates, the second is cut
    logits, _ = learner.online["agent"](batch.obs, batch.last_actions)
    targets = learner.critic_targets(batch, learner.joint_actions(batch, logits))
    critic = learner.target["critic"]
    for b, length in enumerate([3, 2]):
        likeliest = logits[b].masked_fill(~batch.avail_actions[b], -torch.inf).argmax(-1)
        following = torch.zeros(3)
        for t in reversed(range(length)):
            taken = batch.actions[b, t + 1] if t + 1 < length else likeliest[t + 1]
            q = critic(
                batch.state[b, t + 1][None, None],
                batch.obs[b, t + 1][None, None],
                batch.actions[b, t][None, None],
                taken[None, None],
            )
            value = q[0, 0].gather(-1, taken[:, None]).squeeze(-1)
            future = value if t + 1 == length else 0.2 * value + 0.8 * following
            following = batch.reward[b, t] + 0.9 * (1 - batch.terminated[b, t]) * future
            torch.testing.assert_close(targets[b, t], following.detach())


def test_the_actor_climbs_its_advantage():
    """One gradient step makes an action with a positive advantage likelier, and one with a negative one less likely."""
    spec, batch = one_step([5.0, -5.0], [(0, 0), (1, 1)])
    for algorithm in ("coma", "iac"):
        learner = made(algorithm, spec=spec, settings=LearnerSettings(learning_rate=0.01))
        learner.begin_round(0.1, 0)
        for _ in range(40):
            learner.update(batch)
        logits, _ = learner.online["agent"](batch.obs, batch.last_actions)
        pi = policy(logits[:, 0], batch.avail_actions[:, 0], 0.0)
        assert (pi[0, :, 0] > pi[0, :, 1] + 0.2).all()


def test_policies_are_sampled_in_training_and_greedy_in_evaluation():
    env = make_env("matrix/climbing", 256)
    learner = made("coma", spec=env.spec)
    learner.begin_round(0.5, 0)
    batch, _ = play(env, learner, 0.5, generator())
    utilities, _ = learner.utilities(batch.obs[:, 0], batch.last_actions[:, 0], None)
    pi = policy(utilities, batch.avail_actions[:, 0], 0.5)[0, 0]
    share = torch.bincount(batch.actions[:, 0, 0], minlength=3) / 256
    assert (share - pi).abs().max() < 0.1  # 3 standard deviations
    greedy, _ = play(env, learner, None, generator())
    assert (greedy.actions == utilities.argmax(-1)[:, None]).all()


# Replay rules


def test_on_policy_learners_see_the_newest_round_once():
    replay = NewestEpisodes(SPEC, QUICK, {})
    replay.add(random_episodes([2, 3]))
    newest = random_episodes([1, 4, 2], seed=1)
    replay.add(newest)
    assert len(replay) == 3
    assert [batch is newest for batch in replay.batches(generator())] == [True]
    assert list(replay.batches(generator())) == []


ONE = EnvSpec("one", 1, 2, 3, obs_size=1, state_size=1, episode_limit=1)


def intervals(quiet=0, **sizes):
    replay = NegativeUpdateIntervals(ONE, replace(QUICK, batch_size=1, **sizes), {})
    replay.quiet_episodes = quiet
    return replay


def kept_by(replay, agent):
    """Return the (action, return) of the episodes that an agent may draw."""
    drawn = replay.gather(range(len(replay)))
    oldest = replay.episodes_added - len(replay)
    numbers = sorted(e - oldest for m in replay._known[agent] for e in m.episodes)
    return [(drawn.actions[i, 0, agent].item(), drawn.reward[i, 0, 0].item()) for i in numbers]


def test_at_first_only_the_best_return_of_a_meta_action_is_kept():
    """Agent 0 plays 0, 0, 0, 1: of its action 0 it keeps the 11; agent 1 plays 0, 1, 2, 2."""
    replay = intervals(quiet=100)
    replay.add(one_step([-30.0, 11.0, 0.0, 6.0], [(0, 0), (0, 1), (0, 2), (1, 2)])[1])
    assert kept_by(replay, 0) == [(0, 11.0), (1, 6.0)]
    assert kept_by(replay, 1) == [(0, -30.0), (1, 11.0), (2, 6.0)]
    replay.add(one_step([0.0], [(0, 0)])[1])  # worse than agent 0's 11, better than agent 1's -30
    assert sorted(kept_by(replay, 1)) == [(0, 0.0), (1, 11.0), (2, 6.0)]
    replay.add(one_step([-9.0], [(0, 1)])[1])  # worse than both know: not even stored
    assert replay.episodes_added == 5


def test_the_interval_opens_to_the_mean_less_a_standard_deviation():
    """14 or 0 at random: once the interval has opened, the 0 is kept too; what is far below stays out."""
    replay = intervals()
    replay.decay = 1.0
    rewards = [14.0, 0.0] * 20
    for reward in rewards:
        replay.add(one_step([reward], [(1, 1)])[1])
    assert replay._known[0][1].lower == pytest.approx(7 - 7 - 0.15 * 14, abs=0.3)
    assert (1, 0.0) in kept_by(replay, 0)
    before = replay.episodes_added
    replay.add(one_step([-60.0], [(1, 1)])[1])
    assert replay.episodes_added == before


def test_each_agent_draws_from_its_own_memory():
    replay = intervals(quiet=100)
    replay.add(one_step([11.0, 0.0, 5.0], [(0, 0), (0, 1), (2, 1)])[1])
    assert kept_by(replay, 0) == [(0, 11.0), (2, 5.0)]
    assert kept_by(replay, 1) == [(0, 11.0), (1, 5.0)]
    g, seen = generator(), set()
    for _ in range(20):
        for batch in replay.batches(g):
            assert batch.extras["owner"].squeeze(1).tolist() == [[1, 0], [0, 1]]
            seen |= {(a, batch.actions[a, 0, a].item(), batch.reward[a, 0, 0].item()) for a in (0, 1)}
    assert seen == {(0, 0, 11.0), (0, 2, 5.0), (1, 0, 11.0), (1, 1, 5.0)}


def test_only_the_owner_learns_from_an_episode():
    spec, batch = one_step([3.0, 3.0], [(0, 0), (0, 0)])
    learner = made("nui", TableAgent, spec=spec)
    learner.update(replace(batch, extras={"owner": torch.tensor([[[1.0, 0.0]]]).expand(2, 1, 2)}))
    assert learner.online["agent"].table[0, 0, 0] != 0
    assert not learner.online["agent"].table[1].any()


def test_episodes_that_leave_the_buffer_leave_every_memory():
    replay = intervals(quiet=100, buffer_episodes=3)
    for action in (0, 1, 2, 2, 2):
        replay.add(one_step([4.0], [(action, action)])[1])
    assert kept_by(replay, 0) == [(2, 4.0)] * 3


# What must not matter, for every one of them


def loss_and_gradients(learner, batch):
    loss, _ = learner.loss(batch)
    return [loss.detach(), *torch.autograd.grad(loss, list(learner.online.parameters()), materialize_grads=True)]


@every_one_of_ours
@pytest.mark.parametrize("agent", [MLPAgent, GRUAgent])
def test_an_unavailable_action_is_of_no_consequence(algorithm, agent):
    """Its outputs may be what they like: loss and gradients stay, bit for bit."""
    avail = BATCH.avail_actions.clone()
    avail[..., 2] = False
    avail[..., 1] = True
    batch = replace(BATCH, avail_actions=avail, actions=torch.where(BATCH.actions == 2, 1, BATCH.actions))
    learner = made(algorithm, agent)
    learner.begin_round(0.3, 0)
    before = loss_and_gradients(learner, batch)
    freed = replace(batch, avail_actions=torch.ones_like(avail))
    free_before = loss_and_gradients(learner, freed)
    for network in (learner.online, learner.target):
        last = [layer for layer in network["agent"].modules() if isinstance(layer, nn.Linear)][-1]
        last.bias.data.view(SPEC.n_actions, -1)[2] = 1e3
    after = loss_and_gradients(learner, batch)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert any(gradient.any() for gradient in after[1:])
    free_after = loss_and_gradients(learner, freed)  # the negative control
    assert not torch.equal(free_before[0], free_after[0])
    assert not all(torch.equal(one, other) for one, other in zip(free_before[1:], free_after[1:], strict=True))


@pytest.mark.parametrize("algorithm", ["likelihood_quantile", "fingerprint_iql", "coma", "iac"])
def test_an_episodes_loss_does_not_depend_on_its_neighbours(algorithm):
    """The loss of a batch is the mean of its episodes' losses, weighted by their lengths."""
    learner = made(algorithm)
    learner.begin_round(0.3, 0)
    alone = [learner.loss(BATCH.select(torch.arange(6) == i))[0] * BATCH.lengths[i] for i in range(6)]
    torch.testing.assert_close(learner.loss(BATCH)[0], sum(alone) / BATCH.lengths.sum(), rtol=1e-4, atol=1e-5)


def trained(algorithm, seed, steps=64, agent=MLPAgent):
    env = make_env("two-step", 4, seed)
    training = Training(env, made(algorithm, agent, seed, spec=env.spec), QUICK, seed)
    for _ in training.run(steps):
        pass
    return training


def parameters(training):
    return [p.tolist() for p in training.learner.online.parameters()]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_seed_repeats_a_training_bit_for_bit(algorithm):
    """Play, replay and updates together, for every algorithm of the library."""
    one, same, other = (trained(algorithm, seed) for seed in (1, 1, 2))
    assert one.learner.updates > 4
    assert parameters(one) == parameters(same)
    assert parameters(one) != parameters(other)


@every_one_of_ours
def test_resuming_equals_never_having_stopped(algorithm, tmp_path):
    """Through the disk, as a run does it: all that was noted and kept comes back."""
    whole, half = trained(algorithm, 3, steps=96), trained(algorithm, 3, steps=48)
    checkpoint.save(tmp_path / "state.pt", {**half.state_dict(), "chunk": half.replay.chunk(0)})
    state = checkpoint.load(tmp_path / "state.pt")
    resumed = trained(algorithm, 9, steps=8)  # another training, whose state must not shine through
    fresh = Training(make_env("two-step", 4, 9), resumed.learner, QUICK, 9)
    if state["chunk"]:
        fresh.replay.load_chunk(state["chunk"])
        fresh.replay.episodes_added = half.replay.episodes_added
    fresh.load_state_dict(copy.deepcopy(state))
    for _ in fresh.run(96):
        pass
    assert parameters(fresh) == parameters(whole)


@every_one_of_ours
def test_every_agent_network_will_do(algorithm):
    for agent in (GRUAgent, TableAgent):
        assert trained(algorithm, 0, steps=24, agent=agent).learner.updates > 0


def test_settings_know_what_an_algorithm_needs():
    """On-policy learners do not explore uniformly for ever where the others do, and COMA's lambda is the paper's."""
    assert train_settings("matrix/climbing").epsilon_finish == 1.0
    assert train_settings("matrix/climbing", "coma").epsilon_finish == 0.02
    assert train_settings("matrix/climbing", "lenient").epsilon_finish == 0.05
    assert learner_settings("smax/3m", "coma").td_lambda == 0.8
    assert learner_settings("smax/3m", "vdn") == learner_settings("smax/3m")
    assert isinstance(
        Training(make_env("two-step", 4), made("nui", spec=make_env("two-step", 4).spec), QUICK).replay, UniformReplay
    )


@pytest.mark.parametrize("algorithm", ["nui", "lenient", "coma", "fingerprint_iql"])
def test_a_run_on_disk_goes_on_as_if_it_had_never_stopped(algorithm, tmp_path, monkeypatch):
    """The folder of a stopped run holds all that such a learner and its replay rule have to have again."""
    monkeypatch.setattr(runs, "SAVE_EVERY_SECONDS", -1.0)
    settings = RunSettings(
        env="two-step",
        algorithm=algorithm,
        agent="mlp",
        steps=128,
        seed=3,
        learner=SETTINGS,
        train=replace(QUICK, log_interval=8, eval_interval=64, eval_episodes=4),
    )
    whole, stopped = Run.create(tmp_path / "whole", settings), Run.create(tmp_path / "stopped", settings)
    list(whole.train())
    for i, _ in enumerate(stopped.train()):
        if i == 6:
            stopped.stop()
    assert not stopped.finished
    list(Run.open(tmp_path / "stopped").train())
    one, other = (checkpoint.load(tmp_path / name / "policy.pt")["online"] for name in ("whole", "stopped"))
    assert all(torch.equal(one[name], other[name]) for name in one)


# Learning, on the ordinary path

MILD = MatrixGame("mild", [[0.0, 2.0], [2.0, 5.0]], source="a test")


@every_one_of_ours
def test_everyone_solves_an_easy_game(algorithm):
    """Where the mean already points to the optimum, each of them finds it, in a second."""
    settings = TrainSettings(
        n_envs=16, updates_per_round=2, batch_size=16, epsilon_start=0.5, epsilon_finish=0.05, epsilon_steps=800
    )
    env = make_env(MILD, 16, 0)
    learner = made(
        algorithm, spec=env.spec, settings=LearnerSettings(td_lambda=0.0, learning_rate=1e-2, target_interval=20)
    )
    *_, last = train(env, learner, 1_200, settings=settings)
    assert last["mean_return"] == 5.0


@pytest.mark.parametrize(
    ("algorithm", "game", "payoff"),
    [
        ("iql", "climbing", 5.0),  # the mean of what its teammate does is highest there
        ("hysteretic", "climbing", 11.0),
        ("hysteretic", "climbing-fully-stochastic", 7.0),  # takes chance for mistakes
        ("nui", "climbing-fully-stochastic", 11.0),
    ],
)
def test_who_climbs(algorithm, game, payoff):
    """What the benchmark finds in every seed, once: who ends at which joint action."""
    settings = TrainSettings(
        n_envs=32, updates_per_round=4, epsilon_steps=6_000, eval_interval=10**9, eval_episodes=1, log_interval=10**9
    )
    env = make_env(catalogue[game].shuffled(np.random.default_rng(1)), 32, 1)
    values = LearnerSettings(td_lambda=0.0, learning_rate=5e-3)
    learner = made(algorithm, spec=env.spec, seed=1, settings=values)
    for _ in train(env, learner, 8_000, settings=settings, seed=1):
        pass
    seen = env.reset()
    utilities, _ = learner.utilities(seen.obs, torch.full((32, 2), 3), None)
    a, b = learner.greedy(utilities, seen.avail_actions)[0].tolist()
    assert env.game.payoff[a, b] == payoff

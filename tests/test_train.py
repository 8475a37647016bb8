"""Learning, on the ordinary path from an environment to a trained team; and how a team is evaluated."""

from dataclasses import replace

import pytest
import torch
from factories import Treadmill, generator

import qmix_edu
from qmix_edu import algorithms, evaluate, make_env, train, wilson_interval
from qmix_edu.agents import GRUAgent, MLPAgent, TableAgent
from qmix_edu.envs.small import TwoStepGame
from qmix_edu.learner import LearnerSettings
from qmix_edu.rollout import play
from qmix_edu.settings import TrainSettings, default_steps, learner_settings, train_settings
from qmix_edu.train import Training
from qmix_edu.types import EnvironmentFailedError

QUICK = TrainSettings(n_envs=4, updates_per_round=2, batch_size=8, epsilon_steps=100, log_interval=16, eval_interval=40)


# The two-step game


def state_1_values(env, learner):
    """Return the learner's value of agent 1's two actions in state 1 (the other agent's is of no consequence)."""
    seen = env.reset()
    utilities, _ = learner.utilities(seen.obs, torch.full((env.spec.n_envs, 2), 2), None)
    joint = torch.tensor([[[0, 0], [0, 1]], [[1, 0], [1, 1]]])
    value = [
        [learner.value(utilities[:1], joint[a, b][None], seen.avail_actions[:1], seen.state[:1])[0, 0] for b in (0, 1)]
        for a in (0, 1)
    ]
    return torch.tensor(value)


@pytest.mark.parametrize(
    ("algorithm", "values", "final_return"),
    [
        ("iql", (6.93, 0.99 * 4.5), 7),  # B leads to 2B, where an agent alone sees the mean of (1, 8)
        ("vdn", (6.93, 6.435), 7),  # the sum's best value of 2B is 6.5
        ("qmix", (6.93, 7.92), 8),
    ],
)
def test_who_solves_the_two_step_game(algorithm, values, final_return):
    """Exact values of state 1 for a uniformly exploring team, gamma .99, in at least 4 of 5 seeds."""
    learner_values = LearnerSettings(td_lambda=0.0, learning_rate=4e-2, target_interval=25)
    settings = replace(train_settings("two-step"), n_envs=256, eval_interval=10**9, eval_episodes=1)
    good = 0
    for seed in range(5):
        env = make_env("two-step", settings.n_envs, seed)
        learner = getattr(algorithms, algorithm)(env.spec, seed=seed, agent=TableAgent, settings=learner_values)
        *_, last = train(env, learner, 40_000, settings=settings, seed=seed)
        error = (state_1_values(env, learner) - torch.tensor(values)[:, None]).abs().max()
        good += bool(error < 0.1) and last["mean_return"] == final_return
    assert good >= 4


def test_the_rewards_of_environments_of_others_are_not_scaled_as_those_of_smax():
    for name in ("pettingzoo/mpe2.simple_spread_v3", "gymnasium/lbforaging:Foraging-5x5-2p-1f-v3"):
        assert learner_settings(name).reward_scale == 1.0 < learner_settings("smax/3m").reward_scale
        assert default_steps(name) < default_steps("smax/3m")


def test_the_presets_explore_small_games_uniformly():
    for name in ("two-step", "matrix/qtran"):
        settings = train_settings(name)
        assert settings.epsilon(0) == settings.epsilon(default_steps(name)) == 1.0
    assert learner_settings("two-step").td_lambda == 0.0  # a uniform team's returns are not the greedy team's


# Time limits


@pytest.mark.parametrize("algorithm", ["iql", "vdn", "qmix"])
def test_a_time_limit_bootstraps_on_the_ordinary_path(algorithm):
    """A treadmill that pays 1 a step for ever is worth 2 at gamma 1/2; as if it ended after 3 steps, 1.5."""
    env = Treadmill()
    settings = LearnerSettings(gamma=0.5, learning_rate=0.05, target_interval=5)
    learner = getattr(algorithms, algorithm)(env.spec, agent=TableAgent, settings=settings)
    *_, last = train(env, learner, 12 * 60, settings=replace(QUICK, updates_per_round=4))
    assert last["mean_return"] == 3.0
    utilities, _ = learner.utilities(env.reset().obs, torch.full((4, 2), 2), None)
    value = learner.value(utilities, utilities.argmax(-1), torch.ones(4, 2, 2, dtype=torch.bool), torch.ones(4, 1))
    assert value.flatten().tolist() == pytest.approx([2.0] * value.numel(), abs=0.02)


class SomeEndEarly(Treadmill):
    """Copy 0 is aborted in step 2, copy 1 terminates (and wins) in step 1, the others meet the time limit."""

    def reset(self):
        self.over = torch.zeros(4, 1, dtype=torch.bool)
        return super().reset()

    def step(self, actions):
        transition = super().step(actions)
        row = torch.arange(4)[:, None]
        ends = (row == 1) & (self._time == 1)
        aborts = (row == 0) & (self._time == 2)
        result = replace(
            transition,
            reward=transition.reward * ~self.over,
            terminated=ends,
            truncated=transition.truncated & ~self.over,
            won=ends,
            aborted=aborts,
        )
        self.over = self.over | ends | aborts
        return result


def test_episodes_of_different_ends_side_by_side():
    """An aborted episode is dropped; a terminated one is marked, a truncated one is not; padding is masked."""
    env = SomeEndEarly()
    batch, won = play(env, algorithms.vdn(env.spec), 1.0, generator())
    assert len(batch) == 3
    assert batch.lengths.tolist() == [1, 3, 3]
    assert batch.terminated.squeeze(-1).tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert batch.returns.tolist() == [1, 3, 3]
    assert won.tolist() == [True, False, False]


class AlwaysAborts(Treadmill):
    def step(self, actions):
        transition = super().step(actions)
        everything = torch.ones(4, 1, dtype=torch.bool)
        return replace(transition, reward=torch.zeros(4, 1), truncated=~everything, aborted=everything)


def test_an_environment_that_only_crashes_is_given_up():
    env = AlwaysAborts()
    learner = algorithms.vdn(env.spec)
    with pytest.raises(EnvironmentFailedError, match="treadmill aborted every episode of 5 rounds"):
        list(train(env, learner, 100, settings=QUICK))
    with pytest.raises(EnvironmentFailedError, match="treadmill aborted every episode of 5 rounds"):
        evaluate(env, learner, 8)


class EverySecondRoundAborts(Treadmill):
    rounds = 0

    def reset(self):
        self.rounds += 1
        return super().reset()

    def step(self, actions):
        transition = super().step(actions)
        aborted = torch.full((4, 1), self.rounds % 2 == 0)
        return replace(transition, truncated=transition.truncated & ~aborted, aborted=aborted)


def test_an_environment_that_crashes_now_and_then_is_evaluated():
    env = EverySecondRoundAborts()
    assert evaluate(env, algorithms.vdn(env.spec), 32)["eval_episodes"] == 32
    assert env.rounds == 15  # seven were lost, and never two in a row


# What is logged, and that a seed repeats it


@pytest.mark.parametrize("agent", [MLPAgent, GRUAgent, TableAgent])
def test_a_seed_repeats_training_bit_for_bit(agent):
    def trained(seed):
        env = make_env("matrix/climbing-fully-stochastic", 4, seed)
        learner = algorithms.qmix(env.spec, seed=seed, agent=agent)
        logged = [{**m, "cpu_seconds": 0} for m in train(env, learner, 160, settings=QUICK, seed=seed)]
        return logged, [p.tolist() for p in learner.online.parameters()]

    one, same, other = trained(1), trained(1), trained(2)
    assert one == same
    assert one[1] != other[1]


def test_evaluating_changes_nothing():
    """How often a run is evaluated leaves its result as it is, even where payoffs are drawn at random."""
    results = []
    for eval_interval in (16, 10**9):
        env = make_env("matrix/climbing-fully-stochastic", 4, 0)
        learner = algorithms.vdn(env.spec)
        for _ in train(env, learner, 160, settings=replace(QUICK, eval_interval=eval_interval)):
            pass
        results.append([p.tolist() for p in learner.online.parameters()])
    assert results[0] == results[1]


def test_logged_numbers_are_what_they_say():
    env = TwoStepGame(4)
    logged = list(train(env, algorithms.vdn(env.spec), 160, settings=QUICK))
    assert [m["env_steps"] for m in logged] == list(range(16, 161, 16))[:2] + [
        40,
        48,
        64,
        80,
        96,
        112,
        120,
        128,
        144,
        160,
    ]
    for m in logged:
        rounds = m["env_steps"] // 8
        assert m["episodes"] == 4 * rounds
        assert m["updates"] == 2 * (rounds - 1)
        assert m["epsilon"] == pytest.approx(max(0.05, 1 - 0.95 * (m["env_steps"] - 8) / 100))
        assert 0 <= m["train_return"] <= 8
        assert ("eval_episodes" in m) == (m["env_steps"] % 40 == 0)
    seconds = [m["cpu_seconds"] for m in logged]
    assert seconds == sorted(seconds)
    assert logged[-1]["win_rate"] is None  # nothing can be won


def test_no_gradient_step_before_there_are_episodes_enough():
    env = TwoStepGame(4)
    first = next(train(env, algorithms.vdn(env.spec), 8, settings=replace(QUICK, batch_size=5)))
    assert first["updates"] == 0
    assert first["loss"] is None


def test_a_round_can_be_the_last(monkeypatch):
    env = TwoStepGame(4)
    training = Training(env, algorithms.vdn(env.spec), QUICK)
    for _ in training.run(160):
        training.stop_requested = True
    assert training.env_steps == 16


@pytest.mark.parametrize("steps", [0, -5])
def test_steps_that_make_no_sense(steps):
    env = TwoStepGame(4)
    with pytest.raises(ValueError, match=f"Asked for {steps} environment steps; 1 is the least"):
        list(train(env, algorithms.vdn(env.spec), steps))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_envs": 0}, "n_envs is 0; it must be 1 or more"),
        ({"batch_size": -1}, "batch_size is -1; it must be 1 or more"),
        ({"epsilon_start": 2.0}, "1 is the most"),
        ({"epsilon_finish": -0.1}, "epsilon_finish is -0.1; it must be 0 or more"),
        ({"epsilon_start": float("nan")}, "epsilon_start is nan"),
        ({"log_interval": 0}, "log_interval is 0"),
        ({"eval_episodes": 0}, "eval_episodes is 0"),
        ({"batch_size": 64, "buffer_episodes": 32}, "batch_size is 64; it must be 32 or less"),
    ],
)
def test_settings_that_make_no_sense(wrong, message):
    with pytest.raises(ValueError, match=message):
        TrainSettings(**wrong)


def test_a_buffer_that_cannot_hold_a_batch():
    """A batch of 8 of the longest episodes takes 8 * 3 rows; with one byte less there might never be an update."""
    env = TwoStepGame(4)
    learner = algorithms.vdn(env.spec)
    row_bytes = 2 * 8 + 4 + 4 + 2 * 3 * 4 + 3 * 4 + 2 * 2
    Training(env, learner, replace(QUICK, batch_size=8, buffer_bytes=24 * row_bytes))
    with pytest.raises(ValueError, match="room for 7 episodes of two-step at the least, but a batch takes 8"):
        Training(env, learner, replace(QUICK, batch_size=8, buffer_bytes=24 * row_bytes - 1))


@pytest.mark.parametrize("algorithm", ["coma", "iac"])
def test_a_buffer_that_cannot_hold_a_round(algorithm):
    """On-policy a batch is the round: as many episodes as there are environments, whatever batch_size says."""
    env = TwoStepGame(4)
    learner = algorithms.ALGORITHMS[algorithm](env.spec)
    row_bytes = 2 * 8 + 4 + 4 + 2 * 3 * 4 + 3 * 4 + 2 * 2
    enough = replace(QUICK, batch_size=8, buffer_bytes=12 * row_bytes)
    assert Training(env, learner, enough).round()["loss"] is not None
    message = "room for 3 episodes of two-step at the least, but a batch takes 4; allow more bytes, or make n_envs smal"
    with pytest.raises(ValueError, match=message):
        Training(env, learner, replace(enough, buffer_bytes=12 * row_bytes - 1))
    with pytest.raises(ValueError, match="one episode of two-step takes up to"):
        Training(env, learner, replace(enough, buffer_bytes=3 * row_bytes - 1))


def test_a_learner_of_another_environment():
    learner = algorithms.vdn(TwoStepGame(4).spec)
    env = qmix_edu.make_env("matrix/climbing", n_envs=4)
    for use in (lambda: next(train(env, learner, 10)), lambda: evaluate(env, learner, 4)):
        with pytest.raises(ValueError, match="made for two-step .* and cannot play matrix/climbing"):
            use()


# Evaluation


def test_evaluation_is_greedy_and_exact():
    """A team that prefers B, then B and B, is paid 8 in each of exactly as many episodes as were asked for."""
    env = TwoStepGame(4)
    learner = algorithms.vdn(env.spec, agent=TableAgent)
    learner.online["agent"].table.data[:, :, 1] = 1.0
    assert evaluate(env, learner, 6) == {"win_rate": None, "mean_return": 8.0, "eval_episodes": 6}
    learner.online["agent"].table.data[0, 2, 1] = -1.0  # agent 1 takes A in 2B
    assert evaluate(env, learner, 6)["mean_return"] == 1.0


def test_wins_are_counted():
    env = SomeEndEarly()
    env.spec = replace(env.spec, has_wins=True)
    result = evaluate(env, algorithms.vdn(env.spec), 6)  # two rounds of three, one of them won
    assert result["win_rate"] == pytest.approx(1 / 3)
    assert result["mean_return"] == pytest.approx(7 / 3)


def test_no_episodes_to_evaluate():
    env = TwoStepGame(4)
    with pytest.raises(ValueError, match="Asked for 0 evaluation episodes; 1 is the least"):
        evaluate(env, algorithms.vdn(env.spec), 0)


def test_wilson_interval():
    """For 8 of 10: (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), with z = 1.96."""
    assert wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson_interval(0, 10)[0] == 0.0


def test_the_names_that_scripts_rely_on():
    assert all(hasattr(qmix_edu, name) for name in qmix_edu.__all__)

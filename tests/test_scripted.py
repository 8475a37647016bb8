"""A team with hand-written utilities plays where a learner does, under the same mask."""

import numpy as np
import pytest
import torch

from qmix_edu import evaluate, make_env
from qmix_edu.battles import record_battles
from qmix_edu.rollout import play
from qmix_edu.scripted import ScriptedTeam


@pytest.fixture(scope="module")
def env():
    return make_env("smax/3m", n_envs=4, seed=0)


def always(utilities):
    return lambda obs: np.broadcast_to(np.array(utilities, dtype=float), (*obs.shape[:2], len(utilities)))


def test_the_best_available_action_is_played(env):
    """Shots are worth most and unavailable at first: they may not be played before the mask allows them."""
    team = ScriptedTeam(env.spec, always([0, 1, 0, 0, 0, 4, 3, 2]))
    batch, _ = play(env, team, None, torch.Generator())
    for b, length in enumerate(batch.lengths.tolist()):
        available = batch.avail_actions[b, :length]
        order = torch.tensor([0, 5, 0, 0, 1, 8, 7, 6])  # by falling worth; the dead can only stop
        best = torch.where(available, order, -1).argmax(-1)
        assert torch.equal(batch.actions[b, :length], best)
    assert (batch.actions >= 5).any() and (batch.actions[:, 0] == 1).all()


def test_the_rule_is_given_every_agents_own_observation(env):
    seen = []

    def rule(obs):
        seen.append(obs)
        return always([0, 0, 0, 0, 1, 0, 0, 0])(obs)

    batch, _ = play(env, ScriptedTeam(env.spec, rule), None, torch.Generator())
    np.testing.assert_array_equal(np.stack(seen, axis=1), batch.obs[:, :-1].numpy())


def test_evaluation_and_recording_play_the_same_battles(env):
    team = ScriptedTeam(env.spec, always([0, 1, 0, 0, 0, 4, 3, 2]))
    key = env.rng_state()
    battles = record_battles(env, team)
    env.set_rng_state(key)
    measured = evaluate(env, team, 4)
    assert measured["win_rate"] == np.mean([battle.won for battle in battles])
    assert measured["mean_return"] == pytest.approx(np.mean([battle.reward.sum() for battle in battles]))


def test_epsilon_explores(env):
    team = ScriptedTeam(env.spec, always([0, 0, 0, 0, 1, -1, -1, -1]))
    calm, _ = play(env, team, 0.0, torch.Generator())
    wild, _ = play(env, team, 1.0, torch.Generator())
    assert (calm.actions == 4).all() and len(wild.actions[:, :5].unique()) == 5


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda obs: np.zeros(8), r"shape \(8,\), expected \(4, 3, 8\)"),
        (always([0, 1, 0]), r"shape \(4, 3, 3\), expected \(4, 3, 8\)"),
        (always([0, 1, 0, np.nan, 0, 0, 0, 0]), r"nan at \(0, 0, 3\)"),
    ],
)
def test_utilities_that_do_not_fit_are_refused(env, rule, message):
    with pytest.raises(ValueError, match=message):
        play(env, ScriptedTeam(env.spec, rule), None, torch.Generator())


def test_a_team_made_for_other_sizes_is_refused(env):
    other = make_env("matrix/climbing", n_envs=4, seed=0)
    with pytest.raises(ValueError, match="cannot play matrix/climbing"):
        play(other, ScriptedTeam(env.spec, always([0])), None, torch.Generator())

"""Matrix games and the two-step game pay what their tables say."""

import inspect
import itertools

import numpy as np
import pytest
import torch

from matrix_games import MatrixGame, catalogue
from qmix_edu.envs import UnknownNameError, env_names, make_env
from qmix_edu.envs.conformance import check_conformance
from qmix_edu.envs.small import MatrixGameEnv, TwoStepGame

UNEVEN = MatrixGame("uneven", np.arange(6.0).reshape(2, 3), source="a test", note="agent 0 has an action less")


@pytest.mark.parametrize("game", [*catalogue.values(), UNEVEN], ids=lambda game: game.name)
def test_matrix_games_keep_the_contract(game):
    assert check_conformance(make_env(game, 3)) == []


def test_the_two_step_game_keeps_the_contract():
    assert check_conformance(make_env("two-step", 3)) == []


@pytest.mark.parametrize("name", ["qtran", "climbing", "platonia-like-3"])
def test_every_joint_action_is_paid(name):
    payoff = catalogue[name].payoff
    joint = list(itertools.product(*(range(m) for m in payoff.shape)))
    env = make_env(f"matrix/{name}", len(joint))
    env.reset()
    transition = env.step(torch.tensor(joint))
    assert transition.reward.flatten().tolist() == payoff.flatten().tolist()
    assert transition.terminated.all()
    assert not transition.truncated.any()


def test_a_stochastic_game_pays_its_outcomes_at_their_rates():
    game = catalogue["climbing-fully-stochastic"]
    env = make_env(game, 4000, seed=0)
    env.reset()
    reward = env.step(torch.tensor([[1, 1]]).expand(4000, 2)).reward  # 14 or 0, each half the time
    assert set(reward.unique().tolist()) == {14.0, 0.0}
    assert (reward == 14).float().mean().item() == pytest.approx(0.5, abs=0.04)


def test_the_generator_comes_back():
    env = make_env("matrix/climbing-fully-stochastic", 50, seed=0)
    actions = torch.zeros(50, 2, dtype=torch.long)

    def play():
        env.reset()
        return env.step(actions).reward.tolist()

    state = env.rng_state()
    first, second = play(), play()
    env.set_rng_state(state)
    assert [play(), play()] == [first, second]
    assert first != second
    assert (
        make_env("matrix/climbing-fully-stochastic", 50, seed=1).rng_state()["numpy"].tolist()
        != state["numpy"].tolist()
    )


def test_the_two_step_game_is_the_papers():
    """Agent 1's first action alone chooses the table; the first step pays nothing, and the second ends it."""
    joint = list(itertools.product(range(2), repeat=4))
    env = TwoStepGame(len(joint))
    actions = torch.tensor(joint)
    assert env.reset().state.tolist() == [[1, 0, 0]] * 16
    first = env.step(actions[:, :2])
    assert not first.reward.any() and not first.terminated.any()
    assert first.observation.state.argmax(1).tolist() == (1 + actions[:, 0]).tolist()
    assert torch.equal(first.observation.obs[:, 0], first.observation.state)
    assert torch.equal(first.observation.obs[:, 1], first.observation.state)
    second = env.step(actions[:, 2:])
    table_2b = [[0, 1], [1, 8]]
    assert second.reward.flatten().tolist() == [7 if a == 0 else table_2b[c][d] for a, _, c, d in joint]
    assert second.terminated.all() and not second.truncated.any()


def test_after_the_end_nothing_is_paid():
    for env in (make_env("matrix/qtran", 2), TwoStepGame(2)):
        env.reset()
        actions = torch.zeros(2, 2, dtype=torch.long)
        for _ in range(env.spec.episode_limit):
            last = env.step(actions)
        after = env.step(actions)
        assert last.reward.all() and last.terminated.all()
        assert not after.reward.any() and not after.terminated.any()
        assert torch.equal(after.observation.state, last.observation.state)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ([[0, 0], [2, 0]], "Action 2 of agent 0 in environment 1 is not available; it may take one of \\[0, 1\\]"),
        ([[0, 3], [0, 0]], "Action 3 of agent 1 in environment 0"),
        ([[-1, 0], [0, 0]], "Action -1 of agent 0 in environment 0"),
    ],
)
def test_actions_that_are_not_there(actions, message):
    env = MatrixGameEnv(UNEVEN, 2)
    env.reset()
    with pytest.raises(ValueError, match=message):
        env.step(torch.tensor(actions))
    assert env.step(torch.tensor([[1, 2], [0, 2]])).reward.flatten().tolist() == [5.0, 2.0]  # and nothing happened


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("smax/3n", "smax/3m"),
        ("matrix/climbin", "matrix/climbing"),
        ("twostep", "two-step"),
        ("smax", "smax/"),
        ("", "matrix/"),
        ("matrix/", "matrix/"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(name, near):
    with pytest.raises(UnknownNameError, match=f"There is no environment '{name}'; the nearest are .*{near}"):
        make_env(name)


@pytest.mark.parametrize("env", [None, 3, [[0, 1], [1, 0]]])
def test_neither_a_name_nor_a_game(env):
    as_outside_of_tests = inspect.unwrap(make_env)  # where nothing checks types
    with pytest.raises(ValueError, match=f"env is of type {type(env).__name__}; give a name"):
        as_outside_of_tests(env)


def test_every_game_of_the_catalogue_has_a_name():
    assert {f"matrix/{name}" for name in catalogue} | {"two-step", "smax/3m", "smax/2s3z", "smac/3m"} <= set(
        env_names()
    )


def test_no_copies():
    with pytest.raises(ValueError, match="n_envs is 0; 1 is the least"):
        make_env("two-step", 0)

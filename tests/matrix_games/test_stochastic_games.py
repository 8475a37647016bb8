from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_games import (
    Boltzmann,
    DistributedQ,
    EpisodeStudy,
    EpsilonGreedy,
    FrequencyMaximumQ,
    HystereticQ,
    IndependentQ,
    JointQ,
    LenientQ,
    LockedDistributedQ,
    NegativeUpdateIntervals,
    OwnTemperature,
    StochasticGame,
    catalogue,
    play,
    play_episodes,
    ro3_like,
    two_step_game,
)

ALWAYS_RANDOM = EpsilonGreedy(start=1.0, end=1.0)
LEARNERS = (
    JointQ(),
    IndependentQ(),
    DistributedQ(),
    LockedDistributedQ(),
    HystereticQ(),
    LenientQ(),
    FrequencyMaximumQ(),
    NegativeUpdateIntervals(),
)


def rng(seed=0):
    return np.random.default_rng(seed)


def name(value):
    return type(value).__name__


def ending(game):
    """A matrix game as a game of one state that ends at once."""
    transitions = np.zeros((1, *game.n_actions, 2))
    transitions[..., 1] = 1
    outcomes = None if game.outcomes is None else game.outcomes[:, None]
    return StochasticGame(
        game.name, game.payoff[None], transitions, game.source, outcomes=outcomes, probabilities=game.probabilities
    )


def random_game(seed, states=3, actions=(2, 2), gamma=0.8, deterministic=False):
    random = rng(seed)
    payoff = random.integers(-5, 6, (states, *actions)).astype(float)
    if deterministic:
        transitions = np.eye(states + 1)[random.integers(states + 1, size=payoff.shape)]
    else:
        transitions = random.dirichlet(np.full(states + 1, 0.3), payoff.shape)
    return StochasticGame("random", payoff, transitions, "test", gamma=gamma)


def reached(game):
    """The states of a game of two that play can reach from state 0."""
    return {0, *np.argwhere(game.transitions[0])[:, -1]} - {2}


def discounted_sum(game, policy, steps=2000):
    """Values of a flat joint policy, by adding up rewards step by step."""
    states = range(game.n_states)
    rewards = np.array([game.payoff[s].ravel()[policy[s]] for s in states])
    leads = np.array([game.transitions[s].reshape(-1, game.n_states + 1)[policy[s], :-1] for s in states])
    total, chance = np.zeros(game.n_states), np.eye(game.n_states)
    for _ in range(steps):
        total, chance = total + chance @ rewards, game.gamma * chance @ leads
    return total


# --- exact solutions


def test_the_two_step_game_by_hand():
    game = two_step_game()
    expected = [[[6.93, 6.93], [7.92, 7.92]], [[7, 7], [7, 7]], [[0, 1], [1, 8]]]
    np.testing.assert_allclose(game.optimal_q, expected, rtol=1e-12)
    assert game.optimal_return == pytest.approx(7.92) and two_step_game(gamma=1.0).optimal_return == 8
    everything = [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert game.optimum == [[(1, 0), (1, 1)], everything, [(1, 1)]]
    np.testing.assert_allclose(game.policy_values([[[0, 1], [0, 0], [1, 1]]]), [[6.93, 7, 8]])


def test_the_best_of_the_ro3_like_game_looks_worst_on_average():
    game = ro3_like()
    np.testing.assert_allclose(game.optimal_q[0], [[5, 0, 0], [0, 3, 3], [0, 3, 4]])
    assert game.optimum[0] == [(0, 0)] and game.optimum[1] == [(0, 0), (1, 1), (2, 2)]
    average = game.optimal_q[0].mean(axis=1)
    assert average[0] < average[1] < average[2]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 0.9]), st.booleans())
def test_the_solution_is_the_best_of_all_policies(seed, gamma, deterministic):
    game = random_game(seed, states=2, gamma=gamma, deterministic=deterministic)
    policies = list(product(range(4), repeat=2))
    values = np.array([discounted_sum(game, policy, 300) for policy in policies])
    np.testing.assert_allclose(game.optimal_q.max(axis=(1, 2)), values.max(axis=0), atol=1e-9)
    as_pairs = np.array([[divmod(joint, 2) for joint in policy] for policy in policies])
    np.testing.assert_allclose(game.policy_values(as_pairs), values, atol=1e-9)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6))
def test_undiscounted_games_need_every_policy_to_end(seed):
    game = random_game(seed, states=3, deterministic=True)

    def ends(policy):
        leads = [game.transitions[s].reshape(4, 4)[policy[s], :-1] for s in range(3)]
        return np.abs(np.linalg.eigvals(np.array(leads))).max() < 1 - 1e-9

    parts, policies = (game.name, game.payoff, game.transitions, "test"), list(product(range(4), repeat=3))
    if all(ends(policy) for policy in policies):
        undiscounted = StochasticGame(*parts, gamma=1.0)
        values = [discounted_sum(undiscounted, policy, 5) for policy in policies]
        np.testing.assert_allclose(undiscounted.optimal_q.max(axis=(1, 2)), np.max(values, axis=0))
    else:
        with pytest.raises(ValueError, match="some policy never ends an episode that reaches state"):
            StochasticGame(*parts, gamma=1.0)


def test_a_game_that_never_ends():
    game = StochasticGame("endless", [[[1.0, 0.0]]], [[[[1, 0], [1, 0]]]], "test", gamma=0.9)
    np.testing.assert_allclose(game.optimal_q, [[[10, 9]]])
    study = play_episodes(game, JointQ(alpha=1.0), rng=rng(), runs=3, steps=500)
    np.testing.assert_allclose(study.values, np.tile([10.0, 9.0], (3, 1, 1, 1)), atol=1e-6)


# --- learners meet the solutions


@pytest.mark.parametrize("learner", LEARNERS, ids=name)
@pytest.mark.parametrize("game", ["climbing-partially-stochastic", "penalty-10"])
def test_a_game_of_one_state_is_the_matrix_game_number_for_number(learner, game):
    exploration = OwnTemperature() if isinstance(learner, LenientQ) else EpsilonGreedy()
    options = {"runs": 6, "exploration": exploration, "snapshots": 3}
    shot = play(catalogue[game], learner, rng=rng(1), plays=400, **options)
    episodes = play_episodes(ending(catalogue[game]), learner, rng=rng(1), steps=400, **options)
    np.testing.assert_array_equal(episodes.history[:, :, 0], shot.history)
    np.testing.assert_array_equal(episodes.greedy_history[:, :, 0], shot.greedy_history)
    assert (episodes.correct, episodes.complete, episodes.tied.tolist()) == (shot.optimal, shot.optimal, [shot.tied])
    np.testing.assert_allclose(episodes.returns, shot.game.payoff[tuple(shot.greedy.T)])


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6))
def test_joint_q_with_a_full_step_holds_the_solution_of_a_deterministic_game(seed):
    game = random_game(seed, states=2, actions=(2, 3), gamma=0.3, deterministic=True)
    study = play_episodes(game, JointQ(alpha=1.0), rng=rng(), runs=3, steps=800, exploration=ALWAYS_RANDOM)
    for state in reached(game):
        expected = np.tile(game.optimal_q[state].ravel(), (3, 1))
        np.testing.assert_allclose(study.values[:, state, 0], expected, atol=1e-6)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([DistributedQ(), LockedDistributedQ()]))
def test_distributed_q_learns_what_the_best_partners_bring(seed, learner):
    game = random_game(seed, states=2, actions=(2, 3), gamma=0.3, deterministic=True)
    study = play_episodes(game, learner, rng=rng(), runs=3, steps=800, exploration=ALWAYS_RANDOM)
    for state in reached(game):
        q = game.optimal_q[state]
        np.testing.assert_allclose(study.values[:, state, 0, :2], np.tile(q.max(axis=1), (3, 1)), atol=1e-6)
        np.testing.assert_allclose(study.values[:, state, 1], np.tile(q.max(axis=0), (3, 1)), atol=1e-6)


def test_joint_q_reaches_the_solution_of_the_two_step_game():
    game = two_step_game()
    study = play_episodes(game, JointQ(alpha=0.5), rng=rng(), runs=30, steps=800, exploration=ALWAYS_RANDOM)
    np.testing.assert_allclose(study.values[:, :, 0], np.tile(game.optimal_q.reshape(3, 4), (30, 1, 1)), atol=1e-6)
    assert play_episodes(game, JointQ(), rng=rng(), runs=100, steps=1500).share == 1


def test_exploring_iql_ends_at_its_fixed_point_of_the_two_step_game():
    explore = {"runs": 400, "steps": 2400, "exploration": ALWAYS_RANDOM}
    values = play_episodes(two_step_game(), IndependentQ(alpha=0.05), rng=rng(), **explore).values
    means, error = values.mean(axis=0), values.std(axis=0) / np.sqrt(500)
    both = 0.99 * (7 + 4.5) / 2
    expected = [[[6.93, 4.455], [both, both]], [[7, 7], [7, 7]], [[0.5, 4.5], [0.5, 4.5]]]
    assert (np.abs(means - expected) < 4 * error + 1e-3).all()


@pytest.mark.parametrize("exploration", [EpsilonGreedy(), Boltzmann(start=20.0, end=0.05)], ids=name)
def test_learners_explore_games_of_several_states(exploration):
    for learner in (JointQ(), HystereticQ()):
        study = play_episodes(two_step_game(), learner, rng=rng(), runs=60, steps=2000, exploration=exploration)
        assert study.share > 0.9
        np.testing.assert_allclose(study.returns.max(), 7.92)


def test_optimists_take_chance_for_their_partner():
    study = play_episodes(ro3_like(), DistributedQ(), rng=rng(), runs=100, steps=1500)
    np.testing.assert_array_equal(study.values[:, 0], 10.0)  # every action of state 0 once led to state 1
    assert study.share < 0.2


# --- the world


def test_following_states_are_drawn_by_their_chances():
    transitions = np.zeros((3, 1, 4))
    transitions[0, 0], transitions[1:, 0, 3] = [0, 0.2, 0.5, 0.3], 1
    game = StochasticGame("fork", [[0.0], [10.0], [20.0]], transitions, "test", gamma=0.5)
    values = play_episodes(game, IndependentQ(alpha=1.0), rng=rng(), runs=20_000, steps=60).values[:, 0, 0, 0]
    # what was reached last: an end takes one step until the next try, the states two
    expected = np.array([0.3 * 1, 0.2 * 2, 0.5 * 2]) / 1.7
    shares = [(values == value).mean() for value in (0, 5, 10)]
    np.testing.assert_allclose(shares, expected, atol=4 * 0.5 / np.sqrt(20_000))


def test_outcomes_are_drawn_in_each_state():
    transitions = np.zeros((2, 1, 3))
    transitions[0, 0, 1] = transitions[1, 0, 2] = 1
    outcomes, chances = np.array([[[1.0], [10.0]], [[2.0], [20.0]]]), np.array([0.25, 0.75])
    mean = np.tensordot(chances, outcomes, axes=1)
    game = StochasticGame("chain", mean, transitions, "test", gamma=0.0, outcomes=outcomes, probabilities=chances)
    values = play_episodes(game, IndependentQ(alpha=1.0), rng=rng(), runs=10_000, steps=4).values[:, :, 0, 0]
    for state, (low, high) in enumerate([(1, 2), (10, 20)]):
        shares = [(values[:, state] == low).mean(), (values[:, state] == high).mean()]
        np.testing.assert_allclose(shares, chances, atol=4 * 0.5 / np.sqrt(10_000))


@pytest.mark.parametrize("learner", LEARNERS, ids=name)
def test_actions_keep_their_names_in_every_state(learner):
    payoff = np.zeros((2, 2, 4))
    payoff[0, 1, 3], payoff[1, 0, 2] = 9, 9
    transitions = np.zeros((2, 2, 4, 3))
    transitions[0, ..., 1] = transitions[1, ..., 2] = 1
    game = StochasticGame("chain", payoff, transitions, "test")
    study = play_episodes(game, learner, rng=rng(), runs=40, steps=2000)
    assert (study.greedy == [[1, 3], [0, 2]]).all(axis=(1, 2)).mean() == study.share > 0.9
    assert study.complete == study.correct


@pytest.mark.parametrize("exploration", [EpsilonGreedy(), Boltzmann()], ids=name)
def test_ties_favour_no_action_in_any_state(exploration):
    game = random_game(0, states=2, actions=(2, 3))
    flat = StochasticGame("flat", np.zeros((2, 2, 3)), game.transitions, "test")
    study = play_episodes(flat, IndependentQ(), rng=rng(), runs=3000, steps=20, exploration=exploration)
    for state in range(2):
        shares = np.bincount(study.greedy[:, state] @ [3, 1], minlength=6) / 3000
        np.testing.assert_allclose(shares, 1 / 6, atol=4 * np.sqrt(5 / 36 / 3000))
    assert study.tied.tolist() == [3000, 3000] and study.complete == 3000


# --- temperatures


def test_temperatures_mix_by_hand():
    learner = LenientQ(delta=0.5, nu=0.2)
    q, actions = np.zeros((2, 1, 2)), np.array([[1], [1]])
    here, there = (q, np.full((2, 1, 2), [8.0, 40.0])), (q, np.full((2, 1, 2), [10.0, 30.0]))
    cooled = learner.update(here, actions, np.ones((2, 1)), rng())
    _, temperature = learner.diffuse(cooled, actions, there, np.array([False, True]))
    np.testing.assert_allclose(temperature, [[[8, 0.5 * (0.8 * 40 + 0.2 * 20)]], [[8, 0.5 * 40]]])


def test_temperatures_mix_only_where_another_state_follows():
    def values(game, nu):
        options = {"runs": 20, "steps": 600, "exploration": OwnTemperature(omega=1.0)}
        return play_episodes(game, LenientQ(nu=nu), rng=rng(), **options).values

    once = ending(catalogue["climbing"])
    np.testing.assert_array_equal(values(once, 0.0), values(once, 0.9))
    assert not np.array_equal(values(ro3_like(), 0.0), values(ro3_like(), 0.9))


# --- studies


def test_a_study_by_hand():
    payoff, transitions = np.array([[[0.0, 1.0]], [[2.0, 0.0]], [[3.0, 0.0]]]), np.zeros((3, 1, 2, 4))
    transitions[0, ..., 1] = transitions[1:, ..., 3] = 1  # nothing leads to state 2
    game = StochasticGame("hand", payoff, transitions, "test", gamma=0.5)
    greedy = np.array([[[0, 1], [0, 0], [0, 0]], [[0, 1], [0, 0], [0, 1]], [[0, 0], [0, 0], [0, 0]]])
    study = EpisodeStudy(game, 3, greedy, np.zeros(3, int), np.array([5]), np.zeros((1, 3, 3, 2, 2)), greedy[None])
    np.testing.assert_allclose(study.returns, [2, 2, 1])
    assert (study.correct, study.complete, study.share) == (2, 1, 2 / 3)
    assert study.interval == pytest.approx((0.20766, 0.93851), abs=1e-5)


def test_the_history_is_what_a_shorter_study_ends_in():
    explore = EpsilonGreedy(start=0.5, end=0.5)
    long, short = (
        play_episodes(ro3_like(), HystereticQ(), rng=rng(), runs=5, steps=k, exploration=explore, snapshots=count)
        for k, count in ((90, 3), (60, 1))
    )
    assert long.snapshots.tolist() == [30, 60, 90] and long.history.shape == (3, 5, 3, 2, 3)
    np.testing.assert_array_equal(long.history[1], short.values)
    np.testing.assert_array_equal(long.greedy_history[1], short.greedy)
    assert not np.array_equal(long.history[1], long.history[2])


# --- bad input

PAYOFF, ENDS = [[[1.0, 2.0]]], [[[[0, 1], [0, 1]]]]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"payoff": 3.0}, "payoff is 3.0, expected a list of tables, one for each state"),
        ({"payoff": []}, r"payoff is \[\], expected a list of tables"),
        ({"payoff": [[[1.0, np.nan]]]}, r"payoff of state 0 is nan at \(0, 1\)"),
        ({"payoff": [[[1.0]], [[1.0, 2.0]]]}, r"payoff of state 1 has shape \(1, 2\), expected \(1, 1\) as in state 0"),
        ({"payoff": [[[1e101, 0.0]]]}, r"game can pay 1e\+101 in size, expected at most 1e\+100"),
        ({"transitions": [[[[1.0], [1.0]]]]}, r"transitions have shape \(1, 1, 2, 1\), expected \(1, 1, 2, 2\)"),
        (
            {"transitions": [[[[0, 1], [0.5, 0.4]]]]},
            r"state 0 at joint action \(0, 1\) are \[0.5 0.4\], expected chances",
        ),
        ({"transitions": [[[[0, 1], [-0.5, 1.5]]]]}, r"at joint action \(0, 1\) are \[-0.5  1.5\]"),
        ({"gamma": 1.1}, "gamma is 1.1, expected a discount from 0 to 1"),
        ({"gamma": True}, "gamma is True, expected a discount"),
        ({"gamma": 1.0, "transitions": [[[[1, 0], [0, 1]]]]}, "never ends an episode that reaches state 0"),
        ({"initial": 1}, "initial is 1, expected one of the states 0 to 0"),
        ({"initial": 0.0}, "initial is 0.0, expected one of the states"),
        ({"outcomes": [[[[1.0, 3.0]]]]}, "payoff differs from the mean of outcomes"),
        ({"outcomes": [[[1.0, 3.0]]]}, "outcomes have shape"),
    ],
)
def test_bad_games_are_named(plain, parts, message):
    with pytest.raises(ValueError, match=message):
        plain.StochasticGame(**{"name": "game", "payoff": PAYOFF, "transitions": ENDS, "source": "test"} | parts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"game": catalogue["climbing"]}, "game is a MatrixGame, expected a StochasticGame, as in two_step_game"),
        ({"learner": "iql"}, "learner is 'iql', expected a Learner"),
        ({"steps": 0}, "steps is 0, expected a whole number"),
        ({"steps": 3, "snapshots": 4}, "snapshots is 4, expected at most one for each of the 3 steps"),
    ],
)
def test_bad_arguments_are_named(plain, arguments, message):
    parts = {"game": plain.two_step_game(), "learner": plain.JointQ(), "rng": rng()}
    with pytest.raises(ValueError, match=message):
        plain.play_episodes(**parts | arguments)


def test_bad_learners_and_policies_are_named():
    with pytest.raises(ValueError, match="initial is 0, but two-step can pay 0 and values never decrease"):
        play_episodes(two_step_game(), DistributedQ(initial=0.0), rng=rng())
    with pytest.raises(ValueError, match=r"policies have shape \(1, 2\)"):
        ro3_like().policy_values([[0, 0]])
    with pytest.raises(ValueError, match="an action that does not exist"):
        ro3_like().policy_values(np.full((1, 3, 2), 3))


JUNK = st.one_of(
    st.sampled_from([None, True, "x", "", [], {}, (), object(), rng, 1j, 10**400, -(10**400), [[1], [1, 2]]]),
    st.floats(),
    st.integers(-3, 3),
    st.lists(st.floats(), max_size=3),
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["payoff", "transitions", "gamma", "initial", "outcomes", "probabilities"]), JUNK)
def test_any_other_input_gives_a_game_or_one_sentence(plain, answer, field, junk):
    parts = {"name": "game", "payoff": PAYOFF, "transitions": ENDS, "source": "test", field: junk}
    game = answer(plain.StochasticGame, field[:-1], **parts)
    assert game is None or game.optimal_return == game.optimal_q[game.initial].max() == game.payoff.max()


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["game", "learner", "rng", "runs", "steps", "exploration", "snapshots"]), JUNK)
def test_any_other_argument_gives_a_study_or_one_sentence(plain, answer, field, junk):
    parts = {"game": plain.ro3_like(), "learner": plain.JointQ(), "rng": rng(), "runs": 2, "steps": 3, field: junk}
    study = answer(plain.play_episodes, f"{field} is ", **parts)
    assert study is None or np.isfinite(study.values).all()


@pytest.mark.parametrize("learner", LEARNERS, ids=name)
@pytest.mark.parametrize("actions", [(1,), (1, 1), (4, 1, 2)])
def test_agents_of_any_number_of_actions(learner, actions):
    game = random_game(5, states=2, actions=actions)
    study = play_episodes(game, learner, rng=rng(), runs=4, steps=200)
    assert np.isfinite(study.returns).all() and (study.returns <= game.optimal_return + 1e-9).all()
    assert study.greedy.shape == (4, 2, len(actions)) and (study.greedy < actions).all()

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from matrix_games import (
    Boltzmann,
    DistributedQ,
    EpsilonGreedy,
    FrequencyMaximumQ,
    HystereticQ,
    IndependentQ,
    JointQ,
    LenientQ,
    LockedDistributedQ,
    MatrixGame,
    NegativeUpdateIntervals,
    OwnTemperature,
    Study,
    catalogue,
    platonia_like,
    play,
    wilson_interval,
)
from matrix_games.learners import (
    check_counts,
    check_game,
    check_kinds,
    distributed_rule,
    hysteretic_rule,
    lenient_rule,
    nui_rule,
    q_rule,
)

INDEPENDENT = (
    IndependentQ(),
    DistributedQ(),
    LockedDistributedQ(),
    HystereticQ(),
    LenientQ(),
    FrequencyMaximumQ(),
    NegativeUpdateIntervals(),
)
LEARNERS = (JointQ(), *INDEPENDENT)
ALWAYS_RANDOM = EpsilonGreedy(start=1.0, end=1.0)
PS, FS = "climbing-partially-stochastic", "climbing-fully-stochastic"


def rng(seed=0):
    return np.random.default_rng(seed)


def own_game(payoff, **outcomes):
    return MatrixGame("own", payoff, "test", **outcomes)


def name(value):
    return type(value).__name__


def after(learner, steps):
    """Tables of one run of two agents with two actions, after (actions, reward) pairs."""
    tables = learner.start(own_game(np.zeros((2, 2))), 1)
    for actions, reward in steps:
        tables = learner.update(tables, np.array([actions]), np.array([[float(reward)]]), rng())
    return [table[0] for table in tables]


# --- rules by hand


def test_the_rules_by_hand():
    q, target = np.array([0.0, 10.0, 4.0]), np.array([8.0, 2.0, 4.0])
    np.testing.assert_allclose(q_rule(q, target, 0.25), [2, 8, 4])
    np.testing.assert_allclose(distributed_rule(q, target), [8, 10, 4])
    np.testing.assert_allclose(hysteretic_rule(q, target, 0.5, 0.125), [4, 9, 4])
    leniency = np.full(3, 0.9)
    np.testing.assert_allclose(lenient_rule(q, target, 0.25, leniency, np.full(3, 0.89)), [2, 10, 4])
    np.testing.assert_allclose(lenient_rule(q, target, 0.25, leniency, np.full(3, 0.9)), [2, 8, 4])


def test_the_rule_of_intervals_by_hand():
    q, highest, bound = np.array([5.0, 5.0, 5.0, 5.0]), np.full(4, 7.0), np.array([3.0, 3.0, 3.0, 7.5])
    target = np.array([8.0, 3.0, 2.9, 7.0])  # a record, in the interval, below it, the record again
    np.testing.assert_allclose(nui_rule(q, target, 0.5, highest, bound), [8, 4, 5, 6])


def test_an_interval_by_hand():
    learner = NegativeUpdateIntervals(alpha=0.5, decay=0.5, margin=1.0, patience=2)
    rewards = [4, 8, 0, 8, 0, 8, 8, 4]  # two records; 0 is ignored twice, 4 is believed
    spread = 36 / 7 - np.sqrt(272 / 7 - (36 / 7) ** 2) - 1  # mean - deviation - margin of the first seven: .62
    values, bounds = [4, 8, 8, 8, 8, 8, 8, 6], [4, 8, 8, 3.5, 3.5, 1.25, spread, spread]
    for count in range(1, 9):
        tables = after(learner, [((0, 0), reward) for reward in rewards[:count]])
        np.testing.assert_allclose([tables[0][0, 0], tables[3][0, 0]], [values[count - 1], bounds[count - 1]])


def test_intervals_move_as_in_a_loop_over_rewards():
    learner = NegativeUpdateIntervals(alpha=0.5, decay=0.5, margin=1.0, patience=3, window=1000)
    rewards = [4, 8, 0, 6, 8, 8, -5, 0, 8, 0]
    seen, q, h, low, b = [], 0.0, -np.inf, np.inf, np.inf
    for play_number, r in enumerate(rewards, start=1):
        seen.append(r)
        if r > h:
            q = r
        elif r == h or r >= b:
            q += 0.5 * (r - q)
        h, low = max(h, r), min(low, r)
        if play_number <= 3:
            b = h
        elif r == h:
            b = max(low - 1 + 0.5 * (b - (low - 1)), np.mean(seen) - np.std(seen) - 1)
        tables = after(learner, [((0, 1), r) for r in seen])
        expected = [q, h, low, b, play_number, np.mean(seen), np.var(seen)]
        np.testing.assert_allclose([table[0, 0] for table in tables], expected)
        np.testing.assert_allclose([table[1, 1] for table in tables], expected)
        assert tables[4][0, 1] == 0


def test_intervals_forget_old_rewards():
    learner = NegativeUpdateIntervals(window=19)  # step .1 from the tenth play on
    tables = after(learner, [((0, 0), 0)] * 10 + [((0, 0), 1)] * 30)
    mean = 1 - 0.9**30
    np.testing.assert_allclose([tables[5][0, 0], tables[6][0, 0]], [mean, mean * (1 - mean)])


@pytest.mark.parametrize(("learner", "scale"), [(IndependentQ(), 2.0**300), (HystereticQ(), 2.0**-300)], ids=name)
def test_values_follow_the_unit_of_rewards(learner, scale):
    payoff = catalogue["climbing"].payoff
    small, large = (
        play(own_game(payoff * unit), learner, rng=rng(), runs=5, plays=200).values for unit in (1.0, scale)
    )
    np.testing.assert_array_equal(small * scale, large)


THREE_PLAYS = [((0, 0), 8), ((1, 0), 8), ((0, 0), 0)]


@pytest.mark.parametrize(
    ("learner", "expected"),
    [
        (IndependentQ(alpha=0.5), [[2, 4], [3, 0]]),
        (HystereticQ(alpha=0.5, beta=0.25), [[3, 4], [4.5, 0]]),
        (DistributedQ(initial=-1.0), [[8, 8], [8, -1]]),
        (LockedDistributedQ(initial=-1.0), [[8, 8], [8, -1]]),
        (LenientQ(alpha=0.5, theta=1e9), [[4, 4], [6, 0]]),
        (LenientQ(alpha=0.5, theta=1e-9), [[2, 4], [3, 0]]),
        (FrequencyMaximumQ(alpha=0.5), [[2, 4], [3, 0]]),
        (NegativeUpdateIntervals(alpha=0.5), [[8, 8], [8, 0]]),
    ],
    ids=name,
)
def test_three_plays_of_two_agents_by_hand(learner, expected):
    np.testing.assert_allclose(after(learner, THREE_PLAYS)[0], expected)


def test_the_joint_learner_has_one_value_for_each_joint_action():
    (q,) = after(JointQ(alpha=0.5), [((0,), 8), ((2,), 8), ((0,), 0)])
    np.testing.assert_allclose(q, [[2, 0, 4, 0]])


def test_lenient_temperatures_cool_with_each_play():
    _, temperature = after(LenientQ(delta=0.5), THREE_PLAYS)
    np.testing.assert_allclose(temperature, [[12.5, 25], [6.25, 50]])


def test_leniency_is_higher_for_a_higher_temperature_or_theta():
    for theta in (1.0, 10.0):
        expected = np.exp(-1 / (theta * np.array([0.5, 2.0, 50.0])))
        np.testing.assert_allclose(LenientQ(theta=theta).leniency(np.array([0.5, 2.0, 50.0])), expected)
    assert LenientQ().leniency(np.array([0.0, 1e-320])).tolist() == [0, 0]


def test_a_lenient_learner_forgives_as_often_as_it_says():
    learner, runs = LenientQ(max_temperature=2.0), 20_000
    tables = learner.start(own_game(np.zeros((1, 1))), runs)
    (q, _) = learner.update(tables, np.zeros((runs, 2), dtype=int), np.full((runs, 1), -1.0), rng())
    assert set(np.unique(q)) == {-0.1, 0.0}
    assert (q == 0).mean() == pytest.approx(np.exp(-1 / 2), abs=4 * 0.5 / np.sqrt(q.size))


def test_fmq_prefers_by_value_and_frequency_of_the_highest_reward():
    learner = FrequencyMaximumQ(alpha=0.5, c=10.0)
    tables = tuple(table[None] for table in after(learner, THREE_PLAYS))
    np.testing.assert_allclose(learner.preferences(tables)[0], [[2 + 10 * 8 / 2, 4 + 80], [3 + 10 * 8 * 2 / 3, 0]])


def test_fmq_counts_the_highest_reward_when_all_are_negative():
    q, highest, met, plays = after(FrequencyMaximumQ(), [((0, 0), -3), ((0, 0), -5), ((0, 0), -3)])
    assert (highest[0, 0], met[0, 0], plays[0, 0]) == (-3, 2, 3)


def test_the_lock_moves_only_when_the_highest_value_rises():
    learner, steps, policies = LockedDistributedQ(), [], []
    for step in [((0, 1), 5), ((1, 0), 5), ((1, 0), 6), ((0, 1), 6), ((0, 0), 3)]:
        steps.append(step)
        tables = tuple(table[None] for table in after(learner, steps))
        policies.append(tuple(learner.greedy(tables)[0]))
        assert learner.best(tables).sum() == 2
    assert policies == [(0, 1), (0, 1), (1, 0), (1, 0), (1, 0)]


@pytest.mark.parametrize("learner", LEARNERS, ids=name)
def test_an_update_leaves_the_old_tables_as_they_are(learner):
    tables = learner.start(catalogue["climbing"], 4)
    before = [table.copy() for table in tables]
    actions = np.zeros((4, len(learner.heads(catalogue["climbing"]))), dtype=int)
    new = learner.update(tables, actions, np.full((4, 1), 11.0), rng())
    for table, old in zip(tables, before, strict=True):
        np.testing.assert_array_equal(table, old)
    assert not np.array_equal(new[0], tables[0])


# --- exploration


def test_epsilon_falls_on_a_straight_line():
    explore = EpsilonGreedy(start=0.9, end=0.1, over=0.5)
    assert [explore.epsilon(done) for done in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([0.9, 0.5, 0.1, 0.1])
    assert EpsilonGreedy(end=0.3, over=0.0).epsilon(0.0) == 0.3


def test_exploration_plays_as_often_as_it_says():
    runs, payoff = 40_000, [[0.0] * 4, [0.0] * 4]
    learner = IndependentQ()
    (q,) = learner.start(own_game(payoff), runs)
    q = q.copy()
    q[:, 0, 1], q[:, 1, 2] = 1, 2

    def shares(explore, tables, learner=learner):
        actions = explore.choose(learner, tables, 0.0, rng())
        return [np.bincount(actions[:, agent], minlength=4) / runs for agent in (0, 1)]

    error = 4 * 0.5 / np.sqrt(runs)
    greedy = shares(EpsilonGreedy(start=0.4), (q,))
    np.testing.assert_allclose(greedy, [[0.2, 0.8, 0, 0], [0.1, 0.1, 0.7, 0.1]], atol=error)
    weights = np.exp([[0, 1 / 2, -np.inf, -np.inf], [0, 0, 2 / 2, 0]])
    expected = weights / weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares(Boltzmann(start=2.0, end=1.0), (q,)), expected, atol=error)
    hot = np.where(np.isfinite(q), 20.0, 0.0)
    np.testing.assert_allclose(shares(OwnTemperature(omega=0.1), (q, hot), LenientQ()), expected, atol=error)
    cold = np.where(np.isfinite(q), 1.0, 0.0)
    assert [share.tolist() for share in shares(OwnTemperature(), (q, cold), LenientQ())] == [[0, 1, 0, 0], [0, 0, 1, 0]]


def test_boltzmann_at_a_low_temperature_is_greedy():
    learner = FrequencyMaximumQ()
    study = play(catalogue["climbing"], learner, rng=rng(), runs=50, plays=2000, exploration=Boltzmann())
    assert study.share > 0.9


# --- theorems


def test_hysteretic_with_equal_step_sizes_is_iql_bit_for_bit():
    for game in ("climbing", FS):
        iql, hysteretic = (
            play(catalogue[game], learner, rng=rng(3), runs=20, plays=500, snapshots=5)
            for learner in (IndependentQ(alpha=0.2), HystereticQ(alpha=0.2, beta=0.2))
        )
        np.testing.assert_array_equal(iql.history, hysteretic.history)
        np.testing.assert_array_equal(iql.greedy_history, hysteretic.greedy_history)


@settings(max_examples=15, deadline=None)
@given(npst.arrays(float, npst.array_shapes(min_dims=2, max_dims=3, max_side=3), elements=st.integers(-9, 9)))
def test_locked_distributed_q_finds_an_optimum_of_any_deterministic_game(payoff):
    study = play(own_game(payoff), LockedDistributedQ(), rng=rng(), runs=20, plays=600, snapshots=4)
    assert study.optimal == 20 and study.tied == 0
    assert (np.diff(study.history[:, :, :, 0], axis=0) >= 0).all()
    for agent, size in enumerate(payoff.shape):
        others = tuple(axis for axis in range(payoff.ndim) if axis != agent)
        np.testing.assert_array_equal(study.values[:, agent, :size], np.tile(payoff.max(axis=others), (20, 1)))
        assert (study.values[:, agent, size:] == -np.inf).all()


@pytest.mark.parametrize("learner", [DistributedQ(), HystereticQ(beta=0.0, initial=-100.0)], ids=name)
def test_learners_without_a_negative_step_never_decrease(learner):
    history = play(catalogue[FS], learner, rng=rng(), runs=20, plays=400, snapshots=40).history
    assert (np.diff(history, axis=0) >= 0).all() and (np.diff(history, axis=0) > 0).any()


@pytest.mark.parametrize("game", ["qtran", "climbing", FS])
def test_exploring_iql_learns_the_mean_over_what_others_do(game):
    payoff = catalogue[game].payoff
    study = play(catalogue[game], IndependentQ(alpha=0.05), rng=rng(), runs=2000, plays=400, exploration=ALWAYS_RANDOM)
    means, error = study.values.mean(axis=0), study.values.std(axis=0) / np.sqrt(2000)
    expected = np.stack([payoff.mean(axis=1), payoff.mean(axis=0)])
    assert (np.abs(means - expected) < 4 * error + 0.01 * np.abs(expected)).all()


def test_the_joint_learner_with_a_full_step_holds_the_payoffs():
    game = own_game(np.arange(24.0).reshape(2, 3, 4) ** 2 % 17)
    study = play(game, JointQ(alpha=1.0), rng=rng(), runs=5, plays=1000)
    np.testing.assert_array_equal(study.values, np.tile(game.payoff.ravel(), (5, 1, 1)))
    assert study.optimal == 5


def test_outcomes_are_drawn_by_their_probabilities():
    outcomes = np.array([[[0.0, 1.0]], [[10.0, 11.0]], [[20.0, 21.0]]])
    game = own_game([[7.0, 8.0]], outcomes=outcomes, probabilities=[0.5, 0.3, 0.2])
    values = play(game, JointQ(alpha=1.0), rng=rng(), runs=20_000, plays=40, exploration=ALWAYS_RANDOM).values[:, 0]
    for action in (0, 1):
        shares = [(values[:, action] == outcome).mean() for outcome in outcomes[:, 0, action]]
        np.testing.assert_allclose(shares, [0.5, 0.3, 0.2], atol=4 * 0.5 / np.sqrt(20_000))


@pytest.mark.parametrize("learner", LEARNERS, ids=name)
def test_actions_keep_their_names(learner):
    payoff = np.array([[0, 0, 0, 0], [0, 0, 9, 0], [1, 0, 0, 0]])
    study = play(own_game(payoff), learner, rng=rng(), runs=40, plays=3000)
    assert study.joint_shares[1, 2] == study.share > 0.9


def test_the_actions_of_three_agents_keep_their_names():
    for payoff in (np.arange(24.0).reshape(2, 3, 4), np.arange(24.0)[::-1].reshape(4, 3, 2)):
        for learner in (JointQ(alpha=1.0), DistributedQ(), LockedDistributedQ()):
            study = play(own_game(payoff), learner, rng=rng(), runs=20, plays=2000)
            assert study.joint_shares[own_game(payoff).optimum[0]] == 1


# --- ties


@pytest.mark.parametrize("learner", LEARNERS, ids=name)
def test_ties_favour_no_action(learner):
    study = play(own_game(np.zeros((2, 3))), learner, rng=rng(), runs=3000, plays=30)
    np.testing.assert_allclose(study.joint_shares, np.full((2, 3), 1 / 6), atol=4 * np.sqrt(5 / 36 / 3000))
    if not isinstance(learner, LockedDistributedQ | DistributedQ):
        assert study.tied == 3000


def test_distributed_learners_miss_each_other_half_the_time_without_the_lock():
    loose = play(catalogue["penalty-10"], DistributedQ(), rng=rng(), runs=1000, plays=1000)
    assert abs(loose.share - 0.5) < 4 * 0.5 / np.sqrt(1000) and loose.tied == 1000
    locked = play(catalogue["penalty-10"], LockedDistributedQ(), rng=rng(), runs=1000, plays=1000)
    assert locked.share == 1 and locked.tied == 0
    assert abs(locked.joint_shares[0, 0] - 0.5) < 4 * 0.5 / np.sqrt(1000)


# --- known results: 1000 runs of 10,000 plays, alpha .1, epsilon from 1 to 0 over 8,000 plays

FORGETFUL, STUBBORN = HystereticQ(beta=0.01), HystereticQ(beta=0.001)
GOLDENS = [  # learner, exploration, game, per cent of runs that end in an optimum
    (IndependentQ(), EpsilonGreedy(), "climbing", 0.0),
    (IndependentQ(), EpsilonGreedy(), "penalty-10", 98.1),
    (IndependentQ(), EpsilonGreedy(), "qtran", 9.3),
    (FORGETFUL, EpsilonGreedy(), PS, 87.1),
    (FORGETFUL, EpsilonGreedy(), FS, 1.7),
    (STUBBORN, EpsilonGreedy(), PS, 0.0),
    (NegativeUpdateIntervals(), EpsilonGreedy(), "climbing", 79.5),
    (NegativeUpdateIntervals(), EpsilonGreedy(), FS, 94.5),
    (LenientQ(theta=1e3, delta=0.998), OwnTemperature(omega=1.0), "climbing", 26.1),
    (LenientQ(theta=10.0, delta=0.998), OwnTemperature(omega=1.0), PS, 70.2),
    (LenientQ(theta=1e3, delta=0.998), OwnTemperature(omega=1.0), FS, 49.0),
]


@pytest.mark.parametrize(("learner", "explore", "game", "expected"), GOLDENS)
def test_shares_of_runs_that_end_in_an_optimum(learner, explore, game, expected):
    runs, p = 250, np.clip(expected / 100, 0.005, 0.995)
    study = play(catalogue[game], learner, rng=rng(), runs=runs, exploration=explore)
    assert abs(study.share - expected / 100) < 4 * np.sqrt(p * (1 - p) * (1 / runs + 1 / 1000))


@pytest.mark.parametrize("game", ["climbing", FS])
def test_the_joint_learner_finds_the_optimum(game):
    assert play(catalogue[game], JointQ(), rng=rng(), runs=50).share == 1


def test_partial_noise_makes_distributed_learners_take_b_for_the_best():
    study = play(catalogue[PS], DistributedQ(), rng=rng(), runs=50, plays=1000)
    assert study.joint_shares[1, 1] == 1


# --- studies


def test_a_study_by_hand():
    game, ends = catalogue["penalty-10"], np.array([[0, 0]] * 4 + [[2, 2]] * 3 + [[1, 1], [0, 2], [2, 0]])
    study = Study(game, 10, ends, 0, np.array([5]), np.zeros((1, 10, 2, 3)), ends[None])
    assert (study.optimal, study.share) == (7, 0.7)
    assert study.interval == pytest.approx((0.39678, 0.89221), abs=1e-5)
    np.testing.assert_allclose(study.joint_shares, [[0.4, 0, 0.1], [0, 0.1, 0], [0.1, 0, 0.3]])
    np.testing.assert_allclose(study.joint_shares_history, [study.joint_shares])


@pytest.mark.parametrize("learner", LEARNERS, ids=name)
def test_the_same_seed_gives_the_same_study(learner):
    def history(seed):
        return play(catalogue[PS], learner, rng=rng(seed), runs=5, plays=200, snapshots=2).history

    np.testing.assert_array_equal(history(1), history(1))
    assert not np.array_equal(history(1), history(2))


def test_the_history_is_what_a_shorter_study_ends_in():
    explore = EpsilonGreedy(start=0.5, end=0.5)
    long, short = (
        play(catalogue["climbing"], HystereticQ(), rng=rng(), runs=7, plays=plays, exploration=explore, snapshots=count)
        for plays, count in ((90, 3), (60, 1))
    )
    assert long.snapshots.tolist() == [30, 60, 90] and long.history.shape == (3, 7, 2, 3)
    np.testing.assert_array_equal(long.history[1], short.values)
    np.testing.assert_array_equal(long.greedy_history[1], short.greedy)
    np.testing.assert_array_equal(long.greedy_history[-1], long.greedy)


def test_one_agent_with_one_action():
    for learner in LEARNERS:
        study = play(own_game([3.0]), learner, rng=rng(), runs=2, plays=3)
        assert study.share == 1 and study.joint_shares.tolist() == [1] and study.tied == 0


# --- bad input

CLIMBING = catalogue["climbing"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: IndependentQ(alpha=0.0), "alpha is 0.0, expected a step size above 0 and at most 1"),
        (lambda: JointQ(alpha=float("nan")), "alpha is nan"),
        (lambda: IndependentQ(initial=float("inf")), "initial is inf, expected a number of size"),
        (lambda: HystereticQ(beta=0.2), "beta is 0.2, expected a number from 0 to alpha = 0.1"),
        (lambda: HystereticQ(beta=-0.1), "beta is -0.1"),
        (lambda: LenientQ(theta=0.0), "theta is 0.0, expected a number above 0"),
        (lambda: LenientQ(delta=1.1), "delta is 1.1, expected a factor"),
        (lambda: LenientQ(max_temperature=-1.0), "max_temperature is -1"),
        (lambda: LenientQ(nu=-0.1), "nu is -0.1, expected a share from 0 to 1"),
        (lambda: NegativeUpdateIntervals(decay=1.5), "decay is 1.5, expected a factor from 0 to 1"),
        (lambda: NegativeUpdateIntervals(margin=-1.0), "margin is -1.0, expected a number from 0"),
        (lambda: NegativeUpdateIntervals(patience=0), "patience is 0, expected a whole number"),
        (lambda: wilson_interval(5, 4), "successes is 5, expected a whole number from 0 to the 4 trials"),
        (
            lambda: play(own_game([[1e101]]), IndependentQ(), rng=rng()),
            r"own can pay 1e\+101 in size, expected",
        ),
        (lambda: FrequencyMaximumQ(c=-1.0), "c is -1.0, expected a weight from 0"),
        (lambda: EpsilonGreedy(start=1.5), "start is 1.5, expected a number from 0 to 1"),
        (lambda: EpsilonGreedy(over=8000.0), "over is 8000.0, expected a number from 0 to 1"),
        (lambda: Boltzmann(end=0.0), "end is 0.0, expected a number above 0"),
        (lambda: OwnTemperature(omega=0.0), "omega is 0.0, expected"),
        (lambda: check_game([[1, 2]]), "game is a list, expected a MatrixGame"),
        (lambda: check_kinds(IndependentQ, ALWAYS_RANDOM, rng()), "learner is <class.*expected a Learner"),
        (lambda: check_kinds(IndependentQ(), ALWAYS_RANDOM, 7), "rng is 7, expected a numpy Generator"),
        (lambda: check_kinds(IndependentQ(), 0.1, rng()), "exploration is 0.1, expected"),
        (lambda: play(CLIMBING, IndependentQ(), rng=rng(), runs=0), "runs is 0, expected a whole number"),
        (lambda: check_counts(runs=1, plays=1.5), "plays is 1.5, expected a whole number"),
        (lambda: check_counts(snapshots=True), "snapshots is True, expected"),
        (lambda: play(CLIMBING, IndependentQ(), rng=rng(), plays=5, snapshots=6), "snapshots is 6, .* each of the 5"),
        (
            lambda: play(CLIMBING, DistributedQ(initial=0.0), rng=rng()),
            "initial is 0, but climbing can pay -30 .*choose an initial value below -30",
        ),
        (
            lambda: play(catalogue[FS], LockedDistributedQ(initial=-31.0), rng=rng()),
            "initial is -31, but climbing-fully-stochastic can pay -65",
        ),
        (
            lambda: play(CLIMBING, IndependentQ(), rng=rng(), exploration=OwnTemperature()),
            "IndependentQ has no temperatures to explore by: use LenientQ",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_platonia_needs_somebody_to_send():
    study = play(platonia_like(3), LockedDistributedQ(), rng=rng(), runs=100, plays=500)
    assert study.share == 1 and (study.greedy.sum(axis=1) == 1).all()


PARAMETERS = [  # what takes them, and an argument of it
    (learner, field)
    for learner, fields in {
        "IndependentQ": ["alpha", "initial"],
        "JointQ": ["alpha"],
        "DistributedQ": ["initial"],
        "LockedDistributedQ": ["initial"],
        "HystereticQ": ["alpha", "beta"],
        "LenientQ": ["alpha", "theta", "delta", "max_temperature", "nu"],
        "FrequencyMaximumQ": ["c"],
        "NegativeUpdateIntervals": ["decay", "margin", "patience", "window"],
        "EpsilonGreedy": ["start", "end", "over"],
        "Boltzmann": ["start", "end"],
        "OwnTemperature": ["omega", "min_temperature"],
    }.items()
    for field in fields
]
JUNK = st.one_of(
    st.sampled_from([None, True, "x", [], {}, (), object(), rng, 1j, 10**400, -(10**400), [[1], [1, 2]]]),
    st.floats(),
    st.integers(-3, 3),
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PARAMETERS), JUNK)
def test_any_other_parameter_learns_or_gives_one_sentence(plain, answer, parameter, junk):
    kind, field = parameter
    made = answer(getattr(plain, kind), " is ", **{field: junk})
    if made is None:
        return
    learner = made if isinstance(made, plain.Learner) else plain.LenientQ()
    exploration = made if isinstance(made, plain.Exploration) else plain.EpsilonGreedy()
    parts = {"game": plain.catalogue["climbing"], "learner": learner, "exploration": exploration}
    study = answer(plain.play, "initial is ", **parts, rng=rng(), runs=2, plays=6)
    assert study is None or np.isfinite(study.values).all()


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["game", "learner", "rng", "runs", "plays", "exploration", "snapshots"]), JUNK)
def test_any_other_argument_gives_a_study_or_one_sentence(plain, answer, field, junk):
    parts = {"game": plain.catalogue["climbing"], "learner": plain.JointQ(), "rng": rng(), "runs": 2, "plays": 3}
    study = answer(plain.play, f"{field} is ", **parts | {field: junk})
    assert study is None or np.isfinite(study.values).all()


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["successes", "trials", "confidence"]), JUNK)
def test_any_other_count_gives_an_interval_or_one_sentence(plain, answer, field, junk):
    interval = answer(plain.wilson_interval, " is ", **{"successes": 1, "trials": 2} | {field: junk})
    assert interval is None or 0 <= interval[0] <= interval[1] <= 1


@pytest.mark.parametrize("learner", LEARNERS, ids=name)
def test_huge_rewards_and_agents_of_any_number_of_actions(learner):
    for shape in ((1,), (4, 1, 2)):
        payoff = np.where(rng().random(shape) < 0.5, 1e100, 9e99)
        study = play(own_game(payoff), learner, rng=rng(), runs=3, plays=300)
        assert (study.greedy < shape).all() and (study.values[np.isfinite(study.values)] <= 1e100).all()
        assert not np.isnan(study.values).any()

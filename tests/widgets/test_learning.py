import json
from dataclasses import replace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import traitlets
from scipy.stats import binomtest

from matrix_games import DistributedQ, HystereticQ, IndependentQ, JointQ, MatrixGame, catalogue, play
from qmix_edu.widgets import LearningExplorer
from qmix_edu.widgets.learning import SHOWN, _check_kinds

CLIMBING = catalogue["climbing"]


def study(learner=None, game=CLIMBING, *, seed=0, runs=60, plays=400, snapshots=8):
    rng = np.random.default_rng(seed)
    return play(game, learner or IndependentQ(), rng=rng, runs=runs, plays=plays, snapshots=snapshots)


STUDIES = {
    "IQL": study(),
    "hysteretic": study(HystereticQ(beta=0.04), runs=50),
    "distributed": study(DistributedQ(), game=CLIMBING),
}
UNIT = 0.01  # of the climbing game's values: payoffs from -30 to 11


@pytest.fixture
def explorer():
    return LearningExplorer(STUDIES)


def unpacked(series: str) -> np.ndarray:
    return np.cumsum([int(step) for step in series.split(" ")])


def test_it_begins_with_the_first_learner_at_the_end(explorer):
    assert (explorer.learner, explorer.snapshot, explorer.view, explorer.run) == ("IQL", 7, "all runs", 0)


@pytest.mark.parametrize("name", STUDIES)
def test_the_distribution_is_the_studys(explorer, name):
    explorer.learner = name
    its = STUDIES[name]
    for explorer.snapshot in range(8):
        k, result = explorer.snapshot, explorer.result()
        assert result["plays"] == its.snapshots[k]
        for key, percent in (("low", 25), ("values", 50), ("high", 75)):
            expected = np.percentile(its.history[k], percent, axis=0)
            np.testing.assert_allclose(result[key], expected, atol=UNIT / 2 + 1e-9)
        np.testing.assert_allclose(result["shares"], its.joint_shares_history[k])
        np.testing.assert_allclose(result["end"], its.joint_shares)
        optimal = int((its.greedy_history[k] == 0).all(axis=-1).sum())  # (a, a)
        assert result["optimal"] == optimal / its.runs
        interval = binomtest(optimal, its.runs).proportion_ci(method="wilson")
        assert result["interval"] == pytest.approx([interval.low, interval.high], abs=1e-6)
        assert [tuple(joint) for joint in result["greedy"]] == [
            tuple(joint) for joint in np.argwhere(its.joint_shares_history[k] == its.joint_shares_history[k].max())
        ]
    assert result["optimal"] == its.share
    assert result["interval"] == pytest.approx(its.interval, abs=1e-6)


def test_a_single_run_is_the_studys(explorer):
    explorer.view, explorer.learner = "one run", "hysteretic"
    its = STUDIES["hysteretic"]
    for place, number in enumerate(explorer.runs()):
        explorer.run = place
        for explorer.snapshot in (0, 3, 7):
            k, result = explorer.snapshot, explorer.result()
            joint = its.greedy_history[k, number]
            assert result["run"] == number and result["greedy"] == [joint.tolist()]
            assert result["shares"][joint[0]][joint[1]] == 1 == np.sum(result["shares"])
            assert result["end"][its.greedy[number, 0]][its.greedy[number, 1]] == 1 == np.sum(result["end"])
            assert result["optimal"] == float(joint.tolist() == [0, 0])
            np.testing.assert_allclose(result["values"], its.history[k, number], atol=UNIT / 2 + 1e-9)
            assert result["low"] is result["high"] is result["interval"] is None


@pytest.mark.parametrize("name", ["penalty-10", "climbing"])
def test_single_runs_show_every_end_that_occurs(name):
    its = study(game=catalogue[name], runs=200)
    explorer = LearningExplorer({"IQL": its})
    shown = explorer.runs()
    ends = {tuple(end) for end in its.greedy.tolist()}
    assert len(ends) >= 2
    assert len(shown) == len(set(shown)) == SHOWN and shown == sorted(shown)
    assert {tuple(its.greedy[run].tolist()) for run in shown} == ends
    for end in ends:  # the first of its kind
        assert next(run for run in range(200) if tuple(its.greedy[run].tolist()) == end) in shown


def test_where_ends_are_too_many_the_most_frequent_are_shown():
    game = MatrixGame("flat", np.zeros((5, 5)), "a test")
    its = study(game=game, runs=400, plays=20, snapshots=2)
    ends = [tuple(end) for end in its.greedy.tolist()]
    shown = [ends[run] for run in LearningExplorer({"IQL": its}).runs()]
    assert len(set(shown)) == SHOWN < len(set(ends))
    left_out = set(ends) - set(shown)
    assert min(map(ends.count, shown)) >= max(map(ends.count, left_out))


def test_few_runs_are_all_shown():
    explorer = LearningExplorer({"few": study(runs=3), "many": study(runs=30)})
    assert explorer.runs() == [0, 1, 2]
    explorer.learner = "many"
    assert len(explorer.runs()) == 3  # so that a place in the list exists for every learner


def test_the_browser_gets_the_same_values(explorer):
    learner = explorer.data["learners"][1]
    its = STUDIES["hysteretic"]
    for agent in range(2):
        for place, run in enumerate(learner["shown"]):
            for action in range(3):
                series = unpacked(learner["values"][agent][place][action]) * UNIT
                np.testing.assert_allclose(series, its.history[:, run, agent, action], atol=UNIT / 2 + 1e-9)
    counts = np.array([unpacked(series) for series in learner["counts"]])
    np.testing.assert_array_equal(counts.T.reshape(8, 3, 3), np.rint(50 * its.joint_shares_history))


def test_three_learners_with_a_hundred_snapshots_take_at_most_150_kb():
    learners = {"IQL": IndependentQ(), "hysteretic": HystereticQ(), "distributed": DistributedQ()}
    studies = {name: study(learner, runs=300, plays=3000, snapshots=100) for name, learner in learners.items()}
    size = len(json.dumps(LearningExplorer(studies).data))
    print("bytes:", size)
    assert size < 150_000


def test_summary_of_all_runs_by_hand():
    # four runs of hand-made ends: two in (a, a), the optimum, one in (b, b), one in (c, c)
    its = study(runs=4, plays=40, snapshots=2)
    greedy = np.array([[0, 0], [1, 1], [0, 0], [2, 2]])
    before = np.array([[0, 0], [1, 1], [1, 1], [0, 0]])
    made = replace(its, greedy=greedy, greedy_history=np.stack([before, greedy]), tied=1)
    explorer = LearningExplorer({"made": made})
    assert explorer.summary() == (
        "made after 40 of 40 plays, all 4 runs: the greedy joint action is an optimum in 50.0 % "
        "(95 % interval 15.0 % to 85.0 %). Most common greedy joint action (a, a): 50.0 % of the runs. "
        "At the end: (a, a) 50.0 %, (b, b) 25.0 %, (c, c) 25.0 %. "
        "In 1 of the runs an agent's choice is then a tie, broken at random."
    )
    explorer.snapshot = 0
    assert "Most common greedy joint action (a, a), (b, b): 50.0 % of the runs each." in explorer.summary()
    explorer.view, explorer.run = "one run", 1
    assert explorer.summary() == (
        "made after 20 of 40 plays, run 1 of 0 to 3: greedy joint action (b, b), payoff 7, not an optimum. "
        "At the end: (b, b)."
    )
    explorer.run = 3
    assert explorer.summary().endswith("(a, a), payoff 11, an optimum. At the end: (c, c).")


def test_more_than_three_ends_are_summed_up():
    its = study(runs=16, plays=40, snapshots=2)
    greedy = np.array([[0, 0]] * 8 + [[1, 1]] * 4 + [[2, 2]] * 2 + [[0, 1], [2, 1]])
    made = replace(its, greedy=greedy, greedy_history=np.stack([greedy, greedy]))
    summary = LearningExplorer({"made": made}).summary()
    assert "At the end: (a, a) 50.0 %, (b, b) 25.0 %, (c, c) 12.5 %, others 12.5 %." in summary


def test_both_optima_of_the_penalty_game_count():
    its = study(game=catalogue["penalty-10"], runs=100, plays=1000)
    result = LearningExplorer({"IQL": its}).result()
    assert result["optimal"] == its.share == pytest.approx(its.joint_shares[0, 0] + its.joint_shares[2, 2])
    assert its.joint_shares[0, 0] > 0 < its.joint_shares[2, 2]


def test_agents_may_have_different_numbers_of_actions():
    game = MatrixGame("wide", np.arange(10.0).reshape(2, 5), "a test")
    explorer = LearningExplorer({"IQL": study(game=game)})
    result = explorer.result()
    assert [len(values) for values in result["values"]] == [2, 5] and np.isfinite(np.concatenate(result["low"])).all()
    assert np.shape(result["shares"]) == (2, 5)
    plt.close(explorer.figure())


def test_an_initial_value_far_below_does_not_stretch_the_axis():
    its = study(DistributedQ(), plays=40, snapshots=20)
    assert its.history[0].min() == -1000  # some action is not played yet
    explorer = LearningExplorer({"distributed": its})
    low, high = explorer.data["limits"]
    assert -75 < low < high < 55
    explorer.view, explorer.snapshot = "one run", 0
    assert np.concatenate(explorer.result()["values"]).min() == -1000


def test_figure_shows_the_chosen_setting(explorer):
    explorer.learner, explorer.snapshot = "hysteretic", 3
    for explorer.view in ("all runs", "one run"):
        explorer.run, result = 2, explorer.result()
        figure = explorer.figure()
        assert figure.get_suptitle().replace(".\n", ". ") == explorer.summary()
        for agent in range(2):
            lines = figure.axes[agent].get_lines()
            drawn = [line.get_ydata()[3] for line in lines[:3]]
            np.testing.assert_allclose(drawn, result["values"][agent], atol=UNIT / 2 + 1e-9)
            assert set(lines[3].get_xdata()) == {result["plays"]}
        np.testing.assert_array_equal(figure.axes[2].images[0].get_array(), CLIMBING.payoff)
        texts = [text.get_text() for text in figure.axes[2].texts]
        for share in np.ravel(result["shares"]):
            assert not share or f"{100 * share:.1f} %" in texts
        share = figure.axes[3].get_lines()[0].get_ydata()
        np.testing.assert_allclose(share, 100 * STUDIES["hysteretic"].joint_shares_history[:, 0, 0])
        plt.close(figure)


THREE = MatrixGame("three", np.zeros((2, 2, 2)), "a test")
SIX = MatrixGame("six", np.zeros((6, 2)), "a test")


@pytest.mark.parametrize(
    ("studies", "message"),
    [
        ({}, "studies is empty, expected one or more by name"),
        ({"IQL": study(snapshots=1)}, "'IQL' has 1 snapshot, expected 2 or more: play with snapshots=100"),
        ({"IQL": study(game=THREE)}, r"'IQL' played a game with \(2, 2, 2\) actions, expected two agents"),
        ({"IQL": study(game=SIX)}, r"\(6, 2\) actions, expected two agents with 2 to 5 actions each"),
        ({"joint": study(JointQ())}, "'joint' has 1 table of values for the whole team, .* leave out"),
        (
            {"IQL": study(), "other": study(game=catalogue["penalty-10"])},
            "'IQL' played climbing and 'other' played penalty-10: show each game in an explorer of its own",
        ),
        (
            {"IQL": study(), "more": study(plays=800)},
            "'IQL' has 8 snapshots up to play 400 and 'more' has 8 snapshots up to play 800: let both play",
        ),
    ],
)
def test_studies_that_do_not_suit_are_one_clear_sentence(studies, message):
    with pytest.raises(ValueError, match=message):
        LearningExplorer(studies)


@pytest.mark.parametrize(
    ("studies", "message"),
    [
        (STUDIES["IQL"], "studies is of type Study, expected one or more by name, as in {'IQL': play"),
        ({"IQL": 3}, "studies holds 'IQL' of type int, expected a name and its Study"),
        ({1: STUDIES["IQL"]}, "studies holds 1 of type Study, expected a name"),
    ],
)
def test_things_that_are_no_studies(studies, message):
    with pytest.raises(ValueError, match=message):
        _check_kinds(studies)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("learner", "VDN", r"unknown learner 'VDN', expected one of \['IQL', 'hysteretic', 'distributed'\]"),
        ("snapshot", 8, "snapshot 8 does not exist, expected 0 to 7"),
        ("run", -1, "run -1 does not exist, expected 0 to 11"),
        ("view", "some", "all runs"),
    ],
)
def test_a_choice_that_does_not_exist(explorer, name, value, message):
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(explorer, name, value)

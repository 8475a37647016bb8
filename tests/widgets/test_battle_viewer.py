"""The viewer shows the learner's numbers in words and figures, and refuses settings that are not there."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import traitlets
from recorded import untrained

import qmix_edu
from qmix_edu import algorithms
from qmix_edu.battles import record_episodes
from qmix_edu.plots import violations
from qmix_edu.widgets import BattleViewer


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def moved(viewer: BattleViewer, **settings) -> BattleViewer:
    for name, value in settings.items():
        setattr(viewer, name, value)
    return viewer


def test_the_surface_is_the_learners_q_tot_with_the_others_as_they_chose():
    """Against the torch mixer itself, on the states that the environment showed."""
    env = qmix_edu.make_env("smax/3m", n_envs=2, seed=3)
    learner = algorithms.qmix(env.spec, seed=4)
    states, reset = [], env.reset
    env.reset = lambda: (lambda seen: (states.append(seen.state), seen)[1])(reset())
    record = record_episodes(env, learner, 1)
    viewer = moved(BattleViewer(record), agents=[2, 0])
    q2, q0 = viewer.grid()
    chosen, scale = record.episodes[0].chosen(0), learner.settings.reward_scale
    for i, j in [(0, 0), (40, 3), (17, 40)]:
        q = torch.tensor([[q0[j], chosen[1], q2[i]]], dtype=torch.float32) * scale
        expected = learner.online["factorisation"].mixer(q, states[0][:1]).item() / scale
        assert viewer.surface()[i, j] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("algorithm", ["qmix", "vdn"])
def test_values_of_the_pairs_lie_on_the_surface_and_the_chosen_one_is_q_tot(algorithm):
    record = untrained("smax/3m", algorithm)
    for step in (0, record.episodes[0].steps - 1):
        viewer = moved(BattleViewer(record), step=step, agents=[0, 1])
        episode, available = record.episodes[0], record.episodes[0].avail_actions[step]
        place = tuple(int(available[i, : episode.actions[step, i]].sum()) for i in (0, 1))
        assert viewer.values()[place] == pytest.approx(episode.q_tot[step], abs=1e-5)
        assert not any(falling.any() for falling in violations(viewer.surface()))


def test_an_unconstrained_mixer_falls_somewhere_and_is_counted():
    record = untrained("two-step", "unconstrained")
    counts = [moved(BattleViewer(record), step=s).result()["surface"]["violations"] for s in (0, 1)]
    assert max(counts) > 0


@pytest.mark.parametrize(
    ("env", "algorithm", "words"),
    [
        ("smax/3m", "qmix", "Step 0 of {steps}, 3 of 3 allies and 3 of 3 enemies live. Agent 1 takes "),
        ("two-step", "qplex", "Step 0 of 2. Agent 1 takes "),
        ("two-step", "iql", "No Q_tot, return still to come"),
    ],
)
def test_words_and_figure(env, algorithm, words):
    record = untrained(env, algorithm)
    viewer = BattleViewer(record)
    assert words.format(steps=record.episodes[0].steps) in viewer.summary()
    assert (viewer.result()["surface"] is None) == (algorithm != "qmix")
    axes = viewer.figure().axes
    assert len([ax for ax in axes if ax.axison]) >= 2
    assert axes[2].get_xlabel() == "step" and len(axes[2].lines) == (2 if algorithm == "iql" else 3)
    viewer.step = record.episodes[0].steps
    assert "the episode is over: " in viewer.summary()
    assert viewer.result()["actions"] is None and viewer.result()["return_to_come"] == 0
    viewer.figure()


def test_the_figures_utilities_mark_what_was_best_and_what_was_done():
    record = untrained("smax/3m")
    episode, axes = record.episodes[0], BattleViewer(record).figure().axes[1]
    stars = [line.get_xydata()[0].tolist() for line in axes.lines if line.get_marker() == "*"]
    assert stars == [[action, agent] for agent, action in enumerate(episode.greedy[0])]
    frames = {tuple(np.round(p.get_xy(), 2)) for p in axes.patches if not p.get_fill()}
    assert frames == {(round(a - 0.45, 2), round(i - 0.42, 2)) for i, a in enumerate(episode.actions[0])}
    masked = np.ma.getmaskarray(axes.images[0].get_array())
    np.testing.assert_array_equal(masked, ~episode.avail_actions[0])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("episode", 2, "there is no episode 2, expected 0 to 1"),
        ("episode", -1, "there is no episode -1"),
        ("step", 1000, r"there is no step 1000, expected 0 to \d+"),
        ("agents", [0, 3], "there is no agent 3, expected 0 to 2"),
        ("agents", [1, 1], r"agents are \[1, 1\], expected two different ones"),
        ("agents", [1], "length"),
    ],
)
def test_what_is_not_there_cannot_be_shown(name, value, message):
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(BattleViewer(untrained("smax/3m")), name, value)


def test_a_shorter_episode_begins_at_its_start():
    record = untrained("smax/3m")
    long = int(record.episodes[1].steps > record.episodes[0].steps)
    assert record.episodes[long].steps != record.episodes[1 - long].steps
    viewer = moved(BattleViewer(record), episode=long, step=record.episodes[long].steps)
    viewer.episode = 1 - long
    assert viewer.step == 0
    viewer.summary()


def test_without_a_record_it_waits_for_a_file():
    viewer = moved(BattleViewer(), step=7)
    assert viewer.record is None
    with pytest.raises(ValueError, match="made without a record"):
        viewer.summary()

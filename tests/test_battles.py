"""Recorded battles agree with what the simulator paid; pictures show what was recorded."""

import ast
import dataclasses
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from jaxmarl.environments.smax.smax_env import SMAX
from matplotlib.collections import LineCollection
from matplotlib.patches import Circle
from pictures import axes_without_labels

import qmix_edu
from qmix_edu import battle_plots
from qmix_edu.battle_plots import (
    UNIT_TYPES,
    Battle,
    battle_player,
    plot_battle,
    plot_filmstrip,
    plot_sight,
    plot_win_curves,
)
from qmix_edu.battles import record_battles
from qmix_edu.rollout import play


@pytest.fixture(scope="module")
def env():
    return qmix_edu.make_env("smax/3m", n_envs=32, seed=0)


@pytest.fixture(scope="module")
def learner(env):
    return qmix_edu.algorithms.vdn(env.spec, seed=0)


@pytest.fixture(scope="module")
def battles(env, learner):
    return record_battles(env, learner, epsilon=1.0)


def small_battle(**changes) -> Battle:
    """One ally and one enemy; the ally wins in two steps."""
    fields = {
        "map_name": "smax/1m",
        "targets": np.array([[-1, 0], [1, 0]]),
        "reward": np.array([0.0, 2.0]),
        "positions": np.array([[[0, 0], [4, 0]], [[2, 0], [4, 0]], [[2, 0], [4, 0]]], dtype=float),
        "health": np.array([[1, 1], [0.5, 1], [0.25, 0]]),
        "cooldown": np.zeros((3, 2)),
        "alive": np.array([[True, True], [True, True], [True, False]]),
        "teams": np.array([0, 1]),
        "types": ("marine", "zealot"),
        "won": True,
    }
    return Battle(**(fields | changes))


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_one_battle_for_every_copy(battles):
    assert len(battles) == 32
    assert len({battle.steps for battle in battles}) > 3
    for battle in battles:
        assert battle.types == ("marine",) * 6 and battle.teams.tolist() == [0, 0, 0, 1, 1, 1]
        assert battle.alive[0].all() and (battle.health[0] == 1).all()
        assert not battle.alive[-1].all()


def test_the_reward_is_the_health_taken_and_one_for_a_win(battles):
    for battle in battles:
        enemies = battle.health[:, battle.teams == 1]
        taken = -np.diff(enemies, axis=0).sum(axis=1) / 3
        taken[-1] += battle.won
        np.testing.assert_allclose(battle.reward, taken, atol=1e-5)


def test_whoever_loses_health_is_somebodys_target(battles):
    hits = {0: 0, 1: 0}
    for battle in battles:
        inside = ((battle.positions > 0) & (battle.positions < 32)).all(axis=-1)
        for step, unit in np.argwhere((np.diff(battle.health, axis=0) < 0) & inside[1:]):
            shooters = np.flatnonzero(battle.targets[step] == unit)
            assert len(shooters) > 0
            assert (battle.teams[shooters] != battle.teams[unit]).all()
            hits[int(battle.teams[unit])] += 1
    assert min(hits.values()) > 50


def test_the_dead_shoot_at_nobody(battles):
    for battle in battles:
        assert (battle.targets[~battle.alive[:-1]] == -1).all()


def test_outcomes_follow_from_who_lives(battles, env, learner):
    assert {battle.outcome for battle in battles} <= {"won", "lost", "draw"}
    for battle in battles:
        allies, enemies = battle.survivors
        assert battle.won == (allies > 0 and enemies == 0)
    assert small_battle().outcome == "won"
    both_dead = np.array([[True, True], [True, True], [False, False]])
    assert small_battle(alive=both_dead, won=False).outcome == "draw"
    assert small_battle(alive=~both_dead, won=False).outcome == "out of time"
    assert small_battle(alive=np.tile([[False, True]], (3, 1)), won=False).outcome == "lost"


def test_the_same_key_gives_the_same_battles(env, learner):
    key = env.rng_state()
    first, other = record_battles(env, learner), record_battles(env, learner)
    env.set_rng_state(key)
    again = record_battles(env, learner)
    for one, two in zip(first, again, strict=True):
        for field in dataclasses.fields(Battle):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(two, field.name))
    assert not np.array_equal(first[0].positions[0], other[0].positions[0])


def test_other_environments_are_refused():
    env = qmix_edu.make_env("matrix/climbing", n_envs=2, seed=0)
    with pytest.raises(ValueError, match="smax/<map> only, and this is matrix/climbing"):
        record_battles(env, qmix_edu.algorithms.vdn(env.spec, seed=0))


def test_unit_types_and_features_are_smax_s():
    simulator = SMAX()
    assert list(UNIT_TYPES) == simulator.unit_type_names
    assert list(battle_plots.SIGHT_RANGES) == simulator.unit_type_sight_ranges.tolist()
    assert list(battle_plots.SHOOTING_RANGES) == simulator.unit_type_attack_ranges.tolist()
    assert len(battle_plots.UNIT_FEATURES) == len(simulator.unit_features)
    assert len(battle_plots.OWN_FEATURES) == len(simulator.own_features)
    assert battle_plots.UNIT_FEATURES.index("cooldown") == simulator.unit_features.index("weapon_cooldown")


def marks(ax, marker):
    return [line.get_xydata()[0].tolist() for line in ax.lines if line.get_marker() == marker]


def shots(ax):
    lines = [c for c in ax.collections if isinstance(c, LineCollection) and c.get_zorder() == 2]
    return [np.round(s, 6).tolist() for c in lines for s in c.get_segments()]


def test_a_moment_shows_places_shots_and_deaths():
    battle = small_battle()
    ax = plot_battle(battle, 1)
    assert marks(ax, "o") == [[2, 0]] and marks(ax, "s") == [[4, 0]] and marks(ax, "x") == []
    assert shots(ax) == [[[2, 0], [4, 0]], [[4, 0], [2, 0]]]
    assert [t.get_text() for t in ax.texts] == ["m1", "Z1"]
    end = plot_battle(battle, 2)
    assert marks(end, "s") == [] and marks(end, "x") == [[4, 0]] and shots(end) == []
    assert end.get_title() == "step 2 of 2 · return 2.00 · won"


def test_health_bars_are_as_long_as_the_health():
    ax = plot_battle(small_battle(), 1)
    full, _, left = (c.get_segments() for c in ax.collections if isinstance(c, LineCollection) and c.get_zorder() > 2)
    lengths = [np.ptp(bar[:, 0]) for bar in left]
    np.testing.assert_allclose(lengths, [0.5 * np.ptp(full[0][:, 0]), np.ptp(full[1][:, 0])])


def test_between_two_steps_units_stand_in_between():
    assert marks(plot_battle(small_battle(), 0.5), "o") == [[1, 0]]


@pytest.mark.parametrize("time", [-1, 2.5, 3])
def test_a_moment_outside_the_battle_is_refused(time):
    with pytest.raises(ValueError, match="from step 0 to step 2"):
        plot_battle(small_battle(), time)


def view(**changes):
    """What the one ally of ``small_battle`` sees at step 1, and what it may do."""
    enemy = [1, 2 / 9, 0, 0, 0, 0.5, 0.25, 0, 0, 0, 1, 0, 0]
    itself = [0.5, 0.1, 0, 0.75, 1, 0, 0, 0, 0, 0]
    fields = {
        "step": 1,
        "unit": 0,
        "obs": np.array([*enemy, *itself]),
        "avail_actions": np.array([True] * 5 + [False]),
    }
    return fields | changes


def test_sight_draws_two_circles_around_the_unit_and_every_number():
    frame, table, mask = plot_sight(small_battle(), **view())
    circles = [patch for patch in frame.patches if isinstance(patch, Circle)]
    assert [(c.center, c.radius, c.get_linestyle()) for c in circles] == [((2, 0), 9, "-"), ((2, 0), 5, "--")]
    (left, right), (bottom, top) = frame.get_xlim(), frame.get_ylim()
    assert left <= -7 and right >= 11 and bottom <= -9 and top >= 9
    columns = [label.get_text() for label in table.get_xticklabels()]
    cells = {(columns[round(t.get_position()[0])], t.get_position()[1]): t.get_text() for t in table.texts}
    assert (cells["health", 0], cells["x", 0], cells["cooldown", 0], cells["zealot", 0]) == ("1", "0.22", "0.25", "1")
    assert (cells["health", 1], cells["cooldown", 1], cells["marine", 1]) == ("0.5", "0.75", "1")
    assert ("move x", 1) not in cells and len(cells) == 23
    assert [label.get_text() for label in table.get_yticklabels()] == ["enemy Z1", "itself (ally m1)"]
    assert [t.get_text() for t in mask.texts] == ["1", "1", "1", "1", "1", "0"]
    assert [label.get_text() for label in mask.get_xticklabels()][-2:] == ["stop", "shoot 1"]


def test_a_unit_out_of_sight_is_a_hatched_row():
    obs = np.concatenate([np.zeros(13), view()["obs"][13:]])
    table = plot_sight(small_battle(), **view(obs=obs))[1]
    hatched = [patch.get_y() + 0.5 for patch in table.patches if patch.get_hatch()]
    assert hatched == [0]
    assert {t.get_position()[1] for t in table.texts} == {1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit": 1}, "unit is 1, but the allies of this battle are 0 to 0"),
        ({"step": 3}, "from step 0 to step 2"),
        ({"obs": np.zeros(22)}, r"obs has shape \(22,\), expected \(23,\)"),
        ({"avail_actions": np.zeros(5, dtype=bool)}, r"avail_actions has shape \(5,\), expected \(6,\)"),
    ],
)
def test_a_view_that_does_not_fit_the_battle_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        plot_sight(small_battle(), **view(**changes))


def test_sight_agrees_with_the_simulator(env, learner):
    """The circles decide, by the recorded places alone, what an observation shows and what a mask allows."""
    key = env.rng_state()
    battles = record_battles(env, learner, epsilon=1.0)
    env.set_rng_state(key)
    batch, _ = play(env, learner, 1.0, torch.Generator().manual_seed(0))
    counted = 0
    for b, battle in enumerate(battles):
        away = np.linalg.norm(battle.positions[:, :3, None] - battle.positions[:, None, 3:], axis=-1)
        alive = battle.alive[:, :3, None] & battle.alive[:, None, 3:]
        health = batch.obs[b, : battle.steps + 1, :, 26:65:13].numpy()
        np.testing.assert_array_equal(health > 0, alive & (away < battle_plots.SIGHT_RANGES[0]))
        mask = batch.avail_actions[b, : battle.steps + 1, :, 5:].numpy()
        np.testing.assert_array_equal(mask, alive & (away < battle_plots.SHOOTING_RANGES[0]))
        counted += int(mask.sum())
    assert counted > 100


def test_a_filmstrip_goes_from_the_first_moment_to_the_last(battles):
    axes = plot_filmstrip(battles[0], frames=4)
    assert len(axes) == 4
    assert axes[0].get_title().startswith("step 0 of") and axes[-1].get_title().endswith(battles[0].outcome)
    assert len({ax.get_xlim() for ax in axes}) == 1
    with pytest.raises(ValueError, match="frames is 1"):
        plot_filmstrip(battles[0], frames=1)


def test_the_player_needs_no_network_and_holds_every_picture():
    page = battle_player(small_battle())
    assert "http" not in page and "<link" not in page and "fa-" not in page
    assert page.count("data:image/png") == 6  # two for each step, the end, and the first as the script's start
    assert '<img alt="' in page and page.split('src="', 1)[1].startswith("data:image/png;base64,")
    assert 'alt="Animation of a battle on smax/1m: won after 2 steps; 1 allies and 0 enemies live."' in page
    assert "▶" in page


def test_win_curves_show_every_evaluation_and_its_band():
    ax = plot_win_curves({"QMIX": [(10, 0.5, 0.4, 0.6), (20, 0.75, 0.7, 0.8)], "IQL": [(10, 0.1, 0.0, 0.2)], "VDN": []})
    assert [line.get_label() for line in ax.lines] == ["QMIX", "IQL", "VDN"]
    assert ax.lines[0].get_xydata().tolist() == [[10, 0.5], [20, 0.75]]
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.4, 0.8)
    assert len({(line.get_color(), line.get_linestyle(), line.get_marker()) for line in ax.lines}) == 3


def test_pictures_know_no_torch_and_no_jax():
    tree = ast.parse(Path(battle_plots.__file__).read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {module.split(".")[0] for module in modules}.isdisjoint({"torch", "jax", "jaxmarl", "qmix_edu"})


PICTURES = {
    "plot_battle": lambda: plot_battle(small_battle(), 1),
    "plot_sight": lambda: plot_sight(small_battle(), **view()),
    "plot_filmstrip": lambda: plot_filmstrip(small_battle()),
    "plot_utilities": lambda: battle_plots.plot_utilities(
        np.eye(2), np.full((2, 2), True), np.array([0, 1]), np.array([0, 1]), ["north", "stop"]
    ),
    "plot_values_over_time": lambda: battle_plots.plot_values_over_time(np.zeros(3), np.ones(3)),
    "plot_win_curves": lambda: plot_win_curves({"VDN": [(0, 0.5, 0.4, 0.6)]}),
}


def test_every_picture_is_drawn_here():
    assert set(PICTURES) == {name for name in vars(battle_plots) if name.startswith("plot_")}


@pytest.mark.parametrize("name", PICTURES)
def test_every_axis_says_what_it_shows(name):
    PICTURES[name]()
    assert axes_without_labels() == []

"""Records say what the learner computed and the simulator did, survive the file, and refuse what is no record."""

import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from recorded import HOSTILE, damaged

import qmix_edu
from qmix_edu import algorithms
from qmix_edu.agents import GRUAgent
from qmix_edu.battles import record_battles, record_episodes
from qmix_edu.learner import LearnerSettings
from qmix_edu.records import Record, RecordError, load_record, save_record
from qmix_edu.rollout import play

SETTINGS = LearnerSettings(gamma=0.9, reward_scale=4.0)
MIXED = {
    "network": ("qmix", "qmix_ns", "unconstrained", "ow_qmix"),
    "linear": ("vdn", "vdn_s", "qmix_lin"),
    "opaque": ("qplex", "qfix_mono", "universal", "qtran_base"),
    "none": ("iql", "hysteretic"),
}
ALGORITHMS = [(name, mixing) for mixing, names in MIXED.items() for name in names]


@pytest.fixture(scope="module")
def battles_env():
    return qmix_edu.make_env("smax/3m", n_envs=4, seed=0)


@pytest.fixture(scope="module")
def battle_record(battles_env) -> Record:
    learner = algorithms.qmix(battles_env.spec, seed=0, settings=SETTINGS)
    return record_episodes(battles_env, learner, 2, epsilon=0.5)


@pytest.fixture(scope="module")
def content(battle_record) -> dict:
    return battle_record.to_json()


def two_step(name: str, n_envs: int = 3):
    env = qmix_edu.make_env("two-step", n_envs=n_envs, seed=0)
    return env, algorithms.ALGORITHMS[name](env.spec, seed=1, settings=SETTINGS)


@pytest.mark.parametrize(("name", "mixing"), ALGORITHMS)
def test_the_record_holds_the_learners_own_numbers(name, mixing):
    env, learner = two_step(name)
    record = record_episodes(env, learner, 3, epsilon=0.5, seed=2)
    assert (record.env, record.algorithm, record.mixing, record.n_agents) == ("two-step", name, mixing, 2)
    for episode in record.episodes:
        assert episode.battle is None and episode.won is None and not episode.truncated
        assert (episode.mixer is not None) == (mixing == "network")
        greedy = np.where(episode.avail_actions, episode.utilities, -np.inf).argmax(axis=2)
        np.testing.assert_array_equal(episode.greedy, greedy)
        assert (episode.q_tot is None) == (episode.weights is None) == (mixing == "none")
        if mixing in ("none", "opaque"):
            with pytest.raises(
                ValueError, match="nothing mixes them" if mixing == "none" else "chosen joint action only"
            ):
                episode.mix(0, episode.chosen(0))
        else:
            for step in range(episode.steps):
                assert episode.mix(step, episode.chosen(step)) == pytest.approx(episode.q_tot[step], abs=1e-5)


@pytest.mark.parametrize("name", [*MIXED["network"], *MIXED["linear"]])
def test_q_tot_of_any_utilities_is_what_the_mixer_says(name):
    """The whole surface, not only the point that was played: against the torch mixer, utilities a hundredfold apart."""
    env, learner = two_step(name, n_envs=1)
    states = []
    play(env, learner, None, torch.Generator(), watch=lambda seen, *_: states.append(seen.state))
    (episode,) = record_episodes(env, learner, 1).episodes
    anywhere = np.random.default_rng(0).normal(scale=3.0, size=(50, 2))
    for step, state in enumerate(states):
        q = torch.tensor(anywhere * SETTINGS.reward_scale, dtype=torch.float32)
        expected = learner.online["factorisation"].mixer(q, state.expand(50, -1)) / SETTINGS.reward_scale
        np.testing.assert_allclose(episode.mix(step, anywhere), expected[:, 0].detach(), rtol=1e-4, atol=1e-4)


def test_weights_are_the_slopes_of_q_tot(battle_record):
    for episode in battle_record.episodes:
        for step in range(episode.steps):
            at = episode.chosen(step)
            slopes = [
                (episode.mix(step, at + d) - episode.mix(step, at - d)) / 2e-4
                for d in 1e-4 * np.eye(battle_record.n_agents)
            ]
            np.testing.assert_allclose(episode.weights[step], slopes, rtol=1e-3, atol=1e-4)


def test_returns_to_come_are_discounted_sums(battle_record):
    for episode in battle_record.episodes:
        for step in range(episode.steps):
            rest = episode.reward[step:]
            expected = float((rest * SETTINGS.gamma ** np.arange(len(rest))).sum())
            assert episode.returns_to_come[step] == pytest.approx(expected, abs=1e-6)


def test_exploring_and_greedy_actions_are_told_apart(battles_env, battle_record):
    explored = np.concatenate([(e.actions != e.greedy).ravel() for e in battle_record.episodes])
    assert 0.1 < explored.mean() < 0.6  # epsilon is .5, and the dead have one action
    for episode in record_episodes(battles_env, algorithms.vdn(battles_env.spec), 2).episodes:
        np.testing.assert_array_equal(episode.actions, episode.greedy)


def test_an_agent_with_a_memory_is_recorded_with_it():
    env = qmix_edu.make_env("smax/3m", n_envs=4, seed=1)
    record = record_episodes(env, algorithms.qmix(env.spec, seed=3, agent=GRUAgent), 4)
    for episode in record.episodes:  # without its memory it would often prefer another action
        greedy = np.where(episode.avail_actions, episode.utilities, -np.inf).argmax(axis=2)
        np.testing.assert_array_equal(episode.actions, greedy)


def test_the_units_are_those_of_record_battles(battles_env):
    learner, key = algorithms.vdn(battles_env.spec), battles_env.rng_state()
    record = record_episodes(battles_env, learner, 3)
    battles_env.set_rng_state(key)
    for episode, battle in zip(record.episodes, record_battles(battles_env, learner)[:3], strict=True):
        for field in fields(battle):
            np.testing.assert_array_equal(getattr(episode.battle, field.name), getattr(battle, field.name))
        assert episode.won == battle.won
        np.testing.assert_array_equal(episode.reward, battle.reward)


def test_a_weapon_is_never_ready_right_after_a_hit(battle_record):
    """A unit whose target lost health has just fired; the cooldown is what is left of its weapon's pause."""
    hits = 0
    for episode in battle_record.episodes:
        battle = episode.battle
        assert (battle.cooldown >= 0).all() and (battle.cooldown <= 2).all()
        lost = np.diff(battle.health, axis=0) < 0
        for step, unit in np.argwhere(lost & battle.alive[1:]):
            shooters = np.flatnonzero(battle.targets[step] == unit)
            if len(shooters) == 1 and battle.alive[step + 1, shooters[0]]:
                assert battle.cooldown[step + 1, shooters[0]] > 0
                hits += 1
    assert hits > 3


def test_more_episodes_than_copies_are_played_in_rounds():
    env, learner = two_step("vdn", n_envs=2)
    assert len(record_episodes(env, learner, 5).episodes) == 5


@pytest.mark.parametrize(
    ("name", "episodes", "message"),
    [
        ("vdn", 0, "Asked for 0 episodes; 1 is the least"),
        ("coma", 1, "coma has a policy and no utilities"),
        ("joint_q", 1, "joint_q values the joint actions of the whole team"),
    ],
)
def test_what_cannot_be_recorded_is_said(name, episodes, message):
    env, learner = two_step(name)
    with pytest.raises(ValueError, match=message):
        record_episodes(env, learner, episodes)


# --- the file ------------------------------------------------------------------------------------------------


def assert_equal(one, two, where: str = "") -> None:
    if hasattr(one, "__dataclass_fields__"):
        for field in fields(one):
            assert_equal(getattr(one, field.name), getattr(two, field.name), f"{where}.{field.name}")
    elif isinstance(one, dict):
        assert one.keys() == two.keys()
        for name in one:
            assert_equal(one[name], two[name], f"{where}.{name}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(two), where
        for a, b in zip(one, two, strict=True):
            assert_equal(a, b, where)
    else:
        np.testing.assert_array_equal(one, two, err_msg=where)


def test_a_file_gives_back_what_was_recorded(battle_record, tmp_path):
    env, learner = two_step("iql")
    for record in (battle_record, record_episodes(env, learner, 2)):
        save_record(record, tmp_path / "battle.json")
        assert_equal(load_record(tmp_path / "battle.json"), record)
    assert [path.name for path in tmp_path.iterdir()] == ["battle.json"]


def test_a_record_that_cannot_be_written_leaves_the_old_one(battle_record, tmp_path, monkeypatch):
    path = tmp_path / "battle.json"
    path.write_text("old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="could not be written"):
        save_record(battle_record, path)
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["battle.json"]


def test_a_record_too_large_to_be_read_is_not_written(battle_record, tmp_path, monkeypatch):
    monkeypatch.setattr("qmix_edu.records.MAX_BYTES", 2**20 // 16)
    with pytest.raises(ValueError, match="2 episodes make a record of .* record fewer"):
        save_record(battle_record, tmp_path / "battle.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_truncated_file_is_refused_in_one_sentence(battle_record, tmp_path, share):
    path = tmp_path / "battle.json"
    save_record(battle_record, path)
    os.truncate(path, int(share * path.stat().st_size))
    with pytest.raises(RecordError, match=r"battle\.json is not JSON and so no record of episodes; make .*\.$"):
        load_record(path)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "battle.json"
    path.touch()
    os.truncate(path, 500 * 2**20)
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(RecordError, match="has 500 MB, and a record has 64 at most"):
        load_record(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 200_000, "is not JSON"),
        ("\udcff", "is not JSON"),
        ("[]", "This is no record of episodes"),
        ('{"cells": []}', "This is no record of episodes"),
        ('{"format": "qmix_edu record", "version": NaN}', "The record holds NaN, which is no number"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, text, message):
    path = tmp_path / "battle.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RecordError, match=message):
        load_record(path)
    with pytest.raises(RecordError, match="There is no record"):
        load_record(tmp_path / "nothing.json")


SHAPES = [
    (["n_agents"], 2, r"avail_actions has shape \[\d+, 3, 8\], expected numbers of shape \[\d+, 2, 8\]"),
    (["n_agents"], 10**400, "n_agents holds something else than numbers"),
    (["episodes", 0, "utilities", 1], [], "utilities holds something else than numbers"),
]


@pytest.mark.parametrize(("place", "value", "message"), [*HOSTILE, *SHAPES], ids=lambda x: str(x)[:40])
def test_a_damaged_record_is_refused_in_one_sentence(content, place, value, message):
    with pytest.raises(RecordError, match=message) as refused:
        Record.from_json(damaged(content, place, value))
    text = str(refused.value)
    assert len(text) < 300 and "\n" not in text and text.endswith(".") and "qmix-edu record" in text


def test_a_script_in_a_name_stays_text(content):
    name = "<img src=x onerror=alert(1)>"
    assert Record.from_json(damaged(content, ["action_names", 0], name)).action_names[0] == name

"""The adapter to StarCraft II, against a stand-in that behaves and fails as the package does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
import torch

sys.path.insert(0, os.path.dirname(__file__))
import starcraft2_stand_in as stand_in  # noqa: E402

from qmix_edu.cli import main  # noqa: E402
from qmix_edu.envs import smacv2, starcraft2  # noqa: E402
from qmix_edu.envs.conformance import check_conformance  # noqa: E402
from qmix_edu.envs.smacv2 import make_smacv2, smacv2_maps  # noqa: E402
from qmix_edu.envs.starcraft2 import StarCraftUnavailable, make_starcraft2, starcraft2_maps  # noqa: E402
from qmix_edu.settings import default_steps, train_settings  # noqa: E402

STOP = 1


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs the stand-in with settings; no smac module may survive the test."""

    def installed(**chosen):
        stand_in.install(tmp_path, monkeypatch, **chosen)
        _forget_smac()

    yield installed
    _forget_smac()


def _forget_smac():
    for name in [m for m in sys.modules if m.partition(".")[0] in ("smac", "smacv2")]:
        del sys.modules[name]


@pytest.fixture
def make(install):
    """Return a function that makes an environment on the stand-in; all are closed in the end."""
    made = []

    def built(map_name="3m", n_envs=1, seed=0, **chosen):
        install(**chosen)
        maker = make_smacv2 if map_name in smacv2_maps() else make_starcraft2
        made.append(maker(map_name, n_envs, seed))
        return made[-1]

    yield built
    for env in made:
        env.close()


@pytest.fixture
def happened(tmp_path):
    return lambda: stand_in.events(tmp_path)


def attack(observation):
    """Attack the first enemy in range, else go towards the enemies."""
    available = observation.avail_actions.int()
    actions = 6 + available[..., 6:].argmax(-1)
    actions = torch.where(available[..., 6:].any(-1), actions, 4)
    return torch.where(available[..., 0] == 1, 0, actions)


def stop(observation):
    return torch.where(observation.avail_actions[..., 0], 0, STOP)


def play(env, policy):
    """Return the transitions of one episode in every game."""
    observation = env.reset()
    ended = torch.zeros(env.spec.n_envs, 1, dtype=torch.bool)
    transitions = []
    while not ended.all():
        transitions.append(env.step(policy(observation)))
        last = transitions[-1]
        observation = last.observation
        ended |= last.terminated | last.truncated | last.aborted
    return transitions


# --- what an episode brings


@pytest.mark.parametrize("map_name", ["3m", "5m_vs_6m"])
def test_it_conforms(make, map_name):
    assert check_conformance(make(map_name), episodes=3) == []


def test_a_game_that_loses_its_connection_conforms(make):
    assert check_conformance(make(lose_at_step=[2], lose_at_reset=[3]), episodes=3) == []


def test_sizes_of_3m(make):
    spec = make().spec
    sizes = (spec.state_size, spec.obs_size, spec.n_actions, spec.n_agents, spec.episode_limit)
    assert sizes == (48, 30, 9, 3, 60)
    assert (spec.name, spec.n_envs, spec.has_wins) == ("smac/3m", 1, True)


def test_a_win_returns_20_in_every_episode(make):
    env = make(enemy="waits")
    for _ in range(3):
        transitions = play(env, attack)
        assert sum(t.reward.item() for t in transitions) == pytest.approx(20, abs=1e-4)
        last = transitions[-1]
        flags = [f.item() for f in (last.terminated, last.truncated, last.won, last.aborted)]
        assert flags == [True, False, True, False]
        assert not any(t.won.item() for t in transitions[:-1])


def test_a_defeat_is_terminated_and_not_won(make):
    last = play(make(), stop)[-1]
    assert (last.terminated.item(), last.truncated.item(), last.won.item()) == (True, False, False)


def test_dead_agents_can_only_do_nothing(make):
    observation = play(make(), stop)[-1].observation
    only_no_op = torch.tensor([True] + [False] * 8).expand(1, 3, 9)
    assert torch.equal(observation.avail_actions, only_no_op)
    assert not observation.obs.any()


def test_a_time_limit_is_truncated_and_not_terminated(make):
    transitions = play(make(enemy="waits"), stop)
    assert len(transitions) == 60
    last = transitions[-1]
    flags = [f.item() for f in (last.terminated, last.truncated, last.won, last.aborted)]
    assert flags == [False, True, False, False]


def test_a_defeat_at_the_time_limit_is_terminated(make, monkeypatch):
    monkeypatch.setitem(stand_in.MAPS, "3m", (3, 3, 3))
    last = play(make(enemy="draws"), stop)[-1]
    assert (last.terminated.item(), last.truncated.item()) == (True, False)


def test_a_defeat_with_only_medivacs_alive_is_terminated(make):
    transitions = play(make(enemy="waits", only_medivacs_at=4), stop)
    last = transitions[-1]
    assert len(transitions) == 4
    assert (last.terminated.item(), last.truncated.item(), last.won.item()) == (True, False, False)


def test_a_draw_is_not_won(make):
    last = play(make(enemy="draws"), stop)[-1]
    assert (last.terminated.item(), last.truncated.item(), last.won.item()) == (True, False, False)


def test_the_step_counter_starts_again_with_each_episode(make):
    env = make(enemy="waits")
    env.step(stop(env.reset()))
    assert [len(play(env, stop)) for _ in range(2)] == [60, 60]


# --- resets are rare, since each may launch the game and spoil the scale of the rewards


def test_the_stand_in_spoils_the_scale_as_the_package_does(install, monkeypatch, tmp_path):
    install()
    env = stand_in.StarCraft2Env("3m")
    grown = []
    for _ in range(3):
        env.reset()
        grown.append(env.max_reward)
    assert grown == [365, 500, 635]


def test_nothing_is_launched_before_the_first_reset(make, happened):
    make()
    assert happened() == ["build"]


def test_one_reset_and_one_launch_for_the_first_episode(make, happened):
    env = make()
    first, second = env.reset(), env.reset()
    assert torch.equal(first.obs, second.obs)
    assert [e for e in happened() if e in ("build", "launch", "reset")] == ["build", "reset", "launch"]


def test_one_reset_an_episode_and_one_launch_in_all(make, happened):
    env = make()
    for _ in range(3):
        play(env, attack)
    env.reset()
    env.reset()
    assert happened().count("reset") == 4
    assert happened().count("launch") == 1
    assert {e for e in happened() if e.startswith("episode")} == {"episode ended, max_reward 365"}


def test_a_reset_in_the_first_episode_takes_a_new_game_and_closes_the_old(make, happened):
    env = make()
    env.step(stop(env.reset()))
    play(env, attack)
    assert "episode ended, max_reward 365" in happened()
    assert happened().count("launch") == 2
    assert happened().count("close running") == 1


# --- connections that are lost


def test_a_lost_connection_aborts_the_episode(make, happened):
    env = make(lose_at_step=[3])
    transitions = play(env, stop)
    assert len(transitions) == 3
    last = transitions[-1]
    flags = [f.item() for f in (last.terminated, last.truncated, last.won, last.aborted)]
    assert flags == [False, False, False, True]
    assert last.reward.item() == 0
    assert torch.equal(last.observation.obs, transitions[-2].observation.obs)
    steps = sum(e.startswith("step") for e in happened())
    env.step(stop(last.observation))
    assert sum(e.startswith("step") for e in happened()) == steps


def test_a_lost_connection_leaves_the_last_view(make):
    """What the package shows then is half of one moment (the units) and half of another (the last actions)."""
    env = make(lose_at_step=[2])
    before = env.step(stop(env.reset())).observation
    transition = env.step(torch.full((1, 3), 4))
    assert transition.aborted.item()
    assert torch.equal(transition.observation.state, before.state)


def test_after_a_loss_in_the_first_episode_the_scale_is_right(make, happened):
    env = make(lose_at_step=[3])
    play(env, stop)
    play(env, attack)
    assert "episode ended, max_reward 365" in happened()
    assert happened().count("connection lost") == 1


def test_after_a_later_loss_the_next_episode_is_a_fresh_one(make):
    env = make(lose_at_step=[61 + 5], enemy="waits")
    assert play(env, stop)[-1].truncated.item()
    assert play(env, stop)[-1].aborted.item()
    healthy = env.reset().obs[..., -1]
    assert torch.equal(healthy, torch.ones_like(healthy))
    assert len(play(env, stop)) == 60


def test_a_loss_in_the_first_reset_is_tried_once_more(make, happened):
    env = make(lose_at_reset=[1])
    assert env.reset().obs.shape == (1, 3, 30)
    play(env, attack)
    assert "episode ended, max_reward 365" in happened()
    assert happened().count("close running") == 1


def test_a_second_loss_in_the_first_reset_is_one_sentence(make):
    env = make(lose_at_reset=[1, 2])
    with pytest.raises(StarCraftUnavailable, match="lost twice"):
        env.reset()
    env.reset()  # the third time it works


def test_a_loss_in_a_later_reset_does_not_show_the_battle_before(make):
    env = make(lose_at_reset=[2])
    assert play(env, stop)[-1].terminated.item()  # all agents are dead now
    observation = env.reset()
    assert not observation.avail_actions[..., 0].any()
    assert (observation.obs[..., -1] == 1).all()


def test_a_launch_that_fails_in_a_step_is_one_sentence_and_the_game_can_be_tried_again(make, monkeypatch):
    env = make(lose_at_step=[2], launch_failure="no binary", launch_failure_from=2)
    observation = env.reset()
    observation = env.step(stop(observation)).observation
    with pytest.raises(StarCraftUnavailable, match="has no program to run"):
        env.step(stop(observation))
    with pytest.raises(RuntimeError, match="call reset"):
        env.step(stop(observation))
    stand_in.choose(monkeypatch)
    env.reset()


# --- actions


def test_an_unavailable_action_is_refused_before_anything_is_sent(make, happened):
    env = make()
    observation = env.reset()
    for wrong in (0, 8, 9, -1):  # no-op while alive, an enemy out of range, and outside of the actions
        actions = stop(observation)
        actions[0, 2] = wrong
        expected = rf"smac/3m: agent 2 of environment 0 cannot take action {wrong} now; choose from \[1, 2"
        with pytest.raises(ValueError, match=expected):
            env.step(actions)
    assert not any(e.startswith("step") for e in happened())
    env.step(stop(observation))


@pytest.mark.parametrize("actions", [torch.ones(1, 2, dtype=torch.int64), torch.ones(1, 3)])
def test_too_few_actions_and_actions_that_are_no_integers_are_refused(make, actions):
    env = make()
    env.reset()
    # the type checker of the tests is faster with floats
    with pytest.raises((ValueError, TypeError), match=r"pass integers of shape \(1, 3\)|Int\[Tensor"):
        env.step(actions)


def test_an_ended_game_is_not_stepped(make, happened):
    env = make()
    last = play(env, attack)[-1]
    steps = sum(e.startswith("step") for e in happened())
    after = env.step(torch.full((1, 3), 8))
    assert sum(e.startswith("step") for e in happened()) == steps
    assert not (after.reward.any() or after.terminated.any() or after.won.any())
    assert torch.equal(after.observation.state, last.observation.state)


def test_observations_are_float32_copies(make):
    env = make()
    observation = env.reset()
    assert (observation.obs.dtype, observation.state.dtype) == (torch.float32, torch.float32)
    assert observation.avail_actions.dtype == torch.bool
    observation.avail_actions[:] = False
    observation.obs[:] = 7
    again = env.reset()
    assert again.avail_actions[..., 1].all() and not (again.obs == 7).any()


def test_steps_need_a_reset_and_an_open_environment(make):
    env = make()
    with pytest.raises(RuntimeError, match="call reset"):
        env.step(torch.ones(1, 3, dtype=torch.int64))
    env.close()
    env.close()
    with pytest.raises(RuntimeError, match="closed"):
        env.reset()


def test_the_randomness_is_the_games_own(make):
    env = make()
    assert env.rng_state() == {}
    env.set_rng_state({})
    with pytest.raises(ValueError, match="numpy"):
        env.set_rng_state({"numpy": torch.zeros(1)})


# --- several games (few tests, since each process takes seconds to start)


def test_several_games_conform_and_closing_ends_their_processes(make, happened, tmp_path):
    env = make(n_envs=2, seed=5)
    processes = [game._process for game in env._games]
    assert check_conformance(env, episodes=2) == []
    assert not any(p.is_alive() for p in processes)
    assert happened()[-2:] == ["close running"] * 2
    lines = (tmp_path / "log").read_text().splitlines()
    launched = {tuple(line.split()[:2]) for line in lines if line.endswith("launch")}
    assert {seed for _, seed in launched} == {"5", "6"}
    assert {pid for pid, _ in launched} == {str(p.pid) for p in processes}


def test_a_killed_process_aborts_its_episode_alone_and_is_replaced(make, happened):
    env = make(n_envs=2, enemy="waits", die_at_step=[4])
    os.kill(env._games[1]._process.pid, signal.SIGKILL)
    observation = env.reset()  # one that dies between episodes is replaced at once
    actions = stop(observation)
    actions[1, 0] = 0
    with pytest.raises(ValueError, match="agent 0 of environment 1 cannot take action 0"):
        env.step(actions)
    assert not any(e.startswith("step") for e in happened())  # one wrong action stops all games

    os.kill(env._games[1]._process.pid, signal.SIGKILL)
    transition = env.step(stop(observation))
    assert transition.aborted.flatten().tolist() == [False, True]
    assert torch.equal(transition.observation.obs[1], observation.obs[1])
    for aborted in (False, False, True):  # the other plays on, and dies within its fourth step
        assert env.step(stop(observation)).aborted.flatten().tolist() == [aborted, False]
    assert len(play(env, stop)) == 60


def test_a_failure_in_a_process_is_the_same_sentence_and_answers_are_not_confused(make, monkeypatch, happened):
    env = make(n_envs=2, enemy="waits", launch_failure="no map", launch_failure_from=3)
    observation = env.reset()
    for game in env._games:  # as if Ctrl-C came between asking and hearing
        game.send("step", stop(observation)[0].numpy())
    assert (env.reset().obs == observation.obs).all()  # a new launch, and not the interrupted step's answer
    env.step(stop(observation))
    with pytest.raises(StarCraftUnavailable, match="unpack SMAC_Maps.zip"):
        env.reset()
    env._games[0]._process.terminate()  # asked politely, it ends by itself
    env._games[0]._process.join(10)
    assert env._games[0]._process.exitcode == 1


def test_a_forgotten_environment_closes_its_games(install, happened):
    install()
    env = make_starcraft2("3m", 2)
    env.reset()
    process = env._games[0]._process
    process.terminate()
    process.join(10)
    assert happened().count("close running") == 1
    del env
    assert happened().count("close running") == 2


# --- failures, one sentence each

INSTRUCTIONS = {
    "no folder": "set SC2PATH",
    "empty Versions": "unpack StarCraft II 4.10",
    "no binary": "unpack StarCraft II 4.10",
    "not executable": "chmod",
    "no map": "SMAC_Maps.zip",
    "exits early": "by hand",
    "refused": "use its version 4.10",
    "lost": "fewer games",
    "both packages": "restart Python",
}


def test_every_launch_failure_has_an_instruction():
    assert INSTRUCTIONS.keys() == stand_in.LAUNCH_FAILURES.keys()


@pytest.mark.parametrize("failure", INSTRUCTIONS)
def test_a_launch_failure_is_one_sentence_with_one_instruction(make, happened, failure):
    env = make(launch_failure=failure)
    with pytest.raises(StarCraftUnavailable) as caught:
        env.reset()
    told = str(caught.value)
    assert INSTRUCTIONS[failure] in told and told.endswith(".") and "\n" not in told
    others = {text for text in INSTRUCTIONS.values() if text in told}
    assert others == {INSTRUCTIONS[failure]}
    assert caught.value.__cause__ is not None
    assert happened()[-1].startswith("close")  # a program that runs already is not left behind


def test_an_unknown_failure_names_itself_and_the_doctor(make, monkeypatch):
    env = make()
    monkeypatch.setitem(stand_in.LAUNCH_FAILURES, "odd", lambda: OSError("moon\nphase"))
    stand_in.choose(monkeypatch, launch_failure="odd")
    env.close()
    env = make(launch_failure="odd")
    with pytest.raises(StarCraftUnavailable, match="OSError: moon phase.*qmix-edu doctor"):
        env.reset()


def test_an_unknown_map_names_its_neighbours_without_smac(monkeypatch):
    monkeypatch.setattr(starcraft2, "load_starcraft2_env", lambda: pytest.fail("too early"))
    with pytest.raises(ValueError, match="'3mm'.*3m"):
        make_starcraft2("3mm")
    with pytest.raises(ValueError, match="'zzzz'.*2c_vs_64zg"):
        make_starcraft2("zzzz")


def test_a_map_that_the_package_does_not_know_is_one_sentence(install):
    install()
    with pytest.raises(StarCraftUnavailable, match="does not know the map corridor"):
        make_starcraft2("corridor")


@pytest.mark.parametrize("n_envs", [0, -1])
def test_there_must_be_a_game(install, n_envs):
    install()
    with pytest.raises(ValueError, match=f"n_envs is {n_envs}"):
        make_starcraft2("3m", n_envs)


def test_maps_need_no_smac(monkeypatch):
    monkeypatch.setitem(sys.modules, "smac", None)
    assert len(starcraft2_maps()) == 23
    assert {"3m", "2s3z", "27m_vs_30m", "MMM2"} <= set(starcraft2_maps())


def fake_package(folder, monkeypatch, files):
    for name, text in files.items():
        path = folder / "other" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(folder / "other"))
    _forget_smac()


def test_no_smac(monkeypatch):
    monkeypatch.setattr(starcraft2.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StarCraftUnavailable, match=r"not installed: run `pip install \"git\+https"):
        make_starcraft2("3m")


def test_smac_of_pypi_is_recognised(tmp_path, monkeypatch):
    fake_package(tmp_path, monkeypatch, {"smac/__init__.py": "raise SystemExit('imported')"})
    assert starcraft2.which_smac() == "smac3"
    with pytest.raises(StarCraftUnavailable, match="hyper-parameter optimiser.*uninstall smac.*oxwhirl"):
        make_starcraft2("3m")


def test_a_folder_called_smac_is_no_package(tmp_path, monkeypatch):
    fake_package(tmp_path, monkeypatch, {"smac/readme.txt": ""})
    assert starcraft2.which_smac() == "none"


def test_a_module_without_a_spec_is_no_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "smac", types.ModuleType("smac"))
    assert starcraft2.which_smac() == "none"


@pytest.mark.parametrize(
    ("failure", "instruction"),
    [
        ("TypeError('Descriptors cannot be created directly.\\n If this call came')", r"protobuf<3\.21"),
        ("ImportError('No module named pysc2')", "install it again"),
    ],
)
def test_an_import_that_fails_is_one_sentence(tmp_path, monkeypatch, failure, instruction):
    fake_package(tmp_path, monkeypatch, {"smac/__init__.py": "", "smac/env/__init__.py": f"raise {failure}"})
    with pytest.raises(StarCraftUnavailable, match=instruction) as caught:
        make_starcraft2("3m")
    assert "\n" not in str(caught.value)
    _forget_smac()


def test_the_game_is_looked_for_where_sc2path_says(monkeypatch, tmp_path):
    monkeypatch.setenv("SC2PATH", str(tmp_path))
    assert starcraft2.starcraft2_folder() == tmp_path
    monkeypatch.delenv("SC2PATH")
    monkeypatch.setattr(sys, "platform", "linux")
    assert starcraft2.starcraft2_folder().name == "StarCraftII"


def test_a_parent_that_vanishes_takes_the_games_with_it(install, tmp_path, happened):
    """A killed training must not leave games running."""
    install()
    script = tmp_path / "run.py"
    script.write_text(
        "from qmix_edu.envs.starcraft2 import make_starcraft2\n"
        "import os, signal\n"
        "if __name__ == '__main__':\n"
        "    env = make_starcraft2('3m', 2)\n"
        "    env.reset()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    paths = os.pathsep.join([str(tmp_path / "site"), os.path.dirname(__file__), os.getcwd()])
    subprocess.run([sys.executable, script], env={**os.environ, "PYTHONPATH": paths}, timeout=120)
    for _ in range(100):
        if happened().count("close running") == 2:
            return
        time.sleep(0.1)
    pytest.fail(f"games left running: {happened()}")


# --- SMACv2: the same games, whose teams and positions the package draws


@pytest.mark.parametrize("scenario", ["protoss_5_vs_5", "terran_10_vs_11", "zerg_5_vs_5"])
def test_smacv2_conforms(make, scenario):
    assert check_conformance(make(scenario), episodes=2) == []


def test_smacv2_conforms_when_connections_are_lost_and_units_do_not_appear(make, happened):
    assert check_conformance(make("zerg_5_vs_5", lose_at_step=[2], lose_at_reset=[3], units_missing_at=[5])) == []
    assert happened().count("connection lost") == 2


def test_smacv2_conforms_in_processes(make):
    assert check_conformance(make("terran_5_vs_5", n_envs=2), episodes=1) == []


@pytest.mark.parametrize(("scenario", "sizes"), [("protoss_5_vs_5", (92, 130, 11)), ("terran_5_vs_5", (82, 120, 11))])
def test_sizes_of_smacv2(make, scenario, sizes):
    """Count the features by hand: health (and shield), 4 of place and sight, 3 of type; of oneself the position."""
    spec = make(scenario).spec
    assert (spec.obs_size, spec.state_size, spec.n_actions) == sizes
    assert (spec.name, spec.n_agents, spec.episode_limit) == (f"smacv2/{scenario}", 5, 200)


def test_the_scenarios_are_those_of_the_paper():
    sizes = ("5_vs_5", "10_vs_10", "10_vs_11", "20_vs_20", "20_vs_23")
    assert set(smacv2_maps()) == {f"{race}_{size}" for race in ("protoss", "terran", "zerg") for size in sizes}


def test_what_the_package_is_told_of_a_scenario():
    """Compare with ``sc2_gen_zerg.yaml`` of the package, less its defaults and ``prob_obs_enemy``."""
    assert smacv2._arguments("zerg", 20, 23) == {
        "map_name": "10gen_zerg",
        "obs_own_pos": True,
        "use_unit_ranges": True,
        "capability_config": {
            "n_units": 20,
            "n_enemies": 23,
            "team_gen": {
                "dist_type": "weighted_teams",
                "unit_types": ["zergling", "baneling", "hydralisk"],
                "weights": [0.45, 0.1, 0.45],
                "exception_unit_types": ["baneling"],
                "observe": True,
            },
            "start_positions": {"dist_type": "surrounded_and_reflect", "p": 0.5, "map_x": 32, "map_y": 32},
        },
    }


@pytest.mark.parametrize("scenario", smacv2_maps())
def test_the_sizes_of_the_teams_are_in_the_name(make, happened, scenario):
    env = make(scenario)
    env.reset()
    race, n, _, m = scenario.split("_")
    teams = next(e for e in happened() if e.startswith("teams ")).split()[1:]
    assert (env.spec.n_agents, len(teams), env.spec.n_actions) == (int(n), int(n) + int(m), 6 + int(m))
    assert set(teams) <= set(stand_in.KINDS[race])
    assert env.spec.episode_limit == 200


def test_a_second_game_gets_a_config_of_its_own(make, happened):
    """The stand-in refuses a config that a game has written into, and a reset midway takes a new game."""
    env = make("protoss_5_vs_5")
    env.step(stop(env.reset()))
    env.reset()
    assert happened().count("build") == 2


def test_a_later_battle_keeps_the_scale_of_the_first(make, happened):
    env = make("zerg_10_vs_10")
    for _ in range(3):
        play(env, stop)
    assert len({e for e in happened() if e.startswith("episode")}) == 1
    assert (happened().count("launch"), happened().count("reset")) == (1, 3)
    assert len({e for e in happened() if e.startswith("teams")}) > 1  # alike by chance once in millions of runs


def test_an_unknown_scenario_names_its_neighbours_without_smacv2(monkeypatch):
    monkeypatch.setattr(starcraft2, "load_starcraft2_env", lambda _: pytest.fail("too early"))
    with pytest.raises(ValueError, match="SMACv2 has no map 'terran_5_vs_6'.*terran_5_vs_5"):
        make_smacv2("terran_5_vs_6")


def test_no_smacv2(tmp_path, monkeypatch):
    fake_package(tmp_path, monkeypatch, {"smacv2/readme.txt": ""})  # a folder of that name is no package
    with pytest.raises(StarCraftUnavailable) as caught:
        make_smacv2("terran_5_vs_5")
    assert str(caught.value) == f"smacv2 is not installed: run `{smacv2.INSTALL_SMACV2}`."


@pytest.mark.parametrize(
    ("failure", "instruction"),
    [
        ("TypeError('Descriptors cannot be created directly.')", r"too new for smacv2: run .*protobuf<3\.21"),
        ("ModuleNotFoundError('No module named pysc2', name='pysc2')", r"pysc2\): install it again .*smacv2\.git"),
    ],
)
def test_an_import_of_smacv2_that_fails_is_one_sentence(tmp_path, monkeypatch, failure, instruction):
    fake_package(tmp_path, monkeypatch, {"smacv2/__init__.py": "", "smacv2/env/__init__.py": f"raise {failure}"})
    with pytest.raises(StarCraftUnavailable, match=instruction):
        make_smacv2("terran_5_vs_5")


@pytest.mark.parametrize(
    ("failure", "instruction"),
    [
        ("no folder", "set SC2PATH"),
        ("no map", r"map 10gen_terran is not in .*oxwhirl/smacv2/releases, into .*SMAC_Maps\.$"),
        ("both packages", "restart Python"),
    ],
)
def test_a_launch_failure_of_smacv2_names_its_own_maps(make, failure, instruction):
    env = make("terran_5_vs_5", launch_failure=failure)
    with pytest.raises(StarCraftUnavailable, match=instruction):
        env.reset()


def test_the_readme_installs_the_same_smacv2():
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert smacv2.INSTALL_SMACV2.removeprefix("pip ") in readme


@pytest.mark.parametrize(("asked", "played"), [([], "smac/3m"), (["smacv2/terran_5_vs_5"], "smacv2/terran_5_vs_5")])
def test_the_doctor_plays_what_it_is_asked_to(install, capsys, asked, played):
    install()
    assert main(["doctor", "--starcraft", *asked]) == 0
    assert capsys.readouterr().out == f"StarCraft II plays {played} as the library expects.\n"


def test_smacv2_is_trained_as_smac_is():
    assert train_settings("smacv2/zerg_5_vs_5") == train_settings("smac/3m") != train_settings("smax/3m")
    assert default_steps("smacv2/zerg_5_vs_5") == default_steps("smac/3m") != default_steps("smax/3m")

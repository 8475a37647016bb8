"""SMAX behind the library's contract: sizes, bounds, ends, randomness."""

import gc
from dataclasses import replace

import numpy as np
import pytest
import torch

from qmix_edu import algorithms, make_env, train
from qmix_edu.envs.conformance import check_conformance
from qmix_edu.envs.smax import SmaxOptions, _to_torch
from qmix_edu.rollout import play
from qmix_edu.runs import Run, RunSettings
from qmix_edu.settings import TrainSettings, learner_settings
from qmix_edu.types import EnvSpec

STOP = 4
N_ENVS = 4  # one number for all tests: compiling takes seconds for each


@pytest.fixture
def env():
    return make_env("smax/3m", N_ENVS, seed=0)


def walk(env, choose, steps=100):
    """Play one battle per copy; return all transitions until every copy has ended."""
    seen, transitions = env.reset(), []
    ended = torch.zeros(N_ENVS, 1, dtype=torch.bool)
    while not ended.all() and len(transitions) < steps:
        actions = choose(seen.avail_actions)
        transitions.append(env.step(actions))
        seen = transitions[-1].observation
        ended = ended | transitions[-1].terminated | transitions[-1].truncated
    return transitions


def stopping(avail):
    return torch.full(avail.shape[:2], STOP)


def shooting(avail):
    """Shoot the first enemy in range; otherwise go east, where the enemies are."""
    east = torch.where(avail[..., 1], 1, STOP)
    return torch.where(avail[..., 5:].any(-1), 5 + avail[..., 5:].int().argmax(-1), east)


def randomly(seed):
    g = torch.Generator().manual_seed(seed)
    return lambda avail: torch.multinomial(avail.flatten(0, 1).float(), 1, generator=g).view(avail.shape[:2])


@pytest.mark.parametrize(
    ("name", "agents", "obs", "state", "actions"), [("3m", 3, 75, 72, 8), ("2s3z", 5, 127, 120, 10)]
)
def test_sizes(name, agents, obs, state, actions):
    """13 features for every other unit and 10 of one's own; 12 per unit in the state; 5 actions and one per enemy."""
    env = make_env(f"smax/{name}", N_ENVS)
    seen = env.reset()
    assert seen.obs.shape == (N_ENVS, agents, obs)
    assert seen.state.shape == (N_ENVS, state)
    assert seen.avail_actions.shape == (N_ENVS, agents, actions)
    assert env.spec == EnvSpec(f"smax/{name}", N_ENVS, agents, actions, obs, state, episode_limit=100, has_wins=True)


def test_the_contract_is_kept(env):
    assert check_conformance(env, episodes=2) == []


@pytest.mark.parametrize("choose", [stopping, shooting, randomly(0)], ids=["stopping", "shooting", "randomly"])
def test_observations_and_state_stay_in_bounds(env, choose):
    """Weapon cooldowns of units that do not shoot keep falling inside the simulator; here they may not."""
    for transition in walk(env, choose):
        assert transition.observation.obs.abs().max() <= 1
        assert transition.observation.state.min() >= 0
        assert transition.observation.state.max() <= 1
    assert transition.observation.state.std() > 0.1  # scaled, not squashed


def test_the_cooldowns_do_drift_inside(env):
    """The reason for clipping: if it goes, so may the clipping."""
    walk(env, stopping, steps=20)
    assert env.battles.unit_weapon_cooldowns.min() < -1


def test_the_raw_state_is_what_the_state_is_made_of(env):
    """Every number again, by its scale: place / 32, cooldown / 2, type / 5; and the cooldowns cut at 0."""
    walk(env, stopping, steps=8)
    raw, state = env.raw_state, env._seen.state
    scale = torch.tensor([1.0, 32.0, 32.0, 2.0] + 6 * [1.0])
    units = raw[:, :60].view(N_ENVS, 6, 10) / scale
    assert units[..., 3].min() < -1  # it drifts here
    torch.testing.assert_close(state[:, :60].view(N_ENVS, 6, 10), units.clamp(0, 1))
    torch.testing.assert_close(state[:, 60:], torch.cat([raw[:, 60:66], raw[:, 66:] / 5], dim=1))


def test_there_is_no_raw_state_before_the_first_reset():
    with pytest.raises(RuntimeError, match="reset"):
        _ = make_env("smax/3m", N_ENVS, seed=1).raw_state


def test_a_wipe_out_terminates_and_a_win_needs_a_living_unit(env):
    """Health in the state of the simulator decides who has won; reward and flags agree with it."""
    for choose in (shooting, stopping):
        ended = torch.zeros(N_ENVS, 1, dtype=torch.bool)
        total = torch.zeros(N_ENVS, 1)
        won = torch.zeros_like(ended)
        for transition in walk(env, choose):
            assert not (transition.terminated & transition.truncated).any()
            ended, won, total = ended | transition.terminated, won | transition.won, total + transition.reward
        alive = torch.tensor(env.battles.unit_alive.tolist())
        ours, theirs = alive[:, :3].any(1, keepdim=True), alive[:, 3:].any(1, keepdim=True)
        assert ended.all() and not (ours & theirs).any()
        assert torch.equal(won, ours & ~theirs)
        assert torch.equal(total >= 1 + 1e-6, won)  # a win pays 1 beside the health taken
        assert (total <= 2 + 1e-4).all()
        if choose is stopping:
            assert not won.any()


def test_a_time_limit_truncates(env):
    """The simulator's clock is put near the limit, before anyone is in range: truncated, and not terminated."""
    env.reset()
    simulated = env._battles.simulator
    clock = simulated.state.step * 0 + env.spec.episode_limit - 2
    env._battles = env._battles._replace(simulator=simulated.replace(state=simulated.state.replace(step=clock)))
    before, cut, after = (env.step(torch.full((N_ENVS, 3), STOP)) for _ in range(3))  # steps 99, 100, 101
    assert [bool(t.truncated.any()) for t in (before, cut, after)] == [False, True, False]
    assert cut.truncated.all()
    assert not any(t.terminated.any() or t.won.any() for t in (before, cut, after))
    assert cut.observation.avail_actions[..., 1].all()  # everyone is alive
    assert not after.reward.any()
    assert torch.equal(after.observation.state, cut.observation.state)


def test_the_dead_may_only_stop(env):
    *_, last = walk(env, stopping)
    alive = torch.tensor(env.battles.unit_alive.tolist())[:, :3]
    only_stop = torch.zeros(8, dtype=torch.bool)
    only_stop[STOP] = True
    assert (~alive).any()
    assert (last.observation.avail_actions[~alive] == only_stop).all()


def test_an_unavailable_action_is_refused(env):
    seen = env.reset()
    assert not seen.avail_actions[..., 5:].any()  # nobody is in range at the start
    actions = torch.full((N_ENVS, 3), STOP)
    actions[2, 1] = 7
    with pytest.raises(
        ValueError, match=r"Action 7 of agent 1 in environment 2 is not available; .* \[0, 1, 2, 3, 4\]"
    ):
        env.step(actions)


def test_no_step_before_reset(env):
    with pytest.raises(RuntimeError, match="reset\\(\\) comes before the first step"):
        env.step(torch.full((N_ENVS, 3), STOP))


def twelve_steps(env, after=lambda *numbers: None):
    """Return what twelve steps showed, and the same as it was right after each step."""
    seen, kept, then = env.reset(), [], []
    for _ in range(12):
        transition = env.step(shooting(seen.avail_actions))
        seen = transition.observation
        kept += (now := [seen.obs, seen.state, seen.avail_actions, transition.reward])
        then += [x.tolist() for x in now]
        after(seen.obs, seen.state, transition.reward)
    return kept, then


def test_what_was_seen_shares_the_memory_of_jax_and_stays():
    """Neither a later step, nor the end of the environment, nor new battles on its memory change it."""
    env = make_env("smax/3m", N_ENVS, seed=0)
    kept, then = twelve_steps(env)
    health = env.battles.unit_health
    assert _to_torch(health).data_ptr() == health.unsafe_buffer_pointer()
    del env, health
    gc.collect()
    fingerprint(make_env("smax/3m", N_ENVS, seed=1))
    assert [x.tolist() for x in kept] == then


def test_who_writes_on_what_was_seen_does_not_change_the_battle():
    _, then = twelve_steps(make_env("smax/3m", N_ENVS, seed=0))
    kept, same = twelve_steps(make_env("smax/3m", N_ENVS, seed=0), lambda *numbers: [x.zero_() for x in numbers])
    assert same == then
    assert not kept[0].any()


def fingerprint(env):
    return [(t.reward.tolist(), t.observation.state.tolist()) for t in walk(env, randomly(1))]


def test_a_seed_repeats_the_battles():
    one, same, other = (fingerprint(make_env("smax/3m", N_ENVS, seed)) for seed in (5, 5, 6))
    assert one == same
    assert one != other


def test_battles_differ_from_copy_to_copy_and_from_reset_to_reset(env):
    first, second = env.reset().state, env.reset().state
    assert len({tuple(row) for row in torch.cat([first, second]).tolist()}) == 2 * N_ENVS


def test_the_randomness_comes_back(env):
    fingerprint(env)
    state = env.rng_state()
    first, second = fingerprint(env), fingerprint(env)
    env.set_rng_state(state)
    assert [fingerprint(env), fingerprint(env)] == [first, second]
    assert first != second


def test_a_few_rounds_of_learning(env):
    """Play, replay and gradient steps fit together: all finite, and the networks have moved."""
    settings = TrainSettings(n_envs=N_ENVS, batch_size=4, log_interval=1, eval_interval=10**9, eval_episodes=4)
    learner = algorithms.qmix(env.spec, settings=replace(learner_settings("smax/3m"), target_interval=10))
    before = [p.detach().clone() for p in learner.online.parameters()]
    logged = list(train(env, learner, 400, settings=settings))
    assert all(0 <= line["loss"] < 1000 and 0 <= line["train_return"] <= 2 for line in logged)
    assert 0 <= logged[-1]["win_rate"] <= 1
    assert all(not torch.equal(a, b) for a, b in zip(before, learner.online.parameters(), strict=True))
    batch, won = play(env, learner, 1.0, torch.Generator().manual_seed(0))
    assert torch.equal(won, batch.returns > 1)
    assert (batch.terminated.sum((1, 2)) == 1).all()  # random battles end long before the time limit


# Options


OPTIONS = ["attack_mode=random", "enemy_shoots=false", "see_enemy_actions=false", "sight_range=2.0"]


@pytest.mark.parametrize("options", OPTIONS)
def test_an_option_is_in_the_name_and_changes_what_happens(options):
    """Whoever plays the same random actions from the same places sees something else, or meets another enemy."""
    env = make_env(f"smax/3m:{options}", N_ENVS, seed=5)
    assert env.spec == replace(make_env("smax/3m", N_ENVS).spec, name=f"smax/3m:{options}")
    assert [t.observation.obs.tolist() for t in walk(env, shooting)] != [
        t.observation.obs.tolist() for t in walk(make_env("smax/3m", N_ENVS, seed=5), shooting)
    ]


def test_enemies_that_do_not_shoot_take_no_health():
    env = make_env("smax/3m:enemy_shoots=false", N_ENVS)
    walk(env, shooting)
    health = torch.tensor(env.battles.unit_health.tolist())[:, :3]
    inside = torch.tensor(env.battles.unit_alive.tolist())[:, :3]  # walls kill as well
    assert (health[inside] == health.max()).all()


def test_a_short_sight_hides_whom_it_should():
    """13 features for each other unit, all 0 beyond the range; with 2 of 32, nobody sees an enemy at the start."""
    near, usual = (make_env(f"smax/3m{options}", N_ENVS, seed=1) for options in (":sight_range=2.0", ""))
    shown = [[t.observation.obs[..., 26:65].abs().sum() for t in walk(env, shooting)] for env in (near, usual)]
    assert sum(shown[0]) < sum(shown[1])
    for transition in walk(near, shooting):
        positions = torch.tensor(near.battles.unit_positions.tolist())
        distance = (positions[:, :3, None] - positions[:, None, 3:]).norm(dim=-1)  # [e, ally, enemy]
        seen = transition.observation.obs[..., 26:65].unflatten(-1, (3, 13)).abs().sum(-1) > 0
    assert not seen[distance > 2.01].any()


def test_hidden_actions_of_enemies_are_hidden():
    """Features 3 to 5 of an enemy: its last move and its last target."""
    for options, hidden in ((":see_enemy_actions=false", True), ("", False)):
        env = make_env(f"smax/3m{options}", N_ENVS, seed=1)
        enemies = torch.stack([t.observation.obs[..., 26:65] for t in walk(env, shooting)]).unflatten(-1, (3, 13))
        assert (not enemies[..., 3:6].any()) == hidden


def test_options_are_written_as_they_are_read():
    text = "attack_mode=random,enemy_shoots=false,see_enemy_actions=false,sight_range=6.0"
    assert SmaxOptions.parse(text) == SmaxOptions("random", False, False, 6.0)
    assert str(SmaxOptions.parse(text)) == text
    assert make_env("smax/3m:attack_mode=closest,enemy_shoots=true", N_ENVS).spec.name == "smax/3m"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("attackmode=random", "SMAX has no option 'attackmode'; the nearest are attack_mode"),
        ("fog", "SMAX has no option 'fog'; the nearest are"),
        ("attack_mode=weakest", "attack_mode is 'weakest'; it must be closest or random."),
        ("enemy_shoots=no", "enemy_shoots is 'no'; it must be true or false."),
        ("sight_range=far", "sight_range is 'far'; it must be a number."),
        ("sight_range=0", "sight_range is 0.0; it must be above 0 and finite."),
        ("sight_range=nan", "sight_range is nan; it must be above 0 and finite."),
        ("enemy_shoots=true,enemy_shoots=false", "The option enemy_shoots is given twice; give it once."),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        make_env(f"smax/3m:{options}")


def test_options_of_a_map_that_is_not_there():
    with pytest.raises(ValueError, match="There is no environment 'smax/3n:attack_mode=random'; the nearest"):
        make_env("smax/3n:attack_mode=random")


def test_a_run_with_options_is_trained_resumed_and_evaluated(tmp_path):
    """The name in settings.json is all that it takes."""
    train_settings = TrainSettings(n_envs=N_ENVS, batch_size=4, log_interval=1, eval_interval=10**9, eval_episodes=4)
    env = "smax/3m:attack_mode=random"
    run = Run.create(tmp_path / "run", RunSettings(env, "vdn", "mlp", 300, 0, learner_settings(env), train_settings))
    for _ in run.train():
        run.stop()
    assert not run.finished
    again = Run.open(run.folder)
    list(again.train())
    assert again.finished and again.load()[0].spec.name == env


# Clones


def test_a_clone_goes_on_from_the_same_moment(env):
    """All copies see what the battle showed, the first step pays the same hits, and the battle itself is untouched."""
    walk(env, shooting, steps=6)
    before = [array.copy() for array in map(np.asarray, (env.battles.unit_positions, env.battles.unit_health))]
    seen = env._seen
    clones, clones_see = env.clone(2, N_ENVS, seed=3)
    for name in ("obs", "state", "avail_actions"):
        assert all(torch.equal(row, getattr(seen, name)[2]) for row in getattr(clones_see, name))
    for array, of_clones in zip(before, (clones.battles.unit_positions, clones.battles.unit_health), strict=True):
        assert (np.asarray(of_clones) == array[2]).all()
    actions = shooting(seen.avail_actions)
    stepped, original = clones.step(actions[2].expand(N_ENVS, -1)), env.step(actions)
    assert stepped.reward.flatten().tolist() == pytest.approx([original.reward[2].item()] * N_ENVS, abs=0.05)
    assert torch.equal(stepped.observation.state[:, 0], original.observation.state[2, 0].expand(N_ENVS))


def test_the_clones_of_a_seed_repeat(env):
    walk(env, shooting, steps=4)

    def play_on(seed):
        clones, seen = env.clone(0, N_ENVS, seed)
        rows = []
        for _ in range(12):
            transition = clones.step(shooting(seen.avail_actions))
            seen = transition.observation
            rows.append(seen.state.tolist())
        return rows

    assert play_on(1) == play_on(1) != play_on(2)
    assert len({tuple(row) for row in play_on(1)[-1]}) > 1  # each copy has its own chance


def test_what_cannot_be_cloned(env):
    with pytest.raises(RuntimeError, match="reset\\(\\) comes before there is a battle to clone"):
        env.clone(0, N_ENVS, 0)
    env.reset()
    with pytest.raises(ValueError, match="There is no battle 4; the environment has 4, counted from 0"):
        env.clone(4, N_ENVS, 0)

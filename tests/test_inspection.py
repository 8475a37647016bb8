"""The audits of mixers and battles against what can be known by hand; noise is told from structure."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch import nn

from matrix_games import is_monotone, monotone_fit
from qmix_edu import algorithms, battle_tables, inspection, make_env
from qmix_edu.agents import GRUAgent
from qmix_edu.audit import Steps, audit_gradients, audit_igm, real_steps, utility_gradients
from qmix_edu.battle_tables import rungs
from qmix_edu.cli import main
from qmix_edu.envs.smax import SmaxEnv
from qmix_edu.mixers import Mixed
from qmix_edu.td import chosen_utilities
from qmix_edu.types import EnvironmentFailedError, EnvSpec

SPEC = EnvSpec("made-up", n_envs=4, n_agents=3, n_actions=4, obs_size=5, state_size=6, episode_limit=9)


def random_steps(b=50, seed=0, spec=SPEC):
    g = torch.Generator().manual_seed(seed)
    avail = torch.rand(b, spec.n_agents, spec.n_actions, generator=g) < 0.6
    avail[..., 0] = True
    actions = torch.multinomial(avail.flatten(0, 1).float(), 1, generator=g).view(b, spec.n_agents)
    utilities = torch.randn(b, spec.n_agents, spec.n_actions, generator=g)
    return Steps(utilities, actions, avail, torch.randn(b, spec.state_size, generator=g))


class Weighted(nn.Module):
    """``Q_tot = sum_a w_a Q_a``, whose gradients are its weights."""

    def __init__(self, *weights):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, q, state):
        return (q * self.weights).sum(-1, keepdim=True)


class CentralValue(nn.Module):
    """A factorisation that never looks at the utilities."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, utilities, actions, avail_actions, state):
        return self.scale * actions.sum(-1, keepdim=True).float()


def with_factorisation(factorisation):
    learner = algorithms.qmix(SPEC)
    learner.online["factorisation"] = factorisation
    return learner


# Gradients


def test_gradients_of_a_weighted_sum_are_its_weights():
    learner = with_factorisation(Mixed(Weighted(2.0, -0.5, 0.001)))
    steps = random_steps()
    assert utility_gradients(learner, steps).allclose(torch.tensor([2.0, -0.5, 0.001]).expand(50, 3))
    one, two, three = audit_gradients(learner, steps)
    assert (one.near_zero, one.negative, one.smallest, one.median, one.largest) == (0, 0, 2, 2, 2)
    assert (two.negative, three.near_zero, three.negative) == (1, 1, 0)
    assert [row.states for row in (one, two, three)] == (steps.avail_actions.sum(-1) > 1).sum(0).tolist()


def test_gradients_against_differences():
    """(Q_tot(Q_a + h) - Q_tot(Q_a)) / h for the utility of the action taken, in double precision."""
    learner, steps, h = algorithms.qmix(SPEC, seed=1), random_steps(), 1e-6
    learner.online.double()
    steps = Steps(steps.utilities.double(), steps.actions, steps.avail_actions, steps.state.double())
    gradients = utility_gradients(learner, steps)
    mix = learner.online["factorisation"].mixer
    q = chosen_utilities(steps.utilities, steps.actions)
    for agent in range(3):
        moved = q.clone()
        moved[:, agent] += h
        difference = (mix(moved, steps.state) - mix(q, steps.state)).squeeze(-1) / h
        assert difference.allclose(gradients[:, agent], atol=1e-5)


@pytest.mark.parametrize(("algorithm", "negative"), [("vdn", False), ("qmix", False), ("unconstrained", True)])
def test_who_is_monotone(algorithm, negative):
    rows = audit_gradients(getattr(algorithms, algorithm)(SPEC), random_steps(400))
    assert any(row.negative > 0 for row in rows) == negative


def test_a_value_that_does_not_see_the_utilities_has_no_gradient():
    steps = random_steps()
    assert not utility_gradients(with_factorisation(CentralValue()), steps).any()
    assert all(row.near_zero == 1 for row in audit_gradients(with_factorisation(CentralValue()), steps))


def test_an_agent_without_any_choice():
    steps = random_steps()
    steps.avail_actions[:, 1] = torch.tensor([True, False, False, False])
    rows = audit_gradients(algorithms.vdn(SPEC), steps)
    assert rows[1].states == 0 and rows[1].median != rows[1].median
    found = inspection.MixerInspection("vdn", "made-up", 50, rows, audit_igm(algorithms.vdn(SPEC), steps))
    assert found.summary()["gradients"][1]["median"] is None
    json.dumps(found.summary(), allow_nan=False)


def test_iql_has_no_mixer():
    for look in (audit_gradients, audit_igm):
        with pytest.raises(ValueError, match="iql gives every agent a value of its own and mixes none of them"):
            look(algorithms.iql(SPEC), random_steps())


# IGM


def test_igm_is_counted_right():
    """With one weight below 0, greed is wrong exactly where that agent has two actions of different utility."""
    steps = random_steps(80)
    found = audit_igm(with_factorisation(Mixed(Weighted(1.0, -1.0, 1.0))), steps)
    assert (found.checked, found.too_large) == (80, 0)
    assert found.violations == int((steps.avail_actions[:, 1].sum(-1) > 1).sum())


@pytest.mark.parametrize("algorithm", ["vdn", "qmix"])
def test_monotone_mixers_have_igm(algorithm):
    assert audit_igm(getattr(algorithms, algorithm)(SPEC), random_steps(100)).violations == 0


def test_a_central_value_need_not_have_it():
    """Best is the last action of everybody, whatever the utilities say."""
    steps = random_steps(80)
    greedy = steps.utilities.masked_fill(~steps.avail_actions, -torch.inf).argmax(-1)
    last = (steps.avail_actions.int() * torch.arange(1, 5)).argmax(-1)
    found = audit_igm(with_factorisation(CentralValue()), steps)
    assert found.violations == int((greedy != last).any(-1).sum()) > 0


def test_states_are_sampled_and_large_ones_left_out(monkeypatch):
    steps = random_steps(80)
    monkeypatch.setattr("qmix_edu.audit.MAX_JOINT_ACTIONS", 8)
    small = int((steps.avail_actions.sum(-1).prod(-1) <= 8).sum())
    found = audit_igm(algorithms.vdn(SPEC), steps, max_states=80)
    assert (found.checked, found.too_large) == (small, 80 - small)
    assert 0 < small < 80
    assert sum(dataclasses.astuple(audit_igm(algorithms.vdn(SPEC), steps, max_states=7))) == 7


def test_real_steps_are_those_that_happened():
    env = make_env("two-step", 4)
    steps = real_steps(env, algorithms.qmix(env.spec), episodes=10)
    assert len(steps) == 3 * 4 * 2
    assert steps.state[:, 0].sum() == 12  # half of them in state 1
    with pytest.raises(ValueError, match="Asked for 0 episodes; 1 is the least"):
        real_steps(env, algorithms.qmix(env.spec), episodes=0)


# Rungs


def noisy(table, k=64, scale=0.3, seed=0):
    return table + scale * np.random.default_rng(seed).normal(size=(k, *np.shape(table)))


TABLES = {
    "additive": np.add.outer([0.0, 1.0, 3.0, 2.0], [1.0, 0.0, 2.5]),
    "supermodular": np.multiply.outer([3.0, 0.0, 2.0, 1.0], [0.0, 2.0, 1.0]),
    "monotone": np.maximum.outer([3.0, 0.0, 2.0, 1.0], [0.5, 3.0, 1.5]) * 2,
    "any": np.array([[8.0, -12.0, -12.0], [-12.0, 0.0, 0.0], [-12.0, 0.0, 0.0]]) / 4,
}


def lowest(returns):
    return next((rung.name for rung in rungs(returns) if rung.holds), "any")


@pytest.mark.parametrize("name", TABLES)
def test_the_rung_of_a_table_is_found_through_noise(name):
    """In at least 17 of 20 draws: a class is wrongly refused in up to 5 %, each rung being a decision of its own."""
    found = [lowest(noisy(TABLES[name], seed=seed)) for seed in range(20)]
    assert found.count(name) >= 17, found


def test_pure_noise_is_not_taken_for_structure():
    assert [lowest(noisy(np.zeros((4, 4)), k=50, seed=seed)) for seed in range(20)].count("additive") >= 17


def test_losses_are_those_of_the_exact_fits():
    returns = noisy(TABLES["any"])
    for rung in rungs(returns):
        if rung.name == "monotone":
            table = returns.mean(0)
            assert rung.loss == pytest.approx(monotone_fit(table).mse / table.var())
            assert rung.exact and not rung.holds


def test_a_table_without_noise_or_variance():
    assert [rung.holds for rung in rungs(np.stack([TABLES["monotone"]] * 3))] == [False, False, True]
    assert all(rung.holds for rung in rungs(np.ones((3, 2, 2))))
    with pytest.raises(ValueError, match="Got 1 games of each joint action"):
        rungs(np.ones((1, 2, 2)))


# Battles


@pytest.fixture(scope="module")
def battle():
    env = make_env("smax/3m", 32, seed=0)
    learner = algorithms.qmix(env.spec)
    return env, learner, battle_tables.battle_tables(env, learner, 3, copies=2048)


def test_tables_of_battles_have_what_they_promise(battle):
    env, learner, tables = battle
    for table in tables:
        m1, m2 = map(len, table.actions)
        assert table.returns.shape == (2048 // (m1 * m2), m1, m2)
        assert np.isfinite(table.returns).all() and (table.returns >= 0).all() and (table.returns <= 2.0001).all()
        assert table.q_tot.shape == (m1, m2) and table.agents[0] < table.agents[1]
        assert table.regret >= 0
        # an untrained QMIX is monotone in the utilities, hence so is its table
        assert is_monotone(table.q_tot, tol=1e-5)
        assert table.q_tot[table.greedy] == pytest.approx(table.q_tot.max())


def test_agents_with_a_memory_keep_it_in_the_clones(battle, monkeypatch):
    """What they would do in the clones, given what they remember, is what they would do in the battle itself."""
    env, seen, in_battle = battle[0], [], []
    learner = algorithms.vdn(env.spec, agent=GRUAgent)
    utilities = learner.utilities

    def watched(obs, last_actions, hidden):
        found, after = utilities(obs, last_actions, hidden)
        (in_battle if len(obs) == 32 else seen).append(found)
        return found, after

    monkeypatch.setattr(learner, "utilities", watched)
    (table,) = battle_tables.battle_tables(env, learner, 1, copies=2048)
    assert table.step > 0
    torch.testing.assert_close(seen[0][0], in_battle[table.step][0])
    torch.testing.assert_close(seen[0][-1], in_battle[table.step][0])


@pytest.mark.parametrize("copies", [32, 2048], ids=["in the battle", "in its clones"])
@pytest.mark.parametrize("what", ["reward", "state"])
def test_no_table_is_made_of_numbers_that_are_not_finite(battle, monkeypatch, copies, what):
    env, learner, _ = battle
    step = SmaxEnv.step

    def spoilt(self, actions):
        transition = step(self, actions)
        if self.spec.n_envs != copies:
            return transition
        if what == "reward":
            return dataclasses.replace(transition, reward=transition.reward * torch.nan)
        seen = transition.observation
        return dataclasses.replace(transition, observation=dataclasses.replace(seen, state=seen.state * torch.nan))

    monkeypatch.setattr(SmaxEnv, "step", spoilt)
    with pytest.raises(EnvironmentFailedError, match=f"smax/3m returned nan as the {what} after step"):
        battle_tables.battle_tables(env, learner, 1, copies=2048)


def test_the_report_on_battles(battle):
    env, learner, tables = battle
    found = inspection.BattleInspection("qmix", "smax/3m", tables, [rungs(table.returns) for table in tables])
    text = found.text()
    assert text.count("monotone: loss") == 3 and "The lowest rung that the noise allows, of 3 tables" in text
    summary = json.loads(json.dumps(found.summary(), allow_nan=False))
    assert len(summary["battles"]) == 3 and len(summary["battles"][0]["rungs"]) == 3


def test_what_cannot_be_cloned():
    env = make_env("two-step", 4)
    with pytest.raises(ValueError, match="Battles can be cloned on smax/<map> only, and this is two-step"):
        battle_tables.battle_tables(env, algorithms.qmix(env.spec), 1)


@pytest.mark.parametrize(
    ("battles", "copies", "message"),
    [(0, 4096, "Asked for 0 battles"), (33, 4096, "plays 1 to 32 side by side"), (1, 100, "copies is 100; two games")],
)
def test_mistakes_in_the_numbers(battle, battles, copies, message):
    env, learner, _ = battle
    with pytest.raises(ValueError, match=message):
        battle_tables.battle_tables(env, learner, battles, copies=copies)


# The command


def test_the_command(tmp_path, capsys):
    small = ["--n-envs", "4", "--batch-size", "8", "--buffer-episodes", "24", "--steps", "80"]
    for algorithm in ("qmix", "iql"):
        assert main(["train", "two-step", "--algorithm", algorithm, *small, "--out", f"{tmp_path}/{algorithm}"]) == 0
    capsys.readouterr()
    assert main(["inspect", f"{tmp_path}/qmix"]) == 0
    assert "IGM: 64 states were checked over all their joint actions; in 0 the agents'" in capsys.readouterr().out
    assert main(["inspect", f"{tmp_path}/qmix", "--json", "--episodes", "4"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["states"] == 8 and found["igm"]["violations"] == 0 and len(found["gradients"]) == 2
    for arguments, message in ((["iql"], "iql gives every"), (["qmix", "--battles", "2"], "smax/<map> only")):
        assert main(["inspect", f"{tmp_path}/{arguments[0]}", *arguments[1:]]) == 2
        out, err = capsys.readouterr()
        assert out == "" and message in err and err.count("\n") == 1

"""The teams and curves that come with the package: they load, they play, and they are what their command makes."""

import json
import sys
from pathlib import Path

import pytest

from qmix_edu import evaluate, pretrained
from qmix_edu.runs import Run

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import pack_pretrained  # noqa: E402


@pytest.fixture(scope="module")
def qmix():
    return pretrained.load("3s_vs_5z", "qmix", n_envs=8, seed=5)


def test_the_shipped_team_wins_where_an_untrained_one_never_does(qmix):
    env, learner = qmix
    assert env.spec.name == "smax/3s_vs_5z"
    assert learner.algorithm == "qmix"
    assert evaluate(env, learner, 32)["win_rate"] > 0.8


def test_every_team_and_the_curves_of_its_map_are_there():
    for map_name, algorithm in pretrained.teams():
        assert algorithm in pack_pretrained.TEAMS[map_name]
        run = Run.open(pretrained.FOLDER / f"{map_name}-{algorithm}")
        assert (run.settings.env, run.settings.algorithm) == (f"smax/{map_name}", algorithm)
        finals = sorted(pretrained.final_win_rates(map_name)[algorithm])
        seeds = [one["seed"] for one in json.loads((pretrained.FOLDER / f"{map_name}.json").read_text())[algorithm]]
        chosen = pretrained.final_win_rates(map_name)[algorithm][seeds.index(run.settings.seed)]
        assert chosen == finals[len(finals) // 2]


@pytest.mark.parametrize("map_name", sorted(path.stem for path in pretrained.FOLDER.glob("*.json")))
def test_curves_are_whole(map_name):
    for algorithm, runs in pretrained.curves(map_name).items():
        assert len(runs) == len(pretrained.final_win_rates(map_name)[algorithm])
        assert len(runs) == len(pretrained.cpu_seconds(map_name)[algorithm])
        for steps, rates in runs:
            assert len(steps) == len(rates) > 10
            assert steps == sorted(steps)
            assert all(0 <= rate <= 1 for rate in rates)


def test_all_of_it_is_small():
    assert sum(path.stat().st_size for path in pretrained.FOLDER.rglob("*") if path.suffix != ".pyc") < 1_000_000


@pytest.mark.parametrize("wanted", [("3s_vs_5z", "qmx"), ("3s_vs_6z", "qmix"), ("..", "x")])
def test_an_unknown_team_is_answered_with_those_that_exist(wanted):
    with pytest.raises(ValueError, match=r"no trained team .*the nearest are 3"):
        pretrained.load(*wanted)


def test_an_unknown_map_is_answered_with_those_that_exist():
    with pytest.raises(ValueError, match=r"no map with shipped runs '8m'; the nearest are 3m"):
        pretrained.curves("8m")


def test_packing_takes_the_seed_in_the_middle(tmp_path, monkeypatch):
    """The tool packs a small sweep of the two-step game as it packs battles."""
    sweep, target = tmp_path / "two-step", tmp_path / "out"
    target.mkdir()
    for seed, rate in enumerate((0.5, 0.9, 0.7)):
        run = sweep / f"qmix-{seed}"
        run.mkdir(parents=True)
        settings = json.loads((pretrained.FOLDER / "3s_vs_5z-qmix" / "settings.json").read_text())
        (run / "settings.json").write_text(json.dumps({**settings, "seed": seed, "steps": 100}))
        (run / "policy.pt").write_bytes(bytes([seed]))
        (run / "metrics.jsonl").write_text(json.dumps({"env_steps": 100, "cpu_seconds": 1.0, "win_rate": rate}) + "\n")
        (run / "result.json").write_text(json.dumps({"win_rate": rate}))
    monkeypatch.setitem(pack_pretrained.TEAMS, "two-step", ("qmix",))
    pack_pretrained.pack(sweep, target)
    assert (target / "two-step-qmix" / "policy.pt").read_bytes() == bytes([2])
    kept = json.loads((target / "two-step.json").read_text())
    assert [run["final_win_rate"] for run in kept["qmix"]] == [0.5, 0.9, 0.7]

"""The training viewer: what it shows is what the log says, while the run trains and afterwards."""

import asyncio
import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
from sweep_driver import QUICK

from matrix_games import wilson_interval
from qmix_edu.checkpoint import CheckpointError
from qmix_edu.runs import Run
from qmix_edu.widgets import TrainingViewer, training

LINE = {"env_steps": 100, "loss": 0.5, "epsilon": 0.9, "train_return": 1.0, "cpu_seconds": 0.1}


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", QUICK)


def log(run, lines):
    run.metrics_path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_nothing_is_logged_yet(run):
    viewer = TrainingViewer(run)
    assert viewer.log["env_steps"] == [] and viewer.log["evaluations"] == []
    assert viewer.summary() == "qmix on two-step, seed 0, 160 steps: stopped, 0 of 160 steps done."
    plt.close(viewer.figure())


def test_a_run_that_trains_in_the_cell(run):
    viewer = TrainingViewer(run.folder, seconds=1e-6)
    seen = []
    viewer.observe(lambda change: seen.append((change["new"]["state"], change["new"]["done"])), "log")
    viewer.train()
    assert [state for state, _ in seen[:-1]] == ["training"] * (len(seen) - 1)
    assert [done for _, done in seen] == sorted(done for _, done in seen) and len(seen) > 5
    assert seen[-1] == ("finished", 160)
    lines = run.logged()
    assert viewer.log["env_steps"] == [line["env_steps"] for line in lines]
    assert viewer.log["series"]["loss"] == [line["loss"] for line in lines]
    returns = [(line["env_steps"], line["mean_return"], None, None) for line in lines if "mean_return" in line]
    assert viewer.log["evaluations"] == returns and returns
    assert "finished, 160 of 160 steps done; last greedy return" in viewer.summary()
    with pytest.raises(ValueError, match="has done its 160 steps"):
        viewer.train()


def test_an_interrupt_keeps_the_run(run):
    viewer = TrainingViewer(Run(run.folder, replace(QUICK, steps=10**6)))
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    viewer.train()
    assert viewer.log["state"] == "stopped" and 0 < viewer.log["done"] < 10**6
    assert (run.folder / "resume.pt").exists()
    before = viewer.log["done"]
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    viewer.train()
    assert viewer.log["done"] > before


def test_win_rates_have_wilson_intervals(run):
    log(run, [LINE, {**LINE, "env_steps": 150, "win_rate": 0.25, "mean_return": 1.2, "eval_episodes": 128}])
    viewer = TrainingViewer(run)
    assert viewer.log["measure"] == "win rate"
    assert viewer.log["evaluations"] == [(150, 0.25, *wilson_interval(32, 128))]
    low, high = wilson_interval(32, 128)
    assert f"last greedy win rate 0.25, 95 % interval {low:.2f} to {high:.2f}" in viewer.summary()


def test_a_run_of_another_process_is_followed_by_itself(run):
    async def follow():
        viewer = TrainingViewer(run, seconds=0.02)
        log(run, [LINE])
        for _ in range(100):
            await asyncio.sleep(0.02)
            if viewer.log["done"]:
                break
        viewer.close()
        return viewer.log["done"]

    with ThreadPoolExecutor(1) as thread:  # this one may have a loop already, that of the browser tests
        assert thread.submit(lambda: asyncio.run(follow())).result() == 100


def test_speed_and_time_left(run, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    viewer = TrainingViewer(run)
    assert viewer.log["speed"] is None and viewer.log["left"] is None
    log(run, [LINE])
    clock[0] += 10
    viewer.refresh()
    assert viewer.log["speed"] == pytest.approx(10) and viewer.log["left"] == pytest.approx(6)
    for _ in range(8):  # it stands still: after half a minute there is no speed any more
        clock[0] += 10
        viewer.refresh()
    assert viewer.log["speed"] is None


def test_a_long_log_is_thinned_and_keeps_its_ends(run):
    log(run, [{**LINE, "env_steps": k} for k in range(5000)])
    steps = TrainingViewer(run).log["env_steps"]
    assert len(steps) == training.MOST_POINTS and (steps[0], steps[-1]) == (0, 4999)
    assert max(b - a for a, b in zip(steps, steps[1:], strict=False)) <= 13


def test_the_figure_shows_the_log(run):
    log(run, [LINE, {**LINE, "env_steps": 150, "loss": None, "win_rate": 0.5, "mean_return": 1.0, "eval_episodes": 8}])
    figure = TrainingViewer(run).figure()
    assert [ax.get_title() for ax in figure.axes] == [
        "greedy win rate",
        "return while exploring",
        "TD loss",
        "epsilon",
    ]
    assert list(figure.axes[0].lines[0].get_ydata()) == [0.5]
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)
    plt.close(figure)


def test_mistakes(tmp_path, run):
    with pytest.raises(CheckpointError, match="holds no run"):
        TrainingViewer(tmp_path / "nothing")
    with pytest.raises(ValueError, match="seconds is 0; it must be above 0"):
        TrainingViewer(run, seconds=0)


@pytest.mark.parametrize(("seconds", "words"), [(5.0, "5 s"), (65.0, "1 min 5 s"), (7261.0, "2 h 1 min")])
def test_durations(seconds, words):
    assert training._duration(seconds) == words


def test_the_point_that_is_read_out(run):
    later = {"env_steps": 150, "loss": 0.25, "win_rate": 0.5, "mean_return": 1.2, "eval_episodes": 2}
    log(run, [LINE, {**LINE, **later}, {**LINE, "env_steps": 155, "loss": None}])
    viewer = TrainingViewer(run)
    common = {"state": "stopped", "done": 155, "epsilon": 0.9, "train_return": 1.0}
    evaluation = (150, 0.5, *wilson_interval(1, 2))
    newest = {**common, "env_steps": 155, "evaluation": evaluation, "loss": None}
    for at, expected in {
        -1: newest,
        0: {**common, "env_steps": 100, "evaluation": None, "loss": 0.5},
        1: {**common, "env_steps": 150, "evaluation": evaluation, "loss": 0.25},
        3: newest,
    }.items():
        viewer.at = at
        assert viewer.result() == expected

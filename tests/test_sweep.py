"""Sweeps: nothing finished is lost or done twice, whatever is killed; and the statistics are the literature's."""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sweep_driver
from sweep_driver import QUICK

from qmix_edu import checkpoint, cli, pools, runs, sweep
from qmix_edu.pools import LocalPool
from qmix_edu.runs import Run
from qmix_edu.sweep import Score, Sweep, interquartile_mean

SIX = [replace(QUICK, algorithm=algorithm, seed=seed) for seed in range(3) for algorithm in ("vdn", "qmix")]
NAMES = [f"{one.algorithm}-{one.seed}" for one in SIX]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(pools, "PRELOADED", ["sweep_preload"])
    monkeypatch.setattr(sweep, "_TICK_SECONDS", 0.05)


class Here:
    """A pool without processes, in which some runs fail as often as they are told to."""

    def __init__(self, failures=None, room=1):
        self.failures, self.room = dict(failures or {}), room
        self.started, self.running = [], []

    def has_room(self):
        return len(self.running) < self.room

    def start(self, folder):
        self.started.append(folder.name)
        self.running.append(folder)

    def ended(self, seconds):
        folder = self.running.pop(0)
        if self.failures.get(folder.name, 0) > 0:
            self.failures[folder.name] -= 1
            return {folder: "it broke"}
        pools.carry_out(Run.open(folder))
        return {folder: None}

    def stop(self):
        self.running = []

    def close(self):
        pass


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The same sweep, never disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "sweep"
    done = Sweep(folder, SIX)
    assert list(done.complete(Here()))[-1] == done.steps == 6 * 160
    done.write(done.results())
    return folder


def policies(folder: Path) -> dict[str, list[bytes]]:
    tensors = {name: checkpoint.load(folder / name / "policy.pt")["online"].values() for name in NAMES}
    return {name: [value.numpy().tobytes() for value in values] for name, values in tensors.items()}


def logged_steps(folder: Path) -> dict[str, list[int]]:
    return {name: [line["env_steps"] for line in Run.open(folder / name).logged()] for name in NAMES}


def assert_same_sweep(one: Path, other: Path) -> None:
    assert policies(one) == policies(other)
    assert logged_steps(one) == logged_steps(other)
    assert (one / "results.json").read_text() == (other / "results.json").read_text()


# Killed


def test_killed_at_20_random_moments(whole, tmp_path):
    """SIGKILL for the sweep and all its processes, or for the sweep alone; what was evaluated stays as it is.

    Sweeps are done one after the other until 20 kills have struck; each ends as the one that was never disturbed.
    """
    context = multiprocessing.get_context("forkserver")  # with torch imported once
    context.set_forkserver_preload(["sweep_preload"])
    dice, kills, sweeps = random.Random(0), 0, 0
    while kills < 20:
        folder = tmp_path / f"sweep-{sweeps}"
        kills += kills_until_done(context, folder, dice, 20 - kills)
        assert_same_sweep(folder, whole)
        sweeps += 1
    assert kills == 20


def kills_until_done(context, folder, dice, most) -> int:
    """Complete a sweep, killing it up to so many times on the way; return how many of the kills struck."""
    kills, evaluated = 0, {}
    while not (folder / "results.json").exists():
        process = context.Process(target=sweep_driver.complete, args=(folder, SIX))
        process.start()
        if kills < most:
            process.join(dice.uniform(0.1, 0.6))
            if process.is_alive():
                everyone = dice.random() < 0.7 and os.getpgid(process.pid) == process.pid
                (os.killpg if everyone else os.kill)(process.pid, signal.SIGKILL)
        process.join()
        kills += process.exitcode == -signal.SIGKILL
        for name, seen in evaluated.items():
            assert {path.name: path.stat().st_mtime_ns for path in (folder / name).iterdir()} == seen
        for path in folder.glob("*/result.json"):
            if Run.open(path.parent).evaluated:
                seen = {path.name: path.stat().st_mtime_ns for path in path.parent.iterdir()}
                evaluated.setdefault(path.parent.name, seen)
    return kills


def test_a_killed_run_is_tried_again_and_the_others_go_on(whole, tmp_path):
    """SIGKILL for one process, as the system does when the memory is short."""
    folder = tmp_path / "sweep"
    disturbed, pool, killed = Sweep(folder, SIX), LocalPool(2), []
    for _ in disturbed.complete(pool):
        if not killed and pool._running:
            process = next(iter(pool._running.values())).process
            os.kill(process.pid, signal.SIGKILL)
            killed.append(process.pid)
    assert killed and not disturbed.failures
    disturbed.write(disturbed.results())
    assert_same_sweep(folder, whole)


# Stopped


def test_a_run_that_hangs_is_ended_and_tried_again(whole, tmp_path, monkeypatch):
    """A process stands still and logs nothing, as one does whose environment never answers; an hour passes."""
    frozen, pool = Sweep(tmp_path / "sweep", SIX), LocalPool(2)
    folder, job, errors, ended = frozen.runs["vdn-1"].folder, None, [], pool.ended

    def watched(seconds):
        found = ended(seconds)
        errors.extend(error for error in found.values() if error)
        return found

    monkeypatch.setattr(pool, "ended", watched)
    for _ in frozen.complete(pool):
        if job is None and folder in pool._running:
            job = pool._running[folder]
            os.kill(job.process.pid, signal.SIGSTOP)
        elif job is not None and not errors:
            job.since -= 3600
    assert job is not None and job.process.exitcode == -signal.SIGKILL
    assert errors == [
        "it logged nothing for 30 minutes and was ended; its environment may hang, or, if it is only slow, "
        "give a smaller --log-interval"
    ]
    assert frozen.failures == {}
    frozen.write(frozen.results())
    assert_same_sweep(frozen.folder, whole)


def test_stopped_and_gone_on_with(whole, tmp_path):
    folder = tmp_path / "sweep"
    first, pool = Sweep(folder, SIX), LocalPool(2)
    for done in first.complete(pool):
        if done > 160:
            first.stop()
    before = first.steps_done
    assert not first.failures and 160 < before < first.steps
    assert not pool._running
    again = Sweep(folder, SIX)
    progress = list(again.complete(LocalPool(2)))
    assert progress[0] >= before  # what was done stays done
    again.write(again.results())
    assert_same_sweep(folder, whole)


def test_what_is_finished_is_not_started_again(whole):
    pool = Here()
    assert list(Sweep(whole, SIX).complete(pool)) == []
    assert pool.started == []


def test_what_was_trained_but_not_evaluated_is_only_evaluated(tmp_path):
    folder = tmp_path / "sweep"
    (one,) = Sweep(folder, SIX[:1]).runs.values()
    list(one.train())
    policy = (one.folder / "policy.pt").stat().st_mtime_ns
    list(Sweep(folder, SIX[:1]).complete(Here()))
    assert one.evaluated and (one.folder / "policy.pt").stat().st_mtime_ns == policy


# Failures


def test_a_run_that_fails_is_tried_once_more_after_the_others(tmp_path):
    pool = Here({"vdn-0": 1, "qmix-1": 2})
    tried = Sweep(tmp_path / "sweep", SIX)
    list(tried.complete(pool))
    assert pool.started == [*NAMES, "vdn-0", "qmix-1"]
    assert tried.failures == {"qmix-1": "it broke"}
    results = tried.results()
    assert sorted(results.algorithms["vdn"].by_seed) == [0, 1, 2]
    assert sorted(results.algorithms["qmix"].by_seed) == [0, 2]


def test_an_error_in_a_process_is_one_sentence(tmp_path):
    damaged = Sweep(tmp_path / "sweep", SIX[:2])
    (tmp_path / "sweep/vdn-0/resume.pt").write_bytes(b"nothing")
    list(damaged.complete(LocalPool(2)))
    assert list(damaged.failures) == ["vdn-0"]
    assert "CheckpointError: The checkpoint" in damaged.failures["vdn-0"]
    assert "\n" not in damaged.failures["vdn-0"]
    assert damaged.runs["qmix-0"].evaluated


def test_a_folder_with_other_runs(whole):
    with pytest.raises(ValueError, match=r"vdn-0 holds another run \(vdn on two-step, seed 0, 160 steps\) than"):
        Sweep(whole, [replace(SIX[0], steps=700)])


def test_a_run_that_is_busy_is_waited_for(tmp_path, monkeypatch):
    """The processes of a sweep that was killed may still be saving."""
    (run,) = Sweep(tmp_path / "sweep", SIX[:1]).runs.values()
    other = Run.open(run.folder).train()
    next(other)
    monkeypatch.setattr(pools, "BUSY_SECONDS", 0.1)
    with pytest.raises(runs.RunBusyError, match="is being trained already"):
        pools.carry_out(run)
    monkeypatch.setattr(time, "sleep", lambda _: other.close())
    monkeypatch.setattr(pools, "BUSY_SECONDS", 60)
    pools.carry_out(run)
    assert run.evaluated


# The final evaluation


def test_the_final_evaluation_is_made_once(whole, monkeypatch):
    run = Run.open(whole / "qmix-0")
    monkeypatch.setattr(runs, "evaluate", None)
    assert run.result() == json.loads((whole / "qmix-0/result.json").read_text())
    assert run.result()["eval_episodes"] == 256


def test_a_damaged_result_is_made_again(whole, tmp_path):
    (tmp_path / "run").mkdir()
    for name in ("settings.json", "metrics.jsonl", "policy.pt"):
        (tmp_path / "run" / name).write_bytes((whole / "qmix-0" / name).read_bytes())
    (tmp_path / "run/result.json").write_text('{"win_ra')
    assert Run.open(tmp_path / "run").result() == Run.open(whole / "qmix-0").result()
    assert json.loads((tmp_path / "run/result.json").read_text())["eval_episodes"] == 256


def test_an_unfinished_run_has_no_result(tmp_path):
    with pytest.raises(ValueError, match=r"has not done its 160 steps; go on with `qmix-edu train --resume"):
        Run.create(tmp_path / "run", QUICK).result()


# The table


def test_the_results_are_those_of_the_runs(whole):
    results = json.loads((whole / "results.json").read_text())
    for algorithm in ("vdn", "qmix"):
        score = results["algorithms"][algorithm]
        files = [whole / f"{algorithm}-{seed}/result.json" for seed in range(3)]
        values = [json.loads(file.read_text())["mean_return"] for file in files]
        assert [score["by_seed"][str(seed)] for seed in range(3)] == values
        assert score["median"] == sorted(values)[1]
    assert results["measure"] == "mean_return" and results["episodes"] == 256
    assert "| qmix | 3 |" in (whole / "results.md").read_text()
    assert (whole / "curves.png").stat().st_size > 5000


def middle_by_hand(values):
    cut = len(values) // 4
    return np.mean(sorted(values)[cut : len(values) - cut])


@pytest.mark.parametrize("n", [2, 3, 4, 5, 10, 33])
def test_the_interquartile_mean(n):
    """As in Agarwal et al. (2021): a quarter of the values, rounded down, is cut off at each end."""
    values = np.random.default_rng(n).normal(size=n)
    middle, (low, high) = interquartile_mean([values])
    assert middle == pytest.approx(middle_by_hand(values))
    assert low <= middle <= high


def test_the_interval_covers_the_truth():
    """Of 95 % intervals from 20 normal values about 93 % cover 0; the percentile bootstrap is a little too narrow."""
    rng = np.random.default_rng(0)
    intervals = [interquartile_mean([rng.normal(size=20)])[1] for _ in range(100)]
    assert 85 <= sum(low <= 0 <= high for low, high in intervals) <= 99


def test_strata_are_resampled_by_themselves():
    """Two environments without any spread have an interval of no width, however far they lie apart."""
    assert interquartile_mean([np.zeros(5), np.ones(5)])[1] == (0.5, 0.5)
    low, high = interquartile_mean([np.concatenate([np.zeros(5), np.ones(5)])])[1]
    assert high - low > 0.5


def test_one_seed_has_no_interval():
    score = Score.of({7: 0.25})
    assert (score.median, score.iqm, score.quartiles, score.interval) == (0.25, 0.25, (0.25, 0.25), None)


# The command


def start(*arguments: str):
    script = "import sys; from qmix_edu.cli import main; sys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def test_the_command_is_interrupted(tmp_path):
    """Ctrl-C, which a terminal sends to all processes, saves and says how to go on."""
    small = "--n-envs 4 --batch-size 8 --buffer-episodes 24 --log-interval 8 --eval-episodes 4"
    command = f"sweep two-step --algorithms vdn --seeds 2 --steps 20000 {small} --jobs 2 --out {tmp_path}/s"
    process = start(*command.split())
    while process.poll() is None and not all((tmp_path / f"s/vdn-{seed}/metrics.jsonl").exists() for seed in (0, 1)):
        time.sleep(0.05)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == cli.INTERRUPTED, err
    assert out == f"Saved. Go on with: qmix-edu {command}\n" and "Traceback" not in err
    assert all((tmp_path / f"s/vdn-{seed}/resume.pt").exists() for seed in (0, 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "There is no environment 'nowhere'; the nearest are"),
        (["two-step", "--algorithms", "qmix,vdm"], "There is no algorithm 'vdm'; the nearest are vdn"),
        (["two-step", "--seeds", "0"], "Asked for 0 seeds; 1 is the least."),
        (["two-step", "--jobs", "0"], "Asked for 0 jobs; 1 is the least."),
        (["two-step", "--ray", "local", "--jobs", "2"], "--jobs counts processes of this machine"),
        (["two-step", "--steps", "0"], "Asked for 0 environment steps; 1 is the least."),
    ],
)
def test_mistakes(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sweep", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err and err.startswith("qmix-edu: ") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_is_reported_and_the_status_tells(tmp_path, capsys):
    small = ["--n-envs", "4", "--batch-size", "8", "--buffer-episodes", "24", "--log-interval", "8"]
    command = ["sweep", "two-step", "--algorithms", "vdn", "--seeds", "2", "--steps", "80", *small, "--out"]
    folder = tmp_path / "s"
    first = cli.main([*command, str(folder)])
    assert first == 0 and "| vdn | 2 |" in capsys.readouterr().out
    (folder / "vdn-1/result.json").unlink()
    (folder / "vdn-1/policy.pt").write_bytes(b"damaged")
    assert cli.main([*command, str(folder)]) == 1
    out, err = capsys.readouterr()
    assert "| vdn | 1 |" in out and "one seed has none" in out
    (line,) = [line for line in err.splitlines() if line.startswith("qmix-edu:")]
    assert line.startswith(f"qmix-edu: {folder}/vdn-1 failed twice (CheckpointError: The checkpoint")

"""Runs on disk: killed, stopped, damaged, out of room. What was saved is never lost, and resuming changes nothing."""

import errno
import json
import os
import pickle
import random
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from qmix_edu import checkpoint, runs
from qmix_edu.algorithms import ALGORITHMS
from qmix_edu.checkpoint import CheckpointError
from qmix_edu.envs import make_env
from qmix_edu.envs.small import TwoStepGame
from qmix_edu.learner import LearnerSettings
from qmix_edu.rollout import play
from qmix_edu.runs import Run, RunSettings
from qmix_edu.settings import TrainSettings
from qmix_edu.types import EnvironmentFailedError

# Small enough for a second, and with room for 24 episodes only, so that old ones leave the buffer and the disk.
SETTINGS = RunSettings(
    env="two-step",
    algorithm="qmix",
    agent="mlp",
    steps=640,
    seed=3,
    learner=LearnerSettings(target_interval=7),
    train=TrainSettings(
        n_envs=4,
        updates_per_round=2,
        batch_size=8,
        buffer_episodes=24,
        log_interval=8,
        eval_interval=200,
        eval_episodes=4,
    ),
)


@pytest.fixture(autouse=True)
def save_at_every_line(monkeypatch):
    monkeypatch.setattr(runs, "SAVE_EVERY_SECONDS", -1.0)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # only a power cut needs it, and it is slow


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    list(Run.create(folder, SETTINGS).train())
    return folder


def policy(folder: Path) -> list[bytes]:
    return [value.numpy().tobytes() for value in checkpoint.load(folder / "policy.pt")["online"].values()]


def lines(folder: Path) -> list[dict[str, float | None]]:
    """Return what was logged, without the one field that no two runs share."""
    read = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert all(line.pop("cpu_seconds") > 0 for line in read)
    return read


def assert_same_run(one: Path, other: Path) -> None:
    assert policy(one) == policy(other)
    assert lines(one) == lines(other)
    for folder in (one, other):  # what was only needed to go on is gone
        assert sorted(path.name for path in folder.iterdir()) == ["metrics.jsonl", "policy.pt", "settings.json"]


def begun(folder: Path, n_lines: int = 6) -> Run:
    """Return a run that was left in the middle, after a save."""
    run = Run.create(folder, SETTINGS)
    for i, _ in enumerate(run.train()):
        if i == n_lines:
            run.stop()
    assert not run.finished
    return Run.open(folder)


# Killed


class Killed(BaseException):
    """Nothing catches it: what follows a kill never happens."""


DISK_CALLS = [(os, "fsync"), (os, "ftruncate"), (Path, "replace"), (Path, "unlink")]


def killed_at(call: int, work, monkeypatch) -> bool:
    """Do ``work``, dying just before the disk is touched for the ``call``-th time; return whether it died."""
    left = call

    def deadly(function):
        def dies(*arguments, **keywords):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return function(*arguments, **keywords)

        return dies

    with monkeypatch.context() as patch:
        for owner, name in DISK_CALLS:
            patch.setattr(owner, name, deadly(getattr(owner, name)))
        try:
            work()
        except Killed:
            return True
    return False


def test_killed_at_any_touch_of_the_disk_and_resumed(tmp_path, monkeypatch):
    """Die at the k-th touch of the disk for ever new k; each time go on from what lies there."""
    short = replace(SETTINGS, steps=40, train=replace(SETTINGS.train, batch_size=4, buffer_episodes=8))
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    list(Run.create(whole, short).train())
    deaths = 0
    for call in range(200):
        if folder.exists():
            for path in folder.iterdir():
                path.unlink()
        run = Run.create(folder, short)
        if not killed_at(call, lambda run=run: list(run.train()), monkeypatch):
            break
        deaths += 1
        again = Run.open(folder)
        if not again.finished:  # killed between the last save and the tidying up, it is
            list(again.train())
            assert_same_run(folder, whole)
        assert policy(folder) == policy(whole)
        assert lines(folder) == lines(whole)
    assert deaths > 30


DRIVER = """
import sys
from pathlib import Path
import torch
from qmix_edu import runs
torch.set_num_threads(1)
runs.SAVE_EVERY_SECONDS = -1.0
for _ in runs.Run.open(Path(sys.argv[1])).train():
    print("line", flush=True)
"""


def test_killed_by_the_system_and_resumed(never_stopped, tmp_path):
    """SIGKILL at random moments; the result is that of a run never stopped."""
    folder = tmp_path / "killed"
    Run.create(folder, SETTINGS)
    dice = random.Random(0)
    kills = 0
    while not Run.open(folder).finished:
        process = subprocess.Popen([sys.executable, "-c", DRIVER, folder], stdout=subprocess.PIPE)
        if kills < 3:
            for _ in range(dice.randrange(1, 20)):
                process.stdout.readline()
            time.sleep(0.02 * dice.random())
            process.kill()
            kills += process.wait() == -signal.SIGKILL
        process.communicate()
    assert kills == 3
    assert_same_run(folder, never_stopped)


def test_killed_before_the_first_save(never_stopped, tmp_path, monkeypatch):
    """The run begins anew; the lines that were logged before are not there twice."""
    monkeypatch.setattr(runs, "SAVE_EVERY_SECONDS", 1e9)
    run = Run.create(tmp_path / "run", SETTINGS)
    training = run.train()
    for _ in range(5):
        next(training)
    del training
    assert len(lines(run.folder)) == 5
    list(Run.open(run.folder).train())
    assert_same_run(run.folder, never_stopped)


# Stopped


def test_stopped_and_resumed(never_stopped, tmp_path):
    run = begun(tmp_path / "run")
    assert (run.folder / "resume.pt").exists()
    list(run.train())
    assert run.finished
    assert_same_run(run.folder, never_stopped)


def test_stopped_before_it_began(tmp_path):
    """Ctrl-C while the environment is being made is not forgotten."""
    run = Run.create(tmp_path / "run", SETTINGS)
    run.stop()
    assert list(run.train()) == []
    assert not run.finished


def test_episodes_that_left_the_buffer_leave_the_disk(tmp_path):
    run = begun(tmp_path / "run", 20)  # 21 rounds of 4 episodes, in a buffer of 24
    chunks = sorted(run.folder.glob("replay-*.pt"))
    assert len(chunks) == 6
    assert sum(len(checkpoint.load(path)["lengths"]) for path in chunks) == 24


def test_two_trainings_in_one_folder(never_stopped, tmp_path):
    """The second is refused, and the first goes on as if nothing had been."""
    folder = begun(tmp_path / "run").folder
    first = Run.open(folder).train()
    next(first)
    with pytest.raises(ValueError, match="is being trained already"):
        next(Run.open(folder).train())
    list(first)
    assert_same_run(folder, never_stopped)


def test_a_second_process_in_the_folder(never_stopped, tmp_path):
    """The command says so in one sentence, touches no file, and the first training goes on as if nothing had been."""
    folder = begun(tmp_path / "run").folder
    first = Run.open(folder).train()
    next(first)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    command = "import sys; from qmix_edu.cli import main; sys.exit(main())"
    second = subprocess.run(
        [sys.executable, "-c", command, "train", "--resume", folder], capture_output=True, text=True, timeout=120
    )
    told = [line for line in second.stderr.splitlines() if line and not line.endswith("steps/s]")]  # the progress bar
    assert told == [f"qmix-edu: {folder} is being trained already; wait until it is done, or choose another --out."]
    assert second.returncode == 2
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before
    list(first)
    assert_same_run(folder, never_stopped)


def test_the_environment_is_closed_however_training_ends(tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr(TwoStepGame, "close", lambda _: closed.append(True))
    run = begun(tmp_path / "run")
    assert len(closed) == 1
    left = run.train()
    next(left)
    left.close()
    assert len(closed) == 2


def test_a_finished_run_is_not_trained_again(never_stopped):
    run = Run.open(never_stopped)
    assert run.finished
    with pytest.raises(ValueError, match="has done its 640 steps; evaluate it"):
        run.train()


def test_every_line_says_what_it_should(never_stopped):
    logged = lines(never_stopped)
    always = {"env_steps", "updates", "episodes", "loss", "epsilon", "train_return"}
    evaluated = {"win_rate", "mean_return", "eval_episodes"}
    assert all(always <= line.keys() for line in logged)
    assert [line["env_steps"] for line in logged if evaluated <= line.keys()] == [200, 400, 600, 640]
    assert logged[-1]["updates"] == 2 * (640 // 8 - 1)  # two a round, from the second on, when there are 8 episodes
    settings = json.loads((never_stopped / "settings.json").read_text())
    assert settings["algorithm"] == "qmix"
    assert settings["train"]["buffer_episodes"] == 24
    assert {"python", "torch", "jax", "jaxmarl", "numpy", "qmix_edu"} <= settings["versions"].keys()


# Damaged, or of something else


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("name", ["resume.pt", "replay"])
def test_what_is_needed_to_go_on_is_truncated(name, tmp_path):
    """The message names the file that is damaged, and nothing else is touched."""
    run = begun(tmp_path / "run")
    (path,) = sorted(run.folder.glob(f"{name}*"))[:1]
    cut_in_half(path)
    before = {p.name: p.read_bytes() for p in run.folder.iterdir()}
    with pytest.raises(CheckpointError, match=rf"{path.name} \(\d+ bytes\) is damaged and cannot be read; restore"):
        list(run.train())
    assert {p.name: p.read_bytes() for p in run.folder.iterdir()} == before


def test_a_chunk_of_the_replay_is_missing(tmp_path):
    run = begun(tmp_path / "run")
    path = sorted(run.folder.glob("replay-*"))[0]
    path.unlink()
    with pytest.raises(CheckpointError, match=f"no checkpoint .*{path.name}"):
        list(run.train())


@pytest.mark.parametrize("size", [0, 1, 50, 0.3, 0.9, 0.999])
def test_a_truncated_policy(size, never_stopped, tmp_path):
    whole = (never_stopped / "policy.pt").read_bytes()
    path = tmp_path / "policy.pt"
    path.write_bytes(whole[: int(size * len(whole)) if 0 < size < 1 else int(size)])
    with pytest.raises(CheckpointError, match="is damaged and cannot be read; restore a copy"):
        checkpoint.load(path)


def test_flipped_bytes_are_noticed_or_harmless(never_stopped, tmp_path):
    """Whatever the damage, it ends in the one error or in a dictionary: never in another exception."""
    whole, path = (never_stopped / "policy.pt").read_bytes(), tmp_path / "policy.pt"
    dice, damaged = random.Random(1), 0
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(dice.choice((1, 8))):
            content[dice.randrange(len(content))] ^= dice.randrange(1, 256)
        path.write_bytes(content)
        try:
            assert isinstance(checkpoint.load(path), dict)
        except CheckpointError:
            damaged += 1
    assert damaged > 30


def test_a_checkpoint_cannot_run_code(tmp_path):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "exploded",)

    for write in (torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))):
        write({"online": Bomb()}, tmp_path / "policy.pt")
        with pytest.raises(CheckpointError):
            checkpoint.load(tmp_path / "policy.pt")
        assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("environment", "algorithm", "message"),
    [
        ("two-step", "vdn", "has algorithm 'qmix', but 'vdn' was asked for"),
        ("matrix/qtran", "qmix", "has environment 'two-step', but 'matrix/qtran' was asked for"),
    ],
)
def test_a_policy_of_something_else(environment, algorithm, message, never_stopped):
    learner = ALGORITHMS[algorithm](make_env(environment).spec)
    before = [p.clone() for p in learner.online.parameters()]
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load_policy(never_stopped / "policy.pt", learner)
    assert all(torch.equal(a, b) for a, b in zip(before, learner.online.parameters(), strict=True))


def test_a_folder_in_place_of_a_policy(never_stopped):
    env, learner = SETTINGS.build()
    with pytest.raises(CheckpointError, match=r"is a folder; name the file in it, .*policy\.pt"):
        checkpoint.load_policy(never_stopped, learner)


def test_a_policy_is_restored_exactly(never_stopped):
    _, learner = Run.open(never_stopped).load()
    assert [p.detach().numpy().tobytes() for p in learner.online.state_dict().values()] == policy(never_stopped)
    assert learner.updates == lines(never_stopped)[-1]["updates"]


def test_the_resume_state_of_another_run(tmp_path):
    """IQL's and VDN's networks have the same layers, so the layers alone do not tell them apart."""
    one = begun(tmp_path / "one")
    other = Run.create(tmp_path / "other", replace(SETTINGS, algorithm="unconstrained"))
    (other.folder / "resume.pt").write_bytes((one.folder / "resume.pt").read_bytes())
    with pytest.raises(CheckpointError, match=r"belongs to another run \(qmix on two-step.*unconstrained on two-step"):
        list(other.train())


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "{}", '{"versions": {}, "learner": {}, "train": {"nonsense": 1}}', "\xff"]
)
def test_damaged_settings(text, never_stopped, tmp_path):
    (tmp_path / "settings.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match="settings.json is damaged .*; restore a copy of it, or train again"):
        Run.open(tmp_path)


# Where to write


def test_a_folder_that_holds_another_run(never_stopped):
    with pytest.raises(ValueError, match=r"already holds a run; go on with `qmix-edu train --resume .*`, or choose"):
        Run.create(never_stopped, SETTINGS)


def test_a_folder_that_holds_something_else(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match="is not empty and holds no run; choose another --out"):
        Run.create(tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(ValueError, match="is a file, so no run can be written there; choose another --out"):
        Run.create(tmp_path / "run", SETTINGS)
    with pytest.raises(ValueError, match=r"below cannot be made \(Not a directory\); choose another --out"):
        Run.create(tmp_path / "run" / "below", SETTINGS)
    assert (tmp_path / "run").read_text() == "mine"


def test_an_empty_folder_will_do(tmp_path):
    assert Run.create(tmp_path, SETTINGS).folder == tmp_path


def test_what_a_kill_leaves_of_an_unborn_run_is_no_obstacle(tmp_path):
    (tmp_path / "settings.json.tmp").write_text("{")
    assert Run.open(Run.create(tmp_path, SETTINGS).folder).settings == SETTINGS


# An environment that breaks


def two_step_with(monkeypatch, change):
    """Let ``change(transition, step)`` tamper with what every step brings; steps are counted over all episodes."""
    step, counted = TwoStepGame.step, []

    def tampered(env, actions):
        counted.append(env)
        return change(step(env, actions), len(counted))

    monkeypatch.setattr(TwoStepGame, "step", tampered)


def broken(field, place, value, first=40):
    def change(transition, step):
        if step < first:
            return transition
        if field == "reward":
            transition.reward[place] = value
        else:
            getattr(transition.observation, field)[place] = value
        return transition

    return change


@pytest.mark.parametrize(
    ("field", "place", "value", "message"),
    [
        ("reward", (2, 0), float("nan"), "two-step returned nan as the reward after step 2 of environment 2"),
        ("obs", (3, 1, 0), float("inf"), "returned inf as the observation of agent 1 after step 2 of environment 3"),
        ("state", (1, 2), -float("inf"), "two-step returned -inf as the state after step 2 of environment 1"),
    ],
)
def test_a_number_that_is_not_finite(field, place, value, message, never_stopped, tmp_path, monkeypatch):
    """Training stops with one sentence, nothing is learnt from it, and what was saved goes on once it is mended."""
    run = begun(tmp_path / "run", 3)
    with monkeypatch.context() as patch:
        two_step_with(patch, broken(field, place, value))
        with pytest.raises(EnvironmentFailedError, match=message) as caught:
            list(run.train())
        assert "mend the environment, then go on from what was saved" in str(caught.value)
    for path in ("policy.pt", "resume.pt"):
        assert all(torch.isfinite(v).all() for v in tensors(checkpoint.load(run.folder / path)))
    list(Run.open(run.folder).train())
    assert_same_run(run.folder, never_stopped)


def playing(algorithm):
    env = TwoStepGame(4)
    learner = ALGORITHMS[algorithm](env.spec)
    learner.begin_round(0.1, 0)
    return lambda: play(env, learner, 0.1, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("algorithm", ["qmix", "coma", "iac"])
@pytest.mark.parametrize(
    ("field", "place", "message"),
    [
        ("reward", (2, 0), "two-step returned nan as the reward after step 1 of environment 2; mend"),
        ("obs", (3, 1, 0), "two-step returned nan as the observation of agent 1 after step 1 of environment 3; mend"),
        ("state", (1, 2), "two-step returned nan as the state after step 1 of environment 1; mend"),
    ],
)
def test_nobody_acts_on_a_number_that_is_not_finite(algorithm, field, place, message, monkeypatch):
    """It is refused before the next action is chosen: drawing from a policy of NaN would be an error of torch's."""
    steps = []

    def spoil(transition, step):
        steps.append(step)
        return broken(field, place, float("nan"), first=1)(transition, step)

    two_step_with(monkeypatch, spoil)
    with pytest.raises(EnvironmentFailedError, match=message):
        playing(algorithm)()
    assert steps == [1]


@pytest.mark.parametrize("algorithm", ["qmix", "coma"])
def test_a_number_that_is_not_finite_at_reset(algorithm, monkeypatch):
    """Where the state has it, too, the message names the agent that sees it."""
    reset = TwoStepGame.reset

    def spoilt(env):
        seen = reset(env)
        seen.obs[1, 0, 2] = seen.state[1, 2] = float("nan")
        return seen

    monkeypatch.setattr(TwoStepGame, "reset", spoilt)
    with pytest.raises(EnvironmentFailedError, match="nan as the observation of agent 0 at reset of environment 1"):
        playing(algorithm)()


def test_finite_numbers_whose_sum_is_not(monkeypatch):
    """Rewards so large that their sum overflows are still numbers."""

    def overflow(transition, step):
        transition.reward[:] = 3e38
        return transition

    two_step_with(monkeypatch, overflow)
    batch, _ = playing("qmix")()
    assert (batch.reward == 3e38).all()


def tensors(content):
    if isinstance(content, torch.Tensor):
        return [content.float()]
    parts = content.values() if isinstance(content, dict) else content if isinstance(content, (list, tuple)) else ()
    return [tensor for part in parts for tensor in tensors(part)]


@pytest.mark.parametrize("algorithm", ["qmix", "coma"])
def test_numbers_of_an_aborted_episode_do_not_matter(algorithm, monkeypatch):
    """It is dropped, whatever it holds; the others are played to their end."""

    def abort(transition, step):
        seen = transition.observation
        transition.reward[1] = seen.obs[1] = seen.state[1] = float("nan")
        aborted = torch.arange(4)[:, None] == 1
        return replace(transition, terminated=transition.terminated & ~aborted, aborted=aborted)

    two_step_with(monkeypatch, abort)
    batch, _ = playing(algorithm)()
    assert len(batch) == 3 and (batch.lengths == 2).all()
    assert all(values.isfinite().all() for values in (batch.reward, batch.obs, batch.state))


def test_an_environment_that_raises(never_stopped, tmp_path, monkeypatch):
    """The error is the environment's own, and costs no more than what came after the last save."""
    run = begun(tmp_path / "run", 3)

    def fail(transition, step):
        if step == 40:
            raise ZeroDivisionError("inside the environment")
        return transition

    with monkeypatch.context() as patch:
        two_step_with(patch, fail)
        with pytest.raises(ZeroDivisionError, match="inside the environment"):
            list(run.train())
    list(Run.open(run.folder).train())
    assert_same_run(run.folder, never_stopped)


def test_an_environment_that_hangs(never_stopped, tmp_path, monkeypatch):
    """It is given up after a while, with one sentence, and costs no more than what came after the last save."""
    run = begun(tmp_path / "run", 3)

    def hang(transition, step):
        while step == 40:
            time.sleep(0.01)
        return transition

    with monkeypatch.context() as patch:
        patch.setattr("qmix_edu.rollout.PATIENCE_SECONDS", 0.5)
        two_step_with(patch, hang)
        with pytest.raises(EnvironmentFailedError, match=r"two-step does not return from step 2 within 0\.5 s; mend"):
            list(run.train())
    list(Run.open(run.folder).train())
    assert_same_run(run.folder, never_stopped)


def test_an_alarm_that_somebody_else_set_still_rings(monkeypatch):
    """Waiting for the environment leaves it its time."""
    rang = []
    before = signal.signal(signal.SIGALRM, lambda *_: rang.append(True))
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        env, learner = SETTINGS.build()
        patience = time.monotonic() + 60
        while not rang and time.monotonic() < patience:
            play(env, learner, 1.0, torch.Generator().manual_seed(0))
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)
        signal.signal(signal.SIGALRM, before)
    assert rang


# Out of room


@pytest.fixture
def small_disk():
    """No file may grow beyond 20,000 bytes: writing fails as on a full disk, inside torch too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_disk_is_full_while_saving(never_stopped, tmp_path, request):
    run = begun(tmp_path / "run")
    before = {name: (run.folder / name).read_bytes() for name in ("resume.pt", "policy.pt")}
    request.getfixturevalue("small_disk")
    with pytest.raises(OSError, match=r"resume.pt could not be written .*What was saved before is intact") as caught:
        list(run.train())
    assert "\n" not in str(caught.value)
    assert {name: (run.folder / name).read_bytes() for name in before} == before
    assert not list(run.folder.glob("*.tmp"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    list(Run.open(run.folder).train())
    assert_same_run(run.folder, never_stopped)


def test_the_disk_is_full_while_writing(tmp_path, monkeypatch):
    """The same with the system's own error, ENOSPC."""
    path = tmp_path / "x.pt"
    checkpoint.save(path, {"a": 1})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"x.pt could not be written \(.*No space left on device\)"):
        checkpoint.save(path, {"a": 2})
    assert checkpoint.load(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.pt"]


def test_the_disk_is_full_while_logging(never_stopped, tmp_path):
    """The log cannot grow: one sentence that names it; with room again, the run goes on."""
    run = begun(tmp_path / "run")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((run.folder / "metrics.jsonl").stat().st_size + 100, before[1]))
    try:
        with pytest.raises(OSError, match=r"metrics.jsonl could not be written \(File too large\); see that"):
            list(run.train())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    list(Run.open(run.folder).train())
    assert_same_run(run.folder, never_stopped)


def test_the_disk_is_full_at_the_very_beginning(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"settings.json could not be written \(No space left on device\)"):
            Run.create(tmp_path / "run", SETTINGS)
    Run.create(tmp_path / "run", SETTINGS)

"""The command line, as a student uses it: what it prints, how it ends, and one clear sentence for every mistake."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from qmix_edu import cli, runs
from qmix_edu.checkpoint import load
from qmix_edu.cli import main
from qmix_edu.records import load_record

SMALL = ["--n-envs", "4", "--batch-size", "8", "--buffer-episodes", "24", "--log-interval", "8", "--eval-episodes", "4"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)


def train(*arguments: str) -> int:
    return main(["train", "two-step", "--steps", "80", *SMALL, *arguments])


def refused(capsys, arguments) -> str:
    """Run a command that must fail; return its one sentence."""
    try:
        status = main(arguments)
    except SystemExit as end:  # from argparse
        status = end.code
    out, err = capsys.readouterr()
    assert status == 2
    assert out == ""
    assert err.startswith("qmix-edu") and err.endswith("\n") and err.count("\n") == 1, err
    assert "Traceback" not in err
    assert "Errno" not in err
    return err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "There is no environment 'nowhere'; the nearest are"),
        (["two-step", "--n-envs", "1000000000000"], "there is not enough memory for this"),
        (["smax/3n"], "There is no environment 'smax/3n'; the nearest are smax/3m"),
        (["smac"], "There is no environment 'smac'; the nearest are"),
        (["matrix/qtrain"], "There is no environment 'matrix/qtrain'; the nearest are matrix/qtran"),
        ([], "Name an environment, e.g. `qmix-edu train smax/3m`, or a run with --resume."),
        (["two-step", "--algorithm", "qmx"], "There is no algorithm 'qmx'; the nearest are qmix"),
        (["two-step", "--agent", "gruu"], "There is no agent 'gruu'; the nearest are gru"),
        (["two-step", "--steps", "0"], "Asked for 0 environment steps; 1 is the least."),
        (["two-step", "--steps", "-100"], "Asked for -100 environment steps; 1 is the least."),
        (["two-step", "--steps", "1e5"], "argument --steps: invalid int value: '1e5'"),
        (["two-step", "--seed", "-1"], "The seed is -1; it must be between 0 and 4294967295."),
        (["two-step", "--seed", str(10**20)], "The seed is 100000000000000000000; it must be between 0 and"),
        (["two-step", "--learning-rate", "nan"], "learning_rate is nan; it must be above 0 and finite."),
        (["two-step", "--learning-rate", "-1"], "learning_rate is -1.0; it must be above 0 and finite."),
        (["two-step", "--gamma", "1.5"], "gamma is 1.5; it must be between 0 and 1."),
        (["two-step", "--td-lambda", "-0.5"], "td_lambda is -0.5; it must be between 0 and 1."),
        (["two-step", "--epsilon-start", "2"], "epsilon goes from 2.0 to 1.0; 1 is the most."),
        (["two-step", "--epsilon-finish", "nan"], "epsilon_finish is nan; it must be 0 or more."),
        (["two-step", "--batch-size", "0"], "batch_size is 0; it must be 1 or more."),
        (["two-step", "--batch-size", "90000"], "batch_size is 90000; it must be 40000 or less"),
        (["two-step", "--n-envs", "-3"], "n_envs is -3; it must be 1 or more."),
        (
            ["two-step", "--buffer-bytes", "10"],
            "The replay buffer may hold 10 bytes, but one episode of two-step takes",
        ),
        (["two-step", "--nonsense", "1"], "unrecognized arguments: --nonsense 1"),
        (
            ["two-step", "--resume", "x", "--steps", "9", "--gamma", "0.5"],
            "--resume goes on with the run's own settings; leave out env, steps, gamma.",
        ),
        (["two-step", "--buffer-bytes", "2000"], "buffer_bytes is 2000, room for 10 episodes of two-step"),
        (["--resume", "nothing-here"], "nothing-here holds no run (no settings.json); train one with"),
    ],
)
def test_mistakes_in_train(arguments, message, capsys):
    """One sentence, status 2, and no folder left behind."""
    assert message in refused(capsys, ["train", *arguments])
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["evaluate", "nothing-here"],
            "nothing-here holds no run (no settings.json); train one with `qmix-edu train`.",
        ),
        (["evaluate"], "the following arguments are required: run"),
        (["evaluate", "x", "--episodes", "many"], "argument --episodes: invalid int value: 'many'"),
        (["trian"], "invalid choice: 'trian'"),
        ([], "the following arguments are required"),
    ],
)
def test_mistakes_elsewhere(arguments, message, capsys):
    assert message in refused(capsys, arguments)


def test_a_run_from_beginning_to_end(capsys):
    assert train("--algorithm", "vdn", "--seed", "4", "--learning-rate", "0.01") == 0
    assert capsys.readouterr().out == "Done. Look at it with: qmix-edu evaluate runs/two-step-vdn-4\n"
    folder = Path("runs/two-step-vdn-4")
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    always = {"env_steps", "updates", "episodes", "cpu_seconds", "loss", "epsilon", "train_return"}
    assert all(always <= line.keys() for line in lines)
    assert {"win_rate", "mean_return", "eval_episodes"} <= lines[-1].keys()
    assert lines[-1]["env_steps"] == 80
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["versions"]["torch"] == torch.__version__
    assert (settings["algorithm"], settings["seed"], settings["learner"]["learning_rate"]) == ("vdn", 4, 0.01)
    assert settings["train"]["batch_size"] == 8

    assert main(["evaluate", str(folder), "--episodes", "5", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)  # one object, and nothing else
    assert result == {"win_rate": None, "mean_return": lines[-1]["mean_return"], "eval_episodes": 5}
    assert main(["evaluate", str(folder), "--episodes", "5"]) == 0
    assert capsys.readouterr().out == f"mean return {result['mean_return']:.3f} over 5 episodes\n"

    assert "Asked for 0 evaluation episodes; 1 is the least." in refused(
        capsys, ["evaluate", str(folder), "--episodes", "0"]
    )
    assert "has done its 80 steps; evaluate it with" in refused(capsys, ["train", "--resume", str(folder)])
    assert "already holds a run; go on with `qmix-edu train --resume runs/two-step-vdn-4`" in refused(
        capsys, ["train", "two-step", "--algorithm", "vdn", "--seed", "4"]
    )


def test_evaluating_the_same_run_twice_gives_the_same_result(capsys):
    main(["train", "matrix/climbing-fully-stochastic", "--steps", "40", *SMALL, "--out", "run"])
    capsys.readouterr()
    results = []
    for seed in ("1", "1", "2"):
        assert main(["evaluate", "run", "--episodes", "20", "--seed", seed, "--json"]) == 0
        results.append(capsys.readouterr().out)
    assert results[0] == results[1] != results[2]


def test_places_that_cannot_be_written(capsys):
    Path("full").mkdir()
    Path("full/thesis.tex").touch()
    Path("file").write_text("mine")
    for out, message in (
        ("full", "full is not empty and holds no run; choose another --out."),
        ("file", "file is a file, so no run can be written there; choose another --out."),
        ("file/below", "file/below cannot be made"),
    ):
        assert message in refused(capsys, ["train", "two-step", "--out", out])
    assert sorted(str(path) for path in Path.cwd().rglob("*")) == sorted(
        str(Path.cwd() / name) for name in ("full", "full/thesis.tex", "file")
    )


def test_a_damaged_policy(capsys):
    train("--out", "run")
    capsys.readouterr()
    whole = Path("run/policy.pt").read_bytes()
    Path("run/policy.pt").write_bytes(whole[:1000])
    assert "run/policy.pt (1000 bytes) is damaged and cannot be read; restore" in refused(capsys, ["evaluate", "run"])


def test_a_policy_of_another_algorithm(capsys):
    train("--out", "one")
    train("--out", "other", "--algorithm", "vdn")
    capsys.readouterr()
    Path("one/policy.pt").write_bytes(Path("other/policy.pt").read_bytes())
    assert "has algorithm 'vdn', but 'qmix' was asked for" in refused(capsys, ["evaluate", "one"])


def test_a_run_without_a_policy_yet(capsys):
    train("--out", "run")
    capsys.readouterr()
    Path("run/policy.pt").unlink()
    assert "There is no checkpoint run/policy.pt; train" in refused(capsys, ["evaluate", "run"])


def test_a_full_disk_ends_in_one_sentence(capsys, monkeypatch):
    """The progress bar may have been drawn; the sentence is the last line."""

    written = []

    def full(file: int) -> None:
        written.append(file)
        if len(written) > 1:  # the settings still went in
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert train("--out", "run") == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("qmix-edu: run/policy.pt could not be written")
    assert "What was saved before is intact." in last


def test_interrupted_in_process(capsys, monkeypatch):
    """Ctrl-C ends the round at hand, saves, says how to go on; and going on ends as if nothing had happened."""
    before = signal.getsignal(signal.SIGINT)
    assert train("--out", "whole", "--seed", "1") == 0
    play, rounds = runs.Training.round, []

    def interrupted(training):
        rounds.append(training)
        if len(rounds) == 4:
            signal.raise_signal(signal.SIGINT)
        return play(training)

    with monkeypatch.context() as patch:
        patch.setattr(runs.Training, "round", interrupted)
        capsys.readouterr()
        assert train("--out", "run", "--seed", "1") == cli.INTERRUPTED == 130
    assert len(rounds) == 4
    assert capsys.readouterr().out == "Saved. Go on with: qmix-edu train --resume run\n"
    assert signal.getsignal(signal.SIGINT) is before
    assert main(["train", "--resume", "run"]) == 0
    one, other = (load(Path(name) / "policy.pt")["online"] for name in ("whole", "run"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_interrupted_from_outside():
    """The real command, the real signal."""
    script = "import sys; from qmix_edu.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", script, "train", "two-step", "--steps", "100000000", *SMALL, "--out", "run"]
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    metrics = Path("run/metrics.jsonl")
    while process.poll() is None and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == "Saved. Go on with: qmix-edu train --resume run\n"
    assert "Traceback" not in err
    assert Path("run/resume.pt").exists() and Path("run/policy.pt").exists()


def test_envs_lists_names(capsys):
    assert main(["envs"]) == 0
    names = capsys.readouterr().out.splitlines()
    assert {"matrix/qtran", "two-step", "smax/3m", "smax/2s3z", "smac/3m", "smacv2/terran_5_vs_5"} <= set(names)


def test_help_is_short_and_names_the_defaults(capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", "--help"])
    assert end.value.code == 0
    assert "--learning-rate FLOAT" in capsys.readouterr().out


def test_record_writes_episodes_and_says_how_to_look_at_them(capsys):
    assert train("--out", "run") == 0
    capsys.readouterr()
    assert main(["record", "run", "--episodes", "3", "--out", "seen.json"]) == 0
    assert "Recorded 3 episodes of qmix on two-step in seen.json." in capsys.readouterr().out
    first = load_record("seen.json")
    assert len(first.episodes) == 3 and first.mixing == "network"
    assert main(["record", "run", "--episodes", "3", "--out", "again.json"]) == 0
    assert Path("again.json").read_text() == Path("seen.json").read_text()
    before = Path("seen.json").read_bytes()
    again = refused_after(capsys, ["record", "run", "--episodes", "1", "--seed", "5", "--out", "seen.json"])
    assert "seen.json already exists; choose another --out" in again and Path("seen.json").read_bytes() == before
    assert "run already exists; choose another --out" in refused_after(capsys, ["record", "run", "--out", "run"])
    assert "Asked for 0 episodes" in refused_after(capsys, ["record", "run", "--episodes", "0"])
    assert "could not be written" in refused_after(capsys, ["record", "run", "--out", "nowhere/seen.json"])
    assert "holds no run" in refused_after(capsys, ["record", "nothing"])
    assert sorted(path.name for path in Path().iterdir()) == ["again.json", "run", "seen.json"]


def refused_after(capsys, arguments) -> str:
    capsys.readouterr()
    return refused(capsys, arguments)

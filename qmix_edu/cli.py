"""The command line: ``qmix-edu train | sweep | evaluate | inspect | record | grade | envs | doctor``."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from qmix_edu.types import EnvironmentFailedError

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status: 0, 1 where runs of a sweep failed, 2 for bad input, 130 after Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments, argparse.Namespace(again=shlex.join(["qmix-edu", *arguments])))
    try:
        return options.command(options)
    except (ValueError, EnvironmentFailedError, OSError) as error:
        print(f"qmix-edu: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        if "allocate memory" not in str(error):
            raise
        print("qmix-edu: there is not enough memory for this; make --n-envs or the buffer smaller.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see `{self.prog} --help`.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(prog="qmix-edu", description="Train and look at cooperative agents.")
    commands = parser.add_subparsers(
        required=True, metavar="train | sweep | evaluate | inspect | record | grade | envs | doctor"
    )

    train = commands.add_parser("train", help="train a team, or go on with a run")
    train.set_defaults(command=_train)
    train.add_argument("env", nargs="?", help="environment, e.g. smax/3m (`qmix-edu envs` lists all)")
    train.add_argument("--resume", metavar="RUN", type=Path, help="go on with the run in this folder")
    train.add_argument("--algorithm", help="e.g. iql, vdn, qmix, qplex, coma; a wrong name lists more (default: qmix)")
    train.add_argument("--seed", type=int, help="seed of everything random (default: 0)")
    train.add_argument("--out", metavar="RUN", type=Path, help="new folder of the run (default: below runs/)")
    _add_settings(train)

    sweep = commands.add_parser("sweep", help="train several algorithms and seeds side by side, and tabulate them")
    sweep.set_defaults(command=_sweep)
    sweep.add_argument("env", help="environment, e.g. smax/3m")
    sweep.add_argument("--algorithms", default="iql,vdn,qmix", help="names with commas (default: iql,vdn,qmix)")
    sweep.add_argument("--seeds", type=int, default=5, help="how many seeds, from 0 on (default: 5)")
    sweep.add_argument("--jobs", type=int, help="runs at a time on this machine (default: one for each core)")
    sweep.add_argument("--ray", metavar="ADDRESS", help="train on this Ray cluster; `local` starts one")
    sweep.add_argument("--out", metavar="SWEEP", type=Path, help="folder of the sweep (default: below runs/)")
    _add_settings(sweep)

    evaluate = commands.add_parser("evaluate", help="play greedy episodes with a trained team")
    evaluate.set_defaults(command=_evaluate)
    evaluate.add_argument("run", type=Path, help="folder of a run")
    evaluate.add_argument("--episodes", type=int, default=256, help="episodes to play (default: 256)")
    evaluate.add_argument("--seed", type=int, default=1_000_000, help="seed of the battles (default: 1000000)")
    evaluate.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    inspect = commands.add_parser("inspect", help="look into a trained mixer, and into the battles it plays")
    inspect.set_defaults(command=_inspect)
    inspect.add_argument("run", type=Path, help="folder of a run")
    inspect.add_argument("--episodes", type=int, default=32, help="episodes to take states from (default: 32)")
    inspect.add_argument(
        "--battles", metavar="N", type=int, help="instead, play out all joint actions of two units in N battles of SMAX"
    )
    inspect.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    record = commands.add_parser("record", help="record greedy episodes, to be looked at in a notebook")
    record.set_defaults(command=_record)
    record.add_argument("run", type=Path, help="folder of a run")
    record.add_argument("--episodes", type=int, default=4, help="episodes to record (default: 4)")
    record.add_argument("--seed", type=int, default=1_000_000, help="seed of the battles (default: 1000000)")
    record.add_argument(
        "--out", type=Path, default=Path("battle.json"), help="new file to write (default: battle.json)"
    )

    grade = commands.add_parser("grade", help="grade a folder of students' notebooks of one chapter")
    grade.set_defaults(command=_grade)
    grade.add_argument("submissions", type=Path, help="folder with NAME.ipynb, or a folder NAME, for each student")
    grade.add_argument("--chapter", required=True, help="number of the chapter, e.g. 06")
    grade.add_argument("--out", metavar="CSV", type=Path, required=True, help="table to write, e.g. grades.csv")
    grade.add_argument("--jobs", type=int, help="submissions at a time (default: one for each core)")
    grade.add_argument("--seconds", type=float, default=60.0, help="time for each exercise (default: 60)")
    grade.add_argument("--memory-mb", type=int, default=2000, help="memory for each exercise (default: 2000)")
    grade.add_argument(
        "--without-sandbox",
        action="store_true",
        help="run the students' code as you: it may read, change and send what you may",
    )

    envs = commands.add_parser("envs", help="list the environments")
    envs.set_defaults(command=_envs)
    doctor = commands.add_parser("doctor", help="look at what is installed, and say what to do about it")
    doctor.set_defaults(command=_doctor)
    doctor.add_argument(
        "--starcraft",
        metavar="MAP",
        nargs="?",
        const="3m",
        help="play on the real game and check the adapter (3m); SMACv2's as smacv2/terran_5_vs_5",
    )
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Give every field of the settings an option; unset ones keep what suits the environment."""
    from qmix_edu.learner import LearnerSettings
    from qmix_edu.settings import TrainSettings

    parser.add_argument("--agent", help="mlp, gru or table (default: mlp)")
    parser.add_argument("--steps", type=int, help="environment steps (default: what suits the environment)")
    group = parser.add_argument_group("settings", "each defaults to what suits the environment")
    for settings in (TrainSettings, LearnerSettings):
        for field in dataclasses.fields(settings):
            if field.name != "steps":
                kind = type(field.default)
                group.add_argument(f"--{field.name.replace('_', '-')}", type=kind, metavar=kind.__name__.upper())


def _train(options: argparse.Namespace) -> int:
    import torch

    from qmix_edu.runs import stopping_on_interrupt

    torch.set_num_threads(1)  # faster than more for networks of this size
    run = _old_run(options) if options.resume else _new_run(options)
    with stopping_on_interrupt(run.stop):
        lines = run.train()
        with _bar(run.settings.steps) as bar:
            for metrics in lines:
                bar.update(int(metrics["env_steps"] or 0) - bar.n)
                shown = {"win rate": metrics.get("win_rate"), "return": metrics.get("mean_return")}
                bar.set_postfix({k: f"{v:.2f}" for k, v in shown.items() if v is not None} or None, refresh=False)
    if run.stop_requested and not run.finished:
        print(f"Saved. Go on with: qmix-edu train --resume {run.folder}")
        return INTERRUPTED
    print(f"Done. Look at it with: qmix-edu evaluate {run.folder}")
    return 0


def _bar(steps: int, done: int = 0) -> tqdm[NoReturn]:
    """Return a progress bar of environment steps; where nobody watches (no terminal), a line a minute."""
    seconds = 0.1 if sys.stderr.isatty() else 60.0
    return tqdm(total=steps, initial=done, unit=" steps", unit_scale=True, mininterval=seconds, maxinterval=seconds)


def _old_run(options: argparse.Namespace) -> Any:
    from qmix_edu.runs import Run

    no_settings = ("command", "again", "resume")
    given = [name for name, value in vars(options).items() if value is not None and name not in no_settings]
    if given:
        raise ValueError(f"--resume goes on with the run's own settings; leave out {', '.join(given)}.")
    return Run.open(options.resume)


def _new_run(options: argparse.Namespace) -> Any:
    from qmix_edu.runs import Run

    if options.env is None:
        raise ValueError("Name an environment, e.g. `qmix-edu train smax/3m`, or a run with --resume.")
    algorithm, seed = options.algorithm or "qmix", options.seed or 0
    settings = _run_settings(options, algorithm, seed)
    _try(settings)
    return Run.create(options.out or Path("runs") / f"{_file_name(options.env)}-{algorithm}-{seed}", settings)


def _run_settings(options: argparse.Namespace, algorithm: str, seed: int) -> Any:
    from qmix_edu.runs import RunSettings
    from qmix_edu.settings import default_steps, learner_settings, train_settings

    given = {name: value for name, value in vars(options).items() if value is not None}

    def changed(settings: Any) -> Any:
        names = {field.name for field in dataclasses.fields(settings)}
        return dataclasses.replace(settings, **{name: given[name] for name in names & given.keys()})

    return RunSettings(
        env=options.env,
        algorithm=algorithm,
        agent=options.agent or "mlp",
        steps=default_steps(options.env) if options.steps is None else options.steps,
        seed=seed,
        learner=changed(learner_settings(options.env, algorithm)),
        train=changed(train_settings(options.env, algorithm)),
    )


def _try(settings: Any) -> None:
    """Make everything once: what cannot be made leaves no folder behind."""
    from qmix_edu.train import Training

    env, learner = settings.build()
    with contextlib.closing(env):
        Training(env, learner, settings.train)


def _file_name(env: str) -> str:
    return re.sub(r"[^\w.=-]+", "-", env)


def _sweep(options: argparse.Namespace) -> int:
    import torch

    from qmix_edu.pools import LocalPool, RayPool
    from qmix_edu.runs import stopping_on_interrupt
    from qmix_edu.sweep import Sweep

    torch.set_num_threads(1)
    if options.seeds < 1:
        raise ValueError(f"Asked for {options.seeds} seeds; 1 is the least.")
    if options.ray and options.jobs is not None:
        raise ValueError("--jobs counts processes of this machine; a Ray cluster knows its own, so leave it out.")
    algorithms = list(dict.fromkeys(options.algorithms.split(",")))
    settings = [_run_settings(options, name, seed) for seed in range(options.seeds) for name in algorithms]
    for one in settings[: len(algorithms)]:
        _try(one)
    pool = RayPool(options.ray) if options.ray else LocalPool(_cores() if options.jobs is None else options.jobs)
    with contextlib.closing(pool):
        sweep = Sweep(options.out or Path("runs") / f"sweep-{_file_name(options.env)}", settings)
        with (
            stopping_on_interrupt(sweep.stop),
            _bar(sweep.steps, sweep.steps_done) as bar,
        ):
            for done in sweep.complete(pool):
                bar.update(done - bar.n)
    if sweep.stop_requested:
        print(f"Saved. Go on with: {options.again}")
        return INTERRUPTED
    for name, error in sweep.failures.items():
        print(f"qmix-edu: {sweep.folder / name} failed twice ({error}).", file=sys.stderr)
    results = sweep.results()
    sweep.write(results)
    print(f"{results.table()}\n\nAlso in {sweep.folder}: results.json, results.md, curves.png")
    return 1 if sweep.failures else 0


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _evaluate(options: argparse.Namespace) -> int:
    import torch

    from matrix_games import wilson_interval
    from qmix_edu.evaluate import evaluate
    from qmix_edu.runs import Run

    torch.set_num_threads(1)
    env, learner = Run.open(options.run).load(options.seed)
    with contextlib.closing(env):
        result = evaluate(env, learner, options.episodes)
    if options.json:
        print(json.dumps(result))
        return 0
    print(f"mean return {result['mean_return']:.3f} over {options.episodes} episodes")
    if result["win_rate"] is not None:
        low, high = wilson_interval(round(result["win_rate"] * options.episodes), options.episodes)
        print(f"win rate {result['win_rate']:.3f}, 95 % interval {low:.3f} to {high:.3f}")
    return 0


def _inspect(options: argparse.Namespace) -> int:
    import torch

    from qmix_edu import inspection
    from qmix_edu.runs import EVALUATION_SEED, Run

    torch.set_num_threads(1)
    env, learner = Run.open(options.run).load(EVALUATION_SEED)
    with contextlib.closing(env):
        if options.battles is None:
            found = inspection.inspect_mixer(env, learner, options.episodes)
        else:
            found = inspection.inspect_battles(env, learner, options.battles)
    print(json.dumps(found.summary()) if options.json else found.text())
    return 0


def _record(options: argparse.Namespace) -> int:
    import torch

    from qmix_edu.battles import record_episodes
    from qmix_edu.records import save_record
    from qmix_edu.runs import Run

    torch.set_num_threads(1)
    if options.out.exists():
        raise ValueError(f"{options.out} already exists; choose another --out.")
    env, learner = Run.open(options.run).load(options.seed)
    with contextlib.closing(env):
        record = record_episodes(env, learner, options.episodes)
    save_record(record, options.out)
    print(f"Recorded {options.episodes} episodes of {record.algorithm} on {record.env} in {options.out}. Look at them:")
    print(f"BattleViewer(load_record({str(options.out)!r})), of qmix_edu.widgets and qmix_edu.records, in a notebook.")
    return 0


def _grade(options: argparse.Namespace) -> int:
    from qmix_edu.grading import reports, sandbox
    from qmix_edu.grading.grading import Grading
    from qmix_edu.runs import stopping_on_interrupt

    jobs = _cores() if options.jobs is None else options.jobs
    if jobs < 1:
        raise ValueError(f"Asked for {jobs} jobs; 1 is the least.")
    pages = reports.pages_of(options.out)
    wall = sandbox.without_sandbox if options.without_sandbox else sandbox.bubblewrap()
    limits = sandbox.Limits(options.seconds, options.memory_mb)
    grading = Grading(options.submissions, options.chapter, pages, limits, wall)
    reports.check_writable(options.out, pages)
    with (
        stopping_on_interrupt(grading.stop),
        tqdm(total=len(grading.submissions), initial=len(grading.records), unit=" submissions") as bar,
    ):
        for done in grading.complete(jobs):
            bar.update(done - bar.n)
    if grading.stop_requested:
        print(f"Saved. Go on with: {options.again}")
        return INTERRUPTED
    records, exercises = grading.in_order(), list(grading.chapter.exercises)
    reports.write_reports(records, exercises, grading.chapter.path.stem, options.out, pages)
    print(f"{reports.as_text(records, exercises)}\n\nGrades: {options.out}. For each student, and the class: {pages}")
    return 0


def _envs(_: argparse.Namespace) -> int:
    from qmix_edu.envs import env_names

    print("\n".join(env_names()))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from qmix_edu import doctor

    if options.starcraft:
        return _doctor_starcraft(options.starcraft)
    checks = doctor.checks()
    print(doctor.report(checks))
    return 0 if doctor.all_required_ok(checks) else 2


def _doctor_starcraft(map_name: str) -> int:
    from qmix_edu.envs import make_env
    from qmix_edu.envs.conformance import check_conformance

    name = map_name if "/" in map_name else f"smac/{map_name}"
    findings = check_conformance(make_env(name))
    print("\n".join(findings) or f"StarCraft II plays {name} as the library expects.")
    return 2 if findings else 0

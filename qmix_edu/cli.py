"""The command line: ``qmix-edu train | evaluate | envs | doctor``."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from qmix_edu.types import EnvironmentFailedError

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status: 0, 2 for bad input, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
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
    commands = parser.add_subparsers(required=True, metavar="train | evaluate | envs | doctor")

    train = commands.add_parser("train", help="train a team, or go on with a run")
    train.set_defaults(command=_train)
    train.add_argument("env", nargs="?", help="environment, e.g. smax/3m (`qmix-edu envs` lists all)")
    train.add_argument("--resume", metavar="RUN", type=Path, help="go on with the run in this folder")
    train.add_argument(
        "--algorithm", help="e.g. iql, vdn, qmix, hysteretic, coma; a wrong name lists more (default: qmix)"
    )
    train.add_argument("--agent", help="mlp, gru or table (default: mlp)")
    train.add_argument("--steps", type=int, help="environment steps (default: what suits the environment)")
    train.add_argument("--seed", type=int, help="seed of everything random (default: 0)")
    train.add_argument("--out", metavar="RUN", type=Path, help="new folder of the run (default: below runs/)")
    _add_settings(train)

    evaluate = commands.add_parser("evaluate", help="play greedy episodes with a trained team")
    evaluate.set_defaults(command=_evaluate)
    evaluate.add_argument("run", type=Path, help="folder of a run")
    evaluate.add_argument("--episodes", type=int, default=256, help="episodes to play (default: 256)")
    evaluate.add_argument("--seed", type=int, default=1_000_000, help="seed of the battles (default: 1000000)")
    evaluate.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    envs = commands.add_parser("envs", help="list the environments")
    envs.set_defaults(command=_envs)
    doctor = commands.add_parser("doctor", help="look at what is installed, and say what to do about it")
    doctor.set_defaults(command=_doctor)
    doctor.add_argument(
        "--starcraft", metavar="MAP", nargs="?", const="3m", help="play on the real game and check the adapter (3m)"
    )
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Give every field of the settings an option; unset ones keep what suits the environment."""
    from qmix_edu.learner import LearnerSettings
    from qmix_edu.settings import TrainSettings

    group = parser.add_argument_group("settings", "each defaults to what suits the environment")
    for settings in (TrainSettings, LearnerSettings):
        for field in dataclasses.fields(settings):
            if field.name != "steps":
                kind = type(field.default)
                group.add_argument(f"--{field.name.replace('_', '-')}", type=kind, metavar=kind.__name__.upper())


def _train(options: argparse.Namespace) -> int:
    import torch

    torch.set_num_threads(1)  # faster than more for networks of this size
    run = _old_run(options) if options.resume else _new_run(options)
    interrupted = False

    def stop(*_: Any) -> None:
        nonlocal interrupted
        interrupted = True
        run.stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C stops at once

    before = signal.signal(signal.SIGINT, stop)
    try:
        lines = run.train()
        with tqdm(total=run.settings.steps, unit=" steps", unit_scale=True) as bar:
            for metrics in lines:
                bar.update(int(metrics["env_steps"] or 0) - bar.n)
                shown = {"win rate": metrics.get("win_rate"), "return": metrics.get("mean_return")}
                bar.set_postfix({k: f"{v:.2f}" for k, v in shown.items() if v is not None} or None)
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted and not run.finished:
        print(f"Saved. Go on with: qmix-edu train --resume {run.folder}")
        return INTERRUPTED
    print(f"Done. Look at it with: qmix-edu evaluate {run.folder}")
    return 0


def _old_run(options: argparse.Namespace) -> Any:
    from qmix_edu.runs import Run

    given = [name for name, value in vars(options).items() if value is not None and name not in ("command", "resume")]
    if given:
        raise ValueError(f"--resume goes on with the run's own settings; leave out {', '.join(given)}.")
    return Run.open(options.resume)


def _new_run(options: argparse.Namespace) -> Any:
    from qmix_edu.runs import Run, RunSettings
    from qmix_edu.settings import default_steps, learner_settings, train_settings
    from qmix_edu.train import Training

    if options.env is None:
        raise ValueError("Name an environment, e.g. `qmix-edu train smax/3m`, or a run with --resume.")
    given = {name: value for name, value in vars(options).items() if value is not None}

    def changed(settings: Any) -> Any:
        names = {field.name for field in dataclasses.fields(settings)}
        return dataclasses.replace(settings, **{name: given[name] for name in names & given.keys()})

    algorithm, seed = options.algorithm or "qmix", options.seed or 0
    settings = RunSettings(
        env=options.env,
        algorithm=algorithm,
        agent=options.agent or "mlp",
        steps=default_steps(options.env) if options.steps is None else options.steps,
        seed=seed,
        learner=changed(learner_settings(options.env, algorithm)),
        train=changed(train_settings(options.env, algorithm)),
    )
    env, learner = settings.build()
    with contextlib.closing(env):
        Training(env, learner, settings.train)  # what cannot be made leaves no folder behind
    name = f"{options.env.replace('/', '-')}-{algorithm}-{seed}"
    return Run.create(options.out or Path("runs") / name, settings)


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

    findings = check_conformance(make_env(f"smac/{map_name}"))
    print("\n".join(findings) or f"StarCraft II plays smac/{map_name} as the library expects.")
    return 2 if findings else 0

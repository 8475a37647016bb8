"""Sweeps: several algorithms and seeds on one environment, and the table of what they reached.

A sweep is a folder of runs, ``<algorithm>-<seed>``, and keeps no state besides theirs: what is finished is not
repeated, what is unfinished goes on, what is missing begins. ``results.json``, ``results.md`` and ``curves.png`` are
made from them.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from scipy.stats import bootstrap, trim_mean

from qmix_edu.files import write_text
from qmix_edu.plots import plot_learning_curves
from qmix_edu.pools import Pool
from qmix_edu.runs import EVALUATION_EPISODES, Run, RunSettings, settings_line

ATTEMPTS = 2
_RESAMPLES = 5_000
_TICK_SECONDS = 0.5
_MEASURES = {"win_rate": "final greedy win rate", "mean_return": "final greedy return"}


class Sweep:
    """The runs of a sweep, made or found in its folder.

    Raises ValueError where a run in the folder has other settings than the sweep would give it.
    """

    def __init__(self, folder: Path, settings: Iterable[RunSettings]):
        self.folder = folder
        self.runs = {
            f"{one.algorithm}-{one.seed}": _run(folder / f"{one.algorithm}-{one.seed}", one) for one in settings
        }
        self.failures: dict[str, str] = {}  # what went wrong, by the run's name
        self.stop_requested = False

    @property
    def steps(self) -> int:
        """Environment steps of all runs together."""
        return sum(run.settings.steps for run in self.runs.values())

    @property
    def steps_done(self) -> int:
        """How many of them are done, by what was logged."""
        return sum(_steps_done(run) for run in self.runs.values())

    def complete(self, pool: Pool) -> Iterator[int]:
        """Train and evaluate what is missing; yield the steps done, again and again.

        A run that fails is tried once more after the others, and stands in ``failures`` if it fails again. Ends early,
        with everything saved, once ``stop`` is called.
        """
        waiting = deque(name for name, run in self.runs.items() if not run.evaluated)
        names = {run.folder: name for name, run in self.runs.items()}
        attempts: Counter[str] = Counter()
        running, stopping = set[str](), False
        while running or (waiting and not self.stop_requested):
            while waiting and pool.has_room() and not self.stop_requested:
                name = waiting.popleft()
                attempts[name] += 1
                pool.start(self.runs[name].folder)
                running.add(name)
            if self.stop_requested and not stopping:
                pool.stop()
                stopping = True
            for folder, error in pool.ended(_TICK_SECONDS).items():
                name = names[folder]
                running.remove(name)
                if error is None or stopping:
                    continue
                if attempts[name] < ATTEMPTS:
                    waiting.append(name)
                else:
                    self.failures[name] = error
            yield self.steps_done

    def stop(self) -> None:
        """Let ``complete`` stop all runs and end."""
        self.stop_requested = True

    def results(self) -> Results:
        """Return what the runs that are evaluated have reached.

        Raises ValueError where none is.
        """
        evaluated = [run for run in self.runs.values() if run.evaluated]
        if not evaluated:
            raise ValueError(f"No run of {self.folder} is finished; there is nothing to tabulate.")
        measure = "mean_return" if evaluated[0].result()["win_rate"] is None else "win_rate"
        scores: dict[str, dict[int, float]] = {}
        for run in evaluated:
            scores.setdefault(run.settings.algorithm, {})[run.settings.seed] = float(run.result()[measure] or 0.0)
        return Results(
            env=evaluated[0].settings.env,
            steps=evaluated[0].settings.steps,
            measure=measure,
            episodes=EVALUATION_EPISODES,
            algorithms={algorithm: Score.of(by_seed) for algorithm, by_seed in scores.items()},
        )

    def write(self, results: Results) -> None:
        """Write results.json, results.md and curves.png into the sweep's folder."""
        write_text(self.folder / "results.json", json.dumps(dataclasses.asdict(results), indent=2) + "\n")
        write_text(self.folder / "results.md", results.table() + "\n")
        curves: dict[str, list[tuple[list[float], list[float]]]] = {}
        for run in self.runs.values():
            if run.evaluated:
                lines = [line for line in run.logged() if line.get(results.measure) is not None]
                x = [min(line["env_steps"] or 0, results.steps) for line in lines]  # the last round goes on
                y = [line[results.measure] or 0.0 for line in lines]
                curves.setdefault(run.settings.algorithm, []).append((x, y))
        figure = Figure(layout="constrained")
        ylabel = f"{_MEASURES[results.measure].removeprefix('final ')} on {results.env}"
        plot_learning_curves(curves, ylabel=ylabel, ax=figure.subplots())
        figure.savefig(self.folder / "curves.png", dpi=100)


@dataclass(frozen=True)
class Score:
    """What one algorithm reached: the value of each seed, their median and quartiles, and the interquartile mean.

    ``interval`` is the 95 % interval of the interquartile mean, None with a single seed.
    """

    by_seed: dict[int, float]
    median: float
    quartiles: tuple[float, float]
    iqm: float
    interval: tuple[float, float] | None

    @classmethod
    def of(cls, by_seed: dict[int, float]) -> Score:
        """Compute the statistics of the values of several seeds."""
        values = np.array(list(by_seed.values()))
        low, median, high = np.percentile(values, [25, 50, 75]).tolist()
        iqm, interval = interquartile_mean([values])
        return cls(by_seed, median, (low, high), iqm, interval)


@dataclass(frozen=True)
class Results:
    """What the algorithms of a sweep reached on an environment, ``measure`` being win_rate or mean_return."""

    env: str
    steps: int
    measure: str
    episodes: int
    algorithms: dict[str, Score]

    def table(self) -> str:
        """Return the results as a table in Markdown."""
        lines = [
            f"{_MEASURES[self.measure].capitalize()} on {self.env} after {self.steps:,} steps, "
            f"over {self.episodes} episodes.",
            "",
            "| algorithm | seeds | median | quartiles | IQM | 95 % interval of the IQM |",
            "|---|---|---|---|---|---|",
        ]
        for algorithm, score in self.algorithms.items():
            interval = "one seed has none" if score.interval is None else _span(score.interval)
            lines.append(
                f"| {algorithm} | {len(score.by_seed)} | {score.median:.3f} | {_span(score.quartiles)} "
                f"| {score.iqm:.3f} | {interval} |"
            )
        return "\n".join(lines)


def interquartile_mean(
    strata: Sequence[Float[np.ndarray, " seeds"]], seed: int = 0
) -> tuple[float, tuple[float, float] | None]:
    """Return the mean of the middle half of all values, and its 95 % percentile interval by a stratified bootstrap.

    Each stratum (the seeds on one environment) is resampled by itself. With fewer than two values in a stratum there is
    no interval.

    Source: Agarwal et al. (2021), "Deep Reinforcement Learning at the Edge of the Statistical Precipice".
    """

    def iqm(*samples: Float[np.ndarray, "*b s"], axis: int) -> Float[np.ndarray, "*b"]:
        return np.asarray(trim_mean(np.concatenate(samples, axis=axis), 0.25, axis=axis))

    middle = float(iqm(*strata, axis=-1))
    if min(len(values) for values in strata) < 2:
        return middle, None
    rng = np.random.default_rng(seed)
    resampled = bootstrap(tuple(strata), iqm, n_resamples=_RESAMPLES, method="percentile", vectorized=True, rng=rng)
    low, high = resampled.confidence_interval
    return middle, (float(low), float(high))


def _span(pair: tuple[float, float]) -> str:
    return f"{pair[0]:.3f} to {pair[1]:.3f}"


def _run(folder: Path, settings: RunSettings) -> Run:
    if not (folder / "settings.json").exists():
        return Run.create(folder, settings)
    run = Run.open(folder)
    if run.settings != settings:
        raise ValueError(
            f"{folder} holds another run ({settings_line(run.settings)}) than this sweep's "
            f"({settings_line(settings)}), or one with other settings; choose another --out."
        )
    return run


def _steps_done(run: Run) -> int:
    lines = run.logged()
    return min(run.settings.steps, int(lines[-1]["env_steps"] or 0)) if lines else 0

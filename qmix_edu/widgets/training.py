"""The training viewer: what a run has logged so far, while it trains or afterwards.

``training.js`` draws in the browser what is prepared here; ``TrainingViewer.figure`` draws it with matplotlib where no
browser runs.
"""

# matplotlib leaves the keywords of its methods untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from pathlib import Path
from typing import Any

import anywidget
import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.figure import Figure

from matrix_games import wilson_interval
from qmix_edu.runs import Run, settings_line, stopping_on_interrupt
from qmix_edu.train import Metrics
from qmix_edu.widgets.modules import css, esm

_BLUE = "#0072B2"  # Okabe and Ito's
MOST_POINTS = 400  # of each curve that are sent to the browser
_WINDOW_SECONDS = 30.0  # over which the speed is measured
_SERIES = {"train_return": "return while exploring", "loss": "TD loss", "epsilon": "epsilon"}


class TrainingViewer(anywidget.AnyWidget):
    """A live chart of a run: greedy win rate with its interval, return, TD loss, epsilon, speed and time left.

    It reads the run's log, so it shows a run that another process trains (``qmix-edu train``) as well as one of this
    notebook. In a notebook it looks again every ``seconds`` by itself; ``train`` trains the run in the cell at hand.

        viewer = TrainingViewer("runs/demo")
        viewer            # shows it
        viewer.train()    # in the next cell, if nobody else trains it; interrupting that cell (■) saves the run

    Args:
        run: a run or its folder.
        seconds: between two looks at the log.

    Raises:
        CheckpointError: the folder holds no run.
        ValueError: ``seconds`` is not above 0.

    Attributes:
        log: what is shown. ``env_steps`` and the series of ``series`` are lists of equal length; ``evaluations`` holds
            (steps, value, low, high) of every greedy evaluation, low and high being the 95 % Wilson interval of a win
            rate, None of a return; ``speed`` is in environment steps per second, as watched.
    """

    _esm = esm("training")
    _css = css("training")

    _follower: asyncio.Task[None] | None = None

    log = traitlets.Dict().tag(sync=True)
    at = traitlets.Int(-1).tag(sync=True)  # the point that is read out; -1 is the newest

    def __init__(self, run: Run | Path | str, seconds: float | int = 1.0):
        if not seconds > 0:
            raise ValueError(f"seconds is {seconds}; it must be above 0.")
        self._run = run if isinstance(run, Run) else Run.open(Path(run))
        self._seconds, self._looked = seconds, 0.0
        self._seen: deque[tuple[float, int]] = deque()  # (when, environment steps)
        super().__init__(log=self._read())
        with contextlib.suppress(RuntimeError):  # no notebook: whoever shows it calls refresh
            loop = asyncio.get_running_loop()
            self._follower = loop.create_task(self._follow())

    def refresh(self) -> None:
        """Look at the log now."""
        self.log = self._read()

    def train(self) -> None:
        """Train the run to its end while the chart grows; an interrupt saves it, and ``train`` goes on with it later.

        Raises:
            ValueError: the run is finished.
            RunBusyError: it is being trained already.

        """
        with stopping_on_interrupt(self._run.stop):
            self._run.stop_requested = False
            for _ in self._run.train():
                if time.monotonic() - self._looked >= self._seconds:
                    self.refresh()
        self.refresh()

    def close(self) -> None:
        """Stop looking."""
        if self._follower is not None:
            self._follower.cancel()
        super().close()

    async def _follow(self) -> None:
        while self.log["state"] != "finished":
            await asyncio.sleep(self._seconds)
            if time.monotonic() - self._looked >= self._seconds:
                self.refresh()

    def _read(self) -> dict[str, Any]:
        self._looked = time.monotonic()
        lines, steps = self._run.logged(), self._run.settings.steps
        done = int(lines[-1]["env_steps"] or 0) if lines else 0
        speed = self._speed(done)
        shown = [lines[i] for i in _spread(len(lines))]
        evaluated = [line for line in lines if line.get("mean_return") is not None]
        return {
            "name": settings_line(self._run.settings),
            "state": "finished" if self._run.finished else "training" if self._run.busy else "stopped",
            "steps": steps,
            "done": done,
            "speed": speed,
            "left": None if not speed else max(0, steps - done) / speed,
            "env_steps": [line["env_steps"] for line in shown],
            "series": {name: [line.get(name) for line in shown] for name in _SERIES},
            "titles": _SERIES,
            "measure": "win rate" if any(line.get("win_rate") is not None for line in evaluated) else "return",
            "evaluations": [_evaluation(evaluated[i]) for i in _spread(len(evaluated))],
        }

    def _speed(self, done: int) -> float | None:
        """Return the environment steps per second of the last half minute, None before two different looks."""
        self._seen.append((self._looked, done))
        while len(self._seen) > 2 and self._looked - self._seen[1][0] > _WINDOW_SECONDS:
            self._seen.popleft()
        (before, first), (now, last) = self._seen[0], self._seen[-1]
        return (last - first) / (now - before) if last > first else None

    def result(self) -> dict[str, Any]:
        """Return the numbers that are read out; the browser writes the same into ``data-result``."""
        log, count = self.log, len(self.log["env_steps"])
        k = self.at if 0 <= self.at < count else count - 1
        steps = log["env_steps"][k] if count else 0
        evaluated = [one for one in log["evaluations"] if one[0] <= steps]
        return {
            "state": log["state"],
            "done": log["done"],
            "env_steps": steps,
            "evaluation": evaluated[-1] if evaluated else None,
            **{name: values[k] if count else None for name, values in log["series"].items()},
        }

    def summary(self) -> str:
        """Say in words how far the run is; the browser shows the same."""
        log = self.log
        parts = [f"{log['name']}: {log['state']}, {log['done']:,} of {log['steps']:,} steps done"]
        if log["evaluations"]:
            _, value, low, high = log["evaluations"][-1]
            interval = "" if low is None else f", 95 % interval {low:.2f} to {high:.2f}"
            parts.append(f"last greedy {log['measure']} {value:.2f}{interval}")
        if log["state"] == "training" and log["speed"]:
            parts.append(f"{log['speed']:,.0f} steps a second, {_duration(log['left'])} left")
        return "; ".join(parts) + "."

    def figure(self) -> Figure:
        """Draw what the browser shows with matplotlib."""
        log = self.log
        figure, axes = plt.subplots(2, 2, figsize=(9, 6), layout="constrained")
        first, *others = axes.flat
        if log["evaluations"]:
            steps, value, low, high = zip(*log["evaluations"], strict=True)
            first.plot(steps, value, marker="o", markersize=3, color=_BLUE)
            if log["measure"] == "win rate":
                first.fill_between(steps, low, high, alpha=0.22, color=_BLUE)
        first.set(title=f"greedy {log['measure']}", ylabel=log["measure"], xlabel="environment steps")
        for ax, (name, title) in zip(others, _SERIES.items(), strict=True):
            values = [np.nan if value is None else value for value in log["series"][name]]
            ax.plot(log["env_steps"], values, color=_BLUE)
            ax.set(title=title, ylabel=title, xlabel="environment steps")
        figure.suptitle(self.summary(), fontsize="medium", wrap=True)
        return figure


def _evaluation(line: Metrics) -> tuple[float | int, float, float | None, float | None]:
    steps, rate, episodes = line["env_steps"] or 0, line.get("win_rate"), int(line.get("eval_episodes") or 0)
    if rate is None:
        return steps, float(line["mean_return"] or 0.0), None, None
    return steps, rate, *wilson_interval(round(rate * episodes), episodes)


def _spread(count: int) -> list[int]:
    """Return at most MOST_POINTS of 0, ..., count - 1, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(int)).tolist() if count else []


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"

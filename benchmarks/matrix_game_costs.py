"""Processor time of the exact fits by size of the game, and of the tabular learners; a table each, and a picture.

    python benchmarks/matrix_game_costs.py

Measured on one core. The picture goes to docs/images/fit_cost.png, the tables are printed; `tables.py` writes them into
docs/results.md.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from matrix_games import (
    Boltzmann,
    EpsilonGreedy,
    FrequencyMaximumQ,
    HystereticQ,
    IndependentQ,
    JointQ,
    LenientQ,
    LockedDistributedQ,
    OwnTemperature,
    catalogue,
    monotone_fit,
    play,
    supermodular_fit,
    uniform_game,
)

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "fit_cost.png"
SHAPES = [(2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (2, 2, 2), (3, 3, 3), (2, 2, 2, 2), (2, 2, 2, 2, 2)]
GAMES = 15
FITS = {"monotone": monotone_fit, "supermodular": supermodular_fit}
LEARNERS = {
    "IQL": (IndependentQ(), EpsilonGreedy()),
    "distributed, with lock": (LockedDistributedQ(), EpsilonGreedy()),
    "hysteretic": (HystereticQ(), EpsilonGreedy()),
    "lenient": (LenientQ(theta=1e3, delta=0.998), OwnTemperature(omega=1.0)),
    "FMQ": (FrequencyMaximumQ(), Boltzmann()),
    "joint Q": (JointQ(), EpsilonGreedy()),
}


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time that some work takes."""
    started = time.process_time()
    work()
    return time.process_time() - started


@cache
def costs() -> dict[str, list[list[float]]]:
    """Return the milliseconds of each fit: for each class and shape those of 15 games, uniform on [0, 1]."""
    rng = np.random.default_rng(3)
    games = {shape: [uniform_game(shape, rng) for _ in range(GAMES + 1)] for shape in SHAPES}
    times: dict[str, list[list[float]]] = {}
    for name, fit in FITS.items():
        times[name] = []
        for first, *rest in games.values():
            fit(first)  # lists the upper sets of the shape, once
            times[name].append([1000 * seconds(lambda fit=fit, game=game: fit(game)) for game in rest])
    return times


def fit_costs() -> str:
    """Milliseconds of processor time for one fit."""
    lines = [f"| actions | {' | '.join(f'{name}: median (slowest), ms' for name in FITS)} |", "|---|---|---|"]
    for i, shape in enumerate(SHAPES):
        cells = [f"{statistics.median(times[i]):.1f} ({max(times[i]):.1f})" for times in costs().values()]
        lines.append(f"| {'x'.join(map(str, shape))} | {' | '.join(cells)} |")
    return "\n".join(lines)


def learner_costs() -> str:
    """Processor time of a study of 1000 runs of 10,000 plays each on climbing, and where it ends."""
    lines = ["| learner | CPU-s | share of runs that end in the optimum (95 % interval) |", "|---|---|---|"]
    total, game = 0.0, catalogue["climbing"]
    for name, (learner, exploration) in LEARNERS.items():
        started = time.process_time()
        study = play(game, learner, rng=np.random.default_rng(0), exploration=exploration)
        spent = time.process_time() - started
        low, high = study.interval
        total += spent
        lines.append(f"| {name} | {spent:.1f} | {study.share:.3f} ({low:.3f} to {high:.3f}) |")
    return "\n".join([*lines, f"| all six | {total:.1f} | |"])


def draw_fit_costs(path: Path) -> None:
    """Draw the median cost of games of two agents against their number of actions."""
    _, ax = plt.subplots(figsize=(6, 4), layout="constrained")
    two = [i for i, shape in enumerate(SHAPES) if len(shape) == 2]
    actions = [SHAPES[i][0] for i in two]
    for (name, times), style in zip(costs().items(), ("o-", "s--"), strict=True):
        low, median, high = np.percentile([times[i] for i in two], [0, 50, 100], axis=1)
        colour = "0.0" if name == "monotone" else "0.45"
        ax.errorbar(actions, median, [median - low, high - median], fmt=style, color=colour, capsize=3, label=name)
    ax.set(
        xlabel="actions of each of two agents",
        ylabel="processor time of one exact fit, ms",
        yscale="log",
        xticks=actions,
        title=f"Median and range over {GAMES} random games",
    )
    ax.legend()
    ax.grid(alpha=0.3, which="both")
    plt.gcf().savefig(path, dpi=100)


TABLES: dict[str, Callable[[], str]] = {"fit-costs": fit_costs, "learner-costs": learner_costs}

if __name__ == "__main__":
    for table in TABLES.values():
        print(table(), end="\n\n", flush=True)
    draw_fit_costs(PICTURE)

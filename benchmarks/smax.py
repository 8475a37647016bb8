"""Train IQL, VDN and QMIX on SMAX maps over several seeds, and print the table of docs/results.md.

    python benchmarks/smax.py 3m 300000 5 runs/benchmark

Each run is `qmix-edu train` with its default settings, one after the other on one core; runs that are finished are
not repeated. The win rates of all evaluations are drawn in the folder's <map>.png.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from qmix_edu.plots import plot_learning_curves
from qmix_edu.runs import Run

ALGORITHMS = ("qmix", "vdn", "iql")
EPISODES = 256
ENOUGH = 0.8


def measure(map_name: str, algorithm: str, seed: int, steps: int, folder: Path) -> dict[str, Any]:
    """Train one team (or find it trained) and evaluate its final policy."""
    run = folder / f"{map_name}-{algorithm}-{seed}"
    if not (run.exists() and Run.open(run).finished):
        started = ["--resume", str(run)] if run.exists() else [f"smax/{map_name}", "--out", str(run)]
        options = [] if run.exists() else ["--algorithm", algorithm, "--seed", str(seed), "--steps", str(steps)]
        subprocess.run(["qmix-edu", "train", *started, *options], check=True)
    answer = subprocess.run(
        ["qmix-edu", "evaluate", str(run), "--episodes", str(EPISODES), "--json"],
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    reached = [line["cpu_seconds"] for line in lines if (line.get("win_rate") or 0) >= ENOUGH]
    return {
        "win_rate": json.loads(answer.stdout)["win_rate"],
        "cpu_seconds": lines[-1]["cpu_seconds"],
        "reached": reached[0] if reached else float("inf"),
        "curve": [(line["env_steps"], line["win_rate"]) for line in lines if "win_rate" in line],
    }


def main(map_name: str, steps: int, seeds: int, folder: Path) -> None:
    """Print one row per algorithm."""
    print(f"| {map_name} | final win rate: median (all seeds) | CPU-s of training, median | CPU-s to .8, median |")
    print("|---|---|---|---|")
    curves: dict[str, list[Any]] = {}
    for algorithm in ALGORITHMS:
        results = [measure(map_name, algorithm, seed, steps, folder) for seed in range(seeds)]
        curves[algorithm.upper()] = [tuple(zip(*r["curve"], strict=True)) for r in results]
        wins = sorted(r["win_rate"] for r in results)
        reached = statistics.median(r["reached"] for r in results)
        print(
            f"| {algorithm} | {statistics.median(wins):.2f} ({', '.join(f'{w:.2f}' for w in wins)}) "
            f"| {statistics.median(r['cpu_seconds'] for r in results):.0f} "
            f"| {f'{reached:.0f}' if reached < float('inf') else 'not reached'} |",
            flush=True,
        )
    ax = plot_learning_curves(curves, ylabel=f"greedy win rate on {map_name} (128 battles)")
    ax.figure.savefig(folder / f"{map_name}.png", dpi=80)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))

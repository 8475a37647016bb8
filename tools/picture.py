"""Make the README's picture: Q_tot landscapes of both second tables of the two-step game while one QMIX network learns.

    make picture

Every frame is what gradient descent has found by then: the network of chapter 00, seed 0. The last one is held.
"""

import io
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from matrix_games import catalogue
from qmix_edu import plots
from qmix_edu.exercises.chapter_00 import watch_qmix_learn
from qmix_edu.widgets import LandscapeExplorer

TARGET = Path(__file__).parents[1] / "docs" / "images" / "q_tot_landscape.gif"
TABLES = ("2A", "2B")
NAMES = (["a", "b"], ["a", "b"])
HEIGHTS = {"2A": 10, "2B": 16}
LARGEST_MSE = 1e-3
EVERY, FRAME_MS, HELD_MS = 20, 120, 4000


def shots(steps: int) -> list[LandscapeExplorer]:
    """Let the network learn; return an explorer for each moment that is shown."""
    return [LandscapeExplorer(**shot, state_names=list(TABLES)) for shot in watch_qmix_learn(steps, every=EVERY)]


def mse(explorer: LandscapeExplorer) -> float:
    """Return the mean squared error over the entries of both tables."""
    errors = []
    for explorer.state, table in enumerate(TABLES):
        errors.append((explorer.values() - catalogue[f"two-step-{table.lower()}"].payoff) ** 2)
    return float(np.mean(errors))


def frame(explorer: LandscapeExplorer, updates: int) -> Image.Image:
    """Draw both landscapes side by side."""
    figure = plt.figure(figsize=(8.4, 4.1), layout="constrained")
    for explorer.state, table in enumerate(TABLES):
        ax = figure.add_subplot(1, 2, explorer.state + 1, projection="3d")
        u1, u2 = explorer.utilities[explorer.state]
        plots.plot_landscape_3d(
            *explorer.grid(), explorer.surface(), (u1, u2), values=explorer.values(), names=NAMES, ax=ax
        )
        truth = ", ".join(f"{value:g}" for value in catalogue[f"two-step-{table.lower()}"].payoff.flat)
        ax.set(zlim=(-1, HEIGHTS[table]), title=f"table {table}, payoffs {truth}")
        ax.view_init(elev=24, azim=-120 + updates / 20)  # it turns slowly
    for bar in figure.axes[1::2]:
        bar.remove()  # the height says it all
    figure.suptitle(f"QMIX on the two-step game's last tables after {updates} gradient steps")
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=80)
    plt.close(figure)
    return Image.open(buffer).convert("RGB").quantize(64, dither=Image.Dither.NONE)


def main(steps: int = 700) -> int:
    """Learn, check what was learnt, draw."""
    explorers = shots(steps)
    if (left := mse(explorers[-1])) > LARGEST_MSE:
        print(f"picture: the MSE is {left:.2g}, expected below {LARGEST_MSE:g}; nothing drawn.", file=sys.stderr)
        return 1
    frames = [frame(explorer, min(i * EVERY, steps)) for i, explorer in enumerate(explorers)]
    durations = [FRAME_MS] * (len(frames) - 1) + [HELD_MS]
    frames[0].save(TARGET, save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=True)
    print(f"picture: {TARGET} ({TARGET.stat().st_size / 1000:.0f} kB, {len(frames)} frames), MSE {left:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

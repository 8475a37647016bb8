"""A battle as arrays, and its pictures: a moment, what one unit sees in it, a filmstrip, an animation; and win rates.

Allies are blue circles and enemies orange squares, so that colour is never the only difference. The bar above a unit is
its health, a line goes from whoever shoots to the target (solid for allies, dashed for enemies), and a cross stays
where a unit died.
"""

# matplotlib leaves the keywords of its methods untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import MultipleLocator
from numpy.typing import NDArray

UNIT_TYPES = ("marine", "marauder", "stalker", "zealot", "zergling", "hydralisk")
SIGHT_RANGES = (9.0, 10.0, 10.0, 9.0, 8.0, 9.0)  # of the unit types, in lengths of a map that is 32 wide
SHOOTING_RANGES = (5.0, 6.0, 6.0, 2.0, 2.0, 5.0)
SECONDS_PER_STEP = 0.5
UNIT_FEATURES = ("health", "x", "y", "move x", "move y", "order", "cooldown", *UNIT_TYPES)  # of another unit
OWN_FEATURES = ("health", "x", "y", "cooldown", *UNIT_TYPES)
MOVES = ("north", "east", "south", "west", "stop")

_LETTERS: dict[str, str] = dict(zip(UNIT_TYPES, "mMsZzh", strict=True))
_NAMES = ("allies", "enemies")
_COLOURS = ("#0072B2", "#D55E00")  # Okabe and Ito's blue and vermilion
_LINES = (*_COLOURS, "#009E73", "#CC79A7")
_MARKERS = ("o", "s")
_DASHES = ("-", (0, (3, 2)))
_PICTURES_PER_STEP = 2
_ICONS = {
    "fa-minus": "−",
    "fa-fast-backward": "«",
    "fa-step-backward": "‹",
    "fa-play fa-flip-horizontal": "◀",
    "fa-pause": "Ⅱ",
    "fa-play": "▶",
    "fa-step-forward": "›",
    "fa-fast-forward": "»",
    "fa-plus": "+",
}


@dataclass(frozen=True)
class Battle:
    """One battle of ``T`` steps (t) between ``u`` units, allies first; T + 1 moments.

    ``targets[t, i]`` is the unit that i is ordered to shoot during step t, and -1 where there is none; ``health`` is
    the share that is left; ``cooldown`` counts the seconds until the weapon is ready; ``teams`` is 0 for allies and 1
    for enemies.
    """

    map_name: str
    targets: Int[np.ndarray, "t u"]
    reward: Float[np.ndarray, " t"]
    positions: Float[np.ndarray, "t+1 u 2"]
    health: Float[np.ndarray, "t+1 u"]
    cooldown: Float[np.ndarray, "t+1 u"]
    alive: Bool[np.ndarray, "t+1 u"]
    teams: Int[np.ndarray, " u"]
    types: tuple[str, ...]
    won: bool

    @property
    def steps(self) -> int:
        """How many steps the battle took."""
        return len(self.targets)

    @property
    def survivors(self) -> tuple[int, int]:
        """How many allies and how many enemies lived to the end."""
        alive = self.alive[-1]
        return int(alive[self.teams == 0].sum()), int(alive[self.teams == 1].sum())

    @property
    def outcome(self) -> str:
        """``won``, ``lost``, ``draw`` (both teams died at once) or ``out of time``."""
        allies, enemies = self.survivors
        if self.won:
            return "won"
        return "out of time" if allies and enemies else "lost" if enemies else "draw"


def plot_battle(battle: Battle, time: float | int, *, ax: Axes | None = None) -> Axes:
    """Draw the moment ``time``, counted in steps; between two steps the units stand in between.

    The axes are in map units, those of the ranges; the map is 32 wide.

    Raises:
        ValueError: if ``time`` is not between 0 and ``battle.steps``.
    """
    if not 0 <= time <= battle.steps:
        raise ValueError(f"time is {time:g}, but this battle goes from step 0 to step {battle.steps}; choose between.")
    ax = plt.subplots(layout="constrained")[1] if ax is None else ax
    step, part = int(time), time - int(time)
    after = min(step + 1, battle.steps)
    positions = (1 - part) * battle.positions[step] + part * battle.positions[after]
    _draw_shots(ax, battle, step, positions)
    _draw_health(ax, battle.health[step], positions[:, 0], positions[:, 1], battle.alive[step])
    for team in (0, 1):
        _draw_team(ax, battle, step, positions, team)
    ax.set_title(_caption(battle, step), fontsize=9)
    ax.set(**_view(battle), aspect="equal")
    ax.set_xlabel("x (map units)", fontsize=8)
    ax.set_ylabel("y (map units)", fontsize=8)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MultipleLocator(5))
    ax.tick_params(labelsize=7, length=2)
    return ax


def plot_sight(
    battle: Battle,
    step: int,
    unit: int,
    obs: Float[np.ndarray, " o"],
    avail_actions: Bool[np.ndarray, " a"],
) -> list[Axes]:
    """Draw what an ally sees: the moment with its two circles, its observation as a table, and its mask.

    Within the solid circle it sees, within the dashed one it can shoot; the radii are those of its type. A row of the
    table is another unit, and the last one the unit itself, of which an observation says less. Hatched: not in sight,
    or dead; all zeros.

    Args:
        battle: what is drawn on the left.
        step: which moment.
        unit: whose eyes; 0 is the first ally.
        obs: its observation, 13 numbers for every other unit and 10 for itself.
        avail_actions: its mask, five moves and one shot for every enemy.

    Raises:
        ValueError: if ``unit`` is no ally, ``step`` is outside the battle, or an array does not fit the battle.
    """
    allies, enemies = (int((battle.teams == team).sum()) for team in (0, 1))
    if not 0 <= unit < allies:
        raise ValueError(f"unit is {unit}, but the allies of this battle are 0 to {allies - 1}; choose one of them.")
    for name, array, size in (
        ("obs", obs, len(UNIT_FEATURES) * (allies + enemies - 1) + len(OWN_FEATURES)),
        ("avail_actions", avail_actions, len(MOVES) + enemies),
    ):
        if array.shape != (size,):
            raise ValueError(f"{name} has shape {array.shape}, expected ({size},): one agent's, at one moment.")
    figure = plt.figure(figsize=(12.5, 1.6 + 0.42 * (allies + enemies)), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 2), height_ratios=(allies + enemies, 1))
    frame, table, mask = (figure.add_subplot(cell) for cell in (grid[:, 0], grid[0, 1], grid[1, 1]))
    plot_battle(battle, step, ax=frame)
    _draw_circles(frame, battle.positions[step, unit], battle.types[unit])
    others = [other for other in range(allies + enemies) if other != unit]
    _draw_observation(table, obs, [_unit_name(battle, other) for other in others], _unit_name(battle, unit))
    _draw_mask(mask, avail_actions)
    return [frame, table, mask]


def plot_filmstrip(battle: Battle, frames: int = 6) -> list[Axes]:
    """Draw ``frames`` moments, from the first to the last, evenly spaced; three to a row.

    Raises:
        ValueError: if there are fewer than 2 frames.
    """
    if frames < 2:
        raise ValueError(f"frames is {frames}; a filmstrip needs 2 or more, the first moment and the last.")
    rows = -(-frames // 3)
    figure = plt.figure(figsize=(10.5, rows * (3.5 * _height_to_width(battle) + 0.3) + 0.3), layout="constrained")
    axes = [figure.add_subplot(rows, 3, place) for place in range(1, frames + 1)]
    for ax, step in zip(axes, np.linspace(0, battle.steps, frames).round(), strict=True):
        plot_battle(battle, step, ax=ax)
    _legend(figure)
    return axes


def animate_battle(battle: Battle) -> FuncAnimation:
    """Animate the whole battle, at about the speed of the game.

    ``animate_battle(battle).save("battle.gif", writer="pillow")`` keeps it as a file; ``battle_player`` shows it in a
    notebook.
    """
    figure = Figure(figsize=(6.5, 6.5 * _height_to_width(battle) + 0.7), dpi=90, layout="constrained")
    ax = figure.add_subplot()
    _legend(figure)

    def draw(picture: int) -> list[Any]:
        ax.clear()
        plot_battle(battle, picture / _PICTURES_PER_STEP, ax=ax)
        return []

    pictures = battle.steps * _PICTURES_PER_STEP + 1
    milliseconds = 1000 * SECONDS_PER_STEP / _PICTURES_PER_STEP
    return FuncAnimation(figure, draw, frames=pictures, init_func=lambda: [], interval=round(milliseconds))


def battle_player(battle: Battle) -> str:
    """Return a page fragment that plays the battle, with buttons and a slider: show it with ``HTML(...)``.

    It needs neither ffmpeg nor a network: matplotlib's player takes its icons from a server, this one from the font.
    """
    player = animate_battle(battle).to_jshtml()
    player = re.sub(r"<link[^>]*>", "", player)
    player = re.sub(r'<i class="fa ([^"]+)"></i>', lambda icon: _ICONS[icon[1]], player)
    allies, enemies = battle.survivors
    told = f"Animation of a battle on {battle.map_name}: {battle.outcome} after {battle.steps} steps; "
    told += f"{allies} allies and {enemies} enemies live."
    first = re.search(r'frames\[0\] = "([^"]*)"', player)
    assert first is not None, "matplotlib's player holds its pictures under another name"
    picture = first[1].replace("\\\n", "")  # a script's long line goes on after a backslash
    # Without a picture of its own the image keeps no place on the page when a script fills it out of sight.
    return player.replace("<img ", f'<img alt="{told}" src="{picture}" ', 1)


def plot_utilities(
    utilities: Float[np.ndarray, "n a"],
    avail_actions: Bool[np.ndarray, "n a"],
    actions: Int[np.ndarray, " n"],
    greedy: Int[np.ndarray, " n"],
    action_names: Sequence[str],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw what every agent thinks of its actions at one moment; unavailable ones are hatched.

    A star marks each agent's best available action, a frame the chosen one.
    """
    ax = plt.subplots(layout="constrained")[1] if ax is None else ax
    n, a = utilities.shape
    ax.set_facecolor("lightgrey")
    ax.add_patch(Rectangle((-0.5, -0.5), a, n, facecolor="lightgrey", edgecolor="grey", hatch="///", zorder=0))
    image = ax.imshow(np.ma.array(utilities, mask=~avail_actions), cmap="cividis", aspect="auto", zorder=1)
    for agent in range(n):
        ax.plot(greedy[agent], agent, "*", color="white", markeredgecolor="black", markersize=11)
        for colour, width in (("black", 3.5), ("white", 1.5)):
            corner = (actions[agent] - 0.45, agent - 0.42)
            ax.add_patch(Rectangle(corner, 0.9, 0.84, fill=False, edgecolor=colour, linewidth=width, zorder=3))
    ax.set_xticks(range(a), list(action_names), rotation=90, fontsize=7)
    ax.set_yticks(range(n), [str(agent + 1) for agent in range(n)])
    ax.set(xlabel="action", ylabel="agent", title="star: best action; frame: chosen")
    ax.figure.colorbar(image, ax=ax, label="utility")
    return ax


def plot_values_over_time(
    q_tot: Float[np.ndarray, " t"] | None,
    returns_to_come: Float[np.ndarray, " t"],
    time: float | int | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw Q_tot and the return still to come at every step of an episode, and a line at ``time``."""
    ax = plt.subplots(layout="constrained")[1] if ax is None else ax
    if q_tot is not None:
        ax.plot(q_tot, color=_COLOURS[0], linestyle=_DASHES[0], label="$Q_{tot}$")
    ax.plot(returns_to_come, color=_COLOURS[1], linestyle="--", label="return still to come")
    if time is not None:
        ax.axvline(time, color="black", linestyle=":", linewidth=1)
    ax.set(xlabel="step", ylabel="value, in units of the reward")
    ax.legend(fontsize=8)
    return ax


def plot_win_curves(curves: Mapping[str, Sequence[tuple[int, float, float, float]]], *, ax: Axes | None = None) -> Axes:
    """Draw win rates against environment steps, one line for each team, in a band from low to high.

    Args:
        curves: for each team, ``(environment steps, win rate, low, high)`` at every evaluation so far.
        ax: where to draw.
    """
    ax = plt.subplots(layout="constrained")[1] if ax is None else ax
    for i, (name, points) in enumerate(curves.items()):
        colour, dashes, marker = (styles[i % len(styles)] for styles in (_LINES, ("-", "--", "-.", ":"), "osD^"))
        steps, rate, low, high = np.array(points, dtype=float).reshape(-1, 4).T
        ax.plot(steps, rate, color=colour, linestyle=dashes, marker=marker, markersize=4, label=name)
        ax.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
    ax.set(xlabel="environment steps", ylabel="win rate (share of greedy battles)", ylim=(-0.02, 1.02))
    ax.grid(alpha=0.3)
    ax.legend()
    return ax


def _draw_shots(ax: Axes, battle: Battle, step: int, positions: NDArray[Any]) -> None:
    if step == battle.steps:
        return
    targets = battle.targets[step]
    for team in (0, 1):
        shooters = np.flatnonzero((targets >= 0) & (battle.teams == team))
        lines = [positions[[i, targets[i]]] for i in shooters]
        ax.add_collection(LineCollection(lines, colors=_COLOURS[team], linestyles=[_DASHES[team]], linewidths=1.5))


def _draw_health(ax: Axes, health: NDArray[Any], x: NDArray[Any], y: NDArray[Any], alive: NDArray[np.bool_]) -> None:
    height, half = 0.75, 0.6
    full = [[(x[i] - half, y[i] + height), (x[i] + half, y[i] + height)] for i in np.flatnonzero(alive)]
    left = [[a, (a[0] + 2 * half * health[i], a[1])] for (a, _), i in zip(full, np.flatnonzero(alive), strict=True)]
    ax.add_collection(LineCollection(full, colors="black", linewidths=4.5, zorder=3))
    ax.add_collection(LineCollection(full, colors="white", linewidths=3, zorder=3, capstyle="butt"))
    ax.add_collection(LineCollection(left, colors="#009E73", linewidths=3, zorder=4, capstyle="butt"))


def _draw_team(ax: Axes, battle: Battle, step: int, positions: NDArray[Any], team: int) -> None:
    members = np.flatnonzero(battle.teams == team)
    for number, unit in enumerate(members, start=1):
        x, y = positions[unit]
        if not battle.alive[step, unit]:
            ax.plot(x, y, "x", color=_COLOURS[team], markersize=8, markeredgewidth=2, alpha=0.6, zorder=2)
            continue
        ax.plot(x, y, _MARKERS[team], color=_COLOURS[team], markersize=12, markeredgecolor="black", zorder=5)
        name = f"{_LETTERS[battle.types[unit]]}{number}"
        ax.text(x, y, name, color="white", fontsize=7, ha="center", va="center_baseline", zorder=6, weight="bold")


def _unit_name(battle: Battle, unit: int) -> str:
    team = int(battle.teams[unit])
    number = int((battle.teams[: unit + 1] == team).sum())
    return f"{('ally', 'enemy')[team]} {_LETTERS[battle.types[unit]]}{number}"


def _draw_circles(ax: Axes, centre: NDArray[Any], kind: str) -> None:
    radii = (SIGHT_RANGES[UNIT_TYPES.index(kind)], SHOOTING_RANGES[UNIT_TYPES.index(kind)])
    for radius, line, label in zip(radii, ("-", "--"), ("sees", "can shoot"), strict=True):
        ax.add_patch(Circle((centre[0], centre[1]), radius, fill=False, linestyle=line, linewidth=1.5, label=label))
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    reach, (x, y) = radii[0] + 0.5, centre
    ax.set(xlim=(min(left, x - reach), max(right, x + reach)), ylim=(min(bottom, y - reach), max(top, y + reach)))
    ax.legend(loc="lower right", fontsize=8)


def _draw_observation(ax: Axes, obs: NDArray[Any], others: list[str], itself: str) -> None:
    n, width = len(others), len(UNIT_FEATURES)
    rows = np.full((n + 1, width), np.nan)
    rows[:n] = obs[: n * width].reshape(n, width)
    rows[n, [UNIT_FEATURES.index(name) for name in OWN_FEATURES]] = obs[n * width :]
    for row, values in enumerate(rows):
        if not np.nan_to_num(values).any():
            ax.add_patch(Rectangle((-0.5, row - 0.5), width, 1, facecolor="white", edgecolor="grey", hatch="///"))
            continue
        for column in np.flatnonzero(~np.isnan(values)).tolist():
            grey = 1 - 0.35 * min(abs(values[column]), 1)
            ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=str(grey), edgecolor="grey"))
            ax.text(column, row, f"{round(float(values[column]), 2) + 0.0:g}", ha="center", va="center", fontsize=8)
    ax.set(
        xlim=(-0.5, width - 0.5), ylim=(n + 0.5, -0.5), title="observation (hatched: all zeros, not in sight or dead)"
    )
    ax.set_xticks(range(width), UNIT_FEATURES, fontsize=8, rotation=35, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(n + 1), [*others, f"itself ({itself})"], fontsize=8)
    ax.set(xlabel="feature", ylabel="seen unit")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _draw_mask(ax: Axes, avail_actions: NDArray[np.bool_]) -> None:
    names = [*MOVES, *(f"shoot {j + 1}" for j in range(len(avail_actions) - len(MOVES)))]
    for column, available in enumerate(avail_actions):
        grey, hatch = ("white", "") if available else ("lightgrey", "///")
        ax.add_patch(Rectangle((column - 0.5, -0.5), 1, 1, edgecolor="grey", facecolor=grey, hatch=hatch))
        told = "1" if available else "0"
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        ax.text(column, 0, told, ha="center", va="center", fontsize=9, weight="bold", bbox=box)
    ax.set(xlim=(-0.5, len(names) - 0.5), ylim=(0.5, -0.5), yticks=[], title="mask (hatched: not available)")
    ax.set_xticks(range(len(names)), names, fontsize=8)
    ax.set(xlabel="action", ylabel="mask")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _caption(battle: Battle, step: int) -> str:
    earned = f"step {step} of {battle.steps} · return {battle.reward[:step].sum():.2f}"
    return earned if step < battle.steps else f"{earned} · {battle.outcome}"


def _view(battle: Battle) -> dict[str, tuple[float, float]]:
    """Return a rectangle around everything that happens, the same at every moment."""
    low, high = battle.positions.min(axis=(0, 1)) - 1.5, battle.positions.max(axis=(0, 1)) + 1.5
    half = (high - low) / 2
    half = np.maximum(half, 0.4 * half.max())
    left, bottom = ((low + high) / 2 - half).tolist()
    right, top = ((low + high) / 2 + half).tolist()
    return {"xlim": (left, right), "ylim": (bottom, top)}


def _height_to_width(battle: Battle) -> float:
    (left, right), (bottom, top) = _view(battle).values()
    return (top - bottom) / (right - left)


def _legend(figure: Figure) -> None:
    entries = [
        Line2D([], [], color=_COLOURS[team], marker=_MARKERS[team], linestyle=_DASHES[team], markeredgecolor="black")
        for team in (0, 1)
    ]
    cross = Line2D([], [], color="grey", marker="x", linestyle="", markeredgewidth=2)
    labels = [*(f"{name}; line: shoots at" for name in _NAMES), "died here"]
    figure.legend([*entries, cross], labels, loc="outside lower center", ncols=3, fontsize=8)

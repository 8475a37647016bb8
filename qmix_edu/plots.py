"""Pictures of payoff tables, fits, Q_tot landscapes, batches of episodes and learning curves.

Every function takes arrays and returns the matplotlib Axes that it drew on; pass ``ax`` to draw into a
figure of your own. Colours are cividis, which reads the same for colour-blind eyes and in grey; what colour
alone would say is also hatched, outlined or written.

Shapes: a payoff table of two agents is ``[m1, m2]``, rows for agent 1. A surface is ``[k1, k2]`` with
``surface[i, j] = Q_tot(q1[i], q2[j])``.
"""

# matplotlib leaves the keywords of its methods untyped, and scipy has no stubs.
# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from string import ascii_lowercase
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from mpl_toolkits.mplot3d import Axes3D
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import RegularGridInterpolator

Array = NDArray[np.float64]
JointAction = tuple[int, ...]

_MAP = "cividis"
# Okabe and Ito's palette, in an order whose neighbours also differ in lightness.
_LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00")
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)))
_MARKERS = "os^DvX"
_LABEL = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
# The steps of a batch; the hatching says what the colour says.
_STEPS: dict[str, dict[str, Any]] = {
    "a step": {"facecolor": "#B7D8EE", "edgecolor": "white", "linewidth": 1},
    "terminated": {"facecolor": "#E58A4B", "edgecolor": "white", "linewidth": 1, "hatch": "//"},
    "cut by the time limit": {"facecolor": "#5AA5D6", "edgecolor": "white", "linewidth": 1, "hatch": "\\\\"},
    "padding": {"facecolor": "#FAFAFA", "edgecolor": "#B5B5B5", "linewidth": 0, "hatch": "...."},
}
# Black edge under white: an outline that shows on every colour of the map.
_MARKS = (("white", "-"), ("white", "--"), ("white", ":"))


# --- payoff tables and fits -----------------------------------------------------------------------------


def plot_payoff(
    payoff: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    marked: Mapping[str, Iterable[JointAction]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a two-agent payoff table with the row and column averages along its edges.

    The average of row ``a1`` is ``sum_a2 w(a1, a2) R(a1, a2) / sum_a2 w(a1, a2)``: what agent 1 earns with
    ``a1`` against a partner who plays as ``weights`` says. Every optimum carries a star.

    Args:
        payoff: ``[m1, m2]``.
        weights: how often each joint action is played, ``[m1, m2]``; uniform by default.
        marked: sets of joint actions to outline, by the name that the legend shows; at most three.
        ax: where to draw.

    Raises:
        ValueError: if ``payoff`` is not a finite table of two agents, or ``weights`` does not fit it.
    """
    table = _table("payoff", payoff)
    w = _weights(weights, table)
    ax = plt.subplots(layout="constrained")[1] if ax is None else ax
    m1, m2 = table.shape
    gap = 0.25
    norm = Normalize(float(table.min()), float(table.max()))
    rows, columns = np.average(table, axis=1, weights=w), np.average(table, axis=0, weights=w)
    image = _draw_cells(ax, table, norm)
    _draw_cells(ax, rows[:, None], norm, left=m2 + gap)
    _draw_cells(ax, columns[None, :], norm, top=m1 + gap)
    for a1, a2 in np.argwhere(np.isclose(table, table.max())):
        ax.plot(a2 - 0.33, a1 - 0.33, "*", color="white", markeredgecolor="black", markersize=14, label="optimum")
    _mark(ax, marked or {})
    _one_legend(ax)
    ax.set_xticks([*range(m2), m2 + gap], [*action_names(m2), "average"])
    ax.set_yticks([*range(m1), m1 + gap], [*action_names(m1), "average"])
    ax.set(
        xlim=(-0.5, m2 + gap + 0.5),
        ylim=(m1 + gap + 0.5, -0.5),
        xlabel="action of agent 2",
        ylabel="action of agent 1",
    )
    ax.spines[:].set_visible(False)
    _figure(ax).colorbar(image, ax=ax, label="payoff", shrink=0.8)
    return ax


def plot_fits(
    payoff: ArrayLike,
    tables: Mapping[str, ArrayLike],
    greedy: Mapping[str, Iterable[JointAction]] | None = None,
    *,
    weights: ArrayLike | None = None,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw the truth beside fits of it, on one colour scale, each with its MSE.

    ``MSE = sum w (R - F)^2 / sum w``. The truth's optimum and each fit's greedy joint actions are outlined.

    Args:
        payoff: the truth, ``[m1, m2]``.
        tables: fitted tables of the same shape, by name.
        greedy: greedy joint actions of the fits, by the same names.
        weights: sampling weights of the MSE, uniform by default.
        axes: ``len(tables) + 1`` Axes to draw on.

    Raises:
        ValueError: if a table does not have the shape of ``payoff``, or ``greedy`` names no fit.
    """
    truth = _table("payoff", payoff)
    w = _weights(weights, truth)
    fits = {name: _table(f"the fit {name!r}", fit) for name, fit in tables.items()}
    for name, fit in fits.items():
        if fit.shape != truth.shape:
            raise ValueError(f"the fit {name!r} has shape {fit.shape}, expected {truth.shape} like the payoff.")
    greedy = greedy or {}
    if unknown := sorted(set(greedy) - set(fits)):
        raise ValueError(f"greedy names {unknown[0]!r}, expected one of the fits {sorted(fits)}.")
    if axes is None:
        width = 2.2 + 2.6 * (len(fits) + 1)
        axes = cast("Sequence[Axes]", np.ravel(_new_row(len(fits) + 1, width)))
    everything = np.stack([truth, *fits.values()])
    norm = Normalize(float(everything.min()), float(everything.max()))
    image = None
    for ax, (name, table) in zip(axes, {"payoff": truth, **fits}.items(), strict=True):
        image = _draw_cells(ax, table, norm)
        if name in fits:
            ax.set_title(f"{name}\nMSE {np.average((table - truth) ** 2, weights=w):.4g}")
            _mark(ax, {"greedy": greedy.get(name, ())})
        else:
            ax.set_title("payoff\n(the truth)")
            best = np.argwhere(np.isclose(truth, truth.max()))
            _mark(ax, {"optimum": [(int(a1), int(a2)) for a1, a2 in best]})
        m1, m2 = truth.shape
        ax.set_xticks(range(m2), action_names(m2))
        ax.set_yticks(range(m1), action_names(m1))
        ax.set(xlim=(-0.5, m2 - 0.5), ylim=(m1 - 0.5, -0.5), xlabel="agent 2", ylabel="agent 1")
    assert image is not None
    _figure(axes[0]).colorbar(image, ax=list(axes), label="value (outlined: greedy choice)", shrink=0.8)
    return list(axes)


def plot_fit_3d(
    payoff: ArrayLike,
    fit: ArrayLike,
    *,
    utilities: tuple[ArrayLike, ArrayLike] | None = None,
    ax: Axes3D | None = None,
) -> Axes3D:
    """Draw payoffs as points, a fit as a surface, and the residuals as bars between them.

    Args:
        payoff: ``[m1, m2]``.
        fit: ``[m1, m2]``.
        utilities: where each agent's actions stand, ``[m1]`` and ``[m2]``; an additive fit over its own
            utilities is a plane. By default they stand in the table's order.
        ax: a 3-D Axes.

    Raises:
        ValueError: if ``fit`` does not have the shape of ``payoff``.
    """
    truth, fitted = _table("payoff", payoff), _table("fit", fit)
    if fitted.shape != truth.shape:
        raise ValueError(f"fit has shape {fitted.shape}, expected {truth.shape} like the payoff.")
    ax = _new_3d() if ax is None else ax
    axis: Any = ax  # matplotlib's 3-D methods carry no types
    m1, m2 = truth.shape
    if utilities is None:
        u1, u2 = np.arange(m1, dtype=float), np.arange(m2, dtype=float)
        axis.set_xticks(u1, action_names(m1))
        axis.set_yticks(u2, action_names(m2))
        axis.set(xlabel="action of agent 1", ylabel="action of agent 2", zlabel="payoff")
    else:
        u1, u2 = (np.asarray(u, dtype=float) for u in utilities)
        axis.set(xlabel="$Q_1$", ylabel="$Q_2$", zlabel="payoff")
    order = np.ix_(np.argsort(u1), np.argsort(u2))
    x, y = np.meshgrid(np.sort(u1), np.sort(u2), indexing="ij")
    axis.plot_surface(x, y, fitted[order], color="#7C7B78", alpha=0.35, edgecolor="#00224E", linewidth=0.6)
    x, y = np.meshgrid(u1, u2, indexing="ij")
    for px, py, true, guess in zip(x.flat, y.flat, truth.flat, fitted.flat, strict=True):
        axis.plot([px, px], [py, py], [true, guess], color="black", linewidth=2.5, label="residual")
    points = axis.scatter(x, y, truth, c=truth, cmap=_MAP, s=60, edgecolor="black", depthshade=False)
    axis.scatter(x, y, fitted, color="white", s=16, edgecolor="black", depthshade=False, label="fit")
    axis.set_title(f"MSE {np.mean((truth - fitted) ** 2):.4g}")
    handles, labels = axis.get_legend_handles_labels()
    axis.legend(*zip(*{label: (h, label) for h, label in zip(handles, labels, strict=True)}.values(), strict=True))
    _figure(ax).colorbar(points, ax=ax, label="payoff", shrink=0.6, pad=0.12)
    return ax


# --- Q_tot over the plane of utilities ------------------------------------------------------------------


def violations(surface: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the grid steps along which Q_tot falls.

    The first mask, ``[k1 - 1, k2]``, is along Q_1, the second, ``[k1, k2 - 1]``, along Q_2. A monotone mixer
    has none (``dQ_tot / dQ_a >= 0``); falls below 1e-9 count as rounding.
    """
    s = _table("surface", surface)
    return np.diff(s, axis=0) < -1e-9, np.diff(s, axis=1) < -1e-9


def count_violations(surface: ArrayLike) -> int:
    """Return how many of the grid's steps along either axis fall; see ``violations``."""
    return sum(int(np.count_nonzero(along)) for along in violations(surface))


def greedy_actions(utilities: Sequence[ArrayLike]) -> list[JointAction]:
    """Return every joint action in which each agent picks one of its own best actions, ties included."""
    best = [np.flatnonzero(np.asarray(u) == np.max(np.asarray(u))) for u in utilities]
    return [
        tuple(int(a) for a in joint) for joint in np.stack(np.meshgrid(*best, indexing="ij"), -1).reshape(-1, len(best))
    ]


def plot_landscape(
    q1: ArrayLike,
    q2: ArrayLike,
    surface: ArrayLike,
    utilities: tuple[ArrayLike, ArrayLike],
    *,
    values: ArrayLike | None = None,
    names: tuple[Sequence[str], Sequence[str]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw Q_tot over the plane of utilities as a heat map with contour lines.

    Every joint action is a labelled point at its agents' utilities. The star is the greedy joint action: the
    top right corner of the grid of points, and the highest of them wherever Q_tot is monotone. Where Q_tot
    falls along an axis the map is hatched.

    Args:
        q1: utilities of agent 1 on the grid, ``[k1]``, increasing.
        q2: utilities of agent 2, ``[k2]``, increasing.
        surface: ``[k1, k2]``, ``surface[i, j] = Q_tot(q1[i], q2[j])``.
        utilities: the utilities of the agents' actions, ``[m1]`` and ``[m2]``, inside the grid.
        values: Q_tot of the joint actions, ``[m1, m2]``; read off the surface by default.
        names: names of the actions; letters by default.
        ax: where to draw.

    Raises:
        ValueError: if the surface does not fit the grid, the values do not fit the utilities, or a utility lies
            outside the grid.
    """
    x, y, z = _surface(q1, q2, surface)
    points = _joint_actions(x, y, z, utilities, values, names)
    places = _decimals(z)
    ax = plt.subplots(layout="constrained")[1] if ax is None else ax
    mesh = ax.pcolormesh(x, y, z.T, cmap=_MAP, shading="gouraud", rasterized=True)
    if np.ptp(z) > 0:
        lines = ax.contour(x, y, z.T, levels=10, colors="black", linewidths=0.6, alpha=0.7)
        ax.clabel(lines, fontsize=7)
    if (falling := _falling_cells(z)).any():
        ax.contourf(x, y, _at_nodes(falling).T, levels=[0.5, 1.5], colors="none", hatches=["///"])
        ax.add_patch(Rectangle((0, 0), 0, 0, fill=False, hatch="///", label="$Q_{tot}$ falls along an axis"))
    for px, py, value, label, best in points:
        ax.plot(px, py, "*" if best else "o", color="white", markeredgecolor="black", markersize=16 if best else 7)
        ax.annotate(
            f"{label}\n{round(value, places) + 0.0:g}",
            (px, py),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            bbox=_LABEL,
            zorder=5,
        )
    ax.plot([], [], "*", color="white", markeredgecolor="black", markersize=12, label="greedy joint action")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=8)
    ax.set(xlabel="utility $Q_1$ of agent 1", ylabel="utility $Q_2$ of agent 2")
    _figure(ax).colorbar(mesh, ax=ax, label="$Q_{tot}$")
    return ax


def plot_landscape_3d(
    q1: ArrayLike,
    q2: ArrayLike,
    surface: ArrayLike,
    utilities: tuple[ArrayLike, ArrayLike],
    *,
    values: ArrayLike | None = None,
    names: tuple[Sequence[str], Sequence[str]] | None = None,
    ax: Axes3D | None = None,
) -> Axes3D:
    """Draw Q_tot as a surface over the plane of utilities, the joint actions on it; see ``plot_landscape``.

    Cells where Q_tot falls along an axis are drawn with white edges instead of dark ones.
    """
    x, y, z = _surface(q1, q2, surface)
    points = _joint_actions(x, y, z, utilities, values, names)
    ax = _new_3d() if ax is None else ax
    axis: Any = ax
    grid_x, grid_y = np.meshgrid(x, y, indexing="ij")
    axis.computed_zorder = False  # draw points and stems over the surface
    drawn = axis.plot_surface(
        grid_x, grid_y, z, cmap=_MAP, rcount=41, ccount=41, linewidth=0, antialiased=False, zorder=1
    )
    axis.plot_wireframe(grid_x, grid_y, z, rcount=11, ccount=11, color="black", linewidth=0.3, zorder=2)
    falling = _at_nodes(_falling_cells(z))
    if falling.any():
        axis.plot_wireframe(
            grid_x,
            grid_y,
            np.where(falling, z, np.nan),
            rcount=41,
            ccount=41,
            color="white",
            linewidth=0.6,
            zorder=3,
        )
    floor, places = float(z.min()), _decimals(z)
    for px, py, value, label, best in points:
        axis.plot([px, px], [py, py], [floor, value], color="black", linewidth=1, zorder=4)
        axis.plot(
            [px], [py], [value], "*" if best else "o",
            color="white", markeredgecolor="black", markersize=16 if best else 7, zorder=5,
        )  # fmt: skip
        above, note = value + 0.07 * float(np.ptp(z)), f"{label} {round(value, places) + 0.0:g}"
        axis.text(px, py, above, note, fontsize=8, ha="center", bbox=_LABEL, zorder=6)
    axis.set(xlabel="$Q_1$", ylabel="$Q_2$")
    axis.zaxis.set_rotate_label(False)
    axis.set_zlabel("$Q_{tot}$", rotation=90, labelpad=2)
    axis.view_init(elev=28, azim=-125)
    _figure(ax).colorbar(drawn, ax=ax, label="$Q_{tot}$", shrink=0.6, pad=0.05)
    return ax


# --- learning -------------------------------------------------------------------------------------------


def plot_learning_curves(
    runs: Mapping[str, Sequence[tuple[ArrayLike, ArrayLike]]],
    *,
    ylabel: str,
    xlabel: str = "environment steps",
    ax: Axes | None = None,
) -> Axes:
    """Draw the median over runs of each algorithm, with the band from the 25th to the 75th percentile.

    Runs may be logged at different steps: each is interpolated, over the span that all runs of its algorithm
    share.

    Args:
        runs: for each algorithm, its runs as ``(x, y)`` with x increasing.
        ylabel: what is measured, with its unit.
        xlabel: what x counts.
        ax: where to draw.

    Raises:
        ValueError: if an algorithm has no run, or its runs share no span.
    """
    ax = plt.subplots(layout="constrained")[1] if ax is None else ax
    for i, (name, curves) in enumerate(runs.items()):
        x, ys = _on_one_axis(name, curves)
        low, median, high = np.percentile(ys, [25, 50, 75], axis=0)
        colour, dashes = _LINES[i % len(_LINES)], _DASHES[i % len(_DASHES)]
        ax.plot(
            x,
            median,
            color=colour,
            linestyle=dashes,
            marker=_MARKERS[i % len(_MARKERS)],
            markevery=max(1, len(x) // 15),
            markerfacecolor=colour if i % 2 else "white",
            label=f"{name} ({len(curves)} run{'s'[: len(curves) > 1]})",
        )
        ax.fill_between(x, low, high, color=colour, alpha=0.1, linewidth=0)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(title="median, quartiles")
    ax.grid(alpha=0.3)
    return ax


def plot_joint_shares(
    shares: Mapping[str, Mapping[str, ArrayLike]], *, optima: Mapping[str, Iterable[JointAction]] | None = None
) -> NDArray[Any]:
    """Draw where many runs end: one row of maps for each algorithm, one column for each game, in percent.

    Args:
        shares: for each algorithm, by the name of each game, the share of runs that end in each joint action,
            ``[m1, m2]``, with sum 1. All algorithms have the same games.
        optima: by the name of a game, the joint actions that carry a star.

    Returns:
        The axes, ``[algorithms, games]``.

    Raises:
        ValueError: if the algorithms have different games, or entries are not shares.
    """
    games = list(next(iter(shares.values()), {}))
    if not games or any(list(row) != games for row in shares.values()):
        raise ValueError(f"got the games {[list(row) for row in shares.values()]}, expected the same, one or more.")
    size = (2.3 * len(games) + 0.8, 2.1 * len(shares) + 0.4)
    figure, axes = plt.subplots(len(shares), len(games), figsize=size, squeeze=False, layout="constrained")
    norm = Normalize(0, 100)
    for (name, row), line in zip(shares.items(), axes, strict=True):
        for game, ax in zip(games, line, strict=True):
            table = _table(f"{name} in {game}", row[game])
            if table.min() < 0 or not np.isclose(table.sum(), 1):
                raise ValueError(f"{name} in {game} sums to {table.sum():g}, expected shares, from 0 to 1, with sum 1.")
            _draw_cells(ax, (100 * table).round(), norm)
            for a1, a2 in (optima or {}).get(game, ()):
                ax.plot(a2 - 0.36, a1 - 0.36, "*", color="white", markeredgecolor="black", markersize=10)
            ax.set_xticks(range(table.shape[1]), action_names(table.shape[1]))
            ax.set_yticks(range(table.shape[0]), action_names(table.shape[0]))
        line[0].set_ylabel(f"{name}\naction of agent 1")
    for game, top, bottom in zip(games, axes[0], axes[-1], strict=True):
        top.set_title(game)
        bottom.set_xlabel("action of agent 2")
    figure.colorbar(axes[-1, -1].images[0], ax=axes, label="% of runs")
    return axes


def plot_win_rates(
    names: Sequence[str], rates: ArrayLike, low: ArrayLike, high: ArrayLike, *, ax: Axes | None = None
) -> Axes:
    """Draw win rates with their confidence intervals.

    Args:
        names: one name for each rate.
        rates: share of episodes won, in [0, 1].
        low: lower ends of the intervals.
        high: upper ends.
        ax: where to draw.

    Raises:
        ValueError: if the lengths differ or not ``0 <= low <= rate <= high <= 1``.
    """
    rate, lower, upper = (np.asarray(v, dtype=float) for v in (rates, low, high))
    if not (len(names) == len(rate) == len(lower) == len(upper)):
        raise ValueError(f"got {len(names)} names for {len(rate)} rates, expected one low and high end for each.")
    if not bool(np.all((lower >= 0) & (lower <= rate) & (rate <= upper) & (upper <= 1))):
        raise ValueError(f"rates {rate} must lie inside their intervals, between 0 and 1; check low and high.")
    ax = plt.subplots(layout="constrained")[1] if ax is None else ax
    place = np.arange(len(names))
    ax.errorbar(rate, place, xerr=[rate - lower, upper - rate], fmt="o", color=_LINES[0], capsize=5)
    for i, r in enumerate(rate):
        ax.annotate(f"{r:.2f}", (r, i), xytext=(0, 8), textcoords="offset points", ha="center")
    ax.set_yticks(place, names)
    ax.set(xlim=(-0.02, 1.02), ylim=(len(names) - 0.5, -0.5), xlabel="win rate (share of episodes)")
    ax.set_ylabel("who plays")
    ax.grid(alpha=0.3, axis="x")
    return ax


def plot_batch(
    mask: ArrayLike,
    terminated: ArrayLike,
    *,
    reward: ArrayLike | None = None,
    arrows: Iterable[tuple[int, int]] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw a padded batch of episodes: one row for each episode, one cell for each step.

    The observations, one more than the steps, are dots between the cells; a hollow one ended the task, and its value
    counts for nothing. Where an episode stops without a termination a time limit cut it.

    Args:
        mask: 1 where a step really happened, ``[b, t]``.
        terminated: 1 where the task ended with this step, ``[b, t]``.
        reward: to be written into the cells, ``[b, t]``; zeros are left out.
        arrows: (episode, step) of the targets ``r_t + gamma V(s_{t+1})`` whose bootstrapping is drawn, as an arrow
            from the observation after the step to the step.
        ax: where to draw.

    Raises:
        ValueError: if the shapes differ, an episode has a hole or no step, or terminates before its last step.
    """
    filled, ends = _episodes(mask, terminated)
    paid = np.zeros(filled.shape) if reward is None else _table("reward", reward)
    if paid.shape != filled.shape:
        raise ValueError(f"reward has shape {paid.shape}, expected {filled.shape} like the mask.")
    b, t = filled.shape
    if ax is None:
        ax = plt.subplots(figsize=(1.2 + 0.55 * t, 1.1 + 0.55 * b), layout="constrained")[1]
    for episode, length in enumerate(filled.sum(axis=1)):
        for step in range(t):
            last = "terminated" if ends[episode, step] else "cut by the time limit"
            kind = "padding" if step >= length else last if step == length - 1 else "a step"
            ax.add_patch(Rectangle((step, episode - 0.5), 1, 1, label=kind, **_STEPS[kind]))
            if paid[episode, step] and step < length:
                ax.text(step + 0.5, episode + 0.15, f"{paid[episode, step]:g}", ha="center", va="center", bbox=_LABEL)
        hollow = bool(ends[episode].any())
        seen = range(length + 1 - hollow)
        height = episode - 0.27
        ax.plot(seen, [height] * len(seen), "o", color="black", markersize=5, label="an observation")
        if hollow:
            ended = "an observation after the end"
            ax.plot([length], [height], "o", color="black", markerfacecolor="white", markersize=6, label=ended)
    for episode, step in arrows:
        line = {"arrowstyle": "-|>", "color": "black", "linewidth": 1.4, "shrinkA": 3, "shrinkB": 0}
        ax.annotate("", (step + 0.4, episode - 0.27), (step + 1, episode - 0.27), arrowprops=line)
    handles, labels = ax.get_legend_handles_labels()
    shown = dict(zip(labels, handles, strict=True))
    names = [kind for kind in _STEPS if kind in shown] + [label for label in shown if label not in _STEPS]
    columns = min(len(names), max(2, t // 3))
    ax.legend([shown[name] for name in names], names, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=columns)
    ax.set_xticks(np.arange(t) + 0.5, [str(step) for step in range(t)])
    ax.set_yticks(range(b), [str(episode) for episode in range(b)])
    ax.set(xlim=(-0.15, t + 0.15), ylim=(b - 0.45, -0.55), xlabel="step t", ylabel="episode")
    ax.spines[:].set_visible(False)
    return ax


# --- helpers --------------------------------------------------------------------------------------------


def action_names(n: int) -> list[str]:
    """Return a, b, c, … for the first 26 actions, and numbers where letters do not suffice."""
    return list(ascii_lowercase[:n]) if n <= 26 else [str(i) for i in range(n)]


def _table(name: str, values: ArrayLike) -> Array:
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or table.size == 0:
        raise ValueError(f"{name} has shape {table.shape}, expected a table [m1, m2] of two agents.")
    if not np.isfinite(table).all():
        bad = tuple(int(i) for i in np.argwhere(~np.isfinite(table))[0])
        raise ValueError(f"{name} holds {table[bad]} at {bad}, expected finite numbers only.")
    return table


def _episodes(mask: ArrayLike, terminated: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which steps happened and which terminated, or say what no batch of episodes can be."""
    filled, ends = _table("mask", mask) != 0, _table("terminated", terminated) != 0
    if filled.shape != ends.shape:
        raise ValueError(f"terminated has shape {ends.shape}, expected {filled.shape} like the mask.")
    for episode, (steps, flags) in enumerate(zip(filled, ends, strict=True)):
        length = int(steps.sum())
        if not steps[:length].all() or length == 0:
            raise ValueError(f"the mask of episode {episode} is {steps.astype(int)}, expected ones and then zeros.")
        if flags.any() and np.flatnonzero(flags).tolist() != [length - 1]:
            raise ValueError(
                f"episode {episode} has {length} steps and terminates at {np.flatnonzero(flags).tolist()}, expected "
                f"the last step, {length - 1}, or none."
            )
    return filled, ends


def _weights(weights: ArrayLike | None, table: Array) -> Array:
    if weights is None:
        return np.ones_like(table)
    w = _table("weights", weights)
    if w.shape != table.shape or w.min() < 0 or not (w.sum(0).all() and w.sum(1).all()):
        raise ValueError(
            f"weights of shape {w.shape} with minimum {w.min():g} do not fit a {table.shape} payoff; need "
            "the same shape, nothing negative, and no row or column of zeros."
        )
    return w


def _draw_cells(ax: Axes, table: Array, norm: Normalize, left: float = 0, top: float = 0) -> Any:
    """Draw one block of numbered cells; (left, top) is the centre of its first cell."""
    m1, m2 = table.shape
    extent = (left - 0.5, left + m2 - 0.5, top + m1 - 0.5, top - 0.5)
    image = ax.imshow(table, cmap=_MAP, norm=norm, extent=extent, interpolation="nearest")
    for (a1, a2), value in np.ndenumerate(table):
        ink = "white" if norm(value) < 0.5 else "black"
        ax.text(left + a2, top + a1, f"{value:.4g}", ha="center", va="center", color=ink)
    return image


def _mark(ax: Axes, marked: Mapping[str, Iterable[JointAction]]) -> None:
    """Outline sets of cells, each in its own style, one inside the other."""
    if len(marked) > len(_MARKS):
        raise ValueError(f"got {len(marked)} sets of joint actions to mark, expected at most {len(_MARKS)}.")
    for i, ((name, cells), (colour, dashes)) in enumerate(zip(marked.items(), _MARKS, strict=False)):
        inset = 0.05 + 0.07 * i
        for a1, a2 in cells:
            corner, side = (a2 - 0.5 + inset, a1 - 0.5 + inset), 1 - 2 * inset
            ax.add_patch(Rectangle(corner, side, side, fill=False, edgecolor="black", linewidth=4.5))
            ax.add_patch(
                Rectangle(
                    corner,
                    side,
                    side,
                    fill=False,
                    edgecolor=colour,
                    linestyle=dashes,
                    linewidth=2,
                    label=name,
                )
            )


def _one_legend(ax: Axes) -> None:
    """Put one legend entry for each label above the picture."""
    handles, labels = ax.get_legend_handles_labels()
    entries = dict(zip(labels, handles, strict=True))
    if entries:
        ax.legend(
            list(entries.values()),
            list(entries),
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=len(entries),
            facecolor="#7C7B78",
            labelcolor="white",
        )


def _surface(q1: ArrayLike, q2: ArrayLike, surface: ArrayLike) -> tuple[Array, Array, Array]:
    x, y, z = np.asarray(q1, dtype=float), np.asarray(q2, dtype=float), _table("surface", surface)
    if z.shape != (x.size, y.size):
        raise ValueError(f"surface has shape {z.shape}, expected {(x.size, y.size)}: Q_tot at every (q1, q2).")
    return x, y, z


def _joint_actions(
    x: Array,
    y: Array,
    z: Array,
    utilities: tuple[ArrayLike, ArrayLike],
    values: ArrayLike | None,
    names: tuple[Sequence[str], Sequence[str]] | None,
) -> list[tuple[float, float, float, str, bool]]:
    """Return (Q_1, Q_2, Q_tot, label, greedy?) of every joint action."""
    u1, u2 = (np.asarray(u, dtype=float) for u in utilities)
    for agent, (u, grid) in enumerate(((u1, x), (u2, y)), start=1):
        if u.min() < grid[0] or u.max() > grid[-1]:
            raise ValueError(
                f"agent {agent}'s utilities span [{u.min():g}, {u.max():g}], beyond the grid "
                f"[{grid[0]:g}, {grid[-1]:g}]; widen q{agent}."
            )
    names = names or (action_names(u1.size), action_names(u2.size))
    at = tuple(np.meshgrid(u1, u2, indexing="ij"))
    heights = RegularGridInterpolator((x, y), z)(at) if values is None else _table("values", values)
    if heights.shape != (u1.size, u2.size):
        raise ValueError(f"values have shape {heights.shape}, expected {(u1.size, u2.size)}, as the utilities have.")
    best = set(greedy_actions((u1, u2)))
    return [
        (p, q, float(heights[i, j]), f"({names[0][i]}, {names[1][j]})", (i, j) in best)
        for i, p in enumerate(u1.tolist())
        for j, q in enumerate(u2.tolist())
    ]


def _decimals(z: Array) -> int:
    """Return how many decimals tell values of this range apart to three digits."""
    return 2 - int(np.floor(np.log10(np.ptp(z) or 1.0)))


def _falling_cells(z: Array) -> NDArray[np.bool_]:
    """Return the grid cells ``[k1 - 1, k2 - 1]`` with an edge along which Q_tot falls."""
    along_1, along_2 = violations(z)
    return along_1[:, :-1] | along_1[:, 1:] | along_2[:-1] | along_2[1:]


def _at_nodes(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the nodes ``[k1, k2]`` that a marked cell touches."""
    padded = np.pad(cells, 1)
    return padded[:-1, :-1] | padded[1:, :-1] | padded[:-1, 1:] | padded[1:, 1:]


def _on_one_axis(name: str, curves: Sequence[tuple[ArrayLike, ArrayLike]]) -> tuple[Array, Array]:
    if not curves:
        raise ValueError(f"{name!r} has no runs, expected at least one (x, y).")
    pairs = [(np.asarray(x, dtype=float), np.asarray(y, dtype=float)) for x, y in curves]
    start, end = max(x[0] for x, _ in pairs), min(x[-1] for x, _ in pairs)
    if start > end:
        raise ValueError(f"the runs of {name!r} share no span: one starts at {start:g}, another ends at {end:g}.")
    steps = np.unique(np.concatenate([x for x, _ in pairs]))
    steps = steps[(steps >= start) & (steps <= end)]
    return steps, np.stack([np.interp(steps, x, y) for x, y in pairs])


def _figure(ax: Axes) -> Any:
    return ax.get_figure(root=True)


def _new_row(n: int, width: float) -> Any:
    return plt.subplots(1, n, figsize=(width, 3.4), layout="constrained")[1]


def _new_3d() -> Axes3D:
    figure = plt.figure(layout="constrained")
    return figure.add_subplot(projection="3d")

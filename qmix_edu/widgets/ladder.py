"""The ladder explorer: which of the classes additive, supermodular, monotone hold a payoff table, and why.

``ladder.js`` and ``deciding.js`` decide and draw in the browser; ``LadderExplorer.result`` decides with
``matrix_games``, and ``LadderExplorer.figure`` draws the same certificates with matplotlib where no browser runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from numpy.typing import ArrayLike

from matrix_games import MatrixGame, Minor, catalogue, is_additive, is_monotone, is_supermodular, lowest_rung
from qmix_edu import plots
from qmix_edu.widgets.modules import css, esm
from qmix_edu.widgets.tables import TableExplorer, joint_name, number, small_games

_CLASSES = ("additive", "supermodular", "monotone")
_EXAMPLES: dict[str, MatrixGame | ArrayLike] = {
    "additive: a sum": [[0, 1, 2], [1, 2, 3], [2, 3, 4]],
    "supermodular: two-step-2b": catalogue["two-step-2b"],
    "monotone: threshold": [[0, 0, 1], [0, 1, 1], [1, 1, 1]],
    "any: qtran": catalogue["qtran"],
}


class LadderExplorer(TableExplorer):
    """A payoff table on the ladder additive, supermodular, monotone, any: the rungs that hold it, with reasons.

    A class that fails shows a counterexample in the table: four entries whose mixed difference is wrong, or two
    actions that cannot be compared. A class that holds shows the actions in its order.

    Args:
        payoff: a game or a table of two agents with 2 to 4 actions each.

    Raises:
        ValueError: the payoff has another shape, or holds a number that is not finite, too large or too small.

    Attributes:
        payoff: the table as a list of rows; follows the student and can be set.
    """

    _esm = esm("ladder")
    _css = css("ladder")

    def __init__(self, payoff: MatrixGame | ArrayLike = catalogue["two-step-2b"]):
        super().__init__(payoff, {**_EXAMPLES, **small_games()})

    def result(self) -> dict[str, Any]:
        """Return the verdicts that the picture shows; the browser writes the same into ``data-result``."""
        additive, supermodular = is_additive(self.payoff), is_supermodular(self.payoff)
        monotone = is_monotone(self.payoff)
        utilities = None if additive.utilities is None else [u.tolist() for u in additive.utilities]
        return {
            "payoff": self.payoff,
            "rung": lowest_rung(self.payoff).name,
            "additive": {
                "holds": additive.holds,
                "utilities": utilities,
                "minor": _minor(additive.minor),
                "reason": additive.reason,
            },
            "supermodular": {
                "holds": supermodular.holds,
                "orders": _lists(supermodular.orders),
                "minor": _minor(supermodular.minor),
                "reason": supermodular.reason,
            },
            "monotone": {
                "holds": monotone.holds,
                "orders": _lists(monotone.orders),
                "agent": monotone.agent,
                "actions": None if monotone.actions is None else list(monotone.actions),
                "witnesses": _lists(monotone.witnesses),
                "reason": monotone.reason,
            },
        }

    def summary(self) -> str:
        """Say in words which rung holds the table, and why."""
        return lowest_rung(self.payoff).reason

    def sums(self) -> dict[str, str]:
        """Return the line of numbers under each class: utilities, or a mixed difference."""
        r = self.result()
        return {name: _sum(self.payoff, r[name]) for name in _CLASSES}

    def figure(self) -> Figure:
        """Draw the ladder and the certificates of all three classes with matplotlib."""
        r, sums = self.result(), self.sums()
        orders = r["monotone"]["orders"] or [list(range(size)) for size in np.shape(self.payoff)]
        figure, axes = plt.subplots(1, 4, figsize=(13, 4.4), width_ratios=(0.8, 1, 1, 1), layout="constrained")
        _draw_ladder(axes[0], r["rung"])
        for ax, name in zip(axes[1:], _CLASSES, strict=True):
            _draw_certificate(ax, np.asarray(self.payoff), r[name], r["monotone"], orders)
            sums_in_lines = sums[name].replace(" = ", "\n= ", 1).replace("; ", ";\n")
            ax.set_title(f"{name}: {'yes' if r[name]['holds'] else 'no'}\n{sums_in_lines}", fontsize=9)
        figure.colorbar(axes[3].images[0], ax=axes[3], label="payoff", shrink=0.8)
        figure.suptitle(self.summary().replace(". ", ".\n"), fontsize=10)
        return figure


def _lists(nested: Sequence[Sequence[int]] | None) -> list[list[int]] | None:
    return None if nested is None else [list(row) for row in nested]


def _minor(minor: Minor | None) -> dict[str, Any] | None:
    if minor is None:
        return None
    parts = {name: list(getattr(minor, name)) for name in ("agents", "low", "high", "others")}
    return {**parts, "difference": minor.difference}


def _corners(minor: dict[str, Any]) -> dict[tuple[int, int], str]:
    """The four joint actions of a minor with their signs in its difference."""
    (a, b), (c, d) = minor["low"], minor["high"]
    return {(c, d): "+", (a, d): "−", (c, b): "−", (a, b): "+"}


def _sum(payoff: list[list[float]], verdict: dict[str, Any]) -> str:
    """Write the utilities of an additive table, or the mixed difference of a minor."""
    if verdict.get("utilities"):
        scale = float(np.abs(payoff).max())
        each = [
            ", ".join(f"{name} {number(u, scale)}" for name, u in zip(plots.action_names(4), utility, strict=False))
            for utility in verdict["utilities"]
        ]
        return f"u₁: {each[0]}; u₂: {each[1]}"
    if not verdict.get("minor"):
        return ""
    corners = _corners(verdict["minor"])
    terms = "".join(f" {sign} F{joint_name(joint)}" for joint, sign in corners.items())
    numbers = "".join(
        f" {sign} {f'({number(payoff[a][b])})' if payoff[a][b] < 0 else number(payoff[a][b])}"
        for (a, b), sign in corners.items()
    )
    return f"{terms[3:]} = {numbers[3:]} = {number(verdict['minor']['difference'])}"


# --- the picture without a browser ----------------------------------------------------------------


def _draw_ladder(ax: Axes, rung: str) -> None:
    """Draw four rungs, the lowest that holds the table in bold; those below it do not."""
    rungs = [*_CLASSES, "any"]
    lowest = rungs.index(rung)
    for x in (0, 1):
        ax.plot([x, x], [-0.5, 3.5], color="grey", linewidth=4)
    for y, name in enumerate(rungs):
        ax.plot([0, 1], [y, y], color="black" if y == lowest else "grey", linewidth=9 if y == lowest else 3)
        words = f"{'✓' if y >= lowest else '✗'} {'any table' if name == 'any' else name}"
        ax.text(1.15, y, words, va="center", weight="bold" if y == lowest else "normal")
    ax.set(xlim=(-0.2, 3.2), ylim=(-0.7, 3.7), title="the ladder")
    ax.axis("off")


def _draw_certificate(
    ax: Axes, table: np.ndarray, verdict: dict[str, Any], monotone: dict[str, Any], orders: list[list[int]]
) -> None:
    """Draw the table in the given orders with the signs of a minor, or with arrows to the better of two actions."""
    cells, norm = table[np.ix_(*orders)], Normalize(float(table.min()), float(table.max()))
    ax.imshow(cells, cmap="cividis", norm=norm)
    for (row, column), value in np.ndenumerate(cells):
        ink = "white" if norm(value) < 0.5 else "black"
        ax.text(column, row, number(float(value)), ha="center", va="center", color=ink)
    places = [{action: place for place, action in enumerate(order)} for order in orders]
    for (a, b), sign in _corners(verdict["minor"]).items() if verdict.get("minor") else ():
        row, column = places[0][a], places[1][b]
        for colour, width in (("black", 4.5), ("white", 2)):
            ax.add_patch(
                Rectangle((column - 0.45, row - 0.45), 0.9, 0.9, fill=False, edgecolor=colour, linewidth=width)
            )
        box = {"boxstyle": "circle,pad=0.1", "facecolor": "white"}
        ax.text(column - 0.28, row - 0.28, sign, ha="center", va="center", weight="bold", color="black", bbox=box)
    if "minor" not in verdict or (not verdict["holds"] and not verdict["minor"]):
        _draw_comparisons(ax, monotone, places)
    letters = plots.action_names(4)
    ax.set_yticks(range(len(orders[0])), [letters[a] for a in orders[0]])
    ax.set_xticks(range(len(orders[1])), [letters[a] for a in orders[1]])
    upright, level = ("← agent 1, rising", "agent 2, rising →") if monotone["holds"] else ("agent 1", "agent 2")
    ax.set(ylabel=upright, xlabel=level)


def _draw_comparisons(ax: Axes, monotone: dict[str, Any], places: list[dict[int, int]]) -> None:
    """Draw an arrow from the worse to the better joint action, where two actions cannot be compared."""
    for k, better in enumerate(monotone["witnesses"] or ()):
        worse = list(better)
        worse[monotone["agent"]] = monotone["actions"][1 - k]
        beside = (0, 0.3) if monotone["agent"] else (0.3, 0)  # off the numbers
        tip, tail = ((places[1][b] + beside[0], places[0][a] + beside[1]) for a, b in (better, worse))
        style = "simple,head_width=12,head_length=10,tail_width=3"
        ax.add_patch(FancyArrowPatch(tail, tip, arrowstyle=style, facecolor="white", edgecolor="black"))

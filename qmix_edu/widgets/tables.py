"""What the explorers of payoff tables share: the table that a student edits, and numbers and actions in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from matrix_games import MatrixGame, catalogue
from matrix_games.games import as_table
from qmix_edu import plots

Array = NDArray[np.float64]
Table = list[list[float]]

_FEWEST, _MOST = 2, 4  # actions of each agent
_SMALLEST, _LARGEST = 1e-9, 1e9  # sizes of payoffs other than 0


class TableExplorer(anywidget.AnyWidget):
    """A payoff table of two agents that a student types, drags, or takes from a list of games.

    Attributes:
        payoff: the table as a list of rows, agent 1's actions; follows what the student types and can be set.
        games: the games to choose from, each with its ``name`` and ``payoff``.
    """

    payoff = traitlets.List().tag(sync=True)
    games = traitlets.List().tag(sync=True)

    def __init__(self, payoff: MatrixGame | ArrayLike, games: Mapping[str, MatrixGame | ArrayLike], **state: Any):
        listed = [{"name": name, "payoff": checked_payoff(game)} for name, game in games.items()]
        super().__init__(payoff=checked_payoff(payoff), games=listed, **state)

    @traitlets.validate("payoff")
    def _check_payoff(self, proposal: Any) -> Table:
        try:
            return checked_payoff(proposal["value"])
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from error


def checked_payoff(payoff: MatrixGame | ArrayLike) -> Table:
    """Return a payoff table of two agents with 2 to 4 actions each as a list of rows.

    Raises:
        ValueError: the table has another shape, or an entry is not 0 and not of a size from 1e-9 to 1e9.
    """
    table = payoff.payoff if isinstance(payoff, MatrixGame) else as_table(payoff)
    if table.ndim != 2 or not all(_FEWEST <= size <= _MOST for size in table.shape):
        raise ValueError(
            f"payoff has shape {table.shape}, expected two agents with {_FEWEST} to {_MOST} actions each, "
            "as in [[8, -12], [-12, 0]]."
        )
    size = np.abs(table)
    wrong = np.argwhere((size > _LARGEST) | ((size > 0) & (size < _SMALLEST)))
    if len(wrong):
        place = tuple(int(i) for i in wrong[0])
        raise ValueError(
            f"payoff is {table[place]:g} at {place}, expected 0 or a size from {_SMALLEST:g} to {_LARGEST:g}; "
            "rescale the payoffs."
        )
    return table.tolist()


def small_games() -> dict[str, MatrixGame]:
    """Return the games of the catalogue that have two agents with at most 4 actions each."""
    return {name: game for name, game in catalogue.items() if game.n_agents == 2 and max(game.n_actions) <= _MOST}


def number(value: float, scale: float = 0.0) -> str:
    """Write a number with four digits, or 0 where it is rounding noise beside ``scale``.

    A hair is added before rounding, so that a tie such as 1.0625 is rounded up in Python and in JavaScript, whatever
    its last bit is.
    """
    if abs(value) <= 1e-9 * scale:
        return "0"
    nudged = value * (1 + 1e-9)
    if 1e-3 <= abs(value) < 1e5:
        return f"{float(f'{nudged:.3e}'):.6g}"
    return re.sub("e([+-])0*", r"e\1", f"{nudged:.2e}")


def joint_name(joint: Sequence[int]) -> str:
    """Write a joint action in letters: (a, b)."""
    return f"({', '.join(plots.action_names(4)[action] for action in joint)})"


def joint_names(joints: Iterable[Sequence[int]]) -> str:
    """Write up to four joint actions in letters, and the number of them where there are more."""
    names = [joint_name(joint) for joint in joints]
    return " or ".join(names) if len(names) <= 4 else f"one of {len(names)} joint actions"

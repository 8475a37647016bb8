"""The payoff explorer: a payoff table beside its best additive, supermodular and monotone fits.

``payoff.js`` and ``fits.js`` compute and draw in the browser; ``PayoffExplorer.result`` computes the same numbers with
``matrix_games``, and ``PayoffExplorer.figure`` draws the same setting with matplotlib where no browser runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from matrix_games import Fit, MatrixGame, Sampling, additive_fit, catalogue, monotone_fit, supermodular_fit
from matrix_games.deciding import dominant
from matrix_games.games import slack
from matrix_games.orders import SAME
from qmix_edu import plots
from qmix_edu.widgets.modules import css, esm
from qmix_edu.widgets.tables import Array, TableExplorer, joint_name, joint_names, number, small_games

_CLASSES = {"additive": additive_fit, "supermodular": supermodular_fit, "monotone": monotone_fit}
_LEAST_EPSILON = 0.05


class PayoffExplorer(TableExplorer):
    """A payoff table and its best additive, supermodular and monotone fits side by side.

    Type payoffs, step them with the arrow keys, drag them up and down, or choose a game. A slider moves the data from
    uniform to epsilon-greedy around one joint action, and the fits follow.

    Args:
        payoff: a game or a table of two agents with 2 to 4 actions each.
        epsilon: how much both agents explore in the data, from 1 (uniform) to 0.05.
        centre: the joint action that they play otherwise.

    Raises:
        ValueError: the payoff has another shape, or holds a number that is not finite, too large or too small.
        traitlets.TraitError: ``epsilon`` or ``centre`` is out of range.

    Attributes:
        payoff: the table as a list of rows; follows the student and can be set, like all that follow.
        epsilon: follows the slider.
        centre: a joint action ``[a_1, a_2]``; an action that the table lacks means its last one.
        shown: for ``"supermodular"`` and ``"monotone"``, which of several optimal fits is drawn, from 0; the last one
            if there are fewer.
    """

    _esm = esm("payoff")
    _css = css("payoff")

    epsilon = traitlets.Float(1.0).tag(sync=True)
    centre = traitlets.List(traitlets.Int()).tag(sync=True)
    shown = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        payoff: MatrixGame | ArrayLike = catalogue["qtran"],
        *,
        epsilon: float = 1.0,
        centre: Sequence[int] = (0, 0),
    ):
        shown = {"supermodular": 0, "monotone": 0}
        super().__init__(payoff, small_games(), epsilon=epsilon, centre=[int(a) for a in centre], shown=shown)

    @traitlets.validate("epsilon")
    def _check_epsilon(self, proposal: Any) -> float:
        epsilon = proposal["value"]
        if not _LEAST_EPSILON <= epsilon <= 1:
            raise traitlets.TraitError(f"epsilon is {epsilon}, expected a number from {_LEAST_EPSILON} to 1.")
        return epsilon

    @traitlets.validate("centre")
    def _check_centre(self, proposal: Any) -> list[int]:
        centre = proposal["value"]
        if len(centre) != 2 or not all(0 <= action < 4 for action in centre):
            raise traitlets.TraitError(f"centre is {centre}, expected two actions from 0 to 3, as in [0, 2].")
        return centre

    @traitlets.validate("shown")
    def _check_shown(self, proposal: Any) -> dict[str, int]:
        shown = proposal["value"]
        if set(shown) != {"supermodular", "monotone"} or not all(isinstance(k, int) and k >= 0 for k in shown.values()):
            raise traitlets.TraitError(f"shown is {shown}, expected {{'supermodular': 0, 'monotone': 0}} or higher.")
        return shown

    def fits(self) -> dict[str, Fit]:
        """Return the best fit of each class to the chosen data."""
        return {name: fit(self.payoff, self._weights()) for name, fit in _CLASSES.items()}

    def result(self) -> dict[str, Any]:
        """Return the numbers that the picture shows; the browser writes the same into ``data-result``."""
        table = np.asarray(self.payoff)
        return {
            "payoff": self.payoff,
            "epsilon": self.epsilon,
            "centre": self._centre(),
            "weights": self._weights().tolist(),
            "optimum": _best(table),
            "fits": {name: self._described(name, fit) for name, fit in self.fits().items()},
        }

    def summary(self) -> str:
        """Say in words what the picture shows."""
        r = self.result()
        table = np.asarray(self.payoff)
        data = "uniform" if self.epsilon == 1 else f"ε-greedy around {joint_name(r['centre'])}, ε = {self.epsilon:.2f}"
        sentences = [f"Best payoff {number(table.max())} at {joint_names(r['optimum'])}; data {data}."]
        for name, fit in r["fits"].items():
            several = f"{len(fit['solutions'])} optimal fits, " if len(fit["solutions"]) > 1 else ""
            sentences.append(f"{name.capitalize()}: {several}{', '.join(_facts(fit, float(np.ptp(table))))}.")
        return " ".join(sentences)

    def figure(self) -> Figure:
        """Draw the chosen setting with matplotlib: the payoffs and the three fits."""
        fits = self.result()["fits"]
        noise = 1e-9 * float(np.ptp(self.payoff))
        solutions = {name: np.asarray(fit["solutions"][fit["shown"]]) for name, fit in fits.items()}
        tables = {name: np.where(np.abs(table) <= noise, 0.0, table) for name, table in solutions.items()}
        greedy = {name: [(a, b) for a, b in fit["shown_greedy"]] for name, fit in fits.items()}
        figure, axes = plt.subplots(1, 4, figsize=(12, 4.4), layout="constrained")
        plots.plot_fits(self.payoff, tables, greedy, weights=self._weights(), axes=list(axes))
        figure.suptitle(self.summary().replace(". ", ".\n"), fontsize=10)
        return figure

    def _centre(self) -> list[int]:
        return [min(action, size - 1) for action, size in zip(self.centre, np.shape(self.payoff), strict=True)]

    def _weights(self) -> Array:
        shape = (len(self.payoff), len(self.payoff[0]))
        return Sampling.epsilon_greedy(shape, self._centre(), self.epsilon).probabilities

    def _described(self, name: str, fit: Fit) -> dict[str, Any]:
        table = np.asarray(self.payoff)
        shown = min(self.shown.get(name, 0), len(fit.solutions) - 1)
        drawn = fit.solutions[shown]
        regrets = [float(table.max() - table[joint]) for joint in fit.greedy]
        return {
            "mse": fit.mse,
            "solutions": [solution.tolist() for solution in fit.solutions],
            "greedy": [list(joint) for joint in fit.greedy],
            "regret": [min(regrets), max(regrets)],
            "shown": shown,
            "shown_greedy": [list(a) for a in dominant(drawn, max(SAME * float(np.ptp(table)), slack(drawn, SAME)))],
        }


def _best(table: Array) -> list[list[int]]:
    return [[int(a), int(b)] for a, b in np.argwhere(table == table.max())]


def _facts(fit: dict[str, Any], span: float) -> list[str]:
    """Say what a fit loses, what greedy agents do with it, and what that costs."""
    best, worst = (number(regret) for regret in fit["regret"])
    regret = best if best == worst else f"{best} to {worst}"
    return [f"loss {number(fit['mse'], span * span)}", f"greedy {joint_names(fit['greedy'])}", f"regret {regret}"]

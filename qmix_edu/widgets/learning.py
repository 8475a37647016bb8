"""The learning explorer: how tabular learners come to their joint action in a game of two agents.

``learning.js`` draws in the browser what is prepared here; ``LearningExplorer.figure`` draws the same setting with
matplotlib where no browser runs.
"""

# matplotlib leaves the keywords of its methods untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any, cast

import anywidget
import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from matrix_games import MatrixGame, Study
from matrix_games.learners import wilson_interval
from qmix_edu import plots
from qmix_edu.widgets.modules import css, esm

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

SHOWN = 12  # single runs of each learner that are sent to the browser
_VIEWS = ("all runs", "one run")


@dataclass(frozen=True, eq=False)
class _Learner:
    """What is shown of one study: values in whole units, one array for each of the two agents."""

    study: Study
    shown: list[int]  # the single runs
    quartiles: list[Whole]  # [3, k, m_i]: 25 %, median, 75 % over all runs
    values: list[Whole]  # [len(shown), k, m_i]
    counts: Whole  # runs by greedy joint action, [k, m_1, m_2]
    optimal: list[int]  # runs in an optimum, k of them
    intervals: list[list[float]]  # 95 % intervals of their share, [k][2]


class LearningExplorer(anywidget.AnyWidget):
    """Scrub through the learning of one run, or of a thousand, of tabular learners in a two-agent game.

    Shown at the chosen number of plays are each agent's values (their median and quartiles over all runs, or one
    run's own), the share of runs whose greedy joint action is each cell of the payoff table, and the share of runs
    whose greedy joint action is optimal, with its 95 % Wilson interval.

    All runs enter the distribution. Twelve single runs of each learner can be looked at (fewer where a study has
    fewer runs): for each joint action that a run ends in, the first run that ends there, the most frequent ends
    first; then the first of the other runs. So rare ends are seen, and the single runs say nothing on frequency.
    Values are rounded to three or four digits of the payoffs' range.

    Args:
        studies: one or several learners, by the name to show, that :func:`matrix_games.play` let learn in the same
            game of two agents with 2 to 5 actions, with the same ``snapshots``, two or more. A
            :class:`matrix_games.JointQ` has no values of single agents and is refused.

    Raises:
        ValueError: if there is no study, one does not suit, or the studies disagree in game or snapshots.

    Attributes:
        learner: the chosen name; follows the buttons and can be set, as can all of these.
        snapshot: the chosen snapshot, 0 to k - 1, the last to begin with; while the film plays it follows in the
            page only, and in Python once it stops.
        view: ``"all runs"`` or ``"one run"``.
        run: which of the single runs, 0 to 11; ``runs()`` gives their numbers in the study.
    """

    _esm = esm("learning")
    _css = css("learning")

    data = traitlets.Dict().tag(sync=True)
    learner = traitlets.Unicode().tag(sync=True)
    snapshot = traitlets.Int(0).tag(sync=True)
    view = traitlets.Enum(list(_VIEWS), default_value=_VIEWS[0]).tag(sync=True)
    run = traitlets.Int(0).tag(sync=True)

    def __init__(self, studies: Mapping[str, Study]):
        game, snapshots = _checked(studies)
        self._game = game
        self._snapshots = [int(plays) for plays in snapshots]
        self._digits = _digits(game)
        shown = min(SHOWN, *(study.runs for study in studies.values()))
        self._learners = {name: _prepare(study, shown, self._digits) for name, study in studies.items()}
        super().__init__(data=self._data(), learner=next(iter(studies)), snapshot=len(self._snapshots) - 1)

    @traitlets.validate("learner")
    def _check_learner(self, proposal: Any) -> str:
        if proposal["value"] not in self._learners:
            raise traitlets.TraitError(f"unknown learner {proposal['value']!r}, expected one of {[*self._learners]}.")
        return proposal["value"]

    @traitlets.validate("snapshot")
    def _check_snapshot(self, proposal: Any) -> int:
        return _checked_index("snapshot", proposal["value"], len(self._snapshots))

    @traitlets.validate("run")
    def _check_run(self, proposal: Any) -> int:
        return _checked_index("run", proposal["value"], len(self._chosen.shown))

    def runs(self) -> list[int]:
        """Return the numbers, in the study, of the chosen learner's single runs; ``run`` is a place in this list."""
        return list(self._chosen.shown)

    def result(self) -> dict[str, Any]:
        """Return the numbers that the picture shows; the browser writes the same into ``data-result``.

        ``values``, and in the view of all runs ``low`` and ``high``, are ``[agents][actions]``; ``shares`` of the
        greedy joint actions now and ``end`` at the end are ``[m_1][m_2]``; ``greedy`` lists the most common ones.
        """
        chosen, k = self._chosen, self.snapshot
        common = {"learner": self.learner, "snapshot": k, "plays": self._snapshots[k], "view": self.view}
        if self.view == "all runs":
            low, median, high = ([self._value(q[i, k]) for q in chosen.quartiles] for i in range(3))
            now, end = (chosen.counts[at] / chosen.study.runs for at in (k, -1))
            spread = {"run": None, "low": low, "values": median, "high": high, "interval": chosen.intervals[k]}
        else:
            number = chosen.shown[self.run]
            now, end = (_one_cell(self._game, chosen.study.greedy_history[at, number]) for at in (k, -1))
            values = [self._value(v[self.run, k]) for v in chosen.values]
            spread = {"run": number, "low": None, "values": values, "high": None, "interval": None}
        return {
            **common,
            **spread,
            "shares": now.tolist(),
            "end": end.tolist(),
            "greedy": np.argwhere(now == now.max()).tolist(),
            "optimal": self._optimal_share(),
        }

    def summary(self) -> str:
        """Say in words what the picture shows."""
        r, runs = self.result(), self._chosen.study.runs
        start = f"{self.learner} after {r['plays']} of {self._snapshots[-1]} plays"
        greedy = ", ".join(self._name(joint) for joint in r["greedy"])
        a, b = r["greedy"][0]
        if self.view == "all runs":
            low, high = r["interval"]
            share, each = _percent(r["shares"][a][b]), " each" if len(r["greedy"]) > 1 else ""
            ties = self._chosen.study.tied
            tied = f" In {ties} of the runs an agent's choice is then a tie, broken at random." if ties else ""
            return (
                f"{start}, all {runs} runs: the greedy joint action is an optimum in {_percent(r['optimal'])} "
                f"(95 % interval {_percent(low)} to {_percent(high)}). "
                f"Most common greedy joint action {greedy}: {share} of the runs{each}. "
                f"At the end: {self._ends()}.{tied}"
            )
        verdict = "an optimum" if r["optimal"] else "not an optimum"
        last = self._name([int(i) for i in np.argwhere(np.asarray(r["end"]))[0]])
        return (
            f"{start}, run {r['run']} of 0 to {runs - 1}: greedy joint action {greedy}, "
            f"payoff {_payoff_text(float(self._game.payoff[a, b]))}, {verdict}. At the end: {last}."
        )

    def figure(self) -> Figure:
        """Draw the chosen setting with matplotlib: both agents' values, the joint policy, the share in an optimum."""
        figure, axes = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
        for agent in range(2):
            self._draw_values(agent, axes[0, agent])
        self._draw_policy(axes[1, 0])
        self._draw_share(axes[1, 1])
        figure.suptitle(self.summary().replace(". ", ".\n"), fontsize=10)
        return figure

    @property
    def _chosen(self) -> _Learner:
        return self._learners[self.learner]

    def _value(self, units: Whole) -> list[float]:
        return (units / 10**self._digits).tolist()

    def _optimal_share(self) -> float:
        if self.view == "all runs":
            return self._chosen.optimal[self.snapshot] / self._chosen.study.runs
        return float(self._run_is_optimal()[self.snapshot])

    def _run_is_optimal(self) -> NDArray[np.bool_]:
        """Whether the chosen run's greedy joint action is optimal, at each snapshot."""
        joint = self._chosen.study.greedy_history[:, self._chosen.shown[self.run]]
        return np.array([tuple(int(a) for a in actions) in self._game.optimum for actions in joint])

    def _name(self, joint: Sequence[int]) -> str:
        names = plots.action_names(5)
        return f"({names[joint[0]]}, {names[joint[1]]})"

    def _ends(self) -> str:
        """Name the three most common joint actions at the end with their shares, and what is left."""
        ends, runs = self._chosen.counts[-1].ravel(), self._chosen.study.runs
        order = [int(i) for i in np.argsort(-ends, kind="stable") if ends[i] > 0]
        columns = self._game.n_actions[1]
        named = [f"{self._name(divmod(i, columns))} {_percent(int(ends[i]) / runs)}" for i in order[:3]]
        rest = int(ends[order[3:]].sum())
        return ", ".join(named + ([f"others {_percent(rest / runs)}"] if rest else []))

    def _data(self) -> dict[str, Any]:
        """Return all that the browser needs. A series of values is the text of its differences in whole units."""
        payoff = self._game.payoff
        return {
            "snapshots": self._snapshots,
            "digits": self._digits,
            "limits": _limits(self._game, list(self._learners.values()), 10.0**self._digits),
            "payoff": payoff.tolist(),
            "payoff_text": [[_payoff_text(x) for x in row] for row in payoff.tolist()],
            "optimum": [list(joint) for joint in self._game.optimum],
            "action_names": [plots.action_names(m) for m in payoff.shape],
            "learners": [
                {
                    "name": name,
                    "runs": it.study.runs,
                    "tied": it.study.tied,
                    "shown": it.shown,
                    "quartiles": [[[_packed(x) for x in q.T] for q in agent] for agent in it.quartiles],
                    "values": [[[_packed(x) for x in run.T] for run in agent] for agent in it.values],
                    "greedy": [_packed(joint) for joint in _paths(it)],
                    "counts": [_packed(x) for x in it.counts.reshape(len(it.counts), -1).T],
                    "intervals": it.intervals,
                }
                for name, it in self._learners.items()
            ],
        }

    def _draw_values(self, agent: int, ax: Axes) -> None:
        study, x = self._chosen.study, self._snapshots
        one = self.view == "one run"
        numbers = [self._chosen.shown[self.run]] if one else range(study.runs)
        names = plots.action_names(self._game.n_actions[agent])
        curves = {name: [(x, study.history[:, r, agent, action]) for r in numbers] for action, name in enumerate(names)}
        plots.plot_learning_curves(curves, ylabel=f"value $Q_{agent + 1}$", xlabel="plays", ax=ax)
        handles = ax.get_legend_handles_labels()[0]
        _legend_below(ax, handles, names)
        ax.axvline(self._snapshots[self.snapshot], color="black", linewidth=1)
        ax.set(xlim=(0, x[-1]), ylim=self.data["limits"])
        what = f"values in run {numbers[0]}" if one else "median value of each action, quartiles"
        ax.set_title(f"agent {agent + 1}: {what}")

    def _draw_policy(self, ax: Axes) -> None:
        payoff, result = self._game.payoff, self.result()
        m1, m2 = payoff.shape
        middle = (float(payoff.min()) + float(payoff.max())) / 2
        image = ax.imshow(payoff, cmap="cividis", aspect="auto")
        for a, b in np.ndindex(m1, m2):
            now, end = result["shares"][a][b], result["end"][a][b]
            value = float(payoff[a, b])
            ink = "white" if value < middle else "black"
            star = "★ " if (a, b) in self._game.optimum else ""
            ax.text(b, a - 0.27, star + _payoff_text(value), ha="center", va="center", color=ink)
            if now or end:
                ax.text(b, a + 0.03, _percent(now), ha="center", va="center", color=ink, weight="bold")
                ax.add_patch(Rectangle((b - 0.4, a + 0.2), 0.8, 0.14, fill=False, edgecolor=ink))
                ax.add_patch(Rectangle((b - 0.4, a + 0.2), 0.8 * now, 0.14, facecolor="white", edgecolor="black"))
                ax.plot(b - 0.4 + 0.8 * end, a + 0.39, "^", color="white", markeredgecolor="black", markersize=7)
        for a, b in result["greedy"]:
            for colour, width in (("black", 4.5), ("white", 2)):
                ax.add_patch(Rectangle((b - 0.46, a - 0.46), 0.92, 0.92, fill=False, edgecolor=colour, linewidth=width))
        ax.set_xticks(range(m2), plots.action_names(m2))
        ax.set_yticks(range(m1), plots.action_names(m1))
        ax.set(xlabel="action of agent 2\n★ optimum, bar: share now, △ share at the end", ylabel="action of agent 1")
        one = f"greedy joint action of run {result['run']}"
        ax.set_title(one if self.view == "one run" else "share of runs by greedy joint action")
        cast("Figure", ax.figure).colorbar(image, ax=ax, label="payoff")

    def _draw_share(self, ax: Axes) -> None:
        chosen, x = self._chosen, self._snapshots
        low, high = np.asarray(chosen.intervals).T
        ax.fill_between(x, 100 * low, 100 * high, color="#0072B2", alpha=0.3, linewidth=0)
        ax.plot(
            x, 100 * np.asarray(chosen.optimal) / chosen.study.runs, color="#0072B2", label="all runs, 95 % interval"
        )
        if self.view == "one run":
            label = f"run {chosen.shown[self.run]}: in an optimum or not"
            ax.plot(x, 100 * self._run_is_optimal(), "--", drawstyle="steps-post", color="#D55E00", label=label)
        ax.axvline(x[self.snapshot], color="black", linewidth=1)
        ax.set(xlim=(0, x[-1]), ylim=(-3, 103), xlabel="plays", ylabel="runs in an optimum (%)")
        ax.set_title("share of runs whose greedy joint action is optimal")
        _legend_below(ax, *ax.get_legend_handles_labels())
        ax.grid(alpha=0.3)


def _legend_below(ax: Axes, handles: Sequence[Any], labels: Sequence[str]) -> None:
    legend = ax.legend(handles, labels, ncols=len(labels), frameon=False, handlelength=3.5, columnspacing=1)
    legend.set_loc("upper center")
    legend.set_bbox_to_anchor((0.5, -0.14), transform=ax.transAxes)


def _paths(learner: _Learner) -> NDArray[np.intp]:
    """Return each single run's greedy joint actions, counted row by row, ``[len(shown), k]``."""
    joint = learner.study.greedy_history[:, learner.shown]  # [k, len(shown), 2]
    return joint[..., 0].T * learner.study.game.n_actions[1] + joint[..., 1].T


def _prepare(study: Study, shown: int, digits: int) -> _Learner:
    """Count and summarise one study."""
    sizes, scale = study.game.n_actions, 10.0**digits
    counts = np.rint(study.joint_shares_history * study.runs).astype(np.int64)
    optimal = [sum(int(at[joint]) for joint in study.game.optimum) for at in counts]
    runs = _representatives(study, shown)
    agents = [study.history[:, :, agent, :m] for agent, m in enumerate(sizes)]  # [k, runs, m_i]
    return _Learner(
        study=study,
        shown=runs,
        quartiles=[_units(np.percentile(values, [25, 50, 75], axis=1), scale) for values in agents],
        values=[_units(values[:, runs].swapaxes(0, 1), scale) for values in agents],
        counts=counts,
        optimal=optimal,
        intervals=[[round(end, 6) for end in wilson_interval(n, study.runs)] for n in optimal],
    )


def _representatives(study: Study, n: int) -> list[int]:
    """Return n runs: the first that reaches each end, frequent ends first, then the first others; in rising order."""
    ends = np.ravel_multi_index(tuple(study.greedy.T), study.game.n_actions)
    _, first, counts = np.unique(ends, return_index=True, return_counts=True)
    ordered = [int(run) for run in first[np.argsort(-counts, kind="stable")]]
    others = [run for run in range(min(study.runs, 2 * n + 25)) if run not in ordered]
    return sorted((ordered + others)[:n])


def _units(values: Array, scale: float) -> Whole:
    return np.rint(values * scale).astype(np.int64)


def _packed(series: NDArray[Any]) -> str:
    """Write whole numbers as the first and then the differences, which are short."""
    return " ".join(str(int(x)) for x in np.diff(series, prepend=0))


def _digits(game: MatrixGame) -> int:
    """Return the decimals at which payoffs of this range have three or four digits."""
    span = float(np.ptp(game.payoff)) or 1.0
    return min(max(3 - floor(log10(span)), 0), 9)


def _limits(game: MatrixGame, learners: Sequence[_Learner], scale: float) -> list[float]:
    """Return the axis of values: from the lowest to the highest that is not far from what the game can pay.

    A learner may start at -1000, and on an axis down to there all other lines would be one.
    """
    rewards = game.payoff if game.outcomes is None else game.outcomes
    low, high = float(rewards.min()), float(rewards.max())
    span = high - low or 1.0
    drawn = np.concatenate([x.ravel() for it in learners for x in (*it.quartiles, *it.values)]) / scale
    near = drawn[(drawn >= low - span) & (drawn <= high + span)]
    if near.size:
        low, high = float(near.min()), float(near.max())
    margin = 0.04 * (high - low) or 1.0
    return [low - margin, high + margin]


def _one_cell(game: MatrixGame, joint: NDArray[np.intp]) -> Array:
    cells = np.zeros(game.n_actions)
    cells[tuple(joint)] = 1
    return cells


def _percent(share: float) -> str:
    """Write a share with one decimal, halves up as JavaScript does."""
    return f"{floor(1000 * share + 0.5) / 10:.1f} %"


def _payoff_text(payoff: float) -> str:
    return f"{payoff:.4g}"


def _checked_index(name: str, value: Any, n: int) -> int:
    if not 0 <= int(value) < n:
        raise traitlets.TraitError(f"{name} {value} does not exist, expected 0 to {n - 1}.")
    return int(value)


def _checked(studies: Mapping[str, Study]) -> tuple[MatrixGame, NDArray[np.int64]]:
    """Return the game and the snapshots that all studies share."""
    _check_kinds(studies)
    for name, study in studies.items():
        _check_study(name, study)
    first, *others = studies
    game, snapshots = studies[first].game, studies[first].snapshots
    for name in others:
        other = studies[name]
        if other.game.name != game.name or not np.array_equal(other.game.payoff, game.payoff):
            raise ValueError(
                f"{first!r} played {game.name} and {name!r} played {other.game.name}: show each game in an "
                "explorer of its own."
            )
        if not np.array_equal(other.snapshots, snapshots):
            raise ValueError(
                f"{first!r} has {_span(snapshots)} and {name!r} has {_span(other.snapshots)}: let both play with "
                "the same plays and snapshots."
            )
    return game, snapshots


def _check_kinds(studies: object) -> None:
    if not isinstance(studies, Mapping) or not studies:
        what = "empty" if isinstance(studies, Mapping) else f"of type {type(studies).__name__}"
        raise ValueError(f"studies is {what}, expected one or more by name, as in {{'IQL': play(...)}}.")
    for name, study in cast("Mapping[object, object]", studies).items():
        if not isinstance(name, str) or not isinstance(study, Study):
            raise ValueError(
                f"studies holds {name!r} of type {type(study).__name__}, expected a name and its Study, as "
                "matrix_games.play returns it."
            )


def _check_study(name: str, study: Study) -> None:
    sizes = study.game.n_actions
    if len(sizes) != 2 or not all(2 <= m <= 5 for m in sizes):
        raise ValueError(f"{name!r} played a game with {sizes} actions, expected two agents with 2 to 5 actions each.")
    if study.history.shape[2] != 2:
        raise ValueError(
            f"{name!r} has {study.history.shape[2]} table of values for the whole team, expected one for each agent: "
            "leave out learners of joint actions, such as JointQ."
        )
    if len(study.snapshots) < 2:
        raise ValueError(f"{name!r} has 1 snapshot, expected 2 or more: play with snapshots=100, for instance.")


def _span(snapshots: NDArray[np.int64]) -> str:
    return f"{len(snapshots)} snapshots up to play {snapshots[-1]}"

"""The battle viewer: recorded episodes, what every agent thought of its actions, and what the mixer made of it.

``battle_viewer.js`` and ``episodes.js`` compute and draw in the browser, on a page without a kernel as well; here are
the same numbers in numpy, and ``BattleViewer.figure`` draws the same moment with matplotlib where no browser runs.
"""

from __future__ import annotations

from typing import Any

import anywidget
import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import NDArray

from qmix_edu import battle_plots, plots
from qmix_edu.records import NO_SURFACE, Record, RecordedEpisode
from qmix_edu.widgets.landscape import GRID
from qmix_edu.widgets.modules import css, esm

Array = NDArray[np.float64]


class BattleViewer(anywidget.AnyWidget):
    """Scrub or play recorded episodes; see utilities, weights and Q_tot at every moment, and two agents' surface.

    Without a record it asks for a file, which is read in the browser, checked there and sent nowhere.

    Args:
        record: what ``record_episodes`` returned or ``load_record`` read.

    Attributes:
        episode: which one is shown, from 0; follows the page and can be set, as can the others.
        step: the moment, 0 to the number of steps.
        agents: the two agents of the surface, counted from 0; one and the same only where there is a single one.
    """

    _esm = esm("battle_viewer")
    _css = css("battle_viewer")

    record = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)
    episode = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    agents = traitlets.List(traitlets.Int(), default_value=[0, 1], minlen=2, maxlen=2).tag(sync=True)

    def __init__(self, record: Record | None = None):
        self.recorded = record
        agents = [0, 0] if record is not None and record.n_agents == 1 else [0, 1]
        super().__init__(record=None if record is None else record.to_json(), agents=agents)

    @traitlets.validate("episode")
    def _check_episode(self, proposal: Any) -> int:
        return self._within("episode", proposal["value"], self.recorded and len(self.recorded.episodes) - 1)

    @traitlets.validate("step")
    def _check_step(self, proposal: Any) -> int:
        return self._within("step", proposal["value"], self.recorded and self._shown.steps)

    @traitlets.validate("agents")
    def _check_agents(self, proposal: Any) -> list[int]:
        agents = [self._within("agent", i, self.recorded and self.recorded.n_agents - 1) for i in proposal["value"]]
        if agents[0] == agents[1] and self.recorded and self.recorded.n_agents > 1:
            raise traitlets.TraitError(f"agents are {agents}, expected two different ones.")
        return agents

    @traitlets.observe("episode")
    def _begin_anew(self, _: Any) -> None:
        if self.recorded and self.step > self._shown.steps:
            self.step = 0

    @staticmethod
    def _within(name: str, value: int, last: int | None) -> int:
        if value < 0 or (last is not None and value > last):
            raise traitlets.TraitError(
                f"there is no {name} {value}, expected 0 to {last if last is not None else '…'}."
            )
        return value

    @property
    def _shown(self) -> RecordedEpisode:
        return self._record.episodes[self.episode]

    @property
    def _record(self) -> Record:
        if self.recorded is None:
            raise ValueError("This viewer was made without a record: BattleViewer(load_record('battle.json')).")
        return self.recorded

    @property
    def _over(self) -> bool:
        return self.step == self._shown.steps

    def utilities(self) -> tuple[Array, Array]:
        """Return both agents' utilities of their available actions at this step."""
        one, two = (self._shown.utilities[self.step, i][self._shown.avail_actions[self.step, i]] for i in self.agents)
        return one, two

    def grid(self) -> tuple[Array, Array]:
        """Return the 41 utilities of each agent at which Q_tot is drawn."""
        one, two = (_axis(utilities) for utilities in self.utilities())
        return one, two

    def surface(self) -> Array:
        """Return Q_tot on the grid, ``[41, 41]``, the other agents at their chosen actions."""
        return self._mix(*self.grid())

    def values(self) -> Array:
        """Return Q_tot of every pair of available actions, ``[m1, m2]``."""
        return self._mix(*self.utilities())

    def _mix(self, q1: Array, q2: Array) -> Array:
        chosen = np.broadcast_to(self._shown.chosen(self.step), (len(q1), len(q2), self._record.n_agents)).copy()
        chosen[..., self.agents[0]], chosen[..., self.agents[1]] = q1[:, None], q2[None, :]
        return self._shown.mix(self.step, chosen)

    def result(self) -> dict[str, Any]:
        """Return the numbers that the picture shows; the browser writes the same into ``data-result``."""
        episode, step, over = self._shown, self.step, self._over
        alive = None if episode.battle is None else [int(n) for n in _alive(episode, step)]
        return {
            "episode": self.episode,
            "step": step,
            "agents": list(self.agents),
            "alive": alive,
            "actions": None if over else episode.actions[step].tolist(),
            "greedy": None if over else episode.greedy[step].tolist(),
            "weights": None if over or episode.weights is None else episode.weights[step].tolist(),
            "q_tot": None if over or episode.q_tot is None else float(episode.q_tot[step]),
            "return_to_come": 0.0 if over else float(episode.returns_to_come[step]),
            "surface": self._surface_result() if self._has_surface else None,
        }

    @property
    def _has_surface(self) -> bool:
        return not self._over and self._record.mixing not in NO_SURFACE and self.agents[0] != self.agents[1]

    def _surface_result(self) -> dict[str, Any]:
        surface = self.surface()
        return {
            "lowest": float(surface.min()),
            "highest": float(surface.max()),
            "mean": float(surface.mean()),
            "violations": plots.count_violations(surface),
            "values": self.values().ravel().tolist(),
        }

    def summary(self) -> str:
        """Say in words what the picture shows."""
        episode, step, record = self._shown, self.step, self._record
        begin = f"Step {step} of {episode.steps}"
        if episode.battle is not None:
            (ours, theirs), units = _alive(episode, step), len(episode.battle.teams)
            begin += f", {ours} of {record.n_agents} allies and {theirs} of {units - record.n_agents} enemies live"
        if self._over:
            return f"{begin}; the episode is over: {_outcome(episode)}."
        acts = " ".join(self._act(agent) for agent in dict.fromkeys(self.agents))
        value = "No Q_tot" if episode.q_tot is None else f"Q_tot {episode.q_tot[step]:.2f}"
        return f"{begin}. {acts} {value}, return still to come {episode.returns_to_come[step]:.2f}."

    def _act(self, agent: int) -> str:
        episode, step, names = self._shown, self.step, self._record.action_names
        action, best = (int(choice[step, agent]) for choice in (episode.actions, episode.greedy))
        weight = "" if episode.weights is None else f", weight {episode.weights[step, agent]:.2f}"
        choice = "its best" if action == best else f"its best is {names[best]}"
        utility = episode.utilities[step, agent, action]
        return f"Agent {agent + 1} takes {names[action]} ({choice}), utility {utility:.3f}{weight}."

    def figure(self) -> Figure:
        """Draw the chosen moment with matplotlib: the field, the utilities, values over time, and the surface."""
        episode = self._shown
        figure = plt.figure(figsize=(11, 8), layout="constrained")
        field, utilities, values, surface = (figure.add_subplot(2, 2, place) for place in range(1, 5))
        if episode.battle is None:
            field.set_axis_off()
        else:
            battle_plots.plot_battle(episode.battle, self.step, ax=field)
        if self._over:
            utilities.set_axis_off()
        else:
            battle_plots.plot_utilities(
                episode.utilities[self.step],
                episode.avail_actions[self.step],
                episode.actions[self.step],
                episode.greedy[self.step],
                self._record.action_names,
                ax=utilities,
            )
        battle_plots.plot_values_over_time(episode.q_tot, episode.returns_to_come, self.step, ax=values)
        if self._has_surface:
            best = [int(episode.greedy[self.step, i]) for i in self.agents]
            at = [episode.utilities[self.step, i, a] for i, a in zip(self.agents, best, strict=True)]
            names = [[self._record.action_names[a]] for a in best]
            points, labels = ([at[0]], [at[1]]), (names[0], names[1])
            plots.plot_landscape(*self.grid(), self.surface(), points, names=labels, ax=surface)
            surface.set(
                xlabel=f"utility of agent {self.agents[0] + 1}", ylabel=f"utility of agent {self.agents[1] + 1}"
            )
        else:
            surface.set_axis_off()
        figure.suptitle(self.summary().replace(". ", ".\n"), fontsize=9)
        return figure


def _axis(utilities: Array) -> Array:
    low, high = float(utilities.min()), float(utilities.max())
    margin = 0.25 * (high - low) if high > low else 1.0
    return np.linspace(low - margin, high + margin, GRID)


def _alive(episode: RecordedEpisode, step: int) -> tuple[int, int]:
    assert episode.battle is not None
    alive, teams = episode.battle.alive[step], episode.battle.teams
    return int(alive[teams == 0].sum()), int(alive[teams == 1].sum())


def _outcome(episode: RecordedEpisode) -> str:
    if episode.won:
        return "won"
    if episode.truncated:
        return "out of time"
    return "over" if episode.won is None else "not won"

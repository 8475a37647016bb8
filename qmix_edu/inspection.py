"""What ``qmix-edu inspect`` finds in a trained team, as text and as JSON."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import Any

from qmix_edu.audit import (
    EPSILON,
    MAX_JOINT_ACTIONS,
    AgentGradient,
    IgmAudit,
    audit_gradients,
    audit_igm,
    real_steps,
)
from qmix_edu.battle_tables import RUNGS, BattleTable, Rung, battle_tables, rungs
from qmix_edu.learner import Learner
from qmix_edu.types import Environment


@dataclass(frozen=True)
class MixerInspection:
    """How Q_tot follows each agent's utility, and whether the agents' greed is the team's."""

    algorithm: str
    env: str
    states: int
    gradients: list[AgentGradient]
    igm: IgmAudit

    def summary(self) -> dict[str, Any]:
        """Return everything as what JSON can hold; an agent without a choice has null in place of numbers."""
        summary = dataclasses.asdict(self)
        for row in summary["gradients"]:
            row.update({name: None for name, value in row.items() if value != value})
        return summary

    def text(self) -> str:
        """Return a table of the gradients, in Markdown, and a sentence on IGM."""
        lines = [
            f"{self.algorithm} on {self.env}: {self.states} states of play, epsilon {EPSILON}.",
            "dQ_tot/dQ_a, in the states where agent a has a choice:",
            "",
            "| agent | states | near zero | negative | smallest | median | largest |",
            "|---|---|---|---|---|---|---|",
        ]
        for agent, row in enumerate(self.gradients):
            lines.append(
                f"| {agent} | {row.states} | {row.near_zero:.1%} | {row.negative:.1%} "
                f"| {row.smallest:.4f} | {row.median:.4f} | {row.largest:.4f} |"
            )
        lines += [
            "",
            f"IGM: {self.igm.checked} states were checked over all their joint actions; in {self.igm.violations} the "
            "agents' own best actions are not a best joint action.",
        ]
        if self.igm.too_large:
            lines.append(f"{self.igm.too_large} more have over {MAX_JOINT_ACTIONS} joint actions and were left out.")
        return "\n".join(lines)


@dataclass(frozen=True)
class BattleInspection:
    """Tables of real battles, each with how well the value classes fit it."""

    algorithm: str
    env: str
    tables: list[BattleTable]
    rungs: list[list[Rung]]

    @property
    def lowest(self) -> list[str]:
        """The lowest rung that each table can stand on, ``any`` if not even a monotone table fits."""
        return [next((rung.name for rung in verdicts if rung.holds), "any") for verdicts in self.rungs]

    def summary(self) -> dict[str, Any]:
        """Return everything as what JSON can hold; the returns as means and standard errors."""
        battles = [
            {
                "step": table.step,
                "agents": table.agents,
                "actions": table.actions,
                "greedy": table.greedy,
                "games": len(table.returns),
                "mean": table.mean.tolist(),
                "standard_error": table.standard_error.tolist(),
                "q_tot": None if table.q_tot is None else table.q_tot.tolist(),
                "regret": table.regret,
                "rungs": [dataclasses.asdict(rung) for rung in verdicts],
                "lowest": lowest,
            }
            for table, verdicts, lowest in zip(self.tables, self.rungs, self.lowest, strict=True)
        ]
        return {"algorithm": self.algorithm, "env": self.env, "battles": battles}

    def text(self) -> str:
        """Return every table with its verdicts, and how often each rung was the lowest."""
        parts = [f"{self.algorithm} on {self.env}: discounted returns of two agents' joint actions, the others greedy."]
        for table, verdicts in zip(self.tables, self.rungs, strict=True):
            parts.append(f"{_described(table)}\n" + "\n".join(_verdict(rung) for rung in verdicts))
        counts = Counter(self.lowest)
        shares = ", ".join(f"{name} {counts[name]}" for name in (*RUNGS, "any"))
        return "\n\n".join([*parts, f"The lowest rung that the noise allows, of {len(self.tables)} tables: {shares}."])


def inspect_mixer(env: Environment, learner: Learner, episodes: int = 32) -> MixerInspection:
    """Look into a mixer on the states of real play.

    Raises ValueError where the learner has no mixer, or ``episodes`` is below 1.
    """
    steps = real_steps(env, learner, episodes)
    return MixerInspection(
        learner.algorithm, env.spec.name, len(steps), audit_gradients(learner, steps), audit_igm(learner, steps)
    )


def inspect_battles(env: Environment, learner: Learner, battles: int) -> BattleInspection:
    """Tabulate one moment of each of some battles; see :func:`qmix_edu.battle_tables.battle_tables`."""
    tables = battle_tables(env, learner, battles)
    return BattleInspection(learner.algorithm, env.spec.name, tables, [rungs(table.returns) for table in tables])


def _described(table: BattleTable) -> str:
    one, two = table.agents
    head = (
        f"Step {table.step}, agents {one} (rows) and {two} (columns), {len(table.returns)} games a cell, standard "
        f"error up to {table.standard_error.max():.3f}; * is the greedy pair, {table.regret:.3f} below the best."
    )
    rows = [[f"{value:.2f}" for value in row] for row in table.mean]
    rows[table.greedy[0]][table.greedy[1]] += "*"
    named = [[str(action), *row] for action, row in zip(table.actions[0], rows, strict=True)]
    lines = [["", *map(str, table.actions[1])], *named]
    return "\n".join([head, *("".join(f"{cell:>7}" for cell in line) for line in lines)])


def _verdict(rung: Rung) -> str:
    answer = "holds within the noise" if rung.holds else "does not hold"
    bound = "" if rung.exact else " (at most; not every order was tried)"
    return f"{rung.name}: loss {rung.loss:.1%} of the variance{bound}, noise up to {rung.noise:.1%}: {answer}"

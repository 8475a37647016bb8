"""Teams that play by a rule written by hand, where a learner would play by a network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from qmix_edu.exploration import explore
from qmix_edu.td import greedy_actions
from qmix_edu.types import EnvSpec


class ScriptedTeam:
    """``Q_a = rule(o_a)``: every agent takes its best available action, by utilities that somebody wrote down.

    ``rule`` gets the observations of all agents, ``[e, n, o]``, as an array of numpy, and returns their utilities,
    ``[e, n, a]``. It plays wherever a learner does: ``evaluate(env, team, 256)``, ``record_battles(env, team)``.
    """

    def __init__(self, spec: EnvSpec, rule: Callable[[Float[np.ndarray, "e n o"]], Float[np.ndarray, "e n a"]]):
        self.spec, self.rule = spec, rule

    def utilities(
        self, obs: Float[Tensor, "e n o"], last_actions: Int[Tensor, "e n"], hidden: Float[Tensor, "e k h"] | None
    ) -> tuple[Float[Tensor, "e n a"], None]:
        """Return the rule's utilities; it remembers nothing.

        Raises:
            ValueError: if the rule returns another shape, or NaN.
        """
        utilities = torch.as_tensor(np.asarray(self.rule(obs.numpy()), dtype=np.float32))
        expected = (*obs.shape[:2], self.spec.n_actions)
        if utilities.shape != expected:
            raise ValueError(
                f"The rule returned utilities of shape {tuple(utilities.shape)}, expected {expected}: "
                "one number for every environment, agent and action."
            )
        if utilities.isnan().any():
            where = tuple(utilities.isnan().nonzero()[0].tolist())
            raise ValueError(f"The rule returned nan at {where} (environment, agent, action); return numbers.")
        return utilities, None

    def greedy(self, utilities: Float[Tensor, "*b n a"], avail_actions: Bool[Tensor, "*b n a"]) -> Int[Tensor, "*b n"]:
        """Return every agent's best available action; of equal ones the first."""
        return greedy_actions(utilities, avail_actions)

    def choose(
        self,
        utilities: Float[Tensor, "e n a"],
        avail_actions: Bool[Tensor, "e n a"],
        epsilon: float,
        generator: torch.Generator,
    ) -> Int[Tensor, "e n"]:
        """Return the greedy actions, each replaced at random with probability epsilon."""
        return explore(self.greedy(utilities, avail_actions), avail_actions, epsilon, generator)

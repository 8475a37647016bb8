"""The index of the library: every algorithm in a few lines, as an agent network and a factorisation.

Each function takes the sizes of an environment and returns a :class:`~qmix_edu.learner.Learner`. ``agent`` is a
utility network of :mod:`qmix_edu.agents`; ``settings`` default to those that suit the environment.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from qmix_edu.agents import MLPAgent
from qmix_edu.learner import Learner, LearnerSettings
from qmix_edu.mixers import Independent, Mixed, QMixer, UnconstrainedMixer, VDNMixer
from qmix_edu.settings import learner_settings
from qmix_edu.types import EnvSpec

Agent = Callable[[EnvSpec], nn.Module]


def _learner(
    spec: EnvSpec,
    algorithm: str,
    factorisation: Callable[[], nn.Module],
    seed: int,
    agent: Agent,
    settings: LearnerSettings | None,
) -> Learner:
    return Learner(spec, algorithm, lambda: agent(spec), factorisation, settings or learner_settings(spec.name), seed)


def iql(spec: EnvSpec, *, seed: int = 0, agent: Agent = MLPAgent, settings: LearnerSettings | None = None) -> Learner:
    """Independent Q-learning: each agent learns ``Q_a`` of its own, as if it were alone. Source: Tan (1993)."""
    return _learner(spec, "iql", Independent, seed, agent, settings)


def vdn(spec: EnvSpec, *, seed: int = 0, agent: Agent = MLPAgent, settings: LearnerSettings | None = None) -> Learner:
    """Value-decomposition networks: ``Q_tot = sum_a Q_a``. Source: Sunehag et al. (2017)."""
    return _learner(spec, "vdn", lambda: Mixed(VDNMixer()), seed, agent, settings)


def qmix(spec: EnvSpec, *, seed: int = 0, agent: Agent = MLPAgent, settings: LearnerSettings | None = None) -> Learner:
    """QMIX: ``Q_tot = f(Q_1, ..., Q_n; s)`` with ``df/dQ_a >= 0``. Source: Rashid et al. (2018)."""
    return _learner(spec, "qmix", lambda: Mixed(QMixer(spec.n_agents, spec.state_size)), seed, agent, settings)


def unconstrained(
    spec: EnvSpec, *, seed: int = 0, agent: Agent = MLPAgent, settings: LearnerSettings | None = None
) -> Learner:
    """QMIX without its constraint: the agents' own best actions need no longer be the team's."""
    return _learner(
        spec,
        "unconstrained",
        lambda: Mixed(UnconstrainedMixer(spec.n_agents, spec.state_size)),
        seed,
        agent,
        settings,
    )


ALGORITHMS: dict[str, Callable[..., Learner]] = {
    function.__name__: function for function in (iql, vdn, qmix, unconstrained)
}

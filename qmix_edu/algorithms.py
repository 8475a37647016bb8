"""The index of the library: every algorithm in a few lines, as an agent network and a factorisation.

Some bring a loss weight, a replay rule or a loss of their own.

Each function takes the sizes of an environment and returns a :class:`~qmix_edu.learner.Learner`. ``agent`` is a
utility network of :mod:`qmix_edu.agents`; ``settings`` default to those that suit the environment.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from qmix_edu.actor_critic import COMA, IAC, CounterfactualCritic, StateValue
from qmix_edu.agents import MLPAgent
from qmix_edu.independent import FingerprintLearner, ImportanceLearner, Leniency, LenientLearner, owned
from qmix_edu.independent import hysteretic as hysteretic_weight
from qmix_edu.learner import Learner, LearnerSettings
from qmix_edu.mixers import Independent, Mixed, QMixer, UnconstrainedMixer, VDNMixer
from qmix_edu.quantiles import QuantileLearner
from qmix_edu.replay import NegativeUpdateIntervals
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


def hysteretic(
    spec: EnvSpec,
    *,
    seed: int = 0,
    agent: Agent = MLPAgent,
    settings: LearnerSettings | None = None,
    beta: float = 0.1,
) -> Learner:
    """Hysteretic Q-learning: IQL in which negative errors count ``beta``. Source: Omidshafiei et al. (2017)."""
    settings, weight = settings or learner_settings(spec.name, "hysteretic"), hysteretic_weight(beta)
    return Learner(spec, "hysteretic", lambda: agent(spec), Independent, settings, seed, loss_weight=weight)


def distributed(
    spec: EnvSpec, *, seed: int = 0, agent: Agent = MLPAgent, settings: LearnerSettings | None = None
) -> Learner:
    """Distributed Q-learning: negative errors count nothing. Source: Lauer and Riedmiller (2000)."""
    settings, weight = settings or learner_settings(spec.name, "distributed"), hysteretic_weight(0.0)
    return Learner(spec, "distributed", lambda: agent(spec), Independent, settings, seed, loss_weight=weight)


def lenient(
    spec: EnvSpec,
    *,
    seed: int = 0,
    agent: Agent = MLPAgent,
    settings: LearnerSettings | None = None,
    leniency: Leniency | None = None,
) -> Learner:
    """Lenient DQN: a negative error counts more the more often the action was tried. Source: Palmer et al. (2018)."""
    settings = settings or learner_settings(spec.name, "lenient")
    return LenientLearner(spec, "lenient", lambda: agent(spec), settings, seed, leniency or Leniency())


def nui(spec: EnvSpec, *, seed: int = 0, agent: Agent = MLPAgent, settings: LearnerSettings | None = None) -> Learner:
    """Negative update intervals: each agent forgets episodes that paid too little. Source: Palmer et al. (2019)."""
    settings, replay = settings or learner_settings(spec.name, "nui"), NegativeUpdateIntervals
    return Learner(spec, "nui", lambda: agent(spec), Independent, settings, seed, loss_weight=owned, replay=replay)


def likelihood_quantile(
    spec: EnvSpec,
    *,
    seed: int = 0,
    agent: Agent = MLPAgent,
    settings: LearnerSettings | None = None,
    n_quantiles: int = 16,
    beta: float = 0.1,
    tolerance: float = 0.5,
) -> Learner:
    """Quantiles of the return; a negative error counts as much as it is likely. Source: Lyu and Amato (2020)."""
    settings = settings or learner_settings(spec.name, "likelihood_quantile")
    return QuantileLearner(
        spec,
        "likelihood_quantile",
        agent,
        settings,
        seed,
        n_quantiles=n_quantiles,
        beta=beta,
        tolerance=tolerance,
    )


def fingerprint_iql(
    spec: EnvSpec, *, seed: int = 0, agent: Agent = MLPAgent, settings: LearnerSettings | None = None
) -> Learner:
    """IQL that observes epsilon and the training's progress as well. Source: Foerster et al. (2017)."""
    settings = settings or learner_settings(spec.name, "fingerprint_iql")
    return FingerprintLearner(spec, "fingerprint_iql", agent, settings, seed)


def importance_iql(
    spec: EnvSpec, *, seed: int = 0, agent: Agent = MLPAgent, settings: LearnerSettings | None = None
) -> Learner:
    """IQL that weighs old data by how likely the others still act so. Source: Foerster et al. (2017)."""
    settings = settings or learner_settings(spec.name, "importance_iql")
    return ImportanceLearner(spec, "importance_iql", lambda: agent(spec), settings, seed)


def coma(spec: EnvSpec, *, seed: int = 0, agent: Agent = MLPAgent, settings: LearnerSettings | None = None) -> Learner:
    """COMA: policy gradients with a counterfactual baseline. Source: Foerster et al. (2018)."""
    settings = settings or learner_settings(spec.name, "coma")
    return COMA(spec, "coma", lambda: agent(spec), lambda: CounterfactualCritic(spec), settings, seed)


def iac(spec: EnvSpec, *, seed: int = 0, agent: Agent = MLPAgent, settings: LearnerSettings | None = None) -> Learner:
    """Independent actor-critic, the control of COMA. Source: Foerster et al. (2018), IAC-V."""
    settings = settings or learner_settings(spec.name, "iac")
    return IAC(spec, "iac", lambda: agent(spec), lambda: StateValue(agent(spec)), settings, seed)


ALGORITHMS: dict[str, Callable[..., Learner]] = {
    function.__name__: function
    for function in (
        iql,
        vdn,
        qmix,
        unconstrained,
        hysteretic,
        distributed,
        lenient,
        nui,
        likelihood_quantile,
        fingerprint_iql,
        importance_iql,
        coma,
        iac,
    )
}

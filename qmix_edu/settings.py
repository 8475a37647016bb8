"""Settings of a training run, and those that suit each kind of environment."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from qmix_edu.exploration import LinearEpsilon
from qmix_edu.learner import LearnerSettings


@dataclass(frozen=True)
class TrainSettings:
    """How experience is gathered and used. A round plays one episode in each of the ``n_envs`` environments.

    ``epsilon_steps``, ``log_interval`` and ``eval_interval`` are counted in environment steps.
    """

    n_envs: int = 32
    updates_per_round: int = 8
    batch_size: int = 32
    buffer_episodes: int = 5000
    buffer_bytes: int = 2**31
    epsilon_start: float = 1.0
    epsilon_finish: float = 0.05
    epsilon_steps: int = 100_000
    log_interval: int = 5_000
    eval_interval: int = 25_000
    eval_episodes: int = 128

    def __post_init__(self) -> None:
        for field in fields(self):
            value, least = getattr(self, field.name), 0 if "epsilon_" in field.name else 1
            if not value >= least:  # NaN is not
                raise ValueError(f"{field.name} is {value}; it must be {least} or more.")
        if max(self.epsilon_start, self.epsilon_finish) > 1:
            raise ValueError(f"epsilon goes from {self.epsilon_start} to {self.epsilon_finish}; 1 is the most.")
        if self.batch_size > self.buffer_episodes:
            raise ValueError(
                f"batch_size is {self.batch_size}; it must be {self.buffer_episodes} or less, as buffer_episodes is."
            )

    @property
    def epsilon(self) -> LinearEpsilon:
        """The exploration schedule."""
        return LinearEpsilon(self.epsilon_start, self.epsilon_finish, max(1, self.epsilon_steps))


@dataclass(frozen=True)
class _Preset:
    learner: LearnerSettings
    train: TrainSettings
    steps: int


_SMALL_GAME = _Preset(
    LearnerSettings(td_lambda=0.0, learning_rate=2e-3),
    TrainSettings(epsilon_finish=1.0, epsilon_steps=10_000, log_interval=500, eval_interval=2_000, eval_episodes=32),
    steps=20_000,
)
# VDN cannot fit the table 2B, so every batch pulls at it: large batches and small steps keep its values within .1.
_TWO_STEP = _Preset(
    LearnerSettings(td_lambda=0.0, learning_rate=5e-4, target_interval=100),
    TrainSettings(
        n_envs=128,
        batch_size=256,
        buffer_episodes=40_000,
        epsilon_finish=1.0,
        epsilon_steps=40_000,
        log_interval=2_000,
        eval_interval=20_000,
        eval_episodes=128,
    ),
    steps=80_000,
)
_SMAX = _Preset(LearnerSettings(reward_scale=10.0), TrainSettings(), steps=300_000)
_SMAC = _Preset(
    LearnerSettings(),
    TrainSettings(n_envs=1, updates_per_round=1, log_interval=2_000, eval_episodes=32),
    steps=2_000_000,
)
_GRIDWORLD = _Preset(
    LearnerSettings(gamma=0.9, td_lambda=0.0, learning_rate=1e-3, reward_scale=0.1, target_interval=100),
    TrainSettings(n_envs=16, updates_per_round=16, epsilon_steps=20_000, eval_interval=10_000, eval_episodes=64),
    steps=30_000,
)
# Environments written in Python are slow to play, so more is learnt from each episode.
_OTHERS = _Preset(
    LearnerSettings(gamma=0.9, learning_rate=1e-3),
    TrainSettings(updates_per_round=32, epsilon_steps=15_000, eval_interval=10_000, eval_episodes=32),
    steps=30_000,
)
_PRESETS = {
    "matrix": _SMALL_GAME,
    "two-step": _TWO_STEP,
    "gridworld": _GRIDWORLD,
    "smax": _SMAX,
    "smac": _SMAC,
    "smacv2": _SMAC,
    "pettingzoo": _OTHERS,
    "gymnasium": _OTHERS,
}

# What an algorithm cannot do without, whatever the environment. An on-policy learner explores by its policy, and
# epsilon is only the floor under it; those that ask how others explore, or that forgive it, need exploration to end.
_ON_POLICY = {"epsilon_start": 0.5, "epsilon_finish": 0.02}
_ENDS = {"epsilon_finish": 0.05}
_TRAIN_CHANGES: dict[str, dict[str, float]] = {
    "coma": _ON_POLICY,
    "iac": _ON_POLICY,
    "lenient": _ENDS,
    "nui": _ENDS,
    "likelihood_quantile": _ENDS,
    "fingerprint_iql": _ENDS,
    "importance_iql": _ENDS,
}
_LEARNER_CHANGES: dict[str, dict[str, float]] = {"coma": {"td_lambda": 0.8}, "iac": {"td_lambda": 0.8}}


def learner_settings(env_name: str, algorithm: str = "") -> LearnerSettings:
    """Return the learner's settings that suit an environment, and the algorithm if it has needs of its own."""
    return replace(_preset(env_name).learner, **_LEARNER_CHANGES.get(algorithm, {}))


def train_settings(env_name: str, algorithm: str = "") -> TrainSettings:
    """Return the training settings that suit an environment, and the algorithm if it has needs of its own.

    The small games are explored uniformly to the end, so that the data do not depend on what was learnt; on-policy and
    lenient learners, whose data must depend on it, let epsilon fall there too.
    """
    return replace(_preset(env_name).train, **_TRAIN_CHANGES.get(algorithm, {}))


def default_steps(env_name: str) -> int:
    """Return how many environment steps a run takes unless told otherwise."""
    return _preset(env_name).steps


def _preset(env_name: str) -> _Preset:
    return _PRESETS.get(env_name.partition("/")[0], _SMAX)

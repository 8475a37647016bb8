"""Settings of a training run, and those that suit each kind of environment."""

from __future__ import annotations

from dataclasses import dataclass, fields

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
    TrainSettings(epsilon_finish=1.0, log_interval=500, eval_interval=2_000, eval_episodes=32),
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
_PRESETS = {"matrix": _SMALL_GAME, "two-step": _TWO_STEP, "smax": _SMAX, "smac": _SMAC}


def learner_settings(env_name: str) -> LearnerSettings:
    """Return the learner's settings that suit an environment."""
    return _preset(env_name).learner


def train_settings(env_name: str) -> TrainSettings:
    """Return the training settings that suit an environment.

    The small games are explored uniformly to the end, so that the data do not depend on what was learnt.
    """
    return _preset(env_name).train


def default_steps(env_name: str) -> int:
    """Return how many environment steps a run takes unless told otherwise."""
    return _preset(env_name).steps


def _preset(env_name: str) -> _Preset:
    return _PRESETS.get(env_name.partition("/")[0], _SMAX)

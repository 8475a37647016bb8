"""A course and a small library on cooperative agents that share one value function."""

from qmix_edu import algorithms
from qmix_edu.envs import env_names, make_env
from qmix_edu.evaluate import evaluate, wilson_interval
from qmix_edu.settings import TrainSettings, train_settings
from qmix_edu.train import train

__all__ = [
    "TrainSettings",
    "algorithms",
    "env_names",
    "evaluate",
    "make_env",
    "train",
    "train_settings",
    "wilson_interval",
]

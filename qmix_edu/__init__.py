"""A course and a small library on cooperative agents that share one value function.

``train``, ``evaluate`` and ``gradient_fit`` are the functions of the modules that bear their names.
"""

from matrix_games import wilson_interval
from qmix_edu import algorithms
from qmix_edu.envs import env_names, make_env
from qmix_edu.evaluate import evaluate
from qmix_edu.gradient_fit import GradientFit, gradient_fit, gradient_fits
from qmix_edu.learner import Learner, LearnerSettings
from qmix_edu.settings import TrainSettings, learner_settings, train_settings
from qmix_edu.train import train

__all__ = [
    "GradientFit",
    "Learner",
    "LearnerSettings",
    "TrainSettings",
    "algorithms",
    "env_names",
    "evaluate",
    "gradient_fit",
    "gradient_fits",
    "learner_settings",
    "make_env",
    "train",
    "train_settings",
    "wilson_interval",
]

"""Interactive pictures for notebooks: a Python class beside the JavaScript that computes and draws."""

from qmix_edu.widgets.battle_viewer import BattleViewer
from qmix_edu.widgets.ladder import LadderExplorer
from qmix_edu.widgets.landscape import LandscapeExplorer, mixer_parameters, q_tot_surface
from qmix_edu.widgets.learning import LearningExplorer
from qmix_edu.widgets.payoff import PayoffExplorer
from qmix_edu.widgets.training import TrainingViewer

__all__ = [
    "BattleViewer",
    "LadderExplorer",
    "LandscapeExplorer",
    "LearningExplorer",
    "PayoffExplorer",
    "TrainingViewer",
    "mixer_parameters",
    "q_tot_surface",
]

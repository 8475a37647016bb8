"""Cooperative matrix games and the exact best fit of every value class."""

from matrix_games.factorisation import (
    Fit,
    additive_fit,
    greedy_of,
    is_additive,
    is_igm,
    is_monotone,
    is_supermodular,
    monotone_fit,
    supermodular_fit,
)
from matrix_games.games import (
    Catalogue,
    MatrixGame,
    UnknownGameError,
    catalogue,
    gaussian_game,
    integer_game,
    penalty,
    platonia_like,
    uniform_game,
)

__all__ = [
    "Catalogue",
    "Fit",
    "MatrixGame",
    "UnknownGameError",
    "additive_fit",
    "catalogue",
    "gaussian_game",
    "greedy_of",
    "integer_game",
    "is_additive",
    "is_igm",
    "is_monotone",
    "is_supermodular",
    "monotone_fit",
    "penalty",
    "platonia_like",
    "supermodular_fit",
    "uniform_game",
]

"""Loss weights: how much each squared TD error counts.

A weight looks at both sides of every TD error and returns one number for each, of their shape [b, t, m]. A new weight
is a new function; one with a parameter is a function that returns one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from qmix_edu.episodes import EpisodeBatch


@dataclass(frozen=True)
class Errors:
    """The two sides of the TD errors ``targets - values``, and what they were made from; nothing has a gradient.

    ``utilities`` are those of the online network, for every action of every observation.
    """

    values: Float[Tensor, "b t m"]
    targets: Float[Tensor, "b t m"]
    utilities: Float[Tensor, "b t1 n a"]
    batch: EpisodeBatch


LossWeight = Callable[[Errors], Tensor]


def equal(errors: Errors) -> Float[Tensor, "b t m"]:
    """Every error counts once: ``w = 1``."""
    return torch.ones_like(errors.values)


def optimistic(alpha: float) -> LossWeight:
    """``w = 1`` where the target is above the value, and alpha elsewhere.

    Source: Rashid et al. (2020), "Weighted QMIX" (OW).
    """

    def weights(errors: Errors) -> Float[Tensor, "b t m"]:
        return torch.where(errors.targets > errors.values, 1.0, alpha)

    return weights

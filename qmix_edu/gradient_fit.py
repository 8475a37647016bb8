"""What gradient descent makes of one payoff table: the counterpart of the exact fits in ``matrix_games``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from matrix_games import MatrixGame
from matrix_games.factorisation import checked_weights
from qmix_edu.mixers import QMixer

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class GradientFit:
    """The fits of k independent seeds, in the game's own action labels.

    ``tables`` [k, m_1, ..., m_n] is Q_tot of every joint action, ``mse`` [k] its weighted mean squared error,
    ``utilities`` one array [k, m_a] per agent, ``greedy`` [k, n] the joint action that the agents choose, each by its
    own utilities, and ``greedy_payoff`` [k] what it pays.
    """

    tables: FloatArray
    mse: FloatArray
    utilities: tuple[FloatArray, ...]
    greedy: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    greedy_payoff: FloatArray


class _FactoredTable(nn.Module):
    """Utilities as free numbers, and a mixer that sees a constant state of 1."""

    def __init__(self, n_actions: tuple[int, ...], mixer: nn.Module):
        super().__init__()
        self.utilities = nn.ParameterList([nn.Parameter(0.1 * torch.randn(m)) for m in n_actions])
        self.mixer = mixer

    def forward(self) -> Float[Tensor, " j"]:
        """Return Q_tot of all joint actions, the last agent's action running fastest."""
        q = torch.cartesian_prod(*self.utilities).reshape(-1, len(self.utilities))  # [j, n]
        return self.mixer(q, torch.ones(len(q), 1)).squeeze(-1)


def gradient_fit(
    game: MatrixGame,
    mixer: Callable[[int, int], nn.Module] = QMixer,
    *,
    weights: ArrayLike | None = None,
    seeds: int = 20,
    steps: int = 3000,
    learning_rate: float = 1e-2,
    first_seed: int = 0,
) -> GradientFit:
    """Minimise ``sum_u w(u) (R(u) - Q_tot(u))^2 / sum_u w(u)`` by Adam, over all joint actions at once.

    ``mixer(n_agents, state_size)`` makes the mixer. The utilities are free numbers, so what is left of the error is the
    mixer's doing, or the descent's. All seeds run side by side, each with the action labels shuffled in a way of its
    own (index 0 is the optimum of several games, and an argmax breaks ties in its favour).

    ``weights`` are positive and have the payoff's shape; equal by default. ``learning_rate`` falls to 0 along a
    cosine, so that Adam settles.

    Differs from: training through an environment, where the data are drawn at random.

    Raises:
        ValueError: ``game`` is no MatrixGame, the weights do not fit it, or there is less than one seed or step.

    """
    if not isinstance(cast(object, game), MatrixGame):
        raise ValueError(f"game is of type {type(game).__name__}, expected a MatrixGame, as in catalogue['qtran'].")
    if seeds < 1 or steps < 1:
        raise ValueError(f"Asked for {seeds} seeds of {steps} steps; 1 is the least of each.")
    if not 0 < learning_rate < np.inf:
        raise ValueError(f"learning_rate is {learning_rate}; it must be above 0 and finite.")
    rng = np.random.default_rng(first_seed)
    orders = [[rng.permutation(m) for m in game.payoff.shape] for _ in range(seeds)]
    payoffs = _relabelled(game.payoff, orders).reshape(seeds, -1)
    shares = _relabelled(checked_weights(weights, game.payoff.shape), orders).reshape(seeds, -1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(first_seed)
        models = [_FactoredTable(game.payoff.shape, mixer(game.payoff.ndim, 1)) for _ in range(seeds)]
    parameters, buffers = stack_module_state(models)
    template = models[0]
    targets, w = torch.from_numpy(payoffs).float(), torch.from_numpy(shares).float()

    def q_tot(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        return functional_call(template, (parameters, buffers), ())

    optimiser = torch.optim.Adam(parameters.values(), lr=learning_rate, foreach=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        loss = (w * (targets - vmap(q_tot)(parameters, buffers)) ** 2).sum()  # the seeds do not touch each other
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        tables = vmap(q_tot)(parameters, buffers).double().numpy()
    utilities = [parameters[f"utilities.{i}"].detach().double().numpy() for i in range(game.payoff.ndim)]
    return _in_own_labels(game, tables, shares, utilities, orders)


def _relabelled(table: FloatArray, orders: list[list[np.ndarray]]) -> FloatArray:
    return np.stack([table[np.ix_(*order)] for order in orders])


def _in_own_labels(
    game: MatrixGame,
    tables: FloatArray,
    shares: FloatArray,
    utilities: list[FloatArray],
    orders: list[list[np.ndarray]],
) -> GradientFit:
    seeds, shape = len(orders), game.payoff.shape
    payoffs = _relabelled(game.payoff, orders).reshape(seeds, -1)
    mse = (shares * (payoffs - tables) ** 2).sum(axis=1)
    back = [[np.argsort(o) for o in order] for order in orders]
    own_tables = np.stack([t.reshape(shape)[np.ix_(*b)] for t, b in zip(tables, back, strict=True)])
    greedy = np.stack([[order[a][u[k].argmax()] for a, u in enumerate(utilities)] for k, order in enumerate(orders)])
    own_utilities = tuple(np.stack([u[k][back[k][a]] for k in range(seeds)]) for a, u in enumerate(utilities))
    return GradientFit(own_tables, mse, own_utilities, greedy, game.payoff[tuple(greedy.T)])

"""What gradient descent makes of one payoff table: the counterpart of the exact fits in ``matrix_games``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
        state = torch.ones(1)
        return vmap(lambda one: self.mixer(one, state))(q).squeeze(-1)  # the hypernetworks run once, not j times


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
    _common_shape([game])
    return gradient_fits(
        [game],
        mixer,
        weights=weights,
        seeds=seeds,
        steps=steps,
        learning_rate=learning_rate,
        first_seed=first_seed,
    )[0]


def gradient_fits(
    games: Sequence[MatrixGame],
    mixer: Callable[[int, int], nn.Module] = QMixer,
    *,
    weights: ArrayLike | None = None,
    seeds: int = 1,
    steps: int = 3000,
    learning_rate: float = 1e-2,
    first_seed: int = 0,
) -> tuple[GradientFit, ...]:
    """:func:`gradient_fit` of many games of one shape, side by side: hundreds take little longer than one.

    Every game has its own k seeds, and no game touches another. ``weights`` hold for all of them.

    Raises:
        ValueError: as for :func:`gradient_fit`, or there is no game, or two of them differ in shape.

    """
    shape = _common_shape(games)
    if seeds < 1 or steps < 1:
        raise ValueError(f"Asked for {seeds} seeds of {steps} steps; 1 is the least of each.")
    if not 0 < learning_rate < np.inf:
        raise ValueError(f"learning_rate is {learning_rate}; it must be above 0 and finite.")
    share = checked_weights(weights, shape)
    rng = np.random.default_rng(first_seed)
    orders = [[rng.permutation(m) for m in shape] for _ in range(len(games) * seeds)]  # the seeds of one game together
    payoffs = np.stack([games[i // seeds].payoff[np.ix_(*order)].ravel() for i, order in enumerate(orders)])
    shuffled = np.stack([share[np.ix_(*order)].ravel() for order in orders])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(first_seed)
        models = [_FactoredTable(shape, mixer(len(shape), 1)) for _ in orders]
    tables, utilities = _descend(models, payoffs, shuffled, steps, learning_rate)
    return tuple(
        _in_own_labels(game, share, tables[i : i + seeds], [u[i : i + seeds] for u in utilities], orders[i : i + seeds])
        for game, i in zip(games, range(0, len(orders), seeds), strict=True)
    )


def _common_shape(games: object) -> tuple[int, ...]:
    if not isinstance(games, Sequence) or not games:
        raise ValueError(f"games is {games!r}, expected at least one MatrixGame, as in [catalogue['qtran']].")
    for game in games:
        if not isinstance(game, MatrixGame):
            raise ValueError(f"game is of type {type(game).__name__}, expected a MatrixGame, as in catalogue['qtran'].")
    shapes = {game.payoff.shape for game in games}
    if len(shapes) > 1:
        raise ValueError(f"games have the shapes {', '.join(map(str, sorted(shapes)))}; fit each shape by itself.")
    return shapes.pop()


def _descend(
    models: Sequence[_FactoredTable], payoffs: FloatArray, shares: FloatArray, steps: int, learning_rate: float
) -> tuple[FloatArray, list[FloatArray]]:
    """Fit model i to ``payoffs[i]`` [j] under ``shares[i]``; return tables [i, j] and utilities [i, m_a] per agent."""
    parameters, buffers = stack_module_state(list(models))
    targets, w = torch.from_numpy(payoffs).float(), torch.from_numpy(shares).float()

    def q_tot(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        return functional_call(models[0], (parameters, buffers), ())

    optimiser = torch.optim.Adam(parameters.values(), lr=learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        loss = (w * (targets - vmap(q_tot)(parameters, buffers)) ** 2).sum()  # the models do not touch each other
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        tables = vmap(q_tot)(parameters, buffers).double().numpy()
    agents = range(len(models[0].utilities))
    return tables, [parameters[f"utilities.{a}"].detach().double().numpy() for a in agents]


def _in_own_labels(
    game: MatrixGame,
    share: FloatArray,
    tables: FloatArray,
    utilities: Sequence[FloatArray],
    orders: list[list[np.ndarray]],
) -> GradientFit:
    """Undo the shuffles of a game's seeds: ``tables`` [k, j] and ``utilities`` [k, m_a] of each agent."""
    shape = game.payoff.shape
    back = [[np.argsort(labels) for labels in order] for order in orders]
    own = np.stack([table.reshape(shape)[np.ix_(*b)] for table, b in zip(tables, back, strict=True)])
    own_utilities = tuple(np.stack([u[k][b[a]] for k, b in enumerate(back)]) for a, u in enumerate(utilities))
    mse = (share * (game.payoff - own) ** 2).reshape(len(own), -1).sum(axis=1)
    greedy = np.stack([[order[a][u[k].argmax()] for a, u in enumerate(utilities)] for k, order in enumerate(orders)])
    return GradientFit(own, mse, own_utilities, greedy, game.payoff[tuple(greedy.T)])

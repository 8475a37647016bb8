"""The tables of docs/results.md on exact fits, random games and trained mixers; `tables.py` makes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matrix_games import (
    Fit,
    MatrixGame,
    PayoffLaw,
    additive_fit,
    additive_optimal_share_2x2,
    additive_regret_2x2,
    catalogue,
    explained_variance,
    gaussian_payoffs,
    integer_payoffs,
    monotone_fit,
    monotone_fraction,
    study_random_games,
    supermodular_fit,
    uniform_payoffs,
)
from matrix_games.random_games import standard_error
from qmix_edu import gradient_fit, gradient_fits
from qmix_edu.mixers import QMixer

torch.set_num_threads(1)
LETTERS = "abcdefgh"
CLASSES = ("additive", "supermodular", "monotone")


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def pm(value: float, error: float, digits: int = 4) -> str:
    """Return a value and its standard error."""
    return f"{value:.{digits}f} ± {error:.{digits}f}"


# --- the catalogue --------------------------------------------------------------------------------


def catalogue_fits() -> str:
    """Losses and greedy joint actions of the catalogue's games by class, beside trained mixers."""
    header = ["game", *CLASSES, "trained QMIX: best MSE of 20 seeds", "payoffs of its greedy actions (seeds)"]
    rows = []
    for name, game in catalogue.items():
        if game.outcomes is not None:
            continue  # the table of the means is in the list already
        fits = [fit(game) for fit in (additive_fit, supermodular_fit, monotone_fit)]
        trained = gradient_fit(game, seeds=20)
        ends = Counter(f"{payoff:g}" for payoff in trained.greedy_payoff)
        paid = ", ".join(f"{payoff} ({seeds})" for payoff, seeds in ends.most_common())
        rows.append([name, *(loss_and_greedy(game, fit) for fit in fits), f"{trained.mse.min():.3f}", paid])
    return markdown(header, rows)


def loss_and_greedy(game: MatrixGame, fit: Fit) -> str:
    """Return the MSE, and each greedy joint action with what it pays."""
    choices = [f"{''.join(LETTERS[a] for a in joint)} {game.payoff[joint]:g}" for joint in fit.greedy]
    return f"{fit.mse:.3f}: {', '.join(choices) if len(choices) <= 4 else f'{len(choices)} joint actions'}"


# --- shares ---------------------------------------------------------------------------------------


def monotone_shares() -> str:
    """How many random games are monotone: counted exactly, and drawn."""
    rows = []
    for shape in [(2, 2), (2, 3), (3, 3), (2, 2, 2), (4, 4), (2, 2, 2, 2), (5, 5)]:
        exact = monotone_fraction(shape)
        fraction = f"{exact.numerator}/{exact.denominator}" if exact.denominator < 10**8 else ""
        drawn = "-"
        if exact > 1e-3:
            study = study_random_games(uniform_payoffs, shape, 100_000, np.random.default_rng(1), ("monotone",))
            drawn = share_and_error(study["monotone"].representable)
        rows.append(["x".join(map(str, shape)), fraction, f"{float(exact):.3g}", drawn])
    return markdown(["actions", "closed form", "", "of 100,000 games"], rows)


def integer_shares() -> str:
    """How many 3x3 games with integer payoffs are in each class."""
    rows = []
    for levels in (2, 3, 5, 10):
        study = study_random_games(integer_payoffs(levels), (3, 3), 20_000, np.random.default_rng(levels), CLASSES)
        rows.append([f"0 to {levels - 1}", *(share_and_error(study[name].representable) for name in CLASSES)])
    return markdown(["payoffs", *CLASSES], rows)


def share_and_error(members: np.ndarray) -> str:
    """Return a share and its binomial standard error."""
    share = members.mean()
    return pm(share, np.sqrt(share * (1 - share) / len(members)), 5)


# --- random games ---------------------------------------------------------------------------------


def random_games(law: PayoffLaw) -> str:
    """Regret, optimal choices and explained variance of each class in games of two agents."""
    rows = []
    for size, games in [(2, 10_000), (3, 10_000), (4, 10_000), (5, 1_000)]:
        study = study_random_games(law, (size, size), games, np.random.default_rng([7, size]))
        random = pm(study.random_regret.mean(), standard_error(study.random_regret))
        rows.append([f"{size}x{size}", f"{games:,}", "random choice", random, f"{size**-2:.3f}", ""])
        for name, one in study.items():
            regret, best = pm(one.mean_regret, one.regret_error), pm(one.optimal_share, one.optimal_error, 3)
            rows.append(["", "", name, regret, best, f"{one.explained_variance:.3f}"])
    return markdown(["actions", "games", "who chooses", "regret", "share of optimal choices", "R^2"], rows)


def closed_forms() -> str:
    """What is known of additive tables without drawing a game."""
    explained = [f"R^2 at {m}x{m}: {explained_variance((m, m))}" for m in (2, 3, 4, 5)]
    return markdown(
        ["additive tables, two agents", ""],
        [
            ["2x2, share of optimal choices, every symmetric continuous law", str(additive_optimal_share_2x2())],
            ["2x2, regret, payoffs uniform on [0, 1]", str(additive_regret_2x2())],
            ["R^2, every law", "; ".join(explained)],
        ],
    )


class OneStateMixer(nn.Module):
    """QMIX's mixer where there is one state: what the hypernetworks would say are free numbers, which is far cheaper.

    They start at what new hypernetworks say.
    """

    def __init__(self, n_agents: int, state_size: int):
        super().__init__()
        raw = QMixer(n_agents, state_size).raw_parameters(torch.ones(state_size))
        self.w1, self.b1, self.w2, self.v = (nn.Parameter(raw[name].detach()) for name in ("w1", "b1", "w2", "v"))

    def forward(self, q: Tensor, state: Tensor) -> Tensor:
        """Return Q_tot [*b, 1] of utilities [*b, n]."""
        hidden = F.elu(q @ self.w1.abs() + self.b1)
        return (hidden @ self.w2.abs() + self.v).unsqueeze(-1)


def trained_mixers(law: PayoffLaw, games: int = 300) -> str:
    """Mixers trained on random games, beside the exact fits of the same games."""
    rows = []
    for size in (2, 3, 4, 5):
        study = study_random_games(law, (size, size), games, np.random.default_rng([11, size]))
        drawn = [MatrixGame("random", payoff, "drawn here") for payoff in study.payoffs]
        trained = gradient_fits(drawn, OneStateMixer, steps=5000, first_seed=11)
        regret = study.payoffs.reshape(games, -1).max(axis=1) - [fit.greedy_payoff[0] for fit in trained]
        gain = study["additive"].regret - regret
        left = sum(fit.mse[0] for fit in trained) / study["additive"].variance.sum()
        rows.append(
            [
                f"{size}x{size}",
                pm(regret.mean(), standard_error(regret), 3),
                *(pm(study[name].mean_regret, study[name].regret_error, 3) for name in CLASSES),
                pm(gain.mean(), standard_error(gain), 3),
                f"{1 - left:.3f} ({', '.join(f'{study[name].explained_variance:.3f}' for name in CLASSES)})",
            ]
        )
    header = ["actions", "trained QMIX", *CLASSES, "additive minus trained, game by game", "R^2 trained (exact)"]
    return markdown(header, rows)


TABLES: dict[str, Callable[[], str]] = {
    "catalogue-fits": catalogue_fits,
    "monotone-shares": monotone_shares,
    "integer-shares": integer_shares,
    "closed-forms": closed_forms,
    "random-games-uniform": partial(random_games, uniform_payoffs),
    "random-games-gaussian": partial(random_games, gaussian_payoffs),
    "trained-mixers-uniform": partial(trained_mixers, uniform_payoffs),
    "trained-mixers-gaussian": partial(trained_mixers, gaussian_payoffs),
}

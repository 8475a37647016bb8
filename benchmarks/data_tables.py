"""What the data do to a fit: tables for docs/results.md, made again by `python benchmarks/tables.py NAME`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from matrix_games import (
    Sampling,
    additive_fit,
    alpha_of_recovery,
    catalogue,
    central_fit,
    cones,
    fixed_points,
    iql_fit,
    largest_stable_epsilon,
    monotone_fit,
    optimistic_fit,
    stability,
)
from matrix_games.sampling import FitRule

A, B, C = 0, 1, 2
RATES = (1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def named(joint: Sequence[int]) -> str:
    """Return (a, b) for (0, 1)."""
    return f"({', '.join('abc'[action] for action in joint)})"


def borders() -> str:
    """The local minimum with a at the bottom, and the exact fit, as data go from uniform to greedy around (b, b)."""
    payoff = catalogue["qtran"].payoff
    rows = []
    for rate in (1.0, 0.9, 0.8, 0.5, 0.1, 0.05):
        p = Sampling.epsilon_greedy(payoff.shape, (B, B), rate).probabilities
        local = cones.isotonic(payoff.reshape(1, -1), p.reshape(1, -1), payoff.shape).reshape(payoff.shape)
        border = np.array([local[A, A], local[A, B], local[B, A], local[A, C], local[C, A]])
        block = local[B:, B:]
        assert np.ptp(border) < 1e-9 and np.ptp(block) < 1e-9, "all border cells are equal, and all block cells"
        exact = monotone_fit(payoff, p)
        greedy = " ".join(named(joint) for joint in exact.greedy)
        losses = f"{float((p * (payoff - local) ** 2).sum()):.3f}", f"{exact.mse:.3f}"
        rows.append([f"{rate:g}", f"{border[0]:.2f}", f"{block[0, 0] + 0.0:.2f}", *losses, greedy])
    return markdown(["epsilon", "border", "block", "its MSE", "MSE of the exact fit", "greedy in the exact fit"], rows)


def points(name: str, method: FitRule, rate: float) -> str:
    """Fixed points in words; a star marks those that tie with others."""
    payoff = catalogue[name].payoff
    found = fixed_points(payoff, rate, method)
    stars = ["*" if stability(payoff, joint, rate, method) == "tied" else "" for joint in found]
    return " ".join(named(joint) + star for joint, star in zip(found, stars, strict=True)) or "none"


def fixed() -> str:
    """Fixed points of IQL, VDN and the exact projection of QMIX by epsilon, each under data around itself."""
    rows = []
    for name in ("qtran", "climbing", "penalty-10"):
        for rate in RATES:
            iql, vdn = points(name, iql_fit, rate), points(name, additive_fit, rate)
            assert iql == vdn, "under independent exploration VDN chooses as IQL does"
            rows.append([name, f"{rate:g}", iql, points(name, monotone_fit, rate)])
    return markdown(["game", "epsilon", "IQL and VDN", "exact monotone fit (QMIX)"], rows)


def stable() -> str:
    """The largest epsilon at which a joint action is a fixed point of IQL and VDN, where it is above 0."""
    rows = []
    for name in ("qtran", "climbing", "penalty-10", "penalty-100", "mg1", "mg3"):
        game = catalogue[name]
        largest = {joint: largest_stable_epsilon(game, joint) for joint in np.ndindex(game.payoff.shape)}
        for joint, epsilon in largest.items():
            if epsilon:
                optimal = "yes" if joint in game.optimum else ""
                rows.append([name, named(joint), f"{game.payoff[joint]:g}", optimal, f"{epsilon:.4f}"])
    return markdown(["game", "joint action", "payoff", "optimal", "largest epsilon"], rows)


def recovery() -> str:
    """Whether the optimum is greedy, tied or lost under central and optimistic weights, as alpha goes to 1."""
    rows = []
    for name in ("qtran", "mg1", "mg3", "climbing", "penalty-10", "penalty-100"):
        cells = []
        for projection in (central_fit, optimistic_fit):
            pieces = alpha_of_recovery(catalogue[name], projection).pieces
            ends = [f"{standing} up to {high:.4f}" for _, high, standing in pieces[:-1]]
            cells.append(", ".join([*ends, f"{pieces[-1][2]} up to 1"]))
        rows.append([name, *cells])
    return markdown(["game", "central (CW)", "optimistic (OW)"], rows)


TABLES: dict[str, Callable[[], str]] = {
    "data-border": borders,
    "data-fixed-points": fixed,
    "data-stable-epsilon": stable,
    "data-recovery": recovery,
}

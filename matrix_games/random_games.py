"""Random games: what the best table of each class loses and where it leads, measured and in closed form.

A study draws many games with independent payoffs, fits each exactly under equal weights, and lets decentralised
greedy agents choose by the fit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import factorial, prod
from typing import cast

import numpy as np
from numpy.typing import NDArray

from matrix_games.cones import upper_sets
from matrix_games.games import Array, as_table, checked_shape
from matrix_games.orders import MONOTONE, SAME, SUPERMODULAR, UnionOfCones, search, searchable

PayoffLaw = Callable[[tuple[int, ...], np.random.Generator], Array]
"""Draws independent payoffs of a shape; :func:`uniform_payoffs` is one."""

_OPTIMAL = 1e-12  # of the payoffs' range: ties of the optimum
_REPRESENTED = 1e-9  # of the payoffs' range: a game and its fit are one table
_MOST_PAYOFFS = 10_000_000
_CHUNK = 2_000_000  # orders considered together, in all games
_MOST_CELLS = 10_000


# --- laws -----------------------------------------------------------------------------------------


def uniform_payoffs(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Payoffs uniform on [0, 1)."""
    return rng.random(shape)


def gaussian_payoffs(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Standard normal payoffs."""
    return rng.standard_normal(shape)


def integer_payoffs(levels: int) -> PayoffLaw:
    """The law of payoffs uniform on ``0 .. levels - 1``, so with ties.

    Raises:
        ValueError: ``levels`` is no integer from 1 to 2^53.
    """
    if not _is_whole(levels, 1, 2**53):
        raise ValueError(f"levels is {levels!r}, expected an integer from 1 to 2^53, as in integer_payoffs(3).")

    def draw(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return rng.integers(levels, size=shape).astype(np.float64)

    return draw


# --- a study --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ClassStudy:
    """The best tables of one class in g games; arrays are ``[g]``.

    Attributes:
        mse: the loss of the best tables.
        variance: the variance of the game's payoffs, the loss of the best constant.
        representable: whether the game is a table of the class (within 1e-9 of the payoffs' range).
        regret: the highest payoff minus what the greedy joint actions pay on average, over all of them and over
            all optimal tables: agents that break ties at random.
        optimal: the share of the greedy joint actions that pay the most.
    """

    mse: Array
    variance: Array
    representable: NDArray[np.bool_]
    regret: Array
    optimal: Array

    @property
    def representable_share(self) -> float:
        """The share of games that the class holds exactly."""
        return float(self.representable.mean())

    @property
    def mean_regret(self) -> float:
        """The mean regret."""
        return float(self.regret.mean())

    @property
    def regret_error(self) -> float:
        """The standard error of :attr:`mean_regret`."""
        return standard_error(self.regret)

    @property
    def optimal_share(self) -> float:
        """How often greedy agents choose an optimum."""
        return float(self.optimal.mean())

    @property
    def optimal_error(self) -> float:
        """The standard error of :attr:`optimal_share`."""
        return standard_error(self.optimal)

    @property
    def explained_variance(self) -> float:
        """``R^2 = 1 - sum of mse / sum of variance`` over the games; 1 where no payoff varies."""
        largest = float(self.variance.max()) or 1.0  # sums of squares could overflow
        total = float((self.variance / largest).sum())
        return 1 - float((self.mse / largest).sum()) / total if total > 0 else 1.0


@dataclass(frozen=True, eq=False)
class RandomGameStudy(Mapping[str, ClassStudy]):
    """Random games and what each class makes of them: ``study["monotone"].mean_regret``.

    Attributes:
        payoffs: the games, ``[g, m_1, ..., m_n]``.
        classes: the studies by the name of the class.
        random_regret: ``[g]``, the regret of agents that choose uniformly at random.
    """

    payoffs: Array
    classes: dict[str, ClassStudy]
    random_regret: Array

    def __getitem__(self, name: str) -> ClassStudy:
        return self.classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.classes)

    def __len__(self) -> int:
        return len(self.classes)


def standard_error(sample: Array) -> float:
    """Standard error of the mean of a sample ``[k]``, ``k >= 2``: ``s / sqrt(k)``."""
    return float(sample.std(ddof=1) / np.sqrt(len(sample)))


def study_random_games(
    law: PayoffLaw,
    n_actions: Sequence[int],
    games: int,
    rng: np.random.Generator,
    classes: Sequence[str] = ("additive", "supermodular", "monotone"),
) -> RandomGameStudy:
    """Draw games, fit each by the best tables of every class under equal weights, and let greedy agents choose.

    Game by game the result is that of :func:`additive_fit`, :func:`supermodular_fit` and :func:`monotone_fit`;
    here thousands of games are searched together.

    Args:
        law: draws the payoffs, for example :func:`uniform_payoffs` or ``integer_payoffs(3)``.
        n_actions: the number of actions of each agent.
        games: how many games; at least 2, for a standard error needs two.
        rng: the same seed gives the same study.
        classes: some of "additive", "supermodular" and "monotone".

    Raises:
        ValueError: an argument is of another kind or out of its range; the games are too large for the exact
            search (see :func:`monotone_fit`); or the law gives something else than finite payoffs of that shape
            that can be squared.
    """
    shape = checked_shape(n_actions, rng)
    _check(law, shape, games, classes)
    payoffs = _drawn(law, (games, *shape), rng)
    low, high = (extreme(payoffs.reshape(games, -1), axis=1) for extreme in (np.min, np.max))
    span = high - low
    units = (payoffs - _column(low + span / 2, payoffs)) / _column(np.where(span > 0, span, 1.0), payoffs)
    studies = {name: _class_study(units, span, _FITS[name]) for name in classes}
    return RandomGameStudy(payoffs, studies, high - payoffs.reshape(games, -1).mean(axis=1))


Fitted = tuple[Array, Array, NDArray[np.intp], Array]
"""Losses ``[g]``, one best table of each game, and all best tables: the game ``[k]`` and the table of each."""


def _class_study(units: Array, span: Array, fit: Callable[[Array], Fitted]) -> ClassStudy:
    """Fit games whose payoffs lie in [-1/2, 1/2], and measure in units of their own."""
    losses, one, game, tables = fit(units)
    greedy = np.zeros(units.shape, dtype=np.bool_)
    np.logical_or.at(greedy, game, _greedy(np.round(tables, 14)))
    cells, chosen = units.reshape(len(units), -1), greedy.reshape(len(units), -1)
    highest, count = cells.max(axis=1, keepdims=True), chosen.sum(axis=1)
    return ClassStudy(
        mse=losses * span**2,
        variance=cells.var(axis=1) * span**2,
        representable=np.abs(units - one).reshape(len(units), -1).max(axis=1) <= _REPRESENTED,
        regret=((highest - cells) * chosen).sum(axis=1) / count * span,
        optimal=(chosen & (cells >= highest - _OPTIMAL)).sum(axis=1) / count,
    )


def _additive(units: Array) -> Fitted:
    """The sum of the agents' mean payoffs, minus ``n - 1`` times the mean."""
    axes = tuple(range(1, units.ndim))
    marginals = [units.mean(axis=tuple(other for other in axes if other != axis), keepdims=True) for axis in axes]
    tables = np.sum(np.broadcast_arrays(*marginals), axis=0) - (len(axes) - 1) * units.mean(axis=axes, keepdims=True)
    return ((units - tables) ** 2).mean(axis=axes), tables, np.arange(len(units)), tables


def _ordered(units: Array, union: UnionOfCones) -> Fitted:
    """Best tables over all orders, chunk by chunk."""
    shape = tuple(size for size in units.shape[1:] if size > 1)
    flat = units.reshape(len(units), *shape)
    weight = np.full(flat.shape, 1 / prod(shape))
    size = max(1, min(2000, _CHUNK // prod(factorial(m) for m in shape)))
    found = [search(flat[i : i + size], weight[i : i + size], union) for i in range(0, len(flat), size)]
    game = np.concatenate([one.game + i * size for i, one in enumerate(found)])
    tables = np.concatenate([one.tables for one in found]).reshape(-1, *units.shape[1:])
    first = np.empty(len(flat), dtype=np.intp)
    first[game] = np.arange(len(game))
    return np.concatenate([one.losses for one in found]), tables[first], game, tables


_FITS: dict[str, Callable[[Array], Fitted]] = {
    "additive": _additive,
    "supermodular": lambda units: _ordered(units, SUPERMODULAR),
    "monotone": lambda units: _ordered(units, MONOTONE),
}


def _greedy(tables: Array) -> NDArray[np.bool_]:
    """Which joint actions ``[k, m_1, ..., m_n]`` decentralised greedy agents can choose, see :func:`greedy_of`."""
    chosen = np.ones(tables.shape, dtype=np.bool_)
    for agent in range(1, tables.ndim):
        others = tuple(axis for axis in range(1, tables.ndim) if axis != agent)
        chosen &= (tables >= tables.max(axis=agent, keepdims=True) - SAME).all(axis=others, keepdims=True)
    return chosen


def _column(numbers: Array, payoffs: Array) -> Array:
    return numbers.reshape(-1, *[1] * (payoffs.ndim - 1))


def _check(law: object, shape: tuple[int, ...], games: object, classes: object) -> None:
    if not callable(law):
        raise ValueError(f"law is {law!r}, expected a function that draws payoffs, as uniform_payoffs does.")
    if not _is_whole(games, 2, _MOST_PAYOFFS):
        raise ValueError(f"games is {games!r}, expected an integer from 2 to {_MOST_PAYOFFS:,}.")
    if cast(int, games) * prod(shape) > _MOST_PAYOFFS:
        raise ValueError(
            f"{games} games of shape {shape} have more than {_MOST_PAYOFFS:,} payoffs; take fewer or smaller games."
        )
    listed = isinstance(classes, Sequence) and not isinstance(classes, str) and len(classes) > 0
    if not listed or not all(isinstance(name, str) and name in _FITS for name in cast(Sequence[object], classes)):
        raise ValueError(f"classes is {classes!r}, expected some of {', '.join(_FITS)}, as in ('additive',).")
    if set(cast(Sequence[str], classes)) != {"additive"} and not searchable(tuple(size for size in shape if size > 1)):
        raise ValueError(f"games of shape {shape} have too many orders to search; take classes=('additive',).")


def _drawn(law: PayoffLaw, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    payoffs = as_table(law(shape, rng), "what the law drew")
    if payoffs.shape != shape:
        raise ValueError(f"the law drew payoffs of shape {payoffs.shape}, expected {shape}, the shape it was given.")
    flat = payoffs.reshape(shape[0], -1)
    large = bool(np.abs(flat).max() > 1e150)
    if large or any(0 < span < 1e-150 for span in flat.max(axis=1) - flat.min(axis=1)):
        raise ValueError("the law drew payoffs that cannot be squared in double precision; rescale them.")
    return payoffs


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and least <= int(value) <= most


# --- closed forms ---------------------------------------------------------------------------------


def monotone_fraction(n_actions: Sequence[int]) -> Fraction:
    """The share of games with independent continuous payoffs that are monotone, whatever the law.

    All ``(prod m_i)!`` rankings of the payoffs are equally likely. A ranking is monotone if it is a linear
    extension of the product order after the actions are renamed, in ``prod m_i!`` ways, of which no two give
    the same ranking: ``prod m_i! L / (prod m_i)!``. For two agents ``L = (m_1 m_2)! / prod of the hook lengths``
    ``h(i, j) = m_1 - i + m_2 - j - 1``; for more, L counts the ways to fill a table cell by cell through
    lower sets.

    Source: the hook length formula of Frame, Robinson and Thrall, Canadian Journal of Mathematics 6, 1954.

    Raises:
        ValueError: ``n_actions`` is not one positive integer for each agent, or there is too much to count.
    """
    shape = tuple(size for size in checked_shape(n_actions, np.random.default_rng()) if size > 1)
    if prod(shape) > _MOST_CELLS:
        raise ValueError(f"games of shape {shape} have more than {_MOST_CELLS:,} joint actions; take fewer actions.")
    if len(shape) > 2 and upper_sets(shape) is None:
        raise ValueError(f"games of shape {shape} have more than 8,000 upper sets to count by; take fewer actions.")
    renamed = prod(factorial(size) for size in shape)
    if len(shape) == 2:
        rows, columns = shape
        return Fraction(renamed, prod(rows - i + columns - j - 1 for i in range(rows) for j in range(columns)))
    extensions = _linear_extensions(shape) if len(shape) > 2 else 1
    return Fraction(renamed * extensions, factorial(prod(shape)))


def _linear_extensions(shape: tuple[int, ...]) -> int:
    """Orders in which a table can be filled, every cell after the cells below it."""
    cells = np.arange(prod(shape)).reshape(shape)
    below = [0] * cells.size  # of each cell its lower neighbours, as bits
    for axis in range(cells.ndim):
        for low, high in zip(np.delete(cells, -1, axis).flat, np.delete(cells, 0, axis).flat, strict=True):
            below[int(high)] |= 1 << int(low)
    ways = {0: 1}
    for _ in range(cells.size):
        larger: defaultdict[int, int] = defaultdict(int)
        for filled, count in ways.items():
            for cell, lower in enumerate(below):
                if not filled >> cell & 1 and filled & lower == lower:
                    larger[filled | 1 << cell] += count
        ways = larger
    return next(iter(ways.values()))


def explained_variance(n_actions: Sequence[int]) -> Fraction:
    """The share of the payoffs' variance that the best additive table explains, for independent payoffs.

    Around its mean a table has ``prod m_i - 1`` degrees of freedom, an additive one ``sum (m_i - 1)``, and
    independent payoffs put the same expected square on each: ``sum (m_i - 1) / (prod m_i - 1)``.

    Raises:
        ValueError: ``n_actions`` is not one positive integer for each agent, or there is one joint action only.
    """
    shape = checked_shape(n_actions, np.random.default_rng())
    if prod(shape) == 1:
        raise ValueError(f"a game of shape {shape} has a single payoff, so no variance; give an agent two actions.")
    return Fraction(sum(size - 1 for size in shape), prod(shape) - 1)


def additive_optimal_share_2x2() -> Fraction:
    """How often the best additive table leads to the optimum of a 2x2 game: 2/3 for every symmetric continuous law.

    With the payoffs sorted, ``g_1, g_2, g_3`` apart, it fails iff the two beside the maximum differ by more than
    the maximum and its opposite: never if the opposite is the lowest payoff, and iff ``g_1 > g_3`` if it is another.
    """
    opposite_is_another, lower_gap_is_larger = Fraction(2, 3), Fraction(1, 2)
    return 1 - opposite_is_another * lower_gap_is_larger


def additive_regret_2x2() -> Fraction:
    """The mean regret of the best additive table in 2x2 games, 1/15 for payoffs uniform on [0, 1].

    It fails as in :func:`additive_optimal_share_2x2` and then picks the higher neighbour of the maximum, at a cost of
    ``g_3`` (opposite second lowest) or ``g_2 + g_3``; four uniform payoffs leave gaps of mean 1/5, and
    ``E[g_3; g_1 > g_3] = E[min(g_1, g_3)] / 2 = 1/20``.
    """
    gap = Fraction(1, 5)
    second_lowest, second_highest = gap / 4, gap / 2 + gap / 4
    return Fraction(1, 3) * second_lowest + Fraction(1, 3) * second_highest

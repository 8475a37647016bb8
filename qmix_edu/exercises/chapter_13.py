"""Chapter 13, inside a trained QMIX: slopes of the mixer, influence, jumps at deaths, and a regret without luck.

Right answers in numpy, and the checks of the four exercises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .framework import Misconception, check, diagnose

CHAPTER = "13_inside_a_trained_qmix"
Array = NDArray[np.float64]
Mixer = Callable[[Array], Any]


def mixer_gradient(w1: Array, b1: Array, w2: Array, q: Array) -> Array:
    """Return ``dQ_tot/dQ_a = sum_e w1_ae w2_e ELU'(z_e)`` with ``z = q . w1 + b1``: w1 [n, E], b1 and w2 [E], q [n]."""
    return w1 @ (w2 * _slope(q @ w1 + b1))


def _slope(z: Array) -> Array:
    return np.where(z > 0, 1.0, np.exp(np.minimum(z, 0)))


def _elu(z: Array) -> Array:
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))


def _mixers(count: int = 20) -> list[tuple[Array, Array, Array, Array]]:
    """Draw mixers with hidden units on both sides of the bend."""
    rng = np.random.default_rng(13)
    sizes = [(int(rng.integers(2, 5)), int(rng.integers(5, 9))) for _ in range(count)]
    return [
        (np.abs(rng.normal(size=(n, e))), rng.normal(size=e), np.abs(rng.normal(size=e)), rng.normal(size=n))
        for n, e in sizes
    ]


@check(
    CHAPTER,
    hints=(
        "How fast does Q_tot grow when only Q_a grows a little? The chain rule goes through every hidden unit.",
        "z = q @ w1 + b1. Hidden unit e passes on w2[e] times the slope of ELU at z[e]: 1 above zero, exp(z[e]) below. "
        "Agent a reaches it through w1[a, e].",
        "One hidden unit with w1 = [[2], [3]], w2 = [5], b1 = [0]: with q = (1, 1) the answer is (10, 15); with "
        "q = (-1, 0) it is (10, 15) times exp(-2).",
    ),
)
def check_mixer_gradient(answer: Any) -> str:
    """The mixing weights dQ_tot/dQ_a of QMIX's network."""

    def z(w1: Array, b1: Array, q: Array) -> Array:
        return q @ w1 + b1

    models: list[tuple[str, str, Callable[..., Any], int]] = [
        (
            "the bend is left out",
            "you multiplied the weights as if the hidden layer were a straight line; ELU passes on less below zero.",
            lambda w1, b1, w2, q: w1 @ w2,
            2,
        ),
        (
            "ELU is no ReLU",
            "below zero you let nothing through; ELU's slope there is exp(z), and never zero.",
            lambda w1, b1, w2, q: w1 @ (w2 * (z(w1, b1, q) > 0)),
            2,
        ),
        (
            "ELU's slope above zero",
            "you used exp(z) on both sides; above zero ELU is the line z, and its slope is 1.",
            lambda w1, b1, w2, q: w1 @ (w2 * np.exp(z(w1, b1, q))),
            2,
        ),
        (
            "the value instead of the slope",
            "below zero you took exp(z) - 1, which is ELU's *value*; its slope there is exp(z).",
            lambda w1, b1, w2, q: w1 @ (w2 * np.where(z(w1, b1, q) > 0, 1, np.exp(z(w1, b1, q)) - 1)),
            2,
        ),
        (
            "the slope, not the share",
            "you multiplied the slopes by the utilities; asked is how fast Q_tot grows with each, whatever it is now.",
            lambda w1, b1, w2, q: q * mixer_gradient(w1, b1, w2, q),
            1,
        ),
        (
            "one number for the team",
            "you added the agents' slopes up; asked is one number for each of them.",
            lambda w1, b1, w2, q: mixer_gradient(w1, b1, w2, q).sum(),
            2,
        ),
        (
            "the value instead of the slope",
            "you multiplied with ELU(z), what the unit says; asked is how fast it changes.",
            lambda w1, b1, w2, q: w1 @ (w2 * _elu(z(w1, b1, q))),
            1,
        ),
        (
            "the outer weights are missing",
            "you stopped at the hidden layer; each unit reaches Q_tot through w2.",
            lambda w1, b1, w2, q: w1 @ _slope(z(w1, b1, q)),
            2,
        ),
        (
            "the bias is missing",
            "you left out b1: it tilts nothing by itself, but it decides on which side of the bend a unit is.",
            lambda w1, b1, w2, q: w1 @ (w2 * _slope(q @ w1)),
            2,
        ),
        (
            "summed over the wrong axis",
            "you have one number for each hidden unit; asked is one for each agent, summed over the units.",
            lambda w1, b1, w2, q: (w1 * (w2 * _slope(z(w1, b1, q)))).sum(axis=0),
            2,
        ),
    ]
    diagnose(
        answer,
        _mixers(),
        right=mixer_gradient,
        misconceptions=[Misconception(name, sentence, model, hint) for name, sentence, model, hint in models],
    )
    return "these are the mixer's weights. All of |w1|, |w2| and ELU' are above zero, hence monotone."


def influence(q_tot: Mixer, utilities: Array, avail_actions: NDArray[np.bool_]) -> Array:
    """Return what Q_tot loses when one agent alone takes its worst available action, and the others their best ones."""
    worst, best = _ends(utilities, avail_actions)
    return _losses(q_tot, best, worst)


def _ends(utilities: Array, avail_actions: NDArray[np.bool_]) -> tuple[Array, Array]:
    return (
        np.where(avail_actions, utilities, np.inf).min(axis=1),
        np.where(avail_actions, utilities, -np.inf).max(axis=1),
    )


def _losses(q_tot: Mixer, base: Array, other: Array) -> Array:
    """Return ``q_tot(base) - q_tot(base, but for agent a as in other)`` for every agent a."""
    n = len(base)
    return np.array([float(q_tot(base)) - float(q_tot(np.where(np.arange(n) == a, other, base))) for a in range(n)])


def _influence_cases() -> list[tuple[Mixer, Array, NDArray[np.bool_]]]:
    rng, cases = np.random.default_rng(14), list[tuple[Mixer, Array, NDArray[np.bool_]]]()
    for w1, b1, w2, _ in _mixers(12):
        n, a = len(w1), int(rng.integers(4, 8))
        available = rng.random((n, a)) < 0.6
        available[:, 0] = True
        available[0] = np.arange(a) == 0  # a dead agent: nothing to choose
        cases.append((_network(w1, b1, w2), rng.normal(size=(n, a)), available))
    return cases


def _network(w1: Array, b1: Array, w2: Array) -> Mixer:
    def q_tot(q: Any) -> float:
        return float(_elu(np.asarray(q) @ w1 + b1) @ w2)

    return q_tot


def _slopes(q_tot: Mixer, at: Array) -> Array:
    steps = 1e-5 * np.eye(len(at))
    return np.array([(float(q_tot(at + step)) - float(q_tot(at - step))) / 2e-5 for step in steps])


@check(
    CHAPTER,
    hints=(
        "Ask the mixer twice: once with everybody at the best, once with one agent at its worst.",
        "best and worst are the maximum and the minimum over the *available* actions. For agent a: q_tot(best) minus "
        "q_tot(best with entry a replaced by worst[a]).",
        "With q_tot a plain sum the answer is best - worst. An agent with one available action has influence 0.",
    ),
)
def check_influence(answer: Any) -> str:
    """How much an agent's choice can move Q_tot at one state."""

    def unmasked(q_tot: Mixer, u: Array, _: Any) -> Array:
        return _losses(q_tot, u.max(axis=1), u.min(axis=1))

    def zeros(q_tot: Mixer, u: Array, m: Any) -> Array:
        return _losses(q_tot, (u * m).max(axis=1), (u * m).min(axis=1))

    def others_worst(q_tot: Mixer, u: Array, m: Any) -> Array:
        worst, best = _ends(u, m)
        return -_losses(q_tot, worst, best)

    def mean(q_tot: Mixer, u: Array, m: Any) -> Array:
        return _losses(q_tot, _ends(u, m)[1], np.where(m, u, 0).sum(axis=1) / np.asarray(m).sum(axis=1))

    def overwritten(q_tot: Mixer, u: Array, m: Any) -> Array:
        return np.zeros(len(u))

    def one_after_another(q_tot: Mixer, u: Array, m: Any) -> Array:
        worst, best = _ends(u, m)
        falling = [np.append(worst[:a], best[a:]) for a in range(1, len(u) + 1)]
        return np.array([float(q_tot(best)) - float(q_tot(q)) for q in falling])

    models: list[tuple[str, str, Callable[..., Any], int]] = [
        (
            "the best ones were overwritten",
            "all your losses are 0. If you wrote `q = best` and then changed q, you changed best as well: copy it.",
            overwritten,
            2,
        ),
        (
            "one after another",
            "the agents before this one are still at their worst: for each agent begin with a new copy of the best.",
            one_after_another,
            2,
        ),
        (
            "the mask is forgotten",
            "you looked at unavailable actions too; their utilities mean nothing, nobody ever learnt them.",
            unmasked,
            2,
        ),
        (
            "unavailable is worth zero",
            "you multiplied by the mask, so an unavailable action counts as utility 0, which may be the best or worst.",
            zeros,
            2,
        ),
        (
            "the others at their worst",
            "you let the others do their worst; asked is one agent's choice beside others at their best.",
            others_worst,
            2,
        ),
        (
            "the spread alone",
            "you compared utilities and never asked the mixer what they do to Q_tot.",
            lambda q_tot, u, m: np.subtract(*_ends(u, m)[::-1]),
            1,
        ),
        (
            "a slope is not a difference",
            "you returned dQ_tot/dQ_a: what a small step brings, whether or not the agent's actions differ at all.",
            lambda q_tot, u, m: _slopes(q_tot, _ends(u, m)[1]),
            1,
        ),
        ("upside down", "the loss is best minus worst; yours has the sign turned.", lambda *c: -influence(*c), 2),
        ("against the mean", "compare with the agent's *worst* available action, not with its mean one.", mean, 2),
    ]
    diagnose(
        answer,
        _influence_cases(),
        right=influence,
        misconceptions=[Misconception(name, sentence, model, hint) for name, sentence, model, hint in models],
    )
    return "this has a unit, rewards, and does not change when a utility is measured on another scale."


def jumps(q_tot: Array, alive: NDArray[np.bool_]) -> Array:
    """Return ``Q_tot(k) - Q_tot(k - 1)`` for each step k = 1, ..., T - 1 at whose begin somebody is newly dead.

    ``q_tot`` is [T], ``alive`` [T + 1, u] says who lives at the begin of each step, and at the end.
    """
    return np.diff(q_tot)[_died(alive)[: len(q_tot) - 1]]


def _died(alive: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether anybody died during step 0, ..., T - 1."""
    return np.asarray((alive[:-1] & ~alive[1:]).any(axis=1))


def _deaths(seed: int = 15) -> list[tuple[Array, NDArray[np.bool_]]]:
    rng, cases = np.random.default_rng(seed), list[tuple[Array, NDArray[np.bool_]]]()
    for _ in range(12):
        steps, units = int(rng.integers(9, 14)), int(rng.integers(3, 6))
        ends = rng.integers(2, steps, size=units)
        ends[1] = ends[0]  # two die at once
        ends[2] = steps + 2 if rng.random() < 0.5 else ends[2]
        alive = np.arange(steps + 1)[:, None] < ends
        cases.append((rng.normal(size=steps), alive))
    return [*cases, (rng.normal(size=6), np.ones((7, 3), dtype=bool))]


@check(
    CHAPTER,
    hints=(
        "When is a unit *newly* dead? Compare two moments that follow each other.",
        "alive[k - 1] & ~alive[k] says who died during step k - 1. If anybody did, q_tot[k] - q_tot[k - 1] is a jump; "
        "k runs from 1 to T - 1, for at the end there is no Q_tot.",
        "q_tot = (1, 2, 4) and one unit that lives at moments 0 and 1 only: the answer is [2.0], the change from step "
        "1 to step 2. If nobody dies it is empty.",
    ),
)
def check_jumps(answer: Any) -> str:
    """By how much Q_tot changes when somebody dies."""

    def late(q: Array, alive: NDArray[np.bool_]) -> Array:
        return np.array([q[k + 2] - q[k + 1] for k in np.flatnonzero(_died(alive)) if k + 2 < len(q)])

    def early(q: Array, alive: NDArray[np.bool_]) -> Array:
        return np.array([q[k] - q[k - 1] for k in np.flatnonzero(_died(alive)) if 1 <= k < len(q)])

    def every_dead(q: Array, alive: NDArray[np.bool_]) -> Array:
        return np.diff(q)[(~alive[1 : len(q)]).any(axis=1)]

    def per_unit(q: Array, alive: NDArray[np.bool_]) -> Array:
        died = (alive[:-1] & ~alive[1:]).sum(axis=1)[: len(q) - 1]
        return np.repeat(np.diff(q), died)

    def values(q: Array, alive: NDArray[np.bool_]) -> Array:
        return q[1:][_died(alive)[: len(q) - 1]]

    models: list[tuple[str, str, Callable[..., Any], int]] = [
        (
            "one step late",
            "you took the change *after* the first step without the unit; the state shows the death a step earlier.",
            late,
            2,
        ),
        (
            "one step early",
            "you took the change into the last step with the unit: nobody is dead there yet.",
            early,
            2,
        ),
        (
            "every step with a dead unit",
            "you counted all the steps after a death, too; a jump is where somebody is *newly* dead.",
            every_dead,
            1,
        ),
        (
            "a jump for each unit",
            "when two die in the same step Q_tot still changes once; do not count that change twice.",
            per_unit,
            2,
        ),
        ("upside down", "a change is after minus before.", lambda q, alive: -jumps(q, alive), 2),
        (
            "the sign is lost",
            "you returned sizes; whether Q_tot rises or falls is the question.",
            lambda q, alive: np.abs(jumps(q, alive)),
            1,
        ),
        (
            "the value, not its change",
            "you returned Q_tot after the death; asked is by how much it changed.",
            values,
            2,
        ),
    ]
    diagnose(
        answer,
        _deaths(),
        right=jumps,
        misconceptions=[Misconception(name, sentence, model, hint) for name, sentence, model, hint in models],
    )
    return "simultaneous deaths are one jump, and a death in the very last step has none: nothing is valued after it."


def honest_regret(returns: Array, greedy: tuple[int, int]) -> float:
    """Return how much better than ``greedy`` the pair is that looks best in the first half of the games, in the others.

    ``returns`` is [k, m1, m2]. Picking and measuring on the same games would make any table look improvable.
    """
    half = len(returns) // 2
    first, second = returns[:half].mean(axis=0), returns[half:].mean(axis=0)
    best = np.unravel_index(int(first.argmax()), first.shape)
    return float(second[best] - second[greedy])


def _games() -> list[tuple[Array, tuple[int, int]]]:
    rng, cases = np.random.default_rng(16), list[tuple[Array, tuple[int, int]]]()
    for _ in range(30):
        shape = (int(rng.integers(2, 5)), int(rng.integers(2, 5)))
        k = 2 * int(rng.integers(3, 9))
        greedy = (int(rng.integers(shape[0])), int(rng.integers(shape[1])))
        cases.append((rng.normal(size=(k, *shape)), greedy))
    return cases


@check(
    CHAPTER,
    hints=(
        "Let one half of the games choose the pair, and the other half say what it is worth.",
        "half = len(returns) // 2. The pair: the largest entry of returns[:half].mean(axis=0), as a row and a column "
        "(np.unravel_index). Its worth: from returns[half:].mean(axis=0), minus the greedy pair's there.",
        "On games that are nothing but noise the answer is as often below zero as above it; the largest mean minus the "
        "greedy mean never is.",
    ),
)
def check_honest_regret(answer: Any) -> str:
    """What a better joint action is worth on games that did not choose it."""

    def pick(table: Array) -> tuple[int, int]:
        row, column = np.unravel_index(int(table.argmax()), table.shape)
        return int(row), int(column)

    def halves(returns: Array) -> tuple[Array, Array]:
        half = len(returns) // 2
        return returns[:half].mean(axis=0), returns[half:].mean(axis=0)

    def one_half(returns: Array, greedy: tuple[int, int], which: int) -> float:
        table = halves(returns)[which]
        return float(table.max() - table[greedy])

    def mixed(returns: Array, greedy: tuple[int, int]) -> float:
        first, second = halves(returns)
        return float(second[pick(first)] - first[greedy])

    def luckiest(returns: Array, greedy: tuple[int, int]) -> float:
        half = len(returns) // 2
        second = returns[half:].mean(axis=0)
        return float(second[pick(returns[:half].max(axis=0))] - second[greedy])

    same_games = (
        "you choose the best pair and measure it on the same games, so its luck counts as skill: never below 0."
    )
    models: list[tuple[str, str, Callable[..., Any], int]] = [
        ("picked and measured on the same games", same_games, lambda r, g: float(r.mean(0).max() - r.mean(0)[g]), 1),
        ("picked and measured on the same games", same_games, lambda r, g: one_half(r, g, 0), 1),
        ("picked and measured on the same games", same_games, lambda r, g: one_half(r, g, 1), 1),
        ("upside down", "regret is the other pair minus the greedy one.", lambda r, g: -honest_regret(r, g), 2),
        (
            "cut at zero",
            "on other games the chosen pair may well be worse than the greedy one: leave what is below 0 as it is.",
            lambda r, g: max(0.0, honest_regret(r, g)),
            3,
        ),
        (
            "two different sets of games",
            "compare both pairs on the *second* half; you took the greedy pair's mean from the first.",
            mixed,
            2,
        ),
        (
            "the luckiest game",
            "you chose the pair with the best single game; choose the one with the best mean.",
            luckiest,
            2,
        ),
    ]
    diagnose(
        answer,
        _games(),
        right=honest_regret,
        misconceptions=[Misconception(name, sentence, model, hint) for name, sentence, model, hint in models],
    )
    return "what is left above zero is no longer the luck of the draw that chose it."

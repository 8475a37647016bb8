"""Checks of chapter 11: read an observation and its mask, script focus fire, find a drifting input, scale it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .framework import Misconception, check, diagnose, table, wrong

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
CHAPTER = "11_meet_smac"
UNIT, OWN, MOVES = 13, 10, 5  # numbers that describe another unit, and oneself; actions that do not shoot


def enemy_health(obs: Array) -> Array:
    """Return what a marine of 3m sees of the three enemies' health: ``[*, 75]`` to ``[*, 3]``, 0 where it sees none."""
    return obs[..., 2 * UNIT : 5 * UNIT : UNIT]


def focus_fire(health: Array) -> Array:
    """Return utilities ``[*, 8]`` of one marine or many: the weakest enemy first, else east, else the other moves."""
    utilities = np.zeros((*health.shape[:-1], MOVES + 3))
    utilities[..., 1] = 1
    utilities[..., MOVES:] = 3 - health
    return utilities


def _views(n: int, seed: int) -> list[tuple[Array, Mask]]:
    """Draw observations of 3m with their masks; a unit that is not in sight is all zeros and out of range."""
    rng = np.random.default_rng(seed)
    cases: list[tuple[Array, Mask]] = []
    for _ in range(n):
        sight = rng.random(5) < 0.65
        units = rng.uniform(0.1, 1, size=(5, UNIT)) * (rng.random((5, UNIT)) < 0.5)
        units[:, 0] = rng.uniform(0.1, 1, size=5)  # whoever is seen has some health; the rest may well be 0
        units *= sight[:, None]
        own = rng.uniform(0.1, 1, size=OWN)
        mask = np.ones(MOVES + 3, dtype=bool)
        mask[MOVES:] = sight[2:] & (rng.random(3) < 0.5)
        cases.append((np.concatenate([units.ravel(), own]), mask))
    return cases


def _in_sight(obs: Array) -> Mask:
    return enemy_health(obs) > 0


def _far(obs: Array) -> Mask:
    """Whether an enemy's place, in units of the sight of 9, is more than 5 away."""
    places = obs[2 * UNIT : 5 * UNIT].reshape(3, UNIT)[:, 1:3]
    return 9 * np.hypot(*places.T) > 5


def _numbers(which: Any, first: int = 0) -> set[int]:
    return {int(j) + first for j in np.flatnonzero(which)}


def out_of_range(obs: Array, mask: Mask) -> set[int]:
    """Return the enemies, counted from 0, that a marine sees and cannot shoot."""
    return _numbers(_in_sight(obs) & ~mask[MOVES:])


def _own_first(obs: Array) -> Mask:
    return obs[OWN + 2 * UNIT : OWN + 5 * UNIT : UNIT] > 0


@check(
    CHAPTER,
    hints=(
        "Two questions to each enemy: do I see it (its 13 numbers begin with a health above 0), and may I shoot it "
        "(the mask)?",
        "Two allies stand before the enemies, so the health of enemy j is `obs[26 + 13 * j]`. Five moves stand before "
        "the shots, so `mask[5 + j]` says whether enemy j can be shot.",
        "In the picture marine 2 sees three enemies and may shoot enemy 2 only, counted from 0: the answer is {0, 1}. "
        "Where it sees nobody the answer is `set()`.",
    ),
)
def check_seen_out_of_range(seen_out_of_range: Any) -> str:
    """The enemies in sight of a marine and out of its range."""
    models: list[tuple[str, str, Callable[[Array, Mask], Any], int]] = [
        (
            "range by distance",
            "you work out the range from the places. Ask the mask: it says what the simulator allows.",
            lambda o, m: _numbers(_in_sight(o) & _far(o)),
            1,
        ),
        (
            "sight without range",
            "you return all enemies in sight; leave out those that the mask lets the marine shoot.",
            lambda o, m: _numbers(_in_sight(o)),
            1,
        ),
        (
            "those it can shoot",
            "you return the enemies that it *can* shoot; asked are those that it sees and cannot shoot.",
            lambda o, m: _numbers(m[MOVES:]),
            1,
        ),
        (
            "range without sight",
            "you return all that it cannot shoot; some of them it does not even see (all zeros).",
            lambda o, m: _numbers(~m[MOVES:]),
            1,
        ),
        (
            "allies taken for enemies",
            "you read from the start of the observation, and there stand the two *allies*; the enemies begin at 26.",
            lambda o, m: _numbers((o[: 3 * UNIT : UNIT] > 0) & ~m[MOVES:]),
            2,
        ),
        (
            "moves taken for shots",
            "your set is always empty. Did you read the mask from its start? There stand the moves, always open; shots "
            "begin at 5.",
            lambda o, m: _numbers(_in_sight(o) & ~m[:3]),
            2,
        ),
        (
            "oneself first",
            "you skip the marine's own ten numbers, but they stand at the *end* of the observation.",
            lambda o, m: _numbers(_own_first(o) & ~m[MOVES:]),
            2,
        ),
        (
            "one unit too far",
            "you skip three units; only *two* allies stand before the enemies, which begin at 26.",
            lambda o, m: _numbers((np.append(o, [0])[3 * UNIT : 5 * UNIT + 1 : UNIT] > 0) & ~m[MOVES:]),
            2,
        ),
        (
            "counted from 1",
            "enemies are counted from 0 here, as arrays count.",
            lambda o, m: _numbers(_in_sight(o) & ~m[MOVES:], first=1),
            3,
        ),
        (
            "numbers of actions",
            "you return numbers of *actions*; enemy j is shot by the action 5 + j.",
            lambda o, m: _numbers(_in_sight(o) & ~m[MOVES:], first=MOVES),
            2,
        ),
    ]
    diagnose(
        seen_out_of_range,
        _views(60, seed=1),
        right=out_of_range,
        misconceptions=[Misconception(*model) for model in models],
    )
    return "an enemy in sight is not yet one in range: of this every marine of 3m lives for some steps."


def _masked_best(utilities: Array, mask: Mask) -> int:
    return int(np.where(mask, utilities, -np.inf).argmax())


def _shoot(score: Callable[[Array], Array], move: int = 1, least: float = 3.0) -> Callable[[Array], Array]:
    """Return a rule: utility 1 for one move, 0 for the others, ``least`` + score for shooting."""

    def rule(health: Array) -> Array:
        utilities = np.zeros(MOVES + 3)
        utilities[move] = 1
        utilities[MOVES:] = least + score(health)
        return utilities

    return rule


@check(
    CHAPTER,
    hints=(
        "A utility only has to put the actions in the right *order*; the mask removes what cannot be done.",
        "Make eight numbers: 1 for east (action 1), 0 for the other moves, and for the shots (from action 5 on) "
        "something that is always above 1 and falls with the enemy's health, such as `3 - health`.",
        "For the health [1.0, 0.4, 0.0] shot 1 must stand above shot 0, both above east, and east above north, south, "
        "west and stop. What shot 2 is worth matters not: enemy 2 is dead or out of sight, so the mask is False there.",
    ),
)
def check_weakest_first(weakest_first: Any) -> str:
    """Utilities with which a marine shoots the weakest enemy in range, and walks east where it can shoot nobody."""
    rng = np.random.default_rng(2)
    cases: list[tuple[Array, Mask]] = []
    for _ in range(60):
        health = rng.permutation(np.arange(1, 21))[:3] / 20 * (rng.random(3) < 0.8)
        mask = np.ones(MOVES + 3, dtype=bool)
        mask[MOVES:] = (health > 0) & (rng.random(3) < 0.7)
        cases.append((health, mask))
    cases.append((np.zeros(3), np.arange(MOVES + 3) == 4))  # the dead: it can only stop

    def played(rule: Callable[[Array], Any]) -> Callable[[Array, Mask], int]:
        what = "your answer, the utilities of one marine,"
        return lambda health, mask: _masked_best(table(rule(health), (MOVES + 3,), what), mask)

    models: list[tuple[str, str, Callable[[Array], Array], int]] = [
        (
            "the strongest first",
            "your marine shoots the enemy with the *most* health; the utility has to fall with the health.",
            _shoot(lambda h: h),
            1,
        ),
        (
            "always the first enemy",
            "your marine shoots the first enemy in range, however healthy; the utility has to depend on the health.",
            _shoot(np.zeros_like),
            1,
        ),
        (
            "walks past the enemy",
            "your marine walks on although it could shoot: every shot must be worth more than every move.",
            _shoot(lambda h: -h, least=0.0),
            2,
        ),
        (
            "walks past the healthy enemy",
            "an enemy of full health is worth as much to your marine as walking east, and of equal actions the first "
            "is taken: every shot must be worth *more* than every move.",
            _shoot(lambda h: -h, least=2.0),
            2,
        ),
        (
            "only one target",
            "you give one enemy a utility, the one of least health, and it may be out of range or (at 0) out of sight. "
            "Give every shot a number; the mask chooses among them.",
            lambda h: np.eye(MOVES + 3)[MOVES + int(h.argmin())],
            2,
        ),
        (
            "stands and waits",
            "where it can shoot nobody your marine stops; east has to be the best of the moves.",
            _shoot(lambda h: -h, move=4),
            2,
        ),
        (
            "a tie goes north",
            "all moves are worth the same, and of equal actions the first is taken: north. Put east above them.",
            _shoot(lambda h: -h, move=0),
            2,
        ),
    ]
    diagnose(
        played(weakest_first),
        cases,
        right=played(focus_fire),
        misconceptions=[Misconception(name, text, played(rule), hint) for name, text, rule, hint in models],
    )
    return "eight numbers and a mask: a policy. A utility network has to learn no more than such numbers."


def drifting(states: Array) -> set[int]:
    """Return the features of ``states [t, s]`` that fall below -1 at some time."""
    return _numbers((states < -1).any(axis=0))


def _drifts(n: int) -> list[tuple[Array]]:
    """Draw inputs over time of which some drift down, some are large, some are signed, and the unit may die."""
    rng = np.random.default_rng(3)
    cases: list[tuple[Array]] = []
    for _ in range(n):
        t, s = int(rng.integers(12, 30)), int(rng.integers(8, 15))
        states = rng.uniform(-0.9, 0.9, size=(t, s))
        kinds = rng.integers(4, size=s)
        kinds[:4] = rng.permutation(4)
        kinds[4:6] = 1
        fall = -0.5 * np.arange(t)
        for column in np.flatnonzero(kinds == 1):
            states[:, column] = fall
        back = rng.choice(np.flatnonzero(kinds == 1))
        states[t // 2 :, back] = 0  # it drifts, and then the unit dies
        states[:, kinds == 2] = rng.uniform(8, 24, size=(t, int((kinds == 2).sum())))
        states[:, kinds == 3] = np.linspace(0, 1, t)[:, None]
        cases.append((states,))
    return cases


@check(
    CHAPTER,
    hints=(
        "Look at every column, the course of one number over time: does it go below -1 *at any time*?",
        "`states.min(axis=0)` is the least value of every feature. Which columns have one below -1?",
        "On 3m it is one number of every unit, and a unit takes ten: the set has at most six members, ten apart.",
    ),
)
def check_drifting_features(drifting_features: Any) -> str:
    """The numbers of the features that fall below -1."""
    models: list[tuple[str, str, Callable[[Array], Any], int]] = [
        (
            "large is not drifting",
            "you also return features that are large and *positive*, such as a place on the map; asked is below -1.",
            lambda x: _numbers((abs(x) > 1).any(axis=0)),
            2,
        ),
        (
            "large is not drifting",
            "you return the features that rise *above 1*; asked are those that fall below -1.",
            lambda x: _numbers((x > 1).any(axis=0)),
            2,
        ),
        (
            "only the last moment",
            "you look at the last moment only, but a unit that died is all zeros there; look at every time.",
            lambda x: _numbers(x[-1] < -1),
            1,
        ),
        (
            "time for feature",
            "you return the *times* at which something is below -1; features are the columns, so reduce over axis 0.",
            lambda x: _numbers((x < -1).any(axis=1)),
            2,
        ),
        (
            "negative is not drifting",
            "you return every feature that is ever negative; a direction may be -0.5 and all is well.",
            lambda x: _numbers((x < 0).any(axis=0)),
            1,
        ),
        (
            "only the worst one",
            "you return the one feature that falls the furthest; every unit has one that drifts.",
            lambda x: {int(x.min(axis=0).argmin())},
            3,
        ),
        (
            "only the worst one",
            "you return a single number; several features drift, so return a set of them.",
            lambda x: int(x.min(axis=0).argmin()),
            3,
        ),
        (
            "the average hides it",
            "you look at the average over time; ask for the least value.",
            lambda x: _numbers(x.mean(axis=0) < -1),
            2,
        ),
    ]
    diagnose(
        drifting_features,
        _drifts(12),
        right=drifting,
        misconceptions=[Misconception(*model) for model in models],
    )
    return "three lines that are worth running on every environment you ever train on."


def _scaled(x: Array, low: Array, high: Array) -> Array:
    return np.clip((x - low) / (high - low), 0, 1)


def _standardised(x: Array, low: Array, high: Array) -> Array:
    return (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-8)


def _batch_range(x: Array, low: Array, high: Array) -> Array:
    return (x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0) + 1e-8)


@check(
    CHAPTER,
    hints=(
        "Two steps, in this order: bring the range from low to high onto 0 to 1, then cut what is outside.",
        "`(states - low) / (high - low)`, then `np.clip(..., 0, 1)`. low and high have one entry for every feature, "
        "numpy lines them up with the columns.",
        "A cooldown of -10 with the range 0 to 2 becomes 0, one of 1 becomes 0.5; a place x = 24 with 0 to 32 is 0.75.",
    ),
)
def check_scale_and_clip(scale_and_clip: Any) -> str:
    """Bring every feature onto 0 to 1, by a range that is known beforehand."""
    rng = np.random.default_rng(4)
    cases: list[tuple[Array, Array, Array]] = []
    for _ in range(12):
        t, s = int(rng.integers(6, 12)), int(rng.integers(3, 6))
        low, width = rng.uniform(-4, 4, size=s).round(1), rng.uniform(2, 30, size=s).round(1)
        x = low + width * rng.uniform(-1.6, 1.5, size=(t, s))
        cases.append((x, low, low + width))
    batch = "you use numbers of *these* states (their mean, least or greatest), so the same place on the map gets "
    batch += "another value in another battle; use the range that is given."
    models: list[tuple[str, str, Callable[[Array, Array, Array], Any], int]] = [
        (
            "scaled, not clipped",
            "you scale, but what was outside is still outside.",
            lambda x, a, b: (x - a) / (b - a),
            1,
        ),
        (
            "clipped, not scaled",
            "you cut at the ends of the range, but the numbers still run from low to high, not from 0 to 1.",
            lambda x, a, b: np.clip(x, a, b),
            1,
        ),
        (
            "clipped too early",
            "you clip to 0 and 1 before you scale, which throws nearly everything away; scale first.",
            lambda x, a, b: (np.clip(x, 0, 1) - a) / (b - a),
            1,
        ),
        (
            "low is not always 0",
            "you divide by the upper end; subtract the lower end, and divide by the width.",
            lambda x, a, b: np.clip(x / b, 0, 1),
            2,
        ),
        (
            "low is not always 0",
            "you divide by the width without subtracting the lower end first.",
            lambda x, a, b: np.clip(x / (b - a), 0, 1),
            2,
        ),
        (
            "cut at one end only",
            "what lies below low is still below 0: cut at both ends.",
            lambda x, a, b: np.minimum((x - a) / (b - a), 1),
            2,
        ),
        (
            "cut at one end only",
            "what lies above high is still above 1: cut at both ends.",
            lambda x, a, b: np.maximum((x - a) / (b - a), 0),
            2,
        ),
        (
            "another range",
            "you clip to -1 and 1; asked is 0 to 1.",
            lambda x, a, b: np.clip((x - a) / (b - a), -1, 1),
            2,
        ),
        ("scaled by the data", batch, _standardised, 2),
        ("scaled by the data", batch, _batch_range, 2),
        ("scaled by the data", batch, lambda x, a, b: np.clip(_standardised(x, a, b), 0, 1), 2),
        ("scaled by the data", batch, lambda x, a, b: np.clip(_standardised(x, a, b), -1, 1), 2),
    ]

    def agree(answer: Any, right: Any) -> bool:
        try:
            got = np.asarray(answer, dtype=float)
        except (TypeError, ValueError):
            return False
        return got.shape == right.shape and bool(np.allclose(got, right, atol=1e-6))

    def with_shape(states: Array, low: Array, high: Array) -> Any:
        answer = scale_and_clip(states, low, high)
        if np.shape(answer) != states.shape:
            wrong("another shape", f"states of shape {states.shape} should keep it, and yours have {np.shape(answer)}.")
        return answer

    diagnose(
        with_shape,
        cases,
        right=_scaled,
        misconceptions=[Misconception(*model) for model in models],
        agree=agree,
    )
    return "what was outside said nothing more: a weapon that has been ready for 10 seconds is simply ready."

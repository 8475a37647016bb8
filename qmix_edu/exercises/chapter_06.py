"""Checks of chapter 06: inside the mixer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from matrix_games import catalogue, supermodular_fit
from qmix_edu.plots import count_violations

from .framework import Misconception, check, diagnose, random_payoffs, wrong

Array = NDArray[np.float64]
Change = Callable[[Tensor], Tensor]
CHAPTER = "06_inside_the_mixer"

HYPERNETWORKS = ("hyper_w1", "hyper_b1", "hyper_w2", "hyper_v")
_FAR = 50.0  # a bias so large that it decides alone


class _Trial:
    """A student's mixer with random parameters, and q and states to try it on."""

    def __init__(self, make: Callable[..., Any], n_agents: int, state_size: int, embed: int, seed: int):
        self.sizes = (n_agents, state_size, embed)
        self.mixer = make(n_agents, state_size, embed)
        if not isinstance(self.mixer, nn.Module):
            wrong("not a network", "`Mixer(n_agents, state_size, embed)` should be an `nn.Module`.")
        generator = torch.Generator().manual_seed(seed)
        for parameter in self.mixer.parameters():
            # The same size of output whatever the width: in huge ones the checks' changes would drown.
            fan_in = parameter.shape[-1] if parameter.ndim > 1 else 1
            parameter.data.normal_(0, 1.4 / max(4, fan_in) ** 0.5, generator=generator)
        self.q = torch.randn(24, n_agents, generator=generator)
        self.state = torch.randn(24, state_size, generator=generator)

    def __call__(self, q: Tensor | None = None, state: Tensor | None = None, **changes: Change) -> Tensor:
        """Q_tot [b], with the named hypernetworks' outputs changed."""
        hooks = [
            getattr(self.mixer, name).register_forward_hook(lambda _module, _given, out, change=change: change(out))
            for name, change in changes.items()
        ]
        try:
            with torch.no_grad():
                answer = self.mixer(self.q if q is None else q, self.state if state is None else state)
        finally:
            for hook in hooks:
                hook.remove()
        if not isinstance(answer, Tensor):
            wrong("not a tensor", f"`forward` should return a tensor [b, 1], and returns {type(answer).__name__}.")
        return answer.float()

    def falls(self, **changes: Change) -> bool:
        """Whether raising one agent's utility ever lowers Q_tot."""
        base = self(None, None, **changes)
        for agent in range(self.q.shape[1]):
            for step in (0.3, 1.0, 4.0):
                raised = self.q.clone()
                raised[:, agent] += step
                if bool((self(raised, None, **changes) < base - 1e-4 * (1 + base.abs())).any()):
                    return True
        return False


def _to(value: float) -> Change:
    return lambda out: torch.full_like(out, value)


def _close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(torch.allclose(a, b, rtol=1e-3, atol=1e-3))


def _hypernetworks(trial: _Trial) -> None:
    n, _, embed = trial.sizes
    sizes = dict(zip(HYPERNETWORKS, (n * embed, embed, embed, 1), strict=True))
    for name, size in sizes.items():
        network = getattr(trial.mixer, name, None)
        if not isinstance(network, nn.Module):
            wrong(
                "a hypernetwork is missing",
                f"the mixer has no network `self.{name}`; the weights and biases are *outputs* of four networks "
                "that see the state.",
            )
        with torch.no_grad():
            try:
                got = network(trial.state)[0].numel()
            except (RuntimeError, TypeError, ValueError) as error:
                wrong("not a function of the state", f"`self.{name}(state)` raised {type(error).__name__}: {error}.")
        if name == "hyper_w1" and got == (n + trial.sizes[1]) * embed:
            wrong(
                "the state in the monotone path",
                "you mix the state like a utility, so Q_tot could only rise with it; the state belongs in the "
                "hypernetworks alone.",
            )
        if got != size:
            wrong(
                "a layer of the wrong width",
                f"with {n} agents and embed {embed} `self.{name}` should give {size} numbers for each state, and gives "
                f"{got}.",
                hint=2,
            )


def _runs(trial: _Trial, worked_before: bool) -> None:
    n, _, embed = trial.sizes
    try:
        answer = trial()
    except NotImplementedError:
        wrong("half done", "`__init__` is written, and `forward` is not.")
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        if worked_before:
            wrong(
                "summed over the wrong axis",
                f"`forward` works when there are as many hidden units as agents, and not with {embed} units for {n} "
                "agents: each unit sums over the *agents*.",
                hint=2,
            )
        wrong("your function stopped with an error", f"`forward` raised {type(error).__name__}: {error}.", hint=2)
    rows = len(trial.q)
    if answer.ndim == 0 or answer.shape[0] != rows:
        wrong(
            "summed over the wrong axis",
            f"for {rows} rows of utilities Q_tot has shape {tuple(answer.shape)}; it should be ({rows}, 1).",
            hint=2,
        )
    alone = torch.cat([trial(trial.q[i : i + 1], trial.state[i : i + 1]) for i in range(3)])
    if answer.shape == (rows, rows) or not _close(alone, answer[:3]):
        wrong("summed over the wrong axis", "a row's Q_tot depends on the other rows of the batch.", hint=2)
    if answer.shape != (rows, 1):
        wrong("another shape", f"Q_tot should have shape ({rows}, 1), and has {tuple(answer.shape)}.", hint=2)


def _listens(trial: _Trial) -> None:
    base = trial()
    if _close(base, trial(trial.q + torch.linspace(1, 3, trial.q.shape[1]))):
        wrong("a constant", "Q_tot is the same whatever the utilities are.")
    if _close(base, trial(state=trial.state.flip(0))):
        wrong("blind to the state", "Q_tot is the same in every state; that is another algorithm, QMIX-NS.")
    if _close(base, trial(-trial.q)):
        wrong("abs on the utilities", "q and -q give the same Q_tot; the abs belongs on the weights.")


def _free_value(trial: _Trial) -> None:
    low, zero, high = (trial(hyper_v=_to(v)) for v in (-_FAR, 0.0, _FAR))
    if _close(low, high) and _close(low, zero):
        wrong("V(s) is missing", "the output of `self.hyper_v` has no influence on Q_tot.", hint=2)
    if _close(low, zero - _FAR) and _close(high, zero + _FAR):
        return
    if _close(low, high):
        wrong(
            "abs on every parameter",
            "you take abs of V(s) too. It stands alone, so it tilts nothing, and it has to reach below zero.",
        )
    if bool((low >= 0).all()):
        wrong(
            "abs on the output",
            "Q_tot is never negative: you constrained the output. A sum of falling pieces falls, whatever is done to "
            "it afterwards; it is the weights that have to be positive.",
        )
    wrong("V(s) is not free", "V(s) ten lower should make Q_tot ten lower, and does not.", hint=2)


def _free_bias(trial: _Trial) -> None:
    low, zero, high = (trial(hyper_b1=_to(b)) for b in (-_FAR, 0.0, _FAR))
    if _close(low, high) and _close(low, zero):
        wrong("b1 is missing", "the output of `self.hyper_b1` has no influence on Q_tot.", hint=2)
    if _close(low, high):
        wrong(
            "abs on every parameter",
            "you take abs of b1 too. It is added, so it moves each unit's bend and tilts nothing; it may be negative.",
        )
    if _close(low, zero):
        wrong("b1 is not free", "a negative b1 has no influence on Q_tot; it is added as it is.", hint=2)


def _constrained(trial: _Trial) -> None:
    if not trial.falls():
        return
    for layers, names in (("first", ["w1"]), ("second", ["w2"]), ("first and second", ["w1", "w2"])):
        if not trial.falls(**{f"hyper_{name}": torch.abs for name in names}):
            wrong(
                "abs forgotten",
                f"Q_tot falls when a utility rises: weights of the {layers} layer can be negative.",
            )
    wrong(
        "abs in the wrong place",
        "Q_tot falls when a utility rises, even where all weights are positive; take abs of the weights and nothing "
        "else.",
    )


def _bends(trial: _Trial) -> None:
    q, n = trial.q, trial.q.shape[1]
    both, first, second = (q.clone() for _ in range(3))
    both[:, 0], both[:, -1] = both[:, 0] + 2, both[:, -1] + 2
    first[:, 0], second[:, n - 1] = first[:, 0] + 2, second[:, n - 1] + 2
    if _close(trial(both) + trial(), trial(first) + trial(second)):
        wrong("no activation", "Q_tot is a weighted sum of the utilities; without ELU two layers are no more than one.")
    silent = torch.zeros_like(q)
    if _close(trial(silent, hyper_b1=_to(-0.5)), trial(silent, hyper_b1=_to(-0.4))):
        wrong("ReLU for ELU", "where all hidden units are off Q_tot is flat, and the agents learn nothing; use ELU.")
    below = -1 - q.abs()
    if _close(trial(below, hyper_b1=_to(1.0)), trial(below + 0.9, hyper_b1=_to(1.0))):
        wrong("negative utilities are cut off", "below 0 a utility has no influence; ELU belongs on the hidden units.")


@check(
    CHAPTER,
    hints=(
        "Four networks see the state and give: n * embed numbers for w1, embed for b1, embed for w2, one for V. "
        "`forward` calls them, takes `.abs()` of w1 and w2, and mixes. Nothing else is constrained.",
        "Give w1 the shape [b, n, embed] (`.unflatten(-1, (n, embed))`), multiply by `q.unsqueeze(-1)` and sum over "
        "dim 1, the agents. Add b1, apply `F.elu`, multiply by w2 and sum over the units with `keepdim=True`. Add V.",
        "With q of shape [32, 3] the hidden units have [32, embed] and Q_tot has [32, 1]. Raise any utility: Q_tot "
        "rises. Lower V(s) by 10: Q_tot is 10 lower, negative if need be.",
    ),
)
def check_Mixer(make: Any) -> str:
    """The mixing network, on random parameters, utilities and states."""
    trials = [
        _Trial(make, *sizes, seed) for seed, sizes in enumerate([(4, 3, 4), (3, 5, 8), (2, 2, 5), (3, 4, 6)], start=1)
    ]
    for number, trial in enumerate(trials):
        _hypernetworks(trial)
        _runs(trial, worked_before=number > 0)
    for test in (_listens, _free_value, _free_bias, _constrained, _bends):
        for trial in trials:
            test(trial)
    return "Q_tot rises in every utility, in every state, and both biases are free."


def _surfaces() -> list[Array]:
    """Integer surfaces, so that flat steps are exactly flat; some rise, some fall along one axis only."""
    rng = np.random.default_rng(6)
    drawn = [rng.integers(-3, 4, size=shape).astype(float) for shape in [(4, 4), (3, 6), (5, 2)] for _ in range(4)]
    rising = [np.sort(np.sort(s, axis=0), axis=1) for s in drawn]
    return [*drawn, *rising, *(-np.sort(s, axis=0) for s in drawn), *(np.sort(s, axis=0)[::-1].T for s in drawn)]


@check(
    CHAPTER,
    hints=(
        "Compare each point with its neighbour along Q_1, and with its neighbour along Q_2.",
        "`np.diff(surface, axis=0)` holds all steps along Q_1. Count the negative ones, along both axes.",
        "[[0, 1], [2, 1]] has one fall (along Q_2, from 2 to 1) in four steps; a flat step is no fall.",
    ),
)
def check_count_falls(answer: Any) -> str:
    """How many steps of a grid fall."""

    def falls(surface: Array, axis: int) -> int:
        return int((np.diff(surface, axis=axis) < 0).sum())

    diagnose(
        answer,
        [(surface,) for surface in _surfaces()],
        right=count_violations,
        misconceptions=[
            Misconception(
                "one agent only",
                "you looked along Q_1; Q_tot must not fall along Q_2 either.",
                lambda s: falls(s, 0),
            ),
            Misconception(
                "one agent only",
                "you looked along Q_2; Q_tot must not fall along Q_1 either.",
                lambda s: falls(s, 1),
            ),
            Misconception(
                "flat counts as a fall",
                "monotone means that Q_tot never *falls*; a flat step is allowed (and makes a tie).",
                lambda s: sum(int((np.diff(s, axis=axis) <= 0).sum()) for axis in (0, 1)),
            ),
            Misconception(
                "rises for falls",
                "you counted the steps that rise.",
                lambda s: sum(int((np.diff(s, axis=axis) > 0).sum()) for axis in (0, 1)),
            ),
            Misconception(
                "both utilities at once",
                "you raised both utilities together; monotone means that raising *one* never lowers Q_tot.",
                lambda s: int((s[1:, 1:] < s[:-1, :-1]).sum()),
                hint=2,
            ),
            Misconception(
                "negative values",
                "a negative Q_tot is fine; count the places where it *falls*.",
                lambda s: int((s < 0).sum()),
            ),
            Misconception(
                "the ends only",
                "you compared the grid's ends; it can fall in between and rise again.",
                lambda s: int((s[-1] < s[0]).sum() + (s[:, -1] < s[:, 0]).sum()),
                hint=2,
            ),
        ],
    )
    return "this is the number that the explorer shows."


@check(
    CHAPTER,
    hints=(
        "Four neighbouring points. What does agent 1 gain by its step if agent 2 is up, and what if agent 2 is down?",
        "`F[i+1, j+1] - F[i, j+1]` minus `F[i+1, j] - F[i, j]`. Two `np.diff` in a row do it, one along each axis.",
        "OR [[0, 1], [1, 1]] gives [[-1]], AND gives [[1]], a sum gives 0 everywhere.",
    ),
)
def check_mixed_differences(answer: Any) -> str:
    """The mixed second differences of a surface."""
    cases = [(s,) for shape in [(2, 2), (3, 3), (4, 4), (3, 5)] for s in random_payoffs(4, shape, seed=7)]
    diagnose(
        answer,
        cases,
        right=lambda s: np.diff(np.diff(s, axis=0), axis=1),
        misconceptions=[
            Misconception(
                "minus for plus",
                "your sign is reversed: the differences should be positive where one step helps the other.",
                lambda s: -np.diff(np.diff(s, axis=0), axis=1),
                hint=2,
            ),
            Misconception(
                "the change along both axes added",
                "you added the two agents' gains; take the *difference* of one agent's gain when the other steps up.",
                lambda s: np.diff(s, axis=0)[:, :-1] + np.diff(s, axis=1)[:-1],
            ),
            Misconception(
                "the step of both at once",
                "you took one step along the diagonal; that says nothing of how the two steps work on each other.",
                lambda s: s[1:, 1:] - s[:-1, :-1],
            ),
            Misconception(
                "the bend along one axis",
                "you took the second difference along one agent's axis; step once along each.",
                lambda s: np.diff(s, n=2, axis=0),
            ),
            Misconception(
                "the bend along one axis",
                "you took the second difference along one agent's axis; step once along each.",
                lambda s: np.diff(s, n=2, axis=1),
            ),
            Misconception(
                "first differences",
                "these are one agent's gains; now subtract neighbouring gains along the *other* axis.",
                lambda s: np.diff(s, axis=0),
            ),
        ],
    )
    return "positive where the agents' steps help each other, zero for a sum, negative where one replaces the other."


def _rising_tables() -> list[Array]:
    """2x2 tables that rise along both axes; in most the two steps replace each other, as in OR."""
    rng = np.random.default_rng(8)
    named = [catalogue[name].payoff for name in ("or", "and", "two-step-2b")]
    drawn = [np.sort(np.sort(rng.integers(-9, 10, size=(2, 2)), axis=0), axis=1).astype(float) for _ in range(12)]
    steps = rng.integers(3, 9, size=(6, 3))
    saturating = [np.array([[0.0, a], [b, max(a, b) + c / 4]]) - 4 for a, b, c in steps]
    return [*named, *drawn, *saturating]


def _mixed(table: Array) -> float:
    return float(table[1, 1] - table[1, 0] - table[0, 1] + table[0, 0])


_CHECKERED = np.array([[1.0, -1.0], [-1.0, 1.0]])


@check(
    CHAPTER,
    hints=(
        "Is the mixed difference negative at all? If not, the table is its own best fit.",
        "If it is d < 0, it must become 0, and all four cells share the work: two must rise and two must fall, each by "
        "the same amount.",
        "OR has d = -1, and becomes [[0.25, 0.75], [0.75, 1.25]]: each cell moves by 1/4, the MSE is 1/16. "
        "AND stays as it is.",
    ),
)
def check_nearest_reachable(answer: Any) -> str:
    """The best fit of a rising 2x2 table among those whose mixed difference is not negative."""
    diagnose(
        answer,
        [(table,) for table in _rising_tables()],
        right=lambda t: supermodular_fit(t).values,
        misconceptions=[
            Misconception(
                "every monotone table is within reach",
                "you return the table itself; where its mixed difference is negative no such mixer has it.",
                lambda t: t,
            ),
            Misconception(
                "the sum, always",
                "you return the best sum; a table with a positive mixed difference can stay as it is.",
                lambda t: t - _mixed(t) / 4 * _CHECKERED,
            ),
            Misconception(
                "one cell pays for all",
                "you moved one cell by d; four cells that move by d/4 have a quarter of that loss.",
                lambda t: t + max(0.0, -_mixed(t)) * np.array([[0, 0], [0, 1]]),
                hint=2,
            ),
            Misconception(
                "moved the wrong way",
                "your table's mixed difference is twice as negative; the cells of the diagonal must rise.",
                lambda t: t + min(0.0, _mixed(t)) / 4 * _CHECKERED,
                hint=2,
            ),
            Misconception(
                "the average everywhere",
                "a flat table is within reach, and much too far away.",
                lambda t: t if _mixed(t) >= 0 else np.full((2, 2), t.mean()),
                hint=2,
            ),
        ],
    )
    return "where one agent's step replaces the other's, nothing but the best sum is left: VDN's fit."

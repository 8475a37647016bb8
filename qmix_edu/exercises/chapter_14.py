"""Checks of chapter 14: comparing a few seeds, QMIX-Lin, what classes can hold, and an ablation of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, product
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qmix_edu.mixers import QMixer

from .framework import Misconception, Wrong, check, diagnose, show, wrong

Array = NDArray[np.float64]
CHAPTER = "14_ablations"
LinearMixing = Literal["vdn", "vdn_s", "qmix_lin"]
MakeMixer = Callable[[int, int], nn.Module]


# --- few seeds ------------------------------------------------------------------------------------


def chance_of_lead(scores: Sequence[float], others: Sequence[float]) -> float:
    """Return the share of relabellings in which the first group's mean leads by at least as much as here.

    The exact one-sided permutation test: all ways to choose ``len(scores)`` of the runs are equally likely if the two
    groups do not differ.
    """
    lead = float(np.mean(scores) - np.mean(others))
    return float(np.mean([found >= lead - 1e-9 for found in _leads(scores, others)]))


def _leads(scores: Sequence[float], others: Sequence[float]) -> list[float]:
    runs = np.array([*scores, *others], dtype=float)
    firsts = [list(chosen) for chosen in combinations(range(len(runs)), len(scores))]
    return [float(runs[first].mean() - np.delete(runs, first).mean()) for first in firsts]


def _lead(scores: Sequence[float], others: Sequence[float]) -> float:
    return float(np.mean(scores) - np.mean(others))


def _by_value(scores: Sequence[float], others: Sequence[float]) -> float:
    """Deal out the different win rates, as a set of them would be."""
    values, leads = sorted({*scores, *others}), list[float]()
    for first in combinations(values, len(scores)):
        rest = [value for value in values if value not in first]
        leads.append(float(np.mean(first) - np.mean(rest)) if rest else np.nan)
    return float(np.mean([found >= _lead(scores, others) - 1e-9 for found in leads])) if leads else np.nan


def _signs_turned(scores: Sequence[float], others: Sequence[float]) -> float:
    gaps = np.array([a - b for a, b in zip(scores, others, strict=False)])
    means = [float((np.array(signs) * gaps).mean()) for signs in product((1, -1), repeat=len(gaps))]
    return float(np.mean([mean >= gaps.mean() - 1e-9 for mean in means]))


def _few_seeds() -> list[tuple[list[float], list[float]]]:
    """Return groups of final win rates: clear ones, close ones, a first group that is behind; of unequal sizes."""
    rng = np.random.default_rng(7)
    sizes = [(3, 3), (5, 3), (3, 5), (4, 3), (2, 4), (3, 3)]
    groups = [(rng.beta(8, 3, size=a).round(3).tolist(), rng.beta(8, 4, size=b).round(3).tolist()) for a, b in sizes]
    ties = [([0.5, 0.7], [0.5, 0.7]), ([0.75, 0.75, 1.0], [0.5, 0.75])]
    return [*groups, *ties, ([0.7, 0.8, 0.9], [0.4, 0.5, 0.6]), ([0.4, 0.5], [0.7, 0.8, 0.9])]


@check(
    CHAPTER,
    hints=(
        "Put all runs into one list. Every choice of `len(scores)` of them is a way to deal out the names.",
        "For every `combinations(range(n), len(scores))`: the mean of the chosen minus the mean of the rest. Count "
        "those that are at least the lead that was found (less 1e-9), and divide by the number of choices.",
        "[.7, .8, .9] against [.4, .5, .6] gives 1/20 = .05; a group against itself [.5, .7] and [.5, .7] gives 5/6.",
    ),
)
def check_chance_of_lead(answer: Any) -> str:
    """The exact permutation test of a lead."""

    def counted(holds: Callable[[float, float], bool]) -> Callable[[list[float], list[float]], float]:
        return lambda a, b: float(np.mean([holds(found, _lead(a, b)) for found in _leads(a, b)]))

    diagnose(
        answer,
        _few_seeds(),
        right=chance_of_lead,
        misconceptions=[
            Misconception(
                "both directions",
                "you also count leads of the *other* group; the claim is that the first one is ahead.",
                counted(lambda found, lead: abs(found) >= abs(lead) - 1e-9),
            ),
            Misconception(
                "the labels as they are do not count",
                "you count only larger leads. The deal that happened is one of the equally likely ones: a chance of 0 "
                "is impossible.",
                counted(lambda found, lead: found > lead + 1e-9),
                hint=2,
            ),
            Misconception(
                "the wrong tail",
                "you count the relabellings in which the first group is *less* far ahead.",
                counted(lambda found, lead: found <= lead + 1e-9),
            ),
            Misconception(
                "the wrong tail",
                "that is the share of the other relabellings; subtract it from 1.",
                counted(lambda found, lead: found < lead - 1e-9),
            ),
            Misconception(
                "pairs of runs",
                "you compare runs in pairs; relabel all of them, and compare the groups' means.",
                lambda a, b: float(np.mean([x <= y for x in a for y in b])),
                hint=2,
            ),
            Misconception(
                "pairs of runs",
                "the share of pairs that the first group wins is not a chance under relabelling.",
                lambda a, b: float(np.mean([x > y for x in a for y in b])),
                hint=2,
            ),
            Misconception(
                "equal runs fall together",
                "two runs with the same win rate are still two runs: deal out places (`range(n)`), not values.",
                _by_value,
            ),
            Misconception(
                "a share from 0 to 1",
                "you gave percent; asked is a share, from 0 to 1.",
                lambda a, b: 100 * chance_of_lead(a, b),
            ),
            Misconception(
                "a share from 0 to 1",
                "you counted; divide by the number of all relabellings.",
                lambda a, b: len(_leads(a, b)) * chance_of_lead(a, b),
            ),
            Misconception(
                "paired by seed",
                "you keep run k of one group with run k of the other. A seed is no common ground for two algorithms, "
                "and the groups may differ in size.",
                _signs_turned,
                hint=2,
            ),
        ],
    )
    return "an exact test, and it has no opinion about how win rates are distributed."


# --- QMIX-Lin -------------------------------------------------------------------------------------


def qmix_lin(q: Array, raw_weights: Array, bias: float) -> float:
    """Return ``sum_a |w_a| q_a + b``."""
    return float(np.abs(raw_weights) @ q + bias)


@check(
    CHAPTER,
    hints=(
        "A weighted sum of the utilities; what makes it monotone?",
        "The weights are made non-negative by their absolute value; the utilities and the bias keep their sign.",
        "q = [2, -1], raw_weights = [-1, 3], bias = -4 gives 2 - 3 - 4 = -5.",
    ),
)
def check_qmix_lin(answer: Any) -> str:
    """The mixing of QMIX-Lin for one state."""
    rng = np.random.default_rng(3)
    cases = [(rng.normal(0, 3, n), rng.normal(0, 2, n), float(rng.normal(-2, 2))) for n in (2, 3, 5) for _ in range(4)]
    unbounded = "the weights may be negative"
    diagnose(
        answer,
        cases,
        right=qmix_lin,
        misconceptions=[
            Misconception(
                unbounded,
                "a negative weight turns an agent's order round: what is good for it would be bad for the team.",
                lambda q, w, b: float(w @ q + b),
            ),
            Misconception(
                "utilities lose their sign",
                "take the absolute value of the weights alone; a utility may well be negative.",
                lambda q, w, b: float(np.abs(w * q).sum() + b),
            ),
            Misconception(
                "utilities lose their sign",
                "you took the absolute value of the sum; Q_tot may be negative.",
                lambda q, w, b: float(abs(w @ q) + b),
            ),
            Misconception(
                "the bias is bounded too",
                "the bias is free: it moves the surface and tilts nothing.",
                lambda q, w, b: float(np.abs(w) @ q + abs(b)),
            ),
            Misconception(
                "that is VDN-S",
                "you add the utilities as they are; in QMIX-Lin the state weighs them.",
                lambda q, w, b: float(q.sum() + b),
            ),
            Misconception(
                "weights cut off",
                "you set negative weights to 0; QMIX takes absolute values, so that every agent stays heard.",
                lambda q, w, b: float(np.maximum(w, 0) @ q + b),
            ),
            Misconception(
                "the bend is still there",
                "that is QMIX's ELU; QMIX-Lin has no hidden layer and does not bend.",
                lambda q, w, b: float(_elu(np.abs(w) * q).sum() + b),
                hint=2,
            ),
            Misconception(
                "the bend is still there",
                "that is QMIX's ELU; QMIX-Lin has no hidden layer and does not bend.",
                lambda q, w, b: float(_elu(np.abs(w) @ q + b)),
                hint=2,
            ),
            Misconception(
                "the bias is missing",
                "you left the bias out.",
                lambda q, w, b: float(np.abs(w) @ q),
            ),
        ],
    )
    return "for a fixed state that is a sum, whatever the weights."


def _elu(x: Any) -> Any:
    return np.where(np.asarray(x) > 0, x, np.expm1(np.minimum(x, 0)))


# --- what a class can hold ------------------------------------------------------------------------


def _effects(table: Array) -> tuple[Array, Array]:
    return table.mean(axis=1) - table.mean(), table.mean(axis=0) - table.mean()


def _is_sum(table: Array) -> bool:
    row, column = _effects(table)
    return bool(np.allclose(table, table.mean() + row[:, None] + column, atol=1e-9))


def _one_direction(effects: Sequence[Array], either_sign: bool = False) -> bool:
    """Whether all are multiples of one vector, by numbers that are not negative."""
    for x, y in combinations(effects, 2):
        inner = abs(x @ y) if either_sign else x @ y
        if not np.isclose(inner, np.linalg.norm(x) * np.linalg.norm(y), atol=1e-9):
            return False
    return True


def _same(arrays: Sequence[Array]) -> bool:
    return all(np.allclose(array, arrays[0], atol=1e-9) for array in arrays)


def can_hold(mixer: LinearMixing, tables: Sequence[Array]) -> bool:
    """Whether a mixer without a bend represents one table for each state, if agents do not see the state.

    All tables are sums. VDN: all are the same. VDN-S: they have the same effects, and may have any means. QMIX-Lin: for
    each agent the effects are multiples of one vector, by weights that are not negative.
    """
    if not all(_is_sum(table) for table in tables):
        return False
    rows, columns = zip(*(_effects(table) for table in tables), strict=True)
    if mixer == "vdn":
        return _same(tables)
    if mixer == "vdn_s":
        return _same(rows) and _same(columns)
    return _one_direction(rows) and _one_direction(columns)


def _task(rng: np.random.Generator, kind: str) -> list[Array]:
    """Return the tables of two states, which differ in what ``kind`` says."""
    row, column = (rng.permutation(7)[:3] - 2.0 for _ in range(2))
    first = row[:, None] + column
    weights = {
        "same": (1, 1, 0),
        "offset": (1, 1, 5),
        "scale": (3, 3, 0),
        "each its own": (2, 0.5, -4),
        "one is deaf": (1, 0, 2),
        "one turned round": (1, -2, 1),
    }
    if kind in weights:
        w, v, b = weights[kind]
        return [first, w * row[:, None] + v * column + b]
    if kind == "other directions":
        return [first, (row[[1, 2, 0]] + [0, 0, 5])[:, None] + column]
    bent = first.copy()
    bent[2, 2] += 6
    return [bent, bent + 4] if kind == "bent" else [first, bent]


KINDS = (
    *("same", "offset", "scale", "each its own", "one is deaf", "one turned round"),
    *("other directions", "bent", "bent in one state"),
)


@check(
    CHAPTER,
    hints=(
        "All three give a sum in every state. What may differ between the states: the mean, or the effects as well?",
        "VDN: nothing may differ. VDN-S: the means alone. QMIX-Lin: the mean, and each agent's effects may be longer "
        "or shorter in another state (a factor for each agent, never negative), but keep their direction.",
        "[[0, 1], [2, 3]] and three times that: only QMIX-Lin. With 6 added instead: QMIX-Lin and VDN-S. With "
        "[[1, 0], [3, 2]] as the second: none of them, agent 2 is turned round.",
    ),
)
def check_can_hold(answer: Any) -> str:
    """Which linear mixings represent one table for each hidden state."""
    rng = np.random.default_rng(5)
    tasks = [_task(rng, kind) for kind in KINDS for _ in range(2)]
    tasks += [[2 * table + 1 for table in reversed(task)] for task in tasks]
    cases: list[tuple[Any, list[Array]]] = [(name, task) for task in tasks for name in ("vdn", "vdn_s", "qmix_lin")]

    def effects(tables: Sequence[Array]) -> tuple[list[Array], list[Array]]:
        return [_effects(t)[0] for t in tables], [_effects(t)[1] for t in tables]

    def sums(tables: Sequence[Array]) -> bool:
        return all(_is_sum(table) for table in tables)

    def no_sum_needed(mixer: LinearMixing, tables: Sequence[Array]) -> bool:
        rows, columns = effects(tables)
        plain = [table.mean() + r[:, None] + c for table, r, c in zip(tables, rows, columns, strict=True)]
        return can_hold(mixer, plain)

    def any_sign(mixer: LinearMixing, tables: Sequence[Array]) -> bool:
        if mixer != "qmix_lin":
            return can_hold(mixer, tables)
        return sums(tables) and all(_one_direction(e, either_sign=True) for e in effects(tables))

    def one_factor(mixer: LinearMixing, tables: Sequence[Array]) -> bool:
        if mixer != "qmix_lin":
            return can_hold(mixer, tables)
        return sums(tables) and _one_direction([np.concatenate(_effects(table)) for table in tables])

    diagnose(
        answer,
        cases,
        right=can_hold,
        misconceptions=[
            Misconception(
                "each state by itself",
                "you ask only whether every table is a sum. The agents do not see the state: their utilities are the "
                "same in all of them.",
                lambda mixer, tables: sums(tables),
            ),
            Misconception(
                "a sum is not asked for",
                "you compare effects and forget that every table must be a sum at all; none of the three bends.",
                no_sum_needed,
            ),
            Misconception(
                "VDN has no bias",
                "VDN does not see the state, so it cannot even move the mean from one state to the next.",
                lambda mixer, tables: can_hold("vdn_s" if mixer == "vdn" else mixer, tables),
                hint=2,
            ),
            Misconception(
                "a bias does not scale",
                "V(s) adds the same to every joint action; it makes no effect longer.",
                lambda mixer, tables: can_hold("qmix_lin" if mixer == "vdn_s" else mixer, tables),
                hint=2,
            ),
            Misconception(
                "the state does more than that",
                "V(s) may move the mean of a table; you treat VDN-S like VDN.",
                lambda mixer, tables: can_hold("vdn" if mixer == "vdn_s" else mixer, tables),
                hint=2,
            ),
            Misconception(
                "the state does more than that",
                "the weights of QMIX-Lin may stretch the effects; you let it move the mean alone.",
                lambda mixer, tables: can_hold("vdn_s" if mixer == "qmix_lin" else mixer, tables),
                hint=2,
            ),
            Misconception(
                "a sum for each state is not enough",
                "you let QMIX-Lin hold any sum in any state. Its weights only stretch an agent's effects, which keep "
                "their direction.",
                lambda mixer, tables: sums(tables) if mixer == "qmix_lin" else can_hold(mixer, tables),
                hint=2,
            ),
            Misconception(
                "VDN sees no state",
                "you ask of VDN only that every table is a sum; it has one sum for all states.",
                lambda mixer, tables: sums(tables) if mixer == "vdn" else can_hold(mixer, tables),
                hint=2,
            ),
            Misconception(
                "weights may not be negative",
                "you let a state turn an agent's order round; |w| cannot.",
                any_sign,
                hint=2,
            ),
            Misconception(
                "a weight for each agent",
                "you ask for one factor for the whole team; each agent has a weight of its own.",
                one_factor,
                hint=2,
            ),
        ],
    )
    return "so you can tell before any training where each of them must fail."


# --- an ablation of one's own ---------------------------------------------------------------------


class EqualAgents(QMixer):
    """QMIX in which all agents have the same weights: an ablation of chapter 14."""

    def raw_parameters(self, state: Tensor) -> dict[str, Tensor]:
        """Return QMIX's, each unit's weights averaged over the agents."""
        raw = super().raw_parameters(state)
        return raw | {"w1": raw["w1"].abs().mean(dim=-2, keepdim=True).expand_as(raw["w1"])}


N_AGENTS, STATE_SIZE, BATCH = 3, 4, 256


def _slopes(mixer: nn.Module, q: Tensor, state: Tensor) -> Tensor:
    """Return ``dQ_tot/dQ_a``, [b, n]."""
    q = q.clone().requires_grad_()
    total = mixer(q, state).sum() + 0 * q.sum()  # so that q is always part of it
    (slopes,) = torch.autograd.grad(total, q)
    return slopes


def _differ(one: Tensor, other: Tensor) -> bool:
    return bool(((one - other).abs() > 1e-4 * (1 + one.abs())).any())


def _probes(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(BATCH, N_AGENTS, generator=generator), torch.randn(BATCH, STATE_SIZE, generator=generator)


def parts_of(make: MakeMixer, seed: int = 0) -> dict[str, bool]:
    """Return which parts of QMIX a mixer shows from outside, at random utilities and states.

    ``bend``: its slopes depend on the utilities. ``state in value``, ``state in slopes``: they depend on the state.
    ``own weights``: exchanging two agents' utilities changes the value.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mixer = make(N_AGENTS, STATE_SIZE)
    q, state = _probes()
    elsewhere, other_state = q.roll(1, dims=0), state.roll(1, dims=0)
    with torch.no_grad():
        value, moved, exchanged = (mixer(*x) for x in ((q, state), (q, other_state), (q.roll(1, dims=1), state)))
    slopes = _slopes(mixer, q, state)
    return {
        "bend": _differ(slopes, _slopes(mixer, elsewhere, state)),
        "state in value": _differ(value, moved),
        "state in slopes": _differ(slopes, _slopes(mixer, q, other_state)),
        "own weights": _differ(value, exchanged),
    }


ONE_PART = ({"bend"}, {"state in slopes"}, {"state in value", "state in slopes"}, {"own weights"})


@check(
    CHAPTER,
    hints=(
        "Begin with a subclass of `QMixer` and change one thing: `forward`, or `raw_parameters`, which says what the "
        "hypernetworks give.",
        "One weight for all agents: take `raw['w1'].abs().mean(dim=-2, keepdim=True)` and `expand_as(raw['w1'])`. No "
        "state: call `super().forward(q, torch.ones_like(state))`. The class may stand inside your function.",
        "The check differentiates Q_tot in the utilities at random places: no slope below 0, none of the agents always "
        "0; and it names the part that it found missing.",
    ),
)
def check_ablated_mixer(answer: Any) -> str:
    """A monotone mixer that lacks one part of QMIX."""
    q, state = _probes()
    mixer: Any = answer(N_AGENTS, STATE_SIZE)
    if not isinstance(mixer, nn.Module):
        wrong("not a mixer", f"return an `nn.Module`, made and ready; this is {show(mixer)}.")
    value = _output(mixer, q, state)
    if tuple(value.shape) != (BATCH, 1):
        wrong(
            "another shape", f"for utilities [{BATCH}, {N_AGENTS}] Q_tot has shape {tuple(value.shape)}, not [..., 1]."
        )
    slopes = torch.cat([_slopes(answer(N_AGENTS, STATE_SIZE), q, state) for _ in range(5)])
    if slopes.min() < -1e-6:
        wrong("not monotone", f"a slope dQ_tot/dQ_a is {slopes.min().item():.3g}; no weight may be negative.", hint=2)
    if (slopes.abs() < 1e-9).all(dim=0).any():
        wrong("an agent is not heard", "the utility of one of the agents never changes Q_tot.")
    parts = parts_of(answer)
    missing = {part for part, has in parts.items() if not has}
    smaller = _weights(mixer) < _weights(QMixer(N_AGENTS, STATE_SIZE))
    if not missing and not smaller:
        wrong("nothing taken away", "it bends, uses the state in both ways, weighs agents, and has no fewer weights.")
    if missing and missing not in ONE_PART:
        wrong(
            "several parts at once", f"missing are {show(sorted(missing))}; if it did worse, which would it have been?"
        )
    gone = " and ".join(sorted(missing)) or f"{_weights(QMixer(N_AGENTS, STATE_SIZE)) - _weights(mixer)} weights"
    return f"monotone, and gone: {gone}. Now: on which task should it be missed?"


def _output(mixer: nn.Module, q: Tensor, state: Tensor) -> Tensor:
    try:
        value = mixer(q, state)
    except Exception as error:
        raise Wrong(
            "your mixer stopped with an error", f"mixer(q, state) raised {type(error).__name__}: {error}."
        ) from error
    if not isinstance(value, Tensor):
        wrong("another shape", f"`forward` returned {show(value)}; Q_tot is a tensor [..., 1].")
    return value


def _weights(mixer: nn.Module) -> int:
    return sum(weights.numel() for weights in mixer.parameters())

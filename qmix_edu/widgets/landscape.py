"""The landscape explorer: Q_tot of a mixing network over the plane of two agents' utilities.

``landscape.js`` computes and draws in the browser; the functions here compute the same numbers in numpy, and
``LandscapeExplorer.figure`` draws the same setting with matplotlib where no browser runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import anywidget
import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from qmix_edu import plots
from qmix_edu.widgets.modules import css, esm

Array = NDArray[np.float64]

# Both agents' utilities in each state, [K][2][m]: nested lists, an array or a tensor.
Utilities = Any

GRID = 41  # points along each utility
_LABELS = {"abs": "|w|", "softplus": "softplus(w)", "none": "signed w"}


class RawMixer(Protocol):
    """A mixing network whose weights can be read before the constraint that makes them non-negative."""

    def raw_parameters(self, state: Any) -> dict[str, Any]:
        """Return ``w1 [K, n, E]``, ``b1 [K, E]``, ``w2 [K, E]`` and ``v [K]`` for states ``[K, s]``."""
        ...


def constrain(weights: ArrayLike, constraint: str) -> Array:
    """Return the weights that the mixer multiplies with: ``|w|``, ``softplus(w)`` or ``w`` itself."""
    _check_constraint(constraint)
    w = np.asarray(weights, dtype=float)
    if constraint == "abs":
        return np.abs(w)
    return np.logaddexp(0.0, w) if constraint == "softplus" else w


def q_tot(
    w1: ArrayLike, b1: ArrayLike, w2: ArrayLike, v: float, q1: ArrayLike, q2: ArrayLike, constraint: str
) -> Array:
    """Mix two utilities: ``Q_tot = c(w2) . ELU(Q_1 c(w1)_1 + Q_2 c(w1)_2 + b1) + V``.

    Shapes: ``w1 [2, E]``, ``b1 [E]``, ``w2 [E]``; ``q1`` and ``q2`` broadcast against each other. c is the
    constraint; the biases ``b1`` and ``V`` are free.

    Source: Rashid et al. 2018, "QMIX: Monotonic Value Function Factorisation", section 4.1 and figure 2.
    """
    mix = constrain(w1, constraint)
    a1, a2 = np.asarray(q1, dtype=float)[..., None], np.asarray(q2, dtype=float)[..., None]
    z = a1 * mix[0] + a2 * mix[1] + np.asarray(b1, dtype=float)
    hidden = np.where(z > 0, z, np.expm1(np.minimum(z, 0)))  # ELU
    return hidden @ constrain(w2, constraint) + v


def q_tot_surface(
    w1: ArrayLike, b1: ArrayLike, w2: ArrayLike, v: float, q1: ArrayLike, q2: ArrayLike, constraint: str
) -> Array:
    """Return Q_tot on a grid, ``[k1, k2]`` for utilities ``q1 [k1]`` and ``q2 [k2]``; see ``q_tot``."""
    return q_tot(w1, b1, w2, v, np.asarray(q1)[:, None], np.asarray(q2)[None, :], constraint)


def mixer_parameters(mixer: RawMixer, states: Any) -> dict[str, Array]:
    """Read ``w1``, ``b1``, ``w2`` and ``v`` of a mixing network at K states, as numpy arrays."""
    return {name: _array(value) for name, value in mixer.raw_parameters(states).items()}


class LandscapeExplorer(anywidget.AnyWidget):
    """Q_tot over the plane of utilities: surface, heat map, joint actions, and where monotonicity breaks.

    The state slider chooses one of K mixers, the buttons choose what is done to its signed weights. Every step
    of the 41 x 41 grid along which Q_tot falls is counted, and its cell hatched.

    Args:
        w1: first-layer weights before the constraint, ``[K, 2, E]``.
        b1: first-layer biases, ``[K, E]``.
        w2: second-layer weights before the constraint, ``[K, E]``.
        v: the state's own value V(s), ``[K]``.
        utilities: both agents' utilities in each state, ``[K][2][m]``, or ``[1][2][m]`` for all states; the
            agents may have different numbers of actions.
        state_names: K names; numbers by default.
        action_names: both agents' action names; letters by default.
        constraint: ``"abs"``, ``"softplus"`` or ``"none"``, to begin with.

    Raises:
        ValueError: if shapes disagree or a number is not finite.

    Attributes:
        state: the chosen state, 0 to K - 1; follows the slider and can be set.
        constraint: the chosen constraint; follows the buttons and can be set.
    """

    _esm = esm("landscape")
    _css = css("landscape")

    parameters = traitlets.Dict().tag(sync=True)
    utilities = traitlets.List().tag(sync=True)
    state_names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    action_names = traitlets.List().tag(sync=True)
    state = traitlets.Int(0).tag(sync=True)
    constraint = traitlets.Enum(list(_LABELS), default_value="abs").tag(sync=True)

    def __init__(
        self,
        w1: ArrayLike,
        b1: ArrayLike,
        w2: ArrayLike,
        v: ArrayLike,
        utilities: Utilities,
        *,
        state_names: Sequence[str] | None = None,
        action_names: tuple[Sequence[str], Sequence[str]] | None = None,
        constraint: str = "abs",
    ):
        _check_constraint(constraint)
        parameters = _checked_parameters(w1, b1, w2, v)
        n_states = len(parameters["w1"])
        both = _checked_utilities(utilities, n_states)
        names = [str(k) for k in range(n_states)] if state_names is None else [str(s) for s in state_names]
        if len(names) != n_states:
            raise ValueError(f"got {len(names)} state names, expected {n_states}: one for each mixer in w1.")
        sizes = [len(u) for u in both[0]]
        actions = [plots.action_names(m) for m in sizes] if action_names is None else [list(a) for a in action_names]
        if [len(a) for a in actions] != sizes:
            raise ValueError(f"got {[len(a) for a in actions]} action names, expected {sizes}: one for each utility.")
        super().__init__(
            parameters=parameters,
            utilities=both,
            state_names=names,
            action_names=actions,
            constraint=constraint,
        )

    @classmethod
    def from_mixer(
        cls,
        mixer: RawMixer,
        states: Any,
        utilities: Utilities,
        *,
        state_names: Sequence[str] | None = None,
        action_names: tuple[Sequence[str], Sequence[str]] | None = None,
        constraint: str = "abs",
    ) -> LandscapeExplorer:
        """Explore a mixing network of two agents at the given states ``[K, s]``."""
        raw = mixer_parameters(mixer, states)
        return cls(
            raw["w1"],
            raw["b1"],
            raw["w2"],
            raw["v"],
            utilities,
            state_names=state_names,
            action_names=action_names,
            constraint=constraint,
        )

    @classmethod
    def random(cls, seed: int, n_states: int = 3, embed: int = 8) -> LandscapeExplorer:
        """Explore random mixers, from 20 % negative weights in the first state to 50 % in the last."""
        rng = np.random.default_rng(seed)
        shares = np.linspace(0.2, 0.5, n_states)
        w = np.abs(rng.normal(size=(n_states, 3 * embed)))
        for k, share in enumerate(shares):
            w[k, rng.permutation(3 * embed)[: round(share * 3 * embed)]] *= -1
        utilities = np.linspace(-1.5, 1.5, 3) + rng.uniform(-0.4, 0.4, size=(n_states, 2, 3))
        return cls(
            w[:, : 2 * embed].reshape(n_states, 2, embed),
            rng.normal(size=(n_states, embed)),
            w[:, 2 * embed :],
            rng.normal(size=n_states),
            utilities,
            state_names=[f"{share:.0%} negative weights" for share in shares],
            constraint="none",
        )

    def replace(self, w1: ArrayLike, b1: ArrayLike, w2: ArrayLike, v: ArrayLike, utilities: Utilities) -> None:
        """Show other weights and utilities of the same K states and actions, for instance during training."""
        parameters = _checked_parameters(w1, b1, w2, v)
        if len(parameters["w1"]) != len(self.state_names):
            raise ValueError(f"w1 holds {len(parameters['w1'])} states, expected {len(self.state_names)} as before.")
        both = _checked_utilities(utilities, len(self.state_names))
        sizes = [len(u) for u in both[0]]
        if sizes != [len(a) for a in self.action_names]:
            raise ValueError(
                f"utilities are for {sizes} actions, expected {[len(a) for a in self.action_names]} as before."
            )
        with self.hold_trait_notifications(), self.hold_sync():
            self.parameters = parameters
            self.utilities = both

    @traitlets.validate("state")
    def _check_state(self, proposal: Any) -> int:
        k, n = int(proposal["value"]), len(self.state_names)
        if not 0 <= k < max(n, 1):
            raise traitlets.TraitError(f"state {k} does not exist, expected 0 to {n - 1}.")
        return k

    def grid(self) -> tuple[Array, Array]:
        """Return the 41 utilities of each agent at which Q_tot is drawn, the same in every state."""
        return _axis(self.utilities, 0), _axis(self.utilities, 1)

    def surface(self) -> Array:
        """Return Q_tot on the grid, ``[41, 41]``, in the chosen state under the chosen constraint."""
        return q_tot_surface(*self._mixer(), *self.grid(), self.constraint)

    def values(self) -> Array:
        """Return Q_tot of every joint action, ``[m1, m2]``."""
        return q_tot_surface(*self._mixer(), *self._utilities(), self.constraint)

    def result(self) -> dict[str, Any]:
        """Return the numbers that the picture shows; the browser writes the same into ``data-result``."""
        surface, values = self.surface(), self.values()
        greedy = plots.greedy_actions(self._utilities())
        best = np.unravel_index(int(np.argmax(values)), values.shape)
        return {
            "state": self.state,
            "constraint": self.constraint,
            "values": values.tolist(),
            "greedy": [list(joint) for joint in greedy],
            "greedy_value": float(values[greedy[0]]),
            "best": [int(a) for a in best],
            "best_value": float(values[best]),
            "violations": plots.count_violations(surface),
            "steps": 2 * GRID * (GRID - 1),
            "lowest": float(surface.min()),
            "highest": float(surface.max()),
            "mean": float(surface.mean()),
        }

    def summary(self) -> str:
        """Say in words what the picture shows."""
        r = self.result()
        weights = _LABELS[self.constraint]
        if self.constraint == "none":
            signed = [np.asarray(self.parameters[name][self.state]) for name in ("w1", "w2")]
            negative, total = sum(int((w < 0).sum()) for w in signed), sum(w.size for w in signed)
            weights += f" ({negative} of {total} negative)"
        fall = "never falls" if r["violations"] == 0 else "falls"
        hatched = "" if r["violations"] == 0 else ", hatched"
        greedy = ", ".join(self._name(joint) for joint in r["greedy"])
        verdict = "no joint action is better"
        if r["best_value"] > r["greedy_value"] + 1e-9:
            verdict = f"but {self._name(r['best'])} = {r['best_value']:.2f} is better, so IGM is broken"
        return (
            f"State {self.state_names[self.state]}, weights {weights}: Q_tot {fall} along an axis "
            f"({r['violations']} of {r['steps']} grid steps{hatched}). "
            f"Greedy joint action {greedy} = {r['greedy_value']:.2f}; {verdict}."
        )

    def figure(self) -> Figure:
        """Draw the chosen setting with matplotlib: heat map and surface side by side."""
        setting = (*self.grid(), self.surface(), self._utilities())
        names = cast("tuple[list[str], list[str]]", tuple(self.action_names))
        figure = plt.figure(figsize=(11, 4.8), layout="constrained")
        flat, solid = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2, projection="3d")
        plots.plot_landscape(*setting, values=self.values(), names=names, ax=flat)
        plots.plot_landscape_3d(*setting, values=self.values(), names=names, ax=solid)
        figure.suptitle(self.summary().replace(". ", ".\n"), fontsize=10)
        return figure

    def _mixer(self) -> tuple[Any, Any, Any, float]:
        w1, b1, w2, v = (self.parameters[name][self.state] for name in ("w1", "b1", "w2", "v"))
        return w1, b1, w2, v

    def _utilities(self) -> tuple[Array, Array]:
        u1, u2 = self.utilities[self.state]
        return np.asarray(u1, dtype=float), np.asarray(u2, dtype=float)

    def _name(self, joint: Sequence[int]) -> str:
        return f"({self.action_names[0][joint[0]]}, {self.action_names[1][joint[1]]})"


def _check_constraint(constraint: str) -> None:
    if constraint not in _LABELS:
        raise ValueError(f"unknown constraint {constraint!r}, expected 'abs', 'softplus' or 'none'.")


def _axis(utilities: Sequence[Any], agent: int) -> Array:
    """Return the grid of one agent's utilities: those of all its actions in all states, and a quarter beyond."""
    everything = [x for state in utilities for x in state[agent]]
    low, high = min(everything), max(everything)
    margin = 0.25 * (high - low) if high > low else 1.0
    return np.linspace(low - margin, high + margin, GRID)


def _array(value: Any) -> Array:
    """Return a tensor or anything array-like as numpy."""
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value, dtype=float)


def _finite(name: str, array: Array) -> Array:
    if not np.isfinite(array).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} holds {array[at]} at {at}, expected finite numbers only.")
    return array


def _checked_parameters(w1: ArrayLike, b1: ArrayLike, w2: ArrayLike, v: ArrayLike) -> dict[str, list[Any]]:
    first = _array(w1)
    if first.ndim != 3 or first.shape[1] != 2 or first.size == 0:
        raise ValueError(f"w1 has shape {first.shape}, expected [K, 2, E]: two agents' weights in each of K states.")
    n_states, _, embed = first.shape
    checked = {"w1": first.tolist()}
    _finite("w1", first)
    for name, value, size in (("b1", b1, embed), ("w2", w2, embed), ("v", v, 1)):
        array = _array(value)
        if array.size != n_states * size or array.shape[:1] != (n_states,):
            want = f"[{n_states}, {embed}]" if size > 1 else f"[{n_states}]"
            raise ValueError(f"{name} has shape {array.shape}, expected {want} to go with w1 {first.shape}.")
        shape = (n_states,) if name == "v" else (n_states, embed)
        checked[name] = _finite(name, array).reshape(shape).tolist()
    return checked


def _is_pair(value: Any) -> bool:
    return np.iterable(value) and len(list(value)) == 2 and all(np.ndim(u) == 1 for u in value)


def _checked_utilities(utilities: Utilities, n_states: int) -> list[list[list[float]]]:
    """Return utilities as nested lists ``[K][2][m]``."""
    rows: list[Any] = list(_array(utilities) if hasattr(utilities, "detach") else utilities)
    if len(rows) == 1:
        rows = rows * n_states
    if len(rows) != n_states or not all(map(_is_pair, rows)):
        raise ValueError(
            f"utilities hold {len(rows)} states, expected {n_states} (or 1 for all), each with two agents' "
            "lists of utilities, [K][2][m]."
        )
    both = [[_finite("utilities", _array(u)).tolist() for u in pair] for pair in rows]
    for k, pair in enumerate(both):
        if [len(u) for u in pair] != [len(u) for u in both[0]] or not all(pair):
            raise ValueError(
                f"state {k} has utilities for {[len(u) for u in pair]} actions, expected "
                f"{[len(u) for u in both[0]]} as in state 0, and at least one for each agent."
            )
    return both

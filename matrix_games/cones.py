"""Best fit inside one cone: tables whose actions are sorted already, from worst to best.

- :func:`isotonic`: non-decreasing tables, by splitting blocks at upper sets;
- :func:`supermodular`: non-decreasing tables with increasing differences, by non-negative least squares; and
  :func:`supermodular_bound`, which is cheaper and below its loss.

All take a batch of flattened tables ``[b, cells]`` of one shape, with positive weights.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog, lsq_linear, nnls
from scipy.sparse import coo_array

from matrix_games.games import Array

_MAX_UPSETS = 8000  # above, upper sets come from a linear programme instead of a list
_SWEEPS = 12  # of the dual coordinate ascent


def isotonic(values: Array, weight: Array, shape: tuple[int, ...]) -> Array:
    """Weighted isotonic regression on the product order, for a batch ``[b, cells]``, by upper sets."""
    upsets = upper_sets(shape)
    if upsets is None:
        return np.stack([isotonic_large(v, w, shape) for v, w in zip(values, weight, strict=True)])
    fitted = np.empty_like(values)
    owner = np.arange(len(values))  # block -> row of the batch
    block = np.ones(values.shape, dtype=np.bool_)
    while len(owner):
        mass = weight[owner] * block
        total = mass.sum(axis=1, keepdims=True)
        mean = (mass * values[owner]).sum(axis=1, keepdims=True) / total
        gains = (mass * (values[owner] - mean)) @ upsets.T
        upper = block & (upsets[np.argmax(gains, axis=1)] > 0)
        proper = upper.any(axis=1) & (upper != block).any(axis=1)
        split = proper & (gains.max(axis=1) > 1e-15 * total[:, 0])
        row, cell = np.nonzero(block & ~split[:, None])
        fitted[owner[row], cell] = mean[row, 0]
        block = np.concatenate([upper[split], (block & ~upper)[split]])
        owner = np.concatenate([owner[split], owner[split]])
    return fitted


@lru_cache(maxsize=16)
def upper_sets(shape: tuple[int, ...]) -> Array | None:
    """All upper sets of the product order as rows of 0 and 1 ``[sets, cells]``; None if there are too many.

    An upper set of ``m_1 x rest`` is a chain of ``m_1`` nested upper sets of ``rest``.
    """
    if not shape:
        return np.array([[0.0], [1.0]])
    rest = upper_sets(shape[1:])
    if rest is None:
        return None
    nested = (rest @ (1 - rest).T) == 0  # nested[s, t]: s is part of t
    counts = np.ones(len(rest))
    for _ in range(shape[0] - 1):
        counts = nested @ counts
    if counts.sum() > _MAX_UPSETS:
        return None
    chains = np.arange(len(rest))[:, None]
    for _ in range(shape[0] - 1):
        chain, larger = np.nonzero(nested[chains[:, -1]])
        chains = np.column_stack([chains[chain], larger])
    return rest[chains].reshape(len(chains), -1)


def isotonic_large(values: Array, weight: Array, shape: tuple[int, ...]) -> Array:
    """The same for one row ``[cells]``; one linear programme a level finds the upper sets of all blocks."""
    low, high = _covers(shape)
    block = np.zeros(len(values), dtype=np.intp)
    while True:
        total = np.bincount(block, weight)
        mean = np.bincount(block, weight * values) / total
        excess = weight * (values - mean[block]) / total[block]
        inside = block[low] == block[high]
        edges = np.arange(int(inside.sum()))
        rows, columns = np.concatenate([edges, edges]), np.concatenate([low[inside], high[inside]])
        signs = np.repeat([1.0, -1.0], len(edges))
        below = coo_array((signs, (rows, columns)), shape=(len(edges), len(values)))
        scale = float(np.abs(excess).max()) or 1.0
        answer = linprog(-excess / scale, A_ub=below, b_ub=np.zeros(len(edges)), bounds=(0, 1), method="highs-ds")
        upper = answer.x > 0.5
        gain = np.bincount(block, excess * upper)
        proper = np.bincount(block, upper) % np.bincount(block) > 0
        _, finer = np.unique(2 * block + (upper & (proper & (gain > 1e-9))[block]), return_inverse=True)
        if finer.max() == block.max():
            return _raised(mean[block].reshape(shape)).ravel()
        block = finer


def _raised(table: Array) -> Array:
    """Lowest non-decreasing table above this one: removes what the programme's tolerance left."""
    for axis in range(table.ndim):
        table = np.maximum.accumulate(table, axis=axis)
    return table


@lru_cache(maxsize=16)
def _covers(shape: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Neighbouring cells (lower, upper) along every axis, as flat numbers."""
    cells = np.arange(int(np.prod(shape))).reshape(shape)
    ends = [(np.delete(cells, -1, axis), np.delete(cells, 0, axis)) for axis in range(len(shape))]
    return np.concatenate([a.ravel() for a, _ in ends]), np.concatenate([b.ravel() for _, b in ends])


def supermodular(values: Array, weight: Array, shape: tuple[int, ...]) -> Array:
    """Projection on non-decreasing tables with increasing differences, for a batch ``[b, cells]``."""
    constraints = supermodular_constraints(shape)
    return np.stack([_cone_projection(v, w, constraints) for v, w in zip(values, weight, strict=True)])


def supermodular_bound(values: Array, weight: Array, shape: tuple[int, ...]) -> Array:
    """Lower bound ``[b]`` of the loss of :func:`supermodular`, by a few sweeps of dual coordinate ascent.

    With ``F = R + W^-1 A' x`` any ``x >= 0`` gives the bound ``sum_a w (R^2 - F^2)``, the value of the dual. A
    step makes one row of ``A F`` zero, or as small as ``x >= 0`` allows.

    Source: Hildreth, A quadratic programming procedure, Naval Research Logistics Quarterly 4, 1957.
    """
    constraints = supermodular_constraints(shape)
    inverse, fitted = np.ascontiguousarray(1 / weight.T), np.ascontiguousarray(values.T)  # [cells, b]
    dual = np.zeros((len(constraints), len(values)))
    rows = [(cells := np.flatnonzero(row), row[cells]) for row in constraints]
    lengths = [signs**2 @ inverse[cells] for cells, signs in rows]
    for _ in range(_SWEEPS):
        for (cells, signs), length, multiplier in zip(rows, lengths, dual, strict=True):
            step = np.maximum(-(signs @ fitted[cells]) / length, -multiplier)
            multiplier += step
            fitted[cells] += inverse[cells] * np.outer(signs, step)
    return (weight * values**2).sum(axis=1) - (weight.T * fitted**2).sum(axis=0)


def _cone_projection(value: Array, weight: Array, constraints: Array) -> Array:
    """Weighted projection ``F [cells]`` of ``R`` on ``A F >= 0``.

    ``F = R + W^-1 A' x`` where ``x >= 0`` minimises ``|W^1/2 R + W^-1/2 A' x|``. SciPy's quick solver can stop at
    a wrong point without a word (seen in 1.17), so its answer counts only if ``A F >= 0`` and ``x' A F = 0``.
    """
    root = np.sqrt(weight)
    generators = (constraints / root).T
    lengths = np.linalg.norm(generators, axis=0)
    columns, target = generators / lengths, -root * value
    allowed = 1e-10 + 1e-15 * float(weight.max() / weight.min())  # rounding grows with the range of the weights
    for solver in (_nnls, _bvls):
        dual = solver(columns, target) / lengths
        fitted = value + generators @ dual / root
        differences = constraints @ fitted
        if differences.min() >= -allowed and abs(dual @ differences) <= allowed:
            return fitted
    raise ArithmeticError("the supermodular projection did not converge; make the weights more alike.")


def _nnls(columns: Array, target: Array) -> Array:
    try:
        return nnls(columns, target, maxiter=50 * columns.shape[1])[0]
    except RuntimeError:  # too many iterations
        return np.zeros(columns.shape[1])


def _bvls(columns: Array, target: Array) -> Array:
    return lsq_linear(columns, target, (0, np.inf), method="bvls", tol=1e-15).x


@lru_cache(maxsize=16)
def supermodular_constraints(shape: tuple[int, ...]) -> Array:
    """Rows of A: each agent's differences while the others play their lowest, and all mixed differences.

    The differences elsewhere follow from these.
    """
    cells, n = int(np.prod(shape)), len(shape)
    basis = np.eye(cells).reshape(*shape, cells)
    rows: list[Array] = []
    for agent in range(n):
        lowest = tuple(slice(None) if axis == agent else 0 for axis in range(n))
        rows.append(np.diff(basis[lowest], axis=0).reshape(-1, cells))
    for i, j in combinations(range(n), 2):
        rows.append(np.diff(np.diff(basis, axis=i), axis=j).reshape(-1, cells))
    return np.concatenate(rows)

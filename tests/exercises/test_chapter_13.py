"""Chapter 13: plausible wrong answers get their name, different right ones are accepted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qmix_edu.exercises import chapter_13 as chapter


def slope(z):
    return np.where(z > 0, 1.0, np.exp(np.minimum(z, 0)))


def elu(z):
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda w1, b1, w2, q: w1 @ w2, "the bend is left out"),
        (lambda w1, b1, w2, q: (w1 * w2).sum(axis=1), "the bend is left out"),
        (lambda w1, b1, w2, q: w1 @ np.where(q @ w1 + b1 > 0, w2, 0), "ELU is no ReLU"),
        (lambda w1, b1, w2, q: w1 @ (w2 * np.exp(q @ w1 + b1)), "ELU's slope above zero"),
        (lambda w1, b1, w2, q: w1 @ (w2 * elu(q @ w1 + b1)), "the value instead of the slope"),
        (
            lambda w1, b1, w2, q: w1 @ (w2 * np.where(q @ w1 > -b1, 1, elu(q @ w1 + b1))),
            "the value instead of the slope",
        ),
        (lambda w1, b1, w2, q: q * chapter.mixer_gradient(w1, b1, w2, q), "the slope, not the share"),
        (lambda w1, b1, w2, q: sum(chapter.mixer_gradient(w1, b1, w2, q)), "one number for the team"),
        (lambda w1, b1, w2, q: w1 @ slope(q @ w1 + b1), "the outer weights are missing"),
        (lambda w1, b1, w2, q: w1 @ (w2 * slope(q @ w1)), "the bias is missing"),
        (lambda w1, b1, w2, q: w2 * slope(q @ w1 + b1) * w1.sum(axis=0), "summed over the wrong axis"),
        (lambda w1, b1, w2, q: np.ones(len(q)), "not yet"),
        (lambda w1, b1, w2, q: float(elu(q @ w1 + b1) @ w2), "not yet"),
    ],
)
def test_mixer_gradient_wrong(answer, name):
    assert chapter.check_mixer_gradient(answer).misconception == name


def by_differences(w1, b1, w2, q):
    h = 1e-6
    return [(elu((q + h * e) @ w1 + b1) @ w2 - elu((q - h * e) @ w1 + b1) @ w2) / (2 * h) for e in np.eye(len(q))]


def by_autograd(w1, b1, w2, q):
    x = torch.tensor(q, requires_grad=True)
    (torch.nn.functional.elu(x @ torch.tensor(w1) + torch.tensor(b1)) @ torch.tensor(w2)).backward()
    return x.grad.numpy()


@pytest.mark.parametrize(
    "answer",
    [
        by_autograd,
        by_differences,
        lambda w1, b1, w2, q: [
            sum(w1[a, e] * w2[e] * (1 if (q @ w1 + b1)[e] > 0 else np.exp((q @ w1 + b1)[e])) for e in range(len(w2)))
            for a in range(len(q))
        ],
    ],
)
def test_mixer_gradient_right(answer):
    assert chapter.check_mixer_gradient(answer).status == "correct"


def ends(u, m):
    return np.where(m, u, np.inf).min(1), np.where(m, u, -np.inf).max(1)


def overwriting(f, u, m):
    worst, best = ends(u, m)
    found = []
    for a in range(len(u)):
        q = best
        q[a] = worst[a]
        found.append(f(best) - f(q))
    return found


def never_restoring(f, u, m):
    worst, best = ends(u, m)
    q, found = best.copy(), []
    for a in range(len(u)):
        q[a] = worst[a]
        found.append(f(best) - f(q))
    return found


def losses(f, base, other):
    return [
        f(base) - f([o if i == a else b for i, (b, o) in enumerate(zip(base, other, strict=True))])
        for a in range(len(base))
    ]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda f, u, m: losses(f, u.max(1), u.min(1)), "the mask is forgotten"),
        (overwriting, "the best ones were overwritten"),
        (never_restoring, "one after another"),
        (lambda f, u, m: losses(f, (u * m).max(1), (u * m).min(1)), "unavailable is worth zero"),
        (lambda f, u, m: np.negative(losses(f, *ends(u, m))), "the others at their worst"),
        (lambda f, u, m: ends(u, m)[1] - ends(u, m)[0], "the spread alone"),
        (
            lambda f, u, m: [(f(ends(u, m)[1] + h) - f(ends(u, m)[1] - h)) / 2e-5 for h in 1e-5 * np.eye(len(u))],
            "a slope is not a difference",
        ),
        (lambda f, u, m: np.negative(losses(f, *ends(u, m)[::-1])), "upside down"),
        (lambda f, u, m: losses(f, ends(u, m)[1], (u * m).sum(1) / m.sum(1)), "against the mean"),
        (lambda f, u, m: f(ends(u, m)[1]) - f(ends(u, m)[0]), "not yet"),
    ],
)
def test_influence_wrong(answer, name):
    assert chapter.check_influence(answer).misconception == name


def by_sorting(f, u, m):
    rows = [sorted(row[mask]) for row, mask in zip(u, m, strict=True)]
    best = np.array([row[-1] for row in rows])
    found = []
    for a, row in enumerate(rows):
        other = best.copy()
        other[a] = row[0]
        found.append(f(best) - f(other))
    return found


@pytest.mark.parametrize("answer", [by_sorting, lambda f, u, m: losses(f, *ends(u, m)[::-1])])
def test_influence_right(answer):
    assert chapter.check_influence(answer).status == "correct"


def newly(alive):
    return [any(a and not b for a, b in zip(*pair, strict=True)) for pair in zip(alive, alive[1:], strict=False)]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda q, a: [q[k + 2] - q[k + 1] for k, d in enumerate(newly(a)) if d and k + 2 < len(q)], "one step late"),
        (lambda q, a: [q[k] - q[k - 1] for k, d in enumerate(newly(a)) if d and 1 <= k < len(q)], "one step early"),
        (lambda q, a: [q[k] - q[k - 1] for k in range(1, len(q)) if not a[k].all()], "every step with a dead unit"),
        (
            lambda q, a: [q[k] - q[k - 1] for k in range(1, len(q)) for _ in range(int((a[k - 1] & ~a[k]).sum()))],
            "a jump for each unit",
        ),
        (lambda q, a: abs(chapter.jumps(q, a)), "the sign is lost"),
        (lambda q, a: [q[k] - q[k + 1] for k, d in enumerate(newly(a)) if d and k + 1 < len(q)], "upside down"),
        (lambda q, a: [q[k + 1] for k, d in enumerate(newly(a)) if d and k + 1 < len(q)], "the value, not its change"),
        (lambda q, a: np.diff(q), "not yet"),
        (lambda q, a: [], "a constant"),
    ],
)
def test_jumps_wrong(answer, name):
    assert chapter.check_jumps(answer).misconception == name


def by_counting(q, alive):
    living = np.asarray(alive).sum(axis=1)
    return [q[k] - q[k - 1] for k in range(1, len(q)) if living[k] < living[k - 1]]


@pytest.mark.parametrize(
    "answer",
    [by_counting, lambda q, a: [q[k + 1] - q[k] for k, d in enumerate(newly(a)) if d and k + 1 < len(q)]],
)
def test_jumps_right(answer):
    assert chapter.check_jumps(answer).status == "correct"


def best_of(table):
    return np.unravel_index(table.argmax(), table.shape)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda r, g: r.mean(0).max() - r.mean(0)[g], "picked and measured on the same games"),
        (
            lambda r, g: r[: len(r) // 2].mean(0).max() - r[: len(r) // 2].mean(0)[g],
            "picked and measured on the same games",
        ),
        (
            lambda r, g: r[len(r) // 2 :].mean(0).max() - r[len(r) // 2 :].mean(0)[g],
            "picked and measured on the same games",
        ),
        (lambda r, g: -chapter.honest_regret(r, g), "upside down"),
        (lambda r, g: max(0, chapter.honest_regret(r, g)), "cut at zero"),
        (
            lambda r, g: r[len(r) // 2 :].mean(0)[best_of(r[: len(r) // 2].mean(0))] - r[: len(r) // 2].mean(0)[g],
            "two different sets of games",
        ),
        (
            lambda r, g: (lambda late: late[best_of(r[: len(r) // 2].max(0))] - late[g])(r[len(r) // 2 :].mean(0)),
            "the luckiest game",
        ),
        (lambda r, g: 0.0, "a constant"),
        (lambda r, g: r.mean(), "not yet"),
    ],
)
def test_honest_regret_wrong(answer, name):
    assert chapter.check_honest_regret(answer).misconception == name


def by_loops(returns, greedy):
    half, (_, m1, m2) = len(returns) // 2, returns.shape
    pairs = [(i, j) for i in range(m1) for j in range(m2)]
    best = max(pairs, key=lambda pair: sum(game[pair] for game in returns[:half]))
    return sum(game[best] - game[greedy] for game in returns[half:]) / (len(returns) - half)


def by_flat(returns, greedy):
    flat, half = returns.reshape(len(returns), -1), len(returns) // 2
    place = np.ravel_multi_index(greedy, returns.shape[1:])
    return float((flat[half:, flat[:half].sum(0).argmax()] - flat[half:, place]).mean())


@pytest.mark.parametrize("answer", [by_loops, by_flat])
def test_honest_regret_right(answer):
    assert chapter.check_honest_regret(answer).status == "correct"


def test_the_numbers_of_the_hints_are_true():
    one = np.array([[2.0], [3.0]]), np.array([0.0]), np.array([5.0])
    np.testing.assert_allclose(chapter.mixer_gradient(*one, np.array([1.0, 1.0])), [10, 15])
    np.testing.assert_allclose(chapter.mixer_gradient(*one, np.array([-1.0, 0.0])), np.array([10, 15]) * np.exp(-2))
    assert chapter.jumps(np.array([1.0, 2, 4]), np.array([[True], [True], [False], [False]])).tolist() == [2.0]
    noise = np.random.default_rng(0).normal(size=(400, 20, 3, 3))
    honest = np.array([chapter.honest_regret(games, (0, 0)) for games in noise])
    assert 0.35 < (honest < 0).mean() < 0.6
    assert abs(honest.mean()) < 0.06


@pytest.mark.parametrize("name", ["mixer_gradient", "influence", "jumps", "honest_regret"])
def test_hints_name_the_solution(name):
    check = getattr(chapter, f"check_{name}")
    assert check.exercise == name
    assert "solutions/13_inside_a_trained_qmix.ipynb" in check.hint(4).text

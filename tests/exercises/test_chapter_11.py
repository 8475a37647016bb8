"""Chapter 11: plausible wrong answers get their name, different right ones are accepted."""

from __future__ import annotations

import numpy as np
import pytest

from qmix_edu.exercises import chapter_11 as chapter


def seen(obs, first=26):
    return [obs[first + 13 * j] > 0 for j in range(3)]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda o, m: {j for j in range(3) if seen(o)[j]}, "sight without range"),
        (lambda o, m: {j for j in range(3) if m[5 + j]}, "those it can shoot"),
        (lambda o, m: {j for j in range(3) if not m[5 + j]}, "range without sight"),
        (lambda o, m: {j for j in range(3) if seen(o, 0)[j] and not m[5 + j]}, "allies taken for enemies"),
        (lambda o, m: {j for j in range(3) if seen(o)[j] and not m[j]}, "moves taken for shots"),
        (lambda o, m: {j for j in range(3) if seen(o, 36)[j] and not m[5 + j]}, "oneself first"),
        (lambda o, m: {j for j in range(3) if seen(o, 39)[j] and not m[5 + j]}, "one unit too far"),
        (
            lambda o, m: {j for j in range(3) if seen(o)[j] and np.linalg.norm(o[27 + 13 * j :][:2]) > 5 / 9},
            "range by distance",
        ),
        (lambda o, m: {j + 1 for j in range(3) if seen(o)[j] and not m[5 + j]}, "counted from 1"),
        (lambda o, m: {j + 5 for j in range(3) if seen(o)[j] and not m[5 + j]}, "numbers of actions"),
        (lambda o, m: {0}, "a constant"),
        (lambda o, m: None, "nothing returned"),
    ],
)
def test_seen_out_of_range_wrong(answer, name):
    assert chapter.check_seen_out_of_range(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda o, m: {j for j in range(3) if seen(o)[j] and not m[5 + j]},
        lambda o, m: np.flatnonzero((o[:65].reshape(5, 13)[2:, 0] > 0) & ~m[-3:]),
        lambda o, m: [j for j, block in enumerate(np.split(o[26:65], 3)) if block.any() and not m[5 + j]],
    ],
)
def test_seen_out_of_range_right(answer):
    assert chapter.check_seen_out_of_range(answer).status == "correct"


def rule(shots, moves=(0, 1, 0, 0, 0)):
    return lambda health: np.array([*moves, *shots(health)])


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (rule(lambda h: 2 + h), "the strongest first"),
        (rule(lambda h: [3, 3, 3]), "always the first enemy"),
        (rule(lambda h: [5, 4, 3]), "always the first enemy"),
        (rule(lambda h: -h), "walks past the enemy"),
        (rule(lambda h: 2 - h), "walks past the healthy enemy"),
        (lambda h: np.arange(8) == 5 + h.argmin(), "only one target"),
        (rule(lambda h: 3 - h, moves=(0, 0, 0, 0, 1)), "stands and waits"),
        (rule(lambda h: 3 - h, moves=(0, 0, 0, 0, 0)), "a tie goes north"),
        (lambda h: 3 - h, "another shape"),
        (lambda h: 5 + int(h.argmin()), "another shape"),
        (rule(lambda h: [np.nan, 2, 2]), "not finite"),
        (rule(lambda h: 3 - h, moves=(0, 0, 1, 0, 0)), "not yet"),
    ],
)
def test_weakest_first_wrong(answer, name):
    assert chapter.check_weakest_first(answer).misconception == name


def by_rank(health):
    return [-2, -1, -2, -2, -2, *(3 - np.argsort(np.argsort(health)))]


@pytest.mark.parametrize("answer", [rule(lambda h: 3 - h), by_rank, rule(lambda h: 2 / (h + 0.01)), chapter.focus_fire])
def test_weakest_first_right(answer):
    assert chapter.check_weakest_first(answer).status == "correct"


def where(condition):
    return {int(i) for i in np.flatnonzero(condition)}


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda x: where(np.abs(x).max(axis=0) > 1), "large is not drifting"),
        (lambda x: where(x.max(axis=0) > 1), "large is not drifting"),
        (lambda x: where(x[-1] < -1), "only the last moment"),
        (lambda x: where(x.min(axis=1) < -1), "time for feature"),
        (lambda x: where(x.min(axis=0) < 0), "negative is not drifting"),
        (lambda x: {int(x.min(axis=0).argmin())}, "only the worst one"),
        (lambda x: int(np.argmin(x.min(axis=0))), "only the worst one"),
        (lambda x: where(x.mean(axis=0) < -1), "the average hides it"),
        (lambda x: {3}, "a constant"),
        (lambda x: where(x.min(axis=0) < -6), "not yet"),
    ],
)
def test_drifting_features_wrong(answer, name):
    assert chapter.check_drifting_features(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: where(x.min(axis=0) < -1),
        lambda x: [j for j in range(x.shape[1]) if any(value < -1 for value in x[:, j])],
        lambda x: set(np.argwhere(x < -1)[:, 1].tolist()),
    ],
)
def test_drifting_features_right(answer):
    assert chapter.check_drifting_features(answer).status == "correct"


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda x, a, b: (x - a) / (b - a), "scaled, not clipped"),
        (lambda x, a, b: np.minimum(np.maximum(x, a), b), "clipped, not scaled"),
        (lambda x, a, b: (x.clip(0, 1) - a) / (b - a), "clipped too early"),
        (lambda x, a, b: np.clip(x / b, 0, 1), "low is not always 0"),
        (lambda x, a, b: np.clip(x / (b - a), 0, 1), "low is not always 0"),
        (lambda x, a, b: np.clip((x - a) / (b - a), -1, 1), "another range"),
        (lambda x, a, b: ((x - a) / (b - a)).clip(max=1), "cut at one end only"),
        (lambda x, a, b: ((x - a) / (b - a)).clip(min=0), "cut at one end only"),
        (lambda x, a, b: (x - x.mean(0)) / (x.std(0) + 1e-8), "scaled by the data"),
        (lambda x, a, b: (x - x.min(0)) / np.ptp(x, axis=0), "scaled by the data"),
        (lambda x, a, b: np.zeros(3)[0], "another shape"),
        (lambda x, a, b: 2 * np.clip((x - a) / (b - a), 0, 1) - 1, "not yet"),
    ],
)
def test_scale_and_clip_wrong(answer, name):
    assert chapter.check_scale_and_clip(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda x, a, b: np.clip((x - a) / (b - a), 0, 1),
        lambda x, a, b: (np.clip(x, a, b) - a) / (b - a),
        lambda x, a, b: [[min(max((v - c) / (d - c), 0), 1) for v, c, d in zip(row, a, b, strict=True)] for row in x],
    ],
)
def test_scale_and_clip_right(answer):
    assert chapter.check_scale_and_clip(answer).status == "correct"


@pytest.mark.parametrize("name", ["seen_out_of_range", "weakest_first", "drifting_features", "scale_and_clip"])
def test_hints_name_the_solution(name):
    check = getattr(chapter, f"check_{name}")
    assert check.exercise == name
    assert "solutions/11_meet_smac.ipynb" in check.hint(4).text

"""Chapter 10: plausible wrong answers get their name, different right ones are accepted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qmix_edu.exercises import chapter_10 as chapter
from qmix_edu.independent import Leniency, Temperatures
from qmix_edu.td import weighted_td_loss


def weights(d, beta):
    return np.where(d < 0, beta, 1)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda d, m, b: (weights(-d, b) * m * d**2).sum() / m.sum(), "the good news is discounted"),
        (lambda d, m, b: ((weights(d, b) * d) ** 2 * m).sum() / m.sum(), "the weight inside the square"),
        (lambda d, m, b: (weights(d, b) * d**2).mean(), "padded steps count"),
        (lambda d, m, b: (weights(d, b) * d**2 * m).mean(), "divided by all steps"),
        (lambda d, m, b: np.average(d**2, weights=weights(d, b) * m), "divided by the weights"),
        (lambda d, m, b: (np.maximum(d, 0) ** 2 * m).sum() / m.sum(), "bad news is ignored"),
        (lambda d, m, b: (d**2 * m).sum() / m.sum(), "every error counts alike"),
        (lambda d, m, b: (weights(d, b) * np.abs(d) * m).sum() / m.sum(), "the errors are not squared"),
        (lambda d, m, b: (weights(d, b) * m * d**2).sum(), "not yet"),
        (lambda d, m, b: weights(d, b) * m * d**2, "not yet"),
        (lambda d, m, b: 1.0, "a constant"),
        (lambda d, m, b: None, "nothing returned"),
    ],
)
def test_hysteretic_loss_wrong(answer, name):
    assert chapter.check_hysteretic_loss(answer).misconception == name


def by_torch(errors, mask, beta):
    errors, mask = torch.from_numpy(errors).float()[..., None], torch.from_numpy(mask).float()[..., None]
    return weighted_td_loss(torch.zeros_like(errors), errors, mask, torch.where(errors >= 0, 1.0, beta)).item()


@pytest.mark.parametrize("answer", [lambda d, m, b: np.average(weights(d, b) * d**2, weights=m), by_torch])
def test_hysteretic_loss_right(answer):
    assert chapter.check_hysteretic_loss(answer).status == "correct"


def cool(temperatures, n, highest, k, rho, d):
    after = np.minimum(highest, temperatures * np.exp(rho * d**n))
    return after, 1 - np.exp(-k * after)


def steps_left(temperatures):
    return len(temperatures) - 1 - np.arange(len(temperatures))


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda t, h, k, r, d: cool(t, np.arange(len(t)), h, k, r, d), "from the start"),
        (lambda t, h, k, r, d: cool(t, steps_left(t) + 1, h, k, r, d), "one step off"),
        (lambda t, h, k, r, d: cool(t, steps_left(t), np.inf, k, r, d), "the cap is missing"),
        (lambda t, h, k, r, d: cool(t, 0, h, k, r, d), "the same decay everywhere"),
        (lambda t, h, k, r, d: cool(t * d ** steps_left(t), 0, h, k, 0, d), "no exponential"),
        (
            lambda t, h, k, r, d: (a := cool(t, steps_left(t), h, k, r, d)[0], np.exp(-k * a)),
            "leniency upside down",
        ),
        (
            lambda t, h, k, r, d: (a := cool(t, steps_left(t), h, k, r, d)[0], np.exp(-1 / (k * a))),
            "the leniency of chapter 02",
        ),
        (
            lambda t, h, k, r, d: (cool(t, steps_left(t), h, k, r, d)[0], 1 - np.exp(-k * t)),
            "the leniency from before",
        ),
        (lambda t, h, k, r, d: cool(t, steps_left(t), h, k, r, d)[0], "not yet"),
        (lambda t, h, k, r, d: cool(t, steps_left(t), h, k, r, d)[::-1], "not yet"),
        (lambda t, h, k, r, d: t.reshape(5, 5), "your function stopped with an error"),
    ],
)
def test_cooled_wrong(answer, name):
    assert chapter.check_cooled(answer).misconception == name


def by_walking_back(temperatures, highest, moderation, rho, d):
    exponent = rho
    for t in reversed(range(len(temperatures))):
        temperatures[t] = min(temperatures[t] * np.exp(exponent), highest)
        exponent *= d
    return [temperatures, [1 - np.exp(-moderation * t) for t in temperatures]]


@pytest.mark.parametrize(
    "answer", [lambda t, h, k, r, d: cool(t, steps_left(t), h, k, r, d), by_walking_back, chapter.cooled]
)
def test_cooled_right(answer):
    assert chapter.check_cooled(answer).status == "correct"


def test_cooled_is_what_the_library_does():
    leniency = Leniency(moderation=2.0, max_decay=0.7, rho=-0.5, d=0.6)
    library = Temperatures(1, leniency)
    obs, actions = torch.eye(4), torch.zeros(4, dtype=torch.long)
    expected = np.ones(4)
    for _ in range(3):
        library.visit(0, obs, actions)
        expected, _ = chapter.cooled(expected, library.highest, 2.0, -0.5, 0.6)
        library.end_episode()
    held = library.state_dict()["temperatures"].flatten().numpy()
    np.testing.assert_allclose(held, expected, rtol=1e-6)


def near(past, target, tolerance):
    return np.mean([abs(x - target) <= tolerance for x in past])


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda p, y, t, b: max(b, near(p, y, t)), "good news is doubted too"),
        (lambda p, y, t, b: 1 if y >= p.mean() else near(p, y, t), "no floor"),
        (lambda p, y, t, b: 1 if y >= p.mean() else b, "hysteretic"),
        (lambda p, y, t, b: 1 if y >= p.mean() else max(b, np.mean(p <= y + t)), "all that is as bad or worse"),
        (lambda p, y, t, b: 1 if y >= p.mean() else max(b, 1 - near(p, y, t)), "the common is doubted"),
        (lambda p, y, t, b: 1 if y >= p.mean() else max(b, 8 * near(p, y, t)), "not yet"),
        (lambda p, y, t, b: 1 if y >= p.mean() else max(b, np.sum(np.abs(p - y) <= t)), "a number, not a share"),
        (lambda p, y, t, b: 1 if y >= np.median(p) else max(b, near(p, y, t)), "compared with the median"),
        (lambda p, y, t, b: 1 if y >= p.mean() else min(b, near(p, y, t)), "not yet"),
        (lambda p, y, t, b: b, "not yet"),
        (lambda p, y, t, b: 1.0, "a constant"),
    ],
)
def test_belief_wrong(answer, name):
    assert chapter.check_belief(answer).misconception == name


def by_sorting(past, target, tolerance, beta):
    if target * len(past) >= past.sum():
        return 1
    ordered = np.sort(past)
    inside = np.searchsorted(ordered, target + tolerance, "right") - np.searchsorted(ordered, target - tolerance)
    return np.clip(inside / len(past), beta, 1)


@pytest.mark.parametrize("answer", [lambda p, y, t, b: 1 if y >= p.mean() else max(b, near(p, y, t)), by_sorting])
def test_belief_right(answer):
    assert chapter.check_belief(answer).status == "correct"


def without(array, agent):
    return array[:, [i for i in range(array.shape[1]) if i != agent]]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda now, old, a: np.prod(now / old, axis=1), "your own ratio is in it"),
        (lambda now, old, a: np.prod(without(old, a) / without(now, a), axis=1), "upside down"),
        (lambda now, old, a: now[:, a] / old[:, a], "your ratio alone"),
        (lambda now, old, a: np.sum(without(now, a) / without(old, a), axis=1), "added up"),
        (lambda now, old, a: np.mean(without(now, a) / without(old, a), axis=1), "averaged"),
        (lambda now, old, a: np.prod(without(now, a), axis=1), "the old policy left out"),
        (lambda now, old, a: np.prod(without(now, a) / without(old, a)), "one weight for the batch"),
        (lambda now, old, a: np.prod(without(now, a) / without(old, a), axis=0), "not yet"),
        (lambda now, old, a: np.ones(len(now)), "not yet"),
    ],
)
def test_importance_wrong(answer, name):
    assert chapter.check_importance(answer).misconception == name


def by_logarithms(now, old, agent):
    ratios = np.log(now) - np.log(old)
    return np.exp(ratios.sum(axis=1) - ratios[:, agent])


@pytest.mark.parametrize(
    "answer", [lambda now, old, a: without(now, a).prod(axis=1) / without(old, a).prod(axis=1), by_logarithms]
)
def test_importance_right(answer):
    assert chapter.check_importance(answer).status == "correct"

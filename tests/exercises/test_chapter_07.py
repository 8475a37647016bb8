"""Chapter 07: plausible wrong answers get their name, different right ones are accepted."""

from __future__ import annotations

import numpy as np
import pytest

from matrix_games import additive_fit, catalogue
from qmix_edu.exercises import chapter_07 as chapter

A, B = catalogue["two-step-2a"].payoff, catalogue["two-step-2b"].payoff


def fitted(p):
    return p.mean(axis=1, keepdims=True) + p.mean(axis=0, keepdims=True) - p.mean()


def played(p):
    return p[p.mean(axis=1).argmax(), p.mean(axis=0).argmax()]


def test_the_two_branches_by_hand():
    assert chapter.vdn_branch_value(A, 0.99) == pytest.approx(6.93)
    assert chapter.vdn_branch_value(B, 0.99) == pytest.approx(6.435)
    assert chapter.iql_branch_value(B, 0.99) == pytest.approx(4.455)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda p, g: g * played(p), "a wrong value is harmless if the choice is right"),
        (lambda p, g: g * p.max(), "the truth for the fit"),
        (lambda p, g: fitted(p).max(), "the discount forgotten"),
        (lambda p, g: g * p.mean(axis=1).max(), "a team of one"),
        (lambda p, g: g * p.mean(), "the average instead of the best"),
        (lambda p, g: g**2 * fitted(p).max(), "the discount taken twice"),
        (lambda p, g: 6.435, "a constant"),
        (lambda p, g: g * fitted(p), "not yet"),
    ],
)
def test_branch_value_wrong(answer, name):
    assert chapter.check_branch_value(answer).misconception == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda p, g: g * (p.mean(axis=1).max() + p.mean(axis=0).max() - p.mean()),
        lambda p, g: g * additive_fit(p).values.max(),
    ],
)
def test_branch_value_right(answer):
    assert chapter.check_branch_value(answer).status == "correct"


def taken(branches):
    return max(branches, key=lambda p: fitted(p).max())


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda b: max(played(p) for p in b), "a wrong value is harmless if the choice is right"),
        (lambda b: fitted(taken(b)).max(), "promised is paid"),
        (lambda b: taken(b).max(), "the team plays as well as the truth allows"),
        (lambda b: max(p.max() for p in b), "the best of everything"),
        (lambda b: played(max(b, key=np.max)), "the branch by its true best cell"),
        (lambda b: played(max(b, key=np.mean)), "the branch by its average"),
        (lambda b: 7, "a constant"),
        (lambda b: played(b[0]), "not yet"),
    ],
)
def test_team_return_wrong(answer, name):
    assert chapter.check_team_return(answer).misconception == name


def with_indices(branches):
    fits = [additive_fit(p) for p in branches]
    k = int(np.argmax([f.values.max() for f in fits]))
    return branches[k][fits[k].greedy[0]]


@pytest.mark.parametrize("answer", [lambda b: played(taken(b)), with_indices])
def test_team_return_right(answer):
    assert chapter.check_team_return(answer).status == "correct"


def corner(size, top, beside, rest):
    payoff = np.full((size, size), float(rest))
    payoff[0, :] = payoff[:, 0] = beside
    payoff[0, 0] = top
    return payoff


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda m: (A, B), "too small a loss"),
        (lambda m: (np.full((m, m), 4), corner(m, 10, -10, 0)), "wrong inside a branch"),
        (lambda m: (np.full((m, m), 4), corner(m, 4, 0, 0)), "nothing to lose"),
        (lambda m: (np.full((m, m), 1), corner(m, 10, 0, 0)), "VDN chooses well"),
        (lambda m: (corner(m, 1, 0, -1), corner(m, 10, 0, -10)), "VDN chooses well"),
        (lambda m: (np.full((m, m), -2.5), corner(m, -1, -9, -9)), "too small a loss"),
        (lambda m: (np.full((m, m), 3.75), corner(m, 10, -10, -5)), "a tie"),
        (lambda m: corner(m, 10, -10, -5), "another shape"),
        (lambda m: (np.full((2, 2), 4), corner(2, 10, -10, -5)), "another shape"),
        (lambda m: 8, "not two tables"),
    ],
)
def test_trap_wrong(answer, name):
    result = chapter.check_trap(answer)
    assert result.misconception == name, result


@pytest.mark.parametrize(
    "answer",
    [
        lambda m: (np.full((m, m), 4), corner(m, 10, -10, -5)),
        lambda m: [corner(m, 100, -90, -60).T[::-1, ::-1].tolist(), np.full((m, m), 49.9).tolist()],
    ],
)
def test_trap_right(answer):
    result = chapter.check_trap(answer)
    assert result.status == "correct", result

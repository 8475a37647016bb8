"""Chapter 00: the warm-up is checked by name, and the first picture learns what it shows."""

from __future__ import annotations

import numpy as np
import pytest

from qmix_edu.exercises import chapter_00 as chapter


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda p, i, j: p[j, i], "rows for columns"),
        (lambda p, i, j: max(p[i]), "the partner does what suits me"),
        (lambda p, i, j: p[i].mean(), "the partner plays at random"),
        (lambda p, i, j: 8, "a constant"),
        (lambda p, i, j: p[i], "not yet"),
    ],
)
def test_team_reward_wrong(answer, name):
    assert chapter.check_team_reward(answer).misconception == name


@pytest.mark.parametrize("answer", [lambda p, i, j: p[i, j], lambda p, i, j: p.tolist()[i][j]])
def test_team_reward_right(answer):
    assert chapter.check_team_reward(answer).status == "correct"


def test_the_picture_learns_both_tables():
    from qmix_edu.widgets import LandscapeExplorer

    shots = list(chapter.watch_qmix_learn(steps=1500, every=500))
    assert len(shots) == 4
    explorer = LandscapeExplorer(**shots[-1])
    for state, truth in enumerate(([[7, 7], [7, 7]], [[0, 1], [1, 8]])):
        explorer.state = state
        values = np.sort(explorer.values().ravel())
        assert np.abs(values - np.sort(np.ravel(truth))).max() < 0.2
    assert explorer.result()["greedy_value"] == pytest.approx(8, abs=0.2)
    assert LandscapeExplorer(**shots[0]).result()["greedy_value"] != pytest.approx(8, abs=0.2)

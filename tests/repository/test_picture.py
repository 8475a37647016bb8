"""The README's picture shows a mixer that has really learnt the payoffs."""

import importlib.util
from pathlib import Path

import numpy as np
import torch

from matrix_games import catalogue
from qmix_edu.widgets import LandscapeExplorer

ROOT = Path(__file__).parents[2]


def test_the_pictures_mixer_learns_the_payoffs(tmp_path):
    spec = importlib.util.spec_from_file_location("picture", ROOT / "tools" / "picture.py")
    assert spec is not None and spec.loader is not None
    picture = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(picture)
    payoff = catalogue["two-step-2b"].payoff
    mixer, utilities, mse = picture.fit(torch.tensor(payoff, dtype=torch.float32), seed=3)
    explorer = LandscapeExplorer.from_mixer(mixer, torch.ones(1, 1), utilities[None])
    np.testing.assert_allclose(explorer.values(), payoff, atol=0.01)
    assert mse < picture.LARGEST_MSE
    assert explorer.result()["violations"] == 0 and explorer.result()["best"] == [1, 1]
    picture.draw(explorer, tmp_path / "new" / "picture.png")
    assert 20_000 < (tmp_path / "new" / "picture.png").stat().st_size < 200_000

"""The README's picture shows a network that really learns the two tables."""

import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import picture  # noqa: E402


@pytest.fixture(scope="module")
def shots():
    return picture.shots(700)


def test_the_pictures_network_learns_both_tables(shots):
    assert picture.mse(shots[0]) > 10
    assert picture.mse(shots[-1]) < picture.LARGEST_MSE
    assert shots[-1].state == 1  # table 2B
    assert shots[-1].result()["violations"] == 0 and shots[-1].result()["best"] == [1, 1]


def test_frames_differ_as_it_learns(shots):
    first, last = picture.frame(shots[0], 0), picture.frame(shots[-1], 700)
    assert first.size == last.size
    assert first.convert("RGB").tobytes() != last.convert("RGB").tobytes()


def test_the_picture_in_the_readme_is_that_film(shots):
    with Image.open(picture.TARGET) as film:
        assert film.n_frames == len(shots)
    assert picture.TARGET.stat().st_size < 2_000_000


def test_nothing_is_drawn_of_a_network_that_has_not_learnt(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(picture, "TARGET", tmp_path / "film.gif")
    assert picture.main(steps=20) == 1
    assert "expected below 0.001; nothing drawn" in capsys.readouterr().err
    assert not picture.TARGET.exists()

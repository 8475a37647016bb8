import matplotlib.pyplot as plt
import numpy as np
import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_games import catalogue, lowest_rung
from qmix_edu.widgets import LadderExplorer

RUNGS = ["additive", "supermodular", "monotone", "any"]


def test_one_example_stands_on_each_rung():
    examples = LadderExplorer().games[:4]
    for example, rung in zip(examples, RUNGS, strict=True):
        assert example["name"].startswith(rung)
        assert LadderExplorer(example["payoff"]).result()["rung"] == rung


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_certificates_can_be_checked_by_hand(seed):
    rng = np.random.default_rng(seed)
    payoff = rng.integers(0, 4, size=rng.integers(2, 5, size=2)).astype(float)
    result = LadderExplorer(payoff).result()
    additive, supermodular, monotone = (result[name] for name in RUNGS[:3])
    assert result["rung"] == next((name for name in RUNGS[:3] if result[name]["holds"]), "any")
    if additive["holds"]:
        np.testing.assert_allclose(np.add.outer(*additive["utilities"]), payoff, atol=1e-12)
    for verdict in (additive, supermodular):
        if minor := verdict["minor"]:
            (a, b), (c, d) = minor["low"], minor["high"]
            assert payoff[c, d] - payoff[a, d] - payoff[c, b] + payoff[a, b] == minor["difference"] != 0
    if monotone["holds"]:
        ordered = payoff[np.ix_(*monotone["orders"])]
        assert (np.diff(ordered, axis=0) >= 0).all() and (np.diff(ordered, axis=1) >= 0).all()
    else:
        for k, better in enumerate(monotone["witnesses"]):
            assert better[monotone["agent"]] == monotone["actions"][k]
            worse = list(better)
            worse[monotone["agent"]] = monotone["actions"][1 - k]
            assert payoff[tuple(better)] > payoff[tuple(worse)]


def test_sums_by_hand():
    sums = LadderExplorer(catalogue["two-step-2b"]).sums()
    assert sums["additive"] == "F(b, b) − F(a, b) − F(b, a) + F(a, a) = 8 − 1 − 1 + 0 = 6"
    assert sums["supermodular"] == sums["monotone"] == ""
    assert LadderExplorer([[0, 1], [2, 3]]).sums()["additive"] == "u₁: a -0.25, b 1.75; u₂: a 0.25, b 1.25"
    assert "0 − (-12) − (-12) + 8 = 32" in LadderExplorer(catalogue["qtran"]).sums()["additive"]


@pytest.mark.parametrize("game", LadderExplorer().games, ids=lambda game: game["name"])
def test_figure_shows_the_table_in_its_order(game):
    view = LadderExplorer(game["payoff"])
    figure = view.figure()
    assert figure.get_suptitle().replace(".\n", ". ") == view.summary() == lowest_rung(game["payoff"]).reason
    result = view.result()
    orders = result["monotone"]["orders"] or [range(size) for size in np.shape(view.payoff)]
    bold = [text.get_text() for text in figure.axes[0].texts if text.get_weight() == "bold"]
    assert bold == [f"✓ {'any table' if result['rung'] == 'any' else result['rung']}"]
    for ax, name in zip(figure.axes[1:4], RUNGS, strict=False):
        np.testing.assert_array_equal(ax.images[0].get_array(), np.asarray(view.payoff)[np.ix_(*orders)])
        assert ax.get_title().startswith(f"{name}: {'yes' if result[name]['holds'] else 'no'}")
        minor, signs = result[name].get("minor"), [t.get_text() for t in ax.texts if t.get_text() in "+−"]
        assert sorted(signs) == (["+", "+", "−", "−"] if minor else [])
        arrows = [patch for patch in ax.patches if type(patch).__name__ == "FancyArrowPatch"]
        assert len(arrows) == (0 if result[name]["holds"] or minor else 2)
    plt.close(figure)


def test_bad_payoffs_are_one_clear_sentence():
    with pytest.raises(ValueError, match=r"payoff has shape \(5, 2\), expected two agents with 2 to 4 actions each"):
        LadderExplorer(np.zeros((5, 2)))
    view = LadderExplorer()
    with pytest.raises(traitlets.TraitError, match=r"payoff is inf at \(0, 0\)"):
        view.payoff = [[float("inf"), 0.0], [0.0, 0.0]]
    assert view.payoff == [[0, 1], [1, 8]]

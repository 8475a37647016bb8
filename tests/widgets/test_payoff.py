import matplotlib.pyplot as plt
import numpy as np
import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_games import additive_fit, catalogue, monotone_fit, supermodular_fit
from qmix_edu.widgets import PayoffExplorer
from qmix_edu.widgets.tables import number, small_games


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_result_is_that_of_matrix_games(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(m) for m in rng.integers(2, 4, size=2))
    epsilon, centre = float(rng.uniform(0.05, 1)), tuple(int(rng.integers(m)) for m in shape)
    view = PayoffExplorer(rng.integers(-4, 5, shape), epsilon=epsilon, centre=centre)
    payoff, result = np.asarray(view.payoff), view.result()
    weights = np.asarray(result["weights"])
    for name, fit in {"additive": additive_fit, "supermodular": supermodular_fit, "monotone": monotone_fit}.items():
        expected, shown = fit(payoff, weights), result["fits"][name]
        assert shown["mse"] == pytest.approx(expected.mse)
        for solution in shown["solutions"]:
            assert np.average((payoff - solution) ** 2, weights=weights) == pytest.approx(expected.mse, abs=1e-9)
        regrets = [payoff.max() - payoff[joint] for joint in expected.greedy]
        assert shown["regret"] == [min(regrets), max(regrets)]
        for joint in shown["greedy"]:
            assert tuple(joint) in expected.greedy


def test_the_greedy_actions_of_the_drawn_fits_make_up_those_of_all():
    view = PayoffExplorer(catalogue["xor"])
    count = len(view.fits()["monotone"].solutions)
    assert count == 4
    seen = set()
    for k in range(count):
        view.shown = {"supermodular": 0, "monotone": k}
        fit = view.result()["fits"]["monotone"]
        assert fit["shown"] == k
        seen |= {tuple(joint) for joint in fit["shown_greedy"]}
    assert sorted(seen) == list(view.fits()["monotone"].greedy)
    view.shown = {"supermodular": 7, "monotone": 7}
    assert [view.result()["fits"][name]["shown"] for name in ("supermodular", "monotone")] == [1, 3]


def test_the_data_move_the_additive_fit():
    view = PayoffExplorer(catalogue["climbing"], centre=(0, 0))
    assert view.result()["fits"]["additive"]["greedy"] == [[2, 2]]
    view.epsilon = 0.05
    assert view.result()["fits"]["additive"]["greedy"] == [[0, 0]]
    assert "data ε-greedy around (a, a), ε = 0.05." in view.summary()


def test_summary_by_hand():
    words = PayoffExplorer(catalogue["xor"]).summary()
    assert words == (
        "Best payoff 1 at (a, b) or (b, a); data uniform. "
        "Additive: loss 0.25, greedy (a, a) or (a, b) or (b, a) or (b, b), regret 0 to 1. "
        "Supermodular: 2 optimal fits, loss 0.1667, greedy (a, b) or (b, a), regret 0. "
        "Monotone: 4 optimal fits, loss 0.1667, greedy (a, a) or (a, b) or (b, a) or (b, b), regret 0 to 1."
    )
    assert "at one of 9 joint actions" in PayoffExplorer(np.ones((3, 3))).summary()


def test_a_centre_that_the_table_lacks_is_its_last_action():
    view = PayoffExplorer(catalogue["climbing"], epsilon=0.5, centre=(2, 1))
    view.payoff = [[0, 1], [1, 0]]
    assert view.result()["centre"] == [1, 1] and view.centre == [2, 1]


def test_what_the_student_made_is_a_list_of_rows():
    view = PayoffExplorer(np.arange(6).reshape(2, 3))
    assert view.payoff == [[0, 1, 2], [3, 4, 5]]
    assert all(isinstance(value, float) for row in view.payoff for value in row)


def test_games_are_the_small_ones_of_the_catalogue():
    assert "climbing" in small_games() and "platonia-like-3" not in small_games()
    assert [game["name"] for game in PayoffExplorer().games] == list(small_games())


def test_figure_shows_the_chosen_setting():
    view = PayoffExplorer(catalogue["penalty-10"], epsilon=0.4, centre=(1, 1))
    view.shown = {"supermodular": 0, "monotone": 1}
    figure = view.figure()
    assert figure.get_suptitle().replace(".\n", ". ") == view.summary()
    fits = view.result()["fits"]
    drawn = [ax.images[0].get_array() for ax in figure.axes[:4]]
    np.testing.assert_allclose(drawn[0], view.payoff)
    for image, (name, fit) in zip(drawn[1:], fits.items(), strict=True):
        np.testing.assert_allclose(image, fit["solutions"][fit["shown"]], atol=1e-7, err_msg=name)
    assert len({ax.images[0].norm for ax in figure.axes[:4]}) == 1
    plt.close(figure)


@pytest.mark.parametrize(
    ("value", "scale", "words"),
    [
        (1.0625, 0.0, "1.063"),
        (1.0625 - 1e-13, 0.0, "1.063"),
        (-12.0, 0.0, "-12"),
        (1e-15, 1.0, "0"),
        (1e-15, 0.0, "1.00e-15"),
        (123456.0, 0.0, "1.23e+5"),
        (0.00012, 0.0, "1.20e-4"),
        (-0.0, 0.0, "0"),
        (99999.9, 0.0, "100000"),
    ],
)
def test_numbers_in_words(value, scale, words):
    assert number(value, scale) == words


@pytest.mark.parametrize(
    ("payoff", "message"),
    [
        ([[1.0, float("nan")], [0.0, 0.0]], r"payoff is nan at \(0, 1\), expected finite numbers"),
        ([1.0, 2.0], r"payoff has shape \(2,\), expected two agents with 2 to 4 actions each"),
        (np.zeros((2, 2, 2)), r"payoff has shape \(2, 2, 2\), expected two agents"),
        (np.zeros((1, 3)), r"payoff has shape \(1, 3\), expected two agents with 2 to 4 actions"),
        (np.zeros((3, 5)), r"payoff has shape \(3, 5\), expected two agents with 2 to 4 actions"),
        ([[1.0, 2.0], [1.0]], "payoff is ragged"),
        ([["a", "b"], ["c", "d"]], "expected real numbers"),
        ([[0.0, 1e10], [0.0, 0.0]], r"payoff is 1e\+10 at \(0, 1\), expected 0 or a size from 1e-09 to 1e\+09"),
        ([[0.0, 0.0], [-1e-12, 0.0]], r"payoff is -1e-12 at \(1, 0\), expected 0 or a size"),
    ],
)
def test_bad_payoffs_are_one_clear_sentence(payoff, message):
    with pytest.raises(ValueError, match=message):
        PayoffExplorer(payoff)
    view = PayoffExplorer()
    with pytest.raises(traitlets.TraitError, match=message):
        view.payoff = payoff if isinstance(payoff, list) else payoff.tolist()
    assert view.payoff == catalogue["qtran"].payoff.tolist()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epsilon", 0.0, "epsilon is 0.0, expected a number from 0.05 to 1"),
        ("epsilon", float("nan"), "epsilon is nan"),
        ("centre", [0, 4], r"centre is \[0, 4\], expected two actions from 0 to 3"),
        ("centre", [0], r"centre is \[0\], expected two actions"),
        ("shown", {"monotone": 0}, "shown is {'monotone': 0}, expected"),
        ("shown", {"supermodular": 0, "monotone": -1}, "expected {'supermodular': 0, 'monotone': 0} or higher"),
    ],
)
def test_bad_settings_are_one_clear_sentence(name, value, message):
    view = PayoffExplorer()
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(view, name, value)

import subprocess
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from pictures import axes_without_labels

from qmix_edu import plots

QTRAN = np.array([[8.0, -12, -12], [-12, 0, 0], [-12, 0, 0]])
CLIMBING = np.array([[11.0, -30, 0], [-30, 7, 6], [0, 0, 5]])


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def texts(ax: Axes) -> list[str]:
    return [t.get_text() for t in ax.texts]


def outlined(ax: Axes, label: str) -> set[tuple[int, int]]:
    """The cells (row, column) that the outlines of one label enclose."""
    return {
        (round(p.get_y() + p.get_height() / 2), round(p.get_x() + p.get_width() / 2))
        for p in ax.patches
        if isinstance(p, Rectangle) and p.get_label() == label
    }


def stars(ax: Axes) -> list[tuple[float, float]]:
    return [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in ax.lines
        if line.get_marker() == "*" and len(line.get_xdata())
    ]


def bowl_and_rise(k: int = 21):
    q = np.linspace(-1, 2, k)
    return q, q[:, None] ** 3 + 2 * q[None, :]


def test_payoff_shows_every_payoff_and_the_averages():
    ax = plots.plot_payoff(CLIMBING, marked={"equilibrium": [(0, 0), (1, 1)]})
    shown = texts(ax)
    assert shown[:9] == [f"{v:.4g}" for v in CLIMBING.ravel()]
    assert shown[9:] == [f"{v:.4g}" for v in [*CLIMBING.mean(1), *CLIMBING.mean(0)]]
    assert outlined(ax, "equilibrium") == {(0, 0), (1, 1)}
    assert [(round(x), round(y)) for x, y in stars(ax)] == [(0, 0)]
    assert ax.get_xlabel() and ax.get_ylabel() and len(ax.figure.axes) == 2  # the second is the colour bar


def test_payoff_averages_follow_the_weights():
    weights = np.array([[1, 0, 0], [0, 1, 1], [1, 1, 2]])
    rows = (CLIMBING * weights).sum(1) / weights.sum(1)
    assert texts(plots.plot_payoff(CLIMBING, weights=weights))[9:12] == [f"{v:.4g}" for v in rows]


def test_payoff_stars_every_optimum():
    assert len(stars(plots.plot_payoff([[10, 0, -10], [0, 2, 0], [-10, 0, 10]]))) == 2


def test_fits_share_one_scale_and_print_their_errors():
    additive = QTRAN.mean(0) + QTRAN.mean(1)[:, None] - QTRAN.mean()
    axes = plots.plot_fits(QTRAN, {"additive": additive}, {"additive": [(1, 1), (1, 2), (2, 1), (2, 2)]})
    assert "MSE 50.57" in axes[1].get_title()
    assert outlined(axes[0], "optimum") == {(0, 0)}
    assert outlined(axes[1], "greedy") == {(1, 1), (1, 2), (2, 1), (2, 2)}
    scales = [(ax.images[0].norm.vmin, ax.images[0].norm.vmax) for ax in axes]
    assert scales == [(-12, 8), (-12, 8)]


def test_fits_weigh_their_errors():
    weights = np.array([[9.0, 1], [1, 1]])
    ax = plots.plot_fits([[1.0, 0], [0, 0]], {"zero": np.zeros((2, 2))}, weights=weights)[1]
    assert "MSE 0.75" in ax.get_title()


def test_fit_3d_draws_a_bar_for_every_residual():
    fit = np.zeros((3, 3))
    ax = plots.plot_fit_3d(QTRAN, fit)
    bars = [line.get_data_3d()[2] for line in ax.lines]
    assert sorted(tuple(b) for b in bars) == sorted((v, 0) for v in QTRAN.ravel())
    assert ax.get_title() == f"MSE {np.mean(QTRAN**2):.4g}"


def test_an_additive_fit_over_its_utilities_is_a_plane():
    rows, columns = CLIMBING.mean(1), CLIMBING.mean(0)
    additive = rows[:, None] + columns - CLIMBING.mean()
    ax = plots.plot_fit_3d(CLIMBING, additive, utilities=(rows, columns))
    x, y, z = (np.array([line.get_data_3d()[i][1] for line in ax.lines]) for i in range(3))
    np.testing.assert_allclose(z, x + y - CLIMBING.mean(), atol=1e-9)


def test_violations_are_the_steps_that_fall():
    surface = np.array([[0.0, 1, 2], [1, 0.5, 3], [2, 2, 2]])
    along_1, along_2 = plots.violations(surface)
    np.testing.assert_array_equal(along_1, [[False, True, False], [False, False, True]])
    np.testing.assert_array_equal(along_2, [[False, False], [True, False], [False, False]])
    assert plots.count_violations(surface) == 3


def test_greedy_actions_are_the_product_of_each_agents_ties():
    assert plots.greedy_actions(([0, 2, 2], [1, 0])) == [(1, 0), (2, 0)]


def test_landscape_stars_the_corner_and_hatches_only_falls():
    q, surface = bowl_and_rise()
    ax = plots.plot_landscape(q, q, surface, ([0, 1.5], [1.8, -0.5]))
    assert stars(ax) == [(1.5, 1.8)]
    assert not [p for p in ax.patches if p.get_hatch()]
    assert {t.split("\n")[0] for t in texts(ax) if "," in t} == {"(a, a)", "(a, b)", "(b, a)", "(b, b)"}
    assert len(ax.figure.axes) == 2
    falling = plots.plot_landscape(q, q, surface[::-1], ([0, 1.5], [1.8, -0.5]))
    assert [p for p in falling.patches if p.get_hatch()]


def test_landscape_hatches_the_falling_side():
    q = np.linspace(-1, 1, 21)
    surface = -np.maximum(q[:, None], 0) + 0 * q
    cells = plots._falling_cells(surface)
    assert not cells[:10].any() and cells[10:].all()


def test_landscape_3d_puts_the_joint_actions_on_the_surface():
    q, surface = bowl_and_rise(61)
    ax = plots.plot_landscape_3d(q, q, surface, ([0.0, 1.5], [0.5, 1.0]))
    tops = [line.get_data_3d() for line in ax.lines if line.get_marker() in "o*"]
    for x, y, z in tops:
        np.testing.assert_allclose(z, x**3 + 2 * y, atol=1e-9)
    assert len(tops) == 4


def test_landscape_labels_are_the_given_values():
    q, surface = bowl_and_rise()
    ax = plots.plot_landscape(q, q, surface, ([0.0], [1.0, 0.5]), values=[[7.0, -1e-7]])
    assert {"(a, a)\n7", "(a, b)\n0"} <= set(texts(ax))


def test_learning_curves_draw_median_and_quartiles():
    x = np.arange(5.0)
    runs = {"QMIX": [(x, x * k) for k in (1, 2, 3, 4, 10)]}
    ax = plots.plot_learning_curves(runs, ylabel="win rate")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), 3 * x)
    band = ax.collections[0].get_paths()[0].vertices
    at_end = band[band[:, 0] == 4][:, 1]
    assert (at_end.min(), at_end.max()) == (8, 16)
    assert ax.get_legend().get_texts()[0].get_text() == "QMIX (5 runs)"


def test_learning_curves_interpolate_on_the_shared_span():
    runs = {"VDN": [([0, 10], [0, 10]), ([2, 8], [2, 8])]}
    line = plots.plot_learning_curves(runs, ylabel="return").lines[0]
    np.testing.assert_allclose(line.get_xdata(), [2, 8])
    np.testing.assert_allclose(line.get_ydata(), [2, 8])


def test_win_rates_show_their_intervals():
    ax = plots.plot_win_rates(["QMIX", "VDN"], [0.9, 0.5], [0.8, 0.4], [0.95, 0.6])
    ends = [s[:, 0].tolist() for s in ax.collections[0].get_segments()]
    np.testing.assert_allclose(ends, [[0.8, 0.95], [0.4, 0.6]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.plot_payoff([1, 2, 3]), r"shape \(3,\), expected a table"),
        (lambda: plots.plot_payoff([[1, np.nan]]), r"nan at \(0, 1\)"),
        (lambda: plots.plot_payoff([[1, 2]], weights=[[1, -1]]), "minimum -1"),
        (lambda: plots.plot_payoff([[1, 2]], marked={k: [] for k in "wxyz"}), "at most 3"),
        (lambda: plots.plot_fits(QTRAN, {"bad": [[1, 2]]}), "'bad' has shape"),
        (lambda: plots.plot_fits(QTRAN, {"vdn": QTRAN}, {"qmix": []}), "'qmix'"),
        (lambda: plots.plot_fit_3d(QTRAN, [[1, 2]]), "like the payoff"),
        (lambda: plots.plot_landscape([0, 1], [0, 1, 2], np.eye(2), ([0], [0])), r"expected \(2, 3\)"),
        (lambda: plots.plot_landscape([0, 1], [0, 1], np.eye(2), ([0], [5])), "agent 2.*widen q2"),
        (
            lambda: plots.plot_landscape([0, 1], [0, 1], np.eye(2), ([0], [0]), values=[[1, 2]]),
            r"values have shape \(1, 2\), expected \(1, 1\)",
        ),
        (lambda: plots.plot_learning_curves({"IQL": []}, ylabel="y"), "'IQL' has no runs"),
        (
            lambda: plots.plot_learning_curves({"IQL": [([0, 1], [0, 0]), ([2, 3], [0, 0])]}, ylabel="y"),
            "share no span",
        ),
        (lambda: plots.plot_win_rates(["a"], [0.5], [0.6], [0.7]), "inside their intervals"),
        (lambda: plots.plot_win_rates(["a", "b"], [0.5], [0.4], [0.7]), "2 names for 1 rates"),
    ],
)
def test_bad_input_is_one_clear_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_plots_import_no_torch():
    code = "import runpy, sys; runpy.run_path(sys.argv[1]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, plots.__file__]).returncode == 0


def test_joint_shares_are_drawn_in_percent_with_a_star_on_the_optimum():
    share = np.array([[0.5, 0.25], [0.25, 0.0]])
    axes = plots.plot_joint_shares(
        {"IQL": {"g": share, "h": share.T}, "VDN": {"g": share, "h": share}}, optima={"g": [(1, 1)]}
    )
    assert axes.shape == (2, 2)
    assert [t.get_text() for t in axes[0, 0].texts] == ["50", "25", "25", "0"]
    assert [len(ax.lines) for ax in axes.ravel()] == [1, 0, 1, 0]
    assert (axes[0, 0].lines[0].get_xdata()[0], axes[0, 0].lines[0].get_ydata()[0]) == pytest.approx((0.64, 0.64))
    assert axes[0, 1].get_title() == "h" and axes[1, 0].get_ylabel().startswith("VDN")


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({}, "expected the same"),
        ({"IQL": {"g": [[1.0]]}, "VDN": {"h": [[1.0]]}}, "expected the same"),
        ({"IQL": {"g": [[0.5, 0.4]]}}, "sums to 0.9"),
        ({"IQL": {"g": [[1.5, -0.5]]}}, "expected shares"),
        ({"IQL": {"g": [1.0]}}, "expected a table"),
    ],
)
def test_joint_shares_must_be_shares(shares, message):
    with pytest.raises(ValueError, match=message):
        plots.plot_joint_shares(shares)


# episode 0 terminates after 2 of 4 steps, 1 is cut after 3, 2 is cut at the end
MASK = [[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
TERMINATED = [[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def cells(ax: Axes, label: str) -> set[tuple[int, int]]:
    """The (episode, step) of the cells of one kind."""
    return {(round(p.get_y() + 0.5), round(p.get_x())) for p in ax.patches if p.get_label() == label}


def test_a_batch_shows_every_step_of_its_kind():
    ax = plots.plot_batch(MASK, TERMINATED, reward=[[0, 5, 9, 9], [0, 0, -3, 9], [0, 0, 0, 0]])
    assert cells(ax, "terminated") == {(0, 1)}
    assert cells(ax, "cut by the time limit") == {(1, 2), (2, 3)}
    assert cells(ax, "padding") == {(0, 2), (0, 3), (1, 3)}
    assert cells(ax, "a step") == {(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)}
    assert texts(ax) == ["5", "-3"]  # nothing is written into the padding
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [
        "a step", "terminated", "cut by the time limit", "padding", "an observation", "an observation after the end",
    ]  # fmt: skip


def test_the_kinds_of_a_batch_differ_without_colour():
    ax = plots.plot_batch(MASK, TERMINATED)
    hatches = {p.get_label(): p.get_hatch() for p in ax.patches}
    assert len(set(hatches.values())) == len(hatches) == 4


def test_a_batch_has_one_observation_more_than_steps_and_a_hollow_one_where_the_task_ended():
    ax = plots.plot_batch(MASK, TERMINATED)
    seen = [list(line.get_xdata()) for line in ax.lines if line.get_label() == "an observation"]
    ended = [list(line.get_xdata()) for line in ax.lines if line.get_label() == "an observation after the end"]
    assert seen == [[0, 1], [0, 1, 2, 3], [0, 1, 2, 3, 4]] and ended == [[2]]


def test_an_arrow_of_a_batch_leads_from_the_next_observation_to_the_step():
    ax = plots.plot_batch(MASK, TERMINATED, arrows=[(1, 2)])
    (arrow,) = (text for text in ax.texts if text.get_text() == "")
    assert arrow.xyann[0] == 3 and 2 < arrow.xy[0] < 3 and round(arrow.xy[1]) == round(arrow.xyann[1]) == 1


@pytest.mark.parametrize(
    ("mask", "terminated", "message"),
    [
        ([[1, 0, 1]], [[0, 0, 0]], "episode 0 is .1 0 1., expected ones and then zeros"),
        ([[1, 1], [0, 0]], [[0, 0], [0, 0]], "episode 1 is .0 0."),
        ([[1, 1, 0]], [[0, 0, 1]], "2 steps and terminates at .2., expected the last step, 1"),
        ([[1, 1, 1]], [[0, 1, 0]], "terminates at .1."),
        ([[1, 1, 1]], [[0, 1]], "terminated has shape"),
        ([1, 1], [0, 1], "expected a table"),
    ],
)
def test_what_no_batch_can_be_is_refused(mask, terminated, message):
    with pytest.raises(ValueError, match=message):
        plots.plot_batch(mask, terminated)


def test_rewards_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="reward has shape"):
        plots.plot_batch(MASK, TERMINATED, reward=[[1]])


PICTURES = {
    "plot_payoff": lambda: plots.plot_payoff(CLIMBING),
    "plot_fits": lambda: plots.plot_fits(QTRAN, {"fit": QTRAN / 2}),
    "plot_fit_3d": lambda: plots.plot_fit_3d(QTRAN, QTRAN / 2),
    "plot_landscape": lambda: plots.plot_landscape(*on_axes()),
    "plot_landscape_3d": lambda: plots.plot_landscape_3d(*on_axes()),
    "plot_learning_curves": lambda: plots.plot_learning_curves({"VDN": [([0, 1], [0, 1])]}, ylabel="return"),
    "plot_joint_shares": lambda: plots.plot_joint_shares({"IQL": {"g": [[1.0]]}}),
    "plot_win_rates": lambda: plots.plot_win_rates(["VDN"], [0.5], [0.4], [0.6]),
    "plot_batch": lambda: plots.plot_batch(MASK, TERMINATED),
}


def on_axes():
    q, surface = bowl_and_rise()
    return q, q, surface, ([0.0], [1.0])


def test_every_picture_is_drawn_here():
    assert set(PICTURES) == {name for name in vars(plots) if name.startswith("plot_")}


@pytest.mark.parametrize("name", PICTURES)
def test_every_axis_says_what_it_shows(name):
    """A grid of maps (plot_joint_shares) has one map here; inside a larger one the outer axes say it."""
    PICTURES[name]()
    assert axes_without_labels() == []

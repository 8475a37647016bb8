"""The payoff explorer in a real browser: what it shows must be what Python computes."""

import numpy as np
import pytest
from explorers import (
    NOTEBOOK_STATE,
    assert_same,
    assert_seen_within,
    cell,
    imported,
    key_presses,
    mount,
    pixels,
    press,
    random_table,
    root,
    shown,
    typed_payoffs,
    wait_for_kernel,
)
from playwright.sync_api import Page

from matrix_games import additive_fit, catalogue, monotone_fit, supermodular_fit
from qmix_edu.widgets import PayoffExplorer
from qmix_edu.widgets.tables import number, small_games

pytestmark = pytest.mark.browser

SHOWS = "from qmix_edu.widgets import PayoffExplorer\nexplorer = PayoffExplorer()\nexplorer"
# What the kernel learns of the controls goes into a file.
RECORDS = """
import json, pathlib
made = lambda: [explorer.payoff, explorer.epsilon, explorer.centre]
explorer.observe(lambda _: pathlib.Path("payoff.json").write_text(json.dumps(made())))
"""
QTRAN = catalogue["qtran"].payoff.tolist()


def assert_equals_python(page: Page, twin: PayoffExplorer) -> None:
    assert_same(shown(page), twin.result())
    assert root(page).locator(".summary").inner_text() == twin.summary()
    assert typed_payoffs(page) == twin.payoff


@pytest.fixture
def plain(page: Page):
    """The same JavaScript on a page without Jupyter."""
    explorer = PayoffExplorer()
    requests = mount(page, explorer)
    yield page, explorer
    assert requests == []
    assert page.problems == []


@pytest.fixture
def notebook(page: Page, lab):
    lab.write("payoff.ipynb", SHOWS, RECORDS)
    (lab.root / "payoff.json").unlink(missing_ok=True)
    lab.run_all(page, "payoff.ipynb")
    root(page).wait_for()
    return page


def test_in_jupyterlab_what_is_typed_equals_python_and_reaches_the_kernel(notebook: Page, lab):
    twin = PayoffExplorer()
    assert_equals_python(notebook, twin)
    cell(notebook, "a", "b").focus()
    before = notebook.evaluate(NOTEBOOK_STATE)
    notebook.keyboard.press("Control+A")
    notebook.keyboard.type("-2.5")
    press(notebook, cell(notebook, "b", "b"), "ArrowUp")
    press(notebook, cell(notebook, "b", "b"), "PageUp")
    press(notebook, root(notebook).get_by_role("slider"), "End")
    press(notebook, root(notebook).get_by_label("joint action in the centre"), "ArrowDown")
    twin.payoff = [[8, -2.5, -12], [-12, 11, 0], [-12, 0, 0]]
    twin.epsilon, twin.centre = 0.05, [0, 1]
    assert_equals_python(notebook, twin)
    wait_for_kernel(lab.root / "payoff.json", [twin.payoff, 0.05, [0, 1]])
    assert notebook.evaluate(NOTEBOOK_STATE) == before
    reachable = root(notebook).locator("input, select, button, a, [tabindex]")
    assert reachable.count() == 9 + 3 + 2 + 2
    assert reachable.evaluate_all("all => all.every((e) => 'lmSuppressShortcuts' in e.dataset)")
    assert notebook.problems == []


def test_random_settings_equal_python(plain):
    page, twin = plain
    rng = np.random.default_rng(0)
    shapes = [(2, 2), (3, 3), (4, 4), (2, 3), (4, 2), (3, 4), (3, 3), (4, 3), (2, 4), (4, 4)]
    for i, shape in enumerate(shapes):
        twin.payoff = random_table(rng, shape).tolist()
        twin.epsilon = 1.0 if i % 3 == 0 else float(rng.integers(5, 100)) / 100
        twin.centre = rng.integers(4, size=2).tolist()
        for name in ("payoff", "epsilon", "centre"):
            page.evaluate("([name, value]) => window.model.set(name, value)", [name, getattr(twin, name)])
        assert_equals_python(page, twin)


def test_fits_equal_python_under_any_weights(page: Page):
    rng = np.random.default_rng(1)
    cases = []
    for _ in range(40):
        shape = tuple(int(m) for m in rng.integers(2, 5, size=2))
        weights = np.exp(rng.normal(0, 1.5, shape)) if rng.random() < 0.7 else rng.integers(1, 3, shape) + 0.0
        cases.append([random_table(rng, shape).tolist(), weights.tolist()])
    for (payoff, weights), answer in zip(cases, imported(page, "fits", "fits", cases), strict=True):
        for name, fit in {"additive": additive_fit, "supermodular": supermodular_fit, "monotone": monotone_fit}.items():
            best = fit(payoff, weights)
            solutions = [table.tolist() for table in best.solutions]
            expected = {"mse": best.mse, "solutions": solutions, "greedy": [list(joint) for joint in best.greedy]}
            assert_same(answer[name], expected)


def test_numbers_are_written_as_in_python(page: Page):
    rng = np.random.default_rng(2)
    values = [
        0.0,
        -0.0,
        1.0,
        12.5,
        1.0625,
        -1.0625,
        0.001,
        0.00099999,
        99999.0,
        99999.96,
        1e5,
        -1e9,
        1e-9,
        1 / 3,
        1e-17,
        2.5e17,
    ]
    values += (rng.choice([-1, 1], 100) * 10 ** rng.uniform(-9, 9, 100)).tolist()
    values += (rng.integers(-1000, 1000, 100) / 2.0 ** rng.integers(0, 12, 100)).tolist()
    calls = [[value, scale] for value in values for scale in (0.0, 1.0, 100.0)]
    assert imported(page, "tables", "number", calls) == [number(*call) for call in calls]


def test_every_small_game_of_the_catalogue_can_be_chosen(plain):
    page, twin = plain
    select = root(page).get_by_label("game")
    names = select.locator("option").all_inner_texts()
    assert names == ["your own table", *small_games()] and len(names) > 10
    for name in ("climbing", "two-step-2b", "climbing-fully-stochastic", "mg3"):
        before = pixels(page)
        select.select_option(label=name)
        twin.payoff = catalogue[name].payoff.tolist()
        assert_equals_python(page, twin)
        assert pixels(page) != before
        assert select.locator("option:checked").inner_text() == name
    cell(page, "a", "a").press("ArrowUp")
    assert select.locator("option:checked").inner_text() == "your own table"
    select.select_option(label="xor")
    select.select_option(label="your own table")
    assert shown(page)["payoff"] == [[9, -12, -12], [-12, 6, 0], [-12, 0, 6]]


def test_optimal_fits_are_stepped_through(plain):
    page, twin = plain
    for game in ("xor", "penalty-10"):
        root(page).get_by_label("game").select_option(label=game)
        twin.payoff = catalogue[game].payoff.tolist()
        count = len(twin.fits()["monotone"].solutions)
        assert count > 1
        button = root(page).get_by_role("button").nth(1)
        for k in range(1, count):
            press(page, button, "ArrowRight")
            twin.shown = {**twin.shown, "monotone": k}
            assert_equals_python(page, twin)
            assert button.inner_text() == f"optimal fit {k + 1} of {count} ▸"
        press(page, button, "Enter")
        twin.shown = {**twin.shown, "monotone": 0}
        assert_equals_python(page, twin)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "An empty cell holds no number, so the payoff of (b, a) stays -12; type a number from -1e9 to 1e9."),
        ("lots", "“lots” is not a number, so the payoff of (b, a) stays -12; type a number from -1e9 to 1e9."),
        ("1,5", "“1,5” is not a number, so the payoff of (b, a) stays -12; type a number from -1e9 to 1e9."),
        ("0x10", "“0x10” is not a number, so the payoff of (b, a) stays -12; type a number from -1e9 to 1e9."),
        ("NaN", "“NaN” is not a number, so the payoff of (b, a) stays -12; type a number from -1e9 to 1e9."),
        ("1e400", "“1e400” is too large, so the payoff of (b, a) stays -12; type a number from -1e9 to 1e9."),
        ("1e-300", "“1e-300” is too close to 0, so the payoff of (b, a) stays -12; type a number from -1e9 to 1e9."),
    ],
)
def test_bad_input_keeps_the_last_number_and_says_so(plain, typed, sentence):
    page, twin = plain
    message, before = root(page).locator(".message"), pixels(page)
    cell(page, "b", "a").fill(typed)
    assert message.inner_text() == sentence
    assert shown(page)["payoff"] == QTRAN and pixels(page) == before
    cell(page, "b", "a").blur()
    assert_equals_python(page, twin)
    assert message.inner_text() == sentence
    cell(page, "b", "a").fill("−3.5e0")  # with a minus sign instead of a hyphen
    twin.payoff = [[8, -12, -12], [-3.5, 0, 0], [-12, 0, 0]]
    assert_equals_python(page, twin)
    assert message.inner_text() == ""


def test_steps_do_not_gather_rounding(plain):
    page, _ = plain
    for _ in range(3):
        cell(page, "c", "c").press("Shift+ArrowUp")
    assert shown(page)["payoff"][2][2] == 0.3
    for _ in range(3):
        cell(page, "c", "c").press("Shift+ArrowDown")
    assert shown(page)["payoff"] == QTRAN


def test_dragging_changes_a_payoff(plain):
    page, twin = plain
    box = cell(page, "b", "c").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 1, y - 2)  # a click that trembles
    assert shown(page)["payoff"] == QTRAN
    page.mouse.move(x, y - 60, steps=5)
    twin.payoff = [[8, -12, -12], [-12, 0, 10], [-12, 0, 0]]
    assert_equals_python(page, twin)
    page.mouse.move(x, y + 30, steps=5)
    page.mouse.up()
    page.mouse.move(x, y - 90)
    twin.payoff = [[8, -12, -12], [-12, 0, -5], [-12, 0, 0]]
    assert_equals_python(page, twin)


def test_actions_taken_away_come_back_with_their_payoffs(plain):
    page, twin = plain
    for agent, size, payoff in [
        (2, "2", [row[:2] for row in QTRAN]),
        (1, "4", [*(row[:2] for row in QTRAN), [0, 0]]),
        (2, "3", [*QTRAN, [0, 0, 0]]),
    ]:
        root(page).get_by_label(f"actions of agent {agent}").select_option(size)
        twin.payoff = payoff
        assert_equals_python(page, twin)


def test_the_slider_and_the_centre_set_the_data(plain):
    page, twin = plain
    slider = root(page).get_by_role("slider")
    for key, epsilon in [("ArrowRight", 0.95), ("End", 0.05), ("ArrowLeft", 0.1), ("Home", 1.0)]:
        press(page, slider, key)
        twin.epsilon = epsilon
        assert_equals_python(page, twin)
    press(page, slider, "End")
    root(page).get_by_label("joint action in the centre").select_option("(c, b)")
    twin.epsilon, twin.centre = 0.05, [2, 1]
    assert_equals_python(page, twin)
    root(page).get_by_label("game").select_option(label="xor")
    twin.payoff = catalogue["xor"].payoff.tolist()
    assert shown(page)["centre"] == [1, 1]
    assert_equals_python(page, twin)


def test_a_control_wired_to_nothing_fails_the_check(plain):
    page, _ = plain
    page.evaluate("document.querySelector('.qmix-payoff').insertAdjacentHTML('beforeend', '<input id=inert>')")
    with pytest.raises(AssertionError, match="redrew nothing"):
        press(page, page.locator("#inert"), "ArrowUp")


def test_a_removed_view_listens_no_more(plain):
    page, _ = plain
    page.evaluate("window.forget()")
    page.evaluate("window.model.set('payoff', [[0, 1], [1, 0]])")
    assert shown(page)["payoff"] == QTRAN


@pytest.mark.parametrize(("size", "limit"), [(3, 50), (4, 200)])
def test_a_key_is_seen_at_once(plain, size, limit):
    page, twin = plain
    rng = np.random.default_rng(size)
    twin.payoff = rng.integers(-12, 12, (size, size)).tolist()
    page.evaluate("payoff => window.model.set('payoff', payoff)", twin.payoff)
    assert_seen_within(page, limit, key_presses(page, "payoff"))


def test_dark_pages_repaint_the_axes_and_narrow_ones_stack(plain):
    page, _ = plain
    before = pixels(page)
    page.evaluate("document.body.style.cssText = 'background: #111; color: #ddd'")
    page.wait_for_timeout(200)
    dark = pixels(page)
    assert len(dark) == 5 and all(new != old for new, old in zip(dark, before, strict=True))
    page.set_viewport_size({"width": 340, "height": 1300})
    page.wait_for_timeout(200)
    boxes = [e.bounding_box() for e in root(page).locator("canvas, input, select, button, table").all()]
    assert all(b["x"] >= 0 and b["x"] + b["width"] <= 340 for b in boxes)
    assert page.evaluate("document.documentElement.scrollWidth") <= 340
    maps = [c.bounding_box() for c in root(page).locator("canvas").all()]
    assert maps[2]["y"] >= maps[0]["y"] + maps[0]["height"]

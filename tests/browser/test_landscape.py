"""The landscape explorer in a real browser: what it shows must be what Python computes."""

import pytest
from explorers import mount, pixels, press, root, shown, slider
from playwright.sync_api import Page

from qmix_edu.widgets import LandscapeExplorer

pytestmark = pytest.mark.browser

SHOWS = "from qmix_edu.widgets import LandscapeExplorer\nexplorer = LandscapeExplorer.random(1)\nexplorer"


def assert_equals_python(page: Page, twin: LandscapeExplorer) -> None:
    result, expected = shown(page), twin.result()
    assert result.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, float) or name == "values":
            flat = [x for row in value for x in row] if name == "values" else [value]
            mine = [x for row in result[name] for x in row] if name == "values" else [result[name]]
            assert mine == pytest.approx(flat, abs=1e-6), name
        else:
            assert result[name] == value, name
    assert root(page).locator(".summary").inner_text() == twin.summary()
    cells = root(page).locator("td").all_inner_texts()
    assert [float(c.removeprefix("★ ")) for c in cells] == pytest.approx(
        [x for row in expected["values"] for x in row], abs=0.00501
    )


@pytest.fixture
def notebook(page: Page, lab):
    lab.write("landscape.ipynb", SHOWS)
    lab.run_all(page, "landscape.ipynb")
    root(page).wait_for()
    return page


@pytest.fixture
def plain(page: Page):
    """The same JavaScript on a page without Jupyter."""
    explorer = LandscapeExplorer.random(4)
    requests = mount(page, explorer)
    yield page, explorer
    assert requests == []
    assert page.problems == []


def test_in_jupyterlab_the_keyboard_reaches_everything_and_the_notebook_stays_put(notebook: Page):
    cell = "window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    slider(notebook).focus()
    before = notebook.evaluate(cell)
    focused = "document.activeElement.className || document.activeElement.value || document.activeElement.type"
    reached = []
    for _ in range(3):
        reached.append(notebook.evaluate(focused))
        assert notebook.evaluate("document.activeElement.hasAttribute('data-lm-suppress-shortcuts')")
        notebook.keyboard.press("ArrowDown")
        notebook.keyboard.press("ArrowUp")
        notebook.keyboard.press("Tab")
    assert reached == ["0", "none", "surface"]
    assert notebook.evaluate(cell) == before
    tabbable = root(notebook).locator("input, select, button, a, [tabindex]")
    assert tabbable.count() == 5
    assert tabbable.evaluate_all("all => all.every((e) => 'lmSuppressShortcuts' in e.dataset)")


def test_in_jupyterlab_the_dark_theme_repaints_the_axes(notebook: Page):
    before, ink = pixels(notebook), root(notebook).evaluate("r => getComputedStyle(r).color")
    change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
    notebook.evaluate(change, "JupyterLab Dark")
    try:
        notebook.wait_for_function(
            "ink => getComputedStyle(document.querySelector('.qmix-landscape')).color !== ink", arg=ink
        )
        notebook.wait_for_timeout(300)
        assert pixels(notebook) != before
    finally:  # the server remembers the theme
        notebook.evaluate(change, "JupyterLab Light")


def test_a_control_wired_to_nothing_fails_the_check(plain):
    page, _ = plain
    page.evaluate(
        "document.querySelector('.qmix-landscape').insertAdjacentHTML('beforeend', '<input type=range id=inert>')"
    )
    with pytest.raises(AssertionError, match="redrew nothing"):
        press(page, page.locator("#inert"), "ArrowRight")


def test_every_setting_equals_python(plain):
    page, twin = plain
    assert_equals_python(page, twin)
    for state in range(3):
        if state:
            press(page, slider(page), "ArrowRight")
        for constraint in ("abs", "softplus", "none"):  # ArrowRight goes round: none, abs, softplus, none
            press(page, root(page).locator("input:checked"), "ArrowRight")
            twin.state, twin.constraint = state, constraint
            assert_equals_python(page, twin)


def test_new_weights_are_drawn_and_a_removed_view_listens_no_more(plain):
    page, _ = plain
    other = LandscapeExplorer.random(5)
    before = pixels(page)
    page.evaluate("p => window.model.set('parameters', p)", other.parameters)
    page.evaluate("u => window.model.set('utilities', u)", other.utilities)
    assert_equals_python(page, other)
    assert pixels(page) != before
    page.evaluate("window.forget()")
    page.evaluate("window.model.set('state', 1)")
    assert shown(page)["state"] == 0


def test_rotating_moves_the_surface_alone_and_tilt_has_ends(plain):
    page, _ = plain
    surface = root(page).locator(".surface")
    map_before, surface_before = pixels(page)
    press(page, surface, "ArrowLeft")
    map_after, surface_after = pixels(page)
    assert map_after == map_before and surface_after != surface_before
    for _ in range(20):
        surface.press("ArrowUp")
    assert root(page).get_attribute("data-elevation") == "85"
    box = surface.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 80)
    page.mouse.up()
    assert float(root(page).get_attribute("data-elevation")) < 85


def test_a_narrow_page_stacks_the_pictures(plain):
    page, _ = plain
    page.set_viewport_size({"width": 340, "height": 900})
    page.wait_for_timeout(200)
    boxes = [c.bounding_box() for c in root(page).locator("canvas").all()]
    assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"]
    assert all(b["x"] + b["width"] <= 340 for b in boxes)


def test_flat_and_tied_mixers_are_drawn(plain):
    page, _ = plain
    zeros = {"w1": [[[0.0], [0.0]]] * 3, "b1": [[0.0]] * 3, "w2": [[0.0]] * 3, "v": [2.0] * 3}
    flat = LandscapeExplorer(**zeros, utilities=[[[1.0, 1.0, 1.0]] * 2])
    page.evaluate("p => window.model.set('parameters', p)", flat.parameters)
    page.evaluate("u => window.model.set('utilities', u)", flat.utilities)
    result = shown(page)
    assert result["violations"] == 0 and result["lowest"] == result["highest"] == 2
    assert len(result["greedy"]) == 9

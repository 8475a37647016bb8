"""The learning explorer in a real browser: what it shows must be what Python computes."""

import numpy as np
import pytest
from explorers import mount, pixels, press, radio, root, shown, slider, wait_for_kernel
from playwright.sync_api import Page

from matrix_games import DistributedQ, HystereticQ, IndependentQ, catalogue, play
from qmix_edu.widgets import LearningExplorer

pytestmark = pytest.mark.browser

LEARNERS = {"IQL": IndependentQ(), "hysteretic": HystereticQ(beta=0.04), "distributed": DistributedQ()}
SHOWS = """
import numpy as np
from matrix_games import DistributedQ, HystereticQ, IndependentQ, catalogue, play
from qmix_edu.widgets import LearningExplorer

learners = {"IQL": IndependentQ(), "hysteretic": HystereticQ(beta=0.04), "distributed": DistributedQ()}
explorer = LearningExplorer({
    name: play(catalogue["penalty-10"], it, rng=np.random.default_rng(3), runs=200, plays=1000, snapshots=100)
    for name, it in learners.items()
})
explorer
"""
# What the kernel learns of the controls goes into a file.
RECORDS = """
import json, pathlib
seen = lambda: [explorer.learner, explorer.snapshot, explorer.view, explorer.run]
explorer.observe(lambda _: pathlib.Path("learning.json").write_text(json.dumps(seen())))
"""


def explorer(snapshots: int = 100) -> LearningExplorer:
    """Return what the notebook shows."""
    game, plays = catalogue["penalty-10"], 1000
    return LearningExplorer(
        {
            name: play(game, it, rng=np.random.default_rng(3), runs=200, plays=plays, snapshots=snapshots)
            for name, it in LEARNERS.items()
        }
    )


@pytest.fixture(scope="module")
def studied() -> LearningExplorer:
    return explorer()


@pytest.fixture
def twin(studied: LearningExplorer) -> LearningExplorer:
    studied.learner, studied.snapshot, studied.view, studied.run = "IQL", 99, "all runs", 0
    return studied


@pytest.fixture
def notebook(page: Page, lab):
    lab.write("learning.ipynb", SHOWS, RECORDS)
    (lab.root / "learning.json").unlink(missing_ok=True)
    lab.run_all(page, "learning.ipynb")
    root(page).wait_for()
    return page


@pytest.fixture
def plain(page: Page, twin: LearningExplorer):
    """The same JavaScript on a page without Jupyter."""
    requests = mount(page, twin)
    yield page, twin
    assert requests == []
    assert page.problems == []


def numbers(nested) -> list[float]:
    if isinstance(nested, list):
        return [x for part in nested for x in numbers(part)]
    return [] if nested is None else [nested]


def assert_equals_python(page: Page, twin: LearningExplorer) -> None:
    result, expected = shown(page), twin.result()
    assert result.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, str):
            assert result[name] == value
        else:
            assert (result[name] is None) == (value is None), name
            assert numbers(result[name]) == pytest.approx(numbers(value), abs=1e-12), name
    assert root(page).locator(".summary").inner_text() == twin.summary()
    assert_tables_equal_python(page, expected)


def assert_tables_equal_python(page: Page, expected: dict) -> None:
    values, joint = (
        [row.locator("th, td").all_inner_texts() for row in table.locator("tr").all()[1:]]
        for table in root(page).locator("table").all()
    )
    columns = [expected[name] for name in ("low", "values", "high") if expected[name]]
    rows = [*zip(*([x for agent in column for x in agent] for column in columns), strict=True)]
    assert [name for name, *_ in values] == [f"agent {i}, {a}" for i in (1, 2) for a in "abc"]
    assert [tuple(cells) for _, *cells in values] == [tuple(f"{x:.2f}" for x in row) for row in rows]
    for name, payoff, now, end in joint:
        a, b = ("abc".index(letter) for letter in name.removeprefix("★ ").strip("()").split(", "))
        assert name.startswith("★") == ((a, b) in {(0, 0), (2, 2)})
        assert float(payoff) == catalogue["penalty-10"].payoff[a, b]
        percents = [float(text.removesuffix(" %")) for text in (now, end)]
        assert percents == pytest.approx([100 * expected[name][a][b] for name in ("shares", "end")], abs=0.0501)
    total = [sum(float(row[at].removesuffix(" %")) for row in joint) for at in (2, 3)]
    assert total == pytest.approx([100, 100], abs=0.5)  # no cell with a share is missing


def test_in_jupyterlab_the_keyboard_chooses_and_the_kernel_follows(notebook: Page, lab, twin):
    assert_equals_python(notebook, twin)
    cell = "window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    slider(notebook).focus()
    active = notebook.evaluate(cell)
    press(notebook, slider(notebook), "Home")
    press(notebook, slider(notebook), "ArrowRight")
    press(notebook, radio(notebook, "IQL"), "ArrowRight")
    twin.snapshot, twin.learner = 1, "hysteretic"
    assert_equals_python(notebook, twin)
    press(notebook, radio(notebook, "all runs"), "ArrowRight")
    press(notebook, root(notebook).locator("select"), "ArrowDown")
    twin.view, twin.run = "one run", 1
    assert_equals_python(notebook, twin)
    wait_for_kernel(lab.root / "learning.json", ["hysteretic", 1, "one run", 1])
    assert notebook.evaluate(cell) == active
    tabbable = root(notebook).locator("input, select, button, a, [tabindex]")
    assert tabbable.count() == 8  # three learners, two views, run, play, time
    assert tabbable.evaluate_all("all => all.every((e) => 'lmSuppressShortcuts' in e.dataset)")
    assert notebook.problems == []


def test_in_jupyterlab_the_film_stops_where_the_kernel_is_told(notebook: Page, lab):
    press(notebook, root(notebook).get_by_role("button"), "Enter")
    notebook.wait_for_function("JSON.parse(document.querySelector('.qmix-explorer').dataset.result).snapshot > 3")
    root(notebook).get_by_role("button").press("Enter")
    wait_for_kernel(lab.root / "learning.json", ["IQL", shown(notebook)["snapshot"], "all runs", 0])


def test_in_jupyterlab_the_dark_theme_repaints(notebook: Page):
    before, ink = pixels(notebook), root(notebook).evaluate("r => getComputedStyle(r).color")
    change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
    notebook.evaluate(change, "JupyterLab Dark")
    try:
        notebook.wait_for_function(
            "ink => getComputedStyle(document.querySelector('.qmix-learning')).color !== ink", arg=ink
        )
        notebook.wait_for_timeout(300)
        assert all(new != old for new, old in zip(pixels(notebook), before, strict=True))
    finally:  # the server remembers the theme
        notebook.evaluate(change, "JupyterLab Light")


@pytest.mark.parametrize("seed", range(10))
def test_random_settings_equal_python(plain, seed):
    page, twin = plain
    rng = np.random.default_rng(seed)
    choice = {
        "learner": str(rng.choice(list(LEARNERS))),
        "snapshot": int(rng.integers(100)),
        "view": ["one run", "all runs"][seed % 2],
        "run": int(rng.integers(12)),
    }
    for name, value in choice.items():
        setattr(twin, name, value)
        page.evaluate("([name, value]) => window.model.set(name, value)", [name, value])
    assert_equals_python(page, twin)


def test_the_check_of_numbers_can_fail(plain):
    page, twin = plain
    page.evaluate("window.model.set('snapshot', 40)")
    with pytest.raises(AssertionError):
        assert_equals_python(page, twin)


def test_a_control_wired_to_nothing_fails_the_check(plain):
    page, _ = plain
    page.evaluate(
        "document.querySelector('.qmix-learning').insertAdjacentHTML('beforeend', '<input type=range id=inert>')"
    )
    with pytest.raises(AssertionError, match="redrew nothing"):
        press(page, page.locator("#inert"), "ArrowRight")


def test_each_picture_follows_time_and_learner(plain):
    page, _ = plain
    for change in ("('snapshot', 20)", "('learner', 'hysteretic')"):
        before = pixels(page)
        page.evaluate(f"window.model.set{change}")
        assert all(new != old for new, old in zip(pixels(page), before, strict=True)), change


def test_runs_can_be_chosen_in_the_view_of_one_run_only(plain):
    page, twin = plain
    select = root(page).locator("select")
    assert select.is_disabled()
    press(page, radio(page, "all runs"), "ArrowRight")
    assert select.is_enabled()
    study = play(
        catalogue["penalty-10"], LEARNERS["IQL"], rng=np.random.default_rng(3), runs=200, plays=1000, snapshots=2
    )
    ends = [f"({'abc'[a]}, {'abc'[b]})" for a, b in study.greedy[twin.runs()]]
    assert select.locator("option").all_inner_texts() == [
        f"run {number}, ends in {end}" for number, end in zip(twin.runs(), ends, strict=True)
    ]


def test_the_film_plays_pauses_and_stops_at_the_end(plain):
    page, twin = plain
    button, live = root(page).get_by_role("button"), "document.querySelector('.summary').getAttribute('aria-live')"
    now = "JSON.parse(document.querySelector('.qmix-explorer').dataset.result).snapshot"
    assert "play" in button.inner_text() and page.evaluate(live) == "polite"
    button.click()  # from the end it starts again
    assert "pause" in button.inner_text() and page.evaluate(live) == "off"
    page.wait_for_function(f"{now} > 4 && {now} < 90")
    button.click()
    stopped = shown(page)["snapshot"]
    page.wait_for_timeout(400)
    assert shown(page)["snapshot"] == stopped < 99
    assert "play" in button.inner_text() and page.evaluate(live) == "polite"
    twin.snapshot = stopped
    assert_equals_python(page, twin)

    page.evaluate("window.model.set('snapshot', 95)")
    button.click()
    page.wait_for_function(f"{now} === 99")
    page.wait_for_timeout(400)
    assert shown(page)["snapshot"] == 99 and "play" in button.inner_text()

    button.click()
    page.wait_for_function(f"{now} > 2 && {now} < 50")
    press(page, slider(page), "End")  # taking the slider stops the film
    page.wait_for_timeout(400)
    assert shown(page)["snapshot"] == 99 and "play" in button.inner_text()


def test_a_removed_view_listens_and_plays_no_more(plain):
    page, _ = plain
    root(page).get_by_role("button").click()
    page.evaluate("window.forget()")
    stopped, before = page.evaluate("window.model.get('snapshot')"), shown(page)
    page.wait_for_timeout(300)
    assert page.evaluate("window.model.get('snapshot')") == stopped
    page.evaluate("window.model.set('learner', 'hysteretic')")
    assert shown(page) == before


def test_a_narrow_page_stacks_the_pictures(plain):
    page, _ = plain
    page.set_viewport_size({"width": 340, "height": 1200})
    page.wait_for_timeout(200)
    boxes = [c.bounding_box() for c in root(page).locator("canvas").all()]
    for above, below in zip(boxes, boxes[1:], strict=False):
        assert below["y"] >= above["y"] + above["height"]
    assert all(b["x"] + b["width"] <= 340 for b in boxes)
    assert page.evaluate("document.documentElement.scrollWidth") <= 340


def test_a_dark_page_has_light_lines(plain):
    page, _ = plain
    before = pixels(page)
    page.evaluate("document.body.setAttribute('style', 'background: #111; color: #ddd')")
    page.wait_for_timeout(200)
    assert all(new != old for new, old in zip(pixels(page), before, strict=True))

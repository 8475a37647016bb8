"""The ladder explorer in a real browser: its verdicts and its words must be those of Python."""

import numpy as np
import pytest
from explorers import (
    NOTEBOOK_STATE,
    assert_same,
    assert_seen_within,
    cell,
    imported,
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

from qmix_edu.widgets import LadderExplorer

pytestmark = pytest.mark.browser

SHOWS = "from qmix_edu.widgets import LadderExplorer\nexplorer = LadderExplorer()\nexplorer"
RECORDS = """
import json, pathlib
explorer.observe(lambda _: pathlib.Path("ladder.json").write_text(json.dumps(explorer.payoff)))
"""
RUNGS = {
    "additive: a sum": "additive",
    "two-step-2b": "supermodular",
    "monotone: threshold": "monotone",
    "qtran": "any",
}


def assert_equals_python(page: Page, twin: LadderExplorer) -> None:
    result = twin.result()
    assert_same(shown(page), result)
    assert root(page).locator(".summary").inner_text() == twin.summary()
    names = ("additive", "supermodular", "monotone")
    titles = [f"{name}: {'yes' if result[name]['holds'] else 'no'}" for name in names]
    assert root(page).locator(".title").all_inner_texts() == ["the ladder", *titles, "payoff"]
    sums, reasons = twin.sums(), [result[name]["reason"] for name in names]
    assert root(page).locator(".numbers").all_text_contents() == [sums[name] for name in names]
    assert root(page).locator(".facts:not(.numbers)").all_text_contents() == reasons
    assert typed_payoffs(page) == twin.payoff


@pytest.fixture
def plain(page: Page):
    """The same JavaScript on a page without Jupyter."""
    explorer = LadderExplorer()
    requests = mount(page, explorer)
    yield page, explorer
    assert requests == []
    assert page.problems == []


def show(page: Page, twin: LadderExplorer, payoff: list) -> None:
    twin.payoff = payoff
    page.evaluate("payoff => window.model.set('payoff', payoff)", twin.payoff)
    assert_equals_python(page, twin)


def test_in_jupyterlab_what_is_typed_equals_python_and_reaches_the_kernel(page: Page, lab):
    lab.write("ladder.ipynb", SHOWS, RECORDS)
    (lab.root / "ladder.json").unlink(missing_ok=True)
    lab.run_all(page, "ladder.ipynb")
    root(page).wait_for()
    twin = LadderExplorer()
    assert_equals_python(page, twin)
    cell(page, "b", "b").focus()
    before = page.evaluate(NOTEBOOK_STATE)
    page.keyboard.press("Control+A")
    page.keyboard.type("1")
    twin.payoff = [[0, 1], [1, 1]]
    assert_equals_python(page, twin)
    press(page, cell(page, "a", "a"), "PageUp")
    twin.payoff = [[10, 1], [1, 1]]
    assert_equals_python(page, twin)
    wait_for_kernel(lab.root / "ladder.json", twin.payoff)
    assert page.evaluate(NOTEBOOK_STATE) == before
    reachable = root(page).locator("input, select, button, a, [tabindex]")
    assert reachable.count() == 4 + 3
    assert reachable.evaluate_all("all => all.every((e) => 'lmSuppressShortcuts' in e.dataset)")
    assert page.problems == []


def test_one_game_stands_on_each_rung(plain):
    page, twin = plain
    pictures = []
    for game, rung in RUNGS.items():
        option = root(page).locator("option", has_text=game).first
        root(page).get_by_label("game").select_option(value=option.get_attribute("value"))
        twin.payoff = next(g["payoff"] for g in twin.games if game in g["name"])
        assert_equals_python(page, twin)
        assert shown(page)["rung"] == rung
        assert f"the lowest rung that holds: {rung}" in root(page).get_by_role("img").first.get_attribute("aria-label")
        pictures.append(pixels(page)[0])
    assert len(set(pictures)) == 4


def test_random_tables_equal_python(plain):
    page, twin = plain
    rng = np.random.default_rng(3)
    for shape in [(2, 2), (3, 3), (4, 4), (2, 3), (4, 2), (3, 4), (2, 2), (4, 3), (2, 4), (4, 4)]:
        show(page, twin, random_table(rng, shape).tolist())


def test_random_tables_of_every_rung_equal_python(plain):
    page, twin = plain
    rng = np.random.default_rng(4)
    rungs = []
    for _ in range(8):
        shape = tuple(int(m) for m in rng.integers(2, 5, size=2))
        u, v = (np.sort(rng.integers(0, 6, size=m)) for m in shape)
        total = rng.permutation(rng.permutation(np.add.outer(u, v)), axis=1) / 4
        for payoff in (total, np.maximum(total, 1) ** 2, np.minimum(total, 1.5), -np.abs(total - 1)):
            show(page, twin, payoff.tolist())
            rungs.append(shown(page)["rung"])
    assert all(rungs.count(rung) > 2 for rung in ("additive", "supermodular", "monotone", "any"))


def test_edits_by_key_and_mouse(plain):
    page, twin = plain
    press(page, cell(page, "a", "b"), "ArrowUp")
    box = cell(page, "b", "b").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 60, steps=4)
    page.mouse.up()
    twin.payoff = [[0, 2], [1, -2]]
    assert_equals_python(page, twin)
    cell(page, "b", "a").fill("minus one")
    assert "“minus one” is not a number" in root(page).locator(".message").inner_text()
    assert shown(page)["payoff"] == twin.payoff
    root(page).get_by_label("actions of agent 2").select_option("4")
    twin.payoff = [[0, 2, 0, 0], [1, -2, 0, 0]]
    assert_equals_python(page, twin)


def test_six_digits_are_pythons(page: Page):
    rng = np.random.default_rng(5)
    values = [
        1.015625,
        1.046875,
        0.5,
        1e-9,
        1e9,
        999999.5,
        99999.95,
        0.0001,
        0.00009999995,
        123456.5,
        123457.5,
        0.1 + 0.2,
    ]
    values += (10 ** rng.uniform(-9, 9, 200)).tolist() + (rng.integers(1, 10**7, 200) / 64).tolist()
    assert imported(page, "deciding", "sixDigits", [[value] for value in values]) == [f"{x:.6g}" for x in values]


def test_a_control_wired_to_nothing_fails_the_check(plain):
    page, _ = plain
    page.evaluate("document.querySelector('.qmix-ladder').insertAdjacentHTML('beforeend', '<input id=inert>')")
    with pytest.raises(AssertionError, match="redrew nothing"):
        press(page, page.locator("#inert"), "ArrowUp")


def test_a_key_is_seen_within_50_ms(plain):
    page, twin = plain
    show(page, twin, np.random.default_rng(6).integers(-12, 12, (4, 4)).tolist())
    assert_seen_within(
        page, 50, [(cell(page, "b", "a"), key) for key in ["ArrowUp", "PageDown", "ArrowDown", "PageUp"] * 4]
    )


def test_dark_pages_repaint_the_axes_and_narrow_ones_stack(plain):
    page, _ = plain
    before = pixels(page)
    page.evaluate("document.body.style.cssText = 'background: #111; color: #ddd'")
    page.wait_for_timeout(200)
    dark = pixels(page)
    assert len(dark) == 5 and all(new != old for new, old in zip(dark, before, strict=True))
    page.set_viewport_size({"width": 340, "height": 1300})
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= 340
    maps = [c.bounding_box() for c in root(page).locator("canvas").all()]
    assert all(b["x"] >= 0 and b["x"] + b["width"] <= 340 for b in maps)
    assert maps[1]["y"] >= maps[0]["y"] + maps[0]["height"]

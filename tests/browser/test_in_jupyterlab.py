"""Every widget in JupyterLab: keys, the mouse and ten random settings from the kernel; the numbers are the kernel's."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from explorers import (
    assert_same,
    assert_seen_within,
    cell,
    drag_up,
    key_presses,
    new_page,
    press,
    random_table,
    root,
    shown,
    slider,
)
from playwright.sync_api import Page
from recorded import untrained
from sweep_driver import QUICK

from qmix_edu.records import save_record
from qmix_edu.runs import Run

pytestmark = pytest.mark.browser

# Set the notebook's only cell and run it.
SHOW = """
async (code) => {
  const notebook = jupyterapp.shell.currentWidget.content;
  notebook.widgets[0].model.sharedModel.setSource(code);
  await jupyterapp.commands.execute("notebook:run-all-cells");
}
"""
# Which cells the notebook keeps on the page.
SET_WINDOWING = """
(windowingMode) => jupyterapp.serviceManager.settings.save(
  "@jupyterlab/notebook-extension:tracker", JSON.stringify({ windowingMode }))
"""
# Run code in the kernel, past the notebook; return what it prints.
ASK = """
async (code) => {
  const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
  const future = kernel.requestExecute({ code, store_history: false });
  let printed = "";
  future.onIOPub = ({ header, content }) => {
    if (header.msg_type === "error") throw new Error(content.evalue);
    if (header.msg_type === "stream" && content.name === "stdout") printed += content.text;
  };
  await future.done;
  return printed;
}
"""
LEARNERS = """
import numpy as np
from matrix_games import DistributedQ, IndependentQ, catalogue, play
from qmix_edu.widgets import LearningExplorer

game, rng = catalogue["penalty-10"], np.random.default_rng(3)
learners = {"IQL": IndependentQ(), "distributed": DistributedQ()}
w = LearningExplorer({name: play(game, it, rng=rng, runs=50, plays=500, snapshots=60) for name, it in learners.items()})
w
"""


def table(rng: np.random.Generator) -> list[list[float]]:
    return random_table(rng, tuple(int(m) for m in rng.integers(2, 5, size=2))).tolist()


def choose_another(page: Page) -> None:
    root(page).locator("input:not(:checked)[type=radio]").first.click()


@dataclass
class Case:
    """What a cell shows, its controls at random, and a movement of the mouse that changes its numbers."""

    cell: str
    at_random: Callable[[np.random.Generator], dict[str, Any]]
    mouse: Callable[[Page], None]


CASES = {
    "landscape": Case(
        "from qmix_edu.widgets import LandscapeExplorer\nw = LandscapeExplorer.random(1)\nw",
        lambda rng: {"state": int(rng.integers(3)), "constraint": str(rng.choice(["abs", "softplus", "none"]))},
        choose_another,
    ),
    "learning": Case(
        LEARNERS,
        lambda rng: {
            "learner": str(rng.choice(["IQL", "distributed"])),
            "view": str(rng.choice(["all runs", "one run"])),
            "snapshot": int(rng.integers(60)),
            "run": int(rng.integers(12)),
        },
        choose_another,
    ),
    "payoff": Case(
        "from qmix_edu.widgets import PayoffExplorer\nw = PayoffExplorer()\nw",
        lambda rng: {
            "payoff": table(rng),
            "epsilon": int(rng.integers(5, 100)) / 100,
            "centre": rng.integers(4, size=2).tolist(),
        },
        lambda page: drag_up(page, cell(page, "a", "b")),
    ),
    "ladder": Case(
        "from qmix_edu.widgets import LadderExplorer\nw = LadderExplorer()\nw",
        lambda rng: {"payoff": table(rng)},
        lambda page: drag_up(page, cell(page, "a", "b")),
    ),
    "battle_viewer": Case(
        "from qmix_edu.records import load_record\nfrom qmix_edu.widgets import BattleViewer\n"
        "w = BattleViewer(load_record('battle.json'))\nw",
        lambda rng: {
            "step": int(rng.integers(10)),
            "agents": rng.permutation(3)[:2].tolist(),
            "episode": int(rng.integers(2)),
        },
        lambda page: root(page).get_by_label("step", exact=True).click(),
    ),
    "training": Case(
        "from qmix_edu.widgets import TrainingViewer\nw = TrainingViewer('finished')\nw",
        lambda rng: {"at": int(rng.integers(20))},
        lambda page: slider(page).click(),
    ),
}


@pytest.fixture(scope="module")
def notebook(browser, lab):
    """One notebook with one cell; the tests put their widgets into it one after the other."""
    save_record(untrained("smax/3m"), lab.root / "battle.json")
    list(Run.create(lab.root / "finished", QUICK).train())
    lab.write("widgets.ipynb", "")
    with new_page(browser) as page:
        lab.open(page, "widgets.ipynb")
        yield page


def agreed(page: Page) -> dict[str, Any]:
    """Wait until the page shows the kernel's numbers and words, and return them."""
    deadline = time.monotonic() + 10
    while True:
        told = page.evaluate(ASK, "import json; print(json.dumps([w.result(), w.summary()]))")
        result, summary = json.loads(told)
        try:
            assert_same(shown(page), result)
            assert root(page).locator(".summary").text_content() == summary
            return result
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        page.wait_for_timeout(50)


@pytest.mark.parametrize("kind", CASES)
def test_moved_by_keys_mouse_and_kernel_its_numbers_are_the_kernels(notebook: Page, kind):
    page, case, rng = notebook, CASES[kind], np.random.default_rng(0)
    page.evaluate(SHOW, case.cell)
    page.locator(f".qmix-{kind.removesuffix('_viewer')}[data-result]").wait_for()
    agreed(page)
    keys = key_presses(page, kind)
    assert_seen_within(page, 50, keys)
    timed = agreed(page)
    press(page, *keys[-1])
    moved = agreed(page)
    assert moved != timed
    case.mouse(page)
    pulled = agreed(page)
    assert pulled != moved
    seen = []
    for _ in range(10):
        setting = json.dumps(case.at_random(rng))
        page.evaluate(ASK, f"for name, value in json.loads({setting!r}).items(): setattr(w, name, value)")
        seen.append(json.dumps(agreed(page)))
    assert len(set(seen)) > 3
    assert page.problems == []


PLAYER = """
from IPython.display import HTML
from qmix_edu.battle_plots import battle_player
from qmix_edu.records import load_record

HTML(battle_player(load_record("battle.json").episodes[0].battle))
"""


def test_the_battle_player_has_its_place_where_it_was_made_out_of_sight(lab, page):
    save_record(untrained("smax/3m"), lab.root / "battle.json")
    filler = ["for i in range(60):\n    print(i)"] * 6
    lab.write("player.ipynb", *filler, PLAYER, *filler)
    lab.open(page, "player.ipynb")
    page.evaluate(SET_WINDOWING, "contentVisibility")  # what JupyterLab does unless told otherwise
    try:
        lab.run_all(page, "player.ipynb")
        picture = page.locator(".animation img")
        picture.wait_for(state="attached")
        page.evaluate("() => jupyterapp.shell.currentWidget.content.scrollToItem(6)")
        page.wait_for_timeout(1000)
        first = picture.get_attribute("src")
        assert picture.evaluate("image => image.offsetHeight") > 100
        page.get_by_label("Next frame").click()
        page.wait_for_function("first => document.querySelector('.animation img').src !== first", arg=first)
    finally:
        page.evaluate(SET_WINDOWING, "none")

"""The site in a real browser, opened from files: nothing is fetched, explorers live, addresses hold their settings.

That the explorers' JavaScript equals Python on many tables is the matter of the other files here; here are ten settings
of each, reached by address, and each explorer moved by keyboard and mouse.
"""

import base64
import gzip
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import nbformat
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from explorers import (
    assert_same,
    assert_seen_within,
    cell,
    drag_up,
    key_presses,
    press,
    radio,
    random_table,
    root,
    shown,
    slider,
)
from playwright.sync_api import Page

from qmix_edu.records import Record
from qmix_edu.widgets import BattleViewer, LadderExplorer, LandscapeExplorer, PayoffExplorer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]  # the first test waits for six chapters and for Sphinx

ROOT = Path(__file__).parents[2]
# Their explorers: landscape, learning, payoff, ladder, landscape, battle viewer. The others have no outputs.
EXECUTED = [
    "00_start_here",
    "02_independent_learners",
    "03_additive_factorisation",
    "04_monotonic_factorisation",
    "06_inside_the_mixer",
    "13_inside_a_trained_qmix",
]
GALLERY = ["payoff", "ladder", "landscape", "learning", "battle_viewer", "training"]
PAGES = [
    "index",
    "chapters",
    "chapters/02_independent_learners",
    "chapters/06_inside_the_mixer",
    *(f"explorers/{name}" for name in GALLERY),
    "algorithms/qmix",
    "results",
    "reference/qmix_edu.mixers",
    "teachers_guide",
    "without_installing",
]
SHOWS = """
(payoff) => {
  const { result } = document.querySelector("[data-result]").dataset;
  return JSON.stringify(JSON.parse(result).payoff) === JSON.stringify(payoff);
}
"""
READY = "document.documentElement.dataset.explorers === 'ready'"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, executed, chromium) -> Path:
    """Build the site once from chapters with shortened trainings; return the folder of its pages."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "executed").mkdir()
    for name in EXECUTED:
        nbformat.write(executed(ROOT / "notebooks" / f"{name}.ipynb"), folder / "executed" / f"{name}.ipynb")
    command = [sys.executable, str(ROOT / "tools/build_site.py"), "--executed", str(folder / "executed")]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*command, "--out", str(folder)], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "site: 02_independent_learners: executed with shortened trainings\n" in done.stdout
    assert "site: 01_matrix_games: not executed\n" in done.stdout
    return folder / "html"


@pytest.fixture
def visit(page: Page, site: Path):
    """A function that opens a page of the site; at the end there was no request elsewhere and no error."""
    elsewhere = []
    page.on("request", lambda r: elsewhere.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None)
    page.context.set_offline(True)

    def go(name: str, address: str = "") -> Page:
        page.goto("about:blank")  # so that an address with another hash is a new page
        page.goto((site / f"{name}.html").as_uri() + address)
        if page.locator(".qmix-mount").count():
            page.wait_for_function(READY)
        return page

    yield go
    assert elsewhere == []
    assert page.problems == []


def findings(page: Page) -> list[str]:
    """Return the serious and critical findings of axe, each with the first of its elements."""
    violations = Axe().run(page, options={"preload": False}).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in violations if v["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_accessible_in_light_and_dark_and_fit_a_phone(visit, page, name):
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        visit(name)
        assert findings(page) == [], scheme
    page.set_viewport_size({"width": 375, "height": 800})
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    for explorer in root(page).all():
        box = explorer.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 375


def test_axe_finds_what_is_wrong(visit, page):
    visit("index")
    page.evaluate("document.querySelector('article').insertAdjacentHTML('beforeend', '<img src=\"data:,\"><input>')")
    assert {finding.split(":")[0] for finding in findings(page)} >= {"image-alt", "label"}


def test_a_chapters_page_is_below_3_mb(site):
    for name in EXECUTED:
        page = site / "chapters" / f"{name}.html"
        text = page.read_text()
        images = [site / "_images" / image.name for image in (site / "_images").iterdir() if image.name in text]
        size = page.stat().st_size + sum(image.stat().st_size for image in images)
        print(f"{name}: {size / 1e6:.2f} MB with {len(images)} images")
        assert size < 3e6


@pytest.mark.parametrize("name", GALLERY)
def test_an_explorers_page_with_all_that_it_loads_is_small(visit, page, name):
    loaded = []
    page.on("request", lambda request: loaded.append(request.url))
    visit(f"explorers/{name}")
    sizes = {
        path: path.stat().st_size for path in (Path(urlsplit(url).path) for url in loaded if url.startswith("file:"))
    }
    ours = ("explorers.js", "keyboard.js", "site.css")
    own = sum(size for path, size in sizes.items() if path.parent.name == "explorers" or path.name in ours)
    assert len(sizes) > 8 and own > 20_000
    print(f"{name}: {own / 1e3:.0f} kB of its own, {sum(sizes.values()) / 1e3:.0f} kB with the theme")
    assert sum(sizes.values()) < 300_000


def address(name: str, **controls: object) -> str:
    return f"#{urlencode({'explorer': name, **controls}, quote_via=quote)}"


def in_rows(table: list[list[float]]) -> str:
    return ";".join(",".join(map(repr, row)) for row in table)


def assert_equals_python(page: Page, twin) -> None:
    assert_same(shown(page), twin.result())
    assert root(page).locator(".summary").inner_text() == twin.summary()


def test_ten_tables_by_address_equal_python(visit, page):
    rng = np.random.default_rng(0)
    payoff, ladder = PayoffExplorer(), LadderExplorer()
    settings = []
    for _ in range(10):
        shape = tuple(int(m) for m in rng.integers(2, 5, size=2))
        settings.append((random_table(rng, shape).tolist(), int(rng.integers(5, 100)) / 100, rng.integers(4, size=2)))
    visit("explorers/payoff")
    for payoff.payoff, payoff.epsilon, centre in settings:
        payoff.centre = centre.tolist()
        asked = {"payoff": in_rows(payoff.payoff), "epsilon": payoff.epsilon, "centre": ",".join(map(str, centre))}
        follow(page, address("payoff", **asked), payoff.payoff)
        assert_equals_python(page, payoff)
    visit("explorers/ladder")
    for ladder.payoff, _, _ in settings:
        follow(page, address("ladder", payoff=in_rows(ladder.payoff)), ladder.payoff)
        assert_equals_python(page, ladder)


def follow(page: Page, hash_: str, payoff: list) -> None:
    """Change the address of an open page, and wait until the explorer shows its payoffs."""
    page.evaluate("hash => { location.hash = hash; }", hash_)
    page.wait_for_function(SHOWS, arg=payoff)


def gallery_explorer(kind: str):
    """Make the explorer that the gallery shows."""
    spec = importlib.util.spec_from_file_location("site_explorers", ROOT / "docs/_ext/explorers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EXPLORERS[kind]()


def test_ten_settings_of_mixers_and_learners_by_address_equal_python(visit, page):
    rng = np.random.default_rng(1)
    twin = gallery_explorer("landscape")
    for _ in range(10):
        twin.state, twin.constraint = int(rng.integers(3)), str(rng.choice(["abs", "softplus", "none"]))
        visit("explorers/landscape", address("landscape", state=twin.state, constraint=twin.constraint))
        assert_equals_python(page, twin)
    twin = gallery_explorer("learning")
    names = [learner["name"] for learner in twin.data["learners"]]
    for i in range(10):
        twin.learner, twin.view = str(rng.choice(names)), ["all runs", "one run"][i % 2]
        twin.snapshot, twin.run = int(rng.integers(len(twin.data["snapshots"]))), int(rng.integers(12))
        asked = {"learner": twin.learner, "view": twin.view, "snapshot": twin.snapshot, "run": twin.run}
        visit("explorers/learning", address("learning", **asked))
        assert_equals_python(page, twin)


def test_a_training_run_by_address_key_and_mouse_equals_python(visit, page):
    rng, twin = np.random.default_rng(3), gallery_explorer("training")
    points = len(twin.log["env_steps"])
    for twin.at in rng.integers(points, size=10).tolist():
        visit("explorers/training", address("training", at=twin.at))
        assert_equals_python(page, twin)
    twin.at = -1
    visit("explorers/training")
    assert_equals_python(page, twin)
    press(page, slider(page), "ArrowLeft")
    twin.at = points - 2
    assert_equals_python(page, twin)
    before = shown(page)
    slider(page).click()
    twin.at = int(slider(page).input_value())
    assert shown(page) != before
    assert_equals_python(page, twin)
    visit("explorers/training", wait_for_address(page, f"at={twin.at}"))
    assert_equals_python(page, twin)


def recorded_battles(page: Path) -> BattleViewer:
    """Return Python's twin of the viewer of a page, made of the record that the page holds."""
    mounted = re.search(r'data-explorer="battle_viewer".*?gzip">(.*?)</script>', page.read_text(), re.DOTALL)
    return BattleViewer(Record.from_json(json.loads(gzip.decompress(base64.b64decode(mounted[1])))["record"]))


def test_ten_moments_of_a_battle_by_address_equal_python(visit, page, site):
    rng, twin = np.random.default_rng(2), recorded_battles(site / "explorers/battle_viewer.html")
    assert (twin.recorded.env, twin.recorded.algorithm) == ("smax/3s_vs_5z", "qmix")
    last = twin.recorded.episodes[0].steps
    for step in [last, *rng.integers(last, size=9).tolist()]:
        twin.step, twin.agents = step, rng.permutation(3)[:2].tolist()
        visit("explorers/battle_viewer", address("battle_viewer", step=step, agents=",".join(map(str, twin.agents))))
        assert_equals_python(page, twin)


@pytest.mark.parametrize("kind", GALLERY)
def test_a_key_is_seen_within_50_ms(visit, page, kind):
    visit(f"explorers/{kind}")
    assert_seen_within(page, 50, key_presses(page, kind))


def wait_for_address(page: Page, part: str) -> str:
    page.wait_for_function("part => location.hash.includes(part)", arg=part)
    return page.url[page.url.index("#") :]


def test_tables_moved_by_key_and_mouse_are_in_the_address_and_come_back(visit, page):
    for name, twin in {"payoff": PayoffExplorer(), "ladder": LadderExplorer()}.items():
        visit(f"explorers/{name}")
        assert "#" not in page.url
        press(page, cell(page, "a", "b"), "PageUp")
        drag_up(page, cell(page, "b", "b"))
        table = [list(row) for row in twin.payoff]
        table[0][1] += 10
        table[1][1] += 10
        twin.payoff = table
        if name == "payoff":
            press(page, slider(page), "End")
            twin.epsilon = 0.05
        assert_equals_python(page, twin)
        found = wait_for_address(page, "epsilon=0.05" if name == "payoff" else in_rows(table).replace(".0", ""))
        assert len(found) < 90
        visit(f"explorers/{name}", found)
        assert_equals_python(page, twin)


def test_mixers_and_learners_moved_by_key_and_mouse_are_in_the_address_and_come_back(visit, page):
    twin = gallery_explorer("landscape")
    visit("explorers/landscape")
    press(page, slider(page), "ArrowRight")
    radio(page, "softplus").click()
    twin.state, twin.constraint = 1, "softplus"
    assert_equals_python(page, twin)
    visit("explorers/landscape", wait_for_address(page, "constraint=softplus"))
    assert_equals_python(page, twin)
    twin = gallery_explorer("learning")
    visit("explorers/learning")
    press(page, slider(page), "PageDown")
    radio(page, "distributed, lock").click()
    radio(page, "one run").click()
    twin.learner, twin.view, twin.snapshot = "distributed, lock", "one run", shown(page)["snapshot"]
    assert twin.snapshot < len(twin.data["snapshots"]) - 1
    assert_equals_python(page, twin)
    visit("explorers/learning", wait_for_address(page, "view=one%20run"))
    assert_equals_python(page, twin)


def test_a_battle_moved_by_key_and_mouse_is_in_the_address_and_comes_back(visit, page, site):
    twin = recorded_battles(site / "explorers/battle_viewer.html")
    visit("explorers/battle_viewer")
    field = root(page).locator(".field")
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowDown"):
        press(page, field, key)
    twin.step, twin.agents = 2, [0, 2]
    assert_equals_python(page, twin)
    visit("explorers/battle_viewer", wait_for_address(page, "agents="))
    assert_equals_python(page, twin)
    page.get_by_role("button", name="play").click()
    page.wait_for_function("JSON.parse(document.querySelector('[data-result]').dataset.result).step >= 5")
    page.get_by_role("button", name="pause").click()
    twin.step = shown(page)["step"]
    visit("explorers/battle_viewer", wait_for_address(page, f"step={twin.step}&"))
    assert_equals_python(page, twin)


@pytest.mark.parametrize("asked", ["episode=1", "step=10000", "step=2.5", "agents=1,1", "agents=0,3", "record=1"])
def test_a_moment_that_is_not_in_the_record_is_ignored_with_one_sentence(visit, page, site, asked):
    visit("explorers/battle_viewer", f"#explorer=battle_viewer&step=3&{asked}")
    message = page.locator(".qmix-mount .address").inner_text()
    assert message.startswith(f"The address asks for “{asked}”") and message.endswith("is ignored.")
    assert_equals_python(page, recorded_battles(site / "explorers/battle_viewer.html"))


@pytest.mark.parametrize(
    "asked",
    [
        "explorer=payoff&epsilon=7",
        "explorer=payoff&epsilon=NaN",
        "explorer=payoff&payoff=1,2",
        "explorer=payoff&payoff=1,2;3",
        "explorer=payoff&payoff=1,2;3,1e400",
        "explorer=payoff&payoff=1,2;3,1e-300",
        "explorer=payoff&payoff=" + ";".join(["0,0,0,0,0"] * 5),
        "explorer=payoff&payoff=1,2;3,<img src=x onerror=alert(1)>",
        "explorer=payoff&centre=0,4",
        "explorer=payoff&shown=-1,0",
        "explorer=payoff&games=1",
        "explorer=payoff&__proto__=1",
        "explorer=payoff&epsilon=0.5&%FF=" + "9" * 5000,
        "explorer=<img src=x onerror=alert(1)>",
        "explorer=",
    ],
)
def test_an_address_that_cannot_be_is_ignored_with_one_sentence(visit, page, asked):
    visit("explorers/payoff", f"#{asked}")
    message = page.locator(".qmix-mount .address")
    assert message.inner_text().startswith("The address asks for ") and message.inner_text().endswith("is ignored.")
    assert len(message.inner_text()) < 160 and message.locator("*").count() == 0
    assert_equals_python(page, PayoffExplorer())
    press(page, cell(page, "a", "a"), "ArrowUp")
    assert message.inner_text() == ""
    wait_for_address(page, "payoff=9,-12,-12;")


def test_an_address_asked_for_while_another_is_about_to_be_written_is_followed(visit, page):
    visit("explorers/payoff")
    press(page, cell(page, "a", "a"), "ArrowUp")
    ask = "hash => { location.hash = hash; const end = performance.now() + 800; while (performance.now() < end); }"
    page.evaluate(ask, address("payoff", payoff="1,2;3,4"))
    page.wait_for_function(SHOWS, arg=[[1, 2], [3, 4]])


def test_anchors_of_sections_are_left_alone(visit, page):
    visit("explorers/payoff", "#explorers")
    page.wait_for_timeout(600)
    assert page.url.endswith("#explorers") and page.locator(".qmix-mount .address").inner_text() == ""


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("03_additive_factorisation", lambda: PayoffExplorer([[1, 2, 4], [3, 4, 6], [0, 1, 3]])),
        ("04_monotonic_factorisation", lambda: LadderExplorer([[0, 1], [1, 1]])),
        ("06_inside_the_mixer", lambda: LandscapeExplorer.random(seed=9)),
    ],
)
def test_explorers_in_chapters_are_alive(visit, page, name, twin):
    visit(f"chapters/{name}")
    assert_equals_python(page, twin())
    control = slider(page) if "mixer" in name else cell(page, "a", "a")
    press(page, control, "ArrowRight" if "mixer" in name else "ArrowUp")
    wait_for_address(page, "explorer=")
    assert shown(page) != twin().result()


def test_an_address_chooses_among_the_battles_of_a_chapter(visit, page, site):
    chapter = "chapters/13_inside_a_trained_qmix"
    twin = recorded_battles(site / f"{chapter}.html")
    lengths = [episode.steps for episode in twin.recorded.episodes]
    visit(chapter)
    left = shown(page)
    twin.episode = int(np.argmax(lengths))
    twin.step = max(lengths)
    visit(chapter, address("battle_viewer", step=twin.step, episode=twin.episode))  # the step counts in that episode
    assert_equals_python(page, twin)
    visit(chapter, address("battle_viewer", step=min(lengths) + 1, episode=int(np.argmin(lengths))))
    assert page.locator(".qmix-mount .address").inner_text().endswith("is ignored.")
    assert shown(page) == left


def test_the_first_page_and_the_film_of_learning_come_as_the_notebook_left_them(visit, page):
    visit("chapters/00_start_here")
    assert shown(page)["state"] == 1
    visit("chapters/02_independent_learners")
    assert shown(page)["learner"] == "IQL" and page.locator("text=shortened when the site was built").count() == 1


def test_formulas_are_drawn_and_solutions_are_not_shown(visit, page):
    visit("chapters/06_inside_the_mixer")
    formulas = page.locator("math")
    assert formulas.count() > 20
    assert all(box and box["height"] > 5 for box in (f.bounding_box() for f in formulas.all()[:20]))
    text = page.locator("article").inner_text()
    assert "raise NotImplementedError" in text and "not started" in text.lower() and "\\frac" not in text


def test_a_link_of_the_gallery_leads_to_a_setting(visit, page):
    visit("explorers/index")
    page.get_by_text("climbing with ε-greedy data").click()
    page.wait_for_function(READY)
    twin = PayoffExplorer([[11, -30, 0], [-30, 7, 6], [0, 0, 5]], epsilon=0.2)
    assert_equals_python(page, twin)

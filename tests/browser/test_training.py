"""The training viewer in a real browser: numbers as in Python, keyboard, a live run in JupyterLab."""

import json

import pytest
from explorers import assert_same, mount, pixels, press, root, shown, slider
from playwright.sync_api import Page
from sweep_driver import QUICK

from qmix_edu.runs import Run
from qmix_edu.widgets import TrainingViewer

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = Run.create(tmp_path_factory.mktemp("training") / "run", QUICK)
    list(run.train())
    return run


def test_numbers_and_words_are_pythons(page: Page, run):
    viewer = TrainingViewer(run)
    requests = mount(page, viewer)
    assert root(page).locator(".summary").text_content() == viewer.summary()
    last = len(viewer.log["env_steps"]) - 1
    for viewer.at in range(last, last - 12, -1):
        assert_same(shown(page), viewer.result())
        press(page, slider(page), "ArrowLeft")
    press(page, slider(page), "End")
    assert page.evaluate("model.get('at')") == -1
    assert page.problems == [] and requests == []


def test_new_points_are_drawn(page: Page, run):
    viewer = TrainingViewer(run)
    whole = viewer.log
    cut = {name: values[:4] for name, values in whole["series"].items()}
    viewer.log = {**whole, "env_steps": whole["env_steps"][:4], "series": cut, "state": "training", "evaluations": []}
    mount(page, viewer)
    before = pixels(page)
    page.evaluate("log => model.set('log', log)", whole)
    assert all(now != old for now, old in zip(pixels(page), before, strict=True))
    assert root(page).locator(".state").text_content() == "State: finished."


def test_a_run_that_only_begins(page: Page, tmp_path):
    mount(page, TrainingViewer(Run.create(tmp_path / "run", QUICK)))
    assert "0 of 160 steps done" in root(page).locator(".summary").text_content()
    assert page.problems == []


TRAINS = """
from pathlib import Path
from qmix_edu.learner import LearnerSettings
from qmix_edu.runs import Run, RunSettings
from qmix_edu.settings import TrainSettings
from qmix_edu.widgets import TrainingViewer

train = TrainSettings(n_envs=4, batch_size=8, buffer_episodes=24, log_interval=8, eval_interval=80, eval_episodes=4)
run = Run.create(Path("run"), RunSettings("two-step", "qmix", "mlp", 10**6, 0, LearnerSettings(), train))
viewer = TrainingViewer(run, seconds=0.2)
viewer
"""


def test_live_in_jupyterlab_and_interrupted(page: Page, lab):
    lab.write("training.ipynb", TRAINS, "viewer.train()", "print('the run is', viewer.log['state'])")
    lab.start_all(page, "training.ipynb")
    root(page).wait_for()
    page.wait_for_function(
        "() => JSON.parse(document.querySelector('.qmix-explorer').dataset.result).done > 200", timeout=30_000
    )
    page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()")
    page.get_by_text("the run is stopped").wait_for(timeout=20_000)
    assert shown(page)["state"] == "stopped"
    assert (lab.root / "run" / "resume.pt").exists()
    assert json.loads((lab.root / "run" / "metrics.jsonl").read_text().splitlines()[-1])["env_steps"] > 200

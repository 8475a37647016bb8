"""Explorers on the site, alive without a kernel.

The directive ``{explorer} payoff`` shows one as Python makes it; in an executed chapter every explorer among the
outputs stands as the notebook left it. The page holds the widget's state as JSON, packed to half its size or less, and
``_static/explorers.js`` mounts the widget's own JavaScript on it.

A new explorer needs a line in ``EXPLORERS`` under the name of its module and JavaScript file, its controls in
``_static/explorers.js``, and a page in ``docs/explorers``.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from matrix_games import HystereticQ, IndependentQ, LockedDistributedQ, catalogue, play
from qmix_edu import pretrained
from qmix_edu.battles import record_episodes
from qmix_edu.runs import Run, RunSettings
from qmix_edu.settings import learner_settings, train_settings
from qmix_edu.widgets import (
    BattleViewer,
    LadderExplorer,
    LandscapeExplorer,
    LearningExplorer,
    PayoffExplorer,
    TrainingViewer,
)
from qmix_edu.widgets.modules import css, esm

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
NOT_OF_THE_EXPLORER = {"layout", "tabbable", "tooltip"}


def _learning() -> LearningExplorer:
    learners = {"IQL": IndependentQ(), "hysteretic": HystereticQ(), "distributed, lock": LockedDistributedQ()}
    game = catalogue["climbing-partially-stochastic"]
    return LearningExplorer(
        {
            name: play(game, learner, rng=np.random.default_rng(0), runs=1000, plays=3000, snapshots=60)
            for name, learner in learners.items()
        }
    )


def _battle() -> BattleViewer:
    return BattleViewer(record_episodes(*pretrained.load("3s_vs_5z", "qmix", n_envs=1), episodes=1))


def _training() -> TrainingViewer:
    shorter = {"epsilon_finish": 0.05, "epsilon_steps": 5_000, "log_interval": 128, "eval_interval": 256}
    train = replace(train_settings("two-step"), **shorter)
    settings = RunSettings("two-step", "qmix", "mlp", 8_000, 0, learner_settings("two-step"), train)
    with tempfile.TemporaryDirectory() as folder:
        viewer = TrainingViewer(Run.create(Path(folder) / "run", settings))
        viewer.train()
    return viewer


# What the gallery shows; the name is that of the JavaScript file.
EXPLORERS: dict[str, Callable[[], Any]] = {
    "payoff": PayoffExplorer,
    "ladder": LadderExplorer,
    "landscape": lambda: LandscapeExplorer.random(9),
    "learning": _learning,
    "battle_viewer": _battle,
    "training": _training,
}


def state_of(explorer: Any) -> dict[str, Any]:
    """Return what an explorer shares with its JavaScript."""
    names = explorer.trait_names(sync=True)
    return {n: getattr(explorer, n) for n in names if not n.startswith("_") and n not in NOT_OF_THE_EXPLORER}


def mount(kind: str, name: str, state: dict[str, Any]) -> str:
    """Return the HTML of an explorer: `name` is what the page's address calls it; its state is JSON, packed."""
    data = json.dumps(state, separators=(",", ":")).encode()
    packed = base64.b64encode(gzip.compress(data, mtime=0)).decode()
    return (
        f'<div class="qmix-mount" data-explorer="{escape(kind)}" data-name="{escape(name)}">'
        f'<script type="application/gzip">{packed}</script>'
        "<noscript>This explorer needs JavaScript.</noscript></div>"
    )


def classic_script(kind: str) -> str:
    """Return the widget's module as a script that a page opened from a file may load: browsers refuse modules there."""
    body, found = re.subn(r"^export default ", f"window.qmixExplorers.{kind} = ", esm(kind), flags=re.MULTILINE)
    if found != 1:
        raise ValueError(f"{kind}.js has {found} default exports, expected 1.")
    return f"window.qmixExplorers ||= {{}};\n(() => {{\n{body}}})();\n"


def with_live_explorers(notebook: dict[str, Any]) -> dict[str, Any]:
    """Replace the widget views of an executed notebook: explorers by their mounts, others by their text."""
    states = notebook["metadata"].pop("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    seen: dict[str, int] = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            view = output.get("data", {}).pop(WIDGET_VIEW, None)
            widget = states.get(view["model_id"], {}).get("state", {}) if view else {}
            kind = widget.get("_anywidget_id", "").split(".")[-2:-1]
            if kind and kind[0] in EXPLORERS:
                name = kind[0]
                seen[name] = seen.get(name, 0) + 1
                state = {k: v for k, v in widget.items() if not k.startswith("_") and k not in NOT_OF_THE_EXPLORER}
                label = name if seen[name] == 1 else f"{name}-{seen[name]}"
                output["data"] = {"text/html": mount(name, label, state)}
    return notebook


class ExplorerDirective(SphinxDirective):
    """``{explorer} payoff``: one explorer, as ``EXPLORERS`` makes it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return its mount."""
        kind = self.arguments[0]
        if kind not in EXPLORERS:
            raise self.error(f"unknown explorer {kind!r}, expected one of {', '.join(EXPLORERS)}.")
        return [nodes.raw("", mount(kind, kind, state_of(EXPLORERS[kind]())), format="html")]


def _read_chapter(app: Sphinx, docname: str, source: list[str]) -> None:
    if Path(app.env.doc2path(docname)).suffix == ".ipynb":
        source[0] = json.dumps(with_live_explorers(json.loads(source[0])))


def _write_scripts(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        folder = Path(app.outdir) / "_static" / "explorers"
        folder.mkdir(parents=True, exist_ok=True)
        for kind in EXPLORERS:
            (folder / f"{kind}.js").write_text(classic_script(kind), encoding="utf-8")
            (folder / f"{kind}.css").write_text(css(kind), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("explorer", ExplorerDirective)
    app.connect("source-read", _read_chapter, priority=1)
    app.connect("build-finished", _write_scripts)
    for script in ("explorers.js", "keyboard.js"):
        app.add_js_file(script, loading_method="defer")
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""What the site is made of, before Sphinx: chapters and what is said of them, explorers, formulas, public names."""

import base64
import gzip
import importlib.util
import json
import subprocess
import sys
import types
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
pytest.importorskip("sphinx")


def load(path: str):
    spec = importlib.util.spec_from_file_location(f"site_{Path(path).stem}", ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build_site, reference = load("tools/build_site.py"), load("docs/_ext/reference.py")
mathml, explorers = load("docs/_ext/mathml.py"), load("docs/_ext/explorers.py")


def notebook(*code: str, **metadata):
    """Return a notebook as tools/notebooks.py makes them, with the folded cell that comes first."""
    set_up = nbformat.v4.new_code_cell("%pip install what is missing", metadata={"tags": ["set-up"]})
    cells = [set_up, nbformat.v4.new_markdown_cell("# A title"), *(nbformat.v4.new_code_cell(c) for c in code)]
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


@pytest.mark.parametrize(
    ("ran", "said", "note"),
    [
        (None, "not executed", "were not run"),
        (notebook("1 + 2"), "changed since it was executed", "were not run"),
        (
            notebook("1 + 1", qmix_edu={"problem": "NameError"}),
            "ended with an error when it was executed",
            "were not run",
        ),
        (notebook("1 + 1", qmix_edu={"fast": True, "problem": ""}), "executed with shortened trainings", "shortened"),
        (notebook("1 + 1", qmix_edu={"fast": False, "problem": ""}), "", None),
    ],
)
def test_a_chapter_says_how_it_was_executed_and_leaves_its_set_up_out(tmp_path, ran, said, note):
    nbformat.write(notebook("1 + 1"), tmp_path / "student.ipynb")
    if ran:
        nbformat.write(ran, tmp_path / "ran.ipynb")
    shown, words = build_site.chapter(tmp_path / "student.ipynb", tmp_path / "ran.ipynb")
    assert words == said
    assert [cell.source for cell in shown.cells if cell.cell_type == "code"] == ["1 + 1"]
    assert (note in shown.cells[1].source) if note else (len(shown.cells) == 2)


def test_every_chapter_begins_with_its_title():
    chapters = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    assert chapters
    for path in chapters:
        shown, _ = build_site.chapter(path, Path("no such folder"))
        assert shown.cells[0].source.startswith("# "), path.name


def test_an_undocumented_public_name_is_found():
    module = types.ModuleType("made_up")
    code = '''
"""A module."""
from pathlib import Path
def said(): "It says."
def silent(): ...
def _private(): ...
class Loud:
    "It says."
    def method(self): ...
    def _own(self): ...
class Quiet(Loud):
    "It says."
'''
    module.__dict__["__name__"] = "made_up"
    exec(code, module.__dict__)
    module.__doc__ = "A module."
    assert reference.undocumented(module) == ["made_up.silent", "made_up.Loud.method"]
    module.__doc__ = None
    assert "made_up" in reference.undocumented(module)


def test_every_public_name_has_a_docstring():
    names = reference.public_modules()
    assert {"matrix_games", "qmix_edu.mixers", "qmix_edu.envs.smax"} <= set(names)
    assert not [name for name in names if name.startswith("qmix_edu.exercises.chapter_")]
    assert [x for name in names for x in reference.undocumented(importlib.import_module(name))] == []


def test_formulas_become_mathml_and_unknown_commands_are_refused():
    assert "<mfrac>" in mathml.mathml(r"\frac{1}{2}", "inline")
    assert ">arg<" in mathml.mathml(r"\arg\max_a Q", "block").replace(" ", "")
    with pytest.raises(ValueError, match="nosuchcommand"):
        mathml.mathml(r"x + \nosuchcommand", "inline")


def widget(identity: str, **state):
    return {"state": {"_anywidget_id": identity, "_esm": "...", "layout": "IPY_MODEL_0", **state}}


def test_explorers_in_a_notebook_become_mounts_and_other_widgets_text():
    executed = {
        "metadata": {
            "widgets": {
                explorers.WIDGET_STATE: {
                    "state": {
                        "1": widget("qmix_edu.widgets.payoff.PayoffExplorer", payoff=[[1, 2]], note="</script>"),
                        "2": {"state": {"_model_name": "FloatSliderModel"}},
                    }
                }
            }
        },
        "cells": [
            {"outputs": [{"data": {explorers.WIDGET_VIEW: {"model_id": k}, "text/plain": f"<{k}>"}}]} for k in "112"
        ]
        + [{}],
    }
    live = explorers.with_live_explorers(executed)
    first, second, other = (cell["outputs"][0]["data"] for cell in live["cells"][:3])
    assert 'data-explorer="payoff" data-name="payoff"' in first["text/html"]
    assert 'data-name="payoff-2"' in second["text/html"]
    assert other == {"text/plain": "<2>"}
    packed = first["text/html"].split('gzip">')[1].split("</script>")[0]
    state = json.loads(gzip.decompress(base64.b64decode(packed)))
    assert state == {"payoff": [[1, 2]], "note": "</script>"}
    assert "widgets" not in live["metadata"]


@pytest.mark.parametrize("kind", explorers.EXPLORERS)
def test_scripts_of_the_site_need_no_module(kind):
    script = explorers.classic_script(kind)
    assert f"window.qmixExplorers.{kind} = {{ render }};" in script
    assert "import " not in script and "\nexport " not in script


def test_no_page_of_ours_names_a_server_for_scripts_or_styles():
    for file in (ROOT / "docs/_static").iterdir():
        assert "http" not in file.read_text(), file


def test_course_refuses_a_chapter_that_is_not_there():
    done = subprocess.run(
        [sys.executable, ROOT / "tools/course.py", "student", "77"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stderr == "no chapter 77 in notebooks\n"

"""Every notebook: it is what its source gives, holds no outputs, and runs from top to bottom."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
STUDENT = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTION = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
CHECK = re.compile(r"^check_\w+\(", re.MULTILINE)
LONGEST_FUNCTION = 10

sys.path.insert(0, str(ROOT / "tools"))
import notebooks  # noqa: E402


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outcomes(notebook):
    """Return (the check's line, what it said) for every check in an executed notebook."""
    said = []
    for cell in code_cells(notebook):
        for line in CHECK.findall(cell.source):
            results = [o.data["text/plain"] for o in cell.outputs if o.output_type == "execute_result"]
            said.append((line, results[-1] if results else "nothing"))
    return said


def complaints(notebook):
    """Return what an executed notebook wrote to stderr."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]


def test_a_warning_is_seen():
    warned = nbformat.v4.new_output("stream", name="stderr", text="a warning")
    cell = nbformat.v4.new_code_cell("f()", outputs=[warned, nbformat.v4.new_output("stream", text="fine")])
    assert complaints(nbformat.v4.new_notebook(cells=[cell])) == ["a warning"]


def test_there_are_notebooks():
    assert STUDENT
    assert [p.name for p in STUDENT] == [p.name for p in SOLUTION]


def test_copies_are_what_their_sources_give():
    command = [sys.executable, str(ROOT / "tools" / "notebooks.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(900)  # a chapter that trains takes minutes on a slow machine
@pytest.mark.parametrize("path", STUDENT, ids=lambda p: p.stem)
def test_untouched_student_copy_runs_and_nothing_is_started(path, executed):
    said = outcomes(executed(path))
    assert said, f"{path.name} has no exercise"
    assert [s for s in said if not s[1].startswith("not started")] == []
    assert complaints(executed(path)) == []


@pytest.mark.timeout(900)  # a chapter that trains takes minutes on a slow machine
@pytest.mark.parametrize("path", SOLUTION, ids=lambda p: p.stem)
def test_solution_copy_runs_and_everything_is_correct(path, executed):
    said = outcomes(executed(path))
    assert [s for s in said if not s[1].startswith("correct")] == []
    assert complaints(executed(path)) == []


@pytest.mark.parametrize("path", STUDENT + SOLUTION, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_form(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)
    assert all(notebooks.BEGIN not in c.source and notebooks.END not in c.source for c in cells)
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown").lower()
    for part in (
        "you will be able to",
        "time needed",
        "before it",
        "predict",
        "believe",
        "what to remember",
        "sources",
        "read on:",
    ):
        assert path.stem.startswith("00") or part in text, f"no '{part}'"
    assert path.stem.startswith("00") or "(open)" in text or "open question" in text, "no open task"


@pytest.mark.parametrize("path", SOLUTION, ids=lambda p: p.stem)
def test_functions_are_short_unless_writing_them_is_the_lesson(path):
    for cell in code_cells(nbformat.read(path, as_version=4)):
        if {"exercise", "lesson"} & set(cell.metadata.get("tags", [])):
            continue
        for node in ast.walk(ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.MULTILINE))):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, node.name


@pytest.mark.parametrize("path", STUDENT, ids=lambda p: p.stem)
def test_links_lead_somewhere(path):
    for cell in nbformat.read(path, as_version=4).cells:
        for target in re.findall(r"\]\(([^)#]+)\)", cell.source if cell.cell_type == "markdown" else ""):
            assert target.startswith("https://") or (path.parent / target).exists(), target


def test_solutions_are_taken_out_at_their_indent():
    code = "def f(x):\n    ### BEGIN SOLUTION\n    y = x\n    return y\n    ### END SOLUTION\n"
    assert notebooks.student_code(code, "s") == 'def f(x):\n    raise NotImplementedError("write f")'
    assert notebooks.solution_code(code) == "def f(x):\n    y = x\n    return y"


@pytest.mark.parametrize("code", ["### BEGIN SOLUTION", "### END SOLUTION"])
def test_a_marker_without_its_partner_is_refused(code):
    with pytest.raises(ValueError, match="without its partner"):
        notebooks.student_code(code, "s.py")


def test_a_changed_copy_is_named(tmp_path, monkeypatch):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "01_a.py").write_text("# %%\n1 + 1\n", encoding="utf-8")
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path)
    texts = notebooks.wanted()
    (tmp_path / "solutions").mkdir()
    for file, text in texts.items():
        file.write_text(text, encoding="utf-8")
    assert notebooks.drifted(notebooks.wanted()) == []
    (tmp_path / "01_a.ipynb").write_text(texts[tmp_path / "01_a.ipynb"].replace("1 + 1", "1 + 2"))
    (tmp_path / "solutions" / "02_old.ipynb").write_text("{}")
    assert notebooks.drifted(texts) == [tmp_path / "01_a.ipynb", tmp_path / "solutions" / "02_old.ipynb"]

"""What a student's cell is run with, and how its answer is judged; in this process, so on friendly code only."""

import importlib
import json
import sys

import pytest
from classroom import NOTEBOOKS, notebook

from qmix_edu.exercises import Check, check, wrong
from qmix_edu.grading.submissions import open_chapter, read_cells
from qmix_edu.grading.worker import accepts_anything, define, judge


@check("01_matrix_games", hints=("a", "b", "c"))
def check_double(double):
    """Twice the number."""
    if double(2) != 4:
        wrong("not twice", "double(2) should be 4.")
    return "good."


def judged(cell: str, others=(), given=()) -> dict:
    return judge(check_double, "double", cell, list(others), list(given))


@pytest.fixture(autouse=True)
def forget_the_submission(monkeypatch):
    monkeypatch.setitem(sys.modules, "submission", sys)


@pytest.mark.parametrize(
    ("cell", "status", "misconception"),
    [
        ("def double(x):\n    return 2 * x", "correct", None),
        ("double = lambda x: x + x", "correct", None),
        ("def double(x):\n    return 3", "wrong", "not twice"),
        ("def double(x):\n    raise NotImplementedError", "not started", None),
        ("def double(x):\n    return 1 / 0", "wrong", "your function stopped with an error"),
    ],
)
def test_the_check_decides(cell, status, misconception):
    found = judged(cell)
    assert (found["status"], found["misconception"]) == (status, misconception)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("def double(x:", "the cell of `double` stopped with SyntaxError: "),
        ("assert False, 'no'\ndef double(x): return 2 * x", "the cell of `double` stopped with AssertionError: no"),
        ("if True: raise SystemExit\ndef double(x): return 2 * x", "the cell of `double` stopped with SystemExit"),
        ("def double(x): raise SystemExit", "checking `double` stopped with SystemExit"),
        ("x = " + "-" * 100_000 + "1\ndef double(x): return 2", "the cell of `double` stopped with"),
    ],
)
def test_what_cannot_be_judged_is_stopped_with_a_reason(cell, message):
    found = judged(cell)
    assert found["status"] == "stopped" and found["message"].startswith(message)


def test_a_cell_gets_what_it_uses_and_no_more():
    given = ["import math as m, json\nRATE = m.sqrt(BASE)", "BASE = 4.0", "def unused(): pass\nboom = 1 / 0"]
    others = ["%matplotlib inline\nfrom itertools import count\nTWO = next(count(2))", "def helper(x): return TWO * x"]
    assert (
        judged("def double(x): return helper(x) * RATE / m.sqrt(4)", others, ["BASE = 4.0", *given])["status"]
        == "correct"
    )
    module = sys.modules["submission"]
    assert hasattr(module, "m") and not hasattr(module, "unused") and not hasattr(module, "boom")


def test_the_chapters_own_names_win_over_the_students():
    assert judged("def double(x): return scale * x", ["scale = 3"], ["scale = 2"])["status"] == "correct"


def test_a_cell_outside_that_fails_leaves_its_name_undefined():
    found = judged("def double(x): return TWO * x", ["TWO = 1 / 0"])
    assert (
        found["misconception"] == "your function stopped with an error" and "'TWO' is not defined" in found["message"]
    )


def test_classes_that_look_for_their_module_work():
    cell = (
        "from dataclasses import dataclass\n@dataclass\nclass Pair:\n    a: 'int'\ndef double(x): return Pair(2 * x).a"
    )
    assert judged(cell)["status"] == "correct"


def test_prints_and_calls_in_the_cell_are_left_out(capsys):
    assert judged("def double(x): return 2 * x\nprint('seen')\ncheck_double(double)")["status"] == "correct"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "patch",
    [
        "framework.Check.__call__ = lambda self, *a: framework.Result(self.exercise, 'correct', 'fine')",
        "check_double._body = lambda double: 'good.'",
    ],
)
def test_a_check_that_was_tampered_with_is_found_out(patch, monkeypatch):
    from qmix_edu.exercises import framework

    monkeypatch.setattr(framework.Check, "__call__", framework.Check.__call__)
    monkeypatch.setattr(check_double, "_body", check_double._body)
    monkeypatch.setitem(sys.modules, "here", sys.modules[__name__])
    cell = f"from here import check_double\nfrom qmix_edu.exercises import framework\n{patch}\ndef double(x): return 5"
    found = judged(cell)
    assert found["status"] == "stopped"


@pytest.mark.parametrize("number", [path.name[:2] for path in sorted(NOTEBOOKS.glob("*.ipynb"))])
def test_every_solution_is_correct_and_no_check_accepts_anything(number, monkeypatch):
    monkeypatch.setenv("QMIX_EDU_FAST", "1")
    chapter = open_chapter(number)
    cells = read_cells(json.dumps(notebook(number, "solutions")).encode())
    module = importlib.import_module(f"qmix_edu.exercises.chapter_{number}")
    for exercise, cell_id in chapter.exercises.items():
        test: Check = getattr(module, f"check_{exercise}")
        own = next(cell.source for cell in cells if cell.id == cell_id)
        others = [cell.source for cell in cells if cell.id != cell_id]
        assert judge(test, exercise, own, others, chapter.given)["status"] == "correct", exercise
        assert not accepts_anything(test)
        stub = next(cell.source for cell in chapter.cells if cell.id == cell_id)
        assert test(define(exercise, stub, [], chapter.given)).status == "not started"

"""Make what a teacher hands out, and a course for nbgrader beside it.

    python tools/release.py [FOLDER]      FOLDER is build/release if not given

``FOLDER/students`` holds the chapters without solutions, the library and what set-up needs; it is made anew each time.
``FOLDER/nbgrader`` holds ``nbgrader_config.py`` and ``source/CHAPTER/CHAPTER.ipynb``; nothing else in it is touched, so
what nbgrader keeps there (its database, what was handed in) stays.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any, cast

import jupytext
import nbformat

import notebooks

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("pyproject.toml", "requirements.lock", "environment.yml", "LICENSE", "tools/setup_venv.py")
PACKAGES = ("qmix_edu", "matrix_games")
CHECK = re.compile(r"^check_(\w+)\(\1\)$", re.MULTILINE)
MAKEFILE = """\
lab: # set up, and open the course
	python3 tools/setup_venv.py
	cd notebooks && ../.venv/bin/jupyter lab --ServerApp.ip=127.0.0.1 00_start_here.ipynb
"""
CONFIG = '''"""nbgrader's settings for this course."""

import os

# the trainings of the chapters' own story are shortened; no exercise depends on them
os.environ.setdefault("QMIX_EDU_FAST", "1")

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "qmix_edu"
c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("write this function")'}
c.Execute.timeout = 300  # seconds for one cell
c.Execute.interrupt_on_timeout = True
'''


def for_students(source: Path) -> Any:
    """Return the student copy with nbgrader's marks: either way of grading takes what is made of it.

    Every exercise is a solution cell, and its check a locked test of one point.
    """
    text = notebooks.copies(source)[notebooks.NOTEBOOKS / f"{source.stem}.ipynb"]
    notebook = cast(Any, nbformat.reads(text, as_version=4))
    for cell in notebook.cells:
        if "exercise" in cell.metadata.get("tags", []):
            cell.metadata["nbgrader"] = _marks(cell, f"write_{cell.id}", solution=True)
        elif cell.cell_type == "code" and (call := CHECK.search(cell.source)):
            cell.metadata["nbgrader"] = _marks(cell, f"check_{call[1]}", grade=True, locked=True) | {"points": 1}
    return notebook


def _marks(cell: Any, name: str, **roles: bool) -> dict[str, Any]:
    marks = {"schema_version": 3, "grade_id": name, "cell_type": cell.cell_type}
    return marks | {"grade": False, "solution": False, "locked": False, "task": False} | roles


def for_nbgrader(source: Path) -> Any:
    """Return nbgrader's source: with the solutions, and with what makes a check a test, which students do not see."""
    written = [cell.source for cell in cast(Any, jupytext.read(source, fmt="py:percent")).cells]
    solved = {notebooks.student_code(code, source.name): code for code in written if notebooks.BEGIN in code}
    notebook = for_students(source)
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("solution"):
            cell.source = solved[cell.source]
        elif marks.get("grade"):
            cell.source += _hidden_test(cast("re.Match[str]", CHECK.search(cell.source))[0])
    return notebook


def _hidden_test(call: str) -> str:
    lines = (
        "### BEGIN HIDDEN TESTS",
        f"_result = {call}",
        'assert _result.status == "correct", _result.message',
        "### END HIDDEN TESTS",
    )
    return "\n" + "\n".join(lines)


def release_students(folder: Path) -> None:
    """Write the students' folder anew."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in NEEDED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "docs" / "students.md", folder / "README.md")
    _write(folder / "Makefile", MAKEFILE)
    for source in _sources():
        _write(folder / "notebooks" / f"{source.stem}.ipynb", nbformat.writes(for_students(source)) + "\n")


def release_nbgrader(folder: Path) -> None:
    """Write the source of nbgrader's course."""
    _write(folder / "nbgrader_config.py", CONFIG)
    for source in _sources():
        name = f"{source.stem}.ipynb"
        _write(folder / "source" / source.stem / name, nbformat.writes(for_nbgrader(source)) + "\n")


def _sources() -> list[Path]:
    return sorted((notebooks.NOTEBOOKS / "source").glob("*.py"))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main() -> int:
    """Write both folders."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "release"
    release_students(target / "students")
    release_nbgrader(target / "nbgrader")
    print(f"students' folder: {target / 'students'}\nnbgrader's course: {target / 'nbgrader'}")
    print("Copy them elsewhere before you use them: `make clean` removes build.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

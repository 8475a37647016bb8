"""What `make release` writes: a students' folder that gives nothing away, and a course that nbgrader grades."""

import html
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import numpy as np
import pytest

from qmix_edu.exercises import chapter_03

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import release  # noqa: E402

import notebooks  # noqa: E402

SOURCES = sorted((ROOT / "notebooks/source").glob("*.py"))
SOLUTION = re.compile(rf"{notebooks.BEGIN}\n(.*?){notebooks.END}", re.DOTALL)
CHAPTER = "03_additive_factorisation"
needs_nbgrader = pytest.mark.skipif(
    importlib.util.find_spec("nbgrader") is None, reason="nbgrader is not installed (it is in the extra dev)"
)


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    release.release_students(folder / "students")
    release.release_nbgrader(folder / "nbgrader")
    return folder


def secrets(text: str) -> set[str]:
    """Return the solutions that are long enough to be nothing else, without their indent."""
    return {region for region in map(unindented, SOLUTION.findall(text)) if len(region) > 25}


def unindented(code: str) -> str:
    return "\n".join(line.strip() for line in code.strip().splitlines())


def given_away(folder: Path, sources: list[Path]) -> list[str]:
    """Return the solutions that stand in a notebook of this folder."""
    solutions = {region for source in sources for region in secrets(source.read_text(encoding="utf-8"))}
    read = [nbformat.read(path, as_version=4) for path in folder.rglob("*.ipynb")]
    texts = [unindented(cell.source) for notebook in read for cell in notebook.cells]
    return sorted(region for region in solutions if any(region in text for text in texts))


def test_the_students_folder_gives_nothing_away(released):
    assert given_away(released / "students", SOURCES) == []
    assert len(given_away(released / "nbgrader", SOURCES)) > 40  # where the solutions are, they are seen
    names = {path.relative_to(released / "students").parts[0] for path in (released / "students").rglob("*")}
    packages = {"qmix_edu", "matrix_games"}
    files = {"pyproject.toml", "requirements.lock", "environment.yml", "LICENSE", "README.md", "Makefile"}
    assert names == packages | files | {"tools", "notebooks"}
    assert {path.name for path in (released / "students/notebooks").iterdir()} == {f"{s.stem}.ipynb" for s in SOURCES}


def test_the_students_code_is_that_of_the_student_copies(released):
    for path in (released / "students/notebooks").iterdir():
        cells = nbformat.read(path, as_version=4).cells
        copies = nbformat.read(ROOT / "notebooks" / path.name, as_version=4).cells
        assert [(c.id, c.source) for c in cells] == [(c.id, c.source) for c in copies]


def test_the_students_library_is_complete(released):
    code = "import qmix_edu, matrix_games, qmix_edu.widgets, qmix_edu.exercises.chapter_03; print(qmix_edu.__file__)"
    environment = {**os.environ, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=released / "students", env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == str(released / "students/qmix_edu/__init__.py"), done.stderr


def test_what_set_up_installs_is_there(released):
    project = tomllib.loads((released / "students/pyproject.toml").read_text())["project"]
    for name in (project["readme"], *project["license-files"], "tools/setup_venv.py", "requirements.lock"):
        assert (released / "students" / name).is_file()
    readme = (released / "students/README.md").read_text()
    for link in re.findall(r"`(?:notebooks/)?(\d\d_\w+\.ipynb)`", readme):
        assert (released / "students/notebooks" / link).is_file()


def test_releasing_again_keeps_what_was_handed_in(tmp_path):
    folder = tmp_path / "nbgrader"
    release.release_nbgrader(folder)
    (folder / "submitted").mkdir()
    (folder / "gradebook.db").write_text("grades")
    before = (folder / f"source/{CHAPTER}/{CHAPTER}.ipynb").read_bytes()
    release.release_nbgrader(folder)
    assert (folder / "gradebook.db").read_text() == "grades" and (folder / "submitted").is_dir()
    assert (folder / f"source/{CHAPTER}/{CHAPTER}.ipynb").read_bytes() == before


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_every_exercise_has_a_solution_cell_and_a_test_worth_a_point(source):
    cells = [c for c in release.for_nbgrader(source).cells if "nbgrader" in c.metadata]
    marks = [c.metadata["nbgrader"] for c in cells]
    names = [mark["grade_id"] for mark in marks]
    checks = re.findall(r"^check_(\w+)\(\1\)$", source.read_text(encoding="utf-8"), flags=re.MULTILINE)
    tests = [c for c in cells if c.metadata["nbgrader"]["grade"]]
    assert [t.metadata["nbgrader"]["grade_id"] for t in tests] == [f"check_{name}" for name in checks]
    assert all(t.metadata["nbgrader"]["locked"] and t.metadata["nbgrader"]["points"] == 1 for t in tests)
    assert all('status == "correct", _result.message' in t.source for t in tests)
    assert len(set(names)) == len(names)
    assert all((notebooks.BEGIN in c.source) == c.metadata["nbgrader"]["solution"] for c in cells)
    assert sum(mark["solution"] for mark in marks) == len(checks)


@needs_nbgrader
@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_nbgrader_makes_the_student_copy_of_it(source):
    """Its own steps give the code of our student copies, but for the sentence in a stub."""
    from nbgrader.preprocessors import CheckCellMetadata, ClearHiddenTests, ClearSolutions

    notebook, resources = release.for_nbgrader(source), {}
    stub = {"python": 'raise NotImplementedError("write this function")'}
    for step in (CheckCellMetadata(), ClearSolutions(code_stub=stub), ClearHiddenTests()):
        notebook, resources = step.preprocess(notebook, resources)
    ours = nbformat.read(ROOT / "notebooks" / f"{source.stem}.ipynb", as_version=4)
    expected = [re.sub(r'Error\("write \w+"\)', 'Error("write this function")', c.source) for c in ours.cells]
    assert [c.source.strip() for c in notebook.cells] == [text.strip() for text in expected]


def nbgrader(course: Path, *arguments: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # nbgrader calls alembic by its name
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(course)}
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments], cwd=course, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def with_solutions(handed_out: dict) -> dict:
    """Return a student's notebook with right answers, but for the first, untouched, and the last, which is wrong."""
    answers = nbformat.read(ROOT / "notebooks/solutions" / f"{CHAPTER}.ipynb", as_version=4).cells
    exercises = [i for i, cell in enumerate(handed_out["cells"]) if "exercise" in cell["metadata"].get("tags", [])]
    for i in exercises[1:-1]:
        handed_out["cells"][i]["source"] = answers[i].source
    handed_out["cells"][exercises[-1]]["source"] = "def badly_fitted_game(size):\n    return np.zeros((size, size))"
    return handed_out


@needs_nbgrader
def test_nbgrader_grades_what_students_hand_in(released):
    """Three right answers of five are three points, an untouched and a wrong one none; the feedback says why."""
    from nbgrader.api import Gradebook

    course, name = released / "nbgrader", f"{CHAPTER}.ipynb"
    nbgrader(course, "generate_assignment", CHAPTER)
    written = with_solutions(json.loads((released / "students/notebooks" / name).read_text(encoding="utf-8")))
    (course / "submitted/ada" / CHAPTER).mkdir(parents=True)
    (course / "submitted/ada" / CHAPTER / name).write_text(json.dumps(written), encoding="utf-8")
    nbgrader(course, "autograde", CHAPTER)
    nbgrader(course, "generate_feedback", CHAPTER)
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        scores = {s.student.id: (s.score, s.max_score) for s in gradebook.assignment_submissions(CHAPTER)}
    assert scores == {"ada": (3, 5)}
    page = (course / "feedback/ada" / CHAPTER / f"{CHAPTER}.html").read_text(encoding="utf-8")
    said = chapter_03.check_badly_fitted_game(lambda size: np.zeros((size, size)))
    assert "write `additive_table`, then run this cell again" in page
    assert said.status == "wrong" and html.escape(said.message, quote=False) in page

"""What is found in a folder and in a notebook, and one sentence for everything that is neither."""

import importlib
import json
import os
import re

import pytest
from classroom import NOTEBOOKS, notebook, with_code

from qmix_edu.exercises import Check
from qmix_edu.grading.submissions import (
    Cell,
    checks_were_edited,
    defines,
    find_submissions,
    open_chapter,
    pick,
    read_cells,
    read_submission,
)

NUMBERS = [path.name[:2] for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
CHAPTER = open_chapter("03")


def as_bytes(made: dict) -> bytes:
    return json.dumps(made).encode()


@pytest.mark.parametrize("number", NUMBERS)
def test_a_chapter_has_the_exercises_that_the_library_checks(number):
    """The notebook and the module of checks are two lists of the same exercises, each written by hand."""
    chapter = open_chapter(number)
    module = importlib.import_module(f"qmix_edu.exercises.chapter_{number}")
    checks = [v.exercise for v in vars(module).values() if isinstance(v, Check) and v.chapter == chapter.path.stem]
    assert sorted(chapter.exercises) == sorted(checks)


def test_one_digit_is_enough():
    assert open_chapter("3") == CHAPTER and CHAPTER.number == "03"


@pytest.mark.parametrize("number", ["77", "", "qmix", "../03"])
def test_an_unknown_chapter_is_named(number):
    with pytest.raises(ValueError, match=f"There is no chapter '{re.escape(number)}'; there are 00, 01, "):
        open_chapter(number)


def test_submissions_are_files_or_folders(tmp_path):
    (tmp_path / "bob.ipynb").write_text("{}")
    for place in (
        "alice/deep/anything.ipynb",
        "carol/a.ipynb",
        f"carol/{CHAPTER.path.name}",
        "dave/a.ipynb",
        "dave/b.ipynb",
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("{}")
    (tmp_path / "alice/.ipynb_checkpoints").mkdir()
    (tmp_path / "alice/.ipynb_checkpoints/old.ipynb").write_text("{}")
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.txt").write_text("alice, bob")
    found = {
        s.student: (s.path.relative_to(tmp_path).as_posix(), s.problem) for s in find_submissions(tmp_path, CHAPTER)
    }
    assert found.pop("dave")[1] == "no notebook is called 03_additive_factorisation.ipynb in this folder."
    assert found.pop("empty")[1] == "no notebook is called 03_additive_factorisation.ipynb in this folder."
    assert found == {
        "alice": ("alice/deep/anything.ipynb", None),
        "bob": ("bob.ipynb", None),
        "carol": (f"carol/{CHAPTER.path.name}", None),
    }


def test_a_folder_without_submissions_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"There is no notebook in .*; a submission is NAME\.ipynb, or a folder NAME\."
    ):
        find_submissions(tmp_path, CHAPTER)
    with pytest.raises(
        ValueError, match=r"There is no folder .*nowhere'; name the folder that holds the submissions\."
    ):
        find_submissions(tmp_path / "nowhere", CHAPTER)


def test_two_submissions_of_one_name_are_refused(tmp_path):
    (tmp_path / "Ann.ipynb").write_text("{}")
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "x.ipynb").write_text("{}")
    with pytest.raises(ValueError, match="There are two submissions called 'Ann'"):
        find_submissions(tmp_path, CHAPTER)


def test_a_name_that_is_no_text_is_readable(tmp_path):
    try:
        open(os.fsencode(tmp_path) + b"/j\xfcrg.ipynb", "w").close()
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    assert [s.student for s in find_submissions(tmp_path, CHAPTER)] == ["j\ufffdrg"]


def test_a_name_is_short_enough_for_its_page(tmp_path):
    (tmp_path / ("\U0001f600" * 63)).mkdir()
    (found,) = find_submissions(tmp_path, CHAPTER)
    (tmp_path / f"{found.student}.html").touch()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"this is {not json", "it is not JSON"),
        (b"", "it is not JSON"),
        (b"\xff\xfe\x00", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[1, 2]", "it has no list of cells"),
        (b'{"cells": {"a": 1}}', "it has no list of cells"),
        (b'{"worksheets": [{"cells": []}]}', "it has no list of cells"),
    ],
)
def test_what_is_no_notebook_is_one_sentence(data, sentence):
    with pytest.raises(ValueError, match=f"the file is not a notebook: {sentence}"):
        read_cells(data)


def test_cells_of_any_form_are_read():
    cells = [
        1,
        {},
        {"cell_type": "code"},
        {"cell_type": "code", "source": ["a = 1\n", 2, "b = 2"], "metadata": {"tags": ["exercise"]}, "id": "x"},
        {"cell_type": "code", "source": {"a": 1}, "metadata": [], "id": 7},
        {"cell_type": "markdown", "source": "text"},
    ]
    assert read_cells(json.dumps({"cells": cells}).encode()) == (
        Cell("", False, ""),
        Cell("x", True, "a = 1\nb = 2"),
        Cell("7", False, ""),
    )


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"this is not a file\."):
        read_submission(tmp_path)
    (tmp_path / "a.ipynb").write_text("12345")
    monkeypatch.setattr("qmix_edu.grading.submissions.LARGEST_NOTEBOOK", 4)
    with pytest.raises(ValueError, match=r"the file is larger than .*; clear its outputs"):
        read_submission(tmp_path / "a.ipynb")


@pytest.mark.parametrize("source", ["def f(x):", "class f:", "f = lambda x: x", "x = 1\ndef  f():", "async def f():"])
def test_a_definition_is_seen(source):
    assert defines(source, "f")


@pytest.mark.parametrize("source", ["def fg(x):", "    def f(x):", "f == 1", "# def f(x)", "print(f)"])
def test_what_does_not_define_is_seen(source):
    assert not defines(source, "f")


def test_an_exercise_is_found_by_id_then_tag_then_name():
    code = "def f(): return 1"
    by_name, by_tag, by_id = Cell("a", False, code), Cell("b", True, code), Cell("c", False, code)
    renamed = Cell("c", True, "def g(): return 1")
    assert pick((by_name, by_id, by_tag), "f", "c") is by_id
    assert pick((by_tag, by_name, renamed), "f", "c") is by_tag
    assert pick((renamed, by_name), "f", "c") is by_name
    assert pick((renamed,), "f", "c") is None


def test_edited_checks_are_seen_and_edited_exercises_are_not():
    assert not checks_were_edited(read_cells(as_bytes(with_code("03", "is_sum", "def is_sum(p): return 1"))), CHAPTER)
    assert not checks_were_edited((), CHAPTER)
    made = notebook("03")
    for cell in made["cells"]:
        if "check_is_sum(" in "".join(cell["source"]) and cell["cell_type"] == "code":
            cell["source"] = "print('correct')"
    assert checks_were_edited(read_cells(as_bytes(made)), CHAPTER)

"""Finds the notebooks that were handed in and reads the exercises out of them, as text: nothing of theirs is run."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
LARGEST_NOTEBOOK = 20_000_000
LONGEST_NAME = 60  # characters: at most 240 of the 255 bytes that a file's name may have
CHECK = re.compile(r"^check_(\w+)\(\1\)", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """A code cell."""

    id: str
    is_exercise: bool
    source: str


@dataclass(frozen=True)
class Chapter:
    """A chapter as it was handed out: its number, its notebook, and the name of each exercise with its cell's id."""

    number: str
    path: Path
    cells: tuple[Cell, ...]
    exercises: dict[str, str]

    @property
    def given(self) -> list[str]:
        """What the notebook itself defines, outside the exercises and their checks."""
        return [cell.source for cell in self.cells if not cell.is_exercise and not CHECK.search(cell.source)]


@dataclass(frozen=True)
class Submission:
    """One student's file, or the sentence that says why there is none to grade."""

    student: str
    path: Path
    problem: str | None = None


def open_chapter(number: str) -> Chapter:
    """Return chapter ``number`` ("06" or "6"); raises ValueError where there is none, or nothing to grade in it."""
    found = {path.name[:2]: path for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))}
    path = found.get(number.zfill(2)) if number else None
    if not found:
        raise ValueError(f"There are no chapters in {NOTEBOOKS}; grade from a clone of the course.")
    if path is None:
        raise ValueError(f"There is no chapter {number!r}; there are {', '.join(found)}.")
    cells = read_cells(path.read_bytes())
    checks = [name for cell in cells for name in CHECK.findall(cell.source)]
    exercises = {name: cell.id for name in checks for cell in cells if cell.is_exercise and defines(cell.source, name)}
    if not exercises:
        raise ValueError(f"Chapter {number} has no exercise with a check, so there is nothing to grade.")
    return Chapter(path.name[:2], path, cells, exercises)


def find_submissions(folder: Path, chapter: Chapter) -> list[Submission]:
    """Return every student's submission, sorted: ``alice.ipynb``, or a folder ``alice/`` with her notebook in it.

    In a folder with several notebooks, hers is the one with the chapter's name. Raises ValueError for a folder that
    is missing or holds no submission, and for two submissions of one name.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no folder {str(folder)!r}; name the folder that holds the submissions.")
    entries = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    found = [Submission(readable(path.stem), path) for path in entries if path.suffix == ".ipynb" and not path.is_dir()]
    found += [_in_folder(path, chapter) for path in entries if path.is_dir()]
    names = [submission.student.casefold() for submission in found]
    if twice := [s.student for s in found if names.count(s.student.casefold()) > 1]:
        raise ValueError(f"There are two submissions called {twice[0]!r} in {str(folder)!r}; rename one.")
    if not found:
        raise ValueError(f"There is no notebook in {str(folder)!r}; a submission is NAME.ipynb, or a folder NAME.")
    return sorted(found, key=lambda submission: submission.student)


def _in_folder(folder: Path, chapter: Chapter) -> Submission:
    notebooks = [p for p in sorted(folder.rglob("*.ipynb")) if ".ipynb_checkpoints" not in p.parts]
    if len(notebooks) > 1:
        notebooks = [path for path in notebooks if path.name == chapter.path.name]
    if len(notebooks) == 1:
        return Submission(readable(folder.name), notebooks[0])
    count = "several notebooks are" if notebooks else "no notebook is"
    return Submission(readable(folder.name), folder, f"{count} called {chapter.path.name} in this folder.")


def readable(name: str) -> str:
    """Return a file's name as text, short enough for the name of a page, whatever its bytes."""
    return os.fsencode(name).decode("utf-8", errors="replace")[:LONGEST_NAME]


def read_submission(path: Path) -> bytes:
    """Return a notebook's bytes; raises ValueError, one sentence, for what cannot be read."""
    if not path.is_file():
        raise ValueError("this is not a file.")
    if path.stat().st_size > LARGEST_NOTEBOOK:
        raise ValueError(f"the file is larger than {LARGEST_NOTEBOOK // 1_000_000} MB; clear its outputs.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"the file cannot be read ({error.strerror}).") from None


def read_cells(data: bytes) -> tuple[Cell, ...]:
    """Return a notebook's code cells; raises ValueError, one sentence, for what is no notebook."""
    try:
        notebook = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("the file is not a notebook: it is not JSON.") from None
    cells = cast("dict[str, Any]", notebook).get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise ValueError("the file is not a notebook: it has no list of cells.")
    dicts = [cast("dict[str, Any]", cell) for cell in cast("list[Any]", cells) if isinstance(cell, dict)]
    return tuple(_cell(cell) for cell in dicts if cell.get("cell_type") == "code")


def _cell(cell: dict[str, Any]) -> Cell:
    source, metadata = cell.get("source"), cell.get("metadata")
    lines = cast("list[Any]", source) if isinstance(source, list) else [source]
    tags = cast("dict[str, Any]", metadata).get("tags") if isinstance(metadata, dict) else None
    text = "".join(line for line in lines if isinstance(line, str))
    return Cell(str(cell.get("id", "")), isinstance(tags, list) and "exercise" in tags, text)


def defines(source: str, name: str) -> bool:
    """Whether a cell defines a function, a class or a value of this name at its top level."""
    return re.search(rf"^(?:(?:async )?def|class) +{name}\b|^{name} *=[^=]", source, re.MULTILINE) is not None


def pick(cells: tuple[Cell, ...], exercise: str, cell_id: str) -> Cell | None:
    """Return the cell that answers an exercise: by its id, else by its tag, else by the function's name alone.

    A cell counts only if it defines the exercise's name; of several alike the last does, as it would in a session.
    """
    candidates = [cell for cell in cells if defines(cell.source, exercise)]
    by_rank = [
        [cell for cell in candidates if cell.id == cell_id],
        [cell for cell in candidates if cell.is_exercise],
        candidates,
    ]
    return next((cells[-1] for cells in by_rank if cells), None)


def checks_were_edited(cells: tuple[Cell, ...], chapter: Chapter) -> bool:
    """Whether a cell that holds a check is in the submission and no longer what was handed out."""
    sources = {cell.id: cell.source for cell in cells}
    checks = [cell for cell in chapter.cells if CHECK.search(cell.source)]
    return any(sources.get(cell.id, cell.source).strip() != cell.source.strip() for cell in checks)

"""Shows which exercises of which chapters are not started, wrong or correct: ``progress()``."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from . import record
from .framework import Check, Note

MARKS = {"correct": "✓", "wrong": "✗", "not started": "·"}


@dataclass(frozen=True)
class Row:
    """One exercise: its chapter (a notebook's name), its name, its best status, and the day that reached it."""

    chapter: str
    exercise: str
    status: str
    date: str

    @property
    def state(self) -> str:
        """The status in a table: ✓ correct."""
        return f"{MARKS[self.status]} {self.status}"


@dataclass(frozen=True)
class Overview:
    """Every exercise of the course and how far it is; the last line of a cell shows it as a table."""

    rows: tuple[Row, ...]
    note: str

    def chapters(self) -> Iterator[tuple[str, list[Row], str]]:
        """Yield each chapter's name, its rows, and how many of them are correct, as ``2 of 4``."""
        for chapter, rows in groupby(self.rows, key=lambda row: row.chapter):
            exercises = list(rows)
            yield chapter, exercises, _score(exercises)

    def __repr__(self) -> str:
        lines: list[str] = []
        for chapter, rows, score in self.chapters():
            lines.append(f"{chapter}: {score} correct")
            lines += [f"    {row.exercise:<32} {row.state:<14} {row.date}".rstrip() for row in rows]
        return "\n".join([*lines, f"In all: {_score(self.rows)} correct. {self.note}"])

    def _repr_markdown_(self) -> str:
        lines = ["| chapter | correct | exercise | status | since |", "|:--|:--|:--|:--|:--|"]
        for chapter, rows, score in self.chapters():
            heads = [f"[{chapter}]({chapter}.ipynb) | {score}", *[" | "] * (len(rows) - 1)]
            lines += [
                f"| {head} | `{row.exercise}` | {row.state} | {row.date} |"
                for head, row in zip(heads, rows, strict=True)
            ]
        return "\n".join([*lines, "", f"**In all: {_score(self.rows)} correct.** {self.note}"])


def _score(rows: list[Row] | tuple[Row, ...]) -> str:
    return f"{sum(row.status == 'correct' for row in rows)} of {len(rows)}"


def all_checks() -> list[Check]:
    """Return every check of the course, in the order of the chapters."""
    package = __name__.rpartition(".")[0]
    names = sorted(m.name for m in pkgutil.iter_modules(importlib.import_module(package).__path__))
    modules = [importlib.import_module(f"{package}.{name}") for name in names if name.startswith("chapter_")]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Check)]
    return list({(check.chapter, check.exercise): check for check in found}.values())


class Progress:
    """``progress()`` is the table of all exercises, ``progress.forget()`` empties it."""

    def __call__(self) -> Overview:
        """Return every exercise with the best that its check has found on this machine, and when."""
        known, note = _known()
        entries = [(c, known.get(c.chapter, {}).get(c.exercise, {})) for c in all_checks()]
        rows = [Row(c.chapter, c.exercise, e.get("status", "not started"), e.get("date", "")) for c, e in entries]
        return Overview(tuple(rows), note)

    def forget(self) -> Note:
        """Delete what is remembered; raises an OSError if it cannot be deleted."""
        path = record.record_file()
        if path:
            record.forget(path)
        return Note("Forgotten", "every exercise counts as not started until its check runs again.")


def _known() -> tuple[record.Record, str]:
    """Return what is remembered, and where."""
    path = record.record_file()
    if path is None:
        return {}, f"Nothing is remembered, because {record.VARIABLE} is set and empty."
    try:
        return record.read(path), f"Remembered on this machine only, in `{path}`; `progress.forget()` empties it."
    except OSError as error:
        return {}, f"What was remembered in `{path}` cannot be read ({record.reason(error)})."


progress = Progress()

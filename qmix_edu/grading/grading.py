"""Grades every submission of a folder, several at a time, and remembers what is done."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from .sandbox import ANSWER_BYTES, ROOT, Ended, Limits, run
from .submissions import (
    Cell,
    Chapter,
    Submission,
    checks_were_edited,
    find_submissions,
    open_chapter,
    pick,
    read_cells,
    read_submission,
)

# "missing": no cell defines it; "stopped": it could not be judged (time, memory, a crash, a damaged answer)
STATUSES = ("correct", "wrong", "not started", "missing", "stopped")
LONGEST_MESSAGE, LONGEST_NAME = 2000, 200
Wall = Callable[[Sequence[str]], list[str]]  # `in_bubblewrap` or `without_sandbox`


@dataclass(frozen=True)
class Grade:
    """What came of one exercise; ``printed`` is the beginning of what the code printed."""

    exercise: str
    status: str
    message: str
    misconception: str | None = None
    printed: str = ""

    @property
    def points(self) -> int:
        """One for a correct answer."""
        return int(self.status == "correct")


@dataclass(frozen=True)
class Record:
    """What came of one submission; ``key`` stands for its bytes and everything that decides their grade."""

    key: str
    student: str
    grades: tuple[Grade, ...]
    problem: str = ""
    edited_checks: bool = False

    @property
    def total(self) -> int:
        """The sum of the points."""
        return sum(grade.points for grade in self.grades)


class Grading:
    """The submissions of one chapter: ``complete`` grades what is not done yet, ``stop`` ends it early.

    ``wall`` makes of a command the one that runs it walled in, as ``in_bubblewrap`` does. Finished submissions stand in
    ``done.jsonl`` of the folder ``state``; when a submission, the library or a limit has changed, it is graded again.
    """

    def __init__(self, folder: Path, chapter: str, state: Path, limits: Limits, wall: Wall) -> None:
        self.chapter = open_chapter(chapter)
        self.submissions = find_submissions(folder, self.chapter)
        self._limits, self._wall = limits, wall
        self._file = state / "done.jsonl"
        self._basis = _basis(self.chapter, limits, wall)
        self._stop = threading.Event()
        done = {record.key: record for record in _read(self._file)}
        keys = {submission.student: self._key(submission) for submission in self.submissions}
        self.records = {name: done[key] for name, key in keys.items() if key in done}

    def stop(self) -> None:
        """Kill what runs; what is finished is kept."""
        self._stop.set()

    @property
    def stop_requested(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stop.is_set()

    def in_order(self) -> list[Record]:
        """Return the records of all submissions, by student."""
        return [self.records[submission.student] for submission in self.submissions]

    def complete(self, jobs: int) -> Iterator[int]:
        """Grade what is not done, ``jobs`` submissions at a time; yield how many are done after each."""
        waiting = [submission for submission in self.submissions if submission.student not in self.records]
        with ThreadPoolExecutor(jobs) as pool, self._file.open("a", encoding="utf-8") as file:
            file.write("\n")  # the last line may have been broken off
            for future in as_completed([pool.submit(self._grade, submission) for submission in waiting]):
                record = future.result()
                if record is not None:
                    self.records[record.student] = record
                    file.write(json.dumps(asdict(record)) + "\n")
                    file.flush()
                    yield len(self.records)

    def _key(self, submission: Submission) -> str:
        try:
            content = read_submission(submission.path)
        except ValueError as problem:
            content = str(problem).encode()
        about = json.dumps([submission.student, submission.problem, self._basis]).encode()
        return hashlib.sha256(about + content).hexdigest()

    def _grade(self, submission: Submission) -> Record | None:
        """Return the submission's record, or None if it was interrupted."""
        key = self._key(submission)
        try:
            if submission.problem:
                raise ValueError(submission.problem)
            cells = read_cells(read_submission(submission.path))
        except ValueError as problem:
            missing = tuple(Grade(name, "missing", "there is no notebook to read.") for name in self.chapter.exercises)
            return Record(key, submission.student, missing, str(problem))
        grades: list[Grade] = []
        for exercise, cell_id in self.chapter.exercises.items():
            if self.stop_requested:
                return None
            cell = pick(cells, exercise, cell_id)
            grades.append(self._judge(exercise, cell, [c for c in cells if c is not cell]))
        edited = checks_were_edited(cells, self.chapter)
        return None if self.stop_requested else Record(key, submission.student, tuple(grades), "", edited)

    def _judge(self, exercise: str, cell: Cell | None, others: list[Cell]) -> Grade:
        """Judge one exercise in a process of its own."""
        if cell is None:
            return Grade(exercise, "missing", f"no cell of the notebook defines `{exercise}`.")
        number = secrets.token_hex(16)
        task = {
            "number": number,
            "chapter": self.chapter.number,
            "exercise": exercise,
            "cell": cell.source,
            "others": [other.source for other in others],
            "given": self.chapter.given,
            "seconds": self._limits.seconds,
            "memory_mb": self._limits.memory_mb,
        }
        command = self._wall([sys.executable, "-m", "qmix_edu.grading.worker"])
        ended = run(command, json.dumps(task).encode(), self._limits, self._stop)
        return read_answer(exercise, number, ended, self._limits)


def read_answer(exercise: str, number: str, ended: Ended, limits: Limits) -> Grade:
    """Make a grade of what a worker wrote; anything but one well-formed answer with its number is "stopped"."""

    def stopped(why: str) -> Grade:
        return Grade(exercise, "stopped", why, None, ended.printed)

    if ended.status is None:
        return stopped(f"it was stopped after {limits.seconds:g} seconds; is there a loop that never ends?")
    if not ended.answer:
        how = "ran out of memory, crashed, or was told to end"
        return stopped(f"its process ended (status {ended.status}) before the check did: it {how}.")
    damaged = stopped("its process gave back something else than the check's answer.")
    if len(ended.answer) > ANSWER_BYTES:
        return damaged
    try:
        answer = json.loads(ended.answer)
    except (ValueError, RecursionError):
        return damaged
    if not isinstance(answer, dict):
        return damaged
    fields = cast("dict[str, Any]", answer)
    status, message, name = (fields.get(key) for key in ("status", "message", "misconception"))
    if fields.get("number") != number or not isinstance(status, str) or status not in STATUSES:
        return damaged
    if not isinstance(message, str) or not isinstance(name, str | None):
        return damaged
    return Grade(exercise, status, message[:LONGEST_MESSAGE], name and name[:LONGEST_NAME], ended.printed)


def _basis(chapter: Chapter, limits: Limits, wall: Wall) -> str:
    """Return a hash of all that decides a grade but the submission: the chapter, the library, the limits."""
    digest = hashlib.sha256(chapter.path.read_bytes() + repr((limits, wall.__name__)).encode())
    for package in ("qmix_edu", "matrix_games"):
        for file in sorted((ROOT / package).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _read(file: Path) -> Iterator[Record]:
    """Yield what earlier calls finished; a line that was not written to its end is left out."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    for line in lines:
        with contextlib.suppress(ValueError, TypeError, KeyError):
            fields = json.loads(line)
            grades = tuple(Grade(**grade) for grade in fields.pop("grades"))
            yield Record(grades=grades, **fields)

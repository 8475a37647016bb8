"""Remembers, on this machine only, the best that each check has found: one small JSON file, never sent anywhere.

The file is ``progress.json`` in the user's data folder (``~/.local/share/qmix_edu`` on Linux,
``~/Library/Application Support/qmix_edu`` on macOS), or the file that the environment variable QMIX_EDU_PROGRESS
names; where that is set and empty, nothing is remembered. Delete the file, or call ``progress.forget()``, to begin
anew. It holds, for each chapter and exercise, the status and the day on which it was reached::

    {"01_matrix_games": {"best_responses": {"status": "correct", "date": "2026-10-05"}}}
"""

from __future__ import annotations

import json
import os
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

from filelock import FileLock
from platformdirs import user_data_path

from qmix_edu.files import written_whole

VARIABLE = "QMIX_EDU_PROGRESS"
RANK = {"not started": 0, "wrong": 1, "correct": 2}
LOCK_SECONDS = 2.0
Record = dict[str, dict[str, dict[str, str]]]


def record_file() -> Path | None:
    """Return the file in which results are remembered, or None where QMIX_EDU_PROGRESS is set and empty."""
    named = os.environ.get(VARIABLE)
    if named is None:
        return user_data_path("qmix_edu", appauthor=False) / "progress.json"
    return Path(os.path.expanduser(named)).resolve() if named else None


def remember(chapter: str, exercise: str, status: str) -> None:
    """Remember a status if it is better than what is known: once correct, always correct.

    Nothing that happens to the file stops the check: what cannot be written is said in one sentence.
    """
    path = record_file()
    if path is None or not RANK[status]:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(_lock(path), timeout=LOCK_SECONDS):
            record = read(path)
            known = record.setdefault(chapter, {})
            if RANK[status] > RANK[known.get(exercise, {"status": "not started"})["status"]]:
                known[exercise] = {"status": status, "date": date.today().isoformat()}
                with written_whole(path) as file:
                    file.write(json.dumps(record, indent=1, sort_keys=True).encode())
    except (OSError, NotImplementedError) as error:  # locked too long; a disk that has no locks
        _say_once(f"The result is not remembered: {path} cannot be written ({reason(error)}).")


def read(path: Path) -> Record:
    """Return what is remembered. A damaged file is renamed, and said to be.

    Raises:
        OSError: there is a file that cannot be read, or that is damaged and cannot be renamed.

    """
    if not path.exists():
        return {}
    if not path.is_file():
        raise OSError(f"{path} is not a file")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        record = None
    if _is_record(record):
        return record
    aside = path.with_name(f"{path.stem}.damaged-{datetime.now():%Y%m%d-%H%M%S}{path.suffix}")
    path.replace(aside)
    _say_once(f"The record of your exercises was damaged; it is kept as {aside}, and a new one begins.")
    return {}


def reason(error: Exception) -> str:
    """Return what the system says about an error, without the file's name."""
    return getattr(error, "strerror", None) or str(error)


def forget(path: Path) -> None:
    """Delete what is remembered; files that were set aside stay."""
    path.unlink(missing_ok=True)
    _lock(path).unlink(missing_ok=True)


def _lock(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _is_record(record: Any) -> TypeGuard[Record]:
    try:
        entries = [entry for chapter in record.values() for entry in chapter.values()]
        return all(entry["status"] in RANK and date.fromisoformat(entry["date"]) for entry in entries)
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


@cache
def _say_once(sentence: str) -> None:
    print(sentence)

"""What the checks found is remembered: the best, on this machine, whatever happens to the file."""

from __future__ import annotations

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from qmix_edu.exercises import progress, record
from qmix_edu.exercises.chapter_00 import check_team_reward
from qmix_edu.exercises.overview import all_checks

ROOT = Path(__file__).parents[2]
CHAPTER = "00_start_here"


def right(payoff, row, column):
    return payoff[row, column]


def mistaken(payoff, row, column):
    return payoff[column, row]


def stub(payoff, row, column):
    raise NotImplementedError


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "data" / "progress.json"
    monkeypatch.setenv(record.VARIABLE, str(path))
    record._say_once.cache_clear()
    return path


def status():
    (row,) = [row for row in progress().rows if row.exercise == "team_reward"]
    return row.status, row.date


def test_the_best_status_is_kept_with_its_day(file):
    today = date.today().isoformat()
    seen = [status()]
    for answer in (stub, mistaken, stub, right, mistaken, stub):
        check_team_reward(answer)
        seen.append(status())
    wrong, correct = ("wrong", today), ("correct", today)
    assert seen == [("not started", ""), ("not started", ""), wrong, wrong, correct, correct, correct]


def test_the_first_day_stays(file):
    file.parent.mkdir()
    file.write_text(json.dumps({CHAPTER: {"team_reward": {"status": "correct", "date": "2020-02-29"}}}))
    check_team_reward(right)
    assert status() == ("correct", "2020-02-29")


def test_an_untouched_course_leaves_no_record(file):
    check_team_reward(stub)
    assert not file.parent.exists()


def test_the_table_holds_every_exercise_of_every_notebook(file):
    used = set()
    for source in (ROOT / "notebooks" / "source").glob("*.py"):
        names = re.findall(r"^check_(\w+)\(", source.read_text(encoding="utf-8"), flags=re.MULTILINE)
        used |= {(source.stem, name) for name in names}
    rows = [(row.chapter, row.exercise) for row in progress().rows]
    assert len(rows) == len(set(rows)) > 30
    assert set(rows) == used == {(check.chapter, check.exercise) for check in all_checks()}
    assert [chapter for chapter, _ in rows] == sorted(chapter for chapter, _ in rows)


def test_both_forms_of_the_table_say_the_same(file):
    check_team_reward(right)
    overview = progress()
    plain, rich = repr(overview), overview._repr_markdown_()
    in_all = f"1 of {len(overview.rows)} correct."
    for text in (plain, rich):
        assert "✓ correct" in text and date.today().isoformat() in text and in_all in text and str(file) in text
        assert text.count("· not started") == len(overview.rows) - 1
    assert "00_start_here: 1 of 1 correct" in plain
    assert "| [00_start_here](00_start_here.ipynb) | 1 of 1 | `team_reward` | ✓ correct |" in rich
    assert {line.count("|") for line in rich.splitlines() if line.startswith("|")} == {6}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        "null",
        "[1]",
        '{"00_start_here": 3}',
        '{"00_start_here": {"team_reward": "correct"}}',
        '{"00_start_here": {"team_reward": {"status": "splendid", "date": "2026-01-01"}}}',
        '{"00_start_here": {"team_reward": {"status": "correct", "date": "yesterday"}}}',
        '{"00_start_here": {"team_reward": {"status": ["correct"], "date": "2026-01-01"}}}',
        b"\xff\xfe\x00",
    ],
)
def test_a_damaged_file_is_set_aside_and_said(file, text, capsys):
    damaged = text if isinstance(text, bytes) else text.encode()
    file.parent.mkdir()
    file.write_bytes(damaged)
    assert check_team_reward(right).status == "correct"
    assert status()[0] == "correct"
    (aside,) = file.parent.glob("progress.damaged-*.json")
    assert aside.read_bytes() == damaged
    said = capsys.readouterr()
    assert said.err == "" and said.out == (
        f"The record of your exercises was damaged; it is kept as {aside}, and a new one begins.\n"
    )


def test_what_cannot_be_written_breaks_no_check_and_is_said_once(file, monkeypatch, capsys):
    file.parent.write_text("a file where the folder should be")
    assert [check_team_reward(right).status for _ in range(3)] == ["correct"] * 3
    said = capsys.readouterr().out
    assert said.startswith("The result is not remembered") and said.count("\n") == 1
    assert status() == ("not started", "")


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(28, "No space left on device")])
def test_a_write_that_fails_keeps_what_was_there(file, monkeypatch, capsys, error):
    check_team_reward(mistaken)
    before = file.read_bytes()

    def refuse(*_):
        raise error

    monkeypatch.setattr(Path, "replace", refuse)
    assert check_team_reward(right).status == "correct"
    assert file.read_bytes() == before
    assert sorted(path.name for path in file.parent.iterdir()) == ["progress.json", "progress.json.lock"]
    assert error.strerror in capsys.readouterr().out


def test_a_lock_that_is_never_given_back_breaks_no_check(file, monkeypatch, capsys):
    from filelock import FileLock

    monkeypatch.setattr(record, "LOCK_SECONDS", 0.05)
    check_team_reward(mistaken)
    with FileLock(record._lock(file)):
        assert check_team_reward(right).status == "correct"
    assert "not remembered" in capsys.readouterr().out
    assert status()[0] == "wrong"


def test_a_device_is_left_alone(monkeypatch, capsys):
    monkeypatch.setenv(record.VARIABLE, os.devnull)
    monkeypatch.setattr(record, "_lock", lambda path: Path("/nowhere/lock"))
    record._say_once.cache_clear()
    with pytest.raises(OSError, match="is not a file"):
        record.read(Path(os.devnull))
    assert "cannot be read" in progress().note
    assert not Path(os.devnull).is_file()


def test_set_and_empty_remembers_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv(record.VARIABLE, "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    check_team_reward(right)
    assert status()[0] == "not started" and list(tmp_path.iterdir()) == []
    assert progress.forget().title == "Forgotten"


def test_without_the_variable_it_is_in_the_users_data_folder(monkeypatch, tmp_path):
    from platformdirs import user_data_dir

    monkeypatch.delenv(record.VARIABLE)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert str(record.record_file()) == os.path.join(user_data_dir("qmix_edu", appauthor=False), "progress.json")


def test_forgetting_deletes_the_record_alone(file):
    check_team_reward(right)
    (file.parent / "notes.txt").write_text("mine")
    progress.forget()
    assert status() == ("not started", "")
    assert [path.name for path in file.parent.iterdir()] == ["notes.txt"]


def test_who_writes_at_the_same_time_loses_nothing(file):
    names = [f"exercise_{i}" for i in range(60)]
    with ThreadPoolExecutor(8) as threads:  # a lock belongs to an open file, so threads meet as processes do
        list(threads.map(lambda name: record.remember("01_matrix_games", name, "correct"), names))
    assert sorted(json.loads(file.read_text())["01_matrix_games"]) == sorted(names)

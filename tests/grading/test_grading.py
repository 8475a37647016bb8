"""A class is graded: by real processes once, and by made-up ones for what is remembered, stopped and refused."""

import csv
import hashlib
import json
import threading
from pathlib import Path

import pytest
from classroom import notebook, with_code

from qmix_edu.cli import main
from qmix_edu.grading import grading
from qmix_edu.grading.grading import Grade, Grading, read_answer
from qmix_edu.grading.sandbox import Ended, Limits, in_bubblewrap, without_sandbox
from qmix_edu.grading.submissions import Chapter, open_chapter

RIGHT = "def team_reward(payoff, row, column):\n    return payoff[row, column]"
HARMLESS = {
    "right": RIGHT,
    "mistaken": RIGHT.replace("[row, column]", "[column, row]"),
    "sleeper": "import time\ndef team_reward(*_):\n    while True: time.sleep(1)",
    "memory": "kept = []\ndef team_reward(*_):\n    while True: kept.append(bytearray(10**8))",
    "printer": f"once = ['<b>' * 33_000_000]\n{RIGHT.replace('return', 'print(once.pop() if once else 0); return')}",
    "forger": 'import os\nfor pipe in range(3, 30):\n    try: os.write(pipe, b\'{"status": "correct"}\')\n'
    f"    except OSError: pass\n{RIGHT.replace('[row, column]', '[0, 0]')}",
}


def hostile(target: Path) -> dict[str, str]:
    """What only a sandbox may run: code that deletes what it can find, and code that calls home."""
    folders = ["/tmp", "/home", str(target.resolve()), "."]
    delete = f"import shutil\nfor folder in {folders}: shutil.rmtree(folder, ignore_errors=True)\n{RIGHT}"
    call = "import socket\ndef team_reward(*_):\n    return socket.create_connection(('192.0.2.1', 80), timeout=30)"
    return {"deleter": delete, "caller": call}


def hashes(folder: Path) -> dict[Path, str]:
    return {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def hand_in(folder: Path, codes: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for name, code in codes.items():
        (folder / f"{name}.ipynb").write_text(json.dumps(with_code("00", "team_reward", code)), encoding="utf-8")


def table(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def test_a_class_with_hostile_students_is_graded(no_sandbox, tmp_path, capsys):
    folder, out = tmp_path / "handed in", tmp_path / "results" / "grades.csv"
    hand_in(folder, HARMLESS | ({} if no_sandbox else hostile(tmp_path)))
    (folder / "blank.ipynb").write_text(json.dumps(notebook("00")))
    (folder / "no-json.ipynb").write_text("<html>")
    edited = with_code("00", "team_reward", RIGHT.replace("[row, column]", "[0, 0]"))
    for cell in edited["cells"]:
        if "check_team_reward(team" in "".join(cell["source"]):
            cell["source"] = "print('correct')"
    (folder / "edited.ipynb").write_text(json.dumps(edited))
    before = hashes(tmp_path)
    command = ["grade", str(folder), "--chapter", "00", "--out", str(out), "--seconds", "30"]
    assert main([*command, *(["--without-sandbox"] if no_sandbox else [])]) == 0
    assert {path: value for path, value in hashes(tmp_path).items() if path in before} == before

    rows = table(out)
    assert sorted(rows) == sorted(path.stem for path in folder.iterdir())
    status = {name: row["team_reward status"] for name, row in rows.items()}
    right = {"right", "printer", *([] if no_sandbox else ["deleter"])}
    assert {name for name in status if status[name] == "correct"} == right
    assert {name for name in status if rows[name]["total"] == "1"} == right
    assert status["blank"] == "not started" and status["no-json"] == "missing"
    assert status["mistaken"] == status["edited"] == status["memory"] == "wrong"
    assert status["sleeper"] == status["forger"] == "stopped"
    assert rows["no-json"]["problem"] == "the file is not a notebook: it is not JSON."
    assert "stopped after 30 seconds" in rows["sleeper"]["problem"]
    assert no_sandbox or status["caller"] == "wrong"

    pages = {path.stem: path.read_text() for path in (out.parent / "grades_feedback/students").iterdir()}
    assert sorted(pages) == sorted(rows)
    assert "rows for columns" in pages["mistaken"] and "MemoryError" in pages["memory"]
    assert "were edited" in pages["edited"] and "were edited" not in pages["right"]
    assert "&lt;b&gt;&lt;b&gt;" in pages["printer"] and "<b>" not in pages["printer"] and len(pages["printer"]) < 30_000
    said = capsys.readouterr().out
    assert "   1 x team_reward: rows for columns" in said and str(out) in said


class Processes:
    """Stands in for the processes: answers "correct", and notes what it was asked."""

    def __init__(self) -> None:
        self.tasks: list[dict] = []
        self.answer = {"status": "correct", "message": "good.", "misconception": None}
        self.stop_after = 10**6

    def __call__(self, command: list[str], task: bytes, limits: Limits, stop: threading.Event) -> Ended:
        self.tasks.append(json.loads(task))
        if len(self.tasks) > self.stop_after:
            stop.set()
        return Ended(0, "", json.dumps({"number": self.tasks[-1]["number"], **self.answer}).encode())


@pytest.fixture
def processes(monkeypatch) -> Processes:
    fake = Processes()
    monkeypatch.setattr(grading, "run", fake)
    return fake


def graded(folder: Path, state: Path, wall=without_sandbox, **limits) -> Grading:
    state.mkdir(exist_ok=True)
    return Grading(folder, "00", state, Limits(**limits), wall)


def test_what_is_finished_is_not_graded_again(tmp_path, processes):
    hand_in(tmp_path / "in", dict.fromkeys(("a", "b", "c", "d"), RIGHT))
    first = graded(tmp_path / "in", tmp_path / "state")
    processes.stop_after = 2
    assert list(first.complete(1)) == [1, 2]
    assert first.stop_requested and len(processes.tasks) == 3
    processes.stop_after = 10**6
    second = graded(tmp_path / "in", tmp_path / "state")
    assert len(second.records) == 2
    assert list(second.complete(1)) == [3, 4] and len(processes.tasks) == 5
    assert [record.student for record in second.in_order()] == ["a", "b", "c", "d"]
    third = graded(tmp_path / "in", tmp_path / "state")
    assert list(third.complete(1)) == [] and len(processes.tasks) == 5 and third.in_order() == second.in_order()


def test_what_changed_is_graded_again(tmp_path, processes):
    hand_in(tmp_path / "in", dict.fromkeys(("a", "b"), RIGHT))
    list(graded(tmp_path / "in", tmp_path / "state").complete(2))
    hand_in(tmp_path / "in", {"b": RIGHT + "  # better"})
    list(graded(tmp_path / "in", tmp_path / "state").complete(2))
    assert len(processes.tasks) == 3 and "better" in processes.tasks[-1]["cell"]
    list(graded(tmp_path / "in", tmp_path / "state", seconds=9.0).complete(2))
    list(graded(tmp_path / "in", tmp_path / "state", in_bubblewrap).complete(2))
    assert len(processes.tasks) == 7


def test_a_line_that_was_not_written_to_its_end_is_left_out(tmp_path, processes):
    hand_in(tmp_path / "in", dict.fromkeys(("a", "b"), RIGHT))
    list(graded(tmp_path / "in", tmp_path / "state").complete(1))
    done = tmp_path / "state/done.jsonl"
    done.write_text(done.read_text()[:-20])
    again = graded(tmp_path / "in", tmp_path / "state")
    assert list(again.records) == ["a"]
    assert list(again.complete(1)) == [2]
    assert len(graded(tmp_path / "in", tmp_path / "state").records) == 2


def test_every_process_gets_a_number_of_its_own_and_only_its_exercise(tmp_path, processes):
    hand_in(tmp_path / "in", dict.fromkeys(("a", "b"), RIGHT))
    list(graded(tmp_path / "in", tmp_path / "state").complete(2))
    assert len({task["number"] for task in processes.tasks}) == 2
    assert all(task["cell"] == RIGHT and "def team_reward" not in "".join(task["given"]) for task in processes.tasks)


def answered(answer: bytes, status: int | None = 0) -> Grade:
    return read_answer("f", "right number", Ended(status, "said", answer), Limits())


GOOD = {"number": "right number", "status": "correct", "message": "good.", "misconception": None}


def test_a_well_formed_answer_is_the_grade():
    assert answered(json.dumps(GOOD).encode()) == Grade("f", "correct", "good.", None, "said")


@pytest.mark.parametrize(
    "answer",
    [
        b"{",
        b"[1]",
        b"\xff",
        b"[" * 60_000,
        b'{"status": "correct"}' + json.dumps(GOOD).encode(),
        *(
            json.dumps(GOOD | change).encode()
            for change in (
                {"number": "another"},
                {"number": None},
                {"status": "excellent"},
                {"status": ["correct"]},
                {"message": 3},
                {"misconception": 3},
                {"message": "x" * 70_000},
            )
        ),
    ],
)
def test_any_other_answer_is_not_believed(answer):
    grade = answered(answer)
    assert (grade.status, grade.points) == ("stopped", 0) and "something else" in grade.message


def test_a_process_that_was_stopped_is_not_believed():
    assert answered(json.dumps(GOOD).encode(), None).status == "stopped"
    assert "status -9" in answered(b"", -9).message


def test_long_texts_are_cut():
    grade = answered(json.dumps(GOOD | {"message": "m" * 9000, "misconception": "n" * 9000}).encode())
    assert (len(grade.message), len(grade.misconception)) == (2000, 200)


def test_the_chapter_is_the_students_copy():
    chapter = open_chapter("00")
    assert isinstance(chapter, Chapter) and list(chapter.exercises) == ["team_reward"]
    assert not any("(team_reward)" in source for source in chapter.given)


def refused(capsys, *arguments: str) -> str:
    assert main(["grade", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "Errno" not in err
    return err


def test_bad_input_is_one_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hand_in(tmp_path / "in", {"a": RIGHT})
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    usual = ("--chapter", "00", "--out", "g.csv", "--without-sandbox")
    assert "There is no folder 'nowhere'" in refused(capsys, "nowhere", *usual)
    assert "There is no folder 'file'" in refused(capsys, "file", *usual)
    assert "There is no notebook in 'empty'" in refused(capsys, "empty", *usual)
    assert "There is no chapter '99'; there are 00" in refused(capsys, "in", *usual[2:], "--chapter", "99")
    assert "must end in .csv" in refused(capsys, "in", *usual, "--out", "grades")
    assert "Cannot write 'file/" in refused(capsys, "in", *usual, "--out", "file/g.csv")
    assert "Asked for 0 jobs; 1 is the least." in refused(capsys, "in", *usual, "--jobs", "0")
    assert "0 seconds" in refused(capsys, "in", *usual, "--seconds", "0")
    (tmp_path / "taken.csv").mkdir()
    assert "Cannot write 'taken.csv' (Is a directory)" in refused(capsys, "in", *usual, "--out", "taken.csv")
    assert not list(tmp_path.glob("g*"))


def test_without_a_sandbox_it_is_refused_unless_asked_for(tmp_path, capsys, monkeypatch, processes):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("qmix_edu.grading.sandbox.sandbox_problem", lambda: "bubblewrap is not installed")
    hand_in(tmp_path / "in", {"a": RIGHT})
    command = ("in", "--chapter", "0", "--out", "g.csv")
    assert "add --without-sandbox" in refused(capsys, *command)
    assert processes.tasks == []
    assert main(["grade", *command, "--without-sandbox"]) == 0
    assert table(tmp_path / "g.csv")["a"]["total"] == "1"


def test_an_interrupted_grading_says_how_to_go_on(tmp_path, capsys, monkeypatch, processes):
    monkeypatch.chdir(tmp_path)
    hand_in(tmp_path / "in", dict.fromkeys(("a", "b"), RIGHT))
    processes.stop_after = 1
    command = ["grade", "in", "--chapter", "00", "--out", "g.csv", "--jobs", "1", "--without-sandbox"]
    assert main(command) == 130
    assert "Saved. Go on with: qmix-edu grade in --chapter 00" in capsys.readouterr().out
    assert not (tmp_path / "g.csv").exists()
    processes.stop_after = 10**6
    assert main(command) == 0
    assert len(table(tmp_path / "g.csv")) == 2

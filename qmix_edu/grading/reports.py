"""The teacher's table and the students' pages. Every text from a submission is escaped; no page holds a script."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from html import escape
from pathlib import Path

from qmix_edu.files import write_text

from .grading import STATUSES, Grade, Record

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>body {{ font: 1rem/1.5 sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse }} td, th {{ border: 1px solid #888; padding: .2rem .6rem; text-align: left }}
pre {{ background: #eee; padding: .5rem; white-space: pre-wrap; overflow-wrap: anywhere }}</style></head>
<body><h1>{title}</h1>
{body}
</body></html>
"""


def pages_of(out: Path) -> Path:
    """Return the folder for the pages of a table: ``grades_feedback`` for ``grades.csv``."""
    if out.suffix != ".csv":
        raise ValueError(f"The table is to be {str(out)!r}; its name must end in .csv, as in grades.csv.")
    return out.with_name(f"{out.stem}_feedback")


def check_writable(out: Path, pages: Path) -> None:
    """Make the folder for the pages; raises ValueError where that or the table cannot be written."""
    try:
        pages.mkdir(parents=True, exist_ok=True)
        for file in (out, pages / "done.jsonl"):
            with file.open("a"):
                pass
        if out.stat().st_size == 0:
            out.unlink()
    except OSError as error:
        raise ValueError(f"Cannot write {str(error.filename)!r} ({error.strerror}); choose another --out.") from None


def write_reports(records: list[Record], exercises: list[str], chapter: str, out: Path, pages: Path) -> None:
    """Write the table ``out``, ``pages/summary.html`` and ``pages/students/NAME.html``."""
    write_csv(records, exercises, out)
    students = pages / "students"
    students.mkdir(parents=True, exist_ok=True)
    for record in records:
        _write(students / f"{record.student}.html", feedback_page(record, chapter))
    _write(pages / "summary.html", summary_page(records, exercises, chapter))


def _write(path: Path, text: str) -> None:
    write_text(path, text.encode("utf-8", errors="replace").decode())  # a submission may hold what is no text


def write_csv(records: list[Record], exercises: list[str], out: Path) -> None:
    """Write one row for each student: status and points of each exercise, the total, and what went wrong."""
    columns = [f"{name} {what}" for name in exercises for what in ("status", "points")]
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["student", *columns, "total", "problem"])
    for record in records:
        results = [value for grade in record.grades for value in (grade.status, grade.points)]
        table.writerow([no_formula(record.student), *results, record.total, no_formula(problem(record))])
    _write(out, text.getvalue())


def no_formula(text: str) -> str:
    """Return text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def problem(record: Record) -> str:
    """Return what kept a submission, or an exercise of it, from being judged; empty if nothing did."""
    kept = (f"{g.exercise}: {g.message}" for g in record.grades if g.status in ("missing", "stopped"))
    return record.problem or " ".join(kept)


def feedback_page(record: Record, chapter: str) -> str:
    """Return a student's page."""
    parts = [f"<p>{record.total} of {len(record.grades)} points.</p>"]
    if record.problem:
        parts.append(f"<p><strong>Nothing could be graded:</strong> {escape(record.problem)}</p>")
    if record.edited_checks:
        parts.append("<p><strong>Cells that hold checks were edited.</strong> They do not count: see below.</p>")
    parts += [_exercise(grade) for grade in record.grades]
    parts.append(
        "<hr><p>Graded were the cells of the exercises, with what they use of your other cells, by the checks of the "
        "course's own library. Check cells in the notebook are for you; changing them changes no grade.</p>"
    )
    return PAGE.format(title=f"{escape(chapter)}: {escape(record.student)}", body="\n".join(parts))


def _exercise(grade: Grade) -> str:
    name = f" – <em>{escape(grade.misconception)}</em>" if grade.misconception else ""
    head = f"<h2><code>{escape(grade.exercise)}</code>: {grade.status}{name}</h2>\n<p>{escape(grade.message)}</p>"
    return head + (f"\n<p>It printed:</p><pre>{escape(grade.printed)}</pre>" if grade.printed.strip() else "")


def summary_page(records: list[Record], exercises: list[str], chapter: str) -> str:
    """Return the teacher's page: how each exercise went, and which misconception was met how often."""
    body = [
        f"<p>{len(records)} submissions.</p>",
        _table(("exercise", *STATUSES), status_counts(records, exercises)),
        "<h2>Misconceptions</h2>",
        _table(("exercise", "misconception", "students"), misconceptions(records)),
    ]
    return PAGE.format(title=f"{escape(chapter)}: the class", body="\n".join(body))


def status_counts(records: list[Record], exercises: list[str]) -> list[tuple[object, ...]]:
    """Return for each exercise how many submissions have each status."""
    counts = Counter((grade.exercise, grade.status) for record in records for grade in record.grades)
    return [(name, *(counts[name, status] for status in STATUSES)) for name in exercises]


def misconceptions(records: list[Record]) -> list[tuple[object, ...]]:
    """Return (exercise, misconception, how many students), the most frequent first."""
    named = [(g.exercise, g.misconception) for record in records for g in record.grades if g.misconception]
    return [(*pair, count) for pair, count in Counter(named).most_common()]


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = ["".join(f"<th>{escape(cell)}</th>" for cell in head)]
    lines += ["".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows]
    return "<table>" + "\n".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def as_text(records: list[Record], exercises: list[str]) -> str:
    """Return the summary for a terminal."""
    width = max(map(len, exercises)) + 2
    rows = [("exercise", *STATUSES), *status_counts(records, exercises)]
    lines = [f"{row[0]!s:<{width}}" + "".join(f"{cell!s:>13}" for cell in row[1:]) for row in rows]
    named = [f"{count!s:>4} x {exercise}: {name}" for exercise, name, count in misconceptions(records)]
    return "\n".join([*lines, *([""] if named else []), *named])

"""The table and the pages: what they count, and that a student's text stays text."""

import csv
import html.parser

import pytest

from qmix_edu.grading.grading import Grade, Record
from qmix_edu.grading.reports import as_text, feedback_page, misconceptions, no_formula, status_counts, write_reports

EVIL = "<script>alert('&')</script>\ud800\x00"
RECORDS = [
    Record("1", "=cmd()", (Grade("f", "correct", "good."), Grade("g", "wrong", "no.", "rows for columns"))),
    Record("2", "bob", (Grade("f", "wrong", "no.", "a constant"), Grade("g", "wrong", "no.", "rows for columns"))),
    Record("3", "eve", (Grade("f", "stopped", EVIL, EVIL, EVIL), Grade("g", "missing", EVIL)), EVIL, True),
]


class Tags(html.parser.HTMLParser):
    """Collects the tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)


@pytest.fixture
def written(tmp_path):
    write_reports(RECORDS, ["f", "g"], "03_x", tmp_path / "g.csv", tmp_path / "pages")
    return tmp_path


def test_the_table_counts_points(written):
    with (written / "g.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["student", "f status", "f points", "g status", "g points", "total", "problem"]
    assert rows[1] == ["'=cmd()", "correct", "1", "wrong", "0", "1", ""]
    assert rows[2] == ["bob", "wrong", "0", "wrong", "0", "0", ""]
    assert rows[3][:6] == ["eve", "stopped", "0", "missing", "0", "0"]


def test_no_text_becomes_a_tag(written):
    pages = [*written.glob("pages/students/*.html"), written / "pages/summary.html"]
    assert len(pages) == 4
    for page in pages:
        assert Tags(page.read_text(encoding="utf-8")).tags.isdisjoint({"script", "img", "a", "iframe"})
    assert "script" in Tags(f"<p>{EVIL}").tags  # the parser would have seen it
    assert "script" not in Tags(feedback_page(RECORDS[2], "<script>")).tags


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_no_text_becomes_a_formula(text):
    assert no_formula(text) == "'" + text and no_formula("x" + text) == "x" + text


def test_misconceptions_are_counted_by_exercise():
    assert misconceptions(RECORDS[:2]) == [("g", "rows for columns", 2), ("f", "a constant", 1)]
    assert status_counts(RECORDS, ["f", "g"]) == [("f", 1, 1, 0, 0, 1), ("g", 0, 2, 0, 1, 0)]
    assert "   2 x g: rows for columns" in as_text(RECORDS, ["f", "g"])

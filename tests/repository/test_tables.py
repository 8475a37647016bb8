"""The command that makes the tables of docs/results.md again; no table is made here."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import tables  # noqa: E402

PAGE = "before\n<!-- table: one -->\nold\n<!-- /table -->\nbetween\n<!-- table: two -->\n<!-- /table -->\nafter\n"


def test_only_the_named_table_changes(tmp_path):
    page = tmp_path / "results.md"
    page.write_text(PAGE)
    tables.regenerate(page, ["two"], {"one": lambda: "1", "two": lambda: "| \\1 |\n"})
    assert re.sub(r"\d+ CPU-s", "n CPU-s", page.read_text()) == PAGE.replace(
        "<!-- table: two -->\n",
        "<!-- table: two -->\n| \\1 |\n\n    python benchmarks/tables.py two    # n CPU-s\n",
    )
    assert list(tmp_path.iterdir()) == [page]


def test_an_unknown_table_and_a_missing_region_are_refused_before_anything_is_made(tmp_path):
    page = tmp_path / "results.md"
    page.write_text(PAGE)
    with pytest.raises(ValueError, match="there is no table 'three'; choose some of one"):
        tables.regenerate(page, ["one", "three"], {"one": lambda: "1"})
    with pytest.raises(ValueError, match="the page has no region for 'three'"):
        tables.regenerate(page, ["one", "three"], {"one": lambda: "1", "three": lambda: "3"})
    assert page.read_text() == PAGE


def test_every_table_has_its_region_and_every_region_its_table():
    regions = re.findall(r"<!-- table: (.*?) -->", (ROOT / "docs/results.md").read_text())
    assert len(regions) == len(set(regions)) and set(regions) == set(tables.gathered())


def test_an_unknown_name_is_one_line():
    command = [sys.executable, str(ROOT / "benchmarks/tables.py"), "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1 and done.stderr.startswith("there is no table 'nonsense'")
    assert len(done.stderr.splitlines()) == 1

"""The tables of docs/results.md on data are those that the code makes today."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("data_tables", ROOT / "benchmarks/data_tables.py")
data_tables = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(data_tables)


@pytest.mark.parametrize("name", data_tables.TABLES)
def test_the_page_shows_what_the_code_makes(name):
    page = (ROOT / "docs/results.md").read_text()
    region = re.search(rf"<!-- table: {name} -->\n(.*?)<!-- /table -->", page, flags=re.DOTALL).group(1)
    assert region.startswith(data_tables.TABLES[name]() + "\n")

"""Make the marked tables of docs/results.md again.

    python benchmarks/tables.py              # all
    python benchmarks/tables.py NAME ...     # some

A region between `<!-- table: NAME -->` and `<!-- /table -->` is replaced by what the function NAME returns, and a
line with the command and the processor time that it took. The functions are in the modules below, each in a
dictionary TABLES.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
PAGE = Path(__file__).parents[1] / "docs" / "results.md"
MODULES = ("fit_tables", "matrix_game_costs", "data_tables", "learner_tables")


def gathered() -> dict[str, Callable[[], str]]:
    """Return the tables of all modules that are there, by name."""
    there = [module for module in MODULES if importlib.util.find_spec(module)]
    return {name: make for module in there for name, make in importlib.import_module(module).TABLES.items()}


def region(page: str, name: str) -> tuple[int, int]:
    """Return where the table starts and ends in the page.

    Raises:
        ValueError: its opening mark, or the closing mark behind it, is not there.
    """
    opening, closing = f"<!-- table: {name} -->\n", "<!-- /table -->"
    start = page.find(opening)
    end = page.find(closing, start)
    if start < 0 or end < 0:
        raise ValueError(f"the page has no region for {name!r}: write {opening.strip()} and {closing} where it goes.")
    return start + len(opening), end


def regenerate(path: Path, names: Sequence[str], tables: dict[str, Callable[[], str]]) -> None:
    """Replace these tables in the page, one after the other; the file is always whole.

    Raises:
        ValueError: there is no such table, or no region for it in the page.
    """
    for name in names:
        if name not in tables:
            raise ValueError(f"there is no table {name!r}; choose some of {', '.join(tables)}.")
        region(path.read_text(), name)
    for name in names:
        started = time.process_time()
        table = tables[name]().strip()
        spent = f"{time.process_time() - started:.0f} CPU-s"
        page = path.read_text()  # again: making a table can take long
        start, end = region(page, name)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_text(f"{page[:start]}{table}\n\n    python benchmarks/tables.py {name}    # {spent}\n{page[end:]}")
        draft.replace(path)
        print(f"{name}: {spent}", flush=True)


if __name__ == "__main__":
    known = gathered()
    try:
        regenerate(PAGE, sys.argv[1:] or list(known), known)
    except ValueError as error:
        sys.exit(str(error))

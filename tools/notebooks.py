"""Make the notebooks: a student copy and a solution copy from every ``notebooks/source/NN_title.py``.

A source is a py:percent file. In a code cell the lines between ``### BEGIN SOLUTION`` and
``### END SOLUTION`` stay in the solution copy; in the student copy ``raise NotImplementedError`` stands for
them. The same source always gives the same bytes: cells are named after their chapter and place, and outputs
are never stored.

    python tools/notebooks.py            write both copies of every chapter
    python tools/notebooks.py --check    write nothing; exit 1 when a copy is not what its source gives
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from pathlib import Path
from typing import Any, cast

import jupytext
import nbformat
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}


def student_code(code: str, source: str) -> str:
    """Put ``raise NotImplementedError`` in the place of every solution."""
    lines: list[str] = []
    function, inside = "this function", False
    for line in code.splitlines():
        if named := re.match(r"\s*def (\w+)", line):
            function = named[1]
        marker = line.strip()
        if marker not in (BEGIN, END):
            lines += [] if inside else [line]
            continue
        if inside == (marker == BEGIN):
            raise ValueError(f"{source}: {marker!r} without its partner, in the cell of {function}; add it")
        inside = marker == BEGIN
        if inside:
            indent = line[: len(line) - len(line.lstrip())]
            lines.append(f'{indent}raise NotImplementedError("write {function}")')
    if inside:
        raise ValueError(f"{source}: {BEGIN!r} without its partner, in the cell of {function}; add it")
    return "\n".join(lines)


def solution_code(code: str) -> str:
    """Leave the solutions, without their markers."""
    return "\n".join(line for line in code.splitlines() if line.strip() not in (BEGIN, END))


def copies(source: Path) -> dict[Path, str]:
    """Return the student copy and the solution copy of one chapter: path and text."""
    student = cast(Any, jupytext.read(source, fmt="py:percent"))
    student.metadata = NotebookNode(METADATA)
    student.nbformat, student.nbformat_minor = 4, 5
    for place, cell in enumerate(student.cells):
        cell.id = hashlib.sha256(f"{source.stem}/{place}".encode()).hexdigest()[:12]
    solution = cast(Any, nbformat.from_dict(student))
    for cell in student.cells:
        if cell.cell_type == "code":
            cell.source = student_code(cell.source, source.name)
    for cell in solution.cells:
        if cell.cell_type == "code":
            cell.source = solution_code(cell.source)
    name = f"{source.stem}.ipynb"
    pairs = ((NOTEBOOKS / name, student), (NOTEBOOKS / "solutions" / name, solution))
    return {path: nbformat.writes(notebook) + "\n" for path, notebook in pairs}


def wanted() -> dict[Path, str]:
    """Return every notebook that there should be: path and text."""
    texts: dict[Path, str] = {}
    for source in sorted((NOTEBOOKS / "source").glob("*.py")):
        texts.update(copies(source))
    return texts


def drifted(texts: dict[Path, str]) -> list[Path]:
    """Return the notebooks that are missing, differ from their source, or have none."""
    present = {*NOTEBOOKS.glob("*.ipynb"), *(NOTEBOOKS / "solutions").glob("*.ipynb")}
    differ = [p for p, text in texts.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    return sorted({*differ, *(present - texts.keys())})


def main() -> int:
    """Write the notebooks, or check them."""
    parser = argparse.ArgumentParser(description="make the notebooks from notebooks/source")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a copy differs")
    check: bool = parser.parse_args().check
    texts = wanted()
    differing = drifted(texts)
    for path in differing:
        name = path.relative_to(NOTEBOOKS.parent)
        if check:
            print(f"{name} is not what its source gives; run: make notebooks", file=sys.stderr)
        elif path in texts:
            path.parent.mkdir(exist_ok=True)
            path.write_text(texts[path], encoding="utf-8")
            print(f"wrote {name}")
        else:
            print(f"{name} has no source in notebooks/source; delete it, or add its source", file=sys.stderr)
    return int(bool(differing) if check else any(path not in texts for path in differing))


if __name__ == "__main__":
    sys.exit(main())

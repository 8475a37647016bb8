"""Make the notebooks: a student copy and a solution copy from every ``notebooks/source/NN_title.py``.

A source is a py:percent file. In a code cell the lines between ``### BEGIN SOLUTION`` and
``### END SOLUTION`` stay in the solution copy; in the student copy ``raise NotImplementedError`` stands for
them. The same source always gives the same bytes: cells are named after their chapter and place, and outputs
are never stored. Every copy begins with one folded cell that says what to do where the course is not installed. If
pyproject.toml has a ``Repository`` (see tools/badges.py), that cell installs it on Colab, and a badge leads there.

    python tools/notebooks.py            write both copies of every chapter
    python tools/notebooks.py --check    write nothing; exit 1 when a copy is not what its source gives
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jupytext
import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}
HEADING = "# Set-up: silent where the course is installed; elsewhere it says what to do.\n"
INSTALL = """\
import sys

if "google.colab" in sys.modules:  # a machine of Google's, new at every visit: this takes some minutes
    %pip install -q "qmix_edu @ git+{repository}"

"""
LOOK = """\
from importlib.util import find_spec

if find_spec("qmix_edu") is None:
    raise ModuleNotFoundError(
        "the course is not installed for this kernel: start JupyterLab by `make lab` in the course's folder (conda: "
        "after `conda activate qmix-edu`), choose the kernel Python 3 in the menu Kernel, and run this cell again."
    )"""
ADDRESS = r"https://github\.com/[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+(?<!\.git)"
BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({link})"


def repository() -> str | None:
    """Return the course's public address as pyproject.toml has it, https://github.com/owner/name, or None."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = project.get("urls", {}).get("Repository")
    if address and not re.fullmatch(ADDRESS, address):
        raise ValueError(
            f"pyproject.toml: Repository = {address!r} is not of the form https://github.com/owner/name, which Colab "
            "and Binder need; correct it."
        )
    return address


def colab_badge(address: str, notebook: str) -> str:
    """Return the badge that opens a notebook of ``address`` on Colab, from its branch main."""
    place = address.removeprefix("https://github.com/")
    return BADGE.format(link=f"https://colab.research.google.com/github/{place}/blob/main/notebooks/{notebook}")


def set_up_cell(address: str | None, chapter: str) -> NotebookNode:
    """Return the first cell of a chapter, folded: it installs on Colab, and elsewhere says what to do."""
    code = HEADING + (INSTALL.format(repository=address) if address else "") + LOOK
    cell = cast(Any, nbformat.v4.new_code_cell(code, metadata={"jupyter": {"source_hidden": True}, "tags": ["set-up"]}))
    cell.id = hashlib.sha256(f"{chapter}/set-up".encode()).hexdigest()[:12]
    return cell


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
    address = repository()
    chapter = cast(Any, jupytext.read(source, fmt="py:percent"))
    for place, cell in enumerate(chapter.cells):
        cell.id = hashlib.sha256(f"{source.stem}/{place}".encode()).hexdigest()[:12]
    name = f"{source.stem}.ipynb"
    student = copy(chapter, lambda code: student_code(code, source.name), address, name)
    solution = copy(chapter, solution_code, address, f"solutions/{name}")
    return {NOTEBOOKS / name: student, NOTEBOOKS / "solutions" / name: solution}


def copy(chapter: Any, code_of: Callable[[str], str], address: str | None, name: str) -> str:
    """Return the text of one copy: the set-up cell, the title with its badge, every code cell through ``code_of``."""
    notebook = cast(Any, nbformat.from_dict(chapter))
    notebook.metadata = NotebookNode(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = code_of(cell.source)
    if address:
        title, _, rest = notebook.cells[0].source.partition("\n")
        notebook.cells[0].source = f"{title}\n\n{colab_badge(address, name)}\n{rest}"
    notebook.cells.insert(0, set_up_cell(address, Path(name).stem))
    return nbformat.writes(notebook) + "\n"


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


def check(texts: dict[Path, str]) -> int:
    """Name the notebooks that are not what their sources give; return the exit status."""
    differing = drifted(texts)
    for path in differing:
        print(
            f"{path.relative_to(NOTEBOOKS.parent)} is not what its source gives; run: make notebooks", file=sys.stderr
        )
    return int(bool(differing))


def write(texts: dict[Path, str]) -> int:
    """Write the notebooks that differ, and name those without a source; return the exit status."""
    differing = drifted(texts)
    for path in differing:
        name = path.relative_to(NOTEBOOKS.parent)
        if path in texts:
            path.parent.mkdir(exist_ok=True)
            path.write_text(texts[path], encoding="utf-8")
            print(f"wrote {name}")
        else:
            print(f"{name} has no source in notebooks/source; delete it, or add its source", file=sys.stderr)
    return int(any(path not in texts for path in differing))


def main() -> int:
    """Write the notebooks, or check them."""
    parser = argparse.ArgumentParser(description="make the notebooks from notebooks/source")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a copy differs")
    return check(wanted()) if parser.parse_args().check else write(wanted())


if __name__ == "__main__":
    sys.exit(main())

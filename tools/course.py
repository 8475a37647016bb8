"""Run the course at full length: execute the solution copies, or the student copies, and keep them.

    python tools/course.py solutions           every chapter
    python tools/course.py student 01 04       some, by their numbers

Leaves ``build/course/<copies>/NN_title.ipynb`` and, of solutions, ``NN_title.html`` beside it; prints the seconds that
each chapter took; exit status 1 when a chapter ended with an error. With QMIX_EDU_FAST=1 in the environment the
trainings are shortened, as in the tests, and the executed notebooks say so in their metadata.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
FOLDERS = {"solutions": NOTEBOOKS / "solutions", "student": NOTEBOOKS}
BUILT = ROOT / "build" / "course"
WITHOUT_SET_UP = Config(TagRemovePreprocessor={"enabled": True, "remove_cell_tags": ["set-up"]})


def execute(path: Path, timeout: int = 1800) -> tuple[NotebookNode, str]:
    """Execute one notebook where it lies; return it with its outputs, and "" or the error's last line."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        extra_arguments=["--log-level=40"],  # errors only
        resources={"metadata": {"path": str(path.parent)}},
    )
    problem = ""
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError) as error:
        problem = str(error).strip().splitlines()[-1]
    notebook.metadata["qmix_edu"] = {"fast": os.environ.get("QMIX_EDU_FAST") == "1", "problem": problem}
    return notebook, problem


def run(path: Path, copies: str) -> str:
    """Execute one notebook and keep it, a solution also as a page; return "" or the error's last line."""
    notebook, problem = execute(path)
    folder = BUILT / copies
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / path.name)
    if copies == "solutions":
        page, _ = HTMLExporter(config=WITHOUT_SET_UP).from_notebook_node(
            notebook, resources={"metadata": {"name": path.stem}}
        )
        (folder / f"{path.stem}.html").write_text(page, encoding="utf-8")
    return problem


def main() -> int:
    """Run the chapters that were asked for, and print the table."""
    parser = argparse.ArgumentParser(description="run the course at full length")
    parser.add_argument("copies", choices=[*FOLDERS], help="which copies")
    parser.add_argument("chapters", nargs="*", metavar="NN", help="chapter numbers; none means all")
    options = parser.parse_args()
    copies: str = options.copies
    chapters: list[str] = options.chapters
    paths = sorted(p for p in FOLDERS[copies].glob("*.ipynb") if not chapters or p.name[:2] in chapters)
    if not paths:
        print(f"no chapter {' '.join(chapters)} in {FOLDERS[copies].relative_to(ROOT)}", file=sys.stderr)
        return 1
    os.environ["QMIX_EDU_PROGRESS"] = ""  # remember nothing: nobody solved these here
    print(f"{'chapter':<36} {'seconds':>8}", flush=True)
    problems: list[str] = []
    for path in paths:
        start = time.monotonic()
        problem = run(path, copies)
        print(f"{path.stem:<36} {time.monotonic() - start:8.1f}  {problem}", flush=True)
        problems += [problem] * bool(problem)
    print(f"executed notebooks: {(BUILT / copies).relative_to(ROOT)}")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())

"""Run the course at full length: execute every solution copy and keep it as a page.

    python tools/course.py                 every chapter
    python tools/course.py 01 04           some, by their numbers

Leaves ``build/course/NN_title.html`` and prints the seconds that each chapter took; exit status 1 when a
chapter ended with an error.
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
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
SOLUTIONS = ROOT / "notebooks" / "solutions"
PAGES = ROOT / "build" / "course"
WITHOUT_SET_UP = Config(TagRemovePreprocessor={"enabled": True, "remove_cell_tags": ["set-up"]})


def run(path: Path) -> str:
    """Execute one notebook and write its page; return "" or the error's last line."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=1800,
        kernel_name="python3",
        extra_arguments=["--log-level=40"],  # errors only
        resources={"metadata": {"path": str(SOLUTIONS)}},
    )
    problem = ""
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError) as error:
        problem = str(error).strip().splitlines()[-1]
    page, _ = HTMLExporter(config=WITHOUT_SET_UP).from_notebook_node(
        notebook, resources={"metadata": {"name": path.stem}}
    )
    PAGES.mkdir(parents=True, exist_ok=True)
    (PAGES / f"{path.stem}.html").write_text(page, encoding="utf-8")
    return problem


def main() -> int:
    """Run the chapters that were asked for, and print the table."""
    parser = argparse.ArgumentParser(description="run the course at full length")
    parser.add_argument("chapters", nargs="*", metavar="NN", help="chapter numbers; none means all")
    chapters: list[str] = parser.parse_args().chapters
    paths = sorted(p for p in SOLUTIONS.glob("*.ipynb") if not chapters or p.name[:2] in chapters)
    if not paths:
        print(f"no chapter {' '.join(chapters)} in {SOLUTIONS.relative_to(ROOT)}", file=sys.stderr)
        return 1
    os.environ.pop("QMIX_EDU_FAST", None)
    os.environ["QMIX_EDU_PROGRESS"] = ""  # remember nothing: these are the solutions
    print(f"{'chapter':<36} {'seconds':>8}", flush=True)
    problems: list[str] = []
    for path in paths:
        start = time.monotonic()
        problem = run(path)
        print(f"{path.stem:<36} {time.monotonic() - start:8.1f}  {problem}", flush=True)
        problems += [problem] * bool(problem)
    print(f"pages: {PAGES.relative_to(ROOT)}")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())

"""Build the site in build/site/html, offline, from chapters that were executed beforehand.

    python tools/course.py student         execute the chapters first: minutes
    python tools/build_site.py                   lay docs/ and the chapters side by side, and run Sphinx

A chapter that was not executed, or was changed since, is shown without outputs, and says so. A warning of Sphinx ends
the build with exit status 1.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from sphinx.cmd.build import build_main

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "notebooks"
EXECUTED = ROOT / "build" / "course" / "student"
NOT_EXECUTED = (
    "```{note}\nThe cells of this chapter were not run when the site was built, so there are no outputs and no live "
    "explorers here.\n```"
)
SHORTENED = (
    "```{note}\nThe trainings of this chapter were shortened when the site was built: its numbers mean little.\n```"
)


def chapter(path: Path, executed: Path) -> tuple[NotebookNode, str]:
    """Return a chapter as the site shows it, and what is to be said of it: nothing if it was executed as it stands."""
    notebook, problem = nbformat.read(path, as_version=4), "not executed"
    if executed.exists():
        ran = nbformat.read(executed, as_version=4)
        if ran.metadata.get("qmix_edu", {}).get("problem"):
            problem = "ended with an error when it was executed"
        elif [cell.source for cell in ran.cells] != [cell.source for cell in notebook.cells]:
            problem = "changed since it was executed"
        else:
            notebook, problem = ran, ""
    notebook.cells = [cell for cell in notebook.cells if "set-up" not in cell.metadata.get("tags", [])]
    fast = notebook.metadata.get("qmix_edu", {}).get("fast", False)
    if problem or fast:
        note = nbformat.v4.new_markdown_cell(NOT_EXECUTED if problem else SHORTENED, id="note")
        notebook.cells.insert(1, note)
    return notebook, problem or ("executed with shortened trainings" if fast else "")


def lay_out(source: Path, executed: Path) -> dict[str, str]:
    """Put docs/ and the chapters into `source`; return what is to be said of chapters, by name."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "chapters").mkdir()
    said: dict[str, str] = {}
    for path in sorted(CHAPTERS.glob("[0-9][0-9]_*.ipynb")):
        notebook, said[path.stem] = chapter(path, executed / path.name)
        nbformat.write(notebook, source / "chapters" / path.name)
    return {name: words for name, words in said.items() if words}


def build(site: Path, executed: Path) -> int:
    """Build the site into ``site/html``; return Sphinx's exit status."""
    for name, words in lay_out(site / "source", executed).items():
        print(f"site: {name}: {words}", flush=True)
    shutil.rmtree(site / "html", ignore_errors=True)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # or jax tells Sphinx's log of the accelerators that it does not find
    arguments = ["--fresh-env", "--quiet", "--fail-on-warning", "--doctree-dir", str(site / "doctrees")]
    return build_main([*arguments, str(site / "source"), str(site / "html")])


def main() -> int:
    """Build, and say where."""
    parser = argparse.ArgumentParser(description="build the site from executed chapters")
    parser.add_argument("--executed", type=Path, default=EXECUTED, help="the folder of executed student copies")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "site", help="where to build (default: build/site)"
    )
    options = parser.parse_args()
    status = build(options.out.resolve(), options.executed)
    if status == 0:
        print(f"site: {options.out / 'html' / 'index.html'}")
    return status


if __name__ == "__main__":
    sys.exit(main())

"""Say everywhere where the course can be found: the one setting is ``Repository`` in pyproject.toml.

    python tools/badges.py owner/name     set it to https://github.com/owner/name, then write what follows from it
    python tools/badges.py                write what follows from it: after it was changed, or deleted, by hand

What follows: the lines of README.md between the two marks, and in every notebook a Colab badge and a first cell that
installs the course there. Without the setting there are none of these.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

import notebooks

FIRST_PAGE = "00_start_here.ipynb"
MARKS = "<!-- made by tools/badges.py -->\n", "<!-- end of what tools/badges.py makes -->\n"
LINES = """\
[![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/{place}/HEAD?urlpath=lab/tree/notebooks/{page})
{colab}

Get it with `git clone {address}`, or the packages alone with `pip install "qmix_edu @ git+{address}"`.
"""


def with_repository(project: str, address: str) -> str:
    """Return the text of pyproject.toml with this ``Repository``, all else as it was."""
    line = f'Repository = "{address}"\n'
    if re.search(r"^Repository = ", project, flags=re.MULTILINE):
        return re.sub(r"^Repository = .*\n", line, project, flags=re.MULTILINE)
    if "[project.urls]\n" in project:
        return project.replace("[project.urls]\n", f"[project.urls]\n{line}")
    return project.replace("[project.scripts]\n", f"[project.urls]\n{line}\n[project.scripts]\n")


def with_badges(readme: str, address: str | None) -> str:
    """Return the README with what ``address`` gives between the two marks."""
    begin, end = MARKS
    head, _, rest = readme.partition(begin)
    _, found, tail = rest.partition(end)
    if not found:
        raise ValueError(f"README.md lacks the line {begin.strip()} or, after it, {end.strip()}; put them back.")
    lines = ""
    if address:
        place, colab = address.removeprefix("https://github.com/"), notebooks.colab_badge(address, FIRST_PAGE)
        lines = LINES.format(address=address, place=place, page=FIRST_PAGE, colab=colab)
    return head + begin + lines + end + tail


def address_of(text: str) -> str:
    """Return the address of owner/name."""
    address = f"https://github.com/{text}"
    if not re.fullmatch(notebooks.ADDRESS, address):
        raise argparse.ArgumentTypeError(f"{text!r} is not owner/name of a repository on GitHub, like octocat/hello")
    return address


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the setting, the README, then the notebooks."""
    project, readme = notebooks.ROOT / "pyproject.toml", notebooks.ROOT / "README.md"
    parser = argparse.ArgumentParser(description="write badges and the address to install from")
    parser.add_argument(
        "repository", nargs="?", type=address_of, metavar="owner/name", help="where the course is on GitHub"
    )
    wanted: str | None = parser.parse_args(arguments).repository
    if wanted:
        project.write_text(with_repository(project.read_text(encoding="utf-8"), wanted), encoding="utf-8")
    address = notebooks.repository()
    readme.write_text(with_badges(readme.read_text(encoding="utf-8"), address), encoding="utf-8")
    print(f"badges: {address or 'no Repository in pyproject.toml, so none'}")
    return notebooks.write(notebooks.wanted())


if __name__ == "__main__":
    sys.exit(main())

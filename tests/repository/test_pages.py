"""README, CITATION and the hooks say what is true of the repository."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def tree(text: str) -> list[str]:
    """Return the paths of the README's file tree."""
    block = re.search(r"```text\n(.*?)```", text, flags=re.DOTALL).group(1)
    return [line.split()[0] for line in block.splitlines()]


def missing(paths: list[str]) -> list[str]:
    """Return those of `paths` that are not there; one that ends in a slash must be a folder."""
    return [path for path in paths if not ((ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file())]


def named_lines(page: str) -> list[tuple[list[str], list[str]]]:
    """Return files and the names beside them: of table rows, and of lines `file   name, name   what` of a list."""
    found = []
    for line in page.splitlines():
        if line.startswith("|"):
            found.append(
                (re.findall(r"`((?:qmix_edu|tests)/[\w/]+\.py)`", line), re.findall(r"`(\w+(?:\.\w+)?)`", line))
            )
        elif entry := re.match(r" {4}((?:qmix_edu|tests)/[\w/]+\.py) +(.+?)(?:  |$)", line):
            names = re.sub(r"\(.*?\)", "", entry[2]).split(", ")
            found.append(([entry[1]], names))
    return [(files, names) for files, names in found if files or names]


def undefined(names: list[str], text: str) -> list[str]:
    """Return those of `names` (of dotted ones: the last part) that `text` defines as neither class nor function."""
    return [name for name in names if not re.search(rf"(class|def) {re.escape(name.split('.')[-1])}\b", text)]


def test_a_path_that_is_not_there_is_seen():
    assert missing(["LICENSE", "tests/", "no_such_file.py", "LICENSE/"]) == ["no_such_file.py", "LICENSE/"]


def test_starcraft_is_pinned_to_the_same_commit_everywhere():
    commits = set(re.findall(r"smac\.git@([0-9a-f]+)", README + (ROOT / "environment.yml").read_text()))
    assert len(commits) == 1 and len(commits.pop()) == 40


def test_the_citation_names_the_version_and_the_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{citation["version"]}"' in project
    assert f"## [{citation['version']}]" in (ROOT / "CHANGELOG.md").read_text()
    urls = " ".join(reference.get("url", "") for reference in citation["references"])
    for paper in ("1803.11485", "2003.08839", "1706.05296", "1902.04043", "2311.10090", "1905.05408"):
        assert paper in urls
    for reference in citation["references"]:
        assert {"type", "title", "authors", "year"} <= set(reference)


def test_hooks_fetch_nothing():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in hooks["repos"]] == ["local"]
    for hook in hooks["repos"][0]["hooks"]:
        assert hook["language"] == "system" and hook["entry"].startswith(".venv/bin/")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_in_the_text_exists(name: str):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"(?:^    |`|[A-Z]+=\S+ )make ([a-z-]+)", (ROOT / name).read_text(), flags=re.MULTILINE))
    assert {"test"} <= named <= targets


def test_every_command_in_the_text_is_accepted():
    from qmix_edu import cli

    commands = re.findall(r"(?:^ +|`)qmix-edu ([^#`\n]+)", README, flags=re.MULTILINE)
    named = {command.split()[0] for command in commands}
    assert named == {"train", "sweep", "evaluate", "inspect", "record", "grade", "envs", "doctor"}
    for command in commands:
        cli._parser().parse_args(command.split())  # ends the program if it does not understand


def test_every_path_of_the_tree_exists():
    paths = tree(README)
    assert len(paths) > 30 and len(set(paths)) == len(paths)
    assert missing(paths) == []


def test_every_module_of_the_packages_is_in_the_tree():
    paths = tree(README)
    modules = [
        file.relative_to(ROOT).as_posix()
        for package in ("matrix_games", "qmix_edu")
        for file in (ROOT / package).glob("**/*.py")
        if file.name != "__init__.py" and not {"widgets", "exercises"} & set(file.relative_to(ROOT).parts)
    ]
    assert [module for module in modules if module not in paths] == []


def test_every_algorithm_has_a_page_and_every_page_names_real_lines():
    """A page names its algorithms in its third line; the files that it names exist and hold the names beside them."""
    from qmix_edu.algorithms import ALGORITHMS

    pages = [page.read_text() for page in sorted((ROOT / "docs/algorithms").glob("*.md"))]
    heads = [re.search(r"^Algorithms?: (.*?)\. Sources?:", page, flags=re.MULTILINE).group(1) for page in pages]
    named = re.findall(r"`(\w+)`", " ".join(heads))
    assert sorted(named) == sorted(set(named)) and set(ALGORITHMS) <= set(named)
    for page in pages:
        lines = named_lines(page)
        assert lines
        for files, names in lines:
            assert missing(files) == []
            assert undefined(names, "".join((ROOT / file).read_text() for file in files)) == [], files


def test_a_name_that_is_not_there_is_seen():
    page = "| a | `qmix_edu/td.py`, `no_name` |\n    qmix_edu/td.py   masked_td_loss, gone(x, y)   loss\n    x = 1\n"
    assert named_lines(page) == [(["qmix_edu/td.py"], ["no_name"]), (["qmix_edu/td.py"], ["masked_td_loss", "gone"])]
    assert undefined(["masked_td_loss", "gone"], (ROOT / "qmix_edu/td.py").read_text()) == ["gone"]


@pytest.mark.parametrize("page", sorted((ROOT / "docs/algorithms").glob("*.md")), ids=lambda page: page.stem)
def test_every_algorithm_page_compares_with_the_peers(page: Path):
    assert {"PyMARL", "EPyMARL", "JaxMARL"} <= set(re.findall(r"\w+", page.read_text()))


def test_local_links_and_pictures_exist():
    links = re.findall(r"\]\((?!http)([^)]+)\)", README)
    assert "docs/images/q_tot_landscape.gif" in links and "CONTRIBUTING.md" in links
    assert missing(links) == []


def test_every_chapter_is_on_the_map_of_the_course():
    listed = re.findall(r"^\| (\d\d) ", README, flags=re.MULTILINE)
    assert listed == sorted(set(listed))
    chapters = sorted(file.name[:2] for file in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    assert chapters and listed == chapters

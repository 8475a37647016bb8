"""Publishing: one setting gives badges and addresses to a copy of the course; and the first cell of a notebook."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).resolve().parents[2]
COLAB = "https://colab.research.google.com/github"

sys.path.insert(0, str(ROOT / "tools"))
import badges  # noqa: E402

import notebooks  # noqa: E402


class Copy:
    """A copy of what the badges touch, with two chapters."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "notebooks" / "source").mkdir(parents=True)
        for name in (
            "pyproject.toml",
            "README.md",
            "notebooks/source/00_start_here.py",
            "notebooks/source/06_inside_the_mixer.py",
        ):
            shutil.copy(ROOT / name, root / name)

    def files(self) -> dict[str, bytes]:
        paths = [self.root / "pyproject.toml", self.root / "README.md", *(self.root / "notebooks").rglob("*.ipynb")]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in paths}


@pytest.fixture
def copy(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path / "notebooks")
    return Copy(tmp_path)


def test_the_setting_reaches_every_page(copy):
    assert badges.main(["octocat/a-course"]) == 0
    assert notebooks.repository() == "https://github.com/octocat/a-course"
    files = copy.files()
    pages = {name: nbformat.reads(text.decode(), as_version=4) for name, text in files.items() if "ipynb" in name}
    assert len(pages) == 4
    for name, page in pages.items():
        first, title = page.cells[:2]
        assert '%pip install -q "qmix_edu @ git+https://github.com/octocat/a-course"' in first.source
        assert title.source.startswith("# ")
        assert f"{COLAB}/octocat/a-course/blob/main/{name})" in title.source.splitlines()[2]
        nbformat.validate(page)
    readme = files["README.md"].decode()
    assert "https://mybinder.org/v2/gh/octocat/a-course/HEAD?urlpath=lab/tree/notebooks/00_start_here.ipynb" in readme
    assert "`git clone https://github.com/octocat/a-course`" in readme


def test_writing_again_changes_nothing(copy):
    badges.main(["octocat/a-course"])
    files = copy.files()
    assert badges.main(["octocat/a-course"]) == 0 and copy.files() == files
    assert badges.main([]) == 0 and copy.files() == files
    assert notebooks.check(notebooks.wanted()) == 0


def test_another_address_leaves_nothing_of_the_first(copy):
    badges.main(["hubot/course_2.0"])
    files = copy.files()
    badges.main(["octocat/a-course"])
    badges.main(["hubot/course_2.0"])
    assert copy.files() == files
    assert not [name for name, text in files.items() if b"octocat" in text]


def test_without_the_setting_there_is_no_badge(copy):
    assert badges.main([]) == 0
    without = copy.files()
    assert not [name for name, text in without.items() if b"colab.research" in text or b"google.colab" in text]
    badges.main(["octocat/a-course"])
    project = copy.root / "pyproject.toml"
    kept = [line for line in project.read_text().splitlines(keepends=True) if not line.startswith("Repository = ")]
    project.write_text("".join(kept))
    assert notebooks.check(notebooks.wanted()) == 1
    assert badges.main([]) == 0
    del without["pyproject.toml"]
    assert without.items() <= copy.files().items()


@pytest.mark.parametrize("name", ["octocat", "octocat/", "a/b/c", "a/b.git", "https://github.com/a/b", "a b/c", "é/b"])
def test_what_is_not_owner_and_name_is_refused_and_nothing_is_written(copy, name, capsys):
    before = copy.files()
    with pytest.raises(SystemExit):
        badges.main([name])
    assert f"{name!r} is not owner/name" in capsys.readouterr().err
    assert copy.files() == before


def test_an_address_elsewhere_is_refused(copy):
    (copy.root / "pyproject.toml").write_text('[project.urls]\nRepository = "https://example.org/a/b"\n')
    with pytest.raises(ValueError, match="'https://example.org/a/b' is not of the form https://github.com/owner/name"):
        notebooks.repository()


def test_the_setting_joins_other_addresses():
    project = '[project.urls]\nHomepage = "https://example.org"\n'
    found = tomllib.loads(badges.with_repository(project, "https://github.com/a/b"))["project"]["urls"]
    assert found == {"Homepage": "https://example.org", "Repository": "https://github.com/a/b"}


def test_a_readme_without_its_marks_is_refused():
    with pytest.raises(ValueError, match="put them back"):
        badges.with_badges("# A course\n", None)


def test_the_readme_is_what_the_setting_gives():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert badges.with_badges(readme, notebooks.repository()) == readme


class Shell:
    """Notes what a cell asks of IPython."""

    def __init__(self) -> None:
        self.magics: list[tuple[str, str]] = []

    def run_line_magic(self, name: str, line: str, **_: object) -> None:
        self.magics.append((name, line))


def run_first_cell(address: str | None) -> list[tuple[str, str]]:
    shell = Shell()
    cell = notebooks.set_up_cell(address, "01_a")
    exec(TransformerManager().transform_cell(cell.source), {"get_ipython": lambda: shell})
    return shell.magics


@pytest.mark.parametrize("address", [None, "https://github.com/a/b"])
def test_the_first_cell_is_silent_where_all_is_well(address, capsys):
    assert run_first_cell(address) == [] and capsys.readouterr() == ("", "")


@pytest.mark.parametrize("address", [None, "https://github.com/a/b"])
def test_the_first_cell_says_what_to_do_where_the_course_is_missing(address, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="start JupyterLab by `make lab`") as said:
        run_first_cell(address)
    assert "\n" not in str(said.value)


def test_the_first_cell_installs_on_colab_and_only_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    assert run_first_cell("https://github.com/a/b") == [("pip", 'install -q "qmix_edu @ git+https://github.com/a/b"')]
    assert run_first_cell(None) == []


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "notebooks").glob("*.ipynb")) + sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb")),
    ids=lambda p: p.parent.name + p.stem,
)
def test_every_notebook_begins_with_that_cell(path):
    first = nbformat.read(path, as_version=4).cells[0]
    assert first == notebooks.set_up_cell(notebooks.repository(), path.stem)
    assert first.metadata["jupyter"] == {"source_hidden": True}

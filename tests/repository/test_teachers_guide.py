"""The teacher's guide agrees with the chapters, the command line and the Makefile."""

import re
from pathlib import Path

import pytest

from qmix_edu import cli
from qmix_edu.grading.sandbox import ANSWER_BYTES, SCRATCH_BYTES, Limits

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/teachers_guide.md").read_text(encoding="utf-8")
SOURCES = {path.name[:2]: path.read_text(encoding="utf-8") for path in (ROOT / "notebooks/source").glob("*.py")}
ROWS = re.findall(r"^\| (\d\d) \| ([^|]+) \| [^|]+ \| ([^|]+) \|$", GUIDE, flags=re.MULTILINE)


def flat(source: str) -> str:
    """Return a source's text with its line breaks undone."""
    return re.sub(r"\n# *(?:  )?", " ", source)


def plan(start: str) -> list[str]:
    """Return the chapters of a plan, in the order of its sessions."""
    text = GUIDE[GUIDE.index(f"**{start}") :]
    table = text[text.index("| week") :].split("\n\n")[0]
    rows = [line.split("|")[2:-1] for line in table.splitlines()[2:]]
    return [n for row in rows for cell in row if "discussion" not in cell for n in re.findall(r"\d\d", cell)]


def test_every_chapter_has_a_row():
    assert [number for number, *_ in ROWS] == [f"{n:02d}" for n in range(17)]


@pytest.mark.parametrize(("number", "minutes", "heard"), [row for row in ROWS if row[0] in SOURCES])
def test_minutes_and_quotations_are_the_chapters_own(number, minutes, heard):
    said = re.search(r"\*\*Time needed:\*\* (\d+) minutes", SOURCES[number])
    assert said is None or minutes.strip() in (said[1], "see there")
    for quotation in re.findall(r'\*"[^"]+"\*', heard):
        assert quotation in flat(SOURCES[number])


def test_the_plans_take_the_chapters_in_order():
    plans = [plan("Two weeks"), plan("Six weeks"), plan("Twelve weeks")]
    assert all(numbers == sorted(numbers) for numbers in plans)
    assert set(plans[2]) == {f"{n:02d}" for n in range(17)}
    assert set(plans[0]) < set(plans[1]) < set(plans[2])


def test_every_command_is_accepted():
    commands = re.findall(r"^ +qmix-edu ([^#\n]+)", GUIDE, flags=re.MULTILINE)
    assert commands
    for command in commands:
        cli._parser().parse_args(command.split())
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert {"release", "lab", "course", "clean"} <= set(re.findall(r"make ([a-z]+)", GUIDE)) & targets
    for name in re.findall(r"nbgrader \w+ (\d\d_\w+)", GUIDE):
        assert (ROOT / f"notebooks/{name}.ipynb").is_file()


def test_the_limits_are_the_librarys():
    limits = Limits()
    assert f"`--seconds` ({limits.seconds:g})" in GUIDE and f"`--memory-mb` ({limits.memory_mb})" in GUIDE.replace(
        "\n", " "
    )
    assert f"`/tmp` of {SCRATCH_BYTES // 10**6} MB" in GUIDE and f"first {limits.printed_bytes} bytes" in GUIDE
    assert f"answer to {ANSWER_BYTES // 1000} kB" in GUIDE

"""pyproject.toml is the truth: the lock and environment.yml agree with it, and no file names a package host."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = [Requirement(line) for lines in PROJECT["optional-dependencies"].values() for line in lines]
CONDA_NAMES = {"pytorch-cpu": "torch"}
# in pieces, so that this file does not name them itself
FORBIDDEN = [
    "files.python" + "hosted.org",
    "pypi." + "org/simple",
    "art" + "ifactory",
    "--extra-index" + "-url http",
    "--find" + "-links",
]


def read_lock(text: str) -> dict[str, Version]:
    """Return the version of each package in a lock file; every line must be `name==version` or a comment."""
    locked = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            locked[canonicalize_name(name)] = Version(version)
    return locked


def lock_errors(requirements: list[Requirement], locked: dict[str, Version]) -> list[str]:
    """Return one line for each requirement that `locked` lacks or contradicts."""
    errors = []
    for requirement in requirements:
        version = locked.get(canonicalize_name(requirement.name))
        if version is None:
            errors.append(f"{requirement.name} is not locked: run `make lock`")
        elif version not in requirement.specifier:
            errors.append(f"{requirement} is locked at {version}: run `make lock`")
    return errors


def conda_specifier(rest: str) -> SpecifierSet:
    """Return conda's `=3.11` and `=2.13.*` as pip would write them."""
    return SpecifierSet(re.sub(r"^=(?!=)([^*]*?)(\.\*)?$", r"==\1.*", rest))


def read_environment(text: str) -> tuple[dict[str, SpecifierSet], list[str]]:
    """Return the versions that an environment.yml asks for, and the lines of its pip section."""
    entries = yaml.safe_load(text)["dependencies"]
    pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    wanted = {}
    for entry in entries:
        if isinstance(entry, str):
            name, rest = re.fullmatch(r"([\w.-]+)(.*)", entry).groups()
            wanted[canonicalize_name(CONDA_NAMES.get(name, name))] = conda_specifier(rest.strip())
    for line in pip:
        if not line.startswith("-e"):
            requirement = Requirement(line)
            wanted[canonicalize_name(requirement.name)] = requirement.specifier
    return wanted, pip


def environment_errors(wanted: dict[str, SpecifierSet]) -> list[str]:
    """Return one line for each runtime dependency that is missing or has other versions than in pyproject.toml."""
    errors = []
    for requirement in RUNTIME:
        specifier = wanted.get(canonicalize_name(requirement.name))
        if specifier is None:
            errors.append(f"{requirement.name} is missing")
        elif requirement.name == "torch":  # conda's builds of one version count as that version
            minor = str(requirement.specifier).removeprefix("==").rsplit(".", 1)[0]
            if str(specifier) != f"=={minor}.*":
                errors.append(f"torch should be {minor}.*, not {specifier}")
        elif specifier != requirement.specifier:
            errors.append(f"{requirement.name} should be {requirement.specifier}, not {specifier}")
    return errors


def tracked_files() -> list[Path]:
    """Return the text files that git keeps."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git clone")
    files = [ROOT / name for name in listing.stdout.split("\0") if name]
    return [file for file in files if file.is_file() and b"\0" not in file.read_bytes()]


LOCK = (ROOT / "requirements.lock").read_text()
ENVIRONMENT = (ROOT / "environment.yml").read_text()


def test_the_lock_satisfies_every_requirement():
    assert lock_errors(RUNTIME + EXTRAS, read_lock(LOCK)) == []


def test_torch_is_the_version_that_the_course_was_measured_with():
    assert [str(requirement) for requirement in RUNTIME if requirement.name == "torch"] == ["torch==2.13.0"]
    assert read_lock(LOCK)["torch"] == Version("2.13.0")


def test_the_lock_is_plain():
    lines = [line for line in LOCK.splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9.-]+==[\w.]+", line)] == []


@pytest.mark.parametrize(
    ("lock", "error"),
    [("", "numpy is not locked"), ("numpy==1.26.4", "numpy>=2.0 is locked at 1.26.4")],
)
def test_a_lock_that_disagrees_is_seen(lock: str, error: str):
    assert lock_errors([Requirement("numpy>=2.0")], read_lock(lock))[0].startswith(error)


def test_environment_yml_agrees_with_pyproject():
    wanted, _ = read_environment(ENVIRONMENT)
    assert environment_errors(wanted) == []


def test_environment_yml_has_the_oldest_python_and_this_package():
    wanted, pip = read_environment(ENVIRONMENT)
    assert str(wanted["python"]) == PROJECT["requires-python"].replace(">=", "==") + ".*"
    assert "-e ." in pip


def test_starcraft_comes_from_its_repository_at_one_commit():
    _, pip = read_environment(ENVIRONMENT)
    lines = [line for line in pip if line.startswith("smac")]
    assert len(lines) == 1
    assert re.fullmatch(r"smac @ git\+https://github\.com/oxwhirl/smac\.git@[0-9a-f]{40}", lines[0])


def test_everyone_names_the_same_commit_of_smac():
    texts = [ENVIRONMENT, (ROOT / "README.md").read_text(), (ROOT / "qmix_edu/envs/starcraft2.py").read_text()]
    commits = [set(re.findall(r"smac\.git@([0-9a-f]+)", text)) for text in texts]
    assert len(commits[0]) == 1 and commits[0] == commits[1] == commits[2]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("numpy>=2.0", "numpy>=1.0", "numpy should be >=2.0, not >=1.0"),
        ("pytorch-cpu=2.13.*", "pytorch-cpu=2.12.*", "torch should be 2.13.*, not ==2.12.*"),
        ("jaxmarl==0.2.0", "jaxmarl==0.1.0", "jaxmarl should be ==0.2.0, not ==0.1.0"),
        ("      - tqdm>=4.66\n", "", "tqdm is missing"),
    ],
)
def test_an_environment_yml_that_disagrees_is_seen(old: str, new: str, error: str):
    assert old in ENVIRONMENT
    wanted, _ = read_environment(ENVIRONMENT.replace(old, new))
    assert environment_errors(wanted) == [error]


def test_no_file_names_a_package_host():
    found = [
        f"{file.relative_to(ROOT)}: {word}"
        for file in tracked_files()
        for word in FORBIDDEN
        if word in file.read_text(errors="replace")
    ]
    assert found == []

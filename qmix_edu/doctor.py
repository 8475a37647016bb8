"""What is installed here, and what to do about what is not.

Every check looks and reports: none launches a game, and none raises.
"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

OLDEST_PYTHON = (3, 11)
FREE_GB_NEEDED = 1.0
NOTEBOOK_PACKAGES = ("jupyterlab", "ipywidgets", "anywidget")


@dataclass(frozen=True)
class Check:
    """One finding: ``ok`` is None where something is missing that is not required; ``advice`` says what to do."""

    name: str
    ok: bool | None
    found: str
    advice: str = ""


def checks() -> list[Check]:
    """Look at everything that the package uses."""
    return [_careful(name, look) for name, look in _CHECKS.items()]


def all_required_ok(checks: Sequence[Check]) -> bool:
    """Say whether nothing required is missing."""
    return all(check.ok is not False for check in checks)


def report(checks: Sequence[Check]) -> str:
    """Return the checks as a plain table, each advice below its line."""
    words = {True: "ok", False: "MISSING", None: "note"}
    width = max((len(check.name) for check in checks), default=0)
    lines: list[str] = []
    for check in checks:
        lines.append(f"{words[check.ok]:<8}  {check.name:<{width}}  {check.found}")
        if check.advice:
            lines.append(f"{'':<8}  {'':<{width}}  -> {check.advice}")
    return "\n".join(lines)


def _careful(name: str, look: Callable[[str], Check]) -> Check:
    try:
        return look(name)
    except (Exception, SystemExit) as error:  # a broken installation may raise anything when it is imported
        told = " ".join(f"{type(error).__name__}: {error}".split())
        return Check(name, False, f"does not work ({told})", "install the package again with `make lab`")


def _python(name: str) -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return Check(name, True, found)
    return Check(name, False, found, f"install Python {'.'.join(map(str, OLDEST_PYTHON))} or newer")


def _torch(name: str) -> Check:
    torch = importlib.import_module("torch")
    if torch.version.cuda is None:
        return Check(name, True, f"{torch.__version__}, built for the CPU")
    seen = "which is there" if torch.cuda.is_available() else "of which there is none; the CPU serves"
    return Check(name, True, f"{torch.__version__}, built for a GPU (CUDA {torch.version.cuda}), {seen}")


def _threads(name: str) -> Check:
    used = importlib.import_module("torch").get_num_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = f"torch uses {used} of {cores} cores"
    if used == 1:
        return Check(name, True, found)
    advice = "set OMP_NUM_THREADS=1: networks as small as these are faster on one (`qmix-edu train` does so itself)"
    return Check(name, None, found, advice)


def _smax(name: str) -> Check:
    maps = importlib.import_module("qmix_edu.envs.smax").smax_maps()
    return Check(name, True, f"jaxmarl {version('jaxmarl')}, jax {version('jax')}, {len(maps)} maps")


def _smac(name: str) -> Check:
    from qmix_edu.envs.starcraft2 import StarCraftUnavailable, load_starcraft2_env, which_smac

    found = {"none": "not installed", "smac3": "another package: SMAC3", "starcraft": "StarCraft's"}[which_smac()]
    try:
        load_starcraft2_env()
    except StarCraftUnavailable as error:  # only smac/<map> needs it
        return Check(name, None, found, str(error))
    return Check(name, True, found)


def _smacv2(name: str) -> Check:
    from qmix_edu.envs.smacv2 import SMACV2
    from qmix_edu.envs.starcraft2 import StarCraftUnavailable, load_starcraft2_env

    try:
        load_starcraft2_env(SMACV2)
    except StarCraftUnavailable as error:  # only smacv2/<map> needs it
        return Check(name, None, "cannot be used", str(error))
    return Check(name, True, "installed")


def _starcraft2(name: str) -> Check:
    from qmix_edu.envs.starcraft2 import starcraft2_folder

    folder = starcraft2_folder()
    if not folder.is_dir():
        advice = f"to play smac/ or smacv2/<map>, install the game there or set SC2PATH to its folder ({_SMAX_INSTEAD})"
        return Check(name, None, f"no game in {folder}", advice)
    versions = sorted(path.name for path in (folder / "Versions").glob("Base*"))
    if not versions:
        return Check(
            name, None, f"{folder / 'Versions'} holds no game", f"unpack StarCraft II 4.10 into {folder} again"
        )
    maps = list((folder / "Maps" / "SMAC_Maps").glob("*.SC2Map"))
    found = f"{folder}, {', '.join(versions)}, {len(maps)} SMAC maps"
    if not maps:
        where = "https://github.com/oxwhirl/smac/releases"
        return Check(name, None, found, f"unpack SMAC_Maps.zip, from {where}, into {folder / 'Maps'}")
    return Check(name, True, found)


def _disk(name: str) -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    found = f"{free:.1f} GB free in {Path.cwd()}"
    if free >= FREE_GB_NEEDED:
        return Check(name, True, found)
    return Check(name, False, found, f"free {FREE_GB_NEEDED:g} GB, which runs and their replay need")


def _notebooks(name: str) -> Check:
    here = "in a notebook" if "ipykernel" in sys.modules else "not in a notebook now"
    installed = {package: _version(package) for package in NOTEBOOK_PACKAGES}
    found = ", ".join(f"{package} {number or 'missing'}" for package, number in installed.items())
    missing = [package for package, number in installed.items() if number is None]
    if missing:
        return Check(name, False, f"{found}; {here}", f"run `{sys.executable} -m pip install {' '.join(missing)}`")
    return Check(name, True, f"{found}; {here}")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


_SMAX_INSTEAD = "smax/<map> needs neither"
_CHECKS: dict[str, Callable[[str], Check]] = {
    "Python": _python,
    "torch": _torch,
    "threads": _threads,
    "SMAX": _smax,
    "smac": _smac,
    "smacv2": _smacv2,
    "StarCraft II": _starcraft2,
    "disk": _disk,
    "notebooks": _notebooks,
}

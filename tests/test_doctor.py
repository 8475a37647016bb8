"""The doctor sees what is there, advises on what is not, and survives whatever it meets."""

from __future__ import annotations

import shutil
import sys
from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch

from qmix_edu import doctor
from qmix_edu.doctor import Check
from qmix_edu.envs import smacv2, starcraft2


def check(name):
    """Return one check as the doctor itself would make it."""
    return doctor._careful(name, doctor._CHECKS[name])


def test_this_machine_can_run_the_course():
    found = doctor.checks()
    assert [c.name for c in found] == list(doctor._CHECKS)
    assert doctor.all_required_ok(found), doctor.report(found)
    assert all(c.found for c in found)
    assert all(c.advice for c in found if c.ok is not True)


def test_only_what_is_required_decides():
    note, missing, good = Check("a", None, "no"), Check("b", False, "no"), Check("c", True, "yes")
    assert doctor.all_required_ok([good, note])
    assert not doctor.all_required_ok([good, note, missing])


def test_the_report_is_a_table_with_the_advice_below_its_line():
    text = doctor.report([Check("torch", True, "2.13"), Check("disk space", False, "0 GB", "free some")])
    assert text.splitlines() == [
        "ok        torch       2.13",
        "MISSING   disk space  0 GB",
        "                      -> free some",
    ]
    assert doctor.report([]) == ""


def test_an_old_python(monkeypatch):
    assert check("Python").ok is True
    monkeypatch.setattr(doctor.sys, "version_info", (3, 10, 4))
    old = check("Python")
    assert (old.ok, "3.11" in old.advice) == (False, True)


@pytest.mark.parametrize(
    ("cuda", "there", "told"),
    [(None, False, "for the CPU"), ("12.8", True, "CUDA 12.8), which is there"), ("12.8", False, "there is none")],
)
def test_the_build_of_torch(monkeypatch, cuda, there, told):
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    found = check("torch")
    assert found.ok is True
    assert torch.__version__ in found.found and told in found.found


@pytest.mark.parametrize(("used", "ok"), [(1, True), (2, None)])
def test_threads(monkeypatch, used, ok):
    monkeypatch.setattr(torch, "get_num_threads", lambda: used)
    found = check("threads")
    assert found.ok is ok
    assert f"uses {used} of" in found.found
    assert ("OMP_NUM_THREADS=1" in found.advice) == (ok is None)


@pytest.mark.parametrize("error", [ImportError("no\njaxlib"), RuntimeError("AVX"), SystemExit(3)])
@pytest.mark.parametrize("name", ["torch", "threads", "SMAX"])
def test_an_import_that_fails_is_reported(monkeypatch, name, error):
    def fails(module):
        raise error

    monkeypatch.setattr(doctor.importlib, "import_module", fails)
    found = check(name)
    assert found.ok is False
    assert type(error).__name__ in found.found and "\n" not in found.found
    assert "make lab" in found.advice


def test_smax_names_its_versions():
    found = check("SMAX")
    assert found.ok is True
    assert "jaxmarl 0." in found.found and "jax 0." in found.found


@pytest.mark.parametrize(
    ("kind", "found", "advice"),
    [("none", "not installed", "oxwhirl/smac.git"), ("smac3", "SMAC3", "pip uninstall smac")],
)
def test_the_wrong_smac_and_none(monkeypatch, kind, found, advice):
    monkeypatch.setattr(starcraft2, "which_smac", lambda: kind)
    seen = check("smac")
    assert seen.ok is None
    assert found in seen.found and advice in seen.advice


def test_the_right_smac(monkeypatch):
    monkeypatch.setattr(starcraft2, "which_smac", lambda: "starcraft")
    module = SimpleNamespace(StarCraft2Env=object)
    monkeypatch.setattr(starcraft2.importlib, "import_module", lambda name: module)
    assert check("smac") == Check("smac", True, "StarCraft's")


def test_the_right_smac_with_the_wrong_protobuf(monkeypatch):
    def fails(name):
        raise TypeError("Descriptors cannot be created directly.")

    monkeypatch.setattr(starcraft2, "which_smac", lambda: "starcraft")
    monkeypatch.setattr(starcraft2.importlib, "import_module", fails)
    seen = check("smac")
    assert (seen.ok, "protobuf<3.21" in seen.advice) == (None, True)


@pytest.mark.parametrize(
    ("error", "ok", "advice"),
    [(None, True, ""), (ModuleNotFoundError("no", name="smacv2"), None, "smacv2 is not installed: run")],
)
def test_smacv2(monkeypatch, error, ok, advice):
    def imports(name):
        if error:
            raise error
        return SimpleNamespace(StarCraftCapabilityEnvWrapper=object)

    monkeypatch.setattr(starcraft2.importlib, "import_module", imports)
    seen = check(smacv2.SMACV2.name)  # the module is imported above, before its imports are replaced
    assert (seen.ok, advice in seen.advice) == (ok, True)


def test_the_game_from_nothing_to_complete(monkeypatch, tmp_path):
    game = tmp_path / "StarCraftII"
    monkeypatch.setenv("SC2PATH", str(game))
    seen = [check("StarCraft II")]
    (game / "Versions").mkdir(parents=True)
    seen.append(check("StarCraft II"))
    (game / "Versions" / "Base75689").mkdir()
    seen.append(check("StarCraft II"))
    (game / "Maps" / "SMAC_Maps").mkdir(parents=True)
    seen.append(check("StarCraft II"))
    (game / "Maps" / "SMAC_Maps" / "3m.SC2Map").touch()
    seen.append(check("StarCraft II"))
    assert [c.ok for c in seen] == [None, None, None, None, True]
    expected = ["SC2PATH", "unpack StarCraft II 4.10", "SMAC_Maps.zip", "SMAC_Maps.zip"]
    for found, advice in zip(seen, expected, strict=False):
        assert advice in found.advice
    assert seen[-1].found == f"{game}, Base75689, 1 SMAC maps"


@pytest.mark.parametrize(("free", "ok"), [(0.3e9, False), (5e9, True)])
def test_disk(monkeypatch, free, ok):
    usage = namedtuple("usage", "total used free")(1e12, 1e12 - free, free)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    found = check("disk")
    assert found.ok is ok
    assert f"{free / 1e9:.1f} GB" in found.found
    assert bool(found.advice) is not ok


def test_a_disk_that_cannot_be_looked_at(monkeypatch):
    def fails(path):
        raise PermissionError("no")

    monkeypatch.setattr(shutil, "disk_usage", fails)
    assert check("disk").ok is False


def test_notebook_packages(monkeypatch):
    assert check("notebooks").ok is True
    monkeypatch.setattr(doctor, "_version", lambda package: None if package == "anywidget" else "9")
    found = check("notebooks")
    assert found.ok is False
    assert "anywidget missing" in found.found and found.advice.endswith("-m pip install anywidget`")


def test_a_notebook_is_noticed(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert "not in a notebook" in check("notebooks").found
    monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace())
    assert "in a notebook" in check("notebooks").found.replace("not in a notebook", "")


def test_it_launches_no_game(monkeypatch, tmp_path):
    """Everything is in place, and building the env would be noticed."""
    monkeypatch.setattr(starcraft2, "which_smac", lambda: "starcraft")
    launches = []
    module = SimpleNamespace(StarCraft2Env=lambda **_: launches.append(1))
    real = starcraft2.importlib.import_module
    monkeypatch.setattr(
        starcraft2.importlib, "import_module", lambda name: module if name == "smac.env" else real(name)
    )
    assert next(c for c in doctor.checks() if c.name == "smac").ok is True
    assert not launches

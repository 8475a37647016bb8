"""The reference: one page for each public module, made by autodoc; a public name without a docstring ends the build."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

PACKAGES = ("matrix_games", "qmix_edu")
CHECKS = "qmix_edu.exercises.chapter_"  # what a student's answers are checked with is no reading for students


def public_modules() -> list[str]:
    """Return the names of all modules that the reference describes."""
    found: list[str] = []
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        found += [package, *(module.name for module in pkgutil.walk_packages(path, f"{package}."))]
    return sorted(m for m in found if not m.startswith(CHECKS) and "._" not in m)


def undocumented(module: ModuleType) -> list[str]:
    """Return the public functions, classes and methods that `module` defines and says nothing about."""
    names = [] if module.__doc__ else [module.__name__]
    for name, thing in vars(module).items():
        defined_here = getattr(thing, "__module__", None) == module.__name__
        if name.startswith("_") or not defined_here or not (inspect.isfunction(thing) or inspect.isclass(thing)):
            continue
        members = _members(thing) if inspect.isclass(thing) else {}
        things = {name: thing, **{f"{name}.{member}": it for member, it in members.items()}}
        names += [f"{module.__name__}.{place}" for place, it in things.items() if not inspect.getdoc(it)]
    return names


def _members(cls: type) -> dict[str, Any]:
    """Return the public methods and properties that a class itself defines; an inherited docstring serves them too."""
    kinds = (staticmethod, classmethod, property)
    own = {n: it for n, it in vars(cls).items() if inspect.isfunction(it) or isinstance(it, kinds)}
    return {name: getattr(cls, name) for name in own if not name.startswith("_")}


def _write_pages(app: Sphinx) -> None:
    modules = public_modules()
    if missing := [name for m in modules for name in undocumented(importlib.import_module(m))]:
        raise ExtensionError(f"public names without a docstring, write one for each: {', '.join(missing)}")
    folder = Path(app.srcdir) / "reference"
    folder.mkdir(exist_ok=True)
    for name in modules:
        underline = "=" * len(name)
        # a package gathers names that are described where they are defined
        members = "" if hasattr(importlib.import_module(name), "__path__") and name in PACKAGES else "   :members:\n"
        text = f"{name}\n{underline}\n\n.. automodule:: {name}\n{members}"
        page = folder / f"{name}.rst"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", _write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Put a widget's JavaScript and style together from files that explorers share."""

from __future__ import annotations

import re
from pathlib import Path

_FOLDER = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z_]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


def esm(name: str) -> str:
    """Return ``name.js`` and all that it imports as one module without imports, each file once.

    Understood are imports by name from the same folder, as in ``import { a, b } from "./drawing.js";``. The files
    share one scope, so their top-level names must differ.
    """
    return "".join(_EXPORT.sub("", _IMPORT.sub("", _read(part))) for part in _in_order(name, []))


def css(name: str) -> str:
    """Return the style of ``name`` after the style that all explorers share."""
    return "".join((_FOLDER / f"{part}.css").read_text(encoding="utf-8") for part in ("explorer", name))


def _read(name: str) -> str:
    return (_FOLDER / f"{name}.js").read_text(encoding="utf-8")


def _in_order(name: str, before: list[str]) -> list[str]:
    """Return the files that ``name`` needs and ``before`` lacks, each after what it imports."""
    order: list[str] = []
    for needed in _IMPORT.findall(_read(name)):
        order += _in_order(needed, before + order) if needed not in before + order else []
    return [*order, name]

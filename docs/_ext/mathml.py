"""Formulas as MathML, which every browser draws without a script or a font of ours."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator


def mathml(latex: str, display: str) -> str:
    """Return a formula as MathML.

    Raises:
        ValueError: the formula holds a command that the converter does not know and would print as it stands.
    """
    text = convert(latex.strip().replace(r"\arg", r"\operatorname{arg}"), display=display)
    if "\\" in text:
        raise ValueError(f"the formula {latex.strip()!r} holds a command that latex2mathml does not know; rewrite it.")
    return text


def _inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def _block(self: HTML5Translator, node: nodes.math_block) -> None:
    number = f"<span class='eqno'>({get_node_equation_number(self, node)})</span>" if node.get("number") else ""
    self.body.append(f"<div class='math'>{number}{mathml(node.astext(), 'block')}</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The site, as `make site` builds it: tools/build_site.py lays these files and the chapters side by side first."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "qmix_edu"
author = "the qmix_edu authors"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "explorers", "mathml", "reference"]
exclude_patterns = ["_ext", "students.md"]  # the README of the students' folder

# The chapters were executed beforehand; nothing may be fetched while a page is read.
nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = "qmix_edu"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"


def _without_cells(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Leave the style of notebooks, 43 kB, to the pages that are notebooks."""
    if not pagename.startswith("chapters/"):
        context["css_files"] = [file for file in context["css_files"] if "mystnb" not in str(file.filename)]


def setup(app: Any) -> None:
    """Register with Sphinx."""
    app.connect("html-page-context", _without_cells)

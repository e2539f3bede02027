"""Builds the documentation site with Sphinx: ``sphinx-build -W docs docs/_build``, without network access."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import reference  # noqa: E402  # it is in this folder

project = "harness"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinxcontrib.mermaid"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "harness"
html_show_copyright = False
html_copy_source = False
default_role = "code"  # `name` in a docstring
myst_enable_extensions = ["colon_fence"]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"


def setup(app: Any) -> None:
    """Write the generated pages before Sphinx looks for pages."""
    reference.write(Path(__file__).parent / "reference")

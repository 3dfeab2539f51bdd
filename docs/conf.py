"""Settings of the site. Tables of components, recipes, ports and commands are written from the installed packages."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import formulas  # noqa: E402
import generate  # noqa: E402

project = "Armillary"
author = "The Armillary contributors"
copyright = "2026, The Armillary contributors"
release = version = installed_version("armillary")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "Armillary"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
highlight_language = "none"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_custom_sections = ["Undefined", "Source", "Deviates"]


def setup(app: Any) -> None:
    """Write the generated pages before Sphinx looks for them."""
    formulas.install(app)
    generate.write(HERE / "reference" / "generated")

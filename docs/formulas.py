"""Formulas as MathML, which browsers draw by themselves: the site asks no other machine for a script."""

import re
from typing import Any

from latex2mathml.converter import convert  # pyright: ignore[reportMissingImports]


def install(app: Any) -> None:
    """Let Sphinx write formulas by these functions; the setting ``html_math_renderer`` is then ``mathml``."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))


def _inline(translator: Any, node: Any) -> None:
    translator.body.append(convert(_plain(node.astext()), display="inline"))
    node.children.clear()  # or the formula would follow as text


def _block(translator: Any, node: Any) -> None:
    translator.body.append(f'<div class="math">{convert(_plain(node.astext()), display="block")}</div>\n')
    node.children.clear()


def _plain(latex: str) -> str:
    """The formula on one line: an empty line ends a formula in LaTeX, and means nothing here."""
    return re.sub(r"\s+", " ", latex).strip()

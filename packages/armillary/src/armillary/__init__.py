"""3D geometry of a kind of object, learned from pictures without labels.

Light: importing this imports no torch. ``train``, ``load`` and ``compare`` import what they need when they are called.
"""

from typing import TYPE_CHECKING, Any

from armillary.version import __version__

if TYPE_CHECKING:
    from armillary.api import Run, compare, load, train

__all__ = ["Run", "__version__", "compare", "load", "train"]


def __getattr__(name: str) -> Any:
    if name in {"Run", "compare", "load", "train"}:
        from armillary import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""3D geometry of a kind of object, learned from pictures without labels.

Light: importing this imports no torch. What is named here is imported when it is first asked for.

Example:
    >>> from armillary import Loss, param, ports
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from armillary.version import __version__

if TYPE_CHECKING:
    from armillary.api import Run, compare, load, train
    from armillary.config import param
    from armillary.interfaces import (
        Dataset,
        Encoder,
        Evaluator,
        Generator,
        Head,
        Loss,
        Method,
        Renderer,
        Transform,
        asset,
        from_shape,
        slot,
    )

_PARTS = "Dataset Encoder Evaluator Generator Head Loss Method Renderer Transform asset from_shape slot"
_API = ("Run", "compare", "load", "train")
_NAMES = {"config": "param", "interfaces": _PARTS}
_HOME = {name: home for home, names in _NAMES.items() for name in names.split()}

__all__ = [
    "Dataset",
    "Encoder",
    "Evaluator",
    "Generator",
    "Head",
    "Loss",
    "Method",
    "Renderer",
    "Run",
    "Transform",
    "__version__",
    "asset",
    "compare",
    "from_shape",
    "load",
    "param",
    "slot",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _API:
        from armillary import api

        return getattr(api, name)
    if name in _HOME:
        return getattr(import_module(f"armillary.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

"""The interfaces that parts implement.

A part is called by keyword, by port name, and returns a dict with exactly its declared names. The class is its own declaration
(:mod:`armillary.interfaces.part`). A concrete class is final.

Each name is imported when it is first asked for, so that a generator, which needs numpy alone, brings no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from armillary.interfaces.dataset import Dataset, Examination, Finding, Fingerprint
    from armillary.interfaces.evaluator import Evaluation, Evaluator, Figure, Points
    from armillary.interfaces.generator import Generator
    from armillary.interfaces.loss import Loss, StepCache
    from armillary.interfaces.method import Branch, Illustration, Method, slot
    from armillary.interfaces.network import Adapter, Encoder, Head, Renderer
    from armillary.interfaces.part import Part, asset, from_shape, given
    from armillary.interfaces.transform import Transform

__all__ = [
    "Adapter",
    "Branch",
    "Dataset",
    "Encoder",
    "Evaluation",
    "Evaluator",
    "Examination",
    "Figure",
    "Finding",
    "Fingerprint",
    "Generator",
    "Head",
    "Illustration",
    "Loss",
    "Method",
    "Part",
    "Points",
    "Renderer",
    "StepCache",
    "Transform",
    "asset",
    "from_shape",
    "given",
    "slot",
]
_NAMES = {
    "dataset": "Dataset Examination Finding Fingerprint",
    "network": "Adapter Encoder Head Renderer",
    "evaluator": "Evaluation Evaluator Figure Points",
    "generator": "Generator",
    "loss": "Loss StepCache",
    "method": "Branch Illustration Method slot",
    "part": "Part asset from_shape given",
    "transform": "Transform",
}
_HOME = {name: home for home, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"armillary.interfaces.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])

"""The interfaces that parts implement.

A part is called by keyword, by port name, and returns a dict with exactly its declared names. The class is its own declaration
(:mod:`armillary.interfaces.part`). A concrete class is final.

Each name is imported when it is first asked for, so that a generator, which needs numpy alone, brings no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from armillary.interfaces.dataset import Dataset as Dataset
    from armillary.interfaces.dataset import Examination as Examination
    from armillary.interfaces.dataset import Finding as Finding
    from armillary.interfaces.dataset import Fingerprint as Fingerprint
    from armillary.interfaces.evaluator import Evaluation as Evaluation
    from armillary.interfaces.evaluator import Evaluator as Evaluator
    from armillary.interfaces.evaluator import Figure as Figure
    from armillary.interfaces.evaluator import Points as Points
    from armillary.interfaces.generator import Generator as Generator
    from armillary.interfaces.loss import Loss as Loss
    from armillary.interfaces.loss import StepCache as StepCache
    from armillary.interfaces.method import Branch as Branch
    from armillary.interfaces.method import Illustration as Illustration
    from armillary.interfaces.method import Method as Method
    from armillary.interfaces.method import slot as slot
    from armillary.interfaces.network import Encoder as Encoder
    from armillary.interfaces.network import Head as Head
    from armillary.interfaces.network import Renderer as Renderer
    from armillary.interfaces.part import Part as Part
    from armillary.interfaces.part import asset as asset
    from armillary.interfaces.part import from_shape as from_shape
    from armillary.interfaces.part import given as given
    from armillary.interfaces.transform import Transform as Transform

_NAMES = {
    "dataset": "Dataset Examination Finding Fingerprint",
    "network": "Encoder Head Renderer",
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

"""The interfaces that parts implement: one abstract class a file.

A part is called by keyword, by port name, and returns a dict with exactly its declared names. ``build`` is given resolved
shapes, so that a head learns the encoder's width. A concrete class is ``class X(torch.nn.Module, Encoder)`` and is final.

Each name is imported when it is first asked for, so that a generator, which is numpy alone, brings no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from armillary.interfaces.dataset import Dataset, Examination, Finding, Fingerprint
    from armillary.interfaces.encoder import Encoder
    from armillary.interfaces.evaluator import Evaluation, Evaluator, Figure, Points
    from armillary.interfaces.generator import Generator
    from armillary.interfaces.head import Head
    from armillary.interfaces.loss import Loss, StepCache
    from armillary.interfaces.method import Branch, Illustration, Method
    from armillary.interfaces.renderer import Renderer
    from armillary.interfaces.transform import Transform

_HOME = {
    "Branch": "method",
    "Dataset": "dataset",
    "Encoder": "encoder",
    "Evaluation": "evaluator",
    "Evaluator": "evaluator",
    "Examination": "dataset",
    "Figure": "evaluator",
    "Finding": "dataset",
    "Fingerprint": "dataset",
    "Head": "head",
    "Illustration": "method",
    "Loss": "loss",
    "Method": "method",
    "Points": "evaluator",
    "Renderer": "renderer",
    "StepCache": "loss",
    "Transform": "transform",
    "Generator": "generator",
}

__all__ = [
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
    "Points",
    "Renderer",
    "StepCache",
    "Transform",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"armillary.interfaces.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

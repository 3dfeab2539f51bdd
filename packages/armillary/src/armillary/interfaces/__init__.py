"""The interfaces that parts implement: one abstract class a file.

A part is called by keyword, by port name, and returns a dict with exactly its declared names. ``build`` is given resolved
shapes, so that a head learns the encoder's width. A concrete class is ``class X(torch.nn.Module, Encoder)`` and is final.
"""

from armillary.interfaces.dataset import Dataset
from armillary.interfaces.encoder import Encoder
from armillary.interfaces.evaluator import Evaluation, Evaluator, Figure
from armillary.interfaces.head import Head
from armillary.interfaces.loss import Loss, StepCache
from armillary.interfaces.method import Branch, Method
from armillary.interfaces.renderer import Renderer
from armillary.interfaces.transform import Transform
from armillary.interfaces.world import World

__all__ = [
    "Branch",
    "Dataset",
    "Encoder",
    "Evaluation",
    "Evaluator",
    "Figure",
    "Head",
    "Loss",
    "Method",
    "Renderer",
    "StepCache",
    "Transform",
    "World",
]

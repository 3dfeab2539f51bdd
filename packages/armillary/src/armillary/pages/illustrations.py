"""Walks through the space of shapes that a method has learnt: a row for each direction, from one end of what was found to the other.

The method says what lies there (:meth:`armillary.interfaces.method.Method.walks`); how far the ends are is told by a number
of pictures.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from armillary.drawing.point_pictures import Edge, points_of_pairs, strong_edges, structure_picture
from armillary.drawing.sheets import Picture, contact_sheet, write_png
from armillary.interfaces import Method
from armillary.training.batches import collate, to_device
from armillary.training.build import Model, call_method

STEPS = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Standard deviations."""

PICTURES = 64
"""That tell the standard deviations at the end of training."""

_KINDS = frozenset({"feature_vector", "keypoints2d", "keypoints3d", "scalar", "pose", "rotation"})
_CELL = 112  # pixels
_SIDES = ("front", "from the right")


def walks_through(method: Any) -> bool:
    """Return whether a method has a space of shapes of its own."""
    own = getattr(type(method), "walks", Method.walks)
    return own is not Method.walks


class Walks:
    """Gathers what was found in pictures, and draws the walks; nothing where the method has none, or of a single picture."""

    def __init__(self, method: Any, kinds: Mapping[str, str]) -> None:
        self._walks = method.walks if walks_through(method) else None
        self._kinds = kinds
        self._found: list[dict[str, Tensor]] = []

    def add(self, outputs: Mapping[str, Tensor]) -> None:
        """Add the outputs of one picture, without the batch axis."""
        if self._walks is not None:
            self._found.append({name: x.cpu() for name, x in outputs.items() if self._kinds.get(name) in _KINDS})

    def pictures(self) -> dict[str, Picture]:
        """Return one sheet for each output that is walked through, by its name."""
        if self._walks is None or len(self._found) < 2:
            return {}
        found = {name: torch.stack([each[name] for each in self._found]) for name in self._found[0]}
        with torch.no_grad():
            walks = self._walks(found, steps=STEPS)
        return {name: walk_picture(shapes, edges=_edges(found, shapes)) for name, shapes in walks.items()}

    def write(self, out: Path, *, prefix: str = "") -> list[Path]:
        """Write ``OUTPUT-walks.png`` for each.

        Raises:
            RunError: the disk is full or cannot be written.
        """
        return [write_png(out / f"{prefix}{name}-walks.png", shown) for name, shown in self.pictures().items()]


def walk_picture(
    shapes: Float[Tensor, "direction step points 3"], *, edges: Sequence[Edge] | None = None, cell: int = _CELL
) -> Picture:
    """A row for each direction, a column for each of :data:`STEPS`: points and edges from the front and from the right.

    All in one scale.
    """
    values = shapes.detach().cpu().double().numpy()
    known = values[np.isfinite(values).all(axis=-1)]
    middle = (known.min(axis=0) + known.max(axis=0)) / 2.0 if len(known) else np.zeros(3)
    reach = float(np.abs(known - middle).max(initial=0.0))
    rows = [
        [structure_picture(x, edges=edges, middle=middle, reach=reach, sides=_SIDES, size=cell) for x in direction]
        for direction in values
    ]
    headers = ["middle" if step == 0 else f"{step:+g} s.d." for step in STEPS]
    return contact_sheet(rows, headers, cell=cell, captions=[str(k + 1) for k in range(len(rows))])


def draw_walks(
    model: Model, samples: Iterable[Mapping[str, Any]], out: Path, *, device: torch.device, prefix: str = ""
) -> list[Path]:
    """Predict from items one by one and write the walks of what was found in them; nothing where the method has none."""
    kinds = {name: port.kind for name, port in model.plan.predictions.items()}
    walks = Walks(model.method, kinds)
    for sample in samples:
        with torch.no_grad():
            outputs = call_method(model, to_device(collate([sample]), device), predict=True)
        walks.add({name: value[0] for name, value in outputs.items()})
    return walks.write(out, prefix=prefix)


def _edges(found: Mapping[str, Tensor], shapes: Tensor) -> list[Edge] | None:
    weights = found.get("edge_weights")
    if weights is None or points_of_pairs(weights.shape[-1]) != shapes.shape[-2]:
        return None
    return strong_edges(weights[0])

"""Illustrations that a method draws from its outputs for several pictures; see :meth:`armillary.interfaces.method.Method.illustrate`."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from armillary.drawing.sheets import write_png
from armillary.inference.predict import Geometry
from armillary.interfaces import Illustration, Method
from armillary.training.folder import RunFolder

INDEX = "illustrations.json"
"""File of a run with path, title and caption of each of its illustrations."""

PICTURES = 64
"""Number of training pictures from which the illustrations of a run are drawn."""

_KINDS = frozenset({"feature_vector", "keypoints2d", "keypoints3d", "scalar", "pose", "rotation"})


def illustrates(method: Any) -> bool:
    """Return whether a method draws illustrations."""
    return getattr(type(method), "illustrate", Method.illustrate) is not Method.illustrate


class Found:
    """Collection of a method's outputs for several pictures, for illustrations: points, poses and vectors, no pictures.

    Args:
        method: a method; if it draws no illustrations, no output is stored.
    """

    def __init__(self, method: Any) -> None:
        self._method = method if illustrates(method) else None
        self._found: list[dict[str, Tensor]] = []

    def add(self, outputs: Mapping[str, Tensor], kinds: Mapping[str, str]) -> None:
        """Add the outputs for one picture, without the batch axis."""
        if self._method is not None:
            self._found.append({name: x.cpu() for name, x in outputs.items() if kinds.get(name) in _KINDS})

    def illustrations(self) -> dict[str, Illustration]:
        """Return the method's illustrations by name; empty for fewer than two pictures."""
        if self._method is None or len(self._found) < 2:
            return {}
        found = {name: torch.stack([each[name] for each in self._found]) for name in self._found[0]}
        with torch.no_grad():
            return dict(self._method.illustrate(found))


def illustrated(found: Iterable[Geometry], out: Path, *, method: Any) -> Iterator[Geometry]:
    """Yield each result; at the end, also after an exception, write ``NAME.png`` for each illustration of the method.

    Raises:
        RunError: the disk is full or cannot be written.
    """
    kept = Found(method)
    try:
        for geometry in found:
            kept.add(geometry.outputs, geometry.kinds)
            yield geometry
    finally:
        for name, one in kept.illustrations().items():
            write_png(out / f"{name}.png", one.picture)


def write_illustrations(run: RunFolder, pictures: Mapping[str, Illustration]) -> None:
    """Write illustrations into a run, and into its :data:`INDEX`; illustrations of the same name are replaced.

    Raises:
        RunError: the disk is full or cannot be written.
    """
    index = {entry["file"]: entry for entry in run.read_json(INDEX, [])}
    for name, one in pictures.items():
        file = f"{one.folder}/{name}.png"
        write_png(run.path / file, one.picture)
        index[file] = {"file": file, "title": one.title, "caption": one.caption}
    if pictures:
        run.write_json(INDEX, list(index.values()))


def prefixed(pictures: Mapping[str, Illustration], prefix: str) -> dict[str, Illustration]:
    """Return illustrations with the prefix of their stage in names and titles; unchanged for an empty prefix."""
    if not prefix:
        return dict(pictures)
    stage = prefix.rstrip("-")
    return {f"{prefix}{name}": attrs.evolve(one, title=f"{stage}: {one.title}") for name, one in pictures.items()}

"""Animations of a predicted surface, turned and under a moving light.

They need a depth map with its camera, from the canonical view if the method has one, else from the picture's. The surface is
turned to both sides about its own middle. The light circles around the viewer, at 45 degrees to the view, while the view is fixed;
its strength is the same for all methods (:func:`armillary.pages.turntable.relit`), so that films can be compared. The surface is
lit in plain grey, which shows the shape alone, and with its albedo if the method predicts one for that view.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs
import torch
from jaxtyping import Float
from torch import Tensor

from armillary.drawing.picture_items import image_picture
from armillary.drawing.sheets import Picture, contact_sheet, write_webp
from armillary.errors import RunError
from armillary.inference.predict import Geometry
from armillary.pages.turntable import relit, swing, turntable
from armillary.recipes.plan import StagePlan

FILM = "surfaces.webp"
"""File of a run's film of a few pictures, in the folder :data:`FILMS`."""

FILMS = "films"
TITLE = "From new sides and in new light"
_VIEWS = (("canonical_depth", "canonical_camera", True), ("depth", "camera", False))  # as Geometry.mesh has it
_FRAMES, _CELL, _DRAWN, _GREY = 16, 128, 96, 0.75
_OWN_FRAMES, _OWN_CELL = 24, 192  # frames and pixels of a film of one picture


@attrs.frozen(kw_only=True, eq=False)
class Surface:
    """A surface that can be turned and lit.

    Args:
        depth: scene units.
        camera: intrinsics of the depth map.
        paint: colours with their shading, in [0, 1].
        albedo: colours without shading; None if the method predicts no albedo for this view.
    """

    depth: Float[Tensor, "1 height width"]
    camera: Float[Tensor, "3 3"]
    paint: Float[Tensor, "3 height width"]
    albedo: Float[Tensor, "3 height width"] | None = None


def animates(stage: StagePlan) -> bool:
    """Return whether a stage predicts a depth map with its camera."""
    ports = stage.predictions
    return any(depth in ports and camera in ports for depth, camera, _ in _VIEWS)


def need_surface(stage: StagePlan) -> None:
    """Raise RunError if a stage predicts no surface."""
    if not animates(stage):
        raise RunError(
            f"--animate: {stage.method_id} predicts no depth with its camera; type the command without --animate"
        )


def surface_of(outputs: Mapping[str, Tensor], kinds: Mapping[str, str], image: Tensor | None) -> Surface | None:
    """Return the surface in one picture's outputs; None if there is none.

    Args:
        outputs: tensors by port name, without the batch axis.
        kinds: kind of each port.
        image: the picture, as colours of a surface in its view.
    """
    for name, eye, canonical in _VIEWS:
        if name not in outputs or eye not in outputs:
            continue
        depth = outputs[name]
        size = (3, *depth.shape[-2:])
        albedos = [value for key, value in outputs.items() if kinds.get(key) == "albedo" and value.shape == size]
        albedo = albedos[0].clamp(0.0, 1.0) if albedos and (canonical or "canonical_depth" not in outputs) else None
        worn = [outputs.get("canonical_image"), albedo] if canonical else [image, albedo]
        paint = next((one for one in worn if one is not None and one.shape == size), None)
        plain = torch.full(size, _GREY)
        return Surface(
            depth=depth, camera=outputs[eye], paint=plain if paint is None else paint.clamp(0.0, 1.0), albedo=albedo
        )
    return None


def turned(surface: Surface, *, frames: int = _OWN_FRAMES, size: int = _DRAWN) -> list[Picture]:
    """Return frames of the surface while it turns to both sides."""
    return turntable(surface.depth, surface.paint, surface.camera, angles=swing(frames), size=size)


def lit(surface: Surface, *, frames: int = _OWN_FRAMES) -> list[tuple[Picture, ...]]:
    """Return frames of the surface in grey, and with its albedo if it has one, for one circle of the light."""
    angles = [2.0 * math.pi * k / frames for k in range(frames)]
    paints = [torch.full_like(surface.paint, _GREY), *([] if surface.albedo is None else [surface.albedo])]
    return list(zip(*(relit(surface.depth, paint, surface.camera, angles=angles) for paint in paints), strict=True))


def film(geometries: Sequence[Geometry], *, frames: int = _FRAMES, cell: int = _CELL) -> list[Picture]:
    """Return frames with one row per picture: the picture, its surface turned, and relit; empty without surfaces."""
    rows: list[list[list[Picture | None]]] = []
    albedo = False
    for geometry in geometries:
        surface = surface_of(geometry.outputs, geometry.kinds, geometry.image)
        if surface is None:
            continue
        albedo = albedo or surface.albedo is not None
        shown = None if geometry.image is None else image_picture(geometry.image)
        pairs = zip(turned(surface, frames=frames), lit(surface, frames=frames), strict=True)
        rows.append([[shown, one, *others] for one, others in pairs])
    headers = [
        "picture",
        "found, turned",
        "surface, under a light that goes around",
        *(["lit again"] if albedo else []),
    ]
    return [
        contact_sheet([[*row[k], *[None] * (len(headers) - len(row[k]))] for row in rows], headers, cell=cell)
        for k in range(frames if rows else 0)
    ]


def write_animations(geometry: Geometry, out: Path) -> list[Path]:
    """Write ``ID-turned.webp`` and ``ID-relit.webp`` of one picture; no files if it has no surface.

    Raises:
        RunError: the disk is full or cannot be written.
    """
    surface = surface_of(geometry.outputs, geometry.kinds, geometry.image)
    if surface is None:
        return []
    shown = [] if geometry.image is None else [image_picture(geometry.image)]
    turns = [contact_sheet([[*shown, one]], cell=_OWN_CELL) for one in turned(surface, size=_OWN_CELL)]
    lights = [contact_sheet([[*shown, *some]], cell=_OWN_CELL) for some in lit(surface)]
    return [
        write_webp(out / f"{geometry.id}-turned.webp", turns, milliseconds=100),
        write_webp(out / f"{geometry.id}-relit.webp", lights, milliseconds=100),
    ]


def animated(found: Iterable[Geometry], out: Path) -> Iterator[Geometry]:
    """Write the animations of each result, then yield it."""
    for geometry in found:
        write_animations(geometry, out)
        yield geometry


def write_film(place: Path, geometries: Sequence[Geometry]) -> Path | None:
    """Write the film of a few pictures; no file if they have no surfaces."""
    frames = film(geometries)
    return write_webp(place, frames, milliseconds=100) if frames else None

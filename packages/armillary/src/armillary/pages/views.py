"""New views of a picture's object, from a method that rotates it: a grid of elevations and azimuths, and an animation.

Such a method predicts a picture from ``image`` and an optional port of kind ``rotation``. The rotation acts on the object in its
pose in the picture, in the port's frame: in ``world``, z is up and the camera looks along y; in ``camera``, y is down and the
camera looks along z. :func:`~armillary.kernels.mesh_pictures.rotation_of_view` defines the views: a rotation first about the
vertical of the picture, then towards the viewer.

If the file is a mesh, the same views of the mesh are rendered too, by the stage's transforms.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from armillary.drawing.picture_items import image_picture
from armillary.drawing.sheets import Picture, contact_sheet, write_png, write_webp
from armillary.errors import RunError
from armillary.inference.predict import FileReader
from armillary.inference.restore import Restored
from armillary.kernels.mesh_pictures import CAMERA_FROM_WORLD, rotation_of_view
from armillary.plugins.host import Host
from armillary.ports import Port
from armillary.recipes.plan import Plan, StagePlan
from armillary.training.batches import collate, to_device
from armillary.training.build import call_method

ELEVATIONS = (60, 30, 0, -30, -60)
"""Degrees, of the grid's rows; positive shows the object from above."""
AZIMUTHS = (0, 45, 90, 135, 180, 225, 270, 315)
"""Degrees, of the grid's columns, about the vertical of the picture; positive turns the front of the object to the right."""

_FRAMES = 36
_CELL, _FRAME = 96, 192  # pixels


@attrs.frozen
class Turn:
    """Ports by which a method rotates an object.

    Args:
        rotation: input port of the rotation.
        view: output with the new view.
    """

    rotation: Port
    view: str


@attrs.frozen(kw_only=True, eq=False)
class Views:
    """New views of one object.

    Args:
        id: name of the picture.
        image: input picture of the method.
        drawn: views that the method predicts.
        true: views rendered from the mesh; None if the file is a picture.
    """

    id: str
    image: Float[Tensor, "channel height width"]
    drawn: Float[Tensor, "view channel height width"]
    true: Float[Tensor, "view channel height width"] | None = None


def turn_of(stage: StagePlan) -> Turn | None:
    """Return the ports by which the method of a stage rotates an object; None if it has none."""
    ports = stage.method.predicts_from
    takes = [port for port in ports if port.kind == "rotation" and port.optional and "image" in {p.name for p in ports}]
    gives = [name for name, port in stage.predictions.items() if port.kind == "image"]
    return Turn(takes[0], gives[0]) if takes and gives else None


def turning_stage(plan: Plan, *, wanted: str | None = None) -> str:
    """Return the stage that draws new views: ``wanted``, or by default the last that can.

    Raises:
        RunError: the wanted stage, or every stage, cannot draw new views.
    """
    able = [name for name, stage in plan.stages.items() if turn_of(stage)]
    if wanted in able or (able and wanted is None):
        return wanted or able[-1]
    what = f"stage {wanted} of {plan.recipe.id}" if wanted else plan.recipe.id
    instead = f"; --stage can be {', '.join(able)}" if able else ""
    raise RunError(
        f"--views: {what} draws no new views, which needs a method with an optional input rotation and an output "
        f"picture{instead or '; type the command without --views'}"
    )


class ViewMaker:
    """Maker of new views of files.

    Args:
        restored: a stage that draws new views (:func:`turning_stage`).
        host: source of its parts.
        device: device of the networks.

    Raises:
        RunError: the stage draws no new views.
    """

    def __init__(self, restored: Restored, host: Host, *, device: torch.device | None = None) -> None:
        turning_stage(restored.plan, wanted=restored.model.plan.name)
        turn = turn_of(restored.model.plan)
        assert turn is not None
        self.restored, self.turn, self.device = restored, turn, device or torch.device("cpu")
        self.reader = FileReader(restored, host)
        produced = self.reader.stage.data.spec.produces if self.reader.stage.data else ()
        self._meshes = [port.name for port in produced if port.kind == "mesh"]

    def views(self, file: Path, *, name: str, rotations: Float[np.ndarray, "view 3 3"]) -> Views:
        """Return views of a file's object after each rotation in the world frame (z up, the camera looks along y).

        Raises:
            DataError: the file cannot be read, or lacks an input of the method.
        """
        raw = self.reader.read(file, name=name)
        sample = self.reader.ready(raw, file=file)
        mesh = next((port for port in self._meshes if port in raw and "image" not in raw), None)
        true = None
        if mesh is not None:
            turned = ({**raw, mesh: raw[mesh].moved(rotation)} for rotation in rotations)
            true = torch.stack([self.reader.ready(each, file=file)["image"] for each in turned])
        return Views(id=name, image=sample["image"], drawn=self._drawn(sample, rotations), true=true)

    def _drawn(self, sample: dict[str, Any], rotations: np.ndarray) -> Tensor:
        frame = CAMERA_FROM_WORLD if self.turn.rotation.frame == "camera" else np.eye(3)
        turns = torch.from_numpy(frame @ rotations @ frame.T).to(torch.float32)
        size = self.restored.model.plan.body.get("batch_size", 1)
        found = []
        for some in turns.split(size):
            batch = collate([{**sample, self.turn.rotation.name: turn} for turn in some])
            with torch.no_grad():
                outputs = call_method(self.restored.model, to_device(batch, self.device), predict=True)
            found.append(outputs[self.turn.view].cpu())
        return torch.cat(found)


def grid_rotations(
    *, elevations: Sequence[float] = ELEVATIONS, azimuths: Sequence[float] = AZIMUTHS
) -> Float[np.ndarray, "view 3 3"]:
    """Return the rotations of a grid of angles in degrees, row by row."""
    return np.stack(
        [rotation_of_view(math.radians(azimuth), math.radians(up)) for up in elevations for azimuth in azimuths]
    )


def circle_rotations(frames: int = _FRAMES) -> Float[np.ndarray, "view 3 3"]:
    """Return the rotations of one full turn about the vertical."""
    return np.stack([rotation_of_view(2.0 * math.pi * k / frames, 0.0) for k in range(frames)])


def views_grid(
    views: Views,
    *,
    elevations: Sequence[float] = ELEVATIONS,
    azimuths: Sequence[float] = AZIMUTHS,
    cell: int = _CELL,
) -> Picture:
    """Draw views in one row per elevation and one column per azimuth, after the picture; true views are below each row."""
    columns = len(azimuths)
    rows: list[list[Picture | None]] = []
    captions = []
    for row, up in enumerate(elevations):
        for word, pictures in (("drawn", views.drawn), ("true", views.true)):
            if pictures is not None:
                some = pictures[row * columns : (row + 1) * columns]
                rows.append([None, *map(image_picture, some)])
                degrees = f"{up:+.0f}°" if up else "0°"
                captions.append(degrees if views.true is None else f"{degrees} {word}")
    rows[0][0] = image_picture(views.image)
    return contact_sheet(rows, ["input", *(f"{azimuth:.0f}°" for azimuth in azimuths)], cell=cell, captions=captions)


def views_frames(views: Views, *, size: int = _FRAME) -> list[Picture]:
    """Draw frames of an animation: the picture, one view and, for a mesh, the true view, side by side."""
    image = image_picture(views.image)
    true: Iterable[Tensor | None] = [None] * len(views.drawn) if views.true is None else views.true
    return [
        contact_sheet([[image, image_picture(drawn), *([] if real is None else [image_picture(real)])]], cell=size)
        for drawn, real in zip(views.drawn, true, strict=True)
    ]


def write_views(maker: ViewMaker, file: Path, out: Path, *, name: str) -> list[Path]:
    """Write ``NAME-views.png``, the grid, and ``NAME-views.webp``, one turn about the vertical of the picture.

    Raises:
        DataError: the file cannot be read.
        RunError: the disk is full or cannot be written.
    """
    grid, circle = grid_rotations(), circle_rotations()
    found = maker.views(file, name=name, rotations=np.concatenate((grid, circle)))
    parts = [
        attrs.evolve(found, drawn=found.drawn[part], true=None if found.true is None else found.true[part])
        for part in (slice(len(grid)), slice(len(grid), None))
    ]
    return [
        write_png(out / f"{name}-views.png", views_grid(parts[0])),
        write_webp(out / f"{name}-views.webp", views_frames(parts[1]), milliseconds=100),
    ]

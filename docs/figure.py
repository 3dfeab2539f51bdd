"""Draw the pictures of the READMEs: what a run finds in a few pictures of a procedural generator.

armillary data make synthetic:heads heads --count 4000 --size 64 --seed 0
armillary data make synthetic:heads fresh --count 200 --size 64 --seed 1
armillary train unsup3d:quick --data heads --out runs/heads
python docs/figure.py runs/heads docs/_static/unsup3d-heads.png fresh/images/000003.png ...

armillary data make synthetic:globe globe --count 2000 --size 48 --seed 0
armillary data make synthetic:globe other --count 400 --size 48 --seed 1
armillary train labelling:quick --data globe --out runs/globe --set data.split_by=all
python docs/figure.py runs/globe docs/_static/labelling-globe.png other/images/000003.png ...

armillary train keypoints:quick --data heads --out runs/points --steps 2000
python docs/figure.py runs/points docs/_static/keypoints-heads.png fresh/images/000000.png ...

armillary data make synthetic:solids solids --count 600 --seed 0
armillary data make synthetic:solids fresh --count 60 --seed 1
armillary train spherical:quick --data solids --out runs/solids
python docs/figure.py runs/solids docs/_static/spherical-solids.png fresh/images/000000.png fresh/images/000005.png ...

Pictures of solids are taken two by two: one object, and another of its kind.
"""

import csv
import math
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import armillary
from armillary.drawing.picture_items import image_picture
from armillary.drawing.pictures import (
    depth_picture,
    edge_map_picture,
    label_map_picture,
    normals_picture,
    relief_picture,
    shading_picture,
    unwrapped_picture,
)
from armillary.drawing.point_pictures import keypoints_picture, strong_edges, structure_picture
from armillary.drawing.sheets import Picture, contact_sheet, write_png
from armillary.inference.predict import Geometry
from armillary.inference.relate import relate
from armillary.inference.restore import restore
from armillary.kernels.mesh_pictures import CAMERA_FROM_WORLD, Studio, take_picture
from armillary.kernels.rotations import geodesic_angle
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.harmonics import spherical_harmonics
from armillary.nn.spheres.transforms import coefficients_from_signal
from armillary.pages.turntable import sweep, turntable
from armillary.plugins.host import Host
from armillary.training.folder import RunFolder
from armillary_spherical.meshes import read_mesh

_CELL = 120
_LABEL_HEADERS = ["picture", "labels", "the picture on the sphere of its labels"]
_POINT_HEADERS = [
    "picture",
    "key points",
    "drawn graph",
    "what else the decoder sees",
    "its picture",
    "shape, in its pose",
    "",
]
_SOLID_HEADERS = ["a picture", "another of the kind", "map of the first", "map of the other", "the first, turned"]
_HEADERS = ["picture", "depth", "relief", "normals", "albedo", "shading", "from other sides", "", ""]


def main(run: str, out: str, *pictures: str) -> None:
    """Write the sheet: one row a picture, or a pair of pictures."""
    trained, files = armillary.load(run), [Path(picture) for picture in pictures]
    first = trained.predict(files[0])
    if "embedding" in first.outputs:
        sheet = _solids(run, list(zip(files[::2], files[1::2], strict=True)))
    else:
        found = [first, *(trained.predict(file) for file in files[1:])]
        if "labels" in first.outputs:
            headers, rows = (
                _LABEL_HEADERS,
                [_labels(each, mask_of(file)) for each, file in zip(found, files, strict=True)],
            )
        elif "keypoints3d" in first.outputs:
            headers, rows = _POINT_HEADERS, [_points(each) for each in found]
        else:
            headers, rows = _HEADERS, [_surface(each) for each in found]
        shown = [image_picture(each.arrays()["image"]) for each in found]
        sheet = contact_sheet([[picture, *row] for picture, row in zip(shown, rows, strict=True)], headers, cell=_CELL)
    write_png(Path(out), sheet)


def _surface(found: Geometry) -> list[Picture]:
    camera = found.canonical_camera
    angles = sweep(3, degrees=35.0)
    views = turntable(found.canonical_depth, found.canonical_image, camera, angles=angles, size=_CELL)
    return [
        depth_picture(found.canonical_depth),
        relief_picture(found.canonical_depth, camera=camera),
        normals_picture(found.canonical_normals),
        image_picture(found.albedo),
        shading_picture(found.shading),
        *views,
    ]


def _labels(found: Geometry, mask: np.ndarray | None) -> list[Picture]:
    return [label_map_picture(found.labels), unwrapped_picture(found.arrays()["image"], found.labels, mask=mask)]


def _points(found: Geometry) -> list[Picture]:
    arrays = found.arrays()
    edges = strong_edges(arrays["edge_weights"])
    sides = [
        structure_picture(arrays["keypoints3d"], edges=edges, sides=(side,), size=_CELL)
        for side in ("front", "from the right")
    ]
    return [
        keypoints_picture(arrays["keypoints2d"], image=arrays["image"], edges=edges, size=_CELL),
        edge_map_picture(arrays["edge_map"]),
        image_picture(arrays["masked_image"]),
        image_picture(arrays["reconstruction"]),
        *sides,
    ]


def _solids(run: str, pairs: list[tuple[Path, Path]]) -> Picture:
    """Two objects of a kind; their maps in one set of colours, as the camera sees the sphere; and, what nobody told the
    network, the first one's mesh, turned by the rotation that was found between the maps.
    """
    host = Host()
    trained = restore(RunFolder.open(Path(run)), host=host)
    found = [relate(trained, *pair, host=host) for pair in pairs]
    maps = _balls(torch.stack([each.embedding for pair in found for each in (pair.first, pair.second)]))
    rows, captions = [], []
    for pair, relation, balls in zip(pairs, found, zip(maps[::2], maps[1::2], strict=True), strict=True):
        true, other = (_world_from_object(file) for file in pair)
        turned = relation.best.rotation @ true
        mesh = next(pair[0].parent.parent.glob(f"meshes/*/{pair[0].stem}.ply"))
        captions.append(f"{mesh.parent.name}, off by {math.degrees(geodesic_angle(turned, other)):.0f}°")
        shown = [np.asarray(Image.open(file).convert("RGB")) for file in pair]
        rows.append([*shown, *balls, _rendered(mesh, turned)])
    return contact_sheet(rows, _SOLID_HEADERS, cell=_CELL, captions=captions)


def _balls(signals: torch.Tensor) -> list[Picture]:
    """Each map on its sphere, seen by the camera of the generator; the same colour is the same feature in all."""
    bandwidth = signals.shape[-1] // 2
    axis = torch.linspace(-1.04, 1.04, _CELL, dtype=torch.float64)
    down, right = torch.meshgrid(axis, axis, indexing="ij")
    inside = right.square() + down.square() <= 1.0
    toward = (1.0 - right.square() - down.square()).clamp_min(0.0).sqrt()
    directions = torch.stack([right, -toward, -down], dim=-1)[inside]  # z up, the camera on -y
    basis = spherical_harmonics(directions, bandwidth=bandwidth)
    coefficients = coefficients_from_signal(signals.double(), grid=soft(bandwidth))
    values = torch.einsum("icn,pn->ipc", coefficients, basis)
    flat = values.flatten(0, 1)
    colours = (values - flat.mean(0)) @ torch.linalg.svd(flat - flat.mean(0), full_matrices=False).Vh[:3].T
    low, high = torch.quantile(colours.flatten(0, 1)[::7], torch.tensor([0.02, 0.98], dtype=torch.float64), dim=0)
    pictures = torch.ones(len(signals), _CELL, _CELL, 3, dtype=torch.float64)
    pictures[:, inside] = ((colours - low) / (high - low)).clamp(0.0, 1.0)
    return [image_picture(each.movedim(-1, 0).numpy()) for each in pictures]


def _world_from_object(picture: Path) -> torch.Tensor:
    with (picture.parent.parent / "poses.csv").open(encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["id"] == picture.stem)
    camera_from_object = torch.tensor(
        [[float(row[f"r{i}{j}"]) for j in (1, 2, 3)] for i in (1, 2, 3)], dtype=torch.float64
    )
    return torch.from_numpy(CAMERA_FROM_WORLD).T @ camera_from_object


def _rendered(mesh: Path, world_from_object: torch.Tensor) -> Picture:
    return image_picture(
        take_picture(read_mesh(mesh).mesh, Studio(size=64), matrix=world_from_object.numpy()).grey[None]
    )


def mask_of(picture: Path) -> np.ndarray | None:
    """Return the object's mask [1, H, W] where it lies beside the picture, so that the background is not drawn."""
    file = picture.parent.parent / "mask" / picture.name
    return np.asarray(Image.open(file).convert("L"))[None] > 127 if file.is_file() else None


if __name__ == "__main__":
    main(*sys.argv[1:])

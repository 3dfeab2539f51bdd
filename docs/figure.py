"""Draw the pictures of the READMEs: what a run finds in a few pictures of a procedural world.

armillary data make worlds:heads heads --count 4000 --size 64 --seed 0
armillary data make worlds:heads fresh --count 200 --size 64 --seed 1
armillary train unsup3d:quick --data heads --out runs/heads
python docs/figure.py runs/heads docs/_static/unsup3d-heads.png fresh/images/000003.png ...

armillary data make worlds:globe globe --count 2000 --size 48 --seed 0
armillary data make worlds:globe other --count 400 --size 48 --seed 1
armillary train labelling:quick --data globe --out runs/globe --set data.split_by=all
python docs/figure.py runs/globe docs/_static/labelling-globe.png other/images/000003.png ...
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import armillary
from armillary.run.picture_items import image_picture
from armillary.run.pictures import (
    depth_picture,
    label_map_picture,
    normals_picture,
    relief_picture,
    shading_picture,
    unwrapped_picture,
)
from armillary.run.predict import Geometry
from armillary.run.sheets import Picture, contact_sheet, write_png
from armillary.run.turntable import sweep, turntable

_CELL = 120
_LABEL_HEADERS = ["picture", "labels", "the picture on the sphere of its labels"]
_HEADERS = ["picture", "depth", "relief", "normals", "albedo", "shading", "from other sides", "", ""]


def main(run: str, out: str, *pictures: str) -> None:
    """Write the sheet: one row a picture."""
    trained = armillary.load(run)
    found = [trained.predict(picture) for picture in pictures]
    shown = [image_picture(each.arrays()["image"]) for each in found]
    labelled = "labels" in found[0].outputs
    masks = [mask_of(Path(picture)) for picture in pictures]
    made = [_labels(*pair) if labelled else _surface(pair[0]) for pair in zip(found, masks, strict=True)]
    rows = [[picture, *row] for picture, row in zip(shown, made, strict=True)]
    write_png(Path(out), contact_sheet(rows, _LABEL_HEADERS if labelled else _HEADERS, cell=_CELL))


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


def mask_of(picture: Path) -> np.ndarray | None:
    """Return the object's mask [1, H, W] where it lies beside the picture, so that the background is not drawn."""
    file = picture.parent.parent / "mask" / picture.name
    return np.asarray(Image.open(file).convert("L"))[None] > 127 if file.is_file() else None


if __name__ == "__main__":
    main(*sys.argv[1:])

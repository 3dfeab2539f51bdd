"""Draw the picture of the README: what a run finds in a few pictures of a procedural world.

armillary data make worlds:heads heads --count 4000 --size 64 --seed 0
armillary data make worlds:heads fresh --count 200 --size 64 --seed 1
armillary train unsup3d:quick --data heads --out runs/heads
python docs/figure.py runs/heads docs/_static/unsup3d-heads.png fresh/images/000003.png ...
"""

import sys
from pathlib import Path

import armillary
from armillary.run.pictures import depth_picture, image_picture, normals_picture, relief_picture, shading_picture
from armillary.run.sheets import contact_sheet, write_png
from armillary.run.turntable import sweep, turntable

_CELL = 120
_HEADERS = ["picture", "depth", "relief", "normals", "albedo", "shading", "from other sides", "", ""]


def main(run: str, out: str, *pictures: str) -> None:
    """Write the sheet: one row a picture."""
    trained = armillary.load(run)
    rows = []
    for picture in pictures:
        found = trained.predict(picture)
        camera = found.canonical_camera
        angles = sweep(3, degrees=35.0)
        views = turntable(found.canonical_depth, found.canonical_image, camera, angles=angles, size=_CELL)
        rows.append(
            [
                image_picture(found.image),
                depth_picture(found.canonical_depth),
                relief_picture(found.canonical_depth, camera=camera),
                normals_picture(found.canonical_normals),
                image_picture(found.albedo),
                shading_picture(found.shading),
                *views,
            ]
        )
    write_png(Path(out), contact_sheet(rows, _HEADERS, cell=_CELL))


if __name__ == "__main__":
    main(*sys.argv[1:])

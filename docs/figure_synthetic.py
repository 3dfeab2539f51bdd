"""Draw what the procedural generators make: pictures, and what is known of them.

python docs/figure_synthetic.py docs/_static/synthetic.png
"""

import csv
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from armillary.cli import main as armillary
from armillary.drawing.pictures import coordinate_map_picture, depth_picture, normals_picture
from armillary.drawing.point_pictures import keypoints_picture
from armillary.drawing.sheets import Picture, contact_sheet, stack, write_png

_SIZE = 96  # pixels


def main(out: str) -> None:
    """Make a few items of each generator, and draw them with their truth."""
    with tempfile.TemporaryDirectory() as folder:
        sheets = []
        for name, drawn in (("heads", heads), ("globe", moving), ("arm", moving), ("solids", solids)):
            place = Path(folder) / name
            made = [
                "data",
                "make",
                f"synthetic:{name}",
                str(place),
                "--count",
                "5",
                "--size",
                str(_SIZE),
                "--seed",
                "1",
            ]
            if status := armillary(made):
                raise SystemExit(status)
            shown = drawn(place)
            sheets.append(contact_sheet([list(shown.values())], list(shown), cell=_SIZE, captions=[name.ljust(7)]))
    write_png(Path(out), stack(sheets, gap=2))


def heads(folder: Path) -> dict[str, Picture]:
    """A head with what is known of it, and another one."""
    mask = _grey(folder / "mask/000000.png") > 127
    points = _landmarks(folder, "000000")
    return {
        "picture": _picture(folder, 0),
        "depth": depth_picture(np.load(folder / "depth/000000.npy")[None], mask=mask[None]),
        "normals": normals_picture(np.load(folder / "normals/000000.npy"), mask=mask[None]),
        "albedo": np.asarray(Image.open(folder / "albedo/000000.png").convert("RGB")),
        "landmarks": keypoints_picture(points, image=_picture(folder, 0).transpose(2, 0, 1) / 255.0, size=_SIZE),
        "another": _picture(folder, 1),
    }


def moving(folder: Path) -> dict[str, Picture]:
    """Two frames, the flow between them, and the thing's own coordinates."""
    mask = _grey(folder / "mask/000000.png") > 127
    return {
        "picture": _picture(folder, 0),
        "the next": _picture(folder, 1),
        "flow": _flow_picture(_picture(folder, 0), np.load(folder / "flow/000000.npy")),
        "coordinates": coordinate_map_picture(np.load(folder / "coordinates/000000.npy"), mask=mask[None]),
        "of the next": coordinate_map_picture(
            np.load(folder / "coordinates/000001.npy"), mask=_grey(folder / "mask/000001.png")[None] > 127
        ),
        "later": _picture(folder, 4),
    }


def solids(folder: Path) -> dict[str, Picture]:
    """One mesh of each kind, rendered."""
    kinds = {path.stem: path.parent.name for path in folder.glob("meshes/*/*.ply")}
    return {kinds[id]: _picture(folder, int(id)) for id in sorted(kinds)}


def _picture(folder: Path, item: int) -> Picture:
    return np.asarray(Image.open(folder / f"images/{item:06d}.png").convert("RGB"))


def _grey(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file).convert("L"))


def _landmarks(folder: Path, id: str) -> np.ndarray:
    """Positions of an item's landmarks in [-1, 1]."""
    with (folder / "landmarks.csv").open(encoding="utf-8") as file:
        places = [(float(row["x"]), float(row["y"])) for row in csv.DictReader(file) if row["id"] == id]
    return 2.0 * np.array(places) / (_SIZE - 1) - 1.0


def _flow_picture(below: Picture, flow: np.ndarray, *, step: int = 8, scale: int = 3) -> Picture:
    """The flow as lines from every ``step``-th pixel to where it goes, over the faded picture."""
    pale = Image.fromarray((255 - (255 - below.astype(int)) * 0.45).astype(np.uint8))
    canvas = pale.resize((scale * pale.width, scale * pale.height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(canvas)
    for y in range(step // 2, flow.shape[0], step):
        for x in range(step // 2, flow.shape[1], step):
            u, v = (float(value) for value in flow[y, x])
            if np.isfinite(u) and np.hypot(u, v) > 0.25:
                start = scale * (x + 0.5), scale * (y + 0.5)
                draw.line([*start, start[0] + scale * u, start[1] + scale * v], fill=(30, 30, 30), width=2)
                draw.ellipse([start[0] - 3, start[1] - 3, start[0] + 3, start[1] + 3], fill=(213, 62, 62))
    return np.asarray(canvas)


if __name__ == "__main__":
    main(*sys.argv[1:])

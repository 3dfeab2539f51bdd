"""Conversion of annotated pictures to a data folder: ``annotations.npz``, or key points in COCO's JSON. No torch.

``annotations.npz`` holds arrays over the same pictures: ``id`` or ``filename`` (``[N]``, names of the pictures, with or without
suffix), ``landmarks`` or ``landmarks68`` and the like (``[N, points, 2]`` or ``[N, points, 3]``: x right and y down in pixels,
centres at integers; z in pixels), where there are any ``visible`` (``[N, points]``), and ``pose_para`` (``[N, 3]`` or more: pitch,
yaw and roll in radians as 300W-LP, AFLW2000-3D and 3DDFA give them, then x, y ...). A point without a finite position is left out.

Depths of the file are relative, as of a camera far away. The data folder gets such a camera: :data:`FAR` pixels away, with as
long a focal length, so that a pixel there is a unit of the scene and a relief of 64 pixels changes no size by more than a
thousandth. Larger z is farther, as everywhere here; its meaning in the file must be typed. A pose is that of an object whose
origin is the mean of its visible points.
"""

import hashlib
import json
import math
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np

from armillary.data.folder import TABLES
from armillary.data.picture_file import SUFFIXES, picture_size, png_bytes, read_picture
from armillary.data.writer import disk_errors
from armillary.errors import DataError, did_you_mean
from armillary.names import NAME_RULE, is_name

ANNOTATIONS = "annotations.npz"
FAR = 100_000.0
"""Pixels from the camera to the object; positions in float32 are still known to a hundredth of a pixel."""

_LANDMARKS = re.compile(r"landmarks\d*")
_MARGIN = 1.25  # of the square around a COCO box
_LARGEST = 2**28  # pixels of a picture
_SHARES = 2**32
_FLIP = np.diag((1.0, -1.0, -1.0))  # y up, z to the viewer: what 3DDFA calls a camera
LargerZ = Literal["nearer", "farther"]


@attrs.frozen(kw_only=True, eq=False)
class Annotated:
    """Picture with its points.

    Args:
        id: its name in the data folder.
        file: the picture.
        points: ``[points, 3]``: x, y in pixels, z in pixels with larger farther; nan where it is not known.
        visible: ``[points]``.
        rotation: ``[3, 3]`` with ``x_camera = R @ x_object``, None where it is not known.
        group: what must stay on one side of the split.
        crop: (left, top, side) of the square that is cut out, None for the whole picture.
    """

    id: str
    file: Path
    points: np.ndarray
    visible: np.ndarray
    rotation: np.ndarray | None = None
    group: str = ""
    crop: tuple[int, int, int] | None = None


@attrs.frozen(kw_only=True)
class Converted:
    """Result of :func:`convert`.

    Args:
        pictures: how many.
        points: names of the points.
        splits: pictures by split; empty where none was asked for.
        left_out: a line for each picture that was left out.
    """

    pictures: int
    points: tuple[str, ...]
    splits: Mapping[str, int]
    left_out: tuple[str, ...]


def convert(
    source: Path,
    out: Path,
    *,
    larger_z: LargerZ | None = None,
    landmarks: str = "",
    group: str = "",
    block: int = 0,
    test: float = 0.2,
    yaw_below: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Converted:
    """Write a data folder of annotated pictures.

    Args:
        source: folder with ``annotations.npz`` and pictures, or a COCO JSON file of key points with its pictures beside it.
        out: the data folder; must not exist or be empty.
        larger_z: what a larger z of the file means; needed where it has z.
        landmarks: array of the points, where there is more than one.
        group: array whose equal values stay on one side of the split: people, films.
        block: so many consecutive names stay on one side of the split, where neighbours are alike.
        test: share of the groups or blocks that is for testing, chosen by a hash of their names.
        yaw_below: in degrees; only pictures whose object is turned less to the side are kept.
        progress: called with (done, total).

    Raises:
        DataError: an array, a picture or a setting is missing or wrong; names it.
    """
    source, out = Path(source), Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: is not empty: choose another folder")
    if block and group:
        raise DataError("--group and --block are two ways to split: give one")
    if not 0.0 < test < 1.0:
        raise DataError(f"--test {test}: needs a share between 0 and 1")
    coco = source.suffix.lower() == ".json"
    names, items = _from_coco(source) if coco else _from_arrays(source, larger_z, landmarks=landmarks, group=group)
    items, left_out = list(items), []
    if yaw_below is not None:
        items, left_out = _frontal(items, yaw_below)
    if not items:
        raise DataError(f"{source}: no picture is left")
    splits = _splits(items, by_group=bool(group), block=block, test=test)
    _write(out, names, items, splits, source.stem if coco else source.resolve().name, progress)
    counts = {side: list(splits.values()).count(side) for side in ("train", "test")} if splits else {}
    return Converted(pictures=len(items), points=names, splits=counts, left_out=tuple(left_out))


def rotation_from_pitch_yaw_roll(angles: np.ndarray) -> np.ndarray:
    """Return ``[..., 3, 3]`` with ``x_camera = R @ x_object`` of 3DDFA's angles ``[..., 3]``, in this project's axes.

    3DDFA's camera has y up and z towards the viewer, and ``R = R_x(pitch) R_y(yaw) R_z(roll)``, each of them with the sine above
    the diagonal (below it for yaw). Here y is down and z away from the viewer, for the camera and for the object: a face that
    looks straight out of the picture has the identity.

    Source: cleardusk/3DDFA, utils/estimate_pose.py and the 300W-LP code, RotationMatrix.m.
    """
    cosine, sine = np.cos(angles), np.sin(angles)
    zero, one = np.zeros_like(cosine[..., 0]), np.ones_like(cosine[..., 0])

    def matrix(*rows: tuple[np.ndarray, ...]) -> np.ndarray:
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    (cp, cy, cr), (sp, sy, sr) = np.moveaxis(cosine, -1, 0)[:3], np.moveaxis(sine, -1, 0)[:3]
    about_x = matrix((one, zero, zero), (zero, cp, sp), (zero, -sp, cp))
    about_y = matrix((cy, zero, -sy), (zero, one, zero), (sy, zero, cy))
    about_z = matrix((cr, sr, zero), (-sr, cr, zero), (zero, zero, one))
    return _FLIP @ about_x @ about_y @ about_z @ _FLIP


def turned_to_the_side(rotation: np.ndarray) -> float:
    """Return the angle in degrees, 0 to 180, between where an object faces and the upright plane through the camera's axis.

    An object faces along its -z. For 3DDFA's angles this is the absolute yaw.
    """
    x, _, z = rotation @ np.array((0.0, 0.0, -1.0))
    aside = math.degrees(math.asin(min(1.0, abs(float(x)))))
    return aside if z <= 0 else 180.0 - aside


# --- what is read


def _from_arrays(
    source: Path, larger_z: LargerZ | None, *, landmarks: str, group: str
) -> tuple[tuple[str, ...], Iterator[Annotated]]:
    if not source.is_dir():
        raise DataError(f"{source}: no such folder")
    arrays = _arrays(source / ANNOTATIONS)
    key = next((name for name in ("id", "filename") if name in arrays), None)
    if key is None:
        raise DataError(f"{source / ANNOTATIONS}: needs id or filename; it has {', '.join(arrays)}")
    ids = [str(name) for name in arrays[key]]
    chosen = landmarks or _only([name for name in arrays if _LANDMARKS.fullmatch(name)], source)
    points = _array(arrays, chosen, source, count=len(ids), shape=(None, (2, 3)), flag="--landmarks")
    visible = np.asarray(np.isfinite(points[..., :2]).all(axis=-1))
    if "visible" in arrays:
        visible = visible & (_array(arrays, "visible", source, count=len(ids), shape=(points.shape[1],)) > 0)
    if points.shape[-1] == 3:
        if larger_z is None:
            raise DataError(
                f"{source / ANNOTATIONS}: {chosen} has z: is a larger z nearer to the camera or farther from it? Type "
                "--larger-z nearer, or --larger-z farther"
            )
        points = points * np.array((1.0, 1.0, -1.0 if larger_z == "nearer" else 1.0))
    else:
        points = np.pad(points, ((0, 0), (0, 0), (0, 1)), constant_values=np.nan)
    rotations = None
    if "pose_para" in arrays:
        angles = _array(arrays, "pose_para", source, count=len(ids), shape=(range(3, 100),))
        rotations = rotation_from_pitch_yaw_roll(angles[:, :3])
    groups = (
        [str(value) for value in _array(arrays, group, source, count=len(ids), shape=(), flag="--group")]
        if group
        else ids
    )
    files = _pictures(source)

    def items() -> Iterator[Annotated]:
        for index, name in enumerate(ids):
            yield Annotated(
                id=Path(name).stem if Path(name).suffix.lower() in SUFFIXES else name,
                file=_file_of(name, files, source),
                points=points[index],
                visible=visible[index],
                rotation=None if rotations is None else rotations[index],
                group=groups[index],
            )

    return tuple(str(point) for point in range(points.shape[1])), items()


def _from_coco(path: Path) -> tuple[tuple[str, ...], Iterator[Annotated]]:
    """Return the points of each annotated object; where a picture has several, each is cut out by the square around its box.

    Source: https://cocodataset.org/#format-data: key points are x, y, v each, v = 0 not labelled (then x = y = 0), 1 labelled but
    hidden, 2 visible; 0-indexed. They are taken for positions in which pixel centres are integers.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        pictures = {picture["id"]: str(picture["file_name"]) for picture in table["images"]}
        objects = [each for each in table["annotations"] if any(each.get("keypoints", ())[2::3])]
        category = next((c for c in table.get("categories", ()) if c.get("keypoints")), {})
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a COCO file of key points: {type(error).__name__} {error}") from error
    if not objects:
        raise DataError(f"{path}: no annotation has labelled key points")
    count = len(objects[0]["keypoints"]) // 3
    names = tuple(map(str, category.get("keypoints", range(count))))
    if any(len(each["keypoints"]) != 3 * len(names) for each in objects):
        raise DataError(f"{path}: not every annotation has the key points of one category: {len(names)} of x, y, v")
    files = _pictures(path.parent)
    seen: dict[Any, int] = {}
    for each in objects:
        seen[each["image_id"]] = seen.get(each["image_id"], 0) + 1

    def items() -> Iterator[Annotated]:
        done: dict[Any, int] = {}
        for each in objects:
            picture = each["image_id"]
            if picture not in pictures:
                raise DataError(f"{path}: annotation {each.get('id')} is of image {picture!r}, which is not listed")
            number = done[picture] = done.get(picture, 0) + 1
            stem = Path(pictures[picture]).with_suffix("").name
            values = np.array(each["keypoints"], dtype=np.float64).reshape(-1, 3)
            points = np.where(values[:, 2:] > 0, np.c_[values[:, :2], np.full(len(values), np.nan)], np.nan)
            crop = None
            if seen[picture] > 1:
                crop = _square(each.get("bbox"), points)
                points = points - np.array((*crop[:2], 0.0))
            yield Annotated(
                id=stem if crop is None else f"{stem}-{number}",
                file=_file_of(pictures[picture], files, path.parent),
                points=points,
                visible=values[:, 2] > 1,
                group=stem,
                crop=crop,
            )

    return names, items()


def _square(box: Any, points: np.ndarray) -> tuple[int, int, int]:
    if box is None:
        low, high = np.nanmin(points[:, :2], axis=0), np.nanmax(points[:, :2], axis=0)
        box = (*low, *(high - low))
    x, y, width, height = map(float, box)
    side = max(1, round(_MARGIN * max(width, height)))
    return round(x + width / 2 - side / 2), round(y + height / 2 - side / 2), side


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such file; a folder of pictures without annotations needs no conversion: --data {path.parent}"
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _array(
    arrays: Mapping[str, np.ndarray], name: str, source: Path, *, count: int, shape: Sequence[Any], flag: str = ""
) -> np.ndarray:
    if name not in arrays:
        hint = did_you_mean(name, arrays) or f" there are {', '.join(arrays)}"
        raise DataError(f"{flag} {name}: {source / ANNOTATIONS} has no such array;{hint}".strip())
    array = arrays[name]
    fits = array.ndim == 1 + len(shape) and len(array) == count
    for size, allowed in zip(array.shape[1:], shape, strict=False):
        fits = fits and (allowed is None or (size == allowed if isinstance(allowed, int) else size in allowed))
    if not fits:
        raise DataError(f"{source / ANNOTATIONS}: {name} has the shape {array.shape}, for {count} pictures")
    return array if not shape else array.astype(np.float64)


def _only(names: list[str], source: Path) -> str:
    if len(names) != 1:
        which = f"several: {', '.join(names)}; choose one with --landmarks" if names else "no landmarks"
        raise DataError(f"{source / ANNOTATIONS}: it has {which}")
    return names[0]


def _pictures(folder: Path) -> dict[str, list[Path]]:
    """Return the pictures of a folder by name, with and without suffix."""
    found: dict[str, list[Path]] = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in SUFFIXES and file.is_file():
            for name in (file.name, file.stem):
                found.setdefault(name, []).append(file)
    return found


def _file_of(name: str, files: Mapping[str, list[Path]], source: Path) -> Path:
    found = files.get(Path(name).name, [])
    if len(found) > 1:  # the name may say which folder
        found = [file for file in found if file.as_posix().endswith(f"/{name}")] or found
    if len(found) != 1:
        which = f"several: {', '.join(map(str, found))}" if found else "none"
        raise DataError(f"{source}: a picture {name!r} is needed, found {which}")
    return found[0]


# --- what is chosen


def _frontal(items: list[Annotated], yaw_below: float) -> tuple[list[Annotated], list[str]]:
    kept, left_out = [], []
    for item in items:
        if item.rotation is None:
            raise DataError(f"--yaw-below {yaw_below:g}: {item.id} has no pose: pose_para is needed")
        yaw = turned_to_the_side(item.rotation)
        if yaw < yaw_below:
            kept.append(item)
        else:
            left_out.append(f"{item.id}: turned by {yaw:.0f} degrees")
    return kept, left_out


def _splits(items: Sequence[Annotated], *, by_group: bool, block: int, test: float) -> dict[str, str]:
    """Return the split of each picture, by a hash of its group or block, so that it does not depend on the other pictures."""
    if not by_group and not block:
        return {}
    splits = {}
    for item in items:
        name = item.group
        if block:
            digits = re.findall(r"\d+", item.id)
            if not digits:
                raise DataError(f"--block {block}: {item.id} has no number")
            name = str(int(digits[-1]) // block)
        share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little") / _SHARES
        splits[item.id] = "test" if share < test else "train"
    return splits


# --- what is written


def _write(
    out: Path,
    names: Sequence[str],
    items: Sequence[Annotated],
    splits: Mapping[str, str],
    origin: str,
    progress: Callable[[int, int], None] | None,
) -> None:
    deep = any(np.isfinite(item.points[:, 2]).any() for item in items)
    posed = any(item.rotation is not None for item in items)
    columns = ("id", "point", "x", "y", *(("z",) if deep else ()), "visible")
    tables: dict[str, list[str]] = {"landmarks": [",".join(columns)]}
    if deep:
        tables["cameras"] = [",".join(TABLES["cameras"])]
    if posed:
        tables["poses"] = [",".join(TABLES["poses"])]
    with disk_errors(out):
        (out / "images").mkdir(parents=True, exist_ok=True)
        taken: set[str] = set()
        for name in names:
            if not is_name(name):
                raise DataError(f"{origin}: point {name!r}: {NAME_RULE}")
        for done, item in enumerate(items, start=1):
            if not is_name(item.id, folders=True):
                raise DataError(f"{item.file}: picture {item.id!r}: {NAME_RULE}")
            if item.id in taken:
                raise DataError(f"{item.file}: the name {item.id} is listed twice")
            taken.add(item.id)
            height, width = _write_picture(item, out / "images")
            if progress:
                progress(done, len(items))
            for name, (x, y, z), seen in zip(names, item.points, item.visible, strict=True):
                if math.isfinite(x) and math.isfinite(y):
                    depth = (_number(FAR + z) if math.isfinite(z) else "",) if deep else ()
                    tables["landmarks"].append(
                        ",".join((item.id, name, _number(x), _number(y), *depth, str(int(seen))))
                    )
            if deep:
                centre = (_number((width - 1) / 2), _number((height - 1) / 2))
                tables["cameras"].append(",".join((item.id, _number(FAR), _number(FAR), *centre)))
            if item.rotation is not None:
                middle = np.nanmean(np.where(item.visible[:, None], item.points[:, :2], np.nan), axis=0)
                numbers = [*item.rotation.ravel(), *(middle - ((width - 1) / 2, (height - 1) / 2)), FAR]
                tables["poses"].append(",".join((item.id, *(f"{value:.7g}" for value in numbers))))
        if splits:
            tables["split"] = ["id,split", *(f"{item.id},{splits[item.id]}" for item in items)]
        for table, lines in tables.items():
            (out / f"{table}.csv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        about = {"generator": "converted", "from": origin, "count": len(items), "points": list(names)}
        (out / "generator.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _write_picture(item: Annotated, folder: Path) -> tuple[int, int]:
    """Write the picture, as it is or cut out, and return its height and width."""
    (folder / item.id).parent.mkdir(parents=True, exist_ok=True)
    if item.crop is None:
        width, height = picture_size(item.file, max_pixels=_LARGEST)
        shutil.copyfile(item.file, folder / f"{item.id}{item.file.suffix.lower()}")
        return height, width
    rgb = read_picture(item.file, max_pixels=_LARGEST).rgb
    left, top, side = item.crop
    cut = np.zeros((side, side, 3), dtype=np.uint8)
    rows = slice(max(0, top), min(rgb.shape[0], top + side))
    columns = slice(max(0, left), min(rgb.shape[1], left + side))
    if rows.start < rows.stop and columns.start < columns.stop:
        cut[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = rgb[rows, columns]
    (folder / f"{item.id}.png").write_bytes(png_bytes(cut))
    return side, side


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")

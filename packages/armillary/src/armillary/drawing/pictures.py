"""Pictures of tensors, by the kind of the port that carries them.

A picture is a ``uint8`` array of height, width and three sRGB channels, row 0 at the top. A function here takes *one*
item, without a batch axis, as a tensor or an array in the conventions of ``armillary.ports``, and does not fail on
values: pixels that are not finite are magenta in colours and grey in measurements, so that the preview of a run that
went wrong can still be looked at.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from jaxtyping import Shaped
from PIL import Image, ImageDraw
from torch import Tensor

from armillary.drawing.colours import NOTHING, colour_map, hues, to_bytes
from armillary.drawing.picture_items import Item, as_array, as_finite, as_plane, image_picture
from armillary.drawing.point_pictures import (
    Edge,
    keypoints_picture,
    points_of_pairs,
    strong_edges,
    structure_picture,
    structure_sheet,
)
from armillary.drawing.sheets import INK, PALE, Picture, contact_sheet, font, stack
from armillary.kernels.cameras import intrinsics
from armillary.kernels.rotations import euler_zyx_from_rotation
from armillary.kernels.shading import lambert, normals_from_depth

Column = tuple[str, list[Picture]]

# --- one picture for each kind -------------------------------------------------------------------------------------


def depth_picture(
    depth: Shaped[Item, "1 height width"],
    *,
    limits: tuple[float, float] | None = None,
    mask: Shaped[Item, "1 height width"] | None = None,
) -> Picture:
    """Draw a depth map: near is light, far is dark; grey where there is no depth.

    Args:
        depth: scene units. There is no depth where it is not finite or not positive.
        limits: nearest and farthest depth of the scale; those of ``depth_limits`` when absent.
        mask: where the depth counts.
    """
    values, counts = as_plane(depth), as_plane(_depth_counts(depth, mask)) > 0.5
    near, far = limits if limits is not None else depth_limits(depth, mask=mask)
    span = max(far - near, np.finfo(np.float32).eps)
    return colour_map(np.where(counts, ((far - values) / span).clip(0.0, 1.0), np.nan))


def depth_limits(
    depth: Shaped[Item, "*shape"], *, mask: Shaped[Item, "*shape"] | None = None, outliers: float = 0.01
) -> tuple[float, float]:
    """Return the nearest and farthest depth, without a share of ``outliers`` at either end; (0, 1) if none."""
    values, counts = as_array(depth), _depth_counts(depth, mask)
    if not counts.any():
        return 0.0, 1.0
    near, far = np.quantile(values[counts], [outliers, 1.0 - outliers])
    return float(near), float(far)


def relief_picture(
    depth: Shaped[Item, "1 height width"],
    *,
    camera: Shaped[Item, "3 3"] | None = None,
    mask: Shaped[Item, "1 height width"] | None = None,
) -> Picture:
    """Draw the surface of a depth map as grey plaster, lit from the upper left.

    Args:
        depth: scene units.
        camera: intrinsics. Without them the depth's own range is taken to be half of the picture's width, and the
            slopes are right up to that factor.
        mask: where the depth counts.
    """
    values, counts = as_plane(depth), as_plane(_depth_counts(depth, mask)) > 0.5
    values = np.where(counts, values, np.median(values[counts]) if counts.any() else 1.0)
    height, width = values.shape
    if camera is None:
        near, far = depth_limits(values, mask=counts)
        values = 1.0 + 0.5 * _HALF_PLATE * (values - 0.5 * (near + far)) / max(far - near, np.finfo(np.float32).eps)
        matrix = intrinsics(2.0 * math.atan(_HALF_PLATE / 2.0), height=height, width=width)
    else:
        matrix = torch.as_tensor(as_array(camera))
    surface = torch.as_tensor(values, dtype=torch.float32)[None]
    normals = normals_from_depth(surface, matrix.to(torch.float32))
    toward = torch.tensor([-0.45, -0.55, -0.70])
    light = torch.cat([torch.tensor([0.18, 0.82]), toward / torch.linalg.vector_norm(toward)])
    picture = image_picture(lambert(normals, light))
    picture[~counts] = NOTHING
    return picture


_HALF_PLATE = 0.2  # width of the plate that a depth without a camera is drawn on, at distance 1


def normals_picture(normals: Shaped[Item, "3 height width"], *, mask: Item | None = None) -> Picture:
    """Draw a normal map in the usual colours: red right, green up, blue towards the viewer; flat is (128, 128, 255)."""
    toward_up_right = as_array(normals) * np.array([1.0, -1.0, -1.0], dtype=np.float32)[:, None, None]
    picture = image_picture(0.5 + 0.5 * toward_up_right)
    length = np.linalg.norm(as_finite(normals), axis=0)
    picture[length < 0.5] = NOTHING
    if mask is not None:
        picture[as_plane(mask) < 0.5] = NOTHING
    return picture


def shading_picture(shading: Shaped[Item, "1 height width"]) -> Picture:
    """Draw a shading in grey from 0 to the larger of 1 and the largest value: a shading may exceed 1."""
    values = as_array(shading)
    finite = values[np.isfinite(values)]
    return image_picture(values / max(1.0, float(finite.max(initial=0.0))))


def confidence_picture(confidence: Shaped[Item, "1 height width"]) -> Picture:
    """Draw 1 / (1 + sigma) in grey: white for a small standard deviation, black for an unbounded one.

    Source: elliottwu/unsup3d draws its confidence maps so.
    """
    return image_picture(1.0 / (1.0 + np.maximum(as_array(confidence), 0.0)))


def mask_picture(mask: Shaped[Item, "1 height width"]) -> Picture:
    """Draw a mask: white inside, black outside, grey between."""
    return image_picture(as_array(mask))


def label_map_picture(labels: Shaped[Item, "3 height width"]) -> Picture:
    """Draw labels: direction as colour, length as its strength; grey where nothing is certain.

    The point (x, y, z) of the object's unit sphere has the colour ((x, y, z) + 1) / 2.
    """
    values = as_array(labels)
    length = np.linalg.norm(as_finite(labels), axis=0)
    return image_picture(0.5 + 0.5 * values / np.maximum(length, 1.0))


def unwrapped_picture(
    image: Shaped[Item, "3 height width"],
    labels: Shaped[Item, "3 rows columns"],
    *,
    mask: Shaped[Item, "1 height width"] | None = None,
    size: int = 64,
) -> Picture:
    """Draw the picture laid onto the sphere of its labels, unfolded: longitude to the right, latitude upward.

    Every pixel falls where its label points, which is read bilinearly from the map; a place has the mean colour of what
    falls there, weighted by the labels' length, and is pale where nothing does. Small pictures fall in parts of pixels, so
    that few places stay empty between them. So a picture of the same object looks the same here, whatever its pose.

    Args:
        image: sRGB.
        labels: cell (i, j) is at pixel (s i, s j), s being the picture's height by the map's. (1, 0, 0) falls in the
            middle, (0, 1, 0) a quarter of the width to the right of it, (0, 0, 1) along the top.
        mask: where pixels count; all of them without it.
        size: height of the unfolded sphere; its width is twice that.
    """
    colours, values = as_finite(image).clip(0.0, 1.0), as_finite(labels)
    if colours.ndim != 3 or values.ndim != 3 or len(values) != 3 or values.shape[1] > colours.shape[1]:
        raise ValueError(f"an image {colours.shape} and labels (3, rows, columns) of it are needed, got {values.shape}")
    height, width = colours.shape[1:]
    parts = max(1, math.ceil(math.sqrt(_POINTS * size * 2 * size / (height * width))))
    colours = np.broadcast_to(colours, (3, height, width)).repeat(parts, axis=1).repeat(parts, axis=2).reshape(3, -1)
    points = _at_pixels(values, height, width, parts=parts).reshape(3, -1)
    weight = np.linalg.norm(points, axis=0)
    if mask is not None:
        weight = weight * (as_plane(mask).repeat(parts, axis=0).repeat(parts, axis=1).reshape(-1) > 0.5)
    longitude = np.arctan2(points[1], points[0])
    latitude = np.arctan2(points[2], np.hypot(points[0], points[1]))
    across = (longitude / (2.0 * math.pi) + 0.5) * 2 * size - 0.5
    down = ((0.5 - latitude / math.pi) * size - 0.5).clip(0.0, size - 1.0)
    total = np.zeros((4, size * 2 * size))
    left, top = np.floor(across), np.floor(down)
    for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):  # a pixel is shared by the four places around it
        share = weight * np.abs(1 - x - (across - left)) * np.abs(1 - y - (down - top))
        place = np.minimum(top + y, size - 1) * 2 * size + (left + x) % (2 * size)
        for row, amount in zip(total, (share, *(share * colours)), strict=True):
            row += np.bincount(place.astype(np.intp), weights=amount, minlength=len(row))
    middle = np.median(weight[weight > 0]) if (weight > 0).any() else 1.0
    cover = (total[0] / (_FULL * middle)).clip(0.0, 1.0)[:, None]
    shown = total[1:].T / np.where(total[0] > 0, total[0], 1.0)[:, None]
    return to_bytes((cover * shown + (1.0 - cover) * np.array(PALE) / 255.0).reshape(size, 2 * size, 3))


_POINTS = 4  # parts of pixels for each place of the unfolded sphere, at least
_FULL = 0.25  # parts that make a place opaque


def _at_pixels(values: np.ndarray, height: int, width: int, *, parts: int = 1) -> np.ndarray:
    """Read a map bilinearly at every pixel of its picture, or at the middles of ``parts`` x ``parts`` parts of each.

    Cell (i, j) is at pixel (s i, s j).
    """
    (low_y, high_y, part_y), (low_x, high_x, part_x) = (
        _neighbours(pixels, cells, parts) for pixels, cells in zip((height, width), values.shape[1:], strict=True)
    )
    rows = values[:, low_y] * (1.0 - part_y)[:, None] + values[:, high_y] * part_y[:, None]
    return rows[:, :, low_x] * (1.0 - part_x) + rows[:, :, high_x] * part_x


def _neighbours(pixels: int, cells: int, parts: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    middles = (np.arange(pixels * parts) + 0.5) / parts - 0.5
    at = (middles / (pixels // cells)).clip(0, cells - 1)
    low = np.floor(at).astype(np.intp)
    return low, np.minimum(low + 1, cells - 1), at - low


def coordinate_map_picture(coordinates: Shaped[Item, "3 height width"], *, mask: Item | None = None) -> Picture:
    """Draw the object's coordinates: x red, y green, z blue, the object's origin in the middle; grey beside the object.

    The colours reach their ends at the power of two that holds the largest coordinate, so that pictures of one object agree.

    Args:
        coordinates: any unit. Where all three are 0 there is no object.
        mask: where the object is.
    """
    values, known = as_array(coordinates), as_finite(coordinates)
    largest = float(np.abs(known).max(initial=0.0))
    reach = 2.0 ** math.ceil(math.log2(largest) - _EXCESS) if largest > 0.0 else 1.0
    picture = image_picture(0.5 + 0.5 * (values / reach).clip(-1.0, 1.0))
    picture[(values == 0.0).all(axis=0)] = NOTHING
    if mask is not None:
        picture[as_plane(mask) < 0.5] = NOTHING
    return picture


_EXCESS = 0.01  # in powers of two: a unit vector that rounding made longer than 1


def grid_picture(grid: Shaped[Item, "height width 2"]) -> Picture:
    """Draw a chequered square of eight by eight fields, read at the grid: red grows to the right, green downwards.

    Positions outside it are grey.
    """
    values = as_finite(grid)
    inside = np.isfinite(as_array(grid)).all(axis=-1) & (np.abs(values) <= 1.0).all(axis=-1)
    place = 0.5 + 0.5 * values.clip(-1.0, 1.0)
    fields = np.minimum((8 * place).astype(int), 7).sum(axis=-1) % 2
    colours = np.concatenate([place, np.full((*place.shape[:-1], 1), 0.5)], axis=-1)
    picture = to_bytes(colours * np.where(fields, 1.0, 0.75)[..., None])
    picture[~inside] = NOTHING
    return picture


def heatmap_picture(heatmap: Shaped[Item, "points height width"]) -> Picture:
    """Draw each point's heat in a colour of its own, scaled to its largest value."""
    values = as_finite(heatmap).clip(0.0, None)
    peak = values.max(axis=(1, 2), keepdims=True, initial=0.0)
    share = values / np.where(peak > 0.0, peak, 1.0)
    colours = hues(len(values)).astype(np.float32) / 255.0
    return to_bytes((share[..., None] * colours[:, None, None]).max(axis=0, initial=0.0))


def edge_map_picture(edges: Shaped[Item, "1 height width"]) -> Picture:
    """Draw an edge map in grey from 0 to its largest value: only the relative weights of edges have a meaning."""
    values = as_array(edges)
    finite = values[np.isfinite(values)]
    largest = float(finite.max(initial=0.0))
    return image_picture(values / largest if largest > 0.0 else values)


def feature_map_picture(features: Shaped[Item, "channel height width"]) -> Picture:
    """Draw the three directions of largest variance as red, green and blue, each over its middle 98 %."""
    values = as_finite(features)
    channels, height, width = values.shape
    rows = values.reshape(channels, -1).T
    rows = rows - rows.mean(axis=0)
    _, vectors = np.linalg.eigh(rows.T @ rows)
    axes = vectors[:, ::-1][:, :3]
    axes = axes * np.where(axes.sum(axis=0) < 0, -1.0, 1.0)  # an eigenvector has no sign of its own
    parts = rows @ axes
    low, high = np.quantile(parts, [0.01, 0.99], axis=0)
    parts = (parts - low) / np.where(high > low, high - low, 1.0)
    padded = np.full((height * width, 3), 0.5)
    padded[:, : parts.shape[1]] = parts
    return to_bytes(padded.reshape(height, width, 3))


def light_picture(light: Shaped[Item, " 5"], *, size: int = 64) -> Picture:
    """Draw a white sphere under the light (ambient, diffuse, direction from the surface to the light)."""
    values = torch.as_tensor(as_array(light), dtype=torch.float32)
    axis = torch.linspace(-1.0, 1.0, size) * 1.08
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    inside = x.square() + y.square() < 1.0
    z = -(1.0 - x.square() - y.square()).clamp_min(0.0).sqrt()
    picture = image_picture(lambert(torch.stack([x, y, z]), values))
    picture[~inside.numpy()] = PALE
    return picture


def pose_picture(pose: Shaped[Item, "3 4"], *, size: int = 96) -> Picture:
    """Draw the object's axes in the camera's view, x red, y green, z blue, with the angles about them in degrees.

    The second line of text is the translation, in scene units. A rotation alone, 3 x 3, has none.
    """
    values = as_finite(pose)
    rotation = values[:, :3]
    scale = 4  # drawn large, then made small: smooth lines
    canvas = Image.new("RGB", (scale * size, scale * size), PALE)
    draw = ImageDraw.Draw(canvas)
    start = np.array([0.5, 0.4]) * scale * size
    for axis in np.argsort(-rotation[2]):  # the farthest first
        tip = start + 0.3 * scale * size * rotation[:2, axis]
        draw.line([*start, *tip], fill=_AXES[axis], width=scale * size // 32)
        radius = scale * size / (32.0 + 8.0 * rotation[2, axis])  # nearer is larger
        draw.ellipse([*(tip - radius), *(tip + radius)], fill=_AXES[axis])
    canvas = canvas.resize((size, size), Image.Resampling.LANCZOS)
    turns = np.rad2deg(euler_zyx_from_rotation(torch.from_numpy(rotation.copy())).numpy())
    lines = [" ".join(f"{turn:+.0f}°" for turn in turns)]
    lines += [" ".join(f"{shift:+.2f}" for shift in values[:, 3])] if values.shape[1] == 4 else []
    draw, type_size = ImageDraw.Draw(canvas), size // 10
    for k, line in enumerate(lines):
        down = size - (len(lines) - k - 1) * (type_size + 2) - 3
        draw.text((size / 2, down), line, fill=INK, font=font(type_size), anchor="mb")
    return np.asarray(canvas)


_AXES = ((213, 62, 62), (38, 150, 84), (52, 104, 214))


def text_picture(text: str, *, size: int = 96) -> Picture:
    """Draw dark text in the middle of a pale square."""
    canvas = Image.new("RGB", (size, size), PALE)
    draw = ImageDraw.Draw(canvas)
    draw.text((size / 2, size / 2), text, fill=INK, font=font(max(9, size // 8)), anchor="mm", align="center")
    return np.asarray(canvas)


# --- any kind, any method ------------------------------------------------------------------------------------------


def picture(kind: str, value: Item) -> Picture | None:
    """Return the picture of one item of a port of this kind; None for a kind without picture (a camera, a vector)."""
    draw = _BY_KIND.get(kind)
    return draw(value) if draw else None


def extra_pictures(kind: str, value: Item, image: Shaped[Item, "3 height width"]) -> dict[str, Picture]:
    """Return more pictures of one item of a port of this kind, by one word each; none for most kinds.

    Args:
        image: the picture that the item was found in.
    """
    if kind == "label_map" and _is_map_of(value, image):
        return {"unwrapped": unwrapped_picture(image, value)}
    return {}


def prediction_pictures(
    outputs: Mapping[str, Item], kinds: Mapping[str, str], *, image: Shaped[Item, "3 height width"] | None = None
) -> dict[str, Picture]:
    """Return every picture of one item's predictions, by the output's name, with a word added for further pictures.

    Points are drawn over the picture with the edges that matter, if ``edge_weights`` has them; points in space from
    three sides, and below them the surface between them.

    Args:
        outputs: without the batch axis.
        kinds: of each.
        image: the picture that they were found in; drawn as ``image``.
    """
    shown: dict[str, Picture] = {} if image is None else {"image": image_picture(image)}
    for name, value in outputs.items():
        kind = kinds.get(name, "")
        edges = _edges_between(value, kind, outputs)
        if kind in _POINTS_ON_PICTURE:
            shown[name] = keypoints_picture(value, image=image, edges=edges or (), size=_OVER)
        elif kind in _POINTS_IN_SPACE:
            same = outputs.get(f"canonical_{name}")
            shown[name] = structure_sheet(value, canonical=same, edges=edges)
        elif (drawn := picture(kind, value)) is not None:
            shown[name] = drawn
        more = {} if image is None else extra_pictures(kind, value, image)
        shown |= {f"{name}-{word}": extra for word, extra in more.items()}
    return shown


def _edges_between(value: Item, kind: str, outputs: Mapping[str, Item]) -> list[Edge] | None:
    """Return the strong edges among key points, None without weights; annotated points have none."""
    weights = outputs.get("edge_weights") if kind.startswith("keypoints") else None
    if weights is None or points_of_pairs(len(weights)) != len(value):
        return None
    return strong_edges(weights)


def _is_map_of(value: Item, image: Item) -> bool:
    """Return whether a map has one stride over the whole picture."""
    (rows, columns), (height, width) = np.shape(value)[-2:], np.shape(image)[-2:]
    return height // rows == width // columns >= 1


def _number_picture(value: Item) -> Picture:
    number = as_array(value).reshape(-1)
    return text_picture("\n".join(f"{x:.4g}" for x in number[:4].tolist()))


_OVER = 256  # pixels: height of points over a picture
_POINTS_ON_PICTURE = ("keypoints2d", "landmarks2d")
_POINTS_IN_SPACE = ("keypoints3d", "landmarks3d")
_BY_KIND: Mapping[str, Callable[[Item], Picture]] = {  # in the order of a preview
    "image": image_picture,
    "depth": depth_picture,
    "normals": normals_picture,
    "albedo": image_picture,
    "shading": shading_picture,
    "light": light_picture,
    "keypoints2d": keypoints_picture,
    "keypoints3d": structure_picture,
    "landmarks2d": keypoints_picture,
    "landmarks3d": structure_picture,
    "label_map": label_map_picture,
    "coordinate_map": coordinate_map_picture,
    "grid": grid_picture,
    "heatmap": heatmap_picture,
    "edge_map": edge_map_picture,
    "pose": pose_picture,
    "rotation": pose_picture,
    "confidence": confidence_picture,
    "mask": mask_picture,
    "feature_map": feature_map_picture,
    "sphere_signal": feature_map_picture,
    "class_label": _number_picture,
    "scalar": _number_picture,
}


def preview(
    outputs: Mapping[str, Tensor],
    batch: Mapping[str, object],
    ports: Mapping[str, str],
    *,
    count: int = 4,
    cell: int = 96,
    across: int = 10,
) -> Picture:
    """Draw a sheet of one row per picture: the batch's images, then each output beside the truth of the same name.

    Outputs of one kind are grouped. A depth has a second column with its relief, a label map one with the picture laid
    onto its sphere, or what the true mask leaves of it. Ports of a kind without a picture are
    left out. Where there are many columns the sheet goes on below, beginning with the first column again.

    Args:
        outputs: what a method produces.
        batch: what it was given; ``true_x`` is the truth of the output ``x``.
        ports: kind of each port by name, of outputs and of the batch; a name that is missing is left out, except that
            ``true_x`` has the kind of ``x``.
        count: largest number of rows.
        cell: height of a row in pixels.
        across: largest number of columns side by side.

    Raises:
        ValueError: no port among these has a picture.
    """
    tensors = {name: value for name, value in {**batch, **outputs}.items() if isinstance(value, Tensor | np.ndarray)}
    kinds = {name: ports.get(name, ports.get(name.removeprefix("true_"), "")) for name in tensors}
    groups = [
        [column for name in group for column in _columns(name, tensors, kinds, count, cell=cell)]
        for group in _groups(outputs, tensors, kinds)
    ]
    if not groups:
        raise ValueError(f"nothing to draw: none of the ports {', '.join(sorted(ports))} has a picture")
    sheets = []
    for band in _bands(groups, across):
        rows = list(zip(*(pictures for _, pictures in band), strict=True))
        sheets.append(contact_sheet(rows, [header for header, _ in band], cell=cell))
    return stack(sheets)


def _groups(outputs: Mapping[str, Tensor], tensors: Mapping[str, Item], kinds: Mapping[str, str]) -> list[list[str]]:
    """Return names that belong together: each image of the batch, then each output with its truth, by kind."""
    images = [[name] for name in tensors if name not in outputs and kinds[name] == "image"]
    drawn = [name for name in outputs if kinds.get(name) in _BY_KIND]
    rank = list(_BY_KIND)
    ordered = sorted(drawn, key=lambda name: rank.index(kinds[name]))
    return images + [[name, *(t for t in [f"true_{name}"] if kinds.get(t) in _BY_KIND)] for name in ordered]


def _bands(groups: list[list[Column]], across: int) -> list[list[Column]]:
    """Return groups side by side, of nearly equal number, with the first column at the head of each band."""
    total = sum(map(len, groups))
    if total <= across:
        return [[column for group in groups for column in group]]
    share = 1 + math.ceil((total - 1) / math.ceil((total - 1) / (across - 1)))
    first = groups[0][0]
    parts = [group[k : k + across - 1] for group in groups for k in range(0, len(group), across - 1)]
    bands = [[*parts[0]]]
    for group in parts[1:]:
        if len(bands[-1]) > 1 and len(bands[-1]) + len(group) > share:
            bands.append([first])
        bands[-1] += group
    return bands


def _columns(
    name: str, tensors: Mapping[str, Item], kinds: Mapping[str, str], count: int, *, cell: int
) -> list[Column]:
    kind, header = kinds[name], name.replace("_", " ")
    items = list(tensors[name][:count])
    if kind == "depth":
        masks = _matching(tensors, name, len(items)) or [None] * len(items)
        cameras = _of_kind(tensors, kinds, "camera", len(items)) or [None] * len(items)
        pairs = list(zip(items, masks, strict=True))
        relief = [
            relief_picture(item, camera=camera, mask=mask) for (item, mask), camera in zip(pairs, cameras, strict=True)
        ]
        return [(header, [depth_picture(item, mask=mask) for item, mask in pairs]), (f"{header}, relief", relief)]
    if kind == "label_map":
        columns = [(header, [label_map_picture(item) for item in items])]
        images = _picture_of(name, tensors, kinds, len(items))
        if images is not None and all(map(_is_map_of, items, images)):
            masks = _object_masks(name, tensors, images)
            unwrapped = [unwrapped_picture(a, b, mask=c) for a, b, c in zip(images, items, masks, strict=True)]
            columns.append((f"{header}, unwrapped", unwrapped))
        return columns
    if kind in (*_POINTS_ON_PICTURE, *_POINTS_IN_SPACE):
        weights = tensors.get("edge_weights", [None] * len(items))
        given = [{} if a is None else {"edge_weights": a} for a in weights[: len(items)]]
        edges = [_edges_between(a, kind, b) for a, b in zip(items, given, strict=True)]
        if kind in _POINTS_IN_SPACE:
            return [(header, [structure_picture(a, edges=b, size=cell) for a, b in zip(items, edges, strict=True)])]
        images = _of_kind(tensors, kinds, "image", len(items)) or [None] * len(items)
        rows = zip(items, images, edges, strict=True)
        return [(header, [keypoints_picture(a, image=b, edges=c or (), size=cell) for a, b, c in rows])]
    if kind == "coordinate_map":
        masks = _matching(tensors, name, len(items)) or [None] * len(items)
        return [(header, [coordinate_map_picture(a, mask=b) for a, b in zip(items, masks, strict=True)])]
    return [(header, [_BY_KIND[kind](item) for item in items])]


def _matching(tensors: Mapping[str, Item], name: str, count: int) -> list[Item] | None:
    """Return the true mask for true measurements only: a method's own depth is shown whole."""
    masks = tensors.get("true_mask") if name.startswith("true_") else None
    return None if masks is None else list(masks[:count])


def _object_masks(name: str, tensors: Mapping[str, Item], images: list[Item]) -> list[Item | None]:
    """Return the true mask of the picture itself, so that the background is not laid onto the object's sphere."""
    masks = tensors.get("true_mask") if name.rpartition("_")[0] == "" else None
    if masks is None or len(masks) < len(images) or np.shape(masks)[-2:] != np.shape(images[0])[-2:]:
        return [None] * len(images)
    return list(masks[: len(images)])


def _picture_of(name: str, tensors: Mapping[str, Item], kinds: Mapping[str, str], count: int) -> list[Item] | None:
    """Return the picture of a map: ``source`` for ``source_labels``, else the first image."""
    own = name.rpartition("_")[0]
    if kinds.get(own) == "image":
        return list(tensors[own][:count])
    return _of_kind(tensors, kinds, "image", count)


def _of_kind(tensors: Mapping[str, Item], kinds: Mapping[str, str], kind: str, count: int) -> list[Item] | None:
    for name, value in tensors.items():
        if kinds[name] == kind and len(value) >= count:
            return list(value[:count])
    return None


# --- arrays ---------------------------------------------------------------------------------------------------------


def _depth_counts(depth: Item, mask: Item | None) -> np.ndarray:
    values = as_array(depth)
    counts = np.isfinite(values) & (values > 0.0)
    return counts if mask is None else counts & (as_array(mask) > 0.5).reshape(counts.shape)

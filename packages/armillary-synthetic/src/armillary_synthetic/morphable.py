"""Faces of a morphable model: random identity, expression and albedo, cropped tightly as in SynFace.

The file's frame (cm; x the subject's left, y up, z to the front) becomes the object frame by half a turn about x and a scale,
so that the subject's left is on the right of the picture.
"""

import hashlib
import io
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from attrs.validators import and_, ge, le
from numpy.typing import NDArray

from armillary.config import param
from armillary.interfaces import asset
from armillary_synthetic.bases import HeadPictures
from armillary_synthetic.colour import add_marks, vary_tone
from armillary_synthetic.raster import Floats, Indices, vertex_normals
from armillary_synthetic.scene import CENTRE, Surface, generator_for

_SHAPES = {
    "vertices": "vertices 3",
    "triangles": "triangles 3",
    "region": "vertices",
    "narrow_face": "vertices",
    "identity_modes": "identities vertices 3",
    "expression_modes": "expressions vertices 3",
    "expression_names": "expressions",
    "landmarks68": "68",
    "albedo_base": "vertices 3",
}
_FACE, _HEAD, _MOUTH, _SOCKETS, _EYES = range(5)
_SCALE = 0.0094  # scene units a centimetre: a face 15 cm wide takes 0.14 of a frame of 0.175
_ORIGIN = np.array([0.0, 0.6, 7.6])  # centimetres: what stands on the centre of rotation
_LIDS = 0.1  # cosine off the front beyond which an eyeball is behind its lids
_TEETH = 1.2  # centimetres from the lips back to the teeth
_LIPS = slice(48, 60)  # their outline among the 68 landmarks
_GIVE = 0.6  # radians by which identity and expression may turn a triangle
_WAVES = 24  # smooth functions on the face, of which skin noise is made
_BLOTCHES = np.array([0.03, 0.008, 0.008, 0.008])  # weight of a wave in lightness and in each channel


class Morphable(
    HeadPictures,
    name="morphable",
    source="ours, after SfSNet's and Unsup3D's SynFace (Sengupta et al. 2018; Wu et al. 2020)",
):
    """Faces of a morphable model file.

    Each asymmetry has its own setting, and 0 turns it off.
    """

    model: str = param(
        help="npz file with vertices, triangles, region, identity_modes, expression_modes, expression_names, landmarks68 and "
        "albedo_base, as the packaged ICT face model has them"
    )
    crop: Literal["narrow", "face", "head"] = param("face", help="how much of the head is kept")
    identity: float = param(0.8, help="standard deviation of the weights of identity", validator=and_(ge(0), le(1.5)))
    smile: float = param(0.4, help="largest weight of symmetric expression", validator=and_(ge(0), le(1)))
    expression: float = param(0.25, help="largest weight of lopsided expression", validator=and_(ge(0), le(1)))
    blotches: float = param(0.4, help="strength of skin colour that is not mirrored", validator=and_(ge(0), le(2)))
    marks: float = param(
        0.5, unit="marks", help="mean number of moles and patches per face", validator=and_(ge(0), le(20))
    )
    file: Path | None = asset("model")  # so that it is listed; the setting above names it

    def setup(self) -> None:
        super().setup()
        tilt = math.hypot(self.yaw, self.pitch) + self.fov
        self.face = Model(Path(self.model), crop=self.crop, tilt=tilt)

    def surface(self, index: int) -> Surface:
        """Return face ``index`` in its object frame."""
        model = self.face
        generator, uneven = generator_for(self.seed, index, "shape"), generator_for(self.seed, index, "asymmetry")
        identity = self.identity * generator.standard_normal(len(model.identity_modes))
        both, own = generator.random(len(model.sides)), uneven.random(len(model.sides))
        use, use_own = generator.random(len(model.sides)) < 0.3, uneven.random(len(model.sides)) < 0.3
        shared = self.smile * both * use
        expression = shared[model.sides] * model.symmetric + self.expression * own * use_own
        moved = _mix(identity, model.identity_modes) + _mix(expression, model.expression_modes)
        points = model.mean + moved.reshape(-1, 3)
        return Surface(
            points=points,
            normals=vertex_normals(points, model.triangles),
            triangles=model.triangles,
            colours=self._albedo(index),
            landmarks=points[model.landmarks],
        )

    def _albedo(self, index: int) -> Floats:
        model = self.face
        generator, uneven = generator_for(self.seed, index, "colour"), generator_for(self.seed, index, "marks")
        share = generator.random()  # of the mirrored copy; where 0 or 1 the base's own asymmetry is kept whole
        if self.blotches == 0:
            share = 0.5
        albedo = (1 - share) * model.albedo + share * model.albedo[model.mirror]
        skin = vary_tone(generator, albedo)
        skin = skin * (1 + _blotches(generator, model.even_waves))
        skin = skin * (1 + self.blotches * _blotches(uneven, model.odd_waves))
        skin = add_marks(uneven, skin, model.canonical, mean_count=self.marks, extent=(0.05, 0.06))
        iris = generator.uniform(0.3, 1.1)
        eyes = model.albedo * np.where(model.albedo.mean(axis=1, keepdims=True) < 0.5, iris, 1.0)
        result = np.where(model.is_eye, eyes, skin)
        return np.clip(result, 0.02, 1)

    def describe(self) -> dict[str, Any]:
        """Return camera, conventions, names of landmarks and the model file's name, size and hash."""
        return {
            **super().describe(),
            "points": [f"multi-pie-{k + 1}" for k in range(len(self.face.landmarks))],
            "model": self.face.identity_card,
        }


class Model:
    """Visible part of a morphable model file, in scene units, and its constants for every face."""

    def __init__(self, path: Path, *, crop: str, tilt: float) -> None:
        arrays, content = _read(path)
        self.identity_card = {
            "name": path.name,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        arrays["vertices"] = _shallow_mouth(arrays)
        triangles, kept = _seen(arrays, crop=crop, tilt=tilt)
        turn = np.array([1.0, -1.0, -1.0]) * _SCALE
        self.triangles: Indices = triangles
        self.mean = (arrays["vertices"][kept] - _ORIGIN) * turn + CENTRE
        self.identity_modes = _rows(arrays["identity_modes"][:, kept] * turn)
        self.expression_modes = _rows(arrays["expression_modes"][:, kept] * turn)
        self.albedo = arrays["albedo_base"][kept] / 255.0
        region = arrays["region"][kept]
        self.region = region
        self.is_eye = (region == _EYES)[:, None]
        self.mirror = _mirror(self.mean)
        position = np.full(len(arrays["vertices"]), -1)
        position[kept] = np.arange(len(kept))
        self.landmarks: Indices = position[arrays["landmarks68"]].astype(np.intp)
        self.canonical = self.mean
        self.even_waves, self.odd_waves = _waves(self.mean)
        self.sides, self.symmetric = _pairs([str(name) for name in arrays["expression_names"]])


def _read(path: Path) -> tuple[dict[str, np.ndarray], bytes]:
    """Return the arrays of a model file, and its bytes; raise ValueError for anything else."""
    hint = "give a morphable model with --set model=FILE"
    if not path.is_file():
        raise ValueError(f"no file at {path}: {hint}")
    content = path.read_bytes()
    try:
        archive = np.load(io.BytesIO(content), allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("a single array")
        arrays = {name: archive[name] for name in archive.files if name in _SHAPES}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is no npz file ({error}): {hint}") from error
    missing = [name for name in _SHAPES if name not in arrays]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}: {hint}")
    _check_shapes(path, arrays)
    return arrays, content


def _check_shapes(path: Path, arrays: dict[str, np.ndarray]) -> None:
    sizes: dict[str, int] = {}
    for name, tokens in _SHAPES.items():
        shape = arrays[name].shape
        wanted = tuple(int(t) if t.isdigit() else sizes.get(t, -1) for t in tokens.split())
        if len(shape) != len(wanted) or any(w not in (-1, s) for w, s in zip(wanted, shape, strict=True)):
            raise ValueError(f"{path}: {name} has shape {shape}, needs [{tokens}] with {sizes}")
        sizes |= {t: s for t, s in zip(tokens.split(), shape, strict=True) if not t.isdigit()}
    for name in ("triangles", "landmarks68"):
        if arrays[name].min() < 0 or arrays[name].max() >= sizes["vertices"]:
            raise ValueError(f"{path}: {name} points outside its {sizes['vertices']} vertices")


def _shallow_mouth(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return vertices with the inside of the mouth brought forward, as far as teeth stand behind lips.

    The file has no teeth: without this, a slit between closed lips would show the back of the mouth.
    """
    vertices = arrays["vertices"].astype(np.float64)
    lips = vertices[arrays["landmarks68"][_LIPS]]
    inside = np.flatnonzero(arrays["region"] == _MOUTH)
    x, z = lips[:, 0], lips[:, 2]
    basis = np.stack([np.ones_like(x), x * x], axis=1)
    bow = np.linalg.solve(basis.T @ basis, basis.T @ z)  # the row of teeth is bent like the lips
    teeth = bow[0] + bow[1] * vertices[inside, 0] ** 2 - _TEETH
    vertices[inside, 2] = np.maximum(vertices[inside, 2], teeth)
    # Behind the lips only, or its floor would come out through the chin.
    shown = lips[:, 1].min() + _TEETH / 2, lips[:, 1].max() - _TEETH / 2
    vertices[inside, 1] = np.clip(vertices[inside, 1], *shown)
    return vertices


def _seen(arrays: dict[str, np.ndarray], *, crop: str, tilt: float) -> tuple[Indices, Indices]:
    """Return triangles (renumbered) and vertices of a crop that can face an eye up to ``tilt`` radians off the front."""
    vertices, triangles, region = arrays["vertices"], arrays["triangles"].astype(np.intp), arrays["region"]
    outside = (region == _FACE) | (region == _HEAD)
    if crop == "narrow":
        outside &= arrays["narrow_face"]
    elif crop == "face":
        outside &= region == _FACE
    allowed = outside | (region >= _MOUTH)
    keep = allowed[triangles].all(axis=1)
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    facing = np.cross(b - a, c - a)
    away = facing[:, 2] / np.maximum(np.linalg.norm(facing, axis=1), np.finfo(np.float32).tiny)
    least = np.cos(min(np.pi / 2 + tilt + _GIVE, np.pi))
    keep &= away > np.where(region[triangles[:, 0]] == _EYES, _LIDS, least)
    triangles = triangles[keep]
    landmarks = arrays["landmarks68"]
    kept = np.union1d(np.unique(triangles), landmarks).astype(np.intp)
    number = np.full(len(vertices), -1, dtype=np.intp)
    number[kept] = np.arange(len(kept))
    return number[triangles], kept


def _mirror(points: Floats) -> Indices:
    """Return, for each point, the nearest to its mirror image; itself where none is near."""
    reach = 0.01 * _SCALE  # the ICT face is symmetric to 0.005 cm
    order = np.argsort(points[:, 1], kind="stable")
    y = points[order, 1]
    first = np.searchsorted(y, points[:, 1] - reach)
    count = np.searchsorted(y, points[:, 1] + reach) - first
    owner = np.repeat(np.arange(len(points)), count)
    other = order[np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)]
    distance = ((points[owner] * (-1.0, 1.0, 1.0) - points[other]) ** 2).sum(axis=1)
    near = np.lexsort((distance, owner))
    best = near[np.cumsum(count) - count]
    return np.where(distance[best] <= reach**2, other[best], np.arange(len(points)))


def _waves(points: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return smooth functions on the points, [W, N], that keep their value, or change their sign, in the mirror."""
    generator = np.random.default_rng(2020)
    wave = generator.standard_normal((_WAVES, 3)) * (
        60.0,
        60.0,
        30.0,
    )  # radians a scene unit: a face has 2 or 3 of them
    phase = generator.uniform(0, 2 * np.pi, (_WAVES, 1))
    across = np.einsum("wk,nk->wn", wave[:, :1], points[:, :1])
    along = np.einsum("wk,nk->wn", wave[:, 1:], points[:, 1:]) + phase
    return _rows(np.cos(across) * np.cos(along)), _rows(np.sin(across) * np.cos(along))


def _pairs(names: list[str]) -> tuple[Indices, Floats]:
    """Return for each expression the number of its pair (left and right share one), and 0 where one alone is lopsided."""
    stems = [name.removesuffix("_L").removesuffix("_R") for name in names]
    unique = sorted(set(stems))
    one_sided = {"jawLeft", "jawRight", "mouthLeft", "mouthRight"}
    return np.array([unique.index(s) for s in stems]), np.array([float(s not in one_sided) for s in stems])


def _blotches(generator: np.random.Generator, waves: NDArray[np.float32]) -> Floats:
    """Return smooth changes of colour [N, 3], about 0: mostly of lightness, a little of hue."""
    weights = generator.standard_normal((4, len(waves))) * _BLOTCHES[:, None]
    lightness, *hues = (_mix(row, waves) for row in weights)
    return np.stack([lightness + hue for hue in hues], axis=1)


def _rows(modes: Floats) -> NDArray[np.float32]:
    """Return modes [K, N, 3] as rows [K, 3 N] that lie in one piece: their sum is then read in order."""
    return np.ascontiguousarray(modes.reshape(len(modes), -1), dtype=np.float32)


def _mix(weights: Floats, rows: NDArray[np.float32]) -> Floats:
    """Return the weighted sum of rows [K, M] in a fixed order, without BLAS."""
    return np.einsum("k,kn->n", weights.astype(np.float32), rows).astype(np.float64)

"""Shapes as signals on the sphere: what rays along given directions meet of a mesh about the origin.

A ray of direction x, a unit vector of the world's frame, comes in from infinity along the line {r x} and moves towards the
origin and beyond. Its first hit stands at r x; r is the *radius*, negative where the ray has passed the origin first. The
hit farthest from the centre along x is the same one where r > 0, so both conventions are read off one cast:

- ``centre`` (Esteves et al. 2018 and 2019): rays from the centre, the farthest hit; distance r, 0 where nothing is met.
- ``outside`` (Cohen et al. 2018): rays from the unit sphere inwards, the first hit; distance 1 - r, and 1 where nothing is
  met. For a mesh inside the unit sphere it lies in [0, 2].

Both sides of a triangle count, whichever way it is wound; a triangle whose plane holds the origin is seen edge-on and never
met. Two engines give the same hits up to ties: Embree, where ``embreex`` is installed, in float32 but with radii computed
again in float64 and doubtful rays cast again exactly; and a rasterisation on the sphere in float64, in numpy: all rays meet
at one point, so a triangle can only be met by those inside its bounding cap. The first keeps its tree of boxes while a mesh
is turned or stretched, since then the rays are turned back instead.
"""

import functools
import importlib.util
import os
from collections import OrderedDict
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from armillary.kernels.triangle_mesh import TriangleMesh, face_vectors, moved_points, unit_rows

Convention = Literal["centre", "outside"]
Engine = Literal["auto", "embree", "exact"]

CHANNELS = ("distance", "sin", "cos")
"""Of a signal, in order: distance, and sine and cosine of the angle between ray and normal."""

_BLOCK = 1 << 18  # candidates at a time: what a block needs stays in the cache
_BANDS_AT_LEAST = 4
_SLACK = 16 * np.finfo(np.float64).eps  # of an edge's triple product: a ray on a shared edge meets both triangles
_CAP_MARGIN = 1e-6  # radian: on a bounding cap, above what arccos loses near 1
_WIDE = 0.45  # radian, a twentieth of the sphere: for wider caps products of whole matrices are faster than looking up
_DOUBT = 1e-5  # of the mesh's radius: how far float32 and float64 may disagree before a ray is cast again
_BEYOND = 1.1  # rays begin at so many radii of the mesh


class Hits(NamedTuple):
    """The first hit of each ray."""

    radius: Float[np.ndarray, " rays"]
    """r, along the ray's direction; -inf where nothing is met."""
    face: Int[np.ndarray, " rays"]
    """The triangle, -1 where nothing is met."""


def embree_installed() -> bool:
    """Return whether the extra ``rays`` is there."""
    return importlib.util.find_spec("embreex") is not None


class Caster:
    """Casts rays at one mesh, under any linear map of it.

    Args:
        mesh: about the origin.
        engine: ``auto`` is Embree where it is installed.

    Raises:
        ValueError: ``embree`` is asked for and not installed, or the mesh has no triangle.
    """

    def __init__(self, mesh: TriangleMesh, *, engine: Engine = "auto") -> None:
        if not len(mesh.faces):
            raise ValueError("a mesh without triangles cannot be met by rays")
        if engine == "embree" and not embree_installed():
            raise ValueError(
                "engine 'embree' needs embreex: pip install 'armillary-spherical[rays]', or engine 'exact'"
            )
        self.mesh = mesh
        self.engine: Engine = ("embree" if embree_installed() else "exact") if engine == "auto" else engine
        self._scene: Any = None

    def first_hits(
        self,
        directions: Float[np.ndarray, "rays 3"],
        *,
        matrix: Float[np.ndarray, "3 3"] | None = None,
        through: bool = True,
    ) -> Hits:
        """Return the first hit of a ray coming in along each direction.

        Args:
            directions: unit vectors of the world's frame.
            matrix: generator from object, invertible: the mesh that is met is ``mesh.moved(matrix)``. Default: as it is.
            through: rays go on behind the origin; otherwise they end there, and every radius is positive or -inf.
        """
        directions = np.asarray(directions, dtype=np.float64)
        matrix = np.eye(3) if matrix is None else np.asarray(matrix, dtype=np.float64)
        if self.engine == "embree":
            hits = self._embree(directions, matrix)
            if through:
                return hits
            met = hits.radius > 0
            return Hits(np.where(met, hits.radius, -np.inf), np.where(met, hits.face, -1))
        return _exact(moved_points(matrix, self.mesh.vertices), self.mesh.faces, directions, through=through)

    def _embree(self, directions: np.ndarray, matrix: np.ndarray) -> Hits:
        mesh = self.mesh
        reach = float(np.sqrt((mesh.vertices**2).sum(axis=1).max()))
        inward = np.linalg.solve(matrix, directions.T).T  # x_object = r M^-1 x: the radius is the same
        length = np.sqrt((inward**2).sum(axis=1))
        ray = inward / length[:, None]
        if self._scene is None:
            self._scene = _scene(mesh)
        origins, towards = (ray * (_BEYOND * reach)).astype(np.float32), (-ray).astype(np.float32)
        found = self._scene.run(origins, towards, query="INTERSECT", output=True)
        face = found["primID"].astype(np.int64)
        told = _BEYOND * reach - found["tfar"].astype(np.float64)
        radius = np.full(len(face), -np.inf)
        met = np.flatnonzero(face >= 0)
        radius[met] = _plane_radius(mesh.vertices, mesh.faces[face[met]], ray[met])
        doubtful = met[~(np.abs(radius[met] - told[met]) <= _DOUBT * reach)]
        if len(doubtful):
            exact = _exact(mesh.vertices, mesh.faces, ray[doubtful])
            radius[doubtful], face[doubtful] = exact.radius, exact.face
        return Hits(radius / length, face)


class Casters:
    """Casters of the meshes that were used last, so that a mesh that comes again finds its tree of boxes built.

    Args:
        engine: as in :class:`Caster`.
        triangles: kept in all; the mesh that was not used for longest goes first.
    """

    def __init__(self, *, engine: Engine = "auto", triangles: int = 2_000_000) -> None:
        self.engine: Engine = engine
        self.triangles = triangles
        self._kept: OrderedDict[int, Caster] = OrderedDict()

    def __getitem__(self, mesh: TriangleMesh) -> Caster:
        caster = self._kept.pop(id(mesh), None)  # a kept caster keeps its mesh, so no other has this id
        if caster is None:
            caster = Caster(mesh, engine=self.engine)
        self._kept[id(mesh)] = caster
        while len(self._kept) > 1 and sum(len(each.mesh.faces) for each in self._kept.values()) > self.triangles:
            self._kept.popitem(last=False)
        return caster

    def __getstate__(self) -> dict[str, Any]:
        return {
            "engine": self.engine,
            "triangles": self.triangles,
            "_kept": OrderedDict(),
        }  # trees stay in their process

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def spherical_signal(
    caster: Caster,
    directions: Float[np.ndarray, "rays 3"],
    *,
    convention: Convention = "centre",
    channels: int = 1,
    matrix: Float[np.ndarray, "3 3"] | None = None,
) -> Float[np.ndarray, "channels rays"]:
    """Return the first ``channels`` of :data:`CHANNELS` along each direction.

    The angle is that between the line of the ray and the normal's, in [0, pi / 2], so that neither the winding of the
    triangles nor the convention's sense of the ray matters. Where nothing is met it is not defined: sine and cosine are 0.

    Args:
        caster: of the mesh.
        directions: unit vectors of the world's frame.
        convention: as the module says.
        channels: 1 to 3.
        matrix: generator from object.

    Raises:
        ValueError: a convention or a number of channels that there is not.
    """
    if convention not in ("centre", "outside") or not 1 <= channels <= len(CHANNELS):
        raise ValueError(f"needs the convention centre or outside and 1 to 3 channels, got {convention!r}, {channels}")
    hits = caster.first_hits(directions, matrix=matrix, through=convention == "outside")
    met = hits.face >= 0
    radius = np.where(met, hits.radius, 0.0)
    signal = [radius if convention == "centre" else 1.0 - radius]
    if channels > 1:
        signal += _angles(caster.mesh, hits.face, np.asarray(directions, dtype=np.float64), matrix)
    return np.stack(signal[:channels])


def _angles(
    mesh: TriangleMesh, face: np.ndarray, directions: np.ndarray, matrix: np.ndarray | None
) -> list[np.ndarray]:
    """Return sine and cosine of the angle between ray and normal; 0 where there is no face."""
    met = np.flatnonzero(face >= 0)
    triangles = mesh.faces[face[met]]
    corners = np.arange(3 * len(met)).reshape(-1, 3)
    vertices = mesh.vertices[triangles.ravel()]
    normal = unit_rows(
        face_vectors(vertices if matrix is None else moved_points(np.asarray(matrix), vertices), corners)
    )
    ray = directions[met]
    sine, cosine = np.zeros(len(face)), np.zeros(len(face))
    cosine[met] = np.minimum(np.abs(np.einsum("ij,ij->i", normal, ray)), 1.0)
    sine[met] = np.minimum(np.sqrt((np.cross(normal, ray) ** 2).sum(axis=1)), 1.0)
    return [sine, cosine]


@functools.cache
def _device(process: int) -> Any:
    """Return Embree's device of this process, one for all scenes: a thousand devices at once end the process."""
    from embreex.rtcore import EmbreeDevice

    return EmbreeDevice()


def _scene(mesh: TriangleMesh) -> Any:
    from embreex.mesh_construction import TriangleMesh as EmbreeMesh
    from embreex.rtcore_scene import EmbreeScene

    scene = EmbreeScene(_device(os.getpid()))
    EmbreeMesh(scene, mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32))
    return scene


def _plane_radius(vertices: np.ndarray, triangles: np.ndarray, ray: np.ndarray) -> np.ndarray:
    """Return where each ray's line meets the plane of its triangle; nan or infinite where it does not."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.einsum("ij,ij->i", a, normal) / np.einsum("ij,ij->i", ray, normal)


# --- rasterisation on the sphere -------------------------------------------------------------------------------------


def _exact(vertices: np.ndarray, faces: np.ndarray, directions: np.ndarray, *, through: bool = True) -> Hits:
    """Return first hits: the farthest in front of the centre, else, where rays go through it, the nearest behind it."""
    front = _outermost(vertices, faces, directions, farthest=True)
    missed = np.flatnonzero(front.face < 0) if through else ()
    if len(missed):
        behind = _outermost(vertices, faces, -directions[missed], farthest=False)
        front.radius[missed], front.face[missed] = -behind.radius, behind.face
    return Hits(np.where(front.face >= 0, front.radius, -np.inf), front.face)


class _Rays:
    """Directions in bands of colatitude, in order of azimuth within a band.

    Args:
        directions: [n, 3], unit.
    """

    period = 16.0  # between bands, on the line of keys; more than two turns

    def __init__(self, directions: np.ndarray) -> None:
        theta = np.arctan2(np.hypot(directions[:, 0], directions[:, 1]), directions[:, 2])
        phi = np.arctan2(directions[:, 1], directions[:, 0]) % (2 * np.pi)
        self.bands = max(_BANDS_AT_LEAST, int(np.sqrt(len(directions))))
        band = self.band_of(theta)
        self.least, self.most = np.full(self.bands, np.inf), np.full(self.bands, -np.inf)
        np.minimum.at(self.least, band, theta)
        np.maximum.at(self.most, band, theta)
        # Each band stands twice, one turn apart, so that a range of azimuth is one stretch.
        keys = np.concatenate([band * self.period + phi, band * self.period + phi + 2 * np.pi])
        order = np.argsort(keys, kind="stable")
        self.keys = keys[order]
        self.order = order % len(directions)
        self.directions = directions[self.order].T.copy()

    def band_of(self, theta: np.ndarray) -> np.ndarray:
        """Return the band of each colatitude; also of angles below 0 and above pi."""
        return np.clip(np.floor(theta * (self.bands / np.pi)).astype(np.int64), 0, self.bands - 1)

    def candidates(self, axis: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the rays that may lie in caps [3, T] of angles [T]: cap, first row of a stretch, length of the stretch."""
        theta = np.arccos(np.clip(axis[2], -1.0, 1.0))
        low, high = theta - angle, theta + angle
        begin = self.band_of(low)
        spans = self.band_of(high) - begin + 1
        cap = np.repeat(np.arange(len(angle)), spans)
        band = np.arange(len(cap)) - np.repeat(np.cumsum(spans) - spans - begin, spans)
        some = np.flatnonzero((self.least[band] <= high[cap]) & (self.most[band] >= low[cap]))
        cap, band = cap[some], band[some]
        x, y, low, high, angle = axis[0][cap], axis[1][cap], low[cap], high[cap], angle[cap]
        across = np.sqrt(x * x + y * y)
        pole = (low <= _CAP_MARGIN) | (high >= np.pi - _CAP_MARGIN)
        ratio = np.sin(angle) / np.where(pole, 1.0, across)
        half = np.where(pole, np.pi, np.arcsin(np.minimum(ratio, 1.0)) + _CAP_MARGIN)
        start = (np.arctan2(y, x) - half) % (2 * np.pi) + band * self.period
        first = np.searchsorted(self.keys, start)
        count = np.searchsorted(self.keys, start + 2 * half, side="right") - first
        some = np.flatnonzero(count)
        return cap[some], first[some], count[some]


def _outermost(vertices: np.ndarray, faces: np.ndarray, directions: np.ndarray, *, farthest: bool) -> Hits:
    """Return the farthest, or the nearest, hit with r > 0 along each direction; -1 where there is none."""
    rays = _Rays(directions)
    corners, columns = np.ascontiguousarray(faces.T), np.ascontiguousarray(vertices.T)
    best = np.full(len(directions), -np.inf)
    face = np.full(len(directions), -1, dtype=np.int64)
    axis, angle = _caps(columns, corners)
    wide = np.flatnonzero(angle > _WIDE)
    _meet_all(directions, _triangles(columns, corners, wide), best, face, farthest=farthest)
    narrow = np.flatnonzero(angle <= _WIDE)
    for part in _blocks(np.ones(len(narrow), dtype=np.int64), _BLOCK):
        cap, first, count = rays.candidates(axis[:, narrow[part]], angle[narrow[part]])
        begins = np.diff(cap, prepend=-1) != 0  # stretches of one cap stand together
        triangles = _triangles(columns, corners, narrow[part][cap[begins]])
        row = np.cumsum(begins) - 1
        for block in _blocks(count, _BLOCK):
            many = count[block]
            at = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many - first[block], many)
            _meet(rays, at, np.repeat(row[block], many), triangles, best, face, farthest=farthest)
    return Hits(np.where(face >= 0, best if farthest else -best, 0.0), face)


class _Triangles(NamedTuple):
    """Quantities of triangles that the intersection test uses."""

    index: np.ndarray
    """[T], rows of the mesh's faces."""
    edges: np.ndarray
    """[3, 3, T], normals of the planes through the origin and an edge, pointing inwards: edge, coordinate."""
    height: np.ndarray
    """[T], |a . (b x c)|."""
    slack: np.ndarray
    """[T], by how much a ray may lie outside an edge plane; -inf for a triangle that is seen edge-on."""
    limit: np.ndarray
    """[T], largest radius of a corner."""

    def rows(self, rows: np.ndarray) -> "_Triangles":
        return _Triangles(*(values[..., rows] for values in self))


def _meet(
    rays: _Rays,
    at: np.ndarray,
    row: np.ndarray,
    triangles: _Triangles,
    best: np.ndarray,
    face: np.ndarray,
    *,
    farthest: bool,
) -> None:
    """Test candidates, pairs of a ray ``at`` and a triangle ``row``, and keep the extreme hits."""
    total = np.zeros(len(at))
    for normal in triangles.edges:
        x, y, z = (rays.directions[axis][at] for axis in range(3))
        side = normal[0][row] * x + normal[1][row] * y + normal[2][row] * z
        inside = np.flatnonzero(side >= -triangles.slack[row])  # each edge leaves about half of them
        at, row, total = at[inside], row[inside], total[inside] + side[inside]
    hit = np.flatnonzero(total > 0)
    row, ray = row[hit], rays.order[at[hit]]
    radius = np.minimum(triangles.height[row] / total[hit], triangles.limit[row])
    key = radius if farthest else -radius
    before = best[ray]
    np.maximum.at(best, ray, key)
    won = np.flatnonzero((key == best[ray]) & (key > before))[::-1]
    face[ray[won]] = triangles.index[row[won]]  # of equals the last written stays: reversed, that is the first


def _meet_all(
    directions: np.ndarray, triangles: _Triangles, best: np.ndarray, face: np.ndarray, *, farthest: bool
) -> None:
    """Test every ray with every triangle."""
    size = max(1, _BLOCK // len(directions))
    for start in range(0, len(triangles.index), size):
        part = triangles.rows(np.arange(start, min(start + size, len(triangles.index))))
        total, inside = np.zeros((len(directions), len(part.index))), True
        for normal in part.edges:
            side = directions @ normal
            inside = inside & (side >= -part.slack)
            total += side
        ray, row = np.nonzero(inside & (total > 0))
        radius = np.minimum(part.height[row] / total[ray, row], part.limit[row])
        key = radius if farthest else -radius
        before = best[ray]
        np.maximum.at(best, ray, key)
        won = np.flatnonzero((key == best[ray]) & (key > before))[::-1]
        face[ray[won]] = part.index[row[won]]


def _caps(vertices: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return unit axes [3, F] and angles [F] of caps that hold the triangles, seen from the origin."""
    radius = np.sqrt((vertices * vertices).sum(axis=0))
    units = vertices / np.where(radius > 0, radius, 1.0)
    a, b, c = (np.take(units, corner, axis=1) for corner in corners)
    axis = a + b + c
    length = np.sqrt((axis * axis).sum(axis=0))
    axis /= np.where(length > 0, length, 1.0)
    least = np.minimum(np.minimum((axis * a).sum(axis=0), (axis * b).sum(axis=0)), (axis * c).sum(axis=0))
    return axis, np.arccos(np.clip(least, -1.0, 1.0)) + _CAP_MARGIN


def _triangles(vertices: np.ndarray, corners: np.ndarray, index: np.ndarray) -> _Triangles:
    a, b, c = (np.take(vertices, corner[index], axis=1) for corner in corners)
    edges = np.stack([_cross(b, c), _cross(c, a), _cross(a, b)])
    volume = (a * edges[0]).sum(axis=0)
    squares = np.maximum(np.maximum((a * a).sum(axis=0), (b * b).sum(axis=0)), (c * c).sum(axis=0))
    limit = np.sqrt(squares)
    edge_on = np.abs(volume) <= np.finfo(np.float64).eps * limit * squares
    slack = np.where(edge_on, -np.inf, _SLACK * squares)
    return _Triangles(index, edges * np.sign(volume), np.abs(volume), slack, limit)


def _blocks(counts: np.ndarray, size: int) -> list[slice]:
    """Return stretches of rows whose counts sum to at most ``size``, or that are one row."""
    total = np.cumsum(counts)
    blocks, start = [], 0
    while start < len(counts):
        done = total[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(total, done + size, side="right")))
        blocks.append(slice(start, stop))
        start = stop
    return blocks


def _cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the cross product of [3, T] and [3, T]."""
    return np.stack([u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]])

"""Textured sphere in motion: the toy object of Thewlis et al. 2017, section 4.2, with ground truth.

The object frame has the sphere of radius 1 about 0; at rest it is the camera frame: x right, y down, z forward, in radii.
``x_camera = R @ x_object + t``, and a point is seen at ``scale * (x, y)`` of the camera frame, scale being twice the radius in
sides of the picture: the projection is orthographic, so there is no camera matrix, and t is a shift along x and y alone. The
viewer is at z = -infinity: a point faces the viewer where its z, about the middle, is below 0. Coordinates are unit vectors in the
object frame. Coordinates, mask and flow are those at the centre of a pixel; a picture is means over its samples.
"""

import math
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from attrs.validators import and_, ge, gt, le, lt
from numpy.typing import NDArray

from armillary.config import param
from armillary.rules import Holds
from armillary_synthetic.bases import Pose, Video, VideoItem
from armillary_synthetic.globe_texture import file_texture, made_texture, read_texture, rows_for
from armillary_synthetic.raster import Floats
from armillary_synthetic.scene import generator_for
from armillary_synthetic.video import describe_video, draw_still, inside, means, partner_of, positions

POINTS = tuple(f"fibonacci-{number:02d}" for number in range(64))
"""Names of the landmarks, from the south pole (+y) to the north pole."""

_LIGHT = np.array([-0.5, -0.6, -math.sqrt(0.39)])  # unit: from above on the left, before the sphere


@attrs.frozen(kw_only=True, eq=False)
class Stand:
    """Pose of the sphere in one picture."""

    rotation: Floats
    """[3, 3], camera from object."""
    shift: Floats
    """[2], of its middle, in the positions of the picture."""


class GlobeItem(VideoItem):
    """One picture of a clip, with the sphere's pose."""

    true_pose: Pose


class Globe(Video, name="globe", source="after Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932, section 4.2"):
    """A textured sphere that turns, with flow.

    It is seen from infinitely far (orthographic).
    """

    turn: float = param(
        0.8,
        unit="radian",
        source="ours: two pictures then share about seven tenths of what each shows",
        help="each component of the rotation vector is uniform up to this, either way, anew for each picture",
        validator=and_(ge(0), le(math.pi)),
    )
    radius: float = param(
        0.42,
        unit="side of the picture",
        help="of the sphere; a side goes from corner pixel to corner pixel",
        validator=gt(0),
    )
    shift: float = param(
        0.0,
        unit="side of the picture",
        help="the sphere's distance from the middle is up to this, along x and y",
        validator=and_(ge(0), Holds("radius + shift <= 0.5", "0.5 is the picture's edge")),
    )
    texture_seed: int = param(
        0,
        help="decides the made textures: collections of any seed show the same sphere, one to train on and one to measure on",
        validator=ge(0),
    )
    textures: int = param(
        1,
        help="how many spheres, of one shape and frame but each with a texture of its own; one is drawn a clip",
        validator=ge(1),
    )
    texture: str = param(
        "",
        validator=Holds("not texture or textures <= 1", "a file is one texture"),
        help="a picture file to wrap around the sphere, twice as wide as high (equirectangular); empty: made from the seed",
    )
    shading: float = param(
        0.0,
        help="0 shows the texture as it is, so that a point keeps its colour; 1 is all diffuse light from above on the left",
        validator=and_(ge(0), le(1)),
    )
    grazing: float = param(
        0.2,
        unit="cosine",
        source="ours: 0.2 is a ring of half a pixel at 64 pixels, where texture and background mix",
        help="a point is seen where its normal makes at least this cosine with the direction to the viewer",
        validator=and_(ge(0), lt(1)),
    )

    def setup(self) -> None:
        super().setup()
        self.scale = 2 * self.radius
        self._rows = rows_for(self.radius * (self.size - 1) * self.supersampling)
        self._texture = file_texture(Path(self.texture), self._rows) if self.texture else None

    def item(self, index: int) -> GlobeItem:
        """Return picture ``index`` with its ground truth."""
        stand, partner = self.stand(index), partner_of(index, clip=self.clip)
        axis = positions(self.size)
        x, y = np.broadcast_arrays(axis[None], axis[:, None])
        mask, coordinates = self._coordinates(stand, axis)
        grid, valid = self._flow(mask, coordinates, np.stack([x, y]), self.stand(partner))
        landmarks = _turned(stand.rotation, fibonacci_points(len(POINTS)).T)
        landmarks2d = self.scale * landmarks[:2] + stand.shift[:, None]
        seen = (landmarks[2] <= -self.grazing) & inside(*landmarks2d)
        translation = np.append(stand.shift / self.scale, 0.0)
        return {
            "image": self._picture(stand, index),
            "true_mask": mask[None],
            "true_coordinates": coordinates.astype(np.float32),
            "true_pose": np.concatenate([stand.rotation, translation[:, None]], axis=1).astype(np.float32),
            "true_landmarks2d": np.ascontiguousarray(landmarks2d.T, dtype=np.float32),
            "true_visible": seen,
            "partner": np.array(partner),
            "partner_grid": np.ascontiguousarray(np.moveaxis(grid, 0, -1), dtype=np.float32),
            "partner_valid": valid[None],
        }

    def describe(self) -> dict[str, Any]:
        """Return projection, conventions and names of landmarks."""
        told = describe_video(self)
        told["units"]["length"] = "radius of the sphere"
        return {
            **told,
            "points": list(POINTS),
            "projection": {
                "kind": "orthographic",
                "position": "scale * (x, y) of the camera frame",
                "scale": self.scale,
            },
            "light": {"ambient": 1 - self.shading, "diffuse": self.shading, "direction": _LIGHT.tolist()},
            "frames": {
                "camera": "x right, y down, z forward",
                "pose": "x_camera = R @ x_object + t; R is the rotation about a random vector by its length",
                "coordinates": "object frame, unit vectors; the object frame is the camera's at rest",
            },
        }

    def stand(self, index: int) -> Stand:
        """Return how the sphere stands in picture ``index``."""
        generator = generator_for(self.seed, index, "pose")
        vector = self.turn * generator.uniform(-1, 1, 3)
        shift = 2 * self.shift * generator.uniform(-1, 1, 2)
        return Stand(rotation=rotation_about(vector), shift=shift)

    def texture_of(self, index: int) -> Floats:
        """Return the texture of picture ``index``, with a border: :func:`armillary_synthetic.globe_texture.padded`."""
        if self._texture is not None:
            return self._texture
        generator = generator_for(self.seed, index // self.clip, "colour")
        return made_texture(self.texture_seed, int(generator.integers(self.textures)), self._rows)

    def _surface(self, stand: Stand, axis: Floats) -> tuple[NDArray[np.bool_], Floats]:
        """Return which positions of a square grid lie on the sphere, and their points [3, S] in the camera frame."""
        x, y = ((axis - shift) / self.scale for shift in stand.shift)
        squared = x[None] ** 2 + y[:, None] ** 2
        mask = squared < 1
        x, y = np.broadcast_to(x[None], mask.shape)[mask], np.broadcast_to(y[:, None], mask.shape)[mask]
        return mask, np.stack([x, y, -np.sqrt(1 - squared[mask])])

    def _coordinates(self, stand: Stand, axis: Floats) -> tuple[NDArray[np.bool_], Floats]:
        """Return mask and coordinates [3, S, S] at the positions of a square grid."""
        mask, points = self._surface(stand, axis)
        coordinates = np.zeros((3, *mask.shape))
        coordinates[:, mask] = _turned(stand.rotation.T, points)
        return mask, coordinates

    def _flow(
        self, mask: NDArray[np.bool_], coordinates: Floats, still: Floats, there: Stand
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Return where each pixel is found in the partner [2, S, S], and whether it is seen there.

        Args:
            mask: of the sphere, here.
            coordinates: [3, S, S], in the object frame.
            still: [2, S, S], the pixels' own positions, to which the background keeps.
            there: how the sphere stands in the partner.
        """
        moved = _turned(there.rotation, coordinates)
        grid = np.where(mask, self.scale * moved[:2] + there.shift[:, None, None], still)
        shows = moved[2] <= -self.grazing
        behind = ((still - there.shift[:, None, None]) ** 2).sum(axis=0) < self.scale**2
        return grid, np.where(mask, shows, ~behind) & inside(*grid)

    def _picture(self, stand: Stand, index: int) -> NDArray[np.float32]:
        samples = self.supersampling
        mask, points = self._surface(stand, positions(self.size, samples=samples))
        colours = read_texture(self.texture_of(index), _turned(stand.rotation.T, points))
        if self.shading > 0:
            cosine = points[0] * _LIGHT[0] + points[1] * _LIGHT[1] + points[2] * _LIGHT[2]
            colours = colours * (1 - self.shading + self.shading * np.maximum(cosine, 0))
        layers = np.zeros((4, *mask.shape))
        layers[:3, mask], layers[3] = colours, mask
        layers = means(layers, samples=samples)
        behind = draw_still(self, index)
        return np.clip(layers[:3] + behind * (1 - layers[3]), 0, 1).astype(np.float32)


def rotation_about(vector: Floats) -> Floats:
    """Return the rotation matrix about a vector [3] by its length in radians (Rodrigues)."""
    x, y, z = vector
    angle = math.sqrt(x * x + y * y + z * z)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    square = np.array([[-y * y - z * z, x * y, x * z], [x * y, -x * x - z * z, y * z], [x * z, y * z, -x * x - y * y]])
    # np.sinc(a) = sin(pi a) / (pi a): no division by an angle of 0
    return np.eye(3) + np.sinc(angle / np.pi) * cross + 0.5 * np.sinc(angle / 2 / np.pi) ** 2 * square


def fibonacci_points(count: int) -> Floats:
    """Return points [count, 3] spread evenly over the unit sphere, on a spiral about the y axis from +y to -y.

    Source: González 2010, doi:10.1007/s11004-009-9257-x, the lattice of the golden angle with half steps at the poles.
    """
    number = np.arange(count)
    y = 1 - (2 * number + 1) / count
    around, angle = np.sqrt(1 - y * y), number * (np.pi * (3 - math.sqrt(5)))
    return np.stack([around * np.cos(angle), y, around * np.sin(angle)], axis=1)


def _turned(matrix: Floats, points: Floats) -> Floats:
    """Return ``matrix @ point`` for points [3, ...], without BLAS."""
    x, y, z = points
    return np.stack([row[0] * x + row[1] * y + row[2] * z for row in matrix])

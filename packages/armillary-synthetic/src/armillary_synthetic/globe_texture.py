"""Textures of the sphere: colours in sRGB on an equirectangular grid.

Object frame: x right, y down, z forward, the viewer looking along +z at the sphere at rest. So the grid's middle (longitude
0, latitude 0) lies at -z, north at -y, and east at +x: the grid is read as a map, not mirrored. Row i of R lies at
latitude pi/2 - (i + 1/2) pi / R, column j of C at longitude (j + 1/2) 2 pi / C - pi.

The textures that are made are fields in space, read on the sphere: patches, each of a colour of its own, with ragged edges
(the cells of random points, looked up at places moved by noise), and over them noise of several scales, sums of random plane
waves. Nothing repeats, so that each place can be distinguished from every other.
"""

import functools
import math
from pathlib import Path

import numpy as np
from numpy.random import Generator, Philox, SeedSequence

from armillary.data.picture_file import read_picture
from armillary.errors import DataError
from armillary_synthetic.raster import Floats, unit
from armillary_synthetic.scene import sample_texture

_PATCHES = 40
_RAGGED = 0.12  # radius of the sphere: how far noise moves the edges of patches
_EDGE = 0.03  # width of an edge, in the difference of two cosines
_SCALES = (
    (3.0, 0.10),
    (7.0, 0.10),
    (15.0, 0.08),
    (30.0, 0.05),
)  # waves about the sphere, and standard deviation of colour
_WAVES = 24  # a scale
_TEXTURE_STREAM = 2**31  # no index of an item
_MOST_PIXELS = 2**26


def grid_points(rows: int) -> Floats:
    """Return the points of the sphere, [3, rows * 2 rows], at the cells of the grid, row by row."""
    latitude = np.pi / 2 - (np.arange(rows) + 0.5)[:, None] * (np.pi / rows)
    longitude = (np.arange(2 * rows) + 0.5) * (np.pi / rows) - np.pi
    x, y, z = np.cos(latitude) * np.sin(longitude), np.sin(latitude), np.cos(latitude) * np.cos(longitude)
    return np.stack([x, -np.broadcast_to(y, x.shape), -z]).reshape(3, -1)


def read_texture(texture: Floats, points: Floats) -> Floats:
    """Return the colours [3, S] of a padded texture at unit vectors [3, S]."""
    rows = texture.shape[1] - 2
    per_radian = rows / np.pi
    row = (np.pi / 2 + np.arcsin(np.clip(points[1], -1, 1))) * per_radian + 0.5
    column = (np.arctan2(points[0], -points[2]) + np.pi) * per_radian + 0.5
    return sample_texture(texture, row, column)


def padded(texture: Floats) -> Floats:
    """Return a texture [3, R, 2 R] with a border of what lies beyond: across a pole, the row of the other side."""
    around = np.concatenate([texture[:, :, -1:], texture, texture[:, :, :1]], axis=2)
    half = texture.shape[2] // 2
    turned = [np.roll(texture[:, row], half, axis=-1) for row in (0, -1)]
    north, south = (np.concatenate([row[:, -1:], row, row[:, :1]], axis=1)[:, None] for row in turned)
    return np.concatenate([north, around, south], axis=1)


@functools.lru_cache(maxsize=8)
def made_texture(seed: int, number: int, rows: int) -> Floats:
    """Return a padded texture made from a seed and the number of the texture among those of the seed."""
    generator = Generator(Philox(SeedSequence((seed, _TEXTURE_STREAM, number))))
    points = grid_points(rows)
    moved = points + _RAGGED * _noise(generator, points, waves=5.0)
    colours = _patches(generator, moved)
    for waves, deviation in _SCALES:
        colours += deviation * _noise(generator, points, waves=waves)
    texture = padded(np.clip(colours, 0, 1).reshape(3, rows, 2 * rows))
    texture.setflags(write=False)  # shared by all callers
    return texture


def file_texture(path: Path, rows: int) -> Floats:
    """Return a padded texture from a picture file, made smaller while it has at least ``rows`` rows.

    Raises:
        ValueError: there is no such picture, or it is not twice as wide as high.
    """
    try:
        pixels = read_picture(path, max_pixels=_MOST_PIXELS).rgb
    except DataError as error:
        raise ValueError(f"{error}: give an equirectangular picture with --set texture=FILE") from error
    height, width, _ = pixels.shape
    if width != 2 * height or height < 2:
        raise ValueError(
            f"{path}: {width} x {height} is no equirectangular picture: needs twice as many columns as rows"
        )
    texture = np.moveaxis(pixels, -1, 0) / 255
    while texture.shape[1] >= 2 * rows and texture.shape[1] % 2 == 0:
        texture = texture.reshape(3, texture.shape[1] // 2, 2, -1, 2).mean(axis=(2, 4))
    return padded(texture)


def rows_for(radius: float) -> int:
    """Return how many rows of texture a sphere of ``radius`` samples needs: cells about as fine as samples in the middle."""
    return 2 ** int(np.clip(math.ceil(math.log2(math.pi * radius)), 6, 9))


def _noise(generator: Generator, points: Floats, *, waves: float) -> Floats:
    """Return three channels of noise of unit variance at points [3, S]: plane waves of random direction and phase."""
    directions = unit(generator.standard_normal((_WAVES, 3))) * waves * generator.uniform(0.7, 1.3, (_WAVES, 1))
    phases = generator.uniform(0, 2 * np.pi, _WAVES)
    weights = generator.standard_normal((3, _WAVES)) * math.sqrt(2 / _WAVES)
    result = np.zeros(points.shape)
    for direction, phase, weight in zip(directions, phases, weights.T, strict=True):
        wave = np.cos(direction[0] * points[0] + direction[1] * points[1] + direction[2] * points[2] + phase)
        result += weight[:, None] * wave
    return result


def _patches(generator: Generator, points: Floats) -> Floats:
    """Return the colour [3, S] of the patch in which each point [3, S] lies, blended at its edge with the next."""
    centres = unit(generator.standard_normal((_PATCHES, 3)))
    colours = generator.uniform(0.1, 0.9, (_PATCHES, 3))
    first, second = np.full((2, points.shape[1]), -np.inf)
    nearest, next_nearest = np.zeros((2, points.shape[1]), dtype=np.intp)
    for number, centre in enumerate(centres):
        near = centre[0] * points[0] + centre[1] * points[1] + centre[2] * points[2]
        best = near > first
        runner = ~best & (near > second)
        second = np.where(best, first, np.where(runner, near, second))
        next_nearest = np.where(best, nearest, np.where(runner, number, next_nearest))
        first, nearest = np.where(best, near, first), np.where(best, number, nearest)
    share = np.clip(0.5 + (first - second) / (2 * _EDGE), 0, 1)
    return colours.T[:, nearest] * share + colours.T[:, next_nearest] * (1 - share)

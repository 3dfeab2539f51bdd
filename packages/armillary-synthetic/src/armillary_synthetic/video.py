"""Clips and partners, positions, backgrounds and means over samples, shared by the generators of moving objects.

Positions are (x, y) in [-1, 1], x right, y down, -1 and 1 at the centres of the corner pixels; fields over a picture are
planes, channels first. Items lie in clips of equal length. The partner of an item is the next one of its clip, and of the last
the one before, so that no partner is of another clip.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from armillary_synthetic.raster import Floats
from armillary_synthetic.scene import generator_for
from armillary_synthetic.smooth import backdrop

if TYPE_CHECKING:
    from armillary_synthetic.bases import Video


def partner_of(index: int, *, clip: int) -> int:
    """Return the item in which the pixels of item ``index`` are found again."""
    return index + 1 if index % clip < clip - 1 else index - 1


def positions(size: int, *, samples: int = 1) -> Floats:
    """Return where the samples of a row or column of pixels lie, [size * samples], evenly about the pixels' centres."""
    within = (np.arange(samples) - (samples - 1) / 2) / samples
    pixel = np.arange(size)[:, None] + within
    return (pixel * (2 / (size - 1)) - 1).ravel()


def means(values: Floats, *, samples: int) -> Floats:
    """Return means over the samples of each pixel: [C, size * samples, size * samples] to [C, size, size]."""
    channels, side, _ = values.shape
    rows = values.reshape(channels, side // samples, samples, side).sum(axis=2)
    return rows.reshape(channels, side // samples, side // samples, samples).sum(axis=3) / samples**2


def draw_still(video: "Video", index: int) -> Floats:
    """Return the background [3, size, size] of the clip of an item: black, or smooth random colours.

    It is the same for all items of a clip, so that a pixel of background is found again where it is.
    """
    if video.background == "plain":
        return np.zeros((3, video.size, video.size))
    generator = generator_for(video.seed, index // video.clip, "background")
    return np.moveaxis(backdrop(generator, generator.uniform(0.1, 0.9, 3), video.size), -1, 0)


def inside(x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Return which positions are in the picture."""
    return np.maximum(np.abs(x), np.abs(y)) <= 1


def describe_video(video: "Video") -> dict[str, Any]:
    """Return plain values for ``generator.json``: how items pair, and what the numbers mean."""
    return {
        "clip": video.clip,
        "units": {"position": "[-1, 1] from corner pixel to corner pixel", "colour": "sRGB in [0, 1]"},
        "partner": "the next item of the clip, of its last the one before",
    }

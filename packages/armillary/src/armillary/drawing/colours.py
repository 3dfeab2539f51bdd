"""Colours: a perceptually uniform map for measurements, and hues that are easy to distinguish.

sRGB throughout, as ``uint8`` unless documented otherwise.
"""

import math

import numpy as np
from jaxtyping import Float, UInt8

NOTHING = (127, 127, 127)
"""Where there is no measurement."""

BROKEN = (255, 0, 255)
"""Where a number is not finite and a colour was due."""


def to_bytes(values: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Convert values in [0, 1] to 0 to 255, rounded; values outside are clipped, nan becomes 0."""
    return np.rint(np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0).clip(0.0, 1.0) * 255.0).astype(np.uint8)


def colour_map(values: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape 3"]:
    """Return colours of values in [0, 1], from dark blue over green to light yellow.

    Equal steps of the value are near-equal steps of perceived colour, and lightness rises throughout, so the map reads
    in grey and with any colour vision. Values outside are clipped; values that are not finite become grey.

    Source: a straight line in lightness and hue of OKLCH (Ottosson 2020, https://bottosson.github.io/posts/oklab).
    """
    position = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0).clip(0.0, 1.0) * (len(_TABLE) - 1)
    colours = _TABLE[np.rint(position).astype(np.intp)]
    colours[~np.isfinite(values)] = NOTHING
    return colours


def oklch_to_srgb(
    lightness: Float[np.ndarray, "*shape"], chroma: Float[np.ndarray, "*shape"], hue: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape 3"]:
    """Convert OKLCH to sRGB in [0, 1], clipped to the gamut.

    Args:
        lightness: 0 is black, 1 is white.
        chroma: distance from grey, about 0.3 at most.
        hue: radians.

    Source: Ottosson 2020, and IEC 61966-2-1 for the transfer curve.
    """
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=-1)
    linear = ((lab @ _LMS_FROM_OKLAB.T) ** 3 @ _RGB_FROM_LMS.T).clip(0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def hues(count: int) -> UInt8[np.ndarray, "count 3"]:
    """Return ``count`` colours of equal lightness that are easy to distinguish."""
    angle = 2.0 * math.pi * np.arange(count) / max(count, 1)
    flat = np.ones(count)
    return to_bytes(oklch_to_srgb(0.72 * flat, 0.16 * flat, angle + 0.5))


_LMS_FROM_OKLAB = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_RGB_FROM_LMS = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def _colour_table(entries: int = 256) -> UInt8[np.ndarray, "entries 3"]:
    at = np.linspace(0.0, 1.0, entries)
    chroma = 0.075 + 0.06 * np.sin(math.pi * at)  # smaller at both ends, where the gamut is narrow
    return np.rint(255.0 * oklch_to_srgb(0.27 + 0.67 * at, chroma, np.deg2rad(285.0 - 180.0 * at))).astype(np.uint8)


_TABLE = _colour_table()

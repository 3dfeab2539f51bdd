"""Colours of skin: tone, hue and painted marks, in sRGB."""

import numpy as np
from numpy.random import Generator

from armillary_synthetic.raster import Floats


def vary_tone(generator: Generator, albedo: Floats, *, amount: float = 1.0) -> Floats:
    """Return albedo [..., 3] made lighter or darker, warmer or cooler, by one random draw."""
    gamma = np.exp(amount * generator.normal(0.1, 0.25))
    warm, green = amount * generator.normal(0, 0.06), amount * generator.normal(0, 0.03)
    gains = np.array([1 + warm, 1 + green, 1 - warm])
    return np.clip(albedo, 0, 1) ** gamma * gains


def add_marks(
    generator: Generator, albedo: Floats, points: Floats, *, mean_count: float, extent: tuple[float, float]
) -> Floats:
    """Return albedo [N, 3] with random moles and patches.

    Args:
        generator: drawn from the same way whatever the count.
        albedo: at the points.
        points: [N, 3] in the object frame.
        mean_count: of a Poisson distribution.
        extent: marks are at |x|, |y| up to this, in scene units.
    """
    count = generator.poisson(mean_count)
    for _ in range(count):
        x, y = generator.uniform(-1, 1, 2) * extent
        small = generator.random() < 0.6
        radius = generator.uniform(0.0015, 0.003) if small else generator.uniform(0.005, 0.012)
        tint = np.array([0.45, 0.35, 0.3]) if small else np.array([1.0, 0.75, 0.7]) * generator.uniform(0.8, 1.1)
        distance = np.hypot(points[:, 0] - x, points[:, 1] - y)
        cover = 1 / (1 + np.exp(np.clip((distance / radius - 1) * 6, -50, 50)))
        albedo = albedo * (1 + cover[:, None] * (tint - 1))
    return albedo

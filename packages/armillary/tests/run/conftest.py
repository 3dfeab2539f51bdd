"""A head without a photograph: an ellipsoid with a nose, eyes, a mouth and one red cheek, so that left is not right."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from armillary.kernels.cameras import intrinsics, pixel_coordinates
from armillary.kernels.shading import lambert, normals_from_depth


def make_head(size: int = 64) -> SimpleNamespace:
    """Depth in [0.9, 1.1] about z = 1 in the camera of 10 degrees, seen from the front."""
    camera = intrinsics(math.radians(10.0), height=size, width=size)
    x, y = ((pixel_coordinates(size, size) - camera[:2, 2]) / camera[0, 0]).unbind(-1)

    def spot(cx: float, cy: float, rx: float, ry: float) -> torch.Tensor:
        return torch.exp(-(((x - cx) / rx) ** 2) - ((y - cy) / ry) ** 2)

    inside = 1.0 - (x / 0.06) ** 2 - (y / 0.075) ** 2
    mask = inside > 0.02
    depth = 1.03 - 0.07 * inside.clamp_min(0.0).sqrt()
    depth = (
        depth
        - 0.018 * spot(0.0, 0.012, 0.008, 0.014)
        + 0.006 * (spot(-0.022, -0.01, 0.01, 0.008) + spot(0.022, -0.01, 0.01, 0.008))
    )
    depth = torch.where(mask, depth, 1.1)[None]
    albedo = torch.tensor([0.86, 0.66, 0.55])[:, None, None].expand(3, size, size).clone()

    def paint(colour: tuple[float, float, float], amount: torch.Tensor) -> None:
        albedo.copy_(albedo + amount * (torch.tensor(colour)[:, None, None] - albedo))

    paint((0.85, 0.35, 0.35), 0.8 * spot(0.03, 0.022, 0.012, 0.012))
    for side in (-1, 1):
        paint((0.95, 0.95, 0.95), (spot(side * 0.022, -0.01, 0.011, 0.006) > 0.4).float())
        paint((0.15, 0.25, 0.35), (spot(side * 0.022, -0.01, 0.004, 0.004) > 0.4).float())
    paint((0.65, 0.2, 0.22), (spot(0.0, 0.042, 0.02, 0.005) > 0.4).float())
    paint((0.25, 0.16, 0.1), (y < -0.045 + 6.0 * x**2).float())
    light = torch.tensor([0.25, 0.75, 0.35, -0.5, -0.79])
    light[2:] /= light[2:].norm()
    shading = lambert(normals_from_depth(depth, camera), light)
    return SimpleNamespace(
        size=size,
        camera=camera,
        depth=depth,
        mask=mask[None],
        albedo=torch.where(mask, albedo, 0.35),
        light=light,
        shading=shading,
        normals=normals_from_depth(depth, camera),
        image=(torch.where(mask, albedo, 0.35) * torch.where(mask, shading, 1.0)).clamp(0.0, 1.0),
    )


@pytest.fixture(scope="session")
def head() -> SimpleNamespace:
    """The head at 64 x 64."""
    return make_head()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Ten pictures of coloured noise."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for index in range(10):
        pixels = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return folder

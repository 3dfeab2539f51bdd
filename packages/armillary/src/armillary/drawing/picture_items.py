"""Conversion of one batch item to an array or an image."""

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from armillary.drawing.colours import BROKEN, to_bytes
from armillary.drawing.sheets import Picture

Item = Tensor | np.ndarray


def image_picture(image: Shaped[Item, "channel height width"]) -> Picture:
    """Draw an image or an albedo in [0, 1], of one or three channels; clipped."""
    values = as_array(image)
    if values.ndim != 3 or values.shape[0] not in (1, 3):
        raise ValueError(f"an image needs the shape (1 or 3, height, width), but has {values.shape}")
    values = np.broadcast_to(values, (3, *values.shape[1:])).transpose(1, 2, 0)
    picture = to_bytes(np.nan_to_num(values))
    picture[~np.isfinite(values).all(axis=-1)] = BROKEN
    return picture


def as_array(value: Item) -> np.ndarray:
    """Return the item as an array in at least single precision: half precision and booleans are cast."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = value.float().numpy() if value.dtype != torch.float64 else value.numpy()
    return value if value.dtype in (np.float32, np.float64) else value.astype(np.float32)


def as_finite(value: Item) -> np.ndarray:
    """Return the item in double precision, with 0 for values that are not finite, and small enough to be squared."""
    return np.nan_to_num(as_array(value).astype(np.float64), posinf=0.0, neginf=0.0).clip(-1e100, 1e100)


def as_plane(value: Item) -> np.ndarray:
    """Return the item, a map of one channel, without the axis of channels."""
    values = as_array(value)
    if values.ndim == 3 and values.shape[0] == 1:
        return values[0]
    if values.ndim == 2:
        return values
    raise ValueError(f"a map of one channel needs the shape (1, height, width), but has {values.shape}")

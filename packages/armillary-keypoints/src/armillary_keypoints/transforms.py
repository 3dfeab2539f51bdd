"""Random mask of AutoLink: the part of the picture that the decoder may see.

Source: He, Wandt and Rhodin 2022, arXiv:2205.10636; xingzhehe/AutoLink, models/encoder.py.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

import torch
from attrs.validators import and_, ge, gt, le
from jaxtyping import Bool
from torch import Tensor
from torch.nn import functional

from armillary import ports
from armillary.config import param
from armillary.interfaces import Transform
from armillary.seeds import per_item

_TRAIN = "xingzhehe/AutoLink, train.py"


class Pictures(TypedDict):
    """Batch before the mask."""

    image: ports.Image


class Masked(TypedDict):
    """Mask of a batch, added to it."""

    kept: ports.Mask


class RandomMask(
    Transform,
    name="random-mask",
    source="He, Wandt, Rhodin 2022, arXiv:2205.10636; xingzhehe/AutoLink, models/encoder.py",
    summary="square cells of the picture, most of them taken away at random",
):
    """Grid of square cells, each kept with the probability ``1 - missing``, independently for each item."""

    per = "batch"

    cells: int = param(16, unit="cell", source=f"{_TRAIN}: block", validator=gt(0), help="along each side")
    missing: float = param(
        0.8,
        unit="probability",
        source=f"{_TRAIN}: missing; Wang, Cao, Bernard 2024, Section 3: 80 per cent",
        validator=and_(ge(0.0), le(1.0)),
        help="that a cell is taken away",
    )

    def __call__(self, sample: Pictures, *, kinds: Mapping[str, str], generator: torch.Generator) -> Masked:
        """Return the batch with its mask."""
        image = sample["image"]
        grid = (1, self.cells, self.cells)
        drawn = per_item(
            lambda count, own: torch.rand(count, *grid, generator=own, device=own.device),
            len(image),
            generator=generator,
        )
        kept = (drawn > self.missing).to(image.device)
        changed: Any = {**sample, "kept": spread_cells(kept, height=image.shape[-2], width=image.shape[-1])}
        return changed


def spread_cells(
    cells: Bool[Tensor, "batch 1 rows columns"], *, height: int, width: int
) -> Bool[Tensor, "batch 1 height width"]:
    """Return a mask in which each pixel has the value of the cell that covers its upper left corner, as nearest resizing does."""
    return functional.interpolate(cells.float(), size=(height, width), mode="nearest") > 0.5

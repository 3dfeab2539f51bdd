"""What the decoder may see of the picture: a random mask of AutoLink.

Source: He, Wandt and Rhodin 2022, arXiv:2205.10636; xingzhehe/AutoLink, models/encoder.py.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn import functional

from armillary.interfaces.transform import Transform
from armillary.ports import Shape
from armillary.seeds import per_item

if TYPE_CHECKING:
    from armillary_keypoints.config import RandomMaskConfig

Shapes = Mapping[str, Shape]


def spread_cells(
    cells: Bool[Tensor, "batch 1 rows columns"], *, height: int, width: int
) -> Bool[Tensor, "batch 1 height width"]:
    """Mask in which each pixel has the value of the cell that covers its upper left corner, as nearest resizing does."""
    return functional.interpolate(cells.float(), size=(height, width), mode="nearest") > 0.5


class RandomMask(Transform):
    """Add ``kept``: a grid of square cells, each kept with the probability ``1 - missing``, by itself for each item.

    Args:
        cells: along each side of the picture.
        missing: probability that a cell is taken away.
    """

    def __init__(self, *, cells: int, missing: float) -> None:
        self.cells, self.missing = cells, missing

    @classmethod
    def build(cls, config: "RandomMaskConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return the mask of these settings."""
        return cls(cells=config.cells, missing=config.missing)

    def __call__(
        self, sample: dict[str, Any], *, kinds: Mapping[str, str], generator: torch.Generator
    ) -> dict[str, Any]:
        """Return the batch with its mask."""
        image: Tensor = sample["image"]
        grid = (1, self.cells, self.cells)
        drawn = per_item(
            lambda count, own: torch.rand(count, *grid, generator=own, device=own.device),
            len(image),
            generator=generator,
        )
        kept = (drawn > self.missing).to(image.device)
        return {**sample, "kept": spread_cells(kept, height=image.shape[-2], width=image.shape[-1])}

"""Dense equivariant labelling of Thewlis, Bilen and Vedaldi 2017, arXiv:1706.02932, Section 3.

A network gives every pixel a label. Labels of one object point must be the same in a picture and in its deformed copy, and
labels of different points must differ: both are asked for by losses over pairs of pictures, of which the method knows nothing.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.interfaces.method import Method

if TYPE_CHECKING:
    from armillary.config import NoConfig


class Labelling(Method):
    """Pictures to label maps.

    Args:
        encoder: image to features.
        head: features to labels.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    @classmethod
    def build(cls, config: "NoConfig", *, parts: Mapping[str, nn.Module]) -> Self:
        """Return the method of these parts; it has no settings."""
        return cls(parts["encoder"], parts["head"])

    def forward(
        self, source: Float[Tensor, "batch 3 height width"], target: Float[Tensor, "batch 3 height width"]
    ) -> dict[str, Tensor]:
        """Return ``source_labels`` and ``target_labels``, from one call, so that both share the statistics of the batch."""
        source_labels, target_labels = self._label(torch.cat((source, target))).chunk(2)
        return {"source_labels": source_labels, "target_labels": target_labels}

    def predict(self, image: Float[Tensor, "batch 3 rows columns"]) -> dict[str, Tensor]:
        """Return ``labels`` of pictures of any size that the encoder serves."""
        return {"labels": self._label(image)}

    def _label(self, image: Float[Tensor, "batch 3 height width"]) -> Tensor:
        # Networks may run in half precision; matching does not.
        exact = torch.promote_types(image.dtype, torch.float32)
        return self.head(**self.encoder(image=image))["labels"].to(exact)

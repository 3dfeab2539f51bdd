"""Key points of single pictures: AutoLink (He, Wandt and Rhodin 2022, arXiv:2205.10636) and the 3D shape space of Wang, Cao and
Bernard 2024, Sections 3 and 4.

The detector finds K points; the graph that links them is drawn, with weights that all pictures share; from this drawing and the
few patches that a random mask leaves, the decoder has to make the picture again. So the points must say what the patches do
not: where the object's parts are. With a shape space the points must besides be the picture of a 3D shape, a mean and a few
directions that all pictures share.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from armillary.interfaces.method import Illustration, Method
from armillary_keypoints.shape_space import ShapeSpace
from armillary_keypoints.transforms import spread_cells
from armillary_keypoints.walks import STEPS, edges_between, shape_walks, walk_picture

if TYPE_CHECKING:
    from armillary_keypoints.config import KeypointsConfig

_MID_GREY = 0.5
_EVERY = 5  # cells; one of them is kept in prediction, a fifth as in training


class Keypoints(Method):
    """Pictures to key points, the graph that links them, and with a shape space their 3D shape and pose.

    Args:
        encoder: image to features.
        head: features to heat maps and key points.
        edges: key points to the drawn graph.
        decoder: masked image and drawn graph to the image again.
        shape: key points to a 3D shape that is projected onto them; without it the method is AutoLink.
        features: image to the features in which the reconstruction may be compared; never trained here.
        cells: of the mask in prediction, along each side.
    """

    def __init__(
        self,
        *,
        encoder: nn.Module,
        head: nn.Module,
        edges: nn.Module,
        decoder: nn.Module,
        shape: nn.Module | None = None,
        features: nn.Module | None = None,
        cells: int,
    ) -> None:
        super().__init__()
        self.encoder, self.head, self.edges, self.decoder = encoder, head, edges, decoder
        self.shape = shape
        self.features = None if features is None else features.requires_grad_(False).eval()
        self.cells = cells

    @classmethod
    def build(cls, config: "KeypointsConfig", *, parts: Mapping[str, nn.Module]) -> Self:
        """Return the method of these parts."""
        return cls(**parts, cells=config.cells)

    def train(self, mode: bool = True) -> Self:
        """Change the mode of everything but the features, which are fixed."""
        super().train(mode)
        if self.features is not None:
            self.features.eval()
        return self

    def forward(
        self, image: Float[Tensor, "batch 3 height width"], kept: Bool[Tensor, "batch 1 height width"]
    ) -> dict[str, Tensor]:
        """Return everything, by the names of the method's ports.

        Args:
            image: the picture.
            kept: what the decoder may see of it.
        """
        found = self.find(image)
        masked = torch.where(kept, image, _MID_GREY)
        found["masked_image"] = masked
        found |= self.decoder(masked_image=masked, edge_map=found["edge_map"].to(masked.dtype))
        if self.features is not None:
            with torch.no_grad():
                found["image_features"] = self.features(image=image)["features"]
            found["reconstruction_features"] = self.features(image=found["reconstruction"])["features"]
        return found

    def find(self, image: Float[Tensor, "batch 3 height width"]) -> dict[str, Tensor]:
        """Return what is found in the picture, without making it again."""
        found: dict[str, Tensor] = self.head(**self.encoder(image=image))
        # Networks may run in half precision; geometry does not.
        exact = torch.promote_types(image.dtype, torch.float32)
        points = found["keypoints2d"].to(exact)
        with torch.autocast(image.device.type, enabled=False):
            found = {**found, "keypoints2d": points, **self.edges(keypoints2d=points)}
            if self.shape is not None:
                found |= self.shape(keypoints2d=points)
        return found

    def predict(self, image: Float[Tensor, "batch 3 height width"]) -> dict[str, Tensor]:
        """Return the same with a mask that keeps every fifth cell, so that a picture's prediction does not change."""
        row, column = torch.meshgrid(*2 * [torch.arange(self.cells, device=image.device)], indexing="ij")
        cells = (row + 2 * column) % _EVERY == 0
        kept = spread_cells(cells[None, None], height=image.shape[-2], width=image.shape[-1])
        return self.forward(image, kept.expand(len(image), -1, -1, -1))

    def illustrate(self, found: Mapping[str, Tensor]) -> dict[str, Illustration]:
        """Return walks along each direction of the shape space; nothing without one."""
        if not isinstance(self.shape, ShapeSpace) or "shape_coefficients" not in found:
            return {}
        shapes = shape_walks(self.shape, found["shape_coefficients"], steps=STEPS)
        return {
            "canonical_keypoints3d-walks": Illustration(
                picture=walk_picture(shapes, edges=edges_between(shapes, found.get("edge_weights"))),
                title="Walks through the shapes: canonical keypoints3d",
                caption="A row for each direction of the shape space, from the front and from the right; columns in standard "
                "deviations over training pictures.",
                folder="walks",
            )
        }

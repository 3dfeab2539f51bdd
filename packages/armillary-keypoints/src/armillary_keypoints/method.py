"""Key points of single pictures: AutoLink (He, Wandt and Rhodin 2022, arXiv:2205.10636) and the 3D shape space of Wang, Cao and
Bernard 2024, Sections 3 and 4.

The detector finds K points; the graph that links them is drawn, with weights that all pictures share; from this drawing and the
few patches that a random mask leaves, the decoder has to make the picture again. So the points must say what the patches do
not: where the object's parts are. With a shape space the points must besides be the picture of a 3D shape, a mean and a few
directions that all pictures share.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, Self, TypedDict

import torch
from attrs.validators import gt
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces import Illustration, Method, slot
from armillary_keypoints.heads import Drawn
from armillary_keypoints.losses import Compared
from armillary_keypoints.networks import DecoderOut
from armillary_keypoints.shape_space import Canonical, InSpace, Posed, Scales, ShapeSpace
from armillary_keypoints.transforms import spread_cells
from armillary_keypoints.walks import STEPS, edges_between, shape_walks, walk_picture

_PAPER = "Wang, Cao, Bernard 2024"
_MID_GREY = 0.5
_EVERY = 5  # cells; one of them is kept in prediction, a fifth as in training

Coefficients = Annotated[ports.FeatureVector, "batch basis"]


class FeaturesFound(TypedDict):
    """Output of the slot ``encoder``."""

    features: ports.FeatureMap


class PointsFound(TypedDict):
    """Output of the slot ``head``."""

    keypoints2d: ports.Keypoints2d


class ShapeFound(Posed):
    """Output of the slot ``shape``."""

    shape_coefficients: Coefficients


class ComparedFound(TypedDict):
    """Output of the slot ``features``."""

    features: Compared


class KeypointsOut(TypedDict):
    """Everything that is found in a picture."""

    keypoints2d: ports.Keypoints2d
    edge_weights: Annotated[ports.FeatureVector, "batch pairs"]
    edge_map: ports.EdgeMap
    masked_image: ports.Image
    reconstruction: Annotated[ports.Image, ports.Of(unit="any")]
    keypoints3d: NotRequired[InSpace]
    projected_keypoints2d: NotRequired[ports.Keypoints2d]
    canonical_keypoints3d: NotRequired[Canonical]
    pose: NotRequired[ports.Pose]
    scale: NotRequired[Scales]
    shape_coefficients: NotRequired[Coefficients]
    reconstruction_features: NotRequired[Annotated[Compared, ports.With("features")]]
    image_features: NotRequired[Annotated[Compared, ports.With("features")]]


class Keypoints(
    Method,
    name="keypoints",
    source=f"{_PAPER}, Sections 3 and 4; He, Wandt, Rhodin 2022, arXiv:2205.10636",
    summary="key points of single pictures, the graph that links them, and a 3D shape space",
):
    """Pictures to key points, the graph that links them, and with a shape space their 3D shape and pose.

    Without ``shape`` the method is AutoLink. ``features`` are those in which the reconstruction may be compared; they are never
    trained here.
    """

    limits = (
        "Points are found in every picture, also where a part of the object is hidden: nothing says which are seen.",
        "What a point means is the network's choice: it need not be a point that a person would annotate.",
        "Depth is right up to its scale, and its sign follows a rule: the middle of the object is nearer than its rim.",
        "Pictures should show the object upright and from one side: large turns are learnt as deformations.",
    )

    cells: int = param(
        16,
        unit="cell",
        source="xingzhehe/AutoLink, train.py: block; in prediction ours, a fixed fifth of them is kept",
        validator=gt(0),
        help="of the mask in prediction, along each side; in training the transform has its own",
    )

    @slot("encoder")
    def encoder(self, image: ports.Image) -> FeaturesFound: ...
    @slot("head")
    def head(self, features: ports.FeatureMap) -> PointsFound: ...
    @slot("renderer")
    def edges(self, keypoints2d: ports.Keypoints2d) -> Drawn: ...
    @slot("renderer")
    def decoder(self, masked_image: ports.Image, edge_map: ports.EdgeMap) -> DecoderOut: ...
    @slot("head", optional=True)
    def shape(self, keypoints2d: ports.Keypoints2d) -> ShapeFound: ...
    @slot("encoder", optional=True)
    def features(self, image: ports.Image) -> ComparedFound: ...

    def setup(self) -> None:
        """Fix the features in which the reconstruction is compared."""
        if self.features is not None:
            self.features.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Change the mode of everything but the features, which are fixed."""
        super().train(mode)
        if self.features is not None:
            self.features.eval()
        return self

    def forward(self, image: ports.Image, kept: ports.Mask) -> KeypointsOut:
        """Return everything, by the names of the method's ports.

        Args:
            image: the picture.
            kept: the part of it that the decoder may see.
        """
        points = self.head(**self.encoder(image=image))["keypoints2d"]
        # Networks may run in half precision; geometry does not.
        points = points.to(torch.promote_types(image.dtype, torch.float32))
        with torch.autocast(image.device.type, enabled=False):
            found: Any = {"keypoints2d": points, **self.edges(keypoints2d=points)}
            if self.shape is not None:
                found |= self.shape(keypoints2d=points)
        masked = torch.where(kept, image, _MID_GREY)
        found |= {"masked_image": masked}
        found |= self.decoder(masked_image=masked, edge_map=found["edge_map"].to(masked.dtype))
        if self.features is not None:
            with torch.no_grad():
                found["image_features"] = self.features(image=image)["features"]
            found["reconstruction_features"] = self.features(image=found["reconstruction"])["features"]
        return found

    def predict(self, image: ports.Image) -> KeypointsOut:
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

"""A part of each kind."""

from typing import Annotated, Any, Self, TypedDict

import torch

from armillary import ports
from armillary.interfaces import Encoder, Evaluation, Evaluator, Figure, Head, Loss, Renderer, Transform, from_shape
from armillary.kernels.depth_mesh import render_depth
from armillary.kernels.sampling import identity_grid
from armillary.nn.spheres.convolution import area_mean
from armillary.nn.spheres.grids import soft

Signal = Annotated[ports.SphereSignal, "batch signals rows columns"]
CanonicalDepth = Annotated[ports.Depth, ports.Of(frame="canonical")]
ImageDepth = Annotated[ports.Depth, ports.Of(frame="image")]
Visible = Annotated[ports.Mask, ports.Of(frame="image")]


class Squared(TypedDict):
    """A map on the sphere, and its mean."""

    features: Signal
    feature: Annotated[ports.FeatureVector, "batch signals"]


class Squares(Encoder, name="squares", source="ours"):
    """A signal on the sphere, weighted and squared, and its mean: both as the signal turns and mirrors."""

    symmetry = "o3"

    def setup(self) -> None:
        """Make the weight."""
        self.gain = torch.nn.Parameter(torch.ones(1))

    def forward(self, sphere: Signal) -> Squared:
        """Return the map and the vector."""
        features = (self.gain * sphere).square()
        return {"features": features, "feature": area_mean(features, grid=soft(sphere.shape[-1] // 2))}


class Sure(TypedDict):
    """A standard deviation per pixel."""

    confidence: ports.Confidence


class Spread(Head, name="spread", source="ours"):
    """A standard deviation for a picture of one size."""

    features: int = from_shape("feature")
    extent: tuple[int, int] = from_shape("confidence", lambda shape: shape[2:])

    def setup(self) -> None:
        """Make the layer."""
        self.linear = torch.nn.Linear(self.features, 1)

    def forward(self, feature: ports.FeatureVector) -> Sure:
        """Return the map."""
        value = torch.nn.functional.softplus(self.linear(feature))
        return {"confidence": value[..., None, None].expand(-1, -1, *self.extent)}


class Seen(TypedDict):
    """Depth from another viewpoint."""

    depth: ImageDepth
    visible: Visible


class Surface(Renderer, name="surface", source="ours"):
    """A depth map from another viewpoint."""

    def forward(self, canonical_depth: CanonicalDepth, pose: ports.Pose, camera: ports.Camera) -> Seen:
        """Return the depth."""
        depth, visible = render_depth(canonical_depth, pose, camera)
        return {"depth": depth, "visible": visible}


class Absolute(Loss, name="absolute", source="ours"):
    """Absolute error of visible pixels."""

    def forward(self, reconstruction: ports.Image, image: ports.Image, visible: ports.Mask) -> ports.Pooled:
        """Return sum and count of each item."""
        error = torch.where(visible, reconstruction - image, 0.0).abs().mean(dim=1, keepdim=True)
        return error.sum(dim=(1, 2, 3)), visible.to(error).sum(dim=(1, 2, 3))


class Error(Evaluator, name="error/1", source="ours"):
    """Mean absolute error of depth."""

    def setup(self) -> None:
        """Begin without rows."""
        self.rows: dict[str, float] = {}

    def score(self, ids: list[str], depth: ImageDepth, true_depth: ImageDepth) -> None:
        """Measure a batch."""
        error = (depth - true_depth).abs().mean(dim=(1, 2, 3))
        self.rows.update(zip(ids, error.tolist(), strict=True))

    def merge(self, other: Self) -> None:
        """Add the rows of another shard."""
        self.rows.update(other.rows)

    def result(self) -> Evaluation:
        """Return the mean."""
        if not self.rows:
            raise ValueError("nothing was scored")
        mean = sum(self.rows.values()) / len(self.rows)
        return Evaluation(figures={"error": Figure(value=mean, count=len(self.rows))})


class Flip(Transform, name="flip", source="ours"):
    """The mirror image, half of the time."""

    moves = True

    def __call__(self, sample: dict[str, Any], *, kinds: Any, generator: torch.Generator) -> dict[str, Any]:
        """Return the sample or its mirror image."""
        changed = dict(sample)
        if torch.rand((), generator=generator) < 0.5:
            return changed
        for name, value in sample.items():
            if kinds.get(name) == "landmarks2d":
                changed[name] = value * torch.tensor([-1.0, 1.0])
            elif name != "id":
                changed[name] = value.flip(-1)
        return changed


class Picture(TypedDict):
    """A sample with a picture."""

    image: ports.Image


class Pair(TypedDict):
    """Two views, and the grid that leads from one to the other."""

    image: ports.Image
    source: ports.Image
    target: ports.Image
    grid: ports.Grid
    valid: ports.Mask


class Shift(Transform, name="shift", source="ours"):
    """A picture and itself, some pixels to the right."""

    def __call__(self, sample: Picture, *, kinds: Any, generator: torch.Generator) -> Pair:
        """Return the pair."""
        image = sample["image"]
        height, width = image.shape[-2:]
        pixels = int(torch.randint(0, 4, (), generator=generator))
        step = 2 * pixels / (width - 1)
        grid = identity_grid(height, width) + torch.tensor([step, 0.0])
        valid = (grid[..., 0] <= 1)[None]
        return {**sample, "source": image, "target": image.roll(pixels, dims=-1), "grid": grid, "valid": valid}

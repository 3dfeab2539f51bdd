"""The parts."""

from typing import Any, Self

import torch
from torch import Tensor

from armillary.interfaces import Encoder, Evaluator, Head, Loss, Renderer
from armillary.interfaces.evaluator import Evaluation, Figure
from armillary.interfaces.transform import Transform
from armillary.kernels.depth_mesh import render_depth
from armillary.kernels.sampling import identity_grid
from armillary.nn.spheres.convolution import area_mean
from armillary.nn.spheres.grids import soft


class Squares(Encoder):
    """A signal on the sphere, weighted and squared, and its mean: both as the signal turns and mirrors."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(1))

    @classmethod
    def build(cls, config: Any, *, inputs: Any, outputs: Any) -> Self:
        """Return the encoder."""
        return cls()

    def forward(self, *, sphere: Tensor) -> dict[str, Tensor]:
        """Return the map and the vector."""
        features = (self.gain * sphere).square()
        return {"features": features, "feature": area_mean(features, grid=soft(sphere.shape[-1] // 2))}


class Spread(Head):
    """A standard deviation for a picture of one size."""

    def __init__(self, features: int, height: int, width: int) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(features, 1)
        self.size = (height, width)

    @classmethod
    def build(cls, config: Any, *, inputs: Any, outputs: Any) -> Self:
        """Return the head."""
        return cls(inputs["feature"][1], *outputs["confidence"][2:])

    def forward(self, *, feature: Tensor) -> dict[str, Tensor]:
        """Return the map."""
        value = torch.nn.functional.softplus(self.linear(feature))
        return {"confidence": value[..., None, None].expand(-1, -1, *self.size)}


class Surface(Renderer):
    """A depth map from another viewpoint."""

    @classmethod
    def build(cls, config: Any, *, inputs: Any, outputs: Any) -> Self:
        """Return the renderer."""
        return cls()

    def forward(self, *, canonical_depth: Tensor, pose: Tensor, camera: Tensor) -> dict[str, Tensor]:
        """Return the depth."""
        depth, visible = render_depth(canonical_depth, pose, camera)
        return {"depth": depth, "visible": visible}


class Absolute(Loss):
    """Absolute error of visible pixels."""

    @classmethod
    def build(cls, config: Any, *, inputs: Any, assets: Any) -> Self:
        """Return the loss."""
        return cls()

    def forward(self, *, reconstruction: Tensor, image: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Return sum and count of each item."""
        error = torch.where(visible, reconstruction - image, 0.0).abs().mean(dim=1, keepdim=True)
        return error.sum(dim=(1, 2, 3)), visible.to(error).sum(dim=(1, 2, 3))


class Error(Evaluator):
    """Mean absolute error of depth."""

    def __init__(self) -> None:
        self.rows: dict[str, float] = {}

    @classmethod
    def build(cls, config: Any, *, inputs: Any) -> Self:
        """Return an empty evaluator."""
        return cls()

    def update(self, phase: str, *, ids: list[str], ports: Any) -> None:
        """Measure a batch."""
        error = (ports["depth"] - ports["true_depth"]).abs().mean(dim=(1, 2, 3))
        self.rows.update(zip(ids, error.tolist(), strict=True))

    def merge(self, other: Self) -> None:
        """Take in another shard."""
        self.rows.update(other.rows)

    def result(self) -> Evaluation:
        """Return the mean."""
        if not self.rows:
            raise ValueError("nothing was scored")
        mean = sum(self.rows.values()) / len(self.rows)
        return Evaluation(figures={"error": Figure(value=mean, count=len(self.rows))})


class Flip(Transform):
    """The mirror image, half of the time."""

    @classmethod
    def build(cls, config: Any, *, inputs: Any, outputs: Any) -> Self:
        """Return the flip."""
        return cls()

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


class Shift(Transform):
    """A picture and itself, some pixels to the right."""

    @classmethod
    def build(cls, config: Any, *, inputs: Any, outputs: Any) -> Self:
        """Return the shift."""
        return cls()

    def __call__(self, sample: dict[str, Any], *, kinds: Any, generator: torch.Generator) -> dict[str, Any]:
        """Return the pair."""
        image = sample["image"]
        height, width = image.shape[-2:]
        pixels = int(torch.randint(0, 4, (), generator=generator))
        step = 2 * pixels / (width - 1)
        grid = identity_grid(height, width) + torch.tensor([step, 0.0])
        valid = (grid[..., 0] <= 1)[None]
        return {**sample, "source": image, "target": image.roll(pixels, dims=-1), "grid": grid, "valid": valid}

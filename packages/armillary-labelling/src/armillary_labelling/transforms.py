"""Pairs of pictures in which one point of the object is known in both.

A pair is ``source``, ``target``, ``grid`` (for each pixel of the source its position in the target, in [-1, 1]) and ``valid``
(whether that position counts). Landmarks of the picture follow into both.

Source: Thewlis, Bilen and Vedaldi 2017, arXiv:1706.02932, Section 3.3; authors' code jamt9000/DVE, utils/tps.py and
data_loader/data_loaders.py.
"""

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageEnhance
from torch import Tensor

from armillary.errors import DataError
from armillary.interfaces.transform import Transform
from armillary.kernels import sampling
from armillary.kernels.sampling import grid_to_pixels, identity_grid, pixels_to_grid
from armillary.ports import Shape
from armillary_labelling.kernels.thin_plate_spline import spline_grid, spline_inverse

if TYPE_CHECKING:
    from armillary_labelling.config import FlowPairConfig, PhotometricConfig, TpsPairConfig

Shapes = Mapping[str, Shape]
Sample = dict[str, Any]

_EPSILON = 1e-5  # of the splines' basis, as theirs
_PAIR = ("source", "target", "grid", "valid")
_PARTNER = ("partner_image", "partner_grid", "partner_valid")
_WHITE = 255
_PRINCIPAL_STD = (0.2175, 0.0188, 0.0045)
_PRINCIPAL_COLOURS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
"""Principal colours of natural pictures (columns) and their spread. Source: Krizhevsky et al. 2012, as in PcaAug."""


class Strengths(NamedTuple):
    """Standard deviations of a random warp, in units of [-1, 1] and radians.

    Args:
        warp: of the spline's weights.
        strong_warp: of the half of them that is drawn again.
        translation: along each axis.
        scale: about 1.
        rotation: about 0.
    """

    warp: float
    strong_warp: float
    translation: float
    scale: float
    rotation: float


class _Window(NamedTuple):
    """What a margin leaves of a picture."""

    height: int
    width: int
    cut: int

    def positions(self, xy: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        """Return positions of the whole picture as positions of what is left."""
        pixels = grid_to_pixels(xy, height=self.height, width=self.width) - self.cut
        return pixels_to_grid(pixels, height=self.height - 2 * self.cut, width=self.width - 2 * self.cut)


class TpsPair(Transform):
    """Two warps of one picture by random thin-plate splines.

    The picture is warped once for the target, and the target once more for the source, so that the second warp alone is the
    grid. Then both lose a margin, which hides most of what came in from outside the picture. Landmarks go through the exact
    inverse of the splines; one that leaves a picture is not visible there.

    Args:
        control: control points along each side.
        first: strengths of the first warp.
        second: strengths of the second.
        margin: what is cut off at each side, as a share of it, rounded to pixels.
        mask_outside: leave pixels out whose point has left the target.
        landmarks: carry landmarks into both pictures.
        unless_paired: leave samples as they are that are pairs already.

    Source: utils/tps.py, Warper. Deviates: landmarks are exact, theirs lie at the nearest pixel.
    """

    def __init__(
        self,
        *,
        control: int,
        first: Strengths,
        second: Strengths,
        margin: float,
        mask_outside: bool = False,
        landmarks: bool = True,
        unless_paired: bool = False,
    ) -> None:
        self.control = control
        self.first = first
        self.second = second
        self.margin = margin
        self.mask_outside = mask_outside
        self.landmarks = landmarks
        self.unless_paired = unless_paired

    @classmethod
    def build(cls, config: "TpsPairConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return the warper of these settings.

        Raises:
            ValueError: nothing is left between the margins.
        """
        second = Strengths(config.warp, config.strong_warp, config.translation, config.scale, config.rotation)
        affine = config.first_affine
        first = Strengths(
            config.first_warp * config.warp,
            config.first_warp * config.strong_warp,
            affine * config.translation,
            affine * config.scale,
            affine * config.rotation,
        )
        height, width = inputs["image"][-2:]
        if height is not None and width is not None:
            _margin(config.margin, height=height, width=width)
        return cls(
            control=config.control,
            first=first,
            second=second,
            margin=config.margin,
            mask_outside=config.mask_outside,
            landmarks=config.landmarks,
            unless_paired=config.unless_paired,
        )

    def __call__(self, sample: Sample, *, kinds: Mapping[str, str], generator: torch.Generator) -> Sample:
        """Return the sample with ``source``, ``target``, ``grid``, ``valid``, and landmarks of both where wanted."""
        if self.unless_paired and all(name in sample for name in _PAIR):
            return sample
        image: Tensor = sample["image"]
        height, width = image.shape[-2:]
        cut = _margin(self.margin, height=height, width=width)
        to_image, to_target = (
            random_weights(self.control**2, strengths, generator=generator) for strengths in (self.first, self.second)
        )
        inside = (slice(cut, height - cut), slice(cut, width - cut))
        lattice = (self.control, self.control)
        size = {"height": height, "width": width, "control": lattice, "epsilon": _EPSILON}
        whole_target = sampling.sample(image, spline_grid(to_image, **size))
        # Only what the margin leaves of the second warp is looked at.
        whole_grid = spline_grid(to_target, **size)[inside]
        window = _Window(height=height, width=width, cut=cut)
        grid = window.positions(whole_grid)
        valid = (
            (grid.abs() <= 1).all(-1)[None] if self.mask_outside else torch.ones(1, *grid.shape[:2], dtype=torch.bool)
        )
        pair = {
            "source": sampling.sample(whole_target, whole_grid),
            "target": whole_target[:, inside[0], inside[1]],
            "grid": grid,
            "valid": valid,
        }
        return sample | pair | self._landmarks(sample, to_image, to_target, window)

    def _landmarks(
        self,
        sample: Mapping[str, Any],
        to_image: Float[Tensor, "weights 2"],
        to_target: Float[Tensor, "weights 2"],
        window: _Window,
    ) -> Sample:
        """Return landmarks of both pictures, and whether each is seen there."""
        if not self.landmarks or "true_landmarks2d" not in sample:
            return {}
        points: Tensor = sample["true_landmarks2d"]
        seen: Tensor = sample.get("true_visible", torch.ones(points.shape[0], dtype=torch.bool))
        found: Sample = {}
        for name, weights in (("target", to_image), ("source", to_target)):
            points, exact = spline_inverse(weights, points, control=(self.control, self.control), epsilon=_EPSILON)
            seen = seen & exact
            inside = window.positions(points)
            found[f"{name}_landmarks2d"] = inside
            found[f"{name}_visible"] = seen & (inside.abs() <= 1).all(-1)
        return found


def random_weights(controls: int, strengths: Strengths, *, generator: torch.Generator) -> Float[Tensor, "weights 2"]:
    """Weights of a random spline: each is drawn small, half of them again and stronger, then an affine map is added.

    Args:
        controls: number of control points.

    Source: utils/tps.py, random_tps_weights.
    """

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    weak, strong = strengths.warp * normal(controls, 2), strengths.strong_warp * normal(controls, 2)
    bend = torch.where(torch.rand((controls, 2), generator=generator) > 0.5, strong, weak)
    angle, scale = strengths.rotation * normal(), 1 + strengths.scale * normal()
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    affine = torch.stack((strengths.translation * normal(2), torch.stack((cosine, -sine)), torch.stack((sine, cosine))))
    return torch.cat((bend, affine))


def _margin(share: float, *, height: int, width: int) -> int:
    """Return the margin in pixels of a picture's smaller side."""
    cut = round(share * min(height, width))
    if 2 * cut >= min(height, width):
        raise ValueError(f"a margin of {share} leaves nothing of a picture of {height} x {width}")
    return cut


class FlowPair(Transform):
    """A picture, its partner, and the flow from the one to the other.

    Args:
        minimum_flow: pixels that move by less are left out, in pixels.
        required: refuse samples without flow; else they pass as they are.

    Source: Section 4.1: areas of zero flow are ignored, which removes the background.
    """

    def __init__(self, *, minimum_flow: float, required: bool = True) -> None:
        self.minimum_flow = minimum_flow
        self.required = required

    @classmethod
    def build(cls, config: "FlowPairConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return the transform of these settings."""
        return cls(minimum_flow=config.minimum_flow, required=config.required)

    def __call__(self, sample: Sample, *, kinds: Mapping[str, str], generator: torch.Generator) -> Sample:
        """Return the sample with ``source``, ``target``, ``grid`` and ``valid``; nothing is drawn.

        Raises:
            DataError: the sample has no flow, and it is required.
        """
        missing = [name for name in _PARTNER if name not in sample]
        if missing and not self.required:
            return sample
        if missing:
            raise DataError(
                f"{sample.get('id', 'a sample')}: pairs by flow need {', '.join(missing)}, which this data does not bring: "
                f"flow/ID.npy or flow/ID.flo beside the pictures, or a recipe that warps them, labelling:quick"
            )
        grid = sample["partner_grid"]
        valid = sample["partner_valid"] & (grid.abs() <= 1).all(dim=-1)[None]  # a crop moves masks, not what they say
        if self.minimum_flow > 0:
            height, width = grid.shape[:2]
            still = identity_grid(height, width, dtype=grid.dtype)
            moved = grid_to_pixels(grid, height=height, width=width) - grid_to_pixels(still, height=height, width=width)
            valid = valid & (moved.norm(dim=-1) >= self.minimum_flow)[None]
        return sample | {"source": sample["image"], "target": sample["partner_image"], "grid": grid, "valid": valid}


class Photometric(Transform):
    """Compression, colours and light of each picture, drawn for each by itself.

    Args:
        ports: pictures that change.
        jpeg_quality: lowest and highest quality of compression; None leaves it out.
        jpeg_scale: standard deviation about 1 of the size at which the picture is compressed.
        jpeg_smallest: smallest such size, as a share of the picture's.
        jitter: largest changes of brightness, contrast and saturation, as shares.
        lighting: standard deviation along each principal colour, in units of its own spread.

    Source: data_loaders.py: JPEGNoise, ColorJitter, PcaAug. Deviates: values end in [0, 1]; there the light may leave it.
    """

    def __init__(
        self,
        *,
        ports: tuple[str, ...],
        jpeg_quality: tuple[int, int] | None,
        jpeg_scale: float,
        jpeg_smallest: float,
        jitter: tuple[float, float, float],
        lighting: float,
    ) -> None:
        self.ports = ports
        self.jpeg_quality = jpeg_quality
        self.jpeg_scale = jpeg_scale
        self.jpeg_smallest = jpeg_smallest
        self.jitter = jitter
        self.lighting = lighting

    @classmethod
    def build(cls, config: "PhotometricConfig", *, inputs: Shapes, outputs: Shapes) -> Self:
        """Return the transform of these settings."""
        return cls(
            ports=config.ports,
            jpeg_quality=config.jpeg_quality if config.jpeg else None,
            jpeg_scale=config.jpeg_scale,
            jpeg_smallest=config.jpeg_smallest,
            jitter=(config.brightness, config.contrast, config.saturation),
            lighting=config.lighting,
        )

    def __call__(self, sample: Sample, *, kinds: Mapping[str, str], generator: torch.Generator) -> Sample:
        """Return the sample with other pictures at these ports.

        Raises:
            DataError: the sample has no picture at one of the ports.
        """
        missing = [name for name in self.ports if name not in sample]
        if missing:
            raise DataError(
                f"{sample.get('id', 'a sample')}: there is no {', '.join(missing)} whose colours could change; a pair must be "
                f"made first (labelling:tps-pair, labelling:flow-pair), or name others in ports"
            )
        return sample | {name: self._change(sample[name], generator) for name in self.ports}

    def _change(
        self, image: Float[Tensor, "3 height width"], generator: torch.Generator
    ) -> Float[Tensor, "3 height width"]:
        picture = Image.fromarray((image * _WHITE).to(torch.uint8).movedim(0, -1).numpy())  # cuts off, as theirs
        if self.jpeg_quality is not None:
            picture = self._compress(picture, self.jpeg_quality, generator)
        picture = self._jitter(picture, generator)
        changed = torch.from_numpy(np.array(picture)).movedim(-1, 0).to(image.dtype) / _WHITE
        alpha = self.lighting * torch.randn(3, generator=generator)
        light = torch.tensor(_PRINCIPAL_COLOURS) @ (alpha * torch.tensor(_PRINCIPAL_STD))
        return (changed + light.to(image.dtype)[:, None, None]).clamp(0, 1)

    def _compress(self, picture: Image.Image, quality: tuple[int, int], generator: torch.Generator) -> Image.Image:
        scale = max(self.jpeg_smallest, 1 + self.jpeg_scale * float(torch.randn((), generator=generator)))
        width, height = (max(1, int(scale * side)) for side in picture.size)
        file = io.BytesIO()
        drawn = int(torch.randint(quality[0], quality[1] + 1, (), generator=generator))
        picture.resize((width, height), Image.Resampling.BILINEAR).save(file, format="JPEG", quality=drawn)
        return Image.open(file).resize(picture.size, Image.Resampling.BILINEAR)

    def _jitter(self, picture: Image.Image, generator: torch.Generator) -> Image.Image:
        enhancers: tuple[Callable[[Image.Image], Any], ...] = (
            ImageEnhance.Brightness,
            ImageEnhance.Contrast,
            ImageEnhance.Color,
        )
        factors = 1 + (2 * torch.rand(3, generator=generator) - 1) * torch.tensor(self.jitter)
        for index in torch.randperm(3, generator=generator).tolist():
            picture = enhancers[index](picture).enhance(float(factors[index]))
        return picture

"""Pairs of pictures in which one point of the object is known in both.

A pair is ``source``, ``target``, ``grid`` (for each pixel of the source its position in the target, in [-1, 1]) and ``valid``
(whether that position counts). Landmarks of the picture follow into both.

Source: Thewlis, Bilen and Vedaldi 2017, arXiv:1706.02932, Section 3.3; authors' code jamt9000/DVE, utils/tps.py and
data_loader/data_loaders.py.
"""

import io
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, NotRequired, TypedDict

import numpy as np
import torch
from attrs.validators import and_, deep_iterable, ge, gt, le, lt
from jaxtyping import Float
from PIL import Image, ImageEnhance
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.errors import DataError
from armillary.interfaces import Transform, from_shape
from armillary.kernels import sampling
from armillary.kernels.sampling import grid_to_pixels, identity_grid, pixels_to_grid
from armillary.ports import Shape
from armillary.rules import Rising
from armillary_labelling.kernels.thin_plate_spline import spline_grid, spline_inverse

_PAPER = "Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932"
_TPS = "jamt9000/DVE, utils/tps.py"
_WARPER = f"{_TPS}: Warper"
_LOADERS = "jamt9000/DVE, data_loader/data_loaders.py"

_EPSILON = 1e-5  # of the splines' basis, as theirs
_PAIR = ("source", "target", "grid", "valid")
_PARTNER = ("partner_image", "partner_grid", "partner_valid")
_WHITE = 255
_PRINCIPAL_STD = (0.2175, 0.0188, 0.0045)
_PRINCIPAL_COLOURS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
"""Principal colours of natural pictures (columns) and their spread. Source: Krizhevsky et al. 2012, as in PcaAug."""


class Picture(TypedDict):
    """Picture with its landmarks."""

    image: ports.Image
    true_landmarks2d: NotRequired[ports.Landmarks2d]
    true_visible: NotRequired[ports.Visibility]


class WarpedPair(TypedDict):
    """Pair of warped pictures without their margins, and their landmarks."""

    source: Annotated[ports.Image, "batch 3 rows columns"]
    target: Annotated[ports.Image, "batch 3 rows columns"]
    grid: Annotated[ports.Grid, "batch rows columns 2"]
    valid: Annotated[ports.Mask, "batch 1 rows columns"]
    source_landmarks2d: NotRequired[ports.Landmarks2d]
    target_landmarks2d: NotRequired[ports.Landmarks2d]
    source_visible: NotRequired[ports.Visibility]
    target_visible: NotRequired[ports.Visibility]


class Partnered(TypedDict):
    """Picture with its partner."""

    image: ports.Image
    partner_image: NotRequired[ports.Image]
    partner_grid: NotRequired[ports.Grid]
    partner_valid: NotRequired[ports.Mask]


class Pair(TypedDict):
    """Pair of pictures of one size."""

    source: ports.Image
    target: ports.Image
    grid: ports.Grid
    valid: ports.Mask


class Coloured(TypedDict):
    """Pictures whose colours change."""

    source: NotRequired[ports.Image]
    target: NotRequired[ports.Image]


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

    def times(self, warp: float, *, affine: float) -> "Strengths":
        """Return the strengths times a factor for the spline and one for the affine map."""
        spline = (warp * self.warp, warp * self.strong_warp)
        return Strengths(*spline, affine * self.translation, affine * self.scale, affine * self.rotation)


class _Window(NamedTuple):
    """Part of a picture inside the margins."""

    height: int
    width: int
    cut: int

    def positions(self, xy: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        """Return positions of the whole picture as positions of what is left."""
        pixels = grid_to_pixels(xy, height=self.height, width=self.width) - self.cut
        return pixels_to_grid(pixels, height=self.height - 2 * self.cut, width=self.width - 2 * self.cut)


class TpsPair(
    Transform,
    name="tps-pair",
    source=f"{_PAPER}, Section 3.3; {_TPS}",
    summary="two warps of one picture by thin-plate splines, and where each pixel went",
):
    """Two warps of one picture by random thin-plate splines.

    The picture is warped once for the target, and the target once more for the source, so that the second warp alone is the
    grid. Then both lose a margin, which hides most of what came in from outside the picture. Landmarks go through the exact
    inverse of the splines; one that leaves a picture is not visible there.

    Source: utils/tps.py, Warper. Deviates: landmarks are exact, theirs lie at the nearest pixel.
    """

    control: int = param(10, unit="point", source=_WARPER, validator=ge(2), help="control points along each side")
    warp: float = param(
        0.001,
        unit="normalised",
        source=f"{_WARPER}: warpsd_all",
        validator=ge(0),
        help="standard deviation of the splines' weights",
    )
    strong_warp: float = param(
        0.01,
        unit="normalised",
        source=f"{_WARPER}: warpsd_subset",
        validator=ge(0),
        help="the same for the half of the weights that is drawn again",
    )
    translation: float = param(
        0.1, unit="normalised", source=f"{_WARPER}: transsd", validator=ge(0), help="standard deviation along each axis"
    )
    scale: float = param(0.1, source=f"{_WARPER}: scalesd", validator=ge(0), help="standard deviation about 1")
    rotation: float = param(
        math.radians(5.0),
        unit="radian",
        source=f"{_WARPER}: rotsd, 5 degrees",
        validator=ge(0),
        help="standard deviation",
    )
    first_warp: float = param(
        0.5, source=f"{_WARPER}: im1_multiplier", validator=ge(0), help="factor on the weights of the first warp"
    )
    first_affine: float = param(
        1.0,
        source=f"{_WARPER}: im1_multiplier_aff",
        validator=ge(0),
        help="factor on translation, scale and rotation of the first warp",
    )
    margin: float = param(
        0.15,
        unit="share of the side",
        source="jamt9000/DVE, configs/celeba/smallnet-3d.json: crop 15 of 100",
        validator=and_(ge(0), lt(0.5)),
        help="what is cut off at each side after the warp, which hides most of what came in from outside the picture",
    )
    mask_outside: bool = param(
        False,
        source=f"{_PAPER} and {_WARPER} mask nothing",
        help="leave pixels out of the loss whose point has left the target",
    )
    landmarks: bool = param(
        False,
        help="carry landmarks into both pictures, for measures; losses do not look at them, and it takes ten times as long",
    )
    unless_paired: bool = param(False, help="leave samples as they are that are pairs already")
    picture: Shape = from_shape("image", lambda shape: shape, default=(None, None))

    def setup(self) -> None:
        """Compute the strengths of both warps.

        Raises:
            ValueError: nothing is left between the margins.
        """
        height, width = self.picture[-2:]
        if height is not None and width is not None:
            _margin(self.margin, height=height, width=width)
        self.second = Strengths(self.warp, self.strong_warp, self.translation, self.scale, self.rotation)
        self.first = self.second.times(self.first_warp, affine=self.first_affine)

    def __call__(self, sample: Picture, *, kinds: Mapping[str, str], generator: torch.Generator) -> WarpedPair:
        """Return the sample with ``source``, ``target``, ``grid``, ``valid``, and landmarks of both where wanted."""
        given: Any = sample
        if self.unless_paired and all(name in given for name in _PAIR):
            return given
        image = sample["image"]
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
        return given | pair | self._landmarks(given, to_image, to_target, window)

    def _landmarks(
        self,
        sample: Mapping[str, Any],
        to_image: Float[Tensor, "weights 2"],
        to_target: Float[Tensor, "weights 2"],
        window: _Window,
    ) -> dict[str, Any]:
        """Return landmarks of both pictures, and whether each is seen there."""
        if not self.landmarks or "true_landmarks2d" not in sample:
            return {}
        points: Tensor = sample["true_landmarks2d"]
        seen: Tensor = sample.get("true_visible", torch.ones(points.shape[0], dtype=torch.bool))
        found: dict[str, Any] = {}
        for name, weights in (("target", to_image), ("source", to_target)):
            points, exact = spline_inverse(weights, points, control=(self.control, self.control), epsilon=_EPSILON)
            seen = seen & exact
            inside = window.positions(points)
            found[f"{name}_landmarks2d"] = inside
            found[f"{name}_visible"] = seen & (inside.abs() <= 1).all(-1)
        return found


def random_weights(controls: int, strengths: Strengths, *, generator: torch.Generator) -> Float[Tensor, "weights 2"]:
    """Return weights of a random spline: each is drawn small, half of them again and stronger, then an affine map is added.

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


class FlowPair(
    Transform,
    name="flow-pair",
    source=f"{_PAPER}, Section 4.1",
    summary="a picture and its partner, with the flow that the data or the generator brings",
):
    """Picture, its partner, and the flow from the one to the other.

    Source: Section 4.1: areas of zero flow are ignored, which removes the background.
    """

    minimum_flow: float = param(
        0.0,
        unit="pixel",
        validator=ge(0),
        help="pixels that move by less than this are left out of the loss; 0 leaves out none",
    )
    required: bool = param(True, help="refuse samples without flow; false passes them on, to be warped")

    def __call__(self, sample: Partnered, *, kinds: Mapping[str, str], generator: torch.Generator) -> Pair:
        """Return the sample with ``source``, ``target``, ``grid`` and ``valid``; nothing is drawn.

        Raises:
            DataError: the sample has no flow, and it is required.
        """
        given: Any = sample
        missing = [name for name in _PARTNER if name not in given]
        if missing and not self.required:
            return given
        if missing:
            raise DataError(
                f"{given.get('id', 'a sample')}: pairs by flow need {', '.join(missing)}, which this data does not bring: "
                f"flow/ID.npy or flow/ID.flo beside the pictures, or a recipe that warps them, labelling:quick"
            )
        grid = given["partner_grid"]
        valid = given["partner_valid"] & (grid.abs() <= 1).all(dim=-1)[None]  # a crop moves masks, not what they say
        if self.minimum_flow > 0:
            height, width = grid.shape[:2]
            still = identity_grid(height, width, dtype=grid.dtype)
            moved = grid_to_pixels(grid, height=height, width=width) - grid_to_pixels(still, height=height, width=width)
            valid = valid & (moved.norm(dim=-1) >= self.minimum_flow)[None]
        return given | {"source": given["image"], "target": given["partner_image"], "grid": grid, "valid": valid}


JITTER = param(
    0.4,
    source=f"{_LOADERS}: ColorJitter(.4, .4, .4)",
    validator=and_(ge(0), le(1)),
    help="changes by a factor of 1 minus to 1 plus this",
)


class Photometric(
    Transform,
    name="photometric",
    source=_LOADERS,
    summary="compression, brightness, contrast, saturation and light of each picture by itself",
):
    """Compression, colours and light of each picture, drawn for each by itself.

    Source: data_loaders.py: JPEGNoise, ColorJitter, PcaAug. Deviates: values end in [0, 1]; there the light may leave it.
    """

    ports: tuple[str, ...] = param(("source", "target"), help="pictures that change")
    jpeg: bool = param(True, source=f"{_LOADERS}: JPEGNoise", help="resize, compress and resize back")
    jpeg_quality: tuple[int, int] = param(
        (30, 98),
        source=f"{_LOADERS}: JPEGNoise, randint(30, 99)",
        validator=and_(deep_iterable(and_(ge(1), le(100))), Rising()),
        help="lowest and highest",
    )
    jpeg_scale: float = param(
        0.5, source=f"{_LOADERS}: JPEGNoise", validator=ge(0), help="standard deviation of the size about 1"
    )
    jpeg_smallest: float = param(
        0.8, source=f"{_LOADERS}: JPEGNoise", validator=gt(0), help="smallest size, as a share of the picture's"
    )
    brightness: float = JITTER
    contrast: float = JITTER
    saturation: float = JITTER
    lighting: float = param(
        0.1,
        source=f"{_LOADERS}: PcaAug",
        validator=ge(0),
        help="standard deviation along the principal colours of natural pictures",
    )

    def __call__(self, sample: Coloured, *, kinds: Mapping[str, str], generator: torch.Generator) -> Any:
        """Return the sample with other pictures at these ports.

        Raises:
            DataError: the sample has no picture at one of the ports.
        """
        given: Any = sample
        missing = [name for name in self.ports if name not in given]
        if missing:
            raise DataError(
                f"{given.get('id', 'a sample')}: there is no {', '.join(missing)} whose colours could change; a pair must be "
                f"made first (labelling:tps-pair, labelling:flow-pair), or name others in ports"
            )
        return given | {name: self._change(given[name], generator) for name in self.ports}

    def _change(
        self, image: Float[Tensor, "3 height width"], generator: torch.Generator
    ) -> Float[Tensor, "3 height width"]:
        picture = Image.fromarray((image * _WHITE).to(torch.uint8).movedim(0, -1).numpy())  # cuts off, as theirs
        if self.jpeg:
            picture = self._compress(picture, generator)
        picture = self._jitter(picture, generator)
        changed = torch.from_numpy(np.array(picture)).movedim(-1, 0).to(image.dtype) / _WHITE
        alpha = self.lighting * torch.randn(3, generator=generator)
        light = torch.tensor(_PRINCIPAL_COLOURS) @ (alpha * torch.tensor(_PRINCIPAL_STD))
        return (changed + light.to(image.dtype)[:, None, None]).clamp(0, 1)

    def _compress(self, picture: Image.Image, generator: torch.Generator) -> Image.Image:
        lowest, highest = self.jpeg_quality
        scale = max(self.jpeg_smallest, 1 + self.jpeg_scale * float(torch.randn((), generator=generator)))
        width, height = (max(1, int(scale * side)) for side in picture.size)
        file = io.BytesIO()
        drawn = int(torch.randint(lowest, highest + 1, (), generator=generator))
        picture.resize((width, height), Image.Resampling.BILINEAR).save(file, format="JPEG", quality=drawn)
        return Image.open(file).resize(picture.size, Image.Resampling.BILINEAR)

    def _jitter(self, picture: Image.Image, generator: torch.Generator) -> Image.Image:
        enhancers: tuple[Callable[[Image.Image], Any], ...] = (
            ImageEnhance.Brightness,
            ImageEnhance.Contrast,
            ImageEnhance.Color,
        )
        strengths = (self.brightness, self.contrast, self.saturation)
        factors = 1 + (2 * torch.rand(3, generator=generator) - 1) * torch.tensor(strengths)
        for index in torch.randperm(3, generator=generator).tolist():
            picture = enhancers[index](picture).enhance(float(factors[index]))
        return picture

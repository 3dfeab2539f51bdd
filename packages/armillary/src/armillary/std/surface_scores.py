"""Measures of the surface that a picture shows: its normals and its albedo.

Both are taken over the pixels that truth and prediction both cover, each mask eroded first, as ``side-mad/1`` does. The values of a
row are of one picture. ``covered`` of a row is the share of the true pixels that count.
"""

import abc
from typing import Annotated, ClassVar, Self

import torch
from attrs.validators import ge, gt
from jaxtyping import Bool, Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces.evaluator import Evaluation
from armillary.kernels.cameras import intrinsics
from armillary.kernels.depth_mesh import inverse_warp_grid
from armillary.kernels.sampling import sample
from armillary.kernels.shading import normals_from_depth
from armillary.ports import Of
from armillary.std.branches import CanonicalAlbedo, PictureDepth
from armillary.std.scores import (
    METHOD,
    AverageMap,
    Column,
    Scores,
    direction_angle,
    eroded,
    mean,
    median,
)

_UNSUP3D = "Wu, Rupprecht, Vedaldi 2020, arXiv:1911.11130, Section 4.1"
_FOUHEY = "Fouhey, Gupta, Hebert 2013, doi:10.1109/ICCV.2013.421"
_GROSSE = "Grosse et al. 2009, doi:10.1109/ICCV.2009.5459428, Section 4.1"
_PER_CENT = 100.0
_WIDE = 30.0  # degrees
_HALF = 0.5  # of a unit length

PictureNormals = Annotated[ports.Normals, Of(frame="camera")]
PictureAlbedo = Annotated[ports.Albedo, Of(frame="image")]
Maps = Float[Tensor, "batch 3 height width"]
Where = Bool[Tensor, "batch 1 height width"]


class _SurfaceScores(Scores):
    """Base of measures over pixels, with an average map as one guess."""

    guess: ClassVar[str]
    """Name of the average over the training split."""

    erosion: int = param(
        3,
        unit="pixel",
        source="elliottwu/unsup3d, unsup3d/model.py",
        validator=ge(1),
        help="side of the square that erodes both masks",
    )

    def setup(self) -> None:
        """Start without rows."""
        super().setup()
        self.average = AverageMap()

    def merge(self, other: Self) -> None:
        """Add another shard: sums add, rows join by id."""
        super().merge(other)
        self.average.merge(other.average)

    def result(self) -> Evaluation:
        """Return the figures of the method and of each guess."""
        notes = [] if self.average.map() is not None else [f"no guess {self.guess}: no fit pass was run"]
        covered = [row["covered"] for row in self.rows.get(METHOD, {}).values() if row["covered"] == row["covered"]]
        if covered:
            notes.append(
                f"{mean(torch.tensor(covered).numpy()):.1f} % of the true pixels are covered by the prediction"
            )
        return self.evaluation(*notes)

    def guesses(self, like: Maps) -> dict[str, Maps]:
        """Return the average map, if it was fitted."""
        average = self.average.map()
        return {} if average is None else {self.guess: average.to(like)[None].expand_as(like)}

    def keep_maps(
        self, found: Maps, truth: Maps, *, ids: list[str], known: Where, visible: Where, **guesses: Maps
    ) -> None:
        """Measure a batch of maps and of guesses; a guess covers every pixel."""
        everywhere, target = torch.ones_like(known), eroded(known, self.erosion)
        for who, (maps, seen) in {METHOD: (found, visible), **{k: (v, everywhere) for k, v in guesses.items()}}.items():
            valid = target & eroded(seen, self.erosion)
            covered = _PER_CENT * valid.sum(dim=(1, 2, 3)) / target.sum(dim=(1, 2, 3))
            measured = self.measured(torch.where(valid, maps, 0.0), torch.where(valid, truth, 0.0), valid)
            self.keep(who, ids, **measured, covered=covered)

    @abc.abstractmethod
    def measured(self, found: Maps, truth: Maps, valid: Where) -> dict[str, Float[Tensor, " batch"]]:
        """Return values per picture; maps are 0 where not valid."""


class _NormalScores(_SurfaceScores):
    """Base of the measures of normals."""

    protocol = (
        "angle between found and true normals, camera frame, over the pixels that truth and prediction both cover, each "
        "mask eroded by the settings' square; mad: mean over pixels, then over pictures; median: over pixels, then over "
        "pictures; below 30: per cent of the pixels, mean over pictures. Guesses: a surface that faces the viewer, and the "
        "average normal of each pixel over the training split."
    )
    columns: ClassVar = {
        "mad": Column(of="mean", unit="degree"),
        "median": Column(of="median", reduce=median, unit="degree", spread=False),
        "below 30": Column(of="below_30", unit="%", better="higher"),
    }
    guess = "average normals"

    def fit(self, ids: list[str], true_normals: PictureNormals, true_mask: ports.Mask | None = None) -> None:
        """Add a batch to the average normals."""
        del ids
        self.average.update(true_normals, known_normals(true_normals, true_mask))

    def measured(self, found: Maps, truth: Maps, valid: Where) -> dict[str, Float[Tensor, " batch"]]:
        """Return mean, median and share below 30 degrees of each picture."""
        angle = torch.where(valid, direction_angle(found, truth, dim=-3), float("nan")).flatten(1)
        below = torch.where(valid.flatten(1), (angle < _WIDE).to(angle.dtype), float("nan"))
        return {
            "mean": angle.nanmean(dim=1),
            "median": angle.nanmedian(dim=1).values,
            "below_30": _PER_CENT * below.nanmean(dim=1),
        }

    def keep_normals(
        self, normals: Maps, truth: Maps, *, ids: list[str], visible: Tensor | None, mask: Tensor | None
    ) -> None:
        """Measure a batch of normals and the guesses."""
        known = known_normals(truth, mask)
        seen = torch.ones_like(known) if visible is None else visible.bool()
        facing = torch.zeros_like(truth)
        facing[:, 2] = -1.0
        guesses = {"facing the viewer": facing, **self.guesses(truth)}
        self.keep_maps(normals, truth, ids=ids, known=known, visible=seen, **guesses)


def known_normals(truth: Maps, mask: Tensor | None) -> Where:
    """Return the pixels with a true normal: those of the mask where the vector is no hole, or without a mask all such pixels."""
    length = truth.norm(dim=1, keepdim=True)
    known = torch.isfinite(length) & (length > _HALF)
    return known if mask is None else known & mask.bool()


class NormalAngle(_NormalScores, name="normal-angle/1", source=f"{_UNSUP3D}; {_FOUHEY}"):
    """Angle between normals that a method gives and the true ones."""

    def score(
        self,
        ids: list[str],
        normals: PictureNormals,
        true_normals: PictureNormals,
        visible: ports.Mask | None = None,
        true_mask: ports.Mask | None = None,
    ) -> None:
        """Measure a batch."""
        self.keep_normals(normals, true_normals, ids=ids, visible=visible, mask=true_mask)


class DepthNormalAngle(_NormalScores, name="depth-normal-angle/1", source=f"{_UNSUP3D}; {_FOUHEY}"):
    """Angle between the normals of a found depth map and the true normals of the surface.

    ``side-mad/1`` has the normals of the true depth as truth, which are blurred by a pixel as those of the found depth are.
    """

    fov: float = param(
        0.17453292519943295,
        unit="radian",
        source="elliottwu/unsup3d, unsup3d/renderer: fov 10 degrees",
        validator=gt(0),
        help="horizontal field of view, used if neither the data nor the method has a camera",
    )

    def score(
        self,
        ids: list[str],
        depth: PictureDepth,
        true_normals: PictureNormals,
        visible: ports.Mask | None = None,
        true_mask: ports.Mask | None = None,
        camera: ports.Camera | None = None,
        canonical_camera: ports.Camera | None = None,
    ) -> None:
        """Measure a batch; the camera is that of the data, else that of the method."""
        camera = canonical_camera if camera is None else camera
        if camera is None:
            height, width = depth.shape[-2:]
            camera = intrinsics(self.fov, height=height, width=width, dtype=depth.dtype, device=depth.device)
            camera = camera.expand(depth.shape[0], 3, 3)
        safe = depth if visible is None else torch.where(visible.bool(), depth, 1.0)
        normals = normals_from_depth(safe, camera)
        self.keep_normals(normals, true_normals, ids=ids, visible=visible, mask=true_mask)


class _AlbedoScores(_SurfaceScores):
    """Base of the measures of albedo."""

    protocol = (
        "root mean square error of the albedo (times 100) after one factor per picture, by least squares over pixels and "
        "channels, in sRGB values: the methods multiply sRGB albedo by shading, so that a brighter light and a darker paint "
        "are the same picture there, and in linear light they are not. Over the pixels that truth and prediction both cover, "
        "each mask eroded by the settings' square; mean and standard deviation over pictures. Guesses, up to the same factor: "
        "one grey, the picture itself, and the average albedo of each pixel over the training split."
    )
    columns: ClassVar = {"rmse": Column(of="rmse", unit="1e-2")}
    guess = "average albedo"

    def fit(self, ids: list[str], true_albedo: PictureAlbedo, true_mask: ports.Mask | None = None) -> None:
        """Add a batch to the average albedo."""
        del ids
        self.average.update(true_albedo, known_albedo(true_albedo, true_mask))

    def measured(self, found: Maps, truth: Maps, valid: Where) -> dict[str, Float[Tensor, " batch"]]:
        """Return the error of each picture."""
        return {"rmse": _PER_CENT * scaled_error(found, truth, valid=valid)}

    def keep_albedo(
        self,
        albedo: Maps,
        truth: Maps,
        *,
        ids: list[str],
        visible: Tensor | None,
        mask: Tensor | None,
        image: Tensor | None,
    ) -> None:
        """Measure a batch of albedo in the picture's frame and the guesses."""
        known = known_albedo(truth, mask)
        seen = torch.ones_like(known) if visible is None else visible.bool()
        guesses = {"one grey": torch.ones_like(truth), **({} if image is None else {"the picture": image})}
        self.keep_maps(albedo, truth, ids=ids, known=known, visible=seen, **guesses, **self.guesses(truth))


def known_albedo(truth: Maps, mask: Tensor | None) -> Where:
    """Return the pixels with a true albedo: those of the mask, or without a mask those with numbers."""
    known = torch.isfinite(truth).all(dim=1, keepdim=True)
    return known if mask is None else known & mask.bool()


def scaled_error(found: Maps, truth: Maps, *, valid: Where) -> Float[Tensor, " batch"]:
    r"""Return the root mean square error after the best factor.

    .. math:: E = \Big(\frac{1}{3 |\Omega|} \sum_{\Omega, c} (s a_c - a^*_c)^2\Big)^{1/2}, \quad
              s = \sum a_c a^*_c \Big/ \sum a_c^2

    Args:
        found: :math:`a`, 0 where not valid; a picture without light has s = 0.
        truth: :math:`a^*`, 0 where not valid.
        valid: :math:`\Omega`.

    Returns:
        One value per picture, in the unit of the truth; nan where nothing is valid.

    Source: Grosse et al. 2009, Section 4.1, whose local windows are the whole mask here.
    """
    power = found.square().sum(dim=(1, 2, 3))
    scale = (found * truth).sum(dim=(1, 2, 3)) / torch.where(power > 0, power, 1.0)
    square = (scale[:, None, None, None] * found - truth).square().sum(dim=(1, 2, 3))
    return (square / (found.shape[1] * valid.sum(dim=(1, 2, 3)))).sqrt()


class AlbedoError(_AlbedoScores, name="albedo-error/1", source=_GROSSE):
    """Error of an albedo in the picture's frame, up to one factor per picture."""

    def score(
        self,
        ids: list[str],
        albedo: PictureAlbedo,
        true_albedo: PictureAlbedo,
        image: ports.Image | None = None,
        visible: ports.Mask | None = None,
        true_mask: ports.Mask | None = None,
    ) -> None:
        """Measure a batch."""
        self.keep_albedo(albedo, true_albedo, ids=ids, visible=visible, mask=true_mask, image=image)


class CanonicalAlbedoError(_AlbedoScores, name="canonical-albedo-error/1", source=_GROSSE):
    """Error of an albedo of the canonical view, looked up where depth and pose of the picture say, up to one factor per picture."""

    def score(
        self,
        ids: list[str],
        albedo: CanonicalAlbedo,
        depth: PictureDepth,
        pose: ports.Pose,
        canonical_camera: ports.Camera,
        true_albedo: PictureAlbedo,
        image: ports.Image | None = None,
        visible: ports.Mask | None = None,
        true_mask: ports.Mask | None = None,
    ) -> None:
        """Measure a batch; pixels that lie beyond the canonical view are not covered."""
        seen = torch.ones_like(depth, dtype=torch.bool) if visible is None else visible.bool()
        depth = torch.where(seen, depth, 1.0)
        grid = inverse_warp_grid(depth, pose.to(depth.dtype), canonical_camera.to(depth.dtype))
        seen = seen & (grid.abs().amax(dim=-1) <= 1)[:, None]
        found = sample(albedo.to(grid.dtype), grid)
        self.keep_albedo(found, true_albedo, ids=ids, visible=seen, mask=true_mask, image=image)

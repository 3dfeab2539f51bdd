"""Settings of the parts: what each needs to be built, with unit and source.

Defaults are the published run on CelebA faces. Weights of losses, optimiser and budget stand in ``recipes.py``.
"""

import math

import attrs
from attrs.validators import ge, gt

from armillary.config import param

_YML = "elliottwu/unsup3d, experiments/train_celeba.yml"
_NETWORKS = "elliottwu/unsup3d, unsup3d/networks.py"
_MODEL = "elliottwu/unsup3d, unsup3d/model.py"


@attrs.frozen(kw_only=True)
class ConvEncoderConfig:
    """Half of the depth, albedo and confidence networks."""

    width: int = param(64, source=f"{_NETWORKS}: nf", help="channels of the first stage", validator=gt(0))
    features: int = param(
        256, source=f"{_NETWORKS}: zdim; 128 for confidence", help="length of the vector", validator=gt(0)
    )


@attrs.frozen(kw_only=True)
class DepthMapConfig:
    """From a feature vector to the depth of the canonical view."""

    width: int = param(64, source=f"{_NETWORKS}: nf", help="channels of the last stages", validator=gt(0))
    depth_min: float = param(0.9, unit="scene", source=_YML, help="smallest depth that comes out", validator=gt(0))
    depth_max: float = param(1.1, unit="scene", source=_YML, help="largest depth that comes out", validator=gt(0))
    bulge: float = param(
        0.0,
        unit="scene",
        source="ours; 0 is the published run",
        help=(
            "how far the shape at which learning starts comes towards the viewer in its middle; light alone cannot tell "
            "a face from its hollow mould, so that short runs from a flat start end in either"
        ),
        validator=ge(0),
    )

    def __attrs_post_init__(self) -> None:
        if not self.depth_min < self.depth_max:
            raise ValueError(f"depth_min {self.depth_min} must be below depth_max {self.depth_max}")


@attrs.frozen(kw_only=True)
class AlbedoMapConfig:
    """From a feature vector to the albedo of the canonical view."""

    width: int = param(64, source=f"{_NETWORKS}: nf", help="channels of the last stages", validator=gt(0))


@attrs.frozen(kw_only=True)
class LightConfig:
    """From a feature vector to ambient light, diffuse light and a direction."""

    ambient_min: float = param(0.0, source=_YML, help="smallest strength of the ambient light", validator=ge(0))
    ambient_max: float = param(1.0, source=_YML, help="largest strength of the ambient light", validator=ge(0))
    diffuse_min: float = param(
        0.0, source=f"{_YML}; 0.5 in train_syncar.yml", help="smallest strength of the diffuse light", validator=ge(0)
    )
    diffuse_max: float = param(1.0, source=_YML, help="largest strength of the diffuse light", validator=ge(0))

    def __attrs_post_init__(self) -> None:
        for name in ("ambient", "diffuse"):
            low, high = getattr(self, f"{name}_min"), getattr(self, f"{name}_max")
            if not low < high:
                raise ValueError(f"{name}_min {low} must be below {name}_max {high}")


@attrs.frozen(kw_only=True)
class ViewConfig:
    """From a feature vector to the pose of the object before the camera."""

    rotation_range: float = param(
        math.radians(60.0),
        unit="radian",
        source=_YML,
        help="largest angle about each axis, either way",
        validator=gt(0),
    )
    translation_range: float = param(0.1, unit="scene", source=_YML, help="in x and y, either way", validator=ge(0))
    depth_translation_range: float = param(
        0.0, unit="scene", source=f"{_YML}; 0.1 in train_cat.yml", help="in z, either way", validator=ge(0)
    )
    centre_depth: float = param(
        1.0, unit="scene", source=f"{_YML}: rot_center_depth", help="z of the centre of rotation", validator=gt(0)
    )


@attrs.frozen(kw_only=True)
class ConfidenceConfig:
    """From a feature vector to the standard deviations of image and feature errors."""

    width: int = param(64, source=f"{_NETWORKS}: nf", help="channels of the last stages", validator=gt(0))
    sigma_floor: float = param(
        0.5e-7,
        unit="image",
        source=f"{_MODEL}: EPS = 1e-7 for images in [-1, 1]",
        help=(
            "added to every standard deviation; a floor near the noise of the images (0.02) bounds the gradient, "
            "which grows like error / sigma squared and made replications of the published run diverge"
        ),
        validator=gt(0),
    )
    feature_sigma_floor: float = param(1e-7, source=f"{_MODEL}: EPS", help="the same for features", validator=gt(0))


@attrs.frozen(kw_only=True)
class Unsup3dConfig:
    """Camera, border and depth range of the composition."""

    fov: float = param(
        math.radians(10.0),
        unit="radian",
        source=_YML,
        help="horizontal, between corner pixels' centres",
        validator=gt(0),
    )
    border_depth: float = param(
        1.04,
        unit="scene",
        source=f"{_MODEL}: 0.7 max + 0.3 min; 1.08 in train_syncar.yml",
        help="depth of the border columns of the canonical view",
        validator=gt(0),
    )
    border_columns: int = param(
        2, unit="pixel", source=_MODEL, help="columns set to the border depth, left and right", validator=ge(0)
    )
    rendered_min: float = param(
        0.8, unit="scene", source=f"{_MODEL}: least depth - margin 0.1", help="nearest rendered depth", validator=gt(0)
    )
    rendered_max: float = param(
        1.2,
        unit="scene",
        source=f"{_MODEL}: largest depth + margin 0.1",
        help="farthest rendered depth, and depth where nothing is seen",
        validator=gt(0),
    )
    albedo_flip: bool = param(True, source="Table 2 has it off", help="render the mirrored albedo as well")
    depth_flip: bool = param(True, source="Table 2 has it off", help="render the mirrored depth as well")

    def __attrs_post_init__(self) -> None:
        if not self.rendered_min < self.rendered_max:
            raise ValueError(f"rendered_min {self.rendered_min} must be below rendered_max {self.rendered_max}")


@attrs.frozen(kw_only=True)
class PerceptualConfig:
    """Features in which reconstruction and image are compared."""

    weights: str = param(
        "file",
        source="torchvision's VGG-16, trained on ImageNet",
        help='"file" for the asset vgg16, "random:SEED" for untrained features',
    )
    layer: str = param("relu3_3", source=_NETWORKS, help="of VGG-16, whose features are compared")
    variance_floor: float = param(
        1e-7, source=f"{_MODEL}: EPS", help="added to twice the variance that divides a squared error", validator=gt(0)
    )

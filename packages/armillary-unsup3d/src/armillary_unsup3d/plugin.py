"""What this package adds. Imports no torch: ``armillary plugins list`` must stay instant."""

from armillary.plugins.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import EncoderSpec, HeadSpec, LossSpec, MethodSpec, RecipeSpec, Slot
from armillary_unsup3d.recipes import RECIPES

_PAPER = "Wu, Rupprecht, Vedaldi 2020, arXiv:1911.11130"
_NETWORKS = "elliottwu/unsup3d, unsup3d/networks.py"
_MODEL = "elliottwu/unsup3d, unsup3d/model.py"
_MAP = "batch 1 height width"
_QUARTER = "batch 1 height/4 width/4"
_PICTURE = "batch 3 height width"

_IMAGE = Port("image", kind="image", shape=_PICTURE)
_FEATURE = Port("feature", kind="feature_vector", shape="batch features")
_OWN_FEATURE = Port("feature", kind="feature_vector", shape="batch $features")
_DEPTH = Port("depth", kind="depth", shape=_MAP, frame="canonical")
_ALBEDO = Port("albedo", kind="albedo", shape=_PICTURE, frame="canonical")
_LIGHT = Port("light", kind="light")
_POSE = Port("pose", kind="pose")
_CONFIDENCE = (
    Port("confidence", kind="confidence", shape=_MAP),
    Port("confidence_flipped", kind="confidence", shape=_MAP),
    Port("feature_confidence", kind="confidence", shape=_QUARTER, unit="any"),
    Port("feature_confidence_flipped", kind="confidence", shape=_QUARTER, unit="any"),
)
_RECONSTRUCTION = Port("reconstruction", kind="image", shape=_PICTURE)
_VISIBLE = Port("visible", kind="mask", shape=_MAP)


def _branch(name: str, *produces: Port, optional: bool = False) -> dict[str, Slot]:
    """Return the two slots of a branch, which agree on the length of the vector between them."""
    feature = Port("feature", kind="feature_vector", shape=f"batch {name}_features")
    return {
        f"{name}.encoder": Slot(kind="encoder", consumes=(_IMAGE,), produces=(feature,), optional=optional),
        f"{name}.head": Slot(kind="head", consumes=(feature,), produces=produces, optional=optional),
    }


@hookimpl
def armillary_encoders() -> list[EncoderSpec]:
    return [
        EncoderSpec(
            name="conv-encoder",
            target="armillary_unsup3d.networks:ConvEncoder",
            config="armillary_unsup3d.config:ConvEncoderConfig",
            consumes=(_IMAGE,),
            produces=(_OWN_FEATURE,),
            summary="strided convolutions with group normalisation and leaky rectifiers, to one vector",
            source=f"{_NETWORKS}, first half of EDDeconv and ConfNet",
        ),
    ]


@hookimpl
def armillary_heads() -> list[HeadSpec]:
    return [
        HeadSpec(
            name="depth-map",
            target="armillary_unsup3d.heads:DepthMap",
            config="armillary_unsup3d.config:DepthMapConfig",
            consumes=(_FEATURE,),
            produces=(_DEPTH,),
            summary="depth of the canonical view, between two bounds and about their middle",
            source=f"{_PAPER}, Section 3.5; {_NETWORKS}, second half of EDDeconv",
        ),
        HeadSpec(
            name="albedo-map",
            target="armillary_unsup3d.heads:AlbedoMap",
            config="armillary_unsup3d.config:AlbedoMapConfig",
            consumes=(_FEATURE,),
            produces=(_ALBEDO,),
            summary="albedo of the canonical view",
            source=f"{_PAPER}, Section 3.5; {_NETWORKS}, second half of EDDeconv",
        ),
        HeadSpec(
            name="light",
            target="armillary_unsup3d.heads:Light",
            config="armillary_unsup3d.config:LightConfig",
            consumes=(_FEATURE,),
            produces=(_LIGHT,),
            summary="ambient light and one directional light",
            source=f"{_PAPER}, Section 3.3; {_MODEL}, forward",
        ),
        HeadSpec(
            name="view",
            target="armillary_unsup3d.heads:View",
            config="armillary_unsup3d.config:ViewConfig",
            consumes=(_FEATURE,),
            produces=(_POSE,),
            summary="pose before the camera: three angles and a translation, each bounded",
            source=f"{_PAPER}, Section 3.3; {_MODEL}, forward",
        ),
        HeadSpec(
            name="confidence",
            target="armillary_unsup3d.heads:Confidence",
            config="armillary_unsup3d.config:ConfidenceConfig",
            consumes=(_FEATURE,),
            produces=_CONFIDENCE,
            summary="standard deviations of image and feature errors, as it is and mirrored",
            source=f"{_PAPER}, Section 3.2; {_NETWORKS}, second half of ConfNet",
        ),
    ]


@hookimpl
def armillary_losses() -> list[LossSpec]:
    return [
        LossSpec(
            name="photometric",
            target="armillary_unsup3d.losses:PhotometricLaplace",
            consumes=(_RECONSTRUCTION, _IMAGE, Port("confidence", kind="confidence", shape=_MAP), _VISIBLE),
            summary="image error weighted by a predicted confidence",
            source=f"{_PAPER}, Eq. 3",
        ),
        LossSpec(
            name="perceptual",
            target="armillary_unsup3d.losses:Perceptual",
            config="armillary_unsup3d.config:PerceptualConfig",
            consumes=(
                _RECONSTRUCTION,
                _IMAGE,
                Port("feature_confidence", kind="confidence", shape=_QUARTER, unit="any"),
                _VISIBLE,
            ),
            caches=True,
            assets=("vgg16",),
            summary="error of VGG-16 features weighted by a predicted confidence",
            source=f"{_PAPER}, Eq. 7",
        ),
    ]


@hookimpl
def armillary_methods() -> list[MethodSpec]:
    return [
        MethodSpec(
            name="unsup3d",
            target="armillary_unsup3d.method:Unsup3d",
            config="armillary_unsup3d.config:Unsup3dConfig",
            limits=(
                "One depth map a picture: what the canonical view does not see has no surface.",
                "Absolute depth and size are not observable; depth lies in the range of the recipe.",
                "The pictures must show the object from varied sides, roughly symmetric and roughly matt.",
            ),
            slots={
                **_branch("depth", _DEPTH),
                **_branch("albedo", _ALBEDO),
                **_branch("light", _LIGHT, optional=True),
                **_branch("view", _POSE),
                **_branch("confidence", *_CONFIDENCE, optional=True),
                "renderer": Slot(
                    kind="renderer",
                    consumes=(
                        Port("canonical_depth", kind="depth", shape=_MAP, frame="canonical"),
                        _POSE,
                        Port("camera", kind="camera"),
                    ),
                    produces=(
                        Port("depth", kind="depth", shape=_MAP, frame="image"),
                        Port("visible", kind="mask", shape=_MAP),
                    ),
                ),
            },
            trains_on=(_IMAGE,),
            predicts_from=(_IMAGE,),
            produces=(
                _RECONSTRUCTION,
                Port("reconstruction_flipped", kind="image", shape=_PICTURE),
                _VISIBLE,
                Port("depth", kind="depth", shape=_MAP, frame="image"),
                Port("depth_mask", kind="mask", shape=_MAP),
                Port("canonical_depth", kind="depth", shape=_MAP, frame="canonical"),
                Port("free_depth", kind="depth", shape=_MAP, frame="canonical"),
                _ALBEDO,
                Port("canonical_image", kind="image", shape=_PICTURE, frame="canonical"),
                Port("canonical_normals", kind="normals", shape=_PICTURE, frame="canonical"),
                _POSE,
                Port("canonical_camera", kind="camera"),
                _LIGHT,
                Port("shading", kind="shading", shape=_MAP, frame="canonical"),
                *_CONFIDENCE,
            ),
            depends={"light": "light.head", "shading": "light.head"}
            | {port.name: "confidence.head" for port in _CONFIDENCE},
            summary="one picture into depth, albedo, light, view and confidence, by explaining it twice: as it is and mirrored",
            source=f"{_PAPER}, Section 3",
        )
    ]


@hookimpl
def armillary_recipes() -> list[RecipeSpec]:
    return list(RECIPES)

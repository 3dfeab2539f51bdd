"""What this package adds. Imports no torch: ``armillary plugins list`` must stay instant."""

from armillary.plugins.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import EncoderSpec, HeadSpec, LossSpec, MethodSpec, RecipeSpec, Slot
from armillary_photogeo.recipes import RECIPES

_PAPER = "Wu, Rupprecht, Vedaldi 2019, arXiv:1906.01568"
_MAP = "batch 1 height width"
_WIDE = "batch 1 height*2 width*2"
_PICTURE = "batch 3 height width"

_IMAGE = Port("image", kind="image", shape=_PICTURE)
_FEATURE = Port("feature", kind="feature_vector", shape="batch features")
_OWN_FEATURE = Port("feature", kind="feature_vector", shape="batch $features")
_ALBEDO = Port("albedo", kind="albedo", shape=_PICTURE, frame="canonical")
_LIGHT = Port("light", kind="light")
_POSE = Port("pose", kind="pose")
_VIEWPOINT = Port("viewpoint", kind="feature_vector", shape="batch 6")
_RECONSTRUCTION = Port("reconstruction", kind="image", shape=_PICTURE)
_VISIBLE = Port("visible", kind="mask", shape=_MAP)
_SEEN_DEPTH = Port("depth", kind="depth", shape=_MAP, frame="image")


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
            target="armillary_photogeo.networks:ConvEncoder",
            config="armillary_photogeo.config:ConvEncoderConfig",
            consumes=(_IMAGE,),
            produces=(_OWN_FEATURE,),
            summary="strided convolutions with batch normalisation and leaky rectifiers, to one vector",
            source=f"{_PAPER}, Table 4",
        ),
        EncoderSpec(
            name="dense-encoder",
            target="armillary_photogeo.networks:DenseEncoder",
            config="armillary_photogeo.config:DenseEncoderConfig",
            consumes=(_IMAGE,),
            produces=(_OWN_FEATURE,),
            summary="dense blocks and transitions, to one vector",
            source=f"{_PAPER}, Table 5",
        ),
    ]


@hookimpl
def armillary_heads() -> list[HeadSpec]:
    return [
        HeadSpec(
            name="depth-map",
            target="armillary_photogeo.heads:DepthMap",
            config="armillary_photogeo.config:DepthMapConfig",
            consumes=(_FEATURE,),
            produces=(Port("depth", kind="depth", shape=_MAP),),
            summary="depth between two bounds, on a map of twice the picture's size",
            source=f"{_PAPER}, Section 6.1 and Table 6; ours: the decoder, which Table 4 has lost",
        ),
        HeadSpec(
            name="albedo-map",
            target="armillary_photogeo.heads:AlbedoMap",
            config="armillary_photogeo.config:AlbedoMapConfig",
            consumes=(_FEATURE,),
            produces=(_ALBEDO,),
            summary="albedo of the canonical view, by dense blocks",
            source=f"{_PAPER}, Table 5",
        ),
        HeadSpec(
            name="light",
            target="armillary_photogeo.heads:Light",
            config="armillary_photogeo.config:LightConfig",
            consumes=(_FEATURE,),
            produces=(_LIGHT,),
            summary="ambient light and one directional light, by angles",
            source=f"{_PAPER}, Eq. 4 and Table 6",
        ),
        HeadSpec(
            name="view",
            target="armillary_photogeo.heads:View",
            config="armillary_photogeo.config:ViewConfig",
            consumes=(_FEATURE,),
            produces=(_VIEWPOINT, _POSE),
            summary="viewpoint: a rotation vector and a translation, each bounded, about the camera",
            source=f"{_PAPER}, Eq. 3 and Table 6",
        ),
    ]


@hookimpl
def armillary_losses() -> list[LossSpec]:
    supervised = (
        _SEEN_DEPTH,
        Port("true_depth", kind="depth", shape=_MAP, frame="image"),
        Port("true_mask", kind="mask", shape=_MAP, optional=True),
    )
    return [
        LossSpec(
            name="mean-viewpoint",
            target="armillary_photogeo.losses:MeanViewpoint",
            consumes=(_VIEWPOINT,),
            per="batch",
            summary="squared length of the batch's mean viewpoint",
            source=f"{_PAPER}, Section 3.3",
        ),
        LossSpec(
            name="depth-variance",
            target="armillary_photogeo.losses:DepthVariance",
            config="armillary_photogeo.config:DepthVarianceConfig",
            consumes=(Port("depth", kind="depth", shape=_MAP),),
            per="batch",
            summary="squared distance of the batch's depth maps from each other",
            source=f"{_PAPER}, Section 3.3 and Eq. 6, in closed form",
        ),
        LossSpec(
            name="depth-l1",
            target="armillary_photogeo.losses:DepthL1",
            consumes=supervised,
            summary="absolute error of the depth, where the truth is known",
            source=f"{_PAPER}, Table 1, row 1",
        ),
        LossSpec(
            name="depth-l2",
            target="armillary_photogeo.losses:DepthL2",
            consumes=supervised,
            summary="squared error of the depth, where the truth is known",
            source=f"{_PAPER}, Table 1, row 2",
        ),
    ]


@hookimpl
def armillary_methods() -> list[MethodSpec]:
    wide = Port("depth", kind="depth", shape=_WIDE, frame="canonical")
    return [
        MethodSpec(
            name="photogeo",
            target="armillary_photogeo.method:Photogeo",
            config="armillary_photogeo.config:PhotogeoConfig",
            limits=(
                "One depth map a picture: what the canonical view does not see has no surface.",
                "Absolute depth and size are not observable; depth lies in the range of the recipe.",
                "The pictures must show the object from varied sides, symmetric and roughly matt.",
            ),
            slots={
                **_branch("depth", wide),
                **_branch("albedo", _ALBEDO),
                **_branch("light", _LIGHT, optional=True),
                **_branch("view", _VIEWPOINT, _POSE),
                "renderer": Slot(
                    kind="renderer",
                    consumes=(
                        Port("canonical_depth", kind="depth", shape=_WIDE, frame="canonical"),
                        _POSE,
                        Port("camera", kind="camera"),
                    ),
                    produces=(
                        Port("depth", kind="depth", shape=_WIDE, frame="image"),
                        Port("visible", kind="mask", shape=_WIDE),
                    ),
                ),
            },
            trains_on=(_IMAGE,),
            predicts_from=(_IMAGE,),
            produces=(
                _RECONSTRUCTION,
                _VISIBLE,
                _SEEN_DEPTH,
                Port("depth_mask", kind="mask", shape=_MAP),
                Port("wide_depth", kind="depth", shape=_WIDE, frame="canonical"),
                Port("canonical_depth", kind="depth", shape=_MAP, frame="canonical"),
                _ALBEDO,
                Port("canonical_image", kind="image", shape=_PICTURE, frame="canonical"),
                Port("canonical_normals", kind="normals", shape=_PICTURE, frame="canonical"),
                _VIEWPOINT,
                _POSE,
                Port("canonical_camera", kind="camera"),
                _LIGHT,
                Port("shading", kind="shading", shape=_MAP, frame="canonical"),
            ),
            depends={"light": "light.head", "shading": "light.head"},
            summary="one picture into depth, albedo, light and viewpoint, by explaining it, half of the time mirrored",
            source=f"{_PAPER}, Section 3",
        ),
        MethodSpec(
            name="supervised-depth",
            target="armillary_photogeo.method:SupervisedDepth",
            limits=("Learns from true depth, which photographs do not have: a bound for the methods without.",),
            slots=_branch("depth", Port("depth", kind="depth", shape=_WIDE)),
            trains_on=(_IMAGE,),
            predicts_from=(_IMAGE,),
            produces=(_SEEN_DEPTH,),
            summary="one picture to its depth, by the depth network alone, from true depth",
            source=f"{_PAPER}, Section 4.1 and Table 1",
        ),
    ]


@hookimpl
def armillary_recipes() -> list[RecipeSpec]:
    return list(RECIPES)

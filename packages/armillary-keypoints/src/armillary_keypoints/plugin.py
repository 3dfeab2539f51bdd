"""What this package adds. Imports no torch: ``armillary plugins list`` must stay instant."""

from armillary.plugins.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import (
    EncoderSpec,
    EvaluatorSpec,
    HeadSpec,
    LossSpec,
    MethodSpec,
    RecipeSpec,
    RendererSpec,
    Slot,
    TransformSpec,
)
from armillary_keypoints.evaluator_specs import EVALUATORS
from armillary_keypoints.lifted_specs import LIFTED, LIFTED_METHOD
from armillary_keypoints.recipes import RECIPES

_PAPER = "Wang, Cao, Bernard 2024"
_AUTOLINK = "He, Wandt, Rhodin 2022, arXiv:2205.10636"
_CODE = "xingzhehe/AutoLink"
_PICTURE = "batch 3 height width"
_MAP = "batch 1 height width"
_COMPARED = "batch feature_channels feature_rows feature_columns"

_IMAGE = Port("image", kind="image", shape=_PICTURE)
_KEPT = Port("kept", kind="mask", shape=_MAP)
_FEATURES = Port("features", kind="feature_map", shape="batch features rows columns")
_HEATMAP = Port("heatmap", kind="heatmap", shape="batch points rows columns")
_OWN_HEATMAP = Port("heatmap", kind="heatmap", shape="batch $points rows columns")
_POINTS = Port("keypoints2d", kind="keypoints2d", shape="batch points 2")
_OWN_POINTS = Port("keypoints2d", kind="keypoints2d", shape="batch $points 2")
_EDGE_MAP = Port("edge_map", kind="edge_map", shape=_MAP)
_EDGE_WEIGHTS = Port("edge_weights", kind="feature_vector", shape="batch pairs")
_MASKED = Port("masked_image", kind="image", shape=_PICTURE)
_RECONSTRUCTION = Port("reconstruction", kind="image", shape=_PICTURE, unit="any")  # as published: not bounded
_PROJECTED = Port("projected_keypoints2d", kind="keypoints2d", shape="batch points 2")
_SHAPE = (
    # In units of the picture's [-1, 1]: larger z is farther.
    Port("keypoints3d", kind="keypoints3d", shape="batch points 3", unit="normalised", frame="camera"),
    _PROJECTED,
    Port("canonical_keypoints3d", kind="keypoints3d", shape="batch points 3", frame="canonical"),
    Port("pose", kind="pose"),
    Port("scale", kind="feature_vector", shape="batch 2"),
)
_COEFFICIENTS = Port("shape_coefficients", kind="feature_vector", shape="batch basis")
_OWN_COEFFICIENTS = Port("shape_coefficients", kind="feature_vector", shape="batch $basis")
_FEATURE_PAIR = (
    Port("reconstruction_features", kind="feature_map", shape=_COMPARED),
    Port("image_features", kind="feature_map", shape=_COMPARED),
)


@hookimpl
def armillary_encoders() -> list[EncoderSpec]:
    return [
        EncoderSpec(
            name="detector",
            target="armillary_keypoints.networks:Detector",
            config="armillary_keypoints.config:DetectorConfig",
            consumes=(_IMAGE,),
            produces=(Port("features", kind="feature_map", shape="batch $features rows columns"),),
            summary="residual blocks down to a sixteenth and up to a quarter of the picture's size",
            source=f"{_AUTOLINK}; {_CODE}, models/encoder.py",
        )
    ]


@hookimpl
def armillary_heads() -> list[HeadSpec]:
    return [
        HeadSpec(
            name="keypoints",
            target="armillary_keypoints.heads:KeypointsHead",
            config="armillary_keypoints.config:KeypointsHeadConfig",
            consumes=(_FEATURES,),
            produces=(_OWN_HEATMAP, _OWN_POINTS),
            summary="a heat map a point, and the mean position under it",
            source=f"{_PAPER}, Eq. 1; {_CODE}, models/encoder.py",
        ),
        HeadSpec(
            name="shape-space",
            target="armillary_keypoints.shape_space:ShapeSpace",
            config="armillary_keypoints.config:ShapeSpaceConfig",
            consumes=(_POINTS,),
            produces=(*_SHAPE, _OWN_COEFFICIENTS),
            summary="the 3D shape and pose that the points are a picture of: a mean and a few directions, shared by all",
            source=f"{_PAPER}, Sections 4.1 and 4.2",
        ),
    ]


@hookimpl
def armillary_renderers() -> list[RendererSpec]:
    return [
        RendererSpec(
            name="edges",
            target="armillary_keypoints.heads:Edges",
            config="armillary_keypoints.config:EdgesConfig",
            consumes=(_POINTS,),
            produces=(_EDGE_MAP, _EDGE_WEIGHTS),
            summary="the graph of the points as a picture, with a weight an edge that all pictures share",
            source=f"{_PAPER}, Eq. 2 and 3; {_CODE}, models/decoder.py",
        ),
        RendererSpec(
            name="decoder",
            target="armillary_keypoints.networks:Decoder",
            config="armillary_keypoints.config:DecoderConfig",
            consumes=(_MASKED, _EDGE_MAP),
            produces=(_RECONSTRUCTION,),
            summary="the picture again, from the drawn graph and what the mask left of it",
            source=f"{_AUTOLINK}; {_CODE}, models/decoder.py",
        ),
    ]


@hookimpl
def armillary_transforms() -> list[TransformSpec]:
    return [
        TransformSpec(
            name="random-mask",
            target="armillary_keypoints.transforms:RandomMask",
            config="armillary_keypoints.config:RandomMaskConfig",
            consumes=(_IMAGE,),
            produces=(_KEPT,),
            per="batch",
            summary="square cells of the picture, most of them taken away at random",
            source=f"{_AUTOLINK}; {_CODE}, models/encoder.py",
        )
    ]


@hookimpl
def armillary_losses() -> list[LossSpec]:
    return [
        LossSpec(
            name="perceptual",
            target="armillary_keypoints.losses:Perceptual",
            config="armillary_keypoints.config:PerceptualConfig",
            consumes=(_RECONSTRUCTION, _IMAGE),
            caches=True,
            assets=("vgg16",),
            summary="distance of VGG-16 features, the sum over some layers",
            source=f"{_PAPER}, Eq. 4; {_CODE}, utils_/loss.py",
        ),
        LossSpec(
            name="feature-distance",
            target="armillary_keypoints.losses:FeatureDistance",
            config="armillary_keypoints.config:FeatureDistanceConfig",
            consumes=_FEATURE_PAIR,
            summary="distance of the features of whatever network fills the slot features",
            source=f"{_PAPER}, Eq. 4, with another network than VGG",
        ),
        LossSpec(
            name="projection",
            target="armillary_keypoints.losses:Projection",
            consumes=(_PROJECTED, _POINTS),
            summary="how far the projected 3D shape misses the key points",
            source=f"{_PAPER}, Eq. 8",
        ),
        LossSpec(
            name="repulsion",
            target="armillary_keypoints.losses:Repulsion",
            config="armillary_keypoints.config:RepulsionConfig",
            consumes=(_POINTS,),
            summary="how little each key point keeps away from its nearest neighbour",
            source=f"{_PAPER}, Eq. 9",
        ),
    ]


@hookimpl
def armillary_methods() -> list[MethodSpec]:
    return [
        LIFTED_METHOD,
        MethodSpec(
            name="keypoints",
            target="armillary_keypoints.method:Keypoints",
            config="armillary_keypoints.config:KeypointsConfig",
            limits=(
                "Points are found in every picture, also where a part of the object is hidden: nothing says which are seen.",
                "What a point means is the network's choice: it need not be a point that a person would annotate.",
                "Depth is right up to its scale, and its sign follows a rule: the middle of the object is nearer than its rim.",
                "Pictures should show the object upright and from one side: large turns are learnt as deformations.",
            ),
            slots={
                "encoder": Slot(kind="encoder", consumes=(_IMAGE,), produces=(_FEATURES,)),
                "head": Slot(kind="head", consumes=(_FEATURES,), produces=(_HEATMAP, _POINTS)),
                "edges": Slot(kind="renderer", consumes=(_POINTS,), produces=(_EDGE_MAP, _EDGE_WEIGHTS)),
                "decoder": Slot(kind="renderer", consumes=(_MASKED, _EDGE_MAP), produces=(_RECONSTRUCTION,)),
                "shape": Slot(kind="head", consumes=(_POINTS,), produces=(*_SHAPE, _COEFFICIENTS), optional=True),
                "features": Slot(
                    kind="encoder",
                    consumes=(_IMAGE,),
                    produces=(Port("features", kind="feature_map", shape=_COMPARED),),
                    optional=True,
                ),
            },
            trains_on=(_IMAGE, _KEPT),
            predicts_from=(_IMAGE,),
            produces=(
                _HEATMAP,
                _POINTS,
                _EDGE_WEIGHTS,
                _EDGE_MAP,
                _MASKED,
                _RECONSTRUCTION,
                *_SHAPE,
                _COEFFICIENTS,
                *_FEATURE_PAIR,
            ),
            depends={port.name: "shape" for port in (*_SHAPE, _COEFFICIENTS)}
            | {port.name: "features" for port in _FEATURE_PAIR},
            summary="key points of single pictures, the graph that links them, and a 3D shape space",
            source=f"{_PAPER}, Sections 3 and 4; {_AUTOLINK}",
        ),
    ]


@hookimpl
def armillary_evaluators() -> list[EvaluatorSpec]:
    return [
        *EVALUATORS,
        EvaluatorSpec(
            name="spread/1",
            target="armillary_keypoints.spread:Spread",
            consumes=(_POINTS,),
            protocol=(
                "distance of each key point to the nearest other one, mean over points and pictures, in per cent of the "
                "picture's side. Baselines: all points in one place; as many points drawn uniformly over the picture."
            ),
            summary="how far apart the key points are: 0 where they have collapsed",
            source=f"ours; {_PAPER}, Figure 7, shows it in pictures",
        ),
    ]


@hookimpl
def armillary_recipes() -> list[RecipeSpec]:
    return [*RECIPES, LIFTED]

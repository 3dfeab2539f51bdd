"""The baseline "AutoLink + Unsup3D": key points of one run, depth of another, nothing trained. Light."""

import math

import attrs
from attrs.validators import gt

from armillary.config import param
from armillary.ports import Port
from armillary.specs import Budget, MethodSpec, RecipeSpec, Slot, Take, Use, cited

_PAPER = "Wang, Cao, Bernard 2024"
_IMAGE = Port("image", kind="image", shape="batch 3 height width")
_IMAGE_OF_POINTS = Port("image", kind="image", shape="batch 3 $points_size $points_size")
_IMAGE_OF_DEPTH = Port("image", kind="image", shape="batch 3 $depth_size $depth_size")
_POINTS = Port("keypoints2d", kind="keypoints2d", shape="batch points 2")
_DEPTH = Port("depth", kind="depth", shape="batch 1 $depth_size $depth_size", frame="image")
_SIZE = "ours: unsup3d:paper, keypoints:quick"


@attrs.frozen(kw_only=True)
class LiftedConfig:
    """The sizes for which the two runs were trained, and what the depth's scale in the picture follows from."""

    points_size: int = param(
        64, unit="pixel", source=_SIZE, validator=gt(0), help="side of the pictures that the run of the points takes"
    )
    depth_size: int = param(
        64, unit="pixel", source=_SIZE, validator=gt(0), help="side of the pictures that the run of the depth takes"
    )
    fov: float = param(
        math.radians(10.0),
        unit="radian",
        source="Unsup3D, elliottwu/unsup3d, unsup3d/renderer",
        validator=gt(0.0),
        help="horizontal field of view, used where the run of the depth gives no camera",
    )


LIFTED_METHOD = MethodSpec(
    name="lifted",
    target="armillary_keypoints.lifted:Lifted",
    config="armillary_keypoints.lifted_specs:LiftedConfig",
    slots={
        "points": Slot(kind="encoder", consumes=(_IMAGE_OF_POINTS,), produces=(_POINTS,)),
        "depth": Slot(
            kind="encoder",
            consumes=(_IMAGE_OF_DEPTH,),
            produces=(
                _DEPTH,
                Port("camera", kind="camera", optional=True),
                Port("canonical_camera", kind="camera", optional=True),
            ),
        ),
    },
    trains_on=(_IMAGE,),
    predicts_from=(_IMAGE,),
    produces=(
        _POINTS,
        Port("keypoints3d", kind="keypoints3d", shape="batch points 3", unit="normalised", frame="camera"),
        _DEPTH,
    ),
    limits=(
        "A point lies where the depth map is at its place: on the surface that is seen, also where the point itself is hidden.",
        "Where the depth map ends, a point takes the depth of what is behind the object.",
    ),
    summary="key points of one run, lifted by the depth of another",
    source=f"{_PAPER}, Table 4: AutoLink + Unsup3D",
)

LIFTED = RecipeSpec(
    name="lifted",
    method="keypoints:lifted",
    summary="key points of a run and depth of another, nothing trained: --from points=RUN --from depth=RUN",
    source=f"{_PAPER}, Table 4: AutoLink + Unsup3D",
    slots={"points": Take(run="points", slot="*"), "depth": Take(run="depth", slot="*")},
    data=Use("std:images", settings={"size": cited(64, source="ours: for both runs it is resized to what they take")}),
    batch_size=cited(16, source="ours"),
    budget=Budget(steps=cited(0, source="ours: both are trained already")),
    seed=cited(0, source="ours"),
    evaluators={
        "nme": Use(
            "keypoints:nme-regressed/1", settings={"normaliser": cited("box", source="ours: any kind of thing")}
        ),
        "nme3d": Use(
            "keypoints:nme3d-regressed/1", settings={"normaliser": cited("box", source="ours: any kind of thing")}
        ),
        "nme3d-aligned": Use(
            "keypoints:nme3d-similarity/1", settings={"normaliser": cited("box", source="ours: any kind of thing")}
        ),
    },
)

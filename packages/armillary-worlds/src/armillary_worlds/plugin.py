"""What this package adds. Imports no numpy: ``armillary plugins list`` must stay instant."""

from armillary.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import WorldSpec

_PORTS = (
    Port("image", kind="image"),
    Port("camera", kind="camera"),
    Port("true_depth", kind="depth", frame="image"),
    Port("true_mask", kind="mask", frame="image"),
    Port("true_normals", kind="normals", frame="camera"),
    Port("true_albedo", kind="albedo", frame="image"),
    Port("true_pose", kind="pose"),
    Port("true_light", kind="light"),
    Port("true_landmarks3d", kind="landmarks3d", frame="camera"),
    Port("true_landmarks2d", kind="landmarks2d"),
    Port("true_visible", kind="visibility"),
)


@hookimpl
def armillary_worlds() -> list[WorldSpec]:
    return [
        WorldSpec(
            name="heads",
            target="armillary_worlds.heads:Heads",
            config="armillary_worlds.config:HeadsConfig",
            produces=_PORTS,
            summary="procedural symmetric heads with controlled asymmetry",
            source="ours",
        ),
        WorldSpec(
            name="morphable",
            target="armillary_worlds.morphable:Morphable",
            config="armillary_worlds.config:MorphableConfig",
            produces=_PORTS,
            summary="faces of a morphable model file",
            source="ours, after SfSNet's and Unsup3D's SynFace (Sengupta et al. 2018; Wu et al. 2020)",
            assets=("model",),
        ),
    ]

"""Components of this package. Imports no numpy: ``armillary plugins list`` must stay instant."""

from armillary.plugins.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import GeneratorSpec

_HEAD_PORTS = (
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
_VIDEO_PORTS = (
    Port("image", kind="image"),
    Port("true_mask", kind="mask", frame="image"),
    Port("true_coordinates", kind="coordinate_map", frame="object"),
    Port("partner_grid", kind="grid"),
    Port("partner_valid", kind="mask", frame="image"),
    Port("true_landmarks2d", kind="landmarks2d"),
    Port("true_visible", kind="visibility"),
)


@hookimpl
def armillary_generators() -> list[GeneratorSpec]:
    return [
        GeneratorSpec(
            name="heads",
            target="armillary_synthetic.heads:Heads",
            config="armillary_synthetic.config:HeadsConfig",
            produces=_HEAD_PORTS,
            summary="procedural symmetric heads with controlled asymmetry",
            source="ours",
        ),
        GeneratorSpec(
            name="morphable",
            target="armillary_synthetic.morphable:Morphable",
            config="armillary_synthetic.config:MorphableConfig",
            produces=_HEAD_PORTS,
            summary="faces of a morphable model file",
            source="ours, after SfSNet's and Unsup3D's SynFace (Sengupta et al. 2018; Wu et al. 2020)",
            assets=("model",),
        ),
        GeneratorSpec(
            name="arm",
            target="armillary_synthetic.arm:Arm",
            config="armillary_synthetic.config:ArmConfig",
            produces=_VIDEO_PORTS,
            summary="an arm of capsules that swings, with flow; needs pymunk: pip install 'armillary-synthetic[arm]'",
            source="Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932, section 4.1 (Roboarm)",
        ),
        GeneratorSpec(
            name="globe",
            target="armillary_synthetic.globe:Globe",
            config="armillary_synthetic.config:GlobeConfig",
            produces=(*_VIDEO_PORTS, Port("true_pose", kind="pose")),
            summary="a textured sphere that turns, with flow",
            source="after Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932, section 4.2",
        ),
        GeneratorSpec(
            name="solids",
            target="armillary_synthetic.solids:Solids",
            config="armillary_synthetic.config:SolidsConfig",
            produces=(
                Port("image", kind="image"),
                Port("camera", kind="camera"),
                Port("true_mask", kind="mask", frame="image"),
                Port("true_pose", kind="pose"),
                Port("mesh", kind="mesh"),
            ),
            summary="aligned meshes of aeroplanes, cars, chairs, mugs and animals, with a picture of each",
            source="ours",
        ),
    ]

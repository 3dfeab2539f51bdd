"""What this package adds. Imports no torch: ``armillary plugins list`` must stay instant."""

from armillary.plugins.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import (
    DatasetSpec,
    EncoderSpec,
    EvaluatorSpec,
    HeadSpec,
    LossSpec,
    MethodSpec,
    RecipeSpec,
    RendererSpec,
    TransformSpec,
)
from armillary_spherical.config import MESH_ENDINGS
from armillary_spherical.evaluator_specs import EVALUATORS
from armillary_spherical.network_specs import ENCODERS, HEADS, LOSSES, METHODS, RENDERERS
from armillary_spherical.recipes import RECIPES

_PAPER = "Esteves, Sud, Luo, Daniilidis, Makadia 2019, arXiv:1812.02716"
_MESH = Port("mesh", kind="mesh")


@hookimpl
def armillary_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            name="mesh-folder",
            target="armillary_spherical.mesh_folder:MeshFolder",
            config="armillary_spherical.config:MeshFolderConfig",
            produces=(_MESH, Port("class_label", kind="class_label", optional=True)),
            endings=MESH_ENDINGS,
            summary="a folder of OFF, OBJ, PLY or STL meshes by category, as ModelNet and ShapeNet lay it out",
            source="ours",
        ),
    ]


@hookimpl
def armillary_transforms() -> list[TransformSpec]:
    return [
        TransformSpec(
            name="turn",
            target="armillary_spherical.transforms:Turn",
            config="armillary_spherical.config:TurnConfig",
            consumes=(_MESH,),
            produces=(_MESH, Port("true_rotation", kind="rotation")),
            summary="the mesh in a random orientation, in three or two degrees of freedom, perhaps stretched",
            source=_PAPER,
        ),
        TransformSpec(
            name="ray-cast",
            target="armillary_spherical.transforms:RayCast",
            config="armillary_spherical.config:RayCastConfig",
            consumes=(_MESH,),
            produces=(Port("sphere", kind="sphere_signal", shape="batch $channels $size $size", frame="world"),),
            summary="the mesh as a signal on the sphere: how far its surface lies along each ray",
            source="Esteves et al. 2018, arXiv:1711.06721; Cohen et al. 2018, arXiv:1801.10130",
        ),
        TransformSpec(
            name="render",
            target="armillary_spherical.transforms:Render",
            config="armillary_spherical.config:RenderConfig",
            consumes=(_MESH,),
            produces=(Port("image", kind="image", shape="batch $channels $size $size"),),
            summary="a shaded picture of the mesh by a camera that stands still",
            source=_PAPER,
        ),
    ]


@hookimpl
def armillary_encoders() -> list[EncoderSpec]:
    return list(ENCODERS)


@hookimpl
def armillary_heads() -> list[HeadSpec]:
    return list(HEADS)


@hookimpl
def armillary_renderers() -> list[RendererSpec]:
    return list(RENDERERS)


@hookimpl
def armillary_losses() -> list[LossSpec]:
    return list(LOSSES)


@hookimpl
def armillary_evaluators() -> list[EvaluatorSpec]:
    return list(EVALUATORS)


@hookimpl
def armillary_methods() -> list[MethodSpec]:
    return list(METHODS)


@hookimpl
def armillary_recipes() -> list[RecipeSpec]:
    return list(RECIPES)

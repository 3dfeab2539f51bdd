"""What the package adds."""

from armillary.plugins.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import EncoderSpec, EvaluatorSpec, HeadSpec, LossSpec, RendererSpec, TransformSpec

_MAP = "batch 1 height width"
_PICTURE = "batch 3 height width"
_IMAGE = Port("image", kind="image", shape=_PICTURE)
_ABOUT = {"summary": "a part of each kind", "source": "ours"}


@hookimpl
def armillary_encoders() -> list[EncoderSpec]:
    """Return the encoder."""
    return [
        EncoderSpec(
            name="squares",
            target="armillary_sound.parts:Squares",
            consumes=(Port("sphere", kind="sphere_signal", shape="batch signals rows columns"),),
            produces=(
                Port("features", kind="sphere_signal", shape="batch signals rows columns"),
                Port("feature", kind="feature_vector", shape="batch signals"),
            ),
            symmetry="o3",
            **_ABOUT,
        )
    ]


@hookimpl
def armillary_heads() -> list[HeadSpec]:
    """Return the head."""
    return [
        HeadSpec(
            name="spread",
            target="armillary_sound.parts:Spread",
            consumes=(Port("feature", kind="feature_vector", shape="batch features"),),
            produces=(Port("confidence", kind="confidence", shape=_MAP),),
            **_ABOUT,
        )
    ]


@hookimpl
def armillary_renderers() -> list[RendererSpec]:
    """Return the renderer."""
    return [
        RendererSpec(
            name="surface",
            target="armillary_sound.parts:Surface",
            consumes=(
                Port("canonical_depth", kind="depth", shape=_MAP, frame="canonical"),
                Port("pose", kind="pose"),
                Port("camera", kind="camera"),
            ),
            produces=(
                Port("depth", kind="depth", shape=_MAP, frame="image"),
                Port("visible", kind="mask", shape=_MAP, frame="image"),
            ),
            **_ABOUT,
        )
    ]


@hookimpl
def armillary_losses() -> list[LossSpec]:
    """Return the loss."""
    return [
        LossSpec(
            name="absolute",
            target="armillary_sound.parts:Absolute",
            consumes=(
                Port("reconstruction", kind="image", shape=_PICTURE),
                _IMAGE,
                Port("visible", kind="mask", shape=_MAP),
            ),
            **_ABOUT,
        )
    ]


@hookimpl
def armillary_evaluators() -> list[EvaluatorSpec]:
    """Return the evaluator."""
    return [
        EvaluatorSpec(
            name="error/1",
            target="armillary_sound.parts:Error",
            consumes=(
                Port("depth", kind="depth", shape=_MAP, frame="image"),
                Port("true_depth", kind="depth", shape=_MAP, frame="image"),
            ),
            **_ABOUT,
        )
    ]


@hookimpl
def armillary_transforms() -> list[TransformSpec]:
    """Return the transforms."""
    return [
        TransformSpec(name="flip", target="armillary_sound.parts:Flip", moves=True, **_ABOUT),
        TransformSpec(
            name="shift",
            target="armillary_sound.parts:Shift",
            consumes=(_IMAGE,),
            produces=(
                Port("source", kind="image", shape=_PICTURE),
                Port("target", kind="image", shape=_PICTURE),
                Port("grid", kind="grid", shape="batch height width 2"),
                Port("valid", kind="mask", shape=_MAP),
            ),
            **_ABOUT,
        ),
    ]

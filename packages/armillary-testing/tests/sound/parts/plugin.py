"""What the package adds."""

from armillary.plugins.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import EncoderSpec, LossSpec

_IMAGE = Port("image", kind="image", shape="batch 3 height width")


@hookimpl
def armillary_encoders() -> list[EncoderSpec]:
    """Return the encoder."""
    return [
        EncoderSpec(
            name="mean",
            target="armillary_sound.parts:Mean",
            config="armillary_sound.config:MeanConfig",
            consumes=(_IMAGE,),
            produces=(Port("feature", kind="feature_vector", shape="batch $features"),),
            summary="mean colours through a linear layer",
            source="ours",
        )
    ]


@hookimpl
def armillary_losses() -> list[LossSpec]:
    """Return the loss."""
    return [
        LossSpec(
            name="square",
            target="armillary_sound.parts:Square",
            consumes=(_IMAGE, Port("reconstruction", kind="image", shape="batch 3 height width")),
            summary="mean square of the difference",
            source="ours",
        )
    ]

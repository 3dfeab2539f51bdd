"""What the package adds."""

from armillary.plugins.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import DatasetSpec, EncoderSpec, GeneratorSpec, HeadSpec, LossSpec, MethodSpec, RecipeSpec, Slot
from armillary_sound.recipes import RECIPES  # type: ignore[import-not-found]  # laid under a name of its own

_IMAGE = Port("image", kind="image", shape="batch 3 height width")
_PICTURE = Port("picture", kind="image", shape="batch 3 height width")
_RECONSTRUCTION = Port("reconstruction", kind="image", shape="batch 3 height width")
_FEATURE = Port("feature", kind="feature_vector", shape="batch features")
_ABOUT = {"summary": "pictures of one colour each", "source": "ours"}


@hookimpl
def armillary_generators() -> list[GeneratorSpec]:
    """Return the generator."""
    return [
        GeneratorSpec(
            name="colours",
            target="armillary_sound.parts:Colours",
            config="armillary_sound.config:ColoursConfig",
            produces=(_IMAGE,),
            **_ABOUT,
        )
    ]


@hookimpl
def armillary_datasets() -> list[DatasetSpec]:
    """Return the data set."""
    return [
        DatasetSpec(
            name="pictures",
            target="armillary_sound.parts:Pictures",
            config="armillary.std.config:ImagesConfig",
            produces=(Port("image", kind="image", shape="batch 3 $size $size"),),
            **_ABOUT,
        )
    ]


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
            **_ABOUT,
        )
    ]


@hookimpl
def armillary_heads() -> list[HeadSpec]:
    """Return the head."""
    return [
        HeadSpec(
            name="plain", target="armillary_sound.parts:Plain", consumes=(_FEATURE,), produces=(_PICTURE,), **_ABOUT
        )
    ]


@hookimpl
def armillary_losses() -> list[LossSpec]:
    """Return the loss."""
    return [
        LossSpec(name="square", target="armillary_sound.parts:Square", consumes=(_IMAGE, _RECONSTRUCTION), **_ABOUT)
    ]


@hookimpl
def armillary_methods() -> list[MethodSpec]:
    """Return the method."""
    return [
        MethodSpec(
            name="colouring",
            target="armillary_sound.parts:Colouring",
            slots={
                "encoder": Slot(kind="encoder", consumes=(_IMAGE,), produces=(_FEATURE,)),
                "head": Slot(kind="head", consumes=(_FEATURE,), produces=(_PICTURE,)),
            },
            trains_on=(_IMAGE,),
            predicts_from=(_IMAGE,),
            produces=(_RECONSTRUCTION,),
            **_ABOUT,
        )
    ]


@hookimpl
def armillary_recipes() -> list[RecipeSpec]:
    """Return the recipes."""
    return list(RECIPES)

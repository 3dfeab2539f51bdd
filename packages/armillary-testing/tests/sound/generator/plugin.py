"""What the package adds."""

from armillary.plugins.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import GeneratorSpec


@hookimpl
def armillary_generators() -> list[GeneratorSpec]:
    """Return the generator."""
    return [
        GeneratorSpec(
            name="colours",
            target="armillary_sound.parts:Colours",
            config="armillary_sound.config:ColoursConfig",
            produces=(Port("image", kind="image", shape="batch $channels height width"),),
            summary="pictures of one colour each",
            source="ours",
        )
    ]

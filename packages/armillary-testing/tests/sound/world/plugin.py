"""What the package adds."""

from armillary.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import WorldSpec


@hookimpl
def armillary_worlds() -> list[WorldSpec]:
    """Return the world."""
    return [
        WorldSpec(
            name="colours",
            target="armillary_sound.parts:Colours",
            config="armillary_sound.config:ColoursConfig",
            produces=(Port("image", kind="image", shape="batch $channels height width"),),
            summary="pictures of one colour each",
            source="ours",
        )
    ]

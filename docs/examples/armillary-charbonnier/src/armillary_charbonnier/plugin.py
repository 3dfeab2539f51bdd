"""What this package adds. Imports no torch: listing what is installed must stay instant."""

from armillary.plugins.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import LossSpec


@hookimpl
def armillary_losses() -> list[LossSpec]:
    return [
        LossSpec(
            name="image",
            target="armillary_charbonnier.losses:Charbonnier",
            config="armillary_charbonnier.config:CharbonnierConfig",
            consumes=(Port("reconstruction", kind="image"), Port("image", kind="image")),
            summary="image error that is quadratic near 0 and linear far away",
            source="Charbonnier, Blanc-Feraud, Aubert, Barlaud 1994",
        )
    ]

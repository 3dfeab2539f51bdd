"""The Charbonnier penalty as a loss for Armillary."""

from attrs.validators import gt

from armillary import Loss, param, ports


class Charbonnier(Loss, name="image", source="Charbonnier, Blanc-Feraud, Aubert, Barlaud 1994"):
    """Image error that is quadratic near 0 and linear far away."""

    epsilon: float = param(
        1e-3,
        unit="image",
        source="ours: below a step of 8-bit grey",
        help="where the penalty turns from quadratic to linear",
        validator=gt(0),
    )

    def forward(self, reconstruction: ports.Image, image: ports.Image) -> ports.PerItem:
        """Return the penalty of each item, in image units."""
        difference = reconstruction - image
        penalty = (difference.square() + self.epsilon**2).sqrt() - self.epsilon
        return penalty.mean(dim=(1, 2, 3))

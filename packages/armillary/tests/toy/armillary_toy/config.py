"""Settings of the toy's parts."""

import attrs
from attrs.validators import gt

from armillary.config import param


@attrs.frozen(kw_only=True)
class VectorConfig:
    """An encoder."""

    features: int = param(4, unit="channel", validator=gt(0), help="length of the vector")


@attrs.frozen(kw_only=True)
class L1Config:
    """The loss."""

    breaks_at: int = param(-1, unit="call", help="call at which the loss becomes nan; -1 for never")


@attrs.frozen(kw_only=True)
class AutoencoderConfig:
    """The method."""

    offset: float = param(0.0, unit="image", help="added to every pixel")
    chance: float = param(
        0.0, unit="share", help="dropped features, and noise of Python and numpy, from global generators"
    )
    slow: float = param(0.0, unit="second", help="sleep in each forward, so that a test can interrupt")

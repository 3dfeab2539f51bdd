"""What the parts need to be built."""

import attrs
from attrs.validators import gt

from armillary.config import param


@attrs.frozen(kw_only=True)
class ColoursConfig:
    """Which colours."""

    darkest: float = param(0.0, unit="image", source="ours", help="of all colours")


@attrs.frozen(kw_only=True)
class MeanConfig:
    """How much comes out."""

    features: int = param(4, unit="channel", source="ours", help="length of the vector", validator=gt(0))

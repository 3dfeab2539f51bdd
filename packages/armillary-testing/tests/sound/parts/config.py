"""What the encoder needs to be built."""

import attrs
from attrs.validators import gt

from armillary.config import param


@attrs.frozen(kw_only=True)
class MeanConfig:
    """How much comes out."""

    features: int = param(4, unit="channel", source="ours", help="length of the vector", validator=gt(0))

"""What the generator needs to be built."""

import attrs
from attrs.validators import gt

from armillary.config import param


@attrs.frozen(kw_only=True)
class ColoursConfig:
    """Which colours."""

    channels: int = param(3, unit="channel", source="ours", help="red, green and blue", validator=gt(0))
    range: tuple[float, float] = param((0.0, 1.0), unit="image", source="ours", help="from dark to light")
    name: str | None = param(None, source="ours", help="written into generator.json")

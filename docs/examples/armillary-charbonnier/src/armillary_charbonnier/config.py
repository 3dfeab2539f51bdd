"""What the loss needs to be built."""

import attrs
from attrs.validators import gt

from armillary.config import param


@attrs.frozen(kw_only=True)
class CharbonnierConfig:
    """Where the penalty turns from quadratic to linear."""

    epsilon: float = param(
        1e-3,
        unit="image",
        source="ours: below a step of 8-bit grey",
        help="where the penalty turns from quadratic to linear",
        validator=gt(0),
    )

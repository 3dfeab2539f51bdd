"""Settings of this package's measures."""

from typing import Any

import attrs
from attrs.validators import ge

from armillary.config import param

_PAPER = "Esteves et al. 2019, arXiv:1812.02716"

SYMMETRIES = ("none", "half-turn", "c2x", "c2y", "c2z", "c3z", "c4z", "so2z")
"""Groups under which poses count as the same: none; the published rule for aeroplanes, min(e, 180 - e); turns by halves,
thirds and quarters about an axis of the object; any turn about its z axis."""


def _check_symmetries(_: Any, attribute: Any, value: dict[str, str] | None) -> None:
    for category, group in (value or {}).items():
        if group not in SYMMETRIES:
            raise ValueError(f"{attribute.name}.{category} needs one of {', '.join(SYMMETRIES)}, got {group!r}")


@attrs.frozen(kw_only=True)
class RelativePoseConfig:
    """Rotation from one view to another."""

    partners: int = param(
        3,
        source=f"{_PAPER}, Section 4.2: 3 randomly sampled instances",
        validator=ge(1),
        help="other items of its category that each item is paired with",
    )
    symmetries: dict[str, str] | None = param(
        None,
        source=f"{_PAPER}, Section 4.1: half-turn for ShapeNet's aeroplanes, none for ModelNet's",
        validator=_check_symmetries,
        help=f"group of each category that has one: {', '.join(SYMMETRIES)}",
    )
    bandwidth: int = param(
        32,
        source=f"{_PAPER}, Section 3.2.3: upsampled by 4, 16 x 16 to 64 x 64",
        validator=ge(2),
        help="of the grid of rotations that is searched",
    )
    refine: bool = param(
        True, source="ours; the paper takes the best rotation of the grid", help="search below the grid"
    )
    normalise: bool = param(
        False, source="the authors' matlab code: off", help="scale every channel of an embedding to the same norm"
    )
    seed: int = param(0, validator=ge(0), help="of the pairs and of the random rotations")


@attrs.frozen(kw_only=True)
class EquivarianceConfig:
    """How well features turn with a shape."""

    seed: int = param(0, validator=ge(0), help="of the random rotations of the baseline")

"""Settings of measures on annotated points: the choice of points, and the normaliser of errors. Light."""

from typing import Any, Literal

from attrs.validators import in_

FIVE_OF_68: tuple[tuple[int, ...], ...] = (
    (36, 37, 38, 39, 40, 41),
    (42, 43, 44, 45, 46, 47),
    (30,),
    (48,),
    (54,),
)
"""Eye centres, tip of the nose and corners of the mouth, as means of the 68 annotated points of a face (counted from 0)."""

PRESETS = ("all", "five-of-68")

Groups = Literal["all", "five-of-68"] | tuple[tuple[int, ...], ...]
Normaliser = Literal["box", "image", "eyes-of-68"] | tuple[int, int]
NORMALISERS = ("box", "image", "eyes-of-68")

WHICH_POINTS = "which annotated points: all, five-of-68, or lists of indices whose mean is one point each"
PER_CENT_OF = (
    "what the error is a per cent of: two of the chosen points, eyes-of-68 (the centres of both eyes of 68 points), box (larger "
    "side around the points) or image"
)


def check_groups(_: Any, attribute: Any, value: Groups) -> None:
    """Raise ValueError for groups that are neither a preset nor lists of indices."""
    if isinstance(value, str):
        in_(PRESETS)(None, attribute, value)
    elif not value or not all(group and min(group) >= 0 for group in value):
        raise ValueError(
            f"{attribute.name} needs {' or '.join(PRESETS)} or lists of indices from 0 on, [[36, 39], [30]]; got {value}"
        )


def check_normaliser(_: Any, attribute: Any, value: Normaliser) -> None:
    """Raise ValueError for a normaliser that is neither a known name nor two different indices."""
    if isinstance(value, str):
        in_(NORMALISERS)(None, attribute, value)
    elif min(value) < 0 or value[0] == value[1]:
        raise ValueError(
            f"{attribute.name} needs two different points, counted from 0, or {', '.join(NORMALISERS)}; got {value}"
        )

"""Lines, dots and words as an SVG file. Coordinates are pixels, x to the right, y down."""

import math
from collections.abc import Iterable, Sequence
from typing import Self
from xml.sax.saxutils import escape

Point = Sequence[float]

INK, PALE, PAPER = "#333", "#bbb", "#fff"
AXES = ("#d53e3e", "#269654", "#3468d6")
"""Of x, y and z, as in the pictures of poses."""


class Drawing:
    """A picture that is written as text.

    Args:
        width: pixels.
        height: pixels.
        title: what is to be seen, for who cannot see it.
    """

    def __init__(self, width: float, height: float, *, title: str) -> None:
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" '
            f'height="{_n(height)}" role="img" font-family="sans-serif" font-size="13" text-anchor="middle">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{_n(width)}" height="{_n(height)}" rx="6" fill="{PAPER}"/>',
        ]

    def path(
        self,
        points: Iterable[Point],
        *,
        colour: str = INK,
        width: float = 1.5,
        fill: str = "none",
        closed: bool = False,
        dashed: bool = False,
    ) -> Self:
        """Draw lines from point to point."""
        corners = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        dashes = ' stroke-dasharray="4 3"' if dashed else ""
        shape = "polygon" if closed else "polyline"
        self._parts.append(
            f'<{shape} points="{corners}" fill="{fill}" stroke="{colour}" stroke-width="{_n(width)}" '
            f'stroke-linejoin="round"{dashes}/>'
        )
        return self

    def arrow(self, start: Point, end: Point, *, colour: str = INK, width: float = 2.0) -> Self:
        """Draw a line with a head at its end; one that is seen along its length is a dot."""
        dx, dy = end[0] - start[0], end[1] - start[1]
        length = math.hypot(dx, dy)
        if length < 4.0:
            return self.dot(start, radius=3.0, colour=colour)
        ux, uy, head = dx / length, dy / length, min(9.0, length / 2)
        neck = (end[0] - head * ux, end[1] - head * uy)
        sides = [(neck[0] - k * 0.4 * head * uy, neck[1] + k * 0.4 * head * ux) for k in (1, -1)]
        self.path([start, neck], colour=colour, width=width)
        return self.path([end, *sides], colour=colour, width=0.5, fill=colour, closed=True)

    def dot(self, place: Point, *, radius: float = 2.5, colour: str = INK, fill: str = "") -> Self:
        """Draw a disc, filled with its colour unless told otherwise."""
        x, y = place
        self._parts.append(
            f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" fill="{fill or colour}" stroke="{colour}"/>'
        )
        return self

    def text(self, place: Point, words: str, *, colour: str = INK, anchor: str = "", size: float = 0.0) -> Self:
        """Write words with the middle of their base line at a place; ``anchor`` is ``start`` or ``end`` otherwise."""
        x, y = place
        more = f' text-anchor="{anchor}"' if anchor else ""
        more += f' font-size="{_n(size)}"' if size else ""
        self._parts.append(f'<text x="{_n(x)}" y="{_n(y)}" fill="{colour}"{more}>{escape(words)}</text>')
        return self

    def __str__(self) -> str:
        return "\n".join([*self._parts, "</svg>"]) + "\n"


def _n(value: float) -> str:
    """A number to a tenth of a pixel, without a sign where it is 0."""
    text = f"{float(value):.1f}".removesuffix(".0")
    return "0" if text == "-0" else text

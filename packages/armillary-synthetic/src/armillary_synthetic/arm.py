"""An articulated arm in the plane: Roboarm of Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932, section 4.1, with its truth.

Coloured capsules in a chain, held at the lower left, moved by :mod:`armillary_synthetic.arm_motion`. Positions are those of the
picture: x right, y down, [-1, 1]. A capsule nearer to the tip covers one nearer to the anchor. The object frame is the straight
arm along x, its length scaled to 2: the anchor at (-1, 0, 0), the tip at (1, 0, 0), x along the arm, y across it (down in the
picture when it lies along x), z 0. A pixel of capsule k moves as capsule k does, so flow is exact. About a bent joint two capsules have points
of the same coordinates, each on its own side of the bend.
"""

import colorsys
import math
from typing import Any

import attrs
import numpy as np
from attrs.validators import and_, ge, gt, le
from numpy.typing import NDArray

from armillary.config import param
from armillary.rules import Holds
from armillary_synthetic.arm_motion import engine, joints, simulate
from armillary_synthetic.bases import Video, VideoItem
from armillary_synthetic.raster import Floats, Indices
from armillary_synthetic.scene import generator_for
from armillary_synthetic.video import describe_video, draw_still, inside, means, partner_of, positions

_ROBOARM = "Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932, section 4.1"


@attrs.frozen(kw_only=True, eq=False)
class Chain:
    """State of the arm in one picture."""

    start: Floats
    """[K, 2], the end of each capsule's axis that is nearer to the anchor."""
    along: Floats
    """[K, 2], unit, from there to its other end."""
    length: float
    """Of a capsule's axis."""
    radius: float

    def local(self, number: int, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return positions in the frame of a capsule: along its axis from its start, and across."""
        (x0, y0), (c, s) = self.start[number], self.along[number]
        return (x - x0) * c + (y - y0) * s, (y - y0) * c - (x - x0) * s

    def world(self, number: int, along: Floats, across: Floats) -> Floats:
        """Return positions [2, ...] of what has these places in the frame of a capsule: the inverse of :meth:`local`."""
        (x0, y0), (c, s) = self.start[number], self.along[number]
        return np.stack([x0 + along * c - across * s, y0 + along * s + across * c])

    def covers(self, number: int, x: Floats, y: Floats) -> NDArray[np.bool_]:
        """Return which positions lie on a capsule."""
        along, across = self.local(number, x, y)
        beyond = along - np.clip(along, 0, self.length)
        return beyond * beyond + across * across <= self.radius**2

    def hides(self, number: int, x: Floats, y: Floats) -> NDArray[np.bool_]:
        """Return which positions on a capsule lie behind another."""
        hidden = np.zeros(np.shape(x), dtype=bool)
        for nearer in range(number + 1, len(self.start)):
            hidden |= self.covers(nearer, x, y)
        return hidden

    def shown(self, axis: Floats) -> Indices:
        """Return which capsule each position of a square grid shows, [S, S]; -1 where none."""
        shown = np.full((len(axis), len(axis)), -1, dtype=np.intp)
        ends = np.stack([self.start, self.start + self.length * self.along])
        low = np.searchsorted(axis, ends.min(axis=0) - self.radius)
        high = np.searchsorted(axis, ends.max(axis=0) + self.radius, side="right")
        for number, ((left, top), (right, bottom)) in enumerate(zip(low, high, strict=True)):
            box = np.s_[top:bottom, left:right]
            shown[box][self.covers(number, axis[None, left:right], axis[top:bottom, None])] = number
        return shown


_FITS = "the straight arm fits a picture of side 1"
_TIP = "anchor + length + thickness / 2 <= 1"


class Arm(Video, name="arm", source=f"{_ROBOARM} (Roboarm)"):
    """An arm of capsules that swings, with flow; needs pymunk: pip install 'armillary-synthetic[arm]'.

    It hangs on its lower left end and swings as gravity changes. A clip is made whole, and cached while its items are read.
    """

    capsules: int = param(5, help="from the anchor to the tip", validator=and_(ge(2), le(12)))
    length: float = param(
        0.8, unit="side of the picture", help="of the straight arm, from anchor to tip", validator=gt(0)
    )
    thickness: float = param(
        0.1,
        unit="side of the picture",
        help="of the capsules",
        validator=and_(gt(0), Holds("thickness <= length / capsules", "a capsule is longer than wide")),
    )
    anchor: float = param(
        0.12,
        unit="side of the picture",
        help="where the arm is held, from the left and from below",
        validator=and_(gt(0), Holds("thickness / 2 <= anchor", _FITS), Holds(_TIP, _FITS)),
    )
    bend: float = param(
        0.6,
        unit="radian",
        source="ours: five capsules then cannot meet themselves, as the paper asks without a number",
        help="a joint bends by up to this, either way",
        validator=and_(ge(0), le(math.pi)),
    )
    gravity: float = param(
        15.0, unit="m/s^2", source=_ROBOARM, help="standard deviation of each element of the vector", validator=ge(0)
    )
    gravity_every: int = param(100, unit="iterations", source=_ROBOARM, help="gravity is drawn anew", validator=ge(1))
    frame_every: int = param(20, unit="iterations", source=_ROBOARM, help="a picture is taken", validator=ge(1))
    step: float = param(
        0.01,
        unit="second",
        source="ours: the paper does not give it",
        help="time that an iteration takes",
        validator=gt(0),
    )
    metres: float = param(
        20.0,
        unit="metre",
        source="ours: the paper does not give it; by eye, so that half of the arm's pixels move by more than 2 of 90 a picture",
        help="length of the straight arm: the longer, the slower it swings",
        validator=gt(0),
    )
    damping: float = param(
        0.5, unit="share of the speed", help="kept after a second of free motion", validator=and_(gt(0), le(1))
    )
    stiffness: float = param(
        1.0,
        source="ours: the paper does not describe its joints; without springs its base rests at a limit in 28 % of the pictures",
        help="of springs that straighten the arm along the diagonal: 1 lets gravity of one standard deviation bend a joint to "
        "its limit, 0 is none",
        validator=ge(0),
    )
    burn_in: int = param(
        200,
        unit="iterations",
        source="ours: until the random pose of the start is forgotten",
        help="before a clip",
        validator=ge(0),
    )

    def setup(self) -> None:
        super().setup()
        engine()
        self._palette = palette(self.capsules)
        self._kept: tuple[int, Floats] | None = None

    def item(self, index: int) -> VideoItem:
        """Return picture ``index`` with its ground truth."""
        partner = partner_of(index, clip=self.clip)
        here, there = self.chain(index), self.chain(partner)
        axis = positions(self.size)
        shown = here.shown(axis)
        coordinates, grid, valid = self._moved(here, there, shown, axis)
        middles = [here.world(k, np.array(here.length / 2), np.array(0.0)) for k in range(self.capsules)]
        hidden = [bool(here.hides(k, x, y)) for k, (x, y) in enumerate(middles)]
        landmarks = np.array(middles)
        return {
            "image": self._picture(here, index),
            "true_mask": (shown >= 0)[None],
            "true_coordinates": coordinates.astype(np.float32),
            "true_landmarks2d": landmarks.astype(np.float32),
            "true_visible": inside(*landmarks.T) & ~np.array(hidden),
            "partner": np.array(partner),
            "partner_grid": np.ascontiguousarray(np.moveaxis(grid, 0, -1), dtype=np.float32),
            "partner_valid": valid[None],
        }

    def describe(self) -> dict[str, Any]:
        """Return conventions and names of landmarks."""
        return {
            **describe_video(self),
            "points": [f"capsule-{number}" for number in range(self.capsules)],
            "frames": {
                "coordinates": "the straight arm along x, anchor at (-1, 0, 0) and tip at (1, 0, 0); y across, down in the picture"
            },
        }

    def chain(self, index: int) -> Chain:
        """Return the arm in picture ``index``."""
        if index < 0:
            raise IndexError(f"items are counted from 0, got {index}")
        clip, frame = divmod(index, self.clip)
        if self._kept is None or self._kept[0] != clip:
            self._kept = clip, simulate(self, generator_for(self.seed, clip, "motion"))
        angles = -self._kept[1][frame]  # y is up in the physics, and down in the picture
        origin = np.array([2 * self.anchor - 1, 1 - 2 * self.anchor])
        length = 2 * self.length / self.capsules
        ends = joints(angles, origin=origin, length=length)
        along = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return Chain(start=ends[:-1], along=along, length=length, radius=self.thickness)

    def _moved(
        self, here: Chain, there: Chain, shown: Indices, axis: Floats
    ) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Return coordinates [3, S, S], where each pixel is found in the partner [2, S, S], and whether it is seen there."""
        x, y = np.broadcast_arrays(axis[None], axis[:, None])
        coordinates, grid = np.zeros((3, *shown.shape)), np.stack([x, y])
        valid = there.shown(axis) < 0
        for number in range(self.capsules):
            at = shown == number
            along, across = here.local(number, x[at], y[at])
            coordinates[0, at] = (number * here.length + along) / self.length - 1
            coordinates[1, at] = across / self.length
            moved = there.world(number, along, across)
            grid[:, at] = moved
            valid[at] = inside(*moved) & ~there.hides(number, *moved)
        return coordinates, grid, valid

    def _picture(self, chain: Chain, index: int) -> NDArray[np.float32]:
        samples = self.supersampling
        layers = means(self._palette[:, chain.shown(positions(self.size, samples=samples))], samples=samples)
        behind = draw_still(self, index)
        return np.clip(layers[:3] + behind * (1 - layers[3]), 0, 1).astype(np.float32)


def palette(capsules: int) -> Floats:
    """Return colour and cover [4, capsules + 1] of each capsule, hues evenly around the circle; last what shows none: 0."""
    colours = [colorsys.hsv_to_rgb(number / capsules, 0.8, 1.0) for number in range(capsules)]
    return np.array([(*colour, 1.0) for colour in colours] + [(0.0, 0.0, 0.0, 0.0)]).T

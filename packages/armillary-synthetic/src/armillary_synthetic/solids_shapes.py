"""Kinds of solids, each drawn at random within its kind, in units of its own.

All share one frame: front at -y, x to the side, z up. No rotation but the identity takes one to itself, or nearly so:
front and back differ, and so do top and bottom; a mug by its handle, on the +x side. Every draw is made whatever the
others are, so that a change of one trait leaves the rest as it was.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator

from armillary.kernels.triangle_mesh import TriangleMesh
from armillary_synthetic.solids_parts import box, ellipses, join, loft, mirrored, moved, rod, tube, turned, wing


class Traits:
    """Draws of one solid, narrowed towards the middle of their range.

    Args:
        generator: of every draw.
        variation: 1 draws from whole ranges, 0 always the middle.
    """

    def __init__(self, generator: Generator, *, variation: float) -> None:
        self._generator = generator
        self._variation = variation

    def between(self, low: float, high: float) -> float:
        """Return a number of a range."""
        middle, half = (low + high) / 2, (high - low) / 2
        return float(middle + half * self._variation * self._generator.uniform(-1, 1))

    def chance(self, share: float) -> bool:
        """Return true for a share of the solids; without variation where that is more than half."""
        drawn = 0.5 + self._variation * (self._generator.random() - 0.5)
        return bool(drawn < share)


def aeroplane(traits: Traits) -> TriangleMesh:
    """Return an airliner or a small plane: fuselage, swept wings, tail, engines under the wings or at the tail."""
    radius = traits.between(0.075, 0.13)
    nose, slim = traits.between(0.10, 0.22), traits.between(0.25, 0.4)
    at = np.array([-1.0, -0.97, -1 + nose * 0.5, -1 + nose, 0.35, 0.35 + 0.65 * slim, 0.97, 1.0])
    size = 2 * radius * np.array([0.12, 0.4, 0.8, 1.0, 1.0, 0.9, 0.3, 0.12])
    lift = radius * np.array([-0.35, -0.3, -0.12, 0.0, 0.0, 0.1, 0.6, 0.65])
    parts = [ellipses(at, size, size, lift)]
    reach, sweep, dihedral = traits.between(0.7, 1.1), traits.between(0.2, 0.6), traits.between(0.0, 0.16)
    stands, chord = traits.between(-0.3, -0.1), traits.between(0.28, 0.42)
    low = -0.5 * radius if traits.chance(0.7) else 0.8 * radius
    narrow = traits.between(0.3, 0.7)
    tip = (reach, stands + sweep, low + dihedral)
    parts += mirrored(wing((0, stands, low), tip, (chord, chord * narrow), (0.06, 0.025)))
    tail_reach, tail_sweep = reach * traits.between(0.3, 0.42), traits.between(0.05, 0.2)
    fin, fin_sweep = traits.between(0.25, 0.4), traits.between(0.08, 0.25)
    parts.append(wing((0, 0.82, 0.2 * radius), (0, 0.85 + fin_sweep, fin), (0.28, 0.15), (0.04, 0.025)))
    raised = fin if traits.chance(0.3) else 0.5 * radius
    back = 0.85 + fin_sweep if raised == fin else 0.84
    parts += mirrored(wing((0, back, raised), (tail_reach, back + tail_sweep, raised), (0.2, 0.11), (0.035, 0.02)))
    pod, along = traits.between(0.045, 0.07), traits.between(0.28, 0.42)
    if traits.chance(0.7):
        place = (along * reach, stands + sweep * along - 0.5 * chord, low + dihedral * along - 1.1 * pod)
    else:
        place = (radius + 0.9 * pod, 0.55, 0.4 * radius)
    profile = np.array([0.7, 1.0, 1.0, 0.6])
    ends = np.array([-0.14, -0.08, 0.05, 0.16])
    engine = ellipses(ends, 2 * pod * profile, 2 * pod * profile, np.zeros(4), corners=12)
    parts += mirrored(moved(engine, by=place))
    return join(parts)


def car(traits: Traits) -> TriangleMesh:
    """Return a saloon, hatchback, van or pickup: body, cabin, wheels, lights, perhaps a spoiler."""
    length, width, height = traits.between(1.8, 2.2), traits.between(0.75, 0.92), traits.between(0.5, 0.62)
    clear, waist = traits.between(0.1, 0.16), traits.between(0.28, 0.36)
    half, bonnet, boot = length / 2, traits.between(0.28, 0.5), traits.between(0.0, 0.45)
    at = half * np.array([-1.0, -0.96, -0.6, 0.0, 0.7, 0.97, 1.0])
    top = waist * np.array([0.55, 0.75, 0.92, 1.0, 1.02, 0.95, 0.8])
    wide = width * np.array([0.8, 0.92, 1.0, 1.0, 1.0, 0.95, 0.88])
    parts = [ellipses(at, wide, top, clear + top / 2, power=6.0)]
    front, back = -half + bonnet + 0.1, half - boot - 0.05
    rake, lean, narrow = traits.between(0.2, 0.42), traits.between(0.05, 0.3), traits.between(0.76, 0.88)
    floor, roof = clear + 0.9 * waist, clear + height
    level = np.array([(-1.0, 0.0), (1.0, 0.0), (1.0, 1.0), (-1.0, 1.0)])
    ends = {
        floor: (front, back, width * 0.94),
        roof: (front + rake, max(back - lean, front + rake + 0.2), width * narrow),
    }
    rings = [
        np.stack([level[:, 0] * wide / 2, a + level[:, 1] * (b - a), np.full(4, z)], axis=1)
        for z, (a, b, wide) in ends.items()
    ]
    parts.append(loft(np.array(rings)))
    wheel, tread = traits.between(0.15, 0.2), traits.between(0.1, 0.15)
    front_axle, back_axle = traits.between(0.55, 0.66), traits.between(0.55, 0.66)
    for place in (-front_axle * half, back_axle * half):
        outer = width / 2 + 0.02
        parts += mirrored(tube(np.array([(outer - tread, place, wheel), (outer, place, wheel)]), np.full(2, wheel)))
    parts += mirrored(box((0.36 * width, -0.99 * half, clear + 0.42 * waist), (0.16 * width, 0.05, 0.09)))
    parts += mirrored(box((width / 2 + 0.03, front + 0.12, floor + 0.04), (0.08, 0.05, 0.06)))
    if traits.chance(0.35):
        above = clear + waist + traits.between(0.1, 0.18)
        parts.append(box((0, half - 0.1, above), (0.9 * width, 0.14, 0.03)))
        parts += mirrored(box((0.35 * width, half - 0.1, (above + clear + 0.9 * waist) / 2), (0.04, 0.08, 0.25)))
    return join(parts)


def chair(traits: Traits) -> TriangleMesh:
    """Return a chair: seat, back of a board or of bars, four legs or a pedestal, perhaps arms."""
    width, depth, thick = traits.between(0.75, 1.0), traits.between(0.7, 0.95), traits.between(0.06, 0.16)
    height, back = traits.between(0.65, 0.95), traits.between(0.7, 1.15)
    lean, post = traits.between(0.02, 0.22), traits.between(0.03, 0.05)
    parts = [box((0, 0, height), (width, depth, thick), taper=0.95)]
    rear, top = depth / 2 - post, height + back
    inner = width / 2 - post
    board, open_from = traits.chance(0.55), traits.between(0.1, 0.35)
    bars = 2 + round(3 * traits.between(0.0, 1.0))
    if board:
        low = height + open_from * back
        rings = [
            [
                (sx * inner, rear + lean * (z - height) / back + sy * 0.03, z)
                for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))
            ]
            for z in (low, top)
        ]
        parts.append(loft(np.array(rings)))
        parts += mirrored(rod((0.8 * inner, rear, height), (0.8 * inner, rear + lean * open_from, low), post))
    else:
        parts += mirrored(rod((inner, rear, height), (inner, rear + lean, top), post))
        parts.append(box((0, rear + lean, top), (2 * inner, 0.07, 0.14)))
        for place in np.linspace(-inner, inner, bars + 2)[1:-1]:
            parts.append(rod((place, rear, height), (place, rear + lean, top), 0.7 * post))
    foot = traits.between(1.0, 1.2)
    if traits.chance(0.75):
        for y in (-1.0, 1.0):
            hip = (inner, y * (depth / 2 - post), height)
            parts += mirrored(rod(hip, (inner * foot, y * (depth / 2 - post) * foot, 0.0), 1.2 * post, 0.8 * post))
    else:
        parts.append(rod((0, 0, height), (0, 0, 0.1), 1.6 * post))
        for turn in (math.pi / 2 + 2 * math.pi * k / 5 for k in range(5)):
            reach = 0.5 * width * foot
            parts.append(rod((0, 0, 0.12), (reach * math.cos(turn), reach * math.sin(turn), 0.0), 1.2 * post, post))
    arm = traits.between(0.22, 0.34)
    if traits.chance(0.45):
        parts += mirrored(box((width / 2, 0.0, height + arm), (0.1, 0.85 * depth, 0.06)))
        parts += mirrored(rod((width / 2, -0.3 * depth, height), (width / 2, -0.3 * depth, height + arm), post))
        parts += mirrored(rod((width / 2, 0.35 * depth, height), (width / 2, 0.35 * depth, height + arm), post))
    return join(parts)


def mug(traits: Traits) -> TriangleMesh:
    """Return a mug: hollow, wider or narrower towards its rim, with a handle on one side."""
    height, radius, wall = traits.between(0.9, 1.5), traits.between(0.4, 0.58), traits.between(0.04, 0.07)
    flare, belly = traits.between(0.05, 0.4), traits.between(-0.05, 0.1)
    rise = np.linspace(0.0, 1.0, 7)
    outer = radius * (1 + flare * (rise - 0.5) + belly * np.sin(np.pi * rise))
    floor = traits.between(0.06, 0.12)
    inside = np.linspace(1.0, floor / height, 6)
    inner = np.interp(inside, rise, outer) - wall
    body = turned(height * np.concatenate([rise, inside]), np.concatenate([outer, inner]))
    top, bottom, reach = traits.between(0.84, 0.95), traits.between(0.3, 0.5), traits.between(0.3, 0.45)
    thick, square = traits.between(0.055, 0.085), traits.between(2.0, 4.0)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 13)
    bow, lift = np.cos(angle).clip(0) ** (2 / square), np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** (2 / square)
    middle, half = height * (top + bottom) / 2, height * (top - bottom) / 2
    ends = np.interp((middle + half * lift) / height, rise, outer) - wall / 2
    path = np.stack([ends + reach * bow, np.zeros(13), middle + half * lift], axis=1)
    return join([body, tube(path, np.full(13, thick), corners=10)])


def quadruped(traits: Traits) -> TriangleMesh:
    """Return an animal on four legs: body, neck, head with snout and ears, tail."""
    length, girth, legs = traits.between(1.1, 1.6), traits.between(0.36, 0.56), traits.between(0.5, 0.95)
    chest, hip = traits.between(1.0, 1.2), traits.between(0.85, 1.05)
    half = length / 2
    at = half * np.array([-1.0, -0.9, -0.6, 0.0, 0.65, 0.93, 1.0])
    size = girth * np.array([0.35, 0.8, chest, 0.95, hip, 0.75, 0.3])
    parts = [moved(ellipses(at, 0.85 * size, size, np.zeros(7)), by=(0, 0, legs + girth / 2))]
    back = legs + girth / 2
    neck, pitch = traits.between(0.25, 0.75), traits.between(0.5, 1.2)
    base = np.array([0.0, -0.85 * half, back + 0.1 * girth])
    head = base + neck * np.array([0.0, -math.cos(pitch), math.sin(pitch)])
    thick, skull = traits.between(0.32, 0.45) * girth, traits.between(0.16, 0.22)
    parts.append(tube(np.stack([base, head]), np.array([thick, 0.75 * skull]), corners=12))
    snout, droop = traits.between(0.22, 0.45), traits.between(0.0, 0.5)
    along = np.array([-1.0, -0.5, 0.2, 0.8, 1.0])
    sizes = skull * np.array([0.9, 1.15, 1.75, 1.5, 0.6])
    places = head[1] + np.array([-snout - 0.5 * skull, -snout, -0.4 * skull, 0.6 * skull, skull])
    lifts = head[2] - droop * skull * (1 - along) / 2
    parts.append(ellipses(places, 0.8 * sizes, sizes, lifts))
    ear, spread = traits.between(0.12, 0.34), traits.between(0.1, 0.6)
    root = head + np.array([0.45 * skull, 0.2 * skull, 0.6 * skull])
    parts += mirrored(rod(tuple(root), tuple(root + ear * np.array([spread, 0.15, 1.0])), 0.35 * skull, 0.08 * skull))
    limb, paw = traits.between(0.07, 0.11), traits.between(0.75, 1.1)
    for place in (-0.68 * half, 0.7 * half):
        hip_at = (0.26 * girth, place, back - 0.1 * girth)
        parts += mirrored(rod(hip_at, (0.28 * girth, place, 0.0), 1.35 * limb, paw * limb))
        parts += mirrored(box((0.28 * girth, place - 0.05, 0.04), (0.16, 0.22, 0.08), taper=0.8))
    tail, hang = traits.between(0.3, 0.8), traits.between(-0.9, 0.9)
    bend = np.linspace(0.0, 1.0, 6)
    path = np.stack(
        [
            np.zeros(6),
            0.95 * half + tail * bend * math.cos(hang),
            back + 0.2 * girth + tail * math.sin(hang) * bend**1.5,
        ],
        axis=1,
    )
    parts.append(tube(path, 0.06 - 0.035 * bend, corners=8))
    return join(parts)


KINDS: Mapping[str, Callable[[Traits], TriangleMesh]] = {
    "aeroplane": aeroplane,
    "car": car,
    "chair": chair,
    "mug": mug,
    "quadruped": quadruped,
}
"""Category to the function that draws one."""

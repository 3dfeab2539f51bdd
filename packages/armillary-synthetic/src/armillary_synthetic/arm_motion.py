"""Motion of an arm of capsules under a changing gravity, by the physics engine pymunk.

Physics frame: x right, y up, metres, the corner of the picture at 0. Angles are those of the capsules against the x axis,
counter-clockwise, in radians. The first capsule is held at the anchor and turns between lying and standing; each other one
bends against the one before by a limited angle; floor and left wall are solid, and capsules pass through each other, which
the limits keep from happening. Springs straighten the arm along the diagonal. The engine runs on one thread and keeps nothing between clips, so a clip is a function of
settings and stream: the same bytes on one machine and one build of the engine.
"""

import math
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator

from armillary_synthetic.raster import Floats

if TYPE_CHECKING:
    from armillary_synthetic.arm import Arm

_ITERATIONS = 30  # of the solver a step: joints in a chain need more than the engine's 10
_DENSITY = 1.0  # kg a metre of capsule; motion does not depend on it
_WALLS = 100.0  # arm's lengths that floor and wall reach


def engine() -> ModuleType:
    """Return the physics engine.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import pymunk
    except ImportError as error:
        raise ValueError(
            f"the arm moves by the physics engine pymunk ({error}): pip install 'armillary-synthetic[arm]'"
        ) from error
    return pymunk


def simulate(arm: "Arm", generator: Generator) -> Floats:
    """Return the angles of the capsules in the pictures of a clip, [clip, capsules]."""
    pymunk = engine()
    space: Any = pymunk.Space(threaded=False)
    space.iterations = _ITERATIONS
    space.damping = arm.damping
    capsules = _build(pymunk, space, arm, _start(arm, generator))
    frames = []
    for iteration in range(arm.burn_in + arm.clip * arm.frame_every):
        if iteration % arm.gravity_every == 0:
            space.gravity = tuple(map(float, arm.gravity * generator.standard_normal(2)))
        space.step(arm.step)
        if iteration >= arm.burn_in and (iteration - arm.burn_in + 1) % arm.frame_every == 0:
            frames.append([body.angle for body in capsules])
    return limited(arm, np.array(frames))


def limited(arm: "Arm", angles: Floats) -> Floats:
    """Return angles [..., capsules] whose joints keep their limits, which the engine lets go by up to some degrees."""
    bends = np.diff(angles, axis=-1).clip(-arm.bend, arm.bend)
    base = angles[..., :1].clip(0, math.pi / 2)
    return np.cumsum(np.concatenate([base, bends], axis=-1), axis=-1)


def joints(angles: Floats, *, origin: Floats, length: float) -> Floats:
    """Return the ends of the capsules, [..., capsules + 1, 2]: the chain from ``origin`` [2] with capsules of ``length``."""
    steps = length * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    first = np.broadcast_to(origin, (*steps.shape[:-2], 1, 2))
    return np.concatenate([first, origin + np.cumsum(steps, axis=-2)], axis=-2)


def _start(arm: "Arm", generator: Generator) -> Floats:
    """Return random angles of an arm that is in the picture: its bends are made smaller until it is."""
    base = generator.uniform(0, math.pi / 2)
    bends = arm.bend * generator.uniform(-1, 1, arm.capsules - 1)
    angles = np.full(arm.capsules, base)
    for share in (1.0, 0.5, 0.25):
        bent = base + share * np.concatenate([[0.0], np.cumsum(bends)])
        ends = joints(bent, origin=np.full(2, arm.anchor), length=arm.length / arm.capsules)
        if ends.min() >= arm.thickness / 2:
            return bent
    return angles


def _build(pymunk: ModuleType, space: Any, arm: "Arm", angles: Floats) -> list[Any]:
    """Put the arm and its walls into a space; return the bodies of the capsules, from the anchor to the tip."""
    scale = arm.metres / arm.length  # metres per side of the picture
    length, radius = arm.metres / arm.capsules, arm.thickness / 2 * scale
    ends = joints(angles, origin=np.full(2, arm.anchor * scale), length=length)
    half, mass = length / 2, _DENSITY * length
    together = pymunk.ShapeFilter(group=1)
    before = space.static_body
    weight = arm.stiffness * arm.gravity * mass
    bodies = []
    for angle, end in zip(angles, ends, strict=False):
        body = pymunk.Body(mass, pymunk.moment_for_segment(mass, (-half, 0), (half, 0), radius))
        middle = end + half * np.array([math.cos(angle), math.sin(angle)])
        body.position, body.angle = tuple(map(float, middle)), float(angle)
        shape = pymunk.Segment(body, (-half, 0), (half, 0), radius)
        shape.filter = together
        hold = (half, 0) if bodies else tuple(map(float, end))
        low, high = (-arm.bend, arm.bend) if bodies else (0.0, math.pi / 2)
        beyond = arm.capsules - len(bodies)
        torque = weight * beyond * length * beyond / 2  # of gravity across a straight rest of the arm
        rest, most = (low + high) / 2, (high - low) / 2
        space.add(
            body,
            shape,
            pymunk.PivotJoint(before, body, hold, (-half, 0)),
            pymunk.RotaryLimitJoint(before, body, low, high),
        )
        if most > 0:
            space.add(pymunk.DampedRotarySpring(before, body, -rest, torque / most, 0.0))
        bodies.append(body)
        before = body
    far = _WALLS * arm.metres
    space.add(*(pymunk.Segment(space.static_body, (0, 0), end, 0) for end in ((far, 0), (0, far))))
    return bodies

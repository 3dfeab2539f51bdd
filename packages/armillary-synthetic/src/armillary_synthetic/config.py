"""Settings of the generators. A number whose source is not named is ours: no paper published its generator. The frame of the
heads (field of view, depth range, rotation centre) is that of Unsup3D."""

import math
from typing import Literal

import attrs
from attrs.validators import and_, ge, gt, le, lt

from armillary.config import param

_ROBOARM = "Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932, section 4.1"
_UNSUP3D = "elliottwu/unsup3d, unsup3d/renderer/renderer.py"


@attrs.frozen(kw_only=True)
class SceneConfig:
    """Camera, pose, light and background, the same for every generator of heads."""

    fov: float = param(
        math.radians(10),
        unit="radian",
        source=f"{_UNSUP3D}: fov",
        help="horizontal angle between the centres of the corner pixels",
        validator=and_(gt(0), lt(math.pi / 2)),
    )
    yaw: float = param(
        0.6, unit="radian", help="the head turns by up to this, either way", validator=and_(ge(0), le(1.2))
    )
    pitch: float = param(0.3, unit="radian", help="the head nods by up to this", validator=and_(ge(0), le(0.8)))
    roll: float = param(0.1, unit="radian", help="the head tilts by up to this", validator=and_(ge(0), le(math.pi)))
    shift: float = param(
        0.005, unit="scene", help="the head moves by up to this along x and y", validator=and_(ge(0), le(0.1))
    )
    shift_z: float = param(
        0.005, unit="scene", help="the head moves by up to this along z", validator=and_(ge(0), le(0.1))
    )
    ambient_min: float = param(0.25, help="least ambient light", validator=and_(ge(0), le(1)))
    ambient_max: float = param(0.55, help="most ambient light", validator=and_(ge(0), le(1)))
    diffuse_min: float = param(0.4, help="least diffuse light", validator=and_(ge(0), le(1)))
    diffuse_max: float = param(0.75, help="most diffuse light", validator=and_(ge(0), le(1)))
    light_slope: float = param(
        1.0,
        help="the light comes from -(lx, ly, 1) with |lx| up to this, and |ly| up to two thirds of it",
        validator=ge(0),
    )
    background: Literal["texture", "plain"] = param("texture", help="smooth random colours, or one random colour")
    supersampling: int = param(
        3,
        unit="samples per pixel along an axis",
        help="odd, so that one sample is the centre of the pixel",
        validator=ge(1),
    )
    far: float = param(
        1.1, unit="scene", source=f"{_UNSUP3D}: max_depth", help="depth where nothing is hit", validator=gt(0)
    )

    def __attrs_post_init__(self) -> None:
        if self.supersampling % 2 == 0:
            raise ValueError(
                f"supersampling {self.supersampling} must be odd: depth is read at the centre of the pixel"
            )
        for low, high in (("ambient_min", "ambient_max"), ("diffuse_min", "diffuse_max")):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} {getattr(self, low)} must not be above {high} {getattr(self, high)}")


@attrs.frozen(kw_only=True)
class HeadsConfig(SceneConfig):
    """Procedural heads. Identity is symmetric; each asymmetry has its own setting, and 0 turns it off."""

    variation: float = param(
        1.0, help="spread of shape and colour between heads; 0 gives one head", validator=and_(ge(0), le(1.5))
    )
    parting: float = param(0.5, help="share of heads whose hair is parted on one side", validator=and_(ge(0), le(1)))
    marks: float = param(
        1.0, unit="marks", help="mean number of moles and patches a head", validator=and_(ge(0), le(20))
    )
    expression: float = param(
        0.5, help="strength of lopsided expression: mouth, brows, gaze, lids", validator=and_(ge(0), le(1))
    )
    blotches: float = param(0.4, help="strength of skin colour that is not mirrored", validator=and_(ge(0), le(2)))


@attrs.frozen(kw_only=True)
class MorphableConfig(SceneConfig):
    """Faces of a morphable model file; each asymmetry has its own setting, and 0 turns it off."""

    model: str = param(
        help="npz file with vertices, triangles, region, identity_modes, expression_modes, expression_names, landmarks68 and "
        "albedo_base, as the packaged ICT face model has them"
    )
    crop: Literal["narrow", "face", "head"] = param("face", help="how much of the head is kept")
    identity: float = param(0.8, help="standard deviation of the weights of identity", validator=and_(ge(0), le(1.5)))
    smile: float = param(0.4, help="largest weight of symmetric expression", validator=and_(ge(0), le(1)))
    expression: float = param(0.25, help="largest weight of lopsided expression", validator=and_(ge(0), le(1)))
    blotches: float = param(0.4, help="strength of skin colour that is not mirrored", validator=and_(ge(0), le(2)))
    marks: float = param(
        0.5, unit="marks", help="mean number of moles and patches per face", validator=and_(ge(0), le(20))
    )


@attrs.frozen(kw_only=True)
class VideoConfig:
    """Settings shared by the generators of moving objects: each picture has a partner that shows its pixels again."""

    clip: int = param(
        20,
        unit="pictures",
        help="so many items in a row belong together; a partner is of the same clip",
        validator=ge(2),
    )
    background: Literal["plain", "texture"] = param(
        "plain", help="one colour, or smooth random colours that are fixed for a clip"
    )
    supersampling: int = param(3, unit="samples per pixel along an axis", help="against aliasing", validator=ge(1))


@attrs.frozen(kw_only=True)
class GlobeConfig(VideoConfig):
    """A textured sphere that turns, seen from infinitely far (orthographic)."""

    turn: float = param(
        0.8,
        unit="radian",
        source="ours: two pictures then share about seven tenths of what each shows",
        help="each component of the rotation vector is uniform up to this, either way, anew for each picture",
        validator=and_(ge(0), le(math.pi)),
    )
    radius: float = param(
        0.42,
        unit="side of the picture",
        help="of the sphere; a side goes from corner pixel to corner pixel",
        validator=gt(0),
    )
    shift: float = param(
        0.0,
        unit="side of the picture",
        help="the sphere's distance from the middle is up to this, along x and y",
        validator=ge(0),
    )
    texture_seed: int = param(
        0,
        help="decides the made textures: collections of any seed show the same sphere, one to train on and one to measure on",
        validator=ge(0),
    )
    textures: int = param(
        1,
        help="how many spheres, of one shape and frame but each with a texture of its own; one is drawn a clip",
        validator=ge(1),
    )
    texture: str = param(
        "",
        help="a picture file to wrap around the sphere, twice as wide as high (equirectangular); empty: made from the seed",
    )
    shading: float = param(
        0.0,
        help="0 shows the texture as it is, so that a point keeps its colour; 1 is all diffuse light from above on the left",
        validator=and_(ge(0), le(1)),
    )
    grazing: float = param(
        0.2,
        unit="cosine",
        source="ours: 0.2 is a ring of half a pixel at 64 pixels, where texture and background mix",
        help="a point is seen where its normal makes at least this cosine with the direction to the viewer",
        validator=and_(ge(0), lt(1)),
    )

    def __attrs_post_init__(self) -> None:
        if self.radius + self.shift > 0.5:
            raise ValueError(
                f"radius {self.radius} and shift {self.shift} together must not be above 0.5, the picture's edge"
            )
        if self.texture and self.textures > 1:
            raise ValueError(f"textures {self.textures} are made from texture_seed; a file named by texture is one")


@attrs.frozen(kw_only=True)
class ArmConfig(VideoConfig):
    """An arm of capsules that hangs on its lower left end and swings as gravity changes."""

    capsules: int = param(5, help="from the anchor to the tip", validator=and_(ge(2), le(12)))
    length: float = param(
        0.8, unit="side of the picture", help="of the straight arm, from anchor to tip", validator=gt(0)
    )
    thickness: float = param(0.1, unit="side of the picture", help="of the capsules", validator=gt(0))
    anchor: float = param(
        0.12, unit="side of the picture", help="where the arm is held, from the left and from below", validator=gt(0)
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

    def __attrs_post_init__(self) -> None:
        half = self.thickness / 2
        if self.anchor < half or self.anchor + self.length + half > 1:
            raise ValueError(
                f"anchor {self.anchor}, length {self.length} and thickness {self.thickness} do not fit a picture of side 1"
            )
        if self.thickness > self.length / self.capsules:
            raise ValueError(
                f"{self.capsules} capsules of thickness {self.thickness} are wider than long in an arm of length {self.length}"
            )


@attrs.frozen(kw_only=True)
class SolidsConfig:
    """Objects of a few kinds, distinguished by their shape alone; the result of an item is its mesh."""

    categories: tuple[str, ...] = param(
        ("aeroplane", "car", "chair", "mug", "quadruped"), help="kinds to make, in turn, one per item"
    )
    variation: float = param(
        1.0, help="spread of shapes within a kind; 0 makes one of each", validator=and_(ge(0), le(1))
    )
    views: Literal["views", "so3", "front"] = param(
        "views",
        help="how the picture shows the object: from anywhere with its top up, turned in any way, or from the front",
    )
    fov: float = param(
        math.radians(30),
        unit="radian",
        help="angle of view; the unit sphere fills it",
        validator=and_(gt(0), lt(math.pi / 2)),
    )
    supersampling: int = param(3, unit="samples per pixel along an axis", help="against aliasing", validator=ge(1))
    background: float = param(
        0.0,
        unit="image",
        help="grey where there is nothing; 0, as methods that learn from the meshes draw them",
        validator=and_(ge(0), le(1)),
    )

    def __attrs_post_init__(self) -> None:
        if not self.categories or len(set(self.categories)) != len(self.categories):
            raise ValueError(f"categories needs different names, at least one, got {list(self.categories)}")

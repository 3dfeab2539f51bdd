"""Vocabulary of ports: kinds of tensor, axes, frames, units. Light.

A part declares what it consumes and produces as :class:`Port`. Kinds are a closed vocabulary, each convention stated once in
:data:`KINDS`; a plugin may add ``x.<plugin>.<kind>``, which connects only to itself. A shape is a string of tokens: an integer,
a symbol (``height``), ``symbol/2``, ``symbol*2``, or ``$field`` of the part's or the method's config. :class:`Shapes` unifies them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

import attrs

UNITS = frozenset(
    {"any", "none", "scene", "image", "pixel", "normalised", "radian", "probability", "logit", "unit_length"}
)
FRAMES = frozenset({"any", "image", "canonical", "camera", "object", "world", "sphere"})

Ratio = int | Fraction
Shape = tuple[int | None, ...]
"""A resolved shape; None for the batch and for what is known only at run time."""


def square_side(shape: Shape) -> int:
    """Return the side of the square map of a resolved shape ``(batch, channel, height, width)``.

    Raises:
        ValueError: the map is not square, or its size is not known.

    Example:
        >>> square_side((None, 3, 64, 64))
        64
    """
    height, width = shape[-2:]
    if height is None or height != width:
        raise ValueError(f"these networks need square images of a known size, not {height} x {width}")
    return height


def vector_length(shape: Shape) -> int:
    """Return the length of the vector of a resolved shape ``(batch, channel)``.

    Raises:
        ValueError: it is not known.

    Example:
        >>> vector_length((None, 256))
        256
    """
    length = shape[-1]
    if length is None:
        raise ValueError("the length of the feature vector is not known")
    return length


def axis_length(index: int, *, of: str) -> Callable[[Shape], int]:
    """Return a reader of one axis of a resolved shape, for :func:`armillary.interfaces.part.from_shape`.

    Args:
        index: of the axis.
        of: name of the entries along it, for the message; the reader raises ValueError where the length is not known.

    Example:
        >>> axis_length(1, of="features")((None, 256, None, None))
        256
    """

    def read(shape: Shape) -> int:
        length = shape[index]
        if length is None:
            raise ValueError(f"the number of {of} is not known")
        return length

    return read


@attrs.frozen
class Kind:
    """Meaning of the numbers of a port.

    Args:
        shape: default shape of a port of this kind.
        unit: default unit.
        text: the convention, in one sentence.
        frame: default frame; empty if ports of this kind exist in several frames, so that each port declares its own.
    """

    shape: str
    unit: str
    text: str
    frame: str = ""


KINDS: Mapping[str, Kind] = {
    "image": Kind(
        "batch 3 height width",
        "image",
        "sRGB in [0, 1]; x right, y down; pixel (i, j) has its centre at integer coordinates",
    ),
    "grid": Kind(
        "batch height width 2",
        "normalised",
        "sampling positions (x, y) in [-1, 1], corners at the corner pixels' centres",
    ),
    "depth": Kind("batch 1 height width", "scene", "distance along the camera's z axis, z forward"),
    "camera": Kind("batch 3 3", "pixel", "pinhole intrinsics K, pixel centres at integers"),
    "pose": Kind("batch 3 4", "scene", "[R | t] with x_camera = R @ x_object + t, det R = +1"),
    "rotation": Kind("batch 3 3", "none", "matrix of determinant +1 acting on columns"),
    "normals": Kind("batch 3 height width", "unit_length", "camera frame, facing the viewer (z < 0)"),
    "light": Kind(
        "batch 5",
        "none",
        "ambient, diffuse, unit direction from the surface to the light; camera frame of the picture, if the port names no other",
    ),
    "albedo": Kind("batch 3 height width", "image", "sRGB in [0, 1]"),
    "shading": Kind("batch 1 height width", "none", "factor on the albedo, >= 0"),
    "mask": Kind("batch 1 height width", "none", "boolean; true where the pixel counts", "image"),
    "confidence": Kind("batch 1 height width", "image", "a standard deviation, > 0"),
    "keypoints2d": Kind("batch points 2", "normalised", "(x, y) in [-1, 1] as in grid"),
    "keypoints3d": Kind("batch points 3", "scene", "(x, y, z)"),
    "landmarks2d": Kind("batch points 2", "normalised", "annotated (x, y) in [-1, 1] as in grid"),
    "landmarks3d": Kind("batch points 3", "scene", "annotated (x, y, z)"),
    "visibility": Kind("batch points", "none", "boolean, one per point"),
    "heatmap": Kind("batch points height width", "probability", "one map a point"),
    "edge_map": Kind("batch 1 height width", "none", "[0, 1], drawn links between points"),
    "label_map": Kind(
        "batch 3 height width", "none", "direction: point on the object's sphere; length: certainty; at its own stride"
    ),
    "coordinate_map": Kind(
        "batch 3 height width",
        "any",
        "(x, y, z) of the object's point that each pixel shows, in the object's own frame; never blended, 0 outside the object",
    ),
    "sphere_signal": Kind(
        "batch channel colatitude azimuth",
        "none",
        "samples on the unit sphere, z up: 2B colatitudes pi (2 j + 1) / 4 B and 2B azimuths 2 pi k / 2 B (the soft grid)",
    ),
    "sphere_coefficients": Kind(
        "batch channel coefficient",
        "none",
        "real orthonormal spherical harmonics, degree l and order m at l^2 + l + m, z up; to e3nn's axes and back: "
        "armillary.nn.spheres.interchange",
    ),
    "feature_map": Kind("batch channel height width", "any", "features of a network on a grid"),
    "feature_vector": Kind("batch channel", "any", "one vector of features per item"),
    "class_label": Kind("batch", "none", "integer class"),
    "class_scores": Kind("batch classes", "logit", "one score a class"),
    "scalar": Kind("batch", "any", "one number per item"),
    "mesh": Kind(
        "",
        "scene",
        "a record: vertices, triangles and what they carry; moved(matrix) gives it with matrix @ x for each x",
    ),
}

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_TOKEN = re.compile(r"(?P<integer>\d+)|\$(?P<field>[a-z_]\w*)|(?P<symbol>[a-z_][\w.]*)(?:(?P<op>[/*])(?P<factor>\d+))?")


def known_kind(kind: str) -> bool:
    """Return whether ``kind`` is in the vocabulary or a plugin's own ``x.<plugin>.<kind>``."""
    return kind in KINDS or bool(re.fullmatch(r"x\.[a-z][\w-]*\.[a-z]\w*", kind))


@attrs.frozen
class Port:
    """Named tensor that a part consumes or produces.

    Args:
        name: what it is called in the batch, in the outputs and in keyword calls.
        kind: a key of :data:`KINDS`, or ``x.<plugin>.<kind>``.
        shape: tokens; the kind's own where none is given.
        unit: a member of :data:`UNITS`; the kind's own where none is given.
        frame: a member of :data:`FRAMES`; the kind's own where none is given, empty if it has none: an unknown frame, which
            fits no known one. ``any`` is for a consumer that takes every frame.
        optional: a consumer does without it; a producer gives it only in some settings.

    Raises:
        ValueError: a name, kind, unit, frame or shape outside the vocabulary.
    """

    name: str
    kind: str = attrs.field(kw_only=True)
    shape: str = attrs.field(kw_only=True, default="")
    unit: str = attrs.field(kw_only=True, default="")
    frame: str = attrs.field(kw_only=True, default="")
    optional: bool = attrs.field(kw_only=True, default=False)

    def __attrs_post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"port name {self.name!r}: use lower-case words joined by _")
        if not known_kind(self.kind):
            raise ValueError(f"port {self.name}: kind {self.kind!r} is not in the vocabulary (armillary.ports.KINDS)")
        kind = KINDS.get(self.kind, Kind("batch", "any", ""))
        object.__setattr__(self, "shape", self.shape or kind.shape)
        object.__setattr__(self, "unit", self.unit or kind.unit)
        object.__setattr__(self, "frame", self.frame or kind.frame)
        if self.unit not in UNITS:
            raise ValueError(f"port {self.name}: unit {self.unit!r} is not one of {', '.join(sorted(UNITS))}")
        if self.frame and self.frame not in FRAMES:
            raise ValueError(f"port {self.name}: frame {self.frame!r} is not one of {', '.join(sorted(FRAMES))}")
        parse_shape(self.shape)

    def sized(self, scope: str, settings: Mapping[str, object]) -> "Port":
        """Return the port with each ``$field`` of its shape replaced by the value of its setting.

        Raises:
            ValueError: such a setting is not a whole number; ``scope`` names its owner.
        """
        if "$" not in self.shape:
            return self
        return attrs.evolve(
            self, shape=" ".join(str(self.filled(axis, scope, settings)) for axis in parse_shape(self.shape))
        )

    def filled(self, axis: "Axis", scope: str, settings: Mapping[str, object]) -> "Axis":
        """Return an axis of the port, a ``$field`` with the value of its setting.

        Raises:
            ValueError: as :meth:`sized`.
        """
        if not axis.field:
            return axis
        value = settings.get(axis.field)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{scope}: port {self.name} has ${axis.field}, but that setting is {value!r}")
        return Axis(value)

    def __str__(self) -> str:
        words = [f"{self.name}: {self.kind} [{self.shape}]"]
        if self.unit not in ("any", "none"):
            words.append(f"in {self.unit} units" if self.unit in ("scene", "image") else f"in {self.unit}")
        if self.frame:
            words.append(f"frame {self.frame}")
        return " ".join(words)


def misfit(produced: Port, consumed: Port) -> str:
    """Return the reason why ``produced`` cannot feed ``consumed``, empty if it can. Shapes are for :class:`Shapes`."""
    if produced.kind != consumed.kind:
        return f"kind {produced.kind} is not {consumed.kind}"
    if "any" not in (produced.unit, consumed.unit) and produced.unit != consumed.unit:
        return f"unit {produced.unit} is not {consumed.unit}"
    if "any" not in (produced.frame, consumed.frame) and produced.frame != consumed.frame:
        unknown = (
            "" if produced.frame and consumed.frame else " (declare it: Annotated[ports.KIND, ports.Of(frame=...)])"
        )
        return f"frame {produced.frame or 'unknown'} is not {consumed.frame or 'unknown'}{unknown}"
    return ""


@attrs.frozen
class Axis:
    """Axis of a shape: ``factor * symbol``, or the number ``factor`` without a symbol."""

    factor: Ratio
    symbol: str = ""
    field: str = ""

    def __str__(self) -> str:
        if self.field:
            return f"${self.field}"
        if not self.symbol:
            return str(self.factor)
        if self.factor == 1:
            return self.symbol
        if self.factor > 1:
            return f"{self.symbol}*{self.factor}"
        return f"{self.symbol}/{1 / self.factor}"


@cache
def parse_shape(text: str) -> tuple[Axis, ...]:
    """Return the axes of a shape.

    Raises:
        ValueError: a token is not an integer, a symbol, ``symbol/k``, ``symbol*k`` or ``$field``.
    """
    axes = []
    for token in text.split():
        match = _TOKEN.fullmatch(token)
        if not match:
            raise ValueError(f"shape {text!r}: {token!r} is not an integer, a symbol, symbol/2, symbol*2 or $field")
        if match["integer"]:
            axes.append(Axis(int(match["integer"])))
        elif match["field"]:
            axes.append(Axis(1, field=match["field"]))
        else:
            factor = int(match["factor"] or 1)
            axes.append(Axis(_ratio(1, factor) if match["op"] == "/" else factor, symbol=match["symbol"]))
    return tuple(axes)


@cache
def _scoped(shape: str, scope: str) -> tuple[Axis, ...]:
    """Return the axes of a shape with its symbols put in a scope."""
    own = parse_shape(shape)
    return tuple(attrs.evolve(a, symbol=f"{scope}:{a.symbol}") if a.symbol not in ("", "batch") else a for a in own)


def _ratio(one: Ratio, other: Ratio) -> Ratio:
    """Return the exact quotient, an int where it is whole."""
    if other == 1:
        return one
    found = Fraction(one, other)
    return found.numerator if found.denominator == 1 else found


class Shapes:
    """Unification of symbolic shapes: multiples between symbols, and numbers of symbols.

    A symbol belongs to a scope (the method, or one part); ``batch`` is one for all. No torch is needed.
    """

    def __init__(self) -> None:
        self._parent: dict[str, tuple[str, Ratio]] = {}
        self._value: dict[str, Ratio] = {}

    def copy(self) -> "Shapes":
        """Return the same knowledge, to try a unification."""
        other = Shapes()
        other._parent, other._value = dict(self._parent), dict(self._value)
        return other

    def bind(self, port: Port, scope: str, settings: Mapping[str, object]) -> tuple[Axis, ...]:
        """Return the axes of ``port`` with its symbols put in ``scope`` and its ``$field`` replaced.

        Raises:
            ValueError: a ``$field`` that is not a whole number among ``settings``.
        """
        axes = _scoped(port.shape, scope)
        return tuple(port.filled(axis, scope, settings) for axis in axes) if "$" in port.shape else axes

    def unify(self, one: Iterable[Axis], other: Iterable[Axis]) -> str:
        """Make the two shapes equal; return the reason why they cannot be, empty if they can."""
        one, other = tuple(one), tuple(other)
        if len(one) != len(other):
            return f"{len(one)} axes are not {len(other)} axes"
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            reason = self._unify_axis(a, b)
            if reason:
                return f"axis {index}: {reason}"
        return ""

    def resolve(self, axes: Iterable[Axis]) -> Shape:
        """Return the known numbers, None for the others."""
        return tuple(self._number(axis) for axis in axes)

    def _number(self, axis: Axis) -> int | None:
        if not axis.symbol:
            return int(axis.factor)
        root, ratio = self._find(axis.symbol)
        if root not in self._value:
            return None
        value = self._value[root] * ratio * axis.factor
        return int(value) if value.denominator == 1 else None

    def _find(self, symbol: str) -> tuple[str, Ratio]:
        ratio: Ratio = 1
        while symbol in self._parent:
            symbol, step = self._parent[symbol]
            ratio *= step
        return symbol, ratio

    def _unify_axis(self, a: Axis, b: Axis) -> str:
        if a == b:
            return ""
        if not a.symbol and not b.symbol:
            return "" if a.factor == b.factor else f"{a.factor} is not {b.factor}"
        if not a.symbol:
            a, b = b, a
        root, ratio = self._find(a.symbol)
        ratio *= a.factor
        if not b.symbol:
            return self._assign(root, _ratio(b.factor, ratio), f"{_bare(a)} is", b.factor)
        other, other_ratio = self._find(b.symbol)
        other_ratio *= b.factor
        if root == other:
            return "" if ratio == other_ratio else f"{_bare(a)} is not {_bare(b)}"
        if root in self._value and other in self._value:
            left, right = self._value[root] * ratio, self._value[other] * other_ratio
            return "" if left == right else f"{left} is not {right}"
        if root in self._value:
            root, other, ratio, other_ratio = other, root, other_ratio, ratio
        # root is free: root = other * other_ratio / ratio
        self._parent[root] = (other, _ratio(other_ratio, ratio))
        return ""

    def _assign(self, root: str, value: Ratio, what: str, number: Ratio) -> str:
        if value.denominator != 1:
            return f"{what} {number}, which does not divide evenly"
        if root in self._value and self._value[root] != value:
            return f"{what} {_ratio(self._value[root], value) * number}, not {number}"
        self._value[root] = value
        return ""


def _bare(axis: Axis) -> str:
    return str(attrs.evolve(axis, symbol=axis.symbol.rpartition(":")[2]))


# --- port types: the meaning of a tensor in the signature of a part --------------------------------------------------

if TYPE_CHECKING:
    from torch import Tensor
else:
    Tensor = Any  # signatures are read without torch


@attrs.frozen
class Of:
    """Refinement of a port type: ``Annotated[Depth, Of(frame="canonical")]``; empty words keep the kind's own."""

    kind: str = ""
    shape: str = ""
    unit: str = ""
    frame: str = ""

    def words(self) -> dict[str, str]:
        """Return the words that are not empty."""
        return {word: text for word, text in attrs.asdict(self).items() if text}


@attrs.frozen
class With:
    """Mark of an output that comes and goes with an optional slot: ``Annotated[Shading, With("light.head")]``.

    ``With("settings.mirrored")`` names a switch of the method in place of a slot; its default is off.
    """

    slot: str


@attrs.frozen
class Value:
    """Mark of what a loss returns: one value, or a sum and a count, ``per`` item or batch."""

    per: Literal["item", "batch"]


Image = Annotated[Tensor, Of("image")]
AnyImage = Annotated[Tensor, Of("image", "batch channels height width")]
"""A picture with any number of channels: a grey one too."""
Grid = Annotated[Tensor, Of("grid")]
Depth = Annotated[Tensor, Of("depth")]
Camera = Annotated[Tensor, Of("camera")]
Pose = Annotated[Tensor, Of("pose")]
Rotation = Annotated[Tensor, Of("rotation")]
Normals = Annotated[Tensor, Of("normals")]
Light = Annotated[Tensor, Of("light")]
Albedo = Annotated[Tensor, Of("albedo")]
Shading = Annotated[Tensor, Of("shading")]
Mask = Annotated[Tensor, Of("mask")]
Confidence = Annotated[Tensor, Of("confidence")]
Keypoints2d = Annotated[Tensor, Of("keypoints2d")]
Keypoints3d = Annotated[Tensor, Of("keypoints3d")]
Landmarks2d = Annotated[Tensor, Of("landmarks2d")]
Landmarks3d = Annotated[Tensor, Of("landmarks3d")]
Visibility = Annotated[Tensor, Of("visibility")]
Heatmap = Annotated[Tensor, Of("heatmap", "batch points rows columns")]
EdgeMap = Annotated[Tensor, Of("edge_map")]
LabelMap = Annotated[Tensor, Of("label_map", "batch channels rows columns")]
CoordinateMap = Annotated[Tensor, Of("coordinate_map")]
SphereSignal = Annotated[Tensor, Of("sphere_signal")]
SphereCoefficients = Annotated[Tensor, Of("sphere_coefficients")]
FeatureMap = Annotated[Tensor, Of("feature_map", "batch features rows columns")]
FeatureVector = Annotated[Tensor, Of("feature_vector", "batch features")]
ClassLabel = Annotated[Tensor, Of("class_label")]
ClassScores = Annotated[Tensor, Of("class_scores")]
Scalar = Annotated[Tensor, Of("scalar")]
Mesh = Annotated[Any, Of("mesh")]

PerItem = Annotated[Tensor, Value("item")]
"""Returned by a loss: one value per item."""
PerBatch = Annotated[Tensor, Value("batch")]
"""Returned by a loss: one value per batch."""
Pooled = tuple[PerItem, PerItem]
"""Returned by a loss: a sum and a count per item, pooled over the batch."""

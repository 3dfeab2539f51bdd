"""Measures with a protocol."""

import abc
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import attrs
from torch import Tensor

from armillary import specs
from armillary.interfaces.part import Part
from armillary.interfaces.signature import takes


@attrs.frozen(kw_only=True)
class Figure:
    """One number of a table.

    Args:
        value: mean, median or whatever the protocol says.
        unit: ``"degree"``, ``"1e-2"``, ...
        spread: standard deviation over items, where there is one.
        interval: both ends of the 95 % bootstrap interval over items, where there is one.
        count: items that it rests on.
        better: ``lower`` or ``higher``.
    """

    value: float
    unit: str = ""
    spread: float | None = None
    interval: tuple[float, float] | None = None
    count: int | None = None
    better: str = "lower"


@attrs.frozen(kw_only=True, eq=False)
class Points:
    """Points of one picture, found and annotated: (x, y) in [-1, 1] as in grid, a row a point.

    Args:
        predicted: ``[points, 2]``.
        truth: ``[points, 2]``.
        visible: ``[points]``, which of them count.
    """

    predicted: Tensor
    truth: Tensor
    visible: Tensor


@attrs.frozen(kw_only=True)
class Evaluation:
    """Result of an evaluator.

    Args:
        figures: measure to figure, of the method.
        baselines: trivial baseline to its figures, by the same protocol on the same items.
        oracles: answer from a part of the truth to its figures, by the same protocol: no guess, so never the one to beat.
        notes: what a reader must know to compare.
        rows: per-item values by id, where the evaluator keeps them; an evaluation writes them as CSV.
        points: by id, where the evaluator finds points; those of a few pictures are drawn.
    """

    figures: Mapping[str, Figure]
    baselines: Mapping[str, Mapping[str, Figure]] = attrs.field(factory=dict)
    oracles: Mapping[str, Mapping[str, Figure]] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()
    rows: Mapping[str, Mapping[str, float]] = attrs.field(factory=dict)
    points: Mapping[str, Points] = attrs.field(factory=dict)


class Evaluator(Part):
    """A measure: accumulates sums and counts, or rows by item; merging shards equals the whole.

    ``score(ids, ...)`` sees the items of the test split. ``fit(ids, ...)``, where there is one, sees those of the training split
    before; the method's outputs are missing there unless ``fit_outputs``. Their other arguments are ports. Each name in ``again``
    is a further pass over the test split under other draws of the transforms; ``score`` then takes the name as ``phase``. Of the
    optional ports in ``either`` one is needed: the measure serves methods that give different ones.
    """

    SPEC = specs.EvaluatorSpec
    FACTS = ("protocol", "transforms", "calls", "recipe_settings", "fit_outputs", "either")
    protocol: ClassVar[str] = ""
    transforms: ClassVar[tuple[specs.Use, ...]] = ()
    calls: ClassVar[Literal["predict", "forward"]] = "predict"
    recipe_settings: ClassVar[bool] = False
    fit_outputs: ClassVar[bool] = False
    either: ClassVar[tuple[str, ...]] = ()
    again: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def declared(cls) -> dict[str, Any]:
        """Return the ports of ``fit`` and ``score``, and the passes."""
        passes = tuple((name, split) for name, split in _SPLITS.items() if hasattr(cls, name))
        group = [port for name, _ in passes for port in takes(getattr(cls, name), besides=_BESIDES)]
        needed = {port.name for port in group if not port.optional}
        ports = {port.name: attrs.evolve(port, optional=port.name not in needed) for port in group}
        return {"consumes": tuple(ports.values()), "passes": (*passes, *((name, "test") for name in cls.again))}

    def update(self, phase: str, *, ids: list[str], ports: Mapping[str, Tensor]) -> None:
        """Add one batch, by ``fit`` or ``score``.

        Args:
            phase: ``fit``, ``score`` or one of ``again``.
            ids: names of the items.
            ports: what the evaluator takes, by name.
        """
        function: Any = getattr(self, "fit" if phase == "fit" else "score")
        words = inspect.signature(function).parameters
        more = {"phase": phase} if "phase" in words else {}
        function(ids=ids, **{name: value for name, value in ports.items() if name in words}, **more)

    @abc.abstractmethod
    def merge(self, other: Self) -> None:
        """Add what another instance has seen of the same phase."""

    @abc.abstractmethod
    def result(self) -> Evaluation:
        """Return the figures.

        Raises:
            ValueError: nothing was scored.
        """


_SPLITS = {"fit": "train", "score": "test"}
_BESIDES = ("ids", "phase")

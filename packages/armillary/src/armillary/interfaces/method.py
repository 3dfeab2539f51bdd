"""Compositions of parts."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, Generic, Literal, ParamSpec, Self, TypeVar, overload

import attrs
import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from armillary import specs
from armillary.interfaces.network import Network, asked
from armillary.interfaces.part import Mark
from armillary.interfaces.signature import gives, marked, takes
from armillary.ports import Port

P = ParamSpec("P")
R = TypeVar("R")


@attrs.frozen(kw_only=True, eq=False)
class Illustration:
    """A picture that a method draws of itself.

    Args:
        picture: sRGB.
        title: over the picture in the report.
        caption: under it.
        folder: folder of the run that keeps it, as ``NAME.png``.
    """

    picture: UInt8[np.ndarray, "height width 3"]
    title: str
    caption: str = ""
    folder: str = "illustrations"


class Branch(torch.nn.Module):
    """An encoder and the head that reads what it gives, and what the branch was given."""

    def __init__(self, encoder: torch.nn.Module, head: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self._asked = asked(head)

    @classmethod
    def among(cls, parts: Mapping[str, torch.nn.Module]) -> dict[str, Self]:
        """Return a branch for each pair of slots ``NAME.encoder`` and ``NAME.head``, by its name."""
        names = [slot.removesuffix(".encoder") for slot in parts if slot.endswith(".encoder")]
        return {name: cls(parts[f"{name}.encoder"], parts[f"{name}.head"]) for name in names}

    def forward(self, **ports: Tensor) -> dict[str, Tensor]:
        """Return what the head returns."""
        found = self.encoder(**ports)
        if self._asked is not None:
            found = {name: value for name, value in {**ports, **found}.items() if name in self._asked}
        return self.head(**found)


@attrs.frozen
class _Slots(Mark):
    """One slot, or the two of a branch: an encoder, and the head that reads what it gives."""

    kind: str
    function: Callable[..., Any]
    optional: bool

    def slots(self, name: str) -> dict[str, specs.Slot]:
        asked, given, optional = takes(self.function), gives(self.function), self.optional
        if self.kind != "branch":
            return {name: specs.Slot(kind=self.kind, consumes=asked, produces=given, optional=optional)}
        feature = (Port("feature", kind="feature_vector", shape=f"batch {name}_features"),)
        return {
            f"{name}.encoder": specs.Slot(kind="encoder", consumes=asked, produces=feature, optional=optional),
            f"{name}.head": specs.Slot(kind="head", consumes=feature, produces=given, optional=optional),
        }


if TYPE_CHECKING:

    class Slot(nn.Module, Generic[P, R]):
        """The part in a slot, called as the slot's signature says."""

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
            """Return what the part returns."""
            ...

    class Needed(Generic[P, R]):
        """A slot that is always filled."""

        def __get__(self, instance: object, owner: Any = None) -> Slot[P, R]: ...

    class Maybe(Generic[P, R]):
        """A slot that may stay empty."""

        def __get__(self, instance: object, owner: Any = None) -> Slot[P, R] | None: ...


Kind = Literal["encoder", "head", "renderer", "branch"]
Called = Callable[Concatenate[Any, P], R]


@overload
def slot(kind: Kind) -> "Callable[[Called[P, R]], Needed[P, R]]": ...
@overload
def slot(kind: Kind, *, optional: Literal[True]) -> "Callable[[Called[P, R]], Maybe[P, R]]": ...
def slot(kind: Kind, *, optional: bool = False) -> Any:
    """Make a slot of a signature without a body: a place in a method for any part that is called like this.

    Args:
        kind: ``branch`` for an encoder and a head with a feature vector between them: slots ``NAME.encoder`` and ``NAME.head``.
        optional: may stay empty; the attribute is None then.
    """
    return lambda function: _Slots(kind, function, optional)


class Method(Network):
    """A composition: receives its parts and composes them. It knows nothing of losses.

    Each slot is a signature under :func:`slot`, and the part in it an attribute of that name. What the method owns itself (a mean
    shape, a basis) are its own parameters. ``predict`` is what is shown, evaluated and exported; :meth:`forward` by default.
    An output that is ``NotRequired`` comes and goes with the optional slot that gives it, or with the slot or the switch that
    :class:`armillary.ports.With` names.
    """

    SPEC, FACTS = specs.MethodSpec, ("limits",)
    limits: ClassVar[tuple[str, ...]] = ()
    """What the method is not good for, a sentence each; shown on the card of every run."""

    @classmethod
    def declared(cls) -> dict[str, Any]:
        """Return the slots, and the ports of ``forward`` and ``predict``."""
        places = {key: field for key, field in cls._own.items() if isinstance(field, _Slots)}
        slots = {name: one for key, place in places.items() for name, one in place.slots(key).items()}
        asked = cls.forward if cls.predict is Method.predict else cls.predict
        made, shown = gives(cls.forward), gives(asked)
        owner = {port.name: name for name, one in slots.items() if one.optional for port in one.produces}
        gone = (port.name for port in (*made, *shown) if port.optional and port.name in owner)
        depends = {name: owner[name] for name in gone} | marked(cls.forward) | marked(asked)
        needed = tuple(attrs.evolve(port, optional=port.optional and port.name not in depends) for port in made)
        return {
            "slots": slots,
            "trains_on": takes(cls.forward),
            "predicts_from": takes(asked),
            "produces": needed,
            "predicts": () if shown == made else shown,
            "depends": depends,
        }

    @classmethod
    def build(cls, config: Any, *, parts: Mapping[str, nn.Module], **more: Any) -> Self:
        """Return the method for settings and parts by slot; the slot of a missing one stays empty."""
        filled: dict[str, Any] = {
            **Branch.among(parts),
            **{name: one for name, one in parts.items() if "." not in name},
        }
        return super().build(config, **filled, **more)

    def predict(self, **ports: Any) -> Any:
        """Return what is shown, evaluated and exported."""
        return self.forward(**ports)

    def illustrate(self, found: Mapping[str, Tensor]) -> Mapping[str, Illustration]:
        """Return pictures of what the method itself has learnt, by name; none by default.

        Args:
            found: the outputs of :meth:`predict` that are points, poses, vectors or single numbers, for two pictures or
                more, stacked.
        """
        del found
        return {}

"""Parts that are networks: encoders, heads, renderers, adapters."""

from typing import Any, ClassVar

from torch import nn

from armillary import specs
from armillary.interfaces.part import Part
from armillary.interfaces.signature import gives, takes


class Network(Part, nn.Module):
    """Base of the parts that are ``torch.nn.Module``: called by keyword, by port name; returns exactly its declared outputs."""

    @classmethod
    def declared(cls) -> dict[str, Any]:
        """Return the ports of ``forward``."""
        return {"consumes": takes(cls.forward), "produces": gives(cls.forward)}


def asked(module: nn.Module) -> frozenset[str] | None:
    """Return the names of the ports that a module is called with, None where it does not declare them.

    A wrapper of a part has them as its attribute ``asked``.
    """
    known = getattr(module, "asked", None)
    if known is not None or not isinstance(module, Network):
        return known
    return frozenset(port.name for port in takes(type(module).forward))


class Encoder(Network):
    """Pictures or signals to features.

    ``symmetry`` is the largest group of :data:`armillary.specs.SYMMETRIES` under which it is equivariant; empty for none.
    """

    SPEC, FACTS = specs.EncoderSpec, ("symmetry",)
    symmetry: ClassVar[str] = ""


class Head(Network):
    """Features to geometry, light or appearance. ``symmetry`` as of :class:`Encoder`."""

    SPEC, FACTS = specs.HeadSpec, ("symmetry",)
    symmetry: ClassVar[str] = ""


class Renderer(Network):
    """Geometry to what a camera sees, mostly without weights; what is not seen is finite and carries no gradient."""

    SPEC = specs.RendererSpec


class Adapter(Network):
    """Conversion between a slot and a part: a map to a vector, a rotation to a pose. A recipe names it under ``via``.

    It follows the part where the part gives what it takes, and precedes the part otherwise. Ports that it does not name pass it.

    Example:
        >>> import torch
        >>> from typing import TypedDict
        >>> from armillary import ports
        >>> class Flat(TypedDict):
        ...     feature: ports.FeatureVector
        >>> class Largest(Adapter, name="largest", source="ours"):
        ...     '''Largest feature of a map.'''
        ...     def forward(self, features: ports.FeatureMap) -> Flat:
        ...         return {"feature": features.amax(dim=(-2, -1))}
        >>> Largest()(features=torch.ones(1, 2, 3, 3))["feature"].tolist(), Largest.spec().KIND
        ([[1.0, 1.0]], 'adapter')
    """

    SPEC = specs.AdapterSpec

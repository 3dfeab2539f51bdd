"""Parts that are networks: encoders, heads, renderers."""

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

"""Changes of a sample, or of a batch."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch

from armillary import specs
from armillary.interfaces.part import Part
from armillary.interfaces.signature import gives, hints, record_ports, takes


class Transform(Part):
    """A change of one sample on the CPU (``per = "item"``) or of one batch (``per = "batch"``), random only by its generator.

    ``sample`` and the result are ``TypedDict`` of the ports that it needs and adds. ``moves = True`` for a geometric one: every
    port of a sample moves by its kind, also those that it does not name.
    """

    SPEC, FACTS = specs.TransformSpec, ("per", "moves")
    per: ClassVar[Literal["item", "batch"]] = "item"
    moves: ClassVar[bool] = False

    @classmethod
    def declared(cls) -> dict[str, Any]:
        """Return the ports of ``__call__``."""
        named = record_ports(hints(cls.__call__).get("sample"))
        consumes = takes(cls.__call__, besides=(*(() if named else ("sample",)), "kinds", "generator"))
        return {"consumes": consumes, "produces": gives(cls.__call__, required=False)}

    @abc.abstractmethod
    def __call__(self, sample: Any, *, kinds: Mapping[str, str], generator: torch.Generator) -> Any:
        """Return the changed sample; the argument stays as it is.

        Args:
            sample: tensors by port name, and ``id``.
            kinds: kind of each port, so that a geometric change moves all of them.
            generator: the only source of randomness.
        """

"""Generators of pictures with full ground truth."""

import abc
from typing import Any, ClassVar

from armillary import specs
from armillary.interfaces.part import Part, given
from armillary.interfaces.signature import gives


class Generator(Part):
    """A synthetic generator: item ``index`` is a function of version, settings, size, seed and index alone.

    The same seed gives the same bytes for any number of workers or shards, on one machine and set of libraries.
    """

    SPEC = specs.GeneratorSpec
    VERSION: ClassVar[str] = "1"
    size: int = given()
    """Side of the pictures in pixels."""
    seed: int = given()
    """Of the whole collection."""

    @classmethod
    def declared(cls) -> dict[str, Any]:
        """Return the ports of ``item``."""
        return {"produces": gives(cls.item)}

    @abc.abstractmethod
    def item(self, index: int) -> Any:
        """Return one item: a ``TypedDict`` of arrays by the name of their port, without the batch axis."""

    @abc.abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return plain values for ``generator.json``: camera, units, names of the landmarks."""

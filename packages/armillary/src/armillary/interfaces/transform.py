"""Changes of a sample, or of a batch."""

import abc
from collections.abc import Mapping
from typing import Any, Self

import torch

from armillary.ports import Shape


class Transform(abc.ABC):
    """A change of one sample (``per="item"``) or of one batch (``per="batch"``), random only through its generator."""

    @classmethod
    @abc.abstractmethod
    def build(cls, config: Any, *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> Self:
        """Return the transform for these settings and shapes."""

    @abc.abstractmethod
    def __call__(
        self, sample: dict[str, Any], *, kinds: Mapping[str, str], generator: torch.Generator
    ) -> dict[str, Any]:
        """Return the changed sample; the one given is left as it is.

        Args:
            sample: tensors by port name, and ``id``.
            kinds: kind of each port, so that a geometric change moves all of them.
            generator: the only source of randomness.
        """

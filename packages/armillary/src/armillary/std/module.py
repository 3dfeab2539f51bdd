"""Any ``torch.nn.Module`` by its dotted name, as a part.

With it a recipe uses the networks of timm, transformers or a script of one's own without a plugin. The module is imported and called: name
only code that you trust.
"""

import importlib
from typing import Annotated, Any, TypedDict

from attrs.validators import gt
from torch import Tensor, nn

from armillary import ports
from armillary.config import param
from armillary.interfaces.network import Encoder


class Encoded(TypedDict):
    """One vector per picture."""

    feature: Annotated[ports.FeatureVector, "batch $features"]


class ModuleEncoder(Encoder, name="module", source="ours"):
    """Any module by its dotted name, from a picture to one vector.

    A map that comes out is averaged over its positions.

    Example:
        >>> import torch
        >>> encoder = ModuleEncoder(target="torch.nn.Conv2d", arguments={"in_channels": 3, "out_channels": 5, "kernel_size": 1}, features=5)
        >>> encoder(image=torch.zeros(2, 3, 8, 8))["feature"].shape
        torch.Size([2, 5])
    """

    target: str = param(help="class, or function that returns a module: timm.create_model, my_script.Trunk")
    arguments: dict[str, Any] | None = param(None, help="keyword arguments of it")
    features: int = param(unit="channel", validator=gt(0), help="length of the vector that comes out")

    def setup(self) -> None:
        """Make the module.

        Raises:
            ValueError: it cannot be imported or made, or is no ``torch.nn.Module``.
        """
        home, _, name = self.target.replace(":", ".").rpartition(".")
        try:
            made = getattr(importlib.import_module(home), name)(**(self.arguments or {}))
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"target {self.target!r}: {type(error).__name__}: {error}") from error
        if not isinstance(made, nn.Module):
            raise ValueError(f"target {self.target!r}: gives {type(made).__name__}, not a torch.nn.Module")
        self.module = made

    def forward(self, image: ports.AnyImage) -> Encoded:
        """Return ``feature``. The image lies in [0, 1]; normalising it is the module's work.

        Raises:
            ValueError: the module returns something else than a vector of this length, or a map of as many channels.
        """
        found = self.module(image)
        if isinstance(found, Tensor) and found.ndim == 4:
            found = found.mean(dim=(-2, -1))
        if not isinstance(found, Tensor) or found.shape != (len(image), self.features):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ValueError(
                f"{self.target} returned {shape}, not ({len(image)}, {self.features}): set features, or another module"
            )
        return {"feature": found}

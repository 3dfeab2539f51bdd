"""A view head of one file: it samples its code, publishes mean and logarithm of the variance, and has a loss on them."""

from typing import Annotated, TypedDict

import torch
from torch import nn

from armillary import ports
from armillary.config import param
from armillary.interfaces import Head, Loss, from_shape
from armillary.kernels.cameras import pose_about
from armillary.kernels.rotations import exp_map
from armillary.seeds import per_item

Code = Annotated[ports.FeatureVector, "batch 6"]


class View(TypedDict):
    """A pose, and the distribution that it was drawn from."""

    pose: ports.Pose
    mean: Code
    logvar: Code


class VariationalView(Head, name="view", source="Kingma and Welling 2014, arXiv:1312.6114"):
    """View by six numbers that are drawn from a normal distribution in training."""

    reach: float = param(0.5, source="ours", help="largest rotation in radians and translation in scene units")
    features: int = from_shape("feature")

    def setup(self) -> None:
        self.layer = nn.Linear(self.features, 12)

    def forward(self, feature: ports.FeatureVector) -> View:
        """Return ``pose``, ``mean`` and ``logvar``."""
        mean, logvar = self.layer(feature).chunk(2, dim=-1)
        code = mean
        if self.training:
            noise = per_item(lambda count, generator: torch.randn(count, 6, generator=generator), len(feature))
            code = mean + noise.to(mean) * (logvar / 2).exp()
        motion = self.reach * code.tanh()
        centre = motion.new_tensor([0.0, 0.0, 1.0])
        return {
            "pose": pose_about(exp_map(motion[:, :3]), motion[:, 3:], centre=centre),
            "mean": mean,
            "logvar": logvar,
        }


class Divergence(Loss, name="divergence", source="Kingma and Welling 2014, arXiv:1312.6114, Appendix B"):
    """Divergence of the code's distribution from the standard normal one."""

    def forward(self, mean: Code, logvar: Code) -> ports.PerItem:
        """Return one value per item."""
        return (mean**2 + logvar.exp() - 1 - logvar).sum(dim=-1) / 2

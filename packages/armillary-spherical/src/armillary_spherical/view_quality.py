"""``novel-view/1``: how near a view that was drawn from one picture comes to the true one."""

from collections.abc import Mapping
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.interfaces.evaluator import Evaluation, Evaluator, Figure
from armillary.kernels.rotations import geodesic_angle
from armillary.ports import Shape

_FIT = "fit"
_OURS, _MEAN, _INPUT = "drawn", "mean training picture", "input as it is"
_BIN = 60  # degrees of turn that get a line together


class NovelView(Evaluator):
    """The drawn view beside the true one, both in [0, 1]; and beside it two pictures that need no method.

    Of each item the errors of the drawn view, of the mean of the training pictures and of the picture that was turned.
    """

    def __init__(self) -> None:
        self.mean: dict[str, Tensor] = {}
        self.rows: dict[str, dict[str, Tensor]] = {}

    @classmethod
    def build(cls, config: object, *, inputs: Mapping[str, Shape]) -> Self:
        """Return an empty evaluator; it takes any size."""
        del config, inputs
        return cls()

    def update(self, phase: str, *, ids: list[str], ports: Mapping[str, Tensor]) -> None:
        """Keep each training picture's sum, or the errors of each item; pictures are compared on the device and let go."""
        if phase == _FIT:
            total = ports["image"].detach().double().sum(dim=0).cpu()
            self.mean["sum"] = self.mean.get("sum", torch.zeros_like(total)) + total
            self.mean["count"] = self.mean.get("count", torch.zeros(())) + len(ids)
            return
        truth = ports["true_view"].detach().double()
        shown = {_OURS: ports["reconstruction"], _INPUT: ports["image"]}
        if "sum" in self.mean:
            shown[_MEAN] = (self.mean["sum"] / self.mean["count"]).to(truth).expand_as(truth)
        degrees = torch.rad2deg(geodesic_angle(ports["rotation"].double(), torch.eye(3).to(truth))).cpu()
        errors = {name: errors_of(picture.detach().to(truth), truth).cpu() for name, picture in shown.items()}
        for index, item in enumerate(ids):
            self.rows[item] = {name: error[index] for name, error in errors.items()} | {"degrees": degrees[index]}

    def merge(self, other: Self) -> None:
        """Take in another shard's sums, or its items."""
        for name, value in other.mean.items():
            self.mean[name] = self.mean.get(name, torch.zeros_like(value)) + value
        self.rows.update(other.rows)

    def result(self) -> Evaluation:
        """Return L1 and PSNR, beside those of the pictures that need no method."""
        if not self.rows:
            raise ValueError("novel-view/1: no view was scored")
        errors = {
            name: torch.stack([row[name] for row in self.rows.values()])
            for name in (_OURS, _MEAN, _INPUT)
            if all(name in row for row in self.rows.values())
        }
        degrees = torch.stack([row["degrees"] for row in self.rows.values()])
        ours = errors.pop(_OURS)
        return Evaluation(
            figures=_figures(ours),
            baselines={name: _figures(value) for name, value in errors.items()},
            notes=tuple(_by_turn(ours, errors.get(_INPUT, ours), degrees)),
            rows={
                item: {"l1": float(row[_OURS][0]), "psnr": float(row[_OURS][1]), "degrees": float(row["degrees"])}
                for item, row in self.rows.items()
            },
        )


def errors_of(
    pictures: Float[Tensor, "item channel height width"], truth: Float[Tensor, "item channel height width"]
) -> Float[Tensor, "item 2"]:
    r"""Return L1, the mean of absolute differences, and PSNR, :math:`-10 \log_{10}` of the mean of squared ones, of each.

    Equal pictures have the PSNR of a mean squared difference of the type's epsilon, so that a mean over items stays finite.
    """
    difference = (pictures - truth).flatten(1)
    squared = difference.square().mean(dim=1).clamp_min(torch.finfo(truth.dtype).eps)
    return torch.stack([difference.abs().mean(dim=1), -10.0 * squared.log10()], dim=1)


def _figures(errors: Tensor) -> dict[str, Figure]:
    count = len(errors)
    l1, psnr = (
        {"value": float(values.mean()), "spread": float(values.std()) if count > 1 else None} for values in errors.T
    )
    return {
        "l1": Figure(count=count, unit="image", **l1),
        "psnr": Figure(count=count, unit="dB", better="higher", **psnr),
    }


def _by_turn(ours: Tensor, unturned: Tensor, degrees: Tensor) -> list[str]:
    lines = []
    for low in range(0, 180, _BIN):
        some = (degrees >= low) & ((degrees < low + _BIN) | (low + _BIN == 180))
        if some.any():
            drawn, left = (float(errors[some, 0].mean()) for errors in (ours, unturned))
            lines.append(
                f"turned by {low} to {low + _BIN} degrees: l1 {drawn:.4f}, input as it is {left:.4f} ({int(some.sum())})"
            )
    return lines

"""``novel-view/1``: error of a view that was drawn from one picture."""

from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.interfaces import Evaluation, Evaluator, Figure
from armillary.kernels.rotations import geodesic_angle
from armillary.specs import Use
from armillary_spherical.evaluators import ANY_TURN
from armillary_spherical.vocabulary import PAPER, Picture, WorldRotation

_OURS, _MEAN, _INPUT = "drawn", "mean training picture", "input as it is"
_BIN = 60  # degrees of turn that get a line together


class NovelView(
    Evaluator,
    name="novel-view/1",
    source=f"ours; the paper shows views, in its Figure 6 and Appendix D, and measures none; {PAPER}, Section 3.2.4",
):
    """New views of a picture's object against its mesh, rendered.

    Both in [0, 1]. The baselines are two pictures that need no method: the mean of the training pictures, and the picture that
    was turned.
    """

    transforms = (
        ANY_TURN,
        Use("spherical:render", settings={"keep_mesh": True}),
        Use("spherical:turn", settings=ANY_TURN.settings, rename={"true_rotation": "rotation"}),
        Use("spherical:render", rename={"image": "true_view"}),
    )
    recipe_settings = True
    protocol = (
        "each test item is turned uniformly over all rotations and rendered; turned again, and rendered again. From the "
        "first picture and the second turn the method draws a view, clipped to [0, 1], which is compared with the second "
        "picture over all of its pixels, the background too: l1, the mean absolute difference; psnr, 10 log10 of 1 over "
        "the mean squared difference; means over items. Baselines on the same items: the mean of the training items' "
        "pictures, one turn of each; the first picture as it is."
    )

    def setup(self) -> None:
        self.mean: dict[str, Tensor] = {}
        self.rows: dict[str, dict[str, Tensor]] = {}

    def fit(self, ids: list[str], image: Picture) -> None:
        """Add the sum of the training pictures."""
        total = image.detach().double().sum(dim=0).cpu()
        self.mean["sum"] = self.mean.get("sum", torch.zeros_like(total)) + total
        self.mean["count"] = self.mean.get("count", torch.zeros(())) + len(ids)

    def score(
        self, ids: list[str], reconstruction: Picture, image: Picture, true_view: Picture, rotation: WorldRotation
    ) -> None:
        """Keep the errors of each item; pictures are compared on the device and not kept."""
        truth = true_view.detach().double()
        shown = {_OURS: reconstruction, _INPUT: image}
        if "sum" in self.mean:
            shown[_MEAN] = (self.mean["sum"] / self.mean["count"]).to(truth).expand_as(truth)
        degrees = torch.rad2deg(geodesic_angle(rotation.double(), torch.eye(3).to(truth))).cpu()
        errors = {name: errors_of(picture.detach().to(truth), truth).cpu() for name, picture in shown.items()}
        for index, item in enumerate(ids):
            self.rows[item] = {name: error[index] for name, error in errors.items()} | {"degrees": degrees[index]}

    def merge(self, other: Self) -> None:
        """Add the sums, or the items, of another shard."""
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

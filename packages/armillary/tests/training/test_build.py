"""Transforms under other names."""

import pytest
import torch

from armillary.recipes.plan import PartPlan
from armillary.training.build import build_transform


def test_a_renamed_transform_leaves_what_has_its_own_names(toy_host):
    """The toy's pair makes source and target of an image; here of another picture, beside an image that it must not touch."""
    spec = toy_host.component("transform", "toy:pair")
    part = PartPlan(id="toy:pair", spec=spec, rename={"image": "view", "target": "mirrored"})
    transform = build_transform(toy_host, part)
    sample = {
        "id": "a",
        "image": torch.zeros(3, 4, 4),
        "view": torch.arange(48.0).view(3, 4, 4),
        "target": torch.ones(2),
    }
    made = transform(sample, kinds=dict.fromkeys(sample, "image"), generator=torch.Generator())
    assert set(made) == {"id", "image", "view", "source", "target", "mirrored", "grid", "valid"}
    assert made["image"] is sample["image"]
    assert made["target"] is sample["target"]
    torch.testing.assert_close(made["mirrored"], sample["view"].flip(-1))
    torch.testing.assert_close(made["source"], sample["view"])
    assert set(sample) == {"id", "image", "view", "target"}


@pytest.mark.parametrize("rename", [{}, {"image": "view"}])
def test_the_plan_says_what_a_part_gives_and_needs_outside(toy_host, rename):
    spec = toy_host.component("transform", "toy:jitter")
    part = PartPlan(id="toy:jitter", spec=spec, rename=rename, outputs={"image": (None, 3, 4, 4)})
    assert part.gives == part.needs == {rename.get("image", "image")}

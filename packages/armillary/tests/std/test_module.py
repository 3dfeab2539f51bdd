"""``std:module``: what comes out, what is refused, and that a recipe trains with it."""

import pytest
import torch

from armillary.recipes.recipe import Overrides, resolve
from armillary.std.module import ModuleEncoder
from armillary.training.train import train

CONVOLUTION = {"in_channels": 3, "out_channels": 5, "kernel_size": 3, "stride": 2}


def test_a_map_is_averaged_over_its_positions():
    encoder = ModuleEncoder(target="torch.nn:Conv2d", arguments=CONVOLUTION, features=5)
    image = torch.rand(2, 3, 9, 9)
    found = encoder(image=image)["feature"]
    torch.testing.assert_close(found, encoder.module(image).mean(dim=(-2, -1)))


@pytest.mark.parametrize(
    ("target", "arguments", "reason"),
    [
        ("nowhere_at_all.Net", {}, "No module named"),
        ("torch.nn.Conv9d", {}, "Conv9d"),
        ("torch.nn.Conv2d", {"channels": 3}, "channels"),
        ("builtins.dict", {}, "gives dict, not a torch.nn.Module"),
        ("Net", {}, "target 'Net'"),
    ],
)
def test_what_is_no_module_is_refused(target, arguments, reason):
    with pytest.raises(ValueError, match=reason):
        ModuleEncoder(target=target, arguments=arguments, features=5)


@pytest.mark.parametrize(("target", "arguments"), [("torch.nn.Flatten", {}), ("torch.nn.Identity", {})])
def test_another_length_is_refused_with_what_to_change(target, arguments):
    encoder = ModuleEncoder(target=target, arguments=arguments, features=5)
    with pytest.raises(ValueError, match="set features"):
        encoder(image=torch.rand(2, 3, 4, 4))


def test_a_recipe_trains_with_it(toy_host, pictures, tmp_path):
    sets = (
        "slots.picture.encoder.settings.target='torch.nn.Conv2d'",
        "slots.picture.encoder.settings.arguments={in_channels=3, out_channels=5, kernel_size=3}",
        "slots.picture.encoder.settings.features=5",
    )
    recipe = resolve(toy_host, "toy:smoke", Overrides(sets=("slots.picture.encoder={use='std:module'}", *sets)))
    trained = train(recipe, data=pictures, out=tmp_path / "run", host=toy_host)
    assert "picture.encoder.module.weight" in trained.models["main"].named_tensors()

"""Parts and recipes of this package. Light until they are read."""

from importlib import import_module
from typing import Any

from armillary.plugins.hookspecs import hookimpl, parts_in
from armillary_spherical.recipes import RECIPES

_SHAPES, _IMAGES = "mesh_folder transforms shape_networks e3nn_encoder pointwise", "image_networks plain_networks heads"
_ALL = f"{_SHAPES} {_IMAGES} synthesiser losses method evaluators view_quality"


@hookimpl
def armillary_components() -> list[Any]:
    return [*parts_in(*(import_module(f"armillary_spherical.{name}") for name in _ALL.split())), *RECIPES]

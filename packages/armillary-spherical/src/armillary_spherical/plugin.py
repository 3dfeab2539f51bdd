"""Parts and recipes of this package. Light until they are asked for."""

from typing import Any

from armillary.plugins.hookspecs import hookimpl, parts_in

_MODULES = (
    "mesh_folder transforms shape_networks e3nn_encoder pointwise image_networks plain_networks heads synthesiser losses method "
    "evaluators view_quality"
)


@hookimpl
def armillary_components() -> list[Any]:
    from importlib import import_module

    from armillary_spherical.recipes import RECIPES

    modules = (import_module(f"armillary_spherical.{name}") for name in _MODULES.split())
    return [*parts_in(*modules), *RECIPES]

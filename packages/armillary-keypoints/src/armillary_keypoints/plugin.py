"""Parts and recipes of this package."""

from importlib import import_module
from typing import Any

from armillary.plugins.hookspecs import hookimpl, parts_in
from armillary_keypoints.recipes import RECIPES

_MODULES = "networks heads shape_space transforms losses lifted method spread"


@hookimpl
def armillary_components() -> list[Any]:
    modules = (import_module(f"armillary_keypoints.{name}") for name in _MODULES.split())
    return [*parts_in(*modules), *RECIPES]

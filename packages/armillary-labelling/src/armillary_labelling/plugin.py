"""Parts and recipes of this package."""

from importlib import import_module
from typing import Any

from armillary.plugins.hookspecs import hookimpl, parts_in
from armillary_labelling.recipes import RECIPES

_MODULES = "networks heads transforms losses method regression matching consistency"


@hookimpl
def armillary_components() -> list[Any]:
    modules = (import_module(f"armillary_labelling.{name}") for name in _MODULES.split())
    return [*parts_in(*modules), *RECIPES]

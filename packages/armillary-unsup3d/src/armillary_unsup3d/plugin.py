"""Parts and recipes of Unsup3D."""

from typing import Any

from armillary.plugins.hookspecs import hookimpl, parts_in
from armillary_unsup3d.recipes import RECIPES


@hookimpl
def armillary_components() -> list[Any]:
    from armillary_unsup3d import heads, losses, method, networks

    return [*parts_in(networks, heads, losses, method), *RECIPES]

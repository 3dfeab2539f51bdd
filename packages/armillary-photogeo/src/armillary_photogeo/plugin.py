"""Parts and recipes of photo-geometric autoencoding."""

from typing import Any

from armillary.plugins.hookspecs import hookimpl, parts_in
from armillary_photogeo.recipes import RECIPES


@hookimpl
def armillary_components() -> list[Any]:
    from armillary_photogeo import heads, losses, method, networks

    return [*parts_in(networks, heads, losses, method), *RECIPES]

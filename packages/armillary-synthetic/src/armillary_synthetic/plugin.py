"""Generators of this package. Imports no numpy until they are asked for."""

from typing import Any

from armillary.plugins.hookspecs import hookimpl, parts_in


@hookimpl
def armillary_components() -> list[Any]:
    from armillary_synthetic import arm, globe, heads, morphable, solids

    return parts_in(heads, morphable, arm, globe, solids)

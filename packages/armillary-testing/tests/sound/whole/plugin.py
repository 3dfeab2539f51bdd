"""The list of what the package offers."""

from typing import Any

from armillary.plugins.hookspecs import hookimpl, parts_in


@hookimpl
def armillary_components() -> list[Any]:
    """Return the parts and the recipes."""
    from armillary_sound import parts, recipes  # type: ignore[import-not-found]  # laid under a name of its own

    return [*parts_in(parts), *recipes.RECIPES]

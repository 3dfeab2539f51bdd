"""The toy plugin."""

from armillary.plugins.hookspecs import hookimpl, parts_in


@hookimpl
def armillary_components():
    from armillary_toy import parts
    from armillary_toy.recipes import RECIPES

    return [*parts_in(parts), *RECIPES]

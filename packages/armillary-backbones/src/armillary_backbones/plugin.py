"""Parts of this package. Light."""

from typing import Any

from armillary.plugins.hookspecs import hookimpl, parts_in


@hookimpl
def armillary_components() -> list[Any]:
    from armillary_backbones import encoders

    return parts_in(encoders)

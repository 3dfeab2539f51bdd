"""Which components can be looked at with made-up tensors. Light: the floor asks too."""

from typing import Any

_RECORDS = ("mesh",)


def undrawable(spec: Any) -> str:
    """Return why nobody can make up what a part is called with; empty where it can be."""
    strange = [
        port for port in spec.consumes if not port.optional and (port.kind in _RECORDS or port.kind.startswith("x."))
    ]
    if strange:
        return f"its port {strange[0].name} is a {strange[0].kind}, which nothing here can make up"
    return "" if spec.consumes else "it is called with nothing"

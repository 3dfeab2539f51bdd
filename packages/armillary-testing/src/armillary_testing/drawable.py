"""Which components can be looked at with made-up tensors. Light: the floor asks too."""

from typing import Any

STRANGE = ("mesh",)
"""Kinds that are records."""


def undrawable(spec: Any) -> str:
    """Return why nobody can make up what a part is called with; empty where it can be."""
    strange = [port for port in spec.consumes if not port.optional and port.kind in STRANGE]
    if strange:
        return f"its port {strange[0].name} is a {strange[0].kind}, which nothing here can make up"
    return "" if spec.consumes else "it is called with nothing"


def owned(spec: Any) -> str:
    """Return the port of a kind of the plugin's own that a part is called with; what it means nobody here knows."""
    return next((port.name for port in spec.consumes if not port.optional and port.kind.startswith("x.")), "")

"""Ports read from signatures: the arguments of a function, and the keys of the ``TypedDict`` that it returns.

Light: a signature with the types of :mod:`armillary.ports` is read without torch.
"""

import inspect
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, NotRequired, Required

from armillary.ports import Of, Port, Value, With

Hint = Any
"""An annotation, as :func:`typing.get_type_hints` gives it with ``include_extras``."""


def hints(annotated: Any) -> dict[str, Hint]:
    """Return the annotations of a function or a ``TypedDict`` with their metadata."""
    return typing.get_type_hints(annotated, include_extras=True)


def port(name: str, hint: Hint, *, optional: bool = False) -> Port | None:
    """Return the port of one annotation, None for an annotation without a port type.

    Example:
        >>> from armillary import ports
        >>> print(port("image", ports.Image | None))
        image: image [batch 3 height width] in image units
        >>> port("ids", list[str]) is None
        True
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Required, NotRequired):
        return port(name, arguments[0], optional=origin is NotRequired)
    if origin in (typing.Union, types.UnionType):
        inner = [argument for argument in arguments if argument is not type(None)]
        return port(name, inner[0], optional=True) if len(inner) == 1 else None
    words: dict[str, str] = {}
    for mark in getattr(hint, "__metadata__", ()):
        words |= mark.words() if isinstance(mark, Of) else {"shape": mark} if isinstance(mark, str) else {}
    if "kind" not in words:
        return None
    return Port(name, **words, optional=optional)  # type: ignore[arg-type]


def record_ports(hint: Hint) -> tuple[Port, ...]:
    """Return the ports of a ``TypedDict``, none for any other type."""
    if not typing.is_typeddict(hint):
        return ()
    found = (port(key, one, optional=key in hint.__optional_keys__) for key, one in hints(hint).items())
    return tuple(one for one in found if one)


def takes(function: Callable[..., Any], *, besides: tuple[str, ...] = ()) -> tuple[Port, ...]:
    """Return the ports among a function's arguments; an argument that is a ``TypedDict`` gives one port per key.

    Args:
        function: a method of a part; its first argument is ``self``.
        besides: arguments that need no port type.

    Raises:
        TypeError: an argument has no port type and is not one of ``besides``.
    """
    said, found = hints(function), list[Port]()
    for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        hint = said.get(name)
        group = record_ports(hint) or tuple(one for one in (port(name, hint),) if one)
        if not group and name not in besides:
            kind = "no annotation" if hint is None else repr(hint)
            raise TypeError(
                f"{function.__qualname__}: argument {name!r} has {kind}, not a port type: write "
                f"`{name}: ports.Image`, or another type of armillary.ports"
            )
        found += group
    return tuple(found)


def gives(function: Callable[..., Any], *, required: bool = True) -> tuple[Port, ...]:
    """Return the ports that a function returns.

    Raises:
        TypeError: the return type is no ``TypedDict`` of port types, and one is ``required``.
    """
    returned = hints(function).get("return")
    if required and not record_ports(returned):
        raise TypeError(
            f"{function.__qualname__}: returns {returned or 'something without annotation'}, not a TypedDict of port types"
        )
    return record_ports(returned)


def marked(function: Callable[..., Any]) -> dict[str, str]:
    """Return which output comes and goes with which optional slot, by the marks :class:`armillary.ports.With`."""
    return {name: mark.slot for name, mark in _marks(hints(function).get("return")) if isinstance(mark, With)}


def per(function: Callable[..., Any]) -> str:
    """Return ``item`` or ``batch``, from the type that a loss returns.

    Raises:
        TypeError: it is none of ``PerItem``, ``PerBatch`` and ``Pooled``.
    """
    returned = hints(function).get("return")
    parts = typing.get_args(returned) if typing.get_origin(returned) is tuple else (returned,)
    found = {mark.per for part in parts for mark in getattr(part, "__metadata__", ()) if isinstance(mark, Value)}
    if len(found) != 1:
        raise TypeError(f"{function.__qualname__}: must return ports.PerItem, ports.Pooled or ports.PerBatch")
    return found.pop()


def _marks(record: Any) -> Iterator[tuple[str, Any]]:
    for name, hint in hints(record).items() if typing.is_typeddict(record) else ():
        inner = typing.get_args(hint)[0] if typing.get_origin(hint) in (Required, NotRequired) else hint
        yield from ((name, mark) for mark in getattr(inner, "__metadata__", ()))

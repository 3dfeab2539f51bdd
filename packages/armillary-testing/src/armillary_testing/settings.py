"""Default settings of a part, with stand-ins for required ones. Light."""

import typing
from collections.abc import Mapping
from typing import Any

import attrs

from armillary_testing.checks import Skip

STAND_IN: Mapping[Any, Any] = {int: 16, float: 1.0, bool: False}
"""For a required setting of this type; a text may mean anything, a file for one."""


def defaults(config: Any) -> dict[str, Any]:
    """Return a value for each setting: its default, or for a required number a stand-in.

    Raises:
        Skip: a required setting is of a type that no value stands in for.
    """
    hints = typing.get_type_hints(config)
    values = {}
    for name, field in attrs.fields_dict(config).items():
        if isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]
            continue
        if field.default is not attrs.NOTHING:
            values[name] = field.default
        elif hints[name] in STAND_IN:
            values[name] = STAND_IN[hints[name]]
        else:
            raise Skip(f"its setting {name!r} is required, and nothing can stand in for it")
    return values

"""Settings: attrs classes with sources, read strictly.

A config class is ``@attrs.frozen(kw_only=True)``, flat, and each field is a :func:`param`. Reading is strict (no 3.9 to 3, no
"false" to True), refuses unknown keys with a suggestion, and reports all errors at once, each with its path. Light.
"""

import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import attrs

from armillary.errors import ConfigError, did_you_mean

OURS = "ours"

C = TypeVar("C")


def param(
    default: Any = attrs.NOTHING,
    *,
    unit: str | None = None,
    source: str = OURS,
    help: str = "",
    validator: Callable[..., Any] | list[Callable[..., Any]] | None = None,
) -> Any:
    """Return an attrs field with a unit and a source of its default.

    Args:
        default: value of the published run; none given makes the setting required.
        unit: what the number counts, ``"radian"``, ``"scene"``, ``"pixel"``; None for a name or a switch.
        source: paper and table, authors' file, or ``"ours: why"``.
        help: one sentence for the person who changes it.
        validator: attrs validators; run on each field when a file is read, so that errors keep their path.
    """
    metadata = {"unit": unit, "source": source, "help": help}
    if isinstance(default, list | dict | set):
        raise TypeError(f"a default must be immutable, not {default!r}: use a tuple")
    return attrs.field(default=default, validator=validator, metadata=metadata)


@attrs.frozen(kw_only=True)
class NoConfig:
    """Config of a part without settings."""


def structure(table: Mapping[str, Any], config: type[C], *, path: str = "") -> C:
    """Return ``config`` built from plain values.

    Args:
        table: what TOML or JSON gave.
        config: an attrs class whose fields are :func:`param`.
        path: path of the table, for messages: ``slots.depth.head``.

    Raises:
        ConfigError: unknown, missing, ill-typed or refused settings; all of them at once.
    """
    prefix = f"{path}." if path else ""
    fields, hints = _declared(config)
    problems = [
        f"{prefix}{key}: unknown setting of {config.__name__};"
        + (did_you_mean(key, fields) or f" it has: {', '.join(fields) or 'no settings'}")
        for key in table
        if key not in fields
    ]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in table:
            if field.default is attrs.NOTHING:
                problems.append(
                    f"{prefix}{name}: required, {_type_name(hints[name])}; {field.metadata.get('help', '')}"
                )
            continue
        try:
            value = strict(table[name], hints[name])
            if field.validator is not None:
                field.validator(None, field, value)
            values[name] = value
        except (ValueError, TypeError) as error:
            reason = error.args[0] if error.args else str(error)
            problems.append(f"{prefix}{name}: {reason}")
    if problems:
        raise ConfigError(problems)
    try:
        return config(**values)
    except (ValueError, TypeError) as error:
        raise ConfigError([f"{path or config.__name__}: {error}"]) from error


@cache
def _declared(config: type) -> tuple[dict[str, "attrs.Attribute[Any]"], dict[str, Any]]:
    """Return the fields of a settings class, and their types."""
    return attrs.fields_dict(config), typing.get_type_hints(config)


def strict(value: Any, kind: Any) -> Any:
    """Return ``value`` as ``kind`` without conversion.

    Accepts bool, int, float (an int is a float), str, Literal, ``X | None``, ``tuple[X, ...]``, ``tuple[X, Y]`` (from lists)
    and ``dict[str, X]``.

    Raises:
        TypeError: the value is of another type; the message names the expected type.
    """
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if kind is Any:
        return value
    if origin is typing.Literal:
        if value in arguments and type(value) in {type(a) for a in arguments}:
            return value
        choices = [str(a) for a in arguments]
        raise TypeError(
            f"needs one of {', '.join(choices)}, got {value!r};{did_you_mean(str(value), choices)}".rstrip(";")
        )
    if origin in (types.UnionType, typing.Union):
        for option in arguments:
            try:
                return None if option is type(None) and value is None else strict(value, option)
            except TypeError:
                continue
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind in (int, str, bool) and type(value) is kind:
        return value
    if kind is type(None) and value is None:
        return None
    if origin is tuple and isinstance(value, list | tuple):
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(strict(item, arguments[0]) for item in value)
        if len(arguments) == len(value):
            return tuple(strict(item, of) for item, of in zip(value, arguments, strict=True))
    if origin is dict and isinstance(value, Mapping):
        return {strict(k, arguments[0]): strict(v, arguments[1]) for k, v in value.items()}
    raise TypeError(f"needs {_type_name(kind)}, got {value!r} ({type(value).__name__})")


def plain(value: Any) -> Any:
    """Return ``value`` in TOML's types: tables, lists and scalars; settings that are None are left out."""
    if isinstance(value, str | int | float):  # a bool is an int
        return value
    if attrs.has(type(value)):
        return {k: plain(v) for k, v in attrs.asdict(value, recurse=False).items() if v is not None}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    raise TypeError(f"a setting must be a plain value, not {value!r}")


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises:
        ConfigError: there is no such file, or it is not TOML; line and column are in the message.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: not a TOML file: {error}"]) from error


def write_toml(table: Mapping[str, Any]) -> str:
    """Return ``table`` as TOML text; :func:`read_toml` returns it unchanged."""
    import tomli_w

    return tomli_w.dumps(plain(table))


def _type_name(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    words = {int: "an integer", float: "a number", str: "a text", bool: "true or false", type(None): "nothing"}
    if kind in words:
        return words[kind]
    if origin is typing.Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type_name(a) for a in arguments if a is not type(None))
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return f"a list, each {_type_name(arguments[0])}"
        return f"a list of {len(arguments)}"
    return str(kind)

"""Construction of a generator from its id and settings, for the command line and the demo."""

import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from armillary.config import plain, structure
from armillary.data import assets
from armillary.errors import ConfigError, DataError
from armillary.interfaces.generator import Generator
from armillary.plugins.host import Host


@attrs.frozen(kw_only=True, eq=False)
class BuiltGenerator:
    """Generator, and its description for :func:`armillary.data.make.make`.

    Args:
        id: ``plugin:generator``.
        generator: ready to make items.
        settings: all of them, written out.
    """

    id: str
    generator: Generator
    settings: Mapping[str, Any]


def build_generator(host: Host, id: str, settings: Mapping[str, Any], *, size: int, seed: int) -> BuiltGenerator:
    """Return a generator; look up files that the settings lack in the register of assets.

    Raises:
        UnknownNameError, PluginError: there is no such generator, or it cannot be loaded.
        ConfigError: settings that do not fit.
        DataError: the generator cannot be served, say because a file is missing.
    """
    resolved = host.resolve(host.component("generator", id))
    fields = attrs.fields_dict(resolved.config)
    register = assets.known() if resolved.spec.assets else {}
    found = {name: str(register[name]) for name in resolved.spec.assets if name in register and name in fields}
    missing = [
        f"{id} needs the file {name!r} ({fields[name].metadata.get('help', '')}): name it with --set {name}=FILE, "
        f"or for good with: armillary assets add {name} FILE"
        for name in resolved.spec.assets
        if name in fields and fields[name].default is attrs.NOTHING and name not in {**found, **settings}
    ]
    if missing:
        raise DataError("\n".join(missing))
    config = structure({**found, **settings}, resolved.config, path=id)
    if size < 1:
        raise DataError(f"--size {size}: needs at least 1 pixel")
    try:
        generator = resolved.cls.build(config, size=size, seed=seed)
    except ValueError as error:
        raise DataError(f"{id}: {error}") from error
    return BuiltGenerator(id=id, generator=generator, settings=plain(config))


def generator_settings(host: Host, id: str, texts: Sequence[str]) -> dict[str, Any]:
    """Return settings from ``name=value`` texts: TOML values, or the text itself if the setting is a text.

    Raises:
        ConfigError: a text that is not ``name=value``.
    """
    config = host.config(host.component("generator", id))
    hints = typing.get_type_hints(config)
    settings: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name or not value:
            raise ConfigError([f"--set {text!r}: write it as name=value"])
        settings[name] = value.strip("\"'") if _is_text(hints.get(name)) else _value(value)
    return settings


def _is_text(kind: Any) -> bool:
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return any(_is_text(each) for each in typing.get_args(kind))
    return kind is str or typing.get_origin(kind) is typing.Literal


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text

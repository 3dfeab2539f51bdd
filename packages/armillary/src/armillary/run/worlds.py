"""A world built from its id and settings, as the command line and the demo want it."""

import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from armillary.config import plain, structure
from armillary.errors import ConfigError, DataError
from armillary.host import Host
from armillary.interfaces.world import World
from armillary.run import assets


@attrs.frozen(kw_only=True, eq=False)
class BuiltWorld:
    """A world and what :func:`armillary.run.data.make` keeps of it.

    Args:
        id: ``plugin:world``.
        world: ready to make items.
        settings: all of them, written out.
    """

    id: str
    world: World
    settings: Mapping[str, Any]


def build_world(host: Host, id: str, settings: Mapping[str, Any], *, size: int, seed: int) -> BuiltWorld:
    """Return a world; a file that it needs and the settings do not name is looked up in the register of assets.

    Raises:
        UnknownNameError, PluginError: there is no such world, or it cannot be loaded.
        ConfigError: settings that do not fit.
        DataError: the world cannot be served, say because a file is missing.
    """
    resolved = host.resolve(host.component("world", id))
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
        world = resolved.cls.build(config, size=size, seed=seed)
    except ValueError as error:
        raise DataError(f"{id}: {error}") from error
    return BuiltWorld(id=id, world=world, settings=plain(config))


def world_settings(host: Host, id: str, texts: Sequence[str]) -> dict[str, Any]:
    """Return the settings behind ``name=value`` texts: TOML values, or the text itself where the setting is a text.

    Raises:
        ConfigError: a text that is not ``name=value``.
    """
    config = host.config(host.component("world", id))
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

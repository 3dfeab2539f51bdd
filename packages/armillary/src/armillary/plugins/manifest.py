"""Manifests: the components of a package, frozen into JSON beside its code and read back without its code. Light.

``armillary plugins freeze`` writes ``manifest.json`` into the package. It holds a digest of the package's sources: if they have changed
since (a working tree), the manifest counts as missing and the package is imported instead. A record is ``{"@LossSpec": {fields that
differ from the default}}``, a list of Python ``{"@list": [...]}``, a JSON list a tuple. The validators of attrs and of
:mod:`armillary.rules` are stored as data; any other, and the ``check`` of a part, as the place of a function, which is imported when a
value other than the default has to be checked.
"""

import hashlib
import importlib
import importlib.util
import json
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import attrs
from attrs import validators

from armillary import ports, rules, specs
from armillary.config import NoConfig, param
from armillary.version import __version__

NAME = "manifest.json"
_RECORDS = {
    name: one
    for module in (specs, ports, rules)
    for name, one in vars(module).items()
    if isinstance(one, type) and attrs.has(one)
}
_TYPES = {"any": Any, "int": int, "float": float, "str": str, "bool": bool, "None": type(None)}
_COMPARE = {"<": validators.lt, "<=": validators.le, ">=": validators.ge, ">": validators.gt}


@attrs.frozen
class Manifest:
    """The components of one package.

    Args:
        specs: of its parts and recipes, in order.
        configs: function that makes the settings class of each part that has settings, by kind and name.
        observes: observer hooks that its module implements.
    """

    specs: tuple[Any, ...]
    configs: Mapping[tuple[str, str], Callable[[], type]]
    observes: tuple[str, ...] = ()


@attrs.frozen
class Later:
    """A function of the package, imported when it is called."""

    place: str

    def resolve(self) -> Any:
        """Return the function."""
        module, _, path = self.place.partition(":")
        found = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
        return found

    def __call__(self, instance: Any, attribute: Any, value: Any) -> None:
        """Validate a value, unless it is the default, which was valid when the manifest was written."""
        if value != attribute.default:
            self.resolve()(instance, attribute, value)


def path_of(module: str) -> Path | None:
    """Return the place of the manifest of a plugin's module, None for one that is not in a package; imports nothing.

    The built-in parts are a folder of the core; another plugin is a package of its own.
    """
    if module.endswith(".py"):  # a plugin that is a file
        return None
    top, _, rest = module.partition(".")
    found = importlib.util.find_spec(top)
    if found is None or not found.submodule_search_locations:
        return None
    folder = Path(next(iter(found.submodule_search_locations)))
    return folder / "std" / NAME if (top, rest) == ("armillary", "std.plugin") else folder / NAME


def digest(folder: Path) -> str:
    """Return a hash of the sources below ``folder`` and of the version of the core."""
    found = hashlib.sha256(__version__.encode())
    for path in sorted(folder.rglob("*.py")):
        found.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def freeze(folder: Path, components: Iterable[Any], *, observes: tuple[str, ...] = ()) -> str:
    """Return the manifest of the part classes and recipes of the package in ``folder``.

    Raises:
        TypeError: a setting of a type, or a default, that JSON cannot hold.
    """
    listed = [_component(one) for one in components]
    table = {"digest": digest(folder), "observes": list(observes), "components": listed}
    return json.dumps(table, indent=1, ensure_ascii=False) + "\n"


def read(path: Path) -> Manifest | None:
    """Return the manifest at ``path``; None if it is missing, damaged, or older than the sources beside it."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if table["digest"] != digest(path.parent):
            return None
        found, configs = [], {}
        for one in table["components"]:
            spec = _thaw(one["spec"])
            found.append(spec)
            if "settings" in one:
                configs[spec.KIND, spec.name] = cache(partial(settings_class, one))
        return Manifest(specs=tuple(found), configs=configs, observes=tuple(table["observes"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def settings_table(config: Any) -> dict[str, Any]:
    """Return a settings class as plain values."""
    kinds = typing.get_type_hints(config)
    table: dict[str, Any] = {"name": config.__name__, "help": config.__doc__ or ""}
    table["settings"] = {field.name: _setting(field, kinds[field.name]) for field in attrs.fields(config)}
    if hasattr(config, "__attrs_post_init__"):
        table["check"] = f"{config.__module__}:{config.__qualname__}"
    return table


def settings_class(table: Mapping[str, Any]) -> type[Any]:
    """Return the settings class of a table, equal to the part's own but for the functions that are imported later."""
    kinds = {name: _type_in(one["type"]) for name, one in table["settings"].items()}
    body: dict[str, Any] = {"__annotations__": kinds, "__doc__": table["help"]}
    for name, one in table["settings"].items():
        words = {key: one[key] for key in ("unit", "source", "help")}
        default = _thaw(one["default"]) if "default" in one else attrs.NOTHING
        body[name] = param(default, validator=_check_in(one["validator"]) if "validator" in one else None, **words)
    if "check" in table:
        checked = Later(table["check"])  # the part's own settings class, which checks itself when it is made

        def check(self: Any) -> None:
            fields = attrs.fields_dict(type(self))
            if any(getattr(self, name) != fields[name].default for name in table.get("reads", fields)):
                checked.resolve()(**attrs.asdict(self, recurse=False))

        body["__attrs_post_init__"] = check
    return attrs.frozen(kw_only=True)(type(table["name"], (), body))


def _component(one: Any) -> dict[str, Any]:
    if not isinstance(one, type):
        return {"spec": _freeze(one)}
    part: Any = one
    if part.Config is NoConfig:
        return {"spec": _freeze(part.spec())}
    table = settings_table(part.Config)
    if "check" in table:
        table["reads"] = _read_by_check(part)
    return {"spec": _freeze(part.spec()), **table}


def _read_by_check(part: Any) -> list[str]:
    """Return the settings that a part's ``check`` reads for the defaults; all settings if that cannot be told.

    A check is a function of what it reads. While these settings have their defaults it reads the same again, and accepts them.
    """
    fields = attrs.fields_dict(part.Config)
    read: set[str] = set()

    class Recorder:
        def __getattr__(self, name: str) -> Any:
            read.add(name)
            return fields[name].default

    try:
        part.check(Recorder())
    except (KeyError, TypeError, ValueError):  # a method, ``super()``, or a setting without a default
        return list(fields)
    return sorted(read)


def _setting(field: Any, kind: Any) -> dict[str, Any]:
    table = {"type": _type_out(kind), **field.metadata}
    if field.default is not attrs.NOTHING:
        table["default"] = _freeze(field.default)
    if field.validator is not None:
        table["validator"] = _check_out(field.validator)
    return table


def _freeze(value: Any) -> Any:
    if attrs.has(type(value)):
        fields = ((field, getattr(value, field.name)) for field in attrs.fields(type(value)))
        words = {field.name: _freeze(one) for field, one in fields if one != _default(field)}
        return {f"@{type(value).__name__}": words}
    if isinstance(value, Mapping):
        return {key: _freeze(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return [_freeze(one) for one in value]
    if isinstance(value, list):
        return {"@list": [_freeze(one) for one in value]}
    return value


def _default(field: Any) -> Any:
    return field.default.factory() if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type]


def _thaw(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_thaw(one) for one in value)
    if not isinstance(value, dict):
        return value
    for tag, inside in value.items():
        if tag == "@list":
            return [_thaw(one) for one in inside]
        if tag.startswith("@"):
            return _RECORDS[tag[1:]](**{key: _thaw(one) for key, one in inside.items()})
    return {key: _thaw(one) for key, one in value.items()}


def _type_out(kind: Any) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    for name, plain in _TYPES.items():
        if kind is plain:
            return name
    if kind is Ellipsis:
        return "..."
    if origin is typing.Literal:
        return ["literal", *inner]
    word = {tuple: "tuple", dict: "dict", types.UnionType: "or", typing.Union: "or"}.get(origin)
    if word is None:
        raise TypeError(
            f"a setting of type {kind} cannot be frozen: use int, float, str, bool, Literal, tuple, dict, X | None"
        )
    return [word, *map(_type_out, inner)]


def _type_in(text: Any) -> Any:
    if isinstance(text, str):
        return ... if text == "..." else _TYPES[text]
    word, *inner = text
    if word == "literal":
        return typing.Literal[tuple(inner)]
    kinds = tuple(map(_type_in, inner))
    return {"tuple": tuple, "dict": dict, "or": typing.Union}[word][kinds]


def _check_out(check: Any) -> Any:
    word = type(check).__name__
    if word == "_NumberValidator":
        return [check.compare_op, check.bound]
    if word == "_InValidator":
        return ["in", list(check.options)]
    if word == "_MinLengthValidator":
        return ["longer", check.min_length]
    if word == "_AndValidator":
        return ["and", *map(_check_out, check._validators)]
    if word == "_OptionalValidator":
        return ["optional", _check_out(check.validator)]
    if word == "_DeepIterable":
        return ["each", _check_out(check.member_validator)]
    if word in _RECORDS:
        return _freeze(check)
    if not hasattr(check, "__qualname__") or "<" in check.__qualname__:
        raise TypeError(
            f"the validator {check!r} cannot be frozen: use those of attrs.validators, armillary.rules, or a function of a module"
        )
    return f"{check.__module__}:{check.__qualname__}"


def _check_in(table: Any) -> Callable[..., Any]:
    if isinstance(table, str):
        return Later(table)
    if isinstance(table, dict):
        return _thaw(table)
    word, *inner = table
    if word in _COMPARE:
        return _COMPARE[word](inner[0])
    if word == "in":
        return validators.in_(tuple(inner[0]))
    if word == "longer":
        return validators.min_len(inner[0])
    made = {"and": validators.and_, "optional": validators.optional, "each": validators.deep_iterable}[word]
    return made(*map(_check_in, inner))

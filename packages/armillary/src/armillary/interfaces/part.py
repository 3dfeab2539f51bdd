"""Parts: a class is its own declaration.

What a part takes and gives is the signature of its main method, in the types of :mod:`armillary.ports`. What can be set are its
fields, each a :func:`~armillary.config.param`. Where it comes from stands in its header. The record that the host works with
(:meth:`Part.spec`), the settings class (``Part.Config``), the static check, the builder and the reference page come from these.
"""

import abc
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import attrs

from armillary import specs
from armillary.config import NoConfig
from armillary.ports import Shape, vector_length


class Mark:
    """Base of the class attributes that become fields of an instance and are no settings."""


@attrs.frozen
class _Size(Mark):
    port: str
    read: Callable[[Shape], Any]
    default: Any


@attrs.frozen
class _Asset(Mark):
    name: str


@attrs.frozen
class _Given(Mark):
    """Mark of :func:`given`."""


_SETTING = type(attrs.field())


def from_shape(port: str, read: Callable[[Shape], Any] = vector_length, *, default: Any = attrs.NOTHING) -> Any:
    """Return a field that is read from the resolved shape of a port; it is no setting.

    Args:
        port: of the part, by its own name; of two with one name the input.
        read: of the shape; by default the length of the last axis.
        default: of a part that is made by hand; without one the size is required there.
    """
    return _Size(port, read, default)


def asset(name: str) -> Any:
    """Return a field that holds the path of a file that the user names, None without one; it is no setting."""
    return _Asset(name)


def given() -> Any:
    """Return a field that whoever builds the part gives by keyword (the folder of a data set, a seed); it is no setting."""
    return _Given()


class Part(abc.ABC):  # noqa: B024  # its children have abstract methods
    """Base of all interfaces. A class with a ``name`` in its header is a part, one without is a base of parts.

    ``check`` looks at several settings together and raises ValueError; ``setup`` makes what needs more than the fields: layers,
    buffers, sums. Neither calls the other, and neither needs ``super()`` where one class defines it.

    Args:
        values: settings, sizes and files by keyword; a setting that is missing has its default.

    Raises:
        TypeError: an unknown keyword, or a size that is missing.
        ValueError: settings that :meth:`check` refuses.
    """

    SPEC: ClassVar[type[specs.ComponentSpec]] = specs.ComponentSpec
    FACTS: ClassVar[tuple[str, ...]] = ()
    """Class attributes that the spec repeats: what no signature can hold."""

    Config: ClassVar[type[Any]] = NoConfig
    header: ClassVar[Mapping[str, str]] = {}
    _own: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(cls, *, name: str = "", source: str = "", summary: str = "") -> None:
        super().__init_subclass__()
        cls.header = {"name": name, "source": source, "summary": summary or _first_line(cls.__doc__)}
        own = {key: value for key, value in vars(cls).items() if isinstance(value, Mark)}
        settings = {key: value for key, value in vars(cls).items() if type(value) is _SETTING}
        for key in (*own, *settings):
            delattr(cls, key)
            if hasattr(cls, key):
                raise TypeError(
                    f"{cls.__qualname__}: the field {key!r} has the name of a method of its base; rename it"
                )
        cls._own = {**cls._own, **own}
        if settings or "check" in vars(cls):
            cls.Config = _config(cls, settings)

    def __init__(self, **values: Any) -> None:
        super().__init__()
        names = attrs.fields_dict(self.Config)
        if unknown := values.keys() - names.keys() - self._own.keys():
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        config = self.Config(**{key: value for key, value in values.items() if key in names})
        for key in names:
            setattr(self, key, getattr(config, key))
        for key, field in self._own.items():
            default = getattr(field, "default", attrs.NOTHING if isinstance(field, _Given) else None)
            if key not in values and default is attrs.NOTHING:
                raise TypeError(f"{type(self).__name__} needs {key}")
            setattr(self, key, values.get(key, default))
        self.setup()

    def check(self) -> None:  # noqa: B027
        """Raise ValueError for settings that do not go together."""

    def setup(self) -> None:  # noqa: B027
        """Make what needs more than the fields: layers, buffers, sums."""

    @classmethod
    def build(
        cls,
        config: Any,
        *,
        inputs: Mapping[str, Shape] | None = None,
        outputs: Mapping[str, Shape] | None = None,
        assets: Mapping[str, Path] | None = None,
        **more: Any,
    ) -> Self:
        """Return the part for settings and resolved shapes.

        Args:
            config: an instance of ``Config``.
            inputs: resolved shape of each port that it takes, None for the batch and what is unknown.
            outputs: the same for each port that it gives.
            assets: path of each file that the user named.
            more: fields that are :func:`given`, and the parts of a method.

        Raises:
            ValueError: shapes or settings that cannot be served; the message says which could.
        """
        shapes = {**(outputs or {}), **(inputs or {})}
        for key, field in cls._own.items():
            if isinstance(field, _Size):
                more[key] = field.read(shapes[field.port])
            elif isinstance(field, _Asset):
                more[key] = (assets or {}).get(field.name)
        return cls(**{field.name: getattr(config, field.name) for field in attrs.fields(type(config))}, **more)

    @classmethod
    def declared(cls) -> dict[str, Any]:
        """Return the fields of the spec that signatures tell."""
        raise TypeError(
            f"{cls.__qualname__} is no Encoder, Head, Renderer, Loss, Evaluator, Method, Transform, Dataset or Generator"
        )

    @classmethod
    @cache
    def spec(cls) -> Any:
        """Return the record that the host works with.

        Raises:
            TypeError, ValueError: a signature or a fact that is outside the vocabulary; the message says what to write.
        """
        place = f"{cls.__module__}:{cls.__qualname__}"
        facts = {fact: getattr(cls, fact) for fact in cls.FACTS}
        assets = tuple(field.name for field in cls._own.values() if isinstance(field, _Asset))
        config = "" if cls.Config is NoConfig else place
        return cls.SPEC(target=place, config=config, assets=assets, **cls.header, **facts, **cls.declared())


def _config(cls: type[Part], settings: Mapping[str, Any]) -> type[Any]:
    """Return the settings class of a part: the fields of its bases, then its own, and its check."""

    def check(config: Any) -> None:
        blank: Any = cls.__new__(cls)  # has its settings and nothing else, so that `super().check()` works in it
        vars(blank).update(attrs.asdict(config, recurse=False))
        blank.check()

    names = inspect.get_annotations(cls)
    missing = [key for key in settings if key not in names]
    if missing:
        raise TypeError(
            f"{cls.__qualname__}: {', '.join(missing)} needs a type: write `{missing[0]}: float = param(...)`"
        )
    body = {"__annotations__": {key: names[key] for key in settings}, **settings}
    if cls.check is not Part.check:
        body["__attrs_post_init__"] = check
    body |= {"__doc__": cls.__doc__, "__module__": cls.__module__, "__qualname__": f"{cls.__qualname__}.Config"}
    bases = () if cls.Config is NoConfig else (cls.Config,)
    return attrs.frozen(kw_only=True)(type(f"{cls.__name__}Config", bases, body))


def _first_line(text: str | None) -> str:
    """Return the first line as tables have it: no capital, no full stop; names and formulas keep theirs."""
    line = inspect.cleandoc(text or "").partition("\n")[0].rstrip(".")
    return line[:1].lower() + line[1:] if line[1:2].islower() or line[1:2] == " " else line

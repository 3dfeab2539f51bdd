"""Loading plugins: one at a time, only those that are asked for, and whole or not at all. Light.

:mod:`armillary.plugins.discovery` says what is installed. A :class:`Host` imports a plugin when a component with its prefix is asked
for, stages what its hooks deliver in a pluggy manager of its own, checks every item, and keeps the result only after all of it
was right. What fails is kept as an error of that plugin, raised when somebody asks for it, and hurts nothing else.

Targets (``"armillary_unsup3d.networks:ConvEncoder"``) stay strings until :meth:`Host.resolve`, which may import torch.
"""

import builtins
import contextlib
import importlib
import importlib.util
import inspect
import io
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Self

import attrs
import pluggy

from armillary.config import NoConfig
from armillary.errors import ArmillaryError, PluginError, UnknownNameError, did_you_mean
from armillary.plugins import hookspecs, manifest
from armillary.plugins.catalogue import FIRST_PARTY, install_hint
from armillary.plugins.discovery import FILE, PluginRecord, discover, file_record
from armillary.plugins.hookspecs import COMPONENTS, OBSERVER_HOOKS, PROJECT, parts_in
from armillary.specs import SPEC_OF, RecipeSpec

KINDS = tuple(SPEC_OF)
SESSION = "session"
_log = logging.getLogger(__name__)


@attrs.frozen(kw_only=True, eq=False)
class Offer:
    """Components of one plugin, checked.

    Args:
        record: the plugin.
        module: its module, for the observer hooks; None for one that was read from its manifest.
        components: kind to name to spec; names have no prefix here.
        observes: the observer hooks that it implements.
        printed: what it wrote to standard output while it was imported.
        configs: function that makes the settings class, by kind and name, for components from a manifest.
        classes: part class, or the recipe itself, by the ``id`` of its spec, for components that were not read from a manifest.
    """

    record: PluginRecord
    module: ModuleType | None
    components: Mapping[str, Mapping[str, Any]]
    observes: tuple[str, ...]
    printed: str = ""
    configs: Mapping[tuple[str, str], Callable[[], type]] = attrs.field(factory=dict)
    classes: Mapping[int, Any] = attrs.field(factory=dict)

    @classmethod
    def of(cls, specs: Iterable[Any], **words: Any) -> Self:
        """Return the offer of these components."""
        components: dict[str, dict[str, Any]] = {}
        for spec in specs:
            components.setdefault(spec.KIND, {})[spec.name] = spec
        return cls(components=MappingProxyType(components), **words)


@attrs.frozen(kw_only=True, eq=False)
class Resolved:
    """A component whose classes have been imported.

    Args:
        id: ``plugin:component``.
        spec: what the plugin declared.
        cls: the class, of the component's interface.
        config: its config class; :class:`armillary.config.NoConfig` where it has none.
    """

    id: str
    spec: Any
    cls: type
    config: type


class Host:
    """The plugins of this environment.

    Args:
        records: what is installed; by default found by :func:`armillary.plugins.discovery.discover`.
        manifests: read a plugin's manifest, where it is up to date, in place of importing the plugin.
    """

    def __init__(self, records: Iterable[PluginRecord] | None = None, *, manifests: bool = True) -> None:
        self.records = tuple(discover() if records is None else records)
        self._manifests = manifests
        self._offers: dict[str, Offer] = {}
        self._errors: dict[str, tuple[str, BaseException | None]] = {}
        self._owners: dict[
            int, tuple[Any, PluginRecord]
        ] = {}  # id of a spec; the spec is kept so that its id stays its own
        self._resolved: dict[int, Resolved] = {}

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all plugins, whatever their state."""
        return tuple(dict.fromkeys(record.id for record in self.records))

    @property
    def failures(self) -> dict[str, str]:
        """Id to reason for each plugin that cannot be used, blocked ones apart; those not yet loaded are not known to fail."""
        unusable = [record for record in self.records if record.state not in ("ok", "blocked")]
        known = {record.id: f"{record} is {record.state}: {record.reason}" for record in unusable}
        return known | {id: message for id, (message, _) in self._errors.items()}

    def record(self, plugin: str) -> PluginRecord:
        """Return the record of a plugin that may be loaded.

        Raises:
            UnknownNameError: nothing installed has this id; says what to install where it is one of ours.
            PluginError: it is blocked, incompatible, in conflict or broken.
        """
        found = [record for record in self.records if record.id == plugin]
        if not found:
            raise UnknownNameError(f"unknown plugin {plugin!r}:{self._instead(plugin)}")
        for record in found:  # of several claims on std, ours is the one that is ok
            if record.state == "ok":
                return record
        raise PluginError(f"{found[0]} is {found[0].state}: {found[0].reason}")

    def load(self, plugin: str) -> Offer:
        """Return what a plugin delivers, importing it on the first call.

        Raises:
            UnknownNameError: as :meth:`record`.
            PluginError: as :meth:`record`; or it failed now or before: at import, in a hook, or in what it delivered.
        """
        record = self.record(plugin)
        if plugin in self._errors:
            message, cause = self._errors[plugin]
            raise PluginError(message) from cause
        if plugin not in self._offers:
            try:
                offer = (_frozen(record) if self._manifests else None) or _load(record)
            except PluginError as error:
                self._errors[plugin] = (str(error), error.__cause__)
                raise
            self._keep(offer)
        return self._offers[plugin]

    def add_file(self, path: Path) -> str:
        """Make a Python file a plugin of this host; return its id.

        Raises:
            PluginError: there is no such file, or its name is no plugin id, or another plugin's.
        """
        record = file_record(path)
        if record.state != "ok":
            raise PluginError(f"{path}: {record.reason}")
        self._join(record)
        return record.id

    def add_parts(self, parts: Iterable[type], *, id: str = "local") -> None:
        """Make part classes of this process, of a notebook say, a plugin of this host.

        Raises:
            PluginError: another plugin has the id, or an item is no part.
        """
        items = list(parts)
        record = PluginRecord(id=id, distribution=SESSION, version="0", module="", location="this Python session")
        specs = [_spec(record, item) for item in items]
        self._join(record)
        classes = dict(zip(map(builtins.id, specs), items, strict=True))
        self._keep(Offer.of(specs, record=record, module=None, observes=(), classes=classes))

    def _join(self, record: PluginRecord) -> None:
        if record.id in self.ids:
            raise PluginError(f"{record}: the id is taken by {self.record(record.id)}")
        self.records = (*self.records, record)

    def _keep(self, offer: Offer) -> None:
        self._offers[offer.record.id] = offer
        for specs in offer.components.values():
            self._owners.update((id(spec), (spec, offer.record)) for spec in specs.values())

    def classes(self, plugin: str) -> list[Any]:
        """Return the part classes and recipes of a plugin, importing it whatever its manifest says.

        Raises:
            UnknownNameError, PluginError: as :meth:`load`.
        """
        return list(_load(self.record(plugin)).classes.values())

    def component(self, kind: str, id: str) -> Any:
        """Return the spec of ``plugin:component``, loading that plugin alone.

        Args:
            kind: ``"encoder"``, or the plural.
            id: ``"unsup3d:conv-encoder"``.

        Raises:
            UnknownNameError: no such kind, plugin or component; suggests the nearest.
            PluginError: as :meth:`load`.
        """
        kind = kind_of(kind)
        if not isinstance(id, str):  # a recipe file may hold anything
            raise UnknownNameError(f"{kind} {id!r}: write plugin:component")
        plugin, colon, name = id.partition(":")
        if not colon or not plugin or not name:
            near = [each for each in self.components(kind) if each.partition(":")[2] == id]
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UnknownNameError(f"{kind} {id!r}: write plugin:component{hint}")
        if plugin not in self.ids:
            raise UnknownNameError(f"unknown {kind} {id!r}: no plugin {plugin!r} is installed;{self._instead(plugin)}")
        offer = self.load(plugin)
        found = offer.components.get(kind, {})
        if name in found:
            return found[name]
        others = [other for other, specs in offer.components.items() if name in specs]
        if others:
            raise UnknownNameError(f"{id!r} is of kind {' and '.join(others)}, not {kind}")
        near_name = did_you_mean(id, [f"{plugin}:{each}" for each in found])
        listed = ", ".join(f"{plugin}:{each}" for each in found) or f"no {kind} at all"
        raise UnknownNameError(f"unknown {kind} {id!r}:{near_name or f' {offer.record} has {listed}'}")

    def components(self, kind: str) -> dict[str, Any]:
        """Return id to spec for all components of a kind, from every plugin that loads; the others are in ``failures``."""
        kind = kind_of(kind)
        return {
            f"{offer.record.id}:{name}": spec
            for offer in self.offers()
            for name, spec in offer.components.get(kind, {}).items()
        }

    def offers(self) -> Iterator[Offer]:
        """Yield what each plugin delivers, passing over those that cannot be loaded."""
        for plugin in self.ids:
            with contextlib.suppress(PluginError):
                yield self.load(plugin)

    def owner(self, spec: Any) -> PluginRecord | None:
        """Return the plugin that delivered this very spec, None where no plugin of this host did."""
        kept = self._owners.get(id(spec))
        return kept[1] if kept else None

    def resolve(self, spec: Any) -> Resolved:
        """Return a component with its class and config class imported. This may import torch.

        Raises:
            PluginError: the target does not exist, cannot be imported, or is not of the component's kind, as with a manifest that
                is of other sources; names plugin, distribution and target.
        """
        if id(spec) not in self._resolved:
            owner = self.owner(spec)
            cls = self._offers[owner.id].classes.get(id(spec)) if owner else None
            cls = cls or self._imported(spec)
            missing = _undefined(cls)
            if missing:
                raise PluginError(
                    f"{self._who(spec)}: {spec.target} is abstract: it does not define {', '.join(missing)}"
                )
            name = f"{owner.id}:{spec.name}" if owner else spec.name
            self._resolved[id(spec)] = Resolved(id=name, spec=spec, cls=cls, config=cls.Config)
        return self._resolved[id(spec)]

    def config(self, spec: Any) -> type:
        """Return the settings class of a component; light for one that was read from a manifest.

        Raises:
            PluginError: as :meth:`resolve`.
        """
        if not getattr(spec, "config", None):
            return NoConfig
        owner = self.owner(spec)
        if owner is None:
            return self.resolve(spec).config
        offer = self._offers[owner.id]
        if (spec.KIND, spec.name) in offer.configs:
            return offer.configs[spec.KIND, spec.name]()
        return getattr(offer.classes.get(id(spec)), "Config", None) or self.resolve(spec).config

    def _imported(self, spec: Any) -> type:
        who = self._who(spec)
        cls = _target(spec.target, who=who)
        interface = interface_of(spec.KIND)
        if not (isinstance(cls, type) and issubclass(cls, interface)):
            raise PluginError(f"{who}: {spec.target} is {_a(cls)}, not a subclass of {_dotted(interface)}")
        return cls

    def observers(self, plugins: Iterable[str], *, report: Callable[[str], None] | None = None) -> "Observers":
        """Return the observers of a run.

        Args:
            plugins: ids of the plugins that were asked for.
            report: called with one line when an observer is dropped; a warning of the logger where none is given.

        Raises:
            UnknownNameError: as :meth:`record`.
            PluginError: as :meth:`load`; or a plugin observes nothing.
        """
        offers = [self.load(plugin) for plugin in dict.fromkeys(plugins)]
        for offer in offers:
            if not offer.observes:
                raise PluginError(f"{offer.record} observes nothing: it has none of {', '.join(OBSERVER_HOOKS)}")
        return Observers(offers, report=report or _log.warning)

    def _who(self, spec: Any) -> str:
        owner = self.owner(spec)
        return f"{owner}: {spec.KIND} {owner.id}:{spec.name}" if owner else f"{spec.KIND} {spec.name}"

    def _instead(self, plugin: str) -> str:
        hint = install_hint(plugin)
        if hint:
            return f" {hint}"
        near = did_you_mean(plugin, self.ids)
        if not near:
            near = did_you_mean(plugin, FIRST_PARTY)
            hints = [install_hint(name) for name in FIRST_PARTY if repr(name) in near]
            near += f" {hints[0]}" if hints else ""
        return near or f" installed are: {', '.join(self.ids)}"


class Observers:
    """The observers of one run, each in a manager of its own: one that raises is reported once and dropped.

    Args:
        offers: plugins that implement observer hooks.
        report: called with one line when an observer is dropped.
    """

    def __init__(self, offers: Iterable[Offer], *, report: Callable[[str], None]) -> None:
        self._report = report
        self._managers = [
            (offer.record, _manager(offer.module or _module(offer.record), offer.record.id)) for offer in offers
        ]

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the observers that are still there."""
        return tuple(record.id for record, _ in self._managers)

    def notify(self, hook: str, **event: Any) -> None:
        """Call ``hook`` (``"armillary_step_ended"``) of each observer.

        Raises:
            ValueError: there is no such observer hook.
            TypeError: the event lacks something that the hook tells, or has more.
        """
        if hook not in OBSERVER_HOOKS:
            raise ValueError(f"no observer hook {hook!r}:{did_you_mean(hook, OBSERVER_HOOKS)}")
        inspect.signature(getattr(hookspecs, hook)).bind(**event)
        for entry in tuple(self._managers):
            record, manager = entry
            try:
                getattr(manager.hook, hook)(**event)
            except (Exception, SystemExit) as error:
                self._managers.remove(entry)
                manager.unregister(name=record.id)
                self._report(f"{record}: observer dropped, {hook} raised {first_line(error)}")


@cache
def kind_of(name: str) -> str:
    """Return the kind for ``"encoder"`` or ``"encoders"``.

    Raises:
        UnknownNameError: there is no such kind.
    """
    for kind in KINDS:
        if name in (kind, _plural(kind)):
            return kind
    instead = did_you_mean(name, KINDS) or f" there are {', '.join(KINDS)}"
    raise UnknownNameError(f"unknown kind of component {name!r}:{instead}")


def _plural(kind: str) -> str:
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


def interface_of(kind: str) -> type:
    """Return the abstract class of a kind, importing it (and torch)."""
    return getattr(importlib.import_module("armillary.interfaces"), kind.capitalize())


def first_line(error: BaseException) -> str:
    """Return ``ImportError: no module named 'x'``: the type and the first line that says something."""
    try:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    except Exception:  # a plugin's exception whose own text cannot be made
        lines = []
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


@contextlib.contextmanager
def _guarded(what: str, printed: io.StringIO | None = None) -> Iterator[None]:
    """Run a plugin's code: whatever it raises becomes a :class:`PluginError`, what it prints does not reach standard output.

    SystemExit counts as an error of the plugin; KeyboardInterrupt does not. Text that no ``printed`` takes is logged.
    """
    text = io.StringIO() if printed is None else printed
    try:
        with contextlib.redirect_stdout(text):
            yield
    except (KeyboardInterrupt, PluginError):
        raise
    except BaseException as error:
        raise PluginError(f"{what}: {first_line(error)}") from error
    finally:
        if printed is None and text.getvalue():
            _log.warning("%s printed: %s", what, text.getvalue().rstrip())


def _frozen(record: PluginRecord) -> Offer | None:
    """Return what the manifest beside a plugin lists, without importing it; None without an up-to-date manifest."""
    path = manifest.path_of(record.module) if record.distribution != FILE else None
    found = manifest.read(path) if path and path.is_file() else None
    if found is None:
        return None
    return Offer.of(found.specs, record=record, module=None, observes=found.observes, configs=found.configs)


def _module(record: PluginRecord) -> ModuleType:
    """Import the module of a plugin; one that is a file under a name that nothing else has, once for each state of the file."""
    if record.distribution != FILE:
        return importlib.import_module(record.module)
    name = f"armillary_file_{record.id.replace('-', '_')}_{record.version}"
    if name not in sys.modules:
        found = importlib.util.spec_from_file_location(name, record.module)
        if found is None or found.loader is None:
            raise ImportError(f"{record.module} is not a Python file")
        module = importlib.util.module_from_spec(found)
        sys.modules[name] = module
        try:
            found.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _load(record: PluginRecord) -> Offer:
    printed = io.StringIO()
    with _guarded(f"{record}: cannot be imported", printed):
        module = _module(record)
    with _guarded(f"{record}", printed):
        specs, items, observes = _deliver(record, module, printed)
    text = printed.getvalue()
    if text:
        _log.warning("%s printed while it was loaded: %s", record, text.rstrip())
    return Offer.of(
        specs,
        record=record,
        module=module,
        observes=observes,
        printed=text,
        classes=dict(zip(map(id, specs), items, strict=True)),
    )


def _manager(module: ModuleType, name: str) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(module, name=name)
    return manager


def _deliver(
    record: PluginRecord, module: ModuleType, printed: io.StringIO
) -> tuple[list[Any], list[Any], tuple[str, ...]]:
    """Return specs, what they were made of, and observer hooks, all checked; the staging manager is emptied in any case."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        try:
            manager.register(module, name=record.id)
        except pluggy.PluginValidationError as error:
            raise PluginError(f"{record}: {' '.join(str(error).split())}") from error
        callers = {caller.name: caller for caller in manager.get_hookcallers(module) or ()}
        _check_hooks(record, module, callers)
        items = _delivered(record, callers[COMPONENTS], printed) if COMPONENTS in callers else parts_in(module)
        specs = [_spec(record, item) for item in items]
        for spec in specs:
            if sum((other.KIND, other.name) == (spec.KIND, spec.name) for other in specs) > 1:
                raise PluginError(f"{record}: two components of kind {spec.KIND} are named {spec.name!r}")
        return specs, items, tuple(hook for hook in OBSERVER_HOOKS if hook in callers)
    finally:
        if manager.has_plugin(record.id):
            manager.unregister(name=record.id)


def _check_hooks(record: PluginRecord, module: ModuleType, callers: Mapping[str, pluggy.HookCaller]) -> None:
    known = (COMPONENTS, *OBSERVER_HOOKS)
    for name, caller in callers.items():
        if not caller.has_spec() and not all(implementation.optionalhook for implementation in caller.get_hookimpls()):
            raise PluginError(
                f"{record}: there is no hook {name!r};{did_you_mean(name, known) or f' there are {known}'}"
            )
    for name in known:
        if name not in callers and inspect.isfunction(getattr(module, name, None)):
            raise PluginError(
                f"{record}: {name} is not marked with @hookimpl (from armillary.plugins.hookspecs import hookimpl)"
            )
    if not callers and not parts_in(module):
        raise PluginError(f"{record}: {record.module} defines no part, and has none of the hooks {', '.join(known)}")


def _delivered(record: PluginRecord, caller: pluggy.HookCaller, printed: io.StringIO) -> list[Any]:
    """Return the items of the lists that one hook returns."""
    results: list[Any] = []
    with _guarded(f"{record}: {caller.name} failed", printed):
        caller.call_historic(result_callback=results.append)
        if len(results) < len(caller.get_hookimpls()):
            raise PluginError(f"{record}: {caller.name} returned None, not a list")
        return [item for result in results for item in _items(record, caller.name, result)]


def _spec(record: PluginRecord, item: Any) -> Any:
    """Return the record of a part class or recipe that a plugin delivered."""
    if isinstance(item, RecipeSpec):
        return item
    if not (isinstance(item, type) and getattr(item, "header", {}).get("name")):
        raise PluginError(
            f"{record}: {COMPONENTS} returned {_a(item)} in its list, not a part (a class of armillary.interfaces with a name "
            f"in its header) or a RecipeSpec"
        )
    with _guarded(f"{record}: {_dotted(item)}"):
        return item.spec()


def _items(record: PluginRecord, hook: str, result: Any) -> list[Any]:
    if isinstance(result, list | tuple) or inspect.isgenerator(result):
        return list(result)
    raise PluginError(f"{record}: {hook} returned {_a(result)}, not a list")


def _target(target: str, *, who: str) -> Any:
    module_name, _, attribute = target.partition(":")
    with _guarded(f"{who}: target {target}"):
        found: Any = importlib.import_module(module_name)
        for name in attribute.split("."):
            if not hasattr(found, name):
                near = did_you_mean(name, [each for each in dir(found) if not each.startswith("_")])
                raise PluginError(
                    f"{who}: target {target} does not exist: {module_name} has no {attribute};{near}".rstrip(";")
                )
            found = getattr(found, name)
    return found


def _undefined(cls: type) -> list[str]:
    """Return the methods of the interface that a class leaves out."""
    missing: set[str] = set(getattr(cls, "__abstractmethods__", ()))
    if getattr(getattr(cls, "forward", None), "__name__", "") == "_forward_unimplemented":
        missing.add("forward")  # torch.nn.Module's own, which hides the abstract one from Python
    return sorted(missing)


def _a(thing: Any) -> str:
    """Return what a wrong value is, in few words: ``int 42``, ``class x.y.Z``."""
    if isinstance(thing, type):
        return f"the class {_dotted(thing)}"
    if isinstance(thing, int | float | str | None) and len(repr(thing)) <= 40:  # no repr of a plugin's own
        return f"{type(thing).__name__} {thing!r}"
    return f"a {type(thing).__name__}"


def _dotted(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


__all__ = [
    "KINDS",
    "ArmillaryError",
    "Host",
    "Observers",
    "Offer",
    "PluginRecord",
    "Resolved",
    "discover",
    "first_line",
    "interface_of",
    "kind_of",
]

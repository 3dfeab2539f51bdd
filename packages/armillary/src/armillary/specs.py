"""Declarations of plugins: records of plain values, no classes of networks, no torch. Light.

A component is named by strings (``target="armillary_unsup3d.heads:DepthMap"``) that are imported when it is built. A recipe is
data: a method, what fills its slots, losses, optimiser, budget; each number may carry its source through :func:`cited`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal, Self

import attrs

from armillary.names import NAME_RULE as _NAME_RULE
from armillary.names import is_component_name, is_name, is_target
from armillary.ports import KINDS, Port


def _ports(values: Iterable[Port | str]) -> tuple[Port, ...]:
    """Return ports; a bare string is a port whose name is also its kind (``"image"``)."""
    ports = []
    for value in values:
        if isinstance(value, str):
            if value not in KINDS:
                raise ValueError(f"{value!r} is not a kind: write Port({value!r}, kind=...)")
            value = Port(value, kind=value)
        if not isinstance(value, Port):
            raise TypeError(f"needs a Port, got {value!r}")
        ports.append(value)
    names = [port.name for port in ports]
    if len(set(names)) != len(names):
        raise ValueError(f"port names repeat: {', '.join(names)}")
    return tuple(ports)


def _check_name(_: Any, attribute: Any, value: str) -> None:
    if not is_component_name(value):
        raise ValueError(f"{attribute.name} {value!r}: use lower-case words joined by -, evaluators end in /version")


def _check_path_name(_: Any, attribute: Any, value: str) -> None:
    if not is_name(value):
        raise ValueError(f"{attribute.name} {value!r}: {_NAME_RULE}")


def _check_target(_: Any, attribute: Any, value: str) -> None:
    if not is_target(value) and (value != "" or attribute.name != "config"):
        raise ValueError(f"{attribute.name} {value!r}: write it as package.module:Class")


@attrs.frozen(kw_only=True)
class ComponentSpec:
    """Declaration that all components share.

    Args:
        name: within the plugin; the id is ``plugin:name``.
        target: ``package.module:Class``, imported when the part is built.
        config: ``package.module:ConfigClass``; empty for a part without settings.
        consumes: ports that it is called with.
        produces: ports that it returns.
        summary: one line, for tables.
        source: paper, equation, or authors' file.
        assets: names of files that nobody may ship and the user names (``vgg16``).
    """

    KIND: ClassVar[str] = ""

    name: str = attrs.field(validator=_check_name)
    target: str = attrs.field(validator=_check_target)
    config: str = attrs.field(default="", validator=_check_target)
    consumes: tuple[Port, ...] = attrs.field(default=(), converter=_ports)
    produces: tuple[Port, ...] = attrs.field(default=(), converter=_ports)
    summary: str = ""
    source: str = ""
    assets: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class GeneratorSpec(ComponentSpec):
    """A generator of pictures with ground truth."""

    KIND: ClassVar[str] = "generator"


@attrs.frozen(kw_only=True)
class DatasetSpec(ComponentSpec):
    """A reader of data; ``produces`` lists all it can give, ports that depend on the folder being optional.

    Args:
        endings: of the files that it reads, in lower case with their dot, where it can say what is wrong with a folder of
            them (:meth:`~armillary.interfaces.dataset.Dataset.examine`).
    """

    KIND: ClassVar[str] = "dataset"

    endings: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class TransformSpec(ComponentSpec):
    """A change of one sample on the CPU (``item``) or of one batch on the device (``batch``).

    Args:
        moves: geometric: every port of a sample moves by its kind, also those that are not in ``consumes``.
    """

    KIND: ClassVar[str] = "transform"

    per: Literal["item", "batch"] = attrs.field(default="item", validator=attrs.validators.in_(("item", "batch")))
    moves: bool = False


SYMMETRIES = ("so2z", "so3", "o3")
"""Groups of turns, each in the next: about the z axis; all; with mirrors."""


def _check_symmetry(_: Any, attribute: Any, value: str) -> None:
    if value and value not in SYMMETRIES:
        raise ValueError(f"{attribute.name} {value!r}: it is one of {', '.join(SYMMETRIES)}, or empty")


@attrs.frozen(kw_only=True)
class EncoderSpec(ComponentSpec):
    """A network from pictures to features.

    Args:
        symmetry: largest group of :data:`SYMMETRIES` under which it is equivariant: when the signals on the sphere that it
            takes turn, those that it gives turn with them, rotations are multiplied from the left, and everything else
            stays. Empty where it claims none.
    """

    KIND: ClassVar[str] = "encoder"

    symmetry: str = attrs.field(default="", validator=_check_symmetry)


@attrs.frozen(kw_only=True)
class HeadSpec(ComponentSpec):
    """A network from features to geometry, light or appearance.

    Args:
        symmetry: as of an encoder.
    """

    KIND: ClassVar[str] = "head"

    symmetry: str = attrs.field(default="", validator=_check_symmetry)


@attrs.frozen(kw_only=True)
class RendererSpec(ComponentSpec):
    """A part that turns geometry into what a camera sees."""

    KIND: ClassVar[str] = "renderer"


@attrs.frozen(kw_only=True)
class AdapterSpec(ComponentSpec):
    """A conversion of ports between a slot and a part that would not fit it."""

    KIND: ClassVar[str] = "adapter"


@attrs.frozen(kw_only=True)
class LossSpec(ComponentSpec):
    """A loss.

    Args:
        per: ``item``: one value, or (sum, count), an item; ``batch``: one value.
        caches: takes the step's cache as keyword ``cache``.
    """

    KIND: ClassVar[str] = "loss"

    per: Literal["item", "batch"] = attrs.field(default="item", validator=attrs.validators.in_(("item", "batch")))
    caches: bool = False


@attrs.frozen(kw_only=True)
class EvaluatorSpec(ComponentSpec):
    """A measure with a protocol and a version.

    Args:
        passes: (pass, split) in order: ``(("fit", "train"), ("score", "test"))``. Passes of other names score too, on the
            same items under other draws of the transforms: two views of each.
        protocol: normaliser, alignment, split and masking, in a sentence or two.
        fit_outputs: the method's outputs are wanted in the fit pass too.
        transforms: what its items go through first, each item under a random stream of its own that is the same in every
            run, so that a measure on warped pictures is one on the same warps.
        calls: what of the method gives the outputs: ``predict``, or ``forward`` with the ports that it trains on.
        either: optional ports of which the measure needs one, the first that is found; any of them makes it fit.
        recipe_settings: a transform that the recipe names too begins with the recipe's settings, so that sizes fit the
            network; what ``transforms`` sets itself is the protocol's and stays.
    """

    KIND: ClassVar[str] = "evaluator"

    passes: tuple[tuple[str, str], ...] = (("score", "test"),)
    protocol: str = ""
    fit_outputs: bool = False
    either: tuple[str, ...] = ()
    transforms: "tuple[Use, ...]" = ()
    calls: Literal["predict", "forward"] = attrs.field(
        default="predict", validator=attrs.validators.in_(("predict", "forward"))
    )
    recipe_settings: bool = False


@attrs.frozen(kw_only=True)
class Slot:
    """A place in a method that any fitting part can fill.

    Args:
        kind: ``encoder``, ``head`` or ``renderer``.
        consumes: ports that the method gives; symbols in their shapes are the method's.
        produces: ports that the method needs back.
        optional: may stay empty.
    """

    kind: str = attrs.field(validator=attrs.validators.in_(("encoder", "head", "renderer")))
    consumes: tuple[Port, ...] = attrs.field(converter=_ports)
    produces: tuple[Port, ...] = attrs.field(converter=_ports)
    optional: bool = False


_SWITCH = "settings."


@attrs.frozen(kw_only=True)
class MethodSpec(ComponentSpec):
    """A composition of slots.

    Args:
        slots: slot name (``depth.encoder``) to what fits.
        trains_on: ports of the batch in training.
        predicts_from: ports that prediction needs.
        predicts: ports that ``predict`` returns; those of ``produces`` where none are given.
        depends: output port to the optional slot, or the switch ``settings.NAME``, with which it comes and goes.
        limits: unsuitable uses of the method, one sentence each; printed on the card of every run.
    """

    KIND: ClassVar[str] = "method"

    slots: Mapping[str, Slot] = attrs.field(validator=attrs.validators.deep_mapping(key_validator=_check_path_name))
    trains_on: tuple[Port, ...] = attrs.field(converter=_ports)
    predicts_from: tuple[Port, ...] = attrs.field(converter=_ports)
    predicts: tuple[Port, ...] = attrs.field(default=(), converter=_ports)
    depends: Mapping[str, str] = attrs.field(factory=dict)
    limits: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        produced = {port.name for port in (*self.produces, *self.predicts)}
        for port, slot in self.depends.items():
            named = slot.startswith(_SWITCH) or (slot in self.slots and self.slots[slot].optional)
            if port not in produced or not named:
                raise ValueError(
                    f"method {self.name}: {port!r} depends on {slot!r}: needs an output and an optional slot, or settings.NAME"
                )

    def sized(self, settings: Mapping[str, Any]) -> Self:
        """Return the method with the value of its setting in place of each ``$field`` in the shape of a port.

        Outputs that depend on a switch are there where it is on, and missing where it is off.

        Raises:
            ValueError: such a setting is not a whole number.
        """
        switched = {port: by for port, by in self.depends.items() if by.startswith(_SWITCH)}
        off = {port for port, by in switched.items() if not settings.get(by.removeprefix(_SWITCH))}

        def ports(group: tuple[Port, ...]) -> tuple[Port, ...]:
            return tuple(port.sized(self.name, settings) for port in group if port.name not in off)

        slots = {
            name: attrs.evolve(slot, consumes=ports(slot.consumes), produces=ports(slot.produces))
            for name, slot in self.slots.items()
        }
        groups = ("consumes", "produces", "trains_on", "predicts_from", "predicts")
        depends = {port: slot for port, slot in self.depends.items() if port not in switched}
        return attrs.evolve(self, slots=slots, depends=depends, **{name: ports(getattr(self, name)) for name in groups})


# --- recipes ---------------------------------------------------------------------------------------------------------


@attrs.frozen
class Cited:
    """A value and where it comes from."""

    value: Any
    source: str


def cited(value: Any, *, source: str) -> Cited:
    """Return ``value`` with its source: the paper's table or section, or the authors' file."""
    return Cited(value, source)


def _settings(value: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return dict(value or {})


@attrs.frozen
class Use:
    """Component by its id, with settings and renamed ports.

    Args:
        id: ``plugin:component``.
        settings: of its config class; missing ones keep their defaults.
        rename: the part's own port name to the name that the method uses.
        via: adapters between a slot and its part, in order.
    """

    id: str
    settings: Mapping[str, Any] = attrs.field(factory=dict, converter=_settings, kw_only=True)
    rename: Mapping[str, str] = attrs.field(factory=dict, converter=_settings, kw_only=True)
    via: "tuple[Use, ...]" = attrs.field(default=(), converter=tuple, kw_only=True)


@attrs.frozen
class LossUse:
    """A loss by its id.

    Args:
        weight: a number, or a list of (step, value): the value from that step on. None keeps the patched recipe's.
        bind: the loss's port name to the name of an output or of a port of the batch.
    """

    id: str = ""
    weight: Any = attrs.field(default=None, kw_only=True)
    bind: Mapping[str, str] = attrs.field(factory=dict, converter=_settings, kw_only=True)
    settings: Mapping[str, Any] = attrs.field(factory=dict, converter=_settings, kw_only=True)


@attrs.frozen(kw_only=True)
class Take:
    """A trained part of an earlier stage, or of another run that is named by ``--from NAME=RUN``.

    Args:
        slot: which part; ``*`` for the whole trained method.
        stage: its name; of another run it may be left out for the stage that serves.
        run: name of the other run; empty for an earlier stage of this recipe.
        frozen: eval mode, no gradient, not in the optimiser.
        rename: the name of a port there to the name that the method uses.
    """

    slot: str
    stage: str = ""
    run: str = ""
    frozen: bool = True
    rename: Mapping[str, str] = attrs.field(factory=dict, converter=_settings)

    def __attrs_post_init__(self) -> None:
        if not self.stage and not self.run:
            raise ValueError(f"take of {self.slot!r}: name an earlier stage, or another run")


@attrs.frozen
class SameAs:
    """The module of another slot, shared: stored once, under its owner."""

    slot: str


@attrs.frozen(kw_only=True)
class Budget:
    """Length of a training.

    Args:
        steps: optimiser steps; schedules are functions of step over this.
        seconds: ends earlier, never later; None for no limit.
    """

    steps: Any
    seconds: Any = None


@attrs.frozen(kw_only=True)
class Body:
    """Contents of a stage; None keeps the value of the extended recipe, or the default."""

    method: str | None = None
    slots: Mapping[str, Use | Take | SameAs] = attrs.field(factory=dict)
    data: Use | None = None
    generator: Use | None = None
    transforms: tuple[Use, ...] | None = None
    losses: Mapping[str, LossUse] = attrs.field(factory=dict)
    optimiser: Mapping[str, Any] = attrs.field(factory=dict)
    schedule: Mapping[str, Any] = attrs.field(factory=dict)
    budget: Budget | None = None
    batch_size: Any = None
    draws: Any = None
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    evaluators: Mapping[str, Use] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Stage(Body):
    """One stage of a recipe of several."""

    name: str = attrs.field(validator=_check_path_name)


@attrs.frozen(kw_only=True)
class RecipeSpec(Body):
    """A published run, or a patch of one.

    Args:
        name: within the plugin; ``paper``, ``quick``, ``demo`` and ``smoke`` are every method's tiers.
        summary: one line.
        source: paper and table.
        extends: id of the recipe that this one patches; tables merge by key, lists and scalars replace.
        remove: paths deleted from the extended recipe: ``losses.flipped``, ``slots.confidence.head``.
        method: id of the method.
        slots: slot name to what fills it.
        data: the data set.
        generator: the procedural generator on which tests and the demo run it.
        transforms: in order.
        losses: instance name to loss.
        optimiser: ``use`` (adam, adamw, sgd), ``lr``, ``weight_decay``, ``clip_norm``, ``groups`` ...
        schedule: ``use`` (constant, step, multistep, cosine), and its settings.
        budget: steps, and at most seconds.
        batch_size: items per step, over all processes.
        draws: how many times the transforms draw each item, after which the passes over the data repeat those draws from
            memory; by default anew in each pass. For transforms that cost more than a step, as drawing meshes does.
        settings: of the method's own config.
        evaluators: name to evaluator.
        stages: for a recipe of several stages, in order; then the body above stays empty.
        serves: the stage that predict and evaluate use; by default the last one.
        seed: of weights, order and draws.
    """

    KIND: ClassVar[str] = "recipe"

    name: str = attrs.field(validator=_check_name)
    summary: str = ""
    source: str = ""
    extends: str = ""
    remove: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    serves: str = ""
    seed: Any = None

    def table(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the recipe as plain tables, and the source of each cited value by its path."""
        sources: dict[str, str] = {}
        table: dict[str, Any] = dict(_body(self))
        if self.stages:
            table["stages"] = {stage.name: dict(_body(stage)) for stage in self.stages}
        for key in ("serves", "extends"):
            if getattr(self, key):
                table[key] = getattr(self, key)
        if self.remove:
            table["remove"] = list(self.remove)
        if self.seed is not None:
            table["seed"] = self.seed
        return _strip(table, "", sources), sources


def _body(body: Body) -> Iterator[tuple[str, Any]]:
    for key in ("method", "batch_size", "draws"):
        if getattr(body, key) is not None:
            yield key, getattr(body, key)
    if body.slots:
        yield "slots", {name: _use(use) for name, use in body.slots.items()}
    for key in ("data", "generator"):
        if getattr(body, key) is not None:
            yield key, _use(getattr(body, key))
    if body.transforms is not None:
        yield "transforms", [_use(use) for use in body.transforms]
    if body.losses:
        yield "losses", {name: _loss_use(use) for name, use in body.losses.items()}
    for key in ("optimiser", "schedule", "settings"):
        if getattr(body, key):
            yield key, dict(getattr(body, key))
    if body.budget is not None:
        yield "budget", {k: v for k, v in attrs.asdict(body.budget, recurse=False).items() if v is not None}
    if body.evaluators:
        yield "evaluators", {name: _use(use) for name, use in body.evaluators.items()}


def _use(use: Use | Take | SameAs) -> dict[str, Any]:
    if isinstance(use, Take):
        return {"take": {key: value for key, value in attrs.asdict(use).items() if value not in ("", {})}}
    if isinstance(use, SameAs):
        return {"same_as": use.slot}
    table: dict[str, Any] = {"use": use.id} if use.id else {}
    if use.settings:
        table["settings"] = dict(use.settings)
    if use.rename:
        table["rename"] = dict(use.rename)
    if use.via:
        table["via"] = [_use(each) for each in use.via]
    return table


def _loss_use(use: LossUse) -> dict[str, Any]:
    table: dict[str, Any] = {"use": use.id} if use.id else {}
    if use.weight is not None:
        table["weight"] = use.weight
    for key in ("bind", "settings"):
        if getattr(use, key):
            table[key] = dict(getattr(use, key))
    return table


def _strip(value: Any, path: str, sources: dict[str, str]) -> Any:
    if isinstance(value, Cited):
        sources[path] = value.source
        value = value.value
    if isinstance(value, Mapping):
        return {str(k): _strip(v, f"{path}.{k}" if path else str(k), sources) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_strip(v, f"{path}[{i}]", sources) for i, v in enumerate(value)]
    return value


SPEC_OF: Mapping[str, type] = {
    spec.KIND: spec
    for spec in (
        GeneratorSpec,
        DatasetSpec,
        TransformSpec,
        EncoderSpec,
        HeadSpec,
        RendererSpec,
        AdapterSpec,
        LossSpec,
        EvaluatorSpec,
        MethodSpec,
        RecipeSpec,
    )
}
"""Kind of a component to the record that describes it."""

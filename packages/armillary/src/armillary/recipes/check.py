"""Static check of a recipe: the parts must fit by their declared ports. Light.

Ports connect by name, after the recipe's explicit ``rename`` and ``bind``; kind, unit, frame and shape must agree. A misfit is
reported with both sides and with the installed components that would fit. The dry run of a forward pass comes later, in
:mod:`armillary.training.build`.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import permutations
from types import MappingProxyType
from typing import Any

import attrs

from armillary.errors import ArmillaryError, Misfit, RecipeError, did_you_mean
from armillary.plugins.host import Host
from armillary.ports import Axis, Port, Shape, Shapes, misfit
from armillary.recipes.plan import BoundPlan, PartPlan, Plan, StagePlan
from armillary.recipes.recipe import Recipe, added_slots, complete, slot_kinds, with_part, without_flag
from armillary.recipes.stages import named, prefix
from armillary.recipes.transfer import TAKE_KEYS, slots_by_run
from armillary.specs import ComponentSpec, EvaluatorSpec, LossSpec, MethodSpec, Slot, TransformSpec, Use

_MOST_OFFERS = 3
"""Slots with misfits up to which a refusal lists the parts that fit."""


def plan_recipe(host: Host, recipe: Recipe) -> Plan:
    """Complete and check a recipe, once per command, and return its plan with all settings.

    Raises:
        ConfigError, RecipeError, UnknownNameError, PluginError: the recipe cannot be built; raised without an import of torch.
    """
    plan = check(host, complete(host, recipe))
    if plan.missing:
        raise RecipeError(
            Misfit(where=", ".join(slots), reason=f"a part of another run, which is missing: type --from {name}=RUN")
            for name, slots in plan.missing.items()
        )
    return plan


def check(host: Host, recipe: Recipe, *, offers: bool = True) -> Plan:
    """Return the plan of a completed recipe (:func:`armillary.recipes.recipe.complete`).

    A part of a missing source run is assumed to have the ports of its slot; the plan lists it under ``missing``.

    Args:
        host: source of parts.
        recipe: a completed recipe.
        offers: a refusal lists the parts that fit, which costs a check for each installed part.

    Raises:
        RecipeError: all misfits at once, each with both sides and with components that would fit.
    """
    try:
        return _checked(host, recipe, advises=True)
    except RecipeError as error:
        if not offers:
            raise
        raise RecipeError(_offered(host, recipe, error.misfits), recipe=recipe.id) from error


def _checked(host: Host, recipe: Recipe, *, advises: bool = False) -> Plan:
    """Return the plan; a refusal names the adapters with which parts would fit only where advice is asked for."""
    runs: dict[str, Plan] = {}
    misfits: list[Misfit] = []
    for name, run in recipe.table.get("runs", {}).items():
        try:
            runs[name] = check(host, Recipe(id=run["recipe"], table=run["body"]))
        except ArmillaryError as error:
            reason = f"the run {run['run']} cannot be built here: {error}"
            misfits.append(Misfit(where=f"runs.{name}", reason=reason))
    if misfits:  # the parts of these runs are unknown, so the rest cannot be checked
        raise RecipeError(misfits, recipe=recipe.id)
    stages: dict[str, StagePlan] = {}
    for name, body in recipe.bodies.items():
        stage = _Stage(host, name, body, stages, runs, advises=advises)
        plan = stage.plan()
        cured = [_with_cure(each, recipe, name) for each in stage.misfits]
        misfits += [attrs.evolve(each, where=f"{prefix(name)}{each.where}") for each in cured]
        if plan is not None:
            stages[name] = plan
    if recipe.serves not in recipe.bodies:
        hint = did_you_mean(recipe.serves, recipe.bodies)
        misfits.append(Misfit(where="serves", reason=f"no stage {recipe.serves!r}", hint=hint))
    if misfits:
        raise RecipeError(misfits, recipe=recipe.id)
    missing = {name: slots for name, slots in slots_by_run(recipe.table).items() if name not in runs}
    return Plan(recipe=recipe, stages=stages, serves=recipe.serves, runs=runs, missing=missing)


def decided(host: Host, recipe: Recipe, part: str, *, stage: str, slot: str) -> ArmillaryError | None:
    """Return the refusal of a resolved recipe with ``part`` in a slot, None if it fits.

    ``--use``, ``armillary components list --fits`` and the parts that a refusal offers all have this answer.
    """
    try:
        _checked(host, complete(host, with_part(host, recipe, part, stage=stage, slot=slot)))
    except ArmillaryError as error:
        return error
    return None


def _offered(host: Host, recipe: Recipe, misfits: Iterable[Misfit]) -> Iterator[Misfit]:
    """Yield the misfits, those of slots with the parts that fit there."""
    misfits = tuple(misfits)
    if len({each.where for each in misfits if each.fits is not None}) > _MOST_OFFERS:
        yield from (
            attrs.evolve(each, fits=None) for each in misfits
        )  # the cause is elsewhere: no part here is the cure
        return
    offers: dict[str, tuple[str, ...]] = {}
    places = {f"{prefix(stage)}slots.": (stage, _kinds(host, body)) for stage, body in recipe.bodies.items()}
    for each in misfits:
        root = each.where[: each.where.find("slots.") + len("slots.")]
        if each.fits is None or each.where.removeprefix(root) not in places.get(root, ("", {}))[1]:
            yield each
            continue
        if each.where not in offers:
            stage, kinds = places[root]
            slot = each.where.removeprefix(root)
            # What is wrong elsewhere stays wrong with any part here, so only a new misfit speaks against a part.
            # Unless it reads what the part here gives: that another part gives it, too, is what is asked.
            known = {
                (other.where, other.port)
                for other in misfits
                if other.where != each.where and not _reads(recipe, stage, other.where, slot)
            }
            refused = {other.part for other in misfits if other.where == each.where}
            offers[each.where] = tuple(
                id
                for id in host.components(kinds[slot])
                if id not in refused and _adds_none(decided(host, recipe, id, stage=stage, slot=slot), known)
            )
        yield attrs.evolve(each, fits=offers[each.where])


def _reads(recipe: Recipe, stage: str, where: str, slot: str) -> bool:
    """Return whether a loss or evaluator is bound to what the part of a slot gives beside its slot."""
    section, _, name = where.removeprefix(prefix(stage)).partition(".")
    entry = recipe.bodies[stage].get(section, {})
    entry = entry.get(name.split(":")[0], {}) if section in ("losses", "evaluators") else {}
    return any(bound.startswith(f"{slot}.") for bound in {**entry.get("rename", {}), **entry.get("bind", {})}.values())


def _kinds(host: Host, body: Mapping[str, Any]) -> dict[str, str]:
    """Return the kind of each slot of a stage, those of branches that the recipe adds too."""
    method = host.component("method", body["method"]) if body.get("method") else None
    return slot_kinds(method, body.get("slots", {}))


def _adds_none(error: ArmillaryError | None, known: set[tuple[str, str]]) -> bool:
    if isinstance(error, RecipeError):
        return {(each.where, each.port) for each in error.misfits} <= known
    return error is None


def _defaults(host: Host, spec: ComponentSpec) -> dict[str, Any]:
    return {name: field.default for name, field in attrs.fields_dict(host.config(spec)).items()}  # type: ignore[arg-type]


class _Ports:
    """Ports of a component by their names after ``rename``, with their axes."""

    def __init__(
        self,
        shapes: Shapes,
        spec: ComponentSpec,
        settings: Mapping[str, Any],
        rename: Mapping[str, str],
        *,
        scope: str,
    ) -> None:
        self.spec, self.shapes = spec, shapes
        own = {port.name for port in (*spec.consumes, *spec.produces)}
        for name in rename:
            if name not in own:
                raise ValueError(
                    f"rename: it has no port {name!r};{did_you_mean(name, own) or ' ports: ' + ', '.join(own)}"
                )
        self.consumes = {rename.get(p.name, p.name): (p, shapes.bind(p, scope, settings)) for p in spec.consumes}
        self.produces = {rename.get(p.name, p.name): (p, shapes.bind(p, scope, settings)) for p in spec.produces}

    def resolved(self) -> tuple[dict[str, Shape], dict[str, Shape]]:
        return (
            {port.name: self.shapes.resolve(axes) for port, axes in self.consumes.values()},
            {port.name: self.shapes.resolve(axes) for port, axes in self.produces.values()},
        )


Placed = Mapping[str, tuple[Port, tuple[Axis, ...]]]
"""Ports by their names in the recipe, with their axes."""


class _Chain:
    """A part with adapters before and after it, seen as one part.

    An adapter that takes what the part gives, or what an adapter after it gives, follows; any other precedes.

    Args:
        shapes: of the stage.
        part: the part.
        adapters: in the order of the recipe.
    """

    def __init__(self, shapes: Shapes, part: _Ports, adapters: Iterable[_Ports]) -> None:
        self.spec, self.part, self.shapes = part.spec, part, shapes
        self.misfits: list[tuple[str, str]] = []
        self.produces = dict(part.produces)
        self.before, self.after = list[_Ports](), list[_Ports]()
        for adapter in adapters:
            needed = [name for name, (port, _) in adapter.consumes.items() if not port.optional]
            if all(name in self.produces for name in needed):
                self.after.append(adapter)
                self._connect(adapter, self.produces)
                self.produces.update(adapter.produces)
            else:
                self.before.append(adapter)
        self.consumes: dict[str, tuple[Port, tuple[Axis, ...]]] = {}
        made: dict[str, tuple[Port, tuple[Axis, ...]]] = {}
        for each in (*self.before, part):
            self._connect(each, made)
            for name, taken in each.consumes.items():
                if name not in made:
                    self._connect(each, {name: self.consumes.setdefault(name, taken)})
            if each is not part:
                made.update(each.produces)
        for adapter in self.before:
            later = (*self.before[self.before.index(adapter) + 1 :], part)
            if not any(name in other.consumes for other in later for name in adapter.produces):
                needed = ", ".join(adapter.consumes)
                self.misfits.append(("via", f"{adapter.spec.name} has no place: it takes {needed}"))

    def _connect(self, taker: _Ports, given: Placed) -> None:
        for name, (port, axes) in taker.consumes.items():
            if name not in given:
                continue
            present, theirs = given[name]
            reason = misfit(present, port) or self.shapes.unify(theirs, axes)
            if reason:
                self.misfits.append((name, f"{taker.spec.name} takes {port}, what comes is {present}: {reason}"))

    def resolved(self) -> tuple[dict[str, Shape], dict[str, Shape]]:
        """Return the resolved shapes of the part itself."""
        return self.part.resolved()


def _slot_misfits(
    slot: Slot,
    part: "_Ports | _Chain",
    shapes: Shapes,
    *,
    scope: str,
    besides: Placed = MappingProxyType({}),
    without: frozenset[str] = frozenset(),
) -> Iterator[tuple[str, str]]:
    """Yield the name of each port of the slot or the part that does not fit, and the reason.

    Args:
        slot: ports that the slot gives and needs.
        part: ports of the part.
        shapes: of the stage.
        scope: of the slot's symbols.
        besides: further ports that the part may take.
        without: ports of the slot that are neither given nor needed.
    """
    yield from getattr(part, "misfits", ())
    offered = {port.name: (port, shapes.bind(port, scope, {})) for port in slot.consumes if port.name not in without}
    offered |= {name: placed for name, placed in besides.items() if name not in offered}
    for name, (port, axes) in part.consumes.items():
        if name not in offered:
            if not port.optional:
                yield name, f"the part needs {port}, the slot gives {_list(p for p, _ in offered.values())}"
            continue
        present, theirs = offered[name]
        reason = misfit(present, port) or shapes.unify(theirs, axes)
        if reason:
            yield name, f"the slot gives {present}, the part takes {port}: {reason}"
    for wanted in slot.produces:
        if wanted.name in without:
            continue
        if wanted.name not in part.produces:
            if not wanted.optional:
                there = _list(p for p, _ in part.produces.values())
                yield wanted.name, f"the slot needs {wanted}, the part gives {there}"
            continue
        port, axes = part.produces[wanted.name]
        reason = misfit(port, wanted) or shapes.unify(axes, shapes.bind(wanted, scope, {}))
        if reason:
            yield wanted.name, f"the part gives {port}, the slot needs {wanted}: {reason}"


class _Stage:
    """Check of one stage; misfits are collected and reported together."""

    def __init__(
        self,
        host: Host,
        name: str,
        body: Mapping[str, Any],
        earlier: Mapping[str, StagePlan],
        runs: Mapping[str, Plan],
        *,
        advises: bool = False,
    ) -> None:
        self.host, self.name, self.body = host, name, body
        self.earlier, self.runs, self.advises = earlier, runs, advises
        self.shapes = Shapes()
        self.misfits: list[Misfit] = []
        self.batch: dict[str, tuple[Port, tuple[Axis, ...]]] = {}
        self.outputs: dict[str, tuple[Port, tuple[Axis, ...]]] = {}
        self.predictions: dict[str, tuple[Port, tuple[Axis, ...]]] = {}

    def plan(self) -> StagePlan | None:
        """Return the plan, or None with misfits if the stage does not fit."""
        if not self.body.get("method"):
            self._refuse(
                "method", "required, but missing: type --set method=PLUGIN:METHOD; armillary list method shows them"
            )
            return None
        try:
            method = self.host.component("method", self.body["method"]).sized(self.body.get("settings", {}))
        except (ArmillaryError, ValueError) as error:
            self._refuse("method", str(error))
            return None
        added = tuple(dict.fromkeys(name.partition(".")[0] for name in added_slots(method, self.body.get("slots", {}))))
        method = _with_branches(method, added)
        data = self._data()
        transforms = self._transforms()
        self._feed(method)
        slots = self._slots(method)
        for place, ports in ((self.outputs, method.produces), (self.predictions, method.predicts or method.produces)):
            for port in ports:
                if method.depends.get(port.name, "") in slots or port.name not in method.depends:
                    place[port.name] = (port, self.shapes.bind(port, "method", {}))
        extras = self._extras(method, slots)
        losses = self._bound("losses", "loss", self.outputs)
        for name, bound in losses.items():
            self._weighed(f"losses.{name}.weight", bound.weight)
        evaluators = self._bound("evaluators", "evaluator", self.predictions)
        evaluators = {name: self._measured(method, name, bound) for name, bound in evaluators.items()}
        if self.misfits:
            return None
        known = {**self.batch, **self.predictions, **self.outputs}
        resolved = {name: self.shapes.resolve(axes) for name, (_, axes) in known.items()}
        return StagePlan(
            name=self.name,
            body=self.body,
            method=method,
            method_id=self.body["method"],
            slots={name: self._resolve(plan, ports) for name, (plan, ports) in slots.items()},
            data=data,
            transforms=tuple(self._resolve(plan, ports) for plan, ports in transforms),
            batch={name: port for name, (port, _) in self.batch.items()},
            outputs={name: port for name, (port, _) in self.outputs.items()},
            predictions={name: port for name, (port, _) in self.predictions.items()},
            shapes=resolved,
            losses=losses,
            evaluators=evaluators,
            extras=extras,
            added=added,
        )

    def _refuse(self, path: str, reason: str, **about: Any) -> None:
        self.misfits.append(Misfit(where=path, reason=reason, **about))

    def _weighed(self, path: str, weight: Any) -> None:
        """Refuse a weight that is neither a number nor a list of [step, value] with rising steps."""
        pairs = weight if isinstance(weight, list) else [[0, weight]]
        numbers = bool(pairs) and all(
            isinstance(pair, list) and len(pair) == 2 and all(type(n) in (int, float) for n in pair) for pair in pairs
        )
        if not numbers or [pair[0] for pair in pairs] != sorted(pair[0] for pair in pairs):
            self._refuse(path, f"needs a number, or a list of [step, value] with rising steps, got {weight!r}")

    @staticmethod
    def _resolve(plan: PartPlan, ports: "_Ports | _Chain") -> PartPlan:
        def resolved(plan: PartPlan, ports: "_Ports | _Chain") -> PartPlan:
            inputs, outputs = ports.resolved()
            return attrs.evolve(plan, inputs=inputs, outputs=outputs)

        if isinstance(ports, _Chain):
            before = tuple(resolved(*each) for each in zip(plan.before, ports.before, strict=True))
            after = tuple(resolved(*each) for each in zip(plan.after, ports.after, strict=True))
            plan = attrs.evolve(plan, before=before, after=after)
        return resolved(plan, ports)

    def _part(self, kind: str, entry: Mapping[str, Any], path: str) -> tuple[PartPlan, _Ports] | None:
        try:
            spec = self.host.component(kind, entry.get("use", ""))
            ports = _Ports(self.shapes, spec, entry.get("settings", {}), entry.get("rename", {}), scope=path)
        except (ArmillaryError, ValueError) as error:
            self._refuse(path, str(error))
            return None
        plan = PartPlan(id=entry["use"], spec=spec, settings=entry.get("settings", {}), rename=entry.get("rename", {}))
        return plan, ports

    def _data(self) -> PartPlan | None:
        if not self.body.get("data"):
            return None
        part = self._part("dataset", self.body["data"], "data")
        if part is None:
            return None
        self.batch.update(part[1].produces)
        return part[0]

    def _transforms(self) -> list[tuple[PartPlan, _Ports]]:
        plans = []
        for index, entry in enumerate(self.body.get("transforms", [])):
            path = f"transforms.{index}"
            part = self._part("transform", entry, path)
            if part is None:
                continue
            plan, ports = part
            for name, (port, axes) in ports.consumes.items():
                if name not in self.batch:
                    if not port.optional:
                        there = f"the batch has {_list(p for p, _ in self.batch.values())}"
                        self._refuse(path, f"it needs {port}, {there}", part=plan.id, port=name, missing=True)
                    continue
                present, present_axes = self.batch[name]
                reason = misfit(present, port) or self.shapes.unify(present_axes, axes)
                if reason:
                    both = f"the batch has {present}, it takes {port}"
                    self._refuse(path, f"{both}: {reason}", part=plan.id, port=name)
            self._moved(plan.spec, ports)
            self.batch.update(ports.produces)
            plans.append(part)
        return plans

    def _moved(self, spec: TransformSpec, ports: _Ports) -> None:
        """Give every map of the picture's size the new size, if a geometric transform changes the picture's."""
        if not spec.moves or "image" not in ports.produces or "image" not in self.batch:
            return
        before = self.shapes.resolve(self.batch["image"][1])[-2:]
        after = ports.produces["image"][1][-2:]
        for name, (port, axes) in list(self.batch.items()):
            if port.kind == "grid" and len(axes) == 4 and self.shapes.resolve(axes)[1:3] == before:
                self.batch[name] = (port, (axes[0], *after, axes[3]))
            elif len(axes) == 4 and self.shapes.resolve(axes)[-2:] == before:
                self.batch[name] = (port, (*axes[:-2], *after))

    def _feed(self, method: MethodSpec) -> None:
        for port in method.trains_on:
            if port.name not in self.batch:
                if port.optional:  # for example, a method that predicts from a picture or from a shape
                    continue
                there = _list(p for p, _ in self.batch.values())
                reason = f"{method.name} trains on {port}, the batch has {there}"
                self._refuse("data", reason, port=port.name, missing=True)
                continue
            present, axes = self.batch[port.name]
            reason = misfit(present, port) or self.shapes.unify(axes, self.shapes.bind(port, "method", {}))
            if reason:
                both = f"the batch has {present}, {method.name} trains on {port}"
                self._refuse("data", f"{both}: {reason}", port=port.name)

    def _slots(self, method: MethodSpec) -> "dict[str, tuple[PartPlan, _Ports | _Chain]]":
        filled: dict[str, tuple[PartPlan, _Ports | _Chain]] = {}
        entries = self.body.get("slots", {})
        for name in entries:
            if name not in method.slots:
                hint = did_you_mean(name, method.slots) or f"slots: {', '.join(method.slots)}"
                hint += "; NAME.encoder and NAME.head together add a branch"
                self._refuse(f"slots.{name}", f"{self.body['method']} has no such slot", hint=hint)
        for name, slot in method.slots.items():
            if name not in entries:
                if not slot.optional:
                    self._refuse(f"slots.{name}", "empty", fits=())
                continue
            part = self._filled(name, slot, entries)
            if part is not None:
                filled[name] = part
        for name, part in filled.items():
            slot, between = method.slots[name], _between(name, method.slots, filled, self.shapes)
            found = list(_slot_misfits(slot, part[1], self.shapes, scope="method", **between))
            hint = self._adapters(name, slot, entries[name], between) if found and self.advises else ""
            for port, reason in found:
                last = (port, reason) == found[-1]
                self._refuse(f"slots.{name}", reason, part=part[0].id, port=port, fits=(), hint=hint if last else "")
        return filled

    def _adapters(self, name: str, slot: Slot, entry: Mapping[str, Any], between: Mapping[str, Any]) -> str:
        """Return the flags of adapters with which a part would fit, one or two at a time; empty where there are none."""
        if "use" not in entry:
            return ""
        installed = self.host.components("adapter")
        flag = f"--via {named(self.name, name)}="
        own = [each["use"] for each in entry.get("via", [])]
        for count in (1, 2):
            tried = [
                (*own, *more)
                for more in permutations(installed, count)
                if self._fits(slot, entry, [*own, *more], between)
            ]
            if tried:
                return f"it would fit with {' or '.join(' '.join(flag + id for id in ids) for ids in tried)}"
        return ""

    def _fits(self, slot: Slot, entry: Mapping[str, Any], adapters: list[str], between: Mapping[str, Any]) -> bool:
        """Return whether a part fits its slot with these adapters, by sizes of its own."""
        shapes = Shapes()
        try:
            spec = self.host.component(slot.kind, entry["use"])
            settings, rename = entry.get("settings", {}), entry.get("rename", {})
            specs = [self.host.component("adapter", id) for id in adapters]
            part = _Ports(shapes, spec, settings, rename, scope="part")
            chain = [
                _Ports(shapes, each, _defaults(self.host, each), {}, scope=f"via.{i}") for i, each in enumerate(specs)
            ]
        except (ArmillaryError, ValueError):
            return False
        return not any(_slot_misfits(slot, _Chain(shapes, part, chain), shapes, scope="method", **between))

    def _extras(
        self, method: MethodSpec, slots: "Mapping[str, tuple[PartPlan, _Ports | _Chain]]"
    ) -> dict[str, tuple[str, str]]:
        """Publish what parts give and their slots do not name among the outputs; return (slot, port) by published name."""
        found = {}
        for name, (plan, ports) in slots.items():
            wanted = {port.name for port in method.slots[name].produces}
            for own, (port, axes) in ports.produces.items() if not plan.shares else ():
                if own not in wanted:
                    published = f"{name}.{own}"
                    found[published] = (name, own)
                    placed = (attrs.evolve(port, name=published, optional=True), axes)
                    self.outputs[published] = placed
                    if not plan.takes:  # the pages of the stage that trained a part show it
                        self.predictions[published] = placed
        return found

    def _used(self, kind: str, entry: Mapping[str, Any], path: str) -> "tuple[PartPlan, _Ports | _Chain] | None":
        """Return a part of this recipe, with its adapters."""
        part = self._part(kind, entry, path)
        adapters = [self._part("adapter", each, f"{path}.via.{i}") for i, each in enumerate(entry.get("via", []))]
        if part is None or not adapters or None in adapters:
            return None if None in adapters else part
        plan, ports = part
        return self._chained(plan, ports, [each for each in adapters if each])

    def _chained(
        self, plan: PartPlan, ports: _Ports, adapters: list[tuple[PartPlan, _Ports]]
    ) -> tuple[PartPlan, _Chain]:
        chain = _Chain(self.shapes, ports, [own for _, own in adapters])
        plans = [(each, own) for each, own in adapters]
        before = tuple(each for each, own in plans if own in chain.before)
        return attrs.evolve(plan, before=before, after=tuple(each for each, own in plans if own in chain.after)), chain

    def _filled(self, name: str, slot: Slot, entries: Mapping[str, Any]) -> "tuple[PartPlan, _Ports | _Chain] | None":
        """Return the part of a slot: its own, that of another slot, or one of another stage or run."""
        entry = entries[name]
        if "via" in entry and "use" not in entry:
            self._refuse(f"slots.{name}", "via: adapters go with a part of this recipe's own: type --use too")
        if "take" in entry:
            return self._transferred(name, entry, slot)
        if "same_as" not in entry:
            return self._used(slot.kind, entry, f"slots.{name}")
        owner = entry["same_as"]
        if owner not in entries or "use" not in entries[owner]:
            hint = did_you_mean(owner, entries)
            self._refuse(f"slots.{name}", f"same_as {owner!r}: no such filled slot", hint=hint)
            return None
        part = self._used(slot.kind, entries[owner], f"slots.{owner}")
        return (attrs.evolve(part[0], shares=owner), part[1]) if part else None

    def _transferred(
        self, name: str, entry: Mapping[str, Any], wanted: Slot
    ) -> "tuple[PartPlan, _Ports | _Chain] | None":
        path, take = f"slots.{name}", entry["take"]
        run, stage, slot = take.get("run", ""), take.get("stage", ""), take.get("slot", "")
        for key in take:
            if key not in TAKE_KEYS:
                self._refuse(path, f"take.{key}: unknown", hint=did_you_mean(key, TAKE_KEYS))
        frozen = take.get("frozen", True)
        if run and run not in self.runs:
            # Without its run the part is unknown. It is assumed to have the slot's ports, so that the rest of the recipe is
            # checked before the run exists; the plan lists it under ``missing``, and training refuses it.
            interface = f"armillary.interfaces:{wanted.kind.capitalize()}"
            spec: Any = ComponentSpec(
                name="transferred", target=interface, consumes=wanted.consumes, produces=wanted.produces
            )
            plan = PartPlan(id="", spec=spec, takes=(f"{run}:{stage}", slot, frozen))
            return plan, _Ports(self.shapes, spec, {}, {}, scope=path)
        stages, whose = (self.runs[run].stages, f"run {run}: ") if run else (self.earlier, "")
        stage = stage or (self.runs[run].serves if run else "")
        if stage not in stages:
            which = "stage" if run else "earlier stage"
            hint = f"{'stages' if run else 'earlier'}: {', '.join(stages) or 'none'}"
            self._refuse(path, f"take: {whose}no {which} {stage!r}", hint=hint)
            return None
        source = stages[stage]
        if slot != "*" and slot not in source.slots:
            hint = f"{did_you_mean(slot, source.slots)} slots: {', '.join(source.slots)}"
            self._refuse(path, f"take: {whose}stage {stage} has no slot {slot!r}", hint=hint)
            return None
        part = _whole_method(source) if slot == "*" else source.slots[slot]
        rename = self._renamed(path, part, {**take.get("rename", {}), **entry.get("rename", {})})
        if rename is None:
            return None
        key = f"{run}:{stage}" if run else stage
        plan = PartPlan(id=part.id, spec=part.spec, settings=part.settings, rename=rename, takes=(key, slot, frozen))
        ports = _Ports(self.shapes, part.spec, part.settings, rename, scope=path)
        if not (part.before or part.after):
            return plan, ports
        adapters = [
            (each, _Ports(self.shapes, each.spec, each.settings, each.rename, scope=f"{path}.via.{i}"))
            for i, each in enumerate((*part.before, *part.after))
        ]
        return self._chained(plan, ports, adapters)

    def _renamed(self, path: str, part: PartPlan, further: Mapping[str, str]) -> dict[str, str] | None:
        """Return the part's port name to its name in this stage; None, with a misfit, if a port is unknown."""
        # Two renamings follow each other: the source stage may have renamed the ports of the transferred part, and this stage
        # renames the names that they have there. A port that ends with its original name needs no entry.
        there = {
            port.name: part.rename.get(port.name, port.name) for port in (*part.spec.consumes, *part.spec.produces)
        }
        for port in further:
            if port not in there.values():
                hint = did_you_mean(port, there.values()) or f"ports: {', '.join(there.values())}"
                self._refuse(path, f"rename: the transferred part has no port {port!r}", hint=hint)
                return None
        rename = {own: further.get(name, name) for own, name in there.items()}
        return {own: name for own, name in rename.items() if own != name}

    def _bound(
        self, section: str, kind: str, outputs: Mapping[str, tuple[Port, tuple[Axis, ...]]]
    ) -> dict[str, BoundPlan]:
        plans = {}
        for name, entry in self.body.get(section, {}).items():
            path = f"{section}.{name}"
            part = self._part(kind, entry, path)
            if part is None:
                continue
            spec: LossSpec | EvaluatorSpec = part[0].spec
            bind = {**entry.get("rename", {}), **entry.get("bind", {})}
            own = {port.name for port in spec.consumes}
            for port_name in bind:
                if port_name not in own:
                    hint = did_you_mean(port_name, own) or f"ports: {', '.join(sorted(own))}"
                    self._refuse(path, f"bind: {entry['use']} has no port {port_name!r}", hint=hint)
            bound = {}
            changed = isinstance(spec, EvaluatorSpec) and (spec.transforms or spec.calls == "forward")
            for port in () if changed else spec.consumes:  # an evaluator with transforms is bound by _measured
                found = self._look_up(path, entry["use"], port, bind, part[1], outputs)
                if found:
                    bound[port.name] = found
            if not changed:
                self._need_either(path, entry["use"], spec, bound)
            plans[name] = BoundPlan(
                id=entry["use"],
                spec=spec,
                settings=entry.get("settings", {}),
                bind=bound,
                inputs=part[1].resolved()[0],
                weight=entry.get("weight", 1.0),
            )
        return plans

    def _need_either(
        self, path: str, id: str, spec: LossSpec | EvaluatorSpec, bound: Mapping[str, tuple[str, str]]
    ) -> None:
        """Refuse an evaluator that finds none of the ports of which it needs one."""
        either = spec.either if isinstance(spec, EvaluatorSpec) else ()
        if either and not any(port in bound for port in either):
            ports = " or ".join(str(port) for port in spec.consumes if port.name in either)
            self._refuse(
                path, f"it needs {ports}, but all are missing", part=id, port=" or ".join(either), missing=True
            )

    def _measured(self, method: MethodSpec, name: str, bound: BoundPlan) -> BoundPlan:
        """Return the plan of an evaluator with its own transforms of items."""
        spec: EvaluatorSpec = bound.spec
        # Its items may have another size than those of training, so the evaluator is checked as a stage of its own, with its
        # transforms in place of the recipe's. Misfits of this stage would only be repeated there.
        if (not spec.transforms and spec.calls == "predict") or self.misfits:
            return bound
        uses = [{"use": use.id, "settings": self._chosen(use, spec), "rename": use.rename} for use in spec.transforms]
        body = {**self.body, "transforms": uses}
        stage = _Stage(self.host, self.name, body, self.earlier, self.runs)
        stage._data()
        transforms = stage._transforms()
        forward = spec.calls == "forward"
        stage._feed(attrs.evolve(method, trains_on=method.trains_on if forward else method.predicts_from))
        slots = stage._slots(method)
        outputs = {}
        for port in method.produces if forward else method.predicts or method.produces:
            if method.depends.get(port.name, "") in slots or port.name not in method.depends:
                outputs[port.name] = (port, stage.shapes.bind(port, "method", {}))
        stage._extras(method, slots)
        outputs |= stage.outputs if forward else stage.predictions
        entry = self.body["evaluators"][name]
        rename = {**entry.get("rename", {}), **entry.get("bind", {})}
        ports = _Ports(stage.shapes, spec, bound.settings, {}, scope=name)
        found = {port.name: stage._look_up("", bound.id, port, rename, ports, outputs) for port in spec.consumes}
        stage._need_either("", bound.id, spec, {port: place for port, place in found.items() if place})
        for each in stage.misfits:
            where = f"evaluators.{name}: {each.where}" if each.where else f"evaluators.{name}"
            self.misfits.append(attrs.evolve(each, where=where))
        return attrs.evolve(
            bound,
            bind={port: place for port, place in found.items() if place},
            inputs=ports.resolved()[0],
            transforms=tuple(stage._resolve(plan, own) for plan, own in transforms),
            kinds={name: port.kind for name, (port, _) in stage.batch.items()},
        )

    def _chosen(self, use: Use, spec: EvaluatorSpec) -> dict[str, Any]:
        """Return the settings of an evaluator's transform, over those of the recipe's equal transform if it uses them."""
        same = [entry for entry in self.body.get("transforms", []) if entry.get("use") == use.id]
        if spec.recipe_settings and same:
            return {**same[0].get("settings", {}), **use.settings}
        return self._defaults(use)

    def _defaults(self, use: Use) -> dict[str, Any]:
        """Return the settings of an evaluator's transform, with the defaults that its ports may need."""
        try:
            fields = attrs.fields_dict(self.host.config(self.host.component("transform", use.id)))
        except ArmillaryError:
            return dict(use.settings)  # reported when the part is looked up
        own = {name: field.default for name, field in fields.items() if isinstance(field.default, int | float | str)}
        return {**own, **use.settings}

    def _look_up(
        self,
        path: str,
        id: str,
        port: Port,
        bind: Mapping[str, str],
        part: _Ports,
        outputs: Mapping[str, tuple[Port, tuple[Axis, ...]]],
    ) -> tuple[str, str] | None:
        name = bind.get(port.name, port.name)
        places = [place for place, has in (("outputs", outputs), ("batch", self.batch)) if name in has]
        about = {"part": id, "port": port.name}
        if not places:
            if not port.optional or port.name in bind:
                everything = [p for p, _ in (*outputs.values(), *self.batch.values())]
                hint = f"{did_you_mean(name, [p.name for p in everything])} there are {_list(everything)}"
                beside = [p.name for p in everything if p.name.endswith(f".{name}") and not misfit(p, port)]
                if beside and port.name not in bind:
                    flags = " or ".join(f"--set {path}.bind.{port.name}={each}" for each in beside)
                    hint = f"a part gives it beside its slot: type {flags}"
                self._refuse(path, f"it needs {port}, but {name!r} is missing", hint=hint, missing=True, **about)
            return None
        if len(places) == 2:
            # Two ports of one name: no order of precedence, since either could be meant.
            reason = f"{name!r} is both an output of the method and a port of the batch: rename one"
            self._refuse(path, reason, **about)
            return None
        present, axes = (outputs if places[0] == "outputs" else self.batch)[name]
        own_axes = next(own for p, own in part.consumes.values() if p.name == port.name)
        reason = misfit(present, port) or self.shapes.unify(axes, own_axes)
        if reason:
            hint = self._bindable(path, port, own_axes, outputs)
            self._refuse(path, f"{places[0]} give {present}, it takes {port}: {reason}", hint=hint, **about)
            return None
        return places[0], name

    def _bindable(
        self, path: str, port: Port, axes: tuple[Axis, ...], outputs: Mapping[str, tuple[Port, tuple[Axis, ...]]]
    ) -> str:
        """Return what to type so that a port is bound to others that fit it; empty if there are none.

        Truth is never offered in place of what a method finds: such a measure would be perfect, and mean nothing.
        """
        names = [
            name
            for name, (other, others) in {**self.batch, **outputs}.items()
            if name.startswith("true_") == port.name.startswith("true_")
            and not misfit(other, port)
            and not self.shapes.copy().unify(others, axes)
        ]
        key = "bind" if path.startswith("losses.") else "rename"
        sets = " or ".join(f"--set {prefix(self.name)}{path}.{key}.{port.name}={name}" for name in names)
        return f"it fits with {sets}" if sets else ""


def _with_branches(method: MethodSpec, names: Iterable[str]) -> MethodSpec:
    """Return a method with branches of its input ports; what they give is published, and needed by nothing."""
    shown = {port.name for port in method.predicts_from}
    inputs = tuple(port for port in method.trains_on if port.name in shown and not port.optional)
    slots = {**method.slots}
    for name in names:
        feature = (Port("feature", kind="feature_vector", shape=f"batch {name}_features"),)
        slots[f"{name}.encoder"] = Slot(kind="encoder", consumes=inputs, produces=feature)
        slots[f"{name}.head"] = Slot(kind="head", consumes=feature, produces=())
    return attrs.evolve(method, slots=slots)


def _between(
    name: str, slots: Mapping[str, Slot], filled: "Mapping[str, tuple[PartPlan, _Ports | _Chain]]", shapes: Shapes
) -> dict[str, Any]:
    """Return what changes for the half of a branch whose other half is filled: ``besides`` and ``without`` of the check.

    The head may take everything that the encoder gives and that the branch was given. The encoder need not give a feature
    that the head does without.
    """
    branch, _, half = name.rpartition(".")
    encoder, head = f"{branch}.encoder", f"{branch}.head"
    if encoder not in filled or head not in filled:
        return {}
    feature = {port.name for port in slots[encoder].produces}
    if half == "encoder":
        needed = {own for own, (port, _) in filled[head][1].consumes.items() if not port.optional}
        return {"without": frozenset(feature - needed)}
    given = {port.name: (port, shapes.bind(port, "method", {})) for port in slots[encoder].consumes}
    found = {own: placed for own, placed in filled[encoder][1].produces.items() if own not in feature}
    return {"besides": {**given, **found}}


def _with_cure(misfit: Misfit, recipe: Recipe, stage: str) -> Misfit:
    """Return a misfit of an evaluator, or of a loss on what a part gives beside its slot, with the flag that leaves it out."""
    section, _, rest = misfit.where.partition(".")
    name = next((each for each in recipe.bodies[stage].get(section, {}) if rest.split(":")[0] == each), "")
    slots = recipe.bodies[stage].get("slots", {})
    beside = section == "losses" and misfit.missing and any(_reads(recipe, stage, misfit.where, slot) for slot in slots)
    if not name or not (section == "evaluators" or beside):
        return misfit
    cure = f"leave it out: {without_flag(recipe.bodies, stage, name, section=section)}"
    return attrs.evolve(misfit, hint=f"{cure}{f'; {misfit.hint}' if misfit.hint else ''}")


def _whole_method(source: StagePlan) -> PartPlan:
    """Return the method of a trained stage as a part."""
    spec = attrs.evolve(
        source.method,
        consumes=[_fixed(port, source.shapes.get(port.name)) for port in source.method.predicts_from],
        produces=[
            _fixed(port, source.shapes.get(name))
            for name, port in source.predictions.items()
            if name not in source.extras
        ],
        depends={},
        predicts=(),
    )
    return PartPlan(id=source.method_id, spec=spec, settings=source.body.get("settings", {}))


def _fixed(port: Port, shape: Shape | None) -> Port:
    """Return ``port`` with the resolved sizes of a trained method in its shape."""
    if shape is None:
        return port
    tokens = [token if size is None else str(size) for token, size in zip(port.shape.split(), shape, strict=True)]
    return attrs.evolve(port, shape=" ".join(tokens))


def _list(ports: Iterable[Port]) -> str:
    return ", ".join(port.name for port in ports) or "nothing"

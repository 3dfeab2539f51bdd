"""Construction of modules from a plan, each slot with a seed of its own, and a dry run that checks their declared outputs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from armillary.config import structure
from armillary.errors import ArmillaryError, PluginError, RecipeError
from armillary.interfaces import Dataset, Evaluator, Loss, Method, StepCache, Transform
from armillary.interfaces.method import Branch
from armillary.interfaces.network import asked
from armillary.plugins.host import Host
from armillary.ports import Port, Shape
from armillary.recipes.plan import BoundPlan, PartPlan, StagePlan
from armillary.seeds import globals_kept, seed_for

METHOD = "method"
"""Pseudo-slot of the method's own parameters."""


@attrs.frozen(kw_only=True, eq=False)
class Model:
    """The modules of one stage.

    Args:
        plan: the stage's plan, from which they were built.
        method: the method, which is also a ``torch.nn.Module``.
        parts: slot to module.
        losses: instance name to loss.
    """

    plan: StagePlan
    method: Any
    parts: Mapping[str, torch.nn.Module]
    losses: Mapping[str, Any]
    _calls: list[dict[str, Tensor]] = attrs.field(factory=list, init=False)
    """Extra outputs of the call that is under way."""

    def __attrs_post_init__(self) -> None:
        for slot in {slot for slot, _ in self.plan.extras.values()}:
            self.parts[slot].register_forward_hook(self._listener(slot))
        if self.plan.added:  # within the method's call, so that several processes average their gradients too
            self.method.register_forward_hook(self._run_added, with_kwargs=True)

    def _run_added(self, module: Any, arguments: Any, ports: Mapping[str, Any], outputs: Any) -> None:
        """Call the branches that the recipe adds; their outputs are heard like those of any part."""
        del module, arguments, outputs
        for name in self.plan.added:
            branch: Any = self.method.get_submodule(name)
            branch(**{port: ports[port] for port in self.plan.slots[f"{name}.encoder"].asks if port in ports})

    def _listener(self, slot: str) -> Any:
        """Return a hook that keeps what a part gives beside its slot, from its first call in each call of the method."""
        names = {port: name for name, (owner, port) in self.plan.extras.items() if owner == slot}

        def keep(module: torch.nn.Module, arguments: Any, outputs: Mapping[str, Tensor]) -> None:
            del module, arguments
            for port, name in names.items():
                if self._calls and port in outputs:
                    self._calls[-1].setdefault(name, outputs[port])

        return keep

    def call(self, function: Any, arguments: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the outputs of a call of the method, with the extra outputs of its parts as ``SLOT.port``.

        A method may call a part on two batches in one; the extra outputs are those of the first.
        """
        if not self.plan.extras:
            return function(**arguments)
        self._calls.append({})
        try:
            outputs = function(**arguments)
            if self.plan.added and not any(name.partition(".")[0] in self.plan.added for name in self._calls[-1]):
                self._run_added(None, (), arguments, None)  # a method's predict is no call of the module
        finally:
            given = self._calls.pop()
        if not isinstance(outputs, Mapping):
            return outputs
        items = next((len(value) for value in arguments.values() if isinstance(value, Tensor)), 0)
        return {**outputs, **{name: _exact(value[:items]) for name, value in given.items() if len(value) >= items}}

    @property
    def frozen(self) -> tuple[str, ...]:
        """Slots with a frozen part of an earlier stage or of a source run."""
        return tuple(name for name, part in self.plan.slots.items() if part.takes and part.takes[2])

    def named_tensors(self) -> dict[str, Tensor]:
        """Return the tensors of a checkpoint by ``slot.name``: shared modules once, under their owner; no frozen parts."""
        # A frozen part is stored where it was trained: in its own stage's checkpoint, or in the copy of its source run.
        left_out = {name for name, part in self.plan.slots.items() if part.shares} | set(self.frozen)
        tensors = {}
        for key, value in self.method.state_dict(keep_vars=True).items():
            slot = self._slot_of(key)
            if slot in left_out:
                continue
            tensors[key if slot else f"{METHOD}.{key}"] = value
        for name, loss in self.losses.items():
            for key, value in loss.named_parameters():
                if value.requires_grad:
                    tensors[f"losses.{name}.{key}"] = value
        return tensors

    def trainable(self) -> dict[str, torch.nn.Parameter]:
        """Return the parameters that the optimiser updates, by ``slot.name``."""
        return {
            name: value
            for name, value in self.named_tensors().items()
            if isinstance(value, torch.nn.Parameter) and value.requires_grad
        }

    def load(self, weights: Mapping[str, Tensor], *, where: str) -> None:
        """Copy ``weights`` into the modules.

        Raises:
            RunError: names or shapes differ; the message lists them by slot.
        """
        from armillary.errors import RunError

        own = self.named_tensors()
        missing, extra = sorted(set(own) - set(weights)), sorted(set(weights) - set(own))
        wrong = [name for name in own if name in weights and own[name].shape != weights[name].shape]
        if missing or extra or wrong:
            lines = [f"{where}: these weights do not match {self.plan.method_id} with the parts of this recipe"]
            for title, names in (("missing", missing), ("not in the model", extra), ("of another shape", wrong)):
                if names:
                    slots = sorted({self._slot_of(name) or name.split(".")[0] for name in names})
                    lines.append(f"  {title}: {len(names)} tensors, in {', '.join(slots)} ({names[0]} ...)")
            raise RunError("\n".join(lines))
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(weights[name])

    def load_matching(self, weights: Mapping[str, Tensor]) -> tuple[dict[str, int], dict[str, int]]:
        """Copy the ``weights`` whose name and shape match; return the numbers of copied and of remaining tensors per slot."""
        copied: dict[str, int] = {}
        left: dict[str, int] = {}
        with torch.no_grad():
            for name, value in self.named_tensors().items():
                slot = self._slot_of(name) or name.split(".")[0]
                fits = name in weights and weights[name].shape == value.shape
                counts = copied if fits else left
                counts[slot] = counts.get(slot, 0) + 1
                if fits:
                    value.copy_(weights[name])
        return copied, left

    def train(self) -> None:
        """Put the method in training mode, except for frozen parts."""
        self.method.train()
        for name in self.frozen:
            self.parts[name].eval()

    def eval(self) -> None:
        """Put the method in evaluation mode."""
        self.method.eval()

    def _slot_of(self, key: str) -> str:
        owners = [name for name in self.parts if key.startswith(f"{name}.")]
        return max(owners, key=len, default="")


def build(
    host: Host,
    plan: StagePlan,
    *,
    seed: int,
    earlier: Mapping[str, Model] | None = None,
    assets: Mapping[str, Path] | None = None,
    with_losses: bool = True,
) -> Model:
    """Return the modules of a stage.

    Args:
        host: source of parts.
        plan: plan of the stage, from :func:`armillary.recipes.check.check`.
        seed: seed of the run; each slot draws from (seed, slot name), so that a swap does not change how other slots start.
        earlier: models of earlier stages, as sources of transferred parts; stages of source runs under ``run:stage``.
        assets: files that parts need, by name.
        with_losses: False builds no losses, which predictions do not need.

    Raises:
        RecipeError: a part raised ValueError for its shapes or settings.
        PluginError: a part differs from what its plugin declared.
    """
    parts: dict[str, torch.nn.Module] = {}
    for slot, part in plan.slots.items():
        if part.shares:
            continue
        parts[slot] = (
            _transferred(host, slot, part, earlier or {}, seed) if part.takes else _part(host, slot, part, seed)
        )
    for slot, part in plan.slots.items():
        if part.shares:
            parts[slot] = parts[part.shares]
    resolved = host.resolve(plan.method)
    own = {slot: module for slot, module in parts.items() if slot.partition(".")[0] not in plan.added}
    with globals_kept(seed_for(seed, plan.name, METHOD)):
        method = _guard(
            f"method {plan.method_id}",
            lambda: resolved.cls.build(structure(plan.body.get("settings", {}), resolved.config), parts=own),
        )
    if not isinstance(method, torch.nn.Module) or not isinstance(method, Method):
        raise PluginError(f"{plan.method_id}: build returned {type(method).__name__}, which is not a torch.nn.Module")
    for name, branch in Branch.among({slot: module for slot, module in parts.items() if slot not in own}).items():
        method.add_module(name, branch)
    for slot, module in parts.items():
        try:
            here = method.get_submodule(slot)
        except AttributeError:
            here = None
        if here is not module:
            raise PluginError(
                f"{plan.method_id}: the part of slot {slot} is not the method's attribute; assign it to self.{slot}"
            )
    losses = {}
    if with_losses:
        for name, bound in plan.losses.items():
            with globals_kept(seed_for(seed, plan.name, "losses", name)):
                losses[name] = _loss(host, name, bound, assets or {})
    return Model(plan=plan, method=method, parts=parts, losses=losses)


def build_dataset(host: Host, plan: StagePlan, *, root: Path, split: str) -> Dataset:
    """Return one split of the stage's data.

    Raises:
        RecipeError: the stage has no data set.
        DataError: the folder has no usable items.
    """
    if plan.data is None:
        raise RecipeError([f"stage {plan.name}: no data set; type: --set data.use=std:images"])
    resolved = host.resolve(plan.data.spec)
    return resolved.cls.build(structure(plan.data.settings, resolved.config), root=root, split=split)


def build_transforms(host: Host, plan: StagePlan, *, per: str) -> list[Transform]:
    """Return the stage's transforms of a sample (``item``) or of a batch (``batch``), in order."""
    return [build_transform(host, part) for part in plan.transforms if part.spec.per == per]


def build_transform(host: Host, part: PartPlan) -> Transform:
    """Return one transform."""
    resolved = host.resolve(part.spec)
    config = structure(part.settings, resolved.config)
    transform = _guard(part.id, lambda: resolved.cls.build(config, inputs=part.inputs, outputs=part.outputs))
    return _RenamedTransform(transform, part.rename) if part.rename else transform


def build_evaluator(host: Host, bound: BoundPlan) -> Evaluator:
    """Return an empty evaluator."""
    resolved = host.resolve(bound.spec)
    return _guard(bound.id, lambda: resolved.cls.build(structure(bound.settings, resolved.config), inputs=bound.inputs))


def bound_ports(bound: BoundPlan, *, batch: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a loss or evaluator, without ports that the data lacks."""
    places = {"batch": batch, "outputs": outputs}
    return {port: places[place][name] for port, (place, name) in bound.bind.items() if name in places[place]}


def missing_ports(bound: BoundPlan, *, batch: Mapping[str, Any]) -> list[str]:
    """Return the required batch ports of a loss or evaluator that the data lacks."""
    needed = {port.name for port in bound.spec.consumes if not port.optional}
    return [
        name for port, (place, name) in bound.bind.items() if port in needed and place == "batch" and name not in batch
    ]


def dry_run(model: Model, batch: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Run one forward pass and all losses on a small batch, and compare the outputs with their declaration.

    Returns:
        The outputs, for the first preview, and the value of each loss.

    Raises:
        RecipeError: an output is missing, undeclared, or of another shape than declared; the message has both.
    """
    plan = model.plan
    model.eval()
    with torch.no_grad():
        outputs = call_method(model, batch)
        called = {name: port for name, port in plan.outputs.items() if name in outputs or name not in plan.extras}
        problems = declared(plan.method_id, outputs, called, plan.shapes) + _unheard(plan, outputs)
        if problems:
            raise RecipeError(problems)
        values = {}
        for name, loss in model.losses.items():
            values[name] = loss_terms(model, name, loss, batch, outputs, StepCache())
    model.train()
    return outputs, values


def _unheard(plan: StagePlan, outputs: Mapping[str, Any]) -> list[str]:
    """Return one line per loss that reads an extra output of a part that the method did not call."""
    return [
        f"losses.{name}: reads {found!r}, but {plan.method_id} does not call slots.{plan.extras[found][0]} in training"
        for name, bound in plan.losses.items()
        for _, found in bound.bind.values()
        if found in plan.extras and found not in outputs
    ]


def declared(
    who: str, outputs: Any, ports: Mapping[str, Port], shapes: Mapping[str, Shape], *, batch: int | None = None
) -> list[str]:
    """Return one line per difference between ``outputs`` and the declared ``ports``."""
    if not isinstance(outputs, Mapping):
        return [f"{who}: returned {type(outputs).__name__}, not a dict of tensors by port name"]
    lines = [f"{who}: declared {ports[name]}, but did not return it" for name in ports if name not in outputs]
    lines += [f"{who}: returned {name!r}, which it does not declare" for name in outputs if name not in ports]
    for name, value in outputs.items():
        if name not in ports or not isinstance(value, Tensor):
            continue
        wanted = shapes[name]
        got = tuple(value.shape)
        fits = len(got) == len(wanted) and all(w is None or w == g for w, g in zip(wanted, got, strict=True))
        if not fits or (batch is not None and got and got[0] != batch):
            text = " ".join("?" if w is None else str(w) for w in wanted)
            lines.append(f"{who}: declared {ports[name]} = [{text}], returned {list(got)}")
    return lines


def call_method(
    model: Model, batch: Mapping[str, Any], *, predict: bool = False, module: Any = None
) -> dict[str, Tensor]:
    """Call the method with the ports that it trains on or predicts from."""
    ports = model.plan.method.predicts_from if predict else model.plan.method.trains_on
    arguments = {port.name: batch[port.name] for port in ports if port.name in batch or not port.optional}
    return model.call(model.method.predict if predict else module or model.method, arguments)


def _exact(value: Tensor) -> Tensor:
    """Return a tensor in single precision at least; whole numbers and booleans stay."""
    return value.to(torch.promote_types(value.dtype, torch.float32)) if value.is_floating_point() else value


def loss_terms(
    model: Model, name: str, loss: Any, batch: Mapping[str, Any], outputs: Mapping[str, Any], cache: StepCache
) -> Tensor:
    """Return one loss reduced over the batch: the mean over items, the sum over the count, or a value per batch as it is."""
    bound = model.plan.losses[name]
    ports = bound_ports(bound, batch=batch, outputs=outputs)
    if bound.spec.caches:
        ports["cache"] = cache
    value = loss(**ports)
    if bound.spec.per == "batch":
        return value
    if isinstance(value, tuple):
        total, count = value
        return total.sum() / count.sum().clamp_min(torch.finfo(total.dtype).tiny)
    return value.mean()


def _part(host: Host, slot: str, part: PartPlan, seed: int) -> torch.nn.Module:
    module = _bare(host, slot, part, seed, slot)
    if not (part.before or part.after):
        return module
    made = [
        _bare(host, f"{slot}.via.{index}", each, seed, slot, "via", str(index))
        for index, each in enumerate((*part.before, *part.after))
    ]
    order = [*made[: len(part.before)], module, *made[len(part.before) :]]
    return _Adapted(order, [*part.before, part, *part.after], own=len(part.before))


def _bare(host: Host, slot: str, part: PartPlan, seed: int, *stream: str) -> torch.nn.Module:
    """Return a part without its adapters, drawn from the random stream of that name."""
    resolved = host.resolve(part.spec)
    config = structure(part.settings, resolved.config, path=f"slots.{slot}")
    with globals_kept(seed_for(seed, *stream)):
        module = _guard(
            f"slots.{slot}: {part.id}", lambda: resolved.cls.build(config, inputs=part.inputs, outputs=part.outputs)
        )
    if not isinstance(module, torch.nn.Module):
        raise PluginError(f"slots.{slot}: {part.id}: build returned {type(module).__name__}, not a torch.nn.Module")
    return _Renamed(module, part.rename) if part.rename else module


def _transferred(host: Host, slot: str, part: PartPlan, earlier: Mapping[str, Model], seed: int) -> torch.nn.Module:
    assert part.takes is not None
    stage, theirs, frozen = part.takes
    source = earlier[stage]
    # Three cases. A whole method is the object that its stage trained. A part of a source run is built anew and gets copies of
    # its weights. A part of an earlier stage is shared: if it is not frozen, both stages train it.
    if theirs == "*":
        module: torch.nn.Module = source.method
        module = _Renamed(module, part.rename) if part.rename else module
    elif part.run:
        module = _part(host, slot, part, seed)  # anew, since pictures may have another size in this recipe
        _copy_weights(source, theirs, module, f"slots.{slot}: {part.id} of run {part.run}, slot {theirs}")
    else:
        # The module may be wrapped already, with the port names of its own stage; rename only the ports that differ from those.
        before = source.plan.slots[theirs].rename
        ports = [port.name for port in (*part.spec.consumes, *part.spec.produces)]
        names = {before.get(port, port): part.rename.get(port, port) for port in ports}
        changed = {there: here for there, here in names.items() if there != here}
        module = _Renamed(source.parts[theirs], changed) if changed else source.parts[theirs]
    if frozen:
        module.requires_grad_(False)
        module.eval()
    return module


def _copy_weights(source: Model, slot: str, module: torch.nn.Module, who: str) -> None:
    theirs, mine = (_unwrapped(each).state_dict() for each in (source.parts[slot], module))
    wrong = [name for name in mine if name not in theirs or theirs[name].shape != mine[name].shape]
    if wrong or set(theirs) - set(mine):
        name = (wrong or sorted(set(theirs) - set(mine)))[0]
        sides = [list(each[name].shape) if name in each else "missing" for each in (theirs, mine)]
        raise RecipeError(
            [f"{who}: its weights do not fit this recipe: {name} is {sides[0]} in the run, {sides[1]} here"]
        )
    _unwrapped(module).load_state_dict(theirs)


def _unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    return _unwrapped(module.part) if isinstance(module, _Renamed) else module


def _loss(host: Host, name: str, bound: BoundPlan, assets: Mapping[str, Path]) -> torch.nn.Module:
    resolved = host.resolve(bound.spec)
    config = structure(bound.settings, resolved.config, path=f"losses.{name}")
    files = {asset: assets[asset] for asset in bound.spec.assets if asset in assets}
    loss = _guard(f"losses.{name}: {bound.id}", lambda: resolved.cls.build(config, inputs=bound.inputs, assets=files))
    if not isinstance(loss, torch.nn.Module) or not isinstance(loss, Loss):
        raise PluginError(f"losses.{name}: {bound.id}: build returned {type(loss).__name__}, not a torch.nn.Module")
    return loss


class _Renamed(torch.nn.Module):
    """A part with renamed ports."""

    def __init__(self, part: torch.nn.Module, rename: Mapping[str, str]) -> None:
        super().__init__()
        self.part = part
        self._rename: dict[str, str] = dict(rename)
        self._back = {outside: inside for inside, outside in rename.items()}
        names = asked(part)
        self.asked = None if names is None else frozenset(rename.get(name, name) for name in names)

    def forward(self, **ports: Tensor) -> dict[str, Tensor]:
        return self._called(self.part, ports)

    def predict(self, **ports: Tensor) -> dict[str, Tensor]:
        """Return the prediction of a whole method, the outputs of any other part."""
        return self._called(getattr(self.part, "predict", self.part), ports)

    def _called(self, part: Any, ports: Mapping[str, Tensor]) -> dict[str, Tensor]:
        outputs: dict[str, Tensor] = part(**{self._back.get(name, name): value for name, value in ports.items()})
        return {self._rename.get(name, name): value for name, value in outputs.items()}


class _Adapted(torch.nn.Module):
    """A part with adapters before and after it, called one after the other.

    Args:
        modules: in the order of calls.
        plans: of each.
        own: place of the part among them.
    """

    def __init__(self, modules: Sequence[torch.nn.Module], plans: Sequence[PartPlan], *, own: int) -> None:
        super().__init__()
        self.modules_in_order, self._own = torch.nn.ModuleList(modules), own
        self._asks = [plan.asks for plan in plans]
        needed, made = set[str](), set[str]()
        for plan in plans[: own + 1]:
            needed |= plan.asks - made
            made |= plan.gives
        self.asked = frozenset(needed)

    def forward(self, **ports: Tensor) -> dict[str, Tensor]:
        outputs: dict[str, Tensor] = {}
        for place, (module, asks) in enumerate(zip(self.modules_in_order, self._asks, strict=True)):
            given = ports if place <= self._own else outputs
            made = module(**{name: value for name, value in given.items() if name in asks})
            if place < self._own:
                ports = {**ports, **made}
            else:
                outputs = {**outputs, **made}
        return outputs


class _RenamedTransform(Transform):
    """A transform with renamed ports; a port of the sample that has one of its inner names is hidden from it."""

    def __init__(self, transform: Transform, rename: Mapping[str, str]) -> None:
        self.transform = transform
        self._rename = dict(rename)

    @classmethod
    def build(cls, config: Any, *, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> "_RenamedTransform":
        raise TypeError("wraps a transform that was built")

    def __call__(
        self, sample: dict[str, Any], *, kinds: Mapping[str, str], generator: torch.Generator
    ) -> dict[str, Any]:
        rename = self._rename
        kept = {name: sample[name] for name in rename if name in sample and name not in rename.values()}
        inside = {name: value for name, value in sample.items() if name not in kept and name not in rename.values()}
        inside |= {own: sample[name] for own, name in rename.items() if name in sample}
        own_kinds = {name: kind for name, kind in kinds.items() if name not in kept}
        own_kinds |= {own: kinds[name] for own, name in rename.items() if name in kinds}
        made = self.transform(inside, kinds=own_kinds, generator=generator)
        outside = {str(rename.get(name, name)): value for name, value in made.items()}
        return {**outside, **kept}


def _guard(who: str, build: Any) -> Any:
    """Return ``build()``; a ValueError, which refuses settings, becomes a RecipeError. Others keep their traceback."""
    try:
        return build()
    except ArmillaryError:
        raise
    except ValueError as error:
        raise RecipeError([f"{who}: {error}"]) from error

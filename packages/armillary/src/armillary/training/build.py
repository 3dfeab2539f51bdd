"""From a plan to modules: each slot under a random stream of its own, then one real forward compared with what was declared."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from armillary.config import structure
from armillary.errors import ArmillaryError, PluginError, RecipeError
from armillary.interfaces import Dataset, Evaluator, Loss, Method, StepCache, Transform
from armillary.plugins.host import Host
from armillary.ports import Port, Shape
from armillary.recipes.plan import BoundPlan, PartPlan, StagePlan
from armillary.seeds import globals_kept, seed_for

METHOD = "method"
"""Pseudo-slot of the method's own parameters."""


@attrs.frozen(kw_only=True, eq=False)
class Model:
    """A stage's modules.

    Args:
        plan: what they were built from.
        method: the composition; also a ``torch.nn.Module``.
        parts: slot to module.
        losses: instance name to loss.
    """

    plan: StagePlan
    method: Any
    parts: Mapping[str, torch.nn.Module]
    losses: Mapping[str, Any]

    @property
    def frozen(self) -> tuple[str, ...]:
        """Slots that hold a frozen part of an earlier stage or of another run."""
        return tuple(name for name, part in self.plan.slots.items() if part.takes and part.takes[2])

    def named_tensors(self) -> dict[str, Tensor]:
        """Return every stored tensor by ``slot.name``; a shared module once, under its owner; frozen parts not at all."""
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
        """Return every parameter that the optimiser moves, by ``slot.name``."""
        return {
            name: value
            for name, value in self.named_tensors().items()
            if isinstance(value, torch.nn.Parameter) and value.requires_grad
        }

    def load(self, weights: Mapping[str, Tensor], *, where: str) -> None:
        """Copy ``weights`` into the modules.

        Raises:
            RunError: names or shapes differ; says which, and whether another method or slot filling wrote them.
        """
        from armillary.errors import RunError

        own = self.named_tensors()
        missing, extra = sorted(set(own) - set(weights)), sorted(set(weights) - set(own))
        wrong = [name for name in own if name in weights and own[name].shape != weights[name].shape]
        if missing or extra or wrong:
            lines = [f"{where}: these weights are of another model than {self.plan.method_id} as this recipe fills it"]
            for title, names in (("missing", missing), ("not in the model", extra), ("of another shape", wrong)):
                if names:
                    slots = sorted({self._slot_of(name) or name.split(".")[0] for name in names})
                    lines.append(f"  {title}: {len(names)} tensors, in {', '.join(slots)} ({names[0]} ...)")
            raise RunError("\n".join(lines))
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(weights[name])

    def load_matching(self, weights: Mapping[str, Tensor]) -> tuple[dict[str, int], dict[str, int]]:
        """Copy those of ``weights`` that have a tensor of their name and shape; return how many of each slot, and were not."""
        taken: dict[str, int] = {}
        left: dict[str, int] = {}
        with torch.no_grad():
            for name, value in self.named_tensors().items():
                slot = self._slot_of(name) or name.split(".")[0]
                fits = name in weights and weights[name].shape == value.shape
                counts = taken if fits else left
                counts[slot] = counts.get(slot, 0) + 1
                if fits:
                    value.copy_(weights[name])
        return taken, left

    def train(self) -> None:
        """Put the method in training mode, frozen parts excepted."""
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
        host: where the parts come from.
        plan: of :func:`armillary.recipes.check.check`.
        seed: of the run; each slot draws from (seed, slot name), so that a swap does not change the others' start.
        earlier: models of earlier stages, for what is taken from them; of another run's stage under ``run:stage``.
        assets: files that parts may ask for, by name.
        with_losses: false where only predictions are wanted.

    Raises:
        RecipeError: a part refused its shapes or settings.
        PluginError: a part is not what its plugin declared.
    """
    parts: dict[str, torch.nn.Module] = {}
    for slot, part in plan.slots.items():
        if part.shares:
            continue
        parts[slot] = _taken(host, slot, part, earlier or {}, seed) if part.takes else _part(host, slot, part, seed)
    for slot, part in plan.slots.items():
        if part.shares:
            parts[slot] = parts[part.shares]
    resolved = host.resolve(plan.method)
    with globals_kept(seed_for(seed, plan.name, METHOD)):
        method = _guard(
            f"method {plan.method_id}",
            lambda: resolved.cls.build(structure(plan.body.get("settings", {}), resolved.config), parts=parts),
        )
    if not isinstance(method, torch.nn.Module) or not isinstance(method, Method):
        raise PluginError(f"{plan.method_id}: build returned {type(method).__name__}, which is not a torch.nn.Module")
    for slot, module in parts.items():
        try:
            here = method.get_submodule(slot)
        except AttributeError:
            here = None
        if here is not module:
            raise PluginError(f"{plan.method_id}: the part of slot {slot} must stand at self.{slot} of the method")
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
        DataError: the folder has nothing usable.
    """
    if plan.data is None:
        raise RecipeError([f"stage {plan.name} of this recipe names no data set: --set data.use=std:images"])
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
    """Return what a loss or evaluator is called with; ports that this data does not bring are missing."""
    places = {"batch": batch, "outputs": outputs}
    return {port: places[place][name] for port, (place, name) in bound.bind.items() if name in places[place]}


def missing_ports(bound: BoundPlan, *, batch: Mapping[str, Any]) -> list[str]:
    """Return the batch ports that a loss or evaluator cannot do without and that this data does not bring."""
    needed = {port.name for port in bound.spec.consumes if not port.optional}
    return [
        name for port, (place, name) in bound.bind.items() if port in needed and place == "batch" and name not in batch
    ]


def dry_run(model: Model, batch: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Run one real forward and all losses on a small batch, and compare what comes out with what was declared.

    Returns:
        The outputs, for the first preview, and the value of each loss.

    Raises:
        RecipeError: an output is missing, undeclared, or of another shape; both sides are printed.
    """
    plan = model.plan
    model.eval()
    with torch.no_grad():
        outputs = call_method(model, batch)
        problems = declared(plan.method_id, outputs, plan.outputs, plan.shapes)
        if problems:
            raise RecipeError(problems)
        values = {}
        for name, loss in model.losses.items():
            values[name] = loss_terms(model, name, loss, batch, outputs, StepCache())
    model.train()
    return outputs, values


def declared(
    who: str, outputs: Any, ports: Mapping[str, Port], shapes: Mapping[str, Shape], *, batch: int | None = None
) -> list[str]:
    """Return one line for each way in which ``outputs`` are not what ``ports`` say."""
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
    given = {port.name: batch[port.name] for port in ports if port.name in batch or not port.optional}
    if predict:
        return model.method.predict(**given)
    return (module or model.method)(**given)


def loss_terms(
    model: Model, name: str, loss: Any, batch: Mapping[str, Any], outputs: Mapping[str, Any], cache: StepCache
) -> Tensor:
    """Return the value of one loss, reduced over the batch: a mean of items, a pooled sum over count, or its one value."""
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
    resolved = host.resolve(part.spec)
    config = structure(part.settings, resolved.config, path=f"slots.{slot}")
    with globals_kept(seed_for(seed, slot)):
        module = _guard(
            f"slots.{slot}: {part.id}", lambda: resolved.cls.build(config, inputs=part.inputs, outputs=part.outputs)
        )
    if not isinstance(module, torch.nn.Module):
        raise PluginError(f"slots.{slot}: {part.id}: build returned {type(module).__name__}, not a torch.nn.Module")
    return _Renamed(module, part.rename) if part.rename else module


def _taken(host: Host, slot: str, part: PartPlan, earlier: Mapping[str, Model], seed: int) -> torch.nn.Module:
    assert part.takes is not None
    stage, theirs, frozen = part.takes
    source = earlier[stage]
    # Three sources, three ways to get the module. A whole method is the very object that its stage trained. A part of another run
    # is built anew and gets copies of its weights. A part of an earlier stage is shared: if it is not frozen, both stages train it.
    if theirs == "*":
        module: torch.nn.Module = source.method
        module = _Renamed(module, part.rename) if part.rename else module
    elif part.run:
        module = _part(host, slot, part, seed)  # anew, since its pictures may be of another size here
        _copy_weights(source, theirs, module, f"slots.{slot}: {part.id} of run {part.run}, slot {theirs}")
    else:
        # The module may be wrapped for the names that its own stage has; only what differs from those is renamed on top.
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
        raise RecipeError([f"{who}: its weights do not fit here: {name} is {sides[0]} there and {sides[1]} here"])
    _unwrapped(module).load_state_dict(theirs)


def _unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    return _unwrapped(module.part) if isinstance(module, _Renamed) else module


def _loss(host: Host, name: str, bound: BoundPlan, assets: Mapping[str, Path]) -> torch.nn.Module:
    resolved = host.resolve(bound.spec)
    config = structure(bound.settings, resolved.config, path=f"losses.{name}")
    given = {asset: assets[asset] for asset in bound.spec.assets if asset in assets}
    loss = _guard(f"losses.{name}: {bound.id}", lambda: resolved.cls.build(config, inputs=bound.inputs, assets=given))
    if not isinstance(loss, torch.nn.Module) or not isinstance(loss, Loss):
        raise PluginError(f"losses.{name}: {bound.id}: build returned {type(loss).__name__}, not a torch.nn.Module")
    return loss


class _Renamed(torch.nn.Module):
    """A part whose ports have other names outside."""

    def __init__(self, part: torch.nn.Module, rename: Mapping[str, str]) -> None:
        super().__init__()
        self.part = part
        self._rename: dict[str, str] = dict(rename)
        self._back = {outside: inside for inside, outside in rename.items()}

    def forward(self, **ports: Tensor) -> dict[str, Tensor]:
        return self._called(self.part, ports)

    def predict(self, **ports: Tensor) -> dict[str, Tensor]:
        """Return what the part predicts; of a whole method."""
        return self._called(getattr(self.part, "predict", self.part), ports)

    def _called(self, part: Any, ports: Mapping[str, Tensor]) -> dict[str, Tensor]:
        outputs: dict[str, Tensor] = part(**{self._back.get(name, name): value for name, value in ports.items()})
        return {self._rename.get(name, name): value for name, value in outputs.items()}


class _RenamedTransform(Transform):
    """A transform whose ports have other names outside; what has one of its own names there is kept from it."""

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
        return {**{rename.get(name, name): value for name, value in made.items()}, **kept}


def _guard(who: str, build: Any) -> Any:
    """Return ``build()``; a ValueError is the part's word to the user, anything else keeps its traceback."""
    try:
        return build()
    except ArmillaryError:
        raise
    except ValueError as error:
        raise RecipeError([f"{who}: {error}"]) from error

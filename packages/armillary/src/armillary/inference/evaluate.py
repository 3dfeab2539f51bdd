"""Evaluation of a run: passes of its evaluators over a data set, with trivial baselines in the same passes."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import torch

from armillary.errors import ArmillaryError, DataError
from armillary.files import write_text
from armillary.inference.restore import Restored, restore
from armillary.interfaces import Dataset, Evaluation, Evaluator, Figure
from armillary.plugins.host import Host, first_line
from armillary.recipes.check import plan_recipe
from armillary.recipes.measures import Changes, data_changes, measured_plan
from armillary.recipes.plan import BoundPlan, Plan, StagePlan
from armillary.recipes.recipe import Recipe, complete
from armillary.seeds import seed_for
from armillary.training.batches import ordered_batches, to_device
from armillary.training.build import (
    bound_ports,
    build_dataset,
    build_evaluator,
    build_transform,
    call_method,
    missing_ports,
)
from armillary.training.folder import DATA, ENVIRONMENT, RESULTS, RunFolder
from armillary.training.observers import Audience, Observer, Trackers
from armillary.training.reporter import LogReporter, Reporter

FIT, SCORE = "fit", "score"
UNTRAINED = "untrained network"
_SHOWN = 8


def evaluate(
    folder: RunFolder,
    *,
    data: Path,
    host: Host,
    recipe: Recipe | None = None,
    changes: Changes | None = None,
    stage: str | None = None,
    split: str | None = None,
    fit_data: Path | None = None,
    checkpoint: str | None = None,
    untrained: bool = False,
    device: torch.device | None = None,
    observers: Sequence[Observer] = (),
    trackers: Sequence[str] = (),
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Measure a run and write the figures into its ``results.json``.

    Args:
        folder: folder of the run.
        data: folder of pictures with the truth that the evaluators need.
        host: source of parts.
        recipe: the run's recipe; default: read from the folder.
        changes: evaluators, data settings and choice that differ from the recipe's; default: none.
        stage: stage of the evaluators; default: the serving stage.
        split: split of the data; default: ``test`` if the data has fixed splits or is the training data of the run, otherwise
            all items.
        fit_data: data for fit passes (the average depth), which use its training split; default: ``data``.
        checkpoint: ``step-500`` or ``500``; default: the newest.
        untrained: measure the same networks before their first step too, as one more baseline.
        device: device of the networks.
        observers: called after the evaluation, after the plugins.
        trackers: ids of plugins whose observer hooks are called, besides those of the recipe and of the training.
        reporter: receiver of messages.

    Returns:
        The entry of this evaluation, as added to ``results.json``; its ``left_out``, if present, has the reason per skipped evaluator,
        and the ``rows`` of an evaluator the file in the run with one line per item.

    Raises:
        RunError, DataError: no evaluator can run, or the data lacks the truth.
        RecipeError, ConfigError: an evaluator does not fit the run; nothing is computed.
    """
    message = (reporter or LogReporter()).message
    device = device or torch.device("cpu")
    recipe = recipe or folder.recipe(host)
    plan = measured_plan(host, recipe, changes or Changes(), stage=stage)
    restored = restore(folder, host=host, plan=plan, stage=stage, checkpoint=checkpoint, device=device)
    for note in restored.notes:
        message(note)
    served = restored.model.plan
    bounds = served.evaluators
    score_split = split or _default_split(folder, host, restored, data)
    dataset = build_dataset(host, served, root=data, split=score_split)
    for line in dataset.problems:
        message(f"skipped {line}")
    entry: dict[str, Any] = {
        "stage": served.name,
        "step": restored.step,
        "data": attrs.asdict(dataset.fingerprint()),
        "split": score_split,
        "items": len(dataset),
        "evaluators": {},
    }
    changed = data_changes(host, recipe, plan, served.name)
    if changed:
        entry["data_settings"] = changed
    members, left_out = [], {}
    for name, bound in bounds.items():
        measured = Measured(name, bound, build_evaluator(host, bound), _Items(host, bound))
        missing = missing_ports(bound, batch=measured.items.change(dataset[0]))
        if missing:
            left_out[name] = f"{entry['data']['name']} has no {', '.join(missing)}"
            message(f"{name} ({bound.id}) skipped: {data} has no {', '.join(missing)}")
            continue
        members.append(measured)
    if not members:
        reasons = ", ".join(f"{name} needs {', '.join(_truths(bound))}" for name, bound in bounds.items())
        raise DataError(
            f"--data {data}: no evaluator can run on this folder: {reasons}; type --data with a folder that has one of these"
        )
    if left_out:
        entry["left_out"] = left_out
    fitted = _fit(host, restored, members, fit_data or data, device, message)
    shown = _score(restored, dataset, members, device)
    results = _results(members, data)
    if untrained:
        for name, figures in _untrained(host, restored, members, dataset, data, fit_data or data, device).items():
            found = results[name]
            results[name] = attrs.evolve(found, baselines={**found.baselines, UNTRAINED: figures})
    own = complete(host, recipe).bodies[served.name].get("evaluators", {})
    for member in members:
        found = results[member.name]
        plain = _plain(member.bound, found, fitted.get(member.name), entry=served.body["evaluators"][member.name])
        same = not changed and own.get(member.name) == served.body["evaluators"][member.name]
        mark = "" if same else f"-{_digest([_identity(plain), changed])}"
        sheet = _draw(folder, entry, member.name, found.points, shown, mark=mark)
        table = _table(folder, entry, member.name, found.rows, mark=mark)
        files = {"picture": sheet, "rows": table}
        entry["evaluators"][member.name] = plain | {key: place for key, place in files.items() if place}
    _store(folder, entry)
    audience = (*_trackers(folder, host, restored, trackers, message), *observers)
    Audience(audience, folder, report=message).notify(lambda one: one.evaluated(folder, entry))
    return entry


def _trackers(
    folder: RunFolder, host: Host, restored: Restored, trackers: Sequence[str], message: Callable[[str], None]
) -> list[Observer]:
    """Return the plugins to notify; one that was notified of the training and cannot be loaded now is reported."""
    asked = (*restored.plan.recipe.table.get("observers", ()), *trackers)
    found: list[Observer] = [Trackers(host.observers(asked, report=message))]
    for id in folder.read_json(ENVIRONMENT, {}).get("observers", ()):
        if id not in asked:
            try:
                found.append(Trackers(host.observers((id,), report=message)))
            except ArmillaryError as error:
                message(f"observer {id} is not notified: {first_line(error)}")
    return found


def _results(members: Sequence["Measured"], data: Path) -> dict[str, Evaluation]:
    try:
        return {member.name: member.evaluator.result() for member in members}
    except ValueError as error:
        raise DataError(f"--data {data}: {error}") from error


def _untrained(
    host: Host,
    restored: Restored,
    members: Sequence["Measured"],
    dataset: Dataset,
    data: Path,
    fit_data: Path,
    device: torch.device,
) -> dict[str, Mapping[str, Figure]]:
    """Return the figures of the same networks before their first step."""
    stage = restored.model.plan.name
    fresh = restore(restored.folder, host=host, plan=restored.plan, stage=stage, device=device, trained=False)
    again = [attrs.evolve(member, evaluator=build_evaluator(host, member.bound)) for member in members]
    _fit(host, fresh, again, fit_data, device, lambda _: None)
    _score(fresh, dataset, again, device)
    return {name: found.figures for name, found in _results(again, data).items()}


def bound_evaluators(
    host: Host, plan: Plan, stage: StagePlan, entries: Mapping[str, Mapping[str, Any]]
) -> dict[str, BoundPlan]:
    """Return the plans of evaluators that are not in the recipe, bound to the ports of one of its stages.

    Raises:
        RecipeError, ConfigError: an evaluator does not fit.
    """
    recipe = plan.recipe.changed(stage.name, evaluators=dict(entries))
    return dict(plan_recipe(host, recipe).stages[stage.name].evaluators)


class _Items:
    """Preparation of items for one evaluator: its transforms, and the method's call that it uses."""

    def __init__(self, host: Host, bound: BoundPlan) -> None:
        self.key = (bound.spec.calls, tuple((part.id, repr(part.settings)) for part in bound.transforms))
        self.calls = bound.spec.calls
        self.kinds = bound.kinds
        self.transforms = [build_transform(host, part) for part in bound.transforms]

    def change(self, sample: dict[str, Any], phase: str = SCORE) -> dict[str, Any]:
        """Return an item after the evaluator's transforms; their draws depend on the item's id and the pass alone."""
        if self.transforms:
            generator = torch.Generator().manual_seed(seed_for(0, "evaluate", phase, sample["id"]))
            for transform in self.transforms:
                sample = transform(sample, kinds=self.kinds, generator=generator)
        return sample


@attrs.frozen
class Measured:
    """An evaluator in use, with its name in the recipe, its bound ports and the preparation of its items."""

    name: str
    bound: BoundPlan
    evaluator: Evaluator
    items: _Items


def _default_split(folder: RunFolder, host: Host, restored: Restored, data: Path) -> str:
    whole = build_dataset(host, restored.model.plan, root=data, split="all")
    trained = folder.read_json(DATA, {}).get(restored.model.plan.name, {})
    same = trained.get("digest") == whole.fingerprint().digest
    return "test" if whole.fixed_split or same else "all"


def _fit(
    host: Host, restored: Restored, members: Sequence[Measured], data: Path, device: torch.device, message: Any
) -> dict[str, str]:
    """Run the fit passes; return the data on which each evaluator was fitted."""
    wanted: dict[str, list[Measured]] = {}
    for member in members:
        for phase, split in member.bound.spec.passes:
            if phase == FIT:
                wanted.setdefault(split, []).append(member)
    fitted = {}
    for split, all_members in wanted.items():
        dataset = build_dataset(host, restored.model.plan, root=data, split=split)
        able = [m for m in all_members if not missing_ports(m.bound, batch=m.items.change(dataset[0]))]
        if not able:
            message(f"fit pass skipped: the {split} split of {data} has no truth")
            continue
        _pass(FIT, restored, dataset, able, device)
        fitted |= {member.name: f"{dataset.fingerprint().name}, {split}, {len(dataset)} items" for member in able}
    return fitted


def _score(
    restored: Restored, dataset: Dataset, members: Sequence[Measured], device: torch.device
) -> dict[str, torch.Tensor]:
    """Run all passes except fit on the scored data; return the first few pictures by id."""
    phases = dict.fromkeys(phase for m in members for phase, _ in m.bound.spec.passes if phase != FIT)
    for phase in phases:
        able = [member for member in members if phase in dict(member.bound.spec.passes)]
        _pass(phase, restored, dataset, able, device)
    first = [dataset[index] for index in range(min(_SHOWN, len(dataset)))]
    return {item["id"]: item["image"] for item in first if "image" in item}


def _pass(phase: str, restored: Restored, dataset: Dataset, members: Sequence[Measured], device: torch.device) -> None:
    """Update every evaluator with every item; evaluators with equal preparation share one call of the method."""
    groups: dict[Any, list[Measured]] = {}
    for member in members:
        groups.setdefault(member.items.key, []).append(member)
    for group in groups.values():
        items = group[0].items
        calls = phase != FIT or any(member.bound.spec.fit_outputs for member in group)
        size = restored.model.plan.body.get("batch_size", 1)
        for batch in ordered_batches(dataset, batch_size=size, change=partial(items.change, phase=phase)):
            batch, outputs = to_device(batch, device), {}
            if calls:
                with torch.no_grad():
                    outputs = call_method(restored.model, batch, predict=items.calls == "predict")
            for member in group:
                visible = outputs if phase != FIT or member.bound.spec.fit_outputs else {}
                ports = bound_ports(member.bound, batch=batch, outputs=visible)
                member.evaluator.update(phase, ids=batch["id"], ports=ports)


def _draw(
    folder: RunFolder, entry: dict[str, Any], name: str, points: Any, images: dict[str, torch.Tensor], *, mark: str
) -> str | None:
    """Draw predicted points over the first few pictures; return the file's path in the run."""
    from armillary.drawing.point_pictures import landmarks_over
    from armillary.drawing.sheets import contact_sheet, write_png

    drawn = [
        landmarks_over(images[item], predicted=p.predicted, truth=p.truth, visible=p.visible)
        for item, p in points.items()
        if item in images
    ]
    if not drawn:
        return None
    rows = [drawn[start : start + 4] for start in range(0, len(drawn), 4)]
    rows[-1] += [rows[-1][-1] * 0 + 255] * (len(rows[0]) - len(rows[-1]))
    place = _place(entry, name, "png", mark=mark)
    write_png(folder.path / place, contact_sheet(rows, [""] * len(rows[0]), cell=192))
    return place


def _table(
    folder: RunFolder, entry: dict[str, Any], name: str, rows: Mapping[str, Mapping[str, float]], *, mark: str
) -> str | None:
    """Write the values of each item as CSV, empty where one is not a number; return the file's path in the run."""
    if not rows:
        return None
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    lines = [[item, *(_cell(row.get(column)) for column in columns)] for item, row in rows.items()]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["id", *columns], *lines])
    place = _place(entry, name, "csv", mark=mark)
    (folder.path / place).parent.mkdir(exist_ok=True)
    write_text(folder.path / place, text.getvalue())
    return place


def _cell(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.9g}"


def _place(entry: dict[str, Any], name: str, ending: str, *, mark: str) -> str:
    stem = f"{entry['stage']}-{name}-{entry['data']['name']}-{entry['split']}-{entry['step']}{mark}"
    return f"evaluation/{stem}.{ending}"


def _truths(bound: BoundPlan) -> list[str]:
    return [name for place, name in bound.bind.values() if place == "batch"]


def _plain(bound: BoundPlan, found: Evaluation, fitted: str | None, *, entry: Mapping[str, Any]) -> dict[str, Any]:
    def table(figures: Any) -> dict[str, Any]:
        return {name: _figure(figure) for name, figure in figures.items()}

    oracles = {name: table(figures) for name, figures in found.oracles.items()}
    return {
        "id": bound.id,
        "settings": dict(bound.settings),
        **({"bind": dict(bind)} if (bind := {**entry.get("rename", {}), **entry.get("bind", {})}) else {}),
        "protocol": bound.spec.protocol,
        "figures": table(found.figures),
        "baselines": {name: table(figures) for name, figures in found.baselines.items()},
        **({"oracles": oracles} if oracles else {}),
        "fitted_on": fitted,
        "notes": list(found.notes),
    }


def _figure(figure: Figure) -> dict[str, Any]:
    found = attrs.asdict(figure) | {"interval": None if figure.interval is None else list(figure.interval)}
    return {key: value for key, value in found.items() if value is not None}


def _identity(result: Mapping[str, Any]) -> list[Any]:
    """Return what makes two results of one name the same measure: evaluator, settings, bound ports."""
    return [result["id"], result.get("settings"), result.get("bind")]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


def _store(folder: RunFolder, entry: Mapping[str, Any]) -> None:
    """Add an evaluation to ``results.json``.

    Results of the same stage, step, split and data are in one entry. A new result replaces an older one of the same evaluator and
    settings; an older one of the same name with other settings stays, in an entry of its own.
    """
    merged = {**entry, "evaluators": dict(entry["evaluators"])}
    kept = []
    for old in folder.read_json(RESULTS, []):
        if _subject(old) != _subject(entry):
            kept.append(old)
            continue
        stays = {}
        for name, result in old["evaluators"].items():
            new = entry["evaluators"].get(name)
            if new is None:
                merged["evaluators"].setdefault(name, result)
            elif _identity(new) != _identity(result):
                stays[name] = result
        if stays:
            kept.append({**old, "evaluators": stays})
        left_out = {**old.get("left_out", {}), **entry.get("left_out", {})}
        if left_out := {name: why for name, why in left_out.items() if name not in merged["evaluators"]}:
            merged["left_out"] = left_out
    folder.write_json(RESULTS, [*kept, merged])


def _subject(entry: Mapping[str, Any]) -> list[Any]:
    """Return what was measured: the weights and the items."""
    return [*(entry[key] for key in ("stage", "step", "split")), entry["data"]["digest"], entry.get("data_settings")]

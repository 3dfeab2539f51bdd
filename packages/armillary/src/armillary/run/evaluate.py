"""A run's evaluators over some data: each pass in order, the trivial baselines in the same passes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import torch

from armillary.check import BoundPlan
from armillary.errors import DataError, RunError, did_you_mean
from armillary.host import Host
from armillary.interfaces import Dataset, Evaluation, Figure
from armillary.run.batches import ordered_batches, to_device
from armillary.run.build import bound_ports, build_dataset, build_evaluator, call_method, missing_ports
from armillary.run.folder import DATA, RESULTS, RunFolder
from armillary.run.reporter import LogReporter, Reporter
from armillary.run.restore import Restored, restore


def evaluate(
    folder: RunFolder,
    *,
    data: Path,
    host: Host,
    split: str | None = None,
    fit_data: Path | None = None,
    checkpoint: str | None = None,
    only: Sequence[str] = (),
    device: torch.device | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Measure a run and write the figures into its ``results.json``.

    Args:
        folder: of the run.
        data: folder of pictures with the truth that the evaluators need.
        host: where parts come from.
        split: which part of the data; where it is not given: ``test`` if the data has a split of its own or is what the run
            was trained on, otherwise all of it.
        fit_data: where a fit pass (the average depth) takes its training split from; ``data`` where it is not given.
        checkpoint: which; the newest where it is not given.
        only: names of evaluators in the recipe; all where empty.
        device: where to compute.
        reporter: where words go.

    Returns:
        The entry that was added to ``results.json``.

    Raises:
        RunError, DataError: there is nothing to evaluate, or the data lacks the truth.
    """
    say = (reporter or LogReporter()).message
    device = device or torch.device("cpu")
    restored = restore(folder, host=host, checkpoint=checkpoint, device=device)
    for note in restored.notes:
        say(note)
    stage = restored.model.plan
    bounds = _chosen(stage.evaluators, only)
    score_split = split or _default_split(folder, host, restored, data)
    dataset = build_dataset(host, stage, root=data, split=score_split)
    for line in dataset.problems:
        say(f"passed over {line}")
    entry: dict[str, Any] = {
        "stage": stage.name,
        "step": restored.step,
        "data": attrs.asdict(dataset.fingerprint()),
        "split": score_split,
        "items": len(dataset),
        "evaluators": {},
    }
    evaluators = {}
    for name, bound in bounds.items():
        missing = missing_ports(bound, batch=dataset.provides)
        if missing:
            say(f"{name} ({bound.id}) left out: {data} has no {', '.join(missing)}")
            continue
        evaluators[name] = (bound, build_evaluator(host, bound))
    if not evaluators:
        reasons = ", ".join(f"{name} needs {', '.join(_truths(bound))}" for name, bound in bounds.items())
        raise DataError(f"--data {data}: nothing can be measured on this folder: {reasons}")
    fitted = _fit(host, restored, evaluators, fit_data or data, say)
    _score(restored, dataset, evaluators, device)
    for name, (bound, evaluator) in evaluators.items():
        try:
            found = evaluator.result()
        except ValueError as error:
            raise DataError(f"--data {data}: {error}") from error
        entry["evaluators"][name] = _plain(bound, found, fitted.get(name))
    _store(folder, entry)
    host.observers(restored.plan.recipe.table.get("observers", ()), report=say).notify(
        "armillary_evaluated", run=folder.path, results=entry
    )
    return entry


def _chosen(evaluators: Any, only: Sequence[str]) -> dict[str, BoundPlan]:
    if not evaluators:
        raise RunError(
            "this recipe has no evaluators: add one with --set evaluators.NAME.use=std:side-mad/1 and train again"
        )
    for name in only:
        if name not in evaluators:
            hint = did_you_mean(name, evaluators) or f" there are: {', '.join(evaluators)}"
            raise RunError(f"--only {name}: the recipe has no such evaluator;{hint}")
    return {name: bound for name, bound in evaluators.items() if not only or name in only}


def _default_split(folder: RunFolder, host: Host, restored: Restored, data: Path) -> str:
    whole = build_dataset(host, restored.model.plan, root=data, split="all")
    trained = folder.read_json(DATA, {}).get(restored.model.plan.name, {})
    same = trained.get("digest") == whole.fingerprint().digest
    return "test" if whole.fixed_split or same else "all"


def _fit(host: Host, restored: Restored, evaluators: Any, data: Path, say: Any) -> dict[str, str]:
    """Run the fit passes; return which data each evaluator was fitted on."""
    stage = restored.model.plan
    wanted = {
        name: (split, bound, evaluator)
        for name, (bound, evaluator) in evaluators.items()
        for phase, split in bound.spec.passes
        if phase == "fit"
    }
    fitted = {}
    for split in {split for split, _, _ in wanted.values()}:
        dataset = build_dataset(host, stage, root=data, split=split)
        members = {name: (b, e) for name, (s, b, e) in wanted.items() if s == split}
        members = {name: pair for name, pair in members.items() if not missing_ports(pair[0], batch=dataset.provides)}
        if not members:
            say(f"no fit pass: the {split} split of {data} has no truth")
            continue
        for batch in ordered_batches(dataset, batch_size=stage.body.get("batch_size", 1)):
            for bound, evaluator in members.values():
                ports = bound_ports(bound, batch=batch, outputs={})
                evaluator.update("fit", ids=batch["id"], ports=ports)
        fitted |= dict.fromkeys(members, f"{dataset.fingerprint().name}, {split}, {len(dataset)} items")
    return fitted


def _score(restored: Restored, dataset: Dataset, evaluators: Any, device: torch.device) -> None:
    stage = restored.model.plan
    for batch in ordered_batches(dataset, batch_size=stage.body.get("batch_size", 1)):
        batch = to_device(batch, device)
        with torch.no_grad():
            outputs = call_method(restored.model, batch, predict=True)
        for bound, evaluator in evaluators.values():
            evaluator.update("score", ids=batch["id"], ports=bound_ports(bound, batch=batch, outputs=outputs))


def _truths(bound: BoundPlan) -> list[str]:
    return [name for place, name in bound.bind.values() if place == "batch"]


def _plain(bound: BoundPlan, found: Evaluation, fitted: str | None) -> dict[str, Any]:
    def table(figures: Any) -> dict[str, Any]:
        return {name: _figure(figure) for name, figure in figures.items()}

    return {
        "id": bound.id,
        "protocol": bound.spec.protocol,
        "figures": table(found.figures),
        "baselines": {name: table(figures) for name, figures in found.baselines.items()},
        "fitted_on": fitted,
        "notes": list(found.notes),
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {key: value for key, value in attrs.asdict(figure).items() if value is not None}


def _store(folder: RunFolder, entry: dict[str, Any]) -> None:
    """Keep the entries of other data, splits and steps; replace this one's predecessor."""
    key = ("stage", "step", "split")
    kept = [
        old
        for old in folder.read_json(RESULTS, [])
        if any(old[k] != entry[k] for k in key) or old["data"]["digest"] != entry["data"]["digest"]
    ]
    folder.write_json(RESULTS, [*kept, entry])

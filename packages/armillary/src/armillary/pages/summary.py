"""Page and card of a run (``report.html`` and ``README.md``), written from the run's own files."""

import contextlib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from armillary.config import write_toml
from armillary.errors import ArmillaryError
from armillary.pages.card import DataUsed, LossUsed, Metric, write_card
from armillary.pages.illustrations import INDEX
from armillary.pages.relight import FILMS, TITLE
from armillary.pages.report import Curve, Panel, Section, Table, loss_curves, write_report
from armillary.plugins.host import Host
from armillary.recipes.check import plan_recipe
from armillary.recipes.plan import Plan
from armillary.training import checkpoint as checkpoints
from armillary.training.folder import (
    CARD,
    DATA,
    ENVIRONMENT,
    FINISHED,
    INTERRUPTED,
    PLUGINS,
    REPORT,
    RESULTS,
    RunFolder,
)
from armillary.training.train import gives_meshes, plugins_behind


def summarise(folder: RunFolder, host: Host) -> list[Path]:
    """Write the run's page and card; return both files."""
    plan = plan_recipe(host, folder.recipe(host))
    return [write_run_report(folder, host, plan), write_run_card(folder, host, plan)]


def write_run_report(folder: RunFolder, host: Host, plan: Plan | None = None) -> Path:
    """Write the run's page, ``report.html``; without its plan, that of the folder's recipe."""
    plan = plan or plan_recipe(host, folder.recipe(host))
    return write_report(
        folder.path / REPORT,
        title=f"{plan.recipe.id}: {folder.path.name}",
        summary=str(plan.recipe.table.get("summary", "")),
        facts=_facts(folder, plan),
        **page_parts(folder, plan),
    )


def outcome_of(folder: RunFolder, plan: Plan) -> str:
    """Return ``finished`` if the newest checkpoint of every stage used up its budget, of steps or of seconds."""
    for name, stage in plan.stages.items():
        newest, _ = checkpoints.newest(folder.checkpoints(name))
        budget = stage.body["budget"]
        if newest is None:
            return INTERRUPTED
        limit = budget.get("seconds")
        if newest.step < budget["steps"] and (limit is None or newest.state()["seconds"] < limit):
            return INTERRUPTED
    return FINISHED


def page_parts(folder: RunFolder, plan: Plan) -> dict[str, Any]:
    """Return pictures, curves, tables and sections of a run's page."""
    rows = folder.metrics()
    curves: list[Curve] = []
    for name, stage in plan.stages.items():
        mine = [row for row in rows if row.get("stage") == name]
        terms = {f"losses.{loss}": loss for loss in stage.losses}
        for curve in loss_curves(mine, terms=terms) if len(mine) > 1 else []:
            curves.append(curve if len(plan.stages) == 1 else {**curve, "title": f"{name}: {curve['title']}"})
    figures: list[Panel] = []
    previews = sorted((folder.path / "previews").glob("*.png"))
    if previews:
        figures.append(
            {
                "title": "After training",
                "picture": previews[-1].read_bytes(),
                "caption": f"Predictions for the pictures of all previews, at {_step(previews[-1].stem)}.",
                "wide": True,
            }
        )
    for film in sorted((folder.path / FILMS).glob("*.webp")):
        figures.append(
            {
                "title": TITLE,
                "picture": film.read_bytes(),
                "caption": "Surface predicted from each single picture, turned to both sides, and under a circling light with a "
                "fixed view.",
                "wide": True,
            }
        )
    for drawn in folder.read_json(INDEX, []):
        if (folder.path / drawn["file"]).is_file():
            shown = (folder.path / drawn["file"]).read_bytes()
            figures.append({"title": drawn["title"], "picture": shown, "caption": drawn["caption"], "wide": True})
    for entry in folder.read_json(RESULTS, []):
        for name, result in entry["evaluators"].items():
            if result.get("picture") and (folder.path / result["picture"]).is_file():
                figures.append(
                    {
                        "title": f"{name} on {entry['data']['name']}",
                        "picture": (folder.path / result["picture"]).read_bytes(),
                        "caption": "Found points in green, annotated ones in blue, over the first pictures of the "
                        f"split {entry['split']}; {result['id']}, step {entry['step']}.",
                        "wide": True,
                    }
                )
    for preview in _spread(previews, 5):
        figures.append({"title": _step(preview.stem), "picture": preview.read_bytes(), "step": _number(preview.stem)})
    settings: list[Section] = [
        {"title": "Next", "commands": commands(folder, plan)},
        {"title": "Recipe", "items": tomllib.loads(write_toml(plan.recipe.written)), "closed": True},
        {"title": "Environment", "items": folder.read_json(ENVIRONMENT, {}), "closed": True},
        {"title": "Plugins", "items": folder.read_json(PLUGINS, {}), "closed": True},
    ]
    return {"figures": figures, "curves": curves, "tables": list(result_tables(folder)), "sections": settings}


def result_tables(folder: RunFolder) -> Iterator[Table]:
    """Yield one table per evaluator and data set: the method's row, then those of the trivial baselines and of the oracles."""
    for entry in folder.read_json(RESULTS, []):
        for name, result in entry["evaluators"].items():
            measures = list(result["figures"])
            columns = ["", *(_measure(measure, result["figures"][measure]) for measure in measures)]
            rows: list[list[object]] = [["this run", *(_shown(result["figures"][m]) for m in measures)]]
            for baseline, figures in (*result["baselines"].items(), *result.get("oracles", {}).items()):
                rows.append([baseline, *(_shown(figures[m]) if m in figures else "" for m in measures)])
            fitted = f" Average fitted on {result['fitted_on']}." if result.get("fitted_on") else ""
            notes = "".join(f" {note}." for note in result.get("notes", []))
            yield {
                "title": f"{result['id']} on {entry['data']['name']}",
                "columns": columns,
                "rows": rows,
                "muted": list(range(1, len(rows))),
                "caption": f"{name}, {entry['items']} items of split {entry['split']}, step {entry['step']}: "
                f"{result['protocol']}{fitted}{notes}",
            }


def commands(folder: RunFolder, plan: Plan) -> list[str]:
    """Return useful next commands for this run."""
    run = folder.path.name
    return [
        f"armillary evaluate {run} --data DIR",
        f"armillary predict {run} PICTURES --out predictions",
        *([f"armillary export {run} PICTURE --format glb"] if gives_meshes(plan) else []),
        f"armillary train --resume {run} --data DIR",
    ]


def _facts(folder: RunFolder, plan: Plan) -> dict[str, object]:
    rows = folder.metrics()
    data = next(iter(folder.read_json(DATA, {}).values()), {})
    facts: dict[str, object] = {"recipe": plan.recipe.id, "outcome": outcome_of(folder, plan)}
    if data:
        facts["data"] = f"{data['name']}, {data['count']} items"
    if rows:
        facts["steps"] = rows[-1]["step"]
        facts["minutes"] = f"{sum(_last_seconds(rows)) / 60:.1f}"
    for entry in folder.read_json(RESULTS, [])[-1:]:
        for result in entry["evaluators"].values():
            for measure, figure in result["figures"].items():
                facts[_measure(measure, figure)] = f"{figure['value']:.3g}"
    return facts


def _last_seconds(rows: list[dict[str, Any]]) -> list[float]:
    last: dict[str, float] = {}
    for row in rows:
        last[row["stage"]] = row["seconds"]
    return list(last.values())


def write_run_card(folder: RunFolder, host: Host, plan: Plan | None = None) -> Path:
    """Write the run's card, ``README.md``; without its plan, that of the folder's recipe."""
    plan = plan or plan_recipe(host, folder.recipe(host))
    stage = plan.stages[plan.serves]
    metrics: list[Metric] = []
    for entry in folder.read_json(RESULTS, []):
        for result in entry["evaluators"].values():
            for measure, figure in result["figures"].items():
                metric: Metric = {
                    "name": f"{measure} on {entry['data']['name']}",
                    "value": figure["value"],
                    "protocol": result["id"],
                    "better": "high" if figure.get("better") == "higher" else "low",
                    "baselines": {b: f[measure]["value"] for b, f in result["baselines"].items() if measure in f},
                }
                if figure.get("unit"):
                    metric["unit"] = figure["unit"]
                if figure.get("spread") is not None:
                    metric["spread"] = figure["spread"]
                metrics.append(metric)
    losses: list[LossUsed] = []
    for name, bound in stage.losses.items():
        loss: LossUsed = {"name": name, "use": bound.id, "weight": bound.weight}
        if "weights" in bound.settings:
            loss["note"] = f"weights: {bound.settings['weights']}"
        losses.append(loss)
    data: dict[str, DataUsed] = {
        name: {"name": mark["name"], "count": mark["count"], "hash": mark["digest"]}
        for name, mark in folder.read_json(DATA, {}).items()
    }
    rows = folder.metrics()
    training: dict[str, object] = {
        "batch size": stage.body.get("batch_size"),
        "seed": plan.recipe.seed,
        "optimiser": f"{stage.body['optimiser']['use']}, rate {stage.body['optimiser']['lr']}",
    }
    if rows:
        training |= {"steps": rows[-1]["step"], "seconds": round(sum(_last_seconds(rows)))}
    machine = folder.read_json(ENVIRONMENT, {})
    training |= {key: machine[key] for key in ("torch", "machine", "threads", "cuda") if machine.get(key)}
    return write_card(
        folder.path / CARD,
        title=f"{plan.recipe.id}",
        summary=str(plan.recipe.table.get("summary", "")),
        method=stage.method_id,
        recipe=plan.recipe.id,
        papers=_papers(host, plan),
        data=data,
        training=training,
        metrics=metrics,
        losses=losses,
        changes=plan.borrowed(),
        commands=commands(folder, plan),
        limitations=stage.method.limits,
        licences=_licences(host, plan),
    )


def _licences(host: Host, plan: Plan) -> dict[str, str]:
    """Return licences: of the code by its metadata, and a line on data and weights."""
    import importlib.metadata

    terms = {}
    for record in {part["distribution"] for part in plugins_behind(host, plan).values()}:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            about = importlib.metadata.metadata(record)
            named = [about[key] for key in ("License-Expression", "License") if key in about]
            terms[record] = named[0] if named else "see its metadata"
    return dict(sorted(terms.items())) | {"data and trained weights": "the terms of the pictures that they come from"}


def _papers(host: Host, plan: Plan) -> list[str]:
    papers = [stage.method.source for stage in plan.stages.values() if stage.method.source]
    try:
        spec = host.component("recipe", plan.recipe.id)
        papers += [spec.source] if spec.source else []
    except ArmillaryError:
        pass
    return list(dict.fromkeys(papers))


def _measure(name: str, figure: Mapping[str, Any]) -> str:
    unit = {"1e-2": " (x 0.01)", "degree": " (degrees)"}.get(figure.get("unit", ""), f" ({figure.get('unit')})")
    return name.upper() + (unit if figure.get("unit") else "")


def _shown(figure: Mapping[str, Any]) -> object:
    if figure.get("spread") is None:
        return figure["value"]
    return f"{figure['value']:.3f} ± {figure['spread']:.3f}"


def _spread(files: list[Any], count: int) -> list[Any]:
    if len(files) <= count:
        return files
    return [files[round(index * (len(files) - 1) / (count - 1))] for index in range(count)]


def _number(stem: str) -> int:
    return int(stem.rpartition("-")[2])


def _step(stem: str) -> str:
    return f"step {_number(stem)}"

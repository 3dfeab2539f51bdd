"""Every installed method on a procedural generator of its own, small, and one page over all of them.

A method takes part by having a recipe ``<id>:demo`` that names a generator. Data are made, the recipe is trained, measured on
pictures that it has not seen, used on a few of them, and exported. A method has so many seconds in all, data included; where
they do not suffice, training ends earlier and the page says so.
"""

import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs

from armillary.data import make as folders
from armillary.data.generators import build_generator
from armillary.drawing.sheets import webp_bytes
from armillary.errors import ArmillaryError, RecipeError, UnknownNameError, did_you_mean
from armillary.inference.evaluate import evaluate
from armillary.inference.predict import Geometry, predict, write_prediction
from armillary.inference.restore import restore
from armillary.pages.observers import built_in
from armillary.pages.relight import TITLE, film
from armillary.pages.report import Panel, Part, Section, Table, write_report
from armillary.pages.summary import page_parts, result_tables
from armillary.plugins.host import Host
from armillary.recipes.check import plan_recipe
from armillary.recipes.plan import Plan
from armillary.recipes.recipe import Overrides, Recipe, resolve
from armillary.recipes.stages import prefix
from armillary.training import checkpoint as checkpoints
from armillary.training.folder import DATA, RunFolder, environment
from armillary.training.reporter import Reporter
from armillary.training.train import gives_meshes, train

SECONDS = 120.0
"""What a method has in all, on two cores."""

PAGE = "index.html"
TRAINING, FRESH = 2000, 100
_SEEDS = {"train": 0, "fresh": 1}
_AFTER_TRAINING = 15.0  # seconds kept for measuring, pictures and the page
_LEAST_TRAINING = 10.0
_SHOWN = 4


class Teller(Reporter, Protocol):
    """A reporter that counts, too."""

    def count(self, what: str, done: int, total: int) -> None:
        """Say how many items are done."""


@attrs.frozen(kw_only=True)
class Shown:
    """One method of the demo.

    Args:
        recipe: its id.
        seconds: what it took in all.
        run: folder of the run; None where it came to nothing.
        results: as :func:`armillary.inference.evaluate.evaluate` gives them.
        mesh: the exported file, where the method makes surfaces.
        error: why it came to nothing, or why something is missing; empty where all went well.
    """

    recipe: str
    seconds: float
    run: Path | None = None
    results: Mapping[str, Any] = attrs.field(factory=dict)
    mesh: Path | None = None
    error: str = ""


@attrs.frozen(kw_only=True)
class Demo:
    """Result of a demo.

    Args:
        page: the page over all methods.
        methods: in the order of the page.
    """

    page: Path
    methods: tuple[Shown, ...]


def demo_recipes(host: Host, methods: Sequence[str] = ()) -> list[str]:
    """Return the ids of the recipes called ``demo``, of all plugins or of those named.

    Args:
        host: where recipes come from.
        methods: ids of plugins (``unsup3d``) or of recipes (``unsup3d:demo``).

    Raises:
        UnknownNameError: one that is named has no such recipe.
        RecipeError: there is none at all.
    """
    found = [id for id in host.components("recipe") if id.endswith(":demo")]
    if not methods:
        if not found:
            raise RecipeError(["no installed method has a demo: pip install armillary-unsup3d armillary-synthetic"])
        return found
    chosen = []
    for name in methods:
        id = name if ":" in name else f"{name}:demo"
        host.component("recipe", id)  # says what is wrong with the plugin, or what to install
        if id not in found and not id.endswith(":demo"):
            near = did_you_mean(id, found)
            raise UnknownNameError(f"--method {name}: not a demo;{near} there are {', '.join(found)}")
        chosen.append(id)
    return chosen


def demo(host: Host, out: Path, *, methods: Sequence[str] = (), seconds: float = SECONDS, reporter: Teller) -> Demo:
    """Train, measure and show every installed method; one that fails does not hurt the others.

    Args:
        host: where methods and generators come from.
        out: folder of data, runs and the page. What an earlier call left there is used again (data) or kept (runs).
        methods: only these; see :func:`demo_recipes`.
        seconds: what each method has.
        reporter: where words go.

    Raises:
        ArmillaryError: there is nothing to show, or the page cannot be written.
    """
    started = time.monotonic()
    shown, parts = [], []
    for id in demo_recipes(host, methods):
        reporter.message(f"{id}:")
        began = time.monotonic() if shown else started
        try:
            one, part = _Method(host, id, out, deadline=began + seconds, reporter=reporter).show(began)
        except ArmillaryError as error:
            reporter.message(f"{id}: {error}")
            one = Shown(recipe=id, seconds=time.monotonic() - began, error=str(error))
            part = Part(title=id, summary=f"Came to nothing: {error}")
        shown.append(one)
        parts.append(part)
    page = write_report(
        out / PAGE,
        title="Armillary: what the installed methods find",
        summary="Each method learned from pictures alone, without labels, and was then shown pictures that it had not seen. "
        "The numbers stand beside guesses that look at no picture.",
        facts=_facts(shown, time.monotonic() - started),
        tables=[*_overview(shown)],
        parts=parts,
        sections=[{"title": "Machine", "items": environment(), "closed": True}],
    )
    return Demo(page=page, methods=tuple(shown))


class _Method:
    """One method on its way to the page."""

    def __init__(self, host: Host, id: str, out: Path, *, deadline: float, reporter: Teller) -> None:
        self.host, self.id, self.out, self.deadline, self.reporter = host, id, out, deadline, reporter

    def show(self, began: float) -> tuple[Shown, Part]:
        """Do everything; return what is kept and what the page says."""
        recipe = resolve(self.host, self.id)
        train_data, fresh_data = self._data(recipe)
        plan = self._limited(recipe)
        folder = self._train(plan, train_data)
        results = self._measure(folder, plan, train_data, fresh_data)
        geometries = self._predict(folder, plan, fresh_data)
        mesh, error = self._export(geometries[0], folder) if gives_meshes(plan) else (None, "")
        pictures = [*self._figures(geometries)]
        one = Shown(
            recipe=self.id,
            seconds=time.monotonic() - began,
            run=folder.path,
            results=results,
            mesh=mesh,
            error=error,
        )
        return one, self._part(one, folder, plan, pictures, train_data, fresh_data)

    def _data(self, recipe: Recipe) -> tuple[Path, Path]:
        """Make the generator that the recipe names, once for training and once, from another seed, to measure on."""
        body = recipe.bodies[recipe.serves]
        entry = body.get("generator")
        if not entry:
            raise RecipeError([f"{self.id} names no generator to make data of, so it cannot be shown"])
        size = body.get("data", {}).get("settings", {}).get("size", 64)
        places = []
        for name, count in (("train", TRAINING), ("fresh", FRESH)):
            built = build_generator(self.host, entry["use"], entry.get("settings", {}), size=size, seed=_SEEDS[name])
            place = self.out / "data" / f"{entry['use'].replace(':', '-')}-{size}-{name}"
            folders.make(
                built.generator,
                place,
                name=built.id,
                settings=built.settings,
                size=size,
                seed=_SEEDS[name],
                count=count,
                progress=lambda done, total, name=name: self.reporter.count(f"{name} pictures", done, total),
            )
            places.append(place)
        return places[0], places[1]

    def _limited(self, recipe: Recipe) -> Plan:
        """Return the plan of the recipe in the time that is left."""
        left = max(_LEAST_TRAINING, self.deadline - time.monotonic() - _AFTER_TRAINING)
        given = [body.get("budget", {}).get("seconds") for body in recipe.bodies.values()]
        sets = [
            f"{prefix(stage)}budget.seconds={seconds}"
            for stage, seconds in zip(recipe.bodies, shared_seconds(left, given), strict=True)
        ]
        return plan_recipe(self.host, resolve(self.host, self.id, Overrides(sets=tuple(sets))))

    def _train(self, plan: Plan, data: Path) -> RunFolder:
        trained = train(
            plan,
            data=data,
            out=self._free_place(),
            host=self.host,
            observers=built_in(self.host),
            reporter=self.reporter,
        )
        if trained.signal:
            raise KeyboardInterrupt(trained.signal)
        done, wanted = _steps(trained.folder, plan)
        if done < wanted:
            self.reporter.message(
                f"out of time at step {done} of {wanted}: on a slow or busy machine give it more seconds"
            )
        return trained.folder

    def _measure(self, folder: RunFolder, plan: Plan, train_data: Path, fresh_data: Path) -> Mapping[str, Any]:
        """Return the figures on pictures that were not trained on; none where the recipe names no evaluator."""
        if not plan.stages[plan.serves].evaluators:
            self.reporter.message("this recipe names no evaluator: nothing is measured")
            return {}
        self.reporter.message("measuring on pictures that were not trained on")
        return evaluate(
            folder,
            data=fresh_data,
            fit_data=train_data,
            host=self.host,
            recipe=plan.recipe,
            observers=built_in(self.host),
            reporter=self.reporter,
        )

    def _free_place(self) -> Path:
        """Return a folder for the run that is not there yet: nothing that an earlier demo made is deleted."""
        name, number = self.id.replace(":", "-"), 1
        place = self.out / "runs" / name
        while place.exists():
            number += 1
            place = self.out / "runs" / f"{name}-{number}"
        return place

    def _predict(self, folder: RunFolder, plan: Plan, data: Path) -> list[Geometry]:
        restored = restore(folder, host=self.host, plan=plan)
        place = next(data / name for name in ("images", "meshes") if (data / name).is_dir())
        files = sorted(path for path in place.rglob("*") if path.is_file())[:_SHOWN]
        geometries = list(predict(restored, files, host=self.host))
        for geometry in geometries:
            write_prediction(geometry, folder.path / "predictions")
        return geometries

    def _export(self, geometry: Geometry, folder: RunFolder) -> tuple[Path | None, str]:
        """Return the mesh file, or why there is none: not every method makes surfaces."""
        try:
            made = geometry.mesh().export(folder.path / "predictions" / f"{geometry.id}.glb")
        except (ArmillaryError, ValueError) as error:
            self.reporter.message(f"no mesh: {error}")
            return None, str(error)
        self.reporter.message(f"exported {made.path}")
        return made.path, ""

    def _figures(self, geometries: Sequence[Geometry]) -> list[Panel]:
        """Return a film of the surfaces, turned and lit again, where the method makes surfaces."""
        frames = film(geometries)
        if not frames:
            return []
        return [
            {
                "title": "From one picture each",
                "picture": webp_bytes(frames, milliseconds=100),
                "caption": "Pictures that were not trained on, and what the method makes of each of them alone.",
                "wide": True,
            }
        ]

    def _part(
        self,
        one: Shown,
        folder: RunFolder,
        plan: Plan,
        pictures: Sequence[Panel],
        train_data: Path,
        fresh_data: Path,
    ) -> Part:
        found = page_parts(folder, plan)
        method = plan.stages[plan.serves].method
        commands = [
            f"armillary evaluate {_quoted(folder.path)} --data {_quoted(fresh_data)} --fit-data {_quoted(train_data)}",
            f"armillary predict {_quoted(folder.path)} PICTURES --out predictions",
            *([f"armillary export {_quoted(folder.path)} PICTURE --format glb"] if gives_meshes(plan) else []),
            f"armillary train {self.id.replace(':demo', ':quick')} --data YOUR_PICTURES --out runs/mine",
        ]
        sections: list[Section] = [{"title": "Next", "commands": commands}]
        sections += [section for section in found["sections"] if section["title"] == "Recipe"]
        return {
            "title": f"{self.id.partition(':')[0]}: {method.summary}",
            "summary": f"{method.source}.",
            "facts": _method_facts(one, folder, plan),
            "figures": [*pictures, *(figure for figure in found["figures"] if figure["title"] != TITLE)],
            "curves": found["curves"],
            "tables": list(result_tables(folder)),
            "sections": sections,
        }


def _method_facts(one: Shown, folder: RunFolder, plan: Plan) -> dict[str, object]:
    done, wanted = _steps(folder, plan)
    facts: dict[str, object] = {
        "recipe": one.recipe,
        "pictures": next(iter(folder.read_json(DATA, {}).values()), {}).get("count", ""),
        "steps": str(done) if done >= wanted else f"{done} of {wanted}: out of time",
        "seconds in all": f"{one.seconds:.0f}",
    }
    if one.mesh is not None:
        facts["mesh"] = str(Path(folder.path.name) / "predictions" / one.mesh.name)
    return facts


def _steps(folder: RunFolder, plan: Plan) -> tuple[int, int]:
    """Return the steps of all stages that are done, by their newest checkpoints, and those that the recipe wants."""
    done = [found.step for name in plan.stages if (found := checkpoints.newest(folder.checkpoints(name))[0])]
    return sum(done), sum(stage.body["budget"]["steps"] for stage in plan.stages.values())


def shared_seconds(left: float, given: Sequence[float | None]) -> list[float]:
    """Return how long each stage may train: in proportion to what the recipe gives them, where it gives it to all, else alike.

    No stage has more than the recipe gives it.
    """
    if all(given):
        total = sum(seconds or 0.0 for seconds in given)
        shares = [left * (seconds or 0.0) / total for seconds in given]
    else:
        shares = [left / len(given)] * len(given)
    return [round(min(share, seconds or share), 1) for share, seconds in zip(shares, given, strict=True)]


def _facts(shown: Sequence[Shown], seconds: float) -> dict[str, object]:
    worked = sum(one.run is not None for one in shown)
    return {
        "methods": worked if worked == len(shown) else f"{worked} of {len(shown)}",
        "minutes": f"{seconds / 60:.1f}",
    }


def _overview(shown: Sequence[Shown]) -> list[Table]:
    """Return one table over all methods: a row for each figure, beside the best guess that looks at no picture."""
    rows: list[list[object]] = []
    for one in shown:
        for result in one.results.get("evaluators", {}).values():
            for measure, figure in result["figures"].items():
                higher = figure.get("better") == "higher"
                others = {
                    name: table[measure]["value"] for name, table in result["baselines"].items() if measure in table
                }
                best = (max if higher else min)(others, key=lambda name: others[name]) if others else ""
                words = f"{measure} ({_UNITS.get(figure.get('unit', ''), figure.get('unit', ''))})".replace(" ()", "")
                against = f"{others[best]:.3f} ({best})" if best else ""
                rows.append([one.recipe, result["id"], words, figure["value"], against])
    if not rows:
        return []
    return [
        {
            "title": "All methods",
            "columns": ["recipe", "evaluator", "measure", "found", "best guess without looking"],
            "rows": rows,
            "caption": "Lower is better where the evaluator does not say otherwise. Figures of different evaluators cannot be "
            "compared.",
        }
    ]


_UNITS = {"degree": "degrees", "1e-2": "x 0.01"}


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


__all__ = ["FRESH", "PAGE", "SECONDS", "TRAINING", "Demo", "Shown", "Teller", "demo", "demo_recipes"]

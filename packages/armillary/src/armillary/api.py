"""Python interface: train, load, evaluate, predict, compare."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from armillary.config import plain
from armillary.data import assets as asset_register
from armillary.inference import evaluate as evaluation
from armillary.inference import predict as prediction
from armillary.inference.predict import Geometry
from armillary.inference.restore import restore
from armillary.interfaces import Evaluator
from armillary.pages.observers import built_in
from armillary.plugins.host import Host
from armillary.recipes.measures import Changes, default_name
from armillary.recipes.recipe import Overrides, resolve
from armillary.recipes.settings import DeviceConfig
from armillary.training import train as training
from armillary.training.folder import RunFolder, open_source_runs
from armillary.training.reporter import Reporter

if TYPE_CHECKING:
    from armillary.comparison.table import Comparison

Measure = str | Mapping[str, Any] | type[Evaluator] | Evaluator
"""Id of an evaluator, table as in a recipe, part class, or instance."""

Measures = Sequence[Measure] | Mapping[str, Measure]
"""Evaluators with their default names, or by name."""


@attrs.define(eq=False)
class Run:
    """Trained run.

    Args:
        folder: its files.
        data: folder that it was trained on in this session, if it was.
        host: where parts come from.
    """

    folder: RunFolder
    data: Path | None = None
    host: Host = attrs.field(factory=Host)

    def evaluate(
        self,
        data: str | Path | None = None,
        *,
        split: str | None = None,
        stage: str | None = None,
        evaluators: Measures | None = None,
        sets: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the evaluators' results and the trivial baselines; see :func:`armillary.inference.evaluate.evaluate`.

        Args:
            data: folder of pictures with the truth; default: the folder of the training in this session.
            split: split of the data.
            stage: stage of the run; default: the serving stage.
            evaluators: what to measure by, in place of the recipe's evaluators: a list, or a table by name. Each is an id, a table
                as in a recipe (``use``, ``settings``, ``bind``), a part class, or an instance with its settings.
            sets: settings of the data or the evaluators by path: ``{"data.crop": 100}``.

        Raises:
            ValueError: no data is given, and the run was not trained in this session.
            RecipeError: an evaluator does not fit the run; nothing is computed.
        """
        where = Path(data) if data is not None else self.data
        if where is None:
            raise ValueError('a run does not store the path of its data: type run.evaluate("DIR")')
        changes = Changes(evaluators=None if evaluators is None else _entries(self.host, evaluators), sets=_sets(sets))
        return evaluation.evaluate(
            self.folder,
            data=where,
            host=self.host,
            changes=changes,
            stage=stage,
            split=split,
            observers=built_in(self.host),
        )

    def predict(self, picture: str | Path, *, stage: str | None = None) -> Geometry:
        """Return the geometry of one picture, from the recipe's stage for prediction or from another one."""
        restored = restore(self.folder, host=self.host, stage=stage)
        return next(iter(prediction.predict(restored, [Path(picture)], host=self.host)))


def train(
    recipe: str,
    *,
    data: str | Path,
    out: str | Path,
    sets: Mapping[str, Any] | None = None,
    without: Sequence[str] = (),
    assets: Mapping[str, str | Path] | None = None,
    init: str | Path | None = None,
    runs: Mapping[str, str | Path] | None = None,
    takes: Mapping[str, str] | None = None,
    device: DeviceConfig | None = None,
    observers: Sequence[str] = (),
    plugins: Sequence[str | Path] = (),
    parts: Sequence[type] = (),
    reporter: Reporter | None = None,
) -> Run:
    """Train ``recipe`` (``"unsup3d:quick"``, or a TOML file) on a folder of pictures.

    Args:
        recipe: id or file.
        data: folder of pictures.
        out: where the run goes.
        sets: settings by path: ``{"optimiser.lr": 1e-4}``.
        without: names of losses and evaluators to leave out.
        assets: files that parts ask for, by name.
        init: a run whose trained weights are the start.
        runs: source runs of transferred parts, by name: ``{"labels": "runs/labels"}``.
        takes: slots that trained parts of these fill: ``{"features": "labels:encoder"}``.
        device: where to compute.
        observers: ids of plugins to notify.
        plugins: Python files with part classes, each a plugin named after its file; the run keeps a copy.
        parts: part classes of this session, for a notebook: their ids are ``local:NAME``. The run does not keep them.
        reporter: where words go; the logger ``armillary`` where none is given.
    """
    host = _host(plugins, parts)
    folders, tables = open_source_runs({name: Path(path) for name, path in (runs or {}).items()})
    overrides = Overrides(
        sets=_sets(sets),
        without=tuple(without),
        takes=tuple(f"{slot}={part}" for slot, part in (takes or {}).items()),
        runs=tables,
    )
    trained = training.train(
        resolve(host, recipe, overrides),
        data=Path(data),
        out=Path(out),
        host=host,
        device=device,
        init=RunFolder.open(Path(init)) if init is not None else None,
        runs=folders,
        assets=asset_register.gather({name: Path(path) for name, path in (assets or {}).items()}),
        observers=built_in(host),
        trackers=observers,
        reporter=reporter,
    )
    return Run(trained.folder, Path(data), host)


def compare(
    *recipes: str,
    data: str | Path,
    out: str | Path,
    test_data: str | Path | None = None,
    seeds: Sequence[int] = (0,),
    sets: Mapping[str, Any] | None = None,
    without: Sequence[str] = (),
    steps: int | None = None,
    seconds: float | None = None,
    only: Sequence[str] = (),
    assets: Mapping[str, str | Path] | None = None,
    device: DeviceConfig | None = None,
    reporter: Reporter | None = None,
) -> "Comparison":
    """Train several recipes on the same data with the same budget, and measure them by the same evaluators.

    Args:
        recipes: ids, files, ``NAME=RECIPE``, patterns such as ``*:quick``; each with patches (``unsup3d:quick+no-light``).
        data: folder that all are trained on.
        out: folder of the comparison; the same one goes on.
        test_data: folder that all are measured on; by default the test split of ``data``.
        seeds: a run each.
        sets: settings of all recipes, by path.
        without: names of losses and evaluators to leave out, each of the recipes that have it.
        steps: of each run in all.
        seconds: the same in seconds.
        only: evaluators, by id or by name in a recipe.
        assets: files that parts ask for, by name.
        device: where to compute.
        reporter: where words go; the logger ``armillary`` where none is given.
    """
    from armillary.comparison import compare as comparing

    return comparing.compare(
        recipes,
        data=Path(data),
        out=Path(out),
        host=Host(),
        test_data=Path(test_data) if test_data is not None else None,
        seeds=seeds,
        sets=_sets(sets),
        without=without,
        steps=steps,
        seconds=seconds,
        only=only,
        device=device,
        assets=asset_register.gather({name: Path(path) for name, path in (assets or {}).items()}),
        reporter=reporter,
    )


def load(run: str | Path, *, plugins: Sequence[str | Path] = (), parts: Sequence[type] = ()) -> Run:
    """Return a trained run.

    Args:
        run: its folder.
        plugins: Python files whose parts its recipe uses; copies are in its folder ``plugins``.
        parts: part classes of this session that its recipe uses.
    """
    return Run(RunFolder.open(Path(run)), host=_host(plugins, parts))


def _host(plugins: Sequence[str | Path], parts: Sequence[type]) -> Host:
    host = Host()
    for file in plugins:
        host.add_file(Path(file))
    if parts:
        host.add_parts(parts)
    return host


def _sets(sets: Mapping[str, Any] | None) -> tuple[str, ...]:
    return tuple(f"{path}={_toml(value)}" for path, value in (sets or {}).items())


def _entries(host: Host, measures: Measures) -> dict[str, dict[str, Any]]:
    """Return the entries of evaluators by name; a class that no plugin offers becomes a part of this session."""
    named = measures if isinstance(measures, Mapping) else None
    entries = [_entry(host, each) for each in (measures.values() if named is not None else measures)]  # type: ignore[union-attr]
    names = list(named) if named is not None else _distinct([default_name(str(entry["use"])) for entry in entries])
    return dict(zip(names, entries, strict=True))


def _entry(host: Host, measure: Measure) -> dict[str, Any]:
    if isinstance(measure, str):
        return {"use": measure}
    if isinstance(measure, Mapping):
        return dict(measure)
    cls = measure if isinstance(measure, type) else type(measure)
    settings = (
        {} if isinstance(measure, type) else {key: getattr(measure, key) for key in attrs.fields_dict(cls.Config)}
    )
    return {"use": _id_of(host, cls), "settings": {key: plain(value) for key, value in settings.items()}}


def _id_of(host: Host, cls: type[Evaluator]) -> str:
    """Return the id of an evaluator class; add it to the host if it is of no plugin."""
    target = cls.spec().target
    for id, spec in host.components("evaluator").items():
        if spec.target == target and host.resolve(spec).cls is cls:
            return id
    number = 1
    while (plugin := f"local-{number}" if number > 1 else "local") in host.ids:
        number += 1
    host.add_parts((cls,), id=plugin)
    return f"{plugin}:{cls.header['name']}"


def _distinct(names: Sequence[str]) -> list[str]:
    """Return the names with a number after each that is there already."""
    found: list[str] = []
    for name in names:
        count, free = 1, name
        while free in found:
            count += 1
            free = f"{name}-{count}"
        found.append(free)
    return found


def _toml(value: Any) -> str:
    from armillary.config import write_toml

    return write_toml({"v": value}).removeprefix("v = ").strip()

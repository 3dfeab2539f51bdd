"""Verbs ``armillary recipes``: installed recipes and their settings."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from cyclopts import Parameter

from armillary.cli import show
from armillary.cli.failures import FAILED, OK
from armillary.cli.flags import Json, RecipeFlags
from armillary.errors import ArmillaryError
from armillary.plugins.host import Host
from armillary.recipes.check import check as fits
from armillary.recipes.recipe import Recipe, complete, default_sources
from armillary.recipes.stages import short

Id = Annotated[str, Parameter(name="RECIPE", help="plugin:recipe, or a TOML file.")]


def list_(*, json: Json = False) -> None:
    """List the installed recipes. Each method has paper, quick, demo and smoke; other names are variants."""
    host = Host()
    found = host.components("recipe")
    if json:
        show.as_json(
            [
                {"id": id, "summary": spec.summary, "extends": spec.extends, "source": spec.source}
                for id, spec in found.items()
            ]
        )
    else:
        rows = [(id, spec.extends, spec.summary) for id, spec in found.items()]
        show.table(rows, columns=("recipe", "extends", "what it is"))
    for reason in host.failures.values():
        show.message(f"left out: {reason} (armillary plugins doctor)")


def show_(
    recipe: Id,
    /,
    *,
    flags: RecipeFlags | None = None,
    whole: Annotated[
        bool, Parameter(negative=(), help="Write out also the settings that are at their defaults.")
    ] = False,
    json: Json = False,
) -> None:
    """Print a recipe with everything that it extends, as TOML that --recipe and train take."""
    from armillary.config import write_toml

    host = Host()
    found = (flags or RecipeFlags()).resolve(host, recipe)
    _notes(found.notes)
    if whole:
        found = complete(host, found)
    if json:
        show.as_json(found.written)
    else:
        show.data(write_toml(found.written).rstrip())


def explain(
    recipe: Id,
    /,
    *,
    flags: RecipeFlags | None = None,
    whole: Annotated[
        bool, Parameter(negative=(), help="Explain also the settings that are at their defaults.")
    ] = False,
    json: Json = False,
) -> None:
    """Print the origin of each value of a recipe: the recipe, file or flag that set it, and its paper or code."""
    host = Host()
    found = (flags or RecipeFlags()).resolve(host, recipe)
    _notes(found.notes)
    defaults: dict[str, str] = {}
    if whole:
        found = complete(host, found)
        defaults = {path: source for path, source in default_sources(host, found) if path not in found.origins}
    rows = [
        (
            path,
            value,
            found.origins.get(path, "default" if path in defaults else ""),
            found.sources.get(path, defaults.get(path, "")),
        )
        for path, value in _settings(found)
    ]
    if json:
        names = ("path", "value", "set by", "source")
        show.as_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        show.table(rows, columns=("setting", "value", "set by", "source"))


def diff(
    one: Id,
    other: Annotated[str, Parameter(name="OTHER", help="Recipe to compare with.")],
    /,
    *,
    json: Json = False,
) -> None:
    """Print the settings in which two recipes differ; a missing setting is empty."""
    host = Host()
    first, second = (dict(_settings(complete(host, RecipeFlags().resolve(host, name)))) for name in (one, other))
    paths = [path for path in {**first, **second} if first.get(path) != second.get(path)]
    rows = [(path, first.get(path), second.get(path)) for path in paths if path not in ("summary", "source")]
    if json:
        show.as_json([{"path": path, one: left, other: right} for path, left, right in rows])
        return
    show.table(rows, columns=("setting", one, other))
    show.message(show.count(len(rows), "difference"))


def check(
    *recipes: Annotated[
        str, Parameter(name="RECIPE", help="plugin:recipe, or a TOML file; all installed ones if none.")
    ],
    flags: RecipeFlags | None = None,
    json: Json = False,
) -> int:
    """Check that the parts of a recipe fit and its settings are valid, without building it."""
    host = Host()
    problems: dict[str, str] = {}
    names = [*recipes] or [*host.components("recipe")]
    for name in names:
        try:
            found = (flags or RecipeFlags()).resolve(host, name)
            _notes(found.notes)
            plan = fits(host, complete(host, found))
            _notes(plan.bindings())
            if not json:
                show.data(f"ok      {name}: {_words(plan)}")
        except ArmillaryError as error:
            if len(names) == 1 and not json:
                raise
            problems[name] = str(error)
            if not json:
                first, *rest = str(error).splitlines()
                show.data("\n".join([f"broken  {name}: {first}", *(f"        {line}" for line in rest)]))
    if json:
        show.as_json({name: problems.get(name) for name in names})
    if not names:
        show.message("no recipes are installed: pip install armillary-unsup3d")
    return FAILED if problems else OK


def _words(plan: Any) -> str:
    found = []
    for name, stage in plan.stages.items():
        where = f"stage {name}: " if len(plan.stages) > 1 else ""
        counts = (
            show.count(len(stage.slots), "part"),
            show.count(len(stage.losses), "loss", "losses"),
            show.count(stage.body["budget"]["steps"], "step"),
        )
        found.append(f"{where}{stage.method_id}, {', '.join(counts)}")
    missing = [f"takes parts from a missing run: --from {name}=RUN" for name in plan.missing]
    return "; ".join([*found, *missing])


def _notes(notes: Any) -> None:
    for note in notes:
        show.message(f"note: {note}")


def _settings(recipe: Recipe) -> Iterator[tuple[str, Any]]:
    """Yield path and value of each setting, the path as a person writes it."""
    for path, value in _leaves(recipe.table):
        yield short(path), value


def _leaves(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            yield from _leaves(value, here)
        else:
            yield here, value

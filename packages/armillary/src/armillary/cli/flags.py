"""Flags shared by several verbs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import attrs
from cyclopts import Parameter

from armillary.cli.failures import UsageError
from armillary.errors import ConfigError, DataError

if TYPE_CHECKING:
    from armillary.recipes.recipe import Recipe

Accelerator = Annotated[Literal["auto", "cpu", "cuda", "mps"], Parameter(metavar="NAME", help="Device to compute on.")]
Stage = Annotated[
    str | None, Parameter(metavar="NAME", help="Stage of the run. Default: the one that its recipe serves.")
]
Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON.")]


def _many(flag: str, metavar: str, help: str) -> Any:
    return Parameter(name=flag, negative=(), metavar=metavar, help=f"{help} Repeatable.")


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class RecipeFlags:
    """Changes to a recipe, in this order."""

    recipe_files: Annotated[tuple[Path, ...], _many("--recipe", "FILE", "TOML file that patches the recipe.")] = ()
    uses: Annotated[
        tuple[str, ...],
        _many(
            "--use", "SLOT=ID", "Fill a slot with another part: --use depth.head=mine:head; of a stage: STAGE.SLOT=ID."
        ),
    ] = ()
    vias: Annotated[
        tuple[str, ...],
        _many(
            "--via",
            "SLOT=ID",
            "Put an adapter between a slot and its part: --via depth.encoder=std:pool; several in order.",
        ),
    ] = ()
    keep_settings: Annotated[
        bool,
        Parameter(
            negative=(),
            help="A part that replaces another keeps the settings that both have. Default: its own defaults.",
        ),
    ] = False
    sets: Annotated[tuple[str, ...], _many("--set", "PATH=VALUE", "Change a setting: --set optimiser.lr=1e-4.")] = ()
    takes: Annotated[
        tuple[str, ...],
        _many(
            "--take",
            "SLOT=RUN:PART",
            "Fill a slot with a trained part of a run of --from: --take features=labels:encoder.",
        ),
    ] = ()
    named_runs: Annotated[
        tuple[str, ...], _many("--from", "NAME=RUN", "Another run that the recipe takes parts of.")
    ] = ()
    weights: Annotated[tuple[str, ...], _many("--weight", "LOSS=NUMBER", "Change the weight of a loss.")] = ()
    without: Annotated[
        tuple[str, ...], _many("--without", "NAME", "Leave out a loss or an evaluator; evaluators: all of these.")
    ] = ()
    steps: Annotated[int | None, Parameter(metavar="N", help="Short for --set budget.steps=N.")] = None
    seconds: Annotated[float | None, Parameter(metavar="S", help="Short for --set budget.seconds=S.")] = None
    seed: Annotated[int | None, Parameter(metavar="N", help="Short for --set seed=N.")] = None

    def resolve(self, host: Any, name: str, *, strict: bool = False) -> "Recipe":
        """Return the recipe with these flags applied."""
        from armillary.recipes.recipe import Overrides, resolve

        overrides = Overrides(
            files=self.recipe_files,
            uses=self.uses,
            vias=self.vias,
            keep_settings=self.keep_settings,
            sets=self.sets,
            takes=self.takes,
            runs=self.others()[1],
            weights=self.weights,
            without=self.without,
        )
        recipe = resolve(host, name, overrides)
        short = self._short(recipe, strict=strict)
        return resolve(host, name, attrs.evolve(overrides, sets=(*overrides.sets, *short))) if short else recipe

    def given(self) -> list[str]:
        """Return the flags that were typed."""
        names = {
            "--recipe": self.recipe_files,
            "--use": self.uses,
            "--via": self.vias,
            "--keep-settings": (True,) if self.keep_settings else (),
            "--set": self.sets,
            "--take": self.takes,
            "--from": self.named_runs,
            "--weight": self.weights,
            "--without": self.without,
            "--seed": () if self.seed is None else (self.seed,),
        }
        return [flag for flag, values in names.items() if values]

    def others(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the other runs' folders by name, and the recipe's record of each.

        Raises:
            UsageError: not written as NAME=RUN, or one name twice.
            RunError: a path that is no run.
        """
        from armillary.training.folder import open_source_runs

        paths: dict[str, Path] = {}
        for text in self.named_runs:
            name, equals, path = text.partition("=")
            if not (name and equals and path):
                raise UsageError(f"--from {text}: write it as NAME=RUN")
            if name in paths:
                raise UsageError(f"--from {text}: {name} is given twice")
            paths[name] = Path(path)
        return open_source_runs(paths) if paths else ({}, {})

    def _short(self, recipe: "Recipe", *, strict: bool) -> list[str]:
        """Return the settings behind the short flags; those of a stage hold for each stage."""
        from armillary.recipes.stages import prefix

        found = []
        for stage in map(prefix, recipe.bodies):
            if self.steps is not None:
                found.append(f"{stage}budget.steps={self.steps}")
            if self.seconds is not None:
                found.append(f"{stage}budget.seconds={self.seconds}")
            if strict:
                found.append(f"{stage}data.strict=true")
        return found if self.seed is None else [*found, f"seed={self.seed}"]


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class DeviceFlags:
    """Device and processes of the computation."""

    accelerator: Accelerator = "auto"
    devices: Annotated[int, Parameter(metavar="N", help="Processes, one per device.")] = 1
    precision: Annotated[
        Literal["32-true", "bf16-mixed", "16-mixed"], Parameter(metavar="NAME", help="Precision of the networks.")
    ] = "32-true"
    workers: Annotated[
        int, Parameter(metavar="N", help="Loader processes; 0 keeps the pictures in memory where they fit.")
    ] = 0
    threads: Annotated[int | None, Parameter(metavar="N", help="Threads. Default: torch's choice.")] = None

    def config(self) -> Any:
        """Return the settings of the device.

        Raises:
            UsageError: a number that cannot be.
        """
        from armillary.config import structure
        from armillary.recipes.settings import DeviceConfig

        table = {key: value for key, value in attrs.asdict(self).items() if value is not None}
        try:
            return structure(table, DeviceConfig)
        except ConfigError as error:
            raise UsageError("\n".join(f"--{problem}" for problem in error.problems)) from error


def assets(given: tuple[str, ...]) -> dict[str, Path]:
    """Return a path per name for each ``NAME=FILE``, with the registered files.

    Raises:
        UsageError: not written that way.
        DataError: there is no such file.
    """
    from armillary.data import assets as register

    return register.gather(dict(_asset(text) for text in given))


def _asset(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise UsageError(f"--asset {text}: write it as NAME=FILE")
    return name, Path(path)


def torch_device(name: str) -> Any:
    """Return the device that ``--accelerator`` names.

    Raises:
        DataError: this machine has no such device.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise DataError("--accelerator cuda: torch finds no CUDA device here; leave the flag out, or use cpu")
    if name == "mps" and not torch.backends.mps.is_available():
        raise DataError("--accelerator mps: torch finds no Metal device here; leave the flag out, or use cpu")
    return torch.device(name)

"""User-facing errors: what happened, where, and what to type.

Light: the command line imports this without torch. Everything that is raised for wrong input derives from
:class:`ArmillaryError`, so that the command line prints it without a traceback; any other exception is a bug of ours or of a
plugin and keeps its traceback.
"""

import difflib
from collections.abc import Iterable, Iterator

import attrs


class ArmillaryError(Exception):
    """Error of the user, a file or a plugin; the message says what to do."""


class ConfigError(ArmillaryError, ValueError):
    """Settings that do not fit a config class.

    Args:
        problems: one line for each wrong setting, each beginning with its path.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class PluginError(ArmillaryError):
    """A plugin that is missing, broken, blocked, incompatible or in conflict with another one."""


class UnknownNameError(ArmillaryError, LookupError):
    """A name that nothing installed has."""


@attrs.frozen(kw_only=True)
class Misfit:
    """One thing that is wrong with a recipe.

    Args:
        where: path in the recipe: ``slots.depth.head``; empty if ``reason`` names its place.
        part: id of the part that does not fit; empty if no part is at fault.
        port: name of its port that nothing fits.
        reason: both sides, as a sentence.
        missing: nothing provides the port.
        hint: names to choose from, or the nearest one.
        fits: ids of the installed parts that would fit there; None if the place is no slot.
    """

    where: str = ""
    part: str = ""
    port: str = ""
    reason: str
    missing: bool = False
    hint: str = attrs.field(default="", converter=str.strip)
    fits: tuple[str, ...] | None = None

    def __str__(self) -> str:
        words = [*([self.where] if self.where else []), *([f"{self.part} does not fit"] if self.part else [])]
        return ": ".join([*words, self.reason]) + (f"; {self.hint}" if self.hint else "")


class RecipeError(ArmillaryError, ValueError):
    """A recipe that cannot be resolved, or whose parts do not fit.

    Args:
        problems: what is wrong; a plain sentence where no part or path has to be known.
        recipe: id of the recipe, for the headline.
    """

    def __init__(self, problems: Iterable["Misfit | str"], *, recipe: str = "") -> None:
        self.misfits = tuple(Misfit(reason=each) if isinstance(each, str) else each for each in problems)
        lines = list(_lines(self.misfits))
        if recipe:
            lines = [f"recipe {recipe} does not fit:", *(f"  {line}" for line in lines)]
        super().__init__("\n".join(lines))


def _lines(misfits: tuple[Misfit, ...]) -> Iterator[str]:
    """Yield a line for each misfit, and below the last one of a slot the parts that would fit there."""
    for index, misfit in enumerate(misfits):
        yield str(misfit)
        if misfit.fits is not None and all(later.where != misfit.where for later in misfits[index + 1 :]):
            offer = f"installed parts that would fit: {', '.join(misfit.fits)}"
            yield f"{misfit.where}: {offer if misfit.fits else 'no installed part would fit'}"


class DataError(ArmillaryError):
    """A data folder or file that cannot be used."""


class RunError(ArmillaryError):
    """A run folder or checkpoint that cannot be used, or a training that had to stop."""


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return `` did you mean 'x'?`` for the nearest option, or an empty string if none is near."""
    near = difflib.get_close_matches(name, list(options), n=1, cutoff=0.6)
    return f" did you mean {near[0]!r}?" if near else ""

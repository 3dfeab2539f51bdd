"""User-facing errors: what happened, where, and what to type.

Light: the command line imports this without torch. Everything that is raised for wrong input derives from
:class:`ArmillaryError`, so that the command line prints it without a traceback; any other exception is a bug of ours or of a
plugin and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


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


class RecipeError(ArmillaryError, ValueError):
    """A recipe that cannot be resolved, or whose parts do not fit.

    Args:
        problems: one entry for each misfit, each naming both sides.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class DataError(ArmillaryError):
    """A data folder or file that cannot be used."""


class RunError(ArmillaryError):
    """A run folder or checkpoint that cannot be used, or a training that had to stop."""


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return `` did you mean 'x'?`` for the nearest option, or an empty string if none is near."""
    near = difflib.get_close_matches(name, list(options), n=1, cutoff=0.6)
    return f" did you mean {near[0]!r}?" if near else ""

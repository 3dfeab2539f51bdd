"""Record of a check: name, level, kinds of component, and a function that raises if the claim is wrong. Light.

Level 0 reads metadata and imports nothing; 1 holds the plugin to its declarations; 2 runs its parts on tiny tensors; 3 resolves its
recipes and trains the smallest.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from armillary_testing.bench import Bench

PLUGIN = "plugin"
"""Kind of the checks that look at the whole plugin."""

RECIPE_TRIED = "smoke"
"""Kind of the recipes that are trained: those of this name."""


class Failure(Exception):
    """Failed claim; the message has the claim and the finding."""


class Skip(Exception):
    """Check that cannot run here; the message has the reason."""


@attrs.frozen(kw_only=True, eq=False)
class Subject:
    """Object of a check: the plugin, or one of its components.

    Args:
        bench: what the checks of one plugin share.
        kind: of the component; :data:`PLUGIN` for the whole.
        id: ``plugin:component``; the plugin's for the whole.
        spec: what the component declares; None for the whole.
    """

    bench: "Bench"
    kind: str
    id: str
    spec: Any = None


@attrs.frozen(kw_only=True, eq=False)
class Check:
    """Claim about every component of some kinds.

    Args:
        name: as reports and lists of known failures have it.
        level: see the module.
        kinds: that make the claim.
        claim: a sentence.
        run: raises :class:`Failure` or :class:`Skip`; any other exception counts as a failure.
    """

    name: str
    level: int
    kinds: tuple[str, ...]
    claim: str
    run: Callable[[Subject], None]

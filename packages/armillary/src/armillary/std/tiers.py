"""The last two tiers of a method's recipes: a demo of a minute and a smoke test of seconds. Light."""

from collections.abc import Mapping

from armillary.specs import Budget, RecipeSpec, Use, cited


def demo(plugin: str, *, steps: int, source: str, remove: tuple[str, ...] = ()) -> RecipeSpec:
    """Return ``PLUGIN:demo``: ``PLUGIN:quick`` with fewer steps.

    Args:
        plugin: id of the plugin.
        steps: budget.
        source: of the budget.
        remove: paths in ``PLUGIN:quick`` that the demo leaves out.
    """
    return RecipeSpec(
        name="demo",
        extends=f"{plugin}:quick",
        summary="quick, cut to 80 seconds",
        source="ours",
        remove=remove,
        budget=Budget(steps=cited(steps, source=source)),
    )


def smoke(plugin: str, *, slots: Mapping[str, Use], size: int, source: str) -> RecipeSpec:
    """Return ``PLUGIN:smoke``: ``PLUGIN:demo`` with small parts and pictures, for 20 steps of 8 pictures.

    Args:
        plugin: id of the plugin.
        slots: the parts, small.
        size: side of the pictures, in pixels.
        source: of the size.
    """
    return RecipeSpec(
        name="smoke",
        extends=f"{plugin}:demo",
        summary="demo, cut to seconds: shows that everything runs, learns nothing",
        source="ours",
        slots=slots,
        data=Use("std:images", settings={"size": cited(size, source=source)}),
        batch_size=cited(8, source="ours"),
        budget=Budget(steps=cited(20, source="ours")),
    )

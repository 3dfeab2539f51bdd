"""The parts of the core, as the built-in plugin ``std``. Light."""

from typing import Any

from armillary.plugins.hookspecs import hookimpl, parts_in


@hookimpl
def armillary_components() -> list[Any]:
    """Return the parts."""
    from armillary.std import (
        adapters,
        evaluators,
        images,
        keypoint_depth,
        landmarks,
        landmarks_3d,
        losses,
        mask_scores,
        module,
        networks,
        photometric,
        renderers,
        surface_scores,
        transforms,
        view_scores,
    )

    measures = (evaluators, surface_scores, view_scores, mask_scores, keypoint_depth, landmarks, landmarks_3d)
    return parts_in(images, transforms, networks, module, renderers, adapters, losses, photometric, *measures)

"""First-party plugins, installed or not: so that an unknown id is answered with what to install.

Light, and written by hand: a name and a line for each. Nothing here is imported or looked up on a network.
"""

from collections.abc import Mapping
from types import MappingProxyType

import attrs


@attrs.frozen(kw_only=True)
class FirstParty:
    """A plugin of this repository.

    Args:
        distribution: what ``pip install`` takes.
        summary: one line, in the words of the field.
    """

    distribution: str
    summary: str


FIRST_PARTY: Mapping[str, FirstParty] = MappingProxyType(
    {
        "unsup3d": FirstParty(
            distribution="armillary-unsup3d",
            summary="probably symmetric deformable objects: depth, albedo, light and view (Wu et al. 2020)",
        ),
        "photogeo": FirstParty(
            distribution="armillary-photogeo",
            summary="photo-geometric autoencoding of one image (Wu et al. 2019)",
        ),
        "labelling": FirstParty(
            distribution="armillary-labelling",
            summary="dense equivariant image labelling: an object frame for each pixel (Thewlis et al. 2017)",
        ),
        "keypoints": FirstParty(
            distribution="armillary-keypoints",
            summary="key points without labels and a 3D shape space (Wang et al. 2024)",
        ),
        "spherical": FirstParty(
            distribution="armillary-spherical",
            summary="cross-domain spherical embeddings: relative pose from equivariance (Esteves et al. 2019)",
        ),
        "synthetic": FirstParty(
            distribution="armillary-synthetic",
            summary="procedural pictures with full ground truth: heads, morphable models, a globe and an arm with flow, solids",
        ),
        "backbones": FirstParty(
            distribution="armillary-backbones",
            summary="trunks that begin with weights of ImageNet: EfficientNet-Lite0",
        ),
        "tensorboard": FirstParty(
            distribution="armillary-trackers",
            summary="observer that writes losses, figures and previews for TensorBoard",
        ),
    }
)


def install_hint(plugin: str) -> str:
    """Return the command that installs a first-party plugin, ``pip install armillary-unsup3d``, or an empty string."""
    known = FIRST_PARTY.get(plugin)
    return f"pip install {known.distribution}" if known else ""

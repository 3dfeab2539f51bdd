"""Settings of the parts that more than one method uses."""

import attrs
from attrs.validators import ge, gt

from armillary.config import param


@attrs.frozen(kw_only=True)
class MultiscaleGradientConfig:
    """Differences of image gradients over a pyramid."""

    scales: int = param(4, unit="level", validator=ge(1), help="levels of the pyramid, each half the size of the last")


_SIDE_MAD = "elliottwu/unsup3d, unsup3d/model.py and utils.py: metrics of the paper's Table 2"


@attrs.frozen(kw_only=True)
class SideMadConfig:
    """Scale-invariant depth error and mean angle deviation."""

    erosion: int = param(3, unit="pixel", source=_SIDE_MAD, validator=ge(1), help="side of the square that erodes both masks")
    fov: float = param(
        0.17453292519943295,
        unit="radian",
        source="elliottwu/unsup3d, unsup3d/renderer: fov 10 degrees",
        validator=gt(0),
        help="horizontal field of view, used where the data brings no camera",
    )
    null_depth: float = param(
        1.0, unit="scene", source=_SIDE_MAD, validator=gt(0), help="constant depth of the null baseline"
    )
    blob_relief: float = param(
        0.1, unit="scene", validator=gt(0), help="how far the blob baseline bulges towards the viewer at its centre"
    )

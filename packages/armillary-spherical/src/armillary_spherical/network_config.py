"""Settings of networks, heads, losses and methods: what each needs to be built, with unit and source.

Defaults are the published run where the text at hand has the number; what it does not have is marked as ours.
"""

from typing import Literal

import attrs
from attrs.validators import and_, ge, gt, in_, le

from armillary.config import param

_PAPER = "Esteves et al. 2019, arXiv:1812.02716"
_EMBEDDING = f"{_PAPER}, Appendix A.2"
_CODE = "daniilidis-group/spherical-cnn"
_POSE = "Mahendran, Ali and Vidal 2017, arXiv:1708.05628, Section 4"
_MAPS = "16 x 16 from the cell of 22.5 degrees"


@attrs.frozen(kw_only=True)
class ResidualCnnConfig:
    """The residual spherical CNN."""

    feature_size: int = param(
        16,
        unit="sample",
        source=f"{_PAPER}, Section 3.2.3: {_MAPS}",
        help="side of the map that pictures are embedded to",
        validator=gt(0),
    )
    feature_channels: int = param(
        32,
        unit="channel",
        source="ours: the number is not in the text at hand",
        help="channels of that map; bottlenecks of other sizes have feature_channels x feature_size / size",
        validator=gt(0),
    )
    fine_size: int = param(
        32,
        unit="sample",
        source="ours: the number is not in the text at hand",
        help="side of a finer map",
        validator=gt(0),
    )
    fine_channels: int = param(
        16,
        unit="channel",
        source="ours: as many as the rule of feature_channels gives",
        help="channels of the finer map",
        validator=gt(0),
    )
    sizes: int = param(
        4,
        source=f"ours; with layers = 2 the ten layers of {_PAPER}, Appendix A.1",
        validator=gt(0),
        help="from the input's down",
    )
    layers: int = param(2, source="ours, as sizes", validator=gt(0), help="residual layers at each size")
    class_features: int = param(
        256, unit="channel", source="ours: what the other settings give", help="length of the vector", validator=gt(0)
    )
    pooling: Literal["weighted", "spectral"] = param(
        "weighted",
        source=f"{_CODE}: wap",
        help="weighted: average by area; spectral: drop the upper half of the degrees, which turns exactly",
    )
    even: bool = param(
        False,
        source=f"{_CODE}: every free value begins with the same spread",
        help="filters begin with gains of the same spread at every degree; as published they fall with the degree",
    )

    def __attrs_post_init__(self) -> None:
        _check_maps(self)


@attrs.frozen(kw_only=True)
class TwoBranchCnnConfig:
    """The two-branch spherical CNN of 2018."""

    feature_size: int = param(
        16, unit="sample", source=f"{_PAPER}, Section 3.2.3: {_MAPS}", help="side of the map", validator=gt(0)
    )
    feature_channels: int = param(
        64,
        unit="channel",
        source=f"{_CODE}, README: filters 16,16,32,32,64,64,128,128",
        help="channels of the map",
        validator=gt(0),
    )
    fine_size: int = param(32, unit="sample", source=f"{_CODE}, README", help="side of a finer map", validator=gt(0))
    fine_channels: int = param(
        32, unit="channel", source=f"{_CODE}, README", help="channels of the finer map", validator=gt(0)
    )
    sizes: int = param(
        4, source=f"{_CODE}, README: pool 0,0,1,0,1,0,1,0", validator=gt(0), help="from the input's down"
    )
    layers: int = param(2, source=f"{_CODE}, README: pool 0,0,1,0,1,0,1,0", validator=gt(0), help="at each size")
    class_features: int = param(
        256, unit="channel", source=f"{_CODE}: both branches", help="length of the vector", validator=gt(0)
    )
    pooling: Literal["weighted", "spectral"] = param("weighted", source=f"{_CODE}: wap", help="weighted or spectral")

    def __attrs_post_init__(self) -> None:
        _check_maps(self)


def _check_maps(config: ResidualCnnConfig | TwoBranchCnnConfig) -> None:
    if config.fine_channels * config.fine_size != config.feature_channels * config.feature_size:
        raise ValueError(
            f"fine_channels x fine_size is {config.fine_channels * config.fine_size}, but feature_channels x feature_size "
            f"is {config.feature_channels * config.feature_size}: a map of twice the side has half the channels"
        )


@attrs.frozen(kw_only=True)
class E3nnCnnConfig:
    """A spherical CNN of e3nn's own parts."""

    lmax: int = param(
        7,
        source="ours: e3nn's grids in float32 lose 7e-7 of a signal at 7, and 2e-4 at 15",
        help="highest degree",
        validator=and_(ge(1), le(11)),
    )
    width: int = param(16, unit="channel", help="channels of the layers between", validator=gt(0))
    layers: int = param(3, help="layers, each a linear map and an activation on the sphere", validator=gt(0))
    feature_size: int = param(16, unit="sample", help="side of the map", validator=gt(0))
    feature_channels: int = param(16, unit="channel", help="channels of the map", validator=gt(0))
    class_features: int = param(64, unit="channel", help="length of the vector", validator=gt(0))


@attrs.frozen(kw_only=True)
class PointwiseConfig:
    """Functions of the ray length."""

    feature_size: int = param(
        16,
        unit="sample",
        source=f"{_PAPER}, Section 3.2.3: {_MAPS}",
        help="side of the map; its degrees lie below half of that",
        validator=gt(0),
    )


@attrs.frozen(kw_only=True)
class ImageToVectorConfig:
    """First half of the embedding network."""

    width: int = param(64, unit="channel", source=_EMBEDDING, help="channels of the first stage", validator=gt(0))
    widest: int = param(256, unit="channel", source=_EMBEDDING, help="largest number of channels", validator=gt(0))
    features: int = param(1024, unit="channel", source=_EMBEDDING, help="length of the vector", validator=gt(0))


@attrs.frozen(kw_only=True)
class VectorToSphereConfig:
    """Second half of the embedding network."""

    width: int = param(64, unit="channel", source=_EMBEDDING, help="channels of the last map but one", validator=gt(0))
    widest: int = param(256, unit="channel", source=_EMBEDDING, help="largest number of channels", validator=gt(0))


@attrs.frozen(kw_only=True)
class PlainEncoderConfig:
    """Four strided convolutions and a linear layer."""

    width: int = param(
        16, unit="channel", help="channels after the first convolution, doubled by each", validator=gt(0)
    )
    features: int = param(512, unit="channel", help="length of the vector", validator=gt(0))


@attrs.frozen(kw_only=True)
class VectorToCoefficientsConfig:
    """One linear map from a vector to spherical harmonics; it takes its sizes from what it stands between."""


@attrs.frozen(kw_only=True)
class SynthesiserConfig:
    """From an embedding to a picture."""

    width: int = param(
        64,
        unit="channel",
        source=f"{_PAPER}, Appendix A.3: as the embedding network",
        help="channels of the first stage",
        validator=gt(0),
    )
    widest: int = param(
        256, unit="channel", source=f"{_PAPER}, Appendix A.3", help="largest number of channels", validator=gt(0)
    )
    features: int = param(
        1024, unit="channel", source=f"{_PAPER}, Appendix A.3", help="length of the vector", validator=gt(0)
    )


@attrs.frozen(kw_only=True)
class ClassScoresConfig:
    """From a vector to scores of categories."""

    classes: int = param(
        40,
        source=f"{_PAPER}, Appendix A.1: ModelNet40",
        help="at least the number of categories in the data",
        validator=gt(0),
    )


@attrs.frozen(kw_only=True)
class PoseConfig:
    """From a vector to a rotation."""

    first: int = param(4096, unit="unit", source=_POSE, help="units of the first layer", validator=gt(0))
    second: int = param(500, unit="unit", source=_POSE, help="units of the second layer", validator=gt(0))


@attrs.frozen(kw_only=True)
class FrameConfig:
    """From a map of the sphere to a frame and scalars."""

    scalars: int = param(1, help="numbers that do not change when the shape is turned", validator=gt(0))


@attrs.frozen(kw_only=True)
class EmbeddingConfig:
    """Which map of the shape network pictures are embedded to: the one for poses."""

    target_map: Literal["features"] = param(
        "features", source=f"{_PAPER}, Section 3.2.2: a deeper layer for poses", help="map of the target network"
    )
    standardise: bool = param(
        False,
        source="ours; not in the paper",
        help="learn maps less their mean over the sphere, all of one root mean square: the mean tells categories apart, which "
        "can be nine tenths of what a map varies by, and says nothing of the pose",
    )
    remember: int = param(
        0,
        unit="MB",
        source="ours",
        help="targets kept by their signals while training, for a recipe that sets draws: the shape network then works once "
        "a signal, not once a step",
        validator=ge(0),
    )


@attrs.frozen(kw_only=True)
class FineEmbeddingConfig:
    """The same: the finer one, for views."""

    target_map: Literal["fine_features"] = param(
        "fine_features",
        source=f"{_PAPER}, Section 3.2.2: an earlier layer for views",
        help="map of the target network",
    )
    standardise: bool = param(
        False,
        source="ours; not in the paper",
        help="learn maps less their mean over the sphere, all of one root mean square: the mean tells categories apart, which "
        "can be nine tenths of what a map varies by, and says nothing of the pose",
    )
    remember: int = param(
        0,
        unit="MB",
        source="ours",
        help="targets kept by their signals while training, for a recipe that sets draws: the shape network then works once "
        "a signal, not once a step",
        validator=ge(0),
    )


@attrs.frozen(kw_only=True)
class HuberSphereConfig:
    """Error of an embedding."""

    delta: float = param(1.0, source=f"{_PAPER}, Section 3.2", help="where square becomes linear", validator=gt(0))


@attrs.frozen(kw_only=True)
class PixelConfig:
    """Error of a picture."""

    norm: Literal["l1", "l2"] = param(
        "l2",
        source=f"{_PAPER}, Appendix A.3, where the text at hand has lost which",
        help="l1: absolute; l2: squared",
        validator=in_(("l1", "l2")),
    )

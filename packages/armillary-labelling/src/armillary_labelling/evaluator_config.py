"""Settings of this package's measures: which points, which normaliser, and the published regressor."""

from typing import Literal

import attrs
from attrs.validators import and_, ge, gt, le, optional

from armillary.config import param
from armillary.std.annotation_config import (
    PER_CENT_OF,
    WHICH_POINTS,
    Groups,
    Normaliser,
    check_groups,
    check_normaliser,
)

_PAPER = "Thewlis, Bilen, Vedaldi 2017, Section 4.3"
_DVE = "jamt9000/DVE"


_FIVE = f"{_PAPER}: eyes, nose and mouth corners, the five annotated points of CelebA"
_EYES = f"{_PAPER}: inter-ocular distance; {_DVE}, model/metric.py: points 0 and 1 of five"


@attrs.frozen(kw_only=True)
class LandmarksNearestConfig:
    """Landmarks as the cells whose labels are nearest to a learnt vector."""

    points: Groups = param("all", source=_FIVE, validator=check_groups, help=WHICH_POINTS)
    normaliser: Normaliser = param((0, 1), source=_EYES, validator=check_normaliser, help=PER_CENT_OF)
    metric: Literal["euclidean", "direction", "product"] = param(
        "euclidean",
        source=f"{_PAPER}: 'find the nearest z'; the text does not say in which distance",
        help="euclidean: between the labels as they are; direction: between unit labels; product: largest inner product",
    )


@attrs.frozen(kw_only=True)
class LandmarksRegressedConfig:
    """Landmarks as linear functions of learnt intermediate points."""

    points: Groups = param("all", source=_FIVE, validator=check_groups, help=WHICH_POINTS)
    normaliser: Normaliser = param((0, 1), source=_EYES, validator=check_normaliser, help=PER_CENT_OF)
    intermediate: int = param(
        50, unit="point", source=f"{_PAPER}: M = 50", validator=ge(1), help="intermediate points of each landmark"
    )
    multiplier: float = param(
        100.0,
        source=f"{_DVE}, model/keypoint_prediction.py",
        validator=gt(0),
        help="of the products before the softmax",
    )
    epochs: int = param(
        300, unit="epoch", source=f"{_DVE}, configs of the regressors", validator=ge(1), help="passes over the pictures"
    )
    batch_size: int = param(
        32,
        unit="picture",
        source=f"{_DVE}, configs of the regressors",
        help="of the regressor's training",
        validator=ge(1),
    )
    lr: float = param(1e-3, source=f"{_DVE}, configs: Adam with amsgrad", validator=gt(0), help="learning rate")
    weight_decay: float = param(
        5e-4, source=f"{_DVE}, configs of the regressors", help="of Adam, on all weights", validator=ge(0)
    )
    milestones: tuple[float, ...] = param(
        (100 / 300, 250 / 300),
        unit="share of the epochs",
        source=f"{_DVE}, configs: epochs 100 and 250 of 300",
        help="when the learning rate falls to a tenth",
    )
    scale: float = param(
        10.0,
        source=f"{_DVE}, model/loss.py: regression_loss",
        validator=gt(0),
        help="of positions inside the smooth L1",
    )
    annotated: int | None = param(
        None,
        unit="picture",
        validator=optional(ge(1)),
        help="train on so many pictures of the training split, drawn with the seed; without it on all",
    )
    seed: int = param(0, validator=ge(0), help="of the first weights, the order and the pictures of annotated")

    def __attrs_post_init__(self) -> None:
        if not all(0 < share < 1 for share in self.milestones) or list(self.milestones) != sorted(self.milestones):
            raise ValueError(f"milestones {self.milestones} must rise between 0 and 1")


@attrs.frozen(kw_only=True)
class MatchingConfig:
    """Landmarks carried from one picture to another by their labels."""

    points: Groups = param("all", source=_FIVE, validator=check_groups, help=WHICH_POINTS)
    frame: float = param(
        70.0,
        unit="pixel",
        source=f"{_DVE}, test_matching.py",
        validator=gt(0),
        help="side of the picture in which the error is told",
    )


@attrs.frozen(kw_only=True)
class LabelConsistencyConfig:
    """Whether one point of the object has one label in every picture."""

    anchors: int = param(256, unit="point", validator=ge(2), help="points of the object that are followed")
    pictures: int = param(5, unit="picture", validator=ge(2), help="a point counts that is read in so many at least")
    tolerance: float = param(
        0.25,
        unit="cell",
        validator=gt(0),
        help="largest distance on the object between a point and the place where it is read, in sides of a cell",
    )
    stretch: float = param(
        3.0,
        unit="median side of a cell on the object",
        validator=ge(1),
        help="nothing is read between cells that lie further apart on the object: there it folds, or is seen edge on",
    )
    near: float = param(
        0.1,
        unit="share of the object's extent",
        validator=and_(gt(0), le(1)),
        help="a reading is found again when the point of the nearest mean label lies so near on the object",
    )
    seed: int = param(0, validator=ge(0), help="of the points among which the anchors are chosen, and of random labels")

"""The measures of this package, for its plugin to list."""

import math

from armillary.ports import Port
from armillary.specs import EvaluatorSpec, Use

_PAPER = "Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932"
_DVE = "jamt9000/DVE"

_IMAGE = Port("image", kind="image", shape="batch 3 height width")
_LABELS = Port("labels", kind="label_map", shape="batch channels rows columns")
_LANDMARKS = Port("true_landmarks2d", kind="landmarks2d", shape="batch points 2")
_VISIBLE = Port("true_visible", kind="visibility", shape="batch points", optional=True)

_ERROR = (
    "the error is the distance in the picture, in per cent of the normaliser that the settings name (the distance of two "
    "points, which is the inter-ocular distance of the published tables; the larger side of the box around the points; or "
    "the picture's larger side); mean over all visible landmarks inside the picture, spread over pictures. Baselines: the "
    "mean position of each landmark in the training split, and the picture's centre."
)

HALF_STRENGTH_PAIR = Use(
    "labelling:tps-pair",
    settings={
        "warp": 0.0005,
        "strong_warp": 0.005,
        "translation": 0.05,
        "scale": 0.05,
        "rotation": math.radians(2.5),
        "first_warp": 1.0,
        "first_affine": 1.0,
        "landmarks": True,
    },
)
"""Pairs of warped pictures at half strength: jamt9000/DVE, test_matching.py."""

EVALUATORS: tuple[EvaluatorSpec, ...] = (
    EvaluatorSpec(
        name="landmarks-nearest/1",
        target="armillary_labelling.landmarks:LandmarksNearest",
        config="armillary_labelling.evaluator_config:LandmarksNearestConfig",
        consumes=(_IMAGE, _LABELS, _LANDMARKS, _VISIBLE),
        passes=(("fit", "train"), ("score", "test")),
        fit_outputs=True,
        protocol=(
            "each landmark's vector is the mean label at its position over the training split; a landmark is found at the "
            f"cell whose label is nearest to its vector, without interpolation between cells; {_ERROR}"
        ),
        summary="landmarks found as the cells with the nearest labels",
        source=f"{_PAPER}, Section 4.3, Error Nearest of Table 3",
    ),
    EvaluatorSpec(
        name="landmarks-regressed/1",
        target="armillary_labelling.landmarks:LandmarksRegressed",
        config="armillary_labelling.evaluator_config:LandmarksRegressedConfig",
        consumes=(_IMAGE, _LABELS, _LANDMARKS, _VISIBLE),
        passes=(("fit", "train"), ("score", "test")),
        fit_outputs=True,
        protocol=(
            "each landmark is a linear function, without constant, of 50 points of its own: the soft-argmax of the labels' "
            "products with 50 learnt vectors; trained with a fixed seed on the annotated pictures of the training split "
            f"over frozen labels, without augmentation; {_ERROR}"
        ),
        summary="landmarks regressed from 50 learnt points each",
        source=f"{_PAPER}, Section 4.3, Error Regress of Table 3; {_DVE}, model/keypoint_prediction.py",
    ),
    EvaluatorSpec(
        name="matching/1",
        target="armillary_labelling.matching:Matching",
        config="armillary_labelling.evaluator_config:MatchingConfig",
        consumes=(
            Port("source", kind="image", shape="batch 3 height width"),
            Port("target", kind="image", shape="batch 3 height width"),
            Port("source_labels", kind="label_map", shape="batch channels rows columns"),
            Port("target_labels", kind="label_map", shape="batch channels rows columns"),
            Port("source_landmarks2d", kind="landmarks2d", shape="batch points 2"),
            Port("target_landmarks2d", kind="landmarks2d", shape="batch points 2"),
            Port("source_visible", kind="visibility", shape="batch points", optional=True),
            Port("target_visible", kind="visibility", shape="batch points", optional=True),
        ),
        transforms=(HALF_STRENGTH_PAIR,),
        calls="forward",
        protocol=(
            "every picture is warped twice at half strength; the label at a landmark of the more warped view is matched to "
            "the cell of another view with the largest inner product, without interpolation: of the less warped view of the "
            "same picture (same), and of the next picture in the order of ids, the last one's next being the first "
            "(different). The error is in pixels of a picture of 70 pixels; mean over landmarks visible in both views. "
            "Baselines: the landmark's own position (stay), and the mean over all cells (any cell)."
        ),
        summary="landmarks matched between two pictures by their labels",
        source=f"{_DVE}, test_matching.py",
    ),
    EvaluatorSpec(
        name="label-consistency/1",
        target="armillary_labelling.consistency:LabelConsistency",
        config="armillary_labelling.evaluator_config:LabelConsistencyConfig",
        consumes=(
            _IMAGE,
            Port("labels", kind="label_map", shape="batch 3 rows columns"),  # points of the sphere, no descriptors
            Port("true_coordinates", kind="coordinate_map", shape="batch 3 height width", frame="object"),
            Port("true_mask", kind="mask", shape="batch 1 height width"),
        ),
        passes=(("score", "test"),),
        protocol=(
            "points of the object, spread evenly over what is seen of it, are found in every picture by their true "
            "coordinates between four cells on the object, to a quarter of a cell, and the label is read there bilinearly; a "
            "point counts that is read in 5 pictures. spread: angle between a "
            "point's labels and their mean direction, mean over pictures, median over points. apart: mean angle between the "
            "mean directions of two points (90 for points uniform on the sphere). used: part of 48 equal cells of the sphere "
            "that hold a mean direction. pck: readings for which the point with the nearest mean label lies within 10 per "
            "cent of the object's extent of the true one, the reading itself left out of its point's mean. A constant "
            "labelling has spread 0, and a pck of chance. Baselines by the same readings: constant labels, the position in "
            "the picture as the label, and random labels."
        ),
        summary="whether a point of the object has one label in every picture, and another point another",
        source=f"ours: a number for what Figures 4 and 6 of {_PAPER} show",
    ),
)

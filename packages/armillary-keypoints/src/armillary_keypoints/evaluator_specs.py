"""The measures of this package, for its plugin to list. Light."""

from armillary.ports import Port
from armillary.specs import EvaluatorSpec

_PAPER = "Wang, Cao, Bernard 2024"
_CODE = "xingzhehe/AutoLink, utils_/evaluation.py"

_IMAGE = Port("image", kind="image", shape="batch 3 height width")
_POINTS = Port("keypoints2d", kind="keypoints2d", shape="batch points 2")
_IN_SPACE = Port(
    "keypoints3d", kind="keypoints3d", shape="batch points 3", unit="normalised", frame="camera", optional=True
)
_LANDMARKS = Port("true_landmarks2d", kind="landmarks2d", shape="batch annotated 2")
_LANDMARKS_3D = Port("true_landmarks3d", kind="landmarks3d", shape="batch annotated 3", frame="camera")
_VISIBLE = Port("true_visible", kind="visibility", shape="batch annotated", optional=True)
_FIT_AND_SCORE = (("fit", "train"), ("score", "test"))

_REGRESSED = (
    "each annotated point is a linear function, without constant, of all coordinates of the key points in [0, 1], by closed-form "
    "least squares over the pictures of the training split in which that point is visible"
)
_TOLD = (
    "in per cent of the normaliser that the settings name (the distance of two points, which is the inter-ocular distance of the "
    "published tables; of the centres of both eyes; the larger side of the box around the points; or the picture's larger side), "
    "of each picture itself; mean over all visible points inside the picture, spread over pictures."
)
_TRIVIAL = "Baselines: the mean position of each annotated point in the training split, and the picture's centre."
_SPACE = (
    "the truth is (x, y) in the picture and z the depth relative to the mean of the annotated points, at the scale that the points "
    "have in the picture; larger z is farther. Of the key points too only depth relative to their mean counts; a method without "
    "depth has z = 0"
)

EVALUATORS: tuple[EvaluatorSpec, ...] = (
    EvaluatorSpec(
        name="nme-regressed/1",
        target="armillary_keypoints.evaluators:NmeRegressed",
        config="armillary_keypoints.evaluator_config:NmeRegressedConfig",
        consumes=(_IMAGE, _POINTS, _LANDMARKS, _VISIBLE),
        passes=_FIT_AND_SCORE,
        fit_outputs=True,
        protocol=f"{_REGRESSED}; the error is the distance in the picture, {_TOLD} {_TRIVIAL}",
        summary="annotated points regressed from the key points",
        source=f"{_PAPER}, Table 2 and 3; {_CODE}",
    ),
    EvaluatorSpec(
        name="nme3d-regressed/1",
        target="armillary_keypoints.evaluators_3d:Nme3dRegressed",
        config="armillary_keypoints.evaluator_config:Nme3dRegressedConfig",
        consumes=(_IMAGE, _POINTS, _IN_SPACE, _LANDMARKS, _LANDMARKS_3D, _VISIBLE),
        passes=_FIT_AND_SCORE,
        fit_outputs=True,
        protocol=(
            f"{_REGRESSED}, depth among them; {_SPACE}. No further alignment. It asks what the key points know of the shape in "
            f"space, in whatever form: points of the plane may predict depth too. The error is the distance in space, {_TOLD} "
            f"{_TRIVIAL} Beside them the same key points without their depth."
        ),
        summary="annotated points in space regressed from the key points",
        source=f"{_PAPER}, Table 4: one reading of 'aligned to ground truth', which the paper does not explain",
    ),
    EvaluatorSpec(
        name="nme3d-similarity/1",
        target="armillary_keypoints.evaluators_3d:Nme3dSimilarity",
        config="armillary_keypoints.evaluator_config:Nme3dSimilarityConfig",
        consumes=(_IMAGE, _POINTS, _IN_SPACE, _LANDMARKS, _LANDMARKS_3D, _VISIBLE),
        passes=_FIT_AND_SCORE,
        fit_outputs=True,
        protocol=(
            "each annotated point is a mixture of the key points with fixed weights, the same for x, y and z, by least squares over "
            "the training split after both are centred; then each picture's points are brought onto its truth by the best scale, "
            f"rotation (no mirror) and translation; {_SPACE}. It asks whether the key points have the right shape in space: depth "
            "that is not there cannot be regressed, and neither pose nor size of the object counts. The error is the distance in "
            f"space, {_TOLD} Baselines, aligned the same way: the mean shape of the training split (generalised Procrustes), all "
            "points in one place, the same key points without their depth, and with their depth mirrored."
        ),
        summary="key points in space mixed to annotated points, and aligned picture by picture",
        source=f"{_PAPER}, Table 4: another reading of 'aligned to ground truth'; Umeyama 1991, doi:10.1109/34.88573",
    ),
    EvaluatorSpec(
        name="pck/1",
        target="armillary_keypoints.evaluators:Pck",
        config="armillary_keypoints.evaluator_config:PckConfig",
        consumes=(_IMAGE, _POINTS, _LANDMARKS, _VISIBLE),
        passes=_FIT_AND_SCORE,
        fit_outputs=True,
        protocol=(
            f"{_REGRESSED}; a point is found where its distance in the picture is at most the threshold, a part of the normaliser "
            "that the settings name; per cent of all visible points inside the picture, spread over pictures. "
            f"{_TRIVIAL}"
        ),
        summary="per cent of annotated points that are found near enough",
        source=f"{_PAPER}; He, Wandt, Rhodin 2022, arXiv:2205.10636, on DeepFashion",
    ),
)

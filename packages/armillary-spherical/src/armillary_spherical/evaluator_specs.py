"""The measures of this package, for its plugin to list."""

from armillary.ports import Port
from armillary.specs import EvaluatorSpec, Use

_PAPER = "Esteves, Sud, Luo, Daniilidis, Makadia 2019, arXiv:1812.02716"
_HERE = "armillary_spherical"
_CONFIG = f"{_HERE}.evaluator_config"

_MAP = "batch channels colatitude azimuth"
_PICTURE = "batch shades height width"
_EMBEDDING = Port("embedding", kind="sphere_signal", shape=_MAP)
_TRUE_ROTATION = Port("true_rotation", kind="rotation")
_VIEWS = (("score", "test"), ("second", "test"), ("third", "test"), ("fourth", "test"))

_3DOF = Use("spherical:turn", settings={"rotations": "so3", "stretch": 0.0})
_2DOF = Use("spherical:turn", settings={"rotations": "views", "stretch": 0.0})
_CAST = Use("spherical:ray-cast")
_RENDER = Use("spherical:render")

_ERROR = (
    "the error is the angle between the estimated and the true rotation from the first to the second, in degrees, up to the "
    "symmetry group that the settings name for the category; the estimate is the peak of the correlation of two embeddings "
    "over all rotations, refined below its grid; of a method that gives a rotation itself it is their quotient. Instance "
    "pairs: every test item against three other turns of itself; category pairs: against three random test items of its "
    "category, never itself, in other turns. Median, mean, and the shares below 15 and 30 degrees. Baseline: rotations drawn "
    "uniformly, on the same pairs."
)

EVALUATORS: tuple[EvaluatorSpec, ...] = (
    EvaluatorSpec(
        name="relative-pose/1",
        target=f"{_HERE}.evaluators:RelativePose",
        config=f"{_CONFIG}:RelativePoseConfig",
        consumes=(
            Port("embedding", kind="sphere_signal", shape=_MAP, optional=True),
            Port("rotation", kind="rotation", optional=True),
            _TRUE_ROTATION,
        ),
        passes=_VIEWS,
        transforms=(_3DOF, _RENDER),
        recipe_settings=True,
        protocol=f"four views of each item, turned uniformly over all rotations (3DOF); {_ERROR}",
        summary="rotation between two pictures, in three degrees of freedom",
        source=f"{_PAPER}, Section 4.2, 3DOF of Table 2",
    ),
    EvaluatorSpec(
        name="relative-pose-2dof/1",
        target=f"{_HERE}.evaluators:RelativePose",
        config=f"{_CONFIG}:RelativePoseConfig",
        consumes=(
            Port("embedding", kind="sphere_signal", shape=_MAP, optional=True),
            Port("rotation", kind="rotation", optional=True),
            _TRUE_ROTATION,
        ),
        passes=_VIEWS,
        transforms=(_2DOF, _RENDER),
        recipe_settings=True,
        protocol=(
            "four views of each item from directions uniform over the whole sphere, its z axis upright in the picture "
            f"(2DOF); the estimate may be any rotation; {_ERROR}"
        ),
        summary="rotation between two pictures, in two degrees of freedom",
        source=f"{_PAPER}, Section 4.2, 2DOF of Table 2",
    ),
    EvaluatorSpec(
        name="image-to-mesh/1",
        target=f"{_HERE}.evaluators:ImageToMesh",
        config=f"{_CONFIG}:RelativePoseConfig",
        consumes=(_EMBEDDING, Port("shape_embedding", kind="sphere_signal", shape=_MAP), _TRUE_ROTATION),
        passes=_VIEWS,
        transforms=(_3DOF, _CAST, _RENDER),
        recipe_settings=True,
        protocol=(
            "as relative-pose/1 in 3DOF, but the second of a pair is a mesh, whose embedding the frozen network of shapes "
            f"gives; {_ERROR}"
        ),
        summary="rotation between a picture and a mesh",
        source=f"{_PAPER}, Appendix C.1, Table 4",
    ),
    EvaluatorSpec(
        name="equivariance/1",
        target=f"{_HERE}.evaluators:Equivariance",
        config=f"{_CONFIG}:EquivarianceConfig",
        consumes=(Port("features", kind="sphere_signal", shape=_MAP), _TRUE_ROTATION),
        passes=_VIEWS[:2],
        transforms=(_3DOF, _CAST),
        recipe_settings=True,
        protocol=(
            "two uniform turns of each mesh are cast to the sphere and given to the network; the first features, turned by "
            "the true rotation between the two, are compared with the second: norm of the difference over the norm of the "
            "second, each channel's mean over the sphere left out, over all channels together; mean over items. Baselines: "
            "the first features as they are; turned and then mirrored (the group O(3), next above); turned at random."
        ),
        summary="how exactly features turn with the shape",
        source="ours; the claim is Eq. 3 of the paper",
    ),
    EvaluatorSpec(
        name="classification/1",
        target=f"{_HERE}.evaluators:Classification",
        consumes=(
            Port("class_scores", kind="class_scores", shape="batch classes"),
            Port("class_label", kind="class_label"),
        ),
        transforms=(_3DOF, _CAST),
        recipe_settings=True,
        protocol=(
            "one uniform turn of each test item; share of items whose largest score is their category's, and the mean of "
            "that share over categories. Baseline: the most frequent category of the same items."
        ),
        summary="share of shapes whose category is found",
        source=f"{_PAPER}, Appendix A.1",
    ),
    EvaluatorSpec(
        name="novel-view/1",
        target=f"{_HERE}.view_quality:NovelView",
        consumes=(
            Port("reconstruction", kind="image", shape=_PICTURE),
            Port("image", kind="image", shape=_PICTURE),
            Port("true_view", kind="image", shape=_PICTURE),
            Port("rotation", kind="rotation"),
        ),
        passes=(("fit", "train"), ("score", "test")),
        transforms=(
            _3DOF,
            Use("spherical:render", settings={"keep_mesh": True}),
            Use("spherical:turn", settings=_3DOF.settings, rename={"true_rotation": "rotation"}),
            Use("spherical:render", rename={"image": "true_view"}),
        ),
        recipe_settings=True,
        protocol=(
            "each test item is turned uniformly over all rotations and rendered; turned again, and rendered again. From the "
            "first picture and the second turn the method draws a view, clipped to [0, 1], which is compared with the second "
            "picture over all of its pixels, the background too: l1, the mean absolute difference; psnr, 10 log10 of 1 over "
            "the mean squared difference; means over items. Baselines on the same items: the mean of the training items' "
            "pictures, one turn of each; the first picture as it is."
        ),
        summary="new views of a picture's object against its mesh, rendered",
        source=f"ours; the paper shows views, in its Figure 6 and Appendix D, and measures none; {_PAPER}, Section 3.2.4",
    ),
)

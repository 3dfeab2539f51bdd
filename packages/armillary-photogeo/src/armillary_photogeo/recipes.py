"""The published runs of Wu, Rupprecht and Vedaldi 2019, and patches of them.

Settings whose default is the published run are not repeated here. The authors count epochs, a recipe counts steps: steps =
epochs x training pictures / batch.
"""

import math

from armillary.specs import Budget, LossUse, RecipeSpec, Use, cited
from armillary.std.tiers import demo, smoke

_PAPER = "Wu, Rupprecht, Vedaldi 2019, arXiv:1906.01568"
_TABLE_3 = f"{_PAPER}, Table 3"
_TABLE_6 = f"{_PAPER}, Table 6"
_FIGURE_3 = f"{_PAPER}, Figure 3"
_FLIPPED = {"reconstruction": "reconstruction_flipped"}
_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")

PAPER = RecipeSpec(
    name="paper",
    summary="synthetic faces as published: 64 x 64, batch 128, 30 epochs",
    source=f"{_PAPER}, Sections 3 and 6.1",
    method="photogeo:photogeo",
    slots={
        "depth.encoder": Use("photogeo:conv-encoder"),
        "depth.head": Use("photogeo:depth-map"),
        "albedo.encoder": Use("photogeo:dense-encoder"),
        "albedo.head": Use("photogeo:albedo-map"),
        "light.encoder": Use("std:plain-encoder"),
        "light.head": Use("photogeo:light"),
        "view.encoder": Use("std:plain-encoder"),
        "view.head": Use("photogeo:view"),
        "renderer": Use("std:depth-mesh"),
    },
    data=Use("std:images", settings={"size": cited(64, source=f"{_PAPER}, Section 6.1")}),
    generator=Use("synthetic:heads"),
    losses={
        "photometric": LossUse("std:photometric-l1", weight=cited(1.0, source=f"{_TABLE_6}; ours: a mean over pixels")),
        "perceptual": LossUse(
            "std:perceptual-l2",
            weight=cited(0.003, source=_TABLE_6),
            settings={"layers": cited(_LAYERS, source="ours: the paper names none; those of Johnson et al. 2016")},
        ),
        "viewpoint": LossUse(
            "photogeo:mean-viewpoint",
            weight=cited(1.0, source=_TABLE_6),
            bind={"viewpoint": "view.head.viewpoint"},
        ),
        "variance": LossUse(
            "photogeo:depth-variance", weight=cited(0.05, source=_TABLE_6), bind={"depth": "wide_depth"}
        ),
    },
    optimiser={"use": "adam", "lr": cited(1e-4, source=_TABLE_6)},
    schedule={"use": cited("constant", source=f"{_PAPER}: none is named")},
    batch_size=cited(128, source=_TABLE_6),
    budget=Budget(steps=cited(35_156, source=f"{_TABLE_6}: 30 epochs; {_TABLE_3}: of 150,000 synthetic faces")),
    evaluators={
        "depth": Use("std:side-mad/1", rename={"visible": "depth_mask"}),
        "normals": Use("std:depth-normal-angle/1", rename={"visible": "depth_mask"}),
        "albedo": Use("std:canonical-albedo-error/1", rename={"visible": "depth_mask"}),
        "light": Use("std:canonical-light-angle/1"),
        "pose": Use("std:pose-angle/1"),
        "points": Use("std:keypoint-depth-correlation/1"),
    },
    seed=cited(0, source="ours"),
)

CATS = RecipeSpec(
    name="cats",
    extends="photogeo:paper",
    summary="cat faces as published: the same settings, on 7,997 pictures",
    source=f"{_PAPER}, Section 4.4 and Table 6",
    budget=Budget(steps=cited(1_874, source=f"{_TABLE_6}: 30 epochs; {_TABLE_3}: of 7,997 cats")),
)

CARS = RecipeSpec(
    name="cars",
    extends="photogeo:paper",
    summary="cars as published, about 30 m away",
    source=f"{_PAPER}, Section 4.4 and Table 6",
    slots={
        "depth.head": Use(
            "photogeo:depth-map",
            settings={"depth_min": cited(28.5, source=_TABLE_6), "depth_max": cited(31.5, source=_TABLE_6)},
        ),
        "view.head": Use(
            "photogeo:view",
            settings={"centre_depth": cited(30.0, source="ours: the middle of the depth, as elsewhere")},
        ),
    },
    budget=Budget(steps=cited(5_761, source=f"{_TABLE_6}: 30 epochs; {_TABLE_3}: of 24,580 cars")),
)

NO_ALBEDO_SYMMETRY = RecipeSpec(
    name="no-albedo-symmetry",
    extends="photogeo:paper",
    summary="ablation: the albedo need not be symmetric",
    source=_FIGURE_3,
    settings={"albedo_symmetry": cited(False, source=_FIGURE_3)},
)

NO_DEPTH_SYMMETRY = RecipeSpec(
    name="no-depth-symmetry",
    extends="photogeo:paper",
    summary="ablation: the depth need not be symmetric",
    source=_FIGURE_3,
    settings={"depth_symmetry": cited(False, source=_FIGURE_3)},
)

NO_LIGHT = RecipeSpec(
    name="no-light",
    extends="photogeo:paper",
    summary="ablation: no shading, the albedo network draws the shaded picture",
    source=_FIGURE_3,
    remove=("slots.light.encoder", "slots.light.head", "evaluators.light"),
)

NO_PERCEPTUAL = RecipeSpec(
    name="no-perceptual",
    extends="photogeo:paper",
    summary="ablation: image error alone",
    source=_FIGURE_3,
    remove=("losses.perceptual",),
)

NO_REGULARISERS = RecipeSpec(
    name="no-regularisers",
    extends="photogeo:paper",
    summary="ablation: neither the mean viewpoint nor the depth's variance is held down",
    source=_FIGURE_3,
    remove=("losses.viewpoint", "losses.variance"),
)

SUPERVISED_L1 = RecipeSpec(
    name="supervised-l1",
    summary="upper bound: the depth network alone, trained on true depth by the absolute error",
    source=f"{_PAPER}, Table 1, row 1",
    method="photogeo:supervised-depth",
    slots={"depth.encoder": Use("photogeo:conv-encoder"), "depth.head": Use("photogeo:depth-map")},
    data=PAPER.data,
    generator=PAPER.generator,
    losses={"depth": LossUse("photogeo:depth-l1", weight=cited(1.0, source="ours: the only one"))},
    optimiser=PAPER.optimiser,
    schedule=PAPER.schedule,
    batch_size=PAPER.batch_size,
    budget=PAPER.budget,
    evaluators={
        "depth": Use("std:side-mad/1"),
        "normals": Use("std:depth-normal-angle/1"),
        "points": Use("std:keypoint-depth-correlation/1"),
    },
    seed=PAPER.seed,
)

SUPERVISED_L2 = RecipeSpec(
    name="supervised-l2",
    extends="photogeo:supervised-l1",
    summary="upper bound: the depth network alone, trained on true depth by the squared error",
    source=f"{_PAPER}, Table 1, row 2",
    remove=("losses.depth",),
    losses={"depth": LossUse("photogeo:depth-l2", weight=cited(1.0, source="ours: the only one"))},
)

_CHOSEN = "ours: chosen, not searched"
_SEARCH = "ours: short runs in the package's README"
_AS_UNSUP3D = "ours: as unsup3d:quick"
_NOISE = "ours: without it the depth's variance is 94 per cent of the loss at step 20, with it under 1 per cent"
_LATER = "elliottwu/unsup3d, the authors' later code"
_BOTH = f"{_LATER}: both mirror images in each step; ours: as often as by chance, so half the weight each"
_CAMERA = "ours: the camera and the depth of synthetic:heads and synthetic:morphable"


def _small(*, width: int, plain_width: int, convolutions: tuple[int, ...]) -> dict[str, Use]:
    """Return the paper's parts with fewer channels, each in its slot; lengths of vectors in the paper's proportion."""
    blocks = {"convolutions": cited(convolutions, source=_CHOSEN)}
    wide = {"width": cited(width, source=_AS_UNSUP3D), "features": cited(2 * width, source=_AS_UNSUP3D)}
    plain = {"width": cited(plain_width, source=_AS_UNSUP3D), "features": cited(8 * plain_width, source=_AS_UNSUP3D)}
    depth = {
        "depth_min": cited(0.9, source=_CAMERA),
        "depth_max": cited(1.1, source=_CAMERA),
        "bulge": cited(0.15, source=f"{_SEARCH}, on heads"),
        "last_scale": cited(0.05, source=_NOISE),
        "centred": cited(
            True, source=f"{_SEARCH}: else the head drifts before its centre, and swings aside for turning"
        ),
    }
    view = {
        "centre_depth": cited(1.0, source=_CAMERA),
        "translation_range": cited(0.03, source=f"{_SEARCH}: at 0.1 the head could leave the picture, and did"),
        "depth_translation_range": cited(0.0, source=f"{_SEARCH}: every head came nearer by the whole range"),
    }
    head = {"width": cited(width, source=_AS_UNSUP3D)}
    return {
        "depth.encoder": Use("photogeo:conv-encoder", settings=wide),
        "depth.head": Use("photogeo:depth-map", settings=head | depth),
        "albedo.encoder": Use("photogeo:dense-encoder", settings=wide | blocks),
        "albedo.head": Use("photogeo:albedo-map", settings=head | blocks),
        "light.encoder": Use("std:plain-encoder", settings=plain),
        "view.encoder": Use("std:plain-encoder", settings=plain),
        "view.head": Use("photogeo:view", settings=view),
    }


QUICK = RecipeSpec(
    name="quick",
    extends="photogeo:paper",
    summary="about 13 minutes of one core: 32 x 32, small networks, no weights from elsewhere",
    source="ours: what is cut, and why, stands beside each number",
    remove=("losses.perceptual",),
    slots=_small(width=16, plain_width=24, convolutions=(2, 2, 2)),
    data=Use("std:images", settings={"size": cited(32, source=_AS_UNSUP3D)}),
    losses={
        "photometric": LossUse(weight=cited(0.5, source=_BOTH)),
        "photometric_flipped": LossUse("std:photometric-l1", weight=cited(0.5, source=_BOTH), bind=_FLIPPED),
        "gradient": LossUse(
            "std:multiscale-gradient",
            weight=cited(5.0, source=f"{_AS_UNSUP3D}; in place of the perceptual loss; half, as the image error"),
        ),
        "gradient_flipped": LossUse("std:multiscale-gradient", weight=cited(5.0, source=_BOTH), bind=_FLIPPED),
        "viewpoint": LossUse(
            weight=cited(
                0.02, source="ours: the mean of only 16 varies itself, and at 1 every turn was held down to a seventh"
            )
        ),
        "variance": LossUse(bind={"depth": "free_depth"}),
        "smoothness": LossUse(
            "std:smoothness",
            weight=cited(
                1.0, source=f"{_SEARCH}, on heads; over the picture's frame, not the map of four times its size"
            ),
            bind={"depth": "free_depth"},
        ),
    },
    optimiser={
        "lr": cited(1e-3, source=_AS_UNSUP3D),
        "clip_norm": cited(1.0, source=_AS_UNSUP3D),
    },
    schedule={"use": cited("cosine", source=_AS_UNSUP3D)},
    settings={
        "fov": cited(math.radians(10.0), source=_CAMERA),
        "both_mirrors": cited(True, source=_BOTH),
        "beyond": cited(0.5, source=_LATER),
        "border_depth": cited(1.04, source=f"{_LATER}: 0.7 largest + 0.3 least depth"),
    },
    batch_size=cited(16, source=_AS_UNSUP3D),
    budget=Budget(steps=cited(4_000, source="ours: 0.2 s of processor time per step, measured beside other work")),
)

_RANGE = {"depth_min": cited(0.9, source=_CAMERA), "depth_max": cited(1.1, source=_CAMERA)}

SUPERVISED_QUICK = RecipeSpec(
    name="supervised-quick",
    extends="photogeo:supervised-l1",
    summary="upper bound of quick, by the absolute error: 32 x 32, small networks, the depth of the generators",
    source="ours: what is cut, and why, stands beside each number",
    slots={
        "depth.encoder": QUICK.slots["depth.encoder"],
        "depth.head": Use(
            "photogeo:depth-map",
            settings=_RANGE | {"width": cited(16, source=_AS_UNSUP3D), "last_scale": cited(0.05, source=_NOISE)},
        ),
    },
    data=QUICK.data,
    optimiser=QUICK.optimiser,
    schedule=QUICK.schedule,
    batch_size=QUICK.batch_size,
    budget=QUICK.budget,
)

SUPERVISED_QUICK_L2 = RecipeSpec(
    name="supervised-quick-l2",
    extends="photogeo:supervised-quick",
    summary="upper bound of quick, by the squared error",
    source=SUPERVISED_L2.source,
    remove=("losses.depth",),
    losses=SUPERVISED_L2.losses,
)

DEMO = demo("photogeo", steps=1_000, source="ours: a quarter of quick, about 200 s of one core")

SMOKE = smoke(
    "photogeo",
    slots=_small(width=8, plain_width=8, convolutions=(1, 1)),
    size=16,
    source="ours: the smallest that the networks serve",
)

RECIPES = (
    PAPER,
    CATS,
    CARS,
    NO_ALBEDO_SYMMETRY,
    NO_DEPTH_SYMMETRY,
    NO_LIGHT,
    NO_PERCEPTUAL,
    NO_REGULARISERS,
    SUPERVISED_L1,
    SUPERVISED_L2,
    QUICK,
    SUPERVISED_QUICK,
    SUPERVISED_QUICK_L2,
    DEMO,
    SMOKE,
)

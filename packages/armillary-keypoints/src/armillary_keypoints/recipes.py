"""AutoLink's published run, that of Wang, Cao and Bernard 2024 as far as it is public, and patches of them.

Defaults of parts are not repeated here. What the paper leaves to a supplement that is not public is
ours; the package's README has the experiments.
"""

from collections.abc import Mapping

from armillary.specs import Budget, Cited, LossUse, RecipeSpec, Take, Use, cited

_PAPER = "Wang, Cao, Bernard 2024"
_AUTOLINK = "He, Wandt, Rhodin 2022, arXiv:2205.10636"
_TRAIN = "xingzhehe/AutoLink, train.py"
_MODEL = "xingzhehe/AutoLink, models/model.py"
_DATASETS = "xingzhehe/AutoLink, datasets"
_SCRIPTS = "xingzhehe/AutoLink, names of the runs in its scripts"
_OPEN = "ours: the paper leaves it to a supplement that is not public"

_EVALUATORS = {
    "nme": Use("std:landmarks-regressed/1"),
    "nme3d": Use("std:landmarks3d-regressed/1"),
    "nme3d-aligned": Use("std:landmarks3d-similarity/1"),
    "spread": Use("keypoints:spread/1"),
}


def _measured(settings: Mapping[str, Cited]) -> dict[str, Use]:
    """Return the measures on annotated points with settings of their own."""
    return {name: Use(_EVALUATORS[name].id, settings=settings) for name in ("nme", "nme3d", "nme3d-aligned")}


AUTOLINK = RecipeSpec(
    name="autolink",
    summary="AutoLink on faces in the wild: 8 points, 128 pixels, VGG features; 2D alone",
    source=f"{_AUTOLINK}; {_TRAIN}",
    method="keypoints:keypoints",
    slots={
        "encoder": Use("keypoints:detector"),
        "head": Use("keypoints:keypoints"),
        "edges": Use("keypoints:edges"),
        "decoder": Use("keypoints:decoder"),
    },
    data=Use(
        "std:images",
        settings={
            "size": cited(128, source=f"{_TRAIN}: image_size"),
            "fit": cited("squash", source=f"{_DATASETS}/preprocess/celeba_wild_preprocess.py"),
        },
    ),
    generator=Use("synthetic:heads"),
    transforms=(
        Use("std:horizontal-flip", settings={"probability": cited(0.5, source=f"{_DATASETS}/celeba_wild.py")}),
        Use("keypoints:random-mask"),
    ),
    losses={"reconstruction": LossUse("keypoints:perceptual", weight=cited(1.0, source=_MODEL))},
    optimiser={
        "use": cited("adamw", source=_MODEL),
        "lr": cited(1e-4, source=f"{_TRAIN}: lr"),
        "weight_decay": cited(1e-3, source=_MODEL),
    },
    batch_size=cited(64, source=f"{_TRAIN}: batch_size"),
    budget=Budget(steps=cited(20_001, source=f"{_TRAIN}: max_steps")),
    evaluators=_EVALUATORS,
    seed=cited(0, source="ours"),
)

_NOT_DECAYED = {
    glob: {"weight_decay": cited(0.0, source="ours: decay would draw what all pictures share towards 0")}
    for glob in ("shape.mean", "shape.basis", "edges.scalars", "decoder.alpha")
}

PAPER = RecipeSpec(
    name="paper",
    extends="keypoints:autolink",
    summary="AutoLink and the 3D shape space, trained together",
    source=f"{_PAPER}, Section 4",
    slots={"shape": Use("keypoints:shape-space")},
    losses={
        "projection": LossUse("keypoints:projection", weight=cited(0.1, source=f"{_OPEN}; lambda_1, not searched")),
        "repulsion": LossUse("keypoints:repulsion", weight=cited(0.1, source=f"{_OPEN}; lambda_2, not searched")),
    },
    optimiser={"groups": _NOT_DECAYED},
)

WITHOUT_REPULSION = RecipeSpec(
    name="without-repulsion",
    extends="keypoints:paper",
    summary="ablation: nothing keeps the key points apart",
    source=f"{_PAPER}, Figure 7, third row",
    remove=("losses.repulsion",),
)


def _basis(size: int) -> RecipeSpec:
    return RecipeSpec(
        name=f"basis-{size}",
        extends="keypoints:paper",
        summary=f"ablation: a shape may change in {size} direction{'s' * (size > 1)}",
        source=f"{_PAPER}, Section 6: n, whose figures are in the supplement",
        slots={"shape": Use("keypoints:shape-space", settings={"basis": cited(size, source="ours")})},
    )


BASIS_1, BASIS_5, BASIS_20 = map(_basis, (1, 5, 20))


def _collection(name: str, *, what: str, points: int, thickness: float, mirrored: bool) -> RecipeSpec:
    """Return the paper's run with the number of points and the thickness that AutoLink's authors took for a collection."""
    flip = 0.5 if mirrored else 0.0
    return RecipeSpec(
        name=name,
        extends="keypoints:paper",
        summary=f"{what}: {points} points, edges of their own thickness",
        source=f"{_SCRIPTS}; there without a shape space",
        slots={
            "head": Use("keypoints:keypoints", settings={"points": cited(points, source=_SCRIPTS)}),
            "edges": Use("keypoints:edges", settings={"thickness": cited(thickness, source=_SCRIPTS)}),
        },
        transforms=(
            Use("std:horizontal-flip", settings={"probability": cited(flip, source=_DATASETS)}),
            Use("keypoints:random-mask"),
        ),
    )


FACES_16 = _collection("faces-16", what="faces", points=16, thickness=1e-3, mirrored=True)
FACES_32 = _collection("faces-32", what="faces", points=32, thickness=7.5e-4, mirrored=True)
BODIES = _collection("bodies", what="people at tai chi", points=10, thickness=5e-4, mirrored=True)
HORSES = _collection("horses", what="horses that face one way", points=32, thickness=2.5e-4, mirrored=False)
BIRDS = _collection("birds", what="birds that face one way", points=4, thickness=0.05, mirrored=False)

_STIFF = "ours, not searched: at 0.1 each the points of faces were one stiff lattice after 1,000 steps"
_BOX = {
    "normaliser": cited(
        "box", source="ours: not every kind of thing has eyes, and of synthetic:heads they are not the first points"
    )
}
_SMALL = "ours: a step of 0.22 s of processor time; the published sizes take some 30 s"
_HARD = "ours: less is left to copy, so more has to be drawn; the search in the package's README"

QUICK_AUTOLINK = RecipeSpec(
    name="quick-autolink",
    extends="keypoints:autolink",
    summary="AutoLink in minutes on two cores: 64 x 64, narrow networks, no weights from elsewhere",
    source="ours: what is cut, and why, stands beside each number",
    remove=("losses.reconstruction",),
    slots={
        "encoder": Use("keypoints:detector", settings={"features": cited(32, source=_SMALL)}),
        "head": Use("keypoints:keypoints", settings={"points": cited(10, source="ours: not searched")}),
        "edges": Use(
            "keypoints:edges",
            settings={"multiplier": cited(51.2, source="ours: a tenth, as the rate is ten times the published one")},
        ),
        "decoder": Use("keypoints:decoder", settings={"width": cited(8, source=_SMALL)}),
    },
    data=Use("std:images", settings={"size": cited(64, source="ours: half the published side")}),
    transforms=(
        Use("std:horizontal-flip", settings={"probability": cited(0.5, source=f"{_DATASETS}/celeba_wild.py")}),
        Use(
            "keypoints:random-mask",
            settings={"cells": cited(8, source=_HARD), "missing": cited(0.9, source=_HARD)},
        ),
    ),
    settings={"cells": cited(8, source=_HARD)},
    losses={
        "gradient": LossUse(
            "std:multiscale-gradient",
            weight=cited(10.0, source="ours: in place of the perceptual loss; about 0.4 then"),
        )
    },
    optimiser={"lr": cited(1e-3, source="ours: not searched")},
    schedule={"use": cited("cosine", source="ours: a run of minutes needs its rate to end low")},
    batch_size=cited(16, source="ours: not searched"),
    budget=Budget(steps=cited(2_500, source="ours: 10 minutes of one core")),
    evaluators=_measured(_BOX),
)

QUICK = RecipeSpec(
    name="quick",
    extends="keypoints:quick-autolink",
    summary="the same with the 3D shape space",
    source="ours: what is cut, and why, stands beside each number",
    slots=PAPER.slots,
    losses={
        "projection": LossUse("keypoints:projection", weight=cited(0.01, source=f"{_STIFF}; lambda_1")),
        "repulsion": LossUse("keypoints:repulsion", weight=cited(0.02, source=f"{_STIFF}; lambda_2")),
    },
    optimiser=PAPER.optimiser,
)

QUICK_VGG = RecipeSpec(
    name="quick-vgg",
    extends="keypoints:quick",
    summary="quick, compared in VGG features of a file, or random ones: --set losses.reconstruction.weights=random:0",
    source=f"{_AUTOLINK}: its loss, cut to what two cores can do",
    remove=("losses.gradient",),
    losses={
        "reconstruction": LossUse(
            "keypoints:perceptual",
            weight=cited(1.0, source=_MODEL),
            settings={
                "layers": cited(
                    ["relu1_2", "relu2_2", "relu3_3"], source="ours: the fourth would cost half as much again"
                ),
                "size": cited(0, source="ours: pictures as they are; at 224 a layer costs twelve times as much"),
            },
        )
    },
    budget=Budget(
        steps=cited(1_000, source="ours: by the number of operations a step takes four times as long as quick's")
    ),
)

QUICK_FEATURES = RecipeSpec(
    name="quick-features",
    extends="keypoints:quick",
    summary="quick, compared in the features of another run's trunk: --from features=RUN",
    source="ours: the perceptual loss of Eq. 4 where there are no weights of ImageNet",
    remove=("losses.gradient",),
    slots={"features": Take(run="features", slot="encoder")},
    losses={"features": LossUse("keypoints:feature-distance", weight=cited(1.0, source="ours: not searched"))},
)

DEMO = RecipeSpec(
    name="demo",
    extends="keypoints:quick",
    summary="quick, cut to 80 seconds",
    source="ours",
    budget=Budget(steps=cited(600, source="ours: 80 s on two cores, which leaves time for the rest of two minutes")),
)

SMOKE = RecipeSpec(
    name="smoke",
    extends="keypoints:demo",
    summary="demo, cut to seconds: shows that everything runs, learns nothing",
    source="ours",
    slots={
        "encoder": Use("keypoints:detector", settings={"features": cited(8, source="ours")}),
        "decoder": Use("keypoints:decoder", settings={"width": cited(4, source="ours")}),
    },
    data=Use("std:images", settings={"size": cited(32, source="ours: the smallest that the networks serve")}),
    batch_size=cited(8, source="ours"),
    budget=Budget(steps=cited(20, source="ours")),
)

LIFTED = RecipeSpec(
    name="lifted",
    method="keypoints:lifted",
    summary="key points of a run and depth of another, nothing trained: --from points=RUN --from depth=RUN",
    source=f"{_PAPER}, Table 4: AutoLink + Unsup3D",
    slots={"points": Take(run="points", slot="*"), "depth": Take(run="depth", slot="*")},
    data=Use("std:images", settings={"size": cited(64, source="ours: for both runs it is resized to what they take")}),
    batch_size=cited(16, source="ours"),
    budget=Budget(steps=cited(0, source="ours: both are trained already")),
    seed=cited(0, source="ours"),
    evaluators=_measured({"normaliser": cited("box", source="ours: any kind of thing")}),
)

RECIPES = (
    AUTOLINK,
    PAPER,
    WITHOUT_REPULSION,
    BASIS_1,
    BASIS_5,
    BASIS_20,
    FACES_16,
    FACES_32,
    BODIES,
    HORSES,
    BIRDS,
    QUICK_AUTOLINK,
    QUICK,
    QUICK_VGG,
    QUICK_FEATURES,
    DEMO,
    SMOKE,
    LIFTED,
)

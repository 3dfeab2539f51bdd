"""AutoLink's published run, that of Wang, Cao and Bernard 2024 as far as it is public, and patches of them.

Settings of parts that stand in ``config.py`` are not repeated here.
"""

from armillary.specs import Budget, LossUse, RecipeSpec, Use, cited

_PAPER = "Wang, Cao, Bernard 2024"
_AUTOLINK = "He, Wandt, Rhodin 2022, arXiv:2205.10636"
_TRAIN = "xingzhehe/AutoLink, train.py"
_MODEL = "xingzhehe/AutoLink, models/model.py"
_OPEN = "ours: the paper leaves it to a supplement that is not public"

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
            "fit": cited("squash", source="xingzhehe/AutoLink, datasets: Resize((128, 128))"),
        },
    ),
    world=Use("worlds:heads"),
    transforms=(
        Use("std:horizontal-flip", settings={"probability": cited(0.5, source="xingzhehe/AutoLink, datasets")}),
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
        "projection": LossUse("keypoints:projection", weight=cited(0.1, source=f"{_OPEN}; lambda_1")),
        "repulsion": LossUse("keypoints:repulsion", weight=cited(0.1, source=f"{_OPEN}; lambda_2")),
    },
    optimiser={"groups": _NOT_DECAYED},
)

QUICK_AUTOLINK = RecipeSpec(
    name="quick-autolink",
    extends="keypoints:autolink",
    summary="AutoLink in minutes on two cores: 64 x 64, narrow networks, no weights from elsewhere",
    source="ours: what is cut, and why, stands beside each number",
    remove=("losses.reconstruction",),
    slots={
        "encoder": Use("keypoints:detector", settings={"features": cited(32, source="ours")}),
        "decoder": Use("keypoints:decoder", settings={"width": cited(16, source="ours")}),
    },
    data=Use("std:images", settings={"size": cited(64, source="ours")}),
    losses={"gradient": LossUse("std:multiscale-gradient", weight=cited(1.0, source="ours"))},
    optimiser={"lr": cited(1e-3, source="ours")},
    schedule={"use": cited("cosine", source="ours")},
    batch_size=cited(16, source="ours"),
    budget=Budget(steps=cited(4_000, source="ours")),
)

QUICK = RecipeSpec(
    name="quick",
    extends="keypoints:quick-autolink",
    summary="quick-autolink with the 3D shape space",
    source="ours",
    slots=PAPER.slots,
    losses=PAPER.losses,
    optimiser=PAPER.optimiser,
)

DEMO = RecipeSpec(
    name="demo",
    extends="keypoints:quick",
    summary="quick, cut to 80 seconds",
    source="ours",
    budget=Budget(steps=cited(800, source="ours")),
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

RECIPES = (AUTOLINK, PAPER, QUICK_AUTOLINK, QUICK, DEMO, SMOKE)

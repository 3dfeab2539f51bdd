"""The published runs of Thewlis, Bilen and Vedaldi 2017, and patches of them.

The pages with the paper's training details are not at hand, so ``paper`` is the authors' re-implementation of the same method in
their later work (jamt9000/DVE), with the paper's losses. Defaults of parts are not repeated here. The
authors count epochs, we count steps: steps = epochs x training pictures / batch.
"""

from armillary.specs import Budget, LossUse, RecipeSpec, Use, cited

_PAPER = "Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932"
_JSON = "jamt9000/DVE, configs/celeba/smallnet-3d.json"
_HOURGLASS = "jamt9000/DVE, configs/celeba/hourglass-64d-dve.json"
_TUNED = "jamt9000/DVE, configs/aflw-mtfl-ft/celeba-smallnet-3d.json"
_LOADERS = "jamt9000/DVE, data_loader/data_loaders.py"
_CELEBA = "ours: of 162,770 pictures, the training part of CelebA; the authors also leave out those of MAFL"

_RIDGE = {
    "ridge": cited(1e-3, source="ours, not searched: 3 per cent of the side; many points, few pictures"),
    "constant": cited(True, source="ours: ridge regression leads to the mean shape then"),
}

_EVALUATORS = {
    "nearest": Use("std:landmarks-nearest/1"),
    "regressed": Use("std:landmarks-regressed/1", settings=_RIDGE),
    "trained": Use("labelling:landmarks-trained/1"),
    "matching": Use("labelling:matching/1"),
    "consistency": Use("labelling:label-consistency/1"),
}

PAPER = RecipeSpec(
    name="paper",
    summary="faces of CelebA: DILATIONS, distance loss with gamma 0.5, pairs by thin-plate splines",
    source=f"{_PAPER}, Section 4.3; {_JSON}",
    method="labelling:labelling",
    slots={"encoder": Use("labelling:dilations"), "head": Use("labelling:label-map")},
    data=Use(
        "std:images",
        settings={
            "size": cited(100, source=f"{_JSON}: imwidth"),
            "box": cited([0, 30, 178, 178], source=f"{_LOADERS}: crop(im, 30, 0, 178, 178) of aligned CelebA"),
        },
    ),
    generator=Use("synthetic:globe"),
    transforms=(
        Use("labelling:tps-pair", settings={"margin": cited(0.15, source=f"{_JSON}: crop 15 of 100")}),
        Use("labelling:photometric"),
    ),
    losses={
        "match": LossUse(
            "labelling:distance",
            weight=cited(1.0, source=_JSON),
            settings={"gamma": cited(0.5, source=f"{_PAPER}, Table 3")},
        )
    },
    optimiser={
        "use": cited("adam", source=_JSON),
        "lr": cited(1e-3, source=_JSON),
        "amsgrad": cited(True, source=_JSON),
        "weight_decay": cited(0.0, source=_JSON),
        "groups": {"*conv.bias": {"lr": cited(1e-5, source=f"{_JSON}: bias_lr, of convolutions")}},
    },
    schedule={
        "use": cited("multistep", source=_JSON),
        "milestones": cited([0.7, 0.9], source=f"{_JSON}: epochs 70 and 90 of 100"),
        "factor": cited(0.1, source=_JSON),
    },
    batch_size=cited(32, source=_JSON),
    budget=Budget(steps=cited(508_600, source=f"{_JSON}: 100 epochs; {_CELEBA}")),
    evaluators=_EVALUATORS,
    seed=cited(0, source="ours"),
)

SIMPLE_LOG = RecipeSpec(
    name="simple-log",
    extends="labelling:paper",
    summary="first row of Table 3: the smaller field of view, probabilistic loss",
    source=f"{_PAPER}, Table 3",
    remove=("losses.match",),
    slots={"encoder": Use("labelling:simple")},
    losses={"match": LossUse("labelling:log", weight=cited(1.0, source=f"{_PAPER}, Eq. 4"))},
)

SIMPLE_DIST = RecipeSpec(
    name="simple-dist",
    extends="labelling:paper",
    summary="third row of Table 3: the smaller field of view, distance loss with gamma 0.5",
    source=f"{_PAPER}, Table 3",
    slots={"encoder": Use("labelling:simple")},
)

SIMPLE_DIST_1 = RecipeSpec(
    name="simple-dist-1",
    extends="labelling:simple-dist",
    summary="second row of Table 3: the same with gamma 1",
    source=f"{_PAPER}, Table 3",
    losses={"match": LossUse(settings={"gamma": cited(1.0, source=f"{_PAPER}, Table 3")})},
)

DILATIONS_LOG = RecipeSpec(
    name="dilations-log",
    extends="labelling:paper",
    summary="fourth row of Table 3: the larger field of view, probabilistic loss",
    source=f"{_PAPER}, Table 3",
    remove=("losses.match",),
    losses={"match": LossUse("labelling:log", weight=cited(1.0, source=f"{_PAPER}, Eq. 4"))},
)

HOURGLASS = RecipeSpec(
    name="hourglass",
    extends="labelling:paper",
    summary="the later work's hourglass and its sizes, with labels of three channels",
    source=f"{_HOURGLASS}; there with 64 channels and exchange",
    remove=("schedule", "optimiser.groups"),
    slots={"encoder": Use("labelling:hourglass")},
    data=Use("std:images", settings={"size": cited(136, source=f"{_HOURGLASS}: imwidth")}),
    transforms=(
        Use("labelling:tps-pair", settings={"margin": cited(20 / 136, source=f"{_HOURGLASS}: crop 20 of 136")}),
        Use("labelling:photometric"),
    ),
    schedule={
        "use": cited("multistep", source=f"{_HOURGLASS}: StepLR"),
        "milestones": cited([0.5], source=f"{_HOURGLASS}: epoch 50 of 100"),
        "factor": cited(0.1, source=_HOURGLASS),
    },
    batch_size=cited(16, source=_HOURGLASS),
    budget=Budget(steps=cited(1_017_300, source=f"{_HOURGLASS}: 100 epochs; {_CELEBA}")),
)

EXCHANGE = RecipeSpec(
    name="exchange",
    extends="labelling:paper",
    summary="the later work's loss: labels said through those of another picture",
    source="Thewlis, Albanie, Bilen, Vedaldi 2019, arXiv:1908.06427; jamt9000/DVE, configs/celeba/smallnet-3d-dve.json",
    remove=("losses.match",),
    losses={
        "match": LossUse(
            "labelling:exchange",
            weight=cited(1.0, source="jamt9000/DVE, configs/celeba/smallnet-3d-dve.json"),
            settings={"gamma": cited(0.5, source="jamt9000/DVE, model/loss.py: pow=0.5")},
        )
    },
)

FINE_TUNE = RecipeSpec(
    name="fine-tune",
    extends="labelling:paper",
    summary="a trained network goes on with other pictures, without labels: give it --init RUN",
    source=f"{_PAPER}, Section 4.3 and Table 4; {_TUNED}",
    remove=("data.settings.box", "optimiser.groups"),
    data=Use("std:images", settings={"fit": cited("squash", source=f"{_LOADERS}: Resize((imwidth, imwidth))")}),
    schedule={"milestones": cited([0.6, 0.8], source=f"{_TUNED}: epochs 30 and 40 of 50")},
    budget=Budget(
        steps=cited(15_800, source=f"{_TUNED}: 50 epochs; ours: of 10,122 pictures, the training part of AFLW")
    ),
)

_FRAMES = "ours: the paper does not say"
_STILL = f"{_PAPER}, Section 4.1: zero flow is ignored; ours: what rounding leaves of zero is less"


def _landmarks_by(normaliser: str, *, source: str) -> dict[str, Use]:
    """Return the landmark measures with another normaliser than the distance of the eyes."""
    settings = {"normaliser": cited(normaliser, source=source)}
    measures = {name: _EVALUATORS[name] for name in ("nearest", "regressed", "trained")}
    return {name: Use(each.id, settings={**each.settings, **settings}) for name, each in measures.items()}


ARM = RecipeSpec(
    name="arm",
    extends="labelling:paper",
    summary="the articulated arm: SIMPLE, pairs by flow, pixels that stand still left out",
    source=f"{_PAPER}, Section 4.1",
    remove=("data.settings.box",),
    slots={"encoder": Use("labelling:simple")},
    data=Use("std:images", settings={"size": cited(90, source=f"{_PAPER}, Section 4.1")}),
    generator=Use("synthetic:arm"),
    transforms=(
        Use(
            "labelling:flow-pair",
            settings={
                "minimum_flow": cited(0.01, source=_STILL),
            },
        ),
    ),
    evaluators=_landmarks_by("image", source="ours: an arm has no eyes"),
    budget=Budget(steps=cited(22_500, source=f"{_FRAMES}; 30 epochs of its 23,999 frames")),
)

GLOBE = RecipeSpec(
    name="globe",
    extends="labelling:paper",
    summary="the textured sphere that turns: DILATIONS, pairs by flow",
    source=f"{_PAPER}, Section 4.2",
    remove=("data.settings.box",),
    data=Use("std:images", settings={"size": cited(48, source=_FRAMES)}),
    transforms=(Use("labelling:flow-pair", settings={"minimum_flow": cited(0.01, source=_STILL)}),),
    evaluators=_landmarks_by("image", source="ours: a globe has no eyes"),
    batch_size=cited(16, source=_FRAMES),
    budget=Budget(steps=cited(20_000, source=_FRAMES)),
)

QUICK = RecipeSpec(
    name="quick",
    extends="labelling:paper",
    summary="about 3 minutes on two cores: small pictures; pairs by flow where the data has it, else by warps",
    source="ours: what is cut, and why, stands beside each number",
    remove=("data.settings.box", "schedule"),
    slots={
        "encoder": Use(
            "labelling:dilations",
            settings={"features": cited(64, source="ours: a step takes half the time of one with 256")},
        )
    },
    data=Use(
        "std:images",
        settings={"size": cited(48, source="ours: 24 x 24 labels, which a step of a tenth of a second can match")},
    ),
    transforms=(
        Use(
            "labelling:flow-pair",
            settings={
                "required": cited(False, source="ours: one recipe for both kinds of data"),
                "minimum_flow": cited(0.01, source=_STILL),
            },
        ),
        Use(
            "labelling:tps-pair",
            settings={
                "unless_paired": cited(True, source="ours: one recipe for both kinds of data"),
                "margin": cited(0.125, source="ours: 6 of 48"),
            },
        ),
    ),
    schedule={"use": cited("cosine", source="ours: a run of minutes needs its rate to end low")},
    batch_size=cited(8, source="ours: more steps in the time; the package's README has what was tried"),
    budget=Budget(steps=cited(1_800, source="ours: less than 3 minutes on two cores")),
    evaluators=_landmarks_by("image", source="ours: not every kind of thing has eyes"),
)

DEMO = RecipeSpec(
    name="demo",
    extends="labelling:quick",
    summary="quick, cut to 80 seconds",
    source="ours",
    remove=("evaluators.trained",),
    budget=Budget(steps=cited(800, source="ours: 80 s on two cores, which leaves time for the rest of two minutes")),
)

SMOKE = RecipeSpec(
    name="smoke",
    extends="labelling:demo",
    summary="demo, cut to seconds: shows that everything runs, learns nothing",
    source="ours",
    slots={"encoder": Use("labelling:dilations", settings={"features": cited(16, source="ours")})},
    data=Use("std:images", settings={"size": cited(32, source="ours: a label map of 16 x 16 cells")}),
    batch_size=cited(8, source="ours"),
    budget=Budget(steps=cited(20, source="ours")),
)

RECIPES = (
    PAPER,
    SIMPLE_LOG,
    SIMPLE_DIST,
    SIMPLE_DIST_1,
    DILATIONS_LOG,
    HOURGLASS,
    EXCHANGE,
    FINE_TUNE,
    ARM,
    GLOBE,
    QUICK,
    DEMO,
    SMOKE,
)

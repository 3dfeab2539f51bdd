"""The two recipes on which the contract was drawn, small enough to train in a second."""

from armillary.specs import Budget, LossUse, RecipeSpec, SameAs, Stage, Take, Use, cited

_IMAGES = Use("std:images", settings={"size": 8, "split_by": "all"})
_COMMON = {
    "optimiser": {"use": "adam", "lr": cited(0.01, source="the toy's paper, Table 1")},
    "batch_size": 4,
}


RECIPES = [
    RecipeSpec(
        name="paper",
        method="toy:autoencoder",
        summary="the toy as published",
        source="nobody 2020, Table 1",
        slots={
            "picture.encoder": Use("toy:vector", settings={"features": 5}),
            "picture.head": Use("toy:picture"),
        },
        data=_IMAGES,
        transforms=(Use("std:horizontal-flip"), Use("toy:noise")),
        losses={"l1": LossUse("toy:l1", weight=cited(1.0, source="eq. 1"))},
        budget=Budget(steps=20),
        **_COMMON,
    ),
    RecipeSpec(name="smoke", extends="toy:paper", budget=Budget(steps=4)),
    RecipeSpec(
        name="pairs",
        method="toy:labelling",
        slots={"encoder": Use("toy:map"), "head": Use("toy:labels")},
        data=_IMAGES,
        transforms=(Use("toy:pair"),),
        losses={"match": LossUse("toy:match")},
        evaluators={"agreement": Use("toy:agreement/1"), "centre": Use("toy:centre/1")},
        budget=Budget(steps=6),
        **_COMMON,
    ),
    RecipeSpec(
        name="stages",
        serves="embedding",
        stages=(
            Stage(
                name="shapes",
                method="toy:autoencoder",
                slots={
                    "picture.encoder": Use("toy:vector", settings={"features": 5}),
                    "picture.head": Use("toy:picture"),
                },
                data=_IMAGES,
                losses={"l1": LossUse("toy:l1")},
                budget=Budget(steps=4),
                **_COMMON,
            ),
            Stage(
                name="embedding",
                method="toy:embedding",
                slots={
                    "encoder": Use("toy:vector", settings={"features": 5}),
                    "target": Take(stage="shapes", slot="picture.encoder", frozen=True),
                },
                data=_IMAGES,
                losses={"near": LossUse("toy:near")},
                budget=Budget(steps=6),
                **_COMMON,
            ),
            Stage(
                name="views",
                method="toy:views",
                slots={
                    "embedding": Take(stage="embedding", slot="*", frozen=True),
                    "head": Use("toy:picture"),
                },
                data=_IMAGES,
                losses={"l1": LossUse("toy:l1")},
                budget=Budget(steps=4),
                **_COMMON,
            ),
        ),
    ),
    RecipeSpec(
        name="shared",
        extends="toy:stages",
        remove=("stages.views",),
        stages=(Stage(name="embedding", slots={"target": SameAs("encoder")}),),
    ),
]

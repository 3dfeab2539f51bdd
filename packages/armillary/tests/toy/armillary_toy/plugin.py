"""What the toy plugin offers: the two recipes on which the contract was drawn, small enough to train in a second."""

from armillary.plugins.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import (
    Budget,
    EncoderSpec,
    EvaluatorSpec,
    HeadSpec,
    LossSpec,
    LossUse,
    MethodSpec,
    RecipeSpec,
    RendererSpec,
    SameAs,
    Slot,
    Stage,
    Take,
    TransformSpec,
    Use,
    cited,
)

IMAGE = Port("image", kind="image", shape="batch 3 height width")
FEATURE = Port("feature", kind="feature_vector", shape="batch width_of_feature")
TARGET = Port("target_feature", kind="feature_vector", shape="batch width_of_target")
FEATURES = Port("features", kind="feature_map", shape="batch channels height/2 width/2")
LABELS = Port("labels", kind="label_map", shape="batch 3 height/2 width/2")
RECONSTRUCTION = Port("reconstruction", kind="image", shape="batch 3 height width")


@hookimpl
def armillary_encoders() -> list[EncoderSpec]:
    return [
        EncoderSpec(
            name="vector",
            target="armillary_toy.parts:VectorEncoder",
            config="armillary_toy.config:VectorConfig",
            consumes=(Port("image", kind="image", shape="batch 3 rows columns"),),
            produces=(Port("feature", kind="feature_vector", shape="batch $features"),),
            summary="mean colours through a linear layer",
        ),
        EncoderSpec(
            name="map",
            target="armillary_toy.parts:MapEncoder",
            config="armillary_toy.config:VectorConfig",
            consumes=(Port("image", kind="image", shape="batch 3 rows columns"),),
            produces=(Port("features", kind="feature_map", shape="batch $features rows/2 columns/2"),),
            summary="one convolution at half the size",
        ),
    ]


@hookimpl
def armillary_heads() -> list[HeadSpec]:
    return [
        HeadSpec(
            name="picture",
            target="armillary_toy.parts:PictureHead",
            consumes=(Port("feature", kind="feature_vector", shape="batch channel"),),
            produces=(Port("reconstruction", kind="image", shape="batch 3 rows columns"),),
        ),
        HeadSpec(
            name="labels",
            target="armillary_toy.parts:LabelHead",
            consumes=(Port("features", kind="feature_map", shape="batch channel rows columns"),),
            produces=(Port("labels", kind="label_map", shape="batch 3 rows columns"),),
        ),
        HeadSpec(
            name="wrong-size",
            target="armillary_toy.parts:WrongSizeHead",
            consumes=(Port("feature", kind="feature_vector", shape="batch channel"),),
            produces=(Port("reconstruction", kind="image", shape="batch 3 rows columns"),),
        ),
    ]


@hookimpl
def armillary_renderers() -> list[RendererSpec]:
    return [
        RendererSpec(
            name="brighten",
            target="armillary_toy.parts:Brighten",
            consumes=(RECONSTRUCTION,),
            produces=(Port("bright", kind="image", shape="batch 3 height width"),),
        )
    ]


@hookimpl
def armillary_transforms() -> list[TransformSpec]:
    return [
        TransformSpec(
            name="pair",
            target="armillary_toy.parts:Pair",
            consumes=(Port("image", kind="image", shape="batch 3 rows columns"),),
            produces=(
                Port("source", kind="image", shape="batch 3 rows columns"),
                Port("target", kind="image", shape="batch 3 rows columns"),
                Port("grid", kind="grid", shape="batch rows columns 2"),
                Port("valid", kind="mask", shape="batch 1 rows columns"),
            ),
        ),
        TransformSpec(name="jitter", target="armillary_toy.parts:Jitter", consumes=(IMAGE,), produces=(IMAGE,)),
        TransformSpec(
            name="noise", per="batch", target="armillary_toy.parts:Noise", consumes=(IMAGE,), produces=(IMAGE,)
        ),
    ]


@hookimpl
def armillary_losses() -> list[LossSpec]:
    return [
        LossSpec(
            name="l1",
            target="armillary_toy.parts:L1",
            config="armillary_toy.config:L1Config",
            consumes=(RECONSTRUCTION, IMAGE),
        ),
        LossSpec(
            name="match",
            per="batch",
            caches=True,
            target="armillary_toy.parts:Match",
            consumes=(
                Port("source_labels", kind="label_map"),
                Port("target_labels", kind="label_map"),
                Port("grid", kind="grid", shape="batch height*2 width*2 2"),
                Port("valid", kind="mask", shape="batch 1 height*2 width*2"),
            ),
        ),
        LossSpec(
            name="near",
            target="armillary_toy.parts:Near",
            consumes=(
                Port("feature", kind="feature_vector", shape="batch channel"),
                Port("target_feature", kind="feature_vector", shape="batch channel"),
            ),
        ),
    ]


@hookimpl
def armillary_evaluators() -> list[EvaluatorSpec]:
    return [
        EvaluatorSpec(
            name="agreement/1",
            target="armillary_toy.parts:Agreement",
            consumes=(
                Port("source_labels", kind="label_map"),
                Port("target_labels", kind="label_map"),
            ),
            transforms=(Use("toy:jitter"), Use("toy:pair")),
            calls="forward",
            protocol="jittered pairs",
        ),
        EvaluatorSpec(
            name="cropped/1",
            target="armillary_toy.parts:Agreement",
            consumes=(
                Port("source_labels", kind="label_map"),
                Port("target_labels", kind="label_map"),
            ),
            transforms=(Use("std:crop", settings={"jitter": 0}), Use("toy:pair")),
            calls="forward",
            recipe_settings=True,
            protocol="pairs of the recipe's size, from the middle",
        ),
        EvaluatorSpec(
            name="centre/1",
            target="armillary_toy.parts:Centre",
            consumes=(Port("labels", kind="label_map"),),
            passes=(("fit", "train"), ("score", "test")),
            fit_outputs=True,
            protocol="no matter",
        ),
    ]


@hookimpl
def armillary_methods() -> list[MethodSpec]:
    encoder = Slot(kind="encoder", consumes=(IMAGE,), produces=(FEATURE,))
    picture = Slot(kind="head", consumes=(FEATURE,), produces=(RECONSTRUCTION,))
    return [
        MethodSpec(
            name="autoencoder",
            target="armillary_toy.parts:Autoencoder",
            config="armillary_toy.config:AutoencoderConfig",
            slots={
                "picture.encoder": encoder,
                "picture.head": picture,
                "renderer": Slot(
                    kind="renderer",
                    consumes=(RECONSTRUCTION,),
                    produces=(Port("bright", kind="image", shape="batch 3 height width"),),
                    optional=True,
                ),
            },
            trains_on=(IMAGE,),
            predicts_from=(IMAGE,),
            produces=(RECONSTRUCTION, FEATURE, Port("bright", kind="image", shape="batch 3 height width")),
            depends={"bright": "renderer"},
        ),
        MethodSpec(
            name="labelling",
            target="armillary_toy.parts:Labelling",
            slots={
                "encoder": Slot(kind="encoder", consumes=(IMAGE,), produces=(FEATURES,)),
                "head": Slot(kind="head", consumes=(FEATURES,), produces=(LABELS,)),
            },
            trains_on=(
                Port("source", kind="image", shape="batch 3 height width"),
                Port("target", kind="image", shape="batch 3 height width"),
            ),
            predicts_from=(IMAGE,),
            predicts=(LABELS,),
            produces=(
                Port("source_labels", kind="label_map", shape="batch 3 height/2 width/2"),
                Port("target_labels", kind="label_map", shape="batch 3 height/2 width/2"),
            ),
        ),
        MethodSpec(
            name="embedding",
            target="armillary_toy.parts:Embedding",
            slots={
                "encoder": encoder,
                "target": Slot(
                    kind="encoder",
                    consumes=(IMAGE,),
                    produces=(Port("feature", kind="feature_vector", shape="batch width_of_target"),),
                ),
            },
            trains_on=(IMAGE,),
            predicts_from=(IMAGE,),
            produces=(FEATURE, TARGET),
        ),
        MethodSpec(
            name="views",
            target="armillary_toy.parts:Views",
            slots={
                "embedding": Slot(kind="encoder", consumes=(IMAGE,), produces=(FEATURE,)),
                "head": picture,
            },
            trains_on=(IMAGE,),
            predicts_from=(IMAGE, Port("turn", kind="rotation", frame="camera", optional=True)),
            produces=(RECONSTRUCTION,),
        ),
    ]


_IMAGES = Use("std:images", settings={"size": 8, "split_by": "all"})
_COMMON = {
    "optimiser": {"use": "adam", "lr": cited(0.01, source="the toy's paper, Table 1")},
    "batch_size": 4,
}


@hookimpl
def armillary_recipes() -> list[RecipeSpec]:
    return [
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

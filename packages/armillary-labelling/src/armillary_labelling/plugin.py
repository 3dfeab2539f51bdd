"""What this package adds. Imports no torch: ``armillary plugins list`` must stay instant."""

from armillary.plugins.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import (
    EncoderSpec,
    EvaluatorSpec,
    HeadSpec,
    LossSpec,
    MethodSpec,
    RecipeSpec,
    Slot,
    TransformSpec,
)
from armillary_labelling.evaluator_specs import EVALUATORS
from armillary_labelling.recipes import RECIPES

_PAPER = "Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932"
_LATER = "Thewlis, Albanie, Bilen, Vedaldi 2019, arXiv:1908.06427"
_CODE = "jamt9000/DVE"
_PICTURE = "batch 3 height width"
_LABELS = "batch channels rows columns"

_IMAGE = Port("image", kind="image", shape=_PICTURE)
_SOURCE = Port("source", kind="image", shape=_PICTURE)
_TARGET = Port("target", kind="image", shape=_PICTURE)
_GRID = Port("grid", kind="grid", shape="batch height width 2")
_VALID = Port("valid", kind="mask", shape="batch 1 height width")
_PAIR = (_SOURCE, _TARGET, _GRID, _VALID)
_OUTPUT_FEATURES = Port("features", kind="feature_map", shape="batch $features height/2 width/2")
_FEATURES = Port("features", kind="feature_map", shape="batch features rows columns")
_LABEL_PAIR = (
    Port("source_labels", kind="label_map", shape=_LABELS),
    Port("target_labels", kind="label_map", shape=_LABELS),
)
_MATCHED = (*_LABEL_PAIR, _GRID, _VALID)


@hookimpl
def armillary_encoders() -> list[EncoderSpec]:
    return [
        EncoderSpec(
            name="dilations",
            target="armillary_labelling.networks:Dilations",
            config="armillary_labelling.config:DilationsConfig",
            consumes=(_IMAGE,),
            produces=(_OUTPUT_FEATURES,),
            summary="five convolutions, three of them with gaps, to features at half the size",
            source=f"{_PAPER}, Section 3.2: DILATIONS; {_CODE}, model/smallnet.py",
        ),
        EncoderSpec(
            name="simple",
            target="armillary_labelling.networks:Simple",
            config="armillary_labelling.config:SimpleConfig",
            consumes=(_IMAGE,),
            produces=(_OUTPUT_FEATURES,),
            summary="the same without gaps: a feature sees less of the picture",
            source=f"{_PAPER}, Section 3.2: SIMPLE; its sizes are ours",
        ),
        EncoderSpec(
            name="hourglass",
            target="armillary_labelling.networks:Hourglass",
            config="armillary_labelling.config:HourglassConfig",
            consumes=(_IMAGE,),
            produces=(_OUTPUT_FEATURES,),
            summary="one hourglass of residual blocks: a feature sees the whole picture",
            source=f"{_LATER}; {_CODE}, model/hourglass.py",
        ),
    ]


@hookimpl
def armillary_heads() -> list[HeadSpec]:
    return [
        HeadSpec(
            name="label-map",
            target="armillary_labelling.heads:LabelMap",
            config="armillary_labelling.config:LabelMapConfig",
            consumes=(_FEATURES,),
            produces=(Port("labels", kind="label_map", shape="batch $channels rows columns"),),
            summary="labels: points of the object's sphere, or with more channels descriptors",
            source=f"{_PAPER}, Section 3.2",
        )
    ]


@hookimpl
def armillary_transforms() -> list[TransformSpec]:
    return [
        TransformSpec(
            name="tps-pair",
            target="armillary_labelling.transforms:TpsPair",
            config="armillary_labelling.config:TpsPairConfig",
            consumes=(
                _IMAGE,
                Port("true_landmarks2d", kind="landmarks2d", optional=True),
                Port("true_visible", kind="visibility", optional=True),
            ),
            produces=(
                Port("source", kind="image", shape="batch 3 rows columns"),
                Port("target", kind="image", shape="batch 3 rows columns"),
                Port("grid", kind="grid", shape="batch rows columns 2"),
                Port("valid", kind="mask", shape="batch 1 rows columns"),
                Port("source_landmarks2d", kind="landmarks2d", shape="batch points 2", optional=True),
                Port("target_landmarks2d", kind="landmarks2d", shape="batch points 2", optional=True),
                Port("source_visible", kind="visibility", shape="batch points", optional=True),
                Port("target_visible", kind="visibility", shape="batch points", optional=True),
            ),
            summary="two warps of one picture by thin-plate splines, and where each pixel went",
            source=f"{_PAPER}, Section 3.3; {_CODE}, utils/tps.py",
        ),
        TransformSpec(
            name="flow-pair",
            target="armillary_labelling.transforms:FlowPair",
            config="armillary_labelling.config:FlowPairConfig",
            consumes=(
                _IMAGE,
                Port("partner_image", kind="image", shape=_PICTURE, optional=True),
                Port("partner_grid", kind="grid", shape="batch height width 2", optional=True),
                Port("partner_valid", kind="mask", shape="batch 1 height width", optional=True),
            ),
            produces=_PAIR,
            summary="a picture and its partner, with the flow that the data or the generator brings",
            source=f"{_PAPER}, Section 4.1",
        ),
        TransformSpec(
            name="photometric",
            target="armillary_labelling.transforms:Photometric",
            config="armillary_labelling.config:PhotometricConfig",
            consumes=(
                Port("source", kind="image", shape=_PICTURE, optional=True),
                Port("target", kind="image", shape=_PICTURE, optional=True),
            ),
            summary="compression, brightness, contrast, saturation and light of each picture by itself",
            source=f"{_CODE}, data_loader/data_loaders.py",
        ),
    ]


@hookimpl
def armillary_losses() -> list[LossSpec]:
    return [
        LossSpec(
            name="log",
            target="armillary_labelling.losses:Log",
            consumes=_MATCHED,
            summary="negative log-likelihood of the true match",
            source=f"{_PAPER}, Eq. 4",
        ),
        LossSpec(
            name="distance",
            target="armillary_labelling.losses:Distance",
            config="armillary_labelling.config:DistanceConfig",
            consumes=_MATCHED,
            summary="expected distance of the match from the truth, to a power",
            source=f"{_PAPER}, Eq. 5",
        ),
        LossSpec(
            name="margin",
            target="armillary_labelling.losses:Margin",
            config="armillary_labelling.config:MarginConfig",
            consumes=_MATCHED,
            summary="how far the best wrong match, raised by a margin, lies above the true one",
            source=f"{_PAPER}, footnote 2",
        ),
        LossSpec(
            name="exchange",
            target="armillary_labelling.losses:Exchange",
            config="armillary_labelling.config:ExchangeConfig",
            consumes=_MATCHED,
            per="batch",
            summary="the distance loss with labels said through those of the next picture",
            source=f"{_LATER}; {_CODE}, model/loss.py",
        ),
    ]


@hookimpl
def armillary_methods() -> list[MethodSpec]:
    return [
        MethodSpec(
            name="labelling",
            target="armillary_labelling.method:Labelling",
            limits=(
                "Labels are of the pixels that the picture shows; nothing is said of the object's hidden side.",
                "The frame is fixed only up to a map of the sphere onto itself: two runs label the same point differently.",
                "Objects should be like a sphere in topology; where a part hides another, labels may jump.",
            ),
            slots={
                "encoder": Slot(kind="encoder", consumes=(_IMAGE,), produces=(_FEATURES,)),
                "head": Slot(
                    kind="head", consumes=(_FEATURES,), produces=(Port("labels", kind="label_map", shape=_LABELS),)
                ),
            },
            trains_on=(_SOURCE, _TARGET),
            # Symbols of their own: pictures may have another size in prediction than in training.
            predicts_from=(Port("image", kind="image", shape="batch 3 image_height image_width"),),
            produces=_LABEL_PAIR,
            predicts=(Port("labels", kind="label_map", shape="batch channels label_rows label_columns"),),
            summary="every pixel gets its point on the object's sphere, the same in every picture",
            source=f"{_PAPER}, Section 3",
        )
    ]


@hookimpl
def armillary_evaluators() -> list[EvaluatorSpec]:
    return list(EVALUATORS)


@hookimpl
def armillary_recipes() -> list[RecipeSpec]:
    return list(RECIPES)

"""The parts with weights, the losses and the methods of this package, for its plugin to list."""

from armillary.ports import Port
from armillary.specs import EncoderSpec, HeadSpec, LossSpec, MethodSpec, RendererSpec, Slot

_PAPER = "Esteves, Sud, Luo, Daniilidis, Makadia 2019, arXiv:1812.02716"
_EARLIER = "Esteves, Allen-Blanchette, Makadia, Daniilidis 2018, arXiv:1711.06721"
_POSE = "Mahendran, Ali, Vidal 2017, arXiv:1708.05628"
_HERE = "armillary_spherical"
_CONFIG = f"{_HERE}.network_config"

_SPHERE = Port("sphere", kind="sphere_signal", shape="batch signals rows columns")
_IMAGE = Port("image", kind="image", shape="batch shades height width")
_FEATURE = Port("feature", kind="feature_vector", shape="batch features")
_CLASS_FEATURES = Port("class_features", kind="feature_vector", shape="batch class_features")
_FEATURES = Port("features", kind="sphere_signal", shape="batch channels colatitude azimuth")
_EMBEDDING = Port("embedding", kind="sphere_signal", shape="batch channels colatitude azimuth")
_SHAPE_EMBEDDING = Port(
    "shape_embedding", kind="sphere_signal", shape="batch channels colatitude azimuth", optional=True
)
_TARGET_EMBEDDING = Port("target_embedding", kind="sphere_signal", shape="batch channels colatitude azimuth")
_RECONSTRUCTION = Port("reconstruction", kind="image", shape="batch shades height width")
_ROTATION = Port("rotation", kind="rotation")
_ROTATION_VECTOR = Port("rotation_vector", kind="x.spherical.rotation_vector", shape="batch 3", unit="radian")
_TRUE_ROTATION = Port("true_rotation", kind="rotation")
_SCORES = Port("class_scores", kind="class_scores", shape="batch classes")

_OWN_MAP = Port("features", kind="sphere_signal", shape="batch $feature_channels $feature_size $feature_size")
_OWN_FINE_MAP = Port("fine_features", kind="sphere_signal", shape="batch $fine_channels $fine_size $fine_size")
_OWN_VECTOR = Port("class_features", kind="feature_vector", shape="batch $class_features")

ENCODERS: tuple[EncoderSpec, ...] = (
    EncoderSpec(
        name="residual-cnn",
        target=f"{_HERE}.shape_networks:ResidualCnn",
        config=f"{_CONFIG}:ResidualCnnConfig",
        consumes=(_SPHERE,),
        produces=(_OWN_MAP, _OWN_FINE_MAP, _OWN_VECTOR),
        symmetry="o3",
        summary="residual spherical CNN: a map that turns with the shape and a vector that does not",
        source=f"{_PAPER}, Appendix A.1",
    ),
    EncoderSpec(
        name="two-branch-cnn",
        target=f"{_HERE}.shape_networks:TwoBranchCnn",
        config=f"{_CONFIG}:TwoBranchCnnConfig",
        consumes=(_SPHERE,),
        produces=(_OWN_MAP, _OWN_FINE_MAP, _OWN_VECTOR),
        symmetry="o3",
        summary="spherical CNN with a branch for ray lengths and one for angles",
        source=f"{_EARLIER}, Section 5.1; daniilidis-group/spherical-cnn, models.py",
    ),
    EncoderSpec(
        name="e3nn-cnn",
        target=f"{_HERE}.e3nn_encoder:E3nnCnn",
        config=f"{_CONFIG}:E3nnCnnConfig",
        consumes=(_SPHERE,),
        produces=(_OWN_MAP, _OWN_VECTOR),
        symmetry="o3",
        summary="spherical CNN of e3nn's own layers, grids and activations, up to degree 11",
        source="ours, of e3nn (Geiger and Smidt 2022, arXiv:2207.09453)",
    ),
    EncoderSpec(
        name="pointwise",
        target=f"{_HERE}.pointwise:Pointwise",
        config=f"{_CONFIG}:PointwiseConfig",
        consumes=(_SPHERE,),
        produces=(
            Port("features", kind="sphere_signal", shape="batch 7 $feature_size $feature_size"),
            Port("class_features", kind="feature_vector", shape="batch 7"),
        ),
        symmetry="o3",
        summary="seven functions of the ray length, nothing learnt: what the networks must beat",
        source="ours",
    ),
    EncoderSpec(
        name="image-to-vector",
        target=f"{_HERE}.image_networks:ImageToVector",
        config=f"{_CONFIG}:ImageToVectorConfig",
        consumes=(_IMAGE,),
        produces=(Port("feature", kind="feature_vector", shape="batch $features"),),
        summary="residual network of pre-activation blocks, a picture to one vector",
        source=f"{_PAPER}, Appendix A.2",
    ),
    EncoderSpec(
        name="plain-encoder",
        target=f"{_HERE}.plain_networks:PlainEncoder",
        config=f"{_CONFIG}:PlainEncoderConfig",
        consumes=(_IMAGE,),
        produces=(Port("feature", kind="feature_vector", shape="batch $features"),),
        summary="four strided convolutions, a picture to one vector: cheap on a processor",
        source="ours",
    ),
)

HEADS: tuple[HeadSpec, ...] = (
    HeadSpec(
        name="class-scores",
        target=f"{_HERE}.heads:ClassScores",
        config=f"{_CONFIG}:ClassScoresConfig",
        consumes=(_CLASS_FEATURES,),
        produces=(Port("class_scores", kind="class_scores", shape="batch $classes"),),
        summary="one score a category",
        source=f"{_PAPER}, Appendix A.1",
    ),
    HeadSpec(
        name="vector-to-sphere",
        target=f"{_HERE}.image_networks:VectorToSphere",
        config=f"{_CONFIG}:VectorToSphereConfig",
        consumes=(_FEATURE,),
        produces=(_EMBEDDING,),
        summary="one vector to a map of the sphere, azimuth padded in a circle",
        source=f"{_PAPER}, Section 3.2.1 and Appendix A.2",
    ),
    HeadSpec(
        name="vector-to-coefficients",
        target=f"{_HERE}.plain_networks:VectorToCoefficients",
        config=f"{_CONFIG}:VectorToCoefficientsConfig",
        consumes=(_FEATURE,),
        produces=(_EMBEDDING,),
        summary="one vector to the spherical harmonics of a map of the sphere, by one linear map",
        source="ours",
    ),
    HeadSpec(
        name="pose",
        target=f"{_HERE}.heads:Pose",
        config=f"{_CONFIG}:PoseConfig",
        consumes=(_FEATURE,),
        produces=(_ROTATION, _ROTATION_VECTOR),
        summary="three layers to a rotation",
        source=f"{_POSE}, Section 4; {_PAPER}, Appendix B.1",
    ),
    HeadSpec(
        name="frame",
        target=f"{_HERE}.heads:Frame",
        config=f"{_CONFIG}:FrameConfig",
        consumes=(_FEATURES,),
        produces=(_ROTATION, Port("scalars", kind="feature_vector", shape="batch $scalars")),
        symmetry="so3",
        summary="a frame that turns with the shape and scalars that do not, read off degrees 0 and 1",
        source="ours; the frame by Zhou et al. 2019, arXiv:1812.07035, Section B",
    ),
)

RENDERERS: tuple[RendererSpec, ...] = (
    RendererSpec(
        name="synthesiser",
        target=f"{_HERE}.synthesiser:Synthesiser",
        config=f"{_CONFIG}:SynthesiserConfig",
        consumes=(_EMBEDDING,),
        produces=(Port("view", kind="image", shape="batch shades height width"),),
        summary="a map of the sphere back to a picture",
        source=f"{_PAPER}, Section 3.2.4 and Appendix A.3",
    ),
)

LOSSES: tuple[LossSpec, ...] = (
    LossSpec(
        name="cross-entropy",
        target=f"{_HERE}.losses:CrossEntropy",
        consumes=(_SCORES, Port("class_label", kind="class_label")),
        summary="cross-entropy of the true category",
        source=f"{_PAPER}, Appendix A.1",
    ),
    LossSpec(
        name="huber-sphere",
        target=f"{_HERE}.losses:HuberSphere",
        config=f"{_CONFIG}:HuberSphereConfig",
        consumes=(_EMBEDDING, _TARGET_EMBEDDING),
        summary="Huber error of a map of the sphere, weighted by area",
        source=f"{_PAPER}, Eqs. 5 and 6",
    ),
    LossSpec(
        name="pixel",
        target=f"{_HERE}.losses:Pixel",
        config=f"{_CONFIG}:PixelConfig",
        consumes=(_RECONSTRUCTION, _IMAGE),
        summary="absolute or squared error of the pixels",
        source=f"{_PAPER}, Appendix A.3",
    ),
    LossSpec(
        name="geodesic",
        target=f"{_HERE}.losses:Geodesic",
        consumes=(_ROTATION, _TRUE_ROTATION),
        summary="angle between two rotations",
        source=f"{_POSE}, Eq. 3; {_PAPER}, Appendix B.1",
    ),
    LossSpec(
        name="rotation-vector",
        target=f"{_HERE}.losses:RotationVectorError",
        consumes=(_ROTATION_VECTOR, _TRUE_ROTATION),
        summary="root mean squared error of the rotation vector",
        source=f"{_POSE}, Section 4; {_PAPER}, Appendix B.1",
    ),
)


def _encoder(*produces: Port) -> Slot:
    return Slot(kind="encoder", consumes=(_SPHERE,), produces=produces)


_PICTURE_ENCODER = Slot(kind="encoder", consumes=(_IMAGE,), produces=(_FEATURE,))


def _embedding(name: str, config: str, target: Port, *, summary: str) -> MethodSpec:
    return MethodSpec(
        name=name,
        target=f"{_HERE}.method:Embedding",
        config=f"{_CONFIG}:{config}",
        slots={
            "encoder": _PICTURE_ENCODER,
            "head": Slot(kind="head", consumes=(_FEATURE,), produces=(_EMBEDDING,)),
            "target": _encoder(target),
        },
        trains_on=(_IMAGE, _SPHERE),
        predicts_from=(
            Port("image", kind="image", shape="batch shades height width", optional=True),
            Port("sphere", kind="sphere_signal", shape="batch signals rows columns", optional=True),
        ),
        produces=(_EMBEDDING, _TARGET_EMBEDDING),
        predicts=(_EMBEDDING, _SHAPE_EMBEDDING),
        summary=summary,
        source=f"{_PAPER}, Section 3.2",
        limits=(
            "Objects that look alike after a turn have several right answers; one of them is given.",
            "The object must fill the picture as it did in training, cut out before an even background.",
            "Colours and textures are not in the embedding.",
        ),
    )


METHODS: tuple[MethodSpec, ...] = (
    MethodSpec(
        name="classifier",
        target=f"{_HERE}.method:Classifier",
        slots={
            "encoder": _encoder(_FEATURES, _CLASS_FEATURES),
            "head": Slot(kind="head", consumes=(_CLASS_FEATURES,), produces=(_SCORES,)),
        },
        trains_on=(_SPHERE,),
        predicts_from=(_SPHERE,),
        produces=(_SCORES, _FEATURES),
        summary="categories of shapes in any orientation; its features turn with the shape",
        source=f"{_PAPER}, Section 3.1",
        limits=("It knows the categories that it was trained on, and shapes as rays from their centre see them.",),
    ),
    _embedding(
        "embedding",
        "EmbeddingConfig",
        _FEATURES,
        summary="pictures to maps of the sphere that turn with the object, learnt without pose labels",
    ),
    _embedding(
        "fine-embedding",
        "FineEmbeddingConfig",
        Port("fine_features", kind="sphere_signal", shape="batch channels colatitude azimuth"),
        summary="the same to a finer map of an earlier layer, which tells instances apart",
    ),
    MethodSpec(
        name="views",
        target=f"{_HERE}.method:Views",
        slots={
            "embedding": Slot(kind="encoder", consumes=(_IMAGE,), produces=(_EMBEDDING,)),
            "renderer": Slot(
                kind="renderer",
                consumes=(_EMBEDDING,),
                produces=(Port("view", kind="image", shape="batch shades height width"),),
            ),
        },
        trains_on=(_IMAGE,),
        predicts_from=(_IMAGE, Port("rotation", kind="rotation", frame="world", optional=True)),
        produces=(_RECONSTRUCTION, _EMBEDDING),
        summary="new views of a picture's object, drawn from its turned embedding",
        source=f"{_PAPER}, Section 3.2.4",
        limits=("New views are blurred: what the picture does not show is drawn as shapes of its kind have it.",),
    ),
    MethodSpec(
        name="regression",
        target=f"{_HERE}.method:Regression",
        slots={
            "encoder": _PICTURE_ENCODER,
            "head": Slot(kind="head", consumes=(_FEATURE,), produces=(_ROTATION, _ROTATION_VECTOR)),
        },
        trains_on=(_IMAGE,),
        predicts_from=(_IMAGE,),
        produces=(_ROTATION, _ROTATION_VECTOR),
        summary="baseline: the rotation from the category's canonical orientation, learnt from pose labels",
        source=f"{_PAPER}, Appendix B.1; {_POSE}",
        limits=("It needs shapes that are aligned within their category, and pose labels.",),
    ),
    MethodSpec(
        name="orientation",
        target=f"{_HERE}.method:Orientation",
        slots={
            "encoder": _encoder(_FEATURES),
            "head": Slot(kind="head", consumes=(_FEATURES,), produces=(_ROTATION,)),
        },
        trains_on=(_SPHERE,),
        predicts_from=(_SPHERE,),
        produces=(_ROTATION, _FEATURES),
        summary="orientation of shapes, by features that turn with them",
        source="ours",
        limits=("It needs shapes that are aligned within their category.",),
    ),
)

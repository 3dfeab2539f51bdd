"""What the core itself offers, as the built-in plugin ``std``. Light."""

from armillary.plugins.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import DatasetSpec, EncoderSpec, EvaluatorSpec, LossSpec, RendererSpec, TransformSpec

_UNSUP3D = "Wu, Rupprecht, Vedaldi 2020, arXiv:1911.11130"
_UNSUP3D_CODE = "elliottwu/unsup3d, unsup3d"
_PHOTOGEO = "Wu, Rupprecht, Vedaldi 2019, arXiv:1906.01568"
_RECONSTRUCTION = Port("reconstruction", kind="image", shape="batch 3 height width")
_IMAGE = Port("image", kind="image", shape="batch 3 height width")
_VISIBLE = Port("visible", kind="mask", shape="batch 1 height width")


@hookimpl
def armillary_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            name="images",
            target="armillary.std.images:Images",
            config="armillary.std.config:ImagesConfig",
            produces=(
                Port("image", kind="image", shape="batch 3 $size $size"),
                Port("camera", kind="camera", optional=True),
                Port("true_depth", kind="depth", shape="batch 1 $size $size", frame="image", optional=True),
                Port("true_mask", kind="mask", shape="batch 1 $size $size", frame="image", optional=True),
                Port("true_normals", kind="normals", shape="batch 3 $size $size", frame="camera", optional=True),
                Port("true_albedo", kind="albedo", shape="batch 3 $size $size", frame="image", optional=True),
                Port("true_pose", kind="pose", optional=True),
                Port("true_light", kind="light", optional=True),
                Port("true_landmarks2d", kind="landmarks2d", optional=True),
                Port("true_landmarks3d", kind="landmarks3d", frame="camera", optional=True),
                Port("true_visible", kind="visibility", optional=True),
                Port(
                    "true_coordinates",
                    kind="coordinate_map",
                    shape="batch 3 $size $size",
                    frame="object",
                    optional=True,
                ),
                Port("partner_image", kind="image", shape="batch 3 $size $size", optional=True),
                Port("partner_grid", kind="grid", shape="batch $size $size 2", optional=True),
                Port("partner_valid", kind="mask", shape="batch 1 $size $size", frame="image", optional=True),
            ),
            summary="a folder of pictures, with depth, masks, landmarks and optical flow where they lie beside them",
            source="ours",
        )
    ]


@hookimpl
def armillary_transforms() -> list[TransformSpec]:
    return [
        TransformSpec(
            name="horizontal-flip",
            target="armillary.std.transforms:HorizontalFlip",
            config="armillary.std.config:HorizontalFlipConfig",
            moves=True,
            summary="mirror a sample left to right, everything in it by its kind",
            source="elliottwu/unsup3d, unsup3d/dataloaders.py",
        ),
        TransformSpec(
            name="crop",
            target="armillary.std.transforms:CentreCrop",
            config="armillary.std.config:CropConfig",
            consumes=(Port("image", kind="image", shape="batch 3 height width"),),
            produces=(Port("image", kind="image", shape="batch 3 $size $size"),),
            moves=True,
            summary="a square part of the sample at its centre, or up to some pixels from it",
            source="ours",
        ),
    ]


@hookimpl
def armillary_encoders() -> list[EncoderSpec]:
    return [
        EncoderSpec(
            name="plain-encoder",
            target="armillary.std.networks:PlainEncoder",
            config="armillary.std.config:PlainEncoderConfig",
            consumes=(_IMAGE,),
            produces=(Port("feature", kind="feature_vector", shape="batch $features"),),
            summary="strided convolutions with rectifiers, to one vector",
            source=f"{_UNSUP3D_CODE}/networks.py, Encoder without its last layer; {_PHOTOGEO}, Table 7",
        )
    ]


@hookimpl
def armillary_renderers() -> list[RendererSpec]:
    return [
        RendererSpec(
            name="depth-mesh",
            target="armillary.std.renderers:DepthMesh",
            consumes=(
                Port("canonical_depth", kind="depth", shape="batch 1 height width", frame="canonical"),
                Port("pose", kind="pose"),
                Port("camera", kind="camera"),
            ),
            produces=(
                Port("depth", kind="depth", shape="batch 1 height width", frame="image"),
                Port("visible", kind="mask", shape="batch 1 height width", frame="image"),
            ),
            summary="depth of a canonical depth map seen from another viewpoint",
            source=f"{_UNSUP3D}, Section 3.3 (there: Kato et al. 2018)",
        )
    ]


@hookimpl
def armillary_losses() -> list[LossSpec]:
    return [
        LossSpec(
            name="multiscale-gradient",
            target="armillary.std.losses:MultiscaleGradient",
            config="armillary.std.config:MultiscaleGradientConfig",
            consumes=(
                _RECONSTRUCTION,
                _IMAGE,
                Port("visible", kind="mask", shape="batch 1 height width", optional=True),
            ),
            summary="difference of image gradients over a pyramid: structure without a network's weights",
            source="ours",
        ),
        LossSpec(
            name="photometric-l1",
            target="armillary.std.photometric:PhotometricL1",
            consumes=(_RECONSTRUCTION, _IMAGE, _VISIBLE),
            summary="absolute image error",
            source=f"{_PHOTOGEO}, Eq. 5; {_UNSUP3D_CODE}/model.py, photometric_loss without confidence",
        ),
        LossSpec(
            name="perceptual-l2",
            target="armillary.std.photometric:PerceptualL2",
            config="armillary.std.config:PerceptualL2Config",
            consumes=(_RECONSTRUCTION, _IMAGE, _VISIBLE),
            caches=True,
            assets=("vgg16",),
            summary="squared error of VGG-16 features, of one layer or of several",
            source=f"{_PHOTOGEO}, Section 3.3; {_UNSUP3D_CODE}/networks.py, PerceptualLoss without confidence",
        ),
        LossSpec(
            name="smoothness",
            target="armillary.std.photometric:Smoothness",
            config="armillary.std.config:SmoothnessConfig",
            consumes=(Port("depth", kind="depth", shape="batch 1 height width"),),
            summary="steps of depth between neighbours",
            source=f"{_UNSUP3D_CODE}/model.py, loss_depth_sm; used for cars",
        ),
    ]


@hookimpl
def armillary_evaluators() -> list[EvaluatorSpec]:
    return [
        EvaluatorSpec(
            name="side-mad/1",
            target="armillary.std.evaluators:SideMad",
            config="armillary.std.config:SideMadConfig",
            consumes=(
                Port("depth", kind="depth", shape="batch 1 height width", frame="image"),
                Port("visible", kind="mask", shape="batch 1 height width", optional=True),
                Port("true_depth", kind="depth", shape="batch 1 height width", frame="image"),
                Port("true_mask", kind="mask", shape="batch 1 height width", optional=True),
                Port("camera", kind="camera", optional=True),
            ),
            passes=(("fit", "train"), ("score", "test")),
            protocol=(
                "depth in the picture's frame over the pixels that truth and prediction both cover, each mask eroded by "
                "3 x 3; standard deviation of the log-depth difference (SIDE, times 100) and mean angle between normals "
                "from depth (MAD, degrees); mean and standard deviation over pictures. The average depth is fitted on "
                "the training split."
            ),
            summary="scale-invariant depth error and mean angle deviation",
            source=f"{_UNSUP3D}, Section 4.1",
        ),
        EvaluatorSpec(
            name="keypoint-depth-correlation/1",
            target="armillary.std.keypoint_depth:KeypointDepthCorrelation",
            config="armillary.std.config:KeypointDepthConfig",
            consumes=(
                Port("depth", kind="depth", shape="batch 1 height width", frame="image"),
                Port("true_landmarks2d", kind="landmarks2d"),
                Port("true_landmarks3d", kind="landmarks3d", frame="camera"),
                Port("true_visible", kind="visibility", optional=True),
                Port("true_depth", kind="depth", shape="batch 1 height width", frame="image", optional=True),
                Port("true_mask", kind="mask", shape="batch 1 height width", optional=True),
            ),
            passes=(("fit", "train"), ("score", "test")),
            protocol=(
                "depth in the picture's frame, read at the true 2D place of each annotated point, against the point's true "
                "z; for each point the correlation over pictures, no alignment; the sum over points of its absolute value, "
                "that sum by the number of points, and the sum with signs. Points outside of the picture are left out, "
                "occluded ones are not. The average depth, where the data have depth, is fitted on the training split."
            ),
            summary="correlation over pictures of the depth found at annotated points with their true depth",
            source=f"{_PHOTOGEO}, Table 2; joelmoniz/DepthNets, depthnet-pytorch/util.py, compute_covar",
        ),
    ]

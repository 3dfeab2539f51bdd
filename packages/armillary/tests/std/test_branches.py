"""Claims of ``branches.py``: bases of encoders and heads, shading and looking up, by hand and against the kernels."""

import math

import pytest
import torch
from torch import nn

from armillary import ports
from armillary.config import param
from armillary.interfaces.signature import record_ports
from armillary.kernels.cameras import intrinsics
from armillary.std.branches import (
    AlbedoHead,
    Encoded,
    Explained,
    PoseOut,
    VectorEncoder,
    ViewHead,
    exact,
    reprojected,
    shaded,
)

SIDE = 8


def draw(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


class Flat(VectorEncoder, name="flat", source="this test"):
    """The picture as a vector."""

    def setup(self):
        self.layers = nn.Sequential(nn.Flatten())


class Grey(AlbedoHead, name="grey", source="this test"):
    """The vector as a map."""

    def setup(self):
        self.decoder = nn.Unflatten(1, (3, self.side, self.side))


class Turn(ViewHead, name="turn", source="this test"):
    """A motion without weights of its own."""

    rotation_range: float = param(1.0)
    translation_range: float = param(0.5)
    depth_translation_range: float | None = param(None)

    def setup(self):
        self.last = nn.Linear(self.features, 6, bias=False)
        nn.init.eye_(self.last.weight)

    def forward(self, feature: ports.FeatureVector) -> PoseOut:
        """Return the identity."""
        return {"pose": torch.eye(3, 4).expand(feature.shape[0], 3, 4)}


def test_an_encoder_sees_the_picture_about_zero():
    """Images in [0, 1] come to [-1, 1]; the side is read from the picture's port, and is no setting."""
    encoder = Flat.build(Flat.Config(), inputs={"image": (None, 3, SIDE, SIDE)}, outputs={})
    assert encoder.side == SIDE
    feature = encoder(image=torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1).expand(2, 3, SIDE, SIDE))["feature"]
    assert feature.view(2, 3, -1).mean(-1).tolist() == [[-1, 0, 1]] * 2
    assert [str(port) for port in record_ports(Encoded)] == ["feature: feature_vector [batch $features]"]


def test_albedo_is_half_of_tanh_plus_one():
    feature = 3 * (draw(2, 3 * SIDE * SIDE) - 0.5)
    albedo = Grey(features=3 * SIDE * SIDE, side=SIDE)(feature=feature)["albedo"]
    torch.testing.assert_close(albedo.flatten(1), torch.tanh(feature) / 2 + 0.5)


@pytest.mark.parametrize(("along", "z"), [(None, 0.5), (0.1, 0.1), (0.0, 0.0)])
def test_a_motion_keeps_to_its_ranges(along, z):
    """tanh of 20 is 1: each number is at the end of its range; along z the range of x and y is the default."""
    motion = Turn(features=6, depth_translation_range=along).motion(torch.full((2, 6), 20.0))
    torch.testing.assert_close(motion, torch.tensor([[1.0, 1.0, 1.0, 0.5, 0.5, z]]).expand(2, 6))


@pytest.mark.parametrize(
    ("given", "made"),
    [(torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)],
)
def test_geometry_is_single_precision_at_least(given, made):
    assert exact({"pose": torch.zeros(3, 4, dtype=given)})["pose"].dtype == made


def test_shading_by_hand():
    """A surface that faces the viewer, lit from there: ambient 0.4 and diffuse 0.5 give 0.9 of the albedo."""
    albedo, normals = draw(1, 3, SIDE, SIDE), torch.tensor([0.0, 0.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, SIDE, SIDE)
    image, shade = shaded(albedo, normals, torch.tensor([[0.4, 0.5, 0.0, 0.0, -1.0]]))
    torch.testing.assert_close(shade, torch.full((1, 1, SIDE, SIDE), 0.9))
    torch.testing.assert_close(image, 0.9 * albedo)


def test_without_light_the_albedo_is_the_image():
    albedo = draw(1, 3, SIDE, SIDE)
    image, shade = shaded(albedo, torch.zeros_like(albedo), None)
    assert image is albedo
    assert shade is None


def test_a_shift_by_a_pixel_looks_up_the_neighbour():
    """At depth 1 a pixel is 1 / f wide: moved right by that, each pixel shows its left neighbour; what is hidden is grey."""
    camera = intrinsics(math.radians(10), height=SIDE, width=SIDE)[None]
    pose = torch.eye(3, 4)[None].clone()
    pose[0, 0, 3] = 1 / camera[0, 0, 0]
    canonical = draw(1, 3, SIDE, SIDE)
    visible = torch.ones(1, 1, SIDE, SIDE, dtype=torch.bool)
    visible[..., -1] = False
    depth = torch.ones(1, 1, SIDE, SIDE)
    found = reprojected(canonical, depth=depth, pose=pose, camera=camera, visible=visible)
    torch.testing.assert_close(found[..., 1:-1], canonical[..., :-2], atol=1e-4, rtol=0)
    assert (found[..., -1] == 0.5).all()


def test_light_and_shading_are_optional():
    assert [port.name for port in record_ports(Explained) if port.optional] == ["light", "shading"]

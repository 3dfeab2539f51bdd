"""Claims of ``heads.py``: sizes, and a frame that turns with the shape and not with its mirror image."""

import pytest
import torch

from armillary.kernels.rotations import random_rotation
from armillary.nn.spheres.grids import points, soft
from armillary.nn.spheres.rotation import rotate_coefficients
from armillary.nn.spheres.transforms import signal_from_coefficients
from armillary_spherical.heads import ClassScores, Frame, Pose


def maps(channels=4, batch=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    coefficients = torch.randn(batch, channels, 64, generator=generator, dtype=torch.float64)
    turn = random_rotation(batch, generator=generator, dtype=torch.float64)
    turned = rotate_coefficients(coefficients, turn[:, None])
    return signal_from_coefficients(coefficients, grid=soft(8)), signal_from_coefficients(turned, grid=soft(8)), turn


def is_rotation(matrix):
    identity = torch.eye(3, dtype=matrix.dtype).expand_as(matrix)
    torch.testing.assert_close(matrix @ matrix.mT, identity, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(matrix), torch.ones(matrix.shape[:-2], dtype=matrix.dtype))


def test_scores_are_linear():
    head = ClassScores(classes=3, features=7)
    x, y = torch.randn(2, 7), torch.randn(2, 7)
    zero = head(class_features=torch.zeros(2, 7))["class_scores"]
    both = head(class_features=x + y)["class_scores"]
    apart = head(class_features=x)["class_scores"] + head(class_features=y)["class_scores"]
    torch.testing.assert_close(both + zero, apart, atol=1e-5, rtol=0)
    assert both.shape == (2, 3)


def test_a_pose_is_a_rotation_and_the_exponential_of_its_vector():
    from armillary.kernels.rotations import exp_map

    head = Pose(first=16, second=8, features=7).eval()
    found = head(feature=50 * torch.randn(9, 7))
    is_rotation(found["rotation"])
    torch.testing.assert_close(found["rotation"], exp_map(found["rotation_vector"]))
    assert found["rotation_vector"].abs().max() <= torch.pi


def test_a_frame_turns_with_the_map():
    """Equivariance under SO(3): ``head(Q f) = Q @ head(f)``; scalars stay."""
    head = Frame(channels=4, scalars=3).double()
    before, after, turn = maps()
    one, other = head(features=before), head(features=after)
    torch.testing.assert_close(other["rotation"], turn @ one["rotation"], atol=1e-12, rtol=0)
    torch.testing.assert_close(other["scalars"], one["scalars"], atol=1e-12, rtol=0)
    is_rotation(one["rotation"])


def test_a_frame_does_not_mirror():
    """The limit of the claim: point reflection turns both vectors round, but not their cross product."""
    head = Frame(channels=4).double()
    before, _, _ = maps()
    through_the_centre = before.flip(-2).roll(8, dims=-1)
    rotation, reflected = head(features=before)["rotation"], head(features=through_the_centre)["rotation"]
    torch.testing.assert_close(reflected[..., :2], -rotation[..., :2], atol=1e-10, rtol=0)
    assert (reflected + rotation)[..., 2].abs().max() > 0.1


def test_vectors_are_in_our_frame():
    """Golden: a map whose channels are x and y, mixed as they are, has the identity as its frame."""
    head = Frame(channels=2).double()
    weight = head.mix.weight
    assert isinstance(weight, torch.Tensor)
    with torch.no_grad():
        weight.zero_()
        weight[-4:] = torch.eye(2).flatten()  # the matrix of the vectors, channel by vector
    x, y, _ = points(soft(8), dtype=torch.float64).unbind(-1)
    found = head(features=torch.stack((x, y))[None])["rotation"][0]
    torch.testing.assert_close(found, torch.eye(3, dtype=torch.float64), atol=1e-12, rtol=0)


def test_one_vector_makes_no_frame():
    with pytest.raises(ValueError, match="two 1o features"):
        Frame(channels=1)


def test_unknown_widths_are_refused():
    with pytest.raises(ValueError, match="not known"):
        ClassScores.build(ClassScores.Config(), inputs={"class_features": (None, None)})
    with pytest.raises(ValueError, match="channels is not known"):
        Frame.build(Frame.Config(), inputs={"features": (None, None, 16, 16)})

"""Claims of ``shape_space.py``: the formulas by hand, what a picture does not tell, and the rule that settles it."""

import pytest
import torch

from armillary.kernels.rotations import exp_map
from armillary_keypoints.shape_space import ShapeSpace, depth_sign

MIRROR = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))


def space(points=6, basis=3, seed=0, *, trained=True):
    """A shape space in double precision; ``trained``: heads that say something."""
    torch.manual_seed(seed)
    found = ShapeSpace(points=points, basis=basis, hidden=16, mean_spread=0.3, basis_spread=0.1, momentum=0.5)
    found = found.double()
    if trained:
        for head in found.heads.values():
            torch.nn.init.normal_(head.weight, std=0.1)
            torch.nn.init.normal_(head.bias, std=0.1)
    return found


def points(items=4, count=6, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(items, count, 2, generator=draw, dtype=torch.float64) - 1


def test_every_picture_begins_as_the_mean_shape():
    shape = space(trained=False).eval()
    found = shape(keypoints2d=points())
    assert not found["shape_coefficients"].any()
    torch.testing.assert_close(found["pose"][..., :3], torch.eye(3, dtype=torch.float64).expand(4, 3, 3))
    assert not found["pose"][..., 3].any()
    assert torch.equal(found["scale"], torch.ones(4, 2, dtype=torch.float64))
    torch.testing.assert_close(found["projected_keypoints2d"], shape.mean[:, :2].expand(4, -1, -1))


@pytest.mark.parametrize("items", [1, 4])
def test_the_outputs_are_the_papers_formulas(items):
    """mat(M + a B), turned, moved, scaled along x and y by different numbers, looked at along z."""
    shape = space().eval()
    found = shape(keypoints2d=points(items))
    coefficients = found["shape_coefficients"]
    canonical = shape.mean + (coefficients[..., None, None] * shape.basis).sum(1)
    torch.testing.assert_close(found["canonical_keypoints3d"], canonical)  # an average of 0 has the sign 1
    pose, scale = found["pose"], found["scale"]
    posed = found["canonical_keypoints3d"] @ pose[..., :3].mT + pose[..., 3][:, None]
    torch.testing.assert_close(found["projected_keypoints2d"], posed[..., :2] * scale[:, None])
    torch.testing.assert_close(found["keypoints3d"], posed * scale.prod(-1).sqrt()[:, None, None])


def test_poses_are_rotations():
    turn = space()(keypoints2d=points())["pose"][..., :3]
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3, dtype=torch.float64).expand_as(turn))
    torch.testing.assert_close(turn.det(), torch.ones(4, dtype=torch.float64))


def mirrored(shape):
    """The same shapes mirrored in depth: z of mean and basis, and turns about x and y, change sign."""
    other = space()
    other.load_state_dict(shape.state_dict())
    with torch.no_grad():
        other.mean[:, 2] *= -1
        other.basis[..., 2] *= -1
        other.average[:, 2] *= -1
        for parameter in other.heads["rotation"].parameters():
            parameter[:2] *= -1
        for parameter in other.heads["translation"].parameters():
            parameter[2] *= -1
    return other


def test_a_shape_and_its_mirror_image_have_one_picture():
    """Why a rule is needed: by formula, without the sign."""
    generator = torch.Generator().manual_seed(0)
    canonical = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    vector = torch.randn(3, generator=generator, dtype=torch.float64)
    turn = exp_map(vector)
    other = exp_map(vector * torch.tensor([-1.0, -1.0, 1.0]))
    torch.testing.assert_close(other, MIRROR @ turn @ MIRROR)
    torch.testing.assert_close((canonical @ MIRROR @ other.mT)[:, :2], (canonical @ turn.mT)[:, :2])


def test_a_shape_and_its_mirror_image_come_out_as_one():
    """Every output is equal, whichever of the two was learnt; also with the average of a batch of its own."""
    one = space()
    one(keypoints2d=points(seed=1))
    other = mirrored(one)
    for shape in (one, other):
        shape.train()
        shape(keypoints2d=points(seed=2))
        shape.eval()
    assert one.average[:, 2].abs().max() > 0
    first, second = one(keypoints2d=points()), other(keypoints2d=points())
    for name in first:
        torch.testing.assert_close(first[name], second[name], msg=name)


def test_what_bulges_towards_the_viewer_is_not_mirrored():
    """The middle nearer (smaller z) than the rim: sign 1; a bowl: -1."""
    ring = torch.arange(8, dtype=torch.float64) * torch.pi / 4
    rim = torch.stack((ring.cos(), ring.sin(), torch.zeros(8, dtype=torch.float64)), dim=-1)
    for depth, sign in ((-0.3, 1.0), (0.3, -1.0), (0.0, 1.0)):
        nose = torch.tensor([[0.0, 0.0, depth]], dtype=torch.float64)
        assert depth_sign(torch.cat((rim, nose))).item() == sign


@pytest.mark.parametrize("move", [torch.tensor([0.5, -2.0, 3.0]), torch.zeros(3)])
def test_the_sign_does_not_depend_on_place_or_size(move):
    some = torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert depth_sign(2.5 * some + move.double()) == depth_sign(some)
    assert depth_sign(some @ MIRROR) == -depth_sign(some)


def test_prediction_leaves_the_average_alone():
    shape = space().eval()
    before = shape.average.clone()
    shape(keypoints2d=points())
    assert torch.equal(shape.average, before)
    shape.train()(keypoints2d=points())
    assert not torch.equal(shape.average, before)


def test_depth_along_the_view_is_not_told():
    """The projection has no slope in the third part of the translation: it stays where it began."""
    shape = space(trained=False)
    shape(keypoints2d=points())["projected_keypoints2d"].sum().backward()
    head = dict(shape.heads.items())["translation"]
    assert isinstance(head, torch.nn.Linear)
    assert not head.weight.grad[2].any()
    assert head.bias.grad[:2].abs().min() > 0


def test_everything_else_is_told():
    shape = space()
    (shape(keypoints2d=points())["projected_keypoints2d"] - points(seed=1)).square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in shape.parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in shape.parameters())


@pytest.mark.parametrize("start", [1e-7, 0.5])
def test_slopes(start):
    """Also where no picture is turned: Rodrigues' formula is a series there."""
    shape = space()
    torch.nn.init.constant_(shape.heads["rotation"].bias, start)
    torch.nn.init.zeros_(shape.heads["rotation"].weight)
    shape.eval()
    assert torch.autograd.gradcheck(
        lambda p: shape(keypoints2d=p)["projected_keypoints2d"], points(items=2).requires_grad_()
    )


def test_turned_boxes_are_learnt_from_their_pictures():
    """Optimum: a rigid bump seen from many sides, from 2D points alone; depth comes out right, sign included."""
    torch.manual_seed(0)
    body = torch.tensor(
        [[-0.5, -0.5, 0.2], [0.5, -0.5, 0.2], [-0.5, 0.5, 0.2], [0.5, 0.5, 0.2], [0.0, 0.0, -0.3], [0.0, 0.5, 0.0]]
    )
    turns = exp_map(0.6 * (2 * torch.rand(256, 3) - 1) * torch.tensor([1.0, 1.0, 0.2]))
    posed = body @ turns.mT
    shape = ShapeSpace(points=6, basis=1, hidden=32, layers=1, mean_spread=0.1, basis_spread=0.01, momentum=0.1)
    optimiser = torch.optim.Adam(shape.parameters(), lr=1e-2)
    for _ in range(400):
        missed = shape(keypoints2d=posed[..., :2])["projected_keypoints2d"] - posed[..., :2]
        optimiser.zero_grad()
        missed.square().mean().backward()
        optimiser.step()
    shape.eval()
    found = shape(keypoints2d=posed[..., :2])["keypoints3d"][..., 2]
    found, truth = (z - z.mean(1, keepdim=True) for z in (found, posed[..., 2]))
    assert torch.corrcoef(torch.stack((found.flatten(), truth.flatten())))[0, 1] > 0.95


def test_a_number_of_points_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="number of key points"):
        ShapeSpace.build(ShapeSpace.Config(), inputs={"keypoints2d": (None, None, 2)})
    assert ShapeSpace.build(ShapeSpace.Config(), inputs={"keypoints2d": (None, 7, 2)}).mean.shape == (7, 3)

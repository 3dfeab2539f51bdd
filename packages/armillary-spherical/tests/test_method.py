"""Claims of ``method.py``: what goes where, what learns, and that a turned embedding is the turned object's."""

import pytest
import torch
from torch import nn

from armillary.kernels.rotations import geodesic_angle, random_rotation
from armillary.nn.spheres.convolution import area_mean
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.rotation import rotate_coefficients
from armillary.nn.spheres.transforms import signal_from_coefficients
from armillary_spherical.heads import ClassScores, Frame, Pose
from armillary_spherical.image_networks import ImageToVector, VectorToSphere
from armillary_spherical.method import (
    Classifier,
    Embedding,
    FineEmbedding,
    Orientation,
    Regression,
    Views,
    standardised,
    turned,
)
from armillary_spherical.shape_networks import ResidualCnn
from armillary_spherical.synthesiser import Synthesiser


def shape_network():
    maps = {"feature_size": 8, "feature_channels": 8, "fine_size": 16, "fine_channels": 4}
    return ResidualCnn(size=16, channels=1, sizes=2, layers=1, class_features=32, **maps)


def picture_network():
    return ImageToVector(size=16, channels=1, width=4, widest=8, features=6)


def map_head(size=8, channels=8):
    return VectorToSphere(size=size, channels=channels, width=4, widest=8, features=6)


def embedding(**settings):
    return Embedding(encoder=picture_network(), head=map_head(), target=shape_network(), **settings).eval()


def fine_embedding():
    head = map_head(size=16, channels=4)
    return FineEmbedding(encoder=picture_network(), head=head, target=shape_network()).eval()


def test_the_classifier_gives_scores_and_the_map():
    method = Classifier(encoder=shape_network(), head=ClassScores(features=32, classes=3))
    found = method(sphere=torch.rand(2, 1, 16, 16))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "class_scores": (2, 3),
        "features": (2, 8, 8, 8),
    }


def test_orientation_turns_with_the_shape():
    """The whole method is equivariant, without having learnt anything."""
    method = Orientation(encoder=shape_network(), head=Frame(channels=8))
    generator = torch.Generator().manual_seed(0)
    coefficients = torch.randn(6, 1, 16, generator=generator)
    turn = random_rotation(6, generator=generator)
    signals = [
        signal_from_coefficients(c, grid=soft(8))
        for c in (coefficients, rotate_coefficients(coefficients, turn[:, None]))
    ]
    method.train()
    with torch.no_grad():
        method(sphere=signals[0])
        one, other = (method.eval()(sphere=signal)["rotation"] for signal in signals)
    assert geodesic_angle(other, turn @ one).median() < 0.15
    assert geodesic_angle(other, one).median() > 1


def test_targets_have_no_gradient_and_are_the_shape_networks():
    method = embedding()
    image, sphere = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    found = method(image=image, sphere=sphere)
    assert not found["target_embedding"].requires_grad
    assert found["embedding"].requires_grad
    torch.testing.assert_close(found["target_embedding"], method.target(sphere=sphere)["features"].detach())


def test_the_finer_map_is_learnt_where_it_is_asked_for():
    method = fine_embedding()
    found = method(image=torch.rand(2, 1, 16, 16), sphere=torch.rand(2, 1, 16, 16))
    assert found["target_embedding"].shape == found["embedding"].shape == (2, 4, 16, 16)


def test_pictures_and_meshes_have_one_space():
    """From a picture, its embedding; from a mesh, the target's; from both, both."""
    method = embedding()
    image, sphere = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    with torch.no_grad():
        of_image, of_mesh = method.predict(image=image), method.predict(sphere=sphere)
        both, trained = method.predict(image=image, sphere=sphere), method(image=image, sphere=sphere)
    assert set(of_image) == {"embedding"}
    torch.testing.assert_close(of_image["embedding"], trained["embedding"])
    torch.testing.assert_close(of_mesh["embedding"], trained["target_embedding"])
    torch.testing.assert_close(both["embedding"], trained["embedding"])
    torch.testing.assert_close(both.get("shape_embedding"), trained["target_embedding"])


def test_standardised_maps_have_no_mean_and_one_size():
    """Law: mean 0 of each channel and mean square 1 of all together, over the sphere; blind to scale and to constants."""
    maps = torch.randn(3, 4, 16, 16, dtype=torch.float64)
    found = standardised(maps)
    grid = soft(8)
    assert area_mean(found, grid=grid).abs().max() < 1e-12
    one = torch.ones(3, dtype=torch.float64)
    torch.testing.assert_close(area_mean(found.square(), grid=grid).mean(-1), one)
    torch.testing.assert_close(standardised(5 * maps + torch.randn(3, 4, 1, 1, dtype=torch.float64)), found)
    assert standardised(torch.ones(1, 2, 8, 8)).abs().max() < 1e-3
    assert not standardised(torch.zeros(1, 2, 8, 8)).any()


def test_standardised_targets_are_learnt_where_it_is_asked_for():
    method = embedding(standardise=True)
    image, sphere = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    with torch.no_grad():
        wanted = standardised(method.target(sphere=sphere)["features"])
        torch.testing.assert_close(method(image=image, sphere=sphere)["target_embedding"], wanted)
        torch.testing.assert_close(method.predict(sphere=sphere)["embedding"], wanted)


def test_nothing_to_embed_is_refused():
    with pytest.raises(ValueError, match="neither was given"):
        embedding().predict()


def views():
    renderer = Synthesiser(
        sphere_size=16, sphere_channels=4, image_size=16, image_channels=1, width=4, widest=8, features=6
    )
    return Views(embedding=fine_embedding(), renderer=renderer).eval()


def test_views_are_drawn_from_the_pictures_embedding():
    method = views()
    image = torch.rand(2, 1, 16, 16)
    with torch.no_grad():
        found, shown = method(image=image), method.predict(image=image)
        torch.testing.assert_close(found["embedding"], method.embedding.predict(image=image)["embedding"])
    torch.testing.assert_close(shown["reconstruction"], found["reconstruction"].clamp(0, 1))


def test_a_new_view_is_drawn_from_the_turned_embedding():
    method = views()
    image, turn = torch.rand(2, 1, 16, 16), random_rotation(2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        shown = method.predict(image=image, rotation=turn)
        wanted = method.renderer(embedding=shown["embedding"])["view"].clamp(0, 1)
        plain = method.predict(image=image)
    torch.testing.assert_close(shown["reconstruction"], wanted)
    torch.testing.assert_close(shown["embedding"], turned(plain["embedding"], turn), atol=1e-5, rtol=0)


def test_any_part_from_pictures_to_maps_can_feed_views():
    class Plain(nn.Module):
        def forward(self, *, image):
            return {"embedding": image.expand(-1, 4, -1, -1)}

    renderer = views().renderer
    assert Views(embedding=Plain(), renderer=renderer)(image=torch.rand(2, 1, 16, 16))["reconstruction"].shape == (
        2,
        1,
        16,
        16,
    )


def test_turning_a_quarter_about_z_shifts_columns():
    """Golden: azimuth phi goes to phi + pi / 2, four columns of sixteen, for maps that the grid holds."""
    coefficients = torch.randn(2, 3, 36, dtype=torch.float64)
    signal = signal_from_coefficients(coefficients, grid=soft(8))
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64).expand(2, 3, 3)
    torch.testing.assert_close(turned(signal, quarter), signal.roll(4, dims=-1), atol=1e-12, rtol=0)


def test_the_baseline_gives_rotations():
    method = Regression(encoder=picture_network(), head=Pose(features=6, first=8, second=4))
    found = method(image=torch.rand(3, 1, 16, 16))
    assert found["rotation"].shape == (3, 3, 3)
    assert found["rotation_vector"].shape == (3, 3)


class _Counting(nn.Module):
    """A shape network that counts the signals that it sees."""

    def __init__(self):
        super().__init__()
        self.inner, self.seen = shape_network(), 0

    def forward(self, sphere):
        self.seen += len(sphere)
        return self.inner(sphere=sphere)


def remembering():
    return Embedding(encoder=picture_network(), head=map_head(), target=_Counting(), remember=1)


def test_remembered_targets_are_made_once_and_do_not_depend_on_the_batch():
    method = remembering().eval()
    sphere = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    image = torch.rand(4, 1, 16, 16)
    with torch.no_grad():
        first = method(image=image, sphere=sphere)["target_embedding"]
        again = method(image=image[:3], sphere=sphere[[2, 0, 3]])["target_embedding"]
        plain = method.target.inner(sphere=sphere)["features"]
    assert method.target.seen == 4
    assert torch.equal(again, first[[2, 0, 3]])
    torch.testing.assert_close(first, plain)
    assert not any("remember" in name for name in method.state_dict())


def test_targets_beyond_the_room_are_made_again():
    method = remembering().eval()
    method._room = 2 * 8 * 8 * 8 * 4  # two maps
    sphere = torch.rand(4, 1, 16, 16)
    with torch.no_grad():
        first, again = (method(image=sphere, sphere=sphere)["target_embedding"] for _ in range(2))
    assert method.target.seen == 6
    assert torch.equal(first, again)


def test_a_target_that_trains_is_not_remembered():
    method = remembering().train()
    sphere = torch.rand(4, 1, 16, 16)
    with torch.no_grad():
        for _ in range(2):
            method(image=sphere, sphere=sphere)
    assert method.target.seen == 8

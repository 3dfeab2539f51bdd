"""Tensors as declared, draws as stated, and the signal and the picture that turn with ``true_rotation``."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from armillary.config import structure
from armillary.errors import ConfigError, DataError
from armillary.kernels.mesh_pictures import CAMERA_FROM_WORLD
from armillary.kernels.triangle_mesh import TriangleMesh
from armillary.nn.spheres.grids import GRID_NAMES, SphereGrid, points
from armillary.training.batches import collate
from armillary_spherical.meshes import PosedMesh
from armillary_spherical.rays import Caster, spherical_signal
from armillary_spherical.transforms import RayCast, Render, Turn, draw_rotation


def sample(**more):
    made = trimesh.creation.cone(radius=0.5, height=0.9)
    vertices = made.vertices - (made.vertices.min(axis=0) + made.vertices.max(axis=0)) / 2
    mesh = TriangleMesh(vertices / np.linalg.norm(vertices, axis=1).max(), made.faces)
    return {"id": "a", "mesh": PosedMesh(mesh, closed=True), **more}


def apply(transform, given, *, seed=0) -> dict[str, Any]:
    return transform(given, kinds={}, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("grid", GRID_NAMES)
@pytest.mark.parametrize("convention", ["centre", "outside"])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_signal_is_that_of_the_grid(grid, convention, channels):
    given = sample()
    sphere = apply(RayCast(size=8, grid=grid, convention=convention, channels=channels), given)["sphere"]
    assert sphere.shape == (channels, 8, 8)
    assert sphere.dtype == torch.float32
    x = points(SphereGrid(grid, 4), dtype=torch.float64).numpy()[3, 5]
    expected = spherical_signal(Caster(given["mesh"].mesh), x[None], convention=convention, channels=channels)
    np.testing.assert_allclose(sphere[:, 3, 5], expected[:, 0], atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_picture(channels):
    image = apply(Render(size=24, channels=channels), sample())["image"]
    assert image.shape == (channels, 24, 24)
    assert image.dtype == torch.float32
    assert 0 <= image.min() < image.max() <= 1
    assert (image == image[:1]).all()


def test_a_sample_is_left_as_it_was_and_other_ports_stay():
    given = sample(class_label=torch.tensor(3))
    before = dict(given)
    for transform in (Turn(), RayCast(size=4), Render(size=8)):
        assert apply(transform, given)["class_label"] == 3
    assert given.keys() == before.keys()
    assert all(given[key] is before[key] for key in given)


def test_what_the_transforms_leave_can_be_stacked():
    turned = [apply(Turn(), sample(), seed=seed) for seed in range(3)]
    made = [apply(Render(size=8), apply(RayCast(size=4), each)) for each in turned]
    batch = collate(made)
    assert {name: tuple(value.shape) for name, value in batch.items() if name != "id"} == {
        "true_rotation": (3, 3, 3),
        "sphere": (3, 1, 4, 4),
        "image": (3, 1, 8, 8),
    }


def test_a_mesh_that_was_dropped_is_missed():
    for transform in (RayCast(size=4, keep_mesh=False), Render(size=8)):
        with pytest.raises(DataError, match="keep_mesh"):
            apply(Turn(), apply(transform, sample()))


@pytest.mark.parametrize("rotations", ["so3", "views", "azimuth", "none"])
def test_the_signal_turns_with_the_rotation_that_is_told(rotations):
    """f(x) of the turned mesh is f(R^-1 x) of the mesh as it was."""
    given = sample()
    turned = apply(Turn(rotations=rotations), given)
    rotation = turned["true_rotation"].double().numpy()
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(rotation) == pytest.approx(1, abs=1e-6)
    sphere = apply(RayCast(size=8), turned)["sphere"]
    x = points(SphereGrid("driscoll_healy", 4), dtype=torch.float64).reshape(-1, 3).numpy()
    expected = spherical_signal(Caster(given["mesh"].mesh), x @ rotation)
    np.testing.assert_allclose(sphere.reshape(1, -1), expected, atol=1e-5)


def test_the_picture_turns_with_the_rotation_that_is_told():
    """The cone's tip, (0, 0, 1) of its frame, is where the rotation and the fixed camera put it."""
    render = Render(size=65, fov=0.0, ambient=1.0, headlight=0.0, lamp=0.0)
    made = trimesh.creation.icosphere(subdivisions=2, radius=0.05)
    ball = PosedMesh(TriangleMesh(np.add(made.vertices, (0, 0, 0.8)), made.faces), closed=True)
    for seed in range(5):
        turned = apply(Turn(), {"id": "a", "mesh": ball}, seed=seed)
        image = apply(render, turned)["image"][0].double().numpy()
        x, y, _ = CAMERA_FROM_WORLD @ turned["true_rotation"].numpy() @ (0, 0, 0.8)
        rows, columns = np.indices(image.shape)
        found = (columns * image).sum() / image.sum(), (rows * image).sum() / image.sum()
        assert found == pytest.approx((32 + 32 * x, 32 + 32 * y), abs=0.2)


def test_the_same_generator_gives_the_same_turn():
    one, same, other = (apply(Turn(stretch=0.3), sample(), seed=seed)["mesh"].matrix for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.1


def test_a_stretch_is_along_the_objects_axes_and_within_its_bounds():
    """M = R S: the columns of M are orthogonal, their lengths within a factor of (1 + stretch)^2 of each other."""
    ratios = []
    for seed in range(20):
        turned = apply(Turn(stretch=0.25), sample(), seed=seed)
        matrix, rotation = turned["mesh"].matrix, turned["true_rotation"].double().numpy()
        stretch = rotation.T @ matrix
        np.testing.assert_allclose(stretch, np.diag(np.diag(stretch)), atol=1e-6)
        ratios.append(np.diag(stretch).max() / np.diag(stretch).min())
        moved = turned["mesh"].mesh.moved(matrix).vertices
        assert np.linalg.norm(moved, axis=1).max() == pytest.approx(1)
    assert 1.3 < max(ratios) <= 1.25**2 + 1e-6


def draws(rotations, count=4000):
    generator = torch.Generator().manual_seed(0)
    return np.stack([draw_rotation(rotations, generator) for _ in range(count)])


def test_views_are_uniform_over_the_sphere_without_turn_in_the_picture():
    """Seen from the object the camera, (0, -1, 0) in the world, is uniform: each coordinate has mean 0 and variance 1 / 3."""
    rotations = draws("views")
    camera = rotations.transpose(0, 2, 1) @ (0, -1, 0)
    assert np.abs(camera.mean(axis=0)).max() < 4 * math.sqrt(1 / 3 / len(camera))
    np.testing.assert_allclose((camera**2).mean(axis=0), 1 / 3, atol=0.02)
    up = rotations @ (0, 0, 1)
    assert np.abs(up[:, 0]).max() < 1e-12
    assert up[:, 2].min() >= -1e-12


def test_so3_is_uniform():
    """The angle of a uniform rotation has the mean pi / 2 + 2 / pi, 126.5 degrees, and every entry the mean 0."""
    rotations = draws("so3")
    angle = np.arccos(((np.trace(rotations, axis1=1, axis2=2) - 1) / 2).clip(-1, 1))
    assert angle.mean() == pytest.approx(math.pi / 2 + 2 / math.pi, abs=0.04)
    assert np.abs(rotations.mean(axis=0)).max() < 0.05


def test_azimuth_leaves_the_axis_and_none_leaves_all():
    assert np.abs(draws("azimuth", 20) @ (0, 0, 1) - (0, 0, 1)).max() < 1e-12
    assert (draws("none", 2) == np.eye(3)).all()
    with pytest.raises(ValueError, match="so3"):
        draw_rotation("so2", torch.Generator())


@pytest.mark.parametrize(
    ("transform", "settings", "word"),
    [
        (Turn, {"stretch": 1.0}, "stretch"),
        (Turn, {"rotations": "so2"}, "rotations"),
        (RayCast, {"size": 7}, "a multiple of 2"),
        (RayCast, {"channels": 4}, "channels"),
        (RayCast, {"convention": "inside"}, "convention"),
        (Render, {"fov": 2.0}, "fov"),
        (Render, {"channels": 2}, "channels"),
        (Render, {"lamp_direction": [0.0, 0.0, 0.0]}, "needs lamp_direction"),
    ],
)
def test_settings_that_cannot_be(transform, settings, word):
    with pytest.raises(ConfigError, match=word):
        structure(settings, transform.Config)

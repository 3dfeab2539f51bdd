"""Items as declared, the same for the same seed, and a picture that shows the mesh where the pose puts it."""

import json

import numpy as np
import pytest

from armillary.kernels.triangle_mesh import TriangleMesh
from armillary_synthetic.raster import project
from armillary_synthetic.solids import Solids


def build(*, size=48, seed=0, **settings):
    return Solids(size=size, seed=seed, **settings)


def test_items_are_the_declared_ports():
    item = build().item(3)
    assert set(item) == {port.name for port in Solids.spec().produces}
    shapes = {"image": (3, 48, 48), "camera": (3, 3), "true_mask": (1, 48, 48), "true_pose": (3, 4)}
    assert {name: item[name].shape for name in shapes} == shapes
    assert isinstance(item["mesh"], TriangleMesh)
    assert 0 <= item["image"].min() <= item["image"].max() <= 1
    assert 0.02 < item["true_mask"].mean() < 0.7


def test_kinds_come_in_turn():
    described = build(categories=("mug", "car")).describe()
    assert described["categories"] == ["mug", "car"]
    json.dumps(described)
    generator, alone = build(categories=("mug", "car")), build(categories=("car",))
    np.testing.assert_array_equal(generator.mesh(3).vertices, alone.mesh(3).vertices)


def test_an_item_depends_on_seed_and_index_alone():
    first, second = build(), build()
    second.item(5)
    assert first.item(2)["image"].tobytes() == second.item(2)["image"].tobytes()
    assert first.mesh(2).ply_bytes() == second.mesh(2).ply_bytes()
    assert first.mesh(2).ply_bytes() != build(seed=1).mesh(2).ply_bytes()
    assert first.mesh(2).ply_bytes() == build(size=32, views="so3").mesh(2).ply_bytes()


def test_meshes_fill_the_unit_sphere_about_their_middle():
    for index in range(5):
        vertices = build().mesh(index).vertices
        assert np.linalg.norm(vertices, axis=1).max() == pytest.approx(1)
        np.testing.assert_allclose(vertices.min(axis=0), -vertices.max(axis=0), atol=1e-12)


@pytest.mark.parametrize("views", ["views", "so3", "front"])
def test_the_pose_puts_the_mesh_where_the_picture_shows_it(views):
    """The box around the projected vertices is that of the mask, to a pixel."""
    for index in range(5):
        item = build(size=96, views=views).item(index)
        rotation, translation = item["true_pose"][:, :3].astype(np.float64), item["true_pose"][:, 3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
        assert np.linalg.det(rotation) == pytest.approx(1, abs=1e-6)
        pixels = project(item["mesh"].vertices @ rotation.T + translation, item["camera"].astype(np.float64))
        rows, columns = np.nonzero(item["true_mask"][0])
        found = [columns.min(), columns.max(), rows.min(), rows.max()]
        expected = [*np.array([pixels.min(axis=0), pixels.max(axis=0)]).T.ravel()]
        assert found == pytest.approx(expected, abs=2.0)


def test_the_front_is_seen_upright():
    """Of a chair seen from the front the back is above the seat, and it is as wide on both sides."""
    mask = build(size=64, views="front", categories=("chair",)).item(0)["true_mask"][0]
    assert np.abs(mask.astype(float) - mask[:, ::-1]).mean() < 0.05
    assert mask[:32].sum() > 1.2 * mask[32:].sum()


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="no kind 'boat'"):
        build(categories=("boat",))
    with pytest.raises(ValueError, match="must not repeat"):
        build(categories=("car", "car"))
    with pytest.raises(ValueError, match="at least 8 pixels"):
        build(size=4)

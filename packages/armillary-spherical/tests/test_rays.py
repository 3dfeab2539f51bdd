"""Distances by hand, both engines against brute force, both conventions, laws of turning, and refusals."""

import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
import trimesh

from armillary.kernels.triangle_mesh import TriangleMesh
from armillary_spherical import rays
from armillary_spherical.rays import Caster, Casters, embree_installed, spherical_signal

needs_embree = pytest.mark.skipif(not embree_installed(), reason="the extra 'rays' is not installed")
ENGINES = ["exact", pytest.param("embree", marks=needs_embree)]


def directions(count, seed=0):
    drawn = np.random.default_rng(seed).standard_normal((count, 3))
    return drawn / np.linalg.norm(drawn, axis=1)[:, None]


def rotation(seed=0):
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.linalg.det(q)


def grid(rows):
    """Directions of an equiangular grid with the pole in it: many of them lie on edges of symmetric meshes."""
    theta, phi = np.meshgrid(np.pi * np.arange(rows) / rows, 2 * np.pi * np.arange(rows) / rows, indexing="ij")
    return np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1).reshape(-1, 3)


def cube(half=0.5, shift=(0.0, 0.0, 0.0)):
    made = trimesh.creation.box(extents=(2 * half,) * 3)
    return TriangleMesh(made.vertices + shift, made.faces)


def meshes():
    torus = trimesh.creation.torus(0.6, 0.25)
    soup = np.random.default_rng(5).uniform(-1, 1, (40, 3, 3)) * 0.6
    ball = trimesh.creation.icosphere(subdivisions=2)
    return {
        "cube": cube(),
        "aside": cube(0.2, (0.5, 0.1, -0.3)),
        "torus": TriangleMesh(torus.vertices, torus.faces),
        "soup": TriangleMesh(soup.reshape(-1, 3), np.arange(120).reshape(-1, 3)),
        "slivers": TriangleMesh(ball.vertices * (1.0, 1.0, 1e-3), ball.faces),
    }


def brute_force(mesh, x):
    """Every hit of every ray's line by solving for its corner weights: the farthest in front, else the nearest behind."""
    found = np.full(len(x), -np.inf)
    for a, b, c in mesh.vertices[mesh.faces]:
        volume = a @ np.cross(b, c)
        if volume == 0:
            continue
        weights = np.stack([x @ np.cross(b, c), x @ np.cross(c, a), x @ np.cross(a, b)]) / volume
        with np.errstate(divide="ignore"):
            radius = 1 / weights.sum(axis=0)
        inside = (weights * np.sign(weights.sum(axis=0)) >= 0).all(axis=0) & np.isfinite(radius)
        better = inside & (radius > found)
        found[better] = radius[better]
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_a_cube_by_hand(engine):
    """Half side 1/2: 1/2 along an axis, sqrt(3)/2 towards a corner, 1/sqrt(2) towards the middle of an edge."""
    towards = np.array([(1, 0, 0), (0, 0, -1), (1, 1, 1), (1, 0, 1)], dtype=np.float64)
    towards /= np.linalg.norm(towards, axis=1)[:, None]
    radius = Caster(cube(), engine=engine).first_hits(towards).radius
    assert radius == pytest.approx([0.5, 0.5, math.sqrt(3) / 2, math.sqrt(0.5)], abs=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_conventions_by_hand(engine):
    """A plate at x = 1/2: along +x it lies 1/2 from the centre; along -x nothing from the centre, but the ray that comes in
    along -x passes the centre and meets it after 3/2; along z nothing at all."""
    plate = TriangleMesh(np.array([(0.5, -1, -1), (0.5, 1, -1), (0.5, 0, 1)]), np.array([(0, 1, 2)]))
    caster = Caster(plate, engine=engine)
    towards = np.array([(1.0, 0, 0), (-1, 0, 0), (0, 0, 1)])
    centre = spherical_signal(caster, towards, convention="centre", channels=3)
    outside = spherical_signal(caster, towards, convention="outside", channels=3)
    np.testing.assert_allclose(centre, [[0.5, 0, 0], [0, 0, 0], [1, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(outside, [[0.5, 1.5, 1], [0, 0, 0], [1, 1, 0]], atol=1e-12)


@pytest.mark.parametrize("name", meshes())
def test_exact_equals_brute_force(name):
    mesh, x = meshes()[name], directions(400)
    hits = Caster(mesh, engine="exact").first_hits(x)
    np.testing.assert_allclose(hits.radius, brute_force(mesh, x), atol=1e-12)
    np.testing.assert_array_equal(hits.face < 0, np.isneginf(hits.radius))


@needs_embree
@pytest.mark.parametrize("name", meshes())
def test_engines_agree(name):
    mesh, x = meshes()[name], directions(3000, seed=1)
    exact, embree = (Caster(mesh, engine=engine).first_hits(x) for engine in ("exact", "embree"))
    np.testing.assert_array_equal(exact.face < 0, embree.face < 0)
    met = exact.face >= 0
    np.testing.assert_allclose(exact.radius[met], embree.radius[met], atol=1e-6 if name == "slivers" else 1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_hit_lies_in_its_triangle(engine):
    mesh, x = meshes()["torus"], directions(500)
    hits = Caster(mesh, engine=engine).first_hits(x)
    met = hits.face >= 0
    a, b, c = mesh.vertices[mesh.faces[hits.face[met]]].transpose(1, 0, 2)
    at = hits.radius[met, None] * x[met]
    whole = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    parts = sum(np.linalg.norm(np.cross(p - at, q - at), axis=1) for p, q in ((a, b), (b, c), (c, a)))
    np.testing.assert_allclose(parts, whole, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_no_ray_slips_through_an_edge(engine):
    """Grid directions and mesh edges coincide here: poles, the plane y = 0, diagonals of the cube's sides."""
    ball = trimesh.creation.icosphere(subdivisions=3)
    for mesh in (cube(), TriangleMesh(ball.vertices, ball.faces)):
        assert (Caster(mesh, engine=engine).first_hits(grid(32)).face >= 0).all()


@pytest.mark.parametrize("axis", [(0, 0, 1.0), (0, 0, -1.0), (0, 0.01, 1.0), (-1.0, 0, 0)])
def test_a_small_triangle_is_met_from_all_around(axis):
    """Also where it holds a pole, so that it spans every azimuth, or azimuth 0 lies inside it."""
    up = np.array(axis) / np.linalg.norm(axis)
    side = np.cross(up, (0.3, 1, 0))
    side /= np.linalg.norm(side)
    turns = 2 * np.pi * np.arange(3) / 3 + 0.2
    corners = up + 0.1 * (np.cos(turns)[:, None] * side + np.sin(turns)[:, None] * np.cross(up, side))
    mesh = TriangleMesh(corners, np.array([(0, 1, 2)]))
    x = directions(3000, seed=4) * 0.05 + up
    x /= np.linalg.norm(x, axis=1)[:, None]
    hits = Caster(mesh, engine="exact").first_hits(x)
    np.testing.assert_allclose(hits.radius, brute_force(mesh, x), atol=1e-12)
    assert 0 < (hits.face >= 0).sum() < len(x)


@needs_embree
def test_doubtful_rays_are_cast_again_exactly(monkeypatch):
    """Here every ray is in doubt."""
    mesh, x, turn = meshes()["torus"], directions(300), rotation(2) @ np.diag([1.0, 0.5, 0.8])
    monkeypatch.setattr(rays, "_DOUBT", -1.0)
    embree = Caster(mesh, engine="embree")
    monkeypatch.setattr(rays, "_plane_radius", lambda vertices, triangles, ray: np.full(len(ray), 9.0))
    exact = Caster(mesh, engine="exact").first_hits(x, matrix=turn)
    np.testing.assert_allclose(embree.first_hits(x, matrix=turn).radius, exact.radius, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_sphere_is_constant(engine):
    """An inscribed polyhedron of 5120 faces is within 0.15 % of its sphere, and its normals are along the rays."""
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.7)
    signal = spherical_signal(Caster(TriangleMesh(ball.vertices, ball.faces), engine=engine), grid(24), channels=3)
    assert signal[0].min() > 0.7 * 0.9985
    assert signal[0].max() <= 0.7 + 1e-12
    assert signal[1].max() < 0.06
    np.testing.assert_allclose(signal[1] ** 2 + signal[2] ** 2, 1, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("convention", ["centre", "outside"])
def test_turning_the_mesh_turns_the_signal(engine, convention):
    """f_{RM}(x) = f_M(R^-1 x), also for a mesh that is stretched before."""
    mesh, x, turn = meshes()["torus"], directions(600), rotation(1)
    stretch = np.diag([0.7, 1.2, 0.9])
    settings = {"convention": convention, "channels": 3}
    moved = spherical_signal(Caster(mesh, engine=engine), x, matrix=turn @ stretch, **settings)
    still = spherical_signal(Caster(mesh.moved(stretch), engine=engine), x @ turn, **settings)
    np.testing.assert_allclose(moved, still, atol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_scaling_scales_the_distance_and_no_angle(engine):
    mesh, x = meshes()["torus"], directions(300)
    one = spherical_signal(Caster(mesh, engine=engine), x, channels=3)
    half = spherical_signal(Caster(mesh, engine=engine), x, channels=3, matrix=0.5 * np.eye(3))
    np.testing.assert_allclose(half, one * np.array([[0.5], [1], [1]]), atol=1e-9)


def test_where_both_conventions_meet_the_near_side_they_are_one():
    """rho = 1 - d wherever the farthest hit from the centre exists."""
    caster, x = Caster(meshes()["aside"]), directions(500)
    centre, outside = (spherical_signal(caster, x, convention=name)[0] for name in ("centre", "outside"))
    near = centre > 0
    assert 0 < near.sum() < len(x)
    np.testing.assert_allclose(centre[near], 1 - outside[near], atol=1e-12)
    assert (outside[~near] >= 1).all()


def test_winding_does_not_matter():
    mesh, x = meshes()["torus"], directions(300)
    turned = TriangleMesh(mesh.vertices, mesh.faces[:, ::-1])
    one, other = (spherical_signal(Caster(each), x, channels=3) for each in (mesh, turned))
    np.testing.assert_allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_triangle_seen_edge_on_is_not_met(engine):
    """Its plane z = 0 holds the origin."""
    flat = TriangleMesh(np.array([(0.2, -1, 0), (1, 0, 0), (0.2, 1, 0)]), np.array([(0, 1, 2)]))
    hits = Caster(flat, engine=engine).first_hits(directions(200))
    assert (hits.face < 0).all()


@pytest.mark.parametrize("blocks", [7, 1 << 18])
def test_blocks_change_nothing(monkeypatch, blocks):
    mesh, x = meshes()["soup"], directions(40)
    monkeypatch.setattr(rays, "_BLOCK", blocks)
    np.testing.assert_allclose(Caster(mesh, engine="exact").first_hits(x).radius, brute_force(mesh, x), atol=1e-12)


def test_a_mesh_that_comes_again_finds_its_tree():
    casters, mesh = Casters(triangles=30), cube()
    first = casters[mesh]
    assert casters[mesh] is first
    for _ in range(3):
        casters[cube()]
    assert casters[mesh] is not first


def test_casters_travel_to_another_process_without_their_trees():
    casters = Casters(engine="exact")
    casters[cube()].first_hits(directions(3))
    assert not pickle.loads(pickle.dumps(casters))._kept


def test_wrong_words_are_refused():
    caster = Caster(cube())
    with pytest.raises(ValueError, match="inside"):
        spherical_signal(caster, directions(2), convention="inside")
    with pytest.raises(ValueError, match="4"):
        spherical_signal(caster, directions(2), channels=4)
    with pytest.raises(ValueError, match="without triangles"):
        Caster(TriangleMesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=int)))


def test_without_embree_the_exact_engine_is_taken(monkeypatch):
    monkeypatch.setattr(rays, "embree_installed", lambda: False)
    assert Caster(cube()).engine == "exact"
    with pytest.raises(ValueError, match=r"armillary-spherical\[rays\]"):
        Caster(cube(), engine="embree")


MANY = """
import numpy as np, trimesh
from armillary.kernels.triangle_mesh import TriangleMesh
from armillary_spherical.rays import Caster

box, ray = trimesh.creation.box(), np.array([[0.0, 0.0, 1.0]])
kept = []
for index in range(2500):
    kept.append(Caster(TriangleMesh(box.vertices * (1 + index), box.faces), engine="embree"))
    assert abs(kept[-1].first_hits(ray).radius[0] - (1 + index) / 2) < 1e-6 * (1 + index)
print("all met")
"""


@needs_embree
def test_thousands_of_meshes_can_be_kept():
    """Each with a device of its own they ended the process, so it is tried in another one."""
    done = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "all met\n"

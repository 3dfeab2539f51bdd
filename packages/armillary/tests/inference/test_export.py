"""Mesh files: right, checked, whole or absent."""

import json
import struct

import attrs
import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from armillary.errors import ArmillaryError
from armillary.inference import export
from armillary.inference.meshes import mesh_from_depth

FORMATS = [".glb", ".ply", ".obj"]


@pytest.fixture(scope="module")
def mesh(head):
    return mesh_from_depth(head.depth, head.albedo, head.camera, mask=head.mask, centre=(0.0, 0.0, 1.0))


def read(path):
    return next(iter(trimesh.load_scene(path, process=False, maintain_order=True).geometry.values()))


@pytest.mark.parametrize("suffix", [*FORMATS, ".GLB"])
def test_written_and_found_equal(mesh, tmp_path, suffix):
    path = tmp_path / "new" / f"a head{suffix}"
    written = mesh.export(path)
    assert written.path == path
    assert set(written.files) == set(path.parent.iterdir())
    assert written.size == sum(file.stat().st_size for file in path.parent.iterdir())
    assert (written.vertices, written.faces) == (len(mesh.vertices), len(mesh.faces))
    assert {"positions", "faces", "normals"} < set(written.checked)


@pytest.mark.parametrize("suffix", FORMATS)
def test_upright_facing_the_viewer_and_not_mirrored(mesh, head, tmp_path, suffix):
    """Read by another program: hair above, eyes left and right, the red cheek right of the nose, the nose in front."""
    other = read(mesh.export(tmp_path / f"a{suffix}").path)
    colours = mesh.vertex_colours().astype(int) if suffix != ".ply" else other.visual.vertex_colors.astype(int)
    dark = other.vertices[(colours[:, :3].sum(axis=1) < 200) & (colours[:, 0] > colours[:, 2])]
    red = other.vertices[(colours[:, 0] > 180) & (colours[:, 1] < 110)]
    assert dark[:, 1].mean() > 0.03
    assert red[:, 0].mean() > 0.02
    nose = other.vertices[other.vertices[:, 2].argmax()]
    assert abs(nose[0]) < 0.003
    assert nose[2] == pytest.approx(1.0 - float(head.depth.min()), abs=1e-6)
    assert (other.face_normals[:, 2] > 0).all()


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_texture_lies_the_right_way_round(mesh, head, tmp_path, suffix):
    """The texture at (u, v), counted from the bottom as trimesh does, is the albedo at the vertex's pixel."""
    other = read(mesh.export(tmp_path / f"a{suffix}").path)
    material = other.visual.material
    image = getattr(material, "baseColorTexture", None) or material.image
    pixels = np.asarray(image.convert("RGB"))
    column = np.rint(other.visual.uv[:, 0] * head.size - 0.5).astype(int)
    row = np.rint((1.0 - other.visual.uv[:, 1]) * head.size - 0.5).astype(int)
    np.testing.assert_array_equal(pixels[row, column], mesh.vertex_colours())


def tampered(mesh):
    shifted = mesh.vertices + np.float32(1e-4)
    return {
        "positions": attrs.evolve(mesh, vertices=shifted),
        "faces": attrs.evolve(mesh, faces=mesh.faces[:, [0, 2, 1]]),
        "normals": attrs.evolve(mesh, normals=-mesh.normals),
        "uv": attrs.evolve(mesh, uv=mesh.uv * np.float32([1, -1]) + np.float32([0, 1])),
        "texture": attrs.evolve(mesh, texture=mesh.texture[::-1]),
        "colours": attrs.evolve(mesh, texture=mesh.texture[:, ::-1]),
    }


@pytest.mark.parametrize(
    ("suffix", "what"),
    [
        (s, w)
        for s in FORMATS
        for w in ["positions", "faces", "normals", *(["colours"] if s == ".ply" else ["uv", "texture"])]
    ],
)
def test_comparison_names_what_differs(mesh, tmp_path, suffix, what):
    path = mesh.export(tmp_path / f"a{suffix}").path
    assert what in export.compare(mesh, path)
    with pytest.raises(export.ExportError, match=f"a{suffix}: {what} read again differ by"):
        export.compare(tampered(mesh)[what], path)


def test_comparison_counts_vertices(mesh, tmp_path):
    path = mesh.export(tmp_path / "a.ply").path
    fewer = attrs.evolve(mesh, vertices=mesh.vertices[:-1])
    with pytest.raises(export.ExportError, match="wrote positions of shape"):
        export.compare(fewer, path)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_wrong_file_never_takes_its_place(mesh, tmp_path, monkeypatch, suffix):
    """A writer with its normals turned round: the old file stays, and nothing else is left behind."""
    right = export._WRITERS[suffix]
    wrong = attrs.evolve(mesh, normals=-mesh.normals)
    monkeypatch.setitem(export._WRITERS, suffix, lambda _, name: right(wrong, name))
    (tmp_path / f"a{suffix}").write_bytes(b"old")
    with pytest.raises(export.ExportError, match="normals"):
        mesh.export(tmp_path / f"a{suffix}")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [(f"a{suffix}", b"old")]


@pytest.mark.parametrize("name", ["a.stl", "a", "a.glb.zip"])
def test_an_unknown_suffix_is_refused(mesh, tmp_path, name):
    with pytest.raises(ArmillaryError, match=r"use \.glb, \.ply, \.obj"):
        mesh.export(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_obj_spares_a_picture_of_the_same_name(mesh, tmp_path):
    (tmp_path / "cat.png").write_bytes(b"the user's own")
    names = {file.name for file in mesh.export(tmp_path / "cat.obj").files}
    assert names == {"cat.obj", "cat.mtl", "cat_texture.png"}
    assert (tmp_path / "cat.png").read_bytes() == b"the user's own"


def test_obj_can_be_written_over(mesh, tmp_path):
    first = mesh.export(tmp_path / "a.obj")
    assert mesh.export(tmp_path / "a.obj") == first


def glb_parts(path):
    content = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", content)
    assert (magic, version, length) == (b"glTF", 2, len(content))
    size, kind = struct.unpack_from("<I4s", content, 12)
    assert kind == b"JSON"
    document = json.loads(content[20 : 20 + size])
    rest, kind = struct.unpack_from("<I4s", content, 20 + size)
    assert kind == b"BIN\0"
    assert size % 4 == rest % 4 == 0
    return document, content[28 + size : 28 + size + rest]


def test_glb_holds_what_the_standard_asks_for(mesh, tmp_path):
    """glTF 2.0: views start at multiples of 4 inside the buffer, POSITION has its limits, indices stay below the count."""
    document, binary = glb_parts(mesh.export(tmp_path / "a.glb").path)
    for view in document["bufferViews"]:
        assert view["byteOffset"] % 4 == 0
        assert view["byteOffset"] + view["byteLength"] <= document["buffers"][0]["byteLength"] <= len(binary)
    position = document["accessors"][0]
    np.testing.assert_allclose(
        [position["min"], position["max"]], [mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)]
    )
    view = document["bufferViews"][3]
    indices = np.frombuffer(binary, "<u4", view["byteLength"] // 4, view["byteOffset"])
    assert indices.max() < position["count"]
    picture = document["bufferViews"][4]
    assert binary[picture["byteOffset"] :].startswith(b"\x89PNG")
    assert document["materials"][0]["pbrMetallicRoughness"]["metallicFactor"] == 0


@pytest.mark.parametrize("lit", [True, False])
def test_a_texture_with_its_shading_is_not_lit_again(mesh, tmp_path, lit):
    document, _ = glb_parts(attrs.evolve(mesh, lit=lit).export(tmp_path / "a.glb").path)
    assert ("KHR_materials_unlit" in document.get("extensionsUsed", [])) is not lit
    attrs.evolve(mesh, lit=lit).export(tmp_path / "a.obj")
    assert f"illum {int(lit)}" in (tmp_path / "a.mtl").read_text()


def test_drawn_again_it_is_the_picture(mesh, head, tmp_path):
    """The GLB's triangles, drawn by a rasteriser of a few lines through the camera that took the depth, give the albedo."""
    other = read(mesh.export(tmp_path / "a.glb").path)
    camera = head.camera.double().numpy()
    seen = (other.vertices * [1, -1, -1] + [0, 0, 1]) @ camera.T
    texture = np.asarray(other.visual.material.baseColorTexture.convert("RGB")).astype(float)
    drawn, depth = np.full((head.size, head.size, 3), np.nan), np.full((head.size, head.size), np.inf)
    for corners in other.faces:
        triangle, z = seen[corners, :2] / seen[corners, 2:], seen[corners, 2]
        low, high = np.floor(triangle.min(axis=0)).astype(int), np.ceil(triangle.max(axis=0)).astype(int)
        for y in range(low[1], high[1] + 1):
            for x in range(low[0], high[0] + 1):
                shares = np.linalg.solve(np.vstack([triangle.T, np.ones(3)]), [x, y, 1.0])
                if shares.min() > -1e-3 and (shares @ z) < depth[y, x]:
                    u, v = shares @ other.visual.uv[corners]
                    depth[y, x] = shares @ z
                    drawn[y, x] = texture[int((1 - v) * head.size - 1e-4), int(u * head.size - 1e-4)]
    covered = np.isfinite(depth)
    assert covered.sum() >= len(mesh.vertices)
    expected = np.asarray(Image.fromarray(mesh.texture)).astype(float)
    assert np.abs(drawn - expected)[covered].max() == 0
    np.testing.assert_allclose(depth[covered], head.depth[0].numpy()[covered], atol=1e-5)


def test_many_sizes(tmp_path):
    """The smallest mesh there is, and one that is not square with a finer texture."""
    camera = torch.tensor([[5.0, 0, 1], [0, 5, 1], [0, 0, 1]])
    for height, width, scale in [(2, 2, 1), (2, 9, 3)]:
        texture = torch.rand(3, height * scale, width * scale)
        for suffix in FORMATS:
            mesh_from_depth(torch.ones(1, height, width), texture, camera).export(tmp_path / f"a{suffix}")

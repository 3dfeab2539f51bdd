"""Mesh files: GLB, PLY and OBJ, each re-read and compared before it takes its place.

| suffix | holds |
|---|---|
| ``.glb`` | glTF 2.0, one binary file: positions, normals, texture coordinates, triangles, the texture as PNG |
| ``.ply`` | binary little-endian: positions, normals, a colour at each vertex, triangles |
| ``.obj`` | text; beside it ``NAME.mtl`` and ``NAME_texture.png`` |

The files are written to a hidden folder, read again with trimesh, compared number for number with the mesh, and only then
moved. So a visible file is correct, and a failure does not change older files.
"""

import json
import re
import secrets
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import trimesh
from jaxtyping import Float32, Int32, UInt8
from PIL import Image

from armillary.drawing.sheets import png_bytes
from armillary.errors import ArmillaryError


@attrs.frozen(kw_only=True, eq=False)
class Mesh:
    """Triangles with one normal and one texture coordinate per vertex.

    Args:
        vertices: x right, y up, z towards the viewer, scene units.
        faces: three vertices each, counter-clockwise from outside.
        normals: unit length, outward.
        uv: (0, 0) is the upper left corner of the upper left texel, (1, 1) the lower right corner of the lower right one.
        texture: sRGB, row 0 at the top.
        lit: the texture is an albedo, which the viewer shades; otherwise it includes shading and is shown unchanged.
    """

    vertices: Float32[np.ndarray, "vertices 3"]
    faces: Int32[np.ndarray, "faces 3"]
    normals: Float32[np.ndarray, "vertices 3"]
    uv: Float32[np.ndarray, "vertices 2"]
    texture: UInt8[np.ndarray, "height width 3"]
    lit: bool = True

    def export(self, path: Path | str) -> "Exported":
        """Write the mesh as ``.glb``, ``.ply`` or ``.obj``; see :func:`export_mesh`."""
        return export_mesh(self, path)

    def vertex_colours(self) -> UInt8[np.ndarray, "vertices 3"]:
        """Return the colour of the texture at each vertex, interpolated linearly between texel centres."""
        height, width = self.texture.shape[:2]
        at = self.uv.astype(np.float64) * (width, height) - 0.5
        low = np.floor(at).astype(np.intp)
        share = at - low
        total = np.zeros((len(at), 3))
        for dx in (0, 1):
            for dy in (0, 1):
                x = (low[:, 0] + dx).clip(0, width - 1)
                y = (low[:, 1] + dy).clip(0, height - 1)
                weight = np.abs(1.0 - dx - share[:, :1]) * np.abs(1.0 - dy - share[:, 1:])
                total += weight * self.texture[y, x]
        return np.rint(total).astype(np.uint8)


class ExportError(ArmillaryError, ValueError):
    """Mesh that cannot be written, or that differs from the mesh written when read again."""


@attrs.frozen(kw_only=True)
class Exported:
    """Files of an exported mesh that was read again and is equal.

    Args:
        path: the mesh file.
        files: all files of the mesh; an OBJ has three.
        vertices: number of vertices.
        faces: number of triangles.
        size: bytes of all files.
        checked: names of the compared arrays.
    """

    path: Path
    files: tuple[Path, ...]
    vertices: int
    faces: int
    size: int
    checked: tuple[str, ...]


def export_mesh(mesh: Mesh, path: Path | str) -> Exported:
    """Write ``mesh`` in the format of the suffix of ``path``; a missing folder is created.

    Raises:
        ExportError: the suffix is unknown, or the file differs from the mesh when read again.
        OSError: the disk is full, or the path cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        raise ExportError(
            f"{path.name}: no mesh format for {suffix or 'a name without suffix'!r}; use {', '.join(_WRITERS)}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    room = path.parent / f".{path.name}.{secrets.token_hex(4)}"
    room.mkdir()
    try:
        for name, content in _WRITERS[suffix](mesh, path.name).items():
            (room / name).write_bytes(content)
        checked = compare(mesh, room / path.name)
        written = sorted(
            room.iterdir(), key=lambda file: file.name == path.name
        )  # files that the mesh refers to come first
        size = sum(file.stat().st_size for file in written)
        files = tuple(file.replace(path.parent / file.name) for file in written)
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return Exported(
        path=path, files=files[::-1], vertices=len(mesh.vertices), faces=len(mesh.faces), size=size, checked=checked
    )


def compare(mesh: Mesh, path: Path) -> tuple[str, ...]:
    """Read a mesh file and compare it with ``mesh``; return the names of the compared arrays.

    Raises:
        ExportError: an array differs; the message has its name and the difference.
    """
    read = _read(path)
    visual: Any = read.visual  # its class depends on the file
    pairs: dict[str, tuple[np.ndarray, np.ndarray, float]] = {
        "positions": (mesh.vertices, read.vertices, _FLOAT * max(1.0, float(np.abs(mesh.vertices).max()))),
        "faces": (mesh.faces, read.faces, 0.0),
        "normals": (mesh.normals, read.vertex_normals, 4.0 * _FLOAT),
    }
    if path.suffix.lower() == ".ply":
        pairs["colours"] = (mesh.vertex_colours(), visual.vertex_colors[:, :3], 0.0)
    else:
        # trimesh keeps v from the bottom, whatever the file does
        pairs["uv"] = (mesh.uv, visual.uv * [1.0, -1.0] + [0.0, 1.0], 4.0 * _FLOAT)
        pairs["texture"] = (mesh.texture, np.asarray(_texture(visual.material).convert("RGB")), 0.0)
    for what, (ours, theirs, tolerance) in pairs.items():
        if ours.shape != np.shape(theirs):
            raise ExportError(f"{path.name}: wrote {what} of shape {ours.shape}, but read {np.shape(theirs)}")
        off = float(np.abs(ours.astype(np.float64) - theirs).max(initial=0.0))
        if not off <= tolerance:
            raise ExportError(f"{path.name}: {what} read again differ by {off:.3g}, more than {tolerance:.3g}")
    return tuple(pairs)


_FLOAT = float(np.finfo(np.float32).eps)


def _read(path: Path) -> trimesh.Trimesh:
    """Return the only mesh of a file. It is loaded as a scene, since trimesh recomputes normals when it joins meshes."""
    scene = trimesh.load_scene(path, process=False, maintain_order=True)
    meshes = [mesh for mesh in scene.geometry.values() if isinstance(mesh, trimesh.Trimesh)]
    if len(meshes) != 1:
        raise ExportError(f"{path.name}: wrote one mesh, but read {len(meshes)}")
    return meshes[0]


def _texture(material: Any) -> Image.Image:
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if image is None:
        raise ExportError("the texture was not found in the file that was written")
    return image


# --- writers: a mesh and the name of its file to the content of each file --------------------------------------------


def _glb(mesh: Mesh, name: str) -> Mapping[str, bytes]:
    """glTF 2.0, section 4 (binary), with one primitive, one material and one embedded PNG."""
    chunks = [
        (mesh.vertices.astype("<f4").tobytes(), 34962),
        (mesh.normals.astype("<f4").tobytes(), 34962),
        (mesh.uv.astype("<f4").tobytes(), 34962),
        (mesh.faces.astype("<u4").tobytes(), 34963),
        (png_bytes(mesh.texture), None),
    ]
    views, offset = [], 0
    for content, target in chunks:
        views.append(
            {"buffer": 0, "byteOffset": offset, "byteLength": len(content)} | ({"target": target} if target else {})
        )
        offset += len(content) + -len(content) % 4
    count = len(mesh.vertices)
    material = {
        "name": "surface",
        "doubleSided": True,
        "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicFactor": 0.0, "roughnessFactor": 1.0},
    }
    document = {
        "asset": {"version": "2.0", "generator": "armillary"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": Path(name).stem}],
        "meshes": [
            {"primitives": [{"attributes": {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2}, "indices": 3, "material": 0}]}
        ],
        "materials": [material],
        "textures": [{"source": 0, "sampler": 0}],
        "samplers": [{"magFilter": 9729, "minFilter": 9729, "wrapS": 33071, "wrapT": 33071}],
        "images": [{"bufferView": 4, "mimeType": "image/png"}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": count, "type": "VEC3"}
            | {"min": mesh.vertices.min(axis=0).tolist(), "max": mesh.vertices.max(axis=0).tolist()},
            {"bufferView": 1, "componentType": 5126, "count": count, "type": "VEC3"},
            {"bufferView": 2, "componentType": 5126, "count": count, "type": "VEC2"},
            {"bufferView": 3, "componentType": 5125, "count": mesh.faces.size, "type": "SCALAR"},
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": offset}],
    }
    if not mesh.lit:
        material["extensions"] = {"KHR_materials_unlit": {}}
        document["extensionsUsed"] = ["KHR_materials_unlit"]
    binary = b"".join(content + b"\0" * (-len(content) % 4) for content, _ in chunks)
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return {name: struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body}


def _ply(mesh: Mesh, name: str) -> Mapping[str, bytes]:
    vertex = [(axis, "<f4") for axis in ("x", "y", "z", "nx", "ny", "nz")] + [
        (c, "u1") for c in ("red", "green", "blue")
    ]
    vertices = np.empty(len(mesh.vertices), dtype=vertex)
    for k in range(3):
        vertices[vertex[k][0]] = mesh.vertices[:, k]
        vertices[vertex[k + 3][0]] = mesh.normals[:, k]
        vertices[vertex[k + 6][0]] = mesh.vertex_colours()[:, k]
    faces = np.empty(len(mesh.faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.faces
    kinds = {"<f4": "float", "u1": "uchar"}
    header = ["ply", "format binary_little_endian 1.0", "comment armillary: x right, y up, z towards the viewer"]
    header += [f"element vertex {len(vertices)}", *(f"property {kinds[kind]} {field}" for field, kind in vertex)]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
    return {name: "\n".join(header).encode() + vertices.tobytes() + faces.tobytes()}


def _obj(mesh: Mesh, name: str) -> Mapping[str, bytes]:
    """Return the files of a Wavefront OBJ, whose texture coordinate v counts from the bottom."""
    stem = re.sub(r"[^\w.+-]", "_", Path(name).stem)  # readers split the names of material and texture at blanks
    lines = ["# armillary: x right, y up, z towards the viewer", f"mtllib {stem}.mtl", "usemtl surface"]
    lines += ["v {:.9g} {:.9g} {:.9g}".format(*row) for row in mesh.vertices.tolist()]
    lines += [f"vt {u:.9g} {1.0 - v:.9g}" for u, v in mesh.uv.tolist()]
    lines += ["vn {:.9g} {:.9g} {:.9g}".format(*row) for row in mesh.normals.tolist()]
    lines += ["f {0}/{0}/{0} {1}/{1}/{1} {2}/{2}/{2}".format(*row) for row in (mesh.faces + 1).tolist()]
    material = [
        "newmtl surface",
        "Ka 0 0 0",
        "Kd 1 1 1",
        "Ks 0 0 0",
        f"illum {int(mesh.lit)}",
        f"map_Kd {stem}_texture.png",
    ]
    return {
        f"{stem}_texture.png": png_bytes(mesh.texture),
        f"{stem}.mtl": ("\n".join(material) + "\n").encode(),
        name: ("\n".join(lines) + "\n").encode(),
    }


_WRITERS: Mapping[str, Callable[[Mesh, str], Mapping[str, bytes]]] = {".glb": _glb, ".ply": _ply, ".obj": _obj}

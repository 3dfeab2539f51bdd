"""The picture of an item is that of its mesh, where it stands."""

import numpy as np
import trimesh

from armillary.kernels import mesh_pictures
from armillary.kernels.mesh_pictures import Studio, rotation_of_view
from armillary.kernels.triangle_mesh import TriangleMesh
from armillary_spherical.meshes import PosedMesh
from armillary_spherical.pictures import take_picture


def test_the_picture_is_of_the_mesh_where_it_stands():
    made = trimesh.creation.cone(radius=0.4, height=0.8)
    mesh, studio, matrix = TriangleMesh(made.vertices, made.faces), Studio(size=32), rotation_of_view(0.5, 0.7)
    posed = PosedMesh(mesh, closed=True).moved(matrix)
    moved = mesh_pictures.take_picture(mesh.moved(matrix), studio).grey
    np.testing.assert_allclose(take_picture(posed, studio), moved, atol=1e-6)

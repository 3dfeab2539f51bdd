"""Grey pictures of the meshes that items carry; frames, camera and light are those of :mod:`armillary.kernels.mesh_pictures`."""

import numpy as np
from jaxtyping import Float32

from armillary.kernels import mesh_pictures
from armillary.kernels.mesh_pictures import Studio
from armillary_spherical.meshes import PosedMesh


def take_picture(posed: PosedMesh, studio: Studio) -> Float32[np.ndarray, "size size"]:
    """Return the picture, row 0 at the top, grey in [0, 1].

    Raises:
        ValueError: a vertex lies beside or behind the eye: the mesh reaches far outside the unit sphere.
    """
    return mesh_pictures.take_picture(posed.mesh, studio, matrix=posed.matrix, closed=posed.closed).grey

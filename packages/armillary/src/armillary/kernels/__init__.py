"""Pure functions of tensors: the geometry that every method shares.

One module per subject: ``rotations``, ``cameras``, ``sampling``, ``points``, ``procrustes``, ``depth_mesh``,
``shading``, ``ranges``; and on numpy arrays, without gradient, ``triangle_mesh``, ``triangulation``, ``raster``, ``mesh_pictures``.
Import the module that is needed: this package imports none of them, so that importing it costs nothing. Signals on the
sphere are in :mod:`armillary.nn.spheres`.

Conventions of all of them: x right, y down, z forward; pixel (i, j) has its centre at integer coordinates;
``x_camera = R @ x_object + t``; radians; normals face the viewer; light directions point from the surface to the light.
"""

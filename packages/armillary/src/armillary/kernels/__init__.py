"""Pure functions of tensors: the geometry that every method shares.

One module a subject: ``rotations``, ``cameras``, ``sampling``, ``points``, ``edge_map``, ``matching``, ``procrustes``,
``thin_plate_spline``, ``depth_mesh``, ``shading``, ``statistics``, ``spheres`` (a package); and on arrays of numpy, since they
need no gradient, ``triangle_mesh``, ``triangulation``, ``raster``, ``mesh_pictures``. Import the module that is needed; this
package imports none of them, so that naming it costs nothing.

Conventions held by all of them, but for the spheres, where z is up: x right, y down, z forward; pixel (i, j) has its centre at integer coordinates;
``x_camera = R @ x_object + t``; radians; normals face the viewer; light directions point from the surface to the light.
"""

"""Signals on the sphere and on the group of rotations.

One module per subject: ``grids`` (samples and quadrature), ``harmonics`` (the basis, its order, e3nn's), ``transforms``
(samples to coefficients and back), ``convolution`` (zonal filters, pooling), ``rotation`` (of coefficients),
``correlation`` (of two signals over all rotations), ``alignment`` (the best of them, below the grid). Import the module
that is needed; this package imports none of them.

Conventions of all of them.

Frame: the unit sphere, z up; colatitude :math:`\\theta` in [0, pi] from +z, azimuth :math:`\\phi` in [0, 2 pi) from +x
towards +y; right-handed; radians. Signals are ``[*batch, colatitude, azimuth]``.

Basis: real, orthonormal (:math:`\\int Y^2 = 1`), no Condon-Shortley sign; cosine at m > 0, sine at m < 0:

.. math:: Y_{l,m} = \\sqrt 2\\, \\bar P_l^m(\\cos\\theta) \\cos m\\phi, \\quad
          Y_{l,-m} = \\sqrt 2\\, \\bar P_l^m(\\cos\\theta) \\sin m\\phi, \\quad Y_{l,0} = \\bar P_l^0(\\cos\\theta)

so that l = 1 is :math:`\\sqrt{3 / 4\\pi}\\,(y, z, x)`. Coefficients are ``[*batch, coefficient]``, the one of degree l
and order m at ``l^2 + l + m``: degrees below b are the first b^2, so that ``[..., : b * b]`` is the spectral low-pass.
The number of degrees is called the bandwidth B; a grid of bandwidth B has 2B x 2B samples.

Rotations: ``R`` acts on columns, :math:`R = R_z(\\alpha) R_y(\\beta) R_z(\\gamma)`, and turns a signal with its object:
:math:`(R f)(x) = f(R^{-1} x)`.

Coefficients leave these functions with their memory laid out coefficient first, the order in which the next one reads
them; strides are no part of the contract. Tables are computed in float64, cast once and kept for each grid, dtype and
device.
"""

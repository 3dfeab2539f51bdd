"""Proportions of an adult's head, and their variation. All ours, drawn by eye.

Lengths are in hundredths of a scene unit (about a centimetre): x to the right of the picture, y down, from the middle of the
face; depth is measured forward from the plane of the ears.
"""

import numpy as np

UNIT = 0.01
"""Scene units a unit of these tables."""

EARS = 5.3
"""Distance of the plane of the ears behind the centre of rotation."""

DROP = 0.6
"""Shift of the head below its table, so that the face is in the middle of the picture."""

STATIONS = np.array(
    [  # y, half width, depth forward
        [-11.3, 0.0, 0.0],  # crown
        [-11.2, 2.4, 2.6],
        [-10.4, 4.5, 5.0],
        [-8.4, 6.2, 7.4],  # hairline
        [-5.9, 6.9, 8.6],  # forehead
        [-3.2, 7.1, 9.0],
        [-1.0, 7.0, 8.8],  # eyes
        [1.0, 6.8, 8.7],  # cheekbones
        [3.0, 6.4, 8.7],
        [4.8, 5.9, 8.8],  # mouth
        [6.4, 5.0, 8.8],
        [7.8, 3.7, 8.3],  # chin
        [8.6, 3.0, 5.8],
        [9.1, 3.6, 3.2],  # throat
        [11.0, 3.9, 2.6],
        [15.0, 4.4, 2.4],  # neck, below the picture
    ]
)
"""Horizontal sections from the crown to the neck: control values of a cubic B-spline."""

ROWS = ((0.0, 0), (4.0, 11), (12.4, 60), (15.0, 65))
"""(station, row of the grid): rows are dense in the face."""

COLUMNS = 65
"""Odd: the middle column is the plane of symmetry."""

REACH = np.radians(132.0)
"""The surface goes round to this angle, either way: what can be seen at the largest yaw, and a margin."""

SECTION = 2.25
"""Exponent of the super-ellipse of a section; 2 would be an ellipse."""

NOISE_ROWS, NOISE_FOLDED, NOISE_COLUMNS, STRANDS = 7, 5, 6, 24
"""Control values of skin noise from the crown down, from the middle round to one side, and from side to side; of hair."""

TRAITS: dict[str, tuple[float, float]] = {  # name: mean, standard deviation
    "width": (1.0, 0.045),
    "height": (0.97, 0.03),
    "depth": (1.0, 0.03),
    "forehead": (0.0, 0.35),
    "cheek_width": (0.0, 0.3),
    "jaw_width": (0.0, 0.4),
    "chin_drop": (0.0, 0.35),
    "chin_forward": (0.5, 0.25),
    "nose_tip": (2.3, 0.35),
    "nose_width": (0.95, 0.14),
    "nose_length": (0.0, 0.25),
    "nose_bridge": (0.55, 0.15),
    "wings": (0.65, 0.12),
    "brow_ridge": (0.55, 0.2),
    "eye_distance": (3.1, 0.16),
    "eye_y": (-1.0, 0.12),
    "eye_size": (1.0, 0.09),
    "eye_open": (0.5, 0.07),
    "socket": (0.95, 0.2),
    "cheekbone": (0.5, 0.2),
    "mouth_y": (4.75, 0.2),
    "mouth_width": (2.4, 0.25),
    "lips": (0.45, 0.09),
    "smile": (0.08, 0.14),
    "ears": (1.0, 0.2),
    "hair_volume": (0.55, 0.2),
    "hairline": (-6.7, 0.5),
    "hair_curve": (0.035, 0.02),
    "temple": (1.28, 0.07),
    "brow_height": (1.45, 0.15),
    "brow_thickness": (0.3, 0.07),
    "brow_arch": (0.12, 0.06),
}
"""Symmetric traits of identity, drawn independently and normally, clipped at two standard deviations."""

SKIN = np.array([[0.97, 0.82, 0.73], [0.90, 0.70, 0.57], [0.76, 0.54, 0.41], [0.55, 0.37, 0.27], [0.38, 0.25, 0.18]])
HAIR = np.array(
    [
        [0.08, 0.07, 0.07],
        [0.22, 0.14, 0.09],
        [0.42, 0.27, 0.15],
        [0.75, 0.58, 0.34],
        [0.55, 0.24, 0.1],
        [0.65, 0.64, 0.62],
    ]
)
IRIS = np.array([[0.22, 0.13, 0.07], [0.36, 0.25, 0.12], [0.35, 0.42, 0.25], [0.3, 0.45, 0.6], [0.45, 0.5, 0.53]])
"""Colours, sRGB."""

POINTS: tuple[str, ...] = (
    "nose-tip",
    "nose-root",
    "nose-base",
    "chin",
    "forehead",
    "upper-lip",
    "lower-lip",
    "mouth-left",
    "mouth-right",
    "eye-left",
    "eye-right",
    "eye-left-inner",
    "eye-right-inner",
    "eye-left-outer",
    "eye-right-outer",
    "brow-left",
    "brow-right",
    "nostril-left",
    "nostril-right",
    "cheek-left",
    "cheek-right",
    "jaw-left",
    "jaw-right",
    "ear-left",
    "ear-right",
)
"""Landmarks. Left is the subject's left, on the right of the picture."""

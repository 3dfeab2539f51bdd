"""Matching and splines are the same on every device."""

import pytest
import torch

from armillary.std.label_maps import lattice
from armillary_labelling.kernels import matching
from armillary_labelling.kernels import thin_plate_spline as splines

ROWS, COLUMNS, CONTROL = 4, 5, (3, 3)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


POSITIONS = lattice(ROWS, COLUMNS, stride=2, height=8, width=10, dtype=torch.float64)
LABELS = (normal(2, 3, ROWS * COLUMNS), normal(2, 3, ROWS * COLUMNS, seed=1))
MATCHES = (POSITIONS * torch.tensor([0.8, 0.7]) + 0.37).expand(2, -1, -1)
KNOTS = splines.control_points(CONTROL, dtype=torch.float64) + 0.05 * normal(2, 9, 2)
WEIGHTS = splines.spline_weights(KNOTS, control=CONTROL)
PLACES = 0.5 * normal(2, 6, 2).tanh()


def on_cells(function, **more):
    """Return the function of labels alone; matches, positions and weights go where the labels are."""

    def call(source, target):
        cells = {"matches": MATCHES, "positions": POSITIONS, "weights": torch.ones(2, ROWS * COLUMNS)}
        return function(source, target, **{name: value.to(source) for name, value in cells.items()}, **more)

    return call


CASES = {
    "expected_distance": (on_cells(matching.expected_distance, exponent=0.5), *LABELS),
    "expected_distance by columns": (on_cells(matching.expected_distance, exponent=1.0, columns=COLUMNS), *LABELS),
    "match_log_likelihood": (on_cells(matching.match_log_likelihood, rows=ROWS, columns=COLUMNS), *LABELS),
    "matching_margin": (
        on_cells(matching.matching_margin, rows=ROWS, columns=COLUMNS, scale=0.1, exponent=0.5),
        *LABELS,
    ),
    "exchanged": (matching.exchanged, *LABELS),
    "spline_weights": (lambda values: splines.spline_weights(values, control=CONTROL), KNOTS),
    "spline_grid": (lambda weights: splines.spline_grid(weights, height=6, width=7, control=CONTROL), WEIGHTS),
    "interpolating_grid": (lambda v: splines.interpolating_grid(v, height=6, width=7, control=CONTROL), KNOTS),
    "spline_map": (lambda w, p: splines.spline_map(w, p, control=CONTROL), WEIGHTS, PLACES),
    "spline_jacobian": (lambda w, p: splines.spline_jacobian(w, p, control=CONTROL), WEIGHTS, PLACES),
    "spline_inverse": (lambda w, p: splines.spline_inverse(w, p, control=CONTROL, tolerance=1e-4), WEIGHTS, PLACES),
}


@pytest.mark.parametrize("name", CASES)
def test_same_on_every_device(right_on, name):
    function, *tensors = CASES[name]
    right_on(function, *tensors, tolerance=1e-3)

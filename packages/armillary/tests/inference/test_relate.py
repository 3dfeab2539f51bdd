"""The rotation between two objects, from whatever a method finds of each."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from armillary.errors import RunError
from armillary.inference import relate as module
from armillary.inference.predict import Geometry
from armillary.inference.relate import relate, relation_picture
from armillary.kernels.rotations import geodesic_angle, random_rotation
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.rotation import rotate_coefficients
from armillary.nn.spheres.transforms import signal_from_coefficients


def found(monkeypatch, kind, first, second, *, image=True):
    """What ``relate`` makes of two outputs of one kind."""
    picture = torch.zeros(3, 8, 8) if image else None
    pair = [Geometry(id=name, image=picture, outputs={"x": value}, kinds={"x": kind}) for name, value in
            (("a", first), ("b", second))]  # fmt: skip
    monkeypatch.setattr(module, "predict", lambda *_, **__: iter(pair))
    plan = SimpleNamespace(method_id="toy:toy", predictions={"x": None})
    restored = SimpleNamespace(model=SimpleNamespace(plan=plan))
    return relate(restored, Path("a.png"), Path("b.png"), host=None)


@pytest.mark.parametrize("seed", range(3))
def test_it_takes_the_first_to_the_second_from_signals(monkeypatch, seed):
    generator = torch.Generator().manual_seed(seed)
    turn = random_rotation(generator=generator, dtype=torch.float64)
    coefficients = torch.randn(3, 64, generator=generator, dtype=torch.float64)
    grid = soft(8)
    first, second = (
        signal_from_coefficients(value, grid=grid) for value in (coefficients, rotate_coefficients(coefficients, turn))
    )
    relation = found(monkeypatch, "sphere_signal", first, second)
    assert torch.rad2deg(geodesic_angle(relation.best.rotation, turn)) < 1e-3
    assert relation.best.score == pytest.approx(1.0)
    assert all(other.score < relation.best.score for other in relation.others)


@pytest.mark.parametrize("kind", ["rotation", "pose"])
def test_it_takes_the_first_to_the_second_from_rotations(monkeypatch, kind):
    """x_first = R1 x and x_second = R2 x, so x_second = R2 R1^T x_first."""
    one, two = random_rotation(2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    more = torch.ones(3, 1, dtype=torch.float64)
    values = [torch.cat((each, more), dim=1) if kind == "pose" else each for each in (one, two)]
    relation = found(monkeypatch, kind, *values)
    torch.testing.assert_close(relation.best.rotation @ one, two)
    assert math.isnan(relation.best.score)


def test_its_angle_and_turns_are_degrees(monkeypatch):
    quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    relation = found(monkeypatch, "rotation", torch.eye(3), quarter)
    assert relation.best.degrees == pytest.approx(90.0, abs=1e-4)
    assert relation.best.turns == pytest.approx([0.0, 0.0, 90.0], abs=1e-4)


@pytest.mark.parametrize("image", [True, False])
def test_it_is_drawn_for_pictures_and_for_meshes(monkeypatch, image):
    signal = torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(0))
    relation = found(monkeypatch, "sphere_signal", signal, signal.roll(3, dims=-1), image=image)
    sheet = relation_picture(relation)
    assert sheet.shape[1] > sheet.shape[0]
    assert sheet.std() > 0


def test_what_tells_no_orientation_is_refused(monkeypatch):
    with pytest.raises(RunError, match="toy:toy has no output with an orientation: it predicts x"):
        found(monkeypatch, "depth", torch.zeros(1, 8, 8), torch.zeros(1, 8, 8))

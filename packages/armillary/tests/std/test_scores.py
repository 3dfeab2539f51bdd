"""Measures of surface, view and mask: values by hand, the truth scores best, shards that equal the whole, bootstrap intervals."""

import math

import numpy as np
import pytest
import torch

from armillary.kernels.cameras import intrinsics
from armillary.kernels.rotations import exp_map, geodesic_angle, random_rotation
from armillary.kernels.shading import normals_from_depth
from armillary.std.mask_scores import ConfidenceOverlap, MaskOverlap
from armillary.std.scores import Column, bootstrap_interval, direction_angle, mean, median, share_below
from armillary.std.surface_scores import (
    AlbedoError,
    CanonicalAlbedoError,
    DepthNormalAngle,
    NormalAngle,
    scaled_error,
)
from armillary.std.view_scores import CanonicalLightAngle, LightAngle, PoseAngle, RotationAngle, frame_between

SIZE, COUNT, SPLIT = 12, 8, 5


def made(seed):
    return torch.Generator().manual_seed(seed)


def numbers(*shape, seed=0):
    return torch.rand(*shape, generator=made(seed), dtype=torch.float64)


def unit(vectors, dim=1):
    return vectors / vectors.norm(dim=dim, keepdim=True)


def rotations(count=COUNT, seed=0):
    return random_rotation(count, generator=made(seed), dtype=torch.float64)


def poses(turns):
    return torch.cat((turns, torch.zeros(len(turns), 3, 1, dtype=turns.dtype)), dim=2)


def masks():
    """Return discs off the middle, so that erosion leaves some of each."""
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    radius = torch.arange(COUNT)[:, None, None] * 0.3 + 3.0
    return (((x - 6) ** 2 + (y - 5) ** 2) < radius**2)[:, None]


def lights(seed=0):
    directions = unit(numbers(COUNT, 3, seed=seed) - 0.5)
    return torch.cat((torch.full((COUNT, 2), 0.5, dtype=torch.float64), directions), dim=1)


def depths(seed=0):
    return 1.0 + 0.02 * numbers(COUNT, 1, SIZE, SIZE, seed=seed)


def cameras():
    return intrinsics(0.2, height=SIZE, width=SIZE, dtype=torch.float64).expand(COUNT, 3, 3)


def turned(light, turns):
    return torch.cat((light[:, :2], (turns @ light[:, 2:, None])[..., 0]), dim=1)


NORMALS = unit(numbers(COUNT, 3, SIZE, SIZE) - 0.5)
ALBEDO = numbers(COUNT, 3, SIZE, SIZE)
STILL = poses(torch.eye(3, dtype=torch.float64).expand(COUNT, 3, 3))
OF_DEPTH = normals_from_depth(depths(), cameras())
FRAME = rotations(1, seed=9)[0]

# class, what a perfect method and the data give, the port that is wrong in another method, what it gives then, figure
CASES = {
    "normals": (NormalAngle, {"normals": NORMALS, "true_normals": NORMALS}, {"normals": NORMALS.flip(0)}, "mad"),
    "normals of depth": (
        DepthNormalAngle,
        {"depth": depths(), "camera": cameras(), "true_normals": OF_DEPTH},
        {"depth": depths(1)},
        "mad",
    ),
    "albedo": (AlbedoError, {"albedo": 0.4 * ALBEDO, "true_albedo": ALBEDO}, {"albedo": ALBEDO.flip(0)}, "rmse"),
    "canonical albedo": (
        CanonicalAlbedoError,
        {
            "albedo": 0.4 * ALBEDO,
            "depth": depths(),
            "pose": STILL,
            "canonical_camera": cameras(),
            "true_albedo": ALBEDO,
        },
        {"albedo": ALBEDO.flip(0)},
        "rmse",
    ),
    "light": (LightAngle, {"light": lights(), "true_light": lights()}, {"light": lights(1)}, "median"),
    "canonical light": (
        CanonicalLightAngle,
        {"light": lights(), "pose": poses(rotations()), "true_light": turned(lights(), rotations())},
        {"pose": STILL},
        "median",
    ),
    "pose": (
        PoseAngle,
        {"pose": poses(rotations() @ FRAME), "true_pose": poses(rotations())},
        {"pose": poses(rotations(seed=1))},
        "median",
    ),
    "rotation": (
        RotationAngle,
        {"rotation": rotations() @ FRAME, "true_rotation": rotations()},
        {"rotation": rotations(seed=1)},
        "median",
    ),
    "mask": (MaskOverlap, {"mask": masks(), "true_mask": masks()}, {"mask": masks().flip(-1)}, "iou"),
    "confidence": (
        ConfidenceOverlap,
        {"confidence": torch.where(masks(), 0.1, 0.9), "true_mask": masks()},
        {"confidence": torch.where(masks().flip(-1), 0.1, 0.9)},
        "iou",
    ),
}


def show(evaluator, phase, ports, first=0, last=COUNT):
    part = {name: value[first:last] for name, value in ports.items()}
    items = len(next(iter(part.values())))
    evaluator.update(phase, ids=[f"item {first + i}" for i in range(items)], ports=part)


def scored(cls, ports, *, fit=True, **settings):
    evaluator = cls(**settings)
    if fit:
        show(evaluator, "fit", ports)
    show(evaluator, "score", ports)
    return evaluator.result()


@pytest.mark.parametrize("name", CASES)
def test_the_truth_scores_best(name):
    """The oracle has no error, every guess and another prediction have one, and a row is kept for each picture."""
    cls, perfect, worse, measure = CASES[name]
    found, other = scored(cls, perfect), scored(cls, {**perfect, **worse})
    figure = found.figures[measure]
    best = 1.0 if figure.better == "higher" else 0.0
    assert figure.value == pytest.approx(best, abs=1e-5)
    assert figure.count == len(found.rows) == COUNT
    assert len(found.baselines) >= 2
    for value in (other.figures[measure].value, *(table[measure].value for table in found.baselines.values())):
        assert abs(value - best) > 0.01


@pytest.mark.parametrize("name", CASES)
def test_merged_shards_equal_the_whole(name):
    cls, perfect, worse, _ = CASES[name]
    ports = {**perfect, **worse}
    whole, one, two = cls(), cls(), cls()
    for evaluator in (whole, one, two):  # as when the fit pass was merged and given to all
        show(evaluator, "fit", ports, 0, SPLIT)
        part = cls()
        show(part, "fit", ports, SPLIT, COUNT)
        evaluator.merge(part)
    show(whole, "score", ports)
    show(one, "score", ports, SPLIT, COUNT)
    show(two, "score", ports, 0, SPLIT)
    one.merge(two)
    merged, expected = one.result(), whole.result()
    assert list(merged.rows) == list(expected.rows)
    for item, row in expected.rows.items():
        assert merged.rows[item] == pytest.approx(row, rel=1e-9, abs=1e-9)
    for table, other in ((merged.figures, expected.figures), *zip_tables(merged, expected)):
        for measure, figure in other.items():
            assert table[measure].value == pytest.approx(figure.value, rel=1e-9, abs=1e-9)
            assert table[measure].interval == pytest.approx(figure.interval, rel=1e-9, abs=1e-9)


def zip_tables(one, other):
    assert one.baselines.keys() == other.baselines.keys()
    return [(one.baselines[name], table) for name, table in other.baselines.items()]


@pytest.mark.parametrize("name", CASES)
def test_nothing_scored_is_an_error_and_a_lacking_fit_is_said(name):
    cls, perfect, *_ = CASES[name]
    with pytest.raises(ValueError, match=f"{cls.header['name']}: no picture with its truth was scored"):
        cls().result()
    assert any("no fit pass was run" in note for note in scored(cls, perfect, fit=False).notes)


def test_angles_by_hand():
    """x and x + y are 45 degrees apart whatever their lengths; a vector of length zero counts as 90."""
    x, both = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([3.0, 3.0, 0.0])
    assert direction_angle(x, both).item() == pytest.approx(45.0)
    assert direction_angle(x, 0 * x).item() == 90.0
    assert direction_angle(x, -x).item() == pytest.approx(180.0)


def test_shares_and_medians_of_normals_by_hand():
    """A quarter of the pixels is 90 degrees off, the others 20: mean 37.5, median 20, three quarters below 30."""
    truth = torch.tensor([0.0, 0.0, -1.0]).reshape(1, 3, 1, 1).expand(1, 3, 4, 4)
    tilt = math.radians(20)
    found = torch.tensor([0.0, math.sin(tilt), -math.cos(tilt)]).reshape(1, 3, 1, 1).repeat(1, 1, 4, 4)
    found[..., 0] = torch.tensor([1.0, 0.0, 0.0])[:, None]
    figures = scored(NormalAngle, {"normals": found, "true_normals": truth}, erosion=1).figures
    assert figures["mad"].value == pytest.approx(37.5, abs=1e-4)
    assert figures["median"].value == pytest.approx(20.0, abs=1e-4)
    assert figures["below 30"].value == pytest.approx(75.0)


def test_hidden_pixels_may_hold_anything():
    """Nan and infinity where either mask is false change nothing, and what is not covered is said."""
    true_mask, visible = masks(), masks().roll(1, dims=-1)
    for cls, port, truth in ((NormalAngle, "normals", NORMALS), (AlbedoError, "albedo", ALBEDO)):
        found = truth.flip(0)
        shared = {"true_mask": true_mask, "visible": visible}
        clean = scored(cls, {port: found, f"true_{port}": truth, **shared})
        dirty = {
            port: torch.where(visible, found, float("nan")),
            f"true_{port}": torch.where(true_mask, truth, float("inf")),
        }
        assert scored(cls, {**dirty, **shared}).figures == clean.figures
        assert all(0 < row["covered"] < 100 for row in clean.rows.values())
        assert any("of the true pixels are covered" in note for note in clean.notes)


def test_the_error_of_albedo_by_hand():
    """Albedo (1, 0) against (1, 1) in every channel: the best factor is 1, the error sqrt(1/2); 7 times as bright is the same."""
    truth = torch.ones(1, 3, 1, 2)
    found = truth * torch.tensor([1.0, 0.0])
    everywhere = torch.ones(1, 1, 1, 2, dtype=torch.bool)
    for factor in (1.0, 7.0):
        assert scaled_error(factor * found, truth, valid=everywhere).item() == pytest.approx(math.sqrt(0.5))
    assert scaled_error(0 * found, truth, valid=everywhere).item() == pytest.approx(1.0)


def test_canonical_albedo_moves_with_the_object():
    """The object a pixel further right: the picture shows at x what the canonical view has at x - 1."""
    camera = cameras()
    shift = poses(torch.eye(3, dtype=torch.float64).expand(COUNT, 3, 3)).clone()
    shift[:, 0, 3] = 1.0 / camera[0, 0, 0]  # one pixel at depth 1
    ports = {
        "albedo": ALBEDO,
        "depth": torch.ones(COUNT, 1, SIZE, SIZE, dtype=torch.float64),
        "pose": shift,
        "canonical_camera": camera,
        "true_albedo": ALBEDO.roll(1, dims=-1),
    }
    assert scored(CanonicalAlbedoError, ports).figures["rmse"].value == pytest.approx(0.0, abs=1e-9)
    assert scored(CanonicalAlbedoError, {**ports, "pose": STILL}).figures["rmse"].value > 10


def test_a_light_without_direction_is_left_out():
    truth = lights()
    truth[0, 1] = 0.0
    found = scored(LightAngle, {"light": lights(), "true_light": truth})
    assert found.figures["median"].count == COUNT - 1
    assert "1 pictures left out: the true light has no direction" in found.notes


def test_the_frame_of_the_object_is_fitted_on_the_training_split_alone():
    """A frame that differs between the splits is an error of the test split: 40 degrees are 40 degrees."""
    off = exp_map(torch.tensor([0.0, math.radians(40), 0.0], dtype=torch.float64))
    evaluator = PoseAngle()
    show(evaluator, "fit", {"pose": poses(rotations() @ FRAME), "true_pose": poses(rotations())})
    show(evaluator, "score", {"pose": poses(rotations() @ FRAME @ off), "true_pose": poses(rotations())})
    figures = evaluator.result().figures
    assert figures["median"].value == pytest.approx(40.0, abs=1e-6)
    assert figures["acc@30"].value == 0.0


@pytest.mark.parametrize("group", ["c2x", "c4z", "so2z"])
def test_a_symmetry_is_forgiven_while_the_frame_is_fitted(group):
    """Found rotations that differ from the true ones by a member of the group, drawn anew for each picture."""
    period = {"c2x": math.pi, "c4z": math.pi / 2, "so2z": 0.3}[group]
    axis = torch.tensor([1.0, 0.0, 0.0] if group == "c2x" else [0.0, 0.0, 1.0], dtype=torch.float64)
    members = exp_map(period * torch.arange(40, dtype=torch.float64)[:, None] * axis)
    truth = rotations(40)
    ports = {"rotation": truth @ members @ FRAME, "true_rotation": truth}
    ids = [str(i) for i in range(40)]
    values = {}
    for name in (group, "none"):
        evaluator = RotationAngle(symmetry=name)
        for phase in ("fit", "score"):
            evaluator.update(phase, ids=ids, ports=ports)
        values[name] = evaluator.result().figures["mean"].value
    assert values[group] == pytest.approx(0.0, abs=1e-5)
    assert values["none"] > 30


def test_the_mean_frame_of_noisy_rotations_is_near():
    noise = exp_map(0.1 * (numbers(200, 3) - 0.5))
    truth = rotations(200)
    frame = frame_between(truth @ noise @ FRAME.mT, truth, group="none")
    assert float(geodesic_angle(frame, FRAME)) < 0.02


def test_overlap_by_hand():
    """Two of four pixels each, one shared: 1/3."""
    found, truth = torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 2, 2, dtype=torch.bool)
    found[0, 0, 0], truth[0, 0, :, 0] = 1.0, True
    evaluation = scored(MaskOverlap, {"mask": found, "true_mask": truth})
    assert evaluation.figures["iou"].value == pytest.approx(1 / 3)
    assert evaluation.notes == ("1 pictures left out: both masks are empty",)


def test_a_bootstrap_interval_holds_the_truth_as_often_as_it_says():
    """Means of 40 normal numbers, 200 times: 95 % of the intervals hold 0, within three standard errors and the small bias."""
    draw = np.random.default_rng(1)
    hits = 0
    for trial in range(200):
        low, high = bootstrap_interval(draw.normal(size=40), mean, seed=trial)
        hits += low <= 0.0 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_intervals_of_medians_and_shares():
    values = np.arange(101.0)
    low, high = bootstrap_interval(values, median)
    assert 30 < low < 50 < high < 70
    low, high = bootstrap_interval(values, share_below(50))
    assert 0.35 < low < 50 / 101 < high < 0.65
    assert bootstrap_interval(values, median) == bootstrap_interval(values, median)
    assert bootstrap_interval(values[:1], mean) is None


def test_a_column_leaves_out_what_is_no_number():
    figure = Column(of="x").figure({"a": {"x": 1.0}, "b": {"x": float("nan")}, "c": {"x": 3.0}})
    assert (figure.value, figure.count, figure.spread) == (2.0, 2, pytest.approx(math.sqrt(2)))
    empty = Column(of="x").figure({"a": {"x": float("nan")}})
    assert (empty.value != empty.value, empty.count, empty.interval) == (True, 0, None)

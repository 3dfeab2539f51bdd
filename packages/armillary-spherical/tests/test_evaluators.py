"""Claims of ``evaluators.py``: perfect embeddings score perfectly, shards merge, baselines are what chance gives."""

import math

import pytest
import torch

from armillary.kernels.rotations import exp_map, random_rotation
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.rotation import rotate_coefficients
from armillary.nn.spheres.transforms import signal_from_coefficients
from armillary_spherical.evaluators import Classification, Equivariance, ImageToMesh, RelativePose, mirrored

ITEMS = [f"{category}/{index}" for category in ("aeroplane", "car") for index in range(5)]
PASSES = ("score", "second", "third", "fourth")


def generator(seed=0, *, bandwidth=4):
    """Views of ten items, each a turned map; items of a category have the same map."""
    generator = torch.Generator().manual_seed(seed)
    maps = {name: torch.randn(3, bandwidth**2, generator=generator) for name in ("aeroplane", "car")}
    own = torch.stack([maps[item.split("/")[0]] for item in ITEMS])
    seen = {}
    for phase in PASSES:
        truth = random_rotation(len(ITEMS), generator=generator)
        coefficients = rotate_coefficients(own, truth[:, None])
        seen[phase] = {
            "embedding": signal_from_coefficients(coefficients, grid=soft(bandwidth)),
            "true_rotation": truth,
        }
    return seen


def fed(evaluator, seen, *, order=None, phases=PASSES):
    for phase in phases:
        places = order or range(len(ITEMS))
        for place in places:
            ports = {name: value[place][None] for name, value in seen[phase].items()}
            evaluator.update(phase, ids=[ITEMS[place]], ports=ports)
    return evaluator


def pose(**changes):
    return RelativePose(**({"bandwidth": 8} | changes))


def test_maps_that_turn_with_the_object_have_no_error():
    """Three instance and three category pairs an item, all found; random rotations are about 126 degrees off."""
    found = fed(pose(), generator()).result()
    assert found.figures["instance median"].value < 0.05
    assert found.figures["category median"].value < 0.05
    assert found.figures["instance acc@15"].value == 1.0
    assert found.figures["instance median"].count == found.figures["category median"].count == 30
    assert 90 < found.baselines["random rotation"]["instance median"].value < 150


def test_without_refinement_the_error_is_the_grids():
    """At a bandwidth of 8 a cell is 11.25 degrees in beta and 22.5 in the other angles."""
    found = fed(pose(refine=False), generator()).result()
    assert 1 < found.figures["instance median"].value < 20


def test_the_order_of_arguments():
    """The estimate carries the first view onto the second: of rotations that are known, the error is exactly that added."""
    seen = generator()
    added = exp_map(torch.tensor([0.0, 0.2, 0.0]))
    for phase, ports in seen.items():
        rotation = ports["true_rotation"]
        seen[phase] = {"rotation": rotation if phase == "score" else added @ rotation, "true_rotation": rotation}
    found = fed(pose(), seen).result()
    assert found.figures["instance median"].value == pytest.approx(math.degrees(0.2), abs=1e-3)
    assert found.figures["instance mean"].spread == pytest.approx(0, abs=1e-3)


def test_shards_and_order_do_not_matter():
    seen = generator()
    whole = fed(pose(), seen).result()
    one, other = pose(), pose()
    fed(one, seen, order=[7, 1, 4, 9])
    fed(other, seen, order=[0, 8, 2, 3, 6, 5])
    one.merge(other)
    assert one.result() == whole


def test_a_symmetry_forgives_its_turns():
    """Cars given the wrong way round: half a turn about their own z axis, forgiven by c2z and by the published rule."""
    seen = generator()
    half = torch.diag(torch.tensor([-1.0, -1, 1]))
    for phase, ports in seen.items():
        rotation = ports["true_rotation"]
        seen[phase] = {"rotation": rotation @ half if phase != "score" else rotation, "true_rotation": rotation}
    plain = fed(pose(), seen).result().figures["instance median"].value
    groups = {"car": "c2z", "aeroplane": "half-turn"}
    forgiven = fed(pose(symmetries=groups), seen).result()
    assert plain == pytest.approx(180, abs=0.1)
    assert forgiven.figures["instance median"].value < 0.1
    assert any("car: errors up to c2z" in note for note in forgiven.notes)


def test_rows_hold_every_error_and_the_histogram():
    found = fed(pose(), generator()).result()
    assert set(found.rows[ITEMS[0]]) == {f"{kind} {i}" for kind in ("instance", "category") for i in (1, 2, 3)}
    histogram = found.rows["histogram of instance pairs"]
    assert next(iter(histogram)) == "0 to 15"
    assert list(histogram)[-1] == "165 to 180"
    assert histogram["0 to 15"] == sum(histogram.values()) == 30
    assert any(note.startswith("category pairs of car: median") for note in found.notes)


def test_category_pairs_never_pair_an_item_with_itself():
    evaluator = fed(pose(), generator())
    pairs = evaluator.pairs()
    category = [pair for pair in pairs if pair.kind == "category"]
    assert all(pair.first != pair.second for pair in category)
    assert all(pair.first.split("/")[0] == pair.second.split("/")[0] for pair in category)
    assert len({(pair.first, pair.second) for pair in category}) == len(category)


def test_unknown_symmetries_are_refused():
    with pytest.raises(ValueError, match=r"symmetries\.car needs one of"):
        pose(symmetries={"car": "mirror"})


def test_a_method_without_poses_is_refused():
    with pytest.raises(ValueError, match="neither"):
        pose().update("score", ids=["a"], ports={"true_rotation": torch.eye(3)[None]})
    with pytest.raises(ValueError, match="two views"):
        pose().result()


def test_pictures_are_compared_with_meshes():
    """The second of a pair is the mesh: what its picture gives does not matter."""
    seen = generator()
    for phase, ports in seen.items():
        noise = torch.randn(ports["embedding"].shape, generator=torch.Generator().manual_seed(0))
        ports["shape_embedding"] = ports["embedding"]
        if phase != "score":
            ports["embedding"] = noise
    found = fed(ImageToMesh(bandwidth=8), seen).result()
    assert found.figures["instance median"].value < 0.05
    assert fed(pose(), seen).result().figures["instance median"].value > 30


def test_equivariance_of_maps_that_turn_is_exact():
    """And the element of the next larger group, a mirror, is not: its error is of the order of 1."""
    seen = {
        phase: {"features": p["embedding"], "true_rotation": p["true_rotation"]} for phase, p in generator().items()
    }
    evaluator = fed(Equivariance(), seen, phases=PASSES[:2])
    found = evaluator.result()
    assert found.figures["relative error"].value < 1e-5
    assert set(found.baselines) == {"not turned", "turned and mirrored", "turned at random"}
    assert all(figures["relative error"].value > 0.5 for figures in found.baselines.values())


def test_equivariance_counts_what_is_added():
    """Golden: a tenth of a map's own norm added to it makes an error of about a tenth."""
    seen = {
        phase: {"features": p["embedding"], "true_rotation": p["true_rotation"]} for phase, p in generator().items()
    }
    seen["score"]["features"] = 1.1 * seen["score"]["features"]
    found = fed(Equivariance(), seen, phases=PASSES[:2]).result()
    assert found.figures["relative error"].value == pytest.approx(0.1, abs=1e-5)


def test_a_mirror_reverses_azimuth():
    coefficients = torch.randn(2, 3, 25, dtype=torch.float64)
    grid = soft(8)
    signal = signal_from_coefficients(coefficients, grid=grid)
    reverse = signal.flip(-1).roll(1, dims=-1)
    torch.testing.assert_close(signal_from_coefficients(mirrored(coefficients), grid=grid), reverse)


def test_accuracy():
    """Golden: three of four right; of category 0 two of three, of category 1 one of one; always 0 gets three quarters."""
    evaluator = Classification()
    scores = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    evaluator.update(
        "score", ids=list("abcd"), ports={"class_scores": scores, "class_label": torch.tensor([0, 0, 0, 1])}
    )
    other = Classification()
    other.merge(evaluator)
    found = other.result()
    assert found.figures["accuracy"].value == 0.75
    assert found.figures["mean over categories"].value == pytest.approx((2 / 3 + 1) / 2)
    assert found.baselines["most frequent"]["accuracy"].value == 0.75
    with pytest.raises(ValueError, match="no item"):
        Classification().result()

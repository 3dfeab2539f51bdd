"""The data set of a folder: what it offers, what it passes over, and what it refuses."""

import json
import struct
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from armillary.config import structure
from armillary.errors import ConfigError, DataError
from armillary.interfaces.dataset import Dataset
from armillary.kernels.cameras import project
from armillary.kernels.sampling import grid_to_pixels, identity_grid, sample
from armillary.std.images import PORTS, Images

SIZE = 8


def build(root, *, split="all", **settings):
    return Images(**{"size": SIZE, **settings}, root=root, split=split)


def picture(path, *, size=(SIZE, SIZE), seed=0, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return pixels


def array(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values)


@pytest.fixture
def faces(tmp_path):
    """Three pictures, 8 x 8, with everything that can lie beside them; the last has no partner."""
    root = tmp_path / "faces"
    generator = np.random.default_rng(1)
    landmarks, poses, lights = ["id,point,x,y,z,visible"], [], []
    for index, name in enumerate("abc"):
        picture(root / "images" / f"{name}.png", seed=index)
        picture(root / "albedo" / f"{name}.png", seed=index + 10)
        array(root / "depth" / f"{name}.npy", generator.uniform(1, 2, (SIZE, SIZE)).astype(np.float32))
        normals = generator.normal(size=(3, SIZE, SIZE))
        normals[2] = -np.abs(normals[2]) - 0.1
        array(root / "normals" / f"{name}.npy", (normals / np.linalg.norm(normals, axis=0)).astype(np.float16))
        mask = np.zeros((SIZE, SIZE), np.uint8)
        mask[2:6, 2:6] = 255
        array(root / "coordinates" / f"{name}.npy", generator.uniform(-1, 1, (3, SIZE, SIZE)).astype(np.float16))
        array(root / "flow" / f"{name}.npy", generator.uniform(-3, 3, (SIZE, SIZE, 2)).astype(np.float16))
        (root / "mask").mkdir(exist_ok=True)
        Image.fromarray(mask).save(root / "mask" / f"{name}.png")
        landmarks += [f"{name},eye,{index},2,1.5,1", f"{name},nose,3.5,3.5,1.25,0"]
        poses.append(f"{name},1,0,0,0,1,0,0,0,1,0.1,0.2,{index}")
        lights.append(f"{name},0.4,0.6,0,0,-1")
    (root / "landmarks.csv").write_text("\n".join(landmarks) + "\n")
    header = "id,r11,r12,r13,r21,r22,r23,r31,r32,r33,t1,t2,t3"
    (root / "poses.csv").write_text("\n".join([header, *poses]) + "\n")
    (root / "lights.csv").write_text("\n".join(["id,ambient,diffuse,x,y,z", *lights]) + "\n")
    camera = [[20, 0, 3.5], [0, 20, 3.5], [0, 0, 1]]
    (root / "generator.json").write_text(json.dumps({"camera": {"intrinsics": camera}, "points": ["nose", "eye"]}))
    return root


# --- what comes out --------------------------------------------------------------------------------------------------


def test_a_bare_folder_gives_images_in_the_unit_range(tmp_path):
    pixels = picture(tmp_path / "x" / "a.png")
    data = build(tmp_path)
    assert isinstance(data, Dataset)
    assert data.provides == {"image": (3, SIZE, SIZE)}
    item = data[0]
    assert set(item) == {"id", "image"}
    assert item["id"] == data.ids[0] == "x/a"
    assert item["image"].dtype == torch.float32
    torch.testing.assert_close(item["image"], torch.from_numpy(pixels).permute(2, 0, 1) / 255)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "1", "CMYK", "I;16"])
@pytest.mark.parametrize("size", [(8, 8), (13, 9), (3, 40), (1, 1)])
def test_every_mode_and_size_gives_one_shape(tmp_path, mode, size):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    if mode == "I;16":
        Image.fromarray(np.arange(size[0] * size[1], dtype=np.uint16).reshape(size[1], size[0])).save(path)
    else:
        picture(path, size=size, mode=mode)
    for fit in ("center-crop", "squash", "pad"):
        image = build(tmp_path, fit=fit)[0]["image"]
        assert image.shape == (3, SIZE, SIZE)
        assert 0 <= image.min() <= image.max() <= 1


def test_everything_beside_the_pictures_comes_with_its_shape(faces):
    data = build(faces)
    assert tuple(data.provides) == PORTS
    for item in (data[0], data[-1]):
        for port, shape in data.provides.items():
            assert item[port].shape == shape, port
            boolean = ("true_mask", "true_visible", "partner_valid")
            assert item[port].dtype == (torch.bool if port in boolean else torch.float32)


def test_the_declared_ports_are_those_that_can_be_offered():
    spec = Images.spec()
    assert {port.name for port in spec.produces} == set(PORTS)


def test_values_at_the_files_own_size_are_the_files(faces):
    item = build(faces)[1]
    np.testing.assert_array_equal(item["true_depth"][0], np.load(faces / "depth/b.npy"))
    np.testing.assert_allclose(item["true_normals"], np.load(faces / "normals/b.npy"), atol=1e-3)
    torch.testing.assert_close(item["true_normals"].norm(dim=0), torch.ones(SIZE, SIZE))
    assert item["true_mask"].sum() == 16
    assert item["true_pose"].tolist() == [[1, 0, 0, pytest.approx(0.1)], [0, 1, 0, pytest.approx(0.2)], [0, 0, 1, 1]]
    assert item["true_light"].tolist() == pytest.approx([0.4, 0.6, 0, 0, -1])
    assert item["camera"].tolist() == [[20, 0, 3.5], [0, 20, 3.5], [0, 0, 1]]


def test_points_come_in_the_order_that_the_generator_names(faces):
    data = build(faces)
    assert data.point_names == ("nose", "eye")
    item = data[1]
    torch.testing.assert_close(
        grid_to_pixels(item["true_landmarks2d"], height=SIZE, width=SIZE)[1], torch.tensor([1.0, 2])
    )
    assert item["true_visible"].tolist() == [False, True]


@pytest.mark.parametrize(
    "settings", [{"size": 16}, {"size": 4}, {"size": 5, "crop": 6}, {"size": 12, "fit": "pad", "box": (1, 2, 6, 4)}]
)
def test_camera_and_points_follow_the_square(faces, settings):
    """What the camera sees of the 3D points is where the 2D points are, whatever the square."""
    item = build(faces, **settings)[2]
    pixels, depth = project(item["true_landmarks3d"], item["camera"])
    expected = grid_to_pixels(item["true_landmarks2d"], height=settings["size"], width=settings["size"])
    torch.testing.assert_close(pixels, expected, atol=1e-4, rtol=0)
    assert depth.tolist() == pytest.approx([1.25, 1.5])
    assert item["true_depth"].min() >= 1
    assert item["true_depth"].max() <= 2
    torch.testing.assert_close(item["true_normals"].norm(dim=0), torch.ones(settings["size"], settings["size"]))


def test_a_picture_of_its_own_camera(faces):
    (faces / "cameras.csv").write_text("id,fx,fy,cx,cy\nb,30,31,3,4\n")
    data = build(faces)
    assert data[0]["camera"][0, 0] == 20
    assert data[1]["camera"].tolist() == [[30, 0, 3], [0, 31, 4], [0, 0, 1]]


def test_true_depth_brings_a_mask_of_where_it_counts(tmp_path):
    picture(tmp_path / "images/a.png", size=(8, 4))
    depth = np.full((4, 8), 2, np.float32)
    depth[0, 0] = np.nan
    array(tmp_path / "depth/a.npy", depth)
    item = build(tmp_path, fit="pad")[0]
    assert item["true_depth"].isfinite().all()
    assert not item["true_mask"][0, :2].any()
    assert not item["true_mask"][0, 2, 0]
    assert item["true_mask"].sum() == 31


def test_transparency_as_mask(tmp_path):
    pixels = np.zeros((SIZE, SIZE, 4), np.uint8)
    pixels[:, :4, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    data = build(tmp_path, alpha_as_mask=True, background=(255, 0, 0))
    assert data[0]["true_mask"][0, 0].tolist() == [True] * 4 + [False] * 4
    assert data[1]["true_mask"].all()
    assert data[0]["image"][:, 0, 7].tolist() == [1, 0, 0]


@pytest.mark.parametrize("megabytes", [0, 100])
def test_items_are_the_same_with_and_without_memory_and_nobody_can_spoil_them(faces, megabytes):
    data, other = build(faces, cache_megabytes=megabytes), build(faces)
    first = data[0]
    for port, value in first.items():
        if port != "id":
            value.logical_not_() if value.dtype == torch.bool else value.add_(1)
    for port, value in data[0].items():
        if port != "id":
            assert torch.equal(value, other[0][port]), port


def test_restricting_reads_less(faces):
    data = build(faces)
    assert "true_depth" in data[0]
    data.restrict({"image", "true_mask", "true_landmarks2d"})
    assert set(data.provides) == {"image", "true_mask", "true_landmarks2d"}
    for index in (0, 1):
        assert set(data[index]) == {"id", "image", "true_mask", "true_landmarks2d"}


def test_asking_for_ports_by_name(faces):
    assert set(build(faces, ports=("true_pose",))[0]) == {"id", "image", "true_pose"}


def test_a_mask_does_not_depend_on_what_else_is_read(faces):
    depth = np.load(faces / "depth/a.npy")
    depth[3, 3] = np.nan
    np.save(faces / "depth/a.npy", depth)
    whole, part = build(faces), build(faces)
    part.restrict({"true_mask"})
    assert torch.equal(whole[0]["true_mask"], part[0]["true_mask"])


def test_an_index_outside_is_an_index_error(faces):
    data = build(faces)
    assert data[-3]["id"] == "a"
    for index in (3, -4):
        with pytest.raises(IndexError):
            data[index]


def test_data_that_only_some_have_is_named_and_not_read(faces):
    (faces / "depth/b.npy").unlink()
    data = build(faces)
    assert "true_depth" not in data.provides
    assert any(problem.startswith("true_depth: 2 of 3 pictures have it") for problem in data.problems)


def test_asked_for_by_name_pictures_without_it_are_passed_over(faces):
    (faces / "depth/b.npy").unlink()
    data = build(faces, ports=("true_depth",))
    assert list(data.ids) == ["a", "c"]
    assert any("images/b.png: has no true_depth (depth/ID.npy)" in problem for problem in data.problems)


# --- splits ----------------------------------------------------------------------------------------------------------


def test_splits_are_apart_and_whole(tmp_path):
    for index in range(40):
        picture(tmp_path / f"{index}.png", size=(2, 2), seed=index)
    parts = [build(tmp_path, split=split).ids for split in ("train", "val", "test")]
    assert sorted(item for part in parts for item in part) == sorted(build(tmp_path, split="all").ids)
    assert not build(tmp_path, split="train").fixed_split


def test_folders_decide_and_are_said_to(tmp_path):
    picture(tmp_path / "train/a.png")
    picture(tmp_path / "test/b.png")
    data = build(tmp_path, split="test")
    assert list(data.ids) == ["test/b"]
    assert data.fixed_split
    assert data.split_counts == {"train": 1, "test": 1}
    with pytest.raises(
        DataError, match=r"no pictures for the split 'val' \(no folder .*train 1, test 1\); .*split_by=all"
    ):
        build(tmp_path, split="val")
    assert len(build(tmp_path, split="val", split_by="all")) == 2


def test_an_unknown_split(tmp_path):
    with pytest.raises(DataError, match="unknown split 'dev'; it is one of train, val, test, all"):
        build(tmp_path, split="dev")


def test_the_fingerprint_is_of_the_folder_not_of_the_split(tmp_path):
    for index in range(10):
        picture(tmp_path / f"{index}.png", seed=index)
    assert build(tmp_path, split="train").fingerprint() == build(tmp_path, split="test").fingerprint()
    assert build(tmp_path).fingerprint().count == 10


# --- bad files -------------------------------------------------------------------------------------------------------


@pytest.fixture
def damaged(tmp_path):
    """Two good pictures among a truncated, an empty, a text, a forbiddingly large one and one of 16 bytes."""
    picture(tmp_path / "good.png")
    picture(tmp_path / "fine.jpg", size=(20, 20))
    picture(tmp_path / "cut.jpg", size=(64, 64))
    data = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpeg").write_text("this is not a picture")
    picture(tmp_path / "large.png", size=(200, 200))
    (tmp_path / "head.png").write_bytes((tmp_path / "good.png").read_bytes()[:16])
    return tmp_path


def test_bad_files_are_named_and_passed_over(damaged):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = build(damaged, max_pixels=30_000)
    assert list(data.ids) == ["fine", "good"]
    named = {problem.split(":")[0] for problem in data.problems}
    assert named == {"cut.jpg", "empty.png", "text.jpeg", "large.png", "head.png"}
    assert [item["id"] for item in (data[0], data[1])] == ["fine", "good"]


def test_strict_refuses_the_first_bad_file(damaged):
    with pytest.raises(DataError, match=r"cut.jpg: truncated.*leave out --strict.*armillary data check"):
        build(damaged, strict=True)


def test_nothing_readable_lists_why(tmp_path):
    for index in range(7):
        (tmp_path / f"{index}.png").touch()
    with pytest.raises(DataError, match=r"none of the pictures .* can be read; .*data check") as caught:
        build(tmp_path)
    assert "4.png: empty file" in str(caught.value)
    assert "and 2 more" in str(caught.value)


def test_a_picture_that_may_not_be_read(tmp_path, monkeypatch):
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    kind = type(tmp_path)
    real = kind.open

    def refuse(self, *words, **settings):
        if self.name == "a.png":
            raise PermissionError(13, "Permission denied")
        return real(self, *words, **settings)

    monkeypatch.setattr(kind, "open", refuse)
    data = build(tmp_path)
    assert list(data.ids) == ["b"]
    assert data.problems == ("a.png: may not be read (permission denied)",)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((4, 8), np.float32), r"is 8 x 4, but its picture is 8 x 8"),
        (np.zeros((2, 8, 8), np.float32), r"has the shape \(2, 8, 8\), true_depth needs \(1, height, width\)"),
        (np.full((8, 8), "x"), "needs an array of real numbers"),
        (np.zeros((8, 8), complex), "needs an array of real numbers"),
        (np.array([[None] * 8] * 8), "not a .npy array that can be read"),
    ],
)
def test_depth_that_does_not_fit_passes_its_picture_over(faces, values, reason):
    np.save(faces / "depth/b.npy", values, allow_pickle=True)
    data = build(faces)
    assert list(data.ids) == ["a", "c"]
    problem, of_pairs = data.problems
    assert problem.startswith("depth/b.npy: ")
    assert of_pairs.startswith("partner_image: 0 of 2 pictures have a partner to use")  # b was a's, and c has none
    with pytest.raises(DataError, match=reason):
        build(faces, strict=True)


@pytest.mark.parametrize("length", [0, 4, 100, 200])
def test_depth_that_is_cut_short(faces, length):
    data = (faces / "depth/b.npy").read_bytes()
    (faces / "depth/b.npy").write_bytes(data[:length])
    assert list(build(faces).ids) == ["a", "c"]


def test_a_mask_of_another_size_is_named_when_it_is_read(faces):
    picture(faces / "mask/b.png", size=(4, 4))
    data = build(faces)
    with pytest.raises(DataError, match=r"mask/b.png: is 4 x 4, but its picture is 8 x 8"):
        data[1]


def test_a_box_that_a_picture_cannot_hold(tmp_path):
    picture(tmp_path / "small.png", size=(6, 6))
    picture(tmp_path / "large.png", size=(20, 20))
    data = build(tmp_path, box=(4, 4, 8, 8))
    assert list(data.ids) == ["large"]
    assert data.problems == ("small.png: 6 x 6 pixels do not hold the box (4, 4, 8, 8) (x, y, width, height)",)


def test_a_folder_that_is_not_finished(tmp_path):
    picture(tmp_path / "images/000000.png")
    (tmp_path / ".making/rows").mkdir(parents=True)
    (tmp_path / ".making/rows/000000.json").write_text("{}")
    (tmp_path / "generator.json").write_text(json.dumps({"generator": "synthetic:heads", "count": 9}))
    with pytest.raises(DataError, match=r"not finished, 1 of 9 items.*armillary data make synthetic:heads"):
        build(tmp_path)


@pytest.mark.parametrize(
    ("ports", "message"),
    [
        (("true_dept",), "a data folder has no 'true_dept'; did you mean 'true_depth'"),
        (("true_depth",), r"no picture has true_depth; add it as depth/ID.npy"),
        (("camera",), r"no picture has camera; add it as generator.json or cameras.csv"),
    ],
)
def test_ports_that_are_not_there(tmp_path, ports, message):
    picture(tmp_path / "a.png")
    with pytest.raises(DataError, match=message):
        build(tmp_path, ports=ports)


@pytest.mark.parametrize(
    "table",
    [
        {"size": 1}, {"fit": "crop"}, {"crop": 10, "fit": "squash"}, {"box": [0, 0, 0, 4]}, {"val": 0.6, "test": 0.5},
        {"background": [0, 0, 300]}, {"max_pixels": 10**9}, {"split_by": "name"}, {"cache_megabytes": -1},
    ],
)  # fmt: skip
def test_settings_that_cannot_be(table):
    with pytest.raises(ConfigError):
        structure(table, Images.Config)


# --- real pictures ---------------------------------------------------------------------------------------------------


@pytest.mark.realdata("cats_faces64")
def test_real_cats(real_data):
    data = build(real_data / "cats_faces64", size=64, split="train")
    assert len(data) > 1000
    assert data.problems == ()
    assert 0.2 < data[0]["image"].mean() < 0.8


# --- pairs -----------------------------------------------------------------------------------------------------------


def smooth(width, height, *, shift=(0, 0), seed=0):
    """A smooth picture whose content lies ``shift`` pixels further right and down."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(float)
    channels = []
    for _ in range(3):
        waves = [draw.uniform(-0.35, 0.35, 2) for _ in range(4)]
        phases = draw.uniform(0, 6, 4)
        channels.append(
            sum(np.sin(a * (x - shift[0]) + b * (y - shift[1]) + c) for (a, b), c in zip(waves, phases, strict=True))
        )
    return (127.5 + 30 * np.stack(channels, -1)).clip(0, 255).astype(np.uint8)


def film(root, *, count=4, size=(24, 20), shift=(3, -2)):
    """Frames that move by ``shift`` each, with the flow to the next; nothing else."""
    (root / "images").mkdir(parents=True)
    for index in range(count):
        Image.fromarray(smooth(*size, shift=(index * shift[0], index * shift[1]))).save(
            root / f"images/{index:02d}.png"
        )
        if index < count - 1:
            array(root / f"flow/{index:02d}.npy", np.broadcast_to(np.array(shift, np.float16), (size[1], size[0], 2)))
    return root


@pytest.mark.parametrize(
    "settings",
    [
        {"size": 20}, {"size": 10}, {"size": 33}, {"size": 24, "fit": "pad"}, {"size": 16, "fit": "squash"},
        {"size": 12, "crop": 15}, {"size": 18, "box": (2, 3, 20, 14), "fit": "pad"},
    ],
)  # fmt: skip
def test_the_partner_shows_at_the_grid_what_the_picture_shows(tmp_path, settings):
    """Whatever the placement: the partner, read at the grid, is the picture, and without the grid it is not."""
    data = build(film(tmp_path), **settings)
    item = data[1]
    valid = item["partner_valid"][0]
    assert 0.3 < valid.float().mean() < 0.9
    read = sample(item["partner_image"], item["partner_grid"])
    error = (read - item["image"]).abs().mean(0)
    assert error[valid].mean() < 0.006  # half a pixel is 0.01
    assert error[valid].max() < 0.012
    assert (item["partner_image"] - item["image"]).abs().mean(0)[valid].mean() > 0.06


def test_a_pair_by_hand(tmp_path):
    """Two pictures of 8 x 4, all of the first 2 to the right in the second: the middle 4 x 4 at half the size.

    Two file pixels are one placed pixel: (0, 1) leads to (1, 1), that is (1 / 0.5 - 1, 1) = (1, 1); (1, 1) leads out.
    """
    pixels = picture(tmp_path / "images/a.png", size=(8, 4))
    Image.fromarray(np.roll(pixels, 2, axis=1)).save(tmp_path / "images/b.png")
    array(tmp_path / "flow/a.npy", np.broadcast_to(np.array([2, 0], np.float32), (4, 8, 2)))
    data = build(tmp_path, size=2)
    item = data[0]
    assert item["partner_grid"][1, 0].tolist() == [1, 1]
    assert item["partner_valid"].tolist() == [[[True, False], [True, False]]]
    assert torch.equal(item["partner_image"], data[1]["image"])
    assert set(item) == {"id", "image", "partner_image", "partner_grid", "partner_valid"}  # no mask is needed


def test_a_picture_without_a_partner_comes_with_itself_and_nothing_valid(tmp_path):
    data = build(film(tmp_path, count=3))
    assert len(data) == 3
    last = data[2]
    assert torch.equal(last["partner_image"], last["image"])
    assert not last["partner_valid"].any()
    torch.testing.assert_close(last["partner_grid"], identity_grid(SIZE, SIZE))
    assert data.problems == ()  # the last frame of a video has none


@pytest.mark.parametrize("megabytes", [0, 100])
def test_training_on_pairs_leaves_out_pictures_without_one(tmp_path, megabytes):
    whole, data = build(film(tmp_path)), build(tmp_path, cache_megabytes=megabytes)
    assert "partner_valid" in data[3]
    data.restrict({"image", "partner_image", "partner_grid", "partner_valid"})
    assert list(data.ids) == ["00", "01", "02"]
    for index in (0, 2, 2):
        for port, value in data[index].items():
            assert value == whole[index][port] if port == "id" else torch.equal(value, whole[index][port])
    whole.restrict({"image"})
    assert len(whole) == 4
    assert set(whole[0]) == {"id", "image"}


def test_leaving_out_keeps_pictures_and_memory_together(tmp_path):
    """The first picture has no partner: whatever is in memory by number must move with its picture."""
    film(tmp_path)
    (tmp_path / "flow/00.npy").unlink()
    data, fresh = build(tmp_path), build(tmp_path, cache_megabytes=0)
    images = {data[index]["id"]: data[index]["image"] for index in range(4)}
    data.restrict({"image", "partner_image"})
    fresh.restrict({"image", "partner_image"})
    assert list(data.ids) == ["01", "02"]
    for index in range(2):
        assert torch.equal(data[index]["image"], images[data.ids[index]])
        assert torch.equal(data[index]["partner_image"], fresh[index]["partner_image"])


def test_a_partner_for_training_is_not_taken_from_the_test_pictures(tmp_path):
    film(tmp_path, count=6)
    (tmp_path / "split.csv").write_text("id,split\n00,train\n01,train\n02,test\n03,train\n04,train\n05,test\n")
    train, test = build(tmp_path, split="train"), build(tmp_path, split="test")
    assert train.problems == (
        "partner_image: 2 of 4 pictures have a partner to use; training on pairs uses only these",
    )
    train.restrict({"partner_grid"})
    assert list(train.ids) == ["00", "03"]
    test.restrict({"partner_grid"})
    assert list(test.ids) == ["02"]  # a test picture may be looked up in any other


def test_few_flow_files_are_named_and_not_read(tmp_path):
    film(tmp_path)
    (tmp_path / "flow/00.npy").unlink()
    (tmp_path / "flow/01.npy").unlink()
    data = build(tmp_path)
    assert set(data.provides) == {"image"}
    (problem,) = data.problems
    assert problem.startswith("partner_image: 1 of 4 pictures have it, so it is not read")
    assert "name partner_image and partner_grid and partner_valid in data.ports" in problem
    asked = build(tmp_path, ports=("partner_image", "partner_grid", "partner_valid"))
    assert list(asked.ids) == ["02"]
    assert asked.problems == ("partner_image: 1 of 4 pictures have a partner to use; only these are used",)


def test_pairs_that_were_asked_for_and_are_not_there(tmp_path):
    picture(tmp_path / "images/a.png")
    with pytest.raises(DataError, match=r"no picture has partner_grid; add it as flow/ID.npy or flow/ID.flo"):
        build(tmp_path, ports=("partner_grid",))


def test_the_table_of_pairs(tmp_path):
    """Back to the frame before, by the table; the flow leads the other way."""
    film(tmp_path)
    for index in range(1, 4):
        array(tmp_path / f"flow/{index:02d}.npy", np.broadcast_to(np.array([-3, 2], np.float32), (20, 24, 2)))
    (tmp_path / "flow/00.npy").unlink()
    (tmp_path / "pairs.csv").write_text("id,partner\n01,00\n02,images/01.png\n03,02\n")
    item = build(tmp_path, size=20)[2]
    valid = item["partner_valid"][0]
    assert (sample(item["partner_image"], item["partner_grid"]) - item["image"]).abs().mean(0)[valid].mean() < 0.02


def test_flo_files(tmp_path):
    film(tmp_path)
    expected = build(tmp_path)[1]
    flow = np.load(tmp_path / "flow/01.npy")
    (tmp_path / "flow/01.npy").unlink()
    (tmp_path / "flow/01.flo").write_bytes(struct.pack("<fii", 202021.25, 24, 20) + flow.astype("<f4").tobytes())
    item = build(tmp_path)[1]
    assert all(torch.equal(item[port], expected[port]) for port in ("partner_image", "partner_grid", "partner_valid"))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda root: array(root / "flow/01.npy", np.zeros((24, 20, 2))), "flow/01.npy: is 20 x 24, but its picture is 24 x 20"),
        (lambda root: (root / "flow/01.npy").write_bytes(b"x"), "flow/01.npy: not a .npy file"),
        (lambda root: picture(root / "images/02.png", size=(25, 20)), "images/01.png: is 24 x 20, but its partner images/02.png is 25 x 20"),
    ],
)  # fmt: skip
def test_a_pair_that_cannot_be_used_is_named_and_its_picture_stays(tmp_path, spoil, problem):
    spoil(film(tmp_path))
    data = build(tmp_path)
    assert len(data) == 4
    assert problem in data.problems
    assert not data[1]["partner_valid"].any()
    with pytest.raises(DataError, match="leave out --strict"):
        build(tmp_path, strict=True)


def test_a_partner_that_cannot_be_read_is_no_partner(tmp_path):
    film(tmp_path)
    data = (tmp_path / "images/02.png").read_bytes()
    (tmp_path / "images/02.png").write_bytes(data[: len(data) // 2])
    left = build(tmp_path)
    assert list(left.ids) == ["00", "01", "03"]
    left.restrict({"partner_grid"})
    assert list(left.ids) == ["00"]


# --- object coordinates ----------------------------------------------------------------------------------------------


def test_coordinates_stand_where_the_mask_does(faces):
    item = build(faces)[1]
    expected = np.load(faces / "coordinates/b.npy").astype(np.float32)
    mask = item["true_mask"][0].numpy()
    np.testing.assert_array_equal(item["true_coordinates"].numpy()[:, mask], expected[:, mask])
    assert (item["true_coordinates"].numpy()[:, ~mask] == 0).all()


def test_coordinates_that_are_nan_bring_a_mask(tmp_path):
    picture(tmp_path / "images/a.png")
    values = np.ones((3, SIZE, SIZE), np.float16)
    values[:, :, :3] = np.nan
    array(tmp_path / "coordinates/a.npy", values)
    data = build(tmp_path)
    assert set(data.provides) == {"image", "true_mask", "true_coordinates"}
    assert data[0]["true_mask"][0, 0].tolist() == [False] * 3 + [True] * 5
    assert data[0]["true_coordinates"].sum() == 3 * 5 * SIZE


def test_coordinates_of_another_shape_pass_their_picture_over(faces):
    array(faces / "coordinates/b.npy", np.zeros((2, SIZE, SIZE), np.float16))
    data = build(faces)
    assert list(data.ids) == ["a", "c"]
    assert data.problems[0].startswith(
        "coordinates/b.npy: has the shape (2, 8, 8), true_coordinates needs (3, height, "
    )


def test_no_camera_and_no_depth_of_points(tmp_path):
    """What the generators of pairs give: points without depth, poses without a camera."""
    film(tmp_path, count=2)
    (tmp_path / "landmarks.csv").write_text("id,point,x,y,visible\n00,tip,4,5,1\n01,tip,7,3,0\n")
    eye = "1,0,0,0,1,0,0,0,1,0,0,0"
    (tmp_path / "poses.csv").write_text(f"id,r11,r12,r13,r21,r22,r23,r31,r32,r33,t1,t2,t3\n00,{eye}\n01,{eye}\n")
    data = build(tmp_path, size=20)
    assert {"true_landmarks2d", "true_visible", "true_pose", "partner_grid"} < set(data.provides)
    assert not {"camera", "true_landmarks3d"} & set(data.provides)
    assert data[0]["true_visible"].tolist() == [True]

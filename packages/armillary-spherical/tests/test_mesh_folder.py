"""Layouts by their paths, splits, items as the runner wants them, bad files named, and single files."""

from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from armillary.config import structure
from armillary.errors import ConfigError, DataError
from armillary_spherical.mesh_folder import MeshFolder
from armillary_spherical.mesh_paths import category_of
from armillary_spherical.meshes import PosedMesh
from armillary_spherical.rays import Caster, embree_installed

MODELNET = [
    f"{kind}/{split}/{kind}_{k}.off" for kind in ("bed", "chair") for split in ("train", "test") for k in range(2)
]
SPLIT_FIRST = [f"{split}/{kind}/{k}.obj" for kind in ("bed", "chair") for split in ("train", "test") for k in range(2)]
SHAPENET = [f"{kind}/{k:03d}/models/model_normalized.obj" for kind in ("0269", "0300") for k in range(15)]
CATEGORIES = [f"{kind}/{k}.ply" for kind in ("car", "sofa") for k in range(15)]
FLAT = [f"{k}.stl" for k in range(30)]


def fill(root, paths, *, text=None):
    for index, path in enumerate(paths):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            trimesh.creation.box(extents=(1, 1, 1 + index)).export(file)
        else:
            file.write_text(text)
    return root


def build(root, split="all", **settings):
    return MeshFolder(root=root, split=split, **settings)


@pytest.mark.parametrize(
    ("paths", "categories", "fixed"),
    [
        (MODELNET, ("bed", "chair"), True),
        (SPLIT_FIRST, ("bed", "chair"), True),
        (SHAPENET, ("0269", "0300"), False),
        (CATEGORIES, ("car", "sofa"), False),
        (FLAT, (), False),
    ],
)
@pytest.mark.parametrize("below", ["", "meshes/"])
def test_layouts(tmp_path, paths, categories, fixed, below):
    fill(tmp_path, [below + path for path in paths])
    splits = {split: build(tmp_path, split) for split in ("train", "test", "all")}
    assert splits["all"].categories == categories
    assert all(each.fixed_split == fixed for each in splits.values())
    assert list(splits["all"].ids) == sorted(path.rpartition(".")[0] for path in paths)
    assert not set(splits["train"].ids) & set(splits["test"].ids)
    if fixed:
        assert all("train" in name.split("/") for name in splits["train"].ids)
        assert len(splits["train"]) == len(splits["test"]) == 4
    assert set(splits["all"].provides) == ({"mesh", "class_label"} if categories else {"mesh"})


def test_items(tmp_path):
    dataset = build(fill(tmp_path, CATEGORIES))
    item: dict[str, Any] = dict(dataset[16])
    assert item["id"] == dataset.ids[16]
    assert isinstance(item["mesh"], PosedMesh)
    assert item["mesh"].closed
    assert item["class_label"].dtype == torch.int64
    assert dataset.categories[item["class_label"]] == category_of(item["id"]) == "sofa"
    assert np.linalg.norm(item["mesh"].mesh.vertices, axis=1).max() == pytest.approx(1)
    assert dataset[-1]["id"] == dataset.ids[-1]
    with pytest.raises(IndexError):
        dataset[len(dataset)]


def test_labels_are_the_same_in_every_split(tmp_path):
    fill(tmp_path, ["bed/train/a.off", "chair/train/b.off", "sofa/test/c.off", "bed/test/d.off"])
    assert [build(tmp_path, split).categories for split in ("train", "test")] == [("bed", "chair", "sofa")] * 2


def test_categories_can_be_chosen_in_an_order(tmp_path):
    fill(tmp_path, [*CATEGORIES, "lamp/1.off"])
    dataset = build(tmp_path, categories=("sofa", "car"))
    assert {category_of(name): int(dataset[k].get("class_label", -1)) for k, name in enumerate(dataset.ids)} == {
        "sofa": 0,
        "car": 1,
    }
    with pytest.raises(DataError, match="sofa"):
        build(tmp_path, categories=("sofas",))


def test_a_list_of_splits_rules(tmp_path):
    fill(tmp_path, MODELNET)
    (tmp_path / "split.csv").write_text("id,split\nbed/train/bed_0,test\nchair/test/chair_1.off,train\n")
    assert list(build(tmp_path, "test").ids) == ["bed/train/bed_0"]
    assert list(build(tmp_path, "train").ids) == ["chair/test/chair_1"]
    assert len(build(tmp_path, "train", split_by="folder")) == 4
    assert len(build(tmp_path, "train", split_by="all")) == 8


def test_a_memory_that_is_too_small_changes_nothing(tmp_path):
    fill(tmp_path, CATEGORIES[:4])
    kept, read = build(tmp_path), build(tmp_path, cache_megabytes=0)
    assert kept[1]["mesh"] is kept[1]["mesh"]
    assert read[1]["mesh"] is not read[1]["mesh"]
    np.testing.assert_array_equal(kept[1]["mesh"].mesh.vertices, read[1]["mesh"].mesh.vertices)


def test_bad_files_are_named_and_passed_over(tmp_path):
    fill(tmp_path, ["car/1.off", "car/2.off"])
    fill(tmp_path, ["car/3.off"], text="OFF\n3 0 0\n0 0 0\n1 0 0\n0 1 0\n")
    dataset = build(tmp_path)
    assert len(dataset) == 2
    assert len(dataset.problems) == 1
    assert "3.off: empty" in dataset.problems[0]
    with pytest.raises(DataError, match="empty"):
        build(tmp_path, strict=True)


def test_what_was_mended_is_told(tmp_path):
    path = fill(tmp_path, ["car/1.off"]) / "car/1.off"
    cube = trimesh.creation.box()
    cube.faces = cube.faces[:, ::-1]
    cube.export(path)
    assert build(tmp_path).notes == ("car/1.off: inside out: its triangles faced inwards, turned over",)


def test_the_fingerprint_is_of_names_and_contents(tmp_path):
    for name in ("a", "b"):
        fill(tmp_path / name, CATEGORIES[:4])
    one, other = (build(tmp_path / name).fingerprint() for name in ("a", "b"))
    assert (one.count, one.digest) == (4, other.digest)
    trimesh.creation.icosphere(subdivisions=1).export(tmp_path / "b" / CATEGORIES[0])
    assert build(tmp_path / "b").fingerprint().digest != one.digest


def test_an_id_keeps_its_suffix_where_two_files_share_it(tmp_path):
    fill(tmp_path, ["car/1.off", "car/1.obj", "car/2.obj"])
    assert list(build(tmp_path).ids) == ["car/1.obj", "car/1.off", "car/2"]


def test_hidden_folders_are_passed_over(tmp_path):
    fill(tmp_path, ["car/1.off", ".trash/2.off", "__MACOSX/car/1.off", "car/._1.off"])
    assert list(build(tmp_path).ids) == ["car/1"]


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda root: root / "none", "no such folder"),
        (lambda root: fill(root, ["a.off"]) / "a.off", "this is a file"),
        (lambda root: fill(root, ["a.txt"], text="x"), "no mesh"),
        (lambda root: fill(root, ["a.off"], text=""), "none of the meshes"),
        (lambda root: fill(root, [".making/rows/0.json", "meshes/a.off"], text="{}"), "not finished"),
    ],
)
def test_folders_that_are_refused(tmp_path, make, word):
    with pytest.raises(DataError, match=word):
        build(make(tmp_path))


def test_splits_that_are_refused(tmp_path):
    fill(tmp_path, ["car/train/1.off", "car/train/2.off"])
    with pytest.raises(DataError, match="unknown split"):
        build(tmp_path, "training")
    with pytest.raises(DataError, match="split_by=all"):
        build(tmp_path, "test")


def test_a_single_file_is_a_mesh_or_a_picture(tmp_path):
    path = fill(tmp_path, ["a.off"]) / "a.off"
    item = MeshFolder.read_file(MeshFolder.Config(), path)
    assert item["id"] == "a"
    assert isinstance(item["mesh"], PosedMesh)
    Image.new("RGB", (60, 40), (255, 0, 0)).save(tmp_path / "b.png")
    grey = MeshFolder.read_file(MeshFolder.Config(picture_size=16), tmp_path / "b.png")["image"]
    assert grey.shape == (1, 16, 16)
    torch.testing.assert_close(grey, torch.full_like(grey, 1 / 3))
    colour = MeshFolder.read_file(MeshFolder.Config(picture_size=16, picture_channels=3), tmp_path / "b.png")["image"]
    assert colour.shape == (3, 16, 16)
    with pytest.raises(DataError, match="neither"):
        MeshFolder.read_file(MeshFolder.Config(), tmp_path / "c.txt")
    with pytest.raises(DataError, match="no such file"):
        MeshFolder.read_file(MeshFolder.Config(), tmp_path / "c.png")


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"val": 0.5, "test": 0.5}, "a part is left for train"),
        ({"categories": ["car", "car"]}, "repeat"),
        ({"radius": 1.5}, "radius"),
        ({"up": "x"}, "up"),
    ],
)
def test_settings_that_cannot_be(settings, word):
    with pytest.raises(ConfigError, match=word):
        structure(settings, MeshFolder.Config)


@pytest.mark.skipif(not embree_installed(), reason="the extra 'rays' is not installed")
@pytest.mark.realdata("meshes_shapedb", "meshes_cc0_lowpoly", "meshes_psb_parts", "meshes_classic")
@pytest.mark.parametrize("name", ["meshes_shapedb", "meshes_cc0_lowpoly", "meshes_psb_parts", "meshes_classic"])
def test_real_meshes_are_read_and_met_alike_by_both_engines(real_data, name):
    """Every one; of each tenth also that Embree and the exact engine agree."""
    dataset = build(real_data / name, up="y")
    assert dataset.problems == ()
    x = np.random.default_rng(0).standard_normal((500, 3))
    x /= np.linalg.norm(x, axis=1)[:, None]
    for index in range(0, len(dataset), 10):
        mesh = dataset[index]["mesh"].mesh
        exact, embree = (Caster(mesh, engine=engine).first_hits(x) for engine in ("exact", "embree"))
        differ = (exact.face < 0) != (embree.face < 0)
        assert not differ.any(), dataset.ids[index]
        met = exact.face >= 0
        np.testing.assert_allclose(exact.radius[met], embree.radius[met], atol=1e-6, err_msg=dataset.ids[index])

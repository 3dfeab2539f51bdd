"""Data folders that generators write: the same bytes however they are made, and nothing half done."""

import errno
import hashlib
import json
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from armillary.data import writer as data_writer
from armillary.data.check import check
from armillary.data.make import make, portable
from armillary.errors import DataError
from armillary.kernels.triangle_mesh import TriangleMesh
from armillary.std.images import PORTS, Images

SIZE = 8
GENERATOR = """
    import time
    import numpy as np
    from armillary.interfaces.generator import Generator
    from armillary.kernels.triangle_mesh import TriangleMesh

    CAMERA = np.array([[20, 0, 3.5], [0, 20, 3.5], [0, 0, 1]], np.float32)

    class Dots(Generator):
        VERSION = "1"

        def __init__(self, seed, size=8, slow=0.0, extra=b"", fails_at=-1):
            self.seed, self.size, self.slow, self.extra, self.fails_at = seed, size, slow, extra, fails_at

        @classmethod
        def build(cls, config, *, size, seed):
            return cls(seed, size)

        def item(self, index):
            time.sleep(self.slow if index else 0)
            if index == self.fails_at:
                print("generators may print")
                raise ArithmeticError("the generator ends here")
            draw = np.random.default_rng((self.seed, index))
            shape = (self.size, self.size)
            points = draw.uniform(-0.1, 0.1, (3, 3)) + (0, 0, 1)
            pixels = (points @ CAMERA.T)[:, :2] / points[:, 2:]
            normals = draw.normal(size=(3, *shape))
            turn, _ = np.linalg.qr(draw.normal(size=(3, 3)))
            direction = draw.normal(size=3)
            return {
                "image": draw.uniform(size=(3, *shape)).astype(np.float32),
                "camera": CAMERA * (1 if index % 3 else np.array([[1.1], [1.1], [1]], np.float32)),
                "true_depth": draw.uniform(0.9, 1.1, (1, *shape)).astype(np.float32),
                "true_mask": draw.uniform(size=(1, *shape)) > 0.3,
                "true_normals": (normals / np.linalg.norm(normals, axis=0)).astype(np.float32),
                "true_albedo": draw.uniform(size=(3, *shape)).astype(np.float32),
                "true_pose": np.concatenate([turn * np.linalg.det(turn), draw.normal(size=(3, 1))], 1).astype(np.float32),
                "true_light": np.array([0.4, 0.6, *(direction / np.linalg.norm(direction))], np.float32),
                "true_landmarks3d": points.astype(np.float32),
                "true_landmarks2d": self.seen(points, index),
                "true_visible": draw.uniform(size=3) > 0.5,
            }

        def seen(self, points, index):
            camera = CAMERA * (1 if index % 3 else np.array([[1.1], [1.1], [1]], np.float32))
            pixels = (points @ camera.T)[:, :2] / points[:, 2:]
            return (pixels / (self.size - 1) * 2 - 1).astype(np.float32)

        def describe(self):
            return {"camera": {"fov": 0.4}, "points": ["left", "right", "tip"]}

    class Things(Dots):
        # Meshes of two categories in turn.
        def item(self, index):
            draw = np.random.default_rng((self.seed, index, 2))
            faces = np.array([(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)])
            mesh = TriangleMesh(draw.uniform(-1, 1, (4, 3)), faces)
            return {"image": super().item(index)["image"], "mesh": mesh}

        def describe(self):
            return {"categories": ["left", "right"]}

    class Film(Dots):
        # No camera, no depth: each item is found again in the next but one, or, of every fifth, nowhere.
        def item(self, index):
            full = super().item(index)
            draw = np.random.default_rng((self.seed, index, 1))
            shape = (self.size, self.size)
            ports = ("image", "true_mask", "true_landmarks2d", "true_visible", "true_pose")
            return {port: full[port] for port in ports} | {
                "true_coordinates": draw.uniform(-1, 1, (3, *shape)).astype(np.float32) * full["true_mask"],
                "partner": np.array(index + 2 if index % 5 else -1),
                "partner_grid": draw.uniform(-1, 1, (*shape, 2)).astype(np.float32),
                "partner_valid": draw.uniform(size=(1, *shape)) > 0.3,
            }

        def describe(self):
            return {"points": ["left", "right", "tip"]}
"""


@pytest.fixture
def dots(tmp_path, monkeypatch):
    """The class of a generator, in a module that other processes can import."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "dots_of_a_test.py").write_text(textwrap.dedent(GENERATOR))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    monkeypatch.delitem(sys.modules, "dots_of_a_test", raising=False)
    import dots_of_a_test  # pyright: ignore[reportMissingImports]

    yield dots_of_a_test.Dots
    sys.modules.pop("dots_of_a_test", None)


@pytest.fixture
def film(dots):
    """A generator of pairs, without camera and depth."""
    return sys.modules[dots.__module__].Film


@pytest.fixture
def things(dots):
    """A generator of meshes."""
    return sys.modules[dots.__module__].Things


def make_dots(dots, out, *, count=12, seed=3, workers=0, generator=None, **settings):
    return make(
        generator if generator is not None else dots(seed),
        out,
        **{
            "name": "toy:dots",
            "settings": {"radius": 2},
            "size": SIZE,
            "seed": seed,
            "count": count,
            "workers": workers,
        }
        | settings,
    )


def contents(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def same(one, other):
    """Return whether two folders hold the same bytes, with a message that is short where they do not."""
    left, right = contents(one), contents(other)
    assert sorted(left) == sorted(right)
    assert [name for name in left if left[name] != right[name]] == []


# --- what is written -------------------------------------------------------------------------------------------------


def test_what_a_folder_holds(dots, tmp_path):
    made = make_dots(dots, tmp_path / "out", count=2)
    assert (made.made, made.found, made.missing) == (2, 0, 0)
    sides = [f"{folder}/00000{index}.{suffix}" for folder, suffix in
             (("images", "png"), ("depth", "npy"), ("mask", "png"), ("normals", "npy"), ("albedo", "png"))
             for index in (0, 1)]  # fmt: skip
    tables = ["landmarks.csv", "poses.csv", "lights.csv", "cameras.csv"]
    assert sorted(contents(tmp_path / "out")) == sorted([*sides, *tables, "generator.json"])
    generator = json.loads((tmp_path / "out" / "generator.json").read_text())
    assert {key: generator[key] for key in ("generator", "version", "seed", "size", "count", "settings", "points")} == {
        "generator": "toy:dots", "version": "1", "seed": 3, "size": SIZE, "count": 2, "settings": {"radius": 2},
        "points": ["left", "right", "tip"],
    }  # fmt: skip
    assert generator["camera"]["fov"] == 0.4


def test_what_was_written_is_read_back(dots, tmp_path):
    make_dots(dots, tmp_path / "out")
    data = Images(size=SIZE, root=tmp_path / "out", split="all")
    others = ("true_coordinates", "partner_image", "partner_grid", "partner_valid")
    assert tuple(data.provides) == tuple(port for port in PORTS if port not in others)
    assert data.problems == ()
    for index in (0, 7):
        item, truth = data[index], dots(3).item(index)
        for port, value in truth.items():
            loose = {"image": 0.5 / 255, "true_albedo": 0.5 / 255, "true_normals": 1e-3, "true_landmarks2d": 1e-6}
            loose["true_landmarks3d"] = 1e-6
            torch.testing.assert_close(
                item[port],
                torch.from_numpy(value),
                atol=loose.get(port, 0) + 1e-7,
                rtol=0,
                msg=lambda text, p=port: f"{p}: {text}",
            )


def test_only_items_with_a_camera_of_their_own_are_in_the_table(dots, tmp_path):
    make_dots(dots, tmp_path / "out", count=4)
    lines = (tmp_path / "out" / "cameras.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["id", "000001", "000002"]  # 0 and 3 have the generator's


def test_progress_counts_to_the_end(dots, tmp_path):
    calls = []
    make_dots(dots, tmp_path / "out", count=5, progress=lambda done, of: calls.append((done, of)))
    assert calls == [(index, 5) for index in range(1, 6)]


def test_pairs_and_coordinates_are_read_back(film, tmp_path):
    """Half precision keeps a number to 1/2048 of itself; of 8 pixels of displacement, 1/256 pixel."""
    make_dots(film, tmp_path / "out")
    data = Images(size=SIZE, root=tmp_path / "out", split="all")
    assert set(data.provides) == {
        "image", "true_mask", "true_coordinates", "true_pose", "true_landmarks2d", "true_visible", "partner_image",
        "partner_grid", "partner_valid",
    }  # fmt: skip
    for index in range(12):
        item, truth = data[index], film(3).item(index)
        valid, found = torch.from_numpy(truth["partner_valid"]), int(truth["partner"]) in range(12)
        torch.testing.assert_close(
            item["true_coordinates"], torch.from_numpy(truth["true_coordinates"]), atol=5e-4, rtol=0
        )
        torch.testing.assert_close(item["true_pose"], torch.from_numpy(truth["true_pose"]))
        assert torch.equal(item["partner_valid"], valid if found else torch.zeros_like(valid))
        if found:
            assert torch.equal(item["partner_image"], data[int(truth["partner"])]["image"])
            error = (item["partner_grid"] - torch.from_numpy(truth["partner_grid"]))[valid[0]] * (SIZE - 1) / 2
            assert error.abs().max() < 1 / 256


def test_the_table_of_pairs_is_in_the_order_of_the_items_and_leads_nowhere_else(film, tmp_path):
    make_dots(film, tmp_path / "out", count=7)
    lines = (tmp_path / "out" / "pairs.csv").read_text().splitlines()
    assert lines == ["id,partner", "000001,000003", "000002,000004", "000003,000005", "000004,000006"]
    flow = np.load(tmp_path / "out" / "flow" / "000001.npy")
    truth = film(3).item(1)
    assert (flow.dtype, flow.shape) == (np.float16, (SIZE, SIZE, 2))
    np.testing.assert_array_equal(np.isnan(flow).any(-1), ~truth["partner_valid"][0])
    x = (truth["partner_grid"][3, 5, 0] + 1) / 2 * (SIZE - 1) - 5  # from column 5 to the right
    valid = truth["partner_valid"][0, 3, 5]
    assert not valid or flow[3, 5, 0] == pytest.approx(x, rel=1e-3)
    assert check(tmp_path / "out", config=Images.Config()).findings == ()


# --- the same bytes --------------------------------------------------------------------------------------------------


def test_processes_and_shards_change_no_byte(dots, tmp_path):
    make_dots(dots, tmp_path / "one")
    for shard in ((2, 2), (1, 2)):
        made = make_dots(dots, tmp_path / "two", shard=shard, tables=False)
    assert made.missing == 0
    assert (tmp_path / "two" / ".making").is_dir()
    make_dots(dots, tmp_path / "two")
    for shard in ((3, 3), (1, 3), (2, 3)):
        made = make_dots(dots, tmp_path / "three", shard=shard)
        assert made.made == 4
    assert made.missing == 0
    same(tmp_path / "one", tmp_path / "two")
    same(tmp_path / "one", tmp_path / "three")


def test_processes_and_shards_change_no_byte_of_pairs(film, tmp_path):
    make_dots(film, tmp_path / "one")
    make_dots(film, tmp_path / "two")
    for shard in ((2, 3), (3, 3), (1, 3)):
        make_dots(film, tmp_path / "three", shard=shard)
    same(tmp_path / "one", tmp_path / "two")
    same(tmp_path / "one", tmp_path / "three")
    assert make_dots(film, tmp_path / "one").found == 12
    (tmp_path / "two" / "flow" / "000004.npy").unlink()
    (tmp_path / "two" / "pairs.csv").unlink()
    make_dots(film, tmp_path / "two")
    same(tmp_path / "one", tmp_path / "two")


def test_meshes_lie_in_folders_of_their_category_and_no_byte_changes(things, tmp_path):
    make_dots(things, tmp_path / "one", count=5)
    assert sorted(name for name in contents(tmp_path / "one") if name.startswith("meshes/")) == [
        *(f"meshes/left/00000{index}.ply" for index in (0, 2, 4)),
        *(f"meshes/right/00000{index}.ply" for index in (1, 3)),
    ]
    read = trimesh.load_mesh(tmp_path / "one" / "meshes" / "right" / "000003.ply", process=False)
    np.testing.assert_array_equal(read.vertices, things(3).item(3)["mesh"].vertices.astype(np.float32))
    make_dots(things, tmp_path / "two", count=5)
    for shard in ((2, 2), (1, 2)):
        make_dots(things, tmp_path / "three", count=5, shard=shard)
    (tmp_path / "three" / "meshes" / "left" / "000002.ply").unlink()
    assert make_dots(things, tmp_path / "three", count=5).made > 0
    same(tmp_path / "one", tmp_path / "two")
    same(tmp_path / "one", tmp_path / "three")


def test_a_mesh_that_a_folder_cannot_hold(things, tmp_path, monkeypatch):
    for mesh in (np.zeros((4, 3)), TriangleMesh(np.full((3, 3), np.nan), np.array([(0, 1, 2)]))):
        monkeypatch.setattr(things, "item", lambda self, i, mesh=mesh: {"image": np.zeros((3, 8, 8)), "mesh": mesh})
        with pytest.raises(ValueError, match="mesh needs a TriangleMesh"):
            make_dots(things, tmp_path / "out")


def test_workers_need_a_generator_that_other_processes_find(dots, tmp_path):
    with pytest.raises(ValueError, match=r"no installed generator toy:dots is this Dots.*use workers=0"):
        make_dots(dots, tmp_path / "out", workers=2)
    assert make_dots(dots, tmp_path / "out", workers=None).made == 12


def test_shards_at_the_same_time(dots, tmp_path):
    """Two processes write halves of one folder; whoever ends last writes the tables."""
    program = (
        "import sys; from pathlib import Path; from dots_of_a_test import Dots; from armillary.data.make import make\n"
        "make(Dots(3, slow=0.02), Path(sys.argv[1]), name='toy:dots', settings={'radius': 2}, size=8, seed=3, count=12,"
        " workers=0, shard=(int(sys.argv[2]), 2))"
    )
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "both"), shard], env=environment)
        for shard in "12"
    ]
    assert [process.wait() for process in started] == [0, 0]
    make_dots(dots, tmp_path / "one")
    same(tmp_path / "one", tmp_path / "both")


def test_another_seed_gives_other_bytes(dots, tmp_path):
    make_dots(dots, tmp_path / "one", count=2)
    make_dots(dots, tmp_path / "two", count=2, seed=4)
    assert contents(tmp_path / "one")["images/000000.png"] != contents(tmp_path / "two")["images/000000.png"]


def test_a_count_in_common_gives_items_in_common(dots, tmp_path):
    make_dots(dots, tmp_path / "few", count=2)
    make_dots(dots, tmp_path / "many", count=5)
    few, many = contents(tmp_path / "few"), contents(tmp_path / "many")
    assert all(few[name] == many[name] for name in few if "/" in name)


def test_no_path_and_no_time_is_written(dots, tmp_path):
    model = tmp_path / "model.npz"
    model.write_bytes(b"weights")
    make_dots(dots, tmp_path / "out", count=1, settings={"model": str(model), "kind": "texture"})
    for name, data in contents(tmp_path / "out").items():
        assert str(tmp_path).encode() not in data, name
    settings = json.loads((tmp_path / "out" / "generator.json").read_text())["settings"]
    digest = hashlib.sha256(b"weights").hexdigest()
    assert settings == {"model": {"file": "model.npz", "size": 7, "sha256": digest}, "kind": "texture"}


def test_a_word_is_no_file_even_where_a_file_has_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("texture").touch()
    Path("model.npz").write_bytes(b"x")
    assert portable({"background": "texture"}) == {"background": "texture"}
    assert portable({"model": "model.npz"})["model"]["file"] == "model.npz"


# --- interrupted -----------------------------------------------------------------------------------------------------


def test_going_on_makes_only_what_is_missing(dots, tmp_path, monkeypatch):
    make_dots(dots, tmp_path / "whole")
    real = data_writer.write_item

    def stop(layout, index, item):
        if index == 5:
            raise KeyboardInterrupt
        real(layout, index, item)

    monkeypatch.setattr(data_writer, "write_item", stop)
    with pytest.raises(KeyboardInterrupt):
        make_dots(dots, tmp_path / "out")
    monkeypatch.setattr(data_writer, "write_item", real)
    with pytest.raises(DataError, match="not finished, 5 of 12 items"):
        Images(size=SIZE, root=tmp_path / "out", split="all")
    made = make_dots(dots, tmp_path / "out")
    assert (made.made, made.found, made.missing) == (7, 5, 0)
    same(tmp_path / "whole", tmp_path / "out")


def test_killed_at_any_moment_it_goes_on(dots, tmp_path):
    make_dots(dots, tmp_path / "whole")
    program = (
        "import sys; from pathlib import Path; from dots_of_a_test import Dots; from armillary.data.make import make\n"
        "print('begun', flush=True)\n"
        "make(Dots(3, slow=0.05), Path(sys.argv[1]), name='toy:dots', settings={'radius': 2}, size=8, seed=3, count=12,"
        " workers=0)"
    )
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "out")], env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.2)
    process.kill()
    process.wait()
    process.stdout.close()
    make_dots(dots, tmp_path / "out")
    same(tmp_path / "whole", tmp_path / "out")


def test_a_whole_folder_is_left_alone(dots, tmp_path):
    make_dots(dots, tmp_path / "out")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    made = make_dots(dots, tmp_path / "out")
    assert (made.made, made.found, made.missing) == (0, 12, 0)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == times


@pytest.mark.parametrize("lost", ["images/000003.png", "normals/000000.npy", "landmarks.csv"])
def test_what_was_lost_is_made_again(dots, tmp_path, lost):
    make_dots(dots, tmp_path / "whole")
    make_dots(dots, tmp_path / "out")
    (tmp_path / "out" / lost).unlink()
    make_dots(dots, tmp_path / "out")
    same(tmp_path / "whole", tmp_path / "out")


def test_a_file_lost_while_unfinished_is_made_again(dots, tmp_path):
    make_dots(dots, tmp_path / "whole")
    make_dots(dots, tmp_path / "out", shard=(1, 2))
    (tmp_path / "out" / "depth" / "000002.npy").unlink()
    assert make_dots(dots, tmp_path / "out", shard=(1, 2)).made == 1
    make_dots(dots, tmp_path / "out", shard=(2, 2))
    same(tmp_path / "whole", tmp_path / "out")


# --- refusals --------------------------------------------------------------------------------------------------------


def test_a_folder_of_something_else_is_refused(dots, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(
        DataError, match=r"not empty, and it holds no generator.json; name a folder that does not exist yet"
    ):
        make_dots(dots, tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name != "modules"] == ["thesis.tex"]


def test_a_file_is_refused(dots, tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(DataError, match="this is a file"):
        make_dots(dots, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 4}, "seed 3, not 4"),
        ({"count": 13}, "count 12, not 13"),
        ({"name": "toy:lines"}, "generator 'toy:dots', not 'toy:lines'"),
        ({"settings": {"radius": 3}}, "settings {'radius': 2}, not {'radius': 3}"),
    ],
)
def test_another_collection_in_the_folder_is_refused(dots, tmp_path, change, message):
    make_dots(dots, tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(DataError, match="holds another collection") as caught:
        make_dots(dots, tmp_path / "out", **change)
    assert message in str(caught.value)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_so_and_leaves_no_half_file(dots, tmp_path, monkeypatch, number):
    make_dots(dots, tmp_path / "whole")
    kind = type(tmp_path)
    real, calls = kind.write_bytes, []

    def full(self, data):
        calls.append(self)
        if len(calls) > 20:
            real(self, data[: len(data) // 2])
            raise OSError(number, "No space left on device")
        return real(self, data)

    monkeypatch.setattr(kind, "write_bytes", full)
    with pytest.raises(
        DataError, match=r"no space left on the disk; what is written so far is whole.*same command again"
    ):
        make_dots(dots, tmp_path / "out")
    monkeypatch.setattr(kind, "write_bytes", real)
    whole, there = contents(tmp_path / "whole"), contents(tmp_path / "out")
    assert all(whole[name] == data for name, data in there.items() if not name.startswith(".making"))
    assert not list((tmp_path / "out" / ".making").glob("part-*"))
    make_dots(dots, tmp_path / "out")
    same(tmp_path / "whole", tmp_path / "out")


def test_a_disk_that_cannot_be_written(dots, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "mkdir", refuse)
    with pytest.raises(DataError, match=r"cannot be written \(Permission denied\)"):
        make_dots(dots, tmp_path / "out")


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"count": 0}, "count needs at least 1"),
        ({"shard": (0, 2)}, "shard needs i/n with 1 <= i <= n, got 0/2"),
        ({"shard": (3, 2)}, "got 3/2"),
        ({"workers": -1}, "workers needs at least 0"),
    ],
)
def test_numbers_that_cannot_be(dots, tmp_path, numbers, message):
    with pytest.raises(ValueError, match=message):
        make_dots(dots, tmp_path / "out", **numbers)
    assert not (tmp_path / "out").exists()


# --- generators that give what a folder cannot hold ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("port", "change", "message"),
    [
        ("image", lambda x: x * 2, r"image goes from .* to .*, not in \[0, 1\]"),
        ("image", lambda x: x[:1], r"image needs the shape \(3, height, width\), has \(1, 8, 8\)"),
        ("image", lambda x: np.where(x > 0.5, np.nan, x), "image has values that are not finite"),
        ("true_depth", lambda x: x[:, :4], r"true_depth is \(4, 8\), but the image is \(8, 8\)"),
        ("true_depth", lambda x: x + np.inf, "true_depth has values that are not finite"),
        ("true_pose", lambda x: x[:2], r"true_pose needs finite numbers of the shape \(3, 4\), has the shape \(2, 4\)"),
        ("true_light", lambda x: x * np.nan, "true_light needs finite numbers"),
        ("true_landmarks2d", lambda x: x + 0.1, r"true_landmarks3d, seen by the camera, are 0.35 pixels away"),
        ("true_landmarks2d", lambda x: x[:2], "true_landmarks3d needs finite numbers of the shape"),
    ],
)
def test_an_item_that_a_folder_cannot_hold(dots, tmp_path, monkeypatch, port, change, message):
    real = dots.item
    monkeypatch.setattr(dots, "item", lambda self, index: (item := real(self, index)) | {port: change(item[port])})
    with pytest.raises(ValueError, match=message):
        make_dots(dots, tmp_path / "out")


@pytest.mark.parametrize(
    ("port", "change", "message"),
    [
        ("partner", lambda x: x + 0.5, "partner needs one whole number, has float64"),
        ("partner", lambda x: x[None], r"partner needs one whole number, .* of the shape \(1,\)"),
        ("partner_grid", lambda x: x[:4], r"partner_grid needs the shape \(8, 8, 2\), has \(4, 8, 2\)"),
        (
            "partner_grid",
            lambda x: x * np.nan,
            "partner_grid has values that are not finite where partner_valid is true",
        ),
        ("partner_grid", lambda x: x * 1e6, "partner_grid has values up to .* more than half precision holds"),
        ("partner_valid", lambda x: x[0], r"partner_valid needs the shape \(1, 8, 8\), has \(8, 8\)"),
        ("true_coordinates", lambda x: x[:2], r"true_coordinates needs the shape \(3, height, width\)"),
        ("true_coordinates", lambda x: x / x * 1e5, "true_coordinates has values that are not finite"),
        ("true_coordinates", lambda x: x + 1e5, "true_coordinates has values up to 1.* more than half precision holds"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_pairs_that_a_folder_cannot_hold(film, tmp_path, monkeypatch, port, change, message):
    real = film.item
    monkeypatch.setattr(film, "item", lambda self, index: (item := real(self, index)) | {port: change(item[port])})
    with pytest.raises(ValueError, match=message):
        make_dots(film, tmp_path / "out")


def test_where_nothing_is_seen_the_grid_may_be_anything(film, tmp_path, monkeypatch):
    real = film.item

    def item(self, index):
        full = real(self, index)
        nowhere = np.where(full["partner_valid"][0][..., None], full["partner_grid"], np.inf)
        return full | {"partner_grid": nowhere.astype(np.float32), "partner_valid": full["partner_valid"] & (index > 1)}

    monkeypatch.setattr(film, "item", item)
    make_dots(film, tmp_path / "out", count=4)
    assert np.isnan(np.load(tmp_path / "out" / "flow" / "000001.npy")).all()


def test_a_partner_without_a_grid(film, tmp_path, monkeypatch):
    real = film.item
    monkeypatch.setattr(film, "item", lambda self, i: {k: v for k, v in real(self, i).items() if k != "partner_grid"})
    with pytest.raises(ValueError, match="gives partner, partner_valid without partner_grid; they go together"):
        make_dots(film, tmp_path / "out")


def test_a_port_without_a_place(dots, tmp_path, monkeypatch):
    real = dots.item
    monkeypatch.setattr(dots, "item", lambda self, index: real(self, index) | {"true_colour": np.zeros(3)})
    with pytest.raises(ValueError, match="Dots: a data folder has no place for true_colour"):
        make_dots(dots, tmp_path / "out")


def test_a_generator_without_pictures(dots, tmp_path, monkeypatch):
    monkeypatch.setattr(dots, "item", lambda self, index: {"true_light": np.zeros(5)})
    with pytest.raises(ValueError, match="Dots: a data folder needs an image"):
        make_dots(dots, tmp_path / "out")


def test_an_item_with_other_ports_than_the_first(dots, tmp_path, monkeypatch):
    real = dots.item

    def item(self, index):
        full = real(self, index)
        return full if index == 0 else {"image": full["image"]}

    monkeypatch.setattr(dots, "item", item)
    with pytest.raises(ValueError, match="gives every item the same ports"):
        make_dots(dots, tmp_path / "out")


def test_pictures_alone_need_no_tables(dots, tmp_path, monkeypatch):
    real = dots.item
    monkeypatch.setattr(dots, "item", lambda self, index: {"image": real(self, index)["image"]})
    make_dots(dots, tmp_path / "out", count=2)
    assert sorted(contents(tmp_path / "out")) == ["generator.json", "images/000000.png", "images/000001.png"]
    assert make_dots(dots, tmp_path / "out", count=2).found == 2

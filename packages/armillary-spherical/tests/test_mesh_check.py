"""What ``armillary data check`` says of a folder of meshes."""

import pytest
import trimesh

from armillary.errors import DataError
from armillary_spherical.mesh_check import examine
from armillary_spherical.mesh_folder import MeshFolder

EMPTY = "OFF\n3 0 0\n0 0 0\n1 0 0\n0 1 0\n"
NAN = "OFF\n3 1 0\n0 0 0\nnan 0 0\n0 1 0\n3 0 1 2\n"


def fill(root, names, *, text=None):
    for index, name in enumerate(names):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            trimesh.creation.box(extents=(1, 1, 1 + index)).export(file)
        else:
            file.write_text(text)
    return root


def found(root, **settings):
    return examine(root, MeshFolder.Config(**settings))


def texts(report, severity):
    return {finding.path: finding.text for finding in report.findings if finding.severity == severity}


@pytest.fixture
def good(tmp_path):
    return fill(tmp_path / "shapes", [*(f"car/{k}.off" for k in range(3)), *(f"sofa/{k}.stl" for k in range(3))])


def test_categories_and_counts(good):
    report = found(good)
    assert report.ok
    assert report.name == "shapes"
    assert report.facts["meshes"] == "6 of 6 can be read"
    assert report.facts["closed"] == "6 of 6"
    assert report.facts["categories"] == {"car": 3, "sofa": 3}
    assert report.facts["faces"] == "12 to 12, median 12"
    assert report.facts["splits"]["by"] == "hash"


def test_what_is_refused_is_an_error_with_its_reason(good):
    fill(good, ["car/empty.off"], text=EMPTY)
    fill(good, ["car/nan.off"], text=NAN)
    fill(good, ["sofa/junk.ply"], text="hello")
    report = found(good)
    assert not report.ok
    said = texts(report, "error")
    assert set(said) == {"car/empty.off", "car/nan.off", "sofa/junk.ply"}
    assert said["car/empty.off"].startswith("empty: ")
    assert said["car/nan.off"].startswith("nan: ")
    assert said["sofa/junk.ply"].startswith("unreadable: ")
    assert report.facts["meshes"] == "6 of 9 can be read"
    assert report.facts["categories"] == {"car": 3, "sofa": 3}


def test_what_is_mended_is_a_warning_and_alike_for_alike_faults(good):
    """Two meshes of different numbers of squares: one text for both, so that they are told together."""
    square = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1\nv 1 0 1\n"
    fill(good, ["car/one.obj"], text=square + "f 1 2 3 4\n")
    fill(good, ["car/two.obj"], text=square + "f 1 2 3 4\nf 1 2 6 5\n")
    cube = trimesh.creation.box()
    cube.faces = cube.faces[:, ::-1]
    cube.export(good / "car" / "inside.off")
    report = found(good)
    assert report.ok
    said = [(finding.path, finding.text) for finding in report.findings]
    assert ("car/one.obj", "polygons: faces cut into triangles") in said
    assert ("car/two.obj", "polygons: faces cut into triangles") in said
    assert ("car/inside.off", "inside out: its triangles faced inwards, turned over") in said
    assert report.facts["closed"] == "7 of 9"
    assert report.facts["meshes"] == "9 of 9 can be read"


def test_nothing_is_changed(good):
    fill(good, ["car/empty.off"], text=EMPTY)
    before = {path: path.read_bytes() for path in good.rglob("*") if path.is_file()}
    found(good)
    assert {path: path.read_bytes() for path in good.rglob("*") if path.is_file()} == before


def test_copies_are_named_the_more_so_across_categories(good):
    (good / "car" / "copy.off").write_bytes((good / "car" / "0.off").read_bytes())
    (good / "sofa" / "copy.off").write_bytes((good / "car" / "0.off").read_bytes())
    report = found(good, split_by="all")
    assert report.facts["groups of the same bytes"] == "1"
    assert texts(report, "warning") == {
        "car/copy.off": "the same bytes as car/0.off",
        "sofa/copy.off": "the same bytes as car/0.off, and in another category",
    }


def test_thin_categories_and_meshes_outside_are_named(good):
    fill(good, ["lamp/only.off", "stray.off"])
    fill(good, ["mug/bad.off"], text=EMPTY)
    said = texts(found(good), "warning")
    assert said["lamp"] == "a category with one mesh only"
    assert said["mug"] == "a category with no mesh that can be read"
    assert said["."].startswith("1 meshes lie in no category's folder")


def test_a_flat_folder_has_no_labels(tmp_path):
    report = found(fill(tmp_path, ["a.off", "b.off"]))
    assert report.facts["categories"].startswith("none")
    assert report.ok


def test_a_wrong_split_is_named(good):
    (good / "split.csv").write_text("id,split\ncar/0,nonsense\n")
    report = found(good)
    assert "split.csv" in texts(report, "error")
    assert report.facts["splits"] == {}


def test_no_mesh_is_refused(tmp_path):
    with pytest.raises(DataError, match="no mesh below it"):
        found(tmp_path)


def test_the_data_set_offers_it_and_reports_progress(good):
    seen = []
    report = MeshFolder.examine(MeshFolder.Config(), root=good, progress=lambda *counts: seen.append(counts))
    assert report == found(good)
    assert seen == [(k, 6) for k in range(1, 7)]

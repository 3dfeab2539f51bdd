"""The whole way with pictures of real animals, which nobody may ship."""

import json

import pytest


@pytest.mark.realdata("cats_faces64")
def test_real_cats_from_the_folder_to_a_mesh(armillary, real_data, tmp_path):
    cats = real_data / "cats_faces64"
    pictures = sorted(path for path in cats.rglob("*") if path.suffix in {".jpg", ".png"})[:3]
    told = json.loads(armillary("data", "info", cats, "--json").stdout)
    assert str(len([p for p in cats.rglob("*") if p.suffix in {".jpg", ".png"}])) in json.dumps(told)
    armillary("train", "unsup3d:smoke", "--data", cats, "--out", "run")
    armillary("predict", "run", *pictures, "--out", "geometry")
    assert len(list((tmp_path / "geometry").rglob("*.npz"))) == len(pictures)
    armillary("export", "run", pictures[0], "--out", "cat.glb")
    assert (tmp_path / "cat.glb").read_bytes()[:4] == b"glTF"

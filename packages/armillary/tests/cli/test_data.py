"""``armillary data``, on a generator of coloured noise."""

import json

import pytest


@pytest.fixture
def make(armillary, generator, monkeypatch):
    """``data make`` in this process."""
    del generator

    def call(*arguments, status=0):
        return armillary("data", "make", *arguments, "--workers", 0, status=status)

    return call


def test_make_writes_pictures_and_goes_on(make, tmp_path):
    answer = make("noise:noise", "out", "--count", 3, "--size", 8, "--set", "strength=0.5", "--set", "colour=grey")
    assert answer.out == ""
    assert "out: 3 pictures made" in answer.err
    about = json.loads((tmp_path / "work" / "out" / "generator.json").read_text())
    assert about["settings"] == {"strength": 0.5, "colour": "grey"}
    again = make("noise:noise", "out", "--count", 3, "--size", 8, "--set", "strength=0.5", "--set", "colour=grey")
    assert "0 pictures made, 3 were there" in again.err


def test_make_in_shards(make):
    first = make("noise:noise", "out", "--count", 3, "--size", 8, "--shard", "1/2")
    assert "2 pictures made; 1 of other shards are still missing" in first.err
    assert "1 picture made" in make("noise:noise", "out", "--count", 3, "--size", 8, "--shard", "2/2").err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("noise:nose", "out"), 1, "did you mean 'noise:noise'?"),
        (("noise:noise", "out", "--count", 0), 2, "--count 0"),
        (("noise:noise", "out", "--size", 0), 2, "--size 0"),
        (("noise:noise", "out", "--shard", "3/2"), 2, "--shard 3/2: write it as I/N"),
        (("noise:noise", "out", "--set", "strength=much"), 1, "noise:noise.strength: needs a number, got 'much'"),
        (("noise:noise", "out", "--set", "strenth=1"), 1, "did you mean 'strength'?"),
        (("noise:noise", "out", "--set", "colour=gray"), 1, "did you mean 'grey'?"),
        (("noise:noise", "out", "--set", "colour"), 1, "write it as name=value"),
        (("noise:file", "out"), 1, "armillary assets add model FILE"),
    ],
)
def test_what_make_refuses(make, arguments, status, said):
    assert said in make(*arguments, status=status).err


def test_a_generator_finds_its_file_in_the_register(make, armillary, tmp_path):
    model = tmp_path / "model.npz"
    model.write_bytes(b"weights")
    armillary("assets", "add", "model", model)
    make("noise:file", "out", "--count", 1, "--size", 8)
    text = (tmp_path / "work" / "out" / "generator.json").read_text()
    assert json.loads(text)["settings"]["model"]["file"] == "model.npz"
    assert str(tmp_path) not in text


def test_check_and_info(armillary, pictures):
    good = armillary("data", "check", pictures)
    assert "6 of 6 can be read" in good.out
    (pictures / "empty.png").write_bytes(b"")
    bad = armillary("data", "check", pictures, status=1)
    assert "empty.png: empty file" in bad.out
    assert "--strict" in bad.err
    assert json.loads(armillary("data", "check", pictures, "--json", status=1).out)["ok"] is False
    assert "8 x 8" in armillary("data", "info", pictures).out
    assert json.loads(armillary("data", "info", pictures, "--json").out)["count"] == 7
    assert "no such folder" in armillary("data", "info", "nosuch", status=1).err


def test_check_asks_other_readers(armillary, pictures, tmp_path, monkeypatch):
    """Beside the pictures, and alone where there are none; the status is that of all."""
    from armillary.interfaces.dataset import Examination, Finding

    found = [
        Finding("a.off", "empty: it has no face"),
        Finding("b.off", "open", "warning"),
        Finding("c.off", "open", "warning"),
    ]
    said = {"toy:meshes": Examination(name="shapes", facts={"meshes": "2 of 3 can be read"}, findings=tuple(found))}
    monkeypatch.setattr("armillary.data.readers.examine_all", lambda host, root, *, progress: said)
    both = armillary("data", "check", pictures, status=1)
    assert "6 of 6 can be read" in both.out
    assert "toy:meshes" in both.out
    assert "error    a.off: empty: it has no face" in both.out
    assert "warning  b.off, c.off: open" in both.out
    assert "1 error, 2 warnings" in both.err
    plain = json.loads(armillary("data", "check", pictures, "--json", status=1).out)
    assert plain["ok"] is False
    assert plain["count"] == 6
    assert plain["others"]["toy:meshes"]["facts"] == {"meshes": "2 of 3 can be read"}
    (tmp_path / "meshes").mkdir()
    alone = armillary("data", "check", tmp_path / "meshes", status=1)
    assert "pictures" not in alone.out
    assert "2 of 3 can be read" in alone.out

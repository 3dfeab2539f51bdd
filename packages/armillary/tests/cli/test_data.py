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


def test_workers_change_no_byte_and_go_on(make, armillary, tmp_path):
    words = ("--count", 5, "--size", 8, "--set", "colour=grey", "--set", "strength=0.25")
    make("noise:noise", "one", *words)
    make("noise:noise", "two", *words, "--shard", "2/3")
    answer = armillary("data", "make", "noise:noise", "two", *words, "--workers", 2, "--shard", "1/3")
    assert "2 pictures made; 1 of other shards are still missing" in answer.err
    answer = armillary("data", "make", "noise:noise", "two", *words, "--workers", 2)
    assert "two: 1 picture made, 4 were there" in answer.err
    assert "pictures: 5 of 5" in answer.err
    one, two = ({p.relative_to(d): p.read_bytes() for p in d.rglob("*") if p.is_file()} for d in _both(tmp_path))
    assert one == two
    assert "0 pictures made, 5 were there" in armillary("data", "make", "noise:noise", "two", *words).err


def _both(tmp_path):
    return tmp_path / "work" / "one", tmp_path / "work" / "two"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raise ArithmeticError('the generator ends here')", "ArithmeticError: the generator ends here"),
        (
            "os.kill(os.getpid(), 9)",
            "ended by SIGKILL; the system does this where memory runs out: armillary",
        ),
        ("assert os.environ['OMP_NUM_THREADS'] == 'one'", "AssertionError"),
    ],
)
def test_the_failure_of_a_worker_is_named(armillary, generator, tmp_path, monkeypatch, how, said):
    monkeypatch.setenv("OMP_NUM_THREADS", "one")
    file = next((tmp_path / "site").rglob("generator.py"))
    broken = f"        if 'BREAK' in os.environ:\n            {how}\n        rng ="  # this process may import it too
    file.write_text("import os\n" + file.read_text().replace("        rng =", broken, 1))
    monkeypatch.setenv("BREAK", "1")
    answer = armillary("data", "make", "noise:noise", "out", "--count", 4, "--size", 8, "--workers", 2, status=1)
    assert said in answer.err
    assert "armillary data make noise:noise out" in answer.err


def test_json_has_a_line_per_picture_and_a_result(make):
    answer = make("noise:noise", "out", "--count", 2, "--size", 8, "--json")
    lines = answer.out.splitlines()
    assert [json.loads(line) for line in lines[:2]] == [
        {"count": "pictures", "done": done, "total": 2} for done in (1, 2)
    ]
    assert json.loads("\n".join(lines[2:])) == {"made": 2, "found": 0, "missing": 0}
    answer = make("noise:nose", "out", "--json", status=1)
    assert json.loads(answer.out)["error"] in answer.err


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

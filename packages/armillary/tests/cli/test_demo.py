"""``armillary demo``, on a generator of coloured noise."""

import json


def test_the_demo_makes_one_page_of_what_works(armillary, generator, monkeypatch, tmp_path):
    """A method without an evaluator or a surface is shown, too; what fails is said and hurts nothing."""
    del generator
    for name, number in {"TRAINING": 6, "FRESH": 2}.items():
        monkeypatch.setattr(f"armillary.comparison.demo.{name}", number)
    monkeypatch.setattr("armillary.data.make.os.cpu_count", lambda: 1)
    answer = armillary("demo", "--out", "all", "--seconds", 60)
    page = tmp_path / "work" / "all" / "index.html"
    assert f"open this file: {page}" in answer.err
    assert "noise:demo" in answer.out
    text = page.read_text()
    assert "armillary predict all/runs/noise-demo" in text
    assert len(list((tmp_path / "work" / "all" / "runs" / "noise-demo" / "predictions").glob("*.npz"))) == 2
    again = json.loads(armillary("demo", "--out", "all", "--json").out)
    assert again["methods"][0]["run"] == "all/runs/noise-demo-2"
    broken = armillary("demo", "--out", "all", "--method", "noise", "--method", "toy:demo", status=1)
    assert "unknown recipe 'toy:demo'" in broken.err

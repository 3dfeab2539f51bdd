"""``armillary evaluate``."""

import json


def test_evaluate_prints_the_run_above_its_baselines(run, armillary, monkeypatch):
    del run
    entry = {
        "stage": "main",
        "step": 2,
        "data": {"name": "heads", "count": 9, "digest": "d"},
        "split": "test",
        "items": 3,
        "evaluators": {
            "depth": {
                "id": "std:side-mad/1",
                "protocol": "p",
                "figures": {"mad": {"value": 12.5, "unit": "degree", "spread": 1.0}},
                "baselines": {"null depth": {"mad": {"value": 36.9, "unit": "degree"}}},
                "fitted_on": "heads, train, 6 items",
                "notes": ["masks are eroded"],
            }
        },
    }
    monkeypatch.setattr("armillary.inference.evaluate.evaluate", lambda folder, **rest: entry)
    out = armillary("evaluate", "run", "--data", "heads").out.splitlines()
    assert out == [
        "depth (std:side-mad/1) on 3 items of heads, split test, step 2",
        "            mad (degrees)",
        "this run    12.500 ± 1.000",
        "null depth  36.900",
        "average fitted on heads, train, 6 items",
        "note: masks are eroded",
    ]
    assert json.loads(armillary("evaluate", "run", "--data", "heads", "--json").out) == entry


def test_a_run_that_cannot_be_measured_says_why(run, armillary, pictures):
    del run
    assert "has no evaluators" in armillary("evaluate", "run", "--data", pictures, status=1).err

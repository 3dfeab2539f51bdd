"""The model card: all that a reader needs, in Markdown that nothing breaks out of."""

import re

from armillary.pages.card import write_card


def card(tmp_path, **changes):
    content = {
        "title": "faces",
        "summary": "One picture in; depth, albedo, light and viewpoint out.",
        "method": "unsup3d:unsup3d",
        "recipe": "unsup3d:quick",
        "papers": ["Wu, Rupprecht, Vedaldi 2020, arXiv:1911.11130"],
        "data": {
            "train": {"name": "faces", "count": 4000, "hash": "sha256:12ab"},
            "test": {"name": "held", "count": 200},
        },
        "training": {"steps": 4800, "time": "5 min 2 s", "machine": "2 cores, no GPU"},
        "metrics": [
            {
                "name": "SIDE",
                "value": 0.998,
                "unit": "x 100",
                "spread": 0.2,
                "protocol": "side-mad/1",
                "better": "low",
                "baselines": {"null depth": 1.857, "average depth": 1.385},
            },
            {"name": "MAD", "value": 15.3, "protocol": "side-mad/1", "baselines": {"null depth": 36.9}},
        ],
        "losses": [
            {"name": "photometric", "use": "unsup3d:photometric", "weight": 1.0},
            {
                "name": "gradient",
                "use": "std:gradient",
                "weight": 0.5,
                "note": "in place of VGG-16, whose weights are absent",
            },
        ],
        "changes": ["sigma has a floor of 0.02"],
        "commands": ["armillary predict RUN faces/*.png --out out"],
        "limitations": ["Depth is known up to a shift along the axis."],
        "licences": {"code": "MIT", "pictures": "as their owner says"},
    }
    return write_card(tmp_path / "README.md", **(content | changes)).read_text(encoding="utf-8")


def tables(text):
    """The cells of each table; every row must have as many as its head."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n?)+", text, flags=re.MULTILINE):
        rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.strip().splitlines()]
        assert len({len(row) for row in rows}) == 1
        found.append(rows)
    return found


def test_results_stand_beside_their_baselines(tmp_path):
    results = next(t for t in tables(card(tmp_path)) if t[0][0] == "metric")
    assert results[0] == ["metric", "this run", "null depth", "average depth", "protocol"]
    assert results[2] == ["SIDE, x 100 ↓", "**0.998** ± 0.2", "1.857", "1.385", "`side-mad/1`"]
    assert results[3] == ["MAD", "**15.3**", "36.9", "", "`side-mad/1`"]


def test_data_has_name_count_and_hash(tmp_path):
    data = next(t for t in tables(card(tmp_path)) if t[0][0] == "role")
    assert data[2:] == [["train", "faces", "4,000", "`sha256:12ab`"], ["test", "held", "200", ""]]


def test_a_path_beside_the_data_is_not_taken_over(tmp_path):
    text = card(tmp_path, data={"train": {"name": "faces", "count": 1, "path": "/home/somebody/faces"}})
    assert "somebody" not in text


def test_losses_say_which_weights(tmp_path):
    losses = next(t for t in tables(card(tmp_path)) if t[0][0] == "term")
    assert losses[2][-1] == ""
    assert losses[3] == ["gradient", "`std:gradient`", "0.5", "in place of VGG-16, whose weights are absent"]


def test_every_heading_has_a_body(tmp_path):
    text = card(tmp_path)
    titles = ["Papers", "Data", "Results", "Losses", "Departures", "Use", "Limitations", "Licences"]
    assert re.findall(r"^## (.*)$", text, flags=re.MULTILINE) == titles
    bare = card(
        tmp_path, papers=[], data={}, metrics=[], losses=[], changes=[], commands=[], limitations=[], licences={}
    )
    assert re.findall(r"^## (.*)$", bare, flags=re.MULTILINE) == ["Results"]
    assert "Not evaluated yet." in bare


def test_commands_are_typed_as_they_are(tmp_path):
    assert "```sh\narmillary predict RUN faces/*.png --out out\n```" in card(tmp_path)


def test_no_text_breaks_out(tmp_path):
    hostile = "a | b <img src=x> *c* `d`\n## e"
    text = card(
        tmp_path,
        title=hostile,
        summary=hostile,
        training={hostile: hostile},
        data={hostile: {"name": hostile, "count": 1, "hash": hostile}},
        metrics=[{"name": hostile, "value": 1.0, "protocol": hostile, "baselines": {hostile: 2.0}}],
        losses=[{"name": hostile, "use": hostile, "weight": hostile, "note": hostile}],
        limitations=[hostile],
    )
    assert tables(text)
    assert "<img" not in re.sub(r"`[^`\n]*`", "", text)
    assert not re.search(r"^## e", text, flags=re.MULTILINE)


def test_the_head_is_what_model_hubs_read(tmp_path):
    text = card(tmp_path, tags=["faces", "armillary"])
    assert text.startswith('---\nlibrary_name: armillary\ntags:\n- "armillary"\n- "unsup3d"\n- "faces"\n---\n')

"""Recipes written RECIPE+PATCH: an ablation of the published run is the same ablation of a small one."""

import pytest

from armillary.config import write_toml
from armillary.errors import ArmillaryError
from armillary.recipes.recipe import complete, resolve
from armillary.recipes.variants import identity, split

BASE = """
method = "toy:autoencoder"
summary = "published"
batch_size = 4
[slots."picture.encoder"]
use = "toy:vector"
settings = {features = 5}
[slots."picture.head"]
use = "toy:picture"
[slots.renderer]
use = "toy:brighten"
[data]
use = "std:images"
[losses.l1]
use = "toy:l1"
weight = 1.0
[losses.other]
use = "toy:l1"
weight = 3.0
[budget]
steps = 20
"""
SMALL = """
extends = "{base}"
summary = "small"
remove = ["losses.other"]
[slots."picture.encoder"]
settings = {{features = 3}}
[losses.added]
use = "toy:l1"
[budget]
steps = 4
"""
ABLATION = """
extends = "{base}"
summary = "less"
remove = ["slots.renderer", "losses"]
[losses.l1]
use = "toy:l1"
weight = 2.0
[losses.other]
use = "toy:l1"
weight = 5.0
"""


@pytest.fixture
def files(tmp_path):
    paths = {name: tmp_path / f"{name}.toml" for name in ("base", "small", "ablation")}
    for (name, path), text in zip(paths.items(), (BASE, SMALL, ABLATION), strict=True):
        path.write_text(text if name == "base" else text.format(base=paths["base"]))
    return paths


def test_an_ablation_changes_a_small_run_as_it_changes_the_published_one(toy_host, files):
    """Gone: the renderer. Changed: l1. Kept: what the small one has added, and its sizes. Not brought back: other."""
    found = resolve(toy_host, f"{files['small']}+{files['ablation']}").written
    small = resolve(toy_host, str(files["small"])).written
    assert "renderer" not in found["slots"]
    assert found["losses"] == {"l1": {"use": "toy:l1", "weight": 2.0}, "added": {"use": "toy:l1"}}
    assert found["slots"]["picture.encoder"] == small["slots"]["picture.encoder"]
    assert found["budget"] == {"steps": 4}
    assert found["summary"] == f"small, with {files['ablation'].name}"


def test_a_stage_that_an_ablation_leaves_out_goes_whole(toy_host, tmp_path):
    """Also where the small recipe has added to it: half a stage would be none."""
    small, less = tmp_path / "small.toml", tmp_path / "less.toml"
    small.write_text('extends = "toy:stages"\n[stages.views.cadence]\nlog = 1\n')
    less.write_text('extends = "toy:stages"\nremove = ["stages.views"]\n')
    recipe = resolve(toy_host, f"{small}+{less}")
    assert list(recipe.table["stages"]) == ["shapes", "embedding"]
    complete(toy_host, recipe)


def test_each_kind_of_patch(toy_host, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("batch_size = 7\n")
    name = f"toy:paper+smoke+{file}+optimiser.lr=1e+3+losses.l1.weight=0"
    recipe = resolve(toy_host, name)
    assert recipe.written["budget"] == {"steps": 4}
    assert recipe.written["batch_size"] == 7
    assert recipe.written["optimiser"]["lr"] == 1000.0
    assert recipe.written["losses"]["l1"]["weight"] == 0
    assert recipe.id == "toy:paper+smoke+mine.toml+optimiser.lr=1e+3+losses.l1.weight=0"
    assert recipe.origins["optimiser.lr"] == "+optimiser.lr=1e+3"
    assert "losses.l1.weight" not in recipe.sources


def test_a_variant_resolves_to_itself(toy_host, files, tmp_path):
    done = complete(toy_host, resolve(toy_host, f"{files['small']}+{files['ablation']}"))
    again = tmp_path / "again.toml"
    again.write_text(write_toml(done.table))
    assert complete(toy_host, resolve(toy_host, str(again))).table == done.table


def test_a_file_whose_name_has_a_plus_is_a_file(tmp_path):
    file = tmp_path / "one+two.toml"
    file.write_text("")
    assert split(str(file)) == (str(file), ())
    assert identity(str(file)) == "one+two.toml"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("toy:paper+pairs", "+toy:pairs: not a variant of toy:paper, since they extend no common recipe"),
        ("toy:smoke+paper", "+toy:paper: no effect: toy:smoke does not have"),
        ("toy:paper+smok", "did you mean 'toy:smoke'"),
        ("toy:paper+losses.l2.weight=1", "+losses.l2.weight=1: 'losses.l2.weight': no 'l2'; there are: l1"),
        ("toy:paper+missing.toml", "missing.toml"),
    ],
)
def test_a_wrong_patch_is_named(toy_host, name, words):
    with pytest.raises(ArmillaryError) as caught:
        resolve(toy_host, name)
    assert words in str(caught.value)

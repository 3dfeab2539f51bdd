"""``armillary recipes``."""

import json
import tomllib

import pytest


def test_list(armillary):
    answer = armillary("recipes", "list")
    assert "toy:smoke" in answer.out
    assert "the toy as published" in answer.out
    found = {each["id"]: each for each in json.loads(armillary("recipes", "list", "--json").out)}
    assert found["toy:paper"]["source"] == "nobody 2020, Table 1"


def test_show_is_toml_that_can_be_trained(armillary, tmp_path):
    text = armillary("recipes", "show", "toy:paper", "--steps", 7).out
    assert tomllib.loads(text)["budget"]["steps"] == 7
    mine = tmp_path / "mine.toml"
    mine.write_text(text)
    assert "ok" in armillary("recipes", "check", mine).out
    assert json.loads(armillary("recipes", "show", mine, "--json").out) == tomllib.loads(text)


def test_show_whole_writes_defaults_too(armillary):
    short = tomllib.loads(armillary("recipes", "show", "toy:paper").out)
    whole = tomllib.loads(armillary("recipes", "show", "toy:paper", "--whole").out)
    assert "eps" not in short["optimiser"]
    assert whole["optimiser"]["eps"] == 1e-8


def test_explain_says_who_set_a_value_and_its_source(armillary):
    rows = {row["path"]: row for row in json.loads(armillary("recipes", "explain", "toy:smoke", "--json").out)}
    assert rows["optimiser.lr"]["set by"] == "toy:paper"
    assert rows["optimiser.lr"]["source"] == "the toy's paper, Table 1"
    assert rows["budget.steps"]["set by"] == "toy:smoke"
    text = armillary("recipes", "explain", "toy:smoke", "--set", "optimiser.lr=0.5").out
    line = next(line for line in text.splitlines() if line.startswith("optimiser.lr "))
    assert line.split() == ["optimiser.lr", "0.5", "--set"]


def test_explain_whole_says_what_is_a_default(armillary):
    told = json.loads(
        armillary("recipes", "explain", "toy:smoke", "--whole", "--set", "optimiser.lr=0.5", "--json").out
    )
    rows = {row["path"]: row for row in told}
    assert rows["optimiser.lr"]["set by"] == "--set"
    assert rows["optimiser.betas"]["set by"] == "default"
    assert rows["budget.steps"]["set by"] == "toy:smoke"
    assert [path for path, row in rows.items() if not row["set by"] and path not in ("summary", "source")] == []
    stages = json.loads(armillary("recipes", "explain", "toy:stages", "--whole", "--json").out)
    assert {row["set by"] for row in stages if row["path"].startswith("stages.")} == {"default", "toy:stages"}


def test_diff_shows_what_a_patch_changes(armillary):
    answer = armillary("recipes", "diff", "toy:paper", "toy:smoke")
    assert answer.out.splitlines()[1:] == ["budget.steps         20          4"]
    assert "1 difference" in answer.err
    assert json.loads(armillary("recipes", "diff", "toy:paper", "toy:paper", "--json").out) == []


def test_check_of_all_that_is_installed(armillary):
    out = armillary("recipes", "check").out
    assert out.count("ok ") >= 4
    assert "stage embedding" in out


def test_check_says_what_does_not_fit(armillary):
    answer = armillary("recipes", "check", "toy:paper", "--use", "picture.head=toy:labels", status=1)
    assert "picture.head" in answer.err
    assert "would fit: toy:picture" in answer.err
    several = armillary("recipes", "check", "toy:paper", "toy:pairs", "--set", "optimiser.lr=high", status=1)
    assert several.out.count("broken") == 2
    found = json.loads(armillary("recipes", "check", "toy:paper", "--set", "optimiser.lr=high", "--json", status=1).out)
    assert "needs a number" in found["toy:paper"]


def test_the_short_flags_reach_every_stage(armillary):
    table = json.loads(armillary("recipes", "show", "toy:stages", "--steps", 9, "--seed", 3, "--json").out)
    assert [stage["budget"]["steps"] for stage in table["stages"].values()] == [9, 9, 9]
    assert table["seed"] == 3


@pytest.mark.parametrize("verb", ["show", "check", "explain"])
def test_what_a_part_keeps_and_what_not_is_said(armillary, tmp_path, verb):
    patch = tmp_path / "patch.toml"
    patch.write_text("[slots.'picture.encoder']\nuse = 'toy:map'\n")
    flags = ("--recipe", patch, "--use", "picture.head=toy:labels")
    status = 1 if verb == "check" else 0
    words = "note: slots.picture.encoder: toy:map"
    answer = armillary("recipes", verb, "toy:paper", *flags, status=status)
    assert f"{words} starts from its own defaults; --keep-settings would keep features = 5 of toy:vector" in answer.err
    answer = armillary("recipes", verb, "toy:paper", *flags, "--keep-settings", status=status)
    assert f"{words} keeps features = 5 of toy:vector" in answer.err


def test_what_an_added_loss_is_bound_to_is_said(armillary):
    """In a stage too; one of the recipe's own is not printed."""
    answer = armillary("recipes", "check", "toy:paper", "--set", "losses.mine.use=toy:l1")
    assert answer.err.splitlines() == ["note: mine: reconstruction <- reconstruction (method), image <- image (data)"]
    staged = armillary("recipes", "check", "toy:stages", "--set", "stages.shapes.losses.mine.use=toy:l1")
    assert staged.err.startswith("note: shapes.mine: reconstruction <- reconstruction (method)")


def test_unknown_recipes_and_settings_get_a_suggestion(armillary):
    assert "did you mean 'toy:paper'?" in armillary("recipes", "show", "toy:papre", status=1).err
    answer = armillary("recipes", "check", "toy:paper", "--set", "optimiser.lrr=1", status=1)
    assert "did you mean 'lr'?" in answer.err
    assert "--set 'a': write it as path=value" in armillary("recipes", "show", "toy:paper", "--set", "a", status=1).err

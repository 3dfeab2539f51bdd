"""Recipes: layers, patches, overrides, and where each value came from."""

import re
from pathlib import Path

import pytest

from armillary.config import write_toml
from armillary.errors import ArmillaryError, ConfigError, RecipeError, UnknownNameError
from armillary.recipes.check import check
from armillary.recipes.recipe import Overrides, complete, resolve
from armillary.recipes.stages import BODY_KEYS


def table(host, *sets, name="toy:paper", **overrides):
    return resolve(host, name, Overrides(sets=sets, **overrides)).written


def test_a_patch_changes_what_it_says_and_nothing_else(toy_host):
    paper, smoke = table(toy_host), table(toy_host, name="toy:smoke")
    assert smoke["budget"] == {"steps": 4}
    assert {k: v for k, v in smoke.items() if k not in ("budget", "summary")} == {
        k: v for k, v in paper.items() if k not in ("budget", "summary")
    }


def test_each_value_says_which_layer_set_it(toy_host):
    recipe = resolve(toy_host, "toy:smoke", Overrides(sets=("optimiser.lr=0.5",)))
    assert recipe.origins["budget.steps"] == "toy:smoke"
    assert recipe.origins["batch_size"] == "toy:paper"
    assert recipe.origins["optimiser.lr"] == "--set"
    assert "optimiser.lr" not in recipe.sources
    assert recipe.sources["losses.l1.weight"] == "eq. 1"


def test_precedence_is_base_patch_file_flag(toy_host, tmp_path):
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text("batch_size = 5\n[budget]\nsteps = 7\n")
    two.write_text("[budget]\nsteps = 8\n")
    files = {"files": (one, two)}
    assert table(toy_host, name="toy:smoke", **files)["batch_size"] == 5
    assert table(toy_host, name="toy:smoke", **files)["budget"]["steps"] == 8
    assert table(toy_host, "budget.steps=9", name="toy:smoke", **files)["budget"]["steps"] == 9


def test_a_file_is_a_recipe_of_its_own(toy_host, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('extends = "toy:paper"\nremove = ["transforms"]\n[optimiser]\nlr = 0.3\n')
    found = resolve(toy_host, str(file)).written
    assert "transforms" not in found
    assert "extends" not in found
    assert found["optimiser"] == {"use": "adam", "lr": 0.3}


def test_a_resolved_recipe_written_to_a_file_resolves_to_itself(toy_host, tmp_path):
    file = tmp_path / "resolved.toml"
    done = complete(toy_host, resolve(toy_host, "toy:stages"))
    file.write_text(write_toml(done.table))
    assert complete(toy_host, resolve(toy_host, str(file))).table == done.table


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("picture.encoder.features=9", ("slots", "picture.encoder", "settings", "features"), 9),
        ("slots.picture.encoder.settings.features=9", ("slots", "picture.encoder", "settings", "features"), 9),
        ("l1.weight=[[0, 1.0], [10, 0.5]]", ("losses", "l1", "weight"), [[0, 1.0], [10, 0.5]]),
        ("data.size=16", ("data", "settings", "size"), 16),
        ("transforms.0.probability=0.25", ("transforms", 0, "settings", "probability"), 0.25),
        ("schedule.use=cosine", ("schedule", "use"), "cosine"),
        ("optimiser.clip_norm=1.0", ("optimiser", "clip_norm"), 1.0),
        ("settings.offset=-1.5", ("settings", "offset"), -1.5),
        ("data.fit=squash", ("data", "settings", "fit"), "squash"),
        ("data.fit=[0, 1]", ("data", "settings", "fit"), [0, 1]),
        ("seed=3", ("seed",), 3),
    ],
)
def test_set_finds_its_place(toy_host, text, path, value):
    found = table(toy_host, text)
    for key in path:
        found = found[key]
    assert found == value


def test_set_adds_a_transform_at_the_end(toy_host):
    """With settings, and one after the other."""
    before = table(toy_host)["transforms"]
    more = [f"transforms.{len(before) + place}.use=std:horizontal-flip" for place in range(2)]
    found = table(toy_host, more[0], f"transforms.{len(before)}.probability=0.25", more[1])["transforms"]
    flip = {"use": "std:horizontal-flip"}
    assert found == [*before, {**flip, "settings": {"probability": 0.25}}, flip]


OTHER = ("picture.encoder=toy:map",)


@pytest.mark.parametrize(
    "change", [{"uses": OTHER}, {"sets": ("slots.picture.encoder.use=toy:map",)}, {"files": ("mine.toml",)}]
)
def test_a_part_that_replaces_another_starts_from_its_own_defaults(toy_host, tmp_path, monkeypatch, change):
    """By each of the ways to replace it; with ``keep_settings`` it has what both have, and the note says so."""
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text("[slots.'picture.encoder']\nuse = 'toy:map'\n", encoding="utf-8")
    change = {key: tuple(map(Path, value)) if key == "files" else value for key, value in change.items()}
    recipe = resolve(toy_host, "toy:paper", Overrides(**change))
    assert recipe.written["slots"]["picture.encoder"] == {"use": "toy:map"}
    assert not [path for path in {**recipe.origins, **recipe.sources} if path.startswith("slots.picture.encoder.set")]
    words = "toy:map starts from its own defaults; --keep-settings would keep features = 5 of toy:vector"
    assert recipe.notes == (f"slots.picture.encoder: {words}",)
    kept = resolve(toy_host, "toy:paper", Overrides(**change, keep_settings=True))
    assert kept.written["slots"]["picture.encoder"] == {"use": "toy:map", "settings": {"features": 5}}
    assert kept.notes == ("slots.picture.encoder: toy:map keeps features = 5 of toy:vector",)


def test_the_optimiser_groups_of_a_replaced_part_go_with_it(toy_host, tmp_path):
    """Those that the recipe has; what is typed beside --use, and the groups of other parts, stay."""
    file = tmp_path / "mine.toml"
    groups = '"picture.encoder.linear" = {lr = 0.5}\n"picture.head.*" = {lr = 0.25}\n'
    file.write_text(f'extends = "toy:paper"\n[optimiser.groups]\n{groups}', encoding="utf-8")
    recipe = resolve(toy_host, str(file), Overrides(uses=OTHER))
    assert recipe.written["optimiser"]["groups"] == {"picture.head.*": {"lr": 0.25}}
    assert "optimiser.groups.picture.encoder.linear: of the part that toy:map replaces; dropped" in recipe.notes
    more = tmp_path / "more.toml"
    more.write_text('[optimiser.groups]\n"picture.encoder.*" = {lr = 0.75}\n', encoding="utf-8")
    recipe = resolve(toy_host, str(file), Overrides(uses=OTHER, files=(more,)))
    assert recipe.written["optimiser"]["groups"] == {"picture.head.*": {"lr": 0.25}, "picture.encoder.*": {"lr": 0.75}}
    kept = resolve(toy_host, str(file), Overrides(uses=OTHER, keep_settings=True))
    assert set(kept.written["optimiser"]["groups"]) == {"picture.encoder.linear", "picture.head.*"}


def test_what_a_replaced_part_cannot_keep_is_named(toy_host):
    change = {"uses": ("picture.encoder=toy:picture",)}
    assert resolve(toy_host, "toy:paper", Overrides(**change)).notes == ()
    recipe = resolve(toy_host, "toy:paper", Overrides(**change, keep_settings=True))
    assert recipe.written["slots"]["picture.encoder"] == {"use": "toy:picture"}
    assert recipe.notes == ("slots.picture.encoder: toy:picture has no setting features; dropped",)


def test_a_setting_beside_a_use_is_that_of_the_new_part(toy_host):
    recipe = resolve(toy_host, "toy:paper", Overrides(sets=("picture.encoder.features=9",), uses=OTHER))
    assert recipe.written["slots"]["picture.encoder"] == {"use": "toy:map", "settings": {"features": 9}}


@pytest.mark.parametrize("key", BODY_KEYS)
def test_a_setting_at_the_root_of_a_staged_recipe_is_refused(toy_host, tmp_path, key):
    """By flag and by file; the refusal says what to type."""
    file = tmp_path / "mine.toml"
    value = {"method": "'toy:views'", "batch_size": "3", "draws": "3", "transforms": "[]"}.get(key, "{}")
    file.write_text(f"{key} = {value}\n", encoding="utf-8")
    for change in ({"sets": (f"{key}.x.use=no:no",)}, {"sets": (f"{key}=3",)}, {"files": (file,)}):
        with pytest.raises(
            RecipeError, match=rf"{key}: this recipe has several stages; type stages.NAME.{key}; stages: "
        ):
            resolve(toy_host, "toy:stages", Overrides(**change))


@pytest.mark.parametrize(("name", "at"), [("toy:paper", ""), ("toy:stages", "stages.shapes.")])
@pytest.mark.parametrize("section", ["losses", "evaluators"])
def test_an_unknown_loss_or_evaluator_is_refused(toy_host, name, at, section):
    recipe = resolve(toy_host, name, Overrides(sets=(f"{at}{section}.mine.use=toy:nonsense",)))
    with pytest.raises(ArmillaryError, match=f"{at}{section}.mine: unknown .* 'toy:nonsense'"):
        complete(toy_host, recipe)


def test_use_fills_an_empty_optional_slot(toy_host):
    assert table(toy_host, uses=("renderer=toy:brighten",))["slots"]["renderer"] == {"use": "toy:brighten"}


def test_weight_and_drop(toy_host):
    assert table(toy_host, weights=("l1=0.25",))["losses"]["l1"]["weight"] == 0.25
    assert table(toy_host, without=("l1",))["losses"] == {}


def test_a_weight_of_ones_own_is_not_the_papers(toy_host):
    recipe = resolve(toy_host, "toy:paper", Overrides(weights=("l1=0.25",)))
    assert recipe.origins["losses.l1.weight"] == "--weight"
    assert "losses.l1.weight" not in recipe.sources


def test_what_is_in_a_stage_is_named_with_it(toy_host):
    """``--use``, ``--weight`` and ``--without`` of one stage leave the others as they are."""
    before = table(toy_host, name="toy:stages")["stages"]
    uses = ("shapes.picture.encoder=toy:map", "shapes.data=my:pictures")
    recipe = resolve(toy_host, "toy:stages", Overrides(uses=uses, weights=("shapes.l1=0.25",)))
    found = recipe.table["stages"]
    assert {name: found[name] for name in found if name != "shapes"} == {
        name: before[name] for name in before if name != "shapes"
    }
    assert found["shapes"]["slots"]["picture.encoder"] == {"use": "toy:map"}
    assert found["shapes"]["data"]["use"] == "my:pictures"
    assert found["shapes"]["losses"]["l1"]["weight"] == 0.25
    assert recipe.origins["stages.shapes.slots.picture.encoder.use"] == "--use"
    assert recipe.origins["stages.shapes.losses.l1.weight"] == "--weight"
    dropped = table(toy_host, name="toy:stages", without=("shapes.l1",))["stages"]
    assert dropped["shapes"]["losses"] == {}
    assert dropped["views"] == before["views"]


def test_a_stage_is_patched_by_key(toy_host):
    found = table(toy_host, name="toy:shared")
    assert list(found["stages"]) == ["shapes", "embedding"]
    assert found["stages"]["embedding"]["slots"]["target"] == {"same_as": "encoder"}
    assert found["stages"]["embedding"]["budget"] == {"steps": 6}


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"sets": ("budgte.steps=1",)}, "did you mean 'budget'?"),
        ({"sets": ("losses.l2.weight=1",)}, "no 'l2'; there are: l1"),
        ({"sets": ("transforms.7.probability=1",)}, "transforms has 2 entries; transforms.2.use=ID adds one"),
        ({"sets": ("seed",)}, "--set 'seed': write it as path=value"),
        (
            {"uses": ("picture.encodr=toy:map",)},
            "the recipe has no slot 'picture.encodr'; did you mean 'picture.encoder'?",
        ),
        ({"weights": ("l2=1",)}, "--weight l2=1: the recipe has no loss 'l2'"),
        ({"without": ("l2",)}, "--without l2: the recipe has no loss or evaluator 'l2'"),
    ],
)
def test_a_wrong_override_says_what_was_meant(toy_host, overrides, words):
    with pytest.raises(ArmillaryError) as caught:
        resolve(toy_host, "toy:paper", Overrides(**overrides))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"uses": ("picture.encoder=toy:map",)}, "no slot 'picture.encoder'; did you mean 'shapes.picture.encoder'?"),
        ({"uses": ("nowhere=toy:map",)}, "no slot 'nowhere'; slots: shapes.picture.encoder, "),
        ({"takes": ("shapes.x=other:x",)}, "--take shapes.x=other:x: the recipe has no slot 'shapes.x'"),
        ({"weights": ("l1=1",)}, "has no loss 'l1'; losses: shapes.l1, embedding.near"),
        ({"without": ("shapes.l2",)}, "has no loss or evaluator 'shapes.l2'; did you mean 'shapes.l1'?"),
    ],
)
def test_a_name_without_its_stage_says_what_was_meant(toy_host, overrides, words):
    with pytest.raises(ArmillaryError) as caught:
        resolve(toy_host, "toy:stages", Overrides(**overrides))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[losses.'../l1']\nweight = 1\n", "losses: '../l1': a name has no /"),
        ("[stages.'../../shapes']\nbatch_size = 1\n", "stages: '../../shapes': a name has no /"),
        ("[losess.l1]\nweight = 1\n", "losess: unknown; did you mean 'losses'?"),
        ("[losses.l1]\nwieght = 1\n", "losses.l1.wieght: unknown; did you mean 'weight'?"),
        ("[losses]\nl1 = 3\n", "losses.l1: needs a table, got 3"),
        ("transforms = 3\n", "transforms: needs a list of tables, got 3"),
        ('remove = ["losses.l7"]\n', "remove 'losses.l7': no such entry"),
        ('extends = "toy:paper"\n', "a patch of toy:smoke cannot have extends"),
        ("x = \n", "not a TOML file"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name(toy_host, tmp_path, text, words):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ArmillaryError) as caught:
        resolve(toy_host, "toy:smoke", Overrides(files=(file,)))
    assert words in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_circle_is_named(toy_host, tmp_path):
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text(f'extends = "{two}"\n')
    two.write_text(f'extends = "{one}"\n')
    with pytest.raises(RecipeError, match="in a circle"):
        resolve(toy_host, str(one))


def test_an_unknown_recipe_is_met_with_the_nearest(toy_host):
    with pytest.raises(UnknownNameError, match="did you mean 'toy:smoke'"):
        resolve(toy_host, "toy:smok")
    with pytest.raises(UnknownNameError, match="pip install armillary-spherical"):
        resolve(toy_host, "spherical:quick")


def test_completing_writes_out_every_setting(toy_host):
    done = complete(toy_host, resolve(toy_host, "toy:paper")).written
    assert done["losses"]["l1"]["settings"] == {"breaks_at": -1}
    assert done["optimiser"]["betas"] == [0.9, 0.999]
    assert done["cadence"]["checkpoint"] == 500
    assert done["settings"] == {"chance": 0.0, "offset": 0.0, "slow": 0.0}


def test_completing_reports_everything_at_once(toy_host):
    sets = ("picture.encoder.features=0", "optimiser.lr=-1.0", "batch_size=0", "seed=-1", "settings.ofset=1.0")
    with pytest.raises(ConfigError) as caught:
        complete(toy_host, resolve(toy_host, "toy:paper", Overrides(sets=sets)))
    starts = sorted(problem.split(":")[0] for problem in caught.value.problems)
    assert starts == ["batch_size", "optimiser.lr", "seed", "settings.ofset", "slots.picture.encoder.features"]


def test_a_loss_or_evaluator_is_added_by_its_use(toy_host):
    """What ``armillary evaluate`` tells a person to type where a recipe measures nothing."""
    added = table(toy_host, "evaluators.depth.use=std:side-mad/1", "losses.again.use=toy:l1", "losses.again.weight=2")
    assert added["evaluators"] == {"depth": {"use": "std:side-mad/1"}}
    assert added["losses"]["again"] == {"use": "toy:l1", "weight": 2}
    with pytest.raises(RecipeError, match="no 'agian'; did you mean 'again'"):
        table(toy_host, "losses.again.use=toy:l1", "losses.agian.weight=2")


def test_without_leaves_out_evaluators_too(toy_host):
    """By name, by section and name, or all; a name that a loss and an evaluator have is refused."""
    assert [*table(toy_host, name="toy:pairs", without=("centre",))["evaluators"]] == ["agreement"]
    assert table(toy_host, name="toy:pairs", without=("evaluators",))["evaluators"] == {}
    both = "evaluators.match.use=toy:centre/1"
    with pytest.raises(ArmillaryError, match=r"type --without losses\.match or --without evaluators\.match"):
        table(toy_host, both, name="toy:pairs", without=("match",))
    left = table(toy_host, both, name="toy:pairs", without=("evaluators.match",))
    assert "match" in left["losses"]
    assert "match" not in left["evaluators"]


def test_the_refusal_of_an_evaluator_names_the_flag_that_leaves_it_out(toy_host):
    """The flag of the message, typed, makes the recipe fit."""
    sets = ("evaluators.l1.use=toy:centre/1", "evaluators.far.use=toy:centre/1")
    with pytest.raises(ArmillaryError) as caught:
        check(toy_host, complete(toy_host, resolve(toy_host, "toy:paper", Overrides(sets=sets))))
    flags = re.findall(r"--without (\S+?);", str(caught.value))
    assert flags == ["evaluators.l1", "far"]
    check(toy_host, complete(toy_host, resolve(toy_host, "toy:paper", Overrides(sets=sets, without=tuple(flags)))))

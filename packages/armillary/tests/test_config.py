"""Settings are read strictly, and every error comes at once, each with its path."""

from typing import Literal

import attrs
import pytest
from attrs.validators import gt

from armillary.config import param, plain, read_toml, strict, structure, write_toml
from armillary.errors import ConfigError


@attrs.frozen(kw_only=True)
class Lamp:
    width: int = param(3, unit="channel", validator=gt(0))
    rate: float = param(0.5)
    flip: bool = param(True)
    mode: Literal["plain", "fancy"] = param("plain")
    floor: float | None = param(None)
    betas: tuple[float, float] = param((0.9, 0.99))
    names: tuple[str, ...] = param(())
    model: str = param("x", source="paper, Table 1")

    def __attrs_post_init__(self):
        if self.floor is not None and self.floor > self.rate:
            raise ValueError(f"floor {self.floor} must not exceed rate {self.rate}")


@attrs.frozen(kw_only=True)
class Needy:
    model: str = param(help="file of the model")


def refused(table, config=Lamp):
    with pytest.raises(ConfigError) as caught:
        structure(table, config, path="slots.lamp")
    return caught.value.problems


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"width": 3.9}, "width: needs an integer, got 3.9 (float)"),
        ({"width": True}, "width: needs an integer, got True (bool)"),
        ({"width": "3"}, "width: needs an integer, got '3' (str)"),
        ({"width": 0}, "width: 'width' must be > 0: 0"),
        ({"rate": "0.5"}, "rate: needs a number, got '0.5' (str)"),
        ({"rate": False}, "rate: needs a number, got False (bool)"),
        ({"flip": "false"}, "flip: needs true or false, got 'false' (str)"),
        ({"flip": 1}, "flip: needs true or false, got 1 (int)"),
        ({"mode": "fancyy"}, "mode: needs one of plain, fancy, got 'fancyy'; did you mean 'fancy'?"),
        ({"betas": [0.9]}, "betas: needs a list of 2, got [0.9] (list)"),
        ({"names": ["a", 1]}, "names: needs a text, got 1 (int)"),
        ({"floor": "low"}, "floor: needs a number, got 'low' (str)"),
        ({"widht": 3}, "widht: unknown setting of Lamp; did you mean 'width'?"),
        ({"floor": 0.9}, "slots.lamp: floor 0.9 must not exceed rate 0.5"),
    ],
)
def test_each_wrong_setting_says_what_it_needs(table, problem):
    expected = problem if problem.startswith("slots.") else f"slots.lamp.{problem}"
    assert refused(table) == (expected,)


def test_all_errors_come_at_once():
    assert len(refused({"width": 0, "flip": 1, "nothing": 2})) == 3


def test_a_required_setting_is_asked_for_by_name():
    assert refused({}, Needy) == ("slots.lamp.model: required, a text; file of the model",)


def test_an_integer_is_a_number():
    assert structure({"rate": 1}, Lamp).rate == 1.0
    assert isinstance(structure({"rate": 1}, Lamp).rate, float)


def test_toml_round_trip(tmp_path):
    lamp = Lamp(width=7, floor=0.25, names=("a", "ü\n"), betas=(0.1, 1e-9))
    file = tmp_path / "lamp.toml"
    file.write_text(write_toml(plain(lamp)), encoding="utf-8")
    assert structure(read_toml(file), Lamp) == lamp


def test_what_is_none_is_left_out_of_toml():
    assert "floor" not in plain(Lamp())


def test_a_default_must_not_be_shared():
    with pytest.raises(TypeError, match="use a tuple"):
        param([1])


def test_a_field_knows_unit_and_source():
    fields = attrs.fields_dict(Lamp)
    assert fields["width"].metadata["unit"] == "channel"
    assert fields["model"].metadata["source"] == "paper, Table 1"
    assert fields["rate"].metadata["source"] == "ours"


@pytest.mark.parametrize(("content", "words"), [(b"a = \n", "not a TOML file"), (b"\xff\xfe", "not a TOML file")])
def test_a_file_that_is_no_toml_is_named(tmp_path, content, words):
    file = tmp_path / "broken.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        read_toml(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_toml(tmp_path / "none.toml")


def test_a_type_that_cannot_be_read_is_not_guessed():
    with pytest.raises(TypeError):
        strict({"a": 1}, set)

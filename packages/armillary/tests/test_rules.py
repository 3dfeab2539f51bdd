"""Rules of settings: what each refuses, on a field and through a settings class."""

import attrs
import pytest
from attrs.validators import and_, ge, optional

from armillary.config import param, structure
from armillary.errors import ConfigError
from armillary.rules import AtLeast, Distinct, Holds, MultipleOf, Rising, ValuesIn


@attrs.frozen(kw_only=True)
class Folder:
    width: int = param(32, validator=and_(ge(16), MultipleOf(16)))
    box: tuple[int, ...] | None = param(None, validator=optional(AtLeast((0, 0, 1, 1))))
    shares: tuple[float, ...] = param((), validator=Rising())
    names: tuple[str, ...] = param((), validator=Distinct())
    groups: dict[str, str] | None = param(None, validator=optional(ValuesIn(("c2", "c4"))))
    val: float = param(0.1)
    test: float = param(0.1, validator=Holds("val + test < 1", "a part is left for train"))
    crop: int | None = param(None, validator=Holds("crop is None or fit == 'crop'"))
    fit: str = param("crop")
    lamp: tuple[float, float] = param((1.0, 0.0), validator=Holds("lamp != (0, 0)"))


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"width": 24}, "width must be a multiple of 16, not 24"),
        ({"width": 0}, "'width' must be >= 16: 0"),
        ({"box": [0, 0, 1, 0]}, "box must be at least [0, 0, 1, 1], item by item, not [0, 0, 1, 0]"),
        ({"shares": [0.5, 0.2]}, "shares must rise from item to item, not [0.5, 0.2]"),
        ({"names": ["a", "b", "a"]}, "names must not repeat an item: a, b, a"),
        ({"groups": {"mug": "c3"}}, "groups.mug needs one of c2, c4, got 'c3'"),
        ({"val": 0.5, "test": 0.5}, "needs val + test < 1 (a part is left for train), got val 0.5, test 0.5"),
        ({"crop": 8, "fit": "pad"}, "needs crop is None or fit == 'crop', got crop 8, fit 'pad'"),
        ({"lamp": [0.0, 0.0]}, "needs lamp != (0, 0), got lamp (0.0, 0.0)"),
    ],
)
def test_what_a_rule_refuses(table, reason):
    with pytest.raises(ConfigError) as caught:
        structure(table, Folder, path="data")
    (problem,) = caught.value.problems
    assert problem.endswith(reason)


@pytest.mark.parametrize(
    "table",
    [
        {"width": 16, "box": [0, 3, 1, 1], "shares": [0.2, 0.2, 0.5], "names": ["a", "b"], "groups": {"mug": "c2"}},
        {"val": 0.5, "test": 0.4, "crop": 8, "lamp": [0.0, 1.0]},
        {"fit": "pad"},
    ],
)
def test_what_fits_is_accepted(table):
    structure(table, Folder)


@pytest.mark.parametrize(
    "rule", ["len(val) < 1", "val.real < 1", "val <", "[v for v in val]", "val := 1", "val[0] < 1"]
)
def test_a_rule_calls_nothing(rule):
    with pytest.raises(ValueError, match="the rule"):
        Holds(rule)

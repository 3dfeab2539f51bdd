"""Settings of a world, as they are typed."""

from typing import Literal

import attrs
import pytest

from armillary.config import param
from armillary.errors import ConfigError
from armillary.run.worlds import world_settings


@attrs.frozen(kw_only=True)
class Config:
    """Of a world."""

    file: str = param("")
    colour: Literal["grey", "all"] = param("all")
    name: str | None = param(None)
    yaw: float = param(0.6)
    sizes: tuple[int, ...] = param(())
    on: bool = param(False)


class OneWorld:
    """A host with one world, whose settings are above."""

    def component(self, kind, id):
        return (kind, id)

    def config(self, spec):
        assert spec == ("world", "a:b")
        return Config


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("file=12", "12"),
        ("file='a b.npz'", "a b.npz"),
        ("name=true", "true"),
        ("colour=grey", "grey"),
        ("yaw=0.25", 0.25),
        ("yaw = 1", 1),
        ("sizes=[1, 2]", [1, 2]),
        ("on=true", True),
        ("on=maybe", "maybe"),
        ("unknown=3", 3),
    ],
)
def test_a_text_stays_a_text_and_all_else_is_toml(text, value):
    (found,) = world_settings(OneWorld(), "a:b", [text]).values()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["yaw", "=3", "yaw="])
def test_what_is_no_setting_is_refused(text):
    with pytest.raises(ConfigError, match="write it as name=value"):
        world_settings(OneWorld(), "a:b", [text])

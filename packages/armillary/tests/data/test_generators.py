"""Settings of a generator, as they are typed."""

from typing import Literal

import attrs
import pytest

from armillary.config import param
from armillary.data.generators import generator_settings
from armillary.errors import ConfigError


@attrs.frozen(kw_only=True)
class Config:
    """Of a generator."""

    file: str = param("")
    colour: Literal["grey", "all"] = param("all")
    name: str | None = param(None)
    yaw: float = param(0.6)
    sizes: tuple[int, ...] = param(())
    on: bool = param(False)


class OneGenerator:
    """A host with one generator, whose settings are above."""

    def component(self, kind, id):
        return (kind, id)

    def config(self, spec):
        assert spec == ("generator", "a:b")
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
    (found,) = generator_settings(OneGenerator(), "a:b", [text]).values()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["yaw", "=3", "yaw="])
def test_what_is_no_setting_is_refused(text):
    with pytest.raises(ConfigError, match="write it as name=value"):
        generator_settings(OneGenerator(), "a:b", [text])

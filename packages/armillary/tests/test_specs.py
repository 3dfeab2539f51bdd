"""What a spec refuses."""

import pytest

from armillary.specs import SYMMETRIES, EncoderSpec, HeadSpec


@pytest.mark.parametrize("kind", [EncoderSpec, HeadSpec])
def test_a_symmetry_is_one_of_those_that_can_be_measured(kind):
    for symmetry in ("", *SYMMETRIES):
        assert kind(name="turning", target="some.where:Turning", symmetry=symmetry).symmetry == symmetry
    with pytest.raises(ValueError, match="so2z, so3, o3"):
        kind(name="turning", target="some.where:Turning", symmetry="SO(3)")

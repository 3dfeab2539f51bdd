"""Claims of ``demo.py`` that need no training: how the seconds of a method are shared by its stages."""

import pytest

from armillary.comparison.demo import shared_seconds


@pytest.mark.parametrize(
    ("left", "given", "shares"),
    [
        pytest.param(90.0, [None, None, None], [30.0, 30.0, 30.0], id="alike where the recipe says nothing"),
        pytest.param(90.0, [None, 20, None], [30.0, 20.0, 30.0], id="alike where it speaks of one, which has no more"),
        pytest.param(50.0, [10, 70, 20], [5.0, 35.0, 10.0], id="in proportion where it speaks of all"),
        pytest.param(300.0, [10, 70, 20], [10, 70, 20], id="no more than it gives"),
        pytest.param(60.0, [80], [60.0], id="one stage"),
    ],
)
def test_seconds_are_shared(left, given, shares):
    assert shared_seconds(left, given) == shares

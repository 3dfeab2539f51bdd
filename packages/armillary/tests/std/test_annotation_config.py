"""Which points, and what their error is a part of."""

from armillary.std.annotation_config import FIVE_OF_68


def test_the_five_points_are_eyes_nose_and_mouth():
    """Of the 68 points, counted from 0: 36 to 41 and 42 to 47 are the eyes, 30 the tip of the nose, 48 and 54 the corners."""
    assert sorted(sum(FIVE_OF_68, ())) == [30, *range(36, 49), 54]
    assert len(FIVE_OF_68) == 5

"""``armillary pose``: which rotation takes one object to another."""


def test_a_method_that_tells_no_orientation_is_named(run, pictures, armillary):
    first, second = sorted(pictures.iterdir())[:2]
    said = armillary("pose", "run", str(first), str(second), status=1)
    assert "has no output with an orientation" in said.err
    assert "sphere_signal, rotation, pose" in said.err


def test_two_files_are_needed(run, pictures, armillary):
    said = armillary("pose", "run", str(pictures), str(pictures), status=2)
    assert "pose takes two" in said.err

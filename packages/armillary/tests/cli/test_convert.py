"""``armillary data convert``: what it says and refuses. What it writes is held in tests/std."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def faces(tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    for index in range(3):
        Image.fromarray(np.full((9, 9, 3), 40 * index, np.uint8)).save(folder / f"{index}.png")
    points = np.tile([[2.0, 3.0, 1.0], [6.0, 3.0, -1.0]], (3, 1, 1))
    angles = np.radians([[0, 5, 0], [0, 50, 0], [0, 9, 0]])
    np.savez(folder / "annotations.npz", id=np.array(["0", "1", "2"]), landmarks2=points, pose_para=angles)
    return folder


def test_convert_says_what_it_made(armillary, faces):
    """And the folder that it made has nothing wrong with it."""
    typed = ("data", "convert", faces, "out", "--larger-z", "nearer", "--block", 1, "--yaw-below", 45)
    said = armillary(*typed)
    assert said.out == ""
    assert "out: 2 pictures with 2 points, " in said.err
    assert "; 1 picture left out" in said.err
    assert "error  " not in armillary("data", "check", "out").out
    assert "true_landmarks3d (2)" in armillary("data", "info", "out").out


@pytest.mark.parametrize(
    ("flags", "status", "said"),
    [
        ((), 1, "--larger-z nearer, or --larger-z farther"),
        (("--larger-z", "up"), 2, "larger-z"),
        (("--larger-z", "nearer", "--block", -1), 2, "--block -1"),
        (("--larger-z", "nearer", "--group", "person"), 1, "no such array"),
    ],
)
def test_what_convert_refuses(armillary, faces, flags, status, said):
    assert said in armillary("data", "convert", faces, "out", *flags, status=status).err

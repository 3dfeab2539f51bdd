"""``armillary export``. That a mesh is right is held in tests/run."""


def test_export_needs_one_format(armillary):
    assert "which format?" in armillary("export", "run", "a.png", "--out", "a.stl", status=2).err
    assert "disagree" in armillary("export", "run", "a.png", "--out", "a.ply", "--format", "glb", status=2).err


def test_a_run_that_cannot_be_exported_says_why(run, armillary, pictures):
    del run
    assert "no mesh to export" in armillary("export", "run", pictures / "0.png", status=1).err
    assert "holds 6 pictures" in armillary("export", "run", pictures, status=2).err

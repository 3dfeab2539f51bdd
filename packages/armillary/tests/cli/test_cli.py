"""``--plugin FILE``: one file is a plugin for one command, and a run keeps it but does not execute it unasked."""

import os
from pathlib import Path

import pytest

LOSS = '''
from armillary import Loss, ports


class Squared(Loss, name="squared", source="ours"):
    """Squared image error."""

    def forward(self, reconstruction: ports.Image, image: ports.Image) -> ports.PerItem:
        return (reconstruction - image).square().mean(dim=(1, 2, 3))
'''


@pytest.fixture
def loss(tmp_path) -> Path:
    """A plugin of one file."""
    file = tmp_path / "my_loss.py"
    file.write_text(LOSS)
    return file


def test_a_file_is_a_plugin_for_one_command(armillary, loss):
    assert "squared image error" in armillary("components", "show", "my-loss:squared", "--plugin", loss).out
    assert "ARMILLARY_PLUGINS" not in os.environ
    assert "unknown plugin 'my-loss'" in armillary("components", "show", "my-loss:squared", status=1).err


def test_a_run_keeps_the_file_and_does_not_execute_it_unasked(armillary, loss, pictures):
    flags = ("--set", "losses.mine.use='my-loss:squared'", "--data", pictures)
    armillary("train", "toy:smoke", *flags, "--out", "run", f"--plugin={loss}")
    kept = Path("run/plugins/my_loss.py")
    assert kept.read_text() == LOSS
    picture = sorted(pictures.iterdir())[0]
    refused = armillary("predict", "run", picture, "--out", "found", status=1).err
    assert f"--plugin {kept}" in refused
    armillary("predict", "run", picture, "--out", "found", "--plugin", kept)


@pytest.mark.parametrize(
    ("name", "text", "status", "reason"),
    [
        ("nowhere.py", None, 2, "no such Python file"),
        ("std.py", LOSS, 2, "the id 'std' is reserved"),
        ("9lives.py", LOSS, 2, "is no plugin id"),
        ("toy.py", LOSS, 1, "claimed by"),
        ("fails.py", "import nothing_of_this_name", 1, "No module named 'nothing_of_this_name'"),
        ("empty.py", "", 1, "defines no part"),
        ("notes.txt", LOSS, 2, "no such Python file"),
    ],
)
def test_a_file_that_is_no_plugin_is_refused(armillary, tmp_path, name, text, status, reason):
    file = tmp_path / name
    if text is not None:
        file.write_text(text)
    answer = armillary("plugins", "show", file.stem, "--plugin", file, status=status)
    assert reason in answer.err


def test_another_state_of_the_file_is_another_module(toy_host, tmp_path, loss):
    from armillary.plugins.host import Host

    one = Host(toy_host.records)
    assert one.add_file(loss) == "my-loss"
    first = one.resolve(one.component("loss", "my-loss:squared")).cls
    loss.write_text(LOSS.replace("Squared image", "Twice squared image"))
    two = Host(toy_host.records)
    two.add_file(loss)
    second = two.resolve(two.component("loss", "my-loss:squared")).cls
    assert (first.__doc__, second.__doc__) == ("Squared image error.", "Twice squared image error.")


def test_classes_of_a_session_are_a_plugin_of_the_host(toy_host):
    from armillary import Loss, ports

    class Here(Loss, name="here"):
        """Defined in a function."""

        def forward(self, image: ports.Image) -> ports.PerItem:
            return image.mean(dim=(1, 2, 3))

    toy_host.add_parts([Here])
    assert toy_host.resolve(toy_host.component("loss", "local:here")).cls is Here

"""Pictures that a method draws of itself: from several pictures, written under their names, listed for the report."""

import numpy as np
import pytest
import torch

from armillary.errors import DataError
from armillary.inference.predict import Geometry
from armillary.interfaces import Illustration, Method
from armillary.pages.illustrations import INDEX, Found, illustrated, illustrates, prefixed, write_illustrations
from armillary.training.folder import RunFolder

KINDS = {"coefficients": "feature_vector", "image": "image"}


class Plain(Method):
    @classmethod
    def build(cls, config, *, parts):
        return cls()

    def forward(self, **ports):
        return {}


class Drawing(Plain):
    """Draws a grey picture, as bright as the mean of what was found."""

    def illustrate(self, found):
        self.found = found
        grey = int(255 * found["coefficients"].mean())
        return {"mean": Illustration(picture=np.full((8, 8, 3), grey, dtype=np.uint8), title="Mean", folder="means")}


def found(coefficient, id="a"):
    outputs = {"coefficients": torch.tensor([coefficient]), "image": torch.zeros(3, 9, 9)}
    return Geometry(id=id, image=torch.zeros(3, 9, 9), outputs=outputs, kinds=KINDS)


def test_a_method_is_illustrated_if_it_overrides_the_hook():
    assert illustrates(Drawing())
    assert not illustrates(Plain())
    assert not illustrates(None)
    assert Plain().illustrate({}) == {}


def test_points_and_vectors_are_stacked_and_pictures_are_not_kept():
    method = Drawing()
    kept = Found(method)
    for value in (0.1, 0.2, 0.3):
        kept.add(found(value).outputs, KINDS)
    assert list(kept.illustrations()) == ["mean"]
    assert set(method.found) == {"coefficients"}
    torch.testing.assert_close(method.found["coefficients"], torch.tensor([[0.1], [0.2], [0.3]]))


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_pictures_are_not_enough(count):
    kept = Found(Drawing())
    for _ in range(count):
        kept.add(found(0.1).outputs, KINDS)
    assert kept.illustrations() == {}


def test_a_prediction_of_several_pictures_is_illustrated(tmp_path):
    pictures = [found(0.1, "a"), found(0.3, "b")]
    assert list(illustrated(pictures, tmp_path / "drawn", method=Drawing())) == pictures
    assert (tmp_path / "drawn/mean.png").is_file()
    assert list(illustrated(pictures, tmp_path / "plain", method=Plain())) == pictures
    assert not (tmp_path / "plain").exists()


def test_a_prediction_that_breaks_off_is_illustrated_from_what_it_found(tmp_path):
    def broken():
        yield from (found(0.1, "a"), found(0.3, "b"))
        raise DataError("unreadable")

    with pytest.raises(DataError, match="unreadable"):
        list(illustrated(broken(), tmp_path, method=Drawing()))
    assert (tmp_path / "mean.png").is_file()


def test_a_run_lists_each_illustration_once(tmp_path):
    run = RunFolder.create(tmp_path / "run")
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    for title in ("old", "new"):
        one = Illustration(picture=picture, title=title, caption="c", folder="means")
        write_illustrations(run, {"mean": one})
    write_illustrations(run, prefixed({"mean": Illustration(picture=picture, title="other")}, "shapes-"))
    assert run.read_json(INDEX) == [
        {"file": "means/mean.png", "title": "new", "caption": "c"},
        {"file": "illustrations/shapes-mean.png", "title": "shapes: other", "caption": ""},
    ]
    assert all((run.path / entry["file"]).is_file() for entry in run.read_json(INDEX))


def test_a_run_without_illustrations_has_no_list(tmp_path):
    run = RunFolder.create(tmp_path / "run")
    write_illustrations(run, {})
    assert not (run.path / INDEX).exists()

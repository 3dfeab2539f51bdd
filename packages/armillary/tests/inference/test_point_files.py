"""Key points in files: pixels of the picture that was read, and what reads them back."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from armillary.data.placing import place
from armillary.inference.point_files import PointFiles, file_pixels, found_points
from armillary.inference.predict import Geometry
from armillary.inference.prediction_files import write_predictions
from armillary.std.images import Images

POINTS = torch.tensor([[0.0, 0.0], [-1.0, -1.0], [1.0, 0.5]])
KINDS = {"keypoints2d": "keypoints2d", "projected_keypoints2d": "keypoints2d", "edge_weights": "feature_vector"}


def geometry(id="a", *, window=None, file=None, image=(3, 32, 32), **outputs):
    given = {"keypoints2d": POINTS} | outputs
    return Geometry(
        id=id, image=None if image is None else torch.zeros(image), outputs=given, kinds=KINDS, file=file, window=window
    )


def coco_of(*found, out):
    points = PointFiles()
    for each in found:
        points.add(each)
    assert [path.name for path in points.write(out)] == ["keypoints.csv", "keypoints.json"]
    return json.loads((out / "keypoints.json").read_text())


def test_pixels_of_the_file_by_hand():
    """The middle square of 200 x 100 pixels, 100 x 100 from x = 50 on, becomes 50 x 50: its middle is that of the file.

    (-1, -1) is the centre of the first of 50 pixels, which averages the file's pixels 50 and 51, 0 and 1.
    """
    window = place(width=200, height=100, size=50, fit="center-crop").window
    found = file_pixels(torch.tensor([[0.0, 0.0], [-1.0, -1.0], [1.0, 1.0]]), geometry(window=window))
    torch.testing.assert_close(found, torch.tensor([[99.5, 49.5], [50.5, 0.5], [148.5, 98.5]], dtype=torch.float64))


def test_without_a_window_they_are_pixels_of_what_the_method_saw():
    found = file_pixels(POINTS, geometry(image=(3, 11, 21)))
    torch.testing.assert_close(found, torch.tensor([[10.0, 5.0], [0, 0], [20, 7.5]], dtype=torch.float64))


def test_coco_form(tmp_path):
    """Points (10, 5), (0, 0), (20, 7.5): the box is 20 x 7.5. Pairs 01, 02, 12 with weights 0.5, 0.1, 1."""
    weights = torch.tensor([0.5, 0.1, 1.0])
    window = place(width=21, height=21, size=21, fit="squash").window
    first = geometry("a", image=(3, 11, 21), edge_weights=weights)
    coco = coco_of(first, geometry("b", file=tmp_path / "b.jpg", window=window, edge_weights=weights), out=tmp_path)
    assert coco["images"][0] == {"id": 1, "file_name": "a.png", "width": 21, "height": 11}
    assert coco["images"][1] == {"id": 2, "file_name": "b.jpg", "width": 21, "height": 21}
    annotation, other = coco["annotations"]
    assert annotation["keypoints"] == [10, 5, 2, 0, 0, 2, 20, 7.5, 2]
    assert (annotation["bbox"], annotation["area"], annotation["num_keypoints"]) == ([0, 0, 20, 7.5], 150, 3)
    assert (other["id"], other["image_id"], other["category_id"]) == (2, 2, coco["categories"][0]["id"])
    assert coco["categories"][0]["keypoints"] == ["0", "1", "2"]
    assert coco["categories"][0]["skeleton"] == [[2, 3], [1, 2]]


def test_the_methods_own_points_come_before_others_of_the_kind():
    other = torch.zeros(3, 2)
    assert found_points(geometry(projected_keypoints2d=other)) is POINTS
    alone = Geometry(id="a", image=None, outputs={"projected_keypoints2d": other}, kinds=KINDS)
    assert found_points(alone) is other
    assert found_points(Geometry(id="a", image=None, outputs={}, kinds=KINDS)) is None


def test_nothing_is_written_of_what_has_no_points_or_no_picture(tmp_path):
    points = PointFiles()
    points.add(Geometry(id="a", image=torch.zeros(3, 4, 4), outputs={}, kinds=KINDS))
    points.add(geometry(image=None))
    assert points.write(tmp_path) == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fit", ["center-crop", "squash", "pad"])
def test_the_table_is_a_data_folders_landmarks(tmp_path, fit):
    """Predicted points, written, read again as landmarks with the same settings, are the predicted points."""
    config = Images.Config(size=24, fit=fit, split_by="all")
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    found = []
    for id, size in (("one", (60, 40)), ("two", (33, 47))):
        file = folder / "images" / f"{id}.png"
        Image.fromarray(np.zeros((*size[::-1], 3), dtype=np.uint8)).save(file)
        item = Images.read_file(config, file)
        points = torch.rand(5, 2, generator=torch.Generator().manual_seed(len(found))) * 2 - 1
        found.append(geometry(id, image=(3, 24, 24), window=item["window"], file=file, keypoints2d=points))
    list(write_predictions(found, tmp_path / "out"))
    (tmp_path / "out" / "keypoints.csv").rename(folder / "landmarks.csv")
    data = Images.build(config, root=folder, split="all")
    for item, expected in zip(data, found, strict=True):
        assert item["id"] == expected.id
        torch.testing.assert_close(item["true_landmarks2d"], expected.keypoints2d, atol=1e-6, rtol=0)
        assert item["true_visible"].all()

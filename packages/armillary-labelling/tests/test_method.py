"""Claims of ``method.py``."""

import pytest
import torch
from torch import nn

from armillary_labelling.heads import LabelMap
from armillary_labelling.method import Labelling
from armillary_labelling.networks import Simple


def method():
    torch.manual_seed(0)
    return Labelling(encoder=Simple(features=8), head=LabelMap(features=8))


@pytest.mark.parametrize("batch", [1, 3])
def test_both_pictures_go_through_one_call(batch):
    """So that batch normalisation sees them together: it counts one batch, not two."""
    labelling = method()
    source, target = torch.rand(2, batch, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    outputs = labelling(source=source, target=target)
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "source_labels": (batch, 3, 8, 8),
        "target_labels": (batch, 3, 8, 8),
    }
    norms = [module for module in labelling.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {int(norm.num_batches_tracked) for norm in norms} == {1}


def test_prediction_is_that_of_either_picture():
    labelling = method().eval()
    source, target = torch.rand(2, 2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    pair = labelling(source=source, target=target)
    torch.testing.assert_close(labelling.predict(image=source)["labels"], pair["source_labels"])
    torch.testing.assert_close(labelling.predict(image=target)["labels"], pair["target_labels"])


def test_pictures_may_have_another_size_in_prediction():
    """Far from the border a label does not depend on what lies around its field of view."""
    labelling = method().eval()
    image = torch.rand(1, 3, 80, 72, generator=torch.Generator().manual_seed(0))
    whole = labelling.predict(image=image)["labels"]
    part = labelling.predict(image=image[:, :, 4:76, 4:68])["labels"]
    torch.testing.assert_close(part[:, :, 8:-8, 8:-8], whole[:, :, 10:-10, 10:-10])


def test_labels_leave_mixed_precision_exact():
    labelling = method()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = labelling(source=torch.rand(2, 3, 16, 16), target=torch.rand(2, 3, 16, 16))
    assert all(value.dtype == torch.float32 for value in outputs.values())

"""Claims of ``heads.py``."""

import pytest
import torch

from armillary_labelling.heads import LabelMap


def head(**settings):
    return LabelMap(features=8, **settings)


@pytest.mark.parametrize("channels", [3, 16])
@pytest.mark.parametrize("batch", [1, 4])
def test_labels_keep_the_size_of_the_features(channels, batch):
    assert head(channels=channels)(features=torch.rand(batch, 8, 5, 7))["labels"].shape == (batch, channels, 5, 7)


def test_length_is_free_or_fixed():
    """Golden: a label is the product with the features; with ``unit`` its direction stays and its length is 20."""
    features = torch.rand(2, 8, 5, 7, generator=torch.Generator().manual_seed(0))
    free, fixed = head(), head(unit=True)
    fixed.load_state_dict(free.state_dict())
    one, other = free(features=features)["labels"], fixed(features=features)["labels"]
    torch.testing.assert_close(one, torch.einsum("cf,bfij->bcij", free.conv.weight[:, :, 0, 0], features))
    torch.testing.assert_close(other, 20 * one / one.norm(dim=1, keepdim=True))


def test_label_of_length_zero_has_a_finite_slope():
    part = head(unit=True)
    features = torch.zeros(1, 8, 2, 2, requires_grad=True)
    labels = part(features=features)["labels"]
    labels.sum().backward()
    assert not labels.any()
    assert features.grad.isfinite().all()


def test_unknown_features_are_refused():
    with pytest.raises(ValueError, match="number of features"):
        LabelMap.build(LabelMap.Config(), inputs={"features": (None, None, None, None)})

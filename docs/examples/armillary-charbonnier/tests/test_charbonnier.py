import torch

from armillary_charbonnier import Charbonnier
from armillary_testing import conformance

test_conformance = conformance("charbonnier")


def test_three_four_five():
    """epsilon 0.3 and a difference of 0.4 everywhere: sqrt(0.16 + 0.09) - 0.3 = 0.2."""
    loss = Charbonnier(epsilon=0.3)
    value = loss(reconstruction=torch.full((2, 3, 4, 4), 0.9), image=torch.full((2, 3, 4, 4), 0.5))
    torch.testing.assert_close(value, torch.full((2,), 0.2))

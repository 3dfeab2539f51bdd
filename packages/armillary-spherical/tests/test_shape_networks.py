"""Claims of ``shape_networks.py``: layers that turn with the sphere, mixing by e3nn, and the published sizes."""

import math

import pytest
import torch
from e3nn import o3

from armillary.kernels.rotations import random_rotation
from armillary.nn.spheres.convolution import interpolate_filters, mix_degrees, zonal_convolution
from armillary.nn.spheres.grids import colatitudes, soft
from armillary.nn.spheres.rotation import rotate_coefficients
from armillary.nn.spheres.transforms import coefficients_from_signal, signal_from_coefficients
from armillary_spherical.shape_networks import (
    ResidualCnn,
    SpectralPooling,
    TwoBranchCnn,
    WeightedPooling,
    ZonalConvolution,
    degree_major,
    spectral_irreps,
)


def smooth(*, bandwidth, channels=1, batch=4, seed=0, dtype=torch.float64):
    """Coefficients of random signals whose detail falls off as surfaces' does."""
    generator = torch.Generator().manual_seed(seed)
    degree = torch.arange(bandwidth**2).double().sqrt().floor()
    drawn = torch.randn(batch, channels, bandwidth**2, generator=generator, dtype=torch.float64)
    return (drawn / (1 + degree) ** 2).to(dtype)


def turned_pair(*, bandwidth, seed=0, **options):
    """Signals, the same turned, and by what."""
    coefficients = smooth(bandwidth=bandwidth, seed=seed, **options)
    generator = torch.Generator().manual_seed(seed + 1)
    turn = random_rotation(len(coefficients), generator=generator, dtype=torch.float64)
    grid = soft(bandwidth)
    turned = rotate_coefficients(coefficients, turn[:, None])
    return signal_from_coefficients(coefficients, grid=grid), signal_from_coefficients(turned, grid=grid), turn


def turn_map(signal, turn):
    grid = soft(signal.shape[-1] // 2)
    coefficients = coefficients_from_signal(signal, grid=grid)
    return signal_from_coefficients(rotate_coefficients(coefficients, turn[:, None]), grid=grid)


def relative(a, b):
    """Norm of the difference over that of b, each channel's mean left out."""
    grid = soft(a.shape[-1] // 2)
    a, b = (coefficients_from_signal(x, grid=grid)[..., 1:] for x in (a, b))
    return float((a - b).norm() / b.norm())


def small(size=32, sizes=3, pooling="weighted"):
    settings = {"feature_channels": 8, "fine_channels": 4, "class_features": 4 * 128 // (size >> (sizes - 1))}
    net = ResidualCnn(size=size, channels=1, sizes=sizes, layers=1, pooling=pooling, **settings)
    return warm(net, size)


def warm(net, size, channels=1):
    net.train()
    with torch.no_grad():
        net(
            sphere=signal_from_coefficients(
                smooth(bandwidth=size // 2, channels=channels, batch=8, dtype=torch.float32), grid=soft(size // 2)
            )
        )
    return net.eval()


def test_irreps_are_named():
    assert str(spectral_irreps(3, bandwidth=3)) == "3x0e+3x1o+3x2e"
    assert spectral_irreps(3, bandwidth=5).dim == 3 * 25


def test_degree_major_is_a_reordering():
    """Golden: two channels below degree 2: both means first, then three orders of the first, three of the second."""
    there, back = degree_major(2, bandwidth=2)
    assert there.tolist() == [0, 4, 1, 2, 3, 5, 6, 7]
    assert there[back].tolist() == list(range(8))


def test_the_turned_components_are_e3nns():
    """Reference: in e3nn's order and one frame, a turn is ``D_from_matrix`` of the named irreps."""
    from armillary.nn.spheres.interchange import e3nn_from_coefficients

    coefficients = smooth(bandwidth=4, channels=2)
    turn = random_rotation(1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)[0]
    there, _ = degree_major(2, bandwidth=4)
    flat = e3nn_from_coefficients(coefficients).flatten(-2)[:, there]
    after = e3nn_from_coefficients(rotate_coefficients(coefficients, turn)).flatten(-2)[:, there]
    matrix = spectral_irreps(2, bandwidth=4).D_from_matrix(turn.float()).double()
    torch.testing.assert_close(after, flat @ matrix.mT, atol=1e-5, rtol=0)


def test_mixing_by_e3nn_is_the_kernels():
    """Reference: ``o3.Linear`` equals the kernel's zonal convolution, with the authors' factor 2 pi."""
    layer = ZonalConvolution(3, 5, size=16).double()
    signal = signal_from_coefficients(smooth(bandwidth=8, channels=3), grid=soft(8))
    coefficients = coefficients_from_signal(signal, grid=soft(8))
    found = coefficients_from_signal(layer(signal), grid=soft(8))
    torch.testing.assert_close(found, mix_degrees(coefficients, layer.gains()), atol=1e-12, rtol=0)
    filters = 2 * math.pi * interpolate_filters(layer.values, bandwidth=8)
    torch.testing.assert_close(found, zonal_convolution(coefficients, filters), atol=1e-6, rtol=0)


def test_convolution_with_one_value_everywhere_is_a_multiple_by_degree():
    """Golden: with all eight values g, degree l is multiplied by 2 pi sqrt(4 pi / (2 l + 1)) g."""
    layer = ZonalConvolution(1, 1, size=16).double()
    torch.nn.init.constant_(layer.values, 0.5)
    gains = layer.gains().flatten()
    wanted = [math.pi * math.sqrt(4 * math.pi / (2 * l + 1)) for l in range(8)]
    torch.testing.assert_close(gains, torch.tensor(wanted, dtype=torch.float64), atol=1e-5, rtol=1e-6)


def test_gains_begin_falling_or_even():
    """As published their spread falls by sqrt(15) from degree 0 to 7; even, it does not."""
    for even, ratio in ((False, 15**-0.5), (True, 1.0)):
        gains = ZonalConvolution(40, 40, size=16, even=even).gains().detach()
        assert float(gains[7].std() / gains[0].std()) == pytest.approx(ratio, rel=0.1)


@pytest.mark.parametrize("halves", [False, True])
def test_convolution_turns_and_mirrors_with_its_input(halves):
    """Equivariance: every rotation, and the mirror that reverses azimuth, at 1e-12 in float64."""
    layer = ZonalConvolution(2, 3, size=16, halves=halves).double()
    before, after, turn = turned_pair(bandwidth=8, channels=2)
    with torch.no_grad():
        torch.testing.assert_close(layer(after), turn_map(layer(before), turn), atol=1e-12, rtol=0)
        mirror = lambda x: x.flip(-1).roll(1, dims=-1)
        torch.testing.assert_close(layer(mirror(before)), mirror(layer(before)), atol=1e-12, rtol=0)


def test_convolution_does_not_stretch_with_its_input():
    """The limit of the claim: a map of the sphere that is no rotation, moving rows towards a pole, fails."""
    layer = ZonalConvolution(1, 1, size=16).double()
    signal = signal_from_coefficients(smooth(bandwidth=8), grid=soft(8))
    stretch = lambda x: torch.cat((x[..., :1, :], x[..., :-1, :]), dim=-2)
    with torch.no_grad():
        assert (layer(stretch(signal)) - stretch(layer(signal))).abs().max() > 0.01


@pytest.mark.parametrize("pooling", [WeightedPooling, SpectralPooling])
def test_pooling_keeps_a_constant_and_a_place(pooling):
    """Golden: 1 stays 1; cos(azimuth) sin(colatitude) stays that on the coarser grid, where its maximum stays at azimuth 0."""
    pool = pooling(32).double()
    torch.testing.assert_close(pool(torch.ones(1, 1, 32, 32, dtype=torch.float64)), torch.ones(1, 1, 16, 16).double())
    wave = torch.cos(torch.arange(32).double() * 2 * math.pi / 32)
    coarse = pool((colatitudes(soft(16), dtype=torch.float64).sin()[:, None] * wave)[None, None])[0, 0]
    wanted = colatitudes(soft(8), dtype=torch.float64).sin()[:, None] * wave[::2]
    torch.testing.assert_close(coarse, wanted, atol=0.03, rtol=0)
    assert (coarse.argmax(dim=-1) == 0).all()


def test_spectral_pooling_turns_exactly_and_weighted_nearly():
    before, after, turn = turned_pair(bandwidth=16)
    errors = {}
    for pooling in (WeightedPooling, SpectralPooling):
        pool = pooling(32).double()
        errors[pooling] = relative(turn_map(pool(before), turn), pool(after))
    assert errors[SpectralPooling] < 1e-12
    assert 1e-6 < errors[WeightedPooling] < 0.05


@pytest.mark.parametrize(("size", "sizes"), [(32, 3), (64, 4)])
@pytest.mark.parametrize("pooling", ["weighted", "spectral"])
def test_the_network_turns_with_its_input(size, sizes, pooling):
    """Relative error of float32 features under random turns; without the turn it is above 1."""
    net = small(size, sizes, pooling)
    before, after, turn = turned_pair(bandwidth=size // 2, dtype=torch.float32)
    with torch.no_grad():
        one, other = net(sphere=before), net(sphere=after)
    assert relative(turn_map(one["features"], turn), other["features"]) < 0.06
    assert relative(one["features"], other["features"]) > 0.5
    torch.testing.assert_close(one["class_features"], other["class_features"], atol=0.02, rtol=0.02)


def test_the_error_comes_from_rectifiers_and_pooling():
    """Without rectifiers, pooling in the spectrum, the network is exact in float64."""
    net = small(pooling="spectral").double()
    for module in net.modules():
        if isinstance(module, torch.nn.PReLU):
            torch.nn.init.ones_(module.weight)
    before, after, turn = turned_pair(bandwidth=16)
    with torch.no_grad():
        assert relative(turn_map(net(sphere=before)["features"], turn), net(sphere=after)["features"]) < 1e-11


def test_the_published_shapes():
    """64 x 64 rays to 16 x 16 x 32 for poses and 32 x 32 x 16 for views; ten layers with the head's."""
    net = ResidualCnn(size=64, channels=1)
    convolutions = [module for module in net.modules() if isinstance(module, ZonalConvolution)]
    assert len(convolutions) == 9
    assert [layer.convolution.inputs for layer in net.get_submodule("layers").children()] == [
        8,
        8,
        16,
        16,
        32,
        32,
        64,
        64,
    ]
    with torch.no_grad():
        found = net.eval()(sphere=torch.rand(1, 1, 64, 64))
    shapes = {name: tuple(value.shape) for name, value in found.items()}
    assert shapes == {"features": (1, 32, 16, 16), "fine_features": (1, 16, 32, 32), "class_features": (1, 256)}


def test_the_two_branch_network_of_2018():
    """Filters 16, 16, 32, 32, 64, 64, 128, 128 in each branch; the first is given the second's channels at each pooling."""
    net = TwoBranchCnn(size=64, channels=2)
    first = [m for m in net.first.modules() if isinstance(m, ZonalConvolution)]
    assert [m.outputs for m in first] == [16, 16, 32, 32, 64, 64, 128, 128]
    assert [m.inputs for m in first] == [1, 16, 32, 32, 64, 64, 128, 128]
    maps = {"feature_channels": 4, "fine_size": 8, "fine_channels": 8, "class_features": 16}
    tiny = TwoBranchCnn(size=16, channels=2, sizes=2, layers=1, **maps)
    found = tiny(sphere=torch.rand(2, 2, 16, 16))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "features": (2, 4, 16, 16),
        "fine_features": (2, 8, 8, 8),
        "class_features": (2, 16),
    }


@pytest.mark.parametrize(
    ("network", "declared", "channels", "given"), [(ResidualCnn, 64, 1, 256), (TwoBranchCnn, 128, 2, 256)]
)
def test_a_declared_length_that_is_not_the_networks_is_refused(network, declared, channels, given):
    """Left alone, it would fail in the head, in words about matrices."""
    with pytest.raises(ValueError, match=f"set class_features={given}"):
        network(size=64, channels=channels, class_features=declared)


def test_gradient_reaches_every_weight():
    net = small().train()
    found = net(sphere=torch.rand(2, 1, 32, 32))
    found["class_features"].square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feature_size": 12, "fine_size": 12, "fine_channels": 8}, "no map of 12 x 12"),
        ({"size": 36}, "cannot have 3 sizes"),
        ({"feature_channels": 3, "fine_size": 16, "fine_channels": 3}, "do not divide"),
        ({"fine_channels": 16}, "half the channels"),
        ({"pooling": "largest"}, "pooling is one of"),
    ],
)
def test_shapes_that_cannot_be_are_refused(change, message):
    wanted = {"size": 32, "channels": 1, "feature_channels": 8, "fine_channels": 4, "sizes": 3, "class_features": 64}
    with pytest.raises(ValueError, match=message):
        ResidualCnn(**wanted | change)


def test_one_channel_is_too_few_for_two_branches():
    with pytest.raises(ValueError, match="both channels"):
        TwoBranchCnn(size=64, channels=1)


def test_o3_linear_is_in_the_path():
    assert all(isinstance(m.mix, o3.Linear) for m in small().modules() if isinstance(m, ZonalConvolution))

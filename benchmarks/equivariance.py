"""Error of the shape network's equivariance under rotation, by cause.

    python benchmarks/equivariance.py

Residual spherical CNNs with random weights, their normalisation warmed up on the shapes, look at solids of ``synthetic:solids`` and
at the same solids turned. Relative error of the features, root mean square over items: ``|turned features - features of the
turned| / |features of the turned|``, means over the sphere taken out. Four columns take the causes away one by one: the mesh is
turned and cast again; its signal, cut to the degrees that the grid carries, is turned in the spectrum, so that the ray casting
has no part in it; the same without rectifiers, the only part that leaves the degrees; and what casting alone does to the input.
"""

import argparse

import torch
from torch import Tensor, nn

from armillary.kernels.rotations import random_rotation
from armillary.nn.spheres.grids import points, soft
from armillary.nn.spheres.transforms import coefficients_from_signal, signal_from_coefficients
from armillary_spherical.meshes import PosedMesh
from armillary_spherical.method import turned
from armillary_spherical.rays import Casters, spherical_signal
from armillary_spherical.shape_networks import ResidualCnn
from armillary_synthetic.solids import Solids

_ITEMS = 20


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=_ITEMS)
    items = parser.parse_args().items
    generator = torch.Generator().manual_seed(0)
    turns = random_rotation(items, generator=generator, dtype=torch.float64)
    solids = Solids(size=16, seed=0)
    meshes = [PosedMesh(solids.mesh(index), closed=True) for index in range(items)]
    print(f"{items} solids, float32; relative error")
    print(
        f"{'bandwidth':>9}  {'pooling':8}  {'cast again':>10}  {'in the spectrum':>15}  {'no rectifier':>12}  {'input':>6}"
    )
    for bandwidth in (16, 32):
        before, after = (_cast(each, bandwidth) for each in (meshes, _turned(meshes, turns)))
        for pooling in ("weighted", "spectral"):
            errors = _errors(before, after, turns.float(), bandwidth, pooling)
            print(
                f"{bandwidth:9}  {pooling:8}  {errors[0]:10.3f}  {errors[1]:15.3f}  {errors[2]:12.4f}  {errors[3]:6.3f}"
            )


def _turned(meshes: list[PosedMesh], turns: Tensor) -> list[PosedMesh]:
    return [mesh.moved(turn.numpy()) for mesh, turn in zip(meshes, turns, strict=True)]


def _cast(meshes: list[PosedMesh], bandwidth: int) -> Tensor:
    directions = points(soft(bandwidth), dtype=torch.float64).reshape(-1, 3).numpy()
    casters = Casters(engine="auto")
    signals = [
        spherical_signal(casters[mesh.mesh], directions, convention="centre", channels=1, matrix=mesh.matrix)
        for mesh in meshes
    ]
    return torch.stack([torch.from_numpy(s.reshape(1, 2 * bandwidth, -1)).float() for s in signals])


@torch.no_grad()
def _errors(before: Tensor, after: Tensor, turns: Tensor, bandwidth: int, pooling: str) -> tuple[float, ...]:
    torch.manual_seed(0)
    net = ResidualCnn(
        size=2 * bandwidth,
        channels=1,
        feature_channels=16,
        fine_channels=8,
        sizes=bandwidth.bit_length() - 2,
        layers=1,
        class_features=128,
        pooling=pooling,
    )

    def error(first: Tensor, second: Tensor) -> float:
        for _ in range(50):
            net.train()(sphere=first)
        net.eval()
        return _relative(turned(net(sphere=first)["features"], turns), net(sphere=second)["features"])

    grid = soft(bandwidth)
    smooth = signal_from_coefficients(coefficients_from_signal(before, grid=grid), grid=grid)
    again, spectral = error(before, after), error(smooth, turned(smooth, turns))
    for module in net.modules():
        if isinstance(module, nn.PReLU):
            module.weight.fill_(1.0)
    return again, spectral, error(smooth, turned(smooth, turns)), _relative(turned(before, turns), after)


def _relative(found: Tensor, truth: Tensor) -> float:
    found, truth = (x - x.mean((-2, -1), keepdim=True) for x in (found, truth))
    return float(((found - truth).square().mean() / truth.square().mean()).sqrt())


if __name__ == "__main__":
    main()

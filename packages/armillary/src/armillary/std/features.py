"""VGG-16 as a feature extractor, in an implementation of our own.

Source: Simonyan and Zisserman 2015, arXiv:1409.1556, configuration D. Layers are named ``relu<block>_<convolution>``. Weights come
from a file with torchvision's parameter names (``features.0.weight`` ...), or are random for ``weights="random:<seed>"``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

# Width and number of convolutions of each block, configuration D, Table 1.
_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
LAYERS = tuple(
    f"relu{block}_{index}" for block, (_, count) in enumerate(_BLOCKS, start=1) for index in range(1, count + 1)
)
# Mean and standard deviation of ImageNet in [0, 1] RGB, as torchvision's weights expect.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class VGGFeatures(torch.nn.Module):
    """Frozen features of VGG-16 at named layers, computed no further than the deepest one.

    Args:
        layers: from :data:`LAYERS`.
        weights: a file in torchvision's format (``.pth`` or ``.safetensors``), or ``"random:<seed>"``.

    Raises:
        ValueError: an unknown layer, or a file that does not hold these convolutions.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, layers: Sequence[str], *, weights: Path | str) -> None:
        super().__init__()
        unknown = [layer for layer in layers if layer not in LAYERS]
        if unknown or not layers:
            raise ValueError(f"VGG-16 has no layer {unknown}: it has {', '.join(LAYERS)}")
        self.layers = tuple(layers)
        deepest = max(LAYERS.index(layer) for layer in layers)
        self.convolutions = torch.nn.ModuleDict()
        self._pool_before: set[str] = set()
        self._torchvision_name: dict[str, str] = {}
        channels, index, position = 3, 0, 0
        for block, (width, count) in enumerate(_BLOCKS, start=1):
            for convolution in range(1, count + 1):
                name = f"relu{block}_{convolution}"
                if position > deepest:
                    break
                if convolution == 1 and block > 1:
                    self._pool_before.add(name)
                    index += 1
                self.convolutions[name] = torch.nn.Conv2d(channels, width, 3, padding=1)
                self._torchvision_name[name] = f"features.{index}"
                channels, index, position = width, index + 2, position + 1
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(3, 1, 1), persistent=False)
        self._load(weights)
        self.requires_grad_(False)
        self.eval()

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> dict[str, Tensor]:
        """Return layer name to features, rectified.

        Args:
            image: sRGB in [0, 1]; it is normalised as for ImageNet, not resized.
        """
        features: dict[str, Tensor] = {}
        x = (image - self.mean) / self.std
        x = x.contiguous(memory_format=torch.channels_last)
        for name, convolution in self.convolutions.items():
            if name in self._pool_before:
                x = torch.nn.functional.max_pool2d(x, 2)
            x = torch.relu(convolution(x))
            if name in self.layers:
                features[name] = x
        return features

    def train(self, mode: bool = True) -> "VGGFeatures":
        """Stay in eval mode: the features are fixed."""
        del mode
        return super().train(False)

    def _load(self, weights: Path | str) -> None:
        text = str(weights)
        if text.startswith("random:"):
            self._draw(int(text.removeprefix("random:")))
            return
        state = _read_state(Path(weights))
        for name, convolution in self.convolutions.items():
            assert isinstance(convolution, torch.nn.Conv2d)
            for part in ("weight", "bias"):
                key = f"{self._torchvision_name[name]}.{part}"
                own = getattr(convolution, part)
                if key not in state or state[key].shape != own.shape:
                    found = tuple(state[key].shape) if key in state else "nothing"
                    raise ValueError(
                        f"{weights}: not VGG-16 weights in torchvision's format: "
                        f"{key} should be {tuple(own.shape)}, found {found}"
                    )
                with torch.no_grad():
                    own.copy_(state[key])

    def _draw(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for convolution in self.convolutions.values():
            assert isinstance(convolution, torch.nn.Conv2d)
            # He et al. 2015: the scale that keeps the variance through rectified layers.
            fan_in = convolution.weight[0].numel()
            with torch.no_grad():
                convolution.weight.normal_(0.0, (2.0 / fan_in) ** 0.5, generator=generator)
                convolution.bias.zero_()  # type: ignore[union-attr]


def _read_state(path: Path) -> Mapping[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{path}: not a file of weights that can be read safely: {first}") from error
    if not isinstance(state, Mapping):
        raise ValueError(f"{path}: holds {type(state).__name__}, not a table of weights")
    return state

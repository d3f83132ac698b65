"""Direct prediction by a U-Net of Open Image Denoise's topology and curve: it runs inside OIDN too."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mcdenoise.encoding import split_guides
from mcdenoise.networks._blocks import evened
from mcdenoise.networks._contract import Denoising

# PU2, the curve of OIDN's HDR filter, in three pieces: linear, power, logarithm; `SCALE` brings 65504 to 1.
# Source: Aydin et al. 2008, "Extending Quality Metrics to Full Luminance Range Images", as training/color.py
# of github.com/RenderKit/oidn fits it.
LINEAR = 1.41283765e03
POWER = (1.64593172, 4.31384981e-01, -2.94139609e-03)
LOGARITHM = (1.92653254e-01, 6.26026094e-03, 9.98620152e-01)
BRIGHTNESS = (1.57945760e-06, 3.22087631e-02)  # where the pieces meet
TONES = (2.23151711e-03, 3.70974749e-01)
BRIGHTEST = 65504.0
SCALE = 1 / (LOGARITHM[0] * float(np.log(BRIGHTEST + LOGARITHM[1])) + LOGARITHM[2])


class Network(Denoising):
    """Nine inputs (color through the curve, albedo, normal), 919,811 parameters, output in the curve's space.

    Source: the topology documented in Open Image Denoise's training toolkit (base size).
    """

    stride = 16
    radius = 96

    def __init__(self) -> None:
        super().__init__()
        sizes = {
            "enc0": (9, 32), "enc1": (32, 32), "enc2": (32, 48), "enc3": (48, 64), "enc4": (64, 80),
            "enc5a": (80, 96), "enc5b": (96, 96),
            "dec4a": (96 + 64, 112), "dec4b": (112, 112), "dec3a": (112 + 48, 96), "dec3b": (96, 96),
            "dec2a": (96 + 32, 64), "dec2b": (64, 64), "dec1a": (64 + 9, 64), "dec1b": (64, 32),
            "dec0": (32, 3),
        }  # fmt: skip
        self.convs = nn.ModuleDict({name: nn.Conv2d(i, o, 3, padding=1) for name, (i, o) in sizes.items()})

    @property
    def recipe(self) -> dict[str, Any]:
        """See `Denoising.recipe`."""
        return {}

    def forward(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
    ) -> Float[Tensor, "n 3 h w"]:
        """See `Denoising.forward`."""
        albedo, normal, _ = split_guides(guides)
        x0 = torch.cat([curve(color), albedo, normal * 0.5 + 0.5], dim=1)
        x1 = F.max_pool2d(self._conv("enc0", "enc1", x=x0), 2)
        x2 = F.max_pool2d(self._conv("enc2", x=x1), 2)
        x3 = F.max_pool2d(self._conv("enc3", x=x2), 2)
        x4 = F.max_pool2d(self._conv("enc4", x=x3), 2)
        x = self._conv("enc5a", "enc5b", x=x4)
        x = self._conv("dec4a", "dec4b", x=_joined(x, x3))
        x = self._conv("dec3a", "dec3b", x=_joined(x, x2))
        x = self._conv("dec2a", "dec2b", x=_joined(x, x1))
        x = self._conv("dec1a", "dec1b", x=_joined(x, x0))
        x = self.convs["dec0"](x)
        if self.training:
            (x,) = evened(x)
        # Training sees the value as it is; what is below black is cut where the picture is made.
        return uncurve(F.leaky_relu(x.float(), 0.01))

    def _conv(self, *names: str, x: Tensor) -> Tensor:
        for name in names:
            x = F.relu(self.convs[name](x), inplace=True)
        return x


def tensors(network: Network) -> dict[str, np.ndarray]:
    """Weights and biases under OIDN's names."""
    found = {}
    for name, value in network.convs.state_dict().items():
        conv, _, kind = name.partition(".")
        found[f"{_name(conv)}.{kind}"] = value.float().cpu().numpy()
    return found


def from_tensors(given: Mapping[str, np.ndarray]) -> Network:
    """The network with such weights.

    Raises:
        ValueError: they are of another network.
    """
    network = Network()
    mine = tensors(network)
    wrong = sorted(
        {name for name in mine if name not in given or given[name].shape != mine[name].shape}
        | (given.keys() - mine.keys())
    )
    if wrong:
        raise ValueError(f"{wrong[0]} isn't as in OIDN's base network for color, albedo and normal")
    state = {
        f"convs.{name}.{kind}": torch.from_numpy(given[f"{_name(name)}.{kind}"].copy())
        for name in network.convs
        for kind in ("weight", "bias")
    }
    network.load_state_dict(state)
    return network


def curve(color: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """PU2 of exposed radiance: 0 to 1."""
    y = color.clamp(0, BRIGHTEST)
    a, b, c = POWER
    e, f, g = LOGARITHM
    # The power's slope at zero is endless, and would be NaN where another piece is taken.
    middle = a * y.clamp(min=BRIGHTNESS[0]) ** b + c
    upper = e * torch.log(y + f) + g
    return SCALE * torch.where(y <= BRIGHTNESS[0], LINEAR * y, torch.where(y <= BRIGHTNESS[1], middle, upper))


def uncurve(tone: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """The inverse of `curve`; below zero a line."""
    x = tone.clamp(max=1.0) / SCALE
    a, b, c = POWER
    e, f, g = LOGARITHM
    middle = ((x.clamp(min=TONES[0]) - c) / a) ** (1 / b)
    upper = torch.exp((x - g) / e) - f
    return torch.where(x <= TONES[0], x / LINEAR, torch.where(x <= TONES[1], middle, upper))


def _name(conv: str) -> str:
    """`enc0` as OIDN calls it: `enc_conv0`."""
    return f"{conv[:3]}_conv{conv[3:]}"


def _joined(coarse: Tensor, skip: Tensor) -> Tensor:
    return torch.cat([F.interpolate(coarse, scale_factor=2.0, mode="nearest"), skip], dim=1)

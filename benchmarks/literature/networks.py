"""Networks of the literature that the project has no use for itself, under its contract: no guides, no curve,
values as they are. `width` is the number of channels; a paper's own is the default."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mcdenoise.encoding import GUIDE_CHANNELS, tone_map, tone_unmap
from mcdenoise.networks._blocks import convs
from mcdenoise.networks._contract import Denoising


class _Plain(Denoising):
    """A network that is told by its width."""

    stride = 1

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    @property
    def recipe(self) -> dict[str, Any]:
        """See `Denoising.recipe`."""
        return {"width": self.width}

    def forward(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
    ) -> Float[Tensor, "n 3 h w"]:
        """See `Denoising.forward`."""
        del guides
        return self.picture(color).float()

    @abstractmethod
    def picture(self, color: Tensor) -> Tensor:
        """What it makes of a picture."""


class UNet(_Plain):
    """Three times halved, skips joined, the last to the input, to which the result is added: so few steps do.

    Source: Lehtinen et al. 2018, table 2, there with five halvings and without that sum.
    """

    stride = 8
    radius = 64
    inputs = 3

    def __init__(self, width: int = 48) -> None:
        super().__init__(width)
        w = width
        self.encoders = nn.ModuleList([convs(self.inputs, w), convs(w, w), convs(w, w), convs(w, w)])
        self.decoders = nn.ModuleList(
            [convs(2 * w, 2 * w), convs(3 * w, 2 * w), convs(2 * w + self.inputs, w)]
        )
        self.last = nn.Conv2d(w, 3, 3, padding=1)

    def picture(self, color: Tensor) -> Tensor:
        """See `_Plain`."""
        return color + self.predicted(color)

    def predicted(self, shown: Tensor) -> Tensor:
        """What it makes of its inputs."""
        skips, x = [shown], shown
        for encoder in self.encoders[:-1]:
            x = F.max_pool2d(encoder(x), 2)
            skips.append(x)
        x = self.encoders[-1](x)
        for decoder, skip in zip(self.decoders, reversed(skips[:-1]), strict=True):
            x = decoder(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), skip], dim=1))
        result: Tensor = self.last(x)
        return result


class Guided(UNet):
    """A U-Net of radiance and guides that predicts its target directly, whatever that is: radiance, or tones.

    It is shown radiance as it is, or, if `is_toned`, as `encoding.tone_map` makes it.
    """

    inputs = 3 + GUIDE_CHANNELS

    def __init__(self, width: int = 48, *, is_toned: bool = True, predicts_tones: bool = False) -> None:
        super().__init__(width)
        self.is_toned, self.predicts_tones = is_toned, predicts_tones

    @property
    def recipe(self) -> dict[str, Any]:
        """See `Denoising.recipe`."""
        return {"width": self.width, "is_toned": self.is_toned, "predicts_tones": self.predicts_tones}

    def forward(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
    ) -> Float[Tensor, "n 3 h w"]:
        """See `Denoising.forward`; tones, where those are predicted, are for the loss alone."""
        shown = tone_map(color) if self.is_toned else color
        result = self.predicted(torch.cat([shown, guides], dim=1)).float()
        return tone_unmap(result) if self.predicts_tones and not self.training else result


class DnCNN(_Plain):
    """17 layers with batch normalization that predict the noise. Source: Zhang et al. 2017."""

    radius = 17

    def __init__(self, width: int = 64, layers: int = 17) -> None:
        super().__init__(width)
        middle = [_normal(width, width, 3) for _ in range(layers - 2)]
        first = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(inplace=True))
        self.noise = nn.Sequential(first, *middle, nn.Conv2d(width, 3, 3, padding=1))

    def picture(self, color: Tensor) -> Tensor:
        """See `_Plain`."""
        noise: Tensor = self.noise(color)
        return color - noise


class Win5RB(_Plain):
    """Five wide layers of 7x7 with batch normalization, residual. Source: Liu and Fang 2017, "Wide Inference
    Network for Image Denoising via Learning Pixel-distribution Prior"."""

    radius = 15

    def __init__(self, width: int = 128) -> None:
        super().__init__(width)
        inner = [_normal(width, width, 7) for _ in range(3)]
        normal = nn.BatchNorm2d(3)
        nn.init.zeros_(normal.weight)  # begins as the picture itself, not as that and noise of variance 1
        last = nn.Sequential(nn.Conv2d(width, 3, 7, padding=3), normal)
        self.residual = nn.Sequential(_normal(3, width, 7), *inner, last)

    def picture(self, color: Tensor) -> Tensor:
        """See `_Plain`."""
        residual: Tensor = self.residual(color)
        return color + residual


class RED30(_Plain):
    """15 convolutions and 15 transposed ones, every second joined to its mirror. Source: Mao et al. 2016."""

    radius = 30

    def __init__(self, width: int = 128, pairs: int = 15) -> None:
        super().__init__(width)
        sizes = [3, *[width] * pairs]
        self.down = nn.ModuleList([nn.Conv2d(a, width, 3, padding=1) for a in sizes[:-1]])
        self.up = nn.ModuleList(
            [nn.ConvTranspose2d(width, width if n + 1 < pairs else 3, 3, padding=1) for n in range(pairs)]
        )

    def picture(self, color: Tensor) -> Tensor:
        """See `_Plain`."""
        kept, x = [color], color
        for conv in self.down:
            x = F.relu(conv(x))
            kept.append(x)
        for number, conv in enumerate(self.up, 1):
            x, mirror = conv(x), kept[len(self.up) - number]
            is_joined = number % 2 == 0 or number == len(self.up)
            x = x + mirror if is_joined else x
            x = F.relu(x) if number < len(self.up) else x
        return x


class CAE(_Plain):
    """A convolutional autoencoder: twice halved, no skip."""

    stride = 4
    radius = 24

    def __init__(self, width: int = 32) -> None:
        super().__init__(width)
        self.encoders = nn.ModuleList([convs(3, width), convs(width, width)])
        self.decoders = nn.ModuleList([convs(width, width), convs(width, width)])
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def picture(self, color: Tensor) -> Tensor:
        """See `_Plain`."""
        x = color
        for encoder in self.encoders:
            x = F.max_pool2d(encoder(x), 2)
        for decoder in self.decoders:
            x = decoder(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        result: Tensor = self.last(x)
        return result


class Constant(_Plain):
    """One colour for any picture: what is best of all that knows nothing."""

    radius = 0

    def __init__(self, width: int = 1) -> None:
        super().__init__(width)
        self.value = nn.Parameter(torch.full((1, 3, 1, 1), 0.5))

    def picture(self, color: Tensor) -> Tensor:
        """See `_Plain`."""
        return self.value.expand_as(color)


class FourierConsistent(_Plain):
    """A network whose result has every frequency that the input has, as it is there.

    The input is the real part of what was measured of a spectrum. Source: Lehtinen et al. 2018, section 3.4.
    """

    stride = UNet.stride
    radius = UNet.radius

    def __init__(self, width: int = 48) -> None:
        super().__init__(width)
        self.inner = UNet(width)

    def picture(self, color: Tensor) -> Tensor:
        """See `_Plain`."""
        given, found = torch.fft.rfft2(color.float()), torch.fft.rfft2(self.inner.picture(color).float())
        kept = torch.where(given.abs() > MEASURED, given, found)
        result: Tensor = torch.fft.irfft2(kept, s=color.shape[-2:])
        return result


# Below this a frequency wasn't measured: rounding of float32 leaves so much.
MEASURED = 1e-3

EVERY: Mapping[str, Callable[[int], Denoising]] = {
    "CAE": CAE, "DnCNN": DnCNN, "Win5-RB": Win5RB, "RED30": RED30, "U-Net": UNet
}  # fmt: skip


def _normal(inputs: int, outputs: int, size: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))

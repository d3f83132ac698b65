"""Frame in, Frame out: runs a model over tiles, on the device and in the precision that fit."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mcdenoise import checkpoint, encoding, tiling
from mcdenoise.errors import UsageError
from mcdenoise.frame import Frame, Plane
from mcdenoise.networks._contract import Denoising


class Denoiser:
    """A model in memory, ready for any number of frames.

    Args:
        model: name of a shipped model, or a file.
        device: auto, cpu, cuda or mps.
        tile: side of a tile in pixels; None chooses one by memory.

    Raises:
        ModelError: there is no such model, or its file is damaged.
        UsageError: torch has no such device here.
    """

    def __init__(
        self, model: str | Path = "standard", *, device: str = "auto", tile: int | None = None
    ) -> None:
        self.device = choose_device(device)
        loaded = checkpoint.load_model(model)
        self._network = loaded.network.to(self.device)
        self._tile = tile
        self.model_name = loaded.name
        self.card = loaded.card

    def __call__(
        self, frame: Frame, *, strength: float = 1.0, on_tile: Callable[[int, int], None] | None = None
    ) -> Frame:
        """The frame with `color` denoised; its other planes stay.

        `strength` blends from the noisy color (0) to the denoised (1). NaN and Inf are never shown to the
        network: its neighbours stand in for such a pixel, and the attribute `mcdenoise.replaced` counts them.
        """
        if strength == 0:
            color, replaced = frame.color, 0
        else:
            color, replaced = denoise(
                self._network, frame, device=self.device, tile=self._tile, on_tile=on_tile
            )
        if 0 < strength < 1:
            noisy, _ = encoding.finite(frame.color)
            color = (noisy + np.float32(strength) * (color - noisy)).astype(np.float32)
        attributes = {**frame.attributes, "mcdenoise.model": self.model_name, "mcdenoise.replaced": replaced}
        return Frame({**frame.planes, "color": color}, attributes)


def denoise(
    network: Denoising,
    frame: Frame,
    *,
    device: torch.device,
    tile: int | None = None,
    on_tile: Callable[[int, int], None] | None = None,
) -> tuple[Plane, int]:
    """Denoised color (h w 3), and how many pixels of the input were NaN or Inf."""
    encoded = encoding.encode(frame)
    result = torch.empty_like(encoded.color)
    places = tiling.tiles(*frame.size, tile=tile, radius=network.radius, stride=network.stride)
    for done, (rows, columns) in enumerate(places, 1):
        seen = (..., rows.seen, columns.seen)
        estimate = _run(network, encoded.color[seen], encoded.guides[seen], device)
        result[..., rows.kept, columns.kept] = estimate[..., rows.kept_in_tile, columns.kept_in_tile]
        if on_tile:
            on_tile(done, len(places))
    # Below black is only what already was there: filters with negative lobes put it into the input.
    result.clamp_(min=min(float(encoded.color.min()), 0.0))
    return encoding.decode(result, encoded.exposure), encoded.replaced


def choose_device(name: str) -> torch.device:
    """`auto` takes the fastest there is.

    Raises:
        UsageError: torch has no such device here.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, is_there in there.items() if is_there)
    if not there.get(name, False):
        raise UsageError(f"--device {name}: torch {torch.__version__} finds none here; use --device auto")
    return torch.device(name)


def precision(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """bf16 autocast where the hardware multiplies in it, else float32."""
    if device.type == "cuda" or (device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()):
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


@torch.inference_mode()
def _run(
    network: Denoising,
    color: Float[Tensor, "1 3 h w"],
    guides: Float[Tensor, "1 g h w"],
    device: torch.device,
) -> Float[Tensor, "1 3 h w"]:
    """One tile, its edges repeated up to a multiple of the stride."""
    height, width = color.shape[-2:]
    below, right = -height % network.stride, -width % network.stride
    padded = [F.pad(part, (0, right, 0, below), mode="replicate").to(device) for part in (color, guides)]
    with precision(device):
        estimate = network(*(part.contiguous(memory_format=torch.channels_last) for part in padded))
    cut: Tensor = estimate[..., :height, :width].float().cpu()
    return cut

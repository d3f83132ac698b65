"""Frame in, Frame out: runs a model over tiles, on the device and in the precision that fit."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mcdenoise import checkpoint, encoding, ensemble, layering, relighting, tiling
from mcdenoise.errors import UsageError
from mcdenoise.frame import Frame, Layer, Plane
from mcdenoise.networks._contract import Denoising, Output, Riders


class Denoiser:
    """A model in memory, ready for any number of frames.

    Args:
        model: name of a shipped model, or a file.
        device: auto, cpu, cuda or mps.
        tile: side of a tile in pixels; None chooses one by memory.
        looks: in how many orientations a frame is denoised, then averaged; 1 to 8 (see `ensemble`).

    Raises:
        ModelError: there is no such model, or its file is damaged.
        UsageError: torch has no such device here.
    """

    def __init__(
        self, model: str | Path = "standard", *, device: str = "auto", tile: int | None = None, looks: int = 1
    ) -> None:
        self.device = choose_device(device)
        loaded = checkpoint.load_model(model)
        self.network = loaded.network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._tile, self._looks = tile, looks
        self.model_name = loaded.name
        self.card = loaded.card

    @staticmethod
    def use_threads(count: int) -> None:
        """From now on what the calling thread denoises takes so many of the CPU's cores."""
        torch.set_num_threads(count)

    def __call__(
        self,
        frame: Frame,
        *,
        strength: float | Literal["auto"] = 1.0,
        on_tile: Callable[[int, int], None] | None = None,
    ) -> Frame:
        """The frame with `color` and `layers` denoised; its other planes stay.

        `strength` blends from the noisy color (0) to the denoised (1); `auto` is for noise that isn't shared
        by neighbours (see `noise2self.strength`), and is noted as `mcdenoise.strength.chosen`. What is no
        number is never shown to the network: its neighbours stand in for such a pixel; the attribute
        `mcdenoise.replaced` counts them.
        """
        noted = {**frame.attributes, "mcdenoise.model": self.model_name, "mcdenoise.replaced": 0}
        if strength == 0:
            return Frame(frame.planes, noted, frame.layers)
        clean = ensemble.average(self._denoise_once, frame, self._looks, on_tile)
        noisy = frame if strength == 1 else repaired(frame)[0]
        if strength == "auto":
            from mcdenoise import noise2self  # scipy takes a while to import

            strength = noise2self.strength(self, noisy, clean.color)
            noted["mcdenoise.strength.chosen"] = strength
        if strength < 1:
            clean = replace(
                clean,
                planes={"color": _blended(noisy.color, clean.color, strength)},
                layers={n: _blended(noisy.layers[n], p, strength) for n, p in clean.layers.items()},
            )
        return Frame({**frame.planes, "color": clean.color}, {**noted, **clean.attributes}, clean.layers)

    def _denoise_once(self, frame: Frame, on_tile: Callable[[int, int], None] | None) -> Frame:
        return denoise_all(self.network, frame, device=self.device, tile=self._tile, on_tile=on_tile)


def denoise(
    network: Denoising,
    frame: Frame,
    *,
    device: torch.device,
    tile: int | None = None,
    on_tile: Callable[[int, int], None] | None = None,
) -> tuple[Plane, int]:
    """Denoised color (h w 3), and how many pixels of the input were no numbers."""
    clean = denoise_all(network, frame, device=device, tile=tile, on_tile=on_tile)
    return clean.color, int(clean.attributes["mcdenoise.replaced"])


def denoise_all(
    network: Denoising,
    frame: Frame,
    *,
    device: torch.device,
    tile: int | None = None,
    on_tile: Callable[[int, int], None] | None = None,
) -> Frame:
    """Denoised color and layers, and as `mcdenoise.replaced` how many pixels of the input were no numbers."""
    sound, replaced = repaired(frame)
    look = _Look.at(sound)
    results = {name: np.empty_like(plane) for name, plane in {"color": sound.color, **sound.layers}.items()}
    is_frugal = network.frugal and device.type == "cpu" and not sound.layers
    most = tiling.FRUGAL_PIXELS if is_frugal else tiling.DEFAULT_PIXELS
    places = tiling.tiles(*frame.size, tile=tile, radius=network.radius, stride=network.stride, most=most)
    for done, (rows, columns) in enumerate(places, 1):
        seen, kept = (rows.seen, columns.seen), (rows.kept_in_tile, columns.kept_in_tile)
        given = Frame(
            {name: plane[seen] for name, plane in sound.planes.items()},
            layers={name: plane[seen] for name, plane in sound.layers.items()},
        )
        for name, plane in _tile(network, given, look, device).items():
            results[name][rows.kept, columns.kept] = plane[kept]
        if on_tile:
            on_tile(done, len(places))
    clean = Frame({"color": results.pop("color")}, {"mcdenoise.replaced": replaced}, results)
    relighting.give_back(sound.color, clean, look.exposure)
    return _held(sound, clean)


def repaired(frame: Frame) -> tuple[Frame, int]:
    """The frame with what is no number in color or layers replaced, in all of them; and how many pixels."""
    if not frame.layers:
        color, replaced = encoding.finite(frame.color)
        return Frame({**frame.planes, "color": color}), replaced
    stacked = {"color": frame.color, **frame.layers}
    bad: np.ndarray = np.logical_or.reduce([encoding.is_no_number(plane) for plane in stacked.values()])
    stacked = {name: encoding.finite(plane, bad)[0] for name, plane in stacked.items()}
    return Frame({**frame.planes, "color": stacked.pop("color")}, layers=stacked), int(bad.sum())


def _held(noisy: Frame, clean: Frame) -> Frame:
    """Shares stay within what is around them; what is nothing with nothing around it stays nothing."""
    shares = {name for name, plane in clean.layers.items() if plane.shape[2] == 1}
    if not shares:
        return clean
    nothing = layering.is_empty([noisy.color, *noisy.layers.values()])
    for plane in (clean.color, *(plane for name, plane in clean.layers.items() if name not in shares)):
        plane[nothing] = 0
    held = {name: layering.held(noisy.layers[name], clean.layers[name]) for name in shares}
    return replace(clean, layers={**clean.layers, **held})


def _blended(noisy: Layer, clean: Layer, strength: float) -> Layer:
    """In the place of `clean`."""
    clean -= noisy
    clean *= np.float32(strength)
    clean += noisy
    return clean


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


class _Look(NamedTuple):
    """What all tiles share: the exposure, the median depth, and what nothing exposed is darker than."""

    exposure: float
    depth: float | None
    least: float

    @classmethod
    def at(cls, frame: Frame) -> "_Look":
        """Below black is only what already was there: filters with negative lobes put it into the input."""
        exposure, depth = encoding.exposure(frame.color), frame.planes.get("depth")
        middle = None if depth is None else encoding.middle_depth(depth)
        return cls(exposure, middle, exposure * min(float(frame.color.min()), 0.0))


@torch.inference_mode()
def _tile(network: Denoising, given: Frame, look: _Look, device: torch.device) -> dict[str, Layer]:
    """Color and layers of one tile, denoised."""
    inputs = [
        encoding.tensor(encoding.expose(given.color, look.exposure)),
        encoding.tensor(encoding.guides(given.planes, given.size, look.depth)),
    ]
    if not given.layers:
        estimate = _run(network, inputs, device).estimate.clamp_(min=look.least)
        return {"color": encoding.decode(estimate, look.exposure)}
    found: dict[str, Layer] = {}
    for names in layering.groups(given.layers):
        layers = {name: given.layers[name] for name in names}
        riders = layering.riders(given.color, list(layers.values()), look.exposure)
        output = _run(network, [*inputs, *riders], device)
        output = output._replace(estimate=output.estimate.clamp(min=look.least))
        found |= layering.named(layers, output, look.exposure)
    return found


def _run(network: Denoising, inputs: list[Float[Tensor, "1 _ h w"]], device: torch.device) -> Output:
    """Color, guides and, if there are any, riders of one tile, which are taken out of `inputs`, its edges
    repeated up to a multiple of the stride; what comes of them is float32 on the CPU."""
    height, width = inputs[0].shape[-2:]
    sides = (0, -width % network.stride, 0, -height % network.stride)
    padded = [_padded(inputs.pop(0), sides).to(device) for _ in range(len(inputs))]
    # On the CPU loops want planes, and convolutions take the layout of their weights.
    layout = torch.contiguous_format if device.type == "cpu" else torch.channels_last
    color, guides, *riders = (part.contiguous(memory_format=layout) for part in padded)
    with precision(device):
        output = network.carry(color, guides, Riders(*riders)) if riders else Output(network(color, guides))
    carried = None if output.carried is None else output.carried[..., :height, :width].float().cpu()
    return Output(output.estimate[..., :height, :width].float().cpu(), carried=carried)


def _padded(part: Float[Tensor, "1 c h w"], sides: tuple[int, ...]) -> Float[Tensor, "1 c h2 w2"]:
    """Mirrored, so that no firefly at an edge has others beside it; repeated where there is too little.

    As `F.pad` does it, which goes pixel by pixel through the whole picture.
    """
    _, right, _, bottom = sides
    if not right + bottom:
        return part
    height, width = part.shape[2:]
    is_small = right >= width or bottom >= height
    out = part.new_empty(*part.shape[:2], height + bottom, width + right)
    out[..., :height, :width] = part
    for axis, inside, more in ((3, width, right), (2, height, bottom)):
        from_the_edge = torch.zeros(more, dtype=torch.int64) if is_small else torch.arange(1, more + 1)
        mirrored = out.index_select(axis, inside - 1 - from_the_edge)
        out.narrow(axis, inside, more).copy_(mirrored)
    return out

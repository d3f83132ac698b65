# SPDX-License-Identifier: GPL-3.0-or-later
"""A file in, a denoised file out: each view layer and view, everything else as it was."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import encoding, exr_file, layers
from .engines import Denoiser
from .errors import WorkError
from .exr_file import Part
from .layers import Layer, Place

ERROR = "Denoising Error"
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Options:
    """What can be asked of a frame.

    Attributes:
        strength: from the noisy color, 0, to the denoised, 1.
        guides: use albedo, normal and depth where they were stored.
        keep_noisy: add the noisy color as the pass `Noisy Image`, where it isn't one already.
        mirrored: denoise it mirrored as well, and take the mean: twice the time.
    """

    strength: float = 1.0
    guides: bool = True
    keep_noisy: bool = True
    mirrored: bool = False


@dataclass(frozen=True)
class Outcome:
    """What was done to a file."""

    layers: list[str]
    without_guides: list[str]
    replaced: int


def denoise(source: Path, target: Path, denoiser: Denoiser, options: Options, progress: Progress) -> Outcome:
    """Denoise every layer of a file into another.

    Raises:
        WorkError: a file can't be read or written, or has no color.
    """
    parts = exr_file.read(source)
    found = _layers(source, parts)
    outcome = Outcome([], [], 0)
    for number, layer in enumerate(found):
        part_of = _share(progress, number, len(found))
        planes, replaced = _planes(parts, layer, options)
        clean = _denoised(denoiser, planes, options, part_of)
        parts = _put(parts, layer, clean, planes["color"], options)
        outcome = Outcome(
            [*outcome.layers, _title(layer)],
            outcome.without_guides + [_title(layer)] * (len(planes) == 1),
            outcome.replaced + replaced,
        )
    exr_file.write(target, _signed(parts, denoiser))
    return outcome


def denoise_halves(
    halves: Sequence[Path], target: Path, denoiser: Denoiser, options: Options, progress: Progress
) -> Outcome:
    """Denoise two renders of one view, with different seeds, and take the mean; other passes are the first's,
    the noisy color is the mean of both.

    Adds the pass `Denoising Error`: half the distance of the two results, which is an estimate of the mean's
    deviation by the noise that is left, and says nothing of what both have wrong.

    Raises:
        WorkError: as `denoise`, or the halves differ in their layers or size.
    """
    both = [exr_file.read(half) for half in halves]
    found = [_layers(half, parts) for half, parts in zip(halves, both, strict=True)]
    if [_title(layer) for layer in found[0]] != [_title(layer) for layer in found[1]]:
        raise WorkError(f"{halves[1]}: has other layers than {halves[0].name}; render both halves again")
    parts, outcome = both[0], Outcome([], [], 0)
    for number, pair in enumerate(zip(*found, strict=True)):
        cleans, noisies = [], []
        for half, layer in enumerate(pair):
            planes, replaced = _planes(both[half], layer, options)
            cleans.append(
                _denoised(denoiser, planes, options, _share(progress, 2 * number + half, 2 * len(found[0])))
            )
            noisies.append(planes["color"])
            outcome = replace(outcome, replaced=outcome.replaced + replaced)
        error = np.abs(cleans[0] - cleans[1]).mean(2) / 2
        parts = _put(parts, pair[0], sum(cleans) / 2, sum(noisies) / 2, options)
        parts = _add(parts, pair[0], ERROR, {"V": error})
        outcome = replace(
            outcome,
            layers=[*outcome.layers, _title(pair[0])],
            without_guides=outcome.without_guides + [_title(pair[0])] * (len(planes) == 1),
        )
    exr_file.write(target, _signed(parts, denoiser))
    return outcome


def _layers(path: Path, parts: Sequence[Part]) -> list[Layer]:
    if found := layers.find(parts):
        return found
    names = ", ".join(name for part in parts for name in list(part.channels)[:8])
    raise WorkError(f"{path}: no Combined pass to denoise; it has: {names}")


def _planes(parts: Sequence[Part], layer: Layer, options: Options) -> tuple[dict[str, np.ndarray], int]:
    """Color without NaN and Inf, guides, and how many pixels were replaced."""
    color, replaced = encoding.finite(_stacked(parts, layer.color))
    given = layer.guides if options.guides else {}
    return {"color": color, **{name: _stacked(parts, places) for name, places in given.items()}}, replaced


def _stacked(parts: Sequence[Part], places: Sequence[Place]) -> np.ndarray:
    return np.stack([parts[number].channels[name].astype(np.float32) for number, name in places], axis=-1)


def _denoised(
    denoiser: Denoiser, planes: Mapping[str, np.ndarray], options: Options, progress: Progress
) -> np.ndarray:
    def part_of(first: float, share: float) -> Callable[[float, int], None]:
        return lambda done, total: progress(first + share * done / total)

    if options.strength == 0:
        return planes["color"]
    if not options.mirrored:
        clean = denoiser(planes, part_of(0, 1))
    else:
        mirror = {name: np.ascontiguousarray(plane[:, ::-1]) for name, plane in planes.items()}
        if "normal" in mirror:
            mirror["normal"] = mirror["normal"] * np.float32([-1, 1, 1])
        clean = (denoiser(planes, part_of(0, 0.5)) + denoiser(mirror, part_of(0.5, 0.5))[:, ::-1]) / 2
    return planes["color"] + np.float32(options.strength) * (clean - planes["color"])


def _put(
    parts: list[Part], layer: Layer, clean: np.ndarray, noisy: np.ndarray, options: Options
) -> list[Part]:
    """The parts with the layer's color replaced; pixels without alpha stay, as nothing was hit there."""
    if layer.alpha:
        number, name = layer.alpha
        clean = np.where(parts[number].channels[name][..., None] == 0, _stacked(parts, layer.target), clean)
    if options.keep_noisy:
        alpha = {"A": parts[layer.alpha[0]].channels[layer.alpha[1]]} if layer.alpha else {}
        letters = {**dict(zip("RGB", np.moveaxis(noisy, -1, 0), strict=True)), **alpha}
        parts = _add(parts, layer, layers.NOISY, letters)
    changed = list(parts)
    for channel, (number, name) in enumerate(layer.target):
        was = changed[number]
        pixels = _stored(clean[..., channel], was.channels[name].dtype)
        changed[number] = replace(was, channels={**was.channels, name: pixels})
    return changed


def _add(parts: list[Part], layer: Layer, stored: str, letters: Mapping[str, np.ndarray]) -> list[Part]:
    """A pass more, unless it is there; in a part of its own where each pass has one."""
    if stored in layer.passes:
        return parts
    number, model = layer.target[0]
    group = _renamed(model.rpartition(".")[0], stored) or stored
    channels = {
        f"{group}.{letter}": np.ascontiguousarray(pixels, np.float32) for letter, pixels in letters.items()
    }
    part = parts[number]
    if len(parts) == 1:
        return [replace(part, channels={**part.channels, **channels})]
    named = "string", _renamed(part.name, stored).encode()
    return [*parts, Part({**part.attributes, "name": named}, channels)]


def _renamed(group: str, stored: str) -> str:
    """`My.Combined.left` for another pass; from the right, since a layer may have any name."""
    before, _, after = group.rpartition(layers.COMBINED)
    return f"{before}{stored}{after}"


def _stored(pixels: np.ndarray, kind: Any) -> np.ndarray:
    if kind == np.float16:
        pixels = np.clip(pixels, -65504, 65504)
    return np.ascontiguousarray(pixels, kind)


def _signed(parts: list[Part], denoiser: Denoiser) -> list[Part]:
    made_by = {"mcdenoise.engine": ("string", denoiser.name.encode())}
    return [replace(part, attributes={**part.attributes, **made_by}) for part in parts]


def _share(progress: Progress, number: int, count: int) -> Progress:
    return lambda done: progress((number + done) / count)


def _title(layer: Layer) -> str:
    return " ".join(filter(None, (layer.name, layer.view))) or "picture"

"""What is taken from a file, as it was asked for, and how what came of it goes back in."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from mcdenoise import conventions, exr, layouts, tiling
from mcdenoise.conventions import Settled
from mcdenoise.errors import FrameError, UsageError
from mcdenoise.exr import Edit, Picture, Window
from mcdenoise.frame import PLANES, Attribute, Frame, Layer, Plane
from mcdenoise.layouts import Layout, Light, Taken

Map = Float32[np.ndarray, "h w"]

ALPHA = "alpha"
NOISY = "noisy"
# The channel that says how wrong each pixel is expected to be.
ERROR = "mcdenoise.error"
# What `--strength auto` chose.
CHOSEN = "mcdenoise.strength.chosen"
# What a surface's color is divided by at least.
BLACK = 1e-4

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """What the user asks for: layers by plane (`LAYER`, `FILE.exr::LAYER`, or `none`) and which parts of the
    light (auto, all, none, or names with commas)."""

    planes: Mapping[str, str] = field(default_factory=dict)
    aovs: str = "auto"


@dataclass(frozen=True)
class Selection:
    """What is taken of a file, guides from other files among it."""

    picture: Picture
    layout: Layout
    elsewhere: Mapping[str, tuple[Picture, Taken]]

    @property
    def window(self) -> Window:
        """The color's data window, into which all is moved."""
        return self.picture.parts[self.layout.planes["color"].part].window


def select(picture: Picture, wanted: Wanted) -> Selection:
    """Choose layers.

    Raises:
        FrameError: there is no color, or no layer of a name that was given.
        UsageError: the color is to come from another file.
        NoInputError, ExrError: another file can't be read.
    """
    inside = {plane: name for plane, name in wanted.planes.items() if "::" not in name}
    outside = {plane: name.rpartition("::") for plane, name in wanted.planes.items() if "::" in name}
    if "color" in outside:
        raise UsageError(
            f"--color {wanted.planes['color']}: must be in the frame itself; give that file as the frame"
        )
    inside |= dict.fromkeys(outside, "none")
    layout = picture.layout(inside, wanted.aovs)
    lights = tuple(light for light in layout.lights if _fits(picture, layout, light))
    elsewhere = {plane: _elsewhere(plane, Path(path), layer) for plane, (path, _, layer) in outside.items()}
    return Selection(picture, replace(layout, lights=lights), elsewhere)


def taken(selection: Selection) -> dict[str, str]:
    """What is taken for what, in words: each plane's layer, and the parts of the light if there are any."""
    layout = selection.layout
    told = {name: layout.planes[name].label if name in layout.planes else "none" for name in PLANES}
    told |= {
        name: f"{other.path.absolute()}::{one.label}" for name, (other, one) in selection.elsewhere.items()
    }
    told |= {name: f"{one.label} (a guess)" for name, one in layout.planes.items() if one.is_guess}
    lights = [light.taken.label for light in layout.lights]
    return {**told, "light": ", ".join(lights)} if lights else told


def told(selection: Selection, clean: Frame) -> dict[str, Attribute]:
    """What the header says of what was taken, replaced and chosen."""
    layers = "; ".join(f"{name}: {text}" for name, text in taken(selection).items())
    replaced = int(clean.attributes.get("mcdenoise.replaced", 0))
    chosen = {name: clean.attributes[name] for name in (CHOSEN,) if name in clean.attributes}
    return {"mcdenoise.layers": layers, "mcdenoise.replaced": replaced, **chosen}


def load(selection: Selection) -> tuple[Frame, Mapping[str, str]]:
    """The frame with guides as the network knows them and the parts of the light, and notes on the guides.

    Raises:
        ExrError: pixels are damaged, or more than memory.
        FrameError: a guide of another file covers none of its pixels.
    """
    picture, layout, window = selection.picture, selection.layout, selection.window
    wanted: dict[str | Taken, Taken] = dict(layout.planes.items())
    wanted.update(_stored(layout.lights).items())
    if layout.alpha and picture.parts[layout.alpha.part].types[layout.alpha.channels[0]] != "uint":
        wanted[ALPHA] = layout.alpha
    exr.require(picture.path, _needed(selection, wanted.values()))
    found = exr.planes(picture, wanted, window)
    layers: dict[str, Layer] = {}
    for light in layout.lights:
        layers[light.taken.label] = found.pop(light.taken)
        if light.factor:
            layers[light.taken.label] *= found[light.factor]
    if ALPHA in found:
        layers[ALPHA] = found[ALPHA]
    settled = _settled(selection, {name: found[name] for name in layout.planes})
    return Frame(settled.planes, picture.attributes(layout), layers), settled.notes


def guide_notes(selection: Selection) -> Mapping[str, str]:
    """What is unlike what the network knows in the guides, and made of them; raises as `load`."""
    guides = {name: taken for name, taken in selection.layout.planes.items() if name != "color"}
    return _settled(selection, exr.planes(selection.picture, guides, selection.window)).notes


def _settled(selection: Selection, planes: Mapping[str, Plane]) -> Settled:
    """The planes of the file and of other files, converted."""
    window, planes = selection.window, dict(planes)
    for name, (other, taken) in selection.elsewhere.items():
        planes |= exr.planes(other, {name: taken}, window)
        if not _overlap(other.parts[taken.part].window, window):
            raise FrameError(
                f"{other.path}: covers none of the pixels of {selection.picture.path}; give the same frame"
            )
    guessed = {name for name, taken in selection.layout.planes.items() if taken.is_guess}
    return conventions.settle(planes, guessed)


def _needed(selection: Selection, wanted: Iterable[Taken]) -> int:
    """Bytes of memory that denoising takes at the least: what is read, what is made of it, the network."""
    x0, y0, x1, y1 = selection.window
    size, lights = (x1 - x0 + 1) * (y1 - y0 + 1), len(selection.layout.lights)
    planes = [*wanted, *(taken for _, taken in selection.elsewhere.values())]
    channels = sum(len(taken.channels) for taken in planes) + 3 + 3 * lights
    return 4 * size * channels + tiling.PIXEL_BYTES * min(size, tiling.DEFAULT_PIXELS)


def _stored(lights: Sequence[Light]) -> dict[Taken, Taken]:
    """The layers that parts of the light are stored as."""
    return {taken: taken for light in lights for taken in (light.taken, light.factor) if taken}


def put_back(
    selection: Selection, noisy: Frame, clean: Frame, *, keep_nonfinite: bool = False
) -> dict[Taken, Plane]:
    """The planes to be written, by the channels that they are written to.

    What was no number in the input is put back with `keep_nonfinite`.
    """
    picture, layout, window = selection.picture, selection.layout, selection.window
    planes = {layout.planes["color"]: _with_faults(noisy.color, clean.color, keep=keep_nonfinite)}
    stored = exr.planes(picture, _stored([light for light in layout.lights if light.factor]), window)
    for light in layout.lights:
        name = light.taken.label
        filtered = _with_faults(noisy.layers[name], clean.layers[name], keep=keep_nonfinite)
        planes[light.taken] = _as_stored(light, filtered, stored)
    if layout.alpha and ALPHA in clean.layers and np.ptp(noisy.layers[ALPHA]) > 0:
        planes[layout.alpha] = _with_faults(noisy.layers[ALPHA], clean.layers[ALPHA], keep=keep_nonfinite)
    return planes


def edits(
    selection: Selection,
    planes: Mapping[Taken, Plane],
    attributes: Mapping[str, Attribute],
    *,
    keep_noisy: bool = False,
    compression: str | None = None,
    error: Map | None = None,
) -> dict[int, Edit]:
    """What is to be written: planes, the noisy color as a layer of its own, the expected error as the channel
    `mcdenoise.error`, and every part packed anew if a compression is given."""
    picture, color = selection.picture, selection.layout.planes["color"]
    changes = exr.replaced(planes, attributes)
    if keep_noisy:
        old = changes.get(color.part, Edit(attributes=attributes))
        changes[color.part] = replace(old, added=_noisy(picture, color))
    if error is not None:
        old = changes.get(color.part, Edit(attributes=attributes))
        if ERROR in picture.parts[color.part].types:
            changes[color.part] = replace(old, replaced={**old.replaced, ERROR: error})
        else:
            changes[color.part] = replace(old, added={**old.added, ERROR: error})
    if compression:
        _warn_of_loss(picture, compression)
        packable = [part.index for part in picture.parts if not part.unread]
        changes = {i: replace(changes.get(i, Edit()), compression=compression) for i in packable}
    return changes


def _warn_of_loss(picture: Picture, compression: str) -> None:
    names = {name for part in picture.parts for name in part.head.values}
    if compression in ("DWAA", "DWAB") and any(name.startswith("cryptomatte/") for name in names):
        log.warning("%s: holds cryptomatte, which %s breaks; choose zip", picture.path, compression)


def _elsewhere(plane: str, path: Path, layer: str) -> tuple[Picture, Taken]:
    other = exr.read(path)
    return other, layouts.layer(other.path, other.readable, plane, layer)


def _fits(picture: Picture, layout: Layout, light: Light) -> bool:
    """Whether a part of the light covers the pixels that the color does, in numbers that can be light."""
    color = picture.parts[layout.planes["color"].part]
    parts = [picture.parts[taken.part] for taken in (light.taken, light.factor) if taken]
    kinds = {picture.parts[light.taken.part].types[channel] for channel in light.taken.channels}
    return all(part.window == color.window for part in parts) and "uint" not in kinds


def _overlap(one: Window, other: Window) -> bool:
    return max(one[0], other[0]) <= min(one[2], other[2]) and max(one[1], other[1]) <= min(one[3], other[3])


def _as_stored(light: Light, filtered: Plane, stored: Mapping[Taken, Plane]) -> Plane:
    """A part of the light divided by its factor, if there is one; as it was where the factor is black."""
    if light.factor is None:
        return filtered
    factor = stored[light.factor]
    colored = factor > BLACK
    return np.where(colored, filtered / np.where(colored, factor, 1), stored[light.taken])


def _with_faults(noisy: Layer, clean: Layer, *, keep: bool) -> Layer:
    return np.where(np.isfinite(noisy), clean, noisy) if keep else clean


def _noisy(picture: Picture, color: Taken) -> dict[str, np.ndarray]:
    """The color's own channels under a layer `noisy` that isn't there yet."""
    part = picture.parts[color.part]
    before = color.group.rpartition(".")[0] if "." in color.group else ""
    layer = next(name for name in _names(before) if not any(f"{name}." in channel for channel in part.types))
    pixels = part.channels(color.channels)
    return {f"{layer}.{channel.rpartition('.')[2]}": pixels[channel] for channel in color.channels}


def _names(before: str) -> list[str]:
    prefix = f"{before}." if before else ""
    return [f"{prefix}{NOISY}", *(f"{prefix}{NOISY}{number}" for number in range(2, 99))]

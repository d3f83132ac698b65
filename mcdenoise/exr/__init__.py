"""EXR file <-> Frame, with everything that isn't denoised kept as it was.

Headers are read here, pixels by OpenEXR's library (`_library`), and what doesn't change is copied block by
block as it lies in the file (`_writing`): attributes of unknown types, texts that aren't UTF-8, parts of deep
data, all of it (docs/decisions/0012).
"""

import errno
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from mcdenoise import files, layouts
from mcdenoise.errors import ExrError, FrameError
from mcdenoise.exr import _writing
from mcdenoise.exr._header import COMPRESSIONS, Window
from mcdenoise.exr._memory import require
from mcdenoise.exr._source import Band, Part, Source, read_parts
from mcdenoise.exr._writing import Edit
from mcdenoise.frame import Attribute, Frame, Layer, Plane
from mcdenoise.layouts import OWN_CHANNELS, Layout, Taken

__all__ = ["COMPRESSIONS", "Edit", "Part", "Picture", "Window", "frame", "planes", "read",
           "read_frame", "replaced", "require", "write", "write_frame"]  # fmt: skip

Key = TypeVar("Key", bound=Hashable)
# Attributes of the file rather than of the frame.
_STANDARD = ("name", "type", "view", "pixelAspectRatio", "screenWindowWidth", "chunkCount", "version")


@dataclass(frozen=True)
class Picture:
    """Everything a file holds, so that it can be written again with some of it replaced."""

    source: Source
    parts: tuple[Part, ...]

    @property
    def path(self) -> Path:
        """The file's."""
        return self.source.path

    @property
    def readable(self) -> list[tuple[str, tuple[str, ...]]]:
        """Each part's name and, where it can be read, its channels."""
        return [(part.name, () if part.unread else tuple(part.types)) for part in self.parts]

    def layout(self, named: Mapping[str, str] | None = None, aovs: str = "auto") -> Layout:
        """Which channels are taken for which plane, of the parts that can be read; see `layouts.find`.

        Raises:
            FrameError: there is no R, G, B, or it is stored as integers, or no layer that is named.
        """
        unread = [part.unread for part in self.parts]
        if all(unread):
            raise FrameError(f"{self.path}: {unread[0]}")
        found = layouts.find(self.path, self.readable, named, aovs)
        color = found.planes["color"]
        if "uint" in {self.parts[color.part].types[name] for name in color.channels}:
            names = ", ".join(color.channels)
            raise FrameError(f"{self.path}: {names} are integers, not radiance; render as float")
        return found

    def attributes(self, layout: Layout) -> dict[str, Attribute]:
        """The texts and numbers that the color's part says of the frame."""
        values = self.parts[layout.planes["color"].part].head.values
        return {name: value for name, value in values.items() if name not in _STANDARD}


def read(path: Path) -> Picture:
    """Look into an EXR file of any kind; a part's pixels are unpacked when they are asked for.

    Raises:
        NoInputError: there is no such file.
        ExrError: it isn't EXR, or is damaged or cut off.
    """
    source, parts = read_parts(path)
    return Picture(source, tuple(parts))


def frame(picture: Picture, layout: Layout) -> Frame:
    """The planes of `layout` as float32 in the color's data window, and the str, int and float attributes.

    Raises:
        ExrError: pixels are damaged, of a kind that isn't handled, or more than memory.
    """
    window = picture.parts[layout.planes["color"].part].window
    return Frame(planes(picture, layout.planes, window), picture.attributes(layout))


def planes(picture: Picture, layers: Mapping[Key, Taken], window: Window) -> dict[Key, Layer]:
    """Each layer's channels stacked as float32 and moved into `window`: zero where their part has no pixels.

    Each part is unpacked once, whatever is taken from it.

    Raises:
        ExrError: they are damaged, of a kind that isn't handled, or more than memory.
    """
    x0, y0, x1, y1 = window
    size = y1 - y0 + 1, x1 - x0 + 1
    require(picture.path, 4 * math.prod(size) * sum(len(taken.channels) for taken in layers.values()))
    found = {name: np.zeros((*size, len(taken.channels)), np.float32) for name, taken in layers.items()}
    for part in picture.parts:
        mine = {name: taken.channels for name, taken in layers.items() if taken.part == part.index}
        for band in part.bands() if mine else ():
            for name, channels in mine.items():
                _move(band, channels, found[name], window)
    return found


def _move(band: Band, channels: Sequence[str], plane: Layer, window: Window) -> None:
    """Put the channels of a band where they lie in the plane of `window`."""
    (x0, y0, x1, y1), (left, top, right, bottom) = window, band.window
    columns, rows = range(max(x0, left), min(x1, right) + 1), range(max(y0, top), min(y1, bottom) + 1)
    if columns and rows:
        to = slice(rows.start - y0, rows.stop - y0), slice(columns.start - x0, columns.stop - x0)
        source = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
        for number, name in enumerate(channels):
            plane[(*to, number)] = band.pixels[name][source]


def write(path: Path, picture: Picture, edits: Mapping[int, Edit]) -> None:
    """Write `picture` with `edits` (by number of the part) made, all else to the bit. Whole or not at all.

    Raises:
        ExrError: the file can't be written (no space, no such folder, read-only), or `picture` not be read.
    """
    for index in edits:
        if unread := picture.parts[index].unread:
            raise ExrError(f"{picture.path}: {unread}")
    try:
        with files.whole(path) as part, part.open("wb") as stream:
            _writing.write(stream, picture.source, picture.parts, edits)
    except OSError as error:
        raise ExrError(f"{path}: can't be written: {error.strerror}; {_cure(error)}") from error
    except ValueError as error:
        raise ExrError(f"{path}: can't be written: {error}; please report this file") from error


def replaced(planes: Mapping[Taken, Plane], attributes: Mapping[str, Attribute]) -> dict[int, Edit]:
    """The edits that exchange the channels of each plane, and set attributes where something changes."""
    channels: dict[int, dict[str, np.ndarray]] = {}
    for taken, pixels in planes.items():
        mine = {channel: pixels[..., i] for i, channel in enumerate(taken.channels)}
        channels.setdefault(taken.part, {}).update(mine)
    return {part: Edit(replaced=mine, attributes=attributes) for part, mine in channels.items()}


def read_frame(path: Path) -> Frame:
    """Read the planes of a file, chosen by name; see `read` and `frame`, and `FrameError` without R, G, B."""
    picture = read(path)
    return frame(picture, picture.layout())


def write_frame(path: Path, frame: Frame) -> None:
    """Write `frame` under our own channel names: color and depth as float, albedo and normal as half, ZIP.

    Raises:
        ExrError: the file can't be written (no space, no such folder, read-only).
    """
    channels = {}
    for name, pixels in frame.planes.items():
        kind = "half" if name in ("albedo", "normal") else "float"
        for i, channel in enumerate(OWN_CHANNELS[name]):
            channels[channel] = _writing.stored(pixels[..., i], kind)
    try:
        with files.whole(path) as part, part.open("wb") as stream:
            _writing.write_new(stream, channels, frame.attributes)
    except OSError as error:
        raise ExrError(f"{path}: can't be written: {error.strerror}; {_cure(error)}") from error


def _cure(error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return "free some space or choose another folder" if full else "choose another folder"

"""EXR file <-> Frame, with everything that isn't denoised kept as it was.

Headers are read here, pixels by OpenEXR's library (`_library`), and what doesn't change is copied block by
block as it lies in the file (`_writing`): attributes of unknown types, texts that aren't UTF-8, parts of deep
data, all of it (docs/decisions/0012).
"""

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mcdenoise import files, layouts
from mcdenoise.errors import ExrError, FrameError
from mcdenoise.exr import _memory, _writing
from mcdenoise.exr._header import COMPRESSIONS, Window
from mcdenoise.exr._source import Part, Source, read_parts
from mcdenoise.exr._writing import Edit
from mcdenoise.frame import Attribute, Frame, Plane
from mcdenoise.layouts import OWN_CHANNELS, Layout, Taken

__all__ = ["COMPRESSIONS", "Edit", "Part", "Picture", "Window", "frame", "plane", "read",
           "read_frame", "replaced", "write", "write_frame"]  # fmt: skip

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
            FrameError: there is no R, G, B, or no layer that is named.
        """
        unread = [part.unread for part in self.parts]
        if all(unread):
            raise FrameError(f"{self.path}: {unread[0]}")
        return layouts.find(self.path, self.readable, named, aovs)


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
        ExrError: pixels are damaged or of a kind that isn't handled.
        FrameError: the color is stored as integers.
    """
    color = layout.planes["color"]
    part = picture.parts[color.part]
    if any(part.types[name] == "uint" for name in color.channels):
        raise FrameError(
            f"{picture.path}: {', '.join(color.channels)} are integers, not radiance; render as float"
        )
    planes = {name: plane(picture, taken, part.window) for name, taken in layout.planes.items()}
    return Frame(planes, {k: v for k, v in part.head.values.items() if k not in _STANDARD})


def plane(picture: Picture, taken: Taken, window: Window) -> Plane:
    """Channels stacked as float32 and moved into `window`: zero where their part has no pixels.

    Raises:
        ExrError: they are damaged or of a kind that isn't handled.
    """
    part = picture.parts[taken.part]
    x0, y0, x1, y1 = window
    _memory.refuse_beyond(picture.path, 4 * (x1 - x0 + 1) * (y1 - y0 + 1) * len(taken.channels))
    stacked = np.stack([part.pixels[name].astype(np.float32) for name in taken.channels], axis=-1)
    if part.window == window:
        return stacked
    left, top, right, bottom = part.window
    moved = np.zeros((y1 - y0 + 1, x1 - x0 + 1, stacked.shape[-1]), np.float32)
    first, last = (max(x0, left), max(y0, top)), (min(x1, right) + 1, min(y1, bottom) + 1)
    if first[0] < last[0] and first[1] < last[1]:
        inside = stacked[first[1] - top : last[1] - top, first[0] - left : last[0] - left]
        moved[first[1] - y0 : last[1] - y0, first[0] - x0 : last[0] - x0] = inside
    return moved


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

"""EXR file <-> Frame; the only importer of OpenEXR.

*Measured* over 250 real files and 29 attribute types, unknown ones among them: OpenEXR 3.5.3's binding reads
and writes a flat file without loss, but kills the process on deep data, leaves out damaged parts and mipmap
levels without an error, and can't write subsampled channels or read text that isn't UTF-8. `_header` refuses
what it can't keep. What does change: the `type` attribute is written out where it was absent, so attributes
may come in another order, and what `_kept` says about DWA.
"""

import errno
import io
import logging
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import OpenEXR

from mcdenoise import files, layouts
from mcdenoise.errors import ExrError, FrameError, NoInputError
from mcdenoise.exr._header import DAMAGED, Declared, Window, declared
from mcdenoise.frame import Attribute, Frame, Plane
from mcdenoise.layouts import OWN_CHANNELS, Layout, Taken

log = logging.getLogger(__name__)

HALF_MAX = 65504.0  # the largest finite half

# Attributes of the file rather than of the frame.
_STANDARD = ("name", "view", "pixelAspectRatio", "screenWindowWidth", "chunkCount", "version")


@dataclass(frozen=True)
class Part:
    """One picture of a file: its channels with their own types (`half`, `float`, `uint`) and its header.

    `pixels` is empty where only headers were read; `header` holds the binding's own values.
    """

    name: str
    types: Mapping[str, str]
    window: Window
    header: Mapping[str, Any]
    pixels: Mapping[str, np.ndarray] = field(repr=False)


@dataclass(frozen=True)
class Picture:
    """Everything a file holds, so that it can be written again with some of it replaced."""

    path: Path
    parts: tuple[Part, ...]

    @property
    def layout(self) -> Layout:
        """Which channels are taken for which plane.

        Raises:
            FrameError: there is no R, G, B.
        """
        return layouts.find(self.path, [(part.name, tuple(part.types)) for part in self.parts])


def read(path: Path, *, headers_only: bool = False) -> Picture:
    """Read a flat EXR file of any kind.

    Raises:
        NoInputError: there is no such file.
        ExrError: it isn't EXR, is damaged, or is of a kind that couldn't be written again unchanged.
    """
    try:
        with path.open("rb") as stream:
            heads = declared(path, stream)
            stream.seek(0)
            parts = _library_parts(path, stream, headers_only)
    except FileNotFoundError as error:
        raise NoInputError(f"{path}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise ExrError(f"{path}: is a folder; give the frames in it ({path}/*.exr)") from error
    except OSError as error:
        raise ExrError(f"{path}: can't be read: {error.strerror}; check its rights and its disk") from error
    if len(parts) != len(heads):
        raise ExrError(f"{path}: {DAMAGED}")
    return Picture(path, tuple(_part(d, p, headers_only) for d, p in zip(heads, parts, strict=True)))


def frame(picture: Picture, layout: Layout) -> Frame:
    """The planes of `layout` as float32 in the color's data window, and the str, int and float attributes.

    Raises:
        FrameError: the color is stored as integers.
    """
    color = layout.planes["color"]
    part = picture.parts[color.part]
    if any(part.types[name] == "uint" for name in color.channels):
        raise FrameError(
            f"{picture.path}: {', '.join(color.channels)} are integers, not radiance; render as float"
        )
    planes = {name: _plane(picture.parts[t.part], t, part.window) for name, t in layout.planes.items()}
    return Frame(planes, _attributes(part.header))


def write(path: Path, picture: Picture, replaced: Mapping[Taken, Plane],
          attributes: Mapping[str, Attribute]) -> None:  # fmt: skip
    """Write `picture` with the channels of `replaced` exchanged in their own types, all else to the bit.

    `attributes` are added to the parts that changed. Whole or not at all.

    Raises:
        ExrError: the file can't be written (no space, no such folder, read-only).
    """
    pixels = {
        (taken.part, channel): plane[..., i]
        for taken, plane in replaced.items()
        for i, channel in enumerate(taken.channels)
    }
    changed = {part for part, _ in pixels}
    parts = []
    for index, part in enumerate(picture.parts):
        mine = {channel: plane for (i, channel), plane in pixels.items() if i == index}
        parts.append(_kept(path, part, mine, attributes if index in changed else {}))
    _write_whole(path, OpenEXR.File(parts))


def read_frame(path: Path) -> Frame:
    """Read the planes of a file, chosen by name; see `read` and `frame`, and `FrameError` without R, G, B."""
    picture = read(path)
    return frame(picture, picture.layout)


def write_frame(path: Path, frame: Frame) -> None:
    """Write `frame` under our own channel names: color and depth as float, albedo and normal as half, ZIP.

    Raises:
        ExrError: the file can't be written (no space, no such folder, read-only).
    """
    channels = {}
    for name, plane in frame.planes.items():
        kind = "half" if name in ("albedo", "normal") else "float"
        for i, channel in enumerate(OWN_CHANNELS[name]):
            channels[channel] = _stored(plane[..., i], kind)
    header = {**frame.attributes, "compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    _write_whole(path, OpenEXR.File(header, channels))


# ---- pixels ----


def _plane(part: Part, taken: Taken, window: Window) -> Plane:
    """The channels stacked, moved into `window`: zero where the part has no pixels."""
    plane = np.stack([part.pixels[name].astype(np.float32) for name in taken.channels], axis=-1)
    if part.window == window:
        return plane
    (x0, y0, x1, y1), (left, top, right, bottom) = window, part.window
    moved = np.zeros((y1 - y0 + 1, x1 - x0 + 1, plane.shape[-1]), np.float32)
    first, last = (max(x0, left), max(y0, top)), (min(x1, right) + 1, min(y1, bottom) + 1)
    if first[0] < last[0] and first[1] < last[1]:
        inside = plane[first[1] - top : last[1] - top, first[0] - left : last[0] - left]
        moved[first[1] - y0 : last[1] - y0, first[0] - x0 : last[0] - x0] = inside
    return moved


def _stored(pixels: np.ndarray, kind: str) -> np.ndarray:
    """One channel as `kind`; half is rounded to nearest, and clipped rather than turned to Inf."""
    if kind == "half":
        finite = np.isfinite(pixels)
        pixels = np.where(finite, np.clip(pixels, -HALF_MAX, HALF_MAX), pixels)
    return np.ascontiguousarray(pixels, dtype={"half": np.float16, "float": np.float32}[kind])


def _kept(
    path: Path, part: Part, replaced: Mapping[str, np.ndarray], attributes: Mapping[str, Attribute]
) -> Any:
    """The binding's part with some channels exchanged.

    DWA loses anew each time it packs a channel named R, G, B, Y, RY or BY (*measured*; PXR24 and B44 give the
    same bits again): a part that keeps such a channel is packed as ZIP, so that its pixels stay.
    """
    header = {**part.header, **attributes}
    kept = [name for name in part.types if name not in replaced]
    lossy = header["compression"] in (OpenEXR.DWAA_COMPRESSION, OpenEXR.DWAB_COMPRESSION)
    if lossy and any(name.rpartition(".")[2].upper() in ("R", "G", "B", "Y", "RY", "BY") for name in kept):
        header["compression"] = OpenEXR.ZIP_COMPRESSION
        log.warning("%s: part %r packed as ZIP: DWA would change the channels that are kept", path, part.name)
    linear = {channel.name: bool(channel.pLinear) for channel in part.header["channels"]}
    channels = {}
    for name, kind in part.types.items():
        pixels = _stored(replaced[name], kind) if name in replaced else part.pixels[name]
        channels[name] = OpenEXR.Channel(name, pixels, 1, 1, linear[name])
    return OpenEXR.Part(header, channels, part.name)


def _attributes(header: Mapping[str, Any]) -> dict[str, Attribute]:
    return {k: v for k, v in header.items() if type(v) in (str, int, float) and k not in _STANDARD}


# ---- the library ----


def _part(declared: Declared, part: Any, headers_only: bool) -> Part:
    pixels = {} if headers_only else {name: part.channels[name].pixels for name in declared.types}
    return Part(part.header.get("name", ""), declared.types, declared.window, part.header, pixels)


def _library_parts(path: Path, stream: BinaryIO, headers_only: bool) -> Sequence[Any]:
    try:
        with _captured() as said:
            parts: Sequence[Any] = OpenEXR.File(
                stream, separate_channels=True, header_only=headers_only
            ).parts
    except UnicodeDecodeError as error:
        raise ExrError(
            f"{path}: a text in its header isn't UTF-8; write it again with plain names"
        ) from error
    except MemoryError as error:
        raise ExrError(f"{path}: too large for this machine's memory; use a smaller frame") from error
    except (RuntimeError, ValueError, TypeError) as error:
        raise ExrError(f"{path}: {DAMAGED} ({_one_line(error)})") from error
    if said:
        log.debug("%s: %s", path, "; ".join(said))
    return parts


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


_capturing = threading.Lock()


@contextmanager
def _captured() -> Iterator[list[str]]:
    """Keep what OpenEXR says about damaged files off the terminal; the lines are there after the block.

    The binding prints to Python's stdout, the C++ code under it to descriptor 2. What other threads write
    there in the meantime goes with it.
    """
    said: list[str] = []
    printed = io.StringIO()
    with _capturing, tempfile.TemporaryFile() as kept, redirect_stdout(printed):
        stderr = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            kept.seek(0)
            said += printed.getvalue().splitlines() + kept.read().decode(errors="replace").splitlines()


def _write_whole(path: Path, file: Any) -> None:
    try:
        with files.whole(path) as part, part.open("wb") as stream:
            file.write(stream)
    except OSError as error:
        raise ExrError(f"{path}: can't be written: {error.strerror}; {_cure(error)}") from error
    except (RuntimeError, ValueError, TypeError) as error:
        raise ExrError(f"{path}: can't be written: {_one_line(error)}; please report this file") from error


def _cure(error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return "free some space or choose another folder" if full else "choose another folder"

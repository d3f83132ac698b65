"""Packs and unpacks pixels with OpenEXR's library; nothing else here imports it.

It sees one level of one part at a time, under a header that is made here: on some real headers the binding of
3.5.3 kills the process or can't read a text, and it neither reads nor writes smaller levels
(docs/decisions/0012).
"""

import io
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np
import OpenEXR

from mcdenoise.errors import telling
from mcdenoise.exr import _chunks, _header
from mcdenoise.exr._chunks import Key, Level
from mcdenoise.exr._header import DamageError, Head, Window

log = logging.getLogger(__name__)

OpenEXR.set_global_thread_count(os.cpu_count() or 1)

KINDS = {"half": np.float16, "float": np.float32, "uint": np.uint32}
# Attributes that say how hard to pack.
_SETTINGS = ("dwaCompressionLevel", "zipCompressionLevel")


def unpacked(head: Head, level: Level, chunks: Sequence[bytes]) -> dict[str, np.ndarray]:
    """The channels of a level, or band, from its chunks' packed pixels, which stand in the order of its keys.

    Raises:
        DamageError: they can't be unpacked.
        MemoryError: there isn't enough for them.
    """
    file = io.BytesIO(b"".join(_chunks.file(head, level, chunks)))
    try:
        with _captured() as said:
            parts = OpenEXR.File(file, separate_channels=True).parts
            channels = {name: channel.pixels for part in parts for name, channel in part.channels.items()}
    except (RuntimeError, ValueError, TypeError, UnicodeDecodeError) as error:
        raise DamageError(_one_line(error)) from error
    if said:
        log.debug("%s", "; ".join(said))
    shape = (level.window[3] - level.window[1] + 1, level.window[2] - level.window[0] + 1)
    if any(
        channel.name not in channels or channels[channel.name].shape != shape for channel in head.channels
    ):
        raise DamageError("a channel has no pixels")
    return {channel.name: channels[channel.name] for channel in head.channels}


def packed(head: Head, level: Level, pixels: Mapping[str, np.ndarray]) -> dict[Key, bytes]:
    """The packed pixels of the chunks of a level or band.

    Raises:
        ValueError: the library refuses them; a fault here, not the user's.
    """
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.Compression(head.compression)}
    header["dataWindow"] = header["displayWindow"] = _corners(level.window)
    if head.tiles:
        tiles = OpenEXR.TileDescription()
        tiles.xSize, tiles.ySize = head.tiles.width, head.tiles.height
        header.update(type=OpenEXR.tiledimage, tiles=tiles)
    header.update({name: head.values[name] for name in _SETTINGS if name in head.values})
    channels = {
        channel.name: OpenEXR.Channel(
            channel.name, np.ascontiguousarray(pixels[channel.name]), 1, 1, channel.linear
        )
        for channel in head.channels
    }
    file = io.BytesIO()
    try:
        with _captured():
            OpenEXR.File(header, channels).write(file)
    except RuntimeError as error:
        raise ValueError(_one_line(error)) from error
    return _payloads(file, level)


def _corners(window: Window) -> tuple[np.ndarray, np.ndarray]:
    return np.array(window[:2], np.int32), np.array(window[2:], np.int32)


def _payloads(file: io.BytesIO, level: Level) -> dict[Key, bytes]:
    """The packed pixels in a file of one level that the library wrote, under their keys in the part."""
    size = file.tell()
    file.seek(0)
    _, (head,) = _header.heads(Path("memory"), file, size)
    (offsets,) = _chunks.tables(file, [head], multipart=False, size=size)
    places = _chunks.places(file, 0, head, offsets, multipart=False, size=size)
    view = file.getbuffer()
    return {
        key: bytes(view[place.offset + place.header : place.offset + place.size])
        for key, place in zip(level.keys, places.values(), strict=True)
    }


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


@contextmanager
def _captured() -> Iterator[list[str]]:
    """Keep what OpenEXR says about damaged files off the terminal; the lines are there after the block.

    The binding prints to Python's stdout, the C++ code under it to descriptor 2. What other threads write
    there in the meantime goes with it, unless they hold `errors.telling`.
    """
    said: list[str] = []
    printed = io.StringIO()
    with telling, tempfile.TemporaryFile() as kept, redirect_stdout(printed):
        stderr = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            kept.seek(0)
            said += printed.getvalue().splitlines() + kept.read().decode(errors="replace").splitlines()

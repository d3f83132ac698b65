"""What a file declares about itself, read without the library, which can't be trusted with every file.

Source: https://openexr.com/en/latest/OpenEXRFileLayout.html
"""

import math
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mcdenoise.errors import ExrError

Window = tuple[int, int, int, int]  # x and y of the first pixel, x and y of the last one

DAMAGED = "damaged or cut off; copy or render it again"
_MAGIC = b"\x76\x2f\x31\x01"
_TILED, _DEEP, _MULTIPART = 0x200, 0x800, 0x1000
_TYPES = {0: "uint", 1: "half", 2: "float"}
_BYTES = {"uint": 4, "half": 2, "float": 4}
# Scanlines in a chunk, by the number of the compression; measured for those newer than the specification.
_LINES = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256, 10: 256, 11: 32, 12: 256, 13: 1}
# Pixels beyond this must stand in some proportion to the file's size; zlib packs 1032 to 1 at best.
_FREE_BYTES, _MOST_RATIO = 2**30, 1100

_Attributes = Mapping[str, bytes]


@dataclass(frozen=True)
class Declared:
    """One part: its channels' types (`half`, `float`, `uint`) by name, and its data window."""

    types: Mapping[str, str]
    window: Window


@dataclass(frozen=True)
class _Channel:
    name: str
    kind: str
    sampling: tuple[int, int]


class _DamageError(Exception):
    """The bytes can't be what they should be; what is wrong."""


def declared(path: Path, stream: BinaryIO) -> list[Declared]:
    """The parts of an EXR file that can be read, and written again, without loss; no pixel is decoded.

    Raises:
        ExrError: the file isn't EXR, is cut off, or is of a kind that isn't handled.
    """
    flags = _flags(path, stream)
    try:
        headers = list(_headers(stream, multipart=bool(flags & _MULTIPART)))
        for header in headers:
            _refuse_unhandled(path, flags, header)
        _check_size(path, stream, headers)
        _check_chunks(stream, headers, tiled=bool(flags & _TILED), multipart=bool(flags & _MULTIPART))
    except (_DamageError, struct.error, KeyError, UnicodeDecodeError) as error:
        raise ExrError(f"{path}: {DAMAGED}{_detail(error)}") from error
    return [Declared({c.name: c.kind for c in _channels(h["channels"])}, _window(h)) for h in headers]


def _flags(path: Path, stream: BinaryIO) -> int:
    start = stream.read(8)
    if not start:
        raise ExrError(f"{path}: the file is empty; render or copy it again")
    if start[:4] != _MAGIC[: len(start)]:
        raise ExrError(f"{path}: not an OpenEXR file; give an .exr file")
    if len(start) < 8:
        raise ExrError(f"{path}: {DAMAGED}")
    version: int = struct.unpack("<4xI", start)[0]
    if version & 0xFF != 2:
        raise ExrError(f"{path}: EXR version {version & 0xFF} isn't known; write it as version 2")
    if version & _DEEP:
        _refuse_deep(path)
    return version


def _detail(error: Exception) -> str:
    return f" ({error})" if isinstance(error, _DamageError) and str(error) else ""


# ---- refusals ----


def _refuse_deep(path: Path) -> None:
    raise ExrError(f"{path}: deep data isn't handled; flatten it first (oiiotool IN --flatten -o OUT)")


def _refuse_unhandled(path: Path, flags: int, header: _Attributes) -> None:
    """Raise ExrError for deep data, luminance-chroma, subsampling and mipmaps."""
    if header.get("type", b"").startswith(b"deep"):
        _refuse_deep(path)
    channels = _channels(header["channels"])
    if subsampled := [channel.name for channel in channels if channel.sampling != (1, 1)]:
        if {"RY", "BY"} & {name.rpartition(".")[2] for name in subsampled}:
            raise ExrError(f"{path}: luminance-chroma (Y, RY, BY) isn't handled; convert it to R, G, B first")
        raise ExrError(
            f"{path}: subsampled channels ({ascii(subsampled)[1:-1]}) aren't handled; write them whole"
        )
    if _is_tiled(header, bool(flags & _TILED)) and header["tiles"][8] & 0x0F:
        raise ExrError(f"{path}: mipmaps aren't handled; give the render itself, not a texture made of it")


def _check_size(path: Path, stream: BinaryIO, headers: Sequence[_Attributes]) -> None:
    """Refuse windows that would fill the memory with what so small a file can't hold."""
    size = os.fstat(stream.fileno()).st_size
    total = 0
    for header in headers:
        x0, y0, x1, y1 = _window(header)
        if x1 < x0 or y1 < y0:
            raise _DamageError("its data window has no pixels")
        total += (x1 - x0 + 1) * (y1 - y0 + 1) * sum(_BYTES[c.kind] for c in _channels(header["channels"]))
    if total > max(_FREE_BYTES, _MOST_RATIO * size):
        raise ExrError(f"{path}: {DAMAGED} (it declares {total} bytes of pixels and has {size})")


def _check_chunks(stream: BinaryIO, headers: Sequence[_Attributes], *, tiled: bool, multipart: bool) -> None:
    """Every chunk of pixels that the offset tables name lies in the file, the last one to its end."""
    size = os.fstat(stream.fileno()).st_size
    for header, count in [(header, _chunk_count(header, tiled)) for header in headers]:
        if count is None:
            return
        if count * 8 > size - stream.tell():
            raise _DamageError("it ends before its pixels")
        offsets = np.frombuffer(stream.read(count * 8), "<u8")
        if (offsets == 0).any():
            raise _DamageError(f"{(offsets == 0).sum()} of {count} blocks of pixels are missing")
        place, last = stream.tell(), int(offsets.max())
        if last >= size or last + _chunk_size(stream, last, _is_tiled(header, tiled), multipart) > size:
            raise _DamageError("it ends within its pixels")
        stream.seek(place)


def _chunk_size(stream: BinaryIO, offset: int, tiled: bool, multipart: bool) -> int:
    """Bytes of the chunk at `offset`, its own header included."""
    length = 4 * multipart + (20 if tiled else 8)
    stream.seek(offset + length - 4)
    packed: int = struct.unpack("<i", stream.read(4))[0]
    return length + max(packed, 0)


def _chunk_count(header: _Attributes, tiled: bool) -> int | None:
    """How many chunks the part has; None for a compression that isn't known here."""
    x0, y0, x1, y1 = _window(header)
    if _is_tiled(header, tiled):
        width: int
        height: int
        width, height = struct.unpack_from("<II", header["tiles"])
        if not (width and height):
            raise _DamageError("its tiles have no size")
        return math.ceil((x1 - x0 + 1) / width) * math.ceil((y1 - y0 + 1) / height)
    lines = _LINES.get(header["compression"][0])
    return math.ceil((y1 - y0 + 1) / lines) if lines else None


# ---- bytes ----


def _is_tiled(header: _Attributes, flag: bool) -> bool:
    return header["type"].startswith(b"tiled") if "type" in header else flag


def _window(header: _Attributes) -> Window:
    x0, y0, x1, y1 = struct.unpack("<4i", header["dataWindow"])
    return x0, y0, x1, y1


def _headers(stream: BinaryIO, *, multipart: bool) -> Iterator[_Attributes]:
    while header := dict(_attributes(stream)):
        yield header
        if not multipart:
            return


def _attributes(stream: BinaryIO) -> Iterator[tuple[str, bytes]]:
    while name := _text(stream):
        _text(stream)  # its type
        size = struct.unpack("<i", stream.read(4))[0]
        if not 0 <= size <= os.fstat(stream.fileno()).st_size:
            raise _DamageError("a header attribute has no end")
        yield name.decode(errors="replace"), stream.read(size)


def _text(stream: BinaryIO, longest: int = 255) -> bytes:
    """Bytes up to the next zero."""
    start = stream.tell()
    text, zero, _ = stream.read(longest + 1).partition(b"\0")
    if not zero:
        raise _DamageError("its header has no end")
    stream.seek(start + len(text) + 1)
    return text


def _channels(packed: bytes) -> list[_Channel]:
    """The channel list: name, zero, type, linear, 3 reserved bytes, x and y sampling; no name ends it."""
    channels = []
    while packed and packed[0]:
        name, _, packed = packed.partition(b"\0")
        kind, x, y = struct.unpack_from("<i4xii", packed)
        channels.append(_Channel(name.decode(), _TYPES[kind], (x, y)))
        packed = packed[16:]
    return channels

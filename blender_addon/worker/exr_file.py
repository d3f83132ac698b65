# SPDX-License-Identifier: GPL-3.0-or-later
"""EXR files as Blender writes them: flat scanlines, one part or several, uncompressed, RLE or ZIP.

By hand, because Blender 4.2's Python has no library for them (docs/decisions/0013). What isn't replaced
comes out with the same pixels and attributes; compression becomes ZIP.
"""

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .errors import WorkError

MAGIC = 20000630
TILED, DEEP, SEVERAL, LONG_NAMES = 0x200, 0x800, 0x1000, 0x400
KINDS = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}
# Compression: its number in the file, and the lines that it takes together.
LINES = {0: 1, 1: 1, 2: 1, 3: 16}
ZIP = 3
COMPRESSIONS = {4: "PIZ", 5: "PXR24", 6: "B44", 7: "B44A", 8: "DWAA", 9: "DWAB"}
DAMAGED = "is damaged or cut off; render it again"

Attributes = Mapping[str, tuple[str, bytes]]


@dataclass(frozen=True)
class Part:
    """One picture of a file: attributes by name (type, bytes); channels as h w, each in its own type."""

    attributes: Attributes
    channels: Mapping[str, np.ndarray] = field(repr=False)

    @property
    def name(self) -> str:
        """Of the part; empty where there is one only."""
        return self.text("name")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return _size(self.attributes)

    def text(self, attribute: str) -> str:
        """An attribute of type string."""
        return self.attributes.get(attribute, ("", b""))[1].decode("utf-8", "replace")


def read(path: Path) -> list[Part]:
    """All parts of a file.

    Raises:
        WorkError: there is none, it is damaged, or of a kind that Blender's multilayer output isn't.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise WorkError(f"{path}: no such file; render it first") from error
    except OSError as error:
        raise WorkError(f"{path}: can't be read: {error.strerror}; check its rights and its disk") from error
    try:
        return _parts(path, content)
    except (struct.error, zlib.error, ValueError, IndexError, KeyError) as error:
        raise WorkError(f"{path}: {DAMAGED}") from error


def write(path: Path, parts: list[Part]) -> None:
    """Write beside `path`, sync, rename: whole or not at all.

    Raises:
        WorkError: it can't be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            file.write(_content(parts))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise WorkError(
            f"{path}: can't be written: {error.strerror}; free some space or choose another folder"
        ) from error


# ---- reading ----


def _parts(path: Path, content: bytes) -> list[Part]:
    magic, version = struct.unpack_from("<II", content)
    if magic != MAGIC:
        raise WorkError(f"{path}: is no EXR file; render as OpenEXR MultiLayer")
    if version & (TILED | DEEP):
        raise WorkError(f"{path}: has tiles or deep pixels; render as OpenEXR MultiLayer")
    headers, place = _headers(content, bool(version & SEVERAL))
    tables = []
    for header in headers:
        count = -(-_size(header)[0] // _lines(path, header))
        tables.append(struct.unpack_from(f"<{count}Q", content, place))
        place += 8 * count
    several = bool(version & SEVERAL)
    return [Part(h, _pixels(content, h, t, several)) for h, t in zip(headers, tables, strict=True)]


def _headers(content: bytes, several: bool) -> tuple[list[Attributes], int]:
    headers, place = [], 8
    while True:
        header: dict[str, tuple[str, bytes]] = {}
        while content[place]:
            name, place = _text(content, place)
            kind, place = _text(content, place)
            (size,) = struct.unpack_from("<i", content, place)
            header[name] = kind, content[place + 4 : place + 4 + size]
            place += 4 + size
        headers.append(header)
        place += 1
        if not several or not content[place]:
            return headers, place + several


def _text(content: bytes, place: int) -> tuple[str, int]:
    end = content.index(b"\0", place)
    return content[place:end].decode("utf-8", "replace"), end + 1


def _size(header: Attributes) -> tuple[int, int]:
    left, top, right, bottom = struct.unpack("<4i", header["dataWindow"][1])
    return bottom - top + 1, right - left + 1


def _lines(path: Path, header: Attributes) -> int:
    number = header["compression"][1][0]
    if number not in LINES:
        name = COMPRESSIONS.get(number, f"number {number}")
        raise WorkError(f"{path}: is compressed as {name}; choose ZIP in the output settings")
    return LINES[number]


def _channel_list(header: Attributes) -> list[tuple[str, np.dtype[Any]]]:
    """Names and types in the file's order."""
    packed, place, found = header["channels"][1], 0, []
    while packed[place]:
        name, place = _text(packed, place)
        kind, _, across, down = struct.unpack_from("<iIii", packed, place)
        if (across, down) != (1, 1):
            raise ValueError(f"channel {name} is subsampled")
        found.append((name, KINDS[kind]))
        place += 16
    return found


def _pixels(
    content: bytes, header: Attributes, table: tuple[int, ...], several: bool
) -> dict[str, np.ndarray]:
    (height, width), listed = _size(header), _channel_list(header)
    top = struct.unpack_from("<4i", header["dataWindow"][1])[1]
    number = header["compression"][1][0]
    planes = {name: np.empty((height, width), kind) for name, kind in listed}
    row_bytes = sum(kind.itemsize for _, kind in listed) * width
    for offset in table:
        y, size = struct.unpack_from("<ii", content, offset + 4 * several)
        first = y - top
        count = min(LINES[number], height - first)
        start = offset + 4 * several + 8
        packed = content[start : start + size]
        if not offset or first < 0 or len(packed) != size:
            raise ValueError("a chunk lies outside of the file")
        rows = np.frombuffer(_unpacked(packed, number, row_bytes * count), np.uint8).reshape(count, row_bytes)
        at = 0
        for name, kind in listed:
            planes[name][first : first + count] = rows[:, at : at + kind.itemsize * width].copy().view(kind)
            at += kind.itemsize * width
    return planes


def _unpacked(packed: bytes, compression: int, size: int) -> bytes:
    if len(packed) == size:  # what doesn't get smaller is stored as it is
        return packed
    differences = np.frombuffer(
        _runs(packed) if compression == 1 else zlib.decompress(packed), np.uint8
    ).copy()
    if len(differences) != size:
        raise ValueError("a chunk has another size than it should")
    differences[1:] -= 128
    summed = np.cumsum(differences, dtype=np.uint8)
    joined = np.empty(size, np.uint8)
    joined[::2], joined[1::2] = summed[: (size + 1) // 2], summed[(size + 1) // 2 :]
    return joined.tobytes()


def _runs(packed: bytes) -> bytes:
    """RLE: a count below 0 is that many bytes as they are, else the next byte once more than counted."""
    found, place = bytearray(), 0
    while place < len(packed):
        count = packed[place] - 256 * (packed[place] > 127)
        found += (
            packed[place + 1 : place + 1 - count]
            if count < 0
            else packed[place + 1 : place + 2] * (count + 1)
        )
        place += 1 - count if count < 0 else 2
    return bytes(found)


# ---- writing ----


def _content(parts: list[Part]) -> bytes:
    several = len(parts) > 1
    ordered = [
        replace(part, channels=dict(sorted(part.channels.items(), key=lambda c: c[0].encode())))
        for part in parts
    ]
    chunks = [list(_chunks(part, number, several)) for number, part in enumerate(ordered)]
    head = b"".join(_header(part, len(mine), several) for part, mine in zip(ordered, chunks, strict=True))
    head = struct.pack("<II", MAGIC, 2 | LONG_NAMES | SEVERAL * several) + head + b"\0" * several
    offset = len(head) + 8 * sum(map(len, chunks))
    table = []
    for chunk in (chunk for mine in chunks for chunk in mine):
        table.append(offset)
        offset += len(chunk)
    return (
        head + struct.pack(f"<{len(table)}Q", *table) + b"".join(chunk for mine in chunks for chunk in mine)
    )


def _header(part: Part, count: int, several: bool) -> bytes:
    attributes = {
        **part.attributes,
        "compression": ("compression", bytes([ZIP])),
        "lineOrder": ("lineOrder", b"\0"),
    }
    attributes["channels"] = "chlist", b"".join(map(_listed, part.channels.items())) + b"\0"
    if several:
        attributes["type"] = "string", b"scanlineimage"
        attributes["chunkCount"] = "int", struct.pack("<i", count)
    packed = [
        f"{name}\0{kind}\0".encode() + struct.pack("<i", len(value)) + value
        for name, (kind, value) in attributes.items()
    ]
    return b"".join(packed) + b"\0"


def _listed(channel: tuple[str, np.ndarray]) -> bytes:
    name, pixels = channel
    kind = next(number for number, kind in KINDS.items() if kind == pixels.dtype)
    return name.encode() + b"\0" + struct.pack("<iIii", kind, 0, 1, 1)


def _chunks(part: Part, number: int, several: bool) -> Iterator[bytes]:
    height, _ = _size(part.attributes)
    top = struct.unpack_from("<4i", part.attributes["dataWindow"][1])[1]
    for first in range(0, height, LINES[ZIP]):
        rows = [
            np.ascontiguousarray(plane[first : first + LINES[ZIP]]).view(np.uint8)
            for plane in part.channels.values()
        ]
        packed = _packed(np.concatenate(rows, axis=1).ravel())
        yield struct.pack("<i", number) * several + struct.pack("<ii", top + first, len(packed)) + packed


def _packed(pixels: np.ndarray) -> bytes:
    halves = np.concatenate([pixels[::2], pixels[1::2]])
    differences = halves.copy()
    differences[1:] -= halves[:-1]
    differences[1:] += 128
    packed = zlib.compress(differences.tobytes(), 4)
    return packed if len(packed) < pixels.size else pixels.tobytes()
